"""Names that NumPy lost, given back to the modules of Theano that use them and to nobody else."""

import warnings

import numpy as np

from .registry import after_importing
from .rewriting import numpy_view

#: NPY_RAVEL_AXIS, which NumPy 2 takes where NPY_MAXDIMS used to stand for "all axes"
_RAVEL_AXIS = -(2**31)


class _ComplexMeta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, complex)


class _Complex(complex, metaclass=_ComplexMeta):
    """``complex`` that also takes arrays of one element, as it did before NumPy 2.4."""

    def __new__(cls, *parts):
        return complex(*[p.item() if isinstance(p, np.ndarray) and p.size == 1 else p for p in parts])


class _Cast:
    """``numpy.cast``: a function of one array for every dtype."""

    def __getitem__(self, key):
        dtype = np.dtype(getattr(key, "dtype", key))
        return lambda value: np.asarray(value, dtype=dtype)


class _Typed:
    """Names its dtype, as Theano's types do."""

    dtype = "int8"


def _lacks(name):
    return lambda: name not in vars(np)


def _fails(name, use):
    """Whether NumPy lacks a name, or warns about its use."""

    def probe():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                use(getattr(np, name))
            except (AttributeError, DeprecationWarning, KeyError):
                return True
        return False

    return probe


@after_importing("theano.scalar.basic", "theano.tensor.basic", needed=_lacks("complex"))
def name_complex(module):
    """``np.complex``, gone from NumPy 1.24 on.

    theano/tensor/basic.py:381, numpy_scalar(), calls it within ``except Exception``, so that without it no constant is
    a scalar constant, and optimisations are missed in silence; theano/scalar/basic.py:2055, 3712, 3751, 3753 as well.
    """
    numpy_view(module).complex = _Complex


@after_importing("theano.scalar.basic", needed=_lacks("bool"))
def name_bool(module):
    """``np.bool`` for Cast ops made later; theano/scalar/basic.py:2323."""
    numpy_view(module).bool = bool


@after_importing(
    "theano.scalar.basic",
    "theano.tensor.nnet.bn",
    "downhill.adaptive",
    needed=_fails("cast", lambda cast: cast[_Typed()](1)),
)
def name_cast(module):
    """``np.cast``, which NumPy 1.25 and 1.26 do not let be used with types and NumPy 2 lacks.

    theano/scalar/basic.py:2977, 3210, 3280, 3348, 3466, 3538, 3611; theano/tensor/nnet/bn.py:218, 340;
    downhill/adaptive.py:545, which is Adam.
    """
    numpy_view(module).cast = _Cast()


@after_importing("theano.scalar.basic", needed=_fails("product", lambda product: product([1])))
def name_product(module):
    """``np.product``, deprecated in NumPy 1.25 and gone from NumPy 2 on; Mul.impl (theano/scalar/basic.py:1748)."""
    numpy_view(module).product = np.prod


@after_importing("theano.tensor.elemwise", needed=_lacks("sctype2char"))
def name_sctype2char(module):
    """``np.sctype2char``, gone from NumPy 2 on; theano/tensor/elemwise.py:700, Elemwise.prepare_node()."""
    numpy_view(module).sctype2char = lambda sctype: np.dtype(sctype).char


@after_importing(
    "theano.tensor.slinalg",
    "theano.tensor.nnet.conv",
    "theano.tensor.nnet.abstract_conv",
    needed=_lacks("ComplexWarning"),
)
def name_complexwarning(module):
    """``np.ComplexWarning``, in numpy.exceptions from NumPy 2 on.

    theano/tensor/slinalg.py:552, theano/tensor/nnet/conv.py:802, theano/tensor/nnet/abstract_conv.py:2243.
    """
    numpy_view(module).ComplexWarning = np.exceptions.ComplexWarning


@after_importing("theano.tensor.extra_ops", needed=_lacks("MAXDIMS"))
def name_maxdims(module):
    """``np.MAXDIMS``, gone from NumPy 2 on; theano/tensor/extra_ops.py:262, CumOp over all axes."""
    numpy_view(module).MAXDIMS = _RAVEL_AXIS


@after_importing("theano.gof.cc", needed=lambda: hasattr(np, "_core"))
def name_core(module):
    """``np.core``, which is ``np._core`` from NumPy 2 on and warns; theano/gof/cc.py:1381, cmodule_key_variables()."""
    numpy_view(module).core = np._core
