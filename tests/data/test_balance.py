"""Weights of classes and of examples."""

import numpy as np
import pytest
import theanets
from theanets import util
from theanets.data import balance

from tests.helpers import assert_same_values, epochs, values

RNG = np.random.RandomState(0)
X = RNG.randn(30, 4).astype("f")
LABELS = np.array([0] * 24 + [1] * 4 + [2] * 2, "i")


def classifier(**kwargs):
    return theanets.Classifier([4, 3], **kwargs)


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    (found,) = balance.resolve("balanced", classifier(), lambda variable: LABELS).values()
    np.testing.assert_allclose(found, compute_class_weight("balanced", classes=np.arange(3), y=LABELS), rtol=1e-6)


def test_classes_that_do_not_occur():
    (found,) = balance.resolve("balanced", classifier(), lambda variable: np.array([0, 0, 2, 2])).values()
    np.testing.assert_array_equal(found, [1, 1, 1])


@pytest.mark.parametrize("weight", ["balanced", [0.5, 2, 3], {1: 2.0, 2: 3}, np.array([0.5, 2, 3])])
def test_class_weights_are_weights_of_examples(weight):
    """The same as giving each example the weight of its class."""
    (per_class,) = balance.resolve(weight, classifier(), lambda variable: LABELS).values()
    run = dict(algo="sgd", learning_rate=0.1, batch_size=7)
    one, two = classifier(), classifier(weighted=True)
    found = epochs(one, [X, LABELS], 3, class_weight=weight, **run)
    expected = epochs(two, [X, LABELS, per_class[LABELS]], 3, **run)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for name, value in values(one).items():
        np.testing.assert_allclose(value, values(two)[name], rtol=1e-4, atol=1e-6)


def test_class_weights_in_both_modes(each_mode):
    before = theanets.get_mode()
    theanets.set_mode("FAST_COMPILE")
    expected = epochs(classifier(), [X, LABELS], 2, algo="sgd", class_weight="balanced", batch_size=7)
    theanets.set_mode(before)
    found = epochs(classifier(), [X, LABELS], 2, algo="sgd", class_weight="balanced", batch_size=7)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_class_weights_and_weights_of_examples_are_multiplied():
    given = RNG.rand(30)
    run = dict(algo="sgd", learning_rate=0.1, batch_size=0)
    found = epochs(classifier(weighted=True), [X, LABELS, given], 2, class_weight=[1, 2, 3], **run)
    expected = epochs(classifier(weighted=True), [X, LABELS, given * np.array([1, 2, 3])[LABELS]], 2, **run)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_balancing_finds_the_rare_class():
    """Of overlapping classes, the rare one is never predicted unless it weighs more."""
    x = np.random.RandomState(1).randn(200, 1) + np.array([[0.0]] * 190 + [[1.0]] * 10)
    y = np.array([0] * 190 + [1] * 10)
    found = []
    for weight in (None, "balanced"):
        network = theanets.Classifier([1, 2])
        network.train([x, y], algo="rprop", learning_rate=0.05, batch_size=0, epochs=40, class_weight=weight)
        found.append((network.predict(x)[190:] == 1).mean())
    assert found[0] < 0.3 and found[1] >= 0.5


def test_labels_of_sequences_behind_their_end_do_not_count():
    x = [RNG.randn(2, 2), RNG.randn(5, 2)]
    y = [np.array([1, 1]), np.array([0, 0, 0, 1, 1])]
    network = theanets.recurrent.Classifier([2, (3, "rnn"), 2])
    run = dict(algo="sgd", epochs=1)
    network.train([x, y], class_weight="balanced", **run)
    other = theanets.recurrent.Classifier([2, (3, "rnn"), 2])
    other.train([x, y], class_weight=[7 / 6, 7 / 8], **run)
    np.testing.assert_allclose(network.history["train_loss"], other.history["train_loss"], rtol=1e-5)


@pytest.mark.parametrize("weight", ["even", [1, 2], [1, 2, -1], [0, 0, 0], {5: 1}, {"a": 1}, [1, 2, np.nan], 3])
def test_weights_that_do_not_fit(weight):
    with pytest.raises(util.ConfigurationError, match="class_weight"):
        classifier().itertrain([X, LABELS], algo="sgd", class_weight=weight)


def test_without_classes_or_labels():
    with pytest.raises(util.ConfigurationError, match="no loss of class labels"):
        theanets.Regressor([4, 2]).itertrain([X, X[:, :2]], class_weight="balanced")
    with pytest.raises(util.DataError, match="batch by batch"):
        classifier().itertrain(lambda: [X, LABELS], [X, LABELS], train_batches=1, class_weight="balanced")


@pytest.mark.parametrize("shape", [(30,), (30, 1), (30, 2)])
def test_weights_of_examples_are_broadcast(shape):
    given, y = RNG.rand(*shape), X[:, :2]
    full = np.broadcast_to(given.reshape(30, -1), (30, 2))
    one, two = (theanets.Regressor([4, 2], weighted=True) for _ in range(2))
    run = dict(algo="sgd", learning_rate=0.1, epochs=2)
    one.train([X, y, given], **run)
    two.train([X, y, full], **run)
    assert_same_values(values(one), values(two))
