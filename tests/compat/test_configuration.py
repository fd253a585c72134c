"""What the user sets wins; what is left open is filled in."""

import json

import pytest
from theanets.compat.configuration import COMPILEDIR, EXCLUDED, UserSettings, flags_for_import, missing

from .support import run

SHOW = """
import json
from theanets import compat
compat.install()
from theano import config
values = {name: getattr(config, name) for name in ("floatX", "mode", "optimizer_excluding", "allow_gc", "cxx")}
values["cxxflags"], values["ldflags"] = config.gcc.cxxflags, config.blas.ldflags
print(json.dumps(values))
"""


def configured(flags, **variables):
    return json.loads(run(SHOW, flags=flags, **variables).stdout.splitlines()[-1])


def settings(flags="", rc=None, tmp_path=None):
    if rc is None:
        return UserSettings({"THEANO_FLAGS": flags, "THEANORC": "/nowhere"})
    path = tmp_path / "rc"
    path.write_text(rc)
    return UserSettings({"THEANO_FLAGS": flags, "THEANORC": str(path), "USER": "me"})


def test_flags_are_read_as_theano_reads_them():
    user = settings('floatX=float64, gcc.cxxflags="-DA -Wl,-z",mode=FAST_RUN,nonsense,mode=FAST_COMPILE')
    assert user.get("floatX") == "float64"
    assert user.get("gcc.cxxflags") == "-DA -Wl,-z"
    assert user.get("mode") == "FAST_COMPILE"
    assert user.get("nonsense") is None
    assert user.get("blas.ldflags") is None


def test_rc_file_is_read_as_theano_reads_it(tmp_path):
    rc = "[global]\nfloatX = float64\nbase_compiledir = /c/%(USER)s\n[gcc]\ncxxflags = -DA\n[blas]\nldflags = 100%\n"
    user = settings("floatX=float32", rc, tmp_path)
    assert user.get("floatX") == "float32"
    assert user.get("base_compiledir") == "/c/me"
    assert user.get("gcc.cxxflags") == "-DA"
    assert user.get("blas.ldflags") == "100%"
    assert user.get("dnn.conv.algo_fwd") is None


def test_later_rc_file_wins(tmp_path):
    for name, value in (("first", "float16"), ("second", "float64")):
        (tmp_path / name).write_text(f"[global]\nfloatX = {value}\n")
    user = UserSettings({"THEANORC": f"{tmp_path / 'first'}:{tmp_path / 'second'}"})
    assert user.get("floatX") == "float64"


def test_filled_in_without_compiler():
    wanted = missing(settings("cxx="))
    assert wanted["floatX"] == "float32"
    assert wanted["mode"] == "FAST_COMPILE"
    assert wanted["blas.ldflags"] == ""


@pytest.mark.parametrize("flag", ["mode=FAST_RUN", "linker=py", "optimizer=None"])
def test_how_to_run_is_left_to_the_user(flag):
    assert "mode" not in missing(settings(f"cxx=,{flag}"))


def test_filled_in_with_compiler():
    wanted = missing(settings("cxx=g++"))
    assert wanted["optimizer_excluding"] == EXCLUDED
    assert wanted["allow_gc"] == "False"
    assert wanted["compiledir_format"] == COMPILEDIR
    assert "mode" not in wanted


@pytest.mark.parametrize("name", ["floatX", "optimizer_excluding", "allow_gc", "compiledir_format", "blas.ldflags"])
def test_what_is_set_is_not_filled_in(name):
    assert name not in missing(settings(f"cxx=g++,{name}=x"))


def test_values_survive_quoting():
    user = settings('cxx=g++,gcc.cxxflags="-Wl,-z -DX=\\"1\\" -DY=#"')
    merged = UserSettings({"THEANO_FLAGS": flags_for_import(user), "THEANORC": "/nowhere"})
    assert merged.get("gcc.cxxflags").startswith('-Wl,-z -DX="1" -DY=#')
    assert merged.get("cxx") == "g++"
    assert merged.get("floatX") == "float32"


def test_flags_win():
    found = configured('floatX=float64,mode=FAST_RUN,cxx=,gcc.cxxflags="-DA,B",optimizer_excluding=fusion')
    expected = {"floatX": "float64", "mode": "FAST_RUN", "cxx": "", "cxxflags": "-DA,B"}
    assert {key: found[key] for key in expected} == expected
    assert found["optimizer_excluding"] == "fusion"


def test_defaults(tmp_path):
    found = configured("cxx=")
    assert (found["floatX"], found["mode"], found["ldflags"]) == ("float32", "FAST_COMPILE", "")


def test_rc_file_wins(tmp_path):
    rc = tmp_path / "rc"
    rc.write_text("[global]\nfloatX = float64\nmode = FAST_RUN\ncxx =\nallow_gc = True\n[gcc]\ncxxflags = -DA\n")
    found = configured(None, THEANORC=str(rc))
    expected = {"floatX": "float64", "mode": "FAST_RUN", "cxx": "", "allow_gc": True, "cxxflags": "-DA"}
    assert {key: found[key] for key in expected} == expected
