"""Every repair mends what it says, and what it mends is there without it."""

import pytest
from theanets.compat import registry

from . import hazards
from .support import run

hazards.optional_modules()

#: checked where they show: with a compiler, or in how a process starts
ELSEWHERE = {
    "argmax-over-all-axes",
    "complex-numbers-with-members",
    "compiled-modules",
    "cumulation-over-all-axes",
    "gradient-of-indexing-in-python",
    "lazylinker-not-yet",
    "name-core",
    "products-of-empty-matrices",
    "quiet-import",
    "scan-loops-in-python",
    "settings-filled-in",
    "watch-for-the-first-function",
    "watch-for-the-first-module",
}

ALONE = """
import sys
try:
    from tests.compat import hazards
except Exception:
    print("shows")
    sys.exit()
print("shows" if hazards.shows(hazards.SYMPTOMS[{name!r}]) else "does not show")
"""


@pytest.mark.parametrize("name", sorted(hazards.SYMPTOMS))
def test_repaired(name):
    if name.startswith("scipy-"):
        pytest.skip("other tests of this process import SciPy")
    assert not hazards.shows(hazards.SYMPTOMS[name])


@pytest.mark.parametrize("name", sorted(hazards.SYMPTOMS))
def test_broken_without_repair(name):
    if name not in registry.applied():
        pytest.skip("the symptom does not exist on this Python and NumPy")
    process = run(ALONE.format(name=name), THEANETS_COMPAT_WITHOUT=name)
    assert process.stdout.splitlines()[-1] == "shows"


def test_every_repair_has_a_symptom():
    assert set(registry.names()) == set(hazards.SYMPTOMS) | ELSEWHERE
