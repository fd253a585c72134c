"""Convolution and pooling: numbers against plain loops, shapes that are right before anything is computed, errors.

``defect`` numbers are those of section 13 of the contract on recurrent and convolutional layers.
"""

import itertools
import logging
import pickle
import warnings

import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from theanets import util
from theanets.layers import convolution
from theanets.layers.context import Context, Outputs
from theanets.layers.convolution import filters, pooling
from theanets.util import ConfigurationError

from tests import helpers
from tests.helpers import alone, floats, names, numeric_gradient, values

GOLDEN = helpers.load_golden("recurrent-convolution")
QUICK = settings(max_examples=60, deadline=None)


# Plain loops.


def border_of(mode, window, stride, length):
    """Zeros in front of an axis and behind it, from the words of the contract."""
    if mode == "same":
        total = max((int(np.ceil(length / stride)) - 1) * stride + window - length, 0)
        return total // 2, total - total // 2
    size = {"valid": 0, "full": window - 1, "half": window // 2}.get(mode, mode)
    return size, size


def starts(length, window, stride):
    """Where a window can stand, counted one by one."""
    return [i for i in range(0, length, stride) if i + window <= length]


def convolve(x, w, b, stride, mode):
    """A convolution in loops; x (examples, width, height, channels), w (filters, channels, width, height)."""
    modes = mode if isinstance(mode, tuple) else (mode, mode)
    borders = [border_of(modes[i], w.shape[2 + i], stride[i], x.shape[1 + i]) for i in (0, 1)]
    padded = np.pad(x, [(0, 0), *borders, (0, 0)])
    places = [starts(padded.shape[1 + i], w.shape[2 + i], stride[i]) for i in (0, 1)]
    out = np.zeros((len(x), len(places[0]), len(places[1]), len(w)))
    for i, j in np.ndindex(*out.shape[1:3]):
        for u, v in np.ndindex(*w.shape[2:]):
            # the filter is read backwards.
            out[:, i, j] += padded[:, places[0][i] + u, places[1][j] + v] @ w[:, :, -1 - u, -1 - v].T
    return out + b


def pool(x, size, stride, mode="max", ignore_border=True, padding=(0, 0)):
    """Pooling of images, in loops; x (examples, width, height, channels)."""
    spans = []
    for length, window, step, added in zip(x.shape[1:3], size, stride, padding):
        total = length + 2 * added
        first = starts(total, window, step)
        if not ignore_border:
            # windows that stick out count, as long as they hold something that no window before them held.
            first = [i for i in range(0, total, step) if i == 0 or max(i, i - step + window) < total]
        spans.append([range(i, min(i + window, total)) for i in first])
    out = np.zeros((len(x), len(spans[0]), len(spans[1]), x.shape[3]))
    for (i, rows), (j, columns) in itertools.product(*map(enumerate, spans)):
        inside = [(r - padding[0], c - padding[1]) for r in rows for c in columns
                  if 0 <= r - padding[0] < x.shape[1] and 0 <= c - padding[1] < x.shape[2]]
        found = np.array([x[:, r, c] for r, c in inside])
        count = len(rows) * len(columns) if mode == "average_inc_pad" else len(inside)
        out[:, i, j] = found.max(axis=0) if mode == "max" else found.sum(axis=0) / (1 if mode == "sum" else count)
    return out


# Layers.


def bound(form, shape, /, **options):
    """A layer that reads examples of some shape."""
    layer = theanets.Layer.build(form, name="l", inputs="in", **options)
    layer.bind(theanets.Network([dict(shape=shape)]))
    return layer


def run(layer, x):
    """What a bound layer puts out for an array."""
    return alone(layer, **{"in": x})["l:out"]


def draw(*shape, seed=0):
    return floats(np.random.RandomState(seed).randn(*shape))


def tupled(value):
    """Lists of a JSON file stand for tuples."""
    if isinstance(value, dict):
        return {key: tupled(entry) for key, entry in value.items()}
    return tuple(map(tupled, value)) if isinstance(value, list) else value


def golden_network(case):
    module, model = case["model"].split(".")
    return getattr(getattr(theanets, module), model)([tupled(spec) for spec in case["layers"]], rng=case["rng"])


def array(entry):
    return np.array(entry["values"], entry["dtype"]).reshape(entry["shape"])


def assert_golden_params(network, case):
    assert names(network.params) == [entry["name"] for entry in case["params"]]
    for param, entry in zip(network.params, case["params"]):
        np.testing.assert_array_equal(param.get_value(), array(entry).astype(util.FLOAT), err_msg=param.name)


def is_convolution(case):
    return any(isinstance(spec, dict) and spec["form"].startswith("conv") for spec in case["layers"])


# Golden numbers.


LAYER_CASES = [case for case in GOLDEN["layer_cases"] if is_convolution(case)]
INIT_CASES = [case for case in GOLDEN["init_cases"] if is_convolution(case)]


def test_there_are_golden_cases():
    assert (len(LAYER_CASES), len(INIT_CASES), len(GOLDEN["shape_cases"])) == (10, 2, 69)


@pytest.mark.skipif(util.FLOAT != "float32", reason="the numbers are of that type")
@pytest.mark.parametrize("case", LAYER_CASES + INIT_CASES, ids=lambda case: case["id"])
def test_golden_params(case):
    assert_golden_params(golden_network(case), case)


@pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case["id"])
def test_golden_outputs(case):
    network = golden_network(case)
    outputs = network.feed_forward({name: array(GOLDEN["inputs"][key]) for name, key in case["inputs"].items()})
    expected = {**case["outputs"], **case.get("outputs_repaired", {})}
    assert set(expected) == {name for name in outputs if not name.startswith("in:")}
    for name, entry in expected.items():
        np.testing.assert_allclose(outputs[name], array(entry), rtol=0, atol=5e-6, err_msg=name)
    shapes = {**case["output_shapes"], **case.get("output_shapes_repaired", {})}
    assert {layer.name: layer.output_shape for layer in network.layers} == tupled(shapes)


@pytest.mark.parametrize("case", GOLDEN["shape_cases"], ids=str)
def test_golden_shapes(case):
    """Defects 7, 8 and 9."""
    options = {key: tupled(case[key]) for key in ("size", "filter_size", "stride", "border_mode")}
    layer = bound(case["form"], tuple(case["input_shape"]), **options)
    assert layer.output_shape == layer.shapes["pre"] == tuple(case["true_shape"])
    assert run(layer, draw(2, *case["input_shape"])).shape[1:] == layer.output_shape


# Equations.


@pytest.mark.parametrize("mode", ["valid", "same", "half", "full", 1, 2, (0, 1), (2, 0)])
@pytest.mark.parametrize("window, stride", [((3, 2), (1, 1)), ((2, 4), (2, 3)), ((1, 1), (3, 2)), ((5, 6), (1, 2))])
def test_conv2_is_a_convolution(mode, window, stride):
    layer = bound("conv2", (6, 7, 2), size=3, filter_size=window, stride=stride, border_mode=mode, activation="tanh")
    x = draw(2, 6, 7, 2)
    w, b = (param.get_value() for param in layer.params)
    outputs = alone(layer, **{"in": x})
    assert list(outputs) == ["l:out", "l:pre"]
    expected = convolve(x, w, b, stride, mode)
    np.testing.assert_allclose(outputs["l:pre"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs["l:out"], np.tanh(expected), rtol=1e-4, atol=1e-5)
    assert layer.output_shape == expected.shape[1:]


@pytest.mark.parametrize("length", [9, None])
@pytest.mark.parametrize("mode", ["valid", "same", "half", "full", 1, 2, (0, 1)])
@pytest.mark.parametrize("window, stride", [(3, 1), (4, 2), (1, 3), (2, 5)])
def test_conv1_is_a_convolution(length, mode, window, stride):
    """Defect 10: the dummy axis is never padded, so that an int works like the pair."""
    layer = bound("conv1", (length, 2), size=3, filter_size=window, stride=stride, border_mode=mode,
                  activation="linear")
    x = draw(2, 9, 2)
    w, b = (param.get_value() for param in layer.params)
    assert w.shape == (3, 2, 1, window) and b.shape == (3,)
    modes = mode if isinstance(mode, tuple) else ("valid", mode)
    expected = convolve(x[:, np.newaxis], w, b, (1, stride), modes)[:, 0]
    np.testing.assert_allclose(run(layer, x), expected, rtol=1e-4, atol=1e-5)
    assert layer.output_shape == (length and expected.shape[1], 3)


def test_a_filter_is_read_backwards():
    layer = bound("conv1", (None, 1), size=1, filter_size=3, activation="linear")
    layer.find("w").set_value(floats([[[[1, 2, 4]]]]))
    layer.find("b").set_value(floats([0.5]))
    np.testing.assert_array_equal(run(layer, [[[0], [0], [1], [0], [0]]]).ravel(), [1.5, 2.5, 4.5])


@pytest.mark.parametrize("mode", list(pooling.POOLING_MODES))
@pytest.mark.parametrize("ignore_border, padding", [(True, (0, 0)), (False, (0, 0)), (True, (1, 0)), (True, (1, 2))])
@pytest.mark.parametrize("size, stride", [((2, 3), (2, 3)), ((3, 3), (1, 2)), ((2, 3), (3, 4)), ((4, 3), (2, 1))])
def test_pool2_pools(mode, ignore_border, padding, size, stride):
    """Defect 21."""
    layer = bound("pool2", (6, 7, 2), pool_size=size, stride=stride, mode=mode, ignore_border=ignore_border,
                  padding=padding)
    x = draw(2, 6, 7, 2) - 3
    expected = pool(x, size, stride, mode, ignore_border, padding)
    outputs = alone(layer, **{"in": x})
    np.testing.assert_allclose(outputs["l:out"], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(outputs["l:pre"], outputs["l:out"])
    assert layer.output_shape == layer.shapes["pre"] == expected.shape[1:]
    assert layer.params == []


@pytest.mark.parametrize("length", [9, None])
@pytest.mark.parametrize("mode", ["max", "sum", "mean"])
@pytest.mark.parametrize("size, stride, ignore_border, padding", [
    (2, None, True, 0), (3, 2, True, 1), (4, 3, False, 0), (2, 4, False, 0), (3, 1, True, 2),
])
def test_pool1_pools(length, mode, size, stride, ignore_border, padding):
    """Defect 21."""
    layer = bound("pool1", (length, 2), pool_size=size, stride=stride, mode=mode, ignore_border=ignore_border,
                  padding=padding)
    x = draw(2, 9, 2)
    expected = pool(x[:, np.newaxis], (1, size), (1, stride or size), mode, ignore_border, (0, padding))[:, 0]
    np.testing.assert_allclose(run(layer, x), expected, rtol=1e-5, atol=1e-5)
    assert layer.output_shape == (length and expected.shape[1], 2)


def test_the_example_of_the_contract():
    """Defect 21."""
    x = np.arange(16).reshape(1, 4, 4, 1)
    assert run(bound("pool2", (4, 4, 1), pool_size=(2, 2)), x).reshape(2, 2).tolist() == [[5, 7], [13, 15]]


def test_mean_is_over_entries_of_the_input():
    x = [[[1], [3]]]
    options = dict(pool_size=2, stride=1, padding=1)
    assert run(bound("pool1", (2, 1), mode="mean", **options), x).ravel().tolist() == [1, 2, 3]
    assert run(bound("pool1", (2, 1), mode="average_inc_pad", **options), x).ravel().tolist() == [0.5, 2, 1.5]


# Shapes against running Theano, on random settings.


@st.composite
def settings_of_convolutions(draw_):
    count = draw_(st.integers(1, 2))
    each = st.tuples(*[st.integers(1, 5)] * count)
    lengths = draw_(st.tuples(*[st.integers(1, 9)] * count))
    modes = [*filters.BORDER_MODES, 0, 1, 3]
    pairs = st.tuples(st.integers(0, 3) if count == 2 else st.just(0), st.integers(0, 3))
    mode = draw_(st.one_of(st.sampled_from(modes), pairs))
    hidden = draw_(st.tuples(*[st.booleans()] * count))
    return lengths, draw_(each), draw_(each), mode, hidden


@QUICK
@given(case=settings_of_convolutions())
@example(case=((9,), (2,), (4,), "same", (True,)))
@example(case=((7, 8), (4, 3), (3, 2), "same", (True, True)))
@example(case=((1, 1), (5, 5), (1, 1), "same", (True, False)))
def test_shapes_of_convolutions(case):
    """Defects 7 to 11 and 16: every known length is right, and lengths are known if those of the input are."""
    lengths, window, stride, mode, hidden = case
    count = len(lengths)
    modes = mode if isinstance(mode, tuple) else (mode,) * 2
    borders = [border_of(*axis) for axis in zip(modes[-count:], window, stride, lengths)]
    fits = all(length + sum(border) >= f for length, border, f in zip(lengths, borders, window))
    known = tuple(None if hide else length for hide, length in zip(hidden, lengths))
    options = dict(size=2, filter_size=window, stride=stride, border_mode=mode)
    if not fits:
        with pytest.raises(ConfigurationError, match="'l'"):
            bound(f"conv{count}", (*lengths, 1), **options)
        return
    layer = bound(f"conv{count}", (*known, 1), **options)
    true = run(layer, draw(2, *lengths, 1)).shape
    assert true[0] == 2 and true[-1] == 2
    assert layer.output_shape == tuple(None if hide else n for hide, n in zip((*hidden, False), true[1:]))
    if mode == "same":
        assert true[1:-1] == tuple(-(-length // s) for length, s in zip(lengths, stride))


@QUICK
@given(data=st.data(), count=st.integers(1, 2), mode=st.sampled_from(["max", "mean"]), ignore_border=st.booleans())
def test_shapes_of_pooling(data, count, mode, ignore_border):
    """Defect 21."""
    def each(low, high):
        return data.draw(st.tuples(*[st.integers(low, high)] * count))

    lengths, size, stride, padding = each(1, 9), each(1, 4), each(1, 5), each(0, 3)
    if not ignore_border:
        padding = (0,) * count
    assume(all(p < s for p, s in zip(padding, size)))
    options = dict(pool_size=size, stride=stride, mode=mode, ignore_border=ignore_border, padding=padding)
    if ignore_border and any(n + 2 * p < s for n, p, s in zip(lengths, padding, size)):
        with pytest.raises(ConfigurationError, match="'l'"):
            bound(f"pool{count}", (*lengths, 1), **options)
        return
    x = draw(2, *lengths, 1)
    layer = bound(f"pool{count}", (*lengths, 1), **options)
    out = run(layer, x)
    assert layer.output_shape == out.shape[1:]
    images = x.reshape(2, *(1,) * (2 - count), *lengths, 1)
    pairs = [(1,) * (2 - count) + pair for pair in (size, stride)]
    expected = pool(images, *pairs, mode, ignore_border, (0,) * (2 - count) + padding)
    np.testing.assert_allclose(out, expected.reshape(out.shape), rtol=1e-4, atol=1e-5)
    unknown = bound(f"pool{count}", (None,) * count + (1,), **options)
    assert unknown.output_shape == (None,) * count + (1,)
    np.testing.assert_array_equal(run(unknown, x), out)


def test_one_unknown_axis():
    """Defect 11."""
    assert bound("conv2", (None, 7, 2), size=3, filter_size=(3, 3)).output_shape == (None, 5, 3)
    assert bound("conv2", (7, None, 2), size=3, filter_size=(3, 3), stride=2).output_shape == (3, None, 3)
    assert bound("pool2", (None, 7, 2), pool_size=2).output_shape == (None, 3, 2)


def test_layers_behind_find_the_right_shape():
    """Defects 7 and 9: the examples of the contract."""
    network = theanets.convolution.Classifier([
        (28, 28, 1), dict(form="conv2", size=4, filter_size=(5, 5)),
        dict(form="conv2", size=6, filter_size=(5, 5), stride=(2, 2)), "flat", 10])
    assert network.layers[2].output_shape == (10, 10, 6) and network.layers[3].output_shape == (600,)
    assert network.predict(np.zeros((2, 28, 28, 1))).shape == (2,)
    network = theanets.Regressor([(9, 2), dict(form="conv1", size=3, filter_size=3), "flat", 4])
    assert [layer.output_shape for layer in network.layers] == [(9, 2), (7, 3), (21,), (4,)]
    assert network.predict(np.zeros((2, 9, 2))).shape == (2, 4)


# Gradients.


def loss_gradients(layer, x, weights):
    """The gradient of a weighted sum of the outputs, by the input and by the parameters."""
    variable = TT.TensorType(util.FLOAT, (False,) * x.ndim)("x")
    outputs, updates = layer.connect({"in:out": variable})
    assert updates == []
    wrt = [variable, *layer.params]
    return theano.function([variable], theano.grad((outputs["l:out"] * weights).sum(), wrt))(x)


@pytest.mark.parametrize("shape", [(5, 6, 2), (None, None, 2)])
@pytest.mark.parametrize("stride, mode", [
    ((1, 1), "valid"), ((2, 3), "same"), ((1, 2), "full"), ((2, 1), "half"), ((3, 2), (1, 2)), ((1, 1), "same"),
])
def test_gradients_of_convolutions(shape, stride, mode):
    layer = bound("conv2", shape, size=2, filter_size=(2, 3), stride=stride, border_mode=mode, activation="tanh")
    x, w, b = (value.astype("d") for value in (draw(2, 5, 6, 2), *(param.get_value() for param in layer.params)))
    weights = draw(*convolve(x, w, b, stride, mode).shape, seed=1)

    def total(x, w, b):
        return (np.tanh(convolve(x, w, b, stride, mode)) * weights).sum()

    expected = [numeric_gradient(lambda x: total(x, w, b), x, 1e-5),
                numeric_gradient(lambda w: total(x, w, b), w, 1e-5),
                numeric_gradient(lambda b: total(x, w, b), b, 1e-5)]
    for actual, wanted in zip(loss_gradients(layer, floats(x), weights), expected):
        np.testing.assert_allclose(actual, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", ["valid", "same", 2])
def test_gradients_over_time(mode):
    layer = bound("conv1", (None, 2), size=2, filter_size=3, stride=2, border_mode=mode, activation="tanh")
    x, w, b = (value.astype("d") for value in (draw(2, 6, 2), *(param.get_value() for param in layer.params)))

    def out(x, w):
        return np.tanh(convolve(x[:, np.newaxis], w, b, (1, 2), ("valid", mode)))[:, 0]

    weights = draw(*out(x, w).shape, seed=1)
    by_input, by_filters, _ = loss_gradients(layer, floats(x), weights)
    for actual, wanted in [
        (by_input, numeric_gradient(lambda x: (out(x, w) * weights).sum(), x, 1e-5)),
        (by_filters, numeric_gradient(lambda w: (out(x, w) * weights).sum(), w, 1e-5)),
    ]:
        np.testing.assert_allclose(actual, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", list(pooling.POOLING_MODES))
@pytest.mark.parametrize("stride, ignore_border, padding", [
    ((2, 3), True, (0, 0)), ((1, 2), True, (1, 2)), ((2, 2), False, (0, 0)),
])
def test_gradients_of_pooling(mode, stride, ignore_border, padding):
    layer = bound("pool2", (5, 6, 2), pool_size=(2, 3), stride=stride, mode=mode, ignore_border=ignore_border,
                  padding=padding)
    x = draw(2, 5, 6, 2)

    def out(x):
        return pool(x, (2, 3), stride, mode, ignore_border, padding)

    weights = draw(*out(x).shape, seed=1)
    (actual,) = loss_gradients(layer, x, weights)
    expected = numeric_gradient(lambda x: (out(x) * weights).sum(), x.astype("d"), 1e-5)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


# Parameters.


def test_initial_weights():
    """Section 7.1: one matrix for each place of the filter, then the bias; the area of the filter does not matter."""
    for options, mean, std, sparsity in [({}, 0, 1 / np.sqrt(5), 0), (dict(std=2, mean_w=1, sparsity=0.5), 1, 2, 0.5)]:
        layer = bound("conv2", (5, 5, 2), size=3, filter_size=(2, 3), rng=np.random.RandomState(4), **options)
        rng = np.random.RandomState(4)
        expected = np.zeros((3, 2, 2, 3), util.FLOAT)
        for i, j in np.ndindex(2, 3):
            expected[:, :, i, j] = util.random_matrix(3, 2, mean, std, sparsity=sparsity, rng=rng)
        np.testing.assert_array_equal(layer.find("w").get_value(), expected)
        np.testing.assert_array_equal(layer.find("b").get_value(), util.random_vector(3, rng=rng))


def test_binding_again_keeps_parameters():
    network = theanets.Network([(5, 5, 2), dict(form="conv2", size=3, filter_size=2)])
    before = values(network)
    network.layers[1].bind(network)
    helpers.assert_same_values(values(network), before)


class FilterGated(convolution.Convolution):
    """A user's layer with two sets of filters."""

    def setup(self):
        super().setup()
        self.add_conv_weights("v", mean=2, std=0.1)

    def transform(self, inputs):
        pre = self.convolve(inputs, self.find("w")) + self.find("b")
        return dict(pre=pre, out=pre * TT.nnet.sigmoid(self.convolve(inputs, self.find("v")))), []


def test_users_subclass():
    layer = bound("filtergated", (5, 5, 2), size=3, filter_size=2, std_v=0)
    assert names(layer.params) == ["l.w", "l.b", "l.v"]
    assert (layer.find("v").get_value() == 2).all() and layer.find("v").get_value().shape == (3, 2, 2, 2)
    assert run(layer, draw(2, 5, 5, 2)).shape == (2, *layer.output_shape) == (2, 4, 4, 3)


# Options.


def test_keys():
    for key in ("convolution", "conv1", "conv2", "pooling", "pool1", "pool2"):
        assert theanets.Layer.get_class(key.upper()).__name__.lower() == key
    assert issubclass(convolution.Conv1, convolution.Convolution) and issubclass(convolution.Pool1, convolution.Pooling)


@pytest.mark.parametrize("form, options", [
    ("convolution", dict(filter_size=2, size=3)), ("pooling", dict(pool_size=2)),
])
def test_abstract_layers_do_nothing(form, options):
    layer = bound(form, (5, 5, 2), **options)
    with pytest.raises(NotImplementedError):
        layer.connect({"in:out": TT.tensor4()})


@pytest.mark.parametrize("given, axes, kept", [
    (3, 2, (3, 3)), ([3, 2], 2, (3, 2)), ((3, 2), 2, (3, 2)), (np.int64(3), 2, (3, 3)), (np.array([3, 2]), 2, (3, 2)),
    (3, 1, (1, 3)), ((3,), 1, (1, 3)), ([3], 1, (1, 3)), (np.int32(3), 1, (1, 3)),
])
def test_integers_and_sequences(given, axes, kept):
    """Defect 19."""
    layer = theanets.Layer.build(f"conv{axes}", filter_size=given, stride=given, size=2)
    assert layer.filter_size == layer.stride == kept
    assert all(type(entry) is int for entry in layer.filter_size)
    layer = theanets.Layer.build(f"pool{axes}", given)
    assert layer.pool_size == layer.stride == kept and layer.padding == (0, 0)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", (), (3, 3, 3), (3, 0), (3, None), {3: 3}, np.ones((2, 2))])
@pytest.mark.parametrize("form, option", [("conv1", "filter_size"), ("conv1", "stride"), ("conv2", "filter_size"),
                                          ("conv2", "stride"), ("pool1", "pool_size"), ("pool2", "stride")])
def test_bad_lengths(form, option, value):
    """Defects 18 and 19."""
    required = dict(filter_size=2, size=3) if form.startswith("conv") else dict(pool_size=2)
    with pytest.raises(ConfigurationError, match=f"'l'.*{option}"):
        theanets.Layer.build(form, name="l", **{**required, option: value})


def test_a_sequence_has_one_axis():
    """Defect 19."""
    for options in (dict(filter_size=(1, 3)), dict(filter_size=3, stride=(1, 2))):
        with pytest.raises(ConfigurationError, match="'l'"):
            theanets.Layer.build("conv1", name="l", size=3, **options)


@pytest.mark.parametrize("form", ["conv1", "conv2", "pool1", "pool2", "convolution"])
def test_required_options(form):
    with pytest.raises(TypeError, match="'l'"):
        theanets.Layer.build(form, name="l", size=3)
    with pytest.raises(ConfigurationError, match="'l'"):
        theanets.Layer.build(form, name="l", size=3)


def test_old_name_of_the_filter_size():
    with pytest.warns(DeprecationWarning, match="filter_size"):
        layer = theanets.Layer.build("conv2", filter_shape=(3, 2), size=2)
    assert layer.filter_size == (3, 2)
    assert "filter_shape" not in layer.to_spec()
    with pytest.raises(ConfigurationError, match="'l'.*filter_shape"):
        theanets.Layer.build("conv2", name="l", filter_shape=(3, 2), filter_size=2, size=2)


@pytest.mark.parametrize("mode", ["VALID", "Same", "hALF", "FULL"])
def test_border_modes_in_any_case(mode):
    """Defect 16."""
    x = draw(2, 6, 7, 2)
    one, two = (bound("conv2", (6, 7, 2), size=2, filter_size=3, rng=1, border_mode=m) for m in (mode, mode.lower()))
    assert one.border_mode == mode.lower()
    np.testing.assert_array_equal(run(one, x), run(two, x))


@pytest.mark.parametrize("mode", ["vald", "", None, -1, 1.5, True, (1,), (1, 2, 3), (1, -1), ("valid", "same"),
                                  ((1, 2), 1), {}])
@pytest.mark.parametrize("form", ["conv1", "conv2"])
def test_bad_border_modes(form, mode):
    """Defect 16."""
    with pytest.raises(ConfigurationError, match="'l'.*border_mode"):
        theanets.Layer.build(form, name="l", size=2, filter_size=3, border_mode=mode)


def test_misspelt_border_mode():
    with pytest.raises(ConfigurationError, match="did you mean 'valid'"):
        theanets.Layer.build("conv2", size=2, filter_size=3, border_mode="vald")


def test_only_time_can_be_padded():
    """Defect 10."""
    with pytest.raises(ConfigurationError, match="'l'"):
        theanets.Layer.build("conv1", name="l", size=2, filter_size=3, border_mode=(1, 1))


@pytest.mark.parametrize("options", [
    dict(mode="maximum"), dict(mode=None), dict(mode=3), dict(padding=2), dict(padding=-1), dict(padding=1.5),
    dict(padding=1, ignore_border=False), dict(ignore_border="no"), dict(ignore_border=None),
    dict(mean=0), dict(std=1), dict(sparsity=0.5), dict(diagonal=1), dict(radius=1), dict(border_mode="same"),
])
def test_bad_options_of_pooling(options):
    """Defect 21."""
    with pytest.raises(ConfigurationError, match="'l'"):
        theanets.Layer.build("pool2", name="l", pool_size=2, **options)


@pytest.mark.parametrize("option", ["std_w", "mean_b"])
def test_pooling_has_no_parameters(option):
    with pytest.raises(ConfigurationError, match=f"'l'.*{option}"):
        bound("pool2", (4, 4, 1), pool_size=2, **{option: 1})


@pytest.mark.parametrize("option", ["radius", "diagonal", "radius_w", "diagonal_w", "radius_b", "diagonal_b",
                                    "sparsity_b", "std_v", "padding", "pool_size"])
def test_options_without_effect(option):
    with pytest.raises(ConfigurationError, match=f"'l'.*{option}"):
        bound("conv2", (4, 4, 1), size=2, filter_size=2, **{option: 1})


# Inputs that do not fit.


@pytest.mark.parametrize("form, shape", [
    ("conv1", (7,)), ("conv1", (8, 7, 2)), ("conv2", (8, 7)), ("conv2", (7,)), ("conv2", (2, 8, 7, 2)),
    ("pool1", (7,)), ("pool1", (8, 7, 2)), ("pool2", (8, 7)), ("pool2", (7,)), ("conv1", (8, None)),
    ("pool2", (8, 7, None)),
])
def test_inputs_of_the_wrong_rank(form, shape):
    """Defect 20."""
    options = dict(filter_size=2, size=3) if form.startswith("conv") else dict(pool_size=2)
    with pytest.raises(ConfigurationError, match="'l'.*'in:out'"):
        bound(form, shape, **options)


def test_wrong_rank_in_a_network():
    """Defect 20: the model does not get as far as being evaluated."""
    with pytest.raises(ConfigurationError, match="'hid1'"):
        theanets.Regressor([4, dict(form="conv1", size=3, filter_size=2), 2])


@pytest.mark.parametrize("form, shape, options", [
    ("conv1", (7, 2), dict(filter_size=8)), ("conv1", (7, 2), dict(filter_size=10, border_mode=1)),
    ("conv2", (7, 9, 2), dict(filter_size=8)), ("conv2", (7, 9, 2), dict(filter_size=(3, 10))),
    ("conv2", (None, 9, 2), dict(filter_size=(3, 10))), ("conv2", (7, 9, 2), dict(filter_size=(3, 12), border_mode=1)),
])
def test_filters_larger_than_the_input(form, shape, options):
    """Defect 17."""
    with pytest.raises(ConfigurationError, match="'l'.*does not fit"):
        bound(form, shape, size=2, **options)
    pooling = dict(pool_size=options["filter_size"])
    with pytest.raises(ConfigurationError, match="'l'.*does not fit"):
        bound(form.replace("conv", "pool"), shape, **pooling)


@pytest.mark.parametrize("form, short, options", [
    ("conv1", 3, dict(filter_size=4, size=2)), ("conv1", 1, dict(filter_size=4, size=2, border_mode=1)),
    ("conv1", 0, dict(filter_size=4, size=2, border_mode="same")),
    ("conv1", 0, dict(filter_size=4, size=2, border_mode="same", stride=2)),
    ("conv1", 0, dict(filter_size=4, size=2, border_mode="full")),
    ("pool1", 3, dict(pool_size=4)), ("pool1", 1, dict(pool_size=4, padding=1)),
    ("pool1", 0, dict(pool_size=4, stride=2, ignore_border=False)),
])
def test_data_that_is_too_short(form, short, options):
    """Defect 17: where the length is not known before, there is a ValueError that names the layer."""
    layer = bound(form, (None, 2), **options)
    assert run(layer, np.zeros((3, short + 1, 2))).shape[1] >= 1
    with pytest.raises(ValueError, match=rf"'l'.*at least {short + 1} along axis 1; found.*\(3, {short}, 2\)"):
        run(layer, np.zeros((3, short, 2)))


def test_images_that_are_too_small():
    """Defect 17."""
    network = theanets.Network([dict(shape=(None, 5, 1)), dict(form="conv2", size=2, filter_size=(4, 5))])
    with pytest.raises(ValueError, match=r"'out'.*at least 4 along axis 1"):
        network.predict(np.zeros((2, 3, 5, 1)))


@pytest.mark.parametrize("form, options", [
    ("conv1", dict(size=2, filter_size=3, stride=2)), ("conv1", dict(size=2, filter_size=3, border_mode="same")),
    ("pool1", dict(pool_size=2)), ("pool1", dict(pool_size=2, mode="mean", ignore_border=False)),
])
@pytest.mark.parametrize("length", [6, None])
def test_no_examples(form, options, length):
    layer = bound(form, (length, 2), **options)
    some, none = run(layer, np.zeros((1, 6, 2))), run(layer, np.zeros((0, 6, 2)))
    assert none.shape == (0, *some.shape[1:])


@pytest.mark.parametrize("options", [{}, dict(shape=(6, 7, 3)), dict(shape=(7, 7, 3)), dict(shape=(3, 3)),
                                     dict(shape=(6, 6, 3, 3)), dict(size=3, shape=(6, 6, 2)), dict(shape=(6, 6, None))])
def test_shapes_that_contradict(options):
    """Defect 12: also neither size nor shape."""
    with pytest.raises(ConfigurationError, match="'l'"):
        bound("conv2", (8, 7, 2), filter_size=(3, 2), **options)


@pytest.mark.parametrize("options", [
    dict(size=3), dict(shape=(6, 6, 3)), dict(shape=(3,)), dict(shape=(None, 6, 3)), dict(shape=(None, None, 3)),
    dict(size=3, shape=(6, 6, 3)),
])
def test_shapes_that_agree(options):
    """Defect 12."""
    assert bound("conv2", (8, 7, 2), filter_size=(3, 2), **options).output_shape == (6, 6, 3)


def test_shapes_that_nobody_can_promise():
    with pytest.raises(ConfigurationError, match="'l'"):
        bound("conv2", (None, 7, 2), filter_size=(3, 2), shape=(6, 6, 3))
    assert bound("conv2", (None, 7, 2), filter_size=(3, 2), shape=(None, 6, 3)).output_shape == (None, 6, 3)


def test_sizes_of_pooling_layers():
    """Defect 21."""
    for options in ({}, dict(size=2), dict(shape=(4, 3, 2)), dict(shape=(2,))):
        assert bound("pool2", (8, 7, 2), pool_size=2, **options).output_shape == (4, 3, 2)
    for options in (dict(size=3), dict(shape=(4, 4, 2)), dict(shape=(4, 3, 1))):
        with pytest.raises(ConfigurationError, match="'l'"):
            bound("pool2", (8, 7, 2), pool_size=2, **options)


def test_one_input_only():
    for form, options in (("conv2", dict(size=2, filter_size=1)), ("pool2", dict(pool_size=1))):
        with pytest.raises(ConfigurationError, match="'l'"):
            theanets.Network([(4, 4, 1), dict(form="conv2", size=1, filter_size=1),
                              dict(form=form, name="l", inputs=("in", "hid1"), **options)])


@pytest.mark.parametrize("form, options", [("conv1", dict(size=2, filter_size=2)), ("pool1", dict(pool_size=2))])
@pytest.mark.parametrize("context, reason", [
    (dict(mask=TT.matrix()), "different lengths"), (dict(single_step=True), "one time step at a time"),
])
def test_time_steps_that_must_keep_their_places(form, options, context, reason):
    layer = bound(form, (None, 2), **options)
    inputs = Outputs()
    inputs["in:out"] = TT.tensor3()
    assert list(layer.connect(inputs)[0]) == ["l:out", "l:pre"]
    inputs.context = Context(**context)
    with pytest.raises(ConfigurationError, match=f"'l'.*{reason}"):
        layer.connect(inputs)


def test_sequences_of_different_lengths():
    network = theanets.recurrent.Regressor([2, dict(form="conv1", size=3, filter_size=2, border_mode="same"), 2])
    assert network.predict(draw(3, 5, 2)).shape == (3, 5, 2)
    with pytest.raises(ConfigurationError, match="'hid1'.*different lengths"):
        network.predict([draw(5, 2), draw(4, 2)])


# In networks.


def test_pooled_values_are_not_clipped():
    """Defect 21: the activation that a network asks for by default is for others; one that the user names is used."""
    x = -1 - draw(2, 4, 4, 1) ** 2
    network = theanets.convolution.Regressor([(4, 4, 1), dict(form="pool2", pool_size=2), "flat", 2])
    assert network.layers[1].activation == "linear"
    assert (network.feed_forward(x)["hid1:out"] < 0).all()
    for activation in ("relu", "tanh"):
        network = theanets.convolution.Regressor([
            (4, 4, 1), dict(form="pool2", pool_size=2, activation=activation), "flat", 2])
        outputs = network.feed_forward(x)
        expected = np.maximum(outputs["hid1:pre"], 0) if activation == "relu" else np.tanh(outputs["hid1:pre"])
        np.testing.assert_allclose(outputs["hid1:out"], expected, rtol=1e-6)


def test_channels_after_a_dense_layer():
    """Section 12."""
    network = theanets.convolution.Regressor([
        (13, 15, 7), 8, dict(form="conv2", size=3, filter_size=(4, 3)), "flat", 2])
    assert network.layers[2].output_shape == (10, 13, 3)
    assert network.predict(np.zeros((2, 13, 15, 7))).shape == (2, 2)


def test_an_autoencoder_of_sequences():
    """Section 12: 31 steps become 19."""
    network = theanets.Network([dict(size=7, ndim=3), 8, 8, dict(form="conv1", size=8, filter_size=13), 7])
    assert network.predict(np.zeros((2, 31, 7))).shape == (2, 19, 7)


@pytest.mark.parametrize("form, shape, options, expected", [
    ("conv1", (9, 2), dict(size=3, filter_size=3), dict(filter_size=3, stride=1, border_mode="valid")),
    ("conv1", (9, 2), dict(size=3, filter_size=[3], stride=2, border_mode=[0, 1]),
     dict(filter_size=3, stride=2, border_mode=(0, 1))),
    ("conv2", (8, 7, 2), dict(size=3, filter_size=[3, 2], stride=2, border_mode="Same", std_w=0.1),
     dict(filter_size=(3, 2), stride=(2, 2), border_mode="same")),
    ("pool1", (9, 2), dict(pool_size=3), dict(pool_size=3, stride=3, mode="max", ignore_border=True, padding=0)),
    ("pool2", (8, 7, 2), dict(pool_size=[3, 2], stride=2, mode="Mean", ignore_border=False),
     dict(pool_size=(3, 2), stride=(2, 2), mode="mean", ignore_border=False, padding=(0, 0))),
    ("pool2", (8, 7, 2), dict(pool_size=3, padding=1, activation="tanh"), dict(padding=(1, 1), activation="tanh")),
])
def test_specs_rebuild_the_layer(form, shape, options, expected):
    """Defect 13."""
    layer = bound(form, shape, rng=5, **options)
    spec = layer.to_spec()
    assert expected.items() <= spec.items()
    assert (spec["form"], spec["name"]) == (form, "l")
    network = theanets.Network([dict(shape=shape)])
    network.add_layer(dict(spec))
    again = network.layers[1]
    assert type(again) is type(layer) and again.output_shape == layer.output_shape
    assert again.to_spec() == spec
    x = draw(2, *shape)
    np.testing.assert_array_equal(run(again, x), run(layer, x))


@pytest.mark.parametrize("form", ["conv", "pool"])
@pytest.mark.parametrize("axes", [1, 2])
def test_pickling(form, axes):
    options = dict(size=3, filter_size=3, border_mode="same") if form == "conv" else dict(pool_size=3, mode="mean")
    layer = bound(f"{form}{axes}", (7,) * axes + (2,), **options)
    again = pickle.loads(pickle.dumps(layer))
    x = draw(2, *(7,) * axes, 2)
    assert again.to_spec().keys() == layer.to_spec().keys() and again.output_shape == layer.output_shape
    np.testing.assert_array_equal(run(again, x), run(layer, x))


def test_no_warnings():
    """Defect 51."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = theanets.convolution.Classifier([
            (6, 6, 1), dict(form="conv2", size=2, filter_size=3, border_mode="same"),
            dict(form="pool2", pool_size=2), "flat", 3])
        network.predict(np.zeros((2, 6, 6, 1)))


def test_log():
    with helpers.log_records(level=logging.DEBUG) as records:
        bound("conv2", (8, 8, 1), size=2, filter_size=(4, 3), stride=(1, 2))
    assert "relu valid filters 4x3+1+2" in records[-1].getMessage()
    assert "8x8x1 -> 5x3x2, 26 parameters" in records[-2].getMessage()
