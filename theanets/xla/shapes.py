"""Programs of one function for the shapes that it has met last."""

import collections

import numpy as np

from .values import SparseArray

__all__ = ["SHAPES", "ByShape", "Recent"]

#: So many programs of one function are kept: each takes a megabyte or more.
SHAPES = 64

#: So many of them are for arguments of the same shape, where shared variables have others.
SHARED_SHAPES = 8


class Recent(collections.OrderedDict):
    """A dict that keeps the entries used last (LRU).

    Parameters
    ----------
    size : int
        How many entries it has at most.
    """

    def __init__(self, size):
        super().__init__()
        self.size = size

    def find(self, key, make):
        """Return the entry of a key, which is made if there is none."""
        try:
            self.move_to_end(key)
            return self[key]
        except KeyError:
            # also if another thread has let go of it in the meantime.
            pass
        value = self[key] = make()
        while len(self) > self.size:
            self.popitem(last=False)
        return value


class ByShape:
    """A function that XLA compiles for each shape of its arguments, and lets go of shapes that were not used for long.

    JAX keeps all that it has compiled for a function for as long as the function lives. So each shape has one of its
    own.

    Parameters
    ----------
    make : callable
        Returns a new :class:`~theanets.xla.trials.Function` of two tuples of arguments, and any further ones. The
        shapes of those arguments of the second tuple count that are no shared variables.
    size : int, optional
        For so many shapes programs are kept. Default :data:`SHAPES`.
    """

    def __init__(self, make, size=SHAPES):
        self.make = make
        self.functions = Recent(size)

    def find(self, kept):
        """Return the function for such arguments."""
        return self.functions.find(_key(kept), self.make)

    def call(self, arguments, results):
        """See :meth:`theanets.xla.trials.Function.call`."""
        self.find(arguments[1]).call(arguments, results)

    def compile_and_call(self, arguments, results):
        """See :meth:`theanets.xla.trials.Function.compile_and_call`."""
        self.find(arguments[1]).compile_and_call(arguments, results)

    def compile(self, arguments):
        """Compile for arguments of such shapes."""
        function = self.find(arguments[1])
        if function.compiled >= SHARED_SHAPES:
            function = self.functions[_key(arguments[1])] = self.make()
        function.compile(arguments)

    def __call__(self, *arguments):
        return self.find(arguments[1])(*arguments)

    def trace(self, *arguments):
        """Return what JAX traces for such arguments, as ``jax.jit`` does."""
        return self.find(arguments[1]).trace(*arguments)

    def lower(self, *arguments):
        """Return what XLA compiles for such arguments, as ``jax.jit`` does."""
        return self.find(arguments[1]).lower(*arguments)


def _key(kept):
    return tuple([_shape(value) for value in kept])


def _shape(value):
    """Return the shape of an argument; what lies on the device already is a shared variable, whose shape stays."""
    if isinstance(value, np.ndarray):
        return value.shape
    return value.shape + value.data.shape if isinstance(value, SparseArray) else None
