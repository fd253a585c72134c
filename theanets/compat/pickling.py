"""Copies and pickles of large graphs without exceeding Python's recursion limit.

A variable refers to the node that computes it, and that to its inputs: pickling and ``copy.deepcopy`` recurse as deep
as the graph is, and raised RecursionError for the loss of a recurrent network. With these repairs, objects that have a
graph are pickled with all of its variables first, in topological order: when a variable is pickled, everything that it
is computed from has been pickled already.
"""

from .registry import after_importing

#: key of the list of variables in pickled states, which only determines the order, and is dropped in unpickling
_ORDER = "_variables_in_order"


def _in_order(graph, outputs):
    """Return all variables that outputs are computed from, and the outputs, in topological order."""
    found = {}
    for node in graph.io_toposort([], outputs):
        found.update((id(variable), variable) for variable in (*node.inputs, *node.outputs))
    return list(found.values())


def _puts_first(owner, collect):
    """Patch a class such that its objects are pickled after the variables that ``collect`` returns for them."""
    get, set_ = getattr(owner, "__getstate__", None), getattr(owner, "__setstate__", None)
    plain = object.__getstate__ if hasattr(object, "__getstate__") else None

    def __getstate__(self):
        state = dict(self.__dict__) if get is None or get is plain else get(self)
        return {_ORDER: collect(self), **state}

    def __setstate__(self, state):
        state = {name: value for name, value in state.items() if name != _ORDER}
        if set_ is None:
            self.__dict__.update(state)
        else:
            set_(self, state)

    owner.__getstate__, owner.__setstate__ = __getstate__, __setstate__


@after_importing("theano.gof.graph")
def variables_without_what_uses_them(module):
    """Variable.__getstate__ (theano/gof/graph.py:529) included nodes that use it, which the graph stores as well."""
    original = module.Variable.__getstate__

    def __getstate__(self):
        state = original(self)
        if "fgraph" in state:
            state.pop("clients", None)
        return state

    module.Variable.__getstate__ = __getstate__


@after_importing("theano.gof.fg")
def graphs_in_order(module):
    """FunctionGraph.__getstate__ and __setstate__ (theano/gof/fg.py:784)."""
    get, set_ = module.FunctionGraph.__getstate__, module.FunctionGraph.__setstate__

    def __getstate__(self):
        everything = (*self.inputs, *_in_order(module.graph, self.outputs), *self.variables)
        variables = {id(variable): variable for variable in everything}
        clients = [(variable, variable.clients) for variable in variables.values() if hasattr(variable, "clients")]
        return {_ORDER: list(variables.values()), "_clients": clients, **get(self)}

    def __setstate__(self, state):
        state = dict(state)
        state.pop(_ORDER, None)
        # in older files, the variables themselves have them.
        for variable, clients in state.pop("_clients", ()):
            variable.clients = clients
        set_(self, state)

    module.FunctionGraph.__getstate__, module.FunctionGraph.__setstate__ = __getstate__, __setstate__


@after_importing("theano.compile.function_module")
def functions_in_order(module):
    """FunctionMaker (theano/compile/function_module.py): the graph that was compiled, and the one that was given."""

    def collect(maker):
        outputs = [getattr(output, "variable", output) for output in maker.outputs]
        return [maker.fgraph, *_in_order(module.gof.graph, outputs)]

    _puts_first(module.FunctionMaker, collect)


@after_importing("theano.scan_module.scan_op")
def loops_in_order(module):
    """Scan (theano/scan_module/scan_op.py): the graph of its steps."""
    _puts_first(module.Scan, lambda op: _in_order(module.gof.graph, op.outputs))
