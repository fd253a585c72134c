"""Training on several devices is the same as on one. The devices are virtual, in one process for all that is tested."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
SAME = [
    "noise and dropout",
    "shuffled rows, of which 10 are divided by two",
    "sparse",
    "stateful pieces of time",
    "sequences of different lengths",
    "resume",
]


def run(script, *arguments, timeout=300, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XLA_", "THEANETS_"))}
    return subprocess.run(
        [sys.executable, script, *arguments],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def found():
    done = run("tests/xla/sharding_worker.py")
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", SAME)
def test_trainings_on_several_devices_are_those_on_one(found, case):
    assert found[case] < 1e-6


@pytest.mark.parametrize("network", ["mlp", "lstm", "convnet"])
def test_devices_exchange_the_gradients_once_in_a_step(found, network):
    counted = found["collectives"][network]
    kinds = [kind for kind, depth, _ in counted]
    assert kinds == ["all-reduce"] * len(kinds) and 1 <= len(kinds) <= 2
    # within the loop over batches, and in no loop over time.
    assert {depth for _, depth, _ in counted} == {1}
    lstm, convnet = 16 * (3 + 4 + 1) + 3 * 4 + 4 * 2 + 2, 4 * 10 + 16 * 3 + 3
    parameters = {"mlp": 6 * 8 + 8 + 8 * 2 + 2, "lstm": lstm, "convnet": convnet}
    exchanged = max(size for _, _, size in counted)
    assert 4 * parameters[network] <= exchanged <= 4 * parameters[network] + 16


def test_checkpoints_do_not_depend_on_devices(found):
    about = found["checkpoint"]
    assert about["distance"] < 1e-6
    # of one size but for the digits of numbers.
    assert max(about["sizes"]) - min(about["sizes"]) < 0.05 * max(about["sizes"])


def test_predictions_on_several_devices_are_those_on_one(found):
    assert found["predict"]["distance"] < 1e-6
    assert found["predict"]["labels"]


@pytest.mark.parametrize(
    "asked, words",
    [
        ("9", "JAX has 4 devices"),
        ("[7]", "no device 7; JAX has cpu:0, cpu:1, cpu:2, cpu:3"),
        ("'gpus'", "no device 'gpus'"),
        ("0", "a positive number"),
        ("[1, 1]", "one device twice"),
        ("True", "expected 'all', 'cores'"),
        ("mode", "the mode is 'FAST_COMPILE'"),
    ],
)
def test_devices_that_do_not_exist_are_refused(found, asked, words):
    assert "train(): " in found["errors"][asked] and words in found["errors"][asked]


def test_only_large_loops_are_divided_among_cores(found):
    assert found["cores"] == {"small": 1, "large": 4, "mlp": True}


CORES = """
import sys, theanets
if sys.argv[1] == "late":
    theanets.Regressor([2, 1]).predict([[0, 1]])
if sys.argv[1] != "variable":
    try:
        theanets.set_devices("cores")
    except theanets.util.ConfigurationError as error:
        print(error)
theanets.Regressor([2, 1]).predict([[0, 1]])
import jax
print(len(jax.devices()))
"""


@pytest.mark.parametrize("when", ["late", "variable"])
def test_cores_are_devices_if_that_is_said_before_jax_starts(when, tmp_path):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores < 2:
        when = "early"
    path = tmp_path / "cores.py"
    path.write_text(CORES)
    chosen = {"THEANETS_DEVICES": "cores"} if when == "variable" else {}
    done = run(str(path), when, THEANETS_MODE="XLA", **chosen)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr[-3000:]
    assert lines[-1] == str(1 if when == "late" else cores)
    assert ("JAX has started already" in done.stdout) == (when == "late")
