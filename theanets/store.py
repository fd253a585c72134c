"""The store of compiled functions, which all networks of a process share.

Compiled functions depend on the structure of a network: its layers and their sizes, the losses, the kinds of
regularizers, the algorithm. A second network of the same structure uses the functions that were compiled for the first,
with its own parameters, data and optimizer state: no graph is built, differentiated, rewritten or compiled again. The
results are the same, to the last bit.

Entries hold neither parameters nor data. Their number is limited: the least recently used ones are evicted.
"""

import os
import threading
from collections import OrderedDict

from . import util

__all__ = ["FUNCTIONS", "TRAININGS", "Store", "clear", "is_on", "set_store"]

#: Environment variable that says whether there is a store: ``0`` for none.
VARIABLE = "THEANETS_STORE"


class _Choice:
    is_on: bool | None = None


class Store:
    """A thread-safe LRU cache: a dict of limited size that evicts the least recently used entry.

    Parameters
    ----------
    size : int
        The maximum number of entries.

    Examples
    --------
    >>> store = Store(2)
    >>> for key in "abac":
    ...     store.put(key, key.upper())
    >>> store.get("a"), store.get("b")
    ('A', None)
    """

    def __init__(self, size):
        self.size = size
        self.entries = OrderedDict()
        self.lock = util.anew_after_fork(threading.Lock())

    def get(self, key):
        """Return the value for a key; None if there is none."""
        with self.lock:
            if key not in self.entries:
                return None
            self.entries.move_to_end(key)
            return self.entries[key]

    def put(self, key, value):
        """Add or replace the value for a key."""
        with self.lock:
            self.entries[key] = value
            self.entries.move_to_end(key)
            if len(self.entries) > self.size:
                self.entries.popitem(last=False)

    def clear(self):
        """Forget everything."""
        with self.lock:
            self.entries.clear()

    def __len__(self):
        return len(self.entries)


#: Compiled trainings.
TRAININGS = Store(32)

#: Compiled functions for predictions, scores and gradients.
FUNCTIONS = Store(64)


def set_store(on: bool | None) -> None:
    """Choose whether networks share compiled functions with other networks of the same structure.

    Results are the same, to the last bit; it only takes longer without. Each network keeps its own compiled functions
    in any case. The store is emptied when it is turned off.

    Parameters
    ----------
    on : bool or None
        None goes back to the default: True, unless the environment variable ``THEANETS_STORE`` is ``0``.

    Raises
    ------
    ConfigurationError
        For anything else.

    Examples
    --------
    >>> import theanets
    >>> theanets.set_store(False)
    >>> theanets.set_store(None)
    """
    if on not in (True, False, None):
        raise util.ConfigurationError(f"set_store({on!r}): expected True, False or None")
    _Choice.is_on = None if on is None else bool(on)
    if not is_on():
        clear()


def is_on() -> bool:
    """Tell whether networks share compiled functions."""
    if _Choice.is_on is not None:
        return _Choice.is_on
    return os.environ.get(VARIABLE, "").lower() not in ("0", "false", "off", "no")


def clear() -> None:
    """Remove all compiled functions from the store."""
    TRAININGS.clear()
    FUNCTIONS.clear()
