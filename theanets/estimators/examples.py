"""Arrays of examples for estimators: merging of equal ones, and checks of targets and weights."""

import numpy as np
import scipy.sparse
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight

__all__ = ["check_classes", "check_indicators", "check_weights", "in_chunks", "merge"]

#: Largest number of examples that outputs are computed for at a time.
CHUNK = 1024

#: Number of values whose digests are computed at a time.
PIECE = 2**16


def _scramble(numbers):
    """Hash each number of an array of uint64; different numbers have different hashes."""
    # the finalizer of S Vigna's generator splitmix64.
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _digest(array, salt):
    """Return a hash of each row.

    Parameters
    ----------
    array : ndarray (num-rows, ...) or sparse matrix (num-rows, num-columns)
        The rows. Those of an array have the same hashes as those of an equal sparse matrix.
    salt : int
        Makes hashes independent of those of another salt.

    Returns
    -------
    digest : ndarray of uint64 (num-rows, )
    """
    count = array.shape[0]
    rows = array if scipy.sparse.issparse(array) else array.reshape(count, -1)
    columns = _scramble(_scramble(np.arange(rows.shape[1], dtype="uint64")) + np.uint64(salt))
    step = count if scipy.sparse.issparse(rows) else max(1, PIECE // max(1, rows.shape[1]))
    result = np.zeros(count, "uint64")
    for start in range(0, count, step):
        piece = rows[start : start + step].astype("float64")
        # zeros are left out, as in sparse rows; sums of uint64 wrap around.
        if scipy.sparse.issparse(piece):
            piece.sum_duplicates()
            piece.eliminate_zeros()
            entries = _scramble(piece.data.view("uint64") ^ columns[piece.indices])
            sums = np.concatenate([np.zeros(1, "uint64"), np.cumsum(entries, dtype="uint64")])
            result[start : start + step] = sums[piece.indptr[1:]] - sums[piece.indptr[:-1]]
        else:
            entries = np.where(piece == 0, np.uint64(0), _scramble(piece.view("uint64") ^ columns))
            result[start : start + step] = entries.sum(axis=1, dtype="uint64")
    return result


def merge(arrays, weights):
    """Merge equal examples, adding up their weights, and sort them by their hashes.

    So an example of weight 2 has the same effect as two examples of weight 1, and one of weight 0 has none. The order
    of the examples makes no difference, nor whether they are given as an array or as a sparse matrix.
    """
    keep = weights > 0
    arrays, weights = [array[keep] for array in arrays], weights[keep]
    # 128 bits, so that different examples do not have the same hash by chance.
    digests = [_digest(array, 2 * i + which) for i, array in enumerate(arrays) for which in (0, 1)]
    first, second = sum(digests[2::2], digests[0]), sum(digests[3::2], digests[1])
    # weights are sorted, too, as the rounding of a sum depends on the order.
    order = np.lexsort((weights, second, first))
    is_new = np.concatenate([[True], (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)])
    (starts,) = is_new.nonzero()
    return [array[order[starts]] for array in arrays], np.add.reduceat(weights[order], starts)


def in_chunks(function, x):
    """Compute outputs for chunks of examples of one shape; the last chunk is padded with zeros.

    XLA compiles again for each shape, and may round differently.
    """
    size = min(CHUNK, 32 << max(0, int(np.ceil(np.log2(x.shape[0] / 32)))))
    results = []
    for start in range(0, x.shape[0], size):
        filled = x[start : start + size]
        count = filled.shape[0]
        if scipy.sparse.issparse(x):
            filled.resize((size, x.shape[1]))
        elif count < size:
            filled = np.concatenate([filled, np.zeros((size - count, *x.shape[1:]), x.dtype)])
        results.append(function(filled)[:count])
    return np.concatenate(results)


def check_indicators(y):
    """Refuse a matrix of targets that is not made of zeros and ones, one column for each label."""
    kind = type_of_target(y)
    if kind != "multilabel-indicator":
        raise ValueError(
            f"y is a matrix of the kind {kind!r}, expected labels, or a matrix of zeros and ones with a column for "
            "each label (see sklearn.preprocessing.MultiLabelBinarizer)"
        )
    values = np.unique(y.data if scipy.sparse.issparse(y) else y)
    if not np.isin(values, [0, 1]).all():
        raise ValueError(f"y is a matrix of the numbers {values.tolist()}, expected zeros and ones")


def check_classes(classes, known):
    """Refuse classes that are not those of the first call."""
    if classes is not None and not np.array_equal(np.unique(classes), known):
        raise ValueError(f"classes={classes!r} are not those of the first call, {known.tolist()}")


def check_weights(sample_weight, x):
    """Return weights as an array, one for each example; refuse those that are negative, not finite, or all zero."""
    weights = _check_sample_weight(sample_weight, x, ensure_non_negative=True)
    # releases of scikit-learn before 1.8 accept weights that are all zero.
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights
