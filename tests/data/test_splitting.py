"""A share of the training data for validation."""

import numpy as np
import pytest
import theanets
from theanets import util

RNG = np.random.RandomState(0)
X = np.arange(40, dtype="f").reshape(20, 2)
LABELS = np.array([0] * 12 + [1] * 8)


def seen_by(monkeypatch, net, data, **options):
    """Return the arrays that a training learns from, and those that it validates on."""
    found = {}
    original = theanets.data.sources.ArraySource.dataset

    def dataset(self, name, **kwargs):
        found[name] = self.arrays
        return original(self, name, **kwargs)

    monkeypatch.setattr(theanets.data.sources.ArraySource, "dataset", dataset)
    net.train(data, algo="sgd", epochs=1, **options)
    return found["train"], found["valid"]


def test_classes_are_in_proportion_and_the_seed_decides(monkeypatch):
    data = [X, LABELS]
    train, valid = seen_by(monkeypatch, theanets.Classifier([2, 2]), data, validation_split=0.25)
    assert np.bincount(valid[1]).tolist() == [3, 2] and np.bincount(train[1]).tolist() == [9, 6]
    assert sorted([*train[0][:, 0], *valid[0][:, 0]]) == X[:, 0].tolist()
    assert (np.diff(train[0][:, 0]) > 0).all()
    _, again = seen_by(monkeypatch, theanets.Classifier([2, 2]), data, validation_split=0.25)
    _, other = seen_by(monkeypatch, theanets.Classifier([2, 2], rng=7), data, validation_split=0.25)
    np.testing.assert_array_equal(again[0], valid[0])
    assert not np.array_equal(other[0], valid[0])


def test_sequences_of_different_lengths_and_resumed_trainings_keep_their_parts(monkeypatch):
    net = theanets.recurrent.Classifier([2, (2, "rnn"), "last", 2], rng=np.random.RandomState(3))
    sequences = [np.full((1 + i % 4, 2), i) for i in range(20)]
    train, valid = seen_by(monkeypatch, net, [sequences, LABELS], validation_split=0.2)
    assert len(valid[0]) == 4 and len(train[0]) == 16
    train_again, valid_again = seen_by(monkeypatch, net, [sequences, LABELS], resume=True)
    np.testing.assert_array_equal(valid_again[0], valid[0])
    np.testing.assert_array_equal(train_again[0], train[0])


@pytest.mark.parametrize("data, options, words", [
    ([X, LABELS], dict(valid=[X, LABELS], validation_split=0.2), "valid="),
    (lambda: [X, LABELS], dict(validation_split=0.2), "only arrays"),
    ([X, LABELS], dict(validation_split=0.01), "none"),
    ([X, LABELS], dict(validation_split=1), "validation_split"),
])
def test_what_cannot_be_split_is_refused(data, options, words):
    with pytest.raises(util.ConfigurationError, match=words):
        theanets.Classifier([2, 2]).train(data, epochs=1, **options)


@pytest.mark.parametrize("averaged", [False, True])
def test_the_best_network_is_in_the_file(tmp_path, averaged):
    path = tmp_path / "best.npz"
    net = theanets.Regressor([2, 3, 1])
    data = [X / 40, X.sum(axis=1) / 40]

    def spoil(net, history):
        """Make the parameters worse after the third epoch."""
        if len(history) == 3:
            net.params[0].set_value(net.params[0].get_value() + 5)

    options = dict(average_weights=0.5) if averaged else {}
    net.train(data, algo="sgd", learning_rate=0.1, epochs=5, validate_every=1, callbacks=spoil, save_best=path,
              **options)
    saved = theanets.Network.load(path)
    np.testing.assert_array_equal(saved.predict(data[0]), net.predict(data[0]))
    assert np.mean((saved.predict(data[0])[:, 0] - data[1]) ** 2) == pytest.approx(net.history.best["loss"], rel=1e-4)
    # what is done to the parameters after an epoch is not part of their average.
    assert net.history.best["epoch"] == (3 if averaged else 2)
    with pytest.raises(util.ConfigurationError, match="save_best"):
        net.train(data, save_best=tmp_path / "no" / "x.npz", epochs=1)
