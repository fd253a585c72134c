"""Parts of Theano that networks lean on, in Python mode."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
import theano
import theano.sparse
import theano.tensor as TT
from theano.compile.debugmode import DebugMode
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.shared_randomstreams import RandomStreams

#: of Python 3.8, NumPy 1.21.6 and Theano 1.0.5
OLD_UNIFORM = [0.029922314800690186, 0.618123556722836, 0.404866483511101]
OLD_MRG = [0.02499466948211193, 0.572577953338623, 0.5994412899017334]

DENSE = np.array([[0, 1, 2], [3, 0, 0]], "float32")


@pytest.mark.parametrize("layout", ["csr", "csc"])
@pytest.mark.filterwarnings("error::DeprecationWarning")
def test_sparse_products_and_gradients(layout):
    x = getattr(theano.sparse, f"{layout}_matrix")("x", dtype="float32")
    w = theano.shared(np.arange(6, dtype="float32").reshape(3, 2))
    product = theano.sparse.structured_dot(x, w)
    outputs = [product, theano.sparse.dot(x, w), theano.sparse.dense_from_sparse(x), TT.grad((product**2).sum(), w)]
    data = getattr(scipy.sparse, f"{layout}_matrix")(DENSE)
    first, second, dense, gradient = theano.function([x], outputs)(data)
    expected = DENSE @ w.get_value()
    np.testing.assert_allclose(first, expected)
    np.testing.assert_allclose(second, expected)
    np.testing.assert_array_equal(dense, DENSE)
    np.testing.assert_allclose(gradient, DENSE.T @ (2 * expected))


@pytest.mark.parametrize("streams", [RandomStreams, MRG_RandomStreams])
def test_random_streams_survive_pickling(streams):
    stream = streams(13)
    draw = theano.function([], [stream.normal((3,)), stream.binomial((5,), p=0.5)])
    before = draw()
    again = pickle.loads(pickle.dumps(draw))
    for ours, theirs in zip(draw(), again()):
        np.testing.assert_array_equal(ours, theirs)
    assert (before[0] != draw()[0]).all()
    assert isinstance(copy.deepcopy(stream), streams)
    assert isinstance(pickle.loads(pickle.dumps(stream)), streams)


@pytest.mark.parametrize("streams", [RandomStreams, MRG_RandomStreams])
def test_draws_depend_on_the_seed_only(streams):
    draws = [theano.function([], streams(seed).uniform((4,)))() for seed in (13, 13, 14)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_draws_of_the_old_stack():
    draw = theano.function([], RandomStreams(13).uniform((3,), dtype="float64"))
    np.testing.assert_allclose(draw(), OLD_UNIFORM, rtol=1e-12)
    draw = theano.function([], MRG_RandomStreams(13).uniform((3,), dtype="float32"))
    np.testing.assert_allclose(draw(), OLD_MRG, rtol=1e-6)


def test_shared_variables_survive_pickling():
    shared = theano.shared(np.ones((2, 2), "float32"), "w")
    again = pickle.loads(pickle.dumps(shared))
    assert again.name == "w"
    np.testing.assert_array_equal(again.get_value(), shared.get_value())


def test_clone():
    x = TT.matrix("x")
    y = theano.clone(TT.exp(x).sum(), {x: 2 * x})
    assert theano.function([x], y)(np.ones((1, 1), "float32")) == pytest.approx(np.exp(2))


def test_indexing_and_its_gradient():
    x, i = TT.matrix(), TT.ivector()
    outputs = [TT.grad((x[i] ** 2).sum(), x), TT.inc_subtensor(x[i], 1.5), TT.set_subtensor(x[i], 3)]
    gradient, increased, replaced = theano.function([x, i], outputs)(np.ones((3, 2), "float32"), [0, 2, 2])
    np.testing.assert_array_equal(gradient, [[2, 2], [0, 0], [4, 4]])
    np.testing.assert_array_equal(increased, [[2.5, 2.5], [1, 1], [4, 4]])
    np.testing.assert_array_equal(replaced, [[3, 3], [1, 1], [3, 3]])


def test_batch_normalization():
    x = TT.matrix()
    ones, zeros = [TT.addbroadcast(theano.shared(np.full((1, 3), value, "float32")), 0) for value in (1, 0)]
    normalized, _, _ = TT.nnet.bn.batch_normalization_train(x, ones, zeros)
    data = np.random.RandomState(13).rand(50, 3).astype("float32")
    found = theano.function([x], normalized)(data)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize("mode", ["DebugMode", "FAST_RUN"])
def test_other_modes(mode):
    x = TT.vector()
    f = theano.function([x], TT.tanh(x).sum(), mode=mode)
    assert f(np.ones(2, "float32")) == pytest.approx(2 * np.tanh(1))


def test_input_is_cast_down_when_asked():
    x = TT.bvector()
    f = theano.function([x], x, allow_input_downcast=True)
    assert f([300, 100]).tolist() == [44, 100]


def test_digests_of_arrays():
    first, second = (theano.printing.hex_digest(array) for array in (np.arange(3), np.arange(4)))
    assert first != second and first == theano.printing.hex_digest(np.arange(3))


def test_debug_mode_with_scalars():
    x, state = TT.scalar("x"), theano.shared(np.asarray(1, theano.config.floatX))
    mode = DebugMode(optimizer="fast_run", check_c_code=False, check_py_code=True, stability_patience=1)
    with theano.change_flags(cxx=""):
        f = theano.function([theano.In(x, mutable=True)], TT.exp(x * 2) + 1, updates=[(state, state + x)], mode=mode)
        np.testing.assert_allclose(f(1), np.exp(2) + 1, rtol=1e-6)
    assert state.get_value() == 2
