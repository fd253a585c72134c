"""Choosing parameters of layers by name."""

from collections import OrderedDict

from .. import util

__all__ = ["select"]


def select(layers, patterns, where):
    """Return the parameters that patterns stand for.

    Parameters
    ----------
    layers : list of :class:`theanets.Layer`
        Where to look.
    patterns : str or sequence of str
        Shell patterns for names of parameters, such as ``'hid1.w'`` or ``'*.b'``, or of layers, such as ``'hid1'``,
        which stand for all their parameters.
    where : str
        Who is asking, for messages.

    Returns
    -------
    params : list of theano shared variables

    Raises
    ------
    ConfigurationError
        If a pattern stands for nothing.
    """
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, (list, tuple, set, frozenset)) or not all(isinstance(p, str) for p in patterns):
        raise util.ConfigurationError(
            f"{where}={patterns!r}, expected names of layers or of parameters, such as ['hid1', '*.b']"
        )
    owners = [owner for layer in layers for owner in (layer, *layer.workers)]
    chosen = OrderedDict()
    for pattern in patterns:
        found = [param for _, param in util.params_matching(layers, pattern)]
        for owner in owners:
            if util._matches(owner.name, [pattern]):
                found.extend(owner.params)
        if not found:
            names = [*(owner.name for owner in owners if owner.params), *(p.name for o in layers for p in o.params)]
            raise util.unknown(f"{where}: no layer with parameters, and no parameter, of the name", pattern, names)
        chosen.update((id(param), param) for param in found)
    return list(chosen.values())
