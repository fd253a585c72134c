"""Decay and constraints: what becomes of parameters in a step."""

import numpy as np
import pytest
import theanets
import theano
from theanets import util
from theanets.trainer import constraints

X = np.random.RandomState(0).randn(20, 3).astype("f")


def step(rate=0.0, **options):
    """Return the parameters before and after one step, by name."""
    net = theanets.Regressor([3, (4, "tanh"), 2])
    before = {param.name: param.get_value() for param in net.params}
    after = {}
    net.train([X, X[:, :2]], algo="sgd", learning_rate=rate, epochs=1, batch_size=0, **options,
              callbacks=lambda net, history: after.update((param.name, param.get_value()) for param in net.params))
    return before, after


def lengths(w):
    return np.sqrt((w**2).sum(axis=0))


def test_each_constraint_and_its_patterns():
    before, after = step(max_norm=dict(weight=0.8, pattern="hid1.w"), unit_norm="out.w", nonneg=["*.b"])
    w = before["hid1.w"]
    np.testing.assert_allclose(after["hid1.w"], w * np.minimum(1, 0.8 / lengths(w)), rtol=1e-6)
    assert lengths(w).max() > 0.8 > lengths(w).min()
    np.testing.assert_allclose(after["out.w"], before["out.w"] / lengths(before["out.w"]), rtol=1e-6)
    for name in ("hid1.b", "out.b"):
        np.testing.assert_array_equal(after[name], np.maximum(before[name], 0))


def test_biases_are_left_alone_unless_a_pattern_names_them():
    before, after = step(0.1, decoupled_decay=0.5)
    _, plain = step(0.1)
    for name in before:
        wanted = plain[name] - 0.1 * 0.5 * before[name] * name.endswith(".w")
        np.testing.assert_allclose(after[name], wanted, atol=1e-7)
    _, both = step(0.1, decoupled_decay=0.5, nonneg=True)
    assert min(both["hid1.w"].min(), both["out.w"].min()) == 0 > both["hid1.b"].min()
    _, chosen = step(0.1, decoupled_decay=dict(weight=0.5, pattern="out.b"))
    np.testing.assert_allclose(chosen["out.b"], plain["out.b"] - 0.05 * before["out.b"], atol=1e-7)
    np.testing.assert_array_equal(chosen["hid1.w"], plain["hid1.w"])


def test_constraints_hold_even_if_no_step_improves_the_loss():
    net = theanets.Regressor([3, (4, "tanh"), 2])
    net.train([X, X[:, :2]], algo="sgd", learning_rate=1e3, epochs=2, validate_every=1, nonneg=True)
    assert net.history.best["epoch"] == 0 and net.find("hid1", "w").get_value().min() >= 0


def test_constraints_hold_for_averaged_weights_and_in_any_order():
    net = theanets.Regressor([3, (4, "tanh"), 2])
    options = dict(algo="sgd", learning_rate=0.5, epochs=4, batch_size=5, validate_every=1)
    net.train([X, X[:, :2]], unit_norm="*.w", nonneg="out.w", average_weights=0.9, **options)
    assert net.history.best["epoch"] > 0 and net.find("out", "w").get_value().min() >= 0
    for layer in ("hid1", "out"):
        np.testing.assert_allclose(lengths(net.find(layer, "w").get_value()), 1, rtol=1e-5)


def test_filters_of_convolutions_have_a_length_each():
    w = np.random.RandomState(0).randn(2, 3, 1, 4).astype("f")
    found = constraints.UnitNorm().project(theano.shared(w)).eval()
    np.testing.assert_allclose((found**2).sum(axis=(1, 2, 3)), 1, rtol=1e-5)


@pytest.mark.parametrize("options", [dict(max_norm=0), dict(max_norm="hid1.w"), dict(unit_norm=2), dict(nonneg=0.5),
                                     dict(nonneg="nothing"), dict(decoupled_decay="x"), dict(max_norm=-1)])
def test_bad_settings_are_refused(options):
    with pytest.raises((util.ConfigurationError, TypeError)):
        step(**options)
