"""The registry of translations, by the class of an Op.

A translation is a function ``(op, node, *values)`` that computes the outputs of one Apply node by ``jax.numpy``: an
array, or a tuple of arrays for several outputs. It is registered for a class of Ops and serves its subclasses too:

>>> import theano.tensor as TT
>>> from theanets import xla
>>> class Double(theano.Op):
...     __props__ = ()
...     def make_node(self, x):
...         return theano.Apply(self, [x], [x.type()])
...     def perform(self, node, inputs, outputs):
...         outputs[0][0] = 2 * inputs[0]
>>> @xla.translates(Double)
... def double(op, node, x):
...     return 2 * x
>>> x = TT.vector("x")
>>> function = theano.function([x], Double()(x), mode="XLA")
>>> print(function(np.ones(3, x.dtype)))
[2. 2. 2.]

See :mod:`theanets.xla.tracing` for the values that a translation gets, and what it may demand of them.
"""

import functools

import numpy as np  # noqa: F401  (for the example above)
import theano

__all__ = ["scalar", "translate", "translates"]

#: Translations of scalar Ops, by class; see :func:`scalar`.
SCALARS = {}

#: Classes of Ops whose translation is called even if all values are known while tracing.
NEVER_ON_HOST: set[type] = set()

#: Classes of Ops whose translation gets functions that compute the values, rather than the values.
LAZY: set[type] = set()


class Untranslated(NotImplementedError):
    """There is no translation for an Op.

    Parameters
    ----------
    op : theano Op
        The Op.
    """

    def __init__(self, op):
        super().__init__(f"no XLA translation for {op} ({type(op).__module__}.{type(op).__name__})")
        self.op = op


@functools.singledispatch
def translate(op, node, *values):
    """Compute the outputs of an Apply node.

    Parameters
    ----------
    op : theano Op
        What the node applies.
    node : theano Apply
        The node.
    *values : arrays
        NumPy arrays for values that are known while tracing, JAX arrays for the rest.

    Returns
    -------
    outputs : array or tuple of arrays

    Raises
    ------
    Untranslated
        If there is no translation for this Op.
    """
    raise Untranslated(op)


def translates(*classes, on_host=True, lazy=False):
    """Register a translation.

    Parameters
    ----------
    *classes : classes of theano Ops
        What the decorated function translates.
    on_host : bool, optional
        Whether the Op's own ``perform`` may be used instead where all inputs are known while tracing. False suits Ops
        with effects, and those that make large arrays of small ones. Default True.
    lazy : bool, optional
        Give functions that compute the values instead of the values, for Ops that do not need all of them. Default
        False.

    Returns
    -------
    decorator : callable
        Registers a function ``(op, node, *values)``, and returns it.
    """
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, theano.gof.op.PureOp)):
            raise TypeError(f"a translation is registered for classes of Ops, not for {cls!r}")

    def register(function):
        for cls in classes:
            translate.register(cls, function)
            if lazy:
                LAZY.add(cls)
            if lazy or not on_host:
                NEVER_ON_HOST.add(cls)
        return function

    return register


def belongs(op, classes):
    """Tell whether the class of an Op, or the nearest of its bases that has a translation, is one of these."""
    registered = translate.dispatch(type(op))
    return any(cls in classes and translate.dispatch(cls) is registered for cls in type(op).__mro__)


def scalar(*classes):
    """Register the translation of scalar Ops, which serves their elementwise use as well.

    Parameters
    ----------
    *classes : classes of theano scalar Ops
        What the decorated function ``(op, *values)`` translates. The values have been broadcast against each other
        by then as far as NumPy needs them to be; the result is cast to the declared type by the caller.

    Returns
    -------
    decorator : callable
        Registers a function, and returns it.
    """

    def register(function):
        for cls in classes:
            SCALARS[cls] = function
        return function

    return register


def untranslated(op):
    """Return the Op that lacks a translation: this one, or the scalar Op that it applies; None if there is none."""
    if translate.dispatch(type(op)) is translate.dispatch(object):
        return op
    pending = [getattr(op, "scalar_op", op)]
    while pending:
        part = pending.pop()
        if isinstance(part, theano.scalar.Composite):
            pending.extend(node.op for node in theano.gof.graph.io_toposort(part.inputs, part.outputs))
        elif isinstance(part, theano.scalar.ScalarOp) and not any(cls in SCALARS for cls in type(part).__mro__):
            return part
    return None


def find_scalar(op):
    """Return the translation of a scalar Op.

    Raises
    ------
    Untranslated
        If there is none.
    """
    for cls in type(op).__mro__:
        if cls in SCALARS:
            return SCALARS[cls]
    raise Untranslated(op)
