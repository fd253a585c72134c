"""The context of a graph: masks, states, training or prediction, and what else layers and losses need to know."""

import copy
from collections import OrderedDict

import theano.tensor as TT

__all__ = ["Context", "Outputs", "context_of", "unrolled"]


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
    ):
        self.mask = mask
        self.states = states
        self.training = training
        self.single_step = single_step
        self.class_weights = class_weights or {}
        self.frozen = frozenset(frozen)
        self.opaque = tuple(opaque)
        self.final_states = OrderedDict()
        self.unrolled = {}

    def settings(self):
        """Return what distinguishes this context from others: nothing, for one without anything special."""
        states, weights = [tuple((items or {}).items()) for items in (self.states, self.class_weights)]
        if self.mask is None and self.training is None and not (states or weights or self.single_step or self.opaque):
            return ()
        return self.mask, states, self.training, self.single_step, weights, self.frozen, self.opaque

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
