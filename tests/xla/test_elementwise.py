"""Elementwise Ops: values and gradients against Theano's own evaluation."""

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from theano import scalar as ts
from theano.scalar.basic_scipy import gammaincc
from theano.tensor import elemwise
from theano.tensor.nnet import sigm
from theano.tensor.xlogx import xlogx, xlogy0

from . import helpers

FLOAT = theano.config.floatX
SPECIAL = np.array(
    [-np.inf, -1e30, -50, -2.5, -1.5, -1, -0.5, -1e-30, 0, 1e-30, 0.3, 0.5, 1, 1.5, 2.5, 50, 1e30, np.inf, np.nan],
    FLOAT,
)

ANYWHERE = [
    abs,
    TT.sgn,
    TT.ceil,
    TT.floor,
    TT.trunc,
    TT.round,
    lambda x: TT.round(x, mode="half_away_from_zero"),
    TT.sqr,
    TT.exp,
    TT.exp2,
    TT.expm1,
    TT.tanh,
    TT.sin,
    TT.cos,
    TT.arctan,
    TT.arcsinh,
    TT.deg2rad,
    TT.rad2deg,
    TT.nnet.sigmoid,
    TT.nnet.softplus,
    TT.nnet.ultra_fast_sigmoid,
    TT.nnet.hard_sigmoid,
    TT.erf,
    TT.erfc,
    TT.isnan,
    TT.isinf,
    lambda x: -x,
    lambda x: x.clip(-1, 1),
    lambda x: TT.switch(x > 0, x, 2 * x),
    lambda x: x**2,
    lambda x: TT.nnet.relu(x, 0.1),
    lambda x: x.astype("float64"),
    lambda x: TT.cast(x, "complex64"),
    lambda x: TT.nnet.elu(x),
]

POSITIVE = [
    TT.sqrt,
    TT.log,
    TT.log2,
    TT.log10,
    TT.log1p,
    TT.inv,
    TT.arccosh,
    TT.gammaln,
    TT.psi,
    TT.erfcx,
    xlogx,
    lambda x: x**0.5,
    lambda x: 1 / x,
]

WITHIN_ONE = [TT.arcsin, TT.arccos, TT.arctanh, TT.erfinv, TT.tan, TT.sinh, TT.cosh]

PAIRS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a // b,
    lambda a, b: a % b,
    TT.maximum,
    TT.minimum,
    TT.lt,
    TT.le,
    TT.gt,
    TT.ge,
    TT.eq,
    TT.neq,
    TT.arctan2,
    xlogy0,
    lambda a, b: TT.switch(a < b, a, b),
    TT.second,
    lambda a, b: abs(a) ** b,
    lambda a, b: a + 2 * b + a * b,
]

WHOLE = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    TT.maximum,
    TT.minimum,
    TT.lt,
    TT.eq,
    TT.or_,
    TT.and_,
    TT.xor,
    lambda a, b: TT.invert(a),
    lambda a, b: a / b,
    lambda a, b: a // b,
    lambda a, b: a % b,
    lambda a, b: abs(a),
    lambda a, b: TT.sgn(a),
    lambda a, b: a.astype("int8"),
    lambda a, b: a.astype("uint8"),
    lambda a, b: a.astype(FLOAT),
    lambda a, b: TT.sqr(a),
    lambda a, b: a.clip(b, b + 3),
    lambda a, b: TT.sqrt(abs(a)),
    lambda a, b: TT.exp(a / b),
]


def test_one_argument():
    x = TT.vector("x")
    with np.errstate(all="ignore"):
        helpers.agree([x], [TT.as_tensor_variable(f(x)) for f in ANYWHERE], [SPECIAL[::-1]], rtol=2e-5)
        helpers.agree([x], [f(x) for f in POSITIVE], [np.linspace(1, 9, 13).astype(FLOAT)], rtol=2e-5)
        helpers.agree([x], [f(x) for f in WITHIN_ONE], [np.linspace(-0.95, 0.95, 13).astype(FLOAT)], rtol=2e-5)


def test_gradients_of_one_argument():
    x = TT.vector("x")
    without = TT.nnet.ultra_fast_sigmoid, TT.nnet.hard_sigmoid
    smooth = [f for f in ANYWHERE if f not in without and TT.as_tensor_variable(f(x)).dtype == FLOAT]
    for functions, values in (
        (smooth, np.linspace(-2.9, 2.8, 9)),
        (POSITIVE, np.linspace(1.1, 9, 9)),
        (WITHIN_ONE, np.linspace(-0.9, 0.9, 9)),
    ):
        gradients = [TT.grad(f(x).sum(), x, disconnected_inputs="ignore") for f in functions]
        helpers.agree([x], gradients, [values.astype(FLOAT)], rtol=5e-5, atol=1e-5)


def test_upper_incomplete_gamma_function():
    """Theano has no gradient of it."""
    k, x = TT.vectors("kx")
    arrays = np.array([0.5, 1, 4], FLOAT), np.array([0, 1, 3], FLOAT)
    helpers.agree([k, x], [elemwise.Elemwise(gammaincc)(k, x)], arrays)


def test_two_arguments():
    a, b = TT.matrix("a"), TT.row("b")
    rng = np.random.RandomState(1)
    arrays = [rng.randn(4, 5).astype(FLOAT), rng.randn(1, 5).astype(FLOAT)]
    helpers.agree([a, b], [f(a, b) for f in PAIRS], arrays, rtol=2e-5)
    real = [f for f in PAIRS if f(a, b).dtype == FLOAT]
    gradients = [g for f in real for g in TT.grad(f(a, b).sum(), [a, b], disconnected_inputs="ignore")]
    helpers.agree([a, b], gradients, arrays, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtypes", [("int8", "int8"), ("int64", "int32"), ("uint8", "int16"), ("int32", "uint16")])
def test_whole_numbers(dtypes):
    a, b = (TT.TensorType(dtype, [False])(dtype) for dtype in dtypes)
    first = np.array([-128, -7, -1, 0, 1, 7, 100, 127]).astype(dtypes[0])
    second = np.array([3, 3, 2, 5, 7, 4, 3, 100]).astype(dtypes[1])
    helpers.agree([a, b], [f(a, b) for f in WHOLE], [first, second], exact=False, rtol=1e-6)


def test_booleans_and_powers():
    a, b = TT.TensorType("bool", [False])("a"), TT.ivector("b")
    outputs = [a & b.astype("bool"), ~a, a.astype(FLOAT) * 2, TT.switch(a, b, -b), TT.eq(a, a), b**2, b ** abs(b)]
    helpers.agree([a, b], outputs, [np.array([True, False, True]), np.array([2, -3, 4], "int32")], rtol=1e-6)


def test_complex_numbers():
    z, x = TT.zvector("z"), TT.dvector("x")
    outputs = [
        z * z,
        z.real,
        z.imag,
        abs(z),
        TT.conj(z),
        TT.angle(z),
        TT.complex(x, x + 1),
        TT.exp(z),
        z / (1 + 2j),
        TT.complex_from_polar(abs(x), x),
    ]
    values = np.array([1 + 2j, -0.5 - 1j, 3j]), np.array([0.5, -1.5, 2])
    helpers.agree([z, x], outputs, values, rtol=1e-6)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_shapes_and_patterns(data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    patterns = [data.draw(st.tuples(*[st.booleans()] * len(shape))) for _ in range(2)]
    inputs, arrays = [], []
    for i, pattern in enumerate(patterns):
        inputs.append(TT.TensorType(FLOAT, pattern)(f"x{i}"))
        own = [1 if stretched else length for stretched, length in zip(pattern, shape)]
        array = data.draw(hnp.arrays(FLOAT, own, elements=st.floats(-9, 9, width=32)))
        arrays.append(array[(slice(None, None, -1),) * array.ndim])
    a, b = inputs
    helpers.agree_with_gradients(inputs, a * TT.tanh(b) - TT.maximum(a, b) + 1, arrays)


def test_fused_operations():
    x, y = ts.float32("x"), ts.float32("y")
    fused = elemwise.Elemwise(ts.Composite([x, y], [x * y + ts.exp(x), sigm.scalar_sigmoid(y)]))
    a, b = TT.fvector("a"), TT.fvector("b")
    arrays = [np.linspace(-1, 1, 5).astype("float32"), np.linspace(0, 3, 5).astype("float32")]
    helpers.agree([a, b], fused(a, b), arrays)


def test_division_of_whole_numbers_by_zero_does_not_stop_anything():
    a, b = TT.ivector("a"), TT.ivector("b")
    quotient, rest = helpers.run([a, b], [a // b, a % b], [np.array([5, -5], "int32"), np.array([0, 2], "int32")])
    assert (quotient[1], rest[1]) == (-3, 1)
