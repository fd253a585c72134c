r"""Layers that slide a window over their input: convolution and pooling, over time steps or over images.

==============  ====================================  =====================================
form            input, for one example                window
==============  ====================================  =====================================
:class:`Conv1`  (time, channels)                      learned filters
:class:`Conv2`  (width, height, channels)             learned filters
:class:`Pool1`  (time, channels)                      maximum, mean or sum of each channel
:class:`Pool2`  (width, height, channels)             maximum, mean or sum of each channel
==============  ====================================  =====================================

Channels are last everywhere, and "width" is the axis that comes first. Along an axis of length :math:`L`, a window of
length :math:`f` that moves in strides of :math:`s` fits

.. math:: \left\lfloor (L + p - f) / s \right\rfloor + 1

times, if there are :math:`p` zeros of padding on both sides together. Layers know these numbers before anything is
computed; where the length of the input is known only with the data, so is that of the output.
"""

import numpy as np
import theano.tensor as TT
from theano.gof.utils import MethodNotDefined
from theano.tensor.opt import Assert
from theano.tensor.signal.pool import pool_2d

from .. import arguments, util
from .base import Layer
from .context import context_of

__all__ = ["Convolution", "Conv1", "Conv2", "Pooling", "Pool1", "Pool2"]

#: Names of the paddings that a convolution can have.
BORDER_MODES = ("valid", "same", "half", "full")

#: What pooling layers can make of a window, and what Theano calls it.
POOLING_MODES = {
    "max": "max",
    "sum": "sum",
    "mean": "average_exc_pad",
    "average_exc_pad": "average_exc_pad",
    "average_inc_pad": "average_inc_pad",
}


class _MissingError(util.ConfigurationError, TypeError):
    """An argument that must be given, and was not."""


class _LongEnough(Assert):
    """Pass an array on if it is large enough for a window; otherwise say so in a ValueError."""

    def perform(self, node, inputs, out):
        value, *conditions = inputs
        if not all(conditions):
            raise ValueError(f"{self.msg}; found an array of shape {value.shape}")
        out[0][0] = value

    def c_code(self, *args):
        # that of the base class knows another exception, and cannot tell the shape.
        raise MethodNotDefined()


def count_windows(length, window, stride, padding=0, ignore_border=True):
    """Return how often a window fits into an axis.

    Parameters
    ----------
    length : int or None
        Length of the axis, if it is known.
    window, stride : int
        Length of the window, and of the steps that it moves in.
    padding : int, optional
        How many entries are added to the axis, on both sides together. Default 0.
    ignore_border : bool, optional
        Whether windows that stick out at the end do not count. Default True.

    Returns
    -------
    count : int or None
        0 if the axis is too short.

    Examples
    --------
    >>> count_windows(7, 3, 2), count_windows(8, 3, 2), count_windows(8, 3, 2, ignore_border=False)
    (3, 3, 4)
    """
    if length is None:
        return None
    rest = length + padding - window
    if ignore_border:
        return max(rest // stride + 1, 0)
    if stride >= window:
        return (length + padding - 1) // stride + 1
    return max(0, (rest + stride - 1) // stride) + 1


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


class _Sliding:
    """What convolution and pooling share: options for each axis, checks of the input, and the order of axes.

    Options are kept for two axes. A layer that works on sequences sees them as images with a width of 1.
    """

    #: Number of axes that the window moves along.
    num_axes = 2

    # -- options ------------------------------------------------------------------------------------------------------

    def _error(self, message, kind=util.ConfigurationError):
        return kind(f"layer {self.name!r}: {message}")

    def _read_option(self, option, value, minimum):
        """Return an option for two axes; what it is for an axis that does not exist is the smallest allowed value."""
        if value is None:
            raise self._error(f"{type(self).__name__} needs a {option}, and none is given", _MissingError)
        count = self.num_axes
        entries = (value,) * count if util.is_int(value) else value
        if not isinstance(entries, (tuple, list, np.ndarray)) or not (
            len(entries) == count and all(util.is_int(entry) and entry >= minimum for entry in entries)
        ):
            several = ", or one for each of the two axes" if count == 2 else ""
            raise self._error(f"{option}={value!r}, expected an integer of at least {minimum}{several}")
        return (minimum,) * (2 - count) + tuple(map(int, entries))

    def _as_option(self, pair):
        """The reverse: return what the user would write."""
        return pair if self.num_axes == 2 else pair[-1]

    def _describe(self, window):
        """Return the form of the layer, with the size of its window, and its stride if that is not the default."""
        text = f"{type(self).__name__.lower()} {'x'.join(map(str, window[-self.num_axes :]))}"
        default = (1, 1) if isinstance(self, Convolution) else window
        return text + ("" if self.stride == default else f" /{'x'.join(map(str, self.stride[-self.num_axes :]))}")

    def _refuse_settings(self, keys, reason):
        found = [key for key in keys if key in self.kwargs]
        if found:
            raise self._error(f"{', '.join(map(repr, found))} cannot have an effect, as {reason}")

    # -- shapes -------------------------------------------------------------------------------------------------------

    def _input_lengths(self):
        """Return the lengths of the input along two axes, after a look at its shape."""
        shape, count = self.input_shape, self.num_axes
        if len(shape) != count + 1 or shape[-1] is None:
            axes = "time, channels" if count == 1 else "width, height, channels"
            raise self._error(
                f"{type(self).__name__} reads inputs of shape ({axes}) with a known number of channels, "
                f"but {self.input_name!r} has the shape {shape!r}"
            )
        return (1,) * (2 - count) + shape[:-1]

    def _declare(self, lengths, size):
        """Keep the shape of the outputs, and compare it with the one that was asked for."""
        shape = (*lengths[-self.num_axes :], size)
        given = self._given_shape
        if given is not None and given not in ((size,), shape):
            fits = len(given) == len(shape) and all(a in (None, b) for a, b in zip(given, shape))
            if not fits:
                raise self._error(
                    f"asked for {'shape' if self.kwargs.get('shape') else 'size'} {given!r}, but it has the output "
                    f"shape {shape!r} for its input of shape {self.input_shape!r}"
                )
        self._output_shapes["out"] = self._output_shapes["pre"] = shape

    def _too_short(self, axis, length, window):
        where = f"along axis {axis + self.num_axes - 1}" if self.num_axes == 2 else "in time steps"
        return self._error(
            f"its window of length {window} does not fit into its input {self.input_name!r}, which has the length "
            f"{length} {where}, padding included (input shape {self.input_shape!r})"
        )

    # -- expressions --------------------------------------------------------------------------------------------------

    def _read_maps(self, inputs, needed):
        """Return the input with axes (examples, channels, axis 1, axis 2).

        Parameters
        ----------
        inputs : dict
            Expressions by full output name.
        needed : pair of int
            The lengths that the input must have at least. Those that are known by now have been checked.
        """
        if self.num_axes == 1:
            self._check_context(context_of(inputs))
        x = inputs[self.input_name]
        lengths = self.input_shape[:-1]
        needed = needed[-self.num_axes :]
        open_axes = [i for i, length in enumerate(lengths) if length is None]
        if open_axes:
            minimum = ", ".join(f"{needed[i]} along axis {i + 1}" for i in open_axes)
            check = _LongEnough(
                f"layer {self.name!r}: its window does not fit into its input {self.input_name!r}, whose length must "
                f"be at least {minimum}"
            )
            x = check(x, *[TT.ge(x.shape[i + 1], needed[i]) for i in open_axes])
        return x.dimshuffle(0, 2, "x", 1) if self.num_axes == 1 else x.dimshuffle(0, 3, 1, 2)

    def _check_context(self, context):
        """Refuse what takes for granted that each time step of the output belongs to one of the input."""
        if context.mask is not None:
            raise self._error(
                f"sequences of different lengths do not go with {type(self).__name__}, which changes what a time step "
                "is; cut or pad them to the same length"
            )
        if context.single_step:
            raise self._error(f"{type(self).__name__} cannot be computed one time step at a time; predict sequences")

    def _from_maps(self, maps):
        """Return the output with its axes in their proper order."""
        return maps[:, :, 0].dimshuffle(0, 2, 1) if self.num_axes == 1 else maps.dimshuffle(0, 2, 3, 1)


class Convolution(_Sliding, Layer):
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
        return self._describe(self.filter_size)

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


class Pooling(_Sliding, Layer):
    """Base class of layers that make one number of each channel in a window.

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
        For options that cannot be, inputs with the wrong number of axes or too short for the window, and sizes that
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
        """Return the form of the layer with its window and what it makes of it: ``pool2 2x2 max``."""
        return f"{self._describe(self.pool_size)} {self.mode}"

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
        # Theano computes this mean, but has no gradient of it.
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
    """Make one time step of several, channel by channel.

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
    """Make one point of an image of several, channel by channel.

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
