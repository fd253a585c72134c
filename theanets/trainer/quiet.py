"""A context that silences the log, for trainings of which there are many."""

import contextlib
import logging
import threading

from .. import util

__all__ = ["quiet"]


class _Quiet:
    """Silences the log for as long as any thread is within this context."""

    def __init__(self):
        self.lock = util.anew_after_fork(threading.Lock())
        self.count = 0
        self.levels = {}

    def __enter__(self):
        with self.lock:
            if not self.count:
                # the first thread notes the levels, and the last one restores them.
                for logger in map(logging.getLogger, ("theanets", "downhill")):
                    self.levels[logger] = logger.level
                    logger.setLevel(logging.WARNING)
            self.count += 1

    def __exit__(self, *error):
        with self.lock:
            self.count -= 1
            if not self.count:
                for logger, level in self.levels.items():
                    logger.setLevel(level)


_quiet = _Quiet()


def quiet(verbose=False):
    """Return a context that silences the log but for warnings, unless ``verbose``."""
    return contextlib.nullcontext() if verbose else _quiet
