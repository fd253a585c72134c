"""L-BFGS: a quasi-Newton method for small data, of which each epoch is one step on all examples at once."""

import importlib
import warnings

import downhill
import numpy as np
import theano
import theano.tensor as TT
from downhill import util as tools

from .. import xla

__all__ = ["LBFGS"]

#: Constants of the Wolfe conditions: of sufficient decrease, and of curvature.
DECREASE, CURVATURE = 1e-4, 0.9

#: Number of step lengths that are tried in the two phases of a line search.
TRIALS = 20


class LBFGS(downhill.Optimizer):
    r"""A quasi-Newton method with limited memory.

    Each step goes along :math:`-H_t g_t`, where :math:`H_t` approximates the inverse of the Hessian by the last steps
    :math:`s_i = \theta_{i+1} - \theta_i` and changes of the gradient :math:`y_i = g_{i+1} - g_i`; its length is found
    by SciPy's line search for the strong Wolfe conditions.

    An epoch is one step, on all training data in one batch. The monitors of an epoch are those of the parameters
    before its step. Training ends when no step along the gradient reduces the loss any more, or the gradient is zero.
    Noise and dropout are drawn once for the whole training. There is no learning rate.

    Parameters
    ----------
    memory : int, optional
        Number of steps and changes that are kept. Default 10.

    Attributes
    ----------
    has_converged : bool
        Whether no further step reduces the loss.

    Notes
    -----
    D Liu, J Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical Programming 45,
    1989

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([2, 1])
    >>> x = np.random.RandomState(0).randn(20, 2)
    >>> train, valid = net.train([x, x.sum(axis=1)], algo="lbfgs", epochs=20)
    >>> bool(valid["loss"] < 1e-8)
    True
    """

    #: Each step uses all training data at once.
    takes_all = True

    has_converged = False

    def _prepare(self, memory=10, **kwargs):
        self.memory = int(memory)
        tools.log_param("memory", memory)
        super()._prepare(**kwargs)

    def _compile(self, **options):
        self._prepare(**options)
        self.f_eval = theano.function(self._inputs, self._monitor_exprs, updates=self._updates, name="evaluation")
        point = TT.vector("point")
        grads = TT.grad(self._loss, self._params)
        total = TT.concatenate([grad.flatten() for grad in grads])
        values = theano.clone([*self._monitor_exprs, self._loss, total], replace=self._parts(point))
        # without the updates of random streams, so that the loss is a function of the parameters.
        measure = theano.function([*self._inputs, point], values, no_default_updates=True, name="lbfgs")
        update = theano.function(self._inputs, [], updates=self._updates, name="statistics") if self._updates else None
        self.f_step = Step(self, measure, update)

    def _parts(self, point):
        """Return the parameters, as parts of one vector."""
        sizes = [param.get_value(borrow=True).size for param in self._params]
        ends = np.cumsum(sizes)
        return {
            param: TT.patternbroadcast(
                point[int(end - size) : int(end)].reshape(param.get_value(borrow=True).shape, ndim=param.ndim),
                param.broadcastable,
            )
            for param, size, end in zip(self._params, sizes, ends)
        }


class Step:
    """One step of L-BFGS, called as a compiled function with the arrays of a batch; it returns the monitors.

    Parameters
    ----------
    optimizer : LBFGS
        The optimizer.
    measure : theano function
        From a batch and a vector of all parameters to the monitors, the loss and its gradient.
    update : theano function or None
        Updates statistics of layers for a batch.
    """

    #: There is no compiled program: batches are run one by one.
    fn = None

    def __init__(self, optimizer, measure, update):
        self.optimizer = optimizer
        self.measure = measure
        self.update = update
        size = sum(param.get_value(borrow=True).size for param in optimizer._params)
        empty = np.zeros((optimizer.memory, size), theano.config.floatX)
        self.steps = theano.shared(empty, "lbfgs_steps")
        self.changes = theano.shared(empty, "lbfgs_changes")
        self.count = theano.shared(np.zeros((), "int64"), "lbfgs_count")
        #: The loss before the last step, for the first length to try; not a number before there is one.
        self.loss = theano.shared(np.asarray(np.nan, "float64"), "lbfgs_loss")
        statistics = [] if update is None else [place.variable for place in update.maker.inputs if place.update]
        self.updated = [*optimizer._params, *statistics, self.steps, self.changes, self.count, self.loss]

    def __call__(self, *batch):
        optimizer, known = self.optimizer, {}

        def at(point):
            key = point.tobytes()
            if key not in known:
                known.clear()
                known[key] = self.measure(*batch, point.astype(theano.config.floatX))
            return known[key]

        def loss(point):
            return float(at(point)[-2])

        def gradient(point):
            return np.asarray(at(point)[-1], "float64")

        start = np.concatenate([value.ravel() for value in xla.read(optimizer._params)]).astype("float64")
        found = at(start)
        before, slope = float(found[-2]), np.asarray(found[-1], "float64")
        optimizer.has_converged = not slope.any()
        if np.isfinite(before) and slope.any():
            self._go(start, before, slope, loss, gradient)
        if self.update is not None:
            self.update(*batch)
        return list(found[:-2])

    def _go(self, start, before, slope, loss, gradient):
        """Take a step; without a step that reduces the loss, training has converged."""
        last = float(self.loss.get_value())
        length = None
        for is_last, direction in ((False, self._direction(slope)), (True, -slope)):
            if is_last and not self.count.get_value():
                break
            if is_last:
                # what is known of the curvature has led nowhere.
                self.count.set_value(np.zeros((), "int64"))
            elif not self.count.get_value():
                # as long as one unit at most, as nothing is known of the curvature.
                direction = direction * min(1.0, 1 / np.abs(slope).sum())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                length = importlib.import_module("scipy.optimize").line_search(
                    loss,
                    gradient,
                    start,
                    direction,
                    gfk=slope,
                    old_fval=before,
                    old_old_fval=last if np.isfinite(last) and self.count.get_value() else None,
                    c1=DECREASE,
                    c2=CURVATURE,
                    maxiter=TRIALS,
                )[0]
            if length is not None:
                break
        point = None if length is None else (start + length * direction).astype(theano.config.floatX)
        if point is None or not loss(point.astype("float64")) < before:
            self.optimizer.has_converged = True
            return
        self._remember(point.astype("float64") - start, gradient(point.astype("float64")) - slope)
        self.loss.set_value(np.asarray(before, "float64"))
        params, place = [], 0
        for param in self.optimizer._params:
            shape = param.get_value(borrow=True).shape
            size = int(np.prod(shape, dtype=int))
            params.append((param, point[place : place + size].reshape(shape)))
            place += size
        xla.assign(params)

    def _remember(self, step, change):
        """Keep a step and the change of the gradient, if the curvature along it is positive."""
        if not step @ change > 1e-10 * (change @ change):
            return
        count = int(self.count.get_value())
        for variable, value in ((self.steps, step), (self.changes, change)):
            values = np.roll(variable.get_value(), 1, axis=0)
            values[0] = value
            variable.set_value(values)
        self.count.set_value(np.asarray(min(count + 1, self.optimizer.memory), "int64"))

    def _direction(self, slope):
        """Return the direction of a step, by the two loops of the paper, the latest steps first."""
        count = int(self.count.get_value())
        steps, changes = (np.asarray(v.get_value()[:count], "float64") for v in (self.steps, self.changes))
        direction, shares = -slope, []
        for step, change in zip(steps, changes):
            share = step @ direction / (step @ change)
            direction = direction - share * change
            shares.append(share)
        if count:
            direction = direction * (steps[0] @ changes[0]) / (changes[0] @ changes[0])
        for step, change, share in reversed(list(zip(steps, changes, shares))):
            direction = direction + step * (share - change @ direction / (step @ change))
        return direction
