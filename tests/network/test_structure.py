"""Networks of one structure have one description; whatever makes another graph makes another description."""

import functools
import gc
import types
import weakref

import numpy as np
import pytest
import theanets
import theano
import theano.tensor as TT
from theanets.network import structure
from theanets.network.structure import Structure, Unkeyable


def key(*things):
    return Structure().describe(list(things))


def network(layers=(4, (3, "tanh"), 2), rng=1, **kwargs):
    return theanets.Regressor(layers, rng=rng, **kwargs)


def parts(net):
    return key(type(net), net.layers, net.losses)


LAYERS = {
    "feedforward": [4, (3, "tanh"), 2],
    "activations": [4, (3, "prelu"), (4, "maxout:2"), (3, "relu+norm:z"), (3, "lgrelu"), 2],
    "norms": [4, (3, "linear"), "batchnorm", "layernorm", 2],
    "tied": [4, (3, "tanh"), (4, "tied")],
    "two inputs": [4, dict(form="input", name="b", size=3), dict(size=3, inputs=("in", "b"), name="h"), 2],
    "shape": [dict(shape=(8, 8, 1)), dict(form="conv2", size=3, filter_size=(3, 3)), "flatten", 2],
}
SEQUENCES = ["rnn", "rrnn", "lstm", "gru", "mut1", "scrn", "bidirectional", dict(form="clockwork", periods=(1, 2))]


@pytest.mark.parametrize("name", list(LAYERS))
def test_seeds_and_initial_values_make_no_difference(name):
    make = theanets.Autoencoder if name == "tied" else theanets.Regressor
    one, two = make(LAYERS[name], rng=1), make(LAYERS[name], rng=np.random.RandomState(5))
    one.params[0].set_value(one.params[0].get_value() + 1)
    assert parts(one) == parts(two)


@pytest.mark.parametrize("form", SEQUENCES)
def test_recurrent_layers(form):
    spec = {"size": 4, **(form if isinstance(form, dict) else {"form": form})}
    one, two = (theanets.recurrent.Regressor([3, dict(spec), 2], rng=seed) for seed in (1, 2))
    assert parts(one) == parts(two)


def test_variables_are_found_in_the_same_order():
    one, two = network(rng=1), network(rng=2)
    found = [Structure(), Structure()]
    assert found[0].describe(one.layers) == found[1].describe(two.layers)
    assert found[0].variables == one.params and found[1].variables == two.params


DIFFERENT = [
    lambda: network(),
    lambda: network([4, (5, "tanh"), 2]),
    lambda: network([4, (3, "relu"), 2]),
    lambda: network([4, (3, "tanh"), (2, "tanh")]),
    lambda: network([4, dict(size=3, activation="tanh", name="h"), 2]),
    lambda: network([4, (3, "tanh"), (3, "tanh"), 2]),
    lambda: network(loss="mae"),
    lambda: network(weighted=True),
    lambda: theanets.Classifier([4, (3, "tanh"), 2]),
    lambda: network([dict(size=4, sparse="csr"), (3, "tanh"), 2]),
    lambda: network(loss=lambda output, target: abs(output - target).sum()),
    lambda: network(loss=lambda output, target: abs(output - target).max()),
    lambda: network([4, (3, "tanh"), dict(form="batchnorm"), 2]),
    lambda: network([4, (3, "tanh"), dict(form="batchnorm", epsilon=1e-3), 2]),
]


def test_what_makes_another_graph_makes_another_structure():
    keys = [parts(make()) for make in DIFFERENT]
    assert len(set(keys)) == len(keys)
    assert keys == [parts(make()) for make in DIFFERENT]


def test_a_setting_that_is_edited_is_seen():
    net = network([4, (3, "linear"), "batchnorm", 2])
    before = parts(net)
    net.layers[2].epsilon = 1e-2
    assert parts(net) != before
    net.layers[2].epsilon = 1e-5
    assert parts(net) == before
    net.layers[1].activate = theanets.activations.build("relu", net.layers[1])
    assert parts(net) != before


class Sloping(theanets.Activation):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.slope = self._add("slope", self.layer.rng.rand(self.layer.output_size))

    def __call__(self, x):
        return x * self.slope


def test_initial_values_of_code_of_ones_own_make_no_difference():
    one, two = (network([4, (3, "sloping"), 2], rng=seed) for seed in (1, 2))
    assert parts(one) == parts(two)


def test_a_function_that_is_registered_anew_under_its_name_is_seen(monkeypatch):
    monkeypatch.setitem(theanets.activations.FUNCTIONS, "double", lambda x: 2 * x)
    net = network([4, (3, "double"), 2])
    before = parts(net)
    assert before == parts(network([4, (3, "double"), 2]))
    monkeypatch.setitem(theanets.activations.FUNCTIONS, "double", lambda x: x + x)
    assert parts(net) != before


def run(source, **names):
    """Run code as a cell of a notebook does: what it defines are classes and functions of a module of the user's."""
    module = types.ModuleType("notebook")
    vars(module).update(theanets=theanets, np=np, TT=TT, theano=theano, **names)
    exec(compile(source, "<cell>", "exec"), vars(module))
    return module


LAYER = """
scale = 2.0
def helper(x):
    return x * scale
class Powered(theanets.Layer):
    power = 1
    def setup(self):
        self.add_weights("w", self.input_size, self.output_size)
    def transform(self, inputs):
        return helper(inputs[self.input_name].dot(self.find("w"))) ** self.power, []
net = theanets.Regressor([4, dict(form="powered", size=3), 2])
"""


def test_a_cell_that_is_run_again_makes_the_same_structure_and_another_cell_another():
    edits = ("** self.power", "* 1"), ("2.0", "3.0"), ("power = 1", "power = 2")
    cells = [LAYER, *(LAYER.replace(*edit) for edit in edits)]
    keys = [parts(run(cell).net) for cell in cells]
    assert keys == [parts(run(cell).net) for cell in cells]
    assert len(set(keys)) == len(cells)


def test_a_global_variable_that_code_reads_is_a_part_of_it():
    module = run(LAYER)
    before = parts(module.net)
    module.scale = 5.0
    changed = parts(module.net)
    module.helper = lambda x: x
    assert len({before, changed, parts(module.net)}) == 3
    module.scale, module.helper = 2.0, run(LAYER).helper
    # of another module, whose variables it reads.
    assert parts(module.net) == before


def formula(factor):
    return lambda output, target: factor * ((output - target) ** 2).mean()


def test_functions_are_described_by_code_closure_and_defaults():
    assert key(formula(2)) == key(formula(2))
    assert key(formula(2)) != key(formula(2.0)) != key(formula(3))
    one, two = [lambda x, k=k: x * k for k in (1, 2)]
    assert key(one) != key(two)
    assert key(formula(np.ones(3))) == key(formula(np.ones(3))) != key(formula(np.zeros(3)))
    assert key(formula(np.ones(3000))) == key(formula(np.ones(3000))) != key(formula(np.zeros(3000)))


class Callable:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, output, target):
        return self.factor * abs(output - target).mean()


def test_objects_are_described_by_class_and_attributes():
    assert key(Callable(1)) == key(Callable(1)) != key(Callable(2))
    assert key(Callable(1).__call__) == key(Callable(1).__call__) != key(Callable(2).__call__)


def test_numbers_that_are_equal_and_not_the_same():
    values = [0.0, -0.0, 0, False, np.float32(0), np.float64(0), float("nan"), "0", b"0", None, (), [], {}, frozenset()]
    assert len({key(value) for value in values}) == len(values)
    assert key(float("nan")) == key(float("nan"))


def test_which_variable_is_which_counts():
    a, b, c = (theano.shared(np.zeros(3, "float32"), name="v") for _ in range(3))
    assert key(a, b, a) == key(b, c, b) != key(a, b, b)
    x, y = TT.vector("x"), TT.vector("x")
    assert key(x, y, x) == key(y, x, y) != key(x, x, y)


class Stateful(theanets.Layer):
    def setup(self):
        self.add_weights("w", self.input_size, self.output_size)

    def transform(self, inputs):
        mean = float(self.find("w").get_value().mean())
        return inputs[self.input_name].dot(self.find("w")) - mean, []


def looping():
    value = {}
    value["self"] = value
    return value


@pytest.mark.parametrize("make", [
    object, lambda: np.random.RandomState(3), lambda: TT.vector() * 2, lambda: theano.shared(np.ones(3)) * 2,
    lambda: iter([]), lambda: np.array([object()]), lambda: {object()}, looping, lambda: [].append, lambda: network(),
    lambda: (lambda x: x * np.random.rand()), lambda: Stateful, functools.partial(functools.partial, print, network()),
    lambda: open, lambda: theano.tensor.shared_randomstreams.RandomStreams(3),
], ids=lambda make: None)
def test_what_cannot_be_described_is_refused(make):
    value = make()
    if value is open:
        value = lambda: open("settings.txt").read()  # noqa: E731
    with pytest.raises(Unkeyable):
        key(value)


def test_nothing_that_is_described_is_kept(monkeypatch):
    monkeypatch.setattr(structure.modes, "get_mode", lambda: "XLA")
    data = np.ones(5000)
    net = network(loss=formula(np.ones(5)))
    found = structure.of([net.layers, net.losses, formula(data), Callable(data)])
    held = [weakref.ref(value) for value in (*net.params, *net.layers, *net.losses, data)]
    description = found.key
    del net, found, data
    gc.collect()
    assert description is not None and not [ref() for ref in held if ref() is not None]
