"""What is kept of programs for many shapes."""

import gc

import jax
import numpy as np
import pytest
import theano
import theano.tensor as TT
from theanets.xla import shapes

FLOAT = theano.config.floatX

pytestmark = pytest.mark.usefixtures("only_new_garbage")


def live():
    gc.collect()
    return len(jax.devices()[0].client.live_executables())


def test_programs_for_the_shapes_used_last_are_kept(monkeypatch):
    monkeypatch.setattr(shapes, "SHAPES", 3)
    x, state = TT.vector("x"), theano.shared(np.zeros((), FLOAT))
    add = theano.function([x], (x * x).sum(), updates=[(state, state + x.sum())], mode="XLA")
    add.fn.code.plain.functions.size = 3
    counts = []
    for size in (*range(1, 9), 2, 8):
        assert add(np.ones(size, FLOAT)) == size
        counts.append(live())
        kept = add.fn.code.plain.functions
        assert len(kept) <= 3 and ((size,), None) in kept or ((size,),) in kept
    assert counts[-1] == counts[3]
    assert state.get_value() == sum((*range(1, 9), 2, 8))


def test_shared_variables_of_many_shapes(monkeypatch):
    monkeypatch.setattr(shapes, "SHARED_SHAPES", 3)
    data = theano.shared(np.zeros(1, FLOAT))
    total = theano.function([], data.sum(), mode="XLA")
    counts = []
    for size in range(1, 3 * shapes.SHARED_SHAPES):
        data.set_value(np.ones(size, FLOAT))
        assert total() == size
        counts.append(live())
    assert max(counts) <= counts[0] + shapes.SHARED_SHAPES


def test_the_entry_that_was_not_used_for_longest_goes():
    recent, made = shapes.Recent(2), []
    for key in "abacabb":
        recent.find(key, lambda key=key: made.append(key) or key)
    assert "".join(made) == "abcb" and set(recent) == {"a", "b"}
