"""What the library says while it works.

Everything goes through the standard :mod:`logging` module: our own lines to the logger ``theanets``, those of the
optimizer package to the logger ``downhill``. A script that has not set up logging sees them on its standard output,
one readable line each; a program that has gets them through its own handlers instead. :func:`set_log` chooses how much
is said:

>>> set_log("warning")  # nothing but warnings
>>> set_log("info")  # the default
"""

import contextlib
import logging
import os
import threading

import click

__all__ = ["log", "set_log", "enable_detailed_callsite_logging"]

#: Names of the loggers: our own, and that of the optimizers.
NAMES = ("theanets", "downhill")

LOGGER = logging.getLogger(NAMES[0])

#: Names of the levels that :func:`set_log` knows, from the most lines to the fewest.
LEVELS = ("debug", "info", "warning", "error", "critical")

PLAIN = "%(asctime)s {name}: %(message)s"
DETAILED = "%(asctime)s {name} %(module)s:%(lineno)d: %(message)s"

#: Attribute of records that a progress bar shows as well, such as the losses of an epoch.
SHOWN = "is_shown_by_bars"


class ConsoleHandler(logging.Handler):
    """Print records on the standard output of the moment, unless the program has handlers of its own.

    While a progress bar shows the figures of epochs, their lines are left out, except at level DEBUG.
    """

    #: Makes a context in which lines may be written while a bar shows the progress; None if there is no bar.
    beside = None

    #: Whether only warnings and errors are printed, as in all processes but the first of a distributed training.
    is_quiet = False

    def emit(self, record):
        if logging.getLogger().handlers or self.is_quiet and record.levelno < logging.WARNING:
            return
        beside = type(self).beside
        if beside and getattr(record, SHOWN, False) and not LOGGER.isEnabledFor(logging.DEBUG):
            return
        with beside() if beside else contextlib.nullcontext():
            click.echo(self.format(record))

    def set_layout(self, layout, name):
        """Use one of the two line formats above, with the logger's name in colour."""
        # click removes the colour again where the output is not a terminal.
        self.setFormatter(logging.Formatter(layout.format(name=click.style(name, fg="cyan")), "%Y-%m-%d %H:%M:%S"))


def _attach(name):
    logger = logging.getLogger(name)
    if not any(isinstance(handler, ConsoleHandler) for handler in logger.handlers):
        handler = ConsoleHandler()
        handler.set_layout(PLAIN, name)
        logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def install():
    """Give the loggers ``theanets`` and ``downhill`` a console handler, once."""
    for name in NAMES:
        _attach(name)


def _read(level, what):
    """Return a level as a number."""
    if isinstance(level, str) and level.lower() in LEVELS:
        return getattr(logging, level.upper())
    if isinstance(level, int) and not isinstance(level, bool) and level > 0:
        return level
    raise ValueError(f"{what}={level!r}, expected one of {', '.join(LEVELS)}, or a level of the module logging above 0")


def set_log(level: str | int) -> None:
    """Choose how much is logged, from now on and in this process.

    Parameters
    ----------
    level : str or int
        The least important lines that are still logged: ``'debug'`` (also all settings, and everything that is
        compiled), ``'info'`` (the default: a line when training begins, one for each epoch and each validation, one
        when it ends), ``'warning'``, ``'error'`` or ``'critical'``; or a level of the module :mod:`logging`. It is the
        level of the loggers ``theanets`` and ``downhill``.

    Raises
    ------
    ValueError
        If there is no such level.

    Examples
    --------
    >>> import theanets
    >>> theanets.set_log("warning")
    >>> theanets.log("nobody sees this")
    >>> theanets.set_log("info")
    """
    _levels.choose(_read(level, "level"))


class _Levels:
    """The levels that trainings of this moment ask for: the loggers have the most talkative of them.

    Loggers belong to the process. So the first one notes what level they have, and the last one restores it.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.wanted = []
        self.before = {}

    def choose(self, level):
        """Set the level of both loggers, for the time after all trainings that ask for another one."""
        with self.lock:
            self.before = dict.fromkeys(NAMES, level)
            self._set()

    @contextlib.contextmanager
    def at(self, level):
        """Context in which the loggers have a level, or a lower one that another thread has asked for."""
        with self.lock:
            if not self.wanted:
                self.before = {name: logging.getLogger(name).level for name in NAMES}
            self.wanted.append(level)
            self._set()
        try:
            yield
        finally:
            with self.lock:
                self.wanted.remove(level)
                self._set()

    def _set(self):
        for name, level in self.before.items():
            logging.getLogger(name).setLevel(min(self.wanted, default=level))

    def renew(self):
        """Make a lock for a forked process, which lacks the thread that may hold this one."""
        self.lock = threading.Lock()


_levels = _Levels()
at = _levels.at


def _begin_in_child():
    """Do without locks and bars of threads that a forked process does not have."""
    _levels.renew()
    ConsoleHandler.beside = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


def level_of(verbose):
    """Return the level of the log for an argument ``verbose``; None for that which :func:`set_log` has chosen.

    Parameters
    ----------
    verbose : bool, int, str or None
        False or 0 for nothing but warnings, True or 1 for the lines of level INFO, 2 for all; or the name of a level.
    """
    if verbose is None:
        return None
    if verbose in (0, 1, 2):
        return (logging.WARNING, logging.INFO, logging.DEBUG)[int(verbose)]
    return _read(verbose, "verbose") if isinstance(verbose, str) else _refuse(verbose)


def _refuse(verbose):
    raise ValueError(f"verbose={verbose!r}, expected True, False, 0, 1, 2 or one of {', '.join(LEVELS)}")


class _Work(threading.local):
    #: Called with True when this thread begins to compile, and with False when it is done; None if nobody watches.
    watcher = None
    depth = 0
    #: Whether the lines of :func:`log` are details at the moment.
    is_detail = False


_work = _Work()


@contextlib.contextmanager
def as_details():
    """Context in which this thread writes the lines of :func:`log` at level DEBUG."""
    before, _work.is_detail = _work.is_detail, True
    try:
        yield
    finally:
        _work.is_detail = before


@contextlib.contextmanager
def watched_by(watcher):
    """Context in which a function is told when this thread begins to compile (True), and when it is done (False)."""
    before, _work.watcher = _work.watcher, watcher
    try:
        yield
    finally:
        _work.watcher = before


@contextlib.contextmanager
def compiling():
    """Context for everything that compiles, so that a progress bar can say so."""
    watcher, is_outer = _work.watcher, not _work.depth
    _work.depth += 1
    if watcher is not None and is_outer:
        watcher(True)
    try:
        yield
    finally:
        _work.depth -= 1
        if watcher is not None and is_outer:
            watcher(False)


def enable_detailed_callsite_logging():
    """Add the module and the line that wrote it to each line on the console."""
    for name in NAMES:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, ConsoleHandler):
                handler.set_layout(DETAILED, name)


def log(msg, *args, **kwargs):
    """Write one line of level INFO to the logger ``theanets``.

    Parameters
    ----------
    msg : str
        The line, or a template for :meth:`str.format` if there are further arguments.
    *args, **kwargs
        What to fill into the template. Without any, ``msg`` is written as it is, braces included.
    """
    _write(logging.DEBUG if _work.is_detail else logging.INFO, msg, args, kwargs)


def detail(msg, *args, **kwargs):
    """Write one line of level DEBUG, for those who look for the cause of something; see :func:`log`."""
    _write(logging.DEBUG, msg, args, kwargs)


def _write(level, msg, args, kwargs):
    if LOGGER.isEnabledFor(level):
        text = str(msg).format(*args, **kwargs) if args or kwargs else str(msg)
        LOGGER.log(level, "%s", text, stacklevel=3)
