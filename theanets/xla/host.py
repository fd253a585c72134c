"""Fallbacks to Theano's own implementations, in Python on the host, where XLA cannot run an Op or a graph."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import theano
from theano.gof.vm import VM_Linker

from .. import util
from .tracing import Dynamic, TranslationError, guard, is_known, on_host

__all__ = ["HostProgram", "call_back", "warn_once"]

_warned: set[object] = set()


class FallbackWarning(RuntimeWarning):
    """An Op or a function runs by Theano's own implementation, because XLA cannot run it."""


def warn_once(key, message):
    """Warn of something that runs slower than it should, once in the life of a process."""
    if key not in _warned:
        _warned.add(key)
        util.warn(message, FallbackWarning)


class HostProgram:
    """A program that runs a whole graph by the Python implementations of its Ops.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph, which stays as it is.
    """

    def __init__(self, fgraph):
        copied, _ = fgraph.clone_get_equiv(check_integrity=False)
        linker = VM_Linker(use_cloop=False, c_thunks=False, allow_gc=True, lazy=True)
        self.function, self.inputs, self.outputs = linker.accept(copied).make_thunk()
        # it keeps its values in one place.
        self.lock = util.anew_after_fork(threading.Lock())

    def __call__(self, values):
        """Return the list of outputs for a list of inputs, which are NumPy arrays and stay as they are."""
        with self.lock:
            return self._run(values)

    def _run(self, values):
        for container, value in zip(self.inputs, values):
            container.storage[0] = value.copy() if isinstance(value, np.ndarray) else value
        try:
            self.function()
            return [container.storage[0] for container in self.outputs]
        finally:
            for container in (*self.inputs, *self.outputs):
                if not isinstance(container.type, theano.gof.Constant):
                    container.storage[0] = None


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
        # shapes of the results for arrays of ones; if real values give other shapes, the whole function falls back.
        examples = [value if is_known(value) else np.ones(value.shape, value.dtype) for value in values]
        return [np.shape(result) for result in on_host(node, examples)]


def call_back(node, values):
    """Let the running function call an Op's own implementation; return the tuple of its outputs."""
    for variable in (*node.inputs, *node.outputs):
        if not isinstance(variable.type, (theano.tensor.TensorType, theano.scalar.Scalar)):
            raise Dynamic(f"{node}: there is no XLA translation, and {variable.type} cannot be handed over")
    try:
        shapes = output_shapes(node, values)
    except Exception as error:
        raise TranslationError(f"{node}: no XLA translation, and no shapes of its results: {error}") from error
    declared = [jax.ShapeDtypeStruct(shape, output.dtype) for shape, output in zip(shapes, node.outputs)]
    kind = type(node.op)
    warn_once(
        kind,
        f"no XLA translation for {node.op} ({kind.__module__}.{kind.__name__}): it runs by its own implementation, in "
        "Python and on the host; theanets.xla.translates registers a translation",
    )

    arguments = [jax.ShapeDtypeStruct(np.shape(value), value.dtype) for value in values]

    def run(*arrays):
        # an exception here would lose donated buffers: report failure, and let the whole function run again and raise.
        try:
            results = on_host(node, [_unpack_on_host(*item) for item in zip(map(np.asarray, arrays), arguments)])
            if all(np.shape(result) == expected.shape for result, expected in zip(results, declared)):
                results = [np.asarray(result, expected.dtype) for result, expected in zip(results, declared)]
                return (True, *map(_pack_on_host, results))
        except Exception:
            pass
        return (False, *(np.zeros(*_packed_type(expected)) for expected in declared))

    travelling = [jax.ShapeDtypeStruct(*_packed_type(expected)) for expected in declared]
    succeeded, *results = jax.pure_callback(
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
