"""What networks are compiled by."""

import numpy as np
import pytest
import theanets
import theano
from theanets import modes, util
from theanets.xla.program import Program

from . import helpers

SCRIPT = """
import sys
import numpy as np
if "theano-first" in sys.argv:
    import theano
import theanets, theano
print("MODE", theanets.get_mode())
net = theanets.Regressor([3, 2, 1])
net.predict(np.zeros((2, 3), "f"))
[function] = net._functions.entries.values()
print("RUNS", type(function.function.fn).__name__)
own = theano.function([], theano.shared(np.ones(3, "f")).sum())
print("OWN", type(own.fn).__name__)
print("JAX", "jax" in sys.modules)
import jax
print("GLOBAL", jax.config.jax_enable_x64, jax.numpy.ones(3).dtype)
"""


@pytest.fixture(autouse=True)
def restored():
    yield
    theanets.set_mode(None)


def report(tmp_path, flags="cxx=", **environ):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    done = helpers.run_python(str(path), flags=flags, cwd=tmp_path, timeout=300, environ=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    words = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return {pair[0]: pair[1] for pair in words if pair[0].isupper()}, done.stderr + done.stdout


def test_xla_is_the_default_and_leaves_other_code_alone(tmp_path):
    found, text = report(tmp_path, flags=f"cxx=,base_compiledir={tmp_path}")
    assert found["MODE"] == "XLA" and found["RUNS"] == "Program" and found["OWN"] != "Program"
    assert found["GLOBAL"] == "False float32"
    assert text.count("XLA on cpu") == 1
    assert list(tmp_path.glob("compiledir_*/xla/*")), "what was compiled is kept"


@pytest.mark.parametrize("flags, environ", [
    ("cxx=,mode=FAST_COMPILE", {}),
    ("cxx=,linker=py", {}),
    ("cxx=", {"THEANETS_MODE": "FAST_COMPILE"}),
])
def test_what_the_user_configured_wins(tmp_path, flags, environ):
    found, text = report(tmp_path, flags=flags, **environ)
    assert found["MODE"] != "XLA" and found["RUNS"] != "Program"
    assert found["JAX"] == "False", "nothing imports JAX without need"
    assert "XLA on" not in text


def test_theanos_own_setting_accepts_xla(tmp_path):
    found, _ = report(tmp_path, flags="cxx=,mode=XLA")
    assert found["MODE"] == "XLA" and found["RUNS"] == found["OWN"] == "Program"


def test_set_mode_concerns_compiled_functions():
    net = theanets.Regressor([3, 2, 1])
    x = np.ones((4, 3), util.FLOAT)
    first = net.predict(x)
    theanets.set_mode("XLA")
    second = net.predict(x)
    np.testing.assert_allclose(first, second, rtol=1e-5)
    kinds = [isinstance(entry.function.fn, Program) for entry in net._functions.entries.values()]
    assert kinds == [False, True]
    theanets.set_mode(theano.compile.mode.predefined_modes["FAST_COMPILE"])
    net.predict(x)
    assert len(net._functions) == 3


def test_a_change_of_theanos_setting_is_followed():
    before = theano.config.mode
    try:
        theano.config.mode = "XLA"
        assert theanets.get_mode() == "XLA"
        assert isinstance(theano.function([], theano.tensor.constant(1.0) * 2).fn, Program)
        theano.config.mode = "FAST_RUN"
        assert theanets.get_mode() == "FAST_RUN"
    finally:
        theano.config.mode = before
    assert theanets.get_mode() == before


@pytest.mark.parametrize("wrong", ["XLAA", "fast_run", 3, ""])
def test_unknown_modes_are_refused(wrong):
    with pytest.raises(util.ConfigurationError, match="XLA"):
        theanets.set_mode(wrong)
    assert theanets.get_mode() == theano.config.mode


def test_a_wrong_environment_variable_is_an_error(monkeypatch):
    monkeypatch.setenv(modes.VARIABLE, "QUICK")
    with pytest.raises(util.ConfigurationError, match="THEANETS_MODE.*QUICK"):
        theanets.get_mode()


def test_xla_needs_jax(monkeypatch):
    monkeypatch.setattr(theanets.xla, "is_available", lambda: False)
    with pytest.raises(util.ConfigurationError, match="pip install jax"):
        theanets.set_mode("XLA")
