"""Plots by matplotlib: learning curves, weights, reconstructions, activations and confusion matrices.

Each function draws into the axes that it is given, or into new ones, and returns them. This module needs matplotlib:
``pip install theanets[plot]``.

>>> import theanets.plot
>>> net = theanets.Autoencoder([64, (9, "tanh"), (64, "tied")])
>>> axes = theanets.plot.weights(net, "hid1")
>>> axes.get_title()
'hid1.w: 9 x 8x8'
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import theano.tensor as TT
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from .. import data, util
from . import wording

__all__ = ["activations", "confusion_matrix", "learning_curves", "reconstructions", "weights"]

#: Colours of curves: they can be told apart in most kinds of colour blindness, and when printed in grey.
COLOURS = ("#2f6fde", "#d97706", "#15905a", "#a855c7", "#d6336c", "#0e8fa8")


def _axes(ax, size):
    return plt.figure(figsize=size, layout="constrained").add_subplot() if ax is None else ax


def _plain(ax):
    """Remove frame lines and ticks that show no data."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _bare(ax):
    """Show a picture without a frame and numbers."""
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _tile(count):
    """Return the numbers of rows and columns of a grid for so many pictures."""
    columns = int(np.ceil(np.sqrt(count * 1.5)))
    return int(np.ceil(count / columns)), columns


def _mosaic(tiles, columns, gap=1):
    """Join pictures of the same shape into one, with gaps of NaN."""
    count, height, width = tiles.shape[:3]
    rows = -(-count // columns)
    shape = rows * (height + gap) - gap, columns * (width + gap) - gap, *tiles.shape[3:]
    result = np.full(shape, np.nan)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        result[top : top + height, left : left + width] = tile
    return result


def _image_shape(size, shape, what):
    """Return the shape of a picture of so many elements: the given one, or a square."""
    if shape is not None:
        shape = tuple(shape)
        if int(np.prod(shape)) != size:
            raise ValueError(f"shape={shape!r}: {what} has {size} values, which is not the product of these lengths")
        return shape
    side = int(round(np.sqrt(size)))
    return (side, side) if side * side == size else (1, size)


def learning_curves(
    history: Sequence, monitors: str | Sequence[str] = ("loss",), ax: Axes | None = None, log: bool | None = None
) -> Axes:
    """Draw how monitors changed from epoch to epoch.

    Parameters
    ----------
    history : sequence
        One entry for each epoch: the pairs of dicts that :meth:`theanets.Network.itertrain` yields, or dicts (such as
        the rows of ``net.history``) with keys like ``train_loss`` and ``valid_loss``.
    monitors : str or sequence of str, optional
        Names of monitors. Default ``'loss'``.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    log : bool, optional
        Whether the vertical axis is logarithmic. Default: if all values are positive, and the largest is more than
        fifty times the smallest.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If there is no epoch, or no such monitor.

    Examples
    --------
    >>> net = __import__("theanets").Regressor([2, 1])
    >>> data = np.eye(2), [[1], [0]]
    >>> ax = learning_curves(list(net.itertrain(data, algo="sgd", learning_rate=0.1, epochs=5)))
    >>> [text.get_text() for text in ax.texts]
    ['training', 'validation']
    """
    names = [monitors] if isinstance(monitors, str) else list(monitors)
    rows = [_row(entry) for entry in history]
    if not rows:
        raise ValueError("learning_curves(): there is no epoch in this history")
    known = sorted({key.split("_", 1)[1] for row in rows for key in row if key.startswith(("train_", "valid_"))})
    for name in names:
        if name not in known:
            raise ValueError(f"learning_curves(): there is no monitor {name!r} (there are: {', '.join(known)})")
    ax = _plain(_axes(ax, (6, 3.6)))
    ends, everything = [], []
    for i, name in enumerate(names):
        for j, (word, find) in enumerate((("training", _training), ("validation", _validation))):
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
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="y", color="0.9", lw=0.8)
    ax.set_axisbelow(True)
    _label_ends(ax, ends)
    return ax


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
    """Return epochs and the values of a monitor on the validation data, where there was a validation.

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
    pairs = [(entry["epoch"], entry[name]) for entry in entries if entry.get(name) is not None]
    return tuple(map(np.array, zip(*pairs))) if pairs else ((), ())


def _label_ends(ax, ends):
    """Write the name of each curve at its end, moving names apart that would overlap."""
    ax.figure.draw_without_rendering()
    height = ax.get_window_extent().height or 1
    places = [ax.transAxes.inverted().transform(ax.transData.transform(end[:2]))[1] for end in ends]
    needed = 13.0 * ax.figure.dpi / 72 / height
    order, last = sorted(range(len(ends)), key=places.__getitem__), -np.inf
    for i in order:
        last = max(places[i], last + needed)
        ax.text(1.01, last, ends[i][2], color=ends[i][3], transform=ax.transAxes, va="center", fontsize=9)


def weights(
    network,
    layer: str | int = "hid1",
    param: str | int = "w",
    shape: Sequence[int] | None = None,
    ax: Axes | None = None,
    cmap: str = "RdBu_r",
) -> Axes:
    """Draw the weights that lead to each unit of a layer, or the filters of a convolution.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    layer : str, int or :class:`theanets.Layer`, optional
        The layer, by name, by index or itself. Default ``'hid1'``.
    param : str, optional
        Name of the parameter: a matrix, or an array of filters. Default ``'w'``.
    shape : pair of int, optional
        Shape of the picture that the input is. Default: a square, if that can be.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours. Zero has the one in the middle. Default ``'RdBu_r'``: negative weights are blue, positive ones red.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    KeyError
        If there is no such layer or parameter.
    ValueError
        If the parameter is a vector, or if the shape does not fit.
    """
    if not hasattr(network, "layers"):
        raise ValueError(
            f"weights(): found a {type(network).__name__}, expected a network and the name of a layer, as in "
            f"weights(net, {getattr(network, 'name', 'hid1')!r})"
        )
    layer = getattr(layer, "name", layer)
    try:
        parameter = network.find(layer, param)
    except util.UnknownNameError as error:
        raise util.UnknownNameError(f"weights(): {error}{_others(network, layer)}") from None
    values = parameter.get_value()
    if values.ndim == 2:
        tiles = values.T.reshape(-1, *_image_shape(len(values), shape, parameter.name))
    elif values.ndim == 4:
        # a picture for each pair of an output and an input channel; filters are read backwards in a convolution.
        tiles = values[:, :, ::-1, ::-1].reshape(-1, *values.shape[2:])
    else:
        raise ValueError(
            f"weights(): {parameter.name} has the shape {values.shape}, expected a matrix or filters"
            f"{_others(network, layer)}"
        )
    rows, columns = _tile(len(tiles))
    if tiles.shape[1] == 1 and len(tiles) > 1:
        rows, columns = len(tiles), 1
    picture = _mosaic(tiles, columns)
    ax = _bare(_axes(ax, (min(9, 0.9 * columns + 1.2), min(9, 0.9 * rows + 0.5))))
    limit = float(np.nanmax(np.abs(picture))) or 1.0
    image = ax.imshow(picture, cmap=cmap, vmin=-limit, vmax=limit, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, shrink=0.7, aspect=18, pad=0.02).outline.set_visible(False)
    ax.set_title(f"{parameter.name}: {len(tiles)} x {wording.show_shape(tiles.shape[1:])}", fontsize=10)
    return ax


def _others(network, name):
    """Say which parameters of a layer can be drawn; nothing if there is no such layer."""
    for i, layer in enumerate(network.layers):
        for owner in (layer, *layer.workers):
            if name == owner.name or owner is layer and util.is_int(name) and name == i:
                names = [param.name for param in owner.params if param.ndim in (2, 4)]
                # the workers of a layer have parameters of their own, by the name that they are found by there.
                short = [name.removeprefix(owner.name)[1:] for name in names]
                written = " or ".join(f"param={word!r}" for word in short)
                return f"; write {written}" if short else "; it has no weights"
    return ""


def reconstructions(
    network,
    x: ArrayLike,
    shape: Sequence[int] | None = None,
    count: int = 10,
    ax: Axes | None = None,
    cmap: str = "gray_r",
) -> Axes:
    """Draw examples, and below each its reconstruction by an autoencoder.

    Parameters
    ----------
    network : :class:`theanets.Autoencoder`
        The network.
    x : array-like (num-examples, ...)
        The examples.
    shape : pair of int, optional
        Shape of the picture that an example is. Default: that of the data, or a square.
    count : int, optional
        How many of the examples to show, from the first on. Default 10.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours. Default ``'gray_r'``: large values are black.

    Returns
    -------
    ax : matplotlib Axes
    """
    x = np.asarray(x, util.FLOAT)[:count]
    made = network.predict(x)
    if x.ndim == 2:
        shape = _image_shape(x.shape[1], shape, "an example")
    elif shape is None:
        # images, with or without an axis for the channels.
        shape = x.shape[1:3]
    tiles = np.concatenate([x, made]).reshape(2 * len(x), *shape)
    # one colour scale for both rows; values outside the range of the data are clipped.
    ax = _bare(_axes(ax, (0.9 * len(x) + 1.2, 2.1)))
    ax.imshow(_mosaic(tiles, len(x)), cmap=cmap, vmin=x.min(), vmax=x.max(), interpolation="nearest")
    height = shape[0] + 1
    ax.set_yticks([height / 2 - 1, height * 1.5 - 1], ["data", "network"])
    ax.tick_params(length=0)
    return ax


def activations(network, x: ArrayLike, layer: str = "hid1", ax: Axes | None = None, cmap: str = "viridis") -> Axes:
    """Draw the outputs of a layer: a row for each example, or each step of a sequence, and a column for each unit.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    x : array-like (num-examples, ...)
        The examples. Of sequences, the first one is shown.
    layer : str, optional
        Name of a layer, or of an output such as ``'hid1:pre'``. Default ``'hid1'``.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours. Default ``'viridis'``.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ConfigurationError
        If there is no such output.
    """
    name = layer if ":" in layer else f"{layer}:out"
    outputs = network.feed_forward(x)
    values = np.asarray(network._get_output(outputs, name))
    is_sequence = values.ndim == 3
    values = values[0] if is_sequence else values.reshape(len(values), -1)
    ax = _axes(ax, (6, 3.6))
    image = ax.imshow(values, cmap=cmap, aspect="auto", interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, pad=0.02).outline.set_visible(False)
    ax.set(xlabel="unit", ylabel="step" if is_sequence else "example", title=name)
    ax.title.set_fontsize(10)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return ax


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
    ax = _axes(ax, (size, size))
    ax.imshow(shares, cmap=cmap, vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(table)):
        text = f"{shares[i, j]:.0%}" if normalize else f"{table[i, j]:d}"
        ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if shares[i, j] > 0.5 else "0.2")
    rotation = 45 if max(map(len, names)) > 3 else 0
    ax.set_xticks(range(count), names, rotation=rotation, ha="right" if rotation else "center")
    ax.set_yticks(range(count), names)
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_color("0.8")
    return ax
