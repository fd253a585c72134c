"""Rewrites of graphs that this mode has beyond Theano's."""

import theano
import theano.sparse
import theano.tensor as TT
from theano.sparse import basic

__all__ = ["TAG", "register"]

#: Tag of the rewrites, which no other mode includes.
TAG = "xla"


def _made_by(variable, *ops):
    """Tell whether nothing but one node needs a variable, and one of these Ops makes it."""
    return variable.owner is not None and variable.owner.op in ops and len(variable.clients) == 1


@theano.gof.local_optimizer([TT.sub])
def local_step_by_sparse_product(node):
    """Turn ``z - factor * dot(x, y)`` for sparse x or y, as a step of gradient descent is, into one Op.

    Theano has a rewrite like it for one of the two products only, and only where it finds a BLAS.
    """
    if node.op != TT.sub or len(node.inputs) != 2:
        return False
    z, change = node.inputs
    declared = node.outputs[0].type
    if z.type != declared or declared.dtype not in TT.float_dtypes:
        return False
    if not _made_by(change, TT.mul) or len(change.owner.inputs) != 2:
        return False
    for factor, product in (change.owner.inputs, change.owner.inputs[::-1]):
        if all(factor.type.broadcastable) and _made_by(product, basic._structured_dot, basic._dot):
            result = basic.usmm(-factor, *product.owner.inputs, z)
            return [result] if result.type == declared else False
    return False


def register():
    """Make the rewrites known to Theano. Works once."""
    rewrite = local_step_by_sparse_product
    theano.compile.optdb["specialize"].register(rewrite.__name__, rewrite, TAG)
