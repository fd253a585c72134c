r"""The archive format: networks as zip files of arrays with a description in JSON, kept compatible.

An archive is what ``numpy.savez`` makes: a zip file of arrays, each in NumPy's own format, which holds numbers and
nothing that could be run. Beside the arrays there is a file ``network.json`` that says in words what the network is.

============================  =====================================================================================
member                        content
============================  =====================================================================================
``network.json``              format, version, model, layers, losses, generators
``params/LAYER.PARAM.npy``    parameters, running averages and fixed rates, each by its name
``arrays/NUMBER.npy``         arrays that are options of layers, and the states of generators
``sections/history.json``     the history of the latest training, if there was any
``sections/training.json``    the state of a training that can go on, in a checkpoint: optimizer, data, generators
``sections/NAME.json``        what else somebody has written by :func:`write`
``sections/NAME/NUMBER.npy``  their arrays
============================  =====================================================================================

Members are stored as they are, as weights hardly get smaller by compression; compressed ones can be read. The same
network always makes the same bytes. Any tool that opens zip files can look into an archive, and so can NumPy:

>>> import io
>>> import numpy as np
>>> import theanets
>>> file = io.BytesIO()
>>> write(file, theanets.Regressor([4, 3, 2]), sections={"notes": {"author": "A. N.", "digits": [0, 1]}})
>>> start = file.seek(0)
>>> np.load(file)["params/hid1.w"].shape
(4, 3)
>>> start = file.seek(0)
>>> network, sections = read(file)
>>> network, sections["notes"]["author"]
(<Regressor: in, hid1, out>, 'A. N.')
"""

import contextlib
import io
import json
import pathlib
import re
import struct
import zipfile

import numpy as np

from .. import util
from .._version import __version__
from . import blueprint, files
from .objects import (
    WORK,
    Maker,
    check_extent,
    families,
    find_class,
    is_ours,
    make_array,
    make_generator,
    refuse,
    subclasses,
)
from .pickles import shorten

__all__ = ["write", "read", "pack", "load_sections", "FORMAT", "VERSION"]

#: Name of the format in ``network.json``, and the newest version that this release can read.
FORMAT = "theanets network"
VERSION = 1

#: The first bytes of every archive.
MAGIC = b"PK\x03\x04"

#: Limit for the total size of JSON texts after decompression: this number of bytes plus a multiple of the file size.
FREE_TEXT = 8 << 20
TEXT_RATIO = 8

#: Units of work that reading one member takes.
READ_WORK = 100

SECTION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")

#: Keys of a layer or loss that are not among its options.
RESERVED = frozenset("form class name arrays generators attributes target weights owns_target".split())


def write(target, network, sections=None):
    """Write a network and what belongs to it.

    Parameters
    ----------
    target : str, pathlib.Path or writable binary file
        A file of this name is replaced only when all has been written. An open file is written at its position.
    network : :class:`theanets.Network`
        What to save.
    sections : dict, optional
        Further things by name: dicts with text as keys, lists, tuples, text, numbers, arrays of numbers and
        generators (:class:`numpy.random.RandomState`), nested in each other.

    Raises
    ------
    ConfigurationError
        If something cannot be expressed in an archive, before a file is touched.
    """
    content = pack(network, sections)
    if hasattr(target, "write"):
        target.write(content)
    else:
        files.write_atomically(pathlib.Path(target), content)


def read(source, trusted=(), max_bytes=None):
    """Read what :func:`write` has written.

    Parameters
    ----------
    source : str, pathlib.Path or readable binary file
        An open file is read from its position, and left open behind the archive.
    trusted, max_bytes
        See :func:`theanets.storage.load`.

    Returns
    -------
    network : :class:`theanets.Network`
        Of the class that was saved.
    sections : dict
        The other things by name; empty if there are none.

    Raises
    ------
    LoadError
        If the file is damaged, or is no archive of a network.
    """
    return files.read_from(source, lambda opened: load(opened, trusted), max_bytes)


def load(source, trusted=()):
    """Read an archive from a :class:`theanets.storage.files.Source`, and leave the position behind it.

    Returns
    -------
    network : :class:`theanets.Network`
    sections : dict
    """
    if not source.peek(len(MAGIC)).startswith(MAGIC):
        raise util.LoadError("it is no archive")
    with _damage("it is an archive that is damaged, or ends too early"):
        length = _length(source.part())
    members, spec = _open(source, length)
    network, sections = _build(members, spec, trusted)
    source.handle.seek(source.end if length is None else source.start + length)
    return network, sections


def load_sections(source):
    """Read the sections of an archive, and nothing else.

    Parameters
    ----------
    source : :class:`theanets.storage.files.Source`
        The file.

    Returns
    -------
    sections : dict
    """
    members, spec = _open(source)
    with _damage("it is damaged"):
        return _Reader(members, ()).sections(spec)


# -- writing ----------------------------------------------------------------------------------------------------------


def pack(network, sections=None, partly=False):
    """Return the bytes of an archive; see :func:`write`.

    Parameters
    ----------
    network, sections
        See :func:`write`.
    partly : bool, optional
        Whether a network that cannot be described is left out, with a note of the reason, so that there are only the
        arrays and the sections. Default False.
    """
    sections = dict(sections or {})
    if network.history.rows:
        sections.setdefault("history", network.history.state())
    for name in sections:
        if not isinstance(name, str) or not SECTION.fullmatch(name):
            raise util.ConfigurationError(f"section {name!r}: expected a name of letters, digits, '_', '-' and '.'")
    plan = blueprint.describe(network)
    arrays, generators = {}, []
    try:
        for layer in blueprint.whole_of(network)[0]:
            _check_activation(layer.name, layer.activate)
        spec = _Writer(arrays, "arrays", generators, tuple).network(plan)
    except util.ConfigurationError as error:
        if not partly:
            raise
        arrays, generators = {}, []
        spec = {**_heading(), "left_out": str(error)}
    spec["sections"] = sorted(sections)
    texts = {}
    for name in spec["sections"]:
        writer = _Writer(arrays, f"sections/{name}", generators, list)
        texts[f"sections/{name}.json"] = writer.checked(sections[name], f"section {name!r}")
    writer = _Writer(arrays, "arrays", [], tuple)
    spec["generators"] = [writer.value(_state_of(item), "a generator") for item in generators]
    for name, variable in _variables(plan).items():
        arrays[_member("params", name)] = variable.get_value(borrow=True)
    texts = {"network.json": spec, **texts}
    return _zip(
        {
            **{name: json.dumps(tree, indent=1, allow_nan=False).encode() for name, tree in texts.items()},
            **{f"{name}.npy": _npy(array) for name, array in arrays.items()},
        }
    )


def _heading():
    return {"format": FORMAT, "version": VERSION, "library": f"theanets {__version__}"}


def _check_activation(name, activation):
    """Refuse user-defined activations with state beyond their name and parameters."""
    if hasattr(activation, "f") and hasattr(activation, "g"):
        _check_activation(name, activation.f)
        _check_activation(name, activation.g)
    if activation is None or is_ours(type(activation)):
        return
    for key, value in vars(activation).items():
        is_param = any(value is param for param in activation.params)
        if key not in ("layer", "kwargs", "params") and not is_param and type(value) not in (bool, int, float, str):
            raise util.ConfigurationError(
                f"layer {name!r}: its activation {activation.name!r} holds a {type(value).__name__}, {key!r}, which an "
                "archive cannot hold; save to a file whose name ends in .pkl instead"
            )


def _variables(plan):
    """Return all shared variables by name."""
    variables = {}
    for layer in plan.layers:
        for name, variable in layer.values.items():
            if variables.setdefault(name, variable) is not variable:
                raise util.ConfigurationError(f"layer {layer.name!r}: there are several parameters called {name!r}")
    return variables


def _member(folder, name):
    """Return the name of a member, which must not point to another folder."""
    return f"{folder}/" + re.sub(r"[/\\%\x00-\x1f]", lambda match: f"%{ord(match.group()):02x}", name)


def _npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def _zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            # fixed timestamp and system, so that the same network gives the same bytes.
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _state_of(generator):
    state = generator.get_state(legacy=False)
    return {**state, "has_gauss": int(state["has_gauss"]), "gauss": float(state["gauss"])}


def _form(cls):
    """Return the name of a class of this library as specs have it."""
    names = vars(cls).get("__extra_registration_keys__", ())
    return names[0] if names and issubclass(cls, families()[2]) else cls.__name__.lower()


def _full_name(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


class _Writer:
    """Turns values into what JSON can express, and collects arrays and generators on the way.

    Parameters
    ----------
    arrays : dict
        Where to put arrays, by the names of their members.
    folder : str
        Where members are put.
    generators : list
        Where to put generators.
    sequence : type
        What a list of JSON stands for; the other one of ``list`` and ``tuple`` is marked.
    """

    def __init__(self, arrays, folder, generators, sequence):
        self.arrays = arrays
        self.folder = folder
        self.generators = generators
        self.sequence = sequence
        self.variables = {}
        self.own = {}

    def checked(self, value, where):
        """Return the form of a value, after a look at how it is nested."""
        try:
            check_extent(value)
        except util.LoadError as error:
            raise util.ConfigurationError(f"{where}: {error}") from None
        return self.value(value, where)

    def value(self, value, where):
        """Return what stands for a value; ``where`` says in messages what it belongs to."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"@float": str(value)}
        if type(value) in (list, tuple):
            items = [self.value(item, where) for item in value]
            return items if type(value) is self.sequence else {f"@{type(value).__name__}": items}
        if isinstance(value, dict):
            if all(isinstance(key, str) and not key.startswith("@") for key in value):
                return {key: self.value(item, f"{where}, {key}") for key, item in value.items()}
            pairs = [[self.value(key, where), self.value(item, f"{where}, {key}")] for key, item in value.items()]
            return {"@dict": pairs}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            return {"@array": self._array(value)}
        if isinstance(value, (np.bool_, np.integer, np.floating)) and value.dtype.itemsize <= 8:
            return {"@number": value.dtype.name, "value": self.value(value.item(), where)}
        if isinstance(value, np.random.RandomState):
            return {"@generator": self._generator(value)}
        if isinstance(value, type) and issubclass(value, families()):
            return {"@class": _full_name(value)}
        if id(value) in self.own:
            return {"@variable": self.own[id(value)]}
        kind = value.__name__ if isinstance(value, type) else f"a {type(value).__name__}"
        raise util.ConfigurationError(
            f"{where}: {kind} cannot be written to an archive, which holds text, numbers and arrays; save to a file "
            "whose name ends in .pkl instead"
        )

    def _array(self, array):
        name = f"{self.folder}/{sum(key.startswith(self.folder + '/') for key in self.arrays)}"
        self.arrays[name] = array
        return name

    def _generator(self, generator):
        for i, other in enumerate(self.generators):
            if other is generator:
                return i
        self.generators.append(generator)
        return len(self.generators) - 1

    def network(self, plan):
        """Return the content of ``network.json``."""
        return {
            **_heading(),
            "model": _full_name(plan.model),
            "rng": self.checked(plan.rng, "rng"),
            "seed": self.checked(plan.seed, "seed"),
            "layers": [self._layer(layer) for layer in plan.layers],
            "losses": [self._loss(loss) for loss in plan.losses],
            "pending": self.checked(plan.pending, "the loss to be added"),
            "variables": {label: _describe_variable(variable) for label, variable in self.variables.values()},
            "attributes": self._attributes(plan.attributes, f"model {plan.model.__name__}"),
        }

    def _thing(self, plan, where):
        """Return the class of a layer or loss, and its options."""
        clash = RESERVED.intersection(plan.options)
        if clash:
            raise util.ConfigurationError(f"{where}: an archive cannot hold an option of the name {min(clash)!r}")
        spec = {"form": _form(plan.cls)} if is_ours(plan.cls) else {"class": _full_name(plan.cls)}
        if hasattr(plan, "name"):
            spec["name"] = plan.name
        spec.update((key, self.checked(value, f"{where}, {key}")) for key, value in plan.options.items())
        if plan.attributes:
            spec["attributes"] = self._attributes(plan.attributes, where)
        return spec

    def _attributes(self, attributes, where):
        return {key: self.checked(value, f"{where}, attribute {key}") for key, value in attributes.items()}

    def _layer(self, plan):
        self.own = {id(variable): name for name, variable in plan.values.items()}
        generators = {name: self._generator(rng) for name, rng in plan.generators.items()}
        return {**self._thing(plan, f"layer {plan.name!r}"), "arrays": list(plan.values), "generators": generators}

    def _loss(self, plan):
        kernel = plan.options.get("kernel")
        if isinstance(kernel, families()[-1]):
            plan.options = {**plan.options, "kernel": kernel.bandwidth}
        where = f"loss {plan.cls.__name__}"
        # sorted by name, because the options come from a set.
        plan.options = dict(sorted(plan.options.items()))
        spec = self._thing(plan, where)
        spec["target"] = plan.target if isinstance(plan.target, str) else {"variable": self._label(plan.target, where)}
        if plan.weights is not None:
            spec["weights"] = self._label(plan.weights, where)
        return {**spec, "owns_target": plan.owns_target}

    def _label(self, variable, where):
        if variable.owner is not None:
            raise util.ConfigurationError(f"{where}: its target or weights are an expression, expected a variable")
        if id(variable) not in self.variables:
            name = label = variable.name or "variable"
            used = [label for label, _ in self.variables.values()]
            while label in used:
                label = f"{name}_{used.count(label) + len(used)}"
            self.variables[id(variable)] = label, variable
        return self.variables[id(variable)][0]


def _describe_variable(variable):
    spec = {"name": variable.name, "dtype": variable.type.dtype}
    if hasattr(variable.type, "format"):
        return {**spec, "sparse": variable.type.format}
    return {**spec, "broadcastable": list(variable.type.broadcastable)}


# -- reading ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _damage(words):
    """Context that turns errors about the contents of a file into LoadError."""
    try:
        yield
    except util.LoadError:
        raise
    except util.ConfigurationError as error:
        raise util.LoadError(f"it describes no network: {error}") from error
    except Exception as error:
        raise util.LoadError(f"{words} ({type(error).__name__}: {shorten(error)})") from error


def _build(members, spec, trusted):
    """Build the network of an archive, and return it with the sections."""
    if "left_out" in spec:
        raise util.LoadError(
            f"it is the checkpoint of a training, without its network ({shorten(spec['left_out'])}); make the network, "
            "and go on by train(..., checkpoint='path')"
        )
    with _damage("it is damaged, or describes no network"):
        reader = _Reader(members, trusted)
        plan = reader.network(spec)
        sections = reader.sections(spec)
        plan.history = sections.get("history")
        network = blueprint.build(plan, members.budget)
    return network, sections


def _open(source, length=None):
    """Return the members of an archive, and what it says of itself."""
    with _damage("it is damaged, or no archive of a network"):
        members = _Members(source, length)
        spec = members.json("network.json")
    _check_version(spec)
    return members, spec


def _check_version(spec):
    if not isinstance(spec, dict) or spec.get("format") != FORMAT or not util.is_int(spec.get("version")):
        raise util.LoadError("it is an archive of something else than a network")
    if spec["version"] > VERSION:
        raise util.LoadError(
            f"it has the version {spec['version']} of the format (written by {shorten(spec.get('library'))}), and this "
            f"release knows versions up to {VERSION}; install a newer one"
        )


def _length(part):
    """Return the length of an archive, if its members tell their sizes in front."""
    position = 0

    def take(form, offset):
        part.seek(position + offset)
        return struct.unpack(form, part.read(struct.calcsize(form)))

    def signature():
        part.seek(position)
        return part.read(4)

    while (start := signature()) == MAGIC:
        flags, _, _, _, _, size, _, name, extra = take("<HHHHIIIHH", 6)
        if flags & 8 or size == 0xFFFFFFFF:
            return None
        position += 30 + name + extra + size
    while start == b"PK\x01\x02":
        position += 46 + sum(take("<HHH", 28))
        start = signature()
    if start != b"PK\x05\x06":
        return None
    return position + 22 + take("<H", 20)[0]


class _Members:
    """The files in an archive, of which those are read that are asked for.

    Parameters
    ----------
    source : :class:`theanets.storage.files.Source`
        The file.
    length : int, optional
        Length of the archive. Default: up to the end of the file.
    """

    def __init__(self, source, length=None):
        size = source.end - source.start if length is None else length
        if size > source.limit:
            raise source.too_large()
        self.archive = zipfile.ZipFile(source.part(length))
        infos = self.archive.infolist()
        self.infos = {info.filename: info for info in infos}
        if len(self.infos) != len(infos):
            raise util.LoadError("it is an archive with several members of the same name")
        if "network.json" not in self.infos:
            raise util.LoadError("it is an archive without a member network.json, not one of a network")
        for info in infos:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
                raise util.LoadError(f"member {shorten(info.filename)} is encrypted, or compressed in an unknown way")
        held, allowed = sum(info.file_size for info in infos), source.allowed(size)
        if held > allowed:
            raise util.LoadError(
                f"its members are larger than {allowed} bytes together; if you know where the file is from, say how "
                "many bytes it may take, as in load(path, max_bytes=2**33)"
            )
        self.budget = source.budget(size, held)
        self.text_left = FREE_TEXT + TEXT_RATIO * min(size, source.packed or size)

    def json(self, name):
        """Return the content of a text."""

        def fail(constant):
            raise ValueError(constant)

        self.budget.take_work(READ_WORK)
        self.text_left -= self.infos[name].file_size
        if self.text_left < 0:
            raise util.LoadError(f"it holds a description that is too long ({shorten(name)})")
        content = self.archive.read(name)
        # an upper bound for the number of entries, counted before the text is parsed.
        self.budget.take_work(sum(map(content.count, (b",", b"[", b"{"))))
        return json.loads(content.decode(), parse_constant=fail)

    def array(self, name):
        """Return the array of a member."""
        name = f"{name}.npy"
        self.budget.take_bytes(self.infos[name].file_size)
        self.budget.take_work(READ_WORK)
        content = self.archive.read(name)
        handle = io.BytesIO(content)
        version = np.lib.format.read_magic(handle)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, is_fortran, dtype = header(handle)
        return make_array(dtype, shape, memoryview(content)[handle.tell() :], "F" if is_fortran else "C")


class _Reader:
    """The reverse of a :class:`_Writer`."""

    def __init__(self, members, trusted):
        self.members = members
        self.budget = members.budget
        self.trusted = Maker(trusted).trusted
        self.sequence = tuple
        self.generators = []
        self.classes, self.known = {}, {}

    def value(self, tree):
        """Return the value that a tree of JSON stands for."""
        if isinstance(tree, list):
            return self.sequence(self.value(item) for item in tree)
        if not isinstance(tree, dict):
            return tree
        mark = next((key for key in tree if key.startswith("@")), None)
        if mark is None:
            return {key: self.value(item) for key, item in tree.items()}
        content = tree[mark]
        if mark in ("@list", "@tuple"):
            return {"@list": list, "@tuple": tuple}[mark](self.value(item) for item in content)
        if mark == "@dict":
            return self._dict(content)
        if mark == "@float":
            return {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}[content]
        if mark == "@array":
            return self.members.array(content)
        if mark == "@number":
            if not re.fullmatch(r"bool|u?int(8|16|32|64)|float(16|32|64)", content):
                raise ValueError(f"a number of type {content}")
            return np.dtype(content).type(self.value(tree["value"]))
        if mark == "@generator":
            return self.generators[content]
        if mark == "@class":
            return self.find_class(content)
        if mark == "@variable":
            return blueprint.Reference(content)
        raise ValueError(f"unknown mark {mark}")

    def _dict(self, pairs):
        """Return a dict with keys of any kind."""
        result = {}
        for key, item in pairs:
            key = self.value(key)
            self.budget.check_key(key, len(result))
            result[key] = self.value(item)
        return result

    def find_class(self, name, family=None):
        """Return a class of layers, losses, activations or models."""
        if name not in self.classes:
            self.budget.take_work(WORK["variable"])
            self.classes[name] = find_class(name, self.trusted)
        found = self.classes[name]
        if found is None:
            raise refuse(shorten(name))
        if family is not None and not (isinstance(found, type) and issubclass(found, family)):
            raise util.LoadError(f"it holds a {shorten(name)} where a {family.__name__} should be")
        return found

    def network(self, spec):
        """Return the description of a network."""
        model, layer, loss = families()[:3]
        self.generators = self._generators(spec)
        self.budget.take_work(WORK["variable"] * len(spec["variables"]))
        variables = {label: _make_variable(item) for label, item in spec["variables"].items()}
        return blueprint.Blueprint(
            self.find_class(spec["model"], model),
            self.value(spec["rng"]),
            self.value(spec["seed"]),
            self.value(spec["pending"]),
            [self._layer(item, layer) for item in spec["layers"]],
            [self._loss(item, loss, variables) for item in spec["losses"]],
            self.value(spec["attributes"]),
        )

    def sections(self, spec):
        """Return the sections by name."""
        if not self.generators:
            self.generators = self._generators(spec)
        before, self.sequence = self.sequence, list
        try:
            return {name: self.value(self.members.json(f"sections/{name}.json")) for name in spec["sections"]}
        finally:
            self.sequence = before

    def _generators(self, spec):
        self.budget.take_work(WORK["generator"] * len(spec["generators"]))
        return [make_generator(self.value(state)) for state in spec["generators"]]

    def _class(self, spec, family):
        if "class" in spec:
            return self.find_class(spec["class"], family)
        if family not in self.known:
            self.known[family] = {_form(cls): cls for cls in subclasses(family) if is_ours(cls)}
        known = self.known[family]
        if spec.get("form") not in known:
            raise util.unknown(family.kind, shorten(spec.get("form")), known)
        return known[spec["form"]]

    def _layer(self, spec, family):
        return blueprint.LayerPlan(
            self._class(spec, family),
            spec["name"],
            {key: self.value(value) for key, value in spec.items() if key not in RESERVED},
            {name: self.generators[i] for name, i in spec["generators"].items()},
            {name: self.members.array(_member("params", name)) for name in spec["arrays"]},
            {key: self.value(value) for key, value in spec.get("attributes", {}).items()},
        )

    def _loss(self, spec, family, variables):
        target = spec["target"]
        return blueprint.LossPlan(
            self._class(spec, family),
            {key: self.value(value) for key, value in spec.items() if key not in RESERVED},
            variables[target["variable"]] if isinstance(target, dict) else target,
            variables[spec["weights"]] if "weights" in spec else None,
            spec["owns_target"],
            {key: self.value(value) for key, value in spec.get("attributes", {}).items()},
        )


def _make_variable(spec):
    import theano.sparse as SS
    import theano.tensor as TT

    if not isinstance(spec["name"], (str, type(None))) or len(spec.get("broadcastable", ())) > 32:
        raise ValueError("a variable without a name")
    if not re.fullmatch(r"bool|u?int(8|16|32|64)|float(16|32|64)", spec["dtype"]):
        raise ValueError(f"a variable of type {spec['dtype']}")
    if "sparse" in spec:
        return SS.SparseType(spec["sparse"], spec["dtype"])(spec["name"])
    return TT.TensorType(spec["dtype"], tuple(map(bool, spec["broadcastable"])))(spec["name"])
