"""A loss whose target cannot fit the output is refused when it is added; what is not known is not refused."""

import numpy as np
import pytest
import theanets
import theanets.convolution
import theano.tensor as TT
from theanets import util

from ..helpers import names

CONV = dict(form="conv2", size=1, filter_size=3)
LABELS = dict(form="input", size=10, dtype="int32", ndim=3)
SPARSE = dict(form="input", size=10, sparse=True)


def huber(output, target):
    return TT.switch(abs(output - target) < 1, TT.sqr(output - target) / 2, abs(output - target) - 0.5)


def of_the_first(output, target):
    return TT.sqr(output[:, :3] - target[:, :3])


class SumOfAll(theanets.Loss):
    def __call__(self, outputs):
        return TT.sqr(outputs[self.output_name].sum() - self._target.sum())


class Fourth(theanets.Loss):
    def elementwise(self, output, target):
        return (output - target) ** 4


class OfTheFirstUnits(theanets.losses.MeanSquaredError):
    def elementwise(self, output, target):
        return TT.sqr(output - target[:, : output.shape[1]])


class Inverse(theanets.Loss):
    def __call__(self, outputs):
        x = outputs[self.output_name]
        return TT.nlinalg.matrix_inverse(TT.dot(x.T, x)).sum()


@pytest.mark.parametrize("model, layers, loss, words", [
    (theanets.Autoencoder, [10, 5, 8], "mse", ["'out' of shape (8,)", "'in'", "(10,)"]),
    (theanets.Autoencoder, [10, 5, 8], "kl", ["(8,)", "(10,)"]),
    (theanets.Autoencoder, [10, 5, 8], "mmd", ["(8,)", "(10,)"]),
    (theanets.Autoencoder, [10, 5, 8], huber, ["loss huber", "(8,)", "(10,)"]),
    (theanets.Autoencoder, [10, 5, 8], "fourth", ["Fourth", "(8,)", "(10,)"]),
    (theanets.Autoencoder, [10, 5, 10], dict(form="mae", output_name="hid1"), ["'hid1' of shape (5,)", "(10,)"]),
    (theanets.Autoencoder, [10, 5, 8], dict(form="mse", output_name="out:pre"), ["'out:pre' of shape (8,)", "(10,)"]),
    (theanets.Autoencoder, [SPARSE, 5, 8], "mse", ["(8,)", "(10,)"]),
    (theanets.Autoencoder, [SPARSE, 5, 8], huber, ["(8,)", "(10,)"]),
    (theanets.recurrent.Autoencoder, [3, (4, "rnn"), 2], "mse", ["(None, 2)", "(None, 3)"]),
    (theanets.recurrent.Autoencoder, [3, (4, "rnn"), 2], huber, ["(None, 2)", "(None, 3)"]),
    (theanets.convolution.Autoencoder, [(8, 8, 1), CONV], "mse", ["(6, 6, 1)", "(8, 8, 1)"]),
    (theanets.Classifier, [3, 4, 2], "mse", ["(2,)", "1 axis", "expected 2"]),
    (theanets.Network, [3, 4, 2], "xe", ["(2,)", "2 axes", "expected 1"]),
    (theanets.Regressor, [3, 4, 2], dict(form="mse", target=3), ["(2,)", "3 axes", "expected 2"]),
    (theanets.Regressor, [3, 4, 2], dict(form=huber, target=3), ["huber", "3", "2"]),
    (theanets.Network, [4, 8, dict(size=3, name="covar", inputs="hid1"), dict(size=2, name="mean", inputs="hid1")],
     "gll", ["'mean' of shape (2,)", "'covar' of shape (3,)"]),
])
def test_refused_when_the_network_is_made(model, layers, loss, words):
    with pytest.raises(util.ConfigurationError) as caught:
        model(layers, loss=loss)
    assert all(word in str(caught.value) for word in words), caught.value
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("model, layers, loss", [
    (theanets.Autoencoder, [10, 5, 10], "mse"),
    (theanets.Autoencoder, [10, 5, (10, "tied")], "mae"),
    (theanets.Autoencoder, [SPARSE, 5, 10], huber),
    (theanets.Autoencoder, [10, 5, 8], of_the_first),
    (theanets.Autoencoder, [10, 5, 8], "sumofall"),
    (theanets.Autoencoder, [10, 5, 8], "ofthefirstunits"),
    (theanets.Autoencoder, [10, 5, 8], "inverse"),
    (theanets.Autoencoder, [10, 5, 8], dict(form="mmd", kernel=lambda x, y: x.sum() * y.sum())),
    (theanets.recurrent.Autoencoder, [3, (4, "rnn"), 3], huber),
    (theanets.convolution.Autoencoder, [(8, 8, 1), dict(CONV, border_mode="same")], "mse"),
    # images of any size.
    (theanets.convolution.Autoencoder, [1, CONV], "mse"),
    (theanets.convolution.Autoencoder, [1, CONV], huber),
    (theanets.Classifier, [3, 4, 2], "hinge"),
    (theanets.Network, [3, 4, 2], dict(form="xe", target=1)),
    (theanets.Network, [(2, 3, 4, 5)], "mse"),
])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_may_fit_is_taken(model, layers, loss, weighted):
    # neither dicts nor what compares a part of the target takes weights.
    if weighted and (isinstance(loss, dict) or layers == [10, 5, 8]):
        return
    assert len(model(layers, loss=loss, weighted=weighted).losses) == 1


def test_the_target_has_as_many_axes_as_the_output():
    images = theanets.Regressor([(8, 8, 1), CONV])
    assert [variable.ndim for variable in images.variables] == [4, 4]
    points = theanets.Classifier([(8, 8, 1), dict(CONV, size=2), (2, "softmax")], weighted=True)
    assert [variable.ndim for variable in points.variables] == [4, 3, 3]
    assert [variable.ndim for variable in theanets.Regressor([(8, 8, 1), CONV], loss=huber).variables] == [4, 4]


def test_a_target_that_two_losses_share_fits_both():
    network = theanets.Regressor([4, 3, 2])
    with pytest.raises(util.ConfigurationError, match=r"'hid1' of shape \(3,\).*'out' of shape \(2,\)"):
        network.add_loss("mse", output_name="hid1", target="target")
    network.add_loss("mse", output_name="out:pre")
    assert names(network.variables) == ["in", "target"] and len(network.losses) == 2


def test_labels_have_a_class_each():
    network = theanets.Network([LABELS, (4, "embed"), (6, "softmax")], loss=None)
    with pytest.raises(util.ConfigurationError, match="10 labels.* 6 classes"):
        network.add_loss("xe", target=network.inputs[0])
    network = theanets.Network([LABELS, (4, "embed"), (10, "softmax")], loss=None)
    network.add_loss("xe", target=network.inputs[0])


def test_nothing_changes_where_a_loss_is_refused():
    network = theanets.Autoencoder([4, 3, 4])
    before = list(network.losses)
    for change in (network.add_loss, network.set_loss):
        with pytest.raises(util.ConfigurationError, match="'hid1'"):
            change("mse", output_name="hid1")
        assert network.losses == before
    network.train([np.ones((4, 4))], epochs=1)

    network = theanets.Autoencoder()
    network.add_layer(4)
    network.add_layer(3)
    with pytest.raises(util.ConfigurationError, match=r"\(5,\)"):
        network.add_layer(5, is_output=True)
    network.add_layer(4, is_output=True)
    assert names(network.layers) == ["in", "hid1", "out"]
