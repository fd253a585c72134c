"""Making and arranging arrays, against Theano's own evaluation."""

import functools

import numpy as np
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theano.compile.ops import specify_shape
from theano.tensor import extra_ops

from . import helpers

FLOAT = theano.config.floatX


def ramp(*shape):
    return np.arange(np.prod(shape), dtype=FLOAT).reshape(shape)


def test_arrangements():
    x, y = TT.tensor3("x"), TT.matrix("y")
    outputs = [
        x.dimshuffle(2, 0, "x", 1),
        x.T,
        x.reshape((4, -1)),
        x.reshape((x.shape[2], 2, 3)),
        x.flatten(),
        x.flatten(2),
        TT.tile(y, (2, 3)),
        TT.repeat(y, 3, axis=1),
        TT.concatenate([y, y * 2], axis=-1),
        TT.stack([y, y + 1], axis=1),
        *TT.split(y, [1, 2], 2, axis=0),
        TT.roll(y, 1, axis=1),
        x.swapaxes(0, 1),
        TT.shape_padleft(y),
        y.shape,
        x.size,
        x.shape[1] * 2 + y.shape[0],
        TT.addbroadcast(y[:, :1], 1),
        specify_shape(y, (3, 2)),
        TT.flip(y, 0) if hasattr(TT, "flip") else y[::-1],
        extra_ops.diff(y, axis=0),
        TT.diag(y[:2]),
        TT.diag(y[0]),
        TT.diagonal(x, 1),
        extra_ops.fill_diagonal(y, 5),
        extra_ops.fill_diagonal_offset(y, 5, 1),
        extra_ops.fill_diagonal_offset(y, 5, -1),
        TT.squeeze(y[:, :1]),
        TT.batched_tensordot(x, x, [[1, 2], [1, 2]]),
    ]
    helpers.agree([x, y], outputs, [ramp(2, 3, 4)[::-1], ramp(3, 2)], rtol=1e-6)


@functools.cache
def arrangements():
    x, y = TT.tensor3("x"), TT.tensor3("y")
    outputs = [
        TT.concatenate([x, y], axis=1),
        x.dimshuffle(2, "x", 0, 1),
        x.flatten(2),
        x.reshape((-1, x.shape[2])),
        TT.stack([x, x * 2], axis=1),
        TT.tile(x, (2, 1, 3)),
        TT.repeat(x, 2, axis=0),
        TT.roll(x, 1, axis=1),
        x[:, ::-1, ::2],
        x.sort(axis=1),
        TT.cumsum(x, axis=1),
        TT.alloc(x, 2, x.shape[0], x.shape[1], x.shape[2]),
    ]
    gradients = [gradient for output in outputs for gradient in helpers.weighted_gradients(output, [x])]
    return helpers.both([x, y], [*outputs, *gradients, x.shape, x.argsort(axis=1)])


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)), st.integers(0, 3), st.booleans())
def test_arrangements_of_any_shape(shape, length, reverse):
    x = np.random.RandomState(3).permutation(int(np.prod(shape))).reshape(shape).astype(FLOAT)
    arrangements()(x[::-1, :, ::-1] if reverse else x, ramp(shape[0], length, shape[2]))


def test_gradients():
    x = TT.tensor3("x")
    for output in (
        x.dimshuffle(2, "x", 0, 1),
        x.reshape((6, 4)),
        TT.concatenate([x, x * x], axis=1),
        TT.tile(x, (1, 2, 1)),
        TT.repeat(x, 2, axis=1),
    ):
        helpers.agree_with_gradients([x], output, [ramp(2, 3, 4) / 9])


def test_new_arrays():
    x, n = TT.matrix("x"), TT.iscalar("n")
    outputs = [
        TT.zeros((n, 3)),
        TT.ones_like(x),
        TT.alloc(x[0], 4, x.shape[1]),
        TT.arange(x.shape[0]),
        TT.arange(n, dtype=FLOAT),
        TT.arange(1, n * 2, 2),
        TT.arange(0.5, 3, 0.25),
        TT.eye(n, 4, 1),
        TT.tri(3, 4),
        TT.identity_like(x[:2, :2]),
        TT.arange(6000),
        TT.zeros((80, 80)),
        TT.tril(x),
        TT.triu(x),
        TT.fill(x, 3),
        x.zeros_like(),
    ]
    helpers.agree([x, n], outputs, [ramp(3, 2), 5], exact=True)


def test_empty_arrays():
    x = TT.matrix("x")
    outputs = [x.T, x.reshape((0,)), TT.concatenate([x, x]), x.sum(0), x[:0], TT.arange(x.shape[0]), TT.dot(x, x.T)]
    helpers.agree([x], outputs, [np.zeros((0, 3), FLOAT)])


def test_window():
    n = TT.iscalar("n")
    f = theano.function([n], extra_ops.bartlett(n), mode="XLA")
    for length in (-1, 0, 1, 5):
        np.testing.assert_array_equal(f(length), np.bartlett(length))
