"""Loading takes no more memory and work than a file is worth; foreign files are refused by their first bytes."""

import gzip
import io
import json
import os
import random
import zipfile

import numpy as np
import pytest
import theanets
from theanets import util
from theanets.storage import archive, budget

from tests.helpers import python
from tests.storage import hostile

# Without counting, each of these takes gigabytes or minutes.
ALWAYS = (
    "one array forty times, by its state (network)", "archive: one array forty times", "sets, within, packed",
    "nested wide shared lists, within", "nested shared lists, whole", "nested integers that collide, within",
    "nested pairs that collide, within", "nested keys of tuples, within", "archive: integers that collide",
    "legacy layers of one array", "a packed pickle of zeros",
)

LOAD = """
import os, resource, sys
from tests.storage import hostile
always, share, offset = sys.argv[1].split("|"), int(sys.argv[2]), int(sys.argv[3])
# far above what they take, so that a file that is not counted is noticed soon.
resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
resource.setrlimit(resource.RLIMIT_AS, (int(hostile.megabytes("VmSize") + 1000) << 20,) * 2)
count, heavy = 0, []
for name, seconds, more, outcome in hostile.load_all(lambda i, name: name in always or i % share == offset):
    count += 1
    if more > 300 or "MemoryError" in outcome:
        heavy.append((name, more, outcome))
print(count, heavy)
"""


def test_small_hostile_files_take_little_memory():
    """Some of them, one out of thirty; ``THEANETS_HOSTILE=1`` loads all of them."""
    share = int(os.environ.get("THEANETS_HOSTILE", 30))
    out, _ = python(LOAD, "|".join(ALWAYS), share, random.Random(1).randrange(share))
    count, heavy = out.split(maxsplit=1)
    assert int(count) > len(ALWAYS) and heavy.strip() == "[]"


@pytest.mark.parametrize("start", [b"", b"\x89HDF", b"<html>", b"%PDF-1.7", b"\x7fELF", b"PK\x03\x04", b"\x1f\x8b\x08",
                                   b"\x80\x04", b"c", b"T\xff\xff\xff\x10", b"X\x00\x00\x00\x20"])
def test_foreign_files_are_refused_by_their_first_bytes(start, tmp_path):
    """The file has a gigabyte of zeros, which take no room on the disk."""
    path = tmp_path / "m.pkl"
    with open(path, "wb") as handle:
        handle.write(start)
        handle.truncate(1 << 30)
    read = []

    class Watched(io.FileIO):
        def readinto(self, buffer):
            read.append(super().readinto(buffer))
            return read[-1]

    with io.BufferedReader(Watched(path)) as handle, pytest.raises(util.LoadError):
        theanets.Network.load(handle)
    assert sum(read) < 4 << 20


def test_of_a_foreign_archive_only_the_directory_is_read(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, a=np.zeros(1 << 22), b=np.zeros(1 << 22))
    with open(path, "rb") as raw:
        read = []
        handle = type("Watched", (), {
            "read": lambda self, count=-1: read.append(raw.read(count)) or read[-1],
            "seek": lambda self, *where: raw.seek(*where),
            "tell": lambda self: raw.tell(), "seekable": lambda self: True})()
        with pytest.raises(util.LoadError, match=r"network\.json"):
            theanets.Network.load(handle)
    assert sum(map(len, read)) < 1 << 20


def test_long_histories_and_large_attributes_are_no_attack(tmp_path):
    network = theanets.Regressor([2, 1])
    for i in range(500):
        figures = {f"monitor{k}": i + k / 7 for k in range(8)}
        network.history.add(1, figures, figures, 0.1, 0.1)
    network.extra = {"table": [[i, str(i)] for i in range(2000)], ("a", 1): np.arange(1000.0)}
    for name in ("m.npz", "m.pkl", "m.pkl.gz"):
        if name == "m.npz":
            network.extra.pop(("a", 1), None)
        network.save(tmp_path / name)
        again = theanets.Network.load(tmp_path / name)
        assert again.history.rows == network.history.rows and len(again.extra["table"]) == 2000


def test_what_the_user_allows_is_allowed():
    """A file of many objects that packs well."""
    content = gzip.compress(hostile.attached(hostile.listing(b"]" * 140_000)))
    with pytest.raises(util.LoadError, match="max_bytes"):
        theanets.Network.load(io.BytesIO(content))
    assert len(theanets.Network.load(io.BytesIO(content), max_bytes=10**7).extra) == 140_000


def test_arrays_that_are_referred_to_twice_are_copies():
    """Within what is left, a member may be shared, as another tool may write it; nothing of the network is."""
    network = theanets.Regressor([2, 2, 2])
    source = zipfile.ZipFile(io.BytesIO(archive.pack(network)))
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w") as target:
        for info in source.infolist():
            content = source.read(info.filename)
            if info.filename == "network.json":
                spec = json.loads(content)
                spec["layers"][1]["attributes"] = {f"a{i}": {"@array": "params/out.w"} for i in range(3)}
                content = json.dumps(spec)
            target.writestr(info.filename, content)
    layer = theanets.Network.load(io.BytesIO(handle.getvalue())).layers[1]
    layer.a0[:] = 7
    assert not (layer.a1 == 7).any()


@pytest.mark.parametrize("key, count, fits", [
    ("a", 10**9, True), (1, 10**9, True), (2**64, 10**9, False), ((1, 2), 10**9, False), ((1, 2), 10, True),
    (2**200, 10, True),
])
def test_keys_that_may_collide_count_for_all_there_are(key, count, fits):
    if fits:
        budget.Budget(0).check_key(key, count)
    else:
        with pytest.raises(util.LoadError):
            budget.Budget(0).check_key(key, count)


@pytest.mark.parametrize("key", [[], {}, frozenset(), ((((1,),),),), tuple(range(200)), b"a".__class__])
def test_what_is_no_key(key):
    with pytest.raises(util.LoadError, match="key"):
        budget.Budget(0).check_key(key)


def test_containers_are_measured_once():
    wide = [1]
    for _ in range(60):
        wide = [wide]
    extent = budget.Extent(1000)
    extent.check(wide)
    extent.check([wide, wide])
    deep = wide
    for _ in range(50):
        deep = [deep]
    with pytest.raises(util.LoadError, match="deep"):
        extent.check(deep)
    for _ in range(10):
        wide = (wide, wide)
    with pytest.raises(util.LoadError, match="entries"):
        extent.check(wide)

