"""Functions that draw from NumPy's random generators, such as those of ``theano.tensor.shared_randomstreams``.

XLA has no Mersenne twister, and a generator is not an array. But samples mostly depend on nothing but the generator,
shapes and a few numbers. So they are drawn on the host, by Theano's own Ops, before the compiled function is called,
and are further arguments of it. The generators get their new states after the function has succeeded.
"""

import theano
from theano.compile.ops import Shape_i
from theano.tensor.raw_random import RandomFunction, RandomStateType

from . import program as programs
from .host import HostProgram
from .state import read_cells
from .values import is_supported

__all__ = ["Drawing", "build"]


class _Plan:
    """The random samples of a graph, and the inputs that they depend on.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.
    shared : set of int
        Positions of inputs that are shared variables.

    Attributes
    ----------
    samples : list of theano variables
        The samples that are drawn.
    generators : list of theano variables
        The inputs that are generators.
    states : list of theano variables
        The outputs that are generators.
    shapes : list of theano variables
        Lengths of dimensions of inputs that the samples depend on.
    values : list of theano variables
        Inputs whose values the samples depend on.
    is_possible : bool
        Whether the samples can be drawn on the host first: whether they depend on no arrays on the device, and the
        generators are used for nothing else.
    """

    def __init__(self, fgraph, shared):
        draws = [node for node in fgraph.toposort() if isinstance(node.op, RandomFunction)]
        self.samples = [node.outputs[1] for node in draws]
        self.generators = [variable for variable in fgraph.inputs if _is_generator(variable)]
        self.states = [variable for variable in fgraph.outputs if _is_generator(variable)]
        self.shapes, self.values = [], []
        on_device = {fgraph.inputs[i] for i in shared}
        used = {variable for node in fgraph.apply_nodes for variable in node.inputs if _is_generator(variable)}
        self.is_possible = all(
            isinstance(client.op, RandomFunction)
            for variable in used
            for client, _ in variable.clients
            if client != "output"
        ) and all(self._find(variable, on_device) for node in draws for variable in node.inputs[1:])

    def _find(self, variable, on_device):
        """Collect the shapes and values that a variable depends on; return False if it needs an array on the device."""
        pending, seen = [variable], set()
        while pending:
            variable = pending.pop()
            if variable in seen or isinstance(variable, theano.Constant) or _is_generator(variable):
                # earlier samples of the same generator are checked by themselves.
                continue
            seen.add(variable)
            node = variable.owner
            if node is None:
                if variable in on_device and variable.ndim:
                    return False
                if variable not in self.values:
                    self.values.append(variable)
            elif isinstance(node.op, Shape_i) and node.inputs[0].owner is None:
                if variable not in self.shapes:
                    self.shapes.append(variable)
            else:
                pending.extend(node.inputs)
        return True


def _is_generator(variable):
    return isinstance(variable.type, RandomStateType)


def build(fgraph, inputs, outputs, updates, shared):
    """Make the program of a graph with generators; None if its samples cannot be drawn before the rest is computed.

    Parameters
    ----------
    fgraph, inputs, outputs, updates, shared
        As for :func:`theanets.xla.program.build`.
    """
    if not all(
        _is_generator(variable) or is_supported(variable.type) for variable in (*fgraph.inputs, *fgraph.outputs)
    ):
        return None
    plan = _Plan(fgraph, shared)
    return Drawing(fgraph, plan, inputs, outputs, updates, shared) if plan.is_possible else None


class Drawing:
    """A program that draws random numbers on the host, and calls a function compiled by XLA with them.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.
    plan : _Plan
        The samples.
    inputs, outputs, updates, shared
        As for :func:`theanets.xla.program.build`.
    """

    keeps_state_on_device = True
    need_update_inputs = False
    allow_gc = True

    def __init__(self, fgraph, plan, inputs, outputs, updates, shared):
        self.fgraph, self.storage_map = fgraph, {}
        self.output_cells = outputs
        cells = dict(zip(fgraph.inputs, inputs))
        self.value_cells = [cells[variable] for variable in plan.values]
        self.shape_cells = [(cells[variable.owner.inputs[0]], variable.owner.op.i) for variable in plan.shapes]
        self.generator_cells = [cells[variable] for variable in plan.generators]
        self.host = HostProgram(_host_graph(plan))
        kept = [i for i, variable in enumerate(fgraph.inputs) if variable not in plan.generators]
        self.places = [i for i, variable in enumerate(fgraph.outputs) if variable not in plan.states]
        self.state_places = [i for i, variable in enumerate(fgraph.outputs) if variable in plan.states]
        # for each generator that is updated: its cell, and the index of its new state.
        self.updates = [
            (inputs[i], self.state_places.index(updates[i])) for i in sorted(updates) if updates[i] in self.state_places
        ]
        self.returned = [i for i in self.state_places if i not in updates.values()]
        self.sample_cells = [[None] for _ in plan.samples]
        self.program = programs.build(
            _compiled_graph(fgraph, plan, kept, self.places),
            [*(inputs[i] for i in kept), *self.sample_cells],
            [outputs[i] for i in self.places],
            {kept.index(i): self.places.index(updates[i]) for i in updates if updates[i] in self.places},
            {kept.index(i) for i in shared if i in kept},
        )

    @property
    def deferred(self):
        """Whether calls return JAX arrays without waiting, as for :class:`theanets.xla.program.Program`."""
        return self.program.deferred

    @deferred.setter
    def deferred(self, is_deferred):
        self.program.deferred = is_deferred

    @property
    def shared_cells(self):
        """The cells of shared variables on the device, with their types."""
        return self.program.shared_cells

    def forget_outputs(self):
        """Empty the cells of the outputs."""
        for cell in self.output_cells:
            cell[0] = None

    def __call__(self, output_subset=None):
        """Run on the values in the cells; store the updates, and return the list of outputs."""
        values = read_cells(self.value_cells)
        lengths = [theano._asarray(cell[0].shape[axis], "int64") for cell, axis in self.shape_cells]
        drawn = self.host([*values, *lengths, *(cell[0] for cell in self.generator_cells)])
        samples, states = drawn[: len(self.sample_cells)], drawn[len(self.sample_cells) :]
        try:
            for cell, sample in zip(self.sample_cells, samples):
                cell[0] = sample
            results = self.program()
        finally:
            for cell in self.sample_cells:
                cell[0] = None
        outputs = [None] * (len(self.places) + len(self.state_places))
        for place, result in zip(self.places, results):
            outputs[place] = result
        for cell, place in self.updates:
            cell[0] = states[place]
        for place in self.returned:
            outputs[place] = self.output_cells[place][0] = states[self.state_places.index(place)]
        return outputs


def _host_graph(plan):
    """Return the graph that draws the samples, which runs on the host."""
    wanted = [*plan.samples, *plan.states]
    memo = {variable: variable.type() for variable in plan.shapes}
    given = [*plan.values, *plan.generators]
    equivalent = theano.gof.graph.clone_get_equiv(given, wanted, memo=dict(memo))
    inputs = [equivalent[variable] for variable in (*plan.values, *plan.shapes, *plan.generators)]
    return theano.gof.FunctionGraph(inputs, [equivalent[variable] for variable in wanted], clone=False)


def _compiled_graph(fgraph, plan, kept, places):
    """Return the rest of the graph, which XLA compiles; the samples are its last inputs."""
    inputs, outputs = [fgraph.inputs[i] for i in kept], [fgraph.outputs[i] for i in places]
    memo = {variable: variable.type() for variable in plan.samples}
    equivalent = theano.gof.graph.clone_get_equiv(inputs, outputs, memo=dict(memo))
    inputs = [equivalent[variable] for variable in (*inputs, *plan.samples)]
    return theano.gof.FunctionGraph(inputs, [equivalent[variable] for variable in outputs], clone=False)
