"""The builder of an ONNX graph, and the registry of translations of Ops."""

import functools
import itertools

import numpy as np
import theano

__all__ = ["OPSET", "Builder", "Untranslated", "translate", "translates"]

#: Version of the set of operators.
OPSET = 18


class Untranslated(NotImplementedError):
    """An Op cannot be translated.

    Parameters
    ----------
    node : theano Apply
        What applies it.
    reason : str
        Why not.
    """

    def __init__(self, node, reason=None):
        op = node.op
        name = getattr(op, "scalar_op", op)
        super().__init__(reason or f"there is no ONNX translation for {type(name).__module__}.{type(name).__name__}")
        self.node = node


@functools.singledispatch
def translate(op, node, build, *values):
    """Add operators for an Apply node.

    Parameters
    ----------
    op : theano Op
        What the node applies.
    node : theano Apply
        The node.
    build : Builder
        Where to add operators.
    *values : str
        Names of the inputs.

    Returns
    -------
    outputs : str or list of str
        Names of the outputs.
    """
    raise Untranslated(node)


def translates(*classes):
    """Register a translation ``(op, node, build, *values)`` for classes of Ops; see :func:`translate`."""

    def register(function):
        for cls in classes:
            translate.register(cls, function)
        return function

    return register


def owner_of(node, layers, outputs):
    """Return the name of the first layer whose outputs need a node, or a loop that the node is in."""
    for layer in layers:
        mine = [value for name, value in outputs.items() if name.startswith(f"{layer.name}:")]
        if any(node is other for other in theano.gof.graph.io_toposort([], mine)):
            return layer.name
    return "?"


class Builder:
    """An ONNX graph under construction.

    Parameters
    ----------
    parent : Builder, optional
        The graph that this one is a part of, as the body of a loop is. It may use the other's values.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
        The operators.
    initializers : dict of str to onnx.TensorProto
        Parameters and constants. Those of all parts are in the outermost graph.
    """

    def __init__(self, parent=None):
        self.nodes = []
        self.names = {} if parent is None else dict(parent.names)
        self.initializers = {} if parent is None else parent.initializers
        self._taken = set() if parent is None else parent._taken
        self._counter = itertools.count() if parent is None else parent._counter
        self._constants = {} if parent is None else parent._constants

    # -- values -------------------------------------------------------------------------------------------------------

    @staticmethod
    def inputs_of(results):
        """Return the variables that others are computed from."""
        return theano.gof.graph.inputs(results)

    def fresh(self, hint):
        """Return a name that is not used yet."""
        name = hint
        while name in self._taken or not name:
            name = f"{hint}_{next(self._counter)}"
        self._taken.add(name)
        return name

    def describe(self, name, variable, dims=None):
        """Return the declaration of a value, by default with lengths that are not known."""
        from onnx import helper

        dims = [None] * variable.ndim if dims is None else dims
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(variable.dtype)), dims)

    def add_input(self, variable, name, dims=None):
        """Declare an input of the graph."""
        self.names[variable] = self.fresh(name)
        return self.describe(self.names[variable], variable, dims)

    def add_output(self, value, name, variable):
        """Declare a value as an output of the graph."""
        name = self.fresh(name)
        self.nodes.append(self._make("Identity", [value], [name]))
        return self.describe(name, variable)

    def constant(self, value, dtype=None, hint="constant"):
        """Return the name of a constant."""
        from onnx import numpy_helper

        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes()) if hint == "constant" else None
        if key is None or key not in self._constants:
            name = self.fresh(hint)
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            if key is None:
                return name
            self._constants[key] = name
        return self._constants[key]

    # -- operators ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _make(kind, inputs, outputs, **attributes):
        from onnx import helper

        return helper.make_node(kind, inputs, outputs, **attributes)

    def add(self, kind, *inputs, outputs=1, **attributes):
        """Add an operator; return the name of its output, or a list of them."""
        names = [self.fresh(f"{kind.lower()}_{next(self._counter)}") for _ in range(outputs)]
        self.nodes.append(self._make(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def cast(self, value, source, target):
        """Cast a value from one NumPy type to another."""
        from onnx import helper

        if np.dtype(source) == np.dtype(target):
            return value
        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(target)))

    def vector(self, value, dtype):
        """Make a vector of one int64 of a number."""
        return self.add("Reshape", self.cast(value, dtype, "int64"), self.constant([1], "int64"))

    def shape(self, value):
        """Return the shape of a value."""
        return self.add("Shape", value)

    # -- translating --------------------------------------------------------------------------------------------------

    def value(self, variable):
        """Return the name of a variable that has one, is a constant or a parameter."""
        if variable not in self.names:
            if isinstance(variable, theano.Constant):
                return self.constant(variable.data)
            if not hasattr(variable, "get_value"):
                raise ValueError(f"{variable} has no value")
            self.names[variable] = self.constant(variable.get_value(), hint=variable.name or "shared")
        return self.names[variable]

    def translate(self, results):
        """Add the operators that compute some variables; return the names of these."""
        for node in theano.gof.graph.io_toposort(list(self.names), results):
            if all(variable in self.names for variable in node.outputs):
                continue
            made = translate(node.op, node, self, *map(self.value, node.inputs))
            for variable, name in zip(node.outputs, [made] if isinstance(made, str) else made):
                self.names[variable] = name
        return [self.value(variable) for variable in results]
