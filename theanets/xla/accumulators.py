"""The dtype of the accumulator of sums: patches of Theano that tell explicit ones (``acc_dtype``) from defaults.

By default, Theano sums float32 in float64. XLA, which sums in blocks, is precise enough in float32, and faster. But an
explicit dtype, as in ``TT.sum(x, acc_dtype="float64")``, has to be respected. Theano's Ops do not record whether the
dtype was explicit, and three of its rewrites lose it. With these patches, sums record it and rewrites keep it.
"""

import functools

import theano
from theano.tensor import opt
from theano.tensor.elemwise import Sum

__all__ = ["install", "is_given"]

#: Rewrites that replace sums by new ones with the default accumulator.
FORGETFUL = (opt.local_sum_prod_all_to_none, opt.local_op_of_op, opt.local_reduce_broadcastable)


def is_given(op):
    """Tell whether the dtype of the accumulator of an Op was given explicitly, rather than chosen by Theano."""
    return getattr(op, "accumulator_is_given", not isinstance(op, Sum))


@functools.cache
def install():
    """Patch Theano's sums and rewrites to keep explicit accumulators. Works once."""
    make, is_same = Sum.__init__, Sum.__eq__

    @functools.wraps(make)
    def init(self, axis=None, dtype=None, acc_dtype=None):
        make(self, axis=axis, dtype=dtype, acc_dtype=acc_dtype)
        self.accumulator_is_given = acc_dtype is not None

    def equal(self, other):
        return is_same(self, other) and is_given(self) == is_given(other)

    Sum.accumulator_is_given = False  # for Ops from old pickles
    Sum.__init__, Sum.__eq__ = init, equal
    for rewrite in FORGETFUL:
        rewrite.transform = _keeping(rewrite.transform)


def _keeping(transform):
    """Wrap a rewrite such that the new sums keep the explicit accumulators of those that they replace."""

    @functools.wraps(transform)
    def keep(node):
        results = transform(node)
        if not results or len(results) != 1 or not isinstance(results[0].owner and results[0].owner.op, Sum):
            return results
        inner = node.inputs[0].owner
        replaced = [node.op, *([inner.op] if inner and inner.inputs == results[0].owner.inputs else [])]
        given = [op.acc_dtype for op in replaced if isinstance(op, Sum) and is_given(op)]
        made = results[0].owner
        if not given or is_given(made.op):
            return results
        op = Sum(axis=made.op.axis, dtype=made.op.dtype, acc_dtype=theano.scalar.upcast(*given))
        return [op(*made.inputs)]

    return keep
