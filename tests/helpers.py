"""What several test modules need: parameters, golden numbers, expressions and their gradients, the first epochs of a
run, log records, other processes."""

import contextlib
import functools
import itertools
import json
import logging
import os
import pathlib
import subprocess
import sys

import numpy as np
import theanets
import theano
import theano.tensor as TT
from theanets import util

DATA = pathlib.Path(__file__).parent / "files"
ROOT = pathlib.Path(theanets.__file__).resolve().parent.parent


def names(things):
    """The names of parameters, layers or variables."""
    return [thing.name for thing in things]


def values(network):
    """The value of every parameter, by name."""
    return {param.name: param.get_value() for param in network.params}


def fill(network, level=0.1):
    """Give every parameter one constant value."""
    for param in network.params:
        param.set_value(np.full_like(param.get_value(), level))


def epochs(network, data, count=1, **kwargs):
    """The pairs (train loss, valid loss) of the first epochs of a training run."""
    pairs = itertools.islice(network.itertrain(data, **kwargs), count)
    return [(float(train["loss"]), float(valid["loss"])) for train, valid in pairs]


def compute(expression, variables=(), arrays=()):
    """The value of an expression, as a NumPy array."""
    inputs = list(variables)
    return np.asarray(theano.function(inputs, expression, on_unused_input="ignore")(*arrays))


def alone(layer, **arrays):
    """Run a bound layer by itself on arrays given as ``in=...``; return its outputs by full name."""
    inputs = {f"{name}:out": TT.TensorType(theano.config.floatX, (False,) * np.ndim(value))(name)
              for name, value in arrays.items()}
    outputs, _ = layer.connect(inputs)
    function = theano.function(list(inputs.values()), list(outputs.values()), on_unused_input="ignore")
    results = function(*(np.asarray(value, theano.config.floatX) for value in arrays.values()))
    return dict(zip(outputs, results))


def tuples(spec):
    """Layers of a JSON file: inside the list of layers a list stands for a tuple."""
    return [tuple(item) if isinstance(item, list) else item for item in spec]


@functools.cache
def load_golden(name):
    """Golden numbers by the name of their file without ``golden-`` and ``.json``, for parametrising tests."""
    with open(DATA / f"golden-{name}.json", encoding="utf-8") as handle:
        return json.load(handle)


def floats(array):
    """An array of the library's float type."""
    return np.array(array, util.FLOAT)


def assert_golden(actual, expected, trajectory=False):
    """Compare with golden numbers, to the precision that the golden file promises for the current float type.

    ``None`` in ``expected`` stands for a value which only has to be finite.
    """
    expected = np.array(expected, "d")
    actual = np.asarray(actual, "d")
    rtol = 1e-6 if util.FLOAT == "float64" else 1e-4 if trajectory else 1e-5
    given = ~np.isnan(expected)
    assert np.isfinite(actual).all()
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual[given], expected[given], rtol=rtol, atol=1e-6)


def evaluate(outputs, givens):
    """Values of one or several expressions, given a dict from input variables to arrays."""
    single = not isinstance(outputs, (list, tuple))
    exprs = [TT.as_tensor_variable(output) for output in ([outputs] if single else outputs)]
    results = theano.function(list(givens), exprs, on_unused_input="ignore")(*givens.values())
    return results[0] if single else results


def numeric_gradient(func, x, step=1e-2):
    """Central differences of a scalar function of one array."""
    grad = np.zeros(x.shape, "d")
    for index in np.ndindex(*x.shape):
        high, low = x.copy(), x.copy()
        high[index] += step
        low[index] -= step
        grad[index] = (float(func(high)) - float(func(low))) / (float(high[index]) - float(low[index]))
    return grad


def assign(network, params):
    """Assign the parameters of a network from a dict of nested lists by name."""
    for param in network.params:
        param.set_value(floats(params[param.name]))


def assert_same_values(actual, expected):
    """Two dicts of parameter values agree bit for bit."""
    assert list(actual) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


@contextlib.contextmanager
def mode(name):
    """Compile by a mode within a ``with`` statement."""
    before = theanets.get_mode()
    theanets.set_mode(name)
    try:
        yield
    finally:
        theanets.set_mode(before)


@contextlib.contextmanager
def log_records(*loggers, level=logging.INFO):
    """Collect the records of some loggers (by default ``theanets`` and ``downhill``), whatever handlers they have."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    loggers = [logging.getLogger(name) for name in loggers or ("theanets", "downhill")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
    try:
        yield records
    finally:
        for logger, level in zip(loggers, levels):
            logger.removeHandler(handler)
            logger.setLevel(level)


def run_python(*args, flags="mode=FAST_COMPILE,cxx=", cwd=None, stdin=None, timeout=300, environ=None):
    """Run another Python, with this checkout's theanets, and return the finished process with its text."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    env = dict(os.environ, THEANO_FLAGS=flags, PYTHONPATH=path, PYTHONIOENCODING="utf-8",
               **(environ or {}))
    return subprocess.run([sys.executable, *args], env=env, cwd=cwd, input=stdin, timeout=timeout, text=True,
                          capture_output=True, check=False)


def python(code, *args):
    """Run code in a new process, which must succeed; return what it wrote to stdout and stderr."""
    done = run_python("-c", code, *map(str, args), flags=os.environ["THEANO_FLAGS"])
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
