"""Translations of Ops of shapes: making arrays, and rearranging their elements."""

import jax.numpy as jnp
import numpy as np
from theano.compile.ops import DeepCopyOp, Rebroadcast, Shape, Shape_i, SpecifyShape, ViewOp
from theano.tensor import basic, elemwise, extra_ops, opt

from .. import merged
from ..registry import translates
from ..tracing import LARGE, Dynamic, guard, is_known, known
from .elementwise import cast_array

#: Arrays of up to so many elements, if they are known, are made by NumPy: they may be needed as shapes.
SMALL = 64


def whole(value):
    """Return an integer that must be known."""
    return int(known(value))


def module_for(size, *values):
    """Return NumPy for small arrays of known values, and ``jax.numpy`` for the rest."""
    return np if size <= SMALL and all(map(is_known, values)) else jnp


@translates(elemwise.DimShuffle)
def dimshuffle(op, node, x):
    for axis in op.drop:
        if x.shape[axis] != 1:
            raise ValueError(f"dimension {axis} to be dropped is of length {x.shape[axis]}")
    result = jnp.transpose(x, list(op.shuffle) + list(op.drop))
    lengths = iter(result.shape)
    result = result.reshape([1 if axis == "x" else next(lengths) for axis in op.new_order])
    return merged.transposed(x, result) if tuple(op.new_order) == (1, 0) else result


@translates(Shape_i, on_host=False)
def shape_i(op, node, x):
    return np.asarray(np.shape(x)[op.i], "int64")


@translates(Shape, on_host=False)
def shape(op, node, x):
    return np.asarray(np.shape(x), "int64")


@translates(SpecifyShape)
def specify_shape(op, node, x, shape):
    if len(shape) == x.ndim and not is_known(shape):
        guard(jnp.asarray(x.shape) == shape)
    elif not is_known(shape) or tuple(shape) != x.shape:
        raise ValueError(f"a shape of {x.shape}, expected {shape}")
    return x


@translates(opt.MakeVector)
def make_vector(op, node, *values):
    if not values:
        return np.zeros(0, op.dtype)
    return jnp.stack([cast_array(value, op.dtype) for value in values])


@translates(basic.Alloc, on_host=False)
def alloc(op, node, value, *shape):
    shape = [whole(length) for length in shape]
    for axis, length in enumerate(np.shape(value)[::-1], 1):
        if not node.inputs[0].broadcastable[-axis] and length != shape[-axis]:
            raise ValueError(f"a value of shape {np.shape(value)} does not fill {shape}")
    size = int(np.prod(shape))
    return np.array(np.broadcast_to(value, shape)) if module_for(size, value) is np else jnp.broadcast_to(value, shape)


@translates(basic.AllocEmpty, on_host=False)
def alloc_empty(op, node, *shape):
    return jnp.zeros([whole(length) for length in shape], op.dtype)


@translates(basic.ARange, on_host=False)
def arange(op, node, start, stop, step):
    values = [known(value) for value in (start, stop, step)]
    result = np.arange(*values, dtype=op.dtype)
    # large ranges are computed by an iota instead of embedded as constants, where integers make it exact.
    if result.size > LARGE and result.dtype.kind in "iu":
        return (jnp.arange(result.size, dtype=result.dtype) * int(values[2]) + int(values[0])).astype(result.dtype)
    return result


@translates(basic.Eye, on_host=False)
def eye(op, node, n, m, k):
    n, m, k = whole(n), whole(m), whole(k)
    return module_for(n * m).eye(n, m, k, dtype=op.dtype)


@translates(basic.Tri, on_host=False)
def tri(op, node, n, m, k):
    n, m, k = whole(n), whole(m), whole(k)
    return module_for(n * m).tri(n, m, k, dtype=op.dtype)


@translates(extra_ops.Bartlett, on_host=False)
def bartlett(op, node, length):
    return np.bartlett(whole(length)).astype("float64")


@translates(basic.Reshape)
def reshape(op, node, x, shape):
    return merged.reshaped(x, tuple([int(length) for length in known(shape)]))


@translates(basic.Flatten)
def flatten(op, node, x):
    return jnp.reshape(x, (*x.shape[: op.outdim - 1], -1))


@translates(basic.Tile)
def tile(op, node, x, counts):
    return jnp.tile(x, [int(count) for count in known(counts)])


@translates(basic.Join)
def join(op, node, axis, *values):
    dtype = node.outputs[0].dtype
    return jnp.concatenate([cast_array(value, dtype) for value in values], whole(axis))


@translates(basic.Split)
def split(op, node, x, axis, sizes):
    axis, sizes = whole(axis), [int(size) for size in known(sizes)]
    if sum(sizes) != x.shape[axis] or min(sizes, default=0) < 0 or len(sizes) != op.len_splits:
        raise ValueError(f"sizes {sizes} for a dimension of length {x.shape[axis]}")
    return tuple(jnp.split(x, list(np.cumsum(sizes)[:-1]), axis))


@translates(basic.Nonzero)
def nonzero(op, node, x):
    raise Dynamic("the number of elements that are not zero depends on data")


@translates(basic.Default)
def default(op, node, x, value):
    return value if x is None else x


@translates(basic.PermuteRowElements)
def permute(op, node, x, order, inverse):
    if bool(known(inverse)):
        order = jnp.argsort(order, axis=-1)
    rows = np.broadcast_shapes(x.shape[:-1], order.shape[:-1])
    x = jnp.broadcast_to(x, (*rows, x.shape[-1]))
    return jnp.take_along_axis(x, jnp.broadcast_to(order, (*rows, order.shape[-1])), axis=-1)


@translates(basic.ExtractDiag)
def extract_diagonal(op, node, x):
    return jnp.diagonal(x, op.offset, op.axis1, op.axis2)


@translates(basic.AllocDiag, on_host=False)
def alloc_diagonal(op, node, x):
    size = x.shape[-1] + abs(op.offset)
    rows = np.arange(x.shape[-1]) + max(0, -op.offset)
    columns = np.arange(x.shape[-1]) + max(0, op.offset)
    result = jnp.zeros((*x.shape[:-1], size, size), x.dtype).at[..., rows, columns].set(x)
    return jnp.moveaxis(result, (-2, -1), (op.axis1, op.axis2))


@translates(extra_ops.FillDiagonal)
def fill_diagonal(op, node, x, value):
    count = min(x.shape)
    if x.ndim > 2 and len(set(x.shape)) > 1:
        raise ValueError("all dimensions must be of equal length")
    if x.ndim == 2:
        # numpy.fill_diagonal wraps around in tall matrices.
        places = np.arange(0, x.size if x.shape[0] <= x.shape[1] else x.shape[1] ** 2, x.shape[1] + 1)
        return jnp.asarray(x).ravel().at[places].set(cast_array(value, x.dtype)).reshape(x.shape)
    return jnp.asarray(x).at[(np.arange(count),) * x.ndim].set(cast_array(value, x.dtype))


@translates(extra_ops.DiffOp)
def difference(op, node, x):
    return jnp.diff(x, n=op.n, axis=op.axis)


@translates(extra_ops.RepeatOp)
def repeat(op, node, x, counts):
    counts = known(counts)
    counts = counts if counts.ndim else int(counts)
    total = None if isinstance(counts, int) else int(counts.sum())
    return jnp.repeat(x, counts, axis=op.axis, total_repeat_length=total)


@translates(extra_ops.CpuContiguous, DeepCopyOp, Rebroadcast, ViewOp, basic.TensorFromScalar, basic.ScalarFromTensor)
def same(op, node, x):
    return x


@translates(extra_ops.FillDiagonalOffset)
def fill_diagonal_with_offset(op, node, x, value, offset):
    rows, columns = np.indices(x.shape, "int32")
    return jnp.where(columns - rows == offset, cast_array(value, x.dtype), x)
