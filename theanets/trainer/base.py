"""The base class of trainers."""

from .. import arguments, regularizers
from .options import DATA_KEYWORDS, LOOP_OPTIONS, algorithms, check_numbers, keywords, options_of

__all__ = ["Trainer"]


class Trainer:
    """Base class of trainers.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network to be trained.

    Attributes
    ----------
    session : Session or None
        The history, callbacks and checkpoint of the training that the trainer works for; None on its own.
    """

    #: Whether more arrays than the trainer needs may be given; the rest are ignored.
    ignores_surplus = False

    #: Whether the monitors that are yielded are measured, and not placeholders.
    measures = True

    #: Whether the data have everything that the losses of the network take.
    has_targets = True

    #: Whether patterns of regularizers and monitors are for names in the network itself.
    checks_patterns = True

    #: Number of examples in a batch if none is asked for; 0 for all of them.
    batch_size = 32

    def __init__(self, network):
        self.network = network
        self.session = None

    def keywords(self):
        """Return the names of the options that the trainer uses."""
        return set(LOOP_OPTIONS)

    def check(self, kwargs):
        """Refuse unknown arguments, and networks that this trainer cannot train."""
        known = self.keywords() | DATA_KEYWORDS | regularizers.keywords() | self.network._own_keywords()
        names = [key for key in kwargs if key not in known and key.lower() not in known]
        if names:
            hints = arguments.hints_for("train")
            for name in keywords() - known:
                users = sorted(algo for algo in algorithms() if name in options_of(algo))
                hints[name] = f"it is an option of {', '.join(users) or 'gradient methods'}"
            more = {"train", "valid", "algo", "subalgo", "save_every", "save_progress", "progress", "resume", "verbose"}
            arguments.refuse(names, known | more, "train()", hints, self.network._takes_any_keyword())
        # made again when training starts; here for the errors that they may raise.
        regs = regularizers.from_kwargs(self.network, **kwargs)
        check_numbers(kwargs)
        if self.checks_patterns:
            self.network._check_patterns(regs, kwargs.get("monitors"))

    def slots(self):
        """Describe the arrays that the trainer needs."""
        return self.network._slots()

    def itertrain(self, train, valid=None, **kwargs):
        """Train, yielding a pair of dicts of monitors after each epoch.

        Parameters
        ----------
        train, valid : iterable of batches
            Such as ``downhill.Dataset``. Validation data default to the training data.
        **kwargs
            Options, regularizers and monitors.

        Yields
        ------
        train, valid : pair of dicts
            Values of the monitors in this epoch, and in the last validation before it.
        """
        raise NotImplementedError
