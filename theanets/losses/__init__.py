"""Losses: how far the outputs of a network are from what they should be."""

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
