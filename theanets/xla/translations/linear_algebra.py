"""Products of matrices, and decompositions."""

import jax
import jax.numpy as jnp
import jax.scipy.linalg
from theano.tensor import basic, blas, nlinalg, slinalg

from ..registry import translates
from ..tracing import TranslationError, guard
from .elementwise import cast_array


def _cast(node, *values):
    return [cast_array(value, node.outputs[0].dtype) for value in values]


def product(a, b):
    """Multiply by lengths that agree; JAX stretches nothing here, but says less."""
    if a.ndim and b.ndim and a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise ValueError(f"shapes {a.shape} and {b.shape} are not aligned")
    return jnp.dot(a, b)


@translates(basic.Dot, blas.Dot22)
def dot(op, node, a, b):
    return product(*_cast(node, a, b))


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


def _finite(*values):
    """See that a decomposition has worked: XLA does not raise errors, but gives numbers that are none."""
    for value in values:
        guard(jnp.isfinite(value))
    return values[0] if len(values) == 1 else values


@translates(nlinalg.MatrixInverse)
def inverse(op, node, x):
    return _finite(jnp.linalg.inv(_cast(node, x)[0]))


@translates(nlinalg.MatrixPinv)
def pseudo_inverse(op, node, x):
    return _finite(jnp.linalg.pinv(_cast(node, x)[0], rtol=1e-15))


@translates(nlinalg.Det)
def determinant(op, node, x):
    return jnp.linalg.det(_cast(node, x)[0])


@translates(slinalg.Cholesky)
def cholesky(op, node, x):
    (x,) = _cast(node, x)
    # only one half of the matrix counts.
    lower = jnp.tril(x) if op.lower else jnp.triu(x).T
    result = jnp.linalg.cholesky(lower + jnp.tril(lower, -1).T, symmetrize_input=False)
    if op.on_error != "raise":
        raise TranslationError("a decomposition that may fail in silence")
    _finite(result)
    return result if op.lower else result.T


@translates(slinalg.Solve)
def solve(op, node, a, b):
    a, b = _cast(node, a, b)
    if op.A_structure in ("lower_triangular", "upper_triangular"):
        return _finite(jax.scipy.linalg.solve_triangular(a, b, lower=op.A_structure == "lower_triangular"))
    return _finite(jax.scipy.linalg.solve(a, b))
