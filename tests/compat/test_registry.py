"""Repairs are done when their module is imported, once, and only where they are needed."""

import importlib
import sys
import types

import pytest
from theanets.compat import registry, rewriting


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A family of modules of our own for the registry to watch."""
    folder = tmp_path / "patient"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "part.py").write_text(
        "import sys\nhad = 'crutch' in sys.modules\nvalue = 1\ndef f(x):\n    return x + 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "FAMILIES", (*registry.FAMILIES, "patient"))
    for name in ("_patches", "_contexts", "_first_compile", "_applied", "_names"):
        monkeypatch.setattr(registry, name, type(getattr(registry, name))())
    yield "patient.part"
    for name in [name for name in sys.modules if name.startswith("patient")]:
        del sys.modules[name]


def test_patched_when_imported(package):
    @registry.after_importing(package)
    def more_value(module):
        module.value += 1

    @registry.after_importing(package, needed=lambda: False)
    def much_more_value(module):
        module.value += 100

    @registry.while_importing(package)
    def crutch():
        sys.modules["crutch"] = types.ModuleType("crutch")
        yield
        del sys.modules["crutch"]

    module = importlib.import_module(package)
    assert (module.value, module.had) == (2, True)
    assert "crutch" not in sys.modules
    assert registry.applied() == ["crutch", "more-value"]
    assert registry.names() == ["crutch", "more-value", "much-more-value"]
    registry.patch(module)
    assert module.value == 2


def test_patched_when_imported_before(package):
    module = importlib.import_module(package)

    @registry.after_importing(package)
    def more_value(module):
        module.value += 1

    registry.activate()
    assert module.value == 2


def test_left_out(package, monkeypatch):
    monkeypatch.setattr(registry, "_left_out", {"more-value"})

    @registry.after_importing(package)
    def more_value(module):
        module.value += 1

    assert importlib.import_module(package).value == 1
    assert registry.applied() == []


def test_context_is_left_after_an_error(package, tmp_path):
    (tmp_path / "patient" / "broken.py").write_text("1 / 0\n")
    left = []

    @registry.while_importing("patient.broken")
    def crutch():
        try:
            yield
        finally:
            left.append(True)

    with pytest.raises(ZeroDivisionError):
        importlib.import_module("patient.broken")
    assert left == [True]


def test_first_compile_runs_once(package):
    runs = []

    @registry.before_first_compile()
    def count():
        runs.append(1)
        registry.first_compile()

    registry.first_compile()
    registry.first_compile()
    assert runs == [1]


def test_rewrite(package):
    module = importlib.import_module(package)
    rewriting.rewrite(module, "f", ("x + 1", "x + 2"))
    assert module.f(1) == 3


def test_rewrite_of_something_else(package):
    module = importlib.import_module(package)
    with pytest.raises(rewriting.Stale, match="no 'x - 1'"):
        rewriting.rewrite(module, "f", ("x - 1", "x"))


def test_view_is_private(package):
    module = importlib.import_module(package)
    view = rewriting.view_of(module, "sys")
    view.something = 1
    assert module.sys.something == 1
    assert module.sys.modules is sys.modules
    assert not hasattr(sys, "something")
    assert rewriting.view_of(module, "sys") is view
