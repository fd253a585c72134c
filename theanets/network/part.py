"""What the parts of a network may count on: the attributes that Network itself has, for type checkers."""

from typing import TYPE_CHECKING

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

        def _require_layers(self) -> None: ...
