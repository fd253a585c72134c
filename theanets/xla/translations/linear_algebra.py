"""Translations of products of matrices, and of decompositions."""

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from theano.tensor import basic, blas, nlinalg, slinalg

from .. import merged
from ..registry import Untranslated, translates
from ..tracing import TranslationError, guard
from .elementwise import cast_array


def _cast(node, *values):
    return [cast_array(value, node.outputs[0].dtype) for value in values]


def product(a, b):
    """Multiply matrices or vectors; raise an error for lengths that differ, which says more than JAX's own."""
    if a.ndim and b.ndim and a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise ValueError(f"shapes {a.shape} and {b.shape} are not aligned")
    return jnp.dot(a, b)


@translates(basic.Dot, blas.Dot22)
def dot(op, node, a, b):
    a, b = _cast(node, a, b)
    found = merged.multiplied(a, b) if a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0] else None
    return product(a, b) if found is None else found


@translates(blas.Dot22Scalar)
def scaled_dot(op, node, a, b, factor):
    a, b, factor = _cast(node, a, b, factor)
    return product(a, b) * factor


@translates(blas.Gemm)
def gemm(op, node, z, factor, x, y, kept):
    z, factor, x, y, kept = _cast(node, z, factor, x, y, kept)
    return kept * z + factor * product(x, y)


@translates(blas.Gemv)
def gemv(op, node, z, factor, a, x, kept):
    z, factor, a, x, kept = _cast(node, z, factor, a, x, kept)
    return kept * z + factor * product(a, x)


@translates(blas.Ger)
def ger(op, node, a, factor, x, y):
    a, factor, x, y = _cast(node, a, factor, x, y)
    return a + factor * jnp.outer(x, y)


@translates(blas.BatchedDot)
def batched_dot(op, node, a, b):
    a, b = _cast(node, a, b)
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"batches of {a.shape[0]} and {b.shape[0]}")
    return jax.vmap(product)(a, b)


def _finite(value):
    """Guard that a decomposition has worked: XLA does not raise errors, but returns NaN."""
    guard(jnp.isfinite(value))
    return value


def _double(*values):
    """Return values in double precision, in which NumPy decomposes matrices whatever their type is."""
    return [cast_array(value, "complex128" if value.dtype.kind == "c" else "float64") for value in values]


def _rounded(node, *results):
    """Return what was computed, perhaps more precisely than declared, as what is declared."""
    return tuple(cast_array(result, output.dtype) for output, result in zip(node.outputs, results))


def _as_declared(node, *results):
    """Do the same for a decomposition that may fail: it has worked if there are numbers before they are rounded."""
    return _rounded(node, *map(_finite, results))


@translates(nlinalg.MatrixInverse)
def inverse(op, node, x):
    return _as_declared(node, jnp.linalg.inv(*_double(x)))


@translates(nlinalg.MatrixPinv)
def pseudo_inverse(op, node, x):
    return _as_declared(node, jnp.linalg.pinv(*_double(x), rtol=1e-15))


@translates(nlinalg.Det)
def determinant(op, node, x):
    if x.ndim != 2 or x.shape[0] != x.shape[1]:
        raise ValueError(f"a matrix of shape {x.shape} is not square")
    if not x.size:
        return np.ones((), node.outputs[0].dtype)
    # as NumPy does; jnp.linalg.det multiplies small matrices out, with another result where they are singular.
    factors, pivots, _ = jax.lax.linalg.lu(*_double(x))
    swaps = (pivots != np.arange(x.shape[0])).sum()
    return _rounded(node, jnp.where(swaps % 2, -1, 1) * jnp.prod(jnp.diagonal(factors)))


@translates(slinalg.Cholesky)
def cholesky(op, node, x):
    (x,) = _cast(node, x)
    # only one triangle of the symmetric matrix is read.
    lower = jnp.tril(x) if op.lower else jnp.triu(x).T
    result = jnp.linalg.cholesky(lower + jnp.tril(lower, -1).T, symmetrize_input=False)
    if op.on_error == "raise":
        _finite(result)
    else:
        result = jnp.where(jnp.isfinite(result).all(), result, jnp.nan)
    return result if op.lower else result.T


@translates(slinalg.CholeskyGrad)
def cholesky_gradient(op, node, x, root, gradient):
    """Compute the gradient with regard to the half of the matrix that is read (Murray 2016)."""
    root, gradient = _cast(node, root, gradient)
    if not op.lower:
        root, gradient = root.T, gradient.T
    root, gradient = jnp.tril(root), jnp.tril(gradient)
    middle = jnp.tril(root.T @ gradient)
    middle = middle - jnp.diag(jnp.diagonal(middle)) / 2
    half = jax.scipy.linalg.solve_triangular(root, middle.T, lower=True, trans="T").T
    whole = jax.scipy.linalg.solve_triangular(root, half, lower=True, trans="T")
    result = jnp.tril(whole + whole.T) - jnp.diag(jnp.diagonal(whole))
    return _rounded(node, result if op.lower else result.T)


@translates(slinalg.Solve)
def solve(op, node, a, b):
    a, b = _cast(node, a, b)
    if op.A_structure in ("lower_triangular", "upper_triangular"):
        return _finite(jax.scipy.linalg.solve_triangular(a, b, lower=op.A_structure == "lower_triangular"))
    return _finite(jax.scipy.linalg.solve(a, b))


def _symmetric(x, lower):
    """Return the symmetric matrix that one half of a matrix stands for."""
    half = jnp.tril(x) if lower else jnp.triu(x)
    return half + half.T - jnp.diag(jnp.diagonal(half))


def _to_half(x, lower):
    """Return the gradient with regard to that half of a matrix, of one with regard to all of it."""
    return jnp.tril(x) + jnp.triu(x, 1).T if lower else jnp.triu(x) + jnp.tril(x, -1).T


@translates(nlinalg.SVD)
def singular_values(op, node, x):
    (x,) = _double(x)
    if not op.compute_uv:
        return _as_declared(node, jnp.linalg.svd(x, compute_uv=False))
    return _as_declared(node, *jnp.linalg.svd(x, full_matrices=bool(op.full_matrices)))


@translates(nlinalg.Eigh)
def symmetric_eigenvalues(op, node, x):
    # the half that LAPACK reads decides about the signs of the eigenvectors.
    vectors, values = jax.lax.linalg.eigh(*_double(x), lower=op.UPLO == "L", symmetrize_input=False)
    return _as_declared(node, values, vectors)


@translates(nlinalg.Eig)
def eigenvalues(op, node, x):
    if jax.default_backend() != "cpu":
        # XLA has it for CPUs only.
        raise Untranslated(op)
    values, vectors = jax.lax.linalg.eig(*_double(x), compute_left_eigenvectors=False)
    # Theano declares numbers of the type of the matrix: where they are complex, it keeps their real parts.
    return _as_declared(node, values, vectors)


@translates(nlinalg.EighGrad)
def symmetric_eigenvalues_gradient(op, node, x, w, v, values_gradient, vectors_gradient):
    w, v, values_gradient, vectors_gradient = _double(w, v, values_gradient, vectors_gradient)
    apart = w[None, :] - w[:, None]
    same = np.eye(w.shape[0], dtype=bool)
    # the gradient of the eigenvectors divides by the differences of the eigenvalues.
    mixed = jnp.where(same, 0, jnp.dot(v.T, vectors_gradient) / jnp.where(same, 1, apart))
    full = jnp.dot(v, jnp.dot(jnp.diag(values_gradient) + mixed, v.T))
    return _as_declared(node, _to_half(full.T, op.UPLO == "L"))


@translates(slinalg.Eigvalsh)
def generalized_eigenvalues(op, node, a, *b):
    return _as_declared(node, _generalized(_cast(node, a, *b), op.lower)[0])


@translates(slinalg.EigvalshGrad)
def generalized_eigenvalues_gradient(op, node, a, b, gradient):
    values, vectors = _generalized(_cast(node, a, b), op.lower)
    results = [jnp.dot(vectors * scale, vectors.T) for scale in (gradient, -gradient * values)]
    return _as_declared(node, *(_to_half(result, op.lower) for result in results))


def _generalized(matrices, lower):
    """Solve ``a v = w b v``, by way of the Cholesky decomposition of ``b``."""
    a, *b = (_symmetric(matrix, lower) for matrix in matrices)
    if not b:
        return jnp.linalg.eigh(a, symmetrize_input=False)
    root = jnp.linalg.cholesky(b[0], symmetrize_input=False)
    half = jax.scipy.linalg.solve_triangular(root, a, lower=True)
    values, vectors = jnp.linalg.eigh(jax.scipy.linalg.solve_triangular(root, half.T, lower=True))
    return values, jax.scipy.linalg.solve_triangular(root, vectors, lower=True, trans="T")


@translates(nlinalg.QRFull, nlinalg.QRIncomplete)
def orthogonal_triangular(op, node, x):
    if op.mode not in ("full", "reduced", "complete", "r"):
        raise TranslationError(f"a decomposition in mode {op.mode!r}")
    # the old name of mode "reduced" in NumPy.
    result = jnp.linalg.qr(*_double(x), mode="reduced" if op.mode == "full" else op.mode)
    return _as_declared(node, *(result if isinstance(result, tuple) else (result,)))


@translates(slinalg.Expm)
def exponential(op, node, x):
    return _as_declared(node, jax.scipy.linalg.expm(jnp.asarray(x), max_squarings=48))


@translates(slinalg.ExpmGrad)
def exponential_gradient(op, node, x, gradient):
    """Take the derivative from a corner of the exponential of a matrix of matrices, for any matrix.

    Theano divides by the differences of eigenvalues, which is no number where two of them are equal.
    """
    (x, gradient), count = _double(x, gradient), x.shape[0]
    both = jnp.block([[x.T, gradient], [jnp.zeros_like(x), x.T]])
    return _as_declared(node, jax.scipy.linalg.expm(both, max_squarings=48)[:count, count:])


@translates(nlinalg.lstsq)
def least_squares(op, node, a, b, threshold):
    if b.ndim != 2:
        raise TranslationError(f"a solution for {b.ndim} dimensions, where a matrix is declared")
    (a, b), (rows, columns) = _double(a, b), a.shape
    u, sizes, v = jnp.linalg.svd(a, full_matrices=False)
    # what is no part of 1 stands for the precision, as LAPACK has it.
    threshold = jnp.where((threshold <= 0) | (threshold >= 1), np.finfo("float64").eps, threshold)
    large = sizes > threshold * sizes[:1]
    scaled = jnp.where(large, 1 / jnp.where(large, sizes, 1), 0)
    solution = v.conj().T @ (scaled[:, None] * (u.conj().T @ b))
    rank = large.sum(dtype="int64")
    left = jnp.zeros(0)
    if rows > columns:
        # there are none, either, if the columns depend on each other.
        guard(rank == columns)
        left = (jnp.abs(b - a @ solution) ** 2).sum(axis=0)
    return _as_declared(node, solution, left, rank, sizes)


@translates(nlinalg.TensorInv)
def tensor_inverse(op, node, x):
    return _as_declared(node, jnp.linalg.tensorinv(*_double(x), op.ind))


@translates(nlinalg.TensorSolve)
def tensor_solve(op, node, a, b):
    axes = op.axes if op.axes is None else tuple(np.atleast_1d(op.axes))
    return _as_declared(node, jnp.linalg.tensorsolve(*_double(a, b), axes=axes))


@translates(nlinalg.AllocDiag)
def diagonal_matrix(op, node, x):
    return jnp.diag(jnp.asarray(x))
