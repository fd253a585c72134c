"""Networks behave as scikit-learn expects of its estimators."""

import logging
import pickle
import warnings

import downhill
import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine, make_regression
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from theanets.estimators import AutoencoderTransformer, NetworkClassifier, NetworkRegressor, examples
from theanets.estimators.base import quiet
from theanets.xla import epochs


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
        # by an algorithm that is compiled fast, for each of the many trainings.
        NetworkClassifier(hidden=(8,), algo="adagrad", learning_rate=0.1, epochs=10),
        NetworkRegressor(hidden=(8,), algo="adagrad", learning_rate=0.1, epochs=10),
        AutoencoderTransformer(encoder=((2, "linear"),), algo="adagrad", epochs=1),
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
    assert [i for i, loss in enumerate(model.validation_curve_) if np.isfinite(loss)] == [9, 19]
    truth = np.searchsorted(model.classes_, y)
    assert model.validation_curve_[-1] == pytest.approx(-np.log(probabilities[range(len(y)), truth]).mean(), rel=1e-5)


def test_raw_data_are_learned_with_default_settings():
    """All gradients were zero from the first step on, for data on scales from 0.1 to 1000."""
    x, y = load_wine(return_X_y=True)
    order = np.random.RandomState(1).permutation(len(x))
    theanets.set_mode("XLA")
    model = NetworkClassifier().fit(x[order[45:]], y[order[45:]])
    assert model.score(x[order[:45]], y[order[:45]]) > 0.8
    assert model.loss_curve_[-1] < 0.1 * model.loss_curve_[0]


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


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_merged_examples_are_counted(data):
    """The same as numpy.unique() finds, whatever the order and the form; negative zeros are zeros."""
    count, width = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 3))
    values = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-3])
    x = np.array(data.draw(st.lists(values, min_size=count * width, max_size=count * width))).reshape(count, width)
    y = np.array(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    w = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)), float)
    w[0] += 1
    (merged_x, merged_y), weights = examples.merge([x, y], w)
    repeated = np.column_stack([x, y]).repeat(w.astype(int), axis=0) + 0
    rows, counts = np.unique(repeated, axis=0, return_counts=True)
    found = sorted((*row, label, n) for row, label, n in zip(merged_x + 0, merged_y, weights))
    assert found == [(*row, n) for row, n in zip(rows, counts)]
    order = np.array(data.draw(st.permutations(range(count))))
    for form in (np.array, scipy.sparse.csr_matrix, scipy.sparse.csr_array):
        (again_x, again_y), again = examples.merge([form(x[order]), y[order]], w[order])
        np.testing.assert_array_equal(again_x.toarray() if scipy.sparse.issparse(again_x) else again_x, merged_x)
        np.testing.assert_array_equal(again_y, merged_y)
        np.testing.assert_array_equal(again, weights)


@pytest.mark.parametrize("make", [
    lambda **kwargs: NetworkClassifier(hidden=5, **kwargs), lambda **kwargs: NetworkRegressor(hidden=5, **kwargs),
    lambda **kwargs: AutoencoderTransformer(encoder=2, **kwargs),
], ids=["classifier", "regressor", "transformer"])
def test_the_order_given_makes_no_difference(make, iris):
    """Nor does the form of the examples, but for the last digits. Each seed mixes them in another way."""
    x, y = np.round(iris[0]), load_iris(return_X_y=True)[1]
    weights = np.random.RandomState(1).rand(len(x))
    order = np.random.RandomState(2).permutation(len(x))

    def outputs(x, y, weights, **kwargs):
        model = make(epochs=2, validation_fraction=0.2, **kwargs).fit(x, y, sample_weight=weights)
        return getattr(model, "transform" if hasattr(model, "transform") else "predict")(iris[0])

    expected = outputs(x, y, weights)
    np.testing.assert_array_equal(outputs(x[order], y[order], weights[order]), expected)
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.coo_matrix, scipy.sparse.csr_array):
        np.testing.assert_allclose(outputs(kind(x), y, weights), expected, rtol=1e-4, atol=1e-5)


def test_sorted_examples_are_mixed():
    """Batches of neighbours learn badly, and so they do in the order that merging brings examples into."""
    x = np.linspace(-3, 3, 800)[:, None]
    y = np.sin(2 * x[:, 0])
    score = {
        shuffle: NetworkRegressor(
            hidden=((20, "tanh"),), epochs=10, options=None if shuffle is None else {"shuffle": shuffle}
        ).fit(x, y).score(x, y)
        for shuffle in (None, "batches")
    }
    network = theanets.Regressor([1, (20, "tanh"), 1])
    network.train([x, y], algo="adam", learning_rate=0.01, epochs=10)
    assert network.score(x, y) < 0.5 < 0.85 < min(score.values())


@pytest.fixture
def trained_on(monkeypatch):
    """Collect the arrays that networks are trained and validated on, in a list of pairs."""
    seen, run = [], theanets.Network._run_with
    monkeypatch.setattr(
        theanets.Network, "_run_with", lambda *args, **kwargs: seen.append(args[1:3]) or run(*args, **kwargs)
    )
    return seen


def test_examples_are_in_the_same_order_in_each_call(iris, trained_on):
    """What goes on from call to call goes on with the same batches."""
    model = NetworkClassifier(hidden=4, epochs=1)
    for x, y in (iris, [array[::-1] for array in iris]):
        model.partial_fit(x, y)
    clone(model).set_params(random_state=5).fit(*iris)
    for first, second, other in zip(*(train for train, _ in trained_on)):
        np.testing.assert_array_equal(first, second)
        assert len(first) < 150 or not np.array_equal(first, other)


@pytest.mark.parametrize("y, fraction, expected", [
    (np.repeat([0, 1, 2], [60, 30, 10]), 0.1, [6, 3, 1]),
    (np.repeat([0, 1, 2], [90, 9, 1]), 0.1, [9, 1, 0]),
    (np.repeat([0, 1, 2], [2, 2, 1]), 0.8, [1, 1, 0]),
    (np.repeat(["a", "b"], [50, 50]), 0.5, [25, 25]),
], ids=["all", "but-for-one", "almost-all", "strings"])
def test_all_classes_have_their_share_of_the_validation(y, fraction, expected, trained_on):
    """But the last example of a class is needed to learn from."""
    x = np.random.RandomState(0).randn(len(y), 3)
    for seed in (1, 1, 2):
        NetworkClassifier(hidden=2, epochs=1, validation_fraction=fraction, random_state=seed).fit(x, y)
    for train, valid in trained_on:
        assert np.bincount(valid[1], minlength=len(expected)).tolist() == expected
        both = np.vstack([train[0], valid[0]])
        np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(x, axis=0))
    first, second, other = (valid[0] for _, valid in trained_on)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_validation_that_no_class_has_an_example_for():
    with pytest.raises(ValueError, match="no class has a second example"):
        NetworkClassifier(validation_fraction=0.5).fit(np.eye(4), np.arange(4))
    with pytest.raises(ValueError, match="leaves none"):
        NetworkRegressor(validation_fraction=0.9).fit(np.eye(2), np.arange(2))


@pytest.mark.parametrize("hidden", [7, np.int64(7), (7,), [7], dict(size=7, activation="relu"), np.array([7])], ids=str)
def test_sizes_of_hidden_layers(hidden, iris):
    model = NetworkClassifier(hidden=hidden, epochs=1).fit(*iris)
    assert [layer.output_size for layer in model.network_.layers] == [4, 7, 3]
    np.testing.assert_array_equal(model.predict(iris[0]), clone(model).fit(*iris).predict(iris[0]))


@pytest.mark.parametrize("wrong", ["100", None, 2.5, True], ids=repr)
def test_sizes_that_are_none(wrong, iris):
    with pytest.raises(ValueError, match="hidden="):
        NetworkClassifier(hidden=wrong).fit(*iris)
    with pytest.raises(ValueError, match="encoder="):
        AutoencoderTransformer(encoder=wrong).fit(iris[0])


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
def test_sparse_examples(kind, iris):
    """A fitted estimator takes examples in either form, whatever it was fitted to."""
    dense, y = np.where(abs(iris[0]) > 0.5, iris[0], 0), iris[1]
    x = kind(dense)
    model = NetworkClassifier(hidden=8, epochs=15, validation_fraction=0.1).fit(x, y)
    assert model.network_.layers[0].sparse == "csr"
    assert model.score(x, y) > 0.85
    np.testing.assert_allclose(model.predict_proba(x), model.predict_proba(dense), rtol=1e-5)
    regressor = NetworkRegressor(hidden=3, epochs=1).fit(x, dense)
    np.testing.assert_allclose(regressor.predict(x), regressor.predict(dense), rtol=1e-5)
    coder = AutoencoderTransformer(encoder=2, epochs=1).fit(x)
    np.testing.assert_allclose(coder.transform(x), coder.transform(dense), rtol=1e-5)
    assert coder.transform(x.astype("float32")).dtype == np.float32
    assert np.isfinite(coder.score(x))
    plain = NetworkClassifier(hidden=8, epochs=1).fit(dense, y)
    np.testing.assert_allclose(plain.predict_proba(x), plain.predict_proba(dense), rtol=1e-5)
    plain.partial_fit(x, y)
    with pytest.raises(ValueError, match="features"):
        model.predict(x[:, :2])


def labels_of(x):
    return np.stack([x[:, 0] > 0, x[:, 1] > 0, x[:, 0] + x[:, 1] > 1], axis=1).astype(int)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_labels_of_an_example(iris):
    """As in scikit-learn's MLPClassifier."""
    x = iris[0]
    y = labels_of(x)
    model = NetworkClassifier(hidden=((8, "tanh"),), epochs=25, validation_fraction=0.1).fit(x, y)
    mlp = MLPClassifier((8,), max_iter=2).fit(x, y)
    assert model.score(x, y) > 0.8
    assert model.score(x, y) == (model.predict(x) == y).all(axis=1).mean()
    np.testing.assert_array_equal(model.classes_, mlp.classes_)
    probabilities, predicted = model.predict_proba(x), model.predict(x)
    assert (probabilities.shape, predicted.shape) == (mlp.predict_proba(x).shape, mlp.predict(x).shape)
    assert predicted.dtype == mlp.predict(x).dtype
    np.testing.assert_array_equal(predicted, probabilities > 0.5)
    assert 0 < probabilities.min() < probabilities.max() < 1
    assert isinstance(pickle.loads(pickle.dumps(model)).predict(x), np.ndarray)
    weights = np.arange(len(x)) % 3
    short = NetworkClassifier(hidden=4, epochs=2)
    weighted = short.fit(x, y, sample_weight=weights).predict_proba(x)
    repeated = clone(short).fit(x.repeat(weights, axis=0), y.repeat(weights, axis=0)).predict_proba(x)
    np.testing.assert_array_equal(weighted, repeated)
    other = short.set_params(loss="mse").fit(x, y.astype(bool))
    assert other.predict(x).dtype == predicted.dtype


def test_matrices_of_labels(iris):
    x = iris[0]
    y = labels_of(x)
    model = NetworkClassifier(hidden=4, epochs=1)
    sparse = clone(model).fit(x, scipy.sparse.csr_matrix(y))
    assert scipy.sparse.issparse(sparse.predict(x))
    np.testing.assert_array_equal(sparse.predict(x).toarray(), model.fit(x, y).predict(x))
    assert sparse.score(x, scipy.sparse.csr_matrix(y)) == model.score(x, y)
    for targets, words in ((y * 2 - 1, "-1, 1"), (y + np.arange(150)[:, None] % 2, "multiclass-multioutput"),
                           (y.astype(str), "multiclass-multioutput")):
        with pytest.raises(ValueError, match=words):
            model.fit(x, targets)
    assert model.classes_.tolist() == [0, 1, 2] and model.predict(x).shape == y.shape
    parts = NetworkClassifier(hidden=4).partial_fit(x, y, classes=[0, 1, 2]).partial_fit(x, y)
    assert parts.n_iter_ == 2
    for targets, classes in ((y[:, :2], None), (y[:, 0], None), (y, [0, 1])):
        with pytest.raises(ValueError, match="at first|first call"):
            parts.partial_fit(x, targets, classes=classes)
    with pytest.warns(DataConversionWarning):
        assert model.fit(x, y[:, :1]).predict(x).shape == (150,)


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


def test_partial_fits_are_one_long_training(iris, each_mode, without_store, monkeypatch):
    x, y = iris
    count = []
    compile_ = downhill.Optimizer._compile

    def counted(*args, **kwargs):
        count.append(1)
        return compile_(*args, **kwargs)

    monkeypatch.setattr(downhill.Optimizer, "_compile", counted)
    options = dict(hidden=(6,), random_state=5)
    whole = NetworkClassifier(epochs=12, patience=100, **options).fit(x, y)
    parts = NetworkClassifier(**options)
    for _ in range(12):
        parts.partial_fit(x, y)
    assert len(count) == 2
    np.testing.assert_array_equal(parts.loss_curve_, whole.loss_curve_)
    np.testing.assert_allclose(parts.predict_proba(x), whole.predict_proba(x), rtol=1e-5)
    assert len(parts.validation_curve_) == parts.n_iter_ == 12


def test_partial_fits_to_sparse_examples_compile_once(iris, without_store, monkeypatch):
    """Whatever the order of the rows, and so the number of entries in a batch."""
    count, compile_ = [], epochs.LoopCode.compile
    monkeypatch.setattr(epochs.LoopCode, "compile", lambda loop, room: count.append(1) or compile_(loop, room))
    theanets.set_mode("XLA")
    x = scipy.sparse.random(100, 30, 0.3, format="csr", random_state=1)
    y = np.arange(100) % 2
    whole = NetworkClassifier(hidden=3, epochs=6, patience=100).fit(x, y)
    before = len(count)
    parts = NetworkClassifier(hidden=3)
    for _ in range(6):
        parts.partial_fit(x, y)
    assert 0 < before and len(count) - before <= 2
    np.testing.assert_array_equal(parts.loss_curve_, whole.loss_curve_)


def test_partial_fit_goes_on_whatever_it_is_given(iris):
    x, y = iris
    model = NetworkClassifier(hidden=(6,), learning_rate=0.05)
    rng = np.random.RandomState(0)
    for _ in range(40):
        # never all classes, and never as many examples.
        part = rng.choice(np.flatnonzero(y != np.unique(y)[rng.randint(3)]), rng.randint(20, 60))
        model.partial_fit(x[part], y[part], classes=np.unique(y))
    assert model.score(x, y) > 0.8
    # what has got worse stays, as there is nothing to compare it with.
    before = [param.get_value() for param in model.network_.params]
    model.set_params(learning_rate=1.0).partial_fit(x[:50], y[:50])
    assert model.loss_curve_[-1] > 0
    assert not np.array_equal(model.network_.params[0].get_value(), before[0])
    # copies begin with an optimizer of their own, and so does another algorithm.
    copied = pickle.loads(pickle.dumps(model)).partial_fit(x, y)
    copied.set_params(algo="sgd").partial_fit(x, y)
    assert copied.n_iter_ == model.n_iter_ + 2


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


def test_an_algorithm_that_takes_all_examples_at_once():
    x = np.random.RandomState(0).randn(60, 3)
    model = NetworkRegressor(hidden=(4,), algo="lbfgs", epochs=30).fit(x, x[:, 0])
    assert model.score(x, x[:, 0]) > 0.9
    parts = NetworkRegressor(hidden=(4,), algo="lbfgs")
    scores = [parts.partial_fit(x, x[:, 0]).score(x, x[:, 0]) for _ in range(3)]
    assert scores == sorted(set(scores))


def test_learning_in_parts_with_averaged_weights():
    x = np.random.RandomState(0).randn(64, 3)
    models = [
        NetworkRegressor(hidden=(4,), algo="sgd", learning_rate=0.1, batch_size=64, options=options)
        for options in (None, {"average_weights": 0.5})
    ]
    seen = []
    for _ in range(3):
        seen.append([model.partial_fit(x, x[:, 0]).network_.find("out", "w").get_value() for model in models])
    plain, averaged = zip(*seen)
    # each epoch is one step; training goes on from the parameters themselves.
    np.testing.assert_allclose(averaged[2], (plain[0] + 2 * plain[1] + 4 * plain[2]) / 7, rtol=1e-5)


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


@pytest.mark.parametrize("make", [NetworkClassifier, NetworkRegressor, AutoencoderTransformer])
def test_weights_and_data_that_make_no_sense(make):
    x = np.random.RandomState(0).randn(20, 3)
    y = (x[:, 0] > 0).astype(int)
    part = dict(encoder=(2,)) if make is AutoencoderTransformer else dict(hidden=(2,))
    model = make(epochs=1, **part).fit(x, y)
    for w in (-np.ones(20), np.zeros(20), np.r_[np.nan, np.ones(19)], np.r_[-1, np.ones(19)]):
        for method in (model.fit, model.partial_fit, model.score):
            with pytest.raises(ValueError, match="(?i)weight"):
                method(x, y, sample_weight=w)
    huge = np.where(np.arange(20)[:, None] == 7, 1e60, x)
    use = model.transform if make is AutoencoderTransformer else model.predict
    for method in (lambda x: model.fit(x, y), use, lambda x: model.score(x, y)):
        with pytest.raises(ValueError, match="too large for float32"):
            method(huge)
    if make is NetworkRegressor:
        assert model.score(x, np.ones(20)) == model.score(x, np.ones(20), sample_weight=np.arange(20)) == 0
    if make is AutoencoderTransformer:
        assert model.score(np.ones((5, 3))) == 0


def test_no_label_for_what_is_not_a_number():
    x = np.random.RandomState(0).randn(20, 3)
    model = NetworkClassifier(hidden=(2,), epochs=1).fit(x, x[:, 0] > 0)
    model.network_.find("out", "b").set_value(np.full(2, np.nan, "f"))
    for method in (model.predict, lambda x: model.score(x, x[:, 0] > 0)):
        with pytest.raises(ValueError, match="not a number"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            method(x)
@pytest.mark.parametrize("name, words", [("shuffle", "options="), ("optimizer", "algo="), ("max_iter", "epochs="),
                                         ("hidden_layer_sizes", "hidden="), ("weight_l2", "options={'weight_l2'"),
                                         ("hid_l1", "options={'hidden_l1'"), ("hiden", "'hidden'")])
def test_arguments_of_other_libraries(name, words):
    with pytest.raises(TypeError, match=rf"NetworkClassifier\(\): unknown argument '{name}'; .*{words}"):
        NetworkClassifier(**{name: 1})


def test_the_log_has_its_levels_again_when_the_last_of_several_threads_is_done():
    logger = logging.getLogger("theanets")
    before = logger.level
    first, second = quiet(False), quiet(False)
    first.__enter__()
    second.__enter__()
    assert logger.level == logging.WARNING
    first.__exit__(None, None, None)
    assert logger.level == logging.WARNING
    second.__exit__(None, None, None)
    with quiet(True):
        assert logger.level == before


def test_sequences_of_one_length_have_a_label_each():
    x = np.random.RandomState(0).randn(60, 5, 2)
    y = np.where(x[:, :, 0].mean(axis=1) > 0, "up", "down")
    model = NetworkClassifier(hidden=((4, "rnn"), "mean"), epochs=15, learning_rate=0.05).fit(x, y)
    assert model.score(x, y) > 0.85 and model.predict(x[:3]).shape == (3,)
    assert NetworkRegressor(hidden=("last",), epochs=1).fit(x, x[:, -1, 0]).predict(x).shape == (60,)
    with pytest.raises(ValueError, match="'last'"):
        NetworkClassifier(hidden=((4, "rnn"),), epochs=1).fit(x, y)
    with pytest.raises(ValueError, match="shape"):
        NetworkClassifier(epochs=1).fit(x[..., None], y)
