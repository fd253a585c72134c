"""The command line of :mod:`tests.clients`."""

import argparse
import glob
import os
import pathlib
import re
import subprocess
import sys
import tarfile

from tests.xla import acceptance_worker as worker

ROOT = pathlib.Path(__file__).parents[2]


class Client:
    """A library whose tests are run.

    Parameters
    ----------
    requirement : str
        What to download from PyPI.
    tests : str
        A pattern for the files of tests, in the folder of the sources.
    flags : str
        Theano's flags, but for the mode.
    environment : dict, optional
        Further environment variables.
    left_out : str, optional
        A pattern for tests that are not run: they need what is not part of the library, or test none of its results.
    conftests : bool, optional
        Whether its ``conftest.py`` files are of use. Default True.
    """

    def __init__(self, requirement, tests, flags, environment=None, left_out=None, conftests=True):
        self.requirement, self.tests, self.flags = requirement, tests, flags
        self.environment = environment or {}
        self.left_out = left_out
        self.conftests = conftests


CLIENTS = {
    "lasagne": Client(
        "lasagne==0.1", "lasagne/tests/**/test_*.py", "floatX=float64", left_out=r"test_examples|corrmm|dnn|cuda"
    ),
    "keras": Client(
        "keras==2.2.4",
        "tests/keras/**/*test*.py",
        "floatX=float32",
        {"KERAS_BACKEND": "theano"},
        left_out=r"applications|multi_gpu|cudnn|datasets|preprocessing|wrappers/scikit|test_multiprocessing|data_utils",
    ),
    "pymc3": Client(
        "pymc3==3.8",
        "pymc3/tests/test_*.py",
        "floatX=float64",
        left_out=r"test_parallel|test_examples",
        conftests=False,
    ),
}


def find_sources(name, source, cache):
    """Return the folder of the sources of a library; download and unpack them from PyPI if there is none given."""
    if source is not None:
        return source
    client = CLIENTS[name]
    folder = cache / client.requirement.replace("==", "-")
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*command, "--no-build-isolation", "-d", str(cache), client.requirement], check=True)
        stem = client.requirement.replace("==", "-")
        archive = next(path for path in cache.glob("*.tar.gz") if path.name.lower().startswith(stem))
        with tarfile.open(archive) as packed:
            packed.extractall(cache / "unpacked", filter="data")
        unpacked = next(path for path in (cache / "unpacked").iterdir() if path.name.lower() == stem)
        unpacked.rename(folder)
    return folder


def run(name, file, mode, folder, options, again=None):
    """Run one file of tests in one mode; start again after a test that has ended the process."""
    client = CLIENTS[name]
    path = options.cache / f"{name}.{str(file).replace(os.sep, '.')}.{mode}.jsonl"
    if any(line["test"] == "<end>" for line in worker.read(path)):
        return path
    environment = {
        **os.environ,
        **client.environment,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
        "PYTHONWARNINGS": "ignore",
        "THEANO_FLAGS": f"mode={mode},device=cpu,{client.flags}" + ("" if mode == "XLA" else ",cxx="),
        "JAX_PLATFORMS": "cpu",
        "CLIENTS_PATH": str(path.resolve()),
        "CLIENTS_LIMIT": str(options.timeout),
        "CLIENTS_NAME": name,
        "CLIENTS_AGAIN": str(again.resolve()) if again else "",
    }
    command = [options.python, "-m", "pytest", "-q", "-p", "tests.clients.plugin", "-p", "no:cacheprovider"]
    # their settings are for a pytest of their time.
    command += ["-c", os.devnull, "--rootdir", str(folder), str(file)] + ["--noconftest"] * (not client.conftests)
    for _ in range(20):
        try:
            code = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=options.file_timeout,
            ).returncode
        except subprocess.TimeoutExpired:
            return path
        last = {line["test"]: line["outcome"] for line in worker.read(path)}
        crashed = [test for test, outcome in last.items() if outcome == "started"]
        with open(path, "a", encoding="utf-8") as handle:
            for test in crashed:
                handle.write(f'{{"test": "{test}", "outcome": "crashed", "why": "the process ended with {code}"}}\n')
            if not crashed:
                handle.write('{"test": "<end>", "outcome": "end"}\n')
                return path
    return path


def outcomes(path):
    """Return a dict of the last line about each test."""
    found = {line["test"]: line for line in worker.read(path)}
    found.pop("<end>", None)
    return found


def main(arguments=None):
    """Run what the command line asks for, and print what passes, and what only XLA fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description="Run tests of users of Theano by XLA.")
    parser.add_argument("name", choices=sorted(CLIENTS))
    parser.add_argument("--source", type=pathlib.Path, help="folder of the sources; default: from PyPI")
    parser.add_argument("--python", default=sys.executable, help="the Python that runs the tests")
    parser.add_argument("--only", default="", help="files whose name matches this")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(".cache/clients"), help="outcomes, sources")
    parser.add_argument("--timeout", type=int, default=60, help="seconds of processor time for a test")
    parser.add_argument("--file-timeout", type=int, default=3600, help="seconds for a file of tests")
    options = parser.parse_args(arguments)
    options.cache.mkdir(parents=True, exist_ok=True)
    client = CLIENTS[options.name]
    folder = find_sources(options.name, options.source, options.cache).resolve()
    files = [pathlib.Path(path) for path in sorted(glob.glob(client.tests, root_dir=folder, recursive=True))]
    counts, only = dict.fromkeys(("passed", "by Theano too", "only XLA", "skipped", "not run"), 0), []
    for file in files:
        if not re.search(options.only, str(file)) or client.left_out and re.search(client.left_out, str(file)):
            continue
        ours = outcomes(path := run(options.name, file, "XLA", folder, options))
        failed = [test for test, line in ours.items() if line["outcome"] in worker.FAILED]
        theirs = outcomes(run(options.name, file, "FAST_COMPILE", folder, options, again=path)) if failed else {}
        for test, line in ours.items():
            kind = {"passed": "passed", "skipped": "skipped"}.get(line["outcome"], "not run")
            if test in failed:
                outcome = theirs.get(test, {}).get("outcome", "failed" if test.endswith("<import>") else "started")
                kind = {"passed": "only XLA", "started": "not run"}.get(outcome, "by Theano too")
            counts[kind] += 1
            if kind == "only XLA":
                only.append((test, line["why"]))
        print(file, counts, flush=True)
    for test, why in only:
        print(f"\n=== only XLA fails {test}\n{why[-1500:]}")
    print(f"\n| {client.requirement} | " + " | ".join(map(str, counts.values())) + " |")
    return bool(only)


if __name__ == "__main__":
    sys.exit(main())
