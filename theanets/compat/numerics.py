"""Repairs of results that are different, mostly silently, on NumPy 2 and on the NumPy that Theano was written for.

Most of it follows from NEP 50: the type of a Python number no longer depends on its value, and a Python integer that
does not fit into a dtype is an error instead of wrapping around.
"""

import copy
import warnings

import numpy as np

from .registry import after_importing
from .rewriting import numpy_view, rebind, rewrite


def _raises(errors, function, *args):
    with warnings.catch_warnings():
        # what NumPy 2 refuses NumPy 1.24 to 1.26 warn about
        warnings.simplefilter("error")
        try:
            function(*args)
        except (DeprecationWarning, *errors):
            return True
    return False


def _integers_overflow():
    return _raises((OverflowError,), np.asarray, 300, "int8")


def _weak_python_floats():
    return bool(1.1 == np.asarray(1.1, "float32"))


class _HasDtype:
    dtype = "float32"


def _dtype_attribute_refused():
    return _raises((TypeError, ValueError), np.dtype, _HasDtype())


def _copies_share_a_generator():
    original = np.random.RandomState(0)
    copy.copy(original).random_sample()
    return original.random_sample() != np.random.RandomState(0).random_sample()


def _dtype_of(kind):
    """What to give to np.dtype for something that has a string as its ``dtype``, such as a Theano type."""
    named = getattr(kind, "dtype", None)
    return named if isinstance(named, str) else kind


def _is_integral(dtype):
    return np.dtype(dtype).kind in "iu"


def _wrapped(integers, dtype):
    """Python integers as an array of a dtype that they need not fit into, cast as C casts them."""
    exact = np.asarray(integers)
    # more than 64 bits are an error with every NumPy, and stay one
    return exact.astype(dtype) if exact.dtype.kind == "i" else np.asarray(integers, dtype)


@after_importing("theano.misc.safe_asarray", needed=_integers_overflow)
def integers_wrap_around(module):
    """Python integers stay integers when they do not fit into an int8.

    NumpyAutocaster.__call__ (theano/scalar/basic.py:195) tries ``_asarray(300, 'int8')``, which wrapped around and
    now raises OverflowError; convert() (basic.py:266) takes that for "fits into uint64 only". So ``T.arange(10000)``
    and ``ivector * 1000`` became float64. The same function filters downcast inputs (theano/tensor/type.py).
    """
    original = module._asarray

    def _asarray(a, dtype, order=None):
        if isinstance(a, (int, list, tuple)) and str(dtype) != "floatX" and _is_integral(_dtype_of(dtype)):
            a = _wrapped(a, dtype)
        return original(a, dtype, order)

    rebind(original, _asarray)


@after_importing("theano.misc.safe_asarray", needed=_dtype_attribute_refused)
def dtypes_given_by_name(module):
    """``np.dtype(x)`` for an x whose ``dtype`` is a string; theano/misc/safe_asarray.py:33."""
    original = module._asarray

    def _asarray(a, dtype, order=None):
        return original(a, _dtype_of(dtype), order)

    rebind(original, _asarray)


@after_importing("theano.scalar.basic", needed=_dtype_attribute_refused)
def dtypes_of_scalars_given_by_name(module):
    """The same in upcast() and in the gradients of deg2rad and rad2deg; theano/scalar/basic.py:74, 3108, 3141."""
    view = numpy_view(module)
    view.zeros = lambda shape, dtype=float, **kwargs: np.zeros(shape, _dtype_of(dtype), **kwargs)
    view.asarray = lambda a, dtype=None, *args, **kwargs: np.asarray(a, _dtype_of(dtype), *args, **kwargs)


@after_importing("theano.scalar.basic", needed=_weak_python_floats)
def float_constants_keep_their_precision(module):
    """Python floats become float32 constants only if they are float32 numbers.

    NumpyAutocaster.__call__ (theano/scalar/basic.py:196) takes the first dtype in which the constant equals its
    rounded self; ``1.1 == float32(1.1)`` has become true, so that with floatX=float64 all constants were rounded.
    """
    original = module.NumpyAutocaster.__call__

    def __call__(self, x):
        config = module.config
        plain = isinstance(x, float) and not hasattr(x, "dtype")
        always_floatx = config.floatX in self.dtypes and config.floatX != "float64"
        if not plain or config.cast_policy != "custom" or always_floatx:
            return original(self, x)
        for dtype in self.dtypes:
            if dtype == "float16":
                continue
            with np.errstate(over="ignore"):
                rounded = module.theano._asarray(x, dtype=dtype)
            if rounded.item() == x:
                break
        return rounded

    module.NumpyAutocaster.__call__ = __call__


@after_importing("theano.tensor.opt", needed=_integers_overflow)
def negations_of_unsigned_integers(module):
    """``-x`` of unsigned integers is left as it is.

    local_neg_to_mul() (theano/tensor/opt.py:5057) makes it a product with ``np.array(-1, dtype)``, which is an error
    now, and before gave wrong results where they are cast to a wider type afterwards.
    """
    optimizer = module.local_neg_to_mul
    original = optimizer.transform

    def local_neg_to_mul(node):
        return False if node.inputs[0].dtype in module.theano.tensor.uint_dtypes else original(node)

    optimizer.transform = local_neg_to_mul


@after_importing("theano.tensor.raw_random", needed=_copies_share_a_generator)
def random_states_are_copied(module):
    """Random ops leave the state that they start from alone.

    RandomFunction.perform (theano/tensor/raw_random.py:258) draws from ``copy(r)``, which has come to share its
    generator with ``r``; calls that must repeat a draw drew other numbers.
    """
    module.copy = copy.deepcopy


@after_importing("theano.scalar.basic", needed=lambda: (np.float32(1.0) / 3.0).dtype == np.float32)
def inverse_in_double_precision(module):
    """``T.inv`` of float64 in Python; Inv.impl (theano/scalar/basic.py:2734) is ``np.float32(1.0) / x``."""
    module.Inv.impl = lambda self, x: np.float64(1.0) / x


@after_importing("theano.scalar.basic", needed=_integers_overflow)
def casts_wrap_around(module):
    """``T.cast(300, 'int8')`` in Python and in constant folding; Cast.impl (theano/scalar/basic.py:2346)."""
    original = module.Cast.impl

    def impl(self, input):
        if isinstance(input, int) and _is_integral(self.o_type.dtype):
            return _wrapped(input, self.o_type.dtype)[()]
        return original(self, input)

    module.Cast.impl = impl


@after_importing("theano.tensor.elemwise", needed=_integers_overflow)
def elementwise_integers_wrap_around(module):
    """Results of integer operations that overflow in Python.

    Elemwise.perform (theano/tensor/elemwise.py:803) computes on Python integers where it has no ufunc, and then
    casts them to the dtype of the output.
    """

    def asarray(a, dtype=None, *args, **kwargs):
        array = np.asarray(a)
        if dtype is not None and _is_integral(dtype):
            if array.dtype.kind == "O":
                mask = 2 ** (8 * np.dtype(dtype).itemsize) - 1
                low_bits = np.frompyfunc(lambda value: int(value) & mask, 1, 1)
                return np.asarray(low_bits(array), "uint64").astype(dtype)
            if array.dtype.kind in "iu":
                return array.astype(dtype, copy=False)
        return np.asarray(a, dtype, *args, **kwargs)

    numpy_view(module).asarray = asarray


@after_importing("theano.sandbox.rng_mrg", needed=lambda: _raises((OverflowError,), lambda: np.int32(1) & 0xFFFFFFFF))
def mrg_in_64_bits(module):
    """MRG streams in Python; mrg_next_value (theano/sandbox/rng_mrg.py:288) masks an int32 with 0xffffffff."""
    rewrite(
        module,
        "mrg_next_value",
        ("(x11 - x21 + M1) & mask", "np.int64(x11 - x21 + M1) & mask"),
        ("(x11 - x21) & mask", "np.int64(x11 - x21) & mask"),
    )


def _count_in_64_bits(op):
    original = op.perform

    def perform(self, node, inputs, outputs):
        inputs = list(inputs)
        if len(inputs) == 3:
            inputs[2] = np.asarray(inputs[2], "int64")[()]
        return original(self, node, inputs, outputs)

    op.perform = perform


@after_importing("theano.sandbox.multinomial", needed=lambda: (np.int8(1) * 49).dtype == np.int8)
def multinomial_counts_in_64_bits(module):
    """Multinomial draws in Python.

    perform() of MultinomialFromUniform and of ChoiceFromUniform (theano/sandbox/multinomial.py) multiplies the number
    of samples, an int8 constant, by an index; the product wrapped around.
    """
    _count_in_64_bits(module.MultinomialFromUniform)
    _count_in_64_bits(module.ChoiceFromUniform)
