r"""The base class of losses, and the common ones: of squares, of absolute values, of classes and of likelihoods."""

import inspect

import numpy as np
import theano.tensor as TT
from theano.gradient import disconnected_grad

from .. import activations, arguments, util
from ..layers import means
from ..layers.context import context_of, may_be_input, unrolled

__all__ = [
    "Loss",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "GaussianLogLikelihood",
    "MaximumMeanDiscrepancy",
    "KullbackLeiblerDivergence",
    "CrossEntropy",
    "BinaryCrossEntropy",
    "Hinge",
    "Formula",
]

#: Lower limit of probabilities in logarithms, unless they are computed from the arguments of a softmax or sigmoid.
EPSILON = 1e-8


def log_of_probabilities(x, highest=1):
    r"""Return the logarithm of probabilities, with a gradient everywhere.

    For outputs of softmax or sigmoid, it is computed from the arguments of these, without a limit. Other values are
    clipped to [1e-8, ``highest``]. The derivative is then :math:`1/x` above the lower limit; below it, it is the
    derivative at the same distance above the limit, so that it points to larger values.

    Parameters
    ----------
    x : expression
        Probabilities, or any other numbers.
    highest : float, optional
        The upper limit. Default 1.
    """
    log = activations.log_of(x)
    return _clipped_log(x, highest) if log is None else log


def _clipped_log(x, highest):
    is_above = TT.ge(x, EPSILON)
    mirrored = TT.log(TT.switch(is_above, x, 2 * EPSILON - x))
    slope = TT.switch(is_above, mirrored, -mirrored)
    # a zero, with this derivative.
    slope = slope - disconnected_grad(slope)
    return disconnected_grad(TT.log(TT.clip(x, EPSILON, highest))) + slope


class Loss(util.Registrar("Root", (util.ShapesGraph,), {"_kind": "loss"})):  # type: ignore[misc]
    r"""Base class of losses.

    Parameters
    ----------
    target : int or theano variable
        Number of dimensions of the target, 0 to 4; or a variable to use as the target.
    weight : float, optional
        Factor of this loss in the total of its network. Default 1.
    weighted : bool, optional
        If true, each element of the target has a weight, given with the data in an array of the target's shape; the
        loss is then the weighted mean :math:`\sum_i w_i e_i / \sum_i w_i` of the errors. Default False.
    output_name : str, optional
        The output of the network to compare with the target. Default ``'out'``, which means ``'out:out'``.

    Raises
    ------
    ConfigurationError
        For a target that is neither a number of dimensions nor a variable, and for unknown arguments.

    Notes
    -----
    Calling a loss with a dict of outputs returns an expression of its value, without the factor ``weight``. A
    subclass defines :meth:`elementwise`, and has its means and weights taken care of; or it defines ``__call__``, with
    ``_target``, ``_weights`` (None if there are none) and ``output_name``. The figures of an epoch are then means in
    which a batch counts as :meth:`count` says.

    Examples
    --------
    >>> class FourthPower(Loss):
    ...     def elementwise(self, output, target):
    ...         return (output - target) ** 4
    >>> import theanets
    >>> theanets.Regressor([4, 2], loss="fourthpower").losses[0].output_name
    'out:out'
    """

    #: Constructors of variables for targets with 0, 1, ... dimensions.
    TARGETS = util.FLOAT_CONTAINERS

    #: Targets with at least so many dimensions hold sequences, of shape (batch, time, ...).
    SEQUENCE_NDIM = 3

    #: Whether a loss that overrides ``__call__`` leaves out the padding of sequences.
    knows_masks = False

    #: Whether the target says of each of several labels whether an example has it, so that classifiers need sigmoids.
    is_multilabel = False

    #: The smallest and the largest value that a target can have; None for any.
    target_range: tuple[float, float] | None = None

    #: Whether the mean of the outputs of several networks is an output of the same meaning.
    can_be_averaged = True

    #: Whether errors are functions of the logarithm of the output, computed from the arguments of its activation.
    takes_logarithm = False

    def __init__(self, target, weight=1.0, weighted=False, output_name="out", **unknown):
        arguments.refuse(unknown, arguments.named_parameters(type(self)), f"loss {type(self).__name__}")
        if not hasattr(weight, "type"):
            arguments.FINITE.check(f"loss {type(self).__name__}: weight", weight)
        self.owns_target = util.is_int(target)
        self._target = self._make_target(target)
        self._weights = util.FLOAT_CONTAINERS[self._target.ndim]("weights") if weighted else None
        self.weight = weight
        self.output_name = util.output_name(output_name)

    def _make_target(self, target):
        if util.is_int(target) and 0 <= target < len(self.TARGETS):
            return self.TARGETS[target]("target")
        if not hasattr(target, "type"):
            raise util.ConfigurationError(
                f"loss {type(self).__name__}: target={target!r}, expected a number of dimensions from 0 to "
                f"{len(self.TARGETS) - 1}, or a variable"
            )
        return target

    def __repr__(self):
        return arguments.show_call(self)

    def graph_settings(self):
        settings = super().graph_settings()
        if may_be_input(self, "weight"):
            # any number does.
            del settings["weight"]
        return settings

    @property
    def variables(self):
        """The symbolic inputs of the loss: its target, and its weights if there are any."""
        return [self._target] if self._weights is None else [self._target, self._weights]

    @property
    def output_names(self):
        """Full names of the network outputs that the loss reads."""
        return [self.output_name]

    @property
    def has_own_formula(self):
        """Whether a subclass overrides ``__call__``, rather than to define the errors of which the mean is taken."""
        return type(self).__call__ is not Loss.__call__

    @property
    def layers_read(self):
        """Names of the layers whose outputs the loss reads, as a set."""
        return {name.partition(":")[0] for name in self.output_names}

    def name_target(self, name, variable=None):
        """Set the name of the target variable; losses share a target only if they use the same name.

        Parameters
        ----------
        name : str
            The name. ``'target'`` is the default name.
        variable : theano variable, optional
            The existing variable of this name, to be used as the target. Default: the variable of this loss.
        """
        self.owns_target = variable is None and name == "target"
        if variable is not None:
            self._target = variable
        if name != "target":
            self._target.name = name
        if name != "target" and self._weights is not None:
            self._weights.name = f"{name}_weights"

    def shares_target(self, other):
        """Tell whether this loss and another can have the same target variable: both made one, of the same type."""
        return self.owns_target and other.owns_target and self._target.type == other._target.type

    def shares_weights(self, other):
        """Tell whether this loss and another can have the same variable of weights: of the same name and type."""
        mine, others = self._weights, other._weights
        return None not in (mine, others) and (mine.name, mine.type) == (others.name, others.type)

    def share_variables(self, other):
        """Replace the variables of target and weights by those of another loss, if they are of the same type."""
        if self.shares_target(other):
            self._target = other._target
        if self.shares_weights(other):
            self._weights = other._weights

    def target_shape(self, shapes):
        """Return the shape that the target should have for one example.

        Parameters
        ----------
        shapes : dict
            Shapes of network outputs by full name.

        Returns
        -------
        shape : tuple or None
            None if it is unknown.
        """
        return None if self.has_own_formula else shapes.get(self.output_name)

    def num_classes(self, shapes):
        """Return the number of classes, if the target consists of class labels; else None."""
        return None

    def log(self):
        """Write a line that describes the loss."""
        util.log(f"loss {type(self).__name__} of {', '.join(self.output_names)}, weight {self.weight}")

    def average(self, values, mask=None, weights=None):
        """Return the mean, or weighted mean, of an array of errors of the target's shape.

        Parameters
        ----------
        values : expression
            The errors.
        mask : expression (batch, time), optional
            1 for the steps of sequences, 0 for padding.
        weights : expression, optional
            Further weights of the errors, in addition to those that are part of the data.
        """
        mask = None if values.ndim < self.SEQUENCE_NDIM else mask
        weights = self._all_weights(values, mask, weights)
        if weights is None:
            return means.counted(means.mean(values, mask), self.size(mask))
        return means.weighted_mean(values, weights)

    def _all_weights(self, values, mask=None, weights=None):
        """Return the product of all weights and of the mask; None if there are no weights but the mask."""
        given = [w for w in (self._weights, weights) if w is not None]
        if not given:
            return None
        weights = given[0] if len(given) == 1 else given[0] * given[1]
        return weights if mask is None else weights * mask.dimshuffle(0, 1, *"x" * (values.ndim - 2))

    def elementwise(self, output, target):
        """Return an array of errors.

        Parameters
        ----------
        output, target : expression
            The output and its target.

        Returns
        -------
        errors : expression
            Of the shape of the target.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither elementwise() nor __call__()")

    def _check_dimensions(self, output, target):
        # arrays of different dimensions would be broadcast, e.g. a column against a row into a matrix.
        if output.ndim != target.ndim:
            raise util.ConfigurationError(
                f"loss {type(self).__name__}: target has {target.ndim} dimensions, but output {self.output_name!r} "
                f"has {output.ndim}"
            )

    def __call__(self, outputs):
        output = unrolled(outputs, self.output_name) if self.takes_logarithm else outputs[self.output_name]
        output, target = util.dense(output), util.dense(self._target)
        self._check_dimensions(output, target)
        context = context_of(outputs)
        errors, classes = self.elementwise(output, target), context.class_weights.get(self._target)
        if classes is None:
            return self.average(errors, context.mask)
        weights = TT.as_tensor_variable(classes)[target.flatten()].reshape(target.shape, ndim=target.ndim)
        return self.average(errors, context.mask, weights)

    def size(self, mask=None):
        """Return an expression of the number of elements of the target in a batch; with a mask, of unmasked steps.

        Parameters
        ----------
        mask : expression (batch, time), optional
            1 for the steps of sequences, 0 for padding.
        """
        return means.size(self._target) if mask is None or self._target.ndim < self.SEQUENCE_NDIM else mask.sum()

    def count(self):
        """Return an expression of the weight of a batch, for averages of the loss over batches.

        It is used for losses that override ``__call__``, as means of errors carry their weights: the sum of the
        weights, or the number of elements of the target.
        """
        return self.size() if self._weights is None else self._weights.sum()

    def metrics(self, outputs):
        """Return pairs of names and expressions of what a classifier reports beside the loss."""
        return [("acc", self.accuracy(outputs))] if hasattr(self, "accuracy") else []

    def estimate(self, output):
        """Return what of an output, as an array, is to be compared with the target in a score."""
        return output

    def measure(self, outputs):
        """Return an expression of the value annotated with the number of its terms, see :mod:`theanets.layers.means`.

        Parameters
        ----------
        outputs : dict
            Expressions of network outputs by full name.
        """
        value = self(outputs)
        known = not hasattr(value, "type") or any(count is not None for _, count in means.terms(value))
        return value if known else means.counted(value, self.count())

    def check_context(self, context):
        """Raise an error for sequences of different lengths if ``__call__`` is overridden, as it ignores the mask."""
        counts_all = self.has_own_formula and not self.knows_masks
        if context is not None and context.mask is not None and counts_all:
            raise util.ConfigurationError(
                f"loss {type(self).__name__} cannot be used with sequences of different lengths; give it a method "
                "elementwise() instead of __call__()"
            )


def weight_key(index):
    """Return the key of the weight of a loss, see :class:`theanets.layers.context.Values`."""
    return "loss", index, "weight"


def numbers(losses):
    """Return the weights of losses that are inputs of graphs, by key."""
    return {weight_key(i): loss.weight for i, loss in enumerate(losses) if may_be_input(loss, "weight")}


class MeanSquaredError(Loss):
    r"""Mean of the squared differences: :math:`\frac{1}{n} \sum_i (x_i - t_i)^2`, over all elements of the batch."""

    __extra_registration_keys__ = ["mse"]

    def elementwise(self, output, target):
        return TT.sqr(output - target)


class MeanAbsoluteError(Loss):
    r"""Mean of the absolute differences: :math:`\frac{1}{n} \sum_i |x_i - t_i|`, over all elements of the batch."""

    __extra_registration_keys__ = ["mae"]

    def elementwise(self, output, target):
        return abs(output - target)


class KullbackLeiblerDivergence(Loss):
    r"""Divergence of the target from the output, both seen as probabilities.

    .. math:: \frac{1}{n} \sum_i t_i \log \frac{t_i}{x_i}

    Both arrays are clipped to [1e-8, 1 - 1e-8], and are not normalised. An output that softmax or sigmoid makes is not
    clipped: its logarithm is computed from what they are applied to. There is a gradient everywhere, see
    :func:`log_of_probabilities`.

    S Kullback, R A Leibler, "On Information and Sufficiency", Ann. Math. Statist. 22(1), 1951
    """

    __extra_registration_keys__ = ["kl", "kld"]

    takes_logarithm = True

    def elementwise(self, output, target):
        highest = 1 - EPSILON
        log_ratio = _clipped_log(target, highest) - log_of_probabilities(output, highest)
        return TT.clip(target, EPSILON, highest) * log_ratio


class CrossEntropy(Loss):
    r"""Negative logarithm of the probability that the network gives to the true class.

    .. math:: -\frac{1}{n} \sum_i \log x_{i, t_i}

    The target is an array of integer labels from 0 to k - 1, with one dimension less than the output, whose last axis
    holds the probabilities of the k classes. If softmax or sigmoid makes them, their logarithms are computed from what
    these functions are applied to, so that the loss grows with every step away from the true class. Others are raised
    to 1e-8 if they are below; there is a gradient all the same, see :func:`log_of_probabilities`.

    Parameters
    ----------
    target : int or theano variable
        Number of dimensions of the labels, or a variable of an integer type.
    weight, weighted, output_name
        See :class:`Loss`.
    """

    __extra_registration_keys__ = ["xe"]

    TARGETS = util.INT_CONTAINERS
    SEQUENCE_NDIM = 2

    takes_logarithm = True

    def _make_target(self, target):
        target = super()._make_target(target)
        if "int" not in str(target.dtype):
            raise util.ConfigurationError(
                f"loss {type(self).__name__}: target {target} is of type {target.dtype}, but class labels are needed, "
                "which are integers"
            )
        return target

    def target_shape(self, shapes):
        shape = shapes.get(self.output_name)
        return None if shape is None else shape[:-1]

    def num_classes(self, shapes):
        return (shapes.get(self.output_name) or (None,))[-1]

    def _check_dimensions(self, output, target):
        if output.ndim != target.ndim + 1:
            raise util.ConfigurationError(
                f"loss {type(self).__name__}: the labels of output {self.output_name!r}, which has {output.ndim} "
                f"dimensions, need {output.ndim - 1}, not {target.ndim}"
            )

    @staticmethod
    def _of_true_class(output, target):
        rows = output.reshape((-1, output.shape[-1]), ndim=2)
        labels = target.flatten()
        return rows[TT.arange(labels.shape[0]), labels].reshape(target.shape, ndim=target.ndim)

    def elementwise(self, output, target):
        return -self._of_true_class(log_of_probabilities(output), target)

    def accuracy(self, outputs):
        """Return an expression for the (weighted) fraction of examples whose largest output is the true class.

        Examples with an output of NaN count as wrong, although argmax takes NaN for the largest value.
        """
        output = util.dense(outputs[self.output_name])
        right = TT.eq(output.argmax(axis=-1), self._target) & ~TT.any(TT.isnan(output), axis=-1)
        right = TT.cast(right, util.FLOAT)
        mask = None if right.ndim < self.SEQUENCE_NDIM else context_of(outputs).mask
        fraction, weights = self.average(right, mask), self._all_weights(right, mask)
        weights = mask if weights is None else weights
        # the number of correct examples, an integer, is kept for an exact average over batches.
        total = (right if weights is None else right * weights).sum()
        return means.counted(fraction, means.count_of(fraction), total)


class Hinge(CrossEntropy):
    r"""How much the output of the true class falls short of the largest one.

    .. math:: \frac{1}{n} \sum_i \max(0, \max_k x_{ik} - x_{i, t_i})

    There is no margin: the loss of an example is zero as soon as its true class has the largest output.
    """

    takes_logarithm = False

    def elementwise(self, output, target):
        return TT.maximum(0, output.max(axis=-1) - self._of_true_class(output, target))


class BinaryCrossEntropy(Loss):
    r"""Negative logarithm of the probability of labels that do not depend on one another, as sigmoid makes it.

    .. math:: \frac{1}{n} \sum_i \left( \log(1 + e^{z_i}) - t_i z_i \right)

    The target is an array of zeros and ones, or of probabilities, of the output's shape. :math:`z` is what sigmoid is
    applied to, so that neither the value nor the gradient has a limit.

    Parameters
    ----------
    output_name : str, optional
        A layer with the activation sigmoid, whose output ``pre`` is read; or an output that stands for :math:`z`.
        Default ``'out'``.
    target, weight, weighted
        See :class:`Loss`.

    Examples
    --------
    >>> import numpy as np
    >>> import theanets
    >>> net = theanets.Regressor([4, 8, (3, "sigmoid")], loss="bce")
    >>> train, valid = net.train([np.eye(4), np.tril(np.ones((4, 3)))], epochs=1)
    >>> probabilities = net.predict(np.eye(4))
    """

    __extra_registration_keys__ = ["bce"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        layer, _, output = self.output_name.partition(":")
        if output == "out":
            self.output_name = f"{layer}:pre"

    def elementwise(self, output, target):
        return TT.nnet.softplus(output) - target * output


class GaussianLogLikelihood(Loss):
    r"""Negative logarithm of the likelihood of the target under a normal distribution that the network describes.

    One output of the network is the mean :math:`m`, another one the variance of each variable, in the form
    :math:`v = |c| + \epsilon`. The loss is the mean over examples of

    .. math:: \frac{1}{2} \sum_i \left( \log 2 \pi + \log v_i + \frac{(t_i - m_i)^2}{v_i} \right)

    Parameters
    ----------
    mean_name, covar_name : str, optional
        Outputs with the mean and the variance. Default ``'mean'`` and ``'covar'``.
    covar_eps : float, optional
        The smallest variance. Default 1e-3.
    target, weight
        See :class:`Loss`. There is no weighted form, and ``output_name`` has no effect.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.Network(
    ...     [4, 8, dict(size=2, name="covar", inputs="hid1"), dict(size=2, name="mean", inputs="hid1")],
    ...     loss=dict(form="gll"),
    ... )
    >>> net.losses[0].output_names
    ['mean:out', 'covar:out']
    """

    __extra_registration_keys__ = ["gll"]

    knows_masks = True

    def __init__(self, *args, mean_name="mean", covar_name="covar", covar_eps=1e-3, **kwargs):
        super().__init__(*args, **kwargs)
        refuse_weights(self)
        self.mean_name = util.output_name(mean_name)
        self.covar_name = util.output_name(covar_name)
        self.covar_eps = covar_eps

    @property
    def output_names(self):
        return [self.mean_name, self.covar_name]

    def target_shape(self, shapes):
        return shapes.get(self.mean_name)

    def __call__(self, outputs):
        mean, covar, target = outputs[self.mean_name], outputs[self.covar_name], util.dense(self._target)
        self._check_dimensions(mean, target)
        variance = abs(covar) + self.covar_eps
        terms = float(np.log(2 * np.pi)) + TT.log(variance) + TT.sqr(target - mean) / variance
        # one number for each example, or for each step of sequences.
        return means.mean(terms.sum(axis=-1), context_of(outputs).mask) / 2


class Formula(Loss):
    r"""A loss that is given as a function.

    Parameters
    ----------
    target : int or theano variable
        Number of dimensions of the target, or a variable.
    function : callable
        Takes expressions of the output and of the target, and returns one of the errors, an array of the target's
        shape, whose (weighted) mean is the loss; or one of the loss itself, a number, which cannot be weighted.
    labels : bool, optional
        Whether the target consists of class labels, as it does in classifiers. Default False.
    weight, weighted, output_name
        See :class:`Loss`.

    Notes
    -----
    A network with such a loss is saved to a pickle, not to an archive, and the function is named when it is loaded, as
    in ``theanets.Network.load(path, trusted=[huber])``. A lambda, or a function within another one, cannot be saved.

    Examples
    --------
    >>> import numpy as np
    >>> import theanets
    >>> def huber(output, target):
    ...     error = abs(output - target)
    ...     return TT.switch(error < 1, TT.sqr(error) / 2, error - 0.5)
    >>> net = theanets.Regressor([4, 2], loss=huber)
    >>> train, valid = net.train([np.eye(4), np.ones((4, 2))], epochs=1)
    >>> list(train)
    ['loss', 'err']
    """

    def __init__(self, target, function=None, labels=False, **kwargs):
        check_function(function)
        self.function = function
        self.labels = bool(labels)
        super().__init__(target, **kwargs)

    @property
    def TARGETS(self):
        """Constructors of variables for targets."""
        return CrossEntropy.TARGETS if self.labels else Loss.TARGETS

    @property
    def SEQUENCE_NDIM(self):
        """The number of dimensions of a target that holds sequences."""
        return CrossEntropy.SEQUENCE_NDIM if self.labels else Loss.SEQUENCE_NDIM

    @property
    def name(self):
        """The name of the function."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def log(self):
        """Write a line that describes the loss."""
        util.log(f"loss {self.name} of {', '.join(self.output_names)}, weight {self.weight}")

    def target_shape(self, shapes):
        shape = shapes.get(self.output_name)
        return shape[:-1] if self.labels and shape is not None else shape

    def num_classes(self, shapes):
        return (shapes.get(self.output_name) or (None,))[-1] if self.labels else None

    def _check_dimensions(self, output, target):
        if output.ndim != target.ndim + self.labels:
            raise util.ConfigurationError(
                f"loss {self.name}: target has {target.ndim} dimensions, but output {self.output_name!r} has "
                f"{output.ndim}"
            )

    def elementwise(self, output, target):
        errors = self.function(output, target)
        if not hasattr(errors, "ndim") or not hasattr(errors, "type"):
            raise util.ConfigurationError(f"loss {self.name}: it returned {errors!r}, expected a Theano expression")
        if errors.ndim not in (0, target.ndim):
            raise util.ConfigurationError(
                f"loss {self.name}: it returned an expression of {errors.ndim} dimensions, expected {target.ndim}, "
                "as the target has, or a single number"
            )
        return errors

    def average(self, values, mask=None, weights=None):
        if values.ndim == 0 and self._target.ndim > 0:
            if (self._weights, mask, weights) != (None, None, None):
                raise util.ConfigurationError(
                    f"loss {self.name}: it returns a single number, which cannot be weighted, nor leave out what only "
                    "fills up sequences of different lengths; let it return an array of the errors"
                )
            return values
        return super().average(values, mask, weights)


def check_function(function):
    """Check that a function can be called with an output and a target."""
    try:
        if isinstance(function, type):
            raise TypeError("a class")
        inspect.signature(function).bind(None, None)
    except TypeError:
        raise util.ConfigurationError(
            f"loss={function!r}, expected the name of a loss, a dict, a theanets.Loss, or a function (output, target)"
        ) from None
    except ValueError:
        # some functions that are written in C have no signature.
        pass


def takes_labels(loss):
    """Tell whether the target of a loss consists of class labels."""
    return loss.labels if isinstance(loss, Formula) else isinstance(loss, CrossEntropy)


class GaussianKernel:
    r"""The kernel :math:`k(x, y) = e^{-|x - y|^2 / b}` for all pairs of examples.

    Parameters
    ----------
    bandwidth : float
        The squared distance b at which the value has fallen to 1 / e.
    """

    def __init__(self, bandwidth):
        if not util.is_real(bandwidth) or not bandwidth > 0:
            raise util.ConfigurationError(f"Gaussian kernel: bandwidth {bandwidth!r}, expected a positive number")
        self.bandwidth = float(bandwidth)

    def __call__(self, x, y):
        squares = TT.sqr(TT.shape_padleft(x).dimshuffle(1, 0, *range(2, x.ndim + 1)) - TT.shape_padleft(y))
        return TT.exp(-squares.sum(axis=-1) / self.bandwidth)


class MaximumMeanDiscrepancy(Loss):
    r"""Distance between the distributions of the outputs and of the targets of a batch.

    .. math:: \overline{k(t, t)} - 2 \, \overline{k(t, x)} + \overline{k(x, x)}

    The means are over all pairs of examples; which output belongs to which target does not matter.

    Parameters
    ----------
    kernel : float or callable, optional
        The bandwidth of a Gaussian kernel; or a function that takes two expressions with examples on their first axes
        and returns an expression of the kernel's value for each pair. Default 1.
    target, weight, output_name
        See :class:`Loss`. There is no weighted form.

    Notes
    -----
    A Gretton, K Borgwardt, M Rasch, B Schölkopf, A Smola, "A Kernel Method for the Two-Sample Problem", NIPS 2007
    """

    __extra_registration_keys__ = ["mmd"]

    def __init__(self, *args, kernel=1, **kwargs):
        super().__init__(*args, **kwargs)
        refuse_weights(self)
        self.kernel = kernel if callable(kernel) else self.gaussian(kernel)

    @staticmethod
    def gaussian(bandwidth):
        """Return a :class:`GaussianKernel`, which can be saved with a network."""
        return GaussianKernel(bandwidth)

    def target_shape(self, shapes):
        return shapes.get(self.output_name)

    def __call__(self, outputs):
        x, t, k = util.dense(outputs[self.output_name]), util.dense(self._target), self.kernel
        return k(t, t).mean() - 2 * k(t, x).mean() + k(x, x).mean()


def refuse_weights(loss):
    if loss._weights is not None:
        raise util.ConfigurationError(
            f"loss {type(loss).__name__} has no weighted form; leave out weighted=True; estimators for scikit-learn, "
            "which have weights of examples, cannot use it"
        )
