"""The regressor for scikit-learn."""

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import MultiOutputMixin, RegressorMixin

from .base import NetworkEstimator, SupervisedEstimator, WeightedScore, quiet
from .examples import check_weights

__all__ = ["NetworkRegressor"]


class NetworkRegressor(WeightedScore, MultiOutputMixin, RegressorMixin, SupervisedEstimator):
    __doc__ = (
        """A regressor of scikit-learn that is a network.

    Parameters
    ----------
    hidden : int or sequence of layer specs, optional
        The layers between the input and the output, or the size of a single one. Default ``(100, )``.
"""
        + (NetworkEstimator.__doc__ or "----------\n").split("----------\n", 1)[1].rstrip()
        + """

    Attributes
    ----------
    network_ : :class:`theanets.Regressor`
        The network.
    n_iter_ : int
        Number of epochs that it was trained for.
    loss_curve_, validation_curve_ : list of float
        The losses of each epoch, and the validation losses after it; "not a number" where there was no validation.
    n_features_in_, feature_names_in_
        Number of variables, and their names if the data have any.

    Notes
    -----
    Targets are learned as they are. If their scale is far from 1, put the estimator into scikit-learn's
    ``TransformedTargetRegressor``. A weight of 2 does what two copies of an example do: the same examples are merged
    into one before training. They are then mixed by the seed, so that the order in which they are given makes no
    difference, and anew in each epoch (``options={'shuffle': 'batches'}`` takes fixed batches instead).

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = NetworkRegressor(hidden=((20, "tanh"),), epochs=200, patience=20)
    >>> model.fit(x, np.sin(3 * x[:, 0])).score(x, np.sin(3 * x[:, 0])) > 0.95
    True
    """
    )

    def _read(self, x, y, sample_weight, reset):
        x, y = self._validate(x, y, multi_output=True, y_numeric=True, reset=reset)
        weights = check_weights(sample_weight, x)
        return x, np.asarray(y.toarray() if scipy.sparse.issparse(y) else y, "float64"), weights

    def _fit(self, x, y, sample_weight, epochs, split):
        with quiet(self.verbose):
            if not self.n_iter_:
                self._is_flat = y.ndim == 1
                layers = [self._input(x), *self._layer_list("hidden"), 1 if y.ndim == 1 else y.shape[1]]
                self._build(self._models(x).Regressor, layers, weighted=True)
            return self._train([x, y.reshape(len(y), -1)], sample_weight, epochs, split)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch, going on from where the last call ended; the arguments are those of :meth:`fit`."""
        return self._learn_on(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the targets.

        Parameters
        ----------
        X : array-like or sparse matrix (num-examples, num-variables)
            The examples.

        Returns
        -------
        y : ndarray (num-examples, ) or (num-examples, num-outputs)
            Of the shape of the targets that it was trained on.
        """
        y = self._outputs(X, lambda x: self.network_.predict(x)).astype("float64")
        return y.ravel() if self._is_flat else y
