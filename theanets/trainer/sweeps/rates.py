"""A range test: finds a learning rate by short trainings with many of them [1]_.

References
----------
.. [1] LN Smith. "Cyclical Learning Rates for Training Neural Networks." WACV, 2017.
"""

import copy
import math

import numpy as np

from ... import util
from ..schedules import LearningRate
from . import folds, member, pool

__all__ = ["AUTO", "find"]

#: The value of ``learning_rate`` that asks for a range test.
AUTO = "auto"

#: The rates that are tried: three for each power of ten.
RATES = tuple(float(f"{rate:.3g}") for rate in np.logspace(-5, 0, 16))

#: How many times how many batches each of them gets. The mean loss over the last time counts.
TIMES, BATCHES = 4, 50

#: Arguments of a training that a test does without.
LEFT_OUT = (
    "callbacks checkpoint checkpoint_every epochs iteration_size learning_rate max_seconds max_updates monitors "
    "patience progress resume save_best save_errors schedule stop_when valid_batches validate_every verbose"
).split()


class _Copies:
    """Makes copies of a network in place of a function that builds new ones."""

    def __init__(self, network):
        self.network = network

    def split(self, settings):
        # a generator is used up by a training; the real one begins with what each of these begins with.
        return {}, {**settings, "rng": copy.deepcopy(settings["rng"])}

    def __call__(self, own):
        return copy.deepcopy(self.network)


def find(network, train, algo, options):
    """Find a learning rate: the one of 16, from 1e-5 to 1, whose loss after 200 batches is lowest.

    The network and the generators are left as they are; a function that makes batches is called, however.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network that is to be trained.
    train : data
        What it is to be trained on.
    algo : str
        An algorithm of downhill.
    options : dict
        The arguments of the training.

    Returns
    -------
    rate : float
    tried : list of dict
        The ``learning_rate`` and the ``loss`` of all that were tried; "not a number" where it diverged.

    Raises
    ------
    ConfigurationError
        If the data cannot be read twice, if the algorithm has no learning rate, or if all of them diverge.
    """
    if not isinstance(algo, str) or algo.lower() in {name.lower() for name in LearningRate.WITHOUT}:
        raise util.ConfigurationError(f"learning_rate='auto': algo={algo!r} has no learning rate that could be tested")
    folds.refuse_iterators(train, "learning_rate='auto'")
    settings = {key: value for key, value in options.items() if key not in LEFT_OUT}
    # validations are not looked at.
    settings.update(algo=algo, epochs=TIMES, train_batches=BATCHES, valid_batches=1, validate_every=TIMES)
    tasks = [member.Task(i, {**settings, "learning_rate": rate}) for i, rate in enumerate(RATES)]
    plan = member.Plan(_Copies(network), train, None)
    # what makes batches is not called by several threads, and always in the same order.
    jobs = pool.choose(None, [options.get("devices")])[0] if folds.are_arrays(train) else 1
    losses, errors = [math.nan] * len(RATES), []

    def done(found):
        if found.exception is not None:
            errors.append(found.exception)
        elif found.error is None:
            losses[found.index] = found.history[-1]["train_loss"]
        # copies of large networks are not kept.
        found.network = None
        return found.is_interrupted

    if pool.run(member.Training(plan), tasks, jobs if isinstance(jobs, int) else pool.cores(), done):
        raise KeyboardInterrupt
    if errors and np.isnan(losses).all():
        raise errors[0]
    if not np.isfinite(losses).any():
        raise util.ConfigurationError(
            f"learning_rate='auto': with each rate from {RATES[0]:g} to {RATES[-1]:g} the loss is no finite number"
        )
    rate = RATES[int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))]
    tried = [{"learning_rate": one, "loss": float(loss)} for one, loss in zip(RATES, losses)]
    shown = ", ".join(f"{one['learning_rate']:g}: {one['loss']:.4g}" for one in tried)
    util.log(f"learning_rate='auto': {rate:g}, by the losses after {TIMES * BATCHES} batches ({shown})")
    return rate, tried
