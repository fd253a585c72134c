"""Estimators for scikit-learn that are networks: for pipelines, searches over parameters, and cross-validation.

==================================  ===============================================
estimator                           what it does
==================================  ===============================================
:class:`NetworkClassifier`          learns to tell classes apart
:class:`NetworkRegressor`           learns to predict numbers
:class:`AutoencoderTransformer`     learns to describe data by fewer numbers
:class:`NetworkSearchCV`            searches for the best parameters of such an estimator
==================================  ===============================================

The sizes of the first and of the last layer follow from the data. What is between them is given as layer specs, see
:mod:`theanets.network.specs`. The network itself is the attribute ``network_`` of a fitted estimator.

This module needs scikit-learn: ``pip install theanets[sklearn]``.

>>> from sklearn.datasets import load_iris
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> x, y = load_iris(return_X_y=True)
>>> model = make_pipeline(StandardScaler(), NetworkClassifier(hidden=(16,), epochs=40))
>>> model.fit(x, y).score(x, y) > 0.9
True
"""

from .autoencoder import AutoencoderTransformer
from .classifier import NetworkClassifier
from .regressor import NetworkRegressor
from .search import NetworkSearchCV

__all__ = ["AutoencoderTransformer", "NetworkClassifier", "NetworkRegressor", "NetworkSearchCV"]
