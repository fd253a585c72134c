"""Recurrent layers whose units form groups that change at different speeds."""

from collections import OrderedDict

import numpy as np
import theano.tensor as TT

from ... import util
from .plain import RNN

__all__ = ["BCRNN", "Clockwork"]


class _Modular(RNN):
    """A recurrent layer whose units form groups of equal size, each connected to itself and to later groups."""

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
        """Return a matrix of ones where a unit (row) has a connection to another one (column)."""
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
        # the clock is repeated for each example, so that all sequences of the scan have a batch axis.
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
