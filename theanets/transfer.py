"""Choosing parameters and statistics by name, to leave them as they are or to take them from another network."""

from collections import OrderedDict

from . import util

__all__ = ["Transfer", "select", "statistics_of"]


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
        Who is asking, for messages.

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
        found = [v for layer in layers for v in _variables(layer) if util._matches(v.name, [pattern])]
        for owner in owners:
            if util._matches(owner.name, [pattern]):
                found.extend(_variables(owner))
        if not found:
            names = [owner.name for owner in owners if _variables(owner)]
            names += [variable.name for layer in layers for variable in _variables(layer)]
            raise util.unknown(f"{where}: no layer with parameters, and no parameter, of the name", pattern, names)
        chosen.update((id(variable), variable) for variable in found)
    return list(chosen.values())


def _variables(layer):
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


class Transfer:
    """The part of a network that takes over what another one has learned."""

    def copy_params_from(self, other, only=None):
        """Copy the parameters of another network that have the same names as one's own.

        Statistics, such as the running averages of ``batchnorm``, are copied along with the parameters of their layers.

        Parameters
        ----------
        other : :class:`theanets.Network`
            Where to copy from. Its other parameters are left aside.
        only : str or sequence of str, optional
            Shell patterns for names of parameters, statistics or layers, as in ``train(..., freeze=...)``. Default:
            all of the names that both networks have.

        Returns
        -------
        names : list of str
            Names of what was copied, which ``train(..., freeze=names)`` leaves as it is.

        Raises
        ------
        ConfigurationError
            If parameters of the same name have different shapes, or if there is nothing to copy. Nothing has been
            changed then.

        Examples
        --------
        >>> import theanets
        >>> coder = theanets.Autoencoder([8, (4, "tanh"), (8, "tied")])
        >>> net = theanets.Classifier([8, (4, "tanh"), 3])
        >>> net.copy_params_from(coder, only="hid*")
        ['hid1.w', 'hid1.b']
        """
        if not isinstance(other, Transfer):
            raise util.ConfigurationError(f"copy_params_from({other!r}): expected a theanets.Network")
        own = [*self.params, *self.statistics] if only is None else select(self.layers, only, "only")
        theirs = {variable.name: variable for variable in [*other.params, *other.statistics]}
        if only is not None:
            missing = [variable.name for variable in own if variable.name not in theirs]
            if missing:
                raise util.ConfigurationError(
                    f"copy_params_from(): the other network has no parameter {missing[0]!r} "
                    f"(it has: {', '.join(theirs)})"
                )
        own += [variable for variable in statistics_of(self.layers, own) if variable not in own]
        pairs = [(variable, theirs[variable.name]) for variable in own if variable.name in theirs]
        if not pairs:
            raise util.ConfigurationError(
                "copy_params_from(): the networks have no parameter of the same name (there: "
                f"{', '.join(param.name for param in other.params)}; here: {', '.join(p.name for p in self.params)})"
            )
        values = [source.get_value() for _, source in pairs]
        for (variable, _), value in zip(pairs, values):
            shape = variable.get_value(borrow=True).shape
            if value.shape != shape:
                raise util.ConfigurationError(
                    f"copy_params_from(): {variable.name!r} has the shape {value.shape} there, but {shape} here; "
                    "choose others by only=[...]"
                )
        for (variable, _), value in zip(pairs, values):
            variable.set_value(value.astype(variable.dtype, copy=False))
        return [variable.name for variable, _ in pairs]
