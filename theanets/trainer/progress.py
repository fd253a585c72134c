"""The progress bar of a training, in terminals and notebooks."""

import contextlib
import sys
from collections.abc import Mapping

import numpy as np

from .. import logs, util

__all__ = ["counted", "shown"]

#: Seconds after which a bar appears: quick work needs none.
DELAY = 1.0


def _is_notebook():
    """Tell whether this runs in a notebook, by the class of IPython's shell in a Jupyter kernel."""
    shell = sys.modules.get("IPython")
    shell = shell.get_ipython() if shell is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def _is_watched():
    stream = sys.stderr
    return _is_notebook() or stream is not None and stream.isatty()


def _words(monitors):
    """Return the monitors of an epoch as text for the bar; a user's trainer may yield anything in place of dicts."""
    train, valid = map(_numbers, monitors)
    shown = {name: f"{value:.4g}" for name, value in train.items() if name in ("loss", "acc")}
    if "loss" in valid:
        shown["valid"] = f"{valid['loss']:.4g}"
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


def shown(epochs, history, progress=None, total=None):
    """Pass epochs on, showing them in a bar.

    Parameters
    ----------
    epochs : generator of (dict, dict)
        The monitors of each epoch, as a trainer yields them.
    history : :class:`theanets.history.History`
        Has a row for each of them, of which the monitors are shown: those on validation data where there has been a
        validation after the epoch. It may begin with the epochs of an earlier run that this one goes on from.
    progress : bool, optional
        Whether to show a bar. Default: where the standard error is a terminal, or in a notebook.
    total : int, optional
        Number of epochs there will be at most.

    Returns
    -------
    epochs : generator
        The same, closed as the other one is.

    Raises
    ------
    ConfigurationError
        If ``progress`` is neither of True, False and None.
    """
    if not _is_wanted(progress):
        return epochs
    return _with_bar(epochs, history, total, progress)


def _is_wanted(progress):
    if progress not in (True, False, None):
        raise util.ConfigurationError(f"progress={progress!r}, expected True, False or None")
    return _is_watched() if progress is None else progress


def _make(progress, **settings):
    """Make a bar, and let lines of the log be written beside it."""
    from tqdm.auto import tqdm

    bar = tqdm(delay=0.0 if progress else DELAY, dynamic_ncols=True, **settings)
    logs.ConsoleHandler.beside = tqdm.external_write_mode
    return bar


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
    bar = _make(progress, total=total, desc=what, unit=unit)
    try:
        yield Counter(bar)
    finally:
        logs.ConsoleHandler.beside = None
        bar.close()


def _with_bar(epochs, history, total, progress):
    bar = _make(progress, total=total, desc="training", unit="epoch")
    try:
        for monitors in epochs:
            bar.set_postfix_str(_words(history.figures()), refresh=False)
            bar.update(len(history) - bar.n)
            yield monitors
    finally:
        try:
            epochs.close()
        finally:
            # with the validation at the end.
            bar.set_postfix_str(_words(history.figures()), refresh=False)
            logs.ConsoleHandler.beside = None
            bar.close()
