"""What happened in training: a row for each epoch, and why it stopped."""

import collections.abc
from collections import OrderedDict

import numpy as np

from .. import util

__all__ = ["History"]

#: What the names of monitors begin with in a row, by the data that they were measured on.
PREFIXES = ("train_", "valid_")


class History(collections.abc.Sequence):
    """What happened in training, as a sequence of rows: one dict for each epoch.

    =================  ==============================================================================================
    key                value
    =================  ==============================================================================================
    ``epoch``          number of epochs that are done, from 1 on, in all stages together
    ``stage``          number of the stage, for trainers that have several; else 1
    ``train_loss``...  the monitors on the training data of this epoch, each with ``train_`` before its name
    ``valid_loss``...  the monitors on the validation data when they were last used, as ``itertrain`` yields them
    ``learning_rate``  what it was in this epoch; None for trainers that have none
    ``seconds``        how long the epoch took, with a validation that went before it
    ``stopped``        in the last row of a stage, why it stopped; else None
    =================  ==============================================================================================

    ``history["train_loss"]`` is a list of the values of all rows.

    Attributes
    ----------
    validations : list of dict
        The monitors of each validation, with the ``stage`` and the ``epoch``: how many epochs had been done.
    stopped : str or None
        Why training stopped; None if it goes on.

    Examples
    --------
    >>> import numpy as np
    >>> import theanets
    >>> net = theanets.Regressor([2, 1])
    >>> x = np.array([[0, 1], [1, 0], [1, 1], [0, 0]], "f")
    >>> last = net.train([x, x.sum(axis=1)], algo="sgd", learning_rate=0.1, epochs=3)
    >>> net.history
    <History: 3 epochs; 3 epochs are done>
    >>> net.history["epoch"], net.history[-1]["train_loss"] == last[0]["loss"]
    ([1, 2, 3], True)
    >>> [row["epoch"] for row in net.history.validations]
    [0, 3]
    """

    def __init__(self):
        self.rows = []
        self.validations = []
        self.stopped = None

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        if isinstance(key, str):
            if self.rows and key not in self.columns:
                raise util.unknown("column of the history", key, self.columns)
            return [row.get(key) for row in self.rows]
        return self.rows[key]

    def __repr__(self):
        count = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        return f"<History: {count}; {self.stopped or 'training goes on' if self else self.stopped or 'no training'}>"

    @property
    def columns(self):
        """Names of all columns, in their order."""
        names = list(OrderedDict.fromkeys(name for row in self.rows for name in row))
        tail = ["learning_rate", "seconds", "stopped"]
        return [name for name in names if name not in tail] + [name for name in tail if name in names]

    def add(self, stage, train, valid, learning_rate, seconds):
        """Append the row of an epoch, and return it."""
        row = {"epoch": len(self.rows) + 1, "stage": stage}
        for prefix, monitors in zip(PREFIXES, (train, valid)):
            # a custom trainer may yield something else than dicts.
            row.update((prefix + name, _plain(value)) for name, value in getattr(monitors, "items", dict)())
        row.update(learning_rate=learning_rate, seconds=seconds, stopped=None)
        self.rows.append(row)
        return row

    def add_validation(self, stage, monitors):
        """Note a validation."""
        self.validations.append({"epoch": len(self.rows), "stage": stage, **monitors})

    def stop(self, words, stage=None):
        """Note why a stage has stopped."""
        self.stopped = words
        if self.rows and stage in (None, self.rows[-1]["stage"]):
            self.rows[-1]["stopped"] = words

    def validation_losses(self, stage=None):
        """Return the losses of all validations of a stage.

        Parameters
        ----------
        stage : int, optional
            Default: the last one.
        """
        if not self.validations:
            return []
        stage = self.validations[-1]["stage"] if stage is None else stage
        return [entry["loss"] for entry in self.validations if entry["stage"] == stage]

    def last_pair(self):
        """Return the monitors of the last epoch as ``train`` does: a pair of dicts, or None if there was no epoch."""
        if not self.rows:
            return None
        return tuple(
            OrderedDict(
                (name[len(prefix) :], value) for name, value in self.rows[-1].items() if name.startswith(prefix)
            )
            for prefix in PREFIXES
        )

    def to_frame(self):
        """Return the rows as a ``pandas.DataFrame``, indexed by the epoch.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("history.to_frame() needs pandas: pip install pandas") from error
        frame = pandas.DataFrame(self.rows, columns=self.columns or ["epoch", "stopped"])
        return frame.set_index("epoch")

    # -- in a checkpoint ----------------------------------------------------------------------------------------------

    def state(self):
        """Return the contents as dicts and lists of one's own."""
        return {
            "rows": [dict(row) for row in self.rows],
            "validations": [dict(entry) for entry in self.validations],
            "stopped": self.stopped,
        }

    def restore(self, state):
        """Take the contents that :meth:`state` has returned, and that may have been in a file since.

        Raises
        ------
        LoadError
            If this is something else.
        """
        try:
            rows = [_checked(row, "epoch", "stage", "stopped") for row in state["rows"]]
            validations = [_checked(entry, "epoch", "stage", "loss") for entry in state["validations"]]
            stopped = _checked({"stopped": state["stopped"]})["stopped"]
        except (KeyError, TypeError, AttributeError) as error:
            raise util.LoadError(f"it holds no history of a training ({error})") from error
        self.rows, self.validations, self.stopped = rows, validations, stopped


def _plain(value):
    """Return a number of Python's own; a trainer of the user's may report anything, which is kept as text."""
    value = value.item() if isinstance(value, (np.generic, np.ndarray)) and value.size == 1 else value
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


def _checked(row, *needed):
    """Return a copy of a row, which holds numbers and words."""
    for key in needed:
        row[key]
    for key, value in row.items():
        if not isinstance(key, str) or not isinstance(value, (str, int, float, type(None))):
            raise TypeError(f"{key!r} is a {type(value).__name__}")
    return dict(row)
