"""Products of matrices and decompositions, against Theano's own evaluation."""

import functools

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
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


@functools.cache
def products():
    a, b, t = TT.matrix("a"), TT.matrix("b"), TT.tensor3("t")
    outputs = [TT.dot(a, b), TT.tensordot(t, b, 1), TT.batched_dot(t, t.dimshuffle(0, 2, 1))]
    gradients = [gradient for output in outputs for gradient in helpers.weighted_gradients(output, [a, b, t])]
    return helpers.both([a, b, t], [*outputs, *gradients])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(*[st.integers(0, 4)] * 4, st.sampled_from([1, -1]), st.booleans())
def test_products_of_any_shape(batch, rows, inner, columns, step, transposed):
    a, b, t = normal(rows, inner)[::step], normal(inner, columns)[:, ::step], normal(batch, rows, inner)[:, ::step]
    products()(np.asfortranarray(a) if transposed else a, b, t, atol=1e-4)


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


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_singular_values_and_triangles(shape):
    x = TT.dmatrix("x")
    array = np.random.RandomState(1).randn(*shape)
    outputs = [nlinalg.svd(x, compute_uv=False)]
    for full in (0, 1):
        u, s, v = nlinalg.svd(x, full_matrices=full)
        # vectors are what they are but for their signs.
        outputs += [s, TT.dot(u[:, : min(shape)] * s, v[: min(shape)]), abs(u[:, : min(shape)]), TT.dot(u.T, u)]
    q, r = nlinalg.qr(x)
    outputs += [abs(q), abs(r), TT.dot(q, r), abs(nlinalg.qr(x, "r"))]
    outputs += [TT.dot(*nlinalg.qr(x, "complete"))]
    helpers.agree([x], outputs, [array], rtol=1e-6)


@pytest.mark.parametrize("half", ["L", "U"])
def test_eigenvalues(half):
    x, b, weights = TT.dmatrix("x"), TT.dmatrix("b"), TT.dmatrix("weights")
    rng = np.random.RandomState(1)
    root = rng.randn(4, 4)
    # the other half must not count.
    arrays = [rng.randn(4, 4), np.tril(root.dot(root.T) + np.eye(4)), rng.randn(4, 4)]
    arrays[1] = arrays[1] if half == "L" else arrays[1].T
    w, v = nlinalg.eigh(x, half)
    generalized = slinalg.eigvalsh(x, b, lower=half == "L")
    outputs = [w, abs(v), TT.dot(v * w, v.T), generalized]
    outputs.append(TT.grad((w**2).sum() + TT.dot(weights, v**2).sum(), x))
    outputs += TT.grad((generalized**2).sum(), [x, b])
    helpers.agree([x, b, weights], outputs, arrays, rtol=1e-6)


def test_exponentials_and_tensors():
    x, t, b = TT.dmatrix("x"), TT.dtensor4("t"), TT.dmatrix("b")
    rng = np.random.RandomState(1)
    arrays = [rng.randn(3, 3) * 3, rng.randn(2, 3, 3, 2), rng.randn(2, 3)]
    outputs = [
        slinalg.expm(x),
        nlinalg.TensorInv(2)(t),
        nlinalg.tensorsolve(t, b),
        nlinalg.matrix_power(x, 3),
        nlinalg.pinv(x[:, :2]),
        nlinalg.matrix_dot(x, x, x),
        nlinalg.AllocDiag()(x[0]),
        slinalg.kron(x, x),
    ]
    helpers.agree([x, t, b], outputs, arrays, rtol=1e-6)


def hilbert(size):
    return (1 / (np.add.outer(np.arange(size), np.arange(size)) + 1)).astype("float32")


@pytest.mark.parametrize("kind", ["ill-conditioned", "singular", "symmetric", "any"])
def test_single_precision_is_decomposed_in_double_as_numpy_does(kind):
    """To the last digits, and with the same signs of vectors."""
    x = TT.fmatrix("x")
    array = np.random.RandomState(2).randn(5, 5).astype("float32")
    array = {
        "ill-conditioned": hilbert(6),
        "singular": np.ones((3, 3), "float32"),
        "symmetric": array + array.T,
        "any": array,
    }[kind]
    outputs = [nlinalg.pinv(x), nlinalg.det(x), *nlinalg.eigh(x, "L"), *nlinalg.eigh(x, "U"), *nlinalg.svd(x)]
    outputs += [*nlinalg.svd(x, 0), nlinalg.svd(x, compute_uv=0), *nlinalg.qr(x), *nlinalg.qr(x, "complete")]
    outputs += [nlinalg.qr(x, "r")]
    if kind != "singular":
        outputs += [nlinalg.matrix_inverse(x), TT.grad(TT.log(abs(nlinalg.det(x))), x)]
        outputs += [*nlinalg.eig(x), nlinalg.TensorInv(1)(x)]
    for result, expected in zip(*helpers.results_of_both([x], outputs, [array])):
        np.testing.assert_allclose(result, expected, rtol=1e-6, atol=3e-7 * abs(expected).max())


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_least_squares(shape):
    a, b, threshold = TT.dmatrix("a"), TT.dmatrix("b"), TT.dscalar("threshold")
    rng = np.random.RandomState(3)
    arrays = [rng.randn(*shape), rng.randn(shape[0], 2)]
    f = theano.function([a, b, threshold], nlinalg.lstsq()(a, b, threshold), mode="XLA")
    # LAPACK takes 1 and more for the precision, too.
    for rcond in (-1, 0, 1, 2.5):
        results = f(*arrays, rcond)
        for result, expected, rtol in zip(results, np.linalg.lstsq(*arrays, rcond=rcond), (1e-5, 1e-9, 0, 1e-9)):
            np.testing.assert_allclose(result, expected, rtol=rtol)
        assert results[0].dtype == FLOAT


def test_gradients_by_ops_of_their_own():
    x, weights = TT.dmatrix("x"), TT.dmatrix("weights")
    rng = np.random.RandomState(1)
    root = rng.randn(4, 4)
    outputs = [TT.grad((slinalg.expm(x / 5) * weights).sum(), x)]
    outputs += [slinalg.CholeskyGrad(lower)(x, slinalg.Cholesky(lower)(x), weights) for lower in (True, False)]
    helpers.agree([x, weights], outputs, [root.dot(root.T) + np.eye(4), rng.randn(4, 4)], rtol=1e-8)
    # where eigenvalues are equal, Theano's way divides by zero.
    [result] = helpers.run([x, weights], outputs[:1], [np.eye(3), np.ones((3, 3))])
    np.testing.assert_allclose(result, np.full((3, 3), np.exp(0.2) / 5), rtol=1e-6)


def test_a_decomposition_that_may_fail():
    x = TT.dmatrix("x")
    output = slinalg.Cholesky(on_error="nan")(x)
    helpers.agree([x], [output], [np.eye(3)])
    assert np.isnan(helpers.run([x], [output], [-np.eye(3)])[0]).all()


@pytest.mark.parametrize("make", [nlinalg.matrix_inverse, slinalg.cholesky])
def test_what_cannot_be_decomposed_is_an_error(make):
    x = TT.dmatrix("x")
    with pytest.raises(np.linalg.LinAlgError):
        theano.function([x], make(x), mode="XLA")(-np.ones((3, 3)))


def test_lengths_that_do_not_fit():
    a, b = TT.matrix("a"), TT.matrix("b")
    with pytest.raises(ValueError, match="align|mismatch|shape"):
        theano.function([a, b], TT.dot(a, b), mode="XLA")(normal(3, 4), normal(3, 4))
