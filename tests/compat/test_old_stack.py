"""Expressions have the dtype and the value that they had on Python 3.8 with NumPy 1.21."""

import json

import numpy as np
import pytest
import theano

from . import old_stack

#: relative; the mathematical functions of the C library and of NumPy differ in their last digit
TOLERANCE = {"float32": 1e-6, "float64": 1e-13, "complex64": 1e-6}

with open(old_stack.FIGURES) as handle:
    FIGURES = json.load(handle)


def differs(name, build, expected):
    found = old_stack.compute(build)
    if "raises" in expected or "raises" in found:
        return found.get("raises") != expected.get("raises")
    if found["dtype"] != expected["dtype"]:
        return True
    old, new = np.array(expected["value"]), np.array(found["value"])
    return not np.allclose(new, old, rtol=TOLERANCE.get(found["dtype"], 0), atol=0, equal_nan=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("floatx", old_stack.FLOATX)
def test_same_as_on_the_old_stack(floatx):
    expressions = dict(old_stack.expressions())
    assert set(expressions) == set(FIGURES[floatx])
    with theano.change_flags(floatX=floatx):
        wrong = [name for name, build in expressions.items() if differs(name, build, FIGURES[floatx][name])]
    assert wrong == []
