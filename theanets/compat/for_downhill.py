"""downhill 0.4.0 on current Python, with its output as log lines."""

import collections
import collections.abc
import logging

from ..logs import SHOWN
from .registry import after_importing
from .rewriting import rewrite, view_of

_log = logging.getLogger("downhill")
_PREFIX = "downhill: "


@after_importing("downhill.dataset", needed=lambda: not hasattr(collections, "Callable"))
def name_callable(module):
    """``collections.Callable``, gone from Python 3.10 on; Dataset.__init__ (downhill/dataset.py:103)."""
    view_of(module, "collections").Callable = collections.abc.Callable


@after_importing("downhill.dataset")
def sparse_matrices_by_public_names(module):
    """``scipy.sparse.csr`` and ``.csc``, which warn and go away in SciPy 2; _init_arrays (downhill/dataset.py:139)."""
    rewrite(
        module.Dataset,
        "_init_arrays",
        ("(ss.csr.csr_matrix, ss.csc.csc_matrix)", "(ss.csr_matrix, ss.csc_matrix)"),
    )


def _plain(text):
    import click

    return click.unstyle(str(text))


def _number(value):
    """Return a Theano expression as text for a number if it is a constant or shared, anything else unchanged."""
    from theano.compile import SharedVariable
    from theano.gof import Variable
    from theano.tensor import NotScalarConstantError, TensorVariable, get_scalar_constant_value

    if not isinstance(value, Variable) or getattr(value, "ndim", 1) != 0:
        return value
    if isinstance(value, SharedVariable):
        return f"{value.get_value().item():g}"
    if isinstance(value, TensorVariable) or hasattr(value, "data"):
        try:
            return f"{get_scalar_constant_value(value).item():g}"
        except NotScalarConstantError:
            return value
    return value


@after_importing("downhill.util")
def log_through_logging(module):
    """Progress goes to ``logging.getLogger("downhill")``, uncoloured; log() (downhill/util.py:96) prints it.

    They are details, as settings are. Optimizer._prepare (downhill/base.py:350) shows these as the Theano expressions
    that it made of them; here they read as numbers.
    """

    def log(msg):
        _log.debug("%s", _plain(msg))

    def log_param(name, value):
        _log.debug("setting: %s = %s", name, _number(value))

    module.log = log
    module.log_param = log_param


@after_importing("downhill.dataset", "downhill.base")
def echo_through_logging(module):
    """Lines about datasets go to the log, too; downhill/dataset.py:115, 168 call click.echo() themselves."""

    def echo(message=None, *args, **kwargs):
        text = _plain(message)
        _log.debug("%s", text[len(_PREFIX) :] if text.startswith(_PREFIX) else text)

    view_of(module, "click").echo = echo


@after_importing("downhill.base")
def name_what_is_measured(module):
    """Optimizer._log (downhill/base.py:280) writes the figures of epochs and validations, which are no details.

    Validations are called what the attribute ``validation_name`` says, as they may be on the training data.
    """

    def _log_figures(self, monitors, iteration, label="", suffix=""):
        label = label or type(self).__name__
        label = label.replace("validation", getattr(self, "validation_name", "validation"))
        fields = " ".join(f"{name}={value:.6f}" for name, value in monitors.items())
        _log.info("%s", f"{label} {iteration} {fields}{suffix}", extra={SHOWN: True})

    module.Optimizer._log = _log_figures
