"""The base class of convolution and pooling: a window that slides over one or two axes."""

import numpy as np
import theano.tensor as TT
from theano.gof.utils import MethodNotDefined
from theano.tensor.opt import Assert

from ... import util
from ..context import context_of

__all__ = ["MissingError", "Sliding", "count_windows"]


class MissingError(util.ConfigurationError, TypeError):
    """A required argument is missing."""


class LongEnough(Assert):
    """Pass an array on if it is large enough for a window; otherwise say so in a ValueError."""

    def perform(self, node, inputs, out):
        value, *conditions = inputs
        if not all(conditions):
            raise ValueError(f"{self.msg}; found an array of shape {value.shape}")
        out[0][0] = value

    def c_code(self, *args):
        # Op.infer_shape of the base class raises another exception and cannot infer the shape.
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


class Sliding:
    """Base class of convolution and pooling: options for each axis, checks of the input, and the order of axes.

    Options are kept for two axes. A layer that works on sequences sees them as images with a width of 1.
    """

    #: Number of axes that the window moves along.
    num_axes = 2

    # -- options ------------------------------------------------------------------------------------------------------

    def _error(self, message, kind=util.ConfigurationError):
        return kind(f"layer {self.name!r}: {message}")

    def _read_option(self, option, value, minimum):
        """Return an option for two axes; for the axis that sequences do not have, it is the smallest allowed value."""
        if value is None:
            raise self._error(f"{type(self).__name__} needs a {option}, and none is given", MissingError)
        count = self.num_axes
        entries = (value,) * count if util.is_int(value) else value
        if not isinstance(entries, (tuple, list, np.ndarray)) or not (
            len(entries) == count and all(util.is_int(entry) and entry >= minimum for entry in entries)
        ):
            several = ", or one for each of the two axes" if count == 2 else ""
            raise self._error(f"{option}={value!r}, expected an integer of at least {minimum}{several}")
        return (minimum,) * (2 - count) + tuple(map(int, entries))

    def _as_option(self, pair):
        """Return an option for two axes as the user would write it; the reverse of :meth:`_read_option`."""
        return pair if self.num_axes == 2 else pair[-1]

    def _describe(self, window, default):
        """Return the form of the layer, with the size of its window, and its stride if that is not the default."""
        text = f"{type(self).__name__.lower()} {'x'.join(map(str, window[-self.num_axes :]))}"
        return text + ("" if self.stride == default else f" /{'x'.join(map(str, self.stride[-self.num_axes :]))}")

    def _refuse_settings(self, keys, reason):
        found = [key for key in keys if key in self.kwargs]
        if found:
            raise self._error(f"{', '.join(map(repr, found))} cannot have an effect, as {reason}")

    # -- shapes -------------------------------------------------------------------------------------------------------

    def _input_lengths(self):
        """Check the shape of the input; return its lengths along two axes."""
        shape, count = self.input_shape, self.num_axes
        if len(shape) != count + 1 or shape[-1] is None:
            axes = "time, channels" if count == 1 else "width, height, channels"
            raise self._error(
                f"{type(self).__name__} reads inputs of shape ({axes}) with a known number of channels, "
                f"but {self.input_name!r} has the shape {shape!r}"
            )
        return (1,) * (2 - count) + shape[:-1]

    def _declare(self, lengths, size):
        """Set the shape of the outputs, and compare it with the one that the options ask for."""
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
            check = LongEnough(
                f"layer {self.name!r}: its window does not fit into its input {self.input_name!r}, whose length must "
                f"be at least {minimum}"
            )
            x = check(x, *[TT.ge(x.shape[i + 1], needed[i]) for i in open_axes])
        return x.dimshuffle(0, 2, "x", 1) if self.num_axes == 1 else x.dimshuffle(0, 3, 1, 2)

    def _check_context(self, context):
        """Refuse masks and single steps, which need an output step for each input step."""
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
