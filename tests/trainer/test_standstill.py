"""A first epoch that changes nothing is reported, once, and nothing else is."""

import warnings

import numpy as np
import pytest
import theanets

RNG = np.random.RandomState(0)
X = RNG.randn(40, 3).astype("f")
Y = X[:, :2]


def dead(**kwargs):
    """A network whose output is cut off for all data."""
    net = theanets.Regressor([3, (4, "tanh"), (2, "relu")], **kwargs)
    net.find("out", "b").set_value(np.full_like(net.find("out", "b").get_value(), -1e6))
    return net


def complaints(net, data, *, epochs=2, **kwargs):
    """What training says about a first epoch."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.train(data, epochs=epochs, **kwargs)
    return [str(entry.message) for entry in caught if "first epoch" in str(entry.message)]


def test_a_gradient_of_zero(each_mode):
    (text,) = complaints(dead(), [X, Y], epochs=3)
    assert "changed no parameter" in text
    assert "scale the inputs" in text
    assert not complaints(theanets.Regressor([3, 4, 2]), [X, Y])


def test_a_gradient_of_zero_in_batches_that_are_made_one_by_one(each_mode):
    assert len(complaints(dead(), lambda: [X[:8], Y[:8]], train_batches=3)) == 1


@pytest.mark.parametrize("algo, options", [
    ("sgd", dict(momentum=0.9)), ("nag", {}), ("rprop", {}), ("adagrad", {}), ("adadelta", {}), ("esgd", {}),
    ("adam", {}),
], ids=str)
def test_any_algorithm(algo, options):
    assert len(complaints(dead(), [X, Y], algo=algo, **options)) == 1


def test_steps_that_are_too_small():
    (text,) = complaints(theanets.Regressor([3, 2]), [X, Y], algo="sgd", learning_rate=1e-20)
    assert "learning_rate=1e-20" in text


def test_units_that_are_saturated():
    net = theanets.Regressor([3, (2, "sigmoid")])
    assert complaints(net, [1e6 * X, 0.5 * abs(Y)])
    assert not complaints(net, [X, 0.5 * abs(Y)])


def test_nothing_is_said_where_nothing_was_meant_to_change():
    assert not complaints(theanets.Regressor([3, 2]), [X, Y], learning_rate=0)
    assert not complaints(theanets.Regressor([3, 4, 2]), [X, Y], freeze=["hid1"])
    assert not complaints(dead(), [X, Y], algo="sgd", schedule=lambda epoch: 0.0)


def test_the_first_epoch_that_counts_has_a_learning_rate():
    assert len(complaints(dead(), [X, Y], epochs=4, algo="sgd", schedule=lambda epoch: 0.0 if epoch < 2 else 0.1)) == 1
    assert not complaints(theanets.Regressor([3, 2]), [X, Y], epochs=3, algo="sgd",
                          schedule=lambda epoch: 0.1 * (epoch == 0))


def test_nothing_is_said_where_all_is_learned():
    net = theanets.Regressor([3, 2])
    assert not complaints(net, [X, net.predict(X)], algo="sgd")
    weighted = theanets.Classifier([3, 2], loss="hinge")
    assert not complaints(weighted, [X, weighted.predict(X)], algo="sgd")


def test_once_in_a_training_of_several_stages():
    net = theanets.Autoencoder([3, (3, "relu"), (2, "relu"), 3])
    assert len(complaints(net, [X], algo="layerwise", subalgo="sgd", learning_rate=1e-20)) == 1


def test_training_that_goes_on_is_not_at_its_first_epoch(tmp_path):
    options = dict(algo="sgd", learning_rate=1e-20, checkpoint=tmp_path / "state")
    assert len(complaints(theanets.Regressor([3, 2]), [X, Y], epochs=2, **options)) == 1
    assert not complaints(theanets.Regressor([3, 2]), [X, Y], epochs=3, **options)
