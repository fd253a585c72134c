"""Predictions under many samples of noise and dropout."""

import numpy as np
import pytest
import theanets
from theanets import util

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
