"""Checkpoints: the complete state of a training, to resume it as if it had not been interrupted.

A checkpoint is an archive (:mod:`theanets.storage.archive`) with the state of the training as a section, so that it can
also be loaded as a network. A network that an archive cannot describe, such as one with a lambda as its loss, is left
out; training can go on all the same.
"""

import contextlib
import json
import os
import pathlib
import tempfile
import time
from collections import OrderedDict

import numpy as np

from .. import storage, util
from ..data.batches import Ordered, inner_dataset
from ..storage import archive, objects
from ..xla import processes
from . import identity as identities
from . import states
from .compiled import updated
from .options import RANGES

__all__ = ["Checkpoint"]

#: Arguments that decide when training is done.
SETTINGS = ("epochs", "max_updates", "patience", "validate_every", "min_improvement")


# -- parts of the state -----------------------------------------------------------------------------------------------


def _rng_state(rng):
    return rng.get_state(legacy=False) if isinstance(rng, np.random.RandomState) else None


def _callable_of(dataset):
    """Return the callable that makes the batches, as the user gave it."""
    return getattr(dataset._callable, "make", dataset._callable)


def _starts(dataset):
    axis = next((i for i, item in enumerate(dataset._slices[0][0]) if item != slice(None)), 0)
    return [where[0][axis].start for where in dataset._slices]


def _dataset_state(dataset):
    dataset = inner_dataset(dataset)
    if dataset is None:
        return {}
    state = {"rng": _rng_state(dataset.rng)}
    if dataset._callable is not None:
        state["callable"] = _rng_state(getattr(_callable_of(dataset), "rng", None))
    else:
        state.update(index=dataset._index, order=np.array(_starts(dataset)), rows=getattr(dataset, "order", None))
    return state


def _is_ordered(dataset):
    while dataset is not None and not isinstance(dataset, Ordered):
        dataset = getattr(dataset, "dataset", None)
    return dataset is not None


def _restore_dataset(given, state):
    """Restore the state of a dataset; if its batches differ, their order is drawn from the restored generator."""
    dataset = inner_dataset(given)
    if dataset is None or not state:
        return
    if state["rng"] is not None:
        _set_state(dataset.rng, state["rng"])
    if dataset._callable is None:
        places = dict(zip(_starts(dataset), dataset._slices))
        order = state["order"].tolist() if "order" in state else []
        if sorted(order) == sorted(places):
            dataset._slices[:] = [places[start] for start in order]
            dataset._index = state["index"]
        elif not _is_ordered(given):
            dataset.shuffle()
        rows = state.get("rows")
        if rows is not None and len(rows) == len(getattr(dataset, "order", ())):
            dataset.order = rows
    elif state.get("callable") is not None:
        _set_state(_callable_of(dataset).rng, state["callable"])
        # drop a batch that was drawn in advance, before the generator was restored.
        getattr(dataset._callable, "waiting", []).clear()


def _updated(optimizer):
    """Return the shared variables that the compiled functions update, in an order that is always the same."""
    return updated(optimizer.f_step, optimizer.f_eval)


def _value_of(variable):
    value = variable.get_value()
    # the generators of Theano's shared_randomstreams.
    return {"generator": _rng_state(value)} if isinstance(value, np.random.RandomState) else np.asarray(value)


def _set_value(variable, value):
    if isinstance(value, dict):
        value = objects.make_generator(value["generator"])
    variable.set_value(value)


def _set_state(rng, state):
    """Set the state of a generator to one that was read from a file."""
    rng.set_state(objects.make_generator(state).get_state(legacy=False))


def _everything(network):
    """Return the parameters and statistics of a network by name, also while only a part of it is trained."""
    whole = network._whole[0] if network._whole is not None else []
    variables = [v for layer in [*whole, *network.layers] for v in [*layer.params, *layer.statistics]]
    return {variable.name: variable for variable in variables}


def _others(network, updated):
    """Return those of them that the compiled functions do not update."""
    known = {id(variable) for variable in updated}
    return {name: variable for name, variable in _everything(network).items() if id(variable) not in known}


def kinds_of(variables, values, carried=()):
    """Describe variables by name, type and shape; carried states are left out, as their shape varies with the batch."""
    return [
        [variable.name, *([str(value.dtype), list(value.shape)] if isinstance(value, np.ndarray) else ["generator"])]
        for variable, value in zip(variables, values)
        if id(variable) not in carried
    ]


def difference_of_kinds(before, now):
    """Describe in words how the variables of two trainings differ."""
    there, here = ({str(kind) for kind in side} for side in (before, now))
    return (
        f"{', '.join(sorted(there - here)) or 'none more'} there, {', '.join(sorted(here - there)) or 'none more'} here"
    )


# -- the whole --------------------------------------------------------------------------------------------------------


class Checkpoint:
    """Keeps the state of a training in a file.

    Parameters
    ----------
    path : str or pathlib.Path
        The file. If there is one already, training goes on from it.
    every : int or float
        Write it after so many epochs (int), or minutes (float).
    identity : dict
        See :func:`theanets.trainer.identity.identify`.
    settings : dict
        The arguments of the training, of which those count that decide when it is done.
    errors : str, optional
        See :class:`theanets.storage.Attempts`.
    is_shared : bool, optional
        Whether other processes take part in the training: the first of them reads and writes the file. Default False.

    Attributes
    ----------
    state : dict or None
        What training goes on from, as long as it has not yet.
    result : dict or None
        What a training that was done has come to.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or written, or belongs to another training.
    """

    def __init__(self, path, every, identity, settings, errors=None, is_shared=False):
        self.is_written = not is_shared or processes.is_first()
        self.path = _check_path(path) if self.is_written else pathlib.Path(path)
        RANGES["checkpoint_every"].check("checkpoint_every, a number of epochs (int) or minutes (float)", every)
        self.attempts = storage.Attempts(f"the checkpoint {str(self.path)!r}", errors)
        self.every = every
        self.identity = identity
        self.settings = json.loads(json.dumps({key: settings.get(key) for key in SETTINGS}, default=identities.plain))
        self.state = self.result = self.pending = None
        self.last_time = time.monotonic()
        if is_shared:
            self._load_shared()
        elif self.path.exists():
            self._load(self.path)

    def _load_shared(self):
        content = processes.share(self.path.read_bytes() if self.is_written and self.path.exists() else None)
        if content is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder, "checkpoint")
            copy.write_bytes(content)
            self._load(copy)

    def _load(self, path):
        try:
            training = storage.load_sections(path)["training"]
            saved, state, result = training["identity"], training["state"], training["result"]
        except util.LoadError as error:
            raise util.LoadError(f"checkpoint {error}; remove the file to start anew, or choose another one") from error
        except (KeyError, TypeError) as error:
            raise util.LoadError(
                f"checkpoint {str(self.path)!r} is a file without the state of a training; choose another one"
            ) from error
        with self._named():
            states.check(saved, state, result)
        difference, unknown = identities.difference(saved, self.identity)
        if difference:
            raise util.ConfigurationError(
                f"checkpoint {str(self.path)!r} belongs to another training: {difference}; remove the file to start "
                "anew, or choose another one"
            )
        if unknown:
            util.warn(
                f"checkpoint {str(self.path)!r} was written by an earlier release, and does not know "
                f"{', '.join(unknown)}: it cannot be seen whether these are the same"
            )
        self.state, self.result = state, result

    @contextlib.contextmanager
    def _named(self):
        """Context that adds the name of the file to errors."""
        try:
            yield
        except util.LoadError as error:
            raise util.LoadError(
                f"checkpoint {str(self.path)!r} cannot be loaded: {error}; remove the file to start anew"
            ) from error

    @property
    def stage(self):
        """Number of the stage that training goes on in; 0 if it starts anew."""
        return self.state["stage"] if self.state is not None else 0

    def is_done(self, condition):
        """Tell whether the training in the file has ended under the same stopping conditions."""
        return self.result is not None and self.result["settings"] == dict(self.settings, stop_when=condition)

    def take_result(self, session):
        """Set the network and the history to the result of a training that has ended."""
        known = _everything(session.network)
        with self._named():
            if set(known) != set(self.result["values"]):
                raise util.LoadError("it holds the values of other variables than those of the network")
            states.check_values((known[name], value) for name, value in self.result["values"].items())
        _set_all(_everything(session.network), self.result["values"])
        session.history.restore(self.result["history"])
        util.log(f"training is done already, according to the checkpoint {str(self.path)!r}: {session.history.stopped}")

    def write(self, network, state, result=None):
        """Write the file, if that is up to this process."""
        if not self.is_written:
            return
        training = {"identity": self.identity, "state": state, "result": result}
        content = archive.pack(network, {"training": training}, partly=True)
        self.attempts.make(lambda: storage.write_atomically(self.path, content))
        self.last_time = time.monotonic()

    def epoch_ends(self, run):
        """Write the file if it is time to."""
        if util.is_int(self.every):
            due = run.epoch % self.every == 0
        else:
            due = time.monotonic() - self.last_time >= 60 * self.every
        if due:
            self.write(run.session.network, self._snapshot(run))

    def leave(self, run):
        """Take the state at the end of a run, before the best parameters are restored."""
        self.pending = self._snapshot(run)

    def finish(self, session):
        """Write the final state, and the result if training has ended."""
        state, self.pending = self.pending, None
        if state is None:
            return
        result = None
        if session.outcome.is_done:
            result = {
                "settings": dict(self.settings, stop_when=session.condition_text),
                "values": {name: _value_of(variable) for name, variable in _everything(session.network).items()},
                "history": session.history.state(),
            }
        self.write(session.network, dict(state, is_complete=session.outcome.is_limit), result)
        self.attempts.report()

    def _snapshot(self, run):
        variables = _updated(run.optimizer)
        values = [_value_of(variable) for variable in variables]
        return {
            **progress_of(run),
            "stage": run.session.stage,
            "asked": run.asked_epochs,
            "max_epochs": run.max_epochs,
            "is_complete": False,
            "kinds": kinds_of(variables, values, _carried(run.network)),
            "variables": values,
            "others": {name: _value_of(variable) for name, variable in _others(run.network, variables).items()},
        }

    def resume(self, run):
        """Restore the state of a run, if the file is at the same stage."""
        if self.stage != run.session.stage:
            return
        state, network = self.state, run.network
        variables = _updated(run.optimizer)
        kinds = kinds_of(variables, [_value_of(variable) for variable in variables], _carried(network))
        if kinds != state["kinds"]:
            raise util.ConfigurationError(
                f"checkpoint {str(self.path)!r} belongs to a training with other options, which has other variables: "
                f"{difference_of_kinds(state['kinds'], kinds)}; remove the file to start anew"
            )
        average = state.get("average", "batches")
        if average != run.optimizer.averages.average:
            raise util.ConfigurationError(
                f"checkpoint {str(self.path)!r} belongs to a training whose figures are means over {average}, which "
                f"cannot be compared with others; write average={average!r}, or remove the file to start anew"
            )
        datasets = [inner_dataset(dataset) for dataset in (run.train, run.valid)]
        with self._named():
            states.check_fit(run, state, variables, _others(network, variables), set(_carried(network)), datasets)
        self.state = None
        for variable, value in zip(variables, state["variables"]):
            _set_value(variable, value)
        _set_all(_others(network, variables), state["others"])
        if any(
            inner_dataset(dataset) is not None and "callable" in its_state and its_state["callable"] is None
            for dataset, its_state in zip((run.train, run.valid), state["datasets"])
        ):
            util.log("the checkpoint does not know where its callable data were; they go on from where they are")
        go_on(run, state)
        _extend(run, state)
        util.log(f"training goes on from the checkpoint {str(self.path)!r}, after {util.number_of(run.epoch, 'epoch')}")


def progress_of(run):
    """Return the state of a run, without the values of variables."""
    optimizer = run.optimizer
    return {
        "epoch": run.epoch,
        "validation": run.validation,
        "validated_epoch": run.validated_epoch,
        "unvalidated": run.unvalidated,
        "average": optimizer.averages.average,
        "pending": None if run.pending is None or run.pending.is_past else run.pending.monitors,
        "best": run.best,
        "counters": [int(optimizer._curr_iter), int(optimizer._best_iter), float(optimizer._best_loss)],
        "best_loss": float(run.best_loss),
        "best_params": run.best_params,
        "best_statistics": run.best_statistics,
        "rate": run.rate.state(),
        "datasets": [_dataset_state(run.train), _dataset_state(run.valid)],
        "rng": _rng_state(run.network.rng),
        "history": run.session.history.state(),
    }


def go_on(run, state, is_own=False):
    """Restore a state that :func:`progress_of` returned, in another process maybe unless ``is_own``."""
    optimizer, network = run.optimizer, run.network
    for dataset, its_state in zip((run.train, run.valid), state["datasets"]):
        _restore_dataset(dataset, its_state)
    if state["rng"] is not None and isinstance(network.rng, np.random.RandomState):
        _set_state(network.rng, state["rng"])
    optimizer._curr_iter, optimizer._best_iter, optimizer._best_loss = state["counters"]
    for name in ("epoch", "validation", "validated_epoch", "unvalidated", "best_loss", "best_params"):
        setattr(run, name, state[name])
    run.best_statistics = state["best_statistics"]
    run.validation = None if run.validation is None else OrderedDict(run.validation)
    run.rate.restore(state["rate"])
    run.session.history.restore(state["history"], is_own)
    run.session.resumed = len(run.session.history)
    # checkpoints of earlier releases have no such entries.
    run.best = state.get("best") or run.session.history.lowest()
    if state.get("pending") is not None:
        run.pending = run._keep(OrderedDict(state["pending"]), run.session.history.validations[-1])


def _extend(run, state):
    """Set the limit of a resumed run: if all its epochs are done, the same number is added."""
    if run.max_epochs is None or run.max_epochs > run.epoch:
        return
    if state["is_complete"]:
        run.max_epochs += run.epoch
    elif state["asked"] == run.asked_epochs:
        # it was interrupted after its limit had been extended.
        run.max_epochs = state["max_epochs"]


def _carried(network):
    return {id(variable) for variable in (network._carried or {}).values()}


def _set_all(variables, values):
    for name, variable in variables.items():
        if name in values:
            _set_value(variable, values[name])


def _check_path(path):
    if not isinstance(path, (str, os.PathLike)):
        raise util.ConfigurationError(f"checkpoint={path!r}, expected the path of a file")
    path = pathlib.Path(path)
    try:
        storage.check_target(path)
    except OSError as error:
        raise util.ConfigurationError(f"checkpoint={str(path)!r}: {error}") from error
    return path
