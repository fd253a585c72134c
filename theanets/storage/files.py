"""Bytes on disk: files that are replaced as a whole or not at all, and that are read up to a limit."""

import contextlib
import errno
import functools
import io
import os
import pathlib
import platform
import re
import stat
import zlib

from .. import util
from .budget import Budget

__all__ = ["Source", "check_binary", "check_target", "is_handle", "read_from", "write_atomically"]

#: Default limit for the size of a file in bytes, also after decompression.
MAX_BYTES = 4 << 30

#: Limits for decompression: the largest ratio of sizes, and the size that is allowed whatever the ratio.
MAX_RATIO = 50
ALWAYS_ALLOWED = 64 << 20

GZIP_MAGIC = b"\x1f\x8b"

BLOCK = 1 << 20


def write_atomically(path, content):
    """Write bytes to a new file beside ``path``, and move it to its place when it is complete.

    Whatever happens on the way, there is either the file that was there before or the new one. A process that is
    killed leaves nothing else, where the system has files without a name; elsewhere a file may be left over whose name
    begins with a dot and ends in ``.tmp``, which the next process on this machine that writes the same file removes.

    Parameters
    ----------
    path : str or pathlib.Path
        The file to make or to replace. A link goes on pointing at the file, which keeps its permissions, and as far as
        this process may give them its owner and its group.
    content : bytes
        What it is to hold.

    Raises
    ------
    PermissionError
        If the file is read-only.
    """
    path = pathlib.Path(os.path.realpath(path))
    check_writable(path)
    if path.exists() and not path.is_file():
        # devices and pipes cannot be replaced by a rename: write to them.
        path.write_bytes(content)
        return
    _clean(path)
    temporary = None
    try:
        temporary = _write_unnamed(path, content) or _write_temporary(path, content)
        if path.exists():
            _keep_permissions(path, temporary)
        os.replace(temporary, path)
        temporary = None
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    _flush_folder(path.parent)


def check_writable(path):
    """Raise a PermissionError for a file that is read-only, which could be replaced all the same."""
    path = pathlib.Path(os.path.realpath(path))
    if path.is_file() and (not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK)):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))


def _keep_permissions(path, new):
    """Give a new file the owner, the group and the mode of the one that it replaces."""
    status, mode = path.stat(), stat.S_IMODE(path.stat().st_mode)
    if hasattr(os, "chown"):
        given = os.stat(new)
        for owner, group in ((status.st_uid, -1), (-1, status.st_gid)):
            if owner not in (-1, given.st_uid) or group not in (-1, given.st_gid):
                with contextlib.suppress(OSError):
                    os.chown(new, owner, group)
        if os.stat(new).st_gid != status.st_gid:
            # the group could not be kept: its members get the permissions of others, not those of the old group.
            mode = mode & ~0o070 | (mode & 0o007) << 3
    os.chmod(new, mode)


def _fill(handle, content):
    handle.write(content)
    handle.flush()
    os.fsync(handle.fileno())


# -- temporary files --------------------------------------------------------------------------------------------------

#: The longest name that file systems have, in bytes.
MAX_NAME = 255

#: Paths whose leftover temporary files this process has already removed.
_cleaned: set[str] = set()


def _prefix(path):
    """Return the prefix of temporary names for a path; it includes the host, because process ids are local to it."""
    machine = f"{zlib.crc32(platform.node().encode('utf-8', 'surrogateescape')):08x}"
    name = os.fsencode(path.name)
    # space for the fixed parts, with process ids of up to 10 digits.
    room = MAX_NAME - len(f"..{machine}-{10**10}.{1000}.tmp")
    if len(name) > room:
        name = name[: room - 9] + f"-{zlib.crc32(name):08x}".encode()
    return f".{name.decode('utf-8', 'ignore')}.{machine}-"


def _temporary_names(path):
    """Generate names for a new file beside a path."""
    return (path.parent / f"{_prefix(path)}{os.getpid()}.{attempt}.tmp" for attempt in range(1000))


def _clean(path):
    """Remove temporary files for this path whose processes no longer exist; done once per process and path."""
    if str(path) in _cleaned:
        return
    pattern = re.compile(re.escape(_prefix(path)) + r"(\d+)\.\d+\.tmp")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            found = pattern.fullmatch(entry.name)
            if found and not _is_running(int(found[1])):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
    if len(_cleaned) > 10_000:
        _cleaned.clear()
    _cleaned.add(str(path))


def _is_running(pid):
    """Tell whether a process with this id may exist."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def _write_unnamed(path, content):
    """Write a file that has no name until it is complete, and return the name; None if there are no such files here."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
        raise
    with os.fdopen(descriptor, "wb") as handle:
        _fill(handle, content)
        return _give_name(handle.fileno(), path)


def _give_name(descriptor, path):
    """Link a file without a name to one beside ``path``; a name in use cannot be replaced like this."""
    for name in _temporary_names(path):
        try:
            # given a directory descriptor, os.link follows the symbolic link in /proc to the file itself.
            os.link(f"/proc/self/fd/{descriptor}", name, src_dir_fd=descriptor)
        except FileExistsError:
            continue
        except OSError:
            return None
        return name
    return None


def _write_temporary(path, content):
    for name in _temporary_names(path):
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        except FileExistsError:
            continue
        try:
            with os.fdopen(descriptor, "wb") as handle:
                _fill(handle, content)
        except BaseException:
            os.unlink(name)
            raise
        return name
    raise FileExistsError(errno.EEXIST, "there is no name left for a temporary file", str(path))


def _flush_folder(folder):
    """Flush the folder entry to disk, where the system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_handle(target):
    """Tell whether this is an open file rather than a path."""
    return hasattr(target, "write") or hasattr(target, "read")


def check_binary(handle):
    """Raise a TypeError for a file that is open in text mode."""
    if hasattr(handle, "encoding"):
        raise TypeError("the file is open for text, expected one that is open for bytes, as by open(path, 'wb')")


def check_target(path):
    """Raise an OSError if a file cannot be made or replaced, as far as that can be seen without trying.

    Parameters
    ----------
    path : str or pathlib.Path
        Where somebody is going to write to.
    """
    path = pathlib.Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no folder", str(path.parent))
    check_writable(path)
    if not path.exists() and not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "the folder is read-only", str(path.parent))


def read_from(source, read, max_bytes=None):
    """Open a file, and name it in errors about what it holds.

    Parameters
    ----------
    source : str, pathlib.Path or readable binary file
        An open file is read from its position, and left open.
    read : callable
        Called with a :class:`Source`.
    max_bytes : int, optional
        See :class:`Source`.

    Returns
    -------
    result : object
        What ``read`` has returned.
    """
    if not is_handle(source):
        with open(pathlib.Path(source), "rb") as handle:
            return read_from(handle, read, max_bytes)
    check_binary(source)
    name = getattr(source, "name", None)
    where = repr(name) if isinstance(name, (str, bytes)) else "the open file"
    if not (hasattr(source, "seekable") and source.seekable()):
        source = io.BytesIO(source.read())
    try:
        return read(Source(source, max_bytes))
    except util.LoadError as error:
        raise type(error)(f"{where} cannot be loaded: {error}") from error


class Source:
    """An open file that is read from its position on, up to a limit.

    Parameters
    ----------
    handle : readable binary file
        A file in which one can go back and forth.
    max_bytes : int, optional
        The largest number of bytes to read, and to unpack a compressed file to. Default: 4 GiB; for a compressed file
        also 50 times its size, if that is more than 64 MiB.
    packed : int, optional
        Size of the file on disk, if this is what it has been unpacked to. Default: the size of this one.
    """

    def __init__(self, handle, max_bytes=None, packed=None):
        if max_bytes is not None and (not util.is_int(max_bytes) or max_bytes < 1):
            raise util.ConfigurationError(f"max_bytes={max_bytes!r}, expected a positive number of bytes")
        self.handle = handle
        self.start = handle.tell()
        self.limit = MAX_BYTES if max_bytes is None else int(max_bytes)
        self.is_given = max_bytes is not None
        self.packed = packed

    @functools.cached_property
    def end(self):
        """The position where the file ends."""
        position = self.handle.tell()
        self.handle.seek(0, os.SEEK_END)
        end = self.handle.tell()
        self.handle.seek(position)
        return end

    def peek(self, count):
        """Return the first bytes without moving the position."""
        content = self.handle.read(count)
        self.handle.seek(self.start)
        return content

    def read(self, count=None):
        """Return ``count`` bytes, or by default all that remain."""
        wanted = self.end - self.start if count is None else count
        if wanted > self.limit:
            raise self.too_large()
        pieces = []
        # in blocks, because read(n) may allocate n bytes at once.
        while wanted > 0:
            piece = self.handle.read(min(wanted, BLOCK))
            if not piece:
                break
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def budget(self, packed=None, held=None):
        """Return the budget for loading ``packed`` bytes (default: the whole file) that unpack to ``held`` bytes."""
        packed = min(self.end - self.start, self.limit) if packed is None else packed
        packed, held = (packed, held) if self.packed is None else (self.packed, packed if held is None else held)
        return Budget(packed, held, self.limit if self.is_given else None)

    def unzip(self, is_ours):
        """Decompress one gzip member, and leave the position behind it.

        Parameters
        ----------
        is_ours : callable
            Called with the first decompressed bytes; returns whether they may begin a network. If not, no more are
            decompressed.

        Returns
        -------
        content : bytes or None
            None if ``is_ours`` returned False.
        packed : int
            Size of the compressed member.
        """
        unzipper = zlib.decompressobj(wbits=31)
        pieces, read, size = [], 0, 0
        while not unzipper.eof:
            block = unzipper.unconsumed_tail
            if not block:
                block = self.handle.read(BLOCK)
                read += len(block)
            if not block:
                raise util.LoadError("the compressed file ends too early")
            try:
                piece = unzipper.decompress(block, BLOCK)
            except zlib.error as error:
                raise util.LoadError(f"the compressed file is damaged ({error})") from None
            pieces.append(piece)
            if not size and piece and not is_ours(piece):
                return None, 0
            size += len(piece)
            if size > self.allowed(read):
                raise self.too_large("unpacked ")
        self.handle.seek(-len(unzipper.unused_data), os.SEEK_CUR)
        return b"".join(pieces), read - len(unzipper.unused_data)

    def part(self, length=None):
        """Return a view of the file from :attr:`start` on, up to a length or to the end, as a file of its own."""
        return _Part(self.handle, self.start, self.end if length is None else self.start + length)

    def allowed(self, packed):
        """Return the largest size that ``packed`` compressed bytes may decompress to."""
        packed = packed if self.packed is None else self.packed
        return self.limit if self.is_given else min(self.limit, max(ALWAYS_ALLOWED, MAX_RATIO * packed))

    def too_large(self, how=""):
        """Make an error for a file that is too large."""
        limit = f"max_bytes={self.limit}" if self.is_given else "what is taken to be reasonable"
        return util.LoadError(
            f"{how}it is larger than {limit}; if you know where the file is from, say how many bytes it may take, as "
            "in load(path, max_bytes=2**33)"
        )


class _Part(io.RawIOBase):
    """A view of a part of a file, because zip files are read from their end.

    Parameters
    ----------
    handle : readable binary file
        The file.
    start, end : int
        The positions where the part begins and ends.
    """

    def __init__(self, handle, start, end):
        super().__init__()
        self.handle = handle
        self.start = start
        self.end = end
        self.position = 0

    def readable(self):
        """Tell that this file can be read."""
        return True

    def seekable(self):
        """Tell that one can go back and forth in this file."""
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        """Change the position, and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.end - self.start}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self.position = base + offset
        return self.position

    def tell(self):
        """Return the position."""
        return self.position

    def readinto(self, buffer):
        """Fill a buffer as far as there are bytes; return their number."""
        count = max(0, min(len(buffer), self.end - self.start - self.position, BLOCK))
        self.handle.seek(self.start + self.position)
        content = self.handle.read(count)
        buffer[: len(content)] = content
        self.position += len(content)
        return len(content)
