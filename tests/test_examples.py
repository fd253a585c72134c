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


def run(code, folder, **environment):
    """Run Python code in a process of its own, in a folder outside the checkout, and return what it prints."""
    environment = {**ENVIRONMENT, **environment}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


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


def test_small_filters_beat_a_dense_layer(tmp_path):
    output = run(
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
def test_recurrent_examples_print_what_they_return(tmp_path, name, arguments, expected):
    output = run(f"import {name} as it; print('returned', type(it.main({arguments})).__name__)", tmp_path)
    assert expected in output
    assert output.splitlines()[-1] == "returned dict"


def test_one_step_at_a_time_makes_no_difference(tmp_path):
    output = run("import sinusoid as it; print(it.main(steps=6, hidden=4, epochs=1)['difference'] < 1e-5)", tmp_path)
    assert "one step at a time: a difference of at most" in output
    assert output.splitlines()[-1] == "True"


def returned(name, arguments, folder, mode="XLA"):
    """Run an example, small, and return its output and what its main function returns."""
    # noise and many small epochs take long in Python.
    code = f"import {name} as it, json; print(json.dumps(it.main({arguments})))"
    output = run(code, folder, THEANETS_MODE=mode)
    return output, json.loads(output.splitlines()[-1])


def test_hidden_units_solve_the_exclusive_or(tmp_path):
    _, (without, with_hidden) = returned("xor_classifier", "hidden=6, epochs=30", tmp_path)
    assert without < 0.8 < 0.9 < with_hidden
    assert (tmp_path / "xor_classifier.png").stat().st_size > 10_000


def test_linear_autoencoders_find_principal_and_independent_components(tmp_path):
    _, numbers = returned("pca_and_ica", "epochs=40", tmp_path)
    assert numbers["pca"] >= numbers["network"] > numbers["pca"] - 0.01
    assert numbers["angle"] < 5
    assert numbers["match"] > numbers["pca_match"] + 0.1
    assert (tmp_path / "pca_and_ica.png").stat().st_size > 10_000


def test_training_with_noise_removes_noise(tmp_path):
    _, errors = returned("denoising_autoencoder", "hidden=64, epochs=15", tmp_path)
    assert errors["denoising"] < errors["plain"] < errors["noisy"]
    assert (tmp_path / "denoising_autoencoder.png").stat().st_size > 10_000


def test_weights_balance_classes_and_fill_gaps(tmp_path):
    output, numbers = returned("weighted_classification", "epochs=15", tmp_path)
    assert numbers["rare"]["weighted"] > numbers["rare"]["unweighted"]
    assert numbers["weights"] > 0.7 > numbers["zeros"]
    assert "mean recall of all classes" in output


def test_predictions_differ_where_there_were_no_data(tmp_path):
    _, numbers = returned("uncertainty", "hidden=40, epochs=60, samples=30", tmp_path)
    assert numbers["outside"] > numbers["inside"] > 0
    assert (tmp_path / "uncertainty.png").stat().st_size > 10_000


def test_deep_networks_are_trained_in_three_ways(tmp_path):
    _, shares = returned("digits_deep_classifier", "hidden=(30, 20), epochs=15", tmp_path)
    assert len(shares) == 3
    assert min(shares) > 0.5
    assert (tmp_path / "digits_deep_classifier.png").stat().st_size > 10_000


def test_networks_are_parts_of_pipelines(tmp_path):
    # many small networks, of which each would be compiled.
    arguments = "epochs=5, folds=2, count=400, hidden=((8,), (24,))"
    _, numbers = returned("sklearn_pipeline", arguments, tmp_path, mode="FAST_COMPILE")
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
