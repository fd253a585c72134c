"""Data: whatever holds numbers goes in, once converted; whatever does not fit is refused before training starts."""

import itertools
import re

import downhill
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import theanets
import theano
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import util
from theanets.data import Slot, arrays, cast, sources
from theanets.data.batches import ORDERS
from theano import tensor as TT
from theano.printing import Print

from tests.helpers import epochs, values

# Whole numbers between 0 and 3, so that every numeric type can hold them.
X = np.random.RandomState(0).randint(4, size=(8, 4)).astype("f")
Y = np.random.RandomState(1).randint(4, size=(8, 2)).astype("f")
K = np.array([0, 1, 2, 0, 1, 2, 0, 1])
RUN = dict(algo="sgd", learning_rate=0.1, batch_size=3)


def strided(array):
    """The same numbers, every second of a longer buffer."""
    return np.repeat(array, 2, axis=0)[::2]


def read_only(array):
    array = np.array(array)
    array.setflags(write=False)
    return array


FORMS = {
    "float64": lambda a: a.astype("d"), "float16": lambda a: a.astype("e"), "int64": lambda a: a.astype("int64"),
    "uint8": lambda a: a.astype("uint8"), "longdouble": lambda a: a.astype(np.longdouble),
    "big-endian": lambda a: a.astype(">f4"), "list": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())), "list of rows": list, "object": lambda a: a.astype(object),
    "Fortran": np.asfortranarray, "strided": strided, "read-only": read_only,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "frame": pd.DataFrame,
    "mixed frame": lambda a: pd.DataFrame(a).astype({0: int, 1: "float32"}),
    "indexed frame": lambda a: pd.DataFrame(a, index=range(50, 50 + len(a)), columns=list("abcd")[:a.shape[1]]),
    "csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix, "csr array": scipy.sparse.csr_array,
    "csr of ints": lambda a: scipy.sparse.csr_matrix(a.astype(int)),
}


@pytest.fixture(scope="module")
def network():
    return theanets.Regressor([dict(size=4, name="pixels"), 3, 2], weighted=True)


@pytest.fixture(scope="module")
def expected():
    return epochs(theanets.Regressor([4, 3, 2]), [X, Y], 2, valid=[X[:5], Y[:5]], **RUN)


# What is accepted (defect 12).


@pytest.mark.parametrize("form", FORMS)
def test_forms_for_training(form, expected):
    """Every kind of container trains to the same losses, as data and as validation data."""
    convert = FORMS[form]
    network = theanets.Regressor([4, 3, 2])
    data, valid = [convert(X), convert(Y)], [convert(X[:5]), convert(Y[:5])]
    assert epochs(network, data, 2, valid=valid, **RUN) == expected


@pytest.mark.parametrize("x", [X[:1].tolist(), [X[0]], [X[0].tolist()], tuple(map(tuple, X[:1])), [X[:1]], (X[:1],)])
def test_a_single_row(x):
    """One example is an array of one row, however it is written down."""
    np.testing.assert_array_equal(PLAIN.predict(x), PLAIN.predict(X[:1]))


@pytest.mark.parametrize("form", FORMS)
def test_forms_for_evaluation(form, network):
    convert = FORMS[form]
    np.testing.assert_array_equal(network.predict(convert(X)), network.predict(X))
    np.testing.assert_array_equal(network.feed_forward(convert(X))["hid1:out"], network.feed_forward(X)["hid1:out"])
    score = network.score(X, Y, Y + 1)
    assert network.score(convert(X), convert(Y), convert(Y + 1)) == pytest.approx(score, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(dtype=st.sampled_from("?bhilqBHILQefdg"), order=st.sampled_from("CF"), rows=st.integers(1, 6),
       step=st.sampled_from([1, 2, -1]))
def test_any_dtype_and_layout(dtype, order, rows, step):
    x = np.array(np.resize(X, (rows, 4)) > 1, dtype, order=order)[::step]
    np.testing.assert_array_equal(PLAIN.predict(x), PLAIN.predict(x.astype("f")))


PLAIN = theanets.Regressor([4, 3, 2])


@pytest.mark.parametrize("convert", [list, np.array, pd.Series, tuple, read_only, strided, lambda k: k.astype("int8"),
                                     lambda k: k.astype("uint64"), lambda k: k.astype("int16"),
                                     lambda k: pd.Series(k, index=range(9, 17)), lambda k: k.astype("f"),
                                     lambda k: k.astype("d").tolist(), lambda k: k[:, None],
                                     lambda k: k[:, None].astype("d"), lambda k: pd.DataFrame({"class": k}),
                                     lambda k: pd.Series(k, dtype="Int64"), lambda k: pd.Series(k).astype("category"),
                                     lambda k: k.astype(object), scipy.sparse.csr_matrix])
def test_forms_of_labels(convert):
    """Defect 12: labels of any integer type; also whole floats, and a column of them."""
    if convert is scipy.sparse.csr_matrix:
        convert = lambda k: scipy.sparse.csr_matrix(k[:, None])  # noqa: E731
    one, two = theanets.Classifier([4, 3]), theanets.Classifier([4, 3])
    assert epochs(one, [X, convert(K)], **RUN) == epochs(two, [X, K.astype("int32")], **RUN)
    assert one.score(X, convert(K)) == two.score(X, K)


def test_labels_of_two_classes_may_be_booleans():
    one, two = theanets.Classifier([4, 2]), theanets.Classifier([4, 2])
    assert epochs(one, [X, K > 0], **RUN) == epochs(two, [X, (K > 0).astype(int)], **RUN)


@pytest.mark.parametrize("convert", [np.array, list, pd.Series, lambda y: y.astype("d"), lambda y: y.astype(int)])
def test_one_dimensional_targets(convert):
    """A vector for a one-unit output becomes a column."""
    y = Y[:, 0]
    one, two = (theanets.Regressor([4, 3, 1]) for _ in range(2))
    assert epochs(one, [X, convert(y)], 2, **RUN) == epochs(two, [X, y[:, None]], 2, **RUN)
    assert one.score(X, convert(y)) == pytest.approx(two.score(X, y[:, None]), rel=1e-6)


def test_one_dimensional_inputs():
    """A vector for a one-unit input becomes a column."""
    x = X[:, 0]
    one, two = (theanets.Regressor([1, 3, 2]) for _ in range(2))
    np.testing.assert_array_equal(one.predict(x), two.predict(x[:, None]))
    assert epochs(one, [x, Y], **RUN) == epochs(two, [x[:, None], Y], **RUN)


@pytest.mark.parametrize("convert", [np.array, list, pd.Series])
def test_one_weight_per_row(convert):
    w = np.arange(8.0) + 1
    one, two = (theanets.Regressor([4, 3, 2], weighted=True) for _ in range(2))
    assert epochs(one, [X, Y, convert(w)], **RUN) == epochs(two, [X, Y, np.repeat(w[:, None], 2, 1)], **RUN)


def test_a_bare_array_is_a_list_of_one():
    one, two = (theanets.Autoencoder([4, 3, 4]) for _ in range(2))
    assert epochs(one, X.astype("d"), **RUN) == epochs(two, [X], **RUN)
    frame = theanets.Autoencoder([4, 3, 4])
    assert epochs(frame, pd.DataFrame(X), **RUN) == epochs(theanets.Autoencoder([4, 3, 4]), [X], **RUN)


def test_shared_variables():
    one, two = (theanets.Regressor([4, 3, 2]) for _ in range(2))
    assert epochs(one, [theano.shared(X), theano.shared(Y)], **RUN) == epochs(two, [X, Y], **RUN)


def test_data_are_converted_once_and_at_the_call():
    network, plain = theanets.Regressor([4, 3, 2]), theanets.Regressor([4, 3, 2])
    x, y = X.astype("int64"), Y.tolist()
    run = network.itertrain([x, y], **RUN)
    x[:] = 99
    y[:] = []
    assert [float(next(run)[0]["loss"]) for _ in range(2)] == [loss for loss, _ in epochs(plain, [X, Y], 2, **RUN)]


def test_data_are_left_alone():
    x, y = X.astype("d"), Y.astype("int64")
    before = x.copy(), y.copy()
    theanets.Regressor([4, 3, 2]).train([x, y], max_updates=2, **RUN)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


# Batches (8.7): consecutive slices in an order that the generator shuffles.


class Recorder(theanets.Layer):
    """A layer that notes the first number of each batch that passes."""

    seen = []

    def transform(self, inputs):
        note = Print("batch", global_fn=lambda op, value: Recorder.seen.append(int(value[0, 0])))
        return note(inputs[self.input_name]), []


def firsts(count, valid=None, **kwargs):
    """The first number of each batch of some epochs over 0..9, after those of a validation on 0..9 or ``valid``."""
    network = theanets.Autoencoder([1, dict(form="recorder", size=1), 1])
    Recorder.seen.clear()
    numbers = np.arange(10.0)[:, None]
    run = network.itertrain([numbers], None if valid is None else [valid], algo="sgd", validate_every=100, **kwargs)
    seen = []
    for _ in range(count):
        Recorder.seen.clear()
        next(run)
        seen.append(list(Recorder.seen))
    return seen


@pytest.mark.parametrize("kwargs, expected", [
    (dict(batch_size=3), [[3, 9, 0, 6] * 2, [9, 6, 0, 3], [0, 3, 6, 9]]),
    (dict(batch_size=3, iteration_size=3), [[3, 9, 0] * 2, [6, 9, 6], [0, 3, 0]]),
    (dict(batch_size=3, train_batches=3, valid_batches=1), [[3, 3, 9, 0], [6, 9, 6], [0, 3, 0]]),
    (dict(batch_size=0), [[0] * 2, [0], [0]]), (dict(batch_size=-1), [[0] * 2, [0], [0]]), ({}, [[0] * 2, [0], [0]]),
])
def test_order_of_batches(kwargs, expected):
    assert firsts(3, rng=13, **kwargs) == firsts(3, **kwargs) == expected


def test_order_of_batches_with_one_generator():
    """The validation data are shuffled first."""
    rng, orders = np.random.RandomState(5), []
    for _ in range(2):
        orders.append([0, 3, 6, 9])
        rng.shuffle(orders[-1])
    valid, train = orders
    assert firsts(1, rng=np.random.RandomState(5), batch_size=3) == [valid + train]
    assert firsts(1, rng=np.random.RandomState(5), batch_size=3, valid=np.array([[77.0]])) == [[77] + valid]


def mixed(count, size, seed=13):
    """The rows 0..9 of each batch of some passes, as permutations have them."""
    rng = np.random.RandomState(seed)
    return [[order[i:i + size] for i in range(0, 10, size)] for order in (rng.permutation(10) for _ in range(count))]


def test_order_of_rows():
    """Rows are mixed anew each epoch; validation takes the batches that it takes otherwise."""
    expected = [[int(rows[0]) for rows in batches] for batches in mixed(3, 3)]
    assert firsts(3, shuffle="rows", batch_size=3) == [[3, 9, 0, 6] + expected[0], *expected[1:]]
    assert firsts(3, shuffle=True, batch_size=3) == firsts(3, shuffle="rows", batch_size=3)
    in_a_row = sum(expected, [])
    assert firsts(2, shuffle="rows", batch_size=3, train_batches=3, valid_batches=1) == [
        [3, *in_a_row[:3]], in_a_row[3:6]]


def test_order_of_the_data():
    assert firsts(2, shuffle=False, batch_size=3) == [[0, 3, 6, 9] * 2, [0, 3, 6, 9]]
    assert firsts(2, shuffle=False, batch_size=3, iteration_size=3) == [[0, 3, 6] * 2, [9, 0, 3]]
    for shuffle in ("batches", None):
        assert firsts(3, shuffle=shuffle, batch_size=3) == firsts(3, batch_size=3)


@pytest.mark.parametrize("algo", ["layerwise", "pretrain"])
def test_orders_in_training_by_stages(algo):
    """They make a difference, and come from the generator."""
    losses = [
        epochs(theanets.Regressor([4, 3, 3, 2]), [X, Y], 4, algo=algo, subalgo="sgd", learning_rate=0.1, batch_size=3,
               shuffle=shuffle, epochs=1)
        for shuffle in ("batches", "rows", "rows", False)
    ]
    assert losses[1] == losses[2]
    assert losses[0] != losses[1] != losses[3]
    for shuffle in ORDERS:
        theanets.Regressor([4, 3, 2]).train([X, Y], algo="sample", batch_size=3, shuffle=shuffle)


def test_all_arrays_are_mixed_alike():
    """Targets and weights stay with their rows, whatever the rows lie in."""
    weights = np.arange(8.0)
    run = dict(algo="sgd", learning_rate=0.1, batch_size=3, shuffle="rows")
    dense = theanets.Regressor([4, 3, 2], weighted=True)
    losses = epochs(dense, [X, Y, weights], 3, **run)
    batches = itertools.chain(*([[X[rows], Y[rows], weights[rows]] for rows in order] for order in orders(3)))
    by_hand = epochs(theanets.Regressor([4, 3, 2], weighted=True), batches, 3, valid=[X, Y, weights], algo="sgd",
                     learning_rate=0.1, train_batches=3, batch_size=3)
    np.testing.assert_allclose(losses, by_hand, rtol=1e-5)
    for kind in ("csr", "csc"):
        layer = dict(size=4, sparse=kind)
        found = epochs(theanets.Regressor([layer, 3, 2], weighted=True),
                       [scipy.sparse.coo_matrix(X).asformat(kind), Y, weights], 3, **run)
        np.testing.assert_allclose(found, losses, rtol=1e-5)


def orders(count, size=3):
    rng = np.random.RandomState(13)
    return [[order[i:i + size] for i in range(0, 8, size)] for order in (rng.permutation(8) for _ in range(count))]


@pytest.mark.parametrize("shuffle", ["row", 2, ["rows"]])
def test_orders_that_there_are_not(shuffle):
    with pytest.raises(util.ConfigurationError, match="shuffle="):
        theanets.Regressor([4, 3, 2]).itertrain([X, Y], shuffle=shuffle)


def test_rows_that_cannot_be_mixed():
    """The error comes with the call, and says why."""
    network = theanets.Regressor([4, 3, 2])
    for data in (Batches(), iter([[X, Y]]), [Batches()], downhill.Dataset([X, Y])):
        with pytest.raises(util.ConfigurationError, match="shuffle='rows'"):
            network.itertrain(data, valid=[X, Y], shuffle="rows")
    recurrent = theanets.recurrent.Regressor([2, (3, "rnn"), 1])
    x = np.zeros((4, 6, 2))
    with pytest.raises(util.ConfigurationError, match="stateful=True.*in order"):
        recurrent.itertrain([x, x[:, :, :1]], shuffle="rows", stateful=True)
    with pytest.raises(util.ConfigurationError, match="axis=1"):
        recurrent.itertrain([x, x[:, :, :1]], shuffle="rows", axis=1)
    for shuffle in ("batches", False):
        recurrent.itertrain([x, x[:, :, :1]], shuffle=shuffle, stateful=True).close()
        network.itertrain(Batches(), valid=[X, Y], shuffle=shuffle).close()
    # data to validate on are not mixed, and may be anything.
    epochs(network, [X, Y], valid=Batches(), algo="sgd", shuffle="rows")


# Datasets, callables, generators.


def test_downhill_datasets():
    network, plain = theanets.Regressor([4, 3, 2]), theanets.Regressor([4, 3, 2])
    dataset = downhill.Dataset([X, Y], batch_size=3, rng=13)
    assert epochs(network, dataset, 2, algo="sgd", learning_rate=0.1) != []
    assert epochs(plain, [X, Y], **RUN)[0][1] == pytest.approx(
        epochs(theanets.Regressor([4, 3, 2]), dataset, algo="sgd")[0][1], rel=1e-5)


class Batches:
    """A callable with a length, which hands out batches one after the other."""

    def __init__(self, convert=np.asarray, count=2):
        self.calls, self.convert, self.count = 0, convert, count

    def __len__(self):
        return self.count

    def __call__(self):
        self.calls += 1
        return [self.convert(X), self.convert(Y)]


@pytest.mark.parametrize("form", ["float64", "list", "frame", "uint8"])
def test_callables(form):
    """One update per batch; whatever a batch is made of."""
    network, plain = theanets.Regressor([4, 3, 2]), theanets.Regressor([4, 3, 2])
    batches = Batches(FORMS[form])
    losses = epochs(network, batches, valid=[X, Y], algo="sgd", learning_rate=0.1)
    assert batches.calls == 2
    expected = [loss for loss, _ in epochs(plain, [X, Y], 2, algo="sgd", learning_rate=0.1)]
    assert losses[0][0] == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_list_of_one_callable():
    network = theanets.Regressor([4, 3, 2])
    assert np.isfinite(epochs(network, [Batches()], valid=Batches(), algo="sgd")).all()


def test_number_of_batches_of_a_callable():
    batches = Batches()
    epochs(theanets.Regressor([4, 3, 2]), batches, valid=[X, Y], algo="sgd", train_batches=5)
    assert batches.calls == 5
    plain = []
    epochs(theanets.Regressor([4, 3, 2]), lambda: plain.append(1) or [X, Y], valid=[X, Y], algo="sgd")
    assert len(plain) == 100


def test_generators():
    network = theanets.Regressor([4, 3, 2])
    batches = ([X.astype("d"), Y.tolist()] for _ in itertools.count())
    losses = epochs(network, batches, valid=[X, Y], algo="sgd", learning_rate=0.1, train_batches=2)
    callable_ = epochs(theanets.Regressor([4, 3, 2]), Batches(), valid=[X, Y], algo="sgd", learning_rate=0.1)
    assert losses == callable_


def test_generators_that_end():
    """What came before the end is learned; a validation that takes it all is worth a warning."""
    network = theanets.Regressor([4, 3, 2])
    before = network.score(X, Y)
    run = dict(algo="sgd", learning_rate=0.1, train_batches=2)
    assert len(list(network.itertrain(([X, Y] for _ in range(5)), valid=[X, Y], **run))) == 3
    assert network.score(X, Y) > before
    with pytest.warns(RuntimeWarning, match="valid="):
        train, valid = network.train(([X, Y] for _ in range(5)), **run)
    assert np.isnan(train["loss"]) and np.isnan(valid["loss"])


@pytest.mark.parametrize("batch", [[X], [X, Y, Y], [X[:, :3], Y], [X, Y[:, 0]], None, []])
def test_bad_batches_of_a_callable(batch):
    network = theanets.Regressor([4, 3, 2])
    with pytest.raises(util.DataError):
        network.train(lambda: batch, valid=[X, Y], algo="sgd", max_updates=1)


def test_weights_of_batches_that_are_made():
    """A batch of zeros counts nothing; negative weights would go uphill."""
    network = theanets.Regressor([4, 3, 2], weighted=True)
    before = values(network)
    for wrong in (lambda: [X, Y, -np.ones(8)], lambda: [X, Y, np.r_[np.ones(7), -1]], iter([[X, Y, -Y - 1]])):
        with pytest.raises(util.DataError, match="weights.*the weight -"):
            network.train(wrong, valid=[X, Y, Y], algo="sgd", epochs=1, train_batches=1)
    network.train(lambda: [X, Y, np.zeros(8)], valid=[X, Y, Y], algo="sgd", epochs=1, train_batches=2)
    for name, value in values(network).items():
        np.testing.assert_array_equal(value, before[name])
    network.train([X, Y, np.arange(8) > 2], algo="sgd", epochs=1, batch_size=3)  # the first batch has none.


# What is refused, before training starts.


def broken(array, value):
    array = np.array(array, np.longdouble if isinstance(value, np.longdouble) else "d")
    array[3, 1] = value
    return array


BAD = {
    "width of x": (lambda: [X[:, :3], Y, Y], "pixels", "4"),
    "width of y": (lambda: [X, np.hstack([Y, Y]), np.hstack([Y, Y])], "target", "2"),
    "width of w": (lambda: [X, Y, X], "weights", "2"),
    "width of a frame": (lambda: [pd.DataFrame(X[:, :3]), Y, Y], "pixels", "4"),
    "width of sparse x": (lambda: [scipy.sparse.csr_matrix(X[:, :3]), Y, Y], "pixels", "4"),
    "length of y": (lambda: [X, Y[:7], Y], "target", "8"),
    "length of w": (lambda: [X, Y, Y[:7]], "weights", "8"),
    "one axis": (lambda: [X[:, 0], Y, Y], "pixels", "examples, 4"),
    "three axes": (lambda: [X[:, None], Y, Y], "pixels", "examples, 4"),
    "no axis": (lambda: [3.0, Y, Y], "pixels", "examples, 4"),
    "vector for two units": (lambda: [X, Y[:, 0], Y], "target", "2"),
    "empty": (lambda: [X[:0], Y[:0], Y[:0]], "pixels", "empty|no (examples|rows)"),
    "empty list": (lambda: [[], Y, Y], "pixels", ""),
    "NaN in x": (lambda: [broken(X, np.nan), Y, Y], "pixels", "(?i)nan|finite"),
    "infinity in x": (lambda: [broken(X, np.inf), Y, Y], "pixels", "(?i)inf"),
    "infinity in y": (lambda: [X, broken(Y, -np.inf), Y], "target", "(?i)inf"),
    "NaN in w": (lambda: [X, Y, broken(Y, np.nan)], "weights", "(?i)nan|finite"),
    "negative w": (lambda: [X, Y, broken(Y + 1, -0.5)], "weights", "weight -0.5.*0 or more"),
    "all w negative": (lambda: [X, Y, -np.ones(8)], "weights", "weight -1"),
    "zero w": (lambda: [X, Y, np.zeros(8)], "weights", "all 0"),
    "w that vanish": (lambda: [X, Y, np.full(8, np.longdouble("1e-400"))], "weights", "all 0"),
    "NaN in a frame": (lambda: [pd.DataFrame(broken(X, np.nan)), Y, Y], "pixels", "(?i)nan|finite"),
    "NaN in sparse x": (lambda: [scipy.sparse.csr_matrix(broken(X, np.nan)), Y, Y], "pixels", "(?i)nan|finite"),
    "too large": (lambda: [broken(X, np.longdouble("1e400")), Y, Y], "pixels", "(?i)inf|finite|large"),
    "words": (lambda: [[["a", "b", "c", "d"]] * 8, Y, Y], "pixels", ""),
    "strings": (lambda: [X.astype(str), Y, Y], "pixels", ""),
    "objects": (lambda: [np.full((8, 4), None), Y, Y], "pixels", ""),
    "complex": (lambda: [X + 1j, Y, Y], "pixels", ""),
    "ragged": (lambda: [[[1, 2, 3, 4], [1, 2]] * 4, Y, Y], "pixels", ""),
    "nothing": (lambda: [None, Y, Y], "pixels", ""),
    "too few arrays": (lambda: [X, Y], "weights", "3"),
    "too many arrays": (lambda: [X, Y, Y, Y], "pixels.*target.*weights", "3"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("place", ["train", "valid"])
def test_bad_data(case, place, network):
    """The array is named, and so is what was expected; nothing has been trained."""
    make, name, expected = BAD[case]
    before = values(network)
    with pytest.raises(util.DataError, match=f"(?s){name}") as caught:
        network.itertrain(make(), **RUN) if place == "train" else network.itertrain([X, Y, Y], valid=make(), **RUN)
    assert re.search(expected, str(caught.value))
    assert len(str(caught.value)) < 500
    for key, value in values(network).items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("labels, words", [
    (np.where(K == 2, 3, K), "3"), (K - 1, "-1"), (K.astype("d") + 0.5, "0.5 at row 0.*integers from 0 to 2"),
    (np.where(K == 2, 2 ** 32, K), str(2 ** 32)), (np.eye(3)[K], "2 dimensions"), (K[:7], "8"),
    (np.array(list("abcabcab")), ""),
])
def test_bad_labels(labels, words):
    """Labels run from 0 to n - 1; also those that 32 bits would wrap around."""
    network = theanets.Classifier([4, 3])
    with pytest.raises(util.DataError, match="target.*" + words):
        network.itertrain([X, labels], **RUN)


WORDS = np.array(["setosa", "versicolor", "virginica"])


@pytest.mark.parametrize("labels, words", [
    (np.eye(3)[K], r"one-hot vector: write np.argmax\(y, axis=1\)"),
    (np.eye(3, dtype=bool)[K], r"np.argmax\(y, axis=1\)"), (pd.get_dummies(pd.Series(WORDS[K])), "np.argmax"),
    (np.full((8, 3), 1 / 3), r"not a vector: write np.argmax\(y, axis=1\)"), (K + 1, "first class is 0: write y - 1"),
    (WORDS[K], "text, 'setosa' at row 0.*np.unique.*NetworkClassifier"), (list(WORDS[K]), "np.unique"),
    (pd.Series(WORDS[K]), "np.unique"), (pd.Series(WORDS[K]).astype("category"), "np.unique"),
    (K.astype(str), r"text, '0' at row 0.*y.astype\(int\)"), (pd.Series(K.astype(str)), r"y.astype\(int\)"),
    (K.astype("S"), r"text, b'0' at row 0.*y.astype\(int\)"), (K.astype(str).astype(object), r"y.astype\(int\)"),
    (pd.Series([0, 1, 2, 0, 1, None, 0, 1], dtype="Int64"), "missing value, <NA> at row 5; drop"),
    (pd.DataFrame({"k": pd.Series([0, None] * 4, dtype="Int8")}), "<NA> at row 1, column 'k'"),
    (pd.Series([True, None] * 4, dtype="boolean"), "<NA> at row 1"), ([0, 1, 2, None, 0, 1, 2, 0], "None at row 3"),
    (np.where(K == 2, np.nan, K), "nan at row 2.*drop"), (np.where(K == 1, np.inf, K), "inf at row 1"),
    (np.where(K == 1, 1e300, K), "1e\\+300 at row 1"), (pd.Series(K).astype("datetime64[s]"), "datetime64"),
])
def test_labels_that_are_none_are_answered_with_what_to_write(labels, words):
    network = theanets.Classifier([4, 3])
    for call in (lambda: network.itertrain([X, labels], **RUN), lambda: network.itertrain([X, K], [X, labels], **RUN)):
        with pytest.raises(util.DataError, match=f"array 'target' .*{words}"):
            call()
    # a label that there is no class for is just wrong.
    if "y - 1" not in words:
        with pytest.raises(util.DataError, match=f"array 'y' .*{words.replace('not a vector', '').split(': ')[-1]}"):
            network.score(X, labels)


@pytest.mark.parametrize("x, words", [
    (X.astype(str), r"text, '0.0' at row 0, column 0.*x.astype\(float\)"),
    (pd.DataFrame(X).astype(object).assign(colour="red"), "text, 'red' at row 0, column 'colour'.*get_dummies"),
    (pd.DataFrame(X, columns=list("abcd")).astype("Float64").mask(X > 2), "value, <NA> at row .*, column '[a-d]'"),
    (np.where(X > 2, None, X), "missing value, None at row"), (X[0], r"write x\[None\] for a single example"),
    (np.where(X > 2, object(), X), "no number, <object object"), (np.ma.array(X, mask=X > 2), "masked values"),
    ([np.ma.array(row, mask=row > 2) for row in X], "masked values"),
])
def test_inputs_that_are_none_are_answered_with_what_to_write(x, words):
    for call in (PLAIN.predict, lambda x: PLAIN.itertrain([x, Y[: len(x)]], **RUN)):
        with pytest.raises(util.DataError, match=f"(?s)array 'in'.*{words}"):
            call(x)


@pytest.mark.parametrize("weighted", [False, True])
def test_masks_are_never_ignored(weighted):
    """What is written instead is what the message says."""
    network, masked = theanets.Regressor([4, 3, 2], weighted=weighted), np.ma.array(Y, mask=Y > 2)
    arrays = [X, masked, np.ones_like(Y)][: 2 + weighted]
    with pytest.raises(util.DataError, match=r"'target' has masked.*train\(\[x, y.filled\(0\), 1 - y.mask\]\)"):
        network.itertrain(arrays, **RUN)
    with pytest.raises(util.DataError, match="'y' has masked"):
        network.score(X, masked)
    if weighted:
        with pytest.raises(util.DataError, match="'weights' has masked"):
            network.itertrain([X, Y, masked], **RUN)
        losses = epochs(network, [X, masked.filled(0), 1 - masked.mask], **RUN)
        other = theanets.Regressor([4, 3, 2], weighted=True)
        assert losses == epochs(other, [X, masked.filled(99), (~masked.mask).astype(float)], **RUN)
    assert epochs(theanets.Regressor([4, 3, 2]), [X, np.ma.array(Y)], **RUN) == epochs(
        theanets.Regressor([4, 3, 2]), [X, Y], **RUN)


class Tensor:
    """Looks like a tensor of another library."""

    def __init__(self, array, needs_gradient=False):
        self.array, self.needs_gradient = np.asarray(array), needs_gradient
        self.shape, self.dtype, self.ndim = self.array.shape, "other.float32", self.array.ndim

    def __array__(self, dtype=None, copy=None):
        if self.needs_gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.array

    def __len__(self):
        return len(self.array)

    def __iter__(self):
        return map(Tensor, self.array)

    def __getitem__(self, index):
        return Tensor(self.array[index])


def test_tensors_of_other_libraries():
    np.testing.assert_array_equal(PLAIN.predict(Tensor(X)), PLAIN.predict(X))
    one, two = (theanets.Regressor([4, 3, 2]) for _ in range(2))
    assert epochs(one, [Tensor(X), Tensor(Y)], **RUN) == epochs(two, [X, Y], **RUN)
    with pytest.raises(util.DataError, match="'in', a Tensor, .*requires grad"):
        PLAIN.predict(Tensor(X, needs_gradient=True))


# Sequences of different lengths.

LENGTHS = [5, 3, 7, 4]
SERIES = [np.random.RandomState(n).randn(n) for n in LENGTHS]
SIGNS = [(series > 0).astype(int) for series in SERIES]


def columns(series):
    return [one[:, None] for one in series]


def objects(series):
    result = np.empty(len(series), object)
    result[:] = series
    return result


@pytest.mark.parametrize("convert", [list, tuple, objects, pd.Series, lambda s: [one.tolist() for one in s],
                                     lambda s: [pd.Series(one) for one in s], lambda s: objects(columns(s))])
def test_series_are_sequences_of_one_variable(convert):
    for single in (False, True):
        model = theanets.recurrent.Autoencoder if single else theanets.recurrent.Regressor
        slots = model([1, (3, "rnn"), 1])._slots()
        expected = sources.build([columns(SERIES)] * len(slots), slots, "train")
        forms = [[convert(SERIES)] * len(slots)] + [convert(SERIES)] * single
        for form in forms:
            source = sources.build(form, slots, "train")
            assert source.is_ragged() and source.lengths == expected.lengths == LENGTHS
            for a, b in zip(source.arrays, expected.arrays):
                np.testing.assert_array_equal(a, b)


def test_training_and_prediction_with_series():
    one, two = (theanets.recurrent.Regressor([1, (3, "rnn"), 1]) for _ in range(2))
    run = dict(algo="sgd", learning_rate=0.1, batch_size=2)
    assert epochs(one, [objects(SERIES), SERIES], **run) == epochs(two, [columns(SERIES)] * 2, **run)
    for a, b in zip(one.predict(objects(SERIES)), two.predict(columns(SERIES))):
        np.testing.assert_array_equal(a, b)
    assert one.score(SERIES, objects(SERIES)) == pytest.approx(two.score(*[columns(SERIES)] * 2), rel=1e-6)


@pytest.mark.parametrize("convert", [list, objects, pd.Series, columns, lambda s: [one.astype("d") for one in s]])
def test_labels_of_series(convert):
    slots = theanets.recurrent.Classifier([1, (3, "rnn"), 2])._slots()
    source = sources.build([SERIES, convert(SIGNS)], slots, "train")
    assert source.lengths == LENGTHS and source.arrays[1].shape == (4, 7)
    for row, labels in zip(source.arrays[1], SIGNS):
        np.testing.assert_array_equal(row[: len(labels)], labels)


def test_labels_of_series_in_other_forms():
    net = theanets.recurrent.Classifier([1, (3, "rnn"), 2])
    assert net.score(SERIES, objects(SIGNS)) == net.score(columns(SERIES), columns(SIGNS))
    with pytest.raises(util.DataError, match=r"sequence 0: array 'target'.*np.argmax\(y, axis=1\)"):
        net.itertrain([SERIES, [np.eye(2)[k] for k in SIGNS]])
    with pytest.raises(util.DataError, match=r"sequence 0: array 'target' holds text"):
        net.itertrain([SERIES, [k.astype(str) for k in SIGNS]])


def test_series_of_one_length():
    net, x = theanets.recurrent.Regressor([1, (3, "rnn"), 1]), np.random.RandomState(0).randn(4, 6)
    expected = net.predict(x[..., None])
    for value in (x, [x], x.tolist(), x.astype(object), list(x), objects(list(x)), [x[..., None]]):
        np.testing.assert_array_equal(np.stack(list(net.predict(value))), expected)
    with pytest.raises(util.DataError, match="different lengths.*list of sequences"):
        theanets.recurrent.Regressor([2, (3, "rnn"), 1]).train([SERIES, SERIES])


@pytest.mark.parametrize("convert", [lambda x: pd.Series(list(x)), lambda x: objects(list(x)), Tensor])
def test_columns_of_vectors(convert):
    """A column of a table may hold a vector for each row."""
    np.testing.assert_array_equal(PLAIN.predict(convert(X)), PLAIN.predict(X))
    with pytest.raises(util.DataError, match="different lengths"):
        PLAIN.predict(objects([X[0], X[1, :3]]))


def test_archives_of_arrays_are_read_by_name(tmp_path):
    np.savez(tmp_path / "data.npz", **{"in": X, "target": Y})
    one, two = (theanets.Regressor([4, 3, 2]) for _ in range(2))
    with np.load(tmp_path / "data.npz") as arrays:
        assert epochs(one, arrays, **RUN) == epochs(two, [X, Y], **RUN)


@pytest.mark.parametrize("x", [X[:, :3], X[0], X[None], np.zeros((0, 3)), [["a", "b", "c", "d"]], None,
                               scipy.sparse.csr_matrix(X[:, :3])])
def test_bad_data_for_evaluation(network, x):
    for method in (network.predict, network.feed_forward):
        with pytest.raises(util.DataError, match="pixels"):
            method(x)


@pytest.mark.parametrize("y, w", [(Y[:7], None), (Y[:, :1], None), (X, None), (Y, Y[:7]), (Y, X)])
def test_bad_data_for_scores(network, y, w):
    with pytest.raises(util.DataError):
        network.score(X, y, w)


def test_bad_data_for_scores_of_a_classifier():
    network = theanets.Classifier([4, 3])
    for y, w in ((K[:7], None), (K, np.ones(7)), (np.eye(3)[K], None)):
        with pytest.raises(util.DataError):
            network.score(X, y, w)


def test_not_data_at_all(network):
    for data in (None, 3, "train.csv", object()):
        with pytest.raises(util.ConfigurationError):
            network.itertrain(data, **RUN)


def test_too_many_callables(network):
    with pytest.raises(util.ConfigurationError):
        network.itertrain([Batches(), Batches()], **RUN)


def test_batches_along_another_axis():
    """``axis`` of the contract: the batch axis of the arrays."""
    network = theanets.Regressor([4, 3, 2])
    with pytest.raises(util.DataError):
        network.itertrain([X, Y[:7]], axis=0, **RUN)
    assert np.isfinite(epochs(network, [X, Y], axis=0, **RUN)).all()


@pytest.mark.parametrize("shape", [(6,), (6, 5), (6, 5, 1), (6, 1, 2)])
def test_weights_of_sequences_are_spread_over_the_target(shape):
    rng = np.random.RandomState(0)
    x, y, w = rng.randn(6, 5, 3), rng.randn(6, 5, 2), rng.rand(*shape)
    full = np.broadcast_to(w.reshape(w.shape + (1,) * (3 - w.ndim)), y.shape)
    losses = []
    for weights in (w, full):
        net = theanets.recurrent.Regressor([3, (4, "rnn"), 2], weighted=True)
        losses.append(net.train([x, y, weights], algo="sgd", epochs=1)[0]["loss"])
        assert net.score(x, y, weights) == pytest.approx(net.score(x, y, full), rel=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@settings(deadline=None)
@given(
    dtype=st.sampled_from(["float32", "float64", "int32", "bool"]),
    rows=st.integers(1, 4),
    step=st.sampled_from([1, 2, -1]),
    order=st.sampled_from("CF"),
    is_repeated=st.booleans(),
)
def test_what_needs_no_cast_is_the_same_as_what_is_cast(dtype, rows, step, order, is_repeated):
    slot = Slot("x", TT.matrix(), (3,))
    value = np.random.RandomState(0).rand(rows, 3).astype(dtype, order=order)[::step]
    if is_repeated:
        value = np.broadcast_to(value[:1], value.shape)
    result = cast(value, slot)
    assert slot.takes(value) == (dtype == slot.dtype and 0 not in value.strides)
    assert result is value or not slot.takes(value)
    assert result.dtype == slot.dtype and result.flags.aligned and (len(result) == 1 or 0 not in result.strides)
    np.testing.assert_array_equal(result, value.astype(slot.dtype))
    with pytest.raises(util.DataError, match="axis 1 has length 2"):
        cast(value[:, :2], slot)


SEQUENCES = [np.ones((n, 4), "f") * n for n in (2, 1, 3)]
TAGS = [np.array([1] * len(x)) for x in SEQUENCES]
PARTS = [
    X[:3], X[:3].astype("d"), X[:2], X[0], K[:3], K[:3, None], K[:3].astype("f"), K[:3] + 5, np.ones((3, 2, 4), "f"),
    np.ones((3, 2, 1), "f"), K[:6].reshape(3, 2), SEQUENCES, tuple(SEQUENCES), SEQUENCES[:2], SEQUENCES[:1] * 3,
    [x.tolist() for x in SEQUENCES], TAGS, [x.astype("d") for x in SEQUENCES], [x[:, :1] for x in SEQUENCES],
    [x[:, 0] for x in SEQUENCES], [x[:0] for x in SEQUENCES], [], [None] * 3, np.float32(1), [np.zeros((), "f")] * 3,
    scipy.sparse.csr_matrix(X[:3]), [[1, 2, 3, 4]] * 3, np.zeros((3, 0, 4), "f"),
]  # fmt: skip
SLOTS = {
    "vectors": Slot("x", TT.fmatrix(), (4,)), "labels": Slot("y", TT.ivector(), (), 3, is_target=True),
    "weights": Slot("w", TT.fvector(), (), per_example=True), "sequences": Slot("x", TT.ftensor3(), (None, 4)),
    "numbers": Slot("n", TT.fmatrix(), (None,)), "tags": Slot("t", TT.imatrix(), (None,), 3, is_target=True),
    "column": Slot("c", TT.ftensor3(), (None, 1)), "unknown": Slot("u", TT.fmatrix(), None),
}  # fmt: skip


@pytest.mark.parametrize("names", [
    *[(name,) for name in SLOTS], *itertools.product(["vectors", "sequences"], ["labels", "tags", "column", "weights"]),
])  # fmt: skip
def test_batches_that_are_known_at_a_glance_are_the_same(names):
    """A batch is cast to the same, or refused in the same words, as by the long way."""
    slots = [SLOTS[name] for name in names]

    def outcome(cast_it, batch):
        try:
            found, lengths = cast_it(batch, slots)
        except (util.DataError, TypeError, IndexError, ValueError) as error:
            return type(error), str(error)
        numbers = [x.tolist() if isinstance(x, np.ndarray) else None for x in found]
        return lengths, numbers, [(type(x), str(x.dtype), x.shape) for x in found]

    for batch in itertools.product(PARTS, repeat=len(slots)):
        for form in (list(batch), tuple(batch), dict(zip((slot.name for slot in slots), batch)), batch[0]):
            expected = outcome(lambda *args: (arrays.cast_all(*args), arrays.lengths_of(*args)), form)
            assert outcome(arrays.cast_batch, form) == expected
