"""Ops that the compiled function calls on the host: how often, with what, and what is said about them."""

import warnings

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theanets.xla.host import FallbackWarning, HostProgram
from theano.ifelse import ifelse

X = np.ones(3, "float32")


class Counter(theano.Op):
    """An Op with a state of its own, which counts its calls."""

    __props__ = ()

    def __init__(self, with_shape=True, dtype="float32"):
        self.calls = 0
        self.dtype = dtype
        if with_shape:
            self.infer_shape = lambda node, shapes: [()]

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def do_constant_folding(self, node):
        return False

    def make_node(self, *inputs):
        return theano.Apply(self, list(map(TT.as_tensor_variable, inputs)), [TT.scalar(dtype=self.dtype)])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.asarray(self.calls * 10, self.dtype)
        self.calls += 1


def calls_of(function, count=4, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        return [function(*(arguments or (X,))) for _ in range(count)]


@pytest.mark.parametrize("with_shape", [True, False])
@pytest.mark.parametrize("kind", ["nothing", "a constant", "a shape", "an input"])
def test_an_op_is_called_at_every_call_whatever_it_is_given(kind, with_shape):
    x, counter = TT.fvector("x"), Counter(with_shape)
    given = {"nothing": [], "a constant": [3.0], "a shape": [x.shape[0]], "an input": [x]}[kind]
    f = theano.function([x], x + counter(*given), mode="XLA")
    assert [result[0] for result in calls_of(f)] == [1, 11, 21, 31]
    assert counter.calls == 4, "and never with inputs that are made up"
    assert not f.fn.code.stays_on_host and (f.fn.code.entries is None) == with_shape, "all the rest runs by XLA"


@pytest.mark.parametrize("with_shape", [True, False])
def test_an_op_that_decides_about_a_shape_is_called_once(with_shape):
    x, counter = TT.fvector("x"), Counter(with_shape, "int64")
    f = theano.function([x], TT.zeros((counter(),)) + x[0], mode="XLA")
    assert [len(result) for result in calls_of(f)] == [0, 10, 20, 30]
    assert counter.calls == 4


@pytest.mark.parametrize("with_shape", [True, False])
def test_an_op_within_a_loop_is_called_in_each_step(with_shape):
    x, counter = TT.fvector("x"), Counter(with_shape)
    results, _ = theano.scan(lambda item: item + counter(item), sequences=[x])
    f = theano.function([x], results, mode="XLA")
    assert [list(result) for result in calls_of(f, 2)] == [[1, 11, 21], [31, 41, 51]]


def test_an_op_beside_a_loop_of_unknown_length_is_called_once():
    x, counter = TT.fvector("x"), Counter()
    results, _ = theano.scan(lambda item: (item + 1, theano.scan_module.until(item > 3)), sequences=[x])
    f = theano.function([x], results + counter(x), mode="XLA")
    assert [result[0] for result in calls_of(f, 3)] == [2, 12, 22]


class Positive(theano.Op):
    """An Op of which the shape of the results depends on data."""

    __props__ = ()
    calls = 0

    def make_node(self, x):
        return theano.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        Positive.calls += 1
        if (inputs[0] == 99).any():
            raise ArithmeticError("99")
        outputs[0][0] = inputs[0][inputs[0] > 0]


def test_an_op_of_other_shapes_than_before_moves_the_function_to_the_host():
    """The first of these calls begins by XLA, and goes on by Theano with what the Op has given."""
    x = TT.fvector("x")
    f = theano.function([x], Positive()(x) * 2, mode="XLA")
    calls_of(f, 2, np.asarray([1, 2, -1], "float32"))
    with pytest.raises(ArithmeticError):
        f(np.asarray([1, 2, 99], "float32"))
    assert not f.fn.code.stays_on_host, "an error is no reason"
    before = Positive.calls
    with pytest.warns(FallbackWarning, match=r"Positive.* gave results of shapes \[\(1,\)\], expected \[\(2,\)\]"):
        np.testing.assert_array_equal(f(np.asarray([1, -1, -1], "float32")), [2])
    assert Positive.calls == before + 1, "what it gave in that call is used"
    before = Positive.calls
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(f(np.asarray([-1, -1, -1], "float32")), [])
        np.testing.assert_array_equal(f(np.asarray([1, 2, 3], "float32")), [2, 4, 6])
    assert Positive.calls == before + 2


def test_an_op_does_not_run_again_when_another_one_fails():
    x, counter = TT.fvector("x"), Counter()
    f = theano.function([x], [Positive()(x), x[0] + counter(x)], mode="XLA")
    arrays = [np.asarray(values, "float32") for values in ([1, 2, -1], [1, 2, -1], [1, -1, -1], [1, 2, 3])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        assert [float(f(array)[1]) for array in arrays] == [1, 11, 21, 31]
    index = TT.lscalar("index")
    f = theano.function([x, index], [x[index], counter(x)], mode="XLA")
    calls = counter.calls
    with pytest.raises(IndexError):
        f(X, 5)
    assert counter.calls <= calls + 1

def test_every_op_without_a_translation_is_named(monkeypatch):
    monkeypatch.setattr("theanets.xla.host._warned", set())

    @theano.as_op([TT.fvector], [TT.fvector], infer_shape=lambda node, shapes: shapes)
    def first_function(x):
        return x + 1

    @theano.as_op([TT.fvector], [TT.fvector], infer_shape=lambda node, shapes: shapes)
    def second_function(x):
        return x + 2

    class ThirdOp(theano.scalar.UnaryScalarOp):
        def impl(self, x):
            return x + 3

    class FourthOp(ThirdOp):
        pass

    x = TT.fvector("x")
    elementwise = [
        TT.elemwise.Elemwise(kind(theano.scalar.basic.same_out, name=kind.__name__))(x) for kind in (ThirdOp, FourthOp)
    ]
    f = theano.function([x], [first_function(x), second_function(x), *elementwise], mode="XLA")
    with pytest.warns(FallbackWarning) as caught:
        np.testing.assert_array_equal(f(X), [X + 1, X + 2, X + 3, X + 3])
    for name in ("first_function", "second_function", "ThirdOp", "FourthOp"):
        assert sum(name in str(warning.message) for warning in caught) == 1, name


class OnlyC(theano.Op):
    """An Op that Python has no implementation of."""

    __props__ = ()

    def make_node(self, x):
        return theano.Apply(self, [x], [x.type()])

    def infer_shape(self, node, shapes):
        return shapes

    def c_code(self, node, name, inputs, outputs, sub):
        return f"""
            Py_XDECREF({outputs[0]});
            {outputs[0]} = (PyArrayObject*)PyArray_NewCopy({inputs[0]}, NPY_CORDER);
            *(npy_float32*)PyArray_DATA({outputs[0]}) = 42;
        """

    def c_code_cache_version(self):
        return (1,)


def test_an_op_that_has_c_code_only_asks_for_a_compiler():
    x = TT.fvector("x")
    f = theano.function([x], OnlyC()(x) * 2, mode="XLA")
    with theano.change_flags(cxx=""), pytest.raises(NotImplementedError, match="OnlyC.* has C code only.*compiler"):
        f(X)


class Scalar(theano.Op):
    """An Op that gives NumPy's scalars where it declares arrays, as some of Theano's do."""

    __props__ = ("seen",)

    def __init__(self, seen):
        self.seen = seen

    def make_node(self, x):
        return theano.Apply(self, [x], [TT.fscalar()])

    def perform(self, node, inputs, outputs):
        self.seen.append(type(inputs[0]))
        outputs[0][0] = np.float32(inputs[0].sum())


def test_scalars_are_arrays_for_the_next_op_on_the_host():
    """The compiled body of a loop accepts nothing else."""
    x, seen = TT.fvector("x"), []
    op = Scalar(seen)
    program = HostProgram(theano.gof.FunctionGraph([x], [op(op(x))]))
    results = program([X])
    assert seen == [np.ndarray, np.ndarray] and type(results[0]) is np.ndarray and results[0] == 3


@pytest.mark.parametrize("kind", ["loop", "branch"])
def test_a_shape_that_is_computed_by_a_loop_or_a_branch_of_integers(kind):
    n, x = TT.iscalar("n"), TT.fvector("x")
    if kind == "loop":
        results, _ = theano.scan(lambda a: a + 2, outputs_info=[n], n_steps=3)
        length = results[-1]
    else:
        length = ifelse(TT.gt(n, 2), n, n + 6)
    f = theano.function([n, x], TT.zeros((length,)) + x[0], mode="XLA")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        assert [len(f(1, X)), len(f(2, X))] == [7, 8]
