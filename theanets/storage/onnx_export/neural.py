"""Translations of products of matrices, convolution, pooling and softmax."""

import numpy as np
import theano
from theano.tensor import basic, blas, nnet
from theano.tensor.nnet import abstract_conv
from theano.tensor.signal import pool

from .builder import Untranslated, translates


@translates(basic.Dot, blas.BatchedDot)
def dot(op, node, build, *values):
    dtype = node.outputs[0].dtype
    return build.add("MatMul", *(build.cast(value, v.dtype, dtype) for value, v in zip(values, node.inputs)))


@translates(nnet.Softmax)
def softmax(op, node, build, value):
    return build.add("Softmax", value, axis=-1)


@translates(nnet.LogSoftmax)
def log_softmax(op, node, build, value):
    return build.add("LogSoftmax", value, axis=-1)


def _filter_lengths(node):
    """Return the lengths of the filters along two axes, from the filters themselves."""
    filters = node.inputs[1]
    if isinstance(filters, theano.Constant):
        return filters.data.shape[2:]
    if hasattr(filters, "get_value"):
        return filters.get_value(borrow=True).shape[2:]
    if node.op.kshp is not None and None not in node.op.kshp[2:]:
        return tuple(map(int, node.op.kshp[2:]))
    raise Untranslated(node, "the size of the filters of a convolution is computed")


@translates(abstract_conv.AbstractConv2d)
def convolve(op, node, build, images, filters):
    if op.unshared:
        raise Untranslated(node, "the filters of a convolution differ from place to place")
    lengths = _filter_lengths(node)
    dilated = [(length - 1) * step + 1 for length, step in zip(lengths, op.filter_dilation)]
    pads = abstract_conv.border_mode_to_pad(op.border_mode, 2, dilated)
    if op.filter_flip:
        # ONNX computes a cross-correlation: its filters are not flipped.
        back = build.constant([np.iinfo("int64").min] * 2, "int64")
        ends = build.constant([-1, -1], "int64")
        filters = build.add("Slice", filters, ends, back, build.constant([2, 3], "int64"), ends)
    return build.add(
        "Conv",
        images,
        filters,
        kernel_shape=list(map(int, lengths)),
        strides=list(map(int, op.subsample)),
        dilations=list(map(int, op.filter_dilation)),
        group=int(op.num_groups),
        pads=[int(pad[0]) for pad in pads] + [int(pad[1]) for pad in pads],
    )


@translates(pool.Pool)
def pooling(op, node, build, value, *settings):
    if not all(isinstance(variable, theano.Constant) for variable in node.inputs[1:]):
        raise Untranslated(node, "the size of a pooling window is computed")
    window, stride, pad = ([int(n) for n in variable.data] for variable in node.inputs[1:])
    if op.ndim != 2 or node.inputs[0].ndim != 4:
        raise Untranslated(node, f"pooling along {op.ndim} axes of an array of {node.inputs[0].ndim}")
    options = dict(kernel_shape=window, strides=stride, pads=pad * 2)
    if not op.ignore_border:
        if any(step > length for step, length in zip(stride, window)):
            raise Untranslated(node, "ignore_border=False together with a stride larger than the window")
        if op.mode == "sum":
            raise Untranslated(node, "ignore_border=False together with sums")
        options["ceil_mode"] = 1
    if op.mode == "max":
        return build.add("MaxPool", value, **options)
    if op.mode == "sum":
        mean = build.add("AveragePool", value, count_include_pad=1, **options)
        return build.add("Mul", mean, build.constant(np.prod(window), node.outputs[0].dtype))
    # without padding, including or excluding it makes no difference to the mean.
    include = int(op.mode == "average_inc_pad" and any(pad))
    return build.add("AveragePool", value, count_include_pad=include, **options)
