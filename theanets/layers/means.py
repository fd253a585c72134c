"""Means with counts: expressions of means that carry the number of elements, or the sum of weights, that they are over.

The mean over all of the data is the mean of those of batches, weighted by how many examples, steps of sequences or
weights each stands for. So expressions of means carry an expression of that beside them, their *count*:

>>> import theano.tensor as TT
>>> errors = TT.vector()
>>> error = mean(errors)
>>> count_of(error) is None, count_of(error + 1) is None
(False, True)

:func:`terms` finds the counts of what a sum is made of.
"""

import theano
import theano.tensor as TT
from theano.tensor.elemwise import DimShuffle, Elemwise

from .. import util

__all__ = ["count_of", "counted", "mean", "size", "terms", "total_of", "weighted_mean"]


def counted(value, count, total=None):
    """Attach a count to the expression of a mean.

    Parameters
    ----------
    value : scalar expression
        The mean.
    count : scalar expression
        The weight of the mean of one batch beside those of others: a number of examples, or a sum of weights.
    total : scalar expression, optional
        The mean times the count, if it is to be added up instead of the mean, as it is more exact.

    Returns
    -------
    value : scalar expression
        The same.
    """
    value.tag.count, value.tag.total = count, total
    return value


def count_of(value):
    """Return the expression of what a mean is over; None if that is not known."""
    return getattr(getattr(value, "tag", None), "count", None)


def total_of(value):
    """Return the expression of a mean times its count, if it is to be used in place of the mean; else None."""
    return getattr(getattr(value, "tag", None), "total", None)


def size(values):
    """Return an expression for the number of elements of an array or a sparse matrix."""
    return util.dense(values).size


def mean(values, mask=None):
    """Return an expression for the mean of an array, leaving out the padding of sequences.

    Parameters
    ----------
    values : expression (batch, time, ...)
        Of any shape without a mask. With one, arrays of less than two dimensions are no sequences.
    mask : expression (batch, time), optional
        Ones for steps that count. Default: all of them do.
    """
    if mask is None or values.ndim < 2:
        return counted(values.mean(dtype=util.FLOAT), size(values))
    steps = mask.sum()
    mask = mask.dimshuffle(0, 1, *"x" * (values.ndim - 2))
    return counted((values * mask).sum() / (steps * TT.prod(values.shape[2:], dtype=util.FLOAT)), steps)


def weighted_mean(values, weights):
    """Return an expression for the weighted mean of an array; 0 where all weights are zero.

    Parameters
    ----------
    values, weights : expression
        Arrays of one shape.
    """
    total = weights.sum()
    # a batch whose weights are all zero has nothing to say, and must not say "not a number".
    return counted((weights * values).sum() / TT.switch(TT.eq(total, 0), 1, total), total)


def terms(value):
    """Split an expression into terms that add up to it.

    Sums, differences, and multiples of them are taken apart down to the means that know their counts.

    Parameters
    ----------
    value : scalar expression

    Returns
    -------
    terms : list of (scalar expression, scalar expression or None)
        Each term, with its count as far as that is known.

    Examples
    --------
    >>> one, two = mean(TT.vector()), mean(TT.matrix())
    >>> counts = [count for _, count in terms((one + 0.1 * two) / 2 - TT.scalar())]
    >>> counts[0] is count_of(one), counts[1] is count_of(two), counts[2] is None
    (True, True, True)
    """
    if count_of(value) is not None:
        return [(value, value.tag.count)]
    node = getattr(value, "owner", None)
    operation = getattr(node, "op", None)
    if isinstance(operation, DimShuffle) and not operation.new_order and node.inputs[0].ndim == 0:
        return terms(node.inputs[0])
    scalar = operation.scalar_op if isinstance(operation, Elemwise) else None
    parts = [terms(part) for part in node.inputs] if isinstance(scalar, LINEAR) else []
    if isinstance(scalar, theano.scalar.Add):
        return [term for part in parts for term in part]
    if isinstance(scalar, theano.scalar.Sub):
        return [*parts[0], *((-term, count) for term, count in parts[1])]
    if isinstance(scalar, (theano.scalar.Neg, theano.scalar.Cast)):
        return [(operation(term), count) for term, count in parts[0]]
    places = [i for i, part in enumerate(parts) if any(count is not None for _, count in part)]
    # a product of two means, or a quotient by a mean, has no count.
    if len(places) == 1 and (isinstance(scalar, theano.scalar.Mul) or places == [0]):
        (place,) = places
        others = list(node.inputs)
        return [(operation(*others[:place], term, *others[place + 1 :]), count) for term, count in parts[place]]
    return [(value, None)]


#: What is taken apart.
LINEAR = (
    theano.scalar.Add,
    theano.scalar.Sub,
    theano.scalar.Neg,
    theano.scalar.Cast,
    theano.scalar.Mul,
    theano.scalar.TrueDiv,
)
