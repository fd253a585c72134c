"""Recurrent layers with gates, or rates, that decide how much of the state is kept."""

from collections import OrderedDict

import numpy as np
import theano.tensor as TT

from ... import util
from .base import Recurrent, in_any_order

__all__ = ["RRNN", "LSTM", "GRU", "MUT1", "SCRN"]


sigmoid = TT.nnet.sigmoid


def _blocks(values, size):
    """Cut the last axis into pieces of a size."""
    count = 4
    return [values[..., i * size : (i + 1) * size] for i in range(count)]


class _Rated(Recurrent):
    """A recurrent layer that mixes old and new values at a rate."""

    #: Known kinds of rates; the first one is the default.
    RATES: tuple[str, ...] = ()

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

    @in_any_order
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

    This is computed here; in the paper the bias :math:`b_h` is outside of the inner tanh, and the input is not
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


class _OldRRNN(RRNN):
    """A name that :class:`RRNN` had in release 0.7.0."""

    is_deprecated = True

    def __init__(self, rate, **kwargs):
        old = type(self).__name__.lower()
        util.warn(f"layer form {old!r} is deprecated; write dict(form='rrnn', rate={rate!r})", DeprecationWarning)
        super().__init__(rate=rate, **kwargs)

    def to_spec(self):
        return dict(super().to_spec(), form="rrnn")


class LRRNN(_OldRRNN):
    """The name that :class:`RRNN` with learned rates, one for each unit, had in release 0.7.0."""

    def __init__(self, rate="vector", **kwargs):
        super().__init__(rate, **kwargs)


class ARRNN(_OldRRNN):
    """The name that :class:`RRNN` with rates computed from the input had in release 0.7.0."""

    def __init__(self, rate="matrix", **kwargs):
        super().__init__(rate, **kwargs)
