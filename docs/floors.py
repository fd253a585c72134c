"""Draw the floors of the package, as the contract in pyproject.toml has them: ``python docs/floors.py``."""

import html
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
PICTURE = HERE / "_static" / "floors.svg"

LABEL, WIDTH, HEIGHT, ROOM = 140, 640, 44, 14

STYLE = (
    "text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif;"
    "font-size:15px;fill:#1c2430;text-anchor:middle}"
    "rect{fill:#eaf1fd;stroke:#2f6fde;stroke-width:1.2}"
    "rect.folder{fill:#fdf3e3;stroke:#d97706}"
    "path{fill:none;stroke:#8b93a1;stroke-width:1.6}.label{text-anchor:start;fill:#8b93a1;font-size:13px}.note{fill:#8b93a1;font-size:12px}"
)


def read_floors(root=HERE.parent):
    """Return pairs from the top: what a floor is called, and the names of the modules and packages on it."""
    # Python 3.10 has no module that reads TOML.
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    contract = text[text.index('type = "layers"') :]
    rows = re.search(r"layers = \[\n(.*?)\n\]", contract, re.DOTALL)[1]
    return [(label, re.split(r" [|:] ", row)) for row, label in re.findall(r'"(.*?)",\s*# (.*)', rows)]


def draw(floors, root=HERE.parent):
    """Return the picture as SVG."""
    parts = []
    for i, (label, names) in enumerate(floors):
        top = 12 + i * (HEIGHT + ROOM)
        if i == 0 or floors[i - 1][0] != label:
            parts.append(f'<text class="label" x="12" y="{top + HEIGHT / 2 + 5:.1f}">{html.escape(label)}</text>')
        width = (WIDTH - ROOM * (len(names) - 1)) / len(names)
        for j, name in enumerate(names):
            left = LABEL + j * (width + ROOM)
            is_folder = (root / "theanets" / name).is_dir()
            kind = ' class="folder"' if is_folder else ""
            text = html.escape(f"{name}/" if is_folder else f"{name}.py")
            parts.append(f'<rect{kind} x="{left:.1f}" y="{top}" width="{width:.1f}" height="{HEIGHT}" rx="7"/>')
            parts.append(f'<text x="{left + width / 2:.1f}" y="{top + HEIGHT / 2 + 5:.1f}">{text}</text>')
    bottom = 12 + len(floors) * (HEIGHT + ROOM) - ROOM
    x = LABEL + WIDTH + 28
    parts.append(f'<path d="M{x} 20V{bottom - 8}M{x - 6} {bottom - 18}L{x} {bottom - 8}L{x + 6} {bottom - 18}"/>')
    middle = (20 + bottom) / 2
    turned = f'transform="rotate(90 {x + 20} {middle})"'
    parts.append(f'<text class="note" x="{x + 20}" y="{middle}" {turned}>imports</text>')
    width = LABEL + WIDTH + 70
    size = f'width="{width}" height="{bottom + 12}" viewBox="0 0 {width} {bottom + 12}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><title>The floors of theanets</title>'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(read_floors()), encoding="utf-8")
