"""Shared variables whose values stay on the device, and how everybody else reads them.

A shared variable keeps its value in a cell (a list of length one) that all functions share. A function compiled by XLA
leaves JAX arrays there: they stay on the device from call to call, and the next update may write over them. Nobody
else gets to see them. Whoever asks for the value gets NumPy arrays that belong to them, and the value stays where it
is: ``get_value()``, pickling, copying, and showing only read.

There are two exceptions, where a NumPy array takes the place of the value on the device, until the next function by XLA
moves it there again: ``get_value(borrow=True)`` and ``container.value``, since the array may be written to, which is to
have an effect; and functions that do not run by XLA.

All of this happens under the lock of the cell (:mod:`~theanets.xla.locks`), so that threads see whole values, and what
one of them reads never takes the place of what another one has computed since.
"""

import copy
import copyreg
import functools
import threading

import numpy as np
import theano
from theano.compile import function_module
from theano.compile.function_module import Function
from theano.compile.sharedvalue import SharedVariable
from theano.gof.link import Container

from . import forking, locks

__all__ = ["assign", "fetch", "install", "read", "shape_of", "snapshot", "to_host", "together"]


class _DeviceTypes:
    #: Filled in by the module that imports JAX; without it, there is nothing on a device.
    classes = ()

    #: Returns the arrays that such a value consists of.
    parts = None

    #: Returns a copy on the device, without waiting for the value to be computed.
    copy = None


def on_device(parts, copy, *classes):
    """Declare classes of values that are kept on a device, what takes them apart, and what copies them there."""
    _DeviceTypes.classes = classes
    _DeviceTypes.parts, _DeviceTypes.copy = staticmethod(parts), staticmethod(copy)


class _Snapshots(threading.local):
    #: Values by the id of the cell, which this thread reads in their place.
    values = None


_snapshots = _Snapshots()


def fetch(value):
    """Return a NumPy array of one's own of a value on a device; anything else as it is."""
    if not isinstance(value, _DeviceTypes.classes):
        return value
    if forking.is_stranded():
        for part in _DeviceTypes.parts(value):
            forking.check_readable(part)
    return value.__array__().copy() if not hasattr(value, "to_host") else value.to_host()


def _own(value):
    """Return what nobody else writes to: a copy of an array, on the device if it is there."""
    if isinstance(value, _DeviceTypes.classes):
        is_there = forking.is_stranded() or all(part.is_ready() for part in _DeviceTypes.parts(value))
        return fetch(value) if is_there else _DeviceTypes.copy(value)
    return copy.deepcopy(value)


def _own_values(cells):
    return [_own(cell[0]) for cell in cells]


def read_cells(cells):
    """Return the values of cells at one moment, as NumPy arrays of one's own; nothing is changed by that."""
    # the copies are waited for when the lock is open again.
    return [fetch(value) for value in locks.holding(cells, _own_values, cells)]


def read(variables):
    """Return the values of shared variables at one moment, as NumPy arrays of one's own."""
    return read_cells([variable.container.storage for variable in variables])


def shape_of(variable):
    """Return the shape of the value of a shared variable, which stays where it is."""
    return np.shape(variable.container.storage[0])


def together(variables, function, *args):
    """Return what a function does, while no other thread changes some shared variables or computes with them."""
    return locks.holding([variable.container.storage for variable in variables], function, *args)


def assign(pairs):
    """Give values to shared variables such that no thread computes with some of the old and some of the new ones.

    Parameters
    ----------
    pairs : iterable of (shared variable, value)
        As for ``set_value``.
    """
    pairs = list(pairs)

    def set_all():
        for variable, value in pairs:
            variable.set_value(value)

    together([variable for variable, _ in pairs], set_all)


class snapshot:
    """Context within which this thread reads the values that shared variables have at its beginning.

    Other threads may go on and change them. ``get_value()`` without ``borrow=True``, copies and pickles within it are
    of one moment.

    Parameters
    ----------
    variables : list of theano shared variables
        The variables. Others are read as they are.
    """

    def __init__(self, variables):
        self.variables = variables

    def __enter__(self):
        self.before = _snapshots.values
        # the cells are kept, so that an id stays that of one cell.
        self.cells = [variable.container.storage for variable in self.variables]
        _snapshots.values = {**(self.before or {}), **dict(zip(map(id, self.cells), read_cells(self.cells)))}

    def __exit__(self, *error):
        _snapshots.values = self.before


def _read_one(cell):
    """Return the value of a cell, or that in the snapshot of this thread, as an array of one's own."""
    if _snapshots.values is not None and id(cell) in _snapshots.values:
        return _own(_snapshots.values[id(cell)])
    return read_cells([cell])[0]


def to_host(cell):
    """Let a cell hold the NumPy array of what it holds, and return it; the caller holds the lock."""
    value = cell[0]
    if isinstance(value, _DeviceTypes.classes):
        cell[0] = fetch(value)
    return cell[0]


def _is_on_device(cell):
    return isinstance(cell[0], _DeviceTypes.classes)


def _cells_of(function):
    """Return the cells of the shared variables that a Theano function runs with."""
    return [
        container.storage
        for place, container in zip(function.maker.inputs, function.input_storage)
        if isinstance(place.variable, SharedVariable)
    ]


@functools.cache
def install():
    """Teach Theano's containers, shared variables and functions about values on a device, and locks. Works once."""
    _install_in_containers()
    _install_in_variables()
    _install_in_functions()


def _install_in_containers():
    get, set_ = Container.__get__, Container.__set__

    def value_of(self):
        if _is_on_device(self.storage):
            locks.holding([self.storage], to_host, self.storage)
        return get(self)

    def set_value_of(self, value):
        locks.holding([self.storage], set_, self, value)

    Container.__get__, Container.__set__ = value_of, set_value_of
    Container.data = Container.value = property(value_of, set_value_of)

    copy_container = Container.__deepcopy__

    def deepcopy(self, memo):
        if id(self.storage) not in memo:
            memo[id(self.storage)] = [_read_one(self.storage)]
        return copy_container(self, memo)

    def getstate(self):
        return {**vars(self), "storage": [_read_one(self.storage)]}

    Container.__deepcopy__ = deepcopy
    Container.__getstate__ = getstate
    Container.__str__ = lambda self: f"<{_read_one(self.storage)}>"
    Container.__repr__ = lambda self: f"<{_read_one(self.storage)!r}>"


def _install_in_variables():
    get_value = SharedVariable.get_value

    @functools.wraps(get_value)
    def get_value_of(self, borrow=False, return_internal_type=False):
        if not borrow:
            return _read_one(self.container.storage)
        return get_value(self, borrow, return_internal_type)

    SharedVariable.get_value = get_value_of


def _install_in_functions():
    call = Function.__call__

    def call_on_host(self, args, kwargs):
        for container in self.input_storage:
            if _is_on_device(container.storage):
                to_host(container.storage)
        return call(self, *args, **kwargs)

    @functools.wraps(call)
    def call_function(self, *args, **kwargs):
        if getattr(self.fn, "keeps_state_on_device", False):
            try:
                return call(self, *args, **kwargs)
            finally:
                self.fn.forget_outputs()
        tied = vars(self).get("_tied")
        if tied is None:
            tied = self._tied = locks.Tied(_cells_of(self))
        # the whole call: it writes over what it updates, and computes with what others may update.
        return tied.holding(call_on_host, self, args, kwargs)

    Function.__call__ = call_function
    copyreg.pickle(Function, _reduce_function)


def _reduce_function(function):
    """Take apart a function for a pickle or a copy, which shares with others the variables that are shared here."""
    if not getattr(function.fn, "keeps_state_on_device", False):
        # for its warnings of arrays that share memory.
        function_module._pickle_Function(function)
    containers = [
        place.variable.container
        if isinstance(place.variable, SharedVariable) and place.variable.container.storage is container.storage
        else container
        for place, container in zip(function.maker.inputs, function.input_storage)
    ]
    return _make_function, (function.maker, containers, function.trust_input)


def _make_function(maker, containers, trust_input):
    if not theano.config.unpickle_function:
        return None
    function = maker.create(containers, trustme=True)
    function.trust_input = trust_input
    return function
