"""Recurrent layers: golden numbers, equations in NumPy, gradients, initial states, both directions, bad options.

The marks R1, R2, ... number items of section 13 of the contract of the recurrent part.
"""

import logging
import pickle
import warnings

import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from theanets import recurrent, util

from tests.helpers import alone, epochs, evaluate, load_golden, log_records, names, tuples, values

GOLDEN = load_golden("recurrent-convolution")
INPUTS = {name: np.array(item["values"], "f") for name, item in GOLDEN["inputs"].items()}


def is_recurrent(case):
    return case["model"].startswith("recurrent.") and "conv" not in case["id"]


LAYER_CASES = [case for case in GOLDEN["layer_cases"] if is_recurrent(case)]
INIT_CASES = [case for case in GOLDEN["init_cases"] if is_recurrent(case)]


def golden_model(case):
    rng = np.random.RandomState(13) if case["rng"] == "RandomState(13)" else case["rng"]
    layers = [dict(spec, **{key: tuple(value) for key, value in spec.items() if isinstance(value, list)})
              if isinstance(spec, dict) else spec for spec in tuples(case["layers"])]
    return getattr(recurrent, case.get("model", "recurrent.Regressor").partition(".")[2])(layers, rng=rng)


def fixed_rate(net, name):
    """The shared variable of the rates of a layer, found in the graph of its output."""
    (rate,) = [variable for variable in theano.gof.graph.inputs([net.build_graph()[0][f"{name}:rate"]])
               if isinstance(variable, theano.compile.SharedVariable) and variable.name == f"{name}.rate"]
    return rate


def array(item):
    return np.array(item["values"], item["dtype"]).reshape(item["shape"])


# Golden numbers.


def test_there_are_golden_cases():
    assert len(LAYER_CASES) == 25 and len(INIT_CASES) == 15


@pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case["id"])
def test_golden_layer(case):
    net = golden_model(case)
    assert names(net.params) == [item["name"] for item in case["params"]]
    for param, item in zip(net.params, case["params"]):
        np.testing.assert_array_equal(param.get_value(), array(item), err_msg=param.name)
    shapes = {**case["output_shapes"], **case.get("output_shapes_repaired", {})}
    assert {layer.name: list(layer.output_shape) for layer in net.layers} == shapes
    expected = {name: array(item) for name, item in {**case["outputs"], **case.get("outputs_repaired", {})}.items()}
    if "numpy_global_seed" in case:
        # R42: the reference draws these from NumPy's global generator.
        fixed_rate(net, "hid1").set_value(expected["hid1:rate"])
    outputs = net.feed_forward({name: INPUTS[key] for name, key in case["inputs"].items()})
    actual = {name: value for name, value in outputs.items() if name.partition(":")[0] not in case["inputs"]}
    assert sorted(actual) == sorted(expected)
    for name, value in expected.items():
        assert actual[name].shape == value.shape and actual[name].dtype == util.FLOAT, name
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=5e-6, err_msg=name)


@pytest.mark.parametrize("case", INIT_CASES, ids=lambda case: case["id"])
def test_golden_initial_values(case):
    net = golden_model(case)
    assert names(net.params) == [item["name"] for item in case["params"]]
    for param, item in zip(net.params, case["params"]):
        if case["exact"]:
            np.testing.assert_array_equal(param.get_value(), array(item), err_msg=param.name)
        else:
            np.testing.assert_allclose(param.get_value(), array(item), rtol=0, atol=1e-6, err_msg=param.name)


@pytest.mark.parametrize("case", GOLDEN["gradient_cases"], ids=lambda case: case["id"])
def test_golden_gradient(case):
    net = golden_model(case)
    wrt = {variable.name: variable for variable in [*net.inputs, *net.params]}
    cost = net.build_graph()[0]["hid1:out"].sum()
    gradients = theano.grad(cost, [wrt[name] for name in case["gradients"]])
    for name, value in zip(case["gradients"], evaluate(gradients, {net.inputs[0]: INPUTS[case["input"]]})):
        np.testing.assert_allclose(value, array(case["gradients"][name]), rtol=0, atol=5e-6, err_msg=name)


# The equations, in NumPy.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def blocks(z, count):
    return np.split(z, count, axis=-1)


def modules(options, size):
    """The module of each unit, and a mask with a row for each sender and a column for each receiver."""
    count = len(options["periods"]) if "periods" in options else options["num_modules"]
    module = np.arange(size) // (size // count)
    return module, (module[:, None] >= module).astype("d")


def rnn(p, x, s, o):
    pre = x @ p["xh"] + p["b"] + s["h"] @ p["hh"]
    return dict(pre=pre, out=np.tanh(pre)), dict(h=np.tanh(pre))


def bcrnn(p, x, s, o):
    module, mask = modules(o, len(p["b"]))
    rate = 1 - 10 ** np.linspace(-0.0001, -6, o["num_modules"])[module]
    pre = rate * s["pre"] + (1 - rate) * (x @ p["xh"] + p["b"] + s["h"] @ (p["hh"] * mask))
    return dict(pre=pre, out=np.tanh(pre)), dict(pre=pre, h=np.tanh(pre))


def clockwork(p, x, s, o):
    """J Koutník, K Greff, F Gomez, J Schmidhuber, "A Clockwork RNN", ICML 2014."""
    module, mask = modules(o, len(p["b"]))
    fires = s["t"] % np.sort(o["periods"])[module] == 0
    pre = np.where(fires, x @ p["xh"] + p["b"] + s["h"] @ (p["hh"] * mask), s["pre"])
    return dict(pre=pre, out=np.tanh(pre)), dict(pre=pre, h=np.tanh(pre))


def mixed(z, old, new):
    return (1 - z) * old + z * new


def rrnn(p, x, s, o):
    z = sigmoid(x @ p["xr"] + p["r"]) if "xr" in p else sigmoid(p["r"]) if "r" in p else o["fixed"]
    pre = x @ p["xh"] + p["b"] + s["h"] @ p["hh"]
    h = mixed(z, s["h"], np.tanh(pre))
    return dict(pre=pre, hid=np.tanh(pre), rate=z, out=h), dict(h=h)


def mrnn(p, x, s, o):
    """I Sutskever, J Martens, G Hinton, "Generating text with recurrent neural networks", ICML 2011."""
    f = x @ p["xf"]
    pre = x @ p["xh"] + p["b"] + (f * (s["h"] @ p["hf"])) @ p["fh"]
    return dict(pre=pre, factors=f, out=np.tanh(pre)), dict(h=np.tanh(pre))


def lstm(p, x, s, o):
    """F Gers, N Schraudolph, J Schmidhuber, "Learning precise timing with LSTM recurrent networks", JMLR 2002."""
    ai, af, ac, ao = blocks(x @ p["xh"] + p["b"] + s["h"] @ p["hh"], 4)
    i, f = sigmoid(ai + s["c"] * p["ci"]), sigmoid(af + s["c"] * p["cf"])
    c = f * s["c"] + i * np.tanh(ac)
    h = sigmoid(ao + c * p["co"]) * np.tanh(c)
    return dict(out=h, cell=c), dict(h=h, c=c)


def gru(p, x, s, o):
    """K Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014."""
    ah, ar, az = blocks(x @ p["w"] + p["b"], 3)
    r, z = sigmoid(ar + s["h"] @ p["hr"]), sigmoid(az + s["h"] @ p["hz"])
    pre = ah + (r * s["h"]) @ p["hh"]
    h = mixed(z, s["h"], np.tanh(pre))
    return dict(pre=pre, hid=np.tanh(pre), rate=z, out=h), dict(h=h)


def mut1(p, x, s, o):
    """R Jozefowicz, W Zaremba, I Sutskever, "An empirical exploration of recurrent network architectures", 2015."""
    r = sigmoid(x @ p["xr"] + p["br"] + s["h"] @ p["hr"])
    z = sigmoid(x @ p["xz"] + p["bz"])
    pre = np.tanh(x @ p["xh"] + p["bh"]) + (r * s["h"]) @ p["hh"]
    h = mixed(z, s["h"], np.tanh(pre))
    return dict(pre=pre, hid=np.tanh(pre), rate=z, out=h), dict(h=h)


def scrn(p, x, s, o):
    """T Mikolov et al., "Learning longer memory in recurrent neural networks", 2014."""
    z = sigmoid(p["r"]) if "r" in p else o["fixed"]
    ah, a_state = blocks(x @ p["w"], 2)
    state = mixed(z, s["s"], a_state)
    hid = np.tanh(ah + s["h"] @ p["hh"] + state @ p["sh"])
    out = hid @ p["ho"] + state @ p["so"] + p["b"]
    return dict(out=out, hid=hid, state=state, rate=z), dict(h=hid, s=state)


SIZE = 4

FORMS = {
    "rnn": (rnn, dict(form="rnn")),
    "bcrnn": (bcrnn, dict(form="bcrnn", num_modules=2)),
    "rrnn-matrix": (rrnn, dict(form="rrnn")),
    "rrnn-vector": (rrnn, dict(form="rrnn", rate="vector")),
    "rrnn-uniform": (rrnn, dict(form="rrnn", rate="uniform")),
    "rrnn-log": (rrnn, dict(form="rrnn", rate="log")),
    "mrnn": (mrnn, dict(form="mrnn", factors=3)),
    "lstm": (lstm, dict(form="lstm")),
    "gru": (gru, dict(form="gru")),
    "clockwork": (clockwork, dict(form="clockwork", periods=(1, 3))),
    "mut1": (mut1, dict(form="mut1")),
    "scrn": (scrn, dict(form="scrn")),
    "scrn-uniform": (scrn, dict(form="scrn", rate="uniform")),
    "scrn-log": (scrn, dict(form="scrn", rate="log")),
}

#: Options for initial states beside h_0, and the state each is for.
MORE_STATES = {"lstm": {"c_0": "c"}, "scrn": {"s_0": "s"}}

X = np.random.RandomState(1).randn(2, 5, 3).astype("f")
STATES = {option: np.random.RandomState(i).randn(2, SIZE).astype("f") for i, option in enumerate(["h_0", "c_0", "s_0"])}


def spec(key, **kwargs):
    return dict(FORMS[key][1], size=SIZE, activation="tanh", name="l", **kwargs)


def state_options(key):
    return {"h_0": "h", **MORE_STATES.get(FORMS[key][1]["form"], {})}


def run_loop(key, params, x, initial=None, backward=False, fixed=None):
    """Outputs of a layer by name, from its equations; arrays of shape (batch, time, units), or (units, ) for rates."""
    step, options = FORMS[key]
    options = dict(options, fixed=fixed)
    state = {name: np.zeros((len(x), SIZE)) for name in ("h", "c", "s")}
    state.update({state_options(key)[option]: value.astype("d") for option, value in (initial or {}).items()})
    state["pre"] = state["h"]
    order = range(x.shape[1])
    collected = {}
    for t in reversed(order) if backward else order:
        outputs, new = step(params, x[:, t].astype("d"), dict(state, t=t), options)
        state.update(new)
        for name, value in outputs.items():
            collected.setdefault(name, {})[t] = value
    return {name: steps[0] if steps[0].ndim == 1 else np.stack([steps[t] for t in order], axis=1)
            for name, steps in collected.items()}


def network(key, initial=(), **kwargs):
    """A network with the layer ``l``, and inputs for its initial states."""
    sources = [dict(form="input", name=option, size=SIZE, ndim=2) for option in initial]
    layer = spec(key, inputs="in", **{option: option for option in initial}, **kwargs)
    return recurrent.Regressor([3, *sources, layer, dict(size=2, name="out")], rng=np.random.RandomState(5))


def own(net, prefix="l."):
    """Parameters of a layer as arrays of double precision, without the layer's name."""
    return {name[len(prefix):]: value.astype("d") for name, value in values(net).items() if name.startswith(prefix)}


def rates_of(net, key, name="l"):
    return fixed_rate(net, name).get_value().astype("d") if key.endswith(("-uniform", "-log")) else None


def assert_outputs(actual, expected, prefix="l:"):
    for name, value in expected.items():
        assert actual[prefix + name].shape == value.shape, name
        np.testing.assert_allclose(actual[prefix + name], value, rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("key", FORMS)
def test_equations(key, direction):
    """R3: with as many examples as steps, a result whose axes are exchanged would have the right shape.

    With initial states that are given, see :func:`test_gradient`.
    """
    net = network(key, direction=direction)
    backward = direction == "backward"
    for batch, length in [(2, 5), (1, 3), (3, 1), (1, 1), (0, 4), (4, 4)]:
        x = np.random.RandomState(2).randn(batch, length, 3).astype("f")
        outputs = net.feed_forward(x)
        expected = run_loop(key, own(net), x, backward=backward, fixed=rates_of(net, key))
        assert sorted(name for name in outputs if name.startswith("l:")) == sorted(f"l:{name}" for name in expected)
        assert_outputs(outputs, expected)


@pytest.mark.parametrize("key", FORMS)
def test_r34_no_steps(key):
    try:
        y = network(key).predict(np.zeros((2, 0, 3), "f"))
    except ValueError as error:
        assert str(error)
    else:
        assert y.shape == (2, 0, 2)


# Gradients.


def differences(function, arrays, step=1e-5):
    """Central differences of a function of a dict of arrays of double precision, for each of them."""
    result = {}
    for name, value in arrays.items():
        result[name] = np.zeros_like(value)
        for index in np.ndindex(*value.shape):
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved[index] += sign * step
                ends.append(function({**arrays, name: moved}))
            result[name][index] = (ends[0] - ends[1]) / (2 * step)
    return result


@pytest.mark.parametrize("key, direction", [*((key, "forward") for key in FORMS), ("bcrnn", "backward"),
                                            ("lstm", "backward"), ("clockwork", "backward"), ("scrn", "backward")])
def test_gradient(key, direction):
    """Outputs, from initial states that are given, and the gradient of a sum of all of them.

    What is expected comes from the equations and, in double precision, from finite differences of them.
    """
    initial = {option: STATES[option] for option in state_options(key)}
    net = network(key, initial, direction=direction)
    outputs = {name[2:]: value for name, value in net.build_graph()[0].items() if name.startswith("l:")}
    rng, factors = np.random.RandomState(3), {}
    x = X[:, :4]
    fixed = rates_of(net, key)
    for name, value in sorted(run_loop(key, own(net), x, initial, fixed=fixed).items()):
        factors[name] = rng.randn(*value.shape)

    def cost(arrays):
        params = {name: value for name, value in arrays.items() if name not in ("x", *initial)}
        states = {option: arrays[option] for option in initial}
        result = run_loop(key, params, arrays["x"], states, direction == "backward", fixed)
        return sum((factors[name] * result[name]).sum() for name in sorted(factors))

    expected = differences(cost, {**own(net), "x": x.astype("d"), **{k: v.astype("d") for k, v in initial.items()}})
    wrt = {param.name[2:]: param for param in net.params if param.name.startswith("l.")}
    wrt.update({"x" if variable.name == "in" else variable.name: variable for variable in net.inputs})
    total = sum((factors[name].astype(util.FLOAT) * outputs[name]).sum() for name in sorted(factors))
    gradients = theano.grad(total, [wrt[name] for name in expected])
    data = {variable: {"in": x, **initial}[variable.name] for variable in net.inputs}
    results = evaluate([*gradients, *outputs.values()], data)
    loop = run_loop(key, own(net), x, initial, direction == "backward", fixed)
    assert_outputs(dict(zip(outputs, results[len(gradients) :])), loop, "")
    for name, value in zip(expected, results):
        np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("direction, seen", [("forward", slice(3, None)), ("backward", slice(0, 2))])
@pytest.mark.parametrize("key", ["rnn", "clockwork"])
def test_bptt_limit(key, direction, seen):
    """R46: only the last steps that are processed take part in the gradient; values are as ever."""
    free, net = network(key, direction=direction), network(key, direction=direction, bptt_limit=2)
    np.testing.assert_array_equal(free.predict(X), net.predict(X))
    (limited,), (full,) = (
        evaluate([theano.grad(n.build_graph()[0]["l:out"].sum(), n.inputs[0])], {n.inputs[0]: X}) for n in (net, free))
    assert (full != 0).all()
    hidden = np.ones(5, bool)
    hidden[seen] = False
    assert (limited[:, hidden] == 0).all()
    np.testing.assert_allclose(limited[:, seen], full[:, seen], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 100])
def test_bptt_limits_of_all_lengths(limit):
    net = network("gru", bptt_limit=limit)
    (gradient,) = evaluate([theano.grad(net.build_graph()[0]["l:out"].sum(), net.inputs[0])], {net.inputs[0]: X})
    assert (gradient != 0).any(axis=(0, 2)).tolist() == [t >= 5 - limit for t in range(5)]


# Both directions.


@pytest.mark.parametrize("key", FORMS)
def test_bidirectional(key):
    """R1, R44: both workers follow the equations, and what belongs to the same step is joined."""
    step, options = FORMS[key]
    options = {("worker" if name == "form" else name): value for name, value in options.items()}
    net = recurrent.Regressor(
        [3, dict(options, form="bidirectional", size=2 * SIZE, activation="tanh", name="l"), 2],
        rng=np.random.RandomState(5))
    assert net.layers[1].output_shape == (None, 2 * SIZE)
    outputs = net.feed_forward(X)
    halves = {}
    for half in ("fw", "bw"):
        fixed = outputs[f"l:{half}_rate"].astype("d") if key.endswith(("-uniform", "-log")) else None
        halves[half] = run_loop(key, own(net, f"l_{half}."), X, backward=half == "bw", fixed=fixed)
        assert_outputs(outputs, halves[half], f"l:{half}_")
    joined = {name: np.concatenate([value, halves["bw"][name]], axis=-1)
              for name, value in halves["fw"].items() if value.ndim == 3}
    assert_outputs(outputs, joined)
    expected = {f"l:{name}" for name in joined} | {f"l:{half}_{name}" for half in halves for name in halves[half]}
    assert {name for name in outputs if name.startswith("l:")} - {"l:rate"} == expected - {"l:rate"}
    assert net.predict(X).shape == (2, 5, 2)


def test_r1_a_backward_layer_looks_ahead():
    net = recurrent.Regressor([2, dict(form="rnn", size=3, direction="back", activation="tanh"), 2])
    x = np.random.RandomState(0).randn(2, 5, 2).astype("f")
    before = net.predict(x)
    x[:, 0] += 1
    changed = (net.predict(x) != before).any(axis=(0, 2))
    assert changed.tolist() == [True, False, False, False, False]
    x[:, 4] += 1
    assert (net.predict(x) != before).any(axis=(0, 2)).all()


def test_bidirectional_attributes():
    layer = theanets.Layer.build("bidirectional", size=6, name="l", inputs="in", direction="backward", worker="GRU")
    layer.bind(theanets.Network([dict(size=2, ndim=3)]))
    assert (layer.forward.name, layer.backward.name) == ("l_fw", "l_bw")
    assert isinstance(layer.forward, theanets.layers.GRU) and layer.forward.output_size == 3
    assert layer.params == [*layer.forward.params, *layer.backward.params]
    assert layer.num_params == 2 * 3 * 3 * (1 + 2 + 3)
    assert theanets.Layer.build("bidirectional", shape=(4, 6)).output_shape is None
    # the contract's default name is ``layer<N>``.
    assert theanets.Layer.build("bidirectional", size=6).name.rstrip("0123456789") in ("layer", "bidirectional")


@pytest.mark.parametrize("kwargs", [
    dict(size=5), dict(size=1), dict(shape=(None, 3)), {}, dict(size=4, worker="nope"), dict(size=4, worker="ff"),
    dict(size=4, worker="bidirectional"), dict(size=4, worker="input"), dict(size=4, worker="recurrent"),
    dict(size=4, worker=3), dict(size=4, worker=None),
], ids=str)
def test_r2_r41_bad_bidirectional_layers(kwargs):
    with pytest.raises(util.ConfigurationError, match="l"):
        theanets.Layer.build("bidirectional", name="l", inputs="in", **kwargs)


def test_r24_finding_parameters():
    net = recurrent.Regressor([2, dict(form="bidirectional", size=6), 2])
    assert names(net.layers[1].params)[::3] == ["hid1_fw.xh", "hid1_bw.xh"]
    forward, backward = (param for param in net.params if param.name.endswith(".xh"))
    assert net.find("hid1", "fw.xh") is net.find("hid1_fw", "xh") is net.find("hid1", 0) is forward
    assert net.find("hid1", "bw.xh") is net.find("hid1_bw", "xh") is net.find("hid1", 3) is backward
    for which, key in [("hid1", "nope"), ("hid1", "fw.nope"), ("hid1", 6), ("hid1_fw", "nope"), ("hid1_xw", "xh")]:
        with pytest.raises(KeyError):
            net.find(which, key)


def test_r45_workers_and_seeds():
    layers = [2, dict(form="bidirectional", size=6), 2]
    same = values(recurrent.Regressor(layers, rng=4))
    np.testing.assert_array_equal(same["hid1_fw.xh"], same["hid1_bw.xh"])
    other = values(recurrent.Regressor(layers, rng=np.random.RandomState(4)))
    np.testing.assert_array_equal(same["hid1_fw.xh"], other["hid1_fw.xh"])
    assert (other["hid1_fw.xh"] != other["hid1_bw.xh"]).all()


def test_r49_no_activation_that_nobody_uses():
    """Layers behind a bidirectional one start from what its workers leave."""
    net = recurrent.Regressor([2, dict(form="bidirectional", size=6, activation="prelu"), 2],
                              rng=np.random.RandomState(4))
    rng = np.random.RandomState(4)
    for _ in range(2):
        rng.randn(3), rng.randn(2, 3), rng.randn(3, 3), rng.randn(3)
    expected = (rng.randn(6, 2) / np.sqrt(8)).astype("f")
    np.testing.assert_array_equal(net.find("out", "w").get_value(), expected)
    assert [name for name in names(net.params) if "prelu" in name or "hid1." in name] == [
        name for name in names(net.params) if name.startswith(("hid1_fw.", "hid1_bw.")) and "prelu" in name]
    net.train([np.ones((2, 3, 2)), np.ones((2, 3, 2))], algo="sgd", max_updates=1)


# Initial states.


@pytest.mark.parametrize("key", FORMS)
def test_learned_initial_state(key):
    options = state_options(key)
    net = network(key, **dict.fromkeys(options, "learned"))
    zero = network(key)
    learned = [net.find("l", option) for option in options]
    assert names(learned) == [f"l.{option}" for option in options] and all(p in net.params for p in learned)
    for param in learned:
        assert param.get_value().dtype == util.FLOAT
        np.testing.assert_array_equal(param.get_value(), np.zeros(SIZE))
    for name, value in values(zero).items():
        np.testing.assert_array_equal(values(net)[name], value, err_msg=name)
    np.testing.assert_allclose(net.predict(X), zero.predict(X), rtol=1e-5, atol=1e-6)
    initial = {}
    for param, option in zip(learned, options):
        param.set_value(STATES[option][0])
        initial[option] = np.stack([STATES[option][0]] * 2)
    expected = run_loop(key, own(net), X, initial, fixed=rates_of(net, key))
    assert_outputs(net.feed_forward(X), expected)


def test_initial_states_are_learned():
    net = network("lstm", h_0="learned", c_0="learned")
    net.train([X, np.zeros((2, 5, 2))], algo="sgd", learning_rate=0.1, max_updates=1)
    for option in ("h_0", "c_0"):
        assert net.find("l", option).get_value().all()


def test_learned_initial_state_of_both_workers():
    net = recurrent.Regressor([2, dict(form="bidirectional", size=6, worker="lstm", h_0="learned", c_0="learned"), 2])
    found = {name: value for name, value in values(net).items() if name.endswith("_0")}
    assert sorted(found) == ["hid1_bw.c_0", "hid1_bw.h_0", "hid1_fw.c_0", "hid1_fw.h_0"]
    assert all(value.shape == (3, ) and not value.any() for value in found.values())
    x = np.random.RandomState(0).randn(2, 4, 2).astype("f")
    before = net.predict(x)
    net.find("hid1_bw", "h_0").set_value(np.ones(3, util.FLOAT))
    assert (net.feed_forward(x)["hid1:bw_out"][:, -1] != 0).all()
    assert (net.predict(x) != before).any()


def test_initial_state_of_both_workers():
    """The same array seeds both."""
    net = recurrent.Regressor([2, dict(form="input", name="start", size=3, ndim=2),
                               dict(form="bidirectional", size=6, inputs="in", h_0="start", activation="tanh"), 2])
    x, start = np.random.RandomState(0).randn(2, 4, 2), np.random.RandomState(1).randn(2, 3)
    outputs = net.feed_forward([x, start])
    v = {name: value.astype("d") for name, value in values(net).items()}
    for half, t in (("fw", 0), ("bw", -1)):
        pre = x[:, t] @ v[f"hid2_{half}.xh"] + v[f"hid2_{half}.b"] + start @ v[f"hid2_{half}.hh"]
        np.testing.assert_allclose(outputs[f"hid2:{half}_pre"][:, t], pre, rtol=1e-4, atol=1e-5)


def with_start(size=3, form="gru", **kwargs):
    """The network of section 2.3."""
    return recurrent.Regressor([dict(size=2, ndim=3, name="x"), dict(form="input", size=size, ndim=2, name="start"),
                                dict(form=form, size=3, inputs="x", h_0="start", **kwargs), 2])


def test_r28_models_with_an_initial_state_can_be_used(rng):
    net = with_start()
    x, start, y = rng.randn(4, 5, 2), rng.randn(4, 3), rng.randn(4, 5, 2)
    assert np.isfinite(epochs(net, [x, start, y], algo="sgd")).all()
    expected = net.predict([x, start])
    np.testing.assert_array_equal(expected, net.predict({"start": start, "x": x}))
    assert expected.shape == (4, 5, 2)
    assert net.score([x, start], expected) == pytest.approx(1, abs=1e-5)
    assert net.feed_forward([x, start])["start:out"].shape == (4, 3)
    assert (net.predict([x, start + 1]) != expected).any()


def test_declared_sizes_of_initial_states_are_not_compared(rng):
    net = recurrent.Regressor([dict(size=2, ndim=3, name="x"), dict(form="input", size=7, ndim=2, name="h0"),
                               dict(form="rnn", size=8, inputs="x", h_0="h0"), 2])
    net.train([rng.randn(3, 4, 2), rng.randn(3, 8), rng.randn(3, 4, 2)], algo="sgd", max_updates=1)


def test_full_name_of_an_initial_state():
    layer = with_start().layers[2]
    assert layer.to_spec()["h_0"] == layer.h_0 == "start:out"


def test_r25_every_output_can_be_read(rng):
    x = rng.randn(2, 4, 3).astype("f")
    net = recurrent.Regressor([
        3, dict(form="lstm", size=4, name="lstm"), dict(form="rnn", size=5, inputs="lstm:cell", name="r"),
        dict(form="bidirectional", size=6, inputs="lstm", name="both", worker="rrnn"),
        dict(size=2, inputs=("both:fw_out", "both:bw_rate", "both:hid", "r:pre"), name="out")])
    assert net.find("r", "xh").get_value().shape == (4, 5)
    assert [net.find("out", f"w_{name}").get_value().shape[0]
            for name in ("both:fw_out", "both:bw_rate", "both:hid", "r:pre")] == [3, 3, 6, 5]
    assert net.predict(x).shape == (2, 4, 2)
    for name in ("lstm:pre", "lstm:nope", "both:cell"):
        with pytest.raises(util.ConfigurationError, match=name.partition(":")[2]):
            recurrent.Regressor([3, dict(form="lstm", size=4, name="lstm"),
                                 dict(form="bidirectional", size=6, name="both"), dict(size=2, inputs=name)])


def test_r25_any_output_can_be_an_initial_state(rng):
    net = recurrent.Regressor([
        dict(size=3, ndim=3, name="x"), dict(form="input", size=2, ndim=2, name="z"),
        dict(form="ff", size=4, inputs="z", name="enc", activation="tanh"),
        dict(form="lstm", size=4, inputs="x", h_0="enc:pre", c_0="enc", name="r"), 2])
    x, z = rng.randn(2, 5, 3), rng.randn(2, 2)
    outputs = net.feed_forward([x, z])
    params = {name[2:]: value.astype("d") for name, value in values(net).items() if name.startswith("r.")}
    expected = run_loop("lstm", params, x, {"h_0": outputs["enc:pre"], "c_0": outputs["enc:out"]})
    assert_outputs(outputs, expected, "r:")


@pytest.mark.parametrize("option, value, match", [
    ("h_0", "nope", "nope"), ("h_0", "z:nope", "nope"), ("h_0", "r", "r"), ("h_0", "later", "later"),
    ("h_0", "x", "x"), ("c_0", "nope", "nope"), ("c_0", "x", "x"), ("h_0", 3, "3"), ("h_0", "z:out:out", "z"),
])
def test_r26_r27_bad_initial_states(option, value, match):
    """Unknown, of oneself or later, or a sequence."""
    with pytest.raises(util.ConfigurationError, match=match):
        recurrent.Regressor([dict(size=3, ndim=3, name="x"), dict(form="input", size=4, ndim=2, name="z"),
                             dict(form="lstm", size=4, inputs="x", name="r", **{option: value}),
                             dict(size=4, name="later"), 2])


def test_r27_a_layer_as_initial_state(rng):
    x, start = rng.randn(4, 5, 2), rng.randn(4, 3)
    source = theanets.layers.Input(name="start", size=3, ndim=2)
    net = recurrent.Regressor([dict(size=2, ndim=3, name="x"), source,
                               dict(form="gru", size=3, inputs="x", h_0=source), 2])
    np.testing.assert_array_equal(net.predict([x, start]), with_start().predict([x, start]))
    assert net.layers[2].to_spec()["h_0"] == "start:out"


@pytest.mark.parametrize("shape", [(4, 2), (4, 5), (3, 3), (2, 3)])
def test_r26_initial_states_of_wrong_shapes(rng, shape):
    with pytest.raises(ValueError):
        with_start(size=shape[-1]).predict([rng.randn(4, 5, 2), rng.randn(*shape)])


def test_r26_one_row_for_all_examples(rng):
    """A learned state is one; a constant one is made by a layer whose output has one row."""

    class Row(theanets.Layer):
        def resolve_outputs(self):
            self._output_shapes["out"] = (3, )

        def transform(self, inputs):
            return TT.as_tensor_variable(np.array([[1, 2, -1]], util.FLOAT)), []

    x = rng.randn(4, 5, 2)
    net = recurrent.Regressor([dict(size=2, ndim=3, name="x"), dict(form="row", name="start"),
                               dict(form="gru", size=3, inputs="x", h_0="start"), 2])
    expected = with_start().predict([x, np.tile([1, 2, -1], (4, 1))])
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-5, atol=1e-6)


# Names, shapes and numbers of parameters.

OUTPUTS = {
    "rnn": "out pre", "bcrnn": "out pre", "clockwork": "out pre", "mrnn": "factors out pre", "lstm": "cell out",
    "gru": "hid out pre rate", "mut1": "hid out pre rate", "scrn": "hid out rate state",
    **dict.fromkeys(["rrnn-matrix", "rrnn-vector", "rrnn-uniform", "rrnn-log"], "hid out pre rate"),
    **dict.fromkeys(["scrn-uniform", "scrn-log"], "hid out rate state"),
}

COUNTS = {
    "rrnn-matrix": lambda n, m: n * (2 + 2 * m + n), "rrnn-vector": lambda n, m: n * (2 + m + n),
    "mrnn": lambda n, m: n * (1 + m) + 3 * (m + 2 * n), "lstm": lambda n, m: n * (7 + 4 * m + 4 * n),
    "gru": lambda n, m: 3 * n * (1 + m + n), "mut1": lambda n, m: n * (3 + 3 * m + 2 * n),
    "scrn": lambda n, m: 2 * n * (1 + m + 2 * n),
    **dict.fromkeys(["scrn-uniform", "scrn-log"], lambda n, m: 2 * n * (1 + m + 2 * n) - n),
    **dict.fromkeys(["rnn", "bcrnn", "clockwork", "rrnn-uniform", "rrnn-log"], lambda n, m: n * (1 + m + n)),
}

PARAMS = {
    "rnn": "xh hh b", "bcrnn": "xh hh b", "clockwork": "xh hh b", "rrnn-matrix": "xh hh b r xr",
    "rrnn-vector": "xh hh b r", "rrnn-uniform": "xh hh b", "rrnn-log": "xh hh b", "mrnn": "xh xf hf fh b",
    "lstm": "xh hh b ci cf co", "gru": "hh hr hz w b", "mut1": "xh xr xz hh hr bh br bz",
    "scrn": "w sh hh ho so b r", "scrn-uniform": "w sh hh ho so b", "scrn-log": "w sh hh ho so b",
}


def bound(form, inputs=7, **kwargs):
    """A layer bound to a network of one input that it does not belong to."""
    layer = theanets.Layer.build(form, name="l", inputs="in", **kwargs)
    layer.bind(theanets.Network([dict(size=inputs, ndim=3)]))
    return layer


@pytest.mark.parametrize("key", FORMS)
def test_a_layer_alone(key):
    options = {name: value for name, value in FORMS[key][1].items() if name != "form"}
    layer = bound(FORMS[key][1]["form"].upper(), size=8, **options)
    assert names(layer.params) == [f"l.{name}" for name in PARAMS[key].split()]
    assert layer.num_params == COUNTS[key](8, 7)
    outputs, updates = layer.connect({"in:out": TT.tensor3("x")})
    assert sorted(outputs) == [f"l:{name}" for name in OUTPUTS[key].split()] and not list(updates)
    assert layer.output_shape == (None, 8) and layer.input_size == 7
    results = alone(layer, **{"in": np.zeros((2, 3, 7))})
    for name, value in results.items():
        assert value.shape[-1] == layer.shape_of(name[2:])[-1] if name != "l:rate" else True, name


def test_classes_and_keys():
    for key, name in [("rnn", "RNN"), ("bcrnn", "BCRNN"), ("rrnn", "RRNN"), ("mrnn", "MRNN"), ("lstm", "LSTM"),
                      ("gru", "GRU"), ("clockwork", "Clockwork"), ("mut1", "MUT1"), ("scrn", "SCRN"),
                      ("bidirectional", "Bidirectional")]:
        cls = getattr(theanets.layers, name)
        assert theanets.Layer.get_class(key) is theanets.Layer.get_class(key.upper()) is cls
        assert getattr(theanets.layers.recurrent, name) is cls
        assert issubclass(cls, theanets.layers.recurrent.Recurrent) or key == "bidirectional"
    assert issubclass(theanets.layers.BCRNN, theanets.layers.RNN)
    assert issubclass(theanets.layers.Clockwork, theanets.layers.RNN)


@pytest.mark.parametrize("shape, expected", [((None, 3), (None, 3)), ((4, 3), (4, 3))])
def test_output_shape(shape, expected):
    net = recurrent.Regressor([dict(shape=(4, 2)), dict(form="rnn", shape=shape), 2])
    assert net.layers[1].output_shape == expected
    assert recurrent.Regressor([dict(shape=(4, 2)), (3, "rnn"), 2]).layers[1].output_shape == (4, 3)


def test_the_abstract_layer():
    with pytest.raises(NotImplementedError):
        layer = bound("recurrent", size=3)
        layer.connect({"in:out": TT.tensor3("x")})


def test_several_inputs():
    for form in ("rnn", "lstm", "bidirectional"):
        with pytest.raises(util.ConfigurationError, match="hid2"):
            recurrent.Regressor([2, 4, dict(form=form, size=4, inputs=("in", "hid1")), 2])


@pytest.mark.parametrize("form", ["rnn", "gru", "bidirectional", "lstm"])
def test_r20_layers_without_time(form):
    for layers in ([4, (4, form), 2], [dict(shape=(5, 4, 3)), (4, form), 2]):
        with pytest.raises(util.ConfigurationError, match="hid1"):
            theanets.Regressor(layers)


def test_no_size():
    for form in ("rnn", "lstm", "mrnn", "scrn"):
        with pytest.raises(util.ConfigurationError, match="size"):
            bound(form)


# Specs and files.


@pytest.mark.parametrize("key", [*FORMS, "bidirectional"])
def test_r13_specs_rebuild_the_layer(key):
    if key == "bidirectional":
        net = recurrent.Regressor([3, dict(form=key, size=4, worker="rrnn", rate="vector", name="l"), 2], rng=3)
    else:
        net = recurrent.Regressor([3, spec(key, direction="back", bptt_limit=3, std_hh=0.1, h_0="learned")
                                   if key != "mrnn" else spec(key, std_fh=0.1), 2], rng=3)
    specs = [layer.to_spec() for layer in net.layers]
    again = recurrent.Regressor([dict(item) for item in specs], rng=3)
    assert [layer.to_spec() for layer in again.layers] == specs
    one, two = values(net), values(again)
    assert list(one) == list(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    np.testing.assert_array_equal(net.predict(X), again.predict(X))


def test_specs_say_everything():
    def of(form, **kwargs):
        return bound(form, size=8, **kwargs).to_spec()

    assert of("rnn")["h_0"] is None and of("rnn")["form"] == "rnn"
    assert of("bcrnn", num_modules=2)["num_modules"] == 2
    assert of("rrnn", rate=" Vector ")["rate"].strip().lower() == "vector"
    assert of("mrnn")["factors"] == 3 and of("mrnn", factors=5)["factors"] == 5
    assert of("lstm")["c_0"] is None
    assert of("clockwork", periods=[4, 1])["periods"] == (1, 4)
    scrn_spec = of("scrn")
    assert (scrn_spec["s_0"], scrn_spec["context_size"]) == (None, 3)
    assert bound("scrn", size=8).num_params == 2 * 8 * (1 + 7 + 16)
    assert of("bidirectional", worker="gru")["worker"] == "gru"
    net = recurrent.Regressor([2, dict(form="mrnn", size=3, factors=2), 2])
    assert net.layers[1].to_spec() == dict(form="mrnn", name="hid1", size=3, inputs="in:out", rng=13,
                                           activation="relu", h_0=None, factors=2)


@pytest.mark.parametrize("key", [*FORMS, "bidirectional"])
def test_saved_and_loaded(key, tmp_path):
    layer = (dict(form=key, size=4, worker="scrn", rate="log", h_0="learned", name="l") if key == "bidirectional"
             else spec(key, h_0="learned"))
    net = recurrent.Regressor([3, layer, 2], rng=np.random.RandomState(3))
    for param in net.params:
        param.set_value(param.get_value() + np.array(0.1, util.FLOAT))
    expected = net.predict(X)
    net.save(tmp_path / "net.pkl")
    for again in (theanets.Network.load(tmp_path / "net.pkl"), pickle.loads(pickle.dumps(net))):
        assert type(again) is recurrent.Regressor and names(again.params) == names(net.params)
        np.testing.assert_array_equal(again.predict(X), expected)
    if key in ("rnn", "bidirectional"):
        again.train([X, np.zeros((2, 5, 2))], algo="sgd", learning_rate=0.01, max_updates=1)
        assert (again.predict(X) != expected).any()


# Options that make no sense.


@pytest.mark.parametrize("form, kwargs, match", [
    ("rnn", dict(direction="sideways"), "direction"), ("rnn", dict(direction=3), "direction"),  # R29
    ("rnn", dict(direction="feedback"), "direction"),
    ("rrnn", dict(rate="nope"), "rate"), ("rrnn", dict(rate=3), "rate"), ("scrn", dict(rate="matrix"), "rate"),  # R23
    ("scrn", dict(rate="nope"), "rate"),
    ("clockwork", dict(periods=()), "period"), ("clockwork", dict(periods=(0, 1)), "period"),  # R30
    ("clockwork", dict(periods=(1, -2)), "period"), ("clockwork", dict(periods=(1, 1.5)), "period"),
    ("clockwork", dict(periods=3), "period"), ("clockwork", dict(periods="12"), "period"),
    ("bcrnn", dict(num_modules=0), "num_modules"), ("bcrnn", dict(num_modules=-1), "num_modules"),  # R31
    ("bcrnn", dict(num_modules=1.5), "num_modules"),
    ("mrnn", dict(factors=0), "factors"), ("mrnn", dict(factors=-2), "factors"),  # R32
    ("mrnn", dict(factors=1.5), "factors"),
    ("rnn", dict(bptt_limit="long"), "bptt_limit"), ("rnn", dict(nonsense=3), "nonsense"),
], ids=str)
def test_r23_r29_to_r32_bad_options(form, kwargs, match):
    """Refused when the layer is created, naming it."""
    with pytest.raises(util.ConfigurationError, match=f"'l'.*{match}"):
        theanets.Layer.build(form, name="l", size=6, inputs="in", **kwargs)


@pytest.mark.parametrize("form, kwargs", [
    ("bcrnn", dict(num_modules=4)), ("clockwork", dict(periods=(1, 2, 4, 8))), ("bcrnn", dict(num_modules=7)),
])
def test_r31_sizes_that_modules_do_not_divide(form, kwargs):
    layer = theanets.Layer.build(form, name="l", size=6, inputs="in", **kwargs)
    with log_records(level=logging.DEBUG) as records, pytest.raises(util.ConfigurationError, match="'l'"):
        layer.bind(theanets.Network([dict(size=2, ndim=3)]))
    assert layer.params == [] and not any("'l'" in record.getMessage() for record in records)


@pytest.mark.parametrize("form, key", [("bcrnn", "num_modules"), ("clockwork", "periods")])
def test_options_that_must_be_given(form, key):
    with pytest.raises(TypeError, match=key):
        theanets.Layer.build(form, size=6)


@pytest.mark.parametrize("direction, backward", [
    (None, False), ("forward", False), ("Forward", False), ("back", True), ("BACKWARD", True), ("backwards", True),
])
def test_r29_directions(direction, backward):
    net = recurrent.Regressor([2, dict(form="rnn", size=3, direction=direction, activation="tanh"), 2])
    x = np.random.RandomState(0).randn(1, 4, 2).astype("f")
    before = net.predict(x)
    x[:, -1] += 1
    assert (net.predict(x) != before).any(axis=(0, 2)).tolist() == [backward, backward, backward, True]


@pytest.mark.parametrize("form, given", [("rrnn", "matrix"), ("scrn", "vector")])
def test_r23_default_rates(form, given):
    for rate in (given, f" {given.upper()} "):
        assert names(bound(form, size=4, rate=None).params) == names(bound(form, size=4, rate=rate).params)


def test_r22_rates_of_scrn():
    for context_size in (None, 2, 0.5):
        layer = bound("scrn", size=3, rate="uniform", context_size=context_size)
        assert alone(layer, **{"in": np.zeros((2, 4, 7))})["l:rate"].shape == (3, )
    assert bound("scrn", size=8, context_size=5).to_spec()["context_size"] == 5


def test_r32_shape_instead_of_size():
    for form, kwargs in [("mrnn", {}), ("rnn", {}), ("bidirectional", dict(worker="mrnn"))]:
        layer = bound(form, shape=(None, 6), **kwargs)
        assert layer.output_shape == (None, 6)
    assert bound("mrnn", shape=(None, 10)).find("xf").get_value().shape == (7, 4)


def test_r14_settings_that_cannot_act():
    """A matrix that is not square has no radius and no diagonal."""
    for option in ("diagonal_xh", "radius_xh"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                bound("rnn", size=3, **{option: 0.5})
            except util.ConfigurationError as error:
                assert option in str(error) and "'l'" in str(error)
            else:
                assert any(option in str(warning.message) for warning in caught)
    # the general ones act where they can, and those for a square matrix do.
    layer = bound("rnn", size=3, diagonal=0.5)
    np.testing.assert_array_equal(layer.find("hh").get_value(), 0.5 * np.eye(3))
    assert layer.find("xh").get_value().all()
    np.testing.assert_array_equal(bound("rnn", size=3, diagonal_hh=0.5).find("hh").get_value(), 0.5 * np.eye(3))


def test_r14_radius_is_the_largest_singular_value():
    hh = bound("lstm", size=5, radius_hh=1.1).find("hh").get_value().astype("d")
    for block in np.split(hh, 4, axis=1):
        assert np.linalg.svd(block, compute_uv=False).max() == pytest.approx(1.1, rel=1e-5)


@pytest.mark.parametrize("form, kwargs", [
    ("lstm", {}), ("mut1", {}), ("bidirectional", dict(worker="lstm")), ("bidirectional", dict(worker="mut1")),
])
def test_r33_no_parameters_of_an_activation_that_is_not_used(form, kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = recurrent.Regressor([2, dict(form=form, size=4, activation="prelu", **kwargs), 2], rng=4)
        plain = recurrent.Regressor([2, dict(form=form, size=4, **kwargs), 2], rng=4)
    assert names(net.params) == names(plain.params)
    for name, value in values(plain).items():
        np.testing.assert_array_equal(values(net)[name], value)
    if form == "bidirectional":
        net.train([np.ones((2, 3, 2)), np.ones((2, 3, 2))], algo="sgd", max_updates=1)


def test_r42_rates_come_from_the_layers_generator():
    np.random.seed(3)
    state = np.random.get_state()[1].copy()
    for form, kwargs in [("rrnn", {}), ("scrn", {})]:
        for kind in ("uniform", "log"):
            layers = [2, dict(form=form, size=6, rate=kind, name="l", **kwargs), 2]
            one, two = (fixed_rate(recurrent.Regressor(layers, rng=13), "l").get_value() for _ in range(2))
            np.testing.assert_array_equal(one, two)
            rng = np.random.RandomState(13)
            for param in recurrent.Regressor(layers, rng=13).layers[1].params:
                rng.randn(*param.get_value().shape)
            expected = (rng.uniform(1e-4, 1 - 1e-4, 6) if kind == "uniform" else
                        np.exp(rng.uniform(-6, -1e-4, 6).astype("f")))
            np.testing.assert_array_equal(one, expected.astype("f"))
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_r43_most_log_rates_are_small():
    rate = fixed_rate(recurrent.Regressor([2, dict(form="rrnn", size=999, rate="log", name="l"), 2]), "l").get_value()
    assert 0.03 < np.median(rate) < 0.08 and rate.min() > 0.002 and rate.max() < 1


def test_r50_rates_and_penalties():
    """Matrix rates are sequences; a penalty along time has nothing to say about others."""
    x = np.random.RandomState(0).randn(3, 5, 2)
    net = recurrent.Regressor([2, dict(form="rrnn", size=3), 2])
    assert net.feed_forward(x)["hid1:rate"].shape == (3, 5, 3)
    data = [x, np.zeros((3, 5, 2))]
    penalty = dict(recurrent_state=dict(pattern="hid1:rate", weight=1))
    assert np.isfinite(epochs(net, data, algo="sgd", **penalty)).all()
    fixed = recurrent.Regressor([2, dict(form="rrnn", size=3, rate="uniform"), 2])
    try:
        assert np.isfinite(epochs(fixed, data, algo="sgd", **penalty)).all()
    except util.ConfigurationError as error:
        assert "hid1:rate" in str(error)


@pytest.mark.parametrize("key", ["bcrnn", "clockwork", "scrn-uniform"])
def test_r52_names_of_constants(key):
    net = network(key)
    seen = [variable.name for variable in theano.gof.graph.ancestors([net.build_graph()[0]["l:out"]])
            if variable.owner is None and variable.name and variable not in net.inputs]
    assert seen and all(name.startswith("l.") for name in seen)


# Clockwork.


def test_clockwork_by_hand():
    """Three units with the periods 1, 2 and 4 of the paper: one hears itself and slower ones.

    With ``hh[i, j]`` from unit i to unit j, and an input of 1:

    - t = 0: all compute, from nothing before: 1, 1, 1
    - t = 1: unit 0 alone: 1 + 1 (itself) + 2 (unit 1) + 3 (unit 2) = 7
    - t = 2: unit 0: 1 + 7 + 2 + 3 = 13; unit 1 hears units 1 and 2: 1 + 20 + 30 = 51
    - t = 3: unit 0: 1 + 13 + 2 * 51 + 3 = 119
    - t = 4: unit 0: 1 + 119 + 102 + 3 = 225; unit 1: 1 + 20 * 51 + 30 = 1051; unit 2 hears itself: 1 + 300 = 301
    """
    net = recurrent.Regressor([1, dict(form="clockwork", size=3, periods=(4, 1, 2), activation="linear"), 1])
    for name, value in dict(xh=[[1, 1, 1]], b=[0, 0, 0], hh=[[1, 10, 100], [2, 20, 200], [3, 30, 300]]).items():
        net.find("hid1", name).set_value(np.array(value, util.FLOAT))
    out = net.feed_forward(np.ones((1, 5, 1)))["hid1:out"][0]
    np.testing.assert_allclose(out, [[1, 1, 1], [7, 1, 1], [13, 51, 1], [119, 51, 1], [225, 1051, 301]], rtol=1e-6)
    cost = net.build_graph()[0]["hid1:out"].sum()
    (gradient,) = evaluate([theano.grad(cost, net.find("hid1", "hh"))], {net.inputs[0]: np.ones((1, 5, 1), "f")})
    assert ((gradient != 0) == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]).all()


def test_clockwork_periods():
    layer = theanets.Layer.build("clockwork", name="l", size=6, inputs="in", periods=[np.int64(4), 1, 2])
    assert isinstance(layer.periods, np.ndarray) and layer.periods.tolist() == [1, 2, 4]
    with log_records(level=logging.DEBUG) as records:
        layer.bind(theanets.Network([dict(size=2, ndim=3)]))
    assert any("[T 1 2 4]" in record.getMessage() for record in records)


@pytest.mark.parametrize("count, rates", [
    (1, [0.000230232]), (2, [0.000230232, 0.999998987]), (4, [0.000230232, 0.990001559, 0.999899983, 0.999998987]),
])
def test_rates_of_bcrnn(count, rates):
    """From zero, an input of 1 moves each module by one minus its rate."""
    layer = bound("bcrnn", inputs=1, size=4, num_modules=count, activation="linear")
    for name, level in dict(xh=0, hh=0, b=1).items():
        layer.find(name).set_value(np.full_like(layer.find(name).get_value(), level))
    out = alone(layer, **{"in": np.zeros((1, 1, 1))})["l:out"][0, 0]
    np.testing.assert_allclose(out, 1 - np.repeat(rates, 4 // count), rtol=0, atol=2e-7)


# Labels as inputs.


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_embedding_of_sequences(dtype):
    net = recurrent.Regressor([dict(form="input", size=6, dtype="int32"), (4, "embed"), (3, "rnn"), 2])
    assert net.inputs[0].ndim == 2 and "int" in net.inputs[0].dtype
    assert net.layers[1].output_shape == (None, 4)
    assert names(net.layers[1].params) == ["hid1.w"] and net.find("hid1", "w").get_value().shape == (6, 4)
    labels = np.array([[0, 5, 2], [3, 3, 1]], dtype)
    outputs = net.feed_forward(labels)
    np.testing.assert_array_equal(outputs["in:out"], labels)
    np.testing.assert_allclose(outputs["hid1:out"], net.find("hid1", "w").get_value()[labels], rtol=1e-6)
    assert net.predict(labels).shape == (2, 3, 2)


def test_embedding_without_time(tmp_path):
    net = theanets.Regressor([dict(form="input", size=6, dtype="int32"), (4, "embed"), 2])
    assert net.inputs[0].ndim == 1 and net.layers[1].output_shape == (4, )
    labels = np.array([5, 0, 0, 2])
    before = values(net)
    np.testing.assert_allclose(net.predict(labels), before["hid1.w"][labels] @ before["out.w"] + before["out.b"],
                               rtol=1e-4, atol=1e-6)
    # only the vectors of labels that occur are learned.
    net.train([labels, np.ones((4, 2))], algo="sgd", learning_rate=0.1, momentum=0, max_updates=1)
    changed = (values(net)["hid1.w"] != before["hid1.w"]).any(axis=1)
    assert changed.tolist() == [True, False, True, False, False, True]
    net.save(tmp_path / "net.pkl")
    np.testing.assert_array_equal(theanets.Network.load(tmp_path / "net.pkl").predict(labels), net.predict(labels))
    again = theanets.Regressor([layer.to_spec() for layer in net.layers])
    assert again.predict(labels).shape == (4, 2) and again.find("hid1", "w").get_value().shape == (6, 4)


def test_embedding_is_a_product_with_one_hot_vectors():
    labels = np.random.RandomState(0).randint(6, size=(3, 5))
    embedded = recurrent.Classifier([dict(form="input", size=6, dtype="int32"), (4, "embed"), (3, "gru"), 6], rng=2)
    dense = recurrent.Classifier([6, (4, "linear"), (3, "gru"), 6], rng=2)
    np.testing.assert_array_equal(values(embedded)["hid1.w"], values(dense)["hid1.w"])
    dense.find("hid1", "b").set_value(np.zeros(4, util.FLOAT))
    one_hot = np.eye(6)[labels]
    np.testing.assert_allclose(embedded.predict_proba(labels), dense.predict_proba(one_hot), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("labels", [[[0, 6]], [[-1, 2]], [[0.5, 1.0]], [0, 1], [[[0], [1]]]], ids=str)
def test_labels_that_cannot_be_embedded(labels):
    net = recurrent.Regressor([dict(form="input", size=6, dtype="int32"), (4, "embed"), 2])
    with pytest.raises(util.DataError, match="in"):
        net.predict(np.array(labels))


def test_what_does_not_go_with_labels():
    for layers in ([6, (4, "embed"), 2], [dict(form="input", size=6, dtype="int32"), 4, 2],
                   [dict(form="input", size=6, dtype="int32"), (4, "rnn"), 2],
                   [dict(form="input", size=6, dtype="complex64"), 4, 2]):
        with pytest.raises(util.ConfigurationError, match="hid1|in"):
            recurrent.Regressor(layers)


# Normalisation.


def normalized(x, axes, mask=None):
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + 1e-5)


@pytest.mark.parametrize("model, layers, shape", [
    (theanets.Regressor, [4, "layernorm", 2], (5, 4)), (recurrent.Regressor, [4, "layernorm", 2], (5, 3, 4)),
])
def test_layernorm(model, layers, shape):
    net = model(layers)
    scale, shift = net.layers[1].params
    assert names([scale, shift]) == ["hid1.scale", "hid1.shift"] and net.layers[1].output_shape[-1] == 4
    np.testing.assert_array_equal([scale.get_value(), shift.get_value()], [np.ones(4), np.zeros(4)])
    x = 3 + 2 * np.random.RandomState(0).randn(*shape)
    np.testing.assert_allclose(net.feed_forward(x)["hid1:out"], normalized(x, -1), rtol=1e-4, atol=1e-4)
    scale.set_value(np.array([1, 2, 3, 4], util.FLOAT))
    shift.set_value(np.array([0, -1, 1, 0], util.FLOAT))
    expected = normalized(x, -1) * [1, 2, 3, 4] + [0, -1, 1, 0]
    np.testing.assert_allclose(net.feed_forward(x)["hid1:out"], expected, rtol=1e-4, atol=1e-4)
    assert net.feed_forward(np.ones(shape))["hid1:out"].shape == shape


def test_layernorm_gradient():
    """By finite differences in double precision."""
    net = theanets.Regressor([4, "layernorm", 2])
    x = np.random.RandomState(0).randn(3, 4)
    factors = np.random.RandomState(1).randn(3, 4)
    start = {"x": x, "scale": np.array([1.0, 2, 3, 4]), "shift": np.zeros(4)}
    expected = differences(lambda a: (factors * (normalized(a["x"], -1) * a["scale"] + a["shift"])).sum(), start)
    for param, name in zip(net.layers[1].params, ("scale", "shift")):
        param.set_value(start[name].astype(util.FLOAT))
    cost = (net.build_graph()[0]["hid1:out"] * factors.astype(util.FLOAT)).sum()
    gradients = theano.grad(cost, [net.inputs[0], *net.layers[1].params])
    for name, value in zip(start, evaluate(gradients, {net.inputs[0]: x.astype(util.FLOAT)})):
        np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-4, err_msg=name)


def batchnorm_model():
    net = theanets.Regressor([4, "batchnorm", 2], rng=3)
    rng = np.random.RandomState(0)
    return net, [1 + 2 * rng.randn(20, 4), rng.randn(20, 2)]


def test_batchnorm_uses_statistics_of_the_batch_in_training():
    net, (x, y) = batchnorm_model()
    assert names(net.layers[1].params) == ["hid1.scale", "hid1.shift"]
    np.testing.assert_array_equal([param.get_value() for param in net.layers[1].params], [np.ones(4), np.zeros(4)])
    w, b = net.find("out", "w").get_value(), net.find("out", "b").get_value()
    # nothing has been seen yet: mean 0, variance 1.
    np.testing.assert_allclose(net.feed_forward(x)["hid1:out"], x / np.sqrt(1 + 1e-5), rtol=1e-4, atol=1e-5)
    train, valid = net.train([x, y], algo="sgd", learning_rate=0, batch_size=20, max_updates=1)
    assert train["loss"] == pytest.approx(((normalized(x, 0) @ w + b - y) ** 2).mean(), rel=1e-4)


def test_batchnorm_keeps_averages_for_prediction():
    net, (x, y) = batchnorm_model()
    before = net.predict(x)
    list(net.itertrain([x, y], algo="sgd", learning_rate=0.01, batch_size=20, epochs=60))
    # the averages approach those of the data, which is always the same batch.
    mean, var = (v.get_value() for v in net.layers[1].statistics)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=0.02, atol=0.02)
    np.testing.assert_allclose(var, x.var(axis=0), rtol=0.02)
    scale, shift = (param.get_value() for param in net.layers[1].params)
    expected = (x - mean) / np.sqrt(var + 1e-5) * scale + shift
    np.testing.assert_allclose(net.feed_forward(x)["hid1:out"], expected, rtol=1e-3, atol=1e-4)
    assert (net.predict(x) != before).any()
    # an example is judged by itself, whatever else is in its batch; and predicting changes nothing.
    np.testing.assert_allclose(net.predict(x[:1]), net.predict(x)[:1], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(net.layers[1].statistics[0].get_value(), mean)


def test_batchnorm_is_saved_with_its_averages(tmp_path):
    net, (x, y) = batchnorm_model()
    net.train([x, y], algo="sgd", learning_rate=0.01, batch_size=5, epochs=2)
    net.save(tmp_path / "net.pkl")
    for again in (theanets.Network.load(tmp_path / "net.pkl"), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(again.predict(x), net.predict(x))
        for one, two in zip(again.layers[1].statistics, net.layers[1].statistics):
            np.testing.assert_array_equal(one.get_value(), two.get_value())
        assert names(again.layers[1].statistics) == ["hid1.mean", "hid1.var"]


def test_batchnorm_validates_as_it_predicts():
    net, (x, y) = batchnorm_model()
    held_out = [x[:4] + 5, y[:4]]
    net.train([x, y], held_out, algo="sgd", learning_rate=0.001, batch_size=10, epochs=2)
    loss = ((net.predict(held_out[0]) - held_out[1]) ** 2).mean()
    first = next(iter(net.itertrain([x, y], held_out, algo="sgd", learning_rate=0)))[1]
    assert first["loss"] == pytest.approx(loss, rel=1e-4)


def test_batchnorm_of_sequences_counts_each_step_once():
    """Padding behind shorter sequences is not counted."""
    net = recurrent.Regressor([4, "batchnorm", 2], rng=3)
    rng = np.random.RandomState(0)
    x, y = [1 + 2 * rng.randn(n, 4) for n in (5, 2, 7)], [rng.randn(n, 2) for n in (5, 2, 7)]
    w, b = net.find("out", "w").get_value(), net.find("out", "b").get_value()
    train, _ = net.train([x, y], algo="sgd", learning_rate=0, batch_size=3, max_updates=1)
    expected = ((normalized(np.concatenate(x), 0) @ w + b - np.concatenate(y)) ** 2).mean()
    assert train["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("form", ["batchnorm", "layernorm"])
def test_normalization_in_any_place(form):
    x = np.random.RandomState(0).randn(2, 3, 4)
    net = recurrent.Regressor([4, (6, "rnn"), form, (5, "lstm"), (form, "tanh"), 2])
    assert net.layers[2].output_shape == (None, 6) and net.layers[4].activation == "tanh"
    assert net.predict(x).shape == (2, 3, 2) and abs(net.feed_forward(x)["hid4:out"]).max() <= 1
    again = recurrent.Regressor([layer.to_spec() for layer in net.layers])
    np.testing.assert_array_equal(net.predict(x), again.predict(x))
    with pytest.raises(util.ConfigurationError, match="hid1"):
        theanets.Regressor([4, dict(form=form, size=3), 2])


@pytest.mark.parametrize("old, rate", [("lrrnn", "vector"), ("arrnn", "matrix")])
def test_names_of_release_070(old, rate):
    with pytest.warns(DeprecationWarning, match=f"'{old}'.*rate='{rate}'"):
        net = theanets.recurrent.Regressor([2, (3, old), 1])
    same = theanets.recurrent.Regressor([2, dict(form="rrnn", rate=rate, size=3), 1])
    x = np.random.RandomState(0).randn(2, 5, 2)
    np.testing.assert_array_equal(net.predict(x), same.predict(x))
    again = theanets.recurrent.Regressor([layer.to_spec() for layer in net.layers])
    np.testing.assert_array_equal(again.predict(x), same.predict(x))


BACKWARD_CASES = [case for case in LAYER_CASES if "backward" in case["id"] or "bidirectional" in case["id"]]


@pytest.mark.parametrize("case", BACKWARD_CASES, ids=lambda case: case["id"])
def test_outputs_in_the_order_of_processing(case):
    """What the reference put out, before its first defect was repaired."""
    assert "outputs_repaired" in case
    layers = [dict(spec, output_order="processing") if spec != case["layers"][0] and isinstance(spec, dict) else spec
              for spec in case["layers"]]
    net = golden_model(dict(case, layers=layers))
    outputs = net.feed_forward({name: INPUTS[key] for name, key in case["inputs"].items()})
    for name, item in case["outputs"].items():
        np.testing.assert_allclose(outputs[name], array(item), rtol=0, atol=5e-6, err_msg=name)
    rebuilt = type(net)([layer.to_spec() for layer in net.layers])
    x = INPUTS[case["inputs"]["in"]]
    np.testing.assert_array_equal(rebuilt.predict(x), net.predict(x))
    with pytest.raises(util.ConfigurationError, match="'processing' do not go together"):
        net.predict([x[0], x[1][:2]])


def test_unknown_output_order():
    with pytest.raises(util.ConfigurationError, match="output_order='time'"):
        recurrent.Regressor([2, dict(form="rnn", size=3, output_order="time"), 1])
