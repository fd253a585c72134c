r"""Recurrent layers: each step of a sequence is combined with the state that the step before has left.

Data have the shape (batch, time, variables), and so has every output that is a sequence: its index t belongs to step t
of the input, in layers that run backwards as well.

In the formulas, :math:`x_t` is the input and :math:`h_t` the output at step t, as row vectors; :math:`\sigma` is the
logistic sigmoid, :math:`g` the activation of the layer, and :math:`\odot` the elementwise product.

To add a layer, subclass :class:`Recurrent`.

===================  ==========================================================================
module               layers
===================  ==========================================================================
``plain``            :class:`RNN`, :class:`MRNN`
``modular``          :class:`BCRNN`, :class:`Clockwork`
``gated``            :class:`RRNN`, :class:`LSTM`, :class:`GRU`, :class:`MUT1`, :class:`SCRN`
``bidirectional``    :class:`Bidirectional`, over any of these
===================  ==========================================================================
"""

from .base import Recurrent
from .bidirectional import Bidirectional
from .gated import GRU, LSTM, MUT1, RRNN, SCRN
from .modular import BCRNN, Clockwork
from .plain import MRNN, RNN

__all__ = [
    "Recurrent",
    "RNN",
    "BCRNN",
    "RRNN",
    "MRNN",
    "LSTM",
    "GRU",
    "Clockwork",
    "MUT1",
    "SCRN",
    "Bidirectional",
]
