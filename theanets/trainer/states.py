"""Validation of the state that was read from a checkpoint.

A file may have been edited. All of it is checked before anything changes: first what it consists of, when it is read;
then, when the functions of the training are there, whether it fits the variables, the data and the generators.
"""

import numpy as np

from .. import util
from ..storage import objects
from .history import History

__all__ = ["check", "check_fit", "check_values"]


def _is_count(value):
    return util.is_int(value) and value >= 0


def _is_flag(value):
    return isinstance(value, bool)


def _is_word(value):
    return isinstance(value, str)


def _is_array(value):
    return isinstance(value, np.ndarray)


def _is_value(value):
    """Tell whether this may be the value of a shared variable: an array, or the state of a generator."""
    if isinstance(value, dict) and set(value) == {"generator"}:
        return _is_generator(value["generator"])
    return _is_array(value)


def _is_generator(value):
    objects.make_generator(value)
    return True


def _is_history(value):
    History().restore(value)
    return True


def _is_figures(value):
    return _is_table(value, util.is_real) and "loss" in value


def _is_table(value, is_right):
    return isinstance(value, dict) and all(isinstance(key, str) and is_right(item) for key, item in value.items())


def _is_entry(value):
    return _is_figures(value) and {"epoch", "stage", "loss"} <= set(value)


def _list_of(is_right):
    return lambda value: isinstance(value, list) and all(map(is_right, value))


def _or_none(is_right):
    return lambda value: value is None or is_right(value)


def _is_kind(value):
    # states of random streams have no name.
    return value is None or _is_word(value) or _list_of(_is_count)(value)


def _is_counters(value):
    return _list_of(util.is_real)(value) and len(value) == 3 and all(map(_is_count, value[:2]))


def _is_rate(value):
    return (
        isinstance(value, dict)
        and set(value) == {"value", "start", "is_assigned"}
        and all(util.is_real(value[key]) and 0 <= value[key] < np.inf for key in ("value", "start"))
        and _is_flag(value["is_assigned"])
    )


def _is_order(value):
    return _is_array(value) and value.ndim == 1 and value.dtype.kind in "iu"


#: Entries of the state of a dataset, with their tests.
DATASET = {
    "rng": _or_none(_is_generator),
    "callable": _or_none(_is_generator),
    "index": _is_count,
    "order": _is_order,
    "rows": _or_none(_is_order),
}


def _is_dataset(value):
    if not isinstance(value, dict) or not set(value) <= set(DATASET):
        return False
    is_complete = not value or "rng" in value and ("callable" in value or {"index", "order"} <= set(value))
    return is_complete and all(DATASET[key](item) for key, item in value.items())


def _is_datasets(value):
    return _list_of(_is_dataset)(value) and len(value) == 2


#: Required entries of a state, with their tests.
STATE = {
    "epoch": _is_count,
    "stage": lambda value: _is_count(value) and value > 0,
    "asked": _or_none(_is_count),
    "max_epochs": _or_none(_is_count),
    "is_complete": _is_flag,
    "unvalidated": _is_flag,
    "validation": _or_none(_is_figures),
    "validated_epoch": _or_none(_is_count),
    "counters": _is_counters,
    "best_loss": util.is_real,
    "best_params": _or_none(_list_of(_is_array)),
    "best_statistics": _list_of(_is_array),
    "rate": _is_rate,
    "datasets": _is_datasets,
    "rng": _or_none(_is_generator),
    "history": _is_history,
    "kinds": _list_of(_list_of(_is_kind)),
    "variables": _list_of(_is_value),
    "others": lambda value: _is_table(value, _is_value),
}

#: Entries that checkpoints of earlier releases lack.
LATER = {"average": _is_word, "pending": _or_none(_is_figures), "best": _or_none(_is_entry)}

#: Entries of the result of a training that has ended.
RESULT = {
    "settings": lambda value: isinstance(value, dict),
    "values": lambda value: _is_table(value, _is_value),
    "history": _is_history,
}


def _check_parts(parts, needed, possible, what):
    if not isinstance(parts, dict):
        raise util.LoadError(f"it holds no {what} of a training")
    for key, is_right in {**needed, **{key: test for key, test in possible.items() if key in parts}}.items():
        if key not in parts or not is_right(parts[key]):
            raise util.LoadError(f"the {what} of the training in it has been changed: {key!r} is missing, or wrong")


def check(identity, state, result):
    """Refuse a state with missing entries, or entries of the wrong kind.

    Parameters
    ----------
    identity, state, result : object
        What the file holds under these names.

    Raises
    ------
    LoadError
        If something is missing, or of another kind.
    """
    if not isinstance(identity, dict):
        raise util.LoadError("it does not say which training it belongs to")
    _check_parts(state, STATE, LATER, "state")
    if state.get("pending") is not None and not state["history"]["validations"]:
        raise util.LoadError("the state of the training in it has been changed: its history has no validation")
    if result is not None:
        _check_parts(result, RESULT, {}, "result")


def check_values(pairs):
    """Refuse values that variables cannot have.

    Parameters
    ----------
    pairs : iterable of (theano shared variable, value)
        The values are arrays, or states of generators.

    Raises
    ------
    LoadError
        If a shape or a type is another one.
    """
    for variable, value in pairs:
        now = variable.get_value(borrow=True)
        if isinstance(now, np.random.RandomState) or isinstance(value, dict):
            fits = isinstance(now, np.random.RandomState) and isinstance(value, dict)
            fits = fits and _is_of(now, value["generator"])
        else:
            fits = np.shape(value) == np.shape(now) and np.asarray(value).dtype == np.asarray(now).dtype
        if not fits:
            raise util.LoadError(f"the value of {variable.name!r} in it has another shape or type than the variable")


def _is_of(rng, state):
    """Tell whether a generator can have a state."""
    return isinstance(state, dict) and rng.get_state(legacy=False)["bit_generator"] == state.get("bit_generator")


def check_fit(run, state, variables, others, carried, datasets):
    """Refuse a state that does not fit a run.

    Parameters
    ----------
    run : :class:`theanets.trainer.run.Run`
        The run, with its functions.
    state : dict
        A state that :func:`check` has passed.
    variables, others : list, dict
        The shared variables that the functions update, and the others of the network by name.
    carried : set of int
        The ids of variables with a length that changes from batch to batch.
    datasets : list of downhill.Dataset or None
        The data for training and for validation.

    Raises
    ------
    LoadError
        If something in it has another size or kind.
    """
    pairs = list(zip(variables, state["variables"]))
    if len(variables) != len(state["variables"]):
        raise util.LoadError("it holds another number of values than there are variables")
    check_values(pair for pair in pairs if id(pair[0]) not in carried)
    for variable, value in pairs:
        if id(variable) in carried and (np.ndim(value) != variable.ndim or value.dtype != variable.dtype):
            raise util.LoadError(f"the value of {variable.name!r} in it has another number of dimensions")
    check_values((others[name], value) for name, value in state["others"].items() if name in others)
    for which, wanted in (("best_params", run.optimizer._params), ("best_statistics", run.statistics)):
        values = state[which]
        if values is not None:
            if len(values) not in {len(wanted), 0 if state["best_params"] is None else len(wanted)}:
                raise util.LoadError(f"it holds another number of values ({which}) than there are variables")
            check_values(zip(wanted, values))
    if isinstance(run.network.rng, np.random.RandomState) and state["rng"] is not None:
        _check_generator(run.network.rng, state["rng"])
    for dataset, its_state in zip(datasets, state["datasets"]):
        if dataset is not None and its_state:
            _check_dataset(dataset, its_state)


def _check_generator(rng, state):
    if isinstance(rng, np.random.RandomState) and not _is_of(rng, state):
        raise util.LoadError("it holds the state of a generator of another kind")


def _check_dataset(dataset, state):
    if state["rng"] is not None:
        _check_generator(dataset.rng, state["rng"])
    if dataset._callable is not None:
        maker = getattr(dataset._callable, "make", dataset._callable)
        if state.get("callable") is not None and isinstance(getattr(maker, "rng", None), np.random.RandomState):
            _check_generator(maker.rng, state["callable"])
        return
    if state.get("index", 0) >= max(1, len(dataset._slices)):
        raise util.LoadError("it holds a place in the data that is outside of them")
    rows, order = state.get("rows"), getattr(dataset, "order", None)
    if rows is not None and order is not None and len(rows) == len(order):
        if not np.array_equal(np.sort(rows), np.arange(len(order))):
            raise util.LoadError("it holds an order of rows in which some are missing")
