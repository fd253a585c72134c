"""The user's choice of devices, which needs no JAX: :func:`set_devices`, and the plan that a thread works by.

What is chosen becomes a :class:`theanets.xla.sharding.Plan` once JAX has started.
"""

import contextlib
import os
import threading
from collections.abc import Sequence
from typing import Any

from .. import util
from . import forking, loading

__all__ = ["CORES", "asked", "check", "chosen", "current", "set_devices", "within"]

#: Environment variable that chooses devices, as :func:`set_devices` does.
VARIABLE = "THEANETS_DEVICES"

#: The choices that are words.
ALL, CORES = "all", "cores"


class _Choice:
    #: What was set last, or None.
    devices: Any = None

    #: The environment variable, as it was when the library was imported; it is checked where it is used.
    default = os.environ.get(VARIABLE) or None


class _Thread(threading.local):
    #: The plan by which programs that this thread calls are run; None for the default device.
    plan = None

    #: The choice for what this thread computes, in place of that of the process; None for that.
    devices = None


_thread = _Thread()


def check(devices, where):
    """Return a choice of devices in a uniform form: None, a word, a number, or a tuple.

    Raises
    ------
    ConfigurationError
        For anything else.
    """
    if isinstance(devices, str):
        if devices in (ALL, CORES):
            return devices
        names = [name.strip() for name in devices.split(",")]
        if len(names) == 1 and names[0].isdigit():
            return check(int(names[0]), where)
        devices = [int(name) if name.isdigit() else name for name in names]
    if devices is None or util.is_int(devices) and devices > 0:
        return devices if devices is None else int(devices)
    if isinstance(devices, Sequence) and devices and not any(isinstance(item, (bool, float)) for item in devices):
        return tuple(devices)
    raise util.ConfigurationError(
        f"{where}: devices={devices!r}, expected 'all', 'cores', a positive number, a list of devices as JAX names "
        "them, such as [0, 1] or ['cuda:0', 'cuda:1'], or None"
    )


def set_devices(devices: str | int | Sequence[Any] | None) -> None:
    """Choose the devices on which networks are trained, and compute predictions, from now on.

    The examples of each batch are divided among the devices, each of which has all parameters (data parallelism).
    Batches, random numbers and results are the same as on one device, to the rounding of floating-point numbers.

    Parameters
    ----------
    devices : str, int, list or None
        ``'all'``: all devices that JAX sees, those of other processes of a distributed program included. A number: so
        many of them. A list: devices as JAX names them, by their numbers (``[0, 1]``), their names
        (``['cuda:0', 'cuda:1']``) or as JAX's own objects. ``'cores'``: the cores of the processor, for networks that
        gain by it, such as recurrent ones; JAX must not have started yet. None: the default, which is the environment
        variable ``THEANETS_DEVICES``, or one device if that is not set.

    Raises
    ------
    ConfigurationError
        For anything else, and for ``'cores'`` once JAX has started with one device. Devices that do not exist are
        refused where they are used.

    Examples
    --------
    >>> import theanets
    >>> theanets.set_devices("all")
    >>> theanets.set_devices(None)
    """
    devices = check(devices, "set_devices()")
    if devices == CORES:
        start_cores()
    _Choice.devices = devices


def chosen():
    """Return the choice of devices, as :func:`check` does; None for the default device."""
    found = _thread.devices or _Choice.devices
    return check(_Choice.default, VARIABLE) if found is None and _Choice.default else found


@contextlib.contextmanager
def asked(devices, where):
    """Context manager within which a choice is that of this thread; None leaves the choice as it is.

    Parameters
    ----------
    devices : optional
        As for :func:`set_devices`.
    where : str
        What asks for it, for messages.
    """
    before, _thread.devices = _thread.devices, check(devices, where) or _thread.devices
    try:
        yield
    finally:
        _thread.devices = before


def start_cores():
    """Let JAX have a device for each core of the processor.

    Raises
    ------
    ConfigurationError
        If JAX has started already, with fewer devices.
    """
    if not forking.is_at_work():
        loading.load("devices").prepare_cores()
    count = loading.load("sharding").count_cores()
    if count < 2 and cores() > 1:
        raise util.ConfigurationError(
            "devices='cores': JAX has started already, with one device for the whole processor; call "
            "theanets.set_devices('cores') before anything is trained or computed, or set THEANETS_DEVICES=cores"
        )


def cores():
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def current():
    """Return the plan by which programs that this thread calls are run; None for the default device."""
    return _thread.plan


@contextlib.contextmanager
def within(plan):
    """Context manager within which programs that this thread calls are run by a plan."""
    before, _thread.plan = _thread.plan, plan
    try:
        yield
    finally:
        _thread.plan = before
