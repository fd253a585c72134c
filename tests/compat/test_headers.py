"""The precompiled header goes with the options that it was built with, and nothing depends on it."""

import logging
import os

import pytest
from theanets.compat import headers


@pytest.fixture
def header(tmp_path, monkeypatch):
    monkeypatch.setattr(headers.Header, "__init__", lambda self: None)
    made = headers.Header()
    made._compiler = str(tmp_path / "g++")
    made._options, made._includes = ["-O3", "-DA=1", "-m64", "-m64"], []
    made.folder = str(tmp_path / "header")
    made.path = os.path.join(made.folder, "modules.h")
    made._compiled = made.path + ".gch"
    return made


def compiler(path, body):
    with open(path, "w") as script:
        script.write(f"#!/bin/sh\n{body}\n")
    os.chmod(path, 0o755)


def test_fits_the_same_options_only(header):
    assert header.fits(["-O3", "-DA=1", "-DB=2", "-Wl,-rpath,x", "-m64", "-m64"])
    assert not header.fits(["-O3", "-DA=1", "-m64"])
    assert not header.fits(["-O2", "-DA=1", "-m64", "-m64"])
    assert not header.fits(["-O3", "-DA=1", "-m64", "-m64", "-ffast-math"])


def test_built_in_one_piece(header):
    # the last word but one is the file to write
    compiler(header._compiler, 'while [ "$1" != -o ]; do shift; done; echo built > "$2"')
    with header.building():
        assert not header.built
    assert header.built
    assert sorted(os.listdir(header.folder)) == ["modules.h", "modules.h.gch"]
    written = os.stat(header.path).st_mtime_ns
    with header.building():
        pass
    assert os.stat(header.path).st_mtime_ns == written


@pytest.mark.parametrize("body", ["echo nonsense >&2; exit 1", None])
def test_failure_is_one_log_line(header, body, caplog):
    if body is not None:
        compiler(header._compiler, body)
    with caplog.at_level(logging.INFO, "theanets"), header.building():
        pass
    assert not header.built
    assert len(caplog.records) == 1
    assert "no precompiled header" in caplog.text
    assert ("nonsense" in caplog.text) == (body is not None)


def test_nothing_is_left_behind_by_an_error_beside_it(header):
    compiler(header._compiler, "sleep 60")
    with pytest.raises(ZeroDivisionError), header.building():
        raise ZeroDivisionError
    assert os.listdir(header.folder) == ["modules.h"]


def test_clang_goes_without():
    assert not headers.supported("/usr/bin/clang++")
