"""Hardware and versions."""

import datetime
import importlib.metadata
import os
import platform

__all__ = ["describe", "cores"]


def cores():
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            names = {line.split(":", 1)[1].strip() for line in file if line.startswith("model name")}
        return ", ".join(sorted(names)) or platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def _graphics():
    """Return the name of the GPU that JAX computes on."""
    import jax

    return jax.devices()[0].device_kind


def describe(threads, device, packages):
    """Return date, hardware and versions as a dict.

    Parameters
    ----------
    threads : int
        Number of threads that contenders use.
    device : str
        ``cpu`` or ``gpu``.
    packages : iterable of str
        Packages whose versions matter; those that are not installed are left out.
    """
    versions = {"Python": platform.python_version()}
    for package in sorted({*packages, "numpy"}, key=str.lower):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "theanets" not in versions:
        # run from a checkout.
        import theanets

        versions["theanets"] = theanets.__version__
    hardware = f"{_processor()}, {threads} core{'s' * (threads != 1)}"
    if device == "gpu":
        hardware += f", {_graphics()}"
    return dict(
        date=datetime.date.today().isoformat(),
        hardware=hardware,
        system=f"{platform.system()} {platform.machine()}",
        versions=versions,
    )
