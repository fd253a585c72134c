"""Trains on one device and on four virtual ones, and writes how far the results differ; see :mod:`test_sharding`.

All of it in one process, as each start and each compilation takes its time.
"""

import json
import os
import sys
import tempfile

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ["THEANETS_MODE"] = "XLA"

import logging

import numpy as np
import scipy.sparse
import theanets

from benchmarks.collectives import collectives, recorded

logging.getLogger("theanets").setLevel("WARNING")
logging.getLogger("downhill").setLevel("WARNING")

RNG = np.random.RandomState(0)
X, Y = RNG.randn(54, 6).astype("f"), RNG.randn(54, 2).astype("f")
LABELS = RNG.randint(0, 3, 54).astype("int32")
S, T = RNG.randn(16, 6, 3).astype("f"), RNG.randn(16, 6, 2).astype("f")
IMAGES = RNG.randn(32, 6, 6, 1).astype("f")
BASE = dict(algo="sgd", learning_rate=0.05, momentum=0.5, epochs=2, rng=3)


def mlp(*between):
    return theanets.Regressor([6, (8, "tanh"), *between, 2], rng=1)


def rnn(form="rnn"):
    return theanets.recurrent.Regressor([3, (4, form), 2], rng=1)


def conv():
    layers = [(6, 6, 1), dict(form="conv2", size=4, filter_size=3), dict(form="pool2", pool_size=2), "flat", 3]
    return theanets.convolution.Classifier(layers, rng=1)


def sparse():
    return theanets.Regressor([dict(size=6, sparse="csr"), (8, "tanh"), 2], rng=1)


LENGTHS = RNG.randint(2, 7, 16)
RAGGED = [[value[:length] for value, length in zip(values, LENGTHS)] for values in (S, T)]

#: Name: network, data, and options. 54 rows in batches of 12 or 20 end with a short one, of 6 or 14 rows.
CASES = {
    "noise and dropout": (mlp, [X, Y], dict(batch_size=20, hidden_dropout=0.3, input_noise=0.1)),
    "shuffled rows, of which 10 are divided by two": (mlp, [X, Y], dict(batch_size=10, shuffle="rows")),
    "sparse": (sparse, [scipy.sparse.csr_matrix(X * (X > 0)), Y], dict(batch_size=12, shuffle="rows")),
    "stateful pieces of time": (rnn, [S, T], dict(batch_size=2, axis=1, stateful=True)),
    "sequences of different lengths": (rnn, RAGGED, dict(batch_size=8)),
}

#: The same, for programs whose collective operations are counted.
COUNTED = {
    "mlp": (mlp, [X[:48], Y[:48]], dict(batch_size=12, hidden_noise=0.1)),
    "lstm": (lambda: rnn("lstm"), [S, T], dict(batch_size=8)),
    "convnet": (conv, [IMAGES, LABELS[:32]], dict(batch_size=16)),
}


def train(make, data, options, devices):
    net = make()
    monitors = net.train(data, **{**BASE, **options, "devices": devices})
    return [param.get_value() for param in net.params], [value for part in monitors for value in part.values()], net


def distance(one, other):
    return float(max(np.abs(np.asarray(a, "float64") - b).max() for a, b in zip(one, other)))


def compare(case):
    one, other = train(*case, None), train(*case, "all")
    return max(distance(one[0], other[0]), distance(one[1], other[1]))


def count(case):
    with recorded() as texts:
        train(*case, "all")
    found = collectives(max(texts, key=len))
    return [[item.kind, item.depth, item.bytes] for item in found]


def checkpoint():
    """Train on one device, from the checkpoint of a training on four, and without any."""
    options = dict(batch_size=18, hidden_noise=0.1)
    whole, _, _ = train(mlp, [X, Y], {**options, "epochs": 2}, None)
    with tempfile.TemporaryDirectory() as folder:
        path, sizes = os.path.join(folder, "state"), []
        for epochs, devices in ((1, 4), (2, None)):
            parts, _, _ = train(mlp, [X, Y], {**options, "epochs": epochs, "checkpoint": path}, devices)
            sizes.append(os.path.getsize(path))
    return dict(distance=distance(whole, parts), sizes=sizes)


def resume():
    """Go on on other devices within a process; in between, the network computes on one."""
    nets = mlp(), mlp()
    for net, first, second in zip(nets, (None, 4), (None, 2)):
        net.train([X, Y], **BASE, batch_size=18, devices=first)
        net.predict(X)
        net.train([X, Y], epochs=2, resume=True, devices=second)
    return distance(*([param.get_value() for param in net.params] for net in nets))


def predict():
    net, found = theanets.Classifier([6, (8, "tanh"), 3], rng=1), []
    expected = net.predict_proba(X)
    for devices in ("all", ["cpu:1"], 3, None):
        theanets.set_devices(devices)
        found += [distance(net.predict_proba(X[:rows]), expected[:rows]) for rows in (1, 8, 54)]
    labels = net.predict(X, devices=4).tolist() == net.predict(X).tolist()
    return dict(distance=max(found), labels=labels)


def errors():
    found, net = {}, mlp()
    for devices in (9, [7], "gpus", 0, [1, 1], True):
        try:
            net.train([X, Y], devices=devices)
        except theanets.util.ConfigurationError as error:
            found[repr(devices)] = str(error)
    theanets.set_mode("FAST_COMPILE")
    try:
        net.train([X, Y], devices=2)
    except theanets.util.ConfigurationError as error:
        found["mode"] = str(error)
    theanets.set_mode(None)
    return found


def cores():
    """Choose by size; the four devices stand for cores."""
    from theanets.xla import sharding

    plan, found = sharding.plan_for("cores"), {}
    for name, size in (("small", 4), ("large", 600)):
        net = theanets.recurrent.Regressor([3, (size, "rnn"), 2], rng=1)
        net.train([S, T], batch_size=16, epochs=0)
        program = net._trained.compiled.optimizer.f_step.fn
        suited = plan.suited(program, 16)
        found[name] = 1 if suited is None else len(suited)
    net = mlp()
    net.train([X, Y], epochs=0)
    found["mlp"] = plan.suited(net._trained.compiled.optimizer.f_step.fn, 1 << 20) is None
    return found


if __name__ == "__main__":
    results = {name: compare(case) for name, case in CASES.items()}
    results["collectives"] = {name: count(case) for name, case in COUNTED.items()}
    results.update(checkpoint=checkpoint(), resume=resume(), predict=predict(), errors=errors(), cores=cores())
    json.dump(results, sys.stdout)
