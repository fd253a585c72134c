"""A precompiled header: nearly all the time that g++ takes for a module of Theano goes into parsing the same headers.

The header is built once for every combination of Python, NumPy, Theano, compiler and compiler options, and is kept
beside Theano's compiled modules. g++ uses it only in modules compiled with the very options that it was built with;
other modules are compiled without it. It is no part of the key under which Theano caches a module, so that nothing is
compiled again because it came or went.
"""

import contextlib
import hashlib
import logging
import os
import platform
import subprocess
import sys
import tempfile

import numpy as np

_log = logging.getLogger("theanets")

_HEADER = """\
#include <Python.h>
#include <iostream>
#include "theano_mod_helper.h"
#include <math.h>
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>
"""

#: options that every module gets from CLinker.compile_args (theano/gof/cc.py:942)
_BASE = ("-O3", "-fno-math-errno")

#: options of single modules that change nothing in these headers
_HARMLESS = ("-l", "-L", "-Wl,", "-Wno-", "-D")

_MINUTES = 5


def supported(compiler):
    """Whether a compiler takes such a header the way that g++ does.

    Parameters
    ----------
    compiler : str
        Path of a C++ compiler.
    """
    # what macOS calls g++ is Clang, which has rules of its own
    return sys.platform != "darwin" and "clang" not in os.path.basename(compiler)


class Header:
    """The precompiled header for Theano's present settings.

    Parameters
    ----------
    theano : module
        Its configuration and its compiler driver.
    """

    def __init__(self, theano):
        from theano.gof import cmodule

        self._compiler = theano.config.cxx
        self._options = [*_BASE, *cmodule.GCC_compiler.compile_args()]
        self._includes = ["-I" + folder for folder in cmodule.std_include_dirs()]
        compiler = cmodule.GCC_compiler.version_str()
        facts = [sys.version, platform.machine(), np.__version__, theano.__version__, compiler]
        key = hashlib.sha256("\n".join([*facts, *self._options, *self._includes, _HEADER]).encode()).hexdigest()
        self.folder = os.path.join(theano.config.base_compiledir, f"theanets-header-{key[:16]}")
        self.path = os.path.join(self.folder, "theano_modules.h")
        self._compiled = self.path + ".gch"

    @property
    def built(self):
        """Whether the header has been built."""
        return os.path.exists(self._compiled)

    @contextlib.contextmanager
    def building(self):
        """Build the header while the body of the ``with`` statement compiles; a log line says so if that fails."""
        if self.built:
            yield
            return
        with contextlib.ExitStack() as stack:
            try:
                finish = self._start(stack)
            except OSError as error:
                self._give_up(error)
                finish = None
            yield
            if finish is not None:
                try:
                    finish()
                except (OSError, subprocess.TimeoutExpired) as error:
                    self._give_up(error)

    def _start(self, stack):
        os.makedirs(self.folder, exist_ok=True)
        work = stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder))
        self._write_source(work)
        partial = os.path.join(work, "partial.gch")
        errors = stack.enter_context(open(os.path.join(work, "errors"), "w+"))
        command = [self._compiler, "-g", *self._options, *self._includes, "-fvisibility=hidden"]
        command += ["-x", "c++-header", "-o", partial, self.path]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        # waits for it as well where the compilation beside it fails
        stack.callback(process.wait)
        stack.callback(process.kill)

        def finish():
            if process.wait(60 * _MINUTES) == 0:
                os.replace(partial, self._compiled)
            else:
                errors.seek(0)
                self._give_up((errors.read().strip().splitlines() or [f"status {process.returncode}"])[0])

        return finish

    def _write_source(self, work):
        """Write the header itself, once: a process that comes later must find it unchanged."""
        draft = os.path.join(work, "draft.h")
        with open(draft, "w") as source:
            source.write(_HEADER)
        with contextlib.suppress(FileExistsError):
            os.link(draft, self.path)

    def _give_up(self, reason):
        _log.info("no precompiled header, compiling takes about twice as long: %s", reason)

    def fits(self, options):
        """Whether a module compiled with these options can use it.

        Parameters
        ----------
        options : list of str
            Options of one module.
        """
        rest = list(options)
        for option in self._options:
            if option not in rest:
                return False
            rest.remove(option)
        return all(option.startswith(_HARMLESS) for option in rest)

    def use(self, compiler):
        """Let Theano's compiler driver include the header in the modules that it fits.

        Parameters
        ----------
        compiler : class
            GCC_compiler of theano/gof/cmodule.py.
        """
        original = compiler.compile_str

        def compile_str(module_name, src_code, location=None, include_dirs=None, lib_dirs=None, libs=None,
                        preargs=None, py_module=True, hide_symbols=True):  # fmt: skip
            if preargs and hide_symbols and self.fits(preargs) and self.built:
                preargs = ["-include", self.path, *preargs]
            return original(module_name, src_code, location, include_dirs, lib_dirs, libs, preargs, py_module,
                            hide_symbols)  # fmt: skip

        compiler.compile_str = staticmethod(compile_str)
