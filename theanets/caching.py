"""Caches of graphs and compiled functions that never go stale.

A cached graph may be used again if everything that shaped it is as it was. :func:`fingerprint` describes a layer, a
regularizer or a loss by its class and the contents of its attributes, so that any change of a setting shows, whoever
made it. Objects without a describable content (parameters, functions, generators) stand for themselves; a change of a
parameter's *value* therefore changes nothing.
"""

from collections import OrderedDict

import numpy as np

from . import activations, layers, regularizers

__all__ = ["Cache", "fingerprint"]

#: Types whose values describe themselves.
ATOMS = frozenset([type(None), str, bytes, bool, int, float, complex])

#: Attributes that do not shape the graph, or that are described by others.
IGNORED = frozenset(["layer", "rng"])


class Cache:
    """A dict of limited size, which forgets what was not used for the longest time.

    Parameters
    ----------
    size : int
        The largest number of entries.
    """

    def __init__(self, size):
        self.size = size
        self.entries = OrderedDict()

    def get(self, key, make):
        """Return the value for a key, calling ``make`` if there is none."""
        if key in self.entries:
            self.entries.move_to_end(key)
            return self.entries[key]
        value = self.entries[key] = make()
        if len(self.entries) > self.size:
            self.entries.popitem(last=False)
        return value

    def clear(self):
        """Forget everything."""
        self.entries.clear()

    def __len__(self):
        return len(self.entries)


class Identity:
    """Stands for one object: equal only for the same one, which is kept alive so that its id is not used again."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return id(self.value)

    def __eq__(self, other):
        return isinstance(other, Identity) and self.value is other.value


def fingerprint(value, _seen=()):
    """Describe a value by something hashable, which is equal only for values that shape the same graph.

    Parameters
    ----------
    value : object
        A layer, activation, regularizer or loss, or anything that may be found in one.

    Returns
    -------
    description : hashable
    """
    kind = type(value)
    # the commonest first: this is done at each prediction.
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
        return np.ndarray, value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, regularizers.Regularizer):
        return type(value), fingerprint(_settings(value), _seen)
    if isinstance(value, (layers.Layer, activations.Activation)) and not any(value is other for other in _seen):
        # a layer is itself, whatever another one of its kind looks like, and may be changed.
        return Identity(value), fingerprint(_settings(value), (*_seen, value))
    return Identity(value)


def _settings(value):
    settings = {key: item for key, item in vars(value).items() if key not in IGNORED}
    if isinstance(value, regularizers.Regularizer) and settings.get("seed", 0) is None:
        # the noise comes from a stream that the user made, rather than from a seed.
        settings["stream"] = Identity(value.rng)
    return settings
