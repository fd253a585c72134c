"""Networks that were saved by the reference release, 0.7.3 or 0.8.0pre, on Python 2.7 or 3.

Such a file is a pickle of objects of Theano and of the reference. None of them is made here: the reader puts a
:class:`Record` in the place of each, which holds what the object consisted of and can do nothing. The network is then
built anew from layer specs, and given the values of the parameters.

A network keeps the meaning that it was trained with. Outputs of layers that run backwards were in the order of
processing; such layers get the option ``output_order='processing'``, which shows in their specs. What has another
meaning today and cannot be expressed, a few recurrent layers of 0.7.3, is refused.
"""

import importlib
import pickle

import numpy as np

from . import arguments, layers, util

__all__ = ["LegacyFile", "is_foreign", "read"]

#: Packages whose objects become records.
RECORDED = ("theanets", "theano")

#: Layers of 0.7.3 that computed something else.
CHANGED_SINCE_07 = {
    "scrn": "its hidden units were logistic, and its output had an activation",
    "clockwork": "its units were in the opposite order",
}


class LegacyFile(Exception):
    """A pickle names something that only the reference release has."""


class Record:
    """What an object of the reference release, or of Theano, consisted of."""

    arguments = ()
    state = None

    def __new__(cls, *args, **kwargs):
        record = super().__new__(cls)
        record.arguments = args
        return record

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        self.state = state

    def get(self, name, default=None):
        """Return an attribute of the object."""
        return self.state.get(name, default) if isinstance(self.state, dict) else default


def is_foreign(module, name):
    """Tell whether a name of this package is one that only the reference release has."""
    if module.partition(".")[0] != __package__:
        return False
    try:
        return not hasattr(importlib.import_module(module), name)
    except ImportError:
        return True


def _numpy_constructors():
    core = getattr(np, "_core", None) or np.core
    return {
        "dtype": np.dtype,
        "ndarray": np.ndarray,
        "_reconstruct": core.multiarray._reconstruct,
        "_frombuffer": core.numeric._frombuffer,
        "scalar": core.multiarray.scalar,
    }


class Reader(pickle.Unpickler):
    """Unpickles arrays and plain values, and records of everything else that a network consisted of."""

    def __init__(self, handle):
        # what Python 2 wrote as text without an encoding includes the bytes of arrays.
        super().__init__(handle, encoding="latin1")
        self.numpy = _numpy_constructors()
        self.classes = {}

    def find_class(self, module, name):
        package = module.partition(".")[0]
        if package == "numpy" and name in self.numpy:
            return self.numpy[name]
        if (module, name) in (("collections", "OrderedDict"), ("_codecs", "encode")):
            return super().find_class(module, name)
        if (module, name) in (("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")):
            return lambda cls, base, state: cls()
        if package in RECORDED or package == "numpy" and "randomstate" in name.lower():
            return self.classes.setdefault((module, name), type(name, (Record,), {"__module__": module}))
        raise util.ConfigurationError(f"the file needs {module}.{name}, which is no part of a network")


def read(handle):
    """Read a network from a file of the reference release.

    Parameters
    ----------
    handle : readable binary file
        Read from its position on.

    Returns
    -------
    network : :class:`theanets.Network`
        Of the class that was saved.

    Raises
    ------
    ConfigurationError
        If the file holds something that is no part of a network, or a network that cannot be expressed today.
    """
    record = Reader(handle).load()
    if not isinstance(record, Record):
        raise util.ConfigurationError(f"the file holds a {type(record).__name__}, expected a network")
    model = _find_model(record)
    layer_records, loss_records = _split_state(record)
    is_07 = any(layer.get("_input_shapes") is None for layer in layer_records)
    network = model(_specs(layer_records, is_07), loss=None)
    inputs = [layer.get("input") for layer in layer_records]
    for loss in loss_records:
        network.add_loss(**_loss_options(loss, inputs))
    _set_values(network, layer_records, is_07)
    return network


def _split_state(record):
    state = record.state
    if isinstance(state, dict):
        state = state.get("layers"), state.get("losses")
    if not isinstance(state, (tuple, list)) or len(state) != 2 or not all(isinstance(part, list) for part in state):
        raise util.ConfigurationError(f"the file holds a {type(record).__name__}, expected a network")
    return state


def _find_model(record):
    from . import convolution, feedforward, graph, recurrent

    cls = type(record)
    for module in (feedforward, recurrent, convolution, graph):
        model = getattr(module, cls.__name__, None)
        if module.__name__ == cls.__module__ and isinstance(model, type) and issubclass(model, graph.Network):
            return model
    raise util.ConfigurationError(
        f"the file holds a {cls.__module__}.{cls.__name__}, which is no model of theanets; if it is a class of yours, "
        "save its parameters, and set them in a network that you have built"
    )


def _plain(value):
    """Turn a value into one that may stand in a layer spec."""
    if isinstance(value, Record):
        return value.get("name")
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return value


def _specs(records, is_07):
    specs, before = [], None
    for record in records:
        specs.append(_layer_spec(record, before, is_07))
        before = record
    return specs


def _layer_spec(record, before, is_07):
    form, name = type(record).__name__.lower(), record.get("name")
    who = f"layer {name!r}"
    if not layers.Layer.is_registered(form):
        raise util.ConfigurationError(f"{who} is a {type(record).__name__}, which is no layer of theanets")
    cls = layers.Layer.get_class(form)
    options = dict(record.get("kwargs", {}))
    if is_07:
        if form in CHANGED_SINCE_07:
            raise util.ConfigurationError(f"{who} is a {form} of release 0.7, which is another one today: "
                                          f"{CHANGED_SINCE_07[form]}")
        options.update(size=record.get("size"), activation=record.get("activation"))
        options["inputs"] = _inputs_07(record, before)
    for key in arguments.named_parameters(cls):
        if record.get(key, record.get(f"_{key}")) is not None:
            options.setdefault(key, record.get(key, record.get(f"_{key}")))
    options = {key: _plain(value) for key, value in options.items()}
    if "direction" in options:
        # any word with "back" in it, and no other, meant backwards.
        options["direction"] = "backward" if "back" in str(options["direction"]).lower() else "forward"
    if form == "bidirectional" or options.get("direction") == "backward":
        options["output_order"] = "processing"
    sparse = record.get("input") is not None and type(record.get("input").get("type")).__name__ == "SparseType"
    if sparse:
        options["sparse"] = record.get("input").get("type").get("format", "csr")
    # options that the reference has never looked at had no effect, and are unknown today.
    known = _known_keywords(cls, options) - {"rng", "nrng", "name"}
    options = {key: value for key, value in options.items() if key in known and value is not None}
    if form == "input":
        options = {key: value for key, value in options.items() if key not in ("inputs", "activation")}
    if form == "tied":
        options.pop("size", None)
    return dict(options, form=form, name=name)


def _known_keywords(cls, options):
    if not issubclass(cls, layers.Bidirectional):
        return cls.known_keywords()
    # those of the workers as well.
    worker = layers.Layer.get_class(options.get("worker", "rnn"))
    return layers.Layer.known_keywords.__func__(cls) | worker.known_keywords()


def _inputs_07(record, before):
    # an input without a layer's name was the layer before. Inputs were taken in the order of their names.
    names = sorted(record.get("inputs", {}))
    return [name if ":" in name else f"{before.get('name')}:out" for name in names] if before is not None else None


def _loss_options(record, inputs):
    form = type(record).__name__.lower()
    options = {key: record.get(key) for key in ("weight", "output_name", "mean_name", "covar_name", "covar_eps")}
    options = {key: value for key, value in options.items() if value is not None}
    target = record.get("_target")
    if not any(target is variable for variable in inputs):
        options["target"] = len(target.get("type").get("broadcastable"))
    return dict(options, form=form, weighted=record.get("_weights") is not None)


# -- values of parameters ---------------------------------------------------------------------------------------------


def _collect(value, found, seen):
    """Gather the arrays of all shared variables within a record, by name."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Record):
        container = value.get("container")
        if isinstance(container, Record):
            found[value.get("name")] = container.get("storage")[0]
        _collect(value.state, found, seen)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found, seen)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, found, seen)


def _set_values(network, records, is_07):
    values = {}
    _collect(records, values, set())
    if is_07:
        for layer in network.layers:
            _translate_07(layer, values)
    for layer in network.layers:
        variables = [*layer.params, *layer.statistics]
        rates = getattr(layer, "_rates", None)
        for variable in variables if rates is None else [*variables, rates]:
            value, shape = values.get(variable.name), variable.get_value(borrow=True).shape
            if value is None or np.shape(value) != shape:
                found = "none" if value is None else f"one of shape {np.shape(value)}"
                raise util.ConfigurationError(
                    f"the file should hold an array of shape {shape} for {variable.name!r}, but there is {found}"
                )
            variable.set_value(np.asarray(value, util.FLOAT))


def _translate_07(layer, values):
    """Turn the values of a layer of release 0.7 into those that mean the same today."""
    if isinstance(layer, layers.GRU):
        for name, parts in (("w", "xh xr xz"), ("b", "bh br bz")):
            arrays = [values.get(f"{layer.name}.{part}") for part in parts.split()]
            if all(array is not None for array in arrays):
                values[f"{layer.name}.{name}"] = np.concatenate(arrays, axis=-1)
    for param in getattr(layer.activate, "params", ()):
        if param.name.rpartition(".")[2] not in ("leak", "gain"):
            continue
        # they were slopes, and are logarithms of slopes today.
        slopes = np.asarray(values.get(param.name, 1.0))
        if not (slopes > 0).all():
            raise util.ConfigurationError(
                f"{param.name!r} holds slopes that are not positive, which the activation "
                f"{layer.activate.name!r} cannot have today"
            )
        values[param.name] = np.log(slopes)
