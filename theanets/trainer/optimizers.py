r"""Algorithms beside those of downhill, by the formulas that other libraries use.

They are subclasses of ``downhill.Optimizer``, so that ``train`` finds them by their names:

=============  ==================================================================================================
algo           updates
=============  ==================================================================================================
``adamw``      Adam with the bias corrections of the paper, and decoupled weight decay
``nadam``      Adam with Nesterov momentum
``amsgrad``    Adam that divides by the largest mean square so far
``adamax``     Adam that divides by the largest gradient, discounted
``lion``       the sign of a mean gradient
``nesterov``   SGD with Nesterov momentum as other libraries define it (downhill's ``nag`` is another formula)
``lbfgs``      :class:`theanets.trainer.lbfgs.LBFGS`: a quasi-Newton method on all data at once
=============  ==================================================================================================

Downhill's ``adam`` differs from that of other libraries: it does not correct the bias of its means by the number of
steps. With ``adamw`` and ``decoupled_decay=0`` there is Adam as in the paper.

Here :math:`g` is a gradient, :math:`t` the number of the step from 1 on, and :math:`\alpha` the learning rate.
"""

from typing import Any, ClassVar

import downhill
import numpy as np
import theano
import theano.tensor as TT
from downhill import util as tools

__all__ = ["AdamW", "NAdam", "AMSGrad", "Adamax", "Lion", "Nesterov"]


class Moments(downhill.Optimizer):
    r"""Base class of algorithms that keep running means of gradients, and count their steps.

    Parameters
    ----------
    beta1 : float, optional
        Share of the last mean of gradients in the next one. Default 0.9.
    beta2 : float, optional
        The same for the mean of squares. Default 0.999.
    rms_regularizer : float, optional
        The number :math:`\epsilon` that is added to what steps are divided by. Default 1e-8.
    """

    #: Arguments of ``train`` that the algorithm has other defaults for.
    defaults: ClassVar[dict[str, Any]] = {}

    def _prepare(self, beta1=0.9, beta2=0.999, rms_regularizer=1e-8, **kwargs):
        self.beta1, self.beta2 = tools.as_float(beta1), tools.as_float(beta2)
        self.epsilon = tools.as_float(rms_regularizer)
        for name, value in (("beta1", beta1), ("beta2", beta2), ("rms_regularizer", rms_regularizer)):
            tools.log_param(name, value)
        super()._prepare(**kwargs)

    def get_updates(self, **kwargs):
        """Yield the updates of all parameters, and of what counts for all of them."""
        before = theano.shared(np.zeros((), theano.config.floatX), "steps")
        self.t = before + 1
        yield from super().get_updates(**kwargs)
        yield before, self.t

    def _mean(self, param, value, share, name):
        """Return the running mean of a value, and the pair that updates it."""
        before = tools.shared_like(param, name)
        mean = share * before + (1 - share) * value
        return mean, (before, mean)

    def _moments(self, param, grad):
        """Return the running means of a gradient and of its square, and the pairs that update them."""
        first, update = self._mean(param, grad, self.beta1, "g1")
        second, other = self._mean(param, grad * grad, self.beta2, "g2")
        return first, second, [update, other]


class AdamW(Moments):
    r"""Adam, with decoupled weight decay.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
        \theta_t &= \theta_{t-1} - \alpha \lambda \theta_{t-1}
        - \alpha \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    The decay :math:`\lambda` is the regularizer :class:`theanets.constraints.DecoupledDecay`, which any algorithm
    can have, on all weight matrices by default.

    Parameters
    ----------
    beta1, beta2, rms_regularizer : float, optional
        Defaults 0.9, 0.999 and 1e-8.
    decoupled_decay : float or dict, optional
        Default 0.01.

    Notes
    -----
    I Loshchilov, F Hutter, "Decoupled Weight Decay Regularization", ICLR 2019; D Kingma, J Ba, "Adam: A Method for
    Stochastic Optimization", ICLR 2015.
    """

    defaults: ClassVar[dict[str, Any]] = {"decoupled_decay": 0.01}

    def _get_updates_for(self, param, grad):
        first, second, updates = self._moments(param, grad)
        yield from updates
        root = TT.sqrt(second / (1 - self.beta2**self.t))
        yield param, self.learning_rate * first / (1 - self.beta1**self.t) / (root + self.epsilon)


class AMSGrad(Moments):
    r"""Adam that never takes longer steps because mean squares have become smaller.

    As :class:`AdamW` without decay, with the largest :math:`v` of all steps so far in the place of :math:`v_t`.

    Parameters
    ----------
    beta1, beta2, rms_regularizer : float, optional
        Defaults 0.9, 0.999 and 1e-8.

    Notes
    -----
    S Reddi, S Kale, S Kumar, "On the Convergence of Adam and Beyond", ICLR 2018. As in PyTorch, the largest value is
    taken before the bias is corrected.
    """

    def _get_updates_for(self, param, grad):
        first, second, updates = self._moments(param, grad)
        before = tools.shared_like(param, "g2_max")
        largest = TT.maximum(before, second)
        yield from [*updates, (before, largest)]
        root = TT.sqrt(largest / (1 - self.beta2**self.t))
        yield param, self.learning_rate * first / (1 - self.beta1**self.t) / (root + self.epsilon)


class Adamax(Moments):
    r"""Adam by the largest gradient.

    .. math::
        u_t &= \max(\beta_2 u_{t-1}, |g_t| + \epsilon) \\
        \theta_t &= \theta_{t-1} - \frac{\alpha}{1 - \beta_1^t} \frac{m_t}{u_t}

    Parameters
    ----------
    beta1, beta2, rms_regularizer : float, optional
        Defaults 0.9, 0.999 and 1e-8.

    Notes
    -----
    D Kingma, J Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, section 7.1.
    """

    def _get_updates_for(self, param, grad):
        first, update = self._mean(param, grad, self.beta1, "g1")
        before = tools.shared_like(param, "largest")
        largest = TT.maximum(self.beta2 * before, abs(grad) + self.epsilon)
        yield from [update, (before, largest)]
        yield param, self.learning_rate * first / (1 - self.beta1**self.t) / largest


class NAdam(Moments):
    r"""Adam with Nesterov momentum.

    .. math::
        \mu_t &= \beta_1 (1 - \tfrac{1}{2} 0.96^{t \psi}) \\
        \theta_t &= \theta_{t-1} - \frac{\alpha}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon} \left(
        \frac{\mu_{t+1} m_t}{1 - \prod_{i=1}^{t+1} \mu_i} + \frac{(1 - \mu_t) g_t}{1 - \prod_{i=1}^t \mu_i} \right)

    Parameters
    ----------
    beta1, beta2, rms_regularizer : float, optional
        Defaults 0.9, 0.999 and 1e-8.
    momentum_decay : float, optional
        The number :math:`\psi`, which says how fast :math:`\mu_t` grows. Default 0.004.

    Notes
    -----
    T Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop.
    """

    def _prepare(self, momentum_decay=0.004, **kwargs):
        self.momentum_decay = tools.as_float(momentum_decay)
        tools.log_param("momentum_decay", momentum_decay)
        super()._prepare(**kwargs)

    def get_updates(self, **kwargs):
        """Yield the updates of all parameters, and of what counts for all of them."""
        self.product = theano.shared(np.ones((), theano.config.floatX), "mu_product")
        yield from super().get_updates(**kwargs)
        yield self.product, self.product * self._mu(self.t)

    def _mu(self, t):
        return self.beta1 * (1 - 0.5 * TT.cast(0.96, theano.config.floatX) ** (t * self.momentum_decay))

    def _get_updates_for(self, param, grad):
        first, second, updates = self._moments(param, grad)
        yield from updates
        mu, following = self._mu(self.t), self._mu(self.t + 1)
        product = self.product * mu
        mean = following * first / (1 - product * following) + (1 - mu) * grad / (1 - product)
        yield param, self.learning_rate * mean / (TT.sqrt(second / (1 - self.beta2**self.t)) + self.epsilon)


class Lion(downhill.Optimizer):
    r"""Steps of one size, in the direction of the sign of a mean gradient.

    .. math::
        \theta_t &= \theta_{t-1} - \alpha \, \mathrm{sgn}(\beta_1 m_{t-1} + (1 - \beta_1) g_t) \\
        m_t &= \beta_2 m_{t-1} + (1 - \beta_2) g_t

    Rates are about a tenth of those for Adam. ``decoupled_decay`` is usual with it.

    Parameters
    ----------
    beta1, beta2 : float, optional
        Defaults 0.9 and 0.99.

    Notes
    -----
    X Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023.
    """

    def _prepare(self, beta1=0.9, beta2=0.99, **kwargs):
        self.beta1, self.beta2 = tools.as_float(beta1), tools.as_float(beta2)
        tools.log_param("beta1", beta1)
        tools.log_param("beta2", beta2)
        super()._prepare(**kwargs)

    def _get_updates_for(self, param, grad):
        before = tools.shared_like(param, "g1")
        yield before, self.beta2 * before + (1 - self.beta2) * grad
        yield param, self.learning_rate * TT.sgn(self.beta1 * before + (1 - self.beta1) * grad)


class Nesterov(downhill.Optimizer):
    r"""SGD with Nesterov momentum, by the formula of other libraries.

    .. math::
        v_t &= \mu v_{t-1} + g_t \\
        \theta_t &= \theta_{t-1} - \alpha (g_t + \mu v_t)

    Parameters
    ----------
    momentum : float, optional
        The number :math:`\mu`. Default 0.9.

    Notes
    -----
    Y Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)", Soviet Mathematics
    Doklady 27, 1983; in the form of I Sutskever, J Martens, G Dahl, G Hinton, "On the importance of initialization
    and momentum in deep learning", ICML 2013, as PyTorch has it.
    """

    #: Arguments of ``train`` that the algorithm has other defaults for.
    defaults: ClassVar[dict[str, Any]] = {"momentum": 0.9}

    def get_updates(self, **kwargs):
        """Yield the updates of all parameters and velocities."""
        self._prepare(**kwargs)
        momentum = tools.as_float(self.momentum)
        for param, grad in self._differentiate():
            before = tools.shared_like(param, "vel")
            velocity = momentum * before + grad
            yield before, velocity
            yield param, param - self.learning_rate * (grad + momentum * velocity)
