"""Functions with options of XLA's are compiled elsewhere first, and by its defaults where that does not end."""

import json
import sys

import jax
import jax.monitoring
import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from theanets.xla import devices, trials
from theanets.xla.limits import Limits, Refused, Unavailable
from theano.tensor.nnet import conv2d

#: An option that is not a default, and that every release of XLA has.
HARMLESS = {"xla_cpu_multi_thread_eigen": False}

#: With both of these, XLA 0.10.2 compiles some products of small matrices without end.
ENDLESS = {**devices.EIGEN, "xla_cpu_multi_thread_eigen": False}

A, B = np.random.RandomState(1).rand(16, 20).astype("float32"), np.random.RandomState(2).rand(16, 14).astype("float32")


def product(a, b):
    return a.T @ b


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where verdicts are kept: nowhere yet."""
    monkeypatch.setattr(trials, "folder", lambda: tmp_path / "tried")
    return tmp_path / "tried"


@pytest.fixture
def cache(tmp_path):
    """JAX's cache, which is empty; a list of what happens to it."""
    events = []
    names = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"
    before = {name: getattr(jax.config, name) for name in names}

    def listen(event, **kwargs):
        events.append(event.rsplit("/", 1)[-1])

    jax.monitoring.register_event_listener(listen)
    try:
        for name, value in zip(names, (str(tmp_path / "cache"), 0.0)):
            jax.config.update(name, value)
        jax.experimental.compilation_cache.compilation_cache.reset_cache()
        yield events
    finally:
        # releases before 0.8 can only forget all listeners, of which the tests have no other.
        forget = getattr(jax.monitoring, "unregister_event_listener", None)
        forget(listen) if forget is not None else jax.monitoring.clear_event_listeners()
        for name, value in before.items():
            jax.config.update(name, value)
        jax.experimental.compilation_cache.compilation_cache.reset_cache()


def refuse(monkeypatch, error=None):
    """Let trials end in some way; return the list of them."""
    tried = []

    def run(name, arguments, payload, given):
        tried.append((name, arguments["options"]))
        if error is not None:
            raise error

    monkeypatch.setattr(trials.process, "run", run)
    return tried


def python_of_jax(function, arguments):
    """Return the names of the functions in Python that JAX runs to call a function."""
    names = []

    def note(frame, event, _):
        if event == "call" and "jax/_src/pjit" in frame.f_code.co_filename.replace("\\", "/"):
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        function.call(arguments, [])
    finally:
        sys.setprofile(None)
    return names


def test_calls_go_the_short_way_also_after_a_call_that_came_too_early():
    function = trials.Function(product, {})
    for arguments in ((A, B), (A[:8], B[:8])):
        with pytest.raises(trials.NotCompiled):
            function.call(arguments, [])
        function.compile(arguments)
        function.call(arguments, [])
        assert python_of_jax(function, arguments) == []
    # the first shapes once more, for which the ways of calling have been forgotten, but not what was compiled.
    function.call((A, B), [])
    assert python_of_jax(function, (A, B)) == [] and function.compiled == 2


def test_memory_of_long_compilations_is_given_back(monkeypatch):
    calls = []
    monkeypatch.setattr(trials, "_trim", lambda: calls.append)
    for seconds in (1000, -1):
        monkeypatch.setattr(trials, "LONG", seconds)
        trials.Function(product, {}).compile((A, B))
    assert calls == [0]


def options_of(function):
    """The options that a function is compiled with, as XLA's text tells that YNNPACK is there or not."""
    return "plain" if function.jitted is function.plain else "chosen"


def test_a_compilation_without_end_ends_in_the_defaults(folder, monkeypatch):
    monkeypatch.setattr(trials, "LIMITS", Limits(seconds=4, size=1 << 30))
    function = trials.Tried(product, ENDLESS, {})
    np.testing.assert_allclose(function(A, B), A.T @ B, rtol=1e-5)
    [file] = folder.glob("*.json")
    # releases of XLA that have no such fault, or no such option, are welcome.
    assert (json.loads(file.read_text()) == "") == (options_of(function) == "chosen")
    # the next process knows.
    tried = refuse(monkeypatch)
    again = trials.Tried(product, ENDLESS, {})
    np.testing.assert_allclose(again(A, B), A.T @ B, rtol=1e-5)
    assert not tried and options_of(again) == options_of(function)


def test_what_was_compiled_elsewhere_is_not_compiled_again(folder, request):
    # the process may have used another cache before.
    trials.Tried(product, HARMLESS, {})(A, B)
    cache = request.getfixturevalue("cache")

    def run(states, a):
        return [state * 2 + a.sum() for state in states], jax.lax.fori_loop(0, 3, lambda i, x: x @ x, a)

    function = trials.Tried(run, HARMLESS, dict(donate_argnums=0))
    found = function((jax.numpy.ones(3), jax.numpy.ones((2, 2))), A[:5, :5])
    assert options_of(function) == "chosen"
    assert cache.count("cache_hits") == 1
    np.testing.assert_allclose(found[1], np.linalg.matrix_power(A[:5, :5], 8), rtol=1e-4)


def test_options_that_a_release_does_not_have_are_left_out(folder):
    function = trials.Tried(product, {"xla_no_such_option": ""}, {})
    np.testing.assert_allclose(function(A, B), A.T @ B, rtol=1e-5)
    assert options_of(function) == "plain"


@pytest.mark.parametrize("error", [Refused("no end"), Unavailable("no process")])
def test_only_what_was_found_out_is_kept(error, folder, monkeypatch, caplog):
    tried = refuse(monkeypatch, error)
    function = trials.Tried(product, HARMLESS, {})
    with caplog.at_level("WARNING", "theanets"):
        np.testing.assert_allclose(function(A, B), A.T @ B, rtol=1e-5)
    is_known = isinstance(error, Refused)
    assert options_of(function) == "plain" and ("no end" in caplog.text) == is_known
    trials.Tried(product, HARMLESS, {})(A, B)
    assert len(tried) == (1 if is_known else 2)


def test_new_shapes_options_and_functions_are_tried_and_known_ones_are_not(folder, monkeypatch):
    tried = refuse(monkeypatch)
    function = trials.Tried(product, HARMLESS, {})
    for _ in range(3):
        function(A, B)
    assert len(tried) == 1
    function(A[:, :3], B)
    trials.Tried(product, HARMLESS, {})(A, B)
    assert len(tried) == 2
    trials.Tried(product, {"xla_cpu_enable_fast_math": False}, {})(A, B)
    trials.Tried(lambda a, b: a.T @ b + 1, HARMLESS, {})(A, B)
    assert [options for _, options in tried[2:]] == [{"xla_cpu_enable_fast_math": False}, HARMLESS]


@pytest.mark.parametrize("junk", ["", "{", "[1]", "17", "\x00"])
def test_what_cannot_be_read_is_found_out_again(junk, folder, monkeypatch):
    tried = refuse(monkeypatch)
    trials.Tried(product, HARMLESS, {})(A, B)
    [file] = folder.glob("*.json")
    file.write_text(junk)
    trials.Tried(product, HARMLESS, {})(A, B)
    assert len(tried) == 2 and file.read_text() == '""'


def test_a_folder_that_cannot_be_written_to_does_no_harm(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(trials, "folder", lambda: tmp_path / "file" / "tried")
    tried = refuse(monkeypatch)
    monkeypatch.setattr(trials.process, "start", lambda: None)
    trials.expect("anything")
    function = trials.Tried(product, HARMLESS, {})
    function(A, B)
    assert options_of(function) == "chosen" and len(tried) == 1


def test_what_goes_wrong_in_tracing_goes_wrong_as_ever(folder, monkeypatch):
    tried = refuse(monkeypatch)

    def run(a):
        raise LookupError("in tracing")

    with pytest.raises(LookupError, match="in tracing"):
        trials.Tried(run, HARMLESS, {})(A)
    assert not tried


def test_an_interrupted_trial_leaves_arguments_and_function_alone(folder, monkeypatch):
    refuse(monkeypatch, KeyboardInterrupt())
    function = trials.Tried(lambda states, a: (states[0] + a,), HARMLESS, dict(donate_argnums=0))
    states, results = (jax.numpy.ones(3),), []
    with pytest.raises(KeyboardInterrupt):
        function.compile((states, 1.0))
    assert not results and not states[0].is_deleted()
    refuse(monkeypatch)
    function.compile((states, 1.0))
    function.call((states, 1.0), results)
    np.testing.assert_array_equal(results[0][0], 2)


def test_the_process_is_there_early_for_new_functions_only(folder, monkeypatch):
    started = []
    monkeypatch.setattr(trials.process, "start", lambda: started.append(1))
    for description in ("a", "a", "b", "a"):
        trials.expect(description)
    assert len(started) == 2


def test_networks_train_all_the_same_where_nothing_can_be_tried(folder, without_store, monkeypatch):
    monkeypatch.setenv("THEANETS_PROGRAMS", "0")
    if not devices.may_have(devices.EIGEN):
        # nothing is tried then.
        assert not devices.surveyed()
    draw = np.random.RandomState(2)
    floats = theano.config.floatX
    data = [draw.rand(10, 6, 6, 1).astype(floats), draw.rand(10, 3).astype(floats)]
    losses = []
    for error in (None, Unavailable("no process"), Refused("no end")):
        tried = refuse(monkeypatch, error)
        theanets.set_mode("XLA")
        try:
            layers = [(6, 6, 1), dict(form="conv2", size=2, filter_size=3), "flat", 3]
            net = theanets.convolution.Regressor(layers, rng=1)
            losses.append(net.train(data, data, algo="sgd", batch_size=4, epochs=1, rng=3)[0]["loss"])
            net.predict(data[0])
        finally:
            theanets.set_mode(None)
        assert bool(tried) == devices.may_have(devices.EIGEN)
        for path in folder.glob("*"):
            path.unlink()
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_functions_of_theanos_with_convolutions_are_tried(folder, monkeypatch):
    tried = refuse(monkeypatch)
    image, kernel = TT.tensor4(), TT.tensor4()
    function = theano.function([image, kernel], conv2d(image, kernel), mode="XLA")
    image, kernel = np.ones((2, 1, 5, 5), image.dtype), np.ones((3, 1, 2, 2), kernel.dtype)
    np.testing.assert_allclose(function(image, kernel), 4)
    assert len(tried) == devices.may_have(devices.EIGEN)
