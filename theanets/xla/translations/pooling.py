"""Translations of pooling over windows, and of its gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from theano.tensor.signal import pool

from ..registry import translates
from ..tracing import TranslationError, known


class Windows:
    """Positions of the windows of a pooling.

    Parameters
    ----------
    op : theano pooling Op
        Has the number of dimensions, and whether borders are ignored.
    shape : tuple of int
        Shape of the images.
    size, stride, pad : arrays of int
        Of the windows, by dimension.
    """

    def __init__(self, op, shape, size, stride, pad):
        self.ndim = nd = op.ndim
        self.size, self.stride, self.pad = (tuple(int(v) for v in known(value)) for value in (size, stride, pad))
        if min(self.size) < 1 or min(self.stride) < 1 or len(shape) < nd:
            raise ValueError(f"windows of {self.size} by steps of {self.stride} on images of shape {shape}")
        self.lengths = shape[len(shape) - nd :]
        full = pool.Pool.out_shape(shape, self.size, op.ignore_border, self.stride, self.pad, nd)
        self.output = tuple(int(length) for length in full[len(shape) - nd :])
        if min(self.output) < 0:
            raise ValueError(f"windows of {self.size} do not fit into {self.lengths}")
        # padding at the far end: how far the last window extends beyond the image.
        self.after = tuple(
            max(0, (out - 1) * step + window - length - low)
            for out, step, window, length, low in zip(self.output, self.stride, self.size, self.lengths, self.pad)
        )
        self.lead = len(shape) - nd

    def reduce(self, x, initial, function):
        """Reduce each window; elements outside the image count as the initial value."""
        ones = (1,) * self.lead
        result = jax.lax.reduce_window(
            x,
            np.asarray(initial, x.dtype),
            function,
            ones + self.size,
            ones + self.stride,
            ((0, 0),) * self.lead + tuple(zip(self.pad, self.after)),
        )
        return result[(..., *(slice(out) for out in self.output))]

    def counts(self, with_padding):
        """Count the elements of each window that lie within the image, or within its padding too."""
        total = np.ones(())
        for out, step, window, length, pad in zip(self.output, self.stride, self.size, self.lengths, self.pad):
            start = np.arange(out) * step
            end = np.minimum(start + window, length + 2 * pad)
            if not with_padding:
                start, end = np.maximum(start, pad), np.minimum(end, length + pad)
            total = np.multiply.outer(total, end - start)
        return total

    def offsets(self):
        """Generate the places within a window."""
        return itertools.product(*map(range, self.size))

    def padded(self, x, value):
        """Return images with everything that windows reach, filled with a value."""
        width = [(0, 0)] * self.lead + [(low, high) for low, high in zip(self.pad, self.after)]
        return jnp.pad(x, width, constant_values=value)

    def at(self, x, offset):
        """Return the elements of padded images at one offset of each window."""
        index = tuple(
            slice(start, start + (out - 1) * step + 1, step)
            for start, out, step in zip(offset, self.output, self.stride)
        )
        return x[(..., *index)]

    def spread(self, values, offset, shape):
        """Return padded images with values at one offset of each window, and zeros elsewhere."""
        config = [(0, 0, 0)] * self.lead
        for start, out, step, length in zip(offset, self.output, self.stride, shape[self.lead :]):
            config.append((start, length - start - (out - 1) * step - 1, step - 1))
        return jax.lax.pad(values, np.zeros((), values.dtype), config)

    def crop(self, x):
        """Cut off what :meth:`padded` has added."""
        return x[(..., *(slice(low, low + length) for low, length in zip(self.pad, self.lengths)))]


def _lowest(dtype):
    return -np.inf if np.dtype(dtype).kind == "f" else np.iinfo(dtype).min


def _average(op, windows, x):
    total = windows.reduce(x, 0, jax.lax.add)
    if op.mode == "sum":
        return total
    return total / windows.counts(op.mode == "average_inc_pad").astype(x.dtype)


@translates(pool.Pool)
def pooling(op, node, x, size, stride, pad):
    windows = Windows(op, x.shape, size, stride, pad)
    if op.mode == "max":
        return windows.reduce(jnp.asarray(x), _lowest(x.dtype), jax.lax.max)
    return _average(op, windows, jnp.asarray(x))


@translates(pool.AveragePoolGrad)
def average_gradient(op, node, x, gradient, size, stride, pad):
    windows = Windows(op, x.shape, size, stride, pad)
    if op.mode == "average_exc_pad" and max(windows.pad):
        raise TranslationError("Theano has no gradient of an average without padding")
    _, pull = jax.vjp(lambda image: _average(op, windows, image), jnp.zeros(x.shape, gradient.dtype))
    return pull(gradient)[0].astype(node.outputs[0].dtype)


@translates(pool.MaxPoolGrad)
def max_gradient(op, node, x, largest, gradient, size, stride, pad):
    windows = Windows(op, x.shape, size, stride, pad)
    image = windows.padded(jnp.asarray(x), _lowest(x.dtype))
    if windows.size == windows.stride and image.shape[windows.lead :] == tuple(
        out * window for out, window in zip(windows.output, windows.size)
    ):
        # windows that tile the image: every element has one window.
        result = jnp.where(image == _tiled(windows, largest), _tiled(windows, gradient), 0)
        return windows.crop(result).astype(node.outputs[0].dtype)
    result = jnp.zeros(image.shape, gradient.dtype)
    for offset in windows.offsets():
        # all elements that are the largest of a window have its gradient, as in Theano.
        hit = windows.at(image, offset) == largest
        result = result + windows.spread(jnp.where(hit, gradient, 0), offset, image.shape)
    return windows.crop(result).astype(node.outputs[0].dtype)


def _tiled(windows, values):
    """Repeat the value of each window over its elements."""
    shape, stretched = values.shape[: windows.lead], values.shape[: windows.lead]
    for out, window in zip(windows.output, windows.size):
        shape, stretched = (*shape, out, 1), (*stretched, out, window)
    final = (*values.shape[: windows.lead], *(out * window for out, window in zip(windows.output, windows.size)))
    return jnp.broadcast_to(values.reshape(shape), stretched).reshape(final)


@translates(pool.DownsampleFactorMaxGradGrad)
def max_second_gradient(op, node, x, largest, gradient, size, stride, pad):
    windows = Windows(op, x.shape, size, stride, pad)
    image, values = windows.padded(jnp.asarray(x), _lowest(x.dtype)), windows.padded(jnp.asarray(gradient), 0)
    result = jnp.zeros(largest.shape, x.dtype)
    for offset in windows.offsets():
        result = result + jnp.where(windows.at(image, offset) == largest, windows.at(values, offset), 0)
    return result.astype(node.outputs[0].dtype)


@translates(pool.MaxPoolRop)
def max_directional(op, node, x, direction, size, stride, pad):
    """Return the elements of a second array where the first one has the (first) maximum of each window."""
    windows = Windows(op, x.shape, size, stride, pad)
    if op.mode != "max":
        raise TranslationError(f"the directional derivative of pooling by {op.mode!r}")
    image, values = windows.padded(jnp.asarray(x), _lowest(x.dtype)), windows.padded(jnp.asarray(direction), 0)
    best = result = None
    for offset in windows.offsets():
        here, value = windows.at(image, offset), windows.at(values, offset)
        if best is None:
            best, result = here, value
        else:
            best, result = jnp.maximum(best, here), jnp.where(here > best, value, result)
    return result.astype(node.outputs[0].dtype)
