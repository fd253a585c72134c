"""Translations of Theano's Ops to ``jax.numpy``, a module for each kind."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
