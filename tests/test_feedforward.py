"""The three models, the figures of the contract, and the golden training runs."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import theanets
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import util

from tests.helpers import epochs, load_golden, names, tuples, values

X = np.random.RandomState(0).randn(6, 4).astype("f")
Y = np.random.RandomState(1).randn(6, 2).astype("f")
RAMP = np.arange(8, dtype="f").reshape(2, 4) / 10


def assert_weights(network, expected):
    """Parameters agree with the contract's figures, which have 7 to 9 digits. (That bits agree is shown by recipes.)"""
    for name, figures in expected.items():
        value = values(network)[name].ravel()
        figures = np.ravel(figures)
        np.testing.assert_allclose(value[:len(figures)], figures, rtol=1e-7, atol=5.1e-9)


def bits(network, seed=13):
    """The recipe of section 12.1 for a plain dense network: every layer starts from the same seed."""
    expected = {}
    for layer in network.layers[1:]:
        rng = np.random.RandomState(seed)
        for param in layer.params:
            shape = param.get_value().shape
            scale = 1 / np.sqrt(sum(shape)) if len(shape) == 2 else 1
            expected[param.name] = (scale * rng.randn(*shape)).astype(util.FLOAT)
    return expected


# Section 12 of the contract.

W = [-0.26925835, 0.2848969, -0.016820582, 0.170769, 0.5084007, 0.2012048, 0.51032305, 0.3255073, 0.5588907,
     -0.3951154, -0.29820982, -0.47684222]


def test_12_1_weights():
    network = theanets.Autoencoder([4, 3, 4], rng=13)
    assert_weights(network, {"hid1.w": W, "hid1.b": [0.5628468, -0.24332625, 0.9137407], "out.w": W,
                             "out.b": [0.5628468, -0.24332625, 0.9137407, 0.31735092]})


@pytest.mark.parametrize("layers", [[4, 3, 4], [10, 20, 10], [7, 8, 12, 5], [1, 1],
                                    [3, (4, "tanh"), (9, "softmax"), 3]])
@pytest.mark.parametrize("seed", [13, 0, 2 ** 31])
def test_12_1_recipe(layers, seed):
    network = theanets.Regressor(layers, rng=seed)
    for name, value in bits(network, seed).items():
        np.testing.assert_array_equal(values(network)[name], value)


def test_12_1_outputs():
    network = theanets.Autoencoder([4, 3, 4], rng=13)
    expected = {
        "hid1:pre": [[0.56345367, -0.21684766, 0.90258664], [0.57014102, 0.11139038, 1.0091598]],
        "hid1:out": [[0.56345367, 0, 0.90258664], [0.57014102, 0.11139038, 1.0091598]],
        "out:out": [[0.91557944, -0.43942592, 0.63510287, -0.01682007],
                    [1.0299726, -0.45721713, 0.66005433, -0.03023827]],
    }
    expected["out:pre"] = expected["out:out"]
    outputs = network.feed_forward(RAMP)
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name], value, rtol=1e-6, atol=1e-7)
    for value in (network.predict(RAMP), network.decode(network.encode(RAMP))):
        np.testing.assert_allclose(value, expected["out:out"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(network.encode(RAMP), expected["hid1:out"], rtol=1e-6)
    np.testing.assert_allclose(network.score(RAMP), -6.78319, rtol=1e-5)
    assert network.num_params == 31
    assert [name for name, _ in network.monitors()] == ["err"] and list(network.updates()) == []


def test_12_2():
    network = theanets.Autoencoder([4, 3, 4], rng=np.random.RandomState(13))
    assert_weights(network, {"hid1.w": W, "out.w": [0.119947374, 0.048116118, 0.81276834],
                             "out.b": [-0.27813452, 1.3992385, -1.615108]})


def test_12_3():
    network = theanets.Autoencoder([4, (3, "prelu"), 4], rng=13)
    assert names(network.params) == ["hid1.w", "hid1.b", "hid1.leak", "out.w", "out.b"]
    assert_weights(network, {
        "hid1.leak": [0.07123907, 0.07537664, 0.004450308],
        "hid1.w": [0.170769, 0.5084007, 0.2012048, 0.51032305, 0.3255073, 0.5588907, -0.3951154, -0.29820982,
                   -0.47684222, 0.21273609, -0.09196868, 0.34536153],
        "hid1.b": [0.31735092, 0.12730329, 2.150383]})
    leak = 0.1 * abs(np.random.RandomState(13).randn(3).astype(util.FLOAT))
    np.testing.assert_array_equal(values(network)["hid1.leak"], leak.astype(util.FLOAT))


def test_12_4():
    network = theanets.Regressor([2, 2, dict(size=1, inputs=("in", "hid1"))])
    assert_weights(network, {
        "hid1.w": [-0.35619533, 0.37688318, -0.02225154, 0.22590616], "hid1.b": [1.3451017, 0.5323379],
        "out.w_in:out": [-0.41129893, 0.43518722], "out.w_hid1:out": [-0.02569386, 0.26085398], "out.b": [1.3451017]})


def test_12_5():
    network = theanets.Autoencoder([3, 2, "tied"])
    assert_weights(network, {
        "hid1.w": [-0.31859079, 0.33709458, -0.01990238, 0.20205662, 0.60154778, 0.23806874],
        "hid1.b": [1.3501879, 0.86121136], "out.b": [-0.71239066, 0.75376636, -0.04450308]})


def test_12_6():
    network = theanets.Regressor([2, 1, 2], rng=np.random.RandomState(7))
    expected = [0.97602546, -0.26900905, 0.03282017, 0.23527963, -0.45548493, 0.00206557, -0.00089039]
    flat = np.concatenate([value.ravel() for value in values(network).values()])
    np.testing.assert_allclose(flat, expected, rtol=1e-6, atol=5e-9)


@pytest.mark.parametrize("spec, w, b", [
    (dict(size=3, sparsity=0.5), [-0.29083228, 0, -0.0, 0, 0.54913545, 0, 0, 0.35158807, 0.6036709],
     [-1.0453771, 0.17796843, -0.59617823]),
    (dict(size=3, mean=1, std=0.1), [0.92876095, 1.0753766, 0.9955497], [-1.0453771, -0.788989, -1.261606]),
    (dict(size=3, diagonal=1), np.eye(3), [-1.0453771, -0.788989, -1.261606]),
    (dict(size=3, mean=1, std=0.1, sparsity=0.5, rng=4),
     [1.0050561, 0, 0, 1.0693599, 0.9581699, 0.8415423, 0.9352293, 1.0598575, 1.033225],
     [-1.1474767, 0.16951776, -0.71522546]),
])
def test_12_7(spec, w, b):
    assert_weights(theanets.Regressor([3, spec, 2]), {"hid1.w": w, "hid1.b": b})


def test_12_7_by_parameter():
    network = theanets.Regressor([2, dict(size=3, mean_w=1, std_w=0, mean_b=5, std_b=0), 2])
    assert_weights(network, {"hid1.w": [1] * 6, "hid1.b": [5] * 3})


LOGITS = [[2.0089374, 2.2910447], [1.7430036, 2.0095837]]
POINTS = np.array([[1, 2], [-1, 0.5]], "f")


def test_12_8_classifier():
    network = theanets.Classifier([2, 3, 2])
    assert network.predict(POINTS).tolist() == [1, 1] and network.predict(POINTS).dtype == np.int64
    expected = [[0.4299372, 0.5700628], [0.43374684, 0.5662532]]
    np.testing.assert_allclose(network.predict_proba(POINTS), expected, rtol=1e-6)
    np.testing.assert_allclose(network.predict_logit(POINTS), LOGITS, rtol=1e-6)
    assert network.score(POINTS, [0, 1]) == 0.5
    assert network.score(POINTS, [0, 1], w=[3, 1]) == 0.25


def test_12_8_regressor():
    network = theanets.Regressor([2, 3, 2])
    np.testing.assert_allclose(network.predict(POINTS), LOGITS, rtol=1e-6)
    y = [[0, 1], [1, 0]]
    np.testing.assert_allclose(network.score(POINTS, y), -9.293108, rtol=1e-6)
    np.testing.assert_allclose(network.score(POINTS, y, [[1, 2], [3, 4]]), -9.0717173, rtol=1e-6)


@pytest.fixture(scope="module")
def drawn():
    """The data of section 12.9."""
    r = np.random.RandomState(13)
    x, xw = r.randn(64, 7), abs(r.randn(64, 7))
    y, yw = r.randn(64, 5), abs(r.randn(64, 5))
    k, kw = r.randint(6, size=64), abs(r.rand(64))
    made = dict(X=x, XW=xw, Y=y, YW=yw, KW=kw)
    return dict({name: value.astype("f") for name, value in made.items()}, K=k.astype("int32"))


@pytest.mark.parametrize("model, layers, data, expected", [
    (theanets.Regressor, [7, 8, 12, 5], "X Y", -1.0473044), (theanets.Regressor, [7, 8, 12, 5], "X Y YW", -1.0879235),
    (theanets.Classifier, [7, 8, 12, 6], "X K", 0.171875), (theanets.Classifier, [7, 8, 12, 6], "X K KW", 0.2061866),
    (theanets.Autoencoder, [7, 8, 12, 7], "X", -1.5869706),
    (theanets.Autoencoder, [7, 8, 12, 7], "X XW", -1.7080464),
])
def test_12_9_scores(drawn, model, layers, data, expected):
    network = model(layers)
    arrays = [drawn[name] for name in data.split()]
    np.testing.assert_allclose(network.score(*arrays), expected, rtol=2e-6)
    assert len(network.feed_forward(arrays[0])) == 7


def test_12_9_training(drawn):
    network = theanets.Autoencoder([7, 8, 12, 7])
    losses = epochs(network, [drawn["X"]], 3, algo="sgd", learning_rate=0.01, batch_size=16)
    np.testing.assert_allclose(losses, [[2.276054, 2.295832], [2.222293, 2.295832], [2.168497, 2.295832]], rtol=1e-6)


# Golden training runs.

RUNS = [run for run in load_golden("trajectories") if "." not in run["model"]]


def draw(seed, arrays):
    """The arrays of a golden run, in the types that networks compute in."""
    rng = np.random.RandomState(seed)
    kinds = dict(normal=lambda shape: rng.randn(*shape).astype("f"), uniform=lambda shape: rng.rand(*shape).astype("f"),
                 int4=lambda shape: rng.randint(4, size=shape))
    return [kinds[kind](shape) for kind, shape in arrays]


def test_there_are_golden_runs():
    assert len(RUNS) == 11 and {run["model"] for run in RUNS} == {"Autoencoder", "Regressor", "Classifier"}


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run["name"])
def test_golden_run(run):
    network = getattr(theanets, run["model"])(tuples(run["layers"]), **run["init"])
    sums = {name: [value.sum(dtype="d"), abs(value).sum(dtype="d")] for name, value in values(network).items()}
    assert sums == {name: pytest.approx(figures, rel=1e-6) for name, figures in run["observed"]["initial"].items()}
    losses = epochs(network, draw(**run["data"]), run["epochs"], average="batches", **run["train"])
    np.testing.assert_allclose(losses, run["observed"]["losses"], rtol=2e-4)


# The Autoencoder page.


@pytest.mark.parametrize("layers, code, kwargs", [
    ([10, (5, "linear"), (10, "tied")], 5, {}), ([10, (5, "linear"), (10, "tied")], 5, dict(hidden_l1=0.1)),
    ([10, 20, 10], 20, {}), ([10, 20, (10, "tied")], 20, {}),
])
def test_the_page(layers, code, kwargs):
    """PCA, ICA, the plain and the tied model of the page that defines this project."""
    inputs = np.random.RandomState(0).randn(100, 10)
    model = theanets.feedforward.Autoencoder(layers)
    before = model.score(inputs)
    model.train([inputs], max_updates=2, learning_rate=0.01, **kwargs)
    assert model.score(inputs) > before
    test = inputs[:3]
    assert model.predict(test).shape == (3, 10)
    enc = model.encode(test)
    assert enc.shape == (3, code) and model.decode(enc).shape == (3, 10)
    assert model.predict(test).dtype == enc.dtype == util.FLOAT


def test_arguments_by_position_and_by_keyword():
    one = theanets.feedforward.Autoencoder([4, 3, 4], "mae", True, 5)
    two = theanets.feedforward.Autoencoder(layers=[4, 3, 4], loss="mae", weighted=True, rng=5)
    for network in (one, two):
        assert names(network.variables) == ["in", "weights"]
        assert type(network.losses[0]).__name__ == "MeanAbsoluteError"
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


@pytest.mark.parametrize("loss", [dict(form="mae", weight=2), dict(weight=2), "MAE",
                                  lambda: theanets.losses.MeanAbsoluteError(2, output_name="out")])
def test_forms_of_an_autoencoders_loss(loss):
    """Defect 16: the same as everywhere."""
    network = theanets.Autoencoder([4, 3, 4], loss=loss() if callable(loss) else loss)
    assert len(network.losses) == 1
    if not callable(loss):
        assert names(network.variables) == ["in"]
        network.train([X], algo="sgd", max_updates=1)
    else:
        network.train([X, X], algo="sgd", max_updates=1)


def test_a_loss_instance_on_the_input():
    """Defect 16: an instance whose target is the input variable needs no second array."""
    network = theanets.Autoencoder([4, 3, 4], loss=None)
    network.set_loss(theanets.losses.MeanAbsoluteError(network.inputs[0], output_name="out"))
    assert names(network.variables) == ["in"]
    expected = abs(network.predict(X) - X).mean()
    assert epochs(network, [X], algo="sgd")[0][1] == pytest.approx(expected, rel=1e-5)


# encode and decode.


@pytest.mark.parametrize("layers, size", [([4, 2, 4], 2), ([4, 3, 2, 3, 4], 2), ([7, 8, 12, 7], 12), ([4, 4], 4)])
def test_the_middle_layer(layers, size):
    network = theanets.Autoencoder(layers)
    x = np.ones((5, layers[0]))
    assert network.encode(x).shape == (5, size)
    np.testing.assert_allclose(network.decode(network.encode(x)), network.predict(x), rtol=1e-5)


@pytest.fixture(scope="module")
def deep():
    return theanets.Autoencoder([4, 3, (2, "sigmoid"), 3, 4])


@pytest.mark.parametrize("layer, output", [
    (None, "hid2:out"), (0, "in:out"), (1, "hid1:out"), (-2, "hid3:out"), (np.int64(1), "hid1:out"),  # defect 56
    (np.uint8(3), "hid3:out"), ("hid1", "hid1:out"), ("hid1:out", "hid1:out"), ("hid1:pre", "hid1:pre"),
    ("out", "out:out"), (lambda network: network.layers[3], "hid3:out"),
])
def test_layers_to_encode_with(deep, layer, output):
    layer = layer(deep) if callable(layer) else layer
    expected = deep.feed_forward(X)[output]
    np.testing.assert_array_equal(deep.encode(X, layer), expected)
    np.testing.assert_array_equal(deep.encode(X, layer=layer), expected)
    if not output.endswith("pre"):
        np.testing.assert_allclose(deep.decode(expected, layer), deep.predict(X), rtol=1e-5, atol=1e-6)


def test_decoding_from_a_pre_activation(deep):
    z = deep.encode(X, "hid1:pre")
    try:
        decoded = deep.decode(z, layer="hid1:pre")
    except util.ConfigurationError:
        return  # the output reads hid1:out, whose expression may count as another path
    np.testing.assert_allclose(decoded, deep.predict(X), rtol=1e-5)


@pytest.mark.parametrize("layer, error", [("nope", KeyError), ("hid1:nope", KeyError), (9, IndexError),
                                          (-6, IndexError)])
def test_layers_that_do_not_exist(deep, layer, error):
    for use in (lambda: deep.encode(X, layer), lambda: deep.decode(X, layer)):
        with pytest.raises(error):
            use()


def test_decoding_from_the_ends(deep):
    np.testing.assert_allclose(deep.decode(X, "in"), deep.predict(X), rtol=1e-6)
    np.testing.assert_array_equal(deep.decode(X, "out"), X)


@pytest.mark.parametrize("z", [[[0.5, 0.25]], np.array([[0.5, 0.25]]), np.array([[1, 0]]), np.zeros((0, 2))])
def test_any_codes(deep, z):
    assert deep.decode(z).shape == (len(z), 4)


@pytest.mark.parametrize("z", [np.ones((3, 5)), np.ones(2), np.ones((1, 1, 2))])
def test_bad_codes(deep, z):
    with pytest.raises(util.DataError):
        deep.decode(z)


def test_decode_follows_every_change():
    """Defect 31: noise, parameters and replaced layers, in any order."""
    network = theanets.Autoencoder([4, 3, 4])
    z = network.encode(X)
    clean = network.decode(z)
    assert (network.decode(z, output_noise=10) != clean).all()
    np.testing.assert_array_equal(network.decode(z), clean)
    layer = theanets.layers.Feedforward(size=4, name="out", inputs="hid1", activation="linear", rng=7)
    network.layers[2] = layer
    layer.bind(network)
    expected = z @ layer.find("w").get_value() + layer.find("b").get_value()
    np.testing.assert_allclose(network.decode(z), expected, rtol=1e-4, atol=1e-5)
    layer.find("b").set_value(layer.find("b").get_value() + 1)
    np.testing.assert_allclose(network.decode(z), expected + 1, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers, layer", [
    ([4, 3, dict(size=4, inputs=("in", "hid1"))], "hid1"),  # another path from the input
    ([4, 3, dict(size=4, inputs="in")], "hid1"),  # no path at all
    ([dict(form="input", size=4, name="a"), dict(form="input", size=4, name="b"), dict(size=4, inputs=("a", "b"))],
     "b"),
])
def test_what_cannot_be_decoded(layers, layer):
    """Defect 31."""
    network = theanets.Autoencoder(layers)
    z = np.ones((2, network.layers[[item.name for item in network.layers].index(layer)].output_size))
    with pytest.raises(util.ConfigurationError):
        network.decode(z, layer)


def test_decode_with_a_tied_layer():
    network = theanets.Autoencoder([4, 3, "tied"])
    z = np.random.RandomState(0).randn(5, 3)
    v = values(network)
    np.testing.assert_allclose(network.decode(z), z @ v["hid1.w"].T + v["out.b"], rtol=1e-4, atol=1e-5)


def test_encoding_with_regularizers(deep):
    assert (deep.encode(X, hidden_noise=1) != deep.encode(X)).all()


def test_samples():
    """Defect 48: a private stream, set by the network's seed."""
    made = []
    before = np.random.get_state()[1].copy()
    for _ in range(2):
        network = theanets.Autoencoder([4, (50, "sigmoid"), 4], rng=3)
        made.append(network.encode(np.tile(X, (50, 1)), sample=True))
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert made[0].dtype == np.uint8 and set(np.unique(made[0])) == {0, 1} and made[0].shape == (300, 50)
    p = network.encode(X)
    np.testing.assert_allclose(made[0].reshape(50, 6, 50).mean(axis=0), p, atol=0.35)
    np.testing.assert_allclose(made[0].mean(), p.mean(), atol=0.02)
    other = theanets.Autoencoder([4, (50, "sigmoid"), 4], rng=4)
    other.find("hid1", "w").set_value(network.find("hid1", "w").get_value())
    other.find("hid1", "b").set_value(network.find("hid1", "b").get_value())
    assert (other.encode(np.tile(X, (50, 1)), sample=True) != made[0]).any()


@pytest.mark.parametrize("rng", [lambda: np.random.RandomState(3), lambda: None])
def test_samples_with_any_generator(rng):
    """Defect 48."""
    network = theanets.Autoencoder([4, (3, "sigmoid"), 4], rng=rng())
    assert network.encode(X, sample=True).dtype == np.uint8
    assert network.encode(X, sample=True, layer=1).shape == (6, 3)


def test_samples_need_probabilities():
    network = theanets.Autoencoder([4, (3, "linear"), 4])
    with pytest.raises(ValueError, match="sigmoid|probab|0, 1|between"):
        network.encode(10 * X, sample=True)


# score of an autoencoder.


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), rows=st.integers(2, 9))
def test_score_by_the_book(seed, rows):
    network = NETWORK
    rng = np.random.RandomState(seed)
    x, w = rng.randn(rows, 4).astype("f"), rng.rand(rows, 4)
    for weights, argument in ((np.ones_like(x), None), (w, w), (np.repeat(w[:, :1], 4, 1), w[:, 0])):
        r = x - network.predict(x).astype("d")
        expected = 1 - (weights * r ** 2).sum() / (weights * (x - x.mean()) ** 2).sum()
        assert network.score(x, argument) == pytest.approx(expected, rel=1e-4)
        assert network.score(x.tolist(), w=argument) == pytest.approx(expected, rel=1e-4)


NETWORK = theanets.Autoencoder([4, 3, 4])


@pytest.mark.parametrize("convert", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix])
def test_score_of_sparse_data(convert):
    """Defect 47."""
    sparse = theanets.Autoencoder([dict(form="input", size=4, sparse="csr"), 3, 4])
    assert sparse.score(convert(X)) == pytest.approx(NETWORK.score(X), rel=1e-5)
    assert NETWORK.score(convert(X)) == pytest.approx(NETWORK.score(X), rel=1e-5)


# Classifier.


@pytest.fixture(scope="module")
def classifier():
    return theanets.Classifier([4, 5, 3])


def test_classifier_outputs(classifier):
    proba, logit = classifier.predict_proba(X), classifier.predict_logit(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True), proba, rtol=1e-5)
    np.testing.assert_array_equal(classifier.predict(X), proba.argmax(axis=1))
    outputs = classifier.feed_forward(X)
    np.testing.assert_array_equal(outputs["out:out"], proba)
    np.testing.assert_array_equal(outputs["out:pre"], logit)
    for method in (classifier.predict, classifier.predict_proba, classifier.predict_logit):
        np.testing.assert_allclose(method(X, batch_size=4), method(X), rtol=1e-5)


def test_classify_is_deprecated(classifier):
    with pytest.warns(DeprecationWarning, match="predict"):
        np.testing.assert_array_equal(classifier.classify(X), classifier.predict(X))


@pytest.mark.parametrize("labels", [list, tuple, np.array, lambda k: np.array(k, "uint8"), lambda k: np.array(k, "i8")])
def test_score_of_a_classifier(classifier, labels):
    k = classifier.predict(X).copy()
    k[:2] = (k[:2] + 1) % 3
    w = [1, 2, 3, 4, 5, 6]
    assert classifier.score(X, labels(k.tolist())) == pytest.approx(4 / 6)
    for weights in (w, np.array(w), np.array(w, "f")):  # defect 54
        assert classifier.score(X, labels(k.tolist()), weights) == pytest.approx(18 / 21)


def test_logits_of_a_layer_without_pre():
    network = theanets.Classifier([4, 3, "flat"])
    with pytest.raises(KeyError):
        network.predict_logit(X)


def test_monitors_of_a_classifier(classifier):
    assert [name for name, _ in classifier.monitors(monitors={"hid1:out": 1})] == ["err", "hid1:out<1", "acc"]


def test_accuracy_while_training(classifier):
    labels = classifier.predict(X)
    _, valid = next(classifier.itertrain([X, labels], algo="sgd", learning_rate=0))
    assert list(valid) == ["loss", "err", "acc"] and valid["acc"] == 1


@pytest.mark.parametrize("loss", ["mse", "kl", "mae"])
def test_losses_without_accuracy(loss):
    """Defect 32."""
    network = theanets.Classifier([4, 3])
    network.set_loss(loss, target=2)
    assert [name for name, _ in network.monitors()][0] == "err"
    assert np.isfinite(epochs(network, [X, np.eye(3)[[0, 1, 2, 0, 1, 2]]], algo="sgd")).all()


@pytest.mark.parametrize("loss", ["xe", "hinge", dict(form="hinge", weight=2), dict(weight=2)])
def test_losses_of_a_classifier(loss):
    network = theanets.Classifier([4, 3], loss=loss)
    assert names(network.variables) == ["in", "target"]
    assert [name for name, _ in network.monitors()] == ["err", "acc"]
    assert np.isfinite(epochs(network, [X, [0, 1, 2, 0, 1, 2]], algo="sgd")).all()


def test_weighted_classifier():
    network = theanets.Classifier([4, 3], weighted=True)
    k, w = np.array([0, 1, 2, 0, 1, 2]), np.array([1, 2, 3, 4, 0, 0])
    p = network.predict_proba(X)[np.arange(6), k]
    expected = (-np.log(p) * w).sum() / w.sum()
    assert epochs(network, [X, k, w], algo="sgd")[0][1] == pytest.approx(expected, rel=1e-5)


def test_models_do_not_warn():
    """Ordinary use says nothing on the warnings channel."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model, data in ((theanets.Autoencoder, [X]), (theanets.Regressor, [X, Y]),
                            (theanets.Classifier, [X, [0, 1, 0, 1, 0, 1]])):
            network = model([4, 3, 4 if len(data) == 1 else 2])
            network.train(data, algo="sgd", max_updates=1)
            network.predict(X)
