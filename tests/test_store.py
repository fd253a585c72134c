"""Networks of one structure share what is compiled, and everything else is as if each had compiled for itself."""

import functools
import gc
import os
import threading
import weakref

import jax
import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.tensor as TT
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from theanets import store, util
from theanets.trainer import compiled
from theanets.xla import epochs

from tests.helpers import values

RNG = np.random.RandomState(0)
X = RNG.rand(30, 6).astype(util.FLOAT)
Y = RNG.rand(30, 3).astype(util.FLOAT)
LABELS = RNG.randint(0, 3, 30).astype("int32")
WEIGHTS = RNG.rand(30).astype(util.FLOAT)
SPARSE = scipy.sparse.csr_matrix(X * (X > 0.6))
SEQUENCES = RNG.rand(8, 4, 3).astype(util.FLOAT)
RAGGED = [RNG.rand(n, 3).astype(util.FLOAT) for n in (3, 5, 4, 2, 5, 4)]
IMAGES = RNG.rand(12, 6, 6, 1).astype(util.FLOAT)


@pytest.fixture(autouse=True)
def by_xla(empty_store):
    theanets.set_mode("XLA")
    yield
    theanets.set_mode(None)
    theanets.set_store(None)


class Doubled(theanets.Layer):
    def setup(self):
        self.add_weights("w", self.input_size, self.output_size)

    def transform(self, inputs):
        return TT.tanh(2 * inputs[self.input_name].dot(self.find("w"))), []


class Quartic(theanets.Loss):
    def elementwise(self, output, target):
        return (output - target) ** 4


class Centered(theanets.Regularizer):
    def loss(self, layers, outputs):
        return sum(abs(param.mean()) for layer in layers for param in layer.params)


def regressor(*layers, **kwargs):
    return lambda seed: theanets.Regressor([6, *layers, 3], rng=seed, **kwargs)


def recurrent(kind, *layers, **kwargs):
    return lambda seed: getattr(theanets.recurrent, kind)([3, *layers], rng=seed, **kwargs)


#: A network, its data, and pairs of options: those of the network that was compiled for, and those of the other one.
CASES = {
    "values": (
        regressor((5, "tanh")), [X, Y],
        dict(algo="adam", weight_l2=0.1, hidden_l1=0.3, hidden_dropout=0.2, input_noise=0.3, learning_rate=0.1, rng=4),
        dict(algo="adam", weight_l2=0.2, hidden_l1=0.1, hidden_dropout=0.4, input_noise=0.1, learning_rate=0.02, rng=9,
             beta1_halflife=3, monitor_gradients=False, validate_every=1, patience=1),
    ),
    "schedule": (
        regressor((5, "relu"), weighted=True), [X, Y, Y],
        dict(algo="rprop", schedule="exponential", monitors={"hid1:out": [0.1]}, monitor_gradients=True),
        dict(algo="rprop", schedule=dict(form="step", every=1), monitors={"hid1:out": [0.1]}, monitor_gradients=True,
             rprop_increase=1.2),
    ),
    "statistics": (
        regressor((5, "prelu"), "batchnorm", (4, "maxout:2"), "layernorm"), [X, Y],
        dict(algo="sgd", momentum=0.5, freeze=["hid1", "*.b"], max_gradient_norm=1.0, shuffle="rows"),
        dict(algo="sgd", momentum=0.7, freeze=["hid1", "*.b"], max_gradient_norm=0.3, shuffle="rows"),
    ),
    "classes": (
        lambda seed: theanets.Classifier([6, (4, "sigmoid"), 3], rng=seed, weighted=True), [X, LABELS, WEIGHTS],
        dict(algo="nag", momentum=0.5, class_weight=[1, 2, 3]), dict(algo="nag", momentum=0.5, class_weight="balanced"),
    ),
    "two inputs": (
        lambda seed: theanets.Regressor(
            [dict(size=6, sparse="csr"), dict(form="input", name="b", size=3),
             dict(size=4, inputs=("in", "b"), name="h"), 3],
            rng=seed, loss="mae",
        ),
        [SPARSE, Y, Y],
        dict(algo="adagrad", average="batches"), dict(algo="adagrad", average="batches", learning_rate=1),
    ),
    "tied": (
        lambda seed: theanets.Autoencoder([6, (4, "sigmoid"), (6, "tied")], rng=seed), [X],
        dict(algo="adadelta", weight_l1=0.1), dict(algo="adadelta", weight_l1=0.01, rms_halflife=4),
    ),
    "user's own": (
        regressor(dict(form="doubled", size=5), loss=lambda output, target: abs(output - target).mean()), [X, Y],
        dict(algo="rmsprop", centered=0.1), dict(algo="rmsprop", centered=0.3, rms_halflife=3),
    ),
    "another loss": (
        lambda seed: theanets.Regressor([6, 3], rng=seed, loss=dict(form="quartic", weight=seed / 2)), [X, Y],
        dict(algo="esgd"), dict(algo="esgd", learning_rate=0.1),
    ),
    "stateful": (
        recurrent("Regressor", (4, "rnn"), 2), [SEQUENCES, SEQUENCES[:, :, :2]],
        dict(algo="sgd", stateful=True, batch_size=4), dict(algo="sgd", stateful=True, batch_size=4, learning_rate=0.1),
    ),
    "ragged": (
        recurrent("Autoencoder", (4, "rnn"), 3), [RAGGED],
        dict(algo="rmsprop", recurrent_state=dict(weight=0.1, pattern="hid1:out"), batch_size=3),
        dict(algo="rmsprop", recurrent_state=dict(weight=0.2, pattern="hid1:out"), batch_size=3),
    ),
    "images": (
        lambda seed: theanets.convolution.Classifier(
            [(6, 6, 1), dict(form="conv2", size=3, filter_size=(3, 3)), "flatten", 3],
            rng=seed,
        ),
        [IMAGES, LABELS[:12]], dict(algo="sgd"), dict(algo="sgd", learning_rate=0.1),
    ),
    "layerwise": (
        regressor(5, 4), [X, Y],
        dict(algo="layerwise", subalgo="sgd", weight_l2=0.1), dict(algo="layerwise", subalgo="sgd", weight_l2=0.2),
    ),
}  # fmt: skip


#: Cases that compute what else there is to compute.
IN_FULL = ("values", "user's own")


def use(make, seed, data, options, in_full=False):
    """Train a network, go on, and predict; return all that has come out."""
    net = make(seed)
    options = dict(batch_size=8, epochs=2, learning_rate=0.03) | options
    found = [net.train(data, **options)]
    if options["algo"] != "layerwise":
        found.append(net.train(data, resume=True, epochs=1))
    inputs = data[0] if len(net.inputs) == 1 else data[: len(net.inputs)]
    found.append(net.predict(inputs))
    if in_full:
        found += [list(net.feed_forward(inputs).values()), net.score(inputs, data[-1])]
        found.append(net.gradient("loss", net.params[0].name, data))
        found.append(net.gradient(lambda outputs: outputs["out:out"], "in", inputs))
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in net.history]
    return found, values(net), rows


def assert_same(one, two):
    if isinstance(one, dict):
        assert list(one) == list(two)
        one, two = list(one.values()), list(two.values())
    if isinstance(one, (list, tuple)):
        assert len(one) == len(two)
        for pair in zip(one, two):
            assert_same(*pair)
        return
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", list(CASES))
def test_results_are_those_of_a_network_that_compiles_for_itself(name, monkeypatch):
    make, data, before, options = CASES[name]
    use(make, 1, data, before, name in IN_FULL)
    counts = len(store.TRAININGS), len(store.FUNCTIONS)
    assert all(counts)

    @functools.wraps(theanets.Network._connect)
    def build(*args):
        raise AssertionError("a graph is built")

    with monkeypatch.context() as patched:
        # nothing is built or compiled for the second one.
        patched.setattr(theano, "function", None)
        patched.setattr(theanets.Network, "_connect", build)
        second = use(make, 2, data, options, name in IN_FULL)
    assert (len(store.TRAININGS), len(store.FUNCTIONS)) == counts
    theanets.set_store(False)
    assert_same(second, use(make, 2, data, options, name in IN_FULL))


ACTIVATIONS = st.sampled_from(["tanh", "relu", "prelu", "softmax", "maxout:2", "elu", "norm:z+sigmoid"])
ALGORITHMS = st.sampled_from(["sgd", "nag", "adam", "rmsprop", "adagrad", "adadelta", "rprop", "esgd"])
RECURRENT = st.sampled_from(
    ["rnn", "gru", "mut1", "scrn", "lstm", "rrnn", dict(form="clockwork", periods=(1, 2)),
     dict(form="bidirectional", worker="gru")]
)  # fmt: skip
PENALTIES = st.dictionaries(
    st.sampled_from(["weight_l2", "weight_l1", "hidden_l1", "contractive", "hidden_dropout", "input_noise",
                     "centered"]),
    st.sampled_from([(0.1, 0.2), (0.05, 0.05)]),
    max_size=3,
)  # fmt: skip
SETTINGS = st.fixed_dictionaries(
    {"algo": ALGORITHMS, "batch_size": st.sampled_from([7, 8])},
    optional={
        "shuffle": st.sampled_from(["rows", False]), "momentum": st.just(0.5), "max_gradient_norm": st.just(0.1),
        "schedule": st.just("cosine"), "average": st.just("batches"), "monitor_gradients": st.just(True),
        "monitors": st.just({"hid1:out": (0.1, 0.5)}), "freeze": st.just("*.b"),
    },
)  # fmt: skip
LAYERS = st.lists(st.tuples(st.just(4), ACTIVATIONS) | st.sampled_from(["batchnorm", "layernorm"]), max_size=2)


@st.composite
def structures(draw):
    """Return a function that makes a network, given a seed, and its data."""
    recurs, weighted = draw(st.booleans()), draw(st.booleans())
    if recurs:
        layer, kind = draw(RECURRENT), theanets.recurrent
        layer, x = dict(size=4, **(layer if isinstance(layer, dict) else dict(form=layer))), SEQUENCES
        layers, y = [3, layer, 2], (x.argmax(axis=2) > 1)
    else:
        layers, kind, x, y = [6, (5, draw(ACTIVATIONS)), *draw(LAYERS), 3], theanets, X, LABELS
    if draw(st.booleans()):
        make, data, losses = kind.Classifier, [x, y.astype("int32")], ["xe"]
    else:
        targets = x[..., :2] if recurs else Y
        make, data, losses = kind.Regressor, [x, targets], ["mse", "mae", "quartic"]
    options = dict(loss=draw(st.sampled_from(losses)), weighted=weighted)
    data += [np.linspace(0, 1, data[1].size, dtype=util.FLOAT).reshape(data[1].shape)] if weighted else []
    return functools.partial(make, layers, **options), data


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(structure=structures(), penalties=PENALTIES, options=SETTINGS)
def test_results_are_the_same_without_the_store_whatever_the_structure(structure, penalties, options):
    make, data = structure
    if options["algo"] in ("adadelta", "esgd"):
        options.pop("schedule", None)
    runs = [options | {name: pair[i] for name, pair in penalties.items()} | dict(learning_rate=0.01 + 0.01 * i)
            for i in range(2)]  # fmt: skip
    theanets.set_store(None)
    store.clear()
    use(lambda seed: make(rng=seed), 1, data, runs[0])
    count = len(store.TRAININGS)
    second = use(lambda seed: make(rng=seed), 2, data, runs[1])
    assert count == len(store.TRAININGS) == 1
    theanets.set_store(False)
    assert_same(second, use(lambda seed: make(rng=seed), 2, data, runs[1]))


class Amplified(theanets.Regularizer):
    """Changes outputs without chance, by a number that its own code reads."""

    def modify_graph(self, outputs):
        for name, value in list(util.outputs_matching(outputs, "hid1:out")):
            outputs[name] = value * self.weight


def two_seeds(level):
    return [theanets.regularizers.BernoulliDropout("hid1:out", level, rng=3),
            theanets.regularizers.GaussianNoise("in:out", level, rng=5),
            theanets.regularizers.GaussianNoise("hid1:pre", 2 * level, rng=3)]  # fmt: skip


#: A network, its data, and options of predictions: those that are compiled for, and others of the same structure.
NOISY = {
    "levels": (regressor((5, "tanh")), X, dict(hidden_dropout=0.3, input_noise=0.2),
               dict(hidden_dropout=0.6, input_noise=0.1, rng=9)),
    "seeds": (regressor((5, "tanh")), X, lambda: dict(regularizers=two_seeds(0.3)),
              lambda: dict(regularizers=two_seeds(0.1))),
    "lengths": (recurrent("Regressor", (4, "gru"), 2), RAGGED, dict(hidden_noise=0.3), dict(hidden_noise=0.1)),
    "user's own": (regressor((5, "tanh")), X, dict(amplified=0.5, hidden_noise=0.1),
                   dict(amplified=0.5, hidden_noise=0.2)),
}  # fmt: skip


def guess(make, seed, x, options, every=True):
    """Predict with noise, again and again; return all that has come out."""
    net = make(seed)
    options = options() if callable(options) else options
    found = [net.predict(x, **options), net.predict(x, **options)]
    if every:
        found += [list(net.feed_forward(x, **options).values()), net.predict(x, samples=3, **options)]
        found += [net.score(x, found[0], **options), net.evaluate(x, found[0], **options)["r2"]]
    return found


@pytest.mark.parametrize("name", list(NOISY))
def test_noise_and_dropout_in_predictions_compile_nothing_for_a_second_network(name, monkeypatch):
    make, x, before, options = NOISY[name]
    first = guess(make, 1, x, before)
    counts = len(store.FUNCTIONS)
    with monkeypatch.context() as patched:
        patched.setattr(theano, "function", None)
        patched.setattr(theanets.Network, "_connect", None)
        second = [guess(make, 1, x, before), guess(make, 2, x, options)]
    assert len(store.FUNCTIONS) == counts
    theanets.set_store(False)
    assert_same([first, *second], [guess(make, 1, x, before)] * 2 + [guess(make, 2, x, options)])
    # noise differs from one call to the next.
    assert not np.array_equal(np.concatenate(second[1][0]), np.concatenate(second[1][1]))


def test_decoding_with_noise_compiles_nothing_for_a_second_network(monkeypatch):
    def decode(seed):
        net = theanets.Autoencoder([6, (4, "tanh"), (5, "tanh"), 6], rng=seed)
        return [net.decode(X[:, :4], 1, hidden_noise=0.1 * seed) for _ in range(2)]

    decode(1)
    with monkeypatch.context() as patched:
        patched.setattr(theano, "function", None)
        second = decode(2)
    theanets.set_store(False)
    assert_same(second, decode(2))
    assert not np.array_equal(*second)


def test_functions_of_one_network_go_on_with_one_stream_wherever_they_come_from():
    make, x, before, options = NOISY["levels"]
    guess(make, 1, x, before, every=False)
    # the first function is bound, the second one compiled.
    second = guess(make, 2, x, options)
    theanets.set_store(False)
    assert_same(second, guess(make, 2, x, options))


def test_a_number_that_a_users_method_reads_is_part_of_the_structure():
    make, net = NOISY["user's own"][0], None
    for scale in (0.5, 2.0):
        net = make(1)
        hidden = net.feed_forward(X)["hid1:out"]
        np.testing.assert_allclose(net.feed_forward(X, amplified=scale)["hid1:out"], scale * hidden, rtol=1e-6)


def test_nothing_of_a_network_is_kept():
    for seed in (1, 2):
        net, data = regressor((5, "tanh"), "batchnorm")(seed), [X.copy(), Y.copy()]
        net.train(data, algo="adam", hidden_dropout=0.2, epochs=2)
        net.predict(data[0])
        net.gradient("loss", "in", data)
        own = net._trained.compiled.own
        held = [weakref.ref(thing) for thing in (net, *net.layers, *net.params, *net.statistics, *own, *data)]
        assert len(own) > 8
        del net, data, own
        gc.collect()
        assert not [ref() for ref in held if ref() is not None]
    assert len(store.TRAININGS) == 1


def held():
    """Return how many objects, arrays on the device and compiled programs there are."""
    gc.collect()
    programs = jax.devices()[0].client.live_executables()
    return np.array([len(gc.get_objects()), len(jax.live_arrays()), len(programs)])


def test_memory_does_not_grow_with_the_number_of_networks():
    counts = []
    for seed in range(30):
        net = regressor((5, "tanh"))(seed)
        net.train([X, Y], algo="adam", weight_l2=seed + 1, hidden_dropout=0.2, epochs=1)
        net.predict(X)
        del net
        if seed in (4, 29):
            counts.append(held())
    objects, arrays, programs = counts[1] - counts[0]
    # fewer than ten for a network.
    assert objects < 250 and arrays <= 0 and programs <= 0


def test_memory_does_not_grow_with_the_number_of_sizes_of_batches(monkeypatch):
    monkeypatch.setattr(epochs, "LAYOUTS", 2)
    monkeypatch.setattr(compiled, "LOOPS", 2)
    net, counts = regressor()(1), []
    for size in range(3, 9):
        net.train([X, Y], algo="sgd", batch_size=size, epochs=1)
        counts.append(held()[1:].tolist())
    assert counts[2] == counts[-1]


def test_what_is_kept_is_limited(monkeypatch):
    monkeypatch.setattr(store.FUNCTIONS, "size", 2)
    nets = [theanets.Regressor([3, size, 1]) for size in (2, 3, 4, 2)]
    results = [net.predict(X[:, :3]) for net in nets]
    assert len(store.FUNCTIONS) == 2
    np.testing.assert_array_equal(results[0], results[3])


def test_code_that_differs_is_not_mixed_up():
    def make(factor):
        return theanets.Regressor([6, 3], loss=lambda output, target: factor * abs(output - target).mean())

    options = dict(algo="sgd", learning_rate=0.0, epochs=1)
    figures = [make(factor).train([X, Y], **options)[1]["loss"] for factor in (1.0, 2.0, 1.0)]
    assert figures[0] == figures[2] == pytest.approx(figures[1] / 2, rel=1e-5)
    assert len(store.TRAININGS) == 2


def test_a_setting_that_is_edited_is_seen():
    nets = [regressor((5, "linear"), "batchnorm")(1) for _ in range(3)]
    nets[1].layers[2].momentum = 0.1
    for net in nets:
        net.train([X, Y], algo="sgd", epochs=1)
    one, edited, two = [net.statistics[0].get_value() for net in nets]
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, edited)


class Shifted(theanets.Layer):
    """Its graph depends on values of parameters."""

    def setup(self):
        self.add_weights("w", self.input_size, self.output_size)

    def transform(self, inputs):
        return inputs[self.input_name].dot(self.find("w")) - float(self.find("w").get_value().mean()), []


def test_what_cannot_be_described_is_compiled_for_each_network():
    nets = [theanets.Regressor([6, dict(form="shifted", size=3)], rng=seed) for seed in (1, 2)]
    for net in nets:
        w = net.params[0].get_value()
        np.testing.assert_allclose(net.predict(X), X.dot(w) - w.mean(), rtol=1e-4, atol=1e-6)
        net.train([X, Y], algo="sgd", epochs=1)
    assert not len(store.TRAININGS) and not len(store.FUNCTIONS)


def test_large_constants_are_taken_for_data():
    data = np.ones((3, 100_000), util.FLOAT)
    net = theanets.Regressor([6, 3], loss=lambda output, target: TT.dot(output - target, TT.constant(data)).max())
    net.train([X, Y], algo="sgd", epochs=1)
    assert not len(store.TRAININGS)


def test_networks_are_trained_side_by_side():
    make, data, options = regressor((5, "tanh")), [X, Y], dict(algo="adam", hidden_dropout=0.2, epochs=20)
    results = {}

    def work(seed):
        results[seed] = use(make, seed, data, options)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.TRAININGS) == 1
    for seed in range(3):
        assert_same(results[seed], use(make, seed, data, options))


def test_one_network_is_trained_within_the_loop_of_another():
    make, options = regressor((5, "tanh")), dict(algo="sgd", momentum=0.5, epochs=3)
    alone = make(1)
    alone.train([X, Y], **options)
    outer = make(1)
    for _ in outer.itertrain([X, Y], **options):
        make(2).train([Y[:, [0, 1, 2, 0, 1, 2]], Y], **options)
    assert_same(values(outer), values(alone))


def test_a_checkpoint_goes_on_in_a_network_that_was_bound(tmp_path):
    make, options = regressor((5, "tanh")), dict(algo="adam", hidden_dropout=0.2, input_noise=0.1)
    whole = make(1)
    whole.train([X, Y], epochs=4, **options)
    make(1).train([X, Y], epochs=2, checkpoint=tmp_path / "training", **options)
    theanets.set_store(False)
    rest = make(1)
    rest.train([X, Y], epochs=4, checkpoint=tmp_path / "training", **options)
    assert_same(values(rest), values(whole))


def test_it_is_turned_off(monkeypatch):
    with pytest.raises(util.ConfigurationError, match="expected True, False or None"):
        theanets.set_store("off")
    net = regressor()(1)
    net.predict(X)
    assert len(store.FUNCTIONS)
    theanets.set_store(False)
    assert not len(store.FUNCTIONS)
    regressor()(2).predict(X)
    assert not len(store.FUNCTIONS)
    theanets.set_store(None)
    monkeypatch.setenv("THEANETS_STORE", "0")
    assert not store.is_on()
    theanets.set_store(True)
    assert store.is_on()


def test_theanos_own_modes_store_nothing():
    theanets.set_mode("FAST_COMPILE")
    net = regressor()(1)
    net.train([X, Y], algo="sgd", epochs=1)
    net.predict(X)
    assert not len(store.TRAININGS) and not len(store.FUNCTIONS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this system")
def test_a_forked_process_finds_no_lock_closed():
    store.TRAININGS.lock.acquire()
    try:
        pid = os.fork()
        if not pid:
            os._exit(0 if store.TRAININGS.get("key") is None else 1)
    finally:
        store.TRAININGS.lock.release()
    assert os.waitpid(pid, 0)[1] == 0
