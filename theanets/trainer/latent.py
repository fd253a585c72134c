r"""Regularizers of codes: of the distributions of variational autoencoders, and of how often units are active.

==============  ====================  =================================================================
keyword         class                 what it does
==============  ====================  =================================================================
``latent_kl``   :class:`LatentKL`     keeps the distributions of ``gaussian`` layers close to the prior
``hidden_kl``   :class:`HiddenKL`     keeps the mean activation of hidden units at some level
==============  ====================  =================================================================
"""

import theano.tensor as TT

from .. import layers, regularizers, util
from ..layers.context import context_of
from ..regularizers import Regularizer

__all__ = ["LatentKL", "HiddenKL", "draws"]


def gaussian_layers(network_layers):
    """Return the layers of the form ``gaussian``."""
    return [layer for layer in network_layers if isinstance(layer, layers.Gaussian)]


class LatentKL(Regularizer):
    r"""Divergence of the distributions of ``gaussian`` layers from the standard normal distribution.

    .. math:: \frac{1}{D} \sum_j \frac{1}{2} \left( \mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2 \right)

    is the mean of it over examples, where :math:`D` is the number of elements of the network's output for an example.
    So with a loss that is a mean over elements, ``latent_kl=1`` makes the total the negative evidence lower bound
    divided by :math:`D`: exactly for ``bce``; for ``mse`` with a variance of 1/2 of each element. Other weights are
    the :math:`\beta` of the beta-VAE.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Patterns for names of outputs of ``gaussian`` layers. Default: all of these layers.
    weight : float, optional
        Strength. Default 0.

    Notes
    -----
    D Kingma, M Welling, "Auto-Encoding Variational Bayes", ICLR 2014; I Higgins et al., "beta-VAE: Learning Basic
    Visual Concepts with a Constrained Variational Framework", ICLR 2017
    """

    __extra_registration_keys__ = ["latent_kl"]

    watches: str | None = "outputs"

    def loss(self, layers, outputs):
        if util.is_real(self.weight) and self.weight == 0:
            return 0
        found = gaussian_layers(layers)
        if not found:
            raise util.ConfigurationError(
                "latent_kl: this network has no layer of the form 'gaussian', as in (8, 'gaussian')"
            )
        chosen = [layer for layer in found if list(util.outputs_matching({layer.output_name: 0}, self.pattern))]
        if not chosen:
            raise util.ConfigurationError(
                f"latent_kl: pattern={self.pattern!r}, expected patterns for the outputs of layers of the form "
                f"'gaussian': {', '.join(layer.output_name for layer in found)}"
            )
        size = 1
        for entry in layers[-1].output_shape:
            size *= 1 if entry is None else entry
        total = 0
        for layer in chosen:
            mean, logvar = outputs[layer.full_name("mean")], outputs[layer.full_name("logvar")]
            divergence = (TT.sqr(mean) + TT.exp(logvar) - 1 - logvar).sum(axis=-1, keepdims=True) / 2
            total = total + regularizers.average(divergence, outputs) / float(size)
        return total


class HiddenKL(Regularizer):
    r"""Divergence of the mean activation of each hidden unit from a level: sparse codes.

    .. math:: \overline{\rho \log \frac{\rho}{r_j} + (1 - \rho) \log \frac{1 - \rho}{1 - r_j}}

    is the mean over units, where :math:`r_j` is the mean of unit :math:`j` over the batch. It is meant for units with
    values from 0 to 1, as ``sigmoid`` makes them; :math:`r_j` is kept 1e-6 away from either.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Patterns for names of outputs. Default: the ``out`` of each hidden layer.
    weight : float, optional
        Strength. Default 0.
    level : float, optional
        The mean activation :math:`\rho` that is wanted, between 0 and 1. Default 0.05.

    Notes
    -----
    A Ng, "Sparse autoencoder", CS294A lecture notes, Stanford 2011
    """

    __extra_registration_keys__ = ["hidden_kl"]

    watches: str | None = "outputs"

    def __init__(self, pattern=None, weight=0.0, level=0.05, **unknown):
        super().__init__(pattern=pattern, weight=weight, **unknown)
        if not util.is_real(level) or not 0 < level < 1:
            raise util.ConfigurationError(f"hidden_kl: level={level!r}, expected a number between 0 and 1")
        self.level = float(level)

    def loss(self, layers, outputs):
        mask = context_of(outputs).mask
        return regularizers.mean_of(
            self._divergence(_mean_of_units(util.dense(h), mask if h.ndim > 2 else None))
            for h in regularizers.hidden_outputs(self.pattern, layers, outputs)
        )

    def _divergence(self, rate):
        rate = TT.clip(rate, 1e-6, 1 - 1e-6)
        ratio, rest = self.level / rate, (1 - self.level) / (1 - rate)
        return (self.level * TT.log(ratio) + (1 - self.level) * TT.log(rest)).mean()


def _mean_of_units(values, mask):
    """Return the mean of each unit over all other axes, without masked steps."""
    axes = tuple(range(values.ndim - 1))
    if mask is None:
        return values.mean(axis=axes)
    mask = mask.dimshuffle(0, 1, *"x" * (values.ndim - 2))
    count = mask.sum() * TT.prod(values.shape[2:-1], dtype=util.FLOAT)
    return (values * mask).sum(axis=axes) / count


class _Draws(regularizers.Stochastic, Regularizer):
    """Replace the means that ``gaussian`` layers put out by draws; training adds it by itself."""

    def __init__(self, pattern=None, weight=1.0, rng=13, **unknown):
        super().__init__(pattern=pattern, weight=weight, rng=rng, **unknown)

    @staticmethod
    def _check_level(weight):
        """Accept any level: there is none."""

    def log(self):
        """Write a line that describes the regularizer."""
        util.log(f"draws of {', '.join(self.pattern)}")

    def modify_graph(self, outputs):
        for name, value in list(util.outputs_matching(outputs, self.pattern)):
            layer = name.partition(":")[0]
            noise = self.rng.normal(size=value.shape, std=1.0, dtype=util.FLOAT)
            outputs[name] = value + TT.exp(outputs[f"{layer}:logvar"] / 2) * noise


def draws(network, kwargs):
    """Return the regularizers that a training adds for the layers of its network.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    kwargs : dict
        The arguments of the training, of which ``rng`` counts.

    Returns
    -------
    regularizers : list of Regularizer
    """
    found = gaussian_layers(network.layers)
    if not found:
        return []
    names = tuple(util.ExactName(layer.output_name) for layer in found)
    return [_Draws(pattern=names, rng=regularizers.seed_or_stream(network, kwargs))]
