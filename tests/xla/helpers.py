"""Comparing what XLA computes with Theano's own evaluation."""

import warnings

import numpy as np
import theano
import theano.tensor as TT
from theanets.xla.host import FallbackWarning

#: Theano's Python implementations, with as few rewrites as possible between the graph and its result.
REFERENCE = theano.Mode(
    linker=theano.gof.vm.VM_Linker(use_cloop=False, c_thunks=False),
    optimizer=theano.compile.mode.OPT_FAST_COMPILE.excluding("AbstractConvCheck"),
)


def run(inputs, outputs, arrays, mode="XLA", **kwargs):
    """Compile and call a function of several outputs; a fallback to Theano's own implementation is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FallbackWarning)
        function = theano.function(inputs, outputs, mode=mode, on_unused_input="ignore", **kwargs)
        return function(*arrays)


def agree(inputs, outputs, arrays, rtol=1e-5, atol=1e-6, exact=False):
    """Check that XLA and Theano compute the same values, of the same types and shapes, and return them."""
    return both(inputs, outputs)(*arrays, rtol=rtol, atol=atol, exact=exact)


def both(inputs, outputs):
    """Compile by XLA and by Theano; return a function that checks what :func:`agree` checks, for any arrays."""
    functions = [theano.function(inputs, outputs, mode=mode, on_unused_input="ignore") for mode in ("XLA", REFERENCE)]

    def check(*arrays, rtol=1e-5, atol=1e-6, exact=False):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", FallbackWarning)
            ours, theirs = (function(*arrays) for function in functions)
        for variable, a, b in zip(outputs, ours, theirs):
            assert type(a) is type(b), (variable, type(a), type(b))
            assert (a.dtype, a.shape) == (b.dtype, b.shape), (variable, a.dtype, b.dtype, a.shape, b.shape)
            if exact:
                np.testing.assert_array_equal(a, b, err_msg=str(variable))
            else:
                np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, equal_nan=True, err_msg=str(variable))
        return ours

    return check


def results_of_both(inputs, outputs, arrays):
    """Return what XLA computes, and what Theano does, of the same types and shapes."""
    results = run(inputs, outputs, arrays), run(inputs, outputs, arrays, REFERENCE)
    for variable, a, b in zip(outputs, *results):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), (variable, a.dtype, b.dtype, a.shape, b.shape)
    return results


def weighted_gradients(output, wrt):
    """Gradients of a sum of an expression's elements, each of which has a weight of its own."""
    weights = TT.cos(TT.arange(output.size).reshape(output.shape, ndim=output.ndim)).astype(output.dtype)
    return TT.grad((output * weights).sum(), wrt, disconnected_inputs="ignore")


def agree_with_gradients(inputs, output, arrays, wrt=None, rtol=1e-5, atol=1e-6):
    """Check an expression, and the gradients of a weighted sum of it with regard to all float inputs (or to some)."""
    wrt = [variable for variable in (wrt or inputs) if variable.dtype in TT.float_dtypes]
    return agree(inputs, [output, *weighted_gradients(output, wrt)], arrays, rtol, atol)
