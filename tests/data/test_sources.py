"""Batches come in the right order, with masks where sequences differ in length, and end where their source does."""

import downhill
import numpy as np
import pytest
import theanets
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
    batches = list(source.dataset("train", batch_size=2, rng=1, ordered=True))
    assert [len(batch[0]) for batch in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in batches]), x.astype(util.FLOAT))
    assert all(np.shares_memory(batch[1], source.arrays[1]) for batch in batches)


def test_order_stays_in_later_passes(slots, rng):
    dataset = sources.build([rng.randn(7, 4, 2), rng.randn(7, 4, 1)], slots, "train").dataset(
        "train", batch_size=2, rng=1, ordered=True
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
