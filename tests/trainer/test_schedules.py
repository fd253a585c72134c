"""How the learning rate changes: the formulas, and in training, where nothing is compiled for it."""

import logging
import math

import numpy as np
import pytest
import theanets
from hypothesis import given
from hypothesis import strategies as st
from theanets import util
from theanets.trainer import schedules

from tests.helpers import assert_same_values, log_records, values

X = np.random.RandomState(0).randn(20, 3).astype("f")
Y = X.sum(axis=1, keepdims=True)


def rates(spec, count, start=1.0, history=None, **kwargs):
    schedule = schedules.build(spec, start, **kwargs)
    return [schedule(epoch, history) for epoch in range(count)]


class Losses:
    """Stands for a history with given losses of validation."""

    def __init__(self, *losses):
        self.losses = list(losses)

    def validation_losses(self):
        return self.losses


def test_golden_numbers():
    assert rates(dict(form="step", every=2, factor=0.1), 5) == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert rates(dict(form="exponential", factor=0.5), 4, start=2.0) == [2, 1, 0.5, 0.25]
    assert rates("cosine", 4, epochs=4) == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2])
    assert rates(dict(form="cosine", period=2, lowest=0.5, growth=2), 7) == pytest.approx(
        [1, 0.75, 1, 0.75 + math.sqrt(0.5) / 4, 0.75, 0.75 - math.sqrt(0.5) / 4, 1])


@pytest.mark.parametrize("losses, options, rate", [
    ([], {}, 1), ([3, 2, 1], {}, 1), ([1, 2, 3], {}, 0.5), ([1, 2], {}, 1), ([1, 2], dict(patience=0), 0.5),
    ([1, 2, 2, 2, 2], {}, 0.25), ([1, 2, 0.5, 2], {}, 1), ([1, 2, 2, 2, 2], dict(lowest=0.4), 0.4),
    ([1, 0.99, 0.98], dict(min_improvement=0.1), 0.5), ([-1, -1.5, -1.6], dict(min_improvement=0.1), 1),
])
def test_plateaus(losses, options, rate):
    schedule = schedules.build(dict(form="plateau", **options), 1.0)
    assert schedule(9, Losses(*losses)) == rate


@given(st.sampled_from(["step", "exponential", dict(form="cosine", period=7)]), st.integers(0, 200),
       st.floats(1e-8, 10))
def test_rates_are_between_zero_and_the_start(spec, epoch, start):
    assert 0 <= schedules.build(spec, start)(epoch, None) <= start


@pytest.mark.parametrize("algo", ["sgd", "rprop"])
def test_in_training_nothing_is_compiled_for_it(algo, each_mode):
    network = theanets.Regressor([3, 1])
    with log_records(level=logging.DEBUG) as records:
        network.train([X, Y], algo=algo, learning_rate=0.1, epochs=4, batch_size=5,
                      schedule=dict(form="step", every=1, factor=0.5))
    assert network.history["learning_rate"] == [0.1, 0.05, 0.025, 0.0125]
    assert sum("compiling" in record.getMessage() for record in records) == 2


def test_steps_have_the_size_that_it_says(each_mode):
    """With one batch and plain gradient descent, a step is the gradient times the rate."""
    network = theanets.Regressor([3, 1])
    run = dict(algo="sgd", learning_rate=0.1, batch_size=0, schedule="exponential", epochs=3)
    before = values(network)
    for i, _ in enumerate(network.itertrain([X, Y], **run)):
        after = values(network)
        reference = theanets.Regressor([3, 1])
        for param in reference.params:
            param.set_value(before[param.name])
        gradients = reference.gradient("loss", ["out.w", "out.b"], [X, Y])
        for name, gradient in zip(("out.w", "out.b"), gradients):
            np.testing.assert_allclose(after[name], before[name] - 0.1 * 0.95**i * gradient, rtol=1e-4, atol=1e-6)
        before = after


def test_functions():
    network, seen = theanets.Regressor([3, 1]), []

    def look(epoch, history):
        seen.append((epoch, len(history)))
        return None if epoch else 0.5

    network.train([X, Y], algo="sgd", learning_rate=0.1, epochs=3, schedule=look)
    assert seen == [(0, 0), (1, 1), (2, 2)] and network.history["learning_rate"] == [0.5] * 3
    network.train([X, Y], algo="sgd", epochs=2, schedule=lambda epoch: np.float32(0.25) / (1 + epoch))
    assert network.history["learning_rate"] == [0.25, 0.125]


def test_plateau_in_training():
    network = theanets.Regressor([3, 1])
    network.train([X, Y], algo="sgd", learning_rate=1e-12, validate_every=1, patience=8, epochs=6,
                  schedule=dict(form="plateau", min_improvement=0.1, patience=1))
    assert network.history["learning_rate"] == [1e-12, 1e-12, 5e-13, 5e-13, 2.5e-13, 2.5e-13]


def test_a_constant_schedule_changes_nothing():
    one, two = theanets.Regressor([3, 1]), theanets.Regressor([3, 1])
    one.train([X, Y], algo="sgd", learning_rate=0.1, epochs=3)
    two.train([X, Y], algo="sgd", learning_rate=0.1, epochs=3, schedule=lambda epoch: 0.1)
    assert_same_values(values(two), values(one))


def test_stages_begin_anew():
    network = theanets.Regressor([3, 4, 4, 1])
    network.train([X, Y], algo="layerwise", subalgo="sgd", learning_rate=1.0, epochs=2,
                  schedule=dict(form="exponential", factor=0.5))
    assert network.history["learning_rate"] == [1, 0.5, 1, 0.5]


@pytest.mark.parametrize("spec, words", [
    ("stepp", "step"), (3, "schedule=3"), (dict(every=2), "form"), (dict(form="step", every=0), "every"),
    (dict(form="step", evry=2), "every"), (dict(form="exponential", factor=-1), "factor"), ("cosine", "period"),
    (dict(form="cosine", period=3, growth=0.5), "growth"), (dict(form="plateau", factor=2), "factor"),
    (dict(form="plateau", lowest=-1), "lowest"), (lambda: 1, "schedule"), (lambda a, b, c: 1, "schedule"),
])
def test_schedules_that_are_none(spec, words):
    with pytest.raises(util.ConfigurationError, match=words):
        theanets.Regressor([3, 1]).itertrain([X, Y], algo="sgd", schedule=spec)


def test_functions_that_return_no_rate():
    network = theanets.Regressor([3, 1])
    with pytest.raises(util.ConfigurationError, match="'fast'"):
        network.train([X, Y], algo="sgd", schedule=lambda epoch: "fast")


def test_algorithms_without_a_rate():
    with pytest.raises(util.ConfigurationError, match="adadelta"):
        theanets.Regressor([3, 1]).itertrain([X, Y], algo="adadelta", schedule="step")
