"""Products of matrices and decompositions, against Theano's own evaluation."""

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theano.tensor import blas, nlinalg, slinalg

from . import helpers

FLOAT = theano.config.floatX


def normal(*shape):
    return np.random.RandomState(4).randn(*shape).astype(FLOAT)


def test_products():
    a, b, v, t = TT.matrix("a"), TT.matrix("b"), TT.vector("v"), TT.tensor3("t")
    arrays = [normal(3, 4), normal(4, 5), normal(4), normal(3, 4, 2)]
    products = [
        TT.dot(a, b),
        TT.dot(a, v),
        TT.dot(v, b),
        TT.dot(v, v),
        TT.tensordot(a, t, [[0, 1], [0, 1]]),
        TT.batched_dot(t, t.dimshuffle(0, 2, 1)),
        TT.dot(a, t.dimshuffle(2, 1, 0)),
        TT.outer(v, v),
        TT.dot(a, 2 * b),
    ]
    for output in products:
        helpers.agree_with_gradients(
            [a, b, v, t], output + 0 * (a.sum() + b.sum() + v.sum() + t.sum()), arrays, atol=1e-4
        )


def test_products_as_blas_has_them():
    z, x, y, v = TT.matrix("z"), TT.matrix("x"), TT.matrix("y"), TT.vector("v")
    two, three = TT.constant(np.asarray(2, FLOAT)), TT.constant(np.asarray(3, FLOAT))
    outputs = [
        blas.gemm_no_inplace(z, two, x, y, three),
        blas._dot22(x, y),
        blas._dot22scalar(x, y, two),
        blas.Gemv(False)(v, two, x.T, v[:2], three),
        blas.Ger(False)(z, two, v[:2], v),
    ]
    helpers.agree([z, x, y, v], outputs, [normal(2, 3), normal(2, 3)[:, :3], normal(3, 3), normal(3)], rtol=1e-4)


def test_decompositions():
    x, b = TT.dmatrix("x"), TT.dmatrix("b")
    square = np.random.RandomState(1).randn(4, 4)
    symmetric = square.dot(square.T) + np.eye(4)
    outputs = [
        nlinalg.matrix_inverse(x),
        nlinalg.det(x),
        slinalg.cholesky(x),
        slinalg.solve(x, b),
        slinalg.solve_lower_triangular(x, b),
        slinalg.solve_upper_triangular(x, b),
        nlinalg.trace(x),
    ]
    helpers.agree([x, b], outputs, [symmetric, square[:, :2]], rtol=1e-6)
    gradients = [TT.grad(output.sum(), x) for output in outputs[:3]]
    helpers.agree([x], gradients, [symmetric], rtol=1e-5, atol=1e-6)


def test_decompositions_without_a_translation_run_on_the_host():
    x = TT.dmatrix("x")
    array = np.random.RandomState(1).randn(4, 3)
    f = theano.function([x], nlinalg.svd(x, compute_uv=False), mode="XLA")
    np.testing.assert_allclose(f(array), np.linalg.svd(array, compute_uv=False))


@pytest.mark.parametrize("make", [nlinalg.matrix_inverse, slinalg.cholesky])
def test_what_cannot_be_decomposed_is_an_error(make):
    x = TT.dmatrix("x")
    with pytest.raises(np.linalg.LinAlgError):
        theano.function([x], make(x), mode="XLA")(-np.ones((3, 3)))


def test_lengths_that_do_not_fit():
    a, b = TT.matrix("a"), TT.matrix("b")
    with pytest.raises(ValueError, match="align|mismatch|shape"):
        theano.function([a, b], TT.dot(a, b), mode="XLA")(normal(3, 4), normal(3, 4))
