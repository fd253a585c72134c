"""What the user set for Theano, and what we fill in where nothing is set."""

import configparser
import contextlib
import importlib
import os
import shlex
import shutil
import sys

from . import blas, c_code
from .registry import before_first_compile, while_importing
from .rewriting import rebind

#: this rewrite costs two more matrix products for each scaled one: half of the time of a training step
EXCLUDED = "local_dot22_to_dot22scalar"

#: one cache of compiled modules per NumPy version: cutils_ext and lazylinker_ext do not carry it in their names
COMPILEDIR = "compiledir_%(short_platform)s-%(processor)s-%(python_version)s-%(python_bitwidth)s-numpy%(numpy_version)s"

_FLAGS = "THEANO_FLAGS"

#: placeholder for the version of the compiler until C code is compiled
UNKNOWN = "version unknown so far"


class UserSettings:
    """What the user set in ``THEANO_FLAGS`` and in ``.theanorc``, read as theano/configparser.py reads it.

    Parameters
    ----------
    environ : mapping, optional
        Environment variables, those of the process by default.
    """

    def __init__(self, environ=None):
        environ = os.environ if environ is None else environ
        self.flags_text = environ.get(_FLAGS, "")
        self.flags = _parse_flags(self.flags_text)
        files = environ.get("THEANORC", "~/.theanorc").split(os.pathsep)
        if "THEANORC" not in environ and sys.platform == "win32":
            files.append("~/.theanorc.txt")
        paths = [os.path.expanduser(file) for file in files]
        self._raw = configparser.RawConfigParser()
        self._raw.read(paths)
        self._rc = configparser.ConfigParser(_interpolated(environ))
        self._rc.read(paths)

    def get(self, key):
        """Value of one setting.

        Parameters
        ----------
        key : str
            Full name, such as "floatX" or "blas.ldflags".

        Returns
        -------
        value : str or None
            None if the user did not set it.
        """
        if key in self.flags:
            return self.flags[key]
        section, _, option = key.rpartition(".")
        if "." in section:
            return None
        section = section or "global"
        try:
            return self._rc.get(section, option)
        except configparser.InterpolationError:
            return self._raw.get(section, option)
        except (configparser.NoOptionError, configparser.NoSectionError):
            return None

    def any(self, *keys):
        """Whether the user set one of these.

        Parameters
        ----------
        keys : str
            Full names.
        """
        return any(self.get(key) is not None for key in keys)


def _interpolated(environ):
    """Variables that a .theanorc can use; theano/configparser.py:79."""
    home = os.path.expanduser("~")
    values = {name: environ.get(name, "") for name in ("LSCRATCH", "TMPDIR", "TEMP", "TMP")}
    return {"USER": environ.get("USER", os.path.split(home)[-1]), "PID": str(os.getpid()), **values}


def _parse_flags(text):
    splitter = shlex.shlex(text, posix=True)
    splitter.whitespace = ","
    splitter.whitespace_split = True
    pairs = (pair.strip().split("=", 1) for pair in splitter)
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _quoted(value):
    if not set(value) & set(", '\"\\#"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _joined(settings):
    return ",".join(f"{key}={_quoted(value)}" for key, value in settings.items())


def compiler(user):
    """The C++ compiler that Theano will use.

    Parameters
    ----------
    user : UserSettings
        Whose ``cxx`` wins.

    Returns
    -------
    path : str
        Empty if there is none, or if the user wants none.
    """
    asked = user.get("cxx")
    if asked is not None:
        return asked
    clang = sys.platform == "darwin" or sys.platform.startswith("freebsd")
    return shutil.which("clang++" if clang else "g++") or ""


def _theano_came_first():
    return getattr(sys.modules.get("_theanets_hook"), "came_first", False)


def missing(user):
    """Return our defaults for settings that the user left open.

    Parameters
    ----------
    user : UserSettings
        What is set already.

    Returns
    -------
    settings : dict of str to str
        None of them set by the user.
    """
    # a program that imports Theano itself, and perhaps never theanets, computes with the precision of Theano's default
    wanted = {} if _theano_came_first() else {"floatX": "float32"}
    cxx = compiler(user)
    if cxx:
        wanted["optimizer_excluding"] = EXCLUDED
        wanted["allow_gc"] = "False"
        wanted["compiledir_format"] = COMPILEDIR
        if not user.any("blas.ldflags"):
            # one that only the compiler knows of is looked for when it is needed
            wanted["blas.ldflags"] = blas.find("").flags
    else:
        # an empty compiler keeps Theano from looking for one and from warning
        wanted.update({"cxx": "", "blas.ldflags": ""})
        if not user.any("mode", "linker", "optimizer"):
            # the Python implementations of fused and inplace operations are slower by a factor of thirty
            wanted["mode"] = "FAST_COMPILE"
    return {key: value for key, value in wanted.items() if not user.any(key)}


def flags_for_import(user):
    """Text of ``THEANO_FLAGS`` for the time of Theano's import.

    Parameters
    ----------
    user : UserSettings
        Their own text comes after our defaults, word for word, as a later value of a setting wins over an earlier one.

    Returns
    -------
    flags : str
        Our defaults, the user's text, and last the user's compiler options with ours appended.
    """
    ours = _joined(missing(user))
    options = c_code.defines() if compiler(user) else []
    last = _joined({"gcc.cxxflags": " ".join([user.get("gcc.cxxflags") or "", *options]).strip()}) if options else ""
    return ",".join(filter(None, [ours, user.flags_text, last]))


@while_importing("theano")
def settings_filled_in():
    """Defaults for settings that the user left open.

    They go through the environment, since theano/configparser.py reads it once, while it is imported; afterwards the
    environment is as it was, for the user and for child processes.
    """
    user = UserSettings()
    with _environment(_FLAGS, flags_for_import(user)):
        yield


def _accepting_xla(original):
    def filter_mode(value):
        return value if value == "XLA" else original(value)

    return filter_mode


@while_importing("theano.configdefaults")
def mode_xla_accepted():
    """``mode=XLA`` among Theano's settings, which filter_mode() (theano/configdefaults.py:476) has not heard of."""
    parameters = importlib.import_module("theano.configparser").ConfigParam
    original = parameters.__init__

    def __init__(self, default, filter=None, allow_override=True):
        if getattr(filter, "__name__", "") == "filter_mode":
            filter = _accepting_xla(filter)
        original(self, default, filter, allow_override)

    parameters.__init__ = __init__
    try:
        yield
    finally:
        parameters.__init__ = original


def _is_version_in_a_path():
    return "gxx_version" in (UserSettings().get("compiledir_format") or "")


def _exists(command, **_):
    return 0 if shutil.which(command[0]) else 1


def _no_answer(command, **_):
    if not command[0]:
        raise OSError("no compiler")
    return UNKNOWN.encode(), b"", 0


@while_importing("theano.configdefaults", needed=lambda: not _is_version_in_a_path())
def compiler_not_asked_yet():
    """No call of the compiler before C code is compiled.

    theano/configdefaults.py:500 calls ``g++ -v`` to see whether there is one, and ``g++ -dumpversion`` at line 1691.
    Whether it works is seen before it is used, and its version is asked for then.
    """
    windows = importlib.import_module("theano.misc.windows")
    before = windows.call_subprocess_Popen, windows.output_subprocess_Popen
    windows.call_subprocess_Popen, windows.output_subprocess_Popen = _exists, _no_answer
    try:
        yield
    finally:
        windows.call_subprocess_Popen, windows.output_subprocess_Popen = before


@before_first_compile()
def compiler_asked():
    """The compiler's version, and a BLAS that only the compiler can find: both were left open by Theano's import."""
    theano = sys.modules["theano"]
    if not theano.config.cxx:
        return
    compiler_version(theano)
    if not theano.config.blas.ldflags and not UserSettings().any("blas.ldflags"):
        theano.config.blas.ldflags = blas.find(theano.config.cxx).flags


def compiler_version(theano):
    """Return the version of the compiler, which is asked for it at the first call.

    Parameters
    ----------
    theano : module
        Theano.

    Returns
    -------
    version : str
    """
    defaults = theano.configdefaults
    placeholder = defaults.gcc_version_str
    if placeholder == UNKNOWN:
        try:
            version = theano.misc.windows.output_subprocess_Popen([theano.config.cxx, "-dumpversion"])[0]
        except OSError:
            version = b"GCC_NOT_FOUND"
        rebind(placeholder, version.strip().decode())
    return defaults.gcc_version_str


@contextlib.contextmanager
def _environment(name, value):
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def fill_in_late(theano):
    """Fill in what can still be set once Theano has been imported by somebody else.

    Parameters
    ----------
    theano : module
        Theano. Its ``floatX`` stays: whether it was set or is the default cannot be told any more.
    """
    user = UserSettings()
    config = theano.config
    for variable in theano.configparser._config_var_list:
        if variable.fullname == "mode":
            variable.filter = _accepting_xla(variable.filter)
    if config.cxx:
        options = config.gcc.cxxflags.split()
        config.gcc.cxxflags = " ".join(options + [option for option in c_code.defines() if option not in options])
        if not user.any("optimizer_excluding") and not config.optimizer_excluding:
            _exclude(theano, EXCLUDED)
        if not user.any("allow_gc"):
            config.allow_gc = False
            for linker in theano.compile.mode.predefined_linkers.values():
                linker.allow_gc = False
        return
    if not user.any("mode", "linker", "optimizer") and config.mode == "Mode":
        config.mode = "FAST_COMPILE"


def _exclude(theano, names):
    """Set ``optimizer_excluding``, which refuses to be assigned to after Theano has read it once."""
    for variable in theano.configparser._config_var_list:
        if variable.fullname == "optimizer_excluding":
            variable.val = names
