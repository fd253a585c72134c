"""scikit-learn: ``MLPRegressor`` and ``MLPClassifier``, an epoch at a time by ``partial_fit``.

There is no rmsprop, no dropout, and nothing but dense layers. The squared error of scikit-learn is half of a sum over
the outputs, where the others take a mean: the learning rate makes up for it.
"""

import warnings

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .. import workloads
from .base import Base, Unsupported, sparse_matrix


class Model(Base):
    """An estimator."""

    def build(self, weights, options):
        workload, model = self.workload, self.model
        if model["kind"] != "mlp":
            raise Unsupported("dense layers only")
        if model["tied"] or model["dropout"]:
            raise Unsupported("no tied weights" if model["tied"] else "no dropout")
        if workload.optimizer != "sgd" and workload.action == "train":
            raise Unsupported(f"no {workload.optimizer}")
        layers = workloads.sizes(model)
        self.x = sparse_matrix(self.data, layers[0]) if "indices" in self.data else self.data["x"]
        self.is_classifier = model["output"] == "softmax"
        self.net = (MLPClassifier if self.is_classifier else MLPRegressor)(
            hidden_layer_sizes=layers[1:-1],
            solver="sgd",
            alpha=0,
            batch_size=workload.batch,
            learning_rate_init=workload.rate * (1 if self.is_classifier else 2 / layers[-1]),
            momentum=0,
            nesterovs_momentum=False,
            shuffle=False,
            random_state=workloads.SEED,
        )
        self._begin(weights)

    def _begin(self, weights):
        """Let the estimator make its arrays, and fill them."""
        with warnings.catch_warnings():
            # a batch that is larger than the data.
            warnings.simplefilter("ignore")
            options = dict(classes=np.arange(self.model["layers"][-1])) if self.is_classifier else {}
            self.net.partial_fit(self.x[:1], self.data["y"][:1], **options)
        for i, (coefs, intercepts) in enumerate(zip(self.net.coefs_, self.net.intercepts_)):
            coefs[...] = weights[f"w{i}"]
            intercepts[...] = weights[f"b{i}"]

    def epoch(self, order):
        # scikit-learn shuffles examples in just this way.
        index = np.concatenate([np.arange(i * self.workload.batch, (i + 1) * self.workload.batch) for i in order])
        self.net.partial_fit(self.x[index], self.data["y"][index])
        factor = 1 if self.is_classifier else 2
        return float(self.net.loss_) * factor

    def predict(self):
        return self.net.predict_proba(self.x) if self.is_classifier else self.net.predict(self.x)


def fit(workload, x, y, numbers):
    """Do a training of a job; see :mod:`benchmarks.jobs`."""
    model = _estimator(workload, numbers["seed"])
    model.set_params(learning_rate_init=numbers["learning_rate"], alpha=numbers["l2"])
    with warnings.catch_warnings():
        # the number of epochs is given, whether it has converged or not.
        warnings.simplefilter("ignore")
        model.fit(x, y)
    return model.predict_proba if isinstance(model, MLPClassifier) else model.predict


def search(workload, x, y, grid):
    """Run a ``GridSearchCV``; see :mod:`benchmarks.jobs`."""
    lists = dict(learning_rate_init=grid["learning_rate"], alpha=grid["l2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GridSearchCV(_estimator(workload, workloads.SEED), lists, cv=5).fit(x, y).best_score_


def _estimator(workload, seed):
    model = workload.model
    if model["kind"] != "mlp":
        raise Unsupported("dense layers only")
    if workload.optimizer not in ("sgd", "adam"):
        raise Unsupported(f"no {workload.optimizer}")
    return (MLPClassifier if model["output"] == "softmax" else MLPRegressor)(
        hidden_layer_sizes=model["layers"][1:-1],
        solver=workload.optimizer,
        batch_size=workload.batch,
        max_iter=workload.epochs,
        n_iter_no_change=workload.epochs + 1,
        momentum=workloads.MOMENTUM,
        nesterovs_momentum=False,
        random_state=seed,
    )
