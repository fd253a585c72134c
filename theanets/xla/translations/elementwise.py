"""Translations of elementwise Ops, and of the scalar Ops that they apply."""

import functools
import operator

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
import theano
from theano import scalar as ts
from theano.scalar import basic_scipy
from theano.tensor import elemwise, xlogx
from theano.tensor.nnet import nnet, sigm

from ..registry import find_scalar, scalar, translates
from ..steps import reversed_steps, unreversed
from ..tracing import guard


def check_lengths(node, values):
    """Refuse to broadcast where Theano would not: a length of 1 stretches only if it is declared."""
    for axis in range(node.outputs[0].ndim):
        lengths = {
            value.shape[axis] for variable, value in zip(node.inputs, values) if not variable.broadcastable[axis]
        }
        if len(lengths) > 1:
            raise ValueError(f"input dimensions differ: {sorted(lengths)} along axis {axis}")


class Types:
    """The scalar Op and the declared dtypes of its results, the first argument of translations of scalar Ops.

    Parameters
    ----------
    op : theano scalar Op
        The Op.
    outputs : list of str
        Declared types of the results.
    """

    def __init__(self, op, outputs):
        self.op = op
        self.outputs = outputs


def apply(op, values, dtypes):
    """Compute the outputs of a scalar Op elementwise; return a tuple of arrays of the declared types."""
    results = find_scalar(op)(Types(op, dtypes), *values)
    results = results if isinstance(results, tuple) else (results,)
    return tuple(cast_array(result, dtype) for result, dtype in zip(results, dtypes))


def cast_array(value, dtype):
    """Cast as C does: numbers out of range wrap around, where XLA alone would clip them."""
    value, dtype = jnp.asarray(value), np.dtype(dtype)
    if value.dtype == dtype:
        return value
    if value.dtype.kind == "c" and dtype.kind != "c":
        value = value.real
    if value.dtype.kind == "f" and dtype.kind in "ui" and dtype.itemsize < 8:
        # cast through a wider integer type, so that values out of range wrap around as in NumPy.
        wide = "int64" if dtype == "uint32" else "int32"
        return value.astype(wide).astype(dtype)
    return value.astype(dtype)


@translates(elemwise.Elemwise)
def elementwise(op, node, *values):
    check_lengths(node, values)
    before = unreversed(values)
    if before is not None:
        # reversed after the computation rather than before, so that it is known what the result was.
        return tuple(map(reversed_steps, _elementwise(op, node, before)))
    return _elementwise(op, node, values)


def _elementwise(op, node, values):
    results = apply(op.scalar_op, values, [output.dtype for output in node.outputs])
    # an input that an Op ignores, as Second does, still takes part in broadcasting.
    shape = np.broadcast_shapes(*(value.shape for value in values))
    return tuple(jnp.broadcast_to(result, shape) for result in results)


@translates(ts.ScalarOp)
def scalars(op, node, *values):
    return apply(op, values, [output.dtype for output in node.outputs])


@scalar(ts.Composite)
def composite(types, *values):
    op = types.op
    found = dict(zip(op.inputs, values))

    def get(variable):
        return found[variable] if variable in found else np.asarray(variable.data, variable.dtype)

    # the nodes of a Composite declare scalars, but are applied to arrays here.
    for node in theano.gof.graph.io_toposort(op.inputs, op.outputs):
        arguments = [get(variable) for variable in node.inputs]
        found.update(zip(node.outputs, apply(node.op, arguments, [output.dtype for output in node.outputs])))
    return tuple(get(variable) for variable in op.outputs)


def declared(function):
    """Compute in the declared type of the result: Theano's Ops cast what they are given to it."""

    @functools.wraps(function)
    def translation(types, *values):
        return function(*[cast_array(value, types.outputs[0]) for value in values])

    return translation


def common(function):
    """Compute in the type that NumPy finds for the values, which may be wider than JAX's."""

    @functools.wraps(function)
    def translation(types, *values):
        dtype = np.result_type(*[value.dtype for value in values])
        return function(*[cast_array(value, dtype) for value in values])

    return translation


def floating(function):
    """Compute in the declared type, or for half precision in single."""

    @functools.wraps(function)
    def translation(types, *values):
        dtype = types.outputs[0]
        return function(*[cast_array(value, "float32" if dtype == "float16" else dtype) for value in values])

    return translation


def folded(function):
    return lambda *values: functools.reduce(function, values)


def exp2(x):
    """Raise 2 to a power; exactly for whole numbers, which XLA's way by the natural logarithm does not."""
    whole = jnp.round(x)
    return jnp.where(
        jnp.abs(whole) < 1 << 14,
        jnp.ldexp(jnp.exp2(x - whole), jnp.clip(whole, -(1 << 14), 1 << 14).astype("int32")),
        jnp.exp2(x),
    )


def cosh(x):
    """Compute the hyperbolic cosine; more precisely than XLA where it is large."""
    root = jnp.exp(jnp.abs(x) / 2)
    return 0.5 * root * root + 0.5 / root / root


def sinh(x):
    """Compute the hyperbolic sine; more precisely than XLA where it is large."""
    root = jnp.exp(jnp.abs(x) / 2)
    return jnp.where(jnp.abs(x) < 1, jnp.sinh(x), jnp.sign(x) * (0.5 * root * root - 0.5 / root / root))


DECLARED = {
    ts.Add: folded(operator.add),
    ts.Mul: folded(operator.mul),
    ts.Sub: operator.sub,
    ts.TrueDiv: operator.truediv,
    ts.Neg: operator.neg,
    ts.Inv: lambda a: 1 / a,
    ts.Sqr: lambda a: a * a,
    ts.Identity: lambda a: a,
    ts.Cast: lambda a: a,
    ts.Conj: jnp.conj,
    ts.Second: lambda a, b: b,
    elemwise.MulWithoutZeros: lambda a, b: jnp.where(a == 0, b, jnp.where(b == 0, a, a * b)),
    ts.Clip: lambda a, low, high: jnp.where(a < low, low, jnp.where(a > high, high, a)),
}

COMMON = {
    ts.LT: operator.lt,
    ts.GT: operator.gt,
    ts.LE: operator.le,
    ts.GE: operator.ge,
    ts.EQ: operator.eq,
    ts.NEQ: operator.ne,
    ts.IsNan: jnp.isnan,
    ts.IsInf: jnp.isinf,
    ts.OR: operator.or_,
    ts.AND: operator.and_,
    ts.XOR: operator.xor,
    ts.Maximum: jnp.maximum,
    ts.Minimum: jnp.minimum,
    ts.Abs: jnp.abs,
    ts.Sgn: jnp.sign,
    ts.Ceil: jnp.ceil,
    ts.Floor: jnp.floor,
    ts.Trunc: jnp.trunc,
    ts.RoundHalfToEven: jnp.round,
    ts.RoundHalfAwayFromZero: lambda a: jnp.where(a < 0, jnp.ceil(a - 0.5), jnp.floor(a + 0.5)),
    ts.Real: jnp.real,
    ts.Imag: jnp.imag,
    ts.Angle: jnp.angle,
    ts.Complex: jax.lax.complex,
    ts.ComplexFromPolar: lambda r, phi: jax.lax.complex(r * jnp.cos(phi), r * jnp.sin(phi)),
    ts.Invert: jnp.invert,
}

FLOATING = {
    ts.Sqrt: jnp.sqrt,
    ts.Exp: jnp.exp,
    ts.Exp2: exp2,
    ts.Expm1: jnp.expm1,
    ts.Log: jnp.log,
    ts.Log2: jnp.log2,
    ts.Log10: jnp.log10,
    ts.Log1p: jnp.log1p,
    ts.Deg2Rad: jnp.deg2rad,
    ts.Rad2Deg: jnp.rad2deg,
    ts.Cos: jnp.cos,
    ts.ArcCos: jnp.arccos,
    ts.Sin: jnp.sin,
    ts.ArcSin: jnp.arcsin,
    ts.Tan: jnp.tan,
    ts.ArcTan: jnp.arctan,
    ts.ArcTan2: jnp.arctan2,
    ts.Cosh: cosh,
    ts.ArcCosh: jnp.arccosh,
    ts.Sinh: sinh,
    ts.ArcSinh: jnp.arcsinh,
    ts.Tanh: jnp.tanh,
    ts.ArcTanh: jnp.arctanh,
    nnet.ScalarSoftsign: lambda a: a / (1 + jnp.abs(a)),
    sigm.ScalarSigmoid: jax.nn.sigmoid,
    sigm.ScalarSoftplus: lambda a: jnp.where(a > 30, a, jnp.log1p(jnp.exp(jnp.minimum(a, 30)))),
    basic_scipy.Erf: special.erf,
    basic_scipy.Erfc: special.erfc,
    basic_scipy.Erfinv: special.erfinv,
    basic_scipy.GammaLn: special.gammaln,
    basic_scipy.Psi: special.digamma,
    basic_scipy.TriGamma: lambda a: special.polygamma(1, a),
    basic_scipy.Erfcinv: lambda a: -special.ndtri(a / 2) * np.sqrt(0.5).astype(a.dtype),
    basic_scipy.Gamma: special.gamma,
    basic_scipy.GammaInc: special.gammainc,
    basic_scipy.GammaIncC: special.gammaincc,
    basic_scipy.GammaL: lambda k, x: special.gammainc(k, x) * special.gamma(k),
    basic_scipy.GammaU: lambda k, x: special.gammaincc(k, x) * special.gamma(k),
    basic_scipy.Chi2SF: lambda x, k: special.gammaincc(k / 2, x / 2),
    basic_scipy.I0: special.i0,
    basic_scipy.I1: special.i1,
}

if hasattr(special, "erfcx"):
    # older releases of JAX lack it.
    FLOATING[basic_scipy.Erfcx] = special.erfcx

for _wrap, _table in ((declared, DECLARED), (common, COMMON), (floating, FLOATING)):
    for _cls, _function in _table.items():
        scalar(_cls)(_wrap(_function))


@scalar(ts.Switch)
def switch(types, condition, yes, no):
    return jnp.where(condition != 0, cast_array(yes, types.outputs[0]), cast_array(no, types.outputs[0]))


@scalar(ts.InRange)
def in_range(types, x, low, high):
    above = x > low if types.op.openlow else x >= low
    below = x < high if types.op.openhi else x <= high
    return above & below


@scalar(ts.Pow)
def power(types, base, exponent):
    dtype = np.dtype(types.outputs[0])
    if dtype.kind in "iu":
        if exponent.dtype.kind == "i":
            # NumPy raises for negative integer powers of integers.
            guard(exponent >= 0)
        return jnp.power(cast_array(base, dtype), cast_array(exponent, dtype))
    # like pow() of C, which is exact for small integer exponents.
    return jnp.power(cast_array(base, dtype), cast_array(exponent, dtype))


@scalar(ts.IntDiv)
def floor_divide(types, a, b):
    dtype = np.dtype(types.outputs[0])
    a, b = cast_array(a, dtype), cast_array(b, dtype)
    if dtype.kind in "iu":
        return jnp.where(b == 0, np.zeros((), dtype), jnp.floor_divide(a, jnp.where(b == 0, np.ones((), dtype), b)))
    remainder = jnp.where(b == 0, jnp.nan, jnp.mod(a, b))
    quotient = jnp.round((a - remainder) / b)
    return jnp.where(b == 0, a / b, quotient).astype(dtype)


@scalar(ts.Mod)
def modulo(types, a, b):
    dtype = np.dtype(types.outputs[0])
    a, b = cast_array(a, dtype), cast_array(b, dtype)
    if dtype.kind in "iu":
        return jnp.where(b == 0, np.zeros((), dtype), jnp.mod(a, jnp.where(b == 0, np.ones((), dtype), b)))
    return jnp.mod(a, b)


@scalar(sigm.UltraFastScalarSigmoid)
def ultra_fast_sigmoid(types, x):
    x = 0.5 * cast_array(x, types.outputs[0])
    size = jnp.abs(x)
    near = 1.5 * size / (1 + size)
    middle = 0.935409070603099 + 0.0458812946797165 * (size - 1.7)
    result = jnp.where(size < 1.7, near, jnp.where(size < 3, middle, 0.99505475368673))
    return 0.5 * (jnp.where(x >= 0, result, -result) + 1)


@scalar(xlogx.XlogX)
def x_log_x(types, x):
    x = cast_array(x, types.outputs[0])
    return jnp.where(x == 0, 0, x * jnp.log(jnp.where(x == 0, 1, x)))


@scalar(xlogx.XlogY0)
def x_log_y(types, x, y):
    x, y = cast_array(x, types.outputs[0]), cast_array(y, types.outputs[0])
    return jnp.where(x == 0, 0, x * jnp.log(jnp.where(x == 0, 1, y)))
