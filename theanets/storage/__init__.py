"""Networks on disk.

There are two kinds of files. An archive, for names that end in ``.npz``, is a zip file of arrays with a description in
words, see :mod:`theanets.storage.archive`; it is meant to last. A pickle, for all other names, holds the network as it
is, with everything that a user has hung onto it.

A file is written as a whole or not at all. Loading one runs nothing that the file says: a pickle is read by
:mod:`theanets.storage.pickles`, which only takes note of what it names, and objects are made of these notes by
:mod:`theanets.storage.objects`. Classes of the user's are found if they exist in the process that loads the file; a
module is never imported for it. Networks are then built anew by :mod:`theanets.storage.blueprint`, so that what comes
out is sound. :mod:`theanets.legacy` does the same for files of the reference release.
"""

import io
import os
import pathlib
import pickle
import time

from .. import util
from .files import GZIP_MAGIC, Source, write_atomically
from .objects import TRANSIENT

__all__ = ["save", "load", "load_all", "load_sections", "write_atomically", "Saver", "TRANSIENT"]


class _NoNetworkError(util.LoadError, TypeError):
    """A file that holds something else than a network."""


def _is_handle(target):
    return hasattr(target, "write") or hasattr(target, "read")


class _Pickler(pickle.Pickler):
    """Pickles a network without the places in the source code that Theano notes where variables are made."""

    def reducer_override(self, thing):
        from theano.gof.utils import scratchpad

        if type(thing) is not scratchpad:
            return NotImplemented
        return scratchpad, (), {key: value for key, value in vars(thing).items() if key != "trace"}


def save(network, target):
    """Write a network.

    Parameters
    ----------
    network : :class:`theanets.Network`
        What to save.
    target : str, pathlib.Path or writable binary file
        A path that ends in ``.npz`` becomes an archive, see :mod:`theanets.storage.archive`; any other one a pickle,
        compressed if it ends in ``.gz``. A file is replaced only when all has been written: whatever happens, there is
        the file that was there before or the new one. An open file gets a pickle at its position, and is left open.

    Raises
    ------
    TypeError
        If the target is neither a path nor a file.
    ConfigurationError
        If the network holds something that an archive cannot express.
    """
    from . import archive

    path = None if _is_handle(target) else pathlib.Path(target)
    # made before a file is touched, as this is the step that may fail.
    if path is not None and path.suffix.lower() == ".npz":
        content = archive.pack(network)
    else:
        content = _pickle(network)
    if path is None:
        target.write(content)
        return
    if path.suffix.lower() == ".gz":
        import gzip

        # without a time in its header, the same network makes the same file.
        content = gzip.compress(content, mtime=0)
    write_atomically(path, content)


def _pickle(network):
    from .pickles import seal

    buffer = io.BytesIO()
    _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(network)
    return seal(buffer.getvalue())


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
    if not _is_handle(source):
        with open(pathlib.Path(source), "rb") as handle:
            return load_all(handle, trusted, max_bytes)
    name = getattr(source, "name", None)
    where = repr(name) if isinstance(name, (str, bytes)) else "the open file"
    if not (hasattr(source, "seekable") and source.seekable()):
        source = io.BytesIO(source.read())
    try:
        return _load(Source(source, max_bytes), trusted)
    except util.LoadError as error:
        raise type(error)(f"{where} cannot be loaded: {error}") from error


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
    from . import archive

    with open(path, "rb") as handle:
        source = Source(handle)
        try:
            content = source.read()
            return archive.unpack_sections(content, source.limit)
        except util.LoadError as error:
            raise util.LoadError(f"{str(path)!r} cannot be loaded: {error}") from error


def _load(source, trusted):
    from . import archive, pickles

    first = source.peek(pickles.SEAL_SIZE)
    is_zipped = first.startswith(GZIP_MAGIC)
    if is_zipped:
        content, allowed = source.unzip(), None
        first = content[: pickles.SEAL_SIZE]
    elif first.startswith(archive.MAGIC):
        content = source.read()
        allowed = source.allowed(len(content))
    else:
        length = pickles.sealed_length(first)
        content, allowed = source.read(None if length is None else pickles.SEAL_SIZE + length), None
    if not content:
        raise util.LoadError("it is empty")
    if first.startswith(archive.MAGIC):
        network, sections, end = archive.unpack(content, allowed or source.limit, trusted)
    else:
        network, end = _unpickle(content, trusted)
        sections = {}
    if not is_zipped:
        source.handle.seek(source.start + end)
    return network, sections


def _unpickle(content, trusted):
    from .. import legacy
    from . import blueprint, objects, pickles

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


class Saver:
    """Saves a network every so often while it is trained, and once more at the end.

    Parameters
    ----------
    network : Network
        What to save.
    target : str, pathlib.Path, binary file or None
        Where to.
    every : int or float
        Number of epochs, or of minutes; 0 for never.
    """

    def __init__(self, network, target, every):
        if not util.is_real(every) or every < 0:
            raise util.ConfigurationError(f"save_every={every!r}, expected a number of epochs (int) or minutes (float)")
        if target is not None and not isinstance(target, (str, os.PathLike)) and not hasattr(target, "write"):
            raise util.ConfigurationError(f"save_progress={target!r}, expected a path or a writable binary file")
        self.network = network
        self.target = target
        self.every = every if target is not None else 0
        self.last_time = time.time()
        self.unsaved = 0

    def __enter__(self):
        self.last_time = time.time()
        return self

    def epoch_ends(self):
        """Take note that there is something to save."""
        self.unsaved += 1

    def next_epoch_begins(self, i):
        """Save if it is time to; ``i`` is the index of the epoch that was seen last."""
        if not self.every or not i:
            return
        due = i % self.every == 0 if util.is_int(self.every) else time.time() - self.last_time > 60 * self.every
        if due:
            self.save()

    def save(self):
        """Save the network as it is."""
        self.unsaved = 0
        self.last_time = time.time()
        if not hasattr(self.target, "write"):
            self.network.save(str(self.target).replace("{}", str(int(time.time()))))
            return
        # made first, as this may fail.
        content = io.BytesIO()
        self.network.save(content)
        if hasattr(self.target, "seekable") and self.target.seekable():
            # a handle holds the latest state, not one after the other.
            self.target.seek(0)
            self.target.truncate()
        self.target.write(content.getvalue())
        if hasattr(self.target, "flush"):
            self.target.flush()

    def __exit__(self, *error):
        if self.every and self.unsaved:
            self.save()
