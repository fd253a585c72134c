r"""Changes of parameters after each step of training: decay that is no part of the loss, and constraints.

They are regularizers, given by keywords of ``train`` as all others are: a number, a pattern of parameter names, or a
dict of both.

>>> import numpy as np
>>> import theanets
>>> net = theanets.Autoencoder([4, 3, 4])
>>> data = np.random.RandomState(0).randn(20, 4).astype("f")
>>> train, valid = net.train([data], algo="adam", learning_rate=0.1, epochs=2, nonneg="out.w", max_norm=0.5)
>>> bool((net.find("out", "w").get_value() >= 0).all())
True

=====================  ========================  ==========================================================
keyword                class                     what it does
=====================  ========================  ==========================================================
``decoupled_decay``    :class:`DecoupledDecay`   shrinks weights in each step
``max_norm``           :class:`MaxNorm`          limits the length of the incoming weights of each unit
``unit_norm``          :class:`UnitNorm`         makes that length 1
``nonneg``             :class:`NonNegative`      sets negative weights to zero
=====================  ========================  ==========================================================

By default they act on all parameters with more than one axis, which leaves biases out; a pattern that is given chooses
exactly what it matches. Constraints hold from the beginning of a training on; of several, those of signs come before
those of lengths. To add one, subclass :class:`Constraint`.
"""

import theano.tensor as TT

from .. import arguments, util
from ..regularizers import Regularizer

__all__ = ["DecoupledDecay", "Constraint", "MaxNorm", "UnitNorm", "NonNegative"]


class _OfWeights(Regularizer):
    """Base class of what acts on parameters, by default on those with more than one axis."""

    watches: str | None = "parameters"

    def __init__(self, pattern=None, weight=0.0, **unknown):
        super().__init__(pattern=pattern, weight=weight, **unknown)
        self.takes_vectors = pattern is not None and not util.is_real(pattern)

    def after_step(self, param, value, rate):
        if param.ndim < 2 and not self.takes_vectors:
            return value
        return self.changed(param, value, rate)

    def changed(self, param, value, rate):
        """Return what becomes of a parameter; the arguments are those of :meth:`after_step`."""
        raise NotImplementedError(f"{type(self).__name__} does not define changed()")


class DecoupledDecay(_OfWeights):
    r"""Decay of weights by a share of the learning rate, whatever the algorithm makes of gradients.

    .. math:: \theta_t = \tilde{\theta}_t - \alpha \lambda \theta_{t-1}

    where :math:`\tilde{\theta}_t` is what the algorithm makes of :math:`\theta_{t-1}`, :math:`\alpha` the learning
    rate, and :math:`\lambda` the weight. With ``algo="adamw"`` the default is 0.01. (``weight_decay``, an old name of
    ``weight_l2``, is a penalty that is part of the loss.)

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Shell patterns for names of parameters. Default: all with more than one axis.
    weight : float, optional
        Strength. Default 0.

    Notes
    -----
    I Loshchilov, F Hutter, "Decoupled Weight Decay Regularization", ICLR 2019
    """

    __extra_registration_keys__ = ["decoupled_decay"]

    def changed(self, param, value, rate):
        return value - rate * self.weight * param


class Constraint(_OfWeights):
    """Base class of constraints: a subclass defines :meth:`project`.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Shell patterns for names of parameters. Default: all with more than one axis.
    weight : float, optional
        A number that belongs to the constraint, such as a limit.

    Examples
    --------
    >>> class Rounded(Constraint):
    ...     def project(self, value):
    ...         return self.weight * (value / self.weight).round()
    >>> import theanets
    >>> Rounded.read(0.25), Rounded.read("hid*.w")
    ({'weight': 0.25}, {'pattern': 'hid*.w'})
    """

    is_projection = True

    #: Constraints with a lower number come first, where there are several.
    place = 0

    #: Whether means of allowed values are allowed. If not, averaged weights are projected as well.
    keeps_means = True

    @classmethod
    def read(cls, value):
        """Return the arguments of the constructor that the value of a keyword stands for, as a dict."""
        if isinstance(value, str) or isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return {"pattern": value}
        return super().read(value)

    def changed(self, param, value, rate):
        return self.project(value)

    def project(self, value):
        """Return the value of a parameter as the constraint allows it.

        Parameters
        ----------
        value : expression
            What an algorithm has made of the parameter.

        Returns
        -------
        value : expression
        """
        raise NotImplementedError(f"{type(self).__name__} does not define project()")


def _lengths(value):
    """Return the lengths of the weights that lead to each unit, for broadcasting; of a vector its own length."""
    if value.ndim == 4:
        # filters of convolutions have the shape (filters, channels, height, width).
        axes = (1, 2, 3)
    elif value.ndim == 3:
        axes = (1, 2)
    else:
        axes = (0,)
    return TT.sqrt(TT.sqr(value).sum(axis=axes, keepdims=True))


class MaxNorm(Constraint):
    r"""Limit of the length of the weights that lead to each unit: :math:`w_j \gets w_j \min(1, c / |w_j|)`.

    Columns of a matrix of the shape (inputs, units), and filters of convolutions, are what leads to a unit.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Shell patterns for names of parameters. Default: all with more than one axis.
    weight : float
        The largest length :math:`c`.

    Notes
    -----
    N Srivastava, G Hinton, A Krizhevsky, I Sutskever, R Salakhutdinov, "Dropout: A Simple Way to Prevent Neural
    Networks from Overfitting", JMLR 15, 2014
    """

    __extra_registration_keys__ = ["max_norm"]

    place = 1

    def __init__(self, pattern=None, weight=None, **unknown):
        if util.is_real(pattern):
            pattern, weight = None, pattern
        arguments.refuse(unknown, arguments.named_parameters(type(self)), f"regularizer {type(self).__name__}")
        if not hasattr(weight, "type") and not (util.is_real(weight) and 0 < weight < float("inf")):
            raise util.ConfigurationError(
                f"max_norm: weight={weight!r}, expected the largest length of weights, a positive number, as in "
                "max_norm=3 or max_norm=dict(weight=3, pattern='hid*.w')"
            )
        super().__init__(pattern=pattern, weight=weight, **unknown)

    def project(self, value):
        return value * TT.minimum(1, self.weight / TT.maximum(_lengths(value), 1e-12))


class _WithoutNumber(Constraint):
    """A constraint that is switched on by True, or by patterns."""

    def __init__(self, pattern=None, weight=True, **unknown):
        if not isinstance(weight, bool):
            raise util.ConfigurationError(
                f"{self.__extra_registration_keys__[0]}={weight!r}, expected True or patterns of names of parameters"
            )
        super().__init__(pattern=pattern, weight=1.0, **unknown)
        self.is_on = weight

    def changed(self, param, value, rate):
        return self.project(value) if self.is_on else value


class UnitNorm(_WithoutNumber):
    r"""Weights that lead to each unit have the length 1: :math:`w_j \gets w_j / |w_j|`; see :class:`MaxNorm`.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Shell patterns for names of parameters. Default: all with more than one axis.
    weight : bool, optional
        Whether the constraint is on. Default True.
    """

    __extra_registration_keys__ = ["unit_norm"]

    # after ``nonneg``, as other lengths leave signs alone.
    place = 2

    keeps_means = False

    def project(self, value):
        return value / TT.maximum(_lengths(value), 1e-12)


class NonNegative(_WithoutNumber):
    r"""Weights are not negative: :math:`w \gets \max(0, w)`.

    Parameters
    ----------
    pattern : str or sequence of str, optional
        Shell patterns for names of parameters. Default: all with more than one axis.
    weight : bool, optional
        Whether the constraint is on. Default True.
    """

    __extra_registration_keys__ = ["nonneg"]

    def project(self, value):
        return TT.maximum(0, value)
