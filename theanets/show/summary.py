"""The layers of a network as a table, for terminals and notebooks."""

import html

from .wording import count, show_activation, show_inputs, show_loss, show_params, show_shape, show_size

__all__ = ["Summary"]


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
        # the default loss is added lazily, once the network has all its layers.
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
