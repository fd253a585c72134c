"""Importing JAX, such that Ctrl-C does no harm.

To import JAX takes a second or two, and an interrupt in the middle leaves modules behind of which a part is missing,
for the rest of the process, or ends it. So a thread of its own does it, in which no interrupt is raised. Whoever needs
JAX waits for that thread; if Ctrl-C ends the waiting, the import goes on, and the next one finds JAX there.
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
            # whoever waits has it raised.
            self.error = error

    def begin(self):
        with self.lock:
            if self.thread is None:
                # no daemon: the process must not end in the middle of the import, which would crash it.
                thread = threading.Thread(target=self.run, name="import of JAX")
                thread.start()
                self.thread = thread
            return self.thread

    def wait(self):
        thread = self.begin()
        if thread is not threading.current_thread():
            thread.join()
        if self.error is not None:
            # the next one tries again.
            error, self.error, self.thread = self.error, None, None
            raise error

    def before_fork(self):
        # the locks of modules that are being imported would stay locked in the new process.
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()


_import = _Import()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_import.before_fork)


def begin():
    """Begin to import JAX, and wait for nothing. It can be called by any thread, as often as one likes."""
    _import.begin()


def load(name):
    """Return a module of this package that needs JAX, by its name without that of the package.

    Raises
    ------
    ImportError
        If JAX is not installed, or cannot be imported.
    KeyboardInterrupt
        If Ctrl-C comes while the module is waited for. It is imported all the same.
    """
    _import.wait()
    return importlib.import_module(f"{__package__}.{name}")
