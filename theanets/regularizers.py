r"""Regularizers, against overfitting: penalties on weights and activations, noise and dropout.

Penalties add a term to the loss; noise and dropout modify outputs while the graph is built. All are given by keywords
of ``train``, and of every other method that computes something:

>>> import theanets
>>> net = theanets.Autoencoder([10, 20, 10])
>>> for reg in from_kwargs(net, weight_l2=1e-3, hidden_l1=0.1, input_noise=0.5):
...     print(type(reg).__name__, reg.weight, reg.pattern)
GaussianNoise 0.5 ('in:out',)
WeightL2 0.001 *
HiddenL1 0.1 *

Noise and dropout act in the methods that are given the keyword: in ``train``, on the validation data too; in
``predict`` only if ``predict`` itself is given the keyword.

Decoupled decay and constraints of weights, which act on parameters after each step, are in
:mod:`theanets.constraints`; penalties on codes in :mod:`theanets.trainer.latent`.

To add a regularizer, subclass :class:`Regularizer`; its lower-cased name is a new keyword.
"""

import copy

import theano.sparse as SS
import theano.tensor as TT

from . import arguments, layers, util
from .layers import means
from .layers.context import context_of, may_be_input

__all__ = [
    "from_kwargs",
    "Regularizer",
    "WeightL2",
    "WeightL1",
    "HiddenL1",
    "RecurrentNorm",
    "RecurrentState",
    "Contractive",
    "GaussianNoise",
    "BernoulliDropout",
]

#: Keywords that give noise or dropout a level, each with the part of the network that it applies to.
LEVELS = {f"{part}_{kind}": (part, kind) for kind in ("dropout", "noise") for part in ("input", "hidden", "output")}

#: Keywords that map patterns of output names to levels.
TABLES = ("dropout", "noise")

#: Appended to the name of an output that a regularizer has modified, for the value that it had before.
CLEAN_SUFFIXES = ("-predrop", "-prenoise")


class Regularizer(util.Registrar("Root", (util.ShapesGraph,), {"_kind": "regularizer"})):  # type: ignore[misc]
    """Base class of regularizers.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Shell patterns for the names of the outputs, or of the parameters, that are regularized. ``None`` means the
        default of the class. A number as the first argument is taken as the weight.
    weight : float, optional
        Strength. Default 0.

    Notes
    -----
    A subclass overrides :meth:`loss` to add a penalty, :meth:`modify_graph` to change outputs, or :meth:`after_step`
    to change parameters. Training with another weight compiles nothing, unless these methods read ``self.weight``, or
    pass ``self`` on to a function that may.

    Examples
    --------
    >>> class Bounded(Regularizer):
    ...     def loss(self, layers, outputs):
    ...         return sum(abs(value).max() for _, value in util.outputs_matching(outputs, self.pattern))
    >>> import theanets
    >>> [reg.weight for reg in from_kwargs(theanets.Regressor([3, 2]), bounded=0.5)]
    [0.5]
    """

    #: The pattern that stands for ``None``.
    DEFAULT_PATTERN = "*"

    #: Kind of names that patterns match: ``'outputs'`` or ``'parameters'``; None if neither, or unknown.
    watches: str | None = None

    #: Whether parameters with a single axis, such as biases, count among those that patterns match.
    takes_vectors = False

    #: Whether :meth:`after_step` restricts parameters to some set, so that it comes after the other changes of a step.
    is_projection = False

    #: A new object is made in each call of ``train`` or ``predict``, so cache keys use the settings, not the identity.
    is_known_by_settings = True

    def __init__(self, pattern=None, weight=0.0, **unknown):
        arguments.refuse(unknown, arguments.named_parameters(type(self)), f"regularizer {type(self).__name__}")
        if util.is_real(pattern):
            pattern, weight = None, pattern
        if not hasattr(weight, "type"):
            arguments.FINITE.check(f"regularizer {type(self).__name__}: weight", weight)
        self.pattern = self.DEFAULT_PATTERN if pattern is None else pattern
        self.weight = weight

    def __repr__(self):
        return arguments.show_call(self)

    @classmethod
    def read(cls, value):
        """Return the arguments of the constructor that the value of a keyword stands for, as a dict."""
        return dict(value) if isinstance(value, dict) else {"weight": value}

    def structure(self):
        """Return a dict of the attributes that compiled trainings depend on, for cache keys.

        Seeds and random streams are left out, and so is a weight that is an input of graphs.
        """
        left_out = {"seed", "rng", *(["weight"] if may_be_input(self, "weight") else ())}
        return {key: value for key, value in vars(self).items() if key not in left_out}

    def log(self):
        """Write a line that describes the regularizer."""
        util.log(f"regularizer {type(self).__name__} on {self.pattern}, weight {self.weight}")

    def modify_graph(self, outputs):
        """Change outputs of one layer, before later layers read them.

        Parameters
        ----------
        outputs : dict
            Expressions by full name, of the outputs of the layer that was just connected. It is modified in place.
        """

    def loss(self, layers, outputs):
        """Return the penalty, without the factor ``weight``.

        Parameters
        ----------
        layers : list of :class:`theanets.Layer`
            All layers of the network.
        outputs : dict
            Expressions of all outputs by full name.

        Returns
        -------
        penalty : expression or 0
        """
        return 0

    def after_step(self, param, value, rate):
        """Change what a parameter becomes in a step of training.

        Parameters
        ----------
        param : theano shared variable
            A parameter whose name matches the pattern.
        value : expression
            Its value after the step.
        rate : expression
            The learning rate.

        Returns
        -------
        value : expression
        """
        return value


def modifies_graphs(reg):
    """Tell whether a regularizer changes outputs, and does not only add to the loss."""
    return type(reg).modify_graph is not Regularizer.modify_graph


def changes_parameters(reg):
    """Tell whether a regularizer changes parameters after each step of training."""
    return type(reg).after_step is not Regularizer.after_step


def mean_of(terms):
    """Return the mean of some scalar expressions; 0 if there are none."""
    terms = list(terms)
    return sum(terms) / len(terms) if terms else 0


def average(values, outputs):
    """Return the mean of the values of an output, without masked steps."""
    mask = context_of(outputs).mask if values.ndim > 2 else None
    return means.mean(values, mask)


def hidden_layers(network_layers):
    """Return the layers that are neither an input nor the last one."""
    return [layer for layer in network_layers[:-1] if not isinstance(layer, layers.Input)]


def hidden_outputs(pattern, network_layers, outputs):
    """Return the outputs that match a pattern, where ``*`` means the default outputs of hidden layers."""
    if pattern == "*":
        pattern = [util.ExactName(layer.output_name) for layer in hidden_layers(network_layers)]
    return [value for _, value in util.outputs_matching(outputs, pattern)]


class _WeightPenalty:
    """The mean of a function of the weights, over the matching parameters that have more than one dimension."""

    watches: str | None = "parameters"

    def loss(self, layers, outputs):
        params = [param for _, param in util.params_matching(layers, self.pattern) if param.ndim > 1]
        return mean_of(self.penalty(param).mean() for param in params)


class WeightL2(_WeightPenalty, Regularizer):
    r"""Penalty on the squares of weights: the mean over matching matrices :math:`p` of the mean of :math:`p^2`.

    Vectors, such as biases, are never penalised. The pattern is for names of parameters; the default is all of them.

    A Krogh, J Hertz, "A Simple Weight Decay Can Improve Generalization", NIPS 1991
    """

    __extra_registration_keys__ = ["weight_l2", "weight_decay"]

    penalty = staticmethod(TT.sqr)


class WeightL1(_WeightPenalty, Regularizer):
    r"""Penalty on the sizes of weights: the mean over matching matrices :math:`p` of the mean of :math:`|p|`.

    Vectors, such as biases, are never penalised. The pattern is for names of parameters; the default is all of them.
    """

    __extra_registration_keys__ = ["weight_l1", "weight_sparsity"]

    penalty = staticmethod(abs)


class HiddenL1(Regularizer):
    r"""Penalty on the sizes of activations: the mean over matching outputs :math:`h` of the mean of :math:`|h|`.

    The pattern is for names of outputs; the default is the ``out`` of each hidden layer.

    H Lee, C Ekanadham, A Ng, "Sparse deep belief net model for visual area V2", NIPS 2008
    """

    __extra_registration_keys__ = ["hidden_l1", "hidden_sparsity"]

    watches: str | None = "outputs"

    def loss(self, layers, outputs):
        return mean_of(average(abs(util.dense(h)), outputs) for h in hidden_outputs(self.pattern, layers, outputs))


class _SequencePenalty:
    """A penalty on how sequences change from one step to the next."""

    watches: str | None = "outputs"

    def __init__(self, pattern=None, weight=0.0, **unknown):
        super().__init__(pattern=pattern, weight=weight, **unknown)
        if pattern is None or util.is_real(pattern):
            raise util.ConfigurationError(
                f"regularizer {type(self).__name__} needs a pattern of the outputs that it applies to, "
                f"as in dict(weight={self.weight}, pattern='hid1:out')"
            )

    def loss(self, layers, outputs):
        sequences = [value for _, value in util.outputs_matching(outputs, self.pattern) if value.ndim == 3]
        mask = context_of(outputs).mask
        mask = None if mask is None else mask[:, 1:]
        return mean_of(means.mean(TT.sqr(h[:, 1:] - h[:, :-1]), mask) for h in map(self.watched, sequences))


class RecurrentNorm(_SequencePenalty, Regularizer):
    r"""Penalty on changes in the size of a state: the mean of :math:`(|h_t|^2 - |h_{t-1}|^2)^2`.

    The pattern, which must be given, is for names of outputs of shape (batch, time, units).

    D Krueger, R Memisevic, "Regularizing RNNs by Stabilizing Activations", ICLR 2016,
    https://arxiv.org/abs/1511.08400, use lengths rather than their squares.
    """

    __extra_registration_keys__ = ["recurrent_norm"]

    @staticmethod
    def watched(h):
        """Return the squared length of each state."""
        return TT.sqr(h).sum(axis=-1)


class RecurrentState(_SequencePenalty, Regularizer):
    r"""Penalty on changes of a state: the mean of :math:`(h_t - h_{t-1})^2`.

    The pattern, which must be given, is for names of outputs of shape (batch, time, units).
    """

    __extra_registration_keys__ = ["recurrent_state"]

    @staticmethod
    def watched(h):
        """Return the states themselves."""
        return h


class Contractive(Regularizer):
    r"""Penalty on how much the inputs move the hidden layers.

    The term is the mean, over matching outputs :math:`h` and inputs :math:`x`, of the mean over the elements of
    :math:`x` of

    .. math:: \left( \frac{\partial \, \overline{h}}{\partial x} \right)^2

    where :math:`\overline{h}` is the mean over the batch and the units. This is what the library has always computed,
    and weights were tuned to it. It is not the squared norm of the Jacobian: units that change in opposite directions
    cancel out, and the term falls with the square of the size of the batch.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Patterns for names of outputs. Default: the ``out`` of each hidden layer.
    weight : float, optional
        Strength. Default 0.
    wrt : str or sequence of str, optional
        Patterns for the names of input layers. Default ``'*'``, all of them.

    Notes
    -----
    After S Rifai, P Vincent, X Muller, X Glorot, Y Bengio, "Contractive Auto-Encoders", ICML 2011
    """

    watches: str | None = "outputs"

    def __init__(self, pattern=None, weight=0.0, wrt="*", **unknown):
        super().__init__(pattern=pattern, weight=weight, **unknown)
        self.wrt = "*" if wrt is None else wrt

    def loss(self, layers, outputs):
        inputs = dict(util.outputs_matching([(name, x) for name, x in _input_variables(layers)], self.wrt))
        for name, x in inputs.items():
            if isinstance(x.type, SS.SparseType) or "float" not in str(x.dtype):
                raise util.ConfigurationError(
                    f"regularizer Contractive: input {name!r}, of the type {x.type}, has no gradient; choose others "
                    "by wrt="
                )
        if not inputs:
            return 0
        return mean_of(
            average(TT.sqr(gradient), outputs)
            for h in hidden_outputs(self.pattern, layers, outputs)
            for gradient in TT.grad(average(h, outputs), list(inputs.values()), disconnected_inputs="ignore")
        )


def _input_variables(network_layers):
    return [(layer.name, layer.input) for layer in network_layers if isinstance(layer, layers.Input)]


def seed_of(rng):
    """Return a seed for symbolic random numbers.

    Parameters
    ----------
    rng : int, None or numpy.random.RandomState
        The result depends on the state of a generator, but does not change it. ``None`` gives a new seed each time.

    Returns
    -------
    seed : int
    """
    if util.is_int(rng):
        return int(rng)
    return int(copy.deepcopy(util.random_state(rng)).randint(1, 2**31 - 1))


class Stochastic:
    """Mixin class of regularizers that change outputs by random numbers.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Patterns for names of outputs. Default ``'*:out'``, the default output of every layer.
    weight : float, optional
        Strength. Default 0.
    rng : int, None, numpy.random.RandomState or a symbolic random stream, optional
        Seed, generator or stream. Default 13. Regularizers with the same seed in the same graph draw from one stream,
        one after the other, so that no two of them draw the same numbers.

    Attributes
    ----------
    seed : int or None
        The seed; None if a stream was given.
    rng : symbolic random stream
        The stream.
    """

    DEFAULT_PATTERN = "*:out"

    watches: str | None = "outputs"

    def __init__(self, pattern=None, weight=0.0, rng=13, **unknown):
        super().__init__(pattern=pattern, weight=weight, **unknown)
        self._check_level(self.weight)
        self.seed = None if _is_stream(rng) else seed_of(rng)
        self.rng = rng if self.seed is None else _make_stream(self.seed)

    def graph_settings(self):
        settings = super().graph_settings()
        if self.seed is None:
            # a stream of the user, which has no seed, is described by its identity.
            settings["stream"] = self.rng
        return settings

    def modify_graph(self, outputs):
        for name, value in list(util.outputs_matching(outputs, self.pattern)):
            if name.endswith(CLEAN_SUFFIXES):
                continue
            value = util.dense(value)
            if "float" not in str(value.dtype):
                raise util.ConfigurationError(
                    f"regularizer {type(self).__name__}: output {name!r} holds integer labels, which cannot be changed "
                    "a little; choose other outputs"
                )
            outputs.setdefault(name + self.clean_suffix, value)
            outputs[name] = self.disturb(value)


def _make_stream(seed):
    # imported here as it imports Theano's GPU code too.
    from theano.sandbox.rng_mrg import MRG_RandomStreams

    return MRG_RandomStreams(_in_range(seed))


def _in_range(seed):
    from theano.sandbox.rng_mrg import M2

    # streams take seeds from 1 to M2 - 1 only.
    return 1 + (seed - 1) % (int(M2) - 1)


def _is_stream(rng):
    return hasattr(rng, "state_updates")


class GaussianNoise(Stochastic, Regularizer):
    """Add normally distributed noise, with the standard deviation ``weight``, to outputs.

    The value without the noise stays available under the output's name with ``-prenoise`` appended.

    P Vincent, H Larochelle, Y Bengio, P-A Manzagol, "Extracting and Composing Robust Features with Denoising
    Autoencoders", ICML 2008
    """

    clean_suffix = "-prenoise"

    @staticmethod
    def _check_level(weight):
        if util.is_real(weight) and not weight >= 0:
            raise util.ConfigurationError(f"noise of {weight!r}: a standard deviation must be 0 or more")

    def disturb(self, value):
        """Return the value plus noise."""
        return value + self.rng.normal(size=value.shape, std=self.weight, dtype=util.FLOAT)


class BernoulliDropout(Stochastic, Regularizer):
    """Set elements of outputs to zero with the probability ``weight``, and divide the others by ``1 - weight``.

    The value before that stays available under the output's name with ``-predrop`` appended.

    N Srivastava, G Hinton, A Krizhevsky, I Sutskever, R Salakhutdinov, "Dropout: A Simple Way to Prevent Neural
    Networks from Overfitting", JMLR 15, 2014
    """

    clean_suffix = "-predrop"

    @staticmethod
    def _check_level(weight):
        if util.is_real(weight) and not 0 <= weight < 1:
            raise util.ConfigurationError(f"dropout of {weight!r}: a rate must be at least 0 and less than 1")

    def log(self):
        """Write a line that describes the regularizer."""
        util.log(f"regularizer {type(self).__name__} on {self.pattern}, rate {self.weight}")

    def disturb(self, value):
        """Return the value with some of its elements set to zero."""
        keep = 1 - self.weight
        mask = self.rng.binomial(size=value.shape, n=1, p=keep, dtype=util.FLOAT)
        return value * mask / keep


def share_streams(regularizers):
    """Give regularizers with the same seed the same stream."""
    streams = {}
    for reg in regularizers:
        if isinstance(reg, Stochastic) and reg.seed is not None:
            reg.rng = streams.setdefault(reg.seed, reg.rng)


def afresh(regularizers):
    """Return copies of regularizers that draw from new streams, from their seeds; those without a seed as they are."""
    streams, result = {}, []
    for reg in regularizers:
        if isinstance(reg, Stochastic) and reg.seed is not None:
            reg = copy.copy(reg)
            reg.rng = streams[reg.seed] = streams.get(reg.seed) or _make_stream(reg.seed)
        result.append(reg)
    return result


def state_of_draw(seed, place, count):
    """Return the initial state of an expression that is drawn from a new stream, an array (count, 6).

    Parameters
    ----------
    seed : int
        The seed of the stream.
    place : int
        Number of expressions that were drawn before.
    count : int
        Number of substreams.
    """
    stream = _make_stream(seed)
    for _ in range(place):
        stream.inc_rstate()
    return stream.get_substream_rstates(count, util.FLOAT)


class StreamStates:
    """The states of a random stream in compiled functions, to seed it again after its graphs have been released.

    Parameters
    ----------
    states : list of theano shared variables
        The state of each expression that was drawn, in order.
    """

    def __init__(self, states):
        self.states = states

    def seed(self, seed):
        """Set all states as the symbolic stream would for this seed."""
        stream = _make_stream(seed)
        for state in self.states:
            count, _ = state.container.storage[0].shape
            state.set_value(stream.get_substream_rstates(count, util.FLOAT))


def weight_key(index):
    """Return the key of the weight of a regularizer, see :class:`theanets.layers.context.Values`."""
    return "regularizer", index, "weight"


def numbers(regularizers):
    """Return the weights of regularizers that are inputs of graphs, by key."""
    return {weight_key(i): reg.weight for i, reg in enumerate(regularizers) if may_be_input(reg, "weight")}


def with_inputs(regularizers, context):
    """Return copies of regularizers whose weights are inputs of the graph, where it has such inputs.

    Parameters
    ----------
    regularizers : sequence of Regularizer
        The regularizers, which are not changed.
    context : :class:`theanets.layers.context.Context`
        The context of the graph.
    """
    result = []
    for i, reg in enumerate(regularizers):
        weight = context.value(weight_key(i), reg.weight)
        if hasattr(weight, "type") and weight is not reg.weight:
            reg = copy.copy(reg)
            reg.weight = weight
        result.append(reg)
    return result


class Draws:
    """The seeds and random streams of noise and dropout, collected before a graph is built with them.

    Parameters
    ----------
    regularizers : list of Regularizer
        The regularizers.

    Attributes
    ----------
    seeds : list of int
        The seeds, each once, in order.
    streams : list of symbolic random streams
        The stream of each seed.
    are_new : bool
        Whether no stream has been used yet. One that has been used draws other numbers in each new graph, as its state
        has moved on.
    """

    def __init__(self, regularizers):
        found, self.places, self.are_new = {}, [], True
        for reg in regularizers:
            if not isinstance(reg, Stochastic):
                continue
            self.are_new &= reg.seed is not None and not reg.rng.state_updates
            found.setdefault(reg.seed, reg.rng)
            self.places.append(list(found).index(reg.seed))
        self.seeds, self.streams = list(found), list(found.values())

    def start(self, streams):
        """Seed other streams, those of an existing graph, with the seeds of these."""
        for stream, seed in zip(streams, self.seeds):
            stream.seed(_in_range(seed))


@arguments.declare_training_keywords
def keywords():
    """Return the set of keywords that :func:`from_kwargs` understands, in lower case."""
    registered = {key for key in Regularizer._registry if key != "regularizer"}
    return registered | {*LEVELS, *TABLES, "rng", "regularizers"} | set(arguments.OLD_REGULARIZERS)


def from_kwargs(graph, **kwargs):
    """Make regularizers from keyword arguments.

    Parameters
    ----------
    graph : :class:`theanets.Network`
        The network to be regularized.
    regularizers : sequence or dict, optional
        A list or tuple of regularizers is returned as it is; a dict of keyword arguments goes before the others.
    input_dropout, hidden_dropout, output_dropout : float, optional
        Rate of dropout on input layers, hidden layers or the last layer. Default 0, which is none.
    input_noise, hidden_noise, output_noise : float, optional
        Standard deviation of noise on input layers, hidden layers or the last layer. Default 0, which is none.
    dropout, noise : dict, optional
        Rates, or standard deviations, by patterns of output names.
    rng : int, None, numpy.random.RandomState or symbolic random stream, optional
        Seed, generator or stream of noise and dropout. Default: the seed of the network.
    **kwargs
        The name of any other regularizer, with a number (its weight) or a dict (arguments for its constructor). Names
        of no regularizer are ignored.

    Returns
    -------
    regularizers : list of Regularizer
        Dropout first, then noise, then the others in the order of their keywords.

    Raises
    ------
    ConfigurationError
        For values that a regularizer cannot have.
    """
    kwargs = dict(kwargs)
    given = kwargs.pop("regularizers", None)
    if isinstance(given, (list, tuple)):
        for reg in given:
            if not isinstance(reg, Regularizer):
                raise util.ConfigurationError(f"regularizers={given!r}: {reg!r} is not a theanets.Regularizer")
        return given
    if given is not None and not isinstance(given, dict):
        raise util.ConfigurationError(f"regularizers={given!r}: expected a list of regularizers, or a dict of keywords")
    kwargs = arguments.renamed({**kwargs, **(given or {})}, arguments.OLD_REGULARIZERS)
    rng = seed_or_stream(graph, kwargs)
    kinds = {"dropout": BernoulliDropout, "noise": GaussianNoise}
    result = [
        kinds[kind](pattern=pattern, weight=level, rng=rng)
        for kind in TABLES
        for pattern, level in [*_levels(graph, kwargs, kind), *_table(kwargs, kind)]
    ]
    for key, value in kwargs.items():
        name = key.lower()
        if value is None or name in LEVELS or name in TABLES or not Regularizer.is_registered(name):
            continue
        cls = Regularizer.get_class(name)
        options = cls.read(value)
        if issubclass(cls, Stochastic):
            options.setdefault("rng", rng)
        result.append(cls(**options))
    return result


def seed_or_stream(graph, kwargs):
    default = getattr(graph, "seed", 13)
    if "rng" not in kwargs or kwargs["rng"] is getattr(graph, "rng", None):
        return default
    rng = kwargs["rng"]
    return rng if _is_stream(rng) else seed_of(rng)


def _levels(graph, kwargs, kind):
    """Return (pattern, level) for each ``input_noise`` and the like that is not zero."""
    parts = {
        "input": [layer for layer in graph.layers if isinstance(layer, layers.Input)],
        "hidden": hidden_layers(graph.layers),
        "output": graph.layers[-1:],
    }
    result = []
    for key, (part, its_kind) in LEVELS.items():
        level = kwargs.get(key)
        if its_kind != kind or level is None:
            continue
        if not util.is_real(level):
            raise util.ConfigurationError(
                f"{key}={level!r}: expected a number; to choose outputs write {kind}={{'hid1:out': 0.1}}"
            )
        if level != 0:
            result.append((tuple(util.ExactName(layer.output_name) for layer in parts[part]), level))
    return result


def _table(kwargs, kind):
    """Return (pattern, level) for each entry of ``noise={...}`` or ``dropout={...}`` that is not zero."""
    table = kwargs.get(kind)
    if table is None:
        return []
    if not isinstance(table, dict):
        raise util.ConfigurationError(
            f"{kind}={table!r}: expected a dict from names of outputs to levels, such as {{'hid1:out': 0.1}}; "
            f"for all hidden layers write hidden_{kind}={table!r}"
        )
    return [(pattern, level) for pattern, level in table.items() if level is not None and level != 0]
