"""Conversion of the records of a pickle to objects, without running code that the pickle names.

Each kind of object that a saved network consists of has a method here that checks what the record holds and makes the
object itself. Layers, losses, activations and models get the attributes that they had; their classes are found among
those that exist in this process, and none of their methods is called. Everything else is refused by its name.
"""

import math
import re

import numpy as np

from .. import activations, layers, losses, util
from .budget import MAX_DEPTH, Budget, Extent
from .pickles import Global, Record, shorten

__all__ = ["Maker", "TRANSIENT", "find_class", "make_array", "make_generator", "is_ours", "families", "subclasses"]

#: Element types that arrays may have: booleans, integers, floating point and complex numbers.
DTYPE = re.compile(r"b1|[iu][1248]|f(2|4|8|12|16)|c(8|16|24|32)")

#: Cost of making an object in units of work, see :class:`theanets.storage.budget.Budget`.
WORK = {"generator": 100, "variable": 60, "array": 10, "instance": 20}

#: Attributes of networks that are not saved, but recomputed.
TRANSIENT = frozenset(
    [
        "_graphs",
        "_functions",
        "_plain_functions",
        "_direct_functions",
        "_layers_memo",
        "_symbols",
        "_carried",
        "_sampler",
        "_whole",
        "_stage_thread",
        "_session",
        "_compiled",
        "_trained",
        "_finished",
        "_nan_noticed",
    ]
)

#: Bit generators of NumPy that a RandomState may be based on.
BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


#: The base class of networks, which registers itself: it is built on top of this package.
_network_base: list[type] = []


def register_network(cls):
    """Register the base class of all networks; return it, so that this can decorate the class."""
    _network_base[:] = [cls]
    return cls


def network_base():
    """Return the base class of all networks."""
    return _network_base[0]


def families():
    """Return the classes whose subclasses a network may consist of."""
    return network_base(), layers.Layer, losses.Loss, activations.Activation, losses.GaussianKernel


def is_ours(cls):
    """Tell whether a class belongs to this library."""
    return cls.__module__.partition(".")[0] == __package__.partition(".")[0]


def subclasses(cls):
    """Generate a class and all classes that are derived from it."""
    yield cls
    for subclass in cls.__subclasses__():
        yield from subclasses(subclass)


def find_class(full_name, trusted=()):
    """Find a class of layers, losses, activations or models among those that exist.

    Nothing is imported, and no attribute of a module is looked at.

    Parameters
    ----------
    full_name : str
        The qualified name of the class, with that of its module.
    trusted : iterable, optional
        Further classes and functions that may be found.

    Returns
    -------
    found : type or callable
        None if there is none. If there are several, the one that was made last.

    Examples
    --------
    >>> find_class("theanets.feedforward.Regressor")
    <class 'theanets.feedforward.Regressor'>
    >>> find_class("os.system")
    """
    for item in trusted:
        if f"{item.__module__}.{item.__qualname__}" == full_name:
            return item
    known = [cls for family in families() for cls in subclasses(family)]
    found = [cls for cls in known if f"{cls.__module__}.{cls.__qualname__}" == full_name]
    if not found:
        # files of before a module of ours became a package name the package.
        found = [cls for cls in known if is_ours(cls) and _is_within(cls, full_name)]
    return found[-1] if found else None


def _is_within(cls, full_name):
    """Tell whether a name is that of a class in a package that the module of the class is in."""
    package, _, name = full_name.rpartition(".")
    return name == cls.__qualname__ and cls.__module__.startswith(f"{package}.")


def refuse(name, what=""):
    """Make an error for something that is not admitted."""
    return util.LoadError(
        f"it needs {name}{what}, which is not admitted, as loading could run anything; if it is a class or a function "
        "that you trust, define or import it, and pass it to load(path, trusted=[...])"
    )


def make_array(dtype, shape, content, order="C"):
    """Make an array out of bytes.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the elements.
    shape : tuple of int
        Shape of the array.
    content : bytes or memoryview
        The elements.
    order : str, optional
        ``'C'`` if the last axis runs fastest in these bytes, ``'F'`` if the first one does.

    Raises
    ------
    LoadError
        If this is no array of numbers, or the number of bytes is not that of the shape.
    """
    if not isinstance(dtype, np.dtype) or not DTYPE.fullmatch(dtype.str[1:]):
        raise util.LoadError(f"it holds an array of the type {shorten(dtype)}, expected numbers")
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(util.is_int(n) and n >= 0 for n in shape):
        raise util.LoadError(f"it holds an array of the shape {shorten(shape)}")
    if not isinstance(content, (bytes, memoryview)):
        raise util.LoadError(f"it holds an array made of a {type(content).__name__}, expected bytes")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise util.LoadError(f"it holds an array of the shape {shape} and type {dtype} in {len(content)} bytes")
    array = np.frombuffer(content, np.uint8 if dtype.kind == "b" else dtype)
    # in a boolean array, every byte other than 0 counts as true.
    array = array != 0 if dtype.kind == "b" else array.astype(dtype.newbyteorder("="))
    return array.reshape(shape, order="F" if order == "F" else "C")


def make_generator(state):
    """Make a random number generator from a saved state.

    Parameters
    ----------
    state : dict or tuple
        What ``RandomState.get_state`` has returned.

    Raises
    ------
    LoadError
        If this is no state of a generator. One that is not checked may crash the interpreter, or never end.
    """
    if isinstance(state, (tuple, list)) and len(state) in (3, 5):
        name, key, position, *gauss = state
        has_gauss, value = gauss or (0, 0.0)
        state = dict(bit_generator=name, state=dict(key=key, pos=position), has_gauss=has_gauss, gauss=value)
    try:
        name = state["bit_generator"]
        if name not in BIT_GENERATORS:
            raise ValueError(f"there is no bit generator {shorten(name)}")
        _check_generator(name, state)
        generator = np.random.RandomState(getattr(np.random, name)(0))
        generator.set_state({**state, "has_gauss": int(state["has_gauss"]), "gauss": float(state["gauss"])})
    except Exception as error:
        raise util.LoadError(f"it holds no state of a random number generator ({shorten(error)})") from error
    return generator


def _length(value):
    """Return the length of an array, list or tuple, and -1 for others; checked before a long list is converted."""
    return len(value) if isinstance(value, (np.ndarray, list, tuple)) and np.ndim(value[:1]) == 1 else -1


def _check_generator(name, state):
    """Refuse positions outside of the key or buffer, and states that only produce zeros."""
    inner = state["state"]
    if name == "MT19937":
        key = np.asarray(inner["key"]) if _length(inner["key"]) == 624 else np.zeros(0)
        # only the top bit of the first word belongs to the state of MT19937.
        if key.shape != (624,) or key.dtype.kind not in "iu" or not (key[1:].any() or int(key[0]) >> 31):
            raise ValueError("the key is not one of 624 numbers")
        if not util.is_int(inner["pos"]) or not 0 <= inner["pos"] <= 624:
            raise ValueError("the position is outside of the key")
    elif name == "Philox":
        for key, size in (("counter", 4), ("key", 2)):
            if _length(inner[key]) != size or np.shape(inner[key]) != (size,):
                raise ValueError(f"{key} is not one of {size} numbers")
        if _length(state["buffer"]) != 4 or np.shape(state["buffer"]) != (4,) or not 0 <= state["buffer_pos"] <= 4:
            raise ValueError("the position is outside of the buffer")
    elif name == "SFC64" and (_length(inner["state"]) != 4 or np.shape(inner["state"]) != (4,)):
        raise ValueError("the state is not one of 4 numbers")
    if not np.isfinite(float(state["gauss"])):
        raise ValueError("the number in reserve is not finite")


def check_extent(value, entries=10_000_000, text=None):
    """Refuse containers that are nested too deeply, or that share parts so often that they expand to too many entries.

    Parameters
    ----------
    value : object
        What to look into.
    entries : int, optional
        The largest number of entries, each counted as often as it occurs.
    text : int, optional
        The largest length of a string.

    Raises
    ------
    LoadError
        If there is more.
    """
    Extent(entries, text).check(value)


class Maker:
    """Makes the objects that records stand for.

    Parameters
    ----------
    trusted : iterable of classes and functions, optional
        What may be used besides the classes that a network consists of. These may be called.
    budget : :class:`theanets.storage.budget.Budget`, optional
        What the objects may take. Default: that of an empty file.

    Attributes
    ----------
    models : list of :class:`theanets.Network`
        The networks that were made, none of which is fit for use yet.
    """

    def __init__(self, trusted=(), budget=None):
        self.trusted = tuple(trusted)
        self.budget = budget or Budget(0)
        self.extent = Extent(self.budget.entries)
        self.classes = {}
        for item in self.trusted:
            if not callable(item) or not hasattr(item, "__qualname__"):
                raise util.ConfigurationError(f"trusted: {item!r}, expected classes and functions")
        self.models = []
        self.made = {}
        self.depth = 0

    def make(self, value):
        """Convert a value that was read from a pickle: records to objects, containers with their contents."""
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value
        if id(value) in self.made:
            return self.made[id(value)][1]
        self.depth += 1
        if self.depth > 3 * MAX_DEPTH:
            raise util.LoadError("it holds objects that are nested too deeply")
        if isinstance(value, Record):
            result = self._make_object(value)
        elif isinstance(value, Global):
            result = self._make_name(value)
        else:
            self.extent.check(value)
            result = self._make_container(value)
        self.depth -= 1
        # keep a reference to the record, too, so that its id is not reused.
        self.made[id(value)] = value, result
        return result

    def _make_container(self, value):
        if isinstance(value, dict):
            # registered before it is filled, because its items may refer back to it.
            result = {}
            self.made[id(value)] = value, result
            for key, item in value.items():
                self.budget.check_key(key, len(result))
                result[key] = self.make(item)
        elif isinstance(value, list):
            result = []
            self.made[id(value)] = value, result
            result.extend(self.make(item) for item in value)
        elif isinstance(value, tuple):
            result = tuple(self.make(item) for item in value)
        else:
            result = type(value)(self._members(value))
        return result

    def _members(self, items):
        """Generate the members of a set, checking each of them."""
        for count, item in enumerate(items):
            self.budget.check_key(item, count)
            yield item

    def _find(self, name):
        """Return the class or function with the name of a record, or None. Results are cached."""
        key = name.module, name.name
        if key not in self.classes:
            self.budget.take_work(WORK["variable"])
            self.classes[key] = find_class(f"{name.module}.{name.name}", self.trusted)
        return self.classes[key]

    def _make_name(self, value):
        found = self._find(value)
        if found is None:
            raise refuse(value.full_name)
        return found

    def _make_object(self, record):
        module = record.module
        if module.startswith("numpy.core."):
            # the module was called numpy.core in NumPy 1.
            module = f"numpy._core.{module.removeprefix('numpy.core.')}"
        method = _METHODS.get((module, record.name))
        if method is None:
            return self._make_instance(record)
        if record.items or record.pairs and method is not Maker._ordered_dict:
            raise util.LoadError(f"it holds a {record.full_name} with items, which it cannot have")
        try:
            return method(self, record, *record.arguments, **record.keywords)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            if isinstance(error, util.LoadError):
                raise
            raise util.LoadError(f"it holds a {record.full_name} that cannot be ({shorten(error)})") from error

    # -- layers, losses, activations, models --------------------------------------------------------------------------

    def _make_instance(self, record):
        cls = self._find(record)
        if cls is None:
            raise refuse(record.full_name)
        self.budget.take_work(WORK["instance"])
        is_trusted = any(cls is item for item in self.trusted)
        if is_trusted:
            arguments, keywords = self.make(record.arguments), self.make(record.keywords)
            result = cls(*arguments, **keywords) if record.called else cls.__new__(cls, *arguments, **keywords)
        elif record.arguments or record.keywords:
            raise refuse(record.full_name, ", called with arguments")
        else:
            result = object.__new__(cls)
        self.made[id(record)] = record, result
        setter = None if is_ours(cls) else _own_method(cls, "__setstate__")
        if setter is not None and not is_trusted:
            raise refuse(record.full_name, ", which has a method __setstate__ of its own")
        if record.items or record.pairs:
            raise refuse(record.full_name, ", which is a container as well")
        self._set_state(record, result, setter)
        if isinstance(result, network_base()):
            self.models.append(result)
        return result

    def _set_state(self, record, result, setter):
        state = record.state
        self.budget.take_work(len(state) if isinstance(state, dict) else 0)
        if setter is not None:
            if state is not None:
                setter(result, self.make(state))
            return
        if not isinstance(state, (dict, type(None))) or not all(isinstance(key, str) for key in state or ()):
            raise util.LoadError(f"it holds a {record.full_name} without a dict of attributes")
        for key, value in (state or {}).items():
            if key in TRANSIENT:
                continue
            vars(result)[key] = self.make(value)

    # -- NumPy --------------------------------------------------------------------------------------------------------

    def _dtype(self, record, code, *_):
        self.budget.take_work(WORK["array"])
        state = self.make(record.state)
        if not isinstance(code, str) or not DTYPE.fullmatch(code) or state is not None and any(state[2:5]):
            raise util.LoadError(f"it holds an array of the type {shorten(code)}, expected numbers")
        return np.dtype(code).newbyteorder("=" if state is None else {"|": "="}.get(state[1], state[1]))

    def _array(self, record, subtype, *_):
        if not isinstance(subtype, Global) or (subtype.module, subtype.name) != ("numpy", "ndarray"):
            raise refuse(getattr(subtype, "full_name", type(subtype).__name__), ", as a kind of array")
        _, shape, dtype, is_fortran, content = record.state
        return self._array_of(dtype, shape, content, "F" if is_fortran else "C")

    def _array_of(self, dtype, shape, content, order="C"):
        self.budget.take_work(WORK["array"])
        content = self._bytes_of(content)
        self.budget.take_bytes(len(content))
        return make_array(self.make(dtype), shape, content, order)

    def _bytes_of(self, content):
        content = self.make(content)
        # pickles from Python 2 store bytes as latin-1 text.
        return self._as_latin(content) if isinstance(content, str) else content

    def _as_latin(self, text):
        self.budget.take_bytes(len(text))
        return text.encode("latin1")

    def _frombuffer(self, record, content, dtype, shape, order):
        return self._array_of(dtype, shape, content, order)

    def _scalar(self, record, dtype, content):
        return self._array_of(dtype, (), content)[()]

    def _generator(self, record, *_):
        self.budget.take_work(WORK["generator"])
        return make_generator(self.make(record.state))

    # -- Python -------------------------------------------------------------------------------------------------------

    def _encode(self, record, text, encoding):
        if encoding not in ("latin1", "latin-1"):
            raise refuse(record.full_name, f" to {shorten(encoding)}")
        return self._as_latin(text)

    def _bytes(self, record, content=b""):
        content = self._bytes_of(content)
        if not isinstance(content, bytes):
            raise util.LoadError(f"it makes bytes of a {type(content).__name__}")
        return content

    def _set(self, record, items=()):
        return set(self._members(items))

    def _frozenset(self, record, items=()):
        return frozenset(self._members(items))

    def _complex(self, record, real, imaginary):
        return complex(real, imaginary)

    def _ordered_dict(self, record, pairs=()):
        from collections import OrderedDict

        self.budget.take_work(len(pairs))
        pairs = [*pairs, *record.pairs]
        self.extent.check(pairs)
        result = OrderedDict()
        for key, value in pairs:
            key = self.make(key)
            self.budget.check_key(key, len(result))
            result[key] = self.make(value)
        return result

    # -- Theano -------------------------------------------------------------------------------------------------------

    def _tensor_type(self, record):
        import theano.tensor as TT

        self.budget.take_work(WORK["variable"])
        broadcastable = record.get("broadcastable")
        if len(broadcastable) > 32 or not all(isinstance(entry, bool) for entry in broadcastable):
            raise ValueError("broadcastable")
        return TT.TensorType(_dtype_name(record.get("dtype")), tuple(broadcastable))

    def _sparse_type(self, record):
        import theano.sparse as SS

        self.budget.take_work(WORK["variable"])
        return SS.SparseType(record.get("format"), _dtype_name(record.get("dtype")))

    def _variable(self, record):
        from theano.gof.type import Type

        self.budget.take_work(WORK["variable"])
        if record.get("owner") is not None:
            raise util.LoadError("it holds an expression in the place of an input, which cannot be loaded")
        kind, name = self.make(record.get("type")), record.get("name")
        if not isinstance(kind, Type) or not isinstance(name, (str, type(None))):
            raise ValueError("type")
        return kind(name)

    def _shared(self, record):
        import theano

        self.budget.take_work(WORK["variable"])
        value = self.make(record.get("container").get("storage"))[0]
        if not isinstance(value, (np.ndarray, np.generic)):
            raise ValueError(f"a value of type {type(value).__name__}")
        return theano.shared(np.asarray(value), name=record.get("name"), borrow=True)

    def _gpu_array(self, record, value, *_):
        return self.make(value)


def _own_method(cls, name):
    """Return a method that a class inherits from a class outside of this library, or None."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base) and not is_ours(base)), None)


def _dtype_name(name):
    if name not in ("float16", "float32", "float64", "bool") and not re.fullmatch(r"u?int(8|16|32|64)", str(name)):
        raise ValueError("dtype")
    return name


_METHODS = {
    ("numpy", "dtype"): Maker._dtype,
    ("numpy._core.multiarray", "_reconstruct"): Maker._array,
    ("numpy._core.multiarray", "scalar"): Maker._scalar,
    ("numpy._core.numeric", "_frombuffer"): Maker._frombuffer,
    ("numpy.random", "__RandomState_ctor"): Maker._generator,
    ("numpy.random._pickle", "__randomstate_ctor"): Maker._generator,
    ("_codecs", "encode"): Maker._encode,
    ("collections", "OrderedDict"): Maker._ordered_dict,
    ("theano.gof.utils", "scratchpad"): lambda maker, record: None,
    ("theano.tensor.type", "TensorType"): Maker._tensor_type,
    ("theano.sparse.type", "SparseType"): Maker._sparse_type,
    ("theano.tensor.var", "TensorVariable"): Maker._variable,
    ("theano.sparse.basic", "SparseVariable"): Maker._variable,
    ("theano.tensor.sharedvar", "TensorSharedVariable"): Maker._shared,
    ("theano.tensor.sharedvar", "ScalarSharedVariable"): Maker._shared,
    # models that were trained on a GPU, by either of Theano's own back ends.
    ("theano.gpuarray.type", "GpuArray_unpickler"): Maker._gpu_array,
    ("theano.sandbox.cuda.type", "CudaNdarray_unpickler"): Maker._gpu_array,
}
for _module in ("builtins", "__builtin__"):
    _METHODS.update(
        {
            (_module, "bytes"): Maker._bytes,
            (_module, "bytearray"): Maker._bytes,
            (_module, "set"): Maker._set,
            (_module, "frozenset"): Maker._frozenset,
            (_module, "complex"): Maker._complex,
        }
    )
