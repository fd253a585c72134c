"""Callbacks that hand the history on: to files, and to stand-ins for other packages."""

import csv
import sys
import types

import numpy as np
import pytest
import theanets
from theanets import callbacks

DATA = [np.random.RandomState(0).randn(10, 3), np.ones(10)]


class Recorder:
    """Stands for a writer, a client, a run, or a trial."""

    def __init__(self):
        self.calls = []

    def add_scalar(self, name, value, step):
        self.calls.append((name, value, step))

    def log_metrics(self, figures, step):
        self.calls.append((figures, step))

    log = log_metrics

    def report(self, value, step):
        self.calls.append((value, step))

    def should_prune(self):
        return len(self.calls) == 2


def train(callback, **options):
    net = theanets.Regressor([3, 1])
    options = {"monitors": {"out:out": [0.5]}, **options}
    net.train(DATA, algo="sgd", learning_rate=0.1, epochs=4, validate_every=2, callbacks=callback, **options)
    return net.history


def test_a_table_has_all_rows(tmp_path):
    history = train(callbacks.CSV(tmp_path / "h.csv"))
    with open(tmp_path / "h.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["train_loss"]) for row in rows] == history["train_loss"]
    assert [row["valid_loss"] for row in rows] == ["" if v is None else str(v) for v in history["valid_loss"]]


def test_trackers_get_the_figures_of_each_epoch():
    board, client, run = Recorder(), Recorder(), Recorder()
    history = train([callbacks.TensorBoard(board), callbacks.MLflow(client), callbacks.WandB(run)])
    assert [step for _, step in run.calls] == [step for _, step in client.calls] == [1, 2, 3, 4]
    assert run.calls[1][0] == callbacks.figures(history[1]) and "valid_loss" not in run.calls[0][0]
    assert "train_out_out_0.5" in client.calls[0][0] and "train_out:out<0.5" in run.calls[0][0]
    assert ("loss/train", history["train_loss"][0], 1) in board.calls
    assert ("loss/valid", history["valid_loss"][3], 4) in board.calls


def test_trials_without_promise_end(monkeypatch):
    class TrialPruned(Exception):
        pass

    monkeypatch.setitem(sys.modules, "optuna", types.SimpleNamespace(TrialPruned=TrialPruned))
    trial = Recorder()
    with pytest.raises(TrialPruned, match="epoch 4"):
        train(callbacks.OptunaPruning(trial))
    assert [step for _, step in trial.calls] == [2, 4]
    with pytest.raises(KeyError, match="valid_acc"):
        train(callbacks.OptunaPruning(trial, "valid_acc"))


def test_a_package_that_is_missing_is_named(monkeypatch):
    for name in ("torch.utils.tensorboard", "tensorboardX", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="tensorboardX"):
        callbacks.TensorBoard("runs")
    with pytest.raises(ImportError, match="mlflow"):
        callbacks.MLflow()


def test_a_table_without_a_folder_is_refused_at_once(tmp_path):
    with pytest.raises(theanets.util.ConfigurationError, match="there is no folder"):
        callbacks.CSV(tmp_path / "nowhere" / "history.csv")
