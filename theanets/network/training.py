"""Training of a network: the methods ``train`` and ``itertrain``, the history and the learning rate."""

import contextlib
import functools
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import arguments, data, logs, modes, regularizers, storage, trainer, util
from ..data import balance, sources, splitting
from ..data.batches import read_shuffle
from ..trainer import progress
from ..trainer.history import History
from ..trainer.sweeps import rates
from ..xla import processes
from . import agreement, monitoring
from .part import Part

__all__ = ["Training"]

#: The default of ``algo``; with ``resume=True`` the algorithm of the training before is the default instead.
DEFAULT_ALGO = util.Unspoken("rmsprop")
#: Placeholder in ``_finished`` while ``train`` waits for :meth:`Training._run` to store the session of the training.
WANTED = object()


class Training(Part):
    """Mixin class of networks with the methods for training."""

    # -- state of the training ----------------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        """The history of the latest training, or of the one in progress: monitors and learning rates by epoch.

        It is a :class:`theanets.trainer.history.History`. Each call of :meth:`train` or :meth:`itertrain` begins a new
        one; a training that resumes from a checkpoint continues the history of that. It is saved and copied with the
        network.
        """
        return self._history

    @property
    def learning_rate(self):
        """The learning rate of the training in progress. It can be assigned.

        A value that is assigned, within an :meth:`itertrain` loop or by a callback, is used from the next epoch on, and
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

    @arguments.implemented_by("_train")
    def train(
        self,
        train: Any = None,
        valid: Any = None,
        algo: Any = DEFAULT_ALGO,
        subalgo: str = "rmsprop",
        save_every: float = 0,
        save_progress: Any = None,
        *,
        batch_size: int = 32,
        train_batches: int | None = None,
        valid_batches: int | None = None,
        iteration_size: int | None = None,
        validation_split: float = 0,
        shuffle: str | bool = "batches",
        axis: int = 0,
        rng: int | np.random.RandomState | None = None,
        epochs: int | None = None,
        max_updates: int | None = None,
        max_seconds: float | None = None,
        learning_rate: float | str = 1e-4,
        momentum: float = 0,
        nesterov: bool = False,
        patience: int = 5,
        validate_every: int = 10,
        min_improvement: float = 0,
        max_gradient_norm: float = 0,
        max_gradient_elem: float = 0,
        max_gradient_total_norm: float = 0,
        average_weights: float = 0,
        accumulate: int = 1,
        monitors: Any = None,
        monitor_gradients: bool = False,
        average: str = "examples",
        stateful: bool | str = False,
        callbacks: Callable | Sequence[Callable] | None = None,
        stop_when: str | Callable | None = None,
        schedule: str | dict | Callable | None = None,
        freeze: str | Sequence[str] | None = None,
        class_weight: str | dict | Sequence[float] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float | None = None,
        save_best: str | os.PathLike[str] | None = None,
        save_errors: str = "warn",
        resume: bool = False,
        progress: bool | None = None,
        verbose: bool | int | str | None = None,
        devices: str | int | Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Train until the loss stops improving, or until told to stop.

        Parameters
        ----------
        train, valid, ..., **kwargs
            See :meth:`itertrain`.

        Returns
        -------
        train, valid : pair of dicts
            Values of the monitors on the training data in the last epoch, while it learned from them; and on the
            validation data with the parameters that the network is left with, so that ``valid['acc']`` of a classifier
            is what :meth:`score` gives. If no epoch was completed, those on the training data are "not a number".
            With a ``checkpoint`` of a training that is done already, those of that training. A user-defined trainer
            has its last pair returned unchanged; ``algo='pretrain'`` has the values of the autoencoder that it trains.

        Examples
        --------
        >>> import numpy as np
        >>> import theanets
        >>> net = theanets.Classifier([2, 2])
        >>> x, labels = np.eye(2), [1, 0]
        >>> train, valid = net.train([x, labels], algo="sgd", learning_rate=0.1, epochs=3)
        >>> bool(valid["acc"] == net.score(x, labels))
        True
        """
        raise NotImplementedError

    def _train(self, *args, **kwargs):
        # callbacks and trainers may call train() themselves: the value of the outer call is restored afterwards.
        before, self._finished = self._finished, WANTED
        try:
            with contextlib.closing(self.itertrain(*args, **kwargs)) as epochs:
                last = deque(epochs, maxlen=1)
            session = None if self._finished is WANTED else self._finished
        finally:
            self._finished = before
        last = last[0] if last else None
        return last if session is None else session.result(last)

    @arguments.implemented_by("_begin")
    def itertrain(
        self,
        train: Any = None,
        valid: Any = None,
        algo: Any = DEFAULT_ALGO,
        subalgo: str = "rmsprop",
        save_every: float = 0,
        save_progress: Any = None,
        *,
        batch_size: int = 32,
        train_batches: int | None = None,
        valid_batches: int | None = None,
        iteration_size: int | None = None,
        validation_split: float = 0,
        shuffle: str | bool = "batches",
        axis: int = 0,
        rng: int | np.random.RandomState | None = None,
        epochs: int | None = None,
        max_updates: int | None = None,
        max_seconds: float | None = None,
        learning_rate: float | str = 1e-4,
        momentum: float = 0,
        nesterov: bool = False,
        patience: int = 5,
        validate_every: int = 10,
        min_improvement: float = 0,
        max_gradient_norm: float = 0,
        max_gradient_elem: float = 0,
        max_gradient_total_norm: float = 0,
        average_weights: float = 0,
        accumulate: int = 1,
        monitors: Any = None,
        monitor_gradients: bool = False,
        average: str = "examples",
        stateful: bool | str = False,
        callbacks: Callable | Sequence[Callable] | None = None,
        stop_when: str | Callable | None = None,
        schedule: str | dict | Callable | None = None,
        freeze: str | Sequence[str] | None = None,
        class_weight: str | dict | Sequence[float] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float | None = None,
        save_best: str | os.PathLike[str] | None = None,
        save_errors: str = "warn",
        resume: bool = False,
        progress: bool | None = None,
        verbose: bool | int | str | None = None,
        devices: str | int | Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
        """Train as a generator, which yields the values of the monitors after each epoch.

        However the loop is left, the network then has the parameters with the lowest validation loss. The last
        parameters are validated when the generator is closed.

        Compiled functions are cached for the next training by the same algorithm and with the same options, of this
        network or of another one of the same structure; see :func:`theanets.set_store`.

        Parameters
        ----------
        train : array, list of arrays, dict, dataset, iterable, callable, iterator or downhill.Dataset
            The data: an array for each of :attr:`variables`, in their order or by name; or a dataset of examples with
            ``__len__`` and ``__getitem__``, which is read at once. Something that can be iterated over again and
            again, such as a loader of batches or a generator function, is iterated over once in an epoch. A callable
            returns a list of arrays each time it is called, for one batch; an iterator yields them.
        valid : the same, optional
            Data to validate on. Default: the training data.
        algo : str or trainer, optional
            How to train: the name of an algorithm of downhill (``sgd``, ``nag``, ``rprop``, ``rmsprop``, ``adagrad``,
            ``adadelta``, ``esgd``, ``adam``) or of this library (``adamw``, ``nadam``, ``amsgrad``, ``adamax``,
            ``lion``, ``nesterov``, ``lbfgs``, see :mod:`theanets.trainer.optimizers`); ``layerwise``, ``pretrain`` or
            ``sample``, see :mod:`theanets.trainer`; or an object with a method
            ``itertrain(train, valid, **kwargs)``. Default ``'rmsprop'``.
        subalgo : str, optional
            The algorithm that ``layerwise`` and ``pretrain`` use. Default ``'rmsprop'``.
        save_every : int or float, optional
            Save after so many epochs (int) or minutes (float). Default 0, which is never.
        save_progress : str, pathlib.Path or binary file, optional
            The file to save to. ``{}`` in a path becomes the time in seconds.
        batch_size : int, optional
            Number of examples in a batch; 0 for all of them. Default 32.
        train_batches, valid_batches, iteration_size : int, optional
            Number of batches in an epoch, for either dataset or for both. Default: all.
        validation_split : float, optional
            Share of the training data, if these are arrays, that is left out of training and used for validation
            instead. The choice depends on ``rng`` only; of labels, it is from all classes in proportion. Default 0:
            none.
        shuffle : str or bool, optional
            The order of the training data. ``'batches'``: batches are fixed slices of consecutive rows, which are taken
            in another order each epoch. ``'rows'``, or True: rows are shuffled in each epoch. False: all come in the
            order of the data, as they always do with ``stateful``. The rows of validation data are never shuffled; at
            most their batches come in another order. Default ``'batches'``.
        axis : int, optional
            The axis of the batch. Default 0.
        rng : int, None or numpy.random.RandomState, optional
            Seed or generator for shuffling, noise and dropout. Default: that of the network.
        epochs, max_updates : int, optional
            Stop after so many passes over the training data.
        max_seconds : float, optional
            Stop after so many seconds.
        learning_rate : float or 'auto', optional
            The size of a step. Default 1e-4, which is small: 0.001 to 0.01 is usual for ``rmsprop`` and ``adam``.
            ``'auto'`` tries 16 of them, from 1e-5 to 1, on copies of the network, with 200 batches each, and takes the
            one with the lowest loss; the log tells, and ``rate_test`` of the :attr:`history`.
        momentum : float, optional
            Share of the last step that is added to this one. Default 0.
        nesterov : bool, optional
            Look ahead along the momentum. Default False, for ``nag`` True.
        patience : int, optional
            How many validations in a row may fail to improve the loss. Default 5.
        validate_every : int, optional
            Epochs between validations. Default 10.
        min_improvement : float, optional
            Relative gain that counts as an improvement. Default 0.
        max_gradient_norm, max_gradient_elem : float, optional
            Limits for the length of each parameter's gradient, and for each of its elements. Default 0: none.
        max_gradient_total_norm : float, optional
            Limit for the length of the gradient of all parameters together, which is scaled down as a whole. Default
            0: none.
        average_weights : float, optional
            Keep a running mean of the parameters, in which those of a step count this much less than those of the next
            one; 0.999 is usual. Validations use it, and the network is left with it. Default 0: none.
        accumulate : int, optional
            Make a step only after so many batches, by the mean of their gradients, as if batches were so many times as
            large. Batches that are left at the end of an epoch count for the next one. Default 1.
        monitors : dict, optional
            See :meth:`monitors`.
        monitor_gradients : bool, optional
            Report the sum of squares of each parameter's gradient. Default False.
        average : str, optional
            How monitors are averaged over an epoch: ``'examples'`` for means over all examples (or steps of sequences,
            or weights, as in the loss); or ``'batches'`` for means of the means of batches, each with the same weight
            whatever its size, as in releases before 0.9. Default ``'examples'``.
        stateful : bool or str, optional
            Whether recurrent layers begin each batch with the state at the end of the previous batch.
            Batches then come in order, without being shuffled; with ``axis=1``, they are pieces of time of the same
            sequences. States are reset when an epoch begins, or with ``'keep'`` only by :meth:`reset_state`. Default
            False.
        callbacks : list of callable, optional
            Functions that are called with the network and its :attr:`history` after each epoch. If one of them returns
            True, training stops; if it raises an error, training stops with it.
        stop_when : str or callable, optional
            Stop when a condition holds after an epoch: one on a column of the history, such as
            ``'valid_loss < 0.01'``; or a function of the history.
        schedule : str, dict or callable, optional
            How the learning rate changes from epoch to epoch, see :mod:`theanets.trainer.schedules`. Default: not at
            all.
        freeze : list of str, optional
            Parameters that are not trained: shell patterns for their names, such as ``'*.b'``, or for names of layers,
            such as ``'hid1'``. A layer with statistics, such as ``batchnorm``, behaves as in prediction, and does not
            update its statistics, if all of its parameters are frozen, or one of its statistics is named.
        class_weight : str, dict or list, optional
            Weights of classes in the loss, in addition to those of examples: ``'balanced'`` for weights in inverse
            proportion to the frequencies of the classes in the training data; or weights by class. Default: all are
            equal.
        checkpoint : str or pathlib.Path, optional
            A file with the whole state of the training. If it exists, training resumes from it, and goes on to the end
            that the arguments set. See docs/guide/training.md.
        checkpoint_every : int or float, optional
            Write it after so many epochs (int) or minutes (float). Default: after each epoch.
        save_best : str or pathlib.Path, optional
            A file that the network is saved to after each validation that is the best so far; see
            :meth:`theanets.Network.save`. Default: none.
        save_errors : str, optional
            What to do if one of these files cannot be written during training, as on a full disk: ``'warn'`` and go
            on, with another warning at the end if it still fails; or ``'raise'`` the error, which ends training.
            Default ``'warn'``.
        resume : bool, optional
            Resume the previous training in the same process: with the state of the optimizer and of the schedule, the
            history, the random numbers and the parameters of its last epoch, as one long training does.
            ``epochs`` and ``max_updates`` then count further epochs. Arguments that are left out are those of the
            training before, except for limits, callbacks, ``stop_when`` and the data. Default False: the optimizer
            starts anew. See docs/guide/training.md.
        progress : bool, optional
            Whether to show a progress bar with the current losses. Default: if training takes more than a second, and
            the standard error is a terminal, or in a notebook. Where a bar is shown, the log has no lines of epochs.
        verbose : bool, int or str, optional
            How much this training says: False or 0 for nothing but warnings, and no bar; True or 1 for a line when it
            begins, one for each epoch and each validation, and one when it ends; 2 for all settings as well; or a
            level for :func:`theanets.set_log`. Default: what was chosen there.
        devices : str, int or list, optional
            The devices among which the examples of each batch are divided, see :func:`theanets.set_devices`. Default:
            what was set there.
        **kwargs
            Further options of the algorithm, see :mod:`theanets.trainer`, and regularizers, see
            :func:`theanets.regularizers.from_kwargs`.

        Yields
        ------
        train, valid : pair of dicts
            Values of the monitors on the training data of this epoch, while the parameters changed; and on the
            validation data when they were last used *before* this epoch: the first pair has those of the parameters
            that training began with, and with ``validate_every=10`` so have the nine that follow. The values of the
            parameters after this epoch, if there is a validation then, are in the last row of :attr:`history`. The
            first key is ``loss``.

        Raises
        ------
        ConfigurationError
            At the call, for unknown arguments (an ``ArgumentError``), for data that does not fit or is not
            finite (a ``DataError``), for weights that are negative or all zero, for a checkpoint of another training,
            and where there is no training to resume.
        """
        raise NotImplementedError

    def _begin(
        self, train=None, valid=None, algo=DEFAULT_ALGO, subalgo="rmsprop", save_every=0, save_progress=None, **kwargs
    ):
        """Check arguments and data; return the generator of :meth:`itertrain`."""
        return self._run_with(train, valid, algo, subalgo, save_every, save_progress, kwargs)

    def _run_with(self, train, valid, algo, subalgo, save_every, save_progress, kwargs, is_incremental=False):
        given = dict(kwargs, train=train, valid=valid, algo=algo)
        for old, new in arguments.OLD_TRAINING.items():
            if old in kwargs and new in ("train", "valid", "algo"):
                # arguments with a default in the signature: the old spelling may replace that default only.
                _refuse_both(given, old, new, {"algo": "rmsprop"}.get(new))
        kwargs = arguments.renamed(arguments.renamed(given, arguments.OLD_TRAINING), arguments.OLD_REGULARIZERS)
        train, valid, algo = kwargs.pop("train"), kwargs.pop("valid"), kwargs.pop("algo")
        if train is None:
            raise util.DataError("train data: expected arrays, a callable or a dataset, found None")
        self._require_layers()
        trainer.check_free(self)
        self._ensure_loss()
        before = self._training_before(kwargs)
        is_tested = isinstance(kwargs.get("learning_rate"), str) and kwargs["learning_rate"] == rates.AUTO
        tried = None
        if before is not None:
            if is_tested:
                # it goes on with the one that was found.
                del kwargs["learning_rate"]
            algo = before.algo if algo is DEFAULT_ALGO else algo
            kwargs = {**before.options, **kwargs}
        self._nan_noticed = False
        kwargs.setdefault("rng", self.rng)
        monitoring.read(kwargs.get("monitors"))
        is_tested = is_tested and before is None
        if is_tested:
            # until all arguments have been checked.
            kwargs["learning_rate"] = None
        asked = dict(kwargs)
        shuffle = _read_shuffle(kwargs)
        total = kwargs.get("epochs")
        if before is not None and util.is_int(total):
            total += before.epoch
        bar = {"progress": kwargs.pop("progress", None), "total": total}
        level = _read_verbose(kwargs.pop("verbose", None), bar)
        save_errors = kwargs.pop("save_errors", None)
        plan = modes.plan(kwargs.pop("devices", None), "train()")
        runner = trainer.build(algo, subalgo, self)
        if before is not None:
            if not isinstance(runner, trainer.DownhillTrainer):
                raise util.ConfigurationError(
                    f"resume=True: algo={algo!r} cannot go on from a training before; algorithms of downhill can"
                )
            runner.before = before
        make, found = self._dataset_maker(train, valid, runner, shuffle, kwargs)
        is_shared = plan is not None and plan.is_distributed
        if is_shared:
            agreement.check(self, found, kwargs)
            for source in found.values():
                # each process reads its part of data that are read block by block.
                getattr(source, "split", lambda *_: None)(processes.number(), processes.count())
        if is_tested:
            kwargs["learning_rate"], tried = rates.find(self, train, algo, asked)
        is_first = not is_shared or processes.is_first()
        saver = storage.Saver(self, save_progress if is_first else None, save_every, save_errors)
        session = self._make_session(runner, found, shuffle, kwargs, save_errors, is_shared)
        bar["progress"] = bar["progress"] if is_first else False
        session.is_incremental, session.plan = is_incremental, plan
        session.history.has_validation_data = valid is not None or bool(kwargs.get("validation_split"))
        session.history.rate_test = tried
        epochs = self._run(runner, make, saver, session, kwargs)
        return trainer.closed_at_exit(progress.shown(epochs, session, **bar, level=level))

    def _train_on(self, train, algo, **kwargs):
        """Train for one epoch, as for ``partial_fit``, and keep the parameters that it ends with.

        The optimizer resumes from the previous epoch, if that was by the same algorithm.

        Parameters
        ----------
        train, algo, **kwargs
            See :meth:`itertrain`.

        Returns
        -------
        epochs : generator
            Yields once, as :meth:`itertrain` does.
        """
        before = self._trained
        resume = before is not None and before.state is not None and before.algo == algo
        kwargs.update(epochs=1, resume=resume)
        return self._run_with(train, None, algo, "rmsprop", 0, None, kwargs, is_incremental=True)

    def _training_before(self, kwargs):
        """Return the training that this one resumes; None if it starts anew."""
        resume = kwargs.pop("resume", False)
        if not isinstance(resume, (bool, np.bool_)):
            raise util.ConfigurationError(f"resume={resume!r}, expected True or False")
        if not resume:
            return None
        if kwargs.get("checkpoint") is not None:
            raise util.ConfigurationError(
                "resume=True and checkpoint=: a training with a checkpoint goes on from its file by itself; give one "
                "of the two"
            )
        if self._session is not None:
            raise util.ConfigurationError("resume=True: a training of this network is still going on")
        before = self._trained
        if before is None:
            raise util.ConfigurationError(
                "resume=True: there is no training of this network to go on from. Only one in the same process counts, "
                "and no copy or file of a network holds its state; give checkpoint= to go on in another process"
            )
        if before.state is None:
            raise util.ConfigurationError(
                "resume=True: the training before has left nothing to go on from, as its loss was not a finite number "
                "any more; train without resume=True to start anew from the best parameters"
            )
        if "rng" in kwargs and not _is_same(kwargs["rng"], before.options["rng"]):
            raise util.ConfigurationError(
                f"resume=True: rng={kwargs['rng']!r}, but training goes on with the random numbers of the training "
                "before; leave it out"
            )
        return before

    def _forget_training(self):
        """Release the state from which ``resume=True`` would go on."""
        before, self._trained = self._trained, None
        if before is not None and not before.compiled.is_used:
            before.compiled.release()

    def _check_patterns(self, regularizers, monitors):
        """Raise an error for patterns of regularizers and monitors that match nothing."""
        monitoring.check_patterns(self, regularizers, monitors)

    def _dataset_maker(self, train, valid, runner, shuffle, kwargs):
        """Check arguments and data; return a function that makes the two datasets, and their sources by name."""
        slots, surplus = self._slots(), False
        if isinstance(runner, trainer.Trainer):
            runner.check(kwargs)
            slots, surplus = runner.slots(), runner.ignores_surplus
        options = {key: kwargs[key] for key in trainer.DATA_KEYWORDS if key in kwargs}
        trainer.check_numbers(options)
        axis = options.get("axis") or 0
        if valid is not None and options.get("validation_split"):
            raise util.ConfigurationError(
                f"validation_split={options['validation_split']!r}: there are data to validate on already, as valid="
            )
        train_source, valid_source = sources.build_both(train, valid, slots, axis, surplus)
        if options.get("validation_split"):
            seed = self.seed if kwargs["rng"] is self.rng else regularizers.seed_of(kwargs["rng"])
            train_source, valid_source = splitting.split(
                train_source, options["validation_split"], lambda: self._strata(train_source), seed
            )
        sources.check_shuffle(train_source, shuffle)
        if isinstance(runner, trainer.Trainer) and kwargs.get("class_weight") is not None:
            kwargs["class_weight"] = balance.resolve(
                kwargs["class_weight"], self, lambda variable: _labels(train_source, variable)
            )
        batch_size = options.get("batch_size")
        batch_size = (
            getattr(runner, "batch_size", trainer.Trainer.batch_size) if batch_size is None else int(batch_size)
        )
        if kwargs.get("stateful"):
            shuffle = False
        elif shuffle != "rows" and not isinstance(runner, trainer.SampleTrainer):
            self._warn_of_sorted_labels(train_source, batch_size)

        def make(source, name, masked, shuffle):
            return source.dataset(
                name,
                masked=masked,
                shuffle=shuffle,
                batch_size=batch_size,
                iteration_size=options.get("iteration_size") or options.get(f"{name}_batches"),
                rng=int(kwargs["rng"]) if util.is_int(kwargs["rng"]) else kwargs["rng"],
            )

        def make_both():
            masked = train_source.is_ragged() or valid_source.is_ragged()
            if not masked and (train_source.varies() or valid_source.varies()):
                # padded to a few lengths with a mask, as XLA compiles a program for each length.
                masked = self._takes_masks()
            # in this order, as datasets draw from the same generator when they are made.
            valid_dataset = make(valid_source, "valid", masked, shuffle and "batches")
            train_dataset = make(train_source, "train", masked, shuffle)
            return train_dataset, valid_dataset, {"masked": True} if masked else {}

        return make_both, {"train": train_source, "valid": valid_source}

    def _strata(self, source):
        """Return the class of each example, if each has one; else None."""
        shapes = {layer.full_name(output): shape for layer in self.layers for output, shape in layer.shapes.items()}
        for loss in self.losses:
            target = loss.variables[0]
            if loss.num_classes(shapes) is not None and target.ndim == 1:
                return np.asarray(_labels(source, target))
        return None

    def _takes_masks(self):
        """Tell whether the graph of the network can be built with a mask of padded sequences."""
        try:
            self.build_graph(context=self._context(masked=True))
        except util.ConfigurationError:
            return False
        return True

    def _warn_of_sorted_labels(self, source, batch_size):
        """Warn, once, if batches of the training data hold one class each."""
        shapes = {layer.full_name(output): shape for layer in self.layers for output, shape in layer.shapes.items()}
        for loss in self.losses:
            place = next((i for i, slot in enumerate(source.slots) if slot.variable is loss.variables[0]), None)
            if place is None or loss.num_classes(shapes) is None or not isinstance(source, sources.ArraySource):
                continue
            mask = None if source.lengths is None else data.make_mask(source.lengths)
            found = balance.describe_sorted(source.arrays[place], batch_size, mask) if source.axis == 0 else None
            if found:
                util.warn(f"{found}; give shuffle='rows', which mixes the rows anew each epoch, or mix them yourself")
                return

    def _make_session(self, runner, found, shuffle, kwargs, save_errors=None, is_shared=False):
        """Make the session of a training: its history, callbacks, stop condition and checkpoint."""
        if not isinstance(runner, trainer.Trainer):
            # a user-defined trainer gets all arguments but these, which work with any trainer.
            return trainer.Session(self, kwargs.pop("callbacks", None), kwargs.pop("stop_when", None))
        path, every = kwargs.get("checkpoint"), kwargs.get("checkpoint_every")
        checkpoint = None
        if path is not None:
            options = {"batch_size": 32, "stateful": kwargs.get("stateful") or None}
            options.update((key, kwargs[key]) for key in trainer.DATA_KEYWORDS if kwargs.get(key) is not None)
            # the default is left out, so that checkpoints of earlier releases still match.
            options["shuffle"] = None if shuffle == "batches" else shuffle
            identity = trainer.identify(self, runner, found, options, kwargs)
            checkpoint = trainer.Checkpoint(
                path, 1 if every is None else every, identity, kwargs, save_errors, is_shared
            )
        elif every is not None:
            raise util.ConfigurationError(f"checkpoint_every={every!r}: give a file, too, by checkpoint='path'")
        if path is not None and kwargs.get("save_best") is not None:
            if os.path.realpath(str(path)) == os.path.realpath(str(kwargs["save_best"])):
                raise util.ConfigurationError(
                    f"checkpoint={str(path)!r} and save_best=: expected two files, as each would overwrite the other"
                )
        runner.session = trainer.Session(self, kwargs.get("callbacks"), kwargs.get("stop_when"), checkpoint, kwargs)
        if kwargs.get("save_best") is not None:
            runner.session.best_file = storage.BestFile(self, kwargs["save_best"], save_errors)
        return runner.session

    def _run(self, runner, make_datasets, saver, session, kwargs):
        if self._finished is WANTED:
            self._finished = session
        before, history = getattr(runner, "before", None), self._history
        if before is None:
            self._forget_training()
        elif before is not self._trained:
            raise util.ConfigurationError("resume=True: another training of this network has come in between")
        try:
            with saver, session:
                if not session.is_done():
                    yield from self._epochs(runner, make_datasets, saver, session, kwargs)
        finally:
            if before is not None and self._trained is before:
                # training has failed before it resumed the previous one, whose history is restored.
                self._history = history

    def _epochs(self, runner, make_datasets, saver, session, kwargs):
        train, valid, options = make_datasets()
        session.measure = functools.partial(trainer.measure, runner, self, valid, {**kwargs, **options})
        session.is_measured = getattr(runner, "measures", True)
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
                # by a trainer that does not handle the end of its data itself.
                session.runs_out()


def _read_verbose(verbose, bar):
    """Return the level of the log for ``verbose``; without any output, there is no bar either."""
    try:
        level = logs.level_of(verbose)
    except ValueError as error:
        raise util.ConfigurationError(str(error)) from None
    if level is not None and level > logging.INFO and bar["progress"] is None:
        bar["progress"] = False
    return level


def _is_same(one, two):
    return one is two or util.is_int(one) and util.is_int(two) and one == two


def _labels(source, variable):
    """Return the labels that the training data have for a variable."""
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
        # without the labels of padding.
        labels = labels[data.make_mask(lengths) > 0]
    return labels


def _read_shuffle(kwargs):
    """Return the order of the training data, and check that it fits ``stateful``."""
    shuffle = read_shuffle(kwargs.get("shuffle"))
    if shuffle == "rows" and kwargs.get("stateful"):
        raise util.ConfigurationError(
            f"shuffle='rows' and stateful={kwargs['stateful']!r}: where a batch goes on from the state at the end of "
            "the batch before, the data must come in order; leave one of them out"
        )
    return shuffle


def _refuse_both(given, old, new, default):
    is_default = given.get(new) is default or isinstance(given.get(new), str) and given[new] == default
    if new not in given or not is_default:
        raise util.ConfigurationError(f"{old!r} is an old spelling of {new!r}, and both are given")
    del given[new]
