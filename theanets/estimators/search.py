"""A search over parameters by cross-validation, with all networks trained in one sweep."""

import math
import numbers
from typing import Any

import joblib
import numpy as np
from sklearn.model_selection import GridSearchCV, ParameterGrid

from .. import util
from ..trainer.sweeps import pool

__all__ = ["NetworkSearchCV"]


class NetworkSearchCV(GridSearchCV):
    """A search over a grid of parameters by cross-validation, like scikit-learn's ``GridSearchCV``.

    All combinations and all folds are trained in one sweep, spread over the cores by threads, and share what is
    compiled. The scores are those of ``GridSearchCV``, to the last bit. With ``halving=True``, combinations that do
    badly after a few epochs end there: successive halving, with epochs as the resource, as scikit-learn's
    ``HalvingGridSearchCV`` does it.

    Parameters
    ----------
    estimator : estimator of scikit-learn
        What is trained: an estimator of this module, or a pipeline with one in it.
    param_grid : dict or list of dict
        Lists of values by the names of parameters, such as ``{'learning_rate': [0.01, 0.03]}``.
    cv : int, iterable or splitter, optional
        The folds, as in scikit-learn. Default: five, stratified for classifiers.
    halving : bool, optional
        Whether combinations that do badly end early. Default False.
    refit : bool, str or callable, optional
        Whether to train an estimator with the best parameters on all data in the end; for several scores, by which of
        them the best is chosen. Default True.
    scoring : str, callable, list, tuple or dict, optional
        How predictions are scored. Default: by the method ``score`` of the estimator.
    n_jobs : int, optional
        Number of trainings at a time, as in scikit-learn. Default None: as many threads as there are cores, unless
        there is an active ``joblib.parallel_config``, whose workers are used then.
    factor : int, optional
        With ``halving``, one combination of so many goes on, for so many times the epochs. Default 3.
    min_epochs : int, optional
        With ``halving``, the least number of epochs before a combination may end. Default 5.
    verbose, pre_dispatch, error_score, return_train_score
        As for ``GridSearchCV``.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As of ``GridSearchCV``. With ``halving``, ``iter`` is the round that a row belongs to, and ``n_epochs`` how many
        epochs there were in it at most; a combination has a row in each round that it came to.
    best_estimator_, best_params_, best_score_, best_index_, n_splits_, refit_time_, scorer_, multimetric_
        As of ``GridSearchCV``. With ``halving``, the best one is one of the last round.

    References
    ----------
    K Jamieson & A Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from theanets.estimators import NetworkClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> search = NetworkSearchCV(NetworkClassifier(hidden=8, epochs=20), {"learning_rate": [1e-5, 0.03]}, cv=3)
    >>> search.fit(x, y).best_params_
    {'learning_rate': 0.03}
    >>> search.predict(x).shape
    (150,)
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        cv: Any = None,
        halving: bool = False,
        refit: Any = True,
        scoring: Any = None,
        n_jobs: int | None = None,
        factor: int = 3,
        min_epochs: int = 5,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.halving = halving
        self.factor = factor
        self.min_epochs = min_epochs

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Train all combinations on all folds, and then the best one on all data.

        Parameters
        ----------
        X : array-like (num-examples, num-variables)
            The examples.
        y : array-like (num-examples, ) or (num-examples, num-outputs), optional
            Their targets.
        **params
            Further arguments of the method ``fit`` of the estimator, such as ``sample_weight``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For arguments that are out of range, and with ``halving`` for an estimator without ``epochs``.
        """
        if self.halving:
            self._check_halving()
        jobs = self.n_jobs
        if jobs is None:
            jobs, _ = pool.choose(None)
        if self.n_jobs is not None or not isinstance(jobs, int):
            return super().fit(X, y, **params)
        with joblib.parallel_config("threading", n_jobs=jobs):
            return super().fit(X, y, **params)

    def _check_halving(self):
        for name, least in (("factor", 2), ("min_epochs", 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name}={value!r}, expected an integer from {least} on")
        name = self._name_of_epochs()
        grids = [self.param_grid] if hasattr(self.param_grid, "keys") else self.param_grid
        if any(name in grid for grid in grids):
            raise ValueError(f"halving=True: {name!r} is in the grid, but halving chooses the number of epochs")
        if not isinstance(self.refit, str) and (callable(self.refit) or self._has_several_scores()):
            raise ValueError(
                f"halving=True: refit={self.refit!r}, expected the name of the score by which combinations go on"
            )

    def _has_several_scores(self):
        return isinstance(self.scoring, (list, tuple, set, dict))

    def _name_of_epochs(self):
        """Return the name of the estimator's parameter for the number of epochs, which may be in a pipeline."""
        found = [name for name in self.estimator.get_params() if name == "epochs" or name.endswith("__epochs")]
        if len(found) != 1:
            what = f"several: {', '.join(found)}" if found else "none"
            raise ValueError(f"halving=True: expected an estimator with one parameter 'epochs', found {what}")
        return found[0]

    def _run_search(self, evaluate_candidates):
        candidates = list(ParameterGrid(self.param_grid))
        if not self.halving:
            evaluate_candidates(candidates)
            return
        name = self._name_of_epochs()
        score = self.refit if isinstance(self.refit, str) and self._has_several_scores() else "score"
        rounds = self._rounds(len(candidates), self.estimator.get_params()[name])
        for number, epochs in enumerate(rounds):
            count = len(candidates)
            util.log(f"search, round {number + 1} of {len(rounds)}: {count} x {util.number_of(epochs, 'epoch')}")
            results = evaluate_candidates(
                [{**candidate, name: epochs} for candidate in candidates],
                more_results={"iter": [number] * count, "n_epochs": [epochs] * count},
            )
            scores = np.asarray(results[f"mean_test_{score}"][-count:])
            order = np.argsort(-np.where(np.isfinite(scores), scores, -np.inf), kind="stable")
            candidates = [candidates[place] for place in order[: math.ceil(count / self.factor)]]

    def _rounds(self, count, epochs):
        """Return the numbers of epochs of all rounds; the last one is that of the estimator."""
        rounds = [epochs]
        while count >= self.factor and math.ceil(rounds[0] / self.factor) >= self.min_epochs:
            rounds.insert(0, math.ceil(rounds[0] / self.factor))
            count = math.ceil(count / self.factor)
        return rounds

    @staticmethod
    def _select_best_index(refit, refit_metric, results):
        if "iter" not in results:
            return GridSearchCV._select_best_index(refit, refit_metric, results)
        last = np.flatnonzero(np.asarray(results["iter"]) == np.max(results["iter"]))
        scores = np.asarray(results[f"mean_test_{refit_metric}"])[last]
        return last[0 if np.isnan(scores).all() else np.nanargmax(scores)]
