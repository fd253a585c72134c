"""Passes over data: how the batches of an epoch reach a compiled function."""

import importlib
import time

import downhill
import numpy as np

from .. import sources

__all__ = ["Pass"]


def _by_xla(function):
    return getattr(getattr(function, "fn", None), "keeps_state_on_device", False)


class Pass:
    """Runs a function on all batches of a dataset, as often as asked.

    Arrays are put on the device once, and the batches of an epoch run in one call of compiled code. Where that is not
    possible, batches run one by one.

    Parameters
    ----------
    function : theano function
        Its inputs are the arrays of a batch, its outputs are numbers.
    dataset : iterable of batches
        The data.
    """

    def __init__(self, function, dataset):
        self.function = function
        self.dataset = dataset
        self.loop = self._make_loop()

    def _make_loop(self):
        if not _by_xla(self.function):
            return None
        inner = self._inner()
        if type(inner) is not downhill.Dataset or inner._inputs is None or not inner._slices:
            return None
        axes = {i for where in inner._slices[0] for i, item in enumerate(where) if item != slice(None)}
        if len(axes) != 1:
            return None
        epochs = importlib.import_module("theanets.xla.epochs")
        try:
            return epochs.FusedLoop(self.function, inner._inputs, axes.pop())
        except epochs.Unfusable:
            return None

    def _inner(self):
        return self.dataset.dataset if isinstance(self.dataset, sources.Ordered) else self.dataset

    def run(self, deadline=None):
        """Make one pass.

        Parameters
        ----------
        deadline : float, optional
            Stop when ``time.monotonic()`` has reached this.

        Yields
        ------
        values : list of numbers
            The outputs for one batch.
        """
        if self.loop is not None:
            yield from self._run_fused(deadline)
        elif _by_xla(self.function):
            yield from self._run_ahead()
        else:
            for batch in self.dataset:
                yield self.function(*batch)

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
                    yield [np.asarray(value) for value in pending]
                pending = values
        except sources.Exhausted:
            if pending is not None:
                yield [np.asarray(value) for value in pending]
            raise
        if pending is not None:
            yield [np.asarray(value) for value in pending]

    def _places(self):
        """Draw the order of batches as the dataset does; return where they begin, and their sizes."""
        inner, axis = self._inner(), self.loop.axis
        drawn = []
        while len(drawn) < inner.iteration_size:
            found = inner._slices[inner._index :][: inner.iteration_size - len(drawn)]
            drawn += found
            inner._index += len(found)
            if inner._index >= len(inner._slices):
                if inner is self.dataset:
                    inner.shuffle()
                inner._index = 0
        items = [where[0][axis] for where in drawn]
        starts = np.array([item.start for item in items])
        return starts, np.array([item.stop for item in items]) - starts

    def _run_fused(self, deadline):
        epochs = importlib.import_module("theanets.xla.epochs")
        starts, sizes = self._places()
        # the batch at the end of the data may be smaller than the others, and comes anywhere.
        usual = sizes.max()
        others = [*np.flatnonzero(sizes != usual), len(sizes)]
        done = 0
        while done < len(starts):
            following = starts[done : next(other for other in others if other >= done)]
            values = []
            if len(following) and self.loop is not None:
                seconds = epochs.SECONDS
                if deadline is not None:
                    seconds = max(0.0, min(seconds, deadline - time.monotonic()))
                try:
                    values = self.loop.run(following, int(usual), seconds)
                except epochs.Unfusable:
                    self.loop = None
            # by itself: a smaller batch, and one that the loop has stopped at.
            if not len(values):
                values = [self.function(*self._batch(int(starts[done]), int(sizes[done])))]
            yield from values
            done += len(values)

    def _batch(self, start, size):
        axis = next(i for i, item in enumerate(self._inner()._slices[0][0]) if item != slice(None))
        where = (slice(None),) * axis + (slice(start, start + size),)
        return [np.asarray(array)[where] for array in self._inner()._inputs]
