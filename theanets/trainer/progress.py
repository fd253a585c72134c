"""The progress bar of a training, in terminals and notebooks."""

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Mapping

import numpy as np

from .. import logs, util

__all__ = ["counted", "shown"]

#: Seconds after which a bar appears: quick work needs none.
DELAY = 1.0

#: Seconds between two pictures of a bar.
INTERVAL = 0.2

#: What there is after the last epoch.
END = object()


def _is_notebook():
    """Tell whether this runs in a notebook, by the class of IPython's shell in a Jupyter kernel."""
    shell = sys.modules.get("IPython")
    shell = shell.get_ipython() if shell is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def _is_watched():
    stream = sys.stderr
    return _is_notebook() or stream is not None and stream.isatty()


def _words(monitors, has_validation_data=True):
    """Return the monitors of an epoch as text for the bar; a user's trainer may yield anything in place of dicts."""
    train, valid = map(_numbers, monitors)
    shown = {name: f"{value:.4g}" for name, value in train.items() if name in ("loss", "acc")}
    if "loss" in valid:
        shown["valid" if has_validation_data else "evaluated"] = f"{valid['loss']:.4g}"
    others = [name for name in train if name not in ("loss", "acc", "err")]
    shown.update((name, f"{train[name]:.3g}") for name in others[:3])
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _numbers(monitors):
    """Return those monitors that are single numbers, as floats."""
    if not isinstance(monitors, Mapping):
        return {}
    return {
        name: float(value)
        for name, value in monitors.items()
        if np.ndim(value) == 0 and np.issubdtype(np.asarray(value).dtype, np.number)
    }


def shown(epochs, session, progress=None, total=None, level=None):
    """Pass epochs on, showing them in a bar, and with a level of the log for as long as they are at work.

    Parameters
    ----------
    epochs : generator of (dict, dict)
        The monitors of each epoch, as a trainer yields them.
    session : :class:`theanets.trainer.session.Session`
        Its history has a row for each of them, of which the monitors are shown: those on validation data where there
        has been a validation after the epoch. It may begin with the epochs of an earlier run that this one resumes.
    progress : bool, optional
        Whether to show a bar. Default: where the standard error is a terminal, or in a notebook.
    total : int, optional
        Number of epochs there will be at most.
    level : int, optional
        Level of the log while epochs are made. Default: that which it has.

    Returns
    -------
    epochs : generator
        The same, closed as the other one is.

    Raises
    ------
    ConfigurationError
        If ``progress`` is neither of True, False and None.
    """
    wanted = _is_wanted(progress)
    if level is not None:
        epochs = _at_level(epochs, level)
    return _with_bar(epochs, session, total, 0.0 if progress else DELAY) if wanted else epochs


def _is_wanted(progress):
    if progress not in (True, False, None):
        raise util.ConfigurationError(f"progress={progress!r}, expected True, False or None")
    return _is_watched() if progress is None else progress


def _at_level(epochs, level):
    """Pass epochs on, with a level of the log while they are made, and not while the caller has them."""
    try:
        while True:
            with logs.at(level):
                monitors = next(epochs, END)
            if monitors is END:
                return
            yield monitors
    finally:
        with logs.at(level):
            epochs.close()


def _with_bar(epochs, session, total, delay):
    history = session.history
    bar = session.bar = Bar(history, total, delay)
    try:
        while True:
            with logs.watched_by(bar.compiles):
                monitors = next(epochs, END)
            if monitors is END:
                return
            bar.epoch_ends(_words(history.figures(), session.history.has_validation_data))
            yield monitors
    finally:
        try:
            epochs.close()
        finally:
            # with the validation at the end.
            bar.close(_words(history.figures(), session.history.has_validation_data))


class Bar:
    """A progress bar of epochs, which moves within long ones, and says what is being done.

    A thread draws it, as the thread of the training is not heard of while it compiles, or computes a large batch.

    Parameters
    ----------
    history : :class:`theanets.history.History`
        Has a row for each epoch that is done.
    total : int or None
        Number of epochs there will be at most.
    delay : float
        Seconds after which the bar appears.
    """

    def __init__(self, history, total, delay):
        self.history = history
        self.delay = delay
        self.began = time.monotonic()
        # seconds that this training has compiled for so far, and the time when it began to, if it does so now.
        self.compiled, self.compiling_since = 0.0, None
        # the epochs of an earlier run, which do not count for the rate.
        self.earlier = None
        self.what, self.figures = "training", ""
        self.bar = _make_bar()(self.rate, total=total, unit="epoch", delay=delay, dynamic_ncols=True)
        self.beside, logs.ConsoleHandler.beside = logs.ConsoleHandler.beside, self.bar.external_write_mode
        self.is_over = threading.Event()
        self.drawer = threading.Thread(target=self._draw_regularly, name="progress bar", daemon=True)
        self.drawer.start()

    def does(self, what, done=0, count=None):
        """Show what is being done, and how many of the batches of an epoch are done: None for an unknown number."""
        self.what = what
        if self.earlier is None:
            self.earlier = self.bar.n = len(self.history)
        if done and count:
            # hundredths, as all the digits of a fraction would hide the number.
            self.bar.n = round(len(self.history) + min(done / count, 1), 2)
        elif done:
            self.what = f"{what}, batch {done}"

    def compiles(self, is_now):
        """Note that the training begins to compile, or that it is done with that."""
        now = time.monotonic()
        if is_now:
            self.compiling_since = now
        elif self.compiling_since is not None:
            self.compiled, self.compiling_since = self.compiled + now - self.compiling_since, None

    def rate(self):
        """Return how many epochs are done in a second, without the time for compiling."""
        now = time.monotonic()
        compiling = 0 if self.compiling_since is None else now - self.compiling_since
        seconds = now - self.began - self.compiled - compiling
        return (self.bar.n - (self.earlier or 0)) / seconds if seconds > 0 else 0.0

    def epoch_ends(self, figures):
        """Show that an epoch is done, with these figures."""
        self.figures, self.bar.n = figures, len(self.history)

    def close(self, figures):
        """Show the figures that training ends with, and leave the bar as it is."""
        self.is_over.set()
        self.drawer.join()
        self.epoch_ends(figures)
        self.what, self.compiling_since = "training", None
        logs.ConsoleHandler.beside = self.beside
        if hasattr(self.bar, "container"):
            # a notebook shows a bar that ends before its total in red, as if that were an error.
            self.bar.total = self.bar.n
        self._draw()
        self.bar.close()

    def _draw_regularly(self):
        while not self.is_over.wait(INTERVAL):
            self._draw()

    def _draw(self):
        if time.monotonic() < self.began + self.delay:
            return
        self.bar.set_description("compiling" if self.compiling_since is not None else self.what, refresh=False)
        self.bar.set_postfix_str(self.figures, refresh=False)
        # tells close() that the bar is to be seen.
        self.bar.last_print_t = time.time()
        self.bar.refresh()


@functools.cache
def _make_bar():
    """Return the class of tqdm's bars for a terminal or a notebook, with a rate that is measured elsewhere."""
    from tqdm.auto import tqdm

    class EpochBar(tqdm):
        def __init__(self, measure, **options):
            self.measure = None
            super().__init__(**options)
            self.measure = measure

        @property
        def format_dict(self):
            rate = self.measure() if self.measure is not None else 0.0
            return {**super().format_dict, "rate": rate}

    return EpochBar


class Counter:
    """A bar that counts what is done, or nothing if there is none.

    Parameters
    ----------
    bar : tqdm.tqdm or None
        The bar.
    """

    def __init__(self, bar):
        self.bar = bar

    def advance(self, words):
        """Count one more, and show some words beside the number."""
        if self.bar is not None:
            self.bar.set_postfix_str(words, refresh=False)
            self.bar.update(1)


@contextlib.contextmanager
def counted(what, unit, total, progress=None):
    """Context manager that shows a bar, and gives the :class:`Counter` that moves it.

    Parameters
    ----------
    what, unit : str
        What is going on, and what is counted.
    total : int
        How many there will be.
    progress : bool, optional
        As for :func:`shown`.
    """
    if not _is_wanted(progress):
        yield Counter(None)
        return
    from tqdm.auto import tqdm

    bar = tqdm(total=total, desc=what, unit=unit, delay=0.0 if progress else DELAY, dynamic_ncols=True)
    beside, logs.ConsoleHandler.beside = logs.ConsoleHandler.beside, bar.external_write_mode
    try:
        yield Counter(bar)
    finally:
        logs.ConsoleHandler.beside = beside
        bar.close()
