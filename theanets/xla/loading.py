"""Importing JAX in a background thread, such that Ctrl-C does no harm.

Importing JAX takes a second or two, and a KeyboardInterrupt in the middle leaves half-initialized modules in
``sys.modules``, or crashes the process. So it is imported in a thread of its own, in which no KeyboardInterrupt is
raised. Callers that need JAX wait for that thread; if Ctrl-C ends the waiting, the import goes on in the background.
"""

import importlib
import os
import threading

from .. import util
from . import importing

__all__ = ["begin", "load"]

#: The module that imports, with JAX, all others of this package that need it.
WHOLE = f"{__package__}.epochs"


class _Import:
    """The import of JAX by a thread of its own."""

    def __init__(self):
        self.lock = util.anew_after_fork(threading.Lock())
        self.thread = None
        self.error = None

    def run(self):
        try:
            with importing.leaving_no_traces():
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


def begin():
    """Start to import JAX in the background. Any thread may call this, any number of times."""
    _import.begin()


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
