"""Conversion of values between Theano's types and JAX: arrays, sparse matrices, generators and scalars."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import theano
import theano.sparse
from theano.tensor import TensorType

from . import devices

__all__ = [
    "DEVICE_TYPES",
    "Increment",
    "SparseArray",
    "describe",
    "from_device",
    "is_supported",
    "prepare",
    "settled",
    "take_over",
    "to_device",
]


@jax.tree_util.register_pytree_node_class
class SparseArray:
    """A sparse matrix in coordinate format: rows, columns and values of its entries.

    The number of entries is rounded up, so that matrices with about as many share one compiled function; the padding is
    zeros out of bounds, in the row and column behind the last ones. Entries may come in any order, and those with the
    same indices add up.

    Parameters
    ----------
    data : array (num-entries, )
        Values.
    rows, columns : arrays of int32 (num-entries, )
        Their indices.
    shape : tuple of int
        Number of rows, and of columns.
    format : str
        ``"csr"`` or ``"csc"``, which tells Theano's types apart.
    """

    def __init__(self, data, rows, columns, shape, format):
        self.data, self.rows, self.columns = data, rows, columns
        self.shape = tuple(shape)
        self.format = format

    dtype = property(lambda self: self.data.dtype)
    ndim = 2

    def tree_flatten(self):
        """Return the arrays and the static data of the matrix, as JAX flattens pytrees."""
        return (self.data, self.rows, self.columns), (self.shape, self.format)

    @classmethod
    def tree_unflatten(cls, about, parts):
        """Make a matrix of its arrays and static data, as JAX unflattens pytrees."""
        return cls(*parts, *about)

    @classmethod
    def of(cls, matrix):
        """Make one from a SciPy matrix."""
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        entries = matrix.tocoo()
        count = entries.data.size
        # capacity rounded up by at most 1/8, so that few different shapes are compiled.
        step = 1 << max(int(count).bit_length() - 3, 4)
        padding = (0, -count % step)
        return cls(
            np.pad(entries.data, padding),
            np.pad(entries.row.astype("int32"), padding, constant_values=matrix.shape[0]),
            np.pad(entries.col.astype("int32"), padding, constant_values=matrix.shape[1]),
            matrix.shape,
            matrix.format,
        )

    def to_host(self):
        """Return it as a SciPy matrix."""
        data, rows, columns = (np.array(part) for part in (self.data, self.rows, self.columns))
        inside = rows < self.shape[0]
        matrix = scipy.sparse.coo_matrix((data[inside], (rows[inside], columns[inside])), self.shape)
        matrix = matrix.asformat(self.format)
        matrix.sum_duplicates()
        return matrix


class Increment:
    """An array and an increment of some of its rows that has not been added yet, while a graph is traced.

    As a new state it is computed in the donated buffer of the old one, and changes those rows only. Selecting between
    the old state and the new one, if a guard fails, would need a copy.

    Parameters
    ----------
    base : array
        What is added to.
    rows : array of int (num-terms, )
        The rows. Those outside of the array are left out, and several of one row add up.
    terms : array (num-terms, ...)
        What is added to them.
    """

    def __init__(self, base, rows, terms):
        self.base, self.rows, self.terms = base, rows, terms

    dtype = property(lambda self: self.base.dtype)
    ndim = property(lambda self: self.base.ndim)
    shape = property(lambda self: self.base.shape)

    def settled(self, condition=None):
        """Return the array; if there is a condition that does not hold, as it was before."""
        rows = self.rows if condition is None else jnp.where(condition, self.rows, self.base.shape[0])
        return jnp.asarray(self.base).at[rows].add(self.terms, mode="drop")


def settled(value):
    """Return an array for one that has yet to be added to; anything else as it is."""
    return value.settled() if isinstance(value, Increment) else value


#: Results of so many bytes are handed to NumPy as they lie in memory; to copy smaller ones takes less time.
WORTH_TAKING = 1 << 16

#: Types of values that the storage of a shared variable may hold.
DEVICE_TYPES = (jax.Array, SparseArray)

_SCALAR = theano.scalar.Scalar
_SPARSE = theano.sparse.SparseType


def is_supported(type_):
    """Tell whether values of a Theano type can be given to a compiled function."""
    return isinstance(type_, (TensorType, _SCALAR, _SPARSE)) and type_.dtype != "object"


def prepare(type_, value):
    """Return a value as an argument for a compiled function; the memory may be shared. None, for none, stays None."""
    if value is None or isinstance(value, DEVICE_TYPES):
        return value
    if isinstance(type_, _SPARSE):
        return SparseArray.of(value)
    if isinstance(type_, (TensorType, _SCALAR)):
        return np.asarray(value, type_.dtype)
    raise TypeError(f"{type_} is no type that XLA has")


def is_on_device(value):
    """Tell whether a value lies on the device: an array of JAX's, or a sparse one of such arrays."""
    # a look at the types that have been there takes a fraction of the time of isinstance(), which asks JAX.
    kind = type(value)
    if kind in _placed_types:
        return True
    if isinstance(value, DEVICE_TYPES):
        _placed_types.add(kind)
        return True
    return False


_placed_types: set[type] = set()


def to_device(type_, value, plan=None):
    """Return a copy on the device, or on all devices of a plan, which no NumPy array shares memory with.

    It is bound to the device, as the results of programs on disk are: JAX compiles once more for arguments that are
    bound where they were not before.
    """
    return all_to_device([(type_, value)], plan)[0]


def all_to_device(pairs, plan=None):
    """Return copies of many values on the device, in one call; see :func:`to_device`.

    Parameters
    ----------
    pairs : list of tuple
        A type of Theano's and a value, for each of them.
    plan : theanets.xla.sharding.Plan, optional
        The devices, all of which get the values. Default: the default device.
    """
    prepared = [prepare(type_, value) for type_, value in pairs]
    if plan is not None:
        return [plan.place(value, may_alias=False) for value in prepared]
    return jax.device_put(prepared, devices.default(), may_alias=False)


class _Memory:
    """The memory of a JAX array that nobody else has, for NumPy to write to; it lives as long as this object."""

    def __init__(self, view):
        self.view = view
        about = view.__array_interface__
        self.__array_interface__ = {**about, "data": (about["data"][0], False)}


def take_over(type_, value):
    """Return the same as :func:`from_device` for a result that nobody else has: a large one is not copied."""
    if type(type_) is not TensorType or isinstance(value, SparseArray):
        return from_device(type_, value)
    view = np.asarray(value)
    # of another device, this is a copy already.
    return view.copy() if view.nbytes < WORTH_TAKING else np.asarray(_Memory(view))


def from_device(type_, value):
    """Return a value on the device as Theano's type declares it: an array, scalar or matrix that shares no memory."""
    if isinstance(value, SparseArray):
        return value.to_host()
    if value is None:
        return None
    if isinstance(type_, TensorType):
        return np.array(value)
    if isinstance(type_, _SCALAR):
        return np.asarray(value)[()]
    return value


def describe(value):
    """Return a cache key for a value: what tracing depends on, such as its shape and dtype."""
    if isinstance(value, SparseArray):
        return value.shape, value.format, value.data.shape, value.dtype
    return np.shape(value), value.dtype
