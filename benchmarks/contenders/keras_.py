"""Keras 3 on JAX: ``fit`` for one epoch at a time.

Where it differs: its LSTM has no peepholes. There are no sparse inputs on this back end.
"""

import keras
import numpy as np

from .. import workloads
from .base import Base, Unsupported


@keras.saving.register_keras_serializable(package="benchmarks")
class Tied(keras.layers.Layer):
    """A dense layer that multiplies by the transpose of another one's matrix."""

    def __init__(self, partner, activation):
        super().__init__()
        # in a function, for what Keras finds in an attribute is its own, weights and all.
        self.partner = lambda: partner
        self.activation = keras.activations.get(activation)

    def build(self, shape):
        """Add the bias."""
        self.bias = self.add_weight(shape=(self.partner().kernel.shape[0],), initializer="zeros")

    def call(self, x):
        """Apply the layer."""
        return self.activation(keras.ops.matmul(x, keras.ops.transpose(self.partner().kernel)) + self.bias)


class Model(Base):
    """A compiled model of Keras."""

    def build(self, weights, options):
        workload, model = self.workload, self.model
        if model.get("nonzero"):
            raise Unsupported("no sparse inputs on this back end")
        keras.utils.set_random_seed(workloads.SEED)
        shape, stack = {"mlp": _mlp, "recurrent": _recurrent, "conv": _conv}[model["kind"]](model)
        self.net = keras.Sequential([keras.Input(shape), *(layer for layer, _ in stack)])
        for layer, make in stack:
            if make is not None:
                layer.set_weights(make(weights))
        if workload.optimizer == "sgd":
            optimizer = keras.optimizers.SGD(workload.rate)
        else:
            constants = dict(rho=workloads.RMSPROP["decay"], epsilon=workloads.RMSPROP["epsilon"])
            optimizer = keras.optimizers.RMSprop(workload.rate, centered=True, **constants)
        is_classifier = self.data["y"].ndim == 1
        loss = "sparse_categorical_crossentropy" if is_classifier else "mean_squared_error"
        self.net.compile(optimizer=optimizer, loss=loss)

    def epoch(self, order):
        size = self.workload.batch
        index = np.concatenate([np.arange(i * size, (i + 1) * size) for i in order])
        x, y = self.data["x"][index], self.data["y"][index]
        history = self.net.fit(x, y, batch_size=size, epochs=1, shuffle=False, verbose=0)
        return float(history.history["loss"][-1])

    def predict(self):
        return np.asarray(self.net.predict_on_batch(self.data["x"]))


def fit(workload, x, y, numbers):
    """Do a training of a job; see :mod:`benchmarks.jobs`."""
    keras.utils.set_random_seed(numbers["seed"])
    model = workload.model
    penalty = keras.regularizers.L2(numbers["l2"])
    if model["kind"] == "mlp":
        shape, sizes = (model["layers"][0],), model["layers"][1:]
        activations = ["relu"] * (len(sizes) - 1) + [model["output"]]
        stack = [
            keras.layers.Dense(size, activation=activation, kernel_regularizer=penalty)
            for size, activation in zip(sizes, activations)
        ]
    else:
        shape = (model["steps"], model["inputs"])
        cell = keras.layers.LSTM(model["size"], return_sequences=True, kernel_regularizer=penalty)
        stack = [cell, keras.layers.Dense(model["outputs"], kernel_regularizer=penalty)]
    net = keras.Sequential([keras.Input(shape), *stack])
    cls = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    options = dict(momentum=workloads.MOMENTUM) if workload.optimizer == "sgd" else {}
    optimizer = cls[workload.optimizer](numbers["learning_rate"], **options)
    net.compile(optimizer, "sparse_categorical_crossentropy" if y.ndim == 1 else "mean_squared_error")
    net.fit(x, y, batch_size=workload.batch, epochs=workload.epochs, verbose=0)
    return lambda x: net.predict(x, verbose=0)


# -- models: the shape of the input, and pairs of a layer and a function that picks its weights -----------------------


def _dense(name, size, activation=None, bias=None):
    bias = bias or name.replace("w", "b")
    return keras.layers.Dense(size, activation=activation), lambda weights: [weights[name], weights[bias]]


def _mlp(model):
    layers = workloads.sizes(model)
    count = len(layers) - 1
    stack, dense = [], []
    for i, size in enumerate(layers[1:]):
        activation = "relu" if i < count - 1 else model["output"]
        if model["tied"] and i >= count // 2:
            partner = dense[count - 1 - i]
            stack.append((Tied(partner, activation), lambda weights, i=i: [weights[f"b{i}"]]))
        else:
            stack.append(_dense(f"w{i}", size, activation))
            dense.append(stack[-1][0])
        if model["dropout"] and i < count - 1:
            stack.append((keras.layers.Dropout(model["dropout"]), None))
    return (layers[0],), stack


def _cell_weights(cell, weights, prefix=""):
    get = lambda name: weights[prefix + name]  # noqa: E731
    if cell == "lstm":
        return [get("xh"), get("hh"), get("b")]
    # theanets: value, reset, rate; Keras: rate, reset, value, with the rate the other way round.
    reorder = lambda h, r, z: np.concatenate([-z, r, h], axis=-1)  # noqa: E731
    return [
        reorder(*np.split(get("w"), 3, axis=1)),
        reorder(get("hh"), get("hr"), get("hz")),
        reorder(*np.split(get("b"), 3)),
    ]


def _recurrent(model):
    cell = model["cell"]
    size = model["size"] // 2 if model["both"] else model["size"]
    options = (
        dict(return_sequences=True, unit_forget_bias=False)
        if cell == "lstm"
        else dict(return_sequences=True, reset_after=False)
    )
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](size, **options)
    make = lambda weights: _cell_weights(cell, weights)  # noqa: E731
    if model["both"]:
        layer = keras.layers.Bidirectional(layer)
        make = lambda weights: _cell_weights(cell, weights, "fw_") + _cell_weights(cell, weights, "bw_")  # noqa: E731
    out = keras.layers.Dense(model["outputs"]), lambda weights: [weights["out_w"], weights["out_b"]]
    return (model["steps"], model["inputs"]), [(layer, make), out]


def _conv(model):
    stack = []
    for i, count in enumerate(model["filters"]):
        # theanets convolves, which reads the filters backwards.
        make = lambda weights, i=i: [  # noqa: E731
            weights[f"f{i}"].transpose(2, 3, 1, 0)[::-1, ::-1],
            weights[f"c{i}"],
        ]
        stack.append((keras.layers.Conv2D(count, model["window"], activation="relu"), make))
        stack.append((keras.layers.MaxPooling2D(2), None))
    stack.append((keras.layers.Flatten(), None))
    stack += [_dense("w0", model["hidden"], "relu"), _dense("w1", model["classes"], "softmax")]
    return (model["image"], model["image"], 1), stack
