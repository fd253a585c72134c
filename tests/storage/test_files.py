"""Files are replaced as a whole or not at all, and are read up to a limit."""

import gzip
import io
import os
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import theanets
from hypothesis import given
from hypothesis import strategies as st
from theanets import util
from theanets.storage import files

from tests.helpers import python

# Saves a network whose parameters are all one number over and over, is killed, and is looked at, many times.
KILL = """
import logging, os, random, signal, sys, time
import numpy as np
import theanets
logging.disable(logging.CRITICAL)
folder, names, rounds = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
network = theanets.Autoencoder([30, 40, 30])
chance = random.Random(1)
killed_amid, seen = 0, set()

def save_forever(path):
    for number in range(1, 1000000):
        for param in network.params:
            param.set_value(np.full_like(param.get_value(), number))
        network.save(path)
        # only now the file is known to be complete.
        os.write(pipe, b".")

for i in range(rounds):
    path = os.path.join(folder, names[i % len(names)])
    reader, pipe = os.pipe()
    child = os.fork()
    if not child:
        save_forever(path)
    os.read(reader, 1)
    time.sleep(chance.random() * 0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader), os.close(pipe)
    values = {float(value) for param in theanets.Network.load(path).params for value in param.get_value().ravel()}
    assert len(values) == 1, values
    seen |= values
print(len(seen) > 1, sorted(os.listdir(folder)))
"""


def test_a_process_that_is_killed_while_saving_leaves_a_whole_file(tmp_path):
    names = ["m.npz", "m.pkl", "m.pkl.gz"]
    out, _ = python(KILL, tmp_path, ",".join(names), 45)
    several, left = out.split(maxsplit=1)
    assert several == "True"
    # a process may have been killed between naming a new file and moving it to its place.
    others = set(eval(left)) - set(names)
    assert all(name.startswith(".m.") and name.endswith(".tmp") for name in others) and len(others) < 20


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize("unnamed", [True, False])
def test_a_full_disk_leaves_the_old_file(step, unnamed, tmp_path, monkeypatch):
    path = tmp_path / "m.pkl"
    theanets.Regressor([2, 1]).save(path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    if not unnamed:
        monkeypatch.setattr(files, "_write_unnamed", lambda path, content: None)
    if step == "write":
        monkeypatch.setattr(files, "_fill", fail)
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        theanets.Regressor([2, 3, 1]).save(path)
    assert os.listdir(tmp_path) == ["m.pkl"] and path.read_bytes() == before


@pytest.mark.parametrize("unnamed", [True, False])
def test_new_files_have_the_usual_permissions(unnamed, tmp_path, monkeypatch):
    if not unnamed:
        monkeypatch.setattr(files, "_write_unnamed", lambda path, content: None)
    files.write_atomically(tmp_path / "new", b"1")
    (tmp_path / "plain").write_bytes(b"1")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    os.chmod(tmp_path / "new", 0o600)
    files.write_atomically(tmp_path / "new", b"22")
    assert (tmp_path / "new").read_bytes() == b"22" and (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_replaced_is_written_to():
    files.write_atomically("/dev/null", b"123")
    assert not os.path.isfile("/dev/null")


@given(st.binary(max_size=300), st.integers(1, 400))
def test_no_more_is_read_than_the_limit(content, limit):
    source = files.Source(io.BytesIO(content), limit)
    if len(content) > limit:
        with pytest.raises(util.LoadError, match="max_bytes"):
            source.read()
    else:
        assert source.read() == content


def test_compressed_files_that_grow_too_large_are_refused(tmp_path):
    bomb = gzip.compress(b"\x80\x04B" + bytes(200 << 20), compresslevel=1)
    assert len(bomb) < 2 << 20
    (tmp_path / "m.pkl.gz").write_bytes(bomb)
    with pytest.raises(util.LoadError, match=r"larger than.*max_bytes"):
        theanets.Network.load(tmp_path / "m.pkl.gz")
    with pytest.raises(util.LoadError, match="max_bytes=1000"):
        theanets.Network.load(tmp_path / "m.pkl.gz", max_bytes=1000)


def test_archives_that_grow_too_large_are_refused(tmp_path):
    theanets.Regressor([2, 1]).save(tmp_path / "m.npz")
    with zipfile.ZipFile(tmp_path / "m.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("params/more.npy", bytes(200 << 20))
    with pytest.raises(util.LoadError, match=r"larger than.*max_bytes"):
        theanets.Network.load(tmp_path / "m.npz")


@pytest.mark.parametrize("limit", [0, -1, 2.5, "much"])
def test_limits_are_numbers_of_bytes(limit, tmp_path):
    theanets.Regressor([2, 1]).save(tmp_path / "m.npz")
    with pytest.raises(util.ConfigurationError, match="max_bytes"):
        theanets.Network.load(tmp_path / "m.npz", max_bytes=limit)


def test_a_large_network_may_be_compressible(tmp_path):
    """Zeros compress a thousandfold, up to a size that is nothing to worry about."""
    network = theanets.Autoencoder([1000, 500, 1000])
    for param in network.params:
        param.set_value(np.zeros_like(param.get_value()))
    network.save(tmp_path / "m.pkl.gz")
    assert theanets.Network.load(tmp_path / "m.pkl.gz").num_params == network.num_params


# Names, permissions, and what is left over.


@pytest.fixture(params=[True, False], ids=["unnamed", "named"])
def unnamed(request, monkeypatch):
    """With files that have no name until they are complete, and without."""
    if not request.param:
        monkeypatch.setattr(files, "_write_unnamed", lambda path, content: None)
    files._cleaned.clear()
    return request.param


@pytest.mark.parametrize("name", ["n" * 255, "ä" * 127, "n" * 230 + ".npz", "日" * 85, "a b'c"])
def test_names_of_any_length(name, unnamed, tmp_path):
    for content in (b"1", b"22"):
        files.write_atomically(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == content and os.listdir(tmp_path) == [name]
    with pytest.raises(OSError, match="long"):
        files.write_atomically(tmp_path / ("n" * 256), b"1")
    assert os.listdir(tmp_path) == [name]


def test_temporary_names_of_long_names_differ(tmp_path):
    one, two = (next(files._temporary_names(tmp_path / ("n" * 250 + end))) for end in "12")
    assert one != two and len(os.fsencode(os.path.basename(one))) <= 255


def test_read_only_files_are_left_alone(unnamed, tmp_path):
    """Also for those who may do anything."""
    path = tmp_path / "m.pkl"
    path.write_bytes(b"1")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="read-only"):
        theanets.Regressor([2, 1]).save(path)
    assert path.read_bytes() == b"1" and os.listdir(tmp_path) == ["m.pkl"]


@pytest.mark.skipif(not hasattr(os, "chown"), reason="owners are of POSIX")
def test_owner_group_and_mode_are_kept(unnamed, tmp_path, monkeypatch):
    """As far as the process may: the calls are looked at, as tests may run as anybody."""
    path, calls = tmp_path / "m", []
    path.write_bytes(b"1")
    path.chmod(0o640)
    status = path.stat()
    fake = os.stat_result([*status[:4], status.st_uid + 1, status.st_gid + 1, *status[6:]])
    real = pathlib.Path.stat
    monkeypatch.setattr(pathlib.Path, "stat", lambda self, **kwargs: fake if self == path else real(self, **kwargs))

    def chown(name, owner, group):
        calls.append((owner, group))
        raise PermissionError

    monkeypatch.setattr(os, "chown", chown)
    files.write_atomically(path, b"22")
    assert calls == [(status.st_uid + 1, -1), (-1, status.st_gid + 1)]
    # the group that the file has now may do what everybody may: nothing.
    assert os.stat(path).st_mode & 0o777 == 0o600 and path.read_bytes() == b"22"


def test_litter_of_killed_processes_is_cleaned(unnamed, tmp_path):
    path = tmp_path / "m.npz"
    prefix = files._prefix(path)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    litter = [f"{prefix}{dead.pid}.0.tmp", f"{prefix}{dead.pid}.7.tmp"]
    kept = [f"{prefix}{os.getppid()}.0.tmp", f".m.npz.00000000-{dead.pid}.0.tmp", ".m.npy.1.0.tmp", f"{prefix}x.0.tmp"]
    for name in (*litter, *kept):
        (tmp_path / name).write_bytes(b"")
    files.write_atomically(path, b"1")
    assert sorted(os.listdir(tmp_path)) == sorted(["m.npz", *kept])


def test_files_for_text_are_refused(tmp_path):
    with open(tmp_path / "m", "w", encoding="utf-8") as handle:
        for target in (handle, io.StringIO()):
            with pytest.raises(TypeError, match="open for text"):
                theanets.Regressor([2, 1]).save(target)
            with pytest.raises(TypeError, match="open for text"):
                theanets.Network.load(target)
