"""Softmax and cross-entropy, against Theano's own evaluation."""

import numpy as np
import pytest
import theano
import theano.tensor as TT
from theano.tensor.nnet import nnet

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


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_crossentropy(dtype):
    x, b, labels = TT.matrix("x"), TT.vector("b"), TT.TensorType(dtype, [False])("labels")
    arrays = [normal(5, 4), normal(4), np.array([0, 3, 2, 2, 1], dtype)]
    outputs = nnet.crossentropy_softmax_argmax_1hot_with_bias(x, b, labels)
    gradients = TT.grad(outputs[0].sum(), [x, b])
    categorical = nnet.categorical_crossentropy(nnet.softmax(x + b), labels)
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


def test_columns_in_front():
    x = TT.matrix("x")
    helpers.agree([x], [nnet.Prepend_scalar_to_each_row()(TT.constant(np.asarray(3, FLOAT)), x)], [normal(3, 2)])
