"""Variants of a compiled function, for values that have to be known before it is traced."""

import collections

import numpy as np
import theano

from . import state
from .host import is_pure
from .registry import untranslated
from .tracing import NeedsMeasurement, TranslationError, on_host

__all__ = ["VARIANTS", "Measurement", "Requirement", "Variant"]

#: Maximum number of compiled variants that are kept per function, one for each set of values that tracing had to know.
VARIANTS = 64


class Requirement:
    """A value that must be known before tracing: computed on the host from the inputs of the function.

    Parameters
    ----------
    need : NeedsValue
        The exception by which the trace has asked for the value.
    """

    def __init__(self, need):
        self.variables = need.variables
        self.key = need.key
        self.compute = need.compute
        self.concrete = need.concrete
        #: Nodes with side effects that computed the value on the host: the compiled function must not run them again.
        self.effects = set()

    def find(self, inputs):
        """Return the required values as a dict, given the inputs of the function by variable."""
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
    """A value that must be known before tracing: computed on the device by the part of the graph that it depends on.

    Parameters
    ----------
    code : Code
        The graph.
    key : hashable
        The key of the value among the known values.
    known : dict
        The values that are known already.
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
        """Return the required value as a dict, given the inputs of the function by variable."""
        code, variables = self.code, self.code.fgraph.inputs
        updated = tuple([inputs[variables[i]] for i in code.updated])
        kept = tuple([inputs[variables[i]] for i in code.kept])
        return {self.key: int(self.function(updated, kept, tuple(code.constants.values())))}


def _hashable(known):
    return tuple((value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value for value in known.values())


class Variant:
    """The compiled function for inputs of certain shapes and certain known values.

    Parameters
    ----------
    known : dict
        The values that are constants in the trace.

    Attributes
    ----------
    function : theanets.xla.shapes.ByShape or None
        The compiled function; None before the first call.
    requirement : Requirement, Measurement or None
        Computes a further value that tracing needs; None if there is no such value.
    variants : dict
        The variants in which that value is known too, by the value; the one used last at the end.
    on_host : bool
        Whether the function runs by Theano's own implementations instead.
    """

    def __init__(self, known):
        self.known = known
        self.function = None
        self.requirement = None
        self.variants = collections.OrderedDict()
        self.on_host = False

    def narrow(self, inputs):
        """Return the variant for given inputs, with all required values computed."""
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
        """Tell whether required values are computed by Ops with side effects, which must run once per call."""
        own = getattr(self.requirement, "effects", ())
        return bool(own) or any(variant.has_effects() for variant in self.variants.values())
