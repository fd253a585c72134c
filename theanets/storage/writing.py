"""Writing networks: into archives by the ending ``.npz``, and otherwise into pickles."""

import gzip
import io
import pathlib
import pickle

from theano.gof.utils import scratchpad

from . import archive
from .files import check_binary, is_handle, write_atomically
from .pickles import seal

__all__ = ["save"]


class _Pickler(pickle.Pickler):
    """Pickles a network without the places in the source code that Theano notes where variables are made."""

    def reducer_override(self, thing):
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
        If the target is neither a path nor a file, or is a file that is open for text.
    PermissionError
        If the file is read-only.
    ConfigurationError
        If the network holds something that an archive cannot express.
    """
    path = None if is_handle(target) else pathlib.Path(target)
    if path is None:
        check_binary(target)
    # serialized before the file is opened, because this step may fail.
    if path is not None and path.suffix.lower() == ".npz":
        content = archive.pack(network)
    else:
        content = _pickle(network)
    if path is None:
        target.write(content)
        return
    if path.suffix.lower() == ".gz":
        # no timestamp in the header: the same network gives the same bytes.
        content = gzip.compress(content, mtime=0)
    write_atomically(path, content)


def _pickle(network):
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(network)
    return seal(buffer.getvalue())
