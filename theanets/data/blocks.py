"""Data larger than memory: memory-mapped arrays, and rows of Parquet and Arrow files, read a block at a time.

Blocks are runs of consecutive rows. In each pass they are read in another order, some of them together make a chunk,
within which batches or rows are shuffled, and the next chunk is read by a thread while the network is trained on this
one. All chunks but the last one have the same number of rows, so that one compiled loop runs on them.
"""

import collections.abc
import contextlib
import importlib
import math
import mmap
import queue
import threading

import downhill
import numpy as np

from .. import util
from .arrays import cast_all, check

__all__ = ["Arrow", "BlockSource", "Blocks", "find", "sample_of"]

#: Memory-mapped arrays of so many bytes in all are read block by block; smaller ones are treated as other arrays.
LARGE = 1 << 28

#: Bytes of a chunk, of which up to four are in memory at a time, and the number of blocks in it.
CHUNK, MIXED = 1 << 25, 16

#: Bytes by which addresses of arrays are divisible that JAX does not copy.
ALIGNED = 64

#: Rows that are looked at in advance, to check that the data fit the network.
FIRST = 32

#: Rows of mapped arrays, and parts of files, by which data are told from others.
SAMPLED_ROWS, SAMPLED_PARTS = 1 << 12, 1 << 3


class MappedRows:
    """Rows of memory-mapped arrays.

    Parameters
    ----------
    arrays : list of ndarray
        The arrays, of which some are memory-mapped.
    """

    def __init__(self, arrays):
        self.arrays = arrays
        lengths = {array.shape[0] if np.ndim(array) else 0 for array in arrays}
        if len(lengths) > 1:
            shown = " and ".join(map(str, sorted(lengths)))
            raise util.DataError(f"arrays of {shown} examples, expected as many in each")
        self.count = lengths.pop()

    def blocks(self, rows):
        """Return the blocks, as pairs of the first row and the one behind the last."""
        return [(start, min(start + rows, self.count)) for start in range(0, self.count, rows)]

    def sample(self):
        """Return rows from everywhere, as arrays, by which the data are told from others."""
        places = _spread(self.count, SAMPLED_ROWS)
        return [array[places] for array in self.arrays]

    def read(self, block):
        """Yield arrays of the rows of a block, which are to be copied before the next ones are read."""
        yield [array[slice(*block)] for array in self.arrays]
        for array in self.arrays:
            # the pages that were read would count as memory of this process; with mode 'c' they may hold changes.
            mapping = getattr(array, "_mmap", None)
            if mapping is not None and array.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
                mapping.madvise(mmap.MADV_DONTNEED)


class Arrow:
    """Rows of Parquet or Arrow files as training data, for ``net.train`` in place of arrays.

    Parameters
    ----------
    source : pyarrow.dataset.Dataset, str or list of str
        The rows, as a dataset or as what ``pyarrow.dataset.dataset`` takes: files, or a folder.
    *columns : str or list of str
        For each array of a batch: the name of a column, of numbers or of lists of one length; or a list of names of
        columns of numbers, which become the columns of a matrix. Default: the columns of the dataset, one an array.

    Raises
    ------
    ImportError
        If pyarrow is not installed: ``pip install theanets[arrow]``.
    DataError
        If there is no such column; while rows are read, for missing values, and lists of different lengths.

    Examples
    --------
    >>> rows = Arrow("measured/", ["width", "height"], "kind")                                       # doctest: +SKIP
    >>> net.train(rows, batch_size=256)                                                              # doctest: +SKIP
    """

    def __init__(self, source, *columns):
        arrow = importlib.import_module("pyarrow.dataset")
        self.source = source if isinstance(source, arrow.Dataset) else arrow.dataset(source)
        known = self.source.schema.names
        self.columns = [[name] if isinstance(name, str) else list(name) for name in columns or known]
        self.is_matrix = [not isinstance(name, str) for name in columns or known]
        missing = sorted({name for names in self.columns for name in names} - set(known))
        if missing:
            raise util.DataError(f"there is no column {missing[0]!r} in the dataset; it has {', '.join(known)}")
        self.names = list(dict.fromkeys(name for names in self.columns for name in names))
        # row groups of Parquet, whose sizes are known, and whole files of other formats.
        self.parts = [part for fragment in self.source.get_fragments() for part in _split(fragment)]
        self.sizes = [_count(part) for part in self.parts]
        self.count = sum(self.sizes)

    def blocks(self, rows):
        """Return the blocks: row groups, or files, however many rows they have."""
        return [place for place, size in enumerate(self.sizes) if size]

    def sample(self):
        """Return the first rows of blocks from everywhere, as arrays, by which the data are told from others."""
        full = self.blocks(1)
        tables = [
            self.parts[full[i]].head(FIRST, columns=self.names, batch_size=FIRST, batch_readahead=1)
            for i in _spread(len(full), SAMPLED_PARTS)
        ]
        batches = [batch for table in tables for batch in table.to_batches() if batch.num_rows]
        arrays = zip(
            *([self._array(batch, *about) for about in zip(self.columns, self.is_matrix)] for batch in batches)
        )
        return [np.concatenate(parts) for parts in arrays]

    def read(self, block):
        """Yield arrays of the rows of a block, piece by piece."""
        for batch in self.parts[block].to_batches(columns=self.names):
            if batch.num_rows:
                yield [self._array(batch, *about) for about in zip(self.columns, self.is_matrix)]

    @staticmethod
    def _array(batch, names, is_matrix):
        found = [_values(batch.column(name), name) for name in names]
        return np.stack(found, axis=1) if is_matrix else found[0]


def _spread(count, most):
    """Return some of the numbers below ``count``, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def _split(fragment):
    return fragment.split_by_row_group() if hasattr(fragment, "split_by_row_group") else [fragment]


def _count(part):
    groups = getattr(part, "row_groups", None)
    return sum(group.num_rows for group in groups) if groups else part.count_rows()


def _values(column, name):
    """Return the values of a column as an array, whose further axes are those of lists."""
    if column.null_count:
        raise util.DataError(f"column {name!r}: {util.number_of(column.null_count, 'value')} missing, expected none")
    lengths = []
    while hasattr(column.type, "value_type") and hasattr(column, "flatten"):
        rows, column = len(column), column.flatten()
        if rows and len(column) % rows or getattr(column, "null_count", 0):
            raise util.DataError(f"column {name!r}: lists of different lengths, or with missing values")
        lengths.append(len(column) // rows if rows else 0)
    array = column.to_numpy(zero_copy_only=False)
    if array.dtype.kind not in "biuf":
        raise util.DataError(f"column {name!r}: values of {column.type}, expected numbers")
    return array.reshape(-1, *lengths) if lengths else array


class BlockSource:
    """Source of training data that are read block by block; see :mod:`theanets.data.sources`.

    Parameters
    ----------
    rows : MappedRows or Arrow
        The data.
    slots : list of :class:`theanets.data.Slot`
        What is expected of the arrays.
    label : str, optional
        ``"train"`` or ``"valid"``, for messages.
    surplus : bool, optional
        Whether there may be more arrays than slots; those at the end are ignored.

    Raises
    ------
    DataError
        If the first rows do not fit.
    """

    axis = 0

    lengths = None

    def __init__(self, rows, slots, label="train", surplus=False):
        self.rows = rows
        self.slots = slots
        self.label = label
        self.surplus = surplus
        #: The number of the process that reads the data, and the number of processes among which they are split.
        self.part = 0, 1
        if not rows.count:
            raise util.DataError(f"{label} data: there are no rows")
        first = next(iter(rows.read(rows.blocks(FIRST)[0])))
        self.cast([array[:FIRST] for array in first])
        self.row_bytes = sum(array.nbytes for array in self.cast(first)) / len(first[0])

    def sample(self):
        """Return the number of rows, and some of them, by which the data are told from others."""
        return [np.array(self.rows.count), *self.rows.sample()]

    def cast(self, arrays, is_new=True):
        """Return arrays as the network needs them, checked unless they were before."""
        found = cast_all(arrays, self.slots, surplus=self.surplus)
        for array, slot in zip(found, self.slots) if is_new else ():
            check(array, slot)
        return found

    def split(self, number, count):
        """Let each of several processes read some of the blocks, and give its part of each batch."""
        self.part = number, count

    def is_ragged(self):
        """Tell whether there are sequences of different lengths, which there are not."""
        return False

    def varies(self):
        """Tell whether the number of steps may differ between batches, which it may not."""
        return False

    def dataset(self, name, masked=False, shuffle="batches", batch_size=32, iteration_size=None, rng=None):
        """Make a dataset; see :meth:`theanets.data.sources.ArraySource.dataset`."""
        if masked:
            raise util.DataError(f"{name} data: rows that are read block by block cannot be padded sequences")
        return Blocks(self, name, shuffle, batch_size, iteration_size, rng)


class _Reader:
    """What downhill takes for a callable that makes batches; its generator is that of the dataset."""

    rng = None

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __call__(self):
        raise NotImplementedError("batches are made by Blocks.iterate()")


class Blocks(downhill.Dataset):
    """The dataset of a :class:`BlockSource`.

    Parameters
    ----------
    source : BlockSource
        The source.
    name : str
        Name of the dataset in logs.
    shuffle : str or bool
        ``'batches'``: blocks, and batches within a chunk, come in another order in each pass; ``'rows'``: blocks, and
        rows within a chunk; False: all come in the order of the data.
    batch_size : int
        Number of examples in a batch.
    iteration_size : int or None
        Number of batches in a pass. Default: all.
    rng : int, None or numpy.random.RandomState
        Seed or generator for shuffling.
    """

    def __init__(self, source, name, shuffle, batch_size, iteration_size, rng):
        number, processes = source.part
        total = source.rows.count
        if batch_size <= 0:
            raise util.ConfigurationError(
                f"batch_size={batch_size}: all rows in one batch, of data that are read block by block; give a number"
            )
        if batch_size % processes:
            raise util.ConfigurationError(
                f"batch_size={batch_size} cannot be divided among {processes} processes, each of which reads its part"
            )
        self.size = batch_size // processes
        self.source, self.order_of = source, shuffle
        self.is_known = False
        rows = int(CHUNK / source.row_bytes) // self.size * self.size
        self.chunk_rows = max(self.size, min(rows, -(-total // self.size) * self.size))
        reader = _Reader(-(-total // batch_size))
        super().__init__(reader, name=name, batch_size=batch_size, iteration_size=iteration_size, rng=rng)
        reader.rng = self.rng

    def iterate(self, shuffle=True):
        """Iterate over the batches of a pass."""
        with contextlib.closing(self.chunks()) as chunks:
            for arrays, starts, order in chunks:
                for start in starts:
                    where = slice(start, start + self.size)
                    where = where if order is None else order[where]
                    yield [array[where] for array in arrays]

    def chunks(self):
        """Iterate over the chunks of a pass.

        Yields
        ------
        arrays : list of ndarray
            The rows of the chunk.
        starts : ndarray of int
            Where its batches begin.
        order : ndarray of uint32 or None
            The order of the rows, if they are shuffled.
        """
        number, processes = self.source.part
        blocks = self.source.rows.blocks(max(1, self.chunk_rows // MIXED))
        if self.order_of:
            blocks = [blocks[place] for place in self.rng.permutation(len(blocks))]
        missing = self.iteration_size
        with contextlib.closing(_ahead(self._read(blocks[number::processes]))) as found:
            for arrays in found:
                count = arrays[0].shape[0]
                starts, order = np.arange(0, count, self.size), None
                if self.order_of == "rows":
                    order = self.rng.permutation(count).astype("uint32")
                elif self.order_of:
                    starts = self.rng.permutation(starts)
                yield arrays, starts[:missing], order
                missing -= len(starts)
                if missing <= 0:
                    return
        self.is_known = True

    def _read(self, blocks):
        """Yield the arrays of each chunk, cast and checked."""
        chunk, filled = None, 0
        for block in blocks:
            for arrays in self.source.rows.read(block):
                start = 0
                while start < len(arrays[0]):
                    if chunk is None:
                        chunk = [_empty((self.chunk_rows, *array.shape[1:]), array.dtype) for array in arrays]
                    count = min(len(arrays[0]) - start, self.chunk_rows - filled)
                    for array, whole in zip(arrays, chunk):
                        whole[filled : filled + count] = array[start : start + count]
                    start, filled = start + count, filled + count
                    if filled == self.chunk_rows:
                        yield self._cast(chunk)
                        chunk, filled = None, 0
        if filled:
            yield self._cast([array[:filled] for array in chunk])

    def _cast(self, arrays):
        try:
            return self.source.cast(arrays, not self.is_known)
        except util.DataError as error:
            raise util.DataError(f"{self.name} data: {error}") from error


def _empty(shape, dtype):
    """Return an array that is aligned so that JAX, on a CPU, can use it without a copy."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNED, "uint8")
    start = -memory.ctypes.data % ALIGNED
    return memory[start : start + size].view(dtype).reshape(shape)


def _ahead(items):
    """Yield the items of a generator, of which a thread makes the next one meanwhile."""
    found, ended = queue.Queue(maxsize=1), threading.Event()

    def make():
        try:
            for item in items:
                _put(found, ended, (item, None))
                del item
                if ended.is_set():
                    return
        except BaseException as error:
            _put(found, ended, (None, error))
        else:
            _put(found, ended, (None, None))

    thread = threading.Thread(target=make, name="reading of blocks", daemon=True)
    thread.start()
    try:
        while True:
            item, error = found.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
            del item
    finally:
        ended.set()
        thread.join()
        items.close()


def _put(found, ended, item):
    while not ended.is_set():
        with contextlib.suppress(queue.Full):
            found.put(item, timeout=0.1)
            return


def find(value, slots, label="train", surplus=False):
    """Return a source for data that are to be read block by block; None for other data.

    Parameters
    ----------
    value, slots, label, surplus
        See :func:`theanets.data.sources.build`.
    """
    if isinstance(value, (list, tuple)) and len(value) == 1 and _is_arrow(value[0]):
        value = value[0]
    if _is_arrow(value):
        rows = value if isinstance(value, Arrow) else Arrow(value)
        return BlockSource(rows, slots, label, surplus)
    if isinstance(value, collections.abc.Mapping):
        names = [slot.name for slot in slots]
        values = [value[name] for name in names] if set(names) == set(value) else []
    else:
        values = list(value) if isinstance(value, (list, tuple)) else [value]
    if any(map(_is_arrow, values)):
        raise util.DataError(
            f"{label} data: rows of files beside other arrays; give one theanets.data.Arrow that has all columns"
        )
    mapped = [item for item in values if isinstance(item, np.memmap)]
    if sum(item.nbytes for item in mapped) < LARGE or not all(isinstance(item, np.ndarray) for item in values):
        return None
    return BlockSource(MappedRows(values), slots, label, surplus)


def sample_of(value):
    """Return arrays by which rows of files are told from others; None for other data."""
    if not _is_arrow(value):
        return None
    rows = value if isinstance(value, Arrow) else Arrow(value)
    return [np.array(rows.sizes), *rows.sample()]


def _is_arrow(value):
    return isinstance(value, Arrow) or type(value).__module__.startswith("pyarrow.") and hasattr(value, "get_fragments")
