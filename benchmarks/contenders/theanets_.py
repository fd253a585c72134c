"""theanets, as a user writes it: by ``itertrain`` and ``predict``.

Arrays are trained on by fused epochs where XLA compiles; a ``downhill.Dataset`` of the user's own is trained on batch
by batch. Validation is moved out of the way: it happens before the first epoch, on one batch.
"""

import logging

import theanets

from .. import workloads
from .base import Base, sparse_matrix

for _name in ("theanets", "downhill"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class Model(Base):
    """A network of theanets."""

    def build(self, weights, options):
        if self.way == "no-header":
            from theanets.compat import headers

            headers.supported = lambda compiler: False
        model = self.model
        self.net = {"mlp": _mlp, "recurrent": _recurrent, "conv": _conv}[model["kind"]](model)
        for name, value in weights.items():
            self.net.find(*_place(model, name)).set_value(value)
        self.x = sparse_matrix(self.data, model["layers"][0]) if "indices" in self.data else self.data["x"]
        self.is_classifier = isinstance(self.net, theanets.Classifier)
        self.training = None

    def _start(self):
        workload = self.workload
        arrays = [self.x] if type(self.net) is theanets.Autoencoder else [self.x, self.data["y"]]
        valid, train = [array[: workload.batch] for array in arrays], arrays
        if self.way == "batches":
            # imports Theano, which theanets wants to prepare.
            import downhill

            train = downhill.Dataset(arrays, batch_size=workload.batch, rng=workloads.SEED)
        options = dict(hidden_dropout=self.model["dropout"]) if self.model.get("dropout") else {}
        self.training = self.net.itertrain(
            train,
            valid,
            algo=workload.optimizer,
            learning_rate=workload.rate,
            batch_size=workload.batch,
            rng=workloads.SEED,
            validate_every=10**9,
            **options,
        )

    def epoch(self, order):
        # draws the same orders itself.
        if self.training is None:
            self._start()
        monitors, _ = next(self.training)
        return float(monitors["loss"])

    def predict(self):
        return self.net.predict_proba(self.x) if self.is_classifier else self.net.predict(self.x)

    def close(self):
        if self.training is not None:
            self.training.close()


def fit(workload, x, y, numbers):
    """Do a training of a job; see :mod:`benchmarks.jobs`."""
    net = _mlp(workload.model, numbers["seed"]) if workload.model["kind"] == "mlp" else _recurrent(workload.model)
    net.train(
        *_data(net, workload, x, y),
        learning_rate=numbers["learning_rate"],
        weight_l2=numbers["l2"],
        rng=numbers["seed"],
        **_options(workload),
    )
    return net.predict_proba if isinstance(net, theanets.Classifier) else net.predict


def sweep(workload, x, y, members):
    """Do many trainings of a job at once; see :mod:`benchmarks.jobs`."""
    build = lambda rng: _mlp(workload.model, rng)  # noqa: E731
    grid = [dict(learning_rate=one["learning_rate"], weight_l2=one["l2"], rng=one["seed"]) for one in members]
    result = theanets.sweep(build, *_data(build(1), workload, x, y), grid=grid, **_options(workload))
    return [net.predict_proba if isinstance(net, theanets.Classifier) else net.predict for net in result.networks]


def _data(net, workload, x, y):
    """Return the data of a training, and one batch of them to validate on."""
    data = [x] if type(net) is theanets.Autoencoder else [x, y]
    return data, [array[: workload.batch] for array in data]


def _options(workload):
    return dict(
        algo=workload.optimizer,
        batch_size=workload.batch,
        epochs=workload.epochs,
        validate_every=workload.epochs,
        **(dict(momentum=workloads.MOMENTUM) if workload.optimizer == "sgd" else {}),
    )


def search(workload, x, y, grid):
    """Run a ``GridSearchCV``; see :mod:`benchmarks.jobs`."""
    from sklearn.model_selection import GridSearchCV
    from theanets.estimators import NetworkClassifier

    estimator = NetworkClassifier(
        hidden=tuple(workload.model["layers"][1:-1]),
        algo=workload.optimizer,
        batch_size=workload.batch,
        epochs=workload.epochs,
        patience=workload.epochs,
        random_state=workloads.SEED,
    )
    lists = dict(learning_rate=grid["learning_rate"], options=[dict(weight_l2=value) for value in grid["l2"]])
    return GridSearchCV(estimator, lists, cv=5).fit(x, y).best_score_


def _mlp(model, rng=13):
    layers = workloads.sizes(model)
    first = dict(size=layers[0], sparse="csr") if model["nonzero"] else layers[0]
    middle = len(layers) // 2
    rest = [
        (size, "tied", "relu") if model["tied"] and i >= middle else (size, "relu")
        for i, size in enumerate(layers[1:-1])
    ]
    last = (layers[-1], "tied", model["output"]) if model["tied"] else (layers[-1], model["output"])
    cls = theanets.Autoencoder if model["output"] == "linear" else theanets.Classifier
    return cls([first, *rest, last], rng=rng)


def _recurrent(model):
    options = dict(form=model["cell"], activation="tanh")
    if model["both"]:
        options = dict(form="bidirectional", worker=model["cell"])
    return theanets.recurrent.Regressor([model["inputs"], dict(size=model["size"], **options), model["outputs"]])


def _conv(model):
    layers = [(model["image"], model["image"], 1)]
    for count in model["filters"]:
        layers.append(dict(form="conv2", size=count, filter_size=model["window"], activation="relu"))
        layers.append(dict(form="pool2", pool_size=2))
    return theanets.convolution.Classifier([*layers, "flat", (model["hidden"], "relu"), model["classes"]])


def _place(model, name):
    """Return where the network has a parameter: the index of its layer, and its name there."""
    if model["kind"] == "mlp":
        return int(name[1:]) + 1, name[0]
    if model["kind"] == "recurrent":
        if name.startswith("out_"):
            return 2, name[4:]
        return 1, name.replace("_", ".")
    number = int(name[1:])
    if name[0] in "fc":
        return 2 * number + 1, {"f": "w", "c": "b"}[name[0]]
    return 2 * len(model["filters"]) + 2 + number, name[0]
