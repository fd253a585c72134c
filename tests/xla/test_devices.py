"""What XLA is told about the device that it compiles for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets.xla import devices
from theano.tensor.nnet import conv2d

FLOAT = theano.config.floatX


@pytest.fixture
def chosen(monkeypatch):
    """The options of XLA for all that is compiled, as a list."""
    found = []
    compiled = devices.compiled

    def watched(function, choices=None, **options):
        found.append(choices)
        return compiled(function, choices, **options)

    monkeypatch.setattr(devices, "compiled", watched)
    return found


def test_options_that_a_release_of_xla_does_not_have_are_left_out():
    unknown = {"xla_no_such_option": ""}
    assert not devices.knows(**unknown)
    assert devices.compiled(lambda x: x + 1, unknown)(1) == 2


def test_options_that_it_has_are_used():
    assert devices.knows(**devices.EIGEN) and devices.knows(**devices.INLINE)
    assert devices.compiled(lambda x: x + 1, devices.INLINE)(1) == 2


size = st.integers(1, 9)


@settings(deadline=None)
@given(size, size, size, st.booleans(), st.booleans())
def test_the_largest_product_counts_its_multiplications(m, k, n, is_transposed, is_repeated):
    a, b = np.ones((k, m) if is_transposed else (m, k), "float32"), np.ones((k, n), "float32")

    def product(a, b):
        return jnp.dot(a.T if is_transposed else a, b)

    def function(a, b):
        # a smaller one beside it, and the largest within a loop and a branch.
        first = a[:1, :1] @ b[:1, :1]
        if not is_repeated:
            return first + product(a, b)
        zeros = jnp.zeros((m, n), "float32")
        return jax.lax.fori_loop(
            0, 3, lambda i, sums: jax.lax.cond(i < 2, lambda: sums + product(a, b), lambda: sums), first + zeros
        )

    assert devices.largest_product(jax.jit(function).trace(a, b).jaxpr) == m * k * n


def test_without_products_there_is_no_largest():
    assert devices.largest_product(jax.jit(lambda x: x + 1).trace(1.0).jaxpr) == 0


def test_convolutions_and_loops_are_left_to_eigen(chosen):
    x, image, kernel = TT.matrix(), TT.tensor4(), TT.tensor4()
    theano.function([x], TT.dot(x, x), mode="XLA")
    theano.function([image, kernel], conv2d(image, kernel), mode="XLA")
    sums = theano.scan(lambda row, total: total + row.sum(), sequences=x, outputs_info=TT.zeros(()))[0]
    theano.function([x], sums, mode="XLA")
    assert chosen == [None, devices.EIGEN, devices.INLINE]


@pytest.mark.parametrize("width, is_small", [(8, True), (400, False)])
def test_epochs_of_small_networks_have_products_of_their_own(width, is_small, chosen):
    theanets.set_mode("XLA")
    try:
        net = theanets.Autoencoder([width, width, width], rng=1)
        data = np.random.RandomState(2).rand(128, width).astype(FLOAT)
        net.train(data, data[:64], algo="sgd", batch_size=64, epochs=1, rng=3)
    finally:
        theanets.set_mode(None)
    assert (devices.INLINE in chosen) == is_small


def test_epochs_of_small_networks_with_convolutions_keep_all_cores_for_them(chosen):
    theanets.set_mode("XLA")
    try:
        net = theanets.convolution.Regressor([(6, 6, 1), dict(form="conv2", size=2, filter_size=3), "flat", 3], rng=1)
        draw = np.random.RandomState(2)
        data = [draw.rand(16, 6, 6, 1).astype(FLOAT), draw.rand(16, 3).astype(FLOAT)]
        net.train(data, data, algo="sgd", batch_size=8, epochs=1, rng=3)
    finally:
        theanets.set_mode(None)
    assert devices.EIGEN in chosen and devices.INLINE not in chosen
