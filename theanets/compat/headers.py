"""A precompiled header: nearly all the time that g++ takes for a module of Theano goes into parsing the same headers.

The header is built once for every combination of Python, NumPy, Theano, compiler and compiler options, and is kept
beside Theano's compiled modules. g++ uses it only in modules compiled with the very options that it was built with;
other modules are compiled without it. It is no part of the key under which Theano caches a module, so that nothing is
compiled again because it came or went.
"""

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
        self._process = None
        self._partial = None
        self._errors = None

    @property
    def built(self):
        """Whether it is there."""
        return os.path.exists(self._compiled)

    def start(self):
        """Begin to build it, beside whatever is compiled meanwhile."""
        if self.built:
            return
        try:
            os.makedirs(self.folder, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as source:
                source.write(_HEADER)
            os.replace(source.name, self.path)
            handle, self._partial = tempfile.mkstemp(suffix=".gch", dir=self.folder)
            os.close(handle)
            self._errors = tempfile.TemporaryFile("w+")
            command = [self._compiler, "-g", *self._options, *self._includes, "-fvisibility=hidden"]
            command += ["-x", "c++-header", "-o", self._partial, self.path]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._errors
            )
        except OSError as error:
            self._give_up(error)

    def finish(self):
        """Wait for it to be built.

        Returns
        -------
        built : bool
            False if it could not be built; one log line says so.
        """
        if self._process is not None:
            try:
                status = self._process.wait(60 * _MINUTES)
                if status == 0:
                    os.replace(self._partial, self._compiled)
                else:
                    self._errors.seek(0)
                    self._give_up((self._errors.read().strip().splitlines() or [f"status {status}"])[0])
            except (OSError, subprocess.TimeoutExpired) as error:
                self._process.kill()
                self._give_up(error)
            finally:
                self._errors.close()
                self._process = None
        return self.built

    def _give_up(self, reason):
        if self._partial is not None and os.path.exists(self._partial):
            os.unlink(self._partial)
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
        """Let Theano's compiler driver include it.

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
