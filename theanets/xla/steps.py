"""Which steps of which array a sequence consists of.

The gradient of a loop goes from the last step to the first: Theano hands it its sequences in reverse order, as
``x[::-1]``, and reverses what it returns. Each reversal in memory takes as long as some steps of a loop. So a
translation notes which steps of which array its result consists of, and a loop that is handed reversed sequences runs
over the arrays themselves, from their ends.
"""

import jax.numpy as jnp

from .tracing import recall, remember

__all__ = ["Steps", "is_reversed", "ordered", "reversed_steps", "sliced", "steps_of", "unreversed"]


class Steps:
    """Steps of an array along its first axis, at equal distances.

    Parameters
    ----------
    array : array (num-steps, ...)
        The array.
    start : int, optional
        The first of the steps. Default 0.
    stride : int, optional
        From one step to the next; negative for those in reverse order. Default 1.
    products : dict, optional
        Products of each step of the array by a matrix, as far as a loop has computed them: by the variable that is the
        matrix, the products (num-products, ...) and the step of the array that the first one belongs to.
    """

    def __init__(self, array, start=0, stride=1, products=None):
        self.array, self.start, self.stride, self.products = array, start, stride, products or {}

    def part(self, start, stride):
        """Return some of these steps, from one of them on."""
        return Steps(self.array, self.start + self.stride * start, self.stride * stride, self.products)

    def take(self, count, reverse=False, values=None, first=0):
        """Return the first steps as an array.

        Parameters
        ----------
        count : int
            How many.
        reverse : bool, optional
            Whether the last of them comes first. Default False.
        values : array, optional
            What to take instead of the array: something that belongs to its steps.
        first : int, optional
            The step of the array that the first of the values belongs to. Default 0.

        Returns
        -------
        steps : array (count, ...) or None
            None if some of them are not there.
        """
        values = self.array if values is None else values
        begin, end, stride = self.start - first, self.start - first + self.stride * (count - 1), self.stride
        if reverse:
            begin, end, stride = end, begin, -stride
        if count < 1 or not 0 <= min(begin, end) <= max(begin, end) < values.shape[0]:
            return None
        if (begin, end, stride) == (0, values.shape[0] - 1, 1):
            return values
        stop = end + (1 if stride > 0 else -1)
        return values[begin : stop if stop >= 0 else None : stride]


def steps_of(value):
    """Return what has been noted about the steps of a traced value; None if nothing was."""
    return recall(value, Steps)


def reversed_steps(value):
    """Return an array with its last step first, and note that it is one."""
    return remember(value[::-1], Steps(value, value.shape[0] - 1, -1))


def sliced(whole, part, entry):
    """Note what a part of an array consists of.

    Parameters
    ----------
    whole, part : array
        The array and the part.
    entry : slice
        What the part is, along the first axis.

    Returns
    -------
    part : array
        The same values; if they are steps of an array in its own order, they are taken from there.
    """
    start, _, stride = entry.indices(whole.shape[0])
    steps = steps_of(whole)
    if not part.shape[0] or steps is None and stride > 0:
        return part
    steps = (steps or Steps(whole)).part(start, stride)
    if steps.stride == 1:
        part = steps.take(part.shape[0])
    return part if part is steps.array else remember(part, steps)


def ordered(value, start, count, reverse):
    """Return some steps of a sequence, on request the last one first."""
    steps = steps_of(value)
    if reverse and steps is not None:
        taken = steps.part(start, 1).take(count, reverse=True)
        if taken is not None:
            return taken
    value = value[start : start + count]
    return value[::-1] if reverse else value


def is_reversed(value):
    """Tell whether a sequence is known to consist of steps in reverse order."""
    steps = steps_of(value)
    return steps is not None and steps.stride < 0


def unreversed(values):
    """Return arrays of equal lengths as they were before they were reversed.

    Parameters
    ----------
    values : list of arrays
        Those with one step only belong to all steps of the others.

    Returns
    -------
    arrays : list of arrays, or None
        None unless all with several steps are reversed.
    """
    if not any(map(is_reversed, values)):
        return None
    found = []
    for value in values:
        if value.ndim == 0 or value.shape[0] == 1:
            found.append(value)
        else:
            found.append(steps_of(value).take(value.shape[0], reverse=True) if is_reversed(value) else None)
    return None if any(value is None for value in found) else list(map(jnp.asarray, found))
