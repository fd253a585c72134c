"""How Sphinx makes pages of this folder."""

import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent

sys.path.insert(0, str(ROOT))

project = "theanets"
author = "theanets developers"
project_copyright = author
release = version = re.search(r'__version__ = "(.+?)"', (ROOT / "theanets/_version.py").read_text(encoding="utf-8"))[1]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "member-order": "bysource",
    # scikit-learn adds these, and documents them elsewhere.
    "exclude-members": "set_fit_request, set_partial_fit_request, set_score_request",
}
autodoc_typehints = "none"
napoleon_use_ivar = True
napoleon_use_rtype = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# the pages are full of words that other things are called too.
suppress_warnings = ["ref.python", "myst.xref_missing"]

html_theme = "furo"
html_title = f"theanets {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
pygments_style, pygments_dark_style = "friendly", "native"
# doctests in Markdown end with a line that is empty.
highlight_options = {"pycon": {"stripnl": True}}

#: Examples that are run for the gallery, in the order in which they are shown. The others are shown without output.
GALLERY = [
    "xor_classifier",
    "digits_autoencoder",
    "autoencoders",
    "denoising_autoencoder",
    "pca_and_ica",
    "digits_deep_classifier",
    "uncertainty",
    "weighted_classification",
    "sklearn_pipeline",
]

PAGE = """# {title}

{picture}{text}

{output}## The program

```{{literalinclude}} ../../examples/{name}.py
:language: python
```
"""


def run_example(name, folder):
    """Run an example in a folder, unless it has been run since it was changed; return what it prints."""
    source, log = ROOT / "examples" / f"{name}.py", folder / f"{name}.txt"
    if not log.is_file() or log.stat().st_mtime < source.stat().st_mtime:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, str(source)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        log.write_text(done.stdout, encoding="utf-8")
    lines = log.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:", line))


def build_gallery(app):
    """Make a page for each example, with its picture and what it prints."""
    folder = HERE / "gallery"
    folder.mkdir(exist_ok=True)
    others = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem not in GALLERY)
    for name in [*GALLERY, *others]:
        source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
        title, _, text = source.split('"""')[1].partition("\n")
        output = run_example(name, folder) if name in GALLERY else ""
        picture = f"![{title}]({name}.png)\n\n" if (folder / f"{name}.png").is_file() else ""
        # indented numbers are what one should see: a block of their own.
        text = re.sub(r"((?:\n    .*)+)", lambda match: "\n```text" + match[1].replace("\n    ", "\n") + "\n```", text)
        output = f"## What it printed\n\n```text\n{output}\n```\n\n" if output else ""
        page = PAGE.format(title=title.rstrip("."), picture=picture, text=text.strip(), output=output, name=name)
        target = folder / f"{name}.md"
        if not target.is_file() or target.read_text(encoding="utf-8") != page:
            target.write_text(page, encoding="utf-8")


def setup(app):
    """Make the gallery before pages are read."""
    app.connect("builder-inited", build_gallery)
