"""What has to be the same in all processes that train one network, checked before they begin."""

import hashlib

import numpy as np

from .. import util
from ..xla import processes

__all__ = ["check"]

#: Options that may differ, as the first process decides what depends on them.
APART = ("callbacks", "stop_when", "max_seconds", "checkpoint", "checkpoint_every", "rng", "monitors", "schedule")

#: Number of examples of each array that are compared.
SAMPLE = 16


def check(network, data, options):
    """Raise an error if networks, data or options differ between the processes.

    Parameters
    ----------
    network : Network
        The network.
    data : dict of sources
        The data, by name. Arrays have to be the same; batches that are made one by one are parts that differ.
    options : dict
        The arguments of the training.

    Raises
    ------
    ConfigurationError
        In all processes, naming what differs.
    """
    rng = options.get("rng")
    if rng is None:
        raise util.ConfigurationError(
            "rng=None: processes that train one network need the same random numbers; give a seed"
        )
    mine = {
        "the layers of the network": _digest([f"{type(layer).__name__} {layer.name}" for layer in network.layers]),
        "parameters of the network": _digest(
            [variable.get_value() for variable in [*network.params, *network.statistics]]
        ),
        "rng": _digest([rng.get_state(legacy=False) if hasattr(rng, "get_state") else str(rng)]),
    }
    for name, source in data.items():
        arrays = getattr(source, "arrays", None)
        mine[f"the {name} data"] = None if arrays is None else _digest(map(_sample, arrays))
    for name, value in sorted(options.items()):
        if name not in APART and isinstance(value, (str, int, float, bool)):
            mine[f"{name}="] = repr(value)
    others = processes.agree(mine)
    for name in sorted({name for one in others for name in one}):
        found = [one.get(name) for one in others]
        if len(set(found)) > 1:
            shown = f" {' and '.join(map(str, found))}" if name.endswith("=") else ""
            raise util.ConfigurationError(
                f"{name}{shown}: not the same in all processes; each has to make the same network, and to give the "
                "same data, of which the devices take their parts. Data of which each process has a part come from a "
                "function that makes batches"
            )


def _sample(array):
    places = np.unique(np.linspace(0, array.shape[0] - 1, SAMPLE).astype(int)) if array.shape[0] else []
    return [array.shape, str(array.dtype), *[np.asarray(_dense(array[int(place)])) for place in places]]


def _dense(value):
    return value.toarray() if hasattr(value, "toarray") else value


def _digest(values):
    found = hashlib.sha256()
    for value in values:
        for item in value if isinstance(value, list) else [value]:
            found.update(np.ascontiguousarray(item).tobytes() if isinstance(item, np.ndarray) else repr(item).encode())
    return found.hexdigest()
