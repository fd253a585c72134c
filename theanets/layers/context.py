"""The context of a graph: what layers and losses depend on beside their inputs, such as masks, states and training."""

import copy
import dis
import functools
import types
from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as TT

from .. import util

__all__ = ["Context", "Outputs", "Values", "context_of", "may_be_input", "unrolled"]

#: Methods of a user's class that do not take part in building a graph.
APART = frozenset(["__init__", "__repr__", "__dict__", "__weakref__", "log"])


class Values:
    """Numbers, such as weights of losses, that are inputs of a compiled graph, so that changing them needs no new one.

    They are scalar shared variables of the library's float type, which belong to the functions that are compiled with
    them, and are set when a training starts.

    Parameters
    ----------
    numbers : dict, optional
        The numbers by their keys, which identify their places in the graph, such as ``("loss", 0, "weight")``.
        Default: none.

    Attributes
    ----------
    variables : dict
        The shared variables by key.

    Examples
    --------
    >>> values = Values({("loss", 0, "weight"): 0.5})
    >>> values.set({("loss", 0, "weight"): 0.25})
    >>> values.numbers()
    {('loss', 0, 'weight'): 0.25}
    """

    def __init__(self, numbers=None):
        self.variables = {}
        self.add(numbers or {})

    def add(self, numbers):
        """Make a shared variable for each of some numbers.

        Parameters
        ----------
        numbers : dict
            Numbers by key.
        """
        for key, number in numbers.items():
            self.variables[key] = theano.shared(np.asarray(number, util.FLOAT), name=".".join(map(str, key)))

    def set(self, numbers):
        """Set the values of the variables.

        Parameters
        ----------
        numbers : dict
            Numbers by key, for which there must be variables.
        """
        for key, number in numbers.items():
            self.variables[key].set_value(np.asarray(number, util.FLOAT))

    def numbers(self):
        """Return the values of the variables, as a dict of numbers by key."""
        return {key: variable.get_value().item() for key, variable in self.variables.items()}


def may_be_input(part, name):
    """Tell whether a number of a loss or a regularizer can be an input of a graph, instead of a constant.

    Zero cannot, as a term with the factor zero is left out of the graph. Nor can a number that a user's method may
    read, as it may be a condition of Python code there. Methods that plainly do not are recognized by their code.

    Parameters
    ----------
    part : :class:`theanets.Loss` or :class:`theanets.Regularizer`
        The loss or regularizer.
    name : str
        The attribute that holds it.
    """
    number = vars(part).get(name)
    return util.is_real(number) and number != 0 and not _may_read(type(part), name)


def _may_read(cls, attribute):
    """Tell whether methods of a class that are not of this library may read an attribute of its instances."""
    return any(
        _code_may_read(member, attribute)
        for base in cls.__mro__
        if base.__module__.partition(".")[0] not in (__package__.partition(".")[0], "builtins")
        for name, member in vars(base).items()
        if name not in APART and hasattr(type(member), "__get__") and not isinstance(member, staticmethod)
    )


def _code_may_read(member, attribute):
    if isinstance(member, property):
        return any(_code_may_read(part, attribute) for part in (member.fget, member.fset, member.fdel) if part)
    if not isinstance(member, types.FunctionType):
        return True
    code = member.__code__
    # without a name for its object, a method has it in a tuple of arguments.
    return not code.co_argcount or attribute in _attributes_of(code, code.co_varnames[0])


class _Anything:
    def __contains__(self, name):
        return True


@functools.lru_cache(maxsize=256)
def _attributes_of(code, variable):
    """Return the names that code uses, if it uses a variable for nothing but its attributes; else all names there are.

    Parameters
    ----------
    code : code object
        That of a method, or of a function in it.
    variable : str
        The name of a variable.
    """
    names, instructions = set(code.co_names), list(dis.get_instructions(code))
    for instruction, following in zip(instructions, instructions[1:]):
        found = instruction.argval
        if (found == variable or isinstance(found, tuple) and variable in found) and not (
            instruction.opname in ("MAKE_CELL", "LOAD_CLOSURE")
            or instruction.opname in ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")
            and following.opname in ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR")
        ):
            # it is passed on, to something that may read any attribute.
            return _Anything()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner = _attributes_of(constant, variable)
            if isinstance(inner, _Anything):
                return inner
            names |= inner
    return names


class Context:
    """The context of a graph: everything that layers and losses depend on beside their inputs.

    Parameters
    ----------
    mask : expression (batch, time), optional
        Ones for the steps of sequences, zeros for what follows the end of shorter ones. Default: no sequence is
        shorter than others.
    states : dict, optional
        Expressions for the states that recurrent layers start from, by full name.
    training : scalar expression, optional
        Nonzero in training, for layers that then behave differently. Default: prediction only.
    single_step : bool, optional
        Whether all sequences have just one step.
    class_weights : dict, optional
        Weights of the classes, for the variables that hold the labels. Default: there are none.
    frozen : set of theano shared variables, optional
        Statistics, such as running averages, that training does not update. A layer with any of them gets a context
        without ``training``, and none of its statistics changes. Default: none.
    opaque : sequence of str, optional
        Full names of outputs that losses do not look into (see :func:`unrolled`), so that there is a gradient with
        respect to them. Default: none.
    values : Values, optional
        Numbers that the graph takes as inputs. Default: there are none, and all numbers are constants.

    Attributes
    ----------
    final_states : dict
        Expressions for the states that recurrent layers end with, by full name; filled in by the layers.
    unrolled : dict
        For outputs of loops along time: functions without arguments that return an equivalent expression outside of the
        loop, with the same values at all unmasked steps, or None if there is none. Filled in by the layers.
    """

    def __init__(
        self,
        mask=None,
        states=None,
        training=None,
        single_step=False,
        class_weights=None,
        frozen=frozenset(),
        opaque=(),
        values=None,
    ):
        self.mask = mask
        self.states = states
        self.training = training
        self.single_step = single_step
        self.class_weights = class_weights or {}
        self.frozen = frozenset(frozen)
        self.opaque = tuple(opaque)
        self.values = values
        self.final_states = OrderedDict()
        self.unrolled = {}

    def settings(self):
        """Return a cache key of this context: an empty tuple for one with defaults only."""
        states, weights = [tuple((items or {}).items()) for items in (self.states, self.class_weights)]
        symbols = self.mask, self.training, self.values
        if symbols == (None, None, None) and not (states or weights or self.single_step or self.opaque):
            return ()
        return *symbols, states, self.single_step, weights, self.frozen, self.opaque

    def value(self, key, number):
        """Return a number as it appears in the graph: the input of this key if there is one, else the constant.

        Parameters
        ----------
        key : tuple
            See :class:`Values`.
        number : float or scalar expression
            The constant.
        """
        variable = None if self.values is None else self.values.variables.get(key)
        if variable is not None:
            return variable
        # numpy's float64 numbers would turn float32 expressions into float64 ones.
        return float(number) if util.is_real(number) else number

    def of_prediction(self):
        """Return a copy of this context for a layer that behaves in training as it does in prediction."""
        context = copy.copy(self)
        context.training = None
        return context


class Outputs(OrderedDict):
    """Expressions of the outputs of a network by full name, with the context of their graph.

    Parameters
    ----------
    context : Context, optional
        Default: a context without anything special.
    """

    def __init__(self, context=None):
        super().__init__()
        self.context = context or Context()


def context_of(outputs):
    """Return the context of some outputs, which may be an ordinary dict."""
    context = getattr(outputs, "context", None)
    return Context() if context is None else context


def unrolled(outputs, name):
    """Return an output as an expression outside of loops, so that losses can see the activation that computes it.

    Parameters
    ----------
    outputs : dict
        Expressions by full output name.
    name : str
        Full name of one of them.
    """
    output, context = outputs[name], context_of(outputs)
    if name in context.opaque:
        return TT.tensor_copy(output)
    make = context.unrolled.get(output)
    result = None if make is None else make()
    return output if result is None else result
