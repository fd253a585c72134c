"""Dense layers: Feedforward, Classifier, Tied, and layers that users write."""

import itertools

import numpy as np
import pytest
import scipy.sparse
import theanets
import theano.tensor as TT
from theanets import util

from tests.helpers import alone, compute, names, values

RNG = np.random.RandomState(0)
X = RNG.randn(5, 4).astype("f")


class NoBias(theanets.Layer):
    """The layer of section 5.6."""

    def setup(self):
        self.add_weights("w", self.input_size, self.output_size)

    def transform(self, inputs):
        return TT.dot(inputs[self.input_name], self.find("w")), []


class Mine(theanets.layers.Feedforward):
    """A user's variant of the dense layer that declares no alias of its own."""


class Gated(theanets.layers.Feedforward):
    """A user's layer with an output beside the two of its base class."""

    def transform(self, inputs):
        outputs, updates = super().transform(inputs)
        outputs = dict(outputs)
        outputs["gate"] = TT.nnet.sigmoid(outputs["pre"])
        return outputs, updates


class Keen(theanets.Layer):
    """A user's layer that reads a keyword of its own."""

    def transform(self, inputs):
        return self.kwargs.get("factor", 1) * inputs[self.input_name], []


def bound(form, *args, network=4, **kwargs):
    network = theanets.Network([network]) if not isinstance(network, theanets.Network) else network
    kwargs.setdefault("inputs", "in")
    layer = theanets.Layer.build(form, *args, name="l", **kwargs)
    layer.bind(network)
    return layer


# Feedforward.


@pytest.mark.parametrize("key", ["ff", "FF", "feedforward", "Feedforward"])
def test_keys(key):
    assert theanets.Layer.get_class(key) is theanets.layers.Feedforward


def test_users_subclass_does_not_take_over_the_keys():
    """Defect 3: plain integers still mean Feedforward although ``Mine`` was defined."""
    assert theanets.Layer.get_class("mine") is Mine
    assert theanets.Layer.get_class("ff") is theanets.layers.Feedforward
    assert [type(layer) for layer in theanets.Regressor([4, 3, (2, "mine")]).layers[1:]] == [
        theanets.layers.Feedforward, Mine]


@pytest.mark.parametrize("activation, function", [
    ("linear", lambda z: z), ("relu", lambda z: np.maximum(z, 0)), ("tanh", np.tanh),
    ("relu+tanh", lambda z: np.tanh(np.maximum(z, 0))),
])
@pytest.mark.parametrize("shape", [(5, 4), (5, 3, 4), (2, 3, 2, 4)])
def test_value(activation, function, shape):
    layer = bound("ff", size=3, activation=activation)
    assert names(layer.params) == ["l.w", "l.b"]
    x = np.random.RandomState(1).randn(*shape).astype("f")
    w, b = (param.get_value() for param in layer.params)
    outputs = alone(layer, **{"in": x})
    assert list(outputs) == ["l:out", "l:pre"]
    np.testing.assert_allclose(outputs["l:pre"], x @ w + b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs["l:out"], function(x @ w + b), rtol=1e-4, atol=1e-5)


def test_several_inputs():
    network = theanets.Network([4, 3, dict(size=2, inputs=("hid1", "in"))])
    out = network.layers[2]
    assert names(out.params) == ["out.w_hid1:out", "out.w_in:out", "out.b"]
    assert network.find("out", "w_in:out") is out.params[1]
    v = values(network)
    h = np.maximum(X @ v["hid1.w"] + v["hid1.b"], 0)
    expected = h @ v["out.w_hid1:out"] + X @ v["out.w_in:out"] + v["out.b"]
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-4, atol=1e-5)


def test_pre_activation_as_input():
    """Defect 4."""
    network = theanets.Network([4, 3, dict(size=2, inputs="hid1:pre")])
    v = values(network)
    expected = (X @ v["hid1.w"] + v["hid1.b"]) @ v["out.w"] + v["out.b"]
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(util.ConfigurationError, match="nope"):
        theanets.Network([4, 3, dict(size=2, inputs="hid1:nope")])


def test_pre_and_out_together():
    """Defect 4: two outputs of one layer are two inputs."""
    network = theanets.Network([4, 3, dict(size=2, inputs=("hid1:pre", "hid1"))])
    assert names(network.layers[2].params) == ["out.w_hid1:pre", "out.w_hid1:out", "out.b"]
    assert network.predict(X).shape == (5, 2)


def test_output_of_a_users_layer_as_input():
    """Defect 4."""
    network = theanets.Network([4, (3, "gated"), dict(size=2, inputs="hid1:gate")])
    v = values(network)
    gate = 1 / (1 + np.exp(-(X @ v["hid1.w"] + v["hid1.b"])))
    np.testing.assert_allclose(network.predict(X), gate @ v["out.w"] + v["out.b"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["nope", None, "relu+nope", 3, ""])
def test_bad_activations(activation):
    """Defect 22."""
    with pytest.raises(util.ConfigurationError):
        bound("ff", size=3, activation=activation)


def test_unknown_activation_names_the_layer():
    """Defect 22: still a KeyError, as before."""
    with pytest.raises(util.UnknownNameError, match="hid1"):
        theanets.Regressor([4, dict(size=3, activation="sigmod"), 2])


def test_activation_names_do_not_spread():
    """Defect 64."""
    network = theanets.Network([4, (3, "relu"), (3, "rect:max"), (3, "sigmoid"), (3, "logistic"), (3, "relu+tanh")])
    assert [layer.activate.name for layer in network.layers[1:]] == [
        "relu", "rect:max", "sigmoid", "logistic", "tanh(relu)"]


def test_an_activation_instance():
    class Cube(theanets.Activation):
        def __call__(self, x):
            return x ** 3

    cube = Cube("cube", None)
    layer = bound("ff", size=3, activation=cube)
    assert layer.activate is cube
    outputs = alone(layer, **{"in": X})
    np.testing.assert_allclose(outputs["l:out"], outputs["l:pre"] ** 3, rtol=1e-5)


# Classifier.


@pytest.mark.parametrize("key", ["classifier", "softmax", "SoftMax"])
def test_classifier(key):
    layer = bound(key, size=3, activation="tanh")
    assert type(layer) is theanets.layers.Classifier and isinstance(layer, theanets.layers.Feedforward)
    outputs = alone(layer, **{"in": X})
    e = np.exp(outputs["l:pre"] - outputs["l:pre"].max(axis=1, keepdims=True))
    np.testing.assert_allclose(outputs["l:out"], e / e.sum(axis=1, keepdims=True), rtol=1e-5)


# Tied.


def test_tied_by_the_book():
    network = theanets.Autoencoder([4, 3, "tied"])
    out = network.layers[2]
    assert names(network.params) == ["hid1.w", "hid1.b", "out.b"]
    assert out.partner is network.layers[1] and out.output_shape == (4,)
    assert names(out.params) == ["out.b"] and out.num_params == 4
    v = values(network)
    h = np.maximum(X @ v["hid1.w"] + v["hid1.b"], 0)
    np.testing.assert_allclose(network.predict(X), h @ v["hid1.w"].T + v["out.b"], rtol=1e-4, atol=1e-5)


def test_tied_gradient_comes_from_both_uses():
    network = theanets.Autoencoder([4, (3, "linear"), "tied"])
    w = network.find("hid1", "w")
    network.find("hid1", "b").set_value(np.zeros(3, "f"))
    network.find("out", "b").set_value(np.zeros(4, "f"))
    gradient = compute(TT.grad(network.loss(), w), network.variables, [X])
    v = w.get_value().astype("d")
    residual = X @ v @ v.T - X
    expected = 2 * (X.T @ residual @ v + residual.T @ X @ v) / X.size
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("partner", ["hid1", theanets.layers.Layer])
def test_partner_by_name_or_instance(partner):
    network = theanets.Network([4, 3])
    partner = "out" if isinstance(partner, str) else network.layers[1]
    layer = bound("tied", partner, network=network, inputs="out")
    assert layer.partner is network.layers[1] and layer.output_shape == (4,)


@pytest.mark.parametrize("layers, partners", [
    ([10, 8, 6, (8, "tied"), (10, "tied")], {"hid3": "hid2", "out": "hid1"}),
    ([10, 8, "tied"], {"out": "hid1"}),
    ([4, 3, dict(form="tied", partner="hid1", size=4)], {"out": "hid1"}),
    ([4, 3, "tied", 3, "tied"], {"hid2": "hid1", "out": "hid3"}),
])
def test_automatic_partner(layers, partners):
    network = theanets.Autoencoder(layers)
    found = {layer.name: layer.partner.name for layer in network.layers if isinstance(layer, theanets.layers.Tied)}
    assert found == partners


@pytest.mark.parametrize("layers", [
    [5, (4, "tied"), (4, "tied"), (5, "tied")],
    [4, 3, (11, "tied")],  # defect 19
    [4, 3, dict(form="tied", shape=(11,))],
    [4, 3, dict(form="tied", partner="nope")],
    [4, "tied"],  # the count picks the input layer
    [4, 3, dict(form="tied", partner="in")],
    [4, 3, (4, "tied"), dict(form="tied", partner="hid2")],  # defect 20: a tied layer has no w
    [4, 3, 5, dict(form="tied", partner="hid1")],  # defect 20: 5 columns into 3
    [4, 3, dict(size=2, inputs=("in", "hid1")), dict(form="tied", partner="hid2")],  # two inputs
    [4, "flat", dict(form="tied", partner="hid1")],
])
def test_bad_partners(layers):
    with pytest.raises(util.ConfigurationError):
        theanets.Network(layers)


def test_tied_without_partner_by_hand():
    with pytest.raises(TypeError):
        theanets.layers.Tied(size=3)


# What users write.


def test_a_layer_of_ones_own():
    """Section 5.6, word for word: a tuple selects it, a tied layer follows it."""
    network = theanets.Autoencoder([4, (3, "nobias", "linear"), (4, "tied", "linear")])
    assert names(network.params) == ["hid1.w", "out.b"]
    v = values(network)
    np.testing.assert_allclose(network.predict(X), X @ v["hid1.w"] @ v["hid1.w"].T + v["out.b"], rtol=1e-4, atol=1e-5)
    network.train([X], algo="sgd", learning_rate=0.1, max_updates=1)
    assert (network.find("hid1", "w").get_value() != v["hid1.w"]).any()


def test_keywords_of_a_users_layer():
    """Defect 33: it may read ``kwargs``, so an unknown keyword warns; a misspelt known one is refused."""
    with pytest.warns(UserWarning, match="factor"):
        network = theanets.Network([4, dict(form="keen", size=4, factor=3)], loss=None)
    np.testing.assert_allclose(network.predict(X), 3 * X)
    with pytest.raises(util.ConfigurationError, match="activation"):
        theanets.Network([4, dict(form="keen", size=4, activaton="tanh")])


# Sparse inputs feed dense layers.


@pytest.mark.parametrize("given, declared", list(itertools.product(
    [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, np.asarray], ["csr", "csc"])))
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_sparse_data(given, declared, dtype):
    """Defect 47 and section 6.1."""
    dense = theanets.Autoencoder([4, 3, "tied"])
    sparse = theanets.Autoencoder([dict(form="input", size=4, sparse=declared), 3, "tied"])
    x = np.round(X).astype(dtype)
    np.testing.assert_allclose(sparse.predict(given(x)), dense.predict(x), rtol=1e-5, atol=1e-6)


def test_sparse_feed_forward_and_classifier():
    network = theanets.Classifier([dict(form="input", size=4, sparse=True), 3, 2])
    outputs = network.feed_forward(scipy.sparse.csr_matrix(X))
    assert scipy.sparse.issparse(outputs["in:out"])
    np.testing.assert_array_equal(outputs["in:out"].toarray(), X)
    assert all(isinstance(outputs[name], np.ndarray) for name in outputs if name != "in:out")
    assert network.score(scipy.sparse.csc_matrix(X), [0, 1, 0, 1, 1]) in (0, 0.2, 0.4, 0.6, 0.8, 1)


@pytest.mark.parametrize("model, targets", [
    (theanets.Autoencoder, None), (theanets.Regressor, np.ones((5, 4))), (theanets.Classifier, [0, 1, 2, 3, 0])])
def test_sparse_training_equals_dense_training(model, targets):
    """Defect 47: training, and scores of an autoencoder on sparse data."""
    results = []
    for first, x in ((4, X), (dict(form="input", size=4, sparse="csr"), scipy.sparse.csr_matrix(X.astype("d")))):
        network = model([first, 3, 4])
        data = [x] if targets is None else [x, targets]
        network.train(data, algo="sgd", learning_rate=0.1, max_updates=2)
        results.append(network.score(*data))
    assert results[0] == pytest.approx(results[1], rel=1e-4)
