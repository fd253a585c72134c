"""The base class of layers: names, wiring, shapes, parameters and their initial values.

The constructor of a layer keeps the options that it is given. :meth:`Layer.bind` attaches the layer to those before it:
it resolves the shapes of its inputs and of its outputs, builds the activation and creates the parameters.
:meth:`Layer.connect` makes expressions of its outputs from expressions of its inputs, once per graph.

Shapes describe one example, without the axis of the batch. An entry is ``None`` where a length is known only with the
data; the last entry is the number of units.
"""

import re
from collections import OrderedDict

import numpy as np
import theano

from .. import activations, arguments, util
from . import measuring
from .earlier import LayerType, OldInputs

__all__ = ["Layer"]

#: Options for the initial values of one parameter, such as ``std_w``.
PER_PARAMETER = re.compile(r"(mean|std|sparsity|diagonal|radius)_(.+)")


#: What initial values are drawn by, and the ranges of these options where they are numbers.
SETTINGS = {
    "mean": arguments.FINITE,
    "std": arguments.FINITE,
    "sparsity": arguments.Range(0, 1),
    "diagonal": arguments.FINITE,
}


class Layer(LayerType("Root", (util.ShapesGraph,), {"_kind": "layer form"})):  # type: ignore[misc]
    """Base class of layers.

    Parameters
    ----------
    name : str, optional
        Name of the layer. It must differ from the names of the network's other layers, and hold no colon. The default
        is made of the class name and a number.
    size : int, optional
        Number of units in the default output.
    shape : tuple of int, optional
        Full shape of the default output, instead of ``size``; without the axis of the batch.
    inputs : str, Layer, tuple, list, dict or int, optional
        The outputs that feed this layer: names such as ``'hid1'`` or ``'hid1:pre'``, or layers. A dict maps them to
        the sizes that they are expected to have; an int is the size that the layer before is expected to have.
    activation : str or :class:`theanets.Activation`, optional
        See :mod:`theanets.activations`. Default ``'relu'``.
    rng : int, None or numpy.random.RandomState, optional
        Where initial values come from; ``nrng`` is another name for it.
    mean, std, sparsity, diagonal : float, optional
        Initial values of the weight matrices, see :meth:`add_weights`. With the name of a parameter appended, as in
        ``std_w`` or ``mean_b``, they are for that parameter alone.

    Raises
    ------
    ConfigurationError
        For options that the class does not know, and for values that no layer can have.

    Notes
    -----
    To write a layer, override :meth:`setup` (create parameters) and :meth:`transform` (compute outputs), and
    :meth:`resolve_outputs` if the output shape is not the input's with another size. Without that the shape of what
    ``transform()`` computes is measured, and is the output shape where it has other axes; a size, a shape or a
    ``resolve_outputs()`` that contradicts it is refused. Options of its own are listed in the class attribute
    ``keywords``, or named in its constructor.

    Examples
    --------
    >>> import theanets
    >>> class Unbiased(theanets.Layer):
    ...     def setup(self):
    ...         self.add_weights("w", self.input_size, self.output_size)
    ...
    ...     def transform(self, inputs):
    ...         return inputs[self.input_name].dot(self.find("w")), []
    >>> net = theanets.Autoencoder([4, (3, "unbiased", "linear"), (4, "tied", "linear")])
    >>> [p.name for p in net.params]
    ['hid1.w', 'out.b']
    """

    #: Names of the options that this class adds to those of its bases.
    keywords: tuple[str, ...] = (
        "size",
        "shape",
        "inputs",
        "activation",
        "rng",
        "nrng",
        "mean",
        "std",
        "sparsity",
        "diagonal",
    )

    #: Arguments that releases up to 0.7 took by position, in their order.
    OLD_ARGUMENTS = ("size", "inputs", "name", "activation")

    #: Whether the layer applies its activation. If not, none is built, and its parameters do not exist.
    applies_activation = True

    #: The activation that a network asks for if the spec does not; None for the network's own default.
    default_activation: str | None = None

    #: Whether the form is an old name of another one, which messages should not suggest.
    is_deprecated = False

    #: Whether the inputs of the layer are integer labels.
    reads_labels = False

    #: Whether a step of the output depends only on the same step of the inputs, and on states that are carried on from
    #: step to step; None if it is not known.
    stepwise: bool | None = None

    _count = 0

    #: The measured shape of the default output, after the input and declared shapes that it was measured for.
    _measured = None

    def __init__(self, name=None, *others, **kwargs):
        if util.is_int(name) and not {"size", "shape"} & set(kwargs):
            # a subclass passes arguments on by position, as in release 0.7.
            kwargs = type(self)._read_old((name, *others), kwargs)
            name, others = kwargs.pop("name", None), ()
        if others:
            raise TypeError(f"layer {name!r}: found {others!r} by position; write size=, inputs=, activation=")
        Layer._count += 1
        self.name = str(name) if name else f"{type(self).__name__.lower()}{Layer._count}"
        if ":" in self.name:
            raise util.ConfigurationError(f"layer {self.name!r}: a layer name must not hold a colon")
        self.kwargs = kwargs
        self._check_keywords()
        self._given_shape = self._read_shape()
        inputs = kwargs.get("inputs")
        # an int is the size of the layer before this one, which is not known yet: see chain_to().
        self._requested = [] if util.is_int(inputs) else self._read_inputs(inputs)
        self._inputs = []
        self._output_shapes = {}
        self._params = []
        self._activation_spec = None
        self._settings_read = set()
        self.activate = None
        self.rng = util.random_state(kwargs.get("rng", kwargs.get("nrng")))

    def __repr__(self):
        shape = vars(self).get("_output_shapes", {}).get("out") or vars(self).get("_given_shape") or ()
        # leave out unknown leading lengths, as those of sequences are.
        is_vector = all(entry is None for entry in shape[:-1])
        settings = {} if not shape else {"size": shape[-1]} if is_vector else {"shape": shape}
        if self.applies_activation:
            activation = vars(self).get("kwargs", {}).get("activation", "relu")
            settings["activation"] = getattr(activation, "name", activation)
        return arguments.show_call(self, name=vars(self).get("name"), **settings)

    # -- options ------------------------------------------------------------------------------------------------------

    @classmethod
    def known_keywords(cls):
        """Return the names of all options that a layer of this class understands."""
        names = arguments.named_parameters(cls)
        for base in cls.__mro__:
            names.update(vars(base).get("keywords", ()))
        return names

    def _check_keywords(self):
        known = self.known_keywords()
        names = [key for key in self.kwargs if key not in known and not PER_PARAMETER.fullmatch(str(key))]
        if not names:
            return
        hints = arguments.hints_for("layer", arguments.training_keywords())
        # a user's class may read its options from kwargs; it can tell their names in its attribute 'keywords'.
        is_open = self._is_users()
        arguments.refuse(names, known, f"layer {self.name!r}", {} if is_open else hints, is_open)

    def _read_shape(self):
        """Return the shape that the options ask for: a tuple whose last entry is the size, ``(size, )``, or None."""
        size, shape = self.kwargs.get("size"), self.kwargs.get("shape")
        if size is not None and (not util.is_int(size) or size < 1):
            raise util.ConfigurationError(f"layer {self.name!r}: size={size!r}, expected a positive integer")
        if shape is None or len(shape) == 0:
            return None if size is None else (int(size),)
        shape = tuple(shape)
        if not all(entry is None or util.is_int(entry) and self._allows(entry) for entry in shape):
            raise util.ConfigurationError(f"layer {self.name!r}: shape={shape!r}, expected positive integers")
        shape = tuple(entry if entry is None else int(entry) for entry in shape)
        if size is not None and size != shape[-1]:
            raise util.ConfigurationError(f"layer {self.name!r}: size={size!r} contradicts shape={shape!r}")
        return shape

    def _allows(self, entry):
        """Tell whether an integer may stand in a shape."""
        return entry > 0

    def _read_inputs(self, inputs):
        """Return pairs (full output name, expected size or None) for the requested inputs."""
        if inputs is None:
            return []
        if isinstance(inputs, (str, Layer)):
            inputs = [inputs]
        if not isinstance(inputs, (tuple, list, dict)):
            raise util.ConfigurationError(
                f"layer {self.name!r}: inputs={inputs!r}, expected the name of an output, a layer, or several of them"
            )
        sizes = inputs if isinstance(inputs, dict) else {}
        requested = []
        for source in inputs:
            size = sizes.get(source) if sizes else None
            if isinstance(source, Layer):
                source = source.output_name
            if not isinstance(source, str):
                raise util.ConfigurationError(
                    f"layer {self.name!r}: input {source!r} is neither the name of an output nor a layer"
                )
            requested.append((source if ":" in source else f"{source}:out", size))
        return requested

    # -- public attributes --------------------------------------------------------------------------------------------

    @property
    def params(self):
        """List of the parameters: the layer's own in the order of their creation, then those of its activation."""
        return [*self._params, *getattr(self.activate, "params", ())]

    @property
    def num_params(self):
        """Number of learnable scalars."""
        return int(sum(param.get_value(borrow=True).size for param in self.params))

    @property
    def input_names(self):
        """Full names of the inputs, in order."""
        return [name for name, _ in self._inputs or self._requested]

    @property
    def input_name(self):
        """Full name of the only input."""
        names = self.input_names
        if len(names) != 1:
            raise util.ConfigurationError(f"layer {self.name!r}: expected exactly one input, found {names!r}")
        return names[0]

    @property
    def input_shape(self):
        """Shape of the only input; ``None`` before binding."""
        return dict(self._inputs).get(self.input_name)

    @property
    def input_size(self):
        """Number of units of the only input."""
        shape = self.input_shape
        if not shape:
            raise util.ConfigurationError(f"layer {self.name!r}: the shape of its input is not known before binding")
        return shape[-1]

    @property
    def output_name(self):
        """Full name of the default output."""
        return self.full_name("out")

    @property
    def output_shape(self):
        """Shape of the default output; ``None`` before binding."""
        return self._output_shapes.get("out")

    @property
    def output_size(self):
        """Number of units of the default output."""
        if not self.output_shape:
            reason = (
                "its output shape is not known before binding"
                if self.output_shape is None
                else ("its output is a single number for each example, without an axis of units")
            )
            raise util.ConfigurationError(f"layer {self.name!r}: {reason}")
        return self.output_shape[-1]

    @property
    def size(self):
        """Number of units of the default output; ``None`` before binding."""
        return self.output_shape[-1] if self.output_shape else None

    @property
    def inputs(self):
        """Sizes of the inputs by their full names; ``None`` for each before binding."""
        shapes = dict(self._inputs)
        return OrderedDict((name, shapes[name][-1] if shapes.get(name) else None) for name in self.input_names)

    @property
    def activation(self):
        """The activation that was asked for, by name or as an instance."""
        return self.kwargs.get("activation", "relu")

    @property
    def shapes(self):
        """Shapes of the outputs that are known so far, by their names without the layer's; empty before binding."""
        return dict(self._output_shapes)

    @property
    def workers(self):
        """List of the layers that this one consists of."""
        return []

    @property
    def statistics(self):
        """List of shared variables that belong to the model and change in training, but not by gradients.

        They are frozen together with the parameters of the layer; see :func:`theanets.layers.selection.statistics_of`.
        """
        return []

    def initial_sources(self):
        """Return the sizes of initial states that are read from other layers, by full output name."""
        return {}

    def describe(self):
        """Return the form of the layer in a few words, with the options that shape it most, such as ``conv2 3x3``."""
        return type(self).__name__.lower()

    def chain_to(self, layer):
        """Read the default output of another layer, if no inputs, or just their size, were asked for."""
        if not self._requested:
            self.kwargs["inputs"] = chained(self.kwargs.get("inputs"), layer)
            self._requested = self._read_inputs(self.kwargs["inputs"])

    def full_name(self, name):
        """Return the name under which a network knows an output of this layer."""
        return f"{self.name}:{name}"

    def find(self, key):
        """Return one of :attr:`params`, or one of :attr:`statistics`.

        Parameters
        ----------
        key : str or int
            Name without the layer's name, e.g. ``'w'``; or the index of a parameter.

        Raises
        ------
        KeyError
            If there is nothing of this name, or no such parameter.
        """
        params = self.params
        if util.is_int(key) and 0 <= key < len(params):
            return params[key]
        variables = [*params, *self.statistics]
        names = [variable.name.partition(f"{self.name}.")[2] or variable.name for variable in variables]
        for variable, name in zip(variables, names):
            if isinstance(key, str) and name == key:
                return variable
        # in a layer class that a user writes, the parameter may not have been created yet.
        create = f"; create it in setup(), as by self.add_weights({key!r})" if not names and self._is_users() else ""
        raise util.UnknownNameError(
            f"layer {self.name!r} has no parameter {key!r}{util.suggestion(key, names)} "
            f"(it has: {', '.join(names) or 'none'}){create}"
        )

    def _is_users(self):
        """Tell whether the class is not one of the library's own."""
        return not type(self).__module__.startswith(__package__ + ".")

    def to_spec(self):
        """Return a dict that :meth:`theanets.Network.add_layer` turns into a layer like this one."""
        return dict(self.kwargs, form=type(self).__name__.lower(), name=self.name, activation=self.activation)

    # -- binding ------------------------------------------------------------------------------------------------------

    def bind(self, graph, reset=True, initialize=True):
        """Attach the layer to a network.

        Parameters
        ----------
        graph : object with an attribute ``layers``
            Where the layer finds its inputs. It need not hold the layer itself.
        reset : bool, optional
            Forget shapes that were resolved before.
        initialize : bool, optional
            Create the parameters. A parameter that exists with the right name and shape is kept, so that binding
            again does no harm; without ``initialize`` all of them are.

        Raises
        ------
        ConfigurationError
            If the inputs do not exist, or do not fit.
        """
        if reset:
            self._inputs = []
            self._output_shapes = {}
        self.resolve_inputs(graph.layers)
        self.resolve_outputs()
        self._build_activation()
        if initialize:
            self._initialize()
            self._compare_shape(graph.layers)
        with util.as_details():
            self.log()

    def _build_activation(self):
        spec = self.activation if self.applies_activation else "linear"
        wanted = (spec, self.output_size if self.output_shape else None)
        if self.activate is not None and self._activation_spec == wanted:
            return
        try:
            self.activate = activations.build(spec, self)
        except util.ConfigurationError as error:
            raise type(error)(f"layer {self.name!r}: {error}") from None
        self._activation_spec = wanted

    def _initialize(self):
        self._kept = {param.name: param for param in self._params}
        self._params = []
        try:
            self.setup()
        finally:
            del self._kept
        self._check_settings()

    def _check_settings(self):
        """Refuse settings of single parameters, such as ``std_w``, that had no effect."""
        names = [param.name[len(self.name) + 1 :] for param in self.params]
        for key in self.kwargs:
            match = PER_PARAMETER.fullmatch(str(key))
            if not match or key in self.known_keywords() or key in self._settings_read:
                continue
            setting, name = match.groups()
            if name not in names:
                reason = f"there is no parameter {name!r} (there are: {', '.join(names) or 'none'})"
            elif not self._is_users():
                reason = f"{name!r} has no {setting}"
            else:
                continue
            raise util.ConfigurationError(f"layer {self.name!r}: unknown argument {key!r}, as {reason}")

    def _compare_shape(self, layers):
        """Compare the declared shape of the default output with the one that a user's method computes.

        The measured shape replaces the one that the base class derives from a size. It must agree with the size, the
        shape, or the result of ``resolve_outputs()`` that the class declares.
        """
        outsiders = [name for name in ("resolve_outputs", "transform") if not _is_ours(type(self), name)]
        if not outsiders or not any(layer is self for layer in layers):
            return
        declared = self.output_shape
        key = self._inputs, declared
        if self._measured is None or self._measured[0] != key:
            try:
                self._measured = key, measuring.measure(self, "out", layers)
            except Exception:
                # the error is raised again, with a better message, when the output is computed.
                return
        found = self._measured[1]
        is_told = "resolve_outputs" in outsiders or self.kwargs.get("shape") is not None
        if is_told and _agree(declared, found):
            return
        if is_told or not _has_size(found, declared):
            said = f"size={declared[-1]!r}"
            if is_told:
                said = f"{'resolve_outputs() says' if 'resolve_outputs' in outsiders else 'shape is'} {declared!r}"
            raise util.ConfigurationError(
                f"layer {self.name!r}: {said}, but what transform() computes of inputs of shape "
                f"{', '.join(str(shape) for _, shape in self._inputs)} has the shape {found!r} (without the axis of "
                "the batch)"
            )
        self._output_shapes["out"] = found

    def resolve_inputs(self, layers):
        """Find the outputs that this layer wants to read, and their shapes.

        Parameters
        ----------
        layers : sequence of Layer
            All layers of a network. Only those before this one can be read.
        """
        layers, position = list(layers), self._position(layers)
        if util.is_int(self.kwargs.get("inputs")) and position:
            self.chain_to(layers[position - 1])
        self._inputs = [(name, self._resolve_input(name, size, layers, position)) for name, size in self._requested]

    def _position(self, layers):
        """Return the number of layers before this one; all of them, if it is not among them."""
        return next((i for i, layer in enumerate(layers) if layer is self), len(layers))

    def _resolve_input(self, name, size, layers, position):
        layer_name, _, output = name.partition(":")
        found = [layer for layer in layers[:position] if layer.name == layer_name]
        if len(found) != 1:
            reason = "there is none of that name"
            if found:
                reason = f"there are {len(found)} of that name"
            elif any(layer.name == layer_name for layer in layers[position:]):
                reason = "it does not come before this one"
            known = ", ".join(layer.name for layer in layers[:position]) or "none"
            raise util.ConfigurationError(
                f"layer {self.name!r}: cannot read from layer {layer_name!r}, {reason} (layers before it: {known})"
            )
        shape = found[0].shape_of(output, layers)
        if getattr(found[0], "labels", False) != self.reads_labels:
            raise util.ConfigurationError(
                f"layer {self.name!r} reads {'integer labels' if self.reads_labels else 'numbers'}, but {name!r} puts "
                f"out {'numbers' if self.reads_labels else 'integer labels; put a layer of the form embed between'}"
            )
        if not shape and _is_ours(type(self), "transform"):
            raise util.ConfigurationError(
                f"layer {self.name!r}: cannot read {name!r}, a single number for each example, without an axis of units"
            )
        if size is not None and shape[-1:] != (size,):
            raise util.ConfigurationError(
                f"layer {self.name!r}: input {name!r} was said to have {size!r} units, but has "
                f"{shape[-1] if shape else 'none'}"
            )
        return shape

    def shape_of(self, output, layers=()):
        """Return the shape of one of the outputs.

        Parameters
        ----------
        output : str
            Name of an output, without the layer's name.
        layers : sequence of Layer, optional
            The layers of the network, needed for outputs that :meth:`resolve_outputs` does not declare.

        Raises
        ------
        ConfigurationError
            If the layer has no such output.
        """
        if output not in self._output_shapes:
            self._output_shapes[output] = measuring.measure(self, output, layers)
        return self._output_shapes[output]

    def resolve_outputs(self):
        """Work out the shapes of the outputs, and keep them in ``_output_shapes``.

        The rule of the base class: inputs must have shapes of the same length which agree in all known entries but
        the last, and the output has the shape of the first input with another size.
        """
        shapes = [shape for _, shape in self._inputs]
        for name, shape in self._inputs[1:]:
            agree = len(shape) == len(shapes[0]) and all(
                a == b or a is None or b is None for a, b in zip(shape[:-1], shapes[0][:-1])
            )
            if not agree:
                raise util.ConfigurationError(
                    f"layer {self.name!r}: input {name!r} of shape {shape!r} does not go with "
                    f"{self._inputs[0][0]!r} of shape {shapes[0]!r}"
                )
        given = self._given_shape
        if given is None:
            raise util.ConfigurationError(f"layer {self.name!r}: expected a size or a shape, found neither")
        if self.kwargs.get("shape") is None and shapes:
            given = shapes[0][:-1] + given
        self._output_shapes["out"] = given

    def setup(self):
        """Create the parameters, by calls of :meth:`add_weights` and :meth:`add_bias`."""

    # -- parameters ---------------------------------------------------------------------------------------------------

    def _setting(self, setting, name, default, general=True):
        self._settings_read.add(f"{setting}_{name}")
        default = self.kwargs.get(setting, default) if general else default
        value = self.kwargs.get(f"{setting}_{name}", default)
        if setting in SETTINGS and not isinstance(value, (list, tuple, np.ndarray)):
            SETTINGS[setting].check(f"layer {self.name!r}: {setting} of {name!r}", value)
        return value

    def _add_param(self, name, shape, draw):
        """Append a parameter, keeping an existing one of the same name and shape."""
        full_name = f"{self.name}.{name}"
        param = getattr(self, "_kept", {}).get(full_name)
        if param is None or param.get_value(borrow=True).shape != shape:
            param = theano.shared(draw(), name=full_name)
        self._params.append(param)
        return param

    def add_weights(self, name, nin=None, nout=None, mean=0, std=0, sparsity=0, diagonal=0):
        """Create a weight matrix.

        The options of the layer for this parameter (``std_w``), or else those for all matrices (``std``), go before
        the arguments given here.

        Parameters
        ----------
        name : str
            Name of the parameter, without the layer's name.
        nin, nout : int, optional
            Shape of the matrix. Default: the sizes of the only input and of the output.
        mean, std, sparsity, diagonal : float, optional
            See :func:`theanets.util.random_matrix`. A ``std`` argument of 0 stands for ``1 / sqrt(nin + nout)``, or for
            what the activation needs, see :data:`theanets.activations.INITIAL`.
        """
        nin, nout = self.input_size if nin is None else nin, self.output_size if nout is None else nout
        mean = self._setting("mean", name, mean)
        of_weights, _ = self._initial()
        std = self._setting("std", name, std or (1 / np.sqrt(nin + nout) if of_weights is None else of_weights(nin)))
        sparsity = self._setting("sparsity", name, sparsity)
        diagonal = self._setting("diagonal", name, diagonal)
        return self._add_param(
            name,
            (nin, nout),
            lambda: util.random_matrix(nin, nout, mean, std, sparsity=sparsity, diagonal=diagonal, rng=self.rng),
        )

    def _initial(self):
        """Return what the activation has to say of initial weights and biases, see ``activations.INITIAL``."""
        name = self.activation.strip().lower() if isinstance(self.activation, str) else None
        return activations.INITIAL.get(name if self.applies_activation else None, (None, None))

    def add_bias(self, name, size=None, mean=0, std=None):
        """Create a bias vector.

        Its values are drawn from a normal distribution; they do not start at zero. Of the layer's options only those
        for this very parameter (``mean_b``, ``std_b``) matter, not the general ``mean`` and ``std``.

        Parameters
        ----------
        name : str
            Name of the parameter, without the layer's name.
        size : int, optional
            Length of the vector. Default: the size of the output.
        mean, std : float, optional
            Mean and standard deviation of the initial values. Defaults 0 and 1; for the activation ``selu`` 0 and 0.
        """
        if std is None:
            std = 1 if self._initial()[1] is None else self._initial()[1]
        size = self.output_size if size is None else size
        mean = self._setting("mean", name, mean, general=False)
        std = self._setting("std", name, std, general=False)
        return self._add_param(name, (size,), lambda: util.random_vector(size, mean, std, rng=self.rng))

    # -- connecting ---------------------------------------------------------------------------------------------------

    def connect(self, inputs):
        """Make expressions for the outputs.

        Parameters
        ----------
        inputs : dict
            Expressions by full output name, of all layers before this one.

        Returns
        -------
        outputs : dict
            Expressions of this layer's outputs by their full names.
        updates : list of (shared variable, expression)
            What has to be updated whenever the outputs are computed.
        """
        if self.activate is None and self._requested:
            raise util.ConfigurationError(f"layer {self.name!r} belongs to no network yet; call its bind()")
        outputs, updates = self._read_result(self.transform(self._hand_over(inputs)))
        if hasattr(outputs, "items"):
            outputs = sorted(outputs.items())
        elif not isinstance(outputs, (tuple, list)):
            outputs = [("out", outputs)]
        return OrderedDict((self.full_name(name), value) for name, value in outputs), list(updates)

    def _hand_over(self, inputs):
        """Return the inputs as ``transform`` takes them: those of users' classes also work as in earlier releases."""
        if type(self).transform.__module__.partition(".")[0] == __package__.partition(".")[0]:
            return inputs
        return OldInputs(inputs, self)

    def _read_result(self, result):
        """Return outputs and updates of what ``transform`` has returned; layers may leave the updates out."""
        if hasattr(result, "type") or hasattr(result, "items"):
            return result, []
        if not isinstance(result, (tuple, list)) or len(result) != 2 or hasattr(result[1], "type"):
            raise util.ConfigurationError(
                f"layer {self.name!r}: transform() returned {result!r}, expected a pair of the outputs and a list of "
                "updates, such as dict(out=..., pre=...), []"
            )
        return result

    def transform(self, inputs):
        """Compute the outputs from the inputs.

        Parameters
        ----------
        inputs : dict
            Expressions by full output name.

        Returns
        -------
        outputs : expression, dict or sequence of (str, expression)
            One expression for the default output ``out``, or several with their names.
        updates : list of (shared variable, expression)
            What has to be updated whenever the outputs are computed.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define transform()")

    def __getattr__(self, name):
        return arguments.missing_attribute(self, name, arguments.HINTS_LAYER_ATTRIBUTES)

    # -- log ----------------------------------------------------------------------------------------------------------

    def log(self):
        """Write a line that describes the layer."""
        inputs = ", ".join(f"{name} {_show(shape)}" for name, shape in self._inputs)
        activation = f", {getattr(self.activate, 'name', '')}" if self.applies_activation else ""
        # not through str.format: names may hold braces.
        util.log(
            f"layer {self.name!r} ({type(self).__name__.lower()}{activation}): "
            f"{inputs}{' -> ' if inputs else ''}{_show(self.output_shape)}, {self.num_params} parameters"
        )

    def log_params(self):
        """Write a line for each parameter; return the number of learnable scalars."""
        for param in self.params:
            util.log(f"parameter {param.name!r}: {_show(param.get_value(borrow=True).shape)}")
        return self.num_params


def _is_ours(cls, method):
    """Tell whether a method of a class is defined in this library."""
    owner = next(base for base in cls.__mro__ if method in vars(base))
    return owner.__module__.partition(".")[0] == __package__.partition(".")[0]


def _agree(a, b):
    """Tell whether two shapes are the same, as far as is known."""
    return len(a) == len(b) and all(m == n or m is None or n is None for m, n in zip(a, b))


def _has_size(found, declared):
    """Tell whether a measured shape agrees with a size: as its last entry or, with other axes, any; 1 needs no axis."""
    size = declared[-1]
    if len(found) == len(declared):
        return found[-1] in (size, None)
    return size in found or size == 1


def chained(inputs, layer):
    """Return the ``inputs`` of a layer that reads the layer before it: its output, with the expected size if given."""
    return {layer.output_name: int(inputs)} if util.is_int(inputs) else layer.output_name


def _show(shape):
    return "x".join("?" if entry is None else str(entry) for entry in shape or ()) or "-"
