"""What was made faster gives the same results."""

import inspect
import textwrap

import numpy as np
import pytest
import theano
from theano.sandbox import rng_mrg


@pytest.fixture(scope="module")
def original():
    """The module as Theano has it, but for its name."""
    scope = dict(vars(rng_mrg))
    for name in ("multMatVect",):
        source = inspect.getsource(inspect.getmodule(rng_mrg.DotModulo))
        start = source.index(f"def {name}(")
        exec(source[start : source.index("class DotModulo", start)], scope)
    body = inspect.getsource(inspect.getmodule(rng_mrg.MRG_RandomStreams))
    start = body.index("    def get_substream_rstates")
    exec(textwrap.dedent(body[start : body.index("    def n_streams", start)]), scope)
    return scope


@pytest.mark.parametrize("seed", [1, 13, 2**31 - 2])
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_same_substreams(original, seed, count):
    streams = rng_mrg.MRG_RandomStreams(seed % int(rng_mrg.M2))
    expected = original["get_substream_rstates"](streams, count, "float32", inc_rstate=False)
    np.testing.assert_array_equal(streams.get_substream_rstates(count, "float32", inc_rstate=False), expected)


def test_same_next_state(original):
    streams = rng_mrg.MRG_RandomStreams(13)
    arguments = streams.rstate, rng_mrg.A1p134, rng_mrg.M1, rng_mrg.A2p134, rng_mrg.M2
    expected = original["multMatVect"](*arguments)
    result = rng_mrg.multMatVect(*arguments)
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == "int32"
    streams.inc_rstate()
    np.testing.assert_array_equal(streams.rstate, expected)


def test_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(rng_mrg, "function", None)
    rng_mrg.MRG_RandomStreams(3).normal((2, 2), dtype=theano.config.floatX)
