"""The context of a graph: masks, states, training or prediction, and what else layers and losses need to know."""

import copy
from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as TT

from .. import util

__all__ = ["Context", "Outputs", "Values", "context_of", "may_be_input", "unrolled"]

#: Methods of a class of the user's own that no graph is made by.
APART = frozenset(["__init__", "__repr__", "__dict__", "__weakref__", "log"])


class Values:
    """Numbers that a compiled graph takes as inputs, so that other numbers need no other graph.

    They are scalar shared variables of the library's float type, which belong to the functions that are compiled with
    them, and are set when a training starts.

    Parameters
    ----------
    numbers : dict, optional
        The numbers by their keys, which tell by the structure of a graph what a number is there, such as
        ``("loss", 0, "weight")``. Default: none.

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
        """Make a variable for each of some numbers.

        Parameters
        ----------
        numbers : dict
            Numbers by key.
        """
        for key, number in numbers.items():
            self.variables[key] = theano.shared(np.asarray(number, util.FLOAT), name=".".join(map(str, key)))

    def set(self, numbers):
        """Let the graphs compute with other numbers from now on.

        Parameters
        ----------
        numbers : dict
            Numbers by key. There is a variable for each.
        """
        for key, number in numbers.items():
            self.variables[key].set_value(np.asarray(number, util.FLOAT))

    def numbers(self):
        """Return what the graphs compute with now, as a dict of numbers by key."""
        return {key: variable.get_value().item() for key, variable in self.variables.items()}


def may_be_input(part, name):
    """Tell whether graphs can take a number of a loss or a regularizer as an input, in the place of a constant.

    Zero cannot: what it multiplies is no part of a graph at all. Nor can a number that a method of the user's own may
    read, as it may be what Python decides by there.

    Parameters
    ----------
    part : :class:`theanets.Loss` or :class:`theanets.Regularizer`
        What the number belongs to.
    name : str
        The attribute that holds it.
    """
    number = vars(part).get(name)
    return util.is_real(number) and number != 0 and not _has_own_methods(type(part))


def _has_own_methods(cls):
    """Tell whether a class that is none of the library's has methods of its own, or inherits such ones."""
    return any(
        hasattr(type(member), "__get__") and not isinstance(member, staticmethod)
        for base in cls.__mro__
        if base.__module__.partition(".")[0] not in (__package__.partition(".")[0], "builtins")
        for name, member in vars(base).items()
        if name not in APART
    )


class Context:
    """How a graph is going to be used: what layers need to know beside their inputs.

    Parameters
    ----------
    mask : expression (batch, time), optional
        Ones for the steps of sequences, zeros for what follows the end of shorter ones. Default: no sequence is
        shorter than others.
    states : dict, optional
        Expressions for the states that recurrent layers start from, by full name.
    training : scalar expression, optional
        Not zero while parameters are learned, for layers that then behave differently. Default: they are not.
    single_step : bool, optional
        Whether all sequences have just one step.
    class_weights : dict, optional
        Weights of the classes, for the variables that hold the labels. Default: there are none.
    frozen : set of theano shared variables, optional
        Statistics, such as running averages, that are left as they are while parameters are learned. A layer that has
        any of them sees a context without ``training``, and none of its statistics changes. Default: there are none.
    opaque : sequence of str, optional
        Full names of outputs that losses read as they are, whatever has made them, so that there is a gradient with
        respect to them. Default: none of them.
    values : Values, optional
        Numbers that the graph takes as inputs. Default: there are none, and all numbers are constants.

    Attributes
    ----------
    final_states : dict
        Expressions for the states that recurrent layers end with, by full name; filled in by the layers.
    unrolled : dict
        For outputs that a loop along time makes, functions without arguments that return an expression of the same
        values at all steps that count, which is made outside of the loop; or None if there is none. Filled in by the
        layers.
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
        """Return what distinguishes this context from others: nothing, for one without anything special."""
        states, weights = [tuple((items or {}).items()) for items in (self.states, self.class_weights)]
        symbols = self.mask, self.training, self.values
        if symbols == (None, None, None) and not (states or weights or self.single_step or self.opaque):
            return ()
        return *symbols, states, self.single_step, weights, self.frozen, self.opaque

    def value(self, key, number):
        """Return a number as the graph computes with it: the input of this key if there is one, else the number.

        Parameters
        ----------
        key : tuple
            See :class:`Values`.
        number : float or scalar expression
            What it is where the graph has no such input.
        """
        variable = None if self.values is None else self.values.variables.get(key)
        if variable is not None:
            return variable
        # numpy's float64 numbers would turn float32 expressions into float64 ones.
        return float(number) if util.is_real(number) else number

    def of_prediction(self):
        """Return the context for a layer that computes, while others learn, what it does in prediction."""
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
    """Return an output as an expression that shows which function has made it, even if that was done in a loop.

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
