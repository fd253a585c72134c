"""Translations of Ops of shapes, indexing and reductions."""

import numpy as np
import theano
from theano.compile import ops as compiled
from theano.gradient import DisconnectedGrad
from theano.tensor import basic, elemwise, opt, subtensor

from .builder import Untranslated, translates

#: Indices that stand for the end of an axis, and for the place before its beginning.
END, BEFORE = np.iinfo("int64").max, np.iinfo("int64").min


@translates(
    basic.Rebroadcast,
    basic.ScalarFromTensor,
    basic.TensorFromScalar,
    compiled.ViewOp,
    DisconnectedGrad,
    opt.Assert,
)
def same(op, node, build, value, *conditions):
    return value


@translates(elemwise.DimShuffle)
def dimshuffle(op, node, build, value):
    kept = [axis for axis in op.new_order if axis != "x"]
    dropped = [axis for axis in range(node.inputs[0].ndim) if axis not in kept]
    if dropped:
        value = build.add("Squeeze", value, build.constant(dropped, "int64"))
    order = [axis - sum(other < axis for other in dropped) for axis in kept]
    if order != sorted(order):
        value = build.add("Transpose", value, perm=order)
    added = [i for i, axis in enumerate(op.new_order) if axis == "x"]
    return build.add("Unsqueeze", value, build.constant(added, "int64")) if added else value


@translates(compiled.Shape)
def shape(op, node, build, value):
    return build.shape(value)


@translates(compiled.Shape_i)
def shape_i(op, node, build, value):
    return build.add("Gather", build.shape(value), build.constant(op.i, "int64"), axis=0)


@translates(opt.MakeVector)
def make_vector(op, node, build, *values):
    if not values:
        return build.constant(np.zeros(0, op.dtype))
    parts = [
        build.add("Reshape", build.cast(value, variable.dtype, op.dtype), build.constant([1], "int64"))
        for value, variable in zip(values, node.inputs)
    ]
    return build.add("Concat", *parts, axis=0)


@translates(basic.Reshape)
def reshape(op, node, build, value, lengths):
    return build.add("Reshape", value, build.cast(lengths, node.inputs[1].dtype, "int64"))


@translates(basic.Join)
def join(op, node, build, axis, *values):
    place = node.inputs[0]
    if not isinstance(place, theano.Constant):
        raise Untranslated(node, "arrays are joined along an axis that is computed")
    dtype = node.outputs[0].dtype
    parts = [build.cast(value, variable.dtype, dtype) for value, variable in zip(values, node.inputs[1:])]
    return build.add("Concat", *parts, axis=int(place.data))


@translates(basic.ARange)
def arange(op, node, build, *values):
    return build.add("Range", *(build.cast(value, v.dtype, op.dtype) for value, v in zip(values, node.inputs)))


def _lengths(node, build, values, variables):
    if not values:
        return build.constant(np.zeros(0, "int64"))
    return build.add("Concat", *(build.vector(value, v.dtype) for value, v in zip(values, variables)), axis=0)


@translates(basic.Alloc)
def alloc(op, node, build, value, *lengths):
    return build.add("Expand", value, _lengths(node, build, lengths, node.inputs[1:]))


@translates(basic.AllocEmpty)
def alloc_empty(op, node, build, *lengths):
    from onnx import numpy_helper

    zero = numpy_helper.from_array(np.zeros(1, op.dtype))
    return build.add("ConstantOfShape", _lengths(node, build, lengths, node.inputs), value=zero)


# -- indexes ----------------------------------------------------------------------------------------------------------


def _entries(op, node, build, values, first):
    """Return the index with names of values, or numbers, in place of Theano's types that stand for them."""
    pending = iter(zip(values, node.inputs[first:]))

    def fill(entry):
        if entry is None or isinstance(entry, (int, np.integer)):
            return entry
        value, variable = next(pending)
        if isinstance(variable, theano.Constant):
            return int(variable.data)
        is_tensor = variable.owner is not None and isinstance(variable.owner.op, basic.ScalarFromTensor)
        if is_tensor and isinstance(variable.owner.inputs[0], theano.Constant):
            return int(variable.owner.inputs[0].data)
        return build.vector(value, variable.dtype)

    # in the order in which Theano lists them.
    return [
        slice(fill(entry.start), fill(entry.stop), fill(entry.step)) if isinstance(entry, slice) else fill(entry)
        for entry in op.idx_list
    ]


def _vector(build, entry):
    return entry if isinstance(entry, str) else build.constant([entry], "int64")


def _slice(node, build, value, axis, part):
    step = 1 if part.step is None else part.step
    if isinstance(step, str):
        raise Untranslated(node, "a slice has a step that is computed")
    start = part.start if part.start is not None else 0 if step > 0 else END
    stop = part.stop if part.stop is not None else END if step > 0 else BEFORE
    if (start, stop, step) == (0, END, 1):
        return value
    return build.add(
        "Slice",
        value,
        _vector(build, start),
        _vector(build, stop),
        build.constant([axis], "int64"),
        build.constant([step], "int64"),
    )


@translates(subtensor.Subtensor)
def take(op, node, build, value, *indexes):
    dropped = []
    for axis, entry in enumerate(_entries(op, node, build, indexes, 1)):
        if isinstance(entry, slice):
            value = _slice(node, build, value, axis, entry)
        else:
            value = build.add("Gather", value, _vector(build, entry), axis=axis)
            dropped.append(axis)
    return build.add("Squeeze", value, build.constant(dropped, "int64")) if dropped else value


@translates(subtensor.IncSubtensor)
def put(op, node, build, value, part, *indexes):
    entries = _entries(op, node, build, indexes, 2)
    axes = [i for i, entry in enumerate(entries) if entry != slice(None)]
    if len(axes) != 1 or not isinstance(entries[axes[0]], slice) or entries[axes[0]].step not in (None, 1):
        raise Untranslated(node, "an assignment is to something else than one slice of one axis")
    (axis,), entry = axes, entries[axes[0]]
    middle = _slice(node, build, value, axis, entry)
    part = build.cast(part, node.inputs[1].dtype, node.outputs[0].dtype)
    part = build.add("Expand", part, build.shape(middle))
    if not op.set_instead_of_inc:
        part = build.add("Add", middle, part)
    pieces = [part]
    if entry.start not in (None, 0):
        pieces.insert(0, _slice(node, build, value, axis, slice(None, entry.start)))
    if entry.stop is not None:
        pieces.append(_slice(node, build, value, axis, slice(entry.stop, None)))
    return build.add("Concat", *pieces, axis=axis)


@translates(subtensor.AdvancedSubtensor1)
def select(op, node, build, value, indexes):
    return build.add("Gather", value, indexes, axis=0)


# -- reductions -------------------------------------------------------------------------------------------------------

#: Operators by the class of the scalar Op that is applied over and over.
REDUCTIONS = {
    theano.scalar.Add: "ReduceSum",
    theano.scalar.Mul: "ReduceProd",
    theano.scalar.Maximum: "ReduceMax",
    theano.scalar.Minimum: "ReduceMin",
    theano.scalar.AND: "ReduceMin",
    theano.scalar.OR: "ReduceMax",
}


@translates(elemwise.CAReduce)
def reduce(op, node, build, value):
    kind = REDUCTIONS.get(type(op.scalar_op))
    if kind is None:
        raise Untranslated(node)
    source, target = node.inputs[0].dtype, node.outputs[0].dtype
    inner = "int32" if target == "bool" else getattr(op, "acc_dtype", None) or target
    axes = range(node.inputs[0].ndim) if op.axis is None else op.axis
    value = build.cast(value, source, inner)
    if not len(axes):
        return build.cast(value, inner, target)
    result = build.add(kind, value, build.constant(list(axes), "int64"), keepdims=0)
    return build.cast(result, inner, target)


@translates(basic.MaxAndArgmax)
def max_and_argmax(op, node, build, value):
    largest = build.add("ReduceMax", value, build.constant(list(op.axis), "int64"), keepdims=0)
    if len(op.axis) == 1:
        return [largest, build.add("ArgMax", value, axis=int(op.axis[0]), keepdims=0)]
    # argmax over several axes is not translated; no layer of the library needs it.
    return [largest]
