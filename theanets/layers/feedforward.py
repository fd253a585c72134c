"""Dense layers, and layers that only rearrange what other layers put out.

Dense layers multiply by a weight matrix along the last axis, so they work on sequences and images as well. The
structural layers (product, concatenation, flattening, reshaping) have no parameters, and apply no activation.
"""

import numpy as np
import theano.sparse as SS
import theano.tensor as TT

from .. import util
from .base import Layer
from .context import context_of

__all__ = ["Product", "Concatenate", "Flatten", "Reshape", "Feedforward", "Classifier", "Tied"]


def dot(x, w):
    """Multiply an array or a sparse matrix by a matrix, along the last axis."""
    if isinstance(x.type, SS.SparseType):
        return SS.structured_dot(x, w)
    return TT.dot(x, w)


class _Structural(Layer):
    """Base class of layers that rearrange values."""

    stepwise = True

    applies_activation = False

    def _check_size(self, expected):
        """Refuse a size that contradicts the one that follows from the inputs."""
        size = self.kwargs.get("size")
        if size is not None and expected is not None and size != expected:
            raise util.ConfigurationError(f"layer {self.name!r}: size={size!r}, but its inputs make it {expected}")

    def _refuse_padding(self, inputs):
        """Refuse sequences of different lengths, where steps would be mixed with padding."""
        if context_of(inputs).mask is not None:
            raise util.ConfigurationError(
                f"layer {self.name!r} ({type(self).__name__.lower()}) does not go with sequences of different lengths"
            )

    def _input_shapes(self):
        if not self._inputs:
            raise util.ConfigurationError(f"layer {self.name!r}: expected at least one input, found none")
        return [shape for _, shape in self._inputs]


class Product(_Structural):
    """Multiply inputs of the same shape, element by element.

    Notes
    -----
    Outputs: ``out``, of the shape of each input.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([4, 3, dict(size=3, inputs="in"), dict(form="prod", inputs=("hid1", "hid2")), 2])
    >>> net.layers[3].output_shape
    (3,)
    """

    __extra_registration_keys__ = ["prod"]

    def resolve_outputs(self):
        first, *others = self._input_shapes()
        for name, shape in self._inputs[1:]:
            if shape != first:
                raise util.ConfigurationError(
                    f"layer {self.name!r} multiplies inputs of different shapes: {self._inputs[0][0]!r} has {first!r}, "
                    f"{name!r} has {shape!r}"
                )
        self._check_size(first[-1])
        self._output_shapes["out"] = first

    def transform(self, inputs):
        first, *others = (util.dense(inputs[name]) for name, _ in self._inputs)
        for other in others:
            first = first * other
        return first, []


class Concatenate(_Structural):
    """Join inputs along the last axis, in the order in which they are listed.

    Notes
    -----
    Outputs: ``out``, with as many units as all inputs together.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([4, 3, dict(form="concat", inputs=("hid1", "in")), 2])
    >>> net.layers[2].output_shape
    (7,)
    """

    __extra_registration_keys__ = ["concat"]

    def resolve_outputs(self):
        shapes = self._input_shapes()
        for name, shape in self._inputs[1:]:
            if shape[:-1] != shapes[0][:-1]:
                raise util.ConfigurationError(
                    f"layer {self.name!r} joins inputs that differ in more than the last axis: "
                    f"{self._inputs[0][0]!r} has {shapes[0]!r}, {name!r} has {shape!r}"
                )
        sizes = [shape[-1] for shape in shapes]
        total = None if None in sizes else sum(sizes)
        self._check_size(total)
        self._output_shapes["out"] = shapes[0][:-1] + (total,)

    def transform(self, inputs):
        return TT.concatenate([util.dense(inputs[name]) for name, _ in self._inputs], axis=-1), []


class Flatten(_Structural):
    """Merge all axes but that of the batch, the last one running fastest.

    An input with a length that is known only with the data needs a ``size``, which is then believed.

    Notes
    -----
    Outputs: ``out``, of shape ``(product of the input's lengths, )``.

    Examples
    --------
    >>> import theanets
    >>> theanets.Regressor([(5, 4, 3), "flat", 2]).layers[1].output_shape
    (60,)
    """

    __extra_registration_keys__ = ["flat"]

    stepwise = False

    def resolve_outputs(self):
        self._input_shapes()
        shape = self.input_shape
        product = None if None in shape else int(np.prod(shape))
        self._check_size(product)
        size = self.kwargs.get("size") if product is None else product
        if size is None:
            raise util.ConfigurationError(
                f"layer {self.name!r}: the size does not follow from the input shape {shape!r}; give a size"
            )
        self._output_shapes["out"] = (int(size),)

    def transform(self, inputs):
        self._refuse_padding(inputs)
        x = util.dense(inputs[self.input_name])
        # an explicit length, because Theano cannot infer -1 in a reshape of an empty batch.
        return x.reshape((x.shape[0], TT.prod(x.shape[1:])), ndim=2), []


class Reshape(_Structural):
    """Give each example another shape with the same number of elements.

    Parameters
    ----------
    shape : tuple of int
        The new shape, without the axis of the batch. One entry may be -1: it follows from the others.

    Notes
    -----
    Outputs: ``out``, of that shape.

    Examples
    --------
    >>> import theanets
    >>> theanets.Network([6, dict(form="reshape", shape=(3, -1))]).layers[1].output_shape
    (3, 2)
    """

    stepwise = False

    def _allows(self, entry):
        return entry > 0 or entry == -1

    @property
    def shape(self):
        """The new shape, as a list."""
        return list(self.output_shape or self._given_shape)

    def resolve_outputs(self):
        self._input_shapes()
        shape, given = self.input_shape, self._given_shape
        if self.kwargs.get("shape") is None or given is None:
            raise util.ConfigurationError(f"layer {self.name!r}: expected a shape, found none")
        if given.count(-1) + given.count(None) > 1:
            raise util.ConfigurationError(f"layer {self.name!r}: shape={given!r} leaves more than one entry open")
        rest = int(np.prod([entry for entry in given if entry not in (-1, None)]))
        is_open = -1 in given or None in given
        inferred = None
        if None not in shape:
            total = int(np.prod(shape))
            if total % rest if is_open else total != rest:
                raise util.ConfigurationError(
                    f"layer {self.name!r}: cannot turn an input of shape {shape!r} into shape {given!r}"
                )
            inferred = total // rest
        self._output_shapes["out"] = tuple(inferred if entry in (-1, None) else entry for entry in given)

    def transform(self, inputs):
        self._refuse_padding(inputs)
        x = util.dense(inputs[self.input_name])
        shape = self.output_shape
        if None in shape:
            known = int(np.prod([entry for entry in shape if entry is not None]))
            shape = [TT.prod(x.shape[1:]) // known if entry is None else entry for entry in shape]
        return x.reshape((x.shape[0], *shape), ndim=len(shape) + 1), []


class Feedforward(Layer):
    r"""A dense layer: a weighted sum of the inputs, plus a bias, and an activation.

    .. math:: y = f\left(\sum_i x_i W_i + b\right)

    Notes
    -----
    Parameters: ``w``, of shape (input size, size), or with several inputs one matrix for each, called ``w_`` and the
    full name of the input; ``b``, of shape (size, ).

    Outputs: ``pre``, the weighted sum; ``out``, the activation of it.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([4, (3, "tanh"), dict(size=2, inputs=("hid1", "in"))])
    >>> [p.name for p in net.params]
    ['hid1.w', 'hid1.b', 'out.w_hid1:out', 'out.w_in:out', 'out.b']
    """

    __extra_registration_keys__ = ["ff"]

    stepwise = True

    def resolve_outputs(self):
        names = self.input_names
        if not names:
            raise util.ConfigurationError(f"layer {self.name!r}: expected at least one input, found none")
        for name in names:
            if names.count(name) > 1:
                raise util.ConfigurationError(f"layer {self.name!r}: input {name!r} is listed more than once")
        for name, shape in self._inputs:
            if shape[-1] is None:
                raise util.ConfigurationError(
                    f"layer {self.name!r}: the size of its input {name!r}, of shape {shape!r}, must be known"
                )
        super().resolve_outputs()
        self._output_shapes["pre"] = self.output_shape

    def _weight_names(self):
        if len(self._inputs) == 1:
            return [(self.input_name, "w")]
        return [(name, f"w_{name}") for name, _ in self._inputs]

    def setup(self):
        for (_, weights), (_, shape) in zip(self._weight_names(), self._inputs):
            self.add_weights(weights, shape[-1], self.output_size)
        self.add_bias("b", self.output_size)

    def transform(self, inputs):
        first, *others = (dot(inputs[name], self.find(weights)) for name, weights in self._weight_names())
        pre = first
        for other in others:
            pre = pre + other
        pre = pre + self.find("b")
        return dict(pre=pre, out=self.activate(pre)), []


class Classifier(Feedforward):
    """A dense layer whose outputs are probabilities: its activation is ``softmax``, whatever was asked for."""

    __extra_registration_keys__ = ["softmax"]

    def __init__(self, **kwargs):
        kwargs["activation"] = "softmax"
        super().__init__(**kwargs)


class Tied(Layer):
    r"""A dense layer that multiplies by the transpose of another layer's weight matrix.

    .. math:: y = f\left(x W^\top + b\right)

    It maps back from the space of the other layer's outputs to that of its inputs, and has their shape.

    Parameters
    ----------
    partner : str or :class:`theanets.Layer`
        The layer whose weights are shared. It must have one input and a parameter called ``w``. A network finds it:
        going backwards, each tied layer is skipped together with its own partner.

    Notes
    -----
    Parameters: ``b``. The weight matrix belongs to the partner, and learns from both uses.

    Outputs: ``pre``, the weighted sum; ``out``, the activation of it.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Autoencoder([10, 8, 6, (8, "tied"), (10, "tied")])
    >>> [layer.partner.name for layer in net.layers[3:]]
    ['hid2', 'hid1']
    """

    stepwise = True

    def __init__(self, partner, **kwargs):
        super().__init__(**kwargs)
        # the size follows from the partner: a given size is only checked against it.
        self.kwargs.update(size=None, shape=None)
        self.partner = partner

    def bind(self, graph, reset=True, initialize=True):
        name = getattr(self.partner, "name", self.partner)
        found = [layer for layer in graph.layers if layer.name == name]
        if len(found) != 1:
            known = ", ".join(layer.name for layer in graph.layers)
            reason = f"there are {len(found)} of that name" if found else "there is none of that name"
            raise util.ConfigurationError(
                f"layer {self.name!r}: cannot be tied to layer {name!r}, {reason} (layers: {known})"
            )
        self.partner = found[0]
        super().bind(graph, reset=reset, initialize=initialize)

    def describe(self):
        """Return ``tied to`` and the name of the layer whose weights this one shares."""
        return f"tied to {getattr(self.partner, 'name', self.partner)}"

    def _weights(self):
        try:
            return self.partner.find("w")
        except KeyError:
            names = ", ".join(param.name for param in self.partner.params) or "none"
            raise util.ConfigurationError(
                f"layer {self.name!r}: cannot be tied to layer {self.partner.name!r}, which has no parameter 'w' "
                f"(it has: {names})"
            ) from None

    def resolve_outputs(self):
        shape = self._weights().get_value(borrow=True).shape
        if len(shape) != 2:
            raise util.ConfigurationError(
                f"layer {self.name!r}: cannot be tied to layer {self.partner.name!r}, whose parameter 'w' is no "
                f"matrix but has the shape {shape!r}"
            )
        nin, nout = shape
        if self.input_size != nout:
            raise util.ConfigurationError(
                f"layer {self.name!r}: its input {self.input_name!r} has {self.input_size} units, but the layer "
                f"{self.partner.name!r} that it is tied to puts out {nout}"
            )
        shape = self.partner.input_shape
        given = self._given_shape
        if given is not None and given not in (shape, shape[-1:]):
            raise util.ConfigurationError(
                f"layer {self.name!r}: asked for {given!r}, but the layer {self.partner.name!r} that it is tied to "
                f"has inputs of shape {shape!r}"
            )
        self._output_shapes["out"] = self._output_shapes["pre"] = shape

    def setup(self):
        self.add_bias("b", self.output_size)

    def transform(self, inputs):
        pre = dot(inputs[self.input_name], self._weights().T) + self.find("b")
        return dict(pre=pre, out=self.activate(pre)), []

    def to_spec(self):
        """Return a dict that :meth:`theanets.Network.add_layer` turns into a layer like this one."""
        return dict(super().to_spec(), partner=getattr(self.partner, "name", self.partner))
