"""Avoiding copies of reversed sequences in loops: annotations of traced arrays as strided steps of other arrays.

The gradient of a loop goes from the last step to the first: Theano passes it its sequences in reverse order, as
``x[::-1]``, and reverses its results. Each reversal in memory takes as long as some steps of a loop. So translations
annotate a result with the array and the steps of it that it consists of (:class:`Steps`), and a loop over reversed
sequences runs over the original arrays, from their ends.
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
        Matrix products with steps of the array that a loop has computed already. The keys are the variables of the
        matrices; the values are pairs of the products (num-products, ...) and the step of the array that the first
        product belongs to.
    """

    def __init__(self, array, start=0, stride=1, products=None):
        self.array, self.start, self.stride, self.products = array, start, stride, products or {}

    def part(self, start, stride):
        """Return the steps from ``start`` on, at distances of ``stride``, both counted in these steps."""
        return Steps(self.array, self.start + self.stride * start, self.stride * stride, self.products)

    def take(self, count, reverse=False, values=None, first=0):
        """Return the first steps as an array.

        Parameters
        ----------
        count : int
            Number of steps to take.
        reverse : bool, optional
            Whether to return them in reverse order. Default False.
        values : array, optional
            An array to take them from instead, with values for the steps of this one. Default: the array itself.
        first : int, optional
            The step of the array that the first of the values belongs to. Default 0.

        Returns
        -------
        steps : array (count, ...) or None
            None if some of them are out of range.
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
    """Return the :class:`Steps` with which a traced value is annotated; None if it is not."""
    return recall(value, Steps)


def reversed_steps(value):
    """Reverse an array along its first axis, and annotate the result with its :class:`Steps`."""
    return remember(value[::-1], Steps(value, value.shape[0] - 1, -1))


def sliced(whole, part, entry):
    """Annotate a slice of an array with its :class:`Steps`.

    Parameters
    ----------
    whole, part : array
        The array and the slice.
    entry : slice
        The slice that was taken along the first axis.

    Returns
    -------
    part : array
        The same values, annotated; a slice that undoes a reversal is taken from the original array.
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
    """Return ``count`` steps of a sequence from ``start`` on, optionally in reverse order."""
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
    """Return reversed arrays of equal lengths in their original order.

    Parameters
    ----------
    values : list of arrays
        Arrays of one step, or without axes, are broadcast to the length of the others, and returned as they are.

    Returns
    -------
    arrays : list of arrays, or None
        None unless all arrays of several steps are known to be reversed.
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
