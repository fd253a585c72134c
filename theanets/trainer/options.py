"""The options of training: which there are, and who uses them."""

import functools
import inspect

import downhill
import numpy as np

from .. import arguments, util

__all__ = ["algorithms", "options_of", "keywords", "get_algorithm", "check_numbers"]

#: Options that every algorithm of downhill takes.
COMMON_OPTIONS = frozenset(
    [
        "learning_rate",
        "momentum",
        "nesterov",
        "patience",
        "validate_every",
        "min_improvement",
        "max_gradient_norm",
        "max_gradient_elem",
    ]
)

#: Those that are no part of the updates. The learning rate is a shared variable.
OPTIMIZER_SETTINGS = frozenset(["learning_rate", "patience", "validate_every", "min_improvement"])

#: Options that say when to stop, what to report, and what to carry on.
LOOP_OPTIONS = frozenset(
    [
        "epochs",
        "max_updates",
        "max_seconds",
        "monitors",
        "monitor_gradients",
        "average",
        "stateful",
        "callbacks",
        "stop_when",
    ]
)

#: Options of training by gradients, whatever the algorithm.
GRADIENT_OPTIONS = frozenset(["schedule", "freeze", "class_weight", "checkpoint", "checkpoint_every"])

#: Options that trainers do not get to see.
CALL_OPTIONS = frozenset(["resume"])

#: Keywords that describe data rather than training. A ``name`` is accepted, and has no effect.
DATA_KEYWORDS = frozenset(["batch_size", "train_batches", "valid_batches", "iteration_size", "shuffle", "axis", "name"])


def algorithms():
    """Return the optimizer classes of downhill by name."""
    return {name: cls for name, cls in downhill.Optimizer._registry.items() if cls is not downhill.Optimizer}


def options_of(algo):
    """Return the names of the options that an algorithm takes beside the common ones."""
    return _options_of(algorithms()[algo])


@functools.lru_cache(maxsize=64)
def _options_of(algorithm):
    names = set()
    for cls in algorithm.__mro__:
        if "_prepare" in vars(cls):
            names.update(inspect.signature(cls._prepare).parameters)
    return frozenset(names - {"self", "kwargs"})


def settings_of(kwargs, algo):
    """Return the options of an algorithm that shape its updates, as far as they are given and are not the defaults.

    Parameters
    ----------
    kwargs : dict
        The arguments of a training.
    algo : str or None
        Name of the algorithm; None for a trainer that has none.

    Returns
    -------
    settings : dict
        Plain values by name.
    """
    names = (COMMON_OPTIONS - OPTIMIZER_SETTINGS) | (options_of(algo) if algo in algorithms() else set())
    defaults = _defaults_of(algorithms().get(algo, downhill.Optimizer))
    found = {key: kwargs[key] for key in sorted(names) if kwargs.get(key) is not None}
    found = {key: value.item() if isinstance(value, np.generic) else value for key, value in found.items()}
    return {key: value for key, value in found.items() if not _is_same(value, defaults.get(key, 0))}


def _is_same(one, two):
    return type(one) in (bool, int, float) and type(two) in (bool, int, float) and one == two


@functools.lru_cache(maxsize=64)
def _defaults_of(algorithm):
    parameters = [
        parameter
        for cls in algorithm.__mro__
        if "_prepare" in vars(cls)
        for parameter in inspect.signature(cls._prepare).parameters.values()
    ]
    return {parameter.name: parameter.default for parameter in parameters}


@arguments.declare_training_keywords
def keywords():
    """Return the set of keywords of ``train`` that are no regularizers."""
    own = set().union(*map(options_of, algorithms()))
    own |= COMMON_OPTIONS | LOOP_OPTIONS | GRADIENT_OPTIONS | CALL_OPTIONS
    return own | DATA_KEYWORDS | set(arguments.OLD_TRAINING)


def get_algorithm(algo):
    """Return the name of an algorithm of downhill in lower case; raise ``ConfigurationError`` if there is none."""
    name = algo.lower() if isinstance(algo, str) else algo
    if name not in algorithms():
        raise util.unknown("training algorithm", algo, [*algorithms(), "layerwise", "pretrain", "sample"])
    return name


def check_numbers(kwargs):
    """Refuse options that are not numbers of the right kind."""
    for key in ("epochs", "max_updates"):
        value = kwargs.get(key)
        if value is not None and (not util.is_int(value) or value < 0):
            raise util.ConfigurationError(f"{key}={value!r}, expected a number of epochs")
    for key, lowest in (("validate_every", 1), ("patience", 0)):
        value = kwargs.get(key)
        if value is not None and (not util.is_int(value) or value < lowest):
            raise util.ConfigurationError(f"{key}={value!r}, expected an integer of {lowest} or more")
    for key in ("learning_rate", "momentum", "min_improvement", "max_gradient_norm", "max_gradient_elem"):
        value = kwargs.get(key)
        if value is not None and not (util.is_real(value) and np.isfinite(value)):
            raise util.ConfigurationError(f"{key}={value!r}, expected a finite number")
    seconds = kwargs.get("max_seconds")
    if seconds is not None and not (util.is_real(seconds) and seconds >= 0):
        raise util.ConfigurationError(f"max_seconds={seconds!r}, expected a number of seconds")
