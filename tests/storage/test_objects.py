"""Pickles that want to do something: nothing is run, and what they wanted is named."""

import builtins
import collections
import copyreg
import functools
import io
import operator
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import theanets
from theanets import util
from theanets.storage import objects

WITNESS = []


def witness(*args):
    """Tell that it has been called."""
    WITNESS.append(args)
    return theanets.Regressor([2, 1])


class Call:
    """Is pickled as a call of anything."""

    def __init__(self, function, *args, state=None):
        self.reduction = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduction


class Sneaky(theanets.Layer):
    """A user's layer with methods that run when it is unpickled the usual way."""

    def __setstate__(self, state):
        WITNESS.append(state)

    def __reduce__(self):
        return witness, ()


class SetsState(theanets.Regressor):
    """A user's model that has its own idea of its state."""

    def __setstate__(self, state):
        WITNESS.append(state)
        super().__setstate__(state)


def load(content, **kwargs):
    return theanets.Network.load(io.BytesIO(content), **kwargs)


@pytest.fixture(autouse=True)
def nothing_happens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WITNESS.clear()
    modules = set(sys.modules)
    yield
    assert WITNESS == [] and os.listdir(tmp_path) == []
    assert not {name for name in set(sys.modules) - modules if name.partition(".")[0] in ("this", "antigravity")}


def network_with(thing):
    """A pickle of a network that holds something else, too."""
    network = theanets.Regressor([2, 1])
    network.extra = thing
    return pickle.dumps(network)


CALLS = {
    "os.system": Call(os.system, "touch made"),
    "builtins.eval": Call(eval, "open('made', 'w')"),
    "builtins.exec": Call(exec, "open('made', 'w')"),
    "builtins.open": Call(open, "made", "w"),
    "builtins.__import__": Call(builtins.__import__, "this"),
    "builtins.getattr": Call(getattr, "made", "upper"),
    "subprocess.Popen": Call(subprocess.Popen, ["touch", "made"]),
    "operator.attrgetter": Call(operator.attrgetter, "system"),
    "functools.partial": Call(functools.partial, os.system, "touch made"),
    "pickle.loads": Call(pickle.loads, pickle.dumps(Call(os.system, "touch made"))),
    "numpy.load": Call(np.load, "made", None, True),
    "numpy.memmap": Call(np.memmap, "made", "uint8", "w+", 0, (10,)),
    "theanets.storage.load": Call(theanets.storage.load, "made"),
    "theanets.storage.files.write_atomically": Call(theanets.storage.write_atomically, "made", b"1"),
    "tests.storage.test_objects.witness": Call(witness),
    "collections.defaultdict": Call(collections.defaultdict, witness),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_calls_are_refused_by_name(name, protocol):
    # what the system calls posix.system or nt.system has another name here.
    word = name.rpartition(".")[2]
    with pytest.raises((util.LoadError, TypeError), match=word):
        load(pickle.dumps(CALLS[name], protocol=protocol))


@pytest.mark.parametrize("name", CALLS)
def test_calls_within_a_network_are_refused_by_name(name):
    with pytest.raises(util.LoadError, match=name.rpartition(".")[2]):
        load(network_with(CALLS[name]))


@pytest.mark.parametrize("place", [lambda x: [x], lambda x: (1, {"a": x}), lambda x: {(1, 2): [x]},
                                   lambda x: np.array([x], object), lambda x: collections.OrderedDict(a=x)])
def test_calls_that_are_hidden_are_refused(place):
    with pytest.raises(util.LoadError):
        load(network_with(place(CALLS["os.system"])))


@pytest.mark.parametrize("content", [
    b"cos\nsystem\n(S'touch made'\ntR.",
    b"(S'touch made'\nios\nsystem\n.",
    b"(cos\nsystem\nS'touch made'\no.",
    b"cbuiltins\neval\n(S'open(\"made\", \"w\")'\ntR.",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\ntouch made\x85R.",
    # by attributes of attributes, and of what is admitted.
    b"\x80\x04\x8c\x12theanets.storage\x8c\x09os.system\x93\x8c\ntouch made\x85R.",
    b"ctheanets.graph\nNetwork.load\n(S'made'\ntR.",
    b"ctheanets.util\nnp.load\n(S'made'\ntR.",
    # registered extensions, and ids that need a hook.
    b"\x80\x02\x82\x01.",
    b"Pmade\n.",
    b"\x80\x05\x97.",
    # a call of what is a string, and a change of the state of a class.
    b"\x80\x02X\x02\x00\x00\x00osX\x04\x00\x00\x00made\x85R.",
    b"ctheanets.graph\nNetwork\n(dS'params'\nI1\nsb.",
])
def test_tricks_with_instructions(content):
    with pytest.raises((util.LoadError, TypeError)):
        load(content)


def test_classes_with_methods_of_their_own_are_refused_unless_trusted():
    network = SetsState([2, 1])
    content = pickle.dumps(network)
    with pytest.raises(util.LoadError, match="SetsState.*__setstate__"):
        load(content)
    again = load(content, trusted=[SetsState])
    assert type(again) is SetsState and len(WITNESS) == 1
    WITNESS.clear()


def test_reductions_of_admitted_classes_are_refused():
    network = theanets.Regressor([2, 1])
    network.layers.append(object.__new__(Sneaky))
    content = pickle.dumps(network)
    with pytest.raises(util.LoadError, match="witness"):
        load(content)


@pytest.mark.parametrize("cls, args", [
    (theanets.layers.Feedforward, ([],)), (theanets.Network, ([2, 1],)), (theanets.losses.GaussianKernel, (1,)),
    (np.random.RandomState, (1,)),
])
def test_admitted_classes_are_not_called(cls, args):
    with pytest.raises(util.LoadError, match=cls.__name__):
        load(network_with(Call(cls, *args)))


def test_a_state_cannot_take_the_place_of_a_method():
    network = theanets.Regressor([2, 1])
    vars(network)["predict"] = 3
    with pytest.raises(util.LoadError, match="'predict'"):
        load(pickle.dumps(network))


def test_arrays_of_objects_are_refused():
    for array in (np.array([1, "a"], object), np.zeros(2, [("a", "f4")]), np.array(["abc"]),
                  np.zeros(2, "datetime64[s]")):
        with pytest.raises(util.LoadError, match="expected numbers"):
            load(network_with(array))


@pytest.mark.parametrize("shape", [(10**9,), (-1,), (2**40, 2**40), (1,) * 65, "ab"])
def test_arrays_of_another_size_than_their_content(shape):
    """Memory is never reserved for what a file says without holding it."""

    class Lies:
        def __reduce__(self):
            return np.ndarray.__reduce__(np.zeros(0))[0], (np.ndarray, (0,), b"b"), (
                1, shape, np.dtype("f4"), False, b"\0" * 8)

    with pytest.raises(util.LoadError):
        load(network_with(Lies()))


def mersenne(position=0, key=None):
    name, right, *rest = np.random.RandomState(0).get_state()
    return name, right if key is None else key, position, *rest[1:]


@pytest.mark.parametrize("state", [
    mersenne(10**6), mersenne(-1), mersenne(0, np.zeros(624, "u4")), mersenne(0, np.zeros(3, "u4")), ("MT", 1), {},
    None, dict(bit_generator="os", state={}),
])
def test_generators_that_would_crash_or_hang(state):
    """NumPy itself takes these, and reads outside of the array or draws zeros for ever."""
    with pytest.raises(util.LoadError, match="random number generator"):
        objects.make_generator(state)


def test_generators_go_on_where_they_were():
    rng = np.random.RandomState(5)
    rng.randn(3)
    again = objects.make_generator(rng.get_state())
    np.testing.assert_array_equal(again.randn(5), rng.randn(5))


def test_functions_are_admitted_by_trust(tmp_path):
    network = theanets.Regressor([2, 1], loss=distance)
    content = pickle.dumps(network)
    with pytest.raises(util.LoadError, match=r"distance.*trusted"):
        load(content)
    again = load(content, trusted=[distance])
    x = np.eye(2)
    assert again.train([x, [[1], [1]]], epochs=1)[0] == network.train([x, [[1], [1]]], epochs=1)[0]


def distance(output, target):
    """A loss."""
    return abs(output - target)


def test_classes_are_found_without_importing():
    assert objects.find_class("theanets.layers.feedforward.Feedforward") is theanets.layers.Feedforward
    # of before the module became a package.
    assert objects.find_class("theanets.losses.CrossEntropy") is theanets.losses.CrossEntropy
    odd = "os.system", "theanets.CrossEntropy.base", "losses.CrossEntropy", "builtins.object", "theanets.Network.load"
    for name in (*odd, "this.s"):
        assert objects.find_class(name) is None


@pytest.mark.parametrize("thing", [3, "witness"])
def test_trust_is_for_classes_and_functions(thing):
    with pytest.raises(util.ConfigurationError, match="trusted"):
        load(network_with(1), trusted=[thing])


def test_copyreg_is_no_way_around():
    class Roundabout:
        def __reduce__(self):
            return copyreg._reconstructor, (Call, object, None), {"reduction": (os.system, ("touch made",))}

    with pytest.raises((util.LoadError, TypeError), match="Call"):
        load(pickle.dumps(Roundabout()))


def test_containers_that_explode():
    """A few bytes that stand for 10^20 entries, and containers within themselves."""
    bomb = []
    for _ in range(20):
        bomb = [bomb] * 10
    loop = []
    loop.append(loop)
    deep = []
    for _ in range(150):
        deep = [deep]
    for thing in (bomb, deep, (loop,)):
        with pytest.raises(util.LoadError):
            load(network_with(thing))
