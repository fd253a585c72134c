"""Translations of indexing and slicing: Ops that take, set, or increment parts of arrays."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from theano.gof import Constant, Type
from theano.tensor import basic, extra_ops, subtensor
from theano.tensor.type_other import MakeSlice

from ..registry import translates
from ..steps import sliced
from ..tracing import Dynamic, TranslationError, guard, is_known, known, known_by, recall, remember
from .elementwise import cast_array

#: Mode of JAX's indexing without bounds checks, for indices that :func:`in_range` has checked.
CHECKED = "promise_in_bounds"


def in_range(index, length):
    """Return indices with negative ones counted from the end; raise, or guard, if some are out of bounds."""
    if is_known(index):
        index = np.asarray(index)
        if index.size and (index.min() < -length or index.max() >= length):
            raise IndexError(f"index {index} is out of bounds for a dimension of length {length}")
        return np.where(index < 0, index + length, index).astype("int64")
    index = index.astype("int64" if index.dtype.itemsize > 4 or index.dtype == "uint32" else "int32")
    guard((index >= -length) & (index < length))
    return jnp.where(index < 0, index + length, index)


def _entries(op, values):
    """Fill values into the index of a Subtensor: a list of integers (or tracers) and of slices."""
    values = iter(values)

    def fill(entry):
        if isinstance(entry, Type):
            entry = next(values)
        return int(entry) if entry is not None and is_known(entry) else entry

    return [
        slice(*map(fill, (entry.start, entry.stop, entry.step))) if isinstance(entry, slice) else fill(entry)
        for entry in op.idx_list
    ]


def _is_static(entry):
    parts = (entry.start, entry.stop, entry.step) if isinstance(entry, slice) else (entry,)
    return all(map(is_known, parts))


def _start(entry, step, length):
    """Return where a slice with a traced start begins, clipped as in Python."""
    start = entry.start
    if start is None:
        return 0 if step > 0 else length - 1
    lowest, highest = (0, length) if step > 0 else (-1, length - 1)
    start = jnp.asarray(start)
    return jnp.clip(jnp.where(start < 0, start + length, start), lowest, highest)


def _window(node, x, entries):
    """Split an index with traced entries into a window, for ``lax.dynamic_slice``, and a static index into it.

    Returns
    -------
    window : dict of int to pair
        The start (traced) and the length (static) of the window by axis, for axes with traced entries.
    rest : list
        The static index into the window.
    """
    window, rest = {}, list(entries)
    for axis, entry in enumerate(entries):
        if _is_static(entry):
            continue
        length = x.shape[axis]
        if not isinstance(entry, slice):
            window[axis] = in_range(entry, length), 1
            rest[axis] = 0
            continue
        step = 1 if entry.step is None else int(known(entry.step))
        count = known_by(
            (node, "length", axis), [entry.start, entry.stop], functools.partial(_count, step=step, length=length)
        )
        start, span = _start(entry, step, length), max((count - 1) * abs(step) + 1, 0) if count else 0
        window[axis] = (start if step > 0 else start - span + 1), span
        rest[axis] = slice(None, None, step) if count else slice(0, 0)
    return window, rest


def _count(start, stop, step, length):
    """Return the number of elements that a slice takes from a dimension."""
    return len(range(*slice(_int(start), _int(stop), step).indices(length)))


def _int(value):
    return None if value is None else int(value)


def _starts(x, window):
    return [jnp.asarray(window.get(axis, (0, 0))[0]).astype("int64") for axis in range(x.ndim)]


def _take_window(x, window):
    sizes = [window[axis][1] if axis in window else length for axis, length in enumerate(x.shape)]
    return jax.lax.dynamic_slice(x, _starts(x, window), sizes) if window else x


def _check_static(x, entries):
    for entry, length in zip(entries, x.shape):
        if not isinstance(entry, slice) and is_known(entry) and not -length <= entry < length:
            raise IndexError(f"index {entry} is out of bounds for a dimension of length {length}")


@translates(subtensor.Subtensor)
def take(op, node, x, *index):
    x, entries = jnp.asarray(x), _entries(op, index)
    _check_static(x, entries)
    window, rest = _window(node, x, entries)
    result = _take_window(x, window)[tuple(rest)]
    if not window and len(entries) == 1 and isinstance(entries[0], slice):
        return sliced(x, result, entries[0])
    return result


@translates(subtensor.IncSubtensor)
def put(op, node, x, y, *index):
    parts = Parts.of(node.inputs[0], x)
    x, entries = jnp.asarray(x), _entries(op, index)
    _check_static(x, entries)
    window, rest = _window(node, x, entries)
    if window:
        part = _put_static(_take_window(x, window), rest, cast_array(y, x.dtype), op.set_instead_of_inc)
        return jax.lax.dynamic_update_slice(x, part, _starts(x, window))
    return _put_static(x, rest, cast_array(y, x.dtype), op.set_instead_of_inc, parts)


class Parts:
    """Annotation of an array of zeros that parts are written to side by side, as the gradients of slices are.

    When the parts cover the whole array, they are concatenated, which is faster than writing to it again and again.

    Parameters
    ----------
    parts : tuple of (axis, range, array)
        The parts, with the axis and the range that they were written to.
    """

    def __init__(self, parts=()):
        self.parts = parts

    @classmethod
    def of(cls, variable, value):
        """Return the parts of an array; none yet for an array of zeros; None for any other array."""
        parts = recall(value, Parts)
        if parts is not None:
            return parts
        owner = variable.owner
        if owner is not None and isinstance(owner.op, basic.AllocEmpty):
            # uninitialized memory may as well be zero.
            return cls()
        if owner is not None and isinstance(owner.op, basic.Alloc):
            variable = owner.inputs[0]
        is_zero = isinstance(variable, Constant) and not np.any(variable.data)
        return cls() if is_zero else None

    def put(self, x, ranges, y):
        """Return the array with one more part; None if it does not fit beside the others, and has to be written."""
        axes = [axis for axis, places in enumerate(ranges) if len(places) != x.shape[axis]]
        if len(axes) != 1:
            return None
        axis, places = axes[0], ranges[axes[0]]
        if any(a != axis or p.start < places.stop and places.start < p.stop for a, p, _ in self.parts):
            return None
        parts = sorted([*self.parts, (axis, places, y)], key=lambda part: part[1].start)
        if sum(len(p) for _, p, _ in parts) == x.shape[axis]:
            return jnp.concatenate([part for _, _, part in parts], axis)
        result = jax.lax.dynamic_update_slice(x, y, [p.start for p in ranges])
        return remember(result, Parts(parts))


def beginning(value, count):
    """Return the first entries of an array along its first axis, taken from the part written there, if there is one."""
    parts = recall(value, Parts)
    for axis, places, part in parts.parts if parts is not None else ():
        if axis == 0 and places.start == 0 and places.stop >= count:
            return part[:count]
    return jnp.asarray(value)[:count]


def _put_static(x, index, y, replace, parts=None):
    """Set, or increment, the elements of an array at a static index of integers and slices.

    Without the scatter that ``x.at`` makes, which is slow on a CPU. Moreover, a scatter that covers the whole array and
    is followed by a reversal makes XLA crash.
    """
    selected, ranges = [], []
    for axis, length in enumerate(x.shape):
        entry = index[axis] if axis < len(index) else slice(None)
        if isinstance(entry, slice):
            ranges.append(range(length)[entry])
            selected.append(len(ranges[-1]))
        else:
            ranges.append(range(range(length)[int(entry)], length)[:1])
    y = jnp.broadcast_to(y, selected).reshape([len(places) for places in ranges])
    if not y.size:
        return x
    y = jax.lax.rev(y, [axis for axis, places in enumerate(ranges) if places.step < 0])
    ranges = [places[::-1] if places.step < 0 else places for places in ranges]
    starts = [places.start for places in ranges]
    if all(places.step == 1 or len(places) == 1 for places in ranges):
        whole = parts and parts.put(x, [range(start, places[-1] + 1) for start, places in zip(starts, ranges)], y)
        if whole is not None:
            return whole
        if not replace:
            y = jax.lax.slice(x, starts, [places[-1] + 1 for places in ranges]) + y
        return y if y.shape == x.shape else jax.lax.dynamic_update_slice(x, y, starts)
    margins = [(places.start, length - 1 - places[-1], places.step - 1) for places, length in zip(ranges, x.shape)]
    spread = jax.lax.pad(y, np.zeros((), x.dtype), margins)
    chosen = np.ones((), bool)
    for axis, (places, length) in enumerate(zip(ranges, x.shape)):
        here = np.isin(np.arange(length), places).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        chosen = jnp.logical_and(chosen, here)
    return jnp.where(chosen, spread if replace else x + spread, x)


@translates(subtensor.AdvancedSubtensor1)
def take_rows(op, node, x, index):
    x = jnp.asarray(x)
    return x.at[in_range(index, x.shape[0])].get(mode=CHECKED)


@translates(subtensor.AdvancedIncSubtensor1)
def put_rows(op, node, x, y, index):
    x = jnp.asarray(x)
    index = in_range(index, x.shape[0])
    if y.ndim and y.shape[0] not in (1, index.shape[0]) or x.shape[1:] != y.shape[1:] and y.ndim == x.ndim:
        y = jnp.broadcast_to(y, index.shape + x.shape[1:])
    return _put(x, (index,), cast_array(y, x.dtype), op.set_instead_of_inc)


def _put(x, index, y, replace):
    if not replace:
        return x.at[index].add(y, mode=CHECKED)
    # with duplicate indices the last value must win, which XLA's scatter does not guarantee.
    places = jnp.arange(x.size, dtype="int32").reshape(x.shape).at[index].get(mode=CHECKED)
    y = jnp.broadcast_to(y, places.shape).ravel()
    if not y.size:
        return x
    last = jnp.full(x.size, -1, "int32").at[places.ravel()].max(jnp.arange(y.size, dtype="int32"))
    return jnp.where(last >= 0, y[last], x.ravel()).reshape(x.shape)


@translates(MakeSlice, on_host=False)
def make_slice(op, node, *values):
    return slice(*[value if value is None or not is_known(value) else int(value) for value in values])


def _advanced(x, index):
    """Return an advanced index as NumPy's, with integers checked, and masks replaced by the places that they select."""
    result, axis = [], 0
    for entry in index:
        if entry is None:
            result.append(None)
            continue
        if isinstance(entry, slice):
            if not _is_static(entry):
                raise TranslationError("a slice whose bounds are computed, beside indices that are arrays")
            result.append(slice(*map(_int, (entry.start, entry.stop, entry.step))))
            axis += 1
            continue
        if entry.dtype == bool:
            if not is_known(entry):
                raise Dynamic("the length of what a mask selects depends on data")
            if entry.shape != x.shape[axis : axis + entry.ndim]:
                raise IndexError(f"a mask of shape {entry.shape} for dimensions {x.shape[axis:]}")
            result.extend(np.nonzero(entry))
            axis += entry.ndim
            continue
        if axis >= x.ndim:
            raise IndexError("too many indices")
        result.append(in_range(entry, x.shape[axis]))
        axis += 1
    if axis > x.ndim:
        raise IndexError("too many indices")
    return tuple(result)


@translates(subtensor.BaseAdvancedSubtensor)
def take_advanced(op, node, x, *index):
    x = jnp.asarray(x)
    return x.at[_advanced(x, index)].get(mode=CHECKED)


@translates(subtensor.BaseAdvancedIncSubtensor)
def put_advanced(op, node, x, y, *index):
    x = jnp.asarray(x)
    return _put(x, _advanced(x, index), cast_array(y, x.dtype), op.set_instead_of_inc)


@translates(basic.Choose)
def choose(op, node, index, choices):
    if not hasattr(choices, "shape"):
        raise TranslationError("a choice from a list")
    choices = jnp.asarray(choices)
    count = choices.shape[0]
    if op.mode == "raise":
        guard((index >= 0) & (index < count))
    index = jnp.mod(index, count) if op.mode == "wrap" else jnp.clip(index, 0, count - 1)
    shape = np.broadcast_shapes(index.shape, choices.shape[1:])
    index, choices = jnp.broadcast_to(index, shape), jnp.broadcast_to(choices, (count, *shape))
    return jnp.take_along_axis(choices, index[None], axis=0)[0]


@translates(extra_ops.UnravelIndex, on_host=False)
def unravel_index(op, node, index, shape):
    shape = [int(length) for length in known(shape)]
    guard((index >= 0) & (index < int(np.prod(shape))))
    results = []
    for length in shape[::-1] if op.order == "C" else shape:
        results.append((index % length).astype("int64"))
        index = index // length
    return tuple(results[::-1] if op.order == "C" else results)


@translates(extra_ops.RavelMultiIndex)
def ravel_index(op, node, *values):
    *places, shape = values
    shape = [int(length) for length in known(shape)]
    result = jnp.zeros((), "int64")
    pairs = list(zip(places, shape))
    for place, length in pairs if op.order == "C" else pairs[::-1]:
        if op.mode == "raise":
            guard((place >= 0) & (place < length))
        place = jnp.mod(place, length) if op.mode == "wrap" else jnp.clip(place, 0, length - 1)
        result = result * length + place.astype("int64")
    return result
