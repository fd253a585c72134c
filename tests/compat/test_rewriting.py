"""Replacing parts of somebody else's modules: the source of functions."""

import inspect

import pytest
import theanets  # noqa: F401  (before Theano)
import theano.gof.vm
import theano.tensor.basic
import theano.tensor.nnet.abstract_conv
import theano.tensor.subtensor
from theanets.compat.rewriting import source_of


@pytest.mark.parametrize("module", [
    theano.gof.vm, theano.tensor.basic, theano.tensor.nnet.abstract_conv, theano.tensor.subtensor
])
def test_the_source_is_what_inspect_finds(module):
    """Of functions, methods, decorated ones and nested ones, as far as they are as they were in the file."""
    owners = [module, *(cls for cls in vars(module).values() if inspect.isclass(cls))]
    functions = [
        function
        for owner in owners
        for function in vars(owner).values()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and function.__qualname__ in (
            function.__name__, f"{getattr(owner, '__qualname__', '')}.{function.__name__}")
    ]
    checked = 0
    for function in functions:
        try:
            expected = inspect.getsource(function)
        except OSError:
            continue
        if not expected.lstrip().startswith(("def ", "@")) or f"def {function.__name__}(" not in expected:
            continue  # compiled anew: its line numbers are not those of the file.
        checked += source_of(function).rstrip() == expected.rstrip()
    assert checked > 10 and checked >= 0.97 * len(functions)
