"""Two processes train one network, until one of them is killed; then the training goes on in this one."""

import ast
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import theanets

ROOT = pathlib.Path(__file__).parent.parent.parent
#: The address of this machine for itself.
LOOPBACK = socket.inet_ntoa(socket.INADDR_LOOPBACK.to_bytes(4, "big"))

WORKER = ROOT / "tests" / "xla" / "processes_worker.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent")


class Process:
    """A process that writes to a file, which is read for what it says."""

    def __init__(self, folder, number, count, port):
        self.path = folder / f"{count}-{number}.txt"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XLA_", "THEANETS_"))}
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), str(number), str(count), f"{LOOPBACK}:{port}", str(folder / "checkpoint")],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT)},
            stdout=open(self.path, "w"),
            stderr=subprocess.STDOUT,
        )

    def lines(self):
        return [line[5:] for line in self.path.read_text().splitlines() if line.startswith("says ")]

    def said(self, word):
        return [line[len(word) + 1 :] for line in self.lines() if line.split()[0] == word]

    def wait_for(self, word, count=1, seconds=240):
        until = time.monotonic() + seconds
        while len(self.said(word)) < count:
            assert time.monotonic() < until and self.process.poll() is None, self.path.read_text()[-3000:]
            time.sleep(0.05)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two processes, of which the second one is interrupted first, and killed later; and one process alone."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    found = [Process(folder, number, 2, port) for number in (0, 1)]
    alone = Process(folder, 0, 1, 0)
    try:
        found[1].wait_for("running", 2)
        found[1].process.send_signal(signal.SIGINT)
        found[0].wait_for("long", 3)
        found[1].process.kill()
        killed = time.monotonic()
        status = found[0].process.wait(60)
        lasted = time.monotonic() - killed
        alone.process.wait(240)
        yield dict(processes=found, alone=alone, status=status, lasted=lasted, checkpoint=folder / "checkpoint")
    finally:
        for process in (*found, alone):
            process.process.kill()
            process.process.wait()


@pytest.mark.parametrize("kind", ["whole", "parts"])
def test_processes_train_as_one_does(pair, kind):
    (expected,) = pair["alone"].said(kind)
    for process in pair["processes"]:
        (found,) = process.said(kind)
        np.testing.assert_allclose(ast.literal_eval(found), ast.literal_eval(expected), rtol=1e-5, atol=1e-6)


def test_processes_that_make_other_networks_are_refused(pair):
    for process in pair["processes"]:
        (words,) = process.said("differs")
        assert "not the same in all processes" in words


def test_what_one_process_decides_ends_all(pair):
    assert [process.said("stopped") for process in pair["processes"]] == [["3"], ["3"]]
    first, second = (process.said("interrupted") for process in pair["processes"])
    assert first == second and "interrupted from the keyboard" in first[0]


def test_only_the_first_process_logs(pair):
    first, second = (process.path.read_text() for process in pair["processes"])
    assert "training stopped" in first and "training stopped" not in second


def test_a_lost_process_ends_the_others_soon(pair):
    (words,) = pair["processes"][0].said("lost")
    assert "checkpoint=" in words
    assert pair["status"] == 7 and pair["lasted"] < 60


def test_training_goes_on_from_the_checkpoint_in_one_process(pair):
    theanets.set_mode("XLA")
    try:
        x = np.random.RandomState(0).randn(54, 6).astype("f")
        options = dict(algo="sgd", learning_rate=0.05, momentum=0.5, rng=3, batch_size=12, hidden_noise=0.1)
        nets = [theanets.Autoencoder([6, (4, "tanh"), 6], rng=1) for _ in range(2)]
        done = len(pair["processes"][0].said("long"))
        for net, checkpoint in zip(nets, (pair["checkpoint"], None)):
            net.train([x], epochs=done + 2, patience=10**6, checkpoint=checkpoint, **options)
        assert len(nets[0].history) == done + 2
        for one, other in zip(*(net.params for net in nets)):
            np.testing.assert_allclose(one.get_value(), other.get_value(), atol=1e-5)
    finally:
        theanets.set_mode(None)
