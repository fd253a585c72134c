"""Folds: rows are dealt out in proportion, and taken from data of all kinds."""

import numpy as np
import pandas
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, StratifiedKFold
from theanets import util
from theanets.trainer.sweeps import folds


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.data())
def test_each_row_is_validated_once_and_labels_are_in_proportion(count, data):
    number = data.draw(st.integers(2, count))
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    rows = folds.read(number, [np.zeros((count, 2)), labels])
    assert sorted(np.concatenate([valid for _, valid in rows])) == list(range(count))
    for train, valid in rows:
        assert sorted([*train, *valid]) == list(range(count))
        for label in range(3):
            share = (labels == label).sum() / number
            assert abs((labels[valid] == label).sum() - share) <= 2
    again = folds.read(number, [np.zeros((count, 2)), labels])
    assert all(np.array_equal(a, b) for one, other in zip(rows, again) for a, b in zip(one, other))


def test_splitters_of_scikit_learn():
    x, y = np.zeros((12, 2)), np.arange(12) % 3
    found = folds.read(StratifiedKFold(2), [x, y])
    for (train, valid), (other, rest) in zip(found, StratifiedKFold(2).split(x, y), strict=True):
        assert np.array_equal(train, other) and np.array_equal(valid, rest)
    pairs = GroupKFold(2).split(x, y, np.arange(12) // 6)
    assert [sorted(valid) for _, valid in folds.read(pairs, [x, y])] == [[*range(6, 12)], [*range(6)]]


def test_rows_are_taken_from_arrays_of_all_kinds():
    rows = np.array([2, 0])
    dense = np.arange(12).reshape(4, 3)
    ragged = [np.zeros(3), np.zeros(2), np.zeros(1), np.zeros(4)]
    taken = folds.take([dense, scipy.sparse.csr_matrix(dense), pandas.DataFrame(dense), ragged], rows)
    for found in taken[:3]:
        assert np.array_equal(found.toarray() if scipy.sparse.issparse(found) else found, dense[[2, 0]])
    assert [len(item) for item in taken[3]] == [1, 3]
    assert folds.take({"in": dense}, rows)["in"].tolist() == dense[[2, 0]].tolist()
    assert folds.take(dense, np.array([1]), axis=1).tolist() == dense[:, [1]].tolist()


@pytest.mark.parametrize("wrong, match", [
    (1, "expected a number from 2 to that of the examples, 4"),
    (5, "expected a number from 2"),
    (2.5, "folds=2.5"),
    ([], "no fold"),
    ([([0], [1], [2])], "expected a pair"),
    ([([0], [4])], "out of range"),
    ([([0.5], [1])], "indices of rows"),
    ([([], [1])], "indices of rows"),
])
def test_folds_that_cannot_be(wrong, match):
    with pytest.raises(util.ConfigurationError, match=match):
        folds.read(wrong, [np.zeros((4, 1))])
    with pytest.raises(util.ConfigurationError, match="expected arrays"):
        folds.read(2, lambda: None)
    with pytest.raises(util.ConfigurationError, match="have .3, 4. examples"):
        folds.read(2, [np.zeros(3), np.zeros(4)])
