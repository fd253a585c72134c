"""Names of the options of training, by the algorithms and trainers that take them."""

import contextlib
import functools
import inspect
import logging

import downhill
import numpy as np
import theano.tensor as TT

from .. import arguments, util
from ..arguments import Range

__all__ = [
    "algorithms",
    "options_of",
    "keywords",
    "get_algorithm",
    "check_numbers",
    "defaults_of",
    "is_known",
    "numbers_of",
    "prepare",
    "structure_of",
    "with_inputs",
]

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
        "max_gradient_total_norm",
        "average_weights",
        "accumulate",
    ]
)

#: Those that the library adds to downhill's, with their defaults; see :mod:`theanets.trainer.steps`.
ADDED = {"max_gradient_total_norm": 0, "average_weights": 0, "accumulate": 1}

#: Those that are no part of the updates. The learning rate is a shared variable.
OPTIMIZER_SETTINGS = frozenset(["learning_rate", "patience", "validate_every", "min_improvement"])

#: Options of downhill's algorithms that are numbers which updates are computed with: the attribute of an optimizer that
#: holds what an option comes to, and, where Python decides by the number, whether there is anything to compute with it.
NUMBERS = {
    "momentum": ("momentum", lambda number: number != 0),
    "max_gradient_elem": ("max_gradient_elem", lambda number: number > 0),
    "max_gradient_norm": ("max_gradient_norm", lambda number: number > 0),
    "max_gradient_total_norm": ("max_gradient_total_norm", lambda number: number > 0),
    "average_weights": ("average_weights", lambda number: number > 0),
    "accumulate": ("accumulate", lambda number: number > 1),
    "rms_halflife": ("ewma", None),
    "rms_regularizer": ("epsilon", None),
    "beta1_decay": ("beta1_decay", None),
    "beta1_halflife": ("beta1", None),
    "beta2_halflife": ("beta2", None),
    "beta1": ("beta1", None),
    "beta2": ("beta2", None),
    "momentum_decay": ("momentum_decay", None),
    "rprop_increase": ("step_increase", None),
    "rprop_decrease": ("step_decrease", None),
    "rprop_min_step": ("min_step", None),
    "rprop_max_step": ("max_step", None),
}

#: Numbers of which Python asks whether they are above a limit before it computes with them.
ASKED = frozenset(["max_gradient_elem", "max_gradient_norm", *ADDED])

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
GRADIENT_OPTIONS = frozenset(["schedule", "freeze", "class_weight", "checkpoint", "checkpoint_every", "save_best"])

#: Options that trainers do not get to see.
CALL_OPTIONS = frozenset(["progress", "resume", "save_errors", "verbose"])

#: Keywords that describe data rather than training. A ``name`` is accepted, and has no effect.
DATA_KEYWORDS = frozenset(
    [
        "batch_size",
        "train_batches",
        "valid_batches",
        "iteration_size",
        "validation_split",
        "shuffle",
        "axis",
        "name",
    ]
)


#: The range of every option that is a number or a flag. A learning rate of 0 is allowed: training then only
#: measures. With a momentum of 1, steps would never decay.
RANGES = {
    "axis": Range(0, kind="integer"),
    "batch_size": Range(kind="integer"),
    "train_batches": Range(0, kind="integer"),
    "valid_batches": Range(0, kind="integer"),
    "iteration_size": Range(0, kind="integer"),
    "validation_split": Range(0, 1, open_high=True),
    "epochs": Range(0, kind="integer"),
    "max_updates": Range(0, kind="integer"),
    "max_seconds": Range(0),
    "learning_rate": Range(0, open_high=True),
    "momentum": Range(0, 1, open_high=True),
    "nesterov": Range(kind="flag"),
    "patience": Range(0, kind="integer"),
    "validate_every": Range(1, kind="integer"),
    "min_improvement": arguments.FINITE,
    "max_gradient_norm": Range(0, open_high=True),
    "max_gradient_elem": Range(0, open_high=True),
    "max_gradient_total_norm": Range(0, open_high=True),
    "average_weights": Range(0, 1, open_high=True),
    "accumulate": Range(1, kind="integer"),
    "monitor_gradients": Range(kind="flag"),
    "resume": Range(kind="flag"),
    "checkpoint_every": Range(0, open_low=True, open_high=True),
    "save_every": Range(0, open_high=True),
    "rms_halflife": Range(0, open_low=True, open_high=True),
    "rms_regularizer": Range(0, open_high=True),
    "beta1_decay": Range(0, 1),
    "beta1_halflife": Range(0, open_low=True, open_high=True),
    "beta2_halflife": Range(0, open_low=True, open_high=True),
    "beta1": Range(0, 1, open_high=True),
    "beta2": Range(0, 1, open_high=True),
    "momentum_decay": Range(0, open_high=True),
    "memory": Range(1, kind="integer"),
    "rprop_increase": Range(1, open_high=True),
    "rprop_decrease": Range(0, 1, open_low=True),
    "rprop_min_step": Range(0, open_high=True),
    "rprop_max_step": Range(0, open_low=True, open_high=True),
}


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
    """Return the given options of an algorithm that affect its updates and differ from their defaults.

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
        for cls in reversed(algorithm.__mro__)
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


def takes_all(algo):
    """Tell whether each step of an algorithm uses all training data at once; it may be of any kind, or unknown."""
    name = algo.lower() if isinstance(algo, str) else None
    return getattr(algorithms().get(name), "takes_all", False)


def is_known(algorithm):
    """Tell whether it is known what an algorithm makes of its options: a subclass of the user's own may read any."""
    return algorithm.__module__.partition(".")[0] in (downhill.__name__, __package__.partition(".")[0])


def defaults_of(algo):
    """Return the arguments of ``train`` that an algorithm has other defaults for, as a dict."""
    return getattr(algorithms()[algo], "defaults", {})


def structure_of(algorithm, options):
    """Return what of the options of an algorithm decides which updates there are.

    Parameters
    ----------
    algorithm : class
        The algorithm, a subclass of ``downhill.Optimizer``.
    options : dict
        The options that it is given.

    Returns
    -------
    structure : dict
        Options by name. Of a number that updates take as an input there is left, if anything, that it is in use.
    """
    if not is_known(algorithm):
        return dict(options)
    options = {key: value for key, value in options.items() if key not in OPTIMIZER_SETTINGS}
    for option, (_, is_used) in NUMBERS.items():
        if util.is_real(options.get(option)):
            number = options.pop(option)
            if is_used is not None and is_used(number):
                options[option] = True
    return options


def numbers_of(optimizer):
    """Return the numbers that the updates of an optimizer take as inputs, once it has been given its options.

    Parameters
    ----------
    optimizer : downhill.Optimizer
        The optimizer.

    Returns
    -------
    numbers : dict
        Numbers by key, see :class:`theanets.layers.context.Values`.
    """
    if not is_known(type(optimizer)):
        return {}
    held = {name: (vars(optimizer)[name], is_used) for name, is_used in NUMBERS.values() if name in vars(optimizer)}
    found = {name: (_constant(value), is_used) for name, (value, is_used) in held.items()}
    return {
        ("algorithm", name): number
        for name, (number, is_used) in found.items()
        if number is not None and (is_used is None or is_used(number))
    }


def prepare(optimizer, options, rate):
    """Give an optimizer its options, those that the library adds to downhill's included; return its :func:`numbers_of`.

    The expressions that downhill makes of options are kept, and used again for the same ones.

    Parameters
    ----------
    optimizer : downhill.Optimizer
        The optimizer.
    options : dict
        Options of the algorithm.
    rate : theano shared variable
        The learning rate.
    """
    cls, is_heard = type(optimizer), logging.getLogger("downhill").isEnabledFor(logging.DEBUG)
    own = {key: value for key, value in options.items() if key not in ADDED}
    # downhill logs options, and options of a user's optimizer may be anything.
    if is_heard or not is_known(cls) or not all(isinstance(value, (int, float)) for value in own.values()):
        cls._prepare(optimizer, **own, learning_rate=rate)
        numbers = None
    else:
        attributes, numbers = _prepared(cls, tuple(sorted(own.items())))
        vars(optimizer).update(attributes, learning_rate=rate)
    for name, default in ADDED.items():
        value = options.get(name)
        setattr(optimizer, name, default if value is None else value)
    if numbers is None:
        return numbers_of(optimizer)
    added = {name: getattr(optimizer, name) for name in ADDED}
    return {**numbers, **{("algorithm", name): value for name, value in added.items() if NUMBERS[name][1](value)}}


@functools.lru_cache(maxsize=64)
def _prepared(cls, items):
    """Return the attributes of an optimizer with some options, and its numbers, but for :data:`ADDED` ones."""
    bare = cls.__new__(cls)
    bare._prepare(**dict(items), learning_rate=0)
    return vars(bare), numbers_of(bare)


def _constant(value):
    """Return the number that an attribute of an optimizer holds, or None if it holds something else."""
    if util.is_real(value):
        return value
    if getattr(value, "ndim", None) != 0 or not hasattr(value, "type"):
        return None
    try:
        return TT.get_scalar_constant_value(value).item()
    except TT.NotScalarConstantError:
        return None


class _Limit:
    """A number in use, of which it is asked whether it is above zero, or one, before it is computed with."""

    def __init__(self, variable):
        self.variable = variable

    def __gt__(self, other):
        return True

    def _as_TensorVariable(self):
        return self.variable


@contextlib.contextmanager
def with_inputs(optimizer, values):
    """Context in which the updates of an optimizer are made with inputs in the place of its numbers.

    Parameters
    ----------
    optimizer : downhill.Optimizer
        The optimizer, which takes its options within the context.
    values : :class:`theanets.layers.context.Values`
        Gets an input for each number.
    """
    numbers = {}

    def prepare_with_inputs(learning_rate, **options):
        found = prepare(optimizer, options, learning_rate)
        values.add(found)
        for key in found:
            name, variable = key[1], values.variables[key]
            numbers[name] = getattr(optimizer, name)
            setattr(optimizer, name, _Limit(variable) if name in ASKED else variable)

    optimizer._prepare = prepare_with_inputs
    try:
        yield
    finally:
        del optimizer._prepare
        vars(optimizer).update(numbers)


def check_numbers(kwargs):
    """Refuse options of a wrong type, or outside of their range."""
    for key, allowed in RANGES.items():
        if kwargs.get(key) is not None:
            allowed.check(key, kwargs[key])
    low, high = kwargs.get("rprop_min_step"), kwargs.get("rprop_max_step")
    if (0 if low is None else low) > (100 if high is None else high):
        raise util.ConfigurationError(f"rprop_min_step={low!r} is more than rprop_max_step={high!r}")
