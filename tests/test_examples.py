"""The examples run, small, and do what their docstrings promise."""

import json
import os
import pathlib
import subprocess
import sys

import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).parent.parent

# Without a compiler an example starts at once.
ENVIRONMENT = {
    **os.environ,
    "THEANO_FLAGS": "mode=FAST_COMPILE,cxx=",
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "examples")]),
    "PYTHONDONTWRITEBYTECODE": "1",
}


def run(code, folder):
    """Run Python code in a process of its own, in a folder outside the checkout, and return what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


#: Runs pieces of code, each in a child of a process that has imported what they all need, which takes seconds.
SERVER = """
import json, os, signal, sys, traceback
import matplotlib.figure, sklearn.datasets, sklearn.decomposition, sklearn.model_selection, theanets

for line in sys.stdin:
    code, folder, mode = json.loads(line)
    child = os.fork()
    if not child:
        signal.alarm(600)
        os.chdir(folder)
        if mode is not None:
            os.environ["THEANETS_MODE"] = mode
        for name, number in (("output", 1), ("errors", 2)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
        status = 0
        try:
            exec(code, {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def forked():
    """A function as :func:`run`, which takes less time; its processes write to the files "output" and "errors"."""
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    with subprocess.Popen([sys.executable, "-c", SERVER], **pipes) as server:

        def run(code, folder, mode=None):
            print(json.dumps([code, str(folder), mode]), file=server.stdin, flush=True)
            assert server.stdout.readline() == "0\n", (folder / "errors").read_text(encoding="utf-8")
            return (folder / "output").read_text(encoding="utf-8")

        yield run


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Folder, output and numbers of a small run of the digits example."""
    folder = tmp_path_factory.mktemp("digits")
    arguments = "picture='small.png', hidden=(32,), code=4, epochs=15"
    output = run(f"import digits_autoencoder as it, json; print(json.dumps(it.main({arguments})))", folder)
    return folder, output, json.loads(output.splitlines()[-1])


def test_digits_beats_pca_even_when_small(digits):
    numbers = digits[2]
    assert numbers["r2"] > numbers["pca_r2"] > 0.6
    assert numbers["error"] < numbers["pca_error"]


def test_digits_loads_the_same_network_in_a_second_process(digits):
    folder, output, numbers = digits
    assert numbers["identical"] is True
    assert (folder / "small.pkl.gz").stat().st_size > 0
    assert "a second process loads it and predicts the same" in output


def test_digits_prints_what_it_returns(digits):
    _, output, numbers = digits
    assert f"network: R2 {numbers['r2']:.3f}, mean squared error {numbers['error']:.4f}" in output
    assert f"PCA:     R2 {numbers['pca_r2']:.3f}, mean squared error {numbers['pca_error']:.4f}" in output


def test_digits_logs_its_progress(digits):
    lines = [line for line in digits[1].splitlines() if "loss" in line]
    assert len(lines) >= 15


def test_digits_draws_a_picture(digits):
    picture = (digits[0] / "small.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_every_example_says_what_it_shows():
    for path in (ROOT / "examples").glob("*.py"):
        module = path.read_text(encoding="utf-8")
        assert module.startswith('"""'), path.name
        assert 'if __name__ == "__main__":' in module, path.name


def test_small_filters_beat_a_dense_layer(forked, tmp_path):
    output = forked(
        "import digits_convolution as it, json; print(json.dumps(it.main(filters=(4, 8), epochs=5)))", tmp_path
    )
    numbers = json.loads(output.splitlines()[-1])
    assert numbers["convolutional"]["right"] > numbers["dense"]["right"] > 450
    assert abs(numbers["convolutional"]["params"] - numbers["dense"]["params"]) < 75
    assert f"convolutional {numbers['convolutional']['params']:11d}" in output


def test_a_sweep_finds_settings_and_makes_an_ensemble(tmp_path):
    output = run(
        "import sweep_and_ensemble as it, json; "
        "print(json.dumps(it.main(epochs=4, folds=2, members=3, sizes=(8, 24))))",
        tmp_path,
    )
    numbers = json.loads(output.splitlines()[-1])
    assert numbers["size"] == 24 and numbers["together"] >= numbers["one"] - 0.01
    assert numbers["together"] > 0.8 and numbers["spread"] > 1
    assert f"3 together: {numbers['together']:.3f} right" in output


@pytest.mark.parametrize(
    "name, arguments, expected",
    [
        ("recurrent_memory", "steps=6, epochs=3", "lstm:"),
        ("recurrent_addition", "steps=6, longer=10, epochs=1", "rows of 6 to 10 numbers"),
        ("text_sampling", "steps=15, batch_size=16, hidden=32, epochs=1, length=60", "words that are in the book"),
    ],
)
def test_recurrent_examples_print_what_they_return(forked, tmp_path, name, arguments, expected):
    output = forked(f"import {name} as it; print('returned', type(it.main({arguments})).__name__)", tmp_path)
    assert expected in output
    assert output.splitlines()[-1] == "returned dict"


def test_one_step_at_a_time_makes_no_difference(forked, tmp_path):
    code = "import sinusoid as it; print(it.main(steps=6, hidden=4, epochs=1)['difference'] < 1e-5)"
    output = forked(code, tmp_path)
    assert "one step at a time: a difference of at most" in output
    assert output.splitlines()[-1] == "True"


@pytest.fixture
def returned(forked, tmp_path):
    """A function that runs an example, small, and returns its output and what its main function returns."""

    def run(name, arguments, mode="XLA"):
        # noise and many small epochs take long in Python.
        output = forked(f"import {name} as it, json; print(json.dumps(it.main({arguments})))", tmp_path, mode)
        return output, json.loads(output.splitlines()[-1])

    return run


def test_hidden_units_solve_the_exclusive_or(returned, tmp_path):
    _, (without, with_hidden) = returned("xor_classifier", "hidden=6, epochs=30")
    assert without < 0.8 < 0.9 < with_hidden
    assert (tmp_path / "xor_classifier.png").stat().st_size > 10_000


def test_linear_autoencoders_find_principal_and_independent_components(returned, tmp_path):
    _, numbers = returned("pca_and_ica", "epochs=40")
    assert numbers["pca"] >= numbers["network"] > numbers["pca"] - 0.01
    assert numbers["angle"] < 5
    assert numbers["match"] > numbers["pca_match"] + 0.1
    assert (tmp_path / "pca_and_ica.png").stat().st_size > 10_000


def test_training_with_noise_removes_noise(returned, tmp_path):
    _, errors = returned("denoising_autoencoder", "hidden=64, epochs=15")
    assert errors["denoising"] < errors["plain"] < errors["noisy"]
    assert (tmp_path / "denoising_autoencoder.png").stat().st_size > 10_000


def test_autoencoders_of_every_kind_redraw_digits(returned, tmp_path):
    _, errors = returned("autoencoders", "epochs=8")
    assert set(errors) == {"plain", "sparse", "denoising", "contractive", "variational"}
    # 0.071 is the error of the mean digit; the one that learned to remove noise does it best.
    assert all(clean < 0.071 for clean, _ in errors.values())
    assert errors["denoising"][1] == min(noisy for _, noisy in errors.values())
    assert (tmp_path / "autoencoders.png").stat().st_size > 10_000


def test_weights_balance_classes_and_fill_gaps(returned):
    output, numbers = returned("weighted_classification", "epochs=15")
    assert numbers["rare"]["weighted"] > numbers["rare"]["unweighted"]
    assert numbers["weights"] > 0.7 > numbers["zeros"]
    assert "mean recall of all classes" in output


def test_predictions_differ_where_there_were_no_data(returned, tmp_path):
    _, numbers = returned("uncertainty", "hidden=40, epochs=60, samples=30")
    assert numbers["outside"] > numbers["inside"] > 0
    assert (tmp_path / "uncertainty.png").stat().st_size > 10_000


def test_deep_networks_are_trained_in_three_ways(returned, tmp_path):
    _, shares = returned("digits_deep_classifier", "hidden=(30, 20), epochs=15")
    assert len(shares) == 3
    assert min(shares) > 0.5
    assert (tmp_path / "digits_deep_classifier.png").stat().st_size > 10_000


def test_networks_are_parts_of_pipelines(returned):
    # many small networks, of which each would be compiled.
    arguments = "epochs=5, folds=2, count=400, hidden=((8,), (24,))"
    _, numbers = returned("sklearn_pipeline", arguments, mode="FAST_COMPILE")
    assert numbers["cross_validation"] > 0.7
    assert numbers["search"] > 0.7
    assert numbers["coded"] > 0.5


@pytest.mark.parametrize("name", ["quickstart", "inside_a_network"])
def test_notebooks_run(name, tmp_path, monkeypatch):
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    notebook = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # they are made when it is run
    resources = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    kinds = {kind for cell in notebook.cells for output in cell.get("outputs", ()) for kind in output.get("data", ())}
    assert {"text/html", "image/svg+xml"} <= kinds
