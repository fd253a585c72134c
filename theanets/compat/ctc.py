"""Connectionist temporal classification without warp-ctc, the library that Theano's Op is written for."""

import numpy as np

from .registry import after_importing


def _log_softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _log_add(*terms):
    return np.logaddexp.reduce(terms)


def _shifted(values, count):
    """Move the last axis, and fill up with minus infinity; to the left for negative counts."""
    result = np.full_like(values, -np.inf)
    if count > 0:
        result[..., count:] = values[..., :-count]
    else:
        result[..., :count] = values[..., -count:]
    return result


def _one(activations, labels):
    """Return the cost of a sequence, and its gradient; both are 0 where the labels take more steps than there are.

    Parameters
    ----------
    activations : array of float64 (steps, symbols)
        Before the softmax; symbol 0 is the blank.
    labels : array of int (num-labels, )
        The labels.
    """
    steps, symbols = activations.shape
    if not steps or len(labels) + np.sum(labels[1:] == labels[:-1]) > steps:
        return 0.0, np.zeros_like(activations)
    if len(labels) and labels.max() >= symbols:
        raise ValueError(f"label {labels.max()}, expected less than {symbols}, the number of symbols")
    # blanks around and between the labels; one between two different labels may be left out.
    path = np.zeros(2 * len(labels) + 1, int)
    path[1::2] = labels
    may_skip = np.zeros(len(path), bool)
    may_skip[2:] = (path[2:] != 0) & (path[2:] != path[:-2])
    log_p = _log_softmax(activations)
    emitted = log_p[:, path]
    before, after = (np.full((steps, len(path)), -np.inf) for _ in range(2))
    before[0, :2], after[-1, -2:] = emitted[0, :2], 0
    with np.errstate(invalid="ignore"):
        for t in range(1, steps):
            last = before[t - 1]
            before[t] = emitted[t] + _log_add(last, _shifted(last, 1), np.where(may_skip, _shifted(last, 2), -np.inf))
        for t in range(steps - 2, -1, -1):
            following = after[t + 1] + emitted[t + 1]
            skipped = _shifted(np.where(may_skip, following, -np.inf), -2)
            after[t] = _log_add(following, _shifted(following, -1), skipped)
    total = _log_add(*before[-1, -2:])
    occupied = np.zeros_like(activations)
    np.add.at(occupied.T, path, np.exp(before + after - total).T)
    return -total, np.exp(log_p) - occupied


@after_importing("theano.tensor.nnet.ctc")
def ctc_without_its_library(module):
    """Compute connectionist temporal classification in Python where there is no warp-ctc.

    ConnectionistTemporalClassification (theano/tensor/nnet/ctc.py:95) has an implementation in C alone, and refuses to
    be made without the library. It is made without it now. Where C code is asked for, and the library is found, that is
    what runs; as there, a sequence that has more labels than steps costs nothing.

    The method is that of Graves and others, Connectionist temporal classification, ICML 2006.
    """
    from theano import gof

    op = module.ConnectionistTemporalClassification

    def make(self, compute_grad=True, openmp=None):
        gof.COp.__init__(self, self.func_file, self.func_name)
        gof.OpenMPOp.__init__(self, openmp=openmp)
        self.compute_grad = compute_grad
        self.default_output = 0

    def c_code(self, *args):
        if not module.ctc_available():
            raise gof.utils.MethodNotDefined("c_code", type(self), "warp-ctc is not installed")
        return gof.COp.c_code(self, *args)

    def perform(self, node, inputs, outputs, params=None):
        activations, labels, lengths = inputs
        if not activations.shape[1] == len(labels) == len(lengths):
            raise ValueError(
                f"{activations.shape[1]} sequences of activations, {len(labels)} of labels, {len(lengths)} lengths"
            )
        if len(lengths) and not 0 <= lengths.min() <= lengths.max() <= len(activations):
            raise ValueError(f"lengths from {lengths.min()} to {lengths.max()}, expected 0 to {len(activations)}")
        costs, gradients = np.zeros(len(lengths), "float32"), np.zeros_like(activations)
        for i, length in enumerate(lengths):
            # negative labels fill up.
            costs[i], gradients[:length, i] = _one(activations[:length, i].astype("float64"), labels[i][labels[i] >= 0])
        for output, value in zip(outputs, (costs, gradients)):
            output[0] = value

    op.__init__ = make
    op.c_code = c_code
    op.perform = perform
