"""Programs on disk: a second start reads them, computes the same bits, and rewrites no graph before somebody looks."""

import copy
import logging
import pickle
import warnings

import jax
import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.sparse
import theano.tensor as TT
from theanets.xla import devices, host, postponed, programs
from theanets.xla.postponed import PostponedGraph

FLOAT = theano.config.floatX


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder of a test's own."""
    monkeypatch.setenv("THEANETS_PROGRAMS", str(tmp_path / "programs"))
    # what this process has compiled already is not to be taken in place of the files.
    monkeypatch.setenv("THEANETS_STORE", "0")
    return tmp_path / "programs"


@pytest.fixture
def rewritten(monkeypatch):
    """Count the graphs of functions that are rewritten."""
    found = []
    rewrite = postponed.Postponing.rewrite

    def counting(self, fgraph):
        if postponed.origin_of(fgraph):
            found.append(fgraph)
        return rewrite(self, fgraph)

    monkeypatch.setattr(postponed.Postponing, "rewrite", counting)
    return found


@pytest.fixture
def made(monkeypatch):
    """Count the programs that are made rather than read."""
    found = []
    make = programs._make
    monkeypatch.setattr(programs, "_make", lambda *args: found.append(args) or make(*args))
    return found


def normal(*shape, seed=4):
    return np.random.RandomState(seed).randn(*shape).astype(FLOAT)


def step(rate=0.1):
    """A function with a state."""
    x, w = TT.matrix("x"), theano.shared(normal(3, 2), "w")
    loss = TT.sqr(TT.tanh(TT.dot(x, w))).mean()
    return theano.function([x], loss, updates=[(w, w - rate * TT.grad(loss, w))], mode="XLA"), w


def run(make=step, rows=(4, 4, 6)):
    function, w = make()
    return [float(function(normal(n, 3))) for n in rows], w.get_value()


def files(place):
    return sorted(place.glob("*.program"))


def test_a_second_start_rewrites_and_makes_nothing(place, rewritten, made):
    first = run()
    # a program for each number of rows.
    assert len(rewritten) == 1 and len(made) == len(files(place)) == 2
    second = run()
    assert len(rewritten) == 1 and len(made) == 2
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1], second[1])
    # another value of a constant is another program.
    assert run(lambda: step(0.2))[0] != first[0]
    assert len(rewritten) == 2


def test_the_same_bits_as_without_a_folder(place, monkeypatch):
    found = [run(), run()]
    monkeypatch.setenv("THEANETS_PROGRAMS", "off")
    found.append(run())
    for losses, weights in found[1:]:
        assert losses == found[0][0]
        np.testing.assert_array_equal(weights, found[0][1])
    assert len(files(place)) == 2


def test_nothing_is_compiled_twice(caplog):
    """States that come back from a program are, to JAX, like those that came from the user."""
    for _ in range(2):
        function, w = step()
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            for _ in range(3):
                function(normal(4, 3))
            w.set_value(w.get_value() * 2)
            function(normal(4, 3))
        assert sum(record.message.startswith("Finished XLA compilation") for record in caplog.records) == 1


def test_new_shapes_rewrite_the_graph_then(rewritten, made):
    run(rows=[4])
    function, _ = step()
    function(normal(4, 3))
    assert len(rewritten) == len(made) == 1
    function(normal(5, 3))
    assert len(rewritten) == len(made) == 2
    assert type(function.maker.fgraph) is theano.gof.FunctionGraph


@pytest.mark.parametrize("look", [
    lambda fgraph: fgraph.outputs,
    lambda fgraph: fgraph.apply_nodes,
    lambda fgraph: fgraph.toposort(),
    lambda fgraph: fgraph.clone(),
    lambda fgraph: copy.copy(fgraph),
    lambda fgraph: str(fgraph),
    lambda fgraph: fgraph.variables,
])
def test_who_looks_at_a_graph_sees_it_rewritten(look, rewritten):
    function, _ = step()
    expected = theano.printing.debugprint(function, file="str", ids="")
    function(normal(4, 3))
    function, w = step()
    fgraph = function.maker.fgraph
    assert type(fgraph) is PostponedGraph and len(rewritten) == 1
    look(fgraph)
    assert type(fgraph) is theano.gof.FunctionGraph and len(rewritten) == 2
    assert theano.printing.debugprint(function, file="str", ids="") == expected
    before = w.get_value()
    function(normal(4, 3))
    assert np.any(w.get_value() != before)


def test_copies_of_functions(rewritten):
    function, w = step()
    expected = float(function(normal(4, 3)))
    for copied in (copy.copy, lambda f: f.copy(), lambda f: pickle.loads(pickle.dumps(f))):
        function, w = step()
        assert type(function.maker.fgraph) is PostponedGraph
        (found,) = np.ravel(copied(function)(normal(4, 3)))
        assert found == expected


def test_ctrl_c_while_a_graph_is_rewritten(monkeypatch):
    function, _ = step()
    function(normal(4, 3))
    function, _ = step()

    def interrupted(fgraph):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(theano.compile.mode.Mode, "optimizer", property(lambda self: interrupted))
        with pytest.raises(KeyboardInterrupt):
            function(normal(5, 3))
    assert np.isfinite(function(normal(5, 3)))
    assert type(function.maker.fgraph) is theano.gof.FunctionGraph


def test_junk_in_the_folder(place, made):
    expected = run()[0]
    paths = files(place)
    kept = [path.read_bytes() for path in paths]
    for junk in (b"", b"junk", kept[0][:-100], kept[1]):
        for path in paths:
            path.write_bytes(junk)
        (place / "something else").write_bytes(b"\0" * 100)
        count = len(made)
        assert run()[0] == expected
        assert len(made) > count
        assert [path.read_bytes() for path in files(place)] == kept


def test_a_good_file_that_is_no_program(place, made):
    expected = run()[0]
    for path in files(place):
        programs.folder.Folder(place).write(path.stem, {}, b"not what JAX writes")
    count = len(made)
    assert run()[0] == expected and len(made) == count + 2


def test_another_release_is_another_program(made, monkeypatch):
    expected = run()[0]
    monkeypatch.setattr(programs.jaxlib, "__version__", "99")
    assert run()[0] == expected and len(made) == 4
    monkeypatch.setattr(programs.folder, "current", lambda: None)
    assert run()[0] == expected and len(made) == 4


def test_another_development_of_the_package_is_another_program(made, rewritten, monkeypatch):
    run()
    fingerprint = postponed.fingerprint
    monkeypatch.setattr(postponed, "fingerprint", lambda *args: fingerprint(*args, "changed"))
    run()
    assert len(rewritten) == 2 and len(made) == 4


def test_a_folder_that_cannot_be_written_to(place, monkeypatch, made):
    place.write_text("a file")
    expected = run()[0]
    assert run()[0] == expected and place.read_text() == "a file"


def test_user_modes_and_settings(made, rewritten):
    x = TT.matrix("x")
    for mode in (theano.Mode(linker="xla", optimizer="fast_compile"),
                 theano.compile.mode.get_mode("XLA").excluding("local_sqr"),
                 theano.compile.mode.get_mode("XLA")):
        for _ in range(2):
            np.testing.assert_allclose(theano.function([x], TT.sqr(x), mode=mode)(np.ones((2, 2), FLOAT)), 1)
    # the first of them is no mode that this package knows how to describe.
    assert len(made) == len(rewritten) == 2


def test_what_cannot_be_written_runs_all_the_same(place):
    class Alone(theano.Op):
        __props__ = ()

        def make_node(self, x):
            return theano.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, outputs):
            outputs[0][0] = inputs[0] * 2

        def infer_shape(self, node, shapes):
            return shapes

    x = TT.vector("x")
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", host.FallbackWarning)
            function = theano.function([x], Alone()(x) + 1, mode="XLA")
            np.testing.assert_array_equal(function(np.ones(3, FLOAT)), [3, 3, 3])
    assert not files(place)


def test_large_constants(place):
    table, i = normal(5000, 2), TT.ivector("i")
    for _ in range(2):
        function = theano.function([i], TT.as_tensor(table)[i] * 2, mode="XLA")
        np.testing.assert_array_equal(function([3, 4999]), table[[3, 4999]] * 2)


def test_values_that_tracing_must_know(made):
    n, limit = TT.iscalar("n"), TT.scalar("limit")
    y, _ = theano.scan(
        lambda h: (h * 2, theano.scan_module.until(h > limit)), outputs_info=TT.ones((), FLOAT), n_steps=20
    )
    for _ in range(2):
        f = theano.function([n], TT.arange(n) * 2, mode="XLA")
        assert [len(f(k)) for k in (3, 5)] == [3, 5]
        f = theano.function([limit], y[-1], mode="XLA")
        assert [float(f(k)) for k in (3, 20)] == [8, 64]


def test_errors_and_states_after_a_second_start():
    def make():
        x, i, w = TT.vector("x"), TT.iscalar("i"), theano.shared(np.zeros((), FLOAT))
        return theano.function([x, i], x[i], updates=[(w, w + 1)], mode="XLA"), w

    for _ in range(2):
        function, w = make()
        assert function(np.arange(3, dtype=FLOAT), 2) == 2
        with pytest.raises(IndexError):
            function(np.arange(3, dtype=FLOAT), 3)
        assert w.get_value() == 1


def test_sparse_inputs_and_states(made, rewritten):
    matrix = scipy.sparse.csr_matrix(np.eye(4, 3, dtype=FLOAT))
    for _ in range(2):
        x, w = theano.sparse.csr_matrix("x", dtype=FLOAT), theano.shared(normal(3, 2))
        state = theano.shared(matrix)
        function = theano.function(
            [x], [theano.sparse.dot(x, w), state * 2], updates=[(state, theano.sparse.mul(state, x))], mode="XLA"
        )
        product, doubled = function(matrix * 3)
        np.testing.assert_allclose(product, (matrix * 3).dot(w.get_value()), rtol=1e-6)
        np.testing.assert_array_equal(doubled.toarray(), (matrix * 2).toarray())
        np.testing.assert_array_equal(state.get_value().toarray(), (matrix * 3).toarray())
    assert len(made) == len(rewritten) == 1


def test_compiler_options_are_chosen_as_before(made, monkeypatch):
    asked = []
    compiled = devices.compiled

    def without(function, choices=None, **options):
        asked.append(choices)
        return compiled(function, None, **options)

    monkeypatch.setattr(devices, "compiled", without)
    x, w = TT.tensor4("x"), TT.tensor4("w")
    for _ in range(2):
        function = theano.function([x, w], TT.nnet.conv2d(x, w), mode="XLA")
        function(normal(1, 1, 5, 5), normal(1, 1, 3, 3))
    assert len(made) == 1 and asked and all(choices == devices.EIGEN for choices in asked)


def networks():
    rows, steps = normal(12, 6), normal(12, 4, 3)
    classes = np.arange(12, dtype="int32") % 3
    yield "tied, dropout", lambda: theanets.Autoencoder([6, 4, ("tied", 6)]), [rows], dict(
        algo="adam", hidden_dropout=0.3, input_noise=0.1, weight_l2=0.01)
    yield "sparse", lambda: theanets.Classifier([dict(size=6, sparse="csr"), 4, 3]), [
        scipy.sparse.csr_matrix(np.maximum(rows, 0)), classes], {}
    yield "both ways", lambda: theanets.recurrent.Regressor(
        [3, dict(size=4, form="bidirectional", worker="rnn"), 2]), [steps, normal(12, 4, 2)], {}
    yield "conv", lambda: theanets.Classifier(
        [(5, 5, 1), dict(size=2, form="conv2", filter_size=(3, 3)), "flat", 3]), [normal(12, 5, 5, 1), classes], {}


@pytest.mark.parametrize("name, build, data, options", [pytest.param(*item, id=item[0]) for item in networks()])
def test_networks_train_to_the_same_bits(name, build, data, options, monkeypatch, made, rewritten):
    mode = theanets.get_mode()
    theanets.set_mode("XLA")
    try:
        found, before = [], None
        # for the others, that a folder changes nothing is seen by what is computed without networks.
        for is_on in (True, True, False) if name in ("tied, dropout", "sparse") else (True, True):
            if not is_on:
                monkeypatch.setenv("THEANETS_PROGRAMS", "off")
            network = build()
            results = network.train(data, epochs=1, batch_size=5, rng=7, **options)
            found.append((results, network.predict(data[0]), [p.get_value() for p in network.params]))
            counts = len(made), len(rewritten)
            assert len(found) != 2 or counts == before
            before = counts
        for results, predicted, params in found[1:]:
            assert results == found[0][0]
            np.testing.assert_array_equal(predicted, found[0][1])
            for a, b in zip(params, found[0][2]):
                np.testing.assert_array_equal(a, b)
    finally:
        theanets.set_mode(mode)
