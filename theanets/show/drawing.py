"""Drawings of networks as SVG: layers as boxes, connected by arrows."""

import html
import pathlib
import re

from .. import layers
from . import layout, wording

__all__ = ["Drawing"]

#: Height of a box, and of the room between two rows.
HEIGHT, ROOM = 50.0, 38.0

#: Room around the whole picture.
MARGIN = 14.0

#: Sizes of the letters, and how wide one is on average, relative to that.
LARGE, SMALL, ADVANCE = 14.0, 11.5, 0.6

#: Colours of lines that belong to no box: they have to be visible on white and on black.
LINE, TIE = "#8b93a1", "#a855c7"

#: Classes of layers with the colours of their boxes, stroke and fill. The first class that a layer is of counts.
COLOURS = [
    (layers.Input, "#64748b", "#eef2f6"),
    (layers.Tied, "#a855c7", "#f7edfb"),
    ((layers.Feedforward, layers.Embed), "#2f6fde", "#eaf1fd"),
    ((layers.Recurrent, layers.Bidirectional), "#d97706", "#fdf3e3"),
    (layers.Convolution, "#15905a", "#e6f6ee"),
    (layers.Pooling, "#5f9e2f", "#eff7e6"),
    ((layers.BatchNorm, layers.LayerNorm), "#0e8fa8", "#e4f6f9"),
    (layers.Layer, "#7c7f88", "#f3f3f5"),
]

#: Colours of losses.
LOSS = "#d6336c", "#fdebf1"

STYLE = (
    "text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif;"
    f"font-size:{SMALL}px;fill:#4b5260}}"
    f".name{{font-size:{LARGE}px;font-weight:600;fill:#1c2430}}"
    ".end{text-anchor:end}.middle{text-anchor:middle}"
    f".line{{fill:none;stroke:{LINE};stroke-width:1.6}}.dotted{{stroke-dasharray:1.5 4;stroke-linecap:round}}"
    f".tie{{fill:none;stroke:{TIE};stroke-width:1.6;stroke-dasharray:6 4}}.note{{fill:{LINE}}}"
    f".tienote{{fill:{TIE}}}"
)


def _text_width(text, size):
    return len(text) * size * ADVANCE


def _number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


class Box(layout.Node):
    """A box of a drawing with four short texts: a name and a form, and below them a note and a shape."""

    def __init__(self, name, form, note, shape, colours, tooltip=""):
        self.texts = name, form, note, shape
        self.stroke, self.fill = colours
        self.tooltip = tooltip
        upper = _text_width(name, LARGE) + _text_width(form, SMALL)
        lower = _text_width(note, SMALL) + _text_width(shape, SMALL)
        super().__init__(width=max(upper, lower) + 52)

    def draw(self, top):
        """Return the SVG elements of the box, whose upper edge is at a given height."""
        left, right = self.x - self.width / 2, self.x + self.width / 2
        name, form, note, shape = map(html.escape, self.texts)
        x, y, width = _number(left), _number(top), _number(self.width)
        return (
            f"<g><title>{html.escape(self.tooltip)}</title>"
            f'<rect x="{x}" y="{y}" width="{width}" height="{_number(HEIGHT)}" rx="7" fill="{self.fill}" '
            f'stroke="{self.stroke}" stroke-width="1.2"/>'
            f'<rect x="{_number(left + 7)}" y="{_number(top + 9)}" width="3.5" height="{_number(HEIGHT - 18)}" '
            f'rx="1.75" fill="{self.stroke}"/>'
            f'<text class="name" x="{_number(left + 19)}" y="{_number(top + 21)}">{name}</text>'
            f'<text class="end" x="{_number(right - 12)}" y="{_number(top + 21)}">{form}</text>'
            f'<text x="{_number(left + 19)}" y="{_number(top + 39)}">{note}</text>'
            f'<text class="end" x="{_number(right - 12)}" y="{_number(top + 39)}">{shape}</text></g>'
        )


def _layer_box(layer):
    colours = next(colours for cls, *colours in COLOURS if isinstance(layer, cls))
    shape = wording.show_shape(layer.output_shape, " × ")
    params = wording.count(layer.num_params, "parameter") if layer.num_params else ""
    note = " · ".join(filter(None, [wording.show_activation(layer), params]))
    if isinstance(layer, layers.Input):
        note = "data"
    tooltip = f"{layer.name}: {layer.describe()}, {wording.show_params(layer) or 'no parameters'}"
    return Box(layer.name, re.sub(r"(?<=\d)x(?=\d)", "×", layer.describe()), note, shape, colours, tooltip)


def _loss_box(loss, layer_list):
    target = loss.variables[0]
    owners = [layer.name for layer in layer_list if getattr(layer, "input", None) is target]
    weight = f"weight {loss.weight:g}" if isinstance(loss.weight, (int, float)) and loss.weight != 1 else ""
    words = f"against {owners[0] if owners else target.name}"
    note = " · ".join(filter(None, [words, "weighted" if len(loss.variables) > 1 else "", weight]))
    return Box(wording.show_loss(loss), "loss", note, "", LOSS, f"{type(loss).__name__} of {loss.output_name}")


class Drawing:
    """A picture of a network, which notebooks show.

    Parameters
    ----------
    layer_list : list of :class:`theanets.Layer`
        The layers.
    losses : sequence of :class:`theanets.Loss`, optional
        The losses to show.

    Attributes
    ----------
    svg : str
        The picture.
    """

    def __init__(self, layer_list, losses=()):
        self._words = ", ".join(
            wording.count(len(things), word if len(things) == 1 or word == "layer" else "losse")
            for things, word in ((layer_list, "layer"), (losses, "loss"))
            if things
        )
        self._layers = list(layer_list)
        self._boxes = {layer.name: _layer_box(layer) for layer in self._layers}
        self._widen(self._boxes.values())
        self._arrows = []
        self._connect(losses)
        everything = [*self._boxes.values(), *(arrow.target for arrow, _, _ in self._arrows)]
        boxes = list(dict.fromkeys(everything))
        rows = layout.arrange(boxes, [arrow for arrow, _, _ in self._arrows])
        self._right = max(node.x + node.width / 2 for row in rows for node in row)
        self.svg = self._assemble(boxes, rows)

    @staticmethod
    def _widen(boxes):
        """Give boxes of similar widths the same one."""
        widest = max(box.width for box in boxes)
        for box in boxes:
            box.width = max(box.width, 150.0, 0.0 if widest > 320 else widest)

    def _connect(self, losses):
        """Return the arrows, each with the CSS classes of its line and a note."""
        for layer in self._layers:
            states = [name for worker in layer.workers for name in worker.initial_sources()]
            sources = [(name, "line", "") for name in layer.input_names]
            sources += [(name, "line dotted", "state") for name in [*layer.initial_sources(), *states]]
            for name, style, note in dict.fromkeys(sources):
                self._point(name, self._boxes[layer.name], style, note)
        for loss in losses:
            box = _loss_box(loss, self._layers)
            for name in loss.output_names:
                self._point(name, box, "line dotted", "")

    def _point(self, name, target, style, note):
        owner, _, output = name.partition(":")
        if owner in self._boxes:
            note = note or ("" if output in ("", "out") else output)
            self._arrows.append((layout.Edge(self._boxes[owner], target), style, note))

    # -- SVG ----------------------------------------------------------------------------------------------------------

    @staticmethod
    def _top(node):
        return node.row * (HEIGHT + ROOM)

    def _ports(self, node, outgoing):
        """Return where on the edge of a box its arrows begin or end, in the order in which they come from the left."""
        arrows = [arrow for arrow, _, _ in self._arrows if (arrow.source if outgoing else arrow.target) is node]
        arrows.sort(key=lambda arrow: (arrow.path[1] if outgoing else arrow.path[-2]).x)
        step = min(26.0, (node.width - 40) / max(1, len(arrows)))
        return {arrow: node.x + (i - (len(arrows) - 1) / 2) * step for i, arrow in enumerate(arrows)}

    def _draw_arrow(self, arrow, style, note, start, end):
        x, y = start, self._top(arrow.source) + HEIGHT
        path = [f"M{_number(x)} {_number(y)}"]
        for node in arrow.path[1:]:
            to_x = end if node is arrow.target else node.x
            to_y = self._top(node) - (6 if node is arrow.target else 0)
            bend = (to_y - y) * 0.5
            path.append(
                f"C{_number(x)} {_number(y + bend)} {_number(to_x)} {_number(to_y - bend)} "
                f"{_number(to_x)} {_number(to_y)}"
            )
            x, y = to_x, to_y
            if node is not arrow.target:
                y += HEIGHT
                path.append(f"V{_number(y)}")
        label = ""
        if note:
            label = f'<text class="note" x="{_number(end + 8)}" y="{_number(y - 8)}">{html.escape(note)}</text>'
        return f'<path class="{style}" marker-end="url(#theanets-arrow)" d="{"".join(path)}"/>{label}'

    def _draw_loop(self, layer):
        """Draw the feedback of a recurrent layer, at the left of its box."""
        box = self._boxes[layer.name]
        x, y = box.x - box.width / 2, self._top(box)
        both = isinstance(layer, layers.Bidirectional)
        ends = ' marker-start="url(#theanets-arrow)"' if both else ""
        return (
            f'<path class="line"{ends} marker-end="url(#theanets-arrow)" d="M{_number(x - (6 if both else 0))} '
            f'{_number(y + 36)}c-22 4 -22 -26 {_number(0 if both else -6)} -22"/>'
        )

    def _draw_ties(self, rows):
        """Draw lines between layers that share weights, at the right of everything that is between them."""
        ties = [
            (self._boxes[layer.partner.name], self._boxes[layer.name])
            for layer in self._layers
            if isinstance(layer, layers.Tied)
        ]
        drawn, reach = [], 0.0
        # the innermost first, so that longer lines lead around shorter ones.
        for level, (upper, lower) in enumerate(sorted(ties, key=lambda tie: abs(tie[1].row - tie[0].row))):
            between = rows[min(upper.row, lower.row) : max(upper.row, lower.row) + 1]
            x = max(node.x + node.width / 2 for row in between for node in row) + 26 + 24 * level
            reach = max(reach, x)
            (x1, y1), (x2, y2) = ((box.x + box.width / 2, self._top(box) + HEIGHT / 2) for box in (upper, lower))
            drawn.append(
                f'<path class="tie" d="M{_number(x1)} {_number(y1)}H{_number(x - 10)}Q{_number(x)} {_number(y1)} '
                f"{_number(x)} {_number(y1 + 10)}V{_number(y2 - 10)}Q{_number(x)} {_number(y2)} {_number(x - 10)} "
                f'{_number(y2)}H{_number(x2)}"/>'
                f'<text class="tienote end" x="{_number(x - 4)}" y="{_number(y2 - 12)}">wᵀ</text>'
            )
        self._right = max(self._right, reach)
        return drawn

    def _assemble(self, boxes, rows):
        starts = {key: value for box in boxes for key, value in self._ports(box, True).items()}
        ends = {key: value for box in boxes for key, value in self._ports(box, False).items()}
        recurrent = [layer for layer in self._layers if isinstance(layer, (layers.Recurrent, layers.Bidirectional))]
        content = [self._draw_arrow(*arrow, starts[arrow[0]], ends[arrow[0]]) for arrow in self._arrows]
        content += self._draw_ties(rows)
        content += [self._draw_loop(layer) for layer in recurrent]
        content += [box.draw(self._top(box)) for box in boxes]
        indent = MARGIN + (18 if recurrent else 0)
        width, height = self._right + indent + MARGIN, len(rows) * (HEIGHT + ROOM) - ROOM + 2 * MARGIN
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="network of {self._words}" '
            f'width="{_number(width)}" height="{_number(height)}" viewBox="{_number(-indent)} {_number(-MARGIN)} '
            f'{_number(width)} {_number(height)}" style="max-width:100%;height:auto">'
            f"<style>{_scoped(STYLE)}</style>"
            '<defs><marker id="theanets-arrow" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="6" markerHeight="6" '
            f'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>'
            f'<g class="theanets">{"".join(content)}</g></svg>'
        )

    def __repr__(self):
        return f"<Drawing: {self._words}>"

    def __str__(self):
        return self.svg

    def _repr_svg_(self):
        return self.svg

    def save(self, path):
        """Write the picture to a file.

        Parameters
        ----------
        path : str or pathlib.Path
            Where to write; the name should end in ``.svg``.
        """
        pathlib.Path(path).write_text(self.svg, encoding="utf-8")


def _scoped(style):
    """Restrict a style sheet to our own elements, as a notebook has one page for all pictures."""
    return "".join(f".theanets {rule}}}" for rule in style.split("}") if rule)
