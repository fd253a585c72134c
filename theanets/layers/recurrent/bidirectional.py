"""Bidirectional recurrent layers: two layers that read a sequence from both ends."""

import functools

import theano.tensor as TT

from ... import util
from ..base import Layer
from ..context import context_of
from .base import Recurrent

__all__ = ["Bidirectional"]


def _join(parts):
    return TT.concatenate(parts, axis=2)


def _unroll(makers):
    """Return both parts of an output as they are made outside of their loops; None if they are not."""
    parts = [make and make() for make in makers]
    return None if None in parts else _join(parts)


class _Before:
    """The layers that can be read by the workers of another layer."""

    def __init__(self, layers):
        self.layers = layers


class Bidirectional(Layer):
    """Two recurrent layers of half the size, of which one runs forwards and one backwards.

    At each step, the output depends on all steps before and after.

    Parameters
    ----------
    worker : str, optional
        Form of the two layers. Default ``'rnn'``.
    size : int
        Number of units of both together: an even number.
    **kwargs
        Options for the workers. With an int seed, both start from the same weights; a generator avoids that.

    Notes
    -----
    Parameters: those of the workers, whose names are that of the layer with ``_fw`` and ``_bw`` appended.

    Outputs: ``fw_`` and ``bw_`` followed by the names of the workers' outputs; and for each output that is a sequence,
    under its own name, both joined along the last axis.

    M Schuster, K Paliwal, "Bidirectional recurrent neural networks", IEEE Trans. Signal Processing 45(11), 1997

    Examples
    --------
    >>> import theanets
    >>> net = theanets.recurrent.Regressor([2, dict(form="bidirectional", worker="gru", size=6), 1])
    >>> net.layers[1].output_shape, net.find("hid1", "fw.hh").get_value().shape
    ((None, 6), (3, 3))
    """

    applies_activation = False

    stepwise = False

    def __init__(self, worker="rnn", name=None, **kwargs):
        options = {key: value for key, value in kwargs.items() if key not in ("size", "shape", "direction")}
        self._worker_keywords = set(options)
        super().__init__(name=name or f"layer{Layer._count + 1}", **kwargs)
        self.worker = worker
        if self._given_shape is None or self._given_shape[-1] is None:
            raise util.ConfigurationError(f"layer {self.name!r}: expected a size or a shape, found neither")
        size = self._given_shape[-1]
        if size % 2:
            raise util.ConfigurationError(
                f"layer {self.name!r}: size={size}, expected an even number, for two workers of half the size"
            )
        cls = self._worker_class(worker)
        self.forward = cls(name=f"{self.name}_fw", size=size // 2, direction="forward", **options)
        self.backward = cls(name=f"{self.name}_bw", size=size // 2, direction="backward", **options)

    def _worker_class(self, worker):
        known = sorted(
            key for key, cls in Layer._registry.items() if issubclass(cls, Recurrent) and cls is not Recurrent
        )
        if isinstance(worker, type) and issubclass(worker, Recurrent):
            return worker
        if not isinstance(worker, str) or worker.lower() not in known:
            known = [key for key in known if not Layer.get_class(key).is_deprecated]
            error = util.unknown("recurrent layer form", worker, known)
            raise util.UnknownNameError(f"layer {self.name!r}: {error}")
        return Layer.get_class(worker)

    def known_keywords(self):
        """Return the names of the options; those for the workers are checked by the workers."""
        return super().known_keywords() | self._worker_keywords | {"direction"}

    def describe(self):
        """Return ``bidirectional`` and the form of the workers."""
        return f"bidirectional {type(self.forward).__name__.lower()}"

    @property
    def workers(self):
        """List of the two layers."""
        return [self.forward, self.backward]

    @property
    def params(self):
        """List of the parameters: those of the forward worker, then those of the backward one."""
        return [param for worker in self.workers for param in worker.params]

    def find(self, key):
        """Return a parameter, by its index or by a name such as ``'fw.xh'``."""
        names = [param.name.partition(f"{self.name}_")[2] for param in self.params]
        if isinstance(key, str) and key in names:
            return self.params[names.index(key)]
        if util.is_int(key) and 0 <= key < len(names):
            return self.params[key]
        raise util.UnknownNameError(
            f"layer {self.name!r} has no parameter {key!r}{util.suggestion(key, names)} (it has: {', '.join(names)})"
        )

    def chain_to(self, layer):
        super().chain_to(layer)
        for worker in self.workers:
            worker.chain_to(layer)

    def bind(self, graph, reset=True, initialize=True):
        before = _Before(list(graph.layers)[: self._position(graph.layers)])
        for worker in self.workers:
            worker.bind(before, reset=reset, initialize=initialize)
        super().bind(graph, reset=reset, initialize=initialize)

    def _initialize(self):
        """Do nothing, as the workers have the parameters."""

    def resolve_outputs(self):
        shape = self.input_shape[:-1] + self._given_shape[-1:]
        for name, its_shape in self.forward.shapes.items():
            self._output_shapes[f"fw_{name}"] = self._output_shapes[f"bw_{name}"] = its_shape
            self._output_shapes[name] = its_shape[:-1] + (2 * its_shape[-1],)
        self._output_shapes["out"] = shape

    def initial_sources(self):
        """Return the sizes of the initial states that are read from other layers, by full output name."""
        return {**self.forward.initial_sources(), **self.backward.initial_sources()}

    def carried_states(self, batch_size):
        """Refuse: the backward worker begins at the end of a sequence."""
        raise util.ConfigurationError(
            f"layer {self.name!r} runs backwards, too, from the end of a sequence; it cannot carry a state on to the "
            "next part of it"
        )

    def transform(self, inputs):
        (forward, fw_updates), (backward, bw_updates) = (worker.transform(inputs) for worker in self.workers)
        outputs, loops = {}, context_of(inputs).unrolled
        for name in forward:
            outputs[f"fw_{name}"], outputs[f"bw_{name}"] = forward[name], backward[name]
            if forward[name].ndim == 3:
                outputs[name] = _join([forward[name], backward[name]])
                parts = [loops.get(forward[name]), loops.get(backward[name])]
                loops[outputs[name]] = functools.partial(_unroll, parts)
        return outputs, [*fw_updates, *bw_updates]

    def to_spec(self):
        return dict(super().to_spec(), worker=self.worker)
