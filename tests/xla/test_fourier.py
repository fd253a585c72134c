"""Fourier transforms, against Theano's own evaluation."""

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theano.tensor import fft, fourier

from . import helpers

FLOAT = theano.config.floatX


@pytest.mark.parametrize("shape", [(2, 6), (2, 5), (3, 4, 6)])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_transforms(shape, norm):
    x = TT.TensorType(FLOAT, [False] * len(shape))("x")
    array = np.random.RandomState(2).randn(*shape).astype(FLOAT)
    there = fft.rfft(x, norm)
    back = fft.irfft(there, norm, is_odd=shape[-1] % 2 == 1)
    helpers.agree_with_gradients([x], there, [array], rtol=1e-4, atol=1e-4)
    (result,) = helpers.agree([x], [back], [array], rtol=1e-4, atol=1e-4)
    if norm:
        np.testing.assert_allclose(result, array, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length, axis", [(None, None), (3, 0), (9, 1)])
def test_along_an_axis(length, axis):
    x = TT.dmatrix("x")
    f = theano.function([x], fourier.fft(x, length, axis), mode="XLA")
    array = np.random.RandomState(1).randn(4, 6)
    np.testing.assert_allclose(f(array), np.fft.fft(array, length, -1 if axis is None else axis), atol=1e-12)
    assert f.fn.code.entries is None
