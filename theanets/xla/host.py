"""Fallbacks to Theano's own implementations, in Python on the host, where XLA cannot run an Op or a graph."""

import threading

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
import theano
from theano.compile.ops import FromFunctionOp
from theano.gof.vm import VM_Linker

from .. import util
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
        # it keeps its values in one place.
        self.lock = util.anew_after_fork(threading.Lock())

    def _after(self, node, thunk, storage_map, compute_map):
        """Look after what a node has computed."""
        for variable in node.outputs:
            if isinstance(variable.type, theano.tensor.TensorType) and isinstance(storage_map[variable][0], np.generic):
                # some Ops give NumPy's scalars, and the compiled body of a loop does not take them for arrays.
                storage_map[variable][0] = np.asarray(storage_map[variable][0])
        if node in self.untranslated:
            found = [np.shape(storage_map[variable][0]) for variable in node.outputs]
            self.shapes[self.untranslated[node], "shapes"] = found

    def __call__(self, values):
        """Return the list of outputs for a list of inputs, which are NumPy arrays and stay as they are."""
        with self.lock:
            return self._run(values)

    def _run(self, values):
        self.shapes = {}
        for container, value in zip(self.inputs, values):
            container.storage[0] = value.copy() if isinstance(value, np.ndarray) else value
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
    shapes = [np.shape(value) for value in values]
    infer = getattr(node.op, "infer_shape", None)
    try:
        if infer is None:
            raise NotImplementedError
        # infer_shape may ask for the value of an input: pass known values as constants.
        inputs = [
            variable.type.make_constant(value) if is_known(value) else variable
            for variable, value in zip(node.inputs, values)
        ]
        symbolic = infer(
            node.clone_with_new_inputs(inputs, strict=False),
            [tuple(theano.tensor.constant(length, dtype="int64") for length in shape) for shape in shapes],
        )
        return [tuple(int(theano.tensor.get_scalar_constant_value(item)) for item in shape) for shape in symbolic]
    except (NotImplementedError, theano.tensor.ShapeError, theano.tensor.NotScalarConstantError):
        return shapes_of(node)


def name_of(op):
    """Describe an Op for people, and return what tells it from others of its class."""
    kind = type(op)
    if isinstance(op, FromFunctionOp):
        return f"{op}", (kind, str(op), hash(op))
    return f"{op} ({kind.__module__}.{kind.__name__})", kind


def call_back(node, values, op):
    """Let the running function call an Op's own implementation; return the tuple of its outputs.

    Parameters
    ----------
    node : theano Apply
        What to compute.
    values : list of arrays
        Its inputs.
    op : theano Op
        What there is no translation of: the node's Op, or the scalar Op that it applies.
    """
    for variable in (*node.inputs, *node.outputs):
        if not isinstance(variable.type, (theano.tensor.TensorType, theano.scalar.Scalar)):
            raise Dynamic(f"{node}: there is no XLA translation, and {variable.type} cannot be handed over")
    if has_only_c(node.op):
        raise Dynamic(f"{node.op} has C code only")
    try:
        shapes = output_shapes(node, values)
    except GiveUp:
        raise
    except Exception as error:
        raise TranslationError(f"{node}: no XLA translation, and no shapes of its results: {error}") from error
    declared = [jax.ShapeDtypeStruct(shape, output.dtype) for shape, output in zip(shapes, node.outputs)]
    name, key = name_of(op)
    warn_once(
        key,
        f"no XLA translation for {name}: it runs by its own implementation, in Python and on the host; "
        "theanets.xla.translates registers a translation",
    )

    arguments = [jax.ShapeDtypeStruct(np.shape(value), value.dtype) for value in values]
    level = current()
    call = level.calls.setdefault(node, Call(node))

    def run(*arrays):
        # an exception here would lose donated buffers: report failure, and let the whole function run again and raise.
        try:
            results = on_host(node, [_unpack_on_host(*item) for item in zip(map(np.asarray, arrays), arguments)])
            if all(np.shape(result) == expected.shape for result, expected in zip(results, declared)):
                results = [np.asarray(result, expected.dtype) for result, expected in zip(results, declared)]
                return (True, *map(_pack_on_host, results))
            call.problem = f"results of shapes {[np.shape(result) for result in results]}, expected {shapes}"
        except Exception as error:
            call.problem = f"{type(error).__name__}: {error}"
        return (False, *(np.zeros(*_packed_type(expected)) for expected in declared))

    travelling = [jax.ShapeDtypeStruct(*_packed_type(expected)) for expected in declared]
    if is_pure(op, node):
        callback = jax.pure_callback
    else:
        # XLA must neither leave it out nor call it more often than the graph says.
        callback = jax.experimental.io_callback
        level.effects.append(node)
    succeeded, *results = callback(
        run,
        (jax.ShapeDtypeStruct((), np.dtype(bool)), *travelling),
        *(_pack(jnp.asarray(value)) for value in values),
    )
    guard(succeeded)
    return tuple(_unpack(result, expected) for result, expected in zip(results, declared))


# JAX may make the call from a thread of its own, where 64-bit types are not enabled: it would round the values. So
# they travel as pairs of 32-bit integers (and complex numbers of twice that as pairs of those).


def _packed_type(value):
    """Return the shape and dtype in which a value travels."""
    dtype = np.dtype(value.dtype)
    if dtype.itemsize < 8 or dtype == "complex64":
        return value.shape, dtype
    return (*value.shape, dtype.itemsize // 4), np.dtype("uint32")


def _pack_on_host(array):
    """Return a NumPy array as it travels."""
    shape, dtype = _packed_type(array)
    return np.ascontiguousarray(array).view(dtype).reshape(shape) if dtype != array.dtype else array


def _unpack_on_host(array, declared):
    """Undo :func:`_pack`, on the other side."""
    if array.dtype != declared.dtype:
        array = np.ascontiguousarray(array).reshape(-1).view(declared.dtype).reshape(declared.shape)
    return array


def _pack(array):
    """Return a JAX array as it travels."""
    shape, dtype = _packed_type(array)
    if dtype == array.dtype:
        return array
    if array.dtype == "complex128":
        array = jnp.stack([array.real, array.imag], axis=-1)
    return jax.lax.bitcast_convert_type(array, dtype).reshape(shape)


def _unpack(array, declared):
    """Undo :func:`_pack_on_host`, on the other side."""
    if array.dtype == declared.dtype:
        return array
    if declared.dtype == "complex128":
        parts = jax.lax.bitcast_convert_type(array.reshape(*declared.shape, 2, 2), "float64")
        return jax.lax.complex(parts[..., 0], parts[..., 1])
    return jax.lax.bitcast_convert_type(array, declared.dtype)
