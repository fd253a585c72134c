"""Losses: golden numbers, the formulas in NumPy, gradients, variables, and how networks use them.

The marks L1 to L15 number the items of section 7.2 of the contract.
"""

import copy
import functools
import math
import pickle
import warnings

import numpy as np
import pytest
import sklearn.datasets
import theanets
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import activations, losses, util

from .. import helpers

GOLDEN = helpers.load_golden("activations-losses-regularizers")
FIXED = GOLDEN["regularizers"]["network"]

KEYS = {
    "MeanSquaredError": ["mse", "meansquarederror"],
    "MeanAbsoluteError": ["mae", "meanabsoluteerror"],
    "GaussianLogLikelihood": ["gll", "gaussianloglikelihood"],
    "MaximumMeanDiscrepancy": ["mmd", "maximummeandiscrepancy"],
    "KullbackLeiblerDivergence": ["kl", "kld", "kullbackleiblerdivergence"],
    "CrossEntropy": ["xe", "crossentropy"],
    "Hinge": ["hinge"],
    "BinaryCrossEntropy": ["bce", "binarycrossentropy"],
}


def average(errors, w=None):
    return errors.mean() if w is None else (w * errors).sum() / w.sum()


def kl(o, t, w=None):
    o, t = np.clip(o, 1e-8, 1), np.clip(t, 1e-8, 1)
    return average(t * np.log(t / o), w)


def xe(o, t, w=None):
    return average(-np.log(np.clip(np.take_along_axis(o, t[:, None], 1)[:, 0], 1e-8, 1)), w)


def hinge(o, t, w=None):
    return average(np.maximum(0, o.max(axis=1) - np.take_along_axis(o, t[:, None], 1)[:, 0]), w)


def mmd(o, t):
    def kernel(x, y):
        return np.exp(-((x[:, None] - y[None, :]) ** 2).sum(axis=-1))

    return kernel(t, t).mean() - 2 * kernel(t, o).mean() + kernel(o, o).mean()


#: Every loss that compares one output with a target, in plain NumPy.
FORMULAS = {
    "mse": lambda o, t, w=None: average((o - t) ** 2, w),
    "mae": lambda o, t, w=None: average(abs(o - t), w),
    "kl": kl,
    "xe": xe,
    "hinge": hinge,
    "mmd": mmd,
}

WEIGHTED = ["mse", "mae", "kl", "xe", "hinge"]
LABELLED = ["xe", "hinge"]


def probabilities(rng, rows=5, cols=3):
    return helpers.floats(rng.dirichlet(np.ones(cols), size=rows))


def sample(key, rng, rows=5, cols=3):
    """An output, a target and weights that suit a loss."""
    target = rng.randint(cols, size=rows).astype("int32") if key in LABELLED else probabilities(rng, rows, cols)
    return probabilities(rng, rows, cols), target, helpers.floats(rng.rand(*target.shape))


def value(loss, outputs, arrays):
    """The value of a loss, given arrays for the outputs by name and for its own variables."""
    exprs = {name: TT.TensorType(util.FLOAT, (False,) * np.ndim(array))() for name, array in outputs.items()}
    givens = {exprs[name]: helpers.floats(array) for name, array in outputs.items()}
    givens.update(zip(loss.variables, arrays))
    return helpers.evaluate(loss(exprs), givens)


def regression(rng, n=12, nin=3, nout=2):
    return [helpers.floats(rng.randn(n, nin)), helpers.floats(rng.randn(n, nout))]


def total(net, arrays, **kwargs):
    return float(helpers.compute(net.loss(**kwargs), net.variables, arrays))


# ---- values


@pytest.mark.parametrize("case", GOLDEN["losses"], ids=lambda case: f"{case['id']}-{case['loss']}")
def test_golden_value_and_accuracy(case):
    # includes L4 (gll), L5 (errors), L7 (kl) and L8 (negative weights).
    def build():
        return theanets.Loss.build(case["loss"], target=np.ndim(case["target"]), weighted=case["weighted"],
                                   **case["kwargs"])

    expected = case.get("expected", case["reference"])
    if expected == "ConfigurationError":
        with pytest.raises(util.ConfigurationError):
            build()
        return
    loss = build()
    dtype = util.FLOAT if case["target_dtype"] == "float" else case["target_dtype"]
    arrays = [np.array(case["target"], dtype)]
    if case["weighted"]:
        arrays.append(helpers.floats(case["weights"]))
    helpers.assert_golden(value(loss, case["outputs"], arrays), expected)
    if "accuracy" in case:
        exprs = {"out:out": TT.TensorType(util.FLOAT, (False,) * np.ndim(case["outputs"]["out:out"]))()}
        givens = {exprs["out:out"]: helpers.floats(case["outputs"]["out:out"])}
        givens.update(zip(loss.variables, arrays))
        helpers.assert_golden(helpers.evaluate(loss.accuracy(exprs), givens), case["accuracy"])


def test_every_loss_has_an_expectation():
    known = theanets.Loss._registry.items()
    ours = {key: cls.__name__ for key, cls in known if cls.__module__ == "theanets.losses.base"}
    assert ours == {"loss": "Loss", "formula": "Formula", **{key: name for name, keys in KEYS.items() for key in keys}}
    assert {keys[0] for keys in KEYS.values()} == set(FORMULAS) | {"gll", "bce"}
    assert issubclass(losses.Hinge, losses.CrossEntropy)


@pytest.mark.parametrize("key", sorted(FORMULAS))
@pytest.mark.parametrize("weighted", [False, True])
def test_value_agrees_with_the_formula(key, weighted, rng):
    if weighted and key not in WEIGHTED:
        return  # L5: an error, see below
    o, t, w = sample(key, rng)
    arrays = [t, w] if weighted else [t]
    loss = theanets.Loss.build(key, target=t.ndim, weighted=weighted)
    doubles = [a.astype("d") if a.dtype == util.FLOAT else a for a in arrays]
    np.testing.assert_allclose(
        value(loss, {"out:out": o}, arrays), FORMULAS[key](o.astype("d"), *doubles), rtol=2e-5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 6), st.integers(1, 4))
def test_gaussian_likelihood_agrees_with_the_formula(seed, rows, cols):
    rng = np.random.RandomState(seed)
    m, c, t = (helpers.floats(rng.randn(rows, cols)) for _ in range(3))
    loss = losses.GaussianLogLikelihood(target=2, covar_eps=0.05)
    v = abs(c.astype("d")) + 0.05
    expected = (0.5 * (math.log(2 * math.pi) + np.log(v) + (t - m) ** 2 / v)).sum(axis=1).mean()
    np.testing.assert_allclose(value(loss, {"mean:out": m, "covar:out": c}, [t]), expected, rtol=2e-4, atol=1e-4)


def test_gaussian_likelihood_prefers_the_true_variance(rng):
    # L4: the reference is no likelihood; a true one is best, on average, at the variance of the data.
    t = helpers.floats(2 * rng.randn(5000, 1))
    loss = losses.GaussianLogLikelihood(target=2, covar_eps=0)
    costs = {v: value(loss, {"mean:out": 0 * t, "covar:out": 0 * t + v}, [t]) for v in (1, 2, 3, 4, 5, 6, 8)}
    assert min(costs, key=costs.get) == 4


@pytest.mark.parametrize("key", ["mse", "mae", "kl", "mmd", "xe", "hinge", "gll"])
def test_gradient_agrees_with_finite_differences(key, rng):
    o, t, _ = sample(key, rng, rows=3, cols=4)
    loss = theanets.Loss.build(key, target=t.ndim)
    x, fixed = TT.matrix(), TT.matrix()
    outputs = {"out:out": x, "mean:out": x, "covar:out": fixed}
    expr = loss(outputs)
    function = theano.function([x, fixed, loss.variables[0]], [expr, TT.grad(expr, x)], on_unused_input="ignore")
    numeric = helpers.numeric_gradient(lambda a: function(a, 0 * o + 1, t)[0], o, step=2e-3)
    np.testing.assert_allclose(function(o, 0 * o + 1, t)[1], numeric, rtol=2e-2, atol=5e-3)


@pytest.mark.parametrize("key", ["mse", "mae", "kl"])
def test_errors_are_averaged_over_all_elements(key, rng):
    # sequences count every time step; neither the batch size alone nor the width scales the value.
    o, t, _ = sample(key, rng, rows=8, cols=3)
    flat = value(theanets.Loss.build(key, target=2), {"out:out": o}, [t])
    cube = value(theanets.Loss.build(key, target=3), {"out:out": o.reshape(2, 4, 3)}, [t.reshape(2, 4, 3)])
    twice = value(theanets.Loss.build(key, target=2), {"out:out": np.vstack([o, o])}, [np.vstack([t, t])])
    np.testing.assert_allclose([cube, twice], flat, rtol=1e-5)


def test_true_class_of_probability_zero_has_a_finite_cost():
    loss = theanets.Loss.build("xe", target=1)
    cost = value(loss, {"out:out": [[1, 0]]}, [np.array([1], "int32")])
    np.testing.assert_allclose(cost, 18.420681, rtol=1e-6)


def test_independent_labels(rng):
    """The cross-entropy of what sigmoid makes of the output, and its gradient, however wrong the output is."""
    z, t, w = (helpers.floats(a) for a in (3 * rng.randn(6, 4), rng.randint(2, size=(6, 4)), rng.rand(6, 4)))
    p = 1 / (1 + np.exp(-z))
    errors = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    loss = theanets.Loss.build("bce", target=2, weighted=True)
    np.testing.assert_allclose(value(loss, {"out:pre": z}, [t, w]), average(errors, w), rtol=1e-5)
    loss, x = theanets.Loss.build("bce", target=2), TT.matrix()
    for far in (z, 0 * z + 50, 0 * z - 300):
        found, grad = helpers.evaluate([loss({"out:pre": x}), TT.grad(loss({"out:pre": x}), x)],
                                       {x: far, loss.variables[0]: t})
        np.testing.assert_allclose(found, np.mean(np.logaddexp(0, far) - t * far), rtol=1e-5)
        np.testing.assert_allclose(grad, (1 / (1 + np.exp(-far.astype("d"))) - t) / t.size, rtol=1e-4, atol=1e-7)


def test_independent_labels_in_networks(each_mode, rng, tmp_path):
    x = helpers.floats(20 * rng.randn(40, 3))
    y = (x[:, :2] > 0).astype(int)
    net = theanets.Regressor([3, 4, (2, "sigmoid")], loss="bce")
    assert (net.losses[0].output_name, net._slots()[1].shape) == ("out:pre", (2,))
    net.train([x, y], algo="adam", learning_rate=0.05, epochs=20)
    assert ((net.predict(x) > 0.5) == y).mean() > 0.9
    net.save(tmp_path / "net.npz")
    again = theanets.Network.load(tmp_path / "net.npz")
    assert total(again, [x, helpers.floats(y)]) == pytest.approx(total(net, [x, helpers.floats(y)]), rel=1e-5)


def test_independent_labels_of_steps_and_of_stages(rng):
    """What only fills up shorter sequences does not count; stages have the same output in another layer."""
    x, y = rng.randn(5, 3), rng.randint(2, size=(5, 2))
    series = theanets.recurrent.Regressor([3, (3, "rnn"), (2, "sigmoid")], loss="bce")
    data = [[array[:n] for n in (3, 5, 4)] for array in (x, y)]
    p, t = np.concatenate(series.predict(data[0])), np.concatenate(data[1])
    ((_, first),) = helpers.epochs(series, data, algo="sgd")
    assert first == pytest.approx(-np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), rel=1e-5)
    net = theanets.Regressor([3, 4, 4, (2, "sigmoid")], loss="bce")
    assert np.isfinite(helpers.epochs(net, [x, y], 3, algo="layerwise", subalgo="sgd", epochs=1)).all()


def test_hinge_has_no_margin():
    loss = theanets.Loss.build("hinge", target=1)
    assert value(loss, {"out:out": [[0.51, 0.49], [0.1, 0.9]]}, [np.array([0, 1], "int32")]) == 0


@pytest.mark.parametrize("key", WEIGHTED)
def test_weights_select_examples(key, rng):
    o, t, w = sample(key, rng, rows=6)
    w[:3], w[3:] = 0, 2
    whole = value(theanets.Loss.build(key, target=t.ndim, weighted=True), {"out:out": o}, [t, w])
    part = value(theanets.Loss.build(key, target=t.ndim), {"out:out": o[3:]}, [t[3:]])
    np.testing.assert_allclose(whole, part, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("key", WEIGHTED)
def test_l14_weights_of_zero_contribute_nothing(key, rng):
    o, t, w = sample(key, rng)
    loss = theanets.Loss.build(key, target=t.ndim, weighted=True)
    x = TT.matrix()
    expr = loss({"out:out": x})
    result, grad = helpers.evaluate([expr, TT.grad(expr, x)], {x: o, **dict(zip(loss.variables, [t, 0 * w]))})
    assert result == 0
    assert (grad == 0).all()


def test_l14_a_batch_of_weight_zero_leaves_parameters_alone(rng):
    net = theanets.Regressor([3, 4, 2], weighted=True)
    before = helpers.values(net)
    x, y = regression(rng)
    train, _ = net.train(lambda: [x, y, 0 * y], [x, y, 1 + 0 * y], algo="sgd", learning_rate=1, max_updates=2,
                         train_batches=2)
    # it counts nothing, and training goes on.
    assert np.isnan(train["loss"]) and len(net.history) == 2
    helpers.assert_same_values(helpers.values(net), before)


# ---- variables and attributes


@pytest.mark.parametrize("rank", range(5))
@pytest.mark.parametrize("key", ["mse", "xe"])
def test_a_rank_makes_new_variables(rank, key):
    loss = theanets.Loss.build(key, target=rank, weighted=True)
    target, weights = loss.variables
    assert (target.name, weights.name) == ("target", "weights")
    assert (target.ndim, weights.ndim) == (rank, rank)
    assert (target.dtype, weights.dtype) == (util.FLOAT if key == "mse" else "int32", util.FLOAT)
    assert (loss._target, loss._weights) == (target, weights)


def test_unweighted_losses_have_one_variable():
    loss = theanets.Loss.build("mse", target=2)
    assert loss.variables == [loss._target]
    assert loss._weights is None


def test_a_variable_is_used_as_it_is():
    x = TT.matrix("anything")
    loss = theanets.Loss.build("mse", target=x, weighted=True)
    assert loss.variables[0] is x
    assert (loss.variables[1].name, loss.variables[1].ndim) == ("weights", 2)


@pytest.mark.parametrize("given_, full", [("out", "out:out"), ("hid1", "hid1:out"), ("hid1:pre", "hid1:pre")])
def test_output_names_are_completed(given_, full):
    assert theanets.Loss.build("mse", target=2, output_name=given_).output_name == full


def test_weight_and_output_name_are_writable(rng):
    o, t, _ = sample("mse", rng)
    loss = theanets.Loss.build("mse", target=2, weight=3)
    assert (loss.weight, loss.output_name) == (3, "out:out")
    loss.weight, loss.output_name = 5, "else:out"
    # the factor is the network's business, not the loss's.
    np.testing.assert_allclose(value(loss, {"else:out": o}, [t]), ((o - t) ** 2).mean(), rtol=1e-5)


def test_base_class_has_no_value():
    with pytest.raises(NotImplementedError):
        theanets.Loss(target=2)({"out:out": TT.matrix()})


@pytest.mark.parametrize("target", [np.int64(2), np.int32(2), np.uint8(2)])
def test_l13_any_integer_is_a_rank(target):
    (variable,) = theanets.Loss.build("mse", target=target).variables
    assert variable.ndim == 2 and variable.name == "target"


@pytest.mark.parametrize("target", [True, False, np.bool_(True), 5, -1, None, 2.0, "target"], ids=repr)
@pytest.mark.parametrize("key", ["mse", "xe"])
def test_l13_anything_else_is_an_error(key, target):
    with pytest.raises(util.ConfigurationError):
        theanets.Loss.build(key, target=target)


@pytest.mark.parametrize("key", LABELLED)
def test_l3_labels_may_be_a_variable_of_integers(key, rng):
    o, t, _ = sample(key, rng)
    for variable in [TT.ivector("labels"), TT.lvector("labels")]:
        loss = theanets.Loss.build(key, target=variable)
        assert loss.variables[0] is variable
        got = value(loss, {"out:out": o}, [t.astype(variable.dtype)])
        np.testing.assert_allclose(got, FORMULAS[key](o.astype("d"), t), rtol=1e-5)


@pytest.mark.parametrize("key", LABELLED)
def test_l3_labels_are_never_floats(key):
    with pytest.raises(util.ConfigurationError, match="label"):
        theanets.Loss.build(key, target=TT.matrix("floats"))
    with pytest.raises(util.ConfigurationError, match="label"):
        theanets.Autoencoder([3, 2, (3, "sigmoid")], loss=key)


@pytest.mark.parametrize("key", ["gll", "mmd"])
def test_l5_some_losses_cannot_be_weighted(key):
    with pytest.raises(util.ConfigurationError, match="weight"):
        theanets.Loss.build(key, target=2, weighted=True)
    with pytest.raises(util.ConfigurationError, match="weight"):
        theanets.Regressor([3, 4, 2], loss=key, weighted=True)


# ---- kernels of the discrepancy


def test_l6_discrepancy_can_be_saved_and_goes_on_training(tmp_path, rng):
    net = theanets.Regressor([3, 4, 2], loss="mmd")
    data = regression(rng)
    net.train(data, algo="sgd", max_updates=1)
    net.save(str(tmp_path / "net"))
    again = theanets.Regressor.load(str(tmp_path / "net"))
    np.testing.assert_allclose(total(again, data), total(net, data), rtol=1e-6)
    assert again.train(data, algo="sgd", max_updates=1)[0] == net.train(data, algo="sgd", max_updates=1)[0]
    copy.deepcopy(net.losses[0])


@pytest.mark.parametrize("kernel", [2, 2.0, np.float32(2), np.float64(2), np.int64(2)], ids=repr)
def test_l6_any_real_number_is_a_bandwidth(kernel, rng):
    o, t, _ = sample("mmd", rng)
    loss = pickle.loads(pickle.dumps(theanets.Loss.build("mmd", target=2, kernel=kernel)))
    plain = losses.MaximumMeanDiscrepancy(target=2, kernel=losses.MaximumMeanDiscrepancy.gaussian(2))
    np.testing.assert_allclose(value(loss, {"out:out": o}, [t]), value(plain, {"out:out": o}, [t]), rtol=1e-6)


@pytest.mark.parametrize("kernel", [0, -1, 0.0, -0.5, np.float32(0)], ids=repr)
def test_l6_bandwidths_are_positive(kernel):
    with pytest.raises(util.ConfigurationError):
        theanets.Loss.build("mmd", target=2, kernel=kernel)


def dot(x, y):
    return TT.dot(x, y.T)


def test_kernel_may_be_any_callable():
    o, t = [[0, 1], [1, 1], [2, 0.5]], [[0.5, 0.5], [1, 0], [1.5, 1]]
    loss = losses.MaximumMeanDiscrepancy(target=2, kernel=dot)
    assert loss.kernel is dot
    # with a product as kernel the value is the squared distance of the two means.
    np.testing.assert_allclose(value(loss, {"out:out": o}, [helpers.floats(t)]), 1 / 9, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.1, 10))
def test_discrepancy_of_equal_samples_is_zero_and_never_negative(seed, bandwidth):
    o, t, _ = sample("mmd", np.random.RandomState(seed))
    loss = losses.MaximumMeanDiscrepancy(target=2, kernel=bandwidth)
    assert abs(value(loss, {"out:out": o}, [o[::-1]])) < 1e-6
    assert value(loss, {"out:out": o}, [t]) > -1e-6


# ---- in a network


def fixed_network(**kwargs):
    net = theanets.Regressor([3, (2, "tanh"), 2], **kwargs)
    helpers.assign(net, FIXED["params"])
    return net, [helpers.floats(FIXED["x"]), helpers.floats(FIXED["y"])]


def test_golden_l1_two_losses_share_one_target():
    net, data = fixed_network()
    helpers.assert_golden(total(net, data), FIXED["mse_loss"])
    net.add_loss("mae", weight=0.1)
    assert helpers.names(net.variables) == ["in", "target"]
    helpers.assert_golden(total(net, data), FIXED["two_losses"]["expected_total"])
    train, _ = net.train(data, algo="sgd", learning_rate=0, max_updates=1)
    helpers.assert_golden(train["loss"], FIXED["two_losses"]["expected_total"])
    # the monitor is the first loss alone.
    helpers.assert_golden(train["err"], FIXED["mse_loss"])
    net.losses[0].weight, net.losses[1].weight = 0, 1
    helpers.assert_golden(total(net, data), FIXED["two_losses"]["mae"])
    train, _ = net.train(data, algo="sgd", learning_rate=0, max_updates=1)
    helpers.assert_golden([train["loss"], train["err"]], [FIXED["two_losses"]["mae"], FIXED["mse_loss"]])


def test_l1_weights_are_shared_too(rng):
    net = theanets.Regressor([3, 4, 2], weighted=True)
    net.add_loss("mae", weight=0.5, weighted=True)
    net.add_loss("kl", weight=0)
    assert helpers.names(net.variables) == ["in", "target", "weights"]
    x, y = regression(rng)
    w = helpers.floats(rng.rand(*y.shape))
    error = net.predict(x) - y
    expected = average(error**2, w) + 0.5 * average(abs(error), w)
    np.testing.assert_allclose(total(net, [x, y, w]), expected, rtol=1e-5)
    net.train([x, y, w], max_updates=1)


def test_l1_targets_of_another_kind_add_an_array(rng):
    net = theanets.Regressor([3, 4, (2, "softmax")])
    net.add_loss("xe", target=1, weight=2)
    net.add_loss("mse", target=TT.matrix("mine"), output_name="hid1")
    net.add_loss("mae")
    assert helpers.names(net.variables) == ["in", "target", "target", "mine"]
    assert [v.dtype for v in net.variables] == [util.FLOAT, util.FLOAT, "int32", util.FLOAT]
    x, y = regression(rng)
    labels, mine = rng.randint(2, size=len(x)), helpers.floats(rng.randn(len(x), 4))
    out = net.feed_forward(x)
    expected = (((out["out:out"] - y) ** 2).mean() + abs(out["out:out"] - y).mean()
                + 2 * xe(out["out:out"], labels) + ((out["hid1:out"] - mine) ** 2).mean())
    np.testing.assert_allclose(total(net, [x, y, labels.astype("int32"), mine]), expected, rtol=1e-5)
    train, _ = net.train([x, y, labels, mine], algo="sgd", learning_rate=0, max_updates=1)
    np.testing.assert_allclose(train["loss"], expected, rtol=1e-5)


def two_heads(model=theanets.Regressor, sizes=(2, 2), activation="linear", **kwargs):
    side = dict(size=sizes[0], name="side", inputs="hid1", activation=activation)
    return model([3, 4, side, dict(size=sizes[1], name="out", inputs="hid1")], **kwargs)


def test_heads_do_not_share_a_target_without_a_word():
    net = two_heads()
    for use in (lambda: net.add_loss("mse", output_name="side"), lambda: net.add_loss("mae", output_name="side:pre"),
                lambda: net.add_loss("mmd", target=2, output_name="side"),
                lambda: net.add_loss(theanets.Loss.build("mse", target=2, output_name="side")),
                lambda: net.add_loss(lambda a, b: abs(a - b), output_name="side")):
        with pytest.raises(util.ConfigurationError, match="'out'.*'side'.*'target'.*target='name'.*'side_target'"):
            use()
    assert helpers.names(net.variables) == ["in", "target"] and len(net.losses) == 1
    with pytest.raises(util.ConfigurationError, match="target='name'"):
        two_heads(theanets.Classifier, (3, 3), "softmax").add_loss("xe", output_name="side")
    net = two_heads(weighted=True)
    with pytest.raises(util.ConfigurationError, match="share one array, 'weights'.*target='name'"):
        net.add_loss("mse", output_name="side", target=TT.matrix("mine"), weighted=True)


def test_a_name_makes_a_target(rng):
    net = two_heads(sizes=(3, 2))
    net.add_loss("mse", output_name="side", target="more", weight=0.5)
    assert [(v.name, v.type) for v in net.variables[1:]] == [("target", TT.fmatrix), ("more", TT.fmatrix)] or (
        util.FLOAT == "float64")
    x, y = regression(rng)
    more = rng.randn(len(x), 3)
    out = net.feed_forward(x)
    expected = ((out["out:out"] - y) ** 2).mean() + ((out["side:out"] - more) ** 2).mean() / 2
    options = dict(algo="sgd", learning_rate=0.0, epochs=1, batch_size=len(x))
    for data in ([x, y, more], {"more": more, "in": x, "target": y}):
        assert net.train(data, **options)[0]["loss"] == pytest.approx(expected, rel=1e-5)
    made = net.train(lambda: {"in": x, "target": y, "more": more}, train_batches=1, valid_batches=1, **options)[0]
    assert made["loss"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(util.DataError, match="3 arrays.*in, target, more"):
        net.train([x, y], **options)
    assert net.predict(x).shape == y.shape and np.isfinite(net.score(x, y))
    assert net.gradient("loss", "hid1.w", [x, y, more]).shape == (3, 4)


def test_names_of_targets_of_any_kind():
    net = two_heads(theanets.Classifier, (3, 3), "softmax", weighted=True)
    net.add_loss("xe", output_name="side", target="k", weighted=True)
    net.add_loss("mse", output_name="hid1", target="code")
    net.add_loss(lambda out, target: out - target, labels=False, output_name="side", target="p")
    net.add_loss(theanets.Loss.build("mae", target=2, output_name="hid1"), target="code")
    assert [(v.name, v.ndim, v.dtype[:3]) for v in net.variables[1:]] == [
        ("target", 1, "int"), ("weights", 1, "flo"), ("k", 1, "int"), ("k_weights", 1, "flo"), ("code", 2, "flo"),
        ("p", 2, "flo")]
    for name in ("code", "k_weights", "", "in"):
        with pytest.raises(util.ConfigurationError, match=f"target='{name}'"):
            net.add_loss("xe", output_name="side", target=name)
    coder = theanets.Autoencoder([3, 2, 3])
    coder.add_loss("mae", output_name="out", target="in")
    coder.add_loss("xe", output_name="hid1", target="label")
    assert [(v.name, v.ndim) for v in coder.variables] == [("in", 2), ("label", 1)]
    sequences = theanets.recurrent.Regressor([2, (3, "rnn"), dict(size=4, name="side", inputs="hid1"),
                                              dict(size=1, name="out", inputs="hid1")])
    sequences.add_loss("mse", output_name="side", target="more")
    assert [v.ndim for v in sequences.variables] == [3, 3, 3]
    assert helpers.names(theanets.Regressor([3, 2], loss=dict(form="mae", target="y")).variables) == ["in", "y"]


def test_losses_that_share_a_target_on_purpose():
    net = two_heads(weighted=True)
    net.add_loss("mae", output_name="side", target="target", weighted=True)
    net.add_loss("kl", weight=0.1, weighted=True)
    assert helpers.names(net.variables) == ["in", "target", "weights"]
    net.add_loss("mse", output_name="hid1", target="code")
    net.add_loss("mae", output_name="hid1", target="code")
    assert helpers.names(net.variables) == ["in", "target", "weights", "code"]
    with pytest.raises(util.ConfigurationError, match="made already.*weight"):
        net.add_loss(theanets.Loss.build("mse", target=2), weight=3)


@pytest.mark.parametrize("ending", ["npz", "pkl", "pkl.gz"])
def test_named_targets_are_saved(ending, tmp_path, rng):
    net = two_heads(weighted=True)
    net.add_loss("mse", output_name="side", target="more", weighted=True)
    net.save(tmp_path / f"net.{ending}")
    for other in (theanets.Network.load(tmp_path / f"net.{ending}"), copy.deepcopy(net)):
        assert helpers.names(other.variables) == ["in", "target", "weights", "more", "more_weights"]
        other.add_loss("mae", output_name="side", target="more")
        with pytest.raises(util.ConfigurationError, match="target='name'"):
            other.add_loss("mae", output_name="side")
        assert len(other.variables) == 5


def test_a_dict_cannot_hold_two_arrays_of_one_name(rng):
    net = theanets.Regressor([3, 4, (2, "softmax")])
    net.add_loss("xe", target=1)
    x, y = regression(rng)
    with pytest.raises(util.DataError, match="several arrays 'target'.*target='name'"):
        net.train({"in": x, "target": y}, algo="sgd")


@pytest.mark.parametrize("name", ["target", "weights"])
def test_l2_layers_may_be_called_like_loss_variables(name, rng):
    net = theanets.Regressor([dict(size=3, name=name), 4, 2], weighted=True)
    assert len(net.variables) == 3
    x, y = regression(rng)
    train, _ = net.train([x, y, 0 * y + 1], algo="sgd", learning_rate=0, max_updates=1)
    np.testing.assert_allclose(train["loss"], ((net.predict(x) - y) ** 2).mean(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("key", LABELLED)
def test_l9_labels_of_any_integer_type(key, dtype, rng):
    net = theanets.Classifier([3, 4, 2], loss=key)
    labels = rng.randint(2, size=10).astype(dtype)
    train, _ = net.train([rng.randn(10, 3), labels], algo="sgd", learning_rate=0, max_updates=1)
    assert set(train) == {"loss", "err", "acc"}


@pytest.mark.parametrize("labels", [np.linspace(0, 1, 10), np.full(10, 0.5, "f"), np.ones(10) * np.nan], ids=str)
def test_l9_floats_are_not_labels(labels, rng):
    net = theanets.Classifier([3, 4, 2])
    with pytest.raises(util.DataError):
        net.train([rng.randn(10, 3), labels], max_updates=1)


def test_l9_data_are_cast(rng):
    net, data = fixed_network()
    for dtype in ["float64", "float32", "float16"]:
        train, _ = net.train([a.astype(dtype) for a in data], algo="sgd", learning_rate=0, max_updates=1)
        helpers.assert_golden(train["loss"], FIXED["mse_loss"])
    net.train([a.astype(int) for a in data], algo="sgd", learning_rate=0, max_updates=1)


@pytest.mark.parametrize("method", ["set_loss", "add_loss"])
def test_l10_default_target_has_the_rank_of_the_output(method, rng):
    net = theanets.Classifier([3, 4, 2])
    getattr(net, method)("hinge")
    assert [v.ndim for v in net.variables] == [2, 1]
    x, labels = rng.randn(10, 3), rng.randint(2, size=10)
    train, _ = net.train([x, labels], algo="sgd", learning_rate=0, max_updates=1)
    out = net.predict_proba(x)
    expected = hinge(out, labels) + (xe(out, labels) if method == "add_loss" else 0)
    np.testing.assert_allclose(train["loss"], expected, rtol=1e-5)


def test_l11_no_accuracy_without_labels(rng):
    net = theanets.Classifier([3, 4, 2])
    net.set_loss("mse", target=2)
    train, valid = net.train(regression(rng), max_updates=1)
    assert set(train) == set(valid) == {"loss", "err"}


def test_accuracy_is_the_last_monitor_of_a_classifier(rng):
    net = theanets.Classifier([3, 4, 2], weighted=True)
    x, labels, w = rng.randn(20, 3), rng.randint(2, size=20), rng.rand(20)
    train, _ = net.train([x, labels, w], algo="sgd", learning_rate=0, batch_size=20, max_updates=1,
                         monitors={"hid1:out": 0.5})
    assert list(train) == ["loss", "err", "hid1:out<0.5", "acc"]
    np.testing.assert_allclose(train["acc"], average(1.0 * (net.predict(x) == labels), w), rtol=1e-5)


def test_l12_autoencoders_take_instances_and_dicts(rng):
    x = helpers.floats(rng.randn(10, 3))
    net = theanets.Autoencoder([3, 2, 3], loss=theanets.Loss.build("mae", target=2))
    train, _ = net.train([x] * len(net.variables), algo="sgd", learning_rate=0, max_updates=1)
    np.testing.assert_allclose(train["loss"], abs(net.predict(x) - x).mean(), rtol=1e-5)
    net = theanets.Autoencoder([3, 2, 3], loss=dict(form="mae", weight=2))
    assert helpers.names(net.variables) == ["in"]
    np.testing.assert_allclose(total(net, [x]), 2 * abs(net.predict(x) - x).mean(), rtol=1e-5)


def test_add_loss_takes_a_key_a_dict_or_an_instance(rng):
    net = theanets.Regressor([3, 4, 2], loss=None)
    assert net.losses == []
    net.add_loss("MAE", weight=2)
    spec = dict(form="mse", weight=3)
    net.add_loss(spec)
    assert spec == dict(form="mse", weight=3)
    mine = theanets.Loss.build("kl", target=net.losses[0].variables[0], weight=4)
    net.add_loss(mine)
    assert [(type(loss).__name__, loss.weight) for loss in net.losses] == [
        ("MeanAbsoluteError", 2), ("MeanSquaredError", 3), ("KullbackLeiblerDivergence", 4)]
    assert net.losses[2] is mine
    net.set_loss("mse")
    assert [type(loss) for loss in net.losses] == [losses.MeanSquaredError]


def test_total_is_the_weighted_sum_plus_penalties():
    net, data = fixed_network(loss=dict(form="mse", weight=3))
    net.add_loss("mae", weight=0.5)
    expected = 3 * FIXED["mse_loss"] + 0.5 * FIXED["two_losses"]["mae"] + 0.1 * 1.02864583333
    helpers.assert_golden(total(net, data, weight_l2=0.1), expected)
    monitors = dict(net.monitors(weight_l2=0.1))
    helpers.assert_golden(helpers.compute(monitors["err"], net.variables, data), FIXED["mse_loss"])


def heads():
    """A network that gives mean and variance of its output, from one hidden layer."""
    net = theanets.Regressor([3, (4, "tanh"), dict(size=2, name="covar", activation="relu", inputs="hid1"),
                              dict(size=2, name="mean", activation="linear", inputs="hid1")])
    net.set_loss("gll", target=2)
    return net


def test_two_heads_train_by_likelihood(rng):
    net = heads()
    x = helpers.floats(rng.randn(60, 3))
    y = helpers.floats(x[:, :2] * 0.5 + 0.1 * rng.randn(60, 2))
    out = net.feed_forward(x)
    v = abs(out["covar:out"].astype("d")) + 1e-3
    expected = (0.5 * (np.log(2 * np.pi * v) + (y - out["mean:out"]) ** 2 / v)).sum(axis=1).mean()
    np.testing.assert_allclose(total(net, [x, y]), expected, rtol=1e-4)
    train, _ = net.train([x, y], algo="adam", learning_rate=0.01, batch_size=60, epochs=3)
    assert train["loss"] < expected


@pytest.mark.parametrize("key", ["foo", "msee"])
def test_l15_unknown_names_list_the_known_ones(key):
    for call in [lambda: theanets.Loss.build(key, target=2), lambda: theanets.Regressor([3, 2], loss=key),
                 lambda: theanets.Classifier([3, 2]).set_loss(key)]:
        with pytest.raises(util.ConfigurationError) as caught:
            call()
        assert isinstance(caught.value, KeyError)
        assert all(known in str(caught.value) for known in ["mse", "mae", "gll", "mmd", "kl", "xe", "hinge"])


def test_l15_holds_for_layers_and_regularizers():
    for family, known in [(theanets.Layer, "feedforward"), (theanets.Regularizer, "weight_l2")]:
        with pytest.raises(util.ConfigurationError, match=known) as caught:
            family.build("foo")
        assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("kwargs", [dict(wieght=2), dict(covar_eps=1), dict(kernel=2)])
def test_arguments_that_a_loss_does_not_know_are_errors(kwargs):
    with pytest.raises((util.ConfigurationError, TypeError), match=next(iter(kwargs))):
        theanets.Regressor([3, 4, 2]).set_loss("mse", **kwargs)


# ---- writing one's own


class Quartic(theanets.Loss):
    """Fourth powers of errors."""

    __extra_registration_keys__ = ["L4"]

    def __call__(self, outputs):
        err = (outputs[self.output_name] - self._target) ** 4
        return err.mean() if self._weights is None else (self._weights * err).sum() / self._weights.sum()


@pytest.mark.parametrize("key", ["quartic", "Quartic", "l4"])
@pytest.mark.parametrize("weighted", [False, True])
def test_own_loss_is_available_by_name(key, weighted, rng):
    net = theanets.Regressor([3, 4, 2], loss=key, weighted=weighted)
    x, y = regression(rng)
    w = helpers.floats(rng.rand(*y.shape))
    train, _ = net.train([x, y, w] if weighted else [x, y], algo="sgd", learning_rate=0, max_updates=1)
    np.testing.assert_allclose(train["loss"], average((net.predict(x) - y) ** 4, w if weighted else None), rtol=1e-4)


# ---- functions


def quartic(output, target):
    return (output - target) ** 4


def likelihood(output, labels):
    rows = output.reshape((-1, output.shape[-1]))
    return -TT.log(rows[TT.arange(labels.size), labels.flatten()]).reshape(labels.shape, ndim=labels.ndim)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("spec", [quartic, dict(form=quartic, weight=1.0)])
def test_a_function_is_a_loss(spec, weighted, rng, each_mode):
    """The same as a class of one's own with this formula."""
    x, y = regression(rng)
    data = [x, y, helpers.floats(rng.rand(*y.shape))] if weighted else [x, y]
    nets = [theanets.Regressor([3, 4, 2], loss=loss, weighted=weighted) for loss in (spec, "quartic")]
    found, expected = (helpers.epochs(net, data, 2, algo="sgd", learning_rate=0.01) for net in nets)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_function_may_return_one_number(rng):
    x, y = regression(rng)
    nets = [theanets.Regressor([3, 4, 2], loss=loss) for loss in (quartic, lambda *pair: quartic(*pair).mean())]
    found, expected = (helpers.epochs(net, [x, y], 2, algo="sgd", learning_rate=0.01) for net in nets)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(util.ConfigurationError, match="cannot be weighted"):
        theanets.Regressor([3, 4, 2], loss=lambda *pair: quartic(*pair).mean(), weighted=True).train([x, y, y * 0 + 1])


@pytest.mark.parametrize("options", [{}, dict(class_weight=[1, 3])])
def test_functions_of_labels(options, rng):
    x, labels = rng.randn(9, 3), rng.randint(0, 2, 9)
    nets = [theanets.Classifier([3, 4, 2], loss=loss) for loss in (likelihood, "xe")]
    found, expected = (helpers.epochs(net, [x, labels], 2, algo="sgd", **options) for net in nets)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_functions_of_sequences_of_different_lengths(rng):
    x = [rng.randn(n, 3) for n in (2, 4, 5)]
    nets = [theanets.recurrent.Regressor([3, (4, "rnn"), 2], loss=loss) for loss in (lambda o, t: TT.sqr(o - t), "mse")]
    found, expected = (helpers.epochs(net, [x, [y[:, :2] for y in x]], 2, algo="sgd") for net in nets)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("loss, words", [
    (lambda output: output, "function"), (theanets.losses.MeanSquaredError, "loss="), (3, "loss=3"),
    (lambda output, target: 1, "returned 1"), (lambda output, target: output.sum(axis=1), "dimensions"),
])
def test_functions_that_are_no_loss(loss, words, rng):
    x, y = regression(rng)
    with pytest.raises(util.ConfigurationError, match=words):
        theanets.Regressor([3, 4, 2], loss=loss).train([x, y], algo="sgd")


# ---- gradients that never die


def log_softmax(z):
    return z - z.max(axis=-1, keepdims=True) - np.log(np.exp(z - z.max(axis=-1, keepdims=True)).sum(-1, keepdims=True))


#: What makes probabilities, and their logarithms in double precision.
LOGARITHMS = {"softmax": log_softmax, "sigmoid": lambda z: -np.logaddexp(0, -z)}

#: From probabilities of a half to such as no float holds.
SCALES = [0.1, 3, 50, 1e4, 1e30]


def cost_and_gradient(key, expr, z, target, mode=None, **kwargs):
    """The value of a loss of an expression, and its gradient with respect to a variable."""
    loss = theanets.Loss.build(key, target=target, **kwargs)
    cost = loss({"out:out": expr})
    return theano.function([z, *loss.variables], [cost, TT.grad(cost, z)], mode=mode)


def expected_xe(name, z, t):
    """Cross-entropy and its gradient in double precision."""
    z = z.astype("d")
    logs = LOGARITHMS[name](z)
    rows, labels = logs.reshape(-1, logs.shape[-1]), t.ravel()
    hot = np.eye(logs.shape[-1])[labels].reshape(logs.shape)
    slope = np.exp(logs) - hot if name == "softmax" else -hot * np.exp(-np.logaddexp(0, z))
    return -rows[np.arange(len(labels)), labels].mean(), slope / len(labels)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", "XLA"])
@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4), (2, 1, 3, 4)], ids=len)
@pytest.mark.parametrize("name", sorted(LOGARITHMS))
def test_cross_entropy_is_exact_for_any_logits(name, shape, mode, rng):
    z = TT.TensorType(util.FLOAT, (False,) * len(shape))()
    function = cost_and_gradient("xe", activations.COMMON[name](z), z, len(shape) - 1, mode)
    t = rng.randint(4, size=shape[:-1]).astype("int32")
    for scale in SCALES:
        given_z = helpers.floats(scale * rng.randn(*shape))
        cost, gradient = function(given_z, t)
        expected, slope = expected_xe(name, given_z, t)
        np.testing.assert_allclose(cost, expected, rtol=2e-6)
        # what Theano's Python gives for a softplus of less than -30 is zero.
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-7)
        assert (abs(gradient).reshape(-1, 4).max(axis=1)[LOGARITHMS[name](given_z.astype("d"))[
            (*np.indices(t.shape), t)].ravel() < -0.1] > 0.01 / t.size).all()


@pytest.mark.parametrize("name", sorted(LOGARITHMS))
@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", "XLA"])
def test_divergence_is_exact_for_any_logits(name, mode, rng):
    z = TT.matrix()
    function = cost_and_gradient("kl", activations.COMMON[name](z), z, 2, mode)
    t = probabilities(rng, 6, 4)
    t[0] = [0, 1, 0, 0]
    clipped = np.clip(t.astype("d"), 1e-8, 1)
    for scale in SCALES:
        given_z = helpers.floats(scale * rng.randn(6, 4))
        logs = LOGARITHMS[name](given_z.astype("d"))
        cost, gradient = function(given_z, t)
        np.testing.assert_allclose(cost, (clipped * (np.log(clipped) - logs)).mean(), rtol=2e-5, atol=1e-7)
        assert np.isfinite(gradient).all()
        assert (gradient[logs == logs.min()] < 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.01, 6))
def test_cross_entropy_is_that_of_the_contract_where_probabilities_are_no_smaller(seed, scale):
    rng = np.random.RandomState(seed)
    z, t = helpers.floats(scale * rng.randn(5, 3)), rng.randint(3, size=5).astype("int32")
    exact, _ = _of_softmax()(z, t)
    p = np.exp(log_softmax(z.astype("d")))
    if p.min() >= 1e-8:
        np.testing.assert_allclose(exact, xe(p, t), rtol=1e-5, atol=1e-6)


@functools.cache
def _of_softmax():
    z = TT.matrix()
    return cost_and_gradient("xe", activations.softmax(z), z, 1)


#: Numbers that are no probabilities, or hardly: below the limits, at them, and above.
ODD = [-1e20, -5, -0.1, -1e-9, 0, 1e-30, 1e-12, 9e-9, 2e-8, 1e-3, 0.5, 1, 1.5, 7, 1e20]


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", "XLA"])
@pytest.mark.parametrize("key", ["xe", "kl"])
def test_no_clipped_value_has_a_gradient_of_zero(key, mode):
    x = TT.matrix()
    function = cost_and_gradient(key, x, x, 1 if key == "xe" else 2, mode)
    for value_ in ODD:
        o = helpers.floats([[value_, 0.3]])
        t = np.zeros(1, "int32") if key == "xe" else helpers.floats([[0.9, 0.1]])
        cost, gradient = function(o, t)
        np.testing.assert_allclose(cost, FORMULAS[key](o.astype("d"), t), rtol=2e-6, atol=1e-8)
        # more of the true class is better; above the limit as if there were none, below it as far above.
        share = 1 if key == "xe" else 0.9 / 2
        expected = -share / (value_ if value_ >= 1e-8 else 2e-8 - value_)
        assert gradient[0, 0] < 0
        np.testing.assert_allclose(gradient[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("name, known", [
    ("softmax", True), ("logistic", True), ("relu+softmax", True), ("softmax+linear", True), ("sigmoid+relu", False),
    ("softmax+norm:max", False), ("relu", False), ("maxout:2", False), ("tanh", False), ("rect:minmax", False),
])
def test_loss_of_any_output_activation(name, known, rng):
    """The contract's values where the output is no softmax or sigmoid; larger ones, for rare classes, where it is."""
    net = theanets.Classifier([3, dict(size=4, activation=name)])
    x, t = helpers.floats(400 * rng.randn(9, 3)), rng.randint(4, size=9).astype("int32")
    out = net.feed_forward(x)
    expected = xe(out["out:out"].astype("d"), t)
    if known:
        z = np.maximum(out["out:pre"], 0) if name.startswith("relu") else out["out:pre"]
        expected = expected_xe("sigmoid" if name == "logistic" else "softmax", z, t)[0]
    np.testing.assert_allclose(total(net, [x, t]), expected, rtol=1e-5)
    gradient = net.gradient("loss", "out.w", [x, t])
    assert np.isfinite(gradient).all()
    if known:
        assert abs(gradient).max() > 1


class Halved(theanets.layers.Feedforward):
    """Its output is no softmax of `pre`, whatever it has inherited."""

    def transform(self, inputs):
        outputs, updates = super().transform(inputs)
        return dict(outputs, out=outputs["out"] / 2), updates


class Nameless(theanets.layers.Feedforward):
    """It applies its activation to something that is no output."""

    def transform(self, inputs):
        return self.activate(inputs[self.input_name].dot(self.find("w")) + self.find("b")), []


class HalvedRNN(theanets.layers.recurrent.RNN):
    """The same for what is done within a loop."""

    def _step(self, *args):
        pre, out = super()._step(*args)
        return [pre, out / 2]


@pytest.mark.parametrize("form", ["feedforward", "tied", "layernorm", "nameless", "halved"])
def test_loss_of_any_output_layer(form, rng):
    hidden = [(4, "linear")] if form == "layernorm" else [(4, "linear"), (3, "linear")] if form == "tied" else []
    last = dict(form=form) if form in ("layernorm", "tied") else dict(form=form, size=4)
    net = theanets.Classifier([4, *hidden, dict(last, activation="softmax")])
    x, t = helpers.floats(300 * rng.randn(9, 4)), rng.randint(4, size=9).astype("int32")
    out = net.feed_forward(x)
    w, b = (param.get_value() for param in net.params[-2:]) if form == "nameless" else (None, None)
    z = x @ w + b if form == "nameless" else out["out:pre"]
    expected = expected_xe("softmax", z, t)[0] if form != "halved" else xe(out["out:out"].astype("d"), t)
    np.testing.assert_allclose(total(net, [x, t]), expected, rtol=1e-4)


@pytest.mark.parametrize("form, known", [
    (dict(form="ff"), True), (dict(form="rnn"), True), (dict(form="rnn", direction="backward"), True),
    (dict(form="mrnn"), True), (dict(form="clockwork", periods=(1, 2)), True), (dict(form="gru"), False),
    (dict(form="halvedrnn"), False), (dict(form="conv1", filter_size=1), True),
], ids=lambda value_: value_ if isinstance(value_, bool) else value_["form"])
def test_loss_of_sequences(form, known, rng):
    net = theanets.recurrent.Classifier([3, dict(form, size=4)])
    x, t = helpers.floats(300 * rng.randn(5, 6, 3)), rng.randint(4, size=(5, 6)).astype("int32")
    out = net.feed_forward(x)
    rows = out["out:out"].astype("d").reshape(-1, 4)
    expected = expected_xe("softmax", out["out:pre"], t)[0] if known else xe(rows, t.ravel())
    np.testing.assert_allclose(total(net, [x, t]), expected, rtol=1e-5)


def test_loss_of_a_layer_that_reads_both_ways(rng):
    net = theanets.recurrent.Classifier([3, dict(form="bidirectional", size=4)])
    x, t = helpers.floats(300 * rng.randn(5, 6, 3)), rng.randint(4, size=(5, 6)).astype("int32")
    out = net.feed_forward(x)
    logs = np.concatenate([log_softmax(out[f"out:{way}_pre"].astype("d")) for way in ("fw", "bw")], axis=-1)
    np.testing.assert_allclose(total(net, [x, t]), -np.take_along_axis(logs, t[..., None], -1).mean(), rtol=1e-5)


@pytest.mark.parametrize("last", [4, (4, "rnn")], ids=str)
def test_loss_of_sequences_of_different_lengths(last, rng):
    """The same as that of each of them, all steps together; and so are its gradients."""
    net = theanets.recurrent.Classifier([3, last])
    x = [helpers.floats(200 * rng.randn(n, 3)) for n in (2, 5, 4)]
    t = [rng.randint(4, size=len(row)).astype("int32") for row in x]
    together = net.gradient("loss", "out.b", [x, t])
    apart = [len(row) * net.gradient("loss", "out.b", [row[None], labels[None]]) for row, labels in zip(x, t)]
    np.testing.assert_allclose(together, sum(apart) / 11, rtol=1e-4, atol=1e-5)
    logs = [log_softmax(net.feed_forward(row[None])["out:pre"][0].astype("d")) for row in x]
    expected = -np.concatenate([log[np.arange(len(labels)), labels] for log, labels in zip(logs, t)]).mean()
    np.testing.assert_allclose(next(net.itertrain([x, t], algo="sgd"))[1]["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("options", [dict(class_weight=[1, 2, 3, 4]), dict(weighted=True)], ids=str)
def test_loss_with_weights(options, rng):
    options = dict(options)
    weighted = options.pop("weighted", False)
    net = theanets.Classifier([3, 4], weighted=weighted)
    x, t, w = helpers.floats(300 * rng.randn(9, 3)), rng.randint(4, size=9), helpers.floats(rng.rand(9))
    logs = log_softmax(net.feed_forward(x)["out:pre"].astype("d"))[np.arange(9), t]
    train, _ = net.train([x, t, w] if weighted else [x, t], algo="sgd", learning_rate=0, epochs=1, **options)
    np.testing.assert_allclose(train["loss"], -average(logs, w if weighted else t + 1.0), rtol=1e-5)


def test_noise_on_the_output_is_part_of_the_loss(rng):
    """What is compared is the output with its noise, of which no softmax is known; and there is nothing to fear."""
    net = theanets.Classifier([3, 4])
    x, t = helpers.floats(rng.randn(60, 3)), rng.randint(4, size=60).astype("int32")
    clean, noisy = total(net, [x, t]), total(net, [x, t], output_dropout=0.5)
    # half of the true classes have a probability of zero.
    assert clean < 3 and 6 < noisy < 12
    for options in (dict(output_noise=0.3), dict(output_dropout=0.3)):
        train, _ = net.train([x, t], algo="sgd", learning_rate=0.01, epochs=3, **options)
        assert np.isfinite(train["loss"])
    # noise elsewhere leaves the output what it is, also on an output that it is made of.
    assert total(net, [100 * x, t], noise={"out:pre": 5.0}) == total(net, [100 * x, t])


def test_samples_of_dropout_and_labels_are_as_before(rng):
    net = theanets.Classifier([3, 5, 4])
    x = helpers.floats(rng.randn(6, 3))
    mean, deviation = net.predict(x, samples=20, hidden_dropout=0.5)
    assert mean.shape == deviation.shape == (6, 4)
    np.testing.assert_allclose(mean.sum(axis=1), 1, rtol=1e-5)
    assert (net.predict(x) == net.predict_proba(x).argmax(axis=1)).all()


def test_losses_of_other_outputs_know_what_made_them(rng):
    net = theanets.Regressor([3, dict(size=4, name="head", activation="softmax"), 2])
    net.set_loss("xe", target=1, output_name="head")
    x, t = helpers.floats(400 * rng.randn(9, 3)), rng.randint(4, size=9).astype("int32")
    z = net.feed_forward(x)["head:pre"]
    np.testing.assert_allclose(total(net, [x, t]), expected_xe("softmax", z, t)[0], rtol=1e-5)
    # an output that is asked for by name is the probabilities, whatever it is.
    net.set_loss("xe", target=1, output_name="head:pre")
    np.testing.assert_allclose(total(net, [x, t]), xe(z.astype("d"), t), rtol=1e-5)


def test_gradient_with_respect_to_probabilities(rng):
    """They can be asked for, although the loss is not computed from them."""
    for net, shape in [(theanets.Classifier([3, 4]), (6,)), (theanets.recurrent.Classifier([3, (4, "rnn")]), (2, 3))]:
        x, t = helpers.floats(rng.randn(*shape, 3)), rng.randint(4, size=shape).astype("int32")
        p = net.predict_proba(x)
        expected = -(np.eye(4)[t]) / p / t.size
        np.testing.assert_allclose(net.gradient("loss", "out", [x, t]), expected, rtol=1e-5)


def test_second_derivatives(rng):
    net = theanets.Classifier([3, (4, "tanh"), (3, "softmax")])
    x, t = rng.randn(30, 3) * [1, 1, 500], rng.randint(3, size=30)
    losses_of_epochs = helpers.epochs(net, [x, t], 6, algo="esgd", learning_rate=0.01)
    assert losses_of_epochs[-1] < losses_of_epochs[0]
    # the product of the second derivatives with a vector, against differences of gradients.
    z, v = TT.matrix(), TT.matrix()
    loss = theanets.Loss.build("xe", target=1)
    gradient = TT.grad(loss({"out:out": activations.softmax(z)}), z)
    function = theano.function([z, v, loss._target], [gradient, TT.Rop(gradient, z, v)])
    at, along, labels = helpers.floats(rng.randn(5, 4)), helpers.floats(rng.randn(5, 4)), t[:5].astype("int32")
    step = np.float32(1e-2)
    higher, lower = (function(at + sign * step * along, along, labels)[0] for sign in (1, -1))
    np.testing.assert_allclose(function(at, along, labels)[1], (higher - lower) / (2 * step), rtol=1e-2, atol=1e-5)


def test_saved_networks_have_the_same_loss(tmp_path, rng):
    x, t = helpers.floats(300 * rng.randn(9, 3)), rng.randint(4, size=9).astype("int32")
    net = theanets.Classifier([3, 5, 4])
    for name in ("net.npz", "net.pkl.gz"):
        net.save(tmp_path / name)
        assert total(theanets.Network.load(tmp_path / name), [x, t]) == total(net, [x, t]) > 20


@pytest.mark.parametrize("name, hidden", [("wine", []), ("breast_cancer", [20])], ids=str)
def test_raw_data_are_learned_with_default_settings(name, hidden):
    """Data on scales from 0.1 to 1000 left all gradients at zero, or ended training early."""
    x, t = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(x))
    train, test = order[len(x) // 4 :], order[: len(x) // 4]
    theanets.set_mode("XLA")
    try:
        net = theanets.Classifier([x.shape[1], *hidden, len(set(t))])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            net.train([x[train], t[train]], epochs=1000)
        assert net.score(x[test], t[test]) > (0.85 if name == "wine" else 0.9)
    finally:
        theanets.set_mode(None)
