"""Writing to slices that are known, which is done without a scatter."""

import numpy as np
import pytest
import theano.tensor as TT

from .helpers import agree

SLICES = [
    slice(None),
    slice(1, None),
    slice(None, None, -1),
    slice(4, 1, -2),
    slice(None, None, 2),
    slice(3, 3),
    slice(-1, -6, -3),
    slice(1, 100, 3),
    2,
    -1,
]


@pytest.mark.parametrize("first", range(len(SLICES)))
def test_every_pair(first):
    x, i = TT.fmatrix("x"), TT.lscalar("i")
    rng = np.random.RandomState(first)
    value = rng.randn(5, 6).astype("float32")
    a, outputs = SLICES[first], []
    for b in SLICES:
        y = np.asarray(rng.randn(*value[a, b].shape), "float32")
        for write in (TT.inc_subtensor, TT.set_subtensor):
            outputs += [write(x[a, b], np.float32(3)), write(x[a, b], y)]
    for write in (TT.inc_subtensor, TT.set_subtensor):
        outputs += [write(x[a], 2), write(x[i, a], 5), write(x[i : i + 2, a], 5)]
    agree([x, i], outputs, [value, 1], exact=True)


def test_all_of_an_array_before_it_is_reversed():
    """XLA 0.10 ends the process if a scatter does this."""
    v, b = TT.fvector("v"), TT.vector("b", dtype="bool")
    outputs = [TT.inc_subtensor(TT.zeros_like(v)[0:], v)[::-1], TT.inc_subtensor(v[::-1][1:], 1)]
    agree([v], outputs, [np.arange(4, dtype="float32")], exact=True)
    outputs = [TT.inc_subtensor(b[::2], np.array(True)), TT.set_subtensor(b[1:], np.array(False))]
    agree([b], outputs, [np.array([True, False, False])], exact=True)
