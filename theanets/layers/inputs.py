"""The input layer."""

import numpy as np
import theano
import theano.sparse as SS

from .. import util
from .base import Layer

__all__ = ["Input"]


class Input(Layer):
    """An input layer: the symbolic variable of an array of data.

    Parameters
    ----------
    name : str, optional
        Name of the layer, and of its symbolic variable. Default ``'in'``.
    ndim : int, optional
        Number of dimensions of the data, that of the batch included. Default 2.
    sparse : bool or str, optional
        ``'csr'`` (or True) or ``'csc'`` for sparse matrices in that format; default False, for arrays.
    size : int
        Number of variables; or
    shape : tuple of int
        the full shape of one example, in which case ``ndim`` follows from it.
    dtype : str, optional
        ``'int32'`` for data that are integer labels from 0 to ``size - 1``, for a layer of the form ``embed``. They
        have one dimension less than vectors of that size would have. Default: the float type.

    Attributes
    ----------
    input : theano variable
        The symbolic variable.

    Notes
    -----
    The default output ``out`` is the variable itself.
    """

    OLD_ARGUMENTS = ("size", "name", "ndim", "sparse")

    applies_activation = False

    stepwise = True

    def __init__(self, name="in", ndim=2, sparse=False, dtype=None, **kwargs):
        kwargs["activation"] = "linear"
        super().__init__(name=name or "in", **kwargs)
        self.labels = self._read_dtype(dtype)
        self.sparse = self._read_format(sparse)
        shape, ndim = self._read_dimensions(ndim)
        if self.sparse and (ndim != 2 or self.labels):
            raise util.ConfigurationError(
                f"input layer {self.name!r}: sparse data are numbers in 2 dimensions, not labels, and not in {ndim}"
            )
        self.kwargs.pop("size", None)
        self.kwargs["shape"] = self._given_shape = shape
        if self.sparse:
            self.kwargs["sparse"] = self.sparse
        if self.labels:
            self.kwargs["dtype"] = "int32"
        self._output_shapes = {"out": shape}
        self.input = self._make_variable(ndim)

    def _read_dtype(self, dtype):
        """Tell whether the data are labels."""
        try:
            kind = np.dtype(util.FLOAT if dtype is None else dtype).kind
        except TypeError:
            kind = None
        if kind not in ("i", "u", "f"):
            raise util.ConfigurationError(
                f"input layer {self.name!r}: dtype={dtype!r}, expected {util.FLOAT!r} or 'int32'"
            )
        return kind != "f"

    def _read_format(self, sparse):
        if sparse in (False, None):
            return False
        if sparse is True:
            return "csr"
        if isinstance(sparse, str) and sparse.lower() in ("csr", "csc"):
            return sparse.lower()
        raise util.ConfigurationError(
            f"input layer {self.name!r}: sparse={sparse!r}, expected True, False, 'csr' or 'csc'"
        )

    def _read_dimensions(self, ndim):
        if self._given_shape is None:
            raise util.ConfigurationError(f"input layer {self.name!r}: expected a size or a shape, found neither")
        if self.kwargs.get("shape"):
            return self._given_shape, len(self._given_shape) + 1
        if not util.is_int(ndim) or ndim < 0:
            raise util.ConfigurationError(f"input layer {self.name!r}: ndim={ndim!r}, expected a number of dimensions")
        return (None,) * (int(ndim) - 2) + self._given_shape, int(ndim)

    def _make_variable(self, ndim):
        if self.sparse:
            return SS.matrix(self.sparse, name=self.name, dtype=util.FLOAT)
        if self.labels:
            return theano.tensor.TensorType("int32", (False,) * (ndim - 1))(self.name)
        return theano.tensor.TensorType(util.FLOAT, (False,) * ndim)(self.name)

    def zeros(self, length):
        """Return data of zeros for one example, with a given length along the axes whose length is unknown."""
        shape = self.output_shape[:-1] if self.labels else self.output_shape
        values = np.zeros((1, *(length if entry is None else entry for entry in shape)), self.input.dtype)
        if not self.sparse:
            return values
        import scipy.sparse

        return getattr(scipy.sparse, f"{self.sparse}_matrix")(values)

    def describe(self):
        """Return the form of the layer in a few words: ``input``, with ``labels`` or ``sparse`` where that is so."""
        return "input" + (" labels" if self.labels else f" {self.sparse}" if self.sparse else "")

    def resolve_inputs(self, layers):
        """Do nothing, as there are no inputs."""

    def resolve_outputs(self):
        """Keep the shape that the layer was made with."""
        self._output_shapes["out"] = self._given_shape

    def transform(self, inputs):
        return self.input, []
