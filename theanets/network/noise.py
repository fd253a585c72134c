"""Noise and dropout in functions that do not train: their levels, and the states of their random streams.

Functions that are compiled for one network can be bound to another one of its structure (:mod:`theanets.store`). What
stays with a network is here: it starts its own random numbers from its own seed, with levels of its own.
"""

import theano

from .. import modes, regularizers
from ..layers.context import Values

__all__ = ["Noise"]


class Noise:
    """What functions of one network with the same noise and dropout have in common.

    Parameters
    ----------
    regs : list of :class:`theanets.Regularizer`
        The regularizers.
    numbers : dict
        Those of their weights that the graph takes as inputs, by key.

    Attributes
    ----------
    regs : list of :class:`theanets.Regularizer`
        The regularizers with which the graph is built. Their streams are new, if seeds tell what is drawn.
    is_known : bool
        Whether all random numbers follow from the structure of the graph and from seeds.
    places : list of int
        For each regularizer that draws, which of the seeds it has.
    values : :class:`theanets.layers.context.Values`
        The numbers as inputs of the graph.
    """

    def __init__(self, regs, numbers):
        self.is_known = regularizers.Draws(regs).are_new
        self.regs = regularizers.afresh(regs) if self.is_known else list(regs)
        self.values = Values(numbers)
        draws = regularizers.Draws(self.regs)
        self.places, self.seeds, self.streams = draws.places, draws.seeds, draws.streams
        self._graph = None
        # shared variables by the numbers of the stream and of the draw.
        self._states = {}

    def build(self, build_graph, context):
        """Return the graph: the outputs and the updates; built in the first call only.

        Parameters
        ----------
        build_graph : callable
            Builds it, see :meth:`theanets.Network.build_graph`.
        context : :class:`theanets.layers.context.Context`
            How the graph is going to be used. The numbers are added to it.
        """
        with modes.COMPILING:
            if self._graph is None:
                context.values = self.values
                graph = build_graph(self.regs, context)
                for place, draw, state in self._drawn():
                    known = self._states.setdefault((place, draw), state)
                    # functions that were bound before the graph was built go on with the same states.
                    state.container = known.container
                self._graph = graph
            return self._graph

    def _drawn(self):
        """Return the state of each random expression of the graph, with the numbers of its stream and of the draw."""
        if not self.is_known:
            return []
        return [
            (place, draw, state)
            for place, stream in enumerate(self.streams)
            for draw, (state, *_) in enumerate(stream.state_updates)
        ]

    def roles(self):
        """Return the shared variables of the graph by their roles, see :class:`theanets.xla.binding.Unbound`."""
        numbers = {("number", *key): variable for key, variable in self.values.variables.items()}
        states = {
            ("state", place, draw, len(state.get_value(borrow=True))): self._states[place, draw]
            for place, draw, state in self._drawn()
        }
        return {**numbers, **states}

    def find(self, roles):
        """Return shared variables for those of the roles that are in :meth:`roles`, as a dict.

        States that this network does not have yet are made, with the values that the graph would give them.
        """
        found = {}
        for role in roles:
            if isinstance(role, tuple) and role[0] == "number":
                found[role] = self.values.variables[role[1:]]
            elif isinstance(role, tuple):
                _, place, draw, count = role
                if (place, draw) not in self._states:
                    value = regularizers.state_of_draw(self.seeds[place], draw, count)
                    self._states[place, draw] = theano.shared(value)
                found[role] = self._states[place, draw]
        return found
