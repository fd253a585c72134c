"""Training that goes on from another one in the same process.

What a training consists of stays where it is when it ends: the state of the optimizer, of noise and of dropout in the
shared variables of what it was compiled to (:class:`~theanets.trainer.compiled.Compiled`), the rest in a
:class:`Trained`. Only the parameters are replaced, by the best ones; those of the last epoch are put aside if they are
not the same.
"""

import zlib

import numpy as np

from .. import modes, util
from .checkpoint import difference_of_kinds, go_on, inner_dataset, kinds_of, progress_of

__all__ = ["CALL", "Trained"]

#: Arguments that concern one call, and not those that go on from it.
CALL = frozenset(
    ["epochs", "max_updates", "max_seconds", "callbacks", "stop_when", "checkpoint", "checkpoint_every", "progress"]
)

#: Parts of a description that may not change, and what they are called.
STRUCTURE = {"layers": "its layers", "losses": "its losses", "weights": "the weights of its losses"}

#: So many elements of an array are looked at to see whether it is another one.
SAMPLE = 4096


def _differs(one, two):
    return one.dtype != two.dtype or one.shape != two.shape or one.tobytes() != two.tobytes()


def structure_of(network):
    """Return what of a network may not change from one training to another that goes on from it."""
    return network._describe([], weights=[loss.weight for loss in network.losses])


def _digest(dataset):
    """Return what tells data from others; None for data that are made batch by batch."""
    dataset = inner_dataset(dataset)
    arrays = None if dataset is None else dataset._inputs
    return None if arrays is None else [_digest_array(getattr(array, "data", array), array) for array in arrays]


def _digest_array(values, array):
    if not isinstance(values, np.ndarray):
        # the buffer of an ordinary array, or a type of somebody else's.
        values = np.asarray(array)
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // SAMPLE)]
    return array.shape, str(values.dtype), zlib.crc32(np.ascontiguousarray(sample))


class Trained:
    """What a training has left.

    Parameters
    ----------
    algo : str
        The algorithm.
    options : dict
        The arguments that it was given.
    description : dict
        What :meth:`theanets.Network.describe` says of all that has been compiled.
    compiled : Compiled
        What it ran by.

    Attributes
    ----------
    state : dict or None
        How far it was at its end; None for a training that nothing can go on from.
    structure : dict
        What the network was like then.
    """

    def __init__(self, algo, options, description, compiled):
        self.algo = algo
        self.options = {key: value for key, value in options.items() if key not in CALL}
        self.description = description
        self.compiled = compiled
        self.mode = modes.key()
        self.state = self.structure = self.schedule = self.data = None
        self.variables, self.last, self.left = [], None, None
        self.drawn = []

    @property
    def epoch(self):
        """How many epochs are done."""
        return self.state["epoch"]

    def has_schedule(self, spec):
        """Tell whether the schedule is described by the same words, or is the same object."""
        own = self.options.get("schedule")
        return own is spec or isinstance(spec, (str, dict)) and own == spec

    # -- the end of a training ----------------------------------------------------------------------------------------

    def leave(self, run):
        """Keep the state of a run that has come to its end, before the best parameters are restored."""
        self.state, self.schedule = progress_of(run), run.rate.schedule
        self.structure = structure_of(run.network)
        self.data = [_digest(run.train), _digest(run.valid)]
        self.variables = [*run.optimizer._params, *run.statistics]
        self.last = [variable.get_value() for variable in self.variables]
        # a last validation, which follows, draws random numbers that are none of a training that goes on.
        self.drawn = [(variable, variable.get_value()) for variable in self.compiled.drawn]

    def settle(self, best):
        """The network has been left with some values: the best ones, or for None with those that it had."""
        for variable, value in self.drawn:
            variable.set_value(value)
        self.drawn = []
        if self.state is None:
            self.compiled.release()
        elif best is None or not any(map(_differs, self.last, best)):
            self.last = None
        self.left = best

    # -- the beginning of the next one --------------------------------------------------------------------------------

    def check(self, algo, network):
        """Refuse to go on with something else; nothing has been changed by then."""
        if algo != self.algo:
            raise util.ConfigurationError(
                f"resume=True: the training before was by algo={self.algo!r}, and algo={algo!r} cannot go on from it"
            )
        structure = structure_of(network)
        changed = [words for key, words in STRUCTURE.items() if structure[key] != self.structure[key]]
        if changed:
            raise util.ConfigurationError(
                f"resume=True: the network has changed since it was trained ({', '.join(changed)}); train without "
                "resume=True to start anew"
            )

    def hand_over(self, compiled):
        """Let the functions of the next training have the state of the optimizer."""
        if compiled is self.compiled:
            return
        before, now = [
            kinds_of(side.own, [variable.get_value(borrow=True) for variable in side.own])
            for side in (self.compiled, compiled)
        ]
        if before != now:
            raise util.ConfigurationError(
                "resume=True: the training before had other options, and so other variables: "
                f"{difference_of_kinds(before, now)}; give the same options, or train without resume=True"
            )
        for variable, other in zip(self.compiled.own, compiled.own):
            other.set_value(variable.get_value())
        self.compiled.release()

    def go_on(self, run):
        """Let a run go on from here."""
        has_changed = self.left is not None and any(
            _differs(variable.get_value(), value) for variable, value in zip(self.variables, self.left)
        )
        is_other = _digest(run.valid) != self.data[1] or run.optimizer.averages.average != self.state["average"]
        is_new_schedule = run.rate.schedule is not None and run.rate.schedule is not self.schedule
        schedule = run.rate.schedule
        if has_changed:
            util.log("the parameters have been changed since the training before; training goes on from what they are")
        elif self.last is not None:
            for variable, value in zip(self.variables, self.last):
                variable.set_value(value)
        go_on(run, self.state)
        if is_new_schedule:
            run.rate.schedule, run.rate.is_assigned = schedule, False
        if run.max_epochs is not None:
            run.max_epochs += run.epoch
        if has_changed or is_other:
            # what was best so far was best on other data, or is not what training goes on from.
            run.forget_best()
        util.log(f"training goes on, after {util.number_of(run.epoch, 'epoch')}")
