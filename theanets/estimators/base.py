"""Base classes of the estimators: parameters, training, and scores."""

import contextlib
import functools
import inspect
import logging
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import arguments, feedforward, logs, recurrent, util
from ..data.splitting import stratified
from ..trainer.options import takes_all
from .examples import check_weights, in_chunks, merge

__all__ = ["NetworkEstimator", "SupervisedEstimator", "WeightedScore", "answers_unknown", "quiet"]


def answers_unknown(init):
    """Decorate a constructor: unknown arguments are refused with a hint what to write; its signature is kept."""
    known = set(inspect.signature(init).parameters) - {"self"}

    @functools.wraps(init)
    def checked(self, *args, **kwargs):
        unknown = [name for name in kwargs if name not in known]
        if unknown:
            training = arguments.training_keywords()
            hints = {name: f"write options={{{arguments.TODAY.get(name, name)!r}: ...}}" for name in training}
            where = f"{type(self).__name__}()"
            arguments.refuse(unknown, known, where, {**hints, **arguments.HINTS_ESTIMATORS})
        init(self, *args, **kwargs)

    return checked


def quiet(verbose):
    """Return a context that silences the log while a network is built and trained, unless ``verbose``."""
    return contextlib.nullcontext() if verbose else logs.at(logging.WARNING)


class WeightedScore:
    """Mixin of the score of scikit-learn, with a check of the weights, which it lacks itself."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return how good the predictions are: the accuracy of a classifier, R² of a regressor.

        Parameters
        ----------
        X : array-like (num-examples, num-variables)
            The examples.
        y : array-like (num-examples, ) or (num-examples, num-outputs)
            What should be predicted.
        sample_weight : array-like (num-examples, ), optional
            Weights of the examples. Default: 1 for all.

        Returns
        -------
        score : float

        Raises
        ------
        ValueError
            For weights that are negative, not finite, or all zero.
        """
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, y)
        # score() of the mixin of scikit-learn that follows in the list of bases.
        return super().score(X, y, sample_weight)  # type: ignore[misc]


class NetworkEstimator(BaseEstimator):
    """Base class of the estimators: parameters, training, and attributes.

    Parameters
    ----------
    algo : str, optional
        The algorithm to train by, see :meth:`theanets.Network.itertrain`. Default ``'adam'``.
    learning_rate : float or 'auto', optional
        Its learning rate. Default 0.01.
    epochs : int, optional
        Number of passes over the data, at most. Default 100.
    batch_size : int, optional
        Number of examples in a batch; ``lbfgs`` takes all at once. Default 32.
    patience : int, optional
        How many validations in a row may fail to improve the loss; the next one that fails ends training. There is one
        every ten epochs, or every ``validate_every`` of ``options``. Default 5.
    validation_fraction : float, optional
        Share of the data, from 0 to less than 1, that is kept for validation. Default 0: validate on the training data.
    loss : str or dict, optional
        The loss. Default None, for that of the model.
    options : dict, optional
        Further arguments of ``train``, such as ``{'weight_l2': 1e-4, 'hidden_dropout': 0.2}``. Default None.
    random_state : int, None or numpy.random.RandomState, optional
        Where initial weights, the order of examples, noise and dropout come from. Default 13.
    verbose : bool, optional
        Whether to log the progress. Default False.
    """

    def _check_parameters(self):
        for name, kind, low, high in (
            ("epochs", Integral, 1, np.inf),
            ("batch_size", Integral, 1, np.inf),
            ("patience", Integral, 0, np.inf),
            ("learning_rate", Real, 0, np.inf),
            ("validation_fraction", Real, 0, 1),
        ):
            value = getattr(self, name)
            if name == "learning_rate" and isinstance(value, str) and value == "auto":
                continue
            if not isinstance(value, kind) or isinstance(value, bool) or not low <= value < high:
                what = "an integer" if kind is Integral else "a number"
                raise ValueError(f"{name}={value!r}, expected {what} from {low} to less than {high}")
        if self.options is not None and not hasattr(self.options, "keys"):
            raise ValueError(f"options={self.options!r}, expected a dict of arguments of train()")

    def _layer_list(self, name):
        """Return the layer specs that a parameter holds, which may also be a single size."""
        value = getattr(self, name)
        if util.is_int(value) or isinstance(value, dict):
            return [value]
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise ValueError(f"{name}={value!r}, expected the size of a layer, or a sequence of layer specs")
        return list(value)

    #: Whether examples may be sequences, all of one length.
    takes_sequences = False

    def _validate(self, X, y="no_validation", **kwargs):
        """Check examples, and targets if there are any; sparse matrices become CSR."""
        options = dict(accept_sparse="csr", dtype=[np.float64, np.float32], allow_nd=self.takes_sequences)
        result = validate_data(self, X, y, **options, **kwargs)
        x = result[0] if isinstance(result, tuple) else result
        if x.ndim > 3:
            raise ValueError(f"X has the shape {x.shape}, expected (num-examples, num-variables), or sequences")
        return result

    @staticmethod
    def _input(x):
        """Return the spec of the input layer for examples like these."""
        return dict(size=x.shape[1], sparse="csr") if scipy.sparse.issparse(x) else x.shape[-1]

    @staticmethod
    def _models(x):
        """Return the module whose models are for examples like these: sequences have models of their own."""
        return recurrent if x.ndim == 3 else feedforward

    def _build(self, cls, layers, weighted, loss=None):
        generator = check_random_state(self.random_state)
        self._rng = np.random.RandomState(generator.randint(2**31 - 1))
        # a seed of its own, so that the same examples always come in the same order, whatever has been drawn since.
        self._order_seed = generator.randint(2**31 - 1)
        loss = loss if self.loss is None else self.loss
        loss = {} if loss is None else {"loss": loss}
        self.network_ = cls(layers, weighted=weighted, rng=self._rng, **loss)
        self.loss_curve_ = []
        self.validation_curve_ = []
        self.n_iter_ = 0

    def _strata(self, arrays):
        """Return the class of each example for a stratified choice of validation data; None for a random choice."""
        return None

    def _split(self, arrays):
        """Split arrays for training and validation."""
        total = len(arrays[-1])
        count = int(round(self.validation_fraction * total))
        if not count:
            return arrays, None
        if count == total:
            raise ValueError(
                f"validation_fraction={self.validation_fraction!r} of {count} examples leaves none for training"
            )
        order, classes = self._rng.permutation(total), self._strata(arrays)
        chosen = order[:count] if classes is None else stratified(classes, order, count)
        if not len(chosen):
            raise ValueError(
                f"validation_fraction={self.validation_fraction!r}: no class has a second example to validate on"
            )
        rest = order[~np.isin(order, chosen)]
        return [array[rest] for array in arrays], [array[chosen] for array in arrays]

    def _train(self, arrays, sample_weight, epochs, split):
        """Train the network, which must have been built with weights, on arrays of examples."""
        arrays, weights = merge(arrays, sample_weight)
        order = np.random.RandomState(self._order_seed).permutation(len(weights))
        arrays, weights = [array[order] for array in arrays], weights[order]
        # a common factor of all weights makes no difference.
        weights = weights / weights.mean()
        train, valid = self._split([*arrays, weights]) if split else ([*arrays, weights], None)
        options = {
            "algo": self.algo,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "epochs": epochs,
            "shuffle": "rows",
            **(self.options or {}),
        }
        if takes_all(self.algo) and "batch_size" not in (self.options or {}):
            del options["batch_size"]
        # each call of partial_fit() is one epoch of a training that never ends.
        begin = functools.partial(self.network_.itertrain, valid=valid) if split else self.network_._train_on
        with contextlib.closing(begin(train, **options)) as steps:
            for monitors, _ in steps:
                self.loss_curve_.append(float(monitors["loss"]))
                self.n_iter_ += 1
        # the validation that is yielded with an epoch is from before it: the history has the one after it.
        rows = self.network_.history
        for row in rows[len(rows) - (self.n_iter_ - len(self.validation_curve_)) :]:
            value = row.get("valid_loss")
            self.validation_curve_.append(np.nan if value is None else float(value))
        return self

    def _read(self, x, y, sample_weight, reset):
        """Check examples, targets and weights; return them as arrays."""
        raise NotImplementedError

    def _start(self, y, classes):
        """Set the attributes that depend on the kind of targets, before a new network is made."""
        self.n_iter_ = 0

    def _go_on(self, classes):
        """Check what is said of the targets in a later call of ``partial_fit``."""

    def _fit(self, x, y, sample_weight, epochs, split):
        """Train the network, which is made first if there has been no epoch yet."""
        raise NotImplementedError

    def _learn(self, X, y, sample_weight, is_new, epochs, split, classes=None):
        """Check parameters and data, and train: what ``fit`` and ``partial_fit`` have in common.

        Parameters
        ----------
        X, y, sample_weight
            As users have given them.
        is_new : bool
            Whether to make a new network.
        epochs : int
            Number of epochs.
        split : bool
            Whether this is a training by itself, with validation, and not one epoch of a training without an end.
        classes : array-like, optional
            All labels that there will ever be. Default: those of y.
        """
        self._check_parameters()
        X, y, sample_weight = self._read(X, y, sample_weight, reset=is_new)
        if is_new:
            self._start(y, classes)
        else:
            self._go_on(classes)
        return self._fit(X, y, sample_weight, epochs, split)

    def _learn_on(self, X, y, sample_weight, classes=None):
        """Train for one epoch, going on from where the last call ended."""
        return self._learn(X, y, sample_weight, not hasattr(self, "network_"), 1, split=False, classes=classes)

    def _outputs(self, x, compute):
        check_is_fitted(self, "network_")
        x = self._validate(x, reset=False)
        with quiet(self.verbose):
            return in_chunks(compute, x)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class SupervisedEstimator(NetworkEstimator):
    """Base class of estimators with targets: the constructor, whose first argument is the hidden layers."""

    takes_sequences = True

    @answers_unknown
    def __init__(
        self,
        hidden: Any = (100,),
        *,
        algo: str = "adam",
        learning_rate: float = 0.01,
        epochs: int = 100,
        batch_size: int = 32,
        patience: int = 5,
        validation_fraction: float = 0.0,
        loss: Any = None,
        options: dict[str, Any] | None = None,
        random_state: Any = 13,
        verbose: bool = False,
    ):
        self.hidden = hidden
        self.algo = algo
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.loss = loss
        self.options = options
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train a new network.

        Parameters
        ----------
        X : array-like or sparse matrix (num-examples, num-variables)
            The examples.
        y : array-like (num-examples, ), or array-like or sparse matrix (num-examples, num-outputs)
            What should be predicted. For a regressor, numbers. For a classifier, labels, which are numbers or strings;
            or zeros and ones, which say for each label whether an example has it.
        sample_weight : array-like (num-examples, ), optional
            Weights of the examples. Default: 1 for all.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For parameters, data or weights that cannot be used.
        """
        return self._learn(X, y, sample_weight, True, self.epochs, split=True)
