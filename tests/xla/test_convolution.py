"""Convolutions and pooling, against Theano's own evaluation."""

import itertools
import re

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theano.tensor.nnet import abstract_conv, conv, conv3d2d
from theano.tensor.signal import pool

from . import helpers

FLOAT = theano.config.floatX


def normal(*shape):
    return np.random.RandomState(4).randn(*shape).astype(FLOAT)


CASES = [
    dict(border_mode="valid"),
    dict(border_mode="full", filter_flip=False),
    dict(border_mode="half", subsample=(2, 1)),
    dict(border_mode=1, subsample=(2, 3), filter_flip=False),
    dict(border_mode=(2, 0), filter_dilation=(2, 1)),
    dict(border_mode=((1, 2), (0, 1))),
    dict(border_mode="valid", num_groups=2),
    dict(border_mode="half", subsample=(3, 2), filter_dilation=(1, 2), num_groups=2, filter_flip=False),
]


@pytest.mark.parametrize("options", CASES, ids=str)
def test_convolution_and_its_gradients(options):
    x, w = TT.tensor4("x"), TT.tensor4("w")
    channels = 4 // options.get("num_groups", 1)
    arrays = [normal(2, 4, 7, 8), normal(6, channels, 3, 2)]
    output = TT.nnet.conv2d(x, w, **options)
    helpers.agree_with_gradients([x, w], output, arrays, rtol=1e-4, atol=1e-4)


UNSHARED = [
    dict(border_mode="valid"),
    dict(border_mode=((1, 2), (0, 1)), subsample=(2, 1), filter_flip=False),
    dict(border_mode="half", subsample=(1, 2), num_groups=2),
]


@pytest.mark.parametrize("options", UNSHARED, ids=str)
def test_filters_that_differ_from_place_to_place(options):
    x, w = TT.tensor4("x"), TT.TensorType(FLOAT, [False] * 6)("w")
    channels = 4 // options.get("num_groups", 1)
    shape = abstract_conv.get_conv_output_shape(
        (2, 4, 5, 6), (2, channels, 3, 2), options["border_mode"], options.get("subsample", (1, 1))
    )
    output = abstract_conv.conv2d(x, w, input_shape=None, filter_shape=None, unshared=True, **options)
    arrays = [normal(2, 4, 5, 6), normal(2, *shape[2:], channels, 3, 2)]
    helpers.agree_with_gradients([x, w], output, arrays, rtol=1e-4, atol=1e-4)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.data())
def test_convolution_of_any_geometry(data):
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    length, window, stride, dilation = (data.draw(pair) for _ in range(4))
    border = data.draw(st.sampled_from(["valid", "half", "full"]) | st.tuples(st.integers(0, 2), st.integers(0, 2)))
    groups = data.draw(st.integers(1, 2))
    options = dict(border_mode=border, subsample=stride, filter_dilation=dilation, num_groups=groups)
    # long enough for every window.
    rows, columns = ((size - 1) * step + extra for size, step, extra in zip(window, dilation, length))
    x, w = TT.tensor4("x"), TT.tensor4("w")
    output = TT.nnet.conv2d(x, w, filter_flip=data.draw(st.booleans()), **options)
    arrays = [normal(2, 2 * groups, rows, columns)[:, ::-1], normal(2 * groups, 2, *window)[..., ::-1]]
    helpers.agree_with_gradients([x, w], output, arrays, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", CASES, ids=str)
def test_channels_come_last_in_all_that_xla_is_given(options):
    # XLA is slow with anything else in the loop over the batches of an epoch.
    x, w = TT.tensor4("x"), TT.tensor4("w")
    output = TT.nnet.conv2d(x, w, **options)
    function = theano.function([x, w], [output, *TT.grad(TT.sqr(output).sum(), [x, w])], mode="XLA")
    arrays = normal(2, 4, 7, 8), normal(6, 4 // options.get("num_groups", 1), 3, 2)
    text = function.fn.code.plain.lower((), arrays, ()).as_text()
    forms = re.findall(r"dim_numbers = ([^,]*(?:, [^,]*)*?), window", text)
    assert len(forms) >= 3 and set(forms) == {"[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"}


def test_three_dimensions():
    x, w = TT.tensor5("x"), TT.tensor5("w")
    output = TT.nnet.conv3d(x, w, border_mode="half", subsample=(1, 2, 1))
    helpers.agree_with_gradients([x, w], output, [normal(1, 2, 4, 5, 4), normal(3, 2, 2, 3, 2)], rtol=1e-4, atol=1e-4)


def test_convolution_as_it_was():
    x, w = TT.tensor4("x"), TT.tensor4("w")
    arrays = [normal(2, 3, 6, 7), normal(4, 3, 3, 2)]
    for options in (dict(), dict(border_mode="full"), dict(subsample=(2, 1))):
        output = conv.conv2d(x, w, (2, 3, 6, 7), (4, 3, 3, 2), **options)
        gradients = [] if options.get("subsample") else TT.grad(TT.sqr(output).sum(), [x, w])
        helpers.agree([x, w], [output, *gradients], arrays, rtol=1e-3, atol=1e-3)
    videos, filters = TT.tensor5("videos"), TT.tensor5("filters")
    arrays = [normal(2, 4, 1, 5, 5), normal(2, 3, 1, 2, 2)]
    output = conv3d2d.conv3d(videos, filters)
    helpers.agree_with_gradients([videos, filters], output, arrays, rtol=1e-3, atol=1e-3)


def test_filters_that_do_not_fit():
    x, w = TT.tensor4("x"), TT.tensor4("w")
    f = theano.function([x, w], abstract_conv.conv2d(x, w), mode="XLA")
    with pytest.raises((ValueError, AssertionError)):
        f(normal(1, 3, 5, 5), normal(2, 2, 3, 3))


POOLS = [
    dict(ws=(2, 2), ignore_border=True),
    dict(ws=(2, 2), ignore_border=False),
    dict(ws=(3, 2), stride=(2, 1), ignore_border=True),
    dict(ws=(3, 2), stride=(2, 3), ignore_border=False),
    dict(ws=(2, 3), stride=(3, 3), ignore_border=False),
    dict(ws=(3, 3), stride=(2, 2), pad=(1, 1), ignore_border=True),
]


@pytest.mark.parametrize(
    "options, mode", list(itertools.product(POOLS, ["max", "sum", "average_inc_pad", "average_exc_pad"])), ids=str
)
def test_pooling_and_its_gradients(options, mode):
    x = TT.tensor4("x")
    output = pool.pool_2d(x, mode=mode, **options)
    # few different values, so that several are the largest.
    array = np.random.RandomState(2).randint(1, 9, size=(2, 1, 7, 6)).astype(FLOAT)
    if "pad" in options and mode == "average_exc_pad":
        helpers.agree([x], [output], [array])
    elif "pad" in options and mode == "max":
        # Theano's Python code looks beyond windows at the border; its C code does not.
        helpers.agree_with_gradients(
            [x], output, [np.random.RandomState(2).permutation(84).reshape(2, 1, 7, 6).astype(FLOAT)]
        )
    else:
        helpers.agree_with_gradients([x], output, [array])


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.data())
def test_pooling_of_any_geometry(data):
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    window, stride = data.draw(pair), data.draw(pair)
    shape = tuple(size + data.draw(st.integers(0, 4)) for size in window)
    mode = data.draw(st.sampled_from(["max", "sum", "average_inc_pad", "average_exc_pad"]))
    x = TT.tensor4("x")
    output = pool.pool_2d(x, window, stride=stride, mode=mode, ignore_border=data.draw(st.booleans()))
    array = np.random.RandomState(2).permutation(int(np.prod(shape)) * 2).reshape(2, 1, *shape).astype(FLOAT)
    helpers.agree_with_gradients([x], output, [array[..., ::-1]])


def test_pooling_in_three_dimensions_and_twice_differentiated():
    x, y = TT.tensor4("x"), TT.tensor4("y")
    arrays = [normal(2, 4, 4, 5), normal(2, 4, 4, 5)]
    helpers.agree_with_gradients([x], pool.pool_3d(x, (2, 2, 2), ignore_border=True), arrays[:1])
    gradient = TT.grad(TT.sqr(pool.pool_2d(x, (2, 2), ignore_border=True)).sum(), x)
    helpers.agree([x, y], [TT.grad((gradient * y).sum(), x)], arrays)


def test_pooling_in_a_direction():
    x, direction = TT.tensor4("x"), TT.tensor4("direction")
    arrays = [np.random.RandomState(2).permutation(84).reshape(2, 1, 7, 6).astype(FLOAT), normal(2, 1, 7, 6)]
    for options in (POOLS[0], POOLS[1], POOLS[5]):
        f = theano.function([x, direction], TT.Rop(pool.pool_2d(x, **options), x, direction), mode="XLA")
        image, change = arrays
        pooled = theano.function([x], pool.pool_2d(x, **options), mode="XLA")
        # integers are far apart from each other for so small a step.
        expected = (pooled(image + 0.25 * change) - pooled(image)) / 0.25
        np.testing.assert_allclose(f(image, change), expected, rtol=1e-3, atol=1e-3)
