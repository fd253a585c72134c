"""A row for each epoch, and why training stopped."""

import copy
import io
import pickle

import numpy as np
import pandas
import pytest
import theanets
from theanets import util
from theanets.trainer.history import History

X = np.random.RandomState(0).randn(20, 3).astype("f")
Y = X.sum(axis=1, keepdims=True)


@pytest.fixture
def network():
    return theanets.Regressor([3, 1])


def test_a_row_for_each_epoch(network, each_mode):
    pairs = list(network.itertrain([X, Y], [X[:5], Y[:5]], algo="sgd", learning_rate=0.1, epochs=4, validate_every=2,
                                   monitors={"out:out": 0.0}))
    assert len(network.history) == 4
    for row, (train, valid), number in zip(network.history, pairs, range(1, 5)):
        assert (row["epoch"], row["stage"], row["learning_rate"]) == (number, 1, 0.1)
        assert {key[6:]: row[key] for key in row if key.startswith("train_")} == dict(train)
        assert {key[6:] for key in row if key.startswith("valid_")} == set(valid)
        assert 0 < row["seconds"] < 60
    assert network.history["stopped"] == [None] * 3 + ["4 epochs are done"]
    assert [entry["epoch"] for entry in network.history.validations] == [0, 2, 4]
    # what is yielded comes from before the epoch, and what is in its row, from after it.
    yielded = [dict(valid) for _, valid in pairs]
    first, second, last = [{key: entry[key] for key in yielded[0]} for entry in network.history.validations]
    assert yielded == [first, first, second, second]
    rows = [{key[6:]: row[key] for key in row if key.startswith("valid_")} for row in network.history]
    assert rows == [dict.fromkeys(first), second, dict.fromkeys(first), last]
    assert network.history.best == network.history.validations[-1]


def test_train_still_returns_its_pair(network):
    train, valid = network.train([X, Y], algo="sgd", epochs=2)
    assert (train["loss"], valid["loss"]) == (network.history["train_loss"][-1], network.history["valid_loss"][-1])
    assert np.isnan(network.train([X, Y], algo="sgd", epochs=0)[0]["loss"])


def test_a_new_training_begins_a_new_history(network):
    assert len(network.history) == 0 and network.history.stopped is None
    network.train([X, Y], algo="sgd", epochs=2)
    first = network.history
    network.train([X, Y], algo="adam", epochs=1)
    assert (len(first), len(network.history)) == (2, 1)


def test_it_grows_while_training_goes_on(network):
    for count, _ in enumerate(network.itertrain([X, Y], algo="sgd", epochs=3), 1):
        assert len(network.history) == count and network.history.stopped is None


@pytest.mark.parametrize("run, words", [
    (dict(epochs=1), "1 epoch is done"), (dict(max_seconds=0), "seconds have passed"),
    (dict(learning_rate=0.0, validate_every=1, patience=1), "patience has run out"),
    (dict(stop_when="train_loss < 1000"), "train_loss < 1000"),
])
def test_why_it_stopped(run, words, network):
    network.train([X, Y], algo="sgd", **run)
    assert words in network.history.stopped and network.history[-1]["stopped"] == network.history.stopped


def test_why_it_stopped_otherwise(network):
    for _ in network.itertrain([X, Y], algo="sgd"):
        break
    assert network.history.stopped == "the training loop was left"
    with pytest.warns(RuntimeWarning):
        network.train([X * 1e20, Y], algo="sgd", learning_rate=1e20)
    assert "not a finite number" in network.history.stopped

    def fail(network, history):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        network.train([X, Y], algo="sgd", callbacks=[fail])
    assert network.history.stopped == "an error occurred"

    def interrupt(network, history):
        raise KeyboardInterrupt

    network.train([X, Y], algo="sgd", callbacks=[interrupt])
    assert network.history.stopped == "interrupted from the keyboard"


def test_stages_are_numbered():
    network = theanets.Regressor([3, 4, 3, 1])
    network.train([X, Y], algo="layerwise", subalgo="sgd", epochs=2)
    assert network.history["epoch"] == [1, 2, 3, 4] and network.history["stage"] == [1, 1, 2, 2]


def test_trainers_of_users_make_rows_too(network):
    class Mine:
        def itertrain(self, train, valid, **kwargs):
            for loss in (2.0, np.float32(1.5)):
                yield {"loss": loss}, {"loss": loss, "more": np.zeros(2)}

    network.train([X, Y], algo=Mine())
    assert network.history["train_loss"] == [2.0, 1.5] and network.history["learning_rate"] == [None, None]
    assert network.history.stopped == "the trainer came to its end"
    network.save(io.BytesIO())


def test_a_frame(network):
    assert len(network.history.to_frame()) == 0
    network.train([X, Y], algo="sgd", epochs=3)
    frame = network.history.to_frame()
    assert isinstance(frame, pandas.DataFrame) and frame.index.tolist() == [1, 2, 3]
    assert frame["train_loss"].tolist() == network.history["train_loss"]
    assert frame["valid_loss"].isna().tolist() == [True, True, False]
    for _ in network.itertrain([X, Y], algo="sgd", epochs=1):
        assert network.history.to_frame()["valid_loss"].dtype == "float64"
    assert frame.columns.tolist()[-3:] == ["learning_rate", "seconds", "stopped"]


def test_columns_that_there_are_not(network):
    network.train([X, Y], algo="sgd", epochs=1)
    with pytest.raises(KeyError, match="train_loss"):
        network.history["loss"]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_it_goes_along_with_the_network(way, network):
    network.train([X, Y], algo="sgd", epochs=2)
    again = way(network)
    assert again.history.state() == network.history.state()
    again.train([X, Y], algo="sgd", epochs=1)
    assert len(network.history) == 2


@pytest.mark.parametrize("state", [None, {}, {"rows": 3, "validations": [], "stopped": None},
                                   {"rows": [{"epoch": 1}], "validations": [], "stopped": None},
                                   {"rows": [], "validations": [], "stopped": []}])
def test_states_that_are_none(state):
    history = History()
    with pytest.raises(util.LoadError, match="history"):
        history.restore(state)
    assert len(history) == 0
