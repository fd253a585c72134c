"""Reductions, sorting and cumulating, against Theano's own evaluation."""

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from theanets.xla.host import FallbackWarning
from theano.tensor import extra_ops
from theano.tensor.elemwise import ProdWithoutZeros
from theano.tensor.sort import topk, topk_and_argtopk

from . import helpers

FLOAT = theano.config.floatX


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.data())
def test_axes_and_shapes(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    axis = data.draw(st.none() | st.integers(0, len(shape) - 1) | st.just(tuple(range(len(shape)))))
    array = data.draw(hnp.arrays(FLOAT, shape, elements=st.floats(-3, 3, width=32)))[::-1]
    x = TT.TensorType(FLOAT, (False,) * len(shape))("x")
    outputs = [
        x.sum(axis),
        x.prod(axis),
        x.mean(axis),
        x.max(axis),
        x.min(axis),
        x.std(axis),
        (x > 0).any(axis),
        (x > 0).all(axis),
        x.sum(axis, keepdims=True),
    ]
    if not isinstance(axis, tuple):
        outputs += [TT.argmax(x, axis), TT.argmin(x, axis), *TT.max_and_argmax(x, axis)]
    helpers.agree([x], outputs, [array], rtol=1e-4, atol=1e-5)


def test_gradients():
    x = TT.matrix("x")
    array = np.random.RandomState(2).randn(4, 5).astype(FLOAT)
    array[1, 2] = 0
    for output in (x.sum(1), x.prod(0), x.max(1), x.min(), x.norm(2), TT.cumsum(x, 1), TT.cumprod(x, 0)):
        helpers.agree_with_gradients([x], output + 0 * x.sum(), [array], rtol=1e-4, atol=1e-5)


def test_nothing_and_no_numbers():
    x = TT.matrix("x")
    helpers.agree([x], [x.sum(0), x.prod(1), (x > 0).all(), x.sum()], [np.zeros((0, 3), FLOAT)])
    array = np.array([[1, np.nan, 3], [np.inf, -np.inf, 0]], FLOAT)
    helpers.agree([x], [x.max(1), x.min(0), x.sum(1), TT.argmax(x, 1)], [array])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool", "float16", "float64"])
def test_types_of_sums(dtype):
    x = TT.TensorType(dtype, (False, False))("x")
    array = np.random.RandomState(1).randint(0, 2 if dtype == "bool" else 100, size=(3, 50)).astype(dtype)
    outputs = [x.sum(), x.sum(1)]
    if dtype != "bool":
        outputs += [x.max(0), x.min(), x.sum(axis=0, dtype="float64")]
    helpers.agree([x], outputs, [array], rtol=1e-3)


def test_bits():
    x = TT.imatrix("x")
    array = np.random.RandomState(1).randint(-9, 9, size=(3, 4)).astype("int32")
    helpers.agree([x], [TT.all(x, 1), TT.any(x, 0), TT.all(x > -20)], [array], exact=True)


def test_products_without_zeros():
    x = TT.matrix("x")
    helpers.agree([x], [ProdWithoutZeros(axis=1)(x)], [np.array([[2, 0, 3], [0, 0, 5]], FLOAT)])


def test_largest():
    x = TT.matrix("x")
    array = np.random.RandomState(3).permutation(24).reshape(4, 6).astype(FLOAT)
    outputs = []
    for axis, count in ((0, 2), (1, 3), (1, -2), (0, 4)):
        values, places = topk_and_argtopk(x, count, axis, sorted=False)
        outputs += [TT.sort(values, axis), TT.sort(places, axis), TT.sort(topk(x, count, axis, sorted=False), axis)]
    helpers.agree([x], outputs, [array], exact=True)
    gradient = TT.grad((topk(x, 2, 1, sorted=False) ** 2).sum(), x)
    helpers.agree([x], [gradient], [array])
    with pytest.raises(ValueError):
        theano.function([x], topk(x, 7, 1, sorted=False), mode="XLA")(array)


def test_searching():
    x, values, order = TT.vector("x"), TT.matrix("values"), TT.lvector("order")
    array = np.array([3, 1, 2, 2], FLOAT)
    outputs = [
        extra_ops.searchsorted(TT.sort(x), values),
        extra_ops.searchsorted(TT.sort(x), values, side="right"),
        extra_ops.searchsorted(x, values, sorter=order),
        extra_ops.bincount(TT.cast(x, "int32"), minlength=6),
    ]
    arrays = [array, np.array([[0, 2, 3], [2.5, 9, np.nan]], FLOAT), np.argsort(array)]
    helpers.agree([x, values, order], outputs[:3], arrays, exact=True)


def test_what_differs_is_found_on_the_host():
    x = TT.vector("x")
    f = theano.function([x], extra_ops.Unique()(x), mode="XLA")
    with pytest.warns(FallbackWarning, match="different elements"):
        np.testing.assert_array_equal(f(np.array([2, 1, 2], FLOAT)), [1, 2])


def test_sorting():
    x = TT.matrix("x")
    array = np.random.RandomState(3).randint(0, 5, size=(4, 6)).astype(FLOAT)
    helpers.agree([x], [TT.sort(x, 0), TT.sort(x, 1), TT.sort(x, None), TT.argsort(x, 1, kind="mergesort")], [array])
    helpers.agree_with_gradients([x], TT.sort(x, 1), [np.random.RandomState(3).randn(3, 4).astype(FLOAT)])
