"""Plots of training and of networks, by matplotlib: the public name of :mod:`theanets.show.plot`."""

from .show.plot import *
from .show.plot import __all__
