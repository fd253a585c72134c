"""Expressions whose dtype and value must be those of the stack that Theano was written for.

The figures in ``tests/files/theano-old-stack.json`` come from Python 3.8, NumPy 1.21.6, SciPy 1.7.3 and Theano 1.0.5,
in Python mode, by running this file there, from the root of the repository::

    python3.8 -m venv old && old/bin/pip install numpy==1.21.6 "scipy<1.8" Theano==1.0.5
    THEANO_FLAGS=cxx=,mode=FAST_COMPILE old/bin/python tests/compat/old_stack.py

:mod:`tests.compat.test_old_stack` computes them again on the stack at hand.
"""

import json
import os

import numpy as np
import theano
import theano.tensor as TT

FIGURES = os.path.join(os.path.dirname(__file__), os.pardir, "files", "theano-old-stack.json")
FLOATX = ("float32", "float64")

VALUES = {
    "bool": [True, False, True],
    "int8": [-3, 2, 100],
    "uint8": [3, 2, 200],
    "int16": [-300, 7, 20000],
    "uint16": [300, 7, 50000],
    "int32": [-70000, 5, 3],
    "uint32": [70000, 5, 3],
    "int64": [-(2**40), 9, 4],
    "uint64": [2**40, 9, 4],
    "float32": [-1.5, 0.3, 2.25],
    "float64": [-1.5, 0.3, 2.25],
    "complex64": [1 - 2j, 0.5j, 3],
}
MATRIX = [[1, 7, 3], [4, 2, 9]]

NUMBERS = [1, 300, 40000, 2**31, 2**40, -1, -129, -40000, 0.5, 1.1, 1e-3, 1e-50]
DIVISORS = [3, 300, -7, 2.5]

BINARY = {
    "add": lambda a, b: a + b,
    "rsub": lambda a, b: b - a,
    "mul": lambda a, b: a * b,
}
DIVISIONS = {
    "truediv": lambda a, b: a / b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
}
COMPARISONS = {
    "lt": lambda a, b: a < b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: TT.eq(a, b),
    "maximum": TT.maximum,
    "minimum": TT.minimum,
}
UNARY = {
    "exp": TT.exp,
    "expm1": TT.expm1,
    "tanh": TT.tanh,
    "sin": TT.sin,
    "arctan": TT.arctan,
    "sqr": TT.sqr,
    "abs": abs,
    "neg": lambda x: -x,
    "sgn": TT.sgn,
    "inv": TT.inv,
    "floor": TT.floor,
    "ceil": TT.ceil,
    "round": TT.round,
    "sigmoid": TT.nnet.sigmoid,
    "hard_sigmoid": TT.nnet.hard_sigmoid,
    "softplus": TT.nnet.softplus,
    "relu": TT.nnet.relu,
    "deg2rad": TT.deg2rad,
    "rad2deg": TT.rad2deg,
    "angle": TT.angle,
    "erf": TT.erf,
    "power2": lambda x: x**2,
    "power_half": lambda x: abs(x) ** 0.5,
    "clip": lambda x: TT.clip(x, 0, 1),
    "clip_float": lambda x: TT.clip(x, 0.1, 0.9),
    "switch": lambda x: TT.switch(x > 0, x, 0),
    "switch_float": lambda x: TT.switch(x > 0, 1.1, 0),
}
REDUCTIONS = {
    "sum": TT.sum,
    "prod": TT.prod,
    "mean": TT.mean,
    "var": TT.var,
    "std": TT.std,
    "max": TT.max,
    "min": TT.min,
    "argmax": TT.argmax,
    "argmin": TT.argmin,
    "any": TT.any,
    "cumsum": TT.cumsum,
    "cumprod": TT.cumprod,
}
CREATIONS = {
    "arange(10000)": lambda: TT.arange(10000)[-2:],
    "arange(300)": lambda: TT.arange(300)[-2:],
    "arange(3)": lambda: TT.arange(3),
    "arange(0, 1, 0.25)": lambda: TT.arange(0, 1, 0.25),
    "arange(1.5)": lambda: TT.arange(1.5),
    "zeros": lambda: TT.zeros((2, 300))[:, :2],
    "ones int8": lambda: TT.ones((2,), "int8") * 300,
    "eye": lambda: TT.eye(2) * 1.1,
    "alloc": lambda: TT.alloc(1.1, 2),
    "alloc int": lambda: TT.alloc(300, 2),
    "stack": lambda: TT.stack([TT.constant(1), TT.constant(300), TT.constant(70000)]),
    "concatenate": lambda: TT.concatenate([[1, 2], [300]]),
    "list": lambda: TT.as_tensor_variable([1, 2, 300]),
    "list float": lambda: TT.as_tensor_variable([1.1, 2]),
    "cast 300": lambda: TT.cast(TT.constant(300), "int8"),
    "cast -1": lambda: TT.cast(TT.constant(-1), "uint8"),
    "cast 1.1": lambda: TT.cast(1.1, "float32") * 1.1,
    "constant float64": lambda: TT.constant(np.float64(1.1)) * 1.1,
    "shared 1.1": lambda: theano.shared(1.1) * 1.1,
    "shared 300": lambda: theano.shared(300) * 300,
    "repeat": lambda: TT.repeat(TT.constant([1, 300]), 2),
    "mgrid": lambda: TT.mgrid[0:3],
    "bincount": lambda: TT.extra_ops.bincount(TT.constant([1, 2, 2])),
    "powers": lambda: TT.constant(2) ** TT.constant(10),
    "sum of constants": lambda: TT.constant(100) + TT.constant(100),
    "product of constants": lambda: TT.constant(100) * 300,
    "int division": lambda: TT.constant(7) / TT.constant(2),
}
GRADIENTS = {
    "x * 1.1": lambda x: (x * 1.1).sum(),
    "x ** 2": lambda x: (x**2).sum(),
    "x ** 2.5": lambda x: (abs(x) ** 2.5).sum(),
    "2 ** x": lambda x: (2**x).sum(),
    "1 / x": lambda x: (1 / x).sum(),
    "mean": lambda x: x.mean(),
    "var": lambda x: x.var(),
    "max": lambda x: x.max(),
    "inv": lambda x: TT.inv(x).sum(),
    "deg2rad": lambda x: TT.deg2rad(x).sum(),
    "rad2deg": lambda x: TT.rad2deg(x).sum(),
    "erf": lambda x: TT.erf(x).sum(),
    "sigmoid": lambda x: TT.nnet.sigmoid(x * 300).sum(),
    "softplus": lambda x: TT.nnet.softplus(x).sum(),
    "clip": lambda x: TT.clip(x, 0.1, 0.9).sum(),
    "indices": lambda x: x[np.array([0, 2, 2])].sum(),
    "softmax": lambda x: TT.log(TT.nnet.softmax(x.dimshuffle("x", 0)))[0, 1],
    "crossentropy": lambda x: TT.nnet.categorical_crossentropy(
        TT.nnet.softmax(x.dimshuffle("x", 0)), np.array([1])
    ).sum(),
    "norm": lambda x: x.norm(2),
    "cumsum": lambda x: TT.cumsum(x)[-1],
    "sort": lambda x: TT.sort(x)[0],
    "scan": lambda x: theano.scan(lambda a, s: s * 0.9 + a, x, outputs_info=TT.zeros((), x.dtype))[0][-1],
}


def _vector(dtype):
    return TT.TensorType(dtype, (False,))("x"), np.array(VALUES[dtype], dtype)


def expressions():
    """Every expression by its name.

    Yields
    ------
    name : str
    build : callable
        Returns the expression, its inputs and their values.
    """
    for dtype in ("int8", "uint8", "int32", "int64", "float32", "float64"):
        for number in NUMBERS:
            for name, function in BINARY.items():
                yield f"{name} {dtype} {number!r}", _of_number(function, dtype, number)
        for number in DIVISORS:
            for name, function in DIVISIONS.items():
                yield f"{name} {dtype} {number!r}", _of_number(function, dtype, number)
        for number in (1, 300, 1.1):
            for name, function in COMPARISONS.items():
                yield f"{name} {dtype} {number!r}", _of_number(function, dtype, number)
    for left in VALUES:
        for right in VALUES:
            name = "mul" if left < right else "add"
            yield f"{name} {left} {right}", _of_two(BINARY[name], left, right)
    for dtype in ("int8", "uint64", "int32", "float32", "float64", "complex64"):
        for name, function in UNARY.items():
            yield f"{name} {dtype}", _of_one(function, dtype)
    for dtype in ("bool", "int8", "int32", "float32", "float64"):
        for name, function in REDUCTIONS.items():
            yield f"{name} {dtype}", _of_matrix(function, dtype, None)
            yield f"{name} {dtype} axis 1", _of_matrix(function, dtype, 1)
    for name, function in CREATIONS.items():
        yield name, _of_nothing(function)
    for dtype in ("float32", "float64"):
        for name, function in GRADIENTS.items():
            yield f"gradient of {name} {dtype}", _of_gradient(function, dtype)


def _of_number(function, dtype, number):
    def build():
        x, value = _vector(dtype)
        return function(x, number), [x], [value]

    return build


def _of_one(function, dtype):
    def build():
        x, value = _vector(dtype)
        return function(x), [x], [value]

    return build


def _of_two(function, left, right):
    def build():
        x, first = _vector(left)
        y, second = _vector(right)
        return function(x, y), [x, y], [first, second]

    return build


def _of_matrix(function, dtype, axis):
    def build():
        x = TT.TensorType(dtype, (False, False))("x")
        return function(x, axis=axis), [x], [np.array(MATRIX, dtype)]

    return build


def _of_nothing(function):
    return lambda: (function(), [], [])


def _of_gradient(function, dtype):
    def build():
        x, value = _vector(dtype)
        return TT.grad(function(x), x), [x], [value]

    return build


def compute(build):
    """Dtype and value of one expression.

    Parameters
    ----------
    build : callable
        One of :func:`expressions`.

    Returns
    -------
    figure : dict
        Of plain Python values.
    """
    try:
        expression, inputs, values = build()
        with np.errstate(all="ignore"):
            result = np.asarray(theano.function(inputs, expression)(*values))
    except Exception as error:  # whatever is raised is a figure too
        return {"raises": type(error).__name__}
    if result.dtype.kind == "c":
        # JSON has no complex numbers
        result = np.stack([result.real, result.imag])
    return {"dtype": str(expression.dtype), "value": result.tolist()}


def main():
    """Write the figures of the stack that this runs on."""
    figures = {}
    for floatx in FLOATX:
        with theano.change_flags(floatX=floatx):
            figures[floatx] = {name: compute(build) for name, build in expressions()}
    with open(FIGURES, "w") as handle:
        json.dump(figures, handle, indent=0, sort_keys=True)
        handle.write("\n")
    print({floatx: len(found) for floatx, found in figures.items()})


if __name__ == "__main__":
    main()
