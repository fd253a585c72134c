"""Where batches come from: what a user gives as data for training becomes something that can be iterated over.

There are three kinds: arrays, which are cast and checked at once and then cut into batches; callables and iterators,
which make one batch at a time; and datasets that the user has made. Sequences of different lengths may come from
either of the first two. They are padded, and each batch then has a mask as its last array.
"""

import collections.abc

import downhill
import numpy as np

from .. import util
from .arrays import cast_all, check, lengths_of, make_mask

__all__ = [
    "Exhausted",
    "ArraySource",
    "StreamSource",
    "DatasetSource",
    "MixedRows",
    "build",
    "check_shuffle",
    "read_shuffle",
]

#: What ``shuffle`` may be.
ORDERS = ("batches", "rows", False)


class Exhausted(Exception):
    """An iterator that feeds batches has come to its end."""


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


class ArraySource:
    """Arrays that are cut into batches.

    Parameters
    ----------
    arrays : array-like, list, tuple or dict
        As for :func:`theanets.data.cast_all`.
    slots : list of :class:`theanets.data.Slot`
        What is expected.
    axis : int, optional
        The axis of the batch. Default 0.
    surplus : bool, optional
        Whether there may be more arrays than slots; those at the end are left aside.

    Raises
    ------
    DataError
        If the arrays cannot be used, or hold values that nothing can be learned from.
    """

    def __init__(self, arrays, slots, axis=0, surplus=False):
        self.slots = slots
        self.axis = axis
        # what has become infinite is refused by the check, in words of our own.
        with np.errstate(over="ignore"):
            self.arrays = cast_all(arrays, slots, axis, surplus)
        for array, slot in zip(self.arrays, slots):
            check(array, slot)
        self.lengths = lengths_of(arrays, slots, surplus)

    def is_ragged(self):
        """Tell whether there are sequences of different lengths."""
        return self.lengths is not None and len(set(self.lengths)) > 1

    def dataset(self, name, masked=False, shuffle="batches", batch_size=32, iteration_size=None, rng=None):
        """Make a dataset.

        Parameters
        ----------
        name : str
            Name of the dataset in logs.
        masked : bool, optional
            Whether each batch has a mask as its last array.
        shuffle : str or bool, optional
            ``'batches'`` for fixed slices of consecutive rows in another order in each pass; ``'rows'`` for rows that
            are mixed anew in each pass; False for slices in the order of the data. Default ``'batches'``.
        batch_size : int, optional
            Number of examples in a batch; 0 or less for all of them. Default 32.
        iteration_size : int, optional
            Number of batches in one pass. Default: all.
        rng : int, None or numpy.random.RandomState, optional
            What shuffles the batches, or the rows.

        Returns
        -------
        dataset : iterable of batches
        """
        arrays = self.arrays
        if masked:
            if self.axis != 0:
                raise util.DataError(f"axis={self.axis}: sequences of different lengths can be cut along axis 0 only")
            arrays = [*arrays, self._mask()]
        dataset = (MixedRows if shuffle == "rows" else downhill.Dataset)(
            arrays, name=name, batch_size=batch_size, iteration_size=iteration_size, axis=self.axis, rng=rng
        )
        if shuffle is False:
            dataset = Ordered(dataset, self.axis)
        return Trimmed(dataset, self.slots) if masked else dataset

    def _mask(self):
        if self.lengths is not None:
            return make_mask(self.lengths)
        steps = next(array.shape[1] for array, slot in zip(self.arrays, self.slots) if slot.is_sequence)
        return make_mask([steps] * len(self.arrays[0]))


class MixedRows(downhill.Dataset):
    """Batches of rows that are mixed anew in each pass.

    The arrays stay as they are. A batch is made of the rows that a permutation has at its place, so that the last one
    may be short, as with downhill's batches. The permutation is drawn when downhill would shuffle: at first, and with
    the last batch of each pass.

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
        # of a type that does not depend on the platform, and that goes to a device as it is.
        self.order = self.rng.permutation(self._inputs[0].shape[0]).astype("uint32")

    def take(self, where, order):
        """Return a batch: the rows that some order has at its place."""
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


class Trimmed:
    """Batches of padded sequences, cut to the length of the longest sequence in each.

    Parameters
    ----------
    dataset : iterable of batches
        The last array of each batch is the mask.
    slots : list of :class:`theanets.data.Slot`
        What the other arrays are.
    """

    def __init__(self, dataset, slots):
        self.dataset = dataset
        self.slots = slots

    def __iter__(self):
        for *arrays, mask in self.dataset:
            length = int(mask.sum(axis=1).max())
            cut = [array[:, :length] if slot.is_sequence else array for array, slot in zip(arrays, self.slots)]
            yield [*cut, mask[:, :length]]


class StreamSource:
    """A callable or an iterator that makes one batch at a time.

    Parameters
    ----------
    make : callable or iterator
        Gives a list of arrays each time it is called, or asked for the next item.
    slots : list of :class:`theanets.data.Slot`
        What is expected of the arrays.
    surplus : bool, optional
        Whether there may be more arrays than slots.
    """

    def __init__(self, make, slots, surplus=False):
        self.make = make
        self.slots = slots
        self.surplus = surplus
        self.masked = False
        self.waiting = []

    def _next(self):
        if self.waiting:
            return self.waiting.pop()
        try:
            return self.make() if callable(self.make) else next(self.make)
        except StopIteration:
            raise Exhausted from None

    def is_ragged(self):
        """Tell whether the first batch holds sequences of different lengths; it is kept for its turn."""
        if not any(slot.is_sequence for slot in self.slots):
            return False
        try:
            batch = self._next()
        except Exhausted:
            return False
        self.waiting.append(batch)
        lengths = lengths_of(batch, self.slots, self.surplus)
        return lengths is not None and len(set(lengths)) > 1

    def __call__(self):
        """Return the next batch, cast and checked."""
        batch = self._next()
        arrays = cast_all(batch, self.slots, surplus=self.surplus)
        lengths = lengths_of(batch, self.slots, self.surplus)
        if self.masked:
            steps = next(array.shape[1] for array, slot in zip(arrays, self.slots) if slot.is_sequence)
            return [*arrays, make_mask(lengths or [steps] * len(arrays[0]))]
        if lengths is not None and len(set(lengths)) > 1:
            raise util.DataError(
                "a batch holds sequences of different lengths, but the first one did not; make them all lists of "
                "sequences, of which the first has different lengths, or pad them"
            )
        return arrays

    def dataset(self, name, masked=False, shuffle="batches", batch_size=32, iteration_size=None, rng=None):
        """Make a dataset; see :meth:`ArraySource.dataset`. The source itself sees to the order and size of batches."""
        self.masked = masked
        if iteration_size is None and hasattr(self.make, "__len__"):
            iteration_size = len(self.make)
        return downhill.Dataset(self, name=name, iteration_size=iteration_size, rng=rng)


class DatasetSource:
    """A user's own ``downhill.Dataset``, whose batches are cast as they come.

    Parameters
    ----------
    batches : downhill.Dataset
        The data.
    slots : list of :class:`theanets.data.Slot`
        What is expected of each batch.
    surplus : bool, optional
        Whether there may be more arrays than slots.
    """

    def __init__(self, batches, slots, surplus=False):
        self.batches = batches
        self.slots = slots
        self.surplus = surplus

    def is_ragged(self):
        """Tell whether there are sequences of different lengths, which such a dataset cannot hold."""
        return False

    def __iter__(self):
        for batch in self.batches:
            yield cast_all(batch, self.slots, surplus=self.surplus)

    def dataset(self, name, masked=False, **kwargs):
        """Return the dataset, which is made already."""
        if masked:
            raise util.DataError("sequences of different lengths and a downhill.Dataset do not go together")
        return self


def check_shuffle(source, shuffle):
    """Refuse an order that training data cannot have.

    Parameters
    ----------
    source : ArraySource, StreamSource or DatasetSource
        Where the data come from.
    shuffle : str or bool
        One of :data:`ORDERS`.

    Raises
    ------
    ConfigurationError
        If rows are to be mixed that lie along another axis, or are not known; or if a dataset has an order of its own.
    """
    if shuffle == "batches":
        return
    if isinstance(source, DatasetSource):
        raise util.ConfigurationError(
            f"shuffle={shuffle!r}: the training data are a downhill.Dataset, which sees to the order of its batches "
            "itself; give the arrays that it was made of"
        )
    if shuffle == "rows" and not isinstance(source, ArraySource):
        raise util.ConfigurationError(
            "shuffle='rows': the training data are made batch by batch, so that there are no rows to mix; mix them "
            "where the batches are made, or give arrays"
        )
    if shuffle == "rows" and source.axis != 0:
        raise util.ConfigurationError(
            f"shuffle='rows' mixes examples, which lie along axis 0, but the batches are cut along axis={source.axis} "
            "(pieces of time, say, whose order counts); write shuffle='batches' or shuffle=False"
        )


def _makes_batches(value):
    """Tell whether data is something that makes batches, rather than arrays."""
    return callable(value) and not hasattr(value, "shape") or isinstance(value, collections.abc.Iterator)


def build(value, slots, label, axis=0, surplus=False):
    """Make a source of the data that a user gives for training.

    Parameters
    ----------
    value : downhill.Dataset, callable, iterator, array, or list, tuple or dict of arrays
        The data.
    slots : list of :class:`theanets.data.Slot`
        What is expected of it.
    label : str
        ``"train"`` or ``"valid"``, for messages.
    axis : int, optional
        The axis of the batch.
    surplus : bool, optional
        Whether there may be more arrays than slots; those at the end are left aside.

    Returns
    -------
    source : ArraySource, StreamSource or DatasetSource

    Raises
    ------
    DataError
        If the data cannot be used.
    """
    if isinstance(value, downhill.Dataset):
        return DatasetSource(value, slots, surplus)
    if isinstance(value, (list, tuple)) and any(map(_makes_batches, value)):
        if len(value) > 1:
            raise util.DataError(
                f"{label} data: expected one callable that returns all arrays of a batch, found a list of {len(value)}"
            )
        value = value[0]
    if _makes_batches(value):
        return StreamSource(value, slots, surplus)
    try:
        return ArraySource(value, slots, axis, surplus)
    except util.DataError as error:
        raise util.DataError(f"{label} data: {error}") from error
