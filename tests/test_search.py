"""A search in one sweep has the results of scikit-learn's own search."""

import numpy as np
import pytest
import theanets
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from theanets.estimators import NetworkClassifier, NetworkSearchCV
from theanets.trainer.sweeps import pool

GRID = {"networkclassifier__learning_rate": [1e-4, 0.003, 0.03, 0.3]}


@pytest.fixture(autouse=True)
def mode():
    """All networks share what is compiled."""
    theanets.set_mode("XLA")
    yield
    theanets.set_mode(None)


@pytest.fixture
def iris():
    return load_iris(return_X_y=True)


def pipeline(epochs=9):
    return make_pipeline(StandardScaler(), NetworkClassifier(hidden=3, epochs=epochs))


def test_results_are_those_of_grid_search(iris, monkeypatch):
    monkeypatch.setattr(pool, "choose", lambda jobs: (2, "in a test"))
    folds = StratifiedKFold(2)
    search = NetworkSearchCV(pipeline(), GRID, cv=folds, scoring="neg_log_loss").fit(*iris)
    expected = GridSearchCV(pipeline(), GRID, cv=folds, scoring="neg_log_loss").fit(*iris)
    assert list(search.cv_results_) == list(expected.cv_results_)
    for name, column in expected.cv_results_.items():
        if not name.endswith("_time"):
            assert np.array_equal(search.cv_results_[name], column), name
    for name in ("best_params_", "best_score_", "best_index_", "n_splits_"):
        assert getattr(search, name) == getattr(expected, name)
    assert np.array_equal(search.predict_proba(iris[0]), expected.predict_proba(iris[0]))
    assert search.score(*iris) == expected.score(*iris)


def test_halving_ends_what_does_badly(iris):
    search = NetworkSearchCV(pipeline(), GRID, cv=2, halving=True, factor=2, min_epochs=5).fit(*iris)
    results = search.cv_results_
    assert results["iter"].tolist() == [0] * 4 + [1] * 2
    assert results["n_epochs"].tolist() == [5] * 4 + [9] * 2
    assert [params["networkclassifier__epochs"] for params in results["params"]] == [5] * 4 + [9] * 2
    best = np.argsort(-results["mean_test_score"][:4], kind="stable")[:2]
    chosen = [{**results["params"][i], "networkclassifier__epochs": 9} for i in best]
    assert results["params"][4:] == chosen
    assert search.best_index_ >= 4 and search.best_score_ == max(results["mean_test_score"][4:])
    assert search.best_estimator_[-1].network_.history[-1]["epoch"] == 9
    # those that go on are what they are without halving.
    plain = GridSearchCV(pipeline(), {key: [value] for key, value in chosen[0].items()}, cv=2).fit(*iris)
    assert plain.best_score_ == results["mean_test_score"][4]


def test_arguments_of_halving():
    x, y = np.zeros((6, 2)), [0, 1] * 3
    for match, changed in [
        ("factor=1", dict(factor=1)),
        ("min_epochs=0", dict(min_epochs=0)),
        ("found none", dict(estimator=Ridge(), param_grid={"alpha": [1]})),
        ("is in the grid", dict(param_grid={"networkclassifier__epochs": [1, 2]})),
        ("expected the name of the score", dict(refit=False, scoring=["accuracy", "f1"])),
    ]:
        search = NetworkSearchCV(pipeline(), GRID, halving=True).set_params(**changed)
        with pytest.raises(ValueError, match=match):
            search.fit(x, y)
    with pytest.raises(NotFittedError):
        NetworkSearchCV(pipeline(), GRID).predict(x)


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_finds_no_more_faults_than_in_its_own_search():
    found = []
    for kind in (GridSearchCV, NetworkSearchCV):
        results = check_estimator(kind(Ridge(), {"alpha": [0.1, 1.0]}, cv=2), on_skip=None, on_fail=None)
        found.append([(one["check_name"], one["status"]) for one in results])
    assert found[0] == found[1] and len(found[0]) > 50


def test_it_can_be_cloned_and_has_parameters():
    search = NetworkSearchCV(pipeline(), GRID, cv=4, halving=True, n_jobs=1)
    assert clone(search).get_params()["min_epochs"] == 5
    assert theanets.estimators.NetworkSearchCV is NetworkSearchCV
