"""Data on its way into a network: any numeric array is accepted, cast once, and checked before it is used.

What a network expects is described by a list of :class:`Slot`, one for each array. Arrays, lists, pandas frames and
scipy matrices become arrays of the types that the compiled functions want; what does not fit is refused with an error
that names the array, the axis and what was expected.
"""

import collections.abc
import copy

import downhill
import numpy as np
import scipy.sparse
import theano
import theano.sparse as SS

from . import util

__all__ = ["Slot", "Exhausted", "cast", "cast_all", "check", "is_source", "make_source", "make_dataset"]


class Slot:
    """What is expected of one of the arrays that a network is given.

    Parameters
    ----------
    name : str
        Name of the array in messages.
    variable : theano variable
        The variable that it is a value of.
    shape : tuple or None, optional
        Expected shape of one example; ``None`` for lengths, or a whole shape, that nothing is known about.
    num_classes : int, optional
        If the array holds class labels, how many classes there are.
    per_example : bool, optional
        Whether one number for each example may stand for an array full of it, as with weights.
    """

    def __init__(self, name, variable, shape=None, num_classes=None, per_example=False):
        self.name = name
        self.variable = variable
        self.dtype = np.dtype(variable.dtype)
        self.ndim = variable.ndim
        self.format = variable.type.format if isinstance(variable.type, SS.SparseType) else None
        self.shape = shape
        self.num_classes = num_classes
        self.per_example = per_example

    @property
    def is_sequence(self):
        """Whether the second axis is time, whose length is known only with the data."""
        return self.shape is not None and len(self.shape) > 0 and self.shape[0] is None and self.ndim > 1

    def of_step(self):
        """Describe one step of a sequence, for several sequences; the slot itself if it holds no sequences."""
        if not self.is_sequence:
            return self
        step = copy.copy(self)
        step.shape, step.ndim = self.shape[1:], self.ndim - 1
        return step

    def expectation(self):
        """Describe the expected shape in words."""
        if self.shape is None:
            return f"{self.ndim} dimension{'s' * (self.ndim != 1)}"
        lengths = ", ".join("any length" if entry is None else str(entry) for entry in self.shape)
        return f"shape ({', '.join(filter(None, ['number of examples', lengths]))})"


class Exhausted(Exception):
    """An iterator that feeds batches has come to its end."""


def _to_array(value, slot):
    """Turn what a user calls an array into a numpy array or a scipy matrix."""
    if isinstance(value, theano.compile.SharedVariable):
        value = value.get_value()
    if scipy.sparse.issparse(value):
        return value
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise util.DataError(f"array {slot.name!r} has masked values; fill them, or use a weighted model")
    try:
        value = np.asarray(value)
    except ValueError as error:
        raise util.DataError(f"array {slot.name!r}: rows of different lengths do not make an array") from error
    if value.dtype == object:
        try:
            value = value.astype(float)
        except (TypeError, ValueError) as error:
            raise util.DataError(f"array {slot.name!r} holds values that are not numbers: {error}") from error
    if value.dtype.kind not in "biuf":
        raise util.DataError(f"array {slot.name!r} is of type {value.dtype}, expected numbers")
    return value


def _fit_dimensions(value, slot):
    """Add an axis where it can only have been left out for convenience, and refuse other mismatches."""
    if value.ndim == slot.ndim - 1 and slot.shape is not None and slot.shape[-1:] == (1,):
        # a column was given as a vector.
        return value.reshape(value.shape + (1,))
    if slot.per_example and value.ndim == 1 and value.ndim < slot.ndim:
        # one weight for each example. Lengths that are not known are left to broadcasting against the target.
        value = value.reshape((-1,) + (1,) * (slot.ndim - 1))
    if value.ndim != slot.ndim:
        raise util.DataError(
            f"array {slot.name!r} has {value.ndim} dimension{'s' * (value.ndim != 1)} (shape {value.shape}), "
            f"expected {slot.expectation()}"
        )
    return value


def _check_shape(value, slot, axis=0):
    if slot.shape is None or slot.ndim != len(slot.shape) + 1:
        return
    if slot.is_sequence and axis == 0 and value.shape[1] == 0:
        raise util.DataError(f"array {slot.name!r} of shape {value.shape} has no steps (axis 1), expected at least one")
    for i, expected in enumerate(slot.shape, start=1):
        if i != axis and expected is not None and value.shape[i] != expected:
            raise util.DataError(
                f"array {slot.name!r} of shape {value.shape}: axis {i} has length {value.shape[i]}, "
                f"expected {slot.expectation()}"
            )


def _check_labels(value, slot):
    if value.dtype.kind == "f":
        raise util.DataError(f"array {slot.name!r} is of type {value.dtype}, but class labels must be integers")
    if slot.num_classes is None or not value.size:
        return
    low, high = value.min(), value.max()
    if low < 0 or high >= slot.num_classes:
        raise util.DataError(
            f"array {slot.name!r} holds the class label {low if low < 0 else high}, "
            f"expected labels from 0 to {slot.num_classes - 1}"
        )


def cast(value, slot, axis=0):
    """Give an array the type that the network computes with.

    Parameters
    ----------
    value : array-like
        A numpy array, a list, a pandas object or a scipy matrix.
    slot : Slot
        What is expected.
    axis : int, optional
        The axis of the batch, whose length is free.

    Returns
    -------
    value : ndarray, or scipy matrix in the format of the slot
        The very same object if it is fine as it is.

    Raises
    ------
    DataError
        If the array cannot be used.
    """
    if _is_list_of_sequences(value, slot) and len({len(item) for item in value}) > 1:
        value = _pad([cast(item, slot.of_step()) for item in value])
    value = _to_array(value, slot)
    if slot.dtype.kind == "i":
        value = value.toarray() if scipy.sparse.issparse(value) else value
        value = _fit_dimensions(value, slot)
        _check_labels(value, slot)
    elif slot.format is None:
        value = value.toarray() if scipy.sparse.issparse(value) else value
        value = _fit_dimensions(value, slot)
    else:
        make = scipy.sparse.csr_matrix if slot.format == "csr" else scipy.sparse.csc_matrix
        value = make(_fit_dimensions(value, slot))
    if slot.per_example and slot.shape is not None and None not in slot.shape and 0 not in value.shape:
        full = (value.shape[0], *slot.shape)
        if value.shape != full and all(a in (1, b) for a, b in zip(value.shape, full)):
            value = np.broadcast_to(value, full)
    _check_shape(value, slot, axis)
    if scipy.sparse.issparse(value):
        return value.astype(slot.dtype, copy=False)
    # Theano refuses arrays that are not aligned in memory, and copies batches of broadcast ones again and again.
    return np.require(value, slot.dtype, ["A", "C"] if 0 in value.strides else ["A"])


def check(value, slot):
    """Refuse an array that nothing can be learned from.

    Raises
    ------
    DataError
        If the array is empty, or holds values that are not finite.
    """
    if 0 in value.shape:
        raise util.DataError(f"array {slot.name!r} of shape {value.shape} is empty, expected {slot.expectation()}")
    numbers = value.data if scipy.sparse.issparse(value) else value
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        count = int(numbers.size - np.isfinite(numbers).sum())
        where = ""
        if numbers is value:
            index = np.unravel_index(np.argmin(np.isfinite(value)), value.shape)
            where = f", the first one ({value[index]}) at index {tuple(int(i) for i in index)}"
        raise util.DataError(
            f"array {slot.name!r} has {count} value{'s' * (count != 1)} that are infinite or not a number, "
            f"or too large for {slot.dtype}{where}; expected finite numbers"
        )


def _name_list(slots):
    return ", ".join(slot.name for slot in slots) or "none"


def _as_list(arrays, slots, surplus=False):
    """Return a list with one entry for each slot."""
    names = [slot.name for slot in slots]
    if isinstance(arrays, dict):
        if surplus:
            arrays = {name: array for name, array in arrays.items() if name in names}
        if sorted(arrays) != sorted(names):
            raise util.DataError(f"expected arrays for {_name_list(slots)}; found {', '.join(map(str, arrays))}")
        return [arrays[name] for name in names]
    if not isinstance(arrays, (list, tuple)):
        arrays = [arrays]
    elif len(slots) == 1 and _depth(arrays) == slots[0].ndim and (len(arrays) != 1 or _is_example(arrays[0], slots[0])):
        # the only array, written as a list of rows, or of sequences.
        arrays = [arrays]
    elif surplus:
        arrays = arrays[: len(slots)]
    if len(arrays) != len(slots):
        raise util.DataError(
            f"expected {len(slots)} array{'s' * (len(slots) != 1)} ({_name_list(slots)}), found {len(arrays)}"
        )
    return list(arrays)


def _is_example(value, slot):
    """Tell whether a value may be one example for a slot, rather than the array of all examples."""
    if slot.is_sequence or slot.shape is None:
        return slot.is_sequence
    lengths = []
    while hasattr(value, "__len__") and len(value):
        lengths.append(len(value))
        value = value[0]
    return len(lengths) == len(slot.shape) and all(b in (a, None) for a, b in zip(lengths, slot.shape))


def _depth(value):
    depth = 0
    while isinstance(value, (list, tuple)) and value:
        depth, value = depth + 1, value[0]
    return depth + np.ndim(value)


def cast_all(arrays, slots, axis=0, surplus=False):
    """Cast the arrays for a list of slots.

    Parameters
    ----------
    arrays : array-like, list, tuple or dict
        One array for each slot, in their order or by their names. A single array needs no list.
    slots : list of Slot
        What is expected.
    axis : int, optional
        The axis of the batch. Along it, all arrays must have the same length.
    surplus : bool, optional
        Whether there may be more arrays than slots; those at the end are left aside.

    Returns
    -------
    arrays : list

    Raises
    ------
    DataError
        If the arrays cannot be used.
    """
    values = [cast(value, slot, axis) for value, slot in zip(_as_list(arrays, slots, surplus), slots)]
    for slot, value in zip(slots, values):
        if not -value.ndim <= axis < value.ndim:
            raise util.DataError(f"array {slot.name!r} of shape {value.shape} has no axis {axis}")
        if value.shape[axis] != values[0].shape[axis]:
            raise util.DataError(
                f"array {slot.name!r} has {value.shape[axis]} examples (axis {axis}), "
                f"but array {slots[0].name!r} has {values[0].shape[axis]}"
            )
    return values


# -- sequences of different lengths -----------------------------------------------------------------------------------


def _is_list_of_sequences(value, slot):
    """Tell whether a value is a list of arrays that each have one dimension less than the slot."""
    return (
        slot.is_sequence
        and isinstance(value, (list, tuple))
        and len(value) > 0
        and all(_depth(item) == slot.ndim - 1 and hasattr(item, "__len__") for item in value)
    )


def _pad(sequences):
    """Stack sequences, with zeros behind the end of shorter ones."""
    longest = max(map(len, sequences))
    padded = np.zeros((len(sequences), longest, *sequences[0].shape[1:]), sequences[0].dtype)
    for row, sequence in zip(padded, sequences):
        row[: len(sequence)] = sequence
    return padded


def lengths_of(arrays, slots, surplus=False):
    """Return the lengths of sequences that are given as a list.

    Parameters
    ----------
    arrays : array-like, list, tuple or dict
        As for :func:`cast_all`.
    slots : list of Slot
        What is expected.
    surplus : bool, optional
        Whether there may be more arrays than slots.

    Returns
    -------
    lengths : list of int or None
        None if nothing is given as a list of sequences.

    Raises
    ------
    DataError
        If the lengths of lists differ between arrays, or an array goes with sequences of different lengths.
    """
    values = _as_list(arrays, slots, surplus)
    known = [
        (slot.name, [len(item) for item in value])
        for value, slot in zip(values, slots)
        if _is_list_of_sequences(value, slot) and not all(isinstance(item, (list, tuple)) for item in value)
        or _is_list_of_sequences(value, slot) and len({len(item) for item in value}) > 1
    ]
    if not known:
        return None
    name, lengths = known[0]
    for other, its_lengths in known[1:]:
        for i, (a, b) in enumerate(zip(lengths, its_lengths)):
            if a != b:
                raise util.DataError(f"sequence {i} has {a} steps in array {name!r}, but {b} steps in array {other!r}")
    names = {name for name, _ in known}
    for slot in slots:
        if len(set(lengths)) > 1 and slot.is_sequence and slot.name not in names:
            raise util.DataError(
                f"array {slot.name!r}: expected a list of sequences of the same lengths as those of {name!r}"
            )
    return lengths


def cast_sequences(arrays, slots):
    """Cast arrays, of which some may be lists of sequences; return them and the lengths of the sequences, or None."""
    return cast_all(arrays, slots), lengths_of(arrays, slots)


def make_mask(lengths):
    """Return an array (num-sequences, num-steps) of ones up to the length of each sequence, and zeros behind."""
    return (np.arange(max(lengths)) < np.asarray(lengths)[:, None]).astype(util.FLOAT)


# -- sources of batches -----------------------------------------------------------------------------------------------


class Stream:
    """A callable that feeds batches made by a user's callable or iterator.

    Parameters
    ----------
    source : callable or iterator
        Gives a list of arrays each time it is called, or asked for the next item.
    slots : list of Slot
        What is expected of the arrays.
    surplus : bool, optional
        Whether there may be more arrays than slots.
    """

    def __init__(self, source, slots, surplus=False):
        self.source = source
        self.slots = slots
        self.surplus = surplus

    def __call__(self):
        try:
            batch = self.source() if callable(self.source) else next(self.source)
        except StopIteration:
            raise Exhausted from None
        return cast_all(batch, self.slots, surplus=self.surplus)


class SizedStream(Stream):
    """A stream whose source says how many batches make an epoch."""

    def __len__(self):
        return len(self.source)


class Ordered:
    """The batches of a dataset in the order of the data, without being shuffled.

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
    is_sequence : list of bool
        Which of the other arrays hold sequences.
    """

    def __init__(self, dataset, is_sequence):
        self.dataset = dataset
        self.is_sequence = is_sequence

    def __iter__(self):
        for *arrays, mask in self.dataset:
            length = int(mask.sum(axis=1).max())
            yield [
                *(array[:, :length] if cut else array for array, cut in zip(arrays, self.is_sequence)),
                mask[:, :length],
            ]


class Padded(list):
    """Arrays of padded sequences, with their mask at the end.

    Parameters
    ----------
    arrays : list of arrays
        The arrays.
    is_sequence : list of bool
        Which of the arrays hold sequences.
    """

    def __init__(self, arrays, is_sequence):
        super().__init__(arrays)
        self.is_sequence = is_sequence


class CastDataset:
    """A user's own ``downhill.Dataset``, whose batches are cast as they come.

    Parameters
    ----------
    dataset : downhill.Dataset
        The data.
    slots : list of Slot
        What is expected of each batch.
    surplus : bool, optional
        Whether there may be more arrays than slots.
    """

    def __init__(self, dataset, slots, surplus=False):
        self.dataset = dataset
        self.slots = slots
        self.surplus = surplus

    def __iter__(self):
        for batch in self.dataset:
            yield cast_all(batch, self.slots, surplus=self.surplus)


def is_source(data):
    """Tell whether data is something that makes batches, rather than arrays."""
    return callable(data) and not hasattr(data, "shape") or isinstance(data, collections.abc.Iterator)


def is_ragged(data, slots, surplus=False):
    """Tell whether data for training holds sequences of different lengths."""
    if data is None or isinstance(data, downhill.Dataset) or is_source(data):
        return False
    if isinstance(data, (list, tuple)) and any(map(is_source, data)):
        return False
    lengths = lengths_of(data, slots, surplus)
    return lengths is not None and len(set(lengths)) > 1


def make_source(data, slots, label, axis=0, surplus=False, masked=False):
    """Turn the data that a user gives for training into something that batches can be made of.

    Parameters
    ----------
    data : downhill.Dataset, callable, iterator, array, or list, tuple or dict of arrays
        The data.
    slots : list of Slot
        What is expected of it.
    label : str
        ``"train"`` or ``"valid"``, for messages.
    axis : int, optional
        The axis of the batch.
    surplus : bool, optional
        Whether there may be more arrays than slots; those at the end are left aside.
    masked : bool, optional
        Whether a mask is needed that says which steps of sequences count.

    Returns
    -------
    source : CastDataset, Stream or list of arrays
        Arrays have the right types and shapes, and hold finite values.

    Raises
    ------
    DataError
        If the data cannot be used.
    """
    if masked and (axis != 0 or isinstance(data, downhill.Dataset) or is_source(data)):
        raise util.DataError(
            f"{label} data: if sequences of different lengths are given for training or validation, both must be "
            "lists of sequences or arrays, and axis must be 0"
        )
    if isinstance(data, downhill.Dataset):
        return CastDataset(data, slots, surplus)
    if isinstance(data, (list, tuple)) and any(map(is_source, data)):
        if len(data) > 1:
            raise util.DataError(
                f"{label} data: expected one callable that returns all arrays of a batch, found a list of {len(data)}"
            )
        data = data[0]
    if is_source(data):
        return (SizedStream if hasattr(data, "__len__") else Stream)(data, slots, surplus)
    try:
        arrays = cast_all(data, slots, axis, surplus)
        for array, slot in zip(arrays, slots):
            check(array, slot)
        lengths = lengths_of(data, slots, surplus) if masked else None
    except util.DataError as error:
        raise util.DataError(f"{label} data: {error}") from error
    if not masked:
        return arrays
    is_sequence = [slot.is_sequence for slot in slots]
    steps = next(array.shape[1] for array, cut in zip(arrays, is_sequence) if cut)
    mask = make_mask(lengths or [steps] * len(arrays[0]))
    return Padded([*arrays, mask], is_sequence)


def make_dataset(source, name, batch_size=32, iteration_size=None, axis=0, rng=None, ordered=False):
    """Make a dataset of a source.

    Parameters
    ----------
    source : CastDataset, Stream or list of arrays
        What :func:`make_source` returns.
    name : str
        Name of the dataset in logs.
    batch_size : int, optional
        Number of examples in a batch; 0 or less for all of them. Default 32. Without effect for streams.
    iteration_size : int, optional
        Number of batches in one pass. Default: all, or 100 for a stream without a length.
    axis : int, optional
        The axis of the batch. Default 0.
    rng : int, None or numpy.random.RandomState, optional
        What shuffles the batches.
    ordered : bool, optional
        Whether batches come in the order of the data instead.

    Returns
    -------
    dataset : iterable of batches
    """
    if isinstance(source, CastDataset):
        return source
    dataset = downhill.Dataset(
        list(source) if isinstance(source, list) else source,
        name=name,
        batch_size=batch_size,
        iteration_size=iteration_size,
        axis=axis,
        rng=int(rng) if util.is_int(rng) else rng,
    )
    if ordered and isinstance(source, list):
        dataset = Ordered(dataset, axis)
    return Trimmed(dataset, source.is_sequence) if isinstance(source, Padded) else dataset
