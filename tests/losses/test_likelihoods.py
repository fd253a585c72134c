"""Losses for outliers, quantiles, counts, labels and distributions, by PyTorch's values and gradients."""

import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from scipy import stats
from theanets import losses, util
from theanets.layers.context import Outputs
from theanets.losses import likelihoods

from ..helpers import floats, load_golden

GOLDEN = load_golden("torch")


@pytest.mark.parametrize("case", GOLDEN["losses"], ids=lambda case: case["loss"])
def test_value_and_gradient(case):
    pre = TT.matrix()
    target = np.array(case["target"])
    loss = losses.Loss.build(case["loss"], target=target.ndim, **case["options"])
    net = theanets.Regressor([2, (3, case["activation"])])
    output = net.layers[1].activate(pre)
    outputs = Outputs()
    outputs.update({"out:out": output, "out:pre": pre})
    value = loss(outputs)
    found = theano.function([pre, *loss.variables], [value, theano.grad(value, pre)])
    result, gradient = found(floats(case["pre"]), target.astype(loss.variables[0].dtype))
    assert result == pytest.approx(case["value"], rel=1e-5)
    np.testing.assert_allclose(gradient, case["gradient"], rtol=1e-4, atol=1e-6)


def test_every_loss_has_a_case():
    ours = {cls for cls in losses.Loss._registry.values() if cls.__module__ == likelihoods.__name__}
    assert {losses.Loss.get_class(case["loss"]) for case in GOLDEN["losses"]} == ours


def test_a_mixture_tells_its_mean_quantiles_and_draws():
    case = GOLDEN["losses"][-1]
    output, loss = np.array(case["pre"]), likelihoods.MixtureDensity(2, components=2)
    np.testing.assert_allclose(loss.mean(output), GOLDEN["mixture_mean"], rtol=1e-6)
    draws = loss.sample(np.repeat(output[:1], 20000, axis=0), rng=0)
    np.testing.assert_allclose(draws.mean(axis=0), loss.mean(output)[0], atol=0.05)
    np.testing.assert_allclose(draws.std(axis=0), loss.std(output)[0], rtol=0.05)
    for level in (0.1, 0.9):
        below = draws <= loss.quantile(output, level)[0]
        np.testing.assert_allclose(below.mean(axis=0), level, atol=0.01)
    # a single component is a normal distribution.
    one = likelihoods.MixtureDensity(2, components=1)
    assert one.quantile(np.array([0.3, 2, np.log(3)]), 0.2).item() == pytest.approx(stats.norm.ppf(0.2, 2, 3))


def test_quantiles_are_learned_and_scored_by_the_median(rng):
    x = np.zeros((400, 1))
    y = rng.exponential(size=400)
    net = theanets.Regressor([1, 3], loss=dict(form="quantile", levels=(0.2, 0.5, 0.9)))
    net.train([x, y], algo="lbfgs", epochs=40)
    np.testing.assert_allclose(net.predict(x[:1])[0], np.quantile(y, (0.2, 0.5, 0.9)), rtol=0.1)
    assert net.score(x, y) == pytest.approx(1 - np.mean((net.predict(x)[:, 1] - y) ** 2) / y.var(), rel=1e-4)


def test_a_classifier_of_many_labels(rng, tmp_path):
    x = rng.randn(60, 4)
    y = (x[:, :3] + x[:, 1:] > 0).astype(int)
    net = theanets.Classifier([4, 3], loss="multilabel")
    _, valid = net.train([x, y], algo="adam", learning_rate=0.1, epochs=40)
    predicted = net.predict(x)
    assert net.layers[-1].activation == "sigmoid" and set(predicted.ravel()) == {0, 1}
    assert valid["acc"] == pytest.approx((predicted == y).mean()) and valid["acc"] > 0.9
    assert valid["exact"] == pytest.approx((predicted == y).all(axis=1).mean()) == net.score(x, y)
    weighted = theanets.Classifier([4, 3], loss="multilabel", weighted=True)
    for param, other in zip(weighted.params, net.params):
        param.set_value(other.get_value())
    weights = rng.rand(60, 1) * (np.arange(60) % 3 > 0)[:, None]
    _, valid = weighted.train([x, y, weights], algo="sgd", epochs=0)
    right = (predicted == y).all(axis=1)
    assert valid["exact"] == pytest.approx((right * weights[:, 0]).sum() / weights.sum(), rel=1e-4)
    assert valid["exact"] == pytest.approx(weighted.score(x, y, w=weights), rel=1e-4)
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(theanets.Network.load(tmp_path / "net.npz").predict(x), predicted)


@pytest.mark.parametrize("loss, wrong", [("multilabel", 2.0), ("poisson", -1.0)])
def test_targets_that_make_no_sense_are_refused(loss, wrong):
    net, x = theanets.Regressor([2, (1, "sigmoid")], loss=loss), np.ones((3, 2))
    net.train([x, [[0], [1], [0.5]]], epochs=1)
    with pytest.raises(util.DataError, match=f"'target' has values from .*{wrong:g}"):
        net.train([x, [[0], [1], [wrong]]], epochs=1)


@pytest.mark.parametrize("layers, loss, words", [
    ([2, 4], dict(form="quantile", levels=(0.1, 0.5, 0.9)), "multiple"),
    ([2, 3], dict(form="quantile", levels=(0.1, 1)), "levels"),
    ([2, 8], dict(form="mixture", components=3), "units"),
    ([2, 3], dict(form="mixture", components=0), "components"),
    ([2, 3], dict(form="huber", delta=0), "delta"),
    ([2, 3], dict(form="focal", gamma=-1), "gamma"),
])
def test_bad_settings_are_refused(layers, loss, words):
    with pytest.raises(util.ConfigurationError, match=words):
        theanets.Regressor(layers, loss=loss)
