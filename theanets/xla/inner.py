"""The body of a Scan, split into parts that run before, within and after the loop.

* What depends on sequences alone, and not on the state of the previous step, is computed for all steps at once before
  the loop, by a few large operations: the gates of a recurrent layer, for example, when its gradient is computed.
* Where products of matrices are summed over the steps, as for the gradient of a weight matrix, the loop only collects
  the factors, and one product after the loop computes the sum.
* Where the rows of matrices are summed, as for the gradient of a bias, the loop only adds up the matrices, and the rows
  of their sum are summed after it.
"""

import dataclasses
import functools
import weakref

import jax
import numpy as np
import theano
from theano import scalar
from theano.scan_module.scan_op import Scan
from theano.tensor import basic, elemwise
from theano.tensor.subtensor import Subtensor

from .graph import Graph
from .rewrites import optimize
from .tracing import GiveUp, NeedsValue, frame

__all__ = ["Inner", "inner_of"]

#: Ops that may be computed for all steps at once.
FOR_ALL_STEPS = (elemwise.Elemwise, elemwise.DimShuffle, basic.Dot, Subtensor)

#: Elementwise Ops that are as fast to compute in the loop as it is to read their results from memory.
CHEAP = (scalar.Add, scalar.Sub, scalar.Mul, scalar.Neg, scalar.Sqr, scalar.Second, scalar.Identity)

#: Results computed before the loop may take at most so many times the memory of the sequences.
GROWTH = 4

_inner: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

#: The rewritten bodies of loops in use, by the hash of the inner graph.
_bodies: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


class Body:
    """The rewritten graph of one step of a Scan, shared by all loops with the same graph, such as both directions.

    Parameters
    ----------
    op : theano Scan
        The Op.
    """

    def __init__(self, op):
        self.op = op
        self.inputs, outputs = theano.gof.graph.clone(op.inputs, op.outputs)
        fgraph = theano.gof.FunctionGraph(self.inputs, outputs, clone=False)
        optimize(fgraph)
        self.outputs = fgraph.outputs

    @classmethod
    def of(cls, op):
        """Return the body of an Op, rewritten at most once for equal Ops."""
        # not the hash of the Op itself, which depends on its name.
        found = _bodies.get(op._hash_inner_graph)
        if found is None or found.op != op:
            found = _bodies[op._hash_inner_graph] = cls(op)
        return found

    def copy(self):
        """Return a copy of the graph with nodes of its own, as values known while tracing are looked up by node."""
        return theano.gof.FunctionGraph(*theano.gof.graph.clone(self.inputs, self.outputs), clone=False)


@dataclasses.dataclass
class Summed:
    """What is added to a state in each step, and can as well be summed after the loop.

    Parameters
    ----------
    has_rest : bool
        Whether other terms are added as well.
    factors : list of pair
        Positions of the factors of matrix products among the outputs of the graph.
    matrices : list of pair
        Positions of matrices whose rows are summed, among these outputs, and the axes of the sum.
    """

    has_rest: bool
    factors: list
    matrices: list


class Inner:
    """The body of a Scan, split into what is computed before, within and after the loop.

    Parameters
    ----------
    node : theano Apply
        The node of the Scan.

    Attributes
    ----------
    sums : dict of int to Summed
        Recurrent outputs that sum up matrix products or rows, by position.
    histories : list of triple
        Products of a state by a matrix which the gradient of the loop needs as well: the number of the recurrent
        output, the variable of the matrix outside of the loop, and the position of the product among the outputs of the
        graph.
    products : list of pair
        Products of a sequence by a matrix that are computed before the loop: the index of the sequence, and the index
        of the matrix among the non-sequences.
    """

    def __init__(self, node):
        op = node.op
        self.body = Body.of(op)
        fgraph = self.body.copy()
        self.sums = {}
        wanted = list(fgraph.outputs)
        for position in self._accumulators(node):
            self._take_apart(fgraph, op, position, wanted)
        self.histories = self._histories(node, fgraph, wanted)
        inputs, wanted = theano.gof.graph.clone(fgraph.inputs, wanted)
        fgraph = theano.gof.FunctionGraph(inputs, wanted, clone=False)
        self.num_sequences = op.n_seqs
        self.num_others = len(inputs) - sum(map(len, op.tap_array)) - op.n_seqs - op.n_shared_outs
        self._split(fgraph)

    @staticmethod
    def _accumulators(node):
        """Return the positions of recurrent outputs with one tap, which may be sums over the steps."""
        op = node.op
        first = op.n_mit_mot + op.n_mit_sot
        return range(first, first + op.n_sit_sot) if not op.as_while else ()

    def _take_apart(self, fgraph, op, position, wanted):
        state = fgraph.inputs[op.n_seqs + sum(len(taps) for taps in op.tap_array[:position])]
        place = op.n_mit_mot_outs + position - op.n_mit_mot
        result = fgraph.outputs[place]
        node = result.owner
        is_sum = node is not None and isinstance(node.op, elemwise.Elemwise)
        if not is_sum or type(node.op.scalar_op) is not theano.scalar.Add or node.inputs.count(state) != 1:
            return
        if len(state.clients) != 1 or any(client[0] == "output" for client in result.clients[1:]):
            return
        if result.broadcastable != state.broadcastable or any(term.type != result.type for term in node.inputs):
            return
        terms = [term for term in node.inputs if term is not state]
        products = [term for term in terms if term.owner is not None and isinstance(term.owner.op, basic.Dot)]
        products = [term for term in products if all(factor.ndim == 2 for factor in term.owner.inputs)]
        rows = [term for term in terms if _sums_rows(term)]
        if not products and not rows:
            return
        rest = [term for term in terms if term not in products and term not in rows]
        factors = [tuple(len(wanted) + 2 * i + j for j in (0, 1)) for i in range(len(products))]
        wanted.extend(factor for term in products for factor in term.owner.inputs)
        matrices = [(len(wanted) + i, term.owner.op.axis) for i, term in enumerate(rows)]
        wanted.extend(term.owner.inputs[0] for term in rows)
        # the state need not be carried through the loop, unless something else is added to it there.
        wanted[place] = functools.reduce(basic.add, rest) if rest else state
        self.sums[position] = Summed(bool(rest), factors, matrices)

    @staticmethod
    def _histories(node, fgraph, wanted):
        """Append products of states to the outputs, so that the gradient of the loop need not compute them again."""
        op, histories = node.op, []
        if op.n_mit_mot or op.as_while or op.n_shared_outs:
            return histories
        matrices = multiplied_again(node)
        if not matrices:
            return histories
        count = len(fgraph.inputs) - op.n_seqs - sum(map(len, op.tap_array))
        others = dict(zip(fgraph.inputs[len(fgraph.inputs) - count :], node.inputs[len(node.inputs) - count :]))
        for number in range(op.n_mit_sot, op.n_mit_sot + op.n_sit_sot):
            state = fgraph.inputs[op.n_seqs + sum(len(taps) for taps in op.tap_array[:number])]
            for client, position in state.clients:
                if client == "output" or not isinstance(client.op, basic.Dot) or position != 0:
                    continue
                matrix = others.get(client.inputs[1])
                if matrix in matrices:
                    histories.append((number, matrix, len(wanted)))
                    wanted.append(client.outputs[0])
        return histories

    # -- before the loop ----------------------------------------------------------------------------------------------

    def _ends(self, inputs):
        """Return the sequences and the non-sequences (the same for all steps) among the inputs of a step."""
        return list(inputs[: self.num_sequences]), list(inputs[len(inputs) - self.num_others :])

    def _split(self, fgraph):
        """Make the graphs of what is computed before the loop and within it."""
        sequences, others = self._ends(fgraph.inputs)
        slice_first(fgraph, sequences, others)
        free = from_sequences(fgraph, sequences, others)
        nodes = {variable.owner for variable in free if variable.owner is not None}
        frontier = [
            variable
            for node in fgraph.toposort()
            if node in nodes
            for variable in node.outputs
            if any(client == "output" or client not in nodes for client, _ in variable.clients)
        ]
        frontier = self._worthwhile(frontier, {*sequences, *others})
        memo = {variable: variable.type(name=variable.name) for variable in frontier}
        given = list(memo.values())
        equivalent = theano.gof.graph.clone_get_equiv(fgraph.inputs, fgraph.outputs, memo=dict(memo))
        inputs = [*given, *(equivalent[variable] for variable in fgraph.inputs)]
        outputs = [equivalent[variable] for variable in fgraph.outputs]
        self.rest = Graph(theano.gof.FunctionGraph(inputs, outputs, clone=False))
        self._split_ahead(sequences, others, free, frontier)

    def _split_ahead(self, sequences, others, free, frontier):
        """Make the graphs that run before the loop: one for each matrix product, and one for the rest."""
        found = [
            variable
            for variable in free
            if isinstance(variable.owner.op, basic.Dot)
            and variable.owner.inputs[0] in sequences
            and variable.owner.inputs[1] in others
        ]
        pairs = [variable.owner.inputs for variable in found]
        self.products = [(sequences.index(a), others.index(b)) for a, b in pairs]
        self.product_graphs = [
            Graph(theano.gof.FunctionGraph(*theano.gof.graph.clone(pair, [variable]), clone=False))
            for pair, variable in zip(pairs, found)
        ]
        memo = {variable: variable.type() for variable in found}
        given = list(memo.values())
        equivalent = theano.gof.graph.clone_get_equiv(sequences + others, frontier, memo=dict(memo))
        inputs = [*given, *(equivalent[variable] for variable in sequences + others)]
        outputs = [equivalent[variable] for variable in frontier]
        self.ahead = Graph(theano.gof.FunctionGraph(inputs, outputs, clone=False))

    def _compute_ahead(self, sequences, others, done):
        """Compute one step of what runs before the loop, given products that are known already, by number."""
        products = [
            done[k] if k in done else graph([sequences[i], others[j]])[0]
            for k, ((i, j), graph) in enumerate(zip(self.products, self.product_graphs))
        ]
        return tuple(self.ahead([*products, *sequences, *others]))

    @staticmethod
    def _worthwhile(frontier, given):
        """Leave out variables that the loop can compute about as fast as read, from the other ones or its inputs."""
        kept = dict.fromkeys(frontier)

        def is_at_hand(variable):
            return isinstance(variable, theano.Constant) or variable in given or variable in kept or is_cheap(variable)

        def is_cheap(variable):
            node = variable.owner
            return node is not None and _is_cheap(node) and all(map(is_at_hand, node.inputs))

        for variable in reversed(frontier):
            if is_cheap(variable):
                del kept[variable]
        return list(kept)

    def before(self, sequences, others, done):
        """Compute for all steps at once what depends on sequences alone.

        Parameters
        ----------
        sequences : list of arrays (steps, ...)
            The sequences.
        others : list of arrays
            The non-sequences, which are the same for all steps.
        done : dict of int to array (steps, ...)
            Those of :attr:`products` that have been computed already, by their number.

        Returns
        -------
        values : tuple of arrays (steps, ...), or None
            Each call of :meth:`step` takes one step of these. None if the loop has to compute them: if there are guards
            that may fail for some of the steps, or if it takes much more memory to compute them at once.
        """
        if not self.ahead.outputs:
            return ()

        def at_once(*items):
            known = dict(zip(done, items[len(items) - len(done) :]))
            return self._compute_ahead(items[: len(items) - len(done)], others, known)

        sequences = [*sequences, *done.values()]
        items = [jax.ShapeDtypeStruct(value.shape[1:], value.dtype) for value in sequences]
        with frame() as level:
            try:
                size = sum(map(_bytes, jax.eval_shape(at_once, *items)))
                if level.guards or size > GROWTH * sum(map(_bytes, items)):
                    return None
                return jax.vmap(at_once)(*sequences)
            except (GiveUp, NeedsValue):
                # raised again, if it is an error, when the loop itself is traced.
                return None

    def step(self, values, inputs):
        """Compute one step of the loop.

        Parameters
        ----------
        values : tuple of arrays, or None
            One step of the arrays that :meth:`before` returned, or None.
        inputs : list of arrays
            All inputs of the Scan's graph, in its order.

        Returns
        -------
        outputs : list of arrays
        """
        if values is None:
            sequences, others = self._ends(inputs)
            values = self._compute_ahead(sequences, others, {})
        return self.rest([*values, *inputs])


def _is_cheap(node):
    return isinstance(node.op, elemwise.DimShuffle) or (
        isinstance(node.op, elemwise.Elemwise) and isinstance(node.op.scalar_op, CHEAP)
    )


def _bytes(about):
    return about.size * np.dtype(about.dtype).itemsize


def _sums_rows(term):
    """Tell whether a term is a sum over the first axis of a matrix, of its type."""
    op = term.owner.op if term.owner is not None else None
    return (
        isinstance(op, elemwise.CAReduce)
        and type(op.scalar_op) is scalar.Add
        and op.axis is not None
        and tuple(op.axis) == (0,)
        and term.owner.inputs[0].ndim == 2
        and term.dtype == term.owner.inputs[0].dtype
        and term.dtype.startswith("float")
    )


def inner_of(node):
    """Return the :class:`Inner` of a node, which is cached."""
    if node not in _inner:
        _inner[node] = Inner(node)
    return _inner[node]


def multiplied_again(node):
    """Return the matrices by which the gradients of loops multiply sequences.

    Parameters
    ----------
    node : theano Apply
        A node of the graph that is searched.

    Returns
    -------
    matrices : set of theano variables
        The variables of the matrices outside of the loops.
    """
    fgraph = getattr(node.outputs[0], "fgraph", None)
    found = set()
    for other in fgraph.apply_nodes if fgraph is not None else ():
        if isinstance(other.op, Scan) and other.op.n_mit_mot:
            inner = inner_of(other)
            outside = other.inputs[len(other.inputs) - inner.num_others :]
            found.update(outside[j] for _, j in inner.products)
    return found


def from_sequences(fgraph, sequences, others):
    """Return the variables that Ops in :data:`FOR_ALL_STEPS` compute from sequences and non-sequences."""
    known = {*sequences, *others}
    found = set()
    moving = set(sequences)
    for node in fgraph.toposort():
        if not isinstance(node.op, FOR_ALL_STEPS) or not all(
            variable in known or isinstance(variable, theano.Constant) for variable in node.inputs
        ):
            continue
        known.update(node.outputs)
        # loop-invariant code motion is left to XLA.
        if not moving.isdisjoint(node.inputs):
            moving.update(node.outputs)
            found.update(node.outputs)
    return found


def slice_first(fgraph, sequences, others):
    """Move slices of an elementwise result, such as a sum, to its inputs if some of these depend on sequences alone.

    The columns of a sequence are then cut out before the loop. XLA's code for CPUs is slow if it takes one step of a
    sequence and some of its columns at once.
    """
    moving = from_sequences(fgraph, sequences, others).union(sequences)
    pending = [node for node in fgraph.toposort() if _is_fixed_slice(node)]
    while pending:
        node = pending.pop()
        whole = node.inputs[0]
        owner = whole.owner
        if owner is None or not isinstance(owner.op, elemwise.Elemwise) or len(owner.outputs) > 1 or whole in moving:
            continue
        if moving.isdisjoint(owner.inputs) or not all(
            client != "output" and _is_fixed_slice(client) for client, _ in whole.clients
        ):
            continue
        if any(term.broadcastable != whole.broadcastable for term in owner.inputs):
            continue
        parts = [node.op(term, *node.inputs[1:]) for term in owner.inputs]
        result = owner.op(*parts)
        if result.type != node.outputs[0].type:
            continue
        fgraph.replace(node.outputs[0], result, reason="slice_first")
        moving.update(part for part, term in zip(parts, owner.inputs) if term in moving)
        pending.extend(part.owner for part in parts)


def _is_fixed_slice(node):
    return (
        isinstance(node.op, Subtensor)
        and all(isinstance(entry, slice) for entry in node.op.idx_list)
        and all(isinstance(variable, theano.Constant) for variable in node.inputs[1:])
    )
