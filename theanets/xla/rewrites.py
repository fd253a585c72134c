"""Rewrites of graphs that this mode has beyond Theano's."""

import collections

import theano
import theano.sparse
import theano.tensor as TT
from theano.compile import mode as modes
from theano.sparse import basic
from theano.tensor.elemwise import Elemwise

__all__ = ["NAME", "TAG", "optimize", "register"]

#: Name of the mode.
NAME = "XLA"

#: Tag of the rewrites, which no other mode includes.
TAG = "xla"

#: A place in Theano's order of rewrites behind those that simplify and specialize, and before those in place.
AFTER = 48.9


def optimize(fgraph):
    """Rewrite a graph, such as the body of a loop, as the mode rewrites the graph of a function."""
    modes.predefined_modes[NAME].optimizer.rewrite(fgraph)


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


@theano.gof.opt.optimizer
def reuse_sums(fgraph):
    """Compute a sum from another one that is an output anyway, where it has all terms of that and more.

    Theano takes sums of sums apart: of a new value of a shared variable, ``new = d * old + g``, and ``sqrt(new + e)``,
    it makes ``sqrt(d * old + g + e)``. Where the old value and the new one are both needed to the end, XLA cannot write
    the new one over the old.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        Changed in place.
    """
    sums = {
        node: collections.Counter(node.inputs) for node in fgraph.toposort() if _is_sum(node) and len(node.inputs) > 1
    }
    outputs = [variable.owner for variable in dict.fromkeys(fgraph.outputs) if variable.owner in sums]
    for node, terms in sums.items():
        for other in outputs:
            rest = terms - sums[other]
            if node is other or len(node.inputs) <= len(other.inputs) or sums[other] - terms:
                continue
            result = node.op(other.outputs[0], *rest.elements())
            if result.type == node.outputs[0].type:
                fgraph.replace(node.outputs[0], result, reason="reuse_sums")
                break


def _is_sum(node):
    return isinstance(node.op, Elemwise) and type(node.op.scalar_op) is theano.scalar.Add


def register():
    """Make the rewrites known to Theano. Works once."""
    rewrite = local_step_by_sparse_product
    theano.compile.optdb["specialize"].register(rewrite.__name__, rewrite, TAG)
    # after all that take sums apart.
    theano.compile.optdb.register("reuse_sums", reuse_sums, AFTER, TAG)
