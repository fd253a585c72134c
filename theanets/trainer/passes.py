"""Passes over data: how the batches of an epoch reach a compiled function."""

import importlib
import time

import downhill
import numpy as np

from ..data import sources
from ..data.batches import MixedRows, Ordered
from .compiled import Loops

__all__ = ["Pass"]


def _by_xla(function):
    return getattr(getattr(function, "fn", None), "keeps_state_on_device", False)


class Pass:
    """Runs a function on all batches of a dataset, as often as asked.

    Arrays and SciPy's matrices are put on the device once, and the batches of an epoch run in one call of compiled
    code. Where that is not possible, batches run one by one.

    Parameters
    ----------
    function : theano function
        Its inputs are the arrays of a batch, its outputs are numbers.
    dataset : iterable of batches
        The data.
    loops : Loops, optional
        Where compiled loops are kept. Default: nowhere else.
    is_passing : bool, optional
        Whether the data may well not come again. Default False.
    """

    def __init__(self, function, dataset, loops=None, is_passing=False):
        self.function = function
        self.dataset = dataset
        self.loops = Loops() if loops is None else loops
        self.is_passing = is_passing
        self.axis = 0
        self.loop = self._make_loop()

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
        epochs = importlib.import_module("theanets.xla.epochs")
        self.axis = axes.pop()
        size = max(where[0][self.axis].stop - where[0][self.axis].start for where in inner._slices)
        is_mixed, arrays = isinstance(inner, MixedRows), inner._inputs

        def make():
            try:
                return epochs.FusedLoop(self.function, arrays, size, self.axis, is_mixed)
            except epochs.Unfusable:
                return None

        key = self.function, epochs.describe(arrays), size, self.axis, is_mixed
        try:
            return self.loops.get(key, make, lambda loop: loop.take(arrays), self.is_passing)
        except epochs.Unfusable:
            return None

    def _inner(self):
        return self.dataset.dataset if isinstance(self.dataset, Ordered) else self.dataset

    def run(self, deadline=None):
        """Make one pass.

        Parameters
        ----------
        deadline : float, optional
            Stop when ``time.monotonic()`` has reached this.

        Yields
        ------
        values : list of lists of numbers
            The outputs for each of some batches, at least one, which have been run together.
        """
        if self.loop is not None:
            yield from self._run_fused(deadline)
        elif _by_xla(self.function):
            yield from self._run_ahead()
        else:
            for batch in self.dataset:
                yield [self.function(*batch)]

    def _run_ahead(self):
        """Let the device compute for one batch while the next one is made."""
        program, pending = self.function.fn, None
        try:
            for batch in self.dataset:
                program.deferred = True
                try:
                    values = self.function(*batch)
                finally:
                    program.deferred = False
                if pending is not None:
                    yield [[np.asarray(value) for value in pending]]
                pending = values
        except sources.Exhausted:
            if pending is not None:
                yield [[np.asarray(value) for value in pending]]
            raise
        if pending is not None:
            yield [[np.asarray(value) for value in pending]]

    def _draw(self):
        """Draw the order of batches as the dataset does.

        Yields
        ------
        batches : list
            Indices of batches that can run together.
        order : ndarray or None
            How the rows are mixed for these; None if they are not.
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
        for batches, order in self._draw():
            yield from self._run_together(batches, order, deadline)

    def _run_together(self, batches, order, deadline):
        epochs = importlib.import_module("theanets.xla.epochs")
        starts = np.array([where[0][self.axis].start for where in batches])
        done = 0
        while done < len(starts):
            values = []
            if self.loop is not None:
                seconds = epochs.SECONDS
                if deadline is not None:
                    seconds = max(0.0, min(seconds, deadline - time.monotonic()))
                try:
                    values = self.loop.run(starts[done:], seconds, order)
                except epochs.Unfusable:
                    self.loops.give_up(self.loop)
                    self.loop = None
            # by itself: a batch that the loop has stopped at.
            if not values:
                values = [self.function(*self._take(batches[done], order))]
            yield values
            done += len(values)

    def _take(self, where, order):
        inner = self._inner()
        return [x[i] for x, i in zip(inner._inputs, where)] if order is None else inner.take(where, order)
