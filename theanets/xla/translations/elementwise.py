"""Elementwise Ops, and the scalar Ops that they apply."""

import jax.numpy as jnp
import numpy as np
import theano
from theano import scalar as ts
from theano.tensor import elemwise

from ..registry import find_scalar, scalar, translates


def check_lengths(node, values):
    """Refuse to broadcast where Theano would not: a length of 1 stretches only if it is declared."""
    for axis in range(node.outputs[0].ndim):
        lengths = {
            value.shape[axis] for variable, value in zip(node.inputs, values) if not variable.broadcastable[axis]
        }
        if len(lengths) > 1:
            raise ValueError(f"input dimensions differ: {sorted(lengths)} along axis {axis}")


def apply(op, values, dtypes):
    """Compute the outputs of a scalar Op elementwise; return a tuple of arrays of the declared types."""
    results = find_scalar(op)(op, *values)
    results = results if isinstance(results, tuple) else (results,)
    return tuple(jnp.asarray(result).astype(dtype) for result, dtype in zip(results, dtypes))


@translates(elemwise.Elemwise)
def elementwise(op, node, *values):
    check_lengths(node, values)
    results = apply(op.scalar_op, values, [output.dtype for output in node.outputs])
    # an Op may leave an input aside, as Second does; its shape counts all the same.
    shape = np.broadcast_shapes(*(value.shape for value in values))
    return tuple(jnp.broadcast_to(result, shape) for result in results)


@translates(ts.ScalarOp)
def scalars(op, node, *values):
    return apply(op, values, [output.dtype for output in node.outputs])


@scalar(ts.Add)
def add(op, *values):
    return sum(values[1:], values[0])


@scalar(ts.Mul)
def mul(op, first, *values):
    for value in values:
        first = first * value
    return first


@scalar(ts.Sub)
def sub(op, a, b):
    return a - b


@scalar(ts.Sqr)
def sqr(op, a):
    return a * a


@scalar(ts.Tanh)
def tanh(op, a):
    return jnp.tanh(a)
