"""Tracing of Theano graphs, node by node, with values that are known or traced by JAX.

See :mod:`theanets.xla.tracing` for what translations may do meanwhile.
"""

import jax
import theano

from . import drawn, host
from .registry import LAZY, NEVER_ON_HOST, Untranslated, belongs, translate, untranslated
from .tracing import (
    LARGE,
    Dynamic,
    GiveUp,
    NeedsValue,
    TranslationError,
    current,
    is_known,
    on_host,
)
from .values import settled

__all__ = ["Graph"]


def _size(value):
    return getattr(value, "size", 1)


def _may_run_while_tracing(node, arguments):
    """Tell whether the results of a node are the same in all calls, and quickly computed."""
    if not all(map(is_known, arguments)) or sum(map(_size, arguments)) > LARGE or belongs(node.op, NEVER_ON_HOST):
        return False
    # an Op without a translation may have a state of its own, whatever its inputs are.
    missing = untranslated(node.op)
    return missing is None or host.is_pure(missing, node)


class Graph:
    """A graph that can be run on any mixture of known and traced values.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.

    Examples
    --------
    >>> import numpy as np
    >>> import theano.tensor as TT
    >>> from theanets.xla.tracing import frame
    >>> x = TT.vector("x")
    >>> graph = Graph(theano.gof.FunctionGraph([x], [x.sum() * 2]))
    >>> with frame():
    ...     print(graph([np.ones(3, x.dtype)])[0])
    6.0
    """

    def __init__(self, fgraph):
        self.fgraph = fgraph
        self.inputs = fgraph.inputs
        self.outputs = fgraph.outputs
        order = fgraph.toposort()
        if any(belongs(node.op, LAZY) for node in order):
            wanted = self._wanted()
            order = [node for node in order if node in wanted]
        self.order = order

    def _wanted(self):
        """Return the nodes that are always needed: those that are not only used by a later input of a lazy Op."""
        wanted, pending = set(), list(self.outputs)
        while pending:
            node = pending.pop().owner
            if node is not None and node not in wanted:
                wanted.add(node)
                pending.extend(node.inputs[:1] if belongs(node.op, LAZY) else node.inputs)
        return wanted

    def __call__(self, values):
        """Return the list of outputs for a list of inputs, within an open :class:`frame`."""
        return [settled(output) for output in self.unsettled(values)]

    def unsettled(self, values):
        """Return the list of outputs, some of which may be an unfinished :class:`~theanets.xla.values.Increment`."""
        values = dict(zip(self.inputs, values))
        found = current().known
        values.update((variable, found[variable]) for variable in self.inputs if variable in found)
        try:
            for node in self.order:
                self._compute(node, values)
            return [self._get(output, values) for output in self.outputs]
        except NeedsValue as need:
            self._explain(need, values)
            raise

    def _get(self, variable, values):
        if variable in values:
            return values[variable]
        if isinstance(variable, theano.Constant):
            # large constants are passed as arguments of the compiled function.
            return current().known.get(variable, variable.data)
        # not computed yet: it is only needed by a branch of a lazy Op.
        pending = [variable.owner]
        while pending:
            node = pending[-1]
            wanted = node.inputs[:1] if belongs(node.op, LAZY) else node.inputs
            missing = [item.owner for item in wanted if item not in values and not isinstance(item, theano.Constant)]
            if missing:
                pending.extend(missing)
            else:
                pending.pop()
                if node.outputs[0] not in values:
                    self._compute(node, values)
        return values[variable]

    def _compute(self, node, values):
        found = current().known
        if all(output in found for output in node.outputs):
            values.update((output, found[output]) for output in node.outputs)
            return
        lazy = belongs(node.op, LAZY)
        if lazy:
            arguments = [self._postponed(variable, values) for variable in node.inputs]
        else:
            arguments = [settled(self._get(variable, values)) for variable in node.inputs]
        results = self._results(node, arguments, lazy)
        for output, result in zip(node.outputs, results):
            values[output] = result

    def _postponed(self, variable, values):
        # values traced within a branch must not leak out of it: use a copy of the dict.
        return lambda: settled(self._get(variable, dict(values)))

    def _results(self, node, arguments, lazy):
        try:
            if not lazy and _may_run_while_tracing(node, arguments):
                return on_host(node, arguments)
            results = translate(node.op, node, *arguments)
            results = results if isinstance(results, tuple) else (results,)
            results = drawn.followed(arguments, results)
            return [check(node, output, result) for output, result in zip_all(node, results)]
        except NeedsValue as need:
            if need.leaves is not None:
                # raised within an inner graph: translate it into the inputs of this node.
                need = NeedsValue(need.leaf_values)
            need.variables = self._owners(need.values, node, arguments)
            raise need from None
        except Untranslated as error:
            if lazy:
                raise
            results = host.call_back(node, arguments, error.op)
            return [check(node, output, result) for output, result in zip_all(node, results)]
        except (GiveUp, jax.errors.JAXTypeError) as error:
            if isinstance(error, GiveUp):
                raise
            raise TranslationError(f"{node}: {error}") from error
        except Exception as error:
            raise TranslationError(f"{node}: {type(error).__name__}: {error}") from error

    def _owners(self, needed, node, arguments):
        """Find the variables whose values a translation asked for."""
        found = []
        for value in needed:
            for variable, argument in zip(node.inputs, arguments):
                if argument is value:
                    found.append(variable)
                    break
            else:
                raise Dynamic(f"{node} needs a value that only the running function knows")
        return found

    def _explain(self, need, values):
        """Add to an error about a needed value the known values and the inputs of this graph that it depends on."""
        need.concrete = {variable: value for variable, value in values.items() if is_known(value)}
        leaves, seen, pending = [], set(), list(need.variables)
        while pending:
            variable = pending.pop()
            if variable in seen or variable in need.concrete or isinstance(variable, theano.Constant):
                continue
            seen.add(variable)
            if variable.owner is None:
                leaves.append(variable)
            else:
                pending.extend(variable.owner.inputs)
        need.leaves = leaves
        need.leaf_values = [values[leaf] for leaf in leaves]


def zip_all(node, results):
    """Pair the outputs of a node with results, of which there must be as many."""
    if len(results) != len(node.outputs):
        raise TranslationError(f"{node}: {len(results)} results for {len(node.outputs)} outputs")
    return zip(node.outputs, results)


def check(node, output, result):
    """Raise an error for a result that is not of the declared type and dtype."""
    dtype = getattr(output.type, "dtype", None)
    if dtype is None or not hasattr(result, "dtype"):
        return result
    if result.dtype != dtype:
        raise TranslationError(f"{node}: the translation gives {result.dtype}, declared is {dtype}")
    ndim = getattr(output.type, "ndim", 0)
    if result.ndim != ndim:
        raise TranslationError(f"{node}: the translation gives {result.ndim} dimensions, declared are {ndim}")
    for length, broadcast in zip(result.shape, getattr(output.type, "broadcastable", ())):
        if broadcast and length != 1:
            raise TranslationError(f"{node}: a dimension declared to be of length 1 is {length} long")
    return result
