"""Recurrent layers without gates: their state is computed anew at each step."""

import numpy as np
import theano.tensor as TT

from ... import util
from .base import Recurrent

__all__ = ["RNN", "MRNN"]


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
