"""The survey of XLA's options misses nothing, and finds what cannot be compiled."""

import json
import random

import jaxlib
import pytest
from theanets.xla import devices
from theanets.xla.limits import Limits, Refused, Unavailable

from benchmarks import survey

SMALL = Limits(seconds=4, size=1 << 30)


class Picky:
    """Compiles whatever does not have certain cases in it."""

    def __init__(self, *bad):
        self.bad, self.calls = bad, 0

    def run(self, name, job, limits, file):
        self.calls += 1
        if any(case in job["cases"] for case in self.bad):
            raise Refused("no end")
        return dict(found=None, seconds=1.0)


def test_all_small_products_are_there():
    found = {tuple(case) for case in survey.small_products(5)}
    sizes = range(1, 6)
    for m, k, n in ((m, k, n) for m in sizes for k in sizes for n in sizes):
        for left, right in ((a, b) for a in (False, True) for b in (False, True)):
            # a vector that is transposed is the same vector.
            left, right = left and min(m, k) > 1, right and min(k, n) > 1
            assert (m, k, n, left, right) in found
    assert survey.SMALL == 40 and {63, 64, 65, 127, 128, 129} <= set(survey.WIDE)
    names = [name for name, _ in survey.sections(random.Random(survey.SEED))]
    assert names == ["products", "doubles", "loops", "epochs", "convolutions"]


def test_groups_leave_nothing_out():
    (name, groups), *_ = survey.sections(random.Random(survey.SEED))
    assert name == "products"
    cases = [tuple(case) for *_, cases in groups for case in cases]
    assert len(cases) == len(set(cases)) == len(survey.small_products()) + len(survey.wide_products())


@pytest.mark.parametrize("bad", [[], [0], [6], [1, 2, 6]])
def test_what_fails_is_found_in_the_halves(bad):
    process = Picky(*bad)
    failed, seconds = survey.failures(process, None, "flat", "float32", list(range(7)), {})
    assert failed == [(case, "no end") for case in bad]
    assert process.calls <= 1 + 6 * len(bad)


def test_what_something_else_ends_is_tried_again(monkeypatch):
    process, left = Picky(), [Unavailable("killed")] * 3
    run = process.run

    def interrupted(*args, **kwargs):
        if left:
            raise left.pop()
        return run(*args, **kwargs)

    monkeypatch.setattr(process, "run", interrupted)
    assert survey.failures(process, None, "flat", "float32", [1], {}) == ([], 1.0)
    left += [Unavailable("killed")] * 100
    with pytest.raises(Unavailable):
        survey.failures(process, None, "flat", "float32", [1], {})


def test_a_survey_that_was_interrupted_goes_on(tmp_path):
    path, jobs = tmp_path / "part", [["flat", [[1, 2, 3]]], ["flat", [[1, 2, 4]]]]
    found = [[[], 1.5], [[[[1, 2, 4], "no end"]], 0.0]]
    for given, expected in zip(jobs, found):
        assert survey.Journal(path).compiled(given, lambda: expected) == expected  # noqa: B023
    journal = survey.Journal(path)
    assert [journal.compiled(job, None) for job in jobs] == found
    assert survey.Journal().compiled(jobs[0], lambda: found[1]) == found[1]


def test_a_pair_of_options_that_does_not_end_is_found():
    pair = {**devices.EIGEN, "xla_cpu_multi_thread_eigen": False}
    cases = [[20, 16, 3, True, False], [20, 16, 14, True, False]]
    chosen = [("products", [("flat", "float32", 400, cases)])]
    found = survey.survey(pair, chosen, SMALL, say=lambda line: None)["products"]
    # with some releases of XLA and on some processors only, the compiler takes memory without end.
    assert [failed[:-1] for failed in found["failed"]] in ([], [["flat", "float32", *cases[1]]])
    assert found["compiled"] + len(found["failed"]) == 2


@pytest.mark.parametrize("function", sorted(survey.BUILDERS))
def test_each_kind_of_thing_is_compiled(function, monkeypatch):
    # what is compiled computes something.
    import jax

    cases = dict(
        flat=[2, 3, 4, True, True],
        looped=[2, 3, 4, True, False],
        epoch=[5, 2, 3, 4, 3],
        convolution=[2, 3, 4, 5, 3, 2, "SAME"],
        convolution_epoch=[2, 3, 4, 5, 3, 1, "VALID"],
    )
    run, shapes = survey.BUILDERS[function](jax, "float32", *cases[function])
    results = jax.tree.leaves(jax.jit(run)(*[0.7 * jax.numpy.ones(shape, "float32") for shape in shapes]))
    assert all(bool(jax.numpy.isfinite(result).all()) for result in results)
    assert any(result.size > 1 and float(abs(result).max()) > 0 for result in results)


def test_the_result_is_put_beside_those_of_other_releases(tmp_path):
    path = tmp_path / "surveyed.json"
    path.write_text(json.dumps({"0.0.1": {"abacus": "kept"}}))
    survey.record(path, dict(EIGEN=dict(options=devices.EIGEN, sections={})))
    found = json.loads(path.read_text())
    assert found["0.0.1"] == {"abacus": "kept"}
    [(machine, item)] = found[jaxlib.__version__].items()
    assert machine and item["sets"]["EIGEN"]["options"] == devices.EIGEN
