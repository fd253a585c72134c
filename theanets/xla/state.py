"""Shared variables whose values stay on the device.

A shared variable keeps its value in a cell (a list of length one) that all functions share. A function compiled by XLA
leaves JAX arrays there: they stay on the device from call to call, and the next update may write over them. Nobody
else gets to see them. Whoever asks for the value gets NumPy arrays that belong to him:

* ``get_value()`` makes a copy, and the value stays on the device;
* ``get_value(borrow=True)``, ``container.value``, pickling and copying, and functions that do not run by XLA, put a
  NumPy array into the cell, which the next function by XLA moves to the device again.
"""

import functools

from theano.compile.function_module import Function
from theano.compile.sharedvalue import SharedVariable
from theano.gof.link import Container

from . import forking

__all__ = ["fetch", "install", "to_host"]


class _DeviceTypes:
    #: Filled in by the module that imports JAX; without it, there is nothing on a device.
    classes = ()

    #: Returns the arrays that such a value consists of.
    parts = None


def on_device(parts, *classes):
    """Declare classes of values that are kept on a device, and what takes them apart."""
    _DeviceTypes.classes, _DeviceTypes.parts = classes, staticmethod(parts)


def fetch(value):
    """Return a NumPy array of one's own of a value on a device; anything else as it is."""
    if not isinstance(value, _DeviceTypes.classes):
        return value
    if forking.is_stranded():
        for part in _DeviceTypes.parts(value):
            forking.check_readable(part)
    return value.__array__().copy() if not hasattr(value, "to_host") else value.to_host()


def to_host(cell):
    """Let a cell hold the NumPy array of what it holds."""
    value = cell[0]
    if isinstance(value, _DeviceTypes.classes):
        cell[0] = fetch(value)
    return cell[0]


@functools.cache
def install():
    """Teach Theano's containers, shared variables and functions about values on a device. Works once."""
    get, set_ = Container.__get__, Container.__set__

    def value_of(self):
        to_host(self.storage)
        return get(self)

    Container.__get__ = value_of
    Container.data = Container.value = property(value_of, set_)

    copy_container, show, show_all = Container.__deepcopy__, Container.__str__, Container.__repr__

    def deepcopy(self, memo):
        to_host(self.storage)
        return copy_container(self, memo)

    def getstate(self):
        to_host(self.storage)
        return self.__dict__

    Container.__deepcopy__ = deepcopy
    Container.__getstate__ = getstate
    Container.__str__ = lambda self: (to_host(self.storage), show(self))[1]
    Container.__repr__ = lambda self: (to_host(self.storage), show_all(self))[1]

    get_value = SharedVariable.get_value

    @functools.wraps(get_value)
    def get_value_of(self, borrow=False, return_internal_type=False):
        if not borrow and isinstance(self.container.storage[0], _DeviceTypes.classes):
            return fetch(self.container.storage[0])
        return get_value(self, borrow, return_internal_type)

    SharedVariable.get_value = get_value_of

    call = Function.__call__

    @functools.wraps(call)
    def call_function(self, *args, **kwargs):
        if getattr(self.fn, "keeps_state_on_device", False):
            try:
                return call(self, *args, **kwargs)
            finally:
                self.fn.forget_outputs()
        for container in self.input_storage:
            if isinstance(container.storage[0], _DeviceTypes.classes):
                to_host(container.storage)
        return call(self, *args, **kwargs)

    Function.__call__ = call_function
