"""Compiled trainings: an optimizer with its compiled functions, reused by later trainings of the same kind.

All numbers are shared variables rather than constants of the graph: the learning rate, the class weights, the weights
of losses and regularizers, the parameters of the algorithm, the state of the optimizer, and the states of random
streams. A new training resets them; a training that resumes another one keeps them.

A :class:`Template` is a compiled training without shared variables. The store (:mod:`theanets.store`) keeps templates
by the structure of the network; :meth:`Compiled.bind` binds one to the variables of another network.
"""

import copy
import logging
from collections import OrderedDict, deque

import numpy as np
import theano
from theano.gof.link import Container

from .. import modes, regularizers
from ..xla import binding
from .options import prepare, with_inputs
from .steps import extended

__all__ = ["Compiled", "Loops", "Template", "updated"]

#: Attributes of an optimizer that the training loop reads; the updates do not depend on them.
SETTINGS = ("patience", "validate_every", "min_improvement")

#: Number of shapes of data that are remembered, to compile loops only for those that come again.
SEEN = 64

#: Number of loops, for data of different shapes, that are kept for each optimizer.
LOOPS = 8


def _number(variable):
    """Return the serial number of a Theano variable."""
    return int(variable.auto_name.rpartition("_")[2])


class Loops:
    """A cache of compiled epochs (:class:`theanets.xla.epochs.FusedLoop`) by the shapes of the data.

    The data stay on the device until the end of the run.
    """

    def __init__(self):
        self.entries = OrderedDict()
        self.seen = deque(maxlen=SEEN)

    def get(self, key, make, renew, is_passing=False):
        """Return a loop for some data, new or cached; None if the data cannot or should not have one.

        Parameters
        ----------
        key : tuple
            The function, and the properties of the data that the compiled code depends on.
        make : callable
            Makes the loop; returns None if there cannot be one.
        renew : callable
            Puts new data into a cached loop.
        is_passing : bool, optional
            Whether the data are one of many chunks of different sizes, as in ``partial_fit``. A loop is then compiled
            only if the shape has been seen before, as compiling takes longer than one pass. Default False.
        """
        if is_passing and key not in self.entries and key not in self.seen:
            self.seen.append(key)
            if any(other[0] is key[0] for other in self.entries):
                return None
        if key in self.entries:
            self.entries.move_to_end(key)
            loop = self.entries[key]
            if loop is not None:
                renew(loop)
            return loop
        loop = self.entries[key] = make()
        if len(self.entries) > LOOPS:
            self.entries.popitem(last=False)
        return loop

    def give_up(self, loop):
        """Disable a loop that has turned out not to work."""
        for key, entry in self.entries.items():
            if entry is loop:
                self.entries[key] = None

    def release(self):
        """Drop the references to the data."""
        for loop in self.entries.values():
            if loop is not None:
                loop.release()


class Compiled:
    """An optimizer with its functions and variables.

    Parameters
    ----------
    rate : theano shared variable
        The learning rate.
    phase : theano shared variable
        The flag that the graph reads: 1 in training, 0 in validation.
    class_weights : dict
        Shared variables with the weights of classes, by the variables that hold the labels.
    streams : list of symbolic random streams
        The random streams of noise and dropout.
    values : :class:`theanets.layers.context.Values`
        The numbers that the functions take as inputs, such as weights of losses.

    Attributes
    ----------
    optimizer : downhill.Optimizer or None
        The optimizer; None until :meth:`compile` or :meth:`bind`.
    loops : Loops
        The compiled loops over data.
    own, drawn : list of theano shared variables
        The state of the optimizer and of the random streams; and the part of it that validation updates as well.
    is_used : bool
        Whether a training is using this object at the moment.
    """

    def __init__(self, rate, phase, class_weights, streams, values):
        self.rate = rate
        self.phase = phase
        self.class_weights = class_weights
        self.streams = streams
        self.values = values
        self.optimizer = self.options = None
        self.loops = Loops()
        self.is_used = False
        self.own, self.initial, self.drawn = [], [], []
        self.seeds = None

    def compile(self, optimizer, options, draws, known, changes=()):
        """Compile the functions of an optimizer.

        Parameters
        ----------
        optimizer : downhill.Optimizer
            The optimizer.
        options : dict
            Options of the algorithm.
        draws : :class:`theanets.regularizers.Draws`
            The seeds of noise and dropout.
        known : list of theano shared variables
            The variables that belong to the network.
        changes : sequence of callable, optional
            What is made of the parameters after each step, see :func:`theanets.trainer.steps.extended`.
        """
        # all arrays of the data are inputs, including those that the loss does not depend on.
        with (
            modes.used(),
            theano.change_flags(on_unused_input="ignore"),
            with_inputs(optimizer, self.values),
            extended(optimizer, changes),
        ):
            _compile(optimizer, dict(options, learning_rate=self.rate))
        # variables with a lower number than the learning rate were made before the optimizer, and are not part of it;
        # variables of the network may have any number, as unpickled ones do.
        others, first = {id(variable) for variable in known}, _number(self.rate)
        self.own = [
            variable
            for variable in updated(optimizer.f_step, optimizer.f_eval)
            if id(variable) not in others and _number(variable) > first
        ]
        self.initial = [_shortened(variable.get_value()) for variable in self.own]
        in_validation = {id(variable) for variable in updated(optimizer.f_eval)}
        self.drawn = [variable for variable in self.own if id(variable) in in_validation]
        optimizer._best_params = []
        self.seeds, self.optimizer = draws.seeds, optimizer

    def _roles(self, parts, states):
        """Return all shared variables that the functions may use, by their roles.

        Parameters
        ----------
        parts : list of theano shared variables
            The variables of the network, in an order that is the same for all networks of its structure.
        states : list of theano shared variables
            The variables that carry recurrent states on from batch to batch.
        """
        groups = dict(part=parts, state=states, classes=self.class_weights.values(), own=self.own)
        roles = {(kind, place): found for kind, group in groups.items() for place, found in enumerate(group)}
        values = {("value", *key): variable for key, variable in self.values.variables.items()}
        return {"rate": self.rate, "phase": self.phase, **roles, **values}

    def take_template(self, parts, states):
        """Make a template of this training, and bind it to the same variables.

        Parameters
        ----------
        parts, states
            As for :meth:`bind`.

        Returns
        -------
        template : Template or None
            None if the functions use other shared variables as well.
        """
        roles = self._roles(parts, states)
        template = Template.take(self, {id(variable): role for role, variable in reversed(roles.items())})
        if template is not None:
            before, self.initial = self.optimizer, template.initial
            self._attach(template, roles)
            for name in SETTINGS:
                setattr(self.optimizer, name, getattr(before, name))
        return template

    def bind(self, template, parts, states):
        """Use a template that was compiled for another network of the same structure.

        Parameters
        ----------
        template : Template
            The compiled training.
        parts : list of theano shared variables
            The variables of the network, in an order that is the same for all networks of its structure.
        states : list of theano shared variables
            The variables that carry recurrent states on from batch to batch.
        """
        self.own, self.initial = [make(value) for make, value in zip(template.own, template.initial)], template.initial
        self.drawn = [self.own[place] for place in template.drawn]
        self.seeds = template.seeds
        # set_options() sets their values.
        self.values.add({key: 0 for key in template.values if key not in self.values.variables})
        self._attach(template, self._roles(parts, states))

    def _attach(self, template, roles):
        self.streams = [regularizers.StreamStates([self.own[i] for i in places]) for places in template.streams]
        self.optimizer = template.make_optimizer(roles)

    def set_options(self, options):
        """Set the options of the algorithm. Those that the graph depends on must be the same as before."""
        if options == self.options and not logging.getLogger("downhill").isEnabledFor(logging.DEBUG):
            # nothing changes, and nothing is logged.
            return
        # this also logs them.
        self.values.set(prepare(self.optimizer, options, self.rate))
        self.options = options

    def start_anew(self, rate, draws):
        """Reset the state of the optimizer and of the random streams for a new training.

        Parameters
        ----------
        rate : :class:`theanets.schedules.LearningRate`
            The learning rate.
        draws : :class:`theanets.regularizers.Draws`
            The seeds of noise and dropout.
        """
        optimizer = self.optimizer
        optimizer._curr_iter = optimizer._best_iter = 0
        optimizer._best_loss = 1e100
        for variable, value in zip(self.own, self.initial):
            variable.set_value(_whole(value))
        for average, param in zip(optimizer.averages_of_weights or (), optimizer._params):
            average.set_value(param.get_value())
        for steps in rate.steps:
            # step sizes start from the learning rate, as in downhill.
            steps.set_value(np.full_like(steps.get_value(borrow=True), rate.value))
        if draws.seeds != self.seeds:
            draws.start(self.streams)

    def release_data(self):
        """Drop all references to the data of a training that has ended."""
        self.loops.release()
        if self.optimizer is None:
            return
        for function in (self.optimizer.f_step, self.optimizer.f_eval):
            # Theano's own linkers keep intermediate results, which may be views of the data.
            for variable, cell in (getattr(function.fn, "storage_map", None) or {}).items():
                if variable.owner is not None:
                    cell[0] = None

    def release(self):
        """Drop the state of the optimizer; the next new training sets it anyway."""
        for variable in self.own:
            variable.container.storage[0] = None


class Template:
    """A compiled training without shared variables. It holds no parameters and no data.

    Parameters
    ----------
    algorithm : class
        The class of the optimizer.
    step, evaluation : theanets.xla.binding.Unbound
        The training step, and the validation of a batch.
    params : list
        The roles of the trained parameters.
    names : list of str
        Names of the monitors.
    averages : Averages
        Averages the monitors over batches.
    own : list of callable
        Functions that make the variables of the optimizer and of the random streams, given a value.
    initial : list
        The initial values of these variables; arrays of equal numbers are stored as one number.
    drawn : list of int
        Positions of the variables among them that validation updates as well.
    streams : list of lists of int
        Positions of the states of each random stream of noise and dropout.
    seeds : list of int
        The seeds of these streams.
    values : list of tuple
        Keys of the numbers that the functions take as inputs.
    weights : list of int or None
        Positions of the averaged parameters among the variables of the optimizer; None if there are none.
    """

    def __init__(self, algorithm, step, evaluation, *, params, names, averages, own, initial, drawn, streams, **more):
        self.algorithm = algorithm
        self.step = step
        self.evaluation = evaluation
        self.params = params
        self.names = names
        self.averages = averages
        self.own = own
        self.initial = initial
        self.drawn = drawn
        self.streams = streams
        self.seeds = more["seeds"]
        self.values = more["values"]
        self.weights = more["weights"]

    @classmethod
    def take(cls, compiled, roles):
        """Make the template of a training; return None if a function uses a variable that has no role.

        Parameters
        ----------
        compiled : Compiled
            The training.
        roles : dict
            The roles of shared variables, by their ids.
        """
        optimizer, places = compiled.optimizer, {id(variable): place for place, variable in enumerate(compiled.own)}
        streams = [[places.get(id(state)) for state, *_ in stream.state_updates] for stream in compiled.streams]
        if any(place is None for states in streams for place in states):
            return None
        step = binding.Unbound.take(optimizer.f_step, roles)
        evaluation = binding.Unbound.take(optimizer.f_eval, roles)
        if step is None or evaluation is None:
            return None
        weights = optimizer.averages_of_weights
        return cls(
            type(optimizer),
            step,
            evaluation,
            params=[roles[id(param)] for param in optimizer._params],
            names=list(optimizer._monitor_names),
            averages=optimizer.averages.without_expressions(),
            own=[_maker(variable) for variable in compiled.own],
            initial=compiled.initial,
            drawn=[places[id(variable)] for variable in compiled.drawn],
            streams=streams,
            seeds=list(compiled.seeds),
            values=list(compiled.values.variables),
            weights=weights and [places[id(variable)] for variable in weights],
        )

    def make_optimizer(self, variables):
        """Return an optimizer whose functions use given shared variables, which are passed by their roles."""
        # the constructor needs the expression of the loss, which a template does not have.
        optimizer = self.algorithm.__new__(self.algorithm)
        optimizer._params = [variables[role] for role in self.params]
        optimizer._monitor_names = list(self.names)
        optimizer.averages = self.averages
        optimizer.averages_of_weights = self.weights and [variables["own", place] for place in self.weights]
        optimizer.f_step = self.step.bind(variables)
        optimizer.f_eval = self.evaluation.bind(variables)
        optimizer._curr_iter = optimizer._best_iter = 0
        optimizer._best_loss, optimizer._best_params = 1e100, []
        return optimizer


def _compile(optimizer, options):
    """Compile the functions of an optimizer; with averaged weights, validations use these."""
    if not options.get("average_weights"):
        optimizer._compile(**options)
        return
    # first, as it makes the variables of the averages.
    updates = list(optimizer.get_updates(**options))
    outputs, others = optimizer._monitor_exprs, list(optimizer._updates)
    optimizer.f_step = theano.function(
        optimizer._inputs, outputs, updates=[*others, *updates], name=type(optimizer).__name__
    )
    replaced = dict(zip(optimizer._params, optimizer.averages_of_weights))
    values = theano.clone([*outputs, *(value for _, value in others)], replace=replaced)
    outputs = values[: len(outputs)]
    others = [(variable, value) for (variable, _), value in zip(others, values[len(outputs) :])]
    optimizer.f_eval = theano.function(optimizer._inputs, outputs, updates=others, name="evaluation")


def _maker(variable):
    """Return a function that makes a shared variable like a given one, with another value."""
    cls, name, type_ = type(variable), variable.name, variable.type

    def make(value):
        return cls(name=name, type=type_, value=None, strict=None, container=Container(type_, [value], name=name))

    return make


def updated(*functions):
    """Return the shared variables that compiled functions update, in a deterministic order."""
    return list({id(variable): variable for function in functions for variable in binding.updated(function)}.values())


def _shortened(value):
    """Compress an array of equal numbers to a broadcast view of one number; return other values as they are."""
    if isinstance(value, np.ndarray) and value.size and (value == value.flat[0]).all():
        return np.broadcast_to(value.flat[0], value.shape)
    return value


def _whole(value):
    return np.array(value) if isinstance(value, np.ndarray) else copy.deepcopy(value)
