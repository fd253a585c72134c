"""A learning rate is found by trials, which leave no trace but its record."""

import numpy as np
import pytest
import theanets
from theanets import util

from ... import helpers
from .test_run import OPTIONS, X, without_times


@pytest.fixture(autouse=True)
def mode():
    theanets.set_mode("XLA")
    yield
    theanets.set_mode(None)


def network():
    return theanets.Autoencoder([4, (2, "tanh"), 4], rng=np.random.RandomState(5))


def test_training_goes_on_as_with_the_rate_that_was_found(tmp_path, monkeypatch):
    net, other, saved = network(), network(), []
    monkeypatch.setattr("theanets.storage.saver.BestFile.save", lambda file: saved.append(file.network))
    with helpers.log_records() as records:
        net.train([X], learning_rate="auto", hidden_noise=0.1, save_best=tmp_path / "best.npz", **OPTIONS)
    assert saved and all(network is net for network in saved)
    rate = net.history["learning_rate"][0]
    tried = net.history.rate_test
    assert [one["learning_rate"] for one in tried][::3] == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]
    losses = [np.nan_to_num(one["loss"], nan=np.inf) for one in tried]
    assert rate == tried[int(np.argmin(losses))]["learning_rate"] >= 1e-3
    assert f"learning_rate='auto': {rate:g}" in "".join(record.getMessage() for record in records)
    other.train([X], learning_rate=rate, hidden_noise=0.1, **OPTIONS)
    helpers.assert_same_values(helpers.values(net), helpers.values(other))
    assert without_times(net.history) == without_times(other.history)
    assert other.history.rate_test is None
    net.save(tmp_path / "net.npz")
    assert theanets.Network.load(tmp_path / "net.npz").history.rate_test == tried
    # the next training has the rate that was found.
    net.train([X], resume=True, learning_rate="auto", epochs=1)
    assert net.history["learning_rate"][-1] == net.history["learning_rate"][0] == rate


def test_data_that_would_be_used_up_and_trainers_without_a_rate_are_refused():
    net = network()
    before = helpers.values(net)
    for match, data, options in [
        ("unknown schedule", [X], dict(schedule="linear")),
        ("an iterator", iter([[X]]), {}),
        ("adadelta", [X], dict(algo="adadelta")),
        ("expected a number", [X], dict(learning_rate="quick")),
        ("hidden_nois", [X], dict(hidden_nois=0.1)),
    ]:
        with pytest.raises(util.ConfigurationError, match=match):
            net.train(data, **{**OPTIONS, "learning_rate": "auto", **options})
    helpers.assert_same_values(helpers.values(net), before)
