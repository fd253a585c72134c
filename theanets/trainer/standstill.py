"""A warning if the first epoch of a training changes no parameter.

A gradient of zero leaves all parameters as they are, whatever the algorithm, as nothing else moves them in a first
epoch; so do steps that are too small for the float type. Either looks like training until patience runs out.
"""

import numpy as np

from .. import util

__all__ = ["remember", "warn_if_unmoved"]


def remember(run):
    """Return copies of the parameters before the first epoch of a stage; None before later epochs.

    Epochs with a learning rate of zero do not count, as they are not meant to change anything. Also None after a
    warning, as there is only one in each training.

    Parameters
    ----------
    run : Run
        The run, before an epoch.

    Returns
    -------
    values : list of ndarray, or None
    """
    session = run.session
    if session.has_warned or run.rate.value == 0:
        return None
    # from the end, where there is one at once after the first epoch.
    if any(row["stage"] == session.stage and row["learning_rate"] != 0 for row in reversed(session.history.rows)):
        return None
    return [param.get_value() for param in run.optimizer._params]


def warn_if_unmoved(run, before, loss):
    """Warn if no parameter has changed since :func:`remember`.

    Parameters
    ----------
    run : Run
        The run, after an epoch.
    before : list of ndarray, or None
        What :func:`remember` has returned.
    loss : float
        The loss in this epoch. There is no warning if it is zero up to rounding, as there was nothing to learn, or NaN,
        as it is if all weights of the data are zero.
    """
    if before is None or not abs(loss) > np.finfo(util.FLOAT).eps:
        return
    # any() stops at the first parameter that has changed.
    if any(not np.array_equal(old, param.get_value()) for old, param in zip(before, run.optimizer._params)):
        return
    run.session.has_warned = True
    util.warn(
        f"the first epoch has changed no parameter, with a loss of {loss:.6g}: the gradient is zero, or steps with "
        f"learning_rate={run.rate.value:g} are too small for {util.FLOAT}. Units that are saturated, or rectifiers "
        "that are off for all data, have no gradient. It usually helps to scale the inputs, to a mean of 0 and a "
        "standard deviation of 1 for each variable; if they are, try another learning rate, activation or loss",
        RuntimeWarning,
    )
