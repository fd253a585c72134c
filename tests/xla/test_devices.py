"""What XLA is told about the device that it compiles for."""

import json

import jax
import jaxlib
import numpy as np
import pytest
import theano
import theano.tensor as TT
from theanets.xla import devices, trials
from theano.tensor.nnet import conv2d

#: One that every release has.
OPTION = {"xla_cpu_enable_fast_math": False}


@pytest.fixture
def chosen(monkeypatch):
    """The options of XLA for all that is compiled, as a list."""
    found = []
    compiled = devices.compiled

    def watched(function, choices=None, **options):
        found.append(choices)
        return compiled(function, choices, **options)

    monkeypatch.setattr(devices, "compiled", watched)
    return found


@pytest.fixture
def survey(monkeypatch, tmp_path):
    """Write what a survey found, for a release of jaxlib and a kind of processor."""
    monkeypatch.setattr(devices, "SURVEYED", tmp_path / "surveyed.json")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    # options are for CPUs.
    cpu = jax.devices("cpu")
    monkeypatch.setattr(jax, "devices", lambda *_: cpu)

    def write(release, machine, options=OPTION, failed=()):
        sections = dict(products=dict(compiled=3, failed=list(failed), seconds=1))
        found = {release: {machine: dict(date="2000-01-01", sets=dict(NAME=dict(options=options, sections=sections)))}}
        devices.SURVEYED.write_text(json.dumps(found))
        devices.surveyed.cache_clear()

    devices.surveyed.cache_clear()
    yield write
    devices.surveyed.cache_clear()


def is_tried(choices=OPTION):
    return isinstance(devices.compiled(lambda x: x + 1, choices), trials.Tried)


def test_options_are_for_what_was_surveyed(survey, monkeypatch):
    machine = devices.platform.machine()
    assert not is_tried()
    for release in ("0.0.1", jaxlib.__version__):
        survey(release, machine)
        assert is_tried() == (release == jaxlib.__version__)
    assert not is_tried(None) and not is_tried({**OPTION, "xla_cpu_multi_thread_eigen": False})
    assert devices.compiled(lambda x: x + 1, {"xla_other": ""})(1) == 2
    survey(jaxlib.__version__, machine, failed=[["flat", "float32", 20, 16, 14, True, False, "no end"]])
    assert not is_tried()
    survey(jaxlib.__version__, "abacus")
    assert not is_tried()
    survey(jaxlib.__version__, machine)
    assert is_tried()
    # what the user tells XLA was not surveyed, and the two together could be the pair that does not end.
    for flags, expected in [
        ("--xla_cpu_multi_thread_eigen=false", False),
        ("--xla_force_host_platform_device_count=2 --xla_cpu_max_isa=AVX", False),
        ("--xla_force_host_platform_device_count=2", True),
    ]:
        monkeypatch.setenv("XLA_FLAGS", flags)
        assert is_tried() == expected


def test_the_survey_has_the_options_in_use():
    releases = json.loads(devices.SURVEYED.read_text())
    for machines in releases.values():
        for found in machines.values():
            for name, item in found["sets"].items():
                assert item["options"] == getattr(devices, name)
                assert set(item["sections"]) == {"products", "doubles", "loops", "epochs", "convolutions"}
                for section in item["sections"].values():
                    assert section["failed"] == [] and section["compiled"] > 0
                # each of m, k and n from 1 to 40; for vectors there are fewer transpositions.
                assert item["sections"]["products"]["compiled"] > 4 * 39**3


def test_only_convolutions_have_options_of_their_own(chosen):
    x, image, kernel = TT.matrix(), TT.tensor4(), TT.tensor4()
    sums = theano.scan(lambda row, total: total + row.sum(), sequences=x, outputs_info=TT.zeros(()))[0]
    matrix, filters = np.ones((3, 3), theano.config.floatX), np.ones((1, 1, 2, 2), theano.config.floatX)
    theano.function([x], TT.dot(x, x), mode="XLA")(matrix)
    theano.function([image, kernel], conv2d(image, kernel), mode="XLA")(matrix[None, None], filters)
    theano.function([x], sums, mode="XLA")(matrix)
    assert chosen == [None, devices.EIGEN, None]
