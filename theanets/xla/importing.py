"""Importing JAX without what that changes for the rest of the process.

JAX is imported when the first function is compiled, which may well be after the user has seeded NumPy's generator. One
of its modules draws from that, and another one sets variables of the environment. The import may also run in a thread
beside the user's code, so nothing can simply be set back to what it was before.
"""

import contextlib
import functools
import os
import random
import sys
import threading

import numpy as np

__all__ = ["leaving_no_traces"]

#: The variables that JAX sets in the environment, for logs of its own and for a search for TPUs while it is imported.
VARIABLES = ("TF_CPP_MIN_LOG_LEVEL", "TPU_SKIP_MDS_QUERY")


@contextlib.contextmanager
def leaving_no_traces():
    """Context within which this thread imports JAX, or does so already.

    What it draws by the functions of :mod:`random` and ``numpy.random`` comes from generators of its own, and the
    variables that it adds to the environment are removed at the end. Other threads notice nothing of it.
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
    """Let the functions of a module that draw from its own generator draw from another one, in this thread."""
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
