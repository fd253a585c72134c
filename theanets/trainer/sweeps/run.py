"""The function :func:`theanets.sweep`: trains a network for each point of a grid, and for each fold of the data."""

import itertools
import logging
from typing import Any

from ... import logs, util
from .. import progress as bars
from ..session import INTERRUPTED
from . import folds as folding
from . import grid as grids
from . import member as members
from . import pool
from .rates import AUTO
from .records import Records
from .result import Sweep

__all__ = ["sweep"]


def sweep(
    build: Any,
    train: Any,
    valid: Any = None,
    *,
    grid: Any = None,
    folds: Any = None,
    jobs: Any = None,
    checkpoint: Any = None,
    checkpoint_every: float | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Sweep:
    """Train many networks: one for each point of a grid of settings, and for each fold of the data.

    Each of them is what ``build(...)`` and its ``train(train, valid, ...)`` with the same settings give, to the last
    bit. Networks of one structure share what is compiled. An error in one of them, or a loss that is not a number,
    is told in its row of the table, and does not end the others. Ctrl-C ends the sweep; what is done is returned.

    Parameters
    ----------
    build : callable
        Returns a new network. It is called with those settings that it asks for by the names of its arguments, such as
        ``lambda rng, size=16: theanets.Autoencoder([64, size, 64], rng=rng)``. ``rng`` is the seed, 13 unless there is
        one in the grid.
    train, valid : data
        As for :meth:`theanets.Network.itertrain`.
    grid : dict or list of dict, optional
        Lists of values by name, of which all combinations are made; or the settings of each member. What ``build`` does
        not ask for goes to ``train``: rates, weights of regularizers, dropout, the algorithm, sizes of batches...
        Default: a single member.
    folds : int, list of pairs or splitter, optional
        For cross-validation each member is trained once for each fold, and validated on what is left of ``train``. A
        number of folds (rows are dealt out at random, always in the same way, and labels in proportion); pairs of
        indices, to train on and to validate on; or an object with a method ``split``, as scikit-learn has them.
        Default: none.
    jobs : int, str or joblib context, optional
        How many are trained at a time, each by a thread of its own. ``'joblib'``, or
        ``joblib.parallel_config(backend='dask')`` and the like, hands them to joblib and its workers, maybe on other
        machines. Default: by an active ``joblib.parallel_config``, if there is one; on a CPU a thread for each core;
        one at a time on a GPU, where Theano's own modes compute, or where a function makes the batches.
    checkpoint : str or pathlib.Path, optional
        A folder for results, and for the states of networks that are being trained. A sweep with the same folder takes
        from it what is there, and trains the rest. Networks whose function, settings and data are the same are found,
        whatever else is in the grid. Default: none.
    checkpoint_every : int or float, optional
        Write states after so many epochs (int) or minutes (float). Default 1.0: each minute.
    progress : bool, optional
        Whether to show a bar. Default: where somebody watches, if it takes more than a second.
    **options
        Arguments of ``train`` (or of ``build``) that all members have in common, such as ``algo`` and ``epochs``.

    Returns
    -------
    result : :class:`theanets.trainer.sweeps.Sweep`
        A table (``result.to_frame()``), the networks (``result.best``, ``result.networks``), and ensembles of them
        (``result.ensemble().predict(x)``).

    Raises
    ------
    ConfigurationError
        For a grid, folds, jobs or a checkpoint that cannot be used, and for keys that neither ``build`` nor ``train``
        knows, before anything is trained; and if all members have failed, the error of the first.

    Examples
    --------
    >>> import numpy as np
    >>> import theanets
    >>> x = np.random.RandomState(0).randn(40, 4)
    >>> result = theanets.sweep(
    ...     lambda rng, size: theanets.Autoencoder([4, size, 4], rng=rng),
    ...     [x[:30]],
    ...     [x[30:]],
    ...     grid=dict(size=[1, 3], rng=range(2)),
    ...     algo="adam", learning_rate=0.1, epochs=20,
    ... )
    >>> len(result), result.best_settings["size"]
    (4, 3)
    >>> result.ensemble(2).predict(x).shape
    (40, 4)
    """
    builder = grids.Builder(build)
    points = grids.read(grid)
    axis = options.get("axis") or 0
    if folds is not None and valid is not None:
        raise util.ConfigurationError("folds= and valid=: each fold validates on its own part of the data; give one")
    rows = [None] if folds is None else folding.read(folds, train, axis)
    settings = [{**options, **point} for point in points]
    for one in settings:
        builder.check(one)
    how, reason = pool.choose(jobs, [one.get("devices") for one in settings])
    for data in (train, valid):
        folding.refuse_iterators(data, "a sweep")
    if jobs is None and isinstance(how, int) and not (folding.are_arrays(train) and folding.are_arrays(valid)):
        how, reason = 1, "one after the other, as a function makes the batches"
    records = None if checkpoint is None else Records(checkpoint, build, train, valid, checkpoint_every)
    plan = members.Plan(builder, train, valid, axis, records)
    cases = list(itertools.product(range(len(points)), range(len(rows))))
    tasks = [members.Task(i, settings[k], rows[fold]) for i, (k, fold) in enumerate(cases)]
    _refuse_shared_files(tasks)
    _check(plan, tasks)
    found = [members.Member(task.index, error=INTERRUPTED.words) for task in tasks]
    if records is not None:
        _name(tasks, records)
    total = util.number_of(len(tasks), "member")
    util.log(f"sweep of {total}: {reason}")

    def done(member):
        found[member.index] = member
        bar.advance(_words(found))
        return member.is_interrupted

    with bars.counted("sweep", "member", len(tasks), progress) as bar:
        interrupted = pool.run(members.Training(plan), _in_order(tasks, builder), how, done)
    for member, (k, fold) in zip(found, cases):
        member.settings, member.fold = points[k], None if folds is None else fold
    return _finished(Sweep(found, interrupted))


def _refuse_shared_files(tasks):
    """Raise an error if several members would write to the same file."""
    for name in ("save_best", "save_progress"):
        paths = [str(task.settings[name]) for task in tasks if task.settings.get(name) is not None]
        if len(set(paths)) < len(paths):
            raise util.ConfigurationError(
                f"{name}={max(paths, key=paths.count)!r}: several members of the sweep would write to this file; leave "
                "it out, and save what comes of it, as in result.best.save(path)"
            )


def _check(plan, tasks):
    """Raise an error for data, and for names of arguments, that no member can be trained with.

    Other errors are those of single members, which their rows tell.
    """
    known = set()
    for task in tasks:
        own, options = plan.build.split(task.settings)
        # the first member, and others only for names that have not been there yet.
        if not known or set(options) - known:
            known |= {"", *options}
            with logs.at(logging.WARNING):
                if isinstance(options.get("learning_rate"), str) and options["learning_rate"] == AUTO:
                    # the test of rates is for the members themselves.
                    del options["learning_rate"]
                try:
                    # it checks arguments and data before it begins.
                    plan.build(own).itertrain(*task.data(plan), progress=False, **options).close()
                except (util.ArgumentError, util.DataError, grids.NoNetwork):
                    raise
                except Exception:
                    continue


def _name(tasks, records):
    names = set()
    for task in tasks:
        task.name = records.name(task.settings, task.rows)
        # the same settings twice.
        while task.name in names:
            task.name += "-again"
        names.add(task.name)
    known = sum(records.has(name) for name in names)
    if known:
        util.log(
            f"{util.number_of(known, 'member')} of {len(tasks)} are done already, according to {str(records.path)!r}"
        )


def _in_order(tasks, builder):
    """Return the tasks such that those of one structure come one after the other, as the store is limited."""
    order = {}

    def structure(task):
        own, options = builder.split(task.settings)
        parts = [*own.items(), *((key, value) for key, value in options.items() if not isinstance(value, float))]
        text = repr([part for part in parts if part[0] != "rng"])
        return order.setdefault(text, len(order))

    return sorted(tasks, key=structure)


def _words(found):
    losses = [member.figures()["valid_loss"] for member in found if member.error is None]
    return f"best valid {min(losses):.4g}" if losses else ""


def _finished(result):
    """Log what has come of a sweep; raise an error if there is nothing."""
    failed = [member for member in result if member.error is not None and not member.is_interrupted]
    if result.interrupted:
        done = sum(member.error is None for member in result)
        util.log(f"sweep interrupted from the keyboard; {util.number_of(done, 'member')} of {len(result)} are done")
    if failed and all(member.network is None for member in result) and len(failed) == len(result):
        words = f"all {util.number_of(len(result), 'member')} of the sweep failed; the first one: {failed[0].error}"
        raise util.ConfigurationError(words) from failed[0].exception
    if failed:
        util.log(
            f"{len(failed)} of {util.number_of(len(result), 'member')} have no result; one of them: {failed[0].error}"
        )
    return result
