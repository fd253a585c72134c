"""JAX by hand: what can be reached by one who writes down the loop over batches, too.

``fused``: a whole epoch is one call of compiled code, with the data on the device. ``batches``: a compiled step is
called for each batch, which comes from NumPy. The layers are those of theanets to the last parameter, and so is
rmsprop.
"""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np

from .. import workloads
from .base import Base


class Model(Base):
    """Parameters, the state of an optimizer, and two compiled functions."""

    def build(self, weights, options):
        workload = self.workload
        # theanets convolves, which reads the filters backwards; XLA is quick on CPUs if their channels come last.
        flipped = {
            name: value[:, :, ::-1, ::-1].transpose(2, 3, 1, 0) for name, value in weights.items() if value.ndim == 4
        }
        self.params = {name: jnp.array(value) for name, value in {**weights, **flipped}.items()}
        zeros = {name: jnp.zeros_like(value) for name, value in self.params.items()}
        self.state = (zeros, jax.tree.map(jnp.copy, zeros)) if workload.optimizer == "rmsprop" else ()
        self.key = jax.random.key(workloads.SEED)
        # the target of an autoencoder is its input.
        names = [name for name in ("indices", "values", "x", "y") if name in self.data]
        self.is_autoencoder = self.data["y"] is self.data.get("x")
        self.arrays = {name: self.data[name] for name in names if name != "y" or not self.is_autoencoder}
        self.on_device = jax.device_put(self.arrays)
        model = {"mlp": _mlp, "recurrent": _recurrent, "conv": _conv}[self.model["kind"]]
        forward = functools.partial(model, self.model)
        step = functools.partial(_step, workload, forward)
        self.step = jax.jit(step, donate_argnums=(0, 1))
        self.fused = jax.jit(functools.partial(_epoch, workload, step), donate_argnums=(0, 1))
        self.forward = jax.jit(functools.partial(_outputs, forward))

    def epoch(self, order):
        self.key, key = jax.random.split(self.key) if self.model.get("dropout") else (self.key, self.key)
        size = self.workload.batch
        starts = np.asarray(order, "int32") * size
        if self.way == "fused":
            self.params, self.state, losses = self.fused(self.params, self.state, self.on_device, starts, key)
            return float(np.asarray(losses).mean())
        losses = []
        keys = jax.random.split(key, len(starts)) if self.model.get("dropout") else [key] * len(starts)
        for start, key in zip(starts, keys):
            batch = {name: array[start : start + size] for name, array in self.arrays.items()}
            self.params, self.state, loss = self.step(self.params, self.state, batch, key)
            losses.append(loss)
        return float(np.mean([np.asarray(loss) for loss in losses]))

    def predict(self):
        return np.asarray(self.forward(self.params, self.arrays))


# -- jobs -------------------------------------------------------------------------------------------------------------


def fit(workload, x, y, numbers):
    """Do a training of a job; see :mod:`benchmarks.jobs`. What is compiled serves the next one."""
    weights = workloads.make_weights(workload)
    rng = np.random.RandomState(numbers["seed"])
    params = {name: jnp.array(value) for name, value in weights.items()}
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = (zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))
    count = len(x) // workload.batch
    data = jax.device_put(dict(x=x, y=y))
    run, forward = _compiled(_key(workload))
    for _ in range(workload.epochs):
        order = rng.permutation(len(x))[: count * workload.batch].reshape(count, workload.batch).astype("int32")
        params, state = run(params, state, data, order, numbers["learning_rate"], numbers["l2"])
    return lambda x: np.asarray(forward(params, dict(x=x, y=y)))


def _key(workload):
    return json.dumps(workload.to_dict(), sort_keys=True)


@functools.lru_cache
def _compiled(key):
    """Return the compiled functions of a job."""
    workload = workloads.Workload.from_dict(json.loads(key))
    forward = functools.partial({"mlp": _mlp, "recurrent": _recurrent}[workload.model["kind"]], workload.model)

    def penalised(params, batch, l2):
        squares = [jnp.square(value).sum() for value in params.values() if value.ndim > 1]
        return _loss(forward, params, batch, None) + l2 * sum(squares)

    def epoch(params, state, data, order, rate, l2):
        def body(carry, index):
            params, state = carry
            grads = jax.grad(penalised)(params, {name: array[index] for name, array in data.items()}, l2)
            return _OPTIMIZERS[workload.optimizer](params, state, grads, rate), None

        return jax.lax.scan(body, (params, state), order)[0]

    return jax.jit(epoch, donate_argnums=(0, 1)), jax.jit(functools.partial(_outputs, forward))


def _momentum(params, state, grads, rate):
    velocity = jax.tree.map(lambda v, g: workloads.MOMENTUM * v - rate * g, state[0], grads)
    return jax.tree.map(jnp.add, params, velocity), (velocity, *state[1:])


def _adam(params, state, grads, rate):
    count = state[2] + 1
    means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state[0], grads)
    squares = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, state[1], grads)

    def move(param, mean, square):
        return param - rate * mean / (1 - 0.9**count) / (jnp.sqrt(square / (1 - 0.999**count)) + 1e-8)

    return jax.tree.map(move, params, means, squares), (means, squares, count)


def _rmsprop(params, state, grads, rate):
    squares = jax.tree.map(lambda s, g: 0.9 * s + 0.1 * g * g, state[1], grads)
    move = lambda p, g, s: p - rate * g / (jnp.sqrt(s) + 1e-7)  # noqa: E731
    return jax.tree.map(move, params, grads, squares), (state[0], squares, state[2])


_OPTIMIZERS = {"sgd": _momentum, "adam": _adam, "rmsprop": _rmsprop}


# -- training ---------------------------------------------------------------------------------------------------------


def _outputs(forward, params, batch):
    outputs = forward(params, batch, None)
    is_classifier = batch.get("y") is not None and batch["y"].ndim == 1
    return jax.nn.softmax(outputs) if is_classifier else outputs


def _loss(forward, params, batch, key):
    outputs, targets = forward(params, batch, key), batch.get("y", batch.get("x"))
    if targets.ndim == 1:
        return -jnp.take_along_axis(jax.nn.log_softmax(outputs), targets[:, None], axis=1).mean()
    return jnp.square(outputs - targets).mean()


def _step(workload, forward, params, state, batch, key):
    loss, grads = jax.value_and_grad(functools.partial(_loss, forward))(params, batch, key)
    if workload.optimizer == "sgd":
        return jax.tree.map(lambda p, g: p - workload.rate * g, params, grads), state, loss
    decay, epsilon = workloads.RMSPROP["decay"], workloads.RMSPROP["epsilon"]
    means = jax.tree.map(lambda m, g: decay * m + (1 - decay) * g, state[0], grads)
    squares = jax.tree.map(lambda s, g: decay * s + (1 - decay) * g * g, state[1], grads)

    def move(param, grad, mean, square):
        return param - workload.rate * grad / jnp.sqrt(square - mean * mean + epsilon)

    return jax.tree.map(move, params, grads, means, squares), (means, squares), loss


def _epoch(workload, step, params, state, data, starts, key):
    def body(carry, item):
        start, key = item
        batch = {name: jax.lax.dynamic_slice_in_dim(array, start, workload.batch) for name, array in data.items()}
        params, state, loss = step(*carry, batch, key)
        return (params, state), loss

    has_dropout = workload.model.get("dropout")
    keys = jax.random.split(key, len(starts)) if has_dropout else jnp.zeros(len(starts))
    (params, state), losses = jax.lax.scan(body, (params, state), (starts, keys))
    return params, state, losses


# -- models -----------------------------------------------------------------------------------------------------------


def _mlp(model, params, batch, key):
    count = len(workloads.sizes(model)) - 1
    if model["nonzero"]:
        h = jnp.einsum("nk,nkh->nh", batch["values"], params["w0"][batch["indices"]])
    else:
        h = batch["x"]
    for i in range(count):
        if i or not model["nonzero"]:
            h = h @ (params[f"w{i}"] if f"w{i}" in params else params[f"w{count - 1 - i}"].T)
        h = h + params[f"b{i}"]
        if i < count - 1:
            h = jax.nn.relu(h)
            if key is not None and model["dropout"]:
                key, now = jax.random.split(key)
                keep = 1 - model["dropout"]
                h = jnp.where(jax.random.bernoulli(now, keep, h.shape), h / keep, 0)
    return h


def _recurrent(model, params, batch, key):
    cell = {"lstm": _lstm, "gru": _gru}[model["cell"]]
    x = jnp.swapaxes(batch["x"], 0, 1)
    if model["both"]:
        parts = [{name[3:]: p for name, p in params.items() if name.startswith(way)} for way in ("fw_", "bw_")]
        h = jnp.concatenate([cell(parts[0], x, False), cell(parts[1], x, True)], axis=2)
    else:
        h = cell(params, x, False)
    return jnp.swapaxes(h, 0, 1) @ params["out_w"] + params["out_b"]


def _lstm(p, x, reverse):
    size = p["hh"].shape[0]

    def step(carry, a):
        h, c = carry
        i, f, g, o = jnp.split(a + h @ p["hh"], 4, axis=1)
        i = jax.nn.sigmoid(i + c * p["ci"])
        f = jax.nn.sigmoid(f + c * p["cf"])
        c = f * c + i * jnp.tanh(g)
        h = jax.nn.sigmoid(o + c * p["co"]) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[1], size), x.dtype)
    return jax.lax.scan(step, (zeros, zeros), x @ p["xh"] + p["b"], reverse=reverse)[1]


def _gru(p, x, reverse):
    def step(h, inputs):
        a, r, z = inputs
        r = jax.nn.sigmoid(r + h @ p["hr"])
        z = jax.nn.sigmoid(z + h @ p["hz"])
        h = (1 - z) * h + z * jnp.tanh(a + (r * h) @ p["hh"])
        return h, h

    zeros = jnp.zeros((x.shape[1], p["hh"].shape[0]), x.dtype)
    return jax.lax.scan(step, zeros, jnp.split(x @ p["w"] + p["b"], 3, axis=2), reverse=reverse)[1]


def _conv(model, params, batch, key):
    h = batch["x"]
    for i in range(len(model["filters"])):
        h = jax.lax.conv_general_dilated(
            h, params[f"f{i}"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        h = jax.nn.relu(h + params[f"c{i}"])
        h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    h = h.reshape(h.shape[0], -1)
    return jax.nn.relu(h @ params["w0"] + params["b0"]) @ params["w1"] + params["b1"]
