"""Runs the tests of libraries that use Theano, by XLA, and by Theano what XLA fails.

::

    python -m tests.clients lasagne                         # its source from PyPI, into .cache/clients
    python -m tests.clients keras --source ~/src/keras      # sources that lie somewhere already
    python -m tests.clients pymc3 --only test_hmc --python ~/env/bin/python

Nothing of these libraries is kept here. The Python that runs the tests (``--python``) needs Theano, JAX, ``pytest<8``
and what the library itself asks for; its package need not be installed. These libraries are older than today's Python
and NumPy: :mod:`tests.clients.plugin` gives their tests the names that they expect, in their process alone.
"""
