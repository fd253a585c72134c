r"""Recurrent layers: each step of a sequence is combined with the state that the step before has left.

Data have the shape (batch, time, variables), and so has every output that is a sequence: its index t belongs to step t
of the input, in layers that run backwards as well.

In the formulas, :math:`x_t` is the input and :math:`h_t` the output at step t, as row vectors; :math:`\sigma` is the
logistic sigmoid, :math:`g` the activation of the layer, and :math:`\odot` the elementwise product.

To add a layer, subclass :class:`Recurrent`.
"""

from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as TT

from .. import util
from .base import Layer
from .context import Context, context_of

__all__ = [
    "Recurrent",
    "RNN",
    "BCRNN",
    "RRNN",
    "MRNN",
    "LSTM",
    "GRU",
    "Clockwork",
    "MUT1",
    "SCRN",
    "Bidirectional",
]

#: Value of an option for an initial state that makes it a parameter.
LEARNED = "learned"

sigmoid = TT.nnet.sigmoid


def time_major(x):
    """Exchange the first two axes of an expression."""
    return x.dimshuffle(1, 0, *range(2, x.ndim))


class Recurrent(Layer):
    r"""Base class of recurrent layers.

    Parameters
    ----------
    h_0 : str or :class:`theanets.Layer`, optional
        The state before the first step: the name of an output of an earlier layer, of shape (batch, size), often of
        an input layer; or ``'learned'``, for a parameter ``h_0`` that starts at zero. Default: zeros.
    direction : str, optional
        ``'forward'`` (default) or ``'backward'``, which runs from the last step to the first.
    bptt_limit : int, optional
        If positive, only so many steps at the end of a sequence, in the order in which they are processed, take part
        in the gradient at all. Errors at earlier steps contribute nothing; this is not a window that moves along with
        each error. To learn from long sequences in pieces, carry the state from batch to batch instead, by
        ``train(..., stateful=True)``. Default -1: no limit.
    mean, std, sparsity, radius, diagonal : float, optional
        Initial values of weight matrices, see :meth:`add_weights`.
    **kwargs
        See :class:`theanets.Layer`.

    Raises
    ------
    ConfigurationError
        For an input that is not a sequence, and for options that make no sense.

    Notes
    -----
    A subclass says in :attr:`states` which outputs are fed back, and defines :meth:`setup`, :meth:`sequences` and
    :meth:`_step`; the outputs that a step returns are listed in :attr:`steps`.
    """

    keywords = ("direction", "bptt_limit", "radius")

    #: Outputs that are fed back, each with the option that gives its first value.
    states = OrderedDict(out="h_0")

    #: Outputs that each step returns, in their order.
    steps = ("out",)

    def __init__(self, h_0=None, **kwargs):
        super().__init__(**kwargs)
        self.h_0 = h_0
        self.backward = self._read_direction(self.kwargs.get("direction"))
        limit = self.kwargs.get("bptt_limit", -1)
        if not util.is_int(limit) or limit == 0 or limit < -1:
            raise util.ConfigurationError(
                f"layer {self.name!r}: bptt_limit={limit!r}, expected -1 or a number of steps"
            )

    def _read_direction(self, direction):
        word = "forward" if direction is None else direction
        known = {"forward": False, "forwards": False, "fw": False, "back": True, "backward": True, "backwards": True}
        known["bw"] = True
        if not isinstance(word, str) or word.lower() not in known:
            raise util.ConfigurationError(
                f"layer {self.name!r}: direction={direction!r}, expected 'forward' or 'backward'"
            )
        return known[word.lower()]

    # -- binding ------------------------------------------------------------------------------------------------------

    def _initial_options(self):
        """Return the names of the options for initial states, each once."""
        return list(OrderedDict.fromkeys(self.states.values()))

    def initial_sources(self):
        """Return the sizes of the initial states that are read from other layers, by full output name."""
        values = [getattr(self, option) for option in self._initial_options()]
        return {value: self.output_size for value in values if value is not None and value != LEARNED}

    def resolve_inputs(self, layers):
        super().resolve_inputs(layers)
        if len(self.input_shape) != 2:
            raise util.ConfigurationError(
                f"layer {self.name!r} reads sequences, of shape (time, variables), but its input "
                f"{self.input_name!r} has the shape {self.input_shape!r}"
            )
        for option in self._initial_options():
            source = getattr(self, option)
            if source is None or source == LEARNED:
                continue
            ((name, _),) = self._read_inputs(source)
            shape = self._resolve_input(name, None, list(layers), self._position(layers))
            if len(shape) != 1:
                raise util.ConfigurationError(
                    f"layer {self.name!r}: {option}={name!r} has the shape {shape!r}, expected one vector per example"
                )
            setattr(self, option, name)

    def resolve_outputs(self):
        super().resolve_outputs()
        for name in self.steps:
            self._output_shapes[name] = self.output_shape

    def _initialize(self):
        super()._initialize()
        self._check_block_options()

    def _learned_states(self):
        for option in self._initial_options():
            if getattr(self, option) == LEARNED:
                self._add_param(option, (self.output_size,), lambda: np.zeros(self.output_size, util.FLOAT))

    def setup(self):
        self._create_params()
        self._learned_states()

    def _create_params(self):
        """Create the parameters of the recurrence."""
        raise NotImplementedError(f"{type(self).__name__} does not define _create_params()")

    # -- parameters ---------------------------------------------------------------------------------------------------

    def _is_square(self, nin, nout):
        return nin == self.output_size and nout % nin == 0

    def add_weights(self, name, nin, nout, mean=0, std=0, sparsity=0, radius=0, diagonal=0):
        """Create a weight matrix.

        If ``nin`` is the size of the layer and ``nout`` a multiple of it, the matrix consists of square blocks, which
        are made one after the other, each with the given radius or diagonal. Otherwise these two have no effect.

        Parameters
        ----------
        name : str
            Name of the parameter, without the layer's name.
        nin, nout : int
            Shape of the matrix.
        mean, std, sparsity, radius, diagonal : float, optional
            See :func:`theanets.util.random_matrix`. A ``std`` argument of 0 stands for ``1 / sqrt(nin + nout)``. The
            radius is the largest singular value, not the spectral radius.
        """
        mean = self._setting("mean", name, mean)
        std = self._setting("std", name, std or 1 / np.sqrt(nin + nout))
        sparsity = self._setting("sparsity", name, sparsity)
        if not self._is_square(nin, nout):
            draw = lambda: util.random_matrix(nin, nout, mean, std, sparsity=sparsity, rng=self.rng)  # noqa: E731
            return self._add_param(name, (nin, nout), draw)
        shaping = dict(
            sparsity=sparsity,
            radius=self._setting("radius", name, radius),
            diagonal=self._setting("diagonal", name, diagonal),
        )

        def draw_blocks():
            blocks = [util.random_matrix(nin, nin, mean, std, rng=self.rng, **shaping) for _ in range(nout // nin)]
            return np.concatenate(blocks, axis=1)

        return self._add_param(name, (nin, nout), draw_blocks)

    def _check_block_options(self):
        for param in self._params:
            short, shape = param.name[len(self.name) + 1 :], param.get_value(borrow=True).shape
            for setting in ("radius", "diagonal"):
                if f"{setting}_{short}" in self.kwargs and not (len(shape) == 2 and self._is_square(*shape)):
                    raise util.ConfigurationError(
                        f"layer {self.name!r}: {setting}_{short} cannot act on a parameter of shape {shape}; "
                        f"it needs {self.output_size} rows, and a multiple of that many columns"
                    )

    def _create_rates(self, dist="uniform", size=None, eps=1e-4):
        """Make a vector of rates that are not learned.

        Parameters
        ----------
        dist : str, optional
            ``'uniform'`` for rates between 0 and 1 (default), or ``'log'`` for rates whose logarithms are spread
            evenly between -6 and 0: half of them are below 0.05.
        size : int, optional
            Default: the size of the layer.
        eps : float, optional
            Distance from the ends of these ranges. Default 1e-4.

        Returns
        -------
        rates : theano shared variable (size, ) or None
            None for another distribution.
        """
        size = size or self.output_size
        kept = getattr(self, "_rates", None)
        if kept is not None and kept.get_value(borrow=True).shape == (size,):
            return kept
        if dist == "uniform":
            values = self.rng.uniform(eps, 1 - eps, size=size)
        elif dist == "log":
            values = np.exp(self.rng.uniform(-6, -eps, size=size).astype(util.FLOAT))
        else:
            return None
        return theano.shared(values.astype(util.FLOAT), name=f"{self.name}.rate")

    # -- the recurrence -----------------------------------------------------------------------------------------------

    def initial_state(self, name, batch_size):
        """Return the value of a state before the first step.

        Parameters
        ----------
        name : str
            One of :attr:`states`.
        batch_size : int
            Number of sequences.

        Returns
        -------
        state : ndarray (batch_size, size)
            Zeros, or the learned values; a state that is read from another layer starts from zeros here.
        """
        values = np.zeros((batch_size, self.output_size), util.FLOAT)
        if getattr(self, self.states[name]) == LEARNED:
            values += self.find(self.states[name]).get_value()
        return values

    def carried_states(self, batch_size):
        """Return everything that has to be carried on from one part of a sequence to the next.

        Returns
        -------
        states : dict
            Arrays whose first axis is that of the batch, by full name.
        """
        if self.backward:
            raise util.ConfigurationError(
                f"layer {self.name!r} runs backwards, from the end of a sequence; it cannot carry a state on to the "
                "next part of it"
            )
        return OrderedDict((self.full_name(name), self.initial_state(name, batch_size)) for name in self.states)

    def _first_values(self, inputs, batch_size):
        """Return expressions of the states before the first step."""
        context = context_of(inputs)
        zeros = TT.unbroadcast(TT.zeros((batch_size, self.output_size), util.FLOAT), 0, 1)
        values = OrderedDict()
        for name, option in self.states.items():
            source = getattr(self, option)
            given = (context.states or {}).get(self.full_name(name))
            if given is not None:
                values[name] = given
            elif source is None:
                values[name] = zeros
            elif source == LEARNED:
                values[name] = zeros + self.find(option)
            else:
                value = inputs[source]
                # one row stands for all examples.
                values[name] = zeros + value if value.broadcastable[0] else value
        return values

    def sequences(self, x, context):
        """Compute what does not depend on the state, for all steps at once.

        Parameters
        ----------
        x : expression (batch, time, variables)
            The input.
        context : Context
            How the graph is going to be used.

        Returns
        -------
        sequences : list of expressions (batch, time, any)
            One step of each is handed to :meth:`_step`.
        outputs : dict
            Outputs of the layer that are known already.
        """
        return [TT.dot(x, self.find("xh")) + self.find("b")], {}

    def constants(self):
        """Return expressions that are the same for all steps."""
        return []

    def _step(self, *args):
        """Compute one step.

        Parameters
        ----------
        *args : expressions
            One step of each of :meth:`sequences`, of shape (batch, any); the previous value of each of
            :attr:`states`; and the :meth:`constants`.

        Returns
        -------
        values : list of expressions
            One for each of :attr:`steps`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define _step()")

    def transform(self, inputs):
        context, x = context_of(inputs), inputs[self.input_name]
        sequences, outputs = self.sequences(x, context)
        first = self._first_values(inputs, x.shape[0])
        values, updates = self._scan(
            [time_major(sequence) for sequence in sequences],
            [first.get(name) for name in self.steps],
            constants=self.constants(),
            context=context,
        )
        for name, value in zip(self.steps, values):
            outputs[name] = time_major(value)
            if name in self.states:
                context.final_states[self.full_name(name)] = value[0 if self.backward else -1]
        return outputs, updates

    def _scan(self, inputs, outputs, name="scan", step=None, constants=None, context=None):
        """Run a step function along time.

        Parameters
        ----------
        inputs : list of expressions
            Sequences whose first axis is time.
        outputs : list
            One entry for each value that a step returns: None if it is not fed back; its first value if it is, or a
            number n for zeros of shape (batch, n); or a dict as ``theano.scan`` takes it.
        name : str, optional
            Name of the loop.
        step : callable, optional
            Called with a step of each input, the last value of each output that is fed back, and the constants.
            Default: :meth:`_step`.
        constants : list of expressions, optional
            What is the same for all steps.
        context : Context, optional
            How the graph is going to be used.

        Returns
        -------
        values : list of expressions
            The outputs, with time as the first axis, in the order of the inputs.
        updates : list of (shared variable, expression)
            What has to be updated whenever the loop is run.
        """
        step = step or self._step
        context = context or Context()
        infos = [self._output_info(output, inputs[0].shape[1]) for output in outputs]
        constants = list(constants or ())
        if context.single_step:
            fed_back = [info["initial"] for info in infos if info is not None]
            values = step(*(x[0] for x in inputs), *fed_back, *constants)
            return [TT.shape_padleft(value) for value in _as_list(values)], []
        if context.mask is not None:
            step = _masked(step, len(inputs), infos)
            inputs = [*inputs, context.mask.T]
        values, updates = theano.scan(
            step,
            name=f"{self.name}:{name}",
            sequences=inputs,
            outputs_info=infos,
            non_sequences=constants,
            go_backwards=self.backward,
            truncate_gradient=int(self.kwargs.get("bptt_limit", -1)),
        )
        values = _as_list(values)
        if self.backward:
            values = [value[::-1] for value in values]
        return values, list(updates.items())

    def _output_info(self, output, batch_size):
        if output is None:
            return None
        if isinstance(output, dict):
            return output
        if util.is_int(output) or getattr(output, "ndim", None) == 0:
            return dict(initial=TT.unbroadcast(TT.zeros((batch_size, output), util.FLOAT), 0, 1))
        if getattr(output, "ndim", 0) > 0:
            return dict(initial=output)
        raise ValueError(f"layer {self.name!r}: cannot start a recurrence from {output!r}")

    def to_spec(self):
        """Return a dict that :meth:`theanets.Network.add_layer` turns into a layer like this one."""
        return dict(super().to_spec(), **{option: getattr(self, option) for option in self._initial_options()})


def _as_list(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _masked(step, count, infos):
    """Wrap a step function so that states stay as they are where the mask is zero."""
    fed_back = [i for i, info in enumerate(infos) if info is not None]

    def masked_step(*args):
        sequences, mask, others = args[:count], args[count], args[count + 1 :]
        values = _as_list(step(*sequences, *others))
        for i, previous in zip(fed_back, others):
            values[i] = TT.switch(TT.gt(mask, 0).dimshuffle(0, "x"), values[i], previous)
        return values

    return masked_step


class RNN(Recurrent):
    r"""The plain recurrent layer.

    .. math::
       p_t &= x_t W_{xh} + b + h_{t-1} W_{hh} \\
       h_t &= g(p_t)

    Notes
    -----
    Parameters: ``xh`` (input size, size), ``hh`` (size, size), ``b`` (size, ).

    Outputs: ``out`` (:math:`h`), ``pre`` (:math:`p`).

    J L Elman, "Finding Structure in Time", Cognitive Science 14, 1990

    Examples
    --------
    >>> import theanets
    >>> net = theanets.recurrent.Regressor([2, (3, "rnn"), 1])
    >>> net.predict(np.zeros((5, 7, 2))).shape
    (5, 7, 1)
    """

    steps = ("pre", "out")

    def _create_params(self):
        self.add_weights("xh", self.input_size, self.output_size)
        self.add_weights("hh", self.output_size, self.output_size)
        self.add_bias("b", self.output_size)

    def _step(self, x_t, h_tm1):
        pre = x_t + TT.dot(h_tm1, self.find("hh"))
        return [pre, self.activate(pre)]


class _Modular(RNN):
    """A recurrent layer whose units form groups of equal size, each listening to itself and to later groups."""

    states = OrderedDict(pre="h_0", out="h_0")

    def _count_modules(self):
        raise NotImplementedError

    def resolve_outputs(self):
        super().resolve_outputs()
        if self.output_size % self._count_modules():
            raise util.ConfigurationError(
                f"layer {self.name!r}: {self.output_size} units cannot be divided into {self._count_modules()} "
                "modules of equal size"
            )

    def _modules(self):
        """Return the index of the module of each unit."""
        return np.repeat(np.arange(self._count_modules()), self.output_size // self._count_modules())

    def _mask(self):
        """Return a matrix of ones where a unit (row) is heard by another one (column)."""
        modules = self._modules()
        return (modules[:, None] >= modules[None, :]).astype(util.FLOAT)

    def constants(self):
        mask = TT.constant(self._mask(), name=f"{self.name}.mask")
        return [self.find("hh") * mask]


class BCRNN(_Modular):
    r"""A recurrent layer whose groups of units change at different rates.

    .. math::
       p_t &= r \odot p_{t-1} + (1 - r) \odot \left(x_t W_{xh} + b + h_{t-1} (W_{hh} \odot K)\right) \\
       h_t &= g(p_t)

    The mask K lets the units of a module hear those of their own module and of slower ones. The rates r are fixed:
    module i has :math:`1 - 10^{e_i}`, with exponents spread evenly from -0.0001 (fast) to -6 (slow).

    Parameters
    ----------
    num_modules : int
        Number of groups of equal size.
    **kwargs
        See :class:`Recurrent`. An initial state ``h_0`` is also the first value of :math:`p`.

    Notes
    -----
    Parameters: ``xh`` (input size, size), ``hh`` (size, size), ``b`` (size, ).

    Outputs: ``out`` (:math:`h`), ``pre`` (:math:`p`).
    """

    def __init__(self, num_modules, **kwargs):
        super().__init__(**kwargs)
        if not util.is_int(num_modules) or num_modules < 1:
            raise util.ConfigurationError(
                f"layer {self.name!r}: num_modules={num_modules!r}, expected a positive integer"
            )
        self.num_modules = int(num_modules)

    def _count_modules(self):
        return self.num_modules

    def _module_rates(self):
        """Return the rate of each unit."""
        exponents = np.linspace(-0.0001, -6, self.num_modules)
        return (1 - 10**exponents)[self._modules()].astype(util.FLOAT)

    def constants(self):
        return [*super().constants(), TT.constant(self._module_rates(), name=f"{self.name}.rates")]

    def _step(self, x_t, pre_tm1, h_tm1, weights, rates):
        pre = rates * pre_tm1 + (1 - rates) * (x_t + TT.dot(h_tm1, weights))
        return [pre, self.activate(pre)]

    def to_spec(self):
        return dict(super().to_spec(), num_modules=self.num_modules)


class Clockwork(_Modular):
    r"""A recurrent layer whose groups of units tick at different periods.

    .. math::
       a_t &= x_t W_{xh} + b + h_{t-1} (W_{hh} \odot K) \\
       p_{t,j} &= a_{t,j} \mbox{ if } t \bmod T_j = 0, \mbox{ else } p_{t-1,j} \\
       h_t &= g(p_t)

    The mask K lets the units of a group hear those of their own group and of slower ones. Steps are counted from 0 at
    the beginning of the data, in layers that run backwards, too.

    Parameters
    ----------
    periods : sequence of int
        The period of each group. The fastest group has the first units.
    **kwargs
        See :class:`Recurrent`. An initial state ``h_0`` is also the first value of :math:`p`.

    Notes
    -----
    Parameters: ``xh`` (input size, size), ``hh`` (size, size), ``b`` (size, ).

    Outputs: ``out`` (:math:`h`), ``pre`` (:math:`p`).

    J Koutník, K Greff, F Gomez, J Schmidhuber, "A Clockwork RNN", ICML 2014, https://arxiv.org/abs/1402.3511
    """

    def __init__(self, periods, **kwargs):
        super().__init__(**kwargs)
        try:
            values = list(periods)
        except TypeError:
            values = []
        if not values or not all(util.is_int(period) and period > 0 for period in values):
            raise util.ConfigurationError(
                f"layer {self.name!r}: periods={periods!r}, expected a sequence of positive integers"
            )
        self.periods = np.array(sorted(values), dtype=int)

    def _count_modules(self):
        return len(self.periods)

    def _clock_name(self):
        return self.full_name("clock")

    def carried_states(self, batch_size):
        states = super().carried_states(batch_size)
        states[self._clock_name()] = np.zeros((batch_size, 1), "int32")
        return states

    def constants(self):
        periods = self.periods[self._modules()].astype("int32")
        return [*super().constants(), TT.constant(periods, name=f"{self.name}.period")]

    def sequences(self, x, context):
        (projected,), outputs = super().sequences(x, context)
        clock = TT.arange(x.shape[1], dtype="int32").dimshuffle("x", 0, "x")
        offset = (context.states or {}).get(self._clock_name())
        if offset is not None:
            clock = clock + offset.dimshuffle(0, "x", 1)
            passed = x.shape[1] if context.mask is None else context.mask.sum(axis=1, keepdims=True)
            context.final_states[self._clock_name()] = TT.cast(offset + passed, "int32")
        # one clock for each example, so that all sequences of the loop have the same axes.
        clock = TT.unbroadcast(clock + TT.zeros((x.shape[0], x.shape[1], 1), "int32"), 0, 1, 2)
        return [projected, clock], outputs

    def _step(self, x_t, clock_t, pre_tm1, h_tm1, weights, periods):
        new = x_t + TT.dot(h_tm1, weights)
        pre = TT.switch(TT.eq(TT.mod(clock_t[:, 0].dimshuffle(0, "x"), periods), 0), new, pre_tm1)
        return [pre, self.activate(pre)]

    def to_spec(self):
        return dict(super().to_spec(), periods=tuple(int(period) for period in self.periods))

    def log(self):
        super().log()
        util.log(f"layer {self.name!r}: periods [T {' '.join(map(str, self.periods))}]")


class _Rated(Recurrent):
    """A recurrent layer that mixes old and new values at a rate."""

    #: Known kinds of rates; the first one is the default.
    RATES = ()

    def __init__(self, rate=None, **kwargs):
        super().__init__(**kwargs)
        word = self.RATES[0] if rate is None else rate
        if not isinstance(word, str) or word.strip().lower() not in self.RATES:
            raise util.ConfigurationError(
                f"layer {self.name!r}: rate={rate!r}, expected one of {', '.join(map(repr, self.RATES))}"
            )
        #: Where the rates come from.
        self.rate = word.strip().lower()
        self._rates = None

    def setup(self):
        super().setup()
        self._rates = self._create_rates(self.rate)

    def _fixed_rate(self):
        """Return the rates as a vector, if they are the same for all steps."""
        return self._rates if self._rates is not None else sigmoid(self.find("r"))

    def to_spec(self):
        return dict(super().to_spec(), rate=self.rate)


class RRNN(_Rated):
    r"""A recurrent layer that moves towards its new value at a rate.

    .. math::
       p_t &= x_t W_{xh} + b + h_{t-1} W_{hh} \\
       h_t &= (1 - z_t) \odot h_{t-1} + z_t \odot g(p_t)

    Parameters
    ----------
    rate : str, optional
        Where the rates :math:`z` come from: ``'matrix'`` (default) computes them from the input,
        :math:`z_t = \sigma(x_t W_{xr} + r)`; ``'vector'`` learns one for each unit, :math:`z = \sigma(r)`;
        ``'uniform'`` and ``'log'`` draw one for each unit, see :meth:`_create_rates`, and keep it.
    **kwargs
        See :class:`Recurrent`.

    Notes
    -----
    Parameters: ``xh`` (input size, size), ``hh`` (size, size), ``b`` (size, ); ``r`` (size, ) for the first two kinds
    of rates; ``xr`` (input size, size) for the first one.

    Outputs: ``out`` (:math:`h`), ``pre`` (:math:`p`), ``hid`` (:math:`g(p)`), ``rate`` (:math:`z`; a sequence if it is
    computed from the input, else a vector).
    """

    RATES = ("matrix", "vector", "uniform", "log")

    steps = ("pre", "hid", "out")

    def resolve_outputs(self):
        super().resolve_outputs()
        if self.rate == "matrix":
            self._output_shapes["rate"] = self.output_shape

    def _create_params(self):
        self.add_weights("xh", self.input_size, self.output_size)
        self.add_weights("hh", self.output_size, self.output_size)
        self.add_bias("b", self.output_size)
        if self.rate in ("matrix", "vector"):
            self.add_bias("r", self.output_size)
        if self.rate == "matrix":
            self.add_weights("xr", self.input_size, self.output_size)

    def sequences(self, x, context):
        (projected,), outputs = super().sequences(x, context)
        if self.rate != "matrix":
            return [projected], {"rate": self._fixed_rate()}
        rate = sigmoid(TT.dot(x, self.find("xr")) + self.find("r"))
        return [projected, rate], {"rate": rate}

    def constants(self):
        return [] if self.rate == "matrix" else [self._fixed_rate()]

    def _step(self, x_t, *args):
        # the rate comes before the state if it is a sequence, and behind it if it is a constant.
        rate, h_tm1 = args if self.rate == "matrix" else args[::-1]
        pre = x_t + TT.dot(h_tm1, self.find("hh"))
        hid = self.activate(pre)
        return [pre, hid, (1 - rate) * h_tm1 + rate * hid]


class MRNN(Recurrent):
    r"""A recurrent layer whose recurrent weights depend on the input.

    .. math::
       f_t &= x_t W_{xf} \\
       p_t &= x_t W_{xh} + b + \left(f_t \odot (h_{t-1} W_{hf})\right) W_{fh} \\
       h_t &= g(p_t)

    Parameters
    ----------
    factors : int, optional
        Number of factors. Default: the square root of the size, rounded up.
    **kwargs
        See :class:`Recurrent`.

    Notes
    -----
    Parameters: ``xh`` (input size, size), ``xf`` (input size, factors), ``hf`` (size, factors), ``fh`` (factors,
    size), ``b`` (size, ).

    Outputs: ``out`` (:math:`h`), ``pre`` (:math:`p`), ``factors`` (:math:`f`).

    I Sutskever, J Martens, G Hinton, "Generating Text with Recurrent Neural Networks", ICML 2011
    """

    steps = ("pre", "out")

    def __init__(self, factors=None, **kwargs):
        super().__init__(**kwargs)
        if factors is not None and (not util.is_int(factors) or factors < 1):
            raise util.ConfigurationError(f"layer {self.name!r}: factors={factors!r}, expected a positive integer")
        if factors is None and self._given_shape is not None:
            factors = int(np.ceil(np.sqrt(self._given_shape[-1])))
        self.factors = factors

    def resolve_outputs(self):
        super().resolve_outputs()
        self._output_shapes["factors"] = self.output_shape[:-1] + (self.factors,)

    def _create_params(self):
        self.add_weights("xh", self.input_size, self.output_size)
        self.add_weights("xf", self.input_size, self.factors)
        self.add_weights("hf", self.output_size, self.factors)
        self.add_weights("fh", self.factors, self.output_size)
        self.add_bias("b", self.output_size)

    def sequences(self, x, context):
        (projected,), _ = super().sequences(x, context)
        factors = TT.dot(x, self.find("xf"))
        return [projected, factors], {"factors": factors}

    def _step(self, x_t, f_t, h_tm1):
        pre = x_t + TT.dot(f_t * TT.dot(h_tm1, self.find("hf")), self.find("fh"))
        return [pre, self.activate(pre)]

    def to_spec(self):
        return dict(super().to_spec(), factors=self.factors)


class LSTM(Recurrent):
    r"""Long short-term memory, with peephole connections.

    .. math::
       i_t &= \sigma(x_t W_{xi} + h_{t-1} W_{hi} + b_i + c_{t-1} \odot w_{ci}) \\
       f_t &= \sigma(x_t W_{xf} + h_{t-1} W_{hf} + b_f + c_{t-1} \odot w_{cf}) \\
       c_t &= f_t \odot c_{t-1} + i_t \odot \tanh(x_t W_{xc} + h_{t-1} W_{hc} + b_c) \\
       o_t &= \sigma(x_t W_{xo} + h_{t-1} W_{ho} + b_o + c_t \odot w_{co}) \\
       h_t &= o_t \odot \tanh(c_t)

    The peepholes are vectors: each gate sees only its own cell. The activation of the layer is not used.

    Parameters
    ----------
    h_0, c_0 : str or :class:`theanets.Layer`, optional
        The output and the cell before the first step, see :class:`Recurrent`.
    **kwargs
        See :class:`Recurrent`.

    Notes
    -----
    Parameters: ``xh`` (input size, 4 size), ``hh`` (size, 4 size), ``b`` (4 size, ), whose columns belong to the input
    gate, the forget gate, the cell and the output gate, in this order; ``ci``, ``cf``, ``co`` (size, ). The mean of the
    initial ``b`` is 2.

    Outputs: ``out`` (:math:`h`), ``cell`` (:math:`c`).

    S Hochreiter, J Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997; F Gers, J Schmidhuber,
    "Recurrent nets that time and count", IJCNN 2000
    """

    states = OrderedDict(out="h_0", cell="c_0")

    steps = ("out", "cell")

    applies_activation = False

    def __init__(self, c_0=None, **kwargs):
        super().__init__(**kwargs)
        self.c_0 = c_0

    def _create_params(self):
        size = self.output_size
        self.add_weights("xh", self.input_size, 4 * size)
        self.add_weights("hh", size, 4 * size)
        self.add_bias("b", 4 * size, mean=2)
        for name in ("ci", "cf", "co"):
            self.add_bias(name, size)

    def _step(self, x_t, h_tm1, c_tm1):
        gates = x_t + TT.dot(h_tm1, self.find("hh"))
        a_i, a_f, a_c, a_o = _blocks(gates, self.output_size)
        i = sigmoid(a_i + c_tm1 * self.find("ci"))
        f = sigmoid(a_f + c_tm1 * self.find("cf"))
        c = f * c_tm1 + i * TT.tanh(a_c)
        o = sigmoid(a_o + c * self.find("co"))
        return [o * TT.tanh(c), c]


def _blocks(values, size):
    """Cut the last axis into pieces of a size."""
    count = 4
    return [values[..., i * size : (i + 1) * size] for i in range(count)]


class GRU(Recurrent):
    r"""Gated recurrent unit.

    .. math::
       r_t &= \sigma(x_t W_r + b_r + h_{t-1} W_{hr}) \\
       z_t &= \sigma(x_t W_z + b_z + h_{t-1} W_{hz}) \\
       p_t &= x_t W_h + b_h + (r_t \odot h_{t-1}) W_{hh} \\
       h_t &= (1 - z_t) \odot h_{t-1} + z_t \odot g(p_t)

    Notes
    -----
    Parameters: ``hh``, ``hr``, ``hz`` (size, size); ``w`` (input size, 3 size) and ``b`` (3 size, ), whose columns
    belong to the hidden value, the reset gate and the rate, in this order.

    Outputs: ``out`` (:math:`h`), ``pre`` (:math:`p`), ``hid`` (:math:`g(p)`), ``rate`` (:math:`z`).

    K Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    EMNLP 2014, https://arxiv.org/abs/1406.1078
    """

    steps = ("pre", "hid", "rate", "out")

    def _create_params(self):
        size = self.output_size
        for name in ("hh", "hr", "hz"):
            self.add_weights(name, size, size)
        self.add_weights("w", self.input_size, 3 * size)
        self.add_bias("b", 3 * size)

    def sequences(self, x, context):
        projected = TT.dot(x, self.find("w")) + self.find("b")
        return _blocks(projected, self.output_size)[:3], {}

    def _step(self, x_t, r_t, z_t, h_tm1):
        reset = sigmoid(r_t + TT.dot(h_tm1, self.find("hr")))
        rate = sigmoid(z_t + TT.dot(h_tm1, self.find("hz")))
        pre = x_t + TT.dot(reset * h_tm1, self.find("hh"))
        hid = self.activate(pre)
        return [pre, hid, rate, (1 - rate) * h_tm1 + rate * hid]


class MUT1(Recurrent):
    r"""The first of the gated units that were found by an evolutionary search.

    .. math::
       r_t &= \sigma(x_t W_{xr} + b_r + h_{t-1} W_{hr}) \\
       z_t &= \sigma(x_t W_{xz} + b_z) \\
       p_t &= \tanh(x_t W_{xh} + b_h) + (r_t \odot h_{t-1}) W_{hh} \\
       h_t &= (1 - z_t) \odot h_{t-1} + z_t \odot \tanh(p_t)

    This is what is computed here; in the paper the bias :math:`b_h` is outside of the inner tanh, and the input is not
    multiplied by a matrix there. The activation of the layer is not used.

    Notes
    -----
    Parameters: ``xh``, ``xr``, ``xz`` (input size, size), ``hh``, ``hr`` (size, size), ``bh``, ``br``, ``bz``
    (size, ).

    Outputs: ``out`` (:math:`h`), ``pre`` (:math:`p`), ``hid`` (:math:`\tanh p`), ``rate`` (:math:`z`).

    R Jozefowicz, W Zaremba, I Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015
    """

    steps = ("pre", "hid", "out")

    applies_activation = False

    def resolve_outputs(self):
        super().resolve_outputs()
        self._output_shapes["rate"] = self.output_shape

    def _create_params(self):
        size = self.output_size
        for name in ("xh", "xr", "xz"):
            self.add_weights(name, self.input_size, size)
        for name in ("hh", "hr"):
            self.add_weights(name, size, size)
        for name in ("bh", "br", "bz"):
            self.add_bias(name, size)

    def sequences(self, x, context):
        hidden, reset, rate = (TT.dot(x, self.find("x" + k)) + self.find("b" + k) for k in "hrz")
        rate = sigmoid(rate)
        return [TT.tanh(hidden), reset, rate], {"rate": rate}

    def _step(self, x_t, r_t, rate, h_tm1):
        reset = sigmoid(r_t + TT.dot(h_tm1, self.find("hr")))
        pre = x_t + TT.dot(reset * h_tm1, self.find("hh"))
        hid = TT.tanh(pre)
        return [pre, hid, (1 - rate) * h_tm1 + rate * hid]


class SCRN(_Rated):
    r"""A recurrent layer with a second, slowly changing state.

    .. math::
       s_t &= (1 - z) \odot s_{t-1} + z \odot x_t W_{xs} \\
       k_t &= g(x_t W_{xh} + k_{t-1} W_{hh} + s_t W_{sh}) \\
       o_t &= k_t W_{ho} + s_t W_{so} + b

    The output is linear: the activation is that of the hidden units.

    Parameters
    ----------
    rate : str, optional
        Where the rates :math:`z` come from: ``'vector'`` (default) learns one for each unit,
        :math:`z = \sigma(r)`; ``'uniform'`` and ``'log'`` draw one for each unit, and keep it.
    h_0, s_0 : str or :class:`theanets.Layer`, optional
        The hidden units :math:`k` and the state :math:`s` before the first step, see :class:`Recurrent`.
    context_size : int or float, optional
        Kept for specs that have it; there is always one state unit for each unit of the layer.
    **kwargs
        See :class:`Recurrent`.

    Notes
    -----
    Parameters: ``w`` (input size, 2 size), whose columns belong to the hidden units and the state; ``sh``, ``hh``,
    ``ho``, ``so`` (size, size); ``b`` (size, ); ``r`` (size, ) for rates that are learned.

    Outputs: ``out`` (:math:`o`), ``hid`` (:math:`k`), ``state`` (:math:`s`), ``rate`` (:math:`z`, a vector).

    T Mikolov, A Joulin, S Chopra, M Mathieu, M Ranzato, "Learning Longer Memory in Recurrent Neural Networks", 2014,
    https://arxiv.org/abs/1412.7753, learn no rates.
    """

    RATES = ("vector", "uniform", "log")

    states = OrderedDict(hid="h_0", state="s_0")

    steps = ("hid", "state", "out")

    def __init__(self, rate=None, s_0=None, context_size=None, **kwargs):
        super().__init__(rate=rate, **kwargs)
        self.s_0 = s_0
        size = self._given_shape[-1] if self._given_shape else 0
        if context_size is None:
            context_size = int(1 + np.sqrt(size))
        elif isinstance(context_size, (float, np.floating)):
            context_size = int(context_size * size)
        self.context_size = context_size

    def _create_params(self):
        size = self.output_size
        self.add_weights("w", self.input_size, 2 * size)
        for name in ("sh", "hh", "ho", "so"):
            self.add_weights(name, size, size)
        self.add_bias("b", size)
        if self.rate == "vector":
            self.add_bias("r", size)

    def sequences(self, x, context):
        hidden, state = _blocks(TT.dot(x, self.find("w")), self.output_size)[:2]
        return [hidden, state], {"rate": self._fixed_rate()}

    def constants(self):
        return [self._fixed_rate()]

    def _step(self, x_t, a_t, k_tm1, s_tm1, rate):
        state = (1 - rate) * s_tm1 + rate * a_t
        hid = self.activate(x_t + TT.dot(k_tm1, self.find("hh")) + TT.dot(state, self.find("sh")))
        return [hid, state, TT.dot(hid, self.find("ho")) + TT.dot(state, self.find("so")) + self.find("b")]

    def to_spec(self):
        return dict(super().to_spec(), context_size=self.context_size)


class _Before:
    """The layers that can be read by the workers of another layer."""

    def __init__(self, layers):
        self.layers = layers


class Bidirectional(Layer):
    """Two recurrent layers of half the size, of which one runs forwards and one backwards.

    At each step, the output knows of all steps before and after.

    Parameters
    ----------
    worker : str, optional
        Form of the two layers. Default ``'rnn'``.
    size : int
        Number of units of both together: an even number.
    **kwargs
        Options for the workers. With an int seed, both start from the same weights; a generator avoids that.

    Notes
    -----
    Parameters: those of the workers, whose names are that of the layer with ``_fw`` and ``_bw`` appended.

    Outputs: ``fw_`` and ``bw_`` followed by the names of the workers' outputs; and for each output that is a sequence,
    under its own name, both joined along the last axis.

    M Schuster, K Paliwal, "Bidirectional recurrent neural networks", IEEE Trans. Signal Processing 45(11), 1997

    Examples
    --------
    >>> import theanets
    >>> net = theanets.recurrent.Regressor([2, dict(form="bidirectional", worker="gru", size=6), 1])
    >>> net.layers[1].output_shape, net.find("hid1", "fw.hh").get_value().shape
    ((None, 6), (3, 3))
    """

    applies_activation = False

    def __init__(self, worker="rnn", name=None, **kwargs):
        options = {key: value for key, value in kwargs.items() if key not in ("size", "shape", "direction")}
        self._worker_keywords = set(options)
        super().__init__(name=name or f"layer{Layer._count + 1}", **kwargs)
        self.worker = worker
        if self._given_shape is None or self._given_shape[-1] is None:
            raise util.ConfigurationError(f"layer {self.name!r}: expected a size or a shape, found neither")
        size = self._given_shape[-1]
        if size % 2:
            raise util.ConfigurationError(
                f"layer {self.name!r}: size={size}, expected an even number, for two workers of half the size"
            )
        cls = self._worker_class(worker)
        self.forward = cls(name=f"{self.name}_fw", size=size // 2, direction="forward", **options)
        self.backward = cls(name=f"{self.name}_bw", size=size // 2, direction="backward", **options)

    def _worker_class(self, worker):
        known = sorted(
            key for key, cls in Layer._registry.items() if issubclass(cls, Recurrent) and cls is not Recurrent
        )
        if isinstance(worker, type) and issubclass(worker, Recurrent):
            return worker
        if not isinstance(worker, str) or worker.lower() not in known:
            error = util.unknown("recurrent layer form", worker, known)
            raise util.UnknownNameError(f"layer {self.name!r}: {error}")
        return Layer.get_class(worker)

    def known_keywords(self):
        """Return the names of the options; those for the workers are checked by the workers."""
        return super().known_keywords() | self._worker_keywords | {"direction"}

    @property
    def workers(self):
        """The two layers."""
        return [self.forward, self.backward]

    @property
    def params(self):
        """List of the parameters: those of the forward worker, then those of the backward one."""
        return [param for worker in self.workers for param in worker.params]

    def find(self, key):
        """Return a parameter, by its index or by a name such as ``'fw.xh'``."""
        if isinstance(key, str):
            for param in self.params:
                if param.name == f"{self.name}_{key}":
                    return param
            raise KeyError(key)
        return super().find(key)

    def chain_to(self, layer):
        super().chain_to(layer)
        for worker in self.workers:
            worker.chain_to(layer)

    def bind(self, graph, reset=True, initialize=True):
        before = _Before(list(graph.layers)[: self._position(graph.layers)])
        for worker in self.workers:
            worker.bind(before, reset=reset, initialize=initialize)
        super().bind(graph, reset=reset, initialize=initialize)

    def _initialize(self):
        """Do nothing, as the workers have the parameters."""

    def resolve_outputs(self):
        shape = self.input_shape[:-1] + self._given_shape[-1:]
        for name, its_shape in self.forward.shapes.items():
            self._output_shapes[f"fw_{name}"] = self._output_shapes[f"bw_{name}"] = its_shape
            self._output_shapes[name] = its_shape[:-1] + (2 * its_shape[-1],)
        self._output_shapes["out"] = shape

    def initial_sources(self):
        """Return the sizes of the initial states that are read from other layers, by full output name."""
        return {**self.forward.initial_sources(), **self.backward.initial_sources()}

    def carried_states(self, batch_size):
        """Refuse: the backward worker begins at the end of a sequence."""
        raise util.ConfigurationError(
            f"layer {self.name!r} runs backwards, too, from the end of a sequence; it cannot carry a state on to the "
            "next part of it"
        )

    def transform(self, inputs):
        (forward, fw_updates), (backward, bw_updates) = (worker.transform(inputs) for worker in self.workers)
        outputs = {}
        for name in forward:
            outputs[f"fw_{name}"], outputs[f"bw_{name}"] = forward[name], backward[name]
            if forward[name].ndim == 3:
                outputs[name] = TT.concatenate([forward[name], backward[name]], axis=2)
        return outputs, [*fw_updates, *bw_updates]

    def to_spec(self):
        return dict(super().to_spec(), worker=self.worker)
