"""The device that XLA runs on, compiler options for it, and JAX's compilation cache on disk."""

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

from . import forking, selection, trials

__all__ = ["EIGEN", "compiled", "default", "describe", "enable_x64", "is_surveyed", "precision", "use_cache"]

#: Compiler options for functions with convolutions on a CPU: use Eigen instead of YNNPACK, XLA's default library by
#: now, which takes twice as long for the gradients of filters.
EIGEN = {"xla_cpu_experimental_ynn_fusion_type": ""}

#: Results of the script benchmarks/survey.py, by version of jaxlib and architecture.
SURVEYED = pathlib.Path(__file__).with_name("surveyed.json")

#: Prefixes of XLA's flags that have no influence on the compiled code.
HARMLESS = ("--xla_force_host_platform_device_count", "--xla_dump")

#: Context manager that enables 64-bit types in JAX; the user's own JAX code keeps its settings.
enable_x64: Any = jax.enable_x64 if hasattr(jax, "enable_x64") else getattr(jax.experimental, "enable_x64", None)


def default():
    """Return the device that functions run on."""
    chosen = jax.config.jax_default_device
    if chosen is None or isinstance(chosen, str):
        return jax.local_devices(backend=chosen)[0]
    return chosen


def describe():
    """Describe the device that functions run on, for people: ``cpu``, or ``cuda:0 (NVIDIA H100)``."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return "cpu"
    # JAX's name of the platform is "gpu", whoever made the device.
    platform = "cuda" if "NVIDIA" in device.device_kind or "cuda" in str(device).lower() else device.platform
    return f"{platform}:{device.id} ({device.device_kind})"


def precision():
    """Context manager for matrix products in full precision, unless the user has set another precision in JAX."""
    if jax.config.jax_default_matmul_precision is not None:
        return contextlib.nullcontext()
    return jax.default_matmul_precision("highest")


def compiled(function, choices=None, **options):
    """Return a function that JAX traces and XLA compiles at its first call.

    Parameters
    ----------
    function : callable
        The function to be traced.
    choices : dict, optional
        Compiler options of XLA for a CPU, such as :data:`EIGEN`. They are used if this version of XLA was surveyed with
        them, and if a trial compilation of this function with them succeeds (:mod:`~theanets.xla.trials`). Default
        none.
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
    return bool(choices) and jax.local_devices()[0].platform == "cpu" and is_surveyed(choices) and not flags()


def prepare_cores():
    """Let JAX, which must not have started yet, have a device for each core of the processor."""
    is_set = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if jax.config.jax_num_cpu_devices < 1 and not is_set and not forking.is_at_work():
        jax.config.update("jax_num_cpu_devices", selection.cores())


@functools.cache
def surveyed():
    """Return the sets of options that passed the survey for this version of XLA and architecture: a list of dicts."""
    try:
        releases = json.loads(SURVEYED.read_text(encoding="utf-8"))
    except OSError:
        return []
    found = releases.get(jaxlib.__version__, {}).get(platform.machine(), {"sets": {}})["sets"]
    return [item["options"] for item in found.values() if not any(part["failed"] for part in item["sections"].values())]


def is_surveyed(choices):
    """Tell whether these options passed the survey, which compiles many small functions, for this version of XLA."""
    return choices in surveyed()


def flags():
    """Return the user's XLA flags that influence compiled code, which the survey does not cover."""
    return [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(HARMLESS)]


@functools.cache
def use_cache():
    """Set JAX's compilation cache to a folder in Theano's compile directory, unless the user has configured it."""
    if jax.config.jax_compilation_cache_dir or os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "1").lower() in (
        "0",
        "false",
    ):
        return
    jax.config.update("jax_compilation_cache_dir", os.path.join(theano.config.compiledir, "xla"))
    # JAX's default is to cache only what takes a second to compile; a network has many functions that take less.
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES" not in os.environ:
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
