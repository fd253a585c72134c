"""Importing JAX, such that Ctrl-C does no harm, and without side effects on the process.

Importing JAX takes half a second or more, and a KeyboardInterrupt in the middle leaves half-initialized modules in
``sys.modules``, or crashes the process. So it is imported in a thread of its own, in which no KeyboardInterrupt is
raised. Callers that need JAX wait for that thread; if Ctrl-C ends the waiting, the import goes on in the background.

JAX is imported when the first function is compiled, which may well be after the user has seeded NumPy's global
generator. One of its modules draws from that generator, and another one sets environment variables. Other threads may
run meanwhile, so it is not enough to save the state of the generator before, and to restore it.
"""

import contextlib
import functools
import importlib
import os
import random
import sys
import threading

import numpy as np

from .. import util

__all__ = ["leaving_no_traces", "load"]

#: The module that imports, with JAX, all others of this package that need it.
WHOLE = f"{__package__}.epochs"

#: Environment variables that JAX sets while it is imported, for its logs and for its search for TPUs.
VARIABLES = ("TF_CPP_MIN_LOG_LEVEL", "TPU_SKIP_MDS_QUERY")


@contextlib.contextmanager
def leaving_no_traces():
    """Context manager within which this thread imports JAX without side effects on the process.

    The functions of :mod:`random` and ``numpy.random`` draw from other generators than the global ones if this thread
    calls them, and environment variables that it sets are removed at the end. Other threads are not affected.
    """
    if "jax" in sys.modules:
        yield
        return
    added = [name for name in VARIABLES if name not in os.environ]
    try:
        with _other_generator(np.random, np.random.RandomState(0)), _other_generator(random, random.Random(0)):
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _other_generator(module, generator):
    """Make the functions of a module that draw from its global generator use another one, in this thread only."""
    shared, thread = module.random.__self__, threading.get_ident()
    functions = {name: value for name, value in vars(module).items() if getattr(value, "__self__", None) is shared}

    def replaced(name, function):
        @functools.wraps(function)
        def draw(*args, **kwargs):
            if threading.get_ident() == thread:
                return getattr(generator, name)(*args, **kwargs)
            return function(*args, **kwargs)

        return draw

    for name, function in functions.items():
        setattr(module, name, replaced(name, function))
    try:
        yield
    finally:
        for name, function in functions.items():
            setattr(module, name, function)


class _Import:
    """The import of JAX by a thread of its own."""

    def __init__(self):
        self.lock = util.anew_after_fork(threading.Lock())
        self.thread = None
        self.error = None

    def run(self):
        try:
            with leaving_no_traces():
                importlib.import_module(WHOLE)
        except BaseException as error:
            # raised again by wait().
            self.error = error

    def begin(self):
        with self.lock:
            if self.thread is None:
                # not a daemon thread: a process that exits in the middle of the import would crash.
                thread = threading.Thread(target=self.run, name="import of JAX")
                thread.start()
                self.thread = thread
            return self.thread

    def wait(self):
        thread = self.begin()
        if thread is not threading.current_thread():
            thread.join()
        if self.error is not None:
            # the next call tries again.
            error, self.error, self.thread = self.error, None, None
            raise error

    def before_fork(self):
        # import locks that this thread holds would stay locked in the child process.
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()


_import = _Import()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_import.before_fork)


def load(name):
    """Import a module of this package that needs JAX, by its name without that of the package.

    Raises
    ------
    ImportError
        If JAX is not installed, or cannot be imported.
    KeyboardInterrupt
        If Ctrl-C comes while this waits for the import, which goes on in the background.
    """
    _import.wait()
    return importlib.import_module(f"{__package__}.{name}")
