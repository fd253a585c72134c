"""Connectionist temporal classification, by XLA and by Theano, against all alignments one by one."""

import itertools

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theano.tensor.nnet.ctc import ctc

from . import helpers

STEPS, SYMBOLS = 4, 3
#: Rows: two labels; twice the same; a hole that fills up; none; more than there are steps; two steps; no step.
LABELS = np.array([[1, 2, -1], [1, 1, -1], [-1, 2, 1], [-1, -1, -1], [1, 1, 1], [2, 1, -1], [1, -1, -1]], "int32")
LENGTHS = np.array([4, 4, 3, 4, 4, 2, 0], "int32")
ACTIVATIONS = np.random.RandomState(2).randn(STEPS, len(LABELS), SYMBOLS).astype("float32")


def by_alignments(activations):
    """Compute the costs by adding up the probabilities of all sequences of symbols that mean the labels."""
    p = np.exp(activations.astype("float64"))
    p /= p.sum(axis=-1, keepdims=True)
    costs = []
    for i, (labels, length) in enumerate(zip(LABELS, LENGTHS)):
        total = 0
        for path in itertools.product(range(SYMBOLS), repeat=int(length)):
            meant = [symbol for symbol, _ in itertools.groupby(path) if symbol]
            if meant == [label for label in labels if label >= 0]:
                total += np.prod([p[t, i, symbol] for t, symbol in enumerate(path)])
        # what cannot be costs nothing, as in the library that the Op was made for.
        costs.append(-np.log(total) if total and length else 0)
    return np.array(costs)


@pytest.fixture(scope="module", params=["XLA", "FAST_COMPILE"])
def function(request):
    x, labels, lengths = TT.ftensor3("x"), TT.imatrix("labels"), TT.ivector("lengths")
    costs = ctc(x, labels, lengths)
    weights = np.arange(1, len(LABELS) + 1).astype("float32")
    outputs = [costs, TT.grad((costs * weights).sum(), x)]
    mode = "XLA" if request.param == "XLA" else helpers.REFERENCE
    return theano.function([x, labels, lengths], outputs, mode=mode)


def test_costs_and_gradients(function):
    costs, gradient = function(ACTIVATIONS, LABELS, LENGTHS)
    np.testing.assert_allclose(costs, by_alignments(ACTIVATIONS), rtol=1e-5, atol=1e-6)
    differences = np.zeros_like(ACTIVATIONS)
    weights = np.arange(1, len(LABELS) + 1)
    for place in np.ndindex(STEPS, 1, SYMBOLS):
        shift = np.zeros(ACTIVATIONS.shape)
        shift[place[0], :, place[2]] = 1e-5
        up, down = by_alignments(ACTIVATIONS + shift), by_alignments(ACTIVATIONS - shift)
        differences[place[0], :, place[2]] = (up - down) / 2e-5 * weights
    np.testing.assert_allclose(gradient, differences, rtol=1e-4, atol=1e-5)


def test_labels_and_lengths_out_of_range(function):
    with pytest.raises(ValueError, match="label 3, expected less than 3"):
        function(ACTIVATIONS, np.where(LABELS == 2, 3, LABELS), LENGTHS)
    with pytest.raises(ValueError, match="to 5, expected 0 to 4"):
        function(ACTIVATIONS, LABELS, LENGTHS + 1)
