"""Ctrl-C while JAX is imported does no harm, and the import leaves the process as it was."""

import threading

import numpy as np
import pytest
from theanets.xla import loading

from tests.helpers import python

from ..compat import support

CODE = """
import os, signal, sys, threading, time
os.environ["THEANETS_MODE"] = "XLA"
import numpy as np
import theanets
assert "jax" not in sys.modules
net, x = theanets.Regressor([4, 3, 1]), np.random.RandomState(0).rand(20, 4)

# a process that a shell has started in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupt():
    deadline = time.time() + 60
    while WAIT not in sys.modules and time.time() < deadline:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
"""


@pytest.mark.parametrize("module", ["jax._src", "jax.numpy"])
def test_an_interrupt_of_the_import_is_one_of_the_call_and_the_next_call_works(module):
    python(CODE.replace("WAIT", repr(module)) + """
try:
    net.predict(x)
except KeyboardInterrupt:
    print("interrupted")
time.sleep(0.01)
assert net.predict(x).shape == (20, 1)
train, valid = net.train([x, x[:, :1]], epochs=2, algo="sgd")
assert np.isfinite(train["loss"])
""")


def test_an_interrupt_of_the_first_training_ends_it():
    python(CODE.replace("WAIT", "'jax._src'") + """
before = net.params[0].get_value()
train, valid = net.train([x, x[:, :1]], epochs=10**6, patience=10**6, algo="sgd")
assert np.isfinite(valid["loss"]) and net.history.stopped == "interrupted from the keyboard"
# others get JAX by any thread.
results = []
threads = [threading.Thread(target=lambda: results.append(net.predict(x).shape)) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert results == [(20, 1)] * 3
""")


def test_every_thread_may_import_it():
    python("""
import sys, threading
import theanets
from theanets.xla import loading
for _ in range(3):
    threading.Thread(target=loading.load, args=("program",)).start()
module = loading.load("program")
assert module is sys.modules["theanets.xla.program"] is loading.load("program")
import os
child = os.fork()
if not child:
    assert theanets.Regressor([2, 1]).predict([[1, 2]]).shape == (1, 1)
    os._exit(7)
assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 7
""")


def test_a_first_compilation_changes_nothing_for_other_code():
    support.run(
        """
        import logging, os, random, signal, sys, threading, warnings
        import numpy as np
        import theanets, theano, theano.tensor as TT

        def state():
            return {
                "NumPy's generator": [str(part) for part in np.random.get_state()],
                "Python's generator": random.getstate(),
                "functions of the generators": [np.random.rand, np.random.seed, random.random, random.seed],
                "filters of warnings": list(warnings.filters),
                "environment": dict(os.environ),
                "handlers of signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
                "handlers of logs": [list(logging.root.handlers), logging.root.level],
                "how numbers are shown": [np.get_printoptions(), np.geterr()],
                "hooks": [sys.excepthook, warnings.showwarning, sys.getrecursionlimit(), list(sys.path)],
            }

        np.random.seed(1)
        random.seed(2)
        before, threads = state(), threading.active_count()
        x = TT.vector("x")
        function = theano.function([x], TT.dot(x, x), mode="XLA")
        assert "jax" in sys.modules
        function(np.ones(3, x.dtype))
        after = state()
        assert before == after, [name for name in before if before[name] != after[name]]
        assert threading.active_count() == threads
        """
    )


def test_other_threads_draw_what_they_would_have_drawn(monkeypatch):
    monkeypatch.delitem(loading.sys.modules, "jax", raising=False)
    drawn = []
    state = np.random.get_state()
    try:
        np.random.seed(5)
        expected = np.random.rand(2)
        np.random.seed(5)
        with loading.leaving_no_traces():
            np.random.rand(7)
            thread = threading.Thread(target=lambda: drawn.extend(np.random.rand(2)))
            thread.start()
            thread.join()
        np.testing.assert_array_equal(drawn, expected)
    finally:
        np.random.set_state(state)
