"""How Sphinx makes pages of this folder."""

import builtins
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent

sys.path[:0] = [str(ROOT), str(HERE)]

import gallery  # noqa: E402
import reference  # noqa: E402

project = "theanets"
author = "theanets developers"
project_copyright = author
release = version = re.search(r'__version__ = "(.+?)"', (ROOT / "theanets/_version.py").read_text(encoding="utf-8"))[1]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "api/about", "results"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    # scikit-learn adds these, and documents them elsewhere.
    "exclude-members": "set_fit_request, set_partial_fit_request, set_score_request",
}
autodoc_typehints = "none"
napoleon_use_ivar = True
# types of parameters are words, such as "array-like": not to be taken for names of classes.
napoleon_use_param = False
napoleon_use_rtype = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
nitpicky = True
nitpick_ignore = [("py:exc", name) for name in vars(builtins) if isinstance(getattr(builtins, name), type)]
nitpick_ignore_regex = [
    # what other packages document: their inventories would have to be fetched.
    (
        r"py:.*",
        r"(builtins|str|numpy|np|scipy|matplotlib|pandas|sklearn|theano|downhill|jax|logging|optuna|threading)(\..*)?",
    ),
    # the insides of the library, which have no page.
    (r"py:.*", r"(.*\.)?_\w+"),
    (
        r"py:mod",
        r"theanets\.(feedforward|layers\.means|storage\.(onnx_export\.scalars|pickles|objects|legacy|blueprint))",
    ),
    (r"py:class", r"(GaussianKernel|Kind|Number|Outcome|Session|Trained)"),
    (r"py:class", r"theanets\.(layers\.context\.Context|show\.drawing\.Drawing|storage\.files\.Source)"),
    (r"py:data", r"theanets\.activations\.INITIAL"),
    (r"py:(func|exc|data)", r"(FLOAT|FUNCTIONS|Untranslated|in_any_order|log_of_probabilities)"),
    (r"py:func", r"theanets\.(layers\.selection\.statistics_of|storage\.onnx_export\.builder\.translates)"),
]

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"theanets {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
pygments_style, pygments_dark_style = "friendly", "native"
# doctests in Markdown end with a line that is empty.
highlight_options = {"pycon": {"stripnl": True}}


def show_formula(self, node):
    """Write a formula as MathML, which browsers show by themselves, without a script and without a network."""
    import latex2mathml.converter
    from docutils import nodes

    is_block = isinstance(node, nodes.math_block)
    formula = latex2mathml.converter.convert(node.astext(), display="block" if is_block else "inline")
    self.body.append(f'<div class="math">{formula}</div>' if is_block else formula)
    raise nodes.SkipNode


def find_reference(app, env, node, contnode):
    """Find what a name refers to that is none by itself.

    That may be a method of a base class, which is on the page of that; something by its last name, or by the name of
    the module that defines it; or words, such as "theano variable", that say of what type an attribute is.
    """
    from sphinx.util.nodes import make_refnode

    target = node.get("reftarget", "").lstrip("~.")
    if node.get("refdomain") != "py" or not target:
        return None
    if node["reftype"] == "class" and (" " in target or target.rpartition(".")[2][:1].islower()):
        return contnode
    objects = env.get_domain("py").objects
    names = [
        name for name in reference.inherited(node.get("py:module"), node.get("py:class"), target) if name in objects
    ]
    parts = target.split(".")
    for length in (len(parts), 2, 1) if target.startswith("theanets.") else (len(parts),):
        tail = "." + ".".join(parts[-length:])
        names = names or [name for name, item in objects.items() if ("." + name).endswith(tail) and not item.aliased]
        if len(names) == 1:
            found = objects[names[0]]
            return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, contnode, names[0])
        names = []
    return None


def setup(app):
    """Make the pages of the reference and the gallery before pages are read."""
    app.add_config_value("run_examples", True, "env", bool)
    app.connect("builder-inited", reference.write)
    app.connect("builder-inited", gallery.write)
    app.connect("missing-reference", find_reference)
    app.add_html_math_renderer("mathml", (show_formula, None), (show_formula, None))
