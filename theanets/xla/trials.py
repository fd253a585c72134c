"""Functions compiled by XLA, and trial compilations in a limited worker process of XLA options that are not defaults.

XLA's compiler cannot be interrupted in the process that called it, and with some options it has used up all memory. So,
before a function is compiled with options that are not XLA's defaults, a worker process (:mod:`~theanets.xla.limits`)
compiles the same function within limits of time and memory. If it succeeds, this process takes the compiled code from
JAX's cache. If it fails, or if there is no worker process, the function is compiled with XLA's defaults. The outcome is
kept on disk, for later processes.
"""

import atexit
import contextlib
import ctypes
import functools
import hashlib
import itertools
import json
import logging
import os
import pathlib
import platform
import tempfile
import threading
import time

import jax
import jaxlib
import theano

from .. import util
from .limits import Limited, Limits, Refused, Unavailable

__all__ = ["Function", "NotCompiled", "Tried", "expect"]

_log = logging.getLogger("theanets")

#: Limits of time and memory for compiling one function.
LIMITS = Limits()

#: JAX's settings for its cache of compiled code, which the worker process has to use as well.
CACHE = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
    "jax_compilation_cache_max_size",
)

#: Seconds of compiling after which the memory that it took is given back to the system, which takes a hundredth of a
#: second. XLA's compiler leaves some hundred megabytes to the C library, more than most networks need to be trained.
LONG = 0.3

process = Limited({"JAX_PLATFORMS": "cpu"})
atexit.register(process.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=process.forget)


def expect(description):
    """Start the worker process in advance, if no function of such a description has been compiled on this machine.

    Parameters
    ----------
    description : str
        Some description of the function. It only decides whether the process is started early, and need not be exact.
    """
    path = folder() / (hashlib.sha256(description.encode()).hexdigest() + ".seen")
    if not path.exists():
        try:
            process.start()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except (OSError, Unavailable) as error:
            _log.debug("%s", error)


def folder():
    """Return the folder of the outcomes of trial compilations."""
    return pathlib.Path(theano.config.compiledir, "xla-tried")


class NotCompiled(Exception):
    """Raised for a call with arguments of shapes that a function has not been compiled for."""


class _Compiling(threading.local):
    #: Whether this thread may trace the function, as :meth:`Function.compile` does; False in ordinary calls.
    is_now = False


def compile_lowered(lowered):
    """Let XLA compile what JAX has lowered, and give back the memory that this took."""
    began = time.perf_counter()
    lowered.compile()
    if time.perf_counter() - began > LONG:
        _give_back()


@functools.cache
def _trim():
    """Return the function of the C library that gives free memory back to the system; None if it has none."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return None


def _give_back():
    trim = _trim()
    if trim is not None:
        trim(0)


class Function:
    """A function compiled by XLA with its default options, once for each set of shapes of the arguments.

    :meth:`call` never compiles, which may take seconds, as its callers hold locks: :meth:`compile` does.

    Parameters
    ----------
    function : callable
        The function that JAX traces.
    options : dict
        More arguments of ``jax.jit``.

    Attributes
    ----------
    compiled : int
        How often it has been compiled.
    is_slow : bool
        Whether it was called for shapes that it had not been compiled for. JAX then calls it by a long way in Python
        for these shapes, as it does for all functions whose trace has raised an error.
    """

    def __init__(self, function, options):
        compiling = self.compiling = _Compiling()
        self.is_slow = False

        @functools.wraps(function)
        def traced(*arguments):
            # JAX runs this only while it traces, for new shapes: calls of compiled code do not pay for the check.
            if not compiling.is_now:
                self.is_slow = True
                raise NotCompiled
            return function(*arguments)

        self.traced = traced
        self.jitted = jax.jit(traced, **options)
        self.compiled = 0

    def call(self, arguments, results):
        """Call the function with a tuple of arguments, and append its result to a list.

        Call and append are one bytecode call, so that KeyboardInterrupt cannot come between them: the result would be
        lost after the buffers of arguments have been donated.

        Raises
        ------
        NotCompiled
            If it has not been compiled for such shapes. Nothing has been changed then.
        """
        if not self.compiled and not self.compiling.is_now:
            raise NotCompiled
        results.extend(itertools.starmap(self.jitted, [arguments]))

    def compile_and_call(self, arguments, results):
        """Call the function like :meth:`call`, and compile it first if necessary."""
        with self._tracing():
            self.call(arguments, results)

    def compile(self, arguments):
        """Compile for arguments of such shapes. Exceptions of the trace are raised."""
        with self._tracing():
            compile_lowered(self.jitted.lower(*arguments))
        self.compiled += 1
        if self.is_slow:
            # only the ways of calling are forgotten: neither traces nor compiled code.
            self.is_slow = False
            self.jitted._clear_cache()

    def compile_beside(self, arguments):
        """Trace and lower now, and compile in a background thread; XLA's compiler does not hold the GIL.

        Parameters
        ----------
        arguments : tuple
            Arguments of the shapes to compile for. Exceptions of the trace are raised.

        Returns
        -------
        thread : threading.Thread
            The thread, to be joined before the next call. If it fails, that call compiles again.
        """
        thread = threading.Thread(target=self._compile_lowered, args=(self.lower(*arguments),), name="XLA's compiler")
        self.compiled += 1
        thread.start()
        return thread

    def _compile_lowered(self, lowered):
        try:
            compile_lowered(lowered)
        except jax.errors.JaxRuntimeError as error:
            _log.debug("the next call compiles again: %s", error)

    def __call__(self, *arguments):
        results = []
        try:
            self.call(arguments, results)
        except NotCompiled:
            self.compile(arguments)
            self.compile_and_call(arguments, results)
        return results[0]

    def lower(self, *arguments):
        """Lower the function for such arguments, as functions of ``jax.jit`` do."""
        with self._tracing():
            return self.jitted.lower(*arguments)

    def trace(self, *arguments):
        """Trace the function for such arguments, as functions of ``jax.jit`` do."""
        with self._tracing():
            return self.jitted.trace(*arguments)

    @contextlib.contextmanager
    def _tracing(self):
        before = self.compiling.is_now
        self.compiling.is_now = True
        try:
            with util.compiling():
                yield
        finally:
            self.compiling.is_now = before


class Tried(Function):
    """A function compiled with options of XLA that are not defaults, if a trial compilation with them succeeds.

    Parameters
    ----------
    function : callable
        The function that JAX traces.
    choices : dict
        Options of XLA.
    options : dict
        More arguments of ``jax.jit``.
    """

    def __init__(self, function, choices, options):
        super().__init__(function, options)
        self.plain, self.choices = self.jitted, choices
        self.jitted = jax.jit(self.traced, compiler_options=choices, **options)

    def compile(self, arguments):
        """Compile for arguments of such shapes: with the options if the trial succeeds, otherwise with the defaults."""
        if self.jitted is not self.plain:
            self._try(self.lower(*arguments))
        super().compile(arguments)

    def _try(self, lowered):
        module = lowered.compiler_ir("stablehlo")
        # the generic form loses nothing, so that the worker's module gets the same key in JAX's cache as this one.
        if not is_fine(module.operation.get_asm(print_generic_op_form=True), self.choices, bound(lowered)):
            self.jitted = self.plain

    def _compile_lowered(self, lowered):
        if self.jitted is not self.plain:
            self._try(lowered)
            if self.jitted is self.plain:
                # the options are part of what was lowered, so it cannot be used: the next call compiles without them.
                return
        super()._compile_lowered(lowered)


def bound(lowered):
    """Tell for each argument of a lowered function whether it has a sharding, which is part of JAX's cache key."""
    shardings = lowered._lowering.compile_args.get("in_shardings", ())
    return [type(sharding).__name__ != "UnspecifiedValue" for sharding in shardings]


def is_fine(text, choices, bound=()):
    """Tell whether XLA can compile a module with some options within the limits.

    Parameters
    ----------
    text : str
        The module, as StableHLO.
    choices : dict
        Options of XLA.
    bound : list of bool, optional
        Which of its arguments have a sharding. Default none.
    """
    verdict = Verdict(text, choices)
    if verdict.found is None:
        configuration = {name: getattr(jax.config, name) for name in CACHE if hasattr(jax.config, name)}
        job = dict(options=choices, configuration=configuration, bound=list(bound))
        try:
            process.run("compile_module", job, text.encode(), LIMITS)
        except Unavailable as error:
            _log.debug("XLA's defaults are used, as nothing can be tried: %s", error)
            return False
        except Refused as error:
            _log.warning("XLA's compiler failed with %s, and its defaults are used: %s", choices, error)
            verdict.keep(str(error))
        else:
            verdict.keep("")
    return verdict.found == ""


class Verdict:
    """The outcome of a trial compilation of a module with some options, as kept on disk.

    Parameters
    ----------
    text : str
        The module.
    choices : dict
        The options.

    Attributes
    ----------
    found : str or None
        Why it cannot be compiled; empty if it can; None if it has not been tried.
    """

    def __init__(self, text, choices):
        content = hashlib.sha256(text.encode())
        for part in (sorted(choices.items()), LIMITS, jax.__version__, jaxlib.__version__, processor()):
            content.update(repr(part).encode())
        self.path = folder() / (content.hexdigest() + ".json")
        try:
            self.found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.found = None
        if not isinstance(self.found, str):
            self.found = None

    def keep(self, found):
        """Write the outcome to disk, atomically."""
        self.found = found
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False, encoding="utf-8") as file:
                json.dump(found, file)
            os.replace(file.name, self.path)
        except OSError as error:
            _log.debug("%s", error)


@functools.cache
def processor():
    """Describe the processor, as the code that XLA makes depends on its features."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = [platform.machine(), platform.processor(), cores]
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = {line.partition(":")[::2] for line in file if line.startswith(("model name", "flags", "Features"))}
    except OSError:
        lines = ()
    return found + sorted(lines)
