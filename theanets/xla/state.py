"""Shared variables whose values stay on the device: reading, setting, copying, pickling and snapshots.

A shared variable keeps its value in a cell (a list of length one) that all functions share. A function compiled by XLA
stores JAX arrays there. They stay on the device from call to call, and are donated buffers of the next update, so no
other code gets a reference to them. ``get_value()``, pickling, copying and printing return NumPy copies, and leave the
value on the device.

In two cases a NumPy array replaces the value on the device, until the next function by XLA moves it there again:
``get_value(borrow=True)`` and ``container.value``, as the caller may write to the array, which has to change the
variable; and functions that do not run by XLA.

All of this happens under the lock of the cell (:mod:`~theanets.xla.locks`), so that no thread sees a value in the
middle of an update, and a value that one thread moves to the host never overwrites a later one of another thread.
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
    #: Set by :mod:`~theanets.xla.program`, which imports JAX; empty before, when no value is on a device.
    classes = ()

    #: Returns the arrays that such a value consists of.
    parts = None

    #: Returns a copy on the device, without waiting for the value to be computed.
    copy = None


def on_device(parts, copy, *classes):
    """Register classes of values on a device, with functions that return their arrays and copy them on the device."""
    _DeviceTypes.classes = classes
    _DeviceTypes.parts, _DeviceTypes.copy = staticmethod(parts), staticmethod(copy)


class _Snapshots(threading.local):
    #: The values in the snapshots of this thread, by the id of the cell; None if it has none.
    values = None


_snapshots = _Snapshots()


def fetch(value):
    """Copy a value from the device to a new NumPy array; return any other value as it is."""
    if not isinstance(value, _DeviceTypes.classes):
        return value
    if forking.is_stranded():
        for part in _DeviceTypes.parts(value):
            forking.check_readable(part)
    return value.__array__().copy() if not hasattr(value, "to_host") else value.to_host()


def _own(value):
    """Return a private copy of a value, without waiting: on the device if the value is still being computed there."""
    if isinstance(value, _DeviceTypes.classes):
        is_there = forking.is_stranded() or all(part.is_ready() for part in _DeviceTypes.parts(value))
        return fetch(value) if is_there else _DeviceTypes.copy(value)
    return copy.deepcopy(value)


def _own_values(cells):
    return [_own(cell[0]) for cell in cells]


def read_cells(cells):
    """Return a consistent snapshot of the values of cells, as new NumPy arrays; the cells stay as they are."""
    # fetch() waits for copies on the device only after the lock has been released.
    return [fetch(value) for value in locks.holding(cells, _own_values, cells)]


def read(variables):
    """Return a consistent snapshot of the values of shared variables, as new NumPy arrays."""
    return read_cells([variable.container.storage for variable in variables])


def shape_of(variable):
    """Return the shape of the value of a shared variable, without copying it from the device."""
    return np.shape(variable.container.storage[0])


def together(variables, function, *args):
    """Call a function under the common lock of some shared variables, and return its result."""
    return locks.holding([variable.container.storage for variable in variables], function, *args)


def assign(pairs):
    """Set the values of several shared variables at once: no thread computes with some old and some new values.

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
    """Context manager: within it, this thread reads the values that shared variables had when it was entered.

    Other threads may go on and change the variables. Within the context, ``get_value()`` without ``borrow=True``,
    copies and pickles are consistent with each other.

    Parameters
    ----------
    variables : list of theano shared variables
        The variables of the snapshot. Current values are read of all others.
    """

    def __init__(self, variables):
        self.variables = variables

    def __enter__(self):
        self.before = _snapshots.values
        # a reference to the cells, so that their ids are not used for other cells meanwhile.
        self.cells = [variable.container.storage for variable in self.variables]
        _snapshots.values = {**(self.before or {}), **dict(zip(map(id, self.cells), read_cells(self.cells)))}

    def __exit__(self, *error):
        _snapshots.values = self.before


def _read_one(cell):
    """Return a copy of the value of a cell, or of its value in this thread's snapshot."""
    if _snapshots.values is not None and id(cell) in _snapshots.values:
        return _own(_snapshots.values[id(cell)])
    return read_cells([cell])[0]


def to_host(cell):
    """Move the value of a cell from the device to a NumPy array in the cell, and return it; the caller has the lock."""
    value = cell[0]
    if isinstance(value, _DeviceTypes.classes):
        cell[0] = fetch(value)
    return cell[0]


def _is_on_device(cell):
    return isinstance(cell[0], _DeviceTypes.classes)


def _cells_of(function):
    """Return the cells of the shared variables that a Theano function reads or updates."""
    return [
        container.storage
        for place, container in zip(function.maker.inputs, function.input_storage)
        if isinstance(place.variable, SharedVariable)
    ]


@functools.cache
def install():
    """Patch Theano's containers, shared variables and functions to handle values on a device, and locks. Works once."""
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
        # the lock is held for the whole call, in which Theano's code updates arrays in place.
        return tied.holding(call_on_host, self, args, kwargs)

    Function.__call__ = call_function
    copyreg.pickle(Function, _reduce_function)


def _reduce_function(function):
    """Reduce a function for a pickle or a copy, so that functions that share variables here still do so there."""
    if not getattr(function.fn, "keeps_state_on_device", False):
        # called only for its warnings of arrays that share memory.
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
