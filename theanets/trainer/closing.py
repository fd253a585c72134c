"""Closing of training loops that are still open when Python exits."""

import atexit
import contextlib
import weakref

__all__ = ["closed_at_exit"]

_open = weakref.WeakSet()


def closed_at_exit(loop):
    """Close a generator at the latest by an exit handler, before Python tears modules down.

    A script may leave an ``itertrain`` loop by ``break`` and come to its end with the generator in a variable. Closing
    it computes a last validation and restores the best parameters, which fails once modules are being torn down.

    Parameters
    ----------
    loop : generator
        A training loop.

    Returns
    -------
    loop : generator
        The same one.
    """
    _open.add(loop)
    return loop


def renew():
    """Register the exit handler again, so that it runs before those registered so far, such as JAX's: last in, first
    out."""
    atexit.unregister(_close_all)
    atexit.register(_close_all)


def _close_all():
    for loop in list(_open):
        with contextlib.suppress(Exception):
            loop.close()
