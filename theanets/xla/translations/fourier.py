"""Fourier transforms, of which those of real numbers have real and imaginary parts along a last axis."""

import jax.numpy as jnp
import numpy as np
from theano.tensor import fft, fourier

from ..registry import translates
from ..tracing import known


def _lengths(shape):
    lengths = [int(length) for length in known(shape)]
    return lengths, tuple(range(1, len(lengths) + 1))


@translates(fft.RFFTOp)
def forward(op, node, x, shape):
    lengths, axes = _lengths(shape)
    result = jnp.fft.rfftn(x, lengths, axes)
    return jnp.stack([result.real, result.imag], axis=-1).astype(node.outputs[0].dtype)


@translates(fourier.Fourier)
def along_axis(op, node, x, length, axis):
    return jnp.fft.fft(jnp.asarray(x).astype("complex128"), int(known(length)), int(known(axis)))


@translates(fft.IRFFTOp)
def backward(op, node, x, shape):
    lengths, axes = _lengths(shape)
    # unnormalized: undo the factor 1/n of numpy.fft.
    result = jnp.fft.irfftn(x[..., 0] + 1j * x[..., 1], lengths, axes) * np.prod(lengths)
    return result.astype(node.outputs[0].dtype)
