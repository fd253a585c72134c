"""Functions of values that are no arrays: NumPy's random generators (``shared_randomstreams``), lists, and any objects.

XLA has no Mersenne twister, and a generator is not an array. But samples mostly depend on nothing but the generator,
shapes and a few numbers. So they are drawn on the host, by Theano's own Ops, before the compiled function is called,
and are further arguments of it. The same goes for whatever else is computed from objects and arguments. What depends on
the results of the compiled function, on weights for example, is called back by it; see :mod:`theanets.xla.crossing`.
The generators get their new states after the function has succeeded.
"""

import theano
import theano.sparse
from theano.compile.builders import OpFromGraph
from theano.compile.ops import Shape_i
from theano.ifelse import IfElse
from theano.scan_module.scan_op import Scan

from . import program as programs
from .crossing import is_object
from .host import HostProgram, has_only_c, is_pure
from .registry import untranslated
from .state import read_cells

__all__ = ["Drawing", "build"]

#: Ops with graphs of their own, in which objects may be used.
WITH_GRAPHS = (Scan, IfElse, OpFromGraph)


class _Plan:
    """What of a graph is computed on the host before the rest, and the inputs that it depends on.

    Parameters
    ----------
    fgraph : theano FunctionGraph
        The graph.
    shared : set of int
        Positions of inputs that are shared variables.

    Attributes
    ----------
    first : set of theano variables
        The results of Ops that have to do with objects and are computed first.
    samples : list of theano variables
        Those of them that the rest of the graph needs.
    states : list of theano variables
        The outputs that are computed first, or are objects among the inputs.
    objects : list of theano variables
        The inputs that are objects.
    shapes : list of theano variables
        Lengths of dimensions of inputs that the samples depend on.
    values : list of theano variables
        Inputs whose values the samples depend on.
    """

    def __init__(self, fgraph, shared):
        self.objects = [variable for variable in fgraph.inputs if is_object(variable.type)]
        self.shapes, self.values, self.first = [], [], set()
        on_device = {fgraph.inputs[i] for i in shared}
        for node in fgraph.toposort():
            if _has_objects(node) and not isinstance(node.op, WITH_GRAPHS) and not has_only_c(node.op):
                self._try(node, on_device)
        there = self.first.union(self.objects)
        self.states = [variable for variable in fgraph.outputs if variable in there]
        # a slice of a graph: what comes first is not followed.
        needed = theano.gof.graph.ancestors([item for item in fgraph.outputs if item not in there], blockers=there)
        self.samples = [variable for variable in needed if variable in self.first]

    def _try(self, node, on_device):
        """Let a node come first, if what it depends on does, too."""
        shapes, values = [], []
        if all(self._find(variable, on_device, shapes, values) for variable in node.inputs):
            self.first.update(node.outputs)
            for found, new in ((self.shapes, shapes), (self.values, values)):
                found.extend(variable for variable in new if variable not in found)

    def _find(self, variable, on_device, shapes, values):
        """Collect the shapes and values that a variable depends on; return False if it cannot be computed first."""
        pending, seen = [variable], set()
        while pending:
            variable = pending.pop()
            if variable in seen or isinstance(variable, theano.Constant) or variable in self.first:
                continue
            seen.add(variable)
            node = variable.owner
            if node is None:
                if is_object(variable.type):
                    continue
                if variable in on_device and getattr(variable, "ndim", 1):
                    return False
                values.append(variable)
            elif isinstance(node.op, Shape_i) and node.inputs[0].owner is None:
                shapes.append(variable)
            elif _has_objects(node) or not _may_run_twice(node):
                return False
            else:
                pending.extend(node.inputs)
        return True


def _has_objects(node):
    return any(is_object(variable.type) for variable in (*node.inputs, *node.outputs))


def _may_run_twice(node):
    missing = untranslated(node.op)
    return missing is None or is_pure(missing, node)


def build(fgraph, inputs, outputs, updates, shared):
    """Make the program of a graph with objects among its inputs or outputs.

    Parameters
    ----------
    fgraph, inputs, outputs, updates, shared
        As for :func:`theanets.xla.program.build`.
    """
    return Drawing(fgraph, _Plan(fgraph, shared), inputs, outputs, updates, shared)


class Drawing:
    """A program that draws random numbers, and the like, on the host, and calls a function compiled by XLA with them.

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
        self.object_cells = [cells[variable] for variable in plan.objects]
        self.host = HostProgram(_host_graph(plan))
        self.places = [i for i, variable in enumerate(fgraph.outputs) if variable not in plan.states]
        self.state_places = [i for i, variable in enumerate(fgraph.outputs) if variable in plan.states]
        rest = [fgraph.outputs[i] for i in self.places]
        needed = theano.gof.graph.ancestors(rest, blockers=plan.samples)
        kept = [i for i, variable in enumerate(fgraph.inputs) if not is_object(variable.type) or variable in needed]
        # objects that are updated: their cells, and the positions of their new values.
        objects = [i for i in sorted(updates) if is_object(fgraph.inputs[i].type)]
        self.updates = [(inputs[i], updates[i]) for i in objects]
        compiled = {i: updates[i] for i in updates if i not in objects and updates[i] in self.places}
        #: Outputs that are returned, rather than being new values of inputs.
        self.returned = [i for i in self.state_places if i not in updates.values()]
        self.sample_cells = [[None] for _ in plan.samples]
        self.program = programs.build(
            _compiled_graph(fgraph, plan, kept, self.places),
            [*(inputs[i] for i in kept), *self.sample_cells],
            [outputs[i] for i in self.places],
            {kept.index(i): self.places.index(place) for i, place in compiled.items()},
            {kept.index(i) for i in shared if i in kept and not is_object(fgraph.inputs[i].type)},
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
        drawn = self.host([*values, *lengths, *(cell[0] for cell in self.object_cells)])
        samples, states = drawn[: len(self.sample_cells)], drawn[len(self.sample_cells) :]
        try:
            for cell, sample in zip(self.sample_cells, samples):
                cell[0] = sample
            results = self.program()
        finally:
            for cell in self.sample_cells:
                cell[0] = None
        outputs = [None] * (len(self.places) + len(self.state_places))
        for place, result in zip((*self.places, *self.state_places), (*results, *states)):
            outputs[place] = result
        for cell, place in self.updates:
            cell[0] = outputs[place]
        for place in self.returned:
            self.output_cells[place][0] = outputs[place]
        return outputs


def _host_graph(plan):
    """Return the graph of what is computed first, which runs on the host."""
    wanted = [*plan.samples, *plan.states]
    memo = {variable: variable.type() for variable in plan.shapes}
    given = [*plan.values, *plan.objects]
    equivalent = theano.gof.graph.clone_get_equiv(given, wanted, memo=dict(memo))
    inputs = [equivalent[variable] for variable in (*plan.values, *plan.shapes, *plan.objects)]
    return theano.gof.FunctionGraph(inputs, [equivalent[variable] for variable in wanted], clone=False)


def _compiled_graph(fgraph, plan, kept, places):
    """Return the rest of the graph, which XLA compiles; the samples are its last inputs."""
    inputs, outputs = [fgraph.inputs[i] for i in kept], [fgraph.outputs[i] for i in places]
    memo = {variable: variable.type() for variable in plan.samples}
    equivalent = theano.gof.graph.clone_get_equiv(inputs, outputs, memo=dict(memo))
    inputs = [equivalent[variable] for variable in (*inputs, *plan.samples)]
    return theano.gof.FunctionGraph(inputs, [equivalent[variable] for variable in outputs], clone=False)
