"""A BLAS for Theano's C code to link with, found without compiling anything."""

import glob
import importlib.util
import os
import shutil
import subprocess
import sys

#: Fortran routines that Theano's C code calls; OpenBLAS of the SciPy project has them with a prefix
_ROUTINES = "sgemm dgemm sgemv dgemv sger dger sdot ddot saxpy daxpy".split()
_THREADS = "openblas_set_num_threads openblas_get_num_threads".split()
_PREFIX = "scipy_"
_SUFFIXES = (".so", ".dylib")

HOW_TO_MEND = "pip install scipy-openblas32"


class Blas:
    """A BLAS library.

    Parameters
    ----------
    name : str
        What to call it in a log line.
    flags : str
        Value for Theano's ``blas.ldflags``; empty for none.
    note : str
        What keeps a better one from being used.
    """

    def __init__(self, name, flags, note=""):
        self.name = name
        self.flags = flags
        self.note = note

    def __repr__(self):
        return f"Blas({self.name!r}, {self.flags!r})"


def _defines():
    names = [f"{routine}_" for routine in _ROUTINES] + _THREADS
    return [f"-D{name}={_PREFIX}{name}" for name in names]


def _package_folder(package):
    spec = importlib.util.find_spec(package)
    locations = spec.submodule_search_locations if spec is not None else None
    return list(locations)[0] if locations else None


def _fits(path):
    # Theano splits blas.ldflags at blanks, whatever the quotes
    return not any(character.isspace() for character in path)


def _from_openblas_wheel():
    folder = _package_folder("scipy_openblas32")
    if folder is None:
        return None
    folder = os.path.join(folder, "lib")
    if not any(os.path.exists(os.path.join(folder, "libscipy_openblas" + suffix)) for suffix in _SUFFIXES):
        return None
    flags = [f"-L{folder}", "-lscipy_openblas", f"-Wl,-rpath,{folder}", *_defines()]
    return folder, Blas("OpenBLAS from scipy-openblas32", " ".join(flags))


def _from_scipy_wheel():
    package = _package_folder("scipy")
    if package is None:
        return None
    folders = [package + ".libs", os.path.join(package, ".dylibs")]
    found = [path for folder in folders for path in sorted(glob.glob(os.path.join(folder, "libscipy_openblas-*")))]
    if not found:
        return None
    # named by its path: a linker takes -l:file from no folder that Theano would not warn about, and one that drops
    # what it does not need yet would drop a library named before the code
    keep = "--no-as-needed," if sys.platform.startswith("linux") else ""
    flags = [f"-Wl,{keep}{found[0]},-rpath,{os.path.dirname(found[0])}", *_defines()]
    return found[0], Blas("OpenBLAS from SciPy's wheel", " ".join(flags))


def _from_system(compiler):
    if sys.platform == "darwin":
        return None, Blas("Accelerate", "-Wl,-framework,Accelerate")
    program = shutil.which(compiler)
    if program is None:
        return None
    for library in ("openblas", "blas"):
        # prints where the linker would find it, or the bare name
        command = [program, f"-print-file-name=lib{library}.so"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if os.path.isabs(result.stdout.strip()):
            return None, Blas(f"the system's {library}", f"-l{library}")
    return None


def find(compiler):
    """Look for a BLAS: PyPI's OpenBLAS, then SciPy's own, then the system's.

    Parameters
    ----------
    compiler : str
        The C++ compiler that will link with it, which is asked for the system's; empty to ask none.

    Returns
    -------
    blas : Blas
        With empty flags if there is none.
    """
    notes = []
    for source in (_from_openblas_wheel, _from_scipy_wheel):
        found = source()
        if found is not None:
            path, blas = found
            if _fits(path):
                blas.note = "; ".join(notes)
                return blas
            notes.append(f"Theano cannot link with a library in a folder with blanks in its name ({path})")
    found = _from_system(compiler)
    if found is not None:
        found[1].note = "; ".join(notes)
        return found[1]
    return Blas("none", "", "; ".join(notes))


def describe(flags):
    """Name a BLAS from Theano's setting.

    Parameters
    ----------
    flags : str
        Value of ``blas.ldflags``.

    Returns
    -------
    name : str
        "none" for an empty setting.
    """
    if not flags:
        return "none"
    for source in (_from_openblas_wheel, _from_scipy_wheel):
        found = source()
        if found is not None and found[1].flags == flags:
            return found[1].name
    return flags
