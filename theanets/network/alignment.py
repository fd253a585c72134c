"""Targets and weights that are brought to the shape of predictions, to compare them."""

import numpy as np
import theano.tensor as TT

from .. import data, util

__all__ = ["align", "align_targets", "join_sequences", "map_sequences", "unless"]


def map_sequences(function, values):
    """Apply a function to an array, or to each of a list of arrays."""
    return [function(value) for value in values] if isinstance(values, list) else function(values)


def join_sequences(values):
    """Return an array, or the arrays of a list joined along time."""
    return np.concatenate(values) if isinstance(values, list) else values


def unless(check):
    """Return ``check`` as keyword arguments; none for the default True, as a user's method may not accept it."""
    return {} if check else {"check": check}


def _score_slot(name, shape, dtype="float64", **kwargs):
    variable = TT.TensorType(dtype, (False,) * (len(shape) + 1))(name)
    return data.Slot(name, variable, shape, is_target=True, **kwargs)


def align(predicted, values, name, per_example=False, dtype="float64"):
    """Cast targets or weights to the shape of predictions; join both along time if they are lists of sequences.

    Raises
    ------
    DataError
        If they do not fit.
    """
    if isinstance(predicted, list):
        values = values.to_numpy() if hasattr(values, "to_numpy") else values
        if len(values) != len(predicted):
            raise util.DataError(f"array {name!r} has {len(values)} sequences, but 'x' has {len(predicted)}")
        if per_example and data.is_per_sequence(values):
            values = [np.repeat(np.atleast_1d(item), len(piece), axis=0) for item, piece in zip(values, predicted)]
        return np.concatenate([align(*pair, name, per_example, dtype) for pair in zip(predicted, values)])
    result = data.cast(values, _score_slot(name, predicted.shape[1:], dtype, per_example=per_example))
    if len(result) != len(predicted):
        raise util.DataError(f"array {name!r} has {len(result)} examples, but 'x' has {len(predicted)}")
    return result


def align_targets(predicted, y, w, check=True, dtype="float64"):
    """Cast targets and weights to the shape of predictions, and check that a score can be computed.

    Returns
    -------
    y : ndarray
        See :func:`align`.
    w : ndarray or 1
        1 if there are no weights.

    Raises
    ------
    DataError
        If they do not fit or hold nothing; for values that are not finite; for weights that are negative or all zero.
    """
    target, weights = align(predicted, y, "y", dtype=dtype), 1
    if not target.size:
        raise util.DataError("array 'y' is empty, so that there is nothing to score")
    if check:
        data.check_finite(target, _score_slot("y", target.shape[1:]))
    if w is not None:
        weights = align(predicted, w, "w", per_example=True)
        if check or not weights.any():
            data.check(weights, _score_slot("w", weights.shape[1:], per_example=True))
    return target, weights
