"""Small files that were made to take all memory, or all day.

``python -m tests.storage.hostile [part of a name]`` loads them, and shows seconds and megabytes of each.
"""

# The functions that are generated are called before the loops go on.
# ruff: noqa: B023

import functools
import gc
import gzip
import io
import json
import logging
import pickle
import struct
import sys
import time
import warnings
import zipfile

import numpy as np
import theanets
from theanets.storage import archive, pickles

MIB = 1 << 20
#: Zeros compress a thousandfold.
MUCH = 40 * MIB


def files():
    """Generate names, functions that make files of up to 1 MB, and how many bytes these hold, of arrays or unpacked.

    A function is to be called before the next one is asked for.
    """
    for make in (_networks_with, _containers, _legacy, _archives, _others):
        yield from make()


def _zipped(content):
    return gzip.compress(content, 1 if len(content) > MIB else 9, mtime=0)


# -- pickles ----------------------------------------------------------------------------------------------------------


def text(word):
    """The instruction for a text."""
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def number(value):
    """The instruction for an integer of up to 255 bytes."""
    content = pickle.encode_long(value)
    return b"\x8a" + bytes([len(content)]) + content


def keep(instructions, place=200):
    """Make something, keep it under a number, and take it off the stack."""
    return instructions + put(place) + b"0"


def put(place=200):
    """Keep what is on top of the stack under a number that the network itself does not use."""
    return b"r" + struct.pack("<I", 100_000 + place)


def get(place=200):
    """What is kept under a number."""
    return b"j" + struct.pack("<I", 100_000 + place)


def listing(items):
    """A list of what instructions make."""
    return b"](" + items + b"e"


def shell(payload, before=b"", attribute="extra"):
    """A pickle of a network with nothing but an attribute."""
    state = b"}(" + text("_default_loss") + b"N" + text(attribute) + payload + b"u"
    return b"\x80\x04" + before + b"ctheanets.feedforward\nRegressor\n)\x81" + state + b"b."


def attached(payload, before=b""):
    """A pickle of a whole network with an attribute more."""
    content = pickle.dumps(theanets.Regressor([2, 3, 1]), 2)
    assert content[:2] == b"\x80\x02" and content[-3:] == b"ub."
    return b"\x80\x04" + before + content[2:-3] + text("extra") + payload + b"ub."


FLOATS = (
    b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x89\x88\x87R"
    b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
BYTES = b"B" + struct.pack("<I", MUCH) + bytes(MUCH)
SHAPE = number(MUCH // 4) + b"\x85"
FROM_BUFFER = b"cnumpy._core.numeric\n_frombuffer\n(" + get(201) + get(202) + SHAPE + text("C") + b"tR"
ARRAY = (
    b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01" + SHAPE + get(202) + b"\x89"
    + get(201) + b"tb"
)
GENERATOR = b"cnumpy.random\n__RandomState_ctor\n)R"
SHARED = (
    b"ctheano.tensor.sharedvar\nTensorSharedVariable\n)\x81}(" + text("container")
    + b"ctheano.gof.link\nContainer\n)\x81}("
    + text("storage") + listing(get(203)) + b"ub" + text("name") + text("a") + b"ub"
)


def colliding_pairs(count):
    """Tuples of two integers that have the same hash, found by undoing the last round of the hash of tuples."""
    bits = (1 << 64) - 1
    one, two, five = 11400714785074694791, 14029467366897019727, 2870177450012600261
    turn = lambda value: (value << 31 | value >> 33) & bits  # noqa: E731
    back, inverse = lambda value: (value >> 31 | value << 33) & bits, pow(one, -1, 1 << 64)
    wanted, undo, found, first = 12345, pow(two, -1, 1 << 64), [], 0
    while len(found) < count:
        first += 1
        state = turn((five + first * two) & bits) * one & bits
        lane = (back(wanted * inverse & bits) - state) * undo & bits
        if lane < (1 << 61) - 1:
            found.append((first, lane))
    assert len({hash(pair) for pair in found}) == 1
    return found


def nested(width, depth, make=lambda items: b"](" + items + b"e"):
    """Containers that hold the one before many times."""
    content = make(b"K\x01")
    for _ in range(depth):
        content = content + put() + b"0" + make(get() * width)
    return content


def _networks_with():
    """Networks with something added."""
    shared = keep(FLOATS, 202) + keep(BYTES, 201)
    payloads = {
        "one array forty times, by a buffer": (listing(FROM_BUFFER * 40), shared),
        "one array forty times, by its state": (listing(ARRAY * 40), shared),
        "one text of bytes forty times": (
            listing((b"c_codecs\nencode\n" + get(201) + text("latin1") + b"\x86R") * 40),
            keep(b"X" + BYTES[1:], 201)),
        "the same text as an array, forty times": (
            listing((b"cbuiltins\nbytes\n" + get(201) + b"\x85R") * 40), keep(b"T" + BYTES[1:], 201)),
        "generators": (listing(GENERATOR * 60_000), b""),
        "generators of a long list": (
            listing((GENERATOR + b"(X\x07\x00\x00\x00MT19937" + get(204) + b"K\x00K\x00K\x00tb") * 5000),
            keep(listing(b"K\x01" * 300_000), 204)),
        "types of variables": (listing(b"ctheano.tensor.type\nTensorType\n)\x81}(" + text("dtype") + text("float32")
                                       + text("broadcastable") + get(204) + b"ub"), keep(
                                           b"(" + b"\x88" * 100_000 + b"t", 204)),
        "shared variables": (listing(SHARED * 5000), keep(FLOATS, 202) + keep(
            b"cnumpy._core.multiarray\nscalar\n" + get(202) + b"C\x04abcd\x86R", 203)),
        "sets of one list": (listing((b"cbuiltins\nset\n" + get(204) + b"\x85R") * 10_000),
                             keep(listing(b"".join(number(i) for i in range(30_000))), 204)),
        "dicts of one list": (listing((b"ccollections\nOrderedDict\n" + get(204) + b"\x85R") * 10_000),
                              keep(listing(b"K\x01K\x01\x86" * 20_000), 204)),
        "objects with one state": (
            listing((b"ctheanets.layers.feedforward\nFeedforward\n)\x81" + get(204) + b"b") * 10_000),
            keep(b"}(" + b"".join(text(f"a{i}") + b"N" for i in range(30_000)) + b"u", 204)),
        "models": (listing(b"ctheanets.feedforward\nRegressor\n)\x81" * 10_000), b""),
        "models of the same layers": (
            listing((b"ctheanets.feedforward\nRegressor\n)\x81}(" + text("layers") + get(205) + text("losses") + b"]ub")
                    * 3000), keep(listing(
                        b"ctheanets.layers.inputs\nInput\n)\x81}(X\x04\x00\x00\x00name" + text("in")
                        + b"X\x06\x00\x00\x00kwargs}ub") + put(206) + b"0" + listing(get(206) * 2000), 205)),
        "a shape of nested tuples": (ARRAY.replace(SHAPE, get(207)), shared + nested(
            90, 20, lambda items: b"(" + items + b"t") + put(207) + b"0"),
        "a type of nested tuples": (b"cnumpy\ndtype\n" + get(207) + b"\x85R", nested(
            90, 20, lambda items: b"(" + items + b"t") + put(207) + b"0"),
        "a generator of nested tuples": (GENERATOR + b"}(" + text("bit_generator") + get(207) + b"ub", nested(
            90, 20, lambda items: b"(" + items + b"t") + put(207) + b"0"),
    }
    for name, (payload, before) in payloads.items():
        held = MUCH if MUCH < len(before) + len(payload) else 0
        for how, wrap in (("shell", shell), ("network", attached)):
            yield f"{name} ({how})", lambda: _zipped(wrap(payload, before)), held
    rows = keep(b"}(" + text("epoch") + b"K\x01" + text("stage") + b"K\x01" + text("stopped") + b"N"
                + b"".join(text(f"train_{i}") + b"K\x01" for i in range(300)) + b"u", 210)
    history = (b"ctheanets.trainer.history\nHistory\n)\x81}(" + text("rows") + listing(get(210) * 200_000)
               + text("validations") + b"]" + text("stopped") + b"N" + text("best") + b"Nub")
    yield "a history of one row", lambda: _zipped(shell(history, rows, "_history")), 0
    state = b"}(" + history.split(b"}(", 1)[1][:-1]
    yield "a state of a history of one row", lambda: _zipped(
        pickle.dumps(theanets.Regressor([2, 1]), 2).replace(b"\x80\x02", b"\x80\x04" + rows, 1)[:-3]
        + text("_history") + state + b"ub."), 0


def _containers():
    """Many things in a few bytes."""
    many = 5_000_000
    for name, content in {
        "sets": b"\x8f" * many, "dicts": b"}" * many, "lists": b"]" * many, "tuples": b"K\x01\x85" * many,
        "marks": b"(" * many, "frozensets": b"(K\x01\x91" * (many // 3), "records": b"2)\x81" * (many // 3),
        "names": b"ca\nb\n" * (many // 5), "kept": b"N\x94" * (many // 2), "copies": b"N" + b"2" * many,
        "numbers": b"G" + b"".join(struct.pack(">d", i) + b"G" for i in range(100_000))[:-1],
        "texts": b"".join(text(f"{i:06}") for i in range(90_000)), "long numbers": number(2**2000) * 20_000,
    }.items():
        start = b"ctheanets.feedforward\nRegressor\n" if name == "records" else b"N"
        for how, wrap in (("within", lambda c: shell(start + listing(c) if name != "records" else start + c)),
                          ("alone", lambda c: b"\x80\x04" + start + c + b".")):
            whole = wrap(content)
            yield f"{name}, {how}, packed", lambda: _zipped(whole), 0
            if len(whole) > MIB:
                yield f"{name}, {how}", lambda: wrap(content[:1_000_000 - 200]), 0
    deep = 300_000
    for name, content in {
        "lists": b"]" * deep + b"a" * (deep - 1), "tuples": b")" + b"\x85" * deep,
        "records": b"ca\nb\nq\x01)" + b"0h\x01h\x01\x85R" * (deep // 5),
        "shared lists": nested(80, 99), "wide shared lists": nested(5000, 99), "pairs": nested(2, 25),
        "shared tuples": nested(80, 99, lambda items: b"(" + items + b"t"),
        "shared dicts": nested(2, 60, lambda items: b"}(" + text("a") + items[:2] + text("b") + items[-2:] + b"u"),
        "two paths": b"]" + put(200) + b"]" + put(201) + (get(200) + get(201) + b"a" + get(201) + get(200) + b"a") * 5,
        "keys of tuples": b"}" + nested(95, 3, lambda items: b"(" + items + b"t") + put(207) + b"0" + b"(" + (
            get(207) + b"N") * 10_000 + b"u",
        "integers that collide": b"}(" + b"".join(number(i * (2**61 - 1)) + b"N" for i in range(1, 40_000)) + b"u",
        "members that collide": b"\x8f(" + b"".join(number(i * (2**61 - 1)) for i in range(1, 40_000)) + b"\x90",
        "frozen members that collide": b"(" + b"".join(number(i * (2**61 - 1)) for i in range(1, 40_000)) + b"\x91",
        "pairs that collide": b"}(" + b"".join(
            number(a) + number(b) + b"\x86N" for a, b in colliding_pairs(30_000)) + b"u",
        "a set of pairs that collide": b"cbuiltins\nset\n" + listing(b"".join(
            number(a) + number(b) + b"\x86" for a, b in colliding_pairs(30_000))) + b"\x85R",
        "text of four bytes a letter": b"X" + struct.pack("<I", 4 * 10 * MIB) + "\U0001f600".encode() * (10 * MIB),
        "a name without an end": b"c" + b"a" * 900_000,
        "a text longer than the file": b"X\xff\xff\xff\x7fabc",
        "bytes longer than the file": b"\x8e" + b"\xff" * 7 + b"\x00",
        "a number without an end": b"I" + b"9" * 900_000 + b"\n",
        "a long number without an end": b"L" + b"9" * 900_000,
    }.items():
        for how, wrap in (("within", shell), ("whole", attached), ("alone", lambda c: b"\x80\x04" + c + b".")):
            yield f"nested {name}, {how}", lambda: _zipped(wrap(content)), 0
    sealed = pickles.seal(shell(listing(b"\x8f" * many)))
    yield "sets, sealed and packed", lambda: _zipped(sealed), 0


# -- files of the reference release -----------------------------------------------------------------------------------


def _legacy():
    shared = keep(FLOATS, 202) + keep(BYTES, 201)
    layer = lambda options: (  # noqa: E731
        b"ctheanets.layers.feedforward\nFeedforward\n)\x81}(" + text("name") + text("hid1") + text("kwargs") + b"}("
        + options + b"u" + text("_input_shapes") + b"}ub")
    first = (b"ctheanets.layers.base\nInput\n)\x81}(" + text("name") + text("in") + text("kwargs") + b"}("
             + text("shape") + b"K\x04\x85u" + text("_input_shapes") + b"}ub")
    network = lambda layers, before=b"": (  # noqa: E731
        b"\x80\x04" + before + b"ctheanets.feedforward\nRegressor\n)\x81}(" + text("layers") + listing(layers)
        + text("losses") + b"]ub.")
    yield "legacy layers of one array", lambda: _zipped(network(
        first + layer(text("mean") + ARRAY) * 40, shared)), MUCH
    yield "legacy arrays", lambda: _zipped(network(
        first + layer(text("size") + b"K\x03" + text("a") + ARRAY) * 40, shared)), MUCH
    yield "legacy parameters of one array", lambda: _zipped(network(
        first + layer(text("size") + b"K\x03") + SHARED * 40, shared + keep(ARRAY, 203))), MUCH
    yield "legacy layers without an end", lambda: _zipped(network(first + layer(text("size") + b"K\x03") * 1990)), 0
    yield "legacy names", lambda: _zipped(network(
        first + layer(b"".join(text(f"size{i}") + b"K\x03" for i in range(60_000))))), 0
    yield "legacy nested", lambda: _zipped(network(first + layer(text("size") + nested(80, 99)))), 0


# -- archives ---------------------------------------------------------------------------------------------------------


def repacked(change=None, members=None, packed=True, network=None):
    """An archive of a network whose description has been changed, with members more."""
    source = zipfile.ZipFile(io.BytesIO(archive.pack(network or theanets.Regressor([2, 3, 1]))))
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as target:
        for info in source.infolist():
            content = source.read(info.filename)
            if info.filename == "network.json" and change is not None:
                spec = json.loads(content)
                content = change(spec) or json.dumps(spec)
            if info.filename not in (members or {}):
                target.writestr(info.filename, content)
        for name, content in (members or {}).items():
            target.writestr(name, content)
    return handle.getvalue()


def npy(array):
    """An array as a member holds it."""
    handle = io.BytesIO()
    np.save(handle, array)
    return handle.getvalue()


def on_layer(**options):
    """Change the options of the hidden layer."""
    return lambda spec: spec["layers"][1].update(options)


def chain(count, **options):
    """Let a description have many layers."""
    def change(spec):
        first, hidden, last = spec["layers"]
        blank = {**hidden, "arrays": [], "generators": {}}
        many = [{**blank, "name": f"h{i}", "inputs": f"h{i - 1}" if i else "in", **options} for i in range(count)]
        spec["layers"] = [first, *many, dict(last, inputs=many[-1]["name"])]
    return change


def losses(count):
    """Let a description have many losses."""
    return lambda spec: spec.update(losses=spec["losses"] * count)


def _archives():
    big = {"params/big.npy": npy(np.zeros(MUCH // 4, "f"))}
    wide = npy(np.zeros((3000, 3000), "f"))
    cases = {
        "one array forty times": (
            on_layer(attributes={f"a{i}": {"@array": "params/big"} for i in range(40)}), big, MUCH),
        "one parameter a thousand times": (on_layer(arrays=["hid1.w"] * 100_000), None, 0),
        "one big parameter a thousand times": (
            on_layer(arrays=["big"] * 1000), big, MUCH),
        "a million dicts": (on_layer(attributes={"a": [{}] * 3_000_000}), None, 0),
        "deep lists": (lambda spec: "[" * 500_000, None, 0),
        "deep attributes": (lambda spec: json.dumps(spec).replace('"rng": 13', '"rng": ' + "[" * 90_000 + "]" * 90_000),
                            None, 0),
        "integers that collide": (on_layer(attributes={"a": {"@dict": [[i * (2**61 - 1), 1] for i in range(40_000)]}}),
                                  None, 0),
        "pairs that collide": (on_layer(attributes={"a": {"@dict": [[pair, 1] for pair in colliding_pairs(30_000)]}}),
                               None, 0),
        "generators": (lambda spec: spec.update(generators=spec["generators"] * 20_000), None, 0),
        "variables": (lambda spec: spec.update(variables={
            f"v{i}": dict(name="v", dtype="float32", broadcastable=[False]) for i in range(40_000)}), None, 0),
        "sections": (lambda spec: spec.update(sections=["a"] * 100_000), {"sections/a.json": "[1, 2]"}, 0),
        "layers": (chain(1990, size=1), None, 0),
        "layers without parameters": (chain(1990, form="flatten"), None, 0),
        "losses": (losses(1990), None, 0),
        "options that nobody knows": (on_layer(**{f"sizze{i}": 1 for i in range(40_000)}), None, 0),
        "inputs": (on_layer(inputs=["in"] * 90_000), None, 0),
        "inputs of other names": (on_layer(inputs=[f"in{i}" for i in range(40_000)]), None, 0),
        "many layers of many inputs": (chain(1000, form="sum", inputs=["in"] * 90), None, 0),
        "activations": (chain(300, activation="+".join(["relu"] * 1900)), None, 0),
        "one long activation": (on_layer(activation="+".join(["relu"] * 1900)), None, 0),
        "pieces of maxout": (on_layer(activation="maxout:900000000"), None, 0),
        "a large size": (on_layer(size=10**9), None, 0),
        "a large shape": (on_layer(shape=[10**9, 10**9]), None, 0),
        "sizes of the file": (chain(30, size=1000), None, 0),
        "an array as a mean": (on_layer(size=900, mean={"@array": "params/a"}, arrays=[]),
                               {"params/a.npy": npy(np.zeros((3000, 1, 1)))}, 0),
        "a singular value of parameters that are missing": (
            on_layer(form="rnn", size=3000, radius=1.0, mean=1.0, arrays=["hid1.other"]),
            {"params/hid1.other.npy": wide}, wide.__len__()),
        "a diagonal": (on_layer(size=900, diagonal={"@array": "params/a"}, arrays=[]),
                       {"params/a.npy": npy(np.zeros(3000))}, 0),
        "a class of many dots": (on_layer(**{"class": "a." * 200_000}), None, 0),
        "a long name": (on_layer(name="a" * 900_000), None, 0),
        "a long text": (lambda spec: json.dumps(spec)[:-1] + ', "more": "' + "\U0001f600" * (10 * MIB) + '"}', None, 0),
        "a history": (None, {"sections/history.json": json.dumps({"rows": [{"epoch": 1, "stage": 1, "stopped": None}]
                                                                  * 100_000, "validations": [], "stopped": None})}, 0),
        "ten thousand members": (None, {f"params/{i}.npy": b"" for i in range(7000)}, 0),
        "a header of brackets": (None, {"params/hid1.w.npy": b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000}, 0),
        "a long header": (None, {"params/hid1.w.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\x00" + b" " * (10 * MIB)}, 0),
        "an array without numbers": (None, {"params/hid1.w.npy": npy(np.zeros((0, 10), "f")).replace(
            b"(0, 10)", b"(0, 2**62)")}, 0),
        "an array of more than there is": (None, {"params/hid1.w.npy": npy(np.zeros((2, 3), "f")).replace(
            b"(2, 3)", b"(99999, 99999)")}, 0),
    }
    for name, (change, members, held) in cases.items():
        yield f"archive: {name}", lambda: repacked(change, members), held
        yield f"archive: {name}, packed again", lambda: _zipped(repacked(change, members)), held
    yield "archive: zeros, packed again", lambda: _zipped(repacked(None, {"params/a.npy": bytes(60 * MIB)})), 60 * MIB
    yield "archive: of archives", lambda: _zipped(repacked(None, {
        f"params/{i}.npy": zipfile_of_zeros() for i in range(50)}, packed=False)), 0
    yield "archive: overlapping members", overlapping, 0


@functools.cache
def zipfile_of_zeros():
    """A small archive of a lot."""
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("zeros", bytes(10 * MIB))
    return handle.getvalue()


def overlapping(count=10_000):
    """An archive whose directory names the same bytes over and over."""
    content = repacked()
    start = content.index(b"PK\x01\x02")
    entry = content[start:content.index(b"PK\x01\x02", start + 4)]
    size = 46 + sum(struct.unpack_from("<HHH", entry, 28))
    name = struct.unpack_from("<H", entry, 28)[0]
    entries = b"".join(entry[:46] + f"{i:0{name}}".encode()[:name] + entry[46 + name:size] for i in range(count))
    directory = content[start:content.index(b"PK\x05\x06")] + entries
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, min(count, 65535), min(count, 65535), len(directory), start, 0)
    return content[:start] + directory + end


def _others():
    for name, content in {
        "nothing": b"", "zeros": bytes(1_000_000), "text": b"The quick brown fox" * 10_000, "a mark": b"(" * 1_000_000,
        "headers of archives": (b"PK\x03\x04" + bytes(26)) * 30_000, "an end of an archive": b"PK\x03\x04" + bytes(100)
        + b"PK\x05\x06" + bytes(18),
        "packed zeros": gzip.compress(bytes(100 * MIB), 1), "a packed pickle of zeros": gzip.compress(
            b"\x80\x04B\xff\xff\xff\x3f" + bytes(100 * MIB), 1),
        "packed nothing": gzip.compress(b""), "packed many times": gzip.compress(b"") * 30_000,
        "a seal of a length": pickles.SEAL_START + b"\xff" * 7 + b"\x00" + bytes(32) + b"0" + bytes(1000),
    }.items():
        yield name, lambda: content, 0


# -- what they do -----------------------------------------------------------------------------------------------------


def megabytes(key):
    """The memory of this process, by a key of the system's."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) / 1024


def load_all(wanted):
    """Load those files whose number and name are wanted; generate name, seconds, megabytes more, and what came out."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    for i, (name, make, held) in enumerate(files()):
        if not wanted(i, name):
            continue
        content = make()
        assert len(content) <= MIB, (name, len(content))
        gc.collect()
        with open("/proc/self/clear_refs", "w", encoding="ascii") as peak:
            # the peak begins anew.
            peak.write("5")
        before, began = megabytes("VmRSS"), time.process_time()
        try:
            theanets.Network.load(io.BytesIO(content))
            outcome = "loaded"
        except theanets.util.LoadError as error:
            outcome = f"refused: {str(error)[:200]}"
        yield name, time.process_time() - began, megabytes("VmHWM") - before - held / MIB, outcome


if __name__ == "__main__":
    part = " ".join(sys.argv[1:])
    for name, seconds, more, outcome in load_all(lambda i, name: part in name):
        print(f"{'*' * (seconds > 2 or more > 300):2}{seconds:6.2f} s {more:5.0f} MB  {name}: {outcome}", flush=True)
