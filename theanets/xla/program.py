"""A compiled function: traced for the shapes that it meets, and run."""

import collections
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import theano
from theano.tensor import TensorType, basic
from theano.tensor.nnet import abstract_conv, conv, corr, corr3d

from . import devices, forking, state, translations, trials  # noqa: F401  (registers the translations)
from .graph import Graph
from .host import HostProgram, warn_once
from .tracing import LARGE, GiveUp, NeedsMeasurement, NeedsValue, TranslationError, frame, is_known, on_host
from .values import DEVICE_TYPES, Increment, describe, from_device, prepare, settled, take_over, to_device

__all__ = ["Program"]

#: So many compiled variants of one function are kept, for values that tracing had to know.
VARIANTS = 64

#: Discrete inputs of up to so many elements may decide about shapes.
SMALL = 64

#: Ops that XLA compiles to convolutions.
CONVOLUTIONS = (abstract_conv.BaseAbstractConv, corr.BaseCorrMM, corr3d.BaseCorr3dMM, conv.ConvOp)

#: From so many multiplications on, products without a transposed factor are left to Eigen: about 20 ms on two cores.
#: A process that tries the options takes a second, once on a machine.
WIDE = 1 << 30

#: What an input is that has no value.
NOTHING = type(None)

state.on_device(jax.tree.leaves, *DEVICE_TYPES)
devices.use_cache()


class Requirement:
    """A value that must be known before tracing: computed on the host from the inputs of the function.

    Parameters
    ----------
    need : NeedsValue
        What tracing asked for.
    """

    def __init__(self, need):
        self.variables = need.variables
        self.key = need.key
        self.compute = need.compute
        self.concrete = need.concrete

    def find(self, inputs):
        """Return what will be known, as a dict, given the inputs of the function by variable."""
        values = dict(self.concrete)
        found = [np.asarray(self._value(variable, values, inputs)) for variable in self.variables]
        if self.key is not None:
            return {self.key: self.compute(*found)}
        return dict(zip(self.variables, found))

    def _value(self, variable, values, inputs):
        if variable not in values:
            if variable in inputs:
                values[variable] = state.fetch(inputs[variable])
            elif isinstance(variable, theano.Constant):
                values[variable] = variable.data
            else:
                node = variable.owner
                arguments = [self._value(item, values, inputs) for item in node.inputs]
                values.update(zip(node.outputs, on_host(node, arguments)))
        return values[variable]


class Measurement:
    """A value that must be known before tracing: computed by what has been traced before it was needed.

    Parameters
    ----------
    program : Program
        The program.
    key : hashable
        What will be known.
    known : dict
        What is known already.
    """

    def __init__(self, program, key, known):
        self.program = program
        self.key = key

        def run(updated, kept, constants):
            try:
                program.trace(updated, kept, constants, known)
            except NeedsMeasurement as need:
                return need.value
            raise TranslationError("a number that was needed is not needed any more")

        self.function = program.compiled(run)

    def find(self, inputs):
        """Return what will be known, as a dict, given the inputs of the function by variable."""
        program, variables = self.program, self.program.fgraph.inputs
        updated = tuple([inputs[variables[i]] for i in program.updated])
        kept = tuple([inputs[variables[i]] for i in program.kept])
        return {self.key: int(self.function(updated, kept, program.constant_values))}


def _hashable(known):
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in known.values())


class Variant:
    """What has been found out about inputs of certain shapes, some of whose values may be known already.

    Parameters
    ----------
    known : dict
        What is known.
    """

    def __init__(self, known):
        self.known = known
        self.function = None
        self.requirement = None
        self.variants = collections.OrderedDict()
        self.on_host = False

    def narrow(self, inputs):
        """Return the variant for given inputs, for which what is required has been computed."""
        if self.requirement is None:
            return self
        found = self.requirement.find(inputs)
        key = _hashable(found)
        if key not in self.variants:
            self.variants[key] = Variant({**self.known, **found})
            if len(self.variants) > VARIANTS:
                self.variants.popitem(last=False)
        self.variants.move_to_end(key)
        return self.variants[key].narrow(inputs)


class Program:
    """A graph compiled by XLA.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.
    inputs : list of cells
        Where the values of its inputs are found when it runs.
    outputs : list of cells
        Where its results are stored.
    updates : dict of int to int
        Positions of inputs to be updated, and positions of the outputs that are their new values.
    shared : set of int
        Positions of inputs that are shared variables, and stay on the device.

    Attributes
    ----------
    deferred : bool
        Whether calls return values that may still be computed, as JAX arrays, without waiting. Default False.
    """

    keeps_state_on_device = True
    need_update_inputs = False
    #: Theano's functions empty the cells of the outputs after they have run.
    allow_gc = True

    def __init__(self, fgraph, inputs, outputs, updates, shared):
        self.fgraph = fgraph
        self.cells = inputs
        # an output that is an input lies in the input's cell.
        self.output_cells = [
            [None] if variable.owner is None else cell for variable, cell in zip(fgraph.outputs, outputs)
        ]
        self.count = len(fgraph.outputs)
        self.shared = sorted(shared | set(updates))
        self.updated = sorted(updates)
        self.kept = [i for i in range(len(inputs)) if i not in updates]
        self.update_outputs = [updates[i] for i in self.updated]
        self.results = [i for i in range(self.count) if i not in set(self.update_outputs)]
        # a value that is updated is overwritten by its successor: large constants stay beside the arguments as well.
        with devices.enable_x64(True):
            self.constants = self._large_constants()
        self.constant_values = tuple(self.constants.values())
        self.types = [variable.type for variable in fgraph.inputs]
        self.shared_cells = [(inputs[i], self.types[i]) for i in self.shared]
        self.updated_cells = [inputs[i] for i in self.updated]
        self.kept_cells = [inputs[i] for i in self.kept]
        self.special = [i for i, j in enumerate(self.kept) if not isinstance(self.types[j], TensorType)]
        self.output_types = [fgraph.outputs[i].type for i in self.results]
        self._graph = None
        self._host = None
        if devices.may_have(self.choices):
            kinds = sorted(type(node.op).__name__ for node in fgraph.apply_nodes)
            trials.expect(repr((kinds, [getattr(cell[0], "shape", ()) for cell in inputs])))
        self.plain = self._compile({})
        self.multiplications = self._multiplications()
        self.entries = None
        self.direct: dict = {}
        self.array_types: set[type] = set()
        self.storage_map = {}
        self.deferred = False
        forking.hold(self)

    def held_arrays(self):
        """Return the arrays on the device that shared variables hold."""
        leaves = [leaf for cell, _ in self.shared_cells for leaf in jax.tree.leaves(cell[0])]
        return [leaf for leaf in leaves if isinstance(leaf, jax.Array)]

    @property
    def graph(self):
        """The graph as it is traced; made when it is needed first."""
        if self._graph is None:
            self._graph = Graph(self.fgraph)
        return self._graph

    @property
    def host(self):
        """The same graph, run by Theano's own implementations."""
        if self._host is None:
            self._host = HostProgram(self.fgraph)
        return self._host

    def _large_constants(self):
        found = {}
        for node in self.fgraph.apply_nodes:
            for variable in node.inputs:
                if isinstance(variable, theano.Constant) and getattr(variable.data, "size", 0) > LARGE:
                    found[variable] = jnp.array(variable.data)
        return found

    def trace(self, updated, kept, constants, known):
        """Compute on traced values; return the results, the new states, and whether all guards hold (or None)."""
        values = [None] * (len(self.updated) + len(self.kept))
        for position, value in itertools.chain(zip(self.updated, updated), zip(self.kept, kept)):
            values[position] = value
        with frame(known={**known, **dict(zip(self.constants, constants))}) as level, devices.precision():
            outputs = self.graph.unsettled(values)
            holds = level.holds()
        results = [as_traced(settled(outputs[i]), type_) for i, type_ in zip(self.results, self.output_types)]
        new = [
            self._new_state(outputs[i], self.types[j], old, holds)
            for i, j, old in zip(self.update_outputs, self.updated, updated)
        ]
        return tuple(distinct(results, new, values)), tuple(new), holds

    def _new_state(self, value, type_, old, holds):
        """Return a state's new value; whatever went wrong, it is as it was before."""
        if isinstance(value, Increment) and value.base is old:
            return value.settled(holds)
        value = as_traced(settled(value), type_)
        return value if holds is None else jax.tree.map(lambda a, b: select(holds, a, b), value, old)

    def _compile(self, known, choices=None):
        """Return a function of (updated inputs, other inputs, constants), compiled at its first call."""

        def run(updated, kept, constants):
            return self.trace(updated, kept, constants, known)

        return devices.compiled(run, choices or self.choices, donate_argnums=0)

    @functools.cached_property
    def choices(self):
        """What XLA is told for a CPU; None if nothing but its defaults."""
        operations = (node.op for node in self.fgraph.apply_nodes)
        return devices.EIGEN if any(isinstance(operation, CONVOLUTIONS) for operation in operations) else None

    def compiled(self, function, **options):
        """Return a function of JAX's that traces this program; as :func:`devices.compiled`."""
        return devices.compiled(function, self.choices, **options)

    def _multiplications(self):
        """Count the multiplications for each row of the first input; 0 if YNNPACK is not to be replaced.

        Only products by matrices that are shared variables are counted, in functions without others.
        """
        products = [node.inputs for node in self.fgraph.apply_nodes if isinstance(node.op, basic.Dot)]
        matrices = [self.fgraph.inputs.index(pair[1]) for pair in products if pair[1] in self.fgraph.inputs]
        if self.updated or self.choices or len(matrices) < len(products) or not devices.may_have(devices.EIGEN):
            return 0
        return sum(math.prod(getattr(self.cells[place][0], "shape", ())) for place in matrices)

    @functools.cached_property
    def wide(self):
        """The function for many rows, whose products Eigen computes."""
        return self._compile({}, devices.EIGEN)

    def _suited(self, kept):
        """Return the function for arguments of such sizes."""
        if self.multiplications and kept[0].shape and kept[0].shape[0] * self.multiplications >= WIDE:
            return self.wide
        return self.plain

    # -- calls --------------------------------------------------------------------------------------------------------

    def place_shared(self):
        """Move shared variables to the device, where they stay."""
        for cell, type_ in self.shared_cells:
            if not isinstance(cell[0], DEVICE_TYPES):
                cell[0] = to_device(type_, cell[0])

    def __call__(self, output_subset=None):
        """Run with what the cells hold; store the updates, and return the list of outputs."""
        outputs = self._outputs()
        if not self.deferred:
            # some code calls this by itself, Theano's loops among it, and looks for the results where they are stored.
            for cell, value in zip(self.output_cells, outputs):
                cell[0] = value
        return outputs

    def _outputs(self):
        forking.check()
        with devices.enable_x64(True):
            self.place_shared()
            kept = [cell[0] for cell in self.kept_cells]
            for i in self.special:
                kept[i] = prepare(self.types[self.kept[i]], kept[i])
            if NOTHING in map(type, kept) or NOTHING in map(type, self.take_states()):
                # some Ops have a use for an input without a value.
                return self._run_on_host(kept)
            if self.deferred:
                # the arrays may be used for something else before they are read.
                kept = [value.copy() if isinstance(value, np.ndarray) else value for value in kept]
            if self.entries is None:
                try:
                    outputs = self._run(self._suited(kept), kept)
                except (NeedsValue, GiveUp):
                    self.entries = {}
                else:
                    if self.is_direct:
                        self._note_shape(kept)
                    return outputs
            return self._run_special(kept)

    @functools.cached_property
    def is_direct(self):
        """Whether the function computes one array from one, and from shared variables that it leaves as they are."""
        return (
            not self.updated
            and self.kept[:1] == [0]
            and self.shared == self.kept[1:]
            and [type(type_) for type_ in (*self.output_types, self.types[0])] == [TensorType, TensorType]
        )

    def _note_shape(self, kept):
        """Remember that the function runs for such arguments, for :meth:`compute_directly`."""
        if len(self.direct) >= VARIANTS:
            self.direct = {}
        self.array_types = {type(value) for value in kept}
        self.direct[kept[0].shape] = self._suited(kept)

    def compute_directly(self, array):
        """Compute the only output for the only input, in the fewest steps.

        Cells are only read, and nothing is traced, so that several threads may do this at the same time.

        Parameters
        ----------
        array : ndarray
            Of the type of the input.

        Returns
        -------
        value : ndarray or None
            None where a call of the program is needed: for another function, or an array of a new shape.
        """
        function = self.direct.get(array.shape)
        if function is None or self.deferred:
            return None
        forking.check()
        kept = (array, *[cell[0] for cell in self.kept_cells[1:]])
        if not self.array_types.issuperset(map(type, kept)):
            return None
        try:
            with devices.enable_x64(True):
                (value,), _, holds = function.jitted((), kept, self.constant_values)
        except (NeedsValue, GiveUp, trials.Unknown):
            return None
        return take_over(self.output_types[0], value) if holds is None or holds else None

    def store(self, states):
        """Let the cells hold new states. One step for Python, which Ctrl-C does not come in between."""
        collections.deque(map(list.__setitem__, self.updated_cells, itertools.repeat(0), states), maxlen=0)

    def take_states(self):
        """Return the states as a tuple."""
        return tuple([cell[0] for cell in self.updated_cells])

    def _run(self, function, kept):
        updated = self.take_states()
        arrived = []
        try:
            # in one step for Python, so that Ctrl-C cannot come between the end of the old state and the new one.
            function.call((updated, tuple(kept), self.constant_values), arrived)
        finally:
            holds = arrived[0][2] if arrived else None
            if arrived:
                self.store(arrived[0][1])
        if holds is not None and not holds:
            return self._run_on_host(kept)
        if self.deferred:
            return [*arrived[0][0], *[None] * len(self.updated)]
        if not self.results and any(isinstance(value, np.ndarray) for value in kept):
            # JAX reads arguments where they are, and the caller may change them as soon as this returns.
            jax.block_until_ready(arrived[0][1])
        outputs = [None] * self.count
        for position, type_, value in zip(self.results, self.output_types, arrived[0][0]):
            outputs[position] = take_over(type_, value)
        return outputs

    def _run_special(self, kept):
        """Run a function that cannot simply be traced."""
        arguments = [*(cell[0] for cell in self.updated_cells), *kept]
        signature = tuple([describe(value) for value in arguments])
        inputs = dict(zip([self.fgraph.inputs[i] for i in (*self.updated, *self.kept)], arguments))
        variant = self.entries.setdefault(signature, Variant({}))
        while True:
            try:
                variant = variant.narrow(inputs)
                if variant.on_host:
                    return self._run_on_host(kept)
                if variant.function is None:
                    variant.function = self._compile(variant.known)
                return self._run(variant.function, kept)
            except NeedsMeasurement as need:
                variant.requirement, variant.function = Measurement(self, need.key, variant.known), None
                continue
            except NeedsValue as need:
                problem = self._why_not(need, inputs, variant.known)
                if problem is None:
                    variant.requirement, variant.function = Requirement(need), None
                    continue
            except GiveUp as error:
                problem = str(error)
            # if Theano has an error to raise, it is the better one.
            result = self._run_on_host(kept)
            warn_once((id(self), problem), f"this function runs by Theano's own implementation, in Python: {problem}")
            variant.on_host = True
            return result

    def _why_not(self, need, inputs, known):
        """Say why a value cannot be known before the function runs; None if it can."""
        if need.key in known or need.key is None and all(variable in known for variable in need.variables):
            return f"{need.variables} is needed in vain"
        for leaf in need.leaves:
            if leaf not in inputs or getattr(leaf.type, "dtype", "")[:3] not in ("int", "uin", "boo"):
                return f"a shape depends on the values of {leaf}"
            if np.size(inputs[leaf]) > SMALL:
                return f"a shape depends on the {np.size(inputs[leaf])} values of {leaf}"
        return None

    def _run_on_host(self, kept):
        values = [None] * len(self.cells)
        for position, cell in zip(self.updated, self.updated_cells):
            values[position] = from_device(self.types[position], cell[0])
        for position, value in zip(self.kept, kept):
            values[position] = from_device(self.types[position], value)
        outputs = self.host(values)
        for cell, position in zip(self.updated_cells, self.update_outputs):
            cell[0] = outputs[position]
            outputs[position] = None
        return outputs


def as_traced(value, type_):
    """Return an output as something that a compiled function can return."""
    return prepare(type_, value) if is_known(value) else value


def distinct(results, new, inputs):
    """Copy outputs that are inputs, or that are new states as well: each must have memory of its own."""
    seen = {id(leaf) for leaf in jax.tree.leaves(inputs)}

    def own(leaf):
        if id(leaf) in seen:
            leaf = jnp.copy(leaf)
        seen.add(id(leaf))
        return leaf

    new[:] = [jax.tree.map(own, value) for value in new]
    return [jax.tree.map(own, value) for value in results]


def select(condition, new, old):
    """Choose between two states, which must be of one shape."""
    if new.shape != old.shape:
        raise GiveUp("a state changes its shape, and must be left alone if an index turns out to be wrong")
    return jnp.where(condition, new, old)
