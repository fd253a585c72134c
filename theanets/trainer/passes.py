"""Passes over data: running a compiled function on the batches of an epoch, fused into loops where possible."""

import contextlib
import functools
import importlib
import math
import time

import downhill
import numpy as np

from .. import util
from ..data.batches import MixedRows, Ordered, filled_up, inner_dataset, spaced
from ..data.blocks import Blocks
from ..xla import processes, selection
from .compiled import Loops

__all__ = ["Pass"]

#: Maximum number of small batches, and of bytes, that are collected from an iterator and run in one call.
TOGETHER, BYTES = 64, 1 << 24

#: Maximum time in seconds for which small batches are collected.
COLLECTING = 0.1

#: A batch is small if the number of its examples (or steps of sequences), times the number of elements of the
#: function's shared variables, is no more than this: then it computes for about as long as a call takes.
SMALL = 1 << 24

#: Batches are collected only if they have had at most so many shapes so far, as each shape needs a compiled loop.
FEW_SHAPES = 4

#: Number of different shapes of batches at which there is a warning.
MANY_SHAPES = 10


def _by_xla(function):
    return getattr(getattr(function, "fn", None), "keeps_state_on_device", False)


class Pass:
    """Runs a function on all batches of a dataset, once for each call of :meth:`run`.

    Arrays and SciPy's matrices are put on the device once, and the batches of an epoch run in a compiled loop. If
    batches are made one by one, small ones are collected, and run in groups; large ones run asynchronously, so that the
    next batch is made while the device computes.

    Parameters
    ----------
    function : theano function
        Its inputs are the arrays of a batch, its outputs are numbers.
    dataset : iterable of batches
        The data.
    loops : Loops, optional
        Cache of compiled loops. Default: one that only this pass uses.
    is_passing : bool, optional
        Whether the data are one of many chunks, which may have different sizes; see :meth:`Loops.get`. Default False.
    follow : callable, optional
        Called before a batch is run, with the number of its sequences, and whether it is the first one of the pass; it
        is called once only for a loop, whose batches all have the same number of sequences. See
        :class:`theanets.trainer.run.Carrier`.
    weights : set of int, optional
        Positions of the arrays that hold weights, if rows of zero weight change no result. Data that lie on the device
        are then filled up with them, see :func:`theanets.data.batches.filled_up`. Default none: they would change it.
    plan : theanets.xla.sharding.Plan, optional
        The devices among which the examples of each batch are divided. Default: the default device.
    """

    def __init__(self, function, dataset, loops=None, is_passing=False, follow=None, weights=frozenset(), plan=None):
        self.function = function
        self.dataset = dataset
        self.loops = Loops() if loops is None else loops
        self.is_passing = is_passing
        self.follow = follow
        self.weights = weights
        self.plan = plan.for_parts() if plan is not None and self._makes_batches() else plan
        self.axis = 0
        # where rows that no batch takes have been added to the data, and how many.
        self.full = self.added = 0
        self.shapes = set()
        # whether batches of a form are small.
        self.forms = {}
        self.is_distributed = plan is not None and plan.is_distributed
        # a group that is due after some time would be of another size in each process.
        self.puts_together = _by_xla(function) and not self.is_distributed
        self.loop = self._make_loop()

    def _makes_batches(self):
        """Tell whether batches are made one by one, by each process its part; arrays are the same in all of them."""
        inner = inner_dataset(self.dataset)
        return inner is None or inner._callable is not None

    def _make_loop(self):
        if not _by_xla(self.function):
            return None
        inner = self._inner()
        is_known = type(inner) in (downhill.Dataset, MixedRows)
        if not is_known or inner._inputs is None or not inner._slices:
            return None
        axes = {i for where in inner._slices[0] for i, item in enumerate(where) if item != slice(None)}
        if len(axes) != 1:
            return None
        self.axis = axes.pop()
        sizes = {where[0][self.axis].stop - where[0][self.axis].start for where in inner._slices}
        if self.follow is not None and self.axis == 0 and len(sizes) > 1:
            # follow() raises an error for a batch with another number of sequences when it is its turn.
            return None
        arrays, size = inner._inputs, max(sizes)
        is_mixed = isinstance(inner, MixedRows)
        if self.axis == 0 and all(type(array) is np.ndarray for array in arrays):
            if self.weights:
                arrays = filled_up(arrays, size, self.weights)
            self.full = len(arrays[0]) // size * size
            arrays, self.added = spaced(arrays, size, is_mixed)
        return self._loop_over(arrays, size, self.axis, is_mixed)

    def _loop_over(self, arrays, size, axis=0, is_mixed=False):
        """Put data on the device, and return a compiled loop over them; None if that is not possible."""
        epochs = importlib.import_module("theanets.xla.epochs")

        def make():
            try:
                return epochs.FusedLoop(self.function, arrays, size, axis, is_mixed, plan)
            except epochs.Unfusable:
                return None

        plan = self._plan_for(arrays[0].shape[0] if axis else size)
        key = self.function, epochs.describe(arrays), size, axis, is_mixed, plan and plan.key
        try:
            return self.loops.get(key, make, lambda loop: loop.take(arrays), self.is_passing)
        except epochs.Unfusable:
            return None

    def _inner(self):
        return self.dataset.dataset if isinstance(self.dataset, Ordered) else self.dataset

    def compile_beside(self):
        """Compile the loop over all batches, if there is one, in a background thread."""
        inner = self._inner()
        if self.loop is not None and inner.iteration_size == len(inner._slices):
            self.loop.compile_beside(len(inner._slices), getattr(inner, "order", None) is not None)

    def run(self, deadline=None):
        """Make one pass.

        Parameters
        ----------
        deadline : float, optional
            Stop when ``time.monotonic()`` has reached this.

        Yields
        ------
        values : list of lists of numbers
            The outputs for each batch of a group (one or more) that has run in one call.
        """
        if self.loop is not None:
            yield from self._run_fused(deadline)
        elif _by_xla(self.function) and self._comes_in_chunks():
            yield from self._run_chunks(deadline)
        elif _by_xla(self.function):
            yield from self._run_as_they_come(deadline)
        else:
            for batch in self._followed():
                yield [self._call(batch)]

    def _followed(self):
        """Return an iterator of the batches, before each of which :attr:`follow` is called."""
        return iter(self.dataset) if self.follow is None else self._following()

    def _following(self):
        is_first = True
        for batch in self.dataset:
            self.follow(batch[0].shape[0], is_first)
            is_first = False
            yield batch

    # -- chunks of batches --------------------------------------------------------------------------------------------

    def _comes_in_chunks(self):
        return isinstance(self.dataset, Blocks) and self.follow is None and not self.is_distributed

    def _run_chunks(self, deadline):
        with contextlib.closing(self.dataset.chunks()) as chunks:
            for arrays, starts, order in chunks:
                loop = self._loop_over(arrays, self.dataset.size, is_mixed=order is not None)
                take = functools.partial(self._take_of, arrays, starts, order)
                yield from self._run_loop(loop, starts, take, deadline, order)

    def _take_of(self, arrays, starts, order, number):
        """Return a batch of a chunk by its number."""
        where = slice(starts[number], starts[number] + self.dataset.size)
        return [array[where if order is None else order[where]] for array in arrays]

    # -- batches from an iterator -------------------------------------------------------------------------------------

    def _run_as_they_come(self, deadline):
        batches, group, pending = self._followed(), None, None
        if self.is_distributed:
            batches = self._agreed(batches)
        while True:
            batch = error = None
            try:
                batch = next(batches, None)
            except Exception as raised:
                # raised again after all earlier batches have been run.
                error = raised
            form = None if batch is None else _form(batch)
            is_small = batch is not None and self._is_small(batch, form)
            if group is not None and not (is_small and group.form == form):
                yield from self._run_group(group, deadline)
                group = None
            started = None if batch is None or is_small else self._start(batch)
            if pending is not None:
                yield [[np.asarray(value) for value in pending]]
            pending = started
            if error is not None:
                raise error
            if batch is None:
                return
            if is_small:
                group = group or _Group(batch, form)
                group.add(batch)
                if group.is_due():
                    yield from self._run_group(group, deadline)
                    group = None

    def _agreed(self, batches):
        """Yield batches as long as all processes have one, of the same shape."""
        while True:
            batch = next(batches, None)
            shapes = None if batch is None else [list(array.shape) for array in batch]
            found = processes.together(shapes)
            if None in found:
                return
            if any(item != shapes for item in found):
                raise util.DataError(
                    f"the processes give batches of different shapes, {' and '.join(map(str, found))}; each has to "
                    "give a part of the same size"
                )
            yield batch

    def _is_small(self, batch, form):
        """Tell whether to run a batch in a group. This depends on shapes only, so that results are reproducible."""
        is_small = self.forms.get(form)
        if is_small is None:
            shapes = tuple([array.shape for array in batch])
            if shapes not in self.shapes:
                self.shapes.add(shapes)
                self._warn_of_shapes(shapes)
            is_small = len(self.shapes) <= FEW_SHAPES and self._computes_quickly(batch, shapes)
            if len(self.forms) < 2 * MANY_SHAPES:
                self.forms[form] = is_small
        return is_small and self.puts_together and len(self.shapes) <= FEW_SHAPES

    def _computes_quickly(self, batch, shapes):
        if not all(isinstance(array, np.ndarray) and array.ndim for array in batch) or len(set(map(len, batch))) != 1:
            return False
        steps = max(math.prod(shape[:-1] if len(shape) > 1 else shape) for shape in shapes)
        size = sum(getattr(cell[0], "size", 0) for cell, _ in self.function.fn.shared_cells)
        return 0 < steps * size <= SMALL

    def _warn_of_shapes(self, shapes):
        if len(self.shapes) == MANY_SHAPES:
            util.warn(
                f"batches have come in {MANY_SHAPES} different shapes so far, the last one with arrays of "
                f"{' and '.join(map(str, shapes))}; XLA compiles a program for each shape, which takes longer than to "
                "run it. Make batches of equal sizes, and pad sequences to a few lengths, or give them as lists of "
                "sequences, which are padded"
            )

    def _start(self, batch):
        """Run a batch asynchronously; return its values as arrays that may not have been computed yet."""
        program = self.function.fn
        program.deferred = True
        try:
            return self._call(batch)
        finally:
            program.deferred = False

    def words(self):
        """Say on which devices batches are run, as far as that is known before the first of them."""
        program = self.plan if self.loop is None else self.loop.program.code.plan
        return "no other ones, as it does not pay for this network" if program is None else program.words()

    def _plan_for(self, rows):
        """Return the plan for batches of so many examples; None for the default device."""
        return None if self.plan is None else self.plan.suited(self.function.fn, rows)

    def _call(self, batch):
        if self.plan is None:
            return self.function(*batch)
        with selection.within(self._plan_for(batch[0].shape[0])):
            return self.function(*batch)

    def _run_group(self, group, deadline):
        loop = self._loop_over(group.arrays, group.size)
        self.puts_together = loop is not None
        yield from self._run_loop(loop, np.arange(group.count) * group.size, group.batch, deadline)

    # -- batches of data on the device --------------------------------------------------------------------------------

    def _draw(self):
        """Generate the order of the batches of an epoch, as the dataset does.

        Yields
        ------
        batches : list
            Slices of batches that can run in one loop.
        order : ndarray or None
            The permutation of the rows for these batches; None if rows are not shuffled.
        """
        inner, batches = self._inner(), []
        missing = inner.iteration_size
        while missing > 0:
            found, order = inner._slices[inner._index :][:missing], getattr(inner, "order", None)
            batches += found
            missing -= len(found)
            inner._index += len(found)
            if inner._index >= len(inner._slices):
                if inner is self.dataset:
                    inner.shuffle()
                inner._index = 0
            if order is not None or missing == 0:
                yield batches, order
                batches = []

    def _run_fused(self, deadline):
        if self.follow is not None:
            inner = self._inner()
            # once is enough, as all batches have the same number of sequences.
            self.follow(inner._inputs[0][inner._slices[0][0]].shape[0], True)
        for batches, order in self._draw():
            starts = np.array([where[0][self.axis].start for where in batches])
            take = functools.partial(self._take, batches, order)
            if self.added:
                starts[starts >= self.full] += self.added
                order = self._spaced(order)
            if not (yield from self._run_loop(self.loop, starts, take, deadline, order)):
                self.loop = None

    def _spaced(self, order):
        """Return a permutation of the rows with the numbers of the added ones before the batch at the end."""
        if order is None:
            return None
        length = len(self._inner()._inputs[0])
        numbers = np.arange(len(order), length + self.added, dtype=order.dtype)
        own, added = numbers[: length - len(order)], numbers[length - len(order) :]
        order = np.concatenate([order, own])
        return np.concatenate([order[: self.full], added, order[self.full :]])

    def _run_loop(self, loop, starts, take, deadline, order=None):
        """Run batches of data on the device in a compiled loop, given their starts.

        A batch that the loop stops at is run by a call of the function: it raises the error, if there is one.

        Returns
        -------
        loop : FusedLoop or None
            The loop; None if it cannot run the function.
        """
        epochs = importlib.import_module("theanets.xla.epochs")
        done = 0
        while done < len(starts):
            values = []
            if loop is not None:
                seconds = epochs.SECONDS
                if deadline is not None:
                    seconds = max(0.0, min(seconds, deadline - time.monotonic()))
                try:
                    values = loop.run(starts[done:], seconds, order)
                except epochs.Unfusable:
                    self.loops.give_up(loop)
                    loop = None
            if not values:
                values = [self._call(take(done))]
            yield values
            done += len(values)
        return loop

    def _take(self, batches, order, number):
        """Return a batch by its number."""
        inner, where = self._inner(), batches[number]
        return [x[i] for x, i in zip(inner._inputs, where)] if order is None else inner.take(where, order)


def _form(batch):
    """Return what batches that run in one loop have in common."""
    return tuple([(type(array), array.shape, array.dtype) for array in batch])


class _Group:
    """A group of batches of one shape, collected in arrays, to be run in one loop.

    Parameters
    ----------
    batch : list of ndarray
        A batch, of which only the shapes and dtypes are used.
    form : tuple
        The form of the batches, as :func:`_form` returns it.
    """

    def __init__(self, batch, form):
        self.form = form
        self.size = len(batch[0])
        self.count = 0
        self.capacity = min(TOGETHER, max(1, BYTES // sum(array.nbytes for array in batch)))
        self.arrays = [np.zeros((self.capacity * self.size, *array.shape[1:]), array.dtype) for array in batch]
        self.ends = time.monotonic() + COLLECTING

    def add(self, batch):
        """Append a batch."""
        for array, found in zip(self.arrays, batch):
            array[self.count * self.size : (self.count + 1) * self.size] = found
        self.count += 1

    def batch(self, number):
        """Return a batch by its number."""
        return [array[number * self.size : (number + 1) * self.size] for array in self.arrays]

    def is_due(self):
        """Tell whether the group is full, or its time is up."""
        return self.count == self.capacity or time.monotonic() >= self.ends
