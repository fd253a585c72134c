"""Networks that were saved by the reference release, 0.7.3 or 0.8.0pre, on Python 2.7 or 3.

Such a file is a pickle of objects of Theano and of the reference. None of them is made here: there are the records of
:mod:`theanets.storage.pickles`, which hold what each object consisted of and can do nothing. The network is then built
anew from layer specs, and given the values of the parameters.

A network keeps the meaning that it was trained with. Outputs of layers that run backwards were in the order of
processing; such layers get the option ``output_order='processing'``, which shows in their specs. What has another
meaning today and cannot be expressed, a few recurrent layers of 0.7.3, is refused.
"""

import numpy as np

from .. import arguments, layers, losses, util
from . import blueprint, objects, pickles

__all__ = ["is_legacy", "build", "read"]

#: Packages whose objects are replaced by their names in layer specs.
RECORDED = ("theanets", "theano")

#: Layers of 0.7.3 that computed something else.
CHANGED_SINCE_07 = {
    "scrn": "its hidden units were logistic, and its output had an activation",
    "clockwork": "its units were in the opposite order",
}


def is_legacy(record):
    """Tell whether a record is that of a network of the reference release, which has another state than ours."""
    if not isinstance(record, pickles.Record) or record.module.partition(".")[0] != "theanets":
        return False
    state = record.state
    return "_default_loss" not in state if isinstance(state, dict) else isinstance(state, (tuple, list))


def read(handle):
    """Read a network from a file of the reference release; see :func:`build`."""
    return build(pickles.read(handle.read())[0])


def build(record, budget=None):
    """Build the network that a record stands for.

    Parameters
    ----------
    record : :class:`theanets.storage.pickles.Record`
        What the file holds.
    budget : :class:`theanets.storage.budget.Budget`, optional
        What building may take. Default: that of an empty file.

    Returns
    -------
    network : :class:`theanets.Network`
        Of the class that was saved.

    Raises
    ------
    ConfigurationError
        If the record holds something that is no part of a network, or a network that cannot be expressed today.
    """
    if not isinstance(record, pickles.Record):
        raise util.LoadError(f"it holds a {type(record).__name__}, expected a network")
    model = _find_model(record)
    layer_records, loss_records = _split_state(record)
    if len(layer_records) > blueprint.MAX_PARTS or len(loss_records) > blueprint.MAX_PARTS:
        raise util.LoadError(f"it holds more than {blueprint.MAX_PARTS} layers or losses")
    maker = objects.Maker(budget=budget)
    maker.budget.take_work(blueprint.PART_WORK * (len(layer_records) + len(loss_records)))
    is_07 = any(layer.get("_input_shapes") is None for layer in layer_records)
    values = {}
    _collect(layer_records, values, set(), maker)
    # no random initial values: the stored ones replace them.
    blank = blueprint.Blank(sum(value.size for value in values.values()) + blueprint.ALLOWANCE)
    network = model(_specs(layer_records, is_07, maker), loss=None, rng=blank)
    inputs = [layer.get("input") for layer in layer_records]
    for loss in loss_records:
        options = _loss_options(loss, inputs, maker)
        # losses on the same target variable share their target.
        network._append_loss(network._build_loss(options.pop("form"), options))
    _set_values(network, values, is_07)
    network.rng = 13
    for layer in network.layers:
        for part in blueprint.parts_of(layer):
            part.rng = util.random_state(13)
            if part.kwargs.get("rng") is blank:
                part.kwargs["rng"] = 13
    return network


def _split_state(record):
    state = record.state
    if isinstance(state, dict):
        state = state.get("layers"), state.get("losses")
    if not isinstance(state, (tuple, list)) or len(state) != 2 or not all(isinstance(part, list) for part in state):
        raise util.LoadError(f"it holds a {record.full_name}, expected a network")
    if not all(isinstance(part, pickles.Record) for parts in state for part in parts):
        raise util.LoadError("it holds something else where layers and losses should be")
    return state


def _find_model(record):
    model = objects.find_class(f"{record.module}.{record.name}")
    if model is not None and objects.is_ours(model) and issubclass(model, objects.network_base()):
        return model
    raise util.LoadError(
        f"it holds a {record.full_name}, which is no model of theanets; if it is a class of yours, save its "
        "parameters, and set them in a network that you have built"
    )


def _plain(value, maker):
    """Turn a value into one that may stand in a layer spec."""
    if isinstance(value, pickles.Record):
        if value.module.partition(".")[0] in RECORDED:
            # a layer, or an activation.
            return value.get("name")
        value = maker.make(value)
    if isinstance(value, np.ndarray):
        maker.budget.take_work(value.size)
        return tuple(value.tolist())
    return value


def _specs(records, is_07, maker):
    specs, before = [], None
    for record in records:
        specs.append(_layer_spec(record, before, is_07, maker))
        before = record
    return specs


def _layer_spec(record, before, is_07, maker):
    form, name = record.name.lower(), record.get("name")
    who = f"layer {pickles.shorten(name)!r}"
    cls = _find_class(layers.Layer, form, f"{who} is a {record.full_name}, which is no layer of theanets")
    options = {key: value for key, value in record.get("kwargs", {}).items() if key not in ("rng", "nrng", "name")}
    if is_07:
        if form in CHANGED_SINCE_07:
            raise util.ConfigurationError(
                f"{who} is a {form} of release 0.7, which is another one today: {CHANGED_SINCE_07[form]}"
            )
        options.update(size=record.get("size"), activation=record.get("activation"))
        options["inputs"] = _inputs_07(record, before)
    for key in arguments.named_parameters(cls) - {"name"}:
        if record.get(key, record.get(f"_{key}")) is not None:
            options.setdefault(key, record.get(key, record.get(f"_{key}")))
    objects.check_extent([name, options], blueprint.MAX_OPTIONS, blueprint.MAX_TEXT)
    options = {key: _plain(value, maker) for key, value in options.items()}
    if "direction" in options:
        # the reference release checked only for the substring "back".
        options["direction"] = "backward" if "back" in str(options["direction"]).lower() else "forward"
    if isinstance(record.get("forward"), pickles.Record):
        # some releases store the class of the workers only here.
        options["worker"] = record.get("forward").name.lower()
    if form == "bidirectional" or options.get("direction") == "backward":
        options["output_order"] = "processing"
    sparse = record.get("input") is not None and record.get("input").get("type").name == "SparseType"
    if sparse:
        options["sparse"] = record.get("input").get("type").get("format", "csr")
    # options that the reference release ignored are unknown keywords today: drop them.
    known = _known_keywords(cls, options)
    options = {key: value for key, value in options.items() if key in known and value is not None}
    if form == "input":
        options = {key: value for key, value in options.items() if key not in ("inputs", "activation")}
    if form == "tied":
        options.pop("size", None)
    return dict(options, form=form, name=name)


def _find_class(family, form, message):
    """Return a class of this library by its name."""
    if not family.is_registered(form) or not objects.is_ours(family.get_class(form)):
        raise util.LoadError(message)
    return family.get_class(form)


def _known_keywords(cls, options):
    if not issubclass(cls, layers.Bidirectional):
        return cls.known_keywords()
    # the keywords of the worker layers are accepted, too.
    worker = _find_class(layers.Layer, options.get("worker", "rnn"), "the worker of a layer is no layer of theanets")
    return layers.Layer.known_keywords.__func__(cls) | worker.known_keywords()


def _inputs_07(record, before):
    # an input without a layer's name was the layer before. Inputs were taken in the order of their names.
    names = sorted(record.get("inputs", {}))
    return [name if ":" in name else f"{before.get('name')}:out" for name in names] if before is not None else None


def _loss_options(record, inputs, maker):
    form = record.name.lower()
    _find_class(losses.Loss, form, f"it holds a {record.full_name}, which is no loss of theanets")
    options = {key: record.get(key) for key in ("weight", "output_name", "mean_name", "covar_name", "covar_eps")}
    options = {key: _plain(value, maker) for key, value in options.items() if value is not None}
    objects.check_extent(options, blueprint.MAX_OPTIONS, blueprint.MAX_TEXT)
    target = record.get("_target")
    if not any(target is variable for variable in inputs):
        options["target"] = len(target.get("type").get("broadcastable"))
    return dict(options, form=form, weighted=record.get("_weights") is not None)


# -- values of parameters ---------------------------------------------------------------------------------------------


def _collect(value, found, seen, maker):
    """Gather the arrays of all shared variables within a record, by name."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, pickles.Record):
        container = value.get("container")
        if isinstance(container, pickles.Record):
            array = maker.make(container.get("storage")[0])
            if not isinstance(array, (np.ndarray, np.generic)):
                raise util.LoadError(f"it holds a {type(array).__name__} where an array should be")
            found[value.get("name")] = np.asarray(array)
        _collect(value.state, found, seen, maker)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found, seen, maker)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, found, seen, maker)


def _set_values(network, values, is_07):
    parts = [part for layer in network.layers for part in blueprint.parts_of(layer)]
    if is_07:
        for part in parts:
            _translate_07(part, values)
    for variable in [variable for part in parts for variable in blueprint.variables_of(part)]:
        value, shape = values.get(variable.name), variable.get_value(borrow=True).shape
        if value is None or np.shape(value) != shape:
            found = "none" if value is None else f"one of shape {np.shape(value)}"
            raise util.LoadError(
                f"it should hold an array of shape {shape} for {variable.name!r}, but there is {found}"
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
        # release 0.7 stored slopes; the parameters are logarithms of slopes now.
        slopes = np.asarray(values.get(param.name, 1.0))
        if not (slopes > 0).all():
            raise util.ConfigurationError(
                f"{param.name!r} holds slopes that are not positive, which the activation "
                f"{layer.activate.name!r} cannot have today"
            )
        values[param.name] = np.log(slopes)
