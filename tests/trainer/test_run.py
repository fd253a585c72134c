"""When validations are made, of what, and who gets to see them."""

import contextlib
import functools

import numpy as np
import pytest
import theanets
from theanets.trainer import run as run_module

from tests.helpers import assert_same_values, values

X = np.random.RandomState(0).randn(20, 3).astype("f")
Y = X.sum(axis=1, keepdims=True)
LABELS = (X[:, 0] > 0).astype(int)
RUN = dict(algo="sgd", learning_rate=0.1, batch_size=8)
DATA = dict(train=[X, Y], valid=[X[:7], Y[:7]])


def network(**kwargs):
    return theanets.Regressor([3, 1], **kwargs)


def error(net):
    return pytest.approx(((net.predict(X[:7]) - Y[:7]) ** 2).mean(), rel=1e-6)


@pytest.fixture
def evaluations(monkeypatch):
    """The validations that are computed, as a list that grows."""
    found, evaluate = [], run_module.Run._evaluate
    monkeypatch.setattr(run_module.Run, "_evaluate", lambda self: found.append(1) or evaluate(self))
    return found


@pytest.mark.parametrize("every, epochs, count", [(1, 4, 5), (2, 4, 3), (2, 5, 4), (3, 2, 2), (10, 10, 2)])
def test_no_validation_is_computed_twice(every, epochs, count, evaluations):
    net = network()
    net.train(**DATA, **RUN, epochs=epochs, validate_every=every)
    assert len(evaluations) == count
    assert [entry["epoch"] for entry in net.history.validations] == sorted({*range(0, epochs + 1, every), epochs})


def test_patience_needs_no_further_validation(evaluations):
    net = network()
    net.train(**DATA, **dict(RUN, learning_rate=0.0), patience=2, validate_every=3)
    assert len(evaluations) == 4 and len(net.history) == 9
    assert net.history.stopped == "patience has run out: 3 validations without improvement, one every 3 epochs"
    net.train(**DATA, **dict(RUN, learning_rate=0.0), patience=0, validate_every=1)
    assert net.history.stopped == "patience has run out: 1 validation without improvement, one after each epoch"


def test_rows_callbacks_and_conditions_see_the_parameters_after_their_epoch(each_mode):
    net, seen = network(), []

    def look(net, history):
        seen.append((history[-1]["valid_loss"], error(net)))

    def enough(history):
        assert history[-1]["valid_loss"] == seen[-1][0]
        return len(history) == 5

    net.train(**DATA, **RUN, validate_every=2, callbacks=look, stop_when=enough)
    assert [loss for loss, _ in seen[::2]] == [None, None, None]
    assert all(loss == right for loss, right in seen[1::2])
    # the last one has been made since.
    assert net.history["valid_loss"] == [None, seen[1][0], None, seen[3][0], error(net)]


def test_a_condition_on_the_validation_holds_at_once():
    net = network()
    losses = [valid["loss"] for _, valid in net.itertrain(**DATA, **RUN, epochs=6, validate_every=1)]
    net = network()
    _, valid = net.train(**DATA, **RUN, validate_every=1, stop_when=f"valid_loss < {losses[3] * 1.001}")
    # the yielded one of index 3 is that of the parameters after three epochs.
    assert len(net.history) == 3 and valid["loss"] == pytest.approx(losses[3])


def test_a_plateau_is_seen_as_before():
    schedule = dict(form="plateau", factor=0.5, patience=0)
    net = network()
    net.train(**DATA, **dict(RUN, learning_rate=0.0625), max_updates=6, validate_every=1, patience=100,
              schedule=schedule, min_improvement=-1)
    losses, rate, expected = [entry["loss"] for entry in net.history.validations], 0.0625, []
    for epoch in range(6):
        if epoch and losses[epoch] >= min(losses[:epoch]):
            rate /= 2
        expected.append(rate)
    assert net.history["learning_rate"] == expected


def test_what_is_changed_after_an_epoch_is_what_counts(evaluations, each_mode):
    """A constraint that is put on the weights after each epoch holds for what is kept, too."""
    def clip(net):
        net.find("out", "w").set_value(np.clip(net.find("out", "w").get_value(), -0.3, 0.3))

    by_callback, in_loop = network(), network()
    clip(by_callback)
    clip(in_loop)
    _, valid = by_callback.train(**DATA, **RUN, epochs=4, validate_every=2, callbacks=lambda net, _: clip(net))
    yielded = []
    for pair in in_loop.itertrain(**DATA, **RUN, epochs=4, validate_every=2):
        yielded.append(pair[1]["loss"])
        clip(in_loop)
    assert_same_values(values(in_loop), values(by_callback))
    assert abs(in_loop.find("out", "w").get_value()).max() <= np.float32(0.3)
    for net in (by_callback, in_loop):
        assert [entry["epoch"] for entry in net.history.validations] == [0, 2, 4]
        assert net.history["valid_loss"] == [None, valid["loss"], None, net.history.validations[-1]["loss"]]
        assert valid["loss"] == error(net) == net.history.best["loss"]
    assert yielded[2:] == [valid["loss"]] * 2
    assert len(evaluations) == 2 * (3 + 2)


def test_looking_at_a_network_changes_nothing(evaluations, each_mode):
    """Parameters that are only read, whatever that does to where they are kept, are not validated again."""
    net = network()
    for _ in net.itertrain(**DATA, **RUN, epochs=3, validate_every=1):
        net.predict(X)
        assert [param.get_value(borrow=True).shape for param in net.params]
        net.params[0].set_value(net.params[0].get_value())
    assert len(evaluations) == 4


@pytest.mark.parametrize("calls, rows", [(0, 0), (1, 0), (3, 1), (4, 1), (7, 2)])
def test_interrupts_at_any_time_return_a_pair(calls, rows):
    left = iter(range(calls))

    def make():
        for _ in left:
            return [X[:8], Y[:8]]
        raise KeyboardInterrupt

    net = network()
    train, valid = net.train(make, DATA["valid"], algo="sgd", learning_rate=0.1, train_batches=3)
    assert net.history.stopped == "interrupted from the keyboard" and len(net.history) == rows
    assert valid["loss"] == error(net)
    assert np.isnan(train["loss"]) == (rows == 0)
    assert not rows or train["loss"] == net.history["train_loss"][-1]


def test_an_interrupt_within_the_first_validation():
    left = iter(range(1))

    def make():
        for _ in left:
            raise KeyboardInterrupt
        return DATA["valid"]

    net = network()
    train, valid = net.train([X, Y], make, valid_batches=1, **RUN)
    assert np.isnan(train["loss"]) and valid["loss"] == error(net)
    train, valid = net.train([X, Y], functools.partial(next, iter([])), valid_batches=1, epochs=0, **RUN)
    assert list(valid) == ["loss", "err"] and np.isnan([train["loss"], valid["loss"]]).all()


@pytest.mark.parametrize("algo", ["sgd", "layerwise"])
def test_no_epochs(algo):
    net = theanets.Classifier([3, 4, 2])
    train, valid = net.train([X, LABELS], algo=algo, epochs=0, batch_size=6)
    assert list(train) == list(valid) == ["loss", "err", "acc"] and np.isnan(list(train.values())).all()
    assert valid["acc"] == net.score(X, LABELS) and len(net.history) == 0
    assert net.history.stopped == "0 epochs are done"


@pytest.mark.parametrize("options", [dict(epochs=2), dict(stop_when=lambda history: len(history) == 2), dict(epochs=0)])
def test_stages(options):
    """Whether or not the last stage is reached, the figures are those of the whole network."""
    net = theanets.Classifier([3, 4, 4, 2])
    train, valid = net.train([X, LABELS], algo="layerwise", subalgo="adam", learning_rate=0.05, batch_size=6, **options)
    assert valid["acc"] == net.score(X, LABELS)
    proba = net.predict_proba(X)[range(20), LABELS]
    assert valid["loss"] == pytest.approx(-np.log(proba).mean(), rel=1e-5) == net.history.best["loss"]
    assert len(net.history) == 0 and np.isnan(train["loss"]) or train["loss"] == net.history["train_loss"][-1]


def test_pretraining_returns_figures_of_the_autoencoder():
    net = theanets.Classifier([3, 4, 4, 2])
    for stop in (None, lambda history: len(history) == 1):
        train, valid = net.train([X], algo="pretrain", subalgo="sgd", epochs=2, stop_when=stop)
        assert train["loss"] == net.history["train_loss"][-1] and valid["loss"] == net.history.best["loss"]


def test_samples_are_measured_when_all_is_done():
    net = theanets.Classifier([3, 4, 2])
    train, valid = net.train([X, LABELS], algo="sample")
    assert train == {"loss": 0} and valid["acc"] == net.score(X, LABELS)
    assert list(net.itertrain([X, LABELS], algo="sample")) == [({"loss": 0}, {"loss": 0})]


class Mine:
    """A trainer of the user's own."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def itertrain(self, train, valid, **kwargs):
        yield from self.pairs


def test_trainers_of_users():
    net = network()
    assert net.train(**DATA, algo=Mine(({"loss": 2}, {"loss": 1}), ({"loss": 4}, {"loss": 3})), mine=5) == (
        {"loss": 4}, {"loss": 3})
    assert net.history["valid_loss"] == [1, 3]
    train, valid = net.train(**DATA, algo=Mine(), mine=5)
    assert np.isnan(train["loss"]) and valid["loss"] == error(net)


def test_a_training_within_another_one():
    net = network()

    def more(net, history):
        net.train([X, Y], algo="sgd", epochs=1)

    train, valid = net.train(**DATA, **RUN, epochs=2, callbacks=more)
    assert valid["loss"] == error(net) and np.isfinite(train["loss"])
    list(net.itertrain(**DATA, **RUN, epochs=1))
    # nothing keeps the data.
    assert net._finished is None


def test_errors_in_a_validation_leave_the_row_of_the_epoch():
    calls = []

    def valid():
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError
        return DATA["valid"]

    net = network()
    with pytest.raises(ZeroDivisionError):
        net.train([X, Y], valid, valid_batches=1, validate_every=1, **RUN)
    assert len(net.history) == 2 and net.history["valid_loss"][0] is not None


def test_the_bar_shows_what_the_history_knows(capsys):
    net = network()
    with contextlib.closing(net.itertrain(**DATA, **RUN, epochs=4, validate_every=2, progress=True)) as steps:
        for _ in steps:
            capsys.readouterr()
    shown = capsys.readouterr().err
    assert f"valid {net.history['valid_loss'][-1]:.4g}" in shown
