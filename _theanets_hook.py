"""Makes ``import theano`` work before ``import theanets``.

Theano 1.0.5 does not work on current Python and NumPy without what ``theanets.compat`` mends while it is imported. An
installed theanets comes with a file ``theanets-hook.pth``, by which Python imports this module whenever it starts. All
that it does then is to watch for an import of Theano, or of downhill, which imports it: theanets is imported first.
A program that imports neither pays for nothing.
"""

import importlib
import sys

#: What theanets mends.
PACKAGES = ("theano", "downhill")

#: Whether one of them was asked for before theanets was.
came_first = False


class _Loader:
    """Imports theanets, and a package after that."""

    def create_module(self, spec):
        global came_first
        came_first = True
        importlib.import_module("theanets")
        module = importlib.import_module(spec.name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module):
        # it has been executed; the spec that found it goes with it.
        module.__spec__ = self._spec


class _Finder:
    """Finds the packages until theanets has been imported by whomever."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        if fullname not in PACKAGES or "theanets" in sys.modules:
            return None
        for finder in sys.meta_path:
            if isinstance(finder, _Finder) or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = _Loader()
                return spec
        return None


sys.meta_path.insert(0, _Finder())
