"""The mode that the library's functions are compiled by: XLA, or one of Theano's own modes."""

import contextlib
import os
import threading

import theano

from . import util, xla
from .compat import first_compile
from .compat.configuration import UserSettings
from .xla import loading, selection

__all__ = ["COMPILING", "function", "get_mode", "key", "plan", "set_mode", "used"]

#: Environment variable that chooses a mode.
VARIABLE = "THEANETS_MODE"

#: Theano's mode with the fewest rewrites.
FAST_COMPILE = "FAST_COMPILE"

#: The mode in Theano's settings at the time of the import: the user's, Theano's default, or one set by ``compat``.
UNTOUCHED = str(theano.config.mode)


#: Whether Theano uses a GPU by its own code, which is chosen before it is imported, and cannot be changed.
ON_GPU = str(theano.config.device).startswith(("cuda", "gpu", "opencl"))

#: Whether the user has set a mode or a linker for Theano; settings are read once, when Theano is imported.
CONFIGURED = UserSettings().any("mode", "linker")


class _Choice:
    mode = None


#: Lock for compiling one function at a time, as Theano's settings and caches belong to the process.
COMPILING = util.anew_after_fork(threading.RLock())


def _check(mode, where):
    """Return a mode; raise an error for the name of an unknown or unavailable one."""
    if mode is None or isinstance(mode, theano.compile.Mode):
        return mode
    names = sorted({*theano.compile.mode.predefined_modes, "Mode", "DebugMode", "NanGuardMode"})
    if not isinstance(mode, str) or mode not in names:
        raise util.ConfigurationError(f"{where}: mode {mode!r}, expected a Theano mode or one of {', '.join(names)}")
    if mode == xla.NAME and not xla.is_available():
        raise util.ConfigurationError(f"{where}: mode 'XLA' needs JAX: pip install jax")
    return mode


def set_mode(mode: str | theano.compile.Mode | None) -> None:
    """Set the mode that networks are compiled by from now on.

    Functions that are compiled already are compiled again when they are used next. Functions that a user compiles by
    ``theano.function`` are not affected.

    Parameters
    ----------
    mode : str, theano Mode or None
        ``'XLA'``, ``'FAST_RUN'``, ``'FAST_COMPILE'``, or any other mode of Theano's. None goes back to the default,
        which is (the first that applies) the environment variable ``THEANETS_MODE``; a mode, a linker or a GPU that
        was configured in Theano's own settings; XLA, if JAX can be imported; Theano's default.

    Raises
    ------
    ConfigurationError
        If there is no such mode, or if JAX is missing for XLA.

    Examples
    --------
    >>> import theanets
    >>> theanets.set_mode("FAST_COMPILE")
    >>> theanets.get_mode()
    'FAST_COMPILE'
    >>> theanets.set_mode(None)
    """
    _Choice.mode = _check(mode, "set_mode()")


def get_mode() -> str | theano.compile.Mode:
    """Return the mode that networks are compiled by, or its name.

    Returns
    -------
    mode : str or theano Mode
        See :func:`set_mode`.
    """
    if _Choice.mode is not None:
        return _Choice.mode
    # this runs before each prediction: os.environ.get() raises and catches an error for a variable that is not set.
    if VARIABLE in os.environ and os.environ[VARIABLE]:
        return _check(os.environ[VARIABLE], VARIABLE)
    if str(theano.config.mode) != UNTOUCHED:
        return theano.config.mode
    return theano.config.mode if CONFIGURED or ON_GPU or not xla.is_available() else xla.NAME


def _resolved():
    util.check_float_type()
    mode = get_mode()
    if mode == xla.NAME:
        xla.check_process()
    if mode == xla.NAME or mode == theano.config.mode:
        # like Theano's default mode: with the optimizer_including and _excluding of the user's settings.
        with theano.change_flags(mode=mode):
            found = theano.compile.mode.get_mode(None)
    else:
        found = theano.compile.mode.get_mode(mode)
    first_compile.say_what_runs_where(found)
    # graphs for the shapes of all variables take up to half of the time that a loop is compiled in, and few of this
    # mode's rewrites have a use for them.
    return found.excluding("ShapeOpt") if mode == FAST_COMPILE else found


def plan(devices=None, where="set_devices()"):
    """Return the plan of the devices that are asked for, or that the user has chosen.

    Parameters
    ----------
    devices : optional
        As for :func:`theanets.set_devices`. Default: what was chosen there.
    where : str, optional
        What asks for it, for messages.

    Returns
    -------
    plan : theanets.xla.sharding.Plan or None
        None for one device, which is the default.

    Raises
    ------
    ConfigurationError
        If there are no such devices, or if networks do not run by XLA.
    """
    choice = selection.chosen() if devices is None else selection.check(devices, where)
    if choice is None:
        return None
    if get_mode() != xla.NAME:
        raise util.ConfigurationError(
            f"{where}: devices={choice!r}, but the mode is {get_mode()!r}; several devices need 'XLA'"
        )
    xla.check_process()
    return loading.load("sharding").plan_for(choice, where)


def key():
    """Return a cache key for the current mode."""
    mode = get_mode()
    return mode if isinstance(mode, str) else id(mode)


def function(inputs, outputs=None, **kwargs):
    """Compile as ``theano.function`` does, by the mode that the library uses.

    Parameters
    ----------
    inputs, outputs, **kwargs
        As for ``theano.function``.
    """
    with COMPILING:
        mode = _resolved()
        return theano.function(inputs, outputs, mode=mode, **kwargs)


@contextlib.contextmanager
def used():
    """Let ``theano.function`` use the library's mode within this context, for code that does not ask for one."""
    with COMPILING:
        mode = _resolved()
        with theano.change_flags(mode=mode):
            yield
