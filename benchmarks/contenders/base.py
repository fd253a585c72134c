"""What the modules of contenders share."""

__all__ = ["Base", "Unsupported"]


class Unsupported(Exception):
    """A library cannot express a workload."""


class Base:
    """A model in one library, ready to be trained and used.

    The subclass of a module is called ``Model``. What a library needs to be asked for only once is done here, so that
    it is no part of what is timed.

    Parameters
    ----------
    workload : :class:`benchmarks.workloads.Workload`
        What to compute.
    data, weights : dict of arrays
        See :mod:`benchmarks.workloads`.
    options : dict
        ``way``: how to use the library; ``threads``: number of threads; ``device``: ``cpu`` or ``gpu``.

    Raises
    ------
    Unsupported
        If the library cannot express the model.
    """

    def __init__(self, workload, data, weights, options):
        self.workload = workload
        self.model = workload.model
        self.data = data
        self.way = options["way"]
        self.build(weights, options)

    def build(self, weights, options):
        """Make the model."""
        raise NotImplementedError

    def epoch(self, order):
        """Train on all batches in the given order; return the mean of their losses."""
        raise NotImplementedError

    def predict(self):
        """Return the outputs for all data, as an array."""
        raise NotImplementedError

    def close(self):
        """Stop."""

    def batches(self, *arrays):
        """Cut arrays into batches: return a list of tuples."""
        size = self.workload.batch
        return [
            tuple(array[start : start + size] for array in arrays) for start in range(0, self.workload.examples, size)
        ]


def sparse_matrix(data, size):
    """Return sparse inputs as a matrix of SciPy's."""
    import scipy.sparse

    count, nonzero = data["indices"].shape
    starts = range(0, count * nonzero + 1, nonzero)
    return scipy.sparse.csr_matrix((data["values"].ravel(), data["indices"].ravel(), list(starts)), shape=(count, size))
