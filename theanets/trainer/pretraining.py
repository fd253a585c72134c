"""Training in several stages, of growing parts of a network."""

import contextlib
import copy
import threading
import time

from .. import layers, regularizers, util, xla
from ..layers.selection import variables_of
from .base import Trainer
from .gradient import DownhillTrainer
from .options import get_algorithm
from .session import INTERRUPTED

__all__ = ["SupervisedPretrainer", "UnsupervisedPretrainer"]


class SupervisedPretrainer(Trainer):
    """Train one hidden layer after the other, and then the whole network.

    In each stage but the last, the network ends after one of its hidden layers, with a temporary output layer on top.
    All parameters of the stage are trained. An autoencoder in which each decoding layer is tied to an encoding one
    grows from the outside instead: each stage decodes by temporary tied layers.

    While a stage is trained, ``network.layers`` and ``network.losses`` are those of the stage, for the thread that
    trains; other threads see, and predict with, the whole network. They are restored in any case. Limits and patience
    apply to each stage, ``max_seconds`` to all of them together.

    Parameters
    ----------
    algo : str
        The algorithm of downhill to use.
    network : :class:`theanets.Network`
        The network to be trained.

    Notes
    -----
    Y Bengio, P Lamblin, D Popovici, H Larochelle, "Greedy Layer-Wise Training of Deep Networks", NIPS 2006
    """

    def __init__(self, algo, network):
        super().__init__(network)
        self.algo = get_algorithm(algo)

    @property
    def batch_size(self):
        """Number of examples in a batch if none is asked for: what the algorithm of the stages has."""
        return DownhillTrainer(self.algo, self.network).batch_size

    def keywords(self):
        return DownhillTrainer(self.algo, self.network).keywords()

    def check(self, kwargs):
        DownhillTrainer(self.algo, self.network).check(kwargs)

    def itertrain(self, train, valid=None, max_seconds=None, **kwargs):
        """Train stage by stage, yielding a pair of dicts of monitors after each epoch."""
        network = self.network
        variables = network.variables
        deadline = None if max_seconds is None else time.monotonic() + max_seconds
        has_trained = False
        for stage in [*self._stages(), network.layers]:
            try:
                with self._staged(stage):
                    trainer = DownhillTrainer(self.algo, network, variables)
                    trainer.session = self.session
                    if not network.losses or trainer.has_nothing_to_train(kwargs):
                        continue
                    if self.session is not None and self.session.skips_stage():
                        continue
                    util.log(f"training the stage {' '.join(layer.name for layer in network.layers)}")
                    seconds = None if deadline is None else max(0, deadline - time.monotonic())
                    epochs = trainer.itertrain(train, valid, max_seconds=seconds, **kwargs)
                    with contextlib.closing(epochs):
                        for monitors in epochs:
                            try:
                                yield monitors
                            finally:
                                # another thread may be the one that goes on.
                                network._stage_thread = threading.get_ident()
            except KeyboardInterrupt:
                # raised while a stage is compiled; during training, the run handles it.
                if not has_trained:
                    raise
                self._is_interrupted()
                break
            if trainer.outcome.is_final:
                break
            has_trained = True

    def _is_interrupted(self):
        """End training between two stages, with the parameters of the last one."""
        util.log(f"training stopped: {INTERRUPTED.words}")
        if self.session is not None:
            self.session.stage_ends(INTERRUPTED)

    def _stages(self):
        """Generate the layers of each stage but the last."""
        encoders = _mirrored(self.network.layers)
        yield from self._untied_stages() if encoders is None else self._tied_stages(encoders)

    def _untied_stages(self):
        network = self.network
        output = network.layers[-1]
        *hidden, _ = [
            layer
            for layer in regularizers.hidden_layers(network.layers)
            if layer.params and len(layer.output_shape) == len(output.output_shape)
        ] or [None]
        for layer in hidden:
            stage = network.layers[: network.layers.index(layer) + 1]
            # inputs that come later belong to the data, too.
            stage += [other for other in network.layers if isinstance(other, layers.Input) and other not in stage]
            yield [*stage, self._temporary("ff", "lwout", layer, output.activation, stage, size=output.output_size)]

    def _tied_stages(self, encoders):
        decoders = self.network.layers[len(encoders) + 1 :]
        for i in range(1, len(encoders)):
            stage = self.network.layers[: i + 1]
            for partner in reversed(encoders[:i]):
                original = next(layer for layer in decoders if layer.partner is partner)
                stage.append(
                    self._temporary(
                        "tied", f"lw{partner.name}", stage[-1], original.activation, stage, partner=partner.name
                    )
                )
            yield stage

    def _temporary(self, form, name, source, activation, stage, **options):
        """Make a layer on top of a stage, under a name that no layer of the network has."""
        taken = {layer.name for layer in [*self.network.layers, *stage]}
        while name in taken:
            name += "_"
        layer = layers.Layer.build(
            form, name=name, inputs=source.output_name, activation=activation, rng=self.network.rng, **options
        )
        layer.bind(_Stage([*stage, layer]))
        return layer

    @contextlib.contextmanager
    def _staged(self, stage):
        """Context in which the network has the layers of a stage, with its losses on the last of them."""
        network = self.network
        original = network.layers, network.losses
        output, last = network.layers[-1].name, stage[-1].name
        names = {layer.name for layer in stage}
        losses = []
        for loss in map(copy.copy, network.losses):
            layer, _, which = loss.output_name.partition(":")
            if layer == output:
                loss.output_name = f"{last}:{which}"
            if all(name.partition(":")[0] in names for name in loss.output_names):
                losses.append(loss)
        network._stage_thread = threading.get_ident()
        # first, and removed last, so that no other thread sees layers of a stage.
        network._whole = original
        network.layers, network.losses = list(stage), losses
        try:
            yield
        finally:
            network.layers, network.losses = original
            network._whole = None


class _Stage:
    """Stands for a network when temporary layers are bound."""

    def __init__(self, stage):
        self.layers = stage


def _mirrored(network_layers):
    """Return the encoding layers of an autoencoder whose decoding layers are tied to them in reverse; else None."""
    count = (len(network_layers) - 1) // 2
    encoders, decoders = network_layers[1 : count + 1], network_layers[count + 1 :]
    is_mirror = (
        len(encoders) == len(decoders)
        and not any(isinstance(layer, (layers.Input, layers.Tied)) for layer in encoders)
        and all(isinstance(layer, layers.Tied) for layer in decoders)
        and all(layer.partner is partner for layer, partner in zip(decoders, reversed(encoders)))
    )
    is_chain = all(
        layer.input_names == [before.output_name] for before, layer in zip(network_layers, network_layers[1:])
    )
    return encoders if encoders and is_mirror and is_chain else None


class UnsupervisedPretrainer(Trainer):
    """Train the hidden layers as those of an autoencoder; the output layer is left alone.

    The data are inputs only. Targets and weights may be given, and are ignored.

    Parameters
    ----------
    algo : str
        The algorithm of downhill to use.
    network : :class:`theanets.Network`
        The network to be trained. Each of its hidden layers must have one weight matrix ``w``.

    Notes
    -----
    G Hinton, R Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006
    """

    ignores_surplus = True
    has_targets = False
    #: Patterns refer to the autoencoder that is made for the training.
    checks_patterns = False

    def __init__(self, algo, network):
        super().__init__(network)
        self.algo = get_algorithm(algo)

    @property
    def batch_size(self):
        """Number of examples in a batch if none is asked for: what the algorithm of the stages has."""
        return DownhillTrainer(self.algo, self.network).batch_size

    def keywords(self):
        return DownhillTrainer(self.algo, self.network).keywords()

    def check(self, kwargs):
        super().check(kwargs)
        DownhillTrainer(self.algo, self.network)._schedule(kwargs)
        if kwargs.get("class_weight") is not None:
            raise util.ConfigurationError("class_weight: algo='pretrain' uses no labels")
        hidden = self.network.layers[1:-1]
        if not hidden:
            raise util.ConfigurationError("algo='pretrain': the network has no hidden layer")
        for before, layer in zip(self.network.layers, hidden):
            names = [param.name for param in layer.params]
            if f"{layer.name}.w" not in names or layer.input_names != [before.output_name]:
                raise util.ConfigurationError(
                    f"algo='pretrain': layer {layer.name!r} must read the layer before it through one weight matrix "
                    f"'w' (its parameters: {', '.join(names) or 'none'})"
                )

        if self._frozen(kwargs).issuperset(param for layer in hidden for param in layer.params):
            raise util.ConfigurationError(f"freeze={kwargs['freeze']!r} leaves no hidden layer to train")

    def slots(self):
        return self.network._input_slots()

    def _frozen(self, kwargs):
        return DownhillTrainer(self.algo, self.network)._frozen(kwargs)

    def _shadow(self):
        """Make an autoencoder of the hidden layers, with the parameters that they have."""
        source, *hidden = self.network.layers[:-1]
        taken = {layer.name for layer in (source, *hidden)}
        specs = [layer.to_spec() for layer in (source, *hidden)]
        for before, layer in reversed(list(zip((source, *hidden), hidden))):
            name = f"pre{layer.name}"
            while name in taken:
                name += "_"
            taken.add(name)
            activation = "linear" if before is source else before.activation
            specs.append(dict(form="tied", name=name, partner=layer.name, activation=activation))
        shadow = self.network._make_autoencoder(specs)
        self._copy(hidden, shadow.layers[1:])
        return shadow

    @staticmethod
    def _copy(sources, targets):
        variables, others = ([v for layer in part for v in variables_of(layer)] for part in (sources, targets))
        # all at once, as other threads may be using the network.
        xla.assign(zip(others, xla.read(variables)))

    def itertrain(self, train, valid=None, **kwargs):
        """Train the autoencoder layer by layer, yielding a pair of dicts of monitors after each epoch."""
        hidden = self.network.layers[1:-1]
        frozen = self._frozen(kwargs)
        frozen = [util.ExactName(v.name) for layer in hidden for v in variables_of(layer) if v in frozen]
        kwargs = dict(kwargs, freeze=frozen or None)
        shadow = self._shadow()
        originals = shadow.layers[1 : len(hidden) + 1]
        try:
            shadow._session = self.network._session
            trainer = SupervisedPretrainer(self.algo, shadow)
            trainer.session = self.session
            yield from trainer.itertrain(train, valid, **kwargs)
        finally:
            self._copy(originals, hidden)
