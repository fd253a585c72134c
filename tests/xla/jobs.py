"""Pieces of work for other processes: they end badly, or train networks."""

import os
import time

import numpy as np


def echo(payload, **values):
    return dict(values, payload=payload.decode(), process=os.getpid(), path=os.environ.get("ANYTHING"))


def fail(payload):
    raise ValueError("no such thing")


def eat(payload):
    kept = []
    while True:
        kept.append(np.ones(1 << 22))


def spin(payload):
    while True:
        pass


def sleep(payload):
    time.sleep(1000)


def die(payload):
    os.kill(os.getpid(), 9)


def train(payload, kind, sizes, rows, batch, algo):
    """Train a network on all batches but for the last of full size; return its loss, and that of another mode."""
    import theanets

    theanets.set_mode("XLA")
    draw = np.random.RandomState(3)
    inputs = draw.rand(rows, sizes[0]).astype("float32")
    labels = draw.randint(sizes[-1], size=rows).astype("int32")
    data = {
        "Autoencoder": [inputs],
        "Classifier": [inputs, labels],
        "Regressor": [inputs, draw.rand(rows, sizes[-1]).astype("float32")],
    }[kind]
    net = getattr(theanets, kind)(sizes, rng=1)
    trained, _ = net.train(data, algo=algo, batch_size=batch, epochs=1, rng=2)
    assert net.predict(inputs[:16]).shape[0] == 16
    return float(trained["loss"])
