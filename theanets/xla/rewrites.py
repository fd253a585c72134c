"""Rewrites of graphs that Theano does not have, or undoes."""

import collections

import theano
from theano.tensor.elemwise import Elemwise

__all__ = ["reuse_sums"]


def reuse_sums(fgraph):
    """Compute a sum from another one that is an output anyway, where it has all terms of that and more.

    Theano takes sums of sums apart: of ``m = d * m + g``, which a shared variable is updated by, and ``sqrt(m + e)``, it
    makes ``sqrt(d * m + g + e)``. Where the old value and the new one are both needed to the end, XLA cannot write the
    new one over the old.

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
