"""Bessel functions, against SciPy and Theano."""

import numpy as np
import scipy.special
import theano.tensor as TT

from . import helpers

#: Orders and arguments in each of the ways of computing: series, recurrence, expansions; whole orders and others; and
#: what is no number, or infinite.
ORDERS = np.array(
    [0, 1, 2, 0.5, 3.7, -0.5, -2.3, -3, 4, 12.5, 30, 90, 0.2, 2, 1, 7.1, -1, 0, 5, 0.5, -1.5, -0.5, 0, 0.5, np.nan, 2]
)
ARGUMENTS = np.array(
    [0, 0.3, 2.5, 5, 11, 4, 9, 6.5, -7, 8, 31, 40, 140, 55, -60, 26, 0, 8, 1e-3, -1, 0, 0, np.inf, -np.inf, 1, np.nan]
)


def test_values():
    v, x = TT.dvectors("v", "x")
    ours = helpers.run([v, x], [TT.jv(v, x), TT.iv(v, x), TT.j0(x), TT.j1(x)], [ORDERS, ARGUMENTS])
    theirs = [f(ORDERS, ARGUMENTS) for f in (scipy.special.jv, scipy.special.iv)]
    theirs += [f(ARGUMENTS) for f in (scipy.special.j0, scipy.special.j1)]
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)


def test_gradients_of_single_precision():
    x = TT.fvector("x")
    output = TT.j0(x) + TT.iv(2, x)
    helpers.agree([x], [output, TT.grad(output.sum(), x)], [np.array([-3, 0, 1, 12], "float32")], rtol=1e-5)
