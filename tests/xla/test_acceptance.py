"""The table of Theano's own tests."""

import json

from . import acceptance


def note(folder, module, mode, **outcomes):
    lines = [{"test": test, "outcome": outcome, "why": "ValueError: 3"} for test, outcome in outcomes.items()]
    (folder / f"{module}.{mode}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_a_shard_keeps_the_lines_of_the_others(tmp_path):
    first, second = "theano.tests.test_gradient", "theano.tests.test_rop"
    path = tmp_path / "table.md"
    ours = dict(a="passed", b="failed", c="failed", d="skipped", e="started", f="timeout")
    note(tmp_path, first, "XLA", **ours, **{"<end>": "end"})
    note(tmp_path, first, "FAST_COMPILE", b="passed", c="failed", f="started")
    assert acceptance.write_table(tmp_path, [first, second], path) == 1
    text = path.read_text()
    assert f"| {first} | 1 | 1 | 1 | 1 | 2 |" in text and second not in text
    assert f"## {first}\n\n* **not explained**: `b`\n" in text
    other = tmp_path / "other"
    other.mkdir()
    note(other, first, "XLA", a="passed")
    note(other, second, "XLA", g="passed")
    assert acceptance.write_table(other, [first, second], path) == 0
    added = f"\n| {second} | 1 | 0 | 0 | 0 | the rest |\n\n# What"
    assert path.read_text() == text.replace("\n\n# What", added), "and what was not finished changes nothing"


def test_modules_are_found_and_some_are_left_out():
    modules = acceptance.find_modules()
    assert len(modules) > 100 and "theano.tensor.tests.test_basic" in modules
    assert not [name for name in modules if "gpuarray" in name]
