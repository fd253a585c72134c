"""Convolutions, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
from theano.tensor.nnet import abstract_conv, conv, conv3d2d, corr, corr3d

from ..registry import translates
from ..tracing import TranslationError, known
from .elementwise import cast_array


def _settings(op, ndim):
    """Return what an Op is set to, whichever of Theano's classes it is of."""
    if getattr(op, "unshared", False):
        raise TranslationError("a convolution whose filters differ from place to place")
    dilation = tuple(getattr(op, "filter_dilation", (1,) * ndim))
    # the classes for C code compute without turning the filters around.
    flip = getattr(op, "filter_flip", False)
    return op.border_mode, tuple(op.subsample), dilation, flip, getattr(op, "num_groups", 1)


def _convolve(op, ndim, dtype):
    """Return a function of images (examples, channels, ...) and filters (outputs, channels, ...)."""
    mode, strides, dilation, flip, groups = _settings(op, ndim)

    def convolve(images, filters):
        sizes = tuple((size - 1) * step + 1 for size, step in zip(filters.shape[2:], dilation))
        if images.shape[1] != filters.shape[1] * groups:
            raise ValueError(f"{images.shape[1]} channels, filters for {filters.shape[1]} of them in {groups} groups")
        if flip:
            filters = jnp.flip(filters, range(2, filters.ndim))
        pad = abstract_conv.border_mode_to_pad(mode, ndim, sizes)
        if any(size + low + high < extent for size, (low, high), extent in zip(images.shape[2:], pad, sizes)):
            raise ValueError(f"images of {images.shape[2:]} are smaller than filters of {sizes}")
        return jax.lax.conv_general_dilated(
            images, filters, strides, pad, rhs_dilation=dilation, feature_group_count=groups
        )

    return convolve


def _forward(op, node, images, filters, ndim):
    dtype = node.outputs[0].dtype
    _check_declared(op, images.shape, filters.shape)
    return _convolve(op, ndim, dtype)(cast_array(images, dtype), cast_array(filters, dtype))


def _check_declared(op, images, filters):
    for declared, found, what in ((op.imshp, images, "images"), (op.kshp, filters, "filters")):
        for a, b in zip(declared or (), found):
            if a is not None and int(a) != b:
                raise ValueError(f"{what} of shape {found}, declared are {declared}")


def _shape(values):
    if len(values) == 1 and getattr(values[0], "ndim", 0) == 1:
        return tuple(int(value) for value in known(values[0]))
    return tuple(int(known(value)) for value in values)


def _gradient(function, of, shape, gradient, dtype):
    """Pull a gradient back through a linear function of an array of this shape."""
    output, pull = jax.vjp(function, jnp.zeros(shape, dtype))
    if output.shape != gradient.shape:
        raise ValueError(f"{of}: a gradient of shape {gradient.shape}, expected {output.shape}")
    return pull(cast_array(gradient, dtype))[0]


def _weights_gradient(op, node, images, gradient, size, ndim):
    dtype = node.outputs[0].dtype
    shape = (gradient.shape[1], images.shape[1] // getattr(op, "num_groups", 1), *size)
    convolve, images = _convolve(op, ndim, dtype), cast_array(images, dtype)
    return _gradient(lambda filters: convolve(images, filters), "filters", shape, gradient, dtype)


def _inputs_gradient(op, node, filters, gradient, size, ndim):
    dtype = node.outputs[0].dtype
    shape = (gradient.shape[0], filters.shape[1] * getattr(op, "num_groups", 1), *size)
    convolve, filters = _convolve(op, ndim, dtype), cast_array(filters, dtype)
    return _gradient(lambda images: convolve(images, filters), "images", shape, gradient, dtype)


@translates(abstract_conv.AbstractConv)
def convolution(op, node, images, filters):
    return _forward(op, node, images, filters, op.convdim)


@translates(abstract_conv.AbstractConv_gradWeights)
def convolution_weights(op, node, images, gradient, *size):
    return _weights_gradient(op, node, images, gradient, _shape(size), op.convdim)


@translates(abstract_conv.AbstractConv_gradInputs)
def convolution_inputs(op, node, filters, gradient, *size):
    return _inputs_gradient(op, node, filters, gradient, _shape(size), op.convdim)


def _register_products(forward, weights, inputs, ndim):
    """Register the classes that compute by products of matrices; they find sizes themselves if none are given."""

    @translates(forward)
    def products(op, node, images, filters):
        mode = type("Settings", (), dict(vars(op), imshp=None, kshp=None))
        return _forward(mode, node, images, filters, ndim)

    @translates(weights)
    def products_weights(op, node, images, gradient, *size):
        if not size:
            raise TranslationError("the size of the filters is not given")
        return _weights_gradient(op, node, images, gradient, _shape(size), ndim)

    @translates(inputs)
    def products_inputs(op, node, filters, gradient, *size):
        if not size:
            raise TranslationError("the size of the images is not given")
        return _inputs_gradient(op, node, filters, gradient, _shape(size), ndim)


_register_products(corr.CorrMM, corr.CorrMM_gradWeights, corr.CorrMM_gradInputs, 2)
_register_products(corr3d.Corr3dMM, corr3d.Corr3dMM_gradWeights, corr3d.Corr3dMM_gradInputs, 3)


def _spread(x, lengths, at_end):
    """Put zeros between the elements of images, so that they become as long as declared."""
    config = [(0, 0, 0), (0, 0, 0)]
    for length, wanted in zip(x.shape[2:], lengths):
        wanted = length if wanted is None else wanted
        step = -(-wanted // length)
        start = (wanted - length * step - 1 + step) % step if at_end else 0
        config.append((start, wanted - start - (length - 1) * step - 1, step - 1))
    return jax.lax.pad(x, np.zeros((), x.dtype), config)


@translates(conv.ConvOp)
def old_convolution(op, node, images, filters):
    """Convolve as Theano did before there were abstract convolutions."""
    dtype = node.outputs[0].dtype
    images, filters = cast_array(images, dtype), cast_array(filters, dtype)
    for declared, found in ((op.imshp, images.shape[1:]), (op.kshp, filters.shape[2:])):
        if any(a is not None and a != b for a, b in zip(declared, found)):
            raise ValueError(f"shape {found}, declared is {declared}")
    if op.bsize not in (None, images.shape[0]) or op.nkern not in (None, filters.shape[0]):
        raise ValueError(f"{images.shape[0]} images, {filters.shape[0]} filters; declared are {op.bsize}, {op.nkern}")
    images = _spread(images, op.imshp_logical[1:], False)
    filters = _spread(filters, op.kshp_logical, not op.kshp_logical_top_aligned)
    pad = [(size - 1 if op.out_mode == "full" else 0,) * 2 for size in filters.shape[2:]]
    return jax.lax.conv_general_dilated(images, jnp.flip(filters, (2, 3)), (op.dx, op.dy), pad)


def _stripe(x, along, across):
    """Return, by the places of a diagonal stripe, where its elements lie: an index for each axis."""
    along, across = int(known(along)), int(known(across))
    if x.shape[along] < x.shape[across]:
        raise ValueError(f"no diagonal stripe in an array of shape {x.shape}")
    shape = list(x.shape)
    shape[along] -= x.shape[across] - 1
    places = list(np.indices(shape, "int32", sparse=True))
    places[along] = places[along] + x.shape[across] - 1 - places[across]
    return tuple(places)


@translates(conv3d2d.DiagonalSubtensor)
def take_stripe(op, node, x, along, across):
    return jnp.asarray(x)[_stripe(x, along, across)]


@translates(conv3d2d.IncDiagonalSubtensor)
def add_to_stripe(op, node, x, along, across, amount):
    return jnp.asarray(x).at[_stripe(x, along, across)].add(cast_array(amount, x.dtype))
