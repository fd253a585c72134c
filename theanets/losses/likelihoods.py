r"""Losses for outliers, quantiles, counts, rare classes, several labels at once, and whole distributions.

They are asked for by name, as those of :mod:`theanets.losses` are: ``theanets.Regressor([4, 2], loss="huber")``.

==========  =========================  ======================================================
name        class                      for
==========  =========================  ======================================================
huber       :class:`Huber`             real targets with outliers
logcosh     :class:`LogCosh`           the same, smooth everywhere
quantile    :class:`Quantile`          quantiles of real targets
poisson     :class:`Poisson`           counts
focal       :class:`Focal`             classes of which some are rare or easy
multilabel  :class:`MultiLabel`        labels of which an example may have several
mixture     :class:`MixtureDensity`    real targets whose distribution has several peaks
==========  =========================  ======================================================
"""

import importlib

import numpy as np
import theano.tensor as TT

from .. import util
from ..layers import means
from ..layers.context import context_of
from .base import BinaryCrossEntropy, CrossEntropy, Loss, log_of_probabilities, refuse_weights

__all__ = ["Huber", "LogCosh", "Quantile", "Poisson", "Focal", "MultiLabel", "MixtureDensity"]


def _special():
    # importing it takes long, and only what is read off a mixture needs it.
    return importlib.import_module("scipy.special")


#: Half the logarithm of 2 pi.
HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))

#: Logarithms of standard deviations are kept within this distance of zero.
LIMIT = 10.0


def _positive(loss, name, value):
    if not util.is_real(value) or not 0 < value < np.inf:
        raise util.ConfigurationError(f"loss {type(loss).__name__}: {name}={value!r}, expected a positive number")
    return float(value)


class Huber(Loss):
    r"""Mean of the squares of small differences, and of the sizes of large ones.

    .. math:: \frac{1}{n} \sum_i h(x_i - t_i), \quad
        h(e) = \frac{e^2}{2} \mbox{ for } |e| \le \delta, \quad \delta (|e| - \frac{\delta}{2}) \mbox{ otherwise}

    Parameters
    ----------
    delta : float, optional
        Where squares end. Default 1.
    target, weight, weighted, output_name
        See :class:`theanets.Loss`.

    Notes
    -----
    P Huber, "Robust Estimation of a Location Parameter", Ann. Math. Statist. 35(1), 1964
    """

    def __init__(self, *args, delta=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.delta = _positive(self, "delta", delta)

    def elementwise(self, output, target):
        size = abs(output - target)
        small = TT.minimum(size, self.delta)
        return small * (size - small / 2)


class LogCosh(Loss):
    r"""Mean of the logarithm of the hyperbolic cosine of the differences: :math:`\frac{1}{n} \sum_i \log \cosh e_i`.

    It is about :math:`e^2 / 2` for small ones, and :math:`|e| - \log 2` for large ones.
    """

    def elementwise(self, output, target):
        error = output - target
        return error + TT.nnet.softplus(-2 * error) - float(np.log(2))


class Quantile(Loss):
    r"""Pinball loss, which is smallest where the output is a quantile of the target.

    .. math:: \frac{1}{n} \sum_i \max(q \, (t_i - x_i), (q - 1) (t_i - x_i))

    Parameters
    ----------
    levels : float or sequence of float, optional
        The level :math:`q`, between 0 and 1, or several of them, over which the mean is taken. The output of the
        network then has a unit for each level of each variable of the target: those of the first variable first.
        Default 0.5, the median.
    target, weight, weighted, output_name
        See :class:`theanets.Loss`.

    Notes
    -----
    R Koenker, G Bassett, "Regression Quantiles", Econometrica 46(1), 1978

    Examples
    --------
    The lower and the upper decile, and the median, of one variable:

    >>> import theanets
    >>> net = theanets.Regressor([4, 10, 3], loss=dict(form="quantile", levels=(0.1, 0.5, 0.9)))
    >>> x = np.random.RandomState(0).rand(20, 4)
    >>> train, valid = net.train([x, x.sum(axis=1)], algo="adam", epochs=1)
    >>> low, median, high = net.predict(x).T
    """

    def __init__(self, *args, levels=0.5, **kwargs):
        super().__init__(*args, **kwargs)
        many = list(np.ravel(levels)) if isinstance(levels, (list, tuple, np.ndarray)) else [levels]
        if not many or not all(util.is_real(level) and 0 < level < 1 for level in many):
            raise util.ConfigurationError(
                f"loss Quantile: levels={levels!r}, expected a number between 0 and 1, or several of them"
            )
        self.levels = tuple(map(float, many))

    def target_shape(self, shapes):
        shape = shapes.get(self.output_name)
        if shape is None or shape[-1] is None:
            return shape
        if shape[-1] % len(self.levels):
            raise util.ConfigurationError(
                f"loss Quantile: output {self.output_name!r} has {shape[-1]} units, expected a multiple of the "
                f"{len(self.levels)} levels"
            )
        return (*shape[:-1], shape[-1] // len(self.levels))

    def elementwise(self, output, target):
        count = len(self.levels)
        shape = [*(output.shape[i] for i in range(output.ndim - 1)), output.shape[-1] // count, count]
        error = TT.shape_padright(target) - output.reshape(shape, ndim=output.ndim + 1)
        levels = np.array(self.levels, util.FLOAT)
        return TT.maximum(levels * error, (levels - 1) * error).mean(axis=-1)

    def estimate(self, output):
        """Return the median, or what is next to it: an array of the shape of the target."""
        place = int(np.argmin(np.abs(np.array(self.levels) - 0.5)))
        return output[..., place :: len(self.levels)]


class Poisson(Loss):
    r"""Negative logarithm of the likelihood of counts, without the term that does not depend on the output.

    .. math:: \frac{1}{n} \sum_i \left( x_i - t_i \log x_i \right)

    The output is the expected count, which is positive: give the last layer the activation ``exp``, whose argument is
    then used in the place of :math:`\log x_i`, or ``softplus``. Outputs below 1e-8 are raised to that.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([4, 8, (1, "exp")], loss="poisson")
    >>> net.losses[0]
    Poisson(output_name='out:out')
    """

    takes_logarithm = True

    target_range = 0.0, float("inf")

    def elementwise(self, output, target):
        return output - target * log_of_probabilities(output, np.inf)


class Focal(CrossEntropy):
    r"""Cross-entropy, in which examples that are right already count less.

    .. math:: -\frac{1}{n} \sum_i (1 - x_{i, t_i})^\gamma \log x_{i, t_i}

    Parameters
    ----------
    gamma : float, optional
        How much less; 0 is plain cross-entropy. Default 2.
    target, weight, weighted, output_name
        See :class:`theanets.losses.CrossEntropy`.

    Notes
    -----
    T-Y Lin, P Goyal, R Girshick, K He, P Dollár, "Focal Loss for Dense Object Detection", ICCV 2017. The weights
    :math:`\alpha` of classes are ``class_weight`` of :meth:`theanets.Network.train`.
    """

    def __init__(self, *args, gamma=2.0, **kwargs):
        super().__init__(*args, **kwargs)
        if not util.is_real(gamma) or not 0 <= gamma < np.inf:
            raise util.ConfigurationError(f"loss Focal: gamma={gamma!r}, expected a number of at least 0")
        self.gamma = float(gamma)

    def elementwise(self, output, target):
        log = self._of_true_class(log_of_probabilities(output), target)
        # the power has no gradient at zero for an exponent below one.
        wrong = TT.maximum(-TT.expm1(log), 1e-12)
        return -(wrong**self.gamma) * log


class MultiLabel(BinaryCrossEntropy):
    r"""Binary cross-entropy of several labels of one example, as :class:`theanets.losses.BinaryCrossEntropy`.

    A classifier with this loss has sigmoid units, predicts zeros and ones, and reports two figures: ``acc``, the
    fraction of all labels that are right, and ``exact``, the fraction of examples whose labels all are, which is what
    :meth:`theanets.Classifier.score` computes.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Classifier([4, 8, 3], loss="multilabel")
    >>> x, labels = np.eye(4), np.tril(np.ones((4, 3)))
    >>> train, valid = net.train([x, labels], algo="adam", learning_rate=0.1, epochs=50)
    >>> list(valid), net.predict(x)[1].tolist()
    (['loss', 'err', 'acc', 'exact'], [1, 1, 0])
    """

    is_multilabel = True

    target_range = 0.0, 1.0

    def _rights(self, outputs):
        logits = util.dense(outputs[self.output_name])
        target = util.dense(self._target)
        return TT.cast(TT.eq(TT.gt(logits, 0), TT.gt(target, 0.5)) & ~TT.isnan(logits), util.FLOAT)

    def metrics(self, outputs):
        """Return pairs of names and expressions of what is reported beside the loss."""
        right = self._rights(outputs)
        mask = context_of(outputs).mask
        mask = None if right.ndim < self.SEQUENCE_NDIM else mask
        every, weights = right.min(axis=-1), self._all_weights(right, mask)
        exact = means.mean(every, mask) if weights is None else means.weighted_mean(every, weights.mean(axis=-1))
        return [("acc", self.average(right, mask)), ("exact", exact)]


class MixtureDensity(Loss):
    r"""Negative logarithm of the likelihood of the target under a mixture of normal distributions.

    The output of the network describes, for each example, :math:`k` distributions of the :math:`m` variables of the
    target, which are independent within each of them: :math:`k` logits of their shares :math:`p_j`, then :math:`k m`
    means :math:`\mu_{jl}`, then :math:`k m` logarithms of standard deviations :math:`\sigma_{jl}`. So the last layer
    has :math:`k (2 m + 1)` linear units. The loss is the mean over examples of

    .. math:: -\log \sum_j p_j \prod_l N(t_l; \mu_{jl}, \sigma_{jl}^2)

    :meth:`mean`, :meth:`std`, :meth:`quantile` and :meth:`sample` read what ``predict`` returns.

    Parameters
    ----------
    components : int, optional
        The number :math:`k`. Default 3.
    target, weight, output_name
        See :class:`theanets.Loss`. There is no weighted form.

    Notes
    -----
    C Bishop, "Mixture Density Networks", Aston University 1994

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Regressor([1, 16, 6], loss=dict(form="mixture", components=2))
    >>> x = np.random.RandomState(0).rand(50, 1)
    >>> train, valid = net.train([x, x**2], algo="adam", learning_rate=0.01, epochs=2)
    >>> mixture, output = net.losses[0], net.predict(x)
    >>> mixture.mean(output).shape, mixture.quantile(output, 0.9).shape, mixture.sample(output, rng=0).shape
    ((50, 1), (50, 1), (50, 1))
    """

    __extra_registration_keys__ = ["mixture", "mdn"]

    #: The mask of sequences is known to :meth:`__call__`.
    knows_masks = True

    #: The components of one network are not those of another one.
    can_be_averaged = False

    def __init__(self, *args, components=3, **kwargs):
        super().__init__(*args, **kwargs)
        refuse_weights(self)
        if not util.is_int(components) or components < 1:
            raise util.ConfigurationError(
                f"loss MixtureDensity: components={components!r}, expected a positive integer"
            )
        self.components = int(components)

    def target_shape(self, shapes):
        shape = shapes.get(self.output_name)
        if shape is None or shape[-1] is None:
            return shape
        count, rest = divmod(shape[-1], self.components)
        if rest or count < 3 or count % 2 == 0:
            raise util.ConfigurationError(
                f"loss MixtureDensity: output {self.output_name!r} has {shape[-1]} units, expected "
                f"{self.components} * (2 m + 1) for m variables of the target, such as {3 * self.components} for one"
            )
        return (*shape[:-1], (count - 1) // 2)

    def _split(self, output, lib):
        """Return logits (..., k), means and logarithms of standard deviations (..., k, m)."""
        k = self.components
        count = (output.shape[-1] // k - 1) // 2
        lead = tuple(output.shape[i] for i in range(output.ndim - 1))
        parts = [output[..., k : k * (count + 1)], output[..., k * (count + 1) :]]
        shape = (*lead, k, count)
        if lib is np:
            means_, scales = (part.reshape(shape) for part in parts)
        else:
            means_, scales = (part.reshape(shape, ndim=output.ndim + 1) for part in parts)
        return output[..., :k], means_, lib.clip(scales, -LIMIT, LIMIT)

    def __call__(self, outputs):
        output, target = util.dense(outputs[self.output_name]), util.dense(self._target)
        self._check_dimensions(output, target)
        logits, centres, scales = self._split(output, TT)
        distances = (target.dimshuffle(*range(target.ndim - 1), "x", target.ndim - 1) - centres) * TT.exp(-scales)
        terms = logits - TT.sum(TT.sqr(distances) / 2 + scales + HALF_LOG_2PI, axis=-1)
        errors = _log_sum_exp(logits) - _log_sum_exp(terms)
        return means.mean(errors, context_of(outputs).mask)

    def _distributions(self, output):
        """Return shares (..., k), and means and standard deviations (..., k, m), in double precision."""
        logits, centres, scales = self._split(np.asarray(output, "float64"), np)
        return _special().softmax(logits, axis=-1), centres, np.exp(scales)

    def estimate(self, output):
        """Return the mean, see :meth:`mean`."""
        return self.mean(output)

    def mean(self, output):
        """Return the mean of the distribution of each variable.

        Parameters
        ----------
        output : ndarray (..., k (2 m + 1))
            What ``predict`` returns.

        Returns
        -------
        mean : ndarray (..., m)
        """
        shares, centres, _ = self._distributions(output)
        return (shares[..., None] * centres).sum(axis=-2)

    def std(self, output):
        """Return the standard deviation of each variable; see :meth:`mean`."""
        shares, centres, scales = self._distributions(output)
        squares = (shares[..., None] * (centres**2 + scales**2)).sum(axis=-2)
        return np.sqrt(np.maximum(squares - self.mean(output) ** 2, 0))

    def quantile(self, output, level):
        """Return a quantile of the distribution of each variable by itself.

        Parameters
        ----------
        output : ndarray (..., k (2 m + 1))
            What ``predict`` returns.
        level : float
            Between 0 and 1.

        Returns
        -------
        quantile : ndarray (..., m)
        """
        if not util.is_real(level) or not 0 < level < 1:
            raise ValueError(f"level={level!r}, expected a number between 0 and 1")
        shares, centres, scales = self._distributions(output)
        ends = centres + scales * _special().ndtri(level)
        # the quantile lies between the smallest and the largest of those of the components.
        low, high = ends.min(axis=-2), ends.max(axis=-2)
        for _ in range(60):
            middle = (low + high) / 2
            parts = shares[..., None] * _special().ndtr((middle[..., None, :] - centres) / scales)
            below = parts.sum(axis=-2) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2

    def sample(self, output, rng=None):
        """Draw from the distribution of each example.

        Parameters
        ----------
        output : ndarray (..., k (2 m + 1))
            What ``predict`` returns.
        rng : int, None or numpy.random.RandomState, optional
            Seed or generator. Default None, for other draws in each call.

        Returns
        -------
        draws : ndarray (..., m)
        """
        rng = util.random_state(rng)
        shares, centres, scales = self._distributions(output)
        bounds = shares.cumsum(axis=-1)[..., :-1]
        chosen = (rng.uniform(size=(*shares.shape[:-1], 1)) > bounds).sum(axis=-1)
        place = chosen[..., None, None]
        centres, scales = (np.take_along_axis(values, place, axis=-2)[..., 0, :] for values in (centres, scales))
        return centres + scales * rng.standard_normal(centres.shape)


def _log_sum_exp(x):
    """Return the logarithm of the sum of exponentials over the last axis."""
    highest = x.max(axis=-1, keepdims=True)
    return TT.log(TT.exp(x - highest).sum(axis=-1)) + highest[..., 0]
