"""Connectionist temporal classification: Graves and others, ICML 2006."""

import jax
import jax.numpy as jnp
from theano.tensor.nnet.ctc import ConnectionistTemporalClassification

from ..registry import translates
from ..tracing import guard, is_known

#: In place of the logarithm of 0: with infinities, gradients would not be numbers.
NEVER = -1e30


def _compact(labels):
    """Move labels to the front of their rows, and what fills up, which is negative, to the end; return the lengths."""
    order = jnp.argsort(labels < 0, axis=1, stable=True)
    return jnp.take_along_axis(labels, order, axis=1), (labels >= 0).sum(axis=1)


def _shifted(values, count):
    return jnp.pad(values, [(0, 0), (count, 0)], constant_values=NEVER)[:, : values.shape[1]]


def costs_of(activations, labels, lengths):
    """Return the cost of each sequence; 0 where the labels take more steps than there are, as in warp-ctc.

    Parameters
    ----------
    activations : array (steps, sequences, symbols)
        Before the softmax; symbol 0 is the blank.
    labels : array of int (sequences, num-labels)
        The labels; negative ones fill up.
    lengths : array of int (sequences, )
        Numbers of steps.
    """
    labels, counts = _compact(labels)
    rows, size = jnp.arange(labels.shape[0]), 2 * labels.shape[1] + 1
    # blanks around and between the labels; one between two different labels may be left out.
    path = jnp.zeros((labels.shape[0], size), labels.dtype).at[:, 1::2].set(jnp.maximum(labels, 0))
    before = jnp.pad(path, [(0, 0), (2, 0)])[:, :size]
    may_skip = (path != 0) & (path != before) & (jnp.arange(size) >= 2)
    emitted = jnp.take_along_axis(jax.nn.log_softmax(activations, axis=-1), path[None], axis=2)
    start = jnp.where(jnp.arange(size) < 2, emitted[0], NEVER)

    def step(reached, items):
        t, emitted = items
        skipped = jnp.where(may_skip, _shifted(reached, 2), NEVER)
        new = jnp.logaddexp(jnp.logaddexp(reached, _shifted(reached, 1)), skipped) + emitted
        return jnp.where((t < lengths)[:, None], new, reached), None

    reached, _ = jax.lax.scan(step, start, (jnp.arange(1, emitted.shape[0]), emitted[1:]))
    with_label = jnp.where(counts > 0, reached[rows, jnp.maximum(2 * counts - 1, 0)], NEVER)
    total = jnp.logaddexp(reached[rows, 2 * counts], with_label)
    repeated = ((labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] >= 0)).sum(axis=1)
    return jnp.where((counts + repeated <= lengths) & (lengths > 0), -total, 0)


@translates(ConnectionistTemporalClassification)
def ctc(op, node, activations, labels, lengths):
    if not activations.shape[1] == labels.shape[0] == lengths.shape[0]:
        raise ValueError(f"{activations.shape} activations, {labels.shape} labels, {lengths.shape} lengths")
    for condition in ((lengths >= 0) & (lengths <= activations.shape[0]), labels < activations.shape[2]):
        if not is_known(condition) or condition.size:
            guard(condition)
    labels, lengths = jnp.asarray(labels), jnp.asarray(lengths)
    if not activations.size:
        return (jnp.zeros(labels.shape[0], "float32"), jnp.zeros(activations.shape, "float32"))[: len(node.outputs)]

    def total(activations):
        costs = costs_of(activations, labels, lengths)
        return costs.sum(), costs

    # in float64, as sums over paths lose precision.
    activations = jnp.asarray(activations, "float64")
    if not op.compute_grad:
        return total(activations)[1].astype("float32")
    gradient, costs = jax.grad(total, has_aux=True)(activations)
    return costs.astype("float32"), gradient.astype("float32")
