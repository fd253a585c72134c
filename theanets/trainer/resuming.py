"""Resuming: training that goes on from another one in the same process (``resume=True``).

The state of a training is kept when it ends: that of the optimizer, of noise and of dropout in the shared variables of
its compiled functions (:class:`~theanets.trainer.compiled.Compiled`), the rest in a :class:`Trained`. Only the
parameters are replaced, by the best ones; those of the last epoch are kept beside them if they differ.
"""

from .. import modes, util, xla
from ..data import digests
from ..data.batches import inner_dataset
from .checkpoint import difference_of_kinds, go_on, kinds_of, progress_of

__all__ = ["CALL", "Trained"]

#: Arguments that hold for one call only: a training that goes on does not inherit them.
CALL = frozenset(
    [
        "epochs",
        "max_updates",
        "max_seconds",
        "callbacks",
        "stop_when",
        "checkpoint",
        "checkpoint_every",
        "save_best",
        "progress",
    ]
)

#: Parts of a network's description that may not change between trainings, and their names in messages.
STRUCTURE = {"layers": "its layers", "losses": "its losses", "weights": "the weights of its losses"}

#: Arrays of up to so many bytes are compared by all of their values; larger ones by evenly spaced rows of this size.
#: It takes some 20 ms at each end of a training.
WHOLE = 1 << 24


def _differs(one, two):
    return one.dtype != two.dtype or one.shape != two.shape or one.tobytes() != two.tobytes()


def structure_of(network):
    """Return what of a network may not change from one training to another that goes on from it."""
    return network._describe([], weights=[loss.weight for loss in network.losses])


def _digest(dataset):
    """Return a digest of the arrays of a dataset; None for data that are made batch by batch."""
    dataset = inner_dataset(dataset)
    arrays = None if dataset is None else dataset._inputs
    if arrays is None:
        return None
    steps = [-(-getattr(array, "data", array).nbytes // WHOLE) or 1 for array in arrays]
    parts = [array if step == 1 else array[::step] for array, step in zip(arrays, steps)]
    return [array.shape for array in arrays], digests.of_arrays(parts)


class Trained:
    """The state of a training that has ended, from which another one can go on.

    Parameters
    ----------
    algo : str
        The algorithm.
    options : dict
        The arguments of the training.
    description : dict
        The description of the network that the functions were compiled for, by :meth:`theanets.Network.describe`.
    compiled : Compiled
        Its compiled functions and their shared variables.
    numbers : dict, optional
        The weights of losses and regularizers, by their keys. Default: none.

    Attributes
    ----------
    state : dict or None
        Its progress at the end, as in a checkpoint; None for a training that nothing can go on from.
    structure : dict
        The description of the network at the end.
    """

    def __init__(self, algo, options, description, compiled, numbers=None):
        self.algo = algo
        self.options = {key: value for key, value in options.items() if key not in CALL}
        self.description = description
        self.compiled = compiled
        self.numbers = numbers or {}
        self.mode = modes.key()
        self.state = self.structure = self.schedule = self.data = None
        self.variables, self.last, self.left = [], None, None
        self.drawn = []

    @property
    def epoch(self):
        """How many epochs are done."""
        return self.state["epoch"]

    def has_schedule(self, spec):
        """Tell whether the schedule is the same object, or is given by an equal string or dict."""
        own = self.options.get("schedule")
        return own is spec or isinstance(spec, (str, dict)) and own == spec

    # -- the end of a training ----------------------------------------------------------------------------------------

    def leave(self, run):
        """Keep the state of a run that has come to its end, before the best parameters are restored."""
        state, self.schedule = progress_of(run), run.rate.schedule
        self.structure = structure_of(run.network)
        self.data = _digest(run.valid)
        self.variables = [*run.optimizer._params, *run.statistics]
        self.last = [variable.get_value() for variable in self.variables]
        # the last validation, which follows, draws random numbers: a training that goes on must not be changed by it.
        self.drawn = [(variable, variable.get_value()) for variable in self.compiled.drawn]
        # at the end, as values cannot be read where the devices of another process are lost.
        self.state = state

    def settle(self, best):
        """Note the values that the network has been left with: the best ones, or None for those of the last epoch."""
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
        """Refuse to go on with another algorithm or a changed network, before anything is changed."""
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
        """Copy the state of the optimizer to the shared variables of the next training's functions."""
        if compiled is self.compiled:
            return
        before, now = [kinds_of(side.own, xla.read(side.own)) for side in (self.compiled, compiled)]
        if before != now:
            raise util.ConfigurationError(
                "resume=True: the training before had other options, and so other variables: "
                f"{difference_of_kinds(before, now)}; give the same options, or train without resume=True"
            )
        for variable, other in zip(self.compiled.own, compiled.own):
            other.set_value(variable.get_value())
        self.compiled.release()

    def go_on(self, run):
        """Set a run to the state at the end of this training."""
        has_changed = self.left is not None and any(
            _differs(variable.get_value(), value) for variable, value in zip(self.variables, self.left)
        )
        is_other = _digest(run.valid) != self.data or run.optimizer.averages.average != self.state["average"]
        # losses with other weights cannot be compared.
        is_other = is_other or run.numbers != self.numbers
        is_new_schedule = run.rate.schedule is not None and run.rate.schedule is not self.schedule
        schedule = run.rate.schedule
        if has_changed:
            util.log("the parameters have been changed since the training before; training goes on from what they are")
        elif self.last is not None:
            xla.assign(zip(self.variables, self.last))
        go_on(run, self.state, is_own=True)
        if is_new_schedule:
            run.rate.schedule, run.rate.is_assigned = schedule, False
        if run.max_epochs is not None:
            run.max_epochs += run.epoch
        if has_changed or is_other:
            # the best loss so far is of other data or weights, or of parameters that training does not go on from.
            run.forget_best()
        util.log(f"training goes on, after {util.number_of(run.epoch, 'epoch')}")
