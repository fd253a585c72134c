"""Caches of graphs and compiled functions, and the cache keys of layers and regularizers.

A cached graph may be used again if everything that it depends on is unchanged. :func:`fingerprint` describes a layer, a
regularizer or a loss by its class and the contents of its attributes, so that any change of a setting changes the key.
The description of a user's function includes the global and enclosing variables that it reads. Objects without a
describable content (parameters, generators) are described by their identity; so a change of a parameter's *value* does
not change the key.
"""

import dis
import functools
import hashlib
import types
from collections import OrderedDict

import numpy as np

from .. import util

__all__ = ["ATOMS", "FIXED", "LARGE", "Cache", "Memo", "digest", "fingerprint", "globals_of"]

#: Types whose values describe themselves.
ATOMS = frozenset([type(None), str, bytes, bool, int, float, complex])

#: Packages whose functions are described by their identity alone, as they do not change.
FIXED = frozenset([__package__.partition(".")[0], "theano", "downhill", "numpy", "scipy", "jax"])

#: An array of more bytes than this is described by a hash.
LARGE = 4096


class Cache:
    """A dict of limited size that evicts the least recently used entry (LRU cache).

    Parameters
    ----------
    size : int
        The largest number of entries.
    """

    def __init__(self, size):
        self.size = size
        self.entries = OrderedDict()

    def find(self, key):
        """Return the value for a key; None if there is none."""
        try:
            self.entries.move_to_end(key)
            return self.entries[key]
        except KeyError:
            # a miss, also if another thread has evicted the entry in the meantime.
            return None

    def get(self, key, make):
        """Return the value for a key, calling ``make`` if there is none."""
        value = self.find(key)
        if value is not None or key in self.entries:
            return value
        value = self.entries[key] = make()
        if len(self.entries) > self.size:
            self.entries.popitem(last=False)
        return value

    def forget(self, key):
        """Remove one entry, if it is there."""
        self.entries.pop(key, None)

    def clear(self):
        """Remove all entries."""
        self.entries.clear()

    def __len__(self):
        return len(self.entries)


class Identity:
    """Cache key of an object by its identity; it keeps the object alive, so that its id is not used again."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return id(self.value)

    def __eq__(self, other):
        return isinstance(other, Identity) and self.value is other.value


def fingerprint(value, _seen=()):
    """Return a hashable cache key for a value: equal keys mean that the same graph is built.

    Parameters
    ----------
    value : object
        A layer, activation, regularizer or loss, or the value of one of their attributes.

    Returns
    -------
    description : hashable
    """
    kind = type(value)
    # the most frequent types first: this runs for every prediction.
    if kind in ATOMS:
        return kind, value
    if kind is tuple or kind is list:
        return kind, tuple([fingerprint(item, _seen) for item in value])
    if isinstance(value, (str, bytes, int, float, complex)):
        return kind, value
    if isinstance(value, dict):
        return dict, tuple([(key, fingerprint(item, _seen)) for key, item in value.items()])
    if isinstance(value, (set, frozenset)):
        return frozenset(fingerprint(item, _seen) for item in value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
        content = value.tobytes() if value.nbytes <= LARGE else digest(value)
        return np.ndarray, value.shape, value.dtype.str, content
    if isinstance(value, util.ShapesGraph) and not any(value is other for other in _seen):
        who = kind if value.is_known_by_settings else Identity(value)
        return who, fingerprint(value.graph_settings(), (*_seen, value))
    if callable(value) and not isinstance(value, type) and not any(value is other for other in _seen):
        return _describe_callable(value, (*_seen, value))
    return Identity(value)


def digest(array):
    """Return a hash of the content of a large array."""
    return hashlib.sha256(np.ascontiguousarray(array)).digest()


def _describe_callable(value, seen):
    """Describe a function or callable object by its identity, and by the variables, defaults or attributes it uses."""
    if isinstance(value, types.MethodType):
        return types.MethodType, fingerprint(value.__func__, seen), fingerprint(value.__self__, seen)
    if isinstance(value, functools.partial):
        return functools.partial, fingerprint([value.func, value.args, value.keywords], seen)
    kind = value if isinstance(value, types.FunctionType) else type(value)
    if kind.__module__.partition(".")[0] in FIXED:
        return Identity(value)
    if isinstance(value, types.FunctionType):
        around = {name: value.__globals__.get(name) for name in globals_of(value.__code__)}
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            try:
                around[name] = cell.cell_contents
            except ValueError:
                # an enclosing variable without a value yet.
                around[name] = None
        return Identity(value), fingerprint([value.__defaults__, value.__kwdefaults__, around], seen)
    return Identity(value), fingerprint(getattr(value, "__dict__", None), seen)


@functools.lru_cache(maxsize=256)
def globals_of(code):
    """Return the names of the global variables that the code of a function, nested functions included, reads."""
    names = {item.argval for item in dis.get_instructions(code) if item.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(globals_of(constant))
    return tuple(sorted(names))


class Described:
    """A cache key whose hash is computed only once, as keys are long and looked up often."""

    __slots__ = ("hash", "value")

    def __init__(self, value):
        self.value = value
        self.hash = hash(value)

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        return self is other or isinstance(other, Described) and self.value == other.value


class Memo:
    """Caches the fingerprint of a value for as long as nothing in it changes.

    To detect changes, it compares the contents of all containers in the value with copies, which is much faster than to
    compute the fingerprint again.

    Examples
    --------
    >>> settings, memo = {"size": [3]}, Memo()
    >>> before = memo.fingerprint(settings)
    >>> settings["size"].append(4)
    >>> memo.fingerprint(settings) == before
    False
    """

    def __init__(self):
        # value, description, containers and their copies: in one tuple, as several threads may use this.
        self.known = None, None, [None], []

    def fingerprint(self, value):
        """Return a hashable key, equal only for equal results of :func:`fingerprint`."""
        before, description, containers, copies = self.known
        try:
            # identical objects compare equal at once, so each list comparison goes one level deep only.
            if value is before and containers == copies:
                return description
        except ValueError:
            # comparing an array with another object gives an array, which has no single truth value.
            pass
        containers, arrays = [], []
        self._collect(value, set(), arrays, containers)
        copies = [container.copy() for container in containers]
        if arrays:
            # arrays can be modified in place without a trace here: never reuse the cache key.
            copies.append(None)
        description = Described(fingerprint(value))
        self.known = value, description, containers, copies
        return description

    def _collect(self, value, seen, arrays, containers):
        if type(value) in ATOMS or id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, util.ShapesGraph):
            value = vars(value)
        if isinstance(value, (dict, list, set)):
            containers.append(value)
        if isinstance(value, np.ndarray):
            arrays.append(value)
        elif isinstance(value, dict):
            for item in value.values():
                self._collect(item, seen, arrays, containers)
        elif isinstance(value, (list, tuple, set, frozenset)):
            for item in value:
                self._collect(item, seen, arrays, containers)
