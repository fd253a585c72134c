"""Medians, ratios and growth."""

import math

import numpy as np

__all__ = ["summary", "ratios", "growth"]


def summary(values):
    """Return median, smallest and largest of some numbers, as a dict; None if there are none.

    >>> summary([3, 1, 2])
    {'median': 2.0, 'min': 1.0, 'max': 3.0}
    """
    if not values:
        return None
    return dict(median=float(np.median(values)), min=float(min(values)), max=float(max(values)))


def ratios(numerators, denominators):
    """Return the summary of the ratios of two series that were measured in turns.

    The ratio of each turn is taken, so that what slows down a machine for a while meets both.

    >>> ratios([2, 20], [1, 10])
    {'median': 2.0, 'min': 2.0, 'max': 2.0}
    """
    return summary([a / b for a, b in zip(numerators, denominators)])


def growth(places, costs):
    """Return the exponents by which a cost grows between neighbouring points of a curve.

    >>> growth([1, 2, 4], [1.0, 2.0, 8.0])
    [1.0, 2.0]
    """
    points = list(zip(places, costs))
    return [math.log(d / b) / math.log(c / a) for (a, b), (c, d) in zip(points[:-1], points[1:])]
