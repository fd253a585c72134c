"""The grid of a sweep: the settings of each member, and which of them the function that builds networks asks for."""

import collections.abc
import copy
import inspect
import itertools

import numpy as np

from ... import util

__all__ = ["DEFAULT_SEED", "Builder", "NoNetwork", "read"]

#: The seed of networks where none is given, as in their constructor.
DEFAULT_SEED = 13


def read(grid):
    """Return the settings of all members.

    Parameters
    ----------
    grid : dict, iterable of dict or None
        A dict has a list of values for each key, of which all combinations are made, the last key varying fastest; of
        several dicts, each is the settings of one member. None is for a single member without settings of its own.

    Returns
    -------
    settings : list of dict

    Raises
    ------
    ConfigurationError
        If it is something else, or empty.

    Examples
    --------
    >>> read(dict(learning_rate=[0.1, 0.2], rng=range(2)))[:3]
    [{'learning_rate': 0.1, 'rng': 0}, {'learning_rate': 0.1, 'rng': 1}, {'learning_rate': 0.2, 'rng': 0}]
    """
    if grid is None:
        return [{}]
    if isinstance(grid, collections.abc.Mapping):
        _check_keys(grid)
        values = [_values(key, value) for key, value in grid.items()]
        return [dict(zip(grid, row)) for row in itertools.product(*values)]
    if isinstance(grid, str) or not isinstance(grid, collections.abc.Iterable):
        raise util.ConfigurationError(f"grid={grid!r}, expected a dict of lists of values, or a list of dicts")
    members = list(grid)
    for member in members:
        if not isinstance(member, collections.abc.Mapping):
            raise util.ConfigurationError(
                f"grid: {member!r} in the list, expected a dict with the settings of a member"
            )
        _check_keys(member)
    if not members:
        raise util.ConfigurationError(f"grid={grid!r}: it has no member")
    return [{key: _plain(value) for key, value in member.items()} for member in members]


def _check_keys(settings):
    wrong = [key for key in settings if not isinstance(key, str)]
    if wrong:
        raise util.ConfigurationError(f"grid: the key {wrong[0]!r}, expected the name of an argument")


def _values(key, values):
    is_list = isinstance(values, collections.abc.Iterable) and not isinstance(values, (str, bytes, dict))
    found = list(values) if is_list and np.ndim(values) != 0 else []
    if not found:
        raise util.ConfigurationError(f"grid: {key}={values!r}, expected a list of one or more values")
    return [_plain(value) for value in found]


def _plain(value):
    """Turn NumPy's numbers, as in ranges of rates, into Python's."""
    return value.item() if isinstance(value, np.generic) else value


class NoNetwork(util.ConfigurationError):
    """A function that builds networks returned something else."""


class Builder:
    """Calls the function that builds networks with what it asks for by name.

    Parameters
    ----------
    build : callable
        Returns a network.

    Raises
    ------
    ConfigurationError
        If it cannot be called by names.
    """

    def __init__(self, build):
        if not callable(build):
            raise util.ConfigurationError(f"build={build!r}, expected a function that returns a network")
        try:
            parameters = inspect.signature(build).parameters.values()
        except (TypeError, ValueError) as error:
            raise util.ConfigurationError(f"build={build!r}: its arguments cannot be seen ({error})") from error
        by_name = [item for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
        self.build = build
        self.names = [item.name for item in by_name]
        self.needed = [item.name for item in by_name if item.default is item.empty]
        nameless = [item.name for item in parameters if item.kind is item.POSITIONAL_ONLY]
        if nameless:
            raise util.ConfigurationError(f"build: the argument {nameless[0]!r} can be given by position only")

    def check(self, settings):
        """Raise an error if a member lacks an argument that the function needs, or has a seed that it does not take."""
        missing = [name for name in self.needed if name not in settings and name != "rng"]
        if missing:
            raise util.ConfigurationError(
                f"the function that builds networks asks for {missing[0]!r}, which {settings!r} does not have; give a "
                f"default, or grid=dict({missing[0]}=[...])"
            )
        if "rng" in settings and "rng" not in self.names:
            raise util.ConfigurationError(
                f"rng={settings['rng']!r}: the function that builds networks does not take a seed; write "
                "lambda rng: theanets.Regressor(layers, rng=rng)"
            )

    def split(self, settings):
        """Return the arguments of the function, and those that are left for ``train``, as two dicts."""
        own = {name: settings[name] for name in self.names if name in settings}
        if "rng" in self.needed:
            own.setdefault("rng", DEFAULT_SEED)
        return own, {key: value for key, value in settings.items() if key not in self.names}

    def __call__(self, own):
        # a generator is used up by a network, and each member begins with the same.
        fresh = {key: copy.deepcopy(v) if isinstance(v, np.random.RandomState) else v for key, v in own.items()}
        network = self.build(**fresh)
        if not hasattr(network, "itertrain"):
            raise NoNetwork(
                f"the function that builds networks returned a {type(network).__name__}, expected a network"
            )
        return network
