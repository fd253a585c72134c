"""Epochs in one compiled loop: the same results as batch by batch."""

import itertools
import threading
import time

import downhill
import jax
import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.tensor as TT
from theanets import util
from theanets.data import sources
from theanets.trainer import passes
from theanets.xla import epochs, trials
from theano import sparse

FLOAT = theano.config.floatX


@pytest.fixture(autouse=True)
def by_xla():
    theanets.set_mode("XLA")
    yield
    theanets.set_mode(None)


@pytest.fixture
def one_by_one(monkeypatch):
    """A context within which batches run one by one."""

    def switch():
        monkeypatch.setattr(passes.Pass, "_make_loop", lambda self: None)

    return switch


def examples(count=70, size=6):
    return np.random.RandomState(5).rand(count, size).astype(FLOAT)


def train(count=4, rows=70, **kwargs):
    net = theanets.Autoencoder([6, (4, "tanh"), 6], rng=11)
    options = dict(algo="rmsprop", learning_rate=0.01, batch_size=16, rng=3, validate_every=2)
    options["monitors"] = {"hid1:out": (0.1,)}
    run = net.itertrain([examples(rows)], **{**options, **kwargs})
    losses = [(dict(a), dict(b)) for a, b in itertools.islice(run, count)]
    run.close()
    return losses, {param.name: param.get_value() for param in net.params}


@pytest.mark.parametrize("options", [
    {"hidden_noise": 0.1, "input_dropout": 0.2},
    {"algo": "adam", "batch_size": 70},
    {"algo": "sgd", "momentum": 0.9, "batch_size": 32, "train_batches": 2, "valid_batches": 1},
    {"algo": "nag", "batch_size": 0, "momentum": 0.5, "max_gradient_norm": 1},
    {"batch_size": 100, "monitor_gradients": True},
    {"shuffle": "rows", "hidden_noise": 0.1, "train_batches": 7},
])
def test_the_same_as_batch_by_batch(options, one_by_one):
    losses, params = train(**options)
    one_by_one()
    expected, expected_params = train(**options)
    for pair, expected_pair in zip(losses, expected):
        for monitors, expected_monitors in zip(pair, expected_pair):
            assert list(monitors) == list(expected_monitors)
            np.testing.assert_allclose(list(monitors.values()), list(expected_monitors.values()), rtol=2e-5, atol=1e-7)
    for name, value in params.items():
        np.testing.assert_allclose(value, expected_params[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"shuffle": "rows"}, {"train_batches": 2}, {"batch_size": 70}])
def test_the_first_pass_is_compiled_beside_the_first_validation(options, monkeypatch):
    started, compile_beside = [], trials.Function.compile_beside

    def compile_in_a_thread(self, arguments):
        started.append(compile_beside(self, arguments))
        return started[-1]

    monkeypatch.setattr(trials.Function, "compile_beside", compile_in_a_thread)
    beside = train(**options)
    assert len(started) == ("train_batches" not in options) and not any(thread.is_alive() for thread in started)
    monkeypatch.setattr(epochs.FusedLoop, "compile_beside", lambda *args: None)
    theanets.store.clear()
    assert str(train(**options)) == str(beside)


def test_what_cannot_be_compiled_beside_is_compiled_when_it_is_called(monkeypatch):
    failed, compiled = [], jax.stages.Lowered.compile

    def compile_here_only(self, *args):
        if threading.current_thread() is not threading.main_thread():
            failed.append(self)
            raise jax.errors.JaxRuntimeError("no memory")
        return compiled(self, *args)

    expected = train()
    theanets.store.clear()
    monkeypatch.setattr(jax.stages.Lowered, "compile", compile_here_only)
    assert str(train()) == str(expected) and failed


def test_pieces_of_an_epoch_make_the_same_epoch(monkeypatch):
    expected, _ = train()
    monkeypatch.setattr(epochs, "FIRST", 1)
    monkeypatch.setattr(epochs, "SECONDS", 0)
    pieces, _ = train()
    assert pieces == expected


def loop_of(net, data, **kwargs):
    """A pass over data by a compiled step, as training makes it."""
    x = TT.matrix()
    state = theano.shared(np.zeros((), FLOAT))
    function = theano.function([x], [x.sum(), state], updates=[(state, state * 2 + x[0, 0])], mode="XLA")
    return function, state


def outputs(run):
    """Make a pass; return the outputs for each batch."""
    return list(itertools.chain.from_iterable(run.run()))


def test_order_sizes_and_numbers_of_batches_compile_nothing_new(monkeypatch):
    # a program that is read from disk is not traced.
    monkeypatch.setenv("THEANETS_PROGRAMS", "0")
    function, state = loop_of(None, None)
    data = np.arange(40, dtype=FLOAT).reshape(20, 2)
    expected = 0.0
    run = passes.Pass(function, downhill.Dataset([data], batch_size=3, rng=1))
    assert run.loop is not None
    # the short batch runs with the others.
    run.function = None
    traced, trace = [], run.loop.program.code.trace
    monkeypatch.setattr(run.loop.program.code, "trace", lambda *args: traced.append(1) or trace(*args))
    short = []
    twin = downhill.Dataset([data], batch_size=3, rng=1)
    for count in (7, 7, 3, 5, 7, 1):
        run.dataset.iteration_size = twin.iteration_size = count
        values = outputs(run)
        for i, ((value, before), (batch,)) in enumerate(zip(values, twin)):
            short += [i] * (len(batch) == 2)
            np.testing.assert_allclose(value, batch.sum(), rtol=1e-5)
            np.testing.assert_allclose(before, expected, rtol=1e-4)
            expected = np.float32(expected * 2 + batch[0, 0])
        assert len(values) == count
    assert len(run.loop.code.functions) == 1
    [compiled] = run.loop.code.functions.values()
    assert compiled.jitted._cache_size() == 1
    assert len(set(short)) > 2
    # each size once.
    assert len(traced) == 2


def test_mixed_rows_in_the_loop_are_those_of_the_batches():
    """Also where an epoch ends within a pass; nothing is compiled anew, and the data stay where they are."""
    function, state = loop_of(None, None)
    data = np.arange(40, dtype=FLOAT).reshape(20, 2)
    run, twin = (sources.MixedRows([data], batch_size=3, rng=1) for _ in range(2))
    run = passes.Pass(function, run)
    assert run.loop is not None
    run.function = None
    before = [array.unsafe_buffer_pointer() for array in jax.tree.leaves(run.loop.data)]
    for count in (7, 7, 3, 5, 16, 1):
        run.dataset.iteration_size = twin.iteration_size = count
        np.testing.assert_allclose([value for value, _ in outputs(run)], [batch.sum() for (batch,) in twin])
    [compiled] = run.loop.code.functions.values()
    assert compiled.jitted._cache_size() == 1
    assert [array.unsafe_buffer_pointer() for array in jax.tree.leaves(run.loop.data)] == before


def test_pieces_of_an_epoch_of_mixed_rows(monkeypatch):
    expected, _ = train(shuffle="rows")
    monkeypatch.setattr(epochs, "FIRST", 1)
    monkeypatch.setattr(epochs, "SECONDS", 0)
    assert train(shuffle="rows")[0] == expected


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_mixed_sparse_rows_are_those_of_scipy(format):
    """Whatever the rows hold: nothing at all, or as much in one as in all others."""
    make = sparse.csr_matrix if format == "csr" else sparse.csc_matrix
    x, weights = make("x", dtype=FLOAT), theano.shared(np.arange(50, dtype=FLOAT))
    squares = sparse.sp_sum(sparse.mul(x, x), sparse_grad=True)
    value = squares + 2 * TT.dot(weights[: x.shape[0]], sparse.dot(x, weights[: x.shape[1]]))
    function = theano.function([x], [value, x.shape[0]], mode="XLA")
    heavy = scipy.sparse.random(70, 12, 0.02, random_state=1).tolil()
    heavy[33] = 1
    empty = scipy.sparse.csr_matrix((70, 12), dtype=FLOAT)
    for matrix in sparse_examples(format=format), empty, heavy:
        matrix = matrix if matrix.format == format else matrix.asformat(format).astype(FLOAT)
        run, twin = (sources.MixedRows([matrix], batch_size=8, rng=1) for _ in range(2))
        run = passes.Pass(function, run)
        assert run.loop is not None
        run.function = None
        for _ in range(4):
            np.testing.assert_allclose(outputs(run), [function(*batch) for batch in twin], rtol=1e-5)
        assert len(run.loop.code.functions) <= 2


def test_an_epoch_is_one_call():
    function, _ = loop_of(None, None)
    run = passes.Pass(function, downhill.Dataset([np.ones((70, 2), FLOAT)], batch_size=16, rng=1))
    calls, call = [], run.loop.run
    run.loop.run = lambda *args: calls.append(1) or call(*args)
    for _ in range(6):
        assert sorted(value for value, _ in outputs(run)) == [12, 32, 32, 32, 32]
    assert len(calls) == 6


def test_a_short_batch_that_cannot_be_run_leaves_the_others():
    labels = TT.ivector("labels")
    counts = theano.shared(np.zeros(4, FLOAT))
    function = theano.function(
        [labels], counts[labels].sum(), updates=[(counts, TT.inc_subtensor(counts[labels], 1))], mode="XLA"
    )
    dataset = downhill.Dataset([np.array([0, 1, 2, 3, 7], "int32")], batch_size=2, rng=1)
    dataset._slices.sort(key=lambda where: where[0][0].start)
    dataset._slices.insert(1, dataset._slices.pop())
    with pytest.raises(IndexError):
        outputs(passes.Pass(function, dataset))
    np.testing.assert_array_equal(counts.get_value(), [1, 1, 0, 0])


def test_the_data_are_on_the_device_once():
    data = np.zeros((64, 8), FLOAT)
    function, _ = loop_of(None, None)
    run = passes.Pass(function, downhill.Dataset([data], batch_size=16, rng=1))
    before = [array.unsafe_buffer_pointer() for array in jax.tree.leaves(run.loop.data)]
    outputs(run)
    outputs(run)
    assert [array.unsafe_buffer_pointer() for array in jax.tree.leaves(run.loop.data)] == before


def memory_of_an_epoch(rows, mixed=False):
    """What compiled code needs for an epoch of a network, in bytes: arguments, results of its own, and the rest."""
    weights = theano.shared(np.zeros((32, 32), FLOAT))
    x = TT.matrix()
    loss = TT.sqr(TT.tanh(TT.dot(x, weights)) - x).mean()
    updates = [(weights, weights - TT.grad(loss, weights))]
    function = theano.function([x], [loss], updates=updates, mode="XLA")
    loop = epochs.FusedLoop(function, [np.zeros((rows, 32), FLOAT)], 16, mixed=mixed)
    starts = np.arange(0, rows, 16, "uint32")
    order = np.arange(rows, dtype="uint32") if mixed else None
    loop.run(starts, rows=order)
    [compiled] = loop.code.functions.values()
    arguments = loop.program.take_states(), (), (), loop.data, np.concatenate([[1], starts]).astype("uint32"), order
    found = compiled.lower(*arguments).compile().memory_analysis()
    own = found.output_size_in_bytes - found.alias_size_in_bytes
    return found.argument_size_in_bytes, own, found.temp_size_in_bytes


@pytest.mark.parametrize("mixed", [False, True])
def test_an_epoch_takes_the_memory_of_the_data_the_parameters_and_one_batch(mixed):
    item = np.dtype(FLOAT).itemsize
    batch, weights = 16 * 32 * item, 32 * 32 * item
    for rows in (16 * 8, 16 * 64):
        batches = rows // 16
        arguments, results, rest = memory_of_an_epoch(rows, mixed)
        # and the order of the rows.
        assert arguments <= rows * 32 * item + weights + 4 * batches + 64 + 4 * rows * mixed
        assert results <= item * batches + 256
        # the weights, their gradient, and a few arrays of a batch.
        assert rest <= 4 * weights + 8 * batch + 4 * item * batches + 1024


def sparse_examples(rows=70, size=12, format="csr"):
    """Rows of very different numbers of entries, some of none, and some entries that add up in one place."""
    draw = np.random.RandomState(6)
    dense = draw.rand(rows, size) * (draw.rand(rows, size) < draw.rand(rows, 1) ** 2)
    dense[[0, 16, 17, 69]] = 0
    once = scipy.sparse.coo_matrix(dense)
    parts = [np.concatenate([part, part[::3]]) for part in (once.data, once.row, once.col)]
    # SciPy adds up what it converts, but not what it is given.
    major, minor = parts[1:] if format == "csr" else parts[:0:-1]
    order = np.argsort(major, kind="stable")
    length = (rows, size)[format == "csc"]
    pointers = np.concatenate([[0], np.bincount(major, minlength=length).cumsum()])
    kind = scipy.sparse.csr_matrix if format == "csr" else scipy.sparse.csc_matrix
    matrix = kind((parts[0][order].astype(FLOAT), minor[order], pointers), dense.shape)
    assert not matrix.has_canonical_format
    return matrix


@pytest.mark.parametrize("format, network, options", [
    ("csr", theanets.Classifier, {"hidden_noise": 0.1}), ("csc", theanets.Regressor, {}),
    ("csr", theanets.Regressor, {"input_dropout": 0.2, "batch_size": 70}),
    ("csr", theanets.Regressor, {"shuffle": "rows"}), ("csc", theanets.Classifier, {"shuffle": "rows"}),
])
def test_sparse_examples_the_same_as_batch_by_batch(format, network, options, one_by_one, monkeypatch):
    labels = np.arange(70, dtype="int32") % 3
    targets = labels if network is theanets.Classifier else labels[:, None] * np.ones((1, 3))
    data = [sparse_examples(format=format), targets]
    loops = []
    make = passes.Pass._make_loop
    monkeypatch.setattr(passes.Pass, "_make_loop", lambda self: loops.append(make(self)) or loops[-1])

    def train():
        net = network([dict(size=12, sparse=format), (5, "relu"), 3], rng=1)
        settings = dict(batch_size=16, learning_rate=0.02, algo="rmsprop", rng=2, validate_every=2)
        run = net.itertrain(data, data, **{**settings, **options})
        return np.hstack([[*a.values(), *b.values()] for a, b in itertools.islice(run, 4)])

    fused = train()
    assert len(loops) >= 2 and None not in loops
    one_by_one()
    np.testing.assert_allclose(fused, train(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("format", ["csr", "csc"])
@pytest.mark.parametrize("axis", [0, 1])
def test_sparse_batches_are_those_of_scipy(format, axis):
    make = sparse.csr_matrix if format == "csr" else sparse.csc_matrix
    x, weights = make("x", dtype=FLOAT), theano.shared(np.arange(50, dtype=FLOAT))
    # the places of all entries count, and the squares of those that add up in one place.
    squares = sparse.sp_sum(sparse.mul(x, x), sparse_grad=True)
    value = squares + 2 * TT.dot(weights[: x.shape[0]], sparse.dot(x, weights[: x.shape[1]]))
    function = theano.function([x], [value, x.shape[0]], mode="XLA")
    for matrix in sparse_examples(format=format), scipy.sparse.csr_matrix((70, 12), dtype=FLOAT).asformat(format):
        matrix = matrix if axis == 0 else matrix[:45]
        whole = downhill.Dataset([matrix], batch_size=8, axis=axis, rng=1)
        twin = downhill.Dataset([matrix], batch_size=8, axis=axis, rng=1)
        run = passes.Pass(function, whole)
        assert run.loop is not None
        run.function = None
        for _ in range(2):
            expected = [function(*batch) for batch in twin]
            np.testing.assert_allclose(outputs(run), expected, rtol=1e-5)


def test_convolutions_in_a_loop_are_those_of_single_batches(one_by_one):
    images = np.random.RandomState(4).rand(20, 8, 9, 2).astype(FLOAT)
    labels = np.arange(20, dtype="int32") % 3

    def losses():
        filters = dict(form="conv2", size=3, filter_size=(3, 2), stride=(2, 1), border_mode="full")
        net = theanets.convolution.Classifier([(8, 9, 2), filters, "flat", 3], rng=1)
        run = net.itertrain([images, labels], batch_size=8, learning_rate=0.1, algo="sgd", rng=2)
        return [monitors["loss"] for monitors, _ in itertools.islice(run, 3)]

    fused = losses()
    one_by_one()
    np.testing.assert_allclose(fused, losses(), rtol=1e-5)


def test_what_does_not_fit_runs_batch_by_batch(monkeypatch):
    function, _ = loop_of(None, None)
    dataset = downhill.Dataset([np.zeros((64, 8), FLOAT)], batch_size=16, rng=1)
    monkeypatch.setattr(epochs, "budget", lambda: 100)
    run = passes.Pass(function, dataset)
    assert run.loop is None and len(outputs(run)) == 4
    monkeypatch.undo()
    for other in ([np.zeros((2, 8), FLOAT)] for _ in range(1)), sources.Trimmed(dataset, []):
        assert passes.Pass(function, other).loop is None
    plain = theano.function([TT.matrix()], TT.constant(1.0), mode="FAST_COMPILE", on_unused_input="ignore")
    assert passes.Pass(plain, dataset).loop is None


def test_an_index_out_of_range_is_an_error_and_the_state_is_that_of_the_batch_before():
    labels = TT.ivector("labels")
    counts = theano.shared(np.zeros(4, FLOAT))
    function = theano.function(
        [labels], counts[labels].sum(), updates=[(counts, TT.inc_subtensor(counts[labels], 1))], mode="XLA"
    )
    data = np.array([0, 1, 2, 3, 1, 7, 1, 1], "int32")
    dataset = downhill.Dataset([data], batch_size=2, rng=1)
    dataset._slices.sort(key=lambda where: where[0][0].start)
    run = passes.Pass(function, dataset)
    seen = []
    with pytest.raises(IndexError):
        for values in run.run():
            seen.extend(values)
    assert len(seen) == 2
    np.testing.assert_array_equal(counts.get_value(), [1, 1, 1, 1])


def test_time_limits_are_kept():
    net = theanets.Autoencoder([6, 4, 6], rng=1)
    next(net.itertrain([examples()], epochs=1))
    began = time.monotonic()
    net.train([examples(20000)], max_seconds=0.5, batch_size=1, min_improvement=-1)
    assert time.monotonic() - began < 20


def test_streams_run_batch_by_batch():
    net = theanets.Autoencoder([6, 4, 6], rng=1)
    calls = []

    def make():
        calls.append(1)
        return [examples(8)]

    net.train(make, epochs=2, train_batches=3, valid_batches=2, algo="sgd")
    assert len(calls) >= 2 * 3 + 2


def test_labels_are_checked_where_they_enter():
    net = theanets.Classifier([6, 4, 3])
    with pytest.raises(util.DataError):
        net.train([examples(8), np.arange(8, dtype="int32")])


@pytest.mark.parametrize("shuffle", ["batches", "rows"])
def test_nothing_moves_but_the_order_of_batches_and_the_monitors(shuffle, monkeypatch):
    compile_, moved = epochs.LoopCode.compile, []

    def watched(loop, room):
        function = compile_(loop, room)
        call = function.call

        def watched_call(arguments, results):
            moved.append([leaf.dtype for leaf in jax.tree.leaves(arguments) if not isinstance(leaf, jax.Array)])
            call(arguments, results)

        function.call = watched_call
        return function

    monkeypatch.setattr(epochs.LoopCode, "compile", watched)
    net = theanets.Classifier([4, 5, 3], rng=3)
    draw = np.random.RandomState(1)
    data = [draw.rand(32, 4).astype("float32"), draw.randint(3, size=32).astype("int32")]
    run = net.itertrain(data, algo="adam", batch_size=8, validate_every=100, shuffle=shuffle)
    first = next(run)
    with jax.transfer_guard("disallow"):
        assert next(run)[0]["loss"] < first[0]["loss"]
    run.close()
    assert len(moved) >= 3 and all(set(dtypes) == {np.dtype("uint32")} for dtypes in moved)
