"""Pictures of what a network has in itself and makes of data: weights, activations, reconstructions, saliency."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from .. import util
from . import wording
from .canvas import (
    COLOURS,
    MOST,
    add_colorbar,
    bare,
    grid_of,
    heat_map,
    image_shape,
    is_colour,
    mosaic,
    new_axes,
    pairs,
    plain,
    size_of,
)

__all__ = ["activations", "reconstructions", "saliency", "samples", "weights"]


def weights(
    network,
    layer: str | int = "hid1",
    param: str | int = "w",
    shape: Sequence[int] | None = None,
    ax: Axes | None = None,
    cmap: str = "RdBu_r",
) -> Axes:
    """Draw the weights that lead to each unit of a layer, the filters of a convolution, or any matrix of weights.

    The weights ``w`` of units are a picture for each unit, if the inputs can be a picture; filters are one for each
    pair of channels, or one in colours for images of three channels. Other matrices, such as those of recurrent
    layers, are one heat map.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    layer : str, int or :class:`theanets.Layer`, optional
        The layer, by name, by index or itself. Default ``'hid1'``.
    param : str, optional
        Name of the parameter: a matrix, or an array of filters. Default ``'w'``.
    shape : pair of int, or three, optional
        Shape of the picture that the input is: (height, width), or (height, width, 3) for colours. Default: a square,
        if that can be.
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

    Examples
    --------
    >>> import theanets, theanets.plot
    >>> theanets.plot.weights(theanets.Regressor([6, 4, 1])).get_title()
    'hid1.w: 6 x 4'
    >>> theanets.plot.weights(theanets.Regressor([9, 4, 1])).get_title()
    'hid1.w: 4 x 3x3'
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
    values = np.asarray(parameter.get_value())
    if values.ndim not in (2, 3, 4):
        raise ValueError(
            f"weights(): {parameter.name} has the shape {values.shape}, expected a matrix or filters"
            f"{_others(network, layer)}"
        )
    limit = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    found = image_shape(len(values), shape, parameter.name) if values.ndim == 2 else None
    if values.ndim == 2 and (found is None or shape is None and param != "w"):
        return _matrix(ax, values, ("input", "unit"), parameter.name, cmap, limit)
    if values.ndim == 3:
        # filters over time, a row for each pair of an output and an input channel; they are read backwards.
        rows = values[:, :, ::-1].reshape(-1, values.shape[2])
        return _matrix(ax, rows, ("filter", "step"), parameter.name, cmap, limit)
    if found is not None:
        tiles = values.T.reshape(-1, *found)
    elif values.shape[1] == 3:
        tiles = values[:, :, ::-1, ::-1].transpose(0, 2, 3, 1)
    else:
        # a picture for each pair of an output and an input channel; filters are read backwards in a convolution.
        tiles = values[:, :, ::-1, ::-1].reshape(-1, *values.shape[2:])
    title = f"{parameter.name}: {len(tiles)} x {wording.show_shape(tiles.shape[1:])}"
    if len(tiles) > MOST:
        title += f", the first {MOST}"
    return _tiles(ax, tiles[:MOST], title, cmap, -limit, limit)


def _matrix(ax, values, names, name, cmap, limit):
    height, width = (max(1.4, min(7.0, 1.2 + 0.03 * length)) for length in values.shape)
    ax = heat_map(ax, values, names, cmap, (width + 1.8, height + 0.6), vmin=-limit, vmax=limit)
    ax.set_title(f"{name}: {wording.show_shape(values.shape).replace('x', ' x ')}", fontsize=10)
    return ax


def _tiles(ax, tiles, title, cmap, low, high):
    """Draw tiles in a grid, with the scale of their colours; those of three channels are scaled to colours."""
    rows, columns = grid_of(len(tiles), *tiles.shape[1:3])
    if tiles.ndim == 4:
        picture = mosaic((tiles - low) / (high - low), columns)
        ax = bare(new_axes(ax, size_of(picture)))
        ax.imshow(picture.clip(0, 1), interpolation="nearest")
    else:
        picture = mosaic(tiles, columns)
        ax = bare(new_axes(ax, size_of(picture)))
        image = ax.imshow(picture, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
        add_colorbar(image, ax, shrink=0.8 if rows > 1 else 1.0, aspect=18)
    ax.set_title(title, fontsize=10)
    return ax


def _others(network, name):
    """Say which parameters of a layer can be drawn; nothing if there is no such layer."""
    for i, layer in enumerate(network.layers):
        for owner in (layer, *layer.workers):
            if name == owner.name or owner is layer and util.is_int(name) and name == i:
                names = [param.name for param in owner.params if param.ndim in (2, 3, 4)]
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

    Examples that are no pictures are drawn as curves, each with its reconstruction in the same strip.

    Parameters
    ----------
    network : :class:`theanets.Autoencoder`
        The network.
    x : array-like (num-examples, ...), or list of arrays (num-steps, num-variables)
        The examples.
    shape : pair of int, or three, optional
        Shape of the picture that an example is: (height, width), or (height, width, 3) for colours. Default: that of
        the data, or a square; if its values are no square, an example is a curve.
    count : int, optional
        How many of the examples to show, from the first on. Default 10.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours of pictures with one channel. Default ``'gray_r'``: large values are black.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If the shape does not fit.

    Examples
    --------
    >>> import theanets, theanets.plot
    >>> net = theanets.Autoencoder([200, 5, 200])
    >>> axes = theanets.plot.reconstructions(net, np.random.RandomState(0).randn(4, 200))
    >>> len(axes.lines)  # a curve for each example, and one for its reconstruction
    8
    """
    if isinstance(x, list) and len({np.shape(row) for row in x}) > 1:
        x = x[:count]
        return _curves(ax, list(map(np.asarray, x)), list(map(np.asarray, network.predict(x))))
    data = np.asarray(x, util.FLOAT)[:count]
    if not data.size:
        raise ValueError(f"reconstructions(): the data, of shape {data.shape}, hold no example")
    made = np.asarray(network.predict(data))
    if data.ndim == 2:
        shape = image_shape(data.shape[1], shape, "an example")
    elif shape is None:
        # images, with or without an axis for the channels; few variables in many steps are no image.
        shape = data.shape[1:] if is_colour(data.shape[1:]) else data.shape[1:3]
        if data.ndim == 4 and not is_colour(data.shape[1:]):
            data, made = data.mean(axis=3), made.mean(axis=3)
    if shape is None or len(shape) < 2 or min(shape[:2]) < 4 < max(shape[:2]):
        return _curves(ax, data.reshape(len(data), len(data[0]), -1), made.reshape(len(data), len(data[0]), -1))
    above, below = data.reshape(len(data), *shape), made.reshape(len(data), *shape)
    low, high = float(data.min()), float(data.max())
    if len(shape) == 3:
        above, below = (((tiles - low) / ((high - low) or 1.0)).clip(0, 1) for tiles in (above, below))
    # one scale of colours for both rows; values outside the range of the data are clipped.
    return pairs(ax, above, below, ("data", "network"), cmap, vmin=low, vmax=high)


def _curves(ax, examples, made=None):
    """Draw examples (num-steps, num-variables) as curves, in a strip each, with what the network makes of them."""
    kinds = [("data", examples, COLOURS[0], 2.6, 0.45), ("network", made, COLOURS[1], 1.1, 1.0)]
    kinds = kinds if made is not None else [("network", examples, COLOURS[0], 1.1, 1.0)]
    count = len(examples)
    low, high = min(row.min() for row in examples), max(row.max() for row in examples)
    step = 1.15 * ((high - low) or 1.0)
    ax = plain(new_axes(ax, (8, min(0.6 * count + 0.8, 9))))
    for name, rows, colour, width, alpha in kinds:
        for i, values in enumerate(rows):
            curves = np.asarray(values).reshape(len(values), -1).clip(low - step / 2, high + step / 2)
            for j, curve in enumerate(curves.T):
                label = name if i == j == 0 else None
                ax.plot(curve - i * step, color=colour, lw=width, alpha=alpha, label=label)
    ax.set_yticks([(low + high) / 2 - i * step for i in range(count)], range(count))
    ax.tick_params(axis="y", length=0)
    ax.set(ylabel="example", xlabel="value" if np.ndim(examples[0]) < 2 or examples[0].shape[1] == 1 else "step")
    ax.margins(x=0.01)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=9, borderaxespad=0)
    return ax


def activations(
    network, x: ArrayLike, layer: str | int = "hid1", ax: Axes | None = None, cmap: str = "viridis"
) -> Axes:
    """Draw the outputs of a layer: a row for each example, or each step of a sequence, and a column for each unit.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    x : array-like (num-examples, ...), or list of arrays (num-steps, num-variables)
        The examples. Of sequences, the first one is shown; of images in a convolution, the channels of the first one.
    layer : str, int or :class:`theanets.Layer`, optional
        A layer, by name, by index or itself, or the name of an output such as ``'hid1:pre'``. Default ``'hid1'``.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours. Default ``'viridis'``.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    KeyError
        If there is no such layer or output.
    """
    name = _output_name(network, layer)
    outputs = network.feed_forward(x)
    found = network._get_output(outputs, name)
    is_ragged = isinstance(found, list)
    values = np.asarray(found[0] if is_ragged else found)
    if values.ndim == 4 and not is_ragged:
        tiles = values[0].transpose(2, 0, 1)[:MOST]
        return _tiles(ax, tiles, f"{name}: {len(tiles)} channels", cmap, values[0].min(), values[0].max())
    is_sequence = is_ragged or values.ndim == 3
    values = values if is_ragged else values[0] if is_sequence else values.reshape(len(values), -1)
    ax = heat_map(ax, values.reshape(len(values), -1), ("step" if is_sequence else "example", "unit"), cmap)
    ax.set_title(name, fontsize=10)
    return ax


def _output_name(network, layer):
    """Return the full name of an output, given a layer in any way."""
    if util.is_int(layer):
        count = len(network.layers)
        if not -count <= layer < count:
            names = ", ".join(item.name for item in network.layers)
            raise util.UnknownNameError(f"there is no layer {layer} (layers 0 to {count - 1}: {names})")
        layer = network.layers[layer]
    return util.output_name(getattr(layer, "name", layer))


def samples(
    network,
    count: int = 24,
    shape: Sequence[int] | None = None,
    ax: Axes | None = None,
    cmap: str = "gray_r",
    **options,
) -> Axes:
    """Draw what a generative network makes up by itself, by its method ``sample``.

    Parameters
    ----------
    network : :class:`theanets.Network`
        A network with a method ``sample``, which returns examples (num-examples, num-variables).
    count : int, optional
        How many to draw. Default 24.
    shape : pair of int, or three, optional
        Shape of the picture that an example is: (height, width), or (height, width, 3) for colours. Default: a square.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours of pictures with one channel. Default ``'gray_r'``: large values are black.
    **options
        Further arguments of ``sample``.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    TypeError
        If the network has no such method.
    ValueError
        If the shape does not fit.
    """
    if not callable(getattr(network, "sample", None)):
        raise TypeError(f"samples(): a {type(network).__name__} has no method sample(), which generative networks have")
    made = np.asarray(network.sample(count, **options))
    flat = made.reshape(len(made), -1)
    inner = made.shape[1:] if made.ndim > 2 and shape is None else image_shape(flat.shape[1], shape, "a sample")
    if inner is None:
        return _curves(ax, [row[:, None] for row in flat])
    tiles = flat.reshape(len(flat), *(inner[:2] if inner[2:] == (1,) else inner))
    return _tiles(ax, tiles, f"{len(tiles)} samples", cmap, float(made.min()), float(made.max()) or 1.0)


def saliency(
    network,
    x: ArrayLike,
    unit: int | None = None,
    layer: str = "out:pre",
    shape: Sequence[int] | None = None,
    count: int = 10,
    ax: Axes | None = None,
    cmap: str = "gray_r",
) -> Axes:
    """Draw examples, and below each how much an output changes with each of its values.

    The gradient of an output with respect to the example is taken by its amount.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    x : array-like (num-examples, ...)
        The examples: images, or vectors.
    unit : int, optional
        The unit of the output, such as a class. Default: for each example, the unit with the largest output.
    layer : str, optional
        Name of a layer or an output. Default ``'out:pre'``: the output before its activation, which is not saturated.
    shape : pair of int, or three, optional
        Shape of the picture that an example is. Default: that of the data, or a square. Of
        examples that are no pictures there is one heat map, a row for each.
    count : int, optional
        How many of the examples to show, from the first on. Default 10.
    ax : matplotlib Axes, optional
        Where to draw. Default: new axes.
    cmap : str, optional
        The colours. Default ``'gray_r'``: large values are black.

    Returns
    -------
    ax : matplotlib Axes

    Notes
    -----
    K Simonyan, A Vedaldi, A Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification Models
    and Saliency Maps", ICLR workshop 2014, https://arxiv.org/abs/1312.6034

    Examples
    --------
    >>> import theanets, theanets.plot
    >>> net = theanets.Classifier([16, 5, 3])
    >>> axes = theanets.plot.saliency(net, np.random.RandomState(0).rand(4, 16))
    >>> [text.get_text() for text in axes.get_yticklabels()]
    ['data', 'saliency']
    """
    data = np.asarray(x, util.FLOAT)[:count]
    if not data.size:
        raise ValueError(f"saliency(): the data, of shape {data.shape}, hold no example")
    if unit is None:
        slopes = network.gradient(lambda outputs: outputs[util.output_name(layer)].max(axis=-1), "in", data)
    else:
        slopes = network.gradient((layer, unit), "in", data)
    slopes = np.abs(np.asarray(slopes))
    size = int(np.prod(data.shape[1:]))
    inner = data.shape[1:3] if data.ndim > 2 and shape is None else image_shape(size, shape, "an example")
    if inner is None:
        ax = heat_map(ax, slopes.reshape(len(data), -1), ("example", "input"), cmap)
        ax.set_title(f"saliency for {layer}", fontsize=10)
        return ax
    found = []
    for values, join in ((data, np.mean), (slopes, np.max)):
        # the channels of a pixel together: the mean of a picture, the largest slope.
        values = join(values.reshape(len(data), *inner[:2], -1), axis=3)
        low, high = values.min(), values.max()
        found.append((values - low) / ((high - low) or 1.0))
    return pairs(ax, found[0], found[1], ("data", "saliency"), cmap, vmin=0, vmax=1)
