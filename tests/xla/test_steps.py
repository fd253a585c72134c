"""Which steps of which array a sequence consists of, and loops that make use of that."""

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets.xla import steps
from theanets.xla.inner import inner_of
from theanets.xla.tracing import frame

from .test_inner import compiled_loops, loops, normal


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_steps_are_those_that_slices_select(data):
    length = data.draw(st.integers(1, 7))
    array = expected = np.arange(length)
    known = steps.Steps(array)
    for _ in range(data.draw(st.integers(0, 3))):
        entry = slice(data.draw(st.integers(0, 3)), None, data.draw(st.sampled_from([1, 2, -1, -2])))
        start, _, stride = entry.indices(len(expected))
        expected, known = expected[entry], known.part(start, stride)
        if not len(expected):
            return
    count = data.draw(st.integers(1, len(expected)))
    assert np.array_equal(known.take(count), expected[:count])
    assert np.array_equal(known.take(count, reverse=True), expected[:count][::-1])
    assert known.take(length + 1) is None and known.take(0) is None
    # what belongs to the steps from the second one on.
    found = known.take(count, False, 10 * array[1:], 1)
    assert found is None if 0 in expected[:count] else np.array_equal(found, 10 * expected[:count])


def test_what_is_reversed_twice_is_what_it_was():
    with frame(known={}):
        array = normal(4, 2)
        there = steps.reversed_steps(array)
        back = steps.sliced(there, there[::-1], slice(None, None, -1))
        assert back is array and steps.is_reversed(there) and not steps.is_reversed(back)
        assert steps.unreversed([there, normal(1, 2)])[0] is array or np.array_equal(
            steps.unreversed([there, normal(1, 2)])[0], array
        )
        assert steps.unreversed([there, normal(4, 2)]) is None and steps.unreversed([array]) is None
        assert np.array_equal(steps.ordered(there, 1, 2, True), there[1:3][::-1])


def test_elementwise_on_reversed_sequences():
    x, y, b = TT.matrices("xyb")
    result = TT.tanh(x[::-1] * y[::-1] + TT.addbroadcast(b, 0))
    outputs = [result, result[::-1], result[1:][::-1], (x[::-1] + y)[::2]]
    values = normal(5, 3), normal(5, 3) + 1, normal(1, 3)
    for mode in ("XLA", "FAST_COMPILE"):
        found = theano.function([x, y, b], outputs, mode=mode)(*values)
        whole = np.tanh(values[0][::-1] * values[1][::-1] + values[2])
        expected = [whole, whole[::-1], whole[1:][::-1], (values[0][::-1] + values[1])[::2]]
        for a, e in zip(found, expected):
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)


def gated(backwards):
    """Return the inputs of a loop with one product by a state, its last value, and the gradients of a loss."""
    x, w, h = TT.tensor3("x"), TT.matrix("w"), TT.matrix("h")

    def step(now, state, w):
        gates = now + TT.dot(state, w)
        return TT.nnet.sigmoid(gates[:, :3]) * TT.tanh(gates[:, 3:]) + 0.5 * state

    values, _ = theano.scan(step, sequences=x, outputs_info=h, non_sequences=w, go_backwards=backwards)
    loss = (values**2).mean() + values[-1].sum()
    return [x, w, h], [values, *TT.grad(loss, [x, w, h])]


@pytest.mark.parametrize("backwards", [False, True])
def test_gradients_of_loops_run_over_sequences_as_they_lie(backwards):
    inputs, outputs = gated(backwards)
    function = theano.function(inputs, outputs, mode="XLA")
    arrays = normal(6, 2, 6), normal(3, 6), normal(2, 3)
    expected = theano.function(inputs, outputs, mode="FAST_COMPILE")(*arrays)
    for found, value in zip(function(*arrays), expected):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5)
    # the loop of a layer that runs backwards, or the gradient of one that runs forwards.
    assert sorted(loop.params["reverse"] for loop in compiled_loops(function, *arrays)) == [False, True]
    forward, gradient = sorted(loops(function), key=lambda node: node.op.n_mit_mot)
    assert len(inner_of(forward).histories) == len(inner_of(gradient).products) == 1


@pytest.mark.parametrize("backwards", [False, True])
def test_the_product_of_a_state_is_computed_once_for_a_loop_and_its_gradient(backwards):
    inputs, outputs = gated(backwards)
    function = theano.function(inputs, outputs, mode="XLA")
    arrays = normal(6, 2, 6), normal(3, 6), normal(2, 3)
    traced = function.fn.code.plain.trace((), arrays, ())

    def count(jaxpr):
        inner = [item.params["jaxpr"] for item in jaxpr.eqns if "jaxpr" in item.params]
        own = sum(item.primitive.name == "dot_general" for item in jaxpr.eqns)
        return own + sum(count(getattr(found, "jaxpr", found)) for found in inner)

    # that of the state, that of its gradient, and that of the gradient of the matrix.
    assert count(traced.jaxpr.jaxpr) == 3


def test_columns_of_tall_matrices_are_summed():
    x = TT.tensor3("x")
    function = theano.function([x], [x.sum(axis=(0, 1)), x.sum(axis=0), x.sum()], mode="XLA")
    array = normal(40, 30, 5) + 1
    for found, expected in zip(function(array), (array.sum((0, 1)), array.sum(0), array.sum())):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
