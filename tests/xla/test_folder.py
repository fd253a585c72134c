"""The folder of programs: whatever lies in it, what is read is what was written, or nothing."""

import errno
import json
import multiprocessing
import os
import stat

import pytest
import theano
from theanets.xla import folder
from theanets.xla.folder import Folder

NAME = "a" * 64 + "b" * 64


@pytest.fixture
def place(tmp_path):
    return Folder(tmp_path / "programs")


def files(place):
    return sorted(path.name for path in place.path.iterdir())


def test_what_is_written_is_read(place):
    assert place.read(NAME) is None and not place.has("a")
    place.write(NAME, {"number": 1}, b"some\nbytes")
    assert place.read(NAME) == ({"number": 1}, b"some\nbytes")
    assert place.has("a" * 64) and not place.has("b")
    place.write(NAME, {}, b"")
    assert place.read(NAME) == ({}, b"")


def test_only_the_user_can_read_and_write(place):
    place.write(NAME, {}, b"bytes")
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o700
    (path,) = place.path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_to_is_not_used(place, mode):
    place.write(NAME, {}, b"bytes")
    place.path.chmod(mode)
    assert place.read(NAME) is None and not place.has("a")
    place.write("c", {}, b"bytes")
    place.path.chmod(0o700)
    assert place.read(NAME) and place.read("c") is None


def test_a_file_that_others_can_write_to_or_a_link_is_not_read(place, tmp_path):
    place.write(NAME, {}, b"bytes")
    (path,) = place.path.iterdir()
    path.chmod(0o666)
    assert place.read(NAME) is None
    path.chmod(0o600)
    assert place.read(NAME)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert place.read(NAME) is None
    place.write(NAME, {}, b"new")
    assert place.read(NAME) == ({}, b"new")
    assert not path.is_symlink()


def damaged(good):
    yield b""
    yield b"\0" * 100
    yield b"\x80\x04\x95 a pickle"
    for cut in (1, 10, len(folder.FIRST_LINE), len(good) // 2, len(good) - 1):
        yield good[:cut]
    yield good + b"x"
    yield good[:-1] + bytes([good[-1] ^ 1])
    yield good.replace(b"form 1", b"form 2")
    yield good.replace(NAME.encode(), b"c" * 128)
    for line in (b"[]", b"{}", b"1", b"null", b"\xff", b"{" * 5000, json.dumps({"name": NAME, "header": 1}).encode()):
        yield folder.FIRST_LINE + line + b"\nbytes"
    yield folder.FIRST_LINE + b"x" * 200_000


def test_damaged_and_foreign_files_are_ignored_and_replaced(place):
    place.write(NAME, {"number": 1}, b"some bytes")
    (path,) = place.path.iterdir()
    good = path.read_bytes()
    for content in damaged(good):
        path.write_bytes(content)
        assert place.read(NAME) is None, content[:80]
        place.write(NAME, {"number": 1}, b"some bytes")
        assert place.read(NAME) == ({"number": 1}, b"some bytes")
    path.unlink()
    path.mkdir()
    assert place.read(NAME) is None
    place.write(NAME, {}, b"bytes")
    assert place.read(NAME) is None


def test_the_oldest_files_go(tmp_path):
    place = Folder(tmp_path, count=3)
    (tmp_path / "of the user").write_text("stays")
    for i, name in enumerate("abc"):
        place.write(name, {}, b"bytes")
        os.utime(tmp_path / (name + folder.ENDING), (i + 1, i + 1))
    # what is read is not the oldest any more.
    assert place.read("a")
    place.write("d", {}, b"bytes")
    assert files(place) == ["a.program", "c.program", "d.program", "of the user"]
    place = Folder(tmp_path, size=2 * os.path.getsize(tmp_path / "a.program"))
    place.write("e", {}, b"bytes")
    assert len(files(place)) == 3 and place.read("e")
    place.write("f", {}, b"x" * place.size * 2)
    assert place.read("f") is None and place.read("e")


def test_files_that_were_never_finished_go(place):
    place.write("a", {}, b"")
    for name, age in (("unfinished-old", 1), ("unfinished-new", None)):
        (place.path / name).touch()
        if age:
            os.utime(place.path / name, (age, age))
    place.write("b", {}, b"")
    assert files(place) == ["a.program", "b.program", "unfinished-new"]


@pytest.mark.parametrize("problem", ["full", "unwritable", "file"])
def test_a_write_that_fails_changes_nothing(place, problem, monkeypatch):
    place.write(NAME, {}, b"old")
    if problem == "full":
        def replace(*_):
            raise OSError(errno.ENOSPC, "No space left on device")
        monkeypatch.setattr(os, "replace", replace)
    elif problem == "unwritable":
        def mkstemp(*_, **__):
            raise PermissionError("read-only")
        monkeypatch.setattr(folder.tempfile, "mkstemp", mkstemp)
    else:
        place = Folder(place.path / (NAME + folder.ENDING) / "below")
    place.write(NAME, {}, b"new")
    assert place.read(NAME) in (None, ({}, b"old"))
    if problem != "file":
        assert files(place) == [NAME + folder.ENDING]


def hammer(path, seed):
    place = Folder(path, count=4)
    for i in range(60):
        name = "abcdef"[(i * seed) % 6]
        place.write(name, {"name": name}, name.encode() * 5000)
        found = place.read("abcdef"[i % 6])
        assert found is None or found[1] == found[0]["name"].encode() * 5000


def test_processes_side_by_side(place):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=hammer, args=(place.path, seed)) for seed in (1, 5, 7)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(files(place)) <= 6 and all(name.endswith(folder.ENDING) for name in files(place))


def test_which_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("THEANETS_PROGRAMS", raising=False)
    monkeypatch.delenv("JAX_ENABLE_COMPILATION_CACHE", raising=False)
    assert folder.current().path == type(tmp_path)(theano.config.compiledir, "xla-programs")
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "false")
    assert folder.current() is None
    for value in ("", "0", "off", "False"):
        monkeypatch.setenv("THEANETS_PROGRAMS", value)
        assert folder.current() is None
    monkeypatch.setenv("THEANETS_PROGRAMS", str(tmp_path))
    assert folder.current().path == tmp_path
