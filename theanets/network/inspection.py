"""Looking at a network: a table of its layers, a picture of how they are wired up, and an ONNX model."""

import os
from collections.abc import Sequence

from .. import util
from ..show.drawing import Drawing
from ..show.summary import Summary
from ..storage import onnx_export
from .part import Part

__all__ = ["Inspection", "Summary"]


class Inspection(Part):
    """The part of a network that describes it: a summary, a drawing, and export to ONNX."""

    def summary(self) -> Summary:
        """Describe the layers in a table.

        Returns
        -------
        summary : :class:`Summary`
            Text when printed, a table in a notebook.

        Examples
        --------
        >>> import theanets
        >>> print(theanets.Autoencoder([64, (16, "tanh"), (64, "tied")]).summary())
        Autoencoder
        --------------------------------------------------------------------------
        layer  form          activation  inputs  output  parameters  arrays
        --------------------------------------------------------------------------
        in     input                             64               0
        hid1   feedforward   tanh        in      16           1,040  w 64x16, b 16
        out    tied to hid1  linear      hid1    64              64  b 64
        --------------------------------------------------------------------------
        1,104 parameters in 3 arrays, 4.42 kB
        loss: mse of out
        """
        return Summary(self)

    def draw(self, path: str | os.PathLike[str] | None = None, losses: bool = True) -> Drawing:
        """Draw how the layers are wired up.

        Data flows from top to bottom. A dashed line ties a layer to the one whose weights it shares, a loop stands for
        values that are fed back from step to step, and a dotted line leads to a loss.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            A file to write the picture to, in the format SVG.
        losses : bool, optional
            Whether to show the losses. Default True.

        Returns
        -------
        drawing : :class:`theanets.show.drawing.Drawing`
            A notebook shows it as a picture; ``str(drawing)`` is its source.

        Raises
        ------
        ConfigurationError
            If there are no layers.

        Examples
        --------
        >>> import theanets
        >>> net = theanets.recurrent.Regressor([3, (8, "gru"), 1])
        >>> net.draw()
        <Drawing: 3 layers, 1 loss>
        """
        if not self.layers:
            raise util.ConfigurationError(f"draw(): this {type(self).__name__} has no layers yet")
        result = Drawing(self.layers, self.losses if losses else ())
        if path is not None:
            result.save(path)
        return result

    def to_onnx(self, path: str | os.PathLike[str] | None = None, outputs: str | Sequence[str] | None = None):
        """Export the network in the format ONNX, which other programs and languages run.

        The model computes what :meth:`theanets.Network.predict` computes before labels are made of it: for a
        classifier, the probabilities of the classes. The number of examples, and of time steps, is open.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            A file to write the model to.
        outputs : str or list of str, optional
            Full names of the outputs to have, such as ``'hid1:out'``. Default: that of the last layer.

        Returns
        -------
        model : onnx.ModelProto
            Its inputs are called as the input layers are, its outputs as the layers that make them.

        Raises
        ------
        ImportError
            If onnx is not installed.
        ConfigurationError
            If there is no such output, or if a layer uses something that ONNX does not have; the message names it.

        Notes
        -----
        The Theano graph is translated Op by Op, see :mod:`theanets.storage.onnx_export`; so user-defined layers
        are exported as well.

        Examples
        --------
        >>> import theanets
        >>> model = theanets.recurrent.Classifier([3, (8, "gru"), 2]).to_onnx()
        >>> [value.name for value in model.graph.input], [value.name for value in model.graph.output]
        (['in'], ['out'])
        """
        self._require_layers()
        names = [self.layers[-1].output_name] if outputs is None else outputs
        names = [names] if isinstance(names, str) else list(names)
        model = onnx_export.export(self, [name if ":" in name else f"{name}:out" for name in names])
        if path is not None:
            with open(path, "wb") as handle:
                handle.write(model.SerializeToString())
        return model

    def _repr_html_(self):
        return self.summary()._repr_html_()
