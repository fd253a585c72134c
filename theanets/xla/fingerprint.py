"""Fingerprints of graphs: hashes that are the cache keys of compiled programs, in this process and in others.

Graphs with equal fingerprints compile to the same program. A fingerprint covers everything that influences the
compiled code: the graph before Theano rewrites it (Ops by their class and properties, types, the bytes of constants,
but no names and no values of shared variables), the versions of the packages that rewrite and translate it, Theano's
settings, and the code of the user's own Ops, translations and rewrites. A graph with a part that cannot be described
has no fingerprint.
"""

import dis
import functools
import hashlib
import importlib
import itertools
import os
import pathlib
import sys
import types
from typing import Any

import numpy as np
import scipy
import scipy.sparse
import theano
import theano.compile.builders
from theano.gof.opt import PatternSub
from theano.gof.optdb import DB
from theano.misc.frozendict import frozendict
from theano.scan_module.scan_op import Scan

from . import accumulators, registry

__all__ = ["Undescribed", "fingerprint"]

#: Packages whose versions are part of each fingerprint. Of theanets itself, sizes and times of its files are.
PACKAGES = ("theano", "numpy", "scipy", "jax", "jaxlib")

#: Packages whose functions and classes are described by their names alone, as their versions are known.
TRUSTED = {*PACKAGES, "theanets", "downhill", *sys.stdlib_module_names} - {"__main__"}

#: Settings of Theano that rewrites depend on.
SETTINGS = (
    "floatX",
    "cast_policy",
    "int_division",
    "deterministic",
    "optimizer",
    "optimizer_including",
    "optimizer_excluding",
    "optimizer_requiring",
    "optdb.position_cutoff",
    "optdb.max_use_ratio",
    "scan.allow_gc",
    "scan.allow_output_prealloc",
    "experimental.local_alloc_elemwise",
    "experimental.local_alloc_elemwise_assert",
    "warn.sum_sum_bug",
)

#: Attributes that Theano sets in Ops and that have no influence on what they compute.
IGNORED = {"_op_use_c_code", "name"}

#: Attributes of a Scan that have no influence on what it computes.
IGNORED_OF_SCAN = {"name", "profile", "gpua", "mode", "typeConstructor", "destroy_map", "inplace"}


class Undescribed(Exception):
    """Raised for values that have no description such that equal descriptions mean equal behaviour."""


def fingerprint(inputs, outputs, *more):
    """Return the fingerprint of a graph, a string of 64 hexadecimal digits.

    Parameters
    ----------
    inputs, outputs : lists of theano variables
        The graph, before it is rewritten.
    *more : values
        Further parts of the fingerprint.

    Raises
    ------
    Undescribed
        If a part of the graph cannot be described.
    """
    describe = Description()
    parts = [*_environment(), describe.graph(inputs, outputs), _extensions(describe), *map(describe.value, more)]
    return _digest("\n".join(parts))


def _digest(text):
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def _environment():
    """Describe the settings and versions that are the same for all graphs."""
    settings = []
    for name in SETTINGS:
        settings.append(f"{name}={functools.reduce(getattr, name.split('.'), theano.config)}")
    return [*settings, *_releases()]


@functools.cache
def _releases():
    """Describe the versions of packages, and the files of theanets, which may change without a new version."""
    # imported here, as this takes 2 % of the time of importing theanets.
    metadata = importlib.import_module("importlib.metadata")
    releases = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    root = pathlib.Path(__file__).parent.parent
    files = []
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                about = os.stat(path)
                files.append(f"{path} {about.st_size} {about.st_mtime_ns}")
    return [sys.version, *releases, _digest("\n".join(sorted(files)))]


def _extensions(describe):
    """Describe translations and rewrites that users have registered."""
    items = itertools.chain(registry.translate.registry.items(), registry.SCALARS.items())
    found = [describe.value((cls, function)) for cls, function in items if not _is_trusted(function)]
    names, functions = _rewrites()
    found.extend(describe.value(function) for function in functions)
    return _digest(" ".join([*sorted(found), *sorted(names)]))


def _rewrites():
    """Return the names of all pattern rewrites, and functions and classes of rewrites registered by users."""
    names, functions, seen = set(), [], set()
    pending: list[Any] = [theano.compile.optdb]
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, DB):
            # patterns have no code.
            names.update(name for name, items in item.__db__.items() if any(isinstance(i, PatternSub) for i in items))
            pending.extend(itertools.chain.from_iterable(item.__db__.values()))
        about = getattr(item, "__dict__", {})
        # rewrites that apply other rewrites.
        pending.extend(about[name] for name in ("db", "local_opt") if name in about)
        pending.extend(about.get("opts") or ())
        codes = [about[name] for name in ("transform", "apply") if name in about]
        functions.extend(code for code in (*codes, type(item)) if not _is_trusted(code))
    return names, functions


def _is_trusted(item):
    return (getattr(item, "__module__", None) or "").partition(".")[0] in TRUSTED


class Description:
    """Describes values as strings. Functions and classes of users are described by their code and all that it uses."""

    def __init__(self):
        #: Functions and classes whose description has begun, with numbers that stand for them in recursive uses.
        self.pending = {}
        #: Stack of the Ops that are being described, one within the other.
        self.ops = []

    def graph(self, inputs, outputs):
        """Describe a graph."""
        numbers, lines = {}, []

        def number(variable):
            if variable not in numbers:
                if not isinstance(variable, theano.Constant):
                    raise Undescribed(f"{variable} is neither an input nor a constant")
                lines.append(f"{self.value(variable.type)}={self.value(variable.data)}")
                numbers[variable] = len(numbers)
            return numbers[variable]

        for variable in inputs:
            numbers[variable] = len(numbers)
            lines.append(self.value(variable.type))
        known = {}
        for node in theano.gof.graph.io_toposort(inputs, outputs):
            places = [number(variable) for variable in node.inputs]
            if id(node.op) not in known:
                known[id(node.op)] = self.value(node.op)
            lines.append(f"{known[id(node.op)]}{places}")
            for variable in node.outputs:
                numbers[variable] = len(numbers)
                lines.append(self.value(variable.type))
        # after the nodes, as number() appends lines for constants among the outputs.
        places = [number(variable) for variable in outputs]
        return _digest("\n".join([*lines, str(places)]))

    def value(self, value):
        """Describe any value.

        Raises
        ------
        Undescribed
            If it is of an unknown type.
        """
        if value is None or value is ... or isinstance(value, (str, bytes, bool, int, float, complex)):
            return repr(value)
        if isinstance(value, (tuple, list)):
            return f"[{','.join(map(self.value, value))}]"
        if isinstance(value, (dict, frozendict)):
            items = value.items() if isinstance(value, dict) else dict(value).items()
            return f"{{{','.join(sorted(f'{self.value(a)}:{self.value(b)}' for a, b in items))}}}"
        if isinstance(value, (set, frozenset)):
            return f"{{{','.join(sorted(map(self.value, value)))}}}"
        if isinstance(value, slice):
            return f"slice{self.value([value.start, value.stop, value.step])}"
        if isinstance(value, np.dtype):
            return f"dtype {value.str}"
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array(np.asarray(value))
        if isinstance(value, theano.gof.Type):
            return self._type(value)
        if isinstance(value, theano.gof.op.PureOp):
            return self._op(value)
        if isinstance(value, (type, types.FunctionType)):
            return self._code(value)
        if isinstance(value, types.BuiltinFunctionType) and _is_trusted(value):
            return f"{value.__module__}.{value.__qualname__}"
        if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] in TRUSTED:
            return f"module {value.__name__}"
        if isinstance(value, types.MethodType):
            return f"method {self.value(value.__func__)} of {self.value(value.__self__)}"
        if isinstance(value, functools.partial):
            return f"partial {self.value([value.func, value.args, value.keywords])}"
        if isinstance(value, np.ufunc):
            return f"ufunc {value.__name__}"
        if scipy.sparse.issparse(value):
            return f"{value.format}{self.value([value.shape, value.data, value.indices, value.indptr])}"
        if type(value).__module__.startswith("theano.scalar") and hasattr(value, "__dict__"):
            # objects that determine the output types of scalar Ops.
            return f"{self.value(type(value))}{self.value(vars(value))}"
        raise Undescribed(f"{value!r}, which is {type(value)}")

    def _array(self, array):
        if array.dtype.hasobject:
            raise Undescribed("an array of objects")
        return f"array{array.shape}{array.dtype.str}{_digest(np.ascontiguousarray(array).tobytes())}"

    def _type(self, type_):
        about = {name: getattr(type_, name, None) for name in ("dtype", "broadcastable", "format", "ttype")}
        about = {name: value for name, value in about.items() if value is not None}
        if not about and vars(type_):
            raise Undescribed(f"{type_}, which is {type(type_)}")
        return f"{self.value(type(type_))}{self.value(about)}"

    def _op(self, op):
        if any(op is around for around in self.ops):
            # the Op refers to itself by an attribute that is a bound method, as the Ops of as_op() do.
            return f"Op {[op is around for around in self.ops].index(True)}"
        self.ops.append(op)
        try:
            return self._parts_of(op)
        finally:
            self.ops.pop()

    def _parts_of(self, op):
        kind = self.value(type(op))
        if isinstance(op, Scan):
            about = {name: value for name, value in op.info.items() if name not in IGNORED_OF_SCAN}
            return f"{kind}{self.value(about)}{self.graph(op.inputs, op.outputs)}"
        if isinstance(op, theano.scalar.Composite):
            return f"{kind}{self.graph(op.inputs, op.outputs)}"
        if isinstance(op, theano.compile.builders.OpFromGraph):
            if op.shared_inputs:
                raise Undescribed("a graph as an Op, with shared variables")
            return f"{kind}{op.is_inline}{self.graph(op.local_inputs, op.local_outputs)}"
        properties = getattr(op, "__props__", None)
        if properties is not None:
            return f"{kind}{self.value([getattr(op, name) for name in properties])}{accumulators.is_given(op):d}"
        about = {name: value for name, value in vars(op).items() if name not in IGNORED}
        return f"{kind}{self.value(about)}"

    # -- code ---------------------------------------------------------------------------------------------------------

    def _code(self, item):
        """Describe a function or a class: by its name alone if it is of a package in :data:`TRUSTED`."""
        name = f"{item.__module__}.{item.__qualname__}"
        if _is_trusted(item) and "<locals>" not in name and "<lambda>" not in name:
            return name
        if item in self.pending:
            return f"{name} {self.pending[item]}"
        self.pending[item] = len(self.pending)
        return f"{name}({self._class(item) if isinstance(item, type) else self._function(item)})"

    def _class(self, cls):
        parts = [self.value(base) for base in cls.__bases__]
        for name, member in sorted(vars(cls).items()):
            if name in ("__module__", "__doc__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__"):
                continue
            if isinstance(member, (staticmethod, classmethod)):
                member = member.__func__
            members = (member.fget, member.fset, member.fdel) if isinstance(member, property) else member
            parts.append(f"{name}={self.value(members)}")
        return ",".join(parts)

    def _function(self, function):
        parts = [function.__defaults__, function.__kwdefaults__ or {}]
        try:
            parts.extend(cell.cell_contents for cell in function.__closure__ or ())
        except ValueError as error:
            raise Undescribed(f"{function} uses a variable that has no value yet") from error
        found = [self._bytecode(function.__code__), *map(self.value, parts)]
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                found.append(f"{name}={self.value(function.__globals__[name])}")
        return ",".join(found)

    def _bytecode(self, code):
        constants = [
            self._bytecode(item) if isinstance(item, types.CodeType) else self.value(item) for item in code.co_consts
        ]
        about = [code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, constants]
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME" and instruction.argval.partition(".")[0] not in TRUSTED:
                raise Undescribed(f"{code.co_name} imports {instruction.argval}")
        return _digest(repr(about))


def _names(code):
    """Return the names of global variables and attributes that code uses, inner functions among it."""
    inner = [item for item in code.co_consts if isinstance(item, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
