"""Networks as estimators of scikit-learn: for pipelines, searches over parameters, and cross-validation.

==================================  ===============================================
estimator                           what it does
==================================  ===============================================
:class:`NetworkClassifier`          learns to tell classes apart
:class:`NetworkRegressor`           learns to predict numbers
:class:`AutoencoderTransformer`     learns to describe data by fewer numbers
==================================  ===============================================

The sizes of the first and of the last layer follow from the data. What is between them is given as layer specs, see
:mod:`theanets.specs`. The network itself is the attribute ``network_`` of a fitted estimator.

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

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    MultiOutputMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from . import arguments, feedforward, regularizers, specs, trainer, util

__all__ = ["AutoencoderTransformer", "NetworkClassifier", "NetworkRegressor"]

#: Largest number of examples that outputs are computed for at a time.
CHUNK = 1024


def _answers_unknown(init):
    """Let a constructor say what to write for arguments that it does not know; its signature stays as it is."""
    known = set(inspect.signature(init).parameters) - {"self"}

    @functools.wraps(init)
    def checked(self, *args, **kwargs):
        unknown = [name for name in kwargs if name not in known]
        if unknown:
            training = trainer.keywords() | regularizers.keywords() | {"shuffle"}
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


def _merge(arrays, weights):
    """Merge examples that are the same, and sort them; their weights are added up.

    An example of weight 2 then is what two examples of weight 1 are, and one of weight 0 is none.
    """
    keep = weights > 0
    arrays, weights = [array[keep] for array in arrays], weights[keep]
    rows = np.column_stack([array.reshape(len(array), -1).astype("float64") for array in arrays])
    _, first, groups = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return [array[first] for array in arrays], np.bincount(groups.ravel(), weights)


def _in_chunks(function, x):
    """Compute outputs for a few examples at a time, with always the same shapes.

    XLA compiles anew for each shape, and rounds differently. The last chunk is filled up by zeros.
    """
    size = min(CHUNK, 32 << max(0, int(np.ceil(np.log2(len(x) / 32)))))
    results = []
    for start in range(0, len(x), size):
        chunk = x[start : start + size]
        filled = np.zeros((size, *x.shape[1:]), x.dtype)
        filled[: len(chunk)] = chunk
        results.append(function(filled)[: len(chunk)])
    return np.concatenate(results)


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
        Training stops after so many validations without an improvement. Default 5.
    validation_fraction : float, optional
        Share of the data, from 0 to less than 1, that is kept for validation. Default 0: validate on
        what is trained on.
    loss : str or dict, optional
        The loss. Default None, for that of the model.
    options : dict, optional
        Further arguments of ``train``, such as ``{'weight_l2': 1e-4, 'hidden_dropout': 0.2}``. Default None.
    random_state : int, None or numpy.random.RandomState, optional
        Where initial weights, the order of batches, noise and dropout come from. Default 13.
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

    def _build(self, cls, layers, weighted):
        self._rng = np.random.RandomState(check_random_state(self.random_state).randint(2**31 - 1))
        loss = {} if self.loss is None else {"loss": self.loss}
        self.network_ = cls(layers, weighted=weighted, rng=self._rng, **loss)
        self.loss_curve_ = []
        self.validation_curve_ = []
        self.n_iter_ = 0

    def _split(self, arrays):
        """Split arrays for training and validation."""
        count = int(round(self.validation_fraction * len(arrays[0])))
        if not count:
            return arrays, None
        if count == len(arrays[0]):
            raise ValueError(
                f"validation_fraction={self.validation_fraction!r} of {count} examples leaves none for training"
            )
        order = self._rng.permutation(len(arrays[0]))
        return [array[order[count:]] for array in arrays], [array[order[:count]] for array in arrays]

    def _train(self, arrays, sample_weight, epochs, split):
        """Train the network, which must have been built with weights, on arrays of examples."""
        arrays, weights = _merge(arrays, sample_weight)
        # a common factor of all weights makes no difference.
        weights = weights / weights.mean()
        train, valid = self._split([*arrays, weights]) if split else ([*arrays, weights], None)
        options = {
            "algo": self.algo,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "epochs": epochs,
            **(self.options or {}),
        }
        with contextlib.closing(self.network_.itertrain(train, valid, **options)) as steps:
            for monitors, validation in steps:
                self.loss_curve_.append(float(monitors["loss"]))
                self.validation_curve_.append(float(validation["loss"]))
                self.n_iter_ += 1
        return self

    def _outputs(self, x, compute):
        check_is_fitted(self, "network_")
        x = validate_data(self, x, reset=False, dtype=[np.float64, np.float32])
        with _quiet(self.verbose):
            return _in_chunks(compute, x)


class NetworkClassifier(ClassifierMixin, _NetworkEstimator):
    """A classifier of scikit-learn that is a network.

    Parameters
    ----------
    hidden : sequence of layer specs, optional
        The layers between the input and the output. Default ``(100, )``.
    algo, learning_rate, epochs, batch_size, patience, validation_fraction, loss, options, random_state, verbose
        See :class:`NetworkRegressor`; the default loss is ``'xe'``.

    Attributes
    ----------
    classes_ : ndarray (num-classes, )
        The labels.
    network_ : :class:`theanets.Classifier`
        The network; its class i is ``classes_[i]``.
    n_iter_ : int
        Number of epochs that it was trained for.
    loss_curve_, validation_curve_ : list of float
        The losses of each epoch.
    n_features_in_ : int
        Number of variables.
    feature_names_in_ : ndarray (num-variables, )
        Their names, if the data have any.

    Notes
    -----
    A weight of 2 does what two copies of an example do: the same examples are merged into one before training.

    Examples
    --------
    >>> x = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> xor = NetworkClassifier(hidden=((8, "tanh"),), epochs=300, patience=50).fit(x, ["no", "yes", "yes", "no"])
    >>> xor.predict(x).tolist()
    ['no', 'yes', 'yes', 'no']
    """

    @_answers_unknown
    def __init__(
        self,
        hidden=(100,),
        *,
        algo="adam",
        learning_rate=0.01,
        epochs=100,
        batch_size=32,
        patience=5,
        validation_fraction=0.0,
        loss=None,
        options=None,
        random_state=13,
        verbose=False,
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
        x, y = validate_data(self, x, y, reset=reset, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        return x, y, _check_sample_weight(sample_weight, x, ensure_non_negative=True)

    def _fit(self, x, y, sample_weight, epochs, split):
        labels = np.searchsorted(self.classes_, y)
        if not np.array_equal(self.classes_[np.minimum(labels, len(self.classes_) - 1)], y):
            raise ValueError(f"y holds labels that are not among the classes {self.classes_.tolist()}")
        with _quiet(self.verbose):
            if not self.n_iter_:
                layers = [x.shape[1], *self.hidden, len(self.classes_)]
                self._build(feedforward.Classifier, layers, weighted=True)
            return self._train([x, labels.astype("int32")], sample_weight, epochs, split)

    def fit(self, X, y, sample_weight=None):
        """Train a new network.

        Parameters
        ----------
        X : array-like (num-examples, num-variables)
            The examples.
        y : array-like (num-examples, )
            Their labels: numbers or strings.
        sample_weight : array-like (num-examples, ), optional
            Weights of the examples. Default: 1 for all.

        Returns
        -------
        self
        """
        self._check_parameters()
        X, y, sample_weight = self._read(X, y, sample_weight, reset=True)
        self.classes_ = np.unique(y)
        self.n_iter_ = 0
        return self._fit(X, y, sample_weight, self.epochs, split=True)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
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
            self.classes_ = np.unique(y if classes is None else classes)
            self.n_iter_ = 0
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes={classes!r} are not those of the first call, {self.classes_.tolist()}")
        return self._fit(X, y, sample_weight, 1, split=False)

    def predict_proba(self, X):
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : array-like (num-examples, num-variables)
            The examples.

        Returns
        -------
        probabilities : ndarray (num-examples, num-classes)
            In the order of ``classes_``.
        """
        p = self._outputs(X, lambda x: self.network_.predict_proba(x)).astype("float64")
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Return the most probable label of each example, as an array (num-examples, )."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


class NetworkRegressor(MultiOutputMixin, RegressorMixin, _NetworkEstimator):
    __doc__ = (
        """A regressor of scikit-learn that is a network.

    Parameters
    ----------
    hidden : sequence of layer specs, optional
        The layers between the input and the output. Default ``(100, )``.
"""
        + _NetworkEstimator.__doc__.split("----------\n", 1)[1].rstrip()
        + """

    Attributes
    ----------
    network_ : :class:`theanets.Regressor`
        The network.
    n_iter_ : int
        Number of epochs that it was trained for.
    loss_curve_, validation_curve_ : list of float
        The losses of each epoch.
    n_features_in_, feature_names_in_
        Number of variables, and their names if the data have any.

    Notes
    -----
    Targets are learned as they are. If their scale is far from 1, put the estimator into scikit-learn's
    ``TransformedTargetRegressor``. A weight of 2 does what two copies of an example do: the same examples are merged
    into one before training.

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
        weights = _check_sample_weight(sample_weight, x, ensure_non_negative=True)
        y = np.asarray(y, "float64")
        with _quiet(self.verbose):
            if not self.n_iter_:
                self._is_flat = y.ndim == 1
                layers = [x.shape[1], *self.hidden, 1 if y.ndim == 1 else y.shape[1]]
                self._build(feedforward.Regressor, layers, weighted=True)
            return self._train([x, y.reshape(len(y), -1)], weights, epochs, split)

    def fit(self, X, y, sample_weight=None):
        """Train a new network.

        Parameters
        ----------
        X : array-like (num-examples, num-variables)
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
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=[np.float64, np.float32])
        self.n_iter_ = 0
        return self._fit(X, y, sample_weight, self.epochs, split=True)

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, going on from where the last call ended; the arguments are those of :meth:`fit`."""
        self._check_parameters()
        first = not hasattr(self, "network_")
        if first:
            self.n_iter_ = 0
        X, y = validate_data(
            self, X, y, multi_output=True, y_numeric=True, reset=first, dtype=[np.float64, np.float32]
        )
        return self._fit(X, y, sample_weight, 1, split=False)

    def predict(self, X):
        """Predict the targets.

        Parameters
        ----------
        X : array-like (num-examples, num-variables)
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
    encoder : sequence of layer specs, optional
        The layers behind the input. The last of them is the code. Default ``((10, 'linear'), )``. The decoder has the
        same layers in the opposite order.
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
        encoder=((10, "linear"),),
        *,
        tied=True,
        output="linear",
        algo="adam",
        learning_rate=0.01,
        epochs=100,
        batch_size=32,
        patience=5,
        validation_fraction=0.0,
        loss=None,
        options=None,
        random_state=13,
        verbose=False,
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

    def _layers(self, num_features):
        """Return the specs of all layers: the encoder, and behind it the same backwards."""
        sizes, activations = [num_features], []
        for i, spec in enumerate(self.encoder):
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
        return [num_features, *self.encoder, *decoder]

    def _fit(self, x, sample_weight, epochs, split):
        weights = _check_sample_weight(sample_weight, x, ensure_non_negative=True)
        with _quiet(self.verbose):
            if not self.n_iter_:
                self._build(feedforward.Autoencoder, self._layers(x.shape[1]), weighted=True)
            return self._train([x], weights, epochs, split)

    @property
    def _n_features_out(self):
        return self.network_.layers[len(self.encoder)].output_size

    def fit(self, X, y=None, sample_weight=None):
        """Train a new network to reproduce examples.

        Parameters
        ----------
        X : array-like (num-examples, num-variables)
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
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        self.n_iter_ = 0
        return self._fit(X, sample_weight, self.epochs, split=True)

    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch, going on from where the last call ended; the arguments are those of :meth:`fit`."""
        self._check_parameters()
        first = not hasattr(self, "network_")
        if first:
            self.n_iter_ = 0
        X = validate_data(self, X, reset=first, dtype=[np.float64, np.float32])
        return self._fit(X, sample_weight, 1, split=False)

    def transform(self, X):
        """Return the codes of examples, an array (num-examples, size of the code)."""
        x = np.asarray(X)
        code = self._outputs(X, lambda x: self.network_.encode(x, len(self.encoder)))
        return code.astype(x.dtype if x.dtype in (np.float32, np.float64) else code.dtype)

    def inverse_transform(self, X):
        """Return the examples that codes stand for, an array (num-examples, num-variables)."""
        check_is_fitted(self, "network_")
        code = np.asarray(X)
        if code.ndim != 2 or code.shape[1] != self._n_features_out:
            raise ValueError(f"codes have the shape {code.shape}, expected (num-examples, {self._n_features_out})")
        with _quiet(self.verbose):
            return _in_chunks(lambda z: self.network_.decode(z, len(self.encoder)), code)

    def score(self, X, y=None, sample_weight=None):
        """Return the coefficient of determination of the reconstruction, see :meth:`theanets.Autoencoder.score`."""
        check_is_fitted(self, "network_")
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        with _quiet(self.verbose):
            return float(self.network_.score(X, w=sample_weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
