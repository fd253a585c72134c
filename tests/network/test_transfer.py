"""Parameters chosen by name: frozen in training, and copied from another network."""

import numpy as np
import pytest
import theanets
from theanets import util

from tests.helpers import assert_same_values, values

X = np.random.RandomState(0).randn(20, 4).astype("f")
Y = X[:, :2] ** 2


def regressor(**kwargs):
    return theanets.Regressor([4, (5, "tanh"), (3, "tanh"), 2], **kwargs)


def moved(network, before):
    return [name for name, value in values(network).items() if (value != before[name]).any()]


@pytest.mark.parametrize("freeze, trained", [
    (["hid1"], ["hid2.w", "hid2.b", "out.w", "out.b"]), (["*.b"], ["hid1.w", "hid2.w", "out.w"]),
    ("hid?", ["out.w", "out.b"]), (["hid1", "*.b"], ["hid2.w", "out.w"]), (("hid1.w",), None), ([], None),
])
def test_all_but_the_matching_parameters_are_trained(freeze, trained):
    network = regressor()
    before = values(network)
    network.train([X, Y], algo="sgd", learning_rate=0.1, epochs=1, freeze=freeze)
    trained = [name for name in before if name not in freeze] if trained is None else trained
    assert moved(network, before) == trained


def test_freezing_in_both_modes_and_in_a_loop(each_mode):
    network = regressor()
    before = values(network)
    for _ in network.itertrain([X, Y], algo="adam", epochs=2, freeze=["hid1", "*.b"]):
        assert moved(network, before) == ["hid2.w", "out.w"]
    network.train([X, Y], algo="adam", epochs=1)
    assert moved(network, before) == list(before)


def test_freezing_in_stages():
    network = regressor()
    before = values(network)
    network.train([X, Y], algo="layerwise", subalgo="sgd", epochs=1, freeze=["hid1"])
    assert "hid1.w" not in moved(network, before) and "hid2.w" in moved(network, before)
    network, before = regressor(), values(regressor())
    network.train([X, Y], algo="pretrain", subalgo="sgd", epochs=1, freeze=["hid2"])
    assert [name[:4] for name in moved(network, before)] == ["hid1", "hid1"]


def test_workers_of_bidirectional_layers():
    network = theanets.recurrent.Regressor([2, dict(form="bidirectional", size=4), 1])
    before = values(network)
    x = np.random.RandomState(0).randn(3, 4, 2)
    for _ in network.itertrain([x, x[:, :, :1]], algo="sgd", epochs=1, freeze=["hid1_fw"]):
        assert {name.partition(".")[0] for name in moved(network, before)} == {"hid1_bw", "out"}


@pytest.mark.parametrize("freeze, words", [
    (["hid9"], "hid9"), (["*.x"], r"\*\.x"), (3, "freeze=3"), ([3], "freeze"), (["*"], "leaves no parameter"),
])
def test_patterns_that_make_no_sense(freeze, words):
    network = regressor()
    with pytest.raises(util.ConfigurationError, match=words):
        network.itertrain([X, Y], algo="sgd", freeze=freeze)


def test_copying_what_has_the_same_name():
    coder, network = theanets.Autoencoder([4, (5, "tanh"), (3, "tanh"), (5, "tied"), (4, "tied")], rng=1), regressor()
    before = values(network)
    coder.train([X], algo="sgd", epochs=1, learning_rate=0.1)
    copied = network.copy_params_from(coder, only=["hid1", "hid2"])
    assert copied == ["hid1.w", "hid1.b", "hid2.w", "hid2.b"] == moved(network, before)
    for name in copied:
        np.testing.assert_array_equal(values(network)[name], values(coder)[name])
    network.train([X, Y], algo="sgd", epochs=1, freeze=["hid*"])
    assert_same_values({name: values(network)[name] for name in copied},
                       {name: values(coder)[name] for name in copied})


def test_a_copy_shares_nothing():
    one, two = regressor(), regressor(rng=5)
    assert one.copy_params_from(two) == list(values(one))
    assert_same_values(values(one), values(two))
    np.testing.assert_array_equal(one.predict(X), two.predict(X))
    before = values(two)
    one.train([X, Y], algo="sgd", epochs=1)
    assert_same_values(values(two), before)


def test_running_averages_come_along():
    one, two = (theanets.Regressor([4, 3, "batchnorm", 2], rng=i) for i in (1, 2))
    two.train([X, Y], algo="sgd", epochs=2)
    one.copy_params_from(two)
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


# Statistics.


def normalized(**kwargs):
    return theanets.Regressor([4, (5, "tanh"), "batchnorm", (3, "tanh"), 2], **kwargs)


def everything(network):
    return {variable.name: variable.get_value() for variable in [*network.params, *network.statistics]}


STATISTICS = ["hid2.mean", "hid2.var"]


@pytest.mark.parametrize("freeze, left", [
    (["hid2"], ["hid2.scale", "hid2.shift", *STATISTICS]), (["hid2.*"], ["hid2.scale", "hid2.shift", *STATISTICS]),
    (["*.scale", "*.shift"], ["hid2.scale", "hid2.shift", *STATISTICS]), (["hid2.scale"], ["hid2.scale"]),
    (["hid2.mean"], STATISTICS), (["*.b"], ["hid1.b", "hid3.b", "out.b"]), (STATISTICS, STATISTICS),
])
@pytest.mark.parametrize("algo", ["sgd", "layerwise"])
def test_frozen_statistics_are_left_alone(algo, freeze, left):
    network = normalized()
    before = everything(network)
    network.train([X + 2, Y], algo=algo, subalgo="sgd", learning_rate=0.01, epochs=1, batch_size=8, freeze=freeze)
    assert [name for name, value in everything(network).items() if (value == before[name]).all()] == sorted(
        left, key=list(before).index)


def test_a_frozen_normalization_computes_what_it_does_in_prediction(each_mode):
    network = normalized()
    network.find("hid2", "mean").set_value(np.array([1, 2, 3, 4, 5], util.FLOAT))
    network.find("hid2", "var").set_value(np.array([1, 2, 3, 4, 5], util.FLOAT))
    options = dict(algo="sgd", learning_rate=0.0, epochs=1, batch_size=20)
    expected = ((network.predict(X + 5) - Y) ** 2).mean()
    train, valid = network.train([X + 5, Y], freeze=["hid2"], **options)
    assert train["loss"] == pytest.approx(expected, rel=1e-5) == valid["loss"]
    train, _ = network.train([X + 5, Y], freeze=["hid2.shift"], **options)
    assert train["loss"] != pytest.approx(expected, rel=1e-3)


class Centre(theanets.Layer):
    """A layer with statistics, but without parameters, which takes no notice of what is frozen."""

    def setup(self):
        self.centre = util.theano.shared(np.zeros(self.output_size, util.FLOAT), name=f"{self.name}.centre")

    @property
    def statistics(self):
        return [self.centre] if hasattr(self, "centre") else []

    def transform(self, inputs):
        x = inputs[self.input_name]
        return x - self.centre, [(self.centre, x.mean(axis=0))]


def test_layers_of_ones_own_are_left_alone_too():
    network = theanets.Regressor([4, dict(form="centre", size=4), 2])
    network.train([X + 1, Y], algo="sgd", epochs=1, freeze=["hid1"])
    assert (network.find("hid1", "centre").get_value() == 0).all()
    network.train([X + 1, Y], algo="sgd", epochs=1)
    assert (network.find("hid1", "centre").get_value() != 0).all()
    other = theanets.Regressor([4, dict(form="centre", size=4), 2])
    assert other.copy_params_from(network) == ["out.w", "out.b", "hid1.centre"]


def test_what_was_copied_can_be_frozen():
    large = normalized()
    large.train([X, Y], algo="sgd", epochs=1)
    small = theanets.Classifier([4, (5, "tanh"), "batchnorm", (3, "tanh"), 4])
    copied = small.copy_params_from(large, only=["hid1", "hid2"])
    assert copied == ["hid1.w", "hid1.b", "hid2.scale", "hid2.shift", *STATISTICS]
    small.train([X, np.arange(20) % 4], algo="sgd", epochs=1, freeze=copied)
    expected = everything(large)
    assert_same_values({name: everything(small)[name] for name in copied}, {name: expected[name] for name in copied})


def test_statistics_by_name():
    network, other = normalized(), normalized(rng=2)
    other.train([X, Y], algo="sgd", epochs=1)
    assert network.find("hid2", "mean") is network.layers[2].mean and network.find(2, "var") is network.layers[2].var
    assert network.find(2, 1).name == "hid2.shift"
    for key in ("median", 2, -1):
        with pytest.raises(KeyError):
            network.find("hid2", key)
    assert network.copy_params_from(other, only="*.mean") == ["hid2.mean"]
    assert network.copy_params_from(other, only="hid2.scale") == ["hid2.scale"]
    assert network.copy_params_from(other, only=["*.shift", "*.scale"]) == ["hid2.shift", "hid2.scale", *STATISTICS]
    with pytest.raises(util.ConfigurationError, match=r"no parameter 'hid2.mean'"):
        network.copy_params_from(regressor(), only="hid2.mean")


def test_names_that_look_like_patterns():
    specs = [4, dict(size=3, name="a[1]"), dict(form="batchnorm", name="b*"), dict(size=3, name="b"), 2]
    one, two = (theanets.Regressor(specs, rng=rng) for rng in (1, 2))
    copied = one.copy_params_from(two, only=["a[1]", "b*.mean"])
    assert copied == ["a[1].w", "a[1].b", "b*.mean"]
    before = everything(one)
    one.train([X, Y], algo="sgd", epochs=1, freeze=copied)
    assert [name for name, value in everything(one).items() if (value == before[name]).all()] == [*copied, "b*.var"]


@pytest.mark.parametrize("other, only, words", [
    (lambda: theanets.Regressor([4, 7, 3, 2]), None, "hid1.w.*shape"), (lambda: 3, None, "expected a theanets.Network"),
    (lambda: theanets.Regressor([4, dict(size=2, name="x"), dict(size=2, name="y")]), None, "same name"),
    (lambda: theanets.Regressor([4, 5, 2]), ["hid2"], "no parameter 'hid2.w'"), (regressor, ["hid9"], "hid9"),
])
def test_copies_that_cannot_be(other, only, words):
    network = regressor()
    before = values(network)
    with pytest.raises(util.ConfigurationError, match=words):
        network.copy_params_from(other(), only=only)
    assert_same_values(values(network), before)
