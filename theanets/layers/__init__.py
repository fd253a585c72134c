"""The layers that networks are made of.

Each is a class; in the list of layers that a network is built from, its name in lower case, or an alias, stands for it:
``(10, 'tied')`` or ``dict(form='concat', inputs=('a', 'b'))``. To add one, subclass :class:`Layer`.
"""

from .. import arguments
from . import attention, base, convolution, embedding, feedforward, gaussian, inputs, normalization, overtime, recurrent
from .attention import *
from .base import Layer
from .convolution import *
from .embedding import *
from .feedforward import *
from .gaussian import *
from .inputs import Input
from .normalization import *
from .overtime import *
from .recurrent import *

# aliases: earlier releases had these classes in layers.base.
for _cls in (Input, feedforward.Concatenate, feedforward.Flatten, feedforward.Product, feedforward.Reshape):
    setattr(base, _cls.__name__, _cls)


def __getattr__(name):
    hint = arguments.HINTS_FORMS.get(name.lower())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{f'; {hint}' if hint else ''}")
