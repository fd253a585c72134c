"""Compare theanets with other libraries: ``python -m benchmarks``.

Without arguments everything runs, which takes long: ``--only`` picks workloads, ``--add`` keeps what was measured
before, and ``--list`` says what there is. ``--only jobs --record`` measures whole jobs and starts, and puts their
tables into ``RESULTS.md``, in a section of their own.
"""

import argparse
import fnmatch
import json
import pathlib
import sys
import tempfile
import time

from . import machine, plots, report
from .contenders import CONTENDERS, DEFAULT, FEWER, JOBS
from .session import Settings, measure
from .workloads import all_workloads

#: What may stand for some workloads.
GROUPS = {"jobs": ("job-*", "start-*")}

HERE = pathlib.Path(__file__).resolve().parent


def make_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", default=[], help="names of workloads, patterns such as 'lstm-*', or 'jobs'"
    )
    parser.add_argument(
        "--contenders", help="names, separated by commas; default: all, and a choice of them for curves and starts"
    )
    parser.add_argument("--runs", type=int, default=5, help="measurements of each, default 5")
    parser.add_argument("--quick", action="store_true", help="hardly any work, to see whether everything runs")
    parser.add_argument("--threads", type=int, help="threads of each contender, default: as many as there are cores")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between measurements, default 0.2")
    parser.add_argument("--timeout", type=float, default=900, help="seconds that one may take, default 900")
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "results", help="folder for what is written")
    parser.add_argument("--json", type=pathlib.Path, help="file for the numbers, default results.json in that folder")
    parser.add_argument("--add", action="store_true", help="keep what that file holds of other workloads")
    parser.add_argument("--no-plots", action="store_true", help="draw no curves")
    parser.add_argument("--record", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    parser.add_argument("--read", type=pathlib.Path, help="measure nothing, and report on such a file of numbers")
    parser.add_argument("--list", action="store_true", help="list workloads and contenders")
    return parser


def choose(options, parser):
    """Return the workloads and the names of the contenders that were asked for."""
    known = all_workloads()
    only = [pattern for name in options.only for pattern in GROUPS.get(name, (name,))]
    for pattern in only:
        if not any(fnmatch.fnmatch(workload.name, pattern) for workload in known):
            parser.error(f"no workload {pattern!r}; see --list")
    patterns = only or ["*"]
    found = [workload for workload in known if any(fnmatch.fnmatch(workload.name, p) for p in patterns)]
    names = options.contenders.split(",") if options.contenders else None
    for name in names or ():
        if name not in CONTENDERS:
            parser.error(f"no contender {name!r}; see --list")
    if options.runs < 1:
        parser.error("--runs: at least 1")
    return [workload.quick() if options.quick else workload for workload in found], names


def show_list(workloads):
    """Print the workloads and the contenders."""
    print("workloads:")
    for workload in workloads:
        print(f"  {workload.name:24} {workload.action:8} {workload.examples} examples, batches of {workload.batch}")
    print("contenders:")
    for name, contender in CONTENDERS.items():
        print(f"  {name:24} {contender.label}{'' if name in DEFAULT else ' (only if named)'}")


def run(workloads, names, options):
    """Measure; return the document that is kept as JSON."""
    threads = options.threads or machine.cores()
    packages = {package for name in names or DEFAULT for package in CONTENDERS[name].packages}
    document = dict(
        machine=machine.describe(threads, options.device, packages),
        settings=dict(runs=options.runs, threads=threads, device=options.device, quick=options.quick),
        results=earlier(workloads, options) if options.add else [],
    )
    with tempfile.TemporaryDirectory() as cache:
        for number, workload in enumerate(workloads, start=1):
            began = time.perf_counter()
            fewer = {"job": JOBS, "start": FEWER}.get(workload.action, FEWER if workload.curve else DEFAULT)
            settings = Settings(
                names or list(fewer), options.runs, threads, options.device, options.pause, options.timeout, cache
            )
            print(f"{workload.name} ({number} of {len(workloads)})", file=sys.stderr)
            document["results"].append(measure(workload, settings, lambda line: print(line, file=sys.stderr)))
            print(f"  {time.perf_counter() - began:.0f} s in all", file=sys.stderr)
            # what has been measured is kept, whatever happens to the rest.
            write_json(document, options)
    return document


def json_path(options):
    """Return the file for the numbers."""
    return options.json or options.output / "results.json"


def earlier(workloads, options):
    """Return the results of other workloads that the file for the numbers holds."""
    path, again = json_path(options), {workload.name for workload in workloads}
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))["results"]
    return [result for result in found if result["workload"]["name"] not in again]


def write_json(document, options):
    """Write the numbers to a file."""
    path = json_path(options)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return path


def main(arguments=None):
    """Run the command line."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    workloads, names = choose(options, parser)
    if options.list:
        show_list(workloads)
        return
    if options.read:
        document = json.loads(options.read.read_text(encoding="utf-8"))
    else:
        document = run(workloads, names, options)
        print(f"numbers: {write_json(document, options)}", file=sys.stderr)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "results.md").write_text(report.render(document), encoding="utf-8")
    print(report.render(document))
    drawn = [] if options.no_plots else plots.draw(document["results"], options.output)
    for path in drawn:
        print(f"plot: {path}", file=sys.stderr)
    if options.record:
        report.update_file(HERE / "RESULTS.md", document, next(iter(drawn), None))


if __name__ == "__main__":
    main()
