"""What all plots have in common: axes, colours, and pictures of tiles."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

#: Colours of curves: they can be told apart in most kinds of colour blindness, and when printed in grey.
COLOURS = ("#2f6fde", "#d97706", "#15905a", "#a855c7", "#d6336c", "#0e8fa8")

#: How many tiles there are in a picture at most.
MOST = 400

#: How many examples stand side by side at most.
BESIDE = 12


def new_axes(ax, size):
    """Return the axes that are given, or new ones of such a size in inches."""
    return plt.figure(figsize=size, layout="constrained").add_subplot() if ax is None else ax


def plain(ax):
    """Remove frame lines and ticks that show no data."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def bare(ax):
    """Show a picture without a frame and numbers."""
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def add_grid(ax):
    """Draw horizontal lines that are to be seen on a light and on a dark ground, and never in front of data."""
    ax.grid(axis="y", color="0.5", alpha=0.25, lw=0.8)
    ax.set_axisbelow(True)


def add_colorbar(image, ax, **options):
    """Draw the scale of the colours beside the picture."""
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02, **options)
    bar.outline.set_visible(False)
    return bar


def integers(*axes):
    """Number axes of units, examples and the like by whole numbers."""
    for axis in axes:
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def heat_map(ax, values, names, cmap, size=(6, 3.6), **limits):
    """Draw a matrix as one picture, with numbered rows and columns, and the scale of its colours.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Where to draw. None for new axes.
    values : ndarray (num-rows, num-columns)
        The matrix.
    names : pair of str
        What rows and columns are.
    cmap : str
        The colours.
    size : pair of float, optional
        Size of new axes in inches.
    **limits
        ``vmin`` and ``vmax``, as for ``imshow``.
    """
    ax = new_axes(ax, size)
    image = ax.imshow(values, cmap=cmap, aspect="auto", interpolation="nearest", **limits)
    add_colorbar(image, ax)
    ax.set(ylabel=names[0], xlabel=names[1])
    integers(ax.xaxis, ax.yaxis)
    return ax


def grid_of(count, height=1, width=1):
    """Return the numbers of rows and columns of a grid of tiles, which is somewhat wider than high."""
    columns = min(max(1, int(np.ceil(np.sqrt(count * 1.5 * height / width)))), count)
    return -(-count // columns), columns


def mosaic(tiles, columns, gap=1):
    """Join tiles of the same shape into one picture, with gaps of NaN (colours: transparent ones).

    Parameters
    ----------
    tiles : ndarray (num-tiles, height, width) or (num-tiles, height, width, 3)
        The tiles; colours between 0 and 1.
    columns : int
        How many tiles there are in a row.
    gap : int, optional
        Pixels between two tiles. Default 1.
    """
    count, height, width = tiles.shape[:3]
    rows = -(-count // columns)
    if tiles.ndim == 4:
        # transparent where there is no colour.
        seen = np.isfinite(tiles).all(axis=3, keepdims=True)
        tiles = np.concatenate([np.nan_to_num(tiles), seen], axis=3)
    shape = rows * (height + gap) - gap, columns * (width + gap) - gap, *tiles.shape[3:]
    result = np.full(shape, np.nan if tiles.ndim == 3 else 0.0)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        result[top : top + height, left : left + width] = tile
    return result


def pairs(ax, above, below, names, cmap, **limits):
    """Draw pictures in rows, with another picture below each.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Where to draw. None for new axes.
    above, below : ndarray (num-pictures, height, width), or with an axis for colours
        The pictures.
    names : pair of str
        What stands above and what below.
    cmap : str
        The colours.
    **limits
        ``vmin`` and ``vmax``, as for ``imshow``.
    """
    count, height = above.shape[:2]
    columns = min(count, BESIDE)
    rows = -(-count // columns)
    blank = np.full((rows * columns - count, *above.shape[1:]), np.nan)
    upper, lower = (np.concatenate([tiles, blank]).reshape(rows, columns, *above.shape[1:]) for tiles in (above, below))
    picture = mosaic(np.stack([upper, lower], axis=1).reshape(-1, *above.shape[1:]), columns)
    width = max(0.9 * columns, 1.8)
    ax = bare(new_axes(ax, (width + 1.2, min(width * picture.shape[0] / picture.shape[1], 9.0) + 0.4)))
    ax.imshow(picture, cmap=cmap, interpolation="nearest", **limits)
    middles = np.arange(2 * rows) * (height + 1) + (height - 1) / 2
    ax.set_yticks(middles, [names[i % 2] for i in range(2 * rows)])
    ax.tick_params(length=0)
    return ax


def size_of(picture, longest=9.0):
    """Return a size in inches for a picture of so many pixels, with room for a colour scale."""
    height, width = picture.shape[:2]
    # small pictures are enlarged until a pixel can be seen.
    scale = min(longest / max(height, width), 0.12)
    return max(width * scale, 1.6) + 1.2, max(height * scale, 1.0) + 0.5


def image_shape(size, shape, what):
    """Return the shape of a picture of so many values: the given one, or a square; None if there is none.

    Raises
    ------
    ValueError
        If the shape does not fit.
    """
    if shape is not None:
        shape = tuple(shape)
        if int(np.prod(shape)) != size:
            raise ValueError(f"shape={shape!r}: {what} has {size} values, which is not the product of these lengths")
        return shape
    side = int(round(np.sqrt(size)))
    return (side, side) if side * side == size and side > 1 else None


def is_colour(shape):
    """Tell whether an array of such a shape (height, width, channels) has the three channels of colours."""
    return len(shape) == 3 and shape[2] == 3


def label_ends(ax, ends):
    """Write the name of each curve at its end, moving names apart that would overlap.

    Parameters
    ----------
    ax : matplotlib Axes
        The axes.
    ends : list of (float, float, str, colour)
        Where each curve ends, its name, and its colour.
    """
    ax.figure.draw_without_rendering()
    height = ax.get_window_extent().height or 1
    places = [ax.transAxes.inverted().transform(ax.transData.transform(end[:2]))[1] for end in ends]
    needed = 13.0 * ax.figure.dpi / 72 / height
    order, last = sorted(range(len(ends)), key=places.__getitem__), -np.inf
    for i in order:
        last = max(places[i], last + needed)
        ax.text(1.01, last, ends[i][2], color=ends[i][3], transform=ax.transAxes, va="center", fontsize=9)
