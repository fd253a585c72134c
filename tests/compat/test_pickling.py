"""Copies and pickles of functions of large graphs, at Python's default limit of recursion."""

import copy
import pickle

import numpy as np
import pytest
import theano
import theano.tensor as TT

from ..xla.helpers import REFERENCE

FLOAT = theano.config.floatX


def through_pickle(value):
    return pickle.loads(pickle.dumps(value))


def loop(mode):
    """A step of gradient descent for a loop, as for a recurrent network."""
    x, start = TT.matrix("x"), TT.vector("start")
    w = theano.shared(np.eye(3, dtype=FLOAT), "w")
    states, _ = theano.scan(
        lambda x, h, w: TT.tanh(TT.dot(h, w) + x), sequences=[x], outputs_info=[start], non_sequences=[w]
    )
    loss = TT.sqr(states).mean()
    return theano.function([x, start], loss, updates=[(w, w - TT.grad(loss, w))], mode=mode)


@pytest.mark.parametrize("mode", ["XLA", REFERENCE], ids=["xla", "theano"])
def test_copies_of_compiled_loops(mode):
    with theano.change_flags(cxx=""):
        f = loop(mode)
        arrays = np.ones((4, 3), FLOAT), np.ones(3, FLOAT)
        f(*arrays)
        copies = [copied(f) for copied in (through_pickle, copy.deepcopy)]
        expected = [f(*arrays) for _ in range(3)]
        assert expected[0] > expected[1]
        for copied in copies:
            np.testing.assert_allclose([copied(*arrays) for _ in range(3)], expected, rtol=1e-6)


@pytest.mark.parametrize("copied", [through_pickle, copy.deepcopy])
def test_deep_graphs(copied):
    x = TT.vector("x")
    output = x
    for _ in range(600):
        output = TT.tanh(output)
    fgraph = theano.gof.FunctionGraph([x], [output])
    result = copied(fgraph)
    assert len(result.toposort()) == 600 and result.inputs[0].fgraph is result
    result.check_integrity()
    # the original is as it was.
    fgraph.check_integrity()
