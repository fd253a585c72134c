"""What has come of a sweep: a table of its members, their networks, and ensembles of them."""

from collections import OrderedDict
from typing import Any

import numpy as np

from ... import util

__all__ = ["Ensemble", "Sweep"]

#: Columns that are summed over folds, or joined; all others are averaged.
SUMMED = "seconds"
#: Columns that have no standard deviation among the folds.
PLAIN = ("best_epoch", "epochs", "seconds", "error")


class Sweep:
    """The result of :func:`theanets.sweep`: a sequence of members, in the order of the grid, folds one after another.

    Parameters
    ----------
    members : list of Member
        The trainings. Each has ``settings``, ``fold``, ``network``, ``history``, ``error`` and ``seconds``.
    interrupted : bool, optional
        Whether it was interrupted from the keyboard. Default False.

    Attributes
    ----------
    members, interrupted
        See above.
    """

    def __init__(self, members, interrupted=False):
        self.members = list(members)
        self.interrupted = interrupted

    def __len__(self):
        return len(self.members)

    def __iter__(self):
        return iter(self.members)

    def __getitem__(self, place):
        return self.members[place]

    def __repr__(self):
        failed = sum(member.error is not None for member in self.members)
        return f"<Sweep: {util.number_of(len(self), 'member')}{f', {failed} without a result' if failed else ''}>"

    # -- tables -------------------------------------------------------------------------------------------------------

    def rows(self, folds: bool = False) -> list[dict[str, Any]]:
        """Return the table as a list of dicts.

        Parameters
        ----------
        folds : bool, optional
            Whether each fold has a row of its own, rather than each set of settings. Default False.

        Returns
        -------
        rows : list of dict
            The settings of the grid; the monitors in the last epoch (``loss``, for a classifier ``acc``), and those on
            validation data of the parameters that the network was left with (``valid_loss``...); ``best_epoch``, after
            which it had these; ``epochs``, how many there were; ``seconds``; and ``error``, which is None if all is
            well. Over folds monitors are means, with their standard deviations in ``loss_std``, ``valid_loss_std``...;
            epochs are means, and seconds are sums. A setting whose name is that of another column has ``grid_`` before
            it.
        """
        if folds or all(member.fold is None for member in self.members):
            found = [(member.settings, self._figures_of_fold(member)) for member in self.members]
        else:
            found = [(group[0].settings, _over_folds(group)) for group in self._groups()]
        taken = {name for _, figures in found for name in figures}
        names = list(OrderedDict.fromkeys(name for settings, _ in found for name in settings))
        shown = {name: f"grid_{name}" if name in taken else name for name in names}
        columns = list(OrderedDict.fromkeys(name for _, figures in found for name in figures if name not in PLAIN))
        return [
            {
                **{shown[name]: settings.get(name) for name in names},
                **{name: figures.get(name, np.nan) for name in columns},
                **{name: figures[name] for name in PLAIN},
            }
            for settings, figures in found
        ]

    @staticmethod
    def _figures_of_fold(member):
        return {**({} if member.fold is None else {"fold": member.fold}), **member.row()}

    def _groups(self):
        """Return the members of the same settings, which are the folds, as lists."""
        groups = []
        for member in self.members:
            if member.fold in (None, 0):
                groups.append([])
            groups[-1].append(member)
        return groups

    def to_frame(self, folds: bool = False) -> Any:
        """Return the table as a ``pandas.DataFrame``; see :meth:`rows`.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_frame() needs pandas: pip install pandas; rows() does without") from error
        rows = self.rows(folds)
        frame = pandas.DataFrame(rows)
        # None, which is for no error, is no missing text.
        frame["error"] = pandas.Series([row["error"] for row in rows], dtype=object)
        return frame

    # -- networks -----------------------------------------------------------------------------------------------------

    @property
    def networks(self) -> list[Any]:
        """The networks of all members, in their order; None for a member that could not be trained."""
        return [member.network for member in self.members]

    def ranked(self) -> list[Any]:
        """Return the members without an error, those with the lowest validation loss first.

        With folds, those of the settings with the lowest mean come first.
        """

        def loss(member):
            return _finite(member.figures()["valid_loss"])

        groups = self._groups()
        means = [_finite(np.mean([_loss_or_inf(member) for member in group])) for group in groups]
        order = np.argsort(means, kind="stable")
        return [
            member
            for place in order
            for member in sorted(groups[place], key=loss)
            if member.error is None and np.isfinite(loss(member))
        ]

    @property
    def best(self) -> Any:
        """The network with the lowest validation loss; with folds, of the settings with the lowest mean.

        Raises
        ------
        ConfigurationError
            If no member has a result.
        """
        return self._best().network

    @property
    def best_settings(self) -> dict[str, Any]:
        """The settings of :attr:`best` in the grid, as a dict."""
        return dict(self._best().settings)

    def _best(self):
        ranked = self.ranked()
        if not ranked:
            reasons = [member.error for member in self.members if member.error]
            raise util.ConfigurationError(
                f"no member of the sweep has a result: {reasons[0] if reasons else 'no loss'}"
            )
        return ranked[0]

    def ensemble(self, count: int | None = None) -> "Ensemble":
        """Return an ensemble of the networks.

        Parameters
        ----------
        count : int, optional
            How many of them: those with the lowest validation loss. Default: all that have a result.

        Raises
        ------
        ConfigurationError
            If there are not so many.
        """
        networks = [member.network for member in self.ranked()]
        wanted = len(networks) if count is None else count
        if not util.is_int(wanted) or not 1 <= wanted <= len(networks):
            raise util.ConfigurationError(
                f"ensemble({'' if count is None else repr(count)}): {util.number_of(len(networks), 'member')} of the "
                "sweep have a result"
            )
        return Ensemble(networks[:wanted])


def _loss_or_inf(member):
    return _finite(member.figures()["valid_loss"]) if member.error is None else np.inf


def _finite(value):
    return value if np.isfinite(value) else np.inf


def _over_folds(group):
    rows = [member.row() for member in group]
    figures = {}
    for name in OrderedDict.fromkeys(name for row in rows for name in row if name not in PLAIN):
        values = [row.get(name, np.nan) for row in rows]
        figures[name], figures[f"{name}_std"] = float(np.mean(values)), float(np.std(values))
    for name in ("best_epoch", "epochs"):
        known = [row[name] for row in rows if row[name] is not None]
        figures[name] = float(np.mean(known)) if known else None
    figures[SUMMED] = sum(row[SUMMED] for row in rows)
    failed = [f"fold {member.fold}: {member.error}" for member in group if member.error]
    figures["error"] = "; ".join(failed) or None
    return figures


class Ensemble:
    """Some networks that predict together: the mean of what each of them predicts.

    Parameters
    ----------
    networks : list of :class:`theanets.Network`
        They have outputs of the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> import theanets
    >>> nets = [theanets.Regressor([2, 1], rng=seed) for seed in range(3)]
    >>> mean, spread = Ensemble(nets).predict(np.eye(2), spread=True)
    >>> np.allclose(mean, (nets[0].predict(np.eye(2)) + nets[1].predict(np.eye(2)) + nets[2].predict(np.eye(2))) / 3)
    True
    """

    def __init__(self, networks):
        self.networks = list(networks)
        for loss in (network.losses[0] for network in self.networks if network.losses):
            if not loss.can_be_averaged:
                raise util.ConfigurationError(
                    f"ensemble: outputs for the loss {type(loss).__name__} cannot be averaged; read those "
                    "of each network, as in [net.losses[0].mean(net.predict(x)) for net in result.networks]"
                )

    def __len__(self):
        return len(self.networks)

    def __repr__(self):
        return f"<Ensemble: {util.number_of(len(self), 'network')}>"

    def _outputs(self, x, method, **kwargs):
        """Return the mean and the standard deviation of outputs, computed in float64."""
        outputs = [getattr(network, method)(x, **kwargs) for network in self.networks]
        if isinstance(outputs[0], list):
            # sequences of different lengths.
            return tuple(map(list, zip(*map(_mean_and_std, zip(*outputs)))))
        return _mean_and_std(outputs)

    def predict(self, x: Any, spread: bool = False, **kwargs: Any) -> Any:
        """Predict by all networks.

        Parameters
        ----------
        x : array (num-examples, ...)
            The examples.
        spread : bool, optional
            Whether to return how much the networks differ, too. Default False.
        **kwargs
            Further arguments of :meth:`theanets.Network.predict`.

        Returns
        -------
        mean : ndarray
            The mean of the outputs. For classifiers, the labels with the highest mean probability; where an example
            can have several labels, ones for those whose mean probability is above 1/2. Lists of arrays for lists of
            sequences.
        spread : ndarray
            If asked for: the standard deviation of the outputs among the networks, an array of the same shape. For
            classifiers, that of the probability of the label.
        """
        if not all(hasattr(type(network), "predict_proba") for network in self.networks):
            mean, std = self._outputs(x, "predict", **kwargs)
            return (mean, std) if spread else mean
        mean, std = self._outputs(x, "predict_proba", **kwargs)
        losses = self.networks[0].losses
        if losses and losses[0].is_multilabel:
            labels = _each(lambda values: (values > 0.5).astype("int64"), mean)
            return (labels, std) if spread else labels
        labels = _each(lambda values: values.argmax(axis=-1).astype("int64"), mean)
        if not spread:
            return labels
        if isinstance(labels, list):
            return labels, list(map(_of_labels, std, labels))
        return labels, _of_labels(std, labels)

    def predict_proba(self, x: Any, spread: bool = False, **kwargs: Any) -> Any:
        """Return the mean probabilities of classes, and with ``spread`` their standard deviations as well.

        Raises
        ------
        AttributeError
            If the networks are no classifiers.
        """
        mean, std = self._outputs(x, "predict_proba", **kwargs)
        return (mean, std) if spread else mean


def _mean_and_std(outputs):
    kind = outputs[0].dtype
    mean, std = np.mean(outputs, axis=0, dtype="float64"), np.std(outputs, axis=0, dtype="float64")
    return mean.astype(kind), std.astype(kind)


def _of_labels(values, labels):
    return np.take_along_axis(values, labels[..., None], -1)[..., 0]


def _each(function, values):
    return list(map(function, values)) if isinstance(values, list) else function(values)
