"""Plots by matplotlib: learning curves, weights, reconstructions, activations, confusion matrices and codes.

Each function draws into the axes that it is given, or into new ones, and returns them. They can be seen on a light and
on a dark ground. This module needs matplotlib: ``pip install theanets[plot]``.

>>> import theanets.plot
>>> net = theanets.Autoencoder([64, (9, "tanh"), (64, "tied")])
>>> axes = theanets.plot.weights(net, "hid1")
>>> axes.get_title()
'hid1.w: 9 x 8x8'
"""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import theano.tensor as TT
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from .. import data, util
from .canvas import COLOURS, add_colorbar, add_grid, integers, label_ends, new_axes, plain
from .pictures import activations, reconstructions, saliency, samples, weights

__all__ = [
    "activations",
    "confusion_matrix",
    "embedding",
    "learning_curves",
    "reconstructions",
    "saliency",
    "samples",
    "weights",
]

#: How many classes a confusion matrix shows with their numbers.
NUMBERED = 25

#: How many classes an embedding names.
NAMED = 20


def learning_curves(
    history: Sequence,
    monitors: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    log: bool | None = None,
) -> Axes | np.ndarray:
    """Draw how monitors changed from epoch to epoch, in a panel for each kind of figure.

    The curves begin with the first epoch. A dotted line marks the epoch whose parameters the network holds at the end.

    Parameters
    ----------
    history : sequence
        One entry for each epoch: the pairs of dicts that :meth:`theanets.Network.itertrain` yields, or dicts (such as
        the rows of ``net.history``) with keys like ``train_loss`` and ``valid_loss``.
    monitors : str or sequence of str, optional
        Names of monitors. Default: ``'loss'``, and for a classifier also ``'acc'``.
    ax : matplotlib Axes, optional
        Where to draw; all monitors then share these axes. Default: a panel of its own for each monitor.
    log : bool, optional
        Whether the vertical axis is logarithmic. Default: if all values are positive, and the largest is more than
        fifty times the smallest.

    Returns
    -------
    ax : matplotlib Axes, or array of them
        An array if there are several panels.

    Raises
    ------
    ValueError
        If there is no epoch, or no such monitor.

    Examples
    --------
    >>> net = __import__("theanets").Regressor([2, 1])
    >>> data = np.eye(2), [[1], [0]]
    >>> options = dict(algo="sgd", learning_rate=0.1, epochs=5, validate_every=1)
    >>> last = net.train(data, data, **options)
    >>> sorted(text.get_text() for text in learning_curves(net.history).texts)
    ['training', 'validation']
    """
    if hasattr(history, "history"):
        raise TypeError(f"learning_curves(): found a {type(history).__name__}, expected its history: net.history")
    rows = [_row(entry) for entry in history]
    if not rows:
        raise ValueError("learning_curves(): there is no epoch in this history")
    known = sorted({key.split("_", 1)[1] for row in rows for key in row if key.startswith(("train_", "valid_"))})
    if monitors is None:
        monitors = [name for name in ("loss", "acc") if name in known] or known[:1]
    names = [monitors] if isinstance(monitors, str) else list(monitors)
    for name in names:
        if name not in known:
            raise ValueError(f"learning_curves(): there is no monitor {name!r} (there are: {', '.join(known)})")
    if ax is not None or len(names) == 1:
        return _panel(new_axes(ax, (6, 3.6)), history, rows, names, log)
    figure = plt.figure(figsize=(6, 1 + 2.2 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), sharex=True)
    for panel, name in zip(panels, names):
        _panel(panel, history, rows, [name], log)
        panel.label_outer()
    return panels


def _panel(ax, history, rows, names, log):
    """Draw some monitors into the same axes."""
    plain(ax)
    measured = "validation" if getattr(history, "has_validation_data", True) else "evaluation"
    ends, everything = [], []
    for i, name in enumerate(names):
        for j, (word, find) in enumerate((("training", _training), (measured, _validation))):
            epochs, values = find(history, rows, name)
            if not len(values):
                continue
            colour = COLOURS[(2 * i + j) % len(COLOURS)]
            marker = "o" if len(values) < 15 else ""
            ax.plot(epochs, values, "--" if j else "-", color=colour, lw=1.8, marker=marker, ms=4)
            ends.append((epochs[-1], values[-1], word if len(names) == 1 else f"{name}, {word}", colour))
            everything.append(values)
    values = np.concatenate(everything)
    values = values[np.isfinite(values)]
    if log or log is None and values.size and values.min() > 0 and values.max() > 50 * values.min():
        ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel=" and ".join(names))
    integers(ax.xaxis)
    add_grid(ax)
    _mark_best(ax, history, rows)
    label_ends(ax, ends)
    return ax


def _mark_best(ax, history, rows):
    """Mark the epoch whose parameters the network holds: that with the lowest validation loss."""
    best = getattr(history, "best", None)
    if best is None:
        epochs, losses = _validation(history, rows, "loss")
        best = {"epoch": epochs[int(np.argmin(losses))]} if len(losses) and np.isfinite(losses).all() else {"epoch": 0}
    if best["epoch"] >= 1:
        ax.axvline(best["epoch"], color="0.5", lw=1, ls=":", zorder=0)
        ax.set_title(f"best epoch: {best['epoch']}", loc="right", fontsize=8, color="0.5")


def _row(entry):
    """Return an epoch as one dict, with ``train_`` and ``valid_`` before the names."""
    if hasattr(entry, "keys"):
        return dict(entry)
    pair = zip(("train_", "valid_"), entry)
    return {prefix + name: value for prefix, values in pair for name, value in values.items()}


def _training(history, rows, name):
    """Return epochs and the values of a monitor on the training data."""
    values = np.array([np.nan if row.get(f"train_{name}") is None else row[f"train_{name}"] for row in rows], float)
    epochs = np.arange(1, len(rows) + 1)
    return epochs[~np.isnan(values)], values[~np.isnan(values)]


def _validation(history, rows, name):
    """Return epochs and the values of a monitor where there was a validation, from the first epoch on.

    The one before the first epoch is left out: its values would be the scale of all that follow.

    Rows have the values after their epochs. What ``itertrain`` yields are the last values before the epoch, which are
    repeated until there are others.
    """
    entries = getattr(history, "validations", None)
    if not entries:
        is_row = [hasattr(entry, "keys") for entry in history]
        entries = [{"epoch": i + is_row[i], name: row.get(f"valid_{name}")} for i, row in enumerate(rows)]
        entries = [
            entry for i, entry in enumerate(entries) if not i or is_row[i] or entry[name] != entries[i - 1][name]
        ]
    pairs = [(entry["epoch"], entry[name]) for entry in entries if entry.get(name) is not None and entry["epoch"] > 0]
    return tuple(map(np.array, zip(*pairs))) if pairs else ((), ())


def confusion_matrix(
    network,
    x: ArrayLike,
    y: ArrayLike,
    labels: Sequence[str] | None = None,
    normalize: bool = False,
    ax: Axes | None = None,
    cmap: str = "Blues",
) -> Axes:
    """Draw the confusion matrix: how often examples of each class are predicted to be of which class.

    Parameters
    ----------
    network : :class:`theanets.Classifier`
        The network.
    x : array-like (num-examples, num-variables)
        The examples.
    y : array-like of int (num-examples, )
        Their classes.
    labels : sequence of str, optional
        Names of the classes. Default: their numbers.
    normalize : bool, optional
        Whether to show shares of each class rather than numbers of examples. Default False.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours. Default ``'Blues'``.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If the number of labels is not that of the classes.
    """
    count = network.layers[-1].output_size
    names = [str(i) for i in range(count)] if labels is None else [str(label) for label in labels]
    if len(names) != count:
        raise ValueError(f"confusion_matrix(): {len(names)} labels for {count} classes")
    predicted = network.predict(x)
    if (predicted < 0).any():
        raise ValueError("confusion_matrix(): the network puts out values that are not a number, which have no class")
    variable = TT.TensorType("int64", (False,) * predicted.ndim)("y")
    slot = data.Slot("y", variable, predicted.shape[1:], count, is_target=True)
    table = np.zeros((count, count), int)
    np.add.at(table, (np.ravel(data.cast(y, slot)), np.ravel(predicted)), 1)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = min(8.0, 0.42 * count + 1.6)
    ax = new_axes(ax, (size, size))
    image = ax.imshow(shares, cmap=cmap, vmin=0, vmax=1, interpolation="nearest")
    if count <= NUMBERED:
        for i, j in zip(*np.nonzero(table)):
            text = f"{shares[i, j]:.0%}" if normalize else f"{table[i, j]:d}"
            ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if shares[i, j] > 0.5 else "0.2")
    else:
        # numbers could not be read, and colours say what share of a class they are.
        add_colorbar(image, ax, shrink=0.7, label="share of the true class")
    _name_classes(ax, names, labels is not None)
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set(color="0.5", alpha=0.5)
    return ax


def _name_classes(ax, names, are_given):
    """Write the names of classes beside a matrix: all, or, if they are many, so many as can be read."""
    count = len(names)
    if count > NUMBERED and not are_given:
        integers(ax.xaxis, ax.yaxis)
        return
    step = -(-count // 60)
    places, shown = range(0, count, step), names[::step]
    rotation = 0 if count <= NUMBERED and max(map(len, shown)) <= 3 else 45 if count <= NUMBERED else 90
    size = "medium" if count <= NUMBERED else 6
    ax.set_xticks(places, shown, rotation=rotation, ha="right" if rotation == 45 else "center", fontsize=size)
    ax.set_yticks(places, shown, fontsize=size)


def embedding(
    network,
    x: ArrayLike,
    labels: ArrayLike | None = None,
    layer: str | int | None = None,
    ax: Axes | None = None,
    cmap: str = "viridis",
) -> Axes:
    """Draw the codes of examples as points of a plane: by their two principal components, if they have more than two.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    x : array-like (num-examples, ...)
        The examples.
    labels : array-like (num-examples, ), optional
        What to colour points by: classes (whole numbers or words), or numbers. Default: all are the same.
    layer : str or int, optional
        The layer or output whose values are the codes. Default: what ``encode`` returns, or for a network without it
        the last hidden layer.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours of numbers, and of more than twenty classes. Default ``'viridis'``.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If there are not as many labels as examples.

    Examples
    --------
    >>> import theanets, theanets.plot
    >>> net = theanets.Autoencoder([9, 4, 9])
    >>> axes = theanets.plot.embedding(net, np.random.RandomState(0).rand(20, 9), np.arange(20) % 3)
    >>> axes.get_xlabel(), len(axes.collections)
    ('first principal component of hid1', 3)
    """
    codes, name = _codes(network, x, layer)
    marks = None if labels is None else np.asarray(labels)
    if marks is not None and len(marks) != len(codes):
        raise ValueError(f"embedding(): {len(marks)} labels for {len(codes)} examples")
    ax = plain(new_axes(ax, (6, 5)))
    if codes.shape[1] > 2:
        centred = codes - codes.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        # the sign of a component is arbitrary: here that of its largest part is positive.
        signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:2]
        codes = centred @ (axes[:2] * signs[:, None]).T
        ax.set(xlabel=f"first principal component of {name}", ylabel="second")
    elif codes.shape[1] == 1:
        order = np.argsort(np.argsort(codes[:, 0], kind="stable"), kind="stable")
        codes = np.column_stack([codes[:, 0], order])
        ax.set(xlabel=f"{name}, unit 0", ylabel="rank of the example")
    else:
        ax.set(xlabel=f"{name}, unit 0", ylabel="unit 1")
    size = float(np.clip(4000 / max(len(codes), 1), 4, 40))
    options: dict[str, Any] = dict(s=size, lw=0, alpha=0.8)
    if marks is None:
        ax.scatter(codes[:, 0], codes[:, 1], color=COLOURS[0], **options)
        return ax
    classes = np.unique(marks)
    if marks.dtype.kind == "f" or len(classes) > NAMED and marks.dtype.kind in "iub":
        points = ax.scatter(codes[:, 0], codes[:, 1], c=marks, cmap=cmap, **options)
        add_colorbar(points, ax)
        return ax
    palette = plt.get_cmap("tab10" if len(classes) <= 10 else "tab20")
    for i, label in enumerate(classes):
        ax.scatter(*codes[marks == label].T, color=palette(i % palette.N), label=str(label), **options)
    legend = ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9, handletextpad=0.2)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[36], alpha=1)
    return ax


def _codes(network, x, layer):
    """Return the codes of examples as a matrix, and the name of what they are the values of."""
    if layer is None and hasattr(network, "encode"):
        codes, name = network.encode(x), network.layers[len(network.layers) // 2].name
    else:
        layer = network.layers[-2] if layer is None else network.layers[layer] if util.is_int(layer) else layer
        name = getattr(layer, "name", layer)
        codes = network._get_output(network.feed_forward(x), util.output_name(name))
    # of sequences, the code is the mean over time.
    codes = [np.asarray(code, float) for code in codes] if isinstance(codes, list) else np.asarray(codes, float)
    if isinstance(codes, list):
        return np.array([code.mean(axis=0) for code in codes]), name
    codes = codes.mean(axis=1) if codes.ndim == 3 else codes
    return codes.reshape(len(codes), -1), name
