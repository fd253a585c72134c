"""A network as a pure function of JAX, and as a file that runs without this library."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import util, xla
from .part import Part

__all__ = ["Portable"]

#: What JAX can export for.
PLATFORMS = "cpu", "cuda", "rocm", "tpu"


class Portable(Part):
    """The part of a network that hands it to JAX."""

    def to_jax(self, outputs: str | Sequence[str] | None = None) -> tuple[Any, dict[str, Any]]:
        """Return the network as a pure function of JAX, and its parameters.

        Parameters
        ----------
        outputs : str or list of str, optional
            Full names of the outputs to compute, such as ``'hid1:out'``. Default: that of the last layer.

        Returns
        -------
        function : callable
            ``function(params, x)``, with an array for each input, computes what :meth:`predict` does before labels are
            made of it: an array, or a list of arrays for a list of names. It can be given to ``jax.jit``,
            ``jax.grad``, ``jax.vmap`` and everything else that takes a pure function.
        params : dict of ndarray
            Copies of the parameters and statistics, by name.

        Raises
        ------
        ConfigurationError
            If there is no such output, or if an input is a sparse matrix.

        Examples
        --------
        >>> import jax
        >>> import numpy as np
        >>> import theanets
        >>> net = theanets.Regressor([4, (3, "tanh"), 2])
        >>> function, params = net.to_jax()
        >>> x = np.ones((5, 4), "f")
        >>> bool(np.allclose(function(params, x), net.predict(x)))
        True
        >>> gradient = jax.grad(lambda params: (function(params, x) ** 2).mean())(params)
        >>> gradient["hid1.w"].shape
        (4, 3)
        """
        from ..xla.pure import Pure

        self._require_layers()
        is_single = outputs is None or isinstance(outputs, str)
        wanted = self.layers[-1].output_name if outputs is None else outputs
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        graph, _ = self.build_graph()
        results = [self._get_output(graph, name if ":" in name else f"{name}:out") for name in names]
        for slot in self._input_slots():
            if slot.format is not None:
                raise util.ConfigurationError(f"to_jax(): input {slot.name!r} is a sparse matrix; JAX takes arrays")
        variables = {variable.name: variable for variable in [*self.params, *self.statistics]}
        pure = Pure(self.inputs, variables, results)

        def function(params, *arrays):
            values = pure(params, *arrays)
            return values[0] if is_single else values

        return function, {name: np.array(value) for name, value in zip(variables, xla.read(variables.values()))}

    def export(
        self,
        path: str | os.PathLike[str] | None = None,
        outputs: str | Sequence[str] | None = None,
        steps: int | None = None,
        platforms: Sequence[str] = ("cpu", "cuda"),
    ) -> bytes:
        """Export the network as StableHLO, by ``jax.export``, for any number of examples.

        JAX alone, without Theano and without this library, runs the file:
        ``jax.export.deserialize(bytearray(open(path, "rb").read())).call(x)``. It holds the parameters.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            A file to write to, such as ``'net.stablehlo'``.
        outputs : str or list of str, optional
            Full names of the outputs to have, such as ``'hid1:out'``. Default: that of the last layer.
        steps : int, optional
            For models of sequences, their length.
        platforms : sequence of str, optional
            What it is to run on. Default ``('cpu', 'cuda')``.

        Returns
        -------
        content : bytes
            What is written.

        Raises
        ------
        ConfigurationError
            If there is no such output or platform; if a length is not known; and for networks with layers or
            activations of the user's own, of which it is not known that they compute each example by itself.

        See Also
        --------
        to_onnx : Export to ONNX.

        Examples
        --------
        >>> import jax.export
        >>> import numpy as np
        >>> import theanets
        >>> net = theanets.Classifier([4, (3, "tanh"), 2])
        >>> model = jax.export.deserialize(bytearray(net.export()))
        >>> x = np.ones((5, 4), "f")
        >>> bool(np.allclose(model.call(x), net.predict_proba(x)))
        True
        """
        from ..xla.pure import export

        if not self._is_known_by_row():
            raise util.ConfigurationError(
                "export(): this network has layers or activations that are not of this library, of which it is not "
                "known whether they compute each example by itself; see to_jax()"
            )
        if steps is not None and (not util.is_int(steps) or steps < 1):
            raise util.ConfigurationError(f"export(): steps={steps!r}, expected a positive integer")
        platforms = (platforms,) if isinstance(platforms, str) else tuple(platforms)
        for platform in platforms or [None]:
            if platform not in PLATFORMS:
                raise util.ConfigurationError(
                    f"export(): platforms={platforms!r}, expected some of {', '.join(map(repr, PLATFORMS))}"
                )
        function, params = self.to_jax(outputs)
        shapes = []
        for slot in self._input_slots():
            shape = tuple(steps if entry is None else entry for entry in slot.shape)
            if None in shape:
                raise util.ConfigurationError(
                    f"export(): input {slot.name!r} has the shape {slot.shape}; give the length of sequences by steps="
                )
            shapes.append((shape, slot.dtype))

        def of_row(*rows):
            results = function(params, *(row[None] for row in rows))
            return [result[0] for result in results] if isinstance(results, list) else results[0]

        content = export(of_row, shapes, platforms)
        if path is not None:
            with open(path, "wb") as handle:
                handle.write(content)
        return content
