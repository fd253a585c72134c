"""Tools for replacing parts of other packages' modules in memory (monkey patching)."""

import importlib.util
import inspect
import linecache
import sys
import textwrap
import types

from .registry import FAMILIES

#: part of the cache version of C code that we changed
MARK = ("theanets", 1)


class Stale(ImportError):
    """The code to be replaced was not found: this is not the release that the repairs were written for."""


class ModuleView(types.ModuleType):
    """A view of a module with additional or replaced attributes, which only one other module sees.

    Theano's ``np`` is bound to such a view, so that no other code sees a name that NumPy lacks.

    Parameters
    ----------
    real : module
        The module whose attributes are seen unless others are set on the view.
    """

    def __init__(self, real):
        super().__init__(real.__name__, real.__doc__)
        self.__dict__["_real"] = real

    def __getattr__(self, name):
        value = getattr(self.__dict__["_real"], name)
        # looked up once: these are called in every perform() of the Python implementations
        self.__dict__[name] = value
        return value


def view_of(module, name):
    """Give a module its own view of another module that it has imported, and return the view.

    Parameters
    ----------
    module : module
        Has a global name for the other one.
    name : str
        That name.

    Returns
    -------
    view : ModuleView
        Attributes set on it are seen by ``module`` only.
    """
    view = vars(module)[name]
    if not isinstance(view, ModuleView):
        view = ModuleView(view)
        setattr(module, name, view)
    return view


def numpy_view(module):
    """Give a module its own view of NumPy, and return the view; see :func:`view_of`.

    Parameters
    ----------
    module : module
        Has imported NumPy as ``np``.

    Returns
    -------
    view : ModuleView
        Attributes set on it are seen by ``module`` only.
    """
    return view_of(module, "np")


def rebind(old, new):
    """Replace an object under every global name that Theano's and downhill's loaded modules have for it.

    Parameters
    ----------
    old, new : object
        What to replace, and by what.
    """
    for name, module in list(sys.modules.items()):
        if module is not None and name.split(".")[0] in FAMILIES:
            for key, value in list(vars(module).items()):
                if value is old:
                    setattr(module, key, new)


def source_of(function):
    """Return the source of a function: the lines of its code, and those after it that are indented more than the first.

    ``inspect.getsource`` tokenizes the file to find the end, which took a thirtieth of the time of ``import theanets``.
    """
    code = inspect.unwrap(function).__code__
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    pending, last = [code], code.co_firstlineno
    while pending:
        part = pending.pop()
        last = max([last, *(line for *_, line in part.co_lines() if line is not None)])
        pending.extend(constant for constant in part.co_consts if hasattr(constant, "co_lines"))
    indent = len(lines[0]) - len(lines[0].lstrip())
    end = last - code.co_firstlineno + 1
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent):
        end += 1
    return "".join(lines[:end])


def rewrite(owner, name, *replacements):
    """Compile one function anew from its source with some text replaced.

    Parameters
    ----------
    owner : module or class
        Holds the function.
    name : str
        Name of the function.
    replacements : pairs of str
        Text to find and text to put there. Each must occur.

    Raises
    ------
    Stale
        If a text does not occur.
    """
    function = inspect.getattr_static(owner, name)
    source = textwrap.dedent(source_of(function))
    for old, new in replacements:
        if old not in source:
            raise Stale(f"{owner.__name__}.{name} has no {old!r}: is this Theano 1.0.5?")
        source = source.replace(old, new)
    module = sys.modules[function.__module__]
    namespace = {}
    exec(compile(source, module.__file__, "exec"), vars(module), namespace)
    setattr(owner, name, namespace[name])


def substitute_in_c(owner, method, substitute):
    """Let a method that returns C code return it changed.

    Parameters
    ----------
    owner : class
        An Op or a Type.
    method : str
        Name of the method.
    substitute : callable
        Turns the C code into what should be compiled.
    """
    original = getattr(owner, method)

    def changed(self, *args, **kwargs):
        return substitute(original(self, *args, **kwargs))

    changed.__name__ = method
    changed.__doc__ = original.__doc__
    setattr(owner, method, changed)
    mark_version(owner, "c_code_cache_version")


def mark_version(owner, method):
    """Mark an Op's cache version, so that C code that we changed is never mistaken for Theano's own in the cache.

    Parameters
    ----------
    owner : class
        An Op or a Type.
    method : str
        Name of the method that returns the version of its C code.
    """
    original = getattr(owner, method)

    def marked(self, *args, **kwargs):
        version = original(self, *args, **kwargs)
        # without a version a module is not kept at all
        return (*version, MARK) if version else version

    marked.__name__ = method
    setattr(owner, method, marked)


def exists(name):
    """Whether a module can be found, without importing it.

    Parameters
    ----------
    name : str
        Full name of a module.

    Returns
    -------
    found : bool
        False also where the package that it belongs to is missing.
    """
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
