"""Helpers: errors, registries, initial values, globs, logging."""

import fnmatch
import logging

import numpy as np
import pytest
import theanets
import theano
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets import util

from tests.helpers import log_records, names, python

# Errors and types.


def test_error_hierarchy():
    assert issubclass(util.Error, Exception)
    assert issubclass(util.ConfigurationError, util.Error)
    assert issubclass(util.UnknownNameError, util.ConfigurationError)
    assert issubclass(util.UnknownNameError, KeyError)
    assert issubclass(util.DataError, util.ConfigurationError)
    assert issubclass(util.DataError, ValueError)


def test_an_unknown_name_reads_like_a_sentence():
    """``str`` of a KeyError is the repr of its argument; ours must stay readable."""
    with pytest.raises(util.UnknownNameError) as caught:
        theanets.Regressor([4, (3, "sigmod"), 2])
    assert "sigmod" in str(caught.value) and "did you mean 'sigmoid'" in str(caught.value)


def test_basestring():
    assert isinstance("text", util.basestring) and not isinstance(b"bytes", util.basestring)


def test_float_follows_the_backend():
    assert util.FLOAT == theano.config.floatX


@pytest.mark.parametrize("containers, dtype", [("FLOAT_CONTAINERS", util.FLOAT), ("INT_CONTAINERS", "int32")])
def test_containers(containers, dtype):
    made = [container(f"x{i}") for i, container in enumerate(getattr(util, containers))]
    assert [(v.name, v.ndim, v.dtype) for v in made] == [(f"x{i}", i, dtype) for i in range(5)]


# Registrar.


@pytest.fixture
def root():
    return util.Registrar("Root", (), {})


def test_registry_starts_empty_and_lists_derived_classes(root):
    assert root._registry == {}
    made = util.Registrar("Kk", (root,), {"__extra_registration_keys__": ["Zed"]})
    assert set(root._registry) == {"kk", "zed"}
    assert isinstance(root.build("ZED"), made)
    assert root.get_class("KK") is made
    assert root.is_registered("kK") and root.is_registered("zeD")


def test_registry_build_passes_arguments_on(root):
    class Pair(root):
        def __init__(self, a, b=None):
            self.pair = a, b

    assert root.build("pair", 1, b=2).pair == (1, 2)


@pytest.mark.parametrize("method", ["build", "get_class"])
def test_registry_unknown_key(root, method):
    assert not root.is_registered("nope")
    with pytest.raises(KeyError, match="nope"):
        getattr(root, method)("nope")


def test_registries_do_not_mix(root):
    other = util.Registrar("Other", (), {})
    type(root)("Single", (root,), {})
    assert root.is_registered("single") and not other.is_registered("single")


def test_subclass_does_not_take_over_aliases(root):
    """Defect 3."""

    class Parent(root):
        __extra_registration_keys__ = ["short"]

    class Child(Parent):
        pass

    assert root.get_class("short") is Parent
    assert root.get_class("child") is Child


def test_taking_an_alias_warns_and_wins(root):
    """Defect 3: what a class declares in its own body counts, but not silently."""

    class Parent(root):
        __extra_registration_keys__ = ["short"]

    with pytest.warns(UserWarning, match="short"):

        class Child(Parent):
            __extra_registration_keys__ = ["short"]

    assert root.get_class("short") is Child


@pytest.mark.parametrize("family, keys", [
    ("Layer", "layer input concatenate concat flatten flat product prod reshape feedforward ff classifier softmax "
              "tied"),
    ("Loss", "loss mse meansquarederror mae meanabsoluteerror gll gaussianloglikelihood mmd "
             "maximummeandiscrepancy kl kld kullbackleiblerdivergence xe crossentropy hinge"),
    ("Activation", "activation prelu leaky-relu lgrelu leaky-gain-relu elu maxout"),
    ("Regularizer", "regularizer weight_l2 weight_decay weightl2 weight_l1 weight_sparsity weightl1 hidden_l1 "
                    "hidden_sparsity hiddenl1 contractive gaussiannoise bernoullidropout"),
])
def test_keys_of_every_family(family, keys):
    base = getattr(theanets, family)
    for key in keys.split():
        assert base.is_registered(key) and base.is_registered(key.upper())
        assert issubclass(base.get_class(key), base)


# Initial values.


@pytest.mark.parametrize("kwargs, expected", [
    ({}, [[0.05056171, 0.49995133, -0.9959089], [0.6935985, -0.41830152, -1.5845772]]),
    (dict(mean=1, std=0.1), [[1.0050561, 1.0499952, 0.9004091], [1.0693599, 0.9581699, 0.8415423]]),
    (dict(radius=2), [[0.05115843, 0.5058517, -1.0076625], [0.70178425, -0.42323825, -1.6032782]]),
    (dict(diagonal=0.9), [[0.9, 0, 0], [0, 0.9, 0]]),
])
def test_random_matrix_figures(kwargs, expected):
    made = util.random_matrix(2, 3, rng=4, **kwargs)
    assert made.dtype == util.FLOAT
    np.testing.assert_allclose(made, expected, rtol=2e-7)  # as many digits as the contract gives


def test_random_matrix_sparse_figures():
    made = util.random_matrix(3, 3, sparsity=0.5, rng=4)
    expected = np.array([[0.05056171, 0, -0.0], [0.6935985, -0.41830152, -1.5845772],
                         [-0.64770675, 0.5985752, 0.33225003]], "f")
    np.testing.assert_allclose(made, expected, rtol=2e-7)
    np.testing.assert_array_equal(np.signbit(made), np.signbit(expected))  # masked negatives become -0.0


def test_random_matrix_statistics():
    sparse = util.random_matrix(1000, 200, sparsity=0.1, rng=4)
    assert abs(sparse.mean()) < 0.01
    assert abs(sparse.std() - 0.95) < 0.01
    assert abs((sparse == 0).mean() - 0.1) < 0.01
    assert util.random_matrix(1000, 200, diagonal=0.9, rng=4).sum() == pytest.approx(180, rel=1e-5)
    scaled = util.random_matrix(1000, 200, radius=2, rng=4)
    second, first = np.linalg.eigvalsh(scaled.T @ scaled)[-2:]  # squares of the two largest singular values
    assert first == pytest.approx(4, rel=1e-5) and second < first


def matrix_by_the_book(rows, cols, mean, std, sparsity, radius, diagonal, rng):
    """Section 4.2 of the contract, step by step."""
    made = mean + std * rng.randn(rows, cols)
    if 0 < sparsity < 1:
        mask = rng.binomial(n=1, p=1 - sparsity, size=(rows, cols)).astype(bool)
        k = min(rows, cols)
        mask[:k, :k] |= np.eye(k, dtype=bool)
        made = made * mask
    if radius > 0:
        u, s, v = np.linalg.svd(made, full_matrices=False)
        made = (u * (radius * s / abs(s[0]))) @ v
    if diagonal != 0:
        made = diagonal * np.eye(max(rows, cols))[:rows, :cols]
    return made.astype(util.FLOAT)


@settings(deadline=None, max_examples=60)
@given(rows=st.integers(1, 6), cols=st.integers(1, 6), mean=st.sampled_from([0, 1, -0.5]),
       std=st.sampled_from([0.1, 1, 2]), sparsity=st.sampled_from([0, 0.3, 0.9]),
       radius=st.sampled_from([0, 0.5, 3]), diagonal=st.sampled_from([0, 0, 0.9]), seed=st.integers(0, 99))
def test_random_matrix_follows_the_steps(rows, cols, mean, std, sparsity, radius, diagonal, seed):
    ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
    settings_ = dict(mean=mean, std=std, sparsity=sparsity, radius=radius, diagonal=diagonal)
    made = util.random_matrix(rows, cols, rng=ours, **settings_)
    expected = matrix_by_the_book(rows, cols, rng=theirs, **settings_)
    assert made.shape == (rows, cols) and made.dtype == util.FLOAT
    np.testing.assert_allclose(made, expected, rtol=1e-5 if radius else 0, atol=1e-6 if radius else 0)
    assert ours.rand() == theirs.rand()  # the same number of draws, also when the matrix is diagonal


def test_random_matrix_edge_cases():
    """Defect 51."""
    np.testing.assert_array_equal(util.random_matrix(3, 4, sparsity=1, rng=4), np.zeros((3, 4)))
    np.testing.assert_array_equal(util.random_matrix(3, 4, std=0, radius=2, rng=4), np.zeros((3, 4)))
    for vector in ([1, 2, 3], (1, 2, 3), np.array([1.0, 2, 3])):
        np.testing.assert_array_equal(util.random_matrix(3, 3, diagonal=vector, rng=4), np.diag([1, 2, 3]))


def test_random_vector_figures():
    expected = [0.05056171, 0.49995133, -0.9959089]
    np.testing.assert_allclose(util.random_vector(3, rng=4), expected, rtol=2e-7)
    made = util.random_vector(3, mean=5, std=2, rng=4)
    np.testing.assert_allclose(made, [5.1011233, 5.9999027, 3.008182], rtol=2e-7)
    assert made.shape == (3,) and made.dtype == util.FLOAT


@pytest.mark.parametrize("draw", [lambda rng: util.random_matrix(2, 3, rng=rng),
                                  lambda rng: util.random_vector(6, rng=rng)])
def test_generators(draw):
    state = np.random.RandomState(4)
    first = draw(state)
    np.testing.assert_array_equal(first, draw(4))
    np.testing.assert_array_equal(first, draw(np.int64(4)))  # defect 50
    assert (first != draw(state)).all()  # used as is and advanced
    assert (draw(None) != draw(None)).all()  # fresh and unseeded
    with pytest.raises(TypeError, match="Generator"):  # defect 50
        draw(np.random.default_rng(4))


def test_no_seed_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    util.random_matrix(2, 2)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


# Globs.


@pytest.fixture(scope="module")
def network():
    return theanets.Autoencoder([10, 20, 30, 10])


@pytest.mark.parametrize("patterns, expected", [
    ("*", "hid1.w hid1.b hid2.w hid2.b out.w out.b"),
    ("o*.?", "out.w out.b"),
    ("*.w", "hid1.w hid2.w out.w"),
    (["out.*", "*.w", "*.w"], "hid1.w hid2.w out.w out.b"),
    (("hid2.[ab]",), "hid2.b"),
    ("HID1.w", ""),  # defect 55: case counts
    ("hid1:w", ""),
    ([], ""),
])
def test_params_matching(network, patterns, expected):
    found = list(util.params_matching(network.layers, patterns))
    assert [name for name, _ in found] == expected.split()
    assert names(param for _, param in found) == expected.split()


@pytest.mark.parametrize("patterns, expected", [
    ("*:pre", "hid1:pre hid2:pre out:pre"),
    ("hid1:out", "hid1:out"),
    ("hid?:*", "hid1:out hid1:pre hid2:out hid2:pre"),
    ("hid[23]:out", "hid2:out"),
    (["out:out", "*:out"], "in:out hid1:out hid2:out out:out"),
    ("*:OUT", ""),
    ((), ""),
])
def test_outputs_matching(network, patterns, expected):
    outputs, _ = network.build_graph()
    for source in (outputs, list(outputs.items())):
        found = list(util.outputs_matching(source, patterns))
        assert [name for name, _ in found] == expected.split()
        assert all(expression is outputs[name] for name, expression in found)


def test_matching_is_lazy(network):
    assert next(util.outputs_matching({"a:out": 1}, "*")) == ("a:out", 1)
    assert next(util.params_matching(network.layers, "*"))[0] == "hid1.w"


@given(st.lists(st.text("ab:.*?[]", max_size=6), unique=True, max_size=6),
       st.lists(st.text("ab:.*?[]", max_size=4), max_size=3))
def test_outputs_matching_follows_the_shell(keys, patterns):
    expected = [key for key in keys if any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)]
    assert [key for key, _ in util.outputs_matching([(key, None) for key in keys], patterns)] == expected


# Logging.


def test_log_is_reachable():
    assert theanets.log is util.log


@pytest.mark.parametrize("args, kwargs, text", [
    (("{} of {:.2f}", "half", 0.5), {}, "half of 0.50"),
    (("{name}",), {"name": "x"}, "x"),
    (("{not a field} {0} {} 100%d",), {}, "{not a field} {0} {} 100%d"),  # defect 61
])
def test_log_formats(args, kwargs, text):
    with log_records("theanets") as records:
        util.log(*args, **kwargs)
    assert [record.getMessage() for record in records] == [text]


def test_log_can_be_silenced(capfd):
    """Defect 61."""
    logger = logging.getLogger("theanets")
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL)
        util.log("nobody hears this")
        theanets.Autoencoder([4, 3, 4]).train([np.ones((8, 4), "f")], algo="sgd", max_updates=1)
    finally:
        logger.setLevel(level)
    written = "".join(capfd.readouterr())
    assert "theanets" not in written and "nobody" not in written


SCRIPT = """
import logging
import theanets
theanets.log("plain {}", "line")
theanets.util.enable_detailed_callsite_logging()
theanets.log("line {}", "with a place")
logging.getLogger("theanets").setLevel(logging.CRITICAL)
logging.getLogger("downhill").setLevel(logging.CRITICAL)
theanets.log("unheard")
theanets.Autoencoder([2, 1, 2]).train([[[0., 1.], [1., 0.]]], algo="sgd", max_updates=1)
"""


def test_console_format_of_a_script(tmp_path):
    """Defects 60, 61: date, time and name by default, the caller's place on demand, silence when asked."""
    script = tmp_path / "some_script.py"
    script.write_text(SCRIPT)
    out, err = python("import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')", script)
    plain, placed = [line for line in (out + err).splitlines() if "line" in line]
    assert "unheard" not in out + err and "loss" not in out + err
    before, after = plain.split("theanets", 1)
    assert any(character.isdigit() for character in before) and after.endswith("plain line")
    assert placed.endswith("line with a place")
    assert "some_script" in placed or "__main__" in placed
    assert "6" in placed.split("theanets", 1)[1]  # the line number
