"""Jobs: what people do with networks, which is more than one training.

A library takes part by a function ``fit`` of its module, and if it can by functions ``sweep`` and ``search``:

``fit(workload, x, y, numbers)``
    Builds a network, trains it for the workload's epochs, and returns a function that computes outputs. ``numbers`` are
    ``learning_rate``, ``l2`` and ``seed``. It does so as its users do, with their usual penalty of weights; what stays
    the same from one call to the next may be kept, as far as users would.
``sweep(workload, x, y, members)``
    Does what ``fit`` does for a list of ``numbers``, all at once, and returns a list of functions. A library without it
    is asked for one training after another.
``search(workload, x, y, grid)``
    Runs ``GridSearchCV`` over a dict of lists of numbers, and returns the best accuracy.

All numbers of a job are made here, so that all libraries do equal work. How well they do it is compared only roughly:
they start from other weights, and weigh their penalties otherwise.
"""

import statistics
import time

import numpy as np

from . import workloads
from .contenders.base import Unsupported

__all__ = ["run"]

RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
PENALTIES = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)

#: Parts that data are cut into for cross-validation.
FOLDS = 5

#: What somebody tries one after the other, in a notebook, of learning rate, penalty and seed.
CELLS = ((1e-3, 1e-3, 1), (1e-3, 1e-3, 2), (1e-3, 1e-2, 2), (3e-3, 1e-2, 2), (3e-3, 3e-2, 2), (3e-3, 3e-2, 3))

#: Networks of the same structure after the first: with the same numbers, and with others.
AGAIN = ((1e-3, 1e-3), (1e-3, 2e-3), (2e-3, 3e-3))


def run(workload, module, data, processor_time):
    """Do a job.

    Parameters
    ----------
    workload : :class:`benchmarks.workloads.Workload`
        Which job, on which network.
    module : module
        Of the library.
    data : dict of arrays
        The data.
    processor_time : callable
        Returns the processor seconds of this process.

    Returns
    -------
    answer : dict
        The ``loss`` that it has come to, or for searches the error rate; and for jobs of which only a part counts,
        ``seconds`` and ``processor`` seconds of that.

    Raises
    ------
    Unsupported
        If the library cannot do it.
    """
    does = {
        "grid": _grid,
        "search": _search,
        "folds": _folds,
        "notebook": _notebook,
        "second": _second,
        "members": _members,
        "sweep": _sweep,
    }
    return does[workload.job](workload, module, data, processor_time)


def _numbers(rate, penalty, seed=workloads.SEED):
    return dict(learning_rate=rate, l2=penalty, seed=seed)


def _fit(workload, module, data, numbers, valid):
    """Train on the examples that are not in ``valid``; return the loss on those."""
    train = np.setdiff1d(np.arange(workload.examples), valid)
    predict = module.fit(workload, data["x"][train], data["y"][train], numbers)
    return workloads.loss(workload, predict(data["x"][valid]), data["y"][valid])


def _last(workload):
    """Return the last examples, which are kept for validation."""
    return np.arange(workload.examples * (FOLDS - 1) // FOLDS, workload.examples)


def _grid(workload, module, data, processor_time):
    valid = _last(workload)
    found = [_fit(workload, module, data, _numbers(r, p), valid) for r in RATES for p in PENALTIES]
    # what diverges is no number.
    return dict(loss=float(np.nanmin(found)))


def _search(workload, module, data, processor_time):
    if not hasattr(module, "search"):
        raise Unsupported("no estimators for scikit-learn")
    accuracy = module.search(workload, data["x"], data["y"], dict(learning_rate=RATES[:3], l2=PENALTIES[1:4]))
    return dict(loss=1 - float(accuracy))


def _folds(workload, module, data, processor_time):
    folds = np.array_split(np.random.RandomState(workloads.SEED).permutation(workload.examples), FOLDS)
    found = [_fit(workload, module, data, _numbers(1e-3, 1e-3), np.sort(valid)) for valid in folds]
    return dict(loss=statistics.fmean(found))


def _notebook(workload, module, data, processor_time):
    found = [_fit(workload, module, data, _numbers(*cell), _last(workload)) for cell in CELLS]
    return dict(loss=min(found))


def _second(workload, module, data, processor_time):
    x, y, seconds, processor = data["x"], data["y"], [], []
    for rate, penalty in (AGAIN[0], *AGAIN):
        began, worked = time.perf_counter(), processor_time()
        predict = module.fit(workload, x, y, _numbers(rate, penalty))
        seconds.append(time.perf_counter() - began)
        processor.append(processor_time() - worked)
    loss = workloads.loss(workload, predict(x), y)
    return dict(loss=loss, seconds=statistics.median(seconds[1:]), processor=statistics.median(processor[1:]))


def _one_by_one(module):
    def sweep(workload, x, y, members):
        return [module.fit(workload, x, y, numbers) for numbers in members]

    return sweep


def _members(workload, module, data, processor_time):
    return _many(workload, _one_by_one(module), data, processor_time)


def _sweep(workload, module, data, processor_time):
    return _many(workload, getattr(module, "sweep", None) or _one_by_one(module), data, processor_time)


def _many(workload, sweep, data, processor_time):
    """Train many networks of one structure, with what two of them have left compiled."""
    x, y = data["x"], data["y"]
    members = [_numbers(rate, penalty, seed) for rate in RATES[:4] for penalty in PENALTIES[:4] for seed in range(4)]
    sweep(workload, x, y, members[:2])
    began, worked = time.perf_counter(), processor_time()
    found = sweep(workload, x, y, members)
    seconds, processor = time.perf_counter() - began, processor_time() - worked
    losses = [workloads.loss(workload, predict(x), y) for predict in found]
    return dict(loss=float(np.nanmin(losses)), seconds=seconds, processor=processor)
