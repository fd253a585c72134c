"""Rewriting a graph only if somebody needs it rewritten.

When a script is started once more, Theano's rewrites of graphs take longer than all the rest, and the programs that are
made of these graphs are on disk already. A graph for which there is a program is left as it is. It is rewritten when
its nodes are needed: for a program that cannot be read, for arguments of other shapes, or by a user who looks at it.
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
    """What a graph was before it was rewritten.

    Parameters
    ----------
    fingerprint : str
        Its fingerprint.
    classes : frozenset of classes
        Those of its Ops.

    Attributes
    ----------
    rewrite : callable or None
        Rewrites the graph, if that has not been done yet.
    """

    def __init__(self, fingerprint, classes):
        self.fingerprint, self.classes = fingerprint, classes
        self.rewrite = None

    @property
    def is_postponed(self):
        """Whether the graph has yet to be rewritten."""
        return self.rewrite is not None

    def settle(self, fgraph):
        """Rewrite the graph, unless that has been done, or is what this thread is doing."""
        with _lock:
            rewrite, self.rewrite = self.rewrite, None
            if rewrite is None:
                return
            try:
                with theano.change_flags(compute_test_value=theano.config.compute_test_value_opt):
                    rewrite(fgraph)
            except BaseException:
                # also Ctrl-C: what has been replaced so far computes the same.
                self.rewrite = rewrite
                raise
            if isinstance(fgraph, PostponedGraph):
                fgraph.__class__ = FunctionGraph


def origin_of(fgraph):
    """Return the :class:`Origin` of a graph; None if it cannot be described, or if nothing is kept."""
    return getattr(fgraph, "xla_origin", None)


class Postponing:
    """Rewrites the graph of a function as a mode does, or leaves that for later.

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
            # a copy that is being made has no attributes yet.
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
    """Describe which rewrites a query asks for."""
    names = [sorted(query.include), sorted(query.exclude), sorted(query.require)]
    return [*names, query.position_cutoff, {name: _described(part) for name, part in query.subquery.items()}]


def settle(fgraph):
    """Rewrite a graph if that has been left for later."""
    origin = origin_of(fgraph)
    if origin is not None:
        origin.settle(fgraph)


def as_it_is(fgraph):
    """Return something with the outputs, nodes and variables that a graph has now, whether it is rewritten or not."""
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
    """A graph that is rewritten when somebody looks at it, and is a common one from then on."""

    outputs = _settled("outputs")
    apply_nodes = _settled("apply_nodes")
    variables = _settled("variables")

    def __reduce_ex__(self, protocol):
        self.xla_origin.settle(self)
        return self.__reduce_ex__(protocol)


def install():
    """Let graphs wait from the time on when Theano has made their functions. Works once."""
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
