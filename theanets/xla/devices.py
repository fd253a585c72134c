"""Where XLA runs, and where it keeps what it has compiled."""

import contextlib
import functools
import itertools
import math
import os

import jax
import jax.experimental
import theano

__all__ = ["EIGEN", "INLINE", "compiled", "describe", "enable_x64", "largest_product", "precision", "use_cache"]

#: What XLA is told on a CPU where Eigen is quicker than YNNPACK, the library that it prefers by now. With filters of a
#: few channels, as those of the gradients of convolutions are, Eigen takes half the time; and for products of some
#: million multiplications, as those in a step of a loop are, it uses all cores where YNNPACK uses one.
EIGEN = {"xla_cpu_experimental_ynn_fusion_type": ""}

#: The same where matrices may be so small that calling a library takes longer than their product. All that this changes
#: of products is that XLA writes code of its own for the small ones; but convolutions would run on one core.
INLINE = {**EIGEN, "xla_cpu_multi_thread_eigen": False}

#: Context within which 64-bit types exist; the user's own JAX code elsewhere keeps its settings.
enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64


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
        Options of XLA for a CPU, :data:`EIGEN` or :data:`INLINE`. Default none.
    options : dict
        More arguments of ``jax.jit``.
    """
    if choices and jax.devices()[0].platform == "cpu" and knows(**choices):
        options["compiler_options"] = choices
    return jax.jit(function, **options)


@functools.cache
def knows(**choices):
    """Tell whether this release of XLA has these options."""
    try:
        jax.jit(lambda: 0, compiler_options=choices)()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def _as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def largest_product(jaxpr):
    """Return how many multiplications the largest product of matrices in a traced function takes."""
    largest = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, (result,) = equation.invars[0].aval, equation.outvars
            largest = max(largest, result.aval.size * math.prod(left.shape[axis] for axis in contracted))
        for value in itertools.chain.from_iterable(map(_as_tuple, equation.params.values())):
            if hasattr(value, "eqns"):
                largest = max(largest, largest_product(value))
    return largest


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
