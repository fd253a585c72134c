"""Data parallelism: the examples of a batch divided among devices, with all shared variables on each of them.

XLA's partitioner does the work: the batch is constrained to be divided along its first axis, the states to be the same
everywhere, and the partitioner adds the sums over devices (all-reduces) that the gradients need.
"""

import math

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from theano.scan_module.scan_op import Scan

from .. import util
from . import devices as defaults
from . import processes, selection
from .postponed import as_it_is
from .values import SparseArray

__all__ = ["Plan", "count_cores", "is_elsewhere", "moved", "plan_for", "prime_factors"]


#: Number of multiplications in a step of a loop, for each device, from which on it pays to divide batches among cores.
#: It was measured for LSTM, GRU and plain recurrent layers on two cores; without loops, XLA uses all cores by itself.
WORTHWHILE = 1 << 20

#: All plans, by their keys.
_plans: dict = {}


class Plan:
    """Devices that share the work on each batch. There is one plan only for the same devices; see :meth:`of`.

    Parameters
    ----------
    devices : sequence of jax.Device
        The devices, those of one process after those of another.
    is_for_cores : bool, optional
        Whether they are the cores of a processor, which only some networks gain by. Default False.
    takes_parts : bool, optional
        Whether each process gives a part of each batch, all parts being of one size. Default False: all of them give
        the same batch.

    Attributes
    ----------
    mesh : jax.sharding.Mesh
        The devices with an axis for each prime factor of their number, so that a batch whose size the number of
        devices does not divide is divided among as many as possible.
    replicated : jax.sharding.NamedSharding
        Where the same value is on all devices.
    key : tuple
        A description for cache keys.
    """

    #: Whether there is a plan, so that values may be on other devices than the default one.
    exists = False

    def __init__(self, devices, is_for_cores=False, takes_parts=False):
        Plan.exists = True
        self.devices = tuple(devices)
        self.is_for_cores = is_for_cores
        self.takes_parts = takes_parts
        self.num_processes = len({device.process_index for device in self.devices})
        factors = prime_factors(len(self.devices) // self.num_processes)
        if self.is_distributed:
            processes.watch()
            factors = [self.num_processes, *factors]
        names = tuple(f"batch{i}" for i in range(len(factors)))
        self.mesh = Mesh(np.array(self.devices).reshape(factors), names)
        self.replicated = NamedSharding(self.mesh, PartitionSpec())
        self.key = self._key(devices, is_for_cores, takes_parts)

    @staticmethod
    def _key(devices, is_for_cores, takes_parts):
        return is_for_cores, takes_parts, *[(device.platform, device.id) for device in devices]

    @classmethod
    def of(cls, devices, is_for_cores=False, takes_parts=False):
        """Return the plan of some devices; the parameters are those of the class."""
        key = cls._key(devices, is_for_cores, takes_parts)
        if key not in _plans:
            _plans[key] = cls(devices, is_for_cores, takes_parts)
        return _plans[key]

    def for_parts(self):
        """Return the plan by which each process gives a part of each batch, and not the whole batch."""
        return self.of(self.devices, self.is_for_cores, takes_parts=True) if self.is_distributed else self

    def suited(self, program, rows):
        """Return the plan for batches of so many examples: this one, or one for fewer cores; None for no plan.

        Parameters
        ----------
        program : theanets.xla.program.Program
            The program to be run.
        rows : int
            Number of examples.
        """
        if not self.is_for_cores:
            return self
        work = rows * looped(program)
        for count in range(len(self), 1, -1):
            if rows % count == 0 and work // count >= WORTHWHILE:
                return self.of(self.devices[:count], is_for_cores=True)
        return None

    def local(self):
        """Return the plan of the devices of this process alone; None for the default device."""
        if not self.is_distributed:
            return self
        found = [device for device in self.devices if device.process_index == jax.process_index()]
        return None if found == [defaults.default()] else self.of(found)

    def words(self):
        """Describe the devices for people."""
        count = len(self)
        kind = "core" if self.is_for_cores else "device"
        words = util.number_of(count, kind)
        return f"{words} of {self.num_processes} processes" if self.is_distributed else words

    def __len__(self):
        return len(self.devices)

    @property
    def is_distributed(self):
        """Whether devices of other processes take part."""
        return self.num_processes > 1

    def describe(self):
        """Describe the plan for cache keys on disk, for which it makes no difference which devices they are."""
        return "devices", len(self.devices), self.num_processes

    def part(self, size):
        """Return the number of devices among which so many examples are divided evenly."""
        return math.gcd(size, len(self.devices))

    def divided(self, size):
        """Return the sharding of an array of so many examples along its first axis."""
        rest, names = size, []
        for name, factor in self.mesh.shape.items():
            if rest % factor == 0:
                rest //= factor
                names.append(name)
        return NamedSharding(self.mesh, PartitionSpec(tuple(names)) if names else PartitionSpec())

    def divide(self, value):
        """Divide an array among the devices, along its first axis, while a program is traced."""
        if isinstance(value, SparseArray) or not value.ndim:
            # the entries of a sparse matrix are in no such order: all devices have all of them.
            return value
        return jax.lax.with_sharding_constraint(value, self.divided(value.shape[0]))

    def batch(self, values, others=()):
        """Put the arrays of a batch on the devices: arrays of as many examples as the first one are divided.

        Parameters
        ----------
        values : list of arrays
            The arrays.
        others : set of int, optional
            Positions of values that are left alone. Default none.
        """
        first = next((np.shape(value)[:1] for i, value in enumerate(values) if i not in others), ())
        return [value if i in others or value is None else self._batch(value, first) for i, value in enumerate(values)]

    def _batch(self, value, first):
        if self.takes_parts and isinstance(value, SparseArray):
            raise util.ConfigurationError("sparse batches, of which each process gives a part, cannot be put together")
        if isinstance(value, SparseArray) or not first or np.shape(value)[:1] != first:
            return self.place(value)
        if self.takes_parts:
            return jax.make_array_from_process_local_data(
                self.divided(first[0] * self.num_processes), np.asarray(value)
            )
        if self.is_distributed:
            return jax.make_array_from_callback(np.shape(value), self.divided(first[0]), np.asarray(value).__getitem__)
        return jax.device_put(value, self.divided(first[0]))

    def results(self):
        """Return the sharding of what programs return: all of it on each device where others cannot be read."""
        return self.replicated if self.is_distributed else None

    def replicate(self, value):
        """Let all devices have a whole value, while a program is traced."""
        return jax.tree.map(lambda part: jax.lax.with_sharding_constraint(part, self.replicated), value)

    def place(self, value, may_alias=None):
        """Put a value, which is the same in all processes, on all devices.

        Parameters
        ----------
        value : pytree of arrays
            The value.
        may_alias : bool, optional
            Whether arrays on a CPU may share memory with the value, as JAX decides it. Default: yes; False: never.
        """
        return jax.tree.map(lambda part: self._place(part, may_alias), value)

    def _place(self, value, may_alias):
        mine = [device for device in self.devices if device.process_index == jax.process_index()]
        if isinstance(value, jax.Array) and not value.is_fully_addressable:
            value = value.addressable_data(0)
        copies = [jax.device_put(value, device, may_alias=may_alias) for device in mine]
        return jax.make_array_from_single_device_arrays(np.shape(value), self.replicated, copies)

    def holds(self, value):
        """Tell whether a value is on all devices of this plan."""
        return all(part.sharding == self.replicated for part in jax.tree.leaves(value))


def is_elsewhere(value, plan):
    """Tell whether a value on a device is not where a plan, or its absence, wants it."""
    if plan is not None:
        return not plan.holds(value)
    return any(isinstance(part.sharding, NamedSharding) for part in jax.tree.leaves(value))


def moved(value, plan):
    """Return a copy of a value where a plan, or its absence, wants it."""
    if plan is not None:
        return plan.place(value, may_alias=False)
    device = defaults.default()
    return jax.tree.map(lambda part: jax.device_put(part.addressable_data(0), device, may_alias=False), value)


def looped(program):
    """Return the number of elements of the matrices that a step of the largest loop in a program multiplies by."""
    # that of a function with random generators is the part of it that is compiled.
    program = getattr(program, "program", program)
    values = dict(zip(program.fgraph.inputs, program.cells))
    loops = [node for node in as_it_is(program.fgraph).apply_nodes if isinstance(node.op, Scan)]
    return max((_looped(node, values) for node in loops), default=0)


def _looped(node, values):
    cells = [values[variable] for variable in {*node.inputs} if variable in values and variable.ndim == 2]
    return sum(int(np.prod(np.shape(cell[0]))) for cell in cells)


def prime_factors(number):
    """Return the prime factors of a number, the smallest first.

    Examples
    --------
    >>> prime_factors(12), prime_factors(7), prime_factors(1)
    ([2, 2, 3], [7], [1])
    """
    found, factor, rest = [], 2, number
    while rest > 1:
        while rest % factor == 0:
            found.append(factor)
            rest //= factor
        factor += 1
    return found or [1]


def count_cores():
    """Return the number of devices of the processor that JAX has."""
    return len(jax.local_devices(backend="cpu"))


def plan_for(choice, where="set_devices()"):
    """Return the plan of a choice of devices, as :func:`theanets.xla.selection.check` returns it.

    Returns
    -------
    plan : Plan or None
        None for the default device alone.

    Raises
    ------
    ConfigurationError
        If there are no such devices.
    """
    if choice is None:
        return None
    if choice == selection.CORES:
        selection.start_cores()
        found = jax.local_devices(backend="cpu")
        return Plan.of(found, is_for_cores=True) if len(found) > 1 else None
    everything = _ordered(jax.devices())
    if choice == selection.ALL:
        found = everything
    elif util.is_int(choice):
        found = _first(everything, choice, where)
    else:
        found = [_find(name, everything, where) for name in choice]
        if len(set(found)) < len(found):
            raise util.ConfigurationError(f"{where}: devices={list(choice)!r} has one device twice")
    counts = {device.process_index: 0 for device in everything}
    for device in found:
        counts[device.process_index] += 1
    if jax.process_count() > 1 and set(found).issubset(jax.local_devices()):
        counts = {jax.process_index(): len(found)}
    if len(set(counts.values())) > 1:
        raise util.ConfigurationError(
            f"{where}: of the chosen devices, the processes have {sorted(counts.values())}; expected the same number "
            "of each process, or devices of this process alone"
        )
    return None if found == [defaults.default()] else Plan.of(found)


def _ordered(devices):
    return sorted(devices, key=lambda device: (device.process_index, device.id))


def _first(everything, count, where):
    numbers = sorted({device.process_index for device in everything})
    if count > len(everything) or count % len(numbers):
        raise util.ConfigurationError(
            f"{where}: devices={count}, but JAX has {util.number_of(len(everything), 'device')}"
            + (f" in {len(numbers)} processes, each of which must take part with as many" if len(numbers) > 1 else "")
        )
    each = count // len(numbers)
    return [
        device
        for process in numbers
        for device in [item for item in everything if item.process_index == process][:each]
    ]


def _find(name, everything, where):
    for device in everything:
        if device is name or not isinstance(name, (str, bool)) and name == device.id:
            return device
        if isinstance(name, str) and name.lower() in names_of(device):
            return device
    known = ", ".join(sorted(names_of(device)[0] for device in everything))
    raise util.ConfigurationError(f"{where}: there is no device {name!r}; JAX has {known}")


def names_of(device):
    """Return the names of a device, in small letters: ``cpu:0``, ``cuda:0``, and as JAX prints it."""
    platforms = [device.platform, *(["cuda"] if device.platform == "gpu" else [])]
    return [f"{platform}:{device.id}" for platform in reversed(platforms)] + [str(device).lower()]
