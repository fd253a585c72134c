"""Selection of parameters and statistics of layers by shell patterns for their names."""

from collections import OrderedDict

from .. import util

__all__ = ["select", "statistics_of", "variables_of"]


def select(layers, patterns, where):
    """Return the parameters and statistics that patterns stand for.

    Parameters
    ----------
    layers : list of :class:`theanets.Layer`
        Where to look.
    patterns : str or sequence of str
        Shell patterns for names of parameters or statistics, such as ``'hid1.w'`` or ``'*.b'``; or of layers, such as
        ``'hid1'``, which stand for all that their layers have.
    where : str
        The argument that the patterns are from, for messages.

    Returns
    -------
    variables : list of theano shared variables

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
        found = [v for layer in layers for v in variables_of(layer) if util._matches(v.name, [pattern])]
        for owner in owners:
            if util._matches(owner.name, [pattern]):
                found.extend(variables_of(owner))
        if not found:
            names = [owner.name for owner in owners if variables_of(owner)]
            names += [variable.name for layer in layers for variable in variables_of(layer)]
            raise util.unknown(f"{where}: no layer with parameters, and no parameter, of the name", pattern, names)
        chosen.update((id(variable), variable) for variable in found)
    return list(chosen.values())


def variables_of(layer):
    """Return all that a layer has learned: its parameters, and its statistics."""
    return [*layer.params, *layer.statistics]


def statistics_of(layers, chosen):
    """Return the statistics that go with some parameters: those of layers of which all parameters are chosen.

    Parameters
    ----------
    layers : list of :class:`theanets.Layer`
        Where to look.
    chosen : collection of theano shared variables
        Parameters and statistics, such as :func:`select` finds.

    Returns
    -------
    statistics : list of theano shared variables

    Examples
    --------
    >>> import theanets
    >>> layers = theanets.Regressor([4, (3, "linear"), "batchnorm", 2]).layers
    >>> [variable.name for variable in statistics_of(layers, select(layers, ["*.scale", "*.shift"], "freeze"))]
    ['hid2.mean', 'hid2.var']
    >>> statistics_of(layers, select(layers, "*.scale", "freeze"))
    []
    """
    chosen = set(chosen)
    return [
        variable
        for layer in layers
        if layer.params and chosen.issuperset(layer.params)
        for variable in layer.statistics
    ]
