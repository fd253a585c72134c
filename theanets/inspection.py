"""Looking at a network: a table of its layers, and a picture of how they are wired up."""

import html

from . import drawing, losses, util

__all__ = ["Inspection", "Summary", "count", "show_shape"]


def show_shape(shape, times="x"):
    """Return a shape as text, with a question mark for lengths that are known only with the data."""
    return times.join("?" if entry is None else str(entry) for entry in shape or ())


def count(number, word):
    """Return a number with a noun, as in ``1 parameter`` and ``1,200 parameters``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def show_inputs(layer):
    """Return the names of what a layer reads; the default output of another layer goes by the layer's name."""
    names = [name.removesuffix(":out") for name in layer.input_names]
    names += [f"{name.removesuffix(':out')} (state)" for name in layer.initial_sources()]
    return ", ".join(names)


def show_activation(layer):
    """Return the name of a layer's activation; an empty string if it applies none."""
    return str(getattr(layer.activate, "name", "")) if layer.applies_activation else ""


def show_params(layer):
    """Return the names and shapes of a layer's parameters."""
    workers = {worker.name: worker for worker in layer.workers}
    shown = []
    for param in layer.params:
        owner, _, name = str(param.name).partition(".")
        # parameters of workers keep what tells the workers apart.
        owner = owner.removeprefix(f"{layer.name}_") + "." if owner in workers else ""
        shown.append(f"{owner}{name} {show_shape(param.get_value(borrow=True).shape)}")
    return ", ".join(shown)


def show_loss(loss):
    """Return the shortest name that a loss is registered by."""
    keys = [key for key, cls in losses.Loss._registry.items() if cls is type(loss)]
    return min(keys, key=len, default=type(loss).__name__.lower())


def show_size(num_bytes):
    """Return an amount of memory in the unit that suits it."""
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} GB"


class Summary:
    """The layers of a network as a table: text when printed, HTML in a notebook.

    Parameters
    ----------
    network : :class:`theanets.Network`
        What to describe, as it is now.

    Attributes
    ----------
    rows : list of dict
        One for each layer, with its ``layer`` (name), ``form``, ``activation``, ``inputs``, ``output`` (shape),
        ``parameters`` (their number) and ``arrays`` (their names and shapes).
    num_params : int
        Number of learnable scalars. Those that layers share count once.
    """

    #: Columns, each with whether it holds numbers.
    COLUMNS = {
        "layer": False,
        "form": False,
        "activation": False,
        "inputs": False,
        "output": False,
        "parameters": True,
        "arrays": False,
    }

    def __init__(self, network):
        self.title = type(network).__name__
        self.num_params = network.num_params
        self.rows = [self._describe(layer) for layer in network.layers]
        self.totals = self._count(network)

    @staticmethod
    def _describe(layer):
        return {
            "layer": layer.name,
            "form": layer.describe(),
            "activation": show_activation(layer),
            "inputs": show_inputs(layer),
            "output": show_shape(layer.output_shape),
            "parameters": layer.num_params,
            "arrays": show_params(layer),
        }

    @staticmethod
    def _count(network):
        """Return the lines below the table."""
        size = sum(param.get_value(borrow=True).nbytes for param in network.params)
        lines = [
            f"{count(network.num_params, 'parameter')} in {count(len(network.params), 'array')}, {show_size(size)}"
        ]
        statistics = [variable.name for variable in network.statistics]
        if statistics:
            lines.append(f"statistics that change in training: {', '.join(statistics)}")
        # the loss that the constructor asked for is added when it is needed, or when the layers are complete.
        terms = [f"{show_loss(loss)} of {loss.output_name.removesuffix(':out')}" for loss in network.losses]
        lines.append(f"loss: {' + '.join(terms) or 'none yet'}")
        return lines

    def _cells(self, row, times="x"):
        cells = {key: f"{value:,}" if self.COLUMNS[key] else str(value) for key, value in row.items()}
        if times != "x":
            cells["output"] = cells["output"].replace("x", times)
        return cells

    def __str__(self):
        rows = [{key: key for key in self.COLUMNS}, *map(self._cells, self.rows)]
        widths = {key: max(len(row[key]) for row in rows) for key in self.COLUMNS}
        lines = [
            "  ".join(
                row[key].rjust(widths[key]) if is_number else row[key].ljust(widths[key])
                for key, is_number in self.COLUMNS.items()
            ).rstrip()
            for row in rows
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([self.title, rule, lines[0], rule, *lines[1:], rule, *self.totals])

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        align = {key: f"text-align:{'right' if is_number else 'left'}" for key, is_number in self.COLUMNS.items()}
        head = "".join(f'<th style="{align[key]}">{key}</th>' for key in self.COLUMNS)
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="{align[key]}">{html.escape(value)}</td>' for key, value in self._cells(row, "×").items()
            )
            + "</tr>"
            for row in self.rows
        )
        totals = "<br>".join(map(html.escape, self.totals))
        return (
            f"<div><strong>{html.escape(self.title)}</strong><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table><p>{totals}</p></div>"
        )


class Inspection:
    """The part of a network that shows what it is."""

    def summary(self):
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

    def draw(self, path=None, losses=True):
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
        drawing : :class:`theanets.drawing.Drawing`
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
        result = drawing.Drawing(self.layers, self.losses if losses else ())
        if path is not None:
            result.save(path)
        return result

    def to_onnx(self, path=None, outputs=None):
        """Export the network in the format ONNX, which other programs and languages run.

        The model computes what :meth:`predict` computes before labels are made of it: for a classifier, the
        probabilities of the classes. The number of examples, and of time steps, is open.

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
        The Theano graph is translated Op by Op, see :mod:`theanets.onnx_export`; so layers of one's own are exported
        as well.

        Examples
        --------
        >>> import theanets
        >>> model = theanets.recurrent.Classifier([3, (8, "gru"), 2]).to_onnx()
        >>> [value.name for value in model.graph.input], [value.name for value in model.graph.output]
        (['in'], ['out'])
        """
        from . import onnx_export

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
