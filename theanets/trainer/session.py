"""The session of a training: its history, callbacks, stop conditions and stages."""

import inspect
import operator
import re
import threading
import time
import weakref
from collections import OrderedDict

import numpy as np

from .. import util
from .history import PREFIXES, History

__all__ = ["Outcome", "Session", "check_free", "is_trained_elsewhere"]


class Outcome:
    """Why training stopped.

    Parameters
    ----------
    words : str
        The reason as it is logged.
    is_final : bool, optional
        Whether to skip the remaining stages of a training in several stages. Default True.
    is_done : bool, optional
        Whether the training is finished: if the same call is made again with its checkpoint, there is nothing left to
        do. Default False.
    is_limit : bool, optional
        Whether the training stopped because it reached the requested number of epochs. Default False.
    """

    def __init__(self, words, is_final=True, is_done=False, is_limit=False):
        self.words = words
        self.is_final = is_final
        self.is_done = is_done
        self.is_limit = is_limit


INTERRUPTED = Outcome("interrupted from the keyboard")
LEFT = Outcome("the training loop was left")
DIVERGED = Outcome("the loss is not a finite number any more")
EXHAUSTED = Outcome("the training data came to its end")
FAILED = Outcome("an error occurred")
ENDED = Outcome("the trainer came to its end", is_done=True)

#: Pattern of a condition such as ``valid_loss < 0.01``. It splits at the last comparison, as names of monitors may
#: contain comparison signs.
CONDITION = re.compile(r"\s*(\S.*?)\s*(<=|>=|<|>)\s*([^<>=\s]+)\s*")

COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class _Threshold:
    """A condition such as ``'valid_loss < 0.01'``, on the last row of the history."""

    def __init__(self, text):
        match = CONDITION.fullmatch(text)
        try:
            self.name, comparison, number = match.groups()
            self.limit = float(number)
        except (AttributeError, ValueError):
            raise util.ConfigurationError(
                f"stop_when={text!r}, expected a function of the history, or a condition such as 'valid_loss < 0.01'"
            ) from None
        self.compare = COMPARISONS[comparison]
        if not self.name.startswith(PREFIXES):
            raise util.ConfigurationError(
                f"stop_when={text!r}: {self.name!r} is no column of the history; write train_ or valid_ before the "
                "name of a monitor"
            )

    def check(self, monitors):
        """Raise an error if the condition is on an unknown monitor."""
        known = [prefix + name for prefix in PREFIXES for name in monitors]
        if self.name not in known:
            raise util.unknown("monitor in stop_when=", self.name, known)

    def __call__(self, history):
        value = history[-1].get(self.name)
        return value is not None and self.compare(value, self.limit)


def _takes(function, count):
    """Tell whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        # some functions that are written in C have no signature.
        pass
    return True


#: The open sessions, in weak references, as a generator of epochs may be abandoned without being closed.
_open: weakref.WeakSet["Session"] = weakref.WeakSet()

#: Lock for the check and the entry of a new session, so that two threads cannot both begin to train a network.
_beginning = util.anew_after_fork(threading.RLock())


def _elsewhere(network):
    """Return a session in which another thread trains variables of a network; None if there is none."""
    here = threading.current_thread()
    others = [session for session in list(_open) if session.thread is not here and session.thread.is_alive()]
    if not others:
        return None
    own = _containers(network)
    return next((session for session in others if session.network is network or session.trained & own), None)


def _containers(network):
    """Return the ids of the containers of a network's variables, to find networks that share parameters with it."""
    return frozenset([id(variable.container) for variable in [*network.params, *network.statistics]])


def is_trained_elsewhere(network):
    """Tell whether another thread is training a network, or one that shares parameters with it."""
    return _elsewhere(network) is not None


def check_free(network):
    """Raise an error if another thread is training a network.

    Raises
    ------
    ConfigurationError
        If another thread is training it, or a network that shares parameters with it.
    """
    other = _elsewhere(network)
    if other is None:
        return
    what = "this network" if other.network is network else "a network that shares parameters with this one"
    raise util.ConfigurationError(
        f"{what} is being trained by the thread {other.thread.name!r}; train it by one thread at a time, or train a "
        "copy: copy.deepcopy(net)"
    )


def read_condition(stop_when):
    """Return a condition as a function of the history; None for none."""
    if stop_when is None:
        return None
    if isinstance(stop_when, str):
        return _Threshold(stop_when)
    if not callable(stop_when) or not _takes(stop_when, 1):
        raise util.ConfigurationError(
            f"stop_when={stop_when!r}, expected a function of the history, or a condition such as 'valid_loss < 0.01'"
        )
    return stop_when


def read_callbacks(callbacks):
    """Return callbacks as a list."""
    if callbacks is None:
        return []
    given = [callbacks] if callable(callbacks) else callbacks
    if not isinstance(given, (list, tuple)) or not all(callable(item) and _takes(item, 2) for item in given):
        raise util.ConfigurationError(
            f"callbacks={callbacks!r}, expected a list of functions of the network and the history"
        )
    return list(given)


def _describe(function):
    return getattr(function, "__name__", type(function).__name__)


class Session:
    """The session of one training, with all its stages: history, callbacks, stop condition and checkpoint.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network that the user trains.
    callbacks : list of callable, or callable, optional
        Called with the network and the history after each epoch. One that returns True ends the training.
    stop_when : callable or str, optional
        A function of the history, or a condition such as ``'valid_loss < 0.01'``.
    checkpoint : Checkpoint, optional
        The checkpoint that the state is saved to.
    options : dict, optional
        The arguments of the training.
    is_incremental : bool, optional
        Whether this is a call for a single epoch out of many, as in ``partial_fit``: the network then keeps the
        parameters at the end of the epoch, without a validation. Default False.

    Attributes
    ----------
    history : :class:`theanets.trainer.history.History`
        A row for each epoch so far.
    rate : :class:`theanets.trainer.schedules.LearningRate` or None
        The learning rate of the current stage.
    stage : int
        Number of the current stage, from 1 on.
    is_whole : bool
        Whether :attr:`theanets.history.History.best` is a validation of the network that the user trains.
    is_measured : bool
        Whether the monitors that the trainer yields are measured, and not placeholders.
    measure : callable or None
        Computes the monitors of the network on the validation data.
    plan : theanets.xla.sharding.Plan or None
        The devices among which batches are divided; None for one device.
    best_file : :class:`theanets.storage.BestFile` or None
        Where the network is saved to whenever a validation is the best so far.
    bar : :class:`theanets.trainer.progress.Bar` or None
        The progress bar, which is told what is being done; None if there is none.
    """

    def __init__(self, network, callbacks=None, stop_when=None, checkpoint=None, options=None, is_incremental=False):
        self.network = network
        self.callbacks = read_callbacks(callbacks)
        self.condition = read_condition(stop_when)
        self.condition_text = stop_when if isinstance(stop_when, str) else self.condition and _describe(stop_when)
        self.checkpoint = checkpoint
        self.options = options or {}
        self.is_incremental = is_incremental
        self.history = History()
        self.rate = None
        self.stage = 0
        self.outcome = None
        self.yielded = self.resumed = 0
        self.began = time.perf_counter()
        self.is_open = False
        self.is_whole = self.is_measured = True
        self.measure = self.bar = self.plan = self.best_file = None
        self.thread, self.trained = None, frozenset()
        # whether there was a warning that no parameter changes.
        self.has_warned = False
        self._before = None

    # -- beginning and end --------------------------------------------------------------------------------------------

    def __enter__(self):
        with _beginning:
            check_free(self.network)
            self.thread, self.trained = threading.current_thread(), _containers(self.network)
            _open.add(self)
        self._before = self.network._session
        self.is_open = True
        self.network._session = self
        self.network._history = self.history
        self.began = time.perf_counter()
        return self

    def __exit__(self, kind, error, trace):
        if self.outcome is None:
            self.outcome = ENDED if kind is None else LEFT if kind is GeneratorExit else FAILED
            self.history.stop(self.outcome.words)
        self.is_open = False
        _open.discard(self)
        if self.network._session is self:
            before = self._before
            self.network._session = before if before is not None and before.is_open else None
        self.rate = None
        if self.checkpoint is not None:
            self.checkpoint.finish(self)

    def is_done(self):
        """Tell whether the checkpoint is of a finished training; if so, load its result into the network."""
        if self.checkpoint is None or not self.checkpoint.is_done(self.condition_text):
            return False
        self.checkpoint.take_result(self)
        self.outcome = ENDED
        return True

    def result(self, last):
        """Return the result of :meth:`theanets.Network.train`.

        Parameters
        ----------
        last : pair of dicts or None
            The last pair that the trainer has yielded; None if it has yielded none.
        """
        found = self.history.result()
        if found is not None and self.is_whole:
            return found
        if found is None and last is not None and self.is_measured:
            return last
        valid = self.measure()
        train = self.history.figures()[0] or OrderedDict.fromkeys(valid, np.nan)
        self.leaves(valid, True)
        return train, valid

    def see(self, pair):
        """Handle a pair of monitors that a trainer has yielded.

        If the trainer has not added a row to the history itself, add one, and call the callbacks.

        Returns
        -------
        outcome : Outcome or None
            The reason to stop, or None; always None for trainers that handle callbacks and conditions themselves.
        """
        self.yielded += 1
        if len(self.history) - self.resumed >= self.yielded:
            return None
        self.epoch_ends(*pair if isinstance(pair, tuple) and len(pair) == 2 else (pair, None))
        self.outcome = self.ask()
        if self.outcome is not None:
            self.stage_ends(self.outcome)
            util.log(f"training stopped: {self.outcome.words}")
        self.goes_on()
        return self.outcome

    def runs_out(self):
        """End the training as the iterator of training data is exhausted."""
        self.stage_ends(EXHAUSTED)
        util.log(f"training stopped: {EXHAUSTED.words}")

    @property
    def noun(self):
        """What a validation is called: no validation if it is on the training data."""
        return "validation" if self.history.has_validation_data else "evaluation"

    def does(self, what, done=0, count=None):
        """Tell the progress bar, if there is one, what is being done, and how many of the batches are done."""
        if self.bar is not None:
            self.bar.does(what, done, count)

    # -- stages -------------------------------------------------------------------------------------------------------

    def stage_begins(self, rate, monitors):
        """Begin a stage: the training by one trainer, which may be one of several.

        Parameters
        ----------
        rate : :class:`theanets.trainer.schedules.LearningRate`
            The learning rate of the stage.
        monitors : list of str
            Names of the monitors of the stage.
        """
        if isinstance(self.condition, _Threshold):
            self.condition.check(monitors)
        self.stage += 1
        self.outcome = None
        if self.rate is not None and self.rate.is_assigned:
            # a learning rate that the user has assigned applies to all later stages.
            rate.assign(self.rate.value)
        self.rate = rate
        self.began = time.perf_counter()

    def skips_stage(self):
        """Tell whether the checkpoint has completed the next stage; if so, skip it."""
        skips = self.checkpoint is not None and self.checkpoint.stage > self.stage + 1
        self.stage += skips
        return skips

    def stage_ends(self, outcome):
        """End the stage; the network has its best parameters by then."""
        self.outcome = outcome
        self.history.stop(outcome.words, self.stage)

    def leaves(self, validation, is_whole):
        """Set :attr:`theanets.history.History.best`, the validation of the parameters that the network is left with.

        Parameters
        ----------
        validation : dict
            The entry of the history; or the monitors, if there is no entry.
        is_whole : bool
            Whether it is a validation of the network that the user trains, and not of a part of it.
        """
        self.history.best = {"epoch": len(self.history), "stage": max(self.stage, 1), **validation}
        self.is_whole = is_whole

    # -- epochs -------------------------------------------------------------------------------------------------------

    def epoch_begins(self, epoch):
        """Begin an epoch, after ``epoch`` others of the stage: set the scheduled learning rate, and start the clock."""
        if self.rate is not None:
            self.rate.epoch_begins(epoch, self.history)
        self.began = time.perf_counter()

    def validated(self, monitors, again=False):
        """Add a validation to the history; ``again`` replaces the last one, as parameters were changed since.

        Returns
        -------
        entry : dict
            The entry of the history.
        """
        if again:
            return self.history.replace_validation(monitors)
        return self.history.add_validation(self.stage, monitors)

    def epoch_ends(self, train, valid=None):
        """Add a row for the epoch to the history; a validation that follows is added to the row."""
        now = time.perf_counter()
        rate = None if self.rate is None else self.rate.value
        self.history.add(max(self.stage, 1), train, valid, rate, now - self.began)

    def goes_on(self):
        """Restart the clock of an epoch, so that the time of callers and callbacks before it is not included."""
        self.began = time.perf_counter()

    def ask(self):
        """Call the callbacks and check the condition; return the reason to stop, or None to go on."""
        outcome = None
        for callback in self.callbacks:
            result = callback(self.network, self.history)
            if isinstance(result, (bool, np.bool_)) and result and outcome is None:
                outcome = Outcome(f"the callback {_describe(callback)} asked for it", is_done=True)
        if outcome is None and self.condition is not None and self.condition(self.history):
            outcome = Outcome(f"stop_when: {self.condition_text}", is_done=True)
        return outcome
