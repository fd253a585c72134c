"""Functions of NumPy's random generators: the same numbers as by Theano, and the rest compiled by XLA."""

import pickle
import warnings

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theanets.xla.host import FallbackWarning
from theanets.xla.streams import Drawing
from theano.tensor.shared_randomstreams import RandomStreams

from . import helpers

FLOAT = theano.config.floatX


def noisy(mode):
    """Return a function that trains a little, with noise of several kinds, its weights, and its streams."""
    streams = RandomStreams(7)
    x, w, p = TT.matrix("x"), theano.shared(np.eye(3, dtype=FLOAT), "w"), theano.shared(np.asarray(0.5, FLOAT), "p")
    hidden = TT.dot(x, w)
    kept = streams.binomial(size=hidden.shape, n=1, p=p, dtype=FLOAT)
    center = streams.uniform(size=(3,), dtype=FLOAT)
    output = hidden * kept + streams.normal(size=x.shape, avg=center, dtype=FLOAT)
    updates = [(w, w - 0.1 * TT.grad(output.sum(), w))]
    return theano.function([x], [output, streams.permutation(n=5)], updates=updates, mode=mode), w, streams


def test_the_same_numbers_as_by_theano():
    results = []
    for mode in ("XLA", helpers.REFERENCE):
        with warnings.catch_warnings():
            warnings.simplefilter("error", FallbackWarning)
            f, w, streams = noisy(mode)
            found = [value for rows in (2, 2, 4) for value in f(np.ones((rows, 3), FLOAT))]
            streams.seed(9)
            results.append([*found, *f(np.ones((2, 3), FLOAT)), w.get_value()])
        assert isinstance(f.fn, Drawing) == (mode == "XLA")
    for ours, theirs in zip(*results):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert not np.array_equal(results[0][1], results[0][3]), "the streams move on"


def test_draws_that_are_to_be_repeated():
    x, streams = TT.matrix("x"), RandomStreams(3)
    f = theano.function([x], streams.uniform(size=x.shape) * 2, mode="XLA", no_default_updates=True)
    array = np.ones((2, 2), FLOAT)
    np.testing.assert_array_equal(f(array), f(array))


def test_a_call_that_fails_draws_nothing():
    index, streams = TT.lscalar("index"), RandomStreams(3)
    draws = streams.uniform(size=(4,))
    f = theano.function([index], draws[index], mode="XLA")
    g = theano.function([index], RandomStreams(3).uniform(size=(4,))[index], mode="XLA")
    assert isinstance(f.fn, Drawing)
    with pytest.raises(IndexError):
        f(4)
    assert f(1) == g(1)


def test_a_pickled_function_draws_on():
    f, _, _ = noisy("XLA")
    array = np.ones((2, 3), FLOAT)
    f(array)
    copied = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(copied(array)[0], f(array)[0])


def test_draws_that_depend_on_weights_run_by_theano():
    w, streams = theano.shared(np.full(3, 0.5, FLOAT)), RandomStreams(3)
    f = theano.function([], streams.binomial(size=w.shape, n=1, p=TT.nnet.sigmoid(w)), mode="XLA")
    assert not isinstance(f.fn, Drawing) and set(f()) <= {0, 1}
