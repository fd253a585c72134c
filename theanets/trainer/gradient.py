"""Training by gradients."""

import contextlib

import downhill
import numpy as np
import theano

from .. import balance, modes, regularizers, schedules, transfer, util
from ..layers.context import Context
from .base import Trainer
from .options import COMMON_OPTIONS, GRADIENT_OPTIONS, check_numbers, get_algorithm, options_of
from .run import Carrier, Run
from .session import Session

__all__ = ["DownhillTrainer"]

#: The learning rate of downhill, where none is given.
DEFAULT_RATE = 1e-4

#: Learning rates that are usual for data of a scale of about 1.
USUAL_RATES = {
    "adagrad": "0.01",
    "adam": "0.001 to 0.01",
    "esgd": "0.001 to 0.01",
    "nag": "0.01 to 0.1",
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
        What the arrays of a batch are values of. Default: the variables of the network.

    Attributes
    ----------
    outcome : Outcome or None
        Why the last training stopped.

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
        self.outcome = None

    def keywords(self):
        return super().keywords() | COMMON_OPTIONS | GRADIENT_OPTIONS | options_of(self.algo)

    def check(self, kwargs):
        super().check(kwargs)
        if not self.network.losses:
            raise util.ConfigurationError("this network has no loss to train by; add one by set_loss()")
        check_numbers(kwargs)
        self._schedule(kwargs)
        if self.network.params and self.has_nothing_to_train(kwargs):
            raise util.ConfigurationError(f"freeze={kwargs['freeze']!r} leaves no parameter to train")
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

    def _schedule(self, kwargs):
        """Make the schedule of the learning rate; None if there is none."""
        if kwargs.get("schedule") is None:
            return None
        schedules.refuse_without(self.algo)
        limits = [kwargs[key] for key in ("epochs", "max_updates") if kwargs.get(key) is not None]
        start = kwargs.get("learning_rate")
        return schedules.build(kwargs["schedule"], DEFAULT_RATE if start is None else start, min(limits, default=None))

    def _log_rate(self, kwargs):
        """Say which learning rate is used, if none was given."""
        # a function makes its own.
        is_given = kwargs.get("learning_rate") is not None or callable(kwargs.get("schedule"))
        if is_given or self.algo in schedules.LearningRate.WITHOUT:
            return
        usual = f"; usual for {self.algo} is {USUAL_RATES[self.algo]}" if self.algo in USUAL_RATES else ""
        util.log(f"learning_rate is not given: {self.algo} uses {DEFAULT_RATE:g}, the default of downhill{usual}")

    def _frozen(self, kwargs):
        """Return the parameters that are not to be trained, as a set."""
        freeze = kwargs.get("freeze")
        if freeze is None:
            return frozenset()
        whole = self.network._whole
        # a stage may lack what the network has.
        layers = self.network.layers if whole is None else [*whole[0], *self.network.layers]
        return frozenset(transfer.select(layers, freeze, "freeze"))

    def has_nothing_to_train(self, kwargs):
        """Tell whether all parameters are frozen."""
        return self._frozen(kwargs).issuperset(self.network.params)

    def _build_optimizer(self, kwargs, context):
        network = self.network
        # resolved once, so that loss, updates and monitors belong to the same graph.
        regs = regularizers.from_kwargs(network, **kwargs)
        for reg in regs:
            reg.log()
        kwargs = dict(kwargs, regularizers=regs, context=context)
        loss = network.loss(**kwargs)
        used = {id(variable) for variable in theano.gof.graph.inputs([loss] if hasattr(loss, "type") else [])}
        # what the loss does not depend on has no gradient, and is left alone.
        params = [param for param in network.params if id(param) in used]
        if not params:
            raise util.ConfigurationError("the loss does not depend on any parameter of the network")
        frozen = self._frozen(kwargs)
        params = [param for param in params if param not in frozen]
        if not params:
            raise util.ConfigurationError(f"freeze={kwargs['freeze']!r} leaves no parameter that the loss depends on")
        outputs, _ = network.build_graph(regs, context)
        final = outputs.context.final_states
        carried = [(variable, final[name]) for name, variable in (context.states or {}).items()]
        inputs = list(self.variables or network.variables)
        return downhill.build(
            self.algo,
            loss=loss,
            updates=[*network.updates(**kwargs), *carried],
            monitors=network.monitors(**kwargs),
            inputs=inputs if context.mask is None else [*inputs, context.mask],
            params=params,
            monitor_gradients=kwargs.get("monitor_gradients", False),
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
            Such as ``downhill.Dataset``. Validation data default to the training data.
        epochs, max_updates : int, optional
            Stop after so many epochs; if both are given, after the smaller number.
        max_seconds : float, optional
            Stop after so many seconds.
        stateful : bool or str, optional
            Carry the state of recurrent layers on from batch to batch. It is reset when an epoch begins, or for
            ``'keep'`` only by :meth:`theanets.Network.reset_state`. Default False.
        masked : bool, optional
            Whether the last array of each batch says which steps of sequences count. Default False.
        **kwargs
            Options of the algorithm, regularizers and monitors.

        Yields
        ------
        train, valid : pair of dicts
            Values of the monitors.
        """
        limits = [int(limit) for limit in (epochs, max_updates) if limit is not None]
        schedule = self._schedule(dict(kwargs, epochs=epochs, max_updates=max_updates))
        start = kwargs.get("learning_rate")
        rate = schedules.LearningRate(self.algo, DEFAULT_RATE if start is None else start, schedule)
        phase = theano.shared(np.asarray(0, "int8"), name="training")
        context = Context(
            mask=self.network.mask_variable() if masked else None,
            states=self.network.carried_variables() if stateful else None,
            training=phase,
            class_weights=balance.resolve(kwargs.get("class_weight"), self.network),
        )
        with self._in_session(kwargs) as session:
            optimizer = self._build_optimizer(kwargs, context)
            session.stage_begins(rate, optimizer._monitor_names)
            if session.stage == 1:
                self._log_rate(kwargs)
            self._compile(optimizer, kwargs, rate)
            run = Run(
                optimizer,
                train,
                train if valid is None else valid,
                min(limits, default=None),
                max_seconds,
                network=self.network,
                session=session,
                rate=rate,
            )
            run.phase = phase
            run.statistics = self.network.statistics
            if stateful:
                run.carrier = Carrier(self.network, keep=stateful == "keep")
            try:
                yield from run
            finally:
                self.outcome = run.outcome

    def _in_session(self, kwargs):
        """Return a context with the session that this training is a part of, or with one of its own."""
        session = self.session or self.network._session
        if session is not None:
            return contextlib.nullcontext(session)
        if kwargs.get("checkpoint") is not None:
            raise util.ConfigurationError("checkpoint=: only train() and itertrain() of a network can keep one")
        return Session(self.network, kwargs.get("callbacks"), kwargs.get("stop_when"))

    def _compile(self, optimizer, kwargs, rate):
        options = {key: value for key, value in kwargs.items() if key in COMMON_OPTIONS | options_of(self.algo)}
        if self.algo == "nag":
            options["nesterov"] = True
        # an input that the loss does not depend on is given all the same, as the data has it.
        with modes.used(), theano.change_flags(on_unused_input="ignore"):
            optimizer._compile(**dict(options, learning_rate=rate.variable))
        rate.attach(optimizer)
