"""Translations of Ops of sparse matrices, which are stored by the indices and values of their entries.

Padding entries (see :class:`~theanets.xla.values.SparseArray`) have indices out of bounds, where XLA drops what is
added; what is read there is multiplied by their value of zero. The number of entries of a result must not depend on
data: where it does in Theano, there is one entry for each element of the matrix, and zeros are out of bounds.
"""

import jax.numpy as jnp
import numpy as np
from theano.sparse import basic
from theano.sparse.sandbox import sp2

from ..host import call_back
from ..registry import translates
from ..tracing import Dynamic, is_known, known
from ..values import Increment, SparseArray
from .elementwise import cast_array
from .indexing import in_range


def sparse(value):
    """Return a sparse matrix as its entries; a constant is one of SciPy's."""
    return value if isinstance(value, SparseArray) else SparseArray.of(value)


def is_sparse(value):
    """Tell whether a value is a sparse matrix, rather than an array."""
    return isinstance(value, SparseArray) or hasattr(value, "tocoo")


def result(node, data, rows, columns, shape):
    """Return a sparse matrix of the declared type."""
    declared = node.outputs[0].type
    return SparseArray(
        cast_array(data, declared.dtype),
        jnp.asarray(rows).astype("int32"),
        jnp.asarray(columns).astype("int32"),
        shape,
        declared.format,
    )


def with_data(node, x, data):
    """Return a sparse matrix with other values and the same indices."""
    # values gathered out of bounds may be infinite, and 0 * inf is NaN.
    return result(node, jnp.where(x.rows < x.shape[0], data, 0), x.rows, x.columns, x.shape)


def keep(node, x, condition, data=None):
    """Return a sparse matrix with those entries only for which a condition holds."""
    data = x.data if data is None else data
    rows, columns = (jnp.where(condition, part, end) for part, end in zip((x.rows, x.columns), x.shape))
    return result(node, jnp.where(condition, data, 0), rows, columns, x.shape)


def to_dense(x, dtype=None):
    """Return a sparse matrix as an array."""
    dtype = dtype or x.dtype
    return jnp.zeros(x.shape, dtype).at[x.rows, x.columns].add(cast_array(x.data, dtype), mode="drop")


def from_dense(node, x):
    """Return an array as a sparse matrix, of which zeros are no entries."""
    rows, columns = (part.ravel() for part in np.indices(x.shape, "int32"))
    every = SparseArray(jnp.asarray(x).ravel(), rows, columns, x.shape, "csr")
    return keep(node, every, every.data != 0)


def _same_shape(x, y):
    if tuple(x.shape) != tuple(y.shape):
        raise ValueError(f"shapes {tuple(x.shape)} and {tuple(y.shape)} differ")


def _read(y, *places):
    """Return the elements of an array at some indices; those out of bounds are clipped."""
    return jnp.asarray(y).at[places].get(mode="clip")


def _times(x, y, dtype, factor=None):
    """Multiply a sparse matrix by a matrix or a vector; return rows, and the terms that add up in them."""
    if x.shape[1] != y.shape[0]:
        raise ValueError(f"shapes {x.shape} and {y.shape} are not aligned")
    data, y = cast_array(x.data, dtype), cast_array(y, dtype)
    if not y.shape[0]:
        return x.rows, jnp.zeros((x.rows.shape[0], *y.shape[1:]), dtype)
    data = data if factor is None else data * factor
    return x.rows, _read(y, x.columns) * data.reshape(-1, *[1] * (y.ndim - 1))


def _transposed(x):
    return SparseArray(x.data, x.columns, x.rows, x.shape[::-1], {"csr": "csc", "csc": "csr"}[x.format])


def product(x, y, dtype):
    """Multiply matrices of which one at least is sparse; return an array."""
    if is_sparse(x):
        x, y = sparse(x), to_dense(sparse(y)) if is_sparse(y) else y
        rows, terms = _times(x, y, dtype)
        return jnp.zeros((x.shape[0], *y.shape[1:]), dtype).at[rows].add(terms, mode="drop")
    return product(_transposed(sparse(y)), jnp.asarray(x).T, dtype).T


@translates(basic.Dot, basic.StructuredDot, basic.TrueDot)
def dot(op, node, x, y):
    output = node.outputs[0]
    value = product(x, y, output.dtype)
    return from_dense(node, value) if hasattr(output.type, "format") else value


@translates(basic.Usmm)
def scaled_dot(op, node, factor, x, y, z):
    dtype = node.outputs[0].dtype
    z, factor = cast_array(z, dtype), cast_array(factor, dtype).reshape(())
    if not is_sparse(x) or is_sparse(y):
        return z + factor * product(x, y, dtype)
    x = sparse(x)
    _same_shape(z, np.empty((x.shape[0], y.shape[1])))
    return Increment(z, *_times(x, y, dtype, factor))


@translates(basic.SamplingDot)
def sampling_dot(op, node, x, y, pattern):
    pattern = sparse(pattern)
    if x.shape[0] != pattern.shape[0] or y.shape[0] != pattern.shape[1]:
        raise ValueError(f"shapes {x.shape} and {y.shape} do not fit a pattern of {pattern.shape}")
    return with_data(node, pattern, pattern.data * (_read(x, pattern.rows) * _read(y, pattern.columns)).sum(axis=1))


@translates(basic.DenseFromSparse)
def dense_from_sparse(op, node, x):
    return to_dense(sparse(x)) if is_sparse(x) else x


@translates(basic.SparseFromDense)
def sparse_from_dense(op, node, x):
    return from_dense(node, x)


@translates(basic.Transpose)
def transpose(op, node, x):
    return _transposed(sparse(x))


@translates(basic.Neg)
def negative(op, node, x):
    x = sparse(x)
    return with_data(node, x, -x.data)


@translates(basic.Cast, basic.EnsureSortedIndices)
def same_entries(op, node, x):
    x = sparse(x)
    return with_data(node, x, x.data)


@translates(basic.Remove0)
def without_zeros(op, node, x):
    x = sparse(x)
    return keep(node, x, x.data != 0)


@translates(basic.ColScaleCSC, basic.MulSV)
def scale_columns(op, node, x, y):
    x = sparse(x)
    _same_shape(np.empty(x.shape[1]), y)
    return with_data(node, x, x.data * _read(y, x.columns))


@translates(basic.RowScaleCSC)
def scale_rows(op, node, x, y):
    x = sparse(x)
    _same_shape(np.empty(x.shape[0]), y)
    return with_data(node, x, x.data * _read(y, x.rows))


@translates(basic.MulSD)
def multiply_by_dense(op, node, x, y):
    x, dtype = sparse(x), node.outputs[0].dtype
    if y.ndim:
        _same_shape(x, y)
        y = _read(y, x.rows, x.columns)
    return with_data(node, x, cast_array(x.data, dtype) * cast_array(y, dtype))


@translates(basic.MulSS)
def multiply(op, node, x, y):
    x, y, dtype = sparse(x), sparse(y), node.outputs[0].dtype
    _same_shape(x, y)
    other = _read(to_dense(y, dtype), x.rows, x.columns)
    return keep(node, x, other != 0, cast_array(x.data, dtype) * other)


@translates(basic.AddSD)
def add_dense(op, node, x, y):
    x, dtype = sparse(x), node.outputs[0].dtype
    _same_shape(x, y)
    return cast_array(y, dtype).at[x.rows, x.columns].add(cast_array(x.data, dtype), mode="drop")


@translates(basic.AddSS, basic.AddSSData)
def add(op, node, x, y):
    x, y, dtype = sparse(x), sparse(y), node.outputs[0].dtype
    _same_shape(x, y)
    # duplicates summed, as the following Ops expect.
    return from_dense(node, to_dense(x, dtype) + to_dense(y, dtype))


@translates(basic.StructuredAddSV)
def add_to_entries(op, node, x, y):
    x = sparse(x)
    _same_shape(np.empty(x.shape[1]), y)
    return keep(node, x, x.data != 0, x.data + _read(y, x.columns))


@translates(basic.SpSum)
def total(op, node, x):
    x = sparse(x)
    if op.axis is None:
        return cast_array(x.data.sum(dtype=x.dtype), node.outputs[0].dtype)
    places = (x.columns, x.rows)[op.axis]
    return jnp.zeros(x.shape[1 - op.axis], node.outputs[0].dtype).at[places].add(x.data, mode="drop")


@translates(basic.Diag)
def diagonal(op, node, x):
    x = sparse(x)
    if x.shape[0] != x.shape[1]:
        raise ValueError(f"a matrix of shape {x.shape} is not square")
    return jnp.zeros(x.shape[0], x.dtype).at[x.rows].add(jnp.where(x.rows == x.columns, x.data, 0), mode="drop")


@translates(basic.SquareDiagonal)
def square_diagonal(op, node, x):
    places = np.arange(x.shape[0], dtype="int32")
    return result(node, x, places, places, x.shape * 2)


@translates(basic.HStack)
def stack_columns(op, node, *blocks):
    return _stacked(node, [sparse(block) for block in blocks], 1)


@translates(basic.VStack)
def stack_rows(op, node, *blocks):
    return _stacked(node, [sparse(block) for block in blocks], 0)


def _stacked(node, blocks, axis):
    lengths = [block.shape[axis] for block in blocks]
    if len({block.shape[1 - axis] for block in blocks}) > 1:
        raise ValueError(f"matrices of shapes {[block.shape for block in blocks]} do not fit side by side")
    shape = list(blocks[0].shape)
    shape[axis] = sum(lengths)
    data, places = [], ([], [])
    for block, start in zip(blocks, np.cumsum([0, *lengths])):
        inside = block.rows < block.shape[0]
        data.append(cast_array(block.data, node.outputs[0].dtype))
        for i, part in enumerate((block.rows, block.columns)):
            places[i].append(jnp.where(inside, part + (start if i == axis else 0), shape[i]))
    return result(node, jnp.concatenate(data), *map(jnp.concatenate, places), tuple(shape))


COMPARISONS = {
    basic.EqualSS: jnp.equal,
    basic.NotEqualSS: jnp.not_equal,
    basic.LessThanSS: jnp.less,
    basic.GreaterThanSS: jnp.greater,
    basic.LessEqualSS: jnp.less_equal,
    basic.GreaterEqualSS: jnp.greater_equal,
    basic.EqualSD: jnp.equal,
    basic.NotEqualSD: jnp.not_equal,
    basic.LessThanSD: jnp.less,
    basic.GreaterThanSD: jnp.greater,
    basic.LessEqualSD: jnp.less_equal,
    basic.GreaterEqualSD: jnp.greater_equal,
}


@translates(*COMPARISONS)
def compare(op, node, x, y):
    x = sparse(x)
    _same_shape(x, y)
    dense = to_dense(sparse(y)) if is_sparse(y) else y
    dtype = np.result_type(x.dtype, dense.dtype)
    value = COMPARISONS[type(op)](to_dense(x, dtype), cast_array(dense, dtype)).astype("uint8")
    return from_dense(node, value) if hasattr(node.outputs[0].type, "format") else value


def _lines(pointers, indices):
    """Return the row (or column) of each entry: the number of those that end before it."""
    return jnp.searchsorted(jnp.asarray(pointers), jnp.arange(indices.shape[0]), side="right") - 1


@translates(basic.CSM)
def from_parts(op, node, data, indices, pointers, shape):
    shape = tuple(int(length) for length in known(shape))
    if data.shape != indices.shape:
        raise ValueError(f"{data.shape} values in {indices.shape} places")
    major = _lines(pointers, indices)
    rows, columns = (major, indices) if op.format == "csr" else (indices, major)
    return result(node, data, rows, columns, shape)


@translates(basic.ConstructSparseFromList)
def from_rows(op, node, shape, values, index):
    shape = tuple(int(length) for length in known(shape))
    rows, columns = np.indices(values.shape)
    return result(node, values.ravel(), in_range(index, shape[0])[rows.ravel()], columns.ravel(), shape)


@translates(basic.CSMGrad)
def from_parts_gradient(op, node, data, indices, pointers, shape, *gradient):
    """Read, at the places of some entries, what other entries add up to."""
    shape = [int(length) for length in known(shape)]
    # the same distinction of formats as in Theano's perform().
    lines, length = (pointers.shape[0] - 1, shape[1] if pointers.shape[0] - 1 == shape[0] else shape[0])
    values, places, ends, _ = gradient
    total = jnp.zeros((lines, length), values.dtype)
    total = total.at[_lines(ends, places), places].add(values, mode="drop")
    return cast_array(_read(total, _lines(pointers, indices), indices), node.outputs[0].dtype)


@translates(basic.CSMProperties)
def parts(op, node, x):
    raise Dynamic("the number of entries of a sparse matrix depends on data")


@translates(basic.StructuredDotGradCSC)
def dot_gradient_csc(op, node, indices, pointers, b, gradient):
    return _dot_gradient(node, indices, pointers, b, gradient, by_row=False)


@translates(basic.StructuredDotGradCSR)
def dot_gradient_csr(op, node, indices, pointers, b, gradient):
    return _dot_gradient(node, indices, pointers, b, gradient, by_row=True)


def _dot_gradient(node, indices, pointers, b, gradient, by_row):
    """Compute the gradient of a product with regard to the values of the entries."""
    b, gradient = (to_dense(sparse(value)) if is_sparse(value) else jnp.asarray(value) for value in (b, gradient))
    major = _lines(pointers, indices)
    rows, columns = (major, indices) if by_row else (indices, major)
    value = (_read(gradient, rows) * _read(b, columns)).sum(axis=1)
    return cast_array(value, node.outputs[0].dtype)


@translates(basic.GetItemScalar)
def take_entry(op, node, x, row, column):
    x = sparse(x)
    row, column = (in_range(index, length) for index, length in zip((row, column), x.shape))
    return jnp.where((x.rows == row) & (x.columns == column), x.data, 0).sum(dtype=x.dtype)


@translates(basic.GetItemList)
def take_rows(op, node, x, index):
    x = to_dense(sparse(x))
    return from_dense(node, x.at[in_range(index, x.shape[0])].get(mode="promise_in_bounds"))


@translates(basic.GetItem2Lists)
def take_entries(op, node, x, rows, columns):
    x = to_dense(sparse(x))
    rows, columns = (in_range(index, length) for index, length in zip((rows, columns), x.shape))
    return cast_array(x[rows, columns].ravel(), node.outputs[0].dtype)


def _added_up(node, data, rows, columns, shape):
    """Return a sparse matrix of entries of which several may lie in one place, as one entry there."""
    return from_dense(node, to_dense(result(node, data, rows, columns, shape)))


@translates(basic.GetItemListGrad)
def take_rows_gradient(op, node, x, index, gradient):
    gradient, rows = sparse(gradient), in_range(index, x.shape[0])
    # entries that only fill up lie behind the last row.
    rows = jnp.append(jnp.asarray(rows), x.shape[0])[jnp.minimum(gradient.rows, index.shape[0])]
    return _added_up(node, gradient.data, rows, gradient.columns, x.shape)


@translates(basic.GetItem2ListsGrad)
def take_entries_gradient(op, node, x, rows, columns, gradient):
    rows, columns = (in_range(index, length) for index, length in zip((rows, columns), x.shape))
    return _added_up(node, jnp.asarray(gradient), rows, columns, x.shape)


@translates(basic.GetItem2d)
def take_slices(op, node, x, *bounds):
    if not all(bound is None or is_known(bound) for bound in bounds):
        raise Dynamic("a slice of a sparse matrix whose bounds are computed")
    x = to_dense(sparse(x))
    bounds = [None if bound is None else int(bound) for bound in bounds]
    return from_dense(node, x[slice(*bounds[:3]), slice(*bounds[3:])])


# -- random matrices --------------------------------------------------------------------------------------------------
#
# These Ops draw from NumPy's global generator, at each call; so does the host for the compiled function. Zeros among
# what is drawn are no entries, so that there is room for as many as there may be.


@translates(sp2.Poisson, on_host=False)
def draw_poisson(op, node, x):
    x = sparse(x)
    return _drawn(node, [x], x.shape, x.data.shape[0])


@translates(sp2.Binomial, on_host=False)
def draw_binomial(op, node, count, probability, shape):
    shape = tuple(int(length) for length in known(shape))
    return _drawn(node, [count, probability, np.asarray(shape, node.inputs[2].dtype)], shape, shape[0] * shape[1])


@translates(sp2.Multinomial, on_host=False)
def draw_multinomial(op, node, count, probabilities):
    probabilities = sparse(probabilities)
    return _drawn(node, [count, probabilities], probabilities.shape, probabilities.data.shape[0])


def _drawn(node, values, shape, capacity):
    return call_back(node, values, node.op, [shape], [capacity], quiet=True, has_effects=True)
