"""Theano graphs as pure functions of JAX, for its transformations and for export."""

import jax
import theano

from . import (
    devices,
    translations,  # noqa: F401  (registers the translations)
)
from .graph import Graph
from .tracing import GiveUp, NeedsMeasurement, NeedsShapes, NeedsValue, TranslationError, frame

__all__ = ["Pure", "export"]


class Pure:
    """A pure function of JAX that computes what a graph does.

    Parameters
    ----------
    inputs : list of theano variables
        Its arguments, in their order.
    variables : dict
        Shared variables by name; their values are its first argument, a dict of the same names.
    outputs : list of expressions
        What it computes.

    Examples
    --------
    >>> import numpy as np
    >>> import theano.tensor as TT
    >>> x, w = TT.vector("x"), theano.shared(np.ones(3, "f"), name="w")
    >>> function = Pure([x], {"w": w}, [(TT.cast(x, "float32") * w).sum()])
    >>> print(jax.grad(lambda w: function({"w": w}, np.arange(3.0, dtype="f"))[0])(np.ones(3, "f")))
    [0. 1. 2.]
    """

    def __init__(self, inputs, variables, outputs):
        self.names = list(variables)
        self.inputs = [(variable.name, getattr(variable, "ndim", None)) for variable in inputs]
        self.graph = Graph(theano.gof.FunctionGraph([*inputs, *variables.values()], list(outputs), clone=True))

    def __call__(self, values, *arrays):
        missing = [name for name in self.names if name not in values]
        if missing:
            raise KeyError(f"there is no value for {missing[0]!r} (there are: {', '.join(values)})")
        if len(arrays) != len(self.inputs):
            wanted = ", ".join(str(name) for name, _ in self.inputs)
            raise TypeError(f"found {len(arrays)} arrays after the parameters, expected {len(self.inputs)}: {wanted}")
        for (name, ndim), array in zip(self.inputs, arrays):
            if ndim is not None and jax.numpy.ndim(array) != ndim:
                raise ValueError(
                    f"array {name!r} has the shape {jax.numpy.shape(array)}, expected one of {ndim} dimensions"
                )
        arguments = [*arrays, *(values[name] for name in self.names)]
        # graphs have indices of 64 bits, whatever the caller's setting.
        with devices.enable_x64(True), frame(known={}, calls={}) as level, devices.precision():
            try:
                results = self.graph(arguments)
            except (NeedsValue, NeedsMeasurement, NeedsShapes, GiveUp) as error:
                raise TranslationError(
                    f"this graph has shapes that depend on values of its inputs, which a pure function cannot have: "
                    f"{error}"
                ) from error
            if level.calls:
                raise TranslationError(f"{next(iter(level.calls))} runs in Python, and has no translation to JAX")
        return results


def export(function, shapes, platforms):
    """Serialize a function of rows, for any number of them.

    Parameters
    ----------
    function : callable
        Maps one row of each input to one row of each output.
    shapes : list of (tuple of int, str)
        The shape of a row of each input, and its dtype.
    platforms : sequence of str
        What it is to run on, such as ``"cpu"`` and ``"cuda"``.

    Returns
    -------
    content : bytes
        What ``jax.export.deserialize`` reads.
    """
    from jax import export as exporting

    (batch,) = exporting.symbolic_shape("batch")
    arguments = [jax.ShapeDtypeStruct((batch, *shape), dtype) for shape, dtype in shapes]
    with devices.enable_x64(True):
        return bytes(exporting.export(jax.jit(jax.vmap(function)), platforms=list(platforms))(*arguments).serialize())
