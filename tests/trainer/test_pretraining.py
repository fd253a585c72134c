"""Training layer by layer, with and without labels, and from samples of the data.

The marks T1 to T24 number the items of section 7.4 of the contract.
"""

import gc

import numpy as np
import pytest
import scipy.sparse
import theanets
import theano.tensor as TT
from theanets import trainer, util
from theanets.trainer import pretraining

from .. import helpers

GOLDEN = helpers.load_golden("activations-losses-regularizers")["trainers"]


def regression(rng, n=40, nin=3, nout=2):
    return [helpers.floats(rng.randn(n, nin)), helpers.floats(rng.randn(n, nout))]


def layerwise(net, data, **kwargs):
    """The pairs of a layerwise run, and the network's layers during each of them."""
    pairs, stages = [], []
    for pair in net.itertrain(data, **{"algo": "layerwise", "subalgo": "sgd", "epochs": 1, **kwargs}):
        pairs.append(pair)
        stages.append(list(net.layers))
    return pairs, stages


def stage_names(net, data, **kwargs):
    return [helpers.names(layers) for layers in layerwise(net, data, **kwargs)[1]]


def changed(before, after):
    return {name for name in before if (before[name] != after[name]).any()}


def tied_network(**kwargs):
    return theanets.Autoencoder([3, (4, "tanh"), (5, "sigmoid"), (6, "tanh"), (5, "tied", "sigmoid"),
                                 (4, "tied", "tanh"), (3, "tied")], **kwargs)


# ---- layer by layer


@pytest.mark.parametrize("algo", ["layerwise", "supervised", "LAYER", "sup"])
def test_stages_of_an_untied_network(algo, rng):
    net = theanets.Regressor([3, 4, 5, 6, 2])
    layers = list(net.layers)
    assert stage_names(net, regression(rng), algo=algo) == [
        ["in", "hid1", "lwout"], ["in", "hid1", "hid2", "lwout"], ["in", "hid1", "hid2", "hid3", "out"]]
    assert net.layers == layers
    assert net.losses[0].output_name == "out:out"


def test_temporary_layer_resembles_the_output(rng):
    net = theanets.Regressor([3, 4, 5, (2, "tanh")])
    _, stages = layerwise(net, regression(rng))
    lwout = stages[0][-1]
    assert type(lwout) is theanets.layers.Feedforward
    assert (lwout.output_size, lwout.activate.name, lwout.input_name) == (2, "tanh", "hid1:out")
    net = theanets.Classifier([3, 4, 5, 2])
    _, stages = layerwise(net, [rng.randn(10, 3), rng.randint(2, size=10)])
    assert stages[0][-1].activate.name == "softmax"


def test_stages_of_a_tied_network(rng):
    # T13: a temporary decoder of a layer has the activation of the original decoder of that layer.
    net = tied_network()
    _, stages = layerwise(net, [rng.randn(20, 3)])
    described = [[(getattr(layer, "partner", layer).name, layer.output_size, layer.activate.name)
                  for layer in layers[1:]] for layers in stages]
    encoder = [("hid1", 4, "tanh"), ("hid2", 5, "sigmoid"), ("hid3", 6, "tanh")]
    decoder = [("hid3", 5, "sigmoid"), ("hid2", 4, "tanh"), ("hid1", 3, "linear")]
    assert described == [encoder[:1] + decoder[2:], encoder[:2] + decoder[1:], encoder + decoder]
    assert helpers.names(net.layers) == ["in", "hid1", "hid2", "hid3", "hid4", "hid5", "out"]


def test_golden_one_hidden_layer_is_ordinary_training():
    # the golden run itself is among those of `test_trainer.py`.
    data = regression(np.random.RandomState(4))
    kwargs = dict(algo="sgd", learning_rate=0.1, epochs=3)
    plain, staged = theanets.Regressor([3, 4, 2]), theanets.Regressor([3, 4, 2])
    expected = list(plain.itertrain(data, **kwargs))
    assert layerwise(staged, data, learning_rate=0.1, epochs=3)[0] == expected
    helpers.assert_same_values(helpers.values(staged), helpers.values(plain))


def test_limits_apply_to_each_stage(rng):
    net = theanets.Regressor([3, 4, 5, 2])
    assert len(layerwise(net, regression(rng), epochs=3)[0]) == 6
    assert len(layerwise(net, regression(rng), epochs=None, max_updates=2)[0]) == 4
    assert len(layerwise(net, regression(rng), epochs=None, learning_rate=0, patience=1, validate_every=2)[0]) == 8


def test_all_parameters_of_a_stage_are_trained(rng):
    net = theanets.Regressor([3, (4, "tanh"), (5, "tanh"), 2])
    states = [helpers.values(net)]
    for _ in net.itertrain(regression(rng), algo="layerwise", subalgo="sgd", learning_rate=0.05, epochs=1):
        # the layers of later stages are not in `net.params` for now.
        states.append({**states[-1], **{k: v for k, v in helpers.values(net).items() if k in states[0]}})
    assert changed(states[0], states[1]) == {"hid1.w", "hid1.b"}
    assert changed(states[1], states[2]) == {"hid1.w", "hid1.b", "hid2.w", "hid2.b", "out.w", "out.b"}
    helpers.assert_same_values(helpers.values(net), states[2])


def test_keywords_are_resolved_for_each_stage(rng):
    net = theanets.Regressor([3, (4, "tanh"), (5, "tanh"), 2])
    x, y = regression(rng)
    out = net.feed_forward(x)
    means = [abs(out[f"hid{i}:out"]).mean() for i in (1, 2)]
    pairs, _ = layerwise(net, [x, y], learning_rate=0, hidden_l1=1, batch_size=len(x))
    penalties = [train["loss"] - train["err"] for train, _ in pairs]
    np.testing.assert_allclose(penalties, [means[0], np.mean(means)], rtol=1e-4)


def test_pairs_have_the_keys_of_ordinary_training(rng):
    net = theanets.Classifier([3, 4, 5, 2])
    pairs, _ = layerwise(net, [rng.randn(10, 3), rng.randint(2, size=10)])
    assert [list(monitors) for pair in pairs for monitors in pair] == [["loss", "err", "acc"]] * 4


def leave(net, data, how, count, batches=1, **kwargs):
    """Leave a layerwise run after ``count`` epochs; return how many batches were asked for."""
    calls = []

    def batch():
        calls.append(1)
        if len(calls) > count * batches and how != "break":
            raise ValueError("no data") if how == "error" else KeyboardInterrupt
        return data

    kwargs = {"algo": "layerwise", "subalgo": "sgd", "learning_rate": 0.01, "epochs": 3, **kwargs}
    run = net.itertrain(batch, valid=data, train_batches=batches, **kwargs)
    if how == "error":
        with pytest.raises(ValueError, match="no data"):
            list(run)
    elif how == "interrupt":
        assert len(list(run)) == count
    else:
        for index, _ in enumerate(run):
            if index + 1 == count:
                break
    return len(calls)


@pytest.mark.parametrize("make", [lambda: theanets.Regressor([3, 4, 5, 2]), tied_network], ids=["untied", "tied"])
@pytest.mark.parametrize("how", ["break", "error", "interrupt"])
@pytest.mark.parametrize("count", [1, 4])
def test_t7_own_layers_are_back_on_every_exit(make, how, count, rng):
    net = make()
    layers, params, losses = list(net.layers), helpers.names(net.params), list(net.losses)
    x, y = regression(rng)
    data = [x] if isinstance(net, theanets.Autoencoder) else [x, y]
    before = net.predict(x)
    calls = leave(net, data, how, count)
    assert net.layers == layers and helpers.names(net.params) == params and net.losses == losses
    assert net.losses[0].output_name == "out:out"
    # neither an interrupt nor an error goes on with the next stage.
    assert calls == count + (how != "break")
    after = net.predict(x)
    assert after.shape == before.shape and (after != before).any()
    net.train(data, algo="sgd", max_updates=1)


@pytest.mark.parametrize("how", ["break", "error", "interrupt"])
@pytest.mark.parametrize("rate, kept", [(0.01, True), (50, False)])
def test_t7_the_best_parameters_of_the_stage_are_left(how, rate, kept, rng):
    net = theanets.Regressor([3, (4, "tanh"), 5, 2])
    before = helpers.values(net)
    leave(net, regression(rng), how, 1, learning_rate=rate)
    assert changed(before, helpers.values(net)) == ({"hid1.w", "hid1.b"} if kept else set())


def test_t7_a_loss_that_is_not_a_number_leaves_the_own_layers(rng):
    net = theanets.Regressor([3, 4, 5, 2])
    layers, before = list(net.layers), helpers.values(net)
    with pytest.warns(RuntimeWarning):
        layerwise(net, regression(rng), learning_rate=1e30, epochs=9)
    assert net.layers == layers
    helpers.assert_same_values(helpers.values(net), before)


@pytest.mark.parametrize("algo", ["layerwise", "pretrain"])
@pytest.mark.parametrize("when", [1, 2, 3])
def test_an_interrupt_between_stages_ends_training(algo, when, rng, monkeypatch):
    """While a stage is compiled: the first one leaves the network as it was, and any other one what was learned."""
    net = theanets.Regressor([4, 3, 3, 3, 2])
    x, y = rng.randn(12, 4), rng.randn(12, 2)
    compiled, original = [], pretraining.DownhillTrainer._compile

    def compile_or_stop(self, *args):
        compiled.append(1)
        if len(compiled) == when:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(pretraining.DownhillTrainer, "_compile", compile_or_stop)
    layers, before = list(net.layers), helpers.values(net)
    run = dict(algo=algo, subalgo="sgd", epochs=1, learning_rate=0.1)
    train, valid = net.train([x, y], **run)
    assert np.isfinite(train["loss"]) == (when > 1)
    assert np.isfinite(valid["loss"]) == (when > 1 or algo == "layerwise")
    assert "keyboard" in net.history.stopped and len(net.history) == when - 1
    assert net.layers == layers and net._session is None
    changed = any((value != before[name]).any() for name, value in helpers.values(net).items())
    assert changed == (when > 1)
    net.train([x, y], algo="sgd", epochs=1)


@pytest.mark.parametrize("seed", [lambda: 7, lambda: np.random.RandomState(7)], ids=["int", "state"])
def test_t8_equal_networks_take_equal_steps(seed):
    def run():
        data = regression(np.random.RandomState(3))
        return layerwise(theanets.Regressor([3, 4, 5, 2], rng=seed()), data, learning_rate=0.1, rng=1)[0]

    assert run() == run()


@pytest.mark.parametrize("make", [lambda: theanets.Regressor([3, 4, 5, 2]), tied_network], ids=["untied", "tied"])
def test_t9_training_twice_works(make, rng):
    net = make()
    data = regression(rng)[: len(net.variables)]
    net.predict(data[0])
    first = stage_names(net, data)
    net.predict(data[0])
    assert stage_names(net, data) == first


def test_t10_learned_activations_are_kept(rng):
    net = theanets.Regressor([3, (4, "prelu"), (5, "maxout:2"), 2])
    data = regression(rng)
    net.predict(data[0])
    for param in net.layers[1].activate.params:
        param.set_value(helpers.floats([0.7, 0.8, 0.9, 1.0]))
    before, params = helpers.values(net), list(net.params)
    layerwise(net, data, learning_rate=0)
    assert all(a is b for a, b in zip(params, net.params))
    helpers.assert_same_values(helpers.values(net), before)
    layerwise(net, data, learning_rate=0.01)
    assert {"hid1.leak", "hid2.slope", "hid2.intercept"} <= changed(before, helpers.values(net))


def test_t11_output_layer_given_as_an_instance(rng):
    out = theanets.layers.Feedforward(size=2, name="out", inputs="hid2", rng=4)
    net = theanets.Regressor([3, 4, 5, out])
    _, stages = layerwise(net, regression(rng))
    assert stages[0][-1].activate.name == "relu"
    assert net.layers[-1] is out


def test_t12_every_loss_on_the_output_is_redirected(rng):
    net = theanets.Regressor([3, 4, (5, "tanh"), 2])
    net.add_loss("mae", weight=10)
    pairs, _ = layerwise(net, regression(rng), learning_rate=0)
    for train, _ in pairs:
        assert train["loss"] > train["err"] + 1
    assert [loss.output_name for loss in net.losses] == ["out:out", "out:out"]


def test_t12_losses_on_later_layers_wait(rng):
    net = theanets.Regressor([3, (4, "tanh"), (5, "tanh"), 2])
    net.add_loss("mse", weight=10, output_name="hid2", target=TT.matrix("code"))
    x, y = regression(rng)
    code = helpers.floats(3 + rng.randn(len(x), 5))
    pairs, _ = layerwise(net, [x, y, code], learning_rate=0, batch_size=len(x))
    np.testing.assert_allclose(pairs[0][0]["loss"], pairs[0][0]["err"], rtol=1e-5)
    waiting = 10 * ((net.feed_forward(x)["hid2:out"] - code) ** 2).mean()
    np.testing.assert_allclose(pairs[1][0]["loss"], pairs[1][0]["err"] + waiting, rtol=1e-4)


def test_t12_likelihood_of_two_heads(rng):
    net = theanets.Regressor([3, (4, "tanh"), (5, "tanh"), dict(size=2, name="covar", inputs="hid2"),
                              dict(size=2, name="mean", activation="linear", inputs="hid2")])
    net.set_loss("gll", target=2)
    layers = list(net.layers)
    pairs, stages = layerwise(net, regression(rng))
    assert stages[-1] == layers == net.layers
    assert np.isfinite(pairs[-1][0]["loss"])


def test_t14_no_hidden_layer_is_one_full_stage(rng):
    net = theanets.Regressor([3, 2])
    before = helpers.values(net)
    assert stage_names(net, regression(rng), learning_rate=0.1) == [["in", "out"]]
    assert changed(before, helpers.values(net)) == {"out.w", "out.b"}


def test_t15_a_mixture_is_trained_like_an_untied_network(rng):
    net = theanets.Autoencoder([3, 4, (3, "tied"), 5, 3])
    _, stages = layerwise(net, [rng.randn(20, 3)])
    assert stages[-1] == net.layers
    for layers in stages:
        assert [layer.name for layer in layers[:2]] == ["in", "hid1"]
        assert layers is stages[-1] or layers[-1].name in ("lwout", "out")
        for layer in layers:
            if hasattr(layer, "partner"):
                assert layer.partner in layers
                assert layer in net.layers
    sizes = [len(layers) for layers in stages]
    assert sizes == sorted(sizes) and len(set(sizes)) == len(sizes)


# ---- without labels


def pretrain(net, data, **kwargs):
    return list(net.itertrain(data, **{"algo": "pretrain", "subalgo": "sgd", "epochs": 1, **kwargs}))


@pytest.mark.parametrize("algo", ["pretrain", "unsupervised", "PRE", "unsup"])
def test_hidden_layers_learn_without_labels(algo, rng):
    net = theanets.Classifier([3, (4, "tanh"), (5, "tanh"), 2])
    layers, before = list(net.layers), helpers.values(net)
    pairs = pretrain(net, [rng.randn(20, 3)], algo=algo, learning_rate=0.05)
    assert [list(monitors) for pair in pairs for monitors in pair] == [["loss", "err"]] * 4
    assert net.layers == layers
    assert changed(before, helpers.values(net)) == {"hid1.w", "hid1.b", "hid2.w", "hid2.b"}


def test_equal_networks_learn_equally(rng):
    x = rng.randn(20, 3)
    nets = [theanets.Classifier([3, 4, 5, 2], rng=7) for _ in range(2)]
    assert pretrain(nets[0], [x], learning_rate=0.05) == pretrain(nets[1], [x], learning_rate=0.05)
    helpers.assert_same_values(helpers.values(nets[0]), helpers.values(nets[1]))


def test_t16_the_current_parameters_are_where_it_starts(rng):
    net = theanets.Regressor([3, 4, 5, 2])
    net.find("hid1", "w").set_value(helpers.floats(np.full((3, 4), 9)))
    before = helpers.values(net)
    pretrain(net, [rng.randn(20, 3)], learning_rate=0)
    helpers.assert_same_values(helpers.values(net), before)


def test_t17_activations_learn_too(rng):
    net = theanets.Regressor([3, (4, "prelu"), (5, "lgrelu"), 2])
    net.find("hid1", "leak").set_value(helpers.floats([0.7, 0.8, 0.9, 1.0]))
    before = helpers.values(net)
    pretrain(net, [rng.randn(20, 3)], learning_rate=0)
    helpers.assert_same_values(helpers.values(net), before)
    pretrain(net, [rng.randn(20, 3)], learning_rate=0.01)
    assert {"hid1.leak", "hid2.leak", "hid2.gain"} <= changed(before, helpers.values(net))


def test_t18_there_must_be_a_hidden_layer(rng):
    with pytest.raises(util.ConfigurationError, match="hidden"):
        pretrain(theanets.Regressor([3, 2]), [rng.randn(20, 3)])


@pytest.mark.parametrize("name", ["a.b", "hid3", "hid2x", "out2", "lwout", "hid1_decoder"])
def test_t19_t20_layers_may_have_any_name(name, rng):
    # T19: a dot; T20: the name of a layer that the shadow network would use itself.
    net = theanets.Regressor([3, dict(size=4, name=name, activation="tanh"), (5, "tanh"), 2])
    before = helpers.values(net)
    pretrain(net, [rng.randn(20, 3)], learning_rate=0.05)
    assert changed(before, helpers.values(net)) == {f"{name}.w", f"{name}.b", "hid2.w", "hid2.b"}


@pytest.mark.parametrize("sparse", ["csr", "csc"])
def test_t21_sparse_input(sparse, rng):
    dense = theanets.Regressor([3, 4, 5, 2])
    net = theanets.Regressor([dict(form="input", size=3, sparse=sparse), 4, 5, 2])
    x = helpers.floats(rng.randn(20, 3) * (rng.rand(20, 3) < 0.5))
    data = (scipy.sparse.csr_matrix if sparse == "csr" else scipy.sparse.csc_matrix)(x)
    expected = pretrain(dense, [x], learning_rate=0.05)
    for pair, (train, valid) in zip(pretrain(net, [data], learning_rate=0.05), expected):
        np.testing.assert_allclose([pair[0]["loss"], pair[1]["loss"]], [train["loss"], valid["loss"]], rtol=1e-4)
    np.testing.assert_allclose(net.find("hid1", "w").get_value(), dense.find("hid1", "w").get_value(), rtol=1e-3)


@pytest.mark.parametrize("make", [
    lambda: theanets.Autoencoder([5, 4, 3, (4, "tied"), (5, "tied")]),
    lambda: theanets.Regressor([3, 4, dict(size=5, inputs=("in", "hid1")), 2]),
    lambda: theanets.recurrent.Autoencoder([3, ("rnn", 4), 3]),
], ids=["tied", "two inputs", "recurrent"])
def test_t21_layers_without_a_single_weight_matrix_are_errors(make, rng):
    net = make()
    before = helpers.values(net)
    with pytest.raises(util.ConfigurationError, match="weight matrix"):
        net.itertrain([rng.randn(*[7] * (net.INPUT_NDIM - 1), net.layers[0].output_size)], algo="pretrain")
    helpers.assert_same_values(helpers.values(net), before)


@pytest.mark.parametrize("weighted", [False, True])
def test_t22_targets_and_weights_are_ignored(weighted, rng):
    x, labels, w = rng.randn(20, 3), rng.randint(2, size=20), rng.rand(20)
    alone, full = (theanets.Classifier([3, 4, 5, 2], weighted=weighted) for _ in range(2))
    data = [x, labels, w] if weighted else [x, labels]
    assert pretrain(full, data, learning_rate=0.05) == pretrain(alone, [x], learning_rate=0.05)
    helpers.assert_same_values(helpers.values(full), helpers.values(alone))


@pytest.mark.parametrize("how", ["break", "error", "interrupt"])
@pytest.mark.parametrize("rate, kept", [(0.01, True), (50, False)])
def test_t23_what_was_learned_is_copied_on_every_exit(how, rate, kept, rng):
    net = theanets.Regressor([3, (4, "tanh"), (5, "tanh"), 2])
    before = helpers.values(net)
    leave(net, [helpers.floats(rng.randn(20, 3))], how, 1, algo="pretrain", learning_rate=rate)
    assert changed(before, helpers.values(net)) == ({"hid1.w", "hid1.b"} if kept else set())


def test_t24_decoders_have_the_activation_of_what_they_reconstruct(rng):
    net = theanets.Regressor([3, (4, "tanh"), (5, "sigmoid"), 2])
    shadows = []
    for _ in net.itertrain([rng.randn(20, 3)], algo="pretrain", subalgo="sgd", epochs=1):
        shadows += [obj for obj in gc.get_objects() if isinstance(obj, theanets.Network) and obj is not net
                    and [layer.output_size for layer in obj.layers] == [3, 4, 5, 4, 3]]
    assert [layer.activate.name for layer in shadows[-1].layers[1:]] == ["tanh", "sigmoid", "tanh", "linear"]


# ---- from samples


def unit(rows):
    """Rows scaled to length one; those of length zero are left out."""
    rows = np.asarray(rows, "d")
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return (rows / np.where(lengths == 0, 1, lengths))[lengths[:, 0] > 0]


def assert_drawn_from(vectors, rows):
    """Every vector is one of the rows, scaled to length one."""
    distance = abs(np.asarray(vectors, "d")[:, None] - unit(rows)[None]).max(axis=-1)
    assert (distance.min(axis=1) < 1e-5).all()


def draw(net, data, **kwargs):
    """Fill weights from samples; check what is common to all networks."""
    shapes = {name: value.shape for name, value in helpers.values(net).items()}
    before = helpers.values(net)
    pairs = list(net.itertrain(data, algo="sample", **kwargs))
    assert pairs == [({"loss": 0}, {"loss": 0})]
    after = helpers.values(net)
    assert {name: value.shape for name, value in after.items()} == shapes
    assert all(np.isfinite(value).all() and value.dtype == util.FLOAT for value in after.values())
    assert not any(name.endswith(".b") for name in changed(before, after))
    return after


@pytest.mark.parametrize("case", GOLDEN["reservoir_cases"], ids=lambda case: f"{len(case['points'])}-{case['n']}")
def test_golden_reservoir(case):
    points = [np.array(point) for point in case["points"]]
    for xs in [points, iter(points)]:
        got = trainer.SampleTrainer.reservoir(xs, case["n"], np.random.RandomState(case["seed"]))
        assert got.dtype == points[0].dtype
        np.testing.assert_allclose(got, case["result"], rtol=1e-9)
    short = trainer.SampleTrainer.reservoir([p.astype("f") for p in points], case["n"], np.random.RandomState(1))
    assert short.dtype == np.float32


def test_t3_vectors_of_zeros_are_skipped():
    points = np.array([[0, 0], [3, 4], [0, 0], [0, 0], [4, 3]], "f")
    got = trainer.SampleTrainer.reservoir(points, 2, np.random.RandomState(1))
    np.testing.assert_allclose(sorted(got.tolist()), [[0.6, 0.8], [0.8, 0.6]], rtol=1e-6)


def test_golden_sample_case():
    case = GOLDEN["sample_case"]
    for seed in [case["rng"], None, np.random.RandomState(3)]:
        net = theanets.Autoencoder(case["layers"], rng=case["rng"])
        after = draw(net, [helpers.floats(case["data"])], batch_size=case["batch_size"], rng=seed)
        assert_drawn_from(after["hid1.w"].T, case["data"])
        assert_drawn_from(after["out.w"], case["data"])


@pytest.mark.parametrize("layers", [[3, 3, 3], [3, (4, "tanh"), (6, "sigmoid"), (5, "tanh"), 3]], ids=len)
def test_t1_each_layer_gets_samples_of_its_own_input(layers, rng):
    net = theanets.Autoencoder(layers)
    x = helpers.floats(rng.randn(40, 3))
    draw(net, [x])
    out = net.feed_forward(x)
    for layer in net.layers[1:-1]:
        assert_drawn_from(layer.find("w").get_value().T, out[layer.input_name])
    assert_drawn_from(net.find("out", "w").get_value(), x)


def test_t1_layers_are_known_by_name_not_by_width(rng):
    # a chain that branches: the layer `c` reads `a`, which is not the layer before it.
    net = theanets.Regressor([3, dict(size=4, name="a", activation="tanh"), dict(size=5, name="b", activation="tanh"),
                              dict(size=4, name="c", inputs="a", activation="tanh"), 2])
    x, y = regression(rng)
    after = draw(net, [x, y])
    out = net.feed_forward(x)
    assert_drawn_from(after["a.w"].T, x)
    assert_drawn_from(after["b.w"].T, out["a:out"])
    assert_drawn_from(after["c.w"].T, out["a:out"])
    assert_drawn_from(after["out.w"], y)


def test_sampling_repeats_itself(rng):
    data = regression(rng)
    one, two = (draw(theanets.Regressor([3, 4, 5, 2]), data) for _ in range(2))
    helpers.assert_same_values(one, two)


@pytest.mark.parametrize("size", [2, 32])
def test_t2_labels_leave_the_output_alone(size, rng):
    net = theanets.Classifier([3, 4, 2])
    before = helpers.values(net)
    x = helpers.floats(rng.randn(40, 3))
    after = draw(net, [x, rng.randint(2, size=40)], batch_size=size)
    assert changed(before, after) == {"hid1.w"}
    assert_drawn_from(after["hid1.w"].T, x)


def test_t2_weights_are_not_targets(rng):
    net = theanets.Regressor([3, 4, 2], weighted=True)
    x, y = regression(rng)
    after = draw(net, [x, y, helpers.floats(rng.rand(*y.shape))])
    assert_drawn_from(after["out.w"], y)


def test_t3_rows_of_zeros_do_no_harm(rng):
    net = theanets.Autoencoder([3, 4, 3])
    x = helpers.floats(rng.randn(40, 3))
    x[::2] = 0
    after = draw(net, [x])
    assert_drawn_from(after["hid1.w"].T, x)
    assert_drawn_from(after["out.w"], x)


def test_t4_leading_axes_are_flattened(rng):
    net = theanets.Network([dict(form="input", size=3, ndim=3), (4, "tanh"), (5, "tanh"), 2], loss=None)
    net.set_loss("mse", target=3)
    x, y = helpers.floats(rng.randn(8, 5, 3)), helpers.floats(rng.randn(8, 5, 2))
    after = draw(net, [x, y])
    out = net.feed_forward(x)
    assert_drawn_from(after["hid1.w"].T, x.reshape(-1, 3))
    assert_drawn_from(after["hid2.w"].T, out["hid1:out"].reshape(-1, 4))
    assert_drawn_from(after["out.w"], y.reshape(-1, 2))


def test_t4_recurrent_networks_keep_their_shapes(rng):
    net = theanets.recurrent.Autoencoder([3, ("rnn", 4), 3])
    x = helpers.floats(rng.randn(8, 5, 3))
    after = draw(net, [x])
    assert_drawn_from(after["hid1.xh"].T, x.reshape(-1, 3))
    assert net.predict(x).shape == x.shape


def test_t5_every_matrix_gets_samples_of_its_own(rng):
    net = theanets.Regressor([3, dict(size=4, name="a"), dict(size=5, name="b"),
                              dict(size=2, name="out", inputs=("a", "b"))])
    x, y = regression(rng)
    after = draw(net, [x, y])
    assert_drawn_from(after["out.w_a:out"], y)
    assert_drawn_from(after["out.w_b:out"], y)


def test_t6_data_of_other_types_are_cast(rng):
    x, y = rng.randn(40, 3), rng.randint(5, size=(40, 2))
    after = draw(theanets.Regressor([3, 4, 2]), [x, y])
    assert_drawn_from(after["hid1.w"].T, x)
    assert_drawn_from(after["out.w"], y)


def test_few_examples_are_completed_with_noise(rng):
    net = theanets.Autoencoder([3, 9, 3])
    x = helpers.floats(rng.randn(4, 3))
    after = draw(net, [x])
    distance = abs(after["hid1.w"].T[:, None] - unit(x)[None]).max(axis=-1).min(axis=1)
    assert (distance < 1e-5).sum() == 4
