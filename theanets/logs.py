"""What the library says while it works.

Everything goes through the standard :mod:`logging` module: our own lines to the logger ``theanets``, those of the
optimizer package to the logger ``downhill``. A script that has not set up logging sees them on its standard output,
one readable line each; a program that has gets them through its own handlers instead. To silence both:

>>> import logging
>>> for name in ("theanets", "downhill"):
...     logging.getLogger(name).setLevel(logging.WARNING)
>>> for name in ("theanets", "downhill"):  # and to hear them again
...     logging.getLogger(name).setLevel(logging.INFO)
"""

import contextlib
import logging

import click

__all__ = ["log", "enable_detailed_callsite_logging"]

LOGGER = logging.getLogger("theanets")

PLAIN = "%(asctime)s {name}: %(message)s"
DETAILED = "%(asctime)s {name} %(module)s:%(lineno)d: %(message)s"


class ConsoleHandler(logging.Handler):
    """Print records on the standard output of the moment, unless the program has handlers of its own."""

    #: Makes a context in which lines may be written while a bar shows the progress; None if there is no bar.
    beside = None

    #: Whether only warnings and errors are printed, as in all processes but the first of a distributed training.
    is_quiet = False

    def emit(self, record):
        if logging.getLogger().handlers or self.is_quiet and record.levelno < logging.WARNING:
            return
        with type(self).beside() if type(self).beside else contextlib.nullcontext():
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
    for name in ("theanets", "downhill"):
        _attach(name)


def enable_detailed_callsite_logging():
    """Add the module and the line that wrote it to each line on the console."""
    for name in ("theanets", "downhill"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, ConsoleHandler):
                handler.set_layout(DETAILED, name)


def log(msg, *args, **kwargs):
    """Write one line to the logger ``theanets``.

    Parameters
    ----------
    msg : str
        The line, or a template for :meth:`str.format` if there are further arguments.
    *args, **kwargs
        What to fill into the template. Without any, ``msg`` is written as it is, braces included.
    """
    if LOGGER.isEnabledFor(logging.INFO):
        text = str(msg).format(*args, **kwargs) if args or kwargs else str(msg)
        LOGGER.info("%s", text, stacklevel=2)
