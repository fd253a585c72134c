"""Predictions under many samples of noise and dropout; data and outputs that are not finite; scores of anything."""

import concurrent.futures
import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import theanets
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score
from theanets import data, util

X = np.random.RandomState(0).randn(6, 4).astype("f")


def test_mean_and_deviation_are_those_of_dropout(each_mode):
    """A linear unit of n inputs of which each is kept with probability 1 - p, and nothing is scaled."""
    network = theanets.Regressor([4, 1])
    w = network.find("out", "w").get_value()[:, 0]
    keep = np.float32(0.7)
    mean, std = network.predict(X, samples=1000, input_dropout=0.3)
    masks = [network.predict(X, input_dropout=0.3) for _ in range(300)]
    np.testing.assert_allclose(mean, np.mean(masks, axis=0), atol=0.35)
    np.testing.assert_allclose(std, np.std(masks, axis=0), rtol=0.25)
    scale = std[:, 0] / np.sqrt(keep * (1 - keep) * (X**2 * w**2).sum(axis=1))
    np.testing.assert_allclose(scale, scale.mean(), rtol=0.15)


def test_shapes_and_types():
    network = theanets.Regressor([4, 8, 2])
    for array in network.predict(X, samples=3, hidden_dropout=0.3, batch_size=2):
        assert array.shape == (6, 2) and array.dtype == util.FLOAT
    mean, std = network.predict(X, samples=1, hidden_noise=0.1)
    assert (std == 0).all() and mean.shape == (6, 2)


def test_it_is_reproducible_and_leaves_the_network_alone():
    one, two = (theanets.Regressor([4, 8, 2]) for _ in range(2))
    before = one.predict(X)
    for a, b in zip(one.predict(X, samples=5, hidden_dropout=0.3), two.predict(X, samples=5, hidden_dropout=0.3)):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.predict(X), before)


def test_classifiers_give_probabilities():
    mean, std = theanets.Classifier([4, 8, 3]).predict(X, samples=20, hidden_dropout=0.5)
    assert mean.shape == std.shape == (6, 3)
    np.testing.assert_allclose(mean.sum(axis=1), 1, rtol=1e-5)
    assert (std > 0).all()


def test_sequences_of_different_lengths():
    network = theanets.recurrent.Regressor([2, (3, "rnn"), 1])
    mean, std = network.predict([np.ones((2, 2)), np.ones((5, 2))], samples=4, hidden_dropout=0.5)
    assert [array.shape for array in mean] == [array.shape for array in std] == [(2, 1), (5, 1)]


@pytest.mark.parametrize("arguments, words", [
    (dict(samples=0, hidden_dropout=0.3), "samples=0"), (dict(samples=2.5, hidden_dropout=0.3), "samples=2.5"),
    (dict(samples=5), "nothing is random"), (dict(samples=5, weight_l2=1), "nothing is random"),
])
def test_samples_that_make_no_sense(arguments, words):
    with pytest.raises(util.ConfigurationError, match=words):
        theanets.Regressor([4, 8, 2]).predict(X, **arguments)


def test_samples_or_a_state():
    network = theanets.recurrent.Regressor([2, (3, "rnn"), 1])
    with pytest.raises(util.ConfigurationError, match="state"):
        network.predict(np.ones((1, 2, 2)), samples=2, hidden_dropout=0.3, state=network.initial_state(1))


# What is not finite.


NOT_FINITE = [np.nan, np.inf, -np.inf, 1e39, -1e300]
CLASSIFIER = theanets.Classifier([4, 5, 3])
CODER = theanets.Autoencoder([4, 3, 4])
SEQUENCES = theanets.recurrent.Classifier([2, (3, "rnn"), 2])
LABELS = np.zeros(6, int)
METHODS = {
    "predict": CLASSIFIER.predict, "predict_proba": CLASSIFIER.predict_proba, "logit": CLASSIFIER.predict_logit,
    "feed_forward": CLASSIFIER.feed_forward, "score": lambda x: CLASSIFIER.score(x, LABELS),
    "batches": lambda x: CLASSIFIER.predict(x, batch_size=2), "noise": lambda x: CLASSIFIER.predict(x, hidden_noise=1),
    "samples": lambda x: CLASSIFIER.predict(x, samples=2, hidden_noise=1), "encode": CODER.encode,
    "score of a coder": CODER.score, "gradient": lambda x: CLASSIFIER.gradient("out", "in", x),
    "gradient of the loss": lambda x: CLASSIFIER.gradient("loss", "out.w", [x, LABELS]),
}
FORMS = {
    "array": np.array, "list": np.ndarray.tolist, "frame": pd.DataFrame, "csr": scipy.sparse.csr_matrix,
    "Fortran": np.asfortranarray, "strided": lambda x: np.repeat(x, 2, axis=0)[::2], "objects": lambda x: x.astype("O"),
}


def spoiled(value, shape=(6, 4), where=-1):
    array = np.random.RandomState(0).randn(*shape)
    array.flat[where] = value
    return array


def refuses(use, name="in"):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(util.DataError, match=rf"array '{name}'.*(infinite or not a number)"):
            use()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", NOT_FINITE)
def test_data_that_are_not_finite_are_refused(method, value):
    refuses(lambda: METHODS[method](spoiled(value)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", NOT_FINITE)
def test_they_are_refused_in_any_form_and_in_their_last_place(form, value):
    refuses(lambda: CLASSIFIER.predict(FORMS[form](spoiled(value))))
    with np.errstate(over="ignore"):
        refuses(lambda: CLASSIFIER.predict(FORMS[form](spoiled(value).astype("f"))))


@pytest.mark.parametrize("value", NOT_FINITE)
def test_codes_sequences_steps_and_states_that_are_not_finite(value):
    refuses(lambda: CODER.decode(spoiled(value, (2, 3))), "z")
    ragged = [np.zeros((3, 2)), spoiled(value, (5, 2))]
    refuses(lambda: SEQUENCES.predict(ragged))
    refuses(lambda: SEQUENCES.score(ragged, [np.zeros(3, int), np.zeros(5, int)]))
    state = SEQUENCES.initial_state(1)
    refuses(lambda: SEQUENCES.step(spoiled(value, (1, 2)), state))
    with np.errstate(over="ignore"):
        broken = {name: np.full_like(array, value) for name, array in state.items()}
    refuses(lambda: SEQUENCES.step(np.zeros((1, 2)), broken), "hid1.*")
    refuses(lambda: SEQUENCES.predict(np.zeros((1, 2, 2)), state=broken), "hid1.*")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_targets_and_weights_that_are_not_finite(value):
    network = theanets.Regressor([4, 3, 2])
    refuses(lambda: network.score(X, spoiled(value, (6, 2))), "y")
    refuses(lambda: network.score(X, spoiled(1, (6, 2)), np.r_[np.ones(5), value]), "w")
    with pytest.raises(util.DataError, match=r"array 'y' holds (nan|-?inf) at row 5, but class labels"):
        CLASSIFIER.score(X, np.r_[np.zeros(5), value])
    refuses(lambda: CLASSIFIER.score(X, LABELS, np.r_[np.ones(5), value]), "w")


def test_inputs_by_name_and_sparse_inputs():
    both = theanets.Regressor([dict(form="input", size=4, name="a"), dict(form="input", size=2, name="b"),
                               dict(size=2, inputs=("a", "b"))])
    refuses(lambda: both.predict({"a": np.zeros((3, 4)), "b": spoiled(np.nan, (3, 2))}), "b")
    sparse = theanets.Regressor([dict(form="input", size=4, sparse="csr"), 3, 2])
    refuses(lambda: sparse.predict(scipy.sparse.csr_matrix(spoiled(np.inf))))


def test_without_a_check_they_go_through():
    x = spoiled(np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (CLASSIFIER.predict(x, check=False) == np.r_[CLASSIFIER.predict(x[:-1]), -1]).all()
        for result in (CODER.predict(x, check=False), CODER.encode(x, check=False),
                       CLASSIFIER.feed_forward(x, check=False)["out:pre"], CLASSIFIER.predict_proba(x, check=False)):
            assert np.isfinite(result[:-1]).all() and np.isnan(result[-1]).all()
        for value in NOT_FINITE:
            assert CLASSIFIER.predict(spoiled(value), check=False).shape == (6,)
        assert CLASSIFIER.score(x, np.full(6, -1), check=False) == 0 and np.isnan(CODER.score(x, check=False))
        assert np.isnan(CODER.decode([[np.nan] * 3], check=False)).all()
    state = SEQUENCES.initial_state(1)
    assert SEQUENCES.step([[np.nan, 0]], state, check=False)[0][0] == -1
    assert np.isnan(CLASSIFIER.gradient("out:pre", "out.w", x, check=False)).all()


def test_large_numbers_that_are_finite_are_none_of_them():
    """Their squares are too large for a float, which the quick check takes."""
    x = np.full((3, 4), 1e30)
    assert np.isfinite(CLASSIFIER.predict_proba(x)).all()
    assert data.is_finite(np.full(1000, 3e38, "f")) and data.is_finite(np.arange(3)) and data.is_finite(np.zeros(0))


@settings(deadline=None)
@given(
    values=st.lists(st.floats(width=32), min_size=1, max_size=20),
    form=st.sampled_from([np.array, np.asfortranarray, lambda a: np.repeat(a, 2)[::2], scipy.sparse.csr_matrix]),
)
def test_what_is_finite(values, form):
    array = np.array(values, "f")
    assert data.is_finite(form(array)) == np.isfinite(array).all()


# Networks that put out what is not a number.


def broken(model, *args, param="hid1.w"):
    network = model(*args)
    parameter = network.find(*param.split("."))
    value = parameter.get_value()
    value.flat[0] = np.nan
    parameter.set_value(value)
    return network


def test_a_broken_network_warns_once(each_mode):
    network = broken(theanets.Classifier, [4, 5, 3])
    with pytest.warns(RuntimeWarning, match="not a number.*hid1.w are not finite"):
        assert (network.predict(X) == -1).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert network.score(X, LABELS) == 0 and np.isnan(network.predict_proba(X)).all()
    for use in (lambda net: net.feed_forward(X), lambda net: net.predict_logit(X), lambda net: net.score(X, LABELS)):
        with pytest.warns(RuntimeWarning, match="not a number"):
            use(copy.deepcopy(network))


@pytest.mark.parametrize("use", [lambda net: net.encode(X), lambda net: net.score(X), lambda net: net.predict(X)])
def test_a_broken_coder_warns(use):
    with pytest.warns(RuntimeWarning, match="not a number"):
        use(broken(theanets.Autoencoder, [4, 3, 4]))


def test_a_broken_decoder_and_a_broken_recurrent_network_warn():
    with pytest.warns(RuntimeWarning, match="out.w are not finite"):
        broken(theanets.Autoencoder, [4, 3, 4], param="out.w").decode(np.ones((2, 3)))
    network = broken(theanets.recurrent.Classifier, [3, (4, "rnn"), 3], param="hid1.xh")
    with pytest.warns(RuntimeWarning, match="not a number"):
        label, state = network.step([[1, 0, 0]], network.initial_state(1))
    assert label == [-1]
    with pytest.raises(util.DataError, match="state.*not a number"):
        network.step([[1, 0, 0]], state)
    with pytest.raises(ValueError, match="not a number.*no label"):
        list(network.predict_sequence([0, 1], 2))


def test_accuracy_of_what_is_not_a_number(each_mode):
    """Class 0 comes first, and NaN before all numbers; so all would be right."""
    network = broken(theanets.Classifier, [4, 5, 3])
    with pytest.warns(RuntimeWarning):
        train, valid = network.train(lambda: [X, LABELS], algo="sgd", epochs=1, train_batches=2, valid_batches=2)
    assert np.isnan(train["loss"]) and train["acc"] == valid["acc"] == 0


def test_accuracy_of_rows_that_are_not_numbers():
    network = theanets.Classifier([4, 3])
    labels = network.predict(X)
    x = np.where(np.arange(6)[:, None] < 2, np.nan, X)
    with pytest.warns(RuntimeWarning, match="loss"):
        _, valid = network.train(lambda: [X, labels], valid=lambda: [x, labels], algo="sgd", learning_rate=0.0,
                                 epochs=1, train_batches=1, valid_batches=1)
    assert valid["acc"] == pytest.approx(4 / 6)


# Scores.


@pytest.mark.parametrize("w", [None, [1, 2, 0, 1, 3, 1]])
@pytest.mark.parametrize("level", [0.0, 0.1, -7.3, 1e30])
def test_constant_targets_score_as_in_scikit_learn(level, w):
    network = theanets.Regressor([4, 3, 1])
    y = np.full((6, 1), level)
    assert network.score(X, y, w) == 0 == r2_score(np.ones(6), network.predict(X), sample_weight=w)
    for param in network.params:
        param.set_value(np.zeros_like(param.get_value()))
    assert network.score(X, y, w) == (level == 0)
    assert network.score(X[:1], y[:1]) == (level == 0)


def test_only_targets_that_count_can_vary():
    network = theanets.Regressor([4, 3, 1])
    assert network.score(X, [[1], [1], [1], [1], [2], [3]], [1, 1, 1, 1, 0, 0]) == 0
    assert theanets.Autoencoder([4, 3, 4]).score(np.ones((5, 4))) == 0
    assert network.score(X, np.full((6, 1), 0.1), np.full(6, 1e-3)) == 0


def test_weights_of_scores_are_not_negative_nor_all_zero():
    for network, y in ((theanets.Regressor([4, 3, 1]), X[:, :1]), (CLASSIFIER, LABELS)):
        for w, words in ((np.r_[np.ones(5), -1], "weight -1"), (-np.ones(6), "weight -1"), (np.zeros(6), "all 0")):
            with pytest.raises(util.DataError, match=f"array 'w'.*{words}"):
                network.score(X, y, w)


def test_nothing_has_no_score():
    for network, y in ((theanets.Regressor([4, 3, 1]), np.zeros((0, 1))), (CLASSIFIER, [])):
        with pytest.raises(util.DataError, match="nothing to score"):
            network.score(np.zeros((0, 4)), y)
        assert len(network.predict(np.zeros((0, 4)))) == 0


# The direct way from predict() to what was compiled.


@pytest.fixture
def by_xla():
    theanets.set_mode("XLA")
    yield
    theanets.set_mode(None)


def is_direct(network, name="out:out"):
    """Tell whether an output of the network has a direct way."""
    return name in network._direct_functions


def test_the_direct_way_gives_what_the_other_one_gives(by_xla):
    network, x = theanets.Regressor([4, 3, 2]), X.astype("float32")
    expected = network.predict(x, batch_size=len(x))
    for _ in range(3):
        found = network.predict(x)
        assert np.array_equal(found, expected) and found.flags.writeable
        found[:] = 0
    assert is_direct(network)
    classifier = theanets.Classifier([4, 3, 2])
    assert np.array_equal(classifier.predict_proba(x), classifier.predict_proba(x, batch_size=len(x)))
    assert np.array_equal(classifier.predict_proba(x).argmax(axis=1), classifier.predict(x))
    large = np.tile(x, (3000, 1))
    for _ in range(2):
        found = network.predict(large)
        assert np.allclose(found, np.tile(expected, (3000, 1)), atol=1e-6) and found.flags.writeable
        found[:] = 0


def test_the_direct_way_sees_new_parameters_layers_and_modes(by_xla):
    network, x = theanets.Regressor([4, 3, 2]), X.astype("float32")
    before = network.predict(x)
    network.predict(x)
    bias = network.find("out", "b")
    bias.set_value(bias.get_value() + 1)
    assert np.allclose(network.predict(x), before + 1, atol=1e-6)
    network.train([x, before], algo="sgd", epochs=1, learning_rate=0.1)
    trained = network.predict(x)
    assert not np.allclose(trained, before + 1)
    weights = [param.get_value() for param in network.params]
    hidden = np.maximum(x @ weights[0] + weights[1], 0)
    assert np.allclose(trained, hidden @ weights[2] + weights[3], atol=1e-5)
    network.layers[1].activate = theanets.activations.build("tanh", network.layers[1])
    assert np.allclose(network.predict(x), np.tanh(x @ weights[0] + weights[1]) @ weights[2] + weights[3], atol=1e-5)
    theanets.set_mode("FAST_COMPILE")
    try:
        by_theano = network.predict(x)
    finally:
        theanets.set_mode("XLA")
    assert np.allclose(by_theano, network.predict(x), atol=1e-6)


@pytest.mark.parametrize("value", [np.ones((2, 5), "f"), np.ones(4, "f"), np.full((2, 4), np.nan, "f"), "text"])
def test_the_direct_way_refuses_in_the_same_words(value, by_xla):
    fresh, used = theanets.Regressor([4, 3, 2]), theanets.Regressor([4, 3, 2])
    for _ in range(2):
        used.predict(X.astype("float32"))
    words = []
    for network in (fresh, used):
        with pytest.raises(util.DataError) as error:
            network.predict(value)
        words.append(str(error.value))
    assert words[0] == words[1]


def test_threads_take_the_direct_way_together(by_xla):
    network, x = theanets.Regressor([4, 30, 2]), X.astype("float32")
    network.predict(x[:1])
    expected = [network.predict(x[i : i + 1], batch_size=1) for i in range(len(x))]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: network.predict(x[i % len(x)][None]), range(200)))
    assert all(np.array_equal(value, expected[i % len(x)]) for i, value in enumerate(found))
