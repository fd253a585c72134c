"""Computing outputs for arrays of many different sizes, by functions that are compiled for a few of them.

XLA compiles a function for each shape of its arguments, which takes a fraction of a second and a megabyte each time. So
only the first few shapes are taken as they are. Arrays of further ones are filled up to a size of which there are few:
by rows of zeros, and by time steps that a mask tells from others; what is computed for these is cut off again. The
values are the same but for rounding in the last digit, which depends on the shape that XLA compiles for.

That goes for layers and activations of this library, none of which looks at other rows when it predicts. Who knows what
others do.
"""

import numpy as np

from .. import layers, util
from ..activations import FUNCTIONS, Compose

__all__ = ["Sizes", "cut", "fill", "is_ours", "takes_masks"]

#: So many shapes are computed for as they are.
EXACT = 8

#: Sizes up to this one are filled up to powers of two; larger ones by an eighth at most.
COARSE = 1024

_PACKAGE = __package__.partition(".")[0]

#: The functions that were there before users added theirs.
_FUNCTIONS = dict(FUNCTIONS)


def rounded(size):
    """Return the size that arrays of a size are filled up to.

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
    """The shapes that a function computes for as they are: the first ones that it has met."""

    def __init__(self):
        self.exact = set()

    def find(self, shape):
        """Return the shape to compute for, given the number of rows and that of time steps (or None)."""
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
    """Tell whether a network consists of parts of this library, which compute each row from the same row alone."""
    builds = type(network).build_graph, type(network)._connect
    return all(method.__module__.partition(".")[0] == _PACKAGE for method in builds) and all(
        _is_known(layer) and _is_known_activation(getattr(layer, "activate", None)) for layer in network.layers
    )


def takes_masks(network, slots):
    """Tell whether steps that only fill up sequences change nothing in such a network."""
    return any(slot.is_sequence for slot in slots) and all(
        layer.stepwise or isinstance(layer, layers.Bidirectional) for layer in network.layers
    )


def fill(arrays, slots, rows, steps):
    """Fill up arrays by zeros.

    Parameters
    ----------
    arrays : list of ndarray or scipy matrix
        The arrays.
    slots : list of :class:`theanets.data.Slot`
        What they are.
    rows : int
        How long the first axis is to be.
    steps : int or None
        How long the second axis of sequences is to be.
    """
    return [_filled(array, rows, steps if slot.is_sequence else None) for array, slot in zip(arrays, slots)]


def _filled(array, rows, steps):
    shape = (rows, *array.shape[1:]) if steps is None else (rows, steps, *array.shape[2:])
    if shape == array.shape:
        return array
    if not isinstance(array, np.ndarray):
        # a matrix of SciPy's, which has no other way to make a larger one that keeps its format.
        result = array.copy()
        result.resize(shape)
        return result
    result = np.zeros(shape, array.dtype)
    result[tuple([slice(size) for size in array.shape])] = array
    return result


def mask_of(lengths, rows, steps):
    """Return the array (rows, steps) that tells steps of sequences of some lengths from those that fill them up."""
    mask = np.zeros((rows, steps), util.FLOAT)
    mask[: len(lengths)] = np.arange(steps) < np.asarray(lengths)[:, None]
    return mask


def cut(results, rows, steps):
    """Cut off what was computed for that which fills up arrays; with None for the steps, these stay as they are."""
    return [result[:rows] if steps is None or result.ndim < 3 else result[:rows, :steps] for result in results]
