"""The registry of repairs: small functions that patch modules while or after they are imported.

A repair is one small function, registered with the stage it belongs to and the module it is about:

:func:`while_importing`
    a context manager around the execution of one module, for what must exist while that module is imported and must
    be gone afterwards (modules that Python lost, names that NumPy lost);
:func:`after_importing`
    a function of the imported module that replaces what is broken in it;
:func:`before_first_compile`
    a function that runs once, before Theano compiles its first function.

The argument ``needed`` tests whether the symptom exists in this environment, by trying it where that is cheap; where it
does not, the repair is left out.
Modules are repaired at the moment they are imported, whatever code imports them, so that nothing has to be imported
early only in order to be repaired. The docstring of a repair names the file and function of Theano (or downhill) that
has the fault.
"""

import contextlib
import os
import sys
import threading
import warnings

#: packages that repairs are about
FAMILIES = ("theano", "downhill")

#: names of repairs to leave out, for tests and for finding out which one is to blame; read when the package is loaded
WITHOUT_VARIABLE = "THEANETS_COMPAT_WITHOUT"


class Repair:
    """One repair.

    Parameters
    ----------
    function : callable
        Does the repair. Its name, with dashes, is the name of the repair.
    module : str or None
        The module that it is about.
    needed : callable or None
        Tells whether the symptom exists here. None stands for always.
    """

    def __init__(self, function, module, needed):
        self.function = function
        self.module = module
        self.name = function.__name__.replace("_", "-")
        self._needed = needed
        _names.add(self.name)

    def __repr__(self):
        return f"<Repair {self.name} of {self.module}>"

    def needed(self):
        """Whether the symptom exists here, and the repair is not left out by the environment variable."""
        return self.name not in _left_out and (self._needed is None or bool(self._needed()))


_contexts = {}
_patches = {}
_first_compile = []
_applied = {}
_names = set()
_left_out = frozenset(filter(None, os.environ.get(WITHOUT_VARIABLE, "").split(",")))
_lock = threading.RLock()


def while_importing(module, needed=None):
    """Register a context manager to hold while ``module`` is executed for the first time.

    Parameters
    ----------
    module : str
        Full name of a module.
    needed : callable, optional
        Tells whether the symptom exists here.
    """

    def register(function):
        _contexts.setdefault(module, []).append(Repair(function, module, needed))
        return function

    return register


def after_importing(*modules, needed=None):
    """Register a function to call with each of ``modules`` as soon as it has been imported.

    Parameters
    ----------
    modules : str
        Full names of modules.
    needed : callable, optional
        Tells whether the symptom exists here.
    """

    def register(function):
        for module in modules:
            _patches.setdefault(module, []).append(Repair(function, module, needed))
        return function

    return register


def before_first_compile(needed=None):
    """Register a function to call once, before Theano compiles its first function.

    Parameters
    ----------
    needed : callable, optional
        Tells whether there is anything to do here.
    """

    def register(function):
        _first_compile.append(Repair(function, None, needed))
        return function

    return register


def applied():
    """Names of the repairs done so far.

    Returns
    -------
    names : list of str
        In the order in which they were done.
    """
    return list(_applied)


def names():
    """Names of all repairs, of those too that nothing needs here.

    Returns
    -------
    names : list of str
        In alphabetical order.
    """
    return sorted(_names)


def _note(repair):
    _applied.setdefault(repair.name, repair)


def patch(module):
    """Do the repairs of one imported module; those of a module are done once.

    Parameters
    ----------
    module : module
        A module that has been executed.
    """
    with _lock:
        for repair in _patches.pop(module.__name__, ()):
            if repair.needed():
                repair.function(module)
                _note(repair)


@contextlib.contextmanager
def _import_contexts(name):
    with contextlib.ExitStack() as stack:
        for repair in _contexts.pop(name, ()):
            if repair.needed():
                stack.enter_context(contextlib.contextmanager(repair.function)())
                _note(repair)
        yield


class _RepairingLoader:
    """Loads a module as its own loader does, within its contexts, and patches it at once."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        # the module keeps its own loader, which also gives access to its source and its resources
        module.__spec__.loader = module.__loader__ = self.loader
        with warnings.catch_warnings():
            # about old Python in the sources of Theano and downhill, which users cannot change
            for category in (DeprecationWarning, PendingDeprecationWarning, SyntaxWarning):
                warnings.simplefilter("ignore", category)
            with _import_contexts(module.__name__):
                self.loader.exec_module(module)
            patch(module)


class _RepairingFinder:
    """Finds the modules of Theano and of downhill; every other import passes it by."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] not in FAMILIES:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _RepairingLoader(spec.loader)
                return spec
        return None


_finder = _RepairingFinder()


def activate():
    """Repair what has been imported and watch for what will be."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    for name in list(_patches):
        if sys.modules.get(name) is not None:
            patch(sys.modules[name])
    for name in list(_contexts):
        if sys.modules.get(name) is not None:
            del _contexts[name]


class _FirstCompile:
    running = False


_state = _FirstCompile()


def first_compile():
    """Do what belongs before the first compilation; nothing from the second call on."""
    if not _first_compile:
        return
    with _lock:
        if _state.running:
            # a repair may itself make Theano compile
            return
        _state.running = True
        try:
            while _first_compile:
                repair = _first_compile[0]
                if repair.needed():
                    repair.function()
                    _note(repair)
                # only now: after an error the next function tries again
                del _first_compile[0]
        finally:
            _state.running = False
