"""Fallbacks to Theano's own implementations, in Python on the host, where XLA cannot run an Op or a graph."""

import copy
import itertools
import threading

import jax
import jax.experimental
import numpy as np
import theano
import theano.gof.destroyhandler
import theano.sparse
from theano.compile.ops import FromFunctionOp
from theano.gof.vm import VM_Linker

from .. import util
from .crossing import SparseCrossing, crossing_for, is_object
from .registry import untranslated
from .tracing import (
    Call,
    Dynamic,
    GiveUp,
    TranslationError,
    current,
    guard,
    is_known,
    on_host,
    runs_in_python,
    shapes_of,
)
from .values import SparseArray

__all__ = ["HostProgram", "call_back", "is_pure", "warn_once"]

_warned: set[object] = set()


class FallbackWarning(RuntimeWarning):
    """An Op or a function runs by Theano's own implementation, because XLA cannot run it."""


def warn_once(key, message):
    """Warn of something that runs slower than it should, once in the life of a process."""
    if key not in _warned:
        _warned.add(key)
        util.warn(message, FallbackWarning)


def has_only_c(op):
    """Tell whether an Op can be run by C code alone."""
    # loops and branches make their thunks by themselves.
    makes_its_own = getattr(type(op), "make_thunk", None) is not theano.gof.op.Op.make_thunk
    return not makes_its_own and not runs_in_python(op)


class HostProgram:
    """A program that runs a whole graph by the Python implementations of its Ops, or by C code if one has nothing else.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph, which stays as it is.

    Raises
    ------
    NotImplementedError
        If an Op has C code only, and there is no compiler.
    """

    def __init__(self, fgraph):
        copied, equivalent = fgraph.clone_get_equiv(check_integrity=False)
        self.is_in_place = any(getattr(node.op, "destroy_map", None) for node in copied.apply_nodes)
        if self.is_in_place:
            # what is written over is read first.
            copied.attach_feature(theano.gof.destroyhandler.DestroyHandler())
        only_c = [node.op for node in copied.apply_nodes if has_only_c(node.op)]
        if only_c and not theano.config.cxx:
            raise NotImplementedError(
                f"{only_c[0]} has C code only, for which Theano needs a C++ compiler, such as g++"
            )
        linker = VM_Linker(use_cloop=False, c_thunks=bool(only_c), allow_gc=True, lazy=True, callback=self._after)
        self.function, self.inputs, self.outputs = linker.accept(copied).make_thunk()
        #: Nodes without a translation, by the copies that run.
        self.untranslated = {equivalent[node]: node for node in fgraph.apply_nodes if untranslated(node.op) is not None}
        #: Shapes of their results in the last call, as :func:`~theanets.xla.tracing.shapes_of` looks for them.
        self.shapes = {}
        for place, copied_node in enumerate(self.function.nodes):
            if copied_node in self.untranslated:
                self.function.thunks[place] = self._with_given(self.function.thunks[place], copied_node)
        #: What nodes have computed in this call already, by the compiled function: their results, or an exception.
        self.given = {}
        # it keeps its values in one place.
        self.lock = util.anew_after_fork(threading.Lock())

    def _after(self, node, thunk, storage_map, compute_map):
        """Look after what a node has computed."""
        for variable in node.outputs:
            if isinstance(variable.type, theano.tensor.TensorType) and isinstance(storage_map[variable][0], np.generic):
                # some Ops give NumPy's scalars, and the compiled body of a loop does not take them for arrays.
                storage_map[variable][0] = np.asarray(storage_map[variable][0])
        if node in self.untranslated:
            found = [
                () if is_object(variable.type) else np.shape(storage_map[variable][0]) for variable in node.outputs
            ]
            self.shapes[self.untranslated[node], "shapes"] = found

    def _with_given(self, thunk, node):
        """Return a thunk that takes what the node has computed in this call already."""
        key, computed = self.untranslated[node], self.function.compute_map

        def run():
            if key not in self.given:
                return thunk()
            found = self.given.pop(key)
            if isinstance(found, Exception):
                raise found
            for cell, variable, value in zip(thunk.outputs, node.outputs, found):
                cell[0], computed[variable][0] = value, True

        vars(run).update(vars(thunk))
        return run

    def __call__(self, values, given=None):
        """Return the list of outputs for a list of inputs, which are NumPy arrays and stay as they are.

        ``given`` has what some nodes without a translation have computed in this call already.
        """
        with self.lock:
            return self._run(values, given or {})

    def _run(self, values, given):
        self.shapes, self.given = {}, given
        for container, value in zip(self.inputs, values):
            if isinstance(value, np.ndarray):
                value = value.copy()
            elif self.is_in_place:
                value = copy.copy(value)
            container.storage[0] = value
        try:
            self.function()
            return [container.storage[0] for container in self.outputs]
        finally:
            for container in (*self.inputs, *self.outputs):
                if not isinstance(container.type, theano.gof.Constant):
                    container.storage[0] = None


def is_pure(op, node):
    """Tell whether an Op without a translation gives the same whenever it gets the same, and has no effects.

    Parameters
    ----------
    op : theano Op
        The Op.
    node : theano Apply
        Applies it, or an Op that applies it elementwise.
    """
    is_theanos = type(op).__module__.partition(".")[0] == "theano" and not isinstance(op, FromFunctionOp)
    # of all others it is not known: most do not say anything about it.
    return is_theanos and node.op.do_constant_folding(node)


def output_shapes(node, values):
    """Find the shapes of what an Op without a translation will compute.

    Parameters
    ----------
    node : theano Apply
        The node.
    values : list of arrays
        Its inputs.

    Returns
    -------
    shapes : list of tuples of int
    """
    shapes = [None if is_object(item.type) else np.shape(value) for item, value in zip(node.inputs, values)]
    if all(is_object(output.type) for output in node.outputs):
        return [()] * len(node.outputs)
    infer = getattr(node.op, "infer_shape", None)
    try:
        if infer is None:
            raise NotImplementedError
        # infer_shape may ask for the value of an input: pass known values as constants.
        inputs = [
            variable.type.make_constant(value) if is_known(value) and not is_object(variable.type) else variable
            for variable, value in zip(node.inputs, values)
        ]
        symbolic = infer(
            node.clone_with_new_inputs(inputs, strict=False),
            [shape and tuple(theano.tensor.constant(length, dtype="int64") for length in shape) for shape in shapes],
        )
        return [tuple(int(theano.tensor.get_scalar_constant_value(item)) for item in shape or ()) for shape in symbolic]
    except (NotImplementedError, theano.tensor.ShapeError, theano.tensor.NotScalarConstantError):
        return shapes_of(node)


def name_of(op):
    """Describe an Op for people, and return what tells it from others of its class."""
    kind = type(op)
    if isinstance(op, FromFunctionOp):
        return f"{op}", (kind, str(op), hash(op))
    return f"{op} ({kind.__module__}.{kind.__name__})", kind


def call_back(node, values, op, shapes=None, capacities=(), quiet=False, has_effects=None):
    """Let the running function call an Op's own implementation; return the tuple of its outputs.

    Parameters
    ----------
    node : theano Apply
        What to compute.
    values : list of arrays
        Its inputs.
    op : theano Op
        What there is no translation of: the node's Op, or the scalar Op that it applies.
    shapes : list of tuples of int, optional
        Shapes of its outputs; anything for those that are no arrays. Default: what the Op says, or has given before.
    capacities : sequence of int, optional
        For how many entries of each output there is room, if all of them are sparse matrices.
    quiet : bool, optional
        Whether to warn of it is not worthwhile. Default False.
    has_effects : bool, optional
        Whether the Op must run once whenever the function does. Default: as :func:`is_pure` says.
    """
    name, key = name_of(op)
    if any(isinstance(output.type, theano.sparse.SparseType) for output in node.outputs) and not capacities:
        raise Dynamic(f"{node}: there is no XLA translation, and the number of entries of its result depends on data")
    if has_only_c(node.op):
        raise Dynamic(f"{node.op} has C code only")
    try:
        shapes = output_shapes(node, values) if shapes is None else shapes
    except GiveUp:
        raise
    except Exception as error:
        raise TranslationError(f"{node}: no XLA translation, and no shapes of its results: {error}") from error
    if not quiet:
        warn_once(
            key,
            f"no XLA translation for {name}: it runs by its own implementation, in Python and on the host; "
            "theanets.xla.translates registers a translation",
        )
    level = current()
    call = level.calls.setdefault(node, Call(node))
    call.is_outermost = level.is_outermost
    has_effects = not is_pure(op, node) if has_effects is None else has_effects
    there = [
        None if is_object(variable.type) and is_known(value) else _crossing(variable.type, level.objects, value)
        for variable, value in zip(node.inputs, values)
    ]
    back = [
        crossing_for(variable.type, level.objects, shape, capacity)
        for variable, shape, capacity in itertools.zip_longest(node.outputs, shapes, capacities)
    ]
    sent = [
        way.send(SparseArray.of(value) if isinstance(way, SparseCrossing) and is_known(value) else value)
        for way, value in zip(there, values)
        if way is not None
    ]

    def run(*arrays):
        # an exception here would lose donated buffers: report failure, and let the whole function run again and raise.
        arrays = iter(map(np.asarray, arrays))
        try:
            arguments = [
                value if way is None else way.arrive([next(arrays) for _ in way.declared])
                for way, value in zip(there, values)
            ]
            results = on_host(node, arguments)
        except Exception as error:
            call.found, call.problem = error, f"{type(error).__name__}: {error}"
        else:
            call.found = results if has_effects else None
            travelling = [way.send_back(result) for way, result in zip(back, results)]
            if None not in travelling:
                return (True, *itertools.chain(*travelling))
            call.found = results
            call.problem = f"results of shapes {[np.shape(result) for result in results]}, expected {shapes}"
        return (False, *(np.zeros(*declared) for way in back for declared in way.declared))

    travelling = [jax.ShapeDtypeStruct(*declared) for way in back for declared in way.declared]
    if has_effects:
        # XLA must neither leave it out nor call it more often than the graph says.
        callback = jax.experimental.io_callback
        level.effects.append(node)
    else:
        callback = jax.pure_callback
    succeeded, *results = callback(
        run, (jax.ShapeDtypeStruct((), np.dtype(bool)), *travelling), *itertools.chain(*sent)
    )
    guard(succeeded)
    results = iter(results)
    return tuple(way.arrive_back([next(results) for _ in way.declared]) for way in back)


def _crossing(type_, objects, value):
    """Return how an input of a node crosses."""
    if isinstance(type_, theano.sparse.SparseType):
        value = value if isinstance(value, SparseArray) else SparseArray.of(value)
        return crossing_for(type_, objects, value.shape, value.data.shape[0], value.dtype)
    return crossing_for(type_, objects, np.shape(value), dtype=getattr(value, "dtype", None))
