"""Compiled training loop: many batches of data on the device in one call of XLA, as a ``while_loop`` of JAX."""

import copy
import functools
import operator
import time

import jax
import jax.numpy as jnp
import numpy as np

from .. import util
from . import devices, examples, forking, processes
from .program import Program
from .tracing import GiveUp, NeedsValue

__all__ = ["FusedLoop", "Unfusable"]

#: Target duration of a call, in seconds. Other threads that use the network, and Ctrl-C, have to wait for so long.
SECONDS = 0.05

#: Number of batches in the first call, which measures how long they take.
FIRST = 8

#: Maximum number of batches in a call. Each call allocates and clears an array of results for its capacity.
LONGEST = 1 << 14

#: Maximum number of compiled loops that are kept for each graph, one for each layout of the data.
LAYOUTS = 8

#: Fraction of a device's memory that data may take.
SHARE = 0.5


class Unfusable(Exception):
    """A function cannot be run in a compiled loop."""


class LoopCode:
    """Compiled loop over the batches of an epoch, for data of one layout. It holds neither data nor states.

    Parameters
    ----------
    code : theanets.xla.program.Code
        The graph that is run for each batch.
    cutters : list of :class:`theanets.xla.examples.Examples`
        They cut batches out of the data, which are passed as arguments.
    length : int
        Number of examples.
    size : int
        Number of examples in a batch. The one at the end may be smaller.

    Attributes
    ----------
    functions : dict
        Compiled functions by :attr:`FusedLoop.capacity` and, for mixed rows, :attr:`FusedLoop.room`.
    threads : dict
        Threads in which such functions are being compiled, by the same keys.
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
        """Return the loop, which XLA compiles at its first call.

        Parameters
        ----------
        room : tuple of int or None
            The capacity of a batch of mixed rows for sparse entries, for each input; None if rows are not mixed.
        """
        cutters = [copy.copy(item) for item in self.cutters]
        for item, number in zip(cutters, room or ()):
            item.capacity = number
        about = "epoch", [item.settings() for item in cutters], self.size, self.length, room
        plan = self.code.plan
        places = {} if plan is None else {"out_shardings": plan.replicated}
        return self.code.compiled(self._make_run(cutters), about, donate_argnums=0, **places)

    def _outputs(self, capacity):
        """Return an array of zeros (capacity, num-outputs) for the outputs of so many batches."""
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
            if code.plan is not None:
                batch = map(code.plan.divide, batch)
            batch = iter(batch)
            others = iter(rest)
            kept = [next(batch) if place < len(cutters) else next(others) for place in code.kept]
            results, new, holds = code.trace(states, kept, constants, {})
            for a, b in zip(jax.tree.leaves(states), jax.tree.leaves(new)):
                if (a.shape, a.dtype) != (b.shape, b.dtype):
                    raise Unfusable("a state changes its shape")
            holds = jnp.asarray(True) if holds is None else holds
            # all outputs in one row, so that storing them takes one kernel instead of one for each.
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
            # an inner loop over full batches and one over short batches, within an outer loop: so the size of a batch
            # is static in each loop, and no step has to branch.
            has_short = length % self.size > 0
            carry = jax.lax.while_loop(goes_on, stretch, carry) if has_short else batches(self.size, goes_on, carry)
            done, states, outputs, _ = carry
            return states, outputs, done

        return run


class FusedLoop:
    """Runs a compiled function on one batch after the other, many batches within one call of compiled code.

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
        Whether the rows are shuffled: a batch consists of rows gathered from anywhere along axis 0. Default False:
        batches are contiguous slices of the data.
    plan : theanets.xla.sharding.Plan, optional
        The devices among which the examples of each batch are divided. Default: the default device.

    Attributes
    ----------
    room : tuple of int
        For each input, the capacity of a batch of mixed rows for sparse entries.
    capacity : int
        Maximum number of batches in a call, a power of two.

    Raises
    ------
    Unfusable
        If the function cannot run in such a loop, or if the data are too large.
    """

    def __init__(self, function, arrays, size, axis=0, mixed=False, plan=None):
        program = getattr(function, "fn", None)
        if not isinstance(program, Program) or program.code.entries is not None:
            raise Unfusable("the function does not simply run by XLA")
        program = program.on(plan)
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
        """Put data on the device. New data must have the same :func:`describe` key as those before."""
        forking.check()
        placed = [make(array) for make, array in zip(self.makers, arrays)]
        if sum(item.nbytes for item in placed) > budget():
            raise Unfusable("the data are too large to lie on the device")
        with devices.enable_x64(True):
            for item in placed:
                item.place(self.program.code.plan)
        self.examples = placed
        self.code = self._find_code()

    def _find_code(self):
        """Return the :class:`LoopCode` for the layout of the data, which all functions of one graph share."""
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
        """Release the data on the device; compiled code is kept."""
        self.examples = []

    @property
    def data(self):
        """The arrays on the device, for each input."""
        return tuple([item.parts for item in self.examples])

    def _make_room(self, rows):
        """Return a capacity for sparse entries that is enough for these rows, for each input.

        Compiled code depends on it: a new capacity means to compile again.
        """
        needed = [item.largest(rows) for item in self.examples]
        if any(number > room for number, room in zip(needed, self.room)):
            # a quarter more than needed, so that other orders of the rows seldom need a new capacity.
            self.room = tuple([max(room, number + number // 4) for number, room in zip(needed, self.room)])
        return self.room

    def _make_capacity(self, count):
        """Make the capacity of a call large enough for so many batches, or for an epoch."""
        capacity = power_of_two(max(count, -(-self.length // self.size)))
        self.capacity = max(self.capacity, min(capacity, LONGEST))

    def _find(self, key):
        """Return the compiled function for a key of :attr:`LoopCode.functions`, and whether it is a new one."""
        functions = self.code.functions
        is_new = key not in functions
        if is_new:
            functions[key] = self.code.compile(key[1])
        return functions[key], is_new

    def _make_order(self, count, starts):
        """Return the number of batches to run, and where they begin, in one array: one transfer to the device."""
        # unsigned, so that JAX compiles no code for negative indices.
        order = np.zeros(1 + self.capacity, "uint32")
        order[0], order[1 : 1 + len(starts)] = count, starts
        return order

    def _arguments(self, order, rows):
        """Return the arguments of a call. The caller holds the lock of the shared variables."""
        program = self.program
        program.place_shared()
        constants = tuple(program.code.constants.values())
        return program.take_states(), tuple([cell[0] for cell in self.rest]), constants, self.data, order, rows

    def compile_beside(self, count, is_mixed=False):
        """Compile in a background thread the function that :meth:`run` is going to call, and which it waits for.

        Nothing happens if that is compiled already, or if its capacity for sparse entries depends on the order of the
        rows. Errors of the trace are ignored: :meth:`run` raises them again.

        Parameters
        ----------
        count : int
            Number of batches.
        is_mixed : bool, optional
            Whether rows are shuffled. Default False.
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

    def _compile(self, function, rows):
        """Compile the function that is to be called now."""
        order = self._make_order(0, ())
        with devices.enable_x64(True), jax.transfer_guard_host_to_device("allow"):
            try:
                function.compile(self.program.locked(self._arguments, order, rows))
            except (NeedsValue, GiveUp) as error:
                raise Unfusable(str(error)) from error

    def run(self, starts, seconds=SECONDS, rows=None):
        """Run batches for at most about a given time, and return the outputs for each of them.

        Parameters
        ----------
        starts : array-like of int
            Index of the first example of each batch, a multiple of the batch size.
        seconds : float, optional
            Target duration of the call. Default :data:`SECONDS`.
        rows : ndarray of uint32 (num-rows, ), optional
            A permutation of the rows, if they are mixed: a batch consists of the rows ``rows[start : start + size]``.
            Rows at the end of the data that it leaves out follow in their order.

        Returns
        -------
        values : list of lists of numbers
            The outputs of the function for each of the batches that were run, from the first. The loop stops before a
            batch that XLA cannot run, for an index out of range, say.

        Raises
        ------
        Unfusable
            If tracing shows that the function cannot run in a loop; nothing has been changed then.
        """
        forking.check()
        program = self.program
        if program.code.stays_on_host:
            raise Unfusable("the function runs on the host")
        self._make_capacity(len(starts))
        starts = starts[: self.capacity]
        if rows is not None and len(rows) < self.length:
            rows = np.concatenate([rows, np.arange(len(rows), self.length, dtype=rows.dtype)])
        key = self.capacity, None if rows is None else self._make_room(rows)
        function, is_new = self._find(key)
        thread = self.code.threads.pop(key, None)
        if thread is not None:
            with util.compiling():
                thread.join()
        rate, plan = self.code.rate, program.code.plan
        count = min(len(starts), FIRST if rate is None else max(1, int(seconds * rate)))
        if plan is not None and plan.is_distributed:
            if is_new:
                # before the others wait for it within a program, where nothing tells them why.
                self._compile(function, rows)
            count = processes.decide(count)
        order = self._make_order(count, starts)
        began = time.perf_counter()
        with devices.enable_x64(True):
            try:
                # allows the implicit transfer of the order even if the user has set a transfer guard in JAX: an
                # explicit device_put() takes several times as long as all the rest of this.
                with jax.transfer_guard_host_to_device("allow"):
                    make_arguments = functools.partial(self._arguments, order, rows)
                    _, outputs, done = program.start(function, make_arguments, operator.itemgetter(0))
            except (NeedsValue, GiveUp) as error:
                raise Unfusable(str(error)) from error
        try:
            with jax.transfer_guard_device_to_host("allow"):
                outputs, done = map(np.asarray, (outputs, done))
        except jax.errors.JaxRuntimeError as error:
            if plan is not None and plan.is_distributed:
                processes.raise_lost(error)
            raise
        values = outputs[: int(done)].tolist()
        if values and not is_new:
            # the time of the first call includes compiling, and is no measure of the rate.
            self.code.rate = len(values) / (time.perf_counter() - began)
        return values


def describe(arrays):
    """Return a cache key of data: equal keys mean that one loop can run on either (types, shapes, dtypes, formats)."""
    return tuple([(type(array), array.shape, array.dtype.str, getattr(array, "format", None)) for array in arrays])


def power_of_two(number):
    """Return the smallest power of two that is not smaller than a number."""
    return 1 << max(number - 1, 0).bit_length()


def budget():
    """Return how many bytes of data may lie on the device."""
    limits = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in limits:
        return SHARE * limits["bytes_limit"]
    # a CPU has no limit, as its arrays are not copied to a device.
    return np.inf
