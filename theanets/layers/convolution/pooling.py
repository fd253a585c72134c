"""Pooling layers: each channel in a window becomes one number."""

import numpy as np
import theano.tensor as TT
from theano.tensor.signal.pool import pool_2d

from ... import util
from ..base import Layer
from .windows import Sliding, count_windows

__all__ = ["Pooling", "Pool1", "Pool2"]

#: The modes of pooling layers, and Theano's names of them.
POOLING_MODES = {
    "max": "max",
    "sum": "sum",
    "mean": "average_exc_pad",
    "average_exc_pad": "average_exc_pad",
    "average_inc_pad": "average_inc_pad",
}


class Pooling(Sliding, Layer):
    """Base class of pooling layers, which make one number of each channel in a window.

    Parameters
    ----------
    pool_size : int or pair of int
        Length of the window along each axis; an int stands for the same length along all.
    stride : int or pair of int, optional
        Length of the steps that the window moves in. Default: ``pool_size``, so that windows do not overlap.
    mode : str, optional
        What to make of a window: its ``'max'`` (the default), its ``'sum'``, or its mean. ``'mean'`` (or
        ``'average_exc_pad'``) is the mean of the entries that come from the input; ``'average_inc_pad'`` also counts
        the zeros that were added.
    ignore_border : bool, optional
        Whether windows that stick out at the end are left out. Default True. Without it they end where the input does.
    padding : int or pair of int, optional
        Zeros that are added to both ends of each axis, less than the window is long. They never become the maximum.
        Default 0; ``ignore_border=False`` allows nothing else.
    activation : str or :class:`theanets.Activation`, optional
        Default ``'linear'``, in the middle of a network too.
    **kwargs
        See :class:`theanets.Layer`. ``size`` and ``shape`` need not be given: they follow from the input.

    Attributes
    ----------
    pool_size, stride, padding : pair of int
        The options for two axes; a layer that works on sequences has 1, 1 and 0 in the first place.

    Raises
    ------
    ConfigurationError
        For invalid options, inputs with the wrong number of axes or too short for the window, and sizes that
        contradict the input. If an input turns out to be too short only when the data comes, there is a ValueError.

    Notes
    -----
    This class has no :meth:`transform`; use :class:`Pool1` or :class:`Pool2`.
    """

    #: Activation of layers whose spec names none, whatever the default of the network: pooled values are not clipped.
    default_activation = "linear"

    def __init__(self, pool_size=None, stride=None, mode="max", ignore_border=True, padding=0, **kwargs):
        super().__init__(**kwargs)
        self._refuse_settings(("mean", "std", "sparsity", "radius", "diagonal"), "pooling layers have no parameters")
        self.pool_size = self._read_option("pool_size", pool_size, 1)
        self.stride = self.pool_size if stride is None else self._read_option("stride", stride, 1)
        if not isinstance(mode, str) or mode.lower() not in POOLING_MODES:
            raise self._error(
                f"mode={mode!r}{util.suggestion(mode, POOLING_MODES)} (known: {', '.join(POOLING_MODES)})"
            )
        self.mode = mode.lower()
        if not isinstance(ignore_border, (bool, np.bool_)):
            raise self._error(f"ignore_border={ignore_border!r}, expected True or False")
        self.ignore_border = bool(ignore_border)
        self.padding = self._read_option("padding", padding, 0)
        if any(added >= window for added, window in zip(self.padding, self.pool_size)):
            raise self._error(f"padding={padding!r}, expected less than pool_size={pool_size!r}")
        if any(self.padding) and not ignore_border:
            raise self._error(f"padding={padding!r} does not go with ignore_border=False")

    @property
    def activation(self):
        """The activation that was asked for, by name or as an instance."""
        return self.kwargs.get("activation", self.default_activation)

    def describe(self):
        """Return the form of the layer with its window and its mode: ``pool2 2x2 max``."""
        return f"{self._describe(self.pool_size, self.pool_size)} {self.mode}"

    def resolve_outputs(self):
        counts = []
        axes = zip(self._input_lengths(), self.pool_size, self.stride, self.padding)
        for axis, (length, window, stride, padding) in enumerate(axes):
            count = count_windows(length, window, stride, 2 * padding, self.ignore_border)
            if count == 0:
                raise self._too_short(axis, length + 2 * padding, window)
            counts.append(count)
        self._declare(counts, self.input_size)

    def pool(self, inputs):
        """Return an expression for the pooled input; the argument and the errors are those of ``transform``."""
        needed = [
            max(1, window - 2 * padding) if self.ignore_border else 1
            for window, padding in zip(self.pool_size, self.padding)
        ]
        maps = self._read_maps(inputs, needed)
        mode = POOLING_MODES[self.mode]
        # Theano's own mode for this mean has no gradient.
        divide = mode == "average_exc_pad" and any(self.padding)
        pooled = pool_2d(
            maps,
            ws=self.pool_size,
            ignore_border=self.ignore_border,
            stride=self.stride,
            pad=self.padding,
            mode="sum" if divide else mode,
        )
        if divide:
            rows, columns = (self._entries(maps, pooled, axis) for axis in (0, 1))
            pooled = pooled / (rows.dimshuffle(0, "x") * columns)
        return self._from_maps(pooled)

    def _entries(self, maps, pooled, axis):
        """Return how many entries of the input each window has along an axis."""
        start = TT.arange(pooled.shape[axis + 2]) * self.stride[axis] - self.padding[axis]
        stop = TT.minimum(start + self.pool_size[axis], maps.shape[axis + 2])
        return TT.cast(stop - TT.maximum(start, 0), util.FLOAT)

    def to_spec(self):
        """Return a dict that :meth:`theanets.Network.add_layer` turns into a layer like this one."""
        return dict(
            super().to_spec(),
            pool_size=self._as_option(self.pool_size),
            stride=self._as_option(self.stride),
            mode=self.mode,
            ignore_border=self.ignore_border,
            padding=self._as_option(self.padding),
        )


class Pool1(Pooling):
    """Pool sequences along time: several time steps become one, channel by channel.

    Parameters
    ----------
    pool_size : int
        Length of the window, in time steps.
    stride : int, optional
        Length of the steps that the window moves in. Default: ``pool_size``.
    mode, ignore_border, padding, **kwargs
        See :class:`Pooling`.

    Notes
    -----
    Input: (examples, time, channels). Sequences of different lengths in one batch are refused.

    Outputs: ``pre``, the pooled values; ``out``, the activation of them. There are no parameters.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Network([dict(size=1, ndim=3), dict(form="pool1", pool_size=2, mode="mean")])
    >>> net.predict(np.arange(5).reshape(1, 5, 1)).ravel().tolist()
    [0.5, 2.5]
    """

    num_axes = 1

    def transform(self, inputs):
        pre = self.pool(inputs)
        return dict(pre=pre, out=self.activate(pre)), []


class Pool2(Pooling):
    """Pool images: several points become one, channel by channel.

    Parameters
    ----------
    pool_size : int or pair of int
        Width and height of the window.
    stride : int or pair of int, optional
        Length of the steps that the window moves in. Default: ``pool_size``.
    mode, ignore_border, padding, **kwargs
        See :class:`Pooling`.

    Notes
    -----
    Input: (examples, width, height, channels).

    Outputs: ``pre``, the pooled values; ``out``, the activation of them. There are no parameters.

    D Scherer, A Müller, S Behnke, "Evaluation of Pooling Operations in Convolutional Architectures for Object
    Recognition", ICANN 2010

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Network([(4, 4, 1), dict(form="pool2", pool_size=2)])
    >>> net.predict(np.arange(16).reshape(1, 4, 4, 1)).reshape(2, 2).tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """

    num_axes = 2

    def transform(self, inputs):
        pre = self.pool(inputs)
        return dict(pre=pre, out=self.activate(pre)), []
