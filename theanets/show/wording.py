"""Text that describes layers, losses and numbers, for tables and drawings."""

from .. import losses

__all__ = [
    "count",
    "show_activation",
    "show_inputs",
    "show_loss",
    "show_params",
    "show_shape",
    "show_size",
]


def show_shape(shape, times="x"):
    """Return a shape as text, with a question mark for lengths that are known only with the data."""
    return times.join("?" if entry is None else str(entry) for entry in shape or ()) or "-"


def count(number, word):
    """Return a number with a noun, as in ``1 parameter`` and ``1,200 parameters``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def show_inputs(layer):
    """Return the names of a layer's inputs; the default output of a layer is shown by the name of the layer."""
    names = [name.removesuffix(":out") for name in layer.input_names]
    names += [f"{name.removesuffix(':out')} (state)" for name in layer.initial_sources()]
    return ", ".join(names)


def show_activation(layer):
    """Return the name of a layer's activation; an empty string if it applies none."""
    return str(getattr(layer.activate, "name", "")) if layer.applies_activation else ""


def show_params(layer):
    """Return the names and shapes of a layer's parameters."""
    workers = {worker.name: worker for worker in layer.workers}
    shown = []
    for param in layer.params:
        owner, _, name = str(param.name).partition(".")
        # parameters of worker layers keep the suffix of the worker, such as fw and bw.
        owner = owner.removeprefix(f"{layer.name}_") + "." if owner in workers else ""
        shown.append(f"{owner}{name} {show_shape(param.get_value(borrow=True).shape)}")
    return ", ".join(shown)


def show_loss(loss):
    """Return the shortest name that a loss is registered by."""
    keys = [key for key, cls in losses.Loss._registry.items() if cls is type(loss)]
    return min(keys, key=len, default=type(loss).__name__.lower())


def show_size(num_bytes):
    """Return an amount of memory in the unit that suits it."""
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} GB"
