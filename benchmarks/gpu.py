"""Tell whether all that is asked for on a GPU holds on this machine: ``python -m benchmarks.gpu``.

<<<<<<< HEAD
It runs the tests marked ``gpu``, measures the workloads that the marks for GPUs are about, and, where there are
several GPUs, compares a training on all of them with one on a single one. The last line says whether all of it holds,
and so does the exit status: 0 if it does, 1 if it does not, 2 if JAX sees no GPU.
=======
It runs the tests marked ``gpu``, measures the workloads that the marks for GPUs are about, and, where there are several
GPUs, compares a training on all of them with one on a single one. The last line says whether all of it holds, and so
does the exit status: 0 if it does, 1 if it does not, 2 if JAX sees no GPU.
>>>>>>> main
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from . import marks

ROOT = pathlib.Path(__file__).resolve().parent.parent

#: Trains on one GPU and on all of them; a process of its own, as this one must not hold the GPUs while others measure.
SEVERAL = """
import jax, numpy as np, theanets
theanets.set_log("warning")
if len(jax.devices()) > 1:
    x, found = np.random.RandomState(0).randn(2048, 64).astype("f"), []
    for devices in (None, "all"):
        net = theanets.Autoencoder([64, (32, "tanh"), 64], rng=1)
        net.train([x], algo="sgd", learning_rate=0.01, batch_size=256, epochs=3, rng=1, devices=devices)
        found.append([param.get_value() for param in net.params])
    print(max(float(abs(a - b).max()) for a, b in zip(*found)))
"""


def gpus():
    """Return the names of the GPUs that JAX sees, asked by a process of its own."""
    code = "import jax; print('\\n'.join(d.device_kind for d in jax.devices() if d.platform == 'gpu'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 and done.stdout.strip() else []


def run_tests():
    """Run the tests marked ``gpu``; return whether they pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-m", "gpu", "tests"]
    return subprocess.run(command, cwd=ROOT).returncode == 0


def run_marks(runs):
    """Measure what the marks for GPUs are about; return their rows, and the marks that nothing was measured for."""
    beginnings = [beginning for mark in marks.MARKS if mark.device == "gpu" for beginning in mark.workloads]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "results.json")
        patterns = [f"{beginning}*" for beginning in dict.fromkeys(beginnings)]
        options = ["--device", "gpu", "--runs", str(runs), "--no-plots", "--output", folder, "--json", str(path)]
        subprocess.run([sys.executable, "-m", "benchmarks", *options, "--only", *patterns], cwd=ROOT)
        results = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else []
    return marks.check(results, "gpu"), marks.open_marks(results, "gpu")


def run_several():
    """Compare all GPUs with one; return the largest difference of parameters, or None for a single GPU."""
    done = subprocess.run([sys.executable, "-c", SEVERAL], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return float("inf")
    return float(done.stdout.split()[-1]) if done.stdout.strip() else None


def report(tests, rows, missing, difference):
    """Return the lines of the report, and whether all of it holds.

    Parameters
    ----------
    tests : bool
        Whether the tests pass.
    rows, missing
        What :func:`run_marks` returns.
    difference : float or None
        What :func:`run_several` returns.
    """
    lines = [f"tests marked gpu: {'pass' if tests else 'FAIL'}"]
    for row in rows:
        words = "holds" if row["reached"] else "FALLS SHORT"
        lines.append(
            f"{row['workload']} over {row['peer']}: {row['found']['median']:.2f}, wanted {row['wanted']}: {words}"
        )
    lines += [f"{beginning} over {mark.peer}: NOT MEASURED" for beginning, mark in missing]
    if difference is not None:
        lines.append(f"all GPUs and one differ by {difference:.1e}: {'holds' if difference < 1e-6 else 'FAILS'}")
    holds = tests and not missing and all(row["reached"] for row in rows) and (difference is None or difference < 1e-6)
    return [*lines, "all of it holds" if holds else "not all of it holds"], holds


def main(arguments=None):
    """Run all of it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="measurements of each, default 5")
    options = parser.parse_args(arguments)
    found = gpus()
    if not found:
        print("JAX sees no GPU here; pip install theanets[cuda], and see docs/gpu.md", file=sys.stderr)
        return 2
    print(f"on {', '.join(found)}", flush=True)
    lines, holds = report(run_tests(), *run_marks(options.runs), run_several())
    print("\n".join(lines))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
