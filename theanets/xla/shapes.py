"""Compiled functions by the shapes of their arguments, in an LRU cache."""

import collections

import numpy as np

from .values import SparseArray

__all__ = ["SHAPES", "ByShape", "Recent"]

#: Maximum number of shapes for which a function stays compiled: each takes a megabyte or more.
SHAPES = 64

#: Maximum number of programs per shape of the arguments, for shared variables of different shapes.
SHARED_SHAPES = 8


class Recent(collections.OrderedDict):
    """LRU cache: a dict that keeps the entries used last.

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
            # no such entry, or another thread has removed it meanwhile.
            pass
        value = self[key] = make()
        while len(self) > self.size:
            self.popitem(last=False)
        return value


class ByShape:
    """A function compiled for each shape of its arguments, with an LRU cache of the programs.

    JAX keeps all programs of a function for as long as the function lives. To free those for shapes that have not been
    used for long, each shape gets a function object of its own.

    Parameters
    ----------
    make : callable
        Returns a new :class:`~theanets.xla.trials.Function` of two tuples of arguments, and any further ones. The
        cache key is the shapes of those arguments in the second tuple that are not shared variables.
    size : int, optional
        Maximum number of shapes in the cache. Default :data:`SHAPES`.
    shape_of : callable, optional
        Returns the part of the key for an argument. Default: the shape of an array, and None for what is on the device.
    """

    def __init__(self, make, size=SHAPES, shape_of=None):
        self.make = make
        self.functions = Recent(size)
        self.shape_of = shape_of or _shape

    def _key(self, kept):
        return tuple([self.shape_of(value) for value in kept])

    def find(self, kept):
        """Return the function for such arguments."""
        return self.functions.find(self._key(kept), self.make)

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
            function = self.functions[self._key(arguments[1])] = self.make()
        function.compile(arguments)

    def __call__(self, *arguments):
        return self.find(arguments[1])(*arguments)

    def trace(self, *arguments):
        """Trace the function for such arguments, as functions of ``jax.jit`` do."""
        return self.find(arguments[1]).trace(*arguments)

    def lower(self, *arguments):
        """Lower the function for such arguments, as functions of ``jax.jit`` do."""
        return self.find(arguments[1]).lower(*arguments)


def _shape(value):
    """Return the shape of an argument; None for a value on the device, which is a shared variable of fixed shape."""
    if isinstance(value, np.ndarray):
        return value.shape
    return value.shape + value.data.shape if isinstance(value, SparseArray) else None
