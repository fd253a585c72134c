"""The other side of :mod:`~theanets.xla.trials`: a process that compiles what it is sent, within limits.

It is run as a script, and imports nothing of theanets. What it reads is, again and again, a line of JSON and as many
bytes as this announces; what it answers is a line of JSON each. It ends when its input does, also in the middle of a
compilation, and when it has had nothing to do for a while.
"""

import contextlib
import importlib
import itertools
import json
import math
import os
import queue
import resource
import runpy
import sys
import threading
import time

__all__ = ["compile_module", "serve"]

#: Seconds without work after which the process ends.
IDLE = 60


def compile_module(payload, options, configuration, bound=()):
    """Compile what JAX has lowered in another process, just as it would there: its cache finds the result afterwards.

    Parameters
    ----------
    payload : bytes
        Text of the module.
    options : dict
        Options of XLA.
    configuration : dict
        JAX's settings.
    bound : list of bool, optional
        Which arguments are bound to a device. Default none.
    """
    jax = importlib.import_module("jax")
    if any(getattr(jax.config, name) != value for name, value in configuration.items()):
        for name, value in configuration.items():
            jax.config.update(name, value)
        # JAX looks at the settings of its cache once.
        importlib.import_module("jax.experimental.compilation_cache.compilation_cache").reset_cache()

    module = lower((), (), bound).compiler_ir("stablehlo")
    with module.context:
        module = type(module).parse(payload)
    (main,) = [part for part in module.body.operations if getattr(part.name, "value", "") == "main"]
    # a function of as many arguments and results, whose code is replaced.
    lowered = lower(*[[item.shape for item in items] for items in (main.type.inputs, main.type.results)], bound)
    lowered._lowering._hlo = module
    lowered.compile(compiler_options=options)


def lower(inputs=(), outputs=(), bound=()):
    """Lower a function of arrays of given shapes, which returns zeros of given shapes."""
    jax = importlib.import_module("jax")
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    places = itertools.chain((device if is_bound else None for is_bound in bound), itertools.repeat(None))
    arrays = [jax.ShapeDtypeStruct(shape, "float32", sharding=place) for shape, place in zip(inputs, places)]
    function = jax.jit(lambda *_: [jax.numpy.zeros(shape) for shape in outputs], keep_unused=True)
    return function.lower(*arrays)


def serve(requests, answers):
    """Do the work that requests ask for, one after the other, and answer each.

    Parameters
    ----------
    requests, answers : files
        Of bytes, and of text.
    """
    jobs = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, jobs), daemon=True).start()
    # before anything else is imported: where that process finds its modules.
    sys.path[:] = jobs.get()[0]["path"]
    importlib.import_module("jax")
    _answer(answers, ready=True)
    # what JAX does once in a process, such as to start the backend, need not wait for the first job.
    lower()
    while True:
        try:
            job, payload = jobs.get(timeout=IDLE)
        except queue.Empty:
            return
        began = time.process_time()
        _limit(job["seconds"], job["bytes"])
        try:
            function = globals()[job["name"]] if job["file"] is None else _load(job["file"])[job["name"]]
            found = function(payload, **job["arguments"])
        except Exception as error:
            _answer(answers, error=f"{type(error).__name__}: {error}")
        else:
            _answer(answers, found=found, seconds=time.process_time() - began)


def _read(requests, jobs):
    while line := requests.readline():
        job = json.loads(line)
        jobs.put((job, requests.read(job.get("payload", 0))))
    # nobody waits for an answer any more, and XLA's compiler cannot be interrupted.
    os._exit(0)


_loaded = {}


def _load(file):
    if file not in _loaded:
        _loaded[file] = runpy.run_path(file)
    return _loaded[file]


def _answer(answers, **values):
    answers.write(json.dumps(values) + "\n")
    answers.flush()


def _limit(seconds, size):
    """Let this process have so many more seconds of processors, and bytes; the system ends it if it takes more."""
    _set(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds))
    with contextlib.suppress(OSError):
        with open("/proc/self/statm") as file:
            _set(resource.RLIMIT_AS, int(file.read().split()[0]) * resource.getpagesize() + size)


def _set(kind, value):
    _, most = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if most == resource.RLIM_INFINITY else min(value, most), most))


def _main():
    # what XLA prints goes elsewhere.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # where memory runs out all the same, this is what Linux is to end first.
    with contextlib.suppress(OSError):
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    serve(sys.stdin.buffer, answers)
    os._exit(0)


if __name__ == "__main__":
    _main()
