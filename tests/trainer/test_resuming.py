"""What is compiled serves the next training, which starts anew, or goes on as if there had been one long training."""

import copy
import pickle

import downhill
import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.tensor as TT
from theanets import util
from theanets.trainer import resuming

from tests.helpers import values

RNG = np.random.RandomState(0)
X = RNG.randn(60, 6).astype("f")
Y = (X[:, :2] ** 2).astype("f")
LABELS = (X[:, 0] > 0).astype("i")
SEQUENCES = [RNG.randn(n, 3).astype("f") for n in (3, 5, 4, 3, 6, 4, 5, 3)]
ADAM = dict(algo="adam", learning_rate=0.01)


def regressor(rng=13, **kwargs):
    return theanets.Regressor([6, (5, "tanh"), 2], rng=rng, **kwargs)


@pytest.fixture
def compiled(monkeypatch, without_store):
    """Count the optimizers that are compiled."""
    count = []
    original = downhill.Optimizer._compile

    def compile_(*args, **kwargs):
        count.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(downhill.Optimizer, "_compile", compile_)
    return count


def rows(network):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in network.history]


def assert_equal(one, two):
    for name, value in values(one).items():
        np.testing.assert_array_equal(value, values(two)[name], err_msg=name)
    assert rows(one) == rows(two)
    assert one.history.validations == two.history.validations
    assert one.history.stopped == two.history.stopped


def anew(network):
    """Let a network compile anew, as if nothing had been kept."""
    network._compiled.clear()
    network._graphs.clear()


OPTIONS = {
    "adam": ADAM,
    "noise": dict(algo="sgd", learning_rate=0.1, momentum=0.9, hidden_dropout=0.2, input_noise=0.1, validate_every=3),
    "rprop": dict(algo="rprop", learning_rate=0.01, batch_size=0, validate_every=1),
    "rows": dict(algo="sgd", learning_rate=0.1, shuffle="rows", batch_size=7),
    "in pieces": dict(algo="sgd", learning_rate=0.1, shuffle="rows", batch_size=7, train_batches=4),
    "plateau": dict(algo="rmsprop", learning_rate=0.3, schedule=dict(form="plateau", patience=0), validate_every=1),
}


@pytest.mark.parametrize("name, each_mode", [
    ("adam", "FAST_COMPILE"), ("noise", "FAST_COMPILE"), ("noise", "XLA"), ("rprop", "XLA"),
], indirect=["each_mode"])
def test_trainings_in_a_loop_compile_once(name, each_mode, compiled):
    options = OPTIONS[name]
    rng = np.random.RandomState(3) if name == "noise" else 13
    kept, fresh = regressor(copy.deepcopy(rng)), regressor(copy.deepcopy(rng))
    pairs = [kept.train([X, Y], **options, epochs=1) for _ in range(2)]
    assert len(compiled) == 1
    for pair in pairs:
        anew(fresh)
        assert fresh.train([X, Y], **options, epochs=1) == pair
    assert_equal(kept, fresh)


@pytest.mark.parametrize("name", list(OPTIONS))
def test_two_trainings_are_a_long_one(name, each_mode, compiled):
    options = OPTIONS[name]
    whole, parts = regressor(), regressor()
    whole.train([X, Y], [X[:20], Y[:20]], **options, epochs=7)
    parts.train([X, Y], [X[:20], Y[:20]], **options, epochs=3)
    parts.train([X, Y], [X[:20], Y[:20]], resume=True, epochs=0)
    parts.train([X, Y], [X[:20], Y[:20]], **options, resume=True, epochs=4)
    assert len(compiled) == 2
    assert_equal(whole, parts)


def test_a_shared_generator_goes_on():
    whole, parts = regressor(np.random.RandomState(5)), regressor(np.random.RandomState(5))
    whole.train([X, Y], epochs=5, hidden_dropout=0.3, **ADAM)
    parts.train([X, Y], epochs=2, hidden_dropout=0.3, **ADAM)
    for _ in range(3):
        parts.train([X, Y], epochs=1, resume=True)
    assert_equal(whole, parts)
    assert whole.rng.randint(10**6) == parts.rng.randint(10**6)


def test_best_parameters_are_those_of_all_epochs():
    net = regressor()
    net.train([X, Y], algo="sgd", learning_rate=0.01, epochs=5, validate_every=1)
    best, loss = values(net), min(net.history.validation_losses())
    net.train([X, Y], epochs=2, learning_rate=3.0, patience=20, resume=True)
    assert len(net.history) == 7
    assert net.history["learning_rate"] == [0.01] * 5 + [3.0] * 2
    assert min(net.history.validation_losses()) == loss
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, best[name])


def test_patience_counts_on():
    whole, parts = regressor(), regressor()
    options = dict(algo="sgd", learning_rate=0.0, validate_every=1, patience=3)
    whole.train([X, Y], **options)
    parts.train([X, Y], epochs=2, **options)
    parts.train([X, Y], resume=True)
    assert_equal(whole, parts)
    assert "patience" in parts.history.stopped
    # with more of it, training goes on.
    parts.train([X, Y], resume=True, patience=6)
    assert len(parts.history) == len(whole.history) + 3


def test_it_goes_on_after_a_break_and_after_an_error():
    whole, parts = regressor(), regressor()
    whole.train([X, Y], epochs=4, **ADAM)
    for _ in parts.itertrain([X, Y], **ADAM):
        if len(parts.history) == 1:
            break

    def fail(network, history):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        parts.train([X, Y], epochs=2, resume=True, callbacks=[fail])
    parts.train([X, Y], epochs=2, resume=True)
    assert_equal(whole, parts)


def test_an_assigned_rate_stays():
    net = regressor()
    for _ in net.itertrain([X, Y], algo="sgd", learning_rate=0.1, schedule="exponential", epochs=2):
        net.learning_rate = 0.05
    net.train([X, Y], epochs=2, resume=True)
    assert net.history["learning_rate"] == [0.1, 0.05, 0.05, 0.05]
    net.train([X, Y], epochs=2, resume=True, schedule=lambda epoch: 0.1 / epoch)
    assert net.history["learning_rate"][4:] == [0.1 / 4, 0.1 / 5]


def test_a_new_rate_scales_the_steps_of_rprop():
    net = regressor()
    net.train([X, Y], algo="rprop", learning_rate=0.01, epochs=1)
    steps = [v for v in net._trained.compiled.own if v.name.endswith("_step")]
    before = [v.get_value() for v in steps]
    net.train([X, Y], epochs=0, learning_rate=0.02, resume=True)
    for variable, value in zip(steps, before):
        np.testing.assert_allclose(variable.get_value(), 2 * value, rtol=1e-6)


def test_other_data_and_other_parameters_start_the_best_anew():
    net = regressor()
    net.train([X, Y], epochs=2, **ADAM)
    net.train([X[:30], Y[:30] + 9], epochs=1, resume=True)
    assert len(net.history.validations) == 3  # at the start, at the start with other data, at the end
    net.find("out", "b").set_value(np.full(2, 9, "f"))
    net.train([X[:30], Y[:30] + 9], epochs=1, resume=True)
    assert net.history.validations[-2]["loss"] < net.history.validations[-3]["loss"]
    np.testing.assert_allclose(net.find("out", "b").get_value(), 9, atol=0.1)


def test_another_mode_takes_over_the_state():
    whole, parts = regressor(), regressor()
    before = theanets.get_mode()
    whole.train([X, Y], epochs=4, hidden_noise=0.1, **ADAM)
    parts.train([X, Y], epochs=2, hidden_noise=0.1, **ADAM)
    try:
        theanets.set_mode("XLA" if before != "XLA" else "FAST_COMPILE")
        parts.train([X, Y], epochs=2, resume=True)
    finally:
        theanets.set_mode(before)
    for name, value in values(whole).items():
        np.testing.assert_allclose(value, values(parts)[name], rtol=1e-4, atol=1e-5)


def test_states_masks_and_running_averages_go_on():
    def recurrent():
        return theanets.recurrent.Regressor([3, ("rnn", 4), "batchnorm", 1])

    data = [SEQUENCES, [s[:, :1] for s in SEQUENCES]]
    whole, parts = recurrent(), recurrent()
    whole.train(data, epochs=4, batch_size=4, **ADAM)
    parts.train(data, epochs=2, batch_size=4, **ADAM)
    parts.train(data, epochs=2, resume=True)
    assert_equal(whole, parts)
    x = RNG.randn(4, 12, 3).astype("f")
    pieces = [x, x[:, :, :1]]
    options = dict(axis=1, batch_size=3, stateful="keep", **ADAM)
    whole, parts = [theanets.recurrent.Regressor([3, ("rnn", 4), 1]) for _ in "12"]
    whole.train(pieces, epochs=4, **options)
    parts.train(pieces, epochs=2, **options)
    parts.train(pieces, epochs=2, resume=True)
    assert_equal(whole, parts)


def test_weights_of_classes_are_no_part_of_what_is_compiled(compiled):
    net, fresh = theanets.Classifier([6, 2]), theanets.Classifier([6, 2])
    for labels in (LABELS, 1 - LABELS, np.arange(60) % 10 < 3):
        net.train([X, labels.astype("i")], epochs=1, class_weight="balanced", **ADAM)
    assert len(compiled) == 1
    for labels in (LABELS, 1 - LABELS, np.arange(60) % 10 < 3):
        anew(fresh)
        fresh.train([X, labels.astype("i")], epochs=1, class_weight="balanced", **ADAM)
    assert_equal(net, fresh)


class Scaled(theanets.Layer):
    """A layer with an attribute that the user may change, and a count of how often it has run."""

    factor = 1.0

    def setup(self):
        self.count = theano.shared(np.asarray(0, "f"))

    def transform(self, inputs):
        return {"out": self.factor * inputs[self.input_names[0]]}, [(self.count, self.count + 1)]


SCALE = 1.0


def scaled_loss(output, target):
    return SCALE * TT.sqr(output - target)


def make_loss():
    factor = [1.0]
    return factor, lambda output, target: factor[0] * TT.sqr(output - target)


def change_attribute(net, kwargs):
    net.layers[1].activate = theanets.activations.build("relu", net.layers[1])


def replace_loss(net, kwargs):
    net.set_loss("mae")


def add_layer(net, kwargs):
    net.add_layer(dict(size=2, name="more"))
    net.set_loss("mse")


def change_mode(net, kwargs):
    theanets.set_mode("XLA" if theanets.get_mode() != "XLA" else "FAST_COMPILE")


@pytest.mark.parametrize(
    "change",
    [
        change_attribute,
        replace_loss,
        add_layer,
        change_mode,
        lambda net, kwargs: kwargs.update(weight_l2=0),
        lambda net, kwargs: kwargs.update(hidden_dropout=0.5),
        lambda net, kwargs: kwargs.update(momentum=0.8),
        lambda net, kwargs: kwargs.update(max_gradient_norm=0.01),
        lambda net, kwargs: kwargs.update(monitors={"hid1:out": [0.2]}),
        lambda net, kwargs: kwargs.update(freeze=["hid1"]),
        lambda net, kwargs: kwargs.update(algo="rmsprop", rms_halflife=3),
    ],
)
def test_what_changes_the_graph_is_compiled_anew(change):
    def run(forget):
        net = regressor()
        kwargs = dict(ADAM, weight_l2=0.1, monitors={"hid1:out": [0.1]})
        net.train([X, Y], epochs=1, **kwargs)
        change(net, kwargs)
        if forget:
            anew(net)
        return net, net.train([X, Y], epochs=2, **kwargs)

    before = theanets.get_mode()
    try:
        kept, pair = run(False)
        theanets.set_mode(before)
        fresh, expected = run(True)
    finally:
        theanets.set_mode(before)
    assert pair == expected
    assert_equal(kept, fresh)
    assert len(kept._compiled) == 2


@pytest.mark.parametrize(
    "options",
    [
        dict(learning_rate=0.1), dict(patience=1), dict(validate_every=2), dict(batch_size=7), dict(epochs=2),
        dict(beta1_halflife=3),
    ],
)
def test_what_does_not_change_the_graph_is_not(options, compiled):
    kept, fresh = regressor(), regressor()
    for net in (kept, fresh):
        net.train([X, Y], **dict(ADAM, epochs=1))
        net.train([X, Y], **dict(ADAM, epochs=1, **options) if "epochs" not in options else dict(ADAM, **options))
        anew(fresh)
    assert_equal(kept, fresh)


def test_functions_are_known_by_what_they_refer_to(monkeypatch, compiled):
    factor, function = make_loss()
    net = regressor(loss=function)
    first = net.train([X, Y], algo="sgd", learning_rate=0.0, epochs=1)[0]["loss"]
    factor[0] = 2.0
    assert net.train([X, Y], algo="sgd", learning_rate=0.0, epochs=1)[0]["loss"] == pytest.approx(2 * first)
    net = regressor(loss=scaled_loss)
    for scale in (1.0, 3.0, 3.0):
        monkeypatch.setitem(globals(), "SCALE", scale)
        loss = net.train([X, Y], algo="sgd", learning_rate=0.0, epochs=1)[0]["loss"]
        assert loss == pytest.approx(scale * first)
    assert len(compiled) == 4


def test_variables_of_layers_are_left_alone(compiled):
    net = theanets.Regressor([6, dict(form="scaled", size=6), 2])
    for _ in range(2):
        net.train([X, Y], epochs=1, **ADAM)
    assert len(compiled) == 1
    # two batches of training, and two validations of two batches, each time.
    assert net.layers[1].count.get_value() == 12
    net.layers[1].factor = 0.0
    net.train([X, Y], epochs=1, **ADAM)
    assert len(compiled) == 2


def test_a_training_within_a_training_has_its_own_state():
    alone, nested = regressor(), regressor()
    alone.train([X, Y], epochs=3, **ADAM)
    other = regressor()

    def train_other(network, history):
        if len(history) == 2 and network is nested and not hasattr(nested, "been_here"):
            nested.been_here = True
            kept = [p.get_value() for p in nested.params]
            list(nested.itertrain([X, Y], epochs=1, **ADAM))
            for param, value in zip(nested.params, kept):
                param.set_value(value)

    nested.train([X, Y], epochs=3, callbacks=[train_other], **ADAM)
    other.train([X, Y], epochs=3, **ADAM)
    assert rows(alone) == rows(other)
    for name, value in values(alone).items():
        np.testing.assert_array_equal(value, values(nested)[name])


def test_neither_data_nor_state_is_kept_for_longer_than_it_is_needed(each_mode):
    net = regressor()
    net.train([X, Y], epochs=1, **ADAM)
    adam = net._trained.compiled
    loops = [loop for loop in adam.loops.entries.values() if loop is not None]
    assert len(loops) == (2 if each_mode == "XLA" else 0)
    assert not any(loop.examples for loop in loops)
    # the best parameters are the last ones.
    assert net._trained.last is None
    assert all(value.strides == (0,) * value.ndim for value in adam.initial if value.ndim)
    net.train([X, Y], algo="sgd", epochs=1)
    assert all(variable.container.storage[0] is None for variable in adam.own)
    for i in range(6):
        net.train([X, Y], algo="sgd", monitors={"hid1:out": [0.1 * i]}, epochs=0)
    assert len(net._compiled) == 4


def test_copies_and_files_hold_none_of_it():
    net = regressor()
    net.train([X, Y], epochs=1, **ADAM)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert len(other._compiled) == 0
        with pytest.raises(util.ConfigurationError, match="no training of this network to go on from.*file"):
            other.train([X, Y], resume=True)
        other.train([X, Y], epochs=1, **ADAM)


def refused(net, match, **kwargs):
    before, history = values(net), rows(net)
    with pytest.raises(util.ConfigurationError, match=match):
        net.train([X, Y], **dict(dict(resume=True, epochs=1), **kwargs))
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])
    assert rows(net) == history


def test_there_must_be_something_to_go_on_from(tmp_path):
    net = regressor()
    refused(net, "no training")
    net.train([X, Y], epochs=1, **ADAM)
    refused(net, "algo='adam', and algo='sgd'", algo="sgd")
    refused(net, "algo='adam', and algo='rmsprop'", algo="rmsprop")
    refused(net, "layerwise", algo="layerwise")
    refused(net, "checkpoint", checkpoint=tmp_path / "file")
    refused(net, "random numbers", rng=5)
    refused(net, "expected True or False", resume="yes")
    refused(net, "other variables", momentum=0.5)
    refused(net, "other variables", freeze=["hid1"])
    net.train([X, Y], epochs=1, resume=True)
    net.losses[0].weight = 2.0
    refused(net, "its losses")
    net.losses[0].weight = 1.0
    net.train([X, Y], epochs=1, resume=True)
    net.layers[1].activate = theanets.activations.build("relu", net.layers[1])
    refused(net, "its layers")
    with pytest.raises(util.ConfigurationError, match="still going on"):
        for _ in net.itertrain([X, Y], epochs=2, **ADAM):
            net.train([X, Y], resume=True)
    net.train([X, Y], algo="layerwise", epochs=1)
    refused(net, "no training")


@pytest.mark.filterwarnings("ignore:the training loss")
def test_nothing_goes_on_from_a_loss_that_is_no_number():
    net = regressor()
    net.train([X, Y], algo="sgd", learning_rate=1e30, epochs=3)
    refused(net, "not a finite number")
    net.train([X, Y], algo="sgd", learning_rate=0.01, epochs=1)
    net.train([X, Y], resume=True, epochs=1)


@pytest.mark.parametrize("make", [np.array, scipy.sparse.csr_matrix])
def test_one_value_tells_data_from_others(make, monkeypatch):
    def digest(values):
        return resuming._digest(downhill.Dataset([make(values)], batch_size=100))

    values = np.eye(300)
    before = digest(values)
    assert digest(values.copy()) == before
    values[41, 41] = 2
    assert digest(values) != before
    # large data are compared by a sample.
    monkeypatch.setattr(resuming, "WHOLE", 300)
    assert digest(values) == digest(values.copy()) != digest(values[:299])
