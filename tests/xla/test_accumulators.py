"""Accumulators that were given, and those that Theano chooses."""

import copy
import pickle

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theanets.xla.accumulators import is_given

from . import helpers

CANCELLING = np.array([[1e8, 1, -1e8]], "float32")


def sums(x, **given):
    return {
        "all": TT.sum(x, **given),
        "every axis": TT.sum(x, axis=[0, 1], **given),
        "inner of two": TT.sum(TT.sum(x, axis=1, **given)),
        "outer of two": TT.sum(TT.sum(x, axis=0), **given),
        "with an axis of length 1": TT.sum(x.dimshuffle(0, "x", 1), axis=[1, 2], **given)[0],
        "of negative values": -TT.sum(-x, **given),
        "of multiples": TT.sum(x * 3, **given) / 3,
        "mean": TT.mean(x, **given) * 3,
    }


def test_sums_add_up_in_the_type_that_was_given():
    """Whatever rewrites make of them."""
    x = TT.fmatrix("x")
    for name, output in sums(x, acc_dtype="float64").items():
        assert helpers.run([x], output, [CANCELLING]) == 1, name
        assert output.dtype == "float32"


def test_the_same_sum_with_two_accumulators():
    """They are not merged."""
    x = TT.fmatrix("x")
    array = np.ones((2, 3), "float32")
    f = theano.function([x], [x.sum(), TT.sum(x, acc_dtype="float64")], mode="XLA")
    assert [is_given(node.op) for node in f.maker.fgraph.apply_nodes] in ([True, False], [False, True])
    assert f(array) == [6, 6] and f(CANCELLING)[1] == 1


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda graph: pickle.loads(pickle.dumps(graph))])
def test_copies_remember(copied):
    x = TT.fmatrix("x")
    x, given, chosen = copied([x, TT.sum(x, acc_dtype="float64"), TT.sum(x)])
    assert is_given(given.owner.op) and not is_given(chosen.owner.op)
    assert helpers.run([x], given, [CANCELLING]) == 1


def test_products_are_in_double_precision():
    x = TT.fvector("x")
    array = np.array([1e20, 1e20, 1e-30], "float32")
    outputs = [x.prod(), TT.grad(x.prod(), x), TT.prod(x, acc_dtype="float64"), TT.elemwise.ProdWithoutZeros()(x)]
    with np.errstate(over="ignore"):
        helpers.agree([x], outputs, [array], rtol=1e-6)
    np.testing.assert_allclose(helpers.run([x], outputs[0], [array]), 1e10, rtol=1e-6)


def test_sums_that_theano_would_do_in_double_are_precise():
    """To the size that the documentation gives."""
    x = TT.fvector("x")
    f = theano.function([x], x.sum(), mode="XLA")
    rng = np.random.RandomState(0)
    for size in (1000, 100_000):
        for array in (rng.rand(size).astype("float32"), np.full(size, 0.1, "float32")):
            assert abs(f(array) / array.astype("float64").sum() - 1) < 1e-6


def test_mean_as_an_op_of_its_own():
    x = TT.fmatrix("x")
    helpers.agree([x], [TT.mean(x, op=True), TT.mean(x, axis=1, op=True)], [CANCELLING])
