"""Data on its way into a network: any numeric array is accepted, cast once, and checked before it is used.

What a network expects is described by a list of :class:`Slot`, one for each array. Arrays, lists, pandas frames and
scipy matrices become arrays of the types that the compiled functions want; what does not fit is refused with an error
that names the array, the axis and what was expected.
"""

import copy
import math

import numpy as np
import scipy.sparse
import theano
import theano.sparse as SS

from .. import util

__all__ = [
    "Slot",
    "cast",
    "cast_all",
    "cast_sequences",
    "check",
    "check_finite",
    "is_finite",
    "is_per_sequence",
    "lengths_of",
    "make_mask",
    "numbers_of",
]


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
        Whether the array holds weights: none of them is negative, and one number for each example may stand for an
        array full of it.
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

    def takes(self, value):
        """Tell, quickly, whether a value is an array that needs no cast. Whatever it says of others, they are cast."""
        return (
            type(value) is np.ndarray
            and value.dtype == self.dtype
            and value.ndim == self.ndim
            and self.dtype.kind == "f"
            and self.format is None
            and not self.per_example
            and value.flags.aligned
            and 0 not in value.strides
        )

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
    if slot.per_example and 0 < value.ndim < slot.ndim:
        # one weight for each example, or for each step; spread over the rest of the target later.
        value = value.reshape(value.shape + (1,) * (slot.ndim - value.ndim))
    if value.ndim != slot.ndim:
        raise util.DataError(
            f"array {slot.name!r} has {value.ndim} dimension{'s' * (value.ndim != 1)} (shape {value.shape}), "
            f"expected {slot.expectation()}"
        )
    return value


def _spread(value, shape):
    """Repeat an array along the axes where it has the length 1, and another length is known to be wanted."""
    full = tuple(a if b is None else b for a, b in zip(value.shape, shape))
    if value.shape != full and all(a in (1, b) for a, b in zip(value.shape, full)):
        return np.broadcast_to(value, full)
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


def _check_weights(value, slot):
    numbers = numbers_of(value)
    if numbers.size and numbers.min() < 0:
        raise util.DataError(f"array {slot.name!r} holds the weight {numbers.min()}, expected weights of 0 or more")


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
        If the array cannot be used, or holds negative weights.
    """
    if slot.takes(value):
        _check_shape(value, slot, axis)
        return value
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
    if slot.per_example and slot.shape is not None and value.ndim == len(slot.shape) + 1:
        value = _spread(value, (None, *slot.shape))
    if slot.per_example:
        _check_weights(value, slot)
    _check_shape(value, slot, axis)
    if scipy.sparse.issparse(value):
        return value.astype(slot.dtype, copy=False)
    # Theano refuses arrays that are not aligned in memory, and copies batches of broadcast ones again and again.
    return np.require(value, slot.dtype, ["A", "C"] if 0 in value.strides else ["A"])


def numbers_of(array):
    """Return an array, or the numbers that a scipy matrix holds beside its zeros."""
    return array.data if scipy.sparse.issparse(array) else array


def is_finite(array):
    """Tell whether all numbers of an array or of a scipy matrix are finite; integers always are.

    It comes before each prediction, and so has to be quick. A sum of squares takes no memory, and a small part of the
    time of looking at each number. Where it is too large, or not a number, one looks.
    """
    numbers = numbers_of(array)
    if numbers.dtype.kind != "f":
        return True
    if numbers.flags.forc:
        flat = numbers.ravel("K")
        if math.isfinite(np.dot(flat, flat)):
            return True
    return bool(np.isfinite(numbers).all())


def check_finite(value, slot):
    """Refuse an array that holds something else than finite numbers, after it has been cast.

    Raises
    ------
    DataError
        For infinite values, those that are not a number, and those that are too large for the type of the network.
    """
    if is_finite(value):
        return
    numbers = numbers_of(value)
    count = int(numbers.size - np.isfinite(numbers).sum())
    where = ""
    if numbers is value:
        index = np.unravel_index(np.argmin(np.isfinite(value)), value.shape)
        where = f", the first one ({value[index]}) at index {tuple(int(i) for i in index)}"
    raise util.DataError(
        f"array {slot.name!r} has {count} value{'s' * (count != 1)} that are infinite or not a number, "
        f"or too large for {slot.dtype}{where}; expected finite numbers"
    )


def check(value, slot):
    """Refuse an array that nothing can be learned from.

    Raises
    ------
    DataError
        If the array is empty, or holds values that are not finite, or weights that are all zero.
    """
    if 0 in value.shape:
        raise util.DataError(f"array {slot.name!r} of shape {value.shape} is empty, expected {slot.expectation()}")
    check_finite(value, slot)
    if slot.per_example and not value.any():
        raise util.DataError(
            f"array {slot.name!r} of shape {value.shape} holds weights that are all 0, so that nothing would count; "
            "expected some that are positive"
        )


def _name_list(slots):
    return ", ".join(slot.name for slot in slots) or "none"


def _as_list(arrays, slots, surplus=False):
    """Return a list with one entry for each slot."""
    names = [slot.name for slot in slots]
    if isinstance(arrays, dict):
        if surplus:
            arrays = {name: array for name, array in arrays.items() if name in names}
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise util.DataError(
                f"there are several arrays {twice!r}, which a dict cannot hold; give the targets of the losses names "
                "by target='name', or give a list of arrays"
            )
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
    while isinstance(value, (list, tuple)) and value:
        lengths.append(len(value))
        value = value[0]
    shape = (*lengths, *np.shape(value))
    return len(shape) == len(slot.shape) and all(b in (a, None) for a, b in zip(shape, slot.shape))


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
    for i, slot in enumerate(slots):
        targets = [value for value, other in zip(values, slots) if other is not slot and other.shape == slot.shape]
        if slot.per_example and slot.shape is not None and targets and targets[0].ndim == slot.ndim:
            # lengths that only the data tell.
            values[i] = np.ascontiguousarray(_spread(values[i], (None, *targets[0].shape[1:])))
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
    lowest = 1 if slot.per_example else slot.ndim - 1  # weights may be one number for each step.
    return (
        slot.is_sequence
        and isinstance(value, (list, tuple))
        and len(value) > 0
        and all(lowest <= _depth(item) < slot.ndim and hasattr(item, "__len__") for item in value)
    )


def is_per_sequence(value):
    """Tell whether a value that stands for weights has one of them for each sequence, rather than for each step."""
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.ndim == 1 or value.ndim > 1 and value.shape[1] == 1
    return isinstance(value, (list, tuple, np.ndarray)) and all(not _depth(item) or len(item) == 1 for item in value)


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
    if isinstance(arrays, np.ndarray):
        return None
    values = _as_list(arrays, slots, surplus)
    spread = {slot.name for value, slot in zip(values, slots) if slot.per_example and is_per_sequence(value)}
    known = [
        (slot.name, [len(item) for item in value])
        for value, slot in zip(values, slots)
        if slot.name not in spread and _is_list_of_sequences(value, slot)
        if not all(isinstance(item, (list, tuple)) for item in value) or len({len(item) for item in value}) > 1
    ]
    if not known:
        return None
    name, lengths = known[0]
    for other, its_lengths in known[1:]:
        for i, (a, b) in enumerate(zip(lengths, its_lengths)):
            if a != b:
                raise util.DataError(f"sequence {i} has {a} steps in array {name!r}, but {b} steps in array {other!r}")
    names = {name for name, _ in known} | spread
    for slot in slots:
        if len(set(lengths)) > 1 and slot.is_sequence and slot.name not in names:
            raise util.DataError(
                f"array {slot.name!r}: expected a list of sequences of the same lengths as those of {name!r}"
            )
    return lengths


def cast_sequences(arrays, slots, check=True):
    """Cast arrays that a network is going to be evaluated for, of which some may be lists of sequences.

    Parameters
    ----------
    arrays : array-like, list, tuple or dict
        As for :func:`cast_all`.
    slots : list of Slot
        What is expected.
    check : bool, optional
        Refuse what is not finite after the cast. Default True.

    Returns
    -------
    arrays : list
    lengths : list of int or None
        The lengths of the sequences, see :func:`lengths_of`.

    Raises
    ------
    DataError
        If the arrays cannot be used.
    """
    if len(slots) == 1 and slots[0].takes(arrays):
        _check_shape(arrays, slots[0])
        values, lengths = [arrays], None
    else:
        # what becomes infinite is refused below, in words of our own.
        with np.errstate(over="ignore"):
            values, lengths = cast_all(arrays, slots), lengths_of(arrays, slots)
    if check:
        for value, slot in zip(values, slots):
            check_finite(value, slot)
    return values, lengths


def make_mask(lengths):
    """Return an array (num-sequences, num-steps) of ones up to the length of each sequence, and zeros behind."""
    return (np.arange(max(lengths)) < np.asarray(lengths)[:, None]).astype(util.FLOAT)
