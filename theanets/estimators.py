"""Networks as estimators of scikit-learn: for pipelines, searches over parameters, and cross-validation.

==================================  ===============================================
estimator                           what it does
==================================  ===============================================
:class:`NetworkClassifier`          learns to tell classes apart
:class:`NetworkRegressor`           learns to predict numbers
:class:`AutoencoderTransformer`     learns to describe data by fewer numbers
==================================  ===============================================

The sizes of the first and of the last layer follow from the data. What is between them is given as layer specs, see
:mod:`theanets.network.specs`. The network itself is the attribute ``network_`` of a fitted estimator.

This module needs scikit-learn: ``pip install theanets[sklearn]``.

>>> from sklearn.datasets import load_iris
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> x, y = load_iris(return_X_y=True)
>>> model = make_pipeline(StandardScaler(), NetworkClassifier(hidden=(16,), epochs=40))
>>> model.fit(x, y).score(x, y) > 0.9
True
"""

import contextlib
import functools
import inspect
import logging
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse
from scipy.special import expit
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    MultiOutputMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from . import arguments, feedforward, util
from .network import specs

__all__ = ["AutoencoderTransformer", "NetworkClassifier", "NetworkRegressor"]

#: Largest number of examples that outputs are computed for at a time.
CHUNK = 1024

#: Number of values that are looked at together when the same examples are looked for.
PIECE = 2**16


def _answers_unknown(init):
    """Let a constructor say what to write for arguments that it does not know; its signature stays as it is."""
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


@contextlib.contextmanager
def _quiet(verbose):
    """Keep the lines that building and training write from the log."""
    loggers = [logging.getLogger(name) for name in ("theanets", "downhill")]
    levels = [logger.level for logger in loggers]
    try:
        if not verbose:
            for logger in loggers:
                logger.setLevel(logging.WARNING)
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def _scramble(numbers):
    """Map an array of uint64 to numbers that look like random ones, each to another one."""
    # the finalizer of S Vigna's generator splitmix64.
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _digest(array, salt):
    """Return a number for each row, which tells rows of different values apart.

    Parameters
    ----------
    array : ndarray (num-rows, ...) or sparse matrix (num-rows, num-columns)
        The rows. Those of an array have the same numbers as those of a sparse matrix.
    salt : int
        Another one makes other numbers.

    Returns
    -------
    digest : ndarray of uint64 (num-rows, )
    """
    count = array.shape[0]
    rows = array if scipy.sparse.issparse(array) else array.reshape(count, -1)
    columns = _scramble(_scramble(np.arange(rows.shape[1], dtype="uint64")) + np.uint64(salt))
    step = count if scipy.sparse.issparse(rows) else max(1, PIECE // max(1, rows.shape[1]))
    result = np.zeros(count, "uint64")
    for start in range(0, count, step):
        piece = rows[start : start + step].astype("float64")
        # zeros are left out, as sparse rows leave them out; sums of uint64 may run over.
        if scipy.sparse.issparse(piece):
            piece.sum_duplicates()
            piece.eliminate_zeros()
            entries = _scramble(piece.data.view("uint64") ^ columns[piece.indices])
            sums = np.concatenate([np.zeros(1, "uint64"), np.cumsum(entries, dtype="uint64")])
            result[start : start + step] = sums[piece.indptr[1:]] - sums[piece.indptr[:-1]]
        else:
            entries = np.where(piece == 0, np.uint64(0), _scramble(piece.view("uint64") ^ columns))
            result[start : start + step] = entries.sum(axis=1, dtype="uint64")
    return result


def _merge(arrays, weights):
    """Merge examples that are the same, and bring them into an order of their own; their weights are added up.

    An example of weight 2 then is what two examples of weight 1 are, and one of weight 0 is none. Neither the order of
    the examples makes a difference, nor whether they are given as an array or as a sparse matrix.
    """
    keep = weights > 0
    arrays, weights = [array[keep] for array in arrays], weights[keep]
    # 128 bits, for which chance makes no two examples the same.
    digests = [_digest(array, 2 * i + which) for i, array in enumerate(arrays) for which in (0, 1)]
    first, second = sum(digests[2::2], digests[0]), sum(digests[3::2], digests[1])
    # weights are sorted, too, as the last digit of a sum depends on the order.
    order = np.lexsort((weights, second, first))
    is_new = np.concatenate([[True], (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)])
    (starts,) = is_new.nonzero()
    return [array[order[starts]] for array in arrays], np.add.reduceat(weights[order], starts)


def _in_chunks(function, x):
    """Compute outputs for a few examples at a time, with always the same shapes.

    XLA compiles anew for each shape, and rounds differently. The last chunk is filled up by zeros.
    """
    size = min(CHUNK, 32 << max(0, int(np.ceil(np.log2(x.shape[0] / 32)))))
    results = []
    for start in range(0, x.shape[0], size):
        filled = x[start : start + size]
        count = filled.shape[0]
        if scipy.sparse.issparse(x):
            filled.resize((size, x.shape[1]))
        elif count < size:
            filled = np.concatenate([filled, np.zeros((size - count, *x.shape[1:]), x.dtype)])
        results.append(function(filled)[:count])
    return np.concatenate(results)


def _stratified(labels, order, count):
    """Choose examples from all classes in proportion to how often they occur, but not the last one of any.

    Parameters
    ----------
    labels : ndarray of int (num-examples, )
        The class of each example.
    order : ndarray of int (num-examples, )
        A permutation. Of each class, those that come first in it are chosen.
    count : int
        How many to choose. There are fewer if that would be all of some classes.

    Returns
    -------
    chosen : ndarray of int
    """
    sizes = np.bincount(labels)
    shares, room = sizes * (count / len(labels)), np.maximum(sizes - 1, 0)
    quota = np.minimum(shares.astype(int), room)
    while quota.sum() < count and (quota < room).any():
        quota[np.argmax(np.where(quota < room, shares - quota, -np.inf))] += 1
    return np.concatenate([order[labels[order] == label][:number] for label, number in enumerate(quota)])


def _check_indicators(y):
    """Refuse a matrix of targets that does not say for each label whether an example has it."""
    kind = type_of_target(y)
    if kind != "multilabel-indicator":
        raise ValueError(
            f"y is a matrix of the kind {kind!r}, expected labels, or a matrix of zeros and ones with a column for "
            "each label (see sklearn.preprocessing.MultiLabelBinarizer)"
        )
    values = np.unique(y.data if scipy.sparse.issparse(y) else y)
    if not np.isin(values, [0, 1]).all():
        raise ValueError(f"y is a matrix of the numbers {values.tolist()}, expected zeros and ones")


def _check_classes(classes, known):
    """Refuse classes that are given, but are not those that are known."""
    if classes is not None and not np.array_equal(np.unique(classes), known):
        raise ValueError(f"classes={classes!r} are not those of the first call, {known.tolist()}")


def _check_weights(sample_weight, x):
    """Return weights as an array, one for each example; refuse those that are negative, not finite, or all zero."""
    weights = _check_sample_weight(sample_weight, x, ensure_non_negative=True)
    # releases of scikit-learn before 1.8 let them through.
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


class _WeightedScore:
    """The score of scikit-learn, which by itself takes any weights."""

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
            sample_weight = _check_weights(sample_weight, y)
        # of the mixin of scikit-learn's that is next to this one.
        return super().score(X, y, sample_weight)  # type: ignore[misc]


class _NetworkEstimator(BaseEstimator):
    """What the estimators share: parameters, training, and attributes.

    Parameters
    ----------
    algo : str, optional
        The algorithm to train by, see :meth:`theanets.Network.itertrain`. Default ``'adam'``.
    learning_rate : float, optional
        Its learning rate. Default 0.01.
    epochs : int, optional
        Number of passes over the data, at most. Default 100.
    batch_size : int, optional
        Number of examples in a batch. Default 32.
    patience : int, optional
        How many validations in a row may fail to improve the loss; the next one that fails ends training. There is one
        every ten epochs, or every ``validate_every`` of ``options``. Default 5.
    validation_fraction : float, optional
        Share of the data, from 0 to less than 1, that is kept for validation. Default 0: validate on
        what is trained on.
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

    def _validate(self, X, y="no_validation", **kwargs):
        """Check examples, and targets if there are any; sparse matrices become CSR."""
        return validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], **kwargs)

    @staticmethod
    def _input(x):
        """Return the spec of the input layer for examples like these."""
        return dict(size=x.shape[1], sparse="csr") if scipy.sparse.issparse(x) else x.shape[1]

    def _build(self, cls, layers, weighted, loss=None):
        generator = check_random_state(self.random_state)
        self._rng = np.random.RandomState(generator.randint(2**31 - 1))
        # not to depend on what has been drawn since: the same examples come in the same order again.
        self._order_seed = generator.randint(2**31 - 1)
        loss = loss if self.loss is None else self.loss
        loss = {} if loss is None else {"loss": loss}
        self.network_ = cls(layers, weighted=weighted, rng=self._rng, **loss)
        self.loss_curve_ = []
        self.validation_curve_ = []
        self.n_iter_ = 0

    def _strata(self, arrays):
        """Return the class of each example, if each of them is to have its share of the validation data; else None."""
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
        chosen = order[:count] if classes is None else _stratified(classes, order, count)
        if not len(chosen):
            raise ValueError(
                f"validation_fraction={self.validation_fraction!r}: no class has a second example to validate on"
            )
        rest = order[~np.isin(order, chosen)]
        return [array[rest] for array in arrays], [array[chosen] for array in arrays]

    def _train(self, arrays, sample_weight, epochs, split):
        """Train the network, which must have been built with weights, on arrays of examples."""
        arrays, weights = _merge(arrays, sample_weight)
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
        # what partial_fit() is given is one epoch of a training that never ends.
        begin = functools.partial(self.network_.itertrain, valid=valid) if split else self.network_._train_on
        with contextlib.closing(begin(train, **options)) as steps:
            for monitors, _ in steps:
                self.loss_curve_.append(float(monitors["loss"]))
                self.n_iter_ += 1
        # what is yielded is older than the epoch that it comes with.
        rows = self.network_.history
        for row in rows[len(rows) - (self.n_iter_ - len(self.validation_curve_)) :]:
            value = row.get("valid_loss")
            self.validation_curve_.append(np.nan if value is None else float(value))
        return self

    def _outputs(self, x, compute):
        check_is_fitted(self, "network_")
        x = self._validate(x, reset=False)
        with _quiet(self.verbose):
            return _in_chunks(compute, x)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class NetworkClassifier(_WeightedScore, ClassifierMixin, _NetworkEstimator):
    """A classifier of scikit-learn that is a network.

    Parameters
    ----------
    hidden : int or sequence of layer specs, optional
        The layers between the input and the output, or the size of a single one. Default ``(100, )``.
    algo, learning_rate, epochs, batch_size, patience, validation_fraction, loss, options, random_state, verbose
        See :class:`NetworkRegressor`; the default loss is ``'xe'``.

    Attributes
    ----------
    classes_ : ndarray (num-classes, )
        The labels; for a matrix of targets the numbers of its columns.
    network_ : :class:`theanets.Classifier`
        The network; its class i is ``classes_[i]``. For a matrix of targets it is a :class:`theanets.Regressor`.
    n_iter_ : int
        Number of epochs that it was trained for.
    loss_curve_, validation_curve_ : list of float
        The losses of each epoch, and the validation losses after it; "not a number" where there was no validation.
    n_features_in_ : int
        Number of variables.
    feature_names_in_ : ndarray (num-variables, )
        Their names, if the data have any.

    Notes
    -----
    A weight of 2 does what two copies of an example do: the same examples are merged into one before training. They
    are then mixed by the seed, so that the order in which they are given makes no difference, and anew in each epoch
    (``options={'shuffle': 'batches'}`` takes fixed batches instead).

    The examples for validation come from all classes in proportion, but the last one of a class is always trained on.

    Targets may also be a matrix of zeros and ones with a column for each label, of which an example may have several,
    or none. The labels are then learned independently of one another, from probabilities that sigmoid makes; the
    default loss is ``'bce'``. A score is the fraction of examples for which all labels are right.

    Examples
    --------
    >>> x = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> xor = NetworkClassifier(hidden=((8, "tanh"),), epochs=300, patience=50).fit(x, ["no", "yes", "yes", "no"])
    >>> xor.predict(x).tolist()
    ['no', 'yes', 'yes', 'no']
    >>> both = NetworkClassifier(hidden=10, epochs=300, patience=50).fit(x, [[0, 0], [0, 1], [0, 1], [1, 1]])
    >>> both.predict(x).tolist()
    [[0, 0], [0, 1], [0, 1], [1, 1]]
    """

    @_answers_unknown
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

    def _read(self, x, y, sample_weight, reset):
        x, y = self._validate(x, y, multi_output=True, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y.toarray() if scipy.sparse.issparse(y) else y, warn=True)
        check_classification_targets(y)
        return x, y, _check_weights(sample_weight, x)

    def _learn_classes(self, y, classes=None):
        """Set the attributes that depend on what the targets are, before a new network is made."""
        if y.ndim == 1:
            known = np.unique(y if classes is None else classes)
        else:
            _check_indicators(y)
            known = np.arange(y.shape[1])
            _check_classes(classes, known)
        self.classes_ = known
        self.n_iter_ = 0
        self._is_multilabel = y.ndim == 2
        self._is_sparse_y = scipy.sparse.issparse(y)

    def _encode(self, y):
        """Return targets as the network wants them."""
        if self._is_multilabel:
            if y.ndim == 1 or y.shape[1] != len(self.classes_):
                raise ValueError(
                    f"y has the shape {y.shape}, expected a matrix of {len(self.classes_)} columns, as at first"
                )
            _check_indicators(y)
            return y.toarray() if scipy.sparse.issparse(y) else y
        if y.ndim == 2:
            raise ValueError(f"y has the shape {y.shape}, expected labels (num-examples, ), as at first")
        labels = np.searchsorted(self.classes_, y)
        if not np.array_equal(self.classes_[np.minimum(labels, len(self.classes_) - 1)], y):
            raise ValueError(f"y holds labels that are not among the classes {self.classes_.tolist()}")
        return labels.astype("int32")

    def _fit(self, x, y, sample_weight, epochs, split):
        targets = self._encode(y)
        with _quiet(self.verbose):
            if not self.n_iter_:
                layers = [self._input(x), *self._layer_list("hidden")]
                if self._is_multilabel:
                    layers.append((len(self.classes_), "sigmoid"))
                    self._build(feedforward.Regressor, layers, weighted=True, loss="bce")
                else:
                    self._build(feedforward.Classifier, [*layers, len(self.classes_)], weighted=True)
            return self._train([x, targets], sample_weight, epochs, split)

    def _strata(self, arrays):
        return None if self._is_multilabel else arrays[1]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train a new network.

        Parameters
        ----------
        X : array-like or sparse matrix (num-examples, num-variables)
            The examples.
        y : array-like (num-examples, ), or array-like or sparse matrix (num-examples, num-labels)
            Their labels: numbers or strings; or zeros and ones, which say for each label whether an example has it.
        sample_weight : array-like (num-examples, ), optional
            Weights of the examples. Default: 1 for all.

        Returns
        -------
        self
        """
        self._check_parameters()
        X, y, sample_weight = self._read(X, y, sample_weight, reset=True)
        self._learn_classes(y)
        return self._fit(X, y, sample_weight, self.epochs, split=True)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch, going on from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            See :meth:`fit`.
        classes : array-like (num-classes, ), optional
            All labels that there will ever be. Needed in the first call, if it does not see all of them.

        Returns
        -------
        self
        """
        self._check_parameters()
        first = not hasattr(self, "network_")
        X, y, sample_weight = self._read(X, y, sample_weight, reset=first)
        if first:
            self._learn_classes(y, classes)
        else:
            _check_classes(classes, self.classes_)
        return self._fit(X, y, sample_weight, 1, split=False)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix (num-examples, num-variables)
            The examples.

        Returns
        -------
        probabilities : ndarray (num-examples, num-classes)
            In the order of ``classes_``. For a matrix of targets, those of each label by itself.
        """
        check_is_fitted(self, "network_")
        if self._is_multilabel:
            # in float32, sigmoid soon is exactly 1.
            name = self.network_.layers[-1].full_name("pre")
            return expit(self._outputs(X, lambda x: self.network_.feed_forward(x)[name]).astype("float64"))
        p = self._outputs(X, lambda x: self.network_.predict_proba(x)).astype("float64")
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each example, as an array (num-examples, ).

        For a matrix of targets, return one like it, an array or a sparse matrix (num-examples, num-labels), with ones
        for all labels whose probability is more than one half.

        Raises
        ------
        ValueError
            If the network puts out what is not a number, so that there is no most probable label.
        """
        probabilities = self.predict_proba(X)
        if np.isnan(probabilities).any():
            raise ValueError("the network puts out values that are not a number, so that there is no label to tell")
        if self._is_multilabel:
            labels = (probabilities > 0.5).astype("int64")
            return scipy.sparse.csr_matrix(labels) if self._is_sparse_y else labels
        return self.classes_[probabilities.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NetworkRegressor(_WeightedScore, MultiOutputMixin, RegressorMixin, _NetworkEstimator):
    __doc__ = (
        """A regressor of scikit-learn that is a network.

    Parameters
    ----------
    hidden : int or sequence of layer specs, optional
        The layers between the input and the output, or the size of a single one. Default ``(100, )``.
"""
        + (_NetworkEstimator.__doc__ or "----------\n").split("----------\n", 1)[1].rstrip()
        + """

    Attributes
    ----------
    network_ : :class:`theanets.Regressor`
        The network.
    n_iter_ : int
        Number of epochs that it was trained for.
    loss_curve_, validation_curve_ : list of float
        The losses of each epoch, and the validation losses after it; "not a number" where there was no validation.
    n_features_in_, feature_names_in_
        Number of variables, and their names if the data have any.

    Notes
    -----
    Targets are learned as they are. If their scale is far from 1, put the estimator into scikit-learn's
    ``TransformedTargetRegressor``. A weight of 2 does what two copies of an example do: the same examples are merged
    into one before training. They are then mixed by the seed, so that the order in which they are given makes no
    difference, and anew in each epoch (``options={'shuffle': 'batches'}`` takes fixed batches instead).

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = NetworkRegressor(hidden=((20, "tanh"),), epochs=200, patience=20)
    >>> model.fit(x, np.sin(3 * x[:, 0])).score(x, np.sin(3 * x[:, 0])) > 0.95
    True
    """
    )

    __init__ = NetworkClassifier.__init__

    def _fit(self, x, y, sample_weight, epochs, split):
        weights = _check_weights(sample_weight, x)
        y = np.asarray(y.toarray() if scipy.sparse.issparse(y) else y, "float64")
        with _quiet(self.verbose):
            if not self.n_iter_:
                self._is_flat = y.ndim == 1
                layers = [self._input(x), *self._layer_list("hidden"), 1 if y.ndim == 1 else y.shape[1]]
                self._build(feedforward.Regressor, layers, weighted=True)
            return self._train([x, y.reshape(len(y), -1)], weights, epochs, split)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train a new network.

        Parameters
        ----------
        X : array-like or sparse matrix (num-examples, num-variables)
            The examples.
        y : array-like (num-examples, ) or (num-examples, num-outputs)
            Their targets.
        sample_weight : array-like (num-examples, ), optional
            Weights of the examples. Default: 1 for all.

        Returns
        -------
        self
        """
        self._check_parameters()
        X, y = self._validate(X, y, multi_output=True, y_numeric=True)
        self.n_iter_ = 0
        return self._fit(X, y, sample_weight, self.epochs, split=True)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch, going on from where the last call ended; the arguments are those of :meth:`fit`."""
        self._check_parameters()
        first = not hasattr(self, "network_")
        if first:
            self.n_iter_ = 0
        X, y = self._validate(X, y, multi_output=True, y_numeric=True, reset=first)
        return self._fit(X, y, sample_weight, 1, split=False)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the targets.

        Parameters
        ----------
        X : array-like or sparse matrix (num-examples, num-variables)
            The examples.

        Returns
        -------
        y : ndarray (num-examples, ) or (num-examples, num-outputs)
            Of the shape of the targets that it was trained on.
        """
        y = self._outputs(X, lambda x: self.network_.predict(x)).astype("float64")
        return y.ravel() if self._is_flat else y


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _NetworkEstimator):
    """A transformer of scikit-learn that is an autoencoder: it describes examples by a code, and goes back.

    Parameters
    ----------
    encoder : int or sequence of layer specs, optional
        The layers behind the input, or the size of a single one. The last of them is the code. Default
        ``((10, 'linear'), )``. The decoder has the same layers in the opposite order.
    tied : bool, optional
        Whether the decoder uses the weights of the encoder, transposed. Default True.
    output : str, optional
        The activation of the reconstruction. Default ``'linear'``.
    algo, learning_rate, epochs, batch_size, patience, validation_fraction, loss, options, random_state, verbose
        See :class:`NetworkRegressor`.

    Attributes
    ----------
    network_ : :class:`theanets.Autoencoder`
        The network.
    n_iter_, loss_curve_, validation_curve_, n_features_in_, feature_names_in_
        See :class:`NetworkRegressor`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> x = load_iris().data
    >>> model = AutoencoderTransformer(encoder=((2, "linear"),), epochs=100).fit(x)
    >>> model.transform(x).shape, model.inverse_transform(model.transform(x)).shape
    ((150, 2), (150, 4))
    >>> model.score(x) > 0.9
    True
    """

    @_answers_unknown
    def __init__(
        self,
        encoder: Any = ((10, "linear"),),
        *,
        tied: bool = True,
        output: str = "linear",
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
        self.encoder = encoder
        self.tied = tied
        self.output = output
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

    def _layers(self, x):
        """Return the specs of all layers: the encoder, and behind it the same backwards."""
        sizes, activations, encoder = [x.shape[1]], [], self._layer_list("encoder")
        for i, spec in enumerate(encoder):
            form, options = specs.read(spec, f"layer {i + 1} of the encoder")
            size = options.get("size") or (options.get("shape") or [None])[-1]
            if form not in (None, "ff", "feedforward") or size is None:
                raise util.ConfigurationError(f"encoder: {spec!r} is no spec of a dense layer with a size")
            sizes.append(size)
            activations.append(options.get("activation", "relu"))
        if not activations:
            raise util.ConfigurationError("encoder: expected at least one layer spec, found none")
        decoder = [
            dict(activation=activation, **(dict(form="tied") if self.tied else dict(size=size)))
            for size, activation in zip(sizes[-2::-1], [*activations[-2::-1], self.output])
        ]
        return [self._input(x), *encoder, *decoder]

    def _fit(self, x, sample_weight, epochs, split):
        weights = _check_weights(sample_weight, x)
        with _quiet(self.verbose):
            if not self.n_iter_:
                self._build(feedforward.Autoencoder, self._layers(x), weighted=True)
            return self._train([x], weights, epochs, split)

    @property
    def _n_features_out(self):
        return self.network_.layers[self._depth].output_size

    @property
    def _depth(self):
        return len(self._layer_list("encoder"))

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Train a new network to reproduce examples.

        Parameters
        ----------
        X : array-like or sparse matrix (num-examples, num-variables)
            The examples.
        y : None
            Ignored.
        sample_weight : array-like (num-examples, ), optional
            Weights of the examples. Default: 1 for all.

        Returns
        -------
        self
        """
        self._check_parameters()
        X = self._validate(X)
        self.n_iter_ = 0
        return self._fit(X, sample_weight, self.epochs, split=True)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch, going on from where the last call ended; the arguments are those of :meth:`fit`."""
        self._check_parameters()
        first = not hasattr(self, "network_")
        if first:
            self.n_iter_ = 0
        X = self._validate(X, reset=first)
        return self._fit(X, sample_weight, 1, split=False)

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of examples, an array (num-examples, size of the code)."""
        dtype = X.dtype if scipy.sparse.issparse(X) else np.asarray(X).dtype
        code = self._outputs(X, lambda x: self.network_.encode(x, self._depth))
        return code.astype(dtype if dtype in (np.float32, np.float64) else code.dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the examples that codes stand for, an array (num-examples, num-variables)."""
        check_is_fitted(self, "network_")
        code = np.asarray(X)
        if code.ndim != 2 or code.shape[1] != self._n_features_out:
            raise ValueError(f"codes have the shape {code.shape}, expected (num-examples, {self._n_features_out})")
        with _quiet(self.verbose):
            return _in_chunks(lambda z: self.network_.decode(z, self._depth), code)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination of the reconstruction, see :meth:`theanets.Autoencoder.score`."""
        check_is_fitted(self, "network_")
        X = self._validate(X, reset=False)
        weights = None if sample_weight is None else _check_weights(sample_weight, X)
        with _quiet(self.verbose):
            return float(self.network_.score(X, w=weights))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
