"""Gradients with respect to data, hidden units and parameters, against differences."""

import numpy as np
import pytest
import theanets
from theanets import util

from tests.helpers import numeric_gradient

RNG = np.random.RandomState(0)
X = RNG.randn(4, 3).astype("f")
Y = RNG.randn(4, 2).astype("f")


@pytest.fixture
def network():
    return theanets.Regressor([3, (5, "tanh"), 2])


@pytest.mark.parametrize("of, number", [
    ("out", lambda net, x: net.predict(x).sum()), (("out", 1), lambda net, x: net.predict(x)[:, 1].sum()),
    (("hid1:pre", -1), lambda net, x: net.feed_forward(x)["hid1:pre"][:, -1].sum()),
    (lambda outputs: outputs["out:out"] ** 2, lambda net, x: (net.predict(x) ** 2).sum()),
])
def test_of_outputs_with_respect_to_the_input(of, number, network, each_mode):
    found = network.gradient(of, "in", X)
    expected = numeric_gradient(lambda x: number(network, x.astype("f")), X.astype("d"))
    np.testing.assert_allclose(found, expected, rtol=2e-2, atol=2e-3)


def test_each_example_has_a_gradient_of_its_own(network):
    np.testing.assert_allclose(network.gradient("out", "in", X[:1])[0], network.gradient("out", "in", X)[0], rtol=1e-5)


def test_of_the_loss_with_respect_to_parameters(network):
    """They are those that a step of gradient descent follows, and change when the loss does."""
    for _ in range(2):
        gradients = network.gradient("loss", ["hid1.w", "out.b"], [X, Y])
        before = [network.find("hid1", "w").get_value(), network.find("out", "b").get_value()]
        for _ in network.itertrain([X, Y], algo="sgd", learning_rate=0.5, epochs=1, batch_size=0):
            after = [network.find("hid1", "w").get_value(), network.find("out", "b").get_value()]
        for gradient, old, new in zip(gradients, before, after):
            np.testing.assert_allclose(new, old - 0.5 * gradient, rtol=1e-4, atol=1e-5)
        network.losses[0].weight = 0.25


def test_hidden_units(network):
    weights = network.find("out", "w").get_value()
    np.testing.assert_allclose(network.gradient(("out", 0), "hid1", X), np.tile(weights[:, 0], (4, 1)), rtol=1e-5)


def test_sequences_of_different_lengths():
    network = theanets.recurrent.Regressor([2, (3, "rnn"), 1])
    sequences = [RNG.randn(n, 2).astype("f") for n in (3, 5)]
    found = network.gradient("out", "in", sequences)
    for sequence, gradient in zip(sequences, found):
        assert gradient.shape == sequence.shape
        np.testing.assert_allclose(gradient, network.gradient("out", "in", sequence[None])[0], rtol=1e-4, atol=1e-6)
    assert network.gradient("out", "hid1.xh", sequences).shape == (2, 3)


def test_sparse_inputs():
    import scipy.sparse

    network = theanets.Regressor([dict(form="input", size=3, sparse="csr"), 2])
    weights = network.find("out", "w").get_value()
    found = network.gradient("out", "out.b", scipy.sparse.csr_matrix(X))
    np.testing.assert_allclose(found, [4, 4])
    assert weights.shape == (3, 2)


@pytest.mark.parametrize("of, wrt, x, error, words", [
    ("out", "hid9", X, KeyError, "hid9"), ("nothing", "in", X, KeyError, "nothing"), (3, "in", X, util.Error, "of=3"),
    (("out", "a"), "in", X, util.Error, "of="), ("out", [], X, util.Error, "wrt"), ("out", 3, X, util.Error, "wrt=3"),
    ("hid1", "out.w", X, util.Error, "does not depend"), (lambda outputs: 1, "in", X, util.Error, "returned 1"),
    (lambda outputs: outputs["out:out"].argmax(), "in", X, util.Error, "no number"),
    ("loss", "in", X, util.Error, None), ("out", "in", X[:, :2], util.DataError, None),
])
def test_what_has_no_gradient(of, wrt, x, error, words, network):
    with pytest.raises(error, match=words):
        network.gradient(of, wrt, x)


def test_labels_have_no_gradient():
    network = theanets.recurrent.Classifier([dict(form="input", size=5, dtype="int32"), (3, "embed"), 5])
    with pytest.raises(util.ConfigurationError, match="integers"):
        network.gradient("out", "in", np.zeros((2, 3), "i"))
