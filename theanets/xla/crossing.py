"""How values get from a compiled function to Python on the host, and back: arrays, sparse matrices, and other objects.

Compiled functions hold arrays only. Anything else, such as a random generator or a list, stays on the host, and the
function holds a number for it: its place in a table (:class:`Objects`).
"""

import itertools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import theano
import theano.sparse

from .. import util
from .values import SparseArray, is_supported

__all__ = ["NUMBER", "Objects", "crossing_for", "is_object"]

#: The dtype of the numbers of objects.
NUMBER = "int32"


def is_object(type_):
    """Tell whether compiled functions hold numbers in place of values of a Theano type."""
    return not is_supported(type_)


class Objects:
    """Objects on the host that a compiled function refers to by numbers.

    It is a context manager around calls, any number of which may go on at a time; the objects are kept until all of
    them have ended.
    """

    def __init__(self):
        self.found = {}
        self.kept = {}
        self.numbers = itertools.count()
        self.calls = 0
        self.lock = util.anew_after_fork(threading.Lock())

    def __enter__(self):
        with self.lock:
            self.calls += 1

    def __exit__(self, *error):
        with self.lock:
            self.calls -= 1
            if not self.calls and self.found:
                self.found.clear()
                self.numbers = itertools.count()

    def put(self, value):
        """Return the number of an object, as an array."""
        number = next(self.numbers)
        self.found[number] = value
        return np.asarray(number, NUMBER)

    def keep(self, value):
        """Return the number of an object that is a constant of the function."""
        number = -1 - len(self.kept)
        self.kept[number] = value
        return np.asarray(number, NUMBER)

    def get(self, number):
        """Return the object of a number."""
        number = int(number)
        return self.kept[number] if number < 0 else self.found[number]


class ObjectCrossing:
    """An object, whose number crosses."""

    def __init__(self, objects):
        self.objects = objects
        self.declared = [((), np.dtype(NUMBER))]

    def send(self, value):
        """Return the arrays of a value of the compiled function that cross."""
        return [jnp.asarray(value)]

    def arrive(self, arrays):
        """Return the value on the host."""
        return self.objects.get(arrays[0])

    def send_back(self, value):
        """Return the NumPy arrays of a value on the host that cross; None if it is not of the declared shape."""
        return [self.objects.put(value)]

    def arrive_back(self, arrays):
        """Return the value of the compiled function."""
        return arrays[0]


class ArrayCrossing:
    """An array.

    JAX may make the call from a thread of its own, where 64-bit types are not enabled: it would round the values. So
    they cross as pairs of 32-bit integers (and complex numbers of twice that as pairs of those).

    Parameters
    ----------
    shape : tuple of int
        The shape.
    dtype : dtype
        The type.
    """

    def __init__(self, shape, dtype):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.is_plain = self.dtype.itemsize < 8 or self.dtype == "complex64"
        outside = (self.shape, self.dtype), ((*self.shape, self.dtype.itemsize // 4), np.dtype("uint32"))
        self.declared = [outside[not self.is_plain]]

    def send(self, array):
        """See :meth:`ObjectCrossing.send`."""
        array = jnp.asarray(array)
        if self.is_plain:
            return [array]
        if array.dtype == "complex128":
            array = jnp.stack([array.real, array.imag], axis=-1)
        shape, dtype = self.declared[0]
        return [jax.lax.bitcast_convert_type(array, dtype).reshape(shape)]

    def arrive(self, arrays):
        """See :meth:`ObjectCrossing.arrive`."""
        if self.is_plain:
            return arrays[0]
        return np.ascontiguousarray(arrays[0]).reshape(-1).view(self.dtype).reshape(self.shape)

    def send_back(self, value):
        """See :meth:`ObjectCrossing.send_back`."""
        if np.shape(value) != self.shape:
            return None
        shape, dtype = self.declared[0]
        array = np.asarray(value, self.dtype)
        return [array if self.is_plain else np.ascontiguousarray(array).view(dtype).reshape(shape)]

    def arrive_back(self, arrays):
        """See :meth:`ObjectCrossing.arrive_back`."""
        if self.is_plain:
            return arrays[0]
        if self.dtype == "complex128":
            parts = jax.lax.bitcast_convert_type(arrays[0].reshape(*self.shape, 2, 2), "float64")
            return jax.lax.complex(parts[..., 0], parts[..., 1])
        return jax.lax.bitcast_convert_type(arrays[0], self.dtype)


class SparseCrossing:
    """A sparse matrix: the values of its entries, and their rows and columns.

    Parameters
    ----------
    shape : tuple of int
        Number of rows, and of columns.
    capacity : int
        The number of entries that there is room for.
    dtype : dtype
        Type of the values.
    format : str
        ``"csr"`` or ``"csc"``.
    """

    def __init__(self, shape, capacity, dtype, format):
        self.shape, self.capacity, self.format = tuple(shape), capacity, format
        self.data = ArrayCrossing((capacity,), dtype)
        self.declared = [*self.data.declared, *[((capacity,), np.dtype("int32"))] * 2]

    def send(self, matrix):
        """See :meth:`ObjectCrossing.send`."""
        return [*self.data.send(matrix.data), jnp.asarray(matrix.rows), jnp.asarray(matrix.columns)]

    def arrive(self, arrays):
        """See :meth:`ObjectCrossing.arrive`."""
        rows, columns = arrays[1:]
        return SparseArray(self.data.arrive(arrays[:1]), rows, columns, self.shape, self.format).to_host()

    def send_back(self, value):
        """See :meth:`ObjectCrossing.send_back`."""
        entries = scipy.sparse.coo_matrix(value)
        missing = self.capacity - entries.data.size
        if entries.shape != self.shape or missing < 0:
            return None
        data = self.data.send_back(np.pad(entries.data, (0, missing)))
        places = zip((entries.row, entries.col), self.shape)
        return [*data, *(np.pad(part.astype("int32"), (0, missing), constant_values=end) for part, end in places)]

    def arrive_back(self, arrays):
        """See :meth:`ObjectCrossing.arrive_back`."""
        return SparseArray(self.data.arrive_back(arrays[:1]), *arrays[1:], self.shape, self.format)


def crossing_for(type_, objects, shape=None, capacity=None, dtype=None):
    """Return how a value of a Theano type crosses.

    Parameters
    ----------
    type_ : theano Type
        The type.
    objects : Objects
        The table of objects.
    shape : tuple of int, optional
        Its shape, for arrays and matrices.
    capacity : int, optional
        Number of entries, for sparse matrices.
    dtype : dtype, optional
        Type of the values, if it is not the declared one.
    """
    if is_object(type_):
        return ObjectCrossing(objects)
    if isinstance(type_, theano.sparse.SparseType):
        return SparseCrossing(shape, capacity, dtype or type_.dtype, type_.format)
    return ArrayCrossing(shape, dtype or type_.dtype)
