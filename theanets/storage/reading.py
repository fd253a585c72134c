"""Reading networks from files of every kind that there is: archives, pickles, and those of the reference release."""

import pathlib

from .. import util
from . import archive, blueprint, legacy, objects, pickles
from .files import GZIP_MAGIC, read_from

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
    return read_from(pathlib.Path(path), lambda opened: archive.unpack_sections(opened.read(), opened.limit))


def _load(source, trusted):
    first = source.peek(pickles.SEAL_SIZE)
    if first.startswith(archive.MAGIC):
        return archive.load(source, trusted)
    is_zipped = first.startswith(GZIP_MAGIC)
    if is_zipped:
        content = source.unzip()
        if content.startswith(archive.MAGIC):
            network, sections, _ = archive.unpack(content, source.limit, trusted)
            return network, sections
    else:
        length = pickles.sealed_length(first)
        content = source.read(None if length is None else pickles.SEAL_SIZE + length)
    if not content:
        raise util.LoadError("it is empty")
    network, end = _unpickle(content, trusted)
    if not is_zipped:
        source.handle.seek(source.start + end)
    return network, {}


def _unpickle(content, trusted):
    record, end = pickles.read(content)
    try:
        if legacy.is_legacy(record):
            return legacy.build(record), end
        maker = objects.Maker(trusted)
        network = maker.make(record) if isinstance(record, pickles.Record) else None
        if not any(network is model for model in maker.models):
            kind = record.full_name if isinstance(record, pickles.Global) else type(record).__name__
            raise _NoNetworkError(f"it holds a {kind}, expected a theanets.Network")
        for model in maker.models:
            blueprint.build(blueprint.describe(model, keep_own=True))
    except util.LoadError:
        raise
    except util.ConfigurationError as error:
        raise util.LoadError(f"it holds no network that can be built: {error}") from error
    except Exception as error:
        raise util.LoadError(
            f"it holds no network that can be built ({type(error).__name__}: {pickles.shorten(error)})"
        ) from error
    return network, end
