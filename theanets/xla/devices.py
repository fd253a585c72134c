"""Where XLA runs, and where it keeps what it has compiled."""

import contextlib
import functools
import json
import os
import pathlib
import platform
from typing import Any

import jax
import jax.experimental
import jaxlib
import theano

from . import trials

__all__ = ["EIGEN", "compiled", "default", "describe", "enable_x64", "is_surveyed", "precision", "use_cache"]

#: What XLA is told on a CPU for functions with convolutions: to leave them to Eigen in place of YNNPACK, the library
#: that it prefers by now, which takes twice as long for the gradients of filters.
EIGEN = {"xla_cpu_experimental_ynn_fusion_type": ""}

#: What the script benchmarks/survey.py found out: by release of jaxlib and kind of processor.
SURVEYED = pathlib.Path(__file__).with_name("surveyed.json")

#: Options of XLA that have nothing to do with the code that it makes.
HARMLESS = ("--xla_force_host_platform_device_count", "--xla_dump")

#: Context within which 64-bit types exist; the user's own JAX code elsewhere keeps its settings.
enable_x64: Any = jax.enable_x64 if hasattr(jax, "enable_x64") else getattr(jax.experimental, "enable_x64", None)


def default():
    """Return the device that functions run on."""
    chosen = jax.config.jax_default_device
    if chosen is None or isinstance(chosen, str):
        return jax.local_devices(backend=chosen)[0]
    return chosen


def describe():
    """Describe the device that functions run on, for people: ``cpu``, or ``cuda:0 (NVIDIA H100)``."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return "cpu"
    # JAX calls NVIDIA's devices by what they are, not by whose.
    platform = "cuda" if "NVIDIA" in device.device_kind or "cuda" in str(device).lower() else device.platform
    return f"{platform}:{device.id} ({device.device_kind})"


def precision():
    """Context within which products are computed in the declared precision, unless the user told JAX otherwise."""
    if jax.config.jax_default_matmul_precision is not None:
        return contextlib.nullcontext()
    return jax.default_matmul_precision("highest")


def compiled(function, choices=None, **options):
    """Return a function that XLA compiles when it is called first.

    Parameters
    ----------
    function : callable
        What JAX traces.
    choices : dict, optional
        Options of XLA for a CPU, such as :data:`EIGEN`. They are used where this release of XLA was surveyed with them,
        and where compiling this function with them comes to an end in a process that has limits. Default none.
    options : dict
        More arguments of ``jax.jit``.

    Returns
    -------
    theanets.xla.trials.Function
        The function.
    """
    if may_have(choices):
        return trials.Tried(function, choices, options)
    return trials.Function(function, options)


def may_have(choices):
    """Tell whether functions may be compiled with these options."""
    return bool(choices) and jax.devices()[0].platform == "cpu" and is_surveyed(choices) and not flags()


@functools.cache
def surveyed():
    """Return what was surveyed on such processors for the release of XLA in use: a list of dicts of options."""
    try:
        releases = json.loads(SURVEYED.read_text(encoding="utf-8"))
    except OSError:
        return []
    found = releases.get(jaxlib.__version__, {}).get(platform.machine(), {"sets": {}})["sets"]
    return [item["options"] for item in found.values() if not any(part["failed"] for part in item["sections"].values())]


def is_surveyed(choices):
    """Tell whether everything small was compiled with these options by the release of XLA in use."""
    return choices in surveyed()


def flags():
    """Return the options that the user gives XLA, as far as they are about code: a survey says nothing about these."""
    return [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(HARMLESS)]


@functools.cache
def use_cache():
    """Keep what XLA compiles in Theano's compile directory, unless the user told JAX where to."""
    if jax.config.jax_compilation_cache_dir or os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "1").lower() in (
        "0",
        "false",
    ):
        return
    jax.config.update("jax_compilation_cache_dir", os.path.join(theano.config.compiledir, "xla"))
    # by default only what took a second is kept; a network's functions take less, but there are many of them.
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES" not in os.environ:
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
