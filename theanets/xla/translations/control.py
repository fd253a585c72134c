"""Branches, checks, messages, and graphs within graphs."""

import weakref

import jax
import jax.numpy as jnp
import numpy as np
import theano
from theano.compile.builders import OpFromGraph
from theano.ifelse import IfElse
from theano.printing import Print
from theano.tensor import opt

from ..graph import Graph
from ..registry import translates
from ..rewrites import optimize
from ..tracing import Dynamic, frame, guard, is_known

_graphs: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


@translates(IfElse, lazy=True)
def if_else(op, node, condition, *branches):
    condition = condition()
    yes, no = branches[: op.n_outs], branches[op.n_outs :]
    if is_known(condition):
        return tuple(value() for value in (yes if condition else no))

    def branch(values):
        def run():
            with frame() as level:
                results = tuple(jnp.asarray(value()) for value in values)
                holds = level.holds()
            return results, jnp.asarray(True) if holds is None else holds

        return run

    shapes = [[about.shape for about in jax.eval_shape(branch(values))[0]] for values in (yes, no)]
    if shapes[0] != shapes[1]:
        raise Dynamic(f"branches of different shapes, {shapes[0]} and {shapes[1]}")
    results, holds = jax.lax.cond(condition != 0, branch(yes), branch(no))
    guard(holds)
    return results


@translates(opt.Assert)
def check(op, node, value, *conditions):
    for condition in conditions:
        guard(condition != 0)
    return value


@translates(Print, on_host=False)
def show(op, node, value):
    jax.debug.callback(lambda array: op.global_fn(op, np.asarray(array)), value, ordered=False)
    return value


@translates(OpFromGraph, on_host=False)
def graph(op, node, *values):
    if op not in _graphs:
        fgraph = theano.gof.FunctionGraph(*theano.gof.graph.clone(op.local_inputs, op.local_outputs), clone=False)
        optimize(fgraph)
        _graphs[op] = Graph(fgraph)
    with frame() as level:
        results = _graphs[op](values)
        holds = level.holds()
    if holds is not None:
        guard(holds)
    return tuple(results)
