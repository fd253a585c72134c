"""Ctrl-C while JAX is imported does no harm."""

import pytest

from tests.helpers import python

CODE = """
import os, signal, sys, threading, time
os.environ["THEANETS_MODE"] = "XLA"
import numpy as np
import theanets
assert "jax" not in sys.modules
net, x = theanets.Regressor([4, 3, 1]), np.random.RandomState(0).rand(20, 4)

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


def test_every_thread_may_begin():
    python("""
import sys, threading
import theanets
from theanets.xla import loading
for _ in range(3):
    threading.Thread(target=loading.begin).start()
module = loading.load("program")
assert module is sys.modules["theanets.xla.program"] is loading.load("program")
import os
child = os.fork()
if not child:
    assert theanets.Regressor([2, 1]).predict([[1, 2]]).shape == (1, 1)
    os._exit(7)
assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 7
""")
