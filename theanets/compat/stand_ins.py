"""Modules and names that stand in for missing or slow ones while Theano is imported, and are gone afterwards."""

import contextlib
import functools
import importlib.util
import logging
import shutil
import sys
import sysconfig
import types
import warnings

import numpy as np

from .registry import after_importing, while_importing
from .rewriting import ModuleView, exists

_TOO_EARLY = "theano.gof.lazylinker_c"


@contextlib.contextmanager
def stand_in(modules):
    """Hold modules in :data:`sys.modules` for a while.

    Parameters
    ----------
    modules : dict of str to module or None
        None makes the import of a module fail.
    """
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in modules.items():
            if sys.modules.get(name, module) is module:
                sys.modules.pop(name, None)
        sys.modules.update(before)


def _module(name, **contents):
    module = types.ModuleType(name)
    vars(module).update(contents)
    return module


def _python_inc(plat_specific=0, prefix=None):
    return sysconfig.get_path("platinclude" if plat_specific else "include")


def _python_lib(plat_specific=0, standard_lib=0, prefix=None):
    if standard_lib:
        return sysconfig.get_path("platstdlib" if plat_specific else "stdlib")
    return sysconfig.get_path("platlib" if plat_specific else "purelib")


def _distutils():
    """The few functions that Theano uses of distutils, over those that replaced them."""
    config = _module(
        "distutils.sysconfig",
        get_config_var=sysconfig.get_config_var,
        get_config_h_filename=sysconfig.get_config_h_filename,
        get_python_version=sysconfig.get_python_version,
        get_python_inc=_python_inc,
        get_python_lib=_python_lib,
    )
    spawn = _module("distutils.spawn", find_executable=shutil.which)
    return _module("distutils", __path__=[], sysconfig=config, spawn=spawn)


def _numpy_distutils():
    """The one function that Theano uses of numpy.distutils, and the table that tells it of no BLAS."""
    utilities = _module("numpy.distutils.misc_util", get_numpy_include_dirs=lambda: [np.get_include()])
    config = _module("numpy.distutils.__config__", blas_opt_info={})
    return _module("numpy.distutils", __path__=[], misc_util=utilities, __config__=config)


_DISTUTILS = _distutils()
_NUMPY_DISTUTILS = _numpy_distutils()


def _tree(*packages):
    names = {}
    for package in packages:
        names[package.__name__] = package
        for value in vars(package).values():
            if isinstance(value, types.ModuleType):
                names[value.__name__] = value
    return names


@while_importing("theano")
def distutils_stand_in():
    """Modules ``distutils`` and ``numpy.distutils``, gone from Python 3.12 on.

    theano/gof/cmodule.py:20, 23, theano/configdefaults.py:531, 1280 and theano/tensor/blas.py:134 import them. The
    stand-ins serve older Pythons as well: there the real ones take a tenth of a second, warn, and lack the table of
    BLAS libraries that default_blas_ldflags() reads.
    """
    with stand_in(_tree(_DISTUTILS, _NUMPY_DISTUTILS)):
        yield


@after_importing("theano.gof.cmodule")
def distutils_of_the_compiler_driver(cmodule):
    """Theano's own view of ``numpy.distutils``, which std_include_dirs() (theano/gof/cmodule.py:1624) needs later."""
    cmodule.distutils = _DISTUTILS
    cmodule.numpy = ModuleView(np)
    cmodule.numpy.distutils = _NUMPY_DISTUTILS


@while_importing("theano.scalar.basic", needed=lambda: "bool" not in vars(np))
def bool_of_numpy():
    """``numpy.bool``, which NumPy 1.24 to 1.26 lack.

    theano/scalar/basic.py:2323 makes a Cast for every dtype with ``getattr(np, 'bool')`` while it is imported.
    """
    np.bool = bool
    try:
        yield
    finally:
        del np.bool


@while_importing("theano.gof.vm")
def lazylinker_not_yet():
    """No compilation during the import.

    theano/gof/vm.py:674 imports lazylinker_c, which compiles itself. It takes an ImportError for "not there" and goes
    on; :mod:`theanets.compat.first_compile` imports it when it is needed.
    """
    with stand_in({_TOO_EARLY: None}):
        yield


@while_importing("theano.scalar.basic_scipy", needed=lambda: "scipy.stats" not in sys.modules)
def scipy_stats_not_yet():
    """No import of ``scipy.stats`` with Theano, which took half of the time.

    theano/scalar/basic_scipy.py:22 imports it for the one function Chi2SF. SciPy imports its subpackages by itself
    when they are asked for as attributes, as that function does.
    """
    with stand_in({"scipy.stats": _module("scipy.stats")}):
        yield


@while_importing("theano.scalar.basic_scipy", needed=lambda: "scipy.special" not in sys.modules)
def scipy_special_not_yet():
    """No import of ``scipy.special`` with Theano, which took a fifth of the time that was left.

    theano/scalar/basic_scipy.py:21 imports it for the Python implementations of Erf, Gamma and the like; those ask
    for it as an attribute of SciPy, too.
    """
    with stand_in({"scipy.special": _module("scipy.special")}):
        yield


@functools.cache
def _function_of_blas(name):
    return getattr(importlib.import_module("scipy.linalg.blas"), name)


def _call_blas(name, *args, **kwargs):
    return _function_of_blas(name)(*args, **kwargs)


class _BlasOnDemand(types.ModuleType):
    """Stands in for ``scipy.linalg.blas``: its functions import the real module when they are called."""

    def __getattr__(self, name):
        # Theano asks for fblas first, a module of old releases of SciPy.
        if name == "fblas" or name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return functools.partial(_call_blas, name)


@while_importing("theano.tensor.blas", needed=lambda: "scipy.linalg" not in sys.modules)
def scipy_linalg_not_yet():
    """No import of ``scipy.linalg`` with Theano.

    theano/tensor/blas.py:163 and theano/tensor/blas_scipy.py:14 make tables of BLAS functions for the Python
    implementations of Gemv and Ger.
    """
    blas = _BlasOnDemand("scipy.linalg.blas")
    with stand_in({"scipy.linalg": _module("scipy.linalg", blas=blas), "scipy.linalg.blas": blas}):
        yield


class _ModuleOnDemand(types.ModuleType):
    """A stand-in for a module, which is imported when an attribute of the stand-in is looked up."""

    def __getattr__(self, name):
        return getattr(importlib.import_module(self.__name__), name)


@while_importing("theano.sparse", needed=lambda: "scipy.sparse" not in sys.modules)
def scipy_without_tools_of_numpy():
    """No import of ``numpy.testing``, ``numpy.f2py``, ``numpy.ma`` and ``numpy.polynomial`` with ``scipy.sparse``.

    theano/sparse/type.py:4 imports scipy.sparse. That imports scipy._lib.array_api_compat.numpy, whose
    ``from numpy import *`` takes every public submodule of NumPy along, as well as what those import (unittest,
    importlib.metadata, charset_normalizer): four times as long as scipy.sparse itself takes, for nothing that is used.
    """
    names = [name for name in ("testing", "f2py", "ma", "polynomial") if name not in vars(np)]
    on_demand = {name: _ModuleOnDemand(f"numpy.{name}") for name in names}
    vars(np).update(on_demand)
    try:
        yield
    finally:
        for name, module in on_demand.items():
            # an import of the real one has put that in its place.
            if vars(np).get(name) is module:
                delattr(np, name)


@while_importing("theano.tensor.nnet.abstract_conv", needed=lambda: "scipy.signal" not in sys.modules)
def scipy_signal_not_yet():
    """No import of ``scipy.signal`` with Theano, which took a tenth of a second.

    theano/tensor/nnet/abstract_conv.py:27 imports private names from it, which are gone;
    :mod:`theanets.compat.python_code` gives the module the public ones.
    """
    with stand_in({"scipy.signal.signaltools": None, "scipy.signal.sigtools": None, "scipy.signal": None}):
        yield


@while_importing("theano.tensor.nnet.conv", needed=lambda: "scipy.signal" not in sys.modules)
def scipy_signal_not_yet_either():
    """No import of ``scipy.signal`` for theano/tensor/nnet/conv.py:30, either."""
    with stand_in({"scipy.signal.signaltools": None, "scipy.signal.sigtools": None, "scipy.signal": None}):
        yield


@while_importing("theano.tests")
def runner_of_tests_not_wanted():
    """No import of ``unittest`` and ``numpy.testing`` for a test runner that cannot be defined anyway.

    theano/tests/__init__.py:4 imports theano/tests/main.py, which fails at the module of nose that NumPy 1.25 dropped.
    """
    with stand_in({"theano.tests.main": None}):
        yield


def _spec_only(name, path=None):
    return importlib.util.find_spec(name)


@while_importing("theano.gpuarray")
def modules_that_gpuarray_names():
    """``pkg_resources``, ``imp`` and ``numpy.linalg.linalg``, which are gone.

    theano/gpuarray/linalg.py:5, 7 and theano/tests/breakpoint.py:3 (by way of theano/gpuarray/opt.py:46) import them;
    theano/sandbox/rng_mrg.py and theano/scan_module/scan_op.py:254 import theano.gpuarray without a GPU too.
    """
    missing = {}
    if "pkg_resources" not in sys.modules:
        # slow and deprecated where it exists, and only its exception is named
        missing["pkg_resources"] = _module("pkg_resources", DistributionNotFound=ImportError)
    if "imp" not in sys.modules:
        missing["imp"] = _module("imp", find_module=_spec_only)
    if not exists("numpy.linalg.linalg"):
        missing["numpy.linalg.linalg"] = _module("numpy.linalg.linalg", LinAlgError=np.linalg.LinAlgError)
    with stand_in(missing):
        yield


class _Quiet(logging.Filter):
    """Drops what Theano logs about a compiler or a BLAS that is missing: theanets says that itself, once."""

    def filter(self, record):
        return record.levelno >= logging.ERROR


@while_importing("theano")
def quiet_import():
    """No warnings about old Python in Theano's sources, and no log lines about a missing compiler or BLAS.

    The lines come from theano/configdefaults.py:585, tensor/blas.py:182 and tensor/blas_headers.py:988.
    """
    loggers = [logging.getLogger(name) for name in ("theano.configdefaults", "theano.tensor.blas")]
    quiet = _Quiet()
    for logger in loggers:
        logger.addFilter(quiet)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(quiet)
