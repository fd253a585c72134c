"""Doing many pieces of work at once: over threads, or through joblib on the workers of another engine."""

import contextlib
import importlib
import os
import sys
import threading

from ... import modes, util, xla
from ...xla import processes

__all__ = ["choose", "cores", "run"]

#: Begins the names of threads.
NAME = "theanets-sweep"


def cores():
    """Return the number of processor cores that this process may use."""
    # Python 3.13 has os.process_cpu_count.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose(jobs, devices=()):
    """Return how to run, and say why.

    Parameters
    ----------
    jobs : int, str, joblib context or None
        A number of threads; ``'joblib'``, or the object that ``joblib.parallel_config`` returns, for joblib's workers.
        None: joblib, if there is an active ``joblib.parallel_config``; else a thread for each core, as XLA computes
        without Python's lock; but a single one with a GPU, or where Theano itself computes, or within another sweep, or
        where each is divided among several devices.
    devices : sequence, optional
        What the trainings ask for as ``devices``. Default: nothing, so that what the user has chosen holds.

    Returns
    -------
    jobs : int or context manager
        The number of threads, or a context to use joblib in.
    reason : str
        For the log.

    Raises
    ------
    ConfigurationError
        For anything else.
    """
    if processes.count() > 1:
        # all processes have to come to the same trainings in the same order.
        if jobs not in (None, 1):
            raise util.ConfigurationError(f"jobs={jobs!r}: several processes train each network together; leave it out")
        return 1, "one after the other, as several processes train each"
    if jobs is None and _joblib_is_active() or isinstance(jobs, str) and jobs == "joblib":
        return contextlib.nullcontext(), "through joblib"
    if jobs is not None and hasattr(jobs, "__enter__") and hasattr(jobs, "__exit__"):
        return jobs, "through joblib"
    if jobs is not None:
        if not util.is_int(jobs) or jobs < 1:
            raise util.ConfigurationError(
                f"jobs={jobs!r}, expected a number of threads from 1 on, 'joblib', or joblib.parallel_config(...)"
            )
        return int(jobs), f"jobs={jobs}"
    if threading.current_thread().name.startswith(NAME):
        return 1, "one after the other, within a thread of another sweep"
    if modes.get_mode() != xla.NAME:
        return 1, f"one after the other, as the mode is {modes.get_mode()!s}, and not XLA"
    if any(modes.plan(choice) is not None for choice in (devices or [None])):
        return 1, "one after the other, as each is divided among several devices"
    if importlib.import_module("theanets.xla.devices").default().platform != "cpu":
        return 1, "one after the other, as they share a GPU"
    return cores(), f"a thread for each of {util.number_of(cores(), 'core')}"


def _joblib_is_active():
    """Tell whether the user has chosen a backend or a number of workers for joblib."""
    if "joblib" not in sys.modules:
        return False
    from joblib.parallel import get_active_backend

    backend, number = get_active_backend()
    return type(backend).__name__ != "LokyBackend" or number not in (None, 1)


def run(function, tasks, jobs, done):
    """Call a function for all tasks, and hand each result over when it is there.

    Parameters
    ----------
    function : callable
        Called with a task, and with an event that is set when it should come to an end, or None where there is none.
    tasks : list
        What it is called with.
    jobs : int or context manager
        See :func:`choose`.
    done : callable
        Called with each result, in this thread, in the order in which they come. Returns True if the work was
        interrupted, so that nothing else is begun.

    Returns
    -------
    interrupted : bool
        Whether it was interrupted from the keyboard.
    """
    try:
        if not isinstance(jobs, int):
            _run_by_joblib(function, tasks, jobs, done)
        elif jobs == 1 or len(tasks) == 1:
            return any(done(function(task, None)) for task in tasks)
        else:
            _run_in_threads(function, tasks, jobs, done)
    except KeyboardInterrupt:
        return True
    return False


def _run_in_threads(function, tasks, jobs, done):
    stop = threading.Event()
    futures = importlib.import_module("concurrent.futures")
    pool = futures.ThreadPoolExecutor(min(jobs, len(tasks)), thread_name_prefix=NAME)
    waiting = {pool.submit(function, task, stop) for task in tasks}
    try:
        while waiting:
            ready, waiting = futures.wait(waiting, return_when=futures.FIRST_COMPLETED)
            answers = [done(future.result()) for future in ready]
            if any(answers):
                raise KeyboardInterrupt
    finally:
        # after an error, or Ctrl-C: members that are being trained end with their epoch.
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                done(future.result())


def _run_by_joblib(function, tasks, context, done):
    import joblib

    with context:
        workers = None if _joblib_is_active() else cores()
        results = joblib.Parallel(workers, return_as="generator_unordered")(
            joblib.delayed(function)(task, None) for task in tasks
        )
        with contextlib.closing(results):
            if any(map(done, results)):
                raise KeyboardInterrupt
