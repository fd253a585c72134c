"""Functions of NumPy's random generators: the same numbers as by Theano, and the rest compiled by XLA."""

import pickle
import warnings

import numpy as np
import pytest
import theano
import theano.ifelse
import theano.tensor as TT
from theanets.xla.host import FallbackWarning
from theanets.xla.streams import Drawing
from theano import typed_list
from theano.tensor.shared_randomstreams import RandomStreams
from theano.typed_list import TypedListType

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


def dependent(mode):
    """Return a function that draws by its weights, as a Boltzmann machine does, within a loop as well."""
    streams, x = RandomStreams(3), TT.matrix("x")
    w, v = theano.shared(np.full((3, 2), 0.5, FLOAT), "w"), theano.shared(np.full(2, 0.3, FLOAT), "v")

    def step(visible):
        hidden = TT.nnet.sigmoid(TT.dot(visible, w))
        drawn = streams.binomial(size=hidden.shape, n=1, p=hidden, dtype=FLOAT)
        return streams.binomial(size=visible.shape, n=1, p=TT.nnet.sigmoid(TT.dot(drawn, w.T)), dtype=FLOAT)

    states, changes = theano.scan(step, outputs_info=[x], n_steps=3)
    outputs = [
        states,
        streams.multinomial(n=20, pvals=TT.nnet.softmax(v), ndim=1),
        streams.normal(avg=v, size=None),
        streams.shuffle_row_elements(TT.outer(v, v)),
        streams.uniform(size=(2,)),
        theano.ifelse.ifelse(v[0] > 0, streams.poisson(lam=v + 1, size=(2,)), TT.zeros(2, "int64")),
    ]
    changes.update([(w, w - 0.1 * states[-1].mean() * w), (v, v + 0.1)])
    return theano.function([x], outputs, updates=changes, mode=mode), w, streams


def test_draws_that_depend_on_weights():
    results = []
    for mode in ("XLA", helpers.REFERENCE):
        with warnings.catch_warnings():
            warnings.simplefilter("error", FallbackWarning)
            f, w, streams = dependent(mode)
            found = [value for rows in (2, 2, 3) for value in f(np.ones((rows, 3), FLOAT))]
            found += f(np.ones((2, 3), FLOAT))
            results.append([*found, w.get_value(), streams.gen_seedgen.rand()])
        if mode == "XLA":
            assert isinstance(f.fn, Drawing) and not f.fn.program.code.stays_on_host
            assert not f.fn.program.code.objects.found, "no state of a generator is kept"
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_failed_draw_leaves_the_generator():
    w, streams = theano.shared(np.full(2, 0.5)), RandomStreams(3)
    f = theano.function([], streams.binomial(n=1, p=w, size=(2,)), mode="XLA")
    w.set_value(np.full(2, 2.0))
    with pytest.raises(ValueError, match="p < 0, p > 1|p"):
        f()
    w.set_value(np.full(2, 0.5))
    g = theano.function([], RandomStreams(3).binomial(n=1, p=w, size=(2,)), mode=helpers.REFERENCE)
    np.testing.assert_array_equal(f(), g())


def test_lists_of_arrays():
    """What comes from a list is computed first; what goes into one is called back."""
    results = []
    for mode in ("XLA", helpers.REFERENCE):
        x, w = TypedListType(TT.TensorType(FLOAT, [False]))("x"), theano.shared(np.full(3, 2, FLOAT))
        n, made = TT.lscalar("n"), typed_list.make_list([w, w * 3])
        outputs = [x[n].sum() * w, typed_list.length(x), typed_list.append(x, w * 2), made[1].sum(), x]
        f = theano.function([x, n], outputs, updates=[(w, w + 1)], mode=mode)
        arrays = [np.arange(3).astype(FLOAT), np.ones(5, FLOAT)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FallbackWarning)
            results.append([*f(arrays, 0), *f(arrays, 1), *f(arrays[:1], 0), w.get_value()])
        if mode == "XLA":
            assert not f.fn.program.code.stays_on_host
    for ours, theirs in zip(*results):
        assert type(ours) is type(theirs)
        np.testing.assert_equal(ours, theirs)


def test_arrays_from_files(tmp_path):
    path, w = theano.gof.Generic()("path"), theano.shared(np.ones(3, FLOAT))
    loaded = TT.load(path, FLOAT, (False,))
    f = theano.function([path], loaded * 2 + w[0], updates=[(w, w + 1)], mode="XLA")
    for i, length in enumerate((2, 5, 2)):
        np.save(tmp_path / "array.npy", np.full(length, i, FLOAT))
        with warnings.catch_warnings():
            warnings.simplefilter("error", FallbackWarning)
            np.testing.assert_array_equal(f(str(tmp_path / "array.npy")), np.full(length, 2 * i + i + 1))


def test_draws_in_place_come_last():
    rng, draw = theano.tensor.raw_random.random_state_type(), theano.tensor.raw_random.RandomFunction
    plain, in_place = draw("uniform", TT.dvector), draw("uniform", TT.dvector, inplace=True)
    (_, first), (after, second) = plain(rng, (4,), -2.0, 2.0), in_place(rng, (4,), -4.0, 4.0)
    state = theano.In(rng, value=np.random.RandomState(3), update=after, mutable=True)
    f = theano.function([state], [first, second], mode="XLA", accept_inplace=True)
    for _ in range(2):
        a, b = f()
        np.testing.assert_allclose(2 * a, b)
    assert not np.allclose(f()[0], a)
