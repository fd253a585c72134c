"""The distributions contain what they should, and install.py passes on what it is told."""

import email
import importlib.util
import os
import pathlib
import pkgutil
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile

import pytest
import theanets

ROOT = pathlib.Path(__file__).parent.parent

FOLDERS = [".ci", "examples", "tests", "theanets"]

# Each step changes sys.argv.
BUILD = "import sys; from setuptools import build_meta as b; to = sys.argv[1]; b.build_wheel(to); b.build_sdist(to)"


def python(*args, folder, path=""):
    """Run this Python in a folder, and return the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *map(str, args)], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )


def build(source, target):
    """Build a wheel and a source distribution of the folder ``source``; return the paths of both."""
    result = python("-c", BUILD, target, folder=source)
    assert result.returncode == 0, result.stdout + result.stderr
    return next(target.glob("*.whl")), next(target.glob("*.tar.gz"))


def content(wheel):
    """Names of the files in a wheel, without those that describe it."""
    with zipfile.ZipFile(wheel) as archive:
        return sorted(name for name in archive.namelist() if ".dist-info/" not in name)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and a source distribution, built from a copy so that the checkout stays as it is."""
    for module in ("setuptools", "wheel"):
        # Not asked for by the extra "test": on Python 3.12 and later it would hide that there is no distutils.
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed here")
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    return build(source, tmp_path_factory.mktemp("built"))


def test_wheel_contains_the_packages_and_nothing_else(built):
    expected = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "theanets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert content(built[0]) == sorted([*expected, "_theanets_hook.py", "theanets-hook.pth"])
    assert {"theanets/__init__.py", "theanets/compat/__init__.py", "theanets/layers/base.py"} <= set(expected)


def test_every_folder_of_the_package_is_a_package():
    for path in (ROOT / "theanets").rglob("*.py"):
        assert (path.parent / "__init__.py").is_file(), path


def test_sdist_contains_everything_that_a_clone_does(built):
    with tarfile.open(built[1]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {
        ".ci/run",
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "README.md",
        "examples/digits_autoencoder.py",
        "install.py",
        "_theanets_hook.py",
        "pyproject.toml",
        "setup.py",
        "theanets-hook.pth",
        "tests/conftest.py",
        "CONTRIBUTING.md",
        ".pre-commit-config.yaml",
        "tests/files/golden-trajectories.json",
        "theanets/layers/base.py",
    } <= names
    assert not [name for name in names if name.endswith(".pyc")]


def test_wheel_from_the_sdist_is_the_same(built, tmp_path):
    wheel, sdist = built
    with tarfile.open(sdist) as archive:
        # The filter keeps members inside the folder; Python before 3.10.12 has none, and needs none for our own file.
        options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path, **options)
    (target := tmp_path / "built").mkdir()
    again, _ = build(next(tmp_path.glob("theanets-*")), target)
    assert again.name == wheel.name
    assert content(again) == content(wheel)


def test_metadata(built):
    with zipfile.ZipFile(built[0]) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Name"] == "theanets"
    assert metadata["Version"] == theanets.__version__
    assert metadata["Author"] == "theanets developers"
    assert metadata["Requires-Python"] == ">=3.10"
    assert "MIT" in (metadata["License"], metadata["License-Expression"])
    assert metadata.get_payload().startswith("# theanets")
    extras = {"arrow", "bench", "cuda", "docs", "examples", "onnx", "plot", "sklearn", "test"}
    assert set(metadata.get_all("Provides-Extra")) == extras
    required = {line.replace(" ", "").split(";")[0] for line in metadata.get_all("Requires-Dist")}
    assert {"Theano==1.0.5", "downhill==0.4.0", "numpy>=1.26"} <= required


def test_wheel_imports_from_outside_the_checkout(built, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(site)
    modules = [module.name for module in pkgutil.walk_packages(theanets.__path__, "theanets.")]
    code = f"import theanets, {', '.join(modules)}; print(theanets.__file__)"
    result = python("-c", code, folder=tmp_path, path=site)
    assert result.returncode == 0, result.stderr
    assert pathlib.Path(result.stdout.strip()).parent == site / "theanets"


def test_installed_theanets_comes_before_theano_whoever_is_imported_first(built, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(site)
    # what Python does with its folder of packages when it starts. PYTHONPATH comes before a theanets that is installed.
    code = f"import site, sys; site.addsitedir({str(site)!r}); assert 'theanets' not in sys.modules; import theano; " \
        "import theanets; print(theanets.__file__, theanets.Regressor([3, 2]).num_params)"
    result = python("-c", code, folder=tmp_path, path=site)
    assert result.returncode == 0, result.stderr
    path, count = result.stdout.splitlines()[-1].split()
    assert pathlib.Path(path).parent == site / "theanets" and count == "8"


@pytest.fixture(scope="module")
def install():
    """The script install.py, as a module."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version, variables, refused", [
    ((3, 11), {}, False), ((3, 12), {}, True), ((3, 14), {}, True), ((3, 12), {"THEANETS_HAS_THEANO": "1"}, False),
])
def test_pip_is_told_in_a_sentence_to_use_install(version, variables, refused, tmp_path, monkeypatch):
    """setup.py is run as pip runs it for metadata, as if by that version, in an environment without Theano."""
    pytest.importorskip("setuptools")
    code = textwrap.dedent(f"""
        import sys, sysconfig, site
        sys.argv = ["setup.py", "dist_info", "--output-dir", {str(tmp_path)!r}]
        path = sysconfig.get_path
        sysconfig.get_path = lambda name, *args, **kwargs: (
            {str(tmp_path)!r} if name in ("purelib", "platlib") else path(name, *args, **kwargs))
        site.getusersitepackages = lambda: {str(tmp_path)!r}
        import setuptools.command.dist_info as command
        command.dist_info.run = lambda self: print("the metadata")
        sys.version_info = {(*version, 0, "final", 0)!r}
        exec(compile(open("setup.py").read(), "setup.py", "exec"), {{"__file__": "setup.py", "__name__": "__main__"}})
    """)
    for name in ("THEANETS_HAS_THEANO", "PIP_NO_DEPS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = python("-c", code, folder=ROOT)
    assert (result.returncode != 0) == refused, result.stderr
    if refused:
        assert result.stderr.splitlines()[-1] == (
            "On Python 3.12 and later pip cannot build Theano: write python install.py . for pip install .")
    else:
        assert "the metadata" in result.stdout


def test_install_without_arguments_says_how_to_use_it(tmp_path):
    result = python(ROOT / "install.py", folder=tmp_path)
    assert result.returncode == 2
    assert 'python install.py ".[test]"' in result.stderr


def test_install_passes_its_arguments_to_pip_and_returns_its_exit_code(tmp_path):
    assert python(ROOT / "install.py", "--help", folder=tmp_path).returncode == 0
    missing = tmp_path / "theanets-0-py3-none-any.whl"
    result = python(ROOT / "install.py", "--no-index", missing, folder=tmp_path)
    assert result.returncode == 1
    assert f"install.py: pip install --no-index {missing} failed with exit code 1" in result.stderr


def test_the_names_come_back_and_a_sitecustomize_of_the_machine_still_runs(install, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, text in [(ours, install.SITECUSTOMIZE), (theirs, "print('theirs')\n")]:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    code = "import configparser as c; p = c.SafeConfigParser(); p.readfp(['[a]', 'b = 1']); print(p['a']['b'])"
    result = python("-c", code, folder=tmp_path, path=f"{ours}{os.pathsep}{theirs}")
    assert result.stdout.split() == ["theirs", "1"], result.stderr


def test_install_builds_the_theano_that_the_project_needs(install):
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert f'"Theano=={install.THEANO}"' in setup
