"""Models of images: golden runs, targets of any rank, training, files."""

import io
import pickle

import numpy as np
import pytest
import theanets
from theanets import util
from theanets.convolution import Autoencoder, Classifier, Regressor
from theanets.util import ConfigurationError

from tests.helpers import assert_same_values, epochs, load_golden, names, tuples, values

RUNS = [run for run in load_golden("trajectories") if run["model"].startswith("convolution.")]

CONV = dict(form="conv2", size=3, filter_size=3)
POOL = dict(form="pool2", pool_size=2)


def draw(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape).astype("f")


def labels(*shape, classes=3, seed=0):
    return np.random.RandomState(seed).randint(classes, size=shape)


# Golden runs.


def test_there_are_golden_runs():
    assert [run["name"] for run in RUNS] == ["conv-clf"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run["name"])
def test_golden_run(run):
    network = getattr(theanets.convolution, run["model"].split(".")[1])(tuples(run["layers"]), **run["init"])
    sums = {name: [value.sum(dtype="d"), abs(value).sum(dtype="d")] for name, value in values(network).items()}
    assert sums == {name: pytest.approx(figures, rel=1e-6) for name, figures in run["observed"]["initial"].items()}
    rng = np.random.RandomState(run["data"]["seed"])
    kinds = dict(normal=lambda shape: rng.randn(*shape).astype("f"), int4=lambda shape: rng.randint(4, size=shape))
    data = [kinds[kind](shape) for kind, shape in run["data"]["arrays"]]
    losses = epochs(network, data, run["epochs"], average="batches", **run["train"])
    np.testing.assert_allclose(losses, run["observed"]["losses"], rtol=2e-4)


# What goes in, and what the target is.


def test_a_number_is_a_number_of_channels():
    network = Regressor([2, CONV, 2])
    assert network.inputs[0].ndim == 4
    assert [layer.output_shape for layer in network.layers] == [(None, None, 2), (None, None, 3), (None, None, 2)]
    assert network.predict(np.zeros((1, 5, 4, 2))).shape == (1, 3, 2, 2)
    assert network.predict(np.zeros((1, 3, 9, 2))).shape == (1, 1, 7, 2)
    with pytest.raises(ConfigurationError, match="'hid2'"):
        Regressor([2, CONV, "flat", 2])


@pytest.mark.parametrize("model, layers, target", [
    (Regressor, [(6, 6, 1), CONV, "flat", 2], (2,)),
    (Regressor, [(6, 6, 1), CONV, 2], (4, 4, 2)),
    (Regressor, [(6, 6, 1), POOL, CONV], (1, 1, 3)),
    (Regressor, [1, CONV], (4, 4, 3)),
    (Regressor, [(6, 6, 1), CONV, POOL], (2, 2, 3)),
    (Regressor, [(6, 6, 1), "flat", dict(form="reshape", shape=(9, 4)), 2], (9, 2)),
    (Classifier, [(6, 6, 1), CONV, "flat", 3], ()),
    (Classifier, [(6, 6, 1), CONV, 3], (4, 4)),
    (Classifier, [1, POOL, CONV], (1, 1)),
])
@pytest.mark.parametrize("weighted", [False, True])
def test_rank_of_the_target(model, layers, target, weighted):
    """Defect 39: the target has the rank of what the last layer puts out."""
    network = model(layers, weighted=weighted)
    assert [variable.ndim for variable in network.variables[1:]] == [len(target) + 1] * (1 + weighted)
    x = draw(4, 6, 6, 1)
    y = draw(4, *target, seed=1) if model is Regressor else labels(4, *target)
    data = [x, y, np.ones((4, *target), "f")][: 2 + weighted]
    (start, _), (end, _) = epochs(network, data, 2, algo="sgd", learning_rate=0.001, batch_size=4)
    assert np.isfinite([start, end]).all() and end != start
    assert np.isfinite(network.score(*data))
    assert network.predict(x).shape == (4, *target)
    with pytest.raises(util.DataError, match="'target'"):
        # a column of labels would do; two of them, or two channels of an image, do not.
        network.train([x, np.stack([y, y], axis=-1), *data[2:]])


def test_scores_and_losses_of_images():
    """Defect 39: numbers against NumPy."""
    x, y = draw(4, 6, 6, 1), draw(4, 4, 4, 3, seed=1)
    network = Regressor([(6, 6, 1), dict(CONV, activation="tanh")])
    predicted = network.predict(x)
    ((loss, _),) = epochs(network, [x, y], 1, algo="sgd", learning_rate=0, batch_size=4)
    assert loss == pytest.approx(((predicted - y) ** 2).mean(), rel=1e-5)
    expected = 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert network.score(x, y) == pytest.approx(expected, rel=1e-4)

    classes = labels(4, 4, 4)
    network = Classifier([(6, 6, 1), CONV])
    proba = network.predict_proba(x)
    np.testing.assert_allclose(proba.sum(axis=-1), 1, rtol=1e-5)
    ((loss, _),) = epochs(network, [x, classes], 1, algo="sgd", learning_rate=0, batch_size=4)
    rows = np.take_along_axis(proba, classes[..., np.newaxis], axis=-1)
    assert loss == pytest.approx(-np.log(rows).mean(), rel=1e-4)
    assert network.score(x, classes) == (proba.argmax(axis=-1) == classes).mean()


def test_the_target_of_an_autoencoder_is_its_input():
    """Defect 39."""
    layers = [(6, 5, 2), dict(CONV, border_mode="same", stride=2), dict(CONV, size=2, border_mode="full"), "flat", 60,
              dict(form="reshape", shape=(6, 5, 2))]
    network = Autoencoder(layers)
    assert names(network.variables) == ["in"] and network.inputs[0].ndim == 4
    x = draw(4, 6, 5, 2)
    (start, _), (end, _) = epochs(network, [x], 2, algo="sgd", learning_rate=0.01, batch_size=4)
    assert end < start
    assert np.isfinite(network.score(x))
    code = network.encode(x, "hid1")
    assert code.shape == (4, 3, 3, 3)
    np.testing.assert_allclose(network.decode(code, "hid1"), network.predict(x), rtol=1e-4, atol=1e-5)
    weighted = Autoencoder(layers, weighted=True)
    assert [variable.ndim for variable in weighted.variables] == [4, 4]


def test_an_autoencoder_for_images_of_any_size():
    network = Autoencoder([1, dict(CONV, border_mode="same"), dict(CONV, size=1, border_mode="same")])
    assert network.predict(np.zeros((2, 5, 7, 1))).shape == (2, 5, 7, 1)
    network.train([draw(4, 5, 7, 1)], epochs=1)


# Learning.


def test_a_filter_is_found():
    """A filter that is known can be learned from what it does to images: a check of all gradients at once."""
    x = draw(60, 6, 6, 1)
    teacher = Regressor([(6, 6, 1), dict(form="conv2", size=1, filter_size=2, activation="linear")], rng=3)
    student = Regressor([(6, 6, 1), dict(form="conv2", size=1, filter_size=2, activation="linear")], rng=4)
    student.train([x, teacher.predict(x)], algo="sgd", learning_rate=0.2, momentum=0, epochs=15, batch_size=20)
    for name, value in values(teacher).items():
        np.testing.assert_allclose(values(student)[name], value, atol=0.02, err_msg=name)


def test_dropout_and_noise_act_on_images():
    network = Classifier([(6, 6, 1), CONV, POOL, "flat", 3])
    x, y = draw(4, 6, 6, 1), labels(4)
    network.train([x, y], epochs=1, input_noise=0.1, hidden_dropout=0.2, weight_l2=0.01, hidden_l1=0.01)
    assert np.isfinite(network.predict_proba(x)).all()
    assert not np.allclose(network.predict_proba(x, hidden_dropout=0.5), network.predict_proba(x))


# Files.


@pytest.mark.parametrize("model, layers", [
    (Autoencoder, [(4, 4, 1), dict(CONV, size=1, border_mode="same", stride=1)]),
    (Regressor, [1, dict(CONV, border_mode="same", stride=2), dict(POOL, mode="mean", padding=1), 2]),
    (Classifier, [(6, 6, 1), dict(CONV, filter_size=(2, 3), activation="prelu"), POOL, "flat", 3]),
])
def test_save_and_load(model, layers):
    network = model(layers, rng=7)
    handle = io.BytesIO()
    network.save(handle)
    handle.seek(0)
    shape = network.layers[0].output_shape
    x = draw(3, *(entry or 6 for entry in shape))
    for again in (theanets.Network.load(handle), pickle.loads(pickle.dumps(network))):
        assert type(again) is model
        assert_same_values(values(again), values(network))
        np.testing.assert_array_equal(again.predict(x), network.predict(x))
        assert [layer.output_shape for layer in again.layers] == [layer.output_shape for layer in network.layers]
        data = [x] if model is Autoencoder else [x, network.predict(x)]
        copy = pickle.loads(pickle.dumps(network))
        assert epochs(again, data, 2, batch_size=3) == epochs(copy, data, 2, batch_size=3)


def test_arguments():
    for model, ndim in ((Autoencoder, 4), (Regressor, 4), (Classifier, 4)):
        assert model.INPUT_NDIM == ndim
        network = model(layers=[(3, 3, 1), dict(CONV, size=1, border_mode="same")], weighted=True, rng=5)
        assert network.rng == 5
        with pytest.raises(ConfigurationError, match="wieghted"):
            model([(3, 3, 1)], wieghted=True)
    assert (Regressor.OUTPUT_NDIM, Classifier.OUTPUT_NDIM) == (2, 1)


def test_a_dense_layer_is_no_image():
    """Data of the wrong rank is refused with the name of the array."""
    network = Classifier([(6, 6, 1), CONV, "flat", 3])
    with pytest.raises(util.DataError, match="'in'"):
        network.predict(draw(4, 36))
    with pytest.raises(util.DataError, match="'in'"):
        network.predict(draw(4, 6, 5, 1))
    assert network.predict(draw(4, 6, 6)).shape == (4,)
