"""Rewrites of graphs: what they make, and that the results stay the same."""

import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.tensor as TT
from theanets.xla import values
from theano import sparse
from theano.sparse import basic
from theano.tensor.elemwise import Elemwise

from . import helpers

FLOAT = theano.config.floatX
SIZE = 3000


def matrix(format, rows=6):
    return scipy.sparse.random(rows, SIZE, 0.01, format, dtype=FLOAT, random_state=3)


def step(format, product=sparse.structured_dot, read=False, indexed=False):
    """A function that takes a step along a gradient of weights for sparse inputs."""
    make = sparse.csr_matrix if format == "csr" else sparse.csc_matrix
    x, g, rate = make("x", dtype=FLOAT), TT.matrix("g"), TT.scalar("rate")
    weights = theano.shared(np.random.RandomState(1).rand(SIZE, 4).astype(FLOAT), "w")
    change = product(x.T, g)
    outputs = [change.sum()] if read else []
    inputs = [x, g, rate]
    if indexed:
        place = TT.iscalar("place")
        inputs, outputs = [*inputs, place], [*outputs, g[place, 0]]
    return theano.function(inputs, outputs, updates=[(weights, weights - rate * change)], mode="XLA"), weights


def ops(function):
    return [type(node.op) for node in function.maker.fgraph.toposort()]


@pytest.mark.parametrize("format", ["csr", "csc"])
@pytest.mark.parametrize("product", [sparse.structured_dot, sparse.dot])
def test_a_step_along_a_sparse_gradient_is_one_op(format, product):
    function, weights = step(format, product)
    assert basic.Usmm in ops(function) and not {basic.StructuredDot, basic.Dot} & set(ops(function))
    x, g, before = matrix(format), np.random.RandomState(2).rand(6, 4).astype(FLOAT), weights.get_value()
    for _ in range(2):
        function(x, g, 0.5)
        before = before - 0.5 * (x.T @ g)
        np.testing.assert_allclose(weights.get_value(), before, rtol=1e-5)


def test_a_step_takes_no_memory_of_the_size_of_the_weights():
    function, weights = step("csr")
    program = function.fn
    function(matrix("csr"), np.ones((6, 4), FLOAT), 0.1)
    kept = [values.SparseArray.of(matrix("csr")), np.ones((6, 4), FLOAT), np.asarray(0.1, FLOAT)]
    compiled = program.code.plain.lower(program.take_states(), tuple(kept), ()).compile().memory_analysis()
    size = weights.get_value().nbytes
    assert compiled.alias_size_in_bytes == size
    assert compiled.temp_size_in_bytes < size / 4


def test_a_gradient_that_is_read_as_well_is_computed():
    function, weights = step("csr", read=True)
    assert basic.Usmm not in ops(function)
    x, g, before = matrix("csr"), np.ones((6, 4), FLOAT), weights.get_value()
    assert function(x, g, 0.5)[0] == pytest.approx(4 * x.sum(), rel=1e-4)
    np.testing.assert_allclose(weights.get_value(), before - 0.5 * (x.T @ g), rtol=1e-5)


def test_other_modes_are_left_alone():
    x, g, w = sparse.csr_matrix("x", dtype=FLOAT), TT.matrix("g"), TT.matrix("w")
    function = theano.function([x, g, w], w - 0.5 * sparse.structured_dot(x.T, g), mode="FAST_COMPILE")
    assert basic.Usmm not in ops(function)


def test_an_error_leaves_the_weights_as_they_were():
    function, weights = step("csr", indexed=True)
    x, g, before = matrix("csr"), np.ones((6, 4), FLOAT), weights.get_value()
    with pytest.raises(IndexError):
        function(x, g, 0.5, 6)
    np.testing.assert_array_equal(weights.get_value(), before)
    assert function(x, g, 0.5, 5)[0] == 1
    np.testing.assert_allclose(weights.get_value(), before - 0.5 * (x.T @ g), rtol=1e-5)


def test_what_is_added_to_a_state_may_be_another_ones_new_value():
    x, g = sparse.csr_matrix("x", dtype=FLOAT), TT.matrix("g")
    a, b = (theano.shared(np.full((SIZE, 4), value, FLOAT)) for value in (1, 2))
    new = a - np.asarray(0.5, FLOAT) * sparse.structured_dot(x.T, g)
    function = theano.function([x, g], new.sum(), updates=[(a, new), (b, new)], mode="XLA")
    assert basic.Usmm in ops(function)
    inputs, gradient = matrix("csr"), np.ones((6, 4), FLOAT)
    expected = 1 - 0.5 * (inputs.T @ gradient)
    assert function(inputs, gradient) == pytest.approx(expected.sum(), rel=1e-5)
    for state in (a, b):
        np.testing.assert_allclose(state.get_value(), expected, rtol=1e-5)


def sums(function):
    """Return the sums of a compiled function, as the number of their terms."""
    nodes = function.maker.fgraph.toposort()
    return sorted(
        len(node.inputs)
        for node in nodes
        if isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, theano.scalar.Add)
    )


def test_a_new_value_is_reused():
    g = TT.vector("g")
    m, p = (theano.shared(np.ones(3, FLOAT)) for _ in range(2))
    new = np.array(0.9, FLOAT) * m + np.array(0.1, FLOAT) * TT.sqr(g)
    updates = [(m, new), (p, p - g / TT.sqrt(new + np.array(0.5, FLOAT)))]
    function = theano.function([g], [], updates=updates, mode="XLA")
    # Theano alone makes a sum of three terms of it.
    assert sums(function) == [2, 2]
    g = np.array([1, 2, 3], FLOAT)
    function(g)
    np.testing.assert_allclose(m.get_value(), 0.9 + 0.1 * g**2, rtol=1e-6)
    np.testing.assert_allclose(p.get_value(), 1 - g / np.sqrt(0.9 + 0.1 * g**2 + 0.5), rtol=1e-6)


def test_terms_that_occur_twice_and_sums_of_other_shapes():
    x, y, z, c = TT.matrix("x"), TT.matrix("y"), TT.matrix("z"), TT.row("c")
    outputs = [x + y, x + y + z, x + x + y + z, c + c + x, c + x, x + y + c, y + z + c + x]
    arrays = [np.random.RandomState(i).randn(*shape).astype(FLOAT) for i, shape in enumerate([(4, 3)] * 3 + [(1, 3)])]
    helpers.agree([x, y, z, c], outputs, arrays)


def test_a_division_of_nothing_by_what_it_is_the_shape_of():
    # without shapes that are inferred, Theano's local_zero_div makes zeros of the shape of its own result, for ever.
    x, w = TT.matrix("x"), TT.vector("w")
    loss = (TT.sqr(TT.dot(x, w)).mean() + 0 * (w * w).sum() / w.size) / (x * 0 + 1)
    helpers.agree([x, w], [loss, TT.grad(loss.sum(), w)], [np.ones((3, 2), w.dtype), np.ones(2, w.dtype)])
    net = theanets.recurrent.Regressor([2, (3, "rnn"), 1])
    inputs, targets = np.ones((4, 3, 2), "float32"), np.ones((4, 3, 1), "float32")
    results = net.train([inputs, targets], epochs=1, weight_l2=0, hidden_l1=0, algo="rmsprop")
    assert np.isfinite(results[0]["loss"])
