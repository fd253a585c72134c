r"""Layers that make one vector of a whole sequence, for one label or one set of numbers per sequence.

=================  =======================================================
form               output
=================  =======================================================
:class:`Last`      the last step
:class:`Mean`      the mean of all steps
:class:`Max`       the largest value of each unit over all steps
:class:`Attention` a weighted mean of all steps, whose weights are learned
=================  =======================================================

All of them know where sequences that are given as lists end.

>>> import theanets
>>> net = theanets.recurrent.Classifier([20, (32, "gru"), "last", 5])
>>> [variable.ndim for variable in net.variables]
[3, 1]
"""

import numpy as np
import theano.tensor as TT

from .. import util
from .base import Layer
from .context import context_of

__all__ = ["OverTime", "Last", "Mean", "Max", "Attention"]


#: What padding is taken for where the largest value is wanted.
LOWEST = -1e30


class OverTime(Layer):
    """Base class of layers whose output has no time axis: a subclass defines :meth:`summarize`.

    Parameters
    ----------
    **kwargs
        See :class:`theanets.Layer`. The size is that of the input, and there is no activation.

    Examples
    --------
    >>> class Largest(OverTime):
    ...     def summarize(self, x, mask):
    ...         return dict(out=(abs(x) if mask is None else abs(x) * mask).max(axis=1))
    >>> import theanets
    >>> theanets.recurrent.Regressor([4, (6, "rnn"), "largest", 2]).predict(np.zeros((3, 5, 4))).shape
    (3, 2)
    """

    applies_activation = False

    stepwise = False

    def resolve_outputs(self):
        if len(self._inputs) != 1:
            raise util.ConfigurationError(
                f"layer {self.name!r}: expected exactly one input, found {self.input_names!r}"
            )
        shape = self.input_shape
        if len(shape) < 2:
            raise util.ConfigurationError(
                f"layer {self.name!r} ({type(self).__name__.lower()}): its input {self.input_name!r}, of shape "
                f"{shape!r}, has no time axis; it is for sequences, as models of theanets.recurrent have them"
            )
        given = self._given_shape
        if given is not None and given not in (shape[1:], shape[-1:]):
            raise util.ConfigurationError(
                f"layer {self.name!r}: asked for {given!r}, but its input makes it {shape[1:]!r}"
            )
        self._output_shapes["out"] = shape[1:]

    def transform(self, inputs):
        x, mask = inputs[self.input_name], context_of(inputs).mask
        if mask is not None:
            mask = mask.dimshuffle(0, 1, *"x" * (x.ndim - 2))
        return self.summarize(x, mask), []

    def summarize(self, x, mask):
        """Return the outputs, as a dict of expressions.

        Parameters
        ----------
        x : expression (batch, time, ...)
            Sequences.
        mask : expression (batch, time, 1, ...) or None
            Ones for the steps of each sequence, zeros for padding; None if there is no padding.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define summarize()")


class Last(OverTime):
    """The last step of each sequence.

    After a bidirectional layer, the half that reads backwards has seen that step only: ``mean`` or ``max`` go better
    with it.

    Notes
    -----
    Outputs: ``out``, of the shape of the input without the time axis.
    """

    def summarize(self, x, mask):
        if mask is None:
            return dict(out=x[:, -1])
        lengths = TT.cast(mask.reshape(mask.shape[:2], ndim=2).sum(axis=1), "int64")
        return dict(out=x[TT.arange(x.shape[0]), lengths - 1])


class Mean(OverTime):
    """The mean over the steps of each sequence.

    Notes
    -----
    Outputs: ``out``, of the shape of the input without the time axis.
    """

    def summarize(self, x, mask):
        if mask is None:
            return dict(out=x.mean(axis=1))
        # rows without a step are those that fill up a batch.
        return dict(out=(x * mask).sum(axis=1) / TT.maximum(mask.sum(axis=1), 1))


class Max(OverTime):
    """The largest value of each unit over the steps of each sequence.

    Notes
    -----
    Outputs: ``out``, of the shape of the input without the time axis.
    """

    def summarize(self, x, mask):
        if mask is None:
            return dict(out=x.max(axis=1))
        return dict(out=TT.switch(TT.gt(mask, 0), x, LOWEST).max(axis=1))


class Attention(OverTime):
    r"""A weighted mean of the steps of each sequence.

    .. math:: y = \sum_t a_t x_t, \quad a = \mathrm{softmax}(e)

    Parameters
    ----------
    kind : str, optional
        How a step is weighed: ``'additive'``, :math:`e_t = v \cdot \tanh(W x_t + b)`, or ``'dot'``,
        :math:`e_t = q \cdot x_t / \sqrt{n}` for :math:`n` units. Default ``'additive'``.
    hidden : int, optional
        Length of :math:`v`. Default: the size of the input.
    **kwargs
        See :class:`theanets.Layer`. The size is that of the input, and there is no activation.

    Notes
    -----
    Parameters: ``w`` (input size, hidden), ``b`` (hidden, ) and ``v`` (hidden, 1); or ``q`` (input size, 1).

    Outputs: ``out``, of the shape (units, ); ``weights``, of the shape (time, ), which sum to 1.

    D Bahdanau, K Cho, Y Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", ICLR 2015; as
    pooling: Z Yang et al., "Hierarchical Attention Networks for Document Classification", NAACL 2016

    Examples
    --------
    >>> import theanets
    >>> net = theanets.recurrent.Classifier([4, (6, "gru"), "attention", 3])
    >>> net.feed_forward(np.zeros((1, 5, 4)))["hid2:weights"].shape
    (1, 5)
    """

    def __init__(self, kind="additive", hidden=None, **kwargs):
        super().__init__(**kwargs)
        if kind not in ("additive", "dot"):
            raise util.ConfigurationError(f"layer {self.name!r}: kind={kind!r}, expected 'additive' or 'dot'")
        if hidden is not None and (not util.is_int(hidden) or hidden < 1):
            raise util.ConfigurationError(f"layer {self.name!r}: hidden={hidden!r}, expected a positive integer")
        self.kind = kind
        self.hidden = hidden

    def to_spec(self):
        """Return a dict that :meth:`theanets.Network.add_layer` turns into a layer like this one."""
        return dict(super().to_spec(), kind=self.kind, **({} if self.hidden is None else {"hidden": self.hidden}))

    def resolve_outputs(self):
        super().resolve_outputs()
        if len(self.input_shape) != 2:
            raise util.ConfigurationError(
                f"layer {self.name!r}: its input {self.input_name!r} has the shape {self.input_shape!r}, expected "
                "(time, units)"
            )
        self._output_shapes["weights"] = self.input_shape[:1]

    def setup(self):
        if self.kind == "dot":
            self.add_weights("q", self.input_size, 1)
            return
        hidden = self.hidden or self.input_size
        self.add_weights("w", self.input_size, hidden)
        self.add_bias("b", hidden, std=0)
        self.add_weights("v", hidden, 1)

    def summarize(self, x, mask):
        if self.kind == "dot":
            scores = x.dot(self.find("q")) / np.sqrt(self.input_size).astype(util.FLOAT)
        else:
            scores = TT.tanh(x.dot(self.find("w")) + self.find("b")).dot(self.find("v"))
        weights = softmax_over(TT.shape_padright(scores[:, :, 0]), mask, axis=1)
        return dict(out=(weights * x).sum(axis=1), weights=weights[:, :, 0])


def softmax_over(scores, mask, axis):
    """Return the softmax of scores along an axis, with zeros for what a mask leaves out."""
    if mask is None:
        scores = TT.exp(scores - scores.max(axis=axis, keepdims=True))
        return scores / scores.sum(axis=axis, keepdims=True)
    lowest = scores.min(axis=axis, keepdims=True)
    scores = TT.switch(TT.gt(mask, 0), scores, lowest)
    scores = TT.exp(scores - scores.max(axis=axis, keepdims=True)) * mask
    # rows without a step are those that fill up a batch.
    return scores / TT.maximum(scores.sum(axis=axis, keepdims=True), 1e-30)
