"""Runs Theano's own tests by XLA, and tells which of them only XLA fails, and why.

::

    python -m tests.xla.acceptance                          # hours; what has run already is kept
    python -m tests.xla.acceptance --shard 2/12             # every twelfth module, from the second on
    python -m tests.xla.acceptance --only test_elemwise     # modules whose name contains this
    python -m tests.xla.acceptance --list-failures          # nothing runs; what only XLA fails, with tracebacks

Each of Theano's test modules runs in a process of its own with XLA as Theano's default mode (and in place of
``FAST_RUN``). What fails there runs once more in another process, by Theano's Python implementations
(``mode=FAST_COMPILE,cxx=``). The outcomes are kept as lines of JSON in a folder; delete a file there to run that module
again. ``tests/xla/ACCEPTANCE.md`` is written each time: it keeps the lines of modules of which the folder has nothing,
so that shards may run one after the other, or on several machines.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from . import acceptance_worker as worker

HERE = pathlib.Path(__file__).parent

#: Test modules that are not run, and why.
LEFT_OUT = {
    r"theano\.gpuarray\.": "needs libgpuarray and its GPU",
    r"theano\.tests\.test_flake8$": "checks the style of Theano's own code",
    r"theano\.tensor\.tests\.test_mpi$": "starts processes of MPI",
}


def find_modules():
    """Return the names of Theano's test modules, but for those in :data:`LEFT_OUT`; none of them is imported."""
    root = pathlib.Path(importlib.util.find_spec("theano").origin).parent
    names = sorted(
        ".".join(path.relative_to(root.parent).with_suffix("").parts) for path in root.glob("**/tests/test_*.py")
    )
    return [name for name in names if not any(re.search(pattern, name) for pattern in LEFT_OUT)]


OWN_REWRITE = "the test counts the nodes that Theano has without a BLAS; XLA has a rewrite of its own there"
REWRITE = "the test looks for a rewrite that XLA does without"
FUSION = "the test looks for elementwise Ops that Theano has fused; XLA fuses them by itself"
MERGED = "the test looks for slices of slices that Theano has merged; XLA merges them by itself"
LAST_BIT = "the test wants a sum of products to be equal to the last bit; XLA adds in another order"
KEPT = "the test looks for the values of single Ops in a function, which compiled functions do not keep"
LENIENT = "the test wants a number that is no array to fail; compiled functions take it"
LINKERS = "the test counts linkers by the names of modes; here, the name FAST_RUN stands for XLA"
PROFILE = "the test profiles single Ops; XLA compiles the function as a whole"
BLAS = "the test looks for calls of a BLAS, or for what they make of a product by 0; XLA multiplies by itself"
IN_PLACE = "the test wants the memory of an argument to be written over or returned, which compiled functions never do"
INNER = "the test looks into the function that Theano compiles for the steps of a loop; XLA compiles them with the rest"
INNER_MODE = "the test gives the steps of a loop a mode of their own; XLA compiles them with the rest"
DRAWN_AGAIN = (
    "not done after 200 s: how many numbers are drawn again depends on those drawn first, so that Theano's own "
    "implementation in Python runs it, on 66 times as many as the test draws in that mode"
)
ALIAS = "the test writes to memory that it has lent to a shared variable; its value lies on the device by then"

#: Why tests fail by XLA only: a pattern for module and test, a pattern for the traceback, and the reason. The first
#: that matches counts.
REASONS = (
    (r"test_basic:\w+InplaceTester\.test_good|test_bitwise\.test_xor|test_basic:test_join_inplace", "", IN_PLACE),
    (r"test_basic:TestAlloc\.test_alloc_constant_folding", "sum\\(\\[isinstance\\(node.op", REWRITE),
    (r"test_subtensor:T_subtensor\.test_grad_list", "isinstance\\(node.op, self.adv_incsub1", REWRITE),
    (r"test_scan:", "'Scan' object has no attribute 'fn'", INNER),
    (r"test_scan:", "'Scan' object has no attribute 'destroy_map'", IN_PLACE),
    (r"test_scan:T_Scan\.test_opt_order", "isinstance\\(node.op, tensor.blas.Dot22", REWRITE),
    (r"test_scan:T_Scan\.test_grad_multiple_outs_taps", "truth.strip\\(\\) == out.strip", REWRITE),
    (r"test_scan:T_Scan\.test_monitor_mode", "large_count == 3", INNER_MODE),
    (r"test_blas(_c|_scipy)?:", "assertFunctionContains|len\\(f\\) == 1|isnan\\(zval\\)", BLAS),
    (r"test_sharedvar:.*test_specify_shape_inplace", "Gemm", BLAS),
    (r"test_sharedvar:.*test_shared_do_alias", "total_func", ALIAS),
    (r"test_function:TestFunctionIn.test_in_mutable", "aval == aval2", IN_PLACE),
    (r"test_function_module:T_function.test_constant_output", "out2 is out", IN_PLACE),
    (r"test_function_module:T_function.test_free", "check_list", KEPT),
    (r"test_function_module:T_picklefunction.test_deepcopy_trust_input", "not raised by", LENIENT),
    (r"compile.tests.test_modes:T_bunch_of_modes.test1", "linker_classes_involved", LINKERS),
    (r"test_profiling:", "in the_string", PROFILE),
    (r"tensor.tests.test_opt:(test_fusion|TestCompositeCodegen|test_log1p)", "toposort|sym_inputs|len.topo", FUSION),
    (r"tensor.tests.test_opt:test_local_subtensor_lift", "assert .*prog", FUSION),
    (r"tensor.tests.test_opt:test_local_subtensor_merge", "assert len", MERGED),
    (r"test_pfunc:Test_pfunc.test_default_container", "np.sum\\(w_init", LAST_BIT),
    (r"test_pfunc:.*mutable", "aval2|mutable=True", IN_PLACE),
    (r"test_pfunc:Test_aliasing_rules", "data_of", ALIAS),
    (r"gof.tests.test_vm:test_allow_gc", "storage_map", KEPT),
    (r"tests.test_printing:test_debugprint", "s == reference", KEPT),
    (r"test_bn:test_batch_normalization_train_broadcast", "len\\(nodes\\) == 1", REWRITE),
    (r"nnet.tests.test_opt:test_blocksparse_inplace", "op.inplace", IN_PLACE),
    (r"typed_list.tests.test_opt:test_inplace", "False is not true", IN_PLACE),
    (r"test_sigm:T_sigmoid_opts.test_exp_over_1_plus_exp", "f.maker.fgraph.toposort", IN_PLACE),
    (r"test_raw_random:T_random_function.test_inplace_optimization", "id0 ==", IN_PLACE),
    (r"sparse.tests.test_basic:UsmmTests\.test$", "len\\(topo\\) == 4", OWN_REWRITE),
    (r"test_rng_mrg:test_(normal_truncation|truncated_normal)$", "", DRAWN_AGAIN),
    (r"sparse.tests.test_basic:Remove0Tester\.test_remove0", "Inplace optimization should", IN_PLACE),
    (r"sparse.tests.test_basic:test_shared_options\.test_shared_do_alias", "AssertionError", ALIAS),
)


class Run:
    """One module in one mode.

    Parameters
    ----------
    module, mode : str
        Which.
    folder : Path
        Where outcomes are kept.
    """

    def __init__(self, module, mode, folder):
        self.module, self.mode = module, mode
        self.path = folder / f"{module}.{mode}.jsonl"

    def outcomes(self):
        """Return a dict of the last line about each test."""
        found = {line["test"]: line for line in worker.read(self.path)}
        found.pop("<end>", None)
        return found

    def is_complete(self):
        """Tell whether all tests have run."""
        return any(line["test"] == "<end>" for line in worker.read(self.path))

    def go(self, seconds, limit, pattern="", again=None):
        """Run what has not run yet; start again where a test has ended the process, or has to be ended.

        ``again`` is another run: only tests that failed there run.
        """
        end = time.time() + limit
        environment = {
            **os.environ,
            # floatX as the tests expect it; theanets would choose float32.
            "THEANO_FLAGS": "mode=FAST_COMPILE,cxx=,floatX=float64,device=cpu",
            "JAX_PLATFORMS": "cpu",
            "PYTHONWARNINGS": "ignore",
        }
        arguments = ["--worker", self.module, "--mode", self.mode, "--path", str(self.path)]
        command = [sys.executable, "-m", __spec__.name, *arguments, "--timeout", str(seconds), "--match", pattern]
        command += ["--again", str(again.path)] if again is not None else []
        while not self.is_complete() and time.time() < end:
            process = subprocess.Popen(command, env=environment, preexec_fn=lambda: os.nice(19))
            code = self._wait(process, seconds, end)
            if code is None and time.time() > end:
                return
            unfinished = [test for test, line in self.outcomes().items() if line["outcome"] == "started"]
            for test in unfinished:
                self._note(test, "crashed" if code is not None else "timeout", f"the process ended with {code}")
            if pattern or not unfinished and not self.is_complete() and code:
                if code:
                    raise SystemExit(f"{self.module} in {self.mode}: the process ended with {code}")
                return

    def _wait(self, process, seconds, end):
        """Wait for a process; end it (and return None) when its file has not grown for too long."""
        while True:
            try:
                return process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                # what does not react to the alarm is stuck outside of Python.
                grown = self.path.stat().st_mtime if self.path.exists() else time.time()
                if time.time() > end or time.time() - max(grown, process_start(process)) > 6 * seconds + 60:
                    process.kill()
                    process.wait()
                    return None

    def _note(self, test, outcome, why):
        with open(self.path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"test": test, "outcome": outcome, "why": why, "seconds": 0}) + "\n")


def process_start(process):
    """Return when a process was seen first."""
    if not hasattr(process, "seen"):
        process.seen = time.time()
    return process.seen


def compare(module, folder):
    """Return a dict of lists of tests: what passes, who fails, and what is skipped; and the outcomes by XLA."""
    ours, theirs = (Run(module, mode, folder).outcomes() for mode in ("XLA", "FAST_COMPILE"))
    found = {"pass": [], "fail by Theano too": [], "only XLA fails": [], "skipped": [], "not run": []}
    for test, line in ours.items():
        kind = {"passed": "pass", "skipped": "skipped"}.get(line["outcome"], "not run")
        if line["outcome"] in worker.FAILED:
            kind = "fail by Theano too"
            if test in theirs or test == "<import>":
                kind = {"passed": "only XLA fails", "started": "not run"}.get(theirs.get(test, {}).get("outcome"), kind)
            else:
                kind = "not run"
        found[kind].append(test)
    return found, ours


def reason_for(module, test, why):
    """Return the reason why XLA fails a test; None if there is none yet."""
    for where, what, reason in REASONS:
        if re.search(where, f"{module}:{test}") and re.search(what, why, re.DOTALL):
            return reason
    return None


def last_line(why):
    """Return the line of a traceback that names the error."""
    error = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|TimedOut|Warning|WrongValue)")
    lines = [line for line in why.splitlines() if error.match(line)]
    return (lines or why.strip().splitlines() or [""])[-1][:200]


HEADER = """\
# Theano's own tests, by XLA

Written by `python -m tests.xla.acceptance`. Each test of these modules of Theano 1.0.5 runs with XLA as
Theano's default mode; what fails then runs by Theano's Python implementations too (`mode=FAST_COMPILE,cxx=`);
floatX=float64. What fails in both was broken before: by the Python and NumPy of today, or by the lack of a C++
compiler.

| module | pass | fail by Theano too | only XLA fails | skipped | not run |
| --- | ---: | ---: | ---: | ---: | ---: |
"""

DETAILS = "# What only XLA fails"


def read_table(path):
    """Return what a table says about each module: its line, and the lines about what only XLA fails."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = {match[1]: match[0] for match in re.finditer(r"^\| (theano\.\S+) \|.*\|$", text, re.MULTILINE)}
    sections = text.partition(DETAILS)[2].split("\n## ")[1:]
    details = {name.strip(): rest.strip() for name, _, rest in (section.partition("\n") for section in sections)}
    return {name: (line, details.get(name, "")) for name, line in lines.items()}


def write_table(folder, modules, path):
    """Write the table; return the number of failures without a reason.

    Modules that have not run, or not to their end, stay as they were.
    """
    table, unexplained = read_table(path), 0
    for module in modules:
        found, ours = compare(module, folder)
        is_complete = Run(module, "XLA", folder).is_complete()
        if not ours or not is_complete and module in table:
            continue
        groups = {}
        for test in found["only XLA fails"]:
            reason = reason_for(module, test, ours[test].get("why", ""))
            unexplained += reason is None
            groups.setdefault(reason or "**not explained**", []).append(test)
        details = [f"* {why}: " + ", ".join(f"`{test}`" for test in sorted(groups[why])) for why in sorted(groups)]
        counts = [str(len(tests)) for tests in found.values()]
        if not is_complete:
            counts[-1] = "the rest"
        line = f"| {module} | {' | '.join(counts)} |"
        table[module] = line, "\n".join(details)
    names = [name for name in modules if name in table]
    lines = [table[name][0] for name in names]
    details = [f"\n## {name}\n\n{table[name][1]}\n" for name in names if table[name][1]]
    path.write_text(HEADER + "\n".join(lines) + f"\n\n{DETAILS}\n" + "".join(details), encoding="utf-8")
    return unexplained


def list_failures(folder, modules, full=True):
    """Print what only XLA fails without a reason, by the error."""
    for module in modules:
        found, ours = compare(module, folder)
        groups = {}
        for test in found["only XLA fails"]:
            why = ours[test].get("why", "")
            if reason_for(module, test, why) is None:
                groups.setdefault(f"{ours[test]['outcome']}: {last_line(why)}", []).append((test, why))
        for error, tests in sorted(groups.items(), key=lambda item: -len(item[1])):
            print(f"\n=== {module}: {error}\n    {len(tests)}: {', '.join(test for test, _ in tests)[:1500]}")
            if full:
                print("\n".join("    " + line for line in tests[0][1].splitlines()[-30:]))


def list_fallbacks(folder, modules):
    """Print what ran by Theano's own implementation, and in which tests that XLA passes."""
    groups = {}
    for module in modules:
        for test, line in Run(module, "XLA", folder).outcomes().items():
            for text in line.get("fallbacks", ()):
                text = re.sub(r"\{[^}]*\}|0x[0-9a-f]+|\.\d+", "", text)[:160]
                groups.setdefault(text, []).append(test)
    for text, tests in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"{len(tests):4} {text}\n       {', '.join(tests[:4])}")


def main(arguments=None):
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.xla.acceptance", description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", action="append", default=[], help="modules whose name contains this")
    parser.add_argument("--shard", help="every n-th module, from the k-th on, as k/n")
    parser.add_argument("--match", default="", help="only tests that match this; the module is not complete then")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(".cache/acceptance"), help="outcomes")
    parser.add_argument("--timeout", type=int, default=60, help="seconds of processor time for a test")
    parser.add_argument("--module-timeout", type=int, default=7200, help="seconds for a module in one mode")
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "ACCEPTANCE.md")
    parser.add_argument("--list-failures", action="store_true", help="run nothing, print what only XLA fails")
    parser.add_argument("--list-fallbacks", action="store_true", help="run nothing, print what has no translation")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    parser.add_argument("--again", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        return worker.main(options.worker, options.mode, options.path, options.timeout, options.match, options.again)
    modules = every = find_modules()
    if options.only:
        modules = [name for name in modules if any(part in name for part in options.only)]
    if options.shard:
        number, count = map(int, options.shard.split("/"))
        modules = modules[number - 1 :: count]
    options.cache.mkdir(parents=True, exist_ok=True)
    if options.list_failures:
        return list_failures(options.cache, modules)
    if options.list_fallbacks:
        return list_fallbacks(options.cache, modules)
    for module in modules:
        ours, theirs = (Run(module, mode, options.cache) for mode in ("XLA", "FAST_COMPILE"))
        ours.go(options.timeout, options.module_timeout, options.match)
        if any(line["outcome"] in worker.FAILED for line in ours.outcomes().values()):
            theirs.go(options.timeout, options.module_timeout, options.match, again=ours)
        write_table(options.cache, every, options.output)
    unexplained = write_table(options.cache, every, options.output)
    print(f"{options.output}: {unexplained} failures by XLA without a reason")
    return unexplained > 0


if __name__ == "__main__":
    sys.exit(main())
