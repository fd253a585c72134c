"""Translations of softmax, cross-entropy, batch normalization, images2neibs and blocksparse Ops."""

import jax
import jax.numpy as jnp
import numpy as np
from theano.tensor.nnet import blocksparse, bn, neighbours, nnet

from ..registry import translates
from ..tracing import guard, known
from .elementwise import cast_array
from .indexing import in_range


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


@translates(bn.AbstractBatchNormTrain)
def normalize(op, node, x, scale, bias, epsilon, factor, *running):
    """Normalize a batch; return its mean and the inverse of its deviation too, and both on a running average."""
    dtype = node.outputs[0].dtype
    x, scale, bias, epsilon, factor = (cast_array(value, dtype) for value in (x, scale, bias, epsilon, factor))
    mean = x.mean(op.axes, keepdims=True)
    variance = jnp.square(x - mean).mean(op.axes, keepdims=True)
    inverse = 1 / jnp.sqrt(variance + epsilon)
    results = [(x - mean) * (scale * inverse) + bias, mean, inverse]
    if running:
        count = x.size / scale.size
        unbiased = variance * (count / (count - 1) if count != 1 else np.inf)
        for old, new in zip(running, (mean, unbiased)):
            results.append(cast_array(old, dtype) * (1 - factor) + new * factor)
    return tuple(cast_array(result, output.dtype) for result, output in zip(results, node.outputs))


@translates(bn.AbstractBatchNormTrainGrad)
def normalize_gradient(op, node, x, gradient, scale, mean, inverse, epsilon):
    dtype = node.outputs[0].dtype
    x, gradient, scale, mean, inverse = (cast_array(value, dtype) for value in (x, gradient, scale, mean, inverse))
    apart = x - mean
    along = (gradient * apart).mean(op.axes, keepdims=True)
    centred = gradient * inverse - apart * (along * inverse**3)
    results = (
        scale * (centred - centred.mean(op.axes, keepdims=True)),
        (gradient * inverse * apart).sum(op.axes, keepdims=True),
        gradient.sum(op.axes, keepdims=True),
    )
    return tuple(cast_array(result, output.dtype) for result, output in zip(results, node.outputs))


@translates(bn.AbstractBatchNormInference)
def normalize_as_before(op, node, *values):
    dtype = node.outputs[0].dtype
    x, scale, bias, mean, variance, epsilon = (cast_array(value, dtype) for value in values)
    return (x - mean) * (scale / jnp.sqrt(variance + epsilon)) + bias


@translates(neighbours.Images2Neibs)
def neighbourhoods(op, node, images, size, step):
    """Arrange the pixels around each place of images as the rows of a matrix."""
    size, step = ([int(value) for value in known(values)] for values in (size, step))
    lengths = images.shape[2:]
    if min(*size, *step) < 1 or op.mode != "ignore_borders" and any(a < b for a, b in zip(lengths, size)):
        raise ValueError(f"neighbourhoods of {size} by steps of {step} in images of {lengths}")
    pad = {"half": [n // 2 for n in size], "full": [n - 1 for n in size]}.get(op.mode, [0, 0])
    places = []
    for length, n, every, low in zip(lengths, size, step, pad):
        room = length + 2 * low - n
        if op.mode == "wrap_centered":
            if n % 2 == 0:
                raise ValueError(f"neighbourhoods of {size} have no centre")
            starts = np.arange(-(-length // every)) * every - n // 2
        elif op.mode != "ignore_borders" and room % every:
            raise ValueError(f"neighbourhoods of {size} by steps of {step} do not fit images of {lengths}")
        else:
            starts = np.arange(1 + room // every) * every
        places.append(starts[:, None] + np.arange(n))
    rows, columns = places
    if op.mode == "wrap_centered":
        rows, columns = rows % lengths[0], columns % lengths[1]
    images = jnp.pad(images, [(0, 0), (0, 0), *((low, low) for low in pad)])
    # (batch, channel, row, column, row within, column within)
    found = images[:, :, rows[:, None, :, None], columns[None, :, None, :]]
    return found.reshape(-1, size[0] * size[1])


@translates(blocksparse.SparseBlockGemv)
def blocks_product(op, node, output, weights, x, inputs, outputs):
    inputs, outputs = in_range(inputs, weights.shape[0]), in_range(outputs, weights.shape[1])
    chosen = jnp.asarray(weights)[inputs[:, :, None], outputs[:, None, :]]
    return (output + jnp.einsum("bik,bijkl->bjl", x, chosen)).astype(node.outputs[0].dtype)


@translates(blocksparse.SparseBlockOuter)
def blocks_outer(op, node, output, x, y, inputs, outputs, factor):
    inputs, outputs = in_range(inputs, output.shape[0]), in_range(outputs, output.shape[1])
    products = jnp.einsum("bik,bjl->bijkl", x, y).astype(output.dtype)
    return jnp.asarray(output).at[inputs[:, :, None], outputs[:, None, :]].add(products)
