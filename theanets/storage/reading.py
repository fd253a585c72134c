"""Reading networks from files of every kind that there is: archives, pickles, and those of the reference release."""

import io
import pathlib

from .. import util
from . import archive, blueprint, legacy, objects, pickles
from .files import GZIP_MAGIC, Source, read_from

__all__ = ["load", "load_all", "load_sections"]


class _NoNetworkError(util.LoadError, TypeError):
    """A file that holds something else than a network."""


def load(source, trusted=(), max_bytes=None):
    """Read a network that :func:`save` has written, or a pickle of one, or a file of the reference release.

    Nothing that the file holds is run, and nothing is imported.

    Parameters
    ----------
    source : str, pathlib.Path or readable binary file
        What kind of file it is shows in what it holds. An open file is read from its position, and left open behind
        the network, so that several can be read one after the other.
    trusted : iterable of classes and functions, optional
        What may be used besides this library and those classes of layers, losses, activations and models that exist
        already: functions that a network holds, other classes, and classes that say themselves how they are pickled.
        These may be called with what the file holds.
    max_bytes : int, optional
        The largest size of the file, and of what it unpacks to. Default: 4 GiB; for a compressed file also 50 times
        its size, if that is more than 64 MiB.

    Returns
    -------
    network : :class:`theanets.Network`
        Of the class that was saved.

    Raises
    ------
    LoadError
        If the file is damaged, or too large, or holds what is not admitted. It is a ConfigurationError and a
        ValueError, and if the file holds something else than a network, also a TypeError.
    TypeError
        If the source is neither a path nor a file.
    OSError
        If the file cannot be read, such as FileNotFoundError.
    """
    return load_all(source, trusted, max_bytes)[0]


def load_all(source, trusted=(), max_bytes=None):
    """Read a network and the sections of an archive.

    Returns
    -------
    network : :class:`theanets.Network`
    sections : dict
        See :func:`theanets.storage.archive.read`; empty if the file is no archive.
    """
    return read_from(source, lambda opened: _load(opened, trusted), max_bytes)


def load_sections(path):
    """Read the sections of an archive, whatever network is in it.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    sections : dict
        See :func:`theanets.storage.archive.write`.

    Raises
    ------
    LoadError
        If the file is damaged, or is no archive.
    OSError
        If it cannot be read.
    """
    return read_from(pathlib.Path(path), archive.load_sections)


def _load(source, trusted):
    first = source.peek(pickles.SEAL_SIZE)
    if first.startswith(archive.MAGIC):
        return archive.load(source, trusted)
    if first.startswith(GZIP_MAGIC):
        return _load_zipped(source, trusted)
    if not first:
        raise util.LoadError("it is empty")
    length = pickles.sealed_length(first)
    if length is not None:
        content = source.read(pickles.SEAL_SIZE + length)
        record, end = pickles.read(content, budget := source.budget(len(content)))
        network = _build(record, trusted, budget)
        source.handle.seek(source.start + end)
        return network, {}
    if not pickles.may_begin(first):
        raise util.LoadError("it is neither an archive nor a pickle, as its first bytes show")
    budget = source.budget()
    # buffered, so that any file will do that can be read and positioned.
    stream = io.BufferedReader(source.part())
    record = pickles.read_from(stream, min(source.end - source.start, source.limit), budget)
    end = source.start + stream.tell()
    network = _build(record, trusted, budget)
    source.handle.seek(end)
    return network, {}


def _load_zipped(source, trusted):
    content, packed = source.unzip(_may_be_ours)
    if content is None:
        raise util.LoadError("what it holds in compressed form is neither an archive nor a pickle")
    if not content:
        raise util.LoadError("it is empty")
    end = source.handle.tell()
    if content.startswith(archive.MAGIC):
        inner = Source(io.BytesIO(content), source.limit if source.is_given else None, packed)
        result = archive.load(inner, trusted)
    else:
        budget = source.budget(packed, len(content))
        record, _ = pickles.read(content, budget)
        result = _build(record, trusted, budget), {}
    source.handle.seek(end)
    return result


def _may_be_ours(start):
    """Tell whether the decompressed content may be that of a network, by its first bytes."""
    start = start[: pickles.SEAL_SIZE]
    is_short = len(start) < pickles.SEAL_SIZE
    return is_short or start.startswith(archive.MAGIC) or pickles.sealed_length(start) or pickles.may_begin(start)


def _build(record, trusted, budget):
    """Build the network that a pickle holds."""
    try:
        if legacy.is_legacy(record):
            return legacy.build(record, budget)
        maker = objects.Maker(trusted, budget)
        network = maker.make(record) if isinstance(record, pickles.Record) else None
        if not any(network is model for model in maker.models):
            kind = record.full_name if isinstance(record, pickles.Global) else type(record).__name__
            raise _NoNetworkError(f"it holds a {kind}, expected a theanets.Network")
        for model in maker.models:
            blueprint.build(blueprint.describe(model, keep_own=True, budget=budget), budget)
    except util.LoadError:
        raise
    except util.ConfigurationError as error:
        raise util.LoadError(f"it holds no network that can be built: {error}") from error
    except Exception as error:
        raise util.LoadError(
            f"it holds no network that can be built ({type(error).__name__}: {pickles.shorten(error)})"
        ) from error
    return network
