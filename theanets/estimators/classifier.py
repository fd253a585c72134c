"""The classifier for scikit-learn."""

from typing import Any

import numpy as np
import scipy.sparse
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .base import SupervisedEstimator, WeightedScore, quiet
from .examples import check_classes, check_indicators, check_weights

__all__ = ["NetworkClassifier"]


class NetworkClassifier(WeightedScore, ClassifierMixin, SupervisedEstimator):
    """A classifier of scikit-learn that is a network.

    Parameters
    ----------
    hidden : int or sequence of layer specs, optional
        The layers between the input and the output, or the size of a single one. Default ``(100, )``.
    algo, learning_rate, epochs, batch_size, patience, validation_fraction, loss, options, random_state, verbose
        See :class:`NetworkRegressor`; the default loss is ``'xe'``.

    Attributes
    ----------
    classes_ : ndarray (num-classes, )
        The labels; for a matrix of targets the numbers of its columns.
    network_ : :class:`theanets.Classifier`
        The network; its class i is ``classes_[i]``. For a matrix of targets it is a :class:`theanets.Regressor`.
    n_iter_ : int
        Number of epochs that it was trained for.
    loss_curve_, validation_curve_ : list of float
        The losses of each epoch, and the validation losses after it; "not a number" where there was no validation.
    n_features_in_ : int
        Number of variables.
    feature_names_in_ : ndarray (num-variables, )
        Their names, if the data have any.

    Notes
    -----
    A weight of 2 does what two copies of an example do: the same examples are merged into one before training. They
    are then mixed by the seed, so that the order in which they are given makes no difference, and anew in each epoch
    (``options={'shuffle': 'batches'}`` takes fixed batches instead).

    The examples for validation come from all classes in proportion, but the last one of a class is always trained on.

    Examples may also be sequences of one length, an array (num-examples, num-steps, num-variables), if one of the
    layers, such as ``'last'``, makes one vector of each: ``hidden=((32, 'gru'), 'last')``.

    Targets may also be a matrix of zeros and ones with a column for each label, of which an example may have several,
    or none. The labels are then learned independently of one another, from probabilities that sigmoid makes; the
    default loss is ``'bce'``. A score is the fraction of examples for which all labels are right.

    Examples
    --------
    >>> x = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> xor = NetworkClassifier(hidden=((8, "tanh"),), epochs=300, patience=50).fit(x, ["no", "yes", "yes", "no"])
    >>> xor.predict(x).tolist()
    ['no', 'yes', 'yes', 'no']
    >>> both = NetworkClassifier(hidden=10, epochs=300, patience=50).fit(x, [[0, 0], [0, 1], [0, 1], [1, 1]])
    >>> both.predict(x).tolist()
    [[0, 0], [0, 1], [0, 1], [1, 1]]
    """

    def _read(self, x, y, sample_weight, reset):
        x, y = self._validate(x, y, multi_output=True, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y.toarray() if scipy.sparse.issparse(y) else y, warn=True)
        check_classification_targets(y)
        return x, y, check_weights(sample_weight, x)

    def _start(self, y, classes):
        if y.ndim == 1:
            known = np.unique(y if classes is None else classes)
        else:
            check_indicators(y)
            known = np.arange(y.shape[1])
            check_classes(classes, known)
        super()._start(y, classes)
        self.classes_ = known
        self._is_multilabel = y.ndim == 2
        self._is_sparse_y = scipy.sparse.issparse(y)

    def _go_on(self, classes):
        check_classes(classes, self.classes_)

    def _encode(self, y):
        """Return targets as arrays for the network: integer labels, or a matrix of zeros and ones."""
        if self._is_multilabel:
            if y.ndim == 1 or y.shape[1] != len(self.classes_):
                raise ValueError(
                    f"y has the shape {y.shape}, expected a matrix of {len(self.classes_)} columns, as at first"
                )
            check_indicators(y)
            return y.toarray() if scipy.sparse.issparse(y) else y
        if y.ndim == 2:
            raise ValueError(f"y has the shape {y.shape}, expected labels (num-examples, ), as at first")
        labels = np.searchsorted(self.classes_, y)
        if not np.array_equal(self.classes_[np.minimum(labels, len(self.classes_) - 1)], y):
            raise ValueError(f"y holds labels that are not among the classes {self.classes_.tolist()}")
        return labels.astype("int32")

    def _fit(self, x, y, sample_weight, epochs, split):
        targets = self._encode(y)
        with quiet(self.verbose):
            if not self.n_iter_:
                layers = [self._input(x), *self._layer_list("hidden")]
                if self._is_multilabel:
                    layers.append((len(self.classes_), "sigmoid"))
                    self._build(self._models(x).Regressor, layers, weighted=True, loss="bce")
                else:
                    self._build(self._models(x).Classifier, [*layers, len(self.classes_)], weighted=True)
            return self._train([x, targets], sample_weight, epochs, split)

    def _strata(self, arrays):
        return None if self._is_multilabel else arrays[1]

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch, going on from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            See :meth:`fit`.
        classes : array-like (num-classes, ), optional
            All labels that there will ever be. Needed in the first call, if it does not see all of them.

        Returns
        -------
        self
        """
        return self._learn_on(X, y, sample_weight, classes)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix (num-examples, num-variables)
            The examples.

        Returns
        -------
        probabilities : ndarray (num-examples, num-classes)
            In the order of ``classes_``. For a matrix of targets, those of each label by itself.
        """
        check_is_fitted(self, "network_")
        if self._is_multilabel:
            # computed in float64: in float32, sigmoid is exactly 1 for logits above 17.
            name = self.network_.layers[-1].full_name("pre")
            return expit(self._outputs(X, lambda x: self.network_.feed_forward(x)[name]).astype("float64"))
        p = self._outputs(X, lambda x: self.network_.predict_proba(x)).astype("float64")
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each example, as an array (num-examples, ).

        For a matrix of targets, return one like it, an array or a sparse matrix (num-examples, num-labels), with ones
        for all labels whose probability is more than one half.

        Raises
        ------
        ValueError
            If the output of the network is not a number, so that there is no most probable label.
        """
        probabilities = self.predict_proba(X)
        if np.isnan(probabilities).any():
            raise ValueError("the network puts out values that are not a number, so that there is no label to tell")
        if self._is_multilabel:
            labels = (probabilities > 0.5).astype("int64")
            return scipy.sparse.csr_matrix(labels) if self._is_sparse_y else labels
        return self.classes_[probabilities.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
