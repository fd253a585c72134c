"""Who computes: a module for each library, and the list of the ways in which it is used."""

import dataclasses

__all__ = ["Contender", "CONTENDERS", "DEFAULT", "FEWER", "JOBS"]


@dataclasses.dataclass(frozen=True)
class Contender:
    """One way to use a library.

    Parameters
    ----------
    label : str
        What tables call it.
    module : str
        The module of this package that uses it.
    way : str, optional
        Handed to the module.
    env : dict, optional
        Environment variables of its process.
    packages : tuple of str, optional
        Packages whose versions matter.
    """

    label: str
    module: str
    way: str = ""
    env: dict = dataclasses.field(default_factory=dict)
    packages: tuple = ()


_XLA = {"THEANETS_MODE": "XLA"}
_C = {"THEANETS_MODE": "FAST_RUN"}
#: Numbers keep all their digits on GPUs too, as they do in theanets.
_JAX = {
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
_THEANO = ("theanets", "Theano", "downhill")

CONTENDERS = {
    "theanets": Contender("theanets, XLA", "theanets_", "fused", _XLA, (*_THEANO, "jax", "jaxlib")),
    "theanets-batches": Contender("theanets, XLA, batch by batch", "theanets_", "batches", _XLA),
    "theanets-c": Contender("theanets, Theano's C", "theanets_", "fused", _C, ("scipy-openblas32",)),
    "torch": Contender("PyTorch", "torch_", "eager", {}, ("torch",)),
    "torch-compile": Contender("torch.compile", "torch_", "compile", {}, ("torch",)),
    "sklearn": Contender("scikit-learn", "sklearn_", "", {}, ("scikit-learn",)),
    "keras": Contender("Keras on JAX", "keras_", "", {**_JAX, "KERAS_BACKEND": "jax"}, ("keras", "jax")),
    "jax": Contender("JAX by hand", "jax_", "fused", _JAX, ("jax", "jaxlib")),
    "jax-batches": Contender("JAX by hand, batch by batch", "jax_", "batches", _JAX),
    # what theanets sets up for Theano's first compilation, taken away again; by name only.
    "theanets-c-no-header": Contender("Theano's C, no precompiled header", "theanets_", "no-header", _C),
    "theanets-c-dot22scalar": Contender(
        "Theano's C, Dot22Scalar not excluded", "theanets_", "fused", {**_C, "THEANO_FLAGS": "optimizer_excluding="}
    ),
}

#: Those that run unless others are asked for.
DEFAULT = tuple(list(CONTENDERS)[:9])

#: Those of them that run where each point or start takes long.
FEWER = ("theanets", "theanets-c", "torch", "keras", "jax", "jax-batches")

#: Those of them that do jobs, as one who uses the library would.
JOBS = ("theanets", "torch", "sklearn", "keras", "jax")
