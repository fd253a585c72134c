"""How batches reach a compiled function: all at once, some together, or one after the other."""

import numpy as np
import pytest
import theanets
import theano
from theanets import util
from theanets.data import sources
from theanets.data.batches import padded_length, saves_by_trimming
from theanets.trainer import passes
from theanets.xla import epochs

RUN = dict(algo="sgd", learning_rate=0.1, rng=3, shuffle=False)

X = np.random.RandomState(0).randn(88, 4).astype("float32")

STEPS = np.random.RandomState(1).randn(24, 12, 3).astype("float32")


@pytest.fixture
def by_xla():
    before = theanets.get_mode()
    theanets.set_mode("XLA")
    yield
    theanets.set_mode(before)


def trained(make, train, count=2, **kwargs):
    """Train for some epochs; return the losses and the parameters."""
    network = make()
    training = network.itertrain(train, **{**RUN, **kwargs})
    losses = [next(training)[0]["loss"] for _ in range(count)]
    values = [param.get_value() for param in network.params]
    training.close()
    return losses, values


def autoencoder():
    return theanets.Autoencoder([4, 3, 4])


def recurrent():
    return theanets.recurrent.Regressor([3, (4, "rnn"), 2])


def cut(size=8):
    """Generate the batches of the data."""
    for start in range(0, len(X), size):
        yield [X[start : start + size]]


def assert_same(found, expected, tolerance=1e-5):
    np.testing.assert_allclose(found[0], expected[0], rtol=tolerance)
    for a, b in zip(found[1], expected[1]):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("small", [passes.SMALL, 0])
def test_batches_that_come_one_by_one_train_as_those_of_an_array(each_mode, small, monkeypatch):
    monkeypatch.setattr(passes, "SMALL", small)
    expected = trained(autoencoder, [X], batch_size=8, valid=[X])
    assert_same(trained(autoencoder, cut, valid=[X]), expected)
    # a short one at the end, and others in between.
    short = trained(autoencoder, [X], batch_size=9, valid=[X])
    assert_same(trained(autoencoder, lambda: cut(9), valid=lambda: cut(5)), short)


def test_how_many_run_together_makes_no_difference_to_a_bit(by_xla, monkeypatch):
    expected = trained(autoencoder, cut)
    for name, value in (("COLLECTING", 0), ("COLLECTING", 1e9)):
        monkeypatch.setattr(passes, name, value)
        found = trained(autoencoder, cut)
        assert found[0] == expected[0]
        assert all(np.array_equal(a, b) for a, b in zip(found[1], expected[1]))


def test_what_came_before_an_error_is_learned(each_mode):
    def broken():
        yield from list(cut())[:5]
        raise ArithmeticError("in the data")

    network = autoencoder()
    expected = trained(autoencoder, [X[:40]], 1, batch_size=8, valid=[X])
    with pytest.raises(ArithmeticError, match="in the data"):
        network.train(broken, valid=[X], **RUN)
    assert_same((expected[0], [param.get_value() for param in network.params]), expected)


def test_states_are_carried_on_in_one_call(each_mode):
    data = [STEPS, STEPS[..., :2]]
    windows = trained(recurrent, data, batch_size=4, axis=1, stateful=True)
    function = passes.Pass._run_as_they_come

    def refuse(self, deadline):
        raise AssertionError("batch by batch")

    passes.Pass._run_as_they_come = refuse
    try:
        again = trained(recurrent, data, batch_size=4, axis=1, stateful=True)
        keep = trained(recurrent, data, batch_size=24, stateful="keep")
    finally:
        passes.Pass._run_as_they_come = function
    assert_same(again, windows)
    theanets.set_mode("FAST_COMPILE")
    assert_same(trained(recurrent, data, batch_size=4, axis=1, stateful=True), windows, 1e-4)
    assert_same(trained(recurrent, data, batch_size=24, stateful="keep"), keep, 1e-4)


def windows(lengths):
    for i, length in enumerate(lengths):
        yield [STEPS[8 * (i % 3) : 8 * (i % 3) + 8, :length], STEPS[8 * (i % 3) : 8 * (i % 3) + 8, :length, :2]]


def test_sequences_that_differ_from_batch_to_batch_are_padded_to_a_few_lengths(by_xla, monkeypatch):
    lengths, valid = [12, 11, 9, 10], [STEPS, STEPS[..., :2]]
    found = trained(recurrent, lambda: windows(lengths), 1, valid=valid)
    with monkeypatch.context() as patch:
        patch.setattr("theanets.data.sources._have_steps_of_their_own", lambda *args: False)
        assert_same(found, trained(recurrent, lambda: windows(lengths), 1, valid=valid))
    batches = windows([11, *lengths])
    source = sources.build(lambda: next(batches), recurrent()._slots(), "train")
    assert source.varies()
    dataset = source.dataset("train", masked=True, iteration_size=5)
    found = [[array.shape[1] for array in batch] for batch in dataset]
    assert found == [[length] * 3 for length in (12, 12, 12, 10, 10)]


def test_many_shapes_are_warned_of_once():
    x = theano.tensor.fmatrix()
    function = theano.function([x], [x.sum()], mode="XLA")
    run = passes.Pass(function, [[X[:count]] for count in range(1, 13)])
    with pytest.warns(UserWarning, match="10 different shapes so far.*compiles a program for each") as caught:
        found = [value for some in run.run() for value in some]
    assert len(found) == 12 and sum("different shapes" in str(item.message) for item in caught) == 1
    np.testing.assert_allclose(np.ravel(found), [X[:count].sum() for count in range(1, 13)], rtol=1e-4)


def test_networks_that_take_no_masks_are_told_apart():
    assert recurrent()._takes_masks()
    assert not theanets.recurrent.Regressor([3, dict(form="rnn", size=4, output_order="processing"), 2])._takes_masks()


LABELS = (np.abs(X).argmax(axis=1) % 3).astype("int32")
WEIGHTS = np.random.RandomState(2).rand(len(X)).astype("float32")


def classifier(seed=1, **kwargs):
    return theanets.Classifier([4, (5, "tanh"), 3], rng=seed, weighted=True, **kwargs)


@pytest.mark.parametrize("shuffle", ["rows", "batches"])
def test_weighted_data_of_many_lengths_share_one_program(by_xla, shuffle, monkeypatch):
    made, make = [], epochs.LoopCode.compile
    monkeypatch.setattr(epochs.LoopCode, "compile", lambda *args: made.append(args) or make(*args))
    options = dict(batch_size=8, weight_l2=0.1, shuffle=shuffle, algo="adam")
    found = {}
    for length in (35, 39, 61):
        found[length] = trained(classifier, [X[:length], LABELS[:length], WEIGHTS[:length]], **options)
    # the loops for training and for validation; these lengths make five to eight batches.
    assert len(made) == 2
    theanets.set_mode("FAST_COMPILE")
    for length in (35, 61):
        assert_same(found[length], trained(classifier, [X[:length], LABELS[:length], WEIGHTS[:length]], **options))


@pytest.mark.parametrize("shuffle", ["batches", "rows"])
def test_data_with_a_batch_at_the_end_of_one_size_share_one_program(by_xla, shuffle, monkeypatch):
    made, make = [], epochs.LoopCode.compile
    monkeypatch.setattr(epochs.LoopCode, "compile", lambda *args: made.append(args) or make(*args))
    plain = lambda: theanets.Classifier([4, 5, 3], rng=1)  # noqa: E731
    options = dict(batch_size=8, hidden_noise=0.1, shuffle=shuffle, algo="sgd")
    # five to seven full batches, which eight have room for, and one of three rows.
    found = [trained(plain, [X[:length], LABELS[:length]], **options) for length in (59, 51, 43)]
    found.append(trained(plain, [X[:43], LABELS[:43]], train_batches=2, **options))
    assert len(made) == 2
    monkeypatch.setattr(passes, "spaced", lambda arrays, size, is_mixed: (arrays, 0))
    for one, number in zip(found[-2:], (None, 2)):
        assert_same(one, trained(plain, [X[:43], LABELS[:43]], train_batches=number, **options), tolerance=0)


@pytest.mark.parametrize("make, options", [
    (classifier, {"hidden_l1": 0.1}),
    (lambda: theanets.Classifier([4, 5, 3]), {}),
    (lambda: theanets.Classifier([4, 5, "batchnorm", 3], weighted=True), {}),
    (lambda: classifier(loss=lambda output, target: abs(output[:, 0] - target).mean()), {}),
    (lambda: type("Own", (theanets.Classifier,), {"loss": lambda self, **kwargs: 0})([4, 3], weighted=True), {}),
])  # fmt: skip
def test_rows_that_might_matter_are_not_added(make, options):
    check = classifier()._ignores_rows_without_weight
    assert check(theanets.regularizers.from_kwargs(classifier(), weight_l1=1, hidden_dropout=0.5))
    network = make()
    assert not network._ignores_rows_without_weight(theanets.regularizers.from_kwargs(network, **options))


def test_an_item_too_few_to_compare(by_xla):
    batches = windows([12])
    network = recurrent()
    network.train(lambda: next(batches), valid=[STEPS, STEPS[..., :2]], train_batches=1, epochs=1, **RUN)


def test_lengths_that_are_padded_to():
    found = [padded_length(length) for length in range(1, 2000)]
    assert all(length <= padded <= 1.25 * length for length, padded in enumerate(found, start=1))
    assert found == sorted(found) and len(set(found)) <= 40
    assert all(padded_length(length) == length for length in found)


def test_batches_are_trimmed_where_that_saves_much():
    assert not saves_by_trimming([10, 20] * 50, 10)
    assert saves_by_trimming([10] * 50 + [40] * 50, 10)
    assert not saves_by_trimming([10] * 50 + [40] * 50, 10, is_mixed=True)
    assert not saves_by_trimming([10] * 50 + [40] * 50, 0)


def test_sequences_of_different_lengths_run_in_one_call(each_mode, monkeypatch):
    lists = [x[: 4 + i % 9] for i, x in enumerate(STEPS)]
    data = [lists, [x[:, :2] for x in lists]]
    whole = trained(recurrent, data, batch_size=6)
    monkeypatch.setattr("theanets.data.sources.saves_by_trimming", lambda *args: True)
    assert_same(trained(recurrent, data, batch_size=6), whole)


def test_a_batch_of_other_sequences_is_refused(each_mode):
    with pytest.raises(util.DataError, match="a batch of 4 sequences follows one of 10"):
        recurrent().train([STEPS, STEPS[..., :2]], batch_size=10, stateful=True, epochs=1, **RUN)
