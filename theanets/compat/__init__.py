"""Theano 1.0.5 and downhill 0.4.0, unmodified, on current Python and NumPy.

:func:`install` comes before anything that imports Theano. Nothing installed is edited and no name of NumPy or of the
standard library changes for other code: only modules of Theano and of downhill are repaired, in memory, as they are
imported. Every repair is a function of its own; :mod:`theanets.compat.registry` arranges them by stage, and the modules
beside it hold the repairs:

================== =========================================================================
``stand_ins``      modules that stand in for missing or slow ones while Theano is imported
``configuration``  what the user set, and the defaults that we fill in
``missing_names``  names that NumPy lost
``numerics``       other results than on the NumPy that Theano was written for
``python_code``    Python implementations that NumPy and SciPy broke
``wrong_results``  what Theano computes wrongly anywhere
``ctc``            connectionist temporal classification without its library
``pickling``       copies and pickles of large graphs
``c_code``         C code that does not compile any more
``blas``           a BLAS to link with
``headers``        the precompiled header
``first_compile``  what happens before Theano compiles its first function
``rewrites``       rewrites of graphs that crash or change results, or need C where there is none
``for_downhill``   downhill, and its output as log lines
``speed``          faster implementations of what is right, but slow
================== =========================================================================

This package knows nothing of networks: it imports nothing else of the library, serves any program
that uses Theano, and could be a distribution of its own.
"""

import importlib
import sys

from . import registry

_REPAIRS = (
    "stand_ins",
    "configuration",
    "missing_names",
    "numerics",
    "python_code",
    "wrong_results",
    "ctc",
    "pickling",
    "c_code",
    "first_compile",
    "rewrites",
    "for_downhill",
    "speed",
)

_BROKEN = (
    "Theano was imported before theanets, and it does not work on this Python and NumPy without what theanets mends "
    "first: import theanets before theano and before anything else that imports it"
)


def install():
    """Make Theano and downhill work here; import Theano.

    Does nothing from the second call on.

    Raises
    ------
    ImportError
        If Theano was imported before and is broken by it, or if it is not installed.
    """
    if _state.installed:
        return
    early = _imported_before()
    for name in _REPAIRS:
        importlib.import_module(f"{__name__}.{name}")
    registry.activate()
    import theano

    if early:
        importlib.import_module(f"{__name__}.configuration").fill_in_late(theano)
    _state.installed = True


class _State:
    installed = False


_state = _State()


def _imported_before():
    """Whether Theano has been imported already, and works. Modules of an import that has failed are removed."""
    loaded = [name for name in sys.modules if name == "theano" or name.startswith("theano.")]
    theano = sys.modules.get("theano")
    if theano is None:
        for name in loaded:
            del sys.modules[name]
        return False
    if not hasattr(theano, "function") or not hasattr(theano, "tensor"):
        raise ImportError(_BROKEN)
    return True


def report():
    """Facts for a bug report.

    Returns
    -------
    facts : dict of str to str or list
        Versions, what Theano compiles with, its mode, and the repairs that were done.
    """
    return importlib.import_module(f"{__name__}.first_compile").facts()


__all__ = ["install", "report"]
