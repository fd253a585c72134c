"""Activations: golden numbers, the formulas in NumPy, gradients, names, parameters.

The marks A1 to A9 number the items of section 7.1 of the contract.
"""

import functools
import pickle

import numpy as np
import pytest
import scipy.special
import theanets
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import activations, util
from theanets.layers import Layer

from . import helpers

GOLDEN = helpers.load_golden("activations-losses-regularizers")["activations"]


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def deviation(z):
    return z.std(axis=-1, keepdims=True) + 1e-8


#: Every activation without parameters, in plain NumPy.
COMMON = {
    "exp": np.exp,
    "gelu": lambda z: z * scipy.special.ndtr(z),
    "hard_sigmoid": lambda z: np.clip(z / 6 + 0.5, 0, 1),
    "linear": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
    "norm:max": lambda z: z / (abs(z).max(axis=-1, keepdims=True) + 1e-8),
    "norm:mean": lambda z: z - z.mean(axis=-1, keepdims=True),
    "norm:std": lambda z: z / deviation(z),
    "norm:z": lambda z: (z - z.mean(axis=-1, keepdims=True)) / deviation(z),
    "rect:max": lambda z: np.maximum(z, 0),
    "rect:min": lambda z: np.minimum(z, 1),
    "rect:minmax": lambda z: np.clip(z, 0, 1),
    "relu": lambda z: np.maximum(z, 0),
    "selu": lambda z: 1.0507009873554805 * np.where(z < 0, 1.6732632423543772 * np.expm1(np.minimum(z, 0)), z),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "softmax": softmax,
    "softplus": lambda z: np.logaddexp(0, z),
    "swish": lambda z: z / (1 + np.exp(-z)),
    "tanh": np.tanh,
}

#: Every activation with parameters: their short names in order, and the value for z and those parameters.
LEARNED = {
    "prelu": (["leak"], lambda z, leak: np.where(z < 0, np.exp(leak) * z, z)),
    "lgrelu": (["gain", "leak"], lambda z, gain, leak: np.where(z < 0, np.exp(leak), np.exp(gain)) * z),
    "elu": (["gain"], lambda z, gain: np.where(z < 0, np.exp(gain) * np.expm1(np.minimum(z, 0)), z)),
    "maxout:3": (["slope", "intercept"], lambda z, slope, bias: (z[..., None] * slope + bias).max(axis=-1)),
}

ALIASES = {"leaky-relu": "prelu", "leaky-gain-relu": "lgrelu"}
COMPOSED = ["relu+norm:z", "softplus+tanh", "linear+tanh+softmax", "prelu+tanh", "tanh+maxout:2", "prelu+lgrelu"]
EVERY = sorted(COMMON) + sorted(LEARNED) + COMPOSED

#: No value near a kink of an activation (0 and 1), nor two of the same size.
SMOOTH = helpers.floats([[-1.7, -0.6, 0.45, 1.9], [0.2, -0.35, 2.3, -2.8], [0.75, 1.4, -1.15, 0.55]])


def layer(size=4, nin=3, seed=13, **kwargs):
    """A bound feedforward layer called ``l``."""
    result = Layer.build("ff", size=size, name="l", inputs="in", rng=seed, **kwargs)
    result.bind(theanets.Network([nin]))
    return result


def fresh(size, seed=13):
    """A layer whose generator has not been used since it was seeded."""
    result = layer(size, seed=seed)
    result.rng = np.random.RandomState(seed)
    return result


@functools.cache
def compiled(name, ndim, size=4):
    """The activation, and a function that gives its value and the gradient of its sum."""
    activation = activations.build(name, fresh(size))
    z = TT.TensorType(util.FLOAT, (False,) * ndim)("z")
    value = activation(z)
    return activation, theano.function([z], [value, TT.grad(value.sum(), z, disconnected_inputs="ignore")])


def expected_value(name, z, params):
    if name in COMMON:
        return COMMON[name](z)
    return LEARNED[ALIASES.get(name, name)][1](z, *params)


# ---- values


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['id']}-{case['activation']}")
def test_golden_value_and_gradient(case):
    # includes A1 (act-39: elu of large numbers) and A2 (act-17, act-18: constant rows).
    z = helpers.floats(case["input"])
    activation = activations.build(case["activation"], fresh(z.shape[-1]))
    assert activation.name == case["name_attr"]
    assert len(activation.params) == len(case.get("params", []))
    for param, given_ in zip(activation.params, case.get("params", [])):
        if case["param_source"] == "explicit":
            param.set_value(helpers.floats(given_["value"]))
        assert param.name.removesuffix("_2") == given_["name"]
        assert param.dtype == util.FLOAT
        helpers.assert_golden(param.get_value(), given_["value"])
    x = TT.TensorType(util.FLOAT, (False,) * z.ndim)("x")
    value = activation(x)
    value, grad = helpers.evaluate([value, TT.grad(value.sum(), x, disconnected_inputs="ignore")], {x: z})
    helpers.assert_golden(value, case.get("expected_output", case["output"]))
    helpers.assert_golden(grad, case.get("expected_grad_of_sum", case["grad_of_sum"]))


@pytest.mark.parametrize("name", EVERY)
def test_what_is_not_a_number_stays_so(name):
    value, _ = compiled(name, 2)[1](helpers.floats([[1, -2, np.nan, 3]]))
    assert np.isnan(value[0, 2])


def test_every_function_has_an_expectation():
    assert set(activations.COMMON) == set(COMMON)
    registry = activations.Activation._registry
    registered = {key for key, cls in registry.items() if cls.__module__ == "theanets.activations"}
    learned = {name.split(":")[0] for name in LEARNED} | set(ALIASES)
    assert registered - {"activation", "compose", "pointwise"} == learned


@pytest.mark.parametrize("name", sorted(COMMON))
def test_common_names_are_plain_callables(name):
    z = TT.matrix("z")
    helpers.assert_golden(helpers.evaluate(activations.COMMON[name](z), {z: SMOOTH}), COMMON[name](SMOOTH.astype("d")))


@pytest.mark.parametrize("name", sorted(COMMON) + sorted(LEARNED) + sorted(ALIASES))
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 4)], ids=len)
def test_value_along_the_last_axis_for_any_rank(name, shape, rng):
    activation, function = compiled(name, len(shape))
    z = helpers.floats(3 * rng.randn(*shape))
    value, _ = function(z)
    assert value.dtype == util.FLOAT
    params = [p.get_value().astype("d") for p in activation.params]
    np.testing.assert_allclose(value, expected_value(name, z.astype("d"), params), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", EVERY)
def test_rows_do_not_influence_each_other(name):
    # `norm:*` is a normalisation of one example, never of a batch.
    _, function = compiled(name, 2)
    together, _ = function(SMOOTH)
    apart = [function(SMOOTH[i : i + 1])[0][0] for i in range(len(SMOOTH))]
    np.testing.assert_allclose(together, apart, rtol=1e-6, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=4, max_size=4))
def test_properties_of_normalising_activations(row):
    z = helpers.floats([row])
    probabilities = compiled("softmax", 2)[1](z)[0]
    assert (probabilities >= 0).all() and abs(probabilities.sum() - 1) < 1e-5
    assert abs(compiled("norm:max", 2)[1](z)[0]).max() <= 1 + 1e-6
    assert abs(compiled("norm:mean", 2)[1](z)[0].sum()) < 1e-3
    if z.std() > 1e-2:
        assert abs(compiled("norm:z", 2)[1](z)[0].std() - 1) < 1e-2
        assert abs(compiled("norm:std", 2)[1](z)[0].std() - 1) < 1e-2


# ---- gradients


@pytest.mark.parametrize("name", EVERY)
def test_gradient_agrees_with_finite_differences(name):
    activation = activations.build(name, fresh(4))
    z = TT.matrix("z")
    weights = helpers.floats(np.random.RandomState(4).randn(*SMOOTH.shape))
    total = (activation(z) * weights).sum()
    grads = TT.grad(total, [z, *activation.params])
    function = theano.function([z], [total, *grads])
    analytic = function(SMOOTH)[1:]
    np.testing.assert_allclose(analytic[0], helpers.numeric_gradient(lambda x: function(x)[0], SMOOTH), atol=5e-3)
    for param, grad in zip(activation.params, analytic[1:]):

        def at(value, param=param):
            start = param.get_value()
            param.set_value(value)
            result = function(SMOOTH)[0]
            param.set_value(start)
            return result

        np.testing.assert_allclose(grad, helpers.numeric_gradient(at, param.get_value()), atol=5e-3)


@pytest.mark.parametrize("name", EVERY)
def test_extreme_inputs_stay_finite(name):
    # the exponential of 1e4 is infinite.
    high = 80 if name == "exp" else 1e4
    value, grad = compiled(name, 2)[1](helpers.floats([[-1e4, 0, 1e-4, high], [0, 0, 0, 0], [high] * 4]))
    assert np.isfinite(value).all()
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("start", [100, 800, 1e4, 1e38])
def test_a1_elu_is_the_identity_above_zero(start):
    activation, function = compiled("elu", 1)
    z = helpers.floats([0, 1, start, start])
    value, grad = function(z)
    np.testing.assert_array_equal(value, z)
    np.testing.assert_array_equal(grad, [1, 1, 1, 1])
    x = TT.vector()
    gain = helpers.evaluate(TT.grad(activation(x).sum(), activation.params[0]), {x: z})
    np.testing.assert_array_equal(gain, [0, 0, 0, 0])


@pytest.mark.parametrize("name", ["relu+norm:z", "relu+norm:std", "norm:z", "norm:std"])
def test_a2_a_layer_of_dead_units_does_not_poison_training(name, rng):
    net = theanets.Regressor([3, (4, name), 2])
    net.find("hid1", "w").set_value(0 * net.find("hid1", "w").get_value())
    net.find("hid1", "b").set_value(helpers.floats([-100] * 4))
    data = [rng.randn(10, 3), rng.randn(10, 2)]
    list(net.itertrain(data, algo="sgd", learning_rate=0.01, max_updates=1))
    for param in net.params:
        assert np.isfinite(param.get_value()).all(), param.name


def test_kinks_have_the_mean_of_both_slopes():
    z = helpers.floats([0, 0, 0, 0])
    assert compiled("relu", 1)[1](z)[1].tolist() == [0.5] * 4
    for name in ["prelu", "lgrelu"]:
        activation, function = compiled(name, 1)
        leak = np.exp(activation.leak.get_value())
        gain = np.exp(activation.gain.get_value()) if name == "lgrelu" else 1
        np.testing.assert_allclose(function(z)[1], (gain + leak) / 2, rtol=1e-6)
    assert compiled("elu", 1)[1](z)[1].tolist() == [1] * 4


def test_maxout_adds_the_slopes_of_pieces_that_tie():
    activation = activations.build("maxout:2", fresh(2))
    activation.slope.set_value(helpers.floats([[1, 3], [2, -1]]))
    activation.intercept.set_value(helpers.floats([[0, 0], [0, 0]]))
    z = TT.vector()
    grad = helpers.evaluate(TT.grad(activation(z).sum(), z), {z: helpers.floats([0, 0])})
    assert grad.tolist() == [4, 1]


# ---- precision

#: Sizes of inputs, from far below the resolution of the float type beside 1 to far above.
SIZES = [0, 1e-30, 1e-20, 1e-10, 1e-8, 1e-5, 1e-3, 0.1, 0.5, 0.9999999, 1, 1.0000001, 2, 5, 20, 50, 100, 1e3, 1e5,
         1.7e7, 3e8, 1e15, 2e15, 1e20, 1e30]
NUMBERS = np.array(sorted({sign * size for size in SIZES for sign in (-1, 1)}), util.FLOAT)

#: Derivatives in plain NumPy, with the mean of both slopes at a kink. (The others are no better than the resolution
#: of the float type beside 1.)
SLOPES = {
    "relu": lambda z: np.heaviside(z, 0.5),
    "rect:min": lambda z: np.heaviside(1 - z, 0.5),
    "rect:minmax": lambda z: np.heaviside(z, 0.5) * np.heaviside(1 - z, 0.5),
    "softplus": lambda z: np.exp(-np.logaddexp(0, -z)),
    "prelu": lambda z, leak: np.where(z == 0, (1 + np.exp(leak)) / 2, np.where(z > 0, 1, np.exp(leak))),
    "lgrelu": lambda z, gain, leak: np.where(
        z == 0, (np.exp(gain) + np.exp(leak)) / 2, np.exp(np.where(z > 0, gain, leak))),
    "elu": lambda z, gain: np.where(z >= 0, 1, np.exp(gain + np.minimum(z, 0))),
}


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", "XLA"])
@pytest.mark.parametrize("name", sorted({*SLOPES, "tanh", "sigmoid"}))
def test_numbers_of_any_size(name, mode):
    activation = activations.build(name, fresh(len(NUMBERS)))
    z = TT.vector()
    value, slope = theano.function([z], [activation(z), TT.grad(activation(z).sum(), z)], mode=mode)(NUMBERS)
    params = [param.get_value().astype("d") for param in activation.params]
    # Theano's Python takes what is made of an exponential for zero at less than -30.
    atol = 1e-12 if name in ("sigmoid", "softplus") else 1e-37
    with np.errstate(over="ignore"):
        expected = expected_value(name, NUMBERS.astype("d"), params)
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=atol)
    if name in SLOPES:
        np.testing.assert_allclose(slope, SLOPES[name](NUMBERS.astype("d"), *params), rtol=2e-6, atol=atol)


@pytest.mark.parametrize("name, low, high", [("rect:min", -np.inf, 1), ("rect:minmax", 0, 1)])
def test_infinite_inputs(name, low, high):
    value, slope = compiled(name, 1, 3)[1](helpers.floats([-np.inf, 0, np.inf]))
    assert value.tolist() == [low, 0, high]
    assert slope.tolist() == ([1, 1, 0] if name == "rect:min" else [0, 0.5, 0])


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", "XLA"])
@pytest.mark.parametrize("name", ["softmax", "norm:max", "norm:mean", "norm:std", "norm:z"])
def test_rows_of_any_size(name, mode, rng):
    z, weights = TT.matrix(), helpers.floats(rng.randn(5, 3))
    value = activations.COMMON[name](z)
    function = theano.function([z], [value, TT.grad((value * weights).sum(), z)], mode=mode)
    rows = helpers.floats([[1, 2, -3], [0.3, 0.3, 0.3], [1, 1, 2], [0, -5, 1e-3], [77.7, 77.7, 77.7]])
    for size in SIZES:
        given_z = rows * np.array(size, util.FLOAT)
        with np.errstate(over="ignore"):
            expected = COMMON[name](given_z.astype("d"))
        if name == "norm:z":
            # NumPy's own mean of equal numbers may be another one.
            expected[[1, 4]] = 0
        if name == "norm:std":
            expected[[1, 4]] = given_z[[1, 4]].astype("d") / 1e-8
        found, slope = function(given_z)
        assert np.isfinite(slope).all()
        fits = abs(expected) < np.finfo(util.FLOAT).max
        np.testing.assert_allclose(found[fits], expected[fits], rtol=1e-5, atol=1e-6 * min(1, size) + 1e-6 * (
            size if name == "norm:mean" else 1 if name != "norm:max" else 0))


@pytest.mark.parametrize("count", [3, 5, 7, 10])
@pytest.mark.parametrize("name", ["norm:mean", "norm:z"])
def test_equal_values_do_not_deviate_from_their_mean(name, count, rng):
    z = np.repeat(helpers.floats(100 * rng.rand(50, 1)), count, axis=1)
    assert (compiled(name, 2)[1](z)[0] == 0).all()


# ---- logarithms


@pytest.mark.parametrize("make, name", [
    (activations.softmax, "softmax"), (TT.nnet.softmax, "softmax"), (TT.nnet.sigmoid, "sigmoid"),
    (lambda z: activations.softmax(z)[:, ::-1], "softmax"), (lambda z: TT.nnet.sigmoid(z).T, "sigmoid"),
    (lambda z: TT.concatenate([TT.nnet.sigmoid(z), TT.nnet.sigmoid(-z)], axis=1), "sigmoid"),
    (lambda z: activations.softmax(z).reshape((2, 2, 3)), "softmax"), (lambda z: activations.softmax(z) * 1, None),
    (lambda z: TT.exp(z) / TT.exp(z).sum(), None), (lambda z: TT.concatenate([TT.nnet.sigmoid(z), z]), None),
    (lambda z: activations.softmax(z).max(axis=1), None), (TT.tanh, None), (lambda z: z, None),
    (lambda z: activations.rect_minmax(z), None), (lambda z: TT.exp(z) / 2, None), (lambda z: z - z.max(), None),
])
def test_logarithms_of_what_is_known(make, name, rng):
    z = TT.matrix()
    expr = make(z)
    log = activations.log_of(expr)
    assert (log is None) == (name is None)
    if name is not None:
        small = helpers.floats(rng.randn(4, 3))
        value, expected = helpers.evaluate([log, TT.log(expr)], {z: small})
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
        assert np.isfinite(helpers.evaluate(log, {z: 1e6 * small})).all()


# ---- parameters


@pytest.mark.parametrize("name", sorted(LEARNED))
def test_parameters_are_drawn_from_the_layer_in_order(name):
    activation = activations.build(name, fresh(5, seed=7))
    rng = np.random.RandomState(7)
    short, _ = LEARNED[name]
    assert helpers.names(activation.params) == [f"l.{s}" for s in short]
    for s, param in zip(short, activation.params):
        drawn = rng.randn(5, 3) if name.startswith("maxout") else 0.1 * abs(rng.randn(5))
        np.testing.assert_allclose(param.get_value(), drawn, rtol=1e-6)
        assert getattr(activation, s) is param


@pytest.mark.parametrize("name, expected", [
    ("prelu", -11.501862), ("elu", -1.150134), ("lgrelu", -10.527784), ("maxout:3", 16.604240),
])
def test_golden_value_after_the_layer_has_drawn_its_weights(name, expected):
    x = TT.vector()
    activation = activations.build(name, layer(7, nin=3))
    value = helpers.evaluate(activation(x), {x: helpers.floats([-10, 0, 0, 0, 0, 0, 0])})
    np.testing.assert_allclose(value[0], expected, rtol=1e-6)


def test_activation_draws_before_the_weights():
    net = theanets.Autoencoder([4, (3, "prelu"), 4])
    assert helpers.names(net.params) == ["hid1.w", "hid1.b", "hid1.leak", "out.w", "out.b"]
    np.testing.assert_allclose(net.find("hid1", "leak").get_value(), [0.07123907, 0.07537664, 0.004450308], rtol=1e-6)
    np.testing.assert_allclose(net.find("hid1", "w").get_value()[0], [0.170769, 0.5084007, 0.2012048], rtol=1e-6)


def test_maxout_remembers_its_pieces():
    activation = activations.build("maxout:3", layer())
    assert (activation.name, activation.pieces) == ("maxout", 3)
    assert activation.slope.get_value().shape == activation.intercept.get_value().shape == (4, 3)
    assert activations.build("maxout", layer(), pieces=2).pieces == 2


def test_parameters_are_exposed_and_trained(rng):
    net = theanets.Regressor([3, (4, "maxout:2"), 2])
    assert helpers.names(net.layers[1].params) == ["hid1.w", "hid1.b", "hid1.slope", "hid1.intercept"]
    assert net.num_params == 12 + 4 + 8 + 8 + 8 + 2
    before = helpers.values(net)
    net.train([rng.randn(10, 3), rng.randn(10, 2)], algo="sgd", learning_rate=0.01, max_updates=2)
    for name in ["hid1.slope", "hid1.intercept"]:
        assert (helpers.values(net)[name] != before[name]).any()
    # matrices of `maxout` have two dimensions, so they are penalised like weights; vectors are not.
    penalty = net.loss(weight_l2=dict(weight=1, pattern="hid1.slope")) - net.loss()
    value = helpers.compute(penalty, net.variables, [helpers.floats(rng.randn(5, n)) for n in (3, 2)])
    np.testing.assert_allclose(value, (net.find("hid1", "slope").get_value() ** 2).mean(), rtol=1e-4)


@pytest.mark.parametrize("name, index, short", [
    ("prelu", 2, "leak"), ("lgrelu", 2, "gain"), ("lgrelu", 3, "leak"), ("maxout:2", 3, "intercept"),
])
def test_a4_parameters_are_found(name, index, short):
    net = theanets.Regressor([3, (4, name), 2])
    param = net.find("hid1", short)
    assert param.name == f"hid1.{short}"
    assert param is net.find(1, index) is net.layers[1].find(short) is net.layers[1].params[index]


@pytest.mark.parametrize("name", ["prelu", "lgrelu", "maxout:2", "prelu+elu"])
def test_a5_rebinding_keeps_activation_and_parameters(name, rng):
    net = theanets.Regressor([3, (4, name), 2])
    hid = net.layers[1]
    net.predict(rng.randn(5, 3))
    for param in hid.activate.params:
        param.set_value(param.get_value() + 7)
    activation, params, before = hid.activate, list(net.params), helpers.values(net)
    hid.bind(net, initialize=False)
    assert hid.activate is activation
    assert all(a is b for a, b in zip(net.params, params)) and len(net.params) == len(params)
    helpers.assert_same_values(helpers.values(net), before)


def test_a9_composed_parameters_have_unique_names(rng):
    net = theanets.Regressor([3, (4, "prelu+lgrelu"), 2])
    assert sorted(helpers.names(net.layers[1].activate.params)) == ["hid1.gain", "hid1.leak", "hid1.leak_2"]
    assert net.find("hid1", "leak") is net.layers[1].activate.f.leak  # the inner one was made first
    assert net.find("hid1", "leak_2") is net.layers[1].activate.g.leak
    train, _ = net.train([rng.randn(5, 3), rng.randn(5, 2)], max_updates=1, monitor_gradients=True)
    assert {"grad(hid1.leak)", "grad(hid1.leak_2)", "grad(hid1.gain)"} <= set(train)
    three = activations.build("prelu+elu+lgrelu", layer())
    assert len(set(helpers.names(three.params))) == 4


# ---- names


@pytest.mark.parametrize("name", sorted(COMMON))
def test_common_activations_carry_their_name_and_no_parameters(name):
    activation = activations.build(name, layer())
    assert activation.name == name
    assert activation.params == []


@pytest.mark.parametrize("first, second", [("sigmoid", "logistic"), ("relu", "rect:max")])
def test_a3_building_one_leaves_the_other_alone(first, second):
    one = activations.build(first, layer())
    two = activations.build(second, layer())
    assert (one.name, two.name) == (first, second)


def test_a3_the_backend_is_not_renamed():
    attributes = {f: dict(vars(f)) for f in (TT.tanh, TT.nnet.softplus)}
    for name in ["tanh", "softplus"]:
        activations.build(name, layer())
    for function, before in attributes.items():
        assert vars(function) == before


@pytest.mark.parametrize("spelling, name", [
    ("ReLU", "relu"), ("RECT:MinMax", "rect:minmax"), (" tanh ", "tanh"), ("PReLU", "prelu"), ("Leaky-ReLU", "prelu"),
    ("relu + tanh", "relu+tanh"), ("  ReLU+ Norm:Z ", "relu+norm:z"), ("MAXOUT:3", "maxout:3"),
    (" Maxout: 3 ", "maxout:3"),
])
def test_a6_names_ignore_case_and_blanks(spelling, name):
    one, two = activations.build(spelling, fresh(4)), activations.build(name, fresh(4))
    z = TT.matrix()
    np.testing.assert_array_equal(*helpers.evaluate([one(z), two(z)], {z: SMOOTH}))


def test_a6_names_ignore_case_in_layer_specs():
    net = theanets.Regressor([3, (4, "ReLU"), dict(size=4, activation=" Tanh + RELU "), 2])
    plain = theanets.Regressor([3, (4, "relu"), dict(size=4, activation="tanh+relu"), 2])
    np.testing.assert_array_equal(net.predict(SMOOTH[:, :3]), plain.predict(SMOOTH[:, :3]))


@pytest.mark.parametrize("name", ["foo", "relu+", "+relu", "maxout", "maxout:x", "maxout:0", "maxout:-1", "maxout:1.5",
                                  "maxout:", "", None, 3, np.tanh, lambda z: z],
                         ids=lambda name: getattr(name, "__name__", str(name)))
def test_a7_wrong_names_are_configuration_errors(name):
    with pytest.raises(util.ConfigurationError) as caught:
        activations.build(name, layer())
    assert str(name).removeprefix("maxout:") in str(caught.value)
    if isinstance(name, str) and name:
        with pytest.raises(util.ConfigurationError):
            theanets.Regressor([3, dict(size=4, activation=name), 2])


def test_a7_unknown_names_list_the_known_ones():
    with pytest.raises(util.ConfigurationError) as caught:
        activations.build("sigmod", layer())
    text = str(caught.value)
    assert "'sigmod'" in text and "'sigmoid'" in text
    assert all(name in text for name in [*COMMON, "prelu", "lgrelu", "elu", "maxout"])
    with pytest.raises(KeyError):
        activations.build("sigmod", layer())


# ---- composition


def test_composition_applies_the_leftmost_first():
    z = TT.matrix()
    for name in ["relu+tanh", "tanh+relu", "softplus+norm:z", "linear+tanh+softmax"]:
        expected = SMOOTH.astype("d")
        for part in name.split("+"):
            expected = COMMON[part](expected)
        helpers.assert_golden(helpers.evaluate(activations.build(name, layer())(z), {z: SMOOTH}), expected)


def test_composition_knows_its_halves():
    chain = activations.build("tanh+prelu+maxout:2", layer())
    assert isinstance(chain, activations.Compose) and isinstance(chain.f, activations.Compose)
    assert chain.name == "maxout(prelu(tanh))"
    assert (chain.f.name, chain.g.name) == ("prelu(tanh)", "maxout")
    assert (chain.f.f.name, chain.f.g.name) == ("tanh", "prelu")
    assert chain.params == chain.g.params + chain.f.params
    assert helpers.names(chain.params) == ["l.slope", "l.intercept", "l.leak"]
    assert chain.layer is None and chain.kwargs == {}


@pytest.mark.parametrize("name", EVERY)
def test_pickled_activations_work_and_keep_their_names(name):
    activation = activations.build(name, fresh(4))
    again = pickle.loads(pickle.dumps(activation, protocol=pickle.HIGHEST_PROTOCOL))
    assert again.name == activation.name
    assert helpers.names(again.params) == helpers.names(activation.params)
    if isinstance(activation, activations.Compose):
        assert (again.f.name, again.g.name) == (activation.f.name, activation.g.name)
    z = TT.matrix()
    np.testing.assert_array_equal(*helpers.evaluate([activation(z), again(z)], {z: SMOOTH}))


# ---- writing one's own


class Cubic(theanets.Activation):
    """z + scale * z^3, for a learnable scale."""

    __extra_registration_keys__ = ["Cubic-Spelling"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.params.append(theano.shared(helpers.floats([0.5] * self.layer.output_size), name=f"{self.layer.name}.c"))

    def __call__(self, x):
        return x + self.params[0] * x**3


@pytest.mark.parametrize("name", ["cubic", "CUBIC", "cubic-spelling"])
def test_own_activation_is_available_by_name(name, rng):
    net = theanets.Regressor([3, (4, name), 2])
    assert net.find("hid1", "c").name == "hid1.c"
    x = helpers.floats(rng.randn(5, 3))
    outputs = net.feed_forward(x)
    pre = outputs["hid1:pre"]
    np.testing.assert_allclose(outputs["hid1:out"], pre + 0.5 * pre**3, rtol=1e-5, atol=1e-6)
    chained = activations.build(f"tanh+{name}", layer())
    assert (chained.name, helpers.names(chained.params)) == (f"{chained.g.name}(tanh)", ["l.c"])


def test_base_class_stores_what_it_is_given():
    owner = layer()
    activation = theanets.Activation("spam", owner, eggs=3)
    assert (activation.name, activation.layer, activation.kwargs, activation.params) == ("spam", owner, {"eggs": 3}, [])
    with pytest.raises(NotImplementedError):
        activation(TT.matrix())


def test_instances_are_used_as_they_are():
    activation = activations.build("prelu", layer())
    assert activations.build(activation, layer(size=7), anything="ignored") is activation
    net = theanets.Regressor([3, dict(size=4, activation=activation), 2])
    assert net.layers[1].activate is activation
    assert "l.leak" in helpers.names(net.params)


def test_a8_subclasses_do_not_take_over_aliases():
    class Quiet(activations.Prelu):
        pass

    assert type(activations.build("leaky-relu", layer())) is activations.Prelu
    assert type(activations.build("prelu", layer())) is activations.Prelu
    assert type(activations.build("quiet", layer())) is Quiet


def test_a8_holds_in_every_family():
    class QuietLoss(theanets.losses.MeanSquaredError):
        pass

    class QuietRegularizer(theanets.regularizers.WeightL2):
        pass

    class QuietLayer(theanets.layers.Feedforward):
        pass

    assert type(theanets.Loss.build("mse", target=2)) is theanets.losses.MeanSquaredError
    assert type(theanets.Loss.build("quietloss", target=2)) is QuietLoss
    assert type(theanets.Regularizer.build("weight_decay")) is theanets.regularizers.WeightL2
    assert type(theanets.Regularizer.build("quietregularizer")) is QuietRegularizer
    assert type(theanets.Layer.build("ff", size=3)) is theanets.layers.Feedforward
    assert type(theanets.Layer.build("quietlayer", size=3)) is QuietLayer


TORCH = helpers.load_golden("torch")


@pytest.mark.parametrize("name", TORCH["activations"])
def test_values_and_gradients_of_torch(name):
    x, case = TT.vector(), TORCH["activations"][name]
    y = activations.FUNCTIONS[name](x)
    value, gradient = theano.function([x], [y, theano.grad(y.sum(), x)])(helpers.floats(TORCH["x"]))
    np.testing.assert_allclose(value, case["value"], rtol=1e-5, atol=1e-7)
    # at the kinks of hard_sigmoid there is the mean of both slopes.
    smooth = [place for place, at in enumerate(TORCH["x"]) if abs(at) != 3]
    np.testing.assert_allclose(gradient[smooth], np.array(case["gradient"])[smooth], rtol=1e-5, atol=1e-6)


def test_selu_has_its_initial_weights():
    net = theanets.Regressor([400, (300, "selu"), (300, "relu"), 1])
    assert net.find("hid1", "w").get_value().std() == pytest.approx(1 / 20, rel=0.02)
    assert not net.find("hid1", "b").get_value().any() and net.find("hid2", "b").get_value().any()
    outputs = net.feed_forward(np.random.RandomState(0).randn(200, 400))["hid1:out"]
    assert abs(outputs.mean()) < 0.1 and outputs.std() == pytest.approx(1, abs=0.1)
