"""Choosing a share of the examples for validation."""

import copy

import numpy as np

from .. import util
from .sources import ArraySource

__all__ = ["split", "stratified"]


def split(source, fraction, find_labels, seed):
    """Split a source of examples into one for training and one for validation.

    Parameters
    ----------
    source : :class:`theanets.data.sources.ArraySource`
        The examples.
    fraction : float
        Share of the examples that are chosen for validation, between 0 and 1.
    find_labels : callable
        Returns the class of each example, for a choice from all classes in proportion; None for a random choice.
    seed : int
        Where the choice comes from.

    Returns
    -------
    train, valid : :class:`theanets.data.sources.ArraySource`
        In both, examples are in the order of the source.

    Raises
    ------
    ConfigurationError
        If the data are made batch by batch, or if there are too few of them.
    """
    if not isinstance(source, ArraySource) or source.axis != 0:
        raise util.ConfigurationError(
            f"validation_split={fraction!r}: only arrays of examples along axis 0 can be split; give data to validate "
            "on as valid="
        )
    total = source.arrays[0].shape[0]
    count = int(round(fraction * total))
    order, labels = np.random.RandomState(seed % 2**32).permutation(total), find_labels()
    chosen = order[:count] if labels is None else stratified(labels, order, count)
    if not 0 < len(chosen) < total:
        raise util.ConfigurationError(
            f"validation_split={fraction!r} of {total} examples leaves none for {'training' if len(chosen) else 'it'}"
        )
    is_chosen = np.isin(np.arange(total), chosen)
    return tuple(_part(source, np.flatnonzero(places)) for places in (~is_chosen, is_chosen))


def _part(source, rows):
    part = copy.copy(source)
    part.arrays = [array[rows] for array in source.arrays]
    if source.lengths is not None:
        part.lengths = [source.lengths[row] for row in rows]
    return part


def stratified(labels, order, count):
    """Choose examples from all classes in proportion to how often they occur, but not the last one of any.

    Parameters
    ----------
    labels : ndarray of int (num-examples, )
        The class of each example.
    order : ndarray of int (num-examples, )
        A permutation. Of each class, those that come first in it are chosen.
    count : int
        How many to choose. There are fewer if that would be all of some classes.

    Returns
    -------
    chosen : ndarray of int
    """
    sizes = np.bincount(labels)
    shares, room = sizes * (count / len(labels)), np.maximum(sizes - 1, 0)
    quota = np.minimum(shares.astype(int), room)
    while quota.sum() < count and (quota < room).any():
        quota[np.argmax(np.where(quota < room, shares - quota, -np.inf))] += 1
    return np.concatenate([order[labels[order] == label][:number] for label, number in enumerate(quota)])
