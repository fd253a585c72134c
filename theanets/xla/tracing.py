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

import jax.numpy as jnp
import numpy as np
import theano

from .values import DEVICE_TYPES, Increment

__all__ = [
    "Dynamic",
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
    current().notes[id(value), type(note)] = value, note
    return value


def recall(value, kind):
    """Return the note of a type that has been written down about a value on this level; None if there is none."""
    return current().notes.get((id(value), kind), (None, None))[1]


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
