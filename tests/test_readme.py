"""What the README and the files about the project say agrees with what the project does."""

import ast
import os
import pathlib
import re
import subprocess
import sys

import pytest
import theanets
import yaml

ROOT = pathlib.Path(__file__).parent.parent

README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands():
    """The parts of each shell command in the README."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line.split(" && ") for block in blocks for line in block.splitlines()]


def project_files():
    """Every file of the project: those that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name and (ROOT / os.fsdecode(name)).is_file()]


def texts():
    """Path and text of each text file of the project."""
    for path in project_files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_continuous_integration_runs_the_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    lines = [line.strip().removesuffix(" || status=$?") for line in script]
    install, tests = next(parts[-2:] for parts in commands() if "pytest" in parts[-1])
    assert install in lines
    assert tests in lines


def test_readme_has_the_main_job():
    example = next(parts[-1] for parts in commands() if "examples/" in parts[-1])
    assert (ROOT / example.split()[-1]).is_file()


def test_readme_installs_extras_that_exist():
    wanted = set(re.findall(r'"\.\[(\w+)\]"', README))
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert wanted == {"cuda", "examples", "test"}
    assert all(f'"{extra}": ' in setup for extra in wanted)


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_links_within_the_project_lead_somewhere(name):
    targets = re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert all((ROOT / target).exists() for target in local), local


def test_no_file_names_a_place_on_somebodys_machine():
    # Spelt so that this file does not contain them.
    places = ["/ho" + "me/", "/ro" + "ot/", "/wo" + "rk/", "/opt/" + "pypi", "local" + "host", "127.0." + "0.1"]
    pattern = re.compile("|".join(map(re.escape, places)))
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path, text in texts() for match in pattern.finditer(text)]
    assert not found


def test_no_file_names_the_host_of_a_package_registry():
    pattern = re.compile(r"pypi\.\w+|python" + r"hosted|registry\." + r"npmjs|deb\." + r"debian|extra-index" + "-url")
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path, text in texts() for match in pattern.finditer(text)]
    assert not found


def test_citation_is_valid():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["cff-version"]) == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["type"] == "software"
    assert all("name" in author or "family-names" in author for author in citation["authors"])
    assert citation["title"] == "theanets"
    assert citation["license"] == "MIT"


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert theanets.__version__ == str(citation["version"]) == newest


def test_line_length_of_prose():
    for name in ("README.md", "CHANGELOG.md"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if len(line) > 120 and not line.startswith("|")]


@pytest.mark.parametrize("path", ["setup.py", "install.py"])
def test_what_runs_before_anything_is_installed_needs_only_the_standard_library(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    imports = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    allowed = {"setuptools"} if path == "setup.py" else set()
    assert imports - allowed <= set(sys.stdlib_module_names)
