"""Sources of batches: they make datasets, iterables of batches, from the data that a user gives for training.

There are four kinds: arrays, which are cast and checked at once and then cut into batches, as are the examples of a
dataset with ``__len__`` and ``__getitem__``; callables and iterators, which make one batch at a time; iterables that
can be started again, such as loaders of other libraries and generator functions, where an epoch is one pass; and
datasets of downhill. All but the last may have sequences of different lengths. These are padded, and each batch then
has a mask as its last array.
"""

import collections.abc
import contextlib
import inspect
import itertools
from array import array as PlainArray

import downhill
import numpy as np
import scipy.sparse
import theano

from .. import util
from . import blocks
from .arrays import (
    CountError,
    cast_all,
    cast_batch,
    check,
    check_example,
    count_axes,
    lengths_of,
    make_mask,
    pad_steps,
    split_example,
    stack_examples,
)
from .batches import MixedRows, Ordered, Trimmed, padded_length, saves_by_trimming

__all__ = [
    "Exhausted",
    "ArraySource",
    "StreamSource",
    "PassSource",
    "DatasetSource",
    "build",
    "build_both",
    "check_shuffle",
]

#: Number of batches after which there is a warning that a pass may be endless.
MANY = 1000


class Exhausted(Exception):
    """Raised when an iterator of batches is exhausted."""


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
        Whether there may be more arrays than slots; those at the end are ignored.

    Raises
    ------
    DataError
        If the arrays cannot be used, or hold invalid values, such as NaN.
    """

    def __init__(self, arrays, slots, axis=0, surplus=False):
        self.slots = slots
        self.axis = axis
        # no warning of NumPy's: values that become infinite in the cast are refused by the check.
        with np.errstate(over="ignore"):
            self.arrays = cast_all(arrays, slots, axis, surplus)
        for array, slot in zip(self.arrays, slots):
            check(array, slot)
        self.lengths = lengths_of(arrays, slots, surplus)

    def is_ragged(self):
        """Tell whether there are sequences of different lengths."""
        return self.lengths is not None and len(set(self.lengths)) > 1

    def varies(self):
        """Tell whether the number of steps may differ between batches, although not within a batch."""
        return False

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
            are shuffled in each pass; False for slices in the order of the data. Default ``'batches'``.
        batch_size : int, optional
            Number of examples in a batch; 0 or less for all of them. Default 32.
        iteration_size : int, optional
            Number of batches in one pass. Default: all.
        rng : int, None or numpy.random.RandomState, optional
            Seed or generator for shuffling.

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
        if masked and self.lengths is not None and saves_by_trimming(self.lengths, batch_size, shuffle == "rows"):
            return Trimmed(dataset, self.slots)
        return dataset

    def _mask(self):
        if self.lengths is not None:
            return make_mask(self.lengths)
        steps = next(array.shape[1] for array, slot in zip(self.arrays, self.slots) if slot.is_sequence)
        return make_mask([steps] * len(self.arrays[0]))


def _prepare(batch, slots, surplus, masked):
    """Cast a batch, and append its mask if batches have one."""
    arrays, lengths = cast_batch(batch, slots, surplus)
    if masked:
        steps = next(array.shape[1] for array, slot in zip(arrays, slots) if slot.is_sequence)
        mask = make_mask(lengths or [steps] * len(arrays[0]))
        missing = padded_length(steps) - steps
        arrays = [pad_steps(array, missing) if slot.is_sequence else array for array, slot in zip(arrays, slots)]
        return [*arrays, pad_steps(mask, missing)]
    if _differ(lengths):
        raise util.DataError(
            "a batch holds sequences of different lengths, but the first one did not; make them all lists of "
            "sequences, of which the first has different lengths, or pad them"
        )
    return arrays


def _differ(lengths):
    return lengths is not None and len(set(lengths)) > 1


def _have_steps_of_their_own(first, second, slots, surplus):
    """Tell whether two batches differ in the number of steps of their sequences."""
    try:
        arrays = [cast_all(batch, slots, surplus=surplus) for batch in (first, second)]
    except util.DataError:
        # the error for a bad batch is raised when it is its turn.
        return False
    return any(a.shape[1] != b.shape[1] for slot, a, b in zip(slots, *arrays) if slot.is_sequence)


class StreamSource:
    """A callable or an iterator that makes one batch at a time.

    Parameters
    ----------
    make : callable or iterator
        Gives a list of arrays each time it is called, or asked for the next item. A callable that returns an iterator
        instead makes a pass each time, see :class:`PassSource`.
    slots : list of :class:`theanets.data.Slot`
        What is expected of the arrays.
    label : str, optional
        ``"train"`` or ``"valid"``, for messages.
    surplus : bool, optional
        Whether there may be more arrays than slots.
    """

    def __init__(self, make, slots, label="train", surplus=False):
        self.make = make
        self.slots = slots
        self.label = label
        self.surplus = surplus
        self.masked = False
        self.waiting = []
        self.passes = None

    def _next(self):
        if self.waiting:
            return self.waiting.pop(0)
        return self._new()

    def _new(self):
        try:
            return self.make() if callable(self.make) else next(self.make)
        except StopIteration:
            raise Exhausted from None

    def look(self):
        """Fetch the first batch in advance, to find out whether the callable makes batches or iterators of batches."""
        if self.waiting or self.passes is not None:
            return
        batch = self._next()
        if callable(self.make) and isinstance(batch, collections.abc.Iterator):
            self.passes = PassSource(self.make, self.slots, self.label, self.surplus)
        else:
            self.waiting.append(batch)

    def is_ragged(self):
        """Tell whether the first batch holds sequences of different lengths."""
        if not any(slot.is_sequence for slot in self.slots):
            return False
        try:
            self.look()
        except Exhausted:
            return False
        if self.passes is not None:
            return self.passes.is_ragged()
        return _differ(lengths_of(self.waiting[0], self.slots, self.surplus))

    def varies(self):
        """Tell whether the first two batches have different numbers of steps; both are kept for their turn."""
        if not any(slot.is_sequence for slot in self.slots):
            return False
        try:
            self.look()
            if self.passes is not None:
                return self.passes.varies()
            if len(self.waiting) < 2:
                self.waiting.append(self._new())
        except Exhausted:
            return False
        return _have_steps_of_their_own(*self.waiting[:2], self.slots, self.surplus)

    def __call__(self):
        """Return the next batch, cast and checked."""
        batch = self._next()
        # lists first, as most batches are.
        if not isinstance(batch, (list, tuple)) and (
            batch is None or isinstance(batch, (str, bytes)) or np.isscalar(batch)
        ):
            raise util.DataError(
                f"{self.label} data: {_name(self.make)} has made {_words(batch)}, expected a list of arrays for a "
                f"batch: {_expectation(self.slots)}"
            )
        try:
            return _prepare(batch, self.slots, self.surplus, self.masked)
        except util.DataError as error:
            if split_example(batch, self.slots, self.surplus) is None:
                raise
            raise util.DataError(
                f"{self.label} data: {type(self.make).__name__} makes single examples, expected batches; write "
                f"{call_of(self.slots, self.label)}, or give a function that begins a new iterator"
            ) from error

    def dataset(self, name, masked=False, iteration_size=None, rng=None, **options):
        """Make a dataset; see :meth:`ArraySource.dataset`. The callable determines the order and size of batches."""
        self.masked = masked
        options = dict(options, masked=masked, iteration_size=iteration_size)
        if iteration_size is None and hasattr(self.make, "__len__"):
            iteration_size = len(self.make)
        return Stream(self, options, name=name, iteration_size=iteration_size, rng=rng)


class Stream(downhill.Dataset):
    """The dataset of a :class:`StreamSource`: the batches of a callable or an iterator.

    Parameters
    ----------
    source : StreamSource
        The source of the batches.
    options : dict
        Arguments for the dataset of a source that turns out to make passes.
    **kwargs
        See ``downhill.Dataset``.
    """

    def __init__(self, source, options, **kwargs):
        super().__init__(source, **kwargs)
        self.options = options
        self.passes = None

    def iterate(self, shuffle=True):
        """Iterate over the batches of an epoch."""
        if self.passes is None:
            # only here, as the callable must not be called before training begins.
            self._callable.look()
            if self._callable.passes is not None:
                self.passes = self._callable.passes.dataset(self.name, **self.options)
                self.iteration_size = self.passes.iteration_size
        yield from super().iterate(shuffle) if self.passes is None else self.passes


class PassSource:
    """An iterable that can be started again, and yields batches, or single examples, in each pass.

    Parameters
    ----------
    start : callable
        Begins a pass: returns an iterator.
    slots : list of :class:`theanets.data.Slot`
        What is expected of the arrays of a batch.
    label : str, optional
        ``"train"`` or ``"valid"``, for messages.
    surplus : bool, optional
        Whether there may be more arrays than slots.
    length : int, optional
        Number of items in a pass, if it is known.

    Raises
    ------
    DataError
        If the first item, which is looked at here, is neither a batch nor an example.
    """

    def __init__(self, start, slots, label="train", surplus=False, length=None):
        self.start = start
        self.slots = slots
        self.label = label
        self.surplus = surplus
        self.length = length
        self.batches = list(itertools.islice(start(), 2 if any(slot.is_sequence for slot in slots) else 1))
        first = self.batches[0] if self.batches else None
        if first is None:
            raise util.DataError(f"{label} data: there is no batch in {_name(start)}")
        self.holds_examples = split_example(first, slots, surplus) is not None
        self.lengths = None
        if not self.holds_examples:
            try:
                cast_all(first, slots, surplus=surplus)
                self.lengths = lengths_of(first, slots, surplus)
            except util.DataError as error:
                self._explain(first)
                raise util.DataError(f"{label} data, first batch: {error}") from error

    def _explain(self, first):
        """Raise an error about the first item, if it seems to be an example that does not fit."""
        try:
            check_example(first, self.slots, self.surplus)
        except CountError:
            return
        except util.DataError as error:
            raise util.DataError(f"{self.label} data, first example: {error}") from error

    def is_ragged(self):
        """Tell whether the first batch holds sequences of different lengths; examples that are sequences always may."""
        if self.holds_examples:
            return any(slot.is_sequence for slot in self.slots)
        return _differ(self.lengths)

    def varies(self):
        """Tell whether the first two batches have different numbers of steps."""
        found, self.batches = self.batches, []
        if self.holds_examples or len(found) < 2:
            return False
        return _have_steps_of_their_own(*found, self.slots, self.surplus)

    def items(self, batch_size):
        """Make a pass, yielding batches as they come, or batches of ``batch_size`` examples."""
        iterator = iter(self.start())
        if not self.holds_examples:
            yield from iterator
            return
        while examples := list(itertools.islice(iterator, batch_size if batch_size > 0 else None)):
            yield _stack(examples, self.slots, self.surplus)

    def dataset(self, name, masked=False, batch_size=32, iteration_size=None, **options):
        """Make a dataset; see :meth:`ArraySource.dataset`. The iterable determines the order of batches."""
        return Passes(self, name, masked, batch_size, iteration_size)


class Passes:
    """The dataset of a :class:`PassSource`: an iterable of the batches of an epoch.

    Parameters
    ----------
    source : PassSource
        The source of the batches.
    name : str
        Name of the dataset in logs.
    masked : bool
        Whether each batch has a mask as its last array.
    batch_size : int
        Number of examples in a batch, if the source does not make batches itself.
    iteration_size : int or None
        Number of batches in an epoch, which continues where the previous one has stopped. Default: a whole pass.
    """

    def __init__(self, source, name, masked, batch_size, iteration_size):
        self.source = source
        self.name = name
        self.masked = masked
        self.batch_size = batch_size
        self.iteration_size = iteration_size
        self.iterator = iter(())
        per_pass = "" if source.length is None else f", {source.length} in a pass"
        what = "examples" if source.holds_examples else "batches"
        util.detail(f"{name}: {what} from {_name(source.start)}{per_pass}")

    def __iter__(self):
        if self.iteration_size is None:
            return self._whole_pass()
        return (self._next() for _ in range(self.iteration_size))

    def _prepare(self, batch):
        return _prepare(batch, self.source.slots, self.source.surplus, self.masked)

    def _whole_pass(self):
        count = 0
        for count, batch in enumerate(self.source.items(self.batch_size), start=1):
            if count == MANY and self.source.length is None:
                util.warn(
                    f"{self.name} data: {MANY} batches, and no end so far; an epoch is a whole pass, so that data that "
                    f"never end need a number of batches, such as {self.name}_batches=100"
                )
            yield self._prepare(batch)
        if not count:
            raise util.DataError(f"{self.name} data: there is no batch in {_name(self.source.start)} any more")

    def _next(self):
        batch = next(self.iterator, None)
        if batch is None:
            self.iterator = iter(self.source.items(self.batch_size))
            batch = next(self.iterator, None)
        if batch is None:
            raise util.DataError(f"{self.name} data: there is no batch in {_name(self.source.start)} any more")
        return self._prepare(batch)


def _words(batch):
    """Describe, for messages, an object that was made instead of a batch."""
    return "None" if batch is None else f"a {type(batch).__name__}, {str(batch)[:40]!r}"


def _name(start):
    """Return the name, for messages, of an object that makes batches."""
    owner = getattr(start, "__self__", getattr(start, "func", start))
    return getattr(owner, "__name__", type(owner).__name__)


def _stack(items, slots, surplus):
    """Make arrays of single examples."""
    examples = [split_example(item, slots, surplus) for item in items]
    if None in examples:
        where = examples.index(None)
        raise util.DataError(f"example {where} does not fit: expected {_expectation(slots)}")
    try:
        return stack_examples(examples, slots)
    except (TypeError, RuntimeError) as error:
        # raised by tensors of other libraries that are on a device, or take part in a gradient.
        raise util.DataError(f"examples cannot be turned into numpy arrays: {error}") from error


def _expectation(slots):
    shapes = [f"{slot.name!r} of shape {'any' if slot.shape is None else slot.shape}" for slot in slots]
    return ", ".join(shapes)


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

    def varies(self):
        """Tell whether to expect batches of different numbers of steps; such batches cannot be padded here."""
        return False

    def __iter__(self):
        for batch in self.batches:
            yield cast_all(batch, self.slots, surplus=self.surplus)

    def dataset(self, name, masked=False, **kwargs):
        """Return the user's dataset itself."""
        if masked:
            raise util.DataError("sequences of different lengths and a downhill.Dataset do not go together")
        return self


def check_shuffle(source, shuffle):
    """Raise an error if the training data cannot be shuffled in this way.

    Parameters
    ----------
    source : ArraySource, StreamSource or DatasetSource
        The source of the training data.
    shuffle : str or bool
        One of :data:`theanets.data.batches.ORDERS`.

    Raises
    ------
    ConfigurationError
        If rows are to be shuffled, but the batch axis is not 0, or the data are made batch by batch; or if a dataset
        determines the order itself.
    """
    if shuffle == "batches":
        return
    if isinstance(source, DatasetSource):
        raise util.ConfigurationError(
            f"shuffle={shuffle!r}: the training data are a downhill.Dataset, which sees to the order of its batches "
            "itself; give the arrays that it was made of"
        )
    if shuffle == "rows" and not isinstance(source, (ArraySource, blocks.BlockSource)):
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


#: Types that count as arrays, or as collections of arrays, although they can be iterated over.
ARRAYS = (
    *(list, tuple, str, bytes, bytearray, range, memoryview, PlainArray),
    *(collections.abc.Mapping, theano.compile.SharedVariable),
)


def _is_iterable(value):
    """Tell whether data can be iterated over, or indexed, and is no array."""
    is_array = isinstance(value, ARRAYS) or scipy.sparse.issparse(value) or np.isscalar(value)
    if is_array or any(hasattr(value, name) for name in ("__array__", "__array_interface__", "to_numpy", "dtype")):
        return False
    return hasattr(value, "__iter__") or hasattr(value, "__getitem__") and hasattr(value, "__len__")


def _is_generator_function(value):
    # calling an instance runs ``__call__`` of its class.
    functions = value, inspect.getattr_static(type(value), "__call__", None)
    return any(map(inspect.isgeneratorfunction, functions))


def _length(value):
    try:
        return len(value)
    except (TypeError, ValueError, NotImplementedError):
        # a loader may have the method, but not know the answer.
        return None


class _Indexed:
    """Callable that starts passes over a collection of batches, which are accessed by index."""

    def __init__(self, batches):
        self.batches = batches

    @property
    def __name__(self):
        return type(self.batches).__name__

    def __call__(self):
        yield from map(self.batches.__getitem__, range(len(self.batches)))
        # Keras's sequences have this method, in which they may change their order.
        getattr(self.batches, "on_epoch_end", lambda: None)()


def _open(value, slots, label, axis, surplus):
    """Make a source of an iterable, or of a collection that can be indexed."""
    length = _length(value)
    if length == 0:
        raise util.DataError(f"{label} data: the {type(value).__name__} is empty")
    first = None
    if length is not None and hasattr(value, "__getitem__"):
        try:
            first = value[0]
        except (TypeError, KeyError, NotImplementedError):
            # such as a mapping with other keys than numbers.
            first = None
    if first is not None and split_example(first, slots, surplus) is not None:
        util.detail(f"{label}: reading {length} examples from {type(value).__name__}")
        arrays = _stack([value[i] for i in range(length)], slots, surplus)
        return ArraySource(arrays, slots, axis)
    if hasattr(value, "__iter__"):
        return PassSource(value.__iter__, slots, label, surplus, length)
    return PassSource(_Indexed(value), slots, label, surplus, length)


def build(value, slots, label, axis=0, surplus=False):
    """Make a source of the data that a user gives for training.

    Parameters
    ----------
    value : array, list, tuple or dict of arrays, callable, iterator, iterable, dataset or downhill.Dataset
        The data. A dataset with ``__len__`` and ``__getitem__`` whose items are examples is read at once.
    slots : list of :class:`theanets.data.Slot`
        What is expected of it.
    label : str
        ``"train"`` or ``"valid"``, for messages.
    axis : int, optional
        The axis of the batch.
    surplus : bool, optional
        Whether there may be more arrays than slots; those at the end are ignored.

    Returns
    -------
    source : ArraySource, BlockSource, StreamSource, PassSource or DatasetSource

    Raises
    ------
    DataError
        If the data cannot be used.
    """
    if isinstance(value, downhill.Dataset):
        return DatasetSource(value, slots, surplus)
    with _naming(slots, label):
        found = blocks.find(value, slots, label, surplus) if axis == 0 else None
    if found is not None:
        return found
    if isinstance(value, (list, tuple)) and any(_makes_batches(item) or _is_iterable(item) for item in value):
        if len(value) > 1:
            raise util.DataError(
                f"{label} data: expected one callable that returns all arrays of a batch, or one iterable of batches, "
                f"found a list of {len(value)}"
            )
        value = value[0]
    if isinstance(value, type):
        raise util.DataError(f"{label} data: {value.__name__} is a class, expected an object of it")
    if _is_generator_function(value):
        return PassSource(value, slots, label, surplus)
    if _makes_batches(value):
        return StreamSource(value, slots, label, surplus)
    with _naming(slots, label):
        if _is_iterable(value):
            return _open(value, slots, label, axis, surplus)
        return ArraySource(value, slots, axis, surplus)


@contextlib.contextmanager
def _naming(slots, label):
    """Context manager that adds to errors which data they are about."""
    try:
        yield
    except CountError as error:
        raise util.DataError(f"{label} data: {error}; write {call_of(slots, label)}") from error
    except util.DataError as error:
        message = str(error)
        raise util.DataError(message if message.startswith(label) else f"{label} data: {message}") from error


def build_both(train, valid, slots, axis=0, surplus=False):
    """Make sources of the data for training and for validation; see :func:`build`.

    Targets given as the second argument, as in other libraries, are recognized as they do not fit as validation data.

    Returns
    -------
    train, valid : source
        The same one twice if there are no data for validation.

    Raises
    ------
    DataError
        If the data cannot be used.
    """
    apart = "; the second argument is data to validate on, and targets go into one list with the inputs"
    try:
        source = build(train, slots, "train", axis, surplus)
    except util.DataError as error:
        # the message about the number of arrays shows the list already.
        is_count = isinstance(error.__cause__, CountError)
        if valid is None or not _is_bare(train) or not _is_bare(valid):
            raise
        raise util.DataError(f"{error}{apart if is_count else f'{apart}: write {call_of(slots)}'}") from error
    if valid is None:
        return source, source
    try:
        return source, build(valid, slots, "valid", axis, surplus)
    except util.DataError as error:
        if util.is_real(valid):
            raise util.DataError(
                f"valid={valid!r}, expected data to validate on; split the data yourself: "
                "train([x[:800], y[:800]], [x[800:], y[800:]])"
            ) from error
        if len(slots) == 1 and _is_bare(valid) and _count(valid) == _count(train):
            raise util.DataError(
                f"{error}; the second argument is data to validate on, and there are no targets here but the input: "
                f"write {call_of(slots)}"
            ) from error
        raise


def _is_bare(value):
    """Tell whether a value is a single array, or a list of one or of rows, rather than a list of several arrays."""
    if isinstance(value, (list, tuple)):
        return len(value) == 1 or bool(value) and all(count_axes(item) <= 1 for item in value[:3])
    return not callable(value) and not isinstance(value, (collections.abc.Mapping, collections.abc.Iterator))


def _count(value):
    """Return the number of examples in a single array."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    shape = getattr(value, "shape", None)
    return shape[0] if shape else _length(value) if shape is None else None


def call_of(slots, label="train"):
    """Return how the arrays for some slots are handed to ``train``, such as ``train([x, y])``."""
    names = {"target": "y", slots[0].name: "x"} if slots else {}
    arrays = ", ".join(names.get(slot.name, slot.name) for slot in slots)
    return f"train([{arrays}])" if label == "train" else f"{label}=[{arrays}]"
