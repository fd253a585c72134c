"""Shuffling of training data, and datasets that yield batches of arrays in that order."""

import downhill
import numpy as np

from .. import util

__all__ = [
    "ORDERS",
    "MixedRows",
    "Ordered",
    "Trimmed",
    "filled_up",
    "describe_batches",
    "inner_dataset",
    "number_of_batches",
    "padded_length",
    "read_shuffle",
    "saves_by_trimming",
    "spaced",
]

#: The values of ``shuffle``.
ORDERS = ("batches", "rows", False)


def read_shuffle(value):
    """Return the order of training data as one of :data:`ORDERS`.

    Parameters
    ----------
    value : str, bool or None
        True stands for ``'rows'``, as it does in other libraries; None for the default.

    Returns
    -------
    order : str or bool

    Raises
    ------
    ConfigurationError
        If it is none of these.

    Examples
    --------
    >>> read_shuffle(None), read_shuffle(True), read_shuffle(False)
    ('batches', 'rows', False)
    """
    if value is None:
        return "batches"
    if isinstance(value, (bool, np.bool_)):
        return "rows" if value else False
    if isinstance(value, str) and value in ORDERS:
        return value
    raise util.ConfigurationError(
        f"shuffle={value!r}, expected 'batches' (fixed slices of the data, in another order each epoch), 'rows' (mixed "
        "anew each epoch; True is the same) or False (in the order of the data)"
    )


def inner_dataset(dataset):
    """Unwrap a dataset to its downhill.Dataset; None if it has none."""
    while not isinstance(dataset, downhill.Dataset):
        dataset = getattr(dataset, "dataset", None) or getattr(dataset, "batches", None)
        if dataset is None:
            return None
    return dataset


class MixedRows(downhill.Dataset):
    """Dataset whose rows are shuffled in each pass.

    The arrays stay as they are. A batch consists of the rows at its slice of a permutation; the last batch may be
    short, as with downhill's batches. A new permutation is drawn when downhill would shuffle: at first, and with the
    last batch of each pass.

    Parameters
    ----------
    inputs, name, batch_size, iteration_size, axis, rng
        See ``downhill.Dataset``. The inputs are arrays or sparse matrices, whose rows lie along axis 0.

    Attributes
    ----------
    order : ndarray of uint32 (num-rows, )
        The permutation of this pass.
    """

    order = None

    def shuffle(self):
        """Draw another permutation."""
        # a dtype that does not depend on the platform, and needs no conversion on a device.
        self.order = self.rng.permutation(self._inputs[0].shape[0]).astype("uint32")

    def take(self, where, order):
        """Return a batch: the rows at its slice ``where`` of a permutation ``order``."""
        rows = order[where[0][0]]
        return [array[rows] for array in self._inputs]

    def _next_batch(self, shuffle=True):
        batch = self.take(self._slices[self._index], self.order)
        self._index += 1
        if self._index >= len(self._slices):
            if shuffle:
                self.shuffle()
            self._index = 0
        return batch


class Ordered:
    """The batches of a dataset in the order of the data.

    Parameters
    ----------
    dataset : downhill.Dataset
        Made of arrays.
    axis : int
        The axis of the batch.
    """

    def __init__(self, dataset, axis):
        self.dataset = dataset
        dataset._slices.sort(key=lambda where: where[0][axis].start)

    def __iter__(self):
        return self.dataset.iterate(shuffle=False)


#: Maximum size in bytes of data that are filled up.
FILLED = 1 << 24


def filled_up(arrays, size, weights):
    """Fill arrays up with rows of zero weight, so that all batches are full, and a power of two in number.

    A program that is compiled for such arrays serves data of other lengths, too.

    Parameters
    ----------
    arrays : list of ndarray (num-rows, ...)
        The data.
    size : int
        Number of rows in a batch.
    weights : collection of int
        Positions of the arrays that hold weights.

    Returns
    -------
    arrays : list of ndarray
        The same arrays if they would become larger than :data:`FILLED`, or if there is only one batch.

    Examples
    --------
    >>> values, weights = filled_up([np.array([5, 6, 7]), np.ones(3)], 2, {1})
    >>> values.tolist(), weights.tolist()
    ([5, 6, 7, 7], [1.0, 1.0, 1.0, 0.0])
    >>> [len(filled_up([np.ones(length)], 2, {0})[0]) for length in (2, 4, 5, 7, 9)]
    [2, 4, 8, 8, 16]
    """
    length = len(arrays[0])
    total = size << max(-(-length // size) - 1, 0).bit_length()
    if total == length or length <= size or sum(array[:1].nbytes for array in arrays) * total > FILLED:
        return arrays
    # copies of a row, as the error for a row of zeros might be infinite, and no weight makes that zero.
    rows = [np.repeat(array[-1:], total - length, axis=0) for array in arrays]
    rows = [np.zeros_like(row) if i in weights else row for i, row in enumerate(rows)]
    return [np.concatenate(pair) for pair in zip(arrays, rows)]


def spaced(arrays, size, is_mixed=False):
    """Add rows that no batch takes, so that the full batches are a power of two in number.

    A program that is compiled for such arrays serves all data with as many rows in the batch at the end.

    Parameters
    ----------
    arrays : list of ndarray (num-rows, ...)
        The data.
    size : int
        Number of rows in a batch.
    is_mixed : bool, optional
        Whether batches take rows by their numbers: the rows are then added at the end. Default False: they come
        before the batch at the end.

    Returns
    -------
    arrays : list of ndarray
        The same arrays if they would become larger than :data:`FILLED`, or if there is only one batch.
    added : int
        The number of rows that were added.

    Examples
    --------
    >>> spaced([np.array([1, 2, 3, 4, 5, 6, 7])], 2)
    ([array([1, 2, 3, 4, 5, 6, 0, 0, 7])], 2)
    >>> spaced([np.array([1, 2, 3, 4, 5])], 2)
    ([array([1, 2, 3, 4, 5])], 0)
    """
    length = len(arrays[0])
    count = length // size
    added = ((1 << max(count - 1, 0).bit_length()) - count) * size
    if not added or sum(array[:1].nbytes for array in arrays) * (length + added) > FILLED:
        return arrays, 0
    place = length if is_mixed else count * size
    return [
        np.concatenate([array[:place], np.zeros((added, *array.shape[1:]), array.dtype), array[place:]])
        for array in arrays
    ], added


def number_of_batches(dataset):
    """Return how many batches a dataset has in an epoch; None if that is not known before."""
    return getattr(getattr(dataset, "dataset", dataset), "iteration_size", None)


def describe_batches(dataset):
    """Describe the batches of an epoch in words.

    Examples
    --------
    >>> describe_batches(downhill.Dataset([np.zeros((70, 3))], batch_size=32))
    '3 batches of 32 examples (70 in all)'
    >>> describe_batches(iter([]))
    'batches as they come'
    """
    count, inner = number_of_batches(dataset), getattr(dataset, "dataset", dataset)
    if count is None:
        return "batches as they come"
    words = f"{count} batch{'es' * (count != 1)}"
    slices = getattr(inner, "_slices", None)
    if not slices:
        return words
    axis = next((i for i, part in enumerate(slices[0][0]) if part != slice(None)), 0)
    sizes = [where[0][axis].stop - where[0][axis].start for where in slices]
    return f"{words} of {util.number_of(max(sizes), 'example')} ({sum(sizes)} in all)"


#: Batches are trimmed only if that saves more than this fraction of the steps, as batches of one shape run together.
SAVED = 1 / 3


def padded_length(length):
    """Return the length that sequences are padded to: one of four lengths per power of two.

    Few lengths are used, as XLA compiles a program for each.

    Examples
    --------
    >>> [padded_length(length) for length in (3, 9, 33, 40, 41, 64)]
    [3, 10, 40, 40, 48, 64]
    """
    step = 1 << max(int(length - 1).bit_length() - 3, 0)
    return -(-length // step) * step


def saves_by_trimming(lengths, size, is_mixed=False):
    """Tell whether trimming batches of padded sequences to their longest sequence saves more than :data:`SAVED`.

    Parameters
    ----------
    lengths : list of int
        The lengths of all sequences.
    size : int
        Number of sequences in a batch.
    is_mixed : bool, optional
        Whether batches consist of shuffled sequences rather than of consecutive ones. Default False.
    """
    lengths = np.asarray(lengths)
    if is_mixed:
        lengths = np.random.RandomState(0).permutation(lengths)
    longest = np.maximum.reduceat(lengths, np.arange(0, len(lengths), size if size > 0 else len(lengths)))
    return sum(map(padded_length, longest)) < (1 - SAVED) * lengths.max() * len(longest)


class Trimmed:
    """Dataset whose batches of padded sequences are trimmed to about the length of the longest sequence in each.

    They are trimmed to one of a few lengths, see :func:`padded_length`.

    Parameters
    ----------
    dataset : iterable of batches
        The last array of each batch is the mask.
    slots : list of :class:`theanets.data.Slot`
        The slots of the other arrays.
    """

    def __init__(self, dataset, slots):
        self.dataset = dataset
        self.slots = slots

    def __iter__(self):
        for *arrays, mask in self.dataset:
            length = padded_length(int(mask.sum(axis=1).max()))
            cut = [array[:, :length] if slot.is_sequence else array for array, slot in zip(arrays, self.slots)]
            yield [*cut, mask[:, :length]]
