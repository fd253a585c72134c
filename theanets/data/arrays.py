"""Conversion and checks of the arrays that users give to a network.

The arrays that a network expects are described by a list of :class:`Slot`, one for each of them. Arrays, lists, pandas
frames and scipy matrices are cast once to the types of the compiled functions; arrays that do not fit are refused with
an error that names the array, the axis and what was expected.
"""

import collections.abc
import copy
import math
import numbers

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
    "pad_steps",
]


class Slot:
    """Description of one of the arrays that a network expects: its type, its shape and its meaning.

    Parameters
    ----------
    name : str
        Name of the array in messages.
    variable : theano variable
        The variable that it is a value of.
    shape : tuple or None, optional
        Expected shape of one example; ``None`` for unknown lengths, or for an unknown shape.
    num_classes : int, optional
        If the array holds class labels, how many classes there are.
    per_example : bool, optional
        Whether the array holds weights: none of them is negative, and one number for each example may stand for an
        array full of it.
    is_target : bool, optional
        Whether the array is a target. Labels that are targets may come as a column.
    bounds : pair of float, optional
        The smallest and the largest value that training data may have. Default: any.
    """

    def __init__(self, name, variable, shape=None, num_classes=None, per_example=False, is_target=False, bounds=None):
        self.name = name
        self.variable = variable
        self.dtype = np.dtype(variable.dtype)
        self.ndim = variable.ndim
        self.format = variable.type.format if isinstance(variable.type, SS.SparseType) else None
        self.shape = shape
        self.num_classes = num_classes
        self.per_example = per_example
        self.is_target = is_target
        self.bounds = bounds

    @property
    def holds_labels(self):
        """Whether the array holds class labels."""
        return self.dtype.kind == "i"

    @property
    def is_sequence(self):
        """Whether the second axis is time, whose length is known only with the data."""
        return self.shape is not None and len(self.shape) > 0 and self.shape[0] is None and self.ndim > 1

    def takes(self, value):
        """Tell, quickly, whether a value is an array that needs no cast."""
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

    def has_labels(self, value):
        """Tell, quickly, whether a value is an array of class labels that are integers, for a slot that holds such."""
        return (
            type(value) is np.ndarray
            and self.dtype.kind == "i"
            and value.dtype.kind in "iu"
            and value.ndim == self.ndim
            and self.format is None
            and not self.per_example
        )

    def fits(self, value):
        """Tell, quickly, whether a value is an array that needs no cast, and has the expected shape."""
        if not self.takes(value) or self.shape is None:
            return False
        found = value.shape[1:]
        return found == self.shape or self.is_sequence and found[0] > 0 and found[1:] == self.shape[1:]

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
    """Turn any kind of array into a numpy array or a scipy matrix."""
    if isinstance(value, theano.compile.SharedVariable):
        value = value.get_value()
    if scipy.sparse.issparse(value):
        return value
    _refuse_masked(value, slot)
    columns = getattr(value, "columns", None)
    _refuse_missing(value, slot, columns)
    try:
        value = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except ValueError as error:
        sequences = ", or a list of sequences" if slot.is_sequence else ""
        raise util.DataError(
            f"array {slot.name!r}: rows of different lengths do not make an array, expected "
            f"{slot.expectation()}{sequences}"
        ) from error
    except (TypeError, RuntimeError) as error:
        # raised by tensors of other libraries that are on a device, or take part in a gradient.
        raise util.DataError(
            f"array {slot.name!r}, a {type(value).__name__}, cannot be turned into a numpy array: {error}"
        ) from error
    if value.dtype == object:
        value = _read_objects(value, slot, columns)
    if value.dtype.kind in "US":
        index = (0,) * value.ndim
        if value.size:
            raise _text_error(value[index], slot, index, value.ravel()[:100])
    if value.dtype.kind not in "biuf":
        raise util.DataError(f"array {slot.name!r} is of type {value.dtype}, expected numbers")
    return value


def _refuse_masked(value, slot):
    """Refuse masked arrays: numpy would take their masked values for data."""
    pieces = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(piece, np.ma.MaskedArray) and np.ma.is_masked(piece) for piece in pieces):
        raise util.DataError(
            f"array {slot.name!r} has masked values, and masks are not looked at: fill the array, as in y.filled(0). "
            "What does not count gets a weight of 0: make the model with weighted=True, and write "
            "train([x, y.filled(0), 1 - y.mask]), or for an autoencoder train([x.filled(0), 1 - x.mask])"
        )


def _is_missing(item):
    # pandas has a value of its own for this, and another one for times.
    return item is None or type(item).__name__ in ("NAType", "NaTType")


def _missing_error(item, slot, index, columns=None):
    fill = "drop these examples" if slot.holds_labels else "fill the gaps, or drop these examples"
    return util.DataError(f"array {slot.name!r} has a missing value, {item} {_place(index, columns)}; {fill}")


def _refuse_missing(value, slot, columns=None):
    """Refuse missing values of pandas, which would become NaN in an array; NaN itself is checked for later."""
    if not hasattr(value, "isna") or not hasattr(value, "iloc"):
        return
    for index in np.argwhere(value.isna().to_numpy()):
        item = value.iloc[tuple(map(int, index))]
        if _is_missing(item):
            raise _missing_error(item, slot, index, columns)


def _place(index, columns=None):
    """Say in words where in an array a value is."""
    if len(index) == 2:
        column = int(index[1]) if columns is None else columns[index[1]]
        return f"at row {int(index[0])}, column {column!r}"
    return f"at row {int(index[0])}" if len(index) == 1 else f"at index {tuple(map(int, index))}"


def _read_objects(value, slot, columns=None):
    """Turn an array of Python objects into one of numbers."""
    if value.ndim == 1 and value.size and _is_nested(value[0]):
        return _to_array(list(value), slot)
    for index, item in np.ndenumerate(value):
        if _is_missing(item):
            raise _missing_error(item, slot, index, columns)
        if isinstance(item, (str, bytes)):
            raise _text_error(item, slot, index, value.ravel()[:100], columns)
        if not isinstance(item, numbers.Number) and not hasattr(item, "__float__"):
            raise util.DataError(
                f"array {slot.name!r} holds a value that is no number, {_shorten(item)} {_place(index, columns)}"
            )
    try:
        if slot.holds_labels and all(isinstance(item, (numbers.Integral, np.bool_)) for item in value.flat):
            return value.astype("int64")
        return value.astype(float)
    except (TypeError, ValueError, OverflowError) as error:
        raise util.DataError(f"array {slot.name!r} holds values that are not numbers: {error}") from error


def _is_nested(value):
    """Tell whether an element of an array is itself a row, or a sequence."""
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes, collections.abc.Mapping))


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text_error(item, slot, index, some, columns=None):
    """Make an error for text in the place of numbers."""
    name = "y" if slot.is_target else "x"
    if all(isinstance(text, (str, bytes)) and _is_number(text) for text in some):
        advice = f"write {name}.astype({'int' if slot.holds_labels else 'float'})"
    elif slot.holds_labels:
        advice = (
            "number the classes, as in classes, y = np.unique(y, return_inverse=True), or let "
            "theanets.estimators.NetworkClassifier do it"
        )
    else:
        advice = "make numbers of it, for instance by pandas.get_dummies for categories"
    return util.DataError(
        f"array {slot.name!r} holds text, {_shorten(item)} {_place(index, columns)}, expected numbers; {advice}"
    )


def _shorten(item):
    # numpy shows scalars of its own with their types.
    kind = next((kind for kind in (str, bytes) if isinstance(item, kind)), None)
    text = repr(item if kind is None else kind(item))
    return text if len(text) <= 40 else f"{text[:37]}..."


def _fit_dimensions(value, slot):
    """Add an axis where it can only have been left out for convenience, and refuse other mismatches."""
    if value.ndim == slot.ndim - 1 and slot.shape is not None and slot.shape[-1:] == (1,):
        # a column was given as a vector.
        return value.reshape(value.shape + (1,))
    if slot.per_example and 0 < value.ndim < slot.ndim:
        # one weight for each example, or for each step; spread over the rest of the target later.
        value = value.reshape(value.shape + (1,) * (slot.ndim - value.ndim))
    if value.ndim != slot.ndim:
        single = "; write x[None] for a single example" if value.shape == slot.shape and value.ndim else ""
        if slot.is_target and slot.is_sequence and value.ndim == slot.ndim - 1:
            single = (
                "; for one target per sequence, rather than per step, put a layer of the form 'last', 'mean', 'max' or "
                "'attention' before the last layer, as in [20, (32, 'gru'), 'last', 5]"
            )
        raise util.DataError(
            f"array {slot.name!r} has {value.ndim} dimension{'s' * (value.ndim != 1)} (shape {value.shape}), "
            f"expected {slot.expectation()}{single}"
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


def _read_labels(value, slot):
    """Return class labels as integers; they may come as a column, and as whole numbers of any type."""
    if slot.is_target and value.ndim == slot.ndim + 1 and value.shape[-1] == 1:
        value = value[..., 0]
    if value.ndim == slot.ndim + 1:
        _refuse_vectors(value, slot)
    value = _fit_dimensions(value, slot)
    count = slot.num_classes
    expected = "integers" if count is None else f"integers from 0 to {count - 1}"
    if value.dtype.kind == "f":
        is_whole = np.isfinite(value) & (value == np.floor(value)) & (abs(value) < 2.0**62)
        if not is_whole.all():
            index = np.unravel_index(np.argmin(is_whole), value.shape)
            missing = "; drop examples whose label is missing" if np.isnan(value[index]) else ""
            raise util.DataError(
                f"array {slot.name!r} holds {value[index]} {_place(index)}, but class labels must be {expected}"
                f"{missing}"
            )
        value = value.astype("int64")
    if count is not None and value.size:
        low, high = value.min(), value.max()
        if low < 0 or high >= count:
            wrong = low if low < 0 else high
            index = np.unravel_index(np.argmax(value == wrong), value.shape)
            shift = "; the first class is 0: write y - 1" if low == 1 and high == count else ""
            raise util.DataError(
                f"array {slot.name!r} holds the class label {wrong} {_place(index)}, "
                f"expected labels from 0 to {count - 1}{shift}"
            )
    return value


def _refuse_vectors(value, slot):
    """Refuse a vector for each label, be it one-hot or of probabilities."""
    is_one_hot = bool(np.isin(value, (0, 1)).all() and (value.sum(axis=-1) == 1).all())
    if value.size and (is_one_hot or slot.num_classes in (None, value.shape[-1])):
        raise util.DataError(
            f"array {slot.name!r} has {value.ndim} dimensions (shape {value.shape}), expected one class label for each "
            f"{'step' if slot.is_sequence else 'example'}, not {'a one-hot vector' if is_one_hot else 'a vector'}: "
            f"write np.argmax({'y' if slot.is_target else 'x'}, axis={value.ndim - 1})"
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
    if slot.has_labels(value):
        value = _read_labels(value, slot)
        _check_shape(value, slot, axis)
        return _required(value, slot)
    value = _unpack(value)
    if _is_list_of_sequences(value, slot) and len({len(item) for item in value}) > 1:
        value = _pad(_cast_each(value, slot.of_step()))
    value = _to_array(value, slot)
    if slot.holds_labels:
        value = value.toarray() if scipy.sparse.issparse(value) else value
        value = _read_labels(value, slot)
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
    return _required(value, slot)


def _required(value, slot):
    # Theano refuses arrays that are not aligned in memory, and copies batches of broadcast ones again and again.
    if value.dtype == slot.dtype and value.flags.aligned and 0 not in value.strides:
        return value
    return np.require(value, slot.dtype, ["A", "C"] if 0 in value.strides else ["A"])


def numbers_of(array):
    """Return an array, or the numbers that a scipy matrix holds beside its zeros."""
    # a NumPy array first, which is recognized at once.
    return array.data if type(array) is not np.ndarray and scipy.sparse.issparse(array) else array


def is_finite(array):
    """Tell whether all numbers of an array or of a scipy matrix are finite; integers always are.

    It runs before each prediction, so it has to be quick. A sum of squares takes no memory, and a small part of the
    time of testing each number. Only if the sum is not finite, each number is tested.
    """
    numbers = numbers_of(array)
    if numbers.dtype.kind != "f":
        return True
    flags = numbers.flags
    # vdot() takes arrays of any rank, and copies those that do not lie in the order of C.
    if flags.c_contiguous and math.isfinite(np.vdot(numbers, numbers)):
        return True
    if flags.f_contiguous:
        flat = numbers.ravel("K")
        if math.isfinite(np.vdot(flat, flat)):
            return True
    return bool(np.isfinite(numbers).all())


def check_finite(value, slot):
    """Refuse an array, which has been cast, with values that are not finite.

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
    """Refuse an array that is useless as training data: empty, not finite, or with weights that are all zero.

    Raises
    ------
    DataError
        If the array is empty, or holds values that are not finite or out of bounds, or weights that are all zero.
    """
    if 0 in value.shape:
        raise util.DataError(f"array {slot.name!r} of shape {value.shape} is empty, expected {slot.expectation()}")
    check_finite(value, slot)
    if slot.bounds is not None:
        (low, high), least, most = slot.bounds, value.min(), value.max()
        if not low <= least <= most <= high:
            raise util.DataError(
                f"array {slot.name!r} has values from {least:g} to {most:g}, expected values "
                + (f"of at least {low:g}" if high == np.inf else f"from {low:g} to {high:g}")
            )
    if slot.per_example and not value.any():
        raise util.DataError(
            f"array {slot.name!r} of shape {value.shape} holds weights that are all 0, so that nothing would count; "
            "expected some that are positive"
        )


class CountError(util.DataError):
    """The number of arrays is not the number of slots."""


def _name_list(slots):
    return ", ".join(slot.name for slot in slots) or "none"


def _as_list(arrays, slots, surplus=False):
    """Return a list with one entry for each slot."""
    names = [slot.name for slot in slots]
    if isinstance(arrays, collections.abc.Mapping):
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
        return [_unpack(arrays[name]) for name in names]
    arrays = _unpack(arrays)
    if isinstance(arrays, (list, tuple)):
        arrays = [_unpack(array) for array in arrays]
    if not isinstance(arrays, list) or len(slots) == 1 and _is_the_array(arrays, slots[0]):
        arrays = [arrays]
    elif surplus:
        arrays = arrays[: len(slots)]
    if len(arrays) != len(slots):
        raise CountError(
            f"expected {len(slots)} array{'s' * (len(slots) != 1)} ({_name_list(slots)}), found {len(arrays)}"
        )
    return arrays


def split_example(item, slots, surplus=False):
    """Return the parts of an item of a dataset if it is one example, rather than a batch of them.

    Parameters
    ----------
    item : array-like, list, tuple or dict
        One value for each slot, in their order or by their names.
    slots : list of Slot
        What is expected of a batch.
    surplus : bool, optional
        Whether there may be more values than slots.

    Returns
    -------
    values : list or None
        One value for each slot; None if the item is no example.
    """
    try:
        values = _parts(item, slots, surplus)
    except util.DataError:
        return None
    return values if all(_is_example(value, slot) for value, slot in zip(values, slots)) else None


def _parts(item, slots, surplus):
    """Return the parts of an example as a list."""
    if len(slots) == 1:
        # the value itself, or the only one of a list.
        alone = item[0] if isinstance(item, (list, tuple)) and len(item) == 1 else item
        if _is_example(alone, slots[0]):
            return [alone]
    return _as_list(item, slots, surplus)


def check_example(item, slots, surplus=False):
    """Refuse an item whose first part fits as one example, while other parts do not."""
    values = _parts(item, slots, surplus)
    if values and _is_example(values[0], slots[0]):
        cast_all([np.asarray(value)[None] for value in values], slots)


def stack_examples(examples, slots):
    """Make arrays, or lists of sequences, of examples that :func:`split_example` has returned."""
    columns = [[np.asarray(value) for value in column] for column in zip(*examples)]
    return [
        column if slot.is_sequence or len({value.shape for value in column}) > 1 else np.stack(column)
        for column, slot in zip(columns, slots)
    ]


def _unpack(value):
    """Return rows or sequences that are the elements of an array, or of a column of a table, as a list."""
    if getattr(getattr(value, "dtype", None), "kind", "") == "O" and np.ndim(value) == 1 and len(value):
        elements = np.asarray(value)
        return list(elements) if _is_nested(elements[0]) else value
    return value


def _is_the_array(arrays, slot):
    """Tell whether a list is itself the array, of rows or of sequences, rather than a list that holds the array."""
    depth = count_axes(arrays)
    if depth == slot.ndim:
        is_known = slot.shape is not None and len(slot.shape) == slot.ndim - 1
        return len(arrays) != 1 or is_known and _is_example(arrays[0], slot)
    return depth == slot.ndim - 1 and _is_list_of_sequences(arrays, slot)


def _is_example(value, slot):
    """Tell whether a value may be one example for a slot, rather than the array of all examples."""
    lengths = []
    while isinstance(value, (list, tuple)) and value:
        lengths.append(len(value))
        value = value[0]
    shape = (*lengths, *np.shape(value))
    if slot.shape is None or len(slot.shape) != slot.ndim - 1:
        return len(shape) == slot.ndim - 1
    fits = len(shape) == len(slot.shape) and all(b in (a, None) for a, b in zip(shape, slot.shape))
    # the only unit may be left out.
    return fits or slot.shape[-1:] == (1,) and len(shape) == len(slot.shape) - 1


def count_axes(value):
    """Return the number of dimensions of an array, or of nested lists, by their first elements."""
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
            # lengths that are known only from the data.
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
    """Tell whether a value is a list of arrays that each have one dimension less than the slot.

    A series of numbers stands for a sequence with one variable, labels may come as columns, and weights may be one
    number for each step.
    """
    if not slot.is_sequence or not isinstance(value, (list, tuple)) or not value:
        return False
    depths = {count_axes(item) if hasattr(item, "__len__") else 0 for item in value}
    is_series = slot.ndim > 2 and slot.shape[-1] == 1 and depths == {slot.ndim - 2}
    has_columns = slot.is_target and slot.holds_labels and depths == {slot.ndim}
    per_step = slot.per_example and all(1 <= depth < slot.ndim for depth in depths)
    return depths == {slot.ndim - 1} or is_series or has_columns or per_step


def _cast_each(sequences, step):
    """Cast the sequences of a list."""
    result = []
    for i, sequence in enumerate(sequences):
        try:
            result.append(cast(sequence, step))
        except util.DataError as error:
            raise util.DataError(f"sequence {i}: {error}") from error
    return result


def is_per_sequence(value):
    """Tell whether a value that stands for weights has one of them for each sequence, rather than for each step."""
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.ndim == 1 or value.ndim > 1 and value.shape[1] == 1
    if not isinstance(value, (list, tuple, np.ndarray)):
        return False
    return all(not count_axes(item) or len(item) == 1 for item in value)


def _pad(sequences):
    """Stack sequences, padding shorter ones with zeros."""
    longest = max(map(len, sequences))
    padded = np.zeros((len(sequences), longest, *sequences[0].shape[1:]), sequences[0].dtype)
    for row, sequence in zip(padded, sequences):
        row[: len(sequence)] = sequence
    return padded


def pad_steps(array, count):
    """Return sequences with so many steps of zeros behind them."""
    if not count:
        return array
    # faster than np.pad, which matters for small batches.
    steps = array.shape[1]
    padded = np.zeros((len(array), steps + count, *array.shape[2:]), array.dtype)
    padded[:, :steps] = array
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
    if isinstance(arrays, np.ndarray) and arrays.dtype != object:
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


def _lengths_at_once(value, slot):
    """Return the lengths of sequences that need no cast; True for an array that needs none; None for anything else."""
    if slot.fits(value) or slot.has_labels(value):
        return True
    if type(value) is not list or not slot.is_sequence or slot.per_example or slot.dtype.kind != "f":
        return None
    lengths, step, ndim, dtype = [], slot.shape[1:], slot.ndim - 1, slot.dtype
    for item in value:
        if type(item) is not np.ndarray or item.dtype != dtype or item.ndim != ndim or item.shape[1:] != step:
            return None
        if not len(item):
            return None
        lengths.append(item.shape[0])
    return lengths


def cast_batch(batch, slots, surplus=False):
    """Cast a batch; quickly if nothing has to be done, as a small network may compute it in microseconds.

    Parameters
    ----------
    batch, slots, surplus
        As for :func:`cast_all`.

    Returns
    -------
    arrays : list
    lengths : list of int or None
        The lengths of the sequences, see :func:`lengths_of`.
    """
    if type(batch) in (list, tuple) and len(batch) == len(slots):
        lengths = [_lengths_at_once(value, slot) for value, slot in zip(batch, slots)]
        if all(lengths) and len(set(map(len, batch))) == 1:
            known = {tuple(item) for item in lengths if item is not True}
            if not known:
                # labels are always looked at.
                return [cast(value, slot) if slot.holds_labels else value for value, slot in zip(batch, slots)], None
            if len(known) == 1 and all(item is not True or not slot.is_sequence for item, slot in zip(lengths, slots)):
                arrays = [
                    cast(value, slot) if item is True else _pad(value)
                    for value, slot, item in zip(batch, slots, lengths)
                ]
                return arrays, list(known.pop())
    return cast_all(batch, slots, surplus=surplus), lengths_of(batch, slots, surplus)


def cast_sequences(arrays, slots, check=True):
    """Cast the arrays for an evaluation of a network; some of them may be lists of sequences.

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
        # no warning of NumPy's: values that become infinite in the cast are refused below.
        with np.errstate(over="ignore"):
            values, lengths = cast_all(arrays, slots), lengths_of(arrays, slots)
    if check:
        for value, slot in zip(values, slots):
            check_finite(value, slot)
    return values, lengths


def make_mask(lengths):
    """Return an array (num-sequences, num-steps) of ones up to the length of each sequence, and zeros behind."""
    return (np.arange(max(lengths)) < np.asarray(lengths)[:, None]).astype(util.FLOAT)
