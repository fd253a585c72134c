"""Saving a network while it is trained."""

import io
import os
import time

from .. import util
from ..arguments import Range
from .files import check_binary, check_target, is_handle

__all__ = ["Attempts", "BestFile", "Saver"]

#: What may be done when a file cannot be written during training.
SAVE_ERRORS = ("warn", "raise")


class Attempts:
    """Attempts to write a file during a training, which may fail, as on a disk that is full.

    Parameters
    ----------
    what : str
        What is written, in words.
    errors : str or None, optional
        ``'warn'``, the default: training goes on, and the next attempt may succeed; or ``'raise'``.

    Attributes
    ----------
    failed : int
        How many attempts have failed since the last one that has not.
    """

    def __init__(self, what, errors=None):
        errors = SAVE_ERRORS[0] if errors is None else errors
        if not isinstance(errors, str) or errors not in SAVE_ERRORS:
            raise util.ConfigurationError(
                f"save_errors={errors!r}, expected one of {', '.join(map(repr, SAVE_ERRORS))}"
            )
        self.what = what
        self.errors = errors
        self.failed = 0
        self.error = None

    def make(self, write):
        """Call a function that writes the file."""
        try:
            write()
        except OSError as error:
            if self.errors == "raise":
                raise
            self.failed += 1
            self.error = error
            if self.failed == 1:
                util.warn(f"{self.what} could not be written ({error}); training goes on without", RuntimeWarning)
            return
        if self.failed:
            util.log(f"{self.what} is written again, after {util.number_of(self.failed, 'attempt')} that failed")
        self.failed, self.error = 0, None

    def report(self):
        """Warn at the end of training if the last attempt failed."""
        if self.failed:
            util.warn(
                f"{self.what} does not hold what the training has come to: the last "
                f"{util.number_of(self.failed, 'attempt')} to write it failed ({self.error}); save it elsewhere",
                RuntimeWarning,
            )


class BestFile:
    """The file that a network is saved to whenever a validation is the best so far.

    Parameters
    ----------
    network : Network
        What to save.
    path : str or pathlib.Path
        Where to.
    errors : str, optional
        See :class:`Attempts`.

    Raises
    ------
    ConfigurationError
        If there is no folder for it, or it is read-only.
    """

    def __init__(self, network, path, errors=None):
        if not isinstance(path, (str, os.PathLike)):
            raise util.ConfigurationError(f"save_best={path!r}, expected a path")
        try:
            check_target(str(path))
        except OSError as error:
            raise util.ConfigurationError(f"save_best={str(path)!r}: {error}") from error
        self.network = network
        self.path = path
        self.attempts = Attempts(f"the file {str(path)!r}", errors)

    def save(self):
        """Save the network as it is."""
        self.attempts.make(lambda: self.network.save(self.path))


class Saver:
    """Saves a network every so often while it is trained, and once more at the end.

    Parameters
    ----------
    network : Network
        What to save.
    target : str, pathlib.Path, binary file or None
        Where to.
    every : int or float
        Number of epochs, or of minutes; 0 for never.
    errors : str, optional
        See :class:`Attempts`.

    Raises
    ------
    ConfigurationError
        If the target is open for text, or there is no folder for it, or it is read-only.
    """

    def __init__(self, network, target, every, errors=None):
        Range(0, open_high=True).check("save_every, a number of epochs (int) or minutes (float)", every)
        self.network = network
        self.target = target
        self.every = every if target is not None else 0
        self.attempts = Attempts(f"the file {str(getattr(target, 'name', target))!r}", errors)
        self.last_time = time.time()
        self.unsaved = 0
        _check_target(target)

    def __enter__(self):
        self.last_time = time.time()
        return self

    def epoch_ends(self):
        """Count an epoch that has not been saved."""
        self.unsaved += 1

    def next_epoch_begins(self, i):
        """Save if it is time to; ``i`` is the index of the epoch that was seen last."""
        if not self.every or not i:
            return
        due = i % self.every == 0 if util.is_int(self.every) else time.time() - self.last_time > 60 * self.every
        if due:
            self.save()

    def save(self):
        """Save the network as it is."""
        self.unsaved = 0
        self.last_time = time.time()
        self.attempts.make(self._save)
        # what could not be saved is tried once more at the end.
        self.unsaved = self.attempts.failed

    def _save(self):
        if not hasattr(self.target, "write"):
            self.network.save(str(self.target).replace("{}", str(int(time.time()))))
            return
        # serialized first, because this may fail.
        content = io.BytesIO()
        self.network.save(content)
        if hasattr(self.target, "seekable") and self.target.seekable():
            # an open file holds the latest state only, so overwrite the one before.
            self.target.seek(0)
            self.target.truncate()
        self.target.write(content.getvalue())
        if hasattr(self.target, "flush"):
            self.target.flush()

    def __exit__(self, *error):
        if self.every and self.unsaved:
            self.save()
        self.attempts.report()


def _check_target(target):
    if target is None:
        return
    if not isinstance(target, (str, os.PathLike)):
        if not is_handle(target) or not hasattr(target, "write"):
            raise util.ConfigurationError(f"save_progress={target!r}, expected a path or a writable binary file")
        try:
            check_binary(target)
        except TypeError as error:
            raise util.ConfigurationError(f"save_progress: {error}") from error
        if getattr(target, "closed", False):
            raise util.ConfigurationError("save_progress: the file is closed")
        return
    try:
        check_target(str(target).replace("{}", "0"))
    except OSError as error:
        raise util.ConfigurationError(f"save_progress={str(target)!r}: {error}") from error
