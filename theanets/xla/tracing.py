"""Tools for translations while a graph is traced: known and traced values, guards and measurements.

Shapes are concrete while JAX traces. So is whatever depends on shapes and constants only: such values are NumPy
arrays, and stay so, since the Op's own implementation computes with them on the host. Everything else is a JAX tracer.
A translation may

* take the values of its inputs as they come; ``jax.numpy`` accepts both kinds;
* ask for one to be a NumPy array by :func:`known`. If it is not, tracing is given up, and starts again after the value
  has been computed from the integers among the function's inputs (a slice of a given length, for example);
* state by :func:`guard` what must hold of the values for its result to be right. Where that turns out to be wrong, the
  results are discarded and Theano's own implementation runs, which knows the right result or the right error;
* ask by :func:`measured` for a number that depends on the data: the part of the graph that computes it is compiled and
  run first;
* give up by raising :class:`Dynamic`, where a shape depends on data. Theano's own implementation runs then, too.
"""

import copy
import threading

import jax.numpy as jnp
import numpy as np
import theano

from .values import DEVICE_TYPES, Increment

__all__ = [
    "Dynamic",
    "NeedsMeasurement",
    "NeedsShapes",
    "NeedsValue",
    "frame",
    "guard",
    "is_known",
    "known",
    "known_by",
    "measured",
    "recall",
    "remember",
    "runs_in_python",
    "shapes_of",
]

#: Ops on more elements than this are left to XLA, even if all are known while tracing.
LARGE = 4096


class GiveUp(Exception):
    """A graph cannot be compiled by XLA, and Theano's own implementation must run it."""


class Dynamic(GiveUp):
    """The shape of a result depends on values that are known only when the function runs."""


class TranslationError(GiveUp):
    """A translation failed, or its result is not what the graph declares."""


class NeedsMeasurement(GiveUp):
    """A number must be known before tracing starts, and what has been traced so far computes it.

    Parameters
    ----------
    key : hashable
        The key under which it will be found.
    value : array of int
        The traced number.
    """

    def __init__(self, key, value):
        super().__init__("a shape depends on how long a loop runs")
        self.key = key
        self.value = value


class NeedsShapes(GiveUp):
    """Nobody can tell the shapes of what an Op computes but the Op itself, when the function runs first.

    Parameters
    ----------
    node : theano Apply
        Applies the Op.
    """

    def __init__(self, node):
        super().__init__(f"{node.op} does not say of what shape its results are")
        self.node = node


class Call:
    """What compiled functions find out about an Op that they call on the host.

    Parameters
    ----------
    node : theano Apply
        Applies the Op.

    Attributes
    ----------
    problem : str or None
        Why the last call that failed did; None if none has.
    found : list, Exception or None
        What the last call gave, if it should not be made once more.
    is_outermost : bool
        Whether there is one call whenever the function runs, and not one in each step of a loop.
    """

    def __init__(self, node):
        self.node = node
        self.problem = None
        self.found = None
        self.is_outermost = False


class NeedsValue(Exception):
    """A value must be known before tracing starts.

    Parameters
    ----------
    values : list
        The traced values that are needed.
    key : hashable, optional
        The key under which a result computed from the values will be found, if that is needed and not the values.
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
    """A level of tracing: a function, the body of a loop, or a branch, with its guards and known values.

    Parameters
    ----------
    parent : Frame or None
        The level around it.
    known : dict, optional
        Values found before tracing started, by key.
    calls : dict of node to Call, optional
        Filled with the Ops that are called on the host.
    objects : theanets.xla.crossing.Objects, optional
        What is no array.

    Attributes
    ----------
    effects : list of theano Apply
        Nodes traced so far, on this level and those around it, that must run once whenever the function does.
    """

    def __init__(self, parent=None, known=None, calls=None, objects=None):
        self.known = known if known is not None else parent.known if parent else {}
        self.calls = calls if calls is not None else parent.calls if parent else {}
        self.objects = objects if objects is not None else parent.objects if parent else None
        self.is_outermost = known is not None
        self.effects = parent.effects if parent and not self.is_outermost else []
        self.guards = []
        self.notes = {}

    def holds(self):
        """Return one traced boolean: whether all guards hold; None if there are none."""
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
    The body of a loop passes its guards on::

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
        If it is traced. Translations do not catch it: tracing starts again when the value has been found.
    """
    if is_known(value):
        return value
    raise NeedsValue([value])


def known_by(key, values, compute):
    """Return a result computed from values; functions are compiled for the result, while the values may change.

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
    number = compute()
    if level.effects:
        # what is traced so far would run twice: to measure, and for its results.
        raise Dynamic(
            f"a shape depends on how long a loop runs, and {level.effects[0]} must not run once more for that"
        )
    raise NeedsMeasurement(key, number)


def shapes_of(node):
    """Return the shapes of what an Op gave when the function ran on the host: a list of tuples.

    Raises
    ------
    NeedsShapes
        If it did not run there yet.
    Dynamic
        Within the body of a loop or a branch, where the shapes may differ from step to step.
    """
    level = current()
    if (node, "shapes") in level.known:
        return level.known[node, "shapes"]
    if not level.is_outermost:
        raise Dynamic(f"{node.op} does not say of what shape its results are, within a loop or a branch")
    raise NeedsShapes(node)


def remember(value, note):
    """Attach a note to a traced value, for translations of Ops that use it; return the value."""
    current().notes[id(value), type(note)] = value, note
    return value


def recall(value, kind):
    """Return the note of a type attached to a value on this level of tracing; None if there is none."""
    return current().notes.get((id(value), kind), (None, None))[1]


def compute_with(values, compute):
    """Return a function of those values that are not known yet."""

    def function(*missing):
        missing = iter(missing)
        return compute(*[value if is_known(value) else next(missing) for value in values])

    return function


def runs_in_python(op):
    """Tell whether an Op has an implementation in Python that can be run by itself, as loops and branches have none."""
    return type(op).perform is not theano.gof.op.PureOp.perform and hasattr(op, "prepare_node")


def on_host(node, values):
    """Run an Op's own implementation; return the list of its outputs.

    Raises
    ------
    Dynamic
        If it has none in Python.
    """
    if not runs_in_python(node.op):
        raise Dynamic(f"{node.op} cannot be run by itself while tracing")
    if not getattr(node.tag, "xla_prepared", False):
        node.op.prepare_node(node, None, None, "py")
        node.tag.xla_prepared = True
    cells = [[None] for _ in node.outputs]
    values = [variable.type.filter(value, allow_downcast=True) for variable, value in zip(node.inputs, values)]
    # an Op that works in place must not change a constant, or the value of another variable.
    for positions in getattr(node.op, "destroy_map", {}).values():
        for position in positions:
            value = values[position]
            values[position] = value.copy() if hasattr(value, "copy") else copy.copy(value)
    params = node.run_params()
    node.op.perform(node, values, cells, *([] if params in (None, theano.gof.graph.NoParams) else [params]))
    return [cell[0] for cell in cells]
