"""Several processes that train one network: how they begin, agree on what comes next, and notice that one has ended.

Compiled programs exchange their sums by XLA's own collective operations. What is decided in Python, such as how many
batches come next, or that Ctrl-C was pressed, is exchanged here, by the key-value store of JAX's distributed runtime.
This module imports JAX only where it has been started with several processes.
"""

import atexit
import contextlib
import functools
import importlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

from .. import logs, util
from . import loading

__all__ = [
    "LostError",
    "agree",
    "connect",
    "count",
    "decide",
    "is_first",
    "number",
    "raise_lost",
    "share",
    "together",
    "training",
    "watch",
]

#: Seconds between the signs of life that each process gives, and seconds without one after which it counts as lost.
BEAT, PATIENCE = 1.0, 15.0

#: The sign of life of a process that ends in order.
END = "end"

#: Seconds that a process which has lost another one may take to raise its error, before it is ended; it may be waiting
#: for the other one in a program that cannot be interrupted.
GRACE = 25.0

#: Milliseconds that one question for a value of another process waits; Ctrl-C has to wait for so long.
SLICE = 500

#: Exit status of a process that is ended because another one is lost.
STATUS = 75


class LostError(util.Error, RuntimeError):
    """Raised where another process of a distributed training has ended, or does not answer."""


class _State:
    #: The thread that gives signs of life; None before :func:`watch`.
    thread: threading.Thread | None = None

    #: What is known of a process that is lost.
    lost: str | None = None

    #: How many values have been exchanged; the same number in all processes.
    exchanged = 0

    #: Whether Ctrl-C was pressed and has not been handled yet.
    is_interrupted = False

    #: Whether a training that others take part in is going on.
    is_training = False


_state = _State()


def _runtime():
    """Return the state of JAX's distributed runtime; None if this is the only process."""
    module = sys.modules.get("jax._src.distributed")
    found = getattr(module, "global_state", None)
    return found if getattr(found, "client", None) is not None and (found.num_processes or 1) > 1 else None


def count():
    """Return the number of processes."""
    found = _runtime()
    return 1 if found is None else found.num_processes


def number():
    """Return the number of this process, from 0 on."""
    found = _runtime()
    return 0 if found is None else found.process_id


def is_first():
    """Tell whether this process is the one that writes files and shows what happens."""
    return number() == 0


def connect(
    address: str | None = None, num_processes: int | None = None, process: int | None = None, **options: Any
) -> None:
    """Start JAX's distributed runtime, such that several processes train one network on all of their devices.

    Every process runs the same script, which calls this first. See docs/devices.md.

    Parameters
    ----------
    address : str, optional
        ``host:port`` of the process with the number 0. Default: as JAX finds out, under Slurm and Open MPI.
    num_processes, process : int, optional
        Number of processes, and the number of this one, from 0 on. Default: as JAX finds out.
    **options
        See ``jax.distributed.initialize``.

    Raises
    ------
    ConfigurationError
        If JAX has started already, or does not find the other processes.
    """
    with loading.leaving_no_traces():
        jax = importlib.import_module("jax")
    # without it, JAX aborts all processes if one is lost, before an error can be raised.
    if "jax_enable_recoverability" in jax.config.values:
        jax.config.update("jax_enable_recoverability", True)
    try:
        jax.distributed.initialize(address, num_processes, process, **{"shutdown_timeout_seconds": 10, **options})
    except (RuntimeError, ValueError) as error:
        raise util.ConfigurationError(f"connect(): {error}") from error
    watch()


@functools.cache
def watch():
    """Begin to give signs of life to the other processes, and to look for theirs; only the first process logs."""
    found = _runtime()
    if found is None:
        return
    if not is_first():
        logs.ConsoleHandler.is_quiet = True
    _state.thread = threading.Thread(target=_beat, args=(found.client,), name="signs of life", daemon=True)
    _state.thread.start()
    atexit.register(_end, found.client)


def _end(client):
    with contextlib.suppress(Exception):
        client.key_value_set(f"theanets/alive/{number()}", END, allow_overwrite=True)
        if not is_first() or _state.lost is not None:
            return
        # the store is in the first process, and others that cannot take their leave of it are aborted.
        until = time.monotonic() + PATIENCE
        while len(client.get_live_nodes(list(range(count())))) > 1 and time.monotonic() < until:
            time.sleep(0.1)


def _beat(client):
    others = {other: (None, time.monotonic()) for other in range(count()) if other != number()}
    beats, since = 0, None
    while True:
        beats += 1
        if sys.is_finalizing():
            return
        try:
            client.key_value_set(f"theanets/alive/{number()}", str(beats), allow_overwrite=True)
            for other, (seen, when) in others.items():
                found = client.key_value_try_get(f"theanets/alive/{other}") if seen else _first_sign(client, other)
                if found == END and _state.is_training:
                    _state.lost = _state.lost or f"process {other} has ended"
                elif found is not None and found != seen:
                    others[other] = found, time.monotonic()
                elif seen is not None and time.monotonic() - when > PATIENCE and _state.is_training:
                    _state.lost = _state.lost or f"process {other} has given no sign of life for {PATIENCE:.0f} seconds"
        except Exception as error:  # of whatever kind: the process with the store is lost, or this one is ending.
            if sys.is_finalizing():
                return
            if since is None:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                _state.lost = _state.lost or f"process 0 cannot be reached any more ({str(error).splitlines()[0]})"
        else:
            since = None
        if _state.lost is not None and _state.is_training:
            time.sleep(GRACE)
            if not _state.is_training:
                continue
            sys.stderr.write(f"theanets: {_state.lost}; this process waits for it in vain, and ends\n")
            sys.stderr.flush()
            os._exit(STATUS)
        time.sleep(BEAT)


def _first_sign(client, other):
    try:
        return client.key_value_try_get(f"theanets/alive/{other}")
    except Exception:
        # it has not begun yet.
        return None


def raise_lost(error=None):
    """Raise an error if another process is lost, or because of an error that a program raised for that reason."""
    if _state.lost is None and error is not None:
        # what is known by now is the better message.
        for _ in range(int((PATIENCE + 2 * BEAT) / BEAT)):
            if _state.lost is not None:
                break
            time.sleep(BEAT)
    if _state.lost is None and error is None:
        return
    words = _state.lost or f"the devices cannot exchange their sums any more: {str(error).splitlines()[0]}"
    raise LostError(
        f"{words}. The training cannot go on without it; start the same script again, with as many processes as there "
        "are: with checkpoint=, it goes on from the last epoch that was written"
    ) from error


def agree(value):
    """Return what every process has to say, in the order of their numbers. All of them have to call this.

    Parameters
    ----------
    value : object
        Something that JSON can describe.

    Raises
    ------
    LostError
        If a process does not answer.
    """
    found = _runtime()
    if found is None:
        return [value]
    _state.exchanged += 1
    place, client = _state.exchanged, found.client
    client.key_value_set(f"theanets/{place}/{number()}", json.dumps(value))
    values = [json.loads(_get(client, f"theanets/{place}/{other}")) for other in range(count())]
    # all others have read the value before the last one, as they have set this one since.
    with contextlib.suppress(Exception):
        client.key_value_delete(f"theanets/{place - 1}/{number()}") if place > 1 else None
    return values


def _get(client, key):
    while True:
        raise_lost()
        try:
            return client.blocking_key_value_get(key, SLICE)
        except Exception as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise_lost(error)


def share(content):
    """Return the bytes that the first process has, in all processes.

    Parameters
    ----------
    content : bytes or None
        The content in the first process; ignored in the others.
    """
    found = _runtime()
    if found is None:
        return content
    size = 1 << 20
    pieces = None
    if is_first() and content is not None:
        pieces = [content[start : start + size] for start in range(0, max(len(content), 1), size)]
        for place, piece in enumerate(pieces):
            found.client.key_value_set_bytes(f"theanets/shared/{_state.exchanged + 1}/{place}", piece)
    place = _state.exchanged + 1
    (length, *_) = agree(None if pieces is None else len(pieces))
    if length is None:
        return None
    parts = [_bytes(found.client, f"theanets/shared/{place}/{i}") for i in range(length)]
    agree(None)
    if is_first():
        for i in range(length):
            found.client.key_value_delete(f"theanets/shared/{place}/{i}")
    return b"".join(parts)


def _bytes(client, key):
    return client.blocking_key_value_get_bytes(key, int(1000 * PATIENCE))


def decide(value):
    """Return the value that the first process gives, in all processes.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C was pressed in any of them.
    """
    return together(value)[0]


def together(value):
    """Do as :func:`agree`; raise KeyboardInterrupt in all processes if Ctrl-C was pressed in any of them."""
    is_interrupted, _state.is_interrupted = _state.is_interrupted, False
    found = agree([value, is_interrupted])
    if any(item[1] for item in found):
        raise KeyboardInterrupt
    return [item[0] for item in found]


@contextlib.contextmanager
def training():
    """Context manager of a training that all processes take part in.

    Ctrl-C waits for the next :func:`together`, so that all processes stop at the same place; a second one does not.
    """
    _state.is_training, _state.is_interrupted = True, False
    try:
        with _deferring_interrupts():
            yield
    finally:
        _state.is_training = False


@contextlib.contextmanager
def _deferring_interrupts():
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def note(signum, frame):
        if _state.is_interrupted and callable(before):
            before(signum, frame)
        _state.is_interrupted = True

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)
