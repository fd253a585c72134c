"""Members of a sweep are what they would be alone, and go wrong alone."""

import signal
import sys

import numpy as np
import pytest
import theanets
from theanets import util
from theanets.trainer import progress, sweeps

from ... import helpers

X = np.random.RandomState(0).randn(40, 4).astype("f")
DATA = [X[:28]], [X[28:]]
OPTIONS = dict(algo="adam", epochs=6, validate_every=2, patience=0)


def build(rng, size=2):
    return theanets.Autoencoder([4, (size, "tanh"), 4], rng=rng)


def alone(settings, data=DATA, **options):
    settings = {**OPTIONS, **options, **settings}
    network = build(settings.pop("rng", 13), settings.pop("size", 2))
    network.train(*data, **settings)
    return network


def without_times(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def assert_same(member, network):
    helpers.assert_same_values(helpers.values(member.network), helpers.values(network))
    assert without_times(member.history) == without_times(network.history)
    assert member.history.validations == network.history.validations


def test_members_in_threads_are_those_trained_alone_to_the_last_bit():
    theanets.set_mode("XLA")
    try:
        grid = dict(learning_rate=[0.01, 0.3], hidden_dropout=[0.2], rng=range(2))
        result = theanets.sweep(build, *DATA, grid=grid, jobs=2, **OPTIONS)
        assert [member.settings["rng"] for member in result] == [0, 1] * 2
        for member in result:
            assert_same(member, alone(member.settings))
    finally:
        theanets.set_mode(None)


def test_a_table_has_settings_and_figures_of_all_members():
    grid = [dict(rng=1, learning_rate=0.1), dict(rng=np.int64(2), size=3, learning_rate=0.01)]
    result = theanets.sweep(build, *DATA, grid=grid, weight_l2=0.01, **OPTIONS)
    frame = result.to_frame()
    assert list(frame.columns[:3]) == ["rng", "learning_rate", "size"]
    assert frame["rng"].tolist() == [1, 2] and frame["size"].tolist()[1] == 3
    for i, member in enumerate(result):
        assert_same(member, alone(grid[i], weight_l2=0.01))
        train, valid = member.history.result()
        row = frame.loc[i]
        assert (row["loss"], row["valid_loss"], row["err"]) == (train["loss"], valid["loss"], train["err"])
        assert row["epochs"] == len(member.history) and row["best_epoch"] == member.history.best["epoch"]
        assert 0 < row["seconds"] and row["error"] is None
    best = int(np.argmin(frame["valid_loss"]))
    assert result.best is result.networks[best] and result.best_settings == grid[best]


def test_folds_train_on_their_rows_and_the_table_has_mean_and_spread():
    rows = np.arange(28)
    pairs = [(rows[rows % 2 == 0], rows % 2 == 1), (rows % 2 == 1, rows[rows % 2 == 0])]
    result = theanets.sweep(build, DATA[0], grid=dict(learning_rate=[0.01, 0.1]), folds=pairs, **OPTIONS)
    x = X[:28]
    parts = [([x[::2]], [x[1::2]]), ([x[1::2]], [x[::2]])]
    assert [member.fold for member in result] == [0, 1, 0, 1]
    for member in result:
        assert_same(member, alone(member.settings, parts[member.fold]))
    losses = result.to_frame(folds=True)["valid_loss"].to_numpy().reshape(2, 2)
    frame = result.to_frame()
    assert len(frame) == 2
    np.testing.assert_allclose(frame["valid_loss"], losses.mean(axis=1))
    np.testing.assert_allclose(frame["valid_loss_std"], losses.std(axis=1))
    best = losses.mean(axis=1).argmin()
    assert result.best is result.networks[2 * best + losses[best].argmin()]


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_an_error_in_one_member_is_its_row_and_ends_no_other():
    grid = dict(learning_rate=[0.1, -1.0, 1e38])
    options = {**OPTIONS, "algo": "sgd"}
    with pytest.warns(RuntimeWarning, match="loss is"):
        result = theanets.sweep(build, *DATA, grid=grid, jobs=2, **options)
    errors = result.to_frame()["error"].tolist()
    assert errors[0] is None
    assert errors[1].startswith("ConfigurationError: learning_rate=-1.0")
    assert "not a finite number" in errors[2]
    assert result.networks[1] is None and np.isnan(result.rows()[1]["loss"])
    assert result.best is result.networks[0] and len(result.ensemble()) == 1
    assert_same(result[0], alone(dict(learning_rate=0.1), algo="sgd"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_returns_what_is_done(jobs):
    calls = []

    def press(network, history):
        calls.append(network)
        if len(calls) == 8:
            signal.raise_signal(signal.SIGINT)

    grid = dict(rng=range(40))
    result = theanets.sweep(build, *DATA, grid=grid, jobs=jobs, callbacks=press, **OPTIONS)
    assert result.interrupted and len(result) == 40
    done = [member for member in result if member.error is None]
    assert 1 <= len(done) < 40
    assert all(member.is_interrupted for member in result if member.error is not None)
    assert_same(done[0], alone(done[0].settings))
    assert result.best in [member.network for member in done]


def test_mistakes_are_errors_before_anything_is_trained(monkeypatch):
    def never(*args):
        raise AssertionError("something was trained")

    monkeypatch.setattr("theanets.trainer.sweeps.pool.run", never)
    good = dict(grid=dict(rng=[1]), **OPTIONS)
    for error, match, changed in [
        (util.ArgumentError, "learning_rte", dict(grid=dict(learning_rte=[1]))),
        (util.ArgumentError, "sizes", dict(grid=[dict(rng=1), dict(sizes=3)])),
        (util.ConfigurationError, "expected a list", dict(grid=dict(algo="sgd"))),
        (util.ConfigurationError, "expected a list", dict(grid=dict(rng=[]))),
        (util.ConfigurationError, "no member", dict(grid=[])),
        (util.ConfigurationError, "grid=3", dict(grid=3)),
        (util.ConfigurationError, "expected a dict", dict(grid=[3])),
        (util.ConfigurationError, "jobs=0", dict(jobs=0)),
        (util.ConfigurationError, "jobs='dask'", dict(jobs="dask")),
        (util.ConfigurationError, "folds= and valid=", dict(folds=2)),
        (util.ConfigurationError, "progress=3", dict(progress=3)),
        (util.ConfigurationError, "'best.npz': several members", dict(grid=dict(rng=[1, 2]), save_best="best.npz")),
        (util.ConfigurationError, "checkpoint=3", dict(checkpoint=3)),
        (util.ConfigurationError, "checkpoint=.*is a file", dict(checkpoint=__file__)),
    ]:
        with pytest.raises(error, match=match):
            theanets.sweep(build, *DATA, **{**good, **changed})
    with pytest.raises(util.ConfigurationError, match="an iterator would be used up"):
        theanets.sweep(build, iter([[X]]), **good)
    with pytest.raises(util.DataError, match="train"):
        theanets.sweep(build, [X[:, :3]], **good)
    for function, match in [
        (lambda: None, "does not take a seed"),
        (lambda rng: rng, "returned a int, expected a network"),
        (lambda rng, depth: build(rng), "asks for 'depth'"),
        (3, "expected a function"),
    ]:
        with pytest.raises(util.ConfigurationError, match=match):
            theanets.sweep(function, *DATA, **good)


def test_ensembles_of_several_labels_of_sequences_and_of_mixtures():
    labels = [theanets.Classifier([4, 3], loss="multilabel", rng=seed) for seed in range(2)]
    mean = sum(net.predict_proba(X) for net in labels) / 2
    predicted, spread = sweeps.Ensemble(labels).predict(X, spread=True)
    np.testing.assert_array_equal(predicted, mean > 0.5)
    assert spread.shape == (40, 3) and 0 < predicted.mean() < 1
    steps = [theanets.recurrent.Classifier([4, (3, "rnn"), 2], rng=seed) for seed in range(2)]
    sequences = [X[:3], X[:5]]
    found, spreads = sweeps.Ensemble(steps).predict(sequences, spread=True)
    for x, one, spread in zip(sequences, found, spreads):
        every = np.array([net.predict_proba(x[None])[0] for net in steps])
        np.testing.assert_array_equal(one, every.mean(axis=0).argmax(axis=-1))
        np.testing.assert_allclose(spread, np.take_along_axis(every.std(axis=0), one[:, None], 1)[:, 0], atol=1e-6)
    with pytest.raises(util.ConfigurationError, match="MixtureDensity cannot be averaged"):
        sweeps.Ensemble([theanets.Regressor([4, 9], loss="mixture")] * 2)


def test_a_sweep_of_failures_raises_the_first_one():
    with pytest.raises(util.ConfigurationError, match="all 2 members.*learning_rate=-1") as caught:
        theanets.sweep(build, *DATA, grid=dict(learning_rate=[-1, -2]), **OPTIONS)
    assert isinstance(caught.value.__cause__, util.ConfigurationError)


def test_one_bar_shows_all_members(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    monkeypatch.setattr(progress, "DELAY", 0)
    theanets.sweep(build, *DATA, grid=dict(rng=range(3)), **OPTIONS)
    assert "sweep: 100%" in stream.text and "3/3" in stream.text and "best valid" in stream.text
    assert "training:" not in stream.text


class Terminal:
    """Something that calls itself a terminal, and keeps what is written to it."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        """Do nothing."""

    def isatty(self):
        return True


def test_the_log_says_how_it_runs_and_is_silent_about_members():
    with helpers.log_records() as records:
        theanets.sweep(build, *DATA, grid=dict(rng=range(2)), jobs=2, **OPTIONS)
    lines = [record.getMessage() for record in records]
    assert lines == ["sweep of 2 members: jobs=2"]
