"""Padding of prediction inputs to a few sizes, so that XLA compiles for few shapes.

XLA compiles a function for each shape of its arguments, which takes a fraction of a second and a megabyte each time. So
only the first few shapes are used as they are. Arrays of further shapes are padded to one of a few sizes, by rows of
zeros and by masked time steps, and the results are cut to the original size. The values are the same but for rounding
in the last digit, which depends on the shape that XLA compiles for.

This is done only for networks of this library's layers and activations, in which no row of a prediction depends on
other rows. Nothing is known about those of users.
"""

import numpy as np

from .. import layers, losses, regularizers, util
from ..activations import FUNCTIONS, Compose

__all__ = ["Sizes", "are_weighted", "cut", "fill", "is_ours", "takes_masks"]

#: Number of shapes that are not padded.
EXACT = 8

#: Sizes up to this one are padded to powers of two; larger ones by an eighth at most.
COARSE = 1024

_PACKAGE = __package__.partition(".")[0]

#: The library's activation functions, without those that users add to FUNCTIONS.
_FUNCTIONS = dict(FUNCTIONS)


def rounded(size):
    """Return the size that arrays of a given size are padded to.

    Examples
    --------
    >>> [rounded(size) for size in (0, 1, 5, 600, 1025, 10000)]
    [0, 1, 8, 1024, 1152, 10240]
    """
    step = 1 << max(size - 1, 0).bit_length()
    if size > COARSE:
        step >>= 4
    return -(-size // step) * step


class Sizes:
    """The shapes for which a function is called without padding: the first :data:`EXACT` ones."""

    def __init__(self):
        self.exact = set()

    def find(self, shape):
        """Return the padded shape for a shape (rows, time steps or None)."""
        if shape in self.exact:
            return shape
        if len(self.exact) < EXACT:
            self.exact.add(shape)
            return shape
        return tuple([None if size is None else rounded(size) for size in shape])


def _is_known(thing):
    return type(thing).__module__.partition(".")[0] == _PACKAGE


def _is_known_activation(activation):
    if activation is None:
        return True
    if isinstance(activation, Compose):
        return _is_known_activation(activation.f) and _is_known_activation(activation.g)
    name = activation.name
    return _is_known(activation) and FUNCTIONS.get(name) is _FUNCTIONS.get(name)


def is_ours(network):
    """Tell whether a network consists of this library's parts only, which compute each row from the same row alone."""
    builds = type(network).build_graph, type(network)._connect
    return all(method.__module__.partition(".")[0] == _PACKAGE for method in builds) and all(
        _is_known(layer) and _is_known_activation(getattr(layer, "activate", None)) for layer in network.layers
    )


def are_weighted(network, regs):
    """Tell whether all terms of the loss of a network are weighted means over the rows, or depend on no data."""
    return all(map(_is_weighted_mean, network.losses)) and all(map(_adds_no_data, regs))


def _is_weighted_mean(loss):
    has_function = isinstance(loss, losses.Formula) or loss.has_own_formula
    return _is_known(loss) and loss._weights is not None and not has_function


def _adds_no_data(reg):
    """Tell whether a regularizer adds nothing to the loss that depends on outputs."""
    adds_nothing = type(reg).loss is regularizers.Regularizer.loss
    return _is_known(reg) and (reg.watches == "parameters" or adds_nothing)


def takes_masks(network, slots):
    """Tell whether a network has sequences that can be padded along time, with a mask, without changing the results."""
    return any(slot.is_sequence for slot in slots) and all(
        layer.stepwise or isinstance(layer, (layers.Bidirectional, layers.OverTime, layers.SelfAttention))
        for layer in network.layers
    )


def fill(arrays, slots, rows, steps):
    """Pad arrays with zeros.

    Parameters
    ----------
    arrays : list of ndarray or scipy matrix
        The arrays.
    slots : list of :class:`theanets.data.Slot`
        Their slots, which tell which of them are sequences.
    rows : int
        New length of the first axis.
    steps : int or None
        New length of the second axis of sequences; None for no change.
    """
    return [_filled(array, rows, steps if slot.is_sequence else None) for array, slot in zip(arrays, slots)]


def _filled(array, rows, steps):
    shape = (rows, *array.shape[1:]) if steps is None else (rows, steps, *array.shape[2:])
    if shape == array.shape:
        return array
    if not isinstance(array, np.ndarray):
        # a SciPy matrix: resize() is the only way to enlarge it that keeps its format.
        result = array.copy()
        result.resize(shape)
        return result
    result = np.zeros(shape, array.dtype)
    result[tuple([slice(size) for size in array.shape])] = array
    return result


def mask_of(lengths, rows, steps):
    """Return the mask (rows, steps) of padded sequences of given lengths: 1 for their steps, 0 for padding."""
    mask = np.zeros((rows, steps), util.FLOAT)
    mask[: len(lengths)] = np.arange(steps) < np.asarray(lengths)[:, None]
    return mask


def cut(results, rows, steps):
    """Remove padding from results; the time axis is left as it is if ``steps`` is None."""
    return [result[:rows] if steps is None or result.ndim < 3 else result[:rows, :steps] for result in results]
