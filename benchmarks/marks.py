"""What theanets should reach, as ratios of times of one run: another's over its own."""

import dataclasses

from .statistics import ratios, summary

__all__ = ["Limit", "LIMITS", "Mark", "MARKS", "check", "check_limits", "open_marks"]


@dataclasses.dataclass(frozen=True)
class Mark:
    """How much quicker theanets should be.

    Parameters
    ----------
    workloads : tuple of str
        Names of the workloads, or their beginnings.
    peer : str
        The other contender.
    ratio : float
        Its time over that of theanets, at least.
    own : str, optional
        Which way to use theanets.
    device : str, optional
        Where this is asked for.
    series : str, optional
        ``seconds``, or ``again`` for starts with a warm cache.
    """

    workloads: tuple
    peer: str
    ratio: float
    own: str = "theanets"
    device: str = "cpu"
    series: str = "seconds"


@dataclasses.dataclass(frozen=True)
class Limit:
    """How long theanets may take for a job.

    Parameters
    ----------
    workload : str
        Name of the workload.
    seconds : float
        The limit.
    series : str, optional
        As for :class:`Mark`.
    """

    workload: str
    seconds: float
    series: str = "seconds"


_TRAINING = ("ae-", "classifier-", "lstm-", "gru-", "convnet-")

MARKS = [
    Mark(("ae-10-20-10:", "ae-64-32-64:"), "torch", 10),
    Mark(("ae-784-256-64:",), "torch", 1.5),
    Mark(("convnet-28:",), "torch", 1.0),
    Mark(("lstm-100-50:",), "torch", 0.8),
    Mark(_TRAINING, "jax", 0.8),
    Mark(_TRAINING, "theanets-c", 2),
    Mark(("ae-784-256-64:",), "torch", 5, device="gpu"),
    # one step after the other, each beside one that is written by hand.
    Mark(("ae-784-256-64:rmsprop",), "jax-batches", 1 / 1.1, own="theanets-batches"),
    Mark(("lstm-100-50:rmsprop",), "jax-batches", 1 / 1.3, own="theanets-batches"),
    Mark(("convnet-28:rmsprop",), "jax-batches", 1 / 1.2, own="theanets-batches"),
    Mark(("start-",), "theanets-c", 8),
    Mark(("start-mlp",), "torch", 1 / 0.65),
    Mark(("start-lstm",), "torch", 1 / 1.7),
    Mark(("start-conv",), "torch", 1.0),
    Mark(("start-mlp",), "torch", 1 / 0.45, series="again"),
    Mark(("start-lstm",), "torch", 1 / 0.75, series="again"),
    Mark(("start-conv",), "torch", 1 / 0.65, series="again"),
    Mark(("job-search",), "sklearn", 3),
    Mark(("job-search",), "sklearn", 3, series="again"),
]

#: What theanets may take at most.
LIMITS = [
    Limit("job-grid", 3),
    Limit("job-grid", 1.2, "again"),
    # 64 networks, 25 ms for each.
    Limit("job-sweep", 1.6, "again"),
    Limit("job-second-mlp", 0.02, "again"),
    Limit("job-second-lstm", 0.06, "again"),
]


def check(results, device="cpu"):
    """Compare results with the marks.

    Parameters
    ----------
    results : list of dict
        See :func:`benchmarks.session.measure`.
    device : str, optional
        Where they were measured.

    Returns
    -------
    rows : list of dict
        ``workload``, ``own``, ``peer``, ``series``, the ``wanted`` ratio, the ratio ``found`` (a summary), and whether
        it was ``reached``, by the median. Workloads that the two were not measured for are left out; see
        :func:`open_marks`.
    """
    rows = []
    for mark in MARKS:
        for result in results:
            name = result["workload"]["name"]
            own, peer = (result["contenders"].get(key, {}).get(mark.series) for key in (mark.own, mark.peer))
            if mark.device != device or not name.startswith(mark.workloads) or not own or not peer:
                continue
            found = ratios(peer, own)
            reached = found["median"] >= mark.ratio
            row = dict(workload=name, own=mark.own, peer=mark.peer, series=mark.series, wanted=mark.ratio)
            rows.append(dict(row, found=found, reached=reached))
    return rows


def check_limits(results):
    """Compare results with the limits.

    Parameters
    ----------
    results : list of dict
        See :func:`benchmarks.session.measure`.

    Returns
    -------
    rows : list of dict
        ``workload``, ``series``, the ``wanted`` seconds, those ``found`` (a summary; None if there are none), and
        whether the limit is ``reached``, by the median.
    """
    rows = []
    for limit in LIMITS:
        own = [r["contenders"].get("theanets", {}) for r in results if r["workload"]["name"] == limit.workload]
        found = summary(own[0].get(limit.series)) if own else None
        row = dict(workload=limit.workload, series=limit.series, wanted=limit.seconds, found=found)
        rows.append(dict(row, reached=found is not None and found["median"] <= limit.seconds))
    return rows


def open_marks(results, device="cpu"):
    """Return the marks of a device that nothing was measured for, as pairs of a beginning of names and a mark."""
    rows = [(row["workload"], row["own"], row["peer"], row["series"]) for row in check(results, device)]
    return [
        (beginning, mark)
        for mark in MARKS
        for beginning in mark.workloads
        if mark.device == device
        and not any(
            name.startswith(beginning) and tuple(pair) == (mark.own, mark.peer, mark.series) for name, *pair in rows
        )
    ]
