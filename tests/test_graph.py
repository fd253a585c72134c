"""Networks: layer specs, wiring, inspection, evaluation, bookkeeping of losses, caches, random numbers."""

import concurrent.futures
import contextlib
import copy
import gc
import itertools
import pickle
import warnings
import weakref

import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import arguments, util
from theano.printing import Print

from tests.helpers import compute, epochs, fill, names, values

X = np.random.RandomState(0).randn(6, 4).astype("f")
Y = np.random.RandomState(1).randn(6, 2).astype("f")
ff = theanets.layers.Feedforward


class Watched(theanets.Layer):
    """A layer that passes its input on, and a second output ``side`` that nothing needs; both note each evaluation."""

    seen = {}

    def transform(self, inputs):
        def note(key):
            return Print(key, global_fn=lambda op, value: Watched.seen.setdefault(key, []).append(len(value)))

        x = inputs[self.input_name]
        return dict(out=note("out")(x), side=note("side")(2 * x)), []


class Boost(theanets.Regularizer):
    """A user's regularizer with a setting of its own."""

    def __init__(self, pattern="*:out", weight=0.0, factor=1):
        super().__init__(pattern=pattern, weight=weight)
        self.factor = factor

    def modify_graph(self, outputs):
        for name, expression in list(util.outputs_matching(outputs, self.pattern)):
            outputs[name] = self.factor * expression


@pytest.fixture
def network():
    return theanets.Regressor([4, 3, 2])


@pytest.fixture
def compilations(monkeypatch):
    """A list that grows with each compiled function."""
    made, original = [], theano.function

    def function(*args, **kwargs):
        made.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(theano, "function", function)
    return made


# Layer specs (8.2).


@pytest.mark.parametrize("spec, kind, shape, activation", [
    (6, "Feedforward", (6,), "relu"),
    (np.int64(6), "Feedforward", (6,), "relu"),  # defect 22
    ((6,), "Feedforward", (6,), "relu"),
    ([6], "Feedforward", (6,), "relu"),
    ((np.int32(6),), "Feedforward", (6,), "relu"),
    ((6, 7), "Feedforward", (6, 7), "relu"),
    ((6, "linear"), "Feedforward", (6,), "linear"),
    (["linear", 6], "Feedforward", (6,), "linear"),
    ((6, "tanh", "linear"), "Feedforward", (6,), "linear"),  # the last activation wins
    (("FF", 6), "Feedforward", (6,), "relu"),
    ((6, "linear", "classifier"), "Classifier", (6,), "softmax"),
    (dict(size=6), "Feedforward", (6,), "relu"),
    (dict(size=6, form="ff"), "Feedforward", (6,), "relu"),
    (dict(size=6, form="FeedForward", activation="tanh"), "Feedforward", (6,), "tanh"),
    (dict(shape=(6, 7)), "Feedforward", (6, 7), "relu"),
    ((6, "softmax"), "Classifier", (6,), "softmax"),
    ((6, "SOFTMAX"), "Classifier", (6,), "softmax"),
    ((6, theanets.layers.Classifier), "Classifier", (6,), "softmax"),  # defect 21
    ((theanets.layers.Classifier, 6, "tanh"), "Classifier", (6,), "softmax"),
    ((6, ff, "tanh"), "Feedforward", (6,), "tanh"),
])
def test_forms_of_a_spec(spec, kind, shape, activation):
    layer = theanets.Regressor([3, spec, 4]).layers[1]
    assert type(layer) is getattr(theanets.layers, kind)
    assert (layer.name, layer.output_shape) == ("hid1", shape)
    assert layer.to_spec()["activation"] == activation
    assert layer.activate.name == activation


@settings(deadline=None, max_examples=40)
@given(st.permutations([6, "tanh", "ff"]), st.sampled_from([tuple, list]))
def test_order_inside_a_tuple_is_free(items, container):
    layer = theanets.Regressor([3, container(items), 4]).layers[1]
    assert (type(layer), layer.output_shape, layer.activate.name) == (ff, (6,), "tanh")


@pytest.mark.parametrize("spec", [
    (6, "tied", 7), None, "ff", dict(form="ff"), 4.0, 0, -2, (), [], (6, 7.0), (0,), (-6, "tanh"), "nope", "tanh",
    (6, "sigmod"), dict(size=6, activation="sigmod"), dict(size=6, form="nope"), dict(size=6, inputs="nope"),
    dict(form="tied", partner="nope"), "tied", (6, "tanh", None), (6, object()), (6, dict(name="x")), {6}, object(),
    dict(size=6, shape=(5,)), dict(size=6, inputs="out"), dict(size=6, inputs="hid1"), dict(size=6, name="in"),
    dict(form="input", size=6, name="in"), dict(size=6, inputs="in:nope"),
])
def test_bad_specs(spec):
    """Defects 21, 22, 25, 26."""
    with pytest.raises(util.ConfigurationError):
        theanets.Regressor([3, spec, 4])


@pytest.mark.parametrize("spec", ["nope", (6, "sigmod"), dict(size=6, form="nope")])
def test_unknown_words_are_key_errors_too(spec):
    """Defect 22 and decision: old ``except KeyError`` clauses keep working."""
    with pytest.raises(util.UnknownNameError):
        theanets.Regressor([3, spec, 4])


@pytest.mark.parametrize("spec, word", [
    (4.5, "hid1"), (dict(size=0, name="narrow"), "narrow"), ((6, "sigmod"), "sigmoid"),
    (dict(size=6, form="feedfoward"), "feedforward"), (dict(size=6, inputs="inn"), "inn"),
])
def test_errors_name_the_layer_or_the_word(spec, word):
    """Defect 22."""
    with pytest.raises(util.ConfigurationError, match=word):
        theanets.Regressor([3, spec, 4])


@pytest.mark.parametrize("spec, shape, ndim", [
    (4, (4,), 2), (np.int64(4), (4,), 2), ((4,), (4,), 2), (("input", 4), (4,), 2), (("Input", 4), (4,), 2),
    ((13, 15, 7), (13, 15, 7), 4), (dict(size=4), (4,), 2), (dict(form="INPUT", size=4), (4,), 2),
    (dict(size=4, ndim=3), (None, 4), 3), ((4, theanets.layers.Input), (4,), 2),
])
def test_forms_of_the_first_spec(spec, shape, ndim):
    """Defect 24 among others."""
    network = theanets.Network([spec, (2, "linear")])
    assert type(network.layers[0]) is theanets.layers.Input
    assert network.layers[0].output_shape == shape
    assert network.inputs[0].ndim == ndim and network.inputs[0].name == "in"


@pytest.mark.parametrize("layers", [
    [dict(form="ff", size=3), 2], [("ff", 3), 2], ["flat", 2], [None, 2], [0, 2], [(), 2], [4.0, 2], ["input", 2],
    [(3, "tied"), 2], [ff(size=3, inputs="in", name="l"), 2],
])
def test_bad_first_specs(layers):
    """Defects 18, 22, 23."""
    with pytest.raises(util.ConfigurationError):
        theanets.Regressor(layers)


def test_default_names_and_activations():
    network = theanets.Regressor([3, dict(size=4, name="foo"), (5, "tanh"), 6, 2])
    assert names(network.layers) == ["in", "foo", "hid2", "hid3", "out"]
    assert [layer.activate.name for layer in network.layers[1:]] == ["relu", "tanh", "relu", "linear"]
    assert theanets.Classifier([3, 4, 2]).layers[-1].activate.name == "softmax"
    assert names(theanets.Network([3]).layers) == ["in"]


def test_index_in_names_counts_every_entry():
    layer = ff(size=5, inputs="in", name="mine")
    network = theanets.Regressor([3, layer, 4, dict(form="input", size=2, name="b"), dict(size=4, inputs="b"), 2])
    assert names(network.layers) == ["in", "mine", "hid2", "b", "hid4", "out"]
    assert network.layers[1] is layer


def test_specs_are_not_modified():
    spec = dict(form="ff", size=3, activation="tanh")
    loss = dict(form="mae", weight=2)
    theanets.Regressor([4, spec, 2], loss=loss)
    assert spec == dict(form="ff", size=3, activation="tanh") and loss == dict(form="mae", weight=2)


@pytest.mark.parametrize("wrap", [iter, tuple, lambda layers: (layer for layer in layers), np.array])
def test_any_iterable_of_specs(wrap):
    """Defect 29."""
    network = theanets.Regressor(wrap([4, 3, 2]))
    assert [layer.output_size for layer in network.layers] == [4, 3, 2]


@pytest.mark.parametrize("model", [theanets.Network, theanets.Regressor, theanets.Autoencoder, theanets.Classifier])
@pytest.mark.parametrize("arguments", [(), ([],), ((),)])
def test_empty_networks(model, arguments):
    """Defect 29: they can be made, and using one says what is missing."""
    network = model(*arguments)
    assert network.layers == [] and network.params == [] and network.num_params == 0
    for use in (lambda: network.predict(X), lambda: network.feed_forward(X), lambda: network.add_loss("mse"),
                lambda: network.train([X, Y])):
        with pytest.raises(util.ConfigurationError, match="layer"):
            use()


# Wiring.


def test_a_graph_with_branches():
    network = theanets.Regressor([5, dict(size=4, name="p"), dict(size=3, name="q"), dict(size=2, inputs=("p", "q"))])
    assert [getattr(layer, "input_name", None) for layer in network.layers[1:3]] == ["in:out", "p:out"]
    assert names(network.layers[3].params) == ["out.w_p:out", "out.w_q:out", "out.b"]
    assert network.predict(np.ones((3, 5))).shape == (3, 2)


def test_an_instance_without_inputs_follows_its_predecessor():
    """Defect 27."""
    network = theanets.Regressor([4, 3, ff(size=5, name="mine", rng=1), 2])
    assert network.layers[2].input_name == "hid1:out"
    assert network.predict(X).shape == (6, 2)


def test_instances_as_inputs():
    network = theanets.Network([4, 3])
    network.add_layer(dict(size=5, inputs=network.layers[0]))
    network.add_layer(dict(size=2, inputs=[network.layers[1], network.layers[2]]))
    assert network.layers[2].input_name == "in:out"
    assert names(network.layers[3].params)[:2] == ["hid3.w_out:out", "hid3.w_hid2:out"]


@pytest.mark.parametrize("layers", [
    [3, dict(size=4, name="a", inputs="in"), dict(size=4, name="a", inputs="in")],
    [3, ff(size=4, name="a", inputs="in"), ff(size=4, name="a", inputs="in")],
    [3, dict(form="input", size=3, name="in", sparse=True), 2],
    [3, dict(size=4, name="out"), 2],
])
def test_duplicate_names(layers):
    """Defect 25."""
    with pytest.raises(util.ConfigurationError, match="'(a|in|out)'"):
        theanets.Regressor(layers)


@pytest.mark.parametrize("layers, word", [
    ([3, dict(size=4, inputs="out"), 2], "out"), ([3, dict(size=4, inputs="hid1"), 2], "hid1"),
    ([3, dict(size=4, inputs=("in", "hid2")), 4, 2], "hid2"),
])
def test_forward_and_self_references(layers, word):
    """Defect 26."""
    with pytest.raises(util.ConfigurationError, match=word):
        theanets.Regressor(layers)


# Layers added later (defect 1).


def test_filling_an_empty_network():
    network = theanets.Regressor()
    assert network.add_layer(4) is None
    network.add_layer(3)
    network.add_layer((3, "tanh"), name="named")
    network.add_layer(2, is_output=True)
    network.set_loss("mse")
    assert names(network.layers) == ["in", "hid1", "named", "out"]
    assert [layer.activate.name for layer in network.layers[1:]] == ["relu", "tanh", "linear"]
    whole = theanets.Regressor([4, 3, dict(size=3, activation="tanh", name="named"), 2])
    np.testing.assert_array_equal(network.predict(X), whole.predict(X))
    assert epochs(network, [X, Y], 2, algo="sgd") == epochs(whole, [X, Y], 2, algo="sgd")


def test_filling_an_empty_classifier():
    network = theanets.Classifier()
    for size, is_output in ((4, False), (3, False), (2, True)):
        network.add_layer(size, is_output)
    assert network.layers[-1].activate.name == "softmax"
    network.set_loss("xe")
    np.testing.assert_allclose(network.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    network.train([X, [0, 1, 0, 1, 1, 0]], algo="sgd", max_updates=1)


def test_adding_to_a_finished_network():
    network = theanets.Regressor([3, 4])
    network.add_layer(2, name="x")
    assert names(network.layers) == ["in", "out", "x"] and network.layers[2].activate.name == "relu"
    x = np.ones((5, 3), "f")
    assert network.predict(x).shape == (5, 2)
    network.add_layer(dict(size=6))
    assert network.layers[3].name == "hid3" and network.predict(x).shape == (5, 6)
    assert list(network.feed_forward(x)) == ["in:out", "out:out", "out:pre", "x:out", "x:pre", "hid3:out", "hid3:pre"]


def test_binding_an_added_layer_again_is_harmless():
    network = theanets.Regressor([3, 4])
    network.add_layer(2, name="x")
    before = network.predict(np.ones((5, 3)))
    network.layers[-1].bind(network)
    assert names(network.params) == ["out.w", "out.b", "x.w", "x.b"]
    np.testing.assert_array_equal(network.predict(np.ones((5, 3))), before)


@pytest.mark.parametrize("args, kwargs, shape, activation", [
    ((), dict(size=5, activation="tanh"), (5,), "tanh"), ((), dict(form="ff", size=5), (5,), "relu"),
    ((5,), dict(activation="tanh"), (5,), "tanh"), ((dict(size=5, activation="linear"),),
                                                    dict(activation="tanh"), (5,), "linear"),
    (((5, "linear"),), dict(activation="tanh"), (5,), "linear"), ((), dict(layer=5), (5,), "relu"),
    (("flat",), {}, (2,), None), ((5,), dict(is_output=False), (5,), "relu"),
])
def test_keywords_of_add_layer(args, kwargs, shape, activation):
    network = theanets.Regressor([3, 2])
    network.add_layer(*args, **kwargs)
    assert network.layers[2].output_shape == shape
    if activation:
        assert network.layers[2].activate.name == activation


def test_a_layer_that_fails_is_not_added():
    network = theanets.Regressor([4, 3, 2])
    for spec in (dict(size=5, name="out"), (5, "sigmod"), dict(size=5, inputs="nope"), None, (7, "tied")):
        with pytest.raises(util.ConfigurationError):
            network.add_layer(spec)
    assert names(network.layers) == ["in", "hid1", "out"]
    assert network.predict(X).shape == (6, 2)


# Losses (8.3).


@pytest.mark.parametrize("loss, kind, weight", [
    ("mse", "MeanSquaredError", 1), ("MAE", "MeanAbsoluteError", 1),
    (dict(form="mae", weight=3), "MeanAbsoluteError", 3),
    (dict(weight=3), "MeanSquaredError", 3),  # defect 16
    (theanets.losses.MeanAbsoluteError(2, weight=0.5, output_name="out"), "MeanAbsoluteError", 0.5),
])
def test_forms_of_a_loss(loss, kind, weight):
    def facts(network):
        return [(type(loss).__name__, loss.weight, loss.output_name) for loss in network.losses]

    network = theanets.Regressor([4, 2], loss=loss)
    assert facts(network) == [(kind, weight, "out:out")]
    network.set_loss(loss)
    assert facts(network) == [(kind, weight, "out:out")]
    network.add_loss("mse", weight=7)
    assert facts(network) == [(kind, weight, "out:out"), ("MeanSquaredError", 7, "out:out")]


@pytest.mark.parametrize("model, kind", [(theanets.Regressor, "MeanSquaredError"),
                                         (theanets.Classifier, "CrossEntropy"),
                                         (theanets.Autoencoder, "MeanSquaredError")])
def test_default_loss(model, kind):
    """Defect 16: a dict without ``form`` is the model's own."""
    assert [type(loss).__name__ for loss in model([4, 3, 4]).losses] == [kind]
    assert [type(loss).__name__ for loss in model([4, 3, 4], loss=dict(weight=3)).losses] == [kind]
    assert model([4, 3, 4], loss=None).losses == []


def test_keywords_of_add_loss(network):
    network.set_loss(form="mae", weight=2, output_name="out:pre")
    network.add_loss(None)
    assert [(type(loss).__name__, loss.weight, loss.output_name) for loss in network.losses] == [
        ("MeanAbsoluteError", 2, "out:pre"), ("MeanSquaredError", 1, "out:out")]


def test_unknown_loss(network):
    for make in (lambda: theanets.Regressor([4, 2], loss="nope"), lambda: network.add_loss("nope"),
                 lambda: network.set_loss(dict(form="nope"))):
        with pytest.raises(util.UnknownNameError, match="nope"):
            make()


@pytest.mark.parametrize("make, expected", [
    (lambda: theanets.Regressor([4, 2]), [("in", 2, "float32"), ("target", 2, "float32")]),
    (lambda: theanets.Regressor([4, 2], weighted=True), [("in", 2, "float32"), ("target", 2, "float32"),
                                                         ("weights", 2, "float32")]),
    (lambda: theanets.Classifier([4, 2]), [("in", 2, "float32"), ("target", 1, "int32")]),
    (lambda: theanets.Classifier([4, 2], weighted=True), [("in", 2, "float32"), ("target", 1, "int32"),
                                                          ("weights", 1, "float32")]),
    (lambda: theanets.Autoencoder([4, 3, 4]), [("in", 2, "float32")]),
    (lambda: theanets.Autoencoder([4, 3, 4], weighted=True), [("in", 2, "float32"), ("weights", 2, "float32")]),
    (lambda: theanets.Network([4, 2], loss=None), [("in", 2, "float32")]),
])
def test_variables(make, expected):
    assert [(v.name, v.ndim, v.dtype.replace(util.FLOAT, "float32")) for v in make().variables] == expected


def test_default_targets_are_the_models_own():
    """Defect 8."""
    network = theanets.Classifier([4, 2])
    network.set_loss("hinge")
    assert [(v.name, v.ndim) for v in network.variables] == [("in", 2), ("target", 1)]
    network.train([X, [0, 1, 1, 0, 1, 0]], algo="sgd", max_updates=1)
    network = theanets.Autoencoder([4, 3, 4])
    network.set_loss("mae")
    network.add_loss("mse")
    assert names(network.variables) == ["in"]
    expected = abs(network.predict(X) - X).mean() + ((network.predict(X) - X) ** 2).mean()
    assert epochs(network, [X], algo="sgd")[0][1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_two_losses_share_their_data(weighted):
    """Defect 9: the manual's own example."""
    network = theanets.Regressor([4, 3, 2], weighted=weighted)
    network.add_loss("mae", weight=0.1, weighted=weighted)
    assert names(network.variables) == ["in", "target", "weights"][:2 + weighted]
    w = abs(Y) + 1 if weighted else np.ones_like(Y)
    residual = network.predict(X) - Y
    expected = ((w * residual ** 2).sum() + 0.1 * (w * abs(residual)).sum()) / w.sum()
    data = [X, Y, w][:2 + weighted]
    assert epochs(network, data, algo="sgd")[0][1] == pytest.approx(expected, rel=1e-5)


def test_losses_of_two_kinds_take_two_targets():
    """Defect 9: a target of another rank or type is an array of its own."""
    network = theanets.Classifier([4, 3, 2])
    network.add_loss("mse", target=2, output_name="hid1:out")
    assert [(v.name, v.ndim) for v in network.variables][0] == ("in", 2)
    assert [v.ndim for v in network.variables] == [2, 1, 2]
    network.train([X, [0, 1, 1, 0, 1, 0], np.ones((6, 3))], algo="sgd", max_updates=1)


@pytest.mark.parametrize("name", ["target", "weights"])
def test_inputs_named_like_loss_variables(name):
    """Defect 46."""
    network = theanets.Regressor([dict(size=4, name=name), 2], weighted=True)
    plain = theanets.Regressor([4, 2], weighted=True)
    assert len(network.variables) == 3
    data = [X, Y, abs(Y) + 1]
    assert epochs(network, data, 2, algo="sgd") == epochs(plain, data, 2, algo="sgd")


@pytest.mark.parametrize("kwargs, expected", [({}, 2.5732768), (dict(weight_l2=0.5), 2.6295178)])
def test_loss_figures(kwargs, expected):
    """Section 12.8."""
    network = theanets.Regressor([2, 3, 2])
    loss = compute(network.loss(**kwargs), network.variables, [np.array([[1, 2], [-1, 0.5]], "f"),
                                                              np.array([[0, 1], [1, 0]], "f")])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_loss_counts_weights():
    network = theanets.Regressor([4, 3, 2], loss=dict(form="mse", weight=3))
    network.add_loss("mae", weight=0.5)
    residual = network.predict(X) - Y
    value = compute(network.loss(), network.variables, [X, Y])
    np.testing.assert_allclose(value, 3 * (residual ** 2).mean() + 0.5 * abs(residual).mean(), rtol=1e-5)


def test_networks_without_loss():
    """Defect 30."""
    network = theanets.Network([4, 3, 2], loss=None)
    assert network.loss() == 0
    assert list(network.monitors()) == []
    assert [name for name, _ in network.monitors(monitors={"hid1:out": 0.5})] == ["hid1:out<0.5"]
    assert network.predict(X).shape == (6, 2)
    with pytest.raises(util.ConfigurationError, match="loss"):
        network.train([X])
    network.set_loss("mse")
    network.train([X, Y], algo="sgd", max_updates=1)


def test_layers_that_do_not_matter():
    """Defect 45: no gradient, no change, no failure."""
    network = theanets.Regressor([4, 3, dict(size=2, inputs="in")])
    before = values(network)
    network.train([X, Y], algo="sgd", learning_rate=0.1, max_updates=3)
    after = values(network)
    for name in before:
        assert (after[name] == before[name]).all() == name.startswith("hid1")


# Graphs and inspection (8.4, 8.5).


def test_build_graph(network):
    outputs, updates = network.build_graph()
    assert list(outputs) == ["in:out", "hid1:out", "hid1:pre", "out:out", "out:pre"]
    assert updates == [] and not network.updates()
    assert outputs["in:out"] is network.inputs[0]
    again, _ = network.build_graph()
    assert all(again[name] is outputs[name] for name in outputs)


def test_build_graph_with_regularizers(network):
    noise = theanets.regularizers.from_kwargs(network, input_noise=0.1, hidden_dropout=0.2)
    outputs, _ = network.build_graph(noise)
    assert list(outputs) == ["in:out", "in:out-prenoise", "hid1:out", "hid1:pre", "hid1:out-predrop", "out:out",
                             "out:pre"]
    assert outputs["in:out-prenoise"] is network.inputs[0]
    alike = theanets.regularizers.from_kwargs(network, input_noise=0.1, hidden_dropout=0.2)
    again, _ = network.build_graph(alike)
    assert all(again[name] is outputs[name] for name in outputs)


def test_inspection():
    network = theanets.Autoencoder([10, 20, (10, "tied")])
    assert network.num_params == 230  # defect 2
    assert theanets.Autoencoder([4, 3, 4]).num_params == 31
    assert type(network.num_params) is int
    assert names(network.params) == ["hid1.w", "hid1.b", "out.b"]
    assert names(network.inputs) == ["in"]
    assert [layer.num_params for layer in network.layers] == [0, 220, 10]


@pytest.mark.parametrize("which, param, name", [
    (1, 0, "hid1.w"), (2, 0, "out.w"), ("hid1", "w", "hid1.w"), ("out", 1, "out.b"),
    (np.int64(1), np.int32(1), "hid1.b"),
    ("hid1", "leak", "hid1.leak"), (1, 2, "hid1.leak"),  # defect 39
])
def test_find(which, param, name):
    network = theanets.Regressor((1, (2, "prelu"), 1))
    found = network.find(which, param)
    assert found.name == name and any(found is item for item in network.params)


@pytest.mark.parametrize("which, param", [(0, 0), (1, 3), (1, "x"), ("hid4", "w"), ("hid1", "hid1.w"), (3, 0), (-1, 0),
                                          (1, -1), ("out", "w")])
def test_find_nothing(which, param):
    network = theanets.Autoencoder([4, (3, "prelu"), "tied"])
    with pytest.raises(KeyError):
        network.find(which, param)


@pytest.mark.parametrize("which, param, words", [
    ("hid4", "w", "no layer 'hid4'; did you mean 'hid1'. .layers: in, hid1, out"),
    (9, "w", "no layer 9 .layers: in, hid1"), (1, 9, "no parameter 9 .it has: w, b, leak"),
    ("hid1", "v", "layer 'hid1' has no parameter 'v' .it has: w, b, leak"),
    ("in", "w", "it has: none"),
])
def test_find_names_what_there_is(which, param, words):
    with pytest.raises(KeyError, match=words):
        theanets.Autoencoder([4, (3, "prelu"), "tied"]).find(which, param)


def test_find_in_both_directions():
    network = theanets.recurrent.Regressor([2, dict(form="bidirectional", size=4), 1])
    assert network.find("hid1", "bw.hh") is network.find("hid1_bw", "hh") is network.find("hid1", 4)
    with pytest.raises(KeyError, match="no parameter 'w' .it has: fw.xh, fw.hh, fw.b, bw.xh"):
        network.find("hid1", "w")


# Names of other libraries.


@pytest.mark.parametrize("name, words", [
    ("fit", r"net.train\(\[x, y\]\)"), ("compile", "leave it out"),
    ("parameters", "net.params"), ("transform", "net.encode"), ("get_weights", "net.find"), ("forward", "net.predict"),
    ("anything", ""), ("__anything__", ""),
])
def test_attributes_of_other_libraries(name, words):
    network = theanets.Regressor([4, 3, 2])
    assert not hasattr(network, name) and getattr(network, name, None) is None and name not in dir(network)
    with pytest.raises(AttributeError, match=f"'Regressor' object has no attribute '{name}'.*{words}") as caught:
        getattr(network, name)
    assert caught.value.name == name and caught.value.obj is network


def test_networks_without_such_attributes_are_copied_and_pickled():
    network = theanets.Regressor([4, 3, 2])
    for twin in (copy.copy(network), copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert not hasattr(twin, "fit")
        np.testing.assert_array_equal(twin.predict(np.ones((1, 4))), network.predict(np.ones((1, 4))))


def test_no_hint_is_for_an_attribute_that_is_there():
    for model in (theanets.Autoencoder, theanets.recurrent.Classifier):
        assert not [name for name in arguments.HINTS_ATTRIBUTES if hasattr(model([4, 3, 4]), name)]
    assert not [name for name in arguments.HINTS_LAYER_ATTRIBUTES if hasattr(theanets.Layer, name)]


def test_a_property_that_fails_says_why():
    class Broken(theanets.Regressor):
        @property
        def answer(self):
            return self.nothing

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = Broken([4, 2]).answer


@pytest.mark.parametrize("spec, words", [
    ("dropout", r"dropout is no layer: write train\(..., hidden_dropout=0.5\)"), (("dropout", 0.5), "hidden_dropout="),
    ((0.5, "Dropout"), "hidden_dropout=0.5"), (dict(form="dropout", rate=0.5), "hidden_dropout=0.5"),
    ((3, "dropout"), "hidden_dropout=0.5"), (dict(size=3, activation="dropout"), "hidden_dropout=0.5"),
    ((3, "dense"), "write the size alone"), (dict(form="Conv2D", size=3, kernel_size=3), "dict.form='conv2'"),
    ("maxpooling2d", "form='pool2'"), ("relu", r"spec of its layer, together with a size: \(20, 'relu'\)"),
    ("tanh+maxout:2", r"\(20, 'tanh\+maxout:2'\)"), (dict(form="BatchNormalization"), "write 'batchnorm'"),
    ("lstmm", "did you mean 'lstm'"), ("bilstm", "worker='lstm'"),
])
def test_forms_of_other_libraries(spec, words):
    with pytest.raises(util.UnknownNameError, match=f"layer 'hid1': unknown (layer form|activation) .*{words}"):
        theanets.Regressor([4, spec, 2])


def test_deprecated_forms_are_not_recommended():
    for specs in ([4, dict(form="lrrn", size=3), 2], [4, dict(form="bidirectional", worker="lrrn", size=4), 2]):
        with pytest.raises(util.UnknownNameError, match="rrnn") as caught:
            theanets.recurrent.Regressor(specs)
        assert "lrrnn" not in str(caught.value) and "arrnn" not in str(caught.value)
    with pytest.raises(AttributeError, match="Dropout.*hidden_dropout"):
        _ = theanets.layers.Dropout


# Models as earlier releases wrote them.


@pytest.mark.parametrize("name, is_property", [("error", False), ("cost", False), ("cost", True)])
def test_a_loss_that_nobody_calls_is_worth_a_warning(name, is_property):
    def method(self, *args):
        raise AssertionError

    model = type("Old", (theanets.Regressor,), {name: property(method) if is_property else method})
    with pytest.warns(UserWarning, match=rf"nothing calls Old.{name}.*override loss\(\*\*kwargs\)"):
        model([4, 2])
    # whoever overrides the loss of today may use it there.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        type("New", (model,), {"loss": lambda self, **kwargs: super(model, self).loss(**kwargs)})([4, 2])


def test_monitors_of_old_models_are_refused():
    model = type("Old", (theanets.Regressor,), {"monitors": property(lambda self: [])})
    with pytest.raises(util.ConfigurationError, match=r"Old.monitors is a property.*a method monitors\(\*\*kwargs\)"):
        model([4, 2])


def test_errors_of_the_old_release():
    """Section 11."""
    assert theanets.graph.Error is util.Error
    assert theanets.graph.LayerError is util.ConfigurationError


# Monitors (8.6).


def mean_square(x):
    return (x * x).mean()


@pytest.mark.parametrize("monitors, expected", [
    ({"hid1:out": 1}, ["hid1:out<1"]),
    ({"hid1:out": [2, 1]}, ["hid1:out<2", "hid1:out<1"]),
    ({"hid1:out": (0.5,)}, ["hid1:out<0.5"]),
    ([("hid1:out", 1), ("hid1:out", 2)], ["hid1:out<1", "hid1:out<2"]),
    ({"hid1.w": 1}, ["hid1.w<1"]),
    ({"*.w": 1}, ["hid1.w<1", "hid2.w<1", "out.w<1"]),
    ({("hid1.w", "out.b"): 1}, ["hid1.w<1", "out.b<1"]),
    ({"hid10:out": 1}, []),
    ({"HID1:out": 1}, []),  # defect 55
    ({"hid1:out": dict(a=mean_square, b=abs)}, ["hid1:out:a", "hid1:out:b"]),
    ({"hid1:out": [("a", mean_square), 0.1]}, ["hid1:out:a", "hid1:out<0.1"]),
    ({"hid1:out": mean_square}, ["hid1:out:mean_square"]),  # defect 55
    ({"hid1:out": [mean_square, 1]}, ["hid1:out:mean_square", "hid1:out<1"]),  # defect 55
    ({"hid1:out": np.float32(0.5)}, ["hid1:out<0.5"]),  # defect 55
    ({"hid1:out": np.int64(2)}, ["hid1:out<2"]),
    ({"*:out": 1}, ["in:out<1", "hid1:out<1", "hid2:out<1", "out:out<1"]),
])
def test_monitor_names(monitors, expected):
    network = theanets.Regressor((10, 15, 14, 13))
    assert [name for name, _ in network.monitors(monitors=monitors)] == ["err", *expected]


@pytest.mark.parametrize("monitors", ["hid1:out", ["hid1:out"], 3, {"hid1:out": "high"}, {"hid1:out": None}])
def test_bad_monitors(network, monitors):
    for use in (lambda: network.monitors(monitors=monitors), lambda: network.itertrain([X, Y], monitors=monitors)):
        with pytest.raises(util.ConfigurationError, match="monitor"):
            use()


def test_monitor_values(network):
    """``err`` is the first loss alone: no weight, no penalty."""
    network.losses[0].weight = 3
    network.add_loss("mae")
    found = dict(network.monitors(monitors={"hid1:out": [0.3, mean_square], "hid1.w": 0}, weight_l2=5))
    found = {name: float(compute(value, network.variables, [X, Y])) for name, value in found.items()}
    h = network.feed_forward(X)["hid1:out"]
    expected = {"err": ((network.predict(X) - Y) ** 2).mean(), "hid1:out<0.3": (h < 0.3).mean(),
                "hid1:out:mean_square": (h ** 2).mean(), "hid1.w<0": (values(network)["hid1.w"] < 0).mean()}
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, rel=1e-5)


def test_monitors_while_training(network):
    pair = next(network.itertrain([X, Y], algo="sgd", monitors={"hid1:out": mean_square}, monitor_gradients=True))
    assert all(list(side)[:3] == ["loss", "err", "hid1:out:mean_square"] for side in pair)
    assert sum(name.startswith("grad(") for name in pair[0]) == 4


# Evaluation.


def test_feed_forward():
    network = theanets.Autoencoder([4, 3, 4])
    outputs = network.feed_forward(X)
    assert list(outputs) == ["in:out", "hid1:out", "hid1:pre", "out:out", "out:pre"]
    np.testing.assert_array_equal(outputs["in:out"], X)
    np.testing.assert_array_equal(outputs["hid1:out"], np.maximum(outputs["hid1:pre"], 0))
    np.testing.assert_array_equal(outputs["out:out"], network.predict(X))
    assert all(value.dtype == util.FLOAT for value in outputs.values())
    for name, value in network.feed_forward(np.zeros((0, 4), "f")).items():
        assert value.shape == (0, 3 if name.startswith("hid") else 4)


def test_only_what_is_asked_for_is_computed():
    """Defect 63."""
    network = theanets.Autoencoder([4, dict(form="watched", size=4), 3, 4])
    Watched.seen.clear()
    network.predict(X)
    network.encode(X)
    network.score(X)
    assert set(Watched.seen) == {"out"}
    network.feed_forward(X)
    assert set(Watched.seen) == {"out", "side"}
    Watched.seen.clear()
    np.testing.assert_array_equal(network.encode(X, "in"), X)
    network.decode(np.ones((2, 3)), 2)
    assert not Watched.seen


@pytest.mark.parametrize("batch_size", [1, 4, 6, 100])
def test_prediction_in_batches(batch_size):
    network = theanets.Autoencoder([4, dict(form="watched", size=4), 3, 4])
    z = network.encode(X)
    expected = network.predict(X), z, network.decode(z), network.score(X)
    Watched.seen.clear()
    actual = (network.predict(X, batch_size=batch_size), network.encode(X, batch_size=batch_size),
              network.decode(z, batch_size=batch_size), network.score(X, batch_size=batch_size))
    for one, two in zip(actual, expected):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    assert max(Watched.seen["out"]) == min(batch_size, 6)


def test_batches_of_nothing(network):
    assert network.predict(np.zeros((0, 4)), batch_size=2).shape == (0, 2)


@pytest.mark.parametrize("batch_size", [-1, 2.5, "all"])
def test_bad_batch_size(network, batch_size):
    with pytest.raises(util.ConfigurationError, match="batch_size"):
        network.predict(X, batch_size=batch_size)


def test_score():
    network = theanets.Regressor([4, 3, 2])
    p = network.predict(X).astype("d")
    w = np.arange(12).reshape(6, 2)
    for weights, given_weights in ((1, None), (w, w), (w, w.tolist()), (w[:, :1], w[:, 0])):  # defect 54
        expected = 1 - (weights * (Y - p) ** 2).sum() / (weights * (Y - Y.mean()) ** 2).sum()
        for targets in (Y, Y.tolist()):  # defect 54
            assert network.score(X, targets, given_weights) == pytest.approx(expected, rel=1e-5)
    assert network.score(X, np.ones_like(Y)) == 0


def test_noise_only_when_asked_for(network):
    clean = network.predict(X)
    noisy = network.predict(X, hidden_noise=1)
    assert (noisy != clean).all()
    assert (network.predict(X, input_dropout=0.5) != clean).any()
    network.train([X, Y], algo="sgd", learning_rate=0, input_noise=1, hidden_dropout=0.5, max_updates=1)
    np.testing.assert_array_equal(network.predict(X), clean)
    assert network.score(X, Y) != network.score(X, Y, hidden_noise=1)


# Several inputs (defect 11).


def two_inputs(model=theanets.Regressor, **kwargs):
    return model([dict(form="input", size=4, name="a"), dict(form="input", size=2, name="b"),
                  dict(size=3, inputs=("a", "b")), 2], **kwargs)


def test_several_inputs():
    network = two_inputs()
    v = values(network)
    h = np.maximum(X @ v["hid2.w_a:out"] + Y @ v["hid2.w_b:out"] + v["hid2.b"], 0)
    expected = h @ v["out.w"] + v["out.b"]
    for x in ([X, Y], (X, Y), dict(b=Y, a=X), [X.tolist(), Y.astype("d")]):
        np.testing.assert_allclose(network.predict(x), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(network.predict(x, batch_size=4), expected, rtol=1e-4, atol=1e-5)
        assert list(network.feed_forward(x))[:2] == ["a:out", "b:out"]
    assert network.score([X, Y], expected) == pytest.approx(1, rel=1e-5)
    network.train([X, Y, Y], algo="sgd", max_updates=1)


@pytest.mark.parametrize("x", [X, [X], [X, Y, Y], dict(a=X), dict(a=X, b=Y, c=Y), [Y, X], [X, Y[:3]]])
def test_wrong_inputs(x):
    with pytest.raises(util.DataError):
        two_inputs().predict(x)


def test_several_inputs_of_a_classifier():
    network = two_inputs(theanets.Classifier)
    assert network.predict_proba([X, Y]).shape == (6, 2)
    assert 0 <= network.score([X, Y], [0, 1, 0, 1, 0, 1]) <= 1


# Nothing stale (defect 10).


def test_replacing_a_layer(network):
    """Defect 10: same name, same size, other activation and weights."""
    before = network.predict(X)
    layer = ff(size=3, name="hid1", inputs="in", activation="tanh", rng=7)
    network.layers[1] = layer
    layer.bind(network)
    v = values(network)
    expected = np.tanh(X @ v["hid1.w"] + v["hid1.b"]) @ v["out.w"] + v["out.b"]
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-4, atol=1e-5)
    assert (network.predict(X) != before).any()


def test_replacing_an_activation(network):
    """Defect 10."""
    network.predict(X)
    network.layers[1].activate = theanets.activations.build("tanh", network.layers[1])
    v = values(network)
    expected = np.tanh(X @ v["hid1.w"] + v["hid1.b"]) @ v["out.w"] + v["out.b"]
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_not_bound(network):
    network.layers[1] = ff(size=3, name="hid1", inputs="in")
    with pytest.raises(util.ConfigurationError, match="'hid1'.*bind"):
        network.predict(X)


def test_rewiring_a_layer():
    """Defect 10."""
    network = theanets.Network([4, dict(size=4, name="a"), dict(size=4, name="b"), 2])
    network.predict(X)
    network.layers[3].kwargs["inputs"] = "a:out"
    layer = ff(size=2, name="out", inputs="a", activation="linear", rng=13)
    network.layers[3] = layer
    layer.bind(network)
    v = values(network)
    expected = np.maximum(X @ v["a.w"] + v["a.b"], 0) @ v["out.w"] + v["out.b"]
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-4, atol=1e-5)


def test_another_partner():
    """Defect 10."""
    network = theanets.Autoencoder([4, 4, 4, dict(form="tied", partner="hid1")])
    before = network.predict(X)
    network.layers[2].find("w").set_value(np.eye(4, dtype="f"))
    tied = theanets.layers.Tied("hid2", name="out", inputs="hid2", activation="linear", rng=13)
    network.layers[3] = tied
    tied.bind(network)
    outputs = network.feed_forward(X)
    expected = outputs["hid2:out"] + tied.find("b").get_value()
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-5, atol=1e-6)
    assert (network.predict(X) != before).any()


def test_settings_of_regularizers(network):
    """Defect 10."""
    def boosted(factor):
        return network.feed_forward(X, regularizers=[Boost("in:out", factor=factor)])["in:out"]

    for factor in (2, 3, 2):
        np.testing.assert_allclose(boosted(factor), factor * X, rtol=1e-6)
    again = [Boost("in:out", factor=5)]
    network.predict(X, regularizers=again)
    again[0].factor = 7
    np.testing.assert_allclose(network.feed_forward(X, regularizers=again)["in:out"], 7 * X, rtol=1e-6)


def test_contractive_wrt():
    """Defect 10."""
    network = theanets.Regressor([dict(form="input", size=4, name="a"), dict(form="input", size=2, name="b"),
                                  dict(size=3, inputs=("a", "b"), activation="tanh"), 2])
    terms = [float(compute(network.loss(contractive=dict(weight=1, wrt=wrt)) - network.loss(), network.variables,
                           [X, Y, Y])) for wrt in ("a", "b", "nope")]
    assert len(set(terms)) == 3 and terms[2] == pytest.approx(0, abs=1e-6)


def test_seeds_of_noise(network):
    """Defect 10."""
    one, two = network.predict(X, input_noise=0.5, rng=1), network.predict(X, input_noise=0.5, rng=2)
    assert (one != two).all()
    fresh = theanets.Regressor([4, 3, 2])
    np.testing.assert_array_equal(fresh.predict(X, input_noise=0.5, rng=2), two)


def test_losses_are_not_stale(network):
    def loss():
        (train, _), = epochs(network, [X, Y], algo="sgd", learning_rate=0)
        return train

    residual = network.predict(X) - Y
    assert loss() == pytest.approx((residual ** 2).mean(), rel=1e-5)
    network.losses[0].weight = 4
    assert loss() == pytest.approx(4 * (residual ** 2).mean(), rel=1e-5)
    network.set_loss("mae")
    assert loss() == pytest.approx(abs(residual).mean(), rel=1e-5)
    network.set_loss("mae", output_name="hid1:out", target=2)
    residual = network.feed_forward(X)["hid1:out"] - Y[:, :1]
    (train, _), = epochs(network, [X, np.repeat(Y[:, :1], 3, axis=1)], algo="sgd", learning_rate=0)
    assert train == pytest.approx(abs(residual).mean(), rel=1e-5)


def test_parameter_values_need_no_new_function(network, compilations):
    """Defect 10."""
    network.predict(X)
    made = len(compilations)
    fill(network, 0)
    np.testing.assert_array_equal(network.predict(X), np.zeros((6, 2)))
    network.find("out", "b").set_value(np.array([1, 2], "f"))
    np.testing.assert_array_equal(network.predict(X), np.tile([1, 2], (6, 1)))
    assert len(compilations) == made


def test_settings_of_the_loss_need_no_new_function(network, compilations):
    """Defect 53."""
    network.predict(X)
    made = len(compilations)
    for weight in (0.1, 0.2, 0.3, 0.4):
        network.predict(X, weight_l2=weight, hidden_l1=weight)
        network.losses[0].weight = weight
        network.predict(X)
    assert len(compilations) == made


def test_bounded_cache():
    """Defect 53: a hundred settings do not leave a hundred functions."""
    function = theano.compile.function_module.Function

    def alive():
        gc.collect()
        return sum(type(item) is function for item in gc.get_objects())

    network, before = theanets.Network([1, 1]), alive()
    for factor in range(100):
        network.predict([[0.5]], regularizers=[Boost(factor=factor)])
    assert alive() - before < 70


def test_a_hundred_networks_leave_no_trace():
    references = []
    for _ in range(100):
        network = theanets.Regressor([4, 3, 2])
        references.append(weakref.ref(network))
        references.extend(weakref.ref(layer) for layer in network.layers)
    for network_ in (theanets.Autoencoder([4, 3, "tied"]) for _ in range(5)):
        network_.predict(X)
        network_.train([X], algo="layerwise", max_updates=1)
        references.append(weakref.ref(network_))
    del network, network_
    gc.collect()
    assert not any(reference() for reference in references)


def test_networks_share_nothing(network):
    other = theanets.Regressor([4, 3, 2])
    np.testing.assert_array_equal(network.predict(X), other.predict(X))
    before = values(other)
    network.train([X, Y], algo="sgd", learning_rate=0.1, max_updates=2)
    fill(network)
    for name, value in values(other).items():
        np.testing.assert_array_equal(value, before[name])
    assert not set(network.params) & set(other.params)
    assert network.losses[0] is not other.losses[0]


def test_models_from_one_list_of_dicts():
    layers = [4, dict(size=3, activation="prelu"), dict(size=2, inputs="hid1")]
    one, two = theanets.Regressor(layers), theanets.Regressor(layers)
    assert not set(one.params) & set(two.params)


# Random numbers (13.3).


@pytest.mark.parametrize("rng", [3, np.int64(3), np.uint8(3)])
def test_integer_seeds(rng):
    """Defect 50."""
    for one, two in zip(values(theanets.Regressor([4, 3, 2], rng=rng)).values(),
                        values(theanets.Regressor([4, 3, 2], rng=3)).values()):
        np.testing.assert_array_equal(one, two)


def test_generators_are_refused():
    """Defect 50."""
    with pytest.raises(TypeError, match="Generator"):
        theanets.Regressor([4, 3, 2], rng=np.random.default_rng(3))


@pytest.mark.parametrize("rng", [lambda: np.random.RandomState(3), lambda: None, lambda: np.int64(3)])
@pytest.mark.parametrize("kwargs", [dict(hidden_dropout=0.3), dict(input_noise=0.1)])
def test_stochastic_training_with_any_generator(rng, kwargs):
    """Defect 49."""
    network = theanets.Regressor([4, 3, 2], rng=rng())
    (train, _), = epochs(network, [X, Y], algo="sgd", **kwargs)
    assert np.isfinite(train)
    assert np.isfinite(network.predict(X, **kwargs)).all()


def test_equal_seeds_equal_runs():
    """With int seeds and with equal RandomStates."""
    for rng in (lambda: 5, lambda: np.random.RandomState(5)):
        runs = [epochs(theanets.Regressor([4, 3, 2], rng=rng()), [X, Y], 3, algo="sgd", learning_rate=0.1, batch_size=2,
                       hidden_dropout=0.1) for _ in range(2)]
        assert runs[0] == runs[1]


def test_an_unseeded_network_is_different_each_time():
    one, two = (theanets.Regressor([4, 3, 2], rng=None) for _ in range(2))
    assert (one.predict(X) != two.predict(X)).all()


# The training loop's arguments (8.7). What trainers do is tested beside them.


@pytest.mark.parametrize("data, kwargs, words", [
    ([X], {}, "target"), ([X, Y, Y], {}, "3"), ([], {}, "target"), ([X, Y], dict(algo="foo"), "foo"),
    ([X, Y], dict(valid=[X]), "target"), ([X, Y], dict(algo=3), "algo"), (None, {}, "train"),
    ([X, Y], dict(batch_size="many"), "batch_size"), ([X, Y], dict(input_dropout=1.5), "dropout"),
    ([X, Y], dict(save_every="often"), "save_every"), ([X, Y], dict(learning_rate="fast"), "learning_rate"),
    ([X, Y], dict(validate_evry=2), "validate_every"),
])
def test_mistakes_are_found_at_the_call(network, data, kwargs, words):
    """Defect 57: not at the first ``next``."""
    with pytest.raises(util.ConfigurationError, match=words):
        network.itertrain(data, **kwargs)


def test_itertrain_is_a_generator(network):
    before = values(network)
    run = network.itertrain([X, Y], algo="sgd", learning_rate=0.1)
    assert iter(run) is run and hasattr(run, "close")
    for name, value in values(network).items():
        np.testing.assert_array_equal(value, before[name])
    train, valid = next(run)
    assert list(train) == list(valid) == ["loss", "err"]
    assert all(isinstance(value, float) for value in train.values())
    run.close()


def test_arguments_by_position(network):
    one, two = theanets.Regressor([4, 3, 2]), theanets.Regressor([4, 3, 2])
    pair = one.train([X, Y], [X[:3], Y[:3]], "sgd", "sgd", max_updates=1)
    assert pair == two.train(train=[X, Y], valid=[X[:3], Y[:3]], algo="sgd", subalgo="sgd", max_updates=1)
    assert pair == network.train(([X, Y]), ([X[:3], Y[:3]]), algo="SGD", max_updates=1)


def test_train_returns_the_last_epoch(network):
    pairs = list(theanets.Regressor([4, 3, 2]).itertrain([X, Y], algo="sgd", max_updates=3))
    assert len(pairs) == 3
    train, valid = network.train([X, Y], algo="sgd", max_updates=3)
    assert train == pairs[-1][0] and valid["loss"] < pairs[-1][1]["loss"]
    nothing, valid = network.train([X, Y], algo="sgd", max_updates=0)
    assert np.isnan(nothing["loss"]) and valid["loss"] == pytest.approx(((network.predict(X) - Y) ** 2).mean())


def test_a_few_updates_leave_a_trained_network(network):
    """Replaces the contract's D2."""
    before = network.score(X, Y)
    network.train([X, Y], algo="sgd", learning_rate=0.1, max_updates=5)
    assert network.score(X, Y) > before


def test_leaving_a_run_that_diverges(network):
    """Defect 58: the best parameters come back, whatever the last step made."""
    before = network.score(X, Y)
    with pytest.warns(RuntimeWarning, match="(?i)nan|inf"):
        list(itertools.islice(network.itertrain([X, Y], algo="sgd", learning_rate=1e6), 9))
    with contextlib.closing(network.itertrain([X, Y], algo="sgd", learning_rate=1e3)) as run:
        next(run)
    assert all(np.isfinite(value).all() for value in values(network).values())
    assert network.score(X, Y) >= before


@pytest.mark.parametrize("valid", [None, [X, Y]])
@pytest.mark.parametrize("kwargs", [{}, dict(batch_size=2), dict(batch_size=0), dict(train_batches=1, valid_batches=1),
                                    dict(iteration_size=2), dict(rng=np.random.RandomState(1)), dict(save_every=0)])
def test_arguments_of_itertrain(network, valid, kwargs):
    (train, check), = epochs(network, [X, Y], valid=valid, algo="sgd", **kwargs)
    assert np.isfinite([train, check]).all()


def test_a_trainer_object(network):
    class Mock:
        def itertrain(self, train, valid=None, **kwargs):
            yield {"loss": 1.0}, {"loss": 2.0}

    assert network.train([X, Y], algo=Mock()) == ({"loss": 1.0}, {"loss": 2.0})


def test_symbolic_outputs_are_usable_in_theano(network):
    """An expression of the graph is an ordinary Theano expression."""
    outputs, _ = network.build_graph()
    gradient = TT.grad(outputs["out:out"].sum(), network.find("out", "b"))
    np.testing.assert_array_equal(compute(gradient, network.inputs, [X]), [6, 6])


def test_several_threads_may_predict():
    net = theanets.Regressor([3, (40, "tanh"), 2])
    rng = np.random.RandomState(0)
    xs = [rng.randn(50, 3) for _ in range(40)]
    expected = [net.predict(x) for x in xs]
    fresh = theanets.Regressor([3, (40, "tanh"), 2])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for one, other in zip(expected, pool.map(fresh.predict, xs)):
            np.testing.assert_array_equal(one, other)
