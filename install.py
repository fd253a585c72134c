"""Install theanets on every Python that it supports.

    python install.py ".[test]"

passes its arguments to ``pip install`` in the interpreter that runs it. Up to Python 3.11 it does no more than that.

Theano 1.0.5 is published as source only, and its ``setup.py`` uses two names that ``configparser`` lost in Python 3.12
(``SafeConfigParser`` and ``RawConfigParser.readfp``), so that pip cannot build it there although the package itself
needs neither. Here the two names are put back for the one process that builds Theano's wheel, which pip then installs
like any other. Nothing else is changed, and nothing but what pip installs remains.

A package index other than pip's default is best named in pip's configuration or in ``PIP_INDEX_URL``, where every
step finds it.
"""

import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile

THEANO = "1.0.5"

# Theano's setup.py will not change any more; a setuptools known to build it need not change either.
BUILD_TOOLS = ["setuptools>=70.1,<81", "wheel"]

#: Python imports a module of this name whenever it starts, so also in the process in which pip runs a setup.py.
SITECUSTOMIZE = """\
import configparser, importlib.machinery, importlib.util, os, sys
configparser.SafeConfigParser = configparser.ConfigParser
configparser.RawConfigParser.readfp = lambda self, source, filename=None: self.read_file(source, filename)
here = os.path.dirname(os.path.abspath(__file__))
elsewhere = [path for path in sys.path if os.path.abspath(path) != here]
hidden = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
if hidden and hidden.loader:  # this file shadows one that the machine's owner wrote: run that as well
    hidden.loader.exec_module(importlib.util.module_from_spec(hidden))
"""


def pip(*args, **kwargs):
    """Run pip in this interpreter and return its exit code."""
    return subprocess.run([sys.executable, "-m", "pip", *args], **kwargs).returncode


def has_theano():
    """Whether pip will find that the right Theano is installed already."""
    try:
        return importlib.metadata.version("Theano") == THEANO
    except importlib.metadata.PackageNotFoundError:
        return False


def build_theano(folder):
    """Build Theano's wheel.

    Parameters
    ----------
    folder : pathlib.Path
        An empty folder. The wheel ends up in ``folder / "wheels"``.

    Returns
    -------
    code : int
        Exit code of the first command that failed, or 0.
    """
    tools = folder / "tools"
    code = pip("install", "--quiet", "--target", str(tools), *BUILD_TOOLS)
    if code:
        return code
    (tools / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(tools), os.environ.get("PYTHONPATH")]))
    # Isolation would replace PYTHONPATH, and with it the two names.
    return pip(
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder / "wheels"),
        f"Theano=={THEANO}",
        env={**os.environ, "PYTHONPATH": path},
    )


def main(args):
    """Install, and return an exit code.

    Parameters
    ----------
    args : list of str
        Arguments for ``pip install``.
    """
    if not args:
        print('usage: python install.py ".[test]"    (any arguments of pip install)', file=sys.stderr)
        return 2
    version = ".".join(map(str, sys.version_info[:2]))
    if pip("--version", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        print(f"install.py: {sys.executable} has no pip; try: {sys.executable} -m ensurepip", file=sys.stderr)
        return 1

    if sys.version_info < (3, 12) or has_theano():
        code = pip("install", *args)
    else:
        with tempfile.TemporaryDirectory(prefix="theanets-install-") as name:
            folder = pathlib.Path(name)
            code = build_theano(folder)
            if code:
                print(f"install.py: could not build Theano {THEANO} for Python {version}; see above", file=sys.stderr)
                return code
            # setup.py refuses to go on without Theano, of which it cannot know that there is a wheel.
            environment = {**os.environ, "THEANETS_HAS_THEANO": "1"}
            code = pip("install", "--find-links", str(folder / "wheels"), *args, env=environment)
    if code:
        print(f"install.py: pip install {' '.join(args)} failed with exit code {code}; see above", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
