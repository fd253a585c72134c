"""Regularizers: golden numbers, keywords, noise and its streams.

The marks R1 to R17 number the items of section 7.3 of the contract.
"""

import numpy as np
import pytest
import scipy.sparse
import theanets
import theano.tensor as TT
from theanets import regularizers, util
from theano.sandbox.rng_mrg import MRG_RandomStreams

from . import helpers

GOLDEN = helpers.load_golden("activations-losses-regularizers")["regularizers"]
FIXED = GOLDEN["network"]

KEYS = {
    "Regularizer": ["regularizer"],
    "WeightL2": ["weight_l2", "weight_decay", "weightl2"],
    "WeightL1": ["weight_l1", "weight_sparsity", "weightl1"],
    "HiddenL1": ["hidden_l1", "hidden_sparsity", "hiddenl1"],
    "RecurrentNorm": ["recurrent_norm", "recurrentnorm"],
    "RecurrentState": ["recurrent_state", "recurrentstate"],
    "Contractive": ["contractive"],
    "GaussianNoise": ["gaussiannoise"],
    "BernoulliDropout": ["bernoullidropout"],
}

LEVELS = [f"{where}_{what}" for what in ("dropout", "noise") for where in ("input", "hidden", "output")]

ONES = np.ones((200, 3), util.FLOAT)


def fixed_network():
    net = theanets.Regressor([3, (2, "tanh"), 2])
    helpers.assign(net, FIXED["params"])
    return net, [helpers.floats(FIXED["x"]), helpers.floats(FIXED["y"])]


def regression(rng, n=12, nin=3, nout=2):
    return [helpers.floats(rng.randn(n, nin)), helpers.floats(rng.randn(n, nout))]


def total(net, arrays, **kwargs):
    return float(helpers.compute(net.loss(**kwargs), net.variables, arrays))


def term(net, arrays, **kwargs):
    """The value that the only regularizer asked for adds to the loss, before its weight."""
    regs = regularizers.from_kwargs(net, **kwargs)
    outputs, _ = net.build_graph(regs)
    (reg,) = regs
    return float(helpers.evaluate(reg.loss(net.layers, outputs), dict(zip(net.variables, arrays))))


def noise(outputs, name):
    """What was added to one output of ``feed_forward``."""
    return outputs[name] - outputs[f"{name}-prenoise"]


def mask(outputs, name):
    """Which elements of one output of ``feed_forward`` were dropped."""
    return outputs[name] != 0


def agreement(a, b):
    return (a == b).mean()


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


# ---- penalties


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['id']}-{next(iter(case['kwargs']))}")
def test_golden_term_and_total(case):
    # includes R1 (reg-16), R2 (reg-21) and R16 (reg-22).
    net, data = fixed_network()
    helpers.assert_golden(term(net, data, **case["kwargs"]), case.get("expected_term", case["reference_term"]))
    helpers.assert_golden(total(net, data, **case["kwargs"]),
                          case.get("expected_total_loss", case["reference_total_loss"]))


def test_golden_outputs_and_plain_loss():
    net, data = fixed_network()
    outputs = net.feed_forward(data[0])
    assert list(outputs) == list(FIXED["outputs"])
    for name, expected in FIXED["outputs"].items():
        helpers.assert_golden(outputs[name], expected)
    helpers.assert_golden(total(net, data), FIXED["mse_loss"])


@pytest.mark.parametrize("case", GOLDEN["recurrent_cases"], ids=lambda case: f"{case['id']}-{case['regularizer']}")
def test_golden_recurrent_term(case):
    # includes R5 (recurrent_norm).
    reg = theanets.Regularizer.build(case["regularizer"], **case["kwargs"])
    outputs = {name: TT.tensor3(name) for name in case["outputs"]}
    givens = {outputs[name]: helpers.floats(array) for name, array in case["outputs"].items()}
    expected = case.get("expected_term", case["reference_term"])
    helpers.assert_golden(helpers.evaluate(reg.loss([], outputs), givens), expected)


@pytest.mark.parametrize("case", GOLDEN["from_kwargs"]["cases"], ids=lambda case: "-".join(case["kwargs"]) or "none")
def test_golden_from_kwargs(case):
    net = theanets.Network(GOLDEN["from_kwargs"]["layers"])
    regs = regularizers.from_kwargs(net, **case["kwargs"])
    actual = [dict(cls=type(reg).__name__, weight=reg.weight,
                   pattern=reg.pattern if isinstance(reg.pattern, str) else list(reg.pattern)) for reg in regs]
    assert actual == case.get("expected", case["result"])


def test_every_regularizer_has_an_expectation():
    ours = {key: cls.__name__ for key, cls in theanets.Regularizer._registry.items()
            if cls.__module__ == "theanets.regularizers"}
    assert ours == {key: name for name, keys in KEYS.items() for key in keys}


def test_maxout_and_filters_are_penalised_but_vectors_never(rng):
    net = theanets.Regressor([3, (4, "maxout:2"), (4, "lgrelu"), 2])
    data = regression(rng)
    matrices = [p.get_value() for p in net.params if p.ndim > 1]
    assert len(matrices) == 5
    np.testing.assert_allclose(term(net, data, weight_l2=1), np.mean([(m**2).mean() for m in matrices]), rtol=1e-5)
    np.testing.assert_allclose(term(net, data, weight_l1=1), np.mean([abs(m).mean() for m in matrices]), rtol=1e-5)
    assert term(net, data, weight_l1=dict(weight=1, pattern=["*.b", "*.leak", "*.gain"])) == 0


def test_tied_weights_are_counted_once(rng):
    net = theanets.Autoencoder([3, 4, "tied"])
    w = net.find("hid1", "w").get_value()
    np.testing.assert_allclose(term(net, [rng.randn(5, 3).astype(util.FLOAT)], weight_l2=1), (w**2).mean(), rtol=1e-5)


def test_hidden_penalty_sees_noise(rng):
    net, _ = fixed_network()
    data = regression(rng, 500)
    kwargs = dict(hidden_l1=1, hidden_noise=3)
    assert total(net, data, **kwargs) - total(net, data, hidden_noise=3, rng=13) > 1.5  # the clean term is below 1


def test_golden_contractive_default_means_hidden_outputs(rng):
    # R1, for a deeper network: default pattern, '*', and both hidden outputs by name.
    net = theanets.Regressor([3, (4, "tanh"), (5, "tanh"), 2])
    data = regression(rng)
    named = term(net, data, contractive=dict(weight=1, pattern=["hid1:out", "hid2:out"]))
    np.testing.assert_allclose(term(net, data, contractive=1), named, rtol=1e-6)
    train, _ = net.train(data, contractive=1e4, algo="sgd", learning_rate=0, batch_size=50, max_updates=1)
    np.testing.assert_allclose(train["loss"] - train["err"], 1e4 * named, rtol=1e-4)


def two_inputs():
    """Inputs a (3) and b (2), a hidden layer on both, one on a alone."""
    return theanets.Regressor([
        dict(size=3, name="a"), dict(form="input", size=2, name="b"),
        dict(size=4, name="both", inputs=("a", "b"), activation="tanh"),
        dict(size=5, name="one", inputs="a", activation="tanh"),
        dict(size=2, name="out", inputs=("both", "one")),
    ])


def squared_slope(net, outputs, hidden, param):
    """Mean over an input's elements of the squared derivative of the mean of a tanh layer."""
    h = outputs[f"{hidden}:out"].astype("d")
    return (((1 - h**2) @ net.find(hidden, param).get_value().T.astype("d") / h.size) ** 2).mean()


def test_r2_contractive_averages_over_the_inputs(rng):
    net = two_inputs()
    a, b, y = (helpers.floats(rng.randn(6, n)) for n in (3, 2, 2))
    outputs = net.feed_forward([a, b])
    both = [squared_slope(net, outputs, "both", f"w_{name}:out") for name in "ab"]
    one = squared_slope(net, outputs, "one", "w")

    def contractive(**kwargs):
        return term(net, [a, b, y], contractive=dict(weight=1, **kwargs))

    np.testing.assert_allclose(contractive(pattern="both:out"), np.mean(both), rtol=1e-4)
    np.testing.assert_allclose(contractive(pattern="both:out", wrt="b"), both[1], rtol=1e-4)
    # `one` does not depend on b: a derivative of zero.
    np.testing.assert_allclose(contractive(pattern="one:out"), one / 2, rtol=1e-4)
    assert contractive(pattern="one:out", wrt="b") == 0
    assert contractive(pattern="both:out", wrt="nope") == 0
    # R12: an input in the middle of the list is not hidden.
    np.testing.assert_allclose(contractive(), np.mean([np.mean(both), one / 2]), rtol=1e-4)
    train, _ = net.train([a, b, y], contractive=0.1, max_updates=1)
    assert np.isfinite(list(train.values())).all()


@pytest.mark.parametrize("sparse", ["csr", "csc"])
@pytest.mark.parametrize("wrt", ["*", "in", "nope"])
def test_r3_contractive_on_sparse_inputs_works_or_says_why_not(sparse, wrt, rng):
    net = theanets.Regressor([dict(form="input", size=3, sparse=sparse), 4, 2])
    assert helpers.names(net.inputs) == ["in"]
    x, y = regression(rng)
    convert = scipy.sparse.csr_matrix if sparse == "csr" else scipy.sparse.csc_matrix
    try:
        train, _ = net.train([convert(x), y], contractive=dict(weight=0.1, wrt=wrt), max_updates=1)
    except util.ConfigurationError as error:
        assert "sparse" in str(error).lower()
    else:
        dense = theanets.Regressor([3, 4, 2])
        other, _ = dense.train([x, y], contractive=dict(weight=0.1, wrt=wrt), max_updates=1)
        np.testing.assert_allclose(train["loss"], other["loss"], rtol=1e-5)


def test_r3_two_sparse_inputs_have_names_of_their_own():
    net = theanets.Regressor([dict(form="input", size=3, sparse=True, name="a"),
                              dict(form="input", size=2, sparse="csc", name="b"),
                              dict(size=2, inputs=("a", "b"))])
    assert helpers.names(net.variables) == ["a", "b", "target"]


def test_r4_contractive_keeps_the_value_of_the_reference(rng):
    # the derivative of one mean over batch and units: ten equal rows give a hundredth of one.
    net = theanets.Regressor([3, (4, "tanh"), 2])
    x, y = regression(rng, 1)
    one = term(net, [x, y], contractive=1)
    ten = term(net, [np.repeat(x, 10, axis=0), np.repeat(y, 10, axis=0)], contractive=1)
    np.testing.assert_allclose(ten, one / 100, rtol=1e-4)
    np.testing.assert_allclose(one, squared_slope(net, net.feed_forward(x), "hid1", "w"), rtol=1e-4)


@pytest.mark.parametrize("key", ["recurrent_norm", "recurrent_state"])
@pytest.mark.parametrize("level", [0.1, 1, {"weight": 0.1}, {"weight": 0.1, "pattern": None}], ids=repr)
def test_r6_recurrent_penalties_need_a_pattern(key, level):
    net = theanets.Regressor([3, 4, 2])
    with pytest.raises(util.ConfigurationError, match="pattern"):
        regularizers.from_kwargs(net, **{key: level})
    with pytest.raises(util.ConfigurationError, match="pattern"):
        net.itertrain(["no data at all"], **{key: level})


@pytest.mark.parametrize("key", ["recurrent_norm", "recurrent_state"])
def test_r6_only_sequences_are_matched(key, rng):
    net = theanets.Regressor([3, 4, 2])
    assert term(net, regression(rng), **{key: dict(weight=1, pattern="*")}) == 0
    reg = theanets.Regularizer.build(key, pattern="*", weight=1)
    cube, flat = TT.tensor3(), TT.matrix()
    givens = {cube: helpers.floats(rng.randn(2, 4, 3)), flat: helpers.floats(rng.randn(2, 4))}
    terms = [reg.loss([], {"a:out": cube, "b:out": flat}), reg.loss([], {"a:out": cube})]
    both, alone = helpers.evaluate(terms, givens)
    h = givens[cube].astype("d")
    n = (h**2).sum(axis=-1) if key == "recurrent_norm" else h
    np.testing.assert_allclose([both, alone], ((n[:, 1:] - n[:, :-1]) ** 2).mean(), rtol=1e-4)


@pytest.mark.parametrize("key", ["recurrent_norm", "recurrent_state"])
def test_r6_hidden_states_of_a_recurrent_network(key, rng):
    net = theanets.recurrent.Regressor([3, ("rnn", 4), 2])
    x, y = helpers.floats(rng.randn(5, 6, 3)), helpers.floats(rng.randn(5, 6, 2))
    h = net.feed_forward(x)["hid1:out"].astype("d")
    h = (h**2).sum(axis=-1) if key == "recurrent_norm" else h
    expected = ((h[:, 1:] - h[:, :-1]) ** 2).mean()
    np.testing.assert_allclose(term(net, [x, y], **{key: dict(weight=1, pattern="hid1:out")}), expected, rtol=1e-4)
    with pytest.raises(util.ConfigurationError, match="pattern"):
        net.itertrain([x, y], **{key: 0.1})


def test_r15_a_number_in_first_position_is_the_weight():
    for key in ["weight_l2", "weight_l1", "hidden_l1", "contractive", "gaussiannoise", "bernoullidropout"]:
        reg = theanets.Regularizer.build(key, 0.01)
        assert (reg.weight, reg.pattern) == (0.01, theanets.Regularizer.build(key).pattern)
    reg = theanets.Regularizer.build("weight_l2", "hid1.*", 0.01)
    assert (reg.weight, reg.pattern) == (0.01, "hid1.*")
    assert theanets.Regularizer.build("weight_l2", np.float32(0.5)).weight == 0.5


def test_r16_none_means_the_default_or_off():
    net = theanets.Network([3, 4, 5, 2])
    for key in ["weight_l2", "hidden_l1", "contractive", "input_noise", "hidden_dropout", "noise", "dropout",
                "recurrent_norm"]:
        assert regularizers.from_kwargs(net, **{key: None}) == []
    (reg,) = regularizers.from_kwargs(net, hidden_l1=dict(weight=0.1, pattern=None))
    assert (reg.weight, reg.pattern) == (0.1, "*")
    (reg,) = regularizers.from_kwargs(net, gaussiannoise=dict(weight=0.1, pattern=None))
    assert reg.pattern == "*:out"


# ---- keywords


def test_base_class_does_nothing():
    reg = theanets.Regularizer()
    assert (reg.pattern, reg.weight) == ("*", 0)
    outputs = {"in:out": TT.matrix()}
    before = dict(outputs)
    reg.modify_graph(outputs)
    assert outputs == before
    assert helpers.evaluate(reg.loss([], outputs), {}) == 0


def test_regularizers_given_as_a_list_replace_everything_else():
    net = theanets.Network([3, 4, 2])
    mine = [theanets.Regularizer.build("weight_l2", weight=1)]
    assert regularizers.from_kwargs(net, regularizers=mine, hidden_l1=3, input_noise=2) is mine
    assert list(regularizers.from_kwargs(net, regularizers=tuple(mine))) == mine


def test_regularizers_given_as_a_dict_win_and_stay_unchanged():
    net = theanets.Network([3, 4, 2])
    mine = dict(weight_l2=0.3)
    regs = regularizers.from_kwargs(net, weight_l2=0.1, hidden_l1=0.2, regularizers=mine)
    assert {type(reg).__name__: reg.weight for reg in regs} == {"WeightL2": 0.3, "HiddenL1": 0.2}
    assert mine == dict(weight_l2=0.3)


@pytest.mark.parametrize("method", ["predict", "feed_forward", "encode", "score", "loss", "monitors", "updates"])
def test_keywords_work_in_every_method(method, rng):
    net = theanets.Autoencoder([3, 4, 3])
    x = helpers.floats(rng.randn(50, 3))
    result = {}
    for label, kwargs in [("clean", {}), ("noisy", dict(input_noise=2))]:
        if method == "feed_forward":
            result[label] = net.feed_forward(x, **kwargs)["out:out"]
        elif method == "loss":
            result[label] = total(net, [x], **kwargs)
        elif method == "monitors":
            result[label] = helpers.compute(dict(net.monitors(**kwargs))["err"], net.variables, [x])
        elif method == "updates":
            result[label] = len(net.updates(**kwargs))
        else:
            result[label] = getattr(net, method)(x, **kwargs)
    if method == "updates":  # noise may or may not advance through explicit updates
        assert result["clean"] == 0
    else:
        assert np.abs(np.subtract(result["noisy"], result["clean"])).max() > 0.1


def test_decode_and_classifier_methods_take_keywords(rng):
    net = theanets.Autoencoder([3, 4, 3])
    z = helpers.floats(rng.randn(5, 4))
    assert abs(net.decode(z, output_noise=2) - net.decode(z)).max() > 0.1
    np.testing.assert_array_equal(net.decode(z), net.decode(z))
    net = theanets.Classifier([3, 4, 2])
    x = helpers.floats(rng.randn(50, 3))
    for method in ["predict_proba", "predict_logit"]:
        assert abs(getattr(net, method)(x, input_noise=2) - getattr(net, method)(x)).max() > 0.1
    assert agreement(net.predict(x, input_noise=20), net.predict(x)) < 1


@pytest.mark.parametrize("kwargs", [dict(hiden_l1=1), dict(wieght_l2=3), dict(input_nois=0.1), dict(nonsense=1)])
def test_r13_keywords_that_nobody_uses_are_errors(kwargs, rng):
    net = theanets.Regressor([3, 4, 2])
    x, y = regression(rng)
    near = {"hiden_l1": "hidden_l1", "wieght_l2": "weight_l2", "input_nois": "input_noise"}
    (name,) = kwargs
    for call in [lambda: net.train([x, y], **kwargs), lambda: net.itertrain([x, y], **kwargs),
                 lambda: net.predict(x, **kwargs), lambda: net.feed_forward(x, **kwargs),
                 lambda: net.score(x, y, **kwargs), lambda: net.loss(**kwargs)]:
        with pytest.raises(util.ConfigurationError, match=name) as caught:
            call()
        assert near.get(name, "") in str(caught.value)


@pytest.mark.parametrize("old", ["input_dropouts", "hidden_dropouts", "output_dropouts", "input_noises",
                                 "hidden_noises", "output_noises"])
def test_r13_plural_spellings_work_with_a_warning(old):
    net = theanets.Network([3, 4, 2])
    with pytest.warns(DeprecationWarning, match=old[:-1]):
        (one,) = regularizers.from_kwargs(net, **{old: 0.3})
    (two,) = regularizers.from_kwargs(net, **{old[:-1]: 0.3})
    assert (type(one), one.weight, one.pattern) == (type(two), 0.3, two.pattern)


@pytest.mark.parametrize("old, new", [("hid_l1", "hidden_l1"), ("hidden_dropouts", "hidden_dropout")])
def test_r13_old_spellings_act_in_training(old, new, rng):
    data = regression(rng)
    with pytest.warns(DeprecationWarning, match=new):
        first = helpers.epochs(theanets.Regressor([3, 4, 2]), data, 2, algo="sgd", **{old: 0.3})
    assert first == helpers.epochs(theanets.Regressor([3, 4, 2]), data, 2, algo="sgd", **{new: 0.3})
    assert first != helpers.epochs(theanets.Regressor([3, 4, 2]), data, 2, algo="sgd")


@pytest.mark.parametrize("key", ["dropout", "noise"])
@pytest.mark.parametrize("level", [0.5, 1, "in:out", ["in:out"]], ids=repr)
def test_r10_the_dicts_must_be_dicts(key, level):
    with pytest.raises(util.ConfigurationError, match=rf"{key}.*\{{"):
        regularizers.from_kwargs(theanets.Network([3, 4, 2]), **{key: level})


@pytest.mark.parametrize("key", LEVELS)
@pytest.mark.parametrize("level", [{"weight": 0.1}, "much", [0.1]], ids=repr)
def test_r10_levels_must_be_numbers(key, level):
    with pytest.raises(util.ConfigurationError, match=key):
        regularizers.from_kwargs(theanets.Network([3, 4, 2]), **{key: level})


@pytest.mark.parametrize("level", [1.0, 1, 1.5, -0.1, float("nan")])
def test_r11_dropout_is_below_one(level):
    net = theanets.Network([3, 4, 2])
    for kwargs in [dict(input_dropout=level), dict(hidden_dropout=level), dict(dropout={"in:out": level}),
                   dict(bernoullidropout=level)]:
        with pytest.raises(util.ConfigurationError):
            regularizers.from_kwargs(net, **kwargs)
    with pytest.raises(util.ConfigurationError):
        regularizers.BernoulliDropout(weight=level)


@pytest.mark.parametrize("level", [-0.5, -1, float("nan")])
def test_r11_noise_is_not_negative(level):
    net = theanets.Network([3, 4, 2])
    for kwargs in [dict(input_noise=level), dict(output_noise=level), dict(noise={"in:out": level}),
                   dict(gaussiannoise=level)]:
        with pytest.raises(util.ConfigurationError):
            regularizers.from_kwargs(net, **kwargs)


def test_r12_hidden_means_neither_input_nor_last(rng):
    net = two_inputs()
    for kwargs in [dict(hidden_noise=0.2), dict(hidden_dropout=0.2)]:
        (reg,) = regularizers.from_kwargs(net, **kwargs)
        assert list(reg.pattern) == ["both:out", "one:out"]
    (reg,) = regularizers.from_kwargs(net, input_noise=0.2)
    assert list(reg.pattern) == ["a:out", "b:out"]
    a, b, y = (helpers.floats(rng.randn(6, n)) for n in (3, 2, 2))
    out = net.feed_forward([a, b])
    expected = np.mean([abs(out["both:out"]).mean(), abs(out["one:out"]).mean()])
    np.testing.assert_allclose(term(net, [a, b, y], hidden_l1=1), expected, rtol=1e-5)


def test_r14_names_found_by_the_library_match_literally(rng):
    net = theanets.Regressor([3, dict(size=4, name="a[1]", activation="tanh"), 2])
    x, y = regression(rng)
    out = net.feed_forward(x, hidden_noise=0.1)
    assert 0.01 < noise(out, "a[1]:out").std() < 0.3
    np.testing.assert_allclose(
        term(net, [x, y], hidden_l1=1), abs(net.feed_forward(x)["a[1]:out"]).mean(), rtol=1e-5)
    assert term(net, [x, y], contractive=1) > 0
    assert (net.feed_forward(x, hidden_dropout=0.5)["a[1]:out"] == 0).any()


# ---- noise


def test_noise_is_normal_with_the_given_deviation():
    net = theanets.Network([3, 4, 2])
    out = net.feed_forward(np.tile(ONES, (20, 1)), input_noise=0.5)
    np.testing.assert_array_equal(out["in:out-prenoise"], 1)
    added = noise(out, "in:out")
    assert abs(added.mean()) < 0.02
    assert abs(added.std() - 0.5) < 0.02
    assert abs((abs(added) < 0.5).mean() - 0.6827) < 0.02


def test_dropout_zeroes_and_rescales():
    net = theanets.Network([3, 4, 2])
    out = net.feed_forward(np.tile(ONES, (20, 1)), input_dropout=0.25)
    np.testing.assert_array_equal(out["in:out-predrop"], 1)
    np.testing.assert_allclose(np.unique(out["in:out"]), [0, 4 / 3], rtol=1e-6)
    assert abs((out["in:out"] == 0).mean() - 0.25) < 0.02
    assert abs(out["in:out"].mean() - 1) < 0.03


def test_noise_reaches_later_layers_only(rng):
    net = theanets.Regressor([3, 4, 2])
    x = helpers.floats(rng.randn(20, 3))
    clean, noisy = net.feed_forward(x), net.feed_forward(x, hidden_noise=1)
    np.testing.assert_array_equal(noisy["in:out"], x)
    np.testing.assert_array_equal(noisy["hid1:pre"], clean["hid1:pre"])
    np.testing.assert_array_equal(noisy["hid1:out-prenoise"], clean["hid1:out"])
    w, b = (net.find("out", name).get_value() for name in "wb")
    np.testing.assert_allclose(noisy["out:out"], noisy["hid1:out"] @ w + b, rtol=1e-4, atol=1e-5)


def test_additional_outputs_follow_those_of_their_layer():
    net = theanets.Regressor([3, 4, 2])
    names = list(net.build_graph(regularizers.from_kwargs(net, input_noise=0.1, hidden_dropout=0.2))[0])
    assert names == ["in:out", "in:out-prenoise", "hid1:out", "hid1:pre", "hid1:out-predrop", "out:out", "out:pre"]


def test_dropout_comes_before_noise():
    net = theanets.Network([3, 4, 2])
    out = net.feed_forward(ONES, input_noise=0.1, input_dropout=0.5)
    np.testing.assert_array_equal(out["in:out-predrop"], 1)
    assert set(np.unique(out["in:out-prenoise"])) == {0, 2}
    assert abs(noise(out, "in:out").std() - 0.1) < 0.02


def test_r17_the_first_clean_copy_stays():
    net = theanets.Network([3, 4, 2])
    out = net.feed_forward(ONES, input_noise=0.1, noise={"in:out": 2})
    np.testing.assert_array_equal(out["in:out-prenoise"], 1)
    assert abs(noise(out, "in:out").std() - 2) < 0.3
    out = net.feed_forward(ONES, input_dropout=0.5, dropout={"in:out": 0.5})
    np.testing.assert_array_equal(out["in:out-predrop"], 1)
    assert set(np.unique(out["in:out"])) == {0, 4}


def test_the_target_of_an_autoencoder_stays_clean(rng):
    # an identity under noise of deviation 0.5 has an error of 0.25, not of 0.
    net = theanets.Autoencoder([5, (5, "linear"), 5])
    for name in ["hid1", "out"]:
        net.find(name, "w").set_value(np.eye(5, dtype=util.FLOAT))
        net.find(name, "b").set_value(np.zeros(5, util.FLOAT))
    x = helpers.floats(rng.randn(2000, 5))
    assert total(net, [x]) < 1e-10
    assert abs(total(net, [x], input_noise=0.5) - 0.25) < 0.02


def test_noise_acts_only_when_asked_for(rng):
    net = theanets.Regressor([3, 4, 2])
    data = regression(rng)
    clean = net.predict(data[0])
    net.train(data, algo="sgd", learning_rate=0, max_updates=2, input_noise=1, hidden_dropout=0.5)
    np.testing.assert_array_equal(net.predict(data[0]), clean)


def test_noise_acts_during_validation(rng):
    net = theanets.Regressor([3, 4, 2])
    pairs = list(net.itertrain(regression(rng), algo="sgd", learning_rate=0, validate_every=1, max_updates=4,
                               input_noise=1, patience=10))
    assert len({valid["loss"] for _, valid in pairs}) == 4
    assert len({train["loss"] for train, _ in pairs}) == 4


def test_noise_advances_between_calls(rng):
    net = theanets.Regressor([3, 4, 2])
    for kwargs in [dict(input_dropout=0.5), dict(input_noise=0.5, rng=3)]:
        first, second = net.feed_forward(ONES, **kwargs), net.feed_forward(ONES, **kwargs)
        assert (first["in:out"] != second["in:out"]).any()


@pytest.mark.parametrize("kwargs", [dict(hidden_noise=0.5, input_dropout=0.5), dict(input_noise=0.5, rng=4)], ids=str)
def test_noise_is_reproducible(kwargs):
    def run():
        net = theanets.Regressor([3, 4, 2], rng=5)
        return [net.predict(ONES, **kwargs) for _ in range(2)]

    np.testing.assert_array_equal(run(), run())


def streams():
    """Ways to add noise to the input and to a hidden layer by two regularizers."""
    return [
        dict(input_noise=1, hidden_noise=1),
        dict(noise={"in:out": 1, "hid1:out": 1}),
        dict(input_noise=1, gaussiannoise=dict(pattern="hid1:out", weight=1), rng=3),
        dict(regularizers=[regularizers.GaussianNoise("in:out", 1), regularizers.GaussianNoise("hid1:out", 1)]),
        dict(regularizers=[regularizers.GaussianNoise(("in:out", "hid1:out"), 1)]),
    ]


@pytest.mark.parametrize("index", range(len(streams())))
def test_r7_noise_of_different_outputs_is_independent(index):
    net = theanets.Regressor([3, 3, 3, 2])
    out = net.feed_forward(ONES, **streams()[index])
    assert abs(correlation(noise(out, "in:out"), noise(out, "hid1:out"))) < 0.2


def test_r7_all_streams_of_a_graph_are_independent():
    net = theanets.Regressor([3, 3, 3, 2])
    out = net.feed_forward(ONES, input_noise=1, hidden_noise=1, noise={"hid2:pre": 1})
    parts = [noise(out, name) for name in ["in:out", "hid1:out", "hid2:out", "hid2:pre"]]
    for i, part in enumerate(parts):
        for other in parts[:i]:
            assert abs(correlation(part, other)) < 0.2


def test_r7_dropout_masks_are_independent():
    net = theanets.Regressor([3, dict(size=3, activation="sigmoid"), dict(size=3, activation="sigmoid"), 2])
    out = net.feed_forward(ONES, input_dropout=0.5, hidden_dropout=0.5)
    masks = [mask(out, name) for name in ["in:out", "hid1:out", "hid2:out"]]
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        assert 0.4 < agreement(masks[a], masks[b]) < 0.6


def first_noise(seed, **kwargs):
    return noise(theanets.Network([3, 4, 2], rng=seed).feed_forward(ONES, input_noise=1, **kwargs), "in:out")


def test_r8_the_default_seed_is_that_of_the_network():
    np.testing.assert_array_equal(first_noise(5), first_noise(13, rng=5))
    net = theanets.Regressor([3, 4, 2], rng=5)
    pair = helpers.epochs(net, [ONES, ONES[:, :2]], 1, algo="sgd", input_noise=1)
    assert pair == helpers.epochs(theanets.Regressor([3, 4, 2], rng=5), [ONES, ONES[:, :2]], 1, algo="sgd",
                                  input_noise=1, rng=5)


@pytest.mark.parametrize("make", [lambda: 3, lambda: np.int64(3), lambda: None, lambda: np.random.RandomState(3),
                                  lambda: MRG_RandomStreams(3)], ids=["int", "int64", "None", "state", "stream"])
def test_r8_generators_of_every_kind(make, rng):
    data = regression(rng)
    net = theanets.Regressor([3, 4, 2])
    assert np.isfinite(net.predict(data[0], rng=make(), hidden_dropout=0.5)).all()
    reg = regularizers.GaussianNoise("in:out", 0.1, rng=make())
    assert noise(net.feed_forward(data[0], regularizers=[reg]), "in:out").std() > 0.03


@pytest.mark.parametrize("make", [lambda: 3, lambda: None, lambda: np.random.RandomState(3)],
                         ids=["int", "None", "state"])
def test_r8_networks_with_generators_of_every_kind(make, rng):
    data = regression(rng)
    net = theanets.Regressor([3, 4, 2], rng=make())
    net.train(data, max_updates=1, input_noise=0.1, rng=make())
    assert noise(net.feed_forward(data[0], input_noise=0.1), "in:out").std() > 0.03


def test_r8_a_stream_is_used_directly():
    stream = MRG_RandomStreams(3)
    assert regularizers.GaussianNoise("in:out", 0.1, rng=stream).rng is stream


def test_r9_another_seed_is_another_graph():
    net = theanets.Network([3, 4, 2])
    one, two = (noise(net.feed_forward(ONES, input_noise=1, rng=seed), "in:out") for seed in (1, 2))
    assert abs(correlation(one, two)) < 0.2
    np.testing.assert_array_equal(two, first_noise(13, rng=2))


def test_r9_other_settings_make_another_graph(rng):
    net = two_inputs()
    a, b, y = (helpers.floats(rng.randn(6, n)) for n in (3, 2, 2))
    values = [total(net, [a, b, y], contractive=dict(weight=1e3, pattern="both:out", wrt=wrt)) for wrt in ("a", "b")]
    assert values[0] != values[1]
    net = theanets.Network([3, 4, 2])
    outs = [net.predict(ONES, regularizers=[Shift(weight=1, by=by)]) for by in (1, 2)]
    assert (outs[0] != outs[1]).all()


def test_golden_trajectory_under_noise():
    # the first stream of a graph is that of the reference.
    (case,) = [c for c in helpers.load_golden("trajectories") if c["name"] == "ae-input-noise"]
    draw = np.random.RandomState(case["data"]["seed"])
    x = helpers.floats(draw.randn(*case["data"]["arrays"][0][1]))
    net = theanets.Autoencoder(helpers.tuples(case["layers"]))
    pairs = helpers.epochs(net, [x], case["epochs"], average="batches", **case["train"])
    np.testing.assert_allclose(pairs, case["observed"]["losses"], rtol=2e-4)


# ---- writing one's own


class Shift(theanets.Regularizer):
    """Move the outputs of every layer that matches."""

    def __init__(self, pattern="hid*:out", weight=0.0, by=1.0):
        super().__init__(pattern, weight)
        self.by = by
        self.seen = []

    def modify_graph(self, outputs):
        self.seen.append(list(outputs))
        for name, expr in list(util.outputs_matching(outputs, self.pattern)):
            outputs[name] = expr + self.by


class ColumnBalance(theanets.Regularizer):
    """Penalise columns of weight matrices for their differences in length."""

    __extra_registration_keys__ = ["column_balance"]

    def loss(self, layers, outputs):
        matches = [p for _, p in util.params_matching(layers, self.pattern) if p.ndim == 2]
        return sum((p**2).sum(axis=0).std() for p in matches)


@pytest.mark.parametrize("key", ["columnbalance", "column_balance", "ColumnBalance"])
def test_own_penalty_is_available_by_name(key, rng):
    net = theanets.Regressor([3, 4, 2])
    data = regression(rng)
    expected = sum((net.find(n, "w").get_value() ** 2).sum(axis=0).std() for n in ("hid1", "out"))
    train, _ = net.train(data, algo="sgd", learning_rate=0, max_updates=1, **{key: 0.5})
    np.testing.assert_allclose(train["loss"] - train["err"], 0.5 * expected, rtol=1e-3)
    single = (net.find("hid1", "w").get_value() ** 2).sum(axis=0).std()
    np.testing.assert_allclose(term(net, data, **{key: dict(weight=1, pattern="hid1.*")}), single, rtol=1e-5)


def test_own_graph_modification_sees_one_layer_at_a_time(rng):
    net = theanets.Regressor([3, 4, 2])
    x = helpers.floats(rng.randn(5, 3))
    clean = net.feed_forward(x)
    reg = Shift(weight=1, by=2)
    out = net.feed_forward(x, regularizers=[reg])
    assert reg.seen[:3] == [["in:out"], ["hid1:out", "hid1:pre"], ["out:out", "out:pre"]]
    np.testing.assert_allclose(out["hid1:out"], clean["hid1:out"] + 2, rtol=1e-5)
    np.testing.assert_allclose(out["out:out"], clean["out:out"] + 2 * net.find("out", "w").get_value().sum(axis=0),
                               rtol=1e-4, atol=1e-5)


def test_regularizers_run_in_list_order(rng):
    net = theanets.Regressor([3, 4, 2])
    x = helpers.floats(rng.randn(5, 3))

    class Double(Shift):
        def modify_graph(self, outputs):
            for name, expr in list(util.outputs_matching(outputs, self.pattern)):
                outputs[name] = 2 * expr

    clean = net.feed_forward(x)["hid1:out"]
    for regs, expected in [([Shift(by=1), Double()], 2 * (clean + 1)), ([Double(), Shift(by=1)], 2 * clean + 1)]:
        out = net.feed_forward(x, regularizers=regs)
        np.testing.assert_allclose(out["hid1:out"], expected, rtol=1e-5)


def test_changed_settings_of_an_instance_are_followed(rng):
    # nothing stale: neither a changed weight nor a changed attribute is served from a cache.
    net = theanets.Regressor([3, 4, 2])
    x, y = regression(rng)
    reg = Shift(weight=1, by=1)
    one = net.feed_forward(x, regularizers=[reg])["hid1:out"]
    reg.by = 3
    np.testing.assert_allclose(net.feed_forward(x, regularizers=[reg])["hid1:out"], one + 2, rtol=1e-5)
    penalty = theanets.Regularizer.build("weight_l2", weight=1)
    first = total(net, [x, y], regularizers=[penalty])
    penalty.weight = 3
    plain = total(net, [x, y])
    np.testing.assert_allclose(total(net, [x, y], regularizers=[penalty]) - plain, 3 * (first - plain), rtol=1e-4)
