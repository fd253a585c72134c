"""Pictures show the numbers that they are made of."""

import copy

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
    ax = plot.learning_curves(ROWS, "loss")
    train, valid, best = ax.lines
    assert list(best.get_xdata()) == [2, 2] and ax.get_title(loc="right") == "best epoch: 2"
    assert train.get_xydata().tolist() == [[1, 4], [2, 2], [3, 1]]
    assert valid.get_xydata().tolist() == [[2, 3]]  # where the validation was done, from the first epoch on
    assert [text.get_text() for text in ax.texts] == ["training", "validation"]
    assert ax.get_yscale() == "linear"
    panels = plot.learning_curves(ROWS)
    assert [panel.get_ylabel() for panel in panels] == ["loss", "acc"]
    assert panels[0].figure is panels[1].figure and panels[1].lines[0].get_ydata().tolist() == [0.1, 0.4, 0.5]


def test_learning_curves_call_nothing_a_validation_that_is_on_training_data():
    net, data = theanets.Regressor([2, 1]), (np.eye(2), [[1], [0]])
    options = dict(algo="sgd", learning_rate=0.1, epochs=2, validate_every=1)
    for valid, word in ((None, "evaluation"), (data, "validation")):
        net.train(data, valid, **options)
        assert {text.get_text() for text in plot.learning_curves(net.history).texts} == {"training", word}
        assert copy.deepcopy(net).history.has_validation_data == (valid is not None)


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
    ax = plot.learning_curves([{"train_loss": 1.0, "valid_loss": 1.001}])
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
    assert plot.weights(both, "hid1", "fw.xh").get_title() == "hid1_fw.xh: 2 x 2"


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


def image(ax):
    return np.ma.filled(ax.images[0].get_array(), np.nan)


def test_a_matrix_whose_inputs_are_no_picture_is_one_heat_map():
    net = theanets.recurrent.Regressor([3, (4, "gru"), 1])
    for name in ("w", "hh"):
        ax = plot.weights(net, "hid1", name)
        np.testing.assert_array_equal(image(ax), net.find("hid1", name).get_value())
        assert (ax.get_ylabel(), ax.get_xlabel()) == ("input", "unit")
    # a width that is a square makes no picture of what a unit gets from the other units.
    assert image(plot.weights(theanets.recurrent.Regressor([3, (9, "rnn"), 1]), 1, "hh")).shape == (9, 9)


def test_three_channels_are_colours():
    net = theanets.convolution.Classifier([(6, 6, 3), dict(form="conv2", size=2, filter_size=(2, 3)), "flat", 2])
    w = net.find("hid1", "w").get_value()
    expected = (w[0, :, ::-1, ::-1].transpose(1, 2, 0) / abs(w).max() + 1) / 2
    np.testing.assert_allclose(image(plot.weights(net))[:2, :3, :3], expected, atol=1e-6)
    x = np.random.RandomState(0).rand(2, 12) * 4
    picture = image(plot.reconstructions(theanets.Autoencoder([12, 3, 12]), x, shape=(2, 2, 3)))
    assert picture.shape == (5, 5, 4)
    low, high = x.min(), x.max()
    np.testing.assert_allclose(picture[:2, 3:, :3], (x[1].reshape(2, 2, 3) - low) / (high - low), atol=1e-6)
    assert (picture[2, :, 3] == 0).all() and (picture[:2, :2, 3] == 1).all()


def test_examples_that_are_no_pictures_are_curves():
    x = np.random.RandomState(0).randn(3, 20)
    net = theanets.Autoencoder([20, 3, 20])
    ax = plot.reconstructions(net, x, count=2)
    assert len(ax.lines) == 4 and not ax.images
    offset = ax.lines[1].get_ydata() - x[1]
    np.testing.assert_allclose(offset, offset[0], atol=1e-5)
    np.testing.assert_allclose(ax.lines[3].get_ydata() - offset, net.predict(x)[1], atol=1e-5)
    sequences = [np.ones((n, 2), "f") for n in (3, 5)]
    ax = plot.reconstructions(theanets.recurrent.Autoencoder([2, (3, "rnn"), 2]), sequences)
    assert [len(line.get_ydata()) for line in ax.lines] == [3, 3, 5, 5] * 2


def test_many_reconstructions_stand_in_several_rows(net):
    x = np.random.RandomState(0).rand(15, 16)
    ax = plot.reconstructions(net, x, count=15)
    assert image(ax).shape == (4 * 5 - 1, 12 * 5 - 1)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["data", "network"] * 2
    np.testing.assert_allclose(image(ax)[10:14, :4], x[12].reshape(4, 4), atol=1e-6)


def test_activations_of_a_layer_by_number_and_of_lists_of_sequences(net):
    x = np.random.RandomState(0).rand(3, 16)
    np.testing.assert_array_equal(image(plot.activations(net, x, 1)), image(plot.activations(net, x, net.layers[1])))
    with pytest.raises(KeyError, match="layer 7"):
        plot.activations(net, x, 7)
    recurrent = theanets.recurrent.Regressor([2, (3, "rnn"), 1])
    sequences = [np.full((n, 2), n, "f") for n in (4, 2)]
    found = image(plot.activations(recurrent, sequences))
    np.testing.assert_allclose(found, recurrent.feed_forward(sequences[0][None])["hid1:out"][0], atol=1e-6)


def test_a_confusion_matrix_of_many_classes_has_colours_and_no_numbers():
    x, y = np.random.RandomState(0).randn(90, 2), np.arange(90) % 30
    ax = plot.confusion_matrix(theanets.Classifier([2, 30]), x, y)
    assert not ax.texts and len(ax.figure.axes) == 2
    np.testing.assert_allclose(image(ax).sum(axis=1), 1)


def test_an_embedding_shows_codes_or_their_principal_components(net):
    x = np.random.RandomState(0).rand(12, 16)
    labels = np.arange(12) % 3
    ax = plot.embedding(net, x, labels)
    shown = np.concatenate([points.get_offsets() for points in ax.collections])
    codes = np.asarray(net.encode(x), float)
    # these have the largest variances that there are, and are not correlated.
    values = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    np.testing.assert_allclose(np.cov(shown.T), np.diag(values[:2]), atol=1e-6)
    assert len(ax.get_legend().get_texts()) == 3
    plane = theanets.Autoencoder([16, 2, 16])
    np.testing.assert_allclose(plot.embedding(plane, x).collections[0].get_offsets(), plane.encode(x), atol=1e-6)
    with pytest.raises(ValueError, match="2 labels for 12 examples"):
        plot.embedding(net, x, [0, 1])


def test_saliency_is_the_slope_of_the_largest_output():
    net, x = theanets.Classifier([16, 3]), np.random.RandomState(0).rand(2, 16)
    picture = image(plot.saliency(net, x))
    w = abs(net.find("out", "w").get_value()[:, net.predict(x)])
    expected = ((w - w.min()) / (w.max() - w.min())).T.reshape(2, 4, 4)
    np.testing.assert_allclose(picture[5:, :4], expected[0], atol=1e-5)
    np.testing.assert_allclose(picture[5:, 5:], expected[1], atol=1e-5)
    assert image(plot.saliency(theanets.Classifier([5, 3]), x[:, :5], unit=1)).shape == (2, 5)


def test_samples_are_what_a_network_makes_up(net):
    class Generative:
        def sample(self, count):
            return np.arange(count * 9.0).reshape(count, 9)

    picture = image(plot.samples(Generative(), 2))
    np.testing.assert_array_equal(picture[:3, :3], np.arange(9).reshape(3, 3))
    with pytest.raises(TypeError, match="no method sample"):
        plot.samples(object())


def test_data_without_examples_and_networks_for_histories_are_refused():
    net = theanets.Autoencoder([4, 2, 4])
    for draw in (plot.saliency, plot.reconstructions):
        with pytest.raises(ValueError, match=r"of shape \(0, 4\), hold no example"):
            draw(net, np.zeros((0, 4)))
    with pytest.raises(TypeError, match=r"expected its history: net\.history"):
        plot.learning_curves(net)
