"""What happens when theanets is imported, and what does not."""

import os
import shutil
import stat

import pytest
from theanets import compat
from theanets.compat import registry

from .support import run

GXX = shutil.which("g++")
needs_gxx = pytest.mark.skipif(GXX is None, reason="needs g++")

#: Theano and a function or two, with the log on the standard output
PROGRAM = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(name)s %(levelname)s %(message)s", level=logging.INFO)
from theanets import compat
compat.install()
import theano, theano.tensor as TT
x = TT.vector()
print([float(theano.function([x], f(x))([1, 2])) for f in (TT.sum, TT.prod)])
print(theano.config.mode, repr(theano.config.cxx))
"""


def lines_of(output):
    return [line for line in output.splitlines() if line.startswith("theanets ")]


def fake_compiler(folder, body):
    """A g++ of our own, to be found before the real one."""
    path = folder / "g++"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return os.pathsep.join([str(folder), os.environ["PATH"]])


def test_twice_is_once():
    before = registry.applied()
    compat.install()
    assert registry.applied() == before


def test_report_has_the_facts():
    facts = compat.report()
    assert {"python", "numpy", "theano", "compiler", "blas", "mode", "floatX", "repairs"} <= set(facts)
    assert facts["theano"] == "1.0.5"
    assert "settings-filled-in" in facts["repairs"]


def test_prints_nothing_and_reads_no_command_line():
    process = run("import sys; sys.argv[1:] = ['--help']; import theanets; assert sys.argv[1:] == ['--help']")
    assert (process.stdout, process.stderr) == ("", "")


def test_prints_nothing_without_compiler(tmp_path):
    process = run("from theanets import compat; compat.install()", flags=None, PATH=str(tmp_path))
    assert (process.stdout, process.stderr) == ("", "")


def test_theano_would_print_something():
    process = run("from theanets import compat; compat.install()", THEANETS_COMPAT_WITHOUT="quiet-import")
    assert "BLAS" in process.stderr


def test_warnings_as_errors():
    code = """
    import warnings
    for category in (DeprecationWarning, PendingDeprecationWarning, SyntaxWarning, UserWarning, FutureWarning):
        warnings.simplefilter("error", category)
    from theanets import compat
    compat.install()
    import downhill, theano.sandbox.rng_mrg, theano.sparse, theano.tensor.signal.pool
    """
    # sources are compiled anew, so that warnings about their syntax come up too
    process = run(code, PYTHONPYCACHEPREFIX=os.path.join(os.devnull, "none"))
    assert (process.stdout, process.stderr) == ("", "")


RECURRENT = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(name)s %(levelname)s %(message)s", level=logging.INFO)
import numpy as np
import theanets
x = np.random.RandomState(0).rand(4, 5, 3)
net = theanets.recurrent.Regressor([3, dict(form="rnn", size=4, bptt_limit=2), 1])
net.train([x, x[:, :, :1]], epochs=1)
print(net.predict(x).shape)
"""

CONVOLUTIONAL = """
import theanets.convolution
images = np.random.RandomState(0).rand(4, 6, 6, 1)
net = theanets.convolution.Classifier([(6, 6, 1), dict(form="conv2", size=2, filter_size=3), "flat", 2])
net.train([images, np.array([0, 1, 0, 1])], epochs=1)
print(net.predict(images).shape)
"""


@needs_gxx
@pytest.mark.parametrize("mode, code, line", [
    ("XLA", RECURRENT, "XLA on cpu"),
    ("FAST_COMPILE", RECURRENT + CONVOLUTIONAL, "Theano in Python: mode FAST_COMPILE uses no C code"),
])
def test_no_compiler_is_touched_by_who_needs_none(tmp_path, mode, code, line):
    record = tmp_path / "calls"
    path = fake_compiler(tmp_path, f'echo "$@" >> {record}\nexec {GXX} "$@"')
    process = run(code, flags=f"base_compiledir={tmp_path / 'cache'}", PATH=path, THEANETS_MODE=mode)
    assert not record.exists(), record.read_text()
    assert not list((tmp_path / "cache").rglob("*.so"))
    said = [text.partition(" INFO ")[2] for text in lines_of(process.stdout)]
    assert [text for text in said if " on cpu" in text or "Python" in text] == [line]
    assert "(4, 5, 1)" in process.stdout


@needs_gxx
def test_the_compiler_is_asked_when_it_is_needed(tmp_path):
    record = tmp_path / "calls"
    path = fake_compiler(tmp_path, f'echo "$@" >> {record}\nexec {GXX} "$@"')
    code = f"""
    import os
    from theanets import compat
    compat.install()
    import theano
    from theanets.compat import blas
    blas._from_openblas_wheel = blas._from_scipy_wheel = lambda: None
    blas._from_system = lambda compiler: (None, blas.Blas("a", "-la"))
    mode = theano.compile.get_default_mode().excluding("fusion")
    theano.scan(lambda x: 2 * x, theano.tensor.vector())
    assert not os.path.exists({str(record)!r})
    theano.config.blas.ldflags = ""
    compat.registry.first_compile()
    assert theano.gof.cmodule.gcc_version() == theano.configdefaults.gcc_version_str
    print(theano.gof.cmodule.gcc_version(), theano.config.blas.ldflags)
    """
    flags = f"base_compiledir={tmp_path / 'cache'}"
    process = run(code, flags=flags, PATH=path, THEANETS_COMPAT_WITHOUT="compiled-modules")
    assert record.read_text().split() == ["-dumpversion"]
    version, ldflags = process.stdout.split()
    assert version[0].isdigit() and ldflags == "-la"


@needs_gxx
def test_the_version_of_the_compiler_may_be_part_of_a_path(tmp_path):
    flags = f"base_compiledir={tmp_path},compiledir_format=compiled_by_%(gxx_version)s"
    process = run("import theanets, theano; print(theano.config.compiledir)", flags=flags)
    assert process.stdout.strip().rpartition("_")[2][0].isdigit()


def test_leaves_numpy_and_python_alone():
    code = """
    import collections, sys
    import numpy as np
    import scipy.special
    names = ("bool", "cast", "complex", "core", "distutils", "product", "MAXDIMS", "sctype2char", "ComplexWarning")
    before = [name in vars(np) for name in names], set(vars(collections))
    def loaded():
        family = ("distutils", "imp", "pkg_resources", "numpy.distutils", "numpy.linalg.linalg", "scipy.stats")
        return sorted(name for name in sys.modules if name in family)
    modules = loaded()
    import theanets, theano, theano.sandbox.rng_mrg
    assert [name in vars(np) for name in names] == before[0]
    assert set(vars(collections)) == before[1]
    assert loaded() == modules, loaded()
    """
    run(code)


def test_environment_is_as_it_was():
    check = "import os; import theanets; assert os.environ.get('THEANO_FLAGS') == {!r}"
    for flags in ("cxx=,mode=FAST_COMPILE", "cxx=,", None):
        run(check.format(flags), flags=flags)


def test_no_compiler_says_so_once(tmp_path):
    process = run(PROGRAM, flags=f"base_compiledir={tmp_path}", PATH=str(tmp_path))
    (line,) = lines_of(process.stdout)
    assert line.startswith("theanets WARNING no C++ compiler found") and "install g++" in line
    assert process.stdout.splitlines()[-2:] == ["[3.0, 2.0]", "FAST_COMPILE ''"]


def test_compiler_switched_off_by_the_user():
    process = run(PROGRAM, flags="cxx=")
    (line,) = lines_of(process.stdout)
    assert "your settings (cxx=)" in line
    assert process.stdout.splitlines()[-2:] == ["[3.0, 2.0]", "FAST_COMPILE ''"]


@needs_gxx
def test_mode_without_c_code(tmp_path):
    process = run(PROGRAM, flags=f"mode=FAST_COMPILE,base_compiledir={tmp_path}")
    (line,) = lines_of(process.stdout)
    assert line == "theanets INFO Theano in Python: mode FAST_COMPILE uses no C code"
    assert not list(tmp_path.rglob("*.so"))


def test_compiler_that_does_not_work(tmp_path):
    path = fake_compiler(
        tmp_path, 'case "$1" in -v|-dumpversion) echo 12;; *) echo "error: no Python.h" >&2; exit 1;; esac'
    )
    process = run(PROGRAM, flags=f"base_compiledir={tmp_path / 'cache'}", PATH=path)
    (line,) = lines_of(process.stdout)
    assert line.startswith("theanets WARNING the C++ compiler") and "no Python.h" in line
    assert process.stdout.splitlines()[-2:] == ["[3.0, 2.0]", "FAST_COMPILE ''"]


def test_theano_first_and_broken():
    code = """
    import sys, types
    sys.modules["theano"] = types.ModuleType("theano")
    try:
        import theanets
    except ImportError as error:
        assert "import theanets before" in str(error), error
    else:
        raise SystemExit("no error")
    """
    run(code)


def test_what_is_left_of_a_failed_import_of_theano_is_no_obstacle():
    code = """
    import sys
    # an installed theanets would come first, and let the import succeed.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "_theanets_hook"]
    sys.modules["theano.tensor"] = None
    try:
        import theano
    except ImportError:
        assert "theano.configparser" in sys.modules
    else:
        raise SystemExit("no error")
    import theanets, theano
    assert theano.config.floatX == "float32"
    assert theanets.Regressor([3, 2]).predict([[1, 2, 3]]).shape == (1, 2)
    """
    run(code)


@pytest.mark.parametrize("first", ["import theano.tensor", "from theano import config", "import downhill"])
def test_the_hook_imports_theanets_first(first):
    code = f"""
    import _theanets_hook, importlib.util, sys
    assert importlib.util.find_spec("theano").origin.endswith("__init__.py")
    assert not {{"theanets", "theano"}} & set(sys.modules), "to look for Theano imports nothing"
    {first}
    import theano, theanets
    assert theano is sys.modules["theano"] and theano.__spec__.loader is theano.__loader__
    assert theano.__spec__.submodule_search_locations
    # the precision of a program that may have nothing to do with theanets is what Theano says.
    assert theano.config.floatX == "float64"
    assert "settings-filled-in" in theanets.compat.report()["repairs"]
    assert theanets.Regressor([3, 2]).predict([[1, 2, 3]]).shape == (1, 2)
    """
    run(code)


def test_the_hook_changes_nothing_where_theanets_comes_first():
    run("import _theanets_hook, theanets, theano; assert theano.config.floatX == 'float32'")


def test_theano_first():
    code = """
    import sys
    try:
        import theano
    except Exception:
        # broken by this NumPy
        try:
            import theanets
        except ImportError as error:
            assert "import theanets before" in str(error), error
            sys.exit()
        sys.exit("no error")
    theano.config.floatX = "float64"
    import theanets, theano.tensor as TT
    assert theano.config.floatX == "float64"
    assert theano.config.mode == "FAST_COMPILE"
    assert (TT.ivector() * 1000).dtype == "int32"
    x = TT.dvector()
    assert theano.function([x], x * 1.1)([1])[0] == 1.1
    """
    run(code, flags="cxx=")


def test_module_keeps_its_loader():
    import theano.tensor.basic as module

    assert module.__spec__.loader is module.__loader__
    assert module.__loader__.get_source("theano.tensor.basic")


def test_warm_import_is_fast():
    # processor time, since others may share the machine
    code = "import time; import theanets; print(time.process_time())"
    times = [float(run(code).stdout) for _ in range(2)]
    assert min(times) < 3
