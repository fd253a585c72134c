"""Keeping the axes of a batch apart where it is divided among devices: annotations of matrices that were reshaped.

Theano multiplies an array (steps, batch, features) by a matrix as a matrix of (steps * batch) rows. If the batch is
divided among devices, each of them has some rows of each step, which XLA's partitioner cannot express for the matrix:
all devices would get all rows. So a reshaped matrix is annotated with the array that it was (:class:`Merged`), and
products contract the axes of that array.
"""

import jax.numpy as jnp

from . import selection
from .tracing import recall, remember

__all__ = ["Merged", "multiplied", "original", "reshaped", "transposed"]


class Merged:
    """The array that a matrix was reshaped from.

    Parameters
    ----------
    array : array (..., num-columns)
        The array; all of its axes but the last one are the rows of the matrix.
    is_transposed : bool, optional
        Whether they are the columns of the matrix instead. Default False.
    """

    def __init__(self, array, is_transposed=False):
        self.array, self.is_transposed = array, is_transposed


def merged_of(value):
    """Return the annotation of a traced value; None if there is none, or if batches are not divided."""
    return None if selection.current() is None else recall(value, Merged)


def original(x):
    """Return the array that a matrix was reshaped from, if it is known; the matrix itself otherwise."""
    note = merged_of(x)
    return x if note is None or note.is_transposed else note.array


def reshaped(x, shape):
    """Reshape an array to a tuple of lengths."""
    note = merged_of(x)
    if note is not None and not note.is_transposed and note.array.shape == tuple(shape):
        return note.array
    result = jnp.reshape(x, shape)
    if selection.current() is None or result.ndim != 2 or x.ndim < 3 or x.shape[-1] != result.shape[-1]:
        return result
    return remember(result, Merged(x))


def transposed(x, result):
    """Annotate the transpose of a matrix, if the matrix is annotated."""
    note = merged_of(x)
    return result if note is None else remember(result, Merged(note.array, not note.is_transposed))


def multiplied(a, b):
    """Multiply two matrices along the axes of the arrays that they were; return None where they were none."""
    first, second = merged_of(a), merged_of(b)
    if first is None or b.ndim != 2:
        return None
    if not first.is_transposed:
        result = jnp.tensordot(first.array, b, 1)
        return remember(result.reshape(a.shape[0], b.shape[1]), Merged(result))
    if second is None or second.is_transposed or first.array.shape[:-1] != second.array.shape[:-1]:
        return None
    axes = list(range(first.array.ndim - 1))
    return jnp.tensordot(first.array, second.array, (axes, axes))
