"""Base class of the parts (mixins) of a network, which declares the attributes that they use for type checkers."""

import threading
from typing import TYPE_CHECKING, Any

from ..layers import Layer
from ..losses import Loss

__all__ = ["OfWhole", "Part"]


class OfWhole:
    """Attribute of networks that has another value in the thread that trains a part of the network, as in pretraining.

    All other threads see the value of the whole network, ``net._whole``. The value in the dict of the network is that
    for the thread ``net._stage_thread``.

    Parameters
    ----------
    place : int
        The position of the value in ``net._whole``.
    """

    def __init__(self, place):
        self.place = place

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, network, owner=None):
        if network is None:
            return self
        attributes = vars(network)
        while True:
            try:
                value = attributes[self.name]
            except KeyError:
                raise AttributeError(f"{type(network).__name__!r} object has no attribute {self.name!r}") from None
            whole = attributes.get("_whole")
            if whole is not None:
                return value if attributes["_stage_thread"] == threading.get_ident() else whole[self.place]
            # a stage that begins or ends in between has changed it.
            if attributes[self.name] is value:
                return value

    def __set__(self, network, value):
        vars(network)[self.name] = value


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
