"""Algorithms of this library and what is added to steps: PyTorch's, optax' and SciPy's numbers, resuming, the store."""

import numpy as np
import pytest
import theanets
from scipy import optimize
from theanets import util

from .. import helpers

GOLDEN = helpers.load_golden("optimizers")
X, Y = helpers.floats(GOLDEN["x"]), helpers.floats(GOLDEN["y"])
QUIET = dict(batch_size=4, shuffle=False, validate_every=1, patience=100)


def start():
    net = theanets.Regressor([3, (4, "tanh"), 2])
    for param, value in zip(net.params, GOLDEN["start"]):
        param.set_value(helpers.floats(value))
    return net


def values(net):
    return [param.get_value() for param in net.params]


def largest_difference(one, two):
    return max(abs(np.asarray(a) - b).max() for a, b in zip(one, two))


def case_id(case):
    return "-".join([case["algo"], *list(case["options"])[1:]])


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=case_id)
def test_steps_are_those_of_torch_and_optax(case):
    net, last = start(), []
    net.train([X, Y], algo=case["algo"], epochs=4, callbacks=lambda net, history: last.append(values(net)), **QUIET,
              **case["options"])
    # during training there are the parameters themselves, at the end the averages, if they were asked for.
    found = values(net) if "average_weights" in case["options"] else last[-1]
    assert largest_difference(case["end"], found) < 2e-6


EVERYTHING = dict(algo="nadam", learning_rate=0.05, average_weights=0.7, accumulate=2, max_gradient_total_norm=0.5,
                  decoupled_decay=0.1, max_norm=0.9, **QUIET)


@pytest.mark.parametrize("mode, options", [("XLA", EVERYTHING), ("FAST_COMPILE", dict(algo="lbfgs"))],
                         ids=["everything", "lbfgs"])
def test_training_goes_on_as_one_long_training_does(mode, options, tmp_path):
    with helpers.mode(mode):
        check_going_on(options, tmp_path)


def check_going_on(options, tmp_path):
    whole, resumed, first, second = start(), start(), start(), start()
    whole.train([X, Y], epochs=5, **options)
    resumed.train([X, Y], epochs=2, **options)
    resumed.train([X, Y], epochs=3, resume=True)
    first.train([X, Y], epochs=2, checkpoint=tmp_path / "c", **options)
    second.train([X, Y], epochs=5, checkpoint=tmp_path / "c", **options)
    for net in (resumed, second):
        assert largest_difference(values(whole), values(net)) == 0
        assert net.history["valid_loss"] == whole.history["valid_loss"]


def test_numbers_are_inputs_and_the_store_has_the_functions(monkeypatch):
    with helpers.mode("XLA"):
        begun = start()
        begun.train([X, Y], epochs=2, **EVERYTHING)
        monkeypatch.setattr("theano.function", None)
        again, other = start(), start()
        again.train([X, Y], epochs=2, **EVERYTHING)
        other.train([X, Y], epochs=2, **{**EVERYTHING, "average_weights": 0.3, "accumulate": 3, "decoupled_decay": 0.4,
                                         "max_gradient_total_norm": 2, "max_norm": 0.5}, beta1=0.5, momentum_decay=0.1)
    assert largest_difference(values(begun), values(again)) == 0
    assert largest_difference(values(begun), values(other)) > 1e-3


def test_averaged_weights_are_validated_and_kept(each_mode):
    net, seen = start(), []
    _, valid = net.train([X, Y], algo="sgd", learning_rate=0.1, epochs=3, average_weights=0.5,
                         callbacks=lambda net, history: seen.append(values(net)), **{**QUIET, "batch_size": 0})
    weights = np.array([0.25, 0.5, 1])
    means = [np.tensordot(weights / weights.sum(), np.stack(each), 1) for each in zip(*seen)]
    assert largest_difference(means, values(net)) < 1e-6
    assert valid["loss"] == pytest.approx(np.mean((net.predict(X) - Y) ** 2), rel=1e-5)


def test_accumulated_batches_make_one_step_of_a_larger_batch():
    one, other, last = start(), start(), []
    options = dict(algo="adamax", learning_rate=0.1, epochs=3, callbacks=lambda net, _: last.append(values(net)))
    one.train([X, Y], **options, **{**QUIET, "batch_size": 12})
    other.train([X, Y], **options, accumulate=3, **QUIET)
    assert largest_difference(last[2], last[5]) < 1e-6


def as_vector(arrays):
    return np.concatenate([np.ravel(array) for array in arrays]).astype(float)


def loss_and_gradient(point):
    """Of the network of the golden file on all rows, by NumPy."""
    w, b, v, c = np.split(point, [12, 16, 24])
    w, v = w.reshape(3, 4), v.reshape(4, 2)
    x, y = np.array(GOLDEN["x"]), np.array(GOLDEN["y"])
    hidden = np.tanh(x @ w + b)
    error = hidden @ v + c - y
    down = 2 * error / error.size
    inner = down @ v.T * (1 - hidden**2)
    return np.mean(error**2), as_vector([x.T @ inner, inner.sum(axis=0), hidden.T @ down, down.sum(axis=0)])


def test_lbfgs_takes_the_steps_of_the_bfgs_formula():
    """The inverse of the Hessian as a matrix, by the textbook, in double precision, and SciPy's line search."""
    point, steps, losses = as_vector(GOLDEN["start"]), [], []
    for _ in range(8):
        loss, slope = loss_and_gradient(point)
        losses.append(loss)
        inverse = np.eye(len(point)) * (steps[-1][0] @ steps[-1][1] / (steps[-1][1] @ steps[-1][1]) if steps else 1)
        for s, y in steps:
            left = np.eye(len(s)) - np.outer(s, y) / (s @ y)
            inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
        direction = -inverse @ slope
        if not steps:
            direction = direction * min(1, 1 / abs(slope).sum())
        length = optimize.line_search(lambda p: loss_and_gradient(p)[0], lambda p: loss_and_gradient(p)[1], point,
                                      direction, slope, loss, losses[-2] if steps else None, maxiter=20)[0]
        after = point + length * direction
        steps.append((after - point, loss_and_gradient(after)[1] - slope))
        point = after
    net = start()
    net.train([X, Y], algo="lbfgs", epochs=8)
    np.testing.assert_allclose(net.history["train_loss"], losses, rtol=1e-3)
    assert losses[-1] < losses[0] / 4


def test_lbfgs_finds_the_minimum_that_scipy_finds_and_stops():
    net = theanets.Regressor([3, 2])
    net.train([X, Y], algo="lbfgs", memory=5)
    found = np.linalg.lstsq(np.c_[X, np.ones(12)].astype(float), Y, rcond=None)[0]
    np.testing.assert_allclose(np.vstack(values(net)), found, atol=1e-3)
    assert net.history.stopped == "the algorithm has converged" and len(net.history) < 60


@pytest.mark.parametrize("options", [dict(batch_size=4), dict(accumulate=2), dict(average_weights=0.9),
                                     dict(nonneg=True), dict(max_gradient_norm=1), dict(schedule="cosine")])
def test_lbfgs_refuses_what_it_cannot_do(options):
    with pytest.raises(util.ConfigurationError, match="lbfgs"):
        start().train([X, Y], algo="lbfgs", epochs=1, **options)
    with pytest.raises(util.ConfigurationError, match="give arrays"):
        start().train(lambda: [X, Y], algo="lbfgs", epochs=1)
