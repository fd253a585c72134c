"""Self-attention, in which each step of a sequence looks at all others."""

import numpy as np
import theano.tensor as TT

from .. import util
from .base import Layer
from .context import context_of
from .overtime import softmax_over

__all__ = ["SelfAttention"]


class SelfAttention(Layer):
    r"""Each step becomes a weighted mean of all steps, by several heads side by side.

    .. math:: \mathrm{head}_i = \mathrm{softmax}\left(\frac{Q_i K_i^T}{\sqrt{d}}\right) V_i, \quad
        Q = x W_q, \; K = x W_k, \; V = x W_v, \quad y = f([\mathrm{head}_1, \ldots] W_o + b)

    where :math:`d` is the number of units of a head. The layer knows nothing of the order of steps; put a recurrent
    layer or a convolution before it, or give positions as variables of the data.

    Parameters
    ----------
    heads : int, optional
        Number of heads, of which the size of the layer is a multiple. Default 1.
    **kwargs
        See :class:`theanets.Layer`. The activation is ``linear``, unless told otherwise.

    Notes
    -----
    Parameters: ``q``, ``k``, ``v`` (input size, size), ``w`` (size, size), ``b`` (size, ).

    Outputs: ``pre``; ``out``, the activation of it.

    A Vaswani et al., "Attention Is All You Need", NIPS 2017

    Examples
    --------
    >>> import theanets
    >>> net = theanets.recurrent.Classifier([4, dict(form="selfattention", size=8, heads=2), "mean", 3])
    >>> net.predict(np.zeros((2, 5, 4))).shape
    (2,)
    """

    default_activation = "linear"

    stepwise = False

    def __init__(self, heads=1, **kwargs):
        super().__init__(**kwargs)
        if not util.is_int(heads) or heads < 1:
            raise util.ConfigurationError(f"layer {self.name!r}: heads={heads!r}, expected a positive integer")
        self.heads = int(heads)

    def to_spec(self):
        """Return a dict that :meth:`theanets.Network.add_layer` turns into a layer like this one."""
        return dict(super().to_spec(), heads=self.heads)

    def resolve_outputs(self):
        super().resolve_outputs()
        if len(self._inputs) != 1 or len(self.input_shape) != 2:
            raise util.ConfigurationError(
                f"layer {self.name!r}: expected one input of the shape (time, units), found {dict(self._inputs)!r}"
            )
        if self.output_size % self.heads:
            raise util.ConfigurationError(
                f"layer {self.name!r}: size={self.output_size} is not a multiple of heads={self.heads}"
            )
        self._output_shapes["pre"] = self.output_shape

    def setup(self):
        for name in ("q", "k", "v"):
            self.add_weights(name, self.input_size, self.output_size)
        self.add_weights("w", self.output_size, self.output_size)
        self.add_bias("b", std=0)

    def transform(self, inputs):
        x, mask = inputs[self.input_name], context_of(inputs).mask
        batch, steps, width = x.shape[0], x.shape[1], self.output_size // self.heads

        def split(name):
            """Return (batch * heads, time, units of a head)."""
            values = x.dot(self.find(name)).reshape((batch, steps, self.heads, width), ndim=4)
            return values.dimshuffle(0, 2, 1, 3).reshape((batch * self.heads, steps, width), ndim=3)

        scores = TT.batched_dot(split("q"), split("k").dimshuffle(0, 2, 1)) / np.sqrt(width).astype(util.FLOAT)
        if mask is not None:
            mask = TT.repeat(mask, self.heads, axis=0).dimshuffle(0, "x", 1)
        values = TT.batched_dot(softmax_over(scores, mask, axis=2), split("v"))
        values = values.reshape((batch, self.heads, steps, width), ndim=4).dimshuffle(0, 2, 1, 3)
        pre = values.reshape((batch, steps, self.output_size), ndim=3).dot(self.find("w")) + self.find("b")
        return dict(pre=pre, out=self.activate(pre)), []
