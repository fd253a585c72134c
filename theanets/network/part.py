"""Base class of the parts (mixins) of a network, which declares the attributes that they use for type checkers."""

from typing import TYPE_CHECKING, Any

from ..layers import Layer
from ..losses import Loss

__all__ = ["Part"]


class Part:
    """Base of the classes that :class:`theanets.Network` is put together from."""

    layers: list[Layer]
    losses: list[Loss]

    if TYPE_CHECKING:

        @property
        def params(self) -> list: ...

        @property
        def statistics(self) -> list: ...

        @property
        def inputs(self) -> list: ...

        @property
        def variables(self) -> list: ...

        def build_graph(self, regularizers: Any = (), context: Any = None) -> tuple[Any, Any]: ...

        def _require_layers(self) -> None: ...

        def _input_slots(self, carried: bool = False) -> Any: ...

        @staticmethod
        def _get_output(outputs: Any, name: str) -> Any: ...

        def _is_known_by_row(self) -> bool: ...

        def _ensure_loss(self) -> None: ...

        def _regularizers(self, kwargs: Any, where: Any) -> Any: ...

        def _graph_key(self, regs: Any, context: Any = None) -> Any: ...
