"""What a report of a fault should say: ``python -m theanets`` prints versions, devices and modes."""

import importlib.metadata
import os
import platform
import sys

import theano

from . import modes, xla
from ._version import __version__

#: Packages whose versions matter, whether they are installed or not.
PACKAGES = ("Theano", "downhill", "numpy", "scipy", "jax", "jaxlib", "scikit-learn", "matplotlib", "onnx", "torch")


def describe() -> str:
    """Return versions, devices, modes and settings, a line each.

    Examples
    --------
    >>> print(describe())
    theanets ...
    Python   ...
    """
    lines = {
        "theanets": f"{__version__} in {__file__.rpartition('__main__')[0]}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}",
        "system": f"{platform.platform()}, {_processors()}",
    }
    lines.update((name, _version(name)) for name in PACKAGES)
    lines["mode"] = f"{modes.get_mode()} (Theano's own setting: {theano.config.mode})"
    lines["devices"] = _devices()
    lines["floatX"] = theano.config.floatX
    lines["C++"] = theano.config.cxx or "none, which only Theano's own modes need"
    lines["compiledir"] = theano.config.compiledir
    width = max(map(len, lines))
    return "\n".join(f"{name:{width}s}  {text}" for name, text in lines.items())


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processors():
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{count} processors"


def _devices():
    if not xla.is_available():
        return "none, as JAX cannot be imported"
    import jax

    try:
        return ", ".join(f"{device.platform}:{device.id} ({device.device_kind})" for device in jax.devices())
    except RuntimeError as error:
        return f"JAX finds none: {error}"


if __name__ == "__main__":
    print(describe())
