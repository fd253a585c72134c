r"""Losses: how far the outputs of a network are from what they should be.

A loss is built by name, as in ``theanets.Regressor([4, 2], loss="mae")``, or is an instance of a class below. It owns
the symbolic variables of its target and of its weights, and it turns the outputs of a network into one number.

=======  ==================================  =============================================
name     class                               for
=======  ==================================  =============================================
mse      :class:`MeanSquaredError`           real targets
mae      :class:`MeanAbsoluteError`          real targets with outliers
kl       :class:`KullbackLeiblerDivergence`  targets that are distributions
gll      :class:`GaussianLogLikelihood`      real targets, with an estimate of their spread
mmd      :class:`MaximumMeanDiscrepancy`     matching the distribution of a set of targets
xe       :class:`CrossEntropy`               classes
bce      :class:`BinaryCrossEntropy`         labels of which an example may have several
hinge    :class:`Hinge`                      classes
=======  ==================================  =============================================

There are more in :mod:`theanets.losses.likelihoods`, for outliers, quantiles, counts, several labels and whole
distributions. A function of the output and the target does as well; see :class:`Formula`. To add a loss that can be
asked for by name, subclass :class:`Loss`.
"""

from .base import (
    EPSILON,
    BinaryCrossEntropy,
    CrossEntropy,
    Formula,
    GaussianKernel,
    GaussianLogLikelihood,
    Hinge,
    KullbackLeiblerDivergence,
    Loss,
    MaximumMeanDiscrepancy,
    MeanAbsoluteError,
    MeanSquaredError,
    check_function,
    log_of_probabilities,
    numbers,
    refuse_weights,
    takes_labels,
    weight_key,
)
from .likelihoods import Focal, Huber, LogCosh, MixtureDensity, MultiLabel, Poisson, Quantile

__all__ = [
    "Loss",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "GaussianLogLikelihood",
    "MaximumMeanDiscrepancy",
    "KullbackLeiblerDivergence",
    "CrossEntropy",
    "BinaryCrossEntropy",
    "Hinge",
    "Formula",
    "Huber",
    "LogCosh",
    "Quantile",
    "Poisson",
    "Focal",
    "MultiLabel",
    "MixtureDensity",
]
