"""The structure of a network: a cache key that is equal for networks that can share compiled functions.

:func:`theanets.network.caching.fingerprint` detects changes of *one* network: it describes parameters and symbolic
variables by their identity. Here they are described by their position in the order of traversal, and by their types,
shapes and names. A variable that occurs twice has the same number at both places.

Classes and functions of users are described by their code, by the global variables that they read, and by their
settings. So a notebook cell that is run again makes the same structure, and one that has been changed makes another.
Objects without such an exact description raise :class:`Unkeyable`, and their compiled functions are not shared.
"""

import functools
import re
import sys
import types

import numpy as np
import theano
from theano.compile import SharedVariable

from .. import layers, losses, modes, regularizers, storage, store, util, xla
from ..layers.base import PER_PARAMETER
from ..xla.registry import SCALARS, translate
from .caching import ATOMS, FIXED, LARGE, Described, digest, fingerprint, globals_of
from .part import Part

__all__ = ["OVERRIDABLE", "Structure", "Structured", "Unkeyable", "is_wanted", "of"]

#: Options of a layer that influence the initial values of parameters only, and not the graph.
INITIAL = frozenset(["rng", "nrng", "mean", "std", "sparsity", "diagonal"])

#: Attributes that the constructor of a layer sets, and that no graph depends on.
NOTES = frozenset(["_settings_read", "_measured"])

#: Code that uses one of these names may build another graph at each call, as it may depend on values of parameters,
#: random numbers, the time, files or the environment.
FICKLE = re.compile(
    r"get_value|set_value|eval|exec|container|storage|n?rng|random.*|RandomState|default_rng|seed|environ|getenv|open|"
    r"time|time_ns|perf_counter|monotonic|now|today|globals|locals|__import__|import_module|modules"
)

#: Methods of a layer that influence graphs only by the attributes that they set, as constructors do.
WITHOUT_GRAPH = frozenset(["setup", "__repr__", "to_spec", "log", "describe"])

#: Attributes of classes that have no influence on their behaviour.
FORMALITIES = frozenset(
    ["__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__"]
    + ["__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__abstractmethods__"]
    + ["_abc_impl", "__parameters__", "__orig_bases__", "_registry", "__slotnames__"]
)


#: Settings of Theano that influence graphs or how they are compiled.
SETTINGS = (
    "floatX",
    "cast_policy",
    "int_division",
    "optimizer",
    "optimizer_including",
    "optimizer_excluding",
    "optimizer_requiring",
    "optdb.max_use_ratio",
)

#: Methods that get all keyword arguments of ``train``, and that subclasses may override to use some of their own.
OVERRIDABLE = ("loss", "updates", "monitors")


class Unkeyable(Exception):
    """Raised for an object without a description that is exact enough for sharing compiled functions."""


def _is_fixed(module):
    """Tell whether a module is one of this library, of those that it builds on, or of Python's standard library."""
    name = (module or "").partition(".")[0]
    return name in FIXED or name in sys.stdlib_module_names and name != "__main__"


class Structure:
    """Makes structural descriptions of objects, in which variables, layers and other parts of graphs get numbers.

    Attributes
    ----------
    variables : list of theano shared variables
        The shared variables that were found, in order.
    key : hashable or None
        The cache key that :func:`of` has made: equal if the same functions are compiled.

    Examples
    --------
    >>> import theanets
    >>> one, two = (theanets.Regressor([4, (3, "tanh"), 2], rng=seed) for seed in (1, 2))
    >>> Structure().describe(one.layers) == Structure().describe(two.layers)
    True
    """

    def __init__(self):
        self.variables, self.key = [], None
        # numbers by id, and the numbered objects, which are kept alive so that no id is used again.
        self._numbers, self._kept = {}, []
        # the dicts that are being described, to detect a dict that contains itself.
        self._open = set()

    def describe(self, value):
        """Return a hashable description, equal for objects of the same structure.

        Raises
        ------
        Unkeyable
            If there is no such description.
        """
        kind = type(value)
        if kind is float:
            # as text, as 0.0 and -0.0 would be equal, and NaN would not equal itself.
            return float, value.hex()
        if kind in ATOMS:
            return kind, value
        number = self._numbers.get(id(value))
        if number is not None:
            return "seen", number
        if kind is tuple or kind is list:
            return kind, tuple([self.describe(item) for item in value])
        for classes, describe in self._WAYS:
            if isinstance(value, classes):
                return describe(self, value)
        return self._instance(value)

    def finish(self, description):
        """Set the key, and drop all references to the described objects but the variables."""
        self.key = Described(description)
        self._numbers, self._kept = {}, []

    def _number(self, value):
        self._numbers[id(value)] = len(self._kept)
        self._kept.append(value)

    # -- values -------------------------------------------------------------------------------------------------------

    def _plain(self, value):
        return self.describe(type(value)), getattr(value, "hex", value.__str__)()

    def _dict(self, value):
        if id(value) in self._open:
            raise Unkeyable(value)
        self._open.add(id(value))
        items = tuple([(self.describe(key), self.describe(item)) for key, item in value.items()])
        self._open.remove(id(value))
        return self.describe(type(value)), items

    def _set(self, value):
        if not all(type(item) in ATOMS for item in value):
            raise Unkeyable(value)
        return frozenset, frozenset((type(item), item) for item in value)

    def _array(self, value):
        if value.dtype == object:
            raise Unkeyable(value)
        content = value.tobytes() if value.nbytes <= LARGE else digest(value)
        return type(value), value.shape, value.dtype.str, content

    def _itself(self, value):
        return type(value), value

    # -- parts of graphs ----------------------------------------------------------------------------------------------

    def _shared(self, variable):
        storage = variable.container.storage
        if id(storage) in self._numbers:
            # two variables share one cell, and so one value, which variables of another network might not.
            raise Unkeyable(variable)
        self._number(storage)
        self._number(variable)
        self.variables.append(variable)
        value = storage[0]
        return "shared", type(variable), variable.type, variable.name, getattr(value, "shape", None)

    def _variable(self, variable):
        if variable.owner is not None:
            raise Unkeyable(variable)
        if isinstance(variable, theano.Constant):
            return "constant", variable.type, self.describe(variable.data)
        self._number(variable)
        return "variable", variable.type, variable.name

    def _op(self, op):
        """Describe an Op by its class and settings, and by its translation to XLA."""
        kind = type(op)
        # Ops that contain graphs or compiled functions.
        if hasattr(op, "fgraph") or hasattr(op, "inputs") or hasattr(op, "fn"):
            raise Unkeyable(op)
        if _is_fixed(kind.__module__):
            # Theano's Ops have a meaningful __eq__.
            return "op", kind, op
        self._number(op)
        settings = [getattr(op, name) for name in op.__props__] if hasattr(op, "__props__") else vars(op)
        translations = [translate.dispatch(kind), SCALARS.get(kind)]
        return "op", self.describe(kind), self.describe(settings), self.describe(translations)

    def _part(self, part):
        """Describe a layer, an activation, a loss or a regularizer."""
        self._number(part)
        kind = type(part)
        is_ours = _is_fixed(kind.__module__)
        settings = {}
        for key, value in part.graph_settings().items():
            if key in NOTES:
                continue
            if key == "kwargs" and isinstance(part, layers.Layer) and isinstance(value, dict):
                value = {name: item for name, item in value.items() if not _is_initial(name, is_ours)}
            settings[key] = value
        return self.describe(kind), self._dict(settings)

    # -- code ---------------------------------------------------------------------------------------------------------

    def _module(self, module):
        if not _is_fixed(module.__name__):
            raise Unkeyable(module)
        return "module", module.__name__

    def _class(self, cls):
        if _is_fixed(cls.__module__):
            return "class", cls
        self._number(cls)
        is_layer = issubclass(cls, layers.Layer)
        members = [
            (name, self._member(member, name == "__init__" or is_layer and name in WITHOUT_GRAPH))
            for name, member in vars(cls).items()
            if name not in FORMALITIES
        ]
        bases = [self.describe(base) for base in cls.__bases__]
        return "class", cls.__module__, cls.__qualname__, self.describe(type(cls)), tuple(bases), tuple(members)

    def _member(self, member, is_lenient):
        if isinstance(member, types.FunctionType):
            return self._function(member, is_lenient)
        if isinstance(member, (staticmethod, classmethod)):
            return type(member), self.describe(member.__func__)
        if isinstance(member, property):
            return property, self.describe([member.fget, member.fset, member.fdel])
        if isinstance(member, functools.cached_property):
            return functools.cached_property, self.describe(member.func)
        return self.describe(member)

    def _function(self, function, is_lenient=False):
        """Describe a function by its code, its defaults, and the global and enclosing variables that it reads."""
        if _is_fixed(function.__module__) and not function.__closure__:
            return "function", function
        self._number(function)
        code = function.__code__
        names = _names_in(code)
        if not is_lenient and not _is_fixed(function.__module__) and any(map(FICKLE.fullmatch, names)):
            raise Unkeyable(function)
        cells = [self._cell(cell) for cell in function.__closure__ or ()]
        around = [] if _is_fixed(function.__module__) else self._globals(function, names)
        defaults = self.describe([function.__defaults__, function.__kwdefaults__])
        return "function", code, defaults, tuple(cells), tuple(around)

    def _cell(self, cell):
        try:
            return self.describe(cell.cell_contents)
        except ValueError:
            # an enclosing variable without a value yet.
            return None

    def _globals(self, function, names):
        around = []
        for name in globals_of(function.__code__):
            if name not in function.__globals__:
                # a built-in.
                continue
            value = function.__globals__[name]
            if isinstance(value, types.ModuleType) and not _is_fixed(value.__name__):
                around.append((name, self._read_of(value, names)))
            else:
                around.append((name, self.describe(value)))
        return around

    def _read_of(self, module, names):
        """Describe the members of a user's module that code may read: those whose names occur in it."""
        self._number(module)
        found = []
        for name in sorted(names.intersection(vars(module))):
            value = vars(module)[name]
            if isinstance(value, types.ModuleType) and not _is_fixed(value.__name__):
                seen = self._numbers.get(id(value))
                found.append((name, self._read_of(value, names) if seen is None else ("seen", seen)))
            else:
                found.append((name, self.describe(value)))
        return tuple(found)

    def _partial(self, value):
        return functools.partial, self.describe([value.func, value.args, value.keywords])

    def _method(self, value):
        return types.MethodType, self.describe(value.__func__), self.describe(value.__self__)

    def _builtin(self, value):
        owner = getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType):
            raise Unkeyable(value)
        return type(value), value

    def _instance(self, value):
        """Describe an instance of a user's class by the class and its attributes."""
        kind = type(value)
        plain = (object, *(base for base in kind.__mro__ if not _is_fixed(base.__module__)))
        if _is_fixed(kind.__module__) or len(plain) != len(kind.__mro__) or not hasattr(value, "__dict__"):
            raise Unkeyable(value)
        self._number(value)
        return "instance", self.describe(kind), self._dict(vars(value))

    #: Methods that describe values, by classes; the first match is used.
    _WAYS = (
        ((str, bytes, int, float, complex), _plain),
        (dict, _dict),
        ((set, frozenset), _set),
        ((np.ndarray, np.generic), _array),
        ((np.dtype, theano.gof.Type, np.ufunc), _itself),
        (SharedVariable, _shared),
        (theano.gof.Variable, _variable),
        (theano.gof.op.PureOp, _op),
        (util.ShapesGraph, _part),
        (type, _class),
        (types.FunctionType, _function),
        (types.MethodType, _method),
        ((types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType), _builtin),
        (functools.partial, _partial),
        (types.ModuleType, _module),
    )


def is_wanted():
    """Tell whether compiled functions are to be shared through the store: if it is on, in the XLA mode."""
    return store.is_on() and modes.get_mode() == xla.NAME


def of(value):
    """Return the :class:`Structure` of layers, losses and the like, with its key; None if there is no exact one."""
    structure = Structure()
    try:
        description = structure.describe(value)
    except Unkeyable:
        return None
    structure.finish((description, modes.key(), tuple([_setting(name) for name in SETTINGS])))
    return structure


def _setting(name):
    value = theano.config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _is_initial(name, is_ours):
    """Tell whether an option of a layer influences initial values only, and not the graph."""
    if not is_ours:
        # a user's layer may use the other options in its graph.
        return name in ("rng", "nrng")
    return name in INITIAL or isinstance(name, str) and PER_PARAMETER.fullmatch(name) is not None


@functools.lru_cache(maxsize=256)
def _names_in(code):
    """Return the names and the strings that occur in code, nested functions included."""
    names = {*code.co_names, *(item for item in code.co_consts if isinstance(item, str))}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return frozenset(names)


class Structured(Part):
    """The part of a network that describes it, for the cache keys of what is compiled for it."""

    def _graph_key(self, regs, context=None):
        # regularizers that only add to the loss do not change the graph.
        modifying = [reg for reg in regs if regularizers.modifies_graphs(reg)]
        settings = () if context is None else context.settings()
        # most predictions have neither, and computing a fingerprint takes time.
        rest = fingerprint((modifying, settings)) if modifying or settings else None
        return self._layers_memo.fingerprint(self.layers), rest

    def _describe(self, regs, **more):
        """Describe all that shapes the graphs of the loss, the updates and the monitors, as something hashable.

        Parameters
        ----------
        regs : list of :class:`theanets.Regularizer`
            The regularizers. What their noise starts from is left out, and so are numbers that graphs take as inputs.
        **more
            What else makes a difference.

        Returns
        -------
        description : dict
            Hashable values, in parts of which each can be compared by itself.
        """
        parts = self._shaping(regs, **more)
        described = {key: Described(fingerprint(value)) for key, value in parts.items() if key != "layers"}
        # remembered, as there is most to be said of them.
        return {"layers": self._layers_memo.fingerprint(self.layers), **described}

    def _shaping(self, regs, **more):
        """Return all that shapes the graphs of the loss, the updates and the monitors, by what it is; see above."""
        own, overridden = self._own_attributes(), self._overridden()
        # a stream of a layer's own gives each graph other numbers.
        drawn = [
            len(value.state_updates)
            for layer in self.layers
            for value in vars(layer).values()
            if isinstance(getattr(value, "state_updates", None), list)
        ]
        settings = [(type(reg), reg.structure()) for reg in regs]
        parts = dict(layers=self.layers, losses=self.losses, network=[own, overridden], drawn=drawn, **more)
        parts["regularizers"] = settings
        if overridden:
            parts["numbers"] = [part.weight for part in [*self.losses, *regs]]
        return parts

    def _structure(self, regs, **more):
        """Describe the same for the store, in which networks of one structure find what was compiled for another.

        Parameters
        ----------
        regs, **more
            As for :meth:`_describe`.

        Returns
        -------
        structure : :class:`Structure` or None
            None if nothing is to be stored: the store is off, functions are not compiled by XLA, or there is something
            that cannot be described exactly.
        """
        return self._structure_of(self._shaping(regs, **more))

    def _shaping_by(self, regs):
        """Return what shapes graphs of regularizers, but for the seeds that they draw from."""
        weights = [reg.weight for reg in regs] if self._overridden() else None
        return [(type(reg), reg.structure()) for reg in regs], weights

    def _structure_of(self, shaping):
        """Return the structure (the key in the store) of a function of this network; None if it is not to be stored."""
        return of([self._class_shaping(), shaping]) if is_wanted() else None

    def _class_shaping(self):
        """Return what shapes graphs of the class of this network, and of attributes that its methods may read."""
        return type(self), self._own_attributes()

    def _own_attributes(self):
        """Return the attributes that methods of the user's own classes may read; none if there is no such class."""
        is_foreign = bool(self._foreign_classes())
        known = {*storage.TRANSIENT, "layers", "losses", "rng", "_seed", "_history"}
        return {key: value for key, value in vars(self).items() if is_foreign and key not in known}

    def _numbers(self, regs):
        """Return the numbers that the graph of the loss takes as inputs.

        Parameters
        ----------
        regs : list of :class:`theanets.Regularizer`
            The regularizers.

        Returns
        -------
        numbers : dict
            Numbers by key, see :class:`theanets.layers.context.Values`. The key of a number is the same for all
            networks of this structure.
        """
        # what is overridden may read any of them.
        return {} if self._overridden() else {**losses.numbers(self.losses), **regularizers.numbers(regs)}

    def _foreign_classes(self):
        """Return the classes of the user's own that this network is of."""
        ours = (__package__.partition(".")[0], "builtins")
        return [cls for cls in type(self).__mro__ if cls.__module__.partition(".")[0] not in ours]

    def _overridden(self):
        """Return the methods that a subclass has overridden, of those that see regularizers."""
        names = *OVERRIDABLE, "build_graph"
        return [vars(cls)[name] for cls in self._foreign_classes() for name in names if name in vars(cls)]

    def _compiled_for(self, description, make):
        """Return what training was compiled to for a description, calling ``make`` if there is nothing.

        Parameters
        ----------
        description : dict
            As :meth:`describe` returns it.
        make : callable
            Makes a :class:`theanets.trainer.compiled.Compiled`.
        """
        key = modes.key(), tuple(description.items())
        before = self._compiled.entries.get(key)
        if before is not None and before.optimizer is None and not before.is_used:
            # it failed to compile.
            self._compiled.forget(key)
        found = self._compiled.get(key, make)
        if found.is_used:
            # by a training that is not over yet.
            found = make()
        return found
