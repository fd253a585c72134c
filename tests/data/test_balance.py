"""Weights of classes and of examples."""

import warnings

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


# Batches of one class.


def sorted_warnings(network, data, **kwargs):
    """The warnings about the order of rows at the call of train()."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network.itertrain(data, **kwargs).close()
    return [str(warning.message) for warning in caught if "shuffle" in str(warning.message)]


def rows(labels):
    return [RNG.randn(len(labels), 4), np.array(labels)]


SORTED, MIXED = np.repeat([0, 1, 2], 50), np.tile([0, 1, 2], 50)


@pytest.mark.parametrize("labels, options, words", [
    (SORTED, dict(batch_size=25), "all 6 batches"),
    (SORTED[::-1], dict(batch_size=10), "all 15 batches"),
    (SORTED, {}, "3 of 5 batches"),
    (SORTED, dict(batch_size=25, shuffle=False), "all 6 batches"),
    (SORTED, dict(batch_size=25, algo="layerwise"), "all 6 batches"),
    ([0] * 32 + [1], {}, "all 2 batches"),
    ([2] * 5 + [0] * 5, dict(batch_size=5, class_weight="balanced"), "all 2 batches"),
])
def test_sorted_labels_are_worth_one_warning(labels, options, words):
    (message,) = sorted_warnings(classifier(), rows(labels), **options)
    assert words in message and "shuffle='rows'" in message


@pytest.mark.parametrize("labels, options", [
    (SORTED, dict(batch_size=25, shuffle="rows")), (SORTED, dict(batch_size=25, shuffle=True)),
    (SORTED, dict(batch_size=1)), (SORTED, dict(batch_size=0)), (SORTED, dict(batch_size=200)),
    (SORTED, dict(batch_size=25, algo="pretrain")), (SORTED, dict(batch_size=25, algo="sample")),
    (MIXED, dict(batch_size=25)), (MIXED, dict(batch_size=2)), ([1] * 100, {}),
    # one in a hundred is not in most of the batches.
    (np.arange(3200) % 100 == 50, {}), (RNG.permutation(3200) < 64, {}),
])
def test_classes_that_are_mixed_or_cannot_be(labels, options):
    network = theanets.Classifier([4, 3, 3])
    assert sorted_warnings(network, rows(np.asarray(labels, int)), **options) == []


def test_sorted_labels_of_sequences():
    """What only fills up shorter sequences does not count."""
    network = theanets.recurrent.Classifier([2, (3, "rnn"), 2])
    x, y = RNG.randn(12, 5, 2), np.repeat([0, 1], 6)[:, None] * np.ones(5, int)
    assert len(sorted_warnings(network, [x, y], batch_size=3)) == 1
    assert sorted_warnings(network, [x, np.tile([0, 1, 0, 1, 0], (12, 1))], batch_size=3) == []
    assert sorted_warnings(network, [x, y], batch_size=3, stateful=True) == []
    assert sorted_warnings(network, [x, y], batch_size=3, shuffle="rows") == []
    lengths = [3, 5, 4] * 4
    ragged = [[a[:n] for a, n in zip(array, lengths)] for array in (x, y)]
    assert len(sorted_warnings(network, ragged, batch_size=3)) == 1


def test_sorted_labels_of_images_and_of_a_second_loss():
    images = theanets.convolution.Classifier([(4, 4, 1), dict(form="conv2", size=2, filter_size=2), "flat", 3])
    assert len(sorted_warnings(images, [RNG.randn(150, 4, 4, 1), SORTED], batch_size=25)) == 1
    network = theanets.Regressor([4, dict(size=3, activation="softmax", name="class"), 2])
    network.add_loss("xe", target=1, output_name="class")
    assert len(sorted_warnings(network, [RNG.randn(150, 4), RNG.randn(150, 2), SORTED], batch_size=25)) == 1
    assert sorted_warnings(network, lambda: [RNG.randn(9, 4), RNG.randn(9, 2), SORTED[:9]]) == []
