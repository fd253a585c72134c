"""Work in another process ends: well, or by a limit."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from theanets.xla import limits
from theanets.xla.limits import Limited, Limits, Refused, Unavailable

JOBS = pathlib.Path(__file__).with_name("jobs.py")


@pytest.fixture(scope="module")
def process():
    process = Limited({"ANYTHING": "here"})
    yield process
    process.close()


def run(process, name, payload=b"", limits=None, **arguments):
    return process.run(name, arguments, payload, limits, file=JOBS)


def test_it_returns_what_the_function_does(process):
    found = run(process, "echo", b"text\n", value=3)
    assert found["found"] == dict(value=3, payload="text\n", process=process.process.pid, path="here")
    assert found["seconds"] < 10


def test_it_keeps_the_process_after_an_error(process):
    before = run(process, "echo")["found"]["process"]
    with pytest.raises(Refused, match="ValueError: no such thing"):
        run(process, "fail")
    assert run(process, "echo")["found"]["process"] == before


@pytest.mark.parametrize(
    "name, given, error",
    [
        # Where memory is limited, NumPy says that there is no more; elsewhere time ends it.
        ("eat", Limits(seconds=20, size=1 << 28), Refused),
        ("spin", Limits(seconds=1), Refused),
        ("sleep", Limits(wait=1), Unavailable),
        ("die", Limits(), Unavailable),
    ],
)
def test_whatever_does_not_end_is_ended(process, name, given, error):
    began = time.monotonic()
    with pytest.raises(error):
        run(process, name, limits=given)
    assert time.monotonic() - began < 100
    assert run(process, "echo", value=1)["found"]["value"] == 1


def test_a_process_that_has_gone_is_replaced(process):
    run(process, "echo")
    # it has ended by itself, and this side has not noticed yet.
    os.kill(process.process.pid, signal.SIGTERM)
    assert run(process, "echo", value=1)["found"]["value"] == 1


def test_the_limit_is_that_of_one_piece_of_work(process):
    for _ in range(3):
        assert run(process, "echo", limits=Limits(seconds=1, size=1 << 28), value=1)["found"]["value"] == 1


def test_an_interrupt_ends_the_work(process):
    run(process, "echo")
    other = process.process

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            run(process, "sleep")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert process.process is None and other.poll() is not None


def test_nobody_waits_for_a_thread_that_waits():
    process, errors = Limited(), []
    run(process, "echo")

    def work():
        try:
            run(process, "sleep")
        except Unavailable as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    process.close()
    thread.join(30)
    assert not thread.is_alive() and len(errors) == 1 and process.process is None


def test_there_may_be_no_python_to_start(monkeypatch):
    monkeypatch.setattr(limits.multiprocessing.spawn, "get_executable", lambda: "/no/such/python")
    process = Limited()
    for _ in range(2):
        with pytest.raises(Unavailable, match="no/such"):
            run(process, "echo")
    monkeypatch.setattr(limits.sys, "frozen", True, raising=False)
    with pytest.raises(Unavailable):
        Limited().start()


def test_a_process_that_cannot_start_is_not_waited_for_again(monkeypatch):
    monkeypatch.setattr(limits, "CHILD", JOBS)
    process = Limited()
    for _ in range(2):
        with pytest.raises(Unavailable, match="starting"):
            run(process, "echo")


def test_it_does_not_outlive_whoever_started_it(tmp_path):
    script = (
        "import os, pathlib, sys, threading, time; import theanets\n"
        "from theanets.xla.limits import Limited\n"
        "process = Limited(); process.run('echo', {}, file=sys.argv[1])\n"
        "threading.Thread(target=process.run, args=('spin', {}), kwargs=dict(file=sys.argv[1]), daemon=True).start()\n"
        "time.sleep(0.5); print(process.process.pid, flush=True); os._exit(0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, JOBS], capture_output=True, text=True, timeout=120, env=dict(os.environ)
    )
    assert found.returncode == 0, found.stderr
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.kill(int(found.stdout), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")
