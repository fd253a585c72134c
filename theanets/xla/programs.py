"""Programs that are kept on disk, under the fingerprints of the graphs that they were made of.

What is kept is what JAX has traced and lowered: StableHLO, as ``jax.export`` writes it. The machine code for it lies in
JAX's own cache.
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
    # jax.export writes by flatbuffers, which JAX does not install by itself.
    importlib.import_module("flatbuffers")
    export: Any = importlib.import_module("jax.export")
except ImportError:
    export = None

__all__ = ["Kept", "compiled"]

_log = logging.getLogger("theanets")

#: JAX's settings that say where compiled code is kept, or what is logged.
HARMLESS = ("jax_compilation_cache", "jax_persistent_cache", "jax_enable_compilation_cache", "jax_log", "jax_dump")

#: What is raised for programs that JAX cannot write, such as those that call Python, and for bytes that it cannot read.
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
    """Return a function that XLA compiles when it is called first, of a program that is read from disk or kept there.

    Parameters
    ----------
    function : callable
        What JAX traces: a function of trees of arrays.
    fgraph : theano FunctionGraph
        The graph that it computes.
    about : tuple
        What else it depends on: numbers, texts, and lists or tuples of them.
    choices, options
        As for :func:`~theanets.xla.devices.compiled`, whose result this is if programs of this graph are not kept.
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
    """A function whose program is read from disk, or kept there.

    Parameters
    ----------
    function : theanets.xla.trials.Function
        What is called.
    make_fresh : callable
        Returns the same, as JAX traces it, for those who look at it.
    """

    def __init__(self, function, make_fresh):
        self.function, self.make_fresh = function, make_fresh
        # without a detour; see Function.call.
        self.call = function.call

    @functools.cached_property
    def fresh(self):
        """The function as if there were no disk."""
        return self.make_fresh()

    @property
    def jitted(self):
        """What ``jax.jit`` makes of the function; what it traces and lowers is as if there were no disk."""
        return _Jitted(self.function, self)

    def lower(self, *arguments):
        """Return what XLA compiles for such arguments, as ``jax.jit`` does."""
        return self.fresh.lower(*arguments)

    def trace(self, *arguments):
        """Return what JAX traces for such arguments, as ``jax.jit`` does."""
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
    """Return a function that JAX traces to the same program."""

    @functools.wraps(function)
    def run(*arguments):
        # JAX calls this for new shapes only.
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
    """Return a program from disk; None if there is none that takes arguments of such types."""
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
    """Return the program for arguments of such types; None if it cannot be written."""
    jitted = jax.jit(function)
    # what goes wrong in tracing is for the caller to see.
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
