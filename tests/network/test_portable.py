"""Networks as pure functions of JAX, files that run without this library, and metrics of scikit-learn."""

import jax
import numpy as np
import pytest
import theanets
from sklearn import metrics
from theanets import util

from .. import helpers

RNG = np.random.RandomState(0)
FLAT, STEPS = RNG.randn(5, 4).astype("f"), RNG.randn(3, 6, 4).astype("f")
IMAGES = RNG.rand(2, 6, 6, 1).astype("f")

CASES = [
    (lambda: theanets.Classifier([4, (5, "relu"), "batchnorm", 3]), FLAT),
    (lambda: theanets.recurrent.Classifier([4, (5, "gru"), "last", 3]), STEPS),
    (lambda: theanets.convolution.Classifier([(6, 6, 1), dict(form="conv2", size=2, filter_size=3), "flat", 3]),
     IMAGES),
]
IDS = ["dense", "recurrent", "convolution"]


@pytest.mark.parametrize("make, x", CASES, ids=IDS)
def test_a_pure_function_computes_and_differentiates(make, x):
    net = make()
    function, params = net.to_jax()
    assert set(params) == {variable.name for variable in [*net.params, *net.statistics]}
    np.testing.assert_allclose(jax.jit(function)(params, x), net.predict_proba(x), atol=1e-6)
    labels = np.arange(len(x)) % 3
    gradient = jax.grad(lambda params: -jax.numpy.log(function(params, x))[np.arange(len(x)), labels].mean())(params)
    name, step = net.params[0].name, 1e-2
    moved = {**params, name: params[name] + step * np.asarray(gradient[name])}
    before, after = (-np.log(np.asarray(function(p, x)))[np.arange(len(x)), labels].mean() for p in (params, moved))
    assert after - before == pytest.approx(step * (np.asarray(gradient[name]) ** 2).sum(), rel=0.1, abs=1e-6)


RUN = """
import sys

class Blocked:
    def find_spec(self, name, *others):
        if name.partition(".")[0] in ("theano", "theanets"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
import jax.export
import numpy as np

for number in range(3):
    model = jax.export.deserialize(bytearray(open(f"{number}.stablehlo", "rb").read()))
    given = np.load(f"{number}.npz")
    assert set(model.platforms) == {"cpu", "cuda"}
    for rows in (slice(None), slice(1)):
        np.testing.assert_allclose(model.call(given["x"][rows]), given["y"][rows], atol=1e-6)
assert not {"theano", "theanets"} & set(sys.modules)
"""


def test_files_run_where_this_library_is_not(tmp_path):
    for number, (make, x) in enumerate(CASES):
        net = make()
        net.export(tmp_path / f"{number}.stablehlo", steps=6 if x.ndim == 3 else None)
        np.savez(tmp_path / f"{number}.npz", x=x, y=net.predict_proba(x))
    helpers.run_python("-c", RUN, cwd=tmp_path)


def test_what_cannot_be_exported_is_refused():
    with pytest.raises(util.ConfigurationError, match="steps="):
        theanets.recurrent.Regressor([4, (3, "rnn"), 1]).export()
    with pytest.raises(util.ConfigurationError, match="sparse"):
        theanets.Regressor([dict(size=4, sparse="csr"), 1]).to_jax()
    with pytest.raises(KeyError, match="nothing"):
        theanets.Regressor([4, 1]).to_jax("nothing")
    function, params = theanets.Regressor([4, 1]).to_jax()
    for error, arrays in ((TypeError, [FLAT, FLAT]), (TypeError, []), (ValueError, [FLAT[0]])):
        with pytest.raises(error, match="expected (1: in|one of 2 dimensions)"):
            function(params, *arrays)
    for wrong in ("gpu", ["cpu", "gpu"], []):
        with pytest.raises(util.ConfigurationError, match="platforms=.*expected some of 'cpu', 'cuda'"):
            theanets.Regressor([4, 1]).export(platforms=wrong)
    assert jax.export.deserialize(bytearray(theanets.Regressor([4, 1]).export(platforms="cpu"))).platforms == ("cpu",)


def test_metrics_of_classifiers_are_those_of_scikit_learn():
    x, y = RNG.randn(40, 4), RNG.randint(0, 3, 40)
    net, weights = theanets.Classifier([4, 3]), RNG.rand(40)
    labels, probabilities = net.predict(x), net.predict_proba(x).astype("float64")
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = ["accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr", metrics.zero_one_loss]
    found = net.evaluate(x, y, names, w=weights, batch_size=7)
    assert found == pytest.approx({
        "accuracy": metrics.accuracy_score(y, labels, sample_weight=weights),
        "f1_macro": metrics.f1_score(y, labels, average="macro", sample_weight=weights),
        "neg_log_loss": -metrics.log_loss(y, probabilities, sample_weight=weights),
        "roc_auc_ovr": metrics.roc_auc_score(y, probabilities, multi_class="ovr", sample_weight=weights),
        "zero_one_loss": metrics.zero_one_loss(y, labels, sample_weight=weights),
    }, rel=1e-4)
    two = theanets.Classifier([4, 2])
    wanted = metrics.roc_auc_score(y > 0, two.predict_proba(x)[:, 1])
    assert two.evaluate(x, (y > 0).astype(int), "roc_auc")["roc_auc"] == pytest.approx(wanted)


def test_metrics_of_regressors_sequences_and_many_labels():
    net = theanets.Regressor([4, 2])
    y = RNG.randn(5, 2)
    assert net.evaluate(FLAT, y)["r2"] == pytest.approx(metrics.r2_score(y, net.predict(FLAT)))
    steps = theanets.recurrent.Classifier([4, (3, "rnn"), 2])
    sequences, labels = [STEPS[0], STEPS[1][:4]], [[0, 1, 0, 1, 1, 0], [1, 1, 0, 0]]
    assert steps.evaluate(sequences, labels)["accuracy"] == pytest.approx(steps.score(sequences, labels))
    many = theanets.Classifier([4, 3], loss="multilabel")
    y = RNG.randint(0, 2, (5, 3))
    wanted = metrics.f1_score(y, many.predict(FLAT), average="micro")
    assert many.evaluate(FLAT, y, ["f1_micro"])["f1_micro"] == pytest.approx(wanted)
    with pytest.raises(util.ConfigurationError, match="accuracy"):
        many.evaluate(FLAT, y, "acuracy")
    with pytest.raises(util.ConfigurationError, match="metrics=3"):
        many.evaluate(FLAT, y, 3)
