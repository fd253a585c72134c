"""Figures of epochs and validations are those of the data, however the data are cut into batches."""

import itertools

import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.tensor as TT
from theanets import util
from theanets.layers import means
from theanets.trainer.averages import Averages

RNG = np.random.RandomState(8)
X = RNG.randn(33, 4).astype("f")
Y = (X[:, :2] + 1).astype("f")
LABELS = RNG.randint(3, size=33)
WEIGHTS = RNG.rand(33).astype("f") * (RNG.rand(33) < 0.6)
ELEMENTS = (RNG.rand(33, 2) ** 3).astype("f")
LENGTHS = RNG.randint(1, 8, size=33)
STILL = dict(algo="sgd", learning_rate=0.0, epochs=1, validate_every=1)


def sequences(size=None, scale=1.0):
    draw = np.random.RandomState(3)
    shape = () if size is None else (size,)
    return [(scale * draw.rand(length, *shape)).astype("f") for length in LENGTHS]


def rows(*arrays):
    """A callable that gives one row, and twice half of the others, and begins again."""
    batches = itertools.cycle([slice(0, 1), slice(1, 17), slice(17, 33)])

    def make():
        batch = next(batches)
        return [array[batch] for array in arrays]

    return make


class FourthPowers(theanets.Loss):
    """A loss with a formula of its own, which may be weighted."""

    def __call__(self, outputs):
        errors = (outputs[self.output_name] - self._target) ** 4
        return errors.mean() if self._weights is None else (self._weights * errors).sum() / self._weights.sum()


class Own(theanets.Regressor):
    """A model that changes its loss and its monitors."""

    def loss(self, **kwargs):
        outputs, _ = self.build_graph(self._regularizers({}, ""), kwargs.get("context"))
        return 2 * super().loss(**kwargs) - abs(outputs["out:out"]).mean() / 3

    def monitors(self, **kwargs):
        outputs, _ = self.build_graph(self._regularizers({}, ""), kwargs.get("context"))
        return [*super().monitors(**kwargs), ("mine", outputs["out:out"].mean())]


def two_losses():
    net = theanets.Regressor([4, (5, "tanh"), 2], weighted=True)
    net.add_loss("mae", weight=0.5, target=TT.matrix("other"), output_name="hid1")
    return net


def likelihood():
    return theanets.Network([4, dict(size=2, name="covar", inputs="in"), dict(size=2, name="mean", inputs="in")],
                            loss=dict(form="gll"))


MONITORS = dict(monitors={"hid1:out": [0.1, ("mean", TT.mean)], "*.w": 0.2})
HIDDEN = [4, (5, "tanh"), 2]
STEPS = [3, (4, "rnn"), 2]

CASES = {
    "plain": (lambda: theanets.Regressor(HIDDEN), [X, Y], dict(MONITORS, weight_l2=0.1, hidden_l1=0.3)),
    "elements": (lambda: theanets.Regressor(HIDDEN, weighted=True), [X, Y, ELEMENTS], dict(hidden_l1=0.2, **MONITORS)),
    "two losses": (two_losses, [X, Y, ELEMENTS, np.tile(Y, 3)[:, :5]], dict(hidden_l1=0.2)),
    "likelihood": (likelihood, [X, Y], {}),
    "formula": (lambda: theanets.Regressor(HIDDEN, loss="fourthpowers"), [X, Y], {}),
    "weighted formula": (lambda: theanets.Regressor(HIDDEN, loss="fourthpowers", weighted=True), [X, Y, ELEMENTS], {}),
    "number": (lambda: theanets.Regressor(HIDDEN, loss=lambda out, target: abs(out - target).mean()), [X, Y], {}),
    "own model": (lambda: Own(HIDDEN), [X, Y], {}),
    "classes": (lambda: theanets.Classifier([4, 3]), [X, LABELS], dict(class_weight=[1, 5, 0.1])),
    "weights": (lambda: theanets.Classifier([4, 3], weighted=True), [X, LABELS, WEIGHTS], dict(class_weight={1: 3})),
    "sparse": (lambda: theanets.Autoencoder([dict(size=4, sparse="csr"), 3, 4]),
               [scipy.sparse.csr_matrix(X * (X > 0))], {}),
    "ragged": (lambda: theanets.recurrent.Regressor(STEPS), [sequences(3), sequences(2, 4)],
               dict(hidden_l1=0.2, monitors={"hid1:out": [0.1, ("mean", TT.mean)]})),
    "ragged weights": (lambda: theanets.recurrent.Classifier([3, (4, "rnn"), 2], weighted=True),
                       [sequences(3), [(s > 0.5).astype(int) for s in sequences()], sequences()], {}),
}


def figures(make, data, **options):
    net = make()
    train, valid = net.train(data, **{**STILL, **options})
    assert list(train) == list(valid)
    return list(train), np.array([list(train.values()), list(valid.values())])


@pytest.mark.parametrize("case", CASES)
def test_the_size_of_batches_makes_no_difference(case):
    make, data, options = CASES[case]
    names, whole = figures(make, data, batch_size=33, **options)
    for size in [32, 7][: 1 + (case in ("plain", "weights"))]:
        again, found = figures(make, data, batch_size=size, **options)
        assert again == names
        np.testing.assert_allclose(found, whole, rtol=3e-6, err_msg=f"{names}")
    if case not in ("number", "own model", "sparse"):
        _, found = figures(make, data, batch_size=32, average="batches", **options)
        assert abs(found / whole - 1).max() > 1e-4


@pytest.mark.parametrize("case", ["elements", "weights"])
def test_every_mode_and_callables(case, each_mode):
    make, data, options = CASES[case]
    _, whole = figures(make, data, batch_size=33, **options)
    _, found = figures(make, rows(*data), valid=rows(*data), iteration_size=3, **options)
    np.testing.assert_allclose(found, whole, rtol=3e-6)
    _, found = figures(make, data, batch_size=10, **options)
    np.testing.assert_allclose(found, whole, rtol=3e-6)


def test_an_outlier_alone_in_the_last_batch_counts_as_one_example():
    net = theanets.Regressor([4, 1])
    targets = np.zeros((33, 1), "f")
    targets[-1] = 100
    _, valid = net.train([X, targets * 0], [X, targets], algo="sgd", learning_rate=0.01, epochs=1)
    error = ((net.predict(X) - targets) ** 2).mean()
    assert 250 < error < 400
    assert valid["loss"] == pytest.approx(error, rel=1e-6)
    assert valid["loss"] == net.history[-1]["valid_loss"] or valid["loss"] == net.history.validations[0]["loss"]


def test_the_lowest_validation_error_is_kept():
    # by means of batches, the parameters at the start would be the best: 4.00 in place of 0.485.
    net = theanets.Regressor([1, 1])
    for param in net.params:
        param.set_value(0 * param.get_value())
    x, targets = np.zeros((64, 1)), np.zeros((33, 1))
    targets[-1] = 4
    _, valid = net.train([x, 0 * x + 2], [x[:33], targets], algo="sgd", learning_rate=0.05, epochs=20, validate_every=1)
    losses = net.history["valid_loss"]
    assert valid["loss"] == min(losses + [16 / 33]) == net.history.best["loss"]
    assert valid["loss"] == pytest.approx(((net.predict(x[:33]) - targets) ** 2).mean(), rel=1e-6)
    assert valid["loss"] < 0.5


def test_what_train_returns_is_what_score_gives():
    net = theanets.Classifier([4, (5, "tanh"), 3])
    for options in (dict(epochs=3), dict(epochs=12), dict(epochs=7, validate_every=3), dict(validate_every=1)):
        train, valid = net.train([X, LABELS], [X[:17], LABELS[:17]], algo="adam", learning_rate=0.1, patience=2,
                                 batch_size=5, **options)
        assert valid["acc"] == net.score(X[:17], LABELS[:17])
        assert train["acc"] == net.history["train_acc"][-1]
    net = theanets.Classifier([4, (5, "tanh"), "batchnorm", 3])
    for algo in ("adam", "layerwise"):
        _, valid = net.train([X, LABELS], algo=algo, learning_rate=0.1, batch_size=8, epochs=4, validate_every=1)
        assert valid["acc"] == net.score(X, LABELS)
    net = theanets.Classifier([4, 3], weighted=True)
    _, valid = net.train([X, LABELS, WEIGHTS], algo="adam", learning_rate=0.1, epochs=3, batch_size=5)
    assert valid["acc"] == pytest.approx(net.score(X, LABELS, WEIGHTS), rel=1e-6)


def test_many_batches_are_added_up_in_double_precision(each_mode):
    count = 2000 if each_mode == "XLA" else 1000
    x = np.linspace(0.1, 1.3, count).astype("f")[:, None]
    net = theanets.Regressor([1, 1])
    for param in net.params:
        param.set_value(0 * param.get_value())
    for average in ("examples", "batches"):
        train, valid = net.train([x, x], batch_size=1, average=average, **STILL)
        expected = (x.astype("d") ** 2).mean()
        assert [train["loss"], valid["loss"]] == pytest.approx([expected] * 2, rel=1e-8)
    _, valid = net.train(lambda: [x[:1], x[:1]], valid=lambda: [x[-1:], x[-1:]], iteration_size=count, **STILL)
    assert valid["loss"] == pytest.approx(float(x[-1, 0]) ** 2, rel=1e-7)


def test_means_of_batches_are_those_of_earlier_releases():
    net = theanets.Regressor([4, 2])
    errors = ((net.predict(X) - Y) ** 2).mean(axis=1)
    train, valid = net.train([X, Y], average="batches", batch_size=32, **STILL)
    expected = (errors[:32].mean() + errors[32]) / 2
    assert [train["loss"], valid["loss"]] == pytest.approx([expected] * 2, rel=1e-6)


@pytest.mark.parametrize("average", ["rows", "", 3, True])
def test_other_averages_are_refused(average):
    with pytest.raises(util.ConfigurationError, match="average"):
        theanets.Regressor([4, 2]).itertrain([X, Y], average=average)


# Batches that count nothing.


def weighted_batches(*weights):
    given = itertools.cycle(weights)
    return lambda: [X[:5], Y[:5], np.full((5, 2), next(given), "f")]


def test_a_batch_of_weight_zero_counts_nothing():
    net = theanets.Regressor([4, 2], weighted=True)
    error = ((net.predict(X[:5]) - Y[:5]) ** 2).mean()
    train, valid = net.train(weighted_batches(0, 2, 0), weighted_batches(1, 0, 0), iteration_size=3, weight_l2=0.0,
                             **STILL)
    assert [train["loss"], valid["loss"]] == pytest.approx([error] * 2, rel=1e-6)


def test_data_that_count_nothing_have_no_figures_and_stop_nothing():
    net = theanets.Regressor([4, 2], weighted=True)
    train, valid = net.train(weighted_batches(0), weighted_batches(0, 1, 0, 0), algo="sgd", learning_rate=0.1, epochs=3,
                             iteration_size=1, validate_every=1)
    assert len(net.history) == 3 and np.isnan(net.history["train_loss"]).all() and np.isnan(train["loss"])
    assert np.isfinite(net.history["valid_loss"]).tolist() == [True, False, False]
    assert valid["loss"] == net.history["valid_loss"][0]


# The parts by themselves.


def test_terms_of_sums_and_multiples():
    x, y = TT.vector("x"), TT.vector("y")
    one, two, rest = means.mean(x), means.weighted_mean(x, y), TT.max(x)
    loss = -(one * 3 - TT.cast(two, "float64") / 4) + sum([rest, 2 * one])
    found = means.terms(loss)
    assert [count for _, count in found] == [means.count_of(one), means.count_of(two), None, None, means.count_of(one)]
    values = dict(zip([x, y], np.random.RandomState(0).rand(2, 5).astype(theano.config.floatX)))
    total, expected = (theano.function([x, y], e)(*values.values()) for e in (sum(term for term, _ in found), loss))
    np.testing.assert_allclose(total, expected, rtol=1e-6)


@pytest.mark.parametrize("make", [lambda m: m**2, lambda m: TT.sqrt(m), lambda m: 1 / m, lambda m: m * m])
def test_what_is_no_mean(make):
    assert [count for _, count in means.terms(make(means.mean(TT.vector())))] == [None]


def test_averages_of_sums():
    x, y = TT.vector("x"), TT.vector("y")
    expressions = [means.mean(x) + 2 * means.weighted_mean(x, y) + TT.constant(5), x.max(), TT.constant(3.0)]
    averages = Averages(["loss", "max", "three"], expressions, [x, y], [x.size] * 3)
    function = theano.function([x, y], averages.outputs)
    draw = np.random.RandomState(1)
    batches = [draw.rand(2, size).astype(theano.config.floatX) for size in (1, 4, 2)]
    batches[0][1] = 0
    found, is_empty = averages([function(*batch) for batch in batches])
    a, b = np.concatenate(batches, axis=1)
    maxima = sum(len(batch[0]) * batch[0].max() for batch in batches) / 7
    assert list(found.values()) == pytest.approx([a.mean() + 2 * (a * b).sum() / b.sum() + 5, maxima, 3], rel=1e-6)
    assert not is_empty and list(averages.nothing()) == ["loss", "max", "three"]
    found, is_empty = averages([function(a, 0 * b)])
    assert is_empty and np.isnan(found["loss"]) and found["max"] == pytest.approx(a.max())
