"""Experiments: a network with its training, saving and loading in one object, for scripts."""

import os
from typing import Any

from . import graph, util

__all__ = ["Experiment"]


class Experiment:
    """A holder for a network that is trained, saved and loaded.

    Parameters
    ----------
    network : str, pathlib.Path, :class:`theanets.Network` or callable
        The path of a saved network; a network, in which case other arguments are ignored; or a class of models, or
        any other callable that makes a network of the other arguments.
    *args, **kwargs
        Arguments for the callable.

    Attributes
    ----------
    network : :class:`theanets.Network`
        The network.

    Raises
    ------
    FileNotFoundError
        If there is no file of the given path.
    ConfigurationError
        If the network is none of these. ``theanets.Network`` itself is refused, as it is no model of anything.

    Examples
    --------
    >>> import theanets
    >>> theanets.Experiment(theanets.Autoencoder, [4, 2, 4]).network.num_params
    22
    """

    def __init__(self, network, *args, **kwargs):
        if isinstance(network, (str, os.PathLike)):
            self.network = graph.Network.load(network)
        elif isinstance(network, graph.Network):
            self.network = network
        elif callable(network) and network is not graph.Network:
            self.network = network(*args, **kwargs)
        else:
            raise util.ConfigurationError(
                f"Experiment({network!r}): expected a path, a network or a class of models such as theanets.Autoencoder"
            )

    def train(self, *args: Any, **kwargs: Any) -> tuple[dict[str, float], dict[str, float]]:
        """Train the network; see :meth:`theanets.Network.train`."""
        return self.network.train(*args, **kwargs)

    def itertrain(self, *args, **kwargs):
        """Train the network, giving back control after each epoch; see :meth:`theanets.Network.itertrain`."""
        return self.network.itertrain(*args, **kwargs)

    def run(self, *args, **kwargs):
        """Train the network. Deprecated: call :meth:`train`."""
        util.warn("Experiment.run() is deprecated; call train()", DeprecationWarning)
        return self.train(*args, **kwargs)

    def save(self, path: Any) -> None:
        """Save the network; see :meth:`theanets.Network.save`."""
        self.network.save(path)

    def load(self, path: Any) -> graph.Network:
        """Replace the network by one that was saved, and return it; see :meth:`theanets.Network.load`."""
        self.network = graph.Network.load(path)
        return self.network
