"""One of the processes that train one network, or the only one; see :mod:`test_processes`."""

import os
import sys

number, count, address, checkpoint = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["THEANETS_MODE"] = "XLA"

import numpy as np  # noqa: E402
import theanets  # noqa: E402

if count > 1:
    theanets.connect(address, count, number)

X = np.random.RandomState(0).randn(54, 6).astype("f")
OPTIONS = dict(algo="sgd", learning_rate=0.05, momentum=0.5, rng=3, batch_size=12, hidden_noise=0.1, devices="all")


def network(seed=1):
    return theanets.Autoencoder([6, (4, "tanh"), 6], rng=seed)


def say(*words):
    print("says", *words, flush=True)


def batches():
    for start in range(0, 48, 12):
        batch = X[start : start + 12]
        yield [batch[number * 12 // count : (number + 1) * 12 // count]]


def losses(net):
    sums = [value.sum() for value in (*(param.get_value() for param in net.params), np.abs(net.predict(X)))]
    values = [*net.history["train_loss"], *sums]
    return [float(value) for value in values]


net = network()
# a limit of time, which only the clock of the first process decides about.
net.train([X], epochs=2, max_seconds=1000 - 999 * number, **OPTIONS)
say("whole", losses(net))
net = network()
net.train(batches, [X], epochs=2, **{**OPTIONS, "hidden_noise": 0})
say("parts", losses(net))
if count > 1:
    try:
        network(seed=number).train([X], epochs=1, **OPTIONS)
    except theanets.util.ConfigurationError as error:
        say("differs", error)
    net = network()
    # only the second process wants to end.
    net.train([X], epochs=50, callbacks=lambda _, history: number == 1 and len(history) == 3, **OPTIONS)
    say("stopped", len(net.history))
    net = network()
    net.train([X], epochs=10**6, patience=10**6, callbacks=lambda *_: say("running"), **OPTIONS)
    say("interrupted", len(net.history), net.history.stopped)
    try:
        limits = dict(epochs=10**6, patience=10**6)
        network().train([X], checkpoint=checkpoint, callbacks=lambda *_: say("long"), **limits, **OPTIONS)
    except theanets.xla.LostError as error:
        say("lost", error)
        sys.exit(7)
