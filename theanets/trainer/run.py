"""One run of an optimizer: the loop over epochs and validations, and the restoring of the best parameters."""

import contextlib
import itertools
import time

import numpy as np

from .. import util, xla
from ..data import sources
from ..data.batches import describe_batches, number_of_batches
from ..xla import processes
from . import standstill
from .compiled import Loops
from .passes import Pass
from .session import DIVERGED, EXHAUSTED, FAILED, INTERRUPTED, LEFT, Outcome

__all__ = ["Run", "Carrier"]


class Run:
    """One run of an optimizer: an iterable of epochs, which restores the best parameters however it ends.

    Parameters
    ----------
    optimizer : downhill.Optimizer
        The optimizer, with its functions compiled.
    train, valid : iterable of batches
        Training and validation data.
    max_epochs : int or None
        Stop after so many epochs. A run that resumes a training, whose epochs count as well, may get a larger limit.
    max_seconds : float or None
        Stop after so many seconds.
    network : :class:`theanets.Network`
        The network that is trained.
    session : Session
        The history, callbacks and checkpoint of the training.
    rate : :class:`theanets.trainer.schedules.LearningRate`
        The learning rate.

    Attributes
    ----------
    epoch : int
        Number of completed epochs.
    validation : dict or None
        The monitors of the last validation on schedule, as they are yielded: that before the last epoch, or earlier.
    validated_epoch : int or None
        Number of completed epochs at that validation.
    pending : Validation or None
        The validation after the last epoch, which has not been evaluated yet.
    best : dict or None
        The validation of the best parameters, as an entry of the history.
    outcome : Outcome or None
        Why the run stopped; None while it goes on.
    phase : theano shared variable or None
        A flag that the graph reads: 1 while parameters are learned, 0 in validations.
    statistics : list of theano shared variables
        Statistics of layers, such as running averages, which are restored together with the parameters.
    carrier : Carrier or None
        Carries the states of recurrent layers on from batch to batch.
    loops : Loops
        Cache of compiled loops over data.
    weights : set of int
        Positions of the arrays of weights, if data may be filled up with rows of zero weight.
    numbers : dict
        Weights of losses and regularizers, by their keys.
    before, memory : Trained or None
        The training that this run resumes, and the object that keeps the state of this one for the next training.
    """

    def __init__(self, optimizer, train, valid, max_epochs, max_seconds, network, session, rate):
        self.optimizer = optimizer
        self.train = train
        self.valid = valid
        self.max_epochs = self.asked_epochs = max_epochs
        self.max_seconds = max_seconds
        self.deadline = None if max_seconds is None else time.monotonic() + max_seconds
        self.network = network
        self.session = session
        self.rate = rate
        self.epoch = 0
        self.validation = self.validated_epoch = None
        # False while an epoch or a validation is under way: a checkpoint cannot resume from such a state.
        self.is_whole = True
        self.outcome = None
        self.phase = self.entered = None
        self.statistics = []
        self.carrier = None
        self.passes = {}
        self.loops = Loops()
        self.weights = frozenset()
        self.before = self.memory = None
        self.numbers = {}
        self.best_loss = np.inf
        self.best = self.best_params = None
        # a validation that has not been compared with the best loss yet, nor counted for the patience.
        self.pending = None
        self.empty = None
        self.best_statistics = []
        self.unvalidated = False

    def __iter__(self):
        checkpoint = self.session.checkpoint
        if checkpoint is not None:
            # outside of the try: an error here must not restore or save anything.
            checkpoint.resume(self)
        if self.before is not None:
            self.before.go_on(self)
        self.optimizer.validation_name = self.session.noun
        self._announce()
        with processes.training() if self.is_distributed else contextlib.nullcontext():
            yield from self._all_epochs()

    @property
    def is_distributed(self):
        """Whether other processes take part in the training."""
        return self.session.plan is not None and self.session.plan.is_distributed

    def _all_epochs(self):
        try:
            yield from self._epochs()
        except KeyboardInterrupt:
            self.outcome = INTERRUPTED
        except sources.Exhausted:
            self.outcome = EXHAUSTED
            if self.best_params is None:
                util.warn(
                    f"the data came to its end in the first {self.session.noun}, so that nothing was learned; "
                    "give data of its own as valid=, or a number of batches as valid_batches=",
                    RuntimeWarning,
                )
            elif not self.epoch:
                util.warn(
                    "there is no batch in the training data, so that nothing was learned; an iterator can be used once "
                    "only, and a function that begins a new one again and again",
                    RuntimeWarning,
                )
        except GeneratorExit:
            self.outcome = LEFT
            raise
        finally:
            self._leave()

    def _announce(self):
        """Log what begins: algorithm, rate and batches."""
        words = [type(self.optimizer).__name__.lower()]
        if self.rate.algo not in self.rate.WITHOUT:
            words.append(f"learning rate {self.rate.value:g}")
        where = "" if self.session.history.has_validation_data else " on the training data"
        write = util.detail if self.session.is_incremental else util.log
        write(
            f"training by {', '.join(words)}: {describe_batches(self.train)}; "
            f"{self.session.noun}{where} {_every(self.optimizer.validate_every)}"
        )

    def _epochs(self):
        while self.outcome is None:
            self.session.goes_on()
            if self.max_epochs is not None and self.epoch >= self.max_epochs:
                words = f"{util.number_of(self.epoch, 'epoch')} {'is' if self.epoch == 1 else 'are'} done"
                self.outcome = Outcome(words, is_final=False, is_limit=True)
                return
            # a resumed training, of which the patience had run out, has been validated already.
            if (self._is_due() and self.validated_epoch != self.epoch) or self.best_params is None:
                if not self.passes:
                    # the training loop is compiled in the background while the first validation is compiled and run.
                    self._pass(self.optimizer.f_step, self.train).compile_beside()
                self._validate()
                if self.outcome not in (None, DIVERGED):
                    return
            self.session.epoch_begins(self.epoch)
            before = standstill.remember(self)
            training, is_complete = self._learn()
            standstill.warn_if_unmoved(self, before, training["loss"])
            self.epoch += 1
            self.optimizer._log(training, self.epoch)
            self.session.epoch_ends(training)
            is_finite = self._is_finite(training)
            self.is_whole = is_complete and self.outcome is not DIVERGED and is_finite
            self._look_ahead()
            outcome = self._ask()
            self.outcome = self.outcome or outcome
            yield training, self.validation
            if self.outcome is None and self.pending is not None and not self.pending.is_past:
                # the caller may have changed the parameters meanwhile: they are validated again.
                self._look_ahead()
            if self.outcome is not DIVERGED and not is_finite:
                self._diverges(training, "training")
            if self.outcome is None and self.session.checkpoint is not None:
                self.session.checkpoint.epoch_ends(self)

    def _ask(self):
        """Call the callbacks, and return the reason to stop: that of the first process that has one."""
        outcome = self.session.ask()
        if not self.is_distributed:
            return outcome
        found = processes.together(outcome and [outcome.words, outcome.is_final, outcome.is_done, outcome.is_limit])
        return next((Outcome(*item) for item in found if item is not None), None)

    def _is_late(self):
        """Tell whether the time is up, by the clock of the first process."""
        if self.deadline is None:
            return False
        is_late = time.monotonic() >= self.deadline
        return processes.decide(is_late) if self.is_distributed else is_late

    def _is_due(self):
        return self.epoch % self.optimizer.validate_every == 0

    def _learn(self):
        """Make one pass over the training data; return the monitors, and whether the pass was complete."""
        self.unvalidated = True
        self.is_whole = False
        if self.pending is not None:
            self.pending.is_past = True
        values, is_complete = [], False
        self._enter_phase(1)
        try:
            self.session.does("training")
            for some in self._pass(self.optimizer.f_step, self.train).run(self.deadline):
                values.extend(some)
                self.session.does("training", len(values), number_of_batches(self.train))
                if self._is_late():
                    self.outcome = self._out_of_time()
                    break
            if getattr(self.optimizer, "has_converged", False):
                self.outcome = self.outcome or Outcome("the algorithm has converged", is_done=True)
            is_complete = self.outcome is None or len(values) == getattr(self.train, "iteration_size", None)
        except sources.Exhausted:
            # the batches that came before the end still make an epoch.
            if not values:
                raise
            self.outcome = EXHAUSTED
        return self._figures(values), is_complete

    def _enter_phase(self, value):
        # only when it changes, as a value that is set has to be sent to the device again.
        if self.phase is not None and value != self.entered:
            self.phase.set_value(np.asarray(value, self.phase.dtype))
            self.entered = value

    def _evaluate(self):
        """Compute the monitors on the validation data."""
        self._enter_phase(0)
        self.session.does(self.session.noun)
        with self.carrier.aside() if self.carrier else contextlib.nullcontext():
            batches = self._pass(self.optimizer.f_eval, self.valid, reset=True).run()
            return self._figures(list(itertools.chain.from_iterable(batches)))

    def _pass(self, function, dataset, reset=None):
        # kept from epoch to epoch, as a pass may hold the data on the device.
        key = id(function), id(dataset)
        if key not in self.passes:
            follow = None if self.carrier is None else self.carrier.follower(reset)
            plan = self.session.plan
            self.passes[key] = Pass(
                function, dataset, self.loops, self.session.is_incremental, follow, self.weights, plan
            )
            if plan is not None and function is self.optimizer.f_step:
                util.log(f"devices: each batch is divided among {self.passes[key].words()}")
        return self.passes[key]

    def _out_of_time(self):
        words = util.number_of(self.max_seconds, "second")
        return Outcome(f"{words} {'has' if self.max_seconds == 1 else 'have'} passed")

    def _figures(self, values):
        figures, is_empty = self.optimizer.averages(values)
        if is_empty:
            self.empty = figures
        return figures

    def _is_finite(self, monitors):
        """Tell whether a loss is finite; True also if it is not a number because all weights in the data are zero."""
        return bool(np.isfinite(monitors["loss"])) or monitors is self.empty

    def _look_ahead(self):
        """Validate right after an epoch, if it is due; patience and best loss are updated before the next epoch."""
        if not self._is_due():
            return
        is_whole, self.is_whole = self.is_whole, False
        try:
            self._validated()
        except KeyboardInterrupt:
            self.outcome = self.outcome or INTERRUPTED
        except sources.Exhausted:
            self.outcome = self.outcome or EXHAUSTED
        else:
            self.is_whole = is_whole

    def _validated(self):
        """Return a validation of the current parameters: the pending one if they have not changed, or a new one."""
        pending = self.pending
        is_of_now = pending is not None and pending.epoch == self.epoch
        if is_of_now and pending.holds():
            return pending
        monitors = self._evaluate()
        # callbacks and callers may have changed the parameters since the epoch.
        entry = self.session.validated(monitors, again=is_of_now and not pending.is_past)
        self.pending = self._keep(monitors, entry)
        return self.pending

    def _keep(self, monitors, entry):
        averages = self.optimizer.averages_of_weights
        return Validation(self.epoch, monitors, entry, [*self.optimizer._params, *self.statistics], averages or ())

    def _validate(self):
        """Validate on schedule, and stop if patience has run out."""
        self.is_whole = False
        validation = self._validated()
        monitors = validation.monitors
        if self.optimizer._test_patience(monitors) and not self.session.is_incremental:
            count = util.number_of(self.optimizer._curr_iter - self.optimizer._best_iter, self.session.noun)
            every = self.optimizer.validate_every
            words = f"patience has run out: {count} without improvement, one {_every(every)}"
            self.outcome = Outcome(words, is_final=False, is_done=True)
        self._note(validation)
        if not self._is_finite(monitors):
            self._diverges(monitors, self.session.noun)
        self.validation, self.validated_epoch = monitors, self.epoch
        self.is_whole = self.outcome is not DIVERGED

    def _note(self, validation):
        """Remember the validated parameters if they are the best so far."""
        self.unvalidated = False
        loss = validation.monitors["loss"]
        is_better = np.isfinite(loss) and loss < self.best_loss
        # the first parameters are remembered even if their loss is NaN, as there are no others to restore.
        if is_better or self.best_params is None:
            count = len(self.optimizer._params)
            self.best_params, self.best_statistics = validation.values[:count], validation.values[count:]
            self.best = dict(validation.entry)
        if is_better:
            self.best_loss = loss
            self._save_best(validation)

    def _save_best(self, validation):
        """Save the network with the parameters of a validation, if that is asked for."""
        best_file = self.session.best_file
        # the parameters that training begins with need no file.
        if best_file is None or not validation.epoch or not self._trains_whole_network():
            return
        variables = validation.variables
        now = [variable.get_value() for variable in variables]
        if not validation.holds() or self.optimizer.averages_of_weights:
            xla.assign(zip(variables, validation.values))
            try:
                best_file.save()
            finally:
                xla.assign(zip(variables, now))
        else:
            best_file.save()

    def forget_best(self):
        """Reset the best loss and parameters, so that the next validation is the best one so far."""
        self.best_loss, self.best, self.best_params, self.best_statistics = np.inf, None, None, []
        self.pending = None
        self.optimizer._best_loss, self.optimizer._best_iter = 1e100, self.optimizer._curr_iter
        self.validated_epoch = None

    def _diverges(self, monitors, which):
        self.outcome = DIVERGED
        util.warn(
            f"the {which} loss is {monitors['loss']}: training stops, and the best parameters so far are restored; "
            "a smaller learning_rate, or max_gradient_norm, may help",
            RuntimeWarning,
        )

    def _restores_best(self):
        """Tell whether to restore the best parameters at the end, rather than to keep the last ones."""
        return not self.session.is_incremental or self.outcome is DIVERGED

    def _averaged(self):
        """Return the averaged parameters of the last epoch, and the statistics; None if there is no average."""
        averages = self.optimizer.averages_of_weights
        return None if not averages else xla.read([*averages, *self.statistics])

    def _leave(self):
        """End the run: validate the last parameters if necessary, and restore the best ones."""
        failed = self.outcome is None
        # an error that is being raised already must not be hidden by errors of the validation, which it may well cause.
        unwanted = (Exception, KeyboardInterrupt) if failed else (sources.Exhausted, KeyboardInterrupt)
        try:
            if self.is_whole and self.session.checkpoint is not None:
                self.session.checkpoint.leave(self)
            if self.memory is not None and self.outcome is not DIVERGED:
                with contextlib.suppress(*unwanted) if failed else contextlib.nullcontext():
                    self.memory.leave(self)
            # without a complete epoch, the initial parameters may not have been validated yet.
            is_wanted = self.unvalidated and not self.session.is_incremental
            if is_wanted or self.best_params is None and not failed:
                with contextlib.suppress(*unwanted):
                    validation = self._validated()
                    best = " *" if validation.monitors["loss"] < self.best_loss else ""
                    self.optimizer._log(validation.monitors, self.optimizer._curr_iter, "final validation", best)
                    self._note(validation)
        finally:
            is_restored = self.best_params is not None and self._restores_best()
            if self.is_distributed and self.outcome not in (None, LEFT):
                # no process leaves while others may still wait for it.
                with contextlib.suppress(processes.LostError, KeyboardInterrupt):
                    processes.agree(None)
            left = [*self.best_params, *self.best_statistics] if is_restored else self._averaged()
            if left is not None:
                # all under one lock, as other threads may be using the network.
                xla.assign(zip([*self.optimizer._params, *self.statistics], left))
            if self.memory is not None:
                self.memory.settle(left)
            self.outcome = self.outcome or FAILED
            self.session.stage_ends(self.outcome)
            self.session.leaves(self.best or self.optimizer.averages.nothing(), self._trains_whole_network())
            write = util.detail if self.session.is_incremental else util.log
            best = (
                "best validation loss" if self.session.history.has_validation_data else "best loss on the training data"
            )
            write(f"training stopped: {self.outcome.words}; {best} {self.best_loss:.6f}")

    def _trains_whole_network(self):
        """Tell whether this run trains the whole network of the user, and not a part of it, as in pretraining."""
        whole, user = self.network._whole, self.session.network
        return whole is None or whole[0] == self.network.layers or self.network is not user


def _every(epochs):
    return "after each epoch" if epochs == 1 else f"every {epochs} epochs"


class Validation:
    """The monitors of a validation, and the values of the parameters that were validated.

    Parameters
    ----------
    epoch : int
        Number of completed epochs.
    monitors : dict
        Values of the monitors.
    entry : dict
        Their entry in the history.
    variables : list of theano shared variables
        Parameters and statistics.
    averages : sequence of theano shared variables, optional
        Averaged parameters, which are validated in the place of the first variables. Default: there are none.

    Attributes
    ----------
    values : list of ndarray
        The values that were validated.
    is_past : bool
        Whether another epoch has been trained since.
    """

    def __init__(self, epoch, monitors, entry, variables, averages=()):
        self.epoch = epoch
        self.is_past = False
        self.monitors = monitors
        self.entry = entry
        self.variables = variables
        self.seen = [variable.get_value() for variable in variables]
        self.values = [*(variable.get_value() for variable in averages), *self.seen[len(averages) :]]
        self.stored = [variable.container.storage[0] for variable in variables]

    def holds(self):
        """Tell whether the variables still have the validated values, as callers and callbacks may change them."""
        return all(map(self._is_same, self.variables, self.stored, self.seen))

    @staticmethod
    def _is_same(variable, stored, value):
        # JAX arrays are immutable, so that the same object has the same values; NumPy arrays may be changed in place.
        if variable.container.storage[0] is stored and not isinstance(stored, np.ndarray):
            return True
        return np.array_equal(variable.get_value(), value, equal_nan=True)


class Carrier:
    """Carries the states of recurrent layers on from batch to batch.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network that is trained.
    keep : bool
        Whether states are also carried on from epoch to epoch.
    """

    def __init__(self, network, keep):
        self.network = network
        self.keep = keep

    def follower(self, reset=None):
        """Return a function that resets the states, or checks their length, before a batch.

        It is the argument ``follow`` of :class:`theanets.trainer.passes.Pass`.

        Parameters
        ----------
        reset : bool, optional
            Whether each pass begins with initial states. Default: unless states are carried on from epoch to epoch.
        """
        reset = not self.keep if reset is None else reset

        def follow(count, is_first):
            length = self.network._carried_length()
            if reset and is_first or length in (None, 0):
                self.network.reset_state(count)
            elif length != count:
                raise util.DataError(
                    f"stateful training: a batch of {count} sequences follows one of {length}; all batches must have "
                    "the same sequences"
                )

        return follow

    @contextlib.contextmanager
    def aside(self):
        """Context manager that restores the states at its end, for validations within a training."""
        variables = self.network._carried_variables().values()
        values = [variable.get_value() for variable in variables]
        try:
            yield
        finally:
            for variable, value in zip(variables, values):
                variable.set_value(value)
