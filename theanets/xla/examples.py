"""Training data on the device, and the slicing of batches there, dense and sparse."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from theano.sparse import SparseType
from theano.tensor import TensorType

from .values import SparseArray

__all__ = ["DenseExamples", "SparseExamples", "find"]


def find(type_, value):
    """Return the class for values of a Theano type; None if there is none."""
    if isinstance(type_, TensorType) and isinstance(value, np.ndarray):
        return DenseExamples
    if isinstance(type_, SparseType) and scipy.sparse.issparse(value) and value.format == type_.format:
        return SparseExamples
    return None


class Examples:
    """Base class of an array of all examples on the device.

    Attributes
    ----------
    parts : tuple of arrays
        The arrays on the device.
    counts : ndarray or None
        Number of entries of each example, if examples differ in it.
    """

    counts = None

    def __init__(self, *parts):
        self.parts = parts

    @property
    def nbytes(self):
        """How many bytes the parts have."""
        return sum(part.nbytes for part in self.parts)

    @property
    def layout(self):
        """Shapes and dtypes of the parts, which are part of the cache key of a loop."""
        return [(part.shape, part.dtype) for part in self.parts]

    def place(self, plan=None):
        """Copy the parts to the device, or to all devices of a plan; on a CPU without a copy."""
        self.parts = tuple(jax.device_put(self.parts) if plan is None else plan.place(self.parts))

    def bare(self):
        """Return what takes batches out of such data, without the data."""
        bare = copy.copy(self)
        bare.parts, bare.counts = (), None
        return bare

    def settings(self):
        """Return the settings that a batch depends on beside the parts, as numbers and texts, for cache keys."""
        settings = [item for item in vars(self).items() if item[0] not in ("parts", "counts")]
        return type(self).__name__, sorted(settings)

    def batch(self, parts, start, size):
        """Return a batch while the loop is traced.

        Parameters
        ----------
        parts : tuple of arrays
            The parts.
        start : array of uint32
            The first example.
        size : int
            Number of examples.
        """
        raise NotImplementedError

    def largest(self, order):
        """Return the number of entries of the largest batch of shuffled rows, if batches differ in it.

        Parameters
        ----------
        order : ndarray (num-examples, )
            The order of the rows.
        """
        return 0

    def rows(self, parts, chosen):
        """Return a batch of some rows while the loop is traced.

        Parameters
        ----------
        parts : tuple of arrays
            The parts.
        chosen : array of uint32 (num-examples, )
            Where the rows are. All of them are within the data.
        """
        raise NotImplementedError


class DenseExamples(Examples):
    """Examples that are slices of an array.

    Parameters
    ----------
    type_ : TensorType
        What a batch is.
    array : ndarray
        All examples.
    size : int
        Number of examples in a batch. The one at the end may be smaller.
    axis : int
        The axis of the batch.
    mixed : bool
        Ignored.
    """

    def __init__(self, type_, array, size, axis, mixed=False):
        # zero-copy on a CPU: the device array shares memory with the user's array, which is only read.
        super().__init__(np.ascontiguousarray(array, type_.dtype))
        self.axis = axis

    def batch(self, parts, start, size):
        (array,) = parts
        return array if size == array.shape[self.axis] else jax.lax.dynamic_slice_in_dim(array, start, size, self.axis)

    def rows(self, parts, chosen):
        (array,) = parts
        return _take(array, chosen)


class SparseExamples(Examples):
    """Examples that are the rows, or the columns, of a sparse matrix.

    The entries are stored in the order of the examples, so those of a batch are contiguous. As many are taken for each
    batch as the largest one has; those that belong to the next batch become padding, as in :class:`SparseArray`.

    Parameters
    ----------
    type_ : SparseType
        What a batch is.
    matrix : scipy matrix
        All examples.
    size : int
        Number of examples in a batch. The one at the end may be smaller.
    axis : int
        The axis of the batch.
    mixed : bool, optional
        Whether batches are made of rows in an order of their own. Default False.
    """

    def __init__(self, type_, matrix, size, axis, mixed=False):
        matrix = matrix.asformat(("csr", "csc")[axis])
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        length, self.width = matrix.shape[axis], matrix.shape[1 - axis]
        self.format, self.axis, self.size = type_.format, axis, size
        self.counts = np.diff(matrix.indptr)
        # that of mixed rows depends on the orders that they come in, see FusedLoop.
        self.capacity = 1 if mixed else self._largest(self.counts)
        places = np.repeat(np.arange(length, dtype="int32"), self.counts)
        # padding after the last example, so that a slice of fixed length fits wherever a batch begins.
        padding = 0, self.capacity
        super().__init__(
            np.pad(matrix.data.astype(type_.dtype, copy=False), padding),
            np.pad(places, padding, constant_values=length),
            np.pad(matrix.indices.astype("int32", copy=False), padding, constant_values=self.width),
            matrix.indptr,
        )

    @property
    def layout(self):
        return [*super().layout, self.capacity]

    def _largest(self, counts):
        """Return the number of entries of the largest batch."""
        return int(np.add.reduceat(counts, np.arange(0, len(counts), self.size)).max())

    def largest(self, order):
        return self._largest(self.counts[order])

    def batch(self, parts, start, size):
        first = jax.lax.dynamic_index_in_dim(parts[-1], start, keepdims=False)
        data, places, others = [jax.lax.dynamic_slice_in_dim(part, first, self.capacity) for part in parts[:-1]]
        places = places - start.astype("int32")
        inside = places < size
        data = jnp.where(inside, data, 0)
        return self._make(data, jnp.where(inside, places, size), jnp.where(inside, others, self.width), size)

    def rows(self, parts, chosen):
        data, _, others, pointers = parts
        size = chosen.shape[0]
        firsts = _take(pointers, chosen)
        counts = _take(pointers, chosen + 1) - firsts
        ends = jnp.cumsum(counts)
        # the entries of one row after those of the other; the rest is padding with indices out of bounds.
        places = jnp.repeat(jnp.arange(size, dtype="int32"), counts, total_repeat_length=self.capacity)
        numbers = jnp.arange(self.capacity, dtype=pointers.dtype)
        inside = numbers < ends[-1]
        entries = jnp.where(inside, numbers + _take(firsts - (ends - counts), places), 0)
        return self._make(
            jnp.where(inside, _take(data, entries), 0),
            jnp.where(inside, places, size),
            jnp.where(inside, _take(others, entries), self.width),
            size,
        )

    def _make(self, data, places, others, size):
        if self.axis == 0:
            return SparseArray(data, places, others, (size, self.width), self.format)
        return SparseArray(data, others, places, (self.width, size), self.format)


def _take(array, places):
    """Return the items at some indices, all of which are in bounds."""
    return array.at[places].get(mode="promise_in_bounds")
