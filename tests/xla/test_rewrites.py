"""Rewrites of graphs: what is found, and that nothing else changes."""

import numpy as np
import theano
import theano.tensor as TT
from theano.tensor.elemwise import Elemwise

from . import helpers

FLOAT = theano.config.floatX


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
