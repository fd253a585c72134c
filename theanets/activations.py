r"""Activation functions, which layers apply to their weighted input.

There are two kinds. Those without parameters are functions in the table :data:`FUNCTIONS`, one line each. Those with
parameters of their own are subclasses of :class:`Activation`; the name of such a class, and its aliases, can be used
wherever the name of a function can. Names joined by ``+`` are applied one after the other, from left to right.

>>> import theanets
>>> net = theanets.Regressor([4, (5, "relu+norm:z"), (3, "prelu"), 2])
>>> [layer.activate.name for layer in net.layers[1:]]
['norm:z(relu)', 'prelu', 'linear']

To add a function, write it here and enter it into the table. To add one from outside, subclass :class:`Activation`.
"""

import numpy as np
import theano
import theano.tensor as TT
from theano.gradient import disconnected_grad

from . import arguments, util

__all__ = ["build", "log_of", "Activation", "Compose", "Prelu", "LGrelu", "Elu", "Maxout", "COMMON"]

#: Keeps the ``norm:*`` functions from dividing by zero.
EPSILON = 1e-8

#: Values above this are multiplied by a small number, a power of two, before they are squared.
LARGE, SMALL = 1e15, 2.0**-80


def softmax(x):
    """Compute exp(x) / sum exp(x) over the last axis, for an array of any rank."""
    # without the largest value the exponential cannot overflow.
    z = TT.exp(x - x.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


def log_softmax(x):
    """Compute the logarithm of :func:`softmax`, which stays exact where a probability underflows."""
    # subtracting the maximum does not change the result, and needs no gradient.
    x = x - disconnected_grad(x.max(axis=-1, keepdims=True))
    return x - TT.log(TT.exp(x).sum(axis=-1, keepdims=True))


def log_sigmoid(x):
    """Compute the logarithm of the logistic function, which stays exact where that underflows."""
    return -TT.nnet.softplus(-x)


def rect_max(x):
    """Compute max(0, x), with a derivative of 1/2 at 0."""
    # both terms are the same, or cancel out, so that nothing is lost; and this is the quickest way in Theano's C.
    return (x + abs(x)) / 2


# Such a sum would lose the 1 beside large numbers. The value at a kink is written down by itself: it has the mean of
# both slopes for a derivative.


def rect_min(x):
    """Compute min(1, x), with a derivative of 1/2 at 1."""
    return TT.switch(TT.lt(x, 1), x, TT.switch(TT.gt(x, 1), 1, (x + 1) / 2))


def rect_minmax(x):
    """Compute min(1, max(0, x)), with a derivative of 1/2 at 0 and at 1."""
    return rect_min(TT.switch(TT.gt(x, 0), x, TT.switch(TT.lt(x, 0), 0, x / 2)))


def gelu(x):
    """Compute x times the probability that a standard normal variable is less than x."""
    return 0.5 * x * (1 + TT.erf(x * np.sqrt(0.5).astype(x.dtype)))


def swish(x):
    """Compute x times the logistic function of x."""
    return x * TT.nnet.sigmoid(x)


def mish(x):
    """Compute x tanh(log(1 + exp(x)))."""
    return x * TT.tanh(TT.nnet.softplus(x))


def hard_sigmoid(x):
    """Compute the line x / 6 + 1/2, cut to [0, 1]."""
    return rect_minmax(x / 6 + 0.5)


#: The numbers of SELU, for which activations of a mean of 0 and a variance of 1 keep these from layer to layer.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def selu(x):
    """Compute 1.0507 x for positive x, and 1.7581 (exp(x) - 1) for the others."""
    # both branches of a switch have gradients: the exponential must not see the large positive values.
    negative = SELU_ALPHA * TT.expm1(TT.switch(TT.gt(x, 0), 0, x))
    return SELU_SCALE * TT.switch(TT.gt(x, 0), x, negative)


def norm_mean(x):
    """Subtract from each example the mean of its units."""
    # the mean of equal values may differ from them in the last digit; that of zeros does not.
    x = x - disconnected_grad(TT.shape_padright(x[..., 0]))
    return x - x.mean(axis=-1, keepdims=True)


def _to_scale(x):
    """Multiply each example by a number that makes its squares fit the float type, and ``EPSILON`` by the same number.

    It is 1 unless values are very large.
    """
    scale = TT.switch(TT.gt(abs(x).max(axis=-1, keepdims=True), LARGE), SMALL, 1)
    return x * scale, EPSILON * scale


def norm_max(x):
    """Divide each example by the largest absolute value of its units."""
    x, epsilon = _to_scale(x)
    return x / (abs(x).max(axis=-1, keepdims=True) + epsilon)


def _deviation(x):
    """Compute the standard deviation over the last axis, with a gradient of 0 where it is 0."""
    variance = TT.sqr(norm_mean(x)).mean(axis=-1, keepdims=True)
    constant = TT.eq(variance, 0)
    # the derivative of sqrt at 0 is infinite, and times a zero not a number: the inner switch keeps 0 away from it.
    return TT.switch(constant, 0, TT.sqrt(TT.switch(constant, 1, variance)))


def norm_std(x):
    """Divide each example by the standard deviation of its units."""
    x, epsilon = _to_scale(x)
    return x / (_deviation(x) + epsilon)


def norm_z(x):
    """Subtract from each example the mean of its units, and divide it by their standard deviation."""
    x, epsilon = _to_scale(x)
    return norm_mean(x) / (_deviation(x) + epsilon)


#: The functions without parameters. ``softmax`` and ``norm:*`` work along the last axis, the others elementwise.
FUNCTIONS = {
    # piecewise linear
    "linear": lambda x: x,
    "relu": rect_max,
    "rect:max": rect_max,
    "rect:min": rect_min,
    "rect:minmax": rect_minmax,
    "hard_sigmoid": hard_sigmoid,
    # smooth
    "exp": TT.exp,
    "gelu": gelu,
    "logistic": TT.nnet.sigmoid,
    "sigmoid": TT.nnet.sigmoid,
    "mish": mish,
    "selu": selu,
    "silu": swish,
    "softplus": TT.nnet.softplus,
    "swish": swish,
    "tanh": TT.tanh,
    # over the units of one example
    "norm:max": norm_max,
    "norm:mean": norm_mean,
    "norm:std": norm_std,
    "norm:z": norm_z,
    "softmax": softmax,
}

#: Standard deviations of the initial weights that functions need, as functions of the number of inputs, and of biases;
#: for all others they are those of :meth:`theanets.Layer.add_weights` and :meth:`theanets.Layer.add_bias`.
INITIAL = {"selu": (lambda count: 1 / np.sqrt(count), 0)}

#: Ops that rearrange the values of one or several arrays without changing them.
ARRANGING = (TT.DimShuffle, TT.Join, TT.Rebroadcast, TT.Reshape, TT.subtensor.Subtensor)


def made_alike(x, y):
    """Tell whether two expressions apply the same Ops to the same variables."""
    if x is y:
        return True
    if isinstance(x, theano.Constant) and isinstance(y, theano.Constant):
        return x.equals(y)
    if None in (x.owner, y.owner) or x.owner.op != y.owner.op or x.index != y.index:
        return False
    return len(x.owner.inputs) == len(y.owner.inputs) and all(map(made_alike, x.owner.inputs, y.owner.inputs))


def _softened(x):
    """Return the argument of an expression that is a softmax; None for any other expression."""
    if isinstance(x.owner.op, TT.nnet.Softmax):
        return x.owner.inputs[0]
    argument = x
    for op in (TT.true_div, TT.exp, TT.sub):
        if argument.owner is None or argument.owner.op != op:
            return None
        argument = argument.owner.inputs[0]
    return argument if made_alike(x, softmax(argument)) else None


def log_of(x):
    """Return the logarithm of probabilities, computed from the argument (the logits) of their softmax or sigmoid.

    That of exponentials is their argument.

    The logarithm of a probability that underflows, or is rounded to 1, is wrong and has no gradient; computed from the
    logits, it is exact and has one.

    Parameters
    ----------
    x : expression
        Probabilities.

    Returns
    -------
    logarithm : expression or None
        None if the expression is not found to be softmax, sigmoid or the exponential of another one.

    Examples
    --------
    >>> z = TT.matrix()
    >>> value = log_of(TT.nnet.sigmoid(z)[:, :1])
    >>> value.eval({z: np.array([[-1000, 0]], z.dtype)}).item()
    -1000.0
    >>> log_of(TT.tanh(z)) is None
    True
    """
    node = x.owner
    if node is None:
        return None
    if isinstance(node.op, ARRANGING):
        # the other inputs are axes, shapes or indices: they come after the array, but for Join before the arrays.
        first, count = (1, len(node.inputs)) if isinstance(node.op, TT.Join) else (0, 1)
        logs = [log_of(part) for part in node.inputs[first:count]]
        if any(log is None for log in logs):
            return None
        return node.op(*node.inputs[:first], *logs, *node.inputs[count:])
    if isinstance(node.op, TT.Elemwise) and isinstance(node.op.scalar_op, TT.nnet.sigm.ScalarSigmoid):
        return log_sigmoid(node.inputs[0])
    if node.op == TT.exp:
        return node.inputs[0]
    argument = _softened(x)
    return None if argument is None else log_softmax(argument)


#: The name under which the reference release had this table.
COMMON = FUNCTIONS


class Activation(util.Registrar("Root", (util.ShapesGraph,), {"_kind": "activation"})):  # type: ignore[misc]
    """Base class of activations with settings or parameters of their own.

    Parameters
    ----------
    name : str
        Name of the activation in logs.
    layer : :class:`theanets.Layer`
        The layer that it belongs to. Parameters have the layer's output size and start from its generator.
    **kwargs
        Further settings, kept in the attribute of this name.

    Attributes
    ----------
    params : list of theano shared variables
        Its parameters. They are trained, saved, regularized and monitored like the weights of the layer.

    Examples
    --------
    A subclass needs a ``__call__``. It can be used by its name at once:

    >>> class Square(Activation):
    ...     def __call__(self, x):
    ...         return x * x
    >>> import theanets
    >>> theanets.Regressor([2, (3, "square"), 1]).layers[1].activate.name
    'square'
    """

    def __init__(self, name, layer, **kwargs):
        self.name = name
        self.layer = layer
        self.kwargs = kwargs
        self.params = []

    def __repr__(self):
        return f"{type(self).__name__}({self.name!r})"

    def __call__(self, x):
        """Apply the function to an expression of any rank whose last axis holds the units."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def _add(self, name, values):
        """Make a parameter out of an array of initial values."""
        param = theano.shared(np.asarray(values, util.FLOAT), name=f"{self.layer.name}.{name}")
        self.params.append(param)
        return param

    def _add_log_slope(self, name):
        """Make a vector of logarithms of slopes, which start a little above 0."""
        draw = abs(self.layer.rng.randn(self.layer.output_size)).astype(util.FLOAT)
        # scaled after the cast: the float32 values are part of the contract.
        return self._add(name, draw * np.asarray(0.1, util.FLOAT))


class Pointwise(Activation):
    """An activation without parameters: a name, and the function it stands for.

    The function is looked up when it is applied, so that a saved network holds its name and nothing executable.
    """

    def graph_settings(self):
        # another one may have been registered under the name.
        return dict(super().graph_settings(), function=FUNCTIONS.get(self.name))

    def __call__(self, x):
        return FUNCTIONS[self.name](x)


class Compose(Activation):
    """Two activations, one applied to the result of the other.

    Parameters
    ----------
    g, f : callable
        The outer and the inner activation: the result is ``g(f(x))``.
    """

    def __init__(self, g, f):
        super().__init__(name=f"{g.name}({f.name})", layer=None)
        self.f = f
        self.g = g
        self.params = [*g.params, *f.params]

    def __call__(self, x):
        return self.g(self.f(x))


class Prelu(Activation):
    r"""Rectifier with a learned slope for negative values.

    .. math:: f(x) = x \mbox{ for } x \ge 0, \quad e^{\lambda} x \mbox{ for } x < 0

    The parameter ``leak``, one :math:`\lambda` per unit, starts at a tenth of the absolute value of a normal draw, so
    that slopes start at 1 or more. The derivative at 0 is the mean of the two sides.

    K He, X Zhang, S Ren, J Sun, "Delving Deep into Rectifiers", ICCV 2015, https://arxiv.org/abs/1502.01852, learn
    the slope itself rather than its logarithm.
    """

    __extra_registration_keys__ = ["leaky-relu"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.leak = self._add_log_slope("leak")

    def __call__(self, x):
        return rect_max(x) - TT.exp(self.leak) * rect_max(-x)


class LGrelu(Activation):
    r"""Rectifier with a learned slope on either side of zero.

    .. math:: f(x) = e^{\gamma} x \mbox{ for } x \ge 0, \quad e^{\lambda} x \mbox{ for } x < 0

    The parameters ``gain`` (:math:`\gamma`) and ``leak`` (:math:`\lambda`) have one value per unit.
    """

    __extra_registration_keys__ = ["leaky-gain-relu"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gain = self._add_log_slope("gain")
        self.leak = self._add_log_slope("leak")

    def __call__(self, x):
        return TT.exp(self.gain) * rect_max(x) - TT.exp(self.leak) * rect_max(-x)


class Elu(Activation):
    r"""Exponential linear unit with a learned gain.

    .. math:: f(x) = x \mbox{ for } x \ge 0, \quad e^{\gamma} (e^x - 1) \mbox{ for } x < 0

    The parameter ``gain`` (:math:`\gamma`) has one value per unit. The derivative at 0 is 1.

    D-A Clevert, T Unterthiner, S Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units",
    ICLR 2016, https://arxiv.org/abs/1511.07289
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gain = self._add_log_slope("gain")

    def __call__(self, x):
        # both branches of a switch have gradients: the exponential must not see the large positive values.
        # "not a number" stays so.
        negative = TT.exp(self.gain) * TT.expm1(TT.switch(TT.gt(x, 0), 0, x))
        return TT.switch(TT.ge(x, 0), x, negative)


class Maxout(Activation):
    r"""The largest of several learned linear functions of each unit.

    .. math:: f_i(x) = \max_j s_{ij} x_i + c_{ij}

    The parameters ``slope`` (:math:`s`) and ``intercept`` (:math:`c`) have the shape (units, pieces) and start as
    standard normal draws. In a layer spec the number of pieces follows a colon, e.g. ``"maxout:3"``.

    I Goodfellow, D Warde-Farley, M Mirza, A Courville, Y Bengio, "Maxout Networks", ICML 2013,
    https://arxiv.org/abs/1302.4389, take the maximum over separate weight vectors instead.
    """

    def __init__(self, *args, pieces=None, **kwargs):
        super().__init__(*args, **kwargs)
        if not util.is_int(pieces) or pieces < 1:
            raise util.ConfigurationError(
                f"activation 'maxout' needs a number of pieces of at least 1, as in 'maxout:3', not {pieces!r}"
            )
        self.pieces = int(pieces)
        size = self.layer.output_size
        self.slope = self._add("slope", self.layer.rng.randn(size, self.pieces))
        self.intercept = self._add("intercept", self.layer.rng.randn(size, self.pieces))

    def __call__(self, x):
        return (TT.shape_padright(x) * self.slope + self.intercept).max(axis=-1)


def is_known(name):
    """Tell whether a word is the name of an activation."""
    key = name.strip().lower()
    key = "maxout" if key.startswith("maxout:") else key
    return key in FUNCTIONS or key not in HIDDEN and Activation.is_registered(key)


def _unknown(name):
    names = {*FUNCTIONS, *(key for key in Activation._registry if key not in HIDDEN)}
    return util.unknown("activation", name, names, arguments.HINTS_FORMS.get(str(name).strip().lower()))


def _build_one(name, layer, **kwargs):
    key = name.strip().lower()
    if key in FUNCTIONS:
        return Pointwise(key, layer)
    base, colon, pieces = key.partition(":")
    if base == "maxout":
        # Maxout itself refuses a count that is missing or no number.
        kwargs.setdefault("pieces", int(pieces) if pieces.strip().isdigit() else pieces if colon else None)
        key = base
    if key in HIDDEN or not Activation.is_registered(key):
        raise _unknown(name)
    return Activation.build(key, name=key, layer=layer, **kwargs)


def _make_names_unique(params):
    """Give parameters of one layer that share a name the suffixes ``_2``, ``_3``, ..."""
    seen = {}
    for param in params:
        seen[param.name] = count = seen.get(param.name, 0) + 1
        if count > 1:
            param.name = f"{param.name}_{count}"


#: Registered classes that are no activations by themselves.
HIDDEN = {"activation", "pointwise", "compose"}


def build(name, layer, **kwargs):
    """Make the activation for a layer.

    Parameters
    ----------
    name : str or Activation
        The name of a function or of an :class:`Activation` class, without regard to case; several of them joined by
        ``+`` are applied from left to right. An instance is returned as it is.
    layer : :class:`theanets.Layer`
        The layer to build for.
    **kwargs
        Further settings for the constructor of the class.

    Returns
    -------
    activation : Activation
        A callable on expressions, with the attributes ``name`` and ``params``.

    Raises
    ------
    ConfigurationError
        If there is no such activation.
    """
    if isinstance(name, Activation):
        return name
    if not isinstance(name, str):
        raise util.ConfigurationError(
            f"activation {name!r}: expected a name (one of {', '.join(sorted(FUNCTIONS))}, ...) "
            "or an instance of theanets.Activation"
        )
    pieces = name.split("+")
    if not all(piece.strip() for piece in pieces):
        raise _unknown(name)
    first, *others = [_build_one(piece, layer, **kwargs) for piece in pieces]
    drawn = [param for part in (first, *others) for param in part.params]
    result = first
    for outer in others:
        result = Compose(outer, result)
    _make_names_unique(drawn)
    return result
