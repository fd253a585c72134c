"""Every repair mends what it says, and what it mends is there without it."""

import json

import pytest
from theanets.compat import registry

from . import hazards
from .support import run

hazards.optional_modules()

#: checked where they show: with a compiler, in how a process starts, in wrong results, in copies of graphs
ELSEWHERE = {
    "argmax-over-all-axes",
    "complex-numbers-with-members",
    "compiled-modules",
    "compiler-asked",
    "compiler-not-asked-yet",
    "ctc-without-its-library",
    "cumulation-over-all-axes",
    "debugmode-with-scalars",
    "digests-of-arrays",
    "functions-in-order",
    "gradient-of-indexing-in-python",
    "gradients-of-sparse-items",
    "graphs-in-order",
    "lazylinker-not-yet",
    "loops-in-order",
    "loops-in-python",
    "name-core",
    "order-of-unraveled-indices",
    "products-of-empty-matrices",
    "quiet-import",
    "scan-loops-in-python",
    "second-derivatives-of-loops",
    "settings-filled-in",
    "substreams-all-at-once",
    "variables-without-what-uses-them",
    "versions-of-ops-without-properties",
    "versions-that-outlive-the-process",
    "watch-for-the-first-function",
    "watch-for-the-first-module",
}

#: a process per repair that is left out, all of them children of one that has imported NumPy and SciPy
WITHOUT = """
import json, os, sys
import numpy, scipy.linalg, scipy.special, unittest

def shows(name):
    os.environ["THEANETS_COMPAT_WITHOUT"] = name
    try:
        from tests.compat import hazards
    except Exception:
        return True
    return hazards.shows(hazards.SYMPTOMS[name])

found = {{}}
for name in {names!r}:
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        os._exit(17 if shows(name) else 0)
    found[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def broken():
    names = [name for name in sorted(hazards.SYMPTOMS) if name in registry.applied()]
    return json.loads(run(WITHOUT.format(names=names)).stdout.splitlines()[-1])


# what is imported too early shows only in a process that has not imported it otherwise: test_stand_ins.py starts some.
@pytest.mark.parametrize("name", [
    name for name in sorted(hazards.SYMPTOMS) if not name.startswith("scipy-") and name != "runner-of-tests-not-wanted"
])
def test_repaired(name):
    assert not hazards.shows(hazards.SYMPTOMS[name])


@pytest.mark.parametrize("name", sorted(hazards.SYMPTOMS))
def test_broken_without_repair(name, broken):
    if name not in broken:
        pytest.skip("the symptom does not exist on this Python and NumPy")
    assert broken[name]


def test_every_repair_has_a_symptom():
    assert set(registry.names()) == set(hazards.SYMPTOMS) | ELSEWHERE
