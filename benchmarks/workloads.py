"""What is computed: models, their data and their initial weights.

Weights and data have the layout of theanets; contenders that want another one convert them. Names of workloads end in
the optimizer: ``sgd`` without momentum is the same in all libraries, so that equal losses show that the same was
computed; ``rmsprop`` is what theanets trains by unless told otherwise, centred as downhill does it. scikit-learn has no
rmsprop.
"""

import dataclasses

import numpy as np

__all__ = [
    "Workload",
    "all_workloads",
    "make_data",
    "make_weights",
    "loss",
    "Orders",
    "RMSPROP",
    "MOMENTUM",
    "SEED",
    "sizes",
]

#: What draws data, weights and the order of batches.
SEED = 13

#: Constants of downhill's rmsprop: the decay of a half-life of 14 updates, and the regularizer within the root.
RMSPROP = dict(decay=float(np.exp(-np.log(2) / 14)), epsilon=1e-8)

RATES = {"sgd": 0.05, "rmsprop": 1e-4}

#: The momentum of sgd in jobs.
MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class Workload:
    """One thing to measure.

    Parameters
    ----------
    name : str
        Name on the command line and in tables.
    model : dict
        ``kind`` is ``mlp``, ``recurrent`` or ``conv``; see the functions below.
    action : str, optional
        ``train``: time epochs. ``predict``: time calls. ``start``: time a process from its first import to the end of
        its first epoch. ``job``: time a process from its first import to the end of a job, or what counts of it.
    examples, batch : int, optional
        Size of the data, and of a batch, which divides it.
    optimizer : str, optional
        ``sgd`` or ``rmsprop``; for jobs ``adam``, too, and ``sgd`` with momentum.
    epochs : int, optional
        Epochs, or calls, in one measurement. A number that makes it last long enough for the quickest contender.
    warm : int, optional
        Epochs, or calls, before the first measurement.
    curve : tuple, optional
        Name of the curve that this is a point of, and where on it.
    job : str, optional
        Which job, see :mod:`benchmarks.jobs`.
    """

    name: str
    model: dict
    action: str = "train"
    examples: int = 640
    batch: int = 64
    optimizer: str = "sgd"
    epochs: int = 1
    warm: int = 2
    curve: tuple = ()
    job: str = ""

    @property
    def rate(self):
        """The learning rate."""
        return RATES[self.optimizer]

    @property
    def steps(self):
        """Number of batches in one measurement."""
        return self.epochs * max(self.examples // self.batch, 1)

    def quick(self):
        """Return the workload with little to do, to try things out."""
        return dataclasses.replace(self, examples=min(self.examples, 4 * self.batch), epochs=1, warm=1)

    def to_dict(self):
        """Return the workload for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The reverse of :meth:`to_dict`."""
        return cls(**dict(values, curve=tuple(values["curve"])))


# -- models -----------------------------------------------------------------------------------------------------------


def mlp(*layers, output="linear", tied=False, dropout=0.0, nonzero=0):
    """Dense layers with the activation relu; ``softmax`` makes it a classifier, ``linear`` an autoencoder.

    With ``tied``, these are the layers of the encoder. With ``nonzero``, inputs are sparse, with so many numbers each.
    """
    return dict(kind="mlp", layers=list(layers), output=output, tied=tied, dropout=dropout, nonzero=nonzero)


def recurrent(cell, size, steps, inputs=20, outputs=20, both=False):
    """One recurrent layer, half of it running backwards with ``both``, and a dense one at each step."""
    return dict(kind="recurrent", cell=cell, size=size, steps=steps, inputs=inputs, outputs=outputs, both=both)


def conv(image=28, filters=(16, 32), window=5, hidden=64, classes=10):
    """Pairs of a convolution with relu and a maximum over 2x2, a dense layer, and a softmax."""
    return dict(kind="conv", image=image, filters=list(filters), window=window, hidden=hidden, classes=classes)


def sizes(model):
    """Return the sizes of the layers of an MLP, those of a tied decoder included."""
    layers = model["layers"]
    return layers + layers[-2::-1] if model["tied"] else layers


def pooled(model):
    """Return the width of the last images of a convnet."""
    width = model["image"]
    for _ in model["filters"]:
        width = (width - model["window"] + 1) // 2
    return width


# -- the list ---------------------------------------------------------------------------------------------------------


def _training():
    """Yield name, model and sizes of what is trained."""
    yield "ae-10-20-10", mlp(10, 20, 10), dict(examples=6400, epochs=20)
    yield "ae-64-32-64", mlp(64, 32, 64), dict(examples=6400, epochs=20)
    yield "ae-784-256-64", mlp(784, 256, 64, 256, 784), dict(examples=3200, epochs=2)
    yield "ae-tied-784-30", mlp(784, 1000, 500, 250, 30, tied=True), dict(examples=640)
    yield "classifier-dropout", mlp(784, 256, 256, 10, output="softmax", dropout=0.5), dict(examples=3200, epochs=2)
    yield "classifier-sparse", mlp(5000, 100, 10, output="softmax", nonzero=50), dict(examples=3200)
    yield "lstm-100-50", recurrent("lstm", 100, 50), dict(examples=320)
    yield "lstm-100-200", recurrent("lstm", 100, 200), dict(examples=128)
    yield "gru-100-50", recurrent("gru", 100, 50), dict(examples=320)
    yield "gru-100-200", recurrent("gru", 100, 200), dict(examples=128)
    yield "lstm-both-100-50", recurrent("lstm", 100, 50, both=True), dict(examples=320)
    yield "convnet-28", conv(), {}


#: The optimizers, where they are not sgd alone.
OPTIMIZERS = {
    **dict.fromkeys(("ae-10-20-10", "ae-64-32-64", "ae-784-256-64"), ("sgd", "rmsprop")),
    **dict.fromkeys(("lstm-100-50", "convnet-28"), ("rmsprop",)),
}


def _curves():
    """Yield curve, place, model and sizes of the points of the scaling curves."""
    for width in (8, 32, 128, 512):
        yield "width", width, mlp(width, width, width), dict(examples=3200)
    for depth in (1, 2, 4, 8):
        yield "depth", depth, mlp(*[64] * (depth + 2)), dict(examples=3200)
    for batch in (1, 8, 64, 512):
        yield "batch", batch, mlp(64, 32, 64), dict(examples=50 * batch, batch=batch, epochs=2)
    for steps in (10, 40, 160):
        yield "length", steps, recurrent("lstm", 32, steps, inputs=8, outputs=8), dict(examples=80, batch=16)


def _jobs():
    """Yield name, job, model and sizes of the jobs."""
    small, classifier = mlp(64, 32, 64), mlp(64, 64, 4, output="softmax")
    yield "grid", "grid", small, dict(examples=960, batch=32, epochs=20)
    yield "search", "search", classifier, dict(examples=1600, batch=32, epochs=30, optimizer="adam")
    yield "folds", "folds", classifier, dict(examples=1600, batch=32, epochs=30, optimizer="adam")
    yield "notebook", "notebook", mlp(784, 256, 10, output="softmax"), dict(examples=3200, epochs=5, optimizer="adam")
    yield "second-mlp", "second", small, dict(examples=800, batch=32)
    yield "members", "members", small, dict(examples=800, batch=32, epochs=20, optimizer="adam")
    yield "sweep", "sweep", small, dict(examples=800, batch=32, epochs=20, optimizer="adam")
    yield "second-lstm", "second", recurrent("lstm", 100, 50), dict(examples=64, optimizer="rmsprop")


def all_workloads():
    """Return the list of all workloads."""
    found = []
    for name, model, options in _training():
        for optimizer in OPTIMIZERS.get(name, ("sgd",)):
            found.append(Workload(f"{name}:{optimizer}", model, optimizer=optimizer, **options))
    for examples, calls in ((1, 200), (10000, 2)):
        found.append(
            Workload(f"predict-{examples}", mlp(784, 256, 64, 256, 784), "predict", examples, examples, epochs=calls)
        )
    for name, model in (("mlp", mlp(784, 256, 64, 256, 784)), ("lstm", recurrent("lstm", 100, 50)), ("conv", conv())):
        found.append(Workload(f"start-{name}", model, "start", optimizer="rmsprop"))
    for name, job, model, options in _jobs():
        found.append(Workload(f"job-{name}", model, "job", job=job, **options))
    for curve, place, model, options in _curves():
        found.append(Workload(f"{curve}-{place}:sgd", model, curve=(curve, place), **options))
    return found


# -- data and weights -------------------------------------------------------------------------------------------------


def make_data(workload):
    """Return the data as a dict: ``x`` and ``y``; or for sparse inputs ``indices`` and ``values`` instead of ``x``.

    There is something to be learned in all of them.
    """
    data = _draw_data(workload)
    # an autoencoder's target is the very array of its input.
    same = data["y"] is data.get("x")
    kinds = {"f": "float32", "i": "int32"}
    data = {name: np.ascontiguousarray(array, kinds[array.dtype.kind]) for name, array in data.items()}
    return dict(data, y=data["x"]) if same else data


def _draw_data(workload):
    model, count = workload.model, workload.examples
    rng = np.random.RandomState(SEED)
    draw = lambda *shape: rng.standard_normal(shape).astype("float32")  # noqa: E731
    if model["kind"] == "recurrent":
        x = draw(count, model["steps"], model["inputs"])
        mean = np.cumsum(x, axis=1) / np.arange(1, model["steps"] + 1)[:, None]
        return dict(x=x, y=np.tanh(mean @ draw(model["inputs"], model["outputs"])))
    if model["kind"] == "conv":
        y = rng.randint(model["classes"], size=count)
        templates = draw(model["classes"], model["image"], model["image"], 1)
        return dict(x=0.3 * templates[y] + draw(count, model["image"], model["image"], 1), y=y)
    size = model["layers"][0]
    if model["nonzero"]:
        indices = np.sort([rng.choice(size, model["nonzero"], replace=False) for _ in range(count)], axis=1)
        values = np.abs(draw(count, model["nonzero"]))
        scores = np.einsum("nk,nkc->nc", values, draw(size, model["layers"][-1])[indices])
        return dict(indices=indices, values=values, y=scores.argmax(axis=1))
    hidden = draw(count, max(size // 4, 2))
    x = np.tanh(hidden @ draw(hidden.shape[1], size) / np.sqrt(hidden.shape[1]))
    if model["output"] == "linear":
        return dict(x=x, y=x)
    return dict(x=x, y=(hidden @ draw(hidden.shape[1], model["layers"][-1])).argmax(axis=1))


def make_weights(workload):
    """Return the initial parameters as a dict, by names that go from the input to the output."""
    model = workload.model
    rng = np.random.RandomState(SEED + 1)
    weights = {}

    def add(name, *shape, inputs=None):
        scale = 0 if len(shape) == 1 else 1 / np.sqrt(inputs or shape[0])
        weights[name] = (scale * rng.standard_normal(shape)).astype("float32")

    if model["kind"] == "mlp":
        layers = sizes(model)
        for i, (n_in, n_out) in enumerate(zip(layers[:-1], layers[1:])):
            if not model["tied"] or i < len(layers) // 2:
                add(f"w{i}", n_in, n_out)
            add(f"b{i}", n_out)
    elif model["kind"] == "recurrent":
        size = model["size"] // 2 if model["both"] else model["size"]
        for prefix in ("fw_", "bw_") if model["both"] else ("",):
            _add_cell(lambda name, *shape: add(prefix + name, *shape), model["cell"], model["inputs"], size)  # noqa: B023
        add("out_w", model["size"], model["outputs"])
        add("out_b", model["outputs"])
    else:
        channels, window = 1, model["window"]
        for i, count in enumerate(model["filters"]):
            add(f"f{i}", count, channels, window, window, inputs=channels * window**2)
            add(f"c{i}", count)
            channels = count
        for i, (n_in, n_out) in enumerate(
            [(channels * pooled(model) ** 2, model["hidden"]), (model["hidden"], model["classes"])]
        ):
            add(f"w{i}", n_in, n_out)
            add(f"b{i}", n_out)
    return weights


def _add_cell(add, cell, inputs, size):
    """Add the parameters of a recurrent layer; all biases and peepholes begin at zero, as other libraries have none."""
    if cell == "lstm":
        add("xh", inputs, 4 * size)
        add("hh", size, 4 * size)
        add("b", 4 * size)
        for name in ("ci", "cf", "co"):
            add(name, size)
    else:
        for name in ("hh", "hr", "hz"):
            add(name, size, size)
        add("w", inputs, 3 * size)
        add("b", 3 * size)


def loss(workload, outputs, targets):
    """Return the loss of outputs: the mean squared error, or for class labels the cross-entropy of probabilities."""
    outputs = np.asarray(outputs, "float64")
    if targets.dtype.kind == "i":
        return float(-np.log(np.clip(outputs[np.arange(len(targets)), targets], 1e-8, 1)).mean())
    return float(np.square(outputs - targets).mean())


class Orders:
    """The order of batches in epoch after epoch, which is that of ``downhill.Dataset``.

    Parameters
    ----------
    count : int
        Number of batches.
    """

    def __init__(self, count):
        self.rng = np.random.RandomState(SEED)
        self.batches = list(range(count))

    def draw(self):
        """Return the order of the next epoch."""
        self.rng.shuffle(self.batches)
        return list(self.batches)
