"""The package's namespace, and experiments."""

import importlib
import re

import numpy as np
import pytest
import theanets
from theanets import util

from tests.helpers import assert_same_values, names, values

X = np.random.RandomState(0).randn(6, 4).astype("f")
RUN = dict(algo="sgd", learning_rate=0.1)


@pytest.mark.parametrize("name, home", [
    ("Network", "graph"), ("Autoencoder", "feedforward"), ("Regressor", "feedforward"), ("Classifier", "feedforward"),
    ("Layer", "layers.base"), ("Layer", "layers"), ("Loss", "losses"), ("Activation", "activations"),
    ("Regularizer", "regularizers"), ("Experiment", "main"), ("log", "util"),
])
def test_namespace(name, home):
    module = theanets
    for part in home.split("."):
        module = getattr(module, part)
    assert getattr(theanets, name) is getattr(module, name)


def test_more_of_the_namespace():
    assert isinstance(theanets.__version__, str)
    assert theanets.layers.Classifier is not theanets.Classifier
    assert theanets.trainer.__name__ == "theanets.trainer"
    for name in ("Layer", "Input", "Concatenate", "Flatten", "Product", "Reshape", "Feedforward", "Classifier", "Tied"):
        assert issubclass(getattr(theanets.layers, name), theanets.Layer)
    for name in ("Feedforward", "Classifier", "Tied"):
        assert getattr(theanets.layers.feedforward, name) is getattr(theanets.layers, name)
    assert {name: getattr(theanets.Network, name) for name in ("DEFAULT_OUTPUT_ACTIVATION", "INPUT_NDIM", "OUTPUT_NDIM")
            } == dict(DEFAULT_OUTPUT_ACTIVATION="linear", INPUT_NDIM=2, OUTPUT_NDIM=2)
    assert (theanets.Classifier.DEFAULT_OUTPUT_ACTIVATION, theanets.Classifier.OUTPUT_NDIM) == ("softmax", 1)


# Experiment.


def test_a_model_class():
    made = theanets.Experiment(theanets.Autoencoder, [4, 3, 4], loss="mae", rng=5)
    assert type(made.network) is theanets.Autoencoder
    assert_same_values(values(made.network), values(theanets.Autoencoder([4, 3, 4], rng=5)))


def test_a_model_class_with_keywords():
    made = theanets.Experiment(theanets.feedforward.Regressor, layers=(4, 3, 2))
    assert names(made.network.layers) == ["in", "hid1", "out"]


def test_any_callable():
    made = theanets.Experiment(lambda size: theanets.Regressor([4, size, 2]), 7)
    assert made.network.layers[1].output_size == 7


def test_an_instance():
    network = theanets.Autoencoder([4, 3, 4])
    assert theanets.Experiment(network).network is network


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_path(kind, tmp_path):
    network = theanets.Autoencoder([4, 3, 4])
    network.save(tmp_path / "m.pkl.gz")
    made = theanets.Experiment(kind(tmp_path / "m.pkl.gz"))
    assert type(made.network) is theanets.Autoencoder
    np.testing.assert_array_equal(made.network.predict(X), network.predict(X))


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_missing_file(kind, tmp_path):
    """Defect 62."""
    with pytest.raises(FileNotFoundError, match="missing.pkl"):
        theanets.Experiment(kind(tmp_path / "missing.pkl"))


def test_the_bare_network_class():
    """Defect 17."""
    with pytest.raises((util.ConfigurationError, TypeError), match="Network"):
        theanets.Experiment(theanets.Network, [4, 3, 4])


@pytest.mark.parametrize("network", [3, None, [4, 3, 4]])
def test_other_things(network):
    with pytest.raises((util.ConfigurationError, TypeError)):
        theanets.Experiment(network)


def test_training():
    one, two = theanets.Experiment(theanets.Autoencoder, [4, 3, 4]), theanets.Autoencoder([4, 3, 4])
    assert one.train([X], max_updates=2, **RUN) == two.train([X], max_updates=2, **RUN)
    assert list(one.itertrain([X], max_updates=2, **RUN)) == list(two.itertrain([X], max_updates=2, **RUN))
    assert_same_values(values(one.network), values(two))


def test_run_is_deprecated():
    one, two = theanets.Experiment(theanets.Autoencoder, [4, 3, 4]), theanets.Autoencoder([4, 3, 4])
    with pytest.warns(DeprecationWarning, match="train"):
        one.run([X], max_updates=2, **RUN)
    two.train([X], max_updates=2, **RUN)
    assert_same_values(values(one.network), values(two))


def test_saving_and_loading(tmp_path):
    made = theanets.Experiment(theanets.Autoencoder, [4, 3, 4])
    first = made.network
    made.save(str(tmp_path / "m.pkl"))
    made.train([X], max_updates=2, **RUN)
    loaded = made.load(str(tmp_path / "m.pkl"))
    assert made.network is loaded is not first
    assert_same_values(values(loaded), values(theanets.Autoencoder([4, 3, 4])))


def test_a_report_has_versions_devices_and_modes():
    report = importlib.import_module("theanets.__main__").describe()
    lines = dict(line.split(None, 1) for line in report.splitlines())
    assert lines["theanets"].startswith(theanets.__version__)
    assert lines["Theano"] == "1.0.5" and lines["numpy"] == np.__version__ and lines["floatX"] == theanets.util.FLOAT
    assert str(theanets.get_mode()) in lines["mode"] and re.search("cpu|gpu|cuda", lines["devices"])
