"""What is wrong without a repair: for each of them a function that tells whether its symptom shows.

They run in Python mode, in this process, where all repairs are done, and in processes of their own without one.
"""

import importlib
import logging
import sys
import threading
import warnings

import numpy as np
import theanets  # noqa: F401  (installs the repairs)
import theano
import theano.tensor as TT

SYMPTOMS = {}


def symptom_of(*repairs):
    """Register a function as showing what a repair mends; it may as well raise."""

    def register(function):
        SYMPTOMS.update(dict.fromkeys(repairs, function))
        return function

    return register


def shows(function):
    """Whether a symptom shows, be it as a wrong answer, a warning of NumPy or an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return bool(function())
        except Exception:  # any error at all is the symptom
            return True


def _vector(dtype):
    return TT.TensorType(dtype, (False,))("x")


def _value(expression, inputs=(), values=(), mode=None):
    return np.asarray(theano.function(list(inputs), expression, mode=mode)(*values))


# -- settings


@symptom_of("mode-xla-accepted")
def xla_is_no_mode():
    with theano.change_flags(mode="XLA"):
        return theano.config.mode != "XLA"


# -- section D: silent


@symptom_of("integers-wrap-around")
def integer_constants_become_floats():
    products = TT.ivector() * 1000, TT.ivector() + 300, TT.arange(10000)
    return [product.dtype for product in products] != ["int32", "int32", "int64"]


@symptom_of("float-constants-keep-their-precision")
def float_constants_are_rounded():
    with theano.change_flags(floatX="float64"):
        x = TT.dvector()
        return _value(x * 1.1, [x], [np.ones(1)])[0] != 1.1


@symptom_of("repeated-indices-that-are-set")
def what_is_set_twice_is_added_twice():
    x, i = TT.vector(), TT.ivector()
    result = _value(TT.set_subtensor(x[i], x[i] + 1), [x, i], [np.zeros(3, "f"), np.array([1, 1], "i")], "FAST_RUN")
    return result.tolist() != [0, 1, 0]


@symptom_of("products-of-truncated-loops")
def truncated_gradients_fail():
    x, w = TT.tensor3(), TT.matrix()
    states, _ = theano.scan(
        lambda x, h, w: x + TT.dot(h, w), x, TT.zeros_like(x[0]), [w], truncate_gradient=2, n_steps=x.shape[0]
    )
    ones, weights = np.ones((4, 3, 2), "f"), np.eye(2, dtype="f")
    gradient = TT.grad(states[-1].sum(), w)
    # the last state and the one before it read states of 3 and of 2.
    return _value(gradient, [x, w], [ones, weights], "FAST_RUN").tolist() != [[15, 15], [15, 15]]


@symptom_of("loops-of-second-derivatives")
def second_derivatives_fail():
    w = TT.scalar()
    powers, _ = theano.scan(lambda h, w: h * w, outputs_info=TT.ones(()), non_sequences=[w], n_steps=4)
    second = TT.Rop(TT.grad(powers[-1], w), w, TT.ones_like(w))
    # of w ** 4 it is 12 w ** 2.
    return not np.isclose(_value(second, [w], [np.float32(2)]), 48)


@symptom_of("rewrites-for-python")
def convolutions_are_refused():
    x, w = TT.tensor4(), TT.tensor4()
    ones = np.ones((1, 1, 2, 2), "f")
    return _value(TT.nnet.conv2d(x, w, filter_flip=False), [x, w], [ones, ones], "FAST_RUN").item() != 4


@symptom_of("random-states-are-copied")
def draws_do_not_repeat():
    stream = TT.shared_randomstreams.RandomStreams(13)
    draw = theano.function([], stream.uniform((3,)), no_default_updates=True)
    return (draw() != draw()).any()


@symptom_of("inverse-in-double-precision")
def inverse_has_single_precision():
    x = TT.dvector()
    return _value(TT.inv(x), [x], [np.array([3.0])])[0] != 1 / 3


@symptom_of("multinomial-counts-in-64-bits")
def multinomial_counts_wrap_around():
    from theano.sandbox.multinomial import MultinomialFromUniform

    probabilities = np.full((2, 2), 0.5, "float32")
    uniform = np.linspace(0, 1, 200, endpoint=False, dtype="float32")
    p, u = TT.fmatrix(), TT.fvector()
    return _value(MultinomialFromUniform("auto")(p, u, np.int8(100)), [p, u], [probabilities, uniform]).sum() != 200


@symptom_of("casts-wrap-around")
def casts_overflow():
    with theano.change_flags(on_opt_error="raise"):
        return _value(TT.cast(TT.constant(300), "int8")) != 44


@symptom_of("elementwise-integers-wrap-around")
def results_overflow():
    x, y = _vector("uint8"), _vector("uint8")
    values = [np.array([200], "uint8"), np.array([3], "uint8")]
    return _value((x | y) + x, [x, y], values, mode="FAST_RUN").tolist() != [403 % 256]


@symptom_of("negations-of-unsigned-integers")
def negations_overflow():
    x = _vector("uint8")
    with theano.change_flags(on_opt_error="raise"):
        result = _value(TT.cast(0 - x, "float32"), [x], [np.array([2], "uint8")], mode="FAST_RUN")
    return result.tolist() != [-2]


@symptom_of("dtypes-given-by-name")
def arrays_of_a_named_dtype():
    return theano._asarray([1], TT.fvector().type).dtype != "float32"


@symptom_of("dtypes-of-scalars-given-by-name")
def gradient_of_degrees():
    x = TT.dvector()
    return not np.allclose(_value(TT.grad(TT.deg2rad(x).sum(), x), [x], [np.ones(1)]), np.pi / 180)


@symptom_of("mrg-in-64-bits")
def mrg_overflows():
    from theano.sandbox.rng_mrg import MRG_RandomStreams

    return not 0 < _value(MRG_RandomStreams(13).uniform((3,))).mean() < 1


@symptom_of("unique-inverse-is-a-vector")
def inverse_is_no_vector():
    x = TT.matrix()
    return _value(TT.extra_ops.Unique(return_inverse=True)(x)[1], [x], [np.ones((2, 2), "float32")]).ndim != 1


@symptom_of("topk-in-one-order")
def order_depends_on_what_is_asked():
    x = TT.vector()
    numbers = np.random.RandomState(13).permutation(1000).astype("float32")
    alone = _value(TT.topk(x, 100, sorted=False), [x], [numbers])
    values, _ = TT.topk_and_argtopk(x, 100, sorted=False)
    return (alone != _value(values, [x], [numbers])).any()


# -- section C: Python implementations


@symptom_of("pooling-indexes-with-tuples")
def pooling():
    from theano.tensor.signal.pool import pool_2d

    x = TT.tensor4()
    image = np.arange(16, dtype="float32").reshape(1, 1, 4, 4)
    pooled = pool_2d(x, (2, 2), ignore_border=True)
    gradient = TT.grad(pool_2d(x, (2, 2), ignore_border=True, mode="average_inc_pad").sum(), x)
    return _value(pooled, [x], [image]).sum() != 40 or _value(gradient, [x], [image]).sum() != 4


@symptom_of("convolution-by-public-functions", "convolution-without-advice")
def convolution():
    x, w = TT.tensor4(), TT.tensor4()
    values = [np.ones((1, 1, 4, 4), "float32"), np.ones((1, 1, 2, 2), "float32")]
    plain = TT.nnet.conv2d(x, w)
    strided = TT.nnet.conv2d(x, w, subsample=(2, 2), border_mode=1)
    with warnings.catch_warnings(), theano.change_flags(on_opt_error="raise"):
        warnings.simplefilter("error")
        return _value(plain, [x, w], values).sum() != 36 or _value(strided, [x, w], values).sum() != 16


@symptom_of("gemm-of-scalars")
def gemm_of_scalars():
    arguments = [np.array(value, "float32") for value in (1, 2, 3, 4, 5)]
    node = TT.blas.gemm_no_inplace.make_node(*[TT.constant(np.ones((1, 1), "float32"))] * 1, *_gemm_rest())
    outputs = [[None]]
    TT.blas.gemm_no_inplace.perform(node, arguments, outputs, TT.blas.gemm_no_inplace)
    return outputs[0][0] != 1 * 2 + 5 * (3 * 4)


def _gemm_rest():
    one, matrix = TT.constant(np.float32(1)), TT.constant(np.ones((1, 1), "float32"))
    return one, matrix, matrix, one


# -- section A: names


@symptom_of("name-complex")
def constants_are_not_recognised():
    return TT.get_scalar_constant_value(TT.constant(3)) != 3


@symptom_of("name-bool")
def casts_to_bool():
    return theano.scalar.basic.Cast(theano.scalar.basic.bool).ctor(2) != 1


@symptom_of("name-cast")
def derivatives_that_cast():
    x = TT.vector()
    bad = not np.allclose(_value(TT.grad(TT.arccos(x).sum(), x), [x], [np.zeros(1, "float32")]), -1)
    return bad or theano.tensor.nnet.bn.np.cast["int8"](3.0).dtype != "int8"


@symptom_of("name-product")
def products_in_python():
    return theano.scalar.mul.impl(2, 3, 4) != 24


@symptom_of("name-sctype2char")
def functions_of_small_integers():
    x = _vector("int8")
    return abs(_value(TT.tanh(x), [x], [np.ones(1, "int8")])[0] - np.tanh(1)) > 1e-6


@symptom_of("name-complexwarning")
def warnings_about_complex():
    import theano.tensor.slinalg

    return any(
        module.np.ComplexWarning is None
        for module in (theano.tensor.slinalg, theano.tensor.nnet.conv, theano.tensor.nnet.abstract_conv)
    )


@symptom_of("name-maxdims")
def cumulation_over_all_axes():
    return theano.tensor.extra_ops.CumOp(axis=None).c_axis != theano.tensor.extra_ops.np.MAXDIMS


# -- what happens while Theano is imported


@symptom_of("bool-of-numpy", "distutils-stand-in", "distutils-of-the-compiler-driver")
def import_of_theano():
    return not theano.gof.cmodule.std_include_dirs() or sys.modules.get("distutils.sysconfig") is not None


@symptom_of("scipy-stats-not-yet")
def scipy_stats_is_imported():
    return "scipy.stats" in sys.modules


@symptom_of("scipy-special-not-yet")
def scipy_special_is_imported():
    return "scipy.special" in sys.modules


@symptom_of("scipy-linalg-not-yet")
def scipy_linalg_is_imported():
    return "scipy.linalg" in sys.modules


@symptom_of("scipy-without-tools-of-numpy")
def tools_of_numpy_are_imported():
    importlib.import_module("theano.sparse")
    return "numpy.f2py" in sys.modules


@symptom_of("runner-of-tests-not-wanted")
def runner_of_tests_is_imported():
    return "unittest" in sys.modules


@symptom_of("scipy-signal-not-yet", "scipy-signal-not-yet-either")
def scipy_signal_is_imported():
    return "scipy.signal" in sys.modules


@symptom_of("modules-that-gpuarray-names")
def import_of_random_streams():
    importlib.import_module("theano.gpuarray")
    return "imp" in sys.modules


# -- downhill


@symptom_of("name-callable")
def batches_from_a_callable():
    import downhill

    return downhill.Dataset(lambda: None, iteration_size=3).iteration_size != 3


@symptom_of("sparse-matrices-by-public-names")
def batches_of_sparse_matrices():
    import downhill
    import scipy.sparse

    return downhill.Dataset(scipy.sparse.csr_matrix(np.eye(4)), batch_size=2).iteration_size != 2


class _Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())

    def __enter__(self):
        logger = logging.getLogger("downhill")
        self.before = logger.level
        logger.addHandler(self)
        logger.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *error):
        logging.getLogger("downhill").removeHandler(self)
        logging.getLogger("downhill").setLevel(self.before)


@symptom_of("log-through-logging")
def settings_are_printed():
    import downhill.util

    with _Records() as records:
        downhill.util.log_param("learning_rate", TT.cast(np.float64(1e-4), "float32"))
    return records.lines != ["setting: learning_rate = 0.0001"]


@symptom_of("name-what-is-measured")
def all_figures_are_those_of_validations():
    import downhill

    optimizer = downhill.Optimizer.__new__(downhill.SGD)
    optimizer.validation_name = "evaluation"
    with _Records() as records:
        optimizer._log({"loss": 0.25}, 3, "final validation", " *")
    return records.lines != ["final evaluation 3 loss=0.250000 *"]


@symptom_of("echo-through-logging")
def data_sets_are_printed():
    import downhill

    with _Records() as records:
        downhill.Dataset(np.zeros((4, 2)), name="data", batch_size=2)
    return records.lines != ["data: 2 of 2 mini-batches from (4, 2)"]


@symptom_of("constants-of-threads")
def graphs_get_constants_of_the_cache_when_another_thread_is_done():
    begun, ended, values = [threading.Event() for _ in range(2)], threading.Event(), []

    class Rewriting(theano.gof.Optimizer):
        def apply(self, fgraph):
            begun[self.place].set()
            if self.place:
                ended.wait(10)
                fgraph.replace(fgraph.outputs[0], TT.constant(7.0))
                values.append(float(fgraph.outputs[0].data))
            else:
                begun[1].wait(10)

    def rewrite(place):
        optimizer = Rewriting()
        optimizer.place = place
        optimizer.optimize(theano.gof.FunctionGraph([], [TT.as_tensor_variable(np.float32(place)) + 1]))
        ended.set()

    threads = [threading.Thread(target=rewrite, args=(place,), daemon=True) for place in range(2)]
    for place, thread in enumerate(threads):
        thread.start()
        begun[place].wait(10)
    for thread in threads:
        thread.join()
    return values != [7.0] or TT.constant(7.0) is not TT.constant(7.0)


def optional_modules():
    """Import what the repairs of modules are about that Theano does not import itself."""
    import downhill
    import theano.sandbox.multinomial
    import theano.sandbox.rng_mrg
    import theano.tensor.signal.pool
    import theano.tensor.slinalg

    return downhill, theano
