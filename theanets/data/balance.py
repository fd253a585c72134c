"""Balance of classes in the data: class weights, and a warning for batches that hold only one class."""

import numpy as np

from .. import util

__all__ = ["ClassWeights", "describe_sorted", "resolve"]


class ClassWeights(dict):
    """Weights of classes as arrays, by the variables that hold the labels."""


def resolve(weights, network, find_labels=None):
    r"""Compute the weights of classes from the argument ``class_weight``.

    Parameters
    ----------
    weights : 'balanced', dict, array-like, ClassWeights or None
        ``'balanced'`` for weights in inverse proportion to how often a class occurs, :math:`n / (k n_i)` for
        :math:`n_i` of n labels with k classes that occur; or the weights, as a dict by class, in which 1 stands for
        others, or one for each class.
    network : :class:`theanets.Network`
        The network whose losses they are for.
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


def describe_sorted(labels, batch_size, mask=None):
    """Describe in words that batches hold one class each, as those of sorted labels do.

    Parameters
    ----------
    labels : ndarray of int (num-examples, ...)
        The labels, of examples or of the steps of sequences.
    batch_size : int
        Number of consecutive examples in a batch; 0 or less for all of them.
    mask : ndarray (num-examples, num-steps), optional
        Zeros for steps that do not count.

    Returns
    -------
    words : str or None
        None if classes are mixed; if there is only one class, or one batch; or if random order would give about as many
        batches of one class.

    Examples
    --------
    >>> describe_sorted(np.repeat([0, 1], 50), 25)
    'all 4 batches hold one class each, as if the labels were sorted'
    >>> describe_sorted(np.tile([0, 1], 50), 25)
    """
    count = len(labels)
    labels = labels.reshape(count, -1)
    counts = np.ones(labels.shape, bool) if mask is None or labels.shape != mask.shape else mask > 0
    low = np.where(counts, labels, labels.max()).min(axis=1)
    high = np.where(counts, labels, labels.min()).max(axis=1)
    starts = np.arange(0, count, batch_size if batch_size > 0 else count)
    sizes = np.diff([*starts, count])
    # a batch of one example holds one class in any order.
    several = sizes > 1
    if low.min() == high.max() or len(starts) == 1 or not several.any():
        return None
    single = np.minimum.reduceat(low, starts) == np.maximum.reduceat(high, starts)
    found, total = int((single & several).sum()), int(several.sum())
    if single.all():
        return f"all {len(starts)} batches hold one class each, as if the labels were sorted"
    shares = np.bincount(low[low == high]) / count
    by_chance = sum(many * (shares**size).sum() for size, many in zip(*np.unique(sizes[several], return_counts=True)))
    if 2 * found >= total and found >= 10 * by_chance:
        return f"{found} of {len(starts)} batches hold one class only, as if the labels were sorted"
    return None
