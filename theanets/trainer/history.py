"""The history of a training: a row of figures for each epoch, and why training stopped."""

import collections.abc
from collections import OrderedDict

import numpy as np

from .. import util

__all__ = ["History"]

#: Prefixes of the names of monitors in a row: measured on training data, and on validation data.
PREFIXES = ("train_", "valid_")


class History(collections.abc.Sequence):
    """The history of a training: a sequence of rows, one dict for each epoch.

    =================  ==============================================================================================
    key                value
    =================  ==============================================================================================
    ``epoch``          number of epochs that are done, from 1 on, in all stages together
    ``stage``          number of the stage, for trainers that have several; else 1
    ``train_loss``...  the monitors on the training data of this epoch, each with ``train_`` before its name
    ``valid_loss``...  the monitors on the validation data after this epoch; None where there was no validation then
    ``learning_rate``  what it was in this epoch; None for trainers that have none
    ``seconds``        how long the epoch took, without validations
    ``stopped``        in the last row of a stage, why it stopped; else None
    =================  ==============================================================================================

    ``history["train_loss"]`` is a list of the values of all rows. There is a validation after each ``validate_every``
    epochs, and one at the end of training, which is in the last row; the one before the first epoch has no row.

    Attributes
    ----------
    validations : list of dict
        The monitors of each validation, with the ``stage`` and the ``epoch``: how many epochs had been done.
    best : dict or None
        The one of ``validations`` whose parameters the network holds at the end, which :meth:`Network.train` returns;
        None while training goes on, and after trainers that do not report it.
    stopped : str or None
        Why training stopped; None if it goes on.
    rate_test : list of dict or None
        With ``learning_rate='auto'``, each ``learning_rate`` that was tried, and the ``loss`` that it led to; the one
        that was chosen is in the rows.

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
    >>> [row["epoch"] for row in net.history.validations], net.history["valid_loss"][:2]
    ([0, 3], [None, None])
    >>> net.history.best["epoch"], net.history.best["loss"] == net.history["valid_loss"][-1] == last[1]["loss"]
    (3, True)
    """

    #: Whether validations are on data of their own, and not on the training data.
    has_validation_data = True

    def __init__(self):
        self.rows = []
        self.validations = []
        self.best = None
        self.stopped = None
        self.rate_test = None

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
        """Append the row of an epoch, and return it. With None for ``valid``, there has been no validation so far."""
        row = {"epoch": len(self.rows) + 1, "stage": stage}
        if valid is None and hasattr(train, "items"):
            valid = OrderedDict.fromkeys(train)
        for prefix, monitors in zip(PREFIXES, (train, valid)):
            # a custom trainer may yield something else than dicts.
            row.update((prefix + name, _plain(value)) for name, value in getattr(monitors, "items", dict)())
        row.update(learning_rate=learning_rate, seconds=seconds, stopped=None)
        self.rows.append(row)
        return row

    def add_validation(self, stage, monitors):
        """Append a validation; its figures also go to the row of the last epoch, unless that has some already."""
        entry = {"epoch": len(self.rows), "stage": stage, **monitors}
        self.validations.append(entry)
        row = self.rows[-1] if self.rows and self.rows[-1]["stage"] == stage else {}
        if all(row.get(PREFIXES[1] + name) is None for name in monitors):
            self._fill(row, monitors)
        return entry

    def replace_validation(self, monitors):
        """Replace the figures of the last validation, after parameters were changed and validated again."""
        entry = self.validations[-1]
        entry.update(monitors)
        if self.rows and (self.rows[-1]["epoch"], self.rows[-1]["stage"]) == (entry["epoch"], entry["stage"]):
            self._fill(self.rows[-1], monitors)
        return entry

    @staticmethod
    def _fill(row, monitors):
        # only columns that the row has: they were made when the row was added.
        row.update((PREFIXES[1] + name, value) for name, value in monitors.items() if PREFIXES[1] + name in row)

    def stop(self, words, stage=None):
        """Record why a stage has stopped."""
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

    def lowest(self):
        """Return the validation with the lowest loss in the last stage; None if there is none."""
        stage = self.validations[-1]["stage"] if self.validations else None
        entries = [entry for entry in self.validations if entry["stage"] == stage]
        return min(entries, key=lambda entry: np.nan_to_num(entry["loss"], nan=np.inf), default=None)

    def figures(self):
        """Return the monitors of the last row as a pair of dicts, of training and of validation data."""
        return tuple(
            OrderedDict(
                (name[len(prefix) :], value)
                for name, value in (self.rows[-1].items() if self.rows else ())
                if name.startswith(prefix) and value is not None
            )
            for prefix in PREFIXES
        )

    def result(self):
        """Return the result of ``train``: the monitors of the last epoch, and the validation of the final parameters.

        Returns
        -------
        train, valid : pair of dicts, or None
            "Not a number" for each monitor of an epoch if none is complete; None for trainers that do not tell which
            parameters they leave.
        """
        best = self.best or self.lowest()
        if best is None:
            return None
        valid = OrderedDict((name, value) for name, value in best.items() if name not in ("epoch", "stage"))
        return self.figures()[0] or OrderedDict.fromkeys(valid, np.nan), valid

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
        for name in frame.columns:
            # a column without any number so far is one of numbers, too.
            if name.startswith(PREFIXES) and frame[name].isna().all():
                frame[name] = frame[name].astype("float64")
        return frame.set_index("epoch")

    # -- in a checkpoint ----------------------------------------------------------------------------------------------

    def state(self):
        """Return a copy of the contents as dicts and lists."""
        # only where it says something, so that earlier releases read the rest.
        more = {} if self.has_validation_data else {"has_validation_data": False}
        return {
            **more,
            "rows": [dict(row) for row in self.rows],
            "validations": [dict(entry) for entry in self.validations],
            "best": None if self.best is None else dict(self.best),
            "stopped": self.stopped,
            **({} if self.rate_test is None else {"rate_test": [dict(row) for row in self.rate_test]}),
        }

    def restore(self, state, is_own=False):
        """Set the contents to those that :meth:`state` returned, perhaps read from a file.

        Parameters
        ----------
        state : dict
            The contents.
        is_own : bool, optional
            Whether they were made by :meth:`state` in this process, and need no check, which takes the longer the more
            rows there are. Default False.

        Raises
        ------
        LoadError
            If this is something else.
        """
        if is_own:
            self.has_validation_data = state.get("has_validation_data", self.has_validation_data)
            self.rows, self.validations = list(map(dict, state["rows"])), list(map(dict, state["validations"]))
            self.best, self.stopped = state["best"] and dict(state["best"]), state["stopped"]
            self.rate_test = state.get("rate_test")
            return
        try:
            rows = [_checked(row, "epoch", "stage", "learning_rate", "stopped") for row in state["rows"]]
            validations = [_checked(entry, "epoch", "stage", "loss") for entry in state["validations"]]
            # checkpoints of earlier releases have no such entry.
            best = state.get("best")
            best = None if best is None else _checked(best, "epoch", "stage", "loss")
            stopped = _checked({"stopped": state["stopped"]})["stopped"]
            has_validation_data = state.get("has_validation_data", self.has_validation_data)
            if not isinstance(has_validation_data, bool):
                raise TypeError(f"has_validation_data is a {type(has_validation_data).__name__}")
            rates = state.get("rate_test")
            rates = None if rates is None else [_checked(row, "learning_rate", "loss") for row in rates]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise util.LoadError(f"it holds no history of a training ({error})") from error
        self.rows, self.validations, self.best, self.stopped = rows, validations, best, stopped
        self.rate_test = rates
        self.has_validation_data = has_validation_data


def _plain(value):
    """Return a value as a Python number; whatever else a user's trainer reports is turned into text."""
    value = value.item() if isinstance(value, (np.generic, np.ndarray)) and value.size == 1 else value
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


#: What the entries of a row, or of a validation, are that there have to be.
KINDS = {
    "epoch": util.is_int,
    "stage": util.is_int,
    "loss": util.is_real,
    "learning_rate": lambda value: value is None or util.is_real(value),
    "stopped": lambda value: value is None or isinstance(value, str),
}


def _checked(row, *needed):
    """Return a copy of a row; raise an error if it lacks keys or holds anything but numbers and strings."""
    if not isinstance(row, dict):
        raise TypeError(f"a row is a {type(row).__name__}")
    for key in needed:
        if not KINDS[key](row[key]):
            raise TypeError(f"{key!r} is a {type(row[key]).__name__}")
    for key, value in row.items():
        if not isinstance(key, str) or not isinstance(value, (str, int, float, type(None))):
            raise TypeError(f"{key!r} is a {type(value).__name__}")
    return dict(row)
