"""Digests: short texts that tell data and functions from others, so that a checkpoint knows what it belongs to.

The digest of an array depends on its type, its shape and all of its values, but not on how it lies in memory. That of a
function depends on what it computes, as far as that can be seen: its code, without names of files and numbers of lines,
and the arrays, numbers, texts and functions that it refers to. What a function changes while it is used, such as a
counter or the state of a generator, is not looked at; arrays of indices count without their order, as functions shuffle
them.
"""

import contextlib
import dis
import functools
import hashlib
import sys
import types

import numpy as np
import scipy.sparse

__all__ = ["of_arrays", "of_code", "python_version"]

#: Functions and objects are followed up to this depth, and through so many of them.
MAX_DEPTH = 4
MAX_PARTS = 2000

#: Bytes of an array that is not contiguous that are copied at a time.
BLOCK = 1 << 24


def python_version():
    """Return the version of Python that digests of code belong to: others compile the same source to other code."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def of_arrays(arrays):
    """Return the digest of some arrays.

    Parameters
    ----------
    arrays : iterable of ndarray or scipy matrix
        The arrays.

    Returns
    -------
    digests : list of str
        One for each.

    Examples
    --------
    >>> one, two, three = of_arrays([np.zeros((2, 3)), np.zeros((3, 2)).T, np.zeros((3, 2))])
    >>> one == two, one == three
    (True, False)
    """
    return [_finish(_array_into(_new(), array)) for array in arrays]


def of_code(thing):
    """Return the digest of a function, of a class by all that is defined in it, or of an object that makes batches.

    See the top of this module. An iterator has none of its own beside its type and its code: what it is going to yield
    cannot be seen.
    """
    digester = _Digester()
    digester.add(thing, 0)
    return _finish(digester.state)


def _new():
    return hashlib.blake2b(digest_size=12)


def _finish(state):
    return state.hexdigest()


def _array_into(state, array):
    """Let a state take in the type, the shape and the values of an array."""
    if scipy.sparse.issparse(array):
        state.update(f"{array.format} {array.shape} {array.dtype}".encode())
        matrix = array if array.format in ("csr", "csc") else array.tocsr()
        for part in (matrix.data, matrix.indices.astype("int64"), matrix.indptr.astype("int64")):
            _array_into(state, part)
        return state
    array = np.asarray(array)
    state.update(f"{array.dtype.newbyteorder('=').str} {array.shape}".encode())
    if array.dtype.hasobject:
        # as the columns of a frame that hold texts.
        state.update(repr(array.tolist()).encode())
    elif array.flags.c_contiguous or not array.size:
        state.update(memoryview(np.ascontiguousarray(array)).cast("B") if array.size else b"")
    else:
        rows = max(1, BLOCK // max(1, array[:1].nbytes)) if array.ndim else 1
        for start in range(0, len(array), rows):
            state.update(memoryview(np.ascontiguousarray(array[start : start + rows])).cast("B"))
    return state


class _Digester:
    """Goes through what a function refers to.

    Attributes
    ----------
    state : hash object
        What has been taken in so far.
    """

    def __init__(self):
        self.state = _new()
        self.seen = {}

    def _word(self, word):
        self.state.update(f"{len(word)}:{word};".encode("utf-8", "surrogatepass"))

    def add(self, thing, depth):
        """Take something in."""
        if thing is None or isinstance(thing, (bool, int, float, complex, str, bytes)):
            self._word(f"{type(thing).__name__} {thing!r}")
            return
        if id(thing) in self.seen or depth > MAX_DEPTH or len(self.seen) > MAX_PARTS:
            self._word(f"again {self.seen.get(id(thing), ('', type(thing).__name__))[1]}")
            return
        # kept, so that its id is not reused.
        self.seen[id(thing)] = thing, str(len(self.seen))
        self._word(type(thing).__qualname__)
        self._add_parts(thing, depth)

    def _add_parts(self, thing, depth):
        if isinstance(thing, types.CodeType):
            self._add_code(thing, depth)
        elif isinstance(thing, types.FunctionType):
            self._add_function(thing, depth)
        elif isinstance(thing, types.MethodType):
            self.add(thing.__func__, depth)
            self.add(thing.__self__, depth + 1)
        elif isinstance(thing, functools.partial):
            for part in (thing.func, thing.args, sorted(thing.keywords.items())):
                self.add(part, depth + 1)
        elif isinstance(thing, (np.ndarray, np.generic)) or scipy.sparse.issparse(thing):
            self._add_array(thing)
        elif isinstance(thing, (list, tuple, set, frozenset)):
            self._add_items(thing if isinstance(thing, (list, tuple)) else sorted(filter(_is_text, thing)), depth)
        elif isinstance(thing, dict):
            self._add_items([item for pair in thing.items() for item in pair], depth)
        elif isinstance(thing, type):
            self._add_class(thing, depth)
        elif isinstance(thing, types.GeneratorType):
            self.add(thing.gi_code, depth)
        elif hasattr(thing, "__array__") and hasattr(thing, "shape"):
            # a tensor of another library, on a device or in a gradient, says no.
            with contextlib.suppress(TypeError, ValueError, RuntimeError):
                self._add_array(np.asarray(thing))
        elif not isinstance(thing, (types.ModuleType, types.BuiltinFunctionType, np.random.RandomState)):
            self._add_object(thing, depth)

    def _add_array(self, array):
        if isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "iu":
            array = np.sort(array)
        _array_into(self.state, array)

    def _add_items(self, items, depth):
        # numbers in a list may be what a function keeps while it is used; a tuple stays as it is.
        skips = not isinstance(items, tuple)
        for item in items:
            if not (skips and isinstance(item, (int, float, complex))):
                self.add(item, depth + 1)

    def _add_code(self, code, depth):
        self.state.update(code.co_code)
        for names in (code.co_names, code.co_varnames, code.co_freevars):
            self._word(" ".join(names))
        for constant in code.co_consts:
            self.add(constant, depth)

    def _add_function(self, function, depth):
        code = function.__code__
        self.add(code, depth)
        for values in (function.__defaults__ or (), *sorted((function.__kwdefaults__ or {}).items())):
            self.add(values, depth + 1)
        stored = _stored(code)
        for name, cell in zip(code.co_freevars, function.__closure__ or ()):
            if name not in stored:
                self._add_cell(cell, depth)
        for name in _names_in(code):
            if name in function.__globals__ and name not in stored:
                self._add_global(function.__globals__[name], function, depth)

    def _add_cell(self, cell, depth):
        try:
            self.add(cell.cell_contents, depth + 1)
        except ValueError:
            self._word("an empty cell")

    def _add_global(self, value, function, depth):
        """Take in what a name of a module stands for: data, and functions of the same package."""
        package = function.__module__ and function.__module__.partition(".")[0]
        if isinstance(value, (types.FunctionType, type)):
            if (getattr(value, "__module__", None) or "").partition(".")[0] == package:
                self.add(value, depth + 1)
        elif not isinstance(value, types.ModuleType):
            self.add(value, depth + 1)

    def _add_class(self, cls, depth):
        self._word(cls.__qualname__)
        if cls.__module__ == "builtins":
            return
        for name, value in sorted(vars(cls).items()):
            value = getattr(value, "__func__", getattr(value, "fget", value))
            if isinstance(value, (types.FunctionType, int, float, str, tuple)) and name not in _LEFT_OUT:
                self._word(name)
                self.add(value, depth + 1)

    def _add_object(self, thing, depth):
        """Take in the class of an object, and the data that it holds; numbers may be what it keeps while it is used."""
        self._word(type(thing).__qualname__)
        for cls in type(thing).__mro__:
            if cls.__module__.partition(".")[0] not in ("builtins", "collections", "abc", "typing"):
                self.add(cls, depth + 1)
        for name, value in sorted(getattr(thing, "__dict__", {}).items()):
            if isinstance(value, (bool, str, bytes)) or not isinstance(value, (int, float, complex, type(None))):
                self._word(name)
                self.add(value, depth + 1)


#: Attributes of classes that say where they are written.
_LEFT_OUT = frozenset(["__module__", "__doc__", "__qualname__", "__firstlineno__", "__static_attributes__"])


def _is_text(value):
    return isinstance(value, str)


def _inner(code):
    """Return a piece of code and all that are defined within it."""
    return [code, *(part for item in code.co_consts if isinstance(item, types.CodeType) for part in _inner(item))]


def _stored(code):
    """Return the names outside of a function that it assigns to."""
    operations = ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF")
    return {item.argval for part in _inner(code) for item in dis.get_instructions(part) if item.opname in operations}


def _names_in(code):
    return sorted({name for part in _inner(code) for name in part.co_names})
