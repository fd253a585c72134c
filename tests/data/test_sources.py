"""Batches come in the right order, with masks where sequences differ in length, and end where their source does."""

import functools
import itertools
import warnings

import downhill
import numpy as np
import pytest
import scipy.sparse
import theanets
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import util
from theanets.data import sources
from theanets.data.batches import ORDERS, MixedRows, read_shuffle

from tests.helpers import epochs


@pytest.fixture
def slots():
    return theanets.recurrent.Regressor([2, (3, "rnn"), 1])._slots()


def ragged(lengths, rng):
    return [[rng.randn(n, 2) for n in lengths], [rng.randn(n, 1) for n in lengths]]


def test_arrays_are_cast_once_and_cut(slots, rng):
    x, y = rng.randn(5, 4, 2), rng.randn(5, 4, 1)
    source = sources.build([x, y], slots, "train")
    assert not source.is_ragged()
    batches = list(source.dataset("train", batch_size=2, rng=1, shuffle=False))
    assert [len(batch[0]) for batch in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in batches]), x.astype(util.FLOAT))
    assert all(np.shares_memory(batch[1], source.arrays[1]) for batch in batches)


def test_order_stays_in_later_passes(slots, rng):
    dataset = sources.build([rng.randn(7, 4, 2), rng.randn(7, 4, 1)], slots, "train").dataset(
        "train", batch_size=2, rng=1, shuffle=False
    )
    first, second = ([batch[0][0, 0, 0] for batch in dataset] for _ in range(2))
    assert first == second


def test_sequences_are_padded_and_masked(slots, rng):
    lengths = [3, 1, 6, 2]
    xs, ys = ragged(lengths, rng)
    source = sources.build([xs, ys], slots, "train")
    assert source.is_ragged()
    seen = []
    for x, y, mask in source.dataset("train", masked=True, batch_size=2, rng=3):
        assert x.shape[1] == y.shape[1] == mask.shape[1]
        assert mask.sum(axis=1).max() <= mask.shape[1] <= max(lengths)
        assert not x[mask == 0].any() and not y[mask == 0].any()
        seen += [tuple(row[m > 0].ravel()) for row, m in zip(x, mask)]
    assert sorted(seen) == sorted(tuple(x.astype(util.FLOAT).ravel()) for x in xs)


def test_arrays_of_one_length_have_a_mask_of_ones_if_the_others_need_one(slots, rng):
    source = sources.build([rng.randn(5, 4, 2), rng.randn(5, 4, 1)], slots, "valid")
    (batch,) = source.dataset("valid", masked=True, batch_size=0)
    assert batch[-1].shape == (5, 4) and batch[-1].all()


def test_stream_keeps_the_batch_that_it_was_judged_by(slots, rng):
    batches = [ragged([2, 3], rng), ragged([4, 4], rng)]
    stream = sources.build(iter(batches), slots, "train")
    assert stream.is_ragged()
    stream.dataset("train", masked=True, iteration_size=2)
    np.testing.assert_array_equal(stream()[-1], [[1, 1, 0], [1, 1, 1]])
    np.testing.assert_array_equal(stream()[-1], np.ones((2, 4)))
    with pytest.raises(sources.Exhausted):
        stream()


def test_stream_that_becomes_ragged_is_refused(slots, rng):
    stream = sources.build(iter([ragged([4, 4], rng), ragged([2, 3], rng)]), slots, "train")
    assert not stream.is_ragged()
    stream()
    with pytest.raises(util.DataError, match="different lengths"):
        stream()


def test_length_of_a_callable_is_its_number_of_batches(slots, rng):
    class Batches:
        def __call__(self):
            return rng.randn(3, 4, 2), rng.randn(3, 4, 1)

        def __len__(self):
            return 7

    assert sources.build(Batches(), slots, "train").dataset("train").iteration_size == 7


def test_dataset_is_used_as_it_is_and_cast(slots, rng):
    dataset = downhill.Dataset([rng.randn(5, 4, 2), rng.randn(5, 4, 1)], batch_size=2)
    source = sources.build(dataset, slots, "train")
    assert source.dataset("train") is source
    assert {array.dtype.name for batch in source for array in batch} == {util.FLOAT}
    with pytest.raises(util.DataError, match="Dataset"):
        source.dataset("train", masked=True)


def test_different_lengths_are_cut_along_the_batch_only(slots, rng):
    source = sources.ArraySource(ragged([2, 2], rng), slots, axis=1)
    with pytest.raises(util.DataError, match="axis"):
        source.dataset("train", masked=True)


@pytest.mark.parametrize("value, order", [
    (None, "batches"), ("batches", "batches"), ("rows", "rows"), (True, "rows"), (np.True_, "rows"), (False, False),
])
def test_orders(value, order):
    assert read_shuffle(value) == order


@pytest.mark.parametrize("wrong", ["row", "Rows", "", 1, 0, 0.5, ["rows"], {}, np.ones(2)], ids=repr)
def test_orders_that_there_are_not(wrong):
    with pytest.raises(util.ConfigurationError, match="shuffle=.*'batches'.*'rows'.*True.*False"):
        read_shuffle(wrong)


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 20), batch_size=st.integers(0, 22), size=st.none() | st.integers(1, 9),
    seed=st.integers(0, 99), format=st.sampled_from(["array", "csr", "csc"]),
)
def test_mixed_rows_are_those_of_permutations(count, batch_size, size, seed, format):
    """All rows of a pass once, with what belongs to them, drawn by the generator when downhill would shuffle."""
    numbers = np.arange(count, dtype=float)
    x = numbers[:, None] + [0, 100]
    x = x if format == "array" else scipy.sparse.csr_matrix(x).asformat(format)
    dataset = MixedRows([x, numbers], batch_size=batch_size, iteration_size=size, rng=seed)
    rng, step = np.random.RandomState(seed), batch_size or count
    orders = [rng.permutation(count) for _ in range(40)]
    expected = [order[i:i + step] for order in orders for i in range(0, count, step)]
    for _ in range(3):
        seen = list(dataset)
        assert len(seen) == (size or -(-count // step))
        for a, b in seen:
            rows = expected.pop(0)
            np.testing.assert_array_equal(b, rows)
            np.testing.assert_array_equal(a.toarray() if scipy.sparse.issparse(a) else a, rows[:, None] + [0, 100])


def test_mixed_sequences_keep_their_masks_and_their_lengths(slots, rng):
    lengths = [3, 1, 6, 2, 4]
    xs, ys = ragged(lengths, rng)
    source = sources.build([xs, ys], slots, "train")
    dataset, passes = source.dataset("train", masked=True, shuffle="rows", batch_size=2, rng=3), []
    for _ in range(2):
        seen = []
        for x, y, mask in dataset:
            assert mask.sum(axis=1).max() <= x.shape[1] == mask.shape[1] <= max(lengths)
            seen += [(int(m.sum()), tuple(a[m > 0].ravel()), tuple(b[m > 0].ravel())) for a, b, m in zip(x, y, mask)]
        assert sorted(seen) == sorted(
            (len(x), tuple(x.astype(util.FLOAT).ravel()), tuple(y.astype(util.FLOAT).ravel())) for x, y in zip(xs, ys)
        )
        passes.append([length for length, _, _ in seen])
    assert passes[0] != passes[1]


def test_data_whose_order_is_not_ours(slots, rng):
    arrays = [rng.randn(5, 4, 2), rng.randn(5, 4, 1)]
    for source, refused in (
        (sources.build(lambda: arrays, slots, "train"), ["rows"]),
        (sources.build(iter([arrays]), slots, "train"), ["rows"]),
        (sources.build(downhill.Dataset(arrays), slots, "train"), ["rows", False]),
        (sources.build(arrays, slots, "train", axis=1), ["rows"]),
        (sources.build(arrays, slots, "train"), []),
    ):
        for shuffle in ORDERS:
            if shuffle in refused:
                with pytest.raises(util.ConfigurationError, match=f"shuffle={shuffle!r}"):
                    sources.check_shuffle(source, shuffle)
            else:
                sources.check_shuffle(source, shuffle)
# What can be gone through again, and datasets.

X = np.random.RandomState(0).randn(24, 4)
Y = np.random.RandomState(1).randn(24, 2)
K = np.arange(24) % 2
RUN = dict(algo="sgd", learning_rate=0.1)


class Loader:
    """Like a loader of another library."""

    def __init__(self, *arrays, size=8):
        self.arrays, self.size, self.passes = arrays, size, 0

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __iter__(self):
        self.passes += 1
        for i in range(0, len(self.arrays[0]), self.size):
            yield [array[i : i + self.size] for array in self.arrays]


class Dataset:
    """Like a dataset of another library: one example for each index."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def __len__(self):
        return len(self.arrays[0])

    def __getitem__(self, index):
        example = tuple(array[index] for array in self.arrays)
        return example if len(example) > 1 else example[0]


class Endless(Dataset):
    """Can be iterated over as well, but not indexed."""

    def __getitem__(self, index):
        raise NotImplementedError

    def __iter__(self):
        return zip(*self.arrays)


class Sequence(Dataset):
    """Like a sequence of another library: one batch for each index, and a method that is called after a pass."""

    passes = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return [array[8 * index : 8 * index + 8] for array in self.arrays]

    def on_epoch_end(self):
        self.passes += 1


def generate(*arrays):
    yield from Loader(*arrays)


def examples():
    yield from zip(X, Y)


class Generating:
    def __call__(self):
        yield from Loader(X, Y)


def in_order(net, count=2):
    """The losses of training on batches of 8 in the order of the data."""
    batches = itertools.cycle(list(Loader(X, Y)))
    return epochs(net, lambda: next(batches), count, valid=[X, Y], train_batches=3, batch_size=8, **RUN)


@pytest.fixture(scope="module")
def expected():
    return in_order(theanets.Regressor([4, 2]))


@pytest.mark.parametrize("make", [
    lambda: Loader(X, Y), lambda: Sequence(X, Y), lambda: functools.partial(generate, X, Y),
    lambda: lambda: generate(X, Y), lambda: Generating(), lambda: [Loader(X, Y)],
    lambda: [functools.partial(generate, X, Y)], lambda: Endless(X, Y),
    lambda: examples, lambda: [{"target": y, "in": x} for x, y in Loader(X, Y)].__iter__,
])
def test_an_epoch_is_a_pass(make, expected):
    assert epochs(theanets.Regressor([4, 2]), make(), 2, valid=[X, Y], batch_size=8, **RUN) == expected


def test_validation_data_are_gone_through_as_well(expected):
    net, loader, valid = theanets.Regressor([4, 2]), Loader(X, Y), Loader(X, Y, size=24)
    losses = epochs(net, loader, 2, valid=valid, validate_every=1, **RUN)
    assert [train for train, _ in losses] == [train for train, _ in expected]
    # one more pass each, to see at the call whether the data fit.
    assert loader.passes == 1 + 2 and valid.passes >= 1 + 2
    sequence = Sequence(X, Y)
    epochs(theanets.Regressor([4, 2]), sequence, 2, **RUN)
    assert sequence.passes >= 2


def test_examples_of_a_dataset_are_read_at_once():
    one, two = (theanets.Regressor([4, 2]) for _ in range(2))
    assert epochs(one, Dataset(X, Y), 2, batch_size=8, **RUN) == epochs(two, [X, Y], 2, batch_size=8, **RUN)
    one, two = (theanets.Classifier([4, 2]) for _ in range(2))
    pairs = Dataset(X, K)
    assert epochs(one, pairs, class_weight="balanced", **RUN) == epochs(two, [X, K], class_weight="balanced", **RUN)
    one, two = (theanets.Autoencoder([4, 2, 4]) for _ in range(2))
    assert epochs(one, Dataset(X), **RUN) == epochs(two, [X], **RUN)
    slots, lists = one._slots(), [(row,) for row in X]
    for source in (sources.build(Dataset(lists), slots, "train"), sources.build(lambda: iter(lists), slots, "train")):
        assert sorted(len(batch[0]) for batch in source.dataset("train", batch_size=10)) == [4, 10, 10]


def test_examples_that_are_sequences(rng, slots):
    xs, ys = ragged([3, 1, 6, 2], rng)
    source = sources.build(Dataset(xs, ys), slots, "train")
    assert source.lengths == [3, 1, 6, 2]
    np.testing.assert_array_equal(source.arrays[0][2], xs[2].astype(util.FLOAT))
    passing = sources.build(Endless(xs, ys), slots, "train")
    assert passing.is_ragged()
    masks = [batch[-1] for batch in passing.dataset("train", masked=True, batch_size=2)]
    assert [mask.sum(axis=1).tolist() for mask in masks] == [[3, 1], [6, 2]]


def test_batches_of_sequences(rng, slots):
    xs, ys = ragged([3, 1, 6, 2], rng)
    source = sources.build(Loader(xs, ys, size=2), slots, "train")
    assert source.is_ragged()
    assert [batch[0].shape for batch in source.dataset("train", masked=True)] == [(2, 3, 2), (2, 6, 2)]
    stream = sources.build(lambda: iter(Loader(xs, ys, size=2)), slots, "train")
    assert stream.is_ragged()
    assert [batch[-1].sum() for batch in stream.dataset("train", masked=True)] == [4, 8]


@pytest.mark.parametrize("make", [
    lambda: Loader(X, Y), lambda: lambda: generate(X, Y), lambda: itertools.repeat([X, Y]),
])
def test_a_number_of_batches_goes_on_where_the_last_epoch_stopped(make):
    slots = theanets.Regressor([4, 2])._slots()
    source = sources.build(make(), slots, "train")
    dataset = source.dataset("train", iteration_size=2)
    firsts = [[float(batch[0][0, 0]) for batch in dataset] for _ in range(3)]
    expected = [X[i, 0] for i in ((0, 8, 16, 0, 8, 16) if len(next(iter(dataset))[0]) == 8 else [0] * 6)]
    np.testing.assert_allclose(np.ravel(firsts), expected, rtol=1e-6)


def test_data_without_an_end_are_worth_a_warning(monkeypatch):
    monkeypatch.setattr(sources, "MANY", 5)
    slots = theanets.Regressor([4, 2])._slots()

    def endless(count=6):
        yield from itertools.repeat([X, Y], count)

    with pytest.warns(UserWarning, match="train data: 5 batches, and no end.*train_batches=100"):
        assert len(list(sources.build(endless, slots, "train").dataset("train"))) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(sources.build(lambda: endless(4), slots, "train").dataset("train"))) == 4
        assert len(list(sources.build(endless, slots, "train").dataset("train", iteration_size=50))) == 50


class Empty:
    def __iter__(self):
        return iter(())


@pytest.mark.parametrize("value, words", [
    (Loader(X, K), "train data, first batch: array 'target' has 1 dimension"), (Empty(), "no batch in Empty"),
    (Loader(X), "first batch: expected 2 arrays"), (Dataset(X, K), "first example"), ({1, 2}, "first batch"),
    (Loader, "Loader is a class, expected an object of it"), ([Loader(X, Y), Loader(X, Y)], "found a list of 2"),
    (Dataset(np.zeros((0, 4)), Y), "the Dataset is empty"),
    (zip(X, Y), r"single examples, expected batches; write train\(\[x, y\]\)"),
    (Dataset(X, [1, 2] * 12), "first example: array 'target' has 1 dimension"), (lambda: iter(()), "no batch in"),
    (Dataset(X.astype(str), Y), "'in' holds text"),
])
def test_what_makes_no_batches(value, words):
    net = theanets.Regressor([4, 2])
    with pytest.raises(util.DataError, match=words):
        net.train(value, **RUN)


# Targets as the second argument.


@pytest.mark.parametrize("x, y", [
    (X, Y), (X.tolist(), Y.tolist()), ([X], [Y]), (X, Y[:, 0]), (X.tolist(), Y[:, 0].tolist()), (X, None),
    (X[:2].tolist(), Y[:2].tolist()),
])
@pytest.mark.parametrize("options", [{}, dict(weighted=True)])
def test_targets_as_the_second_argument(x, y, options):
    call = r"train\(\[x, y, weights\]\)" if options else r"train\(\[x, y\]\)"
    words = "" if y is None else ".*second argument is data to validate on"
    with pytest.raises(util.DataError, match=f"(?s)train data: .*{call}|{words}.*{call}") as caught:
        theanets.Regressor([4, 2], **options).train(x, y, **RUN)
    assert ("second argument" in str(caught.value)) == (y is not None)


@pytest.mark.parametrize("y", [Y, K, Y.tolist(), [K], K.tolist()])
def test_targets_that_a_network_has_no_place_for(y):
    with pytest.raises(util.DataError, match=r"valid data: .*no targets here but the input: write train\(\[x\]\)"):
        theanets.Autoencoder([4, 2, 4]).train(X, y, **RUN)
    with pytest.raises(util.DataError, match=r"found 1; write train\(\[x, weights\]\); the second argument"):
        theanets.Autoencoder([4, 2, 4], weighted=True).train(X, y, **RUN)


@pytest.mark.parametrize("train, valid", [
    (X, X), ([X], X[:5]), (X, [X[:5]]), (X.tolist(), X[:1]), (X, iter([[X]] * 9)),
])
def test_data_for_validation_as_the_second_argument(train, valid):
    net = theanets.Autoencoder([4, 2, 4])
    assert np.isfinite(net.train(train, valid, epochs=1, valid_batches=1, **RUN)[1]["loss"])
    classifier = theanets.Classifier([4, 2])
    assert np.isfinite(classifier.train([X, K], [X[:5], K[:5]], epochs=1, **RUN)[1]["loss"])


@pytest.mark.parametrize("arguments, words", [
    (([X, Y], 0.2), "valid=0.2, expected data.*split"), (([X, Y], [X]), r"valid data.*write valid=\[x, y\]"),
    (([X, Y], Y), r"write valid=\[x, y\]"), ((X, Y, X, Y), "algo is a ndarray.*train.*x_valid, y_valid"),
    (([X, Y], [X, Y], [X, Y]), "algo is a list.*train"), (([X, Y], None, 3), "algo is a int, expected the name"),
])
def test_other_orders_of_arguments(arguments, words):
    with pytest.raises(util.ConfigurationError, match=words):
        theanets.Regressor([4, 2]).train(*arguments)
