"""Writes the pages of the reference: one for each public class, and one for each module with public functions.

A class has a page under the name that people type. At its top there are tables of all methods and attributes, those of
its bases included; below are those that it has itself, in full. What ``docs/api/about`` has under the name of a class
comes first.
"""

import functools
import importlib
import inspect
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent

#: The groups of the reference: their titles, and modules with the classes of them that have pages; None for all.
GROUPS = {
    "Models": {
        "theanets": ["Autoencoder", "Regressor", "Classifier", "Network"],
        "theanets.recurrent": None,
        "theanets.convolution": None,
    },
    "Layers": {"theanets": ["Layer"], "theanets.layers": None},
    "Activations, losses and regularizers": {
        "theanets": ["Activation", "Loss", "Regularizer"],
        "theanets.activations": None,
        "theanets.losses": None,
        "theanets.regularizers": None,
        "theanets.constraints": None,
        "theanets.losses.likelihoods": None,
        "theanets.trainer.latent": None,
    },
    "Training": {
        "theanets": ["Experiment"],
        "theanets.trainer": ["Trainer", "DownhillTrainer", "SupervisedPretrainer", "UnsupervisedPretrainer"],
        "theanets.trainer.history": None,
        "theanets.trainer.schedules": None,
        "theanets.trainer.sweeps.result": None,
        "theanets.trainer.optimizers": None,
        "theanets.callbacks": None,
    },
    "Estimators": {"theanets.estimators": None},
}

#: Modules whose text and functions have a page, by group.
MODULES = {
    "Models": ["theanets.recurrent", "theanets.network.specs"],
    "Layers": ["theanets.layers"],
    "Activations, losses and regularizers": [
        "theanets.activations",
        "theanets.losses",
        "theanets.regularizers",
        "theanets.constraints",
        "theanets.losses.likelihoods",
        "theanets.trainer.latent",
    ],
    "Training": [
        "theanets.trainer",
        "theanets.trainer.schedules",
        "theanets.trainer.optimizers",
        "theanets.trainer.sweeps",
        "theanets.callbacks",
        "theanets.network.monitoring",
    ],
    "Estimators": [],
    "Tools": [
        "theanets.plot",
        "theanets.logs",
        "theanets.modes",
        "theanets.store",
        "theanets.storage",
        "theanets.storage.archive",
        "theanets.network.inspection",
        "theanets.storage.onnx_export",
        "theanets.util",
    ],
    "XLA": ["theanets.xla", "theanets.xla.registry", "theanets.xla.tracing"],
}


@functools.cache
def classes():
    """Return the public classes with the names under which people know them, by group."""
    found, seen = {}, set()
    for group, modules in GROUPS.items():
        for name, wanted in modules.items():
            module = importlib.import_module(name)
            public = getattr(module, "__all__", None) or vars(module)
            names = wanted or [key for key in public if inspect.isclass(getattr(module, key)) and key[0] != "_"]
            for key in sorted(names) if wanted is None else names:
                cls = getattr(module, key)
                if cls in seen or not cls.__module__.startswith("theanets"):
                    continue
                seen.add(cls)
                found.setdefault(group, {})[cls] = f"{name}.{key}"
    return found


def inherited(module, owner, target):
    """Return the names under which there may be a method or an attribute of a class, given the class of a docstring."""
    names = {cls: name for found in classes().values() for cls, name in found.items()}
    for cls in [cls for cls in names if owner and owner in (cls.__name__, names[cls])]:
        if module in (cls.__module__, names[cls].rpartition(".")[0]):
            yield from [f"{names[base]}.{target}" for base in cls.__mro__ if base in names]


def first_sentence(text):
    """Return the first sentence of a docstring in one line, as Markdown."""
    text = " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())
    return markdown(re.match(r".*?[.:](?=\s|$)|.*", text)[0])


def markdown(text):
    """Turn formulas and literals of reStructuredText into those of Markdown; references become literals."""
    text = re.sub(r":math:`([^`]*)`", r"{math}`\1`", text)
    text = re.sub(r":\w+:`~?(?:theanets\.)?([^`]*)`", r"`\1`", text)
    return re.sub(r"``([^`]*)``", r"`\1`", text).replace("|", "\\|")


def attributes(cls):
    """Return the attributes that the docstring of a class lists: a text for each name."""
    text = inspect.cleandoc(cls.__doc__ or "")
    match = re.search(r"^Attributes\n-+\n(.*?)(?=^\S.*\n---|\Z)", text, re.MULTILINE | re.DOTALL)
    found, names = {}, []
    for line in match[1].splitlines() if match else ():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
            found.update(dict.fromkeys(names, ""))
        elif line.strip():
            for name in names:
                found[name] += " " + line.strip()
    return found


class Page:
    """The page of a class.

    Parameters
    ----------
    cls : class
        The class.
    names : dict
        The names of all public classes.
    """

    def __init__(self, cls, names):
        self.cls, self.names, self.name = cls, names, names[cls]
        self.methods, self.values, self.own, self.foreign = [], [], [], []
        known = {attribute for base in cls.__mro__ for attribute in attributes(base)}
        for key in sorted(set(dir(cls)), key=str.lower):
            if not key.startswith("_") and not re.match(r"set_\w+_request$", key):
                self._add(key, known)
        for base in cls.__mro__:
            for key, text in attributes(base).items():
                if key not in {name for name, *_ in self.values}:
                    self.values.append((key, self._public(base), first_sentence(text), False))

    def _public(self, definer):
        """Return the most general public class that has what a class defines."""
        found = [base for base in self.cls.__mro__ if base in self.names and issubclass(base, definer)]
        return found[-1] if found else None

    def _add(self, key, known):
        definer = next(base for base in self.cls.__mro__ if key in vars(base))
        member = vars(definer)[key]
        inner = getattr(member, "__func__", member)
        is_method = callable(inner) and not inspect.isclass(inner)
        text = inspect.getdoc(member) if is_method or isinstance(member, property) else None
        text = text or (inspect.getdoc(getattr(self.cls, key)) if is_method else None)
        is_ours = definer.__module__.startswith("theanets")
        if not is_ours:
            self.foreign.append(key)
        if not is_method and not isinstance(member, property):
            # an attribute of the class; one that is described with the attributes of objects is listed there.
            if key in known or not is_ours:
                return
            text = _comment(definer, key)
        if text is None:
            return
        owner = self._public(definer) if is_ours else None
        is_linked = is_ours and (is_method or isinstance(member, property))
        if owner is self.cls and is_linked:
            self.own.append(key)
        (self.methods if is_method else self.values).append((key, owner, first_sentence(text), is_linked))

    def text(self):
        """Return the page as Markdown."""
        bases = [self.names[base] for base in self.cls.__mro__[1:] if base in self.names]
        parts = [f"# {self.name}\n"]
        about = HERE / "api" / "about" / f"{self.name}.md"
        if bases:
            parts.append(f"A kind of {{py:class}}`{bases[0]}`.\n")
        else:
            parts.append(first_sentence(self.cls.__doc__) + "\n")
        for title, rows in (("Methods", self.methods), ("Attributes", self.values)):
            if rows:
                parts.append(f"**{title}**\n\n| | |\n| --- | --- |\n" + "\n".join(map(self._row, rows)) + "\n")
        if about.is_file():
            parts.append(about.read_text(encoding="utf-8"))
        members = f"   :members: {', '.join(self.own)}\n" if self.own else "   :no-members:\n"
        # also what a private base defines, and what has the docstring of a base.
        members += "   :inherited-members:\n   :undoc-members:\n" if self.own else ""
        hidden = [*self.foreign, "set_fit_request", "set_partial_fit_request", "set_score_request"]
        members += f"   :exclude-members: {', '.join(hidden)}\n"
        parts.append(f"## In full\n\n```{{eval-rst}}\n.. autoclass:: {self.name}\n{members}```\n")
        return "\n".join(parts)

    def _row(self, row):
        key, owner, text, is_linked = row
        role = "meth" if row in self.methods else "attr"
        name = f"{{py:{role}}}`{key} <{self.names[owner]}.{key}>`" if is_linked and owner is not None else f"`{key}`"
        return f"| {name} | {text} |"


def _comment(definer, key):
    """Return the comment ``#:`` before an attribute of a class; None if there is none."""
    try:
        lines = inspect.getsource(definer).splitlines()
    except (OSError, TypeError):
        return None
    for number, line in enumerate(lines):
        if re.match(rf"\s+{key}\b.*=", line):
            found = []
            while number and lines[number - 1].strip().startswith("#:"):
                number -= 1
                found.insert(0, lines[number].strip()[2:].strip())
            return " ".join(found) or None
    return None


def module_page(name, names):
    """Return the page of a module: its text, its classes, and its functions in full."""
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    found = [value for key in (public or vars(module)) if inspect.isclass(value := getattr(module, key, None))]
    functions = [
        key
        for key in (public or vars(module))
        if inspect.isfunction(getattr(module, key, None))
        and not key.startswith("_")
        and (public or getattr(module, key).__module__ == name)
        and getattr(module, key).__doc__
    ]
    rows = [f"| {{py:class}}`{names[cls]}` | {first_sentence(cls.__doc__)} |" for cls in found if cls in names]
    own = [
        key
        for key in (public or vars(module))
        if inspect.isclass(getattr(module, key, None))
        and getattr(module, key) not in names
        and getattr(module, key).__module__.startswith("theanets")
        and not key.startswith("_")
    ]
    parts = [f"# {name}\n", f"```{{eval-rst}}\n.. automodule:: {name}\n   :no-members:\n```\n"]
    if rows:
        parts.append("## Classes\n\n| | |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    if own or functions:
        parts.append("## In full\n\n```{eval-rst}")
        parts += [f".. autoclass:: {name}.{key}\n   :members:\n" for key in own]
        parts += [f".. autofunction:: {name}.{key}\n" for key in functions]
        parts.append("```\n")
    return "\n".join(parts)


def write(app=None):
    """Write all pages, each only if it has changed, so that Sphinx need not read the others again."""
    folder = HERE / "api" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    groups = classes()
    names = {cls: name for found in groups.values() for cls, name in found.items()}
    pages = {name: Page(cls, names).text() for cls, name in names.items()}
    for group in MODULES:
        for module in MODULES[group]:
            # a module may have the name of a class but for upper case, which some file systems do not tell apart.
            pages[f"module-{module}"] = module_page(module, names)
    index = [
        "# Reference\n",
        "A page for each public class, with all that it inherits in its tables; and the functions.\n",
    ]
    for group in MODULES:
        index.append(f"## {group}\n")
        rows = [
            f"| {{py:class}}`{name}` | {first_sentence(cls.__doc__)} |" for cls, name in groups.get(group, {}).items()
        ]
        rows += [f"| [](generated/module-{name}.md) | {_about(name)} |" for name in MODULES[group]]
        index.append("| | |\n| --- | --- |\n" + "\n".join(rows) + "\n")
        entries = [*groups.get(group, {}).values(), *(f"module-{name}" for name in MODULES[group])]
        listed = "\n".join(f"generated/{name}" for name in entries)
        index.append(f"```{{toctree}}\n:hidden:\n:caption: {group}\n\n{listed}\n```\n")
    _put(HERE / "api" / "index.md", "\n".join(index))
    for name, text in pages.items():
        _put(folder / f"{name}.md", text)
    for path in folder.glob("*.md"):
        if path.stem not in pages:
            path.unlink()


def _about(name):
    return first_sentence(importlib.import_module(name).__doc__)


def _put(path, text):
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
