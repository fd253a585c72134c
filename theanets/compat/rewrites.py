"""Repairs of graph rewrites that crash, change results, or put C code where Python should run."""

import contextlib
import sys
import threading

from .first_compile import uses_c
from .registry import after_importing
from .rewriting import rewrite

#: Tags of rewrites that have no place where Ops run in Python: they put in Ops that exist in C only, or refuse those
#: that exist in Python only.
FOR_C = ("cxx_only", "AbstractConvCheck")


class WithoutC:
    """Runs an optimizer as if there were no compiler: it puts in no Op for C code, and computes constants by Python.

    Parameters
    ----------
    optimizer : theano Optimizer
        What to run.
    """

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def __getattr__(self, name):
        if name == "optimizer":
            # a copy that is being made has no attributes yet.
            raise AttributeError(name)
        return getattr(self.optimizer, name)

    def __call__(self, fgraph):
        with sys.modules["theano"].change_flags(cxx=""):
            return self.optimizer(fgraph)

    optimize = __call__


@after_importing("theano.gof.opt")
def constants_of_threads(module):
    """Constants that one thread puts into a graph are cached because another thread has come to its end.

    Optimizer.optimize (theano/gof/opt.py:85) switches the cache of constants off for the whole process, and on again
    afterwards, although another thread may still be rewriting a graph, which refuses constants of the cache then
    (CachedConstantError), and remains half rewritten. It is on again when the last of them is done.
    """
    lock, active = threading.Lock(), []

    @contextlib.contextmanager
    def uncached():
        constant = sys.modules["theano.tensor.basic"].constant
        with lock:
            active.append(constant.enable if not active else active[0])
            constant.enable = False
        try:
            yield
        finally:
            with lock:
                before = active.pop()
                if not active:
                    constant.enable = before

    def optimize(self, fgraph, *args, **kwargs):
        self.add_requirements(fgraph)
        with uncached():
            return self.apply(fgraph, *args, **kwargs)

    module.Optimizer.optimize = optimize


@after_importing("theano.compile.mode")
def rewrites_for_python(module):
    """Rewrites ask whether there is a compiler, and not whether the mode uses it.

    With g++ on the path, FAST_COMPILE, whose Ops run in Python, turned convolutions into CorrMM
    (theano/tensor/nnet/opt.py:74), which has no implementation in Python, and compiled constants. Without g++ it is
    the same with FAST_RUN by its name, which lacks ``optimizer_excluding``: convolutions in Python are refused
    (theano/tensor/nnet/opt.py:502).
    """
    original = module.Mode.optimizer

    def optimizer(self):
        if uses_c(self):
            return original.fget(self)
        wanted = self._optimizer
        if isinstance(wanted, module.gof.Query):
            wanted = module.optdb.query(wanted.excluding(*FOR_C))
        return WithoutC(wanted)

    module.Mode.optimizer = property(optimizer)


@after_importing("theano.scan_module.scan_op")
def loops_in_python(module):
    """A function that runs in Python compiles the body of its loops by C.

    Scan (theano/scan_module/scan_op.py:174) keeps the mode that was the default when the loop was described, whatever
    mode the function around it is compiled by.
    """
    original = module.Scan.make_thunk

    def make_thunk(self, node, storage_map, compute_map, no_recycling, impl=None):
        asked = self.mode_instance
        if impl == "py" and self.mode is None and uses_c(asked):
            mode = sys.modules["theano"].compile.mode.FAST_COMPILE
            self.mode_instance = mode.clone(link_kwargs=dict(allow_gc=self.allow_gc))
        try:
            return original(self, node, storage_map, compute_map, no_recycling, impl)
        finally:
            self.mode_instance = asked

    module.Scan.make_thunk = make_thunk


@after_importing("theano.scan_module.scan_opt")
def products_of_truncated_loops(module):
    """Products that are moved out of the gradient of a loop with ``truncate_gradient``, with operands of one length.

    PushOutScanOutput (theano/scan_module/scan_opt.py:792) multiplies input sequences of the loop by its outputs, and
    assumes that both have the length of the loop. Where the gradient is truncated, its outputs for each step of the
    sequence have the length of the sequence, with zeros for the steps that are not run, and the shapes do not match.
    """
    rewrite(
        module.PushOutScanOutput,
        "push_out_inner_vars",
        ("old_scan_args.outer_in_seqs[idx_seq]", "old_scan_args.outer_in_seqs[idx_seq][:old_scan_args.n_steps]"),
        ("old_scan_args.outer_out_nit_sot[idx_nitsot]",
         "old_scan_args.outer_out_nit_sot[idx_nitsot][:old_scan_args.n_steps]"),
    )  # fmt: skip


@after_importing("theano.tensor.opt")
def repeated_indices_that_are_set(module):
    """``x[i] = x[i] + y`` is made ``x[i] += y``, which adds once for each time that an index occurs.

    local_set_to_inc_subtensor (theano/tensor/opt.py:2617) cannot know whether indices are repeated.
    """
    name = "local_set_to_inc_subtensor"
    module.compile.optdb["canonicalize"].remove_tags(name, "fast_run")
