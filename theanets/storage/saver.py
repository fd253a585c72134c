"""Saving a network while it is trained."""

import io
import os
import time

from .. import util

__all__ = ["Saver"]


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
    """

    def __init__(self, network, target, every):
        if not util.is_real(every) or every < 0:
            raise util.ConfigurationError(f"save_every={every!r}, expected a number of epochs (int) or minutes (float)")
        if target is not None and not isinstance(target, (str, os.PathLike)) and not hasattr(target, "write"):
            raise util.ConfigurationError(f"save_progress={target!r}, expected a path or a writable binary file")
        self.network = network
        self.target = target
        self.every = every if target is not None else 0
        self.last_time = time.time()
        self.unsaved = 0

    def __enter__(self):
        self.last_time = time.time()
        return self

    def epoch_ends(self):
        """Take note that there is something to save."""
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
