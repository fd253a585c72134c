"""Softmax, cross-entropy, and what else networks end with."""

import jax
import jax.numpy as jnp
from theano.tensor.nnet import nnet

from ..registry import translates
from ..tracing import guard
from .elementwise import cast_array


@translates(nnet.Softmax)
def softmax(op, node, x):
    return jax.nn.softmax(jnp.asarray(x), axis=-1)


@translates(nnet.LogSoftmax)
def log_softmax(op, node, x):
    return jax.nn.log_softmax(jnp.asarray(x), axis=-1)


@translates(nnet.SoftmaxWithBias)
def softmax_with_bias(op, node, x, b):
    _check_bias(x, b)
    return jax.nn.softmax(cast_array(x, node.outputs[0].dtype) + b, axis=-1).astype(node.outputs[0].dtype)


def _check_bias(x, b):
    if x.shape[-1:] != b.shape:
        raise ValueError(f"a bias of shape {b.shape} for {x.shape}")


@translates(nnet.SoftmaxGrad)
def softmax_gradient(op, node, gradient, output):
    product = gradient * output
    return (product - product.sum(axis=-1, keepdims=True) * output).astype(node.outputs[0].dtype)


def _classes(x, classes):
    """Return class labels, which must be in range, as columns."""
    if x.shape[0] != classes.shape[0]:
        raise ValueError(f"{classes.shape[0]} labels for {x.shape[0]} rows")
    guard((classes >= 0) & (classes < x.shape[1]))
    return jnp.asarray(classes)[:, None]


def _at(x, classes):
    return jnp.take_along_axis(x, classes, axis=1, mode="promise_in_bounds")[:, 0]


def _is_class(x, classes):
    return jnp.arange(x.shape[1], dtype=classes.dtype)[None, :] == classes


@translates(nnet.CrossentropySoftmaxArgmax1HotWithBias)
def crossentropy(op, node, x, b, classes):
    _check_bias(x, b)
    x = cast_array(x, node.outputs[0].dtype) + cast_array(b, node.outputs[0].dtype)
    log = jax.nn.log_softmax(x, axis=-1)
    best = jnp.argmax(x, axis=-1).astype(node.outputs[2].dtype)
    return -_at(log, _classes(x, classes)), jax.nn.softmax(x, axis=-1).astype(node.outputs[1].dtype), best


@translates(nnet.CrossentropySoftmax1HotWithBiasDx)
def crossentropy_gradient(op, node, gradient, output, classes):
    gradient = jnp.reshape(gradient, (-1, 1))
    hot = _is_class(output, _classes(output, classes)).astype(output.dtype)
    return (gradient * (output - hot)).astype(node.outputs[0].dtype)


@translates(nnet.CrossentropyCategorical1Hot)
def categorical_crossentropy(op, node, distribution, classes):
    return -jnp.log(_at(jnp.asarray(distribution), _classes(distribution, classes))).astype(node.outputs[0].dtype)


@translates(nnet.CrossentropyCategorical1HotGrad)
def categorical_crossentropy_gradient(op, node, gradient, distribution, classes):
    hit = _is_class(distribution, _classes(distribution, classes))
    result = jnp.where(hit, -gradient[:, None] / jnp.where(hit, distribution, 1), 0)
    return result.astype(node.outputs[0].dtype)


@translates(nnet.Prepend_scalar_constant_to_each_row)
def prepend_constant(op, node, x):
    column = jnp.full((x.shape[0], 1), op.val.data, x.dtype)
    return jnp.concatenate([column, x], axis=1)


@translates(nnet.Prepend_scalar_to_each_row)
def prepend(op, node, value, x):
    column = jnp.broadcast_to(cast_array(value, x.dtype), (x.shape[0], 1))
    return jnp.concatenate([column, x], axis=1)
