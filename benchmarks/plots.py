"""Curves of the cost against width, depth, batch size and length."""

from .contenders import CONTENDERS
from .report import cost_of

__all__ = ["draw"]

TITLES = {
    "width": ("Autoencoders of three layers of a width", "units in a layer"),
    "depth": ("Networks of 64 units in a layer", "hidden layers"),
    "batch": ("Autoencoder 64-32-64", "examples in a batch"),
    "length": ("LSTM of 32 units", "steps of a sequence"),
}

#: One library, one colour; the ways to use it differ in their lines.
STYLES = {
    "theanets": ("C3", "-"),
    "theanets-batches": ("C3", "--"),
    "theanets-c": ("C3", ":"),
    "torch": ("C1", "-"),
    "torch-compile": ("C1", "--"),
    "sklearn": ("C4", "-"),
    "keras": ("C2", "-"),
    "jax": ("C0", "-"),
    "jax-batches": ("C0", "--"),
}


def draw(results, folder):
    """Draw the scaling curves that there are results for.

    Parameters
    ----------
    results : list of dict
        See :func:`benchmarks.session.measure`.
    folder : pathlib.Path
        Where to put the files.

    Returns
    -------
    paths : list of pathlib.Path
    """
    import matplotlib

    matplotlib.use("Agg")
    curves = {}
    for result in results:
        if result["workload"]["curve"]:
            curve, place = result["workload"]["curve"]
            curves.setdefault(curve, []).append((place, result))
    if not curves:
        return []
    return [_figure(curves, folder / "scaling.png")]


def _figure(curves, path):
    import matplotlib.pyplot as plt

    columns = min(len(curves), 2)
    rows = -(-len(curves) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(5.2 * columns, 3.6 * rows + 0.8), squeeze=False)
    for axes, (curve, points) in zip(grid.flat, curves.items()):
        _panel(axes, curve, points)
    for axes in grid.flat[len(curves) :]:
        axes.set_visible(False)
    handles = {}
    for axes in grid.flat:
        handles.update({text: handle for handle, text in zip(*axes.get_legend_handles_labels())})
    figure.supylabel("seconds of a training step", fontsize=10)
    legend = figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=3, frameon=False, fontsize=9)
    lines = -(-len(legend.get_texts()) // 3)
    figure.tight_layout(rect=(0, 0.25 * lines / figure.get_figheight(), 1, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _panel(axes, curve, points):
    title, label = TITLES[curve]
    for name, contender in CONTENDERS.items():
        known = [(place, cost_of(result, name)) for place, result in points]
        known = [(place, cost) for place, cost in known if cost]
        if known:
            color, line = STYLES.get(name, ("0.5", "-"))
            axes.plot(*zip(*known), color=color, linestyle=line, marker="o", markersize=3, label=contender.label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    places = [place for place, _ in points]
    axes.set_xticks(places, [str(place) for place in places])
    axes.set_xticks([], minor=True)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(label, fontsize=9)
    axes.grid(alpha=0.3)
