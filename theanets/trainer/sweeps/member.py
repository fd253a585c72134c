"""One member of a sweep: what it is trained with, its training, and what came of it."""

import contextlib
import dataclasses
import logging
import time
from typing import Any

import numpy as np

from ... import logs
from ..session import DIVERGED, INTERRUPTED
from . import folds
from .records import Records

__all__ = ["Member", "Plan", "Task", "Training"]


@dataclasses.dataclass
class Plan:
    """What all members have in common: the function that builds networks, the data, and where results are kept."""

    build: Any
    train: Any
    valid: Any
    axis: int = 0
    records: Records | None = None


@dataclasses.dataclass
class Task:
    """What one member is trained with: all of its settings, and the rows of its fold."""

    index: int
    settings: dict
    rows: tuple | None = None
    name: str | None = None

    def data(self, plan):
        """Return the data to train on, and those to validate on."""
        if self.rows is None:
            return plan.train, plan.valid
        return tuple(folds.take(plan.train, rows, plan.axis) for rows in self.rows)


@dataclasses.dataclass
class Member:
    """One training of a sweep.

    Attributes
    ----------
    settings : dict
        What the grid says of it.
    fold : int or None
        The number of its fold, from 0 on; None without folds.
    network : :class:`theanets.Network` or None
        The network with its best parameters; None if it could not be built or trained.
    error : str or None
        Why it came to nothing: the words of an exception, or that its loss was not a finite number any more, or that
        the sweep was interrupted; None if all is well.
    seconds : float
        How long it took.
    """

    index: int
    settings: dict = dataclasses.field(default_factory=dict)
    fold: int | None = None
    network: Any = None
    error: str | None = None
    seconds: float = 0.0
    exception: Exception | None = dataclasses.field(default=None, repr=False)

    @property
    def history(self):
        """The :attr:`theanets.Network.history` of its training; None without a network."""
        return None if self.network is None else self.network.history

    @property
    def is_interrupted(self):
        """Whether it was interrupted from the keyboard, or never begun."""
        return self.error == INTERRUPTED.words

    def figures(self):
        """Return the monitors of the last epoch, and with ``valid_`` those of the parameters that the network has."""
        found = None if self.history is None else self.history.result()
        if found is None:
            return {"loss": np.nan, "valid_loss": np.nan}
        train, valid = found
        return {
            **{name: float(value) for name, value in train.items()},
            **{f"valid_{name}": float(value) for name, value in valid.items()},
        }

    def row(self):
        """Return the figures, and how long the training was, as a dict."""
        history = self.history
        best = None if history is None else history.best or history.lowest()
        return {
            **self.figures(),
            "best_epoch": None if best is None else best["epoch"],
            "epochs": 0 if history is None else len(history),
            "seconds": self.seconds,
            "error": self.error,
        }


class Training:
    """Trains members; an object that can be sent to other processes.

    Parameters
    ----------
    plan : Plan
        What they have in common.
    """

    def __init__(self, plan):
        self.plan = plan

    def __call__(self, task, stop=None):
        """Train one member, as ``build(...).train(...)`` would.

        Parameters
        ----------
        task : Task
            What it is trained with.
        stop : threading.Event, optional
            It ends with the epoch in which this is set.

        Returns
        -------
        member : Member
            Without settings and fold.
        """
        return _train(self.plan, task, stop)


def _train(plan, task, stop):
    began = time.perf_counter()
    member = Member(task.index)
    own, options = plan.build.split(task.settings)
    try:
        with logs.at(logging.WARNING):
            if stop is not None and stop.is_set():
                member.error = INTERRUPTED.words
                return member
            network = plan.build(own)
            if plan.records is not None:
                seconds = plan.records.take(task.name, network)
                if seconds is not None:
                    member.network, member.seconds = network, seconds
                    member.error = _error_of(network)
                    return member
                options = plan.records.extended(options, task.name)
            _run(network, task.data(plan), options, stop, member)
    except Exception as error:
        member.error = f"{type(error).__name__}: {error}"
        member.exception = error
    member.seconds = time.perf_counter() - began
    if plan.records is not None and member.network is not None and not member.is_interrupted:
        plan.records.put(task.name, member.network, member.seconds)
    return member


def _run(network, data, options, stop, member):
    with contextlib.closing(network.itertrain(*data, progress=False, **options)) as epochs:
        for _ in epochs:
            if stop is not None and stop.is_set():
                member.error = INTERRUPTED.words
                break
    member.network = network
    member.error = member.error or _error_of(network)


def _error_of(network):
    stopped = network.history.stopped
    return stopped if stopped in (DIVERGED.words, INTERRUPTED.words) else None
