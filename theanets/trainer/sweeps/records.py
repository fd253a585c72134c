"""Members of a sweep on disk: those that are done, and the states of those that are being trained."""

import collections.abc
import json
import os
import pathlib

import numpy as np
import scipy.sparse

from ... import storage, util
from ...data import blocks, digests
from ...storage import archive

__all__ = ["Records"]

#: The section of an archive that says what a member has come to.
SECTION = "member"

#: Settings that make no other member, as with the checkpoint of a single training.
LEFT_OUT = ("callbacks", "save_errors")

#: Minutes after which the state of a member that is being trained is written, unless checkpoint_every= says so.
EVERY = 1.0


class Records:
    """A folder with a file for each member that is done, and one for each that is being trained.

    A file is named by a digest of all that the member depends on: the function that builds it, its settings, and the
    data. So a sweep finds those of an earlier one that have the same, whatever else is in its grid.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder. It is made if there is none.
    build, train, valid
        The function that builds networks, and the data.
    every : int or float
        The state of a member that is being trained is written after so many epochs (int) or minutes (float).

    Raises
    ------
    ConfigurationError
        If the path is that of something else, or cannot be written.
    """

    def __init__(self, path, build, train, valid, every=None):
        if not isinstance(path, (str, os.PathLike)):
            raise util.ConfigurationError(f"checkpoint={path!r}, expected the path of a folder")
        self.path = pathlib.Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise util.ConfigurationError(
                f"checkpoint={str(path)!r} is a file, expected a folder, which has a file for each member of a sweep"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise util.ConfigurationError(f"checkpoint={str(path)!r}: {error}") from error
        self.every = EVERY if every is None else every
        # of the values of arrays, in their order; what makes batches is described by its code.
        self.common = [digests.of_code(build), _digest(train), _digest(valid), digests.python_version(), util.FLOAT]

    def name(self, settings, rows):
        """Return the name of a member's files."""
        known = sorted((key, value) for key, value in settings.items() if key not in LEFT_OUT)
        about = [self.common, known, None if rows is None else digests.of_arrays(rows)]
        return digests.of_code(json.dumps(about, default=_described))

    def _done(self, name):
        return self.path / f"{name}.npz"

    def _state(self, name):
        return self.path / f"{name}.state.npz"

    def has(self, name):
        """Tell whether a member is done."""
        return self._done(name).exists()

    def extended(self, options, name):
        """Return the arguments of a training with those of its checkpoint."""
        path = self._state(name)
        if path.exists() and storage.load_sections(path)["training"]["state"]["is_complete"]:
            # it came to its end, but not to its result; as a checkpoint it would go on for as many epochs again.
            path.unlink()
        return {**options, "checkpoint": path, "checkpoint_every": self.every}

    def put(self, name, network, seconds):
        """Write the result of a member, and remove its state."""
        variables = [*network.params, *network.statistics]
        result = {
            "values": {variable.name: variable.get_value() for variable in variables},
            "history": network.history.state(),
            "seconds": seconds,
        }
        content = archive.pack(network, {SECTION: result}, partly=True)
        storage.write_atomically(self._done(name), content)
        self._state(name).unlink(missing_ok=True)

    def take(self, name, network):
        """Set a network to the result of a member; return the seconds that it took, or None if it is not done."""
        if not self.has(name):
            return None
        path = self._done(name)
        try:
            found = storage.load_sections(path)[SECTION]
            variables = {variable.name: variable for variable in [*network.params, *network.statistics]}
            if set(variables) != set(found["values"]):
                raise util.LoadError(f"{str(path)!r} holds the values of other variables than those of the network")
            seconds = float(found["seconds"])
            network.history.restore(found["history"])
        except (KeyError, TypeError, ValueError) as error:
            raise util.LoadError(f"{str(path)!r} holds no member of a sweep; remove it to train anew") from error
        for key, variable in variables.items():
            variable.set_value(found["values"][key])
        return seconds


def _digest(data):
    """Describe data: arrays by their values, in their order; what makes batches by its code."""
    if isinstance(data, collections.abc.Mapping):
        return [[str(key), _digest(value)] for key, value in data.items()]
    if isinstance(data, (list, tuple)):
        return [_digest(item) for item in data]
    sample = blocks.sample_of(data)
    if sample is not None:
        return digests.of_arrays(sample)
    if scipy.sparse.issparse(data):
        return digests.of_arrays([data])
    return digests.of_arrays([np.asarray(data)]) if hasattr(data, "shape") else _described(data)


def _described(value):
    """Describe what JSON cannot hold, such as a schedule or a table of weights."""
    if isinstance(value, np.ndarray):
        return digests.of_arrays([value])
    return value if isinstance(value, (str, int, float, type(None))) else digests.of_code(value)
