"""Networks on disk."""

import contextlib
import gzip
import io
import os
import pathlib
import pickle
import tempfile
import time

import numpy as np

from . import legacy, util

__all__ = ["save", "load", "Saver"]

GZIP_MAGIC = b"\x1f\x8b"


def _is_handle(target):
    return hasattr(target, "write") or hasattr(target, "read")


def save(network, target):
    """Write a network.

    Parameters
    ----------
    network : :class:`theanets.Network`
        What to save.
    target : str, pathlib.Path or writable binary file
        A path is compressed if it ends in ``.gz``, and is replaced only when all has been written: if anything goes
        wrong, the file that was there before is left. An open file is written at its position, and left open.

    Raises
    ------
    TypeError
        If the target is neither a path nor a file.
    """
    # made before a file is touched, as this is the step that may fail.
    content = pickle.dumps(network, protocol=pickle.HIGHEST_PROTOCOL)
    if _is_handle(target):
        target.write(content)
        return
    path = pathlib.Path(target)
    if path.suffix.lower() == ".gz":
        # without a time in its header, the same network makes the same file.
        content = gzip.compress(content, mtime=0)
    write_atomically(path, content)


def write_atomically(path, content):
    """Write bytes to a new file beside ``path``, and move it to its place when it is complete."""
    # a link goes on pointing at the file, and a device is no file that could be replaced.
    path = pathlib.Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    descriptor, temporary = tempfile.mkstemp(dir=path.parent or ".", prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, mode if mode is not None else 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _umask():
    # the mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unzip_member(handle, start):
    """Read one compressed pickle from the position of a handle, and leave the handle behind it."""
    import zlib

    handle.seek(start)
    unzipper = zlib.decompressobj(wbits=31)
    pieces = []
    while not unzipper.eof:
        block = handle.read(1 << 16)
        if not block:
            raise EOFError("the compressed file ends too early")
        pieces.append(unzipper.decompress(block))
    handle.seek(-len(unzipper.unused_data), os.SEEK_CUR)
    return io.BytesIO(b"".join(pieces))


def load(source):
    """Read what :func:`save` has written.

    Parameters
    ----------
    source : str, pathlib.Path or readable binary file
        Compressed files are recognised by what they hold, and so are files of the reference release. An open file is
        read from its position, and left open behind the network, so that several can be read one after the other.

    Returns
    -------
    content : object
        What the file holds. It is for the caller to see whether it is a network.

    Raises
    ------
    TypeError
        If the source is neither a path nor a file.
    FileNotFoundError
        If there is no such file.
    """
    if not _is_handle(source):
        with open(pathlib.Path(source), "rb") as handle:
            return load(handle)
    if not (hasattr(source, "seekable") and source.seekable()):
        content = source.read()
        return load(io.BytesIO(content))
    start = source.tell()
    zipped = source.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    source.seek(start)
    return _unpickle(_unzip_member(source, start) if zipped else source)


class _Unpickler(pickle.Unpickler):
    """Unpickles what this library has saved, and tells if it was the reference release."""

    def find_class(self, module, name):
        if legacy.is_foreign(module, name):
            raise legacy.LegacyFile(f"{module}.{name}")
        if module.startswith("numpy.core") and hasattr(np, "_core"):
            # the name that NumPy 1 wrote for what NumPy 2 keeps elsewhere.
            module = module.replace("numpy.core", "numpy._core", 1)
        return super().find_class(module, name)


def _unpickle(handle):
    start = handle.tell()
    try:
        # Python 2 wrote arrays as text without an encoding.
        return _Unpickler(handle, encoding="latin1").load()
    except legacy.LegacyFile:
        handle.seek(start)
        return legacy.read(handle)


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
        target = self.target
        if hasattr(target, "write"):
            if hasattr(target, "seekable") and target.seekable():
                # a handle holds the latest state, not one after the other.
                target.seek(0)
                target.truncate()
        else:
            target = str(target).replace("{}", str(int(time.time())))
        self.network.save(target)

    def __exit__(self, *error):
        if self.every and self.unsaved:
            self.save()
