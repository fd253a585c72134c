"""Python implementations of Ops that current NumPy and SciPy broke."""

import warnings

import numpy as np

from .registry import after_importing
from .rewriting import rewrite


def _lists_are_no_index():
    try:
        np.zeros((2, 2))[[slice(0, 1), slice(0, 1)]]
    except IndexError:
        return True
    return False


@after_importing("theano.tensor.signal.pool", needed=_lists_are_no_index)
def pooling_indexes_with_tuples(module):
    """Lists of slices as an index, gone from NumPy 1.23 on; theano/tensor/signal/pool.py:574, 1511, 2179, 2181."""
    listed = "yk[[region_slices[i][r[i]] for i in xrange(nd)]]"
    tupled = "yk[tuple([region_slices[i][r[i]] for i in xrange(nd)])]"
    rewrite(module.Pool, "perform", (listed, tupled))
    rewrite(module.MaxPoolRop, "perform", (listed, tupled))
    rewrite(module.AveragePoolGrad, "perform", ("gxk[region_slice] +=", "gxk[tuple(region_slice)] +="))


@after_importing("theano.tensor.sort", needed=_lists_are_no_index)
def topk_in_one_order(module):
    """Lists of slices again, and two orders of the same values.

    _topk_py_impl (theano/tensor/sort.py:282) takes values alone from np.partition and values with indices, as in a
    gradient, from np.argpartition; on NumPy 2 the two leave them in different orders.
    """
    rewrite(
        module,
        "_topk_py_impl",
        (
            "zv = np.partition(x, -k, axis=axis)[idx]",
            "zv = np.take_along_axis(x, np.argpartition(x, -k, axis=axis)[tuple(idx)], axis=axis)",
        ),
        ("np.argpartition(x, -k, axis=axis)[idx]", "np.argpartition(x, -k, axis=axis)[tuple(idx)]"),
    )


def _no_itemset():
    try:
        np.zeros(()).itemset(1)
    except AttributeError:
        # the name may still be there, and raise.
        return True
    return False


@after_importing("theano.tensor.blas", needed=_no_itemset)
def gemm_of_scalars(module):
    """``ndarray.itemset``, gone from NumPy 2 on; Gemm.perform (theano/tensor/blas.py:910) with a 0-d output."""
    original = module.Gemm.perform

    def perform(self, node, inputs, outputs, params):
        z, a, x, y, b = inputs
        if z.shape != ():
            return original(self, node, inputs, outputs, params)
        if not params.inplace:
            z = z.copy()
        z[...] = z * a + b * np.dot(x, y)
        outputs[0][0] = z

    module.Gemm.perform = perform


@after_importing("theano.compile.debugmode", needed=_no_itemset)
def debugmode_with_scalars(module):
    """``ndarray.itemset`` again; _Linker.make_all (theano/compile/debugmode.py:2096), for scalars in place."""
    rewrite(
        module._Linker,
        "make_all",
        ("storage_map[r][0].itemset(dr_vals[r][0])", "storage_map[r][0][...] = dr_vals[r][0]"),
    )


@after_importing("theano.printing", needed=lambda: not hasattr(np.ndarray, "tostring"))
def digests_of_arrays(module):
    """``ndarray.tostring``, gone from NumPy 2.3 on; hex_digest (theano/printing.py:1268)."""
    rewrite(module, "hex_digest", ("x.tostring()", "x.tobytes()"))


def _inverse_keeps_shape():
    return np.unique(np.zeros((2, 2)), return_inverse=True)[1].ndim != 1


@after_importing("theano.tensor.extra_ops", needed=_inverse_keeps_shape)
def unique_inverse_is_a_vector(module):
    """The inverse of Unique is declared a vector; NumPy 2 gives it the input's shape (theano/tensor/extra_ops.py)."""
    original = module.Unique.perform

    def perform(self, node, inputs, outputs):
        original(self, node, inputs, outputs)
        if self.return_inverse:
            inverse = outputs[2 if self.return_index else 1]
            inverse[0] = inverse[0].reshape(-1)

    module.Unique.perform = perform


def _unchanged(value):
    return value


def _convolve2d(image, kernel, flip, mode, boundary, fill):
    from scipy import signal

    return signal.convolve2d(image, kernel, mode=mode, boundary=boundary, fillvalue=fill)


def _convolve(*args, **kwargs):
    from scipy import signal

    return signal.convolve(*args, **kwargs)


@after_importing("theano.tensor.nnet.abstract_conv", "theano.tensor.nnet.conv")
def convolution_by_public_functions(module):
    """Convolutions in Python.

    theano/tensor/nnet/abstract_conv.py:27 and conv.py:30 import private names that SciPy moved in 1.8 and swallow
    the ImportError; perform() then says that it requires scipy.signal. The public functions do the same.
    """
    if not module.imported_scipy_signal:
        module._valfrommode = module._bvalfromboundary = _unchanged
        module._convolve2d = _convolve2d
        module.convolve = _convolve
        module.imported_scipy_signal = True


@after_importing("theano.tensor.nnet.opt")
def convolution_without_advice(module):
    """No advice to users about what Theano itself chose.

    local_conv2d_cpu() and its like (theano/tensor/nnet/opt.py:257) put in the function that theano/tensor/nnet/conv.py
    calls deprecated, wherever there is no BLAS; with warnings turned into errors the optimisation fails.
    """
    original = module.conv2d

    def conv2d(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return original(*args, **kwargs)

    module.conv2d = conv2d
