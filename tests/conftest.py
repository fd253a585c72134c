"""Settings that every test shares.

The suite runs on Theano's Python implementations, which need no compiler and start at once; what the C back end
does is checked in processes of its own (:mod:`tests.test_backends`). A setting made by whoever runs the tests wins.
"""

import os

if "THEANO_FLAGS" not in os.environ:
    # without notes where each variable was made, which nobody reads here.
    os.environ["THEANO_FLAGS"] = "mode=FAST_COMPILE,cxx=,traceback.limit=0"

import gc
import json
import pathlib
import signal
import threading

import numpy as np
import pytest
import theanets  # before anything that imports Theano

# nothing is to be found while modules of tests are imported; see pytest_collection_finish().
gc.disable()

#: Scripts that tests run in processes of their own: the search for doctests would import them, with the settings of the
#: environment that they make.
collect_ignore_glob = ["*_worker.py", "*/*_worker.py"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # a shell without job control starts what runs in the background so; tests of Ctrl-C need the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = pathlib.Path(__file__).parent / "files"


@pytest.fixture(scope="session")
def golden():
    """Load a file of golden numbers by its name without ``golden-`` and ``.json``."""

    def load(name):
        with open(DATA / f"golden-{name}.json", encoding="utf-8") as handle:
            return json.load(handle)

    return load


@pytest.fixture
def rng():
    """A generator that starts from the same state in every test."""
    return np.random.RandomState(13)


@pytest.fixture(autouse=True, scope="module")
def store_of_a_file():
    """The tests of a file share what is compiled, and nothing with those of other files, whichever came before."""
    theanets.store.clear()
    _keep_out_of_searches()


@pytest.fixture
def empty_store():
    """Nothing has been compiled, and nothing that is compiled is left to other tests."""
    theanets.store.clear()
    yield
    theanets.store.clear()


@pytest.fixture(scope="module")
def only_new_garbage():
    """Searches for garbage leave out what was there before: each of them takes long with all that other tests keep."""
    _keep_out_of_searches()
    yield
    gc.unfreeze()
    _keep_out_of_searches()


def _keep_out_of_searches():
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_stored_of_patches(request):
    """What a test replaces may be part of what is compiled."""
    if "monkeypatch" in request.fixturenames:
        request.getfixturevalue("empty_store")


@pytest.fixture
def without_store():
    """Each network compiles for itself."""
    theanets.set_store(False)
    yield
    theanets.set_store(None)


@pytest.fixture(params=["FAST_COMPILE", "XLA"])
def each_mode(request):
    """Networks are compiled by Theano, and by XLA, which runs the batches of an epoch in one call."""
    before = theanets.get_mode()
    theanets.set_mode(request.param)
    yield request.param
    theanets.set_mode(before)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Share the tests out among processes by files, those that wait for a C compiler first, and one after the other."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            path = super()._split_scope(nodeid)
            return "compiled" if path.startswith("tests/compat/") else path

    # files with few tests may take as long as others.
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_finish(session):
    """Leave modules and thousands of tests out of every search for garbage, which took a third of the time."""
    gc.enable()
    _keep_out_of_searches()


def pytest_collection_modifyitems(config, items):
    """Leave out what needs a GPU where there is none."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not _has_gpu():
        config.hook.pytest_deselected(items=marked)
        items[:] = [item for item in items if item not in marked]


def _has_gpu():
    import jax

    return any(device.platform == "gpu" for device in jax.devices())
