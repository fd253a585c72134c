"""One thread trains a network, while others use it: nothing fails, and training comes to the same bits.

``THEANETS_STRESS_SECONDS`` says how long to go on (default 1).
"""

import collections
import copy
import io
import os
import pickle
import sys
import threading
import time

import numpy as np
import pytest
import theanets

from . import helpers

SECONDS = float(os.environ.get("THEANETS_STRESS_SECONDS", "1"))
X, Y = np.random.RandomState(0).rand(2, 300, 4).astype("f")


@pytest.fixture(params=["XLA", "FAST_COMPILE"])
def mode(request):
    theanets.set_mode(request.param)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield request.param
    sys.setswitchinterval(interval)
    theanets.set_mode(None)


def make():
    return theanets.Regressor([4, (5, "tanh"), 4], rng=3)


def batches():
    starts = iter(range(0, 10**9, 32))
    return lambda: [[array[start : start + 32] for array in (X, Y)] for start in [next(starts) % 256]][0]


def train(net, data):
    data = [X, Y] if data == "arrays" else batches()
    return net.train(data, [X, Y], algo="adam", epochs=8, validate_every=2, train_batches=10, learning_rate=0.01)


READERS = {
    "predict": lambda net: net.predict(X[:7]),
    "save": lambda net: net.save(io.BytesIO()),
    "pickle": lambda net: pickle.dumps(net),
    "copy": lambda net: copy.deepcopy(net),
    "history": lambda net: (list(net.history), net.history.state(), repr(net.history)),
    "text": lambda net: (str(net.summary()), [str(param.container) for param in net.params], net.num_params),
    "borrow": lambda net: [param.get_value(borrow=True) for param in net.params],
    "transfer": lambda net: make().copy_params_from(net),
}


class Readers:
    """Threads that use a network."""

    def __init__(self, net, readers):
        self.net, self.done = net, threading.Event()
        self.errors, self.counts = [], collections.Counter()
        self.threads = [threading.Thread(target=self.run, args=item) for item in readers.items()]

    def run(self, name, read):
        while not self.done.is_set():
            try:
                read(self.net)
            except Exception as error:
                self.errors.append((name, repr(error)))
            self.counts[name] += 1
            time.sleep(0.001)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.done.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("data", ["arrays", "callable"])
def test_readers_beside_a_training(mode, data):
    alone = make()
    expected = train(alone, data)
    until = time.time() + SECONDS
    while True:
        net = make()
        with Readers(net, READERS) as readers:
            found = train(net, data)
        assert not readers.errors
        assert set(readers.counts) == set(READERS)
        assert found == expected
        helpers.assert_same_values(helpers.values(net), helpers.values(alone))
        if time.time() > until:
            break



def test_predictions_are_those_of_whole_states(mode):
    """What is predicted is the difference of two parameters that change alike."""
    net = theanets.Regressor([1, dict(size=1, activation="linear", name="a"), dict(size=1, activation="linear")])
    moved = [net.find("a", "b"), net.find("out", "b")]
    values, seen = [np.zeros(1, "f"), np.zeros(1, "f")], []
    net.find("a", "w").set_value(np.zeros((1, 1), "f"))
    net.find("out", "w").set_value(-np.ones((1, 1), "f"))
    net.predict([[0]])
    theanets.xla.assign(zip(moved, values))
    with Readers(net, {str(i): lambda net: seen.append(net.predict([[0]]).item()) for i in range(3)}) as readers:
        for step in range(300):
            theanets.xla.assign((variable, np.full(1, step, "f")) for variable in moved)
    assert not readers.errors and set(seen) == {0}


def test_callbacks_may_use_the_network_and_others_are_refused(mode):
    net, shared, others = make(), theanets.Regressor([4, (5, "tanh"), 4]), []
    shared.layers[1] = net.layers[1]
    free = make()

    def refused(function):
        try:
            function()
        except theanets.util.ConfigurationError as error:
            others.append(str(error))
        else:
            others.append("trained")

    def callback(net, history):
        net.predict(X)
        net.save(io.BytesIO())
        copy.deepcopy(net)
        if len(history) > 1:
            return
        for function in (
            lambda: net.train([X, Y], epochs=1),
            lambda: net.itertrain([X, Y], epochs=1),
            lambda: shared.train([X, Y], epochs=1),
            lambda: free.train([X, Y], epochs=1),
            lambda: copy.deepcopy(net).train([X, Y], epochs=1),
        ):
            thread = threading.Thread(target=refused, args=(function,))
            thread.start()
            thread.join()
        # in the same thread, one training in the middle of another has always been possible.
        make().train([X, Y], epochs=1)

    net.train([X, Y], epochs=2, callbacks=callback)
    assert ["being trained by the thread 'MainThread'" in words for words in others] == [True] * 3 + [False] * 2
    assert others[3:] == ["trained"] * 2 and "shares parameters" in others[2] and "deepcopy" in others[0]
    # it is free again, also after a training that nobody has gone on with in a thread that has ended.
    left = []
    thread = threading.Thread(target=lambda: left.append(net.itertrain([X, Y])) or next(left[0]))
    thread.start()
    thread.join()
    net.train([X, Y], epochs=1)
    left[0].close()


@pytest.mark.parametrize("algo", ["layerwise", "pretrain"])
def test_other_threads_see_the_whole_network_while_a_stage_is_trained(mode, algo):
    def make():
        return theanets.Regressor([4, (5, "tanh"), (3, "tanh"), 4], rng=3)

    def look(net):
        assert [layer.name for layer in net.layers] == ["in", "hid1", "hid2", "out"]
        assert len(net.params) == 6 and net.predict(X[:7]).shape == (7, 4)

    options = dict(algo=algo, subalgo="sgd", epochs=2, learning_rate=0.01)
    data, alone, net = [X, Y], make(), make()
    expected = alone.train(data, **options)
    # the epochs are made by threads in turn.
    training, found = net.itertrain(data, **options), []
    with Readers(net, {"one": look, "two": look, "save": lambda net: net.save(io.BytesIO())}) as readers:
        while True:
            thread = threading.Thread(target=lambda: found.append(next(training, None)))
            thread.start()
            thread.join()
            if found[-1] is None:
                break
    assert not readers.errors
    assert found[-2][0] == expected[0]
    helpers.assert_same_values(helpers.values(net), helpers.values(alone))
    assert net.predict(X).shape == (300, 4)
