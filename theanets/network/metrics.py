"""Metrics of scikit-learn for networks."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import util
from . import alignment
from .part import Part

__all__ = ["Metrics"]


class Metrics(Part):
    """The part of a network that computes metrics."""

    def evaluate(
        self,
        x: Any,
        y: Any,
        metrics: str | Callable | Sequence[str | Callable] | None = None,
        w: Any = None,
        batch_size: int | None = 1024,
        **kwargs: Any,
    ) -> dict[str, float]:
        """Compute metrics of the predictions, by scikit-learn's names.

        Parameters
        ----------
        x : array-like (num-examples, num-variables)
            Data for the input, see :meth:`predict`.
        y : array-like
            What should be predicted, as for :meth:`score`. The steps of sequences count as examples.
        metrics : list of str or callable, optional
            Names of ``sklearn.metrics.get_scorer_names()``, such as ``'f1_macro'``, ``'roc_auc'``, ``'neg_log_loss'``
            or ``'neg_mean_absolute_error'``; or functions of y and of the prediction. Default: ``['accuracy']`` for
            classifiers, ``['r2']`` for others.
        w : array-like (num-examples, ), optional
            Weights of examples, for metrics that take them. Default: 1 for all.
        batch_size : int, optional
            Compute for so many examples at a time. Default 1024; None for all at once.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`.

        Returns
        -------
        figures : dict
            A number for each metric, by its name. As everywhere in scikit-learn, larger is better.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        ConfigurationError
            For a name that scikit-learn does not have.
        DataError
            For data that do not fit.

        Examples
        --------
        >>> import theanets
        >>> net = theanets.Classifier([4, 3])
        >>> x, labels = np.eye(4), [0, 1, 2, 0]
        >>> list(net.evaluate(x, labels, metrics=["accuracy", "f1_macro", "neg_log_loss"]))
        ['accuracy', 'f1_macro', 'neg_log_loss']
        """
        try:
            scoring = importlib.import_module("sklearn.metrics")
        except ImportError as error:
            raise ImportError("evaluate() needs scikit-learn: pip install theanets[sklearn]") from error
        is_classifier = hasattr(self, "predict_proba")
        if metrics is None:
            metrics = ["accuracy" if is_classifier else "r2"]
        wanted = [metrics] if isinstance(metrics, str) or callable(metrics) else metrics
        if not isinstance(wanted, Sequence):
            raise util.ConfigurationError(f"metrics={metrics!r}, expected names of metrics, or functions")
        known = scoring.get_scorer_names()
        for metric in wanted:
            if not callable(metric) and metric not in known:
                raise util.unknown("metric", metric, known)
        answers = _Answers(self, x, batch_size, kwargs)
        predicted = answers.raw("predict")
        if self.losses:
            predicted = alignment.map_sequences(self.losses[0].estimate, predicted)
        target, weights = alignment.align_targets(predicted, y, w, dtype="int64" if is_classifier else "float64")
        predicted = alignment.join_sequences(predicted)
        # one number for each example: steps of sequences are examples, several outputs or labels are columns.
        has_columns = not is_classifier or bool(self.losses and self.losses[0].is_multilabel)
        flatten = _flat if has_columns else np.ravel
        answers.found["predict"], target = flatten(predicted), flatten(target)
        weights = None if w is None else flatten(weights)
        if weights is not None and weights.ndim > 1:
            weights = weights.mean(axis=1)
        scored = answers.as_estimator(is_classifier, target)
        options = {} if weights is None else {"sample_weight": weights}
        result = {}
        for metric in wanted:
            if callable(metric):
                name = getattr(metric, "__name__", type(metric).__name__)
                result[name] = float(metric(target, answers.found["predict"], **options))
            else:
                result[metric] = float(scoring.get_scorer(metric)(scored, None, target, **options))
        return result


def _flat(values):
    values = np.asarray(values)
    values = values.reshape(-1, values.shape[-1])
    return values[:, 0] if values.shape[1] == 1 else values


class _Answers:
    """What a network says of some data, computed once."""

    def __init__(self, network, x, batch_size, kwargs):
        self.network = network
        self.x = x
        self.options = dict(kwargs, batch_size=batch_size)
        self.found = {}

    def raw(self, method):
        return getattr(self.network, method)(self.x, **self.options)

    def get(self, method):
        if method not in self.found:
            self.found[method] = _flat(alignment.join_sequences(self.raw(method)))
        return self.found[method]

    def as_estimator(self, is_classifier, target):
        """Return an object that scorers of scikit-learn take for a fitted estimator."""
        base = importlib.import_module("sklearn.base")
        kind = base.ClassifierMixin if is_classifier else base.RegressorMixin
        answers = self
        losses = self.network.losses
        is_multilabel = bool(losses and losses[0].is_multilabel)

        class Answering(kind, base.BaseEstimator):
            """An estimator that knows its answers."""

            def __sklearn_is_fitted__(self):
                return True

            def predict(self, X):
                """Return the predictions."""
                return answers.get("predict")

        def predict_proba(self, X):
            """Return the probabilities of the classes."""
            found = np.asarray(answers.get("predict_proba"), "float64")
            # in single precision they do not sum to one as exactly as is expected.
            return found / found.sum(axis=1, keepdims=True) if found.ndim > 1 and not is_multilabel else found

        if is_classifier:
            # scorers look for what an estimator has.
            Answering.predict_proba = predict_proba
        result = Answering()
        if is_classifier:
            count = answers.network.layers[-1].output_size
            result.classes_ = np.arange(count)
        return result
