"""The folder of the cache of programs on disk, shared by processes.

A file consists of a line that identifies the format, a line of JSON (the header), and bytes (the payload). Files are
written atomically, and verified by a checksum when they are read: a damaged file counts as missing, and is written
again. The payload is code that is going to run, so a folder or a file that other users can write to is not used.
"""

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import stat
import tempfile
import time

import theano

__all__ = ["Folder", "current"]

_log = logging.getLogger("theanets")

#: Environment variable: a path, or one of :data:`OFF`.
VARIABLE = "THEANETS_PROGRAMS"

#: Values of the environment variable that switch the cache off.
OFF = ("", "0", "off", "no", "false")

#: The first line of a file, which identifies the format and its version.
FIRST_LINE = b"theanets program, form 1\n"

#: Ending of the names of files.
ENDING = ".program"

#: Maximum sizes of a header and of a payload, in bytes.
LONGEST_HEADER, LARGEST = 1 << 16, 32 << 20

#: Maximum number of files in the folder, and their maximum total size in bytes.
COUNT, SIZE = 1024, 256 << 20

#: Flags for opening files: symbolic links are not followed.
READING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

#: Seconds after which an unfinished temporary file is removed.
ABANDONED = 3600


def current():
    """Return the folder of the cache; None if the cache is switched off.

    The path is the environment variable ``THEANETS_PROGRAMS``, or else ``xla-programs`` in Theano's compile directory.
    Without that variable, ``JAX_ENABLE_COMPILATION_CACHE=0`` switches off this cache too.
    """
    asked = os.environ.get(VARIABLE)
    if asked is not None:
        return None if asked.strip().lower() in OFF else Folder(os.path.expanduser(asked))
    if os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "1").lower() in ("0", "false"):
        return None
    return Folder(os.path.join(theano.config.compiledir, "xla-programs"))


class Folder:
    """A folder of cached files, of which those that were used last are kept (LRU).

    Parameters
    ----------
    path : path
        The path of the folder, which is made when the first file is written.
    count, size : int, optional
        Maximum number of files, and their maximum total size in bytes. The files that were not read for longest are
        removed beyond that. Default 1024 files of 256 MiB together.
    """

    def __init__(self, path, count=COUNT, size=SIZE):
        self.path = pathlib.Path(path)
        self.count, self.size = count, size

    def has(self, prefix):
        """Tell whether there is a file whose name begins with a prefix."""
        try:
            with os.scandir(self.path) as entries:
                return self._is_private() and any(
                    entry.name.startswith(prefix) and entry.name.endswith(ENDING) for entry in entries
                )
        except OSError:
            return False

    def read(self, name):
        """Read a file: return a pair of its header and its payload; None if there is no such file, or no valid one.

        Parameters
        ----------
        name : str
            As for :meth:`write`.
        """
        path = self.path / (name + ENDING)
        try:
            if not self._is_private():
                return None
            with open(os.open(path, READING), "rb") as file:
                if not _is_safe(os.fstat(file.fileno()), stat.S_ISREG):
                    return None
                found = _parse(name, file)
            with contextlib.suppress(OSError):
                os.utime(path)
        except OSError as error:
            _log.debug("%s cannot be read: %s", path, error)
            return None
        if found is None:
            _log.debug("%s is damaged, or something else", path)
        return found

    def write(self, name, header, payload):
        """Write a file; failures are logged, not raised.

        Parameters
        ----------
        name : str
            The cache key; letters and digits.
        header : dict
            The header, which is written as JSON.
        payload : bytes
            The content of the file.
        """
        about = dict(header=header, name=name, length=len(payload), sha256=hashlib.sha256(payload).hexdigest())
        line = json.dumps(about).encode() + b"\n"
        if len(payload) > min(LARGEST, self.size) or len(line) > LONGEST_HEADER:
            return
        temporary = None
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_private():
                return
            # mkstemp makes files that only the owner can read and write.
            handle, temporary = tempfile.mkstemp(dir=self.path, prefix="unfinished-")
            with open(handle, "wb") as file:
                file.write(FIRST_LINE + line)
                file.write(payload)
            os.replace(temporary, self.path / (name + ENDING))
            temporary = None
            self._tidy()
        except OSError as error:
            _log.debug("no program is kept in %s: %s", self.path, error)
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def _is_private(self):
        """Tell whether no other user can write to the folder."""
        is_private = _is_safe(os.stat(self.path), stat.S_ISDIR)
        if not is_private:
            _log.debug("%s is not used: others can write there", self.path)
        return is_private

    def _tidy(self):
        """Remove the least recently used files beyond the limits, and abandoned temporary files."""
        files = []
        with os.scandir(self.path) as entries:
            for entry in entries:
                # another process may be doing the same.
                with contextlib.suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    if entry.name.endswith(ENDING) and stat.S_ISREG(about.st_mode):
                        files.append((about.st_mtime_ns, about.st_size, entry.path))
                    elif entry.name.startswith("unfinished-") and about.st_mtime < time.time() - ABANDONED:
                        os.unlink(entry.path)
        count, size = len(files), sum(item[1] for item in files)
        for _, length, path in sorted(files):
            if count <= self.count and size <= self.size:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
            count, size = count - 1, size - length


def _is_safe(about, is_kind):
    """Tell whether a file or folder (``about`` is its stat) is of a kind, and writable by this user only, on POSIX."""
    if not is_kind(about.st_mode):
        return False
    is_shared = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not hasattr(os, "geteuid") or about.st_uid == os.geteuid() and not is_shared


def _parse(name, file):
    """Read and verify an open file; None if it is not valid, or has been written by another name."""
    if file.readline(len(FIRST_LINE)) != FIRST_LINE:
        return None
    try:
        about = json.loads(file.readline(LONGEST_HEADER))
    except ValueError:
        return None
    if not isinstance(about, dict) or about.get("name") != name or not isinstance(about.get("header"), dict):
        return None
    payload = file.read(LARGEST + 1)
    if len(payload) != about.get("length") or hashlib.sha256(payload).hexdigest() != about.get("sha256"):
        return None
    return about["header"], payload
