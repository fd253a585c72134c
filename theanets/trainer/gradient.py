"""Training by gradients."""

import downhill
import numpy as np
import theano

from .. import modes, regularizers, util
from ..layers.context import Context
from .base import Trainer
from .options import COMMON_OPTIONS, check_numbers, get_algorithm, options_of
from .run import Carrier, Run

__all__ = ["DownhillTrainer"]


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
        return super().keywords() | COMMON_OPTIONS | options_of(self.algo)

    def check(self, kwargs):
        super().check(kwargs)
        if not self.network.losses:
            raise util.ConfigurationError("this network has no loss to train by; add one by set_loss()")
        check_numbers(kwargs)
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
        phase = theano.shared(np.asarray(0, "int8"), name="training")
        context = Context(
            mask=self.network.mask_variable() if masked else None,
            states=self.network.carried_variables() if stateful else None,
            training=phase,
        )
        optimizer = self._build_optimizer(kwargs, context)
        options = {key: value for key, value in kwargs.items() if key in COMMON_OPTIONS | options_of(self.algo)}
        if self.algo == "nag":
            options["nesterov"] = True
        # an input that the loss does not depend on is given all the same, as the data has it.
        with modes.used(), theano.change_flags(on_unused_input="ignore"):
            optimizer._compile(**options)
        limits = [int(limit) for limit in (epochs, max_updates) if limit is not None]
        run = Run(optimizer, train, train if valid is None else valid, min(limits, default=None), max_seconds)
        run.phase = phase
        run.statistics = self.network.statistics
        if stateful:
            run.carrier = Carrier(self.network, keep=stateful == "keep")
        try:
            yield from run
        finally:
            self.outcome = run.outcome
