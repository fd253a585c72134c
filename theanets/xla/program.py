"""A compiled function: traced for the shapes that it meets, and run."""

import collections
import functools
import itertools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import theano
from theano.tensor import TensorType, basic
from theano.tensor.nnet import abstract_conv, conv, corr, corr3d

from . import (
    devices,
    forking,
    locks,
    programs,
    state,
    translations,  # noqa: F401  (registers the translations)
    trials,
)
from .graph import Graph
from .host import HostProgram, is_pure, warn_once
from .postponed import origin_of, settle
from .registry import untranslated
from .shapes import ByShape, Recent
from .tracing import (
    LARGE,
    GiveUp,
    NeedsMeasurement,
    NeedsShapes,
    NeedsValue,
    TranslationError,
    frame,
    is_known,
    on_host,
)
from .values import DEVICE_TYPES, Increment, describe, from_device, prepare, settled, take_over, to_device

__all__ = ["Code", "Program", "build"]

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


class NoValue(Exception):
    """An input has no value, or not yet."""


state.on_device(jax.tree.leaves, functools.partial(jax.device_put, may_alias=False), *DEVICE_TYPES)
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
        #: Nodes on the way that must not run once more in the compiled function.
        self.effects = set()

    def find(self, inputs):
        """Return what will be known, as a dict, given the inputs of the function by variable."""
        values = dict(self.concrete)
        found = [np.asarray(self._value(variable, values, inputs)) for variable in self.variables]
        results = dict(zip(self.variables, found)) if self.key is None else {self.key: self.compute(*found)}
        results.update((variable, np.asarray(values[variable])) for node in self.effects for variable in node.outputs)
        return results

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
                missing = untranslated(node.op)
                if missing is not None and not is_pure(missing, node):
                    self.effects.add(node)
        return values[variable]


class Measurement:
    """A value that must be known before tracing: computed by what has been traced before it was needed.

    Parameters
    ----------
    code : Code
        The graph.
    key : hashable
        What will be known.
    known : dict
        What is known already.
    """

    def __init__(self, code, key, known):
        self.code = code
        self.key = key

        def run(updated, kept, constants):
            try:
                code.trace(updated, kept, constants, known)
            except NeedsMeasurement as need:
                return need.value
            raise TranslationError("a number that was needed is not needed any more")

        self.function = code.compiled(run)

    def find(self, inputs):
        """Return what will be known, as a dict, given the inputs of the function by variable."""
        code, variables = self.code, self.code.fgraph.inputs
        updated = tuple([inputs[variables[i]] for i in code.updated])
        kept = tuple([inputs[variables[i]] for i in code.kept])
        return {self.key: int(self.function(updated, kept, tuple(code.constants.values())))}


def _hashable(known):
    return tuple((value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value for value in known.values())


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
        if self.requirement is None or self.on_host:
            return self
        found = self.requirement.find(inputs)
        key = _hashable(found)
        if key not in self.variants:
            self.variants[key] = Variant({**self.known, **found})
            if len(self.variants) > VARIANTS:
                self.variants.popitem(last=False)
        self.variants.move_to_end(key)
        return self.variants[key].narrow(inputs)

    def has_effects(self):
        """Tell whether what is required is computed by Ops that must run once whenever the function does."""
        own = getattr(self.requirement, "effects", ())
        return bool(own) or any(variant.has_effects() for variant in self.variants.values())


class Code:
    """A graph as XLA compiles it, for any number of functions that run it on shared variables of their own.

    It holds neither values nor the places where they lie, so that it may outlive those functions.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.
    updates : dict of int to int
        Positions of inputs to be updated, and positions of the outputs that are their new values.
    shared : set of int
        Positions of inputs that are shared variables, and stay on the device.
    same : dict of int to int, optional
        Positions of inputs whose cells are those of others, with the positions of these. Default none.

    Attributes
    ----------
    passed_on : list of bool
        Which of the outputs are inputs, or constants.
    plain : theanets.xla.trials.Function
        What XLA compiles, for inputs of which no value has to be known.
    entries : dict or None
        The variants of a function that cannot simply be traced, by the shapes of its inputs; None until it turns out to
        be one.
    loops : dict
        Loops over batches that were compiled of this graph, by the layout of the data, the latest last.
    """

    def __init__(self, fgraph, updates, shared, same=None):
        self.fgraph = fgraph
        self.count = len(fgraph.outputs)
        self.same = same or {}
        # of the new values of one input, the last one counts.
        last = {self.same.get(i, i): output for i, output in sorted(updates.items())}
        self.shared = sorted((shared | set(updates)) - set(self.same))
        self.updated = sorted(last)
        self.kept = [i for i in range(len(fgraph.inputs)) if i not in last and i not in self.same]
        self.update_outputs = [last[i] for i in self.updated]
        self.results = [i for i in range(self.count) if i not in set(updates.values())]
        # a value that is updated is overwritten by its successor: large constants stay beside the arguments as well.
        with devices.enable_x64(True):
            self.constants = self._large_constants()
        self.types = [variable.type for variable in fgraph.inputs]
        # of the inputs that are no shared variables.
        self.special = [
            i for i, j in enumerate(self.kept) if j not in shared and not isinstance(self.types[j], TensorType)
        ]
        self.output_types = [fgraph.outputs[i].type for i in self.results]
        self.passed_on = [variable.owner is None for variable in fgraph.outputs]
        self._graph = None
        self._host = None
        self.plain = self._compile({})
        self.entries = None
        self.loops = collections.OrderedDict()
        #: Ops that compiled functions call on the host, by node.
        self.calls = {}
        self.stays_on_host = False

    def bind(self, cells):
        """Return a program for the graph with other cells of its inputs.

        Parameters
        ----------
        cells : list of cells
            Where the values of the inputs are found.
        """
        return Program(self, cells)

    @property
    def graph(self):
        """The graph as it is traced; made when it is needed first."""
        if self._graph is None:
            settle(self.fgraph)
            self._graph = Graph(self.fgraph)
        return self._graph

    @property
    def host(self):
        """The same graph, run by Theano's own implementations."""
        if self._host is None:
            settle(self.fgraph)
            self._host = HostProgram(self.fgraph)
        return self._host

    @property
    def is_known(self):
        """Whether the program is on disk, and the graph has not been rewritten for that reason."""
        origin = origin_of(self.fgraph)
        return origin is not None and origin.is_postponed

    def _large_constants(self):
        found = {}
        if self.is_known:
            # it would not be on disk if it had any.
            return found
        for node in self.fgraph.apply_nodes:
            for variable in node.inputs:
                if isinstance(variable, theano.Constant) and getattr(variable.data, "size", 0) > LARGE:
                    found[variable] = jnp.array(variable.data)
        return found

    def trace(self, updated, kept, constants, known):
        """Compute on traced values; return the results, the new states, and whether all guards hold (or None)."""
        values = [None] * len(self.types)
        for position, value in itertools.chain(zip(self.updated, updated), zip(self.kept, kept)):
            values[position] = value
        for position, other in self.same.items():
            values[position] = values[other]
        known = {**known, **dict(zip(self.constants, constants))}
        with frame(known=known, calls=self.calls) as level, devices.precision():
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

        if choices is not None:
            return ByShape(lambda: devices.compiled(run, choices, donate_argnums=0))
        # a variant depends on values that have no place in the name of a file.
        about = None if known else ("batch",)
        return ByShape(lambda: self.compiled(run, about, donate_argnums=0))

    @functools.cached_property
    def is_direct(self):
        """Whether the function computes one array from one, and from shared variables that it leaves as they are."""
        is_alone = not self.updated and self.kept[:1] == [0] and self.shared == self.kept[1:] and not self.constants
        return is_alone and [type(type_) for type_ in (*self.output_types, self.types[0])] == [TensorType, TensorType]

    @functools.cached_property
    def factors(self):
        """Places of the shared variables by which matrices are multiplied; none if YNNPACK is not to be replaced."""
        settle(self.fgraph)
        products = [node.inputs for node in self.fgraph.apply_nodes if isinstance(node.op, basic.Dot)]
        places = [self.fgraph.inputs.index(pair[1]) for pair in products if pair[1] in self.fgraph.inputs]
        is_free = self.choices is None and devices.may_have(devices.EIGEN)
        # products with a transposed factor, of which there are none then, are quicker by YNNPACK.
        return places if len(places) == len(products) and is_free else []

    @functools.cached_property
    def wide(self):
        """The function for many rows, whose products Eigen computes."""
        return self._compile({}, devices.EIGEN)

    def suited(self, kept):
        """Return the function for arguments of such sizes."""
        if not self.is_direct or not kept[0].ndim:
            return self.plain
        rows, sizes = kept[0].shape[0], {place: value.size for place, value in zip(self.kept[1:], kept[1:])}
        # the products are looked for, in the rewritten graph, only where it may matter.
        is_large = rows * sum(sizes.values()) >= WIDE
        return self.wide if is_large and rows * sum(map(sizes.get, self.factors)) >= WIDE else self.plain

    @functools.cached_property
    def choices(self):
        """What XLA is told for a CPU; None if nothing but its defaults."""
        origin = origin_of(self.fgraph)
        # of the graph before it was rewritten, if that is known: the same whether it has been or not.
        classes = origin.classes if origin else {type(node.op) for node in self.fgraph.apply_nodes}
        return devices.EIGEN if any(issubclass(cls, CONVOLUTIONS) for cls in classes) else None

    def compiled(self, function, about=None, **options):
        """Return a function of JAX's that traces this program.

        Parameters
        ----------
        function : callable
            What JAX traces.
        about : tuple, optional
            What it depends on beside this program: numbers and texts. It is kept on disk then, and read from there.
        options : dict
            More arguments of ``jax.jit``.
        """
        if about is None or self.constants:
            return devices.compiled(function, self.choices, **options)
        about = self.updated, self.kept, self.update_outputs, sorted(self.same.items()), self.choices, *about
        return programs.compiled(function, self.fgraph, about, self.choices, **options)


class Program:
    """A graph compiled by XLA, with the cells that it reads and writes.

    Parameters
    ----------
    code : Code
        The graph.
    inputs : list of cells
        Where the values of its inputs are found when it runs.
    outputs : list of cells, optional
        Where its results are stored. Default: they are only returned.

    Attributes
    ----------
    deferred : bool
        Whether calls return values that may still be computed, as JAX arrays, without waiting. Default False.
    """

    keeps_state_on_device = True
    need_update_inputs = False
    #: Theano's functions would look at the graph, after each call, to empty the cells of the outputs.
    allow_gc = False

    def __init__(self, code, inputs, outputs=()):
        self.code = code
        self.fgraph = code.fgraph
        self.cells = inputs
        # an output that is an input lies in the input's cell.
        self.output_cells = [[None] if is_input else cell for is_input, cell in zip(code.passed_on, outputs)]
        self.shared_cells = [(inputs[i], code.types[i]) for i in code.shared]
        self.updated_cells = [inputs[i] for i in code.updated]
        self.kept_cells = [inputs[i] for i in code.kept]
        self.kept_shared = [(i, inputs[j]) for i, j in enumerate(code.kept) if j in set(code.shared)]
        self.tied = locks.Tied([cell for cell, _ in self.shared_cells])
        self.storage_map = {}
        self.deferred = False
        #: What has run for arrays of some shapes, and the types of the arguments.
        self.direct: dict = {}
        self.array_types: set[type] = set()
        forking.hold(self)

    def held_arrays(self):
        """Return the arrays on the device that shared variables hold."""
        leaves = [leaf for cell, _ in self.shared_cells for leaf in jax.tree.leaves(cell[0])]
        return [leaf for leaf in leaves if isinstance(leaf, jax.Array)]

    # -- calls --------------------------------------------------------------------------------------------------------
    #
    # What is called under_lock runs while no other thread works with the shared variables. It starts XLA, and waits for
    # nothing: neither for results nor for XLA's compiler.

    def place_shared(self):
        """Move shared variables to the device, where they stay, each with an array of its own."""
        seen = set()
        for cell, type_ in self.shared_cells:
            if not isinstance(cell[0], DEVICE_TYPES):
                cell[0] = to_device(type_, cell[0])
            elif id(cell[0]) in seen:
                # the memory of an old value is given away, once.
                cell[0] = jax.tree.map(jnp.copy, cell[0])
            seen.add(id(cell[0]))

    def __call__(self, output_subset=None):
        """Run with what the cells hold; store the updates, and return the list of outputs."""
        outputs = self._outputs()
        if not self.deferred:
            # some code calls this by itself, Theano's loops among it, and looks for the results where they are stored.
            for cell, value in zip(self.output_cells, outputs):
                cell[0] = value
        return outputs

    def forget_outputs(self):
        """Empty the cells of the outputs."""
        for cell in self.output_cells:
            cell[0] = None

    def _outputs(self):
        forking.check()
        with devices.enable_x64(True):
            kept = [cell[0] for cell in self.kept_cells]
            for i in self.code.special:
                kept[i] = prepare(self.code.types[self.code.kept[i]], kept[i])
            if self.deferred:
                # the arrays may be used for something else before they are read.
                kept = [value.copy() if isinstance(value, np.ndarray) else value for value in kept]
            try:
                if self.code.stays_on_host or NOTHING in map(type, kept):
                    raise NoValue
                if self.code.entries is None:
                    try:
                        function = self.code.suited(kept)
                        outputs = self._run(function, kept)
                    except (NeedsValue, GiveUp):
                        self.code.entries = Recent(VARIANTS)
                    else:
                        if self.code.is_direct:
                            self._note(kept, function)
                        return outputs
                return self._run_special(kept)
            except NoValue:
                # some Ops have a use for an input without a value.
                return self._run_on_host(kept)

    def locked(self, function, *args):
        """Return what a function does, while no other thread works with the shared variables."""
        # functions that only read come first: one of them waits for one of many steps.
        hold = self.tied.holding if self.code.updated else self.tied.first
        return hold(function, *args)

    def _note(self, kept, function):
        """Remember what has run for such arguments, for :meth:`compute_directly`."""
        if len(self.direct) >= VARIANTS:
            self.direct = {}
        self.array_types = {type(value) for value in kept}
        self.direct[kept[0].shape] = function

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
        arrived = []
        try:
            with devices.enable_x64(True):
                self.tied.first(self._start_directly, function, array, arrived)
        except (NeedsValue, GiveUp, trials.NotCompiled):
            return None
        if not arrived:
            return None
        (value,), _, holds = arrived[0]
        return take_over(self.code.output_types[0], value) if holds is None or holds else None

    def _start_directly(self, function, array, arrived):
        kept = (array, *[cell[0] for cell in self.kept_cells[1:]])
        if self.array_types.issuperset(map(type, kept)):
            function.call(((), kept, ()), arrived)

    def store(self, states):
        """Let the cells hold new states. One step for Python, which Ctrl-C does not come in between."""
        collections.deque(map(list.__setitem__, self.updated_cells, itertools.repeat(0), states), maxlen=0)

    def take_states(self):
        """Return the states as a tuple."""
        return tuple([cell[0] for cell in self.updated_cells])

    def _take_under_lock(self, kept):
        """Return the states, and the other inputs, of which those that are shared variables are filled in."""
        self.place_shared()
        for i, cell in self.kept_shared:
            kept[i] = cell[0]
        states = self.take_states()
        if NOTHING in map(type, kept) or NOTHING in map(type, states):
            raise NoValue
        return states, tuple(kept)

    def start(self, function, make_arguments, states_of, waits=False):
        """Start a compiled function, after it has been compiled, and let the cells hold the states that it makes.

        Parameters
        ----------
        function : theanets.xla.trials.Function or theanets.xla.shapes.ByShape
            The function. Its first argument is the tuple of the states.
        make_arguments : callable
            Returns its arguments. It is called under the lock, with the shared variables on the device.
        states_of : callable
            Returns the new states, given what the function returns.
        waits : bool, optional
            Whether to wait until the states have been computed. Default False.

        Returns
        -------
        result
            What the function returns, which may still be computed.
        """
        for call in (function.call, function.call, function.compile_and_call):
            try:
                return self.locked(self._start_under_lock, call, make_arguments, states_of, waits)
            except trials.NotCompiled:
                # of the arguments only the shapes are of use here: their memory may be gone soon.
                arguments = self.locked(make_arguments)
            function.compile(arguments)

    def _start_under_lock(self, call, make_arguments, states_of, waits):
        arrived = []
        try:
            # in one step for Python, so that Ctrl-C cannot come between the end of the old state and the new one.
            call(make_arguments(), arrived)
        finally:
            if arrived:
                self.store(states_of(arrived[0]))
        if waits:
            jax.block_until_ready(states_of(arrived[0]))
        return arrived[0]

    def _run(self, function, kept):
        constants = tuple(self.code.constants.values())
        # JAX reads arguments where they are, and the caller may change them as soon as this returns.
        waits = not self.code.results and any(isinstance(value, np.ndarray) for value in kept)
        results, _, holds = self.start(
            function, lambda: (*self._take_under_lock(kept), constants), operator.itemgetter(1), waits
        )
        if holds is not None and not holds:
            return self._run_after_all(kept)
        if self.deferred:
            return [*results, *[None] * (self.code.count - len(self.code.results))]
        outputs = [None] * self.code.count
        for position, type_, value in zip(self.code.results, self.code.output_types, results):
            outputs[position] = take_over(type_, value)
        return outputs

    def _narrow_under_lock(self, kept, variant, first):
        """Return the variant for the inputs, these by variable, and the variant that is nothing but their shapes."""
        states, kept = self._take_under_lock(kept)
        signature = tuple([describe(value) for value in (*states, *kept)])
        variables = self.fgraph.inputs
        inputs = dict(zip([variables[i] for i in (*self.code.updated, *self.code.kept)], (*states, *kept)))
        inputs.update((variables[i], inputs[variables[other]]) for i, other in self.code.same.items())
        first = first or self.code.entries.find(signature, lambda: Variant({}))
        return (variant or first).narrow(inputs), inputs, first

    def _run_special(self, kept):
        """Run a function that cannot simply be traced."""
        variant = first = None
        while True:
            try:
                variant, inputs, first = self.locked(self._narrow_under_lock, kept, variant, first)
                if variant.on_host:
                    return self._run_on_host(kept)
                if variant.function is None:
                    variant.function = self.code._compile(variant.known)
                return self._run(variant.function, kept)
            except NeedsMeasurement as need:
                variant.requirement, variant.function = Measurement(self.code, need.key, variant.known), None
                continue
            except NeedsValue as need:
                problem = self._why_not(need, inputs, variant.known)
                if problem is None:
                    variant.requirement, variant.function = Requirement(need), None
                    continue
            except NeedsShapes:
                # the Op says it by its results, in a call that has to be made anyway.
                result = self._run_on_host(kept)
                variant.known, variant.function = {**variant.known, **self.code.host.shapes}, None
                return result
            except GiveUp as error:
                problem = str(error)
            # if Theano has an error to raise, it is the better one.
            result = self._run_on_host(kept)
            words = f"this function runs by Theano's own implementation, in Python: {problem}"
            warn_once((id(self.code), problem), words)
            # what is required need not be computed for that, and some of it must not be computed twice.
            (first if first.has_effects() else variant).on_host = True
            return result

    def _run_after_all(self, kept):
        """Run on the host what XLA could not; for good, if that is due to what an Op gave that is called there."""
        calls = self.code.calls
        failed = [(call.node, call.problem) for call in calls.values() if call.problem is not None]
        for node, _ in failed:
            calls[node].problem = None
        outputs = self._run_on_host(kept)
        if failed:
            # there was no error to be raised, and the Op would run twice in each call.
            self.code.stays_on_host = True
            node, problem = failed[0]
            words = (
                f"this function runs by Theano's own implementation from now on, in Python: {node.op} gave {problem}"
            )
            warn_once((id(self.code), node), words)
        return outputs

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
        code, values = self.code, [None] * len(self.cells)
        for position, value in zip(code.kept, kept):
            values[position] = value
        for position, value in zip(code.shared, state.read_cells([cell for cell, _ in self.shared_cells])):
            values[position] = value
        for position, other in code.same.items():
            values[position] = values[other]
        outputs = code.host([from_device(type_, value) for type_, value in zip(code.types, values)])
        self.locked(self.store, [outputs[position] for position in code.update_outputs])
        results = set(code.results)
        return [value if i in results else None for i, value in enumerate(outputs)]


def build(fgraph, inputs, outputs, updates, shared):
    """Make the program of a graph.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.
    inputs, outputs : list of cells
        As for :class:`Program`.
    updates : dict of int to int
        As for :class:`Code`.
    shared : set of int
        As for :class:`Code`.
    """
    # variables that have one cell in common are one argument: XLA writes the new value over the old one.
    argument = {id(inputs[i]): i for i in sorted(range(len(inputs)), key=lambda i: i in updates)}
    same = {i: argument[id(cell)] for i, cell in enumerate(inputs) if argument[id(cell)] != i}
    code = Code(fgraph, updates, shared, same)
    if not code.is_known and devices.may_have(code.choices):
        kinds = sorted(type(node.op).__name__ for node in fgraph.apply_nodes)
        trials.expect(repr((kinds, [getattr(cell[0], "shape", ()) for cell in inputs])))
    return Program(code, inputs, outputs)


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
