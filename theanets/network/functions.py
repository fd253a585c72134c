"""Compiled functions of a network, and the symbolic variables and the shapes of their data."""

import threading
from collections import OrderedDict

import numpy as np
import theano.tensor as TT

from .. import data, layers, modes, regularizers, store, util
from ..layers.context import Context
from ..xla import selection
from ..xla.binding import Unbound
from . import caching, padding
from .noise import Noise
from .structure import Structured

__all__ = ["Functions", "Guarded", "compiled_once", "in_batches"]


class Guarded:
    """A compiled function with a lock, as it keeps its arguments and results in cells that all its callers share.

    Parameters
    ----------
    function : theano function
        The function.

    Attributes
    ----------
    by_xla : bool
        Whether it runs by XLA, which compiles it for each shape of its arguments.
    sizes : :class:`theanets.network.padding.Sizes`
        The shapes that are not padded.
    """

    def __init__(self, function):
        self.function = function
        self.by_xla = getattr(getattr(function, "fn", None), "keeps_state_on_device", False)
        self.sizes = padding.Sizes()
        self.lock = util.anew_after_fork(threading.Lock())

    def __call__(self, *args):
        with self.lock, selection.within(self._plan(args)):
            return self.function(*args)

    def _plan(self, args):
        """Return the plan by which to compute; None for the default device."""
        plan = modes.plan() if self.by_xla and args and selection.chosen() is not None else None
        plan = None if plan is None else plan.local()
        return None if plan is None else plan.suited(self.function.fn, args[0].shape[0])


class Functions(Structured):
    """The part of a network that compiles functions."""

    # -- slots: shapes and types of the data --------------------------------------------------------------------------

    def _input_slots(self, carried=False):
        """Describe the arrays that the inputs take.

        Parameters
        ----------
        carried : bool, optional
            Leave out inputs that only provide initial states, as states are carried on instead.
        """
        key = "slots", self._layers_memo.fingerprint(self.layers), carried
        return self._graphs.get(key, lambda: self._make_slots(carried))

    def _make_slots(self, carried):
        sizes, read = {}, set()
        for layer in self.layers:
            sizes.update(layer.initial_sources())
            read.update(layer.input_names)
        slots = []
        for source in self.layers:
            if not isinstance(source, layers.Input):
                continue
            shape, num_classes = source.output_shape, None
            if source.labels:
                shape, num_classes = shape[:-1], shape[-1]
            if source.output_name in sizes and source.output_name not in read:
                # an input that is only an initial state has the size of the state.
                shape = (sizes[source.output_name],)
                if carried:
                    continue
            slots.append(data.Slot(source.name, source.input, shape, num_classes))
        return slots

    def _slots(self):
        """Describe the arrays that the network is trained on.

        Returns
        -------
        slots : list of :class:`theanets.data.Slot`
            One for each of :attr:`variables`.
        """
        result = OrderedDict(zip(map(id, self.inputs), self._input_slots()))
        shapes = {layer.full_name(output): shape for layer in self.layers for output, shape in layer.shapes.items()}
        for loss in self.losses:
            shape = loss.target_shape(shapes)
            classes = loss.num_classes(shapes)
            target, *weights = loss.variables
            result.setdefault(
                id(target), data.Slot(target.name, target, shape, classes, is_target=True, bounds=loss.target_range)
            )
            for variable in weights:
                result.setdefault(id(variable), data.Slot(variable.name, variable, shape, per_example=True))
        return [result[id(variable)] for variable in self.variables]

    # -- compiled functions -------------------------------------------------------------------------------------------

    def _symbol(self, name, ndim, dtype=util.FLOAT):
        """Return the symbolic variable of this name and type; cached, so that graphs share it."""
        key = name, ndim, str(dtype)
        if key not in self._symbols:
            self._symbols[key] = TT.TensorType(str(dtype), (False,) * ndim)(name)
        return self._symbols[key]

    def _mask_variable(self):
        """Return the symbolic mask (batch, time) of padded sequences."""
        return self._symbol("mask", 2)

    def _context(self, masked=False, state=None, single_step=False, opaque=()):
        states = {name: self._symbol(name, value.ndim, value.dtype) for name, value in (state or {}).items()}
        return Context(
            mask=self._mask_variable() if masked else None,
            states=states or None,
            single_step=single_step,
            opaque=opaque,
        )

    def _noise(self, regs, context):
        """Return the :class:`Noise` of a graph with regularizers; None if they do not change outputs."""
        if not any(map(regularizers.modifies_graphs, regs)):
            return None
        # what is overridden may read any of the numbers.
        numbers = {} if self._overridden() else regularizers.numbers(regs)
        return compiled_once(self._graphs, ("noise", self._graph_key(regs, context)), lambda: Noise(regs, numbers))

    def _build(self, regs, context):
        """Return the outputs and the updates of a graph that is not for training."""
        noise = self._noise(regs, context)
        return self.build_graph(regs, context) if noise is None else noise.build(self.build_graph, context)

    def _known(self, what, regs, find):
        """Return what follows from a graph: from the cache of this network, from the store, or newly found out.

        Parameters
        ----------
        what : tuple
            What it is, as a key.
        regs : list of :class:`theanets.Regularizer`
            The regularizers of the graph.
        find : callable
            Returns it, which is not None, for the outputs and the updates.
        """

        def make():
            structure = self._structure_of([what, self.layers, *self._shaping_by(regs)])
            found = None if structure is None else store.FUNCTIONS.get(structure.key)
            if found is None:
                found = find(*self._build(regs, self._context()))
                if structure is not None:
                    store.FUNCTIONS.put(structure.key, found)
            return found

        return self._graphs.get((what, self._graph_key(regs)), make)

    def _function(self, key, inputs, make_outputs, shaping=None, noise=None):
        """Return a compiled function: from the cache of this network, from the store, or newly compiled.

        Parameters
        ----------
        key : hashable
            The cache key, among the functions of this network.
        inputs : list of theano variables
            Its inputs.
        make_outputs : callable
            Returns the list of expressions that it computes, and the list of updates.
        shaping : list, optional
            Everything that the graph depends on beside noise and the class of the network, for the key in the store;
            see :mod:`theanets.network.structure`. Default: the function is not stored.
        noise : :class:`theanets.network.noise.Noise`, optional
            The noise and dropout of the graph. Default: there are none.
        """

        def compile_it():
            # random streams that have been used already give each new graph other numbers.
            is_stored = shaping is not None and (noise is None or noise.is_known)
            more = [] if noise is None else [*self._shaping_by(noise.regs), noise.places]
            found = self._structure_of([shaping, inputs, *more]) if is_stored else None
            stored = None if found is None else store.FUNCTIONS.get(found.key)
            variables = {} if found is None else dict(enumerate(found.variables))
            if stored is None:
                outputs, updates = make_outputs()
                function = modes.function(inputs, outputs, updates=updates, on_unused_input="ignore")
                if found is not None:
                    known = variables if noise is None else {**variables, **noise.roles()}
                    stored = Unbound.take(function, {id(variable): role for role, variable in known.items()})
                if stored is not None:
                    store.FUNCTIONS.put(found.key, stored)
            if stored is not None:
                function = stored.bind(variables if noise is None else {**variables, **noise.find(stored.roles)})
            # callers have cast the arrays to the types of the inputs already.
            function.trust_input = True
            return Guarded(function)

        return compiled_once(self._functions, (key, modes.key(), tuple(map(caching.Identity, inputs))), compile_it)


def compiled_once(cache, key, make):
    """Return a function from a cache; if it is missing, compile it under a lock, one thread at a time."""
    found = cache.find(key)
    if found is not None:
        # without waiting for the lock.
        return found
    with modes.COMPILING:
        return cache.get(key, make)


def in_batches(function, arrays, batch_size):
    """Call a function for batches of examples, and concatenate the results."""
    if batch_size is not None and (not util.is_int(batch_size) or batch_size < 1):
        raise util.ConfigurationError(f"batch_size={batch_size!r}, expected a positive integer")
    count = arrays[0].shape[0] if arrays else 0
    if batch_size is None or count <= batch_size:
        return function(*arrays)
    parts = [
        function(*[array[start : start + batch_size] for array in arrays]) for start in range(0, count, batch_size)
    ]
    return [_join(pieces) for pieces in zip(*parts)]


def _join(pieces):
    if hasattr(pieces[0], "tocsr"):
        import scipy.sparse

        return scipy.sparse.vstack(pieces, format=pieces[0].format)
    return np.concatenate(pieces)
