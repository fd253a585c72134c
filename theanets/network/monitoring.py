"""Monitors: figures about outputs and parameters that are reported during training."""

import theano.tensor as TT

from .. import util
from ..layers import means
from ..regularizers import CLEAN_SUFFIXES

__all__ = ["check_patterns", "counted", "measure", "read"]


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


def check_patterns(network, regularizers, monitors):
    """Refuse patterns of regularizers and of monitors that stand for nothing in a network.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    regularizers : list of :class:`theanets.regularizers.Regularizer`
        The regularizers. The default of a class may stand for nothing.
    monitors : dict or sequence of pairs
        See :func:`read`.

    Raises
    ------
    UnknownNameError
        The message lists the names that there are.
    """
    wanted = [
        (f"regularizer {type(reg).__name__}: pattern", reg.pattern, reg.watches, reg.takes_vectors)
        for reg in regularizers
        if reg.pattern != reg.DEFAULT_PATTERN
    ]
    wanted += [("monitors", pattern, None, True) for pattern, _ in read(monitors)]
    for where, patterns, watches, takes_vectors in wanted:
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            _check_pattern(network, where, pattern, watches, takes_vectors)


def _check_pattern(network, where, pattern, watches, takes_vectors):
    params = [param for layer in network.layers for param in layer.params]
    takes_vectors = takes_vectors or watches is None
    names = [param.name for param in params if takes_vectors or param.ndim > 1] if watches != "outputs" else []
    outputs = [layer.full_name(output) for layer in network.layers for output in layer.shapes]
    outputs = [] if watches == "parameters" else outputs
    if isinstance(pattern, util.ExactName) or util._matches_any([*names, *outputs], pattern):
        return
    if watches != "parameters":
        # of some outputs the layers know nothing until they are connected.
        outputs, _ = network.build_graph()
        names += [name + suffix for suffix in ("", *CLEAN_SUFFIXES) for name in outputs]
        if util._matches_any(names, pattern):
            return
        names = [name for name in names if not name.endswith(CLEAN_SUFFIXES)]
    raise util.unknown(f"{where}: no {watches or 'output or parameter'} of the name", pattern, names)
