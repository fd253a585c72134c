"""Predictions for arrays of many sizes, by few programs."""

import numpy as np
import pytest
import theanets
from theanets.network import functions, padding

FLOAT = "float32"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(padding, "EXACT", 2)
    theanets.set_mode("XLA")
    yield
    theanets.set_mode(None)


@pytest.fixture
def computed(monkeypatch):
    """The shapes of the first input that functions were called with."""
    shapes, call = set(), functions.Guarded.__call__

    def note(self, *args):
        shapes.add(args[0].shape)
        return call(self, *args)

    monkeypatch.setattr(functions.Guarded, "__call__", note)
    return shapes


def test_sizes_are_few_and_not_much_larger():
    sizes = [padding.rounded(size) for size in range(3000)]
    assert len(set(sizes[:1001])) == 12
    assert all(size <= rounded <= max(2 * size, size * 9 / 8 + 1) for size, rounded in enumerate(sizes))
    assert all(rounded <= size * 1.126 for size, rounded in enumerate(sizes) if size > padding.COARSE)


@pytest.mark.parametrize("layer", ["batchnorm", (5, "softmax+norm:z+prelu")])
def test_rows_are_filled_up(layer, computed):
    net = theanets.Classifier([4, layer, 3], rng=1)
    x = np.random.RandomState(0).randn(20, 4).astype(FLOAT)
    whole = net.feed_forward(x)
    for count in (3, 1, 5, 6, 9, 17, 19):
        found = net.feed_forward(x[:count])
        for name, value in whole.items():
            np.testing.assert_allclose(found[name], value[:count], rtol=1e-5, atol=1e-6)
    assert {shape[0] for shape in computed} == {20, 3, 1, 8, 16, 32}


@pytest.mark.parametrize("layer", [(4, "gru"), dict(form="bidirectional", worker="rnn", size=4)])
def test_steps_are_filled_up_with_a_mask(layer, computed):
    net, reference = (theanets.recurrent.Regressor([3, layer, 2], rng=1) for _ in range(2))
    x = np.random.RandomState(0).randn(3, 12, 3).astype(FLOAT)
    ragged = [x[0, :5], x[1, :11], x[2, :7]]
    found = {steps: net.predict(x[:, :steps]) for steps in (12, 1, 3, 5, 6, 9)}
    assert {shape[1] for shape in computed} == {12, 1, 4, 8, 16}
    lists = {number: net.predict(ragged[:number]) for number in (1, 2, 3)}
    theanets.set_mode("FAST_COMPILE")
    for steps, value in found.items():
        assert value.shape == (3, steps, 2)
        np.testing.assert_allclose(value, reference.predict(x[:, :steps]), rtol=1e-5, atol=1e-6)
    for number, values in lists.items():
        for value, expected in zip(values, reference.predict(ragged[:number])):
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_sparse_rows_are_filled_up():
    sparse = pytest.importorskip("scipy.sparse")
    net = theanets.Regressor([dict(size=6, sparse="csr"), 3, 2], rng=1)
    x = sparse.random(20, 6, 0.4, "csr", FLOAT, random_state=0)
    whole = net.predict(x)
    for count in range(1, 20, 3):
        np.testing.assert_allclose(net.predict(x[:count]), whole[:count], rtol=1e-5, atol=1e-6)
    assert x.shape == (20, 6)


class AcrossRows(theanets.Layer):
    def transform(self, inputs):
        x = inputs[self.input_name]
        return dict(out=x - x.mean(axis=0, keepdims=True)), []

    def setup(self):
        pass


def test_what_looks_at_other_rows_gets_these_alone(monkeypatch):
    x = np.random.RandomState(0).randn(20, 3).astype(FLOAT)
    net = theanets.Regressor([3, dict(form="acrossrows", size=3, activation="linear"), dict(size=3)])
    monkeypatch.setitem(theanets.activations.FUNCTIONS, "centred", lambda x: x - x.mean(axis=0, keepdims=True))
    other = theanets.Regressor([3, (3, "centred")])
    for count in (1, 2, 5, 7):
        np.testing.assert_allclose(net.feed_forward(x[:count])["hid1:out"].mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(other.predict(x[:count]).mean(axis=0), 0, atol=1e-6)


def test_noise_is_drawn_for_the_rows_that_there_are():
    net, other = theanets.Regressor([3, 4, 2]), theanets.Regressor([3, 4, 2])
    x = np.ones((9, 3), FLOAT)
    for count in (9, 8):
        other.predict(x[:count])
    for count in (9, 8, 7):
        net.predict(x[:count])
    kwargs = dict(input_noise=0.3)
    np.testing.assert_array_equal(net.predict(x[:6], **kwargs), other.predict(x[:6], **kwargs))
