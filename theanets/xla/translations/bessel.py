"""Bessel functions of the first kind, ordinary and modified, of any real order; SciPy computes them for Theano.

All is computed in float64, as in SciPy, whatever the type is. References are to the Digital Library of Mathematical
Functions (DLMF), https://dlmf.nist.gov.
"""

import functools
import math

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
from theano.scalar import basic_scipy

from ..registry import scalar
from .elementwise import cast_array

#: Maximum number of terms of a series or of a continued fraction.
TERMS = 100_000

#: Relative precision at which series and continued fractions end.
PRECISION = 1e-16

#: In place of zero, within continued fractions.
TINY = 1e-300

#: Limit between the two approximations of J0 and J1.
MIDDLE = 8.0


def _in_double(function):
    """Compute in float64, and cast the result to the declared type."""

    @functools.wraps(function)
    def translation(types, *values):
        values = jnp.broadcast_arrays(*[cast_array(value, "float64") for value in values])
        return cast_array(function(*values), types.outputs[0])

    return translation


def _repeat(step, done, carry):
    """Repeat a step, which gets its number from 1 on, on those elements that are not done."""

    def body(loop):
        i, carry = loop
        finished = done(carry)
        moved = step(i, carry)
        return i + 1, jax.tree.map(lambda new, old: jnp.where(finished, old, new), moved, carry)

    def goes_on(loop):
        i, carry = loop
        return (i < TERMS) & ~jnp.all(done(carry))

    return jax.lax.while_loop(goes_on, body, (jnp.asarray(1, "int32"), carry))[1]


# -- orders 0 and 1 ---------------------------------------------------------------------------------------------------


@functools.cache
def _fits(order):
    """Fit Chebyshev polynomials to SciPy's values of J0 or J1, below and above :data:`MIDDLE`.

    Below, in the square of the argument (for J1, of J1(x) / x). Above, of the modulus and phase functions P and Q in
    ``J(x) = sqrt(2 / (pi x)) (P cos(c) - Q sin(c))`` with ``c = x - (2 order + 1) pi / 4``, which are smooth in 1 / x^2
    (DLMF 10.17.3).
    """
    # it adds to the filters of warnings, which is no business of programs without these functions.
    import scipy.special

    first, second = (scipy.special.j0, scipy.special.y0) if order == 0 else (scipy.special.j1, scipy.special.y1)

    def small(t):
        x = MIDDLE * np.sqrt(np.maximum((t + 1) / 2, 1e-12))
        return first(x) if order == 0 else first(x) / x

    def large(t, part):
        # from infinity, where t is -1, to MIDDLE.
        x = MIDDLE / np.sqrt(np.maximum((t + 1) / 2, 1e-6))
        c, scale = x - (2 * order + 1) * np.pi / 4, np.sqrt(np.pi * x / 2)
        a, b = scale * first(x), scale * second(x)
        return a * np.cos(c) + b * np.sin(c) if part == "P" else (b * np.cos(c) - a * np.sin(c)) * x

    fit = np.polynomial.chebyshev.chebinterpolate
    return fit(small, 24), fit(lambda t: large(t, "P"), 20), fit(lambda t: large(t, "Q"), 20)


def _chebyshev(coefficients, t):
    """Sum up Chebyshev polynomials by Clenshaw's recurrence."""

    def step(carry, coefficient):
        a, b = carry
        return (2 * t * a - b + coefficient, a), None

    (a, b), _ = jax.lax.scan(step, (jnp.zeros_like(t), jnp.zeros_like(t)), coefficients[:0:-1])
    return t * a - b + coefficients[0]


def _low_order(x, order):
    small, p, q = _fits(order)
    size = jnp.abs(x)
    below = _chebyshev(small, 2 * (jnp.minimum(size, MIDDLE) / MIDDLE) ** 2 - 1)
    far = jnp.maximum(size, MIDDLE)
    t, c = 2 * (MIDDLE / far) ** 2 - 1, far - (2 * order + 1) * math.pi / 4
    above = (_chebyshev(p, t) * jnp.cos(c) - _chebyshev(q, t) / far * jnp.sin(c)) * jnp.sqrt(2 / (math.pi * far))
    if order == 0:
        return jnp.where(size < MIDDLE, below, above)
    return jnp.where(size < MIDDLE, x * below, jnp.sign(x) * above)


@scalar(basic_scipy.J0)
@_in_double
def j0(x):
    return _low_order(x, 0)


@scalar(basic_scipy.J1)
@_in_double
def j1(x):
    return _low_order(x, 1)


# -- any order --------------------------------------------------------------------------------------------------------


def _series(v, x, sign):
    """Sum up the power series of J (sign -1) or I (sign 1) for x >= 0 (DLMF 10.2.2, 10.25.2)."""

    def step(i, carry):
        total, term = carry
        term = term * sign * x * x / 4 / (i * (v + i))
        return total + term, term

    def done(carry):
        total, term = carry
        return ~(jnp.abs(term) > PRECISION * jnp.abs(total))

    total, _ = _repeat(step, done, (jnp.ones_like(x), jnp.ones_like(x)))
    # 0 ** 0 is 1.
    power = jnp.where(v == 0, 0.0, v * jnp.log(x / 2))
    return total * special.gammasgn(v + 1) * jnp.exp(power - special.gammaln(v + 1))


def _expansion(v, x, sign):
    """Sum up the even and the odd terms a_k(v) / x ** k of Hankel's expansions; each second term counts ``sign``.

    DLMF 10.17.1. The series diverges; it ends with its smallest term, which is below the precision here.
    """

    def step(k, carry):
        sums, term, _ = carry
        following = term * (4 * v * v - (2 * k - 1) ** 2) / (k * 8 * x)
        grows = (jnp.abs(following) > jnp.abs(term)) & (k > v)
        amount = jnp.where(grows, 0, following) * jnp.where(k // 2 % 2 == 1, sign, 1)
        even = k % 2 == 0
        total = jnp.where(even, sums[0] + amount, sums[0]), jnp.where(even, sums[1], sums[1] + amount)
        return total, following, grows | (jnp.abs(following) < PRECISION / 10)

    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    return _repeat(step, lambda carry: carry[2], ((one, zero), one, jnp.isnan(x)))[0]


def _far(v, x):
    """Compute J for large arguments by Hankel's expansion (DLMF 10.17.3)."""
    even, odd = _expansion(v, x, -1)
    c = x - jnp.mod(v, 4) * (math.pi / 2) - math.pi / 4
    return jnp.sqrt(2 / (math.pi * x)) * (even * jnp.cos(c) - odd * jnp.sin(c))


def _logarithmic_derivative(v, x):
    """Return J'/J, and the sign of J, by the continued fraction for J(v + 1) / J(v) (DLMF 10.10.1, 10.6.2)."""

    def step(i, carry):
        h, c, d, sign, _ = carry
        b = 2 * (v + i) / x
        d = b - d
        d = 1 / jnp.where(jnp.abs(d) < TINY, TINY, d)
        c = b - 1 / c
        c = jnp.where(jnp.abs(c) < TINY, TINY, c)
        return h * c * d, c, d, jnp.where(d < 0, -sign, sign), jnp.abs(c * d - 1)

    start = jnp.maximum(v / x, TINY)
    carry = start, start, jnp.zeros_like(x), jnp.ones_like(x), jnp.full_like(x, jnp.inf)
    h, _, _, sign, _ = _repeat(step, lambda carry: ~(carry[4] > PRECISION * 4), carry)
    return h, sign


def _outgoing(v, x):
    """Return (J' + i Y') / (J + i Y), for x >= 2 and not below v by more than about 1 (DLMF 10.74(v), Steed)."""

    def step(i, carry):
        f, c, d, _ = carry
        a, b = (i - 0.5) ** 2 - v * v, 2 * jax.lax.complex(x, jnp.zeros_like(x) + i)
        d = b + a * d
        d = 1 / jnp.where(jnp.abs(d) < TINY, TINY, d)
        c = b + a / c
        c = jnp.where(jnp.abs(c) < TINY, TINY, c)
        return f * c * d, c, d, jnp.abs(c * d - 1)

    start = jnp.full(x.shape, TINY, "complex128")
    carry = start, start, jnp.zeros_like(start), jnp.full_like(x, jnp.inf)
    f, _, _, _ = _repeat(step, lambda carry: ~(carry[3] > PRECISION * 4), carry)
    value = 1j + 1j / x * f
    return value.real - 0.5 / x, value.imag


def _steed(v, x):
    """Compute J(v) and J(v + 1) for v >= 0 and x >= 2 by Steed's method.

    Two continued fractions and the Wronskian determine J for an order that x is not much smaller than. From the ratio
    of J(v) to that one, by recurrence from v down to it, follows J(v).
    """
    steps = jnp.maximum(0, jnp.floor(v - x + 1.5))
    h, sign = _logarithmic_derivative(v, x)
    first = sign * 1e-150

    def step(i, carry):
        value, slope, first, left = carry
        order = v - (steps - left)
        new = order / x * value + slope
        slope = (order - 1) / x * new - value
        scale = jnp.where(jnp.abs(new) > 1e100, 1e-100, 1.0)
        return new * scale, slope * scale, first * scale, left - 1

    value, slope, first, _ = _repeat(step, lambda carry: ~(carry[3] > 0), (first, h * first, first, steps))
    p, q = _outgoing(v - steps, x)
    f = slope / value
    gamma = (p - f) / q
    size = jnp.sqrt(2 / (math.pi * x) / ((p - f) * gamma + q))
    result = jnp.sign(value) * size * (first / value)
    return result, (v / x - h) * result


def _between(v, x):
    """Compute J for x >= 2, by Steed's method and, for negative orders, by recurrence."""
    steps = jnp.maximum(0, jnp.ceil(-v))
    value, following = _steed(v + steps, x)

    def step(i, carry):
        value, following, left = carry
        order = v + left
        return 2 * order / x * value - following, value, left - 1

    return _repeat(step, lambda carry: ~(carry[2] > 0), (value, following, steps))[0]


def _of_any_sign(v, x, function, alternates):
    """Compute for orders that are not negative integers and x >= 0; the rest by symmetry (DLMF 10.4.1, 10.11.1)."""
    is_whole = v == jnp.round(v)
    is_odd = is_whole & (jnp.mod(v, 2) == 1)
    result = function(jnp.where(is_whole, jnp.abs(v), v), jnp.abs(x))
    result = jnp.where(is_odd & (x < 0), -result, result)
    if alternates:
        result = jnp.where(is_odd & (v < 0), -result, result)
    return jnp.where(~is_whole & (x < 0) | jnp.isnan(v) | jnp.isnan(x), jnp.nan, result)


def _chosen(choices, v, x, otherwise):
    """Compute each element by the first function whose condition holds; the others get harmless arguments."""
    result, left = jnp.zeros_like(x), jnp.ones(x.shape, bool)
    for condition, function, (harmless_v, harmless_x) in choices:
        here = left & condition
        value = function(jnp.where(here, v, harmless_v), jnp.where(here, x, harmless_x))
        result, left = jnp.where(here, value, result), left & ~condition
    return jnp.where(left, otherwise, result)


@scalar(basic_scipy.Jv)
@_in_double
def jv(v, x):
    def positive(v, x):
        is_small = (x <= 2) | (v > 0) & (x * x <= 8 * (v + 1))
        choices = (
            (is_small, lambda v, x: _series(v, x, -1), (0, 1)),
            (x >= jnp.maximum(25, v * v / 2), _far, (0, 25)),
            (jnp.isfinite(x) & jnp.isfinite(v), _between, (0, 2)),
        )
        return _chosen(choices, v, x, jnp.nan)

    return _of_any_sign(v, x, positive, alternates=True)


@scalar(basic_scipy.Iv)
@_in_double
def iv(v, x):
    def far(v, x):
        even, odd = _expansion(v, x, 1)
        root = jnp.exp(x / 2)
        return root * (root / jnp.sqrt(2 * math.pi * x) * (even - odd))

    def positive(v, x):
        is_far = (x >= jnp.maximum(30, v * v)) & jnp.isfinite(x)
        choices = ((is_far, far, (0, 30)), (jnp.isfinite(x), lambda v, x: _series(v, x, 1), (0, 1)))
        # as SciPy has it.
        return jnp.where((x == 0) & (v < 0) & (v != jnp.round(v)), jnp.inf, _chosen(choices, v, x, jnp.nan))

    return _of_any_sign(v, x, positive, alternates=False)
