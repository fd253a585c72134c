"""Gradients of what a network computes, with respect to its data, its hidden units and its parameters."""

from typing import Any

import numpy as np
import theano

from .. import data, util
from . import caching, monitoring
from .functions import Functions

__all__ = ["Gradients"]


class Gradients(Functions):
    """The part of a network that computes gradients of its outputs and of its loss."""

    def gradient(self, of: str, wrt: str, x: Any, check: bool = True) -> np.ndarray:
        """Compute the gradient of a number with respect to data, outputs or parameters.

        Parameters
        ----------
        of : str, tuple or callable
            The number. ``'loss'`` is the loss that is trained, without regularizers. The name of a layer or an output,
            such as ``'out'`` or ``'hid1:pre'``, stands for the sum of its elements; a pair of such a name and an index
            for the sum of one unit, over all examples. A function is called with a dict of the expressions of all
            outputs, by full name, and returns an expression, whose elements are summed.
        wrt : str or list of str
            Names of layers or outputs, such as ``'in'``; or of parameters, such as ``'hid1.w'``.
        x : array-like (num-examples, num-variables)
            Data for the input, as for :meth:`predict`; for the loss, data as for :meth:`train`.
        check : bool, optional
            Refuse data that are infinite or not a number. Default True.

        Returns
        -------
        gradient : ndarray
            Of the shape of ``wrt``. With respect to the input this is the gradient of each
            example, as examples do not depend on each other. For several names, a list of arrays; for a list of
            sequences and an output, a list of arrays (num-steps, num-units).

        Raises
        ------
        KeyError
            If there is no such output or parameter.
        DataError
            For data that do not fit, or are not finite.
        ConfigurationError
            If ``of`` does not depend on ``wrt``, or is not a number that has a gradient.

        Notes
        -----
        K Simonyan, A Vedaldi, A Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification Models
        and Saliency Maps", ICLR workshop 2014, https://arxiv.org/abs/1312.6034

        Examples
        --------
        >>> import numpy as np
        >>> import theanets
        >>> net = theanets.Classifier([4, 3, 2])
        >>> x = np.random.RandomState(0).randn(5, 4)
        >>> saliency = abs(net.gradient(("out:pre", 1), "in", x))
        >>> saliency.shape
        (5, 4)
        >>> [g.shape for g in net.gradient("loss", ["hid1.w", "hid1:out"], [x, [0, 1, 1, 0, 1]])]
        [(4, 3), (5, 3)]
        """
        self._require_layers()
        names = [wrt] if isinstance(wrt, str) else wrt
        if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
            raise util.ConfigurationError(f"gradient(): wrt={wrt!r}, expected the name of an output or a parameter")
        slots = self._input_slots()
        if of == "loss":
            self._ensure_loss()
            slots = self._slots()
        arrays, lengths = data.cast_sequences(x, slots, check)
        masked = lengths is not None and len(set(lengths)) > 1
        wanted = set(map(util.output_name, names))
        read = {name for loss in self.losses for name in loss.output_names} if of == "loss" else ()
        context = self._context(masked, opaque=sorted(wanted.intersection(read)))
        inputs = [slot.variable for slot in slots]
        if masked:
            arrays, inputs = [*arrays, data.make_mask(lengths)], [*inputs, context.mask]

        def make_outputs():
            outputs, _ = self.build_graph((), context)
            variables = [self._find_variable(name, outputs) for name in names]
            return self._gradients(self._number(of, outputs, context), of, variables), []

        what = caching.Identity(of) if callable(of) else of
        # their attributes are part of the cache key, as users may change a loss in place.
        losses = [(type(loss), vars(loss)) for loss in self.losses] if of == "loss" else []
        key = "gradient", what, tuple(names), self._graph_key((), context), caching.fingerprint(losses)
        # a description of a loss may leave its weight out, which is a number in this graph.
        weighted = [(loss, loss.weight) for loss in self.losses] if of == "loss" else []
        shaping = ["gradient", self.layers, of, names, context.opaque, weighted]
        results = self._function(key, inputs, make_outputs, shaping)(*arrays)
        if lengths is not None:
            params = {param.name for param in self.params}
            results = [
                value if name in params or value.ndim < 3 else [row[:n] for row, n in zip(value, lengths)]
                for name, value in zip(names, results)
            ]
        return results[0] if isinstance(wrt, str) else results

    def _number(self, of, outputs, context):
        """Return the scalar expression whose gradient is wanted."""
        if of == "loss":
            return self.loss(context=context)
        if callable(of):
            value = of(outputs)
            if not hasattr(value, "type"):
                raise util.ConfigurationError(f"gradient(): {of!r} returned {value!r}, expected an expression")
            return value.sum()
        name, *index = of if isinstance(of, tuple) else (of,)
        if not isinstance(name, str) or len(index) > 1 or not all(map(util.is_int, index)):
            raise util.ConfigurationError(
                f"gradient(): of={of!r}, expected 'loss', the name of an output, a pair of a name and the index of a "
                "unit, or a function of the outputs"
            )
        value = monitoring.counted(self._get_output(outputs, util.output_name(name)), context)
        return value[..., int(index[0])].sum() if index else value.sum()

    def _find_variable(self, name, outputs):
        """Return the output or the parameter that has a name."""
        params = {param.name: param for param in self.params}
        if name in params:
            return params[name]
        full = util.output_name(name)
        if full not in outputs:
            raise util.unknown("output or parameter", name, [*outputs, *params])
        if "float" not in outputs[full].dtype:
            raise util.ConfigurationError(f"gradient(): {name!r} holds integers, which have no gradient")
        return outputs[full]

    @staticmethod
    def _gradients(total, of, variables):
        if getattr(total, "ndim", None) != 0 or "float" not in total.dtype:
            raise util.ConfigurationError(f"gradient(): of={of!r} is no number that has a gradient")
        try:
            return [util.dense(gradient) for gradient in theano.grad(total, variables)]
        except theano.gradient.DisconnectedInputError as error:
            raise util.ConfigurationError(
                f"gradient(): of={of!r} does not depend on all of {', '.join(v.name or str(v) for v in variables)}"
            ) from error
