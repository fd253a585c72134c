"""In processes that were forked, nothing waits for threads that are not there."""

import json

import pytest

from tests.helpers import python

#: Runs functions in a process that is forked, which has so many seconds.
SETUP = """
import contextlib, os, pickle, copy, json, signal, sys, threading, traceback, warnings
os.environ["THEANETS_MODE"] = "XLA"
import numpy as np
import theanets
warnings.simplefilter("ignore")
x, y = np.random.RandomState(0).rand(50, 4), np.random.RandomState(1).rand(50, 1)

def forked(function):
    # what the function returns, or the error that it raises; "killed" if it hangs.
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            result = function()
        except Exception as error:
            result = type(error).__name__, str(error)
        os.write(writing, pickle.dumps(result))
        sys.exit(7)
    status = os.waitpid(child, 0)[1]
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 7, status
    os.close(writing)
    return pickle.loads(os.read(reading, 10**6))

def refused(function):
    name, words = forked(function)
    assert name == "ForkedError", (name, words)
    assert "get_context('spawn')" in words and "loky" in words and "set_mode('FAST_RUN')" in words, words
"""

#: Pieces of code by what they show. They run one after the other in one process, the first of which has not used XLA
#: before, each with new networks ``net`` and ``other``.
PIECES = {
    "a process that was forked before works": """
assert forked(lambda: net.predict(x).shape) == (50, 1)
assert forked(lambda: net.train([x, y], algo="sgd", epochs=2) and forked(lambda: net.predict(x))[0]) == "ForkedError"
net.predict(x)
""",
    "nothing runs where xla cannot": """
net.train([x, y], algo="adam", epochs=2)
expected = net.predict(x)
refused(lambda: net.predict(x))
refused(lambda: net.train([x, y], algo="adam", epochs=2))
refused(lambda: net.train([x, y], epochs=2, resume=True))
refused(lambda: other.score(x, y))
refused(lambda: theanets.Classifier([4, 3, 2]).train([x, y[:, 0] > 0.5], epochs=1))
refused(lambda: pickle.loads(pickle.dumps(net)).predict(x))
# as much in a process that this one forks.
assert forked(lambda: forked(lambda: net.predict(x)))[0] == "ForkedError"
np.testing.assert_array_equal(net.predict(x), expected)
""",
    "what lies on the device can be read": """
net.train([x, y], algo="adam", epochs=2)
expected = [p.get_value() for p in net.params]

def read():
    held = [p.get_value(borrow=True) for p in copy.deepcopy(net).params]
    return held, [p.get_value() for p in net.params], len(pickle.dumps(net)) > 0

for values in forked(read)[:2]:
    for value, before in zip(values, expected):
        np.testing.assert_array_equal(value, before)
""",
    "theano runs all the same": """
net.train([x, y], algo="adam", epochs=2)
expected = net.predict(x)

def by_theano():
    theanets.set_mode("FAST_COMPILE")
    found = net.predict(x)
    pair = net.train([x, y], epochs=2, resume=True)
    return found, pair[0]["loss"] < net.history[0]["train_loss"], len(net.history)

found, is_better, count = forked(by_theano)
np.testing.assert_allclose(found, expected, rtol=1e-5)
assert is_better and count == 4
""",
    "locks of other threads are open": """
theanets.set_mode("FAST_COMPILE")
expected = net.predict(x)
from theanets import modes
held, done = threading.Event(), threading.Event()

def hold():
    with contextlib.ExitStack() as locks:
        for lock in (modes.COMPILING, *(function.lock for function in net._plain_functions.entries.values())):
            locks.enter_context(lock)
        held.set()
        done.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
np.testing.assert_array_equal(forked(lambda: net.predict(x)), expected)
assert forked(lambda: other.predict(x)).shape == (50, 1)
done.set()
thread.join()
""",
    "processes of joblib and new ones work": """
from joblib import Parallel, delayed
from sklearn.model_selection import cross_val_score
from theanets.estimators import NetworkRegressor
net.train([x, y], algo="adam", epochs=2)
expected = net.predict(x)
for found in Parallel(n_jobs=2)(delayed(net.predict)(part) for part in (x, x)):
    np.testing.assert_allclose(found, expected, rtol=1e-6)
scores = cross_val_score(NetworkRegressor(hidden=(3,), epochs=2), x, y[:, 0], cv=2, n_jobs=2)
assert np.isfinite(scores).all()
""",
    # whatever locks other threads hold, and whatever they have given to XLA.
    "a process forked in the middle of training reads whole values": """
done = threading.Event()

def train():
    while not done.is_set():
        net.train([x, y], algo="adam", epochs=30, patience=10**6)

def read():
    held = [p.get_value() for p in net.params]
    theanets.set_mode("FAST_COMPILE")
    copied = copy.deepcopy(net)
    pickle.dumps(net)
    found = net.predict(x).shape, net.train([x, y], epochs=1) and len(net.history)
    return [np.isfinite(value).all() for value in held], found, len(copied.params)

net.train([x, y], algo="adam", epochs=1)
thread = threading.Thread(target=train)
thread.start()
try:
    for _ in range(2):
        assert forked(read) == ([True] * 4, ((50, 1), 1), 4)
        assert forked(lambda: net.predict(x))[0] == "ForkedError"
        net.predict(x)
finally:
    done.set()
    thread.join()
""",
}

RUN = """
for name, code in {pieces!r}.items():
    theanets.set_mode(None)
    scope = dict(globals(), net=theanets.Regressor([4, 5, 1]), other=theanets.Regressor([4, 5, 1]))
    try:
        exec(compile(code, name, "exec"), scope)
    except Exception:
        print("RESULT", json.dumps([name, traceback.format_exc()]), flush=True)
    else:
        print("RESULT", json.dumps([name, ""]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes():
    """What has gone wrong in each piece."""
    written, _ = python(SETUP + RUN.format(pieces=PIECES))
    return dict(json.loads(line[len("RESULT "):]) for line in written.splitlines() if line.startswith("RESULT "))


@pytest.mark.parametrize("name", PIECES)
def test_in_forked_processes(name, outcomes):
    assert not outcomes[name], outcomes[name]
