"""Transfer of parameters and statistics from another network."""

from collections.abc import Sequence

from .. import util, xla
from ..layers.selection import select, statistics_of
from .part import Part

__all__ = ["Transfer"]


class Transfer(Part):
    """The part of a network that copies parameters and statistics of another one."""

    def copy_params_from(self, other: "Transfer", only: str | Sequence[str] | None = None) -> list[str]:
        """Copy the parameters of another network that have the same names as those of this one.

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
        values = xla.read([source for _, source in pairs])
        for (variable, _), value in zip(pairs, values):
            shape = xla.shape_of(variable)
            if value.shape != shape:
                raise util.ConfigurationError(
                    f"copy_params_from(): {variable.name!r} has the shape {value.shape} there, but {shape} here; "
                    "choose others by only=[...]"
                )
        xla.assign((variable, value.astype(variable.dtype, copy=False)) for (variable, _), value in zip(pairs, values))
        return [variable.name for variable, _ in pairs]
