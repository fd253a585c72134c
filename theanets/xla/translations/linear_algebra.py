"""Products of matrices, and decompositions."""

import jax.numpy as jnp
from theano.tensor import basic

from ..registry import translates


@translates(basic.Dot)
def dot(op, node, a, b):
    return jnp.dot(a, b)
