"""The C back end: what it computes, what it links with, and what is wrong without a repair."""

import json
import shutil

import pytest
from theanets.compat import registry

from .support import run

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")

START = """
import json, logging, sys
lines, commands = [], []
class Keep(logging.Handler):
    def emit(self, record):
        if record.name == "theanets":
            lines.append(record.getMessage())
        elif record.getMessage().startswith("Running cmd: "):
            commands.append(record.getMessage()[13:].split())
logging.getLogger().addHandler(Keep())
logging.getLogger("theanets").setLevel(logging.INFO)
from theanets import compat
compat.install()
logging.getLogger("theano.gof.cmodule").setLevel(logging.DEBUG)
logging.getLogger("theano").propagate = True
import numpy as np, theano, theano.tensor as TT
from theano import config, function
def ops(f):
    return [type(node.op).__name__ for node in f.maker.fgraph.toposort()]
def floats(*shape):
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)
found = {}
"""

PRODUCTS = """
x, w = TT.matrix(), theano.shared(floats(3, 4))
f = function([x], TT.dot(x, w) + TT.dot(x, w + 1) * 0.5)
found["products"] = f(floats(5, 3)).tolist()
found["product ops"] = ops(f)
found["empty"] = [np.asarray(f(floats(0, 3))).shape, function([x], TT.dot(x.T, x))(floats(0, 3)).tolist()]
"""

MAXIMA = """
x = TT.matrix()
f = function([x], [TT.argmax(x), TT.max(x), TT.cumsum(x), TT.argmax(x, axis=0)])
found["maxima"] = [np.asarray(value).tolist() for value in f(floats(2, 3))]
"""

INDEXING = """
x, i = TT.matrix(), TT.ivector()
f = function([x, i], TT.grad((x[i] ** 2).sum(), x))
found["indexing"] = f(floats(3, 2), [0, 2, 2]).tolist()
"""

COMPLEX = """
z = TT.zvector()
value = function([z], z * z + 1)(np.array([1j, 2]))
found["complex"] = [value.real.tolist(), value.imag.tolist()]
"""

SCAN = """
x = TT.vector()
sums, _ = theano.scan(lambda a, s: s * 0.5 + a, x, outputs_info=TT.zeros((), "float32"))
f = function([x], [sums[-1], TT.grad(sums[-1], x)])
found["scan"] = [np.asarray(value).tolist() for value in f(floats(4))]
"""

END = """
found["machine"] = type(f.fn).__name__
found["commands"] = [command for command in commands if any("mod.cpp" in word for word in command)]
found["lines"] = lines
found["ldflags"] = config.blas.ldflags
found["header"] = [bool(set(command) & {"-include"}) for command in found["commands"]]
import theano.tensor.blas
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def compute(cache, *parts, check=True, **variables):
    process = run(
        START + "".join(parts) + END, flags=f"base_compiledir={cache}", check=check, TMPDIR=str(cache), **variables
    )
    return json.loads(process.stdout.splitlines()[-1]) if check else process


@pytest.fixture(scope="module")
def found(cache):
    return compute(cache, PRODUCTS, MAXIMA, INDEXING, COMPLEX, SCAN)


def test_products(found):
    import numpy as np

    x, w = np.arange(15.0).reshape(5, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(found["products"], x @ w + x @ (w + 1) * 0.5)
    assert {"Gemm", "Dot22"} & set(found["product ops"])
    assert "Dot22Scalar" not in found["product ops"]


def test_products_of_empty_matrices(found):
    assert found["empty"] == [[0, 4], [[0.0] * 3] * 3]


def test_maxima_over_all_axes(found):
    assert found["maxima"] == [5, 5, [0, 1, 3, 6, 10, 15], [1, 1, 1]]


def test_gradient_of_indexing(found):
    assert found["indexing"] == [[0, 2], [0, 0], [16, 20]]


def test_complex(found):
    assert found["complex"] == [[0, 5], [0, 0]]


def test_scan(found):
    assert found["scan"] == [4.25, [0.125, 0.25, 0.5, 1]]
    in_python = "scan-loops-in-python" in registry.applied()
    assert sum("theano.scan" in line for line in found["lines"]) == in_python


def test_runs_in_c_and_says_so_once(found):
    assert found["machine"] == "CVM"
    (line,) = [line for line in found["lines"] if line.startswith("Theano C on")]
    assert "g++" in line and "BLAS: none" not in line


def test_links_with_a_blas(found):
    assert found["ldflags"]
    linked = [command for command in found["commands"] if set(command) >= set(found["ldflags"].split()[-2:])]
    assert linked


def test_precompiled_header_is_used(found, cache):
    import subprocess

    assert sum(found["header"]) > len(found["header"]) / 2
    assert list(cache.glob("theanets-header-*/*.gch"))
    command = next(command for command in found["commands"] if "-include" in command)
    output = subprocess.run([*command, "-H"], capture_output=True, text=True).stderr
    assert any(line.startswith("! ") and line.endswith(".gch") for line in output.splitlines())


def test_compiled_only_once(found, cache):
    again = compute(cache, PRODUCTS, MAXIMA)
    assert again["commands"] == []
    assert again["products"] == found["products"]


BROKEN = {
    "argmax-over-all-axes": MAXIMA,
    "cumulation-over-all-axes": MAXIMA,
    "gradient-of-indexing-in-python": INDEXING,
    "products-of-empty-matrices": PRODUCTS,
    "complex-numbers-with-members": COMPLEX,
    "scan-loops-in-python": SCAN,
    "name-core": "import warnings; warnings.simplefilter('error', DeprecationWarning)\n" + MAXIMA,
    "compiled-modules": MAXIMA,
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_without_repair(name, found, cache):
    if name not in registry.applied() and name != "compiled-modules":
        pytest.skip("the symptom does not exist on this Python and NumPy")
    assert compute(cache, BROKEN[name], check=False, THEANETS_COMPAT_WITHOUT=name).returncode


@pytest.mark.parametrize("name", ["versions-that-outlive-the-process", "versions-of-ops-without-properties"])
def test_compiled_again_without_repair(name, found, cache):
    for _ in range(2):
        again = compute(cache, PRODUCTS, THEANETS_COMPAT_WITHOUT=name)
    assert again["commands"]


def test_no_blas_says_so_once(found, cache):
    process = run(START + MAXIMA + END, flags=f"base_compiledir={cache},blas.ldflags=")
    lines = json.loads(process.stdout.splitlines()[-1])["lines"]
    assert [line.partition(",")[0] for line in lines[1:]] == ["no BLAS for Theano's C code"]
    assert "blas.ldflags=" in lines[1]
