"""C code that current Python and NumPy headers do not compile, or compile to something else."""

import hashlib
import logging
import re
import sys

import numpy as np

from .registry import after_importing
from .rewriting import mark_version, rewrite, substitute_in_c

_log = logging.getLogger("theanets")

_NUMPY_2 = int(np.__version__.split(".")[0]) >= 2

#: what NumPy's npy_3kcompat.h and the old API defined; needs no header file of its own
DEFINES = (
    "-DNPY_TARGET_VERSION=NPY_2_0_API_VERSION",
    "-DNPY_PY3K=1",
    "-DPyInt_Check=PyLong_Check",
    "-DPyInt_AsLong=PyLong_AsLong",
    "-DPyInt_FromLong=PyLong_FromLong",
    "-DPyInt_AS_LONG=PyLong_AsLong",
    "-DPyNumber_Int=PyNumber_Long",
    "-DPyString_Check=PyUnicode_Check",
    "-DPyString_FromString=PyUnicode_FromString",
    "-DPyString_AsString=PyUnicode_AsUTF8",
)


def defines():
    """Compiler options without which Theano's C code does not compile here.

    Returns
    -------
    options : list of str
        NumPy 2 has no NPY_PY3K, PyInt_* and PyString_*, and hides PyArray_Descr unless told a target version;
        theano/gof/c_code/lazylinker_c.c, theano_mod_helper.h and most Ops use them.
    """
    return list(DEFINES) if _NUMPY_2 else []


def _numpy_2():
    return _NUMPY_2


@after_importing("theano.tensor.basic", needed=_numpy_2)
def argmax_over_all_axes(module):
    """NPY_MAXDIMS no longer stands for "all axes".

    c_code of MaxAndArgmax and of Argmax (theano/tensor/basic.py:1349, 1556): "axis 64 is out of bounds".
    """
    for op in (module.MaxAndArgmax, module.Argmax):
        substitute_in_c(op, "c_code", _ravel_axis)


@after_importing("theano.tensor.extra_ops", needed=_numpy_2)
def cumulation_over_all_axes(module):
    """NPY_MAXDIMS in c_code of CumOp (theano/tensor/extra_ops.py:262), as in that of Argmax."""
    substitute_in_c(module.CumOp, "c_code", _ravel_axis)


def _ravel_axis(code):
    return code.replace("NPY_MAXDIMS", "NPY_RAVEL_AXIS")


@after_importing("theano.tensor.subtensor", needed=_numpy_2)
def gradient_of_indexing_in_python(module):
    """PyArrayMapIterObject is gone from NumPy's API.

    c_code of AdvancedIncSubtensor1 (theano/tensor/subtensor.py), the gradient of ``x[indices]``, iterates with it.
    Its perform() does the same with np.add.at.
    """

    def c_code(self, *args, **kwargs):
        raise NotImplementedError("AdvancedIncSubtensor1 runs in Python on NumPy 2")

    module.AdvancedIncSubtensor1.c_code = c_code


@after_importing("theano.tensor.blas", needed=lambda: np.zeros((0, 3)).strides == (0, 0) or _NUMPY_2)
def products_of_empty_matrices(module):
    """An empty matrix, such as an empty batch, has strides of zero.

    GemmRelated (theano/tensor/blas.py:651) then finds that "some matrix has no unit stride". One without elements
    counts as having it, and no leading dimension is zero.
    """
    gemm = module.GemmRelated
    gemm.encode_strides_in_unit = re.sub(
        r"S([xyz])\[1\] == type_size",
        r"N\1[0] == 0 || N\1[1] == 0 || S\1[1] == type_size",
        gemm.encode_strides_in_unit,
    )
    gemm.compute_strides = re.sub(r"\(N([xyz])\[([01])\] > 1\)", r"(N\1[\2] > 1 && S\1[\2] != 0)", gemm.compute_strides)
    mark_version(gemm, "build_gemm_version")


@after_importing("theano.scalar.basic", needed=_numpy_2)
def complex_numbers_with_members(module):
    """Complex numbers in C with members ``real`` and ``imag``.

    Scalar.c_support_code (theano/scalar/basic.py:513) derives its complex types from npy_complex64 and
    npy_complex128, which have become C99 types without members. Two members of the same layout serve.
    """

    def with_members(match):
        bits = int(match.group(1))
        return f"struct theano_complex{bits} {{ npy_float{bits // 2} real; npy_float{bits // 2} imag;"

    pattern = re.compile(r"struct theano_complex(\d+) : public npy_complex\d+\s*\{")
    substitute_in_c(module.Scalar, "c_support_code", lambda code: pattern.sub(with_members, code))


@after_importing("theano.scan_module.scan_op")
def loops_of_second_derivatives(module):
    """Scan keeps a separate list of written steps for each value that a loop accumulates.

    The derivative of a gradient, as ESGD needs it, has some of these lists twice (Scan.R_op,
    theano/scan_module/scan_op.py). Scan.make_thunk takes steps out of them, having copied both in one call of
    deepcopy(), so that they still are one list: "list.remove(x): x not in list".
    """
    rewrite(
        module.Scan,
        "make_thunk",
        ("copy.deepcopy(self.mit_mot_out_slices)", "[list(steps) for steps in self.mit_mot_out_slices]"),
    )


@after_importing("theano.scan_module.scan_op", needed=lambda: _NUMPY_2 or sys.version_info >= (3, 11))
def scan_loops_in_python(module):
    """The loop of Scan in Python where its C extension cannot be built.

    theano/scan_module/c_code/scan_perform.c is the output of an old Cython, which uses CPython's internals and
    NumPy's old API. Scan.make_thunk (theano/scan_module/scan_op.py:925) falls back on an ImportError, but not on the
    error of a compiler.
    """
    sys.modules["theano.scan_module.scan_perform_ext"] = None
    original = module.Scan.make_thunk
    said = []

    def make_thunk(self, node, storage_map, compute_map, no_recycling, impl=None):
        if not said and impl != "py" and module.theano.config.cxx:
            said.append(True)
            _log.info(
                "theano.scan: the loop itself runs in Python, its body is compiled "
                "(the C loop of Theano 1.0.5 cannot be built for this Python and NumPy)"
            )
        return original(self, node, storage_map, compute_map, no_recycling, impl)

    module.Scan.make_thunk = make_thunk


@after_importing("theano.gof.op")
def versions_that_outlive_the_process(module):
    """Modules of Ops with their C code in files, such as DimShuffle, are found in the cache again.

    COp.c_code_cache_version (theano/gof/op.py:1425) takes the hash of the code for its version; Python 3 hashes
    strings differently in every process, so that these modules were compiled again by every process.
    """

    def c_code_cache_version(self):
        digest = hashlib.sha256("\0".join(self.func_codes).encode()).hexdigest()
        version = (int(digest[:15], 16),)
        if hasattr(self, "params_type"):
            version += (self.params_type.c_code_cache_version(),)
        return version

    module.COp.c_code_cache_version = c_code_cache_version


@after_importing("theano.gof.cc")
def versions_of_ops_without_properties(module):
    """Modules of Ops with ``__props__ = ()``, such as Dot22, are found in the cache again.

    CLinker.cmodule_key_ (theano/gof/cc.py:1454) makes the properties a part of the version, and takes an empty part
    for "has no version": these modules were deleted on exit and compiled again by every process.
    """
    rewrite(module.CLinker, "cmodule_key_", ("append(node.op.__props__)", "append(node.op.__props__ or ('',))"))
