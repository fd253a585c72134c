"""Checks that outputs and targets of a loss have shapes that fit, when a network is made and before there are data."""

import numpy as np
import theano

from .. import losses, util
from ..layers import Input
from ..layers.context import Outputs

__all__ = ["check", "count_axes"]

#: Length of axes whose length is known only with the data, where a loss is tried.
LENGTH = 5


def count_axes(loss, layers):
    """Return the number of axes that the target of a loss has to have.

    Parameters
    ----------
    loss : :class:`theanets.Loss`
        The loss.
    layers : list of :class:`theanets.Layer`
        The layers of its network.

    Returns
    -------
    ndim : int or None
        With the axis of the batch. None if nothing is known, or if there is no variable of so many axes.
    """
    shape = loss.target_shape(_shapes(layers))
    return None if shape is None or not len(shape) + 1 < len(loss.TARGETS) else len(shape) + 1


def _shapes(layers):
    """Return the shapes of all outputs that are known, by full name."""
    return {layer.full_name(output): shape for layer in layers for output, shape in layer.shapes.items()}


def check(loss, layers, others=()):
    """Refuse a loss whose target cannot fit the output that it is compared with.

    Lengths that are known only with the data fit any other. A loss with a formula of its own may have any target; where
    the shape of that is known, as in autoencoders, it is tried.

    Parameters
    ----------
    loss : :class:`theanets.Loss`
        The loss, with the variables that it is going to use.
    layers : list of :class:`theanets.Layer`
        The layers of its network.
    others : sequence of :class:`theanets.Loss`, optional
        Losses that may have the same target.

    Raises
    ------
    ConfigurationError
        Naming both sizes.
    """
    shapes = _shapes(layers)
    if any(shapes.get(name) is None for name in loss.output_names):
        return
    target = loss.variables[0]
    source = next((layer for layer in layers if isinstance(layer, Input) and layer.input is target), None)
    given, owner = None, f"target {target.name!r}"
    if source is not None:
        given = source.output_shape[:-1] if source.labels else source.output_shape
        owner = f"target, the input {source.name!r},"
    if not _is_ours(loss):
        if not loss.has_own_formula:
            output = shapes[loss.output_name]
            loss._check_dimensions(theano.tensor.TensorType(util.FLOAT, (False,) * (len(output) + 1))(), target)
        if source is not None:
            _try(loss, layers, shapes, source, given)
        return
    _check_outputs(loss, shapes)
    wanted = loss.target_shape(shapes)
    if len(wanted) + 1 >= len(loss.TARGETS):
        # no variable has so many axes: such a network is used for prediction, and not trained as a whole.
        return
    if target.ndim != len(wanted) + 1:
        raise util.ConfigurationError(
            f"{_describe(loss, shapes)}: its {owner} has {_count(target.ndim)}, that of the batch included, expected "
            f"{len(wanted) + 1}" + (f", as for {given}" if given is not None else "")
        )
    if given is None:
        other = next((other for other in others if other.variables[0] is target and _is_ours(other)), None)
        if other is not None and all(shapes.get(name) is not None for name in other.output_names):
            given, owner = other.target_shape(shapes), f"target is also that of the {_describe(other, shapes)}, and"
    if given is not None and not _agree(wanted, given):
        raise util.ConfigurationError(
            f"{_describe(loss, shapes)}: its {owner} has the shape {given}, expected {wanted}"
        )
    classes = loss.num_classes(shapes)
    if source is not None and source.labels and None not in (classes, source.output_size):
        if classes < source.output_size:
            raise util.ConfigurationError(
                f"{_describe(loss, shapes)}: its {owner} has {source.output_size} labels, but the output has {classes} "
                "classes"
            )


def _is_ours(loss):
    """Tell whether a loss is one of the library's own, so that it is known how it uses its target."""
    kernel = getattr(loss, "kernel", None)
    return (
        type(loss).__module__.partition(".")[0] == __package__.partition(".")[0]
        and not isinstance(loss, losses.Formula)
        and (kernel is None or isinstance(kernel, losses.GaussianKernel))
    )


def _agree(a, b):
    return len(a) == len(b) and all(m == n or m is None or n is None for m, n in zip(a, b))


def _count(ndim):
    return f"{ndim} axis" if ndim == 1 else f"{ndim} axes"


def _describe(loss, shapes):
    """Return the name of a loss and of the outputs that it reads, with their shapes."""
    outputs = " and ".join(f"{name.removesuffix(':out')!r} of shape {shapes[name]}" for name in loss.output_names)
    return f"loss {getattr(loss, 'name', type(loss).__name__)} of {outputs}"


def _check_outputs(loss, shapes):
    """Refuse outputs that are compared with the same target and differ."""
    first, *rest = (shapes[name] for name in loss.output_names)
    for other in rest:
        if not _agree(first, other):
            raise util.ConfigurationError(f"{_describe(loss, shapes)}: these shapes must be the same")


def _try(loss, layers, shapes, source, given):
    """Compute a loss with a formula of its own for arrays of zeros, to see whether their shapes fit."""
    inputs, values, outputs = [source.input], [source.zeros(LENGTH)], Outputs()
    for layer in layers:
        for output, shape in layer.shapes.items():
            name = layer.full_name(output)
            if isinstance(layer, Input):
                outputs[name] = layer.input
                if layer is not source:
                    inputs.append(layer.input)
                    values.append(layer.zeros(LENGTH))
            else:
                variable = theano.tensor.TensorType(util.FLOAT, (False,) * (len(shape) + 1))(name)
                lengths = [LENGTH if entry is None else entry for entry in shape]
                if name in loss.output_names and len(shape) == len(given):
                    # an open length is that of the target.
                    lengths = [b if a is None and b is not None else n for n, a, b in zip(lengths, shape, given)]
                outputs[name] = variable
                inputs.append(variable)
                values.append(np.zeros((1, *lengths), util.FLOAT))
    try:
        expression = loss(outputs)
        weights = loss.variables[1:]
        arrays = [np.ones(np.shape(_dense(values[0])), variable.dtype) for variable in weights]
        function = theano.function([*inputs, *weights], expression, mode="FAST_COMPILE", on_unused_input="ignore")
        function(*values, *arrays)
    except util.ConfigurationError:
        raise
    except np.linalg.LinAlgError:
        return
    except (ValueError, IndexError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise util.ConfigurationError(
            f"{_describe(loss, shapes)}: its target, the input {source.name!r}, of shape {given} does not fit: {reason}"
        ) from error
    except Exception:
        # any other error has nothing to do with shapes.
        return


def _dense(value):
    return value.toarray() if hasattr(value, "toarray") else value
