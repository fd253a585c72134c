"""The transformer for scikit-learn that is an autoencoder."""

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .. import feedforward, util
from ..network import specs
from .base import NetworkEstimator, answers_unknown, quiet
from .examples import check_weights, in_chunks

__all__ = ["AutoencoderTransformer"]


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetworkEstimator):
    """A transformer of scikit-learn that is an autoencoder: it encodes examples, and decodes codes.

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

    @answers_unknown
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
        """Return the specs of all layers: the encoder, and the decoder, which mirrors it."""
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

    def _read(self, x, y, sample_weight, reset):
        x = self._validate(x, reset=reset)
        return x, None, check_weights(sample_weight, x)

    def _fit(self, x, y, sample_weight, epochs, split):
        with quiet(self.verbose):
            if not self.n_iter_:
                self._build(feedforward.Autoencoder, self._layers(x), weighted=True)
            return self._train([x], sample_weight, epochs, split)

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
        return self._learn(X, None, sample_weight, True, self.epochs, split=True)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch, going on from where the last call ended; the arguments are those of :meth:`fit`."""
        return self._learn_on(X, None, sample_weight)

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of examples, an array (num-examples, size of the code)."""
        dtype = X.dtype if scipy.sparse.issparse(X) else np.asarray(X).dtype
        code = self._outputs(X, lambda x: self.network_.encode(x, self._depth))
        return code.astype(dtype if dtype in (np.float32, np.float64) else code.dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Decode codes; return the examples, an array (num-examples, num-variables)."""
        check_is_fitted(self, "network_")
        code = np.asarray(X)
        if code.ndim != 2 or code.shape[1] != self._n_features_out:
            raise ValueError(f"codes have the shape {code.shape}, expected (num-examples, {self._n_features_out})")
        with quiet(self.verbose):
            return in_chunks(lambda z: self.network_.decode(z, self._depth), code)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination of the reconstruction, see :meth:`theanets.Autoencoder.score`."""
        check_is_fitted(self, "network_")
        X = self._validate(X, reset=False)
        weights = None if sample_weight is None else check_weights(sample_weight, X)
        with quiet(self.verbose):
            return float(self.network_.score(X, w=weights))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
