r"""Schedules: how the learning rate changes from epoch to epoch.

``train(..., learning_rate=0.01, schedule="cosine")`` asks for one by name, and ``schedule=dict(form="step", every=20,
factor=0.1)`` gives it options, too. With :math:`r_0` for ``learning_rate`` and e for the number of epochs that are
done, the learning rate is

===============  ===========================================================================================
``step``         :class:`Step`: :math:`r_0 f^{\lfloor e / n \rfloor}`, less by a factor every n epochs
``exponential``  :class:`Exponential`: :math:`r_0 f^e`, less by a factor each epoch
``cosine``       :class:`Cosine`: from :math:`r_0` down along half a cosine wave
``plateau``      :class:`Plateau`: less by a factor whenever validation has stopped improving
===============  ===========================================================================================

A function does as well: it is called with the number of epochs that are done and, if it takes two arguments, the
:class:`history <theanets.trainer.history.History>`, before each epoch. It returns the learning
rate; None leaves it as it is. Nothing is compiled anew.

>>> import numpy as np
>>> import theanets
>>> net = theanets.Regressor([2, 1])
>>> data = [np.eye(2), np.ones(2)]
>>> pair = net.train(data, algo="sgd", learning_rate=0.1, schedule=dict(form="step", every=2, factor=0.5), epochs=5)
>>> net.history["learning_rate"]
[0.1, 0.1, 0.05, 0.05, 0.025]
>>> pair = net.train(data, algo="sgd", schedule=lambda epoch: 0.1 / (1 + epoch), epochs=3)
>>> [round(rate, 3) for rate in net.history["learning_rate"]]
[0.1, 0.05, 0.033]

To add one, subclass :class:`Schedule`; its lower-cased name can then be asked for.
"""

import inspect

import numpy as np
import theano

from .. import arguments, util

__all__ = ["Schedule", "Step", "Exponential", "Cosine", "Plateau", "LearningRate", "build"]


class Schedule(util.Registrar("Root", (), {"_kind": "schedule"})):  # type: ignore[misc]
    """Base class of schedules.

    Notes
    -----
    A subclass defines :meth:`rate`. Its options are the arguments of its constructor.

    Attributes
    ----------
    start : float
        The learning rate that training was given. It is set when training begins.
    epochs : int or None
        How many epochs training was asked for. It is set when training begins.

    Examples
    --------
    >>> class Inverse(Schedule):
    ...     def rate(self, epoch, history):
    ...         return self.start / (1 + epoch)
    >>> build("inverse", 0.1)(4, None)
    0.02
    """

    start = 1e-4
    epochs = None

    def __init__(self, **unknown):
        arguments.refuse(unknown, arguments.named_parameters(type(self)), f"schedule {type(self).__name__}")

    def __repr__(self):
        return arguments.show_call(self)

    def check(self):
        """Refuse options that do not fit the training that the schedule is for."""

    def rate(self, epoch, history):
        """Return the learning rate.

        Parameters
        ----------
        epoch : int
            How many epochs are done, in this stage of the training.
        history : :class:`theanets.trainer.history.History`
            What has happened so far.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define rate()")

    def __call__(self, epoch, history):
        return self.rate(epoch, history)

    def _number(self, name, value, low, high=np.inf, is_int=False):
        """Return an option that must be a number above ``low``, and not above ``high``."""
        right = util.is_int(value) if is_int else util.is_real(value)
        if not right or not low < value <= high:
            kind = "an integer" if is_int else "a number"
            limits = f"above {low:g}" + (f" and at most {high:g}" if high < np.inf else "")
            raise util.ConfigurationError(f"schedule {type(self).__name__}: {name}={value!r}, expected {kind} {limits}")
        return value

    def _lowest(self, value):
        if not util.is_real(value) or not 0 <= value < np.inf:
            raise util.ConfigurationError(
                f"schedule {type(self).__name__}: lowest={value!r}, expected a learning rate of 0 or more"
            )
        return value


class Step(Schedule):
    r"""Lower the learning rate by a factor every few epochs: :math:`r_0 f^{\lfloor e / n \rfloor}`.

    Parameters
    ----------
    every : int, optional
        The number n of epochs between steps. Default 10.
    factor : float, optional
        The factor f. Default 0.5.
    """

    def __init__(self, every=10, factor=0.5, **unknown):
        super().__init__(**unknown)
        self.every = self._number("every", every, 0, is_int=True)
        self.factor = self._number("factor", factor, 0)

    def rate(self, epoch, history):
        return self.start * self.factor ** (epoch // self.every)


class Exponential(Schedule):
    r"""Lower the learning rate by a factor after each epoch: :math:`r_0 f^e`.

    Parameters
    ----------
    factor : float, optional
        The factor f. Default 0.95.
    """

    def __init__(self, factor=0.95, **unknown):
        super().__init__(**unknown)
        self.factor = self._number("factor", factor, 0)

    def rate(self, epoch, history):
        return self.start * self.factor**epoch


class Cosine(Schedule):
    r"""Lower the learning rate along half a cosine wave, and begin again.

    .. math:: r_{min} + \frac{1}{2} (r_0 - r_{min}) \left(1 + \cos \frac{\pi e'}{T}\right)

    where :math:`e'` is the number of epochs since the wave began, and T its length.

    Parameters
    ----------
    period : int, optional
        The length T of the first wave in epochs. Default: the ``epochs`` of the training. A training that is going to
        be continued beyond these should give the period, as it would otherwise depend on where training was cut.
    lowest : float, optional
        The learning rate :math:`r_{min}` that the wave falls to. Default 0.
    growth : float, optional
        How many times as long each wave is as the one before it. Default 1.

    Notes
    -----
    I Loshchilov, F Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
    https://arxiv.org/abs/1608.03983
    """

    def __init__(self, period=None, lowest=0.0, growth=1.0, **unknown):
        super().__init__(**unknown)
        self.period = None if period is None else self._number("period", period, 0, is_int=True)
        self.lowest = self._lowest(lowest)
        self.growth = growth
        if not util.is_real(growth) or not 1 <= growth < np.inf:
            raise util.ConfigurationError(f"schedule Cosine: growth={growth!r}, expected a number of 1 or more")

    def check(self):
        if self.period is None and not self.epochs:
            raise util.ConfigurationError(
                "schedule Cosine: the length of its wave is not known; give epochs= to train(), or a period, as in "
                "schedule=dict(form='cosine', period=50)"
            )

    def rate(self, epoch, history):
        length = float(self.period or self.epochs)
        while epoch >= length:
            epoch -= length
            length *= self.growth
        return float(self.lowest + (self.start - self.lowest) * (1 + np.cos(np.pi * epoch / length)) / 2)


class Plateau(Schedule):
    """Lower the learning rate by a factor whenever the validation loss has stopped improving.

    Parameters
    ----------
    factor : float, optional
        The factor. Default 0.5.
    patience : int, optional
        How many validations in a row may fail to improve on the best loss. The next failure lowers the learning rate,
        and the count begins again. Default 1. It should be less than the ``patience`` of the training, 5, which ends
        it.
    min_improvement : float, optional
        The gain, relative to the best loss, that counts as an improvement. Default 0.
    lowest : float, optional
        The learning rate never falls below. Default 0.
    """

    def __init__(self, factor=0.5, patience=1, min_improvement=0.0, lowest=0.0, **unknown):
        super().__init__(**unknown)
        self.factor = self._number("factor", factor, 0, 1)
        self.patience = self._number("patience", patience, -1, is_int=True)
        self.min_improvement = self._number("min_improvement", min_improvement, -1)
        self.lowest = self._lowest(lowest)

    def rate(self, epoch, history):
        # computed from the history alone, so that a resumed training continues exactly.
        rate, best, failures = self.start, None, 0
        for loss in history.validation_losses():
            if best is None or best - loss > abs(best) * self.min_improvement:
                best, failures = loss, 0
            else:
                failures += 1
            if failures > self.patience:
                rate, failures = max(rate * self.factor, min(self.lowest, rate)), 0
        return rate


class _Function(Schedule):
    """A schedule that calls a user's function."""

    def __init__(self, function):
        self.function = function
        self.takes_history = _takes_history(function)

    def rate(self, epoch, history):
        return self.function(epoch, history) if self.takes_history else self.function(epoch)


def _takes_history(function):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        # some functions written in C have no signature.
        return False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = sum(p.default is p.empty for p in places)
    if needed > 2 or not places and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise util.ConfigurationError(
            f"schedule={function!r}: expected a function of the number of epochs that are done, or of that and the "
            "history"
        )
    return needed == 2 or len(places) > 1 and places[1].name == "history"


def build(spec, start=1e-4, epochs=None):
    """Make a schedule.

    Parameters
    ----------
    spec : str, dict, callable, Schedule or None
        The name of a schedule; a dict with the name as ``form``, and options; a function; a schedule; or None for none.
    start : float, optional
        The learning rate to start from. Default 1e-4.
    epochs : int, optional
        How many epochs there are going to be.

    Returns
    -------
    schedule : Schedule or None

    Raises
    ------
    ConfigurationError
        If there is no such schedule, or for options that it does not have.
    """
    if spec is None:
        return None
    if isinstance(spec, str):
        schedule = Schedule.build(spec)
    elif isinstance(spec, dict):
        options = dict(spec)
        form = options.pop("form", None)
        if not isinstance(form, str):
            raise util.ConfigurationError(f"schedule={spec!r}: expected a name as 'form', such as dict(form='step')")
        schedule = Schedule.build(form, **options)
    elif isinstance(spec, Schedule):
        schedule = spec
    elif callable(spec):
        schedule = _Function(spec)
    else:
        raise util.ConfigurationError(
            f"schedule={spec!r}, expected a name ({', '.join(sorted(set(Schedule._registry) - {'schedule'}))}), "
            "a dict with a name as 'form', or a function"
        )
    schedule.start, schedule.epochs = start, epochs
    schedule.check()
    return schedule


class LearningRate:
    """The learning rate of a training that is going on.

    The compiled functions read it from a shared variable, so that it can be changed at any time.

    Parameters
    ----------
    algo : str
        The algorithm of downhill.
    value : float
        What it starts from.
    schedule : Schedule, optional
        How it changes.
    variable : theano shared variable, optional
        What the updates are computed with. Default: a new one.
    """

    #: Algorithms that find the size of their steps without one.
    WITHOUT = frozenset(["adadelta", "lbfgs"])

    def __init__(self, algo, value=1e-4, schedule=None, variable=None):
        self.algo = algo
        self.value = self.start = value
        self.schedule = schedule
        self.variable = make_variable(value) if variable is None else variable
        self.steps = []
        self.is_assigned = False

    def attach(self, optimizer):
        """Find the step sizes that an optimizer with compiled functions derives from the learning rate."""
        self.steps = steps_of(optimizer) if self.algo == "rprop" else []

    def assign(self, value):
        """Change the learning rate, which ends its schedule.

        Raises
        ------
        ConfigurationError
            If the value is not a number, or if the algorithm has no learning rate.
        """
        self._set(value, "learning_rate")
        self.is_assigned = True
        if self.schedule is not None:
            util.log(f"the learning rate is set to {value:g} from outside, which ends its schedule")
            self.schedule = None

    def epoch_begins(self, epoch, history):
        """Set the learning rate to the value of the schedule, if there is one."""
        if self.schedule is None:
            return
        value = self.schedule(epoch, history)
        if value is not None:
            self._set(value, f"schedule {getattr(self.schedule, 'function', self.schedule)!r}: learning rate")

    def _set(self, value, where):
        value = float(value) if isinstance(value, np.ndarray) and value.ndim == 0 else value
        check_rate(value, where)
        refuse_without(self.algo)
        value = float(value)
        if value == self.value:
            return
        for steps in self.steps:
            old = steps.get_value()
            steps.set_value(old * old.dtype.type(value / self.value) if self.value else np.full_like(old, value))
        self.variable.set_value(np.asarray(value, self.variable.dtype))
        self.value = value

    def state(self):
        """Return the state as a dict, for a checkpoint."""
        return {"value": self.value, "start": self.start, "is_assigned": self.is_assigned}

    def restore(self, state):
        """Set the state to that of a checkpoint, unless training is now asked to start from another learning rate."""
        asked, self.value = self.value, state["value"]
        self.variable.set_value(np.asarray(self.value, self.variable.dtype))
        if state["start"] != self.start:
            if self.algo not in self.WITHOUT:
                self._set(asked, "learning_rate")
                util.log(
                    f"the learning rate is {self.value:g} from here on, as training is asked for with another one; the "
                    f"training so far was asked for with {state['start']:g}"
                )
            return
        self.is_assigned = state["is_assigned"]
        if self.is_assigned:
            self.schedule = None


def make_variable(value):
    """Return a shared variable for a learning rate."""
    return theano.shared(np.asarray(value, util.FLOAT), name="learning_rate")


def steps_of(optimizer):
    """Return the shared variables of rprop's step sizes, which start as the learning rate and are then adapted."""
    names = {f"{param.name}_step" for param in optimizer._params}
    params = {id(param) for param in optimizer._params}
    return [v for v in optimizer.f_step.get_shared() if v.name in names and id(v) not in params]


def check_rate(value, where):
    """Refuse a learning rate that is not a finite number."""
    if not util.is_real(value) or not np.isfinite(value):
        raise util.ConfigurationError(f"{where}={value!r}, expected a finite number")


def refuse_without(algo):
    """Refuse algorithms that have no learning rate."""
    if algo in LearningRate.WITHOUT:
        raise util.ConfigurationError(f"algo={algo!r} finds the size of its steps itself, and uses no learning rate")
