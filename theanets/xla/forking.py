"""Fork safety: forked processes cannot run XLA, but can read the values of shared variables.

XLA's threads do not exist in a forked child process, so a call of XLA there would wait for them for ever: it raises
:class:`ForkedError` instead. Arrays on the device can still be read in the child if they have been computed. So, before
a fork, the parent waits for the arrays of all shared variables, and holds their locks meanwhile, so that no other
thread is in the middle of replacing them. The child gets new, open locks.
"""

import atexit
import contextlib
import ctypes
import functools
import os
import sys
import weakref

import numpy as np

from .. import util
from . import locks

__all__ = ["ForkedError", "check", "check_readable", "hold", "is_at_work", "is_stranded", "watch"]


class ForkedError(util.Error, RuntimeError):
    """Raised for a call that needs XLA in a forked process, where it cannot run."""


class _Process:
    #: Whether XLA had been used in the parent before this process was forked, so that it cannot run here.
    is_stranded = False

    #: Whether that will hold for a process that is forked now.
    will_be_stranded = False


#: Programs whose cells may hold values on the device.
_programs = weakref.WeakSet()


def hold(program):
    """Register a program (weakly): before a fork, the process waits for the arrays of its shared variables."""
    _programs.add(program)


def is_stranded():
    """Tell whether XLA cannot run in this process."""
    return _Process.is_stranded


def check():
    """Raise an error if XLA cannot run in this process.

    Raises
    ------
    ForkedError
        If this process was forked after XLA had been used.
    """
    if _Process.is_stranded:
        raise ForkedError(
            "nothing can run by XLA in this process: it was forked from one that had used XLA before, and a fork "
            "leaves XLA's threads behind. Start processes by multiprocessing.get_context('spawn'), or by joblib's "
            "default backend, loky; or let networks run by Theano in them, by theanets.set_mode('FAST_RUN') or "
            "THEANETS_MODE=FAST_RUN"
        )


def check_readable(array):
    """Raise an error if an array cannot be read in a forked process: one that is not computed yet, or not on a CPU."""
    if getattr(array, "_npy_value", None) is not None:
        return
    if not array.is_ready() or any(device.platform != "cpu" for device in array.devices()):
        check()


def is_at_work():
    """Tell whether JAX has initialized a backend, by this library or by the user's own code."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bool(getattr(bridge, "_backends", True))


#: Seconds for which a fork waits for a lock, rather than for ever: its owner may be waiting for the forking thread.
PATIENCE = 10

#: The locks that the forking thread holds.
_held: list = []


def _before():
    # a group's turn comes before its lock, as other threads would acquire the lock again and again.
    for lock in locks.all_locks():
        if lock.acquire(timeout=PATIENCE):
            _held.append(lock)
    _Process.will_be_stranded = _Process.is_stranded or is_at_work()
    if _Process.is_stranded or not _Process.will_be_stranded:
        return
    for program in list(_programs):
        for array in program.held_arrays():
            # the array of a computation that has failed raises its error.
            with contextlib.suppress(Exception):
                np.asarray(array)


def _in_parent():
    while _held:
        # in the reverse order.
        _held.pop().release()


def _in_child():
    # the locks themselves have been replaced by new ones; see util.anew_after_fork().
    _held.clear()
    if not _Process.will_be_stranded:
        return
    _Process.is_stranded = True
    # at exit, JAX would destroy objects that own threads, and wait for these threads, or crash: so leak the objects.
    clean_up = getattr(sys.modules.get("jax._src.api"), "clean_up", None)
    if clean_up is not None:
        atexit.unregister(clean_up)
    for owner in _owners_of_threads():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


def _owners_of_threads():
    """Return JAX's objects that own threads, as far as they are known."""
    clients = getattr(sys.modules["jax._src.xla_bridge"], "_backends", {}).values()
    pool = getattr(sys.modules.get("jax._src.interpreters.mlir"), "global_thread_pool", None)
    return [*clients, pool]


@functools.cache
def watch():
    """Register the handlers for forks. Works once."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
