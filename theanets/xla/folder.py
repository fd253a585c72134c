"""The folder in which compiled programs are kept for other processes.

A file has a line that says what it is, a line of JSON, and bytes. It is written whole or not at all. What is read is
compared with the checksum in its header: a file that is damaged, or something else, counts as missing, and is written
again. The bytes are a program that is going to run, so a folder or a file that other users can write to is not used.
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

#: What switches the folder off.
OFF = ("", "0", "off", "no", "false")

#: The line that a file begins with, for this form of files.
FIRST_LINE = b"theanets program, form 1\n"

#: Ending of the names of files.
ENDING = ".program"

#: A header is no longer than so many bytes, and what follows it no longer than that.
LONGEST_HEADER, LARGEST = 1 << 16, 32 << 20

#: The folder has so many files at most, of so many bytes together.
COUNT, SIZE = 1024, 256 << 20

#: How files are opened: not through a link.
READING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

#: Seconds after which a file that was never finished is removed.
ABANDONED = 3600


def current():
    """Return the folder in use; None if nothing is to be kept.

    It is what the environment variable ``THEANETS_PROGRAMS`` says, or else ``xla-programs`` in Theano's compile
    directory; nothing is kept where JAX is told to keep nothing either.
    """
    asked = os.environ.get(VARIABLE)
    if asked is not None:
        return None if asked.strip().lower() in OFF else Folder(os.path.expanduser(asked))
    if os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "1").lower() in ("0", "false"):
        return None
    return Folder(os.path.join(theano.config.compiledir, "xla-programs"))


class Folder:
    """A folder of files that are found by names.

    Parameters
    ----------
    path : path
        Where it is, or will be made when the first file is written.
    count, size : int, optional
        How many files there may be, and how many bytes. Those that have not been read for longest are removed then.
        Default 1024 files of 256 MiB together.
    """

    def __init__(self, path, count=COUNT, size=SIZE):
        self.path = pathlib.Path(path)
        self.count, self.size = count, size

    def has(self, prefix):
        """Tell whether there is a file whose name begins like this."""
        try:
            with os.scandir(self.path) as entries:
                return self._is_private() and any(
                    entry.name.startswith(prefix) and entry.name.endswith(ENDING) for entry in entries
                )
        except OSError:
            return False

    def read(self, name):
        """Return a pair of a header and bytes; None if there is no such file, or if it is not what was written.

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
        """Write a file, if that is possible.

        Parameters
        ----------
        name : str
            Letters and digits.
        header : dict
            For JSON.
        payload : bytes
            What follows it.
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
            # for the owner only.
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
        """Tell whether nobody else can write here."""
        is_private = _is_safe(os.stat(self.path), stat.S_ISDIR)
        if not is_private:
            _log.debug("%s is not used: others can write there", self.path)
        return is_private

    def _tidy(self):
        """Remove what has not been used for longest, as far as there is too much."""
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
    """Tell whether this is of a kind, belongs to the user and can be written by nobody else, where there are users."""
    if not is_kind(about.st_mode):
        return False
    is_shared = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not hasattr(os, "geteuid") or about.st_uid == os.geteuid() and not is_shared


def _parse(name, file):
    """Read an open file; None if it is not the one that was written by this name."""
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
