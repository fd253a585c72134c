"""The base class of recurrent layers: the loop along time, initial states, and initial weights."""

import functools
from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as TT

from ... import activations, util
from ..base import Layer
from ..context import Context, context_of

__all__ = ["Recurrent"]


#: Value of an option for an initial state that makes it a parameter.
LEARNED = "learned"


def time_major(x):
    """Exchange the first two axes of an expression."""
    return x.dimshuffle(1, 0, *range(2, x.ndim))


def in_any_order(sequences):
    """Mark a method ``sequences()`` that computes the same whichever of the first two axes of its input is time."""
    sequences.takes_time_first = True
    return sequences


class Recurrent(Layer):
    r"""Base class of recurrent layers.

    Parameters
    ----------
    h_0 : str or :class:`theanets.Layer`, optional
        The state before the first step: the name of an output of an earlier layer, of shape (batch, size), often of
        an input layer; or ``'learned'``, for a parameter ``h_0`` that starts at zero. Default: zeros.
    direction : str, optional
        ``'forward'`` (default) or ``'backward'``, which runs from the last step to the first.
    output_order : str, optional
        ``'data'`` (default): index t of the outputs belongs to step t of the input. ``'processing'``: outputs of a
        layer that runs backwards come in the order in which they are computed, the last step first, as they did in
        releases before 0.9; for models that were trained then.
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

    keywords = ("direction", "output_order", "bptt_limit", "radius")

    stepwise = True

    #: Outputs that are fed back, each with the option that gives its first value.
    states = OrderedDict(out="h_0")

    #: Outputs that each step returns, in their order.
    steps: tuple[str, ...] = ("out",)

    def __init__(self, h_0=None, **kwargs):
        super().__init__(**kwargs)
        self.h_0 = h_0
        self.backward = self._read_direction(self.kwargs.get("direction"))
        order = self.kwargs.get("output_order", "data")
        if order not in ("data", "processing"):
            raise util.ConfigurationError(
                f"layer {self.name!r}: output_order={order!r}, expected 'data' or 'processing'"
            )
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

    def describe(self):
        """Return the form of the layer, with ``backward`` if it runs from the last step to the first."""
        return super().describe() + (" backward" if self.backward else "")

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

    def add_weights(self, name, nin=None, nout=None, mean=0, std=0, sparsity=0, radius=0, diagonal=0):
        """Create a weight matrix.

        If ``nin`` is the size of the layer and ``nout`` a multiple of it, the matrix consists of square blocks, which
        are made one after the other, each with the given radius or diagonal. Otherwise these two have no effect.

        Parameters
        ----------
        name : str
            Name of the parameter, without the layer's name.
        nin, nout : int, optional
            Shape of the matrix. Default: the sizes of the only input and of the output.
        mean, std, sparsity, radius, diagonal : float, optional
            See :func:`theanets.util.random_matrix`. A ``std`` argument of 0 stands for ``1 / sqrt(nin + nout)``. The
            radius is the largest singular value, not the spectral radius.
        """
        nin, nout = self.input_size if nin is None else nin, self.output_size if nout is None else nout
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
                # a single row is broadcast over the batch.
                values[name] = zeros + value if value.broadcastable[0] else value
        return values

    @in_any_order
    def sequences(self, x, context):
        """Compute the expressions that do not depend on the state, for all steps at once.

        Parameters
        ----------
        x : expression (batch, time, variables)
            The input; (time, batch, variables) for a method that is marked by :func:`in_any_order`.
        context : Context
            How the graph is going to be used.

        Returns
        -------
        sequences : list of expressions (batch, time, any), or (time, batch, any)
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
        if getattr(type(self).sequences, "takes_time_first", False):
            # the input is transposed, rather than what is computed from it, which is wider.
            sequences, outputs = self.sequences(time_major(x), context)
        else:
            sequences, outputs = self.sequences(x, context)
            sequences = [time_major(sequence) for sequence in sequences]
        first = self._first_values(inputs, x.shape[0])
        inner = {}

        def step(*args):
            values = _as_list(self._step(*args))
            inner.update(zip(self.steps, values))
            return values

        values, updates = self._scan(
            sequences,
            [first.get(name) for name in self.steps],
            step=step,
            constants=self.constants(),
            context=context,
        )
        for name, value in zip(self.steps, values):
            outputs[name] = time_major(value)
            context.unrolled[outputs[name]] = functools.partial(self._unroll, inner, outputs, name)
            if name in self.states:
                context.final_states[self.full_name(name)] = value[0 if self.backward else -1]
        return outputs, updates

    def _unroll(self, inner, outputs, name):
        """Return an output computed as the activation of ``pre`` of all steps, if a step does the same; else None.

        Parameters
        ----------
        inner, outputs : dict
            Expressions by the names of outputs: within the loop, and of all steps.
        name : str
            The name of the output.
        """
        if not self.applies_activation or "pre" not in inner or name == "pre":
            return None
        if not activations.made_alike(inner[name], self.activate(inner["pre"])):
            return None
        return self.activate(outputs["pre"])

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
        if context.mask is not None and self.kwargs.get("output_order") == "processing":
            raise util.ConfigurationError(
                f"layer {self.name!r}: sequences of different lengths and output_order='processing' do not go together"
            )
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
        if self.backward and self.kwargs.get("output_order") != "processing":
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
