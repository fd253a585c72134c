"""How long the first compilation takes, and what a training step costs, with and without what theanets sets up.

Every case runs in a process and a compile cache of its own. The import and the compilation are in seconds of processor
time, the steps in seconds on the clock, of the fastest of five rounds; times of one run are comparable with each other
only::

    python benchmarks/cold_start.py
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time

CASES = {
    "as installed": {},
    "no precompiled header": {"header": False},
    "Dot22Scalar not excluded": {"flags": "optimizer_excluding="},
    "neither": {"header": False, "flags": "optimizer_excluding="},
}


def _processor_time():
    """Seconds of this process and of the compilers that it ran; others may share the machine."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(steps, units, header=True):
    """Compile an autoencoder's training step and run it; prints the two times as JSON."""
    start = _processor_time()
    importlib.import_module("theanets")
    imported = _processor_time()
    if not header:
        from theanets.compat import headers

        headers.supported = lambda compiler: False
    import numpy as np
    import theano
    import theano.tensor as TT

    rng = np.random.RandomState(13)
    sizes = [256, units, 64, units, 256]
    params = []
    x = h = TT.matrix("x")
    for n_in, n_out in zip(sizes[:-1], sizes[1:]):
        w = theano.shared((rng.randn(n_in, n_out) / np.sqrt(n_in)).astype("float32"))
        b = theano.shared(np.zeros(n_out, "float32"))
        h = TT.nnet.sigmoid(TT.dot(h, w) + b)
        params += [w, b]
    loss = TT.sqr(h - x).mean()
    updates = []
    for param, grad in zip(params, TT.grad(loss, params)):
        mean, square, velocity = [theano.shared(np.zeros_like(param.get_value())) for _ in range(3)]
        new_mean = 0.9 * mean + 0.1 * grad
        new_square = 0.9 * square + 0.1 * grad * grad
        new_velocity = 0.9 * velocity - 0.001 * grad / TT.sqrt(new_square - new_mean * new_mean + 1e-4)
        updates += [(mean, new_mean), (square, new_square), (velocity, new_velocity), (param, param + new_velocity)]
    step = theano.function([x], loss, updates=updates)
    compiled = _processor_time()
    batch = rng.rand(128, 256).astype("float32")
    step(batch)
    rounds = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(steps):
            step(batch)
        rounds.append(time.perf_counter() - begun)
    times = {"import": imported - start, "compile": compiled - imported, "steps": min(rounds)}
    print(json.dumps(times))


def run_case(case, steps, units):
    """Measure one case in a fresh process with an empty compile cache."""
    with tempfile.TemporaryDirectory() as cache:
        flags = ",".join(filter(None, [f"base_compiledir={cache}", case.get("flags")]))
        command = [sys.executable, __file__, "--measure", "--steps", str(steps), "--units", str(units)]
        command += [] if case.get("header", True) else ["--no-header"]
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        # threads of a BLAS that wait for each other on a busy machine would hide everything else
        environ = dict(os.environ, THEANO_FLAGS=flags, PYTHONPATH=path, OPENBLAS_NUM_THREADS="1")
        output = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(output.splitlines()[-1])


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100, help="training steps to time")
    parser.add_argument("--units", type=int, default=512, help="units of the widest hidden layer")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-header", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.steps, options.units, not options.no_header)
        return
    times = {name: run_case(case, options.steps, options.units) for name, case in CASES.items()}
    base = next(iter(times.values()))
    print(f"{'':26}{'cold compile':>20}{f'{options.steps} steps':>20}{'import':>10}")
    for name, found in times.items():
        columns = [f"{found[key]:6.2f} s ({found[key] / base[key]:4.2f})" for key in ("compile", "steps")]
        print(f"{name:26}{columns[0]:>20}{columns[1]:>20}{found['import']:8.2f} s")


if __name__ == "__main__":
    main()
