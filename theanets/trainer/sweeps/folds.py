"""Folds of data: which rows are trained on and which are validated on, and arrays of such rows."""

import collections.abc

import numpy as np
import scipy.sparse

from ... import util

__all__ = ["are_arrays", "read", "refuse_iterators", "take"]

#: Seed of the order in which rows are dealt out to folds.
SEED = 13


def read(folds, data, axis=0):
    """Return the rows of each fold.

    Parameters
    ----------
    folds : int, iterable of pairs, or splitter of scikit-learn
        A number: rows are dealt out at random, always in the same way; where the second array holds labels, so that
        each fold has its share of each class. Pairs: the indices (or masks) of the rows to train on, and of those to
        validate on. A splitter has a method ``split``, which is called with the first array and the second one.
    data : array, list of arrays or dict of arrays
        The training data.
    axis : int, optional
        The axis of the examples. Default 0.

    Returns
    -------
    rows : list of pairs of ndarray of int

    Raises
    ------
    ConfigurationError
        For anything else.

    Examples
    --------
    >>> [(len(train), len(valid)) for train, valid in read(3, [np.zeros((8, 2))])]
    [(5, 3), (5, 3), (6, 2)]
    """
    arrays = _arrays(data)
    counts = [_count(array, axis) for array in arrays]
    if not counts or len(set(counts)) != 1:
        raise util.ConfigurationError(
            f"folds={folds!r}: the arrays of the data have {counts} examples, expected as many"
        )
    count, second = counts[0], arrays[1] if len(arrays) > 1 else None
    if util.is_int(folds):
        return _dealt(int(folds), count, second)
    if hasattr(folds, "split") and not isinstance(folds, str):
        pairs = folds.split(arrays[0] if axis == 0 else np.zeros(count), second)
    elif isinstance(folds, collections.abc.Iterable) and not isinstance(folds, (str, collections.abc.Mapping)):
        pairs = folds
    else:
        raise util.ConfigurationError(
            f"folds={folds!r}, expected a number, pairs of indices, or a splitter such as scikit-learn's KFold"
        )
    rows = []
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise util.ConfigurationError(f"folds: {pair!r}, expected a pair of indices: to train on, to validate on")
        rows.append(tuple(_rows(item, count) for item in pair))
    if not rows:
        raise util.ConfigurationError(f"folds={folds!r}: there is no fold")
    return rows


def _dealt(number, count, labels):
    if not 2 <= number <= count:
        raise util.ConfigurationError(f"folds={number}, expected a number from 2 to that of the examples, {count}")
    order = np.random.RandomState(SEED).permutation(count)
    labels = None if labels is None or scipy.sparse.issparse(labels) else np.asarray(labels)
    if labels is not None and labels.ndim == 1 and labels.dtype.kind in "iub":
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(count, int)
    fold[order] = np.arange(count) % number
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(number)]


def _rows(indices, count):
    found = np.asarray(indices)
    if found.dtype == bool and found.shape == (count,):
        found = np.flatnonzero(found)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
        raise util.ConfigurationError(f"folds: {indices!r}, expected indices of rows, or a mask of {count} rows")
    if found.min() < -count or found.max() >= count:
        raise util.ConfigurationError(f"folds: an index is out of range, as there are {count} examples")
    return found


def _items(data):
    if isinstance(data, collections.abc.Mapping):
        return list(data.values())
    return list(data) if isinstance(data, (list, tuple)) else [data]


def are_arrays(data):
    """Tell whether data are arrays or lists, which rows can be taken from, and are not made batch by batch."""
    return data is None or all(hasattr(item, "shape") or isinstance(item, (list, tuple)) for item in _items(data))


def refuse_iterators(data, what):
    """Raise an error for data that can be gone through once only."""
    if any(isinstance(item, collections.abc.Iterator) for item in _items(data)):
        raise util.ConfigurationError(
            f"{what} reads the data several times, and an iterator would be used up by the first; give arrays, or "
            "a function that makes batches"
        )


def _arrays(data):
    """Return the arrays of the data; refuse data that are made batch by batch."""
    if not are_arrays(data):
        kinds = " and ".join(type(item).__name__ for item in _items(data))
        raise util.ConfigurationError(f"folds: the data are of the type {kinds}, expected arrays to take rows from")
    return _items(data)


def _count(array, axis):
    if axis and not hasattr(array, "shape"):
        array = np.asarray(array)
    return array.shape[axis] if hasattr(array, "shape") else len(array)


def take(data, rows, axis=0):
    """Return the data with some of the rows only."""
    if isinstance(data, collections.abc.Mapping):
        return {key: _taken(array, rows, axis) for key, array in data.items()}
    if isinstance(data, (list, tuple)):
        return [_taken(array, rows, axis) for array in data]
    return _taken(data, rows, axis)


def _taken(array, rows, axis):
    if hasattr(array, "iloc"):
        return array.iloc[rows]
    if isinstance(array, (list, tuple)):
        # sequences of different lengths, say.
        return [array[row] for row in rows] if not axis else np.take(np.asarray(array), rows, axis)
    return array[rows] if not axis else np.take(array, rows, axis)
