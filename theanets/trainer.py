"""Trainers: ways to find good values for the parameters of a network.

A trainer is asked for by the argument ``algo`` of :meth:`theanets.Network.train`:

==============================  ===============================================================================
algo                            trainer
==============================  ===============================================================================
an algorithm of downhill        :class:`DownhillTrainer`: minimize the loss by a gradient method
``layerwise``, ``supervised``   :class:`SupervisedPretrainer`: one hidden layer after the other, then all
``pretrain``, ``unsupervised``  :class:`UnsupervisedPretrainer`: the hidden layers, as those of an autoencoder
``sample``                      :class:`SampleTrainer`: fill the weights with samples of the data
==============================  ===============================================================================

What an update is, when to validate and when patience has run out is decided by the package downhill. Its algorithms
are ``sgd``, ``nag``, ``rprop``, ``rmsprop``, ``adagrad``, ``adadelta``, ``esgd`` and ``adam``; all of them take these
options:

=====================  ========  ======================================================================================
option                 default
=====================  ========  ======================================================================================
``learning_rate``      1e-4      size of a step
``momentum``           0         share of the last step that is added to this one
``nesterov``           False     look ahead along the momentum
``patience``           5         how many validations in a row may fail to improve the loss
``validate_every``     10        epochs between validations
``min_improvement``    0         relative gain that counts as an improvement (meant for losses above zero)
``max_gradient_norm``  0         limit for the length of each parameter's gradient; 0 is none
``max_gradient_elem``  0         limit for each element of a gradient; 0 is none
=====================  ========  ======================================================================================

On top of that, ``epochs`` (or ``max_updates``, which counts epochs, too) and ``max_seconds`` say when to stop. The
clock starts when the functions are compiled.
"""

import contextlib
import copy
import inspect
import time
from collections import OrderedDict

import downhill
import numpy as np
import theano

from . import arguments, layers, regularizers, sources, util
from .layers.context import Context

__all__ = ["build", "Trainer", "DownhillTrainer", "SampleTrainer", "SupervisedPretrainer", "UnsupervisedPretrainer"]

#: Options that every algorithm of downhill takes.
COMMON_OPTIONS = frozenset(
    [
        "learning_rate",
        "momentum",
        "nesterov",
        "patience",
        "validate_every",
        "min_improvement",
        "max_gradient_norm",
        "max_gradient_elem",
    ]
)

#: Options that say when to stop, what to report, and what to carry on.
LOOP_OPTIONS = frozenset(["epochs", "max_updates", "max_seconds", "monitors", "monitor_gradients", "stateful"])

#: Keywords that describe data rather than training. A ``name`` is accepted, and has no effect.
DATA_KEYWORDS = frozenset(["batch_size", "train_batches", "valid_batches", "iteration_size", "axis", "name"])


def algorithms():
    """Return the optimizer classes of downhill by name."""
    return {name: cls for name, cls in downhill.Optimizer._registry.items() if cls is not downhill.Optimizer}


def options_of(algo):
    """Return the names of the options that an algorithm takes beside the common ones."""
    names = set()
    for cls in algorithms()[algo].__mro__:
        if "_prepare" in vars(cls):
            names.update(inspect.signature(cls._prepare).parameters)
    return names - {"self", "kwargs"}


def keywords():
    """Return the set of keywords of ``train`` that are no regularizers."""
    own = set().union(*map(options_of, algorithms()))
    return own | COMMON_OPTIONS | LOOP_OPTIONS | DATA_KEYWORDS | set(arguments.OLD_TRAINING)


def get_algorithm(algo):
    """Return the name of an algorithm of downhill in lower case; raise ``ConfigurationError`` if there is none."""
    name = algo.lower() if isinstance(algo, str) else algo
    if name not in algorithms():
        raise util.unknown("training algorithm", algo, [*algorithms(), "layerwise", "pretrain", "sample"])
    return name


def build(algo, subalgo, network):
    """Make the trainer for a name.

    Parameters
    ----------
    algo : str or trainer
        See the top of this module. An object with a method ``itertrain`` is returned as it is. Of a list of names,
        as older releases had them, only the first one counts.
    subalgo : str
        The algorithm of downhill that pretraining uses.
    network : :class:`theanets.Network`
        The network to be trained.

    Raises
    ------
    ConfigurationError
        If there is no such algorithm.
    """
    if isinstance(algo, (list, tuple)) and algo:
        util.warn(f"algo={algo!r}: a list is deprecated, and only its first entry is used", DeprecationWarning)
        algo = algo[0]
    if hasattr(algo, "itertrain"):
        return algo
    name = algo.lower() if isinstance(algo, str) else ""
    if name == "sample":
        return SampleTrainer(network)
    if name.startswith(("layer", "sup")):
        return SupervisedPretrainer(subalgo, network)
    if name.startswith(("pre", "unsup")):
        return UnsupervisedPretrainer(subalgo, network)
    return DownhillTrainer(algo, network)


class Trainer:
    """Base class of trainers.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network to be trained.
    """

    #: Whether arrays beyond those that the trainer needs may be given, and are left aside.
    ignores_surplus = False

    def __init__(self, network):
        self.network = network

    def keywords(self):
        """Return the names of the options that the trainer uses."""
        return set(LOOP_OPTIONS)

    def check(self, kwargs):
        """Refuse arguments that nobody uses, and networks that cannot be trained like this."""
        known = self.keywords() | DATA_KEYWORDS | regularizers.keywords()
        hints = {}
        for name in keywords() - known:
            users = sorted(algo for algo in algorithms() if name in options_of(algo))
            hints[name] = f"it is an option of {', '.join(users) or 'gradient methods'}"
        names = [key for key in kwargs if key not in known and key.lower() not in known]
        more = {"train", "valid", "algo", "subalgo", "save_every", "save_progress"}
        arguments.refuse(names, known | more, "train()", hints)
        # made again when training starts; here for the errors that they may raise.
        regularizers.from_kwargs(self.network, **kwargs)

    def slots(self):
        """Describe the arrays that the trainer needs."""
        return self.network.slots()

    def itertrain(self, train, valid=None, **kwargs):
        """Train, yielding a pair of dicts of monitors after each epoch.

        Parameters
        ----------
        train, valid : iterable of batches
            Such as ``downhill.Dataset``. Validation data default to the training data.
        **kwargs
            Options, regularizers and monitors.
        """
        raise NotImplementedError


class DownhillTrainer(Trainer):
    """Minimize the loss of a network by one of downhill's algorithms.

    Parameters
    ----------
    algo : str
        Name of the algorithm.
    network : :class:`theanets.Network`
        The network to be trained.
    variables : list of theano variables, optional
        What the arrays of a batch are values of. Default: the variables of the network.

    Attributes
    ----------
    outcome : Outcome or None
        Why the last training stopped.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([2, 1])
    >>> x = np.array([[0, 1], [1, 0], [1, 1], [0, 0]], "f")
    >>> train, valid = net.train([x, x.sum(axis=1)], algo="sgd", learning_rate=0.1, epochs=3)
    >>> list(train)
    ['loss', 'err']
    """

    def __init__(self, algo, network, variables=None):
        super().__init__(network)
        self.algo = get_algorithm(algo)
        self.variables = variables
        self.outcome = None

    def keywords(self):
        return super().keywords() | COMMON_OPTIONS | options_of(self.algo)

    def check(self, kwargs):
        super().check(kwargs)
        if not self.network.losses:
            raise util.ConfigurationError("this network has no loss to train by; add one by set_loss()")
        _check_numbers(kwargs)
        stateful = kwargs.get("stateful", False)
        if stateful not in (True, False, "keep"):
            raise util.ConfigurationError(f"stateful={stateful!r}, expected True, False or 'keep'")
        if stateful:
            self.network.initial_state(1)  # refuses networks that carry no state.

    def _build_optimizer(self, kwargs, context):
        network = self.network
        # resolved once, so that loss, updates and monitors belong to the same graph.
        regs = regularizers.from_kwargs(network, **kwargs)
        for reg in regs:
            reg.log()
        kwargs = dict(kwargs, regularizers=regs, context=context)
        loss = network.loss(**kwargs)
        used = {id(variable) for variable in theano.gof.graph.inputs([loss] if hasattr(loss, "type") else [])}
        # what the loss does not depend on has no gradient, and is left alone.
        params = [param for param in network.params if id(param) in used]
        if not params:
            raise util.ConfigurationError("the loss does not depend on any parameter of the network")
        outputs, _ = network.build_graph(regs, context)
        final = outputs.context.final_states
        carried = [(variable, final[name]) for name, variable in (context.states or {}).items()]
        inputs = list(self.variables or network.variables)
        return downhill.build(
            self.algo,
            loss=loss,
            updates=[*network.updates(**kwargs), *carried],
            monitors=network.monitors(**kwargs),
            inputs=inputs if context.mask is None else [*inputs, context.mask],
            params=params,
            monitor_gradients=kwargs.get("monitor_gradients", False),
        )

    def itertrain(
        self,
        train,
        valid=None,
        epochs=None,
        max_updates=None,
        max_seconds=None,
        stateful=False,
        masked=False,
        **kwargs,
    ):
        """Train, yielding a pair of dicts of monitors after each epoch.

        However the generator ends, the network then holds the parameters with the lowest validation loss.

        Parameters
        ----------
        train, valid : iterable of batches
            Such as ``downhill.Dataset``. Validation data default to the training data.
        epochs, max_updates : int, optional
            Stop after so many epochs; if both are given, after the smaller number.
        max_seconds : float, optional
            Stop after so many seconds.
        stateful : bool or str, optional
            Carry the state of recurrent layers on from batch to batch. It is reset when an epoch begins, or for
            ``'keep'`` only by :meth:`theanets.Network.reset_state`. Default False.
        masked : bool, optional
            Whether the last array of each batch says which steps of sequences count. Default False.
        **kwargs
            Options of the algorithm, regularizers and monitors.

        Yields
        ------
        train, valid : pair of dicts
            Values of the monitors.
        """
        phase = theano.shared(np.asarray(0, "int8"), name="training")
        context = Context(
            mask=self.network.mask_variable() if masked else None,
            states=self.network.carried_variables() if stateful else None,
            training=phase,
        )
        optimizer = self._build_optimizer(kwargs, context)
        options = {key: value for key, value in kwargs.items() if key in COMMON_OPTIONS | options_of(self.algo)}
        if self.algo == "nag":
            options["nesterov"] = True
        # an input that the loss does not depend on is given all the same, as the data has it.
        with theano.change_flags(on_unused_input="ignore"):
            optimizer._compile(**options)
        limits = [int(limit) for limit in (epochs, max_updates) if limit is not None]
        run = Run(optimizer, train, train if valid is None else valid, min(limits, default=None), max_seconds)
        run.phase = phase
        run.statistics = self.network.statistics
        if stateful:
            run.carrier = Carrier(self.network, keep=stateful == "keep")
        try:
            yield from run
        finally:
            self.outcome = run.outcome


def _check_numbers(kwargs):
    for key in ("epochs", "max_updates"):
        value = kwargs.get(key)
        if value is not None and (not util.is_int(value) or value < 0):
            raise util.ConfigurationError(f"{key}={value!r}, expected a number of epochs")
    for key, lowest in (("validate_every", 1), ("patience", 0)):
        value = kwargs.get(key)
        if value is not None and (not util.is_int(value) or value < lowest):
            raise util.ConfigurationError(f"{key}={value!r}, expected an integer of {lowest} or more")
    for key in ("learning_rate", "momentum", "min_improvement", "max_gradient_norm", "max_gradient_elem"):
        value = kwargs.get(key)
        if value is not None and not (util.is_real(value) and np.isfinite(value)):
            raise util.ConfigurationError(f"{key}={value!r}, expected a number")
    seconds = kwargs.get("max_seconds")
    if seconds is not None and not (util.is_real(seconds) and seconds >= 0):
        raise util.ConfigurationError(f"max_seconds={seconds!r}, expected a number of seconds")


class Outcome:
    """Why training stopped.

    Parameters
    ----------
    words : str
        The reason as it is logged.
    is_final : bool, optional
        Whether further stages of a training in several stages are to be left out. Default True.
    """

    def __init__(self, words, is_final=True):
        self.words = words
        self.is_final = is_final


INTERRUPTED = Outcome("interrupted from the keyboard")
LEFT = Outcome("the training loop was left")
DIVERGED = Outcome("the loss is not a finite number any more")
EXHAUSTED = Outcome("the training data came to its end")
FAILED = Outcome("an error occurred")


class Run:
    """One run of an optimizer: epochs, validations, and the way out.

    Parameters
    ----------
    optimizer : downhill.Optimizer
        With its functions compiled.
    train, valid : iterable of batches
        Data to learn from, and to validate on.
    max_epochs : int or None
        Stop after so many epochs.
    max_seconds : float or None
        Stop after so many seconds.

    Attributes
    ----------
    outcome : Outcome or None
        Why the run stopped; None while it goes on.
    phase : theano shared variable or None
        Is given the value 1 while parameters are learned, and 0 otherwise.
    statistics : list of theano shared variables
        Variables that belong to the model beside its parameters.
    carrier : Carrier or None
        What carries states on from batch to batch.
    """

    def __init__(self, optimizer, train, valid, max_epochs, max_seconds):
        self.optimizer = optimizer
        self.train = train
        self.valid = valid
        self.max_epochs = max_epochs
        self.max_seconds = max_seconds
        self.deadline = None if max_seconds is None else time.monotonic() + max_seconds
        self.outcome = None
        self.phase = None
        self.statistics = []
        self.carrier = None
        self.best_loss = np.inf
        self.best_params = None
        self.best_statistics = []
        self.unvalidated = False

    def __iter__(self):
        try:
            yield from self._epochs()
        except KeyboardInterrupt:
            self.outcome = INTERRUPTED
        except sources.Exhausted:
            self.outcome = EXHAUSTED
            if self.best_params is None:
                util.warn(
                    "the data came to its end in the first validation, so that nothing was learned; "
                    "give data of its own as valid=, or a number of batches as valid_batches=",
                    RuntimeWarning,
                )
        except GeneratorExit:
            self.outcome = LEFT
            raise
        finally:
            self._leave()

    def _epochs(self):
        epoch, validation = 0, None
        while self.outcome is None:
            if self.max_epochs is not None and epoch >= self.max_epochs:
                self.outcome = Outcome(f"{epoch} epochs are done", is_final=False)
                return
            if epoch % self.optimizer.validate_every == 0:
                validation = self._validate()
                if self.outcome not in (None, DIVERGED):
                    return
            training = self._learn()
            epoch += 1
            self.optimizer._log(training, epoch)
            yield training, validation
            if self.outcome is not DIVERGED:
                self._check_loss(training["loss"], "training")

    def _learn(self):
        """Make one pass over the training data."""
        self.unvalidated = True
        values = []
        self._enter_phase(1)
        batches = self.train if self.carrier is None else self.carrier.follow(self.train)
        try:
            for batch in batches:
                values.append(self.optimizer.f_step(*batch))
                if self.deadline is not None and time.monotonic() >= self.deadline:
                    self.outcome = Outcome(f"{self.max_seconds} seconds have passed")
                    break
        except sources.Exhausted:
            # the batches that came before the end still make an epoch.
            if not values:
                raise
            self.outcome = EXHAUSTED
        return OrderedDict(zip(self.optimizer._monitor_names, map(float, np.mean(values, axis=0))))

    def _enter_phase(self, value):
        if self.phase is not None:
            self.phase.set_value(np.asarray(value, self.phase.dtype))

    def _evaluate(self):
        """Compute the monitors on the validation data."""
        self._enter_phase(0)
        if self.carrier is None:
            monitors = self.optimizer.evaluate(self.valid)
        else:
            with self.carrier.aside():
                monitors = self.optimizer.evaluate(self.carrier.follow(self.valid, reset=True))
        return OrderedDict((name, float(value)) for name, value in monitors.items())

    def _validate(self):
        """Validate on schedule, and see whether patience has run out."""
        monitors = self._evaluate()
        if self.optimizer._test_patience(monitors):
            count = self.optimizer._curr_iter - self.optimizer._best_iter
            self.outcome = Outcome(f"patience has run out, {count} validations without improvement", is_final=False)
        self._note(monitors["loss"])
        self._check_loss(monitors["loss"], "validation")
        return monitors

    def _note(self, loss):
        """Keep the parameters if they are the best so far."""
        self.unvalidated = False
        is_better = np.isfinite(loss) and loss < self.best_loss
        # those at the start are kept even if their loss is not a number: there is nothing else to go back to.
        if is_better or self.best_params is None:
            self.best_params = [param.get_value().copy() for param in self.optimizer._params]
            self.best_statistics = [variable.get_value().copy() for variable in self.statistics]
        if is_better:
            self.best_loss = loss

    def _check_loss(self, loss, which):
        if np.isfinite(loss):
            return
        self.outcome = DIVERGED
        util.warn(
            f"the {which} loss is {loss}: training stops, and the best parameters so far are restored; "
            "a smaller learning_rate, or max_gradient_norm, may help",
            RuntimeWarning,
        )

    def _leave(self):
        """See whether the parameters at the end are the best, and restore the best ones."""
        failed = self.outcome is None
        # an error on its way must not be hidden by another one, which it may well have caused.
        unwanted = (Exception, KeyboardInterrupt) if failed else (sources.Exhausted, KeyboardInterrupt)
        try:
            if self.unvalidated:
                with contextlib.suppress(*unwanted):
                    monitors = self._evaluate()
                    best = " *" if monitors["loss"] < self.best_loss else ""
                    self.optimizer._log(monitors, self.optimizer._curr_iter, "final validation", best)
                    self._note(monitors["loss"])
        finally:
            if self.best_params is not None:
                self.optimizer.set_params(self.best_params)
                for variable, value in zip(self.statistics, self.best_statistics):
                    variable.set_value(value)
            self.outcome = self.outcome or FAILED
            util.log(f"training stopped: {self.outcome.words}; best validation loss {self.best_loss:.6f}")


class Carrier:
    """Carries the states of recurrent layers on from batch to batch.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network that is trained.
    keep : bool
        Whether states are also carried on from epoch to epoch.
    """

    def __init__(self, network, keep):
        self.network = network
        self.keep = keep

    def follow(self, batches, reset=None):
        """Generate the batches, seeing that the states have their length."""
        reset = not self.keep if reset is None else reset
        for batch in batches:
            count = batch[0].shape[0]
            if reset or self.network.carried_length() in (None, 0):
                self.network.reset_state(count)
                reset = False
            elif self.network.carried_length() != count:
                raise util.DataError(
                    f"stateful training: a batch of {count} sequences follows one of "
                    f"{self.network.carried_length()}; all batches must have the same sequences"
                )
            yield batch

    @contextlib.contextmanager
    def aside(self):
        """Put the states aside while something else is computed."""
        variables = self.network.carried_variables().values()
        values = [variable.get_value() for variable in variables]
        try:
            yield
        finally:
            for variable, value in zip(variables, values):
                variable.set_value(value)


class SampleTrainer(Trainer):
    """Fill weight matrices with samples of the data; biases are left alone.

    Rows of the output layer's matrices become targets, scaled to length 1. Going through the hidden layers in order,
    columns of their matrices become samples of what the layer reads, scaled to length 1.

    There is one epoch, and no loss is measured: the values of the monitors are ``{'loss': 0}``.

    A Coates, A Ng, "The Importance of Encoding Versus Training with Sparse Coding and Vector Quantization", ICML 2011,
    show how far weights can go that are samples of the data.
    """

    @staticmethod
    def reservoir(xs, n, rng):
        """Choose some vectors of a sequence at random, in one pass over it.

        Parameters
        ----------
        xs : iterable of ndarray (num-variables, )
            The vectors. Those of length zero are skipped.
        n : int
            How many to choose. If there are fewer, noisy copies of them make up the number.
        rng : int, None or numpy.random.RandomState
            Where random numbers come from.

        Returns
        -------
        samples : ndarray (n, num-variables)
            Scaled to length 1, but for the noisy copies.

        Raises
        ------
        DataError
            If all vectors have length zero.

        Notes
        -----
        J S Vitter, "Random Sampling with a Reservoir", ACM Trans. Math. Softw. 11(1), 1985
        """
        rng = util.random_state(rng)
        chosen, dtype, count = [], None, 0
        for x in xs:
            length = np.linalg.norm(x)
            if not length > 0:
                continue
            dtype = dtype or np.asarray(x).dtype
            if count < n:
                chosen.append(x / length)
            else:
                j = rng.randint(count + 1)
                if j < n:
                    chosen[j] = x / length
            count += 1
        if not chosen:
            raise util.DataError("algo='sample': there is no vector in the data that is not zero")
        real = len(chosen)
        deviation = np.std(chosen, axis=0)
        while len(chosen) < n:
            x = chosen[rng.randint(real)]
            chosen.append(x + deviation * rng.randn(*x.shape))
        return np.array(chosen, dtype)

    def itertrain(self, train, valid=None, **kwargs):
        """Fill the weights, yielding one pair of dicts."""
        network, rng = self.network, util.random_state(kwargs.get("rng"))
        variables = network.variables
        target = network.losses[0].variables[0] if network.losses else None
        if target is not None and "int" not in str(target.dtype):
            position = next(i for i, variable in enumerate(variables) if variable is target)
            for param in network.layers[-1].params:
                if param.ndim == 2:
                    rows, cols = param.get_value(borrow=True).shape
                    vectors = (np.reshape(_to_dense(batch[position]), (-1, cols)) for batch in train)
                    if _width(network, position) == cols:
                        self._fill(param, vectors, rows, rng)
        for layer in network.layers[1:-1]:
            for name, size in layer.inputs.items():
                for param in self._matrices(layer, name, size):
                    self._fill(param, self._outputs(name, train), param.get_value(borrow=True).shape[1], rng, True)
        yield OrderedDict(loss=0), OrderedDict(loss=0)

    @staticmethod
    def _matrices(layer, name, size):
        """Return the matrices of a layer that multiply the input of this name."""
        matrices = [p for p in layer.params if p.ndim == 2 and p.get_value(borrow=True).shape[0] == size]
        own = [p for p in matrices if p.name == f"{layer.name}.w_{name}"]
        return own or matrices

    def _outputs(self, name, train):
        """Generate vectors of an output of the network for the training data, with the weights as they are."""
        network = self.network
        for batch in train:
            (values,) = network._evaluate([name], list(batch[: len(network.inputs)]), [])
            yield _to_dense(values).reshape((-1, values.shape[-1]))

    def _fill(self, param, batches, n, rng, as_columns=False):
        samples = self.reservoir((x for batch in batches for x in batch), n, rng)
        param.set_value(np.asarray(samples.T if as_columns else samples, util.FLOAT))


def _to_dense(value):
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


def _width(network, position):
    shape = network.slots()[position].shape
    return shape[-1] if shape else None


class SupervisedPretrainer(Trainer):
    """Train one hidden layer after the other, and then the whole network.

    In each stage but the last, the network ends after one of its hidden layers, with a temporary output layer on top.
    All parameters of the stage are trained. An autoencoder in which each decoding layer is tied to an encoding one
    grows from the outside instead: each stage decodes by temporary tied layers.

    While a stage is trained, ``network.layers`` and ``network.losses`` are those of the stage. They are restored in
    any case. Limits and patience apply to each stage, ``max_seconds`` to all of them together.

    Parameters
    ----------
    algo : str
        The algorithm of downhill to use.
    network : :class:`theanets.Network`
        The network to be trained.

    Notes
    -----
    Y Bengio, P Lamblin, D Popovici, H Larochelle, "Greedy Layer-Wise Training of Deep Networks", NIPS 2006
    """

    def __init__(self, algo, network):
        super().__init__(network)
        self.algo = get_algorithm(algo)

    def keywords(self):
        return DownhillTrainer(self.algo, self.network).keywords()

    def check(self, kwargs):
        DownhillTrainer(self.algo, self.network).check(kwargs)

    def itertrain(self, train, valid=None, max_seconds=None, **kwargs):
        """Train stage by stage, yielding a pair of dicts of monitors after each epoch."""
        network = self.network
        variables = network.variables
        deadline = None if max_seconds is None else time.monotonic() + max_seconds
        for stage in [*self._stages(), network.layers]:
            with self._staged(stage):
                if not network.losses:
                    continue
                util.log(f"training the stage {' '.join(layer.name for layer in network.layers)}")
                trainer = DownhillTrainer(self.algo, network, variables)
                seconds = None if deadline is None else max(0, deadline - time.monotonic())
                yield from trainer.itertrain(train, valid, max_seconds=seconds, **kwargs)
            if trainer.outcome.is_final:
                break

    def _stages(self):
        """Generate the layers of each stage but the last."""
        encoders = _mirrored(self.network.layers)
        yield from self._untied_stages() if encoders is None else self._tied_stages(encoders)

    def _untied_stages(self):
        network = self.network
        output = network.layers[-1]
        *hidden, _ = [
            layer
            for layer in regularizers.hidden_layers(network.layers)
            if layer.params and len(layer.output_shape) == len(output.output_shape)
        ] or [None]
        for layer in hidden:
            stage = network.layers[: network.layers.index(layer) + 1]
            # inputs that come later belong to the data, too.
            stage += [other for other in network.layers if isinstance(other, layers.Input) and other not in stage]
            yield [*stage, self._temporary("ff", "lwout", layer, output.activation, stage, size=output.output_size)]

    def _tied_stages(self, encoders):
        decoders = self.network.layers[len(encoders) + 1 :]
        for i in range(1, len(encoders)):
            stage = self.network.layers[: i + 1]
            for partner in reversed(encoders[:i]):
                original = next(layer for layer in decoders if layer.partner is partner)
                stage.append(
                    self._temporary(
                        "tied", f"lw{partner.name}", stage[-1], original.activation, stage, partner=partner.name
                    )
                )
            yield stage

    def _temporary(self, form, name, source, activation, stage, **options):
        """Make a layer on top of a stage, under a name that no layer of the network has."""
        taken = {layer.name for layer in [*self.network.layers, *stage]}
        while name in taken:
            name += "_"
        layer = layers.Layer.build(
            form, name=name, inputs=source.output_name, activation=activation, rng=self.network.rng, **options
        )
        layer.bind(_Stage([*stage, layer]))
        return layer

    @contextlib.contextmanager
    def _staged(self, stage):
        """Let the network consist of the layers of a stage, and its losses read the last one of them."""
        network = self.network
        original = network.layers, network.losses
        output, last = network.layers[-1].name, stage[-1].name
        names = {layer.name for layer in stage}
        losses = []
        for loss in map(copy.copy, network.losses):
            layer, _, which = loss.output_name.partition(":")
            if layer == output:
                loss.output_name = f"{last}:{which}"
            if all(name.partition(":")[0] in names for name in loss.output_names):
                losses.append(loss)
        network.layers, network.losses, network._whole = list(stage), losses, original
        try:
            yield
        finally:
            network.layers, network.losses = original
            network._whole = None


class _Stage:
    """The least that a layer has to know of a network to be bound to it."""

    def __init__(self, stage):
        self.layers = stage


def _mirrored(network_layers):
    """Return the encoding layers of an autoencoder whose decoding layers are tied to them in reverse; else None."""
    count = (len(network_layers) - 1) // 2
    encoders, decoders = network_layers[1 : count + 1], network_layers[count + 1 :]
    is_mirror = (
        len(encoders) == len(decoders)
        and not any(isinstance(layer, (layers.Input, layers.Tied)) for layer in encoders)
        and all(isinstance(layer, layers.Tied) for layer in decoders)
        and all(layer.partner is partner for layer, partner in zip(decoders, reversed(encoders)))
    )
    is_chain = all(
        layer.input_names == [before.output_name] for before, layer in zip(network_layers, network_layers[1:])
    )
    return encoders if encoders and is_mirror and is_chain else None


class UnsupervisedPretrainer(Trainer):
    """Train the hidden layers as those of an autoencoder; the output layer is left alone.

    The data are inputs only. Targets and weights may be given, and are ignored.

    Parameters
    ----------
    algo : str
        The algorithm of downhill to use.
    network : :class:`theanets.Network`
        The network to be trained. Each of its hidden layers must have one weight matrix ``w``.

    Notes
    -----
    G Hinton, R Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006
    """

    ignores_surplus = True

    def __init__(self, algo, network):
        super().__init__(network)
        self.algo = get_algorithm(algo)

    def keywords(self):
        return DownhillTrainer(self.algo, self.network).keywords()

    def check(self, kwargs):
        super().check(kwargs)
        _check_numbers(kwargs)
        hidden = self.network.layers[1:-1]
        if not hidden:
            raise util.ConfigurationError("algo='pretrain': the network has no hidden layer")
        for before, layer in zip(self.network.layers, hidden):
            names = [param.name for param in layer.params]
            if f"{layer.name}.w" not in names or layer.input_names != [before.output_name]:
                raise util.ConfigurationError(
                    f"algo='pretrain': layer {layer.name!r} must read the layer before it through one weight matrix "
                    f"'w' (its parameters: {', '.join(names) or 'none'})"
                )

    def slots(self):
        return self.network._input_slots()

    def _shadow(self):
        """Make an autoencoder of the hidden layers, with the parameters that they have."""
        from .feedforward import Autoencoder

        source, *hidden = self.network.layers[:-1]
        taken = {layer.name for layer in (source, *hidden)}
        specs = [layer.to_spec() for layer in (source, *hidden)]
        for before, layer in reversed(list(zip((source, *hidden), hidden))):
            name = f"pre{layer.name}"
            while name in taken:
                name += "_"
            taken.add(name)
            activation = "linear" if before is source else before.activation
            specs.append(dict(form="tied", name=name, partner=layer.name, activation=activation))
        shadow = Autoencoder(specs, rng=self.network.rng)
        self._copy(hidden, shadow.layers[1:])
        return shadow

    @staticmethod
    def _copy(sources, targets):
        for source, target in zip(sources, targets):
            for param, other in zip(source.params, target.params):
                other.set_value(param.get_value())

    def itertrain(self, train, valid=None, **kwargs):
        """Train the autoencoder layer by layer, yielding a pair of dicts of monitors after each epoch."""
        hidden = self.network.layers[1:-1]
        shadow = self._shadow()
        originals = shadow.layers[1 : len(hidden) + 1]
        try:
            yield from SupervisedPretrainer(self.algo, shadow).itertrain(train, valid, **kwargs)
        finally:
            self._copy(originals, hidden)
