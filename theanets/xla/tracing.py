"""Running a Theano graph on values of which some are known and the others are traced by JAX.

Shapes are concrete while JAX traces. So is whatever depends on shapes and constants only: such values are NumPy
arrays, and stay so, since the Op's own implementation computes with them on the host. Everything else is a JAX tracer.
A translation may

* take the values of its inputs as they come; ``jax.numpy`` accepts both kinds;
* ask for one to be a NumPy array by :func:`known`. If it is not, tracing is given up, and starts again after the value
  has been computed from the integers among the function's inputs (a slice of a given length, for example);
* state by :func:`guard` what must hold of the values for its result to be right. Where that turns out to be wrong, the
  results are discarded and Theano's own implementation runs, which knows the right result or the right error;
* ask for a number that only the running function knows, by :func:`measured`: the part of the graph that it is computed
  by is compiled and run first;
* give up by raising :class:`Dynamic`, where a shape depends on data. Theano's own implementation runs then, too.
"""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import theano

from .registry import LAZY, NEVER_ON_HOST, Untranslated, belongs, translate
from .values import DEVICE_TYPES, Increment, settled

__all__ = [
    "Dynamic",
    "Graph",
    "NeedsMeasurement",
    "NeedsValue",
    "frame",
    "guard",
    "is_known",
    "known",
    "known_by",
    "measured",
    "recall",
    "remember",
]

#: Ops on more elements than this are left to XLA, even if all are known while tracing.
LARGE = 4096


class GiveUp(Exception):
    """A graph cannot be compiled by XLA, and Theano's own implementation must run it."""


class Dynamic(GiveUp):
    """The shape of a result depends on values that only the running function knows."""


class TranslationError(GiveUp):
    """A translation failed, or its result is not what the graph declares."""


class NeedsMeasurement(GiveUp):
    """A number must be known before tracing starts, and what has been traced so far computes it.

    Parameters
    ----------
    key : hashable
        What it will be found by.
    value : array of int
        The traced number.
    """

    def __init__(self, key, value):
        super().__init__("a shape depends on how long a loop runs")
        self.key = key
        self.value = value


class NeedsValue(Exception):
    """A value must be known before tracing starts.

    Parameters
    ----------
    values : list
        The traced values that are needed.
    key : hashable, optional
        What is known is not the values themselves but something computed from them, which is found by this key.
    compute : callable, optional
        Computes it, given the values as NumPy arrays.
    """

    def __init__(self, values, key=None, compute=None):
        super().__init__("a value must be known while tracing")
        self.values = values
        self.key = key
        self.compute = compute
        self.variables = None
        self.concrete = {}
        self.leaves = None
        self.leaf_values = []


def is_known(value):
    """Tell whether a value is known while tracing, as shapes and constants are."""
    return not isinstance(value, (*DEVICE_TYPES, Increment))  # tracers are instances of JAX's arrays.


class Frame:
    """One level of tracing: a function, the body of a loop, or a branch.

    Parameters
    ----------
    parent : Frame or None
        The level around it.
    known : dict, optional
        What has been found out before tracing started.
    """

    def __init__(self, parent=None, known=None):
        self.known = known if known is not None else parent.known if parent else {}
        self.is_outermost = known is not None
        self.guards = []
        self.notes = {}

    def holds(self):
        """Return one traced boolean: whether everything that was guarded holds; None if nothing was."""
        if not self.guards:
            return None
        result = self.guards[0]
        for condition in self.guards[1:]:
            result = jnp.logical_and(result, condition)
        return result


_local = threading.local()


class frame:
    """Context manager that opens a level of tracing, within which translations of a loop or a branch are called.

    Examples
    --------
    The body of a loop hands its guards on::

        with frame() as level:
            outputs = graph(inputs)
            holds = level.holds()
    """

    def __init__(self, **kwargs):
        self.kwargs = kwargs

    def __enter__(self):
        self.before = getattr(_local, "frame", None)
        _local.frame = Frame(self.before, **self.kwargs)
        return _local.frame

    def __exit__(self, *error):
        _local.frame = self.before


def current():
    """Return the current level of tracing."""
    return _local.frame


def guard(condition):
    """Demand that a condition holds when the function runs.

    Parameters
    ----------
    condition : array of bool
        The results of the function count only if all elements are true. What is known to be true costs nothing.
    """
    if is_known(condition):
        if not np.all(condition):
            raise Dynamic("a condition is known not to hold")
        return
    current().guards.append(jnp.all(condition))


def known(value):
    """Return a value as a NumPy array.

    Raises
    ------
    NeedsValue
        If it is traced. Translations let that pass: tracing will start again when the value has been found.
    """
    if is_known(value):
        return value
    raise NeedsValue([value])


def known_by(key, values, compute):
    """Return something that is computed from values, of which the values themselves may differ from call to call.

    Parameters
    ----------
    key : hashable
        What identifies it in the graph: a tuple of a node and a name.
    values : list of arrays
        What it is computed from.
    compute : callable
        Computes something hashable, given NumPy arrays.
    """
    if all(map(is_known, values)):
        return compute(*values)
    found = current().known
    if key in found:
        return found[key]
    raise NeedsValue([value for value in values if not is_known(value)], key, compute_with(values, compute))


def measured(key, compute):
    """Return a number that depends on any values, as an int.

    Parameters
    ----------
    key : hashable
        What identifies it in the graph: a tuple of a node and a name.
    compute : callable
        Returns it as a traced value.

    Raises
    ------
    Dynamic
        Within the body of a loop or a branch, which cannot be run by itself.
    """
    level = current()
    if key in level.known:
        return level.known[key]
    if not level.is_outermost:
        raise Dynamic("a shape depends on how long a loop within a loop or a branch runs")
    raise NeedsMeasurement(key, compute())


def remember(value, note):
    """Write down something about a traced value, for translations of what uses it; return the value."""
    current().notes[id(value)] = value, note
    return value


def recall(value):
    """Return what has been written down about a value on this level; None if nothing was."""
    return current().notes.get(id(value), (None, None))[1]


def compute_with(values, compute):
    """Return a function of those values that are not known yet."""

    def function(*missing):
        missing = iter(missing)
        return compute(*[value if is_known(value) else next(missing) for value in values])

    return function


def on_host(node, values):
    """Run an Op's own implementation; return the list of its outputs."""
    if not getattr(node.tag, "xla_prepared", False):
        node.op.prepare_node(node, None, None, "py")
        node.tag.xla_prepared = True
    cells = [[None] for _ in node.outputs]
    values = [variable.type.filter(value, allow_downcast=True) for variable, value in zip(node.inputs, values)]
    # an Op that works in place must not change a constant, or the value of another variable.
    for positions in getattr(node.op, "destroy_map", {}).values():
        for position in positions:
            values[position] = values[position].copy()
    params = node.run_params()
    node.op.perform(node, values, cells, *([] if params in (None, theano.gof.graph.NoParams) else [params]))
    return [cell[0] for cell in cells]


def _size(value):
    return getattr(value, "size", 1)


class Graph:
    """A graph that can be run on any mixture of known and traced values.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.

    Examples
    --------
    >>> import theano.tensor as TT
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
        """Return the nodes that are needed whatever a lazy Op decides: those not behind one of its later inputs."""
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
        """Do the same, but leave it to the caller to finish what is an :class:`~theanets.xla.values.Increment`."""
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
            # large ones are arguments of the compiled function.
            return current().known.get(variable, variable.data)
        # only what lies behind a lazy Op has not been computed in order.
        pending = [variable.owner]
        while pending:
            node = pending[-1]
            wanted = node.inputs[:1] if belongs(node.op, LAZY) else node.inputs
            missing = [
                item.owner for item in wanted if item not in values and not isinstance(item, theano.Constant)
            ]
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
        # what a branch computes belongs to its trace, and must not be seen outside.
        return lambda: settled(self._get(variable, dict(values)))

    def _results(self, node, arguments, lazy):
        try:
            if (
                not lazy
                and all(map(is_known, arguments))
                and sum(map(_size, arguments)) <= LARGE
                and not belongs(node.op, NEVER_ON_HOST)
            ):
                return on_host(node, arguments)
            results = translate(node.op, node, *arguments)
            results = results if isinstance(results, tuple) else (results,)
            return [check(node, output, result) for output, result in zip_all(node, results)]
        except NeedsValue as need:
            if need.leaves is not None:
                # it came from an inner graph, some inputs of which are inputs of this node.
                need = NeedsValue(need.leaf_values)
            need.variables = self._owners(need.values, node, arguments)
            raise need from None
        except Untranslated:
            from . import host

            if lazy:
                raise
            results = host.call_back(node, arguments)
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
        """Say what is needed in terms of the inputs of this graph."""
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
    """Refuse a result that is not of the declared type; no wrong dtype goes further in silence."""
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
