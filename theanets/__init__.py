"""Neural networks on Theano.

A network is a list of layers, of which each may be as short as a number:

>>> import theanets
>>> net = theanets.Autoencoder([64, (32, "relu"), (64, "tied")])

It is trained by ``net.train([data])``, used by ``net.predict(data)``, and saved by ``net.save(path)``. See
:class:`Network` for everything that it can do, and :class:`Autoencoder`, :class:`Regressor` and :class:`Classifier`
for the models.
"""

import importlib
import sys

from . import logs
from ._version import __version__

logs.install()

from . import compat  # noqa: E402

compat.install()

from . import xla  # noqa: E402

xla.register()

from . import (  # noqa: E402
    activations,
    convolution,
    feedforward,
    graph,
    layers,
    losses,
    main,
    modes,
    network,
    recurrent,
    regularizers,
    show,
    store,
    trainer,
    util,
)
from .activations import Activation  # noqa: E402
from .feedforward import Autoencoder, Classifier, Regressor  # noqa: E402
from .graph import Network  # noqa: E402
from .layers import Layer  # noqa: E402
from .logs import set_log  # noqa: E402
from .losses import Loss  # noqa: E402
from .main import Experiment  # noqa: E402
from .modes import get_mode, set_mode  # noqa: E402
from .regularizers import Regularizer  # noqa: E402
from .store import set_store  # noqa: E402
from .trainer.sweeps import sweep  # noqa: E402
from .util import log  # noqa: E402
from .xla import connect, set_devices  # noqa: E402

#: Modules that need packages which not everybody has: they are imported when they are asked for.
OPTIONAL = ("estimators", "plot")

#: Other names of modules within packages: short ones, and those of the releases up to 0.9.
for _old, _module in {
    "callbacks": trainer.callbacks,
    "constraints": trainer.constraints,
    "drawing": show.drawing,
    "history": trainer.history,
    "inspection": network.inspection,
    "monitoring": network.monitoring,
    "progress": trainer.progress,
    "schedules": trainer.schedules,
    "specs": network.specs,
}.items():
    sys.modules[f"{__name__}.{_old}"] = globals()[_old] = _module


def __getattr__(name):
    if name in OPTIONAL:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*__all__, *OPTIONAL, *(name for name in globals() if name.startswith("__"))})


__all__ = [
    "Activation",
    "Autoencoder",
    "Classifier",
    "Experiment",
    "Layer",
    "Loss",
    "Network",
    "Regressor",
    "Regularizer",
    "activations",
    "callbacks",
    "connect",
    "constraints",
    "convolution",
    "feedforward",
    "get_mode",
    "graph",
    "layers",
    "log",
    "losses",
    "main",
    "modes",
    "recurrent",
    "regularizers",
    "set_devices",
    "set_log",
    "set_mode",
    "set_store",
    "store",
    "sweep",
    "trainer",
    "util",
    "xla",
]
