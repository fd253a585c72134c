"""What theanets should reach, as ratios of times of one run: another's over its own."""

import dataclasses

from .statistics import ratios

__all__ = ["Mark", "MARKS", "check", "open_marks"]


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
        ``workload``, ``own``, ``peer``, the ``wanted`` ratio, the ratio ``found`` (a summary), and whether it was
        ``reached``, by the median. Workloads that the two were not measured for are left out; see :func:`open_marks`.
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
            rows.append(
                dict(workload=name, own=mark.own, peer=mark.peer, wanted=mark.ratio, found=found, reached=reached)
            )
    return rows


def open_marks(results, device="cpu"):
    """Return the marks of a device that nothing was measured for, as pairs of a beginning of names and a mark."""
    rows = [(row["workload"], row["own"], row["peer"]) for row in check(results, device)]
    return [
        (beginning, mark)
        for mark in MARKS
        for beginning in mark.workloads
        if mark.device == device
        and not any(name.startswith(beginning) and (own, peer) == (mark.own, mark.peer) for name, own, peer in rows)
    ]
