"""Files are replaced as a whole or not at all, and are read up to a limit."""

import gzip
import io
import os
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
