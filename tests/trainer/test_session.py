"""Callbacks, conditions to stop, and a learning rate that is changed on the way."""

import logging

import numpy as np
import pytest
import theanets
from theanets import util

from tests.helpers import assert_same_values, log_records, values

X = np.random.RandomState(0).randn(20, 3).astype("f")
Y = X.sum(axis=1, keepdims=True)
RUN = dict(algo="sgd", learning_rate=0.1, batch_size=5)


@pytest.fixture
def network():
    return theanets.Regressor([3, 1])


def test_callbacks_see_the_network_and_the_history(network, each_mode):
    seen = []

    def look(net, history):
        assert net is network and history is network.history
        seen.append((len(history), history[-1]["train_loss"]))

    pairs = list(network.itertrain([X, Y], epochs=3, callbacks=[look, look], **RUN))
    assert seen == [(i, pair[0]["loss"]) for i, pair in enumerate(pairs, 1) for _ in range(2)]


@pytest.mark.parametrize("result, count", [(True, 2), (np.bool_(True), 2), (False, 5), (None, 5), (1, 5), ("yes", 5)])
def test_true_stops(result, count, network):
    def enough(net, history):
        return result if len(history) == 2 else None

    network.train([X, Y], epochs=5, callbacks=enough, **RUN)
    assert len(network.history) == count
    if count == 2:
        assert "enough" in network.history.stopped


def test_all_callbacks_are_called_in_the_last_epoch(network):
    calls = []
    network.train([X, Y], callbacks=[lambda *_: True, lambda *_: calls.append(1)], **RUN)
    assert calls == [1]


@pytest.mark.parametrize("condition", ["train_loss<0.5", "valid_err <= 0.5", lambda history: len(history) == 3,
                                       "train_out:out<0.0 > -1"])
def test_conditions(condition, network, each_mode):
    network.train([X, Y], stop_when=condition, epochs=50, validate_every=1, monitors={"out:out": 0.0}, **RUN)
    assert 0 < len(network.history) < 50 and network.history.stopped.startswith("stop_when")


def test_other_ends_still_hold(network):
    network.train([X, Y], stop_when="train_loss < -1", epochs=2, **RUN)
    assert network.history.stopped == "2 epochs are done"


def test_the_best_parameters_are_kept_when_it_stops(network):
    """The last epoch is a disaster, and validation tells."""
    def break_it(net, history):
        if len(history) == 3:
            net.params[0].set_value(net.params[0].get_value() + 100)
            return True

    network.train([X, Y], callbacks=[break_it], validate_every=1, **RUN)
    assert abs(network.params[0].get_value()).max() < 10


@pytest.mark.parametrize("algo", ["layerwise", "pretrain"])
def test_stopping_ends_all_stages(algo):
    network = theanets.Regressor([3, 4, 4, 1])
    network.train([X, Y], algo=algo, subalgo="sgd", epochs=3, stop_when=lambda history: len(history) == 2)
    assert len(network.history) == 2


@pytest.mark.parametrize("arguments", [
    dict(callbacks=3), dict(callbacks=[3]), dict(callbacks=[lambda: True]), dict(stop_when=3), dict(stop_when="soon"),
    dict(stop_when="train_loss < much"), dict(stop_when="loss < 1"), dict(stop_when=lambda: True),
])
def test_arguments_that_make_no_sense(arguments, network):
    with pytest.raises(util.ConfigurationError, match=next(iter(arguments))):
        network.itertrain([X, Y], **RUN, **arguments)


def test_conditions_on_monitors_that_there_are_not(network):
    with pytest.raises(KeyError, match="train_err"):
        network.train([X, Y], stop_when="train_eror < 1", **RUN)
    assert network.history.stopped == "an error occurred"


# The learning rate.


def compilations(records):
    return sum("compiling" in record.getMessage() for record in records)


@pytest.mark.parametrize("algo", ["adam", "rprop"])
def test_changing_it_in_a_loop(algo, each_mode):
    """From then on training goes on as if it had been given that rate, without anything being compiled."""
    changed, steady = theanets.Regressor([3, 1]), theanets.Regressor([3, 1])
    run = dict(RUN, algo=algo, epochs=3, learning_rate=0.01)
    with log_records(level=logging.DEBUG) as records:
        before = values(changed)
        for i, _ in enumerate(changed.itertrain([X, Y], **run)):
            assert changed.learning_rate == (0.0 if i else 0.01)
            count = compilations(records)
            changed.learning_rate = 0.0
            if i == 0:
                after = values(changed)
            else:
                assert_same_values(values(changed), after)
        assert compilations(records) == count == 2
    assert any((after[name] != before[name]).any() for name in before)
    assert changed.history["learning_rate"] == [0.01, 0.0, 0.0]
    steady.train([X, Y], **dict(run, epochs=1))
    assert changed.history["train_loss"][0] == steady.history["train_loss"][0]


def test_changing_it_from_a_callback(network):
    def halve(net, history):
        net.learning_rate *= 0.5

    network.train([X, Y], callbacks=[halve], epochs=3, **RUN)
    assert network.history["learning_rate"] == [0.1, 0.05, 0.025]


def test_changing_it_is_as_good_as_starting_with_it(each_mode):
    one, two = theanets.Regressor([3, 1]), theanets.Regressor([3, 1])
    for i, _ in enumerate(one.itertrain([X, Y], epochs=2, **RUN)):
        if i == 0:
            start = values(one)
            one.learning_rate = 0.01
    two.train([X, Y], epochs=2, schedule=lambda epoch: [0.1, 0.01][epoch], **RUN)
    assert_same_values(values(two), values(one))
    assert any((start[name] != values(one)[name]).any() for name in start)


def test_it_stays_for_later_stages():
    network = theanets.Regressor([3, 4, 4, 1])
    for i, _ in enumerate(network.itertrain([X, Y], algo="layerwise", subalgo="sgd", epochs=2, learning_rate=0.1)):
        if i == 0:
            network.learning_rate = 0.03
    assert network.history["learning_rate"] == [0.1, 0.03, 0.03, 0.03]


@pytest.mark.parametrize("value", [None, "fast", np.nan, np.inf, True])
def test_rates_that_are_none(value, network):
    for _ in network.itertrain([X, Y], epochs=1, **RUN):
        with pytest.raises(util.ConfigurationError, match="learning_rate"):
            network.learning_rate = value
        assert network.learning_rate == 0.1


def test_without_a_training(network):
    with pytest.raises(util.ConfigurationError, match="not being trained"):
        network.learning_rate = 1
    network.train([X, Y], epochs=1, **RUN)
    with pytest.raises(util.ConfigurationError, match="not being trained"):
        assert network.learning_rate
    for _ in network.itertrain([X, Y], algo="adadelta", epochs=1):
        with pytest.raises(util.ConfigurationError, match="adadelta"):
            network.learning_rate = 1
