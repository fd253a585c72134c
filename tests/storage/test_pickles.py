"""The reader of pickles that runs nothing, against Python's own, and on damaged files of every kind."""

import collections
import gzip
import io
import os
import pathlib
import pickle
import random
import signal
import zipfile

import numpy as np
import pytest
import theanets
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import util
from theanets.storage import archive, budget, pickles

LEGACY = pathlib.Path(__file__).parent.parent / "files" / "legacy"

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner)
    | st.frozensets(st.integers()),
    max_leaves=20,
)


@given(PLAIN, st.integers(4, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_what_python_reads(value, protocol):
    """Up to protocol 3, Python writes bytes and sets as calls, which are records here."""
    content = pickle.dumps(value, protocol)
    assert pickles.read(content) == (value, len(content))


@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
       st.integers(0, 2), st.binary(max_size=20))
@settings(max_examples=40)
def test_old_protocols_and_what_comes_behind(value, protocol, behind):
    content = pickle.dumps(value, protocol)
    assert pickles.read(content + behind) == (value, len(content))


def test_calls_are_noted():
    record, _ = pickles.read(pickle.dumps(collections.OrderedDict(a=1)))
    assert (record.full_name, record.called, record.pairs) == ("collections.OrderedDict", True, [("a", 1)])


def test_seals_are_no_obstacle_to_others():
    content = pickles.seal(pickle.dumps([1, 2]))
    assert pickle.loads(content) == [1, 2] and pickles.read(content) == ([1, 2], len(content))


@pytest.mark.parametrize("content, words", [
    (b"", "neither"), (b"hello", "neither"), (b"\x80\x05.", "damaged|neither"), (b"N0.", "damaged"),
    (b"(" * 10 + b".", "damaged"), (b"I" + b"9" * 5000 + b"\n.", "damaged|bits|neither"),
    (b"\x80\x02\x8b\xff\xff\xff\x7f.", "neither"), (b"}}Ns.", "key"), (b"\x8f(]\x90.", "member"),
])
def test_what_is_no_pickle(content, words):
    with pytest.raises(util.LoadError, match=words):
        pickles.read(content)


def test_pickles_that_would_take_for_ever():
    with pytest.raises(util.LoadError, match="instructions"):
        pickles.read(b"N0" * 1000 + b"N.", budget.Budget(-2 * budget.FREE_WORK + 1000))


# Damaged files.


@pytest.fixture(scope="module")
def originals():
    network = theanets.Classifier([6, (4, "prelu"), "batchnorm", (4, "lgrelu+norm:z"), 3], rng=np.random.RandomState(3))
    network.extra = {"notes": ["a", 1.5], "array": np.arange(3)}
    handle = io.BytesIO()
    network.save(handle)
    packed = archive.pack(network)
    compressed = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(packed))
    with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(info.filename, source.read(info.filename))
    legacy = (LEGACY / "ref073-py27-classifier.pkl").read_bytes()
    return {
        "sealed": handle.getvalue(),
        "plain": pickle.dumps(network, 2),
        "gzip": gzip.compress(handle.getvalue()),
        "archive": packed,
        "compressed": compressed.getvalue(),
        "legacy": legacy,
    }


def damage(content, chance):
    """Flip a bit, change bytes, cut, remove, insert, repeat or zero something."""
    content, kind = bytearray(content), chance.randrange(7)
    where = chance.randrange(len(content))
    stop = min(len(content), where + chance.choice([1, 2, 8, 100]))
    if kind == 0:
        content[where] ^= 1 << chance.randrange(8)
    elif kind == 1:
        content[where:stop] = bytes(chance.randrange(256) for _ in range(where, stop))
    elif kind == 2:
        del content[where:]
    elif kind == 3:
        del content[where:stop]
    elif kind == 4:
        content[where:where] = bytes(chance.randrange(256) for _ in range(chance.choice([1, 4, 50])))
    elif kind == 5:
        content[where:where] = content[where:stop]
    else:
        content[where:stop] = bytes(stop - where)
    return bytes(content)


def is_sound(network):
    """Tell whether a network is all there: it can predict, describe itself and be saved."""
    assert isinstance(network, theanets.Network)
    for layer in network.layers:
        for param in layer.params:
            assert param.get_value().dtype == util.FLOAT
        assert layer.output_shape and layer.to_spec()
    assert network.num_params >= 0
    network.save(io.BytesIO())


@pytest.mark.parametrize("kind, count", [
    ("sealed", 250), ("gzip", 150), ("archive", 250), ("compressed", 150), ("plain", 250), ("legacy", 250),
])
def test_a_thousand_damages(kind, count, originals):
    """A clear error within a second and no half-loaded network; the checksums of our own formats see any damage.

    ``THEANETS_FUZZ=20`` tries twenty times as many, ``THEANETS_SEED=1`` others.
    """
    chance, original = random.Random(kind + os.environ.get("THEANETS_SEED", "")), originals[kind]
    count = int(count * float(os.environ.get("THEANETS_FUZZ", 1)))
    is_sound(theanets.Network.load(io.BytesIO(original)))
    has_checksum = kind not in ("plain", "legacy")
    refused = 0

    def too_slow(*args):
        raise AssertionError("loading takes more than five seconds")

    before = signal.signal(signal.SIGALRM, too_slow)
    try:
        for _ in range(count):
            content = damage(original, chance)
            signal.alarm(5)
            try:
                network = theanets.Network.load(io.BytesIO(content))
            except util.LoadError as error:
                assert len(str(error)) < 1000 and "cannot be loaded" in str(error)
                refused += 1
                continue
            finally:
                signal.alarm(0)
            is_sound(network)
            if has_checksum:
                assert same(network, theanets.Network.load(io.BytesIO(original)))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert refused > count * (0.8 if has_checksum else 0.05)


def same(one, two):
    pairs = zip(one.params, two.params, strict=True)
    return all(a.name == b.name and np.array_equal(a.get_value(), b.get_value()) for a, b in pairs)


@pytest.mark.parametrize("kind", ["sealed", "gzip", "archive", "plain", "legacy"])
def test_every_truncation_is_noticed(kind, originals):
    original = originals[kind]
    for length in {0, 1, 2, 3, 10, len(original) // 3, len(original) // 2, len(original) - 1}:
        with pytest.raises(util.LoadError, match="cannot be loaded"):
            theanets.Network.load(io.BytesIO(original[:length]))
