"""Translations of random numbers, which make the same draws as Theano's own implementations.

The streams of ``theano.sandbox.rng_mrg`` are arrays of integers, and what follows computes all streams at once. Those
of ``theano.tensor.shared_randomstreams`` are generators of NumPy's, which stay on the host: the compiled function calls
them there, unless :mod:`theanets.xla.streams` has drawn before.
"""

import jax
import jax.numpy as jnp
import numpy as np
from theano.sandbox import multinomial, rng_mrg
from theano.tensor import raw_random

from .. import drawn
from ..host import call_back
from ..registry import translates
from ..tracing import guard, known

#: Up to so many rounds through all streams are unrolled; for more of them, a loop is faster.
ROUNDS = 2

#: Up to so many outcomes of a distribution are added up without a loop.
OUTCOMES = 8

M1, M2 = (np.int32(modulus) for modulus in (rng_mrg.M1, rng_mrg.M2))


def _reduced(y, modulus):
    # reduction modulo m in int32: a sum that overflowed is negative, and subtracting m wraps back.
    return jnp.where((y < 0) | (y >= modulus), y - modulus, y)


def next_value(state):
    """Advance streams by one number, as ``theano.sandbox.rng_mrg.mrg_next_value`` does.

    Parameters
    ----------
    state : tuple of six arrays of int32
        A number for each stream.

    Returns
    -------
    state : tuple of six arrays of int32
    drawn : array of int32
    """
    x11, x12, x13, x21, x22, x23 = state
    y = ((x12 & 511) << 22) + (x12 >> 9) + ((x13 & 16777215) << 7) + (x13 >> 24)
    first = _reduced(_reduced(y, M1) + x13, M1)
    y1 = _reduced(((x21 & 65535) << 15) + 21069 * (x21 >> 16), M2)
    y2 = _reduced(((x23 & 65535) << 15) + 21069 * (x23 >> 16), M2)
    second = _reduced(_reduced(y2 + x23, M2) + y1, M2)
    drawn = jnp.where(first <= second, first - second + M1, first - second)
    return (first, x11, x12, second, x21, x22), drawn


def as_uniform(drawn, dtype):
    """Scale integers to the interval between 0 and 1, rounded as in Theano's Python implementation."""
    if dtype == "float16":
        mask, offset, norm = 0x7FFF, 1, np.float16(3.0458e-05)
    elif dtype == "float32":
        mask, offset, norm = 0xFFFFFFFF, 0, np.float32(4.6566126e-10)
    elif dtype == "float64":
        mask, offset, norm = 0xFFFFFFFF, 0, 4.656612873077392578125e-10
    else:
        raise TypeError(f"no uniform numbers of {dtype}")
    integers = (drawn.astype("uint32") & np.uint32(mask)) + np.uint32(offset)
    # NumPy computes the product in float64 whatever the result's dtype.
    return (integers.astype("float64") * np.float64(norm)).astype(dtype)


def draw(state, count, dtype):
    """Draw numbers: the first of each stream, then the second of each, and so on.

    Parameters
    ----------
    state : array of int32 (num-streams, 6)
        State of each stream.
    count : int
        How many.
    dtype : str
        Of what type.

    Returns
    -------
    state : array of int32 (num-streams, 6)
    sample : array (count, )
    """
    streams = state.shape[0]
    rounds, rest = divmod(count, streams) if count else (0, 0)
    columns = tuple(state[:, i] for i in range(6))
    parts = []

    def step(columns, _):
        columns, integers = next_value(columns)
        return columns, as_uniform(integers, dtype)

    if rounds > ROUNDS:
        columns, sample = jax.lax.scan(step, columns, None, length=rounds)
        parts.append(sample.reshape(-1))
    else:
        for _ in range(rounds):
            columns, sample = step(columns, None)
            parts.append(sample)
    if rest:
        advanced, sample = step(tuple(column[:rest] for column in columns), None)
        columns = tuple(jnp.concatenate([new, old[rest:]]) for new, old in zip(advanced, columns))
        parts.append(sample)
    sample = jnp.concatenate(parts) if parts else jnp.zeros(0, dtype)
    return jnp.stack(columns, axis=1), sample


@translates(rng_mrg.mrg_uniform, on_host=False)
def mrg_uniform(op, node, state, size):
    size = [int(length) for length in known(size)]
    count = int(np.prod(size, dtype="object"))
    if state.shape[1] != 6 or state.dtype != "int32":
        raise ValueError(f"states of {state.dtype} {state.shape}, expected int32 (num-streams, 6)")
    if min(size, default=0) < 0 or count > M1 or count and not state.shape[0]:
        raise ValueError(f"cannot draw {size} numbers of {state.shape[0]} streams")
    state, sample = draw(jnp.asarray(state), count, op.output_type.dtype)
    return drawn.noted((state, sample.reshape(size)))


def running_sums(probabilities, dtype):
    """Add up along rows, from left to right: another order may round differently, which could change the draws."""
    columns = probabilities.astype(dtype).T

    def step(total, column):
        total = total + column
        return total, total

    if columns.shape[0] > OUTCOMES:
        return jax.lax.scan(step, jnp.zeros_like(columns[0]), columns)[1].T
    total, sums = jnp.zeros(columns.shape[1], dtype), []
    for column in columns:
        total, _ = step(total, column)
        sums.append(total)
    return jnp.stack(sums, axis=1)


def _check_samples(probabilities, uniform, count):
    if uniform.shape[0] != probabilities.shape[0] * count:
        raise ValueError(f"{uniform.shape[0]} numbers for {count} samples of each of {probabilities.shape[0]} rows")


@translates(multinomial.MultinomialFromUniform)
def multinomial_from_uniform(op, node, probabilities, uniform, count=1):
    # graphs pickled by old versions of Theano lack the number of draws.
    count = int(known(count) if not isinstance(count, int) else count)
    _check_samples(probabilities, uniform, count)
    dtype = node.outputs[0].dtype
    rows, outcomes = probabilities.shape
    if not uniform.size:
        return jnp.zeros((rows, outcomes), dtype)
    if not outcomes:
        raise IndexError("a distribution without outcomes")
    sums = running_sums(jnp.asarray(probabilities), "float64")
    uniform = jnp.asarray(uniform).reshape(count, rows).astype("float64")
    drawn = (sums < uniform[:, :, None]).sum(axis=2, dtype="int32")
    # a draw above the last cumulative sum has no outcome; where the sums decrease, NumPy's binary search differs.
    guard(drawn < outcomes)
    guard(sums[:, 1:] >= sums[:, :-1])
    guard(~jnp.isnan(uniform))
    if count == 1:
        counts = drawn[0][:, None] == np.arange(outcomes, dtype="int32")
    else:
        counts = jnp.zeros((rows, outcomes), "int32").at[np.arange(rows), drawn].add(1, mode="drop")
        if dtype == "float16":
            # a float16 count that is incremented one by one stops at 2048.
            counts = jnp.minimum(counts, 2048)
    return counts.astype(dtype)


def pairwise_sums(x):
    """Add up along rows in the order in which NumPy does, which decides about the last digit."""
    length = x.shape[1]
    if length < 8:
        return running_sums(x, x.dtype)[:, -1]
    if length > 128:
        half = length // 2 - length // 2 % 8
        return pairwise_sums(x[:, :half]) + pairwise_sums(x[:, half:])
    whole = length - length % 8
    r = [x[:, i] for i in range(8)]
    for start in range(8, whole, 8):
        r = [r[i] + x[:, start + i] for i in range(8)]
    total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    for i in range(whole, length):
        total = total + x[:, i]
    return total


@translates(multinomial.ChoiceFromUniform)
def choice_from_uniform(op, node, probabilities, uniform, count):
    count = int(known(count))
    dtype = node.outputs[0].dtype
    rows, outcomes = probabilities.shape
    if count > outcomes:
        raise ValueError(f"{count} samples without replacement of {outcomes} outcomes")
    _check_samples(probabilities, uniform, count)
    if probabilities.dtype not in ("float32", "float64") or dtype.startswith("u"):
        raise TypeError(f"choices from {probabilities.dtype}, as {dtype}")
    if not uniform.size:
        return jnp.full((rows, count), -1, dtype)
    # NumPy 2 sums in the dtype of the values, NumPy 1 in float64.
    precision = (0 + np.zeros((), probabilities.dtype)[()]).dtype

    def step(probabilities, uniform):
        beyond = running_sums(probabilities, precision) > uniform[:, None]
        found, drawn = beyond.any(axis=1), beyond.argmax(axis=1)
        if not op.replace:
            left = jnp.where(np.arange(outcomes) == drawn[:, None], 0, probabilities)
            left = left / pairwise_sums(left)[:, None]
            probabilities = jnp.where(found[:, None], left, probabilities)
        return probabilities, jnp.where(found, drawn, -1)

    _, drawn = jax.lax.scan(step, jnp.asarray(probabilities), jnp.asarray(uniform).reshape(count, rows))
    return drawn.T.astype(dtype)


@translates(rng_mrg.DotModulo)
def dot_modulo(op, node, *values):
    halves = [(matrix * vector % modulus).sum(axis=1) % modulus for matrix, vector, modulus in (values[:3], values[3:])]
    return jnp.concatenate(halves).astype(node.outputs[0].dtype)


@translates(raw_random.RandomFunction, on_host=False)
def draw_on_host(op, node, generator, size, *arguments):
    """Let NumPy draw; the generator is known by its number, and that of its new state is the first result."""
    size = tuple(int(length) for length in known(size))
    shapes = None
    if op.fn is raw_random.permutation_helper:
        shapes = [(), (*size, int(known(arguments[0])))]
    elif op.fn is raw_random.multinomial_helper:
        count, probabilities = (np.shape(value) for value in arguments)
        shapes = [(), (*(size or np.broadcast_shapes(count, probabilities[:-1])), probabilities[-1])]
    elif not op.ndim_added:
        # without a size, there are as many numbers as parameters.
        shapes = [(), size or np.broadcast_shapes(*map(np.shape, arguments))]
    return call_back(node, [generator, np.asarray(size, node.inputs[1].dtype), *arguments], op, shapes, quiet=True)
