"""Small networks of all shapes are compiled, in little time and memory."""

import pathlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from theanets.xla.limits import Limited, Limits

JOBS = pathlib.Path(__file__).with_name("jobs.py")


@pytest.fixture(scope="module")
def process():
    process = Limited()
    yield process
    process.close()


# the pocket in which a pair of options once let XLA's compiler grow without end.
layer = st.integers(12, 21)


@settings(deadline=None, max_examples=4)
@example("Autoencoder", 14, 20, 0, 48, "rmsprop")
@given(
    st.sampled_from(["Autoencoder", "Classifier", "Regressor"]),
    layer,
    layer,
    layer,
    st.sampled_from([47, 48, 49, 32 + 64]),
    st.sampled_from(["sgd", "rmsprop"]),
)
def test_small_networks_are_trained(process, kind, inputs, hidden, outputs, rows, algo):
    sizes = [inputs, hidden, inputs if kind == "Autoencoder" else outputs]
    # batches of 32 and a short one of 15 to 17; or of 16.
    arguments = dict(kind=kind, sizes=sizes, rows=rows, batch=16 if rows == 96 else 32, algo=algo)
    # time of processors, and memory beyond what importing everything takes.
    found = process.run("train", arguments, limits=Limits(seconds=60, size=3 << 30), file=JOBS)
    assert 0 < found["found"] < 1e3
