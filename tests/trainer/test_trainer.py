"""Training: golden runs, choice of trainer, arguments, when it stops, what it leaves behind, saving on the way.

The marks T25 and T26 number items of section 7.4 of the contract; the others are in ``test_pretraining.py``.
"""

import gzip
import os
import re
import time

import downhill
import numpy as np
import pytest
import theanets
import theano.tensor as TT
from theanets import trainer, util

from .. import helpers

GOLDEN = helpers.load_golden("activations-losses-regularizers")
FIXED = GOLDEN["regularizers"]["network"]


def fixed_network(**kwargs):
    net = theanets.Regressor([3, (2, "tanh"), 2], **kwargs)
    helpers.assign(net, FIXED["params"])
    return net, [helpers.floats(FIXED["x"]), helpers.floats(FIXED["y"])]


def regression(rng, n=40, nin=3, nout=2):
    return [helpers.floats(rng.randn(n, nin)), helpers.floats(rng.randn(n, nout))]


def messages(records):
    return [record.getMessage() for record in records]


# ---- golden runs


@pytest.mark.parametrize("case", GOLDEN["trainers"]["downhill_cases"], ids=lambda case: case["id"])
def test_golden_run(case):
    net, data = fixed_network()
    pairs = []
    for pair in net.itertrain(data, average="batches", **case["kwargs"]):
        pairs.append(pair)
        after = helpers.values(net)
    for index, key in enumerate(["train", "valid"]):
        assert [list(pair[index]) for pair in pairs] == [list(expected) for expected in case[key]]
        helpers.assert_golden([list(pair[index].values()) for pair in pairs],
                              [list(expected.values()) for expected in case[key]], trajectory=True)
    for name, expected in case["params_after_last_update"].items():
        helpers.assert_golden(after[name], expected, trajectory=True)
    # issue 2 replaces `params_at_end`: the end state is validated on the way out, and here it is the best.
    helpers.assert_same_values(helpers.values(net), after)


# ---- choice of trainer


class Recorder:
    """A trainer that only notes what it is given."""

    def itertrain(self, train, valid=None, **kwargs):
        self.train, self.valid, self.kwargs = train, valid, kwargs
        yield dict(loss=1), dict(loss=2)
        yield dict(loss=3), dict(loss=4)


def test_an_object_is_used_as_trainer(rng):
    mine = Recorder()
    data = regression(rng)
    assert theanets.Regressor([3, 2], rng=5).train(data, algo=mine, batch_size=7, weight_l2=0.1) == (
        dict(loss=3), dict(loss=4))
    assert isinstance(mine.train, downhill.Dataset) and isinstance(mine.valid, downhill.Dataset)
    assert mine.train is not mine.valid
    assert mine.kwargs["rng"] == 5 and mine.kwargs["weight_l2"] == 0.1
    assert mine.train.iteration_size == mine.valid.iteration_size == 6
    # both start from the same seed.
    assert [b[0][0, 0] for b in mine.train] == [b[0][0, 0] for b in mine.valid]


def test_batches_are_counted_per_data_set(rng):
    mine = Recorder()
    theanets.Regressor([3, 2]).train(regression(rng), algo=mine, train_batches=2, valid_batches=1)
    assert (mine.train.iteration_size, mine.valid.iteration_size) == (2, 1)
    theanets.Regressor([3, 2]).train(regression(rng), algo=mine, batch_size=0)
    assert mine.train.iteration_size == 1


def test_optimizers_are_chosen_by_name_in_any_case():
    expected = helpers.epochs(*fixed_network(), 3, algo="adam", learning_rate=0.01)
    assert helpers.epochs(*fixed_network(), 3, algo="ADAM", learning_rate=0.01) == expected


def test_default_optimizer():
    assert helpers.epochs(*fixed_network(), 3) == helpers.epochs(
        *fixed_network(), 3, algo="rmsprop", learning_rate=1e-4, rms_halflife=14, rms_regularizer=1e-8)


@pytest.mark.parametrize("old", ["algorithm", "optimize"])
def test_old_spellings_of_the_algorithm(old):
    expected = helpers.epochs(*fixed_network(), 3, algo="sgd", learning_rate=0.1)
    with pytest.warns(DeprecationWarning, match="algo"):
        assert helpers.epochs(*fixed_network(), 3, learning_rate=0.1, **{old: "sgd"}) == expected
    with pytest.warns(DeprecationWarning, match="algo"):
        assert helpers.epochs(*fixed_network(), 3, learning_rate=0.1, **{old: ["sgd", "adam"]}) == expected


def test_old_spellings_of_the_data():
    net, data = fixed_network()
    expected = net.train(data, [data[0], 2 * data[1]], algo="sgd", max_updates=1)
    with pytest.warns(DeprecationWarning):
        assert fixed_network()[0].train(train_set=data, valid_set=[data[0], 2 * data[1]], algo="sgd",
                                        max_updates=1) == expected
    assert expected[1]["loss"] != expected[0]["loss"]


@pytest.mark.parametrize("algo", ["foo", "optimizer", "base", "", None, 3])
def test_t26_unknown_algorithms_are_listed(algo):
    net, data = fixed_network()
    with pytest.raises(util.ConfigurationError) as caught:
        net.itertrain(data, algo=algo)
    if algo in ("foo", "optimizer"):
        for known in ["sgd", "nag", "rprop", "rmsprop", "adagrad", "adadelta", "adam", "esgd", "layerwise", "pretrain",
                      "sample"]:
            assert known in str(caught.value)
        with pytest.raises(util.ConfigurationError):
            net.itertrain(data, algo="layerwise", subalgo=algo)


def test_downhill_trainer_can_be_used_alone():
    net, data = fixed_network()
    mine = trainer.DownhillTrainer("sgd", net)
    assert (mine.algo, mine.network) == ("sgd", net)
    sets = [downhill.Dataset(data, rng=13) for _ in range(2)]
    pairs = list(mine.itertrain(*sets, learning_rate=0.1, max_updates=4, average="batches"))
    helpers.assert_golden([t["loss"] for t, _ in pairs],
                          [t["loss"] for t in GOLDEN["trainers"]["downhill_cases"][1]["train"]], trajectory=True)


def test_monitors_come_in_order(rng):
    net = theanets.Classifier([3, 4, 2])
    data = [rng.randn(10, 3), rng.randint(2, size=10)]
    train, valid = net.train(data, max_updates=1, monitors=[("hid1:out", [0.5, ("m", TT.mean)])],
                             monitor_gradients=True)
    expected = ["loss", "err", "hid1:out<0.5", "hid1:out:m", "acc", "grad(hid1.w)", "grad(hid1.b)", "grad(out.w)",
                "grad(out.b)"]
    assert list(train) == list(valid) == expected


def test_each_run_starts_with_a_new_optimizer():
    # momentum, averages and the count of failures do not survive a run.
    net, data = fixed_network()
    expected = helpers.epochs(net, data, 2, algo="sgd", learning_rate=0.1)
    net, _ = fixed_network()
    twice = [net.train(data, algo="sgd", learning_rate=0.1, momentum=0.9, max_updates=1)[0]["loss"] for _ in range(2)]
    np.testing.assert_allclose(twice, [train for train, _ in expected], rtol=1e-6)


# ---- arguments


def test_nothing_but_checks_happens_before_the_first_epoch():
    net, data = fixed_network()
    before = helpers.values(net)
    run = net.itertrain(data, algo="sgd", learning_rate=0.1)
    helpers.assert_same_values(helpers.values(net), before)
    assert iter(run) is run
    next(run)
    assert (helpers.values(net)["hid1.w"] != before["hid1.w"]).any()


@pytest.mark.parametrize("kwargs, near", [
    (dict(min_improvment=0.1), "min_improvement"), (dict(lerning_rate=5), "learning_rate"),
    (dict(wieght_l2=3), "weight_l2"), (dict(batchsize=5), "batch_size"), (dict(save_ever=5), "save_every"),
    (dict(max_epochs=3), "epochs"), (dict(spam=1), ""),
])
@pytest.mark.parametrize("method", ["train", "itertrain"])
def test_unknown_arguments_are_errors_that_name_the_nearest(method, kwargs, near):
    net, data = fixed_network()
    (name,) = kwargs
    with pytest.raises(util.ConfigurationError, match=repr(name)) as caught:
        getattr(net, method)(data, **kwargs)
    assert near in str(caught.value)


@pytest.mark.parametrize("algo, option, users", [
    ("sgd", "rms_halflife", ["rmsprop", "adadelta", "esgd"]), ("rmsprop", "beta1_halflife", ["adam"]),
    ("adam", "rprop_max_step", ["rprop"]), ("sgd", "rms_regularizer", ["rmsprop", "adagrad", "adadelta", "adam"]),
])
def test_options_of_another_algorithm_are_errors_that_name_it(algo, option, users):
    net, data = fixed_network()
    for kwargs in [dict(algo=algo), dict(algo="layerwise", subalgo=algo), dict(algo="pretrain", subalgo=algo)]:
        with pytest.raises(util.ConfigurationError, match=option) as caught:
            net.itertrain(data, **{option: 1}, **kwargs)
        assert all(user in str(caught.value) for user in users)
    assert len(helpers.epochs(net, data, 1, algo=users[0], **{option: 1})) == 1


def test_every_option_of_an_algorithm_is_accepted():
    common = dict(learning_rate=0.01, momentum=0.1, nesterov=True, patience=2, validate_every=3, min_improvement=0.1,
                  max_gradient_norm=1, max_gradient_elem=1, max_updates=2, epochs=2, max_seconds=60)
    rms = dict(rms_halflife=3, rms_regularizer=1e-6)
    own = dict(sgd={}, nag={}, rmsprop=rms, adadelta=rms, esgd=rms, adagrad=dict(rms_regularizer=1e-6),
               adam=dict(beta1_halflife=3, beta2_halflife=9, beta1_decay=0.99, rms_regularizer=1e-6),
               rprop=dict(rprop_increase=1.1, rprop_decrease=0.9, rprop_min_step=0, rprop_max_step=1))
    _, data = fixed_network()
    for algo, options in own.items():
        assert len(list(theanets.Regressor([3, 2]).itertrain(data, algo=algo, **common, **options))) == 2


def test_t25_a_name_is_ignored():
    net, data = fixed_network()
    assert len(list(net.itertrain(data, algo="sgd", max_updates=2, name="x"))) == 2


# ---- when to stop


def steps(**kwargs):
    net, data = fixed_network()
    return len(list(net.itertrain(data, algo="sgd", **{"learning_rate": 0.01, **kwargs})))


@pytest.mark.parametrize("kwargs, count", [
    (dict(epochs=3), 3), (dict(max_updates=4), 4), (dict(epochs=3, max_updates=4), 3),
    (dict(epochs=5, max_updates=4), 4), (dict(epochs=0), 0), (dict(max_updates=0), 0), (dict(epochs=np.int64(2)), 2),
])
def test_epochs_are_limited(kwargs, count):
    assert steps(**kwargs) == count


def test_train_returns_the_last_epoch_and_the_validation_of_what_is_left():
    net, data = fixed_network()
    pairs = list(net.itertrain(data, algo="sgd", learning_rate=0.1, epochs=3))
    net, data = fixed_network()
    train, valid = net.train(data, algo="sgd", learning_rate=0.1, epochs=3)
    assert train == pairs[-1][0]
    np.testing.assert_allclose(valid["loss"], ((net.predict(data[0]) - data[1]) ** 2).mean(), rtol=1e-6)
    nothing, again = net.train(data, epochs=0)
    assert list(nothing) == list(train) and np.isnan(list(nothing.values())).all() and again == valid


def test_seconds_are_limited():
    net, data = fixed_network()

    def slow():
        time.sleep(0.02)
        return data

    start = time.time()
    pairs = list(net.itertrain(slow, valid=data, train_batches=1, algo="sgd", learning_rate=1e-3, patience=1000,
                               max_seconds=0.7, epochs=1000))
    assert 0 < len(pairs) < 100
    assert time.time() - start < 10


@pytest.mark.parametrize("kwargs", [dict(epochs=-1), dict(epochs="many"), dict(epochs=float("nan")),
                                    dict(max_seconds=-1), dict(max_seconds="long"), dict(validate_every=0)], ids=str)
def test_limits_must_make_sense(kwargs):
    net, data = fixed_network()
    with pytest.raises(util.ConfigurationError, match=next(iter(kwargs))):
        net.itertrain(data, **kwargs)


@pytest.mark.parametrize("patience, every", [(0, 1), (2, 1), (1, 3)])
def test_patience_counts_validations_without_enough_improvement(patience, every):
    # the loss falls all the time, but never to a half.
    net, data = fixed_network()
    run = net.itertrain(data, algo="sgd", learning_rate=1e-3, patience=patience, validate_every=every,
                        min_improvement=0.5)
    pairs = list(run)
    assert len(pairs) == (patience + 1) * every
    losses = [train["loss"] for train, _ in pairs]
    assert losses == sorted(losses, reverse=True) and len(set(losses)) == len(losses)


def test_min_improvement_governs_patience_only():
    # the best parameters are those of the lowest loss, improvement enough or not.
    net, data = fixed_network()
    for _ in net.itertrain(data, algo="sgd", learning_rate=1e-3, patience=1, validate_every=2, min_improvement=0.5):
        last = helpers.values(net)
    helpers.assert_same_values(helpers.values(net), last)


def test_patience_starts_anew_after_a_success():
    # the validation loss of `passing` falls for two epochs and rises ever after.
    net, data, valid, states = passing()
    pairs = list(net.itertrain(data, valid, algo="sgd", learning_rate=0.1, validate_every=1, patience=2))
    assert len(pairs) == 5
    helpers.assert_same_values(helpers.values(net), states[2])


REASONS = [
    (dict(epochs=2), r"epochs"),
    (dict(max_updates=2), r"epochs|updates"),
    (dict(max_seconds=1e-3), r"seconds"),
    (dict(learning_rate=0, patience=0, validate_every=1), r"patience"),
]


@pytest.mark.parametrize("kwargs, pattern", REASONS, ids=[next(iter(kwargs)) for kwargs, _ in REASONS])
def test_the_reason_for_stopping_is_logged_in_words(kwargs, pattern):
    net, data = fixed_network()
    with helpers.log_records("theanets") as records:
        net.train(data, algo="sgd", **kwargs)
    (line,) = [line for line in messages(records) if re.search(r"stop", line)]
    assert re.search(pattern, line)


# ---- the best parameters on every exit


def passing(best=2, **kwargs):
    """A network, training data, validation data that it meets after ``best`` epochs, and the states it goes through."""
    net, data = fixed_network()
    states = [helpers.values(net)]
    for _ in net.itertrain(data, algo="sgd", learning_rate=0.1, epochs=7):
        states.append(helpers.values(net))
    helpers.assign(net, states[best])
    valid = [data[0], net.predict(data[0])]
    return fixed_network(**kwargs)[0], data, valid, states


def errors(states, valid):
    """The validation loss of each state."""
    net, _ = fixed_network()
    result = []
    for state in states:
        helpers.assign(net, state)
        result.append(((net.predict(valid[0]) - valid[1]) ** 2).mean())
    return result


def limited(stop):
    """A callable that gives a batch ``count`` times, and then does something else."""

    def make(data, count):
        batches = iter([data] * count)

        def batch():
            for item in batches:
                return item
            return stop()

        return batch

    return make


def interrupt():
    raise KeyboardInterrupt


def fail():
    raise ValueError("out of data")


def leave_by(exit_, net, data, count, **kwargs):
    """Train for ``count`` epochs and leave in one of many ways."""
    kwargs.update(algo="sgd", learning_rate=0.1)
    if exit_ in ("epochs", "max_updates"):
        return net.train(data, **{exit_: count}, **kwargs)
    if exit_ == "break":
        for index, _ in enumerate(net.itertrain(data, **kwargs)):
            if index + 1 == count:
                break
    if exit_ == "close":
        run = net.itertrain(data, **kwargs)
        for _ in range(count):
            next(run)
        run.close()
    if exit_ == "throw":
        run = net.itertrain(data, **kwargs)
        for _ in range(count):
            next(run)
        with pytest.raises(KeyError, match="thrown"):
            run.throw(KeyError("thrown"))
    if exit_ in ("error in the loop", "interrupt in the loop"):
        kind = ValueError if exit_.startswith("error") else KeyboardInterrupt
        with pytest.raises(kind):
            for index, _ in enumerate(net.itertrain(data, **kwargs)):
                if index + 1 == count:
                    raise kind
    if exit_ == "interrupt from a batch":  # ends the loop quietly
        return net.train(limited(interrupt)(data, count), train_batches=1, **kwargs)
    if exit_ == "error from a batch":
        with pytest.raises(ValueError, match="out of data"):
            net.train(limited(fail)(data, count), train_batches=1, **kwargs)
    if exit_ == "no more batches":
        return net.train((data for _ in range(count)), train_batches=1, **kwargs)
    return None


EXITS = ["epochs", "max_updates", "break", "close", "throw", "error in the loop", "interrupt in the loop",
         "interrupt from a batch", "error from a batch", "no more batches"]


@pytest.mark.parametrize("exit_", EXITS)
@pytest.mark.parametrize("count, every", [(1, 1), (2, 10), (5, 1), (5, 2), (3, 10)])
def test_the_best_validated_parameters_are_left(exit_, count, every):
    net, data, valid, states = passing()
    leave_by(exit_, net, data, count, valid=valid, validate_every=every, patience=100)
    # validated: every `every` epochs from the start, and the end state on the way out.
    candidates = sorted({*range(0, count, every), count})
    losses = errors(states, valid)
    best = min(candidates, key=lambda index: losses[index])
    helpers.assert_same_values(helpers.values(net), states[best])
    assert [layer.name for layer in net.layers] == ["in", "hid1", "out"]


def test_what_was_learned_after_the_last_validation_counts():
    net, data = fixed_network()
    before = helpers.values(net)
    for _ in net.itertrain(data, algo="sgd", learning_rate=0.1, max_updates=5):
        last = helpers.values(net)
    helpers.assert_same_values(helpers.values(net), last)
    assert (last["hid1.w"] != before["hid1.w"]).any()


@pytest.mark.parametrize("exit_", ["epochs", "interrupt from a batch", "no more batches"])
@pytest.mark.parametrize("every, best", [(3, 3), (1, 2), (10, 5)])
def test_the_validation_of_the_parameters_that_are_left_is_returned(exit_, every, best):
    net, data, valid, states = passing()
    _, monitors = leave_by(exit_, net, data, 5, valid=valid, validate_every=every, patience=100)
    np.testing.assert_allclose(monitors["loss"], errors(states, valid)[best], rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(monitors["loss"], errors([helpers.values(net)], valid)[0], rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(net.history["valid_loss"][-1], errors(states, valid)[5], rtol=1e-4)


def test_a_run_that_makes_things_worse_changes_nothing():
    net, data = fixed_network()
    before = helpers.values(net)
    net.train(data, algo="sgd", learning_rate=5, epochs=3, validate_every=1)
    helpers.assert_same_values(helpers.values(net), before)


def test_an_interrupt_is_logged_and_returns_the_last_pair():
    net, data = fixed_network()
    with helpers.log_records("theanets") as records:
        pair = leave_by("interrupt from a batch", net, data, 3, valid=data)
    expected = helpers.epochs(*fixed_network(), 3, algo="sgd", learning_rate=0.1)
    np.testing.assert_allclose(pair[0]["loss"], expected[-1][0], rtol=1e-6)
    assert any("interrupt" in line for line in messages(records))


def test_an_interrupt_before_the_first_epoch_returns_what_the_network_holds():
    net, data = fixed_network()
    before = helpers.values(net)
    train, valid = leave_by("interrupt from a batch", net, data, 0, valid=data)
    helpers.assert_same_values(helpers.values(net), before)
    assert list(train) == list(valid) == ["loss", "err"] and np.isnan(list(train.values())).all()
    np.testing.assert_allclose(valid["loss"], ((net.predict(data[0]) - data[1]) ** 2).mean(), rtol=1e-6)
    assert len(net.history) == 0 and len(net.history.validations) == 1


def test_batches_that_run_out_are_logged():
    net, data = fixed_network()
    with helpers.log_records("theanets") as records:
        leave_by("no more batches", net, data, 3, valid=data)
    (line,) = [line for line in messages(records) if re.search(r"stop", line)]
    assert "data" in line


def test_an_iterator_that_ends_within_an_epoch_is_no_error():
    net, data = fixed_network()
    pairs = list(net.itertrain((data for _ in range(5)), valid=data, train_batches=2, algo="sgd", learning_rate=0.1))
    assert 2 <= len(pairs) <= 3
    assert ((net.predict(data[0]) - data[1]) ** 2).mean() < pairs[-1][0]["loss"]


class Passes:
    """A trainer that only reads the data."""

    def itertrain(self, train, valid=None, **kwargs):
        while True:
            yield dict(loss=len(list(train))), dict(loss=0)


@pytest.mark.parametrize("algo", ["sample", Passes()], ids=["sample", "own"])
@pytest.mark.parametrize("count", [1, 5])
def test_batches_that_run_out_end_every_trainer(algo, count):
    net, data = fixed_network()
    batches = (data for _ in range(count))
    with helpers.log_records("theanets") as records:
        pairs = list(net.itertrain(batches, valid=data, train_batches=2, algo=algo))
    if algo == "sample" and count == 5:  # two passes are enough for this network
        assert len(pairs) == 1
    else:
        assert len(pairs) == count // 2
        assert any(re.search(r"stop.*data", line) for line in messages(records))


@pytest.mark.parametrize("stop", [interrupt, fail])
@pytest.mark.parametrize("again", [True, False])
def test_leaving_from_within_a_validation(stop, again):
    # the third scheduled validation fails: the state of epoch 1 is the best so far, that of epoch 2 would be better.
    net, data, valid, states = passing()
    calls = []

    def validate():
        calls.append(1)
        if len(calls) == 3 or (len(calls) > 3 and not again):
            stop()
        return valid

    kwargs = dict(valid=validate, valid_batches=1, algo="sgd", learning_rate=0.1, validate_every=1, epochs=6)
    if stop is fail:
        with pytest.raises(ValueError, match="out of data"):
            net.train(data, **kwargs)
    else:
        assert net.train(data, **kwargs)[0]["loss"] > 0
    found = helpers.values(net)
    index = [i for i in range(3) if all((found[k] == states[i][k]).all() for k in found)]
    assert index == [2] if again else index == [1]


def test_an_interrupt_in_the_middle_of_an_epoch():
    # two batches of two, then Ctrl-C in the middle of the second epoch: that state counts as well.
    net, data = fixed_network()
    batches = limited(interrupt)(data, 3)
    plain = [helpers.values(net)]
    net.train(batches, valid=data, train_batches=2, algo="sgd", learning_rate=0.1)
    other, _ = fixed_network()
    for _ in other.itertrain(data, algo="sgd", learning_rate=0.1, epochs=3):
        plain.append(helpers.values(other))
    for name, expected in plain[3].items():
        np.testing.assert_allclose(helpers.values(net)[name], expected, rtol=1e-6, err_msg=name)


# ---- losses that are not numbers


@pytest.mark.parametrize("every", [1, 10])
def test_a_loss_that_is_not_a_number_ends_training(every):
    # the first step is so large that the loss of the next batch overflows.
    net, data = fixed_network()
    before = helpers.values(net)
    with helpers.log_records("theanets") as records, pytest.warns(RuntimeWarning, match=r"loss is (nan|inf)"):
        pairs = list(net.itertrain(data, algo="sgd", learning_rate=1e30, validate_every=every, epochs=50))
    assert 1 <= len(pairs) < 10
    assert not np.isfinite([monitors["loss"] for monitors in pairs[-1]]).all()
    assert np.isfinite([monitors["loss"] for pair in pairs[:-1] for monitors in pair]).all()
    helpers.assert_same_values(helpers.values(net), before)
    (line,) = [line for line in messages(records) if re.search(r"stop", line)]
    assert "number" in line


def test_a_validation_loss_that_is_not_a_number_ends_training():
    net, data = fixed_network()
    calls = []

    def valid():
        calls.append(1)
        return [data[0], data[1] * (np.nan if len(calls) > 2 else 1)]

    states = []
    with pytest.warns(RuntimeWarning):
        for _ in net.itertrain(data, valid=valid, valid_batches=1, algo="sgd", learning_rate=0.1, validate_every=1,
                               epochs=50):
            states.append(helpers.values(net))
    assert len(states) == 3
    helpers.assert_same_values(helpers.values(net), states[0])  # the second and last that was validated with a number


def test_a_validation_loss_that_never_is_a_number_changes_nothing():
    net, data = fixed_network()
    before = helpers.values(net)
    valid = [data[0], data[1] * np.nan]
    with pytest.warns(RuntimeWarning):
        net.train(data, valid=lambda: valid, valid_batches=1, algo="sgd", learning_rate=0.1, epochs=50)
    helpers.assert_same_values(helpers.values(net), before)


def test_training_goes_on_after_a_loss_that_was_not_a_number():
    net, data = fixed_network()
    with pytest.warns(RuntimeWarning):
        net.train(data, algo="sgd", learning_rate=1e30, epochs=50)
    expected = helpers.epochs(*fixed_network(), 2, algo="sgd", learning_rate=0.1)
    assert helpers.epochs(net, data, 2, algo="sgd", learning_rate=0.1) == expected


# ---- saving on the way


def moments(tmp_path, count, **kwargs):
    """Numbers (from 0) of the items at which a saved file has appeared, and whether there is one in the end."""
    net, data = fixed_network()
    path = tmp_path / f"{count}-{kwargs}.pkl"
    seen = []
    for index, _ in enumerate(net.itertrain(data, algo="sgd", epochs=count, save_progress=str(path), **kwargs)):
        if path.exists():
            seen.append(index)
            path.unlink()
    return seen, path.exists()


@pytest.mark.parametrize("every, count, expected", [
    (2, 8, [3, 5, 7]), (2, 9, [3, 5, 7]), (3, 8, [4, 7]), (1, 4, [2, 3]),
])
def test_progress_is_saved_every_few_epochs_and_at_the_end(tmp_path, every, count, expected):
    assert moments(tmp_path, count, save_every=every) == (expected, True)


def test_a_fraction_counts_minutes(tmp_path):
    assert moments(tmp_path, 4, save_every=1e-9) == ([2, 3], True)
    assert moments(tmp_path, 4, save_every=60.0) == ([], True)


@pytest.mark.parametrize("kwargs", [{}, dict(save_every=0), dict(save_every=0.0)], ids=str)
def test_t25_zero_means_never(tmp_path, kwargs):
    assert moments(tmp_path, 4, **kwargs) == ([], False)


@pytest.mark.parametrize("exit_", ["epochs", "break", "error from a batch", "interrupt from a batch"])
def test_the_file_left_behind_holds_the_best_parameters(tmp_path, exit_):
    net, data, valid, states = passing()
    path = tmp_path / "net.pkl"
    leave_by(exit_, net, data, 6, valid=valid, validate_every=1, save_progress=path, save_every=4)
    again = theanets.Network.load(path)
    assert isinstance(again, theanets.Regressor)
    helpers.assert_same_values(helpers.values(again), states[2])


def test_a_save_that_fails_leaves_the_old_file(tmp_path):
    net, data = fixed_network()
    path = tmp_path / "net.pkl"
    net.save(path)
    old = path.read_bytes()
    net.losses[0].unpicklable = lambda: None
    with pytest.raises(Exception, match="pickle|lambda|local"):
        net.train(data, epochs=5, save_progress=path, save_every=2)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["net.pkl"]


def test_names_of_saved_files(tmp_path):
    net, data = fixed_network()
    net.train(data, epochs=3, save_progress=str(tmp_path / "n-{}-{foo}.pkl.gz"), save_every=2)
    names = sorted(os.listdir(tmp_path))
    assert names and all(re.fullmatch(r"n-\d{10,}-\{foo\}\.pkl\.gz", name) for name in names)
    with gzip.open(tmp_path / names[0]) as handle:
        assert len(handle.read()) > 100
    np.testing.assert_array_equal(theanets.Network.load(tmp_path / names[-1]).predict(data[0]), net.predict(data[0]))


def test_an_open_file_is_written_from_its_start(tmp_path):
    net, data = fixed_network()
    sizes = []
    with open(tmp_path / "net.pkl", "w+b") as handle:
        for _ in net.itertrain(data, algo="sgd", epochs=6, save_progress=handle, save_every=2):
            handle.flush()
            sizes.append(os.path.getsize(handle.name))
        assert not handle.closed
    assert sizes[:3] == [0, 0, 0] and sizes[3] > 0
    assert max(sizes) < 1.5 * sizes[3]
    np.testing.assert_array_equal(theanets.Network.load(tmp_path / "net.pkl").predict(data[0]), net.predict(data[0]))
