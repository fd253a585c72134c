"""Training a network: what users call, and what they can see and change while it goes on."""

import contextlib
from collections import deque

import numpy as np

from . import arguments, balance, data, monitoring, progress, sources, storage, trainer, util

__all__ = ["Training"]


class Training:
    """The part of a network that is trained."""

    # -- what goes on -------------------------------------------------------------------------------------------------

    @property
    def history(self):
        """What happened in the latest training, or in the one that goes on: a :class:`theanets.history.History`.

        Each call of :meth:`train` or :meth:`itertrain` begins a new one; training that goes on from a checkpoint
        continues that of the checkpoint. It is saved and copied with the network.
        """
        return self._history

    @property
    def learning_rate(self):
        """The learning rate of the training that goes on. It can be changed, which takes effect at once.

        A value that is assigned, within an :meth:`itertrain` loop or by a callback, counts from the next epoch on, and
        ends a schedule.

        Raises
        ------
        ConfigurationError
            If the network is not being trained, or by something that has no learning rate.

        Examples
        --------
        >>> import numpy as np
        >>> import theanets
        >>> net = theanets.Regressor([2, 1])
        >>> for train, valid in net.itertrain([np.eye(2), np.ones(2)], algo="sgd", learning_rate=0.1, epochs=4):
        ...     net.learning_rate /= 2
        >>> net.history["learning_rate"]
        [0.1, 0.05, 0.025, 0.0125]
        """
        return self._rate().value

    @learning_rate.setter
    def learning_rate(self, value):
        self._rate().assign(value)

    def _rate(self):
        session = self._session
        if session is None:
            raise util.ConfigurationError(
                "learning_rate: this network is not being trained; give it to train(), or change it within an "
                "itertrain() loop or a callback"
            )
        if session.rate is None:
            raise util.ConfigurationError("learning_rate: the trainer that is at work has none")
        return session.rate

    # -- training -----------------------------------------------------------------------------------------------------

    def train(self, *args, **kwargs):
        """Train until the loss stops improving, or until told to stop.

        Parameters
        ----------
        *args, **kwargs
            See :meth:`itertrain`.

        Returns
        -------
        monitors : pair of dicts
            Values on the training data and on the validation data after the last epoch; None if there was no epoch.
            With a ``checkpoint`` of a training that is done already, those of its last epoch.
        """
        with contextlib.closing(self.itertrain(*args, **kwargs)) as epochs:
            last = deque(epochs, maxlen=1)
        return last[0] if last else self.history.last_pair()

    def itertrain(
        self, train=None, valid=None, algo="rmsprop", subalgo="rmsprop", save_every=0, save_progress=None, **kwargs
    ):
        """Train, giving back control after each epoch.

        However the loop is left, the network then holds the parameters with the lowest validation loss: that of the
        parameters at the end is computed on the way out.

        Parameters
        ----------
        train : array, list of arrays, dict, dataset, iterable, callable, iterator or downhill.Dataset
            The data: an array for each of :attr:`variables`, in their order or by name; or a dataset of examples with
            ``__len__`` and ``__getitem__``, which is read at once. Something that can be iterated over again and
            again, such as a loader of batches or a generator function, is gone through once in an epoch. A callable
            returns a list of arrays each time it is called, for one batch; an iterator yields them.
        valid : the same, optional
            Data to validate on. Default: the training data.
        algo : str or trainer, optional
            How to train: the name of an algorithm of downhill (``sgd``, ``nag``, ``rprop``, ``rmsprop``, ``adagrad``,
            ``adadelta``, ``esgd``, ``adam``); ``layerwise``, ``pretrain`` or ``sample``, see :mod:`theanets.trainer`;
            or an object with a method ``itertrain(train, valid, **kwargs)``. Default ``'rmsprop'``.
        subalgo : str, optional
            The algorithm that ``layerwise`` and ``pretrain`` use. Default ``'rmsprop'``.
        save_every : int or float, optional
            Save after so many epochs (int) or minutes (float). Default 0, which is never.
        save_progress : str, pathlib.Path or binary file, optional
            Where to save. ``{}`` in a path becomes the time in seconds.
        batch_size : int, optional
            Number of examples in a batch; 0 for all of them. Default 32.
        train_batches, valid_batches, iteration_size : int, optional
            Number of batches in an epoch, for either dataset or for both. Default: all.
        axis : int, optional
            The axis of the batch. Default 0.
        rng : int, None or numpy.random.RandomState, optional
            The order of batches, noise and dropout. Default: that of the network.
        epochs, max_updates : int, optional
            Stop after so many passes over the training data.
        max_seconds : float, optional
            Stop after so many seconds.
        monitors : dict, optional
            See :meth:`monitors`.
        monitor_gradients : bool, optional
            Report the sum of squares of each parameter's gradient. Default False.
        stateful : bool or str, optional
            Whether recurrent layers go on, at the beginning of a batch, from the state at the end of the batch before.
            Batches then come in order, without being shuffled; with ``axis=1``, they are pieces of time of the same
            sequences. States are reset when an epoch begins, or with ``'keep'`` only by :meth:`reset_state`. Default
            False.
        callbacks : list of callable, optional
            Functions that are called with the network and its :attr:`history` after each epoch. If one of them returns
            True, training stops; if it raises an error, training stops with it.
        stop_when : str or callable, optional
            Stop when this holds after an epoch: a condition on a column of the history, such as
            ``'valid_loss < 0.01'``; or a function of the history.
        schedule : str, dict or callable, optional
            How the learning rate changes from epoch to epoch, see :mod:`theanets.schedules`. Default: not at all.
        freeze : list of str, optional
            Parameters that are left as they are: shell patterns for their names, such as ``'*.b'``, or for names of
            layers, such as ``'hid1'``.
        class_weight : str, dict or list, optional
            Weights of classes in the loss, beside those of examples: ``'balanced'`` for weights in inverse proportion
            to how often classes occur in the training data; or weights by class. Default: all are equal.
        checkpoint : str or pathlib.Path, optional
            A file to keep all that is needed to go on. If it is there, training goes on from where it was, to the end
            that the arguments ask for. See docs/guide/training.md.
        checkpoint_every : int or float, optional
            Write it after so many epochs (int) or minutes (float). Default: after each epoch.
        progress : bool, optional
            Whether to show a bar with the losses of the moment. Default: if training takes more than a second, where
            the standard error is a terminal, or in a notebook.
        **kwargs
            Options of the algorithm, see :mod:`theanets.trainer`, and regularizers, see
            :func:`theanets.regularizers.from_kwargs`.

        Yields
        ------
        train, valid : pair of dicts
            Values of the monitors on the training data of this epoch, and on the validation data when they were last
            used. The first key is ``loss``.

        Raises
        ------
        ConfigurationError
            At the call, for arguments that nobody uses (an ``ArgumentError``), for data that does not fit (a
            ``DataError``), and for a checkpoint of another training.
        """
        given = dict(kwargs, train=train, valid=valid, algo=algo)
        for old, new in arguments.OLD_TRAINING.items():
            if old in kwargs and new in ("train", "valid", "algo"):
                # these have places in the signature, so that only their defaults can be replaced.
                _refuse_both(given, old, new, {"algo": "rmsprop"}.get(new))
        kwargs = arguments.renamed(arguments.renamed(given, arguments.OLD_TRAINING), arguments.OLD_REGULARIZERS)
        train, valid, algo = kwargs.pop("train"), kwargs.pop("valid"), kwargs.pop("algo")
        if train is None:
            raise util.DataError("train data: expected arrays, a callable or a dataset, found None")
        self._require_layers()
        self._ensure_loss()
        kwargs.setdefault("rng", self.rng)
        monitoring.read(kwargs.get("monitors"))
        bar = {"progress": kwargs.pop("progress", None), "total": kwargs.get("epochs")}
        runner = trainer.build(algo, subalgo, self)
        make, found = self._dataset_maker(train, valid, runner, kwargs)
        saver = storage.Saver(self, save_progress, save_every)
        session = self._make_session(runner, found, kwargs)
        epochs = self._run(runner, make, saver, session, kwargs)
        return trainer.closed_at_exit(progress.shown(epochs, done=lambda: len(session.history), **bar))

    def _dataset_maker(self, train, valid, runner, kwargs):
        """Check arguments and data; return a function that makes the two datasets, and what it makes them of."""
        slots, surplus = self.slots(), False
        if isinstance(runner, trainer.Trainer):
            runner.check(kwargs)
            slots, surplus = runner.slots(), runner.ignores_surplus
        options = {key: kwargs[key] for key in trainer.DATA_KEYWORDS if key in kwargs}
        for key in ("batch_size", "train_batches", "valid_batches", "iteration_size", "axis"):
            if options.get(key) is not None and not util.is_int(options[key]):
                raise util.ConfigurationError(f"{key}={options[key]!r}, expected an integer")
        axis = options.get("axis") or 0
        train_source, valid_source = sources.build_both(train, valid, slots, axis, surplus)
        if isinstance(runner, trainer.Trainer) and kwargs.get("class_weight") is not None:
            kwargs["class_weight"] = balance.resolve(
                kwargs["class_weight"], self, lambda variable: _labels(train_source, variable)
            )

        def make(source, name, masked):
            return source.dataset(
                name,
                masked=masked,
                ordered=bool(kwargs.get("stateful")),
                batch_size=32 if options.get("batch_size") is None else int(options["batch_size"]),
                iteration_size=options.get("iteration_size") or options.get(f"{name}_batches"),
                rng=int(kwargs["rng"]) if util.is_int(kwargs["rng"]) else kwargs["rng"],
            )

        def make_both():
            masked = train_source.is_ragged() or valid_source.is_ragged()
            # in this order, as both are shuffled when they are made.
            valid_dataset = make(valid_source, "valid", masked)
            return make(train_source, "train", masked), valid_dataset, {"masked": True} if masked else {}

        return make_both, {"train": train_source, "valid": valid_source}

    def _make_session(self, runner, found, kwargs):
        """Make what goes on around the training."""
        if not isinstance(runner, trainer.Trainer):
            # a trainer of the user's own gets all arguments but these, which work with any trainer.
            return trainer.Session(self, kwargs.pop("callbacks", None), kwargs.pop("stop_when", None))
        path, every = kwargs.get("checkpoint"), kwargs.get("checkpoint_every")
        checkpoint = None
        if path is not None:
            options = {"batch_size": 32, "stateful": kwargs.get("stateful") or None}
            options.update((key, kwargs[key]) for key in trainer.DATA_KEYWORDS if kwargs.get(key) is not None)
            identity = trainer.identify(self, runner, found, options)
            checkpoint = trainer.Checkpoint(path, 1 if every is None else every, identity, kwargs)
        elif every is not None:
            raise util.ConfigurationError(f"checkpoint_every={every!r}: give a file, too, by checkpoint='path'")
        runner.session = trainer.Session(self, kwargs.get("callbacks"), kwargs.get("stop_when"), checkpoint)
        return runner.session

    @staticmethod
    def _run(runner, make_datasets, saver, session, kwargs):
        with saver, session:
            if session.is_done():
                return
            train, valid, options = make_datasets()
            # the trainer is closed first, so that the saver finds the best parameters.
            with contextlib.closing(runner.itertrain(train, valid, **kwargs, **options)) as epochs:
                try:
                    for i, monitors in enumerate(epochs):
                        outcome = session.see(monitors)
                        saver.epoch_ends()
                        trainer.renew()
                        yield monitors
                        saver.next_epoch_begins(i)
                        if outcome is not None:
                            break
                except sources.Exhausted:
                    # from a trainer without an end of its own for this.
                    session.runs_out()


def _labels(source, variable):
    """Return the labels in the training data."""
    arrays = getattr(source, "arrays", None)
    if arrays is None:
        arrays = getattr(getattr(source, "batches", None), "_inputs", None)
    if arrays is None:
        raise util.DataError(
            "class_weight='balanced': the training data are made batch by batch, so that it is not known how often "
            "each class occurs; give the weights as a list"
        )
    place = next(i for i, slot in enumerate(source.slots) if slot.variable is variable)
    labels = np.asarray(arrays[place])
    lengths = getattr(source, "lengths", None)
    if lengths is not None and labels.ndim > 1:
        # what only fills up shorter sequences does not count.
        labels = labels[data.make_mask(lengths) > 0]
    return labels


def _refuse_both(given, old, new, default):
    is_default = given.get(new) is default or isinstance(given.get(new), str) and given[new] == default
    if new not in given or not is_default:
        raise util.ConfigurationError(f"{old!r} is an old spelling of {new!r}, and both are given")
    del given[new]
