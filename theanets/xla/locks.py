"""Locks of shared variables: one lock for each group of variables that functions use together.

A function compiled by XLA donates the buffers of the old values of what it updates, and a function of Theano's updates
arrays in place. No thread may read a shared variable in the middle of that. Variables that one function uses, or that
are read together, are in one group with one lock: values read under it are a consistent snapshot. Groups that turn out
to have a variable in common are merged. Networks without common variables never wait for each other.

The lock is held while a function by XLA is started, which takes microseconds, but not while XLA computes or compiles;
and for the whole call of a function that runs by Theano's own code. It is only ever acquired by a ``with`` statement,
which KeyboardInterrupt cannot leave locked, and forked processes get new, open locks.
"""

import itertools
import threading
import weakref

from .. import util

__all__ = ["Tied", "holding"]


class Group:
    """Cells of shared variables that are locked together.

    Attributes
    ----------
    lock : lock
        Held by the thread that reads or updates the cells.
    turn : lock
        Held by the thread that waits for the lock, so that the thread that has released the lock cannot acquire it
        again first.
    parent : Group or None
        The group that this one has been merged into, whose lock is used instead.
    """

    __slots__ = ("lock", "turn", "parent", "number")

    numbers = itertools.count()

    def __init__(self):
        self.lock = util.anew_after_fork(threading.RLock())
        self.turn = util.anew_after_fork(threading.RLock())
        self.parent = None
        self.number = next(self.numbers)

    def root(self):
        """Return the group that this one has been merged into, directly or indirectly; itself if it has not."""
        group = self
        while group.parent is not None:
            group = group.parent
        return group


class Tie:
    """The group of a cell. It lives as long as a :class:`Tied` uses it, and keeps the cell and so its id alive."""

    __slots__ = ("cell", "group", "__weakref__")

    def __init__(self, cell, group):
        self.cell = cell
        self.group = group


#: All ties in use, by the id of the cell.
_ties: weakref.WeakValueDictionary[int, Tie] = weakref.WeakValueDictionary()

_making = util.anew_after_fork(threading.RLock())


def _tie(cell, group):
    """Return the only tie of a cell; if there is none, make one in a given group."""
    tie = _ties.get(id(cell))
    if tie is None:
        with _making:
            tie = _ties.get(id(cell))
            if tie is None:
                tie = _ties[id(cell)] = Tie(cell, group)
    return tie


def _join(one, other):
    """Merge two groups. Only the lock of the one that is merged into the other is acquired, so there is no deadlock."""
    while True:
        one, other = one.root(), other.root()
        if one is other:
            return
        # always the younger into the older one, so that threads that merge at the same time make no cycle of parents.
        kept, given_up = (one, other) if one.number < other.number else (other, one)
        with given_up.lock:
            if given_up.parent is None:
                given_up.parent = kept
                return


class Tied:
    """Cells in one group, with one lock, at least for as long as this object lives.

    Parameters
    ----------
    cells : list of cells
        The cells of shared variables.
    """

    __slots__ = ("ties", "group", "__weakref__")

    def __init__(self, cells):
        group, self.ties = None, []
        for cell in cells:
            tie = _ties.get(id(cell))
            if tie is None:
                group = group or Group()
                tie = _tie(cell, group)
            self.ties.append(tie)
        group = group or (self.ties[0].group if self.ties else Group())
        for tie in self.ties:
            _join(group, tie.group)
        self.group = group.root()

    def holding(self, function, *args):
        """Call a function under the lock, and return its result; threads that wait for the lock already go first."""
        while True:
            group = self.group = self.group.root()
            if group.lock._is_owned():
                return function(*args)
            with group.turn:
                pass
            with group.lock:
                if group.parent is None:
                    return function(*args)

    def first(self, function, *args):
        """Call a function under the lock like :meth:`holding`, but with priority over threads that call that."""
        while True:
            group = self.group = self.group.root()
            if group.lock._is_owned():
                return function(*args)
            with group.turn, group.lock:
                if group.parent is None:
                    return function(*args)


def all_locks():
    """Return the locks of all groups with cells in use, in the order in which to acquire them."""
    groups = {id(group): group for group in [tie.group.root() for tie in _ties.values()]}
    return [lock for group in groups.values() for lock in (group.turn, group.lock)]


def holding(cells, function, *args):
    """Call a function under the common lock of the cells of shared variables, and return its result."""
    return Tied(cells).first(function, *args)
