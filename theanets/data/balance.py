"""Weights of classes, for data in which some classes are rarer than others."""

import numpy as np

from .. import util

__all__ = ["ClassWeights", "resolve"]


class ClassWeights(dict):
    """Weights of classes as arrays, by the variables that hold the labels."""


def resolve(weights, network, find_labels=None):
    r"""Find out what each class weighs.

    Parameters
    ----------
    weights : 'balanced', dict, array-like, ClassWeights or None
        ``'balanced'`` for weights in inverse proportion to how often a class occurs, :math:`n / (k n_i)` for
        :math:`n_i` of n labels with k classes that occur; or the weights, as a dict by class, in which 1 stands for
        others, or one for each class.
    network : :class:`theanets.Network`
        What they are for.
    find_labels : callable, optional
        Returns the labels of the training data for a variable. Default: they are not known.

    Returns
    -------
    weights : ClassWeights

    Raises
    ------
    ConfigurationError
        If there is no loss of class labels, or for weights that do not fit.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Classifier([4, 3])
    >>> (values,) = resolve("balanced", net, lambda variable: np.array([0, 0, 0, 1, 2, 2])).values()
    >>> print(values.round(3))
    [0.667 2.    1.   ]
    """
    if weights is None or isinstance(weights, ClassWeights):
        return ClassWeights() if weights is None else weights
    shapes = {layer.full_name(output): shape for layer in network.layers for output, shape in layer.shapes.items()}
    result = ClassWeights()
    for loss in network.losses:
        count = loss.num_classes(shapes)
        if count is None or loss.has_own_formula:
            continue
        result[loss.variables[0]] = _read(weights, count, loss.variables[0], find_labels)
    if not result:
        raise util.ConfigurationError(f"class_weight={weights!r}: the network has no loss of class labels")
    return result


def _read(weights, count, variable, find_labels):
    if isinstance(weights, str) and weights == "balanced":
        if find_labels is None:
            raise util.ConfigurationError("class_weight='balanced': the labels of the data are not known here")
        counts = np.bincount(np.ravel(find_labels(variable)).astype(int), minlength=count)
        occur = counts > 0
        return np.where(occur, counts.sum() / (occur.sum() * np.maximum(counts, 1)), 1).astype(util.FLOAT)
    if isinstance(weights, dict):
        wrong = [label for label in weights if not util.is_int(label) or not 0 <= label < count]
        if wrong:
            raise util.ConfigurationError(
                f"class_weight={weights!r}: there is no class {wrong[0]!r}, expected labels from 0 to {count - 1}"
            )
        weights = [weights.get(label, 1) for label in range(count)]
    try:
        values = np.array(weights, util.FLOAT)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape != (count,) or not np.isfinite(values).all() or values.min() < 0 or not values.any():
        raise util.ConfigurationError(
            f"class_weight={weights!r}, expected 'balanced', a dict by class, or {count} weights of 0 or more"
        )
    return values
