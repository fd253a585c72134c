"""Weighted means: the figures of an epoch, or of a validation, from those of its batches."""

import copy
from collections import OrderedDict

import numpy as np
import theano

from .. import util
from ..layers import means

__all__ = ["AVERAGES", "Averages", "check_average"]

#: Values of ``average``: means over what the loss counts, such as examples, or over batches whatever their size.
AVERAGES = ("examples", "batches")


def check_average(average):
    """Return the value of ``average``, by default the first one; refuse unknown ones."""
    if average is None:
        return AVERAGES[0]
    if average not in AVERAGES:
        raise util.ConfigurationError(f"average={average!r}, expected one of {', '.join(map(repr, AVERAGES))}")
    return average


class Averages:
    """Computes the figures of a pass over the data as weighted means of the figures of its batches.

    The weight of a batch is the count that its figures are means over: a number of elements or steps of sequences, or a
    sum of weights. A function that computes the figures of a batch computes these counts beside them. A figure that is
    a sum of several such means, as a loss with penalties is, becomes the sum of the means over all of the data.

    Parameters
    ----------
    names : list of str
        Names of the figures.
    expressions : list of scalar expressions
        The figures of a batch, in the same order.
    inputs : list of theano variables
        The arrays of a batch. A term that depends on none of them is the same for all batches.
    defaults : list of expressions, optional
        For each figure, the count of terms that have none of their own. Default: batches count equally.
    average : str, optional
        ``'examples'``, the default; or ``'batches'`` for plain means of the figures of batches, which needs no counts.

    Attributes
    ----------
    outputs : list of expressions
        What the function has to compute for a batch: the figures, then totals and counts.

    Examples
    --------
    >>> import theano.tensor as TT
    >>> errors = TT.vector()
    >>> averages = Averages(["loss"], [means.mean(errors)], [errors])
    >>> function = theano.function([errors], averages.outputs)
    >>> figures, _ = averages([function([1, 2, 3]), function([6])])
    >>> figures["loss"]
    3.0
    """

    def __init__(self, names, expressions, inputs, defaults=None, average=None):
        self.names = list(names)
        self.average = check_average(average)
        self.outputs = list(expressions)
        self.parts = [[(place, None)] for place in range(len(self.names))]
        if self.average == "batches":
            return
        self._counts = []
        for place, expression in enumerate(expressions):
            groups = self._groups(expression, set(inputs), None if defaults is None else defaults[place])
            if len(groups) > 1:
                self.parts[place] = [(self._add(sum(group[1:], group[0])), count) for count, group in groups.items()]
                continue
            (count,) = groups
            total = means.total_of(expression)
            is_total = total is not None and count is not None
            self.parts[place] = [(self._add(total) if is_total else place, count, is_total)]

    def _groups(self, expression, inputs, default):
        """Return the terms of a figure by the index of their count among the outputs, or None if they have none."""
        groups, others = OrderedDict(), []
        for term, count in means.terms(expression):
            if inputs.isdisjoint(theano.gof.graph.inputs([term] if hasattr(term, "type") else [])):
                others.append(term)
            else:
                groups.setdefault(self._place_of(default if count is None else count), []).append(term)
        # constant terms are the same for all batches, so that they may be added to any of the means.
        if groups:
            next(iter(groups.values())).extend(others)
        return groups or {None: others}

    def _place_of(self, count):
        if count is None:
            return None
        for place in self._counts:
            if _are_same(self.outputs[place], count):
                return place
        self._counts.append(self._add(count))
        return self._counts[-1]

    def _add(self, expression):
        self.outputs.append(expression)
        return len(self.outputs) - 1

    def __call__(self, rows):
        """Compute the figures of a pass from those of its batches.

        Parameters
        ----------
        rows : list of lists of numbers
            What the function has computed for each batch. They are added up in double precision.

        Returns
        -------
        figures : dict
            By name; "not a number" where nothing counted.
        is_empty : bool
            Whether the first of them, the loss, is not a number for this reason.
        """
        table = np.array(rows, "float64").reshape(len(rows), -1)
        found = [sum(_mean(table, *part) for part in parts) for parts in self.parts]
        counts = [count for _, count, *_ in self.parts[0] if count is not None]
        is_empty = any(not table[:, count].any() for count in counts)
        return OrderedDict(zip(self.names, map(float, found))), is_empty

    def without_expressions(self):
        """Return what makes the same figures, and holds no expressions."""
        other = copy.copy(self)
        other.outputs = other._counts = None
        return other

    def nothing(self):
        """Return figures that are all "not a number", for a pass without batches."""
        return OrderedDict.fromkeys(self.names, np.nan)


def _are_same(one, other, depth=8):
    """Tell whether two expressions are equal in structure, such as two sums of the same weights."""
    if one is other:
        return True
    if not depth or one.owner is None or other.owner is None:
        return isinstance(one, theano.Constant) and isinstance(other, theano.Constant) and one.equals(other)
    first, second = one.owner, other.owner
    return (
        first.op == second.op
        and first.outputs.index(one) == second.outputs.index(other)
        and len(first.inputs) == len(second.inputs)
        and all(_are_same(a, b, depth - 1) for a, b in zip(first.inputs, second.inputs))
    )


def _mean(table, value, count, is_total=False):
    """Return the mean of a column, weighted by one of counts; ``is_total`` if it is multiplied by them already."""
    values = table[:, value]
    if count is None:
        return values.mean()
    counts = table[:, count]
    # rows with a count of zero are left out, as their values may be "not a number".
    counted = counts != 0
    if not counted.all():
        values, counts = values[counted], counts[counted]
    if not len(counts):
        return np.nan
    return (values if is_total else values * counts).sum() / counts.sum()
