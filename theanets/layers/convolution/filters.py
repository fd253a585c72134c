"""Layers that convolve their input with learned filters."""

import numpy as np
import theano.tensor as TT

from ... import arguments, util
from ..base import Layer
from .windows import Sliding, count_windows

__all__ = ["Convolution", "Conv1", "Conv2"]

#: Names of the paddings that a convolution can have.
BORDER_MODES = ("valid", "same", "half", "full")


def find_border(mode, window, stride, length):
    """Return the padding that a border mode stands for along one axis.

    Parameters
    ----------
    mode : str or int
        One of :data:`BORDER_MODES`, or a number of zeros for each side.
    window, stride : int
        Length of the filter, and of the steps that it moves in.
    length : int or None
        Length of the axis, if it is known.

    Returns
    -------
    border : pair of int, or None
        The number of zeros in front and behind; None if it depends on a length that is not known.

    Examples
    --------
    >>> find_border("full", 3, 1, None), find_border("same", 4, 1, None), find_border("same", 4, 2, None)
    ((2, 2), (1, 2), None)
    """
    if mode != "same":
        size = {"valid": 0, "half": window // 2, "full": window - 1}.get(mode, mode)
        return size, size
    if stride == 1:
        total = window - 1
    elif length is None:
        return None
    else:
        total = _missing_for_same(length, window, stride, max)
    return total // 2, total - total // 2


def _missing_for_same(length, window, stride, maximum):
    """Return how many zeros make ceil(length / stride) windows fit; numbers or expressions."""
    return maximum(((length + stride - 1) // stride - 1) * stride + window - length, 0)


def _pad_same(maps, axis, window, stride):
    """Pad an axis whose length is known only with the data, for the border mode ``same``."""
    length = maps.shape[axis]
    total = _missing_for_same(length, window, stride, TT.maximum)
    front = total // 2
    shape = [maps.shape[i] + total if i == axis else maps.shape[i] for i in range(maps.ndim)]
    place = (slice(None),) * axis + (slice(front, front + length),)
    return TT.set_subtensor(TT.zeros(shape, maps.dtype)[place], maps)


class Convolution(Sliding, Layer):
    """Base class of layers that convolve their input with learned filters.

    Parameters
    ----------
    filter_size : int or pair of int
        Length of the filters along each axis; an int stands for the same length along all. ``filter_shape`` is an old
        name of it.
    stride : int or pair of int, optional
        Length of the steps that the filters move in. Default 1.
    border_mode : str, int or pair of int, optional
        Zeros that are added to both ends of each axis: that many, or

        - ``'valid'`` (the default): none;
        - ``'full'``: ``filter_size - 1``, so that each place where filter and input overlap counts;
        - ``'half'``: ``filter_size // 2``; with an odd filter and stride 1 the lengths stay the same;
        - ``'same'``: as many as make the output ``ceil(length / stride)`` long; if they cannot be divided evenly, there
          is one more behind than in front.
    size : int
        Number of filters, which is the number of output channels; or
    shape : tuple of int
        the full shape of the output, with this number last. It must be the one that follows from the input.
    mean, std, sparsity : float, optional
        Initial values of the filters, see :meth:`add_conv_weights`.
    **kwargs
        See :class:`theanets.Layer`. ``radius`` and ``diagonal`` do not exist for filters.

    Attributes
    ----------
    filter_size, stride : pair of int
        The options for two axes; a layer that works on sequences has 1 in the first place.
    border_mode : str, int or pair of int
        The border mode, in lower case.

    Raises
    ------
    ConfigurationError
        For options that are no positive integers, unknown border modes, inputs with the wrong number of axes or too
        short for the filters, and shapes that contradict the input. If an input turns out to be too short only when
        the data comes, there is a ValueError.

    Notes
    -----
    This class has no :meth:`transform`; use :class:`Conv1` or :class:`Conv2`.
    """

    def __init__(self, filter_size=None, stride=1, border_mode="valid", *, filter_shape=None, **kwargs):
        super().__init__(**kwargs)
        if filter_shape is not None:
            filter_size = self._rename(filter_size, filter_shape)
        self.filter_size = self._read_option("filter_size", filter_size, 1)
        self.stride = self._read_option("stride", stride, 1)
        self.border_mode = self._read_border_mode(border_mode)

    def _rename(self, filter_size, filter_shape):
        given = {"filter_shape": filter_shape}
        if filter_size is not None:
            given["filter_size"] = filter_size
        try:
            return arguments.renamed(given, {"filter_shape": "filter_size"})["filter_size"]
        except util.ConfigurationError as error:
            raise self._error(error) from None

    def _read_border_mode(self, mode):
        if isinstance(mode, str):
            if mode.lower() not in BORDER_MODES:
                raise self._error(
                    f"border_mode={mode!r}{util.suggestion(mode, BORDER_MODES)} (known: {', '.join(BORDER_MODES)}, an "
                    "integer, a pair of integers)"
                )
            return mode.lower()
        is_pair = isinstance(mode, (tuple, list, np.ndarray)) and len(mode) == 2
        if not all(util.is_int(entry) and entry >= 0 for entry in (mode if is_pair else (mode,))):
            raise self._error(
                f"border_mode={mode!r}, expected one of {', '.join(BORDER_MODES)}, an integer of at least 0, or a pair "
                "of them"
            )
        if not is_pair:
            return int(mode)
        if self.num_axes == 1 and mode[0] != 0:
            raise self._error(f"border_mode={mode!r}, but there is only one axis to pad: expected a pair (0, padding)")
        return tuple(map(int, mode))

    def _borders(self):
        """Return the padding of two axes: pairs, or None where it depends on the length of the input."""
        mode = self.border_mode
        if util.is_int(mode):
            modes = (0, mode) if self.num_axes == 1 else (mode, mode)
        else:
            modes = mode if isinstance(mode, tuple) else (mode, mode)
        return [find_border(*axis) for axis in zip(modes, self.filter_size, self.stride, self._input_lengths())]

    def describe(self):
        """Return the form of the layer with the size of its filters, and a stride other than 1: ``conv2 3x3 /2x2``."""
        return self._describe(self.filter_size, (1, 1))

    def resolve_outputs(self):
        given = self._given_shape
        if given is None or given[-1] is None:
            raise self._error("expected a size (the number of filters) or a shape, found neither")
        counts = []
        axes = zip(self._input_lengths(), self.filter_size, self.stride, self._borders())
        for axis, (length, window, stride, border) in enumerate(axes):
            padding = sum(border or ())
            count = count_windows(length, window, stride, padding)
            if count == 0:
                raise self._too_short(axis, length + padding, window)
            counts.append(count)
        self._declare(counts, given[-1])

    def setup(self):
        self.add_conv_weights("w")
        self.add_bias("b", self.output_size)

    def add_conv_weights(self, name, mean=0, std=None, sparsity=0):
        """Create an array of filters, of shape (size, input channels, filter lengths along two axes).

        For each place in the filter a matrix of (size, input channels) is drawn, one after the other. The options of
        the layer for this parameter (``std_w``), or else those for all filters (``std``), go before the arguments
        given here.

        Parameters
        ----------
        name : str
            Name of the parameter, without the layer's name.
        mean, std, sparsity : float, optional
            See :func:`theanets.util.random_matrix`. The default for ``std`` is ``1 / sqrt(channels + size)``, whatever
            the size of the filters.

        Raises
        ------
        ConfigurationError
            If the layer was given a ``radius`` or a ``diagonal`` for it.
        """
        settings = ("radius", "diagonal")
        self._refuse_settings([*settings, *(f"{key}_{name}" for key in settings)], f"{name!r} holds filters")
        nin, nout = self.input_size, self.output_size
        mean = self._setting("mean", name, mean)
        std = self._setting("std", name, std or 1 / np.sqrt(nin + nout))
        sparsity = self._setting("sparsity", name, sparsity)
        shape = (nout, nin, *self.filter_size)

        def draw():
            values = np.empty(shape, util.FLOAT)
            for place in np.ndindex(*self.filter_size):
                values[(..., *place)] = util.random_matrix(nout, nin, mean, std, sparsity=sparsity, rng=self.rng)
            return values

        return self._add_param(name, shape, draw)

    def convolve(self, inputs, filters):
        """Return an expression for the convolution of the input with some filters.

        Parameters
        ----------
        inputs : dict
            Expressions by full output name.
        filters : expression
            An array that :meth:`add_conv_weights` made.

        Returns
        -------
        result : expression
            Of the shape of the output, that of the batch in front.

        Raises
        ------
        ConfigurationError
            For the axis of time, if sequences are of different lengths, or are computed step by step.
        """
        borders = self._borders()
        needed = [
            1 if border is None else max(1, window - sum(border)) for window, border in zip(self.filter_size, borders)
        ]
        maps = self._read_maps(inputs, needed)
        for i, border in enumerate(borders):
            if border is None:
                maps = _pad_same(maps, i + 2, self.filter_size[i], self.stride[i])
        borders = tuple(border or (0, 0) for border in borders)
        return self._from_maps(TT.nnet.conv2d(maps, filters, border_mode=borders, subsample=self.stride))

    def to_spec(self):
        """Return a dict that :meth:`theanets.Network.add_layer` turns into a layer like this one."""
        return dict(
            super().to_spec(),
            filter_size=self._as_option(self.filter_size),
            stride=self._as_option(self.stride),
            border_mode=self.border_mode,
        )

    def log(self):
        super().log()
        strides = "".join(f"+{stride}" for stride in self.stride)
        util.log(
            f"layer {self.name!r}: {getattr(self.activate, 'name', '')} {self.border_mode} "
            f"filters {'x'.join(map(str, self.filter_size))}{strides}"
        )


class Conv1(Convolution):
    r"""Convolve sequences with filters, along time.

    .. math:: y_t = g\left(b + \sum_{u < f} x_{st + u} W_{f - 1 - u}\right)

    Here :math:`f` is the length of the filters, :math:`s` the stride, and :math:`x` the input with its padding. As
    this is a convolution, the filters are read backwards.

    Parameters
    ----------
    filter_size : int
        Length of the filters, in time steps.
    stride : int, optional
        Length of the steps that the filters move in. Default 1.
    border_mode : str or int, optional
        Zeros before the first and after the last time step; see :class:`Convolution`. Default ``'valid'``: the output
        is shorter than the input by ``filter_size - 1``, and so must be the target. A pair must be ``(0, padding)``.
    **kwargs
        See :class:`Convolution`.

    Notes
    -----
    Input: (examples, time, channels). Sequences of different lengths in one batch are refused.

    Parameters: ``w``, of shape (size, input channels, 1, filter_size); ``b``, of shape (size, ).

    Outputs: ``pre``, the convolution plus the bias; ``out``, the activation of it.

    A Waibel, T Hanazawa, G Hinton, K Shikano, K J Lang, "Phoneme Recognition Using Time-Delay Neural Networks", IEEE
    Trans. ASSP 37(3), 1989

    Examples
    --------
    >>> import theanets
    >>> sound = dict(size=2, ndim=3)
    >>> net = theanets.Network([sound, dict(form="conv1", size=5, filter_size=4, stride=2)])
    >>> net.predict(np.zeros((1, 20, 2))).shape
    (1, 9, 5)
    """

    num_axes = 1

    def transform(self, inputs):
        pre = self.convolve(inputs, self.find("w")) + self.find("b")
        return dict(pre=pre, out=self.activate(pre)), []


class Conv2(Convolution):
    r"""Convolve images with filters.

    .. math:: y_{ij} = g\left(b + \sum_{u < f_0} \sum_{v < f_1} x_{s_0 i + u, s_1 j + v} W_{f_0 - 1 - u, f_1 - 1 - v}
        \right)

    Here :math:`f` is the size of the filters, :math:`s` the stride, and :math:`x` the input with its padding. As this
    is a convolution, the filters are read backwards.

    Parameters
    ----------
    filter_size : int or pair of int
        Width and height of the filters.
    stride : int or pair of int, optional
        Length of the steps that the filters move in. Default 1.
    border_mode : str, int or pair of int, optional
        Zeros around the image; see :class:`Convolution`. Default ``'valid'``.
    **kwargs
        See :class:`Convolution`.

    Notes
    -----
    Input: (examples, width, height, channels). Width and height may be unknown until the data comes.

    Parameters: ``w``, of shape (size, input channels, filter width, filter height); ``b``, of shape (size, ).

    Outputs: ``pre``, the convolution plus the bias; ``out``, the activation of it.

    Y LeCun, L Bottou, Y Bengio, P Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE
    86(11), 1998

    Examples
    --------
    >>> import theanets
    >>> def shape(**options):
    ...     return theanets.Network([(28, 28, 1), dict(form="conv2", size=16, **options)]).layers[1].output_shape
    >>> shape(filter_size=5), shape(filter_size=(5, 3), stride=2), shape(filter_size=5, border_mode="same")
    ((24, 24, 16), (12, 13, 16), (28, 28, 16))
    """

    num_axes = 2

    def transform(self, inputs):
        pre = self.convolve(inputs, self.find("w")) + self.find("b")
        return dict(pre=pre, out=self.activate(pre)), []
