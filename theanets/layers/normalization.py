"""Layers that bring the values of other layers to a common scale."""

import numpy as np
import theano
import theano.tensor as TT

from .. import util
from .base import Layer
from .context import context_of

__all__ = ["BatchNorm", "LayerNorm"]


class _Normalization(Layer):
    """A layer that subtracts a mean, divides by a standard deviation, and then scales and shifts as it has learned."""

    default_activation = "linear"

    stepwise = True

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        if not util.is_real(epsilon) or not epsilon > 0:
            raise util.ConfigurationError(f"layer {self.name!r}: epsilon={epsilon!r}, expected a positive number")
        self.epsilon = float(epsilon)

    def resolve_outputs(self):
        shape = self.input_shape
        if shape[-1] is None:
            raise util.ConfigurationError(
                f"layer {self.name!r}: the size of its input {self.input_name!r}, of shape {shape!r}, must be known"
            )
        given = self._given_shape
        if given is not None and given not in (shape, shape[-1:]):
            raise util.ConfigurationError(f"layer {self.name!r}: asked for {given!r}, but its input makes it {shape!r}")
        self._output_shapes["out"] = self._output_shapes["pre"] = shape

    def setup(self):
        self.add_bias("scale", self.output_size, mean=1, std=0)
        self.add_bias("shift", self.output_size, mean=0, std=0)

    def _finish(self, x, mean, variance):
        pre = (x - mean) / TT.sqrt(variance + self.epsilon) * self.find("scale") + self.find("shift")
        return dict(pre=pre, out=self.activate(pre))

    def to_spec(self):
        """Return a dict that :meth:`theanets.Network.add_layer` turns into a layer like this one."""
        return dict(super().to_spec(), epsilon=self.epsilon)


class LayerNorm(_Normalization):
    r"""Normalize each example, or each step of a sequence, over its units.

    .. math:: y = f\left(\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \odot s + b\right)

    Parameters
    ----------
    epsilon : float, optional
        Keeps constant values from being divided by zero. Default 1e-5.
    **kwargs
        See :class:`theanets.Layer`. The size is that of the input; the activation is ``linear``, unless told
        otherwise.

    Notes
    -----
    Parameters: ``scale`` and ``shift`` (size, ), which start as ones and zeros.

    Outputs: ``pre``, the normalized values; ``out``, the activation of them.

    J L Ba, J R Kiros, G Hinton, "Layer Normalization", 2016, https://arxiv.org/abs/1607.06450

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([4, (8, "linear"), "layernorm", (8, "relu"), 2])
    >>> [p.name for p in net.layers[2].params]
    ['hid2.scale', 'hid2.shift']
    """

    def transform(self, inputs):
        x = inputs[self.input_name]
        mean = x.mean(axis=-1, keepdims=True)
        return self._finish(x, mean, TT.sqr(x - mean).mean(axis=-1, keepdims=True)), []


class BatchNorm(_Normalization):
    r"""Normalize each unit over the examples of a batch; in images and sequences also over places and steps.

    .. math:: y = f\left(\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \odot s + b\right)

    While parameters are learned, mean and variance are those of the batch. Otherwise, for validation and prediction,
    they are averages over the batches of the past, which are saved with the model. So they are where the layer is
    frozen, see ``freeze`` of :meth:`theanets.Network.itertrain`; the averages are then left as they are.

    Parameters
    ----------
    momentum : float, optional
        Share of the old averages that is kept with each batch. Default 0.9.
    epsilon : float, optional
        Keeps constant values from being divided by zero. Default 1e-5.
    **kwargs
        See :class:`theanets.Layer`. The size is that of the input; the activation is ``linear``, unless told
        otherwise.

    Notes
    -----
    Parameters: ``scale`` and ``shift`` (size, ), which start as ones and zeros.

    Outputs: ``pre``, the normalized values; ``out``, the activation of them.

    S Ioffe, C Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
    ICML 2015, https://arxiv.org/abs/1502.03167

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Classifier([4, (8, "linear"), "batchnorm", (8, "relu"), 3])
    >>> [v.name for v in net.layers[2].statistics]
    ['hid2.mean', 'hid2.var']
    """

    def __init__(self, momentum=0.9, **kwargs):
        super().__init__(**kwargs)
        if not util.is_real(momentum) or not 0 <= momentum < 1:
            raise util.ConfigurationError(
                f"layer {self.name!r}: momentum={momentum!r}, expected a number from 0 to less than 1"
            )
        self.momentum = float(momentum)
        self.mean = self.var = None

    @property
    def statistics(self):
        """List of the running averages: mean and variance of each unit."""
        return [] if self.mean is None else [self.mean, self.var]

    def setup(self):
        super().setup()
        size = self.output_size
        if self.mean is None or self.mean.get_value(borrow=True).shape != (size,):
            self.mean = theano.shared(np.zeros(size, util.FLOAT), name=f"{self.name}.mean")
            self.var = theano.shared(np.ones(size, util.FLOAT), name=f"{self.name}.var")

    def _batch_statistics(self, x, mask):
        """Return mean and variance over all axes but the last one."""
        axes = tuple(range(x.ndim - 1))
        if mask is None or x.ndim < 3:
            mean = x.mean(axis=axes)
            return mean, TT.sqr(x - mean).mean(axis=axes)
        weights = mask.dimshuffle(0, 1, *"x" * (x.ndim - 2))
        total = mask.sum() * TT.prod(x.shape[2:-1], dtype=util.FLOAT)
        mean = (x * weights).sum(axis=axes) / total
        return mean, (TT.sqr(x - mean) * weights).sum(axis=axes) / total

    def transform(self, inputs):
        x, context = inputs[self.input_name], context_of(inputs)
        if context.training is None:
            return self._finish(x, self.mean, self.var), []
        pairs = list(zip(self.statistics, self._batch_statistics(x, context.mask)))
        mean, var = (TT.switch(context.training, new, old) for old, new in pairs)
        keep = TT.switch(context.training, self.momentum, 1).astype(util.FLOAT)
        updates = [(old, keep * old + (1 - keep) * theano.gradient.disconnected_grad(new)) for old, new in pairs]
        return self._finish(x, mean, var), updates

    def to_spec(self):
        return dict(super().to_spec(), momentum=self.momentum)
