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
    assert "valid" in captured.err
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


def test_progress_must_be_a_choice():
    with pytest.raises(util.ConfigurationError, match="progress='yes'"):
        train(progress="yes")
