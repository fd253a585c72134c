r"""What can be added to the steps of any algorithm: limits of gradients, accumulation, constraints, averaged weights.

The order is that of one step: gradients are summed up over batches (``accumulate``), limited
(``max_gradient_elem``, ``max_gradient_norm``, ``max_gradient_total_norm``), and turned into new parameters by the
algorithm; what regularizers make of these follows (:meth:`theanets.Regularizer.after_step`); and running means of them
are kept (``average_weights``).
"""

import contextlib

import numpy as np
import theano
import theano.tensor as TT
from downhill import util as tools

__all__ = ["extended"]


@contextlib.contextmanager
def extended(optimizer, changes=()):
    """Context in which an optimizer computes its updates with everything that its options ask for.

    Parameters
    ----------
    optimizer : downhill.Optimizer
        The optimizer. Its attribute ``averages_of_weights`` gets the variables that hold the averaged parameters, in
        their order; None if there are none.
    changes : sequence of callable, optional
        Functions of a parameter, the expression of its next value, and the learning rate, which return another
        expression of its next value, or None for no change. Those whose attribute ``keeps_means`` is false are also
        applied to averaged parameters.
    """
    steps = Steps(optimizer, changes)
    optimizer._differentiate, optimizer.get_updates = steps.differentiate, steps.updates
    optimizer.averages_of_weights = None
    try:
        yield
    finally:
        del optimizer._differentiate, optimizer.get_updates


class Steps:
    """The updates of an optimizer, with everything that is added to them.

    Parameters
    ----------
    optimizer, changes
        See :func:`extended`.
    """

    def __init__(self, optimizer, changes):
        self.optimizer = optimizer
        self.changes = changes
        self.sums = []

    def differentiate(self, params=None):
        """Return pairs of parameters and their gradients, summed up and limited; as downhill's method of this name."""
        optimizer = self.optimizer
        params = optimizer._params if params is None else params
        grads = TT.grad(optimizer._loss, params)
        if optimizer.accumulate > 1:
            before = [tools.shared_like(param, "sum") for param in params]
            grads = [one + grad for one, grad in zip(before, grads)]
            self.sums += list(zip(before, grads))
            grads = [grad / tools.as_float(optimizer.accumulate) for grad in grads]
        if optimizer.max_gradient_elem > 0:
            limit = tools.as_float(optimizer.max_gradient_elem)
            grads = [TT.clip(grad, -limit, limit) for grad in grads]
        elif optimizer.max_gradient_norm > 0:
            limit = tools.as_float(optimizer.max_gradient_norm)
            grads = [grad * TT.minimum(1, limit / TT.sqrt((grad * grad).sum())) for grad in grads]
        if optimizer.max_gradient_total_norm > 0:
            norm = TT.sqrt(sum((grad * grad).sum() for grad in grads))
            factor = TT.minimum(1, tools.as_float(optimizer.max_gradient_total_norm) / norm)
            grads = [grad * factor for grad in grads]
        return list(zip(params, grads))

    def updates(self, **options):
        """Return the updates of the optimizer, as downhill's method ``get_updates``."""
        optimizer = self.optimizer
        pairs = list(type(optimizer).get_updates(optimizer, **options))
        owned = {id(param) for param in optimizer._params}
        pairs = [(var, self._changed(var, value) if id(var) in owned else value) for var, value in pairs]
        if optimizer.average_weights > 0:
            pairs += self._averages({id(var): value for var, value in pairs})
        return self._every(pairs) if optimizer.accumulate > 1 else pairs

    def _changed(self, param, value, is_mean=False):
        for change in self.changes:
            if is_mean and change.keeps_means:
                continue
            new = change(param, value, self.optimizer.learning_rate)
            value = value if new is None else new
        return value

    def _averages(self, after):
        optimizer = self.optimizer
        share = tools.as_float(optimizer.average_weights)
        count = theano.shared(np.zeros((), theano.config.floatX), "averaged_steps")
        optimizer.averages_of_weights = []
        yield count, count + 1
        # the mean over all steps so far with weights that fall off: as an exponential mean without its bias.
        part = (1 - share) / (1 - share ** (count + 1))
        for param in optimizer._params:
            before = tools.shared_like(param, "average", param.get_value())
            optimizer.averages_of_weights.append(before)
            mean = before + part * (after.get(id(param), param) - before)
            yield before, self._changed(param, mean, is_mean=True)

    def _every(self, pairs):
        """Return updates that happen only after so many batches."""
        count = theano.shared(np.zeros((), theano.config.floatX), "accumulated")
        is_due = TT.ge(count + 1, tools.as_float(self.optimizer.accumulate))
        return [
            *((var, TT.switch(is_due, value, var)) for var, value in pairs),
            *((var, TT.switch(is_due, TT.zeros_like(var), value)) for var, value in self.sums),
            (count, TT.switch(is_due, TT.zeros_like(count), count + 1)),
        ]
