"""Callbacks for ``train(callbacks=...)``, which hand the figures of each epoch to files and to other programs.

A callback is a function of the network and its history; these are objects that can be called so. Each works with
whatever has the methods that it calls, so that none of the packages is needed to import this module.

=======================  =================================================================================
:class:`CSV`             a table in a file
:class:`TensorBoard`     a ``SummaryWriter`` of ``torch.utils.tensorboard`` or ``tensorboardX``
:class:`MLflow`          the active run of ``mlflow``
:class:`WandB`           the run of Weights & Biases
:class:`OptunaPruning`   ends trials of ``optuna`` that do not promise much
=======================  =================================================================================
"""

import csv
import importlib
import re

from .. import storage, util

__all__ = ["CSV", "MLflow", "OptunaPruning", "TensorBoard", "WandB", "figures"]


def figures(row):
    """Return the figures of a row of the history that are numbers: monitors, learning rate and seconds.

    Parameters
    ----------
    row : dict
        A row of :class:`theanets.trainer.history.History`.

    Returns
    -------
    figures : dict
        Numbers by name.

    Examples
    --------
    >>> figures({"epoch": 3, "stage": 1, "train_loss": 0.5, "valid_loss": None, "seconds": 2.0, "stopped": None})
    {'train_loss': 0.5, 'seconds': 2.0}
    """
    return {key: value for key, value in row.items() if key not in ("epoch", "stage") and util.is_real(value)}


def _import(names, what):
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(f"{what} needs one of the packages {', '.join(names)}; or give it an object that stands for it")


class CSV:
    """Write the history to a file of comma-separated values, a row for each epoch.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, which is written anew when training begins.

    Raises
    ------
    ConfigurationError
        If there is no folder for the file, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import theanets
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "history.csv"
    >>> net = theanets.Regressor([2, 1])
    >>> last = net.train([np.eye(2), np.ones(2)], epochs=2, callbacks=CSV(path))
    >>> len(path.read_text().splitlines())
    3
    """

    def __init__(self, path):
        try:
            storage.check_target(path)
        except OSError as error:
            raise util.ConfigurationError(f"CSV({str(path)!r}): {error}") from error
        self.path = path
        self.columns = None

    def __call__(self, network, history):
        row = history[-1]
        is_new = len(history) == 1 or self.columns is None or any(key not in self.columns for key in row)
        if is_new:
            self.columns = history.columns
        with open(self.path, "w" if is_new else "a", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, self.columns)
            if is_new:
                writer.writeheader()
            writer.writerows(history[:] if is_new else [row])


class TensorBoard:
    """Add the figures of each epoch to a writer of summaries, as scalars.

    Parameters
    ----------
    writer : str, pathlib.Path or SummaryWriter, optional
        A writer, with a method ``add_scalar(name, value, step)``; or the folder for a new one, of
        ``torch.utils.tensorboard`` or ``tensorboardX``, whichever there is. Default: a new one in its own folder.
    """

    def __init__(self, writer=None):
        if not hasattr(writer, "add_scalar"):
            module = _import(["torch.utils.tensorboard", "tensorboardX"], "TensorBoard")
            writer = module.SummaryWriter() if writer is None else module.SummaryWriter(str(writer))
        self.writer = writer

    def __call__(self, network, history):
        for name, value in figures(history[-1]).items():
            part, _, rest = name.partition("_")
            # charts are grouped by what comes before the slash.
            tag = f"{rest}/{part}" if part in ("train", "valid") else name
            self.writer.add_scalar(tag, value, history[-1]["epoch"])
        if hasattr(self.writer, "flush"):
            self.writer.flush()


class MLflow:
    """Log the figures of each epoch as metrics of a run of MLflow.

    Parameters
    ----------
    client : module or object, optional
        What has the method ``log_metrics(figures, step=)``. Default: the package ``mlflow``, and its active run.
    """

    def __init__(self, client=None):
        self.client = _import(["mlflow"], "MLflow") if client is None else client

    def __call__(self, network, history):
        # other characters are refused in names of metrics.
        named = {re.sub(r"[^\w./ -]", "_", name): value for name, value in figures(history[-1]).items()}
        self.client.log_metrics(named, step=history[-1]["epoch"])


class WandB:
    """Log the figures of each epoch to a run of Weights & Biases.

    Parameters
    ----------
    run : object, optional
        What has the method ``log(figures, step=)``, as ``wandb.init()`` returns it. Default: the package ``wandb``, and
        its current run.
    """

    def __init__(self, run=None):
        self.run = _import(["wandb"], "WandB") if run is None else run

    def __call__(self, network, history):
        self.run.log(figures(history[-1]), step=history[-1]["epoch"])


class OptunaPruning:
    """Report a figure to a trial of Optuna, and end training when the trial should be pruned.

    Parameters
    ----------
    trial : optuna.Trial
        The trial, with the methods ``report(value, step)`` and ``should_prune()``.
    monitor : str, optional
        A column of the history. Epochs in which it has no value are left out. Default ``'valid_loss'``.

    Raises
    ------
    optuna.TrialPruned
        Out of ``train``, for a trial that should be pruned.
    """

    def __init__(self, trial, monitor="valid_loss"):
        self.trial = trial
        self.monitor = monitor

    def __call__(self, network, history):
        if self.monitor not in history.columns:
            raise util.unknown("column of the history", self.monitor, history.columns)
        value = history[-1].get(self.monitor)
        if value is None:
            return
        self.trial.report(value, history[-1]["epoch"])
        if self.trial.should_prune():
            raise _import(["optuna"], "OptunaPruning").TrialPruned(f"pruned after epoch {history[-1]['epoch']}")
