"""Many batches in one call: a compiled loop over data that lie on the device."""

import copy
import functools
import operator
import time

import jax
import jax.numpy as jnp
import numpy as np

from . import devices, examples, forking
from .program import Program
from .tracing import GiveUp, NeedsValue

__all__ = ["FusedLoop", "Unfusable"]

#: A call lasts about so many seconds: so long other threads wait that use the network meanwhile, and Ctrl-C.
SECONDS = 0.05

#: The first call runs so many batches, to see how long they take.
FIRST = 8

#: No call runs more batches than this. There is room for as many results in each, which takes time to clear.
LONGEST = 1 << 14

#: So many loops over data of different layouts are kept for each graph.
LAYOUTS = 8

#: Part of a device's memory that data may take.
SHARE = 0.5


class Unfusable(Exception):
    """A function cannot be run in a compiled loop."""


class LoopCode:
    """The compiled code of an epoch, for data of one layout. It holds neither data nor states.

    Parameters
    ----------
    code : theanets.xla.program.Code
        What is run for each batch.
    cutters : list of :class:`theanets.xla.examples.Examples`
        Cut batches out of the data, which they do not hold.
    length : int
        Number of examples.
    size : int
        Number of examples in a batch. The one at the end may be smaller.

    Attributes
    ----------
    functions : dict
        Compiled functions by the capacity for batches and the capacity for sparse entries.
    rate : float or None
        Batches per second; None as long as it has not been measured.
    """

    def __init__(self, code, cutters, length, size):
        self.code = code
        self.cutters = cutters
        self.length = length
        self.size = size
        self.functions = {}
        self.threads = {}
        self.rate = None

    def compile(self, room):
        """Return the loop, which XLA compiles when it is called first; see :meth:`FusedLoop.run` for ``room``."""
        cutters = [copy.copy(item) for item in self.cutters]
        for item, number in zip(cutters, room or ()):
            item.capacity = number
        about = "epoch", [item.settings() for item in cutters], self.size, self.length, room
        return self.code.compiled(self._make_run(cutters), about, donate_argnums=0)

    def _outputs(self, capacity):
        """Return room for the outputs of so many batches."""
        dtypes = [type_.dtype for type_ in self.code.output_types]
        return jnp.zeros((capacity, len(dtypes)), np.result_type(*dtypes) if dtypes else "float32")

    def _make_run(self, cutters):
        code, length = self.code, self.length

        def start_of(starts, i):
            return jax.lax.dynamic_index_in_dim(starts, i, keepdims=False)

        def body(size, carry, rest, constants, data, starts, rows):
            i, states, outputs, _ = carry
            start = start_of(starts, i)
            if rows is None:
                batch = [item.batch(parts, start, size) for item, parts in zip(cutters, data)]
            else:
                chosen = jax.lax.dynamic_slice_in_dim(rows, start, size)
                batch = [item.rows(parts, chosen) for item, parts in zip(cutters, data)]
            batch = iter(batch)
            others = iter(rest)
            kept = [next(batch) if place < len(cutters) else next(others) for place in code.kept]
            results, new, holds = code.trace(states, kept, constants, {})
            for a, b in zip(jax.tree.leaves(states), jax.tree.leaves(new)):
                if (a.shape, a.dtype) != (b.shape, b.dtype):
                    raise Unfusable("a state changes its shape")
            holds = jnp.asarray(True) if holds is None else holds
            # together, which takes one kernel instead of one for each.
            row = jnp.stack([result.astype(outputs.dtype) for result in results])
            outputs = jax.lax.dynamic_update_index_in_dim(outputs, row, i, 0)
            return jnp.where(holds, i + 1, i), tuple(new), outputs, holds

        def run(states, rest, constants, data, order, rows=None):
            count, starts = order[0], order[1:]

            def goes_on(carry):
                return (carry[0] < count) & carry[3]

            def is_short(carry):
                return start_of(starts, carry[0]) > length - self.size

            def batches(size, condition, carry):
                return jax.lax.while_loop(
                    condition, lambda carry: body(size, carry, rest, constants, data, starts, rows), carry
                )

            def stretch(carry):
                carry = batches(self.size, lambda carry: goes_on(carry) & ~is_short(carry), carry)
                return batches(length % self.size, lambda carry: goes_on(carry) & is_short(carry), carry)

            carry = jnp.asarray(0, count.dtype), states, self._outputs(starts.shape[0]), jnp.asarray(True)
            # a loop for each size, within one over stretches of them: no step has to branch.
            has_short = length % self.size > 0
            carry = jax.lax.while_loop(goes_on, stretch, carry) if has_short else batches(self.size, goes_on, carry)
            done, states, outputs, _ = carry
            return states, outputs, done

        return run


class FusedLoop:
    """Runs a compiled function for one batch after the other, within one call of compiled code.

    Parameters
    ----------
    function : theano function
        Compiled by XLA. Its explicit inputs are the arrays of a batch.
    arrays : list of ndarray or scipy matrix
        All of the data, one for each input.
    size : int
        Number of examples in a batch. The one at the end of the data may be smaller.
    axis : int, optional
        The axis of the batch. Default 0.
    mixed : bool, optional
        Whether batches are made of rows in an order of their own, which lie anywhere along the axis 0. Default False:
        they are cut out of the data.

    Raises
    ------
    Unfusable
        If the function is not such a one, or if there is too much data.
    """

    def __init__(self, function, arrays, size, axis=0, mixed=False):
        program = getattr(function, "fn", None)
        if not isinstance(program, Program) or program.code.entries is not None:
            raise Unfusable("the function does not simply run by XLA")
        code = program.code
        if len(code.kept) - len(set(code.shared) - set(code.updated)) != len(arrays):
            raise Unfusable("the function has other inputs than the data")
        if not code.output_types or any(type_.ndim for type_ in code.output_types):
            raise Unfusable("an output is no number")
        kinds = [examples.find(type_, array) for type_, array in zip(code.types, arrays)]
        if not all(kinds) or not all(array.ndim > axis for array in arrays):
            raise Unfusable("the data are no arrays")
        self.program = program
        self.length = arrays[0].shape[axis]
        self.size = min(size, self.length)
        cut = dict(size=size, axis=axis, mixed=mixed)
        self.makers = [functools.partial(kind, type_, **cut) for kind, type_ in zip(kinds, code.types)]
        self.kind = describe(arrays), self.size, axis, mixed
        self.rest = [program.cells[i] for i in code.kept if i >= len(arrays)]
        self.room = (1,) * len(arrays)
        self.capacity = 1
        self.take(arrays)

    def take(self, arrays):
        """Put data on the device: the first, or others of which :func:`describe` says the same."""
        forking.check()
        placed = [make(array) for make, array in zip(self.makers, arrays)]
        if sum(item.nbytes for item in placed) > budget():
            raise Unfusable("the data are too large to lie on the device")
        with devices.enable_x64(True):
            for item in placed:
                item.place()
        self.examples = placed
        self.code = self._find_code()

    def _find_code(self):
        """Return the compiled loop for the layout of the data, which all functions of one graph share."""
        loops = self.program.code.loops
        key = self.kind, tuple([tuple(item.layout) for item in self.examples])
        found = loops.pop(key, None)
        if found is None:
            found = LoopCode(self.program.code, [item.bare() for item in self.examples], self.length, self.size)
        loops[key] = found
        while len(loops) > LAYOUTS:
            loops.pop(next(iter(loops)), None)
        return found

    def release(self):
        """Let go of the data; what is compiled is kept."""
        self.examples = []

    @property
    def data(self):
        """What lies on the device, for each input."""
        return tuple([item.parts for item in self.examples])

    def _make_room(self, rows):
        """Return how many entries a batch of mixed sparse rows has room for, for each input; code depends on it."""
        needed = [item.largest(rows) for item in self.examples]
        if any(number > room for number, room in zip(needed, self.room)):
            # some more, as the largest batch of another order has about as many: code is compiled seldom then.
            self.room = tuple([max(room, number + number // 4) for number, room in zip(needed, self.room)])
        return self.room

    def _make_capacity(self, count):
        """Make room for so many batches."""
        capacity = power_of_two(max(count, -(-self.length // self.size)))
        self.capacity = max(self.capacity, min(capacity, LONGEST))

    def _find(self, key):
        """Return the function for some room, and whether it is a new one."""
        functions = self.code.functions
        is_new = key not in functions
        if is_new:
            functions[key] = self.code.compile(key[1])
        return functions[key], is_new

    def _make_order(self, count, starts):
        """Return how many batches to run, and where they begin, as one array."""
        # without a sign, so that JAX does not look for places counted from the end.
        order = np.zeros(1 + self.capacity, "uint32")
        order[0], order[1 : 1 + len(starts)] = count, starts
        return order

    def _arguments(self, order, rows):
        """Return the arguments of a call; this runs under the lock."""
        program = self.program
        program.place_shared()
        constants = tuple(program.code.constants.values())
        return program.take_states(), tuple([cell[0] for cell in self.rest]), constants, self.data, order, rows

    def compile_beside(self, count, is_mixed=False):
        """Let XLA compile in a thread what :meth:`run` is going to need, which waits for it.

        Nothing happens if that is compiled already, or if what is needed depends on the order of rows. If it turns out
        that the loop does not work, :meth:`run` will find out.

        Parameters
        ----------
        count : int
            Number of batches.
        is_mixed : bool, optional
            Whether rows are mixed. Default False.
        """
        if self.program.code.stays_on_host or is_mixed and any(item.counts is not None for item in self.examples):
            return
        self._make_capacity(count)
        key = self.capacity, self.room if is_mixed else None
        function, is_new = self._find(key)
        if not is_new:
            return
        rows = np.arange(self.length, dtype="uint32") if is_mixed else None
        order = self._make_order(0, ())
        with devices.enable_x64(True), jax.transfer_guard_host_to_device("allow"):
            try:
                arguments = self.program.locked(self._arguments, order, rows)
                self.code.threads[key] = function.compile_beside(arguments)
            except (NeedsValue, GiveUp, Unfusable):
                del self.code.functions[key]

    def run(self, starts, seconds=SECONDS, rows=None):
        """Run batches, for about so many seconds at most.

        Parameters
        ----------
        starts : array-like of int
            Where the batches begin, in multiples of their size.
        seconds : float, optional
            How long to go on. Default :data:`SECONDS`.
        rows : ndarray of uint32 (num-rows, ), optional
            The order that the rows are in, if they are mixed; the batches are made of those at their places.

        Returns
        -------
        values : list of lists of numbers
            The outputs of the function for each of the batches that were run, from the first. A batch that XLA cannot
            run, for an index out of range, say, is left out, and so is all that follows.

        Raises
        ------
        Unfusable
            If it turns out that this does not work; nothing has happened then.
        """
        forking.check()
        program = self.program
        if program.code.stays_on_host:
            raise Unfusable("the function runs on the host")
        self._make_capacity(len(starts))
        starts = starts[: self.capacity]
        key = self.capacity, None if rows is None else self._make_room(rows)
        function, is_new = self._find(key)
        thread = self.code.threads.pop(key, None)
        if thread is not None:
            thread.join()
        rate = self.code.rate
        count = min(len(starts), FIRST if rate is None else max(1, int(seconds * rate)))
        order = self._make_order(count, starts)
        began = time.perf_counter()
        with devices.enable_x64(True):
            try:
                # the order is meant to move to the device, also where the user has told JAX to move nothing unasked;
                # device_put() takes several times as long as all the rest of this.
                with jax.transfer_guard_host_to_device("allow"):
                    make_arguments = functools.partial(self._arguments, order, rows)
                    _, outputs, done = program.start(function, make_arguments, operator.itemgetter(0))
            except (NeedsValue, GiveUp) as error:
                raise Unfusable(str(error)) from error
        with jax.transfer_guard_device_to_host("allow"):
            outputs, done = map(np.asarray, (outputs, done))
        values = outputs[: int(done)].tolist()
        if values and not is_new:
            # the first call compiles, and says nothing of how long a batch takes.
            self.code.rate = len(values) / (time.perf_counter() - began)
        return values


def describe(arrays):
    """Return something hashable that is equal only for data which a loop can take in place of each other."""
    return tuple([(type(array), array.shape, array.dtype.str, getattr(array, "format", None)) for array in arrays])


def power_of_two(number):
    """Return the smallest power of two that is not smaller than a number."""
    return 1 << max(number - 1, 0).bit_length()


def budget():
    """Return how many bytes of data may lie on the device."""
    limits = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in limits:
        return SHARE * limits["bytes_limit"]
    # on a CPU arrays are not copied.
    return np.inf
