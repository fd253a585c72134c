"""Pictures show the numbers that they are made of."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import theanets
from theanets.show import plot


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def net():
    return theanets.Autoencoder([16, (6, "tanh"), (16, "tied")])


ROWS = [({"loss": 4.0, "acc": 0.1}, {"loss": 5.0}), ({"loss": 2.0, "acc": 0.4}, {"loss": 5.0}),
        ({"loss": 1.0, "acc": 0.5}, {"loss": 3.0})]


def test_learning_curves_show_each_monitor():
    ax = plot.learning_curves(ROWS)
    train, valid = ax.lines
    assert train.get_xydata().tolist() == [[1, 4], [2, 2], [3, 1]]
    assert valid.get_xydata().tolist() == [[0, 5], [2, 3]]  # where the validation was done, not where it is repeated
    assert [text.get_text() for text in ax.texts] == ["training", "validation"] or len(ax.texts) == 2
    assert ax.get_yscale() == "linear"
    assert [text.get_text() for text in plot.learning_curves(ROWS, ["acc", "loss"]).texts] != []


def test_learning_curves_take_rows_of_a_history_and_large_ranges():
    rows = [{"train_loss": 10.0**-i, "valid_loss": None} for i in range(4)]
    ax = plot.learning_curves(rows)
    assert ax.get_yscale() == "log"
    assert len(ax.lines) == 1
    assert plot.learning_curves(rows, log=False).get_yscale() == "linear"


def test_learning_curves_refuse_what_is_not_there():
    with pytest.raises(ValueError, match="no monitor 'los'"):
        plot.learning_curves(ROWS, "los")
    with pytest.raises(ValueError, match="no epoch"):
        plot.learning_curves([])


def test_labels_at_the_end_of_curves_do_not_overlap():
    ax = plot.learning_curves([({"loss": 1.0}, {"loss": 1.001})])
    first, second = (text.get_window_extent() for text in ax.texts)
    assert first.y1 <= second.y0 + 1 or second.y1 <= first.y0 + 1


def test_weights_are_one_tile_for_each_unit(net):
    ax = plot.weights(net)
    picture = np.asarray(ax.images[0].get_array().filled(np.nan))
    w = net.find("hid1", "w").get_value()
    np.testing.assert_allclose(picture[:4, :4], w[:, 0].reshape(4, 4))
    np.testing.assert_allclose(picture[:4, 5:9], w[:, 1].reshape(4, 4))
    assert np.isnan(picture[:4, 4]).all()
    low, high = ax.images[0].get_clim()
    assert low == -high == -abs(w).max()
    assert plot.weights(net, shape=(2, 8)).get_title() == "hid1.w: 6 x 2x8"
    with pytest.raises(ValueError, match="16 values"):
        plot.weights(net, shape=(3, 5))
    with pytest.raises(ValueError, match="expected a matrix or filters"):
        plot.weights(net, param="b")


def test_filters_are_shown_as_they_meet_the_image():
    net = theanets.convolution.Classifier([(5, 5, 1), dict(form="conv2", size=2, filter_size=(2, 3)), "flat", 2])
    picture = np.asarray(plot.weights(net).images[0].get_array())
    np.testing.assert_allclose(picture[:2, :3], net.find("hid1", "w").get_value()[0, 0, ::-1, ::-1])


def test_reconstructions_stand_below_the_data(net):
    x = np.random.RandomState(0).rand(3, 16).astype("f")
    picture = np.asarray(plot.reconstructions(net, x, count=2).images[0].get_array())
    assert picture.shape == (9, 9)
    np.testing.assert_allclose(picture[:4, 5:], x[1].reshape(4, 4))
    np.testing.assert_allclose(picture[5:, :4], net.predict(x)[0].reshape(4, 4), atol=1e-6)


def test_activations_of_examples_and_of_steps(net):
    x = np.random.RandomState(0).rand(3, 16)
    np.testing.assert_allclose(plot.activations(net, x).images[0].get_array(), net.encode(x), atol=1e-6)
    recurrent = theanets.recurrent.Regressor([2, (3, "rnn"), 1])
    ax = plot.activations(recurrent, np.ones((2, 5, 2)), "hid1:pre")
    assert ax.images[0].get_array().shape == (5, 3)
    assert ax.get_ylabel() == "step"
    with pytest.raises(theanets.util.ConfigurationError, match="hid9"):
        plot.activations(net, x, "hid9")


def test_a_confusion_matrix_counts():
    net = theanets.Classifier([2, 3])
    x, y = np.random.RandomState(0).randn(20, 2), np.arange(20) % 3
    ax = plot.confusion_matrix(net, x, y, labels=["a", "b", "c"])
    assert sum(int(text.get_text()) for text in ax.texts) == 20
    predicted = net.predict(x)
    counts = {(int(t.get_position()[1]), int(t.get_position()[0])): int(t.get_text()) for t in ax.texts}
    assert all(counts.get((i, j), 0) == ((y == i) & (predicted == j)).sum() for i in range(3) for j in range(3))
    assert ax.get_xticklabels()[2].get_text() == "c"
    assert plot.confusion_matrix(net, x, y, normalize=True).texts[0].get_text().endswith("%")
    with pytest.raises(ValueError, match="2 labels for 3 classes"):
        plot.confusion_matrix(net, x, y, labels=["a", "b"])


def test_axes_that_are_given_are_drawn_into(net):
    _, ax = plt.subplots()
    assert plot.weights(net, ax=ax) is ax
    assert plot.learning_curves(ROWS, ax=ax) is ax


def test_weights_say_which_there_are():
    recurrent = theanets.recurrent.Regressor([2, (3, "lstm"), 1])
    for param in ("w", "b"):
        with pytest.raises((KeyError, ValueError), match="write param='xh' or param='hh'"):
            plot.weights(recurrent, param=param)
    with pytest.raises(ValueError, match=r"found a LSTM, expected a network.*weights\(net, 'hid1'\)"):
        plot.weights(recurrent.layers[1])
    with pytest.raises(KeyError, match="layers: in, hid1, out"):
        plot.weights(recurrent, "hid9")
    both = theanets.recurrent.Regressor([2, dict(form="bidirectional", size=4), 1])
    with pytest.raises(KeyError, match="param='fw.xh' or .*param='bw.hh'"):
        plot.weights(both)
    assert plot.weights(both, "hid1", "fw.xh").get_title() == "hid1_fw.xh: 2 x 1x2"


def test_weights_of_a_layer_itself(net):
    assert plot.weights(net, net.layers[1]).get_title() == plot.weights(net, "hid1").get_title()


@pytest.mark.parametrize("labels, words", [(np.eye(2)[[0, 1, 1]], "np.argmax"), (["a", "b", "a"], "np.unique"),
                                           ([0, 2, 1], "from 0 to 1")])
def test_confusion_matrix_reads_labels_as_training_does(labels, words):
    classifier, x = theanets.Classifier([2, 2]), np.eye(3, 2)
    with pytest.raises(ValueError, match=words):
        plot.confusion_matrix(classifier, x, labels)
    expected = plot.confusion_matrix(classifier, x, [0, 1, 1])
    for same in ([[0], [1], [1]], [0.0, 1.0, 1.0]):
        ax = plot.confusion_matrix(classifier, x, same)
        assert [text.get_text() for text in ax.texts] == [text.get_text() for text in expected.texts]
