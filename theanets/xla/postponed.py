"""Postponed (lazy) rewriting of graphs whose compiled programs are in the cache on disk.

When a script runs again, Theano's rewrites of graphs take longer than all the rest, although the programs that are
compiled from the rewritten graphs are on disk already. So a graph with a program on disk is not rewritten at first, but
only when its nodes are accessed: for a program that cannot be read, for arguments of other shapes, or by the user.
"""

import logging
import threading
import types

import theano
from theano.compile import mode as modes
from theano.compile.function_module import FunctionMaker
from theano.gof import FunctionGraph, Query

from .. import util
from . import folder
from .fingerprint import Undescribed, fingerprint

__all__ = ["Origin", "Postponing", "as_it_is", "install", "origin_of", "settle"]

_log = logging.getLogger("theanets")

_lock = util.anew_after_fork(threading.RLock())


class Origin:
    """Fingerprint and Ops of a graph before it was rewritten, and its rewriting if that is postponed.

    Parameters
    ----------
    fingerprint : str
        The fingerprint of the graph.
    classes : frozenset of classes
        The classes of its Ops.

    Attributes
    ----------
    rewrite : callable or None
        Rewrites the graph; None if that has been done.
    """

    def __init__(self, fingerprint, classes):
        self.fingerprint, self.classes = fingerprint, classes
        self.rewrite = None

    @property
    def is_postponed(self):
        """Whether the graph has yet to be rewritten."""
        return self.rewrite is not None

    def settle(self, fgraph):
        """Rewrite the graph, unless that has been done, or this thread is in the middle of it."""
        with _lock:
            rewrite, self.rewrite = self.rewrite, None
            if rewrite is None:
                return
            try:
                with theano.change_flags(compute_test_value=theano.config.compute_test_value_opt):
                    rewrite(fgraph)
            except BaseException:
                # also KeyboardInterrupt: a partly rewritten graph computes the same, and can be rewritten again.
                self.rewrite = rewrite
                raise
            if isinstance(fgraph, PostponedGraph):
                fgraph.__class__ = FunctionGraph


def origin_of(fgraph):
    """Return the :class:`Origin` of a graph; None if it has no fingerprint, or if the cache is switched off."""
    return getattr(fgraph, "xla_origin", None)


class Postponing:
    """The optimizer of a mode, which postpones the rewriting of graphs whose programs are on disk.

    Parameters
    ----------
    mode : theano Mode
        The mode.
    """

    def __init__(self, mode):
        self.mode = mode

    def rewrite(self, fgraph):
        """Rewrite a graph now."""
        return modes.Mode.optimizer.fget(self.mode)(fgraph)

    def __call__(self, fgraph):
        fgraph.xla_origin = self._origin(fgraph)
        if fgraph.xla_origin is None or not folder.current().has(fgraph.xla_origin.fingerprint):
            return self.rewrite(fgraph)
        fgraph.xla_origin.rewrite = self.rewrite
        return None

    def __getattr__(self, name):
        if name == "mode":
            # copy and pickle look up attributes before there are any: this would recurse without end.
            raise AttributeError(name)
        return getattr(modes.Mode.optimizer.fget(self.mode), name)

    def _origin(self, fgraph):
        query = self.mode._optimizer
        if folder.current() is None or not isinstance(query, Query) or query.extra_optimizations:
            return None
        config = theano.config
        if config.profile or config.cache_optimizations or config.compute_test_value_opt != "off":
            return None
        try:
            text = fingerprint(fgraph.inputs, fgraph.outputs, _described(query))
        except Undescribed as reason:
            _log.debug("no program is kept: %s", reason)
            return None
        return Origin(text, frozenset(type(node.op) for node in fgraph.apply_nodes))


def _described(query):
    """Describe which rewrites a query selects."""
    names = [sorted(query.include), sorted(query.exclude), sorted(query.require)]
    return [*names, query.position_cutoff, {name: _described(part) for name, part in query.subquery.items()}]


def settle(fgraph):
    """Rewrite a graph if that has been postponed."""
    origin = origin_of(fgraph)
    if origin is not None:
        origin.settle(fgraph)


def as_it_is(fgraph):
    """Return the inputs, outputs, nodes and variables of a graph without causing a postponed rewriting."""
    about = vars(fgraph)
    return types.SimpleNamespace(**{name: about[name] for name in ("inputs", "outputs", "apply_nodes", "variables")})


def _settled(name):
    def get(self):
        self.xla_origin.settle(self)
        return self.__dict__[name]

    def put(self, value):
        self.xla_origin.settle(self)
        self.__dict__[name] = value

    return property(get, put)


class PostponedGraph(FunctionGraph):
    """A graph that is rewritten at the first access to its nodes, and becomes a common FunctionGraph then."""

    outputs = _settled("outputs")
    apply_nodes = _settled("apply_nodes")
    variables = _settled("variables")

    def __reduce_ex__(self, protocol):
        self.xla_origin.settle(self)
        return self.__reduce_ex__(protocol)


def install():
    """Patch Theano's FunctionMaker to postpone the rewriting of graphs. Works once."""
    create = FunctionMaker.create
    if getattr(create, "lets_graphs_wait", False):
        return

    def create_and_wait(self, *args, **kwargs):
        function = create(self, *args, **kwargs)
        origin = origin_of(self.fgraph)
        if origin is not None and origin.is_postponed:
            self.fgraph.__class__ = PostponedGraph
        return function

    create_and_wait.lets_graphs_wait = True
    FunctionMaker.create = create_and_wait
