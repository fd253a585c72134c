"""Cache of lowered programs on disk; the cache key is the fingerprint of the graph that was lowered.

Files contain the StableHLO to which JAX has lowered its trace, serialized by ``jax.export``. The machine code that XLA
compiles it to is in JAX's own compilation cache.
"""

import functools
import hashlib
import importlib
import json
import logging
import os
import struct
from typing import Any

import jax
import jaxlib

from . import devices, folder
from .postponed import origin_of
from .values import SparseArray

try:
    # jax.export needs flatbuffers, which is not among the dependencies of JAX.
    importlib.import_module("flatbuffers")
    export: Any = importlib.import_module("jax.export")
except ImportError:
    export = None

__all__ = ["Kept", "compiled"]

_log = logging.getLogger("theanets")

#: Prefixes of JAX's settings that have no influence on programs, and are not part of the cache key.
HARMLESS = ("jax_compilation_cache", "jax_persistent_cache", "jax_enable_compilation_cache", "jax_log", "jax_dump")

#: Errors raised for programs that JAX cannot serialize, such as those that call Python, and for invalid files.
FAILURES = (NotImplementedError, ValueError, TypeError, LookupError, struct.error)


if export is not None:
    export.register_pytree_node_serialization(
        SparseArray,
        serialized_name="theanets.SparseArray",
        serialize_auxdata=lambda about: json.dumps(about).encode(),
        deserialize_auxdata=lambda data: tuple(
            tuple(item) if isinstance(item, list) else item for item in json.loads(bytes(data))
        ),
    )


def compiled(function, fgraph, about, choices=None, **options):
    """Return a function that XLA compiles at its first call, from a lowered program that is cached on disk.

    Parameters
    ----------
    function : callable
        The function that JAX traces if the program is not on disk. Its arguments are pytrees of arrays.
    fgraph : theano FunctionGraph
        The graph that it computes.
    about : tuple
        The rest of the cache key, all that it depends on beside the graph: numbers, strings, and lists or tuples of
        them.
    choices, options
        As for :func:`~theanets.xla.devices.compiled`, whose result is returned if programs of this graph are not
        cached.
    """
    origin, place = origin_of(fgraph), folder.current()
    if origin is None or place is None or export is None:
        return devices.compiled(function, choices, **options)
    read = _kept(function, origin, place, about)
    return Kept(
        devices.compiled(read, choices, **options),
        functools.partial(devices.compiled, function, choices, **options),
    )


class Kept:
    """A compiled function whose lowered program is read from disk, or written there.

    Parameters
    ----------
    function : theanets.xla.trials.Function
        The function that calls run.
    make_fresh : callable
        Returns the same function without the cache, for callers that inspect its trace or its lowered code.
    """

    def __init__(self, function, make_fresh):
        self.function, self.make_fresh = function, make_fresh
        # the bound method itself, as no Python may run around it; see Function.call.
        self.call = function.call

    @functools.cached_property
    def fresh(self):
        """The function without the cache on disk: its trace is that of the graph."""
        return self.make_fresh()

    @property
    def jitted(self):
        """The function as ``jax.jit`` returns it; ``trace`` and ``lower`` do not use the cache on disk."""
        return _Jitted(self.function, self)

    def lower(self, *arguments):
        """Lower the function for such arguments, as functions of ``jax.jit`` do."""
        return self.fresh.lower(*arguments)

    def trace(self, *arguments):
        """Trace the function for such arguments, as functions of ``jax.jit`` do."""
        return self.fresh.trace(*arguments)

    def __getattr__(self, name):
        if name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)


class _Jitted:
    def __init__(self, function, kept):
        self._function, self._kept = function, kept

    def trace(self, *arguments):
        return self._kept.fresh.jitted.trace(*arguments)

    def lower(self, *arguments):
        return self._kept.fresh.jitted.lower(*arguments)

    def __getattr__(self, name):
        if name.startswith("_function"):
            raise AttributeError(name)
        return getattr(self._function.jitted, name)


def _kept(function, origin, place, about):
    """Return a function equivalent to a given one, whose trace calls the program on disk."""

    @functools.wraps(function)
    def run(*arguments):
        # JAX calls this only while it traces, for new shapes.
        arguments, tree = jax.tree.flatten(arguments)
        types = [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in arguments]
        name = origin.fingerprint + _digest((about, str(tree), [(item.shape, str(item.dtype)) for item in types]))
        arguments, types = jax.tree.unflatten(tree, arguments), jax.tree.unflatten(tree, types)
        program = _read(place, name, types)
        if program is None:
            program = _make(function, types)
            if program is None:
                return function(*arguments)
            _write(place, name, program)
        return program.call(*arguments)

    return run


def _digest(about):
    settings = {
        name: getattr(jax.config, name, None) for name in sorted(jax.config.values) if not name.startswith(HARMLESS)
    }
    device = jax.local_devices()[0]
    about = about, settings, jax.__version__, jaxlib.__version__, device.platform, device.device_kind
    about = *about, jax.device_count(), os.environ.get("XLA_FLAGS", "")
    return hashlib.sha256(repr(about).encode()).hexdigest()


def _read(place, name, types):
    """Read a program from disk; None if there is none that takes arguments of such types."""
    found = place.read(name)
    if found is None:
        return None
    try:
        program = export.deserialize(bytearray(found[1]))
    except FAILURES as error:
        _log.debug("a program cannot be read: %s", error)
        return None
    leaves, tree = jax.tree.flatten((types, {}))
    expected = [(item.shape, item.dtype) for item in leaves]
    is_right = program.in_tree == tree and [(item.shape, item.dtype) for item in program.in_avals] == expected
    return program if is_right else None


def _make(function, types):
    """Lower the function to a program for arguments of such types; None if it cannot be serialized."""
    jitted = jax.jit(function)
    # outside of the try, as the caller handles errors of the trace.
    jitted.trace(*types)
    try:
        return export.export(jitted)(*types)
    except FAILURES as error:
        _log.debug("a program cannot be kept: %s", error)
        return None


def _write(place, name, program):
    try:
        place.write(name, {}, bytes(program.serialize()))
    except FAILURES as error:
        _log.debug("a program cannot be kept: %s", error)
