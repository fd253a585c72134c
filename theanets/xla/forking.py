"""Processes that were forked after XLA had been at work in the process before.

A fork leaves XLA's threads behind, and whatever waits for them waits for ever. So nothing is asked of XLA in such a
process. What lies on the device can still be read there, if it has been computed. So a process waits for that before it
forks, and holds the locks of all shared variables meanwhile, so that no other thread is in the middle of replacing
their values. The new process has locks that are open.
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

__all__ = ["ForkedError", "check", "check_readable", "hold", "is_stranded", "watch"]


class ForkedError(util.Error, RuntimeError):
    """XLA is asked for something in a forked process, where it cannot run."""


class _Process:
    #: Whether XLA was at work before this process was forked.
    is_stranded = False

    #: Whether a process that is forked now will be.
    will_be_stranded = False


#: Programs whose cells may hold values on the device.
_programs = weakref.WeakSet()


def hold(program):
    """Note a program; what its shared variables hold is waited for before a process forks."""
    _programs.add(program)


def is_stranded():
    """Tell whether XLA cannot run in this process."""
    return _Process.is_stranded


def check():
    """Refuse to run in a process where XLA cannot.

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
    """Refuse to wait in a forked process for a value on the device that has not arrived there."""
    if getattr(array, "_npy_value", None) is not None:
        return
    if not array.is_ready() or any(device.platform != "cpu" for device in array.devices()):
        check()


def _is_at_work():
    """Tell whether JAX has begun to work, for whomever."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bool(getattr(bridge, "_backends", True))


#: Seconds for which a fork waits for a lock: for ever would be a deadlock with a thread that waits for this one.
PATIENCE = 10

#: Locks that are held by a thread that forks.
_held: list = []


def _before():
    # the turn before the lock: other threads would take the lock again and again.
    for lock in locks.all_locks():
        if lock.acquire(timeout=PATIENCE):
            _held.append(lock)
    _Process.will_be_stranded = _Process.is_stranded or _is_at_work()
    if _Process.is_stranded or not _Process.will_be_stranded:
        return
    for program in list(_programs):
        for array in program.held_arrays():
            # of a computation that has failed, there is nothing.
            with contextlib.suppress(Exception):
                np.asarray(array)


def _in_parent():
    while _held:
        # in the reverse order.
        _held.pop().release()


def _in_child():
    # they have been made anew.
    _held.clear()
    if not _Process.will_be_stranded:
        return
    _Process.is_stranded = True
    # when the process ends, JAX would take apart what threads belong to, which waits for them, or crashes.
    clean_up = getattr(sys.modules.get("jax._src.api"), "clean_up", None)
    if clean_up is not None:
        atexit.unregister(clean_up)
    for owner in _owners_of_threads():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


def _owners_of_threads():
    """Return the objects of JAX's that own threads, as far as they are known."""
    clients = getattr(sys.modules["jax._src.xla_bridge"], "_backends", {}).values()
    pool = getattr(sys.modules.get("jax._src.interpreters.mlir"), "global_thread_pool", None)
    return [*clients, pool]


@functools.cache
def watch():
    """See to it that forked processes know what they are. Works once."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
