"""Loops, against Theano's own evaluation."""

import warnings

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets.xla.host import FallbackWarning
from theanets.xla.translations.scan import count_last
from theano.sandbox.rng_mrg import MRG_RandomStreams

from . import helpers
from .test_inner import compiled_loops

FLOAT = theano.config.floatX


def normal(*shape, seed=4):
    return np.random.RandomState(seed).randn(*shape).astype(FLOAT) / 2


def compare(inputs, outputs, arrays, wrt=()):
    """Check values, and the gradients of the sum of their squares."""
    gradients = TT.grad(sum(TT.sqr(output).sum() for output in outputs), list(wrt)) if wrt else []
    return helpers.agree(inputs, [*outputs, *gradients], arrays, rtol=1e-4, atol=1e-5)


@settings(max_examples=2, deadline=None, derandomize=True)
@given(st.data())
def test_taps(data):
    past = sorted(data.draw(st.sets(st.integers(-3, -1), min_size=1)))
    around = sorted(data.draw(st.sets(st.integers(-2, 1), min_size=1)))
    backwards = data.draw(st.booleans())
    x, start, w = TT.matrix("x"), TT.matrix("start"), TT.vector("w")

    def step(*values):
        return TT.tanh(sum((i + 1) * value for i, value in enumerate(values[:-1])) * values[-1])

    y, _ = theano.scan(
        step,
        sequences=dict(input=x, taps=around),
        outputs_info=dict(initial=start, taps=past),
        non_sequences=w,
        go_backwards=backwards,
    )
    compare([x, start, w], [y, y[-1]], [normal(7, 2), normal(-min(past), 2), normal(2)], wrt=[x, start, w])


def test_several_outputs():
    x, a, b, w = TT.matrix("x"), TT.vector("a"), TT.matrix("b"), TT.matrix("w")

    def step(x, a, b2, b1, w):
        a = TT.tanh(TT.dot(a, w) + x)
        return a, b1 * a + b2, a.sum(), TT.outer(a, b1)

    (one, two, three, four), _ = theano.scan(
        step, sequences=x, outputs_info=[a, dict(initial=b, taps=[-2, -1]), None, None], non_sequences=w
    )
    arrays = [normal(6, 3), normal(3), normal(2, 3), normal(3, 3)]
    compare([x, a, b, w], [one, two, three, four[1:]], arrays, wrt=[x, a, b, w])
    compare([x, a, b, w], [one[-1], two[-2:]], arrays)


@pytest.mark.parametrize("steps, truncate", [(1, -1), (7, -1), (1, 3), (7, 3), (7, 1)])
def test_truncated_gradients(steps, truncate):
    x, h, w = TT.tensor3("x"), TT.matrix("h"), TT.matrix("w")
    y, _ = theano.scan(
        lambda x, h, w: TT.tanh(x + TT.dot(h, w)), sequences=x, outputs_info=h, non_sequences=w,
        truncate_gradient=truncate,
    )
    compare([x, h, w], [y], [normal(steps, 2, 3), normal(2, 3), normal(3, 3)], wrt=[w] if truncate > 0 else [x, h, w])


def test_numbers_of_steps():
    n, x = TT.iscalar("n"), TT.vector("x")
    y, _ = theano.scan(lambda h: h * 1.5 + 1, outputs_info=x, n_steps=n)
    f = theano.function([n, x], [y, y[-1]], mode="XLA")
    for steps in (1, 4, 2):
        expected = [normal(3)]
        for _ in range(steps):
            expected.append(expected[-1] * 1.5 + 1)
        all_, last = f(steps, normal(3))
        np.testing.assert_allclose(all_, expected[1:], rtol=1e-5)
        np.testing.assert_allclose(last, expected[-1], rtol=1e-5)


def test_maps_reductions_and_folds():
    x, y = TT.matrix("x"), TT.matrix("y")
    mapped, _ = theano.map(lambda a, b: a * b.sum(), [x, y])
    reduced, _ = theano.reduce(lambda a, total: total + a, x, TT.zeros_like(x[0]))
    folded, _ = theano.foldl(lambda a, total: TT.tanh(total * a), x, TT.ones_like(x[0]))
    other, _ = theano.foldr(lambda a, total: TT.tanh(total * a), x, TT.ones_like(x[0]))
    compare([x, y], [mapped, reduced, folded, other], [normal(5, 3), normal(5, 2)], wrt=[x])


def test_until_a_condition_holds():
    x, limit = TT.scalar("x"), TT.scalar("limit")

    def step(h, limit):
        return h * 2, theano.scan_module.until(h * 2 > limit)

    y, _ = theano.scan(step, outputs_info=x, non_sequences=limit, n_steps=20)
    # there are as many values as there were steps, which only the loop itself finds out.
    gradient = TT.grad(TT.sqr(y).sum(), x)
    for end in (10, 40, 1, 10, 1e9):
        values, _ = helpers.agree([x, limit], [y, gradient], [np.asarray(v, FLOAT) for v in (1, end)])
        assert len(values) == min(20, sum(2.0 ** np.arange(20) <= end))


def test_all_values_of_loops_that_end_within_loops():
    x, limit = TT.vector("x"), TT.scalar("limit")

    def double(h, limit):
        return h * 2, theano.scan_module.until(h * 2 > limit)

    def outer(start, limit):
        return theano.scan(double, outputs_info=start, non_sequences=limit, n_steps=20)[0].sum()

    y, _ = theano.scan(outer, sequences=x, non_sequences=limit)
    f = theano.function([x, limit], y, mode="XLA")
    with pytest.warns(FallbackWarning, match="a loop within a loop"):
        np.testing.assert_array_equal(f([1, 3], 10), [30, 18])


def test_the_last_values_of_a_loop_that_ends_by_a_condition():
    x, limit, w = TT.vector("x"), TT.scalar("limit"), TT.vector("w")

    def step(value, h, g, w, limit):
        h, g = TT.tanh(h * w) + value, g + h.sum()
        return [h, g, h * g], theano.scan_module.until(g > limit)

    (h, g, plain), _ = theano.scan(
        step, sequences=x, outputs_info=[TT.ones_like(w), TT.zeros_like(limit), None], non_sequences=[w, limit]
    )
    values = np.ones(6, FLOAT)
    # it ends after some steps, after the first one, and with the sequence.
    lengths = [theano.function([x, limit, w], h.shape[0], mode=helpers.REFERENCE)(values, end, values[:2])
               for end in (6, 0, 1000)]
    assert lengths[0] in range(2, 6) and lengths[1:] == [1, 6]
    for end in (6, 0, 1000):
        arrays = [values, np.asarray(end, FLOAT), values[:2]]
        helpers.agree([x, limit, w], [h[-1], g[-1], plain[-1]], arrays)


#: What may be read of the values of a loop of 7 steps, and how many of the last ones that reaches back to.
READS = [
    (lambda y: [y[-1]], 1),
    (lambda y: [y[6]], 1),
    (lambda y: [y.shape[0]], 0),
    (lambda y: [y[-1], y[-3]], 3),
    (lambda y: [y[-2:], y.shape[0]], 2),
    (lambda y: [y[-2:][0], y[1:][2:][-1]], 2),
    (lambda y: [y[-1, 0], y[-1, :, 1:], y[5:, 0][-1]], 1),
    (lambda y: [y[::-1][0]], 7),
    (lambda y: [y[-1], y[2]], 5),
    (lambda y: [y[-1], TT.sqr(y)], 7),
    (lambda y: [y[-1], y[TT.iscalar("i")]], 7),
    (lambda y: [y[:3]], 7),
    (lambda y: [y[7:], y[-1]], 1),
    (lambda y: [y[20], y], 7),
]


@pytest.mark.parametrize("read, count", READS)
def test_count_last(read, count):
    y = TT.tensor3("y")
    outputs = read(y)
    inputs = [v for v in theano.gof.graph.inputs(outputs) if not isinstance(v, theano.Constant)]
    fgraph = theano.gof.FunctionGraph(inputs, outputs)
    assert count_last(fgraph.inputs[inputs.index(y)], 7) == count


def loop_of(form, x, start, w):
    """Return the values of a loop, by how steps depend on each other."""
    if form == "plain":
        return theano.scan(lambda x, h, w: [TT.tanh(x * w + h), TT.sqr(h) + x], x, [start, None], non_sequences=w)[0][1]
    if form == "taps":
        start = TT.stack([start, start + 1, start + 2])
        start = dict(initial=start, taps=[-3, -1])
        return theano.scan(lambda x, h3, h1, w: TT.tanh(x * w + h3 - h1), x, start, non_sequences=w)[0]
    if form == "while":
        return theano.scan(
            lambda x, h, w: (h * w + x, theano.scan_module.until((h * 0 + x).sum() > 1e6)), x, start, non_sequences=w
        )[0]
    return theano.scan(lambda x, h, w: TT.tanh(x * w + h), x, start, non_sequences=w)[0]


@pytest.mark.parametrize("form, collected", [("plain", 1), ("state", 0), ("taps", 0), ("while", None)])
def test_values_that_are_not_read_are_not_collected(form, collected):
    x, start, w = TT.tensor3("x"), TT.matrix("start"), TT.vector("w")
    y = loop_of(form, x, start, w)
    check = helpers.both([x, start, w], [y[-1], y[-2:][0], y.shape])
    for steps in (2, 7):
        check(normal(steps, 2, 3), normal(2, 3), normal(3))
    # JAX knows the number of steps of a loop that ends by a condition from the first run on.
    if collected is not None:
        function = theano.function([x, start, w], [y[-1], y[-2:][0]], mode="XLA", on_unused_input="ignore")
        (loop,) = compiled_loops(function, normal(7, 2, 3), normal(2, 3), normal(3))
        assert len(loop.outvars) - loop.params["num_carry"] == collected


@pytest.mark.parametrize("form", ["plain", "state", "taps"])
def test_gradients_of_the_last_values(form):
    x, start, w = TT.tensor3("x"), TT.matrix("start"), TT.vector("w")
    y = loop_of(form, x, start, w)
    compare([x, start, w], [y[-1], y[1:][-1, 0]], [normal(3, 2, 3), normal(2, 3), normal(3)], wrt=[x, start, w])


def test_a_loop_whose_last_value_is_read_takes_no_memory_for_the_others():
    x, w = TT.matrix("x"), TT.matrix("w")
    y, _ = theano.scan(lambda h, w: TT.tanh(TT.dot(h, w)), outputs_info=x, non_sequences=w, n_steps=500)
    arrays = normal(20, 50), normal(50, 50)
    function = theano.function([x, w], y[-1], mode="XLA")
    compiled = function.fn.code.plain.lower((), arrays, ()).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 20 * arrays[0].nbytes


def test_random_numbers_until_a_condition_holds():
    streams = MRG_RandomStreams(5)
    start, limit = TT.scalar("start"), TT.scalar("limit")

    def step(total, limit):
        total = total + streams.uniform(())
        return total, theano.scan_module.until(total > limit)

    totals, updates = theano.scan(step, outputs_info=start, non_sequences=limit, n_steps=50)
    results = []
    for mode in ("XLA", helpers.REFERENCE):
        streams.seed(5)
        with warnings.catch_warnings():
            warnings.simplefilter("error", FallbackWarning)
            f = theano.function([start, limit], totals[-1], updates=updates, mode=mode)
        results.append([float(f(0, end)) for end in (2, 3, 0)])
    np.testing.assert_allclose(*results, rtol=1e-6)
    assert 2 < results[0][0] < 3 < results[0][1] < 4


def test_loops_within_loops():
    x, w = TT.tensor3("x"), TT.matrix("w")

    def outer(rows, h, w):
        inner, _ = theano.scan(lambda row, g, w: TT.tanh(row + TT.dot(g, w)), sequences=rows, outputs_info=h,
                               non_sequences=w)
        return inner[-1]

    y, _ = theano.scan(outer, sequences=x, outputs_info=TT.zeros_like(x[0, 0]), non_sequences=w)
    compare([x, w], [y], [normal(3, 4, 2), normal(2, 2)], wrt=[x, w])


def test_second_derivatives():
    x, w = TT.matrix("x"), TT.vector("w")
    y, _ = theano.scan(lambda x, h, w: TT.tanh(x + h * w), sequences=x, outputs_info=TT.zeros_like(w), non_sequences=w)
    compare([x, w], [TT.Rop(y, w, w * 2)], [normal(4, 2), normal(2)])
    gradient = TT.grad(TT.sqr(y).sum(), w)
    compare([x, w], [TT.grad(gradient.sum(), w)], [normal(4, 2), normal(2)])


def test_shared_variables_and_streams():
    x = TT.matrix("x")
    results = []
    for mode in ("XLA", helpers.REFERENCE):
        count, stream = theano.shared(np.asarray(1, FLOAT)), MRG_RandomStreams(9)

        def step(row, h, count=count, stream=stream):
            return h * count + row * stream.uniform((3,)), {count: count * 1.25}

        y, updates = theano.scan(step, sequences=x, outputs_info=TT.zeros_like(x[0]))
        f = theano.function([x], y, updates=updates, mode=mode)
        results.append([f(normal(4, 3)), f(normal(4, 3)), count.get_value()])
    assert results[0][2] == pytest.approx(1.25**8)
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_an_index_out_of_range_within_a_loop():
    x, places, state = TT.vector("x"), TT.ivector("places"), theano.shared(np.asarray(0, FLOAT))
    y, _ = theano.scan(lambda i, h, x: h + x[i], sequences=places, outputs_info=TT.zeros_like(x[0]), non_sequences=x)
    f = theano.function([x, places], y[-1], updates=[(state, state + 1)], mode="XLA")
    assert f(np.ones(3, FLOAT), np.array([0, 2, -1], "int32")) == 3
    with pytest.raises(IndexError):
        f(np.ones(3, FLOAT), np.array([0, 3, 1], "int32"))
    assert state.get_value() == 1


def test_whole_numbers():
    x, y = TT.vector("x"), TT.ivector("y")
    total, _ = theano.scan(lambda a, b, h: h + b * 2, sequences=[x, y], outputs_info=TT.as_tensor(np.int32(0)))
    helpers.agree([x, y], [total], [normal(4), np.arange(4, dtype="int32")], exact=True)


def growing(x, limit, w):
    """Return the states and other values of a loop that ends when the states are large."""

    def step(h):
        h = h * w + 0.1 * x
        return (h, h * x[0]), theano.scan_module.until(h.sum() > limit)

    return theano.scan(step, outputs_info=[x, None], n_steps=20)[0]


def test_loops_that_end_by_a_condition_within_a_loop():
    x, w = TT.vector("x"), TT.scalar("w")
    array, factor = np.array([0.5, 0.7], FLOAT), np.asarray(1.3, FLOAT)

    def step(limit, state):
        h, other = growing(state, limit, w)
        return h[-1] / 3 + 0.1 * other[-1, 0]

    results, _ = theano.scan(step, sequences=[TT.arange(2, 6).astype(FLOAT)], outputs_info=[x])
    helpers.agree([x, w], [results], [array, factor])


def test_the_end_of_a_loop_that_ends_by_a_condition_is_found_at_once():
    x, w, index = TT.vector("x"), TT.scalar("w"), TT.lscalar("index")
    h, other = growing(x, 4.0, w)
    f = theano.function([x, w, index], [h[-1], other[-1], h[-1][index]], mode="XLA")
    g = theano.function([x, w, index], [h[-1], other[-1], h[-1][index]], mode=helpers.REFERENCE)
    for factor in (1.2, 1.5, 0.1):
        arguments = np.array([0.5, 0.7], FLOAT), np.asarray(factor, FLOAT), 1
        for ours, theirs in zip(f(*arguments), g(*arguments)):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert f.fn.code.entries is None, "one program for any number of steps"
    with pytest.raises(IndexError):
        f(np.array([0.5, 0.7], FLOAT), np.asarray(1.2, FLOAT), 2)


def test_gradients_of_loops_that_end_by_a_condition():
    x, w = TT.vector("x"), TT.scalar("w")
    h, _ = growing(x, 4.0, w)
    gradient = TT.grad(TT.sqr(h).sum(), [x, w])
    second = TT.grad(gradient[0].sum() + gradient[1], [x, w])
    check = helpers.both([x, w], [*gradient, *second])
    for factor in (1.2, 1.5):
        check(np.array([0.5, 0.7], FLOAT), np.asarray(factor, FLOAT), rtol=1e-4)
