"""A plugin for pytest: old names for old libraries, a time limit, and a line of JSON for each test.

``python -m tests.clients`` gives it its settings by environment variables. It imports theanets before anything imports
Theano, as every program has to; the mode comes from ``THEANO_FLAGS``.
"""

import collections
import collections.abc
import contextlib
import importlib
import inspect
import json
import os
import signal
import sys
import types

import numpy as np
import pytest
import theanets  # noqa: F401  (before all that imports Theano)
import theano

from tests.xla import acceptance_worker as worker

LIMIT = int(os.environ.get("CLIENTS_LIMIT", "60"))


def provide_names():
    """Provide the names of Python, NumPy, SciPy and Theano that libraries of 2015 to 2019 import."""
    worker.provide_names()
    for name in ("Iterable", "Mapping", "MutableMapping", "Sequence", "Callable", "Hashable", "Sized"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    if not hasattr(inspect, "getargspec"):
        inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]
    if not hasattr(np.testing, "Tester"):
        np.testing.Tester = lambda *args: types.SimpleNamespace(test=None)
    import scipy

    for name in ("sqrt", "log", "exp", "random", "zeros", "ones", "array", "eye", "dot"):
        if not hasattr(scipy, name):
            setattr(scipy, name, getattr(np, name))
    if not hasattr(scipy, "misc"):
        import scipy.special

        scipy.misc = sys.modules["scipy.misc"] = types.ModuleType("scipy.misc")
        scipy.misc.logsumexp = scipy.special.logsumexp
    _downsample()
    if os.environ.get("CLIENTS_NAME") == "keras":
        # it indexes by a list of slices, which NumPy takes for something else by now.
        importlib.import_module("keras.utils.conv_utils").convert_kernel = lambda kernel: np.flip(
            kernel, range(kernel.ndim - 2)
        ).copy()


def _downsample():
    """Provide ``theano.tensor.signal.downsample``, which Theano itself has dropped, for Lasagne 0.1."""
    from theano.tensor import signal as package
    from theano.tensor.signal import pool

    if hasattr(package, "downsample"):
        return

    def max_pool_2d(input, ds, ignore_border=None, st=None, padding=(0, 0), mode="max"):
        return pool.pool_2d(input, ws=ds, ignore_border=ignore_border, stride=st, pad=padding, mode=mode)

    package.downsample = types.ModuleType("theano.tensor.signal.downsample")
    package.downsample.max_pool_2d = max_pool_2d
    sys.modules["theano.tensor.signal.downsample"] = package.downsample


provide_names()


def _wanted():
    """Return the tests that are to run: those of which another file of outcomes says that they failed; None for all."""
    again = os.environ.get("CLIENTS_AGAIN")
    if not again:
        return None
    last = {line["test"]: line["outcome"] for line in worker.read(again)}
    return {test for test, outcome in last.items() if outcome in worker.FAILED}


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: tests that the library leaves out by default")


def pytest_collection_modifyitems(config, items):
    outcomes = {line["test"]: line["outcome"] for line in worker.read(os.environ["CLIENTS_PATH"])}
    # what had no time to finish runs again.
    wanted, known = _wanted(), {test for test, outcome in outcomes.items() if outcome != "started"}
    items[:] = [
        item
        for item in items
        if item.nodeid not in known and (wanted is None or item.nodeid in wanted)
    ]


def _write(**line):
    with open(os.environ["CLIENTS_PATH"], "a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")


def pytest_runtest_logstart(nodeid, location):
    _write(test=nodeid, outcome="started")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    def stop(*args):
        raise worker.TimedOut()

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


_outcomes: dict = {}


def pytest_runtest_logreport(report):
    outcome, why = report.outcome, "" if report.passed else str(report.longrepr)
    if "TimedOut" in why[-200:]:
        outcome = "timeout"
    if report.when == "call" or outcome != "passed":
        _outcomes[report.nodeid] = outcome, why[-4000:]
    if report.when == "teardown":
        outcome, why = _outcomes.pop(report.nodeid, ("passed", ""))
        _write(test=report.nodeid, outcome=outcome, why=why)


def pytest_collectreport(report):
    if report.failed:
        _write(test=f"{report.nodeid}::<import>", outcome="failed", why=str(report.longrepr)[-4000:])


# -- what the conftest.py of PyMC3 has, which today's pytest refuses ---------------------------------------------------


@pytest.fixture(autouse=True)
def settings_of_the_library():
    """PyMC3 checks test values, and seeds."""
    if os.environ.get("CLIENTS_NAME") != "pymc3":
        yield
        return
    with theano.configparser.change_flags(compute_test_value="raise"):
        yield


@pytest.fixture
def strict_float32():
    warn = {"warn_float64": "raise"} if theano.config.floatX == "float32" else {}
    with theano.configparser.change_flags(**warn) if warn else contextlib.nullcontext():
        yield


@pytest.fixture
def seeded_test():
    import pymc3

    np.random.seed(42)
    pymc3.set_tt_rng(42)
