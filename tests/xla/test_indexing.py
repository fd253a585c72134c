"""Parts of arrays, against Theano's own evaluation."""

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from theano.tensor import extra_ops

from . import helpers

FLOAT = theano.config.floatX


def ramp(*shape):
    return np.arange(np.prod(shape), dtype=FLOAT).reshape(shape)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_basic_indices(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=False))
    x = TT.TensorType(FLOAT, (False,) * len(shape))("x")
    part = x[index]
    outputs = (
        [part, TT.set_subtensor(part, 7), TT.inc_subtensor(part, part * 2)]
        if np.ndim(ramp(*shape)[index]) or not isinstance(index, tuple) or None not in index
        else [part]
    )
    if isinstance(index, tuple) and None in index:
        outputs = [part]
    helpers.agree([x], outputs, [ramp(*shape)[::-1]], exact=True)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.tuples(*[st.none() | st.integers(-7, 7)] * 2), st.sampled_from([1, 2, -1, -2, None]))
def test_bounds_that_are_computed(bounds, step):
    x, a, b = TT.matrix("x"), TT.lscalar("a"), TT.lscalar("b")
    start, stop = (None if value is None else variable for value, variable in zip(bounds, (a, b)))
    part = x[start:stop:step]
    arrays = [ramp(5, 2), *(0 if value is None else value for value in bounds)]
    helpers.agree(
        [x, a, b],
        [part, TT.set_subtensor(part, -1), TT.inc_subtensor(part, 1)] if step in (1, None) else [part],
        arrays,
        exact=True,
    )


def test_indices_that_are_computed():
    x, i, j = TT.tensor3("x"), TT.lscalar("i"), TT.iscalar("j")
    outputs = [x[i], x[:, j], x[i, 1:, j], x[i, :, -1], TT.set_subtensor(x[i, :, j], 5), TT.inc_subtensor(x[:, j], 1)]
    for a, b in ((0, 1), (-1, -2), (2, 0)):
        helpers.agree([x, i, j], outputs, [ramp(3, 4, 3), a, b], exact=True)


def test_gradients():
    x, rows = TT.matrix("x"), TT.ivector("rows")
    arrays = [ramp(5, 4) / 9, np.array([0, -1, 2, 2], "int32")]
    for part in (x[1:4, ::-2], x[rows], x[rows, rows % 4], x[2], x[:, 1], TT.inc_subtensor(x[rows], x[rows] ** 2)):
        helpers.agree_with_gradients([x, rows], part, arrays, wrt=[x])


def test_arrays_as_indices():
    x, i, j = TT.tensor3("x"), TT.lvector("i"), TT.lvector("j")
    parts = [
        x[i],
        x[i, j],
        x[i, :, j],
        x[:, i, j],
        x[0, i],
        x[i, 1:3],
        x[:, :, j],
        x[i, None, j],
        x[i.dimshuffle(0, "x"), j],
    ]
    outputs = parts + [
        TT.inc_subtensor(x[i, j], 2.5),
        TT.set_subtensor(x[i, :, j], 4),
        TT.inc_subtensor(x[i], 1),
        TT.set_subtensor(x[i], x[i] + 1),
        TT.inc_subtensor(x[:, i, j], 1),
    ]
    arrays = [ramp(4, 3, 5), np.array([0, 1, 1, -1]), np.array([2, 0, 0, 1])]
    helpers.agree([x, i, j], outputs, arrays, exact=True)


def test_the_last_of_several_values_for_one_place_counts():
    x, y, i = TT.vector("x"), TT.vector("y"), TT.lvector("i")
    arrays = [ramp(4), np.array([10, 20, 30, 40, 50], FLOAT), np.array([1, 3, 1, -1, 1])]
    (found,) = helpers.agree([x, y, i], [TT.set_subtensor(x[i], y)], arrays, exact=True)
    np.testing.assert_array_equal(found, [0, 50, 2, 40])


def test_known_masks():
    x = TT.matrix("x")
    mask = np.array([[True, False], [False, True], [True, True]])
    helpers.agree([x], [x[TT.constant(mask).nonzero()], x[np.array([0, 2])]], [ramp(3, 2)], exact=True)


@pytest.mark.parametrize("index", [[4], [-5], [0, 9]])
def test_out_of_range(index):
    x, i, k = TT.vector("x"), TT.lvector("i"), TT.lscalar("k")
    state = theano.shared(np.asarray(0, FLOAT))
    for output in (x[i], TT.inc_subtensor(x[i], 1), x[k], TT.set_subtensor(x[k], 1), x.dimshuffle(0, "x")[i, i * 0]):
        f = theano.function([x, i, k], output, updates=[(state, state + 1)], mode="XLA", on_unused_input="ignore")
        with pytest.raises(IndexError):
            f(ramp(4), np.array(index), index[-1])
        assert state.get_value() == 0


def test_class_probabilities_by_label():
    x, labels = TT.matrix("x"), TT.ivector("labels")
    chosen = x[TT.arange(labels.shape[0]), labels]
    helpers.agree_with_gradients([x, labels], chosen, [ramp(3, 4), np.array([3, 0, 2], "int32")], wrt=[x])


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_choices(mode):
    index, choices = TT.imatrix("index"), TT.tensor3("choices")
    arrays = [np.array([[0, 1, 1], [1, 0, 0]], "int32"), np.arange(12, dtype=FLOAT).reshape(2, 2, 3)]
    output = TT.choose(index, choices, mode=mode)
    helpers.agree([index, choices], [output], arrays, exact=True)
    arrays[0] = arrays[0] * 3 - 1
    if mode == "raise":
        with pytest.raises(ValueError):
            helpers.run([index, choices], [output], arrays)
    else:
        helpers.agree([index, choices], [output], arrays, exact=True)


@pytest.mark.parametrize("order", ["C", "F"])
def test_places_of_a_flattened_array(order):
    index = TT.lvector("index")
    places = extra_ops.unravel_index(index, (3, 4, 2), order=order)
    back = extra_ops.ravel_multi_index(places, (3, 4, 2), order=order)
    wrapped = extra_ops.ravel_multi_index([place * 2 - 1 for place in places], (3, 4, 2), mode="wrap", order=order)
    array = np.array([0, 23, 7])
    # Theano's own implementation does not look at the order.
    found = helpers.run([index], [*places, back], [array])
    np.testing.assert_array_equal(found, [*np.unravel_index(array, (3, 4, 2), order=order), array])
    if order == "C":
        helpers.agree([index], [*places, back, wrapped], [array], exact=True)
    with pytest.raises(ValueError):
        helpers.run([index], [places[0]], [np.array([24])])
