"""Batches come in the right order, with masks where sequences differ in length, and end where their source does."""

import downhill
import numpy as np
import pytest
import scipy.sparse
import theanets
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import util
from theanets.data import sources


@pytest.fixture
def slots():
    return theanets.recurrent.Regressor([2, (3, "rnn"), 1]).slots()


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


def test_sequences_are_padded_masked_and_cut_to_the_longest_of_the_batch(slots, rng):
    lengths = [3, 1, 6, 2]
    xs, ys = ragged(lengths, rng)
    source = sources.build([xs, ys], slots, "train")
    assert source.is_ragged()
    seen = []
    for x, y, mask in source.dataset("train", masked=True, batch_size=2, rng=3):
        assert x.shape[1] == y.shape[1] == mask.shape[1] == mask.sum(axis=1).max()
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
    assert sources.read_shuffle(value) == order


@pytest.mark.parametrize("wrong", ["row", "Rows", "", 1, 0, 0.5, ["rows"], {}, np.ones(2)], ids=repr)
def test_orders_that_there_are_not(wrong):
    with pytest.raises(util.ConfigurationError, match="shuffle=.*'batches'.*'rows'.*True.*False"):
        sources.read_shuffle(wrong)


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
    dataset = sources.MixedRows([x, numbers], batch_size=batch_size, iteration_size=size, rng=seed)
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
            assert x.shape[1] == mask.sum(axis=1).max()
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
        for shuffle in sources.ORDERS:
            if shuffle in refused:
                with pytest.raises(util.ConfigurationError, match=f"shuffle={shuffle!r}"):
                    sources.check_shuffle(source, shuffle)
            else:
                sources.check_shuffle(source, shuffle)
