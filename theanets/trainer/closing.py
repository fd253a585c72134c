"""Training loops that are still open when Python ends."""

import atexit
import contextlib
import weakref

__all__ = ["closed_at_exit"]

_open = weakref.WeakSet()


def closed_at_exit(loop):
    """See that a generator is closed while everything that it needs to clean up still works.

    A script may leave an ``itertrain`` loop by ``break`` and come to its end with the generator in a variable. Closing
    it computes a last validation and restores the best parameters, which is too late when Python takes modules apart.

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
    """Come before the exit handlers that have been registered so far, as those of JAX: the last comes first."""
    atexit.unregister(_close_all)
    atexit.register(_close_all)


def _close_all():
    for loop in list(_open):
        with contextlib.suppress(Exception):
            loop.close()
