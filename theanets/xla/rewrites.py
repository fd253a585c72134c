"""Graph rewrites of the XLA mode, in addition to Theano's."""

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

#: Position in Theano's order of rewrites: after those that simplify and specialize, and before those in place.
AFTER = 48.9


def optimize(fgraph):
    """Rewrite a graph, such as the body of a loop, as the mode rewrites the graph of a function."""
    modes.predefined_modes[NAME].optimizer.rewrite(fgraph)


def _made_by(variable, *ops):
    """Tell whether a variable is the output of one of these Ops, and used by one node only."""
    return variable.owner is not None and variable.owner.op in ops and len(variable.clients) == 1


@theano.gof.local_optimizer([TT.sub])
def local_step_by_sparse_product(node):
    """Replace ``z - factor * dot(x, y)`` for sparse x or y, as in a step of gradient descent, by one Op, ``usmm``.

    Theano has a similar rewrite, but for one of its two Ops for sparse products only, and only with a BLAS.
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
    """Compute a sum from another sum that is an output, if its terms are those of the output and further ones.

    Theano flattens sums of sums: from an update of a shared variable, ``new = d * old + g``, and ``sqrt(new + e)``, it
    makes ``sqrt(d * old + g + e)``. That needs the old value until the end, so XLA cannot write the new value into its
    donated buffer.

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
    """Register the rewrites with Theano. Works once."""
    rewrite = local_step_by_sparse_product
    theano.compile.optdb["specialize"].register(rewrite.__name__, rewrite, TAG)
    # after all rewrites that flatten sums.
    theano.compile.optdb.register("reuse_sums", reuse_sums, AFTER, TAG)
