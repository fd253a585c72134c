"""Translations of convolutions and their gradients, to ``lax.conv_general_dilated``.

Convolutions with filters of their own at each place become products of matrices, one for each place.
"""

import jax
import jax.numpy as jnp
import numpy as np
from theano.tensor.nnet import abstract_conv, conv, conv3d2d, corr, corr3d

from ..registry import translates
from ..tracing import TranslationError, known
from .elementwise import cast_array


def _settings(op, ndim):
    """Return the padding mode, strides, dilation, flip and groups of an Op of any of Theano's classes."""
    dilation = tuple(getattr(op, "filter_dilation", (1,) * ndim))
    # the Ops for C code compute cross-correlations: they do not flip the filters.
    flip = getattr(op, "filter_flip", False)
    return op.border_mode, tuple(op.subsample), dilation, flip, getattr(op, "num_groups", 1)


class Geometry:
    """Shapes, strides, dilation and padding of a convolution; computes it and its gradients.

    A convolution and its two gradients are one operation of XLA's each. For a row of an image ``x``, a filter ``w`` and
    an output ``y`` with stride ``s``, dilation ``d`` and padding ``p``, ``y[o] = sum_k x[s o + d k - p] w[k]``. The
    gradient for ``x`` is a convolution of ``y``, dilated by ``s``, with the flipped ``w``; the gradient for ``w`` is a
    convolution of ``x`` with ``y``, dilated by ``s``, at stride ``d``.

    Parameters
    ----------
    op : theano convolution Op
        The Op, or another object with its settings as attributes.
    ndim : int
        Number of axes that filters move along.
    images, filters : tuple of int
        Shapes (examples, channels, ...) and (outputs, channels of a group, ...).
    """

    def __init__(self, op, ndim, images, filters):
        mode, self.strides, self.dilation, self.flip, self.groups = _settings(op, ndim)
        self.images, self.filters = tuple(images), tuple(filters)
        if images[1] != filters[1] * self.groups:
            raise ValueError(f"{images[1]} channels, filters for {filters[1]} of them in {self.groups} groups")
        self.extents = tuple((size - 1) * step + 1 for size, step in zip(filters[2:], self.dilation))
        self.pad = tuple(abstract_conv.border_mode_to_pad(mode, ndim, self.extents))
        lengths = [size + low + high for size, (low, high) in zip(images[2:], self.pad)]
        if any(length < extent for length, extent in zip(lengths, self.extents)):
            raise ValueError(f"images of {tuple(images[2:])} are smaller than filters of {self.extents}")
        self.outputs = (images[0], filters[0]) + tuple(
            (length - extent) // step + 1 for length, extent, step in zip(lengths, self.extents, self.strides)
        )
        #: Lengths of the outputs when they are dilated by the strides.
        self.spread = tuple((out - 1) * step + 1 for out, step in zip(self.outputs[2:], self.strides))

    def turned(self, filters, turned):
        """Return filters, flipped along all spatial axes if ``turned``."""
        return jnp.flip(filters, range(2, filters.ndim)) if turned else filters

    def convolve(self, images, filters):
        """Return the outputs of the convolution."""
        return _product(
            images,
            self.turned(filters, self.flip),
            self.pad,
            strides=self.strides,
            rhs_dilation=self.dilation,
            groups=self.groups,
        )

    def images_gradient(self, filters, gradient):
        """Return the gradient for the images, given the gradient for the outputs."""
        self._check(gradient)
        groups, (outputs, channels, *size) = self.groups, self.filters
        filters = self.turned(filters, not self.flip)
        # grouped convolution: the channels of a group depend on the outputs of that group only.
        filters = filters.reshape(groups, outputs // groups, channels, *size).swapaxes(1, 2)
        filters = filters.reshape(groups * channels, outputs // groups, *size)
        before = [extent - 1 - low for extent, (low, _) in zip(self.extents, self.pad)]
        pad = [
            (low, length - spread - low + extent - 1)
            for low, length, spread, extent in zip(before, self.images[2:], self.spread, self.extents)
        ]
        return _product(gradient, filters, pad, lhs_dilation=self.strides, rhs_dilation=self.dilation, groups=groups)

    def filters_gradient(self, images, gradient):
        """Return the gradient for the filters, given the gradient for the outputs."""
        self._check(gradient)
        # negative padding crops the part of the images that no window reaches.
        pad = [
            (low, extent - 1 + spread - length - low)
            for (low, _), length, spread, extent in zip(self.pad, self.images[2:], self.spread, self.extents)
        ]
        parts = [
            # for the gradient of the filters, the batch axis takes the role of the channels.
            _product(
                a.swapaxes(0, 1), b.swapaxes(0, 1), pad, strides=self.dilation, rhs_dilation=self.strides
            ).swapaxes(0, 1)
            for a, b in zip(jnp.split(images, self.groups, axis=1), jnp.split(gradient, self.groups, axis=1))
        ]
        return self.turned(parts[0] if self.groups == 1 else jnp.concatenate(parts), self.flip)

    def _check(self, gradient):
        if gradient.shape != self.outputs:
            raise ValueError(f"a gradient of shape {gradient.shape}, expected {self.outputs}")


class Unshared(Geometry):
    """A convolution whose filters differ from place to place: filters (outputs, rows, columns, channels, ...)."""

    def __init__(self, op, ndim, images, filters):
        super().__init__(op, ndim, images, (filters[0], *filters[ndim + 1 :]))
        if tuple(filters[1 : ndim + 1]) != self.outputs[2:]:
            raise ValueError(f"filters for {tuple(filters[1 : ndim + 1])} places, expected {self.outputs[2:]}")
        self.all_filters = tuple(filters)

    def _windows(self, images):
        """Return what each filter sees: (examples, groups, channels of a group, places in a filter, rows, columns)."""
        images = jnp.pad(images, [(0, 0), (0, 0), *self.pad])
        parts = []
        for place in np.ndindex(self.filters[2:]):
            starts = [i * step for i, step in zip(place, self.dilation)]
            slices = [slice(i, i + length, step) for i, length, step in zip(starts, self.spread, self.strides)]
            parts.append(images[(slice(None), slice(None), *slices)])
        windows = jnp.stack(parts, axis=2)
        return windows.reshape(windows.shape[0], self.groups, self.filters[1], *windows.shape[2:])

    def convolve(self, images, filters):
        """Return the outputs of the convolution."""
        if self.flip:
            filters = filters[..., ::-1, ::-1]
        filters = filters.reshape(self.groups, -1, *self.all_filters[1:4], len(list(np.ndindex(self.filters[2:]))))
        return jnp.einsum("bgckhw,gohwck->bgohw", self._windows(images), filters).reshape(self.outputs)

    # it is linear in the images and in the filters.

    def images_gradient(self, filters, gradient):
        """Return the gradient for the images, given the gradient for the outputs."""
        self._check(gradient)
        images = jax.ShapeDtypeStruct(self.images, gradient.dtype)
        return jax.linear_transpose(lambda images: self.convolve(images, filters), images)(gradient)[0]

    def filters_gradient(self, images, gradient):
        """Return the gradient for the filters, given the gradient for the outputs."""
        self._check(gradient)
        filters = jax.ShapeDtypeStruct(self.all_filters, gradient.dtype)
        return jax.linear_transpose(lambda filters: self.convolve(images, filters), filters)(gradient)[0]


def _product(images, filters, pad, strides=None, lhs_dilation=None, rhs_dilation=None, groups=1):
    """Cross-correlate images (examples, channels, ...) with filters (outputs, channels, ...), which are not flipped.

    The layout is channels last, which is fast on a CPU. XLA converts other layouts to it by itself, but not within a
    loop, where they take up to fifty times as long.
    """
    ndim = images.ndim - 2
    if lhs_dilation is None:
        # cropped beforehand, because the fast code path does not support negative padding.
        crop = [(min(low, 0), min(high, 0), 0) for low, high in pad]
        images = jax.lax.pad(images, np.zeros((), images.dtype), [(0, 0, 0), (0, 0, 0), *crop])
        pad = [(max(low, 0), max(high, 0)) for low, high in pad]
    axes = tuple(range(1, ndim + 1))
    of_images, of_filters = (0, ndim + 1, *axes), (ndim + 1, ndim, *range(ndim))
    result = jax.lax.conv_general_dilated(
        jnp.moveaxis(images, 1, -1),
        filters.transpose(*range(2, ndim + 2), 1, 0),
        strides or (1,) * ndim,
        pad,
        lhs_dilation,
        rhs_dilation,
        jax.lax.ConvDimensionNumbers(of_images, of_filters, of_images),
        groups,
    )
    return jnp.moveaxis(result, -1, 1)


def _kind(op):
    return Unshared if getattr(op, "unshared", False) else Geometry


def _forward(op, node, images, filters, ndim):
    dtype = node.outputs[0].dtype
    _check_declared(op, images.shape, filters.shape)
    geometry = _kind(op)(op, ndim, images.shape, filters.shape)
    return geometry.convolve(cast_array(images, dtype), cast_array(filters, dtype))


def _check_declared(op, images, filters):
    for declared, found, what in ((op.imshp, images, "images"), (op.kshp, filters, "filters")):
        for a, b in zip(declared or (), found):
            if a is not None and int(a) != b:
                raise ValueError(f"{what} of shape {found}, declared are {declared}")


def _shape(values):
    if len(values) == 1 and getattr(values[0], "ndim", 0) == 1:
        return tuple(int(value) for value in known(values[0]))
    return tuple(int(known(value)) for value in values)


def _weights_gradient(op, node, images, gradient, size, ndim):
    dtype = node.outputs[0].dtype
    places = gradient.shape[2:] if _kind(op) is Unshared else ()
    shape = (gradient.shape[1], *places, images.shape[1] // getattr(op, "num_groups", 1), *size)
    geometry = _kind(op)(op, ndim, images.shape, shape)
    return geometry.filters_gradient(cast_array(images, dtype), cast_array(gradient, dtype))


def _inputs_gradient(op, node, filters, gradient, size, ndim):
    dtype = node.outputs[0].dtype
    shape = (gradient.shape[0], filters.shape[-ndim - 1] * getattr(op, "num_groups", 1), *size)
    geometry = _kind(op)(op, ndim, shape, filters.shape)
    return geometry.images_gradient(cast_array(filters, dtype), cast_array(gradient, dtype))


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
    """Register Theano's Ops that compute convolutions by matrix products, and their gradients."""

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
    """Put zeros between the elements of images, so that they get the declared (logical) lengths."""
    config = [(0, 0, 0), (0, 0, 0)]
    for length, wanted in zip(x.shape[2:], lengths):
        wanted = length if wanted is None else wanted
        step = -(-wanted // length)
        start = (wanted - length * step - 1 + step) % step if at_end else 0
        config.append((start, wanted - start - (length - 1) * step - 1, step - 1))
    return jax.lax.pad(x, np.zeros((), x.dtype), config)


@translates(conv.ConvOp)
def old_convolution(op, node, images, filters):
    """Translate ConvOp, the convolution that Theano had before its abstract convolutions."""
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
    return _product(images, jnp.flip(filters, (2, 3)), pad, strides=(op.dx, op.dy))


def _stripe(x, along, across):
    """Return the index arrays, one for each axis, of the elements of a diagonal stripe."""
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
