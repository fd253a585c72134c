"""Theano functions compiled by XLA, through JAX, for CPUs and GPUs; no C++ compiler is needed.

``theano.function(..., mode="XLA")`` works for any Theano code once theanets has been imported:

>>> import theano.tensor as TT
>>> x = TT.matrix("x")
>>> function = theano.function([x], TT.nnet.softmax(x).sum(), mode="XLA")
>>> print(function(np.zeros((2, 3), x.dtype)))
2.0

================ =======================================================================================
``linker``       the linker and the mode that Theano knows
``program``      one compiled function: where its arguments come from and its results go
``graph``        the graph, run on values that are known and values that JAX traces
``tracing``      what translations may ask of these values, and guards
``registry``     translations by the class of an Op
``translations`` the translations, a module for each kind of Op
``values``       values between Theano's types and JAX
``streams``      functions of random generators, lists, and whatever else is no array
``accumulators`` sums with a given accumulator type
``state``        shared variables that stay on the device, and how others read them
``locks``        locks of shared variables, so that threads see whole values
``shapes``       compiled code for the shapes that a function has met last
``binding``      compiled programs, bound to other shared variables
``variants``     values that must be known before a function is traced
``crossing``     how values get from compiled functions to Python and back
``host``         Theano's own implementations, for what XLA cannot run
``selection``    which devices the user has chosen; ``sharding`` divides batches among them
``processes``    several processes that train one network, what they agree on, and how they notice that one is lost
``devices``      devices, XLA's options, and the cache of compiled code
``programs``     programs that are read from disk instead of being traced, or kept there; ``folder`` has the files
``fingerprint``  cache keys of programs on disk: texts that are equal for equal graphs, in any process
``postponed``    graphs that are not rewritten, because their programs are on disk
``trials``       options of XLA's, for functions that are known to be compiled with them
``loading``      importing JAX, such that Ctrl-C does no harm, and without side effects
``limits``       work that may never end, in a process that is ended then; ``child`` runs there
``forking``      forked processes, in which XLA cannot run
================ =======================================================================================

This package does not import JAX; the first function that is compiled does. It knows nothing of networks: it imports
nothing of the library but :mod:`theanets.util`, serves any program that uses Theano, and could be a distribution of its
own.
"""

import numpy as np
import theano

from .forking import ForkedError
from .forking import check as check_process
from .linker import NAME, XLALinker, is_available, register
from .processes import LostError, connect
from .registry import scalar, translates
from .selection import set_devices
from .state import assign, read, shape_of, snapshot, together

__all__ = [
    "NAME",
    "ForkedError",
    "LostError",
    "XLALinker",
    "assign",
    "check_process",
    "connect",
    "is_available",
    "read",
    "register",
    "scalar",
    "set_devices",
    "shape_of",
    "snapshot",
    "together",
    "translates",
]
