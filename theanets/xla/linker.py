"""The linker that makes Theano compile by XLA, and the mode that uses it."""

import functools
import importlib.util

import theano
from theano.compile import mode as modes
from theano.gof import Query, link

from . import accumulators, forking, loading, postponed, rewrites, state
from .rewrites import NAME

__all__ = ["NAME", "XLALinker", "XLAMode", "is_available", "register"]

#: Name of the linker.
LINKER = "xla"


@functools.cache
def is_available():
    """Tell whether JAX is installed; it is not imported for that."""
    return importlib.util.find_spec("jax") is not None


class XLALinker(link.LocalLinker):
    """Translates the whole graph to JAX, which compiles it by XLA.

    Parameters
    ----------
    schedule : callable, optional
        Not used, as XLA schedules by itself. Accepted for compatibility with Theano's other linkers.

    Raises
    ------
    ImportError
        When a function is compiled, if JAX is not installed.
    """

    def __init__(self, schedule=None):
        super().__init__()
        self.fgraph = None
        self.updated = {}
        self.no_recycling = []
        if schedule:
            self.schedule = schedule

    def clone(self, allow_gc=None):
        """Return a linker for another graph."""
        return type(self)()

    def accept(self, fgraph, no_recycling=None, profile=None):
        """Set the graph to be compiled; return self, or a new linker if this one has a graph already."""
        if self.fgraph is not None and self.fgraph is not fgraph:
            return type(self)().accept(fgraph, no_recycling, profile)
        self.fgraph = fgraph
        self.no_recycling = no_recycling or []
        return self

    def accept_var_updates(self, updated):
        """Set the inputs that are updated: a dict with the outputs that are their new values."""
        self.updated = updated

    def describe(self):
        """Describe where functions run, for the log: ``XLA on cpu``."""
        return f"XLA on {loading.load('devices').describe()}"

    def make_all(self, input_storage=None, output_storage=None, storage_map=None):
        """Make the function; see ``theano.gof.link.LocalLinker``."""
        forking.check()
        fgraph = self.fgraph
        order = list(fgraph.toposort())
        inputs, outputs, storage_map = link.map_storage(fgraph, order, input_storage, output_storage, storage_map)
        updated = [i for i, variable in enumerate(fgraph.inputs) if variable in self.updated]
        # the new values of updated inputs are the last outputs, in the same order.
        updates = dict(zip(updated, range(len(fgraph.outputs) - len(updated), len(fgraph.outputs))))
        shared = {
            i
            for i, (variable, cell) in enumerate(zip(fgraph.inputs, inputs))
            if isinstance(variable, theano.compile.SharedVariable)
        }
        run = self._build(fgraph, inputs, outputs, updates, shared)
        run.storage_map = storage_map
        return (
            run,
            [link.Container(variable, cell) for variable, cell in zip(fgraph.inputs, inputs)],
            [link.Container(variable, cell, True) for variable, cell in zip(fgraph.outputs, outputs)],
            [],
            order,
        )

    @staticmethod
    def _build(fgraph, *about):
        """Return the program of a graph."""
        values = loading.load("values")
        if all(values.is_supported(variable.type) for variable in (*fgraph.inputs, *fgraph.outputs)):
            return loading.load("program").build(fgraph, *about)
        postponed.settle(fgraph)
        return loading.load("streams").build(fgraph, *about)


#: Theano's rewrites that this mode alone excludes, as Theano's own modes gain by them. :mod:`theanets.compat.rewrites`
#: excludes rewrites that are useless without C code from all modes without it, and wrong rewrites from all modes.
EXCLUDED = (
    # updates in place to save memory: XLA plans memory by itself.
    "inplace",
    # fusion of several Ops into one: XLA fuses by itself, and there are no translations for the fused Ops.
    "fusion",
    "BlasOpt",
    "c_blas",
    "local_dot_to_dot22",
    "conv_gemm",
    "conv_meta",
    "specialize_device",
    # a tag, not a name: Theano registers the name later, when it imports its GPU code, and refuses names in use.
    "gpuarray",
    # moves products from a loop to behind it, which is no faster here.
    "scanOp_pushout_output",
    # merges slices of slices, by some fifty nodes each that compute the bounds. Shapes are known while tracing, and XLA
    # merges slices by itself.
    "local_subtensor_merge",
    # saves memory of loops, with as much arithmetic on their lengths. The translation of Scan sees which values are
    # read.
    "scanOp_save_mem",
)


class XLAMode(modes.Mode):
    """Theano's optimizations and XLA's code.

    Parameters
    ----------
    linker, optimizer : optional
        As in Theano's modes. Default: XLA, and the rewrites that simplify and stabilise.
    """

    def __init__(self, linker=LINKER, optimizer=None):
        if optimizer is None or optimizer == "default":
            optimizer = Query(include=["fast_run", rewrites.TAG], exclude=list(EXCLUDED))
        super().__init__(linker, optimizer)

    @property
    def optimizer(self):
        """The optimizer, which rewrites graphs, but postpones that for graphs whose programs are on disk."""
        return postponed.Postponing(self)


def register():
    """Register the linker ``'xla'`` and the mode ``'XLA'`` with Theano, and install the patches that they need."""
    if NAME in modes.predefined_modes:
        return
    accumulators.install()
    rewrites.register()
    modes.register_linker(LINKER, XLALinker())
    modes.register_mode(NAME, XLAMode())
    state.install()
    postponed.install()
    forking.watch()
