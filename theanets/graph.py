"""The class Network: lists of layers that become Theano graphs.

A :class:`Network` owns layers and losses. It wires the layers up, builds a graph of expressions when one is needed, and
compiles and evaluates functions of it. Models for particular tasks, in :mod:`theanets.feedforward`, define the target
and how the output is interpreted.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import arguments, layers, losses, regularizers, storage, trainer, util, xla
from .layers.base import chained
from .layers.context import Context, Outputs
from .network import (
    caching,
    evaluation,
    fitting,
    gradients,
    inspection,
    metrics,
    monitoring,
    portable,
    saving,
    specs,
    training,
    transfer,
)
from .network.part import OfWhole
from .network.structure import OVERRIDABLE
from .trainer import history

__all__ = ["Network", "Error", "LayerError"]

#: Names of the exceptions in release 0.7.
Error = util.Error
LayerError = util.ConfigurationError


@storage.register_network
class Network(
    training.Training,
    transfer.Transfer,
    gradients.Gradients,
    evaluation.Evaluation,
    metrics.Metrics,
    inspection.Inspection,
    portable.Portable,
    saving.Saving,
):
    """A list of layers, wired up to map inputs to outputs, with losses to train it by.

    Parameters
    ----------
    layers : iterable of layer specs, optional
        See :mod:`theanets.network.specs`. The first layer must be an input. By default each further layer reads the one
        before it; layers are called ``in``, ``hid1``, ``hid2``, ..., ``out``.
    loss : str, dict, function, :class:`theanets.Loss` or None, optional
        See :meth:`add_loss`. Default ``'mse'``.
    weighted : bool, optional
        If true, the elements of the target have weights, given with the data. Default False.
    rng : int, None or numpy.random.RandomState, optional
        The seed of everything random: initial parameters, the order of batches, noise and dropout. Default 13. With an
        int, every layer starts from the same random numbers; with a generator, layers draw one after the other.

    Attributes
    ----------
    layers : list of :class:`theanets.Layer`
        The layers.
    losses : list of :class:`theanets.Loss`
        The losses.

    Raises
    ------
    ConfigurationError
        If the layers cannot be made or do not fit together.

    Examples
    --------
    >>> net = Network([4, (3, "tanh"), 2])
    >>> [layer.name for layer in net.layers], net.num_params
    (['in', 'hid1', 'out'], 23)
    >>> net.predict([[0, 1, 2, 3], [4, 5, 6, 7]]).shape
    (2, 2)
    """

    #: Activation of the last layer, if its spec names none.
    DEFAULT_OUTPUT_ACTIVATION = "linear"

    #: Loss that a dict without ``form`` stands for.
    DEFAULT_LOSS = "mse"

    #: Number of dimensions of the input, that of the batch included, where the spec does not tell.
    INPUT_NDIM = 2

    #: Number of dimensions of the target.
    OUTPUT_NDIM = 2

    layers: Any = OfWhole(0)
    losses: Any = OfWhole(1)

    def __init__(
        self,
        layers: Iterable[Any] = (),
        loss: Any = "mse",
        weighted: bool = False,
        rng: int | np.random.RandomState | None = 13,
        **unknown: Any,
    ) -> None:
        if unknown:
            hints = arguments.hints_for("network", arguments.training_keywords())
            known = arguments.named_parameters(type(self))
            arguments.refuse(unknown, known, f"{type(self).__name__}()", hints)
        util.random_state(rng)  # refuses what cannot be one.
        util.check_float_type()
        self._check_overrides()
        self.rng = rng
        self.layers = []
        self.losses = []
        self._reset_caches()
        self._default_loss = dict(loss=loss, weighted=weighted) if loss else None
        try:
            layer_specs = list(layers)
        except TypeError:
            raise util.ConfigurationError(f"layers={layers!r}, expected a list of layer specs") from None
        self._add_layers(layer_specs)
        if self.layers:
            self._ensure_loss()

    def _check_overrides(self):
        """Warn of overridden methods that nothing calls any more, and refuse properties in place of methods."""
        for base in type(self).__mro__:
            if base.__module__.partition(".")[0] == __package__:
                continue
            for name in OVERRIDABLE:
                if isinstance(vars(base).get(name), property):
                    raise util.ConfigurationError(
                        f"{base.__name__}.{name} is a property, as in older releases; make it a method {name}(**kwargs)"
                    )
            # an overridden loss() may call them itself.
            if type(self).loss is not Network.loss:
                continue
            for name in ("error", "cost"):
                if callable(vars(base).get(name)) or isinstance(vars(base).get(name), property):
                    util.warn(
                        f"nothing calls {base.__name__}.{name}, which was the loss in releases before 0.7; override "
                        "loss(**kwargs), or give the model a function of the output and the target as its loss"
                    )

    def __getattr__(self, name):
        return arguments.missing_attribute(self, name, arguments.HINTS_ATTRIBUTES)

    def _reset_caches(self):
        self._graphs = caching.Cache(12)
        self._functions = caching.Cache(32)
        self._plain_functions = caching.Cache(8)
        self._direct_functions = {}
        self._layers_memo = caching.Memo()
        self._compiled = caching.Cache(4)
        self._trained = None
        self._symbols = {}
        self._carried = None
        self._seed = None
        self._sampler = None
        self._whole = self._stage_thread = None
        self._nan_noticed = False
        self._session = self._finished = None
        self._history = history.History()

    def __repr__(self):
        return f"<{type(self).__name__}: {', '.join(layer.name for layer in self.layers) or 'no layers'}>"

    # -- layers -------------------------------------------------------------------------------------------------------

    def _add_layers(self, layer_specs):
        """Add the layers of a list: create all of them, then bind them in order."""
        last = len(layer_specs) - 1
        for i, spec in enumerate(layer_specs):
            name = "in" if i == 0 else "out" if i == last else f"hid{i}"
            self._append(self._create_layer(spec, name, is_output=i == last))
        for layer in self.layers:
            layer.bind(self)

    def add_layer(self, layer: Any = None, is_output: bool = False, **kwargs: Any) -> None:
        """Add a layer to the end of the network.

        Parameters
        ----------
        layer : layer spec
            See :mod:`theanets.network.specs`.
        is_output : bool, optional
            Whether this is going to be the last layer: it is then called ``out``, and has the output activation of the
            model, unless told otherwise. Default False.
        **kwargs
            Options of the layer that the spec does not give.

        Raises
        ------
        ConfigurationError
            If the layer cannot be made, or does not fit. The network is then unchanged.

        Examples
        --------
        >>> net = Network()
        >>> net.add_layer(4)
        >>> net.add_layer((3, "tanh"))
        >>> net.add_layer(2, is_output=True)
        >>> [layer.name for layer in net.layers]
        ['in', 'hid1', 'out']
        """
        count = len(self.layers)
        name = "in" if not count else "out" if is_output else f"hid{count}"
        new = self._create_layer(layer, name, is_output=is_output, **kwargs)
        self._append(new)
        try:
            new.bind(self)
            if is_output:
                self._ensure_loss()
        except Exception:
            self.layers.remove(new)
            raise

    def _append(self, layer):
        if any(layer.name == other.name for other in self.layers):
            raise util.ConfigurationError(f"there is more than one layer of the name {layer.name!r}")
        self.layers.append(layer)

    def _create_layer(self, spec, default_name, is_output=False, **defaults):
        """Make a layer from a spec, with the defaults for its position."""
        if isinstance(spec, layers.Layer):
            return self._adopt(spec)
        who = f"layer {defaults.get('name', default_name)!r}"
        form, options = specs.read({} if spec is None and defaults else spec, who)
        options = {**defaults, **options}
        form = form or options.pop("form", None) or ("feedforward" if self.layers else "input")
        options.pop("form", None)
        options.setdefault("name", default_name)
        who = f"layer {options['name']!r}"
        cls = specs.get_class(form, who)
        if issubclass(cls, layers.Input):
            if not options.get("shape"):
                options.setdefault("ndim", self.INPUT_NDIM)
            return cls(**options)
        if not self.layers:
            raise util.ConfigurationError(f"{who}: the first layer must be an input, not of the form {form!r}")
        default = self._output_activation() if is_output else "relu"
        options.setdefault("activation", cls.default_activation or default)
        if options.get("inputs") is None or util.is_int(options["inputs"]):
            options["inputs"] = chained(options.get("inputs"), self.layers[-1])
        if "nrng" not in options:
            options.setdefault("rng", self.rng)
        if issubclass(cls, layers.Tied) and options.get("partner") is None:
            options["partner"] = specs.find_partner(self.layers, who).name
        return cls(**options)

    def _output_activation(self):
        """Return the activation of the last layer, if its spec names none."""
        return self.DEFAULT_OUTPUT_ACTIVATION

    def _adopt(self, layer):
        """Add an existing layer object, and chain it to the last layer if it names no input."""
        if isinstance(layer, layers.Input):
            return layer
        if not self.layers:
            raise util.ConfigurationError(f"layer {layer.name!r}: the first layer must be an input")
        layer.chain_to(self.layers[-1])
        return layer

    def _require_layers(self):
        if not self.layers:
            raise util.ConfigurationError(f"this {type(self).__name__} has no layers yet; add some by add_layer()")

    @property
    def params(self) -> list:
        """List of all parameters, in the order of the layers. One that layers share is listed once."""
        unique = OrderedDict((id(param), param) for layer in self.layers for param in layer.params)
        return list(unique.values())

    @property
    def num_params(self) -> int:
        """Number of learnable scalars."""
        return int(sum(np.prod(xla.shape_of(param), dtype=int) for param in self.params))

    @property
    def statistics(self) -> list:
        """List of shared variables that belong to the model and change in training, but not by gradients."""
        return [variable for layer in self.layers for variable in layer.statistics]

    @property
    def inputs(self) -> list:
        """List of the symbolic input variables, in the order of the layers."""
        return [layer.input for layer in self.layers if isinstance(layer, layers.Input)]

    @property
    def variables(self) -> list:
        """List of the symbolic variables of all data: inputs first, then targets and weights of the losses."""
        self._ensure_loss()
        unique = OrderedDict((id(v), v) for v in [*self.inputs, *(v for loss in self.losses for v in loss.variables)])
        return list(unique.values())

    @property
    def seed(self) -> int:
        """An integer from which noise and dropout start, if they are not given another one."""
        if self._seed is None or util.is_int(self.rng):
            self._seed = regularizers.seed_of(self.rng)
        return self._seed

    def find(self, which: str | int, param: str | int) -> Any:
        """Return a parameter, or a statistic such as a running average.

        Parameters
        ----------
        which : str or int
            Name or index of a layer; the input has the index 0.
        param : str or int
            Name of the parameter or statistic within the layer; or index of the parameter there.

        Raises
        ------
        KeyError
            If there is no such layer, or no such parameter.

        Examples
        --------
        >>> Network([4, 3, 2]).find("hid1", "w").get_value().shape
        (4, 3)
        """
        for i, layer in enumerate(self.layers):
            if which == layer.name if isinstance(which, str) else util.is_int(which) and which == i:
                return layer.find(param)
            for worker in layer.workers:
                if which == worker.name:
                    return worker.find(param)
        names = [owner.name for layer in self.layers for owner in (layer, *layer.workers)]
        raise util.UnknownNameError(
            f"there is no layer {which!r}{util.suggestion(which, names)} (layers: {', '.join(names) or 'none'})"
        )

    # -- losses -------------------------------------------------------------------------------------------------------

    def _default_target(self):
        """Return the default target of losses: the number of dimensions of a new variable, or a variable."""
        return self.OUTPUT_NDIM

    def _ensure_loss(self):
        """Add the loss that the constructor asked for, once there are layers for it."""
        if self._default_loss is not None and self.layers:
            self.add_loss(**self._default_loss)

    def _make_autoencoder(self, layer_specs):
        """Return an autoencoder of the given layers, whatever the model of this network."""
        result = Network(layer_specs, loss=None, rng=self.rng)
        result.add_loss("mse", target=result.inputs[0])
        return result

    def add_loss(self, loss: Any = None, **kwargs: Any) -> None:
        """Add a loss.

        Parameters
        ----------
        loss : str, dict, function or :class:`theanets.Loss`, optional
            Name of a loss; a function of the output and the target, see :class:`theanets.losses.Formula`; a dict with
            either as ``form`` and further arguments; or a loss.
        **kwargs
            Arguments for the loss. By default it reads the last layer, and has the target of the model, which losses
            of the same layer share. ``target='name'`` gives it an array of data of its own, of this name, as several
            heads need; its weights are then called ``name_weights``. The name of a target that another loss has, or of
            an input, stands for that array.

        Raises
        ------
        ConfigurationError
            If there is no such loss, or it does not take these arguments; if the target cannot fit the output, as far
            as their shapes are known; or if losses of different layers would share an array of targets without a word.

        Examples
        --------
        >>> net = Network([4, 3, 2])
        >>> net.add_loss("mae", weight=0.1)
        >>> [v.name for v in net.variables]
        ['in', 'target']

        A second head, with targets of its own:

        >>> net.add_layer(dict(size=5, inputs="hid1", name="side"))
        >>> net.add_loss("mse", output_name="side", target="more")
        >>> [v.name for v in net.variables]
        ['in', 'target', 'more']
        """
        self._require_layers()
        if not isinstance(loss, losses.Loss):
            loss = self._build_loss(loss, kwargs)
        elif kwargs:
            self._complete_loss(loss, kwargs)
        self._refuse_to_share(loss)
        self._append_loss(loss)

    def _append_loss(self, loss):
        """Add a loss, which shares the variables of others where they are of the same kind."""
        for other in self.losses:
            loss.share_variables(other)
        fitting.check(loss, self.layers, self.losses)
        self._default_loss = None
        self.losses.append(loss)

    def _refuse_to_share(self, loss):
        """Refuse a loss that would share the targets or weights of another layer's loss without being asked to."""
        for what, rivals in (
            ("target", [other for other in self.losses if loss.shares_target(other)]),
            ("weights", [o for o in self.losses if loss.shares_weights(o) and loss.variables[0] is not o.variables[0]]),
        ):
            if not rivals or any(loss.layers_read & other.layers_read for other in rivals):
                continue
            here, there = (" and ".join(sorted(each.layers_read)) for each in (loss, rivals[0]))
            advice = f"target='name', such as target={f'{here}_target'!r}"
            if what == "target":
                advice += f", or let them share by target={rivals[0].variables[0].name!r}"
            raise util.ConfigurationError(
                f"add_loss(): the losses of {there!r} and of {here!r} would share one array, {what!r}; give the "
                f"new one an array of its own by {advice}"
            )

    def _build_loss(self, loss, kwargs):
        options = dict(kwargs)
        form = options.pop("form", None)
        if isinstance(loss, dict):
            options = {**options, **loss}
            form = options.pop("form", form)
        elif isinstance(loss, str):
            form = form or loss
        elif loss:
            form = loss
        takes_labels = issubclass(losses.Loss.get_class(self.DEFAULT_LOSS), losses.CrossEntropy)
        if form is not None and not isinstance(form, str):
            options["function"], form = form, "formula"
            losses.check_function(options["function"])
            options.setdefault("labels", takes_labels)
        options.setdefault("output_name", self.layers[-1].output_name)
        form = form or self.DEFAULT_LOSS
        if "target" in options and not isinstance(options["target"], str):
            return losses.Loss.build(form, **options)
        name, target = options.pop("target", None), self._default_target()
        if name is not None and not util.is_int(target):
            # a named target has a variable of its own, even if that of the model is an input.
            target = self.OUTPUT_NDIM
        result = losses.Loss.build(form, target=target, **options)
        # the target has as many axes as the output asks for.
        ndim = fitting.count_axes(result, self.layers) if util.is_int(target) else None
        is_usual = losses.takes_labels(result) == takes_labels or result.is_multilabel
        if ndim not in (None, target) and (name is not None or is_usual):
            result = losses.Loss.build(form, target=ndim, **options)
        if name is not None:
            self._name_target(result, name)
        return result

    def _complete_loss(self, loss, kwargs):
        """Read the arguments that come with a loss that exists already."""
        options = {key: value for key, value in kwargs.items() if key != "weighted" or value and loss._weights is None}
        name = options.pop("target", None)
        if options or name is not None and not isinstance(name, str):
            raise util.ConfigurationError(
                f"add_loss(): the loss {type(loss).__name__} is made already; give its constructor "
                f"{', '.join(options) or 'target'}"
            )
        if name is not None:
            self._name_target(loss, name)

    def _name_target(self, loss, name):
        """Call the target of a loss by a name; that of a target of another loss, or of an input, stands for that."""
        wanted = loss.variables[0]
        targets = [*self.inputs, *(other.variables[0] for other in self.losses)]
        found = [v for v in targets if v.name == name and (v.ndim, v.dtype) == (wanted.ndim, wanted.dtype)]
        taken = [v.name for v in [*targets, *(v for other in self.losses for v in other.variables[1:])]]
        if not name or name in taken and not found:
            problem = "there is an array of this name and of another kind already" if name else "expected a name"
            raise util.ConfigurationError(f"add_loss(): target={name!r}: {problem}")
        loss.name_target(name, found[-1] if found else None)

    def set_loss(self, *args: Any, **kwargs: Any) -> None:
        """Replace all losses by a new one; see :meth:`add_loss` for the arguments."""
        before, default = self.losses, self._default_loss
        self.losses = []
        try:
            self.add_loss(*args, **kwargs)
        except Exception:
            self.losses, self._default_loss = before, default
            raise

    # -- graphs -------------------------------------------------------------------------------------------------------

    def build_graph(self, regularizers=(), context=None):
        """Connect the layers.

        Parameters
        ----------
        regularizers : sequence of :class:`theanets.Regularizer`, optional
            What may modify outputs on the way.
        context : :class:`theanets.layers.context.Context`, optional
            How the graph is going to be used. Default: to predict for arrays.

        Returns
        -------
        outputs : dict
            Expressions of all outputs of all layers, by full name, in the order of the layers.
        updates : list of (shared variable, expression)
            What has to be updated whenever the outputs are computed.
        """
        self._require_layers()
        context = context or Context()
        return self._graphs.get(self._graph_key(regularizers, context), lambda: self._connect(regularizers, context))

    def _connect(self, regs, context):
        regularizers.share_streams(regs)
        regs = regularizers.with_inputs(regs, context)
        outputs, updates = Outputs(context), []
        for layer in self.layers:
            # if one statistic of a layer is frozen, all of them are.
            frozen = () if context.frozen.isdisjoint(layer.statistics) else layer.statistics
            outputs.context = context.of_prediction() if frozen else context
            new, its_updates = layer.connect(outputs)
            for reg in regs:
                reg.modify_graph(new)
            outputs.update(new)
            # a user's layer may return updates without looking at the context.
            updates.extend(update for update in its_updates if update[0] not in frozen)
        outputs.context = context
        return outputs, updates

    def _regularizers(self, kwargs, where):
        """Turn keyword arguments into regularizers; refuse unknown ones."""
        if not kwargs:
            # most calls of predict() have no keyword arguments, and should be quick.
            return []
        known = regularizers.keywords()
        hints = arguments.HINTS_EVALUATION
        arguments.refuse([key for key in kwargs if key.lower() not in known], known, where, hints)
        return regularizers.from_kwargs(self, **kwargs)

    def _training_regularizers(self, kwargs, where, *more):
        """Turn keyword arguments of ``train`` into regularizers, for methods that get all of them; ignore others."""
        others = {*more, *trainer.keywords(), *self._own_keywords()}
        kwargs = {key: value for key, value in kwargs.items() if key not in others}
        if self._takes_any_keyword():
            kwargs = {key: value for key, value in kwargs.items() if key.lower() in regularizers.keywords()}
        return self._regularizers(kwargs, where)

    def _own_keywords(self):
        """Return the names of the arguments that a subclass has added to :meth:`loss`, :meth:`updates`, ..."""
        names = set().union(*(arguments.named_parameters(type(self), method) for method in OVERRIDABLE))
        return names - {"context", "monitors"}

    def _takes_any_keyword(self):
        """Tell whether a subclass has overridden these methods in a way that hides what arguments it uses."""
        return arguments.takes_anything(type(self), OVERRIDABLE, __package__)

    def loss(self, context=None, **kwargs):
        """Return an expression for the total loss.

        Parameters
        ----------
        context : :class:`theanets.layers.context.Context`, optional
            How the graph is going to be used.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`.

        Returns
        -------
        loss : expression
            The sum of all losses and penalties, each times its weight; 0 if there are none.
        """
        self._ensure_loss()
        regs = self._training_regularizers(kwargs, "loss()", "monitors")
        outputs, _ = self.build_graph(regs, context)
        for loss in self.losses:
            loss.check_context(context)
            for name in loss.output_names:
                self._get_output(outputs, name)
        value = outputs.context.value
        terms = [value(losses.weight_key(i), loss.weight) * loss.measure(outputs) for i, loss in enumerate(self.losses)]
        terms += [
            value(regularizers.weight_key(i), reg.weight) * reg.loss(self.layers, outputs) for i, reg in enumerate(regs)
        ]
        return sum(terms[1:], terms[0]) if terms else 0

    def updates(self, context=None, **kwargs):
        """Return the list of updates of the graph; the arguments are those of :meth:`loss`."""
        return self.build_graph(self._training_regularizers(kwargs, "updates()", "monitors"), context)[1]

    def monitors(self, monitors=None, context=None, **kwargs):
        """Return expressions of the monitors, which are reported during training.

        Parameters
        ----------
        monitors : dict or sequence of pairs, optional
            Patterns for names of outputs or parameters, each with levels: a number t reports the fraction of values
            less than t; a callable, or a pair or dict entry (label, callable), is applied to the expression. Levels
            can be put in a list.
        context : :class:`theanets.layers.context.Context`, optional
            How the graph is going to be used.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`.

        Returns
        -------
        monitors : list of (str, expression)
            The first is ``err``, the value of the first loss without its weight and without penalties.

        Examples
        --------
        >>> [name for name, _ in Network([4, 3, 2]).monitors(monitors={"hid1:out": [0.1, 0.9]})]
        ['err', 'hid1:out<0.1', 'hid1:out<0.9']
        """
        self._ensure_loss()
        outputs, _ = self.build_graph(self._training_regularizers(kwargs, "monitors()"), context)
        result = [("err", loss.measure(outputs)) for loss in self.losses[:1]]
        for pattern, levels in monitoring.read(monitors):
            found = util.outputs_matching(outputs, pattern)
            counted = [(name, monitoring.counted(value, context)) for name, value in found]
            for name, value in [*counted, *util.params_matching(self.layers, pattern)]:
                result.extend((name + label, monitoring.measure(level, value)) for label, level in levels)
        return result
