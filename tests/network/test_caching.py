"""Fingerprints tell apart whatever shapes a graph, and nothing else; caches forget what was not used for long."""

import numpy as np
import pytest
import theanets
import theano
from theanets import regularizers, util
from theanets.network import caching

X = np.random.RandomState(0).randn(6, 3)


@pytest.fixture
def net():
    return theanets.Autoencoder([3, (4, "tanh"), 3])


@pytest.fixture
def compiled(monkeypatch):
    """List of the functions that were compiled."""
    functions, original = [], theano.function

    def function(*args, **kwargs):
        functions.append(original(*args, **kwargs))
        return functions[-1]

    monkeypatch.setattr(theano, "function", function)
    return functions


def change_activation(net):
    net.layers[1].activate = theanets.activations.build("relu", net.layers[1])


def change_setting(net):
    net.layers[1].an_option = "new"


def change_layer(net):
    layer = theanets.layers.Feedforward(size=4, inputs="in", name="hid1", rng=3)
    net.layers[1] = layer
    layer.bind(net)


@pytest.mark.parametrize("change", [change_activation, change_setting, change_layer])
def test_a_change_shows(net, change):
    before = caching.fingerprint(net.layers)
    assert caching.fingerprint(net.layers) == before
    change(net)
    assert caching.fingerprint(net.layers) != before


def test_a_new_value_of_a_parameter_does_not_show(net):
    before = caching.fingerprint(net.layers)
    net.params[0].set_value(net.params[0].get_value() + 1)
    assert caching.fingerprint(net.layers) == before


@pytest.mark.parametrize(
    "one, other",
    [
        (1, 1.0),
        (1, True),
        ("a", b"a"),
        ([1], (1,)),
        ({"a": 1}, {"a": 2}),
        (np.zeros(2), np.zeros(2, "f")),
        (np.zeros(2), np.zeros((2, 1))),
        (regularizers.WeightL2(weight=1), regularizers.WeightL2(weight=2)),
        (regularizers.WeightL2(weight=1), regularizers.WeightL1(weight=1)),
        (regularizers.GaussianNoise(weight=1, rng=1), regularizers.GaussianNoise(weight=1, rng=2)),
        (object(), object()),
    ],
)
def test_different(one, other):
    assert caching.fingerprint(one) != caching.fingerprint(other)
    assert caching.fingerprint(one) == caching.fingerprint(one)


@pytest.mark.parametrize(
    "make",
    [
        lambda: util.ExactName("in:out"),
        lambda: np.arange(3),
        lambda: {"a": [1, (2, "b")]},
        lambda: {1, 2},
        lambda: regularizers.BernoulliDropout(pattern=(util.ExactName("in:out"),), weight=0.5, rng=4),
    ],
)
def test_equal_though_made_twice(make):
    assert caching.fingerprint(make()) == caching.fingerprint(make())
    assert hash(caching.fingerprint(make())) == hash(caching.fingerprint(make()))


@pytest.mark.parametrize(
    "kwargs", [{}, dict(input_noise=0.1, hidden_dropout=0.2), dict(noise={"hid1:out": 0.1}), dict(weight_l2=0.1)]
)
def test_the_same_call_compiles_once(net, compiled, kwargs):
    for _ in range(3):
        net.predict(X, **kwargs)
    assert len(compiled) == 1


def test_penalties_compile_nothing_new(net, compiled):
    net.predict(X)
    for weight in (0.1, 0.2):
        net.predict(X, weight_l2=weight, hidden_l1=weight)
    assert len(compiled) == 1


def test_cache_forgets_what_was_not_used_for_long():
    cache, made = caching.Cache(2), []

    def get(key):
        return cache.get(key, lambda: made.append(key) or key)

    for key in "abacab":
        assert get(key) == key
    # b made way for c, as a had been used since; and later c for b.
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2
    cache.clear()
    assert len(cache) == 0
