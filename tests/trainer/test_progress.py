"""A bar is shown where somebody watches, and nowhere else."""

import gc
import sys

import numpy as np
import pytest
import theanets
from theanets import logs, util
from theanets.trainer import progress

DATA = [np.eye(4), np.ones((4, 1))]


class Terminal:
    """Something that calls itself a terminal, and keeps what is written to it."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        """Do nothing."""

    def isatty(self):
        return True


def train(**kwargs):
    return theanets.Regressor([4, 1]).train(DATA, algo="sgd", learning_rate=0.1, epochs=3, **kwargs)


def test_logs_have_no_bar(capsys):
    train()
    assert "training:" not in capsys.readouterr().err


def test_a_bar_names_losses_and_epochs_and_leaves_the_log_alone(capsys):
    train(progress=True)
    captured = capsys.readouterr()
    assert "training:" in captured.err
    assert "3/3" in captured.err
    assert "loss" in captured.err
    assert "evaluated" in captured.err
    assert "valid" not in captured.err
    assert "training:" not in captured.out
    assert logs.ConsoleHandler.beside is None


@pytest.mark.parametrize(
    "yielded", [{"loss": 0.25}, ({"loss": 0.25, "rows": np.ones(3), "name": "x"}, None), ({"loss": 0.25}, {}), 7, None]
)
def test_a_bar_takes_what_other_trainers_yield(yielded, capsys):
    class Mine:
        def itertrain(self, train, valid, **kwargs):
            yield yielded

    net = theanets.Regressor([4, 1])
    assert list(net.itertrain(DATA, algo=Mine(), progress=False)) == [yielded]
    assert list(net.itertrain(DATA, algo=Mine(), progress=True)) == [yielded]
    assert ("loss 0.25" in capsys.readouterr().err) == (yielded not in (7, None))


def test_a_terminal_has_a_bar_only_for_long_work(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    train()
    assert "loss" not in terminal.text
    monkeypatch.setattr(progress, "DELAY", 0.0)
    train()
    assert "loss" in terminal.text
    before = terminal.text
    train(progress=False)
    assert terminal.text == before


def test_a_bar_ends_with_the_loop(capsys):
    net = theanets.Regressor([4, 1])
    for _ in net.itertrain(DATA, algo="sgd", learning_rate=0.1, progress=True):
        break
    gc.collect()
    assert logs.ConsoleHandler.beside is None


def test_monitors_in_words():
    words = progress._words(({"loss": 1.23456, "err": 1.0, "acc": 0.5, "hid1:out<0.1": 0.25}, {"loss": 2.0}))
    assert words == "loss 1.235, acc 0.5, valid 2, hid1:out<0.1 0.25"


def test_a_bar_moves_within_epochs_and_says_what_is_done(monkeypatch):
    """Its thread is told to stand still, so that each picture is one that the test has asked for."""
    monkeypatch.setattr(progress, "INTERVAL", 60.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    clock = iter(np.arange(100.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    bar = progress.Bar([None] * 2, 4, 0.0)  # began at 0 s, after two epochs of an earlier run
    clock = iter([10.0, 30.0])
    bar.compiles(True)
    bar.compiles(False)
    assert bar.compiled == 20
    bar.does("training")
    bar.does("training", 16, 64)
    clock = iter([45.0, 45.0])
    bar._draw()
    # a quarter of an epoch in 45 - 20 seconds.
    assert "training:  56%" in terminal.text and "2.25/4" in terminal.text and "100.00s/epoch" in terminal.text
    clock = iter([50.0, 51.0, 52.0])
    bar.compiles(True)
    bar._draw()
    assert "compiling:" in terminal.text
    bar.compiling_since = None
    bar.does("training", 7)
    clock = iter([60.0, 60.0])
    bar._draw()
    assert "training, batch 7:" in terminal.text
    clock = iter([61.0] * 9)
    bar.close("loss 1")
    assert terminal.text.count("\n") == 1 and logs.ConsoleHandler.beside is None


def test_a_training_tells_the_bar_what_it_does(monkeypatch):
    calls = []
    monkeypatch.setattr(progress.Bar, "does", lambda bar, *what: calls.append(what))
    monkeypatch.setattr(progress.Bar, "compiles", lambda bar, is_now: calls.append(is_now))
    options = dict(algo="sgd", learning_rate=0.1, epochs=2, batch_size=2)
    theanets.Regressor([4, 3, 1]).train(DATA, DATA, progress=True, **options)
    assert calls[:2] == [True, False]
    told = [call for call in calls if isinstance(call, tuple)]
    assert told[0] == told[-1] == ("validation", 0, None)
    assert told.count(("training", 0, None)) == told.count(("training", 2, 2)) == 2


def test_progress_must_be_a_choice():
    with pytest.raises(util.ConfigurationError, match="progress='yes'"):
        train(progress="yes")
