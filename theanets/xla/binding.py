"""Compiled functions separated from their shared variables, to be bound to other shared variables.

A Theano function belongs to the shared variables of its graph. The code that XLA compiles does not: it takes values as
arguments, and returns values. So the function of a graph that differs from another one in its shared variables only,
as that of a second network of the same structure does, need not be built, rewritten, traced or compiled.
"""

from theano import Constant
from theano.compile import SharedVariable
from theano.gof.link import Container

from .postponed import as_it_is

__all__ = ["Bound", "Unbound", "updated"]

#: Maximum size in bytes of the constants of a graph that is kept: larger ones may well be data.
CONSTANTS = 1 << 20


class Unbound:
    """A compiled function without its shared variables. It holds no values but the constants of its graph.

    Parameters
    ----------
    code : theanets.xla.program.Code
        The graph.
    roles : list
        The role of each shared variable, in the order of the inputs: a key by which :meth:`bind` finds it.
    count : int
        Number of arguments of the function, which are the first inputs.
    num_outputs : int
        Number of values that the function returns.
    """

    def __init__(self, code, roles, count, num_outputs):
        self.code = code
        self.roles = roles
        self.count = count
        self.num_outputs = num_outputs

    def bind(self, variables):
        """Make a function that runs this code on given shared variables.

        Parameters
        ----------
        variables : dict
            Shared variables by their roles.

        Returns
        -------
        function : Bound
        """
        return Bound(self, [variables[role] for role in self.roles])

    @classmethod
    def take(cls, function, roles):
        """Separate the compiled code of a function from its shared variables.

        Parameters
        ----------
        function : theano function
            The function, which should not be used any more: its graph is separated from the shared variables.
        roles : dict
            The roles of the shared variables, by their ids.

        Returns
        -------
        unbound : Unbound or None
            None if the function does not run by XLA, if it has a shared variable without a role, or if there is a
            large constant in its graph. The function then stays as it is.
        """
        code = getattr(function.fn, "code", None)
        inputs = function.maker.inputs
        variables = [place.variable for place in inputs if place.shared]
        count = len(inputs) - len(variables)
        if code is None or any(place.shared for place in inputs[:count]):
            return None
        if any(id(variable) not in roles for variable in variables) or _size_of_constants(code.fgraph) > CONSTANTS:
            return None
        forget(code.fgraph)
        num_outputs = code.count - len(code.updated)
        return cls(code, [roles[id(variable)] for variable in variables], count, num_outputs)


class Bound:
    """A compiled function with its shared variables, which is called as Theano's functions are.

    Parameters
    ----------
    unbound : Unbound
        The compiled code.
    variables : list of theano shared variables
        Its shared variables, in the order of the roles.

    Attributes
    ----------
    fn : theanets.xla.program.Program
        The program that calls run.
    trust_input : bool
        Whether to skip checks that the arguments are of the types of the inputs. Default False.
    """

    def __init__(self, unbound, variables):
        code, count = unbound.code, unbound.count
        self.variables = variables
        self.cells = [[None] for _ in range(count)]
        self.types = code.types[:count]
        self.num_outputs = unbound.num_outputs
        self.updated = [variables[i - count] for i in code.updated]
        self.fn = code.bind([*self.cells, *(variable.container.storage for variable in variables)])
        self.trust_input = False

    def __call__(self, *values):
        """Compute the outputs for some arguments, and update the shared variables.

        Raises
        ------
        TypeError
            For arguments that do not fit.
        """
        if len(values) != len(self.cells):
            raise TypeError(f"this function takes {len(self.cells)} arguments, found {len(values)}")
        if not self.trust_input:
            values = [type_.filter(value, strict=False) for type_, value in zip(self.types, values)]
        try:
            for cell, value in zip(self.cells, values):
                cell[0] = value
            return self.fn()[: self.num_outputs]
        finally:
            for cell in self.cells:
                cell[0] = None

    def get_shared(self):
        """Return the list of shared variables, as Theano's functions do."""
        return list(self.variables)


def updated(function):
    """Return the shared variables that a function updates, in the order of its inputs."""
    found = getattr(function, "updated", None)
    if found is not None:
        return list(found)
    return [place.variable for place in function.maker.inputs if place.update is not None]


def forget(fgraph):
    """Remove from a compiled graph all references to values of shared variables, and the tags of its variables."""
    for variable in as_it_is(fgraph).variables:
        # Theano reads the tags of constants when it rewrites the graph, which may be postponed.
        if not isinstance(variable, Constant):
            vars(variable.tag).clear()
    for variable in fgraph.inputs:
        if isinstance(variable, SharedVariable):
            # graphs hold copies of shared variables, which have the same containers as the originals.
            variable.container = Container(variable, [None])


def _size_of_constants(fgraph):
    nodes = as_it_is(fgraph).apply_nodes
    constants = {variable for node in nodes for variable in node.inputs if hasattr(variable, "data")}
    return sum(getattr(constant.data, "nbytes", 0) for constant in constants)
