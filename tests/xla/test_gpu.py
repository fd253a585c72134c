"""Networks of each family on a GPU: run where JAX sees one."""

import itertools

import jax
import numpy as np
import pytest
import theanets
from theanets import util

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def by_xla():
    theanets.set_mode("XLA")
    yield
    theanets.set_mode(None)


def draws(*shape):
    return np.random.RandomState(7).rand(*shape).astype(util.FLOAT)


def labels(*shape):
    return np.random.RandomState(8).randint(3, size=shape).astype("int32")


FAMILIES = {
    "autoencoder": (
        theanets.Autoencoder,
        [8, (6, "relu"), (4, "tanh"), (6, "tied"), (8, "tied")],
        lambda: [draws(64, 8)],
    ),
    "classifier": (theanets.Classifier, [8, (16, "relu"), 3], lambda: [draws(64, 8), labels(64)]),
    "lstm": (theanets.recurrent.Regressor, [3, (8, "lstm"), 2], lambda: [draws(32, 9, 3), draws(32, 9, 2)]),
    "bidirectional": (
        theanets.recurrent.Classifier,
        [3, dict(form="bidirectional", worker="gru", size=8), 3],
        lambda: [draws(32, 9, 3), labels(32, 9)],
    ),
    "convolution": (
        theanets.convolution.Classifier,
        [(12, 12, 1), dict(form="conv2", size=4, filter_size=(3, 3)), "flat", 3],
        lambda: [draws(32, 12, 12, 1), labels(32)],
    ),
}


def losses(family, device):
    model, layers, data = FAMILIES[family]
    with jax.default_device(device):
        net = model(layers, rng=3)
        options = dict(algo="rmsprop", learning_rate=0.01, batch_size=16, rng=5, hidden_dropout=0.2)
        run = net.itertrain(data(), **options)
        return [(train["loss"], valid["loss"]) for train, valid in itertools.islice(run, 4)]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_training_agrees_with_the_cpu(family):
    on_gpu = losses(family, jax.devices("gpu")[0])
    on_cpu = losses(family, jax.devices("cpu")[0])
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=2e-4)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_parameters_stay_on_the_device(family):
    model, layers, data = FAMILIES[family]
    net = model(layers, rng=3)
    run = net.itertrain(data(), algo="adam", batch_size=16, validate_every=100)
    next(run)
    # all that is moved, and asked for, is the order of the batches, and the monitors.
    with jax.transfer_guard("disallow"):
        next(run)
    for param in net.params:
        value = param.container.storage[0]
        assert isinstance(value, jax.Array) and {device.platform for device in value.devices()} == {"gpu"}
    run.close()


def test_memory_stays_flat():
    device = jax.devices("gpu")[0]
    net = theanets.Autoencoder([256, 512, 256], rng=3)
    run = net.itertrain([draws(4096, 256)], algo="adam", batch_size=64, validate_every=100)
    next(run)
    before = device.memory_stats()["bytes_in_use"]
    for _ in range(5):
        next(run)
    assert device.memory_stats()["bytes_in_use"] <= before + (1 << 20)
    run.close()
