"""Theano graphs compiled by XLA: tracing with JAX for each set of shapes, and running with shared variables.

:class:`Code` is the compiled graph without values; :class:`Program` runs it on the cells of given shared variables.
"""

import collections
import copy
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
    selection,
    sharding,
    state,
    translations,  # noqa: F401  (registers the translations)
    trials,
)
from .crossing import Objects, is_object
from .graph import Graph
from .host import HostProgram, warn_once
from .postponed import origin_of, settle
from .shapes import ByShape, Recent
from .tracing import (
    LARGE,
    GiveUp,
    NeedsMeasurement,
    NeedsShapes,
    NeedsValue,
    frame,
    is_known,
)
from .values import (
    DEVICE_TYPES,
    Increment,
    all_to_device,
    describe,
    from_device,
    is_on_device,
    prepare,
    settled,
    take_over,
)
from .variants import VARIANTS, Measurement, Requirement, Variant

__all__ = ["Code", "Program", "build"]

#: Integer and boolean inputs of up to so many elements may determine shapes; their values are then known to the trace.
SMALL = 64

#: Ops that XLA compiles to convolutions.
CONVOLUTIONS = (abstract_conv.BaseAbstractConv, corr.BaseCorrMM, corr3d.BaseCorr3dMM, conv.ConvOp)

#: Number of multiplications from which on Eigen computes products without a transposed factor: about 20 ms on two
#: cores. For smaller ones it is not worth the second that a process takes to try XLA's options, once per machine.
WIDE = 1 << 30

#: The type of the content of a cell that has no value.
NOTHING = type(None)


class NoValue(Exception):
    """Raised if the cell of an input is empty."""


state.on_device(jax.tree.leaves, functools.partial(jax.device_put, may_alias=False), *DEVICE_TYPES)
devices.use_cache()
if selection.chosen() == selection.CORES:
    devices.prepare_cores()


class Code:
    """A graph compiled by XLA, which any number of functions run on shared variables of their own.

    It holds neither values nor cells of shared variables, so that it may outlive those functions.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.
    updates : dict of int to int
        Positions of inputs to be updated, and positions of the outputs that are their new values.
    shared : set of int
        Positions of inputs that are shared variables, and stay on the device.
    same : dict of int to int, optional
        Positions of inputs that share a cell with another input, and the position of that input. Default none.

    Attributes
    ----------
    passed_on : list of bool
        Which of the outputs are inputs, or constants.
    plain : theanets.xla.trials.Function
        The compiled function for inputs none of whose values has to be known to the trace.
    entries : dict or None
        The :class:`Variant` for each set of input shapes, if tracing needs values of inputs; None as long as it has not
        needed any.
    loops : dict
        Compiled loops over batches of this graph, by the layout of the data, the one used last at the end.
    plan : theanets.xla.sharding.Plan or None
        The devices that the graph is compiled for; None for the default device.
    """

    #: Attributes of which each plan has its own, or none.
    OWN = ("choices", "factors", "wide", "plain", "entries", "loops", "calls", "stays_on_host")

    plan = None

    def __init__(self, fgraph, updates, shared, same=None):
        self.fgraph = fgraph
        self.count = len(fgraph.outputs)
        self.same = same or {}
        # if one input is updated several times, the last update counts.
        last = {self.same.get(i, i): output for i, output in sorted(updates.items())}
        self.shared = sorted((shared | set(updates)) - set(self.same))
        self.updated = sorted(last)
        self.kept = [i for i in range(len(fgraph.inputs)) if i not in last and i not in self.same]
        self.update_outputs = [last[i] for i in self.updated]
        self.results = [i for i in range(self.count) if i not in set(updates.values())]
        # large constants are arguments of the compiled function, rather than literals in its code; not donated ones.
        with devices.enable_x64(True):
            self.constants = self._large_constants()
        self.types = [variable.type for variable in fgraph.inputs]
        # inputs that are neither shared variables nor dense arrays: prepare() converts their values before each call.
        self.special = [
            i for i, j in enumerate(self.kept) if j not in shared and not isinstance(self.types[j], TensorType)
        ]
        self.output_types = [fgraph.outputs[i].type for i in self.results]
        self.passed_on = [variable.owner is None for variable in fgraph.outputs]
        self._graph = None
        self._host = None
        #: The same graph compiled for other devices, by the key of their plan.
        self.divided = {}
        self._begin()

    def _begin(self):
        self.plain = self._compile({})
        self.entries = None
        self.loops = collections.OrderedDict()
        #: Ops that compiled functions call on the host, by node.
        self.calls = {}
        #: What is no array, such as random generators.
        self.objects = Objects()
        self.stays_on_host = False

    def on(self, plan):
        """Return the same graph, compiled for the devices of a plan.

        Parameters
        ----------
        plan : theanets.xla.sharding.Plan or None
            The devices; None for the default device, which this method is to be called for on the original graph.
        """
        if plan is None:
            return self
        if plan.key not in self.divided:
            code = copy.copy(self)
            for name in self.OWN:
                vars(code).pop(name, None)
            # options that are tried by compiling for one device.
            code.plan, code.choices = plan, None
            code.constants = plan.place(self.constants)
            code._begin()
            self.divided[plan.key] = code
        return self.divided[plan.key]

    def bind(self, cells):
        """Return a program that runs this compiled graph on the cells of other inputs and shared variables.

        Parameters
        ----------
        cells : list of cells
            The cells that hold the values of the inputs.
        """
        return Program(self, cells)

    @property
    def graph(self):
        """The graph to be traced; rewritten at the first access."""
        if self._graph is None:
            settle(self.fgraph)
            self._graph = Graph(self.fgraph)
        return self._graph

    @property
    def host(self):
        """The same graph, run on the host by Theano's own implementations."""
        if self._host is None:
            settle(self.fgraph)
            self._host = HostProgram(self.fgraph)
        return self._host

    @property
    def is_known(self):
        """Whether the graph is not rewritten yet, because its compiled program is expected to be on disk."""
        origin = origin_of(self.fgraph)
        return origin is not None and origin.is_postponed

    def _large_constants(self):
        found = {}
        if self.is_known:
            # programs with large constants are never written to disk.
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
        with (
            frame(known=known, calls=self.calls, objects=self.objects) as level,
            devices.precision(),
            selection.within(self.plan),
        ):
            outputs = self.graph.unsettled(values)
            holds = level.holds()
        results = [
            self.objects.keep(outputs[i])
            if is_object(type_) and is_known(outputs[i])
            else as_traced(settled(outputs[i]), type_)
            for i, type_ in zip(self.results, self.output_types)
        ]
        new = [
            self._new_state(outputs[i], self.types[j], old, holds)
            for i, j, old in zip(self.update_outputs, self.updated, updated)
        ]
        return tuple(distinct(results, new, values)), tuple(new), holds

    def _new_state(self, value, type_, old, holds):
        """Return the new value of an updated input, or its old value if a guard does not hold."""
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
        # known values are not part of the fingerprint that names the file, so variants are not kept on disk.
        about = None if known else ("batch",)
        if self.plan is None:
            return ByShape(lambda: self.compiled(run, about, donate_argnums=0))
        places = self.plan.results(), self.plan.replicated, self.plan.replicated
        return ByShape(lambda: self.compiled(run, about, donate_argnums=0, out_shardings=places), shape_of=np.shape)

    @functools.cached_property
    def is_direct(self):
        """Whether the function maps one array to one array, and reads shared variables but updates none."""
        is_alone = not self.updated and self.kept[:1] == [0] and self.shared == self.kept[1:] and not self.constants
        return is_alone and [type(type_) for type_ in (*self.output_types, self.types[0])] == [TensorType, TensorType]

    @functools.cached_property
    def factors(self):
        """Positions of the weight matrices of matrix products; empty if XLA's default library is to be used."""
        settle(self.fgraph)
        products = [node.inputs for node in self.fgraph.apply_nodes if isinstance(node.op, basic.Dot)]
        places = [self.fgraph.inputs.index(pair[1]) for pair in products if pair[1] in self.fgraph.inputs]
        is_free = self.choices is None and devices.may_have(devices.EIGEN)
        # only if every product has a weight matrix as it is: YNNPACK is faster for transposed factors.
        return places if len(places) == len(products) and is_free else []

    @functools.cached_property
    def wide(self):
        """The compiled function for large batches, whose matrix products Eigen computes."""
        return self._compile({}, devices.EIGEN)

    def suited(self, kept):
        """Return the compiled function for arguments of such sizes: :attr:`wide` or :attr:`plain`."""
        if not self.is_direct or not kept[0].ndim or self.plan is not None:
            return self.plain
        rows, sizes = kept[0].shape[0], {place: value.size for place, value in zip(self.kept[1:], kept[1:])}
        # finding the factors rewrites the graph, so that is only done for large enough batches.
        is_large = rows * sum(sizes.values()) >= WIDE
        return self.wide if is_large and rows * sum(map(sizes.get, self.factors)) >= WIDE else self.plain

    @functools.cached_property
    def choices(self):
        """XLA's compiler options for a CPU; None for its defaults."""
        origin = origin_of(self.fgraph)
        # the Ops before the rewriting, if known: so the options, part of a cache key, do not depend on its being done.
        classes = origin.classes if origin else {type(node.op) for node in self.fgraph.apply_nodes}
        return devices.EIGEN if any(issubclass(cls, CONVOLUTIONS) for cls in classes) else None

    def compiled(self, function, about=None, **options):
        """Return a function that JAX traces and XLA compiles at its first call.

        Parameters
        ----------
        function : callable
            The function to be traced.
        about : tuple, optional
            The rest of the cache key on disk, beside the graph: all numbers and strings that the function depends on.
            Default: the program is not cached on disk.
        options : dict
            More arguments of ``jax.jit``.
        """
        if about is None or self.constants or self.plan is not None and self.plan.is_distributed:
            return devices.compiled(function, self.choices, **options)
        about = (self.plan.describe(), *about) if self.plan is not None else about
        about = self.updated, self.kept, self.update_outputs, sorted(self.same.items()), self.choices, *about
        return programs.compiled(function, self.fgraph, about, self.choices, **options)


class Program:
    """A graph compiled by XLA, with the cells that it reads and writes.

    Parameters
    ----------
    code : Code
        The compiled graph.
    inputs : list of cells
        The cells of its inputs, which are read whenever it runs.
    outputs : list of cells, optional
        The cells in which its results are stored. Default: they are only returned.

    Attributes
    ----------
    deferred : bool
        Whether calls return JAX arrays without waiting until they have been computed. Default False.
    """

    keeps_state_on_device = True
    need_update_inputs = False
    #: Otherwise Theano's functions would walk through the graph after each call, to empty the cells of the outputs.
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
        #: For :meth:`compute_directly`: compiled functions by the shape of the input, and the types of their arguments.
        self.direct: dict = {}
        self.array_types: set[type] = set()
        #: The programs that run the same on other devices, by the key of their plan.
        self.divided: dict = {}
        forking.hold(self)

    def on(self, plan):
        """Return the program that runs the same, on the same cells, by the devices of a plan; None for this program."""
        if plan is None:
            return self
        if plan.key not in self.divided:
            program = self.divided[plan.key] = Program(self.code.on(plan), self.cells)
            program.output_cells = self.output_cells
        return self.divided[plan.key]

    def held_arrays(self):
        """Return the arrays on the device that shared variables hold."""
        leaves = [leaf for cell, _ in self.shared_cells for leaf in jax.tree.leaves(cell[0])]
        return [leaf for leaf in leaves if isinstance(leaf, jax.Array)]

    # -- calls --------------------------------------------------------------------------------------------------------
    #
    # Methods named ..._under_lock run while this thread holds the lock of the shared variables. They start compiled
    # functions but do not wait for results or for XLA's compiler, so that other threads get the lock soon.

    def place_shared(self):
        """Move shared variables to the device, where they stay, each with an array that no other one shares."""
        plan = self.code.plan
        elsewhere = [(cell, type_) for cell, type_ in self.shared_cells if not is_on_device(cell[0])]
        if elsewhere:
            placed = all_to_device([(type_, cell[0]) for cell, type_ in elsewhere], plan)
            for (cell, _), value in zip(elsewhere, placed):
                cell[0] = value
        seen = set()
        for cell, _ in self.shared_cells:
            if sharding.Plan.exists and sharding.is_elsewhere(cell[0], plan):
                cell[0] = sharding.moved(cell[0], plan)
            elif id(cell[0]) in seen:
                # old values are donated buffers, and one buffer cannot be donated twice.
                cell[0] = jax.tree.map(jnp.copy, cell[0])
            seen.add(id(cell[0]))

    def __call__(self, output_subset=None):
        """Run on the values in the cells; store the updates, and return the list of outputs."""
        outputs = self._outputs()
        if not self.deferred:
            # Theano's Scan, among others, calls this object itself and reads the results from the output cells.
            for cell, value in zip(self.output_cells, outputs):
                cell[0] = value
        return outputs

    def forget_outputs(self):
        """Empty the cells of the outputs."""
        for cell in self.output_cells:
            cell[0] = None

    def _outputs(self):
        plan = selection.current()
        if plan is not None and plan is not self.code.plan:
            program = self.on(plan)
            program.deferred = self.deferred
            return program._outputs()
        forking.check()
        with devices.enable_x64(True), self.code.objects:
            kept = [cell[0] for cell in self.kept_cells]
            for i in self.code.special:
                type_ = self.code.types[self.code.kept[i]]
                kept[i] = self.code.objects.put(kept[i]) if is_object(type_) else prepare(type_, kept[i])
            if self.deferred:
                # the caller may overwrite the arrays before XLA has read them.
                kept = [value.copy() if isinstance(value, np.ndarray) else value for value in kept]
            if plan is not None:
                kept = plan.batch(kept, {i for i, _ in self.kept_shared})
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
                # some of Theano's Ops accept an input without a value.
                return self._run_on_host(kept)

    def locked(self, function, *args):
        """Call a function under the lock of the shared variables, and return its result."""
        # functions that only read get the lock first: they wait for one training step, not for all that are to come.
        hold = self.tied.holding if self.code.updated else self.tied.first
        return hold(function, *args)

    def _note(self, kept, function):
        """Remember the compiled function for such arguments, for :meth:`compute_directly`."""
        if len(self.direct) >= VARIANTS:
            self.direct = {}
        self.array_types = {type(value) for value in kept}
        self.direct[kept[0].shape] = function.find(kept)

    def compute_directly(self, array, is_valid):
        """Compute the only output for the only input, with little overhead in Python.

        Cells are only read, and nothing is traced, so that several threads may do this at the same time.

        Parameters
        ----------
        array : ndarray
            The input; its dtype and rank must be those of the input's type.
        is_valid : callable
            Tells whether the result is wanted at all. It is called while XLA computes.

        Returns
        -------
        value : ndarray or None
            None where the program has to be called instead: if it has other inputs or outputs, if nothing is compiled
            for arrays of this shape yet, or if the result is not wanted.
        """
        function = self.direct.get(array.shape)
        if function is None or self.deferred or forking.is_stranded():
            return None
        arrived = []
        try:
            with devices.enable_x64(True):
                self.tied.first(self._start_directly, function, array, arrived)
        except (NeedsValue, GiveUp, trials.NotCompiled):
            return None
        if not arrived:
            return None
        (value,), _, holds = arrived[0]
        is_wanted = is_valid() and (holds is None or holds)
        # what was started is waited for in any case, as it reads the caller's array in place.
        result = take_over(self.code.output_types[0], value)
        return result if is_wanted else None

    def _start_directly(self, function, array, arrived):
        kept = [cell[0] for cell in self.kept_cells]
        kept[0] = array
        if self.array_types.issuperset(map(type, kept)):
            function.call(((), tuple(kept), ()), arrived)

    def store(self, states):
        """Store new states in the cells, in a single bytecode call, which KeyboardInterrupt cannot interrupt."""
        collections.deque(map(list.__setitem__, self.updated_cells, itertools.repeat(0), states), maxlen=0)

    def take_states(self):
        """Return the values of the updated inputs (the states) as a tuple."""
        return tuple([cell[0] for cell in self.updated_cells])

    def _take_under_lock(self, kept):
        """Return the states, and the other inputs with the values of shared variables filled in."""
        self.place_shared()
        for i, cell in self.kept_shared:
            kept[i] = cell[0]
        states = self.take_states()
        if NOTHING in map(type, kept) or NOTHING in map(type, states):
            raise NoValue
        return states, tuple(kept)

    def start(self, function, make_arguments, states_of, waits=False):
        """Start a compiled function, which is compiled first if necessary, and store the new states in the cells.

        Parameters
        ----------
        function : theanets.xla.trials.Function or theanets.xla.shapes.ByShape
            The function. Its first argument is the tuple of the states, whose buffers are donated.
        make_arguments : callable
            Returns its arguments. It is called under the lock, and moves the shared variables to the device.
        states_of : callable
            Takes the new states out of the result of the function.
        waits : bool, optional
            Whether to wait until the states have been computed. Default False.

        Returns
        -------
        result
            The result of the function, as JAX arrays that may not have been computed yet.
        """
        for call in (function.call, function.call, function.compile_and_call):
            try:
                return self.locked(self._start_under_lock, call, make_arguments, states_of, waits)
            except trials.NotCompiled:
                # compiled without the lock; only the shapes count, as another call may donate the buffers meanwhile.
                arguments = self.locked(make_arguments)
            function.compile(arguments)

    def _start_under_lock(self, call, make_arguments, states_of, waits):
        arrived = []
        try:
            # the result is appended by the call itself, so that KeyboardInterrupt cannot come after the old states have
            # been donated and before the new ones are known.
            call(make_arguments(), arrived)
        finally:
            if arrived:
                self.store(states_of(arrived[0]))
        if waits:
            jax.block_until_ready(states_of(arrived[0]))
        return arrived[0]

    def _run(self, function, kept):
        constants = tuple(self.code.constants.values())
        # JAX may read NumPy arguments in place, and the caller may change them as soon as this returns.
        is_read = self.code.plan is not None or any(isinstance(value, np.ndarray) for value in kept)
        waits = not self.code.results and is_read
        results, _, holds = self.start(
            function, lambda: (*self._take_under_lock(kept), constants), operator.itemgetter(1), waits
        )
        if holds is not None and not holds:
            return self._run_after_all(kept)
        for call in self.code.calls.values():
            call.found = None
        outputs = [None] * self.code.count
        for position, type_, value in zip(self.code.results, self.code.output_types, results):
            if is_object(type_):
                outputs[position] = self.code.objects.get(value)
            else:
                outputs[position] = value if self.deferred else take_over(type_, value)
        return outputs

    def _narrow_under_lock(self, kept, variant, first):
        """Return the variant for the inputs, the inputs by variable, and the variant that depends on shapes alone."""
        states, kept = self._take_under_lock(kept)
        signature = tuple([describe(value) for value in (*states, *kept)])
        variables = self.fgraph.inputs
        inputs = dict(zip([variables[i] for i in (*self.code.updated, *self.code.kept)], (*states, *kept)))
        inputs.update((variables[i], inputs[variables[other]]) for i, other in self.code.same.items())
        first = first or self.code.entries.find(signature, lambda: Variant({}))
        return (variant or first).narrow(inputs), inputs, first

    def _run_special(self, kept):
        """Run a function whose trace needs values of its inputs, or which XLA cannot run."""
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
                # the shapes are those of the Op's results: so run it on the host in this call, and trace in the next.
                result = self._run_on_host(kept)
                variant.known, variant.function = {**variant.known, **self.code.host.shapes}, None
                return result
            except GiveUp as error:
                problem = str(error)
            # before the warning: if Theano raises an error for these inputs, it is the more helpful message.
            result = self._run_on_host(kept)
            words = f"this function runs by Theano's own implementation, in Python: {problem}"
            warn_once((id(self.code), problem), words)
            # skips the required values: the host does not need them, and Ops with side effects must not run twice.
            (first if first.has_effects() else variant).on_host = True
            return result

    def _run_after_all(self, kept):
        """Run on the host after a guard of the compiled function did not hold.

        All further calls run on the host too if the cause is an Op called on the host whose results XLA cannot take.
        """
        calls = self.code.calls
        failed = [(call.node, call.problem) for call in calls.values() if call.problem is not None]
        # what has run already, and once in a call, does not run again.
        found = {node: call.found for node, call in calls.items() if call.found is not None and call.is_outermost}
        for call in calls.values():
            call.problem = call.found = None
        outputs = self._run_on_host(kept, found)
        if failed:
            # Theano raised no error; by XLA, the same would happen in each call from now on.
            self.code.stays_on_host = True
            node, problem = failed[0]
            words = (
                f"this function runs by Theano's own implementation from now on, in Python: {node.op} gave {problem}"
            )
            warn_once((id(self.code), node), words)
        return outputs

    def _why_not(self, need, inputs, known):
        """Return the reason why a value cannot be known before the function runs; None if it can."""
        if need.key in known or need.key is None and all(variable in known for variable in need.variables):
            return f"{need.variables} is needed in vain"
        for leaf in need.leaves:
            if leaf not in inputs or getattr(leaf.type, "dtype", "")[:3] not in ("int", "uin", "boo"):
                return f"a shape depends on the values of {leaf}"
            if np.size(inputs[leaf]) > SMALL:
                return f"a shape depends on the {np.size(inputs[leaf])} values of {leaf}"
        return None

    def _run_on_host(self, kept, found=None):
        code, values = self.code, [None] * len(self.cells)
        for position, value in zip(code.kept, kept):
            values[position] = value
        for position, value in zip(code.shared, state.read_cells([cell for cell, _ in self.shared_cells])):
            values[position] = value
        for position, other in code.same.items():
            values[position] = values[other]
        values = [
            code.objects.get(value) if is_object(type_) else from_device(type_, value)
            for type_, value in zip(code.types, values)
        ]
        outputs = code.host(values, found)
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
    # variables with the same cell are one argument, preferably the updated one: its buffer is donated, but only once.
    argument = {id(inputs[i]): i for i in sorted(range(len(inputs)), key=lambda i: i in updates)}
    same = {i: argument[id(cell)] for i, cell in enumerate(inputs) if argument[id(cell)] != i}
    code = Code(fgraph, updates, shared, same)
    if not code.is_known and devices.may_have(code.choices):
        kinds = sorted(type(node.op).__name__ for node in fgraph.apply_nodes)
        trials.expect(repr((kinds, [getattr(cell[0], "shape", ()) for cell in inputs])))
    return Program(code, inputs, outputs)


def as_traced(value, type_):
    """Return an output as a value that a function traced by JAX can return."""
    return prepare(type_, value) if is_known(value) else value


def distinct(results, new, inputs):
    """Copy outputs that are inputs or new states as well, as each result must have a buffer of its own."""
    seen = {id(leaf) for leaf in jax.tree.leaves(inputs)}

    def own(leaf):
        if id(leaf) in seen:
            leaf = jnp.copy(leaf)
        seen.add(id(leaf))
        return leaf

    new[:] = [jax.tree.map(own, value) for value in new]
    return [jax.tree.map(own, value) for value in results]


def select(condition, new, old):
    """Choose between the new and the old value of a state, which must have the same shape."""
    if new.shape != old.shape:
        raise GiveUp("a state changes its shape, and must be left alone if an index turns out to be wrong")
    return jnp.where(condition, new, old)
