"""Translations of reductions over axes, such as sums and maxima; sorting, searching and cumulating along one."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from theano import scalar as ts
from theano.tensor import basic, elemwise, extra_ops
from theano.tensor.sort import ArgSortOp, SortOp, TopKOp

from .. import merged, selection
from ..accumulators import is_given
from ..registry import translates
from ..tracing import Dynamic, TranslationError, guard, known
from .elementwise import cast_array

#: From so many rows on, the columns of a matrix are summed by its product with ones.
TALL = 512

FUNCTIONS = {
    ts.Add: jnp.sum,
    ts.Mul: jnp.prod,
    ts.Maximum: jnp.max,
    ts.Minimum: jnp.min,
    ts.AND: jnp.all,
    ts.OR: jnp.any,
}

BITWISE = {ts.AND: jnp.bitwise_and.reduce, ts.OR: jnp.bitwise_or.reduce, ts.XOR: jnp.bitwise_xor.reduce}


def axes_of(op, x):
    """Return the axes that a reduction is over, as a tuple."""
    return tuple(range(x.ndim)) if op.axis is None else tuple(op.axis)


@translates(elemwise.CAReduce)
def reduce(op, node, x):
    kind, axes, dtype = type(op.scalar_op), axes_of(op, x), node.outputs[0].dtype
    if not axes:
        return cast_array(x, dtype)
    wide = getattr(op, "acc_dtype", None) or dtype
    if kind in (ts.AND, ts.OR, ts.XOR) and (x.dtype != bool or kind is ts.XOR):
        for axis in sorted(axes, reverse=True):
            x = BITWISE[kind](x, axis=axis)
        return cast_array(x, dtype)
    if kind not in FUNCTIONS:
        raise TranslationError(f"a reduction by {op.scalar_op}")
    if kind in (ts.Add, ts.Mul):
        if kind is ts.Add and x.dtype == dtype == "float32" and not is_given(op):
            # Theano sums sequentially and so needs a wider accumulator; XLA sums in blocks.
            wide = dtype
        # float16 is accumulated in float32, as NumPy does.
        x = cast_array(x, "float32" if wide == "float16" else wide)
    if kind in (ts.Maximum, ts.Minimum) and 0 in [x.shape[axis] for axis in axes]:
        raise ValueError("a maximum or minimum of nothing")
    if kind is ts.Add and _is_tall(x, axes):
        if selection.current() is not None:
            x = merged.original(x)
            return jnp.tensordot(jnp.ones(x.shape[:-1], x.dtype), x, x.ndim - 1)
        return jnp.ones((math.prod(x.shape[:-1]),), x.dtype) @ x.reshape(-1, x.shape[-1])
    return cast_array(FUNCTIONS[kind](x, axis=axes), dtype)


def _is_tall(x, axes):
    """Tell whether the columns of a tall matrix are summed on a CPU, for which XLA makes scalar code."""
    return (
        x.dtype == "float32"
        and sorted(axes) == list(range(x.ndim - 1))
        and math.prod(x.shape[:-1]) >= TALL
        and x.shape[-1] > 1
        and jax.local_devices()[0].platform == "cpu"
    )


@translates(basic.Mean)
def mean(op, node, x):
    return jnp.mean(cast_array(x, node.outputs[0].dtype), axis=axes_of(op, x))


@translates(elemwise.ProdWithoutZeros)
def product_without_zeros(op, node, x):
    x = cast_array(x, op.acc_dtype or node.outputs[0].dtype)
    return cast_array(jnp.prod(jnp.where(x == 0, 1, x), axis=axes_of(op, x)), node.outputs[0].dtype)


def _flattened(x, axes):
    """Move some axes to the end, as one."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    x = jnp.transpose(x, [*kept, *axes])
    return x.reshape(*x.shape[: len(kept)], -1)


def _axes(axis, ndim):
    axes = range(ndim) if axis is None else np.atleast_1d(axis)
    return [int(axis) % ndim if ndim else int(axis) for axis in axes]


@translates(basic.MaxAndArgmax)
def max_and_argmax(op, node, x):
    flat = _flattened(x, _axes(op.axis, x.ndim))
    return jnp.max(flat, axis=-1), jnp.argmax(flat, axis=-1).astype("int64")


@translates(basic.Argmax)
def argmax(op, node, x):
    return jnp.argmax(_flattened(x, _axes(op.axis, x.ndim)), axis=-1).astype("int64")


@translates(extra_ops.CumOp)
def cumulate(op, node, x):
    function = {"add": jnp.cumsum, "mul": jnp.cumprod}[op.mode]
    return cast_array(function(cast_array(x, node.outputs[0].dtype), axis=op.axis), node.outputs[0].dtype)


def _sort_axis(axis):
    axis = known(axis)
    return None if axis is None else int(axis)


@translates(SortOp)
def sort_values(op, node, x, axis):
    return jnp.sort(x, axis=_sort_axis(axis))


@translates(ArgSortOp)
def sort_places(op, node, x, axis):
    return jnp.argsort(x, axis=_sort_axis(axis), stable=True).astype(node.outputs[0].dtype)


@translates(TopKOp)
def largest(op, node, x, count):
    """Find the largest elements along an axis, or for a negative count the smallest; Theano promises no order."""
    x, count = jnp.moveaxis(jnp.asarray(x), op.axis, -1), int(known(count))
    if not 0 < abs(count) <= x.shape[-1]:
        raise ValueError(f"{count} elements of {x.shape[-1]}")
    places = jnp.argsort(x, axis=-1, stable=True)
    places = places[..., -count:] if count > 0 else places[..., :-count]
    results = []
    if op.return_values:
        results.append(jnp.take_along_axis(x, places, axis=-1))
    if op.return_indices:
        results.append(places.astype(op.idx_dtype))
    return tuple(jnp.moveaxis(result, -1, op.axis) for result in results)


@translates(extra_ops.SearchsortedOp)
def search(op, node, x, values, *order):
    x = jnp.asarray(x)
    if order:
        guard((order[0] >= 0) & (order[0] < x.shape[0]))
        x = x[order[0]]
    # elsewhere, what is found depends on the order in which it is searched.
    guard((x[1:] >= x[:-1]) | jnp.isnan(x[1:]))
    dtype = np.result_type(x.dtype, values.dtype)
    found = jnp.searchsorted(cast_array(x, dtype), cast_array(values, dtype), side=op.side)
    return found.astype(node.outputs[0].dtype)


@translates(extra_ops.Unique)
def unique(op, node, x):
    raise Dynamic("the number of different elements depends on data")
