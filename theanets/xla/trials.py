"""A seat belt: functions are compiled with options of XLA's only if that is known to come to an end.

XLA's compiler cannot be interrupted in the process that called it, and there have been options for which it took memory
without end. So, before a function is compiled with options that are not XLA's defaults, a process of its own
(:mod:`~theanets.xla.limits`) compiles the same function within limits of time and memory. If it can, what it has made
lies in JAX's cache, and this process takes it from there. If it cannot, or if there is no such process, the function
gets XLA's defaults. What was found out is kept on disk, for the next time.
"""

import atexit
import contextlib
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

import jax
import jaxlib
import theano

from .limits import Limited, Limits, Refused, Unavailable

__all__ = ["Function", "NotCompiled", "Tried", "expect"]

_log = logging.getLogger("theanets")

#: What compiling one function may take.
LIMITS = Limits()

#: JAX's settings that say where compiled code is kept.
CACHE = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
    "jax_compilation_cache_max_size",
)

process = Limited({"JAX_PLATFORMS": "cpu"})
atexit.register(process.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=process.forget)


def expect(description):
    """Start the process by the time that it is needed, if functions of such a description were never compiled here.

    Parameters
    ----------
    description : str
        What makes it a new function: nothing depends on it but when the process starts.
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
    """Return where is written down what was found out."""
    return pathlib.Path(theano.config.compiledir, "xla-tried")


class NotCompiled(Exception):
    """A function is called with arguments of shapes that it has not been compiled for."""


class _Compiling(threading.local):
    #: Whether this thread is compiling a function; in a call it is not.
    is_now = False


class Function:
    """A function that XLA compiles with its defaults, once for all arguments of the same shapes.

    A call never compiles, which may take seconds, as callers hold locks: :meth:`compile` does.

    Parameters
    ----------
    function : callable
        What JAX traces.
    options : dict
        More arguments of ``jax.jit``.

    Attributes
    ----------
    compiled : int
        How often it has been compiled.
    """

    def __init__(self, function, options):
        compiling = self.compiling = _Compiling()

        @functools.wraps(function)
        def traced(*arguments):
            # JAX traces for new shapes only: where it knows them, this costs nothing.
            if not compiling.is_now:
                raise NotCompiled
            return function(*arguments)

        self.traced = traced
        self.jitted = jax.jit(traced, **options)
        self.compiled = 0

    def call(self, arguments, results):
        """Call it with a tuple of arguments, and append what it returns to a list.

        That is one step for Python, so that Ctrl-C cannot come between the two: the memory of arguments may be gone.

        Raises
        ------
        NotCompiled
            If it has to be compiled before. Nothing has happened then.
        """
        results.extend(itertools.starmap(self.jitted, [arguments]))

    def compile_and_call(self, arguments, results):
        """The same, and compile if that is needed."""
        with self._tracing():
            self.call(arguments, results)

    def compile(self, arguments):
        """Compile for arguments of such shapes; what goes wrong in tracing goes wrong here."""
        with self._tracing():
            self.jitted.lower(*arguments).compile()
        self.compiled += 1

    def compile_beside(self, arguments):
        """Trace now, and let XLA compile in a thread beside the caller: it holds no lock of Python's meanwhile.

        Parameters
        ----------
        arguments : tuple
            Arguments of the shapes to compile for; what goes wrong in tracing goes wrong here.

        Returns
        -------
        thread : threading.Thread
            To be waited for before the next call, which compiles by itself whatever this one could not.
        """
        thread = threading.Thread(target=self._compile_lowered, args=(self.lower(*arguments),), name="XLA's compiler")
        thread.start()
        return thread

    def _compile_lowered(self, lowered):
        try:
            lowered.compile()
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
        """Return what XLA compiles for such arguments, as ``jax.jit`` does."""
        with self._tracing():
            return self.jitted.lower(*arguments)

    def trace(self, *arguments):
        """Return what JAX traces for such arguments, as ``jax.jit`` does."""
        with self._tracing():
            return self.jitted.trace(*arguments)

    @contextlib.contextmanager
    def _tracing(self):
        before = self.compiling.is_now
        self.compiling.is_now = True
        try:
            yield
        finally:
            self.compiling.is_now = before


class Tried(Function):
    """A function that XLA compiles with options, where that is known to come to an end.

    Parameters
    ----------
    function : callable
        What JAX traces.
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
        """Compile for arguments of such shapes, with the options if they are fine; otherwise with XLA's defaults."""
        if self.jitted is not self.plain:
            self._try(self.lower(*arguments))
        super().compile(arguments)

    def _try(self, lowered):
        module = lowered.compiler_ir("stablehlo")
        # in the form that keeps everything, so that JAX's cache takes it for the same when it is read again.
        if not is_fine(module.operation.get_asm(print_generic_op_form=True), self.choices, bound(lowered)):
            self.jitted = self.plain

    def _compile_lowered(self, lowered):
        if self.jitted is not self.plain:
            self._try(lowered)
            if self.jitted is self.plain:
                # what was lowered has the options. The next call finds that there are none any more.
                return
        super()._compile_lowered(lowered)


def bound(lowered):
    """Tell for each argument of what JAX has lowered whether it is bound to a device: JAX's cache tells them apart."""
    shardings = lowered._lowering.compile_args.get("in_shardings", ())
    return [type(sharding).__name__ != "UnspecifiedValue" for sharding in shardings]


def is_fine(text, choices, bound=()):
    """Tell whether XLA can compile a module within limits.

    Parameters
    ----------
    text : str
        The module.
    choices : dict
        Options of XLA.
    bound : list of bool, optional
        Which of its arguments are bound to a device. Default none.
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
    """What is known of a function and options, from earlier processes on this machine.

    Parameters
    ----------
    text : str
        The module.
    choices : dict
        The options.

    Attributes
    ----------
    found : str or None
        Why it cannot be compiled; empty if it can; None if nothing is known.
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
        """Write down what was found out, whole or not at all."""
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
    """Describe the processor: XLA's code depends on what it can do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = [platform.machine(), platform.processor(), cores]
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = {line.partition(":")[::2] for line in file if line.startswith(("model name", "flags", "Features"))}
    except OSError:
        lines = ()
    return found + sorted(lines)
