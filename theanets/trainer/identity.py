"""What a training is: a description of all that must be the same when it goes on from a checkpoint."""

import json

import numpy as np

from .. import arguments, regularizers, util
from ..data import digests
from ..layers.selection import select
from ..storage import objects
from .options import settings_of

__all__ = ["difference", "identify", "plain"]

#: Parts of a description that are digests, with words for messages.
DIGESTS = {"contents": "the values of the {} data", "functions": "the code of {}"}


def identify(network, runner, sources, batches, kwargs):
    """Describe a training by what must be the same when it goes on.

    Parameters
    ----------
    network : :class:`theanets.Network`
        What is trained.
    runner : :class:`theanets.trainer.Trainer`
        The trainer.
    sources : dict
        Where the training data and the validation data come from.
    batches : dict
        How the data are cut into batches.
    kwargs : dict
        The arguments of the training.

    Returns
    -------
    description : dict
        Of what JSON can hold.
    """
    described = {
        "model": type(network).__name__,
        "algo": f"{type(runner).__name__} {getattr(runner, 'algo', '')}".strip(),
        "layers": {layer.name: _spec_of(layer) for layer in network.layers},
        "parameters": {
            variable.name: [list(variable.get_value(borrow=True).shape), str(variable.dtype)]
            for variable in [*network.params, *network.statistics]
        },
        "losses": [f"{type(loss).__name__} of {', '.join(loss.output_names)}" for loss in network.losses],
        "data": {name: _shapes_of(source) for name, source in sources.items()},
        "batches": {key: value for key, value in sorted(batches.items()) if key != "name" and value is not None},
        "loss options": [_options_of(loss, ("target", "weighted", "output_name")) for loss in network.losses],
        "regularizers": [
            {"class": type(item).__name__, **_options_of(item, ("rng",))}
            for item in regularizers.from_kwargs(network, **kwargs)
        ],
        "options": settings_of(kwargs, getattr(runner, "algo", None)),
        "frozen": _frozen(network, kwargs),
        "class_weight": {
            variable.name: np.asarray(weights).tolist()
            for variable, weights in (kwargs.get("class_weight") or {}).items()
        },
        "rng": kwargs["rng"] if util.is_int(kwargs.get("rng")) else type(kwargs.get("rng")).__name__,
        "contents": _contents_of(sources),
        "python": digests.python_version(),
        "functions": _functions_of(network, sources, kwargs),
    }
    return json.loads(json.dumps(described, default=plain))


def _spec_of(layer):
    return {key: value for key, value in layer.to_spec().items() if key not in ("rng", "nrng")}


def plain(value):
    """Convert a value that JSON cannot hold; functions and other objects become their name or type."""
    return value.item() if isinstance(value, np.generic) else getattr(value, "__name__", type(value).__name__)


def _options_of(thing, left_out):
    """Return the options of a loss or a regularizer by name."""
    found = {}
    for name in sorted(arguments.named_parameters(type(thing)) - {*left_out}):
        value = getattr(thing, name, None)
        value = value.get_value(borrow=True) if hasattr(value, "get_value") else value
        value = getattr(value, "bandwidth", value)
        found[name] = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    return found


def _frozen(network, kwargs):
    """Return the names of the parameters that are left alone."""
    if kwargs.get("freeze") is None:
        return []
    return sorted(variable.name for variable in select(network.layers, kwargs["freeze"], "freeze"))


def _arrays_of(source):
    """Return the arrays of a source; None if they are made batch by batch."""
    arrays = getattr(source, "arrays", None)
    return getattr(getattr(source, "batches", None), "_inputs", None) if arrays is None else arrays


def _shapes_of(source):
    arrays = _arrays_of(source)
    return "made batch by batch" if arrays is None else [list(array.shape) for array in arrays]


def _contents_of(sources):
    """Return the digests of the arrays of all sources; a source that is used twice is read once."""
    found, by_name = {}, {}
    for name, source in sources.items():
        if id(source) not in found:
            arrays, lengths = _arrays_of(source), getattr(source, "lengths", None)
            if arrays is None and hasattr(source, "sample"):
                # of data that may be larger than memory, only some are read for this.
                arrays = source.sample()
            lengths = [] if arrays is None or lengths is None else [np.asarray(lengths)]
            found[id(source)] = None if arrays is None else digests.of_arrays([*arrays, *lengths])
        by_name[name] = found[id(source)]
    return by_name


def _functions_of(network, sources, kwargs):
    """Return the digests of user-defined losses, layers, activations, regularizers and makers of batches."""
    found = {}
    for place, loss in enumerate(network.losses):
        parts = [] if objects.is_ours(type(loss)) else [type(loss)]
        parts += [value for _, value in sorted(vars(loss).items()) if callable(value) and not _is_ours(value)]
        if parts:
            found[f"loss {place}"] = [digests.of_code(part) for part in parts]
    for layer in network.layers:
        parts = [] if objects.is_ours(type(layer)) else [type(layer)]
        parts += [layer.activation] if callable(layer.activation) and not _is_ours(layer.activation) else []
        if parts:
            found[f"layer {layer.name!r}"] = [digests.of_code(part) for part in parts]
    for item in regularizers.from_kwargs(network, **kwargs):
        if not objects.is_ours(type(item)):
            found[f"regularizer {type(item).__name__}"] = digests.of_code(type(item))
    for name, source in sources.items():
        maker = getattr(source, "make", getattr(source, "start", None))
        maker = getattr(getattr(source, "batches", None), "_callable", None) if maker is None else maker
        if maker is not None:
            found[f"what makes the {name} data"] = digests.of_code(maker)
    return found


def _is_ours(value):
    """Tell whether something that can be called belongs to the library, or is an expression."""
    return objects.is_ours(type(value)) or hasattr(value, "owner")


# -- comparing --------------------------------------------------------------------------------------------------------


def difference(saved, given):
    """Describe in words the first difference of two descriptions.

    Parameters
    ----------
    saved, given : dict
        The description in a checkpoint, which may be of an earlier release, and that of the training at hand.

    Returns
    -------
    words : str or None
        None if they do not differ.
    unknown : list of str
        Parts that the checkpoint knows nothing of.
    """
    unknown = [key for key in given if key not in saved]
    left_out = {*unknown, "python"}
    if saved.get("python") != given.get("python"):
        # bytecode differs between versions of Python.
        left_out.add("functions")
    saved, given = [{key: value for key, value in side.items() if key not in left_out} for side in (saved, given)]
    plain = [{key: value for key, value in side.items() if key not in DIGESTS} for side in (saved, given)]
    words = _difference(*plain)
    for key, what in DIGESTS.items():
        if words is None and saved.get(key) != given.get(key):
            words = _difference_of_digests(saved.get(key), given.get(key), what)
    return words, unknown


def _difference_of_digests(saved, given, what):
    saved, given = [side if isinstance(side, dict) else {} for side in (saved, given)]
    names = [name for name in {**saved, **given} if saved.get(name) != given.get(name)]
    return f"{' and '.join(map(what.format, names))} {'are' if 'values' in what else 'is'} not the same"


def _difference(saved, given, where=""):
    """Describe in words the first difference of two nested dicts; None if there is none."""
    if isinstance(saved, dict) and isinstance(given, dict):
        for key in [*saved, *(key for key in given if key not in saved)]:
            if key not in given or key not in saved:
                which = "the checkpoint has no" if key in given else "there is no"
                return f"{which} {where}{key!r} {'' if key in given else 'here any more'}".strip()
            found = _difference(saved[key], given[key], f"{where}{key} ")
            if found:
                return found
        # the order of layers and parameters counts.
        return None if list(saved) == list(given) else f"{where.strip()}: {list(saved)} there, {list(given)} here"
    return None if saved == given else f"{where.strip()}: {saved} there, {given} here"
