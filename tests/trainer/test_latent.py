"""Variational and sparse autoencoders: draws, penalties, codes and samples."""

import numpy as np
import pytest
import theanets
import theano
from theanets import util
from theanets.trainer import latent

from ..helpers import floats, load_golden

GOLDEN = load_golden("torch")["kl"]
X = np.random.RandomState(0).rand(30, 6)


def model(size=2):
    return theanets.Autoencoder([6, (8, "tanh"), (size, "gaussian"), (8, "tanh"), (6, "sigmoid")])


def test_the_divergence_is_that_of_torch_for_each_element():
    outputs = {f"hid2:{name}": theano.shared(floats(GOLDEN[name])) for name in ("mean", "logvar")}
    value = latent.LatentKL(weight=1).loss(model().layers, outputs)
    assert value.eval() == pytest.approx(GOLDEN["value"] / 6, rel=1e-5)


def test_sparse_codes():
    rates = np.array([[0.1, 0.6], [0.3, 0.2]])
    net = theanets.Autoencoder([3, (2, "sigmoid"), 3])
    value = latent.HiddenKL(weight=1, level=0.2).loss(net.layers, {"hid1:out": theano.shared(floats(rates))})
    r, p = rates.mean(axis=0), 0.2
    assert value.eval() == pytest.approx(np.mean(p * np.log(p / r) + (1 - p) * np.log((1 - p) / (1 - r))), rel=1e-5)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "XLA"])
def test_training_draws_by_the_seed_and_prediction_does_not(mode):
    before = theanets.get_mode()
    theanets.set_mode(mode)
    try:
        one, two, other = model(), model(), model()
        options = dict(algo="adam", learning_rate=0.05, epochs=4, validate_every=1)
        first = one.train([X], latent_kl=0.5, **options)
        assert two.train([X], latent_kl=0.5, **options) == first
        assert other.train([X], latent_kl=0.5, **options, rng=5) != first
    finally:
        theanets.set_mode(before)
    np.testing.assert_array_equal(one.predict(X), one.predict(X))
    assert first[0]["loss"] > first[0]["err"] > 0
    code = one.encode(X)
    np.testing.assert_array_equal(code, one.feed_forward(X)["hid2:mean"])
    draws = np.stack([one.encode(X, sample=True) for _ in range(300)])
    spread = np.exp(one.feed_forward(X)["hid2:logvar"] / 2)
    np.testing.assert_allclose(draws.std(axis=0), spread, rtol=0.2)
    assert abs(draws.mean(axis=0) - code).max() < 0.4


def test_samples_are_decoded_draws_of_the_prior():
    net = model()
    z = np.random.RandomState(3).standard_normal((4, 2))
    np.testing.assert_allclose(net.sample(4, rng=3), net.decode(z), rtol=1e-6)
    assert not np.array_equal(net.sample(2), net.sample(2))
    sequences = theanets.recurrent.Autoencoder([3, (2, "gaussian"), 3])
    assert sequences.sample(2, steps=5).shape == (2, 5, 3)
    with pytest.raises(util.ConfigurationError, match="steps="):
        sequences.sample(2)


def test_the_penalty_pulls_codes_to_the_prior():
    net = model()
    net.train([X], algo="adam", learning_rate=0.05, epochs=60, latent_kl=100.0)
    outputs = net.feed_forward(X)
    assert abs(outputs["hid2:mean"]).max() < 0.2 and abs(outputs["hid2:logvar"]).max() < 0.3


def test_models_without_such_a_layer_are_refused():
    net = theanets.Autoencoder([6, 3, 6])
    with pytest.raises(util.ConfigurationError, match="gaussian"):
        net.train([X], latent_kl=1.0, epochs=1)
    with pytest.raises(util.ConfigurationError, match="gaussian"):
        net.sample(2)
    with pytest.raises(util.ConfigurationError, match="'hid1:out', expected .*: hid2:out"):
        model().train([X], latent_kl=dict(weight=1, pattern="hid1:out"), epochs=1)
    with pytest.raises(util.ConfigurationError, match="level"):
        net.train([X], hidden_kl=dict(weight=1, level=2), epochs=1)


def test_a_weight_that_grows_from_training_to_training_starts_a_new_best_loss():
    net = model()
    net.train([X], algo="adam", learning_rate=0.05, epochs=10, validate_every=1, latent_kl=0.01)
    before = net.history.best
    net.train([X], resume=True, epochs=4, latent_kl=5.0)
    best = net.history.best
    # the loss is larger by its penalty, and is the best one with this weight.
    assert best["loss"] > before["loss"] and best["epoch"] > 10
    outputs = net.feed_forward(X)
    penalty = outputs["hid2:mean"] ** 2 + np.exp(outputs["hid2:logvar"]) - 1 - outputs["hid2:logvar"]
    assert best["loss"] - best["err"] == pytest.approx(5 * penalty.sum(axis=1).mean() / 2 / 6, rel=1e-3)
