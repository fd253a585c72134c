"""Translations of elementwise functions: a scalar Op of Theano becomes one ONNX operator, or a few."""

import numpy as np
from theano import scalar
from theano.scalar import basic_scipy
from theano.tensor import elemwise
from theano.tensor.nnet import sigm

from .builder import Untranslated, translates

#: Operators that take inputs of the type of the output.
SAME = {
    scalar.Abs: "Abs",
    scalar.ArcCos: "Acos",
    scalar.ArcCosh: "Acosh",
    scalar.ArcSin: "Asin",
    scalar.ArcSinh: "Asinh",
    scalar.ArcTan: "Atan",
    scalar.ArcTanh: "Atanh",
    scalar.Ceil: "Ceil",
    scalar.Cos: "Cos",
    scalar.Cosh: "Cosh",
    scalar.Exp: "Exp",
    scalar.Floor: "Floor",
    scalar.Identity: "Identity",
    scalar.Inv: "Reciprocal",
    scalar.Log: "Log",
    scalar.Neg: "Neg",
    scalar.Pow: "Pow",
    scalar.RoundHalfToEven: "Round",
    scalar.Sgn: "Sign",
    scalar.Sin: "Sin",
    scalar.Sinh: "Sinh",
    scalar.Sqrt: "Sqrt",
    scalar.Sub: "Sub",
    scalar.Tan: "Tan",
    scalar.Tanh: "Tanh",
    scalar.TrueDiv: "Div",
    basic_scipy.Erf: "Erf",
    sigm.ScalarSigmoid: "Sigmoid",
    sigm.ScalarSoftplus: "Softplus",
}

#: Operators of any number of inputs, which Theano has too.
MANY = {scalar.Add: "Add", scalar.Mul: "Mul", scalar.Maximum: "Max", scalar.Minimum: "Min"}

#: Comparisons: inputs of a common type, a truth value as output.
COMPARISONS = {
    scalar.EQ: "Equal",
    scalar.GE: "GreaterOrEqual",
    scalar.GT: "Greater",
    scalar.LE: "LessOrEqual",
    scalar.LT: "Less",
}

#: Operators on truth values.
LOGIC = {scalar.AND: "And", scalar.OR: "Or", scalar.XOR: "Xor", scalar.Invert: "Not"}

#: Others: functions of the builder, of the type of the output, and of the inputs cast to it.
OTHERS = {
    scalar.Clip: lambda b, t, x, low, high: b.add("Min", b.add("Max", x, low), high),
    scalar.Expm1: lambda b, t, x: b.add("Sub", b.add("Exp", x), b.constant(1, t)),
    scalar.IntDiv: lambda b, t, x, y: _floor_divide(b, t, x, y),
    scalar.Log1p: lambda b, t, x: b.add("Log", b.add("Add", x, b.constant(1, t))),
    scalar.Log2: lambda b, t, x: b.add("Div", b.add("Log", x), b.constant(np.log(2), t)),
    scalar.Log10: lambda b, t, x: b.add("Div", b.add("Log", x), b.constant(np.log(10), t)),
    scalar.Mod: lambda b, t, x, y: _modulo(b, t, x, y),
    scalar.Second: lambda b, t, like, x: b.add("Expand", x, b.shape(like)),
    scalar.Sqr: lambda b, t, x: b.add("Mul", x, x),
}


def _modulo(build, dtype, x, y):
    if np.dtype(dtype).kind != "f":
        return build.add("Mod", x, y)
    return build.add("Sub", x, build.add("Mul", _floor_divide(build, dtype, x, y), y))


def _floor_divide(build, dtype, x, y):
    if np.dtype(dtype).kind == "f":
        return build.add("Floor", build.add("Div", x, y))
    # the operator would round towards zero.
    return build.add("Div", build.add("Sub", x, build.add("Mod", x, y)), y)


def _find(table, op):
    return next((table[cls] for cls in type(op).__mro__ if cls in table), None)


def _compute(op, node, build, values, types, target):
    """Translate the scalar Op of an elementwise node."""

    def cast(to):
        return [build.cast(value, dtype, to) for value, dtype in zip(values, types)]

    if kind := _find(COMPARISONS, op):
        return build.cast(build.add(kind, *cast(np.result_type(*types))), "bool", target)
    if isinstance(op, scalar.NEQ):
        return build.add("Not", build.add("Equal", *cast(np.result_type(*types))))
    if isinstance(op, scalar.Switch):
        return build.add("Where", build.cast(values[0], types[0], "bool"), *cast(target)[1:])
    if isinstance(op, scalar.IsNan):
        return build.add("IsNaN", *values)
    if isinstance(op, scalar.IsInf):
        return build.add("IsInf", *values)
    if isinstance(op, scalar.Cast):
        return build.cast(values[0], types[0], target)
    if kind := _find(MANY, op):
        result, *others = cast(target)
        for other in others:
            result = build.add(kind, result, other)
        return result
    if (kind := _find(LOGIC, op)) and target == "bool":
        result, *others = cast("bool")
        return build.add(kind, result, *others)
    if function := _find(OTHERS, op):
        return function(build, target, *cast(target))
    if kind := _find(SAME, op):
        return build.add(kind, *cast(target))
    raise Untranslated(node)


@translates(elemwise.Elemwise)
def elementwise(op, node, build, *values):
    types = [variable.dtype for variable in node.inputs]
    return _compute(op.scalar_op, node, build, values, types, node.outputs[0].dtype)


@translates(scalar.ScalarOp)
def single(op, node, build, *values):
    return _compute(op, node, build, values, [variable.dtype for variable in node.inputs], node.outputs[0].dtype)
