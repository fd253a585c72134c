"""The benchmarks count, compare and report rightly; what they measure is no test."""

import dataclasses
import json
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest

from benchmarks import collectives, gpu, jobs, marks, report, statistics, workloads
from benchmarks.__main__ import choose, earlier, make_parser
from benchmarks.contenders.base import Unsupported

ROOT = pathlib.Path(__file__).parent.parent


def found(seconds, **kwargs):
    return dict(seconds=seconds, loss=0.5, memory=2**30, warnings=[], **kwargs)


def result(name, curve=(), action="train", **contenders):
    workload = workloads.Workload(name, workloads.mlp(2, 2), action, curve=curve, epochs=2)
    return dict(workload=json.loads(json.dumps(workload.to_dict())), contenders=contenders)


def document(*results):
    machine = dict(date="2000-01-01", hardware="abacus, 2 cores", system="any", versions={"numpy": "2"})
    settings = dict(runs=2, threads=2, device="cpu", quick=False)
    return dict(machine=machine, settings=settings, results=list(results))


def test_ratios_are_those_of_each_turn():
    assert statistics.ratios([2, 90, 8], [1, 30, 2]) == {"median": 3, "min": 2, "max": 4}
    assert statistics.summary([]) is None


def test_growth_is_the_exponent():
    places = [1, 2, 8]
    np.testing.assert_allclose(statistics.growth(places, [3 * place**1.5 for place in places]), [1.5, 1.5])


def test_marks_take_the_time_of_the_peer_over_ones_own():
    fast, slow = found([1.0, 1.0, 2.0]), found([9.0, 11.0, 22.0])
    rows = marks.check([result("ae-10-20-10:sgd", theanets=fast, torch=slow, jax=fast)])
    verdicts = {row["peer"]: (row["found"]["median"], row["reached"]) for row in rows}
    assert verdicts == {"torch": (11, True), "jax": (1, True)}
    rows = marks.check([result("ae-10-20-10:sgd", theanets=slow, torch=slow, jax=fast)])
    assert not any(row["reached"] for row in rows)


def test_marks_without_measurements_are_said_to_be():
    results = [result("convnet-28:rmsprop", theanets=found([1.0]), torch=found([1.0]))]
    missing = {(beginning, mark.peer) for beginning, mark in marks.open_marks(results)}
    assert ("convnet-28:", "torch") not in missing
    assert {("lstm-100-50:", "torch"), ("start-", "theanets-c")} <= missing
    assert "not measured" in report.render(document(*results))


def test_the_report_holds_ratios_losses_memory_and_reasons():
    one = result(
        "ae-10-20-10:sgd",
        theanets=found([1.0, 1.0]),
        torch=found([12.0, 14.0]),
        keras=dict(missing="No module named 'keras'"),
        sklearn=dict(unsupported="no such thing"),
    )
    points = [result(f"width-{n}:sgd", ("width", n), theanets=found([n / 8])) for n in (8, 32)]
    text = report.render(document(one, *points))
    assert "1 to 2 runs" in text
    for words in ("13 (12–14)", "50 ms", "0.500000", "1024", "not installed", "cannot", "| 1.00", "reached"):
        assert words in text, words


def test_results_of_other_machines_and_notes_are_kept(tmp_path):
    path = tmp_path / "RESULTS.md"
    report.update_file(path, document(result("ae-10-20-10:sgd", theanets=found([1.0]))))
    path.write_text(path.read_text("utf-8").replace("<!-- notes -->\n", "<!-- notes -->\nA busy machine.\n"), "utf-8")
    other = document(result("convnet-28:sgd", theanets=found([1.0])))
    other["machine"]["hardware"] = "another"
    report.update_file(path, other)
    report.update_file(path, document(result("lstm-100-50:sgd", theanets=found([1.0]))))
    text = path.read_text("utf-8")
    assert text.count("## abacus") == text.count("## another") == text.count("A busy machine.") == 1
    assert "ae-10-20-10:sgd" not in text
    assert "convnet-28:sgd" in text
    assert "lstm-100-50:sgd" in text


def test_added_results_take_the_place_of_those_of_the_same_workload(tmp_path):
    parser = make_parser()
    options = parser.parse_args(["--only", "ae-64-*", "--output", str(tmp_path)])
    text = json.dumps(document(result("ae-64-32-64:sgd"), result("convnet-28:sgd")))
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    chosen, _ = choose(options, parser)
    assert {workload.name for workload in chosen} == {"ae-64-32-64:sgd", "ae-64-32-64:rmsprop"}
    assert [item["workload"]["name"] for item in earlier(chosen, options)] == ["convnet-28:sgd"]


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--contenders", "abacus"], ["--runs", "0"]])
def test_what_there_is_not_is_refused(arguments, capsys):
    parser = make_parser()
    with pytest.raises(SystemExit):
        choose(parser.parse_args(arguments), parser)
    assert arguments[1] in capsys.readouterr().err or arguments[0] == "--runs"


@pytest.mark.parametrize("workload", workloads.all_workloads(), ids=lambda workload: workload.name)
def test_workloads_are_whole_batches_and_survive_json(workload):
    assert workload.examples % workload.batch == 0
    assert workloads.Workload.from_dict(json.loads(json.dumps(workload.to_dict()))) == workload
    data = workloads.make_data(workload.quick())
    assert {len(array) for array in data.values()} == {workload.quick().examples}


def test_the_order_of_batches_is_downhills():
    import downhill

    dataset = downhill.Dataset([np.arange(7)], batch_size=1, rng=workloads.SEED)
    orders = workloads.Orders(7)
    assert [[int(x[0]) for x, in dataset] for _ in range(3)] == [orders.draw() for _ in range(3)]


def test_the_list_needs_no_other_library():
    code = (
        "import sys, benchmarks.__main__ as m; m.main(['--list']); "
        "assert not {'torch', 'keras', 'sklearn', 'jax', 'matplotlib'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert "convnet-28" in run.stdout


JOBS = [workload for workload in workloads.all_workloads() if workload.action == "job"]


def test_jobs_are_asked_for_by_one_word_and_with_starts():
    parser = make_parser()
    chosen, _ = choose(parser.parse_args(["--only", "jobs"]), parser)
    assert {workload.action for workload in chosen} == {"job", "start"}
    known = {"", "grid", "search", "folds", "notebook", "second", "members", "sweep"}
    assert {workload.job for workload in chosen} == known


@pytest.mark.parametrize(
    "name, count, others",
    [
        ("job-grid", 25, 25),
        ("job-folds", 5, 1),
        ("job-notebook", 6, 6),
        ("job-second-mlp", 4, 3),
        ("job-sweep", 66, 64),
    ],
)
def test_a_job_is_so_many_trainings_with_so_many_numbers(name, count, others):
    (workload,) = [workload.quick() for workload in JOBS if workload.name == name]
    asked = []

    def fit(workload, x, y, numbers):
        assert len(x) == len(y)
        asked.append(tuple(numbers.values()))
        return lambda x: np.full((len(x), workload.model["layers"][-1]), 0.5)

    library = types.SimpleNamespace(fit=fit)
    answer = jobs.run(workload, library, workloads.make_data(workload), lambda: 0.0)
    assert (len(asked), len(set(asked))) == (count, others)
    assert np.isfinite(answer["loss"])
    # of second networks their own time counts, of others that of the process.
    assert ("seconds" in answer) == name.startswith(("job-second", "job-sweep"))


def test_a_library_without_estimators_has_no_search():
    (workload,) = [workload.quick() for workload in JOBS if workload.job == "search"]
    data = workloads.make_data(workload)
    with pytest.raises(Unsupported):
        jobs.run(workload, types.SimpleNamespace(fit=None), data, lambda: 0.0)
    library = types.SimpleNamespace(search=lambda workload, x, y, grid: 0.75 if len(grid) == 2 else 0)
    assert jobs.run(workload, library, data, lambda: 0.0) == dict(loss=0.25)


@pytest.mark.parametrize("workload", JOBS, ids=lambda workload: workload.name)
def test_theanets_does_the_jobs(workload):
    from benchmarks.contenders import theanets_

    small = dataclasses.replace(workload.quick(), examples=8, batch=4, epochs=1)
    if small.model["kind"] == "recurrent":
        small.model["steps"], small.model["size"] = 3, 4
    data, numbers = workloads.make_data(small), dict(learning_rate=0.01, l2=0.1, seed=1)
    outputs = theanets_.fit(small, data["x"], data["y"], numbers)(data["x"])
    assert np.isfinite(workloads.loss(small, outputs, data["y"]))
    if workload.job == "sweep":
        (predict,) = theanets_.sweep(small, data["x"], data["y"], [numbers])
        assert np.array_equal(predict(data["x"]), outputs)


def test_limits_of_jobs_are_for_medians():
    grid = result("job-grid", action="job", theanets=found([2.0, 2.0, 9.0], again=[1.3, 1.3, 1.3]))
    rows = marks.check_limits([grid])
    verdicts = {(row["workload"], row["series"]): row["reached"] for row in rows if row["found"]}
    assert verdicts == {("job-grid", "seconds"): True, ("job-grid", "again"): False}


def test_jobs_have_tables_and_a_section_of_their_own(tmp_path):
    path = tmp_path / "RESULTS.md"
    steps = document(result("ae-10-20-10:sgd", theanets=found([1.0])))
    own, other = found([2.0, 2.0], again=[1.0, 1.0]), found([6.0, 6.0], again=[5.0, 5.0])
    job = document(result("job-grid", action="job", theanets=own, sklearn=other, jax=dict(unsupported="no")))
    for each in (steps, job, steps, job):
        report.update_file(path, each)
    text = path.read_text("utf-8")
    assert text.count("## abacus, 2 cores\n") == text.count("## abacus, 2 cores: jobs\n") == 1
    section = text.partition(": jobs\n")[2].partition("\n## ")[0]
    for words in ("Jobs, with nothing compiled yet", "3 (3–3)", "5 (5–5)", "What jobs came to", "at most", "cannot"):
        assert words in section, words
    assert "ae-" not in section


def test_the_verdict_on_a_gpu_takes_all_parts_into_account():
    row = dict(workload="ae", peer="torch", found=dict(median=6.0), wanted=5, reached=True)
    mark = marks.Mark(("ae",), "torch", 5, device="gpu")
    assert gpu.report(True, [row], [], 1e-7)[1] and gpu.report(True, [row], [], None)[1]
    for bad in (
        (False, [row], [], None),
        (True, [dict(row, reached=False)], [], None),
        (True, [], [("ae", mark)], None),
        (True, [row], [], 1e-3),
    ):
        lines, holds = gpu.report(*bad)
        assert not holds and lines[-1] == "not all of it holds"


def test_collective_operations_are_counted_by_kind_size_and_depth():
    text = """
      %r = (f32[4,2]{1,0}, s8[]) all-reduce-start(%a, %b), metadata={op_name="jit(run)/while/body/while/body/add"}
      ROOT %g = f64[3]{0} all-gather(%r), dimensions={0}
      %no = f32[2]{0} add(%all-reduce.1, %x)
    """
    found = [tuple(item) for item in collectives.collectives(text)]
    assert found == [("all-reduce", 33, 2), ("all-gather", 24, 0)]
    large = collectives.Example("n", None, None, 4096, 10**8, 1)
    same, larger = collectives.gains(large, [collectives.Collective("all-reduce", 4 * 10**8, 1)], (8, 300e9, 1e-5))
    assert 1 < same < larger < 8
