"""Networks on disk.

There are two kinds of files. An archive, for names that end in ``.npz``, is a zip file of arrays with a description in
words, see :mod:`theanets.storage.archive`; it is meant to last. A pickle, for all other names, holds the network as it
is, with everything that a user has hung onto it.

A file is written as a whole or not at all. Loading one runs nothing that the file says: a pickle is read by
:mod:`theanets.storage.pickles`, which only takes note of what it names, and objects are made of these notes by
:mod:`theanets.storage.objects`. Classes of the user's are found if they exist in the process that loads the file; a
module is never imported for it. Networks are then built anew by :mod:`theanets.storage.blueprint`, so that what comes
out is sound. :mod:`theanets.storage.legacy` does the same for files of the reference release.
"""

from .files import check_target, write_atomically
from .objects import TRANSIENT, register_network
from .reading import load, load_all, load_sections
from .saver import Attempts, BestFile, Saver
from .writing import save

__all__ = [
    "TRANSIENT",
    "Attempts",
    "BestFile",
    "Saver",
    "check_target",
    "load",
    "load_all",
    "load_sections",
    "register_network",
    "save",
    "write_atomically",
]
