"""Measuring the shapes of outputs that layers do not declare, by computing them for arrays of zeros."""

from collections import OrderedDict

import numpy as np
import theano

from .. import util

__all__ = ["measure"]

#: Lengths of axes whose length is known only with the data: far apart, so that strides do not round them to one result,
#: and long enough for filters.
LENGTHS = 97, 160


def measure(layer, output, layers):
    """Find the shape of an output of a layer.

    It is computed twice, with different lengths for the unknown entries of the shapes of the inputs: whatever differs
    between the two results is unknown as well.

    Parameters
    ----------
    layer : :class:`theanets.Layer`
        A layer whose inputs are known.
    output : str
        Name of the output, without the layer's name.
    layers : sequence of :class:`theanets.Layer`
        The layers of the network.

    Returns
    -------
    shape : tuple of int or None
        For one example.

    Raises
    ------
    ConfigurationError
        If the layer has no such output.
    """
    before = _until(layer, layers)
    outputs = OrderedDict()
    for other in before:
        outputs.update(other.connect(outputs)[0])
    full_name = layer.full_name(output)
    if full_name not in outputs:
        known = [name for name in outputs if name.startswith(f"{layer.name}:")]
        raise util.ConfigurationError(
            f"layer {layer.name!r} has no output {output!r} (it has: {', '.join(known) or layer.output_name})"
        )
    sources = [other for other in before if hasattr(other, "zeros")]
    read = {
        name: shape
        for name, shape in layer._inputs
        if not any(outputs[name] is source.input for source in sources) and len(shape) + 1 == outputs[name].ndim
    }
    # the shapes of layers before this one are known, so that they need not be computed again.
    stand_ins = {name: outputs[name].type() for name in read}
    expression = theano.clone(
        outputs[full_name].shape, replace={outputs[name]: stand_in for name, stand_in in stand_ins.items()}
    )
    function = theano.function(
        [source.input for source in sources] + list(stand_ins.values()),
        expression,
        mode="FAST_COMPILE",
        on_unused_input="ignore",
    )
    found = [
        function(
            *(source.zeros(length) for source in sources),
            *(_zeros(stand_in, read[name], length) for name, stand_in in stand_ins.items()),
        )
        for length in LENGTHS
    ]
    return tuple(int(a) if a == b else None for a, b in zip(*(shape[1:] for shape in found)))


def _until(layer, layers):
    """Return the layers up to one of them; nothing if it is not among them."""
    before = []
    for other in layers:
        before.append(other)
        if other is layer:
            return before
    return []


def _zeros(variable, shape, length):
    """Return zeros for one example."""
    lengths = (1, *(length if entry is None else entry for entry in shape))
    return np.zeros([1 if fixed else n for n, fixed in zip(lengths, variable.broadcastable)], variable.dtype)
