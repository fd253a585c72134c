"""Random numbers: the same draws as Theano's own, and the same states afterwards."""

import warnings

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import regularizers
from theanets.xla.host import FallbackWarning
from theano.sandbox import multinomial, rng_mrg
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.shared_randomstreams import RandomStreams

from .helpers import REFERENCE, agree

#: Not one digit may differ.
EXACT = dict(exact=True)


def draws_agree(make, calls=3, inputs=(), arrays=((),), exact=True):
    """Check several calls of a function of fresh streams, and the states that they leave behind.

    ``make`` gives the streams and a list of expressions.
    """
    found = []
    for mode in ("XLA", REFERENCE):
        streams, outputs = make()
        with warnings.catch_warnings():
            warnings.simplefilter("error", FallbackWarning)
            function = theano.function(list(inputs), outputs, mode=mode)
            values = [function(*arrays[i % len(arrays)]) for i in range(calls)]
        states = [update[0].get_value() for update in streams.state_updates]
        found.append((values, states))
    (ours, our_states), (theirs, their_states) = found
    for a, b in zip(our_states, their_states):
        assert a.dtype == b.dtype == "int32"
        np.testing.assert_array_equal(a, b)
    for call, other in zip(ours, theirs):
        for a, b in zip(call, other):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            if exact:
                np.testing.assert_array_equal(a, b)
            else:
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    return ours


def test_how_many_are_drawn_again_depends_on_what_was_drawn():
    found = []
    for mode in ("XLA", REFERENCE):
        streams = MRG_RandomStreams(234)
        function = theano.function([], streams.truncated_normal((30, 7), avg=-5.0, std=2.0), mode=mode)
        if mode == "XLA":
            with pytest.warns(FallbackWarning, match="depends on data"):
                found.append([function()])
        else:
            found.append([function()])
        found[-1].append(function())
    np.testing.assert_allclose(*found, rtol=1e-6)
    assert abs(np.array(found[0]) + 5).max() <= 2 * 2 / 0.8796


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_uniform(dtype):
    def make():
        streams = MRG_RandomStreams(13)
        return streams, [
            streams.uniform((3, 5), dtype=dtype),
            streams.uniform((7,), dtype=dtype, nstreams=7),
            streams.uniform((5, 7), dtype=dtype, nstreams=4),
            streams.uniform((5, 7), dtype=dtype, nstreams=1),
            streams.uniform((2, 3, 1, 2), dtype=dtype, nstreams=50),
            streams.uniform((1,), dtype=dtype),
        ]

    values = draws_agree(make)
    assert not np.array_equal(values[0][0], values[1][0])


@given(
    shape=st.lists(st.integers(0, 6), min_size=1, max_size=3),
    streams=st.integers(1, 40),
    seed=st.one_of(
        st.integers(1, 2147462578),
        st.lists(st.integers(1, 2147462578), min_size=6, max_size=6),
        st.integers(-(2**31), -1),
    ),
)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_states(shape, streams, seed):
    rng = np.random.RandomState(abs(np.sum(seed)) % 2**32)
    states = MRG_RandomStreams(seed).get_substream_rstates(streams, "float32")
    # states that no seed leads to are treated as Theano treats them, too.
    states[rng.randint(streams)] = rng.randint(-(2**31), 2**31 - 1, 6)
    rstate, size = TT.imatrix(), TT.lvector()
    outputs = rng_mrg.mrg_uniform.new(rstate, len(shape), "float64", size)
    agree([rstate, size], outputs, [states, np.array(shape)], **EXACT)


def test_in_place():
    """Ops that only other optimizations than ours put into a graph."""
    found = []
    for mode in (theano.Mode(linker="xla", optimizer="fast_run"), REFERENCE):
        streams = MRG_RandomStreams(13)
        function = theano.function([], streams.uniform((3, 5), nstreams=4), mode=mode)
        found.append([function() for _ in range(3)] + [streams.state_updates[0][0].get_value()])
        in_place = [getattr(node.op, "inplace", False) for node in function.maker.fgraph.toposort()]
        assert any(in_place) == (mode is not REFERENCE)
    for a, b in zip(*found):
        np.testing.assert_array_equal(a, b)


def test_extreme_numbers():
    """No product is rounded in another way; float32 has fewer digits than the numbers drawn."""
    from theanets.xla.translations.random import as_uniform

    integers = np.concatenate([np.arange(5000), np.arange(2**31 - 5000, 2**31), np.arange(0, 2**31, 999983)])
    integers = integers.astype("int32")
    import jax
    from theanets.xla import devices

    for dtype, mask, offset, norm in (
        ("float16", 0x7FFF, 1, np.float16(3.0458e-05)),
        ("float32", 0xFFFFFFFF, 0, np.float32(4.6566126e-10)),
        ("float64", 0xFFFFFFFF, 0, 4.656612873077392578125e-10),
    ):
        expected = [((np.int64(i) & mask) + offset) * norm for i in integers]
        with devices.enable_x64(True):
            ours = np.asarray(jax.jit(as_uniform, static_argnums=1)(integers, dtype))
        np.testing.assert_array_equal(ours, np.array(expected, dtype))


def test_normal_and_binomial():
    def make():
        streams = MRG_RandomStreams(13)
        return streams, [
            streams.binomial((4, 5), p=0.3),
            streams.binomial((4, 5), p=np.array([0.1, 0.3, 0.5, 0.7, 0.9], "float32"), dtype="int8"),
            streams.normal((3, 5), avg=2.0, std=0.5),
            streams.normal((2, 3), dtype="float64"),
        ]

    draws_agree(make, exact=False)


def test_shape_of_another_variable():
    x = TT.fmatrix("x")

    def make():
        streams = MRG_RandomStreams(13)
        return streams, [
            streams.uniform(x.shape, ndim=2, nstreams=6),
            streams.normal(x.shape, ndim=2, nstreams=6),
            streams.binomial(x[:, 0].shape, p=0.5, nstreams=100),
        ]

    arrays = [(np.zeros(shape, "float32"),) for shape in ((3, 5), (4, 4), (1, 1), (5, 3))]
    draws_agree(make, calls=5, inputs=[x], arrays=arrays, exact=False)


def test_size_as_an_input():
    n = TT.iscalar("n")

    def make():
        streams = MRG_RandomStreams(13)
        return streams, [streams.uniform(TT.stack([n, n + 1]), ndim=2, nstreams=5)]

    values = draws_agree(make, calls=4, inputs=[n], arrays=[(3,), (0,), (7,)])
    assert [value.shape for (value,) in values] == [(3, 4), (0, 1), (7, 8), (3, 4)]


def test_negative_sizes():
    rstate, size = TT.imatrix(), TT.lvector()
    function = theano.function([rstate, size], rng_mrg.mrg_uniform.new(rstate, 2, "float32", size), mode="XLA")
    states = MRG_RandomStreams(13).get_substream_rstates(4, "float32")
    with pytest.raises(ValueError):
        function(states, [-1, 3])


def test_streams_are_continued():
    """Draws go on where another function has left off, whichever mode it ran in; a seed starts anew."""
    streams = MRG_RandomStreams(13)
    sample = streams.uniform((3, 4), nstreams=5)
    by_xla = theano.function([], sample, mode="XLA")
    by_theano = theano.function([], sample, mode=REFERENCE)
    mixed = [by_xla(), by_theano(), by_xla(), by_xla(), by_theano()]
    streams.seed(13)
    again = [by_theano() for _ in mixed]
    np.testing.assert_array_equal(mixed, again)


def test_updates_are_optional():
    streams = MRG_RandomStreams(13)
    sample = streams.uniform((3, 4), nstreams=5)
    function = theano.function([], [sample, sample + 1], mode="XLA", no_default_updates=True)
    np.testing.assert_array_equal(function(), function())


@pytest.mark.parametrize("count, outcomes", [(1, 20), (3, 3)])
def test_multinomial(count, outcomes):
    p = TT.fmatrix("p")

    def make():
        streams = MRG_RandomStreams(13)
        return streams, [
            streams.multinomial(pvals=p, n=count, nstreams=4),
            streams.multinomial(pvals=p.astype("float64"), n=count, nstreams=4, dtype="float32"),
        ]

    values = np.random.RandomState(4).rand(6, outcomes).astype("float32")
    # sums of rows just above 1, so that there is an outcome for each number.
    values /= values.sum(axis=1, keepdims=True) * np.float32(0.9999)
    for call in draws_agree(make, inputs=[p], arrays=[(values,), (values[:5],), (values[::-1],)]):
        assert (call[0].sum(axis=1) == count).all()


def test_multinomial_on_the_edge():
    """Where a number lies on the boundary of outcomes, the digits of the sums decide."""
    p, u, n = TT.fmatrix("p"), TT.dvector("u"), TT.iscalar("n")
    probabilities = np.random.RandomState(5).rand(8, 30).astype("float32")
    probabilities[:, 7] = 0
    sums = probabilities.cumsum(axis=1, dtype="float64")
    outputs = [multinomial.MultinomialFromUniform(dtype)(p, u, n) for dtype in ("auto", "int8", "float16")]
    for column in (0, 6, 7, 29):
        agree([p, u, n], outputs, [probabilities, sums[:, column], 1], **EXACT)
    agree([p, u, n], outputs, [probabilities, np.repeat(sums[:, 3], 300), 300], **EXACT)
    agree([p, u, n], outputs, [probabilities[:0], np.zeros(0), 1], **EXACT)
    agree([p, u, n], outputs, [probabilities, np.zeros(0), 0], **EXACT)


def test_multinomial_errors():
    p, u = TT.fmatrix("p"), TT.fvector("u")
    for mode in ("XLA", REFERENCE):
        function = theano.function([p, u], multinomial.MultinomialFromUniform("int64")(p, u, 1), mode=mode)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FallbackWarning)
            with pytest.raises(IndexError):
                function(np.full((2, 3), 0.1, "float32"), np.full(2, 0.9, "float32"))
            with pytest.raises(ValueError):
                function(np.full((2, 3), 0.4, "float32"), np.full(3, 0.9, "float32"))
            # negative probabilities: what a binary search finds.
            values = np.array([[0.9, -0.5, 0.6, 0.1, -0.3, 0.5]], "float32")
            ours = [function(values, [u]).argmax() for u in np.linspace(0.1, 0.9, 5).astype("float32")]
        assert ours == [np.searchsorted(values[0].cumsum(dtype="float64"), u) for u in np.linspace(0.1, 0.9, 5)]


@pytest.mark.parametrize("outcomes", [3, 150])
def test_choice(outcomes):
    p = TT.fmatrix("p")

    def make():
        streams = MRG_RandomStreams(13)
        return streams, [
            streams.choice(size=3, replace=False, p=p, nstreams=4),
            streams.choice(size=2, replace=False, p=p.astype("float64"), nstreams=4, dtype="int32"),
        ]

    values = np.random.RandomState(6).rand(7, outcomes).astype("float32")
    values /= values.sum(axis=1, keepdims=True)
    draws_agree(make, inputs=[p], arrays=[(values,), (values[::-1],)])


def test_choices_that_run_out():
    p, u = TT.fmatrix("p"), TT.fvector("u")
    outputs = [multinomial.ChoiceFromUniform("auto", replace=replace)(p, u, 2) for replace in (False, True)]
    values = np.array([[0.1, 0.2, 0.1], [1, 0, 0], [0, 0, 0]], "float32")
    agree([p, u], outputs, [values, np.array([0.35, 0.5, 0.5, 0.7, 0.6, 0.0], "float32")], **EXACT)


def test_streams_of_numpy():
    found, caught = [], []
    for mode in ("XLA", "FAST_COMPILE"):
        streams = RandomStreams(13)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always", FallbackWarning)
            outputs = [streams.uniform((3, 4)), streams.normal((2, 3)), streams.binomial((5,), p=0.3)]
            function = theano.function([], outputs, mode=mode)
            found.append([value for _ in range(3) for value in function()])
            caught += [item for item in seen if issubclass(item.category, FallbackWarning)]
    for a, b in zip(*found):
        np.testing.assert_array_equal(a, b)
    assert not caught


@pytest.mark.parametrize("regularizer", [regularizers.GaussianNoise, regularizers.BernoulliDropout])
def test_noise_and_dropout(regularizer):
    x = TT.fmatrix("x")
    value = np.random.RandomState(3).rand(64, 50).astype("float32")
    found = []
    for mode in ("XLA", REFERENCE):
        outputs = {"in:out": x, "hid1:out": TT.sqr(x)}
        regularizer(pattern="*", weight=0.4, rng=13).modify_graph(outputs)
        function = theano.function([x], [outputs["in:out"], outputs["hid1:out"]], mode=mode)
        found.append([array for _ in range(3) for array in function(value)])
    for a, b in zip(*found):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(a == 0, b == 0)
    assert not np.array_equal(found[0][0], found[0][2])


def test_skipping_ahead():
    inputs = [TT.lmatrix(), TT.ivector(), TT.iscalar(), TT.lmatrix(), TT.ivector(), TT.iscalar()]
    arrays = [rng_mrg.A1p72, [5, 2147483646, 7], rng_mrg.M1, rng_mrg.A2p134, [-3, 2147462578, 1], rng_mrg.M2]
    arrays = [np.asarray(value, variable.dtype) for variable, value in zip(inputs, arrays)]
    agree(inputs, [rng_mrg.DotModulo()(*inputs)], arrays, **EXACT)
