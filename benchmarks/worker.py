"""The process of one contender: reads requests from its standard input and answers them, a line of JSON each.

======== ==========================================================================================================
request  answer
======== ==========================================================================================================
prepare  ``seconds`` to import the library and to build the model; or ``missing``, or ``unsupported``
run      ``seconds`` on the clock, and ``processor`` seconds, for some epochs or calls; their last ``loss``
start    ``seconds`` and ``processor`` seconds from the beginning of this process to the end of the first epoch
job      ``seconds`` and ``processor`` seconds of a job, from the beginning of this process unless only a part counts
finish   the ``loss`` on all data, peak ``memory`` in bytes, what was warned of, and where it ran
======== ==========================================================================================================

What goes wrong is answered as an ``error``.
"""

import time

BEGAN = time.perf_counter()

import functools  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
import warnings  # noqa: E402


def processor_time():
    """Seconds of this process and of the compilers that it ran; others may share the machine."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak_memory():
    """Return the largest number of bytes that this process has held."""
    try:
        with open("/proc/self/status") as file:
            # getrusage() starts from the peak of the process that started this one.
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def limit_cores(count):
    """Keep to some of the cores; XLA has no other setting for the number of its threads."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if count < len(cores):
            os.sched_setaffinity(0, cores[:count])


def answering(method):
    """Let a method answer what is missing, or what a library cannot do."""

    @functools.wraps(method)
    def call(self, **request):
        from .contenders.base import Unsupported

        try:
            return method(self, **request)
        except ImportError as error:
            return dict(missing=str(error))
        except Unsupported as reason:
            return dict(unsupported=str(reason))

    return call


class Worker:
    """Answers requests for one contender.

    Parameters
    ----------
    name : str
        Name of the contender.
    """

    def __init__(self, name):
        self.name = name
        self.model = None
        self.orders = None
        self.workload = None
        self.warned = []
        self.came_to = None

    def answer(self, request):
        """Return the answer to a request, as a dict."""
        return getattr(self, "do_" + request.pop("do"))(**request)

    def _import(self, workload, options):
        """Import the library and what else it takes; return its module."""
        limit_cores(options["threads"])
        from .contenders import CONTENDERS

        contender = CONTENDERS[self.name]
        warnings.showwarning = lambda message, *args, **kwargs: self.warned.append(f"{message}")
        module = importlib.import_module(f"{__package__}.contenders.{contender.module}")
        from . import workloads

        self.workload = workloads.Workload.from_dict(workload)
        return module, dict(options, way=contender.way)

    @answering
    def do_prepare(self, workload, data, options):
        began = time.perf_counter()
        module, options = self._import(workload, options)
        from . import workloads

        self.model = module.Model(self.workload, *read(data), options)
        self.orders = workloads.Orders(max(self.workload.examples // self.workload.batch, 1))
        return dict(seconds=time.perf_counter() - began)

    def do_run(self, count):
        orders = [self.orders.draw() for _ in range(count)]
        processor, began = processor_time(), time.perf_counter()
        loss = None
        for order in orders:
            if self.workload.action == "predict":
                self.model.predict()
            else:
                loss = self.model.epoch(order)
        return dict(seconds=time.perf_counter() - began, processor=processor_time() - processor, loss=loss)

    def do_start(self, **request):
        answer = self.do_prepare(**request)
        if "seconds" not in answer:
            return answer
        self.model.epoch(self.orders.draw())
        return dict(seconds=time.perf_counter() - BEGAN, processor=processor_time())

    @answering
    def do_job(self, workload, data, options):
        module, options = self._import(workload, options)
        if not hasattr(module, "fit"):
            return dict(unsupported="no jobs")
        from . import jobs

        if hasattr(module, "limit_threads"):
            module.limit_threads(options["threads"])
        answer = jobs.run(self.workload, module, read(data)[0], processor_time)
        self.came_to = answer.pop("loss")
        return {"seconds": time.perf_counter() - BEGAN, "processor": processor_time(), **answer}

    def do_finish(self):
        from . import workloads

        memory = peak_memory()
        if self.model is None:
            return dict(loss=self.came_to, memory=memory, warnings=sorted(set(self.warned)))
        outputs = self.model.predict()
        answer = dict(loss=workloads.loss(self.workload, outputs, self.model.data["y"]), memory=memory)
        self.model.close()
        return dict(answer, warnings=sorted(set(self.warned)))


def read(path):
    """Return data and weights from a file; an autoencoder's target is the very array of its input."""
    import numpy as np

    with np.load(path) as file:
        arrays = {name: file[name] for name in file}
    data = {name[5:]: array for name, array in arrays.items() if name.startswith("data.")}
    data.setdefault("y", data.get("x"))
    return data, {name[8:]: array for name, array in arrays.items() if name.startswith("weights.")}


def main(name):
    """Answer requests until there are no more."""
    # libraries print; the line back to whom has asked is kept free of that.
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(name)
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = dict(error=f"{type(error).__name__}: {error}"[:500])
        channel.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
