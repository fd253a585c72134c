"""Random numbers where batches are divided among devices: each device draws all of them, and uses its part.

The streams of random numbers do not follow the examples of a batch, so that devices that drew their parts only would
have to exchange them. XLA's partitioner would choose that; so what is computed of random numbers alone is constrained
to be the same on all devices.
"""

from . import selection
from .tracing import is_known, recall, remember

__all__ = ["followed", "noted"]


class Drawn:
    """The annotation of values that depend on nothing but random numbers."""


def noted(values):
    """Let all devices have some random numbers, and annotate them; return the tuple of them."""
    plan = selection.current()
    return values if plan is None else tuple([remember(plan.replicate(value), Drawn()) for value in values])


def followed(arguments, results):
    """Do the same for results, if they are computed of random numbers and of values that are known while tracing."""
    if selection.current() is None or not any(recall(value, Drawn) for value in arguments if not callable(value)):
        return results
    if not all(is_known(value) or recall(value, Drawn) for value in arguments):
        return results
    return noted(results)
