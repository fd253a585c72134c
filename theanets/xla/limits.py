"""A worker process with limits of time and memory, for jobs that may never end, such as trial compilations."""

import dataclasses
import json
import multiprocessing.spawn
import os
import pathlib
import selectors
import signal
import subprocess
import sys
import threading
import time

__all__ = ["Limited", "Limits", "Refused", "Unavailable"]

#: The script that the worker process runs.
CHILD = pathlib.Path(__file__).with_name("child.py")

#: Signals that the job itself causes: too much processor time, lack of memory, or a crash.
FATAL = {signal.SIGXCPU, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}

#: Timeout for the start of the process, in seconds.
START = 120


class Refused(Exception):
    """The job failed or exceeded a limit, and would do so again."""


class Unavailable(Exception):
    """There is no result: no worker process could be started, or it ended for another reason than the job."""


class _Gone(Unavailable):
    """The worker process has ended for another reason than the job: it was idle for long, or was killed."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of time and memory for a job.

    Parameters
    ----------
    seconds : int, optional
        CPU time of all cores together, in seconds; it does not depend on the load of the machine. Default 60.
    size : int, optional
        Memory in bytes, beyond what the process uses before. No limit on systems without ``/proc``. Default 2 GiB.
    wait : int, optional
        Elapsed time in seconds after which the job is given up. Default 600.
    """

    seconds: int = 60
    size: int = 2 << 30
    wait: int = 600


class Limited:
    """A worker process that runs jobs within limits, and is started again after it has ended.

    Parameters
    ----------
    environment : dict, optional
        Environment variables of the process, in addition to those of this one.
    """

    def __init__(self, environment=None):
        self.environment = environment or {}
        self.lock = threading.Lock()
        self.process = None
        self.is_ready = False
        self.buffer = b""
        #: Why no process can be started; once this is set, it is not tried again.
        self.problem = None

    def start(self):
        """Start the process if it is not running, without waiting until it is ready.

        Raises
        ------
        Unavailable
            If it cannot be started.
        """
        with self.lock:
            self._start()

    def run(self, name, arguments, payload=b"", limits=None, file=None):
        """Run a job in the worker process, and wait for its result.

        Parameters
        ----------
        name : str
            Name of a function of :mod:`~theanets.xla.child`, or of the file.
        arguments : dict
            Its keyword arguments, which are sent as JSON.
        payload : bytes, optional
            Its first argument. Default empty.
        limits : Limits, optional
            Limits of time and memory. Default ``Limits()``.
        file : path, optional
            A script that defines the function.

        Returns
        -------
        dict
            ``found``: the result of the function; ``seconds``: the CPU time.

        Raises
        ------
        Refused
            If the function failed, or exceeded a limit.
        Unavailable
            If no worker process can run it.
        """
        limits = limits or Limits()
        job = dict(name=name, arguments=arguments, file=file and str(file), payload=len(payload))
        job.update(seconds=limits.seconds, bytes=limits.size)
        with self.lock:
            try:
                answer = self._run(job, payload, limits)
            except _Gone:
                answer = self._run(job, payload, limits)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def _run(self, job, payload, limits):
        """Send a job to the process, and return the answer."""
        self._start()
        try:
            self._wait_for_start()
            self._send(job, payload)
            return self._answer(limits.wait, "compiling")
        except BaseException:
            # also at KeyboardInterrupt: the answer to an abandoned job must not be taken for that of the next one.
            self._end()
            raise

    def close(self):
        """End the process for good; a thread that waits for its answer gets an error."""
        self.problem, process = "this process is about to end", self.process
        if process is not None:
            process.kill()
        with self.lock:
            self._end()

    def forget(self):
        """Forget the worker process after a fork, without ending it: it belongs to the parent."""
        self.lock = threading.Lock()
        self.process = None

    def _start(self):
        if self.problem is not None:
            raise Unavailable(self.problem)
        if self.process is not None:
            if self.process.poll() is None:
                return
            self._end()
        program = multiprocessing.spawn.get_executable()
        if getattr(sys, "frozen", False) or not program:
            self.problem = "there is no Python to start"
            raise Unavailable(self.problem)
        self.is_ready, self.buffer = False, b""
        try:
            self.process = subprocess.Popen(
                [program, "-I", str(CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                # not in the process group of the terminal: at Ctrl-C, this process ends the worker by itself.
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
            self._send(dict(path=[os.path.abspath(place) for place in sys.path]), b"")
        except (OSError, ValueError) as error:
            self._end()
            self.problem = str(error)
            raise Unavailable(self.problem) from error

    def _wait_for_start(self):
        if not self.is_ready:
            try:
                self._answer(START, "starting")
            except Unavailable as error:
                self.problem = str(error)
                raise
            self.is_ready = True

    def _send(self, header, payload):
        data = memoryview(json.dumps(header).encode() + b"\n" + payload)
        try:
            while data:
                data = data[self.process.stdin.write(data) :]
        except OSError as error:
            raise _Gone(f"the process is gone: {error}") from error

    def _answer(self, seconds, what):
        """Wait for the next answer of the process, and return it."""
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not selector.select(max(0, until - time.monotonic())):
                    raise Unavailable(f"{what} takes more than {seconds} s")
                data = self.process.stdout.read(1 << 16)
                if not data:
                    raise self._ended(self.process.wait(), what)
                self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        try:
            return json.loads(line)
        except ValueError as error:
            raise Unavailable(f"no answer: {error}") from error

    def _ended(self, code, what):
        if what == "starting" or -code not in FATAL:
            return _Gone(f"the process ended while {what}, with {code}")
        return Refused(f"{what} ended by {signal.Signals(-code).name}")

    def _end(self):
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                pipe.close()
            process.wait()
