"""Numbers are inputs of what training is compiled to: others compile nothing, and train as if they had been there."""

import functools
import logging

import downhill
import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from theanets import losses, regularizers
from theanets.layers.context import Context, Values, may_be_input
from theanets.trainer import options

from tests.helpers import values

RNG = np.random.RandomState(0)
X = RNG.uniform(0.1, 0.9, (12, 4)).astype("f")
Y = (X[:, :2] ** 2).astype("f")
LABELS = (X[:, 0] > 0.5).astype("i")
STEPS = RNG.uniform(0.1, 0.9, (6, 4, 2)).astype("f")


def errors(output, target):
    return TT.sqr(output - target)


def regressor(loss="mse", **kwargs):
    net = theanets.Regressor([4, (3, "tanh"), (2, "sigmoid")], loss=None)
    net.add_loss(loss, **kwargs)
    return net, [X, Y]


def classifier(loss, **kwargs):
    net = theanets.Classifier([4, 3, 2], loss=None)
    net.add_loss(loss, **kwargs)
    return net, [X, LABELS]


def likelihood(loss, **kwargs):
    heads = [dict(size=2, name=name, inputs="in") for name in ("covar", "mean")]
    net = theanets.Network([4, *heads], loss=None)
    net.add_loss(loss, **kwargs)
    return net, [X, Y]


def recurrent(loss, **kwargs):
    net = theanets.recurrent.Autoencoder([2, ("rnn", 3), 2], loss=None)
    net.add_loss(loss, target=net.inputs[0], **kwargs)
    return net, [STEPS]


#: What makes a network by a loss; its loss; regularizers, with a place for their weight; algorithm; options of it.
CASES = [
    (regressor, "mse", ["weight_l2"], "sgd", dict(momentum=[0.9, 0.4])),
    (regressor, "mae", ["weight_l1"], "nag", dict(momentum=[0.9, 0.4], max_gradient_elem=[0.01, 0.001])),
    (regressor, "kl", ["hidden_l1"], "rmsprop", dict(rms_halflife=[5, 9], rms_regularizer=[1e-3, 1e-2])),
    (regressor, "bce", ["contractive"], "adagrad", dict(rms_regularizer=[1e-3, 1e-2], max_gradient_norm=[0.1, 0.01])),
    (regressor, "mmd", ["input_noise"], "adadelta", dict(rms_halflife=[5, 9], rms_regularizer=[1e-3, 1e-2])),
    (regressor, errors, ["hidden_dropout"], "sgd", dict(momentum=[0.9, 0.4], nesterov=[True, True])),
    (classifier, "hinge", ["weight_l2"], "adam", dict(beta2_halflife=[5, 9], rms_regularizer=[1e-3, 1e-2])),
    (
        regressor, "mse", ["decoupled_decay", "max_norm"], "nadam",
        dict(beta1=[0.8, 0.6], beta2=[0.9, 0.7], momentum_decay=[0.1, 0.5], rms_regularizer=[1e-3, 1e-2],
             average_weights=[0.5, 0.9], accumulate=[2, 3], max_gradient_total_norm=[0.1, 0.01]),
    ),
    (likelihood, "gll", ["weight_l2"], "esgd", dict(rms_halflife=[5, 9], rms_regularizer=[1e-3, 1e-2])),
    (
        recurrent, "mse", ["recurrent_norm", "recurrent_state"], "rprop",
        dict(
            rprop_increase=[1.1, 1.2], rprop_decrease=[0.8, 0.9],
            rprop_min_step=[1e-5, 1e-3], rprop_max_step=[0.1, 0.01],
        ),
    ),
]  # fmt: skip

#: By XLA.
CASES_XLA = [
    (
        classifier, "xe", ["hidden_dropout", "input_noise", "weight_l2"], "adam",
        dict(beta1_decay=[0.9, 0.99], beta1_halflife=[5, 9], momentum=[0.1, 0.2], max_gradient_norm=[0.1, 0.01]),
    ),
]  # fmt: skip


@pytest.fixture
def compiled(monkeypatch, without_store):
    """Count the functions that are compiled."""
    count = []
    original = theano.function

    def function(*args, **kwargs):
        count.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(theano, "function", function)
    return count


def arguments_of(case, which):
    """Return the arguments of ``train`` with the first or the second of all numbers."""
    *_, regs, algo, given = case
    result = {key: pair[which] for key, pair in given.items()}
    for reg in regs:
        weight = [0.1, 0.3][which]
        result[reg] = dict(pattern="hid1:out", weight=weight) if reg.startswith("recurrent") else weight
    return dict(result, algo=algo, learning_rate=0.01, epochs=2, batch_size=6, rng=3)


def rows(net):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in net.history]


def trained_again(make, loss, first, second):
    """Train by some arguments, and from the same start by others; return the network."""
    net, data = make(loss, weight=0.5)
    start = values(net)
    net.train(data, **first)
    for param in net.params:
        param.set_value(start[param.name])
    net.losses[0].weight = 0.7
    net.train(data, **second)
    return net


def named(case):
    _, loss, regs, algo, _ = case
    return "-".join([getattr(loss, "__name__", loss), *regs, algo])


@pytest.fixture(
    params=[(case, "FAST_COMPILE") for case in CASES] + [(case, "XLA") for case in CASES_XLA],
    ids=lambda param: f"{named(param[0])}-{param[1]}",
)
def case(request, monkeypatch):
    # esgd draws from a stream of its own, which starts anywhere.
    seeded = functools.partial(downhill.adaptive.RandomStreams, seed=1)
    monkeypatch.setattr(downhill.adaptive, "RandomStreams", seeded)
    before = theanets.get_mode()
    theanets.set_mode(request.param[1])
    yield request.param[0]
    theanets.set_mode(before)


def test_other_numbers_compile_nothing_and_train_as_if_they_had_been_there(case, compiled):
    make, loss = case[:2]
    net, data = make(loss, weight=0.7)
    net.train(data, **arguments_of(case, 1))
    once = len(compiled)
    again = trained_again(make, loss, arguments_of(case, 0), arguments_of(case, 1))
    assert len(compiled) == 2 * once
    for name, value in values(net).items():
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(value, values(again)[name], err_msg=name)
    assert rows(net) == rows(again)


def test_the_cases_are_all_there_are():
    kinds = [type(make(loss)[0].losses[0]) for make, loss, *_ in CASES + CASES_XLA]
    ours = {cls for cls in losses.Loss._registry.values() if cls.__module__ == losses.base.__name__}
    assert set(kinds) == ours - {losses.Loss}
    used = [arguments_of(case, 0) for case in CASES + CASES_XLA]
    regs = {type(reg) for given in used for reg in regularizers.from_kwargs(regressor()[0], **given)}
    ours = {cls for cls in regularizers.Regularizer._registry.values() if cls.__module__ == regularizers.__name__}
    assert regs >= ours - {regularizers.Regularizer}
    ours = {name for name, cls in options.algorithms().items() if cls.__module__.startswith("downhill.")}
    # those of this library have the same kinds of options.
    assert {given["algo"] for given in used} == {*ours, "nadam"}
    assert set(options.NUMBERS) <= set().union(*used)
    # whatever downhill's algorithms take, beside what says how long to train.
    takes = set().union(*map(options.options_of, ours)) | options.COMMON_OPTIONS
    assert takes - options.OPTIMIZER_SETTINGS - set(options.NUMBERS) == {"nesterov"}


@pytest.mark.parametrize("first, second", [
    (dict(weight_l2=0), dict(weight_l2=0.1)),
    (dict(momentum=0.5), dict(momentum=0)),
    (dict(momentum=0.5), dict(momentum=0.5, nesterov=True)),
    (dict(max_gradient_norm=1), dict()),
    (dict(max_gradient_elem=0), dict(max_gradient_elem=1e-3)),
    (dict(hidden_dropout=0.1), dict()),
    (dict(weight_l2=0.1), dict(weight_l2=dict(weight=0.1, pattern="out.w"))),
])  # fmt: skip
def test_a_zero_is_a_structure_of_its_own_where_something_vanishes(first, second):
    net = regressor()[0]
    for given in (first, second, first):
        net.train([X, Y], algo="sgd", epochs=1, **given)
    assert len(net._compiled) == 2


def test_how_long_to_train_and_by_what_seed_and_batches_compiles_nothing(compiled):
    net = regressor()[0]
    common = dict(algo="sgd", weight_l2=0.1, hidden_noise=0.1)
    net.train([X, Y], epochs=1, **common)
    once = len(compiled)
    for given in (
        dict(rng=5), dict(patience=1), dict(min_improvement=0.1), dict(validate_every=1), dict(batch_size=3),
        dict(max_updates=2), dict(max_seconds=5.0), dict(learning_rate=0.5), dict(train_batches=1),
        dict(momentum=0), dict(max_gradient_norm=0),
    ):  # fmt: skip
        net.train([X, Y], **{"epochs": 1, **common, **given})
    assert len(compiled) == once


class Doubled(regularizers.WeightL2):
    """Another default is no code that could read the weight."""

    DEFAULT_PATTERN = "out.w"


class Capped(regularizers.Regularizer):
    """Python decides by the weight."""

    def loss(self, layers, outputs):
        return sum(TT.sqr(param).sum() if self.weight > 0.2 else abs(param).sum() for param in layers[-1].params)


class Steep(theanets.Loss):
    """Python computes by the weight."""

    def elementwise(self, output, target):
        return abs(output - target) ** (2 if self.weight < 0.6 else 4)


class Slow(downhill.SGD):
    """Python decides by options."""

    def _get_updates_for(self, param, grad):
        yield param, self.learning_rate * grad / (2 if self.momentum > 0.5 else 4)


class Network(theanets.Regressor):
    """A loss that reads the weight of another, and a number of a regularizer."""

    def loss(self, context=None, weight_l2=0, **kwargs):
        total = super().loss(context=context, weight_l2=weight_l2, **kwargs)
        return total * (2 if self.losses[0].weight > 0.6 or weight_l2 > 0.2 else 1)


@pytest.mark.parametrize("own, numbers", [
    (dict(loss="mse"), [dict(capped=0.1), dict(capped=0.3)]),
    (dict(loss="steep"), [dict(weight=0.5), dict(weight=0.7)]),
    (dict(loss="mse", algo="slow"), [dict(momentum=0.4), dict(momentum=0.6)]),
    (dict(loss="mse", cls=Network), [dict(weight=0.5), dict(weight=0.7)]),
    (dict(loss="mse", cls=Network), [dict(weight_l2=0.1), dict(weight_l2=0.3)]),
])  # fmt: skip
def test_numbers_that_code_of_the_users_own_may_read_stay_constants(own, numbers):
    def train(net, weight=0.5, **kwargs):
        net.losses[0].weight = weight
        for param in net.params:
            param.set_value(np.full_like(param.get_value(), 0.3))
        return net.train([X, Y], algo=own.get("algo", "sgd"), learning_rate=0.1, epochs=2, **kwargs)

    def make():
        return own.get("cls", theanets.Regressor)([4, 2], loss=own["loss"])

    net = make()
    train(net, **numbers[0])
    assert train(net, **numbers[1]) == train(make(), **numbers[1])
    assert len(net._compiled) == 2


def test_who_may_be_given_an_input():
    assert may_be_input(Doubled(weight=0.5), "weight")
    assert may_be_input(losses.MeanSquaredError(2, weight=0.5), "weight")
    assert not may_be_input(losses.MeanSquaredError(2, weight=0), "weight")
    assert not may_be_input(losses.MeanSquaredError(2, weight=TT.scalar()), "weight")
    assert not may_be_input(Capped(weight=0.5), "weight")
    assert not may_be_input(Steep(2), "weight")


def test_an_expression_as_a_weight_stays_what_it_is(compiled):
    weight = theano.shared(np.float32(0.5))
    net = theanets.Regressor([4, 2])
    reg = regularizers.WeightL2(weight=weight)
    net.train([X, Y], algo="sgd", epochs=1, regularizers=[reg])
    once = len(compiled)
    weight.set_value(np.float32(3))
    net.train([X, Y], algo="sgd", epochs=1, regularizers=[reg])
    assert len(compiled) == once


def test_numbers_of_a_graph_are_known_by_its_structure():
    net = theanets.Regressor([4, 3, 2], loss=None)
    net.add_loss("mse", weight=0.25)
    net.add_loss("mae", weight=0.0)
    net.train([X, Y], algo="sgd", epochs=1, momentum=0.5, hidden_dropout=0.5, weight_l2=0.75)
    (found,) = net._compiled.entries.values()
    assert found.values.numbers() == {
        ("loss", 0, "weight"): 0.25, ("regularizer", 0, "weight"): 0.5, ("regularizer", 1, "weight"): 0.75,
        ("algorithm", "momentum"): 0.5,
    }  # fmt: skip
    for function in (found.optimizer.f_step, found.optimizer.f_eval):
        read = set(function.get_shared())
        assert read.issuperset(v for key, v in found.values.variables.items() if key[0] != "algorithm")
    assert found.values.variables["algorithm", "momentum"] in found.optimizer.f_step.get_shared()
    # what one sees of the optimizer are numbers.
    assert found.optimizer.momentum == 0.5
    assert "_prepare" not in vars(found.optimizer)


def test_the_log_and_what_is_seen_are_as_they_were(caplog):
    for name in ("theanets", "downhill"):
        caplog.set_level(logging.DEBUG, logger=name)
    net, reg = regressor(weight=0.25)[0], regularizers.BernoulliDropout("hid1:out", 0.5)
    shown = repr(reg), repr(net.losses[0])
    for momentum in (0.25, 0.75):
        net.train([X, Y], algo="sgd", epochs=1, momentum=momentum, regularizers=[reg])
        assert f"momentum = {momentum}" in caplog.text
        assert reg.weight == 0.5 and (repr(reg), repr(net.losses[0])) == shown


def test_training_goes_on_with_other_numbers_and_the_state_of_the_optimizer(compiled):
    whole, parts = regressor()[0], regressor()[0]
    common = dict(algo="sgd", learning_rate=0.1, hidden_noise=0.1)
    for net in (whole, parts):
        net.train([X, Y], epochs=2, weight_l2=0.1, momentum=0.5, **common)
    once = len(compiled)
    parts.train([X, Y], epochs=2, weight_l2=0.2, momentum=0.75, resume=True)
    assert len(compiled) == once
    whole._compiled.clear()
    whole._graphs.clear()
    whole._trained.description = None
    whole.train([X, Y], epochs=2, weight_l2=0.2, momentum=0.75, resume=True)
    assert len(compiled) > once
    for name, value in values(whole).items():
        np.testing.assert_array_equal(value, values(parts)[name], err_msg=name)
    parts.losses[0].weight = 0.5
    with pytest.raises(theanets.util.ConfigurationError, match="the weights of its losses"):
        parts.train([X, Y], epochs=2, resume=True)


def test_values_are_what_a_context_gives_for_their_keys():
    values_ = Values({("loss", 0, "weight"): 2})
    context = Context(values=values_)
    assert context.value(("loss", 0, "weight"), 3) is values_.variables["loss", 0, "weight"]
    assert context.value(("loss", 1, "weight"), np.float64(3)) == 3.0
    assert type(context.value(("loss", 1, "weight"), np.float64(3))) is float
    assert Context().settings() == () != context.settings() != Context(values=Values()).settings()
