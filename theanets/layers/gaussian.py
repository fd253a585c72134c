"""A layer of normally distributed units, for generative models."""

import theano.tensor as TT

from .. import util
from .base import Layer

__all__ = ["Gaussian"]

#: Logarithms of variances are kept within this distance of zero.
LIMIT = 20.0


class Gaussian(Layer):
    r"""Units that are drawn, in training, from a normal distribution which the layer computes.

    .. math:: \mu = x W + b, \quad \log \sigma^2 = x W_s + b_s, \quad y = \mu + \sigma \odot \epsilon, \quad
        \epsilon \sim N(0, 1)

    Draws are made in :meth:`theanets.Network.train`, on the validation data too, as with noise; everywhere else
    :math:`y = \mu`. Gradients pass through :math:`\mu` and :math:`\sigma` (the reparametrisation trick). Together with
    ``train(..., latent_kl=1.0)``, see :class:`theanets.latent.LatentKL`, it makes an autoencoder a variational one.

    Parameters
    ----------
    **kwargs
        See :class:`theanets.Layer`. There is no activation.

    Notes
    -----
    Parameters: ``w`` and ``spread_w`` (input size, size), ``b`` and ``spread_b`` (size, ), which start at zero.

    Outputs: ``out``; ``mean``; ``logvar``, the logarithm of the variance.

    D Kingma, M Welling, "Auto-Encoding Variational Bayes", ICLR 2014

    Examples
    --------
    >>> import numpy as np
    >>> import theanets
    >>> net = theanets.Autoencoder([6, (10, "tanh"), (2, "gaussian"), (10, "tanh"), 6])
    >>> x = np.random.RandomState(0).rand(20, 6)
    >>> train, valid = net.train([x], algo="adam", learning_rate=0.01, epochs=2, latent_kl=1.0)
    >>> net.encode(x).shape, net.sample(3).shape
    ((20, 2), (3, 6))
    """

    applies_activation = False

    stepwise = True

    def resolve_outputs(self):
        if len(self._inputs) != 1:
            raise util.ConfigurationError(
                f"layer {self.name!r}: expected exactly one input, found {self.input_names!r}"
            )
        super().resolve_outputs()
        self._output_shapes["mean"] = self._output_shapes["logvar"] = self.output_shape

    def setup(self):
        self.add_weights("w")
        self.add_bias("b", std=0)
        self.add_weights("spread_w")
        self.add_bias("spread_b", std=0)

    def transform(self, inputs):
        x = util.dense(inputs[self.input_name])
        mean = x.dot(self.find("w")) + self.find("b")
        logvar = TT.clip(x.dot(self.find("spread_w")) + self.find("spread_b"), -LIMIT, LIMIT)
        return dict(out=TT.tensor_copy(mean), mean=mean, logvar=logvar), []
