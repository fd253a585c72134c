"""Locks of shared variables: one for all those that functions run with together.

A function compiled by XLA gives up the memory of the old values of what it updates, and a function of Theano's writes
over them. So no thread may look at a shared variable in the middle of that. Variables that one function runs with, or
that are read together, are put into a group, which has one lock: what is read under it are the values of one moment.
Groups that turn out to have a variable in common become one group. Networks that have nothing in common have nothing
to wait for.

A lock is held while a function by XLA is started, which takes microseconds, and not while XLA computes or compiles;
and for the whole call of a function that runs by Theano's own code. It is only ever taken by a ``with`` statement of
its own, which Ctrl-C does not come in between, and it is open in processes that are forked.
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
        Held by whoever works with the cells.
    turn : lock
        Held by whoever waits for the lock, so that the thread that had it last does not take it again before.
    parent : Group or None
        The group that this one has become a part of; its lock is the one that counts.
    """

    __slots__ = ("lock", "turn", "parent", "number")

    numbers = itertools.count()

    def __init__(self):
        self.lock = util.anew_after_fork(threading.RLock())
        self.turn = util.anew_after_fork(threading.RLock())
        self.parent = None
        self.number = next(self.numbers)

    def root(self):
        """Return the group that this one is a part of by now."""
        group = self
        while group.parent is not None:
            group = group.parent
        return group


class Tie:
    """The group of a cell. It lives as long as anybody holds it, and so does the cell then."""

    __slots__ = ("cell", "group", "__weakref__")

    def __init__(self, cell, group):
        self.cell = cell
        self.group = group


#: The ties that there are, by the id of the cell.
_ties: weakref.WeakValueDictionary[int, Tie] = weakref.WeakValueDictionary()

_making = util.anew_after_fork(threading.RLock())


def _tie(cell, group):
    """Return the tie of a cell, always the same one; if there is none, make one that belongs to a given group."""
    tie = _ties.get(id(cell))
    if tie is None:
        with _making:
            tie = _ties.get(id(cell))
            if tie is None:
                tie = _ties[id(cell)] = Tie(cell, group)
    return tie


def _join(one, other):
    """Let two groups be one. Only the lock of the one that is given up is taken, so that nobody waits in a circle."""
    while True:
        one, other = one.root(), other.root()
        if one is other:
            return
        # the younger becomes a part of the older one, so that threads which do this at the same time make no circle.
        kept, given_up = (one, other) if one.number < other.number else (other, one)
        with given_up.lock:
            if given_up.parent is None:
                given_up.parent = kept
                return


class Tied:
    """Cells that are locked together, for as long as this object lives.

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
        """Return what a function does, which is called under the lock, after threads that wait for it already."""
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
        """The same, before threads that call :meth:`holding` again and again."""
        while True:
            group = self.group = self.group.root()
            if group.lock._is_owned():
                return function(*args)
            with group.turn, group.lock:
                if group.parent is None:
                    return function(*args)


def all_locks():
    """Return the locks of all groups of which anybody holds a cell, in the order in which they are to be taken."""
    groups = {id(group): group for group in [tie.group.root() for tie in _ties.values()]}
    return [lock for group in groups.values() for lock in (group.turn, group.lock)]


def holding(cells, function, *args):
    """Return what a function does with the cells of shared variables, which no other thread works with meanwhile."""
    return Tied(cells).first(function, *args)
