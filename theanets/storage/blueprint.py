"""What a network consists of, and how to build it again from that.

A :class:`Blueprint` holds the options that each layer and each loss was made with, the values of parameters and
statistics, generators, and attributes that a user has added. A network is built of it by the constructors of its
layers, so that what comes out is as sound as what a user could have written; a file cannot make anything else.
Layers of classes from outside the library keep their attributes as they are, without their constructors being called.
"""

import dataclasses
import math
import warnings

import numpy as np
import theano

from .. import arguments, util
from ..layers import Layer
from ..losses import Loss
from .objects import check_extent, is_ours, network_base
from .pickles import shorten

__all__ = ["Blueprint", "LayerPlan", "LossPlan", "Reference", "describe", "build"]

#: The largest number of layers, and of losses; the time to bind layers grows with the square of their number.
MAX_PARTS = 2000

#: How many initial values constructors may draw in addition to the number of values in the file.
ALLOWANCE = 1_000_000

#: Units of work, see :class:`theanets.storage.budget.Budget`, that it takes to describe or to build a layer or a loss.
PART_WORK = 100

#: The largest number of entries in the options of a layer or loss, and the greatest length of a word there. Error
#: messages about larger ones would take too long.
MAX_OPTIONS = 100_000
MAX_TEXT = 10_000


@dataclasses.dataclass
class Reference:
    """Stands for a parameter or statistic of the same layer.

    Parameters
    ----------
    name : str
        Its full name.
    """

    name: str


@dataclasses.dataclass
class LayerPlan:
    """What a layer consists of.

    Parameters
    ----------
    cls : type
        Its class.
    name : str
        Its name.
    options : dict
        Arguments of the constructor that the library has for such a layer.
    generators : dict
        The generator of the layer, and of each of its workers, by name.
    values : dict
        Shared variables or arrays by name: parameters, statistics and fixed rates.
    attributes : dict
        What else the layer holds, by name.
    shell : object, optional
        An object to make the layer of, so that others who hold it hold the layer.
    is_ready : bool, optional
        Whether the shell is the layer already.
    """

    cls: type
    name: str
    options: dict
    generators: dict
    values: dict
    attributes: dict
    shell: object = None
    is_ready: bool = False


@dataclasses.dataclass
class LossPlan:
    """What a loss consists of; see :class:`LayerPlan`.

    Parameters
    ----------
    target : str or theano variable
        The name of an input layer whose variable is the target; or a variable.
    weights : theano variable or None
        The variable of the weights.
    owns_target : bool
        Whether the target may be shared with other losses.
    """

    cls: type
    options: dict
    target: object
    weights: object
    owns_target: bool
    attributes: dict
    shell: object = None
    is_ready: bool = False


@dataclasses.dataclass
class Blueprint:
    """What a network consists of.

    Parameters
    ----------
    model : type
        Its class.
    rng : int, None or numpy.random.RandomState
        Its generator.
    seed : int or None
        Where noise and dropout start, if that has been drawn.
    pending : dict or None
        The loss that is to be added when there are layers.
    layers, losses : list
        Plans.
    attributes : dict
        What else the network holds, by name.
    shell : object, optional
        An object to make the network of.
    history : dict, optional
        The state of its history. Default: there is none.
    """

    model: type
    rng: object
    seed: object
    pending: object
    layers: list
    losses: list
    attributes: dict
    shell: object = None
    history: object = None


def library_base(cls):
    """Return the nearest class of the library that a class is derived from."""
    return next(base for base in cls.__mro__ if is_ours(base))


def parts_of(layer):
    """Return a layer and the layers that it consists of."""
    return [layer, *layer.workers]


def variables_of(part):
    """Return the shared variables that belong to a layer but not to its workers."""
    rates = getattr(part, "_rates", None)
    own = [*part._params, *getattr(part.activate, "params", ())]
    return [*own, *part.statistics, *([] if rates is None else [rates])]


def whole_of(network):
    """Return the layers and the losses of a network, also while only a part of it is trained."""
    return getattr(network, "_whole", None) or (network.layers, network.losses)


class Blank(np.random.RandomState):
    """A generator that returns zeros, up to a total number, for initial values that are replaced by those of a file.

    A short file that asks for large layers would fill the memory otherwise.
    """

    def __init__(self, limit):
        super().__init__(0)
        self.left = limit

    def _zeros(self, shape):
        self.left -= math.prod(shape) if isinstance(shape, (tuple, list)) else 1 if shape is None else shape
        if self.left < 0:
            raise util.LoadError("its layers are larger than the arrays that it holds for them")
        return 0.0 if shape in (None, ()) else np.zeros(shape)

    def randn(self, *shape):
        """Return zeros."""
        return self._zeros(shape)

    rand = randn

    def uniform(self, low=0.0, high=1.0, size=None):
        """Return zeros."""
        return self._zeros(size)

    normal = uniform

    def binomial(self, n, p, size=None):
        """Return zeros."""
        return self._zeros(size)


# -- from a network to its description --------------------------------------------------------------------------------


def describe(network, keep_own=False, budget=None):
    """Describe a network.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network, which need not be fit for use as long as its attributes are there.
    keep_own : bool, optional
        Whether to keep layers and losses of classes from outside the library, and to build the others in place.
    budget : :class:`theanets.storage.budget.Budget`, optional
        What describing one that was read from a file may take.

    Returns
    -------
    plan : Blueprint
        It shares arrays and generators with the network.
    """
    layers, losses = whole_of(network)
    if len(layers) > MAX_PARTS or len(losses) > MAX_PARTS:
        raise util.LoadError(f"it holds more than {MAX_PARTS} layers or losses")
    if budget is not None:
        budget.take_work(PART_WORK * (len(layers) + len(losses)))
    twin = network_base()()
    with _quietly():
        return Blueprint(
            type(network),
            getattr(network, "rng", 13),
            getattr(network, "_seed", None),
            getattr(network, "_default_loss", None),
            [_describe_layer(layer, keep_own) for layer in layers],
            [_describe_loss(loss, layers, keep_own) for loss in losses],
            _attributes(network, twin),
            network if keep_own else None,
            _describe_history(getattr(network, "_history", None)),
        )


def _describe_history(history):
    # a network that was just unpickled has the state of its history here, not a History.
    return history.state() if hasattr(history, "state") else history


class _quietly(warnings.catch_warnings):
    """Suppress warnings of constructors, and restore the counter of layers."""

    def __enter__(self):
        self.count = Layer._count
        super().__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *error):
        super().__exit__(*error)
        Layer._count = self.count


def _attributes(thing, twin):
    """Return the attributes that a bare object of the same base does not have."""
    # private attributes of our own classes may come from another version of the library: skip them.
    is_shown = lambda key: not key.startswith("_") or not is_ours(type(thing))  # noqa: E731
    return {key: value for key, value in vars(thing).items() if key not in vars(twin) and is_shown(key)}


def _describe_layer(layer, keep_own):
    if not isinstance(layer, Layer):
        raise util.LoadError(f"it holds a {type(layer).__name__} where a layer should be")
    shell = layer if keep_own else None
    if keep_own and not is_ours(type(layer)):
        return LayerPlan(type(layer), layer.name, {}, {}, {}, {}, shell, True)
    options = _layer_options(layer)
    twin = _make_layer(LayerPlan(type(layer), layer.name, options, {}, {}, {}), Blank(0))
    parts = parts_of(layer)
    return LayerPlan(
        type(layer),
        layer.name,
        options,
        {part.name: part.rng for part in parts},
        {variable.name: variable for part in parts for variable in variables_of(part)},
        _attributes(layer, twin),
        shell,
    )


def _layer_options(layer):
    base = library_base(type(layer))
    known = {*layer.kwargs, *arguments.named_parameters(base)} - {"form", "name"}
    options = {key: value for key, value in base.to_spec(layer).items() if key in known}
    inputs = options.get("inputs")
    if not isinstance(inputs, (str, type(None))):
        # layers are replaced by the names of their outputs.
        sizes = any(size is not None for _, size in layer._requested)
        options["inputs"] = dict(layer._requested) if sizes else type(inputs)(name for name, _ in layer._requested)
    if hasattr(layer, "input") and base.__name__ == "Input":
        ndim = layer.input.ndim + bool(layer.labels)
        if ndim != len(options["shape"]) + 1:
            # the number of dimensions does not follow from the shape: keep it.
            options.update(size=options.pop("shape")[-1], ndim=ndim)
    return options


def _describe_loss(loss, layers, keep_own):
    if not isinstance(loss, Loss):
        raise util.LoadError(f"it holds a {type(loss).__name__} where a loss should be")
    sources = {id(layer.input): layer.name for layer in layers if hasattr(layer, "input")}
    target = sources.get(id(loss._target), loss._target)
    shell = loss if keep_own else None
    if keep_own and not is_ours(type(loss)):
        return LossPlan(type(loss), {}, target, loss._weights, loss.owns_target, {}, shell, True)
    base = library_base(type(loss))
    names = arguments.named_parameters(base) - {"target", "weighted"}
    plan = LossPlan(
        type(loss), {key: getattr(loss, key) for key in names}, target, loss._weights, loss.owns_target, {}, shell
    )
    twin = object.__new__(base)
    base.__init__(twin, loss._target, weighted=loss._weights is not None, **plan.options)
    plan.attributes = _attributes(loss, twin)
    return plan


# -- from a description to a network ----------------------------------------------------------------------------------


def build(plan, budget=None):
    """Build a network.

    Parameters
    ----------
    plan : Blueprint
        What it is to consist of.
    budget : :class:`theanets.storage.budget.Budget`, optional
        What building may take. Default: any amount.

    Returns
    -------
    network : :class:`theanets.Network`

    Raises
    ------
    LoadError
        If no network consists of this.
    """
    if len(plan.layers) > MAX_PARTS or len(plan.losses) > MAX_PARTS:
        raise util.LoadError(f"it holds more than {MAX_PARTS} layers or losses")
    if budget is not None:
        budget.take_work(PART_WORK * (len(plan.layers) + len(plan.losses)))
    _check_rest(plan)
    _warn_of_types(plan)
    sizes = [np.size(_value_of(value)) for layer in plan.layers for value in layer.values.values()]
    blank = Blank(sum(sizes) + ALLOWANCE)
    network = plan.shell or object.__new__(plan.model)
    vars(network).clear()
    network_base().__init__(network, loss=None)
    with _quietly():
        for layer in plan.layers:
            network._append(_make_layer(layer, blank))
        for layer, its_plan in zip(network.layers, plan.layers):
            if not its_plan.is_ready:
                _finish_layer(layer, its_plan, network)
        network.losses = [_make_loss(loss, network.layers) for loss in plan.losses]
    network.rng, network._seed, network._default_loss = plan.rng, plan.seed, plan.pending
    if plan.history is not None:
        network._history.restore(plan.history)
    _set_attributes(network, plan.attributes)
    return network


def _check_rest(plan):
    util.random_state(plan.rng)
    if plan.seed is not None and not util.is_int(plan.seed):
        raise util.LoadError(f"its seed is a {type(plan.seed).__name__}, expected an integer")
    if plan.pending is not None and (not isinstance(plan.pending, dict) or set(plan.pending) != {"loss", "weighted"}):
        raise util.LoadError("its loss by default is none")


def _warn_of_types(plan):
    types = {_value_of(value).dtype for layer in plan.layers for value in layer.values.values()}
    others = sorted(dtype.name for dtype in types if dtype.kind == "f" and dtype != util.FLOAT)
    if others:
        util.warn(f"the network was saved with numbers of type {', '.join(others)}, and is going to use {util.FLOAT}")


def _set_attributes(thing, attributes):
    for key, value in attributes.items():
        shadowed = getattr(type(thing), key, None)
        if callable(shadowed) or isinstance(shadowed, property):
            raise util.LoadError(f"it gives a {type(thing).__name__} an attribute {key!r} in the place of a method")
        vars(thing)[key] = value


def _value_of(value):
    return value if isinstance(value, np.ndarray) else value.get_value(borrow=True)


def _as_variable(name, value):
    """Return a shared variable of the float type of this process."""
    if not isinstance(value, np.ndarray) and value.dtype == util.FLOAT:
        return value
    return theano.shared(_cast(name, _value_of(value), np.dtype(util.FLOAT)), name=name, borrow=True)


def _cast(name, value, dtype):
    if value.dtype.kind != dtype.kind:
        raise util.LoadError(f"it holds {name!r} as numbers of type {value.dtype}, expected {dtype}")
    return np.array(value, dtype)


def _make_layer(plan, blank):
    """Make a layer without binding it."""
    if plan.is_ready:
        return plan.shell
    if not isinstance(plan.name, str) or not all(isinstance(key, str) for key in plan.options):
        raise util.LoadError(f"a {plan.cls.__name__} has no name, or options that have none")
    check_extent([plan.name, plan.options], MAX_OPTIONS, MAX_TEXT)
    ndim = plan.options.get("ndim", 0)
    if not util.is_int(ndim) or ndim > 32:
        raise util.LoadError(f"layer {plan.name!r}: ndim is not a number of dimensions")
    layer = plan.shell or object.__new__(plan.cls)
    variable = getattr(layer, "input", None) if plan.shell is not None else None
    vars(layer).clear()
    key = _rng_key(plan)
    library_base(plan.cls).__init__(layer, name=plan.name, **{**plan.options, key: blank})
    if variable is not None and getattr(layer, "input", variable).type == variable.type:
        # layers and losses of the user's own classes may refer to this very object.
        layer.input = variable
    _set_attributes(layer, {key: _resolve(value, {}) for key, value in plan.attributes.items()})
    values = {name: _as_variable(name, value) for name, value in plan.values.items() if name in _parameters(plan)}
    for part in parts_of(layer):
        # bind() keeps existing parameters of the right name and shape.
        part._params = [value for name, value in values.items() if name.startswith(f"{part.name}.")]
    return layer


def _parameters(plan):
    return [name for name, value in plan.values.items() if _value_of(value).dtype.kind == "f"]


def _rng_key(plan):
    return "nrng" if "nrng" in plan.options and "rng" not in plan.options else "rng"


def _finish_layer(layer, plan, network):
    layer.bind(network)
    key = _rng_key(plan)
    for part in parts_of(layer):
        if key in plan.options:
            part.kwargs[key] = plan.options[key]
        else:
            del part.kwargs[key]
        part.rng = plan.generators.get(part.name) or util.random_state(plan.options.get(key))
    values, found = dict(plan.values), {}
    for part in parts_of(layer):
        for variable in variables_of(part):
            if variable.name not in values:
                raise util.LoadError(f"it holds no value for {variable.name!r}")
            value = _value_of(values.pop(variable.name))
            if value.shape != variable.get_value(borrow=True).shape:
                raise util.LoadError(
                    f"it holds an array of shape {value.shape} for {variable.name!r}, expected "
                    f"{variable.get_value(borrow=True).shape}"
                )
            variable.set_value(_cast(variable.name, value, np.dtype(variable.dtype)), borrow=True)
            found[variable.name] = variable
    if values:
        raise util.LoadError(f"it holds a value for {shorten(next(iter(values)))!r}, which layer {plan.name!r} lacks")
    # restored after bind(), because setup() of a user's class may have reset them.
    _set_attributes(layer, {key: _resolve(value, found) for key, value in plan.attributes.items()})


def _resolve(value, found):
    """Replace a reference by its variable, or by None if that does not exist yet."""
    return found.get(value.name) if isinstance(value, Reference) else value


def _make_loss(plan, layers):
    target = plan.target
    if isinstance(target, str):
        (target,) = [layer.input for layer in layers if layer.name == target and hasattr(layer, "input")]
    if plan.is_ready:
        plan.shell._target = target
        return plan.shell
    check_extent(plan.options, MAX_OPTIONS, MAX_TEXT)
    loss = plan.shell or object.__new__(plan.cls)
    vars(loss).clear()
    library_base(plan.cls).__init__(loss, target, weighted=plan.weights is not None, **plan.options)
    if plan.weights is not None:
        if plan.weights.ndim != target.ndim:
            raise util.LoadError("the weights of a loss have another number of dimensions than its target")
        loss._weights = plan.weights
    if not util.is_real(loss.weight) and not hasattr(loss.weight, "type"):
        raise util.LoadError(f"the weight of a loss is a {type(loss.weight).__name__}, expected a number")
    names = {layer.name for layer in layers}
    for name in loss.output_names:
        if name.partition(":")[0] not in names:
            raise util.LoadError(f"a loss reads {shorten(name)!r}, which is the output of no layer")
    loss.owns_target = bool(plan.owns_target)
    _set_attributes(loss, plan.attributes)
    return loss
