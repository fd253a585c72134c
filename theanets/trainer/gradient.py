"""Training by gradients: the trainer for the algorithms of downhill, such as SGD, RMSProp and Adam."""

import contextlib
import functools
import importlib
import itertools
import operator

import downhill
import numpy as np
import theano

from .. import modes, regularizers, store, util
from ..data import balance
from ..layers import means
from ..layers.context import Context, Values
from ..layers.selection import select, statistics_of
from ..regularizers import changes_parameters
from . import latent, schedules
from .averages import AVERAGES, Averages, check_average
from .base import Trainer
from .checkpoint import inner_dataset
from .compiled import Compiled
from .options import (
    COMMON_OPTIONS,
    DATA_KEYWORDS,
    GRADIENT_OPTIONS,
    LOOP_OPTIONS,
    algorithms,
    defaults_of,
    get_algorithm,
    is_known,
    options_of,
    structure_of,
    takes_all,
)
from .passes import Pass
from .resuming import Trained
from .run import Carrier, Run
from .session import INTERRUPTED, Session

__all__ = ["DownhillTrainer"]

#: Options that limit gradients.
LIMITS = ("max_gradient_elem", "max_gradient_norm", "max_gradient_total_norm")

#: The learning rate of downhill, where none is given.
DEFAULT_RATE = 1e-4

#: Options that compiled functions do not depend on, or whose influence is described by something else.
ELSEWHERE = (LOOP_OPTIONS | GRADIENT_OPTIONS | DATA_KEYWORDS | {"rng"}) - {
    "monitors",
    "monitor_gradients",
    "average",
}

#: Defaults of the options that compiled functions depend on.
DEFAULTS = {"monitors": None, "monitor_gradients": False, "average": AVERAGES[0]}

#: Learning rates that are usual for data of a scale of about 1.
USUAL_RATES = {
    "adagrad": "0.01",
    "adam": "0.001 to 0.01",
    "adamax": "0.002",
    "adamw": "0.001",
    "amsgrad": "0.001",
    "esgd": "0.001 to 0.01",
    "lion": "0.0001",
    "nadam": "0.002",
    "nag": "0.01 to 0.1",
    "nesterov": "0.01 to 0.1",
    "rmsprop": "0.001 to 0.01",
    "rprop": "0.01 to 0.1, for the first steps",
    "sgd": "0.01 to 0.1",
}


class DownhillTrainer(Trainer):
    """Minimize the loss of a network by one of downhill's algorithms.

    Parameters
    ----------
    algo : str
        Name of the algorithm.
    network : :class:`theanets.Network`
        The network to be trained.
    variables : list of theano variables, optional
        The symbolic inputs, one for each array of a batch. Default: the variables of the network.

    Attributes
    ----------
    outcome : Outcome or None
        Why the last training stopped.
    before : Trained or None
        The training that the next one resumes.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([2, 1])
    >>> x = np.array([[0, 1], [1, 0], [1, 1], [0, 0]], "f")
    >>> train, valid = net.train([x, x.sum(axis=1)], algo="sgd", learning_rate=0.1, epochs=3)
    >>> list(train)
    ['loss', 'err']
    """

    def __init__(self, algo, network, variables=None):
        super().__init__(network)
        self.algo = get_algorithm(algo)
        self.variables = variables
        self.outcome = self.before = None

    def keywords(self):
        return super().keywords() | COMMON_OPTIONS | GRADIENT_OPTIONS | options_of(self.algo)

    def check(self, kwargs):
        super().check(kwargs)
        if not self.network.losses:
            raise util.ConfigurationError("this network has no loss to train by; add one by set_loss()")
        check_average(kwargs.get("average"))
        if self.before is not None:
            self.before.check(self.algo, self.network)
        self._schedule(kwargs)
        if self.network.params and self.has_nothing_to_train(kwargs):
            raise util.ConfigurationError(f"freeze={kwargs['freeze']!r} leaves no parameter to train")
        self._check_whole(kwargs)
        stateful = kwargs.get("stateful", False)
        if stateful not in (True, False, "keep"):
            raise util.ConfigurationError(f"stateful={stateful!r}, expected True, False or 'keep'")
        if stateful:
            self.network.initial_state(1)  # refuses networks that carry no state.
            for layer in self.network.layers:
                if layer.initial_sources():
                    raise util.ConfigurationError(
                        f"stateful={stateful!r}: layer {layer.name!r} takes its initial state from "
                        f"{', '.join(layer.initial_sources())}, and cannot go on from the batch before as well"
                    )

    def _check_whole(self, kwargs):
        """Refuse what an algorithm that uses all data in each step cannot do."""
        if not self.takes_all:
            return
        for name in ("batch_size", "accumulate", "average_weights", "momentum", "stateful", *LIMITS):
            if kwargs.get(name) and not (name == "accumulate" and kwargs[name] == 1):
                raise util.ConfigurationError(
                    f"{name}={kwargs[name]!r}: algo={self.algo!r} makes each step by all data at once, by a line "
                    "search, and has no use for it; leave it out"
                )
        changing = [reg for reg in regularizers.from_kwargs(self.network, **kwargs) if changes_parameters(reg)]
        if changing:
            raise util.ConfigurationError(
                f"{type(changing[0]).__name__}: algo={self.algo!r} finds its steps by a line search, which another "
                "change of the parameters after each step would undo; choose another algorithm"
            )

    def _check_data(self, train):
        """Refuse data in several batches for an algorithm that uses all of them in each step."""
        inner = inner_dataset(train) if self.takes_all else None
        if self.takes_all and (inner is None or inner._inputs is None or len(inner._slices) != 1):
            raise util.ConfigurationError(
                f"algo={self.algo!r} makes each step by all data at once: give arrays, not batches of them"
            )

    def _schedule(self, kwargs):
        """Make the schedule of the learning rate; None if there is none."""
        if kwargs.get("schedule") is None:
            return None
        schedules.refuse_without(self.algo)
        limits = [kwargs[key] for key in ("epochs", "max_updates") if kwargs.get(key) is not None]
        if self.before is not None:
            limits = [limit + self.before.epoch for limit in limits]
        start = kwargs.get("learning_rate")
        return schedules.build(kwargs["schedule"], DEFAULT_RATE if start is None else start, min(limits, default=None))

    def _log_rate(self, kwargs):
        """Log which learning rate is used, if none was given."""
        # a schedule that is a function sets the learning rate itself.
        is_given = kwargs.get("learning_rate") is not None or callable(kwargs.get("schedule"))
        if is_given or self.algo in schedules.LearningRate.WITHOUT:
            return
        usual = f"; usual for {self.algo} is {USUAL_RATES[self.algo]}" if self.algo in USUAL_RATES else ""
        util.log(f"learning_rate is not given: {self.algo} uses {DEFAULT_RATE:g}, the default of downhill{usual}")

    def _frozen(self, kwargs):
        """Return the parameters and statistics that are not to be changed, as a set."""
        freeze = kwargs.get("freeze")
        if freeze is None:
            return frozenset()
        whole = self.network._whole
        # the network of a stage may lack some layers of the whole network.
        layers = self.network.layers if whole is None else [*whole[0], *self.network.layers]
        chosen = select(layers, freeze, "freeze")
        return frozenset([*chosen, *statistics_of(layers, chosen)])

    @property
    def takes_all(self):
        """Whether each step of the algorithm uses all training data at once."""
        return takes_all(self.algo)

    @property
    def batch_size(self):
        """Number of examples in a batch if none is asked for; 0 for all of them."""
        return 0 if self.takes_all else super().batch_size

    def _with_defaults(self, kwargs):
        """Return arguments with the defaults of the algorithm, where none are given."""
        given = {key for key, value in kwargs.items() if value is not None}
        return {**kwargs, **{key: value for key, value in defaults_of(self.algo).items() if key not in given}}

    def _changes(self, regs, context):
        """Return functions by which regularizers change parameters after each step; see :mod:`.steps`."""
        found = []
        for reg in regularizers.with_inputs(regs, context):
            if changes_parameters(reg):
                names = {id(param): name for name, param in util.params_matching(self.network.layers, reg.pattern)}
                found.append(Change(reg, names))
        # the ones that restrict parameters to some set come last.
        return sorted(found, key=lambda change: _place(change.reg))

    def _project(self, regs, kwargs):
        """Make the parameters that a training begins with fulfil its constraints, as they may turn out the best."""
        projections = [reg for reg in regs if reg.is_projection and self.before is None]
        if not projections:
            return
        frozen, pure = self._frozen(kwargs), importlib.import_module("theanets.xla.pure")
        for reg in sorted(projections, key=_place):
            for _, param in util.params_matching(self.network.layers, reg.pattern):
                now = param.type()
                new = now if param in frozen else reg.after_step(param, now, 0)
                if new is not now:
                    # computed once, so that compiling a function is not worth while.
                    (value,) = pure.Pure([now], {}, [new])({}, param.get_value())
                    param.set_value(np.asarray(value, param.dtype))

    def has_nothing_to_train(self, kwargs):
        """Tell whether all parameters are frozen."""
        return self._frozen(kwargs).issuperset(self.network.params)

    def _shaping(self, kwargs, draws, masked, stateful):
        """Return everything that compiled functions depend on beside the network and its regularizers, as a dict."""
        network = self.network
        cls = algorithms()[self.algo]
        own = self._algorithm_options(kwargs)
        left_out = {*ELSEWHERE, *own}
        if not network._overridden():
            # no method of a user's class reads the keywords of regularizers, which are described by themselves.
            left_out.update(key for key in kwargs if key.lower() in regularizers.keywords())
        own = {key: value for key, value in own.items() if value or key not in COMMON_OPTIONS}
        rest = {**DEFAULTS, **{key: value for key, value in kwargs.items() if key not in left_out}}
        frozen = self._frozen(kwargs)
        # sorted, so that the order in which options are given makes no difference.
        first = operator.itemgetter(0)
        return dict(
            algorithm=cls,
            variables=list(self.variables or network.variables),
            frozen=[variable for variable in [*network.params, *network.statistics] if variable in frozen],
            options=[sorted(structure_of(cls, own).items(), key=first), sorted(rest.items(), key=first)],
            draws=draws.places,
            weighted=list(kwargs["class_weight"]),
            kind=[bool(masked), bool(stateful), util.FLOAT],
        )

    def _structure(self, shaping, regs, draws):
        """Return the structure (the key in the store) of the training; None if it is not to be stored."""
        # random streams that have been used already give each new graph other numbers; and the code of a user's
        # optimizer is not part of the key.
        is_stored = draws.are_new and is_known(shaping["algorithm"]) and not self.takes_all
        return self.network._structure(regs, **shaping) if is_stored else None

    def _algorithm_options(self, kwargs):
        """Return those arguments that are options of the algorithm."""
        return {key: value for key, value in kwargs.items() if key in COMMON_OPTIONS | options_of(self.algo)}

    def _find(self, description, kwargs, draws, numbers):
        """Return a :class:`Compiled` for a training: that of an earlier training of the same kind, or a new one."""

        def make():
            weights = {
                variable: theano.shared(values, name="class_weights")
                for variable, values in kwargs["class_weight"].items()
            }
            rate = schedules.make_variable(DEFAULT_RATE)
            phase = theano.shared(np.asarray(0, "int8"), name="training")
            return Compiled(rate, phase, weights, draws.streams, Values(numbers))

        # not cached if the layers were made for one stage, or if random streams have been used already.
        if self.network._whole is not None or not draws.are_new:
            return make()
        before = self.before
        if before is not None and before.description == description and before.mode == modes.key():
            return before.compiled
        return self.network._compiled_for(description, make)

    def _regularizers(self, kwargs):
        """Return the regularizers that are asked for, and what layers need in training."""
        return [*regularizers.from_kwargs(self.network, **kwargs), *latent.draws(self.network, kwargs)]

    def _graph(self, kwargs, regs, context):
        """Return the expressions of the loss, the updates and the monitors, and the inputs of a batch."""
        network = self.network
        # resolved once, so that loss, updates and monitors belong to the same graph.
        kwargs = dict(kwargs, regularizers=regs, context=context)
        outputs, _ = network.build_graph(regs, context)
        final = outputs.context.final_states
        carried = [(variable, final[name]) for name, variable in (context.states or {}).items()]
        inputs = list(self.variables or network.variables)
        return (
            network.loss(**kwargs),
            [*network.updates(**kwargs), *carried],
            network.monitors(**kwargs),
            inputs if context.mask is None else [*inputs, context.mask],
        )

    def _build_optimizer(self, kwargs, regs, context):
        network = self.network
        loss, updates, monitors, inputs = self._graph(kwargs, regs, context)
        used = {id(variable) for variable in theano.gof.graph.inputs([loss] if hasattr(loss, "type") else [])}
        # parameters that the loss does not depend on have no gradient, and are not trained.
        params = [param for param in network.params if id(param) in used]
        if not params:
            raise util.ConfigurationError("the loss does not depend on any parameter of the network")
        frozen = self._frozen(kwargs)
        params = [param for param in params if param not in frozen]
        if not params:
            raise util.ConfigurationError(f"freeze={kwargs['freeze']!r} leaves no parameter that the loss depends on")
        optimizer = downhill.build(
            self.algo,
            loss=loss,
            updates=updates,
            monitors=monitors,
            inputs=inputs,
            params=params,
            monitor_gradients=kwargs.get("monitor_gradients", False),
        )
        optimizer.averages = self._averages(optimizer._monitor_names, optimizer._monitor_exprs, inputs, context, kwargs)
        optimizer._monitor_exprs = optimizer.averages.outputs
        return optimizer

    def _averages(self, names, expressions, inputs, context, kwargs):
        """Return the :class:`Averages` that combine the monitors of batches: the loss first, then monitors."""
        examples = self.network.losses[0].size(context.mask)
        # monitors of gradients have the weights of the loss.
        counts = [count for _, count in means.terms(expressions[0]) if count is not None]
        defaults = [counts[0] if counts and name.startswith("grad(") else examples for name in names]
        return Averages(names, expressions, inputs, defaults, kwargs.get("average"))

    def measure(self, valid, stateful=False, masked=False, **kwargs):
        """Compute the loss and the monitors of the network on some data, without training it.

        Parameters
        ----------
        valid : iterable of batches
            The data.
        stateful, masked, **kwargs
            As for :meth:`itertrain`.

        Returns
        -------
        figures : dict
            Values of the loss and of the monitors.
        """
        weights = balance.resolve(kwargs.get("class_weight"), self.network)
        context = self._context(stateful, masked, kwargs, weights)
        regs = self._regularizers(kwargs)
        loss, updates, monitors, inputs = self._graph(kwargs, regs, context)
        names, expressions = zip(("loss", loss), *monitors)
        averages = self._averages(names, expressions, inputs, context, kwargs)
        with modes.used():
            function = theano.function(inputs, averages.outputs, updates=updates, on_unused_input="ignore")
        follow = Carrier(self.network, keep=False).follower() if stateful else None
        session = self.session or self.network._session
        plan = None if session is None else session.plan
        rows = list(itertools.chain.from_iterable(Pass(function, valid, follow=follow, plan=plan).run()))
        return averages(rows)[0] if rows else averages.nothing()

    def _context(self, stateful, masked, kwargs, class_weights, training=None, values=None):
        return Context(
            mask=self.network._mask_variable() if masked else None,
            states=self.network._carried_variables() if stateful else None,
            training=training,
            class_weights=class_weights,
            frozen=self._frozen(kwargs).intersection(self.network.statistics),
            values=values,
        )

    def itertrain(
        self,
        train,
        valid=None,
        epochs=None,
        max_updates=None,
        max_seconds=None,
        stateful=False,
        masked=False,
        **kwargs,
    ):
        """Train, yielding a pair of dicts of monitors after each epoch.

        However the generator ends, the network then holds the parameters with the lowest validation loss.

        Parameters
        ----------
        train, valid : iterable of batches
            The data, such as a ``downhill.Dataset``. Validation data default to the training data.
        epochs, max_updates : int, optional
            Stop after so many epochs; if both are given, after the smaller number.
        max_seconds : float, optional
            Stop after so many seconds.
        stateful : bool or str, optional
            Carry the state of recurrent layers on from batch to batch. It is reset when an epoch begins, or for
            ``'keep'`` only by :meth:`theanets.Network.reset_state`. Default False.
        masked : bool, optional
            Whether the last array of each batch is a mask of padded sequences. Default False.
        **kwargs
            Options of the algorithm, regularizers and monitors.

        Yields
        ------
        train, valid : pair of dicts
            Values of the monitors in this epoch, and in the last validation before it.
        """
        kwargs = self._with_defaults(kwargs)
        self._check_data(train)
        limits = [int(limit) for limit in (epochs, max_updates) if limit is not None]
        schedule = self._schedule(dict(kwargs, epochs=epochs, max_updates=max_updates))
        start = kwargs.get("learning_rate")
        if self.before is not None and self.before.has_schedule(kwargs.get("schedule")):
            schedule = self.before.schedule
            if schedule is not None and start is not None:
                schedule.start = start
        kwargs["class_weight"] = balance.resolve(kwargs.get("class_weight"), self.network)
        regs = self._regularizers(kwargs)
        with util.as_details():
            for reg in regs:
                reg.log()
        draws = regularizers.Draws(regs)
        shaping, numbers = self._shaping(kwargs, draws, masked, stateful), self.network._numbers(regs)
        description = self.network._describe(regs, **shaping)
        with (
            self._in_session(kwargs) as session,
            self._using(lambda: self._find(description, kwargs, draws, numbers)) as compiled,
        ):
            start = DEFAULT_RATE if start is None else start
            rate = schedules.LearningRate(self.algo, start, schedule, compiled.rate)
            context = self._context(stateful, masked, kwargs, compiled.class_weights, compiled.phase, compiled.values)
            compiled.values.set(numbers)
            describe = functools.partial(self._structure, shaping, regs, draws)
            try:
                self._compile(compiled, kwargs, regs, draws, context, rate, session, describe)
            except KeyboardInterrupt:
                # no parameter has been changed yet.
                self.outcome = INTERRUPTED
                session.stage_ends(INTERRUPTED)
                util.log(f"training stopped: {INTERRUPTED.words}")
                return
            self._project(regs, kwargs)
            run = Run(
                compiled.optimizer,
                train,
                train if valid is None else valid,
                min(limits, default=None),
                max_seconds,
                network=self.network,
                session=session,
                rate=rate,
            )
            run.phase = compiled.phase
            run.loops = compiled.loops
            run.statistics = self.network.statistics
            run.weights = self._filling_weights(regs, kwargs, masked, stateful)
            run.before, run.numbers = self.before, numbers
            if self.network._whole is None and session.network is self.network:
                run.memory = Trained(self.algo, session.options, description, compiled, numbers)
            if stateful:
                run.carrier = Carrier(self.network, keep=stateful == "keep")
            try:
                yield from run
            finally:
                self.outcome = run.outcome
                if run.memory is not None:
                    self.network._trained = run.memory

    def _filling_weights(self, regs, kwargs, masked, stateful):
        """Return the positions of the arrays of weights, if rows whose weights are zero make no difference; else none.

        They are the arrays with which :func:`theanets.data.batches.filled_up` fills batches up.
        """
        if masked or stateful or kwargs.get("monitors") or not self.network._ignores_rows_without_weight(regs):
            return frozenset()
        variables = list(self.variables or self.network.variables)
        return frozenset(variables.index(loss._weights) for loss in self.network.losses)

    def _in_session(self, kwargs):
        """Return a context manager with the session that this training is part of, or with a new one."""
        session = self.session or self.network._session
        if session is not None:
            return contextlib.nullcontext(session)
        if kwargs.get("checkpoint") is not None:
            raise util.ConfigurationError("checkpoint=: only train() and itertrain() of a network can keep one")
        return Session(self.network, kwargs.get("callbacks"), kwargs.get("stop_when"))

    @staticmethod
    @contextlib.contextmanager
    def _using(find):
        """Context manager in which a :class:`Compiled` is marked as used, so that no other training takes it."""
        with modes.COMPILING:
            compiled = find()
            compiled.is_used = True
        try:
            yield compiled
        finally:
            compiled.is_used = False
            compiled.release_data()

    def _compile(self, compiled, kwargs, regs, draws, context, rate, session, describe):
        """Compile, unless that is done already, and set the initial or resumed state of the optimizer."""
        options = self._algorithm_options(kwargs)
        options.pop("learning_rate", None)
        if self.algo == "nag":
            options["nesterov"] = True
        rate.variable.set_value(np.asarray(rate.value, rate.variable.dtype))
        for variable, values in kwargs["class_weight"].items():
            compiled.class_weights[variable].set_value(values)
        if compiled.optimizer is None:
            # under a lock, so that a thread that waits for it finds the compiled functions in the store.
            with modes.COMPILING:
                is_new = self._build(compiled, kwargs, regs, draws, context, rate, session, describe, options)
        else:
            is_new = False
            self._begin_stage(compiled.optimizer, rate, session, kwargs)
        rate.attach(compiled.optimizer)
        if self.before is not None:
            self.before.hand_over(compiled)
            compiled.set_options(options)
        elif not is_new:
            compiled.set_options(options)
            compiled.start_anew(rate, draws)

    def _begin_stage(self, optimizer, rate, session, kwargs):
        session.stage_begins(rate, optimizer._monitor_names)
        if session.stage == 1 and self.before is None:
            self._log_rate(kwargs)

    def _build(self, compiled, kwargs, regs, draws, context, rate, session, describe, options):
        """Bind the stored functions of the same structure, or compile; return True if functions were compiled."""
        structure = describe()
        variables = None if structure is None else (structure.variables, list((context.states or {}).values()))
        template = None if structure is None else store.TRAININGS.get(structure.key)
        if template is not None:
            compiled.bind(template, *variables)
            self._begin_stage(compiled.optimizer, rate, session, kwargs)
            return False
        with util.compiling():
            optimizer = self._build_optimizer(kwargs, regs, context)
            self._begin_stage(optimizer, rate, session, kwargs)
            compiled.compile(optimizer, options, draws, self._owned(), self._changes(regs, context))
        template = None if structure is None else compiled.take_template(*variables)
        if template is not None:
            store.TRAININGS.put(structure.key, template)
        return True

    def _owned(self):
        """Return the shared variables that belong to the network."""
        network = self.network
        held = [value for part in [*network.layers, *network.losses] for value in vars(part).values()]
        inner = [item for value in held if isinstance(value, (list, tuple)) for item in value]
        inner += [item for value in held if isinstance(value, dict) for item in value.values()]
        return [
            *network.params,
            *network.statistics,
            *(network._carried or {}).values(),
            *(value for value in [*held, *inner] if isinstance(value, theano.compile.SharedVariable)),
        ]


def _place(reg):
    """Return where a change of parameters comes in the order of all, whatever the order of arguments."""
    return reg.is_projection, getattr(reg, "place", 0)


class Change:
    """What a regularizer makes of parameters after a step.

    Parameters
    ----------
    reg : Regularizer
        The regularizer.
    names : dict
        Names by the identity of the parameters that its pattern matches.

    Attributes
    ----------
    keeps_means : bool
        Whether it leaves means of parameters alone that it has been applied to.
    """

    def __init__(self, reg, names):
        self.reg = reg
        self.names = names
        self.keeps_means = getattr(reg, "keeps_means", True)

    def __call__(self, param, value, rate):
        """Return the next value of a parameter; None if the pattern does not match its name."""
        return self.reg.after_step(param, value, rate) if id(param) in self.names else None
