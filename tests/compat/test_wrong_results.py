"""What Theano 1.0.5 computes wrongly, against finite differences and NumPy, in Theano's own modes and by XLA."""

import functools

import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.sparse
import theano.tensor as TT
from theano.tensor import extra_ops

from ..xla.helpers import REFERENCE

X = np.array([0.5, -0.3, 0.8, 0.2])
W = np.array([0.7, -0.4, 0.3])


def constant(value):
    return TT.constant(np.asarray(value, "float64"))


def one_step_before(w):
    return theano.scan(
        lambda x, h: TT.tanh(w[0] * h + w[1] * x + w[2]), sequences=[constant(X)], outputs_info=[constant(0.1)]
    )[0]


def several_steps_before(w):
    def step(x, a, b):
        return TT.tanh(w[0] * a * b + w[1] * x + w[2] * a)

    initial = dict(initial=constant([0.1, 0.3, 0.2]), taps=[-3, -1])
    return theano.scan(step, sequences=[constant(X)], outputs_info=[initial])[0]


def gates(w):
    def step(x, h, c):
        gate = TT.nnet.sigmoid(w[0] * x + w[1] * h)
        cell = gate * c + (1 - gate) * TT.tanh(x * w[2] + h)
        return TT.tanh(cell) * gate, cell, h * cell

    (h, c, other), _ = theano.scan(
        step, sequences=[constant(X)], outputs_info=[constant(0.1), constant(0.2), None], go_backwards=True
    )
    return h + 2 * c + other


def loops_in_a_loop(w):
    def step(x, h):
        results, _ = theano.scan(lambda k, a: TT.tanh(a * w[0] + k * x * w[1]), sequences=[w], outputs_info=[h])
        return results.sum() * 0.3

    return theano.scan(step, sequences=[constant(X)], outputs_info=[constant(0.1)])[0]


def differences(function, size=1e-5):
    return np.array([(function(W + size * side) - function(W - size * side)) / 2 / size for side in np.eye(3)])


@pytest.mark.parametrize("make", [one_step_before, several_steps_before, gates, loops_in_a_loop])
def test_second_derivatives_of_loops(make):
    w = TT.dvector("w")
    with theano.change_flags(mode="FAST_COMPILE", cxx=""):
        results = make(w)
        # of all steps, which count in another way each.
        loss = (TT.cos(TT.arange(4)) * results**2).sum() + results.sum() ** 3
        gradient = TT.grad(loss, w)
        value, slope = (theano.function([w], output, mode=REFERENCE) for output in (loss, gradient))
        hessian = theano.function([w], theano.gradient.hessian(loss, w), mode=REFERENCE)
        np.testing.assert_allclose(slope(W), differences(value), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(hessian(W), differences(slope), rtol=1e-6, atol=1e-7)


@functools.cache
def matrix():
    rng = np.random.RandomState(1)
    return scipy.sparse.random(5, 4, 0.6, "csr", "float32", random_state=rng)


@pytest.mark.parametrize("format", ["csr", "csc"])
@pytest.mark.parametrize("mode", ["XLA", REFERENCE], ids=["xla", "theano"])
def test_gradients_of_sparse_items_that_are_taken_twice(format, mode):
    x = theano.sparse.SparseType(format, "float32")("x")
    rows, columns = TT.lvectors("rows", "columns")
    weights = TT.fvector("weights")
    values = np.array([2, 0, 2, -1]), np.array([1, 1, 1, 0]), np.array([1, 2, 3, 4], "float32")
    array = matrix().asformat(format)
    taken = theano.sparse.sp_sum(theano.sparse.row_scale(theano.sparse.basic.get_item_list(x, rows), weights))
    entries = (theano.sparse.basic.get_item_2lists(x, rows, columns) * weights).sum()
    expected = np.zeros(array.shape), np.zeros(array.shape)
    for row, column, weight in zip(*values):
        expected[0][row] += weight
        expected[1][row, column] += weight
    for output, right in zip((taken, entries), expected):
        f = theano.function([x, rows, columns, weights], TT.grad(output, x), mode=mode, on_unused_input="ignore")
        result = f(array, *values)
        assert (result.format, result.dtype) == (format, "float32")
        np.testing.assert_array_equal(result.toarray(), right)


@pytest.mark.parametrize("mode", ["XLA", REFERENCE], ids=["xla", "theano"])
def test_order_of_unraveled_indices(mode):
    index = TT.lvector("index")
    for order in "CF":
        f = theano.function([index], extra_ops.unravel_index(index, (2, 3, 4), order=order), mode=mode)
        np.testing.assert_array_equal(f([5, 7, 23]), np.unravel_index([5, 7, 23], (2, 3, 4), order=order))


LAYERS = [dict(form="conv1", size=3, filter_size=2), dict(form="bidirectional", size=4)]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_second_derivatives_of_layers(layer):
    """Of the loss along a direction, against the slope of its gradient, in single precision."""
    net = theanets.recurrent.Regressor([2, dict(layer, activation="tanh"), 1], rng=3)
    rng = np.random.RandomState(1)
    data = [rng.randn(2, 4, 2).astype("float32")]
    data.append(rng.randn(*net.predict(data[0]).shape).astype("float32"))
    start = [param.get_value() for param in net.params]
    along = [rng.randn(*value.shape).astype(value.dtype) for value in start]
    gradient = TT.grad(net.loss(), net.params)
    second = TT.grad(sum((slope * part).sum() for slope, part in zip(gradient, along)), net.params)
    f = theano.function(net.variables, [*gradient, *second], mode="XLA")
    found, size = f(*data)[len(start) :], 0.01
    slopes = []
    for sign in (1, -1):
        for param, value, part in zip(net.params, start, along):
            param.set_value(value + sign * np.float32(size) * part)
        slopes.append(f(*data)[: len(start)])
    for value, up, down in zip(found, *slopes):
        np.testing.assert_allclose(value, (up - down) / 2 / size, rtol=2e-2, atol=2e-2 * np.abs(value).max())
