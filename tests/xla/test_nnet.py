"""Softmax and cross-entropy, against Theano's own evaluation."""

import functools

import numpy as np
import pytest
import theano
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from theano.tensor.nnet import blocksparse, bn, neighbours, nnet

from . import helpers

FLOAT = theano.config.floatX


def normal(*shape):
    return np.random.RandomState(4).randn(*shape).astype(FLOAT)


def test_softmax():
    x, b = TT.matrix("x"), TT.vector("b")
    big = normal(4, 3) * 200
    for output in (nnet.softmax_op(x), nnet.logsoftmax(x), nnet.softmax_with_bias(x, b), TT.log(nnet.softmax(x))):
        helpers.agree_with_gradients([x, b], output + 0 * b.sum(), [normal(4, 3), normal(3)])
        helpers.agree([x, b], [output], [big, normal(3)], rtol=1e-4)


@functools.cache
def distributions():
    x, labels = TT.matrix("x"), TT.ivector("labels")
    entropy = nnet.categorical_crossentropy(nnet.softmax(x), labels)
    outputs = [nnet.softmax(x), nnet.logsoftmax(x), entropy, nnet.sigmoid(x), nnet.softplus(x)]
    gradients = [helpers.weighted_gradients(output, x) for output in outputs]
    return helpers.both([x, labels], [*outputs, *gradients])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_distributions_of_any_shape(data):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=5))
    array = data.draw(hnp.arrays(FLOAT, shape, elements=st.floats(-99, 99, width=32)))
    labels = data.draw(hnp.arrays("int32", shape[0], elements=st.integers(0, shape[1] - 1)))
    distributions()(array[:, ::-1], labels[::-1], rtol=1e-4)


def test_nothing():
    x = TT.matrix("x")
    for output in (nnet.softmax(x), nnet.logsoftmax(x), nnet.softplus(x)):
        helpers.agree_with_gradients([x], output, [np.zeros((0, 3), FLOAT)])


def test_what_is_no_number():
    distributions()(np.array([[1, np.nan, 2], [3, 4, 5]], FLOAT), np.array([0, 1], "int32"))
    distributions()(np.array([[1, -np.inf, 2], [3, 4, 5]], FLOAT), np.array([0, 1], "int32"))


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_crossentropy(dtype):
    x, b, labels = TT.matrix("x"), TT.vector("b"), TT.TensorType(dtype, [False])("labels")
    arrays = [normal(5, 4), normal(4), np.array([0, 3, 2, 2, 1], dtype)]
    outputs = nnet.crossentropy_softmax_argmax_1hot_with_bias(x, b, labels)
    gradients = TT.grad(outputs[0].sum(), [x, b])
    # this one takes no others.
    categorical = nnet.categorical_crossentropy(nnet.softmax(x + b), TT.cast(labels, "int64"))
    inputs = [x, b, labels]
    helpers.agree(inputs, [*outputs, *gradients, categorical, *TT.grad(categorical.mean(), [x, b])], arrays)
    dense = nnet.categorical_crossentropy(nnet.softmax(x), nnet.softmax(x * 2))
    helpers.agree(inputs, [dense, TT.grad(dense.sum(), x), nnet.binary_crossentropy(nnet.sigmoid(x), 0.3)], arrays)


def test_labels_out_of_range():
    x, labels = TT.matrix("x"), TT.ivector("labels")
    state = theano.shared(np.asarray(0, FLOAT))
    loss = nnet.categorical_crossentropy(nnet.softmax(x), labels).sum()
    f = theano.function([x, labels], loss, updates=[(state, state + 1)], mode="XLA")
    f(normal(2, 3), np.array([0, 2], "int32"))
    for wrong in (3, 1000):
        with pytest.raises((IndexError, ValueError)):
            f(normal(2, 3), np.array([0, wrong], "int32"))
    assert state.get_value() == 1


@pytest.mark.parametrize("axes", ["per-activation", "spatial"])
def test_normalization(axes):
    x, scale, bias = TT.tensor4("x"), TT.tensor4("scale"), TT.tensor4("bias")
    mean, variance = TT.tensor4("mean"), TT.tensor4("variance")
    shape = (1, 3, 4, 2) if axes == "per-activation" else (1, 3, 1, 1)
    arrays = [normal(5, 3, 4, 2), *(abs(normal(*shape)) + 0.5 for _ in range(4))]
    inputs = [x, scale, bias, mean, variance]
    pattern = [length == 1 for length in shape]
    scale_, bias_, mean_, variance_ = (TT.patternbroadcast(value, pattern) for value in inputs[1:])
    results = bn.batch_normalization_train(
        x, scale_, bias_, axes, running_mean=mean_, running_var=variance_, epsilon=1e-3, running_average_factor=0.3
    )
    test = bn.batch_normalization_test(x, scale_, bias_, mean_, variance_, axes, epsilon=1e-3)
    gradients = TT.grad((results[0] ** 3).sum(), inputs[:3]) + TT.grad((test**3).sum(), inputs)
    helpers.agree(inputs, [*results, test, *gradients], arrays, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("mode", ["valid", "ignore_borders", "wrap_centered", "half", "full"])
def test_neighbourhoods(mode):
    x = TT.tensor4("x")
    array = normal(2, 3, 7, 5)
    outputs = [neighbours.images2neibs(x, (3, 3), step, mode) for step in ((1, 1), (2, 2))]
    helpers.agree([x], outputs, [array], exact=True)
    with pytest.raises((TypeError, ValueError)):
        theano.function([x], neighbours.images2neibs(x, (0, 3), (1, 1), mode), mode="XLA")(array)


def test_back_from_neighbourhoods():
    x = TT.tensor4("x")
    neibs = neighbours.images2neibs(x, (2, 3))
    outputs = [neighbours.neibs2images(neibs, (2, 3), x.shape), TT.grad((neibs**2).sum(), x)]
    helpers.agree([x], outputs, [normal(2, 1, 4, 6)])


def test_blocks():
    w, x, b = TT.tensor4("w"), TT.tensor3("x"), TT.matrix("b")
    places = [TT.lmatrix("inputs"), TT.lmatrix("outputs")]
    output = blocksparse.sparse_block_dot(w, x, places[0], b, places[1])
    gradients = TT.grad(TT.sqr(output).sum(), [w, x, b])
    arrays = [normal(4, 5, 3, 2), normal(2, 2, 3), normal(5, 2)]
    arrays += [np.array([[0, 3], [1, 1]]), np.array([[4, 0, 1], [2, 2, 3]])]
    helpers.agree([w, x, b, *places], [output, *gradients], arrays, rtol=1e-4)


def test_columns_in_front():
    x = TT.matrix("x")
    helpers.agree([x], [nnet.Prepend_scalar_to_each_row()(TT.constant(np.asarray(3, FLOAT)), x)], [normal(3, 2)])
