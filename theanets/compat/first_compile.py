"""Preparations before Theano compiles its first function, and one log line about what runs where.

The preparations are those that Theano makes in its import: compiled modules of its own, and a check of the compiler.
"""

import functools
import importlib
import logging
import os
import platform
import subprocess
import sys

import numpy as np

from . import blas, headers, registry
from .configuration import UserSettings, compiler_version
from .registry import after_importing, before_first_compile
from .rewriting import rebind

_log = logging.getLogger("theanets")

_NO_COMPILER = (
    "no C++ compiler found: Theano runs in Python, which is slow; install g++ (Debian, Ubuntu: apt install g++ "
    "python3-dev; conda: conda install gxx) and start Python again"
)
_BROKEN_COMPILER = (
    "the C++ compiler %s cannot compile Theano's modules (%s): Theano runs in Python, which is slow; are Python's "
    "headers installed (Debian, Ubuntu: apt install python3-dev)?"
)
_NO_BLAS = "no BLAS for Theano's C code, products of matrices go through NumPy (slower); %s"


@after_importing("theano.compile.function_module")
def watch_for_the_first_function(module):
    """orig_function() (theano/compile/function_module.py:1764) is where theano.function compiles.

    Not get_mode(): that is also called where nothing is compiled, as when a loop is described. FunctionMaker is what
    is called to compile without theano.function.
    """
    original, make = module.orig_function, module.FunctionMaker.__init__

    @functools.wraps(original)
    def orig_function(inputs, outputs, mode=None, *args, **kwargs):
        _prepare(mode)
        # the mode of a single call says nothing about where everything else runs
        if mode is None or mode is _theano().config.mode:
            say_what_runs_where(_theano().compile.mode.get_mode(mode))
        return original(inputs, outputs, mode, *args, **kwargs)

    @functools.wraps(make)
    def __init__(self, inputs, outputs, mode=None, *args, **kwargs):
        _prepare(mode)
        make(self, inputs, outputs, mode, *args, **kwargs)

    rebind(original, orig_function)
    module.FunctionMaker.__init__ = __init__


def _prepare(mode):
    """Do what belongs before the first compilation, if a mode compiles C code."""
    if uses_c(_theano().compile.mode.get_mode(mode)):
        registry.first_compile()


@after_importing("theano.gof.cc")
def watch_for_the_first_module(module):
    """CLinker.make_thunk (theano/gof/cc.py) compiles single Ops without a function, for test values and constants."""
    original = module.CLinker.make_thunk

    def make_thunk(self, *args, **kwargs):
        registry.first_compile()
        return original(self, *args, **kwargs)

    module.CLinker.make_thunk = make_thunk


def uses_c(mode):
    """Tell whether a mode runs C code."""
    theano = _theano()
    linker = getattr(mode, "linker", None)
    python_only = isinstance(linker, theano.gof.PerformLinker) or _describer(mode) is not None
    return bool(theano.config.cxx) and getattr(linker, "c_thunks", not python_only) is not False


def _describer(mode):
    """Return the method by which a linker that is not Theano's own says what runs where; None for Theano's linkers."""
    return getattr(getattr(mode, "linker", None), "describe", None)


def _theano():
    return sys.modules["theano"]


@before_first_compile()
def compiled_modules():
    """The precompiled header, and lazylinker_c, which theano/gof/vm.py:674 imports and runs functions with."""
    theano = _theano()
    if not theano.config.cxx:
        return
    if not _has_compiled(theano):
        problem = _compiler_problem(theano)
        if problem:
            _log.warning(_BROKEN_COMPILER, theano.config.cxx, problem)
            _without_compiler(theano)
            return
    if not headers.supported(theano.config.cxx):
        _import_lazylinker(theano)
        return
    header = headers.Header(theano)
    with header.building():
        _import_lazylinker(theano)
    if header.built:
        header.use(theano.gof.cmodule.GCC_compiler)


def _has_compiled(theano):
    """Whether a module has been compiled with these settings before."""
    folder = os.path.join(theano.config.compiledir, "lazylinker_ext")
    return os.path.exists(os.path.join(folder, f"lazylinker_ext.{theano.gof.cmodule.get_lib_extension()}"))


def _compiler_problem(theano):
    """Why the compiler cannot compile Theano's modules; None if it can, as far as its headers tell."""
    folders = ["-I" + folder for folder in theano.gof.cmodule.std_include_dirs()]
    command = [theano.config.cxx, *folders, "-E", "-x", "c++", "-o", os.devnull, "-"]
    source = "#include <Python.h>\n#include <numpy/arrayobject.h>\n#include <iostream>\n"
    try:
        result = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    if result.returncode == 0:
        return None
    lines = result.stderr.splitlines()
    errors = [line for line in lines if "error" in line] or lines
    return errors[0] if errors else f"status {result.returncode}"


def _import_lazylinker(theano):
    vm = theano.gof.vm
    if hasattr(vm, "CVM"):
        return
    lazylinker = importlib.import_module("theano.gof.lazylinker_c")

    class CVM(lazylinker.CLazyLinker, vm.VM):
        """Runs a function's nodes in C, as the class that theano/gof/vm.py:676 defines does."""

        def __init__(self, *args, **kwargs):
            # VM.__init__ is skipped there as well
            lazylinker.CLazyLinker.__init__(self, *args, **kwargs)

    vm.CVM = CVM


def _without_compiler(theano):
    """Run everything in Python, in a process that was set up for C."""
    theano.config.cxx = ""
    if theano.config.mode == "Mode":
        theano.config.mode = "FAST_COMPILE"
    mode = theano.compile.mode
    for linker in (*mode.predefined_linkers.values(), mode.FAST_RUN.linker):
        if hasattr(linker, "use_cloop"):
            linker.use_cloop = linker.c_thunks = False
    mode.instantiated_default_mode = None
    _once.said = True


class _Once:
    said = False


_once = _Once()


def say_what_runs_where(mode):
    """Log where functions run: one line per process, and a second one where there is no BLAS."""
    if _once.said:
        return
    _once.said = True
    config = _theano().config
    describe = _describer(mode)
    if describe is not None:
        _log.info("%s", describe())
    elif uses_c(mode):
        found = blas.describe(config.blas.ldflags)
        _log.info("Theano C on %s (%s, BLAS: %s)", config.device, _compiler(), found)
        if not config.blas.ldflags:
            _log.warning(_NO_BLAS, _why_no_blas(config))
    elif config.cxx:
        names = [name for name, known in _theano().compile.mode.predefined_modes.items() if known is mode]
        _log.info("Theano in Python: mode %s uses no C code", *names or [config.mode])
    elif UserSettings().get("cxx") == "":
        _log.info("Theano in Python, which is slow: your settings (cxx=) switch its C code off")
    else:
        _log.warning(_NO_COMPILER)


def _why_no_blas(config):
    if UserSettings().get("blas.ldflags") is not None:
        return "your settings (blas.ldflags=) switch it off"
    return "; ".join(filter(None, [blas.find(config.cxx).note, blas.HOW_TO_MEND]))


def _compiler():
    theano = _theano()
    if not theano.config.cxx:
        return "none"
    return f"{os.path.basename(theano.config.cxx)} {compiler_version(theano)}"


def facts():
    """Facts for a bug report; see :func:`theanets.compat.report`."""
    found = {"python": sys.version.split()[0], "platform": platform.platform(), "numpy": np.__version__}
    theano = sys.modules.get("theano")
    if theano is not None:
        config = theano.config
        found.update(
            theano=theano.__version__,
            compiler=_compiler(),
            blas=blas.describe(config.blas.ldflags),
            floatX=config.floatX,
            mode=str(config.mode),
            linker=config.linker,
            optimizer_excluding=config.optimizer_excluding,
            compiledir=config.compiledir,
        )
    found["repairs"] = registry.applied()
    return found
