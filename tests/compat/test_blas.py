"""A BLAS is found without a compiler being asked, or its absence is explained."""

import importlib.util
import os

import pytest
import theano
from theanets.compat import blas, first_compile


def test_openblas_wheel_comes_first():
    if importlib.util.find_spec("scipy_openblas32") is None:
        pytest.skip("needs scipy-openblas32")
    found = blas.find("g++")
    assert found.name == "OpenBLAS from scipy-openblas32"
    assert "-Dsgemm_=scipy_sgemm_" in found.flags.split()
    assert blas.describe(found.flags) == found.name


def test_scipy_wheel_comes_next(monkeypatch):
    monkeypatch.setattr(blas, "_from_openblas_wheel", lambda: None)
    found = blas.find("g++")
    if found.name != "OpenBLAS from SciPy's wheel":
        pytest.skip("this SciPy has no OpenBLAS of its own")
    library = found.flags.split()[0].split(",")[2]
    assert os.path.exists(library)


def test_system_library(monkeypatch):
    monkeypatch.setattr(blas, "_from_openblas_wheel", lambda: None)
    monkeypatch.setattr(blas, "_from_scipy_wheel", lambda: None)
    monkeypatch.setattr(blas, "_from_system", lambda compiler: (None, blas.Blas("the system's blas", "-lblas")))
    assert blas.find("g++").flags == "-lblas"


def test_none(monkeypatch):
    for source in ("_from_openblas_wheel", "_from_scipy_wheel"):
        monkeypatch.setattr(blas, source, lambda: None)
    assert blas.find("no-such-compiler").flags == ""
    assert blas.describe("") == "none"


def test_folder_with_blanks_is_passed_over(monkeypatch):
    monkeypatch.setattr(blas, "_from_openblas_wheel", lambda: ("/my projects/lib", blas.Blas("a", "-la")))
    monkeypatch.setattr(blas, "_from_scipy_wheel", lambda: None)
    found = blas.find("no-such-compiler")
    assert found.flags == ""
    assert "/my projects/lib" in found.note


def test_absence_says_how_to_mend_it(monkeypatch):
    for source in ("_from_openblas_wheel", "_from_scipy_wheel"):
        monkeypatch.setattr(blas, source, lambda: None)
    monkeypatch.setattr(blas, "_from_system", lambda compiler: None)
    monkeypatch.setenv("THEANO_FLAGS", "")
    assert first_compile._why_no_blas(theano.config) == blas.HOW_TO_MEND
