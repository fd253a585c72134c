"""The C back end and other float types, each in a process of its own.

A cold compile cache costs many seconds, so there is one process for training and one for single expressions, and each
compiles few functions.
"""

import json
import pathlib
import re
import shutil
import textwrap

import numpy as np
import pytest
import theanets

from . import helpers

HERE = pathlib.Path(__file__).resolve().parent

FEEDFORWARD = ["ae-tied-deep", "clf-relu"]

#: Golden tests that run again in double precision.
GOLDEN_FILES = [f"test_{name}.py" for name in ("activations", "regularizers", "downhill")] + [
    "losses/test_base.py",
    "trainer/test_trainer.py",
]

TRAIN = """
    import json, sys
    import numpy as np
    import theanets, theano

    for line in sys.stdin:
        case = json.loads(line)
        draw = np.random.RandomState(case["data"]["seed"])
        kinds = dict(normal=draw.randn, uniform=draw.rand, int4=lambda *shape: draw.randint(4, size=shape))
        data = [kinds[kind](*shape) for kind, shape in case["data"]["arrays"]]
        layers = [tuple(item) if isinstance(item, list) else item for item in case["layers"]]
        net = getattr(theanets, case["model"])(layers, **case["init"])
        run = net.itertrain(data, average="batches", **case["train"])
        losses = [[float(monitors["loss"]) for monitors in next(run)] for _ in range(case["epochs"])]
        print("RESULT", json.dumps(dict(losses=losses, cxx=bool(theano.config.cxx), float=theano.config.floatX)))
"""

COMPARE = """
    import json
    import numpy as np
    import theanets, theano
    import theano.tensor as TT
    from theanets import activations, losses, util
    from theanets.layers import Layer

    draw = np.random.RandomState(4)
    layer = Layer.build("ff", size=4, name="l", inputs="in", rng=13)
    layer.bind(theanets.Network([3]))
    z, t = TT.matrix("z"), TT.matrix("t")
    labels = TT.ivector("labels")
    names, outputs = [], []
    for name in [*activations.COMMON, "prelu", "lgrelu", "elu", "maxout:3", "relu+norm:z"]:
        value = activations.build(name, layer)(z)
        names.append(name)
        outputs += [value, TT.grad((value * t).sum(), z)]
    p = TT.nnet.softmax(z)
    for key in ["mse", "mae", "kl", "mmd", "gll", "xe", "hinge"]:
        loss = losses.Loss.build(key, target=labels if key in ("xe", "hinge") else t)
        value = loss({"out:out": p, "mean:out": z, "covar:out": p})
        names.append(key)
        outputs += [value, TT.grad(value, z)]
    x = draw.randn(6, 4).astype(util.FLOAT)
    x[0] = 0.5
    arrays = [x, draw.dirichlet(np.ones(4), size=6).astype(util.FLOAT), draw.randint(4, size=6).astype("int32")]
    modes = [theano.compile.mode.get_default_mode(), theano.Mode(linker="py", optimizer="fast_compile")]
    # a module of C for a sum of some expressions, of which all but one have the factor zero: far fewer modules.
    factors = TT.vector("factors")
    sums = [sum(factors[i] * outputs[i] for i in range(start, min(start + 12, len(outputs))))
            for start in range(0, len(outputs), 12)]
    compiled = theano.function([z, t, labels, factors], sums, mode=modes[0])
    expected = theano.function([z, t, labels], outputs, mode=modes[1])(*arrays)
    for i, b in enumerate(expected):
        a = compiled(*arrays, np.eye(len(outputs), dtype=util.FLOAT)[i])[i // 12]
        error = float(abs(a.astype("d") - b.astype("d")).max())
        scale = float(abs(b.astype("d")).max())
        print("RESULT", json.dumps(dict(name=names[i // 2], part=["value", "gradient"][i % 2], error=error, scale=scale,
                                        finite=bool(np.isfinite(a).all() and np.isfinite(b).all()))))
    print("RESULT", json.dumps(dict(cxx=bool(theano.config.cxx), linker=type(modes[0].linker).__name__)))
"""


def python(code, flags, tmp_path, text=None):
    """Results that a piece of code prints in another Python."""
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(code))
    done = helpers.run_python(str(path), flags=flags, cwd=tmp_path, stdin=text, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line[len("RESULT "):]) for line in done.stdout.splitlines() if line.startswith("RESULT ")]


def trajectories():
    cases = {case["name"]: case for case in helpers.load_golden("trajectories")}
    return [cases[name] for name in FEEDFORWARD]


@pytest.fixture(scope="module")
def cold(tmp_path_factory):
    """Flags for a compile cache that is empty at first."""
    return f"base_compiledir={tmp_path_factory.mktemp('compiled')}"


def test_training_with_the_default_back_end(tmp_path, cold):
    cases = trajectories()
    results = python(TRAIN, cold, tmp_path, "\n".join(map(json.dumps, cases)))
    assert len(results) == len(cases)
    for case, result in zip(cases, results):
        np.testing.assert_allclose(result["losses"], case["observed"]["losses"], rtol=2e-4, err_msg=case["name"])
        assert result["cxx"] == bool(shutil.which("g++"))
        assert result["float"] == "float32"


def test_training_in_double_precision(tmp_path):
    cases = trajectories()
    results = python(TRAIN, "floatX=float64,mode=FAST_COMPILE,cxx=", tmp_path, "\n".join(map(json.dumps, cases)))
    for case, result in zip(cases, results):
        np.testing.assert_allclose(result["losses"], case["observed"]["losses"], rtol=2e-4, err_msg=case["name"])
        assert (result["cxx"], result["float"]) == (False, "float64")


def test_every_expression_agrees_with_the_python_mode(tmp_path, cold):
    # without the compiler's optimizations, which would take as long as all the rest.
    *results, about = python(COMPARE, f"{cold},gcc.cxxflags=-O0 -g0", tmp_path)
    assert about["cxx"] == bool(shutil.which("g++"))
    assert about["linker"] != "PerformLinker" or not about["cxx"]
    assert len(results) == 2 * (len(theanets.activations.COMMON) + 5 + 7)
    for result in results:
        assert result["finite"], result
        assert result["error"] <= 1e-5 * result["scale"] + 1e-6, result


def test_golden_numbers_in_double_precision():
    flags = "floatX=float64,mode=FAST_COMPILE,cxx="
    paths = [str(HERE / name) for name in GOLDEN_FILES]
    options = ["-q", "-n0", "-p", "no:cacheprovider", "-k", "golden"]
    done = helpers.run_python("-m", "pytest", *options, *paths, flags=flags, cwd=HERE.parent)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\d\d\d passed", done.stdout) and "failed" not in done.stdout
