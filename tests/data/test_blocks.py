"""Data that are read a block at a time: all rows come once, in mixed order, and memory stays flat."""

import numpy as np
import pyarrow as arrow
import pytest
import theanets
from pyarrow import dataset, parquet
from theanets.data import blocks, sources
from theanets.trainer.sweeps import records

ROWS, SIZE = 1030, 20


@pytest.fixture
def small(monkeypatch):
    """Chunks of 200 rows, of blocks of 12 rows or so, of maps of any size."""
    monkeypatch.setattr(blocks, "LARGE", 1)
    monkeypatch.setattr(blocks, "CHUNK", 200 * 6 * 4)


@pytest.fixture
def mapped(tmp_path):
    x = np.memmap(tmp_path / "x", "float32", "w+", shape=(ROWS, 4))
    x[:] = np.random.RandomState(0).randn(ROWS, 4)
    x[:, 0] = np.arange(ROWS)
    x.flush()
    return np.memmap(tmp_path / "x", "float32", "r", shape=(ROWS, 4))


def network():
    return theanets.Regressor([4, (3, "tanh"), 2], rng=1)


def source(x, y):
    return sources.build([x, y], network()._slots(), "train")


@pytest.mark.parametrize("shuffle", ["batches", "rows", False])
def test_all_rows_come_once_in_each_pass(small, mapped, shuffle):
    y = np.stack([mapped[:, 0], -mapped[:, 0]], axis=1)
    dataset = source(mapped, y).dataset("train", shuffle=shuffle, batch_size=SIZE, rng=3)
    passes = [list(dataset.iterate()) for _ in range(2)]
    for batches in passes:
        assert [len(x) for x, _ in batches].count(SIZE) == ROWS // SIZE and len(batches) == dataset.iteration_size
        numbers = np.concatenate([x[:, 0] for x, _ in batches])
        np.testing.assert_array_equal(np.sort(numbers), np.arange(ROWS))
        for x, target in batches:
            np.testing.assert_array_equal(target[:, 0], x[:, 0])
    first, second = (np.concatenate([x[:, 0] for x, _ in batches]) for batches in passes)
    assert (first == second).all() == (shuffle is False)
    if shuffle:
        # a batch has rows of several blocks only if rows are mixed.
        assert (np.diff(first[:SIZE]) == 1).mean() < (0.2 if shuffle == "rows" else 1)


def test_processes_share_the_blocks(small, mapped):
    y, found = np.zeros((ROWS, 2), "f"), []
    for number in range(2):
        part = source(mapped, y)
        part.split(number, 2)
        found += [x[:, 0] for x, _ in part.dataset("train", batch_size=SIZE, rng=3).iterate()]
        assert len(found[0]) == SIZE // 2
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(ROWS))


def test_training_is_that_on_the_same_data_in_memory(small, mapped):
    y = np.array(mapped[:, 1:3])
    options = dict(algo="sgd", learning_rate=0.01, batch_size=SIZE, shuffle=False, epochs=2, train_batches=30)
    scaled = [np.array(mapped) / ROWS, y]
    theanets.set_mode("XLA")
    try:
        nets = [network() for _ in range(2)]
        path = mapped.filename.with_name("y")
        scaled[0].tofile(path)
        again = np.memmap(path, "float32", "r", shape=(ROWS, 4))
        nets[0].train([again, y], scaled, **options)
        for _ in range(2):
            # 30 batches of the beginning in each epoch.
            nets[1].train([values[: 30 * SIZE] for values in scaled], scaled, **{**options, "epochs": 1})
    finally:
        theanets.set_mode(None)
    assert nets[0].history["train_loss"][1] == pytest.approx(nets[1].history["train_loss"][0], rel=1e-5)


def test_what_does_not_fit_is_refused_at_once(small, mapped):
    with pytest.raises(theanets.util.DataError, match="train data: .*expected"):
        network().train([mapped[:, :3], np.zeros((ROWS, 2))])
    with pytest.raises(theanets.util.DataError, match="expected as many in each"):
        network().train([mapped, np.zeros((5, 2))])
    with pytest.raises(theanets.util.ConfigurationError, match="batch_size=0"):
        network().train([mapped, np.zeros((ROWS, 2))], batch_size=0)


def test_checkpoints_and_sweeps_know_their_rows(small, mapped, tmp_path):
    x = np.array(mapped) / ROWS
    for name, values in (("one", x), ("other", x[::-1])):
        parquet.write_table(arrow.table(dict(zip("abc", values.T))), tmp_path / name, row_group_size=300)

    def rows(name, *columns):
        return theanets.data.Arrow(str(tmp_path / name), ["a", "b", "c", "a"], list(columns))

    scaled = np.memmap(tmp_path / "scaled", "float32", "w+", shape=(ROWS, 4))
    scaled[:] = x
    for number, (one, *others) in enumerate([
        (rows("one", "b", "c"), rows("other", "b", "c"), rows("one", "c", "b")),
        ([scaled, x[:, :2]], [mapped, x[:, :2]]),
    ]):
        path = tmp_path / f"{number}.checkpoint"
        network().train(one, epochs=1, checkpoint=path)
        for other in others:
            with pytest.raises(theanets.util.ConfigurationError, match="the values of the train data"):
                network().train(other, epochs=2, checkpoint=path)
        net = network()
        net.train(one, epochs=2, checkpoint=path)
        assert len(net.history) == 2
    names = [records.Records(tmp_path / "sweep", network, rows(*given), None).name({}, None) for given in
             (("one", "b"), ("one", "b"), ("other", "b"), ("one", "c"))]
    assert names[0] == names[1] and len(set(names)) == 3


def test_errors_of_the_reading_thread_are_raised(small, tmp_path):
    x = np.memmap(tmp_path / "x", "float32", "w+", shape=(ROWS, 4))
    x[900, 1] = np.nan
    with pytest.raises(theanets.util.DataError, match="not finite|nan|NaN"):
        network().train([x, np.zeros((ROWS, 2))], batch_size=SIZE, epochs=1)


def test_rows_of_parquet_files(small, mapped, tmp_path):
    lists = arrow.FixedSizeListArray.from_arrays(arrow.array(np.array(mapped).ravel()), 4)
    table = arrow.table({"x": lists, "a": mapped[:, 0], "b": -mapped[:, 0], "kind": ["k"] * ROWS})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=70)
    slots = network()._slots()
    for given in (
        theanets.data.Arrow(str(tmp_path / "rows.parquet"), "x", ["a", "b"]),
        theanets.data.Arrow(dataset.dataset(str(tmp_path / "rows.parquet")), ["a", "b", "a", "b"], ["a", "b"]),
    ):
        found = list(sources.build(given, slots, "train").dataset("train", batch_size=SIZE, rng=3).iterate())
        assert len(found) == -(-ROWS // SIZE)
        numbers = np.concatenate([x[:, 0] for x, _ in found])
        np.testing.assert_array_equal(np.sort(numbers), np.arange(ROWS))
        np.testing.assert_array_equal(np.concatenate([y[:, 1] for _, y in found]), -numbers)
    with pytest.raises(theanets.util.DataError, match="no column 'c'"):
        theanets.data.Arrow(str(tmp_path / "rows.parquet"), "c")
    with pytest.raises(theanets.util.DataError, match="beside other arrays; give one"):
        sources.build([theanets.data.Arrow(str(tmp_path / "rows.parquet"), "x"), mapped[:, :2]], slots, "train")
    with pytest.raises(theanets.util.DataError, match="'kind'.*expected numbers"):
        sources.build(theanets.data.Arrow(str(tmp_path / "rows.parquet"), "x", "kind"), slots, "train")
