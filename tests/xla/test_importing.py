"""What a first compilation leaves as it was."""

import threading

import numpy as np
from theanets.xla import importing

from ..compat import support


def test_a_first_compilation_changes_nothing_for_other_code():
    support.run(
        """
        import logging, os, random, signal, sys, threading, warnings
        import numpy as np
        import theanets, theano, theano.tensor as TT

        def state():
            return {
                "NumPy's generator": [str(part) for part in np.random.get_state()],
                "Python's generator": random.getstate(),
                "functions of the generators": [np.random.rand, np.random.seed, random.random, random.seed],
                "filters of warnings": list(warnings.filters),
                "environment": dict(os.environ),
                "handlers of signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
                "handlers of logs": [list(logging.root.handlers), logging.root.level],
                "how numbers are shown": [np.get_printoptions(), np.geterr()],
                "hooks": [sys.excepthook, warnings.showwarning, sys.getrecursionlimit(), list(sys.path)],
            }

        np.random.seed(1)
        random.seed(2)
        before, threads = state(), threading.active_count()
        x = TT.vector("x")
        function = theano.function([x], TT.dot(x, x), mode="XLA")
        assert "jax" in sys.modules
        function(np.ones(3, x.dtype))
        after = state()
        assert before == after, [name for name in before if before[name] != after[name]]
        assert threading.active_count() == threads
        """
    )


def test_other_threads_draw_what_they_would_have_drawn(monkeypatch):
    monkeypatch.delitem(importing.sys.modules, "jax", raising=False)
    drawn = []
    state = np.random.get_state()
    try:
        np.random.seed(5)
        expected = np.random.rand(2)
        np.random.seed(5)
        with importing.leaving_no_traces():
            np.random.rand(7)
            thread = threading.Thread(target=lambda: drawn.extend(np.random.rand(2)))
            thread.start()
            thread.join()
        np.testing.assert_array_equal(drawn, expected)
    finally:
        np.random.set_state(state)
