"""The layout of the package: floors of modules without a circle, and names of earlier releases that go on working."""

import ast
import importlib
import importlib.util
import json
import pathlib
import textwrap

import numpy as np
import pytest
import theanets

from . import helpers

PACKAGE = pathlib.Path(theanets.__file__).parent
ROOT = pathlib.Path(__file__).parent.parent
SAVED = helpers.DATA / "before-the-move"

#: Modules and classes that scripts import: those of releases 0.7.3 and 0.8.0pre, and those that the docs of 0.9 name.
LAYERS = (
    "Layer Input Concatenate Flatten Product Reshape Feedforward Classifier Tied Conv1 Conv2 Pool1 Pool2 "
    "RNN RRNN MUT1 GRU LSTM MRNN SCRN BCRNN Clockwork Bidirectional"
)
NAMES = {
    "theanets": "Network Autoencoder Regressor Classifier Layer Loss Activation Regularizer Experiment log recurrent "
    "convolution regularizers activations feedforward graph layers losses main trainer util xla set_mode get_mode "
    "plot estimators history schedules progress specs monitoring inspection drawing __version__",
    "theanets.activations": "Activation build Prelu LGrelu Elu Maxout COMMON",
    "theanets.convolution": "Autoencoder Regressor Classifier",
    "theanets.drawing": "Drawing",
    "theanets.estimators": "NetworkClassifier NetworkRegressor AutoencoderTransformer",
    "theanets.feedforward": "Autoencoder Regressor Classifier",
    "theanets.graph": "Network Error LayerError",
    "theanets.history": "History",
    "theanets.inspection": "Inspection Summary",
    "theanets.layers": LAYERS + " base feedforward convolution recurrent",
    "theanets.layers.base": "Layer Input Concatenate Flatten Product Reshape",
    "theanets.layers.convolution": "Convolution Conv1 Conv2 Pool1 Pool2",
    "theanets.layers.feedforward": "Feedforward Classifier Tied",
    "theanets.layers.recurrent": "Recurrent RNN RRNN BCRNN MUT1 GRU LSTM MRNN SCRN Clockwork Bidirectional",
    "theanets.logs": "install",
    "theanets.losses": "Loss MeanSquaredError MeanAbsoluteError CrossEntropy Hinge KullbackLeiblerDivergence "
    "GaussianLogLikelihood MaximumMeanDiscrepancy",
    "theanets.main": "Experiment",
    "theanets.modes": "set_mode get_mode",
    "theanets.monitoring": "read",
    "theanets.onnx_export": "export translates",
    "theanets.plot": "learning_curves weights reconstructions activations confusion_matrix",
    "theanets.progress": "shown",
    "theanets.recurrent": "Autoencoder Regressor Classifier Text batches",
    "theanets.regularizers": "Regularizer from_kwargs WeightL1 WeightL2 HiddenL1 Contractive RecurrentNorm "
    "RecurrentState GaussianNoise BernoulliDropout",
    "theanets.schedules": "Schedule build LearningRate",
    "theanets.specs": "read",
    "theanets.storage": "save load write_atomically",
    "theanets.storage.archive": "write read",
    "theanets.trainer": "DownhillTrainer SampleTrainer SupervisedPretrainer UnsupervisedPretrainer",
    "theanets.util": "Registrar random_matrix random_vector log ConfigurationError LoadError "
    "enable_detailed_callsite_logging FLOAT outputs_matching params_matching",
    "theanets.xla": "translates scalar register",
}


@pytest.mark.parametrize("module", NAMES)
def test_names_of_earlier_releases_can_be_imported(module):
    found = importlib.import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_every_old_name_works_in_a_new_process_by_each_form_of_import():
    code = "".join(f"import {name}\nfrom {name} import {NAMES[name].split()[0]}\n" for name in NAMES)
    helpers.python(code)


def test_an_old_module_is_the_new_one():
    for name in ("drawing", "history", "inspection", "monitoring", "progress", "schedules", "specs"):
        old = importlib.import_module(f"theanets.{name}")
        assert old is getattr(theanets, name) and old.__name__.count(".") == 2


def test_the_top_lists_what_users_import():
    assert {"estimators", "plot", "Autoencoder"} <= set(dir(theanets))
    # "import theanets.plot" brings functions for plots, and nothing that they are made with.
    assert {name for name in dir(theanets.plot) if not name.startswith("_")} == set(theanets.plot.__all__)


@pytest.mark.parametrize("name", sorted(json.loads((SAVED / "expected.json").read_text())))
def test_files_saved_before_the_modules_moved_open_and_predict_the_same(name):
    expected = json.loads((SAVED / "expected.json").read_text())[name]
    net = theanets.Network.load(SAVED / name)
    assert f"{type(net).__module__}.{type(net).__name__}" == expected["model"]
    assert len(net.history) == expected["rows"]
    predict = getattr(net, "predict_proba", net.predict)
    np.testing.assert_allclose(predict(np.array(expected["input"], "f")), expected["output"], atol=2e-6)


@pytest.mark.parametrize("package", ["compat", "xla"])
def test_the_engine_knows_nothing_of_networks(package):
    """Imported and put to use where no module above it can be imported."""
    code = textwrap.dedent(f"""
        import importlib, sys, types

        class Blocked:
            allowed = {{"theanets.compat", "theanets.xla", "theanets.util", "theanets.logs"}}

            def find_spec(self, name, path=None, target=None):
                if name.startswith("theanets.") and ".".join(name.split(".")[:2]) not in self.allowed:
                    raise ImportError(f"blocked: {{name}}")

        parent = sys.modules["theanets"] = types.ModuleType("theanets")
        parent.__path__ = [{str(PACKAGE)!r}]
        sys.meta_path.insert(0, Blocked())
        importlib.import_module("theanets.compat").install()
        import theano
        mode = "FAST_COMPILE"
        if {package!r} == "xla":
            importlib.import_module("theanets.xla").register()
            mode = "XLA"
        x = theano.tensor.vector()
        assert theano.function([x], x.sum(), mode=mode)([1, 2]) == 3
        loaded = {{name.split(".")[1] for name in sys.modules if name.startswith("theanets.")}}
        assert loaded <= {{"compat", "xla", "util", "logs"}}, loaded
    """)
    helpers.python(code)


def test_the_floors_are_kept():
    """What pyproject.toml says of floors and circles, by import-linter: in a process of its own, as it sets up logs."""
    code = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(sys.argv[1], no_cache=True))"
    done = helpers.run_python("-c", code, str(ROOT / "pyproject.toml"), cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_the_picture_of_the_floors_is_that_of_the_contract():
    """Drawn anew by ``python docs/floors.py``."""
    spec = importlib.util.spec_from_file_location("floors", ROOT / "docs" / "floors.py")
    floors = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(floors)
    rows = floors.read_floors()
    assert sum(len(names) for _, names in rows) > 20 and all(label for label, _ in rows)
    assert floors.PICTURE.read_text(encoding="utf-8") == floors.draw(rows)


def test_no_module_imports_the_package_that_it_is_in():
    """import-linter counts a package and its modules as one."""
    guilty = []
    for path in PACKAGE.rglob("*.py"):
        package = [] if path.name == "__init__.py" else [path.parent / "__init__.py"]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module is None and package:
                for alias in node.names:
                    if not any((path.parent / f"{alias.name}{end}").exists() for end in (".py", "/__init__.py")):
                        guilty.append((str(path), alias.name))
    assert guilty == []


def test_the_top_of_the_package_stays_small():
    # public names of modules that are elsewhere do not count.
    names = "__init__.py", "__main__.py", "plot.py", "onnx_export.py"
    modules = [path for path in PACKAGE.glob("*.py") if path.name not in names]
    folders = [path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    assert len(modules) <= 14 and len(folders) <= 10
