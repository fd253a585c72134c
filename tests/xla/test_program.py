"""Values that tracing has to know, graphs that XLA cannot run, and the errors of both."""

import functools
import warnings

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theanets import xla
from theanets.xla import program
from theanets.xla.host import FallbackWarning

from ..compat import support
from . import helpers

FLOAT = theano.config.floatX


class Twice(theano.Op):
    """An Op without a translation."""

    __props__ = ("with_shape",)

    def __init__(self, with_shape=True):
        self.with_shape = with_shape
        if with_shape:
            self.infer_shape = lambda node, shapes: [(shapes[0][0], shapes[0][1] * 2)]

    def make_node(self, x):
        return theano.Apply(self, [TT.as_tensor_variable(x)], [TT.matrix(dtype=x.dtype)])

    def perform(self, node, inputs, outputs):
        if (inputs[0] < 0).any():
            raise ArithmeticError("a negative number")
        outputs[0][0] = np.concatenate([inputs[0], inputs[0]], axis=1)


def compiled_variants(function):
    """How many compiled variants a function with values to be known has."""

    def count(variant):
        return (variant.function is not None) + sum(map(count, variant.variants.values()))

    return sum(map(count, function.fn.code.entries.values()))


@pytest.mark.parametrize("with_shape", [True, False])
def test_an_op_without_a_translation_runs_on_the_host(with_shape):
    x, state = TT.matrix("x"), theano.shared(np.asarray(0, FLOAT))
    f = theano.function([x], Twice(with_shape)(x * 2) + 1, updates=[(state, state + 1)], mode="XLA")
    array = np.arange(6, dtype=FLOAT).reshape(2, 3)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        np.testing.assert_allclose(f(array), np.concatenate([array, array], axis=1) * 2 + 1)
        np.testing.assert_allclose(f(array[:1]), np.concatenate([array, array], axis=1)[:1] * 2 + 1)
    with pytest.raises(ArithmeticError, match="negative"):
        f(-array)
    assert state.get_value() == 2
    assert not f.fn.code.stays_on_host and (f.fn.code.entries is None) == with_shape, "all the rest still runs by XLA"


def test_the_warning_names_the_op(monkeypatch):
    monkeypatch.setattr("theanets.xla.host._warned", set())
    x = TT.matrix("x")
    f = theano.function([x], Twice()(x), mode="XLA")
    with pytest.warns(FallbackWarning, match="Twice"):
        f(np.ones((1, 1), FLOAT))


def test_users_translate_their_own_ops():
    class Mine(Twice):
        pass

    @xla.translates(Mine)
    def mine(op, node, x):
        import jax.numpy as jnp

        return jnp.concatenate([x, x], axis=1)

    x = TT.matrix("x")
    [result] = helpers.run([x], [Mine()(x)], [np.ones((2, 2), FLOAT)])
    assert result.shape == (2, 4)
    with pytest.raises(TypeError, match="classes of Ops"):
        xla.translates(Mine())


def test_integer_inputs_may_decide_about_shapes():
    n, m = TT.iscalars("n", "m")
    x = TT.vector("x")
    outputs = [TT.alloc(x.sum(), n, m), TT.arange(n + m), x[:n], TT.zeros((n * 2,)) + m]
    f = theano.function([x, n, m], outputs, mode="XLA")
    x_value = np.arange(5, dtype=FLOAT)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FallbackWarning)
        for a, b in [(2, 3), (3, 2), (2, 3), (0, 1)]:
            results = f(x_value, a, b)
            assert [value.shape for value in results] == [(a, b), (a + b,), (a,), (2 * a,)]
            np.testing.assert_allclose(results[0], 10)
            np.testing.assert_allclose(results[3], b)
    assert compiled_variants(f) == 3


def test_a_batch_by_its_index_compiles_once():
    data = theano.shared(np.arange(40, dtype=FLOAT).reshape(20, 2))
    i = TT.lscalar("i")
    x = TT.matrix()
    f = theano.function([i], x.sum(), givens={x: data[i * 6 : (i + 1) * 6]}, mode="XLA")
    for index in (0, 1, 2, 1, 3):
        assert f(index) == data.get_value()[index * 6 : (index + 1) * 6].sum()
    assert compiled_variants(f) == 2, "one for whole batches, and one for what is left"


def test_shapes_that_depend_on_data_run_by_theano():
    x = TT.vector("x")
    state = theano.shared(np.asarray(0, FLOAT))
    f = theano.function([x], x[TT.nonzero(x > 0)[0]], updates=[(state, state + x.sum())], mode="XLA")
    with pytest.warns(FallbackWarning):
        np.testing.assert_array_equal(f(np.array([1, -1, 2], FLOAT)), [1, 2])
    np.testing.assert_array_equal(f(np.array([-1, -1, 3], FLOAT)), [3])
    assert state.get_value() == 3


def test_a_state_of_another_shape_is_left_alone_after_a_wrong_index():
    index = TT.ivector("index")
    state = theano.shared(np.arange(4, dtype=FLOAT))
    f = theano.function([index], state.sum(), updates=[(state, state[index])], mode="XLA")
    with pytest.raises(IndexError):
        f(np.array([1, 4, 0], "i"))
    np.testing.assert_array_equal(state.get_value(), np.arange(4))
    with pytest.warns(FallbackWarning, match="a state changes its shape"):
        assert f(np.array([1, 3], "i")) == 6
    np.testing.assert_array_equal(state.get_value(), [1, 3])
    with pytest.raises(IndexError):
        f(np.array([0, 2], "i"))
    np.testing.assert_array_equal(state.get_value(), [1, 3])
    assert f(np.array([1, 0], "i")) == 4, "a state that keeps its shape stays on the device"
    np.testing.assert_array_equal(state.get_value(), [3, 1])


def test_errors_are_theanos_own():
    x, y = TT.matrix("x"), TT.matrix("y")
    with theano.configparser.change_flags({"traceback.limit": 8}):
        cases = [x + y, TT.dot(x, y), TT.concatenate([x, y], axis=1), x.reshape((7, 2)), x[5]]
    for case in cases:
        f = theano.function([x, y], case, mode="XLA", on_unused_input="ignore")
        with pytest.raises((ValueError, IndexError)) as caught:
            f(np.ones((2, 3), FLOAT), np.ones((4, 5), FLOAT))
        text = str(caught.value)
        assert "Apply node that caused the error" in text and "Inputs shapes" in text, text
        # where the expression was created.
        assert "test_program.py" in text


def test_outputs_are_as_declared():
    x, i = TT.scalar("x"), TT.bscalar("i")
    outputs = [x, x + 1, i, i + i, TT.eq(x, x), x.astype("float64") * 2, TT.constant(3), TT.arange(3)]
    outputs.append(i.astype("uint16"))
    results = helpers.agree([x, i], outputs, [np.asarray(1.5, FLOAT), 3], exact=True)
    assert all(type(result) is np.ndarray and result.flags.writeable for result in results)


def test_functions_without_outputs_or_inputs():
    state = theano.shared(np.asarray(1, "int64"))
    assert theano.function([], [], updates=[(state, state * 3)], mode="XLA")() == []
    assert theano.function([], state, mode="XLA")() == 3
    assert theano.function([], mode="XLA")() == theano.function([], mode="FAST_COMPILE")()
    assert theano.function([], {"a": state + 1, "b": state}, mode="XLA")() == {"a": 4, "b": 3}
    outputs = theano.function([], [state, state + 1], mode="XLA")
    assert outputs(output_subset=[1]) == [4]


def test_any_optimizer_will_do():
    x = TT.matrix("x")
    w = theano.shared(np.eye(3, dtype=FLOAT))
    loss = TT.nnet.softmax(TT.dot(x, w)).sum() + TT.tanh(x * 2 + 1).sum()
    array = np.arange(6, dtype=FLOAT).reshape(2, 3)
    for optimizer in ("fast_run", "fast_compile", "None", None):
        mode = theano.Mode(linker="xla", optimizer=optimizer)
        updates = [(w, w - 0.1 * TT.grad(loss, w))]
        f = theano.function([x], loss, updates=updates, mode=mode)
        w.set_value(np.eye(3, dtype=FLOAT))
        f(array)
        found = w.get_value()
        w.set_value(np.eye(3, dtype=FLOAT))
        theano.function([x], loss, updates=updates, mode=helpers.REFERENCE)(array)
        np.testing.assert_allclose(found, w.get_value(), rtol=1e-4, atol=1e-6)


def test_results_are_where_theanos_loops_look_for_them():
    """Code that calls the compiled part by itself, to save time, reads the cells of the outputs."""
    x = TT.vector("x")
    f = theano.function([x], [x * 2, x], mode="XLA")
    f.input_storage[0].storage[0] = np.ones(2, FLOAT)
    f.fn()
    assert [list(container.storage[0]) for container in f.output_storage] == [[2, 2], [1, 1]]
    # whereas a call leaves nothing behind.
    assert list(f(np.ones(2, FLOAT))[0]) == [2, 2]
    assert f.output_storage[0].storage[0] is None


def test_a_loop_on_the_host():
    """Theano's own implementation of a loop compiles what it repeats by the default mode, which may be XLA."""
    x = TT.vector("x")
    chosen = x[TT.nonzero(x)[0]]
    with theano.change_flags(mode="XLA"):
        sums, _ = theano.scan(lambda a, b: a + b, sequences=[chosen], outputs_info=[TT.zeros_like(x[0])])
        f = theano.function([x], sums)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FallbackWarning)
            np.testing.assert_array_equal(f(np.asarray([1, 0, 2, 3], FLOAT)), [1, 3, 6])


def test_theanos_gpu_code_is_imported_after_a_function_was_compiled():
    """As it is by the first loop; it registers rewrites by names that must not have been asked for before."""
    support.run(
        """
        import theanets, theano, theano.tensor as TT, sys
        x = TT.vector("x")
        theano.function([x], x * 2, mode="XLA")
        theano.scan(lambda a: a * 2, sequences=[x])
        assert "theano.gpuarray.opt" in sys.modules
        """
    )


def test_inputs_without_a_value():
    """None is no number, and Theano's own Ops know what it is."""
    x, y = TT.scalars("xy")
    new = y + TT.default(x, np.asarray(3.5, FLOAT))
    f = theano.function([y, theano.In(x, update=new, value=12)], new, mode="XLA")
    assert f(3) == 15 and f["x"] == 15
    f["x"] = None
    assert f(1) == 4.5 and f["x"] == 4.5 and f(1) == 5.5
    n, m = TT.iscalar("n"), TT.iscalar("m")
    assert theano.function([n, m], TT.eye(n, m, 0), mode="XLA")(3, None).shape == (3, 3)


def test_shapes_of_another_length_are_refused():
    x, shape = TT.vector("x"), TT.ivector("shape")
    f = theano.function([x, shape], TT.specify_shape(x, shape), mode="XLA")
    f(np.zeros(2, FLOAT), [2])
    for wrong in ([], [2, 2], [3]):
        with warnings.catch_warnings(), pytest.raises(AssertionError):
            warnings.simplefilter("ignore", FallbackWarning)
            f(np.zeros(2, FLOAT), wrong)


def test_wide_products_are_left_to_eigen_where_there_is_much_to_do(monkeypatch):
    monkeypatch.setattr(program.devices, "may_have", bool)
    x, y = TT.fmatrices("xy")
    value = np.ones((4, 3), "f")
    w = theano.shared(value)
    make = functools.partial(theano.function, mode="XLA")
    few, many = np.ones((5, 4), "f"), np.broadcast_to(np.float32(1), (program.WIDE // 12 + 1, 4))
    plain = make([x], x.dot(w)).fn.code
    assert plain.suited([few, value]) is plain.plain and plain.suited([many, value]) is plain.wide
    others = [make([x], x.dot(w.T)), make([x, y], x.dot(y)), make([x], x.dot(w).sum(), updates=[(w, w + 1)])]
    assert all(other.fn.code.suited([many, value]) is other.fn.code.plain for other in others)
