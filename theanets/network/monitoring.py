"""Monitors: figures about outputs and parameters that are reported during training."""

import theano.tensor as TT

from .. import util
from ..layers import means

__all__ = ["counted", "measure", "read"]


def counted(value, context):
    """Return an output without the padding behind sequences that are shorter than the longest one."""
    value = util.dense(value)
    if context is None or context.mask is None or value.ndim < 3:
        return value
    return value[TT.gt(context.mask, 0).nonzero()]


def measure(level, value):
    """Apply a level, a function of an expression; its result is weighted by the number of elements in a batch."""
    result = level(value)
    if result is value or not hasattr(result, "type") or means.count_of(result) is not None:
        return result
    return means.counted(result, means.size(value))


def read(monitors):
    """Return pairs of a pattern and the list of its (label, function of an expression)."""
    if monitors is None:
        return []
    try:
        pairs = [(pattern, levels) for pattern, levels in getattr(monitors, "items", lambda: monitors)()]
    except (TypeError, ValueError):
        raise util.ConfigurationError(
            f"monitors={monitors!r}, expected a dict from patterns for names to levels, such as {{'hid1:out': 0.5}}"
        ) from None
    return [(pattern, list(_read_levels(levels))) for pattern, levels in pairs]


def _read_levels(levels):
    """Generate (label, function of an expression) for the levels of a monitor."""
    if hasattr(levels, "items"):
        levels = list(levels.items())
    elif not isinstance(levels, (list, tuple)) or len(levels) == 2 and isinstance(levels[0], str):
        levels = [levels]
    for level in levels:
        if util.is_real(level):
            # bound as a default argument: a closure would see the last level of the loop.
            yield f"<{level}", lambda value, level=float(level): TT.lt(value, level).mean(dtype=util.FLOAT)
        elif callable(level):
            yield f":{getattr(level, '__name__', type(level).__name__)}", level
        elif isinstance(level, (list, tuple)) and len(level) == 2 and callable(level[1]):
            yield f":{level[0]}", level[1]
        else:
            raise util.ConfigurationError(
                f"monitor level {level!r}: expected a number, a callable, or a pair of a label and a callable"
            )
