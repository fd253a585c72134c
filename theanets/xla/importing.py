"""Importing JAX without side effects on random generators and environment variables of the process.

JAX is imported when the first function is compiled, which may well be after the user has seeded NumPy's global
generator. One of its modules draws from that generator, and another one sets environment variables. The import may run
in a thread beside the user's code, so it is not enough to save the state of the generator before, and to restore it.
"""

import contextlib
import functools
import os
import random
import sys
import threading

import numpy as np

__all__ = ["leaving_no_traces"]

#: Environment variables that JAX sets while it is imported, for its logs and for its search for TPUs.
VARIABLES = ("TF_CPP_MIN_LOG_LEVEL", "TPU_SKIP_MDS_QUERY")


@contextlib.contextmanager
def leaving_no_traces():
    """Context manager within which this thread imports JAX without side effects on the process.

    The functions of :mod:`random` and ``numpy.random`` draw from other generators than the global ones if this thread
    calls them, and environment variables that it sets are removed at the end. Other threads are not affected.
    """
    if "jax" in sys.modules:
        yield
        return
    added = [name for name in VARIABLES if name not in os.environ]
    try:
        with _other_generator(np.random, np.random.RandomState(0)), _other_generator(random, random.Random(0)):
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _other_generator(module, generator):
    """Make the functions of a module that draw from its global generator use another one, in this thread only."""
    shared, thread = module.random.__self__, threading.get_ident()
    functions = {name: value for name, value in vars(module).items() if getattr(value, "__self__", None) is shared}

    def replaced(name, function):
        @functools.wraps(function)
        def draw(*args, **kwargs):
            if threading.get_ident() == thread:
                return getattr(generator, name)(*args, **kwargs)
            return function(*args, **kwargs)

        return draw

    for name, function in functions.items():
        setattr(module, name, replaced(name, function))
    try:
        yield
    finally:
        for name, function in functions.items():
            setattr(module, name, function)
