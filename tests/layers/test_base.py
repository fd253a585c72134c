"""The base class and the layers without parameters: shapes, wiring, initial values, specs."""

import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.tensor as TT
from theanets import util
from theanets.layers import base

from tests.helpers import alone, names, values


class TwoFaced(theanets.Layer):
    """A user's layer with two outputs and no parameters."""

    def transform(self, inputs):
        x = inputs[self.input_name]
        return dict(out=x, double=2 * x), []


class Pairs(theanets.Layer):
    """A user's layer that returns pairs instead of a dict."""

    def transform(self, inputs):
        x = inputs[self.input_name]
        return [("zz", 3 * x), ("out", x)], []


class Single(theanets.Layer):
    """A user's layer that returns one expression and one update."""

    def setup(self):
        self.count = theano.shared(np.zeros((), "f"), name="count")

    def transform(self, inputs):
        return -inputs[self.input_name], [(self.count, self.count + 1)]


def bound(form, network=7, **kwargs):
    """A layer bound to a network that it does not belong to."""
    graph = theanets.Network([network]) if not isinstance(network, theanets.Network) else network
    kwargs.setdefault("inputs", "in")
    layer = theanets.Layer.build(form, name="l", **kwargs)
    layer.bind(graph)
    return layer


# The constructor and the attributes before binding.


def test_classes_are_where_the_contract_says():
    assert theanets.Layer is theanets.layers.Layer is base.Layer
    assert theanets.layers.Input is base.Input


def test_automatic_names_carry_the_class():
    first, second = theanets.Layer.build("ff", size=3), theanets.Layer.build("ff", size=3)
    assert first.name.startswith("feedforward") and first.name[len("feedforward"):].isdigit()
    assert first.name != second.name


def test_automatic_names_stay_what_they_are():
    """Defect 52: a layer keeps its name through binding, use and copying into another network's specs."""
    layer = theanets.Layer.build("ff", size=3, inputs="in", rng=1)
    name = layer.name
    network = theanets.Regressor([4, layer, 2])
    again = theanets.Regressor([item.to_spec() for item in network.layers])
    assert names(network.layers) == names(again.layers) == ["in", name, "out"]
    assert network.layers[2].input_name == f"{name}:out"


def test_kwargs_and_generators():
    layer = theanets.Layer.build("ff", name="l", size=3, inputs="in", rng=5, activation="tanh")
    assert layer.kwargs == dict(size=3, inputs="in", rng=5, activation="tanh")
    assert layer.rng.rand() == np.random.RandomState(5).rand()
    state = np.random.RandomState(5)
    assert theanets.Layer.build("ff", size=3, rng=state).rng is state
    assert theanets.Layer.build("ff", size=3, rng=np.int64(5)).rng.rand() == np.random.RandomState(5).rand()
    assert theanets.Layer.build("ff", size=3, nrng=5).rng.rand() == np.random.RandomState(5).rand()
    with pytest.raises(TypeError):
        theanets.Layer.build("ff", size=3, rng=np.random.default_rng(5))


@pytest.mark.parametrize("form", ["ff", "classifier", "flat", "product", "concat"])
def test_before_binding(form):
    """Defects 35, 37: nothing is known, and asking is not a crash."""
    other = theanets.layers.Input(size=4)
    layer = theanets.Layer.build(form, name="l", size=3, inputs=other)
    assert layer.params == []
    assert layer.output_shape is None
    assert layer.input_shape is None
    assert layer.output_name == "l:out"
    for attribute in ("input_size", "output_size"):
        with pytest.raises(util.ConfigurationError):
            getattr(layer, attribute)


def test_attributes_of_a_bound_layer():
    layer = theanets.Regressor([4, 3, 2]).layers[1]
    assert (layer.input_name, layer.input_shape, layer.input_size) == ("in:out", (4,), 4)
    assert (layer.output_name, layer.output_shape, layer.output_size) == ("hid1:out", (3,), 3)
    assert layer.num_params == 15  # defect 2
    assert layer.kwargs == dict(activation="relu", size=3, inputs="in:out", rng=13)
    assert layer.full_name("pre") == "hid1:pre"
    assert layer.log_params() == 15
    assert layer.log() is None


def test_attributes_of_the_old_release():
    """Section 11: ``size``, ``inputs`` and ``activation`` of 0.7.3, read-only, after binding."""
    layer = theanets.Regressor([4, (3, "tanh"), 2]).layers[1]
    assert layer.size == 3
    assert layer.inputs == {"in:out": 4} or layer.inputs == {"in": 4}
    assert layer.activation == "tanh"
    for attribute in ("size", "inputs", "activation"):
        with pytest.raises(AttributeError):
            setattr(layer, attribute, None)


@pytest.mark.parametrize("name", ["a:b", ":", "a:"])
def test_a_colon_in_a_name(name):
    """Defect 28."""
    with pytest.raises(util.ConfigurationError, match=name):
        theanets.Layer.build("ff", name=name, size=3)
    with pytest.raises(util.ConfigurationError):
        theanets.Regressor([4, dict(size=3, name=name), 2])


def test_input_name_needs_exactly_one_input():
    with pytest.raises(util.ConfigurationError):
        _ = theanets.layers.Input(size=4).input_name
    layer = bound("concat", theanets.Network([4, 3]), inputs=("in", "out"))
    with pytest.raises(util.ConfigurationError):
        _ = layer.input_name


# Resolving inputs and outputs.


@pytest.mark.parametrize("inputs", ["in", "in:out", ("in",), ["in:out"]])
def test_spellings_of_an_input(inputs):
    layer = bound("ff", size=3, inputs=inputs)
    assert (layer.input_name, layer.input_shape) == ("in:out", (7,))


def test_layer_instances_as_inputs():
    """Defect 37."""
    network = theanets.Network([7, 4])
    layer = theanets.Layer.build("ff", name="l", size=3, inputs=network.layers[1])
    assert layer.input_shape is None
    layer.bind(network)
    assert (layer.input_name, layer.input_shape) == ("out:out", (4,))


def test_inputs_as_a_dict_of_sizes():
    """Defect 36: the form of 0.7.x; the sizes are checked."""
    assert bound("ff", size=3, inputs={"in": 7}).input_size == 7
    network = theanets.Regressor([4, 3, dict(size=2, inputs={"hid1:out": 3, "in": 4})])
    assert names(network.layers[2].params) == ["out.w_hid1:out", "out.w_in:out", "out.b"]
    with pytest.raises(util.ConfigurationError, match="8"):
        bound("ff", size=3, inputs={"in": 8})


def test_order_of_inputs_is_kept():
    network = theanets.Network([4, 3, 2])
    for order in itertools.permutations(["in", "hid1", "out"]):
        layer = bound("ff", network, size=5, inputs=order)
        assert names(layer.params) == [f"l.w_{name}:out" for name in order] + ["l.b"]


@pytest.mark.parametrize("inputs", ["nope", "nope:out", ("in", "nope"), (), "in:nope"])
def test_unknown_inputs(inputs):
    with pytest.raises(util.ConfigurationError):
        bound("ff", size=3, inputs=inputs)


def test_ambiguous_input():
    network = theanets.Network([7])
    network.layers = network.layers * 2
    with pytest.raises(util.ConfigurationError, match="in"):
        bound("ff", network, size=3)


def test_inputs_that_do_not_fit():
    network = theanets.Network([(5, 3), "flat"])
    with pytest.raises(util.ConfigurationError):  # two axes against one
        bound("ff", network, size=2, inputs=("in", "out"))
    network = theanets.Network([(5, 3), dict(form="reshape", shape=(3, 5))])
    with pytest.raises(util.ConfigurationError):  # five steps against three
        bound("ff", network, size=2, inputs=("in", "out"))
    network = theanets.Network([dict(form="input", size=3, ndim=3), dict(form="input", name="b", shape=(5, 4))])
    layer = bound("ff", network, size=2, inputs=("in", "b"))  # an unknown entry fits any
    assert layer.output_size == 2


@pytest.mark.parametrize("kwargs", [{}, dict(size=3, shape=(4,)), dict(size=3, shape=(6, 7)), dict(size=0),
                                    dict(size=-2), dict(size=2.5), dict(size="3"), dict(shape=()),
                                    dict(shape=(0,)), dict(shape=(3.5,))])
def test_bad_sizes(kwargs):
    """Defects 22, 34."""
    with pytest.raises(util.ConfigurationError, match=r"\bl\b"):
        bound("ff", **kwargs)


@pytest.mark.parametrize("kwargs, shape", [
    (dict(size=3), (3,)), (dict(size=np.int64(3)), (3,)), (dict(shape=(3,)), (3,)), (dict(shape=[3]), (3,)),
    (dict(size=3, shape=(3,)), (3,)), (dict(shape=(6, 7)), (6, 7)), (dict(shape=[np.int32(6), 7]), (6, 7)),
])
def test_good_sizes(kwargs, shape):
    """Defects 22, 34: shapes are tuples of plain ints."""
    layer = bound("ff", **kwargs)
    assert layer.output_shape == shape and isinstance(layer.output_shape, tuple)
    assert all(type(entry) is int for entry in layer.output_shape)
    assert type(layer.output_size) is int


# The life cycle.


def test_base_layer_does_nothing():
    layer = theanets.Layer(name="l", size=7, inputs="in")
    layer.bind(theanets.Network([7]))
    assert layer.params == [] and layer.output_shape == (7,)
    with pytest.raises(NotImplementedError):
        layer.transform({})


@pytest.mark.parametrize("form, keys", [("twofaced", ["l:double", "l:out"]), ("pairs", ["l:zz", "l:out"]),
                                        ("single", ["l:out"]), ("ff", ["l:out", "l:pre"])])
def test_connect_names_what_transform_returns(form, keys):
    layer = bound(form, size=7)
    outputs, updates = layer.connect({"in:out": TT.matrix("x")})
    assert list(outputs) == keys
    assert len(updates) == (form == "single")


def test_updates_reach_the_network():
    network = theanets.Network([4, dict(form="single", size=4)])
    assert len(network.updates()) == 1
    network.predict(np.ones((2, 4), "f"))
    network.predict(np.ones((2, 4), "f"))
    assert network.layers[1].count.get_value() == 2


def test_a_second_output_can_be_consumed():
    """Defect 4."""
    network = theanets.Network([3, dict(form="twofaced", size=3, name="t"), dict(form="twofaced", size=3,
                                                                                  inputs="t:double")])
    x = np.arange(6, dtype="f").reshape(2, 3)
    np.testing.assert_array_equal(network.predict(x), 2 * x)
    with pytest.raises(util.ConfigurationError, match="triple"):
        network = theanets.Network([3, dict(form="twofaced", size=3, name="t"), dict(size=3, inputs="t:triple")])
        network.predict(x)


def test_find():
    layer = theanets.Regressor([4, (3, "prelu"), 2]).layers[1]
    assert names(layer.params) == ["hid1.w", "hid1.b", "hid1.leak"]
    for index, key in enumerate(["w", "b", "leak"]):  # defect 39: activation parameters, too
        assert layer.find(key) is layer.find(index) is layer.find(np.int64(index)) is layer.params[index]
    for key in ("hid1.w", "x", 3, -1, ""):
        with pytest.raises(KeyError):
            layer.find(key)


def test_binding_twice():
    """Defect 5."""
    network = theanets.Regressor([4, (3, "prelu"), 2])
    before = values(network)
    for layer in network.layers:
        layer.bind(network)
    assert names(network.params) == list(before)
    for name, value in values(network).items():
        np.testing.assert_array_equal(value, before[name])
    assert network.find("hid1", "w") is network.params[0]


def test_rebinding_keeps_learned_values():
    """Defects 5, 6: parameters whose name and shape agree stay, activation parameters included."""
    network = theanets.Regressor([4, (3, "prelu"), 2])
    network.find("hid1", "leak").set_value(np.array([7, 8, 9], "f"))
    network.find("hid1", "b").set_value(np.array([1, 2, 3], "f"))
    leak = network.find("hid1", "leak")
    for initialize in (False, True):
        network.layers[1].bind(network, initialize=initialize)
        assert network.find("hid1", "leak") is leak
        np.testing.assert_array_equal(network.find("hid1", "leak").get_value(), [7, 8, 9])
        np.testing.assert_array_equal(network.find("hid1", "b").get_value(), [1, 2, 3])


def test_one_layer_in_two_networks():
    """Defect 5: the layer's parameters are shared and nobody lists them twice."""
    layer = theanets.Layer.build("ff", name="shared", size=3, inputs="in", rng=1)
    one, two = theanets.Regressor([4, layer, 2]), theanets.Regressor([4, layer, 5])
    for network in (one, two):
        assert names(network.params) == ["shared.w", "shared.b", "out.w", "out.b"]
    assert one.params[0] is two.params[0]


def test_rebinding_to_another_width_draws_anew():
    layer = theanets.Layer.build("ff", name="l", size=3, inputs="in", rng=1)
    layer.bind(theanets.Network([4]))
    layer.bind(theanets.Network([5]))
    assert names(layer.params) == ["l.w", "l.b"]
    assert layer.params[0].get_value().shape == (5, 3)


# Initial values (5.4).


def test_weights_and_biases_by_hand():
    layer = bound("ff", 4, size=3, rng=13)
    rng = np.random.RandomState(13)
    np.testing.assert_array_equal(layer.find("w").get_value(), (1 / np.sqrt(7) * rng.randn(4, 3)).astype(util.FLOAT))
    np.testing.assert_array_equal(layer.find("b").get_value(), rng.randn(3).astype(util.FLOAT))


@pytest.mark.parametrize("kwargs, w, b", [
    (dict(mean=1, std=0), 1, None),  # an explicit zero counts; the general keywords do not touch biases
    (dict(mean_w=2, std_w=0), 2, None),
    (dict(mean_w=2, std_w=0, mean=1, std=3), 2, None),  # the specific keyword goes first
    (dict(mean_w=1, std_w=0, mean_b=5, std_b=0), 1, 5),
    (dict(std_w=0, std_b=0), 0, 0),
])
def test_initialisation_keywords(kwargs, w, b):
    layer = bound("ff", 4, size=3, rng=13, **kwargs)
    np.testing.assert_array_equal(layer.find("w").get_value(), np.full((4, 3), w, "f"))
    plain = bound("ff", 4, size=3, rng=13)
    expected = plain.find("b").get_value() if b is None else np.full(3, b, "f")
    np.testing.assert_array_equal(layer.find("b").get_value(), expected)


def test_sparse_and_diagonal_weights():
    w = bound("ff", 40, size=40, sparsity=0.5, rng=13).find("w").get_value()
    assert 0.4 < (w == 0).mean() < 0.6 and (np.diag(w) != 0).all()
    np.testing.assert_array_equal(bound("ff", 4, size=3, diagonal=2, rng=13).find("w").get_value(), 2 * np.eye(4, 3))
    np.testing.assert_array_equal(bound("ff", 4, size=3, diagonal_w=2).find("w").get_value(), 2 * np.eye(4, 3))


def test_activation_parameters_are_drawn_first():
    layer = bound("ff", 4, size=3, activation="prelu", rng=13)
    rng = np.random.RandomState(13)
    leak = rng.randn(3)
    np.testing.assert_allclose(layer.find("leak").get_value(), 0.1 * abs(leak), rtol=1e-6)
    np.testing.assert_array_equal(layer.find("w").get_value(), (1 / np.sqrt(7) * rng.randn(4, 3)).astype(util.FLOAT))


def test_a_shared_generator_is_used_up_layer_by_layer():
    rng = np.random.RandomState(13)
    network = theanets.Regressor([4, 3, 2], rng=np.random.RandomState(13))
    for param in network.params:
        shape = param.get_value().shape
        scale = 1 / np.sqrt(sum(shape)) if len(shape) == 2 else 1
        np.testing.assert_array_equal(param.get_value(), (scale * rng.randn(*shape)).astype(util.FLOAT))


class Three(theanets.Layer):
    """A user's layer with parameters of several kinds."""

    def setup(self):
        self.add_weights("extra", 2, 3)
        self.add_weights("other", 2, 3, mean=1, std=0.5)
        self.add_bias("shift", 3, mean=2, std=0.1)


def test_add_weights_and_add_bias():
    layer = bound("three", size=7, rng=13, std_extra=0, mean_extra=4)
    assert names(layer.params) == ["l.extra", "l.other", "l.shift"]
    rng = np.random.RandomState(13)
    rng.randn(2, 3)
    np.testing.assert_array_equal(layer.find("extra").get_value(), np.full((2, 3), 4, "f"))
    np.testing.assert_array_equal(layer.find("other").get_value(), (1 + 0.5 * rng.randn(2, 3)).astype(util.FLOAT))
    np.testing.assert_array_equal(layer.find("shift").get_value(), (2 + 0.1 * rng.randn(3)).astype(util.FLOAT))
    assert layer.num_params == 15


def test_a_layer_made_by_hand_is_unseeded():
    """Section 13.5: whatever the network's generator."""
    made = [theanets.Regressor([4, theanets.Layer.build("ff", size=3, inputs="in"), 2]) for _ in range(2)]
    assert (made[0].params[0].get_value() != made[1].params[0].get_value()).all()


# Specs (5.5).


@pytest.mark.parametrize("layer, expected", [
    (theanets.layers.Feedforward(size=4, inputs="in", name="l"),
     dict(form="feedforward", name="l", size=4, inputs="in", activation="relu")),
    (theanets.layers.Classifier(size=4, inputs="in", name="l"),
     dict(form="classifier", name="l", size=4, inputs="in", activation="softmax")),
    (theanets.layers.Reshape(name="r", shape=(3, 2), inputs="in"),
     dict(form="reshape", name="r", shape=(3, 2), inputs="in", activation="relu")),
    (theanets.layers.Input(size=4), dict(form="input", name="in", shape=(4,), activation="linear")),
    (theanets.layers.Input(size=4, ndim=3), dict(form="input", name="in", shape=(None, 4), activation="linear")),
    (theanets.layers.Tied("hid", inputs="x", name="t"), dict(form="tied", name="t", partner="hid")),  # defect 20
    (theanets.layers.Tied(theanets.layers.Feedforward(size=4, name="hid"), inputs="x", name="t"),
     dict(form="tied", name="t", partner="hid")),
    (theanets.layers.Input(size=4, sparse="csc"), dict(form="input", shape=(4,), sparse="csc")),  # defect 40
])
def test_to_spec(layer, expected):
    spec = layer.to_spec()
    assert {key: spec.get(key) for key in expected} == expected


def test_to_spec_does_not_expose_the_layer():
    layer = theanets.layers.Feedforward(size=4, inputs="in", name="l")
    layer.to_spec()["size"] = 99
    assert layer.kwargs["size"] == 4


@pytest.mark.parametrize("layers", [
    [4, (3, "tanh"), "tied"],
    [dict(form="input", size=4, sparse="csr"), 3, 4],
    [(5, 4, 3), "flat", (2, "prelu"), 60],
    [4, dict(size=3, name="a", std=0.1, sparsity=0.2), dict(form="concat", inputs=("a", "in")), 4],
])
def test_a_network_from_specs(layers):
    network = theanets.Network(layers)
    again = theanets.Network([layer.to_spec() for layer in network.layers])
    for one, two in zip(network.layers, again.layers):
        assert (type(one), one.name, one.output_shape) == (type(two), two.name, two.output_shape)
    assert again.inputs[0].type == network.inputs[0].type
    assert list(values(network)) == list(values(again))
    for name, value in values(network).items():
        np.testing.assert_array_equal(values(again)[name], value)


# Input.


@pytest.mark.parametrize("kwargs, shape, ndim", [
    (dict(size=4), (4,), 2), (dict(size=4, ndim=3), (None, 4), 3), (dict(size=4, ndim=4), (None, None, 4), 4),
    (dict(size=4, ndim=1), (4,), 1), (dict(shape=(5, 4)), (5, 4), 3), (dict(shape=(5, 4), ndim=2), (5, 4), 3),
    (dict(shape=[5, 4, 3]), (5, 4, 3), 4),
])
def test_input(kwargs, shape, ndim):
    layer = theanets.layers.Input(name="x", **kwargs)
    layer.bind(theanets.Network())
    assert layer.output_shape == shape and layer.output_size == shape[-1]
    assert (layer.input.name, layer.input.ndim, layer.input.dtype) == ("x", ndim, util.FLOAT)
    assert layer.params == [] and layer.num_params == 0
    outputs, updates = layer.connect({})
    assert list(outputs) == ["x:out"] and outputs["x:out"] is layer.input and not updates


@pytest.mark.parametrize("sparse, form", [(True, "csr"), ("csr", "csr"), ("CSR", "csr"), ("csc", "csc"),
                                          ("Csc", "csc"), (False, None)])
def test_sparse_input(sparse, form):
    layer = theanets.layers.Input(name="x", size=4, sparse=sparse)
    assert getattr(layer.input, "format", None) == form
    assert layer.input.name == "x"  # defect 41


def test_two_sparse_inputs():
    """Defect 41."""
    network = theanets.Network([dict(form="input", size=4, sparse=True, name="a"),
                                dict(form="input", size=3, sparse="csc", name="b"),
                                dict(size=2, inputs=("a", "b"))])
    assert names(network.variables) == ["a", "b", "target"]


@pytest.mark.parametrize("kwargs", [
    {}, dict(shape=()), dict(size=4, sparse="coo"), dict(size=4, sparse="no"), dict(size=0), dict(size=-1),
    dict(size=4, ndim=-1), dict(size="4"), dict(size=2.0),
    dict(size=4, ndim=3, sparse=True), dict(shape=(5, 4), sparse="csr"), dict(size=4, ndim=1, sparse=True),
])
def test_bad_inputs(kwargs):
    """Defects 17, 18."""
    with pytest.raises(util.ConfigurationError):
        theanets.layers.Input(**kwargs).bind(theanets.Network())


def test_five_axes_are_not_an_index_error():
    """Defect 18: more dimensions may be supported."""
    try:
        layer = theanets.layers.Input(size=2, ndim=5)
    except util.ConfigurationError:
        return
    assert layer.input.ndim == 5


# Product and Concatenate.

X = np.arange(12, dtype="f").reshape(3, 4) - 5
Y = np.arange(12, dtype="f").reshape(3, 4) % 5


@pytest.fixture(scope="module")
def pair():
    inputs = [4, dict(form="input", size=4, name="b"), dict(form="input", size=2, name="c")]
    return theanets.Network(inputs, loss=None)


def test_product(pair):
    layer = bound("prod", pair, inputs=("in", "b"))
    assert layer.output_shape == (4,) and layer.params == []
    assert list(alone(layer, **{"in": X, "b": Y})) == ["l:out"]
    np.testing.assert_array_equal(alone(layer, **{"in": X, "b": Y})["l:out"], X * Y)


def test_concatenate_keeps_the_order(pair):
    layer = bound("concat", pair, inputs=("b", "in"))
    assert layer.output_shape == (8,)
    np.testing.assert_array_equal(alone(layer, **{"in": X, "b": Y})["l:out"], np.hstack([Y, X]))


def test_concatenate_three_axes():
    network = theanets.Network([(5, 4), dict(form="input", shape=(5, 2), name="b")])
    layer = bound("concatenate", network, inputs=("in", "b"))
    assert layer.output_shape == (5, 6)
    x, y = np.random.RandomState(0).randn(3, 5, 4).astype("f"), np.random.RandomState(1).randn(3, 5, 2).astype("f")
    np.testing.assert_array_equal(alone(layer, **{"in": x, "b": y})["l:out"], np.concatenate([x, y], axis=-1))


def test_repeated_inputs(pair):
    """Defect 38."""
    layer = bound("concat", pair, inputs=("in", "in:out"))
    assert layer.output_shape == (8,)
    np.testing.assert_array_equal(alone(layer, **{"in": X})["l:out"], np.hstack([X, X]))
    layer = bound("product", pair, inputs=("in", "in", "in"))
    np.testing.assert_array_equal(alone(layer, **{"in": X})["l:out"], X ** 3)
    with pytest.raises(util.ConfigurationError, match="in:out"):
        bound("ff", pair, size=3, inputs=("in", "in"))


@pytest.mark.parametrize("form, kwargs", [
    ("product", dict(inputs=("in", "c"))),  # 4 against 2
    ("product", dict(inputs=("in", "b"), size=5)),  # defect 42
    ("concat", dict(inputs=("in", "b"), size=7)),
    ("product", dict(inputs=())),
    ("concat", dict(inputs=())),
])
def test_bad_joins(pair, form, kwargs):
    with pytest.raises(util.ConfigurationError, match=r"\bl\b"):
        bound(form, pair, **kwargs)


def test_unknown_entries_equal_unknown_entries_only():
    network = theanets.Network([dict(form="input", size=4, ndim=3), dict(form="input", size=4, ndim=3, name="b"),
                                dict(form="input", shape=(5, 4), name="c")], loss=None)
    assert bound("product", network, inputs=("in", "b")).output_shape == (None, 4)
    assert bound("concat", network, inputs=("in", "b")).output_shape == (None, 8)
    with pytest.raises(util.ConfigurationError):
        bound("product", network, inputs=("in", "c"))


@pytest.mark.parametrize("form, size", [("product", 4), ("concat", 8)])
def test_a_size_that_agrees(pair, form, size):
    assert bound(form, pair, inputs=("in", "b"), size=size).output_shape == (size,)


@pytest.mark.parametrize("shape", [(6, 4), (20,)])
def test_concatenate_needs_equal_leading_axes(shape):
    network = theanets.Network([(5, 4), dict(form="input", shape=shape, name="b")])
    with pytest.raises(util.ConfigurationError):
        bound("concat", network, inputs=("in", "b"))


# Flatten and Reshape.


@pytest.mark.parametrize("key", ["flat", "FLATTEN", dict(form="flatten"), dict(form="flat", size=60)])
def test_flatten(key):
    network = theanets.Network([(5, 4, 3), key], loss=None)
    assert network.layers[1].output_shape == (60,)
    assert type(network.layers[1].output_size) is int  # defect 43
    x = np.random.RandomState(0).randn(2, 5, 4, 3).astype("f")
    np.testing.assert_array_equal(network.predict(x), x.reshape(2, 60))


def test_flatten_with_unknown_entries():
    """Defect 43: a given size is trusted when the product is unknown."""
    network = theanets.Network([dict(form="input", size=4, ndim=3), dict(form="flat", size=20), (2, "linear")])
    assert network.layers[1].output_shape == (20,)
    assert network.predict(np.ones((3, 5, 4), "f")).shape == (3, 2)


@pytest.mark.parametrize("layers", [
    [(5, 4, 3), dict(form="flat", size=61)],
    [dict(form="input", size=4, ndim=3), "flat"],
    [4, 3, dict(form="flat", inputs=("in", "hid1"))],
])
def test_bad_flatten(layers):
    with pytest.raises(util.ConfigurationError):
        theanets.Network(layers)


@pytest.mark.parametrize("given_shape, shape", [((3, 2), (3, 2)), ([3, 2], (3, 2)), ((-1,), (6,)), ((-1, 2), (3, 2)),
                                                ((3, -1, 1), (3, 2, 1))])
def test_reshape(given_shape, shape):
    """Defect 7."""
    network = theanets.Network([6, dict(form="reshape", shape=given_shape)], loss=None)
    layer = network.layers[1]
    assert layer.output_shape == shape and isinstance(layer.output_shape, tuple)
    assert list(layer.shape) == list(shape) or list(layer.shape) == list(given_shape)
    x = np.arange(24, dtype="f").reshape(4, 6)
    np.testing.assert_array_equal(network.predict(x), x.reshape((4,) + shape))


def test_reshape_in_the_middle_trains():
    """Defect 7: gradients pass."""
    network = theanets.Regressor([6, dict(form="reshape", shape=(3, 2)), "flat", 2])
    w = network.find("out", "w").get_value()
    network.train([np.ones((8, 6)), np.ones((8, 2))], algo="sgd", learning_rate=0.1, max_updates=2)
    assert (network.find("out", "w").get_value() != w).any()


def test_reshape_with_unknown_entries():
    """Defect 7: the check waits until run time."""
    network = theanets.Network([dict(form="input", size=4, ndim=3), dict(form="reshape", shape=(6, 2))], loss=None)
    x = np.arange(24, dtype="f").reshape(2, 3, 4)
    np.testing.assert_array_equal(network.predict(x), x.reshape(2, 6, 2))
    with pytest.raises(Exception):  # noqa: B017 (whatever the backend says)
        network.predict(np.ones((2, 2, 4), "f"))


@pytest.mark.parametrize("kwargs", [{}, dict(shape=(4, 2)), dict(shape=(-1, -1)), dict(shape=(-1, 4)),
                                    dict(shape=(-2, 3)), dict(shape=(0, 6))])
def test_bad_reshape(kwargs):
    with pytest.raises(util.ConfigurationError):
        theanets.Network([6, dict(form="reshape", **kwargs)])


@pytest.mark.parametrize("spec", [dict(form="flat"), dict(form="product"), dict(form="concat"),
                                  dict(form="reshape", shape=(2, 2))])
def test_structural_layers_build_no_activation(spec):
    """Defect 44: such parameters would have no gradient."""
    network = theanets.Regressor([4, dict(spec, activation="prelu", name="s"), dict(form="flat", activation="maxout:2"),
                                  2])
    assert names(network.params) == ["out.w", "out.b"]
    network.train([np.ones((8, 4)), np.ones((8, 2))], algo="sgd", max_updates=1)


# Sparse data through structural layers.


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_sparse_inputs_and_structure(form):
    """Defect 47."""
    network = theanets.Network([dict(form="input", size=4, sparse=form, name="s"), dict(form="input", size=4, name="d"),
                                dict(form="concat", inputs=("s", "d"), name="both"),
                                dict(form="flat", inputs="s", name="flat"),
                                dict(form="product", inputs=("flat", "d"), name="prod"),
                                dict(form="concat", inputs=("both", "prod"))], loss=None)
    out = network.predict([scipy.sparse.csr_matrix(X), Y])
    np.testing.assert_array_equal(out, np.hstack([X, Y, X * Y]))


# Layers of a user's own that drop or add axes.


class LastStep(theanets.Layer):
    """Drops the axis of time."""

    def transform(self, inputs):
        return inputs[self.input_name][:, -1], []


class Column(theanets.Layer):
    """Adds an axis."""

    def transform(self, inputs):
        return inputs[self.input_name].dimshuffle(0, 1, "x"), []


class SumOfUnits(theanets.Layer):
    """Drops the axis of units."""

    def transform(self, inputs):
        return inputs[self.input_name].sum(axis=-1), []


class EverySecond(theanets.Layer):
    """Shortens an axis."""

    def transform(self, inputs):
        return inputs[self.input_name][:, ::2], []


class Boastful(theanets.Layer):
    """Declares what it does not compute."""

    def resolve_outputs(self):
        self._output_shapes["out"] = (self.input_size + 1,)

    def transform(self, inputs):
        return inputs[self.input_name], []


class Unready(theanets.Layer):
    """Cannot compute anything yet."""

    def transform(self, inputs):
        return inputs[self.input_name] * self.factor, []


@pytest.mark.parametrize("first, spec, shape", [
    (dict(size=4, ndim=3), dict(form="laststep", size=4), (4,)),
    (3, dict(form="column", size=3), (3, 1)),
    (3, dict(form="column", size=1), (3, 1)),
    (3, dict(form="column", shape=(3, 1)), (3, 1)),
    (3, dict(form="sumofunits", size=1), ()),
    (dict(size=4, ndim=3), dict(form="sumofunits", size=1), (None,)),
    ((6, 4), dict(form="everysecond", size=4), (3, 4)),
    (dict(size=4, ndim=3), dict(form="everysecond", size=4), (None, 4)),
    (3, dict(form="unready", size=3), (3,)),
])
def test_the_shape_of_a_users_own_layer_is_measured(first, spec, shape):
    network = theanets.Network([first, spec], loss=None)
    layer = network.layers[1]
    assert layer.output_shape == layer.shapes["out"] == shape
    assert network.summary().rows[1]["output"] == ("x".join(str(n or "?") for n in shape) or "-")
    shown = " × ".join(str(n or "?") for n in shape) or "-"
    assert f">{shown}</text>" in str(network.draw())
    layer.bind(network)
    assert layer.output_shape == shape


@pytest.mark.parametrize("first, spec, words", [
    (dict(size=4, ndim=3), dict(form="laststep", size=5), ["size=5", "(4,)"]),
    (3, dict(form="column", shape=(3,)), ["(3,)", "(3, 1)"]),
    (3, dict(form="column", size=2), ["size=2", "(3, 1)"]),
    ((6, 4), dict(form="everysecond", shape=(6, 4)), ["(6, 4)", "(3, 4)"]),
    (3, dict(form="boastful"), ["resolve_outputs()", "(4,)", "(3,)"]),
])
def test_a_spec_that_contradicts_what_is_computed_is_refused(first, spec, words):
    with pytest.raises(util.ConfigurationError) as caught:
        theanets.Network([first, spec], loss=None)
    assert all(word in str(caught.value) for word in ["'out'", *words]), caught.value


def test_layers_read_the_measured_shape():
    network = theanets.recurrent.Regressor([3, (4, "rnn"), dict(form="laststep", size=4), 2])
    assert [layer.output_shape for layer in network.layers[2:]] == [(4,), (2,)]
    x = np.ones((5, 6, 3), util.FLOAT)
    network.train([x, np.ones((5, 2))], epochs=1)
    assert network.predict(x).shape == (5, 2)
    labels = theanets.recurrent.Classifier([3, (4, "rnn"), dict(form="laststep", size=4), 2])
    labels.train([x, np.arange(5) % 2], epochs=1)
    assert labels.score(x, np.arange(5) % 2) in (0.4, 0.6)
    with pytest.raises(util.ConfigurationError, match="'out'.*'hid1:out', a single number"):
        theanets.Regressor([3, dict(form="sumofunits", size=1), 2])
# Layers as earlier releases wrote them.

EXAMPLES = np.random.RandomState(0).randn(5, 4)


def layers_of_release_7():
    layers = theanets.layers
    return [layers.Input(4, name="i"), layers.Feedforward(3, inputs=4, name="h"),
            layers.Feedforward(2, "h", "o", "linear")]


def test_a_leading_integer_is_the_size():
    with pytest.warns(DeprecationWarning, match=r"write (Input|Feedforward)\(size=\d") as caught:
        net = theanets.Network(layers_of_release_7())
    assert len(caught) == 3
    assert names(net.layers) == ["i", "h", "o"]
    assert [layer.output_size for layer in net.layers] == [4, 3, 2]
    assert [layer.activation for layer in net.layers] == ["linear", "relu", "linear"]
    # specs are those of today.
    again = theanets.Network([layer.to_spec() for layer in net.layers])
    assert [p.get_value().shape for p in again.params] == [p.get_value().shape for p in net.params]


@pytest.mark.parametrize("form, args, kwargs, size", [
    ("rnn", (3, "in"), {}, 3), ("lstm", (3,), dict(inputs="in"), 3), ("rrnn", (3,), dict(rate="vector"), 3),
    ("scrn", (3,), {}, 3), ("bidirectional", (4, "in"), dict(worker="gru"), 4),
    ("clockwork", (4,), dict(periods=[1, 2]), 4),
    ("mrnn", (9,), {}, 9), ("mrnn", (2,), dict(size=9), 9), ("classifier", (3,), {}, 3), ("embed", (3,), {}, 3),
    ("conv1", (2,), dict(size=9), 9), ("bcrnn", (3,), dict(size=9), 9),
])
def test_a_leading_integer_in_other_forms(form, args, kwargs, size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        layer = theanets.Layer.build(form, *args, **kwargs)
    assert layer._given_shape[-1] == size


@pytest.mark.parametrize("make, words", [
    (lambda: theanets.layers.Feedforward(3, size=4), "'size' is given twice"),
    (lambda: theanets.layers.Feedforward(3, "in", inputs="in"), "'inputs' is given twice"),
    (lambda: theanets.layers.Feedforward(3, 4, "h", "relu", 5), "size, inputs, name, activation by position, found 5"),
    (lambda: theanets.layers.Feedforward("h", 3), "'h': found .3,. by position"),
])
def test_arguments_by_position_that_make_no_sense(make, words):
    with pytest.raises((util.ConfigurationError, TypeError), match=words):
        make()


@pytest.mark.parametrize("specs", [
    lambda n: [4, dict(size=3, inputs=n, name="x"), 2],
    lambda n: [4, theanets.layers.Feedforward(size=3, inputs=n, name="x"), 2],
    lambda n: [dict(size=2, name="a"), 4, dict(size=3, inputs=n, name="x"), 2],
])
def test_an_integer_for_inputs_is_compared_with_the_layer_before(specs):
    net = theanets.Network(specs(4))
    layer = next(layer for layer in net.layers if layer.name == "x")
    assert layer.input_size == 4 and layer.input_name == net.layers[net.layers.index(layer) - 1].output_name
    with pytest.raises(util.ConfigurationError, match="layer 'x': input '(in|hid1):out' was said to have 5 units, but "
                                                      "has 4"):
        theanets.Network(specs(5))
    layer = theanets.layers.Feedforward(size=3, inputs=4, name="x")
    layer.bind(theanets.Network([4]))
    assert names(layer.params) == ["x.w", "x.b"]


def test_an_integer_for_inputs_of_both_directions():
    net = theanets.recurrent.Regressor([2, dict(form="bidirectional", size=4, inputs=2), 1])
    assert net.predict(np.zeros((1, 3, 2))).shape == (1, 3, 1)
    with pytest.raises(util.ConfigurationError, match="said to have 3 units"):
        theanets.recurrent.Regressor([2, dict(form="bidirectional", size=4, inputs=3), 1])


class OldBare(theanets.Layer):
    """By the docs of 0.6: the input itself, a shape that follows, no updates."""

    def setup(self):
        self.add_weights("w")

    def transform(self, inputs):
        return TT.dot(inputs, self.find("w"))


class OldOut(theanets.Layer):
    """By the docs of 0.7."""

    def setup(self):
        self.add_weights("w", self.input_size, self.size)
        self.add_bias("b", std=0)

    def transform(self, inputs):
        return TT.dot(inputs["out"], self.find("w")) + self.find("b"), []


class OldName(OldBare):
    def transform(self, inputs):
        return dict(out=inputs["in"].dot(self.find("w")))


class OldOperators(OldBare):
    def transform(self, inputs):
        x = (2 * inputs + inputs - 1 * inputs) / 2 - inputs[:, :] - -inputs + abs(inputs) - abs(-inputs)
        return (x * inputs**1 / inputs).dot(self.find("w")), []


class OldConstructor(OldBare):
    def __init__(self, size, inputs, name=None, **kwargs):
        super().__init__(size, inputs, name, **kwargs)


class OldEverything(OldBare):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("spec", [
    (3, "oldbare"), (3, "oldout"), (3, "oldname"), (3, "oldoperators"), lambda: OldConstructor(3, 4, rng=13),
    lambda: OldConstructor(3, "in", rng=13), lambda: OldEverything(3, "in", rng=13), lambda: OldEverything(3, rng=13),
])
def test_layers_by_the_docs_of_earlier_releases(spec):
    net = theanets.Regressor([4, spec() if callable(spec) else spec, 2])
    w = net.layers[1].find("w").get_value()
    hidden = net.feed_forward(EXAMPLES)[net.layers[1].output_name]
    np.testing.assert_allclose(hidden, EXAMPLES @ w, rtol=1e-5, atol=1e-6)
    assert np.isfinite(net.train([EXAMPLES, EXAMPLES[:, :2]], algo="sgd", epochs=1)[0]["loss"])


def test_the_warning_says_what_to_write_today():
    with pytest.warns(DeprecationWarning, match=r"layer 'hid1': .*write inputs\[self.input_name\]"):
        theanets.Regressor([4, (3, "oldbare"), 2]).predict(EXAMPLES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theanets.Regressor([4, (4, "twofaced"), 2]).predict(EXAMPLES)


class NoSetup(theanets.Layer):
    def transform(self, inputs):
        return TT.dot(inputs[self.input_name], self.find("w")), []


class NoResult(theanets.Layer):
    def transform(self, inputs):
        pass


class Foreign(theanets.Layer):
    def transform(self, inputs):
        return inputs["nothing"], []


class Undecided(theanets.Layer):
    def transform(self, inputs):
        return TT.tanh(inputs), []


class OldLog(theanets.Layer):
    def setup(self):
        self.log_setup(self.add_weights("w", self.nin, self.nout))


@pytest.mark.parametrize("spec, error, words", [
    (dict(form="nosetup", size=3), KeyError, r"no parameter 'w' .*in setup\(\), as by self.add_weights\('w'\)"),
    (dict(form="noresult", size=3), util.ConfigurationError, "returned None, expected a pair of the outputs and"),
    (dict(form="foreign", size=3), KeyError, r"asks for inputs\['nothing'\].*there are: in:out, hid1:out.*input_names"),
    (dict(form="undecided", size=4, inputs=("in", "hid1")), util.ConfigurationError, r"has 2 inputs: .*inputs\[name\]"),
    (dict(form="oldlog", size=3), AttributeError, "'log_setup'; leave it out"),
])
def test_layers_that_cannot_work_say_what_to_write(spec, error, words):
    with pytest.raises(error, match=words):
        theanets.Regressor([4, 4, spec, 2]).predict(EXAMPLES)


@pytest.mark.parametrize("name, words", [("nin", "self.input_size"), ("weights", r"find\('w'\)"), ("anything", "")])
def test_attributes_that_layers_had(name, words):
    layer = theanets.Regressor([4, 2]).layers[1]
    assert not hasattr(layer, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'.*{words}"):
        getattr(layer, name)
    assert names(copy.deepcopy(layer).params) == names(pickle.loads(pickle.dumps(layer)).params) == ["out.w", "out.b"]
