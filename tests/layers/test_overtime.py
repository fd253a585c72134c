"""Layers that make one vector of a sequence, and self-attention: ends of sequences, PyTorch's numbers, labels (n,)."""

import numpy as np
import pytest
import theanets
from theanets import util

from ..helpers import floats, load_golden

GOLDEN = load_golden("torch")["attention"]
RNG = np.random.RandomState(0)
SEQUENCES = [RNG.randn(length, 4).astype("f") for length in (3, 7, 1, 5)]


@pytest.mark.parametrize("form, function", [
    ("last", lambda x: x[-1]), ("mean", lambda x: x.mean(axis=0)), ("max", lambda x: x.max(axis=0)),
])
def test_each_form_knows_where_sequences_end(form, function):
    net = theanets.recurrent.Regressor([4, form, 2])
    found = net.feed_forward(SEQUENCES)["hid1:out"]
    np.testing.assert_allclose(found, [function(x) for x in SEQUENCES], rtol=1e-5)
    np.testing.assert_allclose(net.feed_forward(SEQUENCES[1][None])["hid1:out"], found[1:2], rtol=1e-6)


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_attention_weighs_steps(kind):
    net = theanets.recurrent.Regressor([4, dict(form="attention", kind=kind, hidden=3), 2])
    outputs, params = net.feed_forward(SEQUENCES), {p.name[5:]: p.get_value() for p in net.layers[1].params}
    for x, out, weights in zip(SEQUENCES, outputs["hid1:out"], outputs["hid1:weights"]):
        scores = x @ params["q"] / 2 if kind == "dot" else np.tanh(x @ params["w"] + params["b"]) @ params["v"]
        wanted = np.exp(scores[:, 0]) / np.exp(scores).sum()
        np.testing.assert_allclose(weights[: len(x)], wanted, rtol=1e-5)
        np.testing.assert_array_equal(weights[len(x) :], 0)
        np.testing.assert_allclose(out, wanted @ x, rtol=1e-4, atol=1e-6)


def test_self_attention_is_that_of_torch():
    net = theanets.recurrent.Regressor([4, dict(form="selfattention", size=4, heads=2), 4])
    for param in net.layers[1].params:
        param.set_value(floats(GOLDEN[param.name[5:]]))
    first, second = np.array(GOLDEN["x"])
    found = net.feed_forward([first, second[:2]])["hid1:out"]
    np.testing.assert_allclose(found[0], GOLDEN["out"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1][:2], np.array(GOLDEN["out"][1])[:2], rtol=1e-4, atol=1e-5)


def test_one_label_per_sequence_in_training_scores_and_files(tmp_path):
    words = dict(form="input", size=9, dtype="int32")
    texts = [RNG.randint(1, 9, length) for length in RNG.randint(2, 7, 40)]
    labels = np.array([int((text < 4).mean() > 0.4) for text in texts])
    net = theanets.recurrent.Classifier([words, (6, "embed"), (8, "gru"), "last", 2])
    _, valid = net.train([texts, labels], algo="adamw", learning_rate=0.05, epochs=25, batch_size=8)
    assert valid["acc"] == pytest.approx(net.score(texts, labels)) and valid["acc"] > 0.9
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(theanets.Network.load(tmp_path / "net.npz").predict(texts), net.predict(texts))


def test_one_target_per_sequence_of_a_regressor():
    net = theanets.recurrent.Regressor([4, dict(form="attention", kind="dot"), 1])
    net.train([SEQUENCES, [x[:, 0].mean() for x in SEQUENCES]], algo="lbfgs", epochs=10)
    assert net.predict(SEQUENCES).shape == (4, 1)


def test_labels_without_such_a_layer_name_it():
    with pytest.raises(util.DataError, match="'last', 'mean', 'max' or 'attention'"):
        theanets.recurrent.Classifier([4, (3, "rnn"), 2]).train([SEQUENCES, [0, 1, 0, 1]], epochs=1)


@pytest.mark.parametrize("layers, words", [
    ([4, dict(form="attention", kind="x"), 2], "kind"), ([4, dict(form="attention", hidden=0), 2], "hidden"),
    ([4, dict(form="last", size=3), 2], "asked for"), ([4, dict(form="selfattention", size=4, heads=3), 2], "multiple"),
    ([4, "last", "last", 2], "time axis"),
])
def test_bad_specs_are_refused(layers, words):
    with pytest.raises(util.ConfigurationError, match=words):
        theanets.recurrent.Regressor(layers)
