"""Keyword arguments: which ones are known, what they used to be called, and what to say about the others.

No keyword is swallowed in silence. One that nobody uses is an error that names the nearest valid ones; a spelling of
an older release still works, with a ``DeprecationWarning`` that names today's; and one that cannot be honoured any
more is answered with what to write instead.
"""

import inspect
from collections.abc import Callable

from . import util

#: Spellings of older releases for arguments of ``train`` and ``itertrain``.
OLD_TRAINING = {
    "algorithm": "algo",
    "gradient_clip": "max_gradient_elem",
    "max_gradient_clip": "max_gradient_elem",
    "optimize": "algo",
    "train_set": "train",
    "valid_set": "valid",
}

#: Spellings of older releases for regularizers, wherever those are accepted.
OLD_REGULARIZERS = {
    "hid_l1": "hidden_l1",
    "hidden_dropouts": "hidden_dropout",
    "hidden_noises": "hidden_noise",
    "hiddens_l1": "hidden_l1",
    "input_dropouts": "input_dropout",
    "input_noises": "input_noise",
    "l1": "weight_l1",
    "l2": "weight_l2",
    "output_dropouts": "output_dropout",
    "output_noises": "output_noise",
    "weights_l1": "weight_l1",
    "weights_l2": "weight_l2",
}

#: What to write for arguments of ``train`` that other libraries have.
HINTS_TRAINING = {
    "decay": "write schedule='exponential'",
    "learning_rate_decay": "write schedule='exponential'",
    "learning_rate_schedule": "write schedule=",
    "lr": "write learning_rate=",
    "lr_schedule": "write schedule=",
    "early_stopping": "see patience= and stop_when=",
    "frozen": "write freeze=",
    "resume": "write checkpoint='path'",
    "sample_weight": "make the model with weighted=True, and give weights after the targets: train([x, y, weights])",
}

#: Arguments of model constructors that have no equivalent of the same shape today.
REFUSED_CONSTRUCTOR = {
    "activation": "give each layer its own, e.g. layers=[10, (20, 'tanh'), 10]",
    "hidden_activation": "give each layer its own, e.g. layers=[10, (20, 'tanh'), 10]",
    "output_activation": "give it in the spec of the last layer, e.g. layers=[10, 20, (3, 'sigmoid')]",
    "tied_weights": "make the decoding layers 'tied', e.g. layers=[10, 20, (10, 'tied')]",
    "decode_from": "pass layer= to encode() or decode()",
}


#: Functions that return the names of keywords of ``train``; modules that define such keywords add theirs.
_TRAINING_KEYWORDS: list[Callable[[], set[str]]] = []


def declare_training_keywords(function):
    """Register a function that returns a set of keywords which ``train`` takes; return the function."""
    _TRAINING_KEYWORDS.append(function)
    return function


def training_keywords():
    """Return the set of all keywords that ``train`` takes, old spellings included."""
    return set().union(*(function() for function in _TRAINING_KEYWORDS))


def renamed(kwargs, table):
    """Return a copy of ``kwargs`` in which old spellings are replaced by today's.

    Parameters
    ----------
    kwargs : dict
        Keyword arguments as the user gave them.
    table : dict
        Today's spelling for each old one.

    Raises
    ------
    ConfigurationError
        If both spellings of one argument are given.
    """
    result = {key: value for key, value in kwargs.items() if key not in table}
    for old, new in table.items():
        if old not in kwargs:
            continue
        if new in result:
            raise util.ConfigurationError(f"{old!r} is an old spelling of {new!r}, and both are given")
        util.warn(f"argument {old!r} is deprecated; write {new!r}", DeprecationWarning)
        result[new] = kwargs[old]
    return result


def refuse(names, known, where, hints=(), is_open=False):
    """Raise an error for arguments that nobody uses.

    Parameters
    ----------
    names : iterable of str
        Arguments that were given.
    known : iterable of str
        Arguments that are used.
    where : str
        Who is complaining, e.g. ``"train()"``.
    hints : dict, optional
        What to write instead of some unknown arguments.
    is_open : bool, optional
        Whether code of the user's may use arguments without having told us their names. Then only those are an error
        that look like a misspelling of a known one; there is a warning about the others.

    Raises
    ------
    ConfigurationError
        If any of the names is not known. All of them are listed at once.

    Examples
    --------
    >>> refuse(["min_improvment"], ["min_improvement", "patience"], "train()")
    Traceback (most recent call last):
        ...
    theanets.util.ConfigurationError: train(): unknown argument 'min_improvment'; did you mean 'min_improvement'?
    """
    known = set(known)
    complaints = []
    for name in names:
        if name in known:
            continue
        advice = f"; {hints[name]}" if name in hints else util.suggestion(name, known)
        if is_open and not advice:
            util.warn(f"{where}: nobody has declared an argument {name!r}, which may be misspelt")
            continue
        complaints.append(f"unknown argument {name!r}{advice}")
    if complaints:
        raise util.ConfigurationError(f"{where}: {', '.join(complaints)}")


def named_parameters(cls, method="__init__"):
    """Return the names of all parameters that a method has, in a class and in its bases."""
    names = set()
    for base in cls.__mro__:
        if method in vars(base) and base is not object:
            for parameter in inspect.signature(vars(base)[method]).parameters.values():
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                    names.add(parameter.name)
    return names - {"self"}


def show_call(thing, **settings):
    """Return text like the call that makes an object: its class, and its settings.

    Parameters
    ----------
    thing : object
        What to describe.
    **settings
        What to show of it. Default: the arguments of its constructor that it keeps under their names, as far as they
        are plain values and differ from the defaults.

    Examples
    --------
    >>> import theanets
    >>> show_call(theanets.regularizers.WeightL2(weight=0.1))
    "WeightL2(pattern='*', weight=0.1)"
    """
    shown = settings or {
        parameter.name: vars(thing)[parameter.name]
        for base in type(thing).__mro__
        if "__init__" in vars(base) and base is not object
        for parameter in inspect.signature(vars(base)["__init__"]).parameters.values()
        if _is_telling(vars(thing).get(parameter.name), parameter.default)
    }
    return f"{type(thing).__name__}({', '.join(f'{key}={value!r}' for key, value in shown.items())})"


def _is_telling(value, default):
    return isinstance(value, (str, bool, int, float, list, tuple, dict)) and value != default


def takes_anything(cls, methods, package):
    """Tell whether a class from outside a package overrides methods with ``**kwargs``, which may hold anything."""
    return any(
        parameter.kind is parameter.VAR_KEYWORD
        for base in cls.__mro__
        if base.__module__.partition(".")[0] != package
        for method in methods
        if method in vars(base)
        for parameter in inspect.signature(vars(base)[method]).parameters.values()
    )
