"""Trainers: ways to find good values for the parameters of a network.

A trainer is chosen by the argument ``algo`` of :meth:`theanets.Network.train`:

==============================  ===============================================================================
algo                            trainer
==============================  ===============================================================================
an algorithm, such as ``adam``  :class:`DownhillTrainer`: minimize the loss by a gradient method
``layerwise``, ``supervised``   :class:`SupervisedPretrainer`: one hidden layer after the other, then all
``pretrain``, ``unsupervised``  :class:`UnsupervisedPretrainer`: the hidden layers, as those of an autoencoder
``sample``                      :class:`SampleTrainer`: fill the weights with samples of the data
==============================  ===============================================================================

The package downhill defines the updates, when to validate, and when patience has run out. Its algorithms
are ``sgd``, ``nag``, ``rprop``, ``rmsprop``, ``adagrad``, ``adadelta``, ``esgd`` and ``adam``;
:mod:`theanets.trainer.optimizers` adds ``adamw``, ``nadam``, ``amsgrad``, ``adamax``, ``lion``, ``nesterov`` and
``lbfgs``. All of them take these options:

===========================  ========  ================================================================================
option                       default
===========================  ========  ================================================================================
``learning_rate``            1e-4      size of a step
``momentum``                 0         share of the last step that is added to this one
``nesterov``                 False     look ahead along the momentum
``validate_every``           10        epochs from one validation to the next
``patience``                 5         how many validations in a row may fail to improve the loss; the next one that
                                       fails ends the training, ``(patience + 1) * validate_every`` epochs after the
                                       best one
``min_improvement``          0         relative gain that counts as an improvement (meant for losses above zero)
``max_gradient_norm``        0         limit for the length of each parameter's gradient; 0 is none
``max_gradient_elem``        0         limit for each element of a gradient; 0 is none
``max_gradient_total_norm``  0         limit for the length of the gradient of all parameters together; 0 is none
``average_weights``          0         keep a running mean of the parameters, such as with 0.999; validate and keep it
``accumulate``               1         make a step after so many batches only, by the mean of their gradients
===========================  ========  ================================================================================

On top of that, ``epochs`` (or ``max_updates``, which counts epochs, too) and ``max_seconds`` say when to stop. The
clock starts when the functions are compiled.
"""

from collections import OrderedDict

import numpy as np

from .. import util
from ..data import sources
from . import callbacks, constraints, latent
from .base import Trainer
from .checkpoint import Checkpoint
from .closing import closed_at_exit, renew
from .gradient import DownhillTrainer
from .identity import identify
from .lbfgs import LBFGS
from .optimizers import Adamax, AdamW, AMSGrad, Lion, NAdam, Nesterov
from .options import DATA_KEYWORDS, check_numbers, keywords
from .pretraining import SupervisedPretrainer, UnsupervisedPretrainer
from .sampling import SampleTrainer
from .session import Session, check_free, is_trained_elsewhere

__all__ = [
    "build",
    "callbacks",
    "constraints",
    "check_free",
    "is_trained_elsewhere",
    "measure",
    "DATA_KEYWORDS",
    "check_numbers",
    "keywords",
    "AMSGrad",
    "AdamW",
    "Adamax",
    "LBFGS",
    "Lion",
    "NAdam",
    "Nesterov",
    "Trainer",
    "DownhillTrainer",
    "SampleTrainer",
    "SupervisedPretrainer",
    "UnsupervisedPretrainer",
]


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
    is_list = isinstance(algo, (list, tuple)) and all(isinstance(name, str) for name in algo)
    if not isinstance(algo, str) and not hasattr(algo, "itertrain") and not (is_list and algo):
        raise util.ConfigurationError(
            f"algo is a {type(algo).__name__}, expected the name of an algorithm, such as 'adam', or a trainer; "
            "arrays go into lists, as in train([x, y], [x_valid, y_valid])"
        )
    if is_list:
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


def measure(runner, network, valid, options):
    """Compute the figures of a network on validation data, after a trainer that does not validate.

    Parameters
    ----------
    runner : trainer
        The trainer.
    network : :class:`theanets.Network`
        The network.
    valid : iterable of batches
        The data.
    options : dict
        What the trainer was given.

    Returns
    -------
    figures : dict
        The loss is "not a number" if an iterator of data is exhausted, or if the data hold no targets.
    """
    if not isinstance(runner, Trainer):
        # other arguments may be the trainer's own.
        options = {key: options[key] for key in ("masked", "stateful", "monitors", "average") if key in options}
    if not network.losses or not getattr(runner, "has_targets", True):
        return OrderedDict(loss=np.nan)
    try:
        return DownhillTrainer("sgd", network).measure(valid, **options)
    except sources.Exhausted:
        return OrderedDict(loss=np.nan)
