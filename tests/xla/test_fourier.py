"""Fourier transforms, against Theano's own evaluation."""

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theano.tensor import fft

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
