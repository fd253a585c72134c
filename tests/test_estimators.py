"""Networks behave as scikit-learn expects of its estimators."""

import pickle

import numpy as np
import pytest
import theanets
import theano
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from theanets.estimators import AutoencoderTransformer, NetworkClassifier, NetworkRegressor


@pytest.fixture(autouse=True)
def mode():
    """Compile at once, leaving graphs as they are: these networks are small, and there are many of them."""
    theanets.set_mode(theano.Mode("py", optimizer=None))
    yield
    theanets.set_mode(None)


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.mark.parametrize(
    "estimator",
    [
        NetworkClassifier(hidden=(8,), epochs=10),
        NetworkRegressor(hidden=(8,), epochs=10),
        AutoencoderTransformer(encoder=((2, "linear"),), epochs=2),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_scikit_learn_finds_no_fault(estimator):
    check_estimator(estimator, on_skip=None)


def test_labels_and_probabilities(iris):
    x, y = iris
    model = NetworkClassifier(hidden=((10, "tanh"),), epochs=20).fit(x, y)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert model.score(x, y) > 0.9
    assert set(model.predict(x)) <= set(y)
    probabilities = model.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (model.classes_[probabilities.argmax(axis=1)] == model.predict(x)).all()
    assert [layer.output_size for layer in model.network_.layers] == [4, 10, 3]
    assert 1 <= model.n_iter_ == len(model.loss_curve_) <= 20
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_clones_and_pickles_are_the_same(iris):
    x, y = iris
    model = NetworkClassifier(hidden=(6,), epochs=3).fit(x, y)
    again = clone(model).fit(x, y)
    stored = pickle.loads(pickle.dumps(model))
    for other in (again, stored):
        np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
    assert not hasattr(clone(model), "network_")
    other = clone(model).set_params(random_state=1).fit(x, y)
    assert abs(other.predict_proba(x) - model.predict_proba(x)).max() > 1e-3


def test_pipelines_searches_and_cross_validation(iris):
    x, y = iris
    model = make_pipeline(StandardScaler(), NetworkClassifier(epochs=8))
    search = GridSearchCV(model, {"networkclassifier__hidden": [(1,), (12,)]}, cv=2).fit(x, y)
    assert search.best_params_ == {"networkclassifier__hidden": (12,)}
    assert cross_val_score(model, x, y, cv=2).mean() > 0.8
    coded = make_pipeline(AutoencoderTransformer(encoder=((2, "linear"),), epochs=8), NetworkClassifier(epochs=8))
    assert coded.fit(x, y).score(x, y) > 0.8


def test_weights_are_repetitions(iris):
    x, y = iris
    weights = np.arange(len(x)) % 3
    model = NetworkClassifier(hidden=(4,), epochs=2)
    weighted = model.fit(x, y, sample_weight=weights).predict_proba(x)
    repeated = clone(model).fit(x.repeat(weights, axis=0), y.repeat(weights)).predict_proba(x)
    np.testing.assert_array_equal(weighted, repeated)
    assert abs(weighted - clone(model).fit(x, y).predict_proba(x)).max() > 1e-3
    with pytest.raises(ValueError, match="at least one"):
        model.fit(x, y, sample_weight=np.zeros(len(x)))


def test_learning_in_parts(iris):
    x, y = iris
    model = NetworkClassifier(hidden=(6,))
    with pytest.raises(ValueError, match="not among the classes"):
        NetworkClassifier().partial_fit(x[:60], y[:60]).partial_fit(x, y)
    losses = [model.partial_fit(x, y, classes=np.unique(y)).loss_curve_[-1] for _ in range(4)]
    assert model.n_iter_ == 4
    assert losses[-1] < losses[0]
    assert model.fit(x, y).n_iter_ > 4  # a new network, trained for all of its epochs
    with pytest.raises(ValueError, match="not those of the first call"):
        model.partial_fit(x, y, classes=["a", "b"])


@pytest.mark.parametrize("num_targets", [1, 2])
def test_targets_keep_their_shape(num_targets):
    x, y = make_regression(80, 3, n_targets=num_targets, random_state=0)
    y = y / y.std()
    model = NetworkRegressor(hidden=((10, "tanh"),), epochs=60, validation_fraction=0.2).fit(x, y)
    assert model.predict(x).shape == y.shape
    assert model.score(x, y) > 0.8


def test_codes_have_names_and_a_way_back(iris):
    x = iris[0]
    model = AutoencoderTransformer(encoder=((3, "tanh"), (2, "linear")), epochs=30).fit(x)
    assert [layer.describe() for layer in model.network_.layers[3:]] == ["tied to hid2", "tied to hid1"]
    assert model.get_feature_names_out().tolist() == ["autoencodertransformer0", "autoencodertransformer1"]
    back = model.inverse_transform(model.transform(x))
    np.testing.assert_allclose(back, model.network_.predict(x), atol=1e-5)
    assert model.score(x) > 0.5
    plain = AutoencoderTransformer(encoder=(3, 2), tied=False, epochs=1).fit(x)
    assert [layer.output_size for layer in plain.network_.layers] == [4, 3, 2, 3, 4]
    with pytest.raises(ValueError, match="expected .num-examples, 2."):
        model.inverse_transform(x)


@pytest.mark.parametrize(
    "wrong",
    [dict(epochs=0), dict(epochs=1.5), dict(batch_size=0), dict(validation_fraction=1), dict(learning_rate=-1),
     dict(options=[1])],
    ids=str,
)
def test_parameters_that_cannot_be_are_named(iris, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=name):
        NetworkClassifier(**wrong).fit(*iris)


def test_options_reach_training(iris):
    x, y = iris
    with pytest.raises(theanets.util.ConfigurationError, match="hiden_l1"):
        NetworkClassifier(options={"hiden_l1": 1}).fit(x, y)
    strong = NetworkClassifier(epochs=3, options={"weight_l2": 10.0}).fit(x, y)
    free = NetworkClassifier(epochs=3).fit(x, y)
    size = [abs(model.network_.find("hid1", "w").get_value()).mean() for model in (strong, free)]
    assert size[0] < size[1]
    with pytest.raises(theanets.util.ConfigurationError, match="encoder"):
        AutoencoderTransformer(encoder=("flat",)).fit(x)


@pytest.mark.parametrize("name, words", [("shuffle", "options="), ("optimizer", "algo="), ("max_iter", "epochs="),
                                         ("hidden_layer_sizes", "hidden="), ("weight_l2", "options={'weight_l2'"),
                                         ("hid_l1", "options={'hidden_l1'"), ("hiden", "'hidden'")])
def test_arguments_of_other_libraries(name, words):
    with pytest.raises(TypeError, match=rf"NetworkClassifier\(\): unknown argument '{name}'; .*{words}"):
        NetworkClassifier(**{name: 1})
