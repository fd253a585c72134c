"""Runs the examples for the gallery, and writes their pages: ``python docs/gallery.py`` runs those that have changed.

What they print and draw is kept in ``docs/results``, with a digest of the program that it is of. So pages are made
without a training, unless an example has been edited since.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"

#: The order in which examples are shown; others follow.
FIRST = [
    "digits_autoencoder",
    "autoencoders",
    "denoising_autoencoder",
    "digits_deep_classifier",
    "uncertainty",
    "pca_and_ica",
]

PAGE = """# {title}

{picture}{text}

{output}## The program

```{{literalinclude}} ../../examples/{name}.py
:language: python
:lines: {line}-
```
"""

GRID = """# Gallery

Complete programs, with what they printed and drew on a machine with two cores. Each has a page, with what one should
see, and the program. Two notebooks lie beside them, in the folder `examples`: `quickstart.ipynb`, the
[quickstart](../quickstart.md) with pictures, and `inside_a_network.ipynb`, which follows a network from layers to
expressions.

:::::{{grid}} 1 2 2 3
:gutter: 3

{cards}
:::::

```{{toctree}}
:hidden:

{names}
```
"""

CARD = """::::{{grid-item-card}} {title}
{picture}:link: {name}
:link-type: doc

{text}

{number}
::::
"""


def examples():
    """Return the paths of all examples, in the order in which they are shown."""
    found = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}
    return [found[name] for name in [*FIRST, *(name for name in found if name not in FIRST)]]


def digest(path):
    """Return a digest of a program."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def kept(path):
    """Return what an example has printed, and whether it has been edited since; None if it has never been run."""
    log = RESULTS / f"{path.stem}.txt"
    if not log.is_file():
        return None, True
    first, _, output = log.read_text(encoding="utf-8").partition("\n")
    return output, first != digest(path)


def run(path):
    """Run an example, and keep what it prints and draws."""
    with tempfile.TemporaryDirectory() as folder:
        search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, str(path)]
        environment = {**os.environ, "PYTHONPATH": search}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        keep(path, done.stdout, pathlib.Path(folder, f"{path.stem}.png"))


def keep(path, output, picture):
    """Write down what an example has printed, without the log, and its picture if there is one."""
    RESULTS.mkdir(exist_ok=True)
    lines = [line for line in output.splitlines() if not re.match(r"\d{4}-\d\d-\d\d \d\d:", line)]
    text = "\n".join([digest(path), *lines]).rstrip() + "\n"
    (RESULTS / f"{path.stem}.txt").write_text(text, encoding="utf-8")
    if picture.is_file():
        shutil.copy(picture, RESULTS / picture.name)


def write(app=None):
    """Write a page for each example, and the grid of all of them."""
    folder = HERE / "gallery"
    folder.mkdir(exist_ok=True)
    cards, paths = [], examples()
    for path in paths:
        if kept(path)[1] and (app is None or app.config.run_examples):
            run(path)
        name, output = path.stem, kept(path)[0]
        source = path.read_text(encoding="utf-8")
        _, docstring, rest = source.split('"""', 2)
        title, _, text = docstring.partition("\n")
        picture = RESULTS / f"{name}.png"
        image = f"![{title}](../results/{name}.png)\n\n" if picture.is_file() else ""
        # indented numbers are what one should see: a block of their own.
        text = re.sub(r"((?:\n    .*)+)", lambda match: "\n```text" + match[1].replace("\n    ", "\n") + "\n```", text)
        page = PAGE.format(
            title=title.rstrip("."),
            picture=image,
            text=text.strip(),
            output=f"## What it printed\n\n```text\n{output.strip()}\n```\n\n" if output else "",
            name=name,
            # the docstring is on the page already.
            line=source[: len(source) - len(rest.lstrip())].count("\n") + 1,
        )
        _put(folder / f"{name}.md", page)
        sentence = re.match(r".*?\.(?=\s|$)", " ".join(text.strip().split("\n\n")[0].split()))
        cards.append(
            CARD.format(
                title=title.rstrip("."),
                picture=f":img-top: ../results/{name}.png\n" if picture.is_file() else "",
                name=name,
                text="" if sentence is None else sentence[0],
                number=_number(output or ""),
            )
        )
    names = "\n".join(path.stem for path in paths)
    _put(folder / "index.md", GRID.format(cards="\n".join(cards), names=names))


def _number(output):
    """Return the lines of what was printed that have figures in them: three at most, as a block."""
    lines = [line for line in output.splitlines() if re.search(r"\d", line) and "picture:" not in line][-3:]
    return "```text\n" + "\n".join(lines) + "\n```" if lines else ""


def _put(path, text):
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for path in examples():
        if kept(path)[1]:
            print(f"running {path.name}")
            run(path)
