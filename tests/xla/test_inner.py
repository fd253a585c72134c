"""What is taken out of the steps of a loop, and that nothing else changes."""

import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from theanets.xla.inner import inner_of
from theano.scan_module.scan_op import Scan

from . import helpers

FLOAT = theano.config.floatX


def normal(*shape):
    return np.random.RandomState(4).randn(*shape).astype(FLOAT)


def loops(function):
    """Return the Scan nodes of a compiled function."""
    return [node for node in function.maker.fgraph.toposort() if isinstance(node.op, Scan)]


def compiled_loops(function, *arrays):
    """Return, for each loop of a compiled function, what JAX traces it to."""
    shared = [cell[0] for cell in function.fn.kept_cells[len(arrays) :]]
    arguments = function.fn.take_states(), (*arrays, *shared), tuple(function.fn.code.constants.values())

    def search(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "scan":
                yield equation
            inner = equation.params.get("jaxpr")
            if inner is not None:
                yield from search(getattr(inner, "jaxpr", inner))

    return list(search(function.fn.code.plain.trace(*arguments).jaxpr))


def steps_of(function, *arrays):
    """Return, for each loop of a compiled function, the names of what is computed in a step."""
    found = compiled_loops(function, *arrays)
    return [[item.primitive.name for item in equation.params["jaxpr"].jaxpr.eqns] for equation in found]


@pytest.mark.parametrize("form, forward", [("rnn", 1), ("lstm", 1), ("gru", 3)])
def test_a_step_of_a_recurrent_layer_and_of_its_gradient_has_no_product_too_many(form, forward):
    net = theanets.recurrent.Regressor([3, dict(size=4, form=form, activation="tanh"), 2])
    gradients = TT.grad(net.loss(), net.params)
    function = theano.function(net.variables, gradients, mode="XLA")
    steps = steps_of(function, normal(6, 5, 3), normal(6, 5, 2))
    products = sorted(step.count("dot_general") for step in steps)
    # nothing but what hands the state, or its gradient, from step to step.
    assert products == [forward, forward]


def test_slices_of_sequences_are_taken_before_the_loop():
    x, w = TT.tensor3("x"), TT.matrix("w")

    def step(row, state):
        both = row + TT.dot(state, w)
        return TT.tanh(both[:, :2]) * both[:, 2:]

    states, _ = theano.scan(step, sequences=[x], outputs_info=[TT.zeros_like(x[0, :, :2])])
    arrays = [normal(5, 3, 4), normal(2, 4)]
    helpers.agree_with_gradients([x, w], states, arrays, rtol=1e-4, atol=1e-5)
    function = theano.function([x, w], states, mode="XLA")
    (node,) = loops(function)
    # both slices of the sequence.
    assert len(inner_of(node).ahead.outputs) == 2


def test_what_would_grow_stays_in_the_loop():
    x, table = TT.tensor3("x"), TT.matrix("table")

    def step(rows, total, table):
        return total + TT.tanh(TT.dot(rows, table)).sum()

    totals, _ = theano.scan(step, sequences=[x], outputs_info=[TT.zeros((), FLOAT)], non_sequences=[table])
    arrays = [normal(4, 3, 2), normal(2, 50)]
    helpers.agree_with_gradients([x, table], totals, arrays, rtol=1e-4, atol=1e-3)
    function = theano.function([x, table], totals, mode="XLA")
    assert inner_of(loops(function)[0]).ahead.outputs
    assert "dot_general" in steps_of(function, *arrays)[0]
    assert "dot_general" not in steps_of(function, arrays[0], arrays[1][:, :3])[0]


def test_what_may_be_impossible_stays_in_the_loop():
    k, x = TT.ivector("k"), TT.vector("x")

    def step(exponent, value, total):
        # whole numbers have no negative powers, which only the running function knows of.
        return total + TT.cast(TT.constant(2, "int32") ** exponent, FLOAT) * value

    totals, _ = theano.scan(step, sequences=[k, x], outputs_info=[TT.zeros((), FLOAT)])
    helpers.agree([k, x], [totals], [np.arange(4, dtype="int32"), normal(4)])


@pytest.mark.parametrize("steps", [1, 2, 3, 6])
@pytest.mark.parametrize("kept", [1, 2, 3])
def test_sums_of_products_and_the_values_before_the_last_one(steps, kept):
    x, y, extra = TT.tensor3("x"), TT.tensor3("y"), TT.tensor3("extra")
    start = TT.constant(normal(2, 4))
    sums, _ = theano.scan(lambda a, b, total: total + TT.dot(a, b), sequences=[x, y], outputs_info=[start])
    mixed, _ = theano.scan(
        lambda a, b, c, total: total + TT.dot(a, b) + c, sequences=[x, y, extra], outputs_info=[start]
    )
    arrays = [normal(steps, 2, 3), normal(steps, 3, 4), normal(steps, 2, 4)]
    rows, _ = theano.scan(lambda c, total: total + c.sum(axis=0), sequences=[extra], outputs_info=[start[0]])
    wanted = [total[-back] for total in (sums, mixed, rows) for back in range(1, min(kept, steps) + 1)]
    helpers.agree([x, y, extra], wanted, arrays, rtol=1e-5, atol=1e-5)


def test_rows_are_summed_after_the_loop_that_adds_up_matrices():
    x = TT.tensor3("x")
    total, _ = theano.scan(lambda a, total: total + (a**2).sum(axis=0), sequences=[x], outputs_info=[TT.zeros(4)])
    function = theano.function([x], total[-1], mode="XLA")
    assert steps_of(function, normal(5, 3, 4)) == [["add"]]


def test_a_value_that_is_needed_twice_is_collected_once():
    net = theanets.recurrent.Regressor([3, dict(size=4, form="lstm", activation="tanh"), 2])
    function = theano.function(net.variables, TT.grad(net.loss(), net.params), mode="XLA")
    arrays = normal(6, 5, 3), normal(6, 5, 2)
    backward = compiled_loops(function, *arrays)[-1]
    # the gradient of the four gates, for the weights and for the inputs.
    assert [variable.aval.shape for variable in backward.outvars].count((5, 6, 16)) == 1
