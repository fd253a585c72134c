"""Layers that read integer labels."""

from .. import util
from .base import Layer

__all__ = ["Embed"]


class Embed(Layer):
    r"""A layer that replaces each integer label by a learned vector.

    .. math:: y = f(W_x)

    It does what a dense layer without a bias does for labels in one-hot form, without making them.

    Notes
    -----
    It reads an input layer with ``dtype='int32'``, whose size is the number of labels. Its activation is ``linear``,
    unless told otherwise.

    Parameters: ``w`` (number of labels, size).

    Outputs: ``pre``, the vectors; ``out``, the activation of them.

    Examples
    --------
    >>> import theanets
    >>> words = dict(form="input", size=1000, dtype="int32")
    >>> net = theanets.recurrent.Classifier([words, (16, "embed"), (32, "gru"), 5])
    >>> net.predict([[3, 999, 0]]).shape
    (1, 3)
    """

    __extra_registration_keys__ = ["embedding"]

    default_activation = "linear"

    reads_labels = True

    stepwise = True

    def resolve_outputs(self):
        if len(self._inputs) != 1:
            raise util.ConfigurationError(
                f"layer {self.name!r}: expected exactly one input, found {self.input_names!r}"
            )
        super().resolve_outputs()
        self._output_shapes["pre"] = self.output_shape

    def setup(self):
        self.add_weights("w", self.input_size, self.output_size)

    def transform(self, inputs):
        labels = inputs[self.input_name]
        # indexing with one flat vector is faster than with an array of indices.
        shape = [labels.shape[i] for i in range(labels.ndim)]
        rows = self.find("w")[labels.flatten()]
        pre = rows.reshape([*shape, self.output_size], ndim=labels.ndim + 1)
        return dict(pre=pre, out=self.activate(pre)), []
