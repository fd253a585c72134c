"""Utilities of the whole library: errors, registries of classes by name, random arrays, name patterns, locks."""

import difflib
import fnmatch
import os
import sys
import warnings
import weakref

import numpy as np
import theano
import theano.sparse as SS
import theano.tensor as TT

from .logs import as_details as as_details
from .logs import compiling as compiling
from .logs import detail as detail
from .logs import enable_detailed_callsite_logging, log

__all__ = [
    "Error",
    "ConfigurationError",
    "UnknownNameError",
    "DataError",
    "ArgumentError",
    "LoadError",
    "basestring",
    "FLOAT",
    "FLOAT_CONTAINERS",
    "INT_CONTAINERS",
    "Registrar",
    "enable_detailed_callsite_logging",
    "log",
    "random_matrix",
    "random_vector",
    "outputs_matching",
    "params_matching",
]

basestring = str

#: Name of the float type of all parameters and outputs, as configured in Theano when the library was imported.
FLOAT = theano.config.floatX

#: Constructors of symbolic float inputs with 0 to 4 dimensions; each takes a name.
FLOAT_CONTAINERS = (TT.scalar, TT.vector, TT.matrix, TT.tensor3, TT.tensor4)

#: Constructors of symbolic 32-bit integer inputs with 0 to 4 dimensions; each takes a name.
INT_CONTAINERS = (TT.iscalar, TT.ivector, TT.imatrix, TT.itensor3, TT.itensor4)


class Error(Exception):
    """Base class of the library's exceptions."""


class ConfigurationError(Error):
    """A mistake in the description of a model or of its training."""


class UnknownNameError(ConfigurationError, KeyError):
    """A name that nothing is registered under."""

    # KeyError would show the message in quotes.
    __str__ = Exception.__str__


def check_float_type():
    """Check that Theano's ``floatX`` is a supported type, and has not been changed since the import.

    Raises
    ------
    ConfigurationError
        If Theano's ``floatX`` is ``float16``, or is not what it was when the library was imported.
    """
    chosen = theano.config.floatX
    if chosen not in ("float32", "float64"):
        raise ConfigurationError(
            f"floatX={chosen}: expected float32 or float64; in half precision training soon computes NaN"
        )
    if chosen != FLOAT:
        raise ConfigurationError(
            f"floatX={chosen}: it was {FLOAT} when theanets was imported, and cannot be changed since then; choose it "
            f"by THEANO_FLAGS=floatX={chosen}, or before theanets is imported"
        )


check_float_type()


class DataError(ConfigurationError, ValueError):
    """An array that does not fit the model it is given to."""


class ArgumentError(ConfigurationError, TypeError):
    """An unknown keyword argument, or one that has no effect."""


class LoadError(ConfigurationError, ValueError):
    """A file that cannot be opened as a network: it is damaged, of another kind, or has content that is not allowed."""


def unknown(kind, name, known, hint=None):
    """Make an error for an unknown name, which suggests the most similar known ones.

    Parameters
    ----------
    kind : str
        The kind of thing that was looked up, e.g. ``"activation"``.
    name : object
        The name that was given.
    known : iterable of str
        The names that would have worked.
    hint : str, optional
        Advice that replaces the suggestion.

    Returns
    -------
    error : UnknownNameError
        The error, to be raised by the caller.

    Examples
    --------
    >>> print(unknown("activation", "sigmod", ["relu", "sigmoid"]))
    unknown activation 'sigmod'; did you mean 'sigmoid'? (known: relu, sigmoid)
    """
    names = sorted(known)
    advice = suggestion(name, names) if hint is None else f"; {hint}"
    return UnknownNameError(f"unknown {kind} {name!r}{advice} (known: {', '.join(names)})")


def suggestion(name, known, today=None, accept=None):
    """Return ``"; did you mean 'x'?"`` for the names nearest to a misspelt one, or an empty string.

    Parameters
    ----------
    name : object
        The name that was given.
    known : iterable of str
        The names that would have worked.
    today : dict, optional
        Current names of deprecated ones, to be suggested instead of these.
    accept : callable, optional
        Takes the given name and a known one, and tells whether the latter may be suggested. Default: always.

    Examples
    --------
    >>> suggestion("momentm", ["learning_rate", "momentum"])
    "; did you mean 'momentum'?"
    """
    word = str(name).lower()
    close = difflib.get_close_matches(word, sorted(known), n=5, cutoff=0.65)
    likeness = {key: difflib.SequenceMatcher(None, key, word).ratio() for key in close}
    # a second name is worth mentioning only if it is about as near as the first.
    close = [key for key in close if likeness[key] > likeness[close[0]] - 0.1 and (accept is None or accept(word, key))]
    offered = list(dict.fromkeys((today or {}).get(key, key) for key in close))[:2]
    return f"; did you mean {' or '.join(map(repr, offered))}?" if offered else ""


def warn(message, category=UserWarning):
    """Issue a warning that points at the first caller outside this package."""
    package = os.path.dirname(os.path.abspath(__file__)) + os.sep
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(package):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


_locks = weakref.WeakSet()


def anew_after_fork(lock):
    """Register a lock to be reset in forked child processes, and return it.

    The thread that holds a lock does not exist in a forked process, where the lock would stay locked for ever.
    """
    _locks.add(lock)
    return lock


def _open_locks():
    for lock in list(_locks):
        lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_locks)


class Registrar(type):
    """Metaclass of class families whose members can be built by name.

    Calling it with a name, no bases and no members makes the hidden root of a family. Each class derived from that
    root is listed under its lower-cased name, and under each string in the ``__extra_registration_keys__`` of its own
    body; keys are looked up without regard to case. A class that takes over the key of another one wins, with a
    ``UserWarning``. Classes whose name begins with an underscore are left out.

    Examples
    --------
    >>> class Shape(Registrar("Root", (), {})):
    ...     __extra_registration_keys__ = ["Form"]
    >>> Shape.is_registered("FORM"), Shape.get_class("shape") is Shape
    (True, True)
    """

    def __init__(cls, name, bases, members):
        super().__init__(name, bases, members)
        if not hasattr(cls, "_registry"):
            cls._registry = {}
        if "_registry" in vars(cls) or name.startswith("_"):
            return
        for key in (name, *members.get("__extra_registration_keys__", ())):
            cls._enter(key.lower())

    def _enter(cls, key):
        old = cls._registry.get(key)
        # no warning when a notebook cell that defines the class is run again.
        if old is not None and (old.__module__, old.__qualname__) != (cls.__module__, cls.__qualname__):
            warn(f"{cls.__module__}.{cls.__qualname__} replaces {old.__module__}.{old.__qualname__} under {key!r}")
        cls._registry[key] = cls

    @property
    def kind(cls):
        """The word for a member of this family in messages, such as ``"layer"``."""
        return getattr(cls, "_kind", "class")

    def get_class(cls, key):
        """Return the class registered under ``key``; raise :class:`UnknownNameError` (a ``KeyError``) without one."""
        if not cls.is_registered(key):
            raise unknown(cls.kind, key, cls._registry)
        return cls._registry[key.lower()]

    def build(cls, key, *args, **kwargs):
        """Return an instance of the class registered under ``key``, made with the other arguments."""
        return cls.get_class(key)(*args, **kwargs)

    def is_registered(cls, key):
        """Tell whether a class is registered under ``key``."""
        return isinstance(key, str) and key.lower() in cls._registry


class ShapesGraph:
    """Base class of layers, activations, losses and regularizers, whose attributes determine the graph that is built.

    A cache of graphs compares :meth:`graph_settings` to see whether a graph that was built before is still valid.
    """

    #: Whether two parts of the same class with equal settings build the same graph. If not, the cache key of a part is
    #: its identity.
    is_known_by_settings = False

    def graph_settings(self):
        """Return a dict of the attributes that determine the graph, for cache keys."""
        # the random generator affects values only, not the graph; the layer has a cache key of its own.
        return {key: value for key, value in vars(self).items() if key not in ("layer", "rng")}


def is_int(value):
    """Tell whether a value is an integer of Python or NumPy; booleans are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def is_real(value):
    """Tell whether a value is a real number of Python or NumPy; booleans are not."""
    return is_int(value) or isinstance(value, (float, np.floating))


def random_state(rng):
    """Turn a seed into a generator.

    Parameters
    ----------
    rng : int, None or numpy.random.RandomState
        A seed, None for an unpredictable one, or a generator, which is returned as it is.

    Raises
    ------
    TypeError
        For anything else. In particular ``numpy.random.Generator`` draws other numbers from the same seed, so models
        would not start from the weights that are documented for them.
    """
    if isinstance(rng, np.random.RandomState):
        return rng
    if rng is None:
        return np.random.RandomState()
    if is_int(rng):
        return np.random.RandomState(int(rng))
    raise TypeError(f"rng={rng!r}: expected an int, None or a numpy.random.RandomState")


def random_matrix(rows, cols, mean=0, std=1, sparsity=0, radius=0, diagonal=0, rng=None):
    """Draw a matrix of normally distributed values.

    Parameters
    ----------
    rows, cols : int
        Shape of the result.
    mean, std : float, optional
        Mean (default 0) and standard deviation (default 1) of the values.
    sparsity : float, optional
        Fraction of the values that become zero; the main diagonal never does, except for a sparsity of 1 or more,
        which clears the whole matrix. Default 0.
    radius : float, optional
        If positive, scale the matrix so that this is its largest singular value. Default 0.
    diagonal : float or ndarray (min(rows, cols), ), optional
        If not zero, return a matrix with this diagonal and zeros elsewhere. Default 0.
    rng : int, None or numpy.random.RandomState, optional
        Seed or generator. Normal values are always drawn, even if the diagonal replaces them.

    Returns
    -------
    matrix : ndarray (rows, cols)
        Of the type :data:`FLOAT`.

    Examples
    --------
    >>> random_matrix(2, 3, diagonal=0.5).tolist()
    [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]
    """
    rng = random_state(rng)
    values = mean + std * rng.randn(rows, cols)
    if sparsity >= 1:
        values = np.zeros_like(values)
    elif sparsity > 0:
        mask = rng.binomial(n=1, p=1 - sparsity, size=(rows, cols)).astype(bool)
        np.fill_diagonal(mask, True)
        # a product rather than an assignment: masked negative values become -0.0.
        values = values * mask
    if radius > 0:
        u, s, v = np.linalg.svd(values, full_matrices=False)
        if s.size and s[0] > 0:
            values = np.dot(u * (radius * s / abs(s[0])), v)
    if np.any(diagonal):
        values = np.zeros_like(values)
        np.fill_diagonal(values, diagonal)
    return values.astype(FLOAT)


def random_vector(size, mean=0, std=1, rng=None):
    """Draw a vector of normally distributed values.

    Parameters
    ----------
    size : int
        Length of the result.
    mean, std : float, optional
        Mean (default 0) and standard deviation (default 1) of the values.
    rng : int, None or numpy.random.RandomState, optional
        Seed or generator.

    Returns
    -------
    vector : ndarray (size, )
        Of the type :data:`FLOAT`.
    """
    return (mean + std * random_state(rng).randn(size)).astype(FLOAT)


def output_name(name):
    """Return the full name of an output, given that name or the name of a layer, which stands for its output ``out``.

    Examples
    --------
    >>> output_name("hid1"), output_name("hid1:pre")
    ('hid1:out', 'hid1:pre')
    """
    return name if ":" in name else f"{name}:out"


def dense(x):
    """Convert a sparse expression to a dense one; return others as they are."""
    return SS.dense_from_sparse(x) if isinstance(x.type, SS.SparseType) else x


def number_of(count, unit):
    """Return a count with its unit, which is plural unless the count is 1.

    Examples
    --------
    >>> number_of(1, "epoch"), number_of(2, "epoch"), number_of(0.5, "second")
    ('1 epoch', '2 epochs', '0.5 seconds')
    """
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


class Unspoken(str):
    """A default value of a string argument, to distinguish it from the same string given by the user."""


class ExactName(str):
    """A name to be taken literally where patterns are expected, whatever characters it contains."""


def _matches(name, patterns):
    return any(name == p or not isinstance(p, ExactName) and fnmatch.fnmatchcase(name, p) for p in patterns)


def _matches_any(names, pattern):
    return any(_matches(name, (pattern,)) for name in names)


def _as_patterns(patterns):
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def outputs_matching(outputs, patterns):
    """Generate the (name, expression) pairs whose name fits a pattern.

    Parameters
    ----------
    outputs : dict or sequence of (str, expression)
        Outputs by their full names, such as ``hid1:out``. Their order is kept.
    patterns : str or sequence of str
        Shell patterns (``*``, ``?``, ``[..]``) for the whole name, with regard to case.

    Examples
    --------
    >>> dict(outputs_matching({"hid1:out": 1, "hid1:pre": 2, "out:out": 3}, "*:out"))
    {'hid1:out': 1, 'out:out': 3}
    """
    patterns = _as_patterns(patterns)
    for name, expression in outputs.items() if hasattr(outputs, "items") else outputs:
        if _matches(name, patterns):
            yield name, expression


def params_matching(layers, patterns):
    """Generate the (name, parameter) pairs of some layers whose name fits a pattern.

    Parameters
    ----------
    layers : sequence of :class:`theanets.Layer`
        The layers to search, in order.
    patterns : str or sequence of str
        Shell patterns for whole names such as ``hid1.w``.
    """
    patterns = _as_patterns(patterns)
    seen = set()
    for layer in layers:
        for param in layer.params:
            if id(param) not in seen and _matches(param.name, patterns):
                seen.add(id(param))
                yield param.name, param
