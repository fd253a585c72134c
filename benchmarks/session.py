"""The processes of the contenders, taking turns."""

import concurrent.futures
import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from . import workloads
from .contenders import CONTENDERS

__all__ = ["Settings", "measure"]

ROOT = pathlib.Path(__file__).resolve().parent.parent

#: What says how many threads a library uses.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Settings:
    """How to measure.

    Parameters
    ----------
    contenders : list of str
        Names of the contenders.
    runs : int
        How many times each is measured.
    threads : int
        How many threads each may use.
    device : str
        ``cpu`` or ``gpu``.
    pause : float
        Seconds between turns, after which threads of the one before have gone to sleep.
    timeout : float
        Seconds that an answer may take.
    cache : str
        Folder for what is compiled.
    """

    def __init__(self, contenders, runs=5, threads=1, device="cpu", pause=0.2, timeout=900.0, cache=None):
        self.contenders = contenders
        self.runs = runs
        self.threads = threads
        self.device = device
        self.pause = pause
        self.timeout = timeout
        self.cache = cache

    def environment(self, name, cache):
        """Return the environment of a contender's process, which keeps what it compiles in a folder."""
        env = dict(os.environ, **dict.fromkeys(THREADS, str(self.threads)))
        # of its own: Theano lets one process at a time into such a folder.
        cache = f"{cache}/{name}"
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH")]))
        own = CONTENDERS[name].env
        env.update(own)
        flags = [os.environ.get("THEANO_FLAGS"), own.get("THEANO_FLAGS"), f"base_compiledir={cache}/theano"]
        env["THEANO_FLAGS"] = ",".join(filter(None, flags))
        env["TORCHINDUCTOR_CACHE_DIR"] = f"{cache}/torch"
        if CONTENDERS[name].module != "theanets_":
            # theanets chooses by itself, below Theano's folder.
            env["JAX_COMPILATION_CACHE_DIR"] = f"{cache}/jax"
        else:
            env.pop("JAX_COMPILATION_CACHE_DIR", None)
        if self.device == "cpu":
            env.update(JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES="")
        else:
            # several processes share the GPU's memory.
            env["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        return env


class Process:
    """The process of a contender.

    Parameters
    ----------
    name : str
        Name of the contender.
    settings : Settings
        How to measure.
    cache : str
        Folder for what is compiled.
    """

    def __init__(self, name, settings, cache):
        self.name = name
        self.settings = settings
        self.log = tempfile.TemporaryFile("w+")
        self.child = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", name],
            env=settings.environment(name, cache),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def ask(self, do, **request):
        """Send a request; return the answer, which has an ``error`` if the process is gone or takes too long."""
        try:
            self.child.stdin.write(json.dumps(dict(do=do, **request)) + "\n")
            self.child.stdin.flush()
            line = self.lines.get(timeout=self.settings.timeout)
        except queue.Empty:
            self.child.kill()
            return dict(error=f"no answer within {self.settings.timeout:g} seconds")
        except OSError:
            line = None
        if line is None:
            return dict(error=f"the process has ended: {self._last_words()}")
        return json.loads(line)

    def _last_words(self):
        self.log.seek(0)
        # without the frames of a stack.
        lines = [line.strip() for line in self.log if line.strip() and not line.lstrip().startswith("@")]
        return next((line for line in lines if "Check failed" in line), "".join(lines[-1:]))[:300]

    def close(self):
        """End the process."""
        try:
            self.child.stdin.close()
            self.child.wait(timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()
        self.log.close()


def _request(workload, path, settings):
    options = dict(threads=settings.threads, device=settings.device)
    return dict(workload=workload.to_dict(), data=str(path), options=options)


def _why_not(answer):
    """Return why there is no measurement, as a dict; None if all is well."""
    found = {key: answer[key] for key in ("missing", "unsupported", "error") if key in answer}
    return found or None


def _in_turn(names, number):
    """Return names in an order in which each comes first in one of the turns."""
    shift = number % len(names) if names else 0
    return names[shift:] + names[:shift]


def _write(workload, folder):
    path = pathlib.Path(folder) / "data.npz"
    data = workloads.make_data(workload)
    if data["y"] is data.get("x"):
        del data["y"]
    arrays = {f"data.{name}": value for name, value in data.items()}
    arrays.update({f"weights.{name}": value for name, value in workloads.make_weights(workload).items()})
    np.savez(path, **arrays)
    return path


def measure(workload, settings, say=print):
    """Measure one workload for all contenders.

    Parameters
    ----------
    workload : :class:`benchmarks.workloads.Workload`
        What to compute.
    settings : Settings
        How to measure.
    say : callable, optional
        Is told how it goes.

    Returns
    -------
    result : dict
        ``workload``, and ``contenders``: a dict for each, with lists of ``seconds`` and of ``processor`` seconds, the
        ``loss``, the peak ``memory`` and ``warnings``; or with one of ``missing``, ``unsupported`` and ``error``. For
        starts and jobs, ``seconds`` are with an empty cache, and ``again`` with what that has left in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = _write(workload, folder)
        run = _measure_starts if workload.action in ("start", "job") else _measure_runs
        return dict(workload=workload.to_dict(), contenders=run(workload, path, settings, say))


def _measure_runs(workload, path, settings, say):
    results, processes = {}, {}
    try:
        for name in settings.contenders:
            processes[name] = Process(name, settings, settings.cache)
        # what comes before the first measurement need not wait for its turn.
        with concurrent.futures.ThreadPoolExecutor(settings.threads) as pool:
            ready = pool.map(lambda process: _warm_up(process, workload, path, settings), processes.values())
            for name, (result, failed) in zip(settings.contenders, ready):
                results[name] = failed or result
                if failed:
                    say(f"  {name}: {_outcome(failed)}")
                    processes.pop(name).close()
        for number in range(settings.runs):
            for name in _in_turn(list(processes), number):
                time.sleep(settings.pause)
                answer = processes[name].ask("run", count=workload.epochs)
                if _why_not(answer):
                    results[name] = _why_not(answer)
                    processes.pop(name).close()
                    continue
                for key in ("seconds", "processor"):
                    results[name][key].append(answer[key])
        for name, process in processes.items():
            answer = process.ask("finish")
            results[name].update(answer)
            say(f"  {name}: {_outcome(results[name])}")
    finally:
        for process in processes.values():
            process.close()
    return results


def _warm_up(process, workload, path, settings):
    """Let a contender build its model, and run it for the first times; return what was found, or what went wrong."""
    prepared = process.ask("prepare", **_request(workload, path, settings))
    if _why_not(prepared):
        return None, _why_not(prepared)
    answers = [process.ask("run", count=1) for _ in range(workload.warm)]
    failed = next(filter(None, map(_why_not, answers)), None)
    return dict(seconds=[], processor=[]), failed


def _measure_starts(workload, path, settings, say):
    results = {name: dict(seconds=[], processor=[], again=[], again_processor=[]) for name in settings.contenders}
    for number in range(settings.runs):
        for name in _in_turn(settings.contenders, number):
            result = results[name]
            if _why_not(result):
                continue
            with tempfile.TemporaryDirectory() as cache:
                for seconds, processor in (("seconds", "processor"), ("again", "again_processor")):
                    time.sleep(settings.pause)
                    answer = _start(name, workload, path, settings, cache)
                    if _why_not(answer):
                        results[name] = _why_not(answer)
                        break
                    result[seconds].append(answer["seconds"])
                    result[processor].append(answer["processor"])
                    result.update({key: answer[key] for key in ("loss", "memory", "warnings")})
            say(f"  {name}: {_outcome(results[name])}")
    return results


def _start(name, workload, path, settings, cache):
    process = Process(name, settings, cache)
    try:
        answer = process.ask(workload.action, **_request(workload, path, settings))
        return answer if _why_not(answer) else {**process.ask("finish"), **answer}
    finally:
        process.close()


def _outcome(result):
    for key in ("missing", "unsupported", "error"):
        if key in result:
            return f"{key}: {result[key]}"
    return f"{np.median(result['seconds']):.4g} s"
