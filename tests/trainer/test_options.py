"""Options of training: what each may be, and what is refused. A new option without a line here fails these tests."""

import inspect
import io

import numpy as np
import pytest
import theanets
from theanets import arguments, regularizers, util
from theanets.trainer import constraints, latent, options

X = np.random.RandomState(0).randn(20, 3).astype("f")
DATA = [X, X[:, :1]]

POSITIVE = [1e-9, 3, np.float32(2)], [0, -1, float("nan"), float("inf")]
UNSIGNED = [0, 0.5, 1e6, np.float64(3)], [-1e-9, float("nan"), float("inf")]
FRACTION = [0, 1, 0.5], [-1e-9, 1 + 1e-9, float("nan")]
COUNT = [0, 3, np.int64(2)], [-1]
FLAG = [True, False, np.bool_(True)], [2, -1]
FINITE = [0, -0.5, 2, np.float32(0.1)], [float("nan"), float("inf"), -float("inf")]

# For each option: the algorithm that it is tried with, values that are in its range, values just outside of it at each
# end, and values of another type.
NUMBERS = {
    "axis": ("sgd", [0], [-1], ["0", 0.5, True]),
    "batch_size": ("sgd", [0, 5, -1, np.int64(2)], [], ["32", 1.5, True]),
    "train_batches": ("sgd", *COUNT, ["1", 1.5, [1]]),
    "valid_batches": ("sgd", *COUNT, ["1", 1.5, [1]]),
    "iteration_size": ("sgd", *COUNT, ["1", 1.5, [1]]),
    "validation_split": ("sgd", [0, 0.2, np.float32(0.5)], [-1e-9, 1, float("nan")], ["0.5", [0.5]]),
    "epochs": ("sgd", [0, 1, np.int64(2)], [-1], ["1", 1.5, True]),
    "max_updates": ("sgd", [0, 1, np.int64(2)], [-1], ["1", 1.5, True]),
    "max_seconds": ("sgd", [0, 0.5, float("inf")], [-1e-9, float("nan")], ["1", [1]]),
    "learning_rate": ("sgd", *UNSIGNED, ["0.1", [0.1]]),
    "momentum": ("sgd", [0, 0.5, 0.999], [-1e-9, 1, float("nan")], ["0.5", [0.5]]),
    "nesterov": ("sgd", *FLAG, ["yes", 0.5]),
    "patience": ("sgd", *COUNT, ["5", 1.5]),
    "validate_every": ("sgd", [1, 10, np.int64(2)], [0, -1], ["5", 1.5]),
    "min_improvement": ("sgd", *FINITE, ["0.1", [0.1]]),
    "max_gradient_norm": ("sgd", *UNSIGNED, ["1", [1]]),
    "max_gradient_elem": ("sgd", *UNSIGNED, ["1", [1]]),
    "max_gradient_total_norm": ("sgd", *UNSIGNED, ["1", [1]]),
    "average_weights": ("sgd", [0, 0.5, 0.999], [-1e-9, 1, float("nan")], ["0.5", [0.5]]),
    "accumulate": ("sgd", [1, 3, np.int64(2)], [0, -1], ["1", 1.5]),
    "monitor_gradients": ("sgd", *FLAG, ["yes", 0.5]),
    "resume": ("sgd", [False], [2, -1], ["yes", 0.5]),
    "checkpoint_every": ("sgd", [], [0, -1, float("nan")], ["1", [1]]),
    "save_every": ("sgd", [0, 3, 0.5], [-1e-9, float("nan")], ["1", [1]]),
    "rms_halflife": ("rmsprop", *POSITIVE, ["14", [14]]),
    "rms_regularizer": ("adagrad", *UNSIGNED, ["1", [1]]),
    "beta1_decay": ("adam", *FRACTION, ["1", [1]]),
    "beta1_halflife": ("adam", *POSITIVE, ["7", [7]]),
    "beta2_halflife": ("adam", *POSITIVE, ["69", [69]]),
    "beta1": ("adamw", [0, 0.5, 0.999], [-1e-9, 1, float("nan")], ["0.5", [0.5]]),
    "beta2": ("lion", [0, 0.5, 0.999], [-1e-9, 1, float("nan")], ["0.5", [0.5]]),
    "momentum_decay": ("nadam", *UNSIGNED, ["1", [1]]),
    "memory": ("lbfgs", [1, 20, np.int64(2)], [0, -1], ["1", 1.5]),
    "rprop_increase": ("rprop", [1, 1.5], [1 - 1e-9, float("nan"), float("inf")], ["x", [1.1]]),
    "rprop_decrease": ("rprop", [1e-9, 1], [0, 1 + 1e-9, float("nan")], ["x", [0.9]]),
    "rprop_min_step": ("rprop", [0, 1], [-1e-9, 101, float("nan")], ["x", [0]]),
    "rprop_max_step": ("rprop", [1e-9, 1000], [0, -1, float("nan"), float("inf")], ["x", [0]]),
    # regularizers: a dict has options of its own, and is tried below.
    **{name: ("sgd", *FINITE, ["x", [1]]) for name in ("weight_l1", "weight_l2", "hidden_l1", "contractive")},
    **{f"{part}_noise": ("sgd", [0, 0.5, 3], [-1e-9, float("nan"), float("inf")], ["x", [1], {"weight": 1}])
       for part in ("input", "hidden", "output")},
    **{f"{part}_dropout": ("sgd", [0, 0.5, 0.999], [-1e-9, 1, float("nan")], ["x", [1], {"weight": 1}])
       for part in ("input", "hidden", "output")},
    "gaussiannoise": ("sgd", [0, 0.5], [-1e-9, float("nan"), float("inf")], ["x", [1]]),
    "bernoullidropout": ("sgd", [0, 0.5], [-1e-9, 1, float("nan")], ["x", [1]]),
}

# Other options: values that they may have, and values that are refused.
OTHERS = {
    "algo": (["sgd", "ADAM"], ["foo", 3, DATA]),
    "subalgo": (["sgd"], []),
    "train": ([DATA], [None, 3, "abc", [X], lambda: 3]),
    "valid": ([None, DATA], [3, "abc", [X]]),
    "save_progress": ([None], [3, b"x", "missing/folder/m.npz", ".", io.StringIO()]),
    "save_errors": (["warn", "raise", None], ["ignore", 3, True]),
    "shuffle": (["batches", "rows", True, False], ["row", 2, "no"]),
    "rng": ([1, np.random.RandomState(3), None], ["x", 0.5]),
    "monitors": ([None, {"hid1:out": 0.5}, {"*.w": [0.1]}], [{"nothing": 0.5}, {"hid1:out": "x"}, 3, "hid1:out"]),
    "average": (["examples", "batches"], ["epochs", 3]),
    "stateful": ([False], ["x", 3, True]),
    "callbacks": ([None, [], lambda network, history: None], [3, [3], lambda: None]),
    "stop_when": ([None, "valid_loss < 1", lambda history: False], ["loss < 1", 3, "valid_los < 1"]),
    "schedule": ([None, "exponential", dict(form="step", every=2), lambda epoch: 0.1],
                 ["foo", 3, dict(form="step", every=0), dict(every=2), dict(form="exponential", factor=-1),
                  dict(form="cosine", period=0), dict(form="plateau", factor=1.1), dict(form="step", what=3)]),
    "freeze": ([None, ["*.b"], "hid1"], ["nothing", ["hid9"], 3, ["*"]]),
    "class_weight": ([None], ["balanced", [1, 1], 3]),
    "checkpoint": ([None], [3, ".", "missing/folder/c"]),
    "save_best": ([None], [3, ".", "missing/folder/m.npz"]),
    "progress": ([False], ["yes", 3]),
    "verbose": ([None, False, 0, "warning"], ["loud", 3, [True]]),
    "regularizers": ([None, [], [regularizers.WeightL2(0.1)], dict(weight_l2=0.1)],
                     ["x", [3], dict(weight_l2="x"), dict(weight_l2=dict(weight=0.1, pattern="nothing"))]),
    "dropout": ([None, {"hid1:out": 0.5}], [0.5, {"hid1:out": 1}, {"hid1:out": "x"}, {"nothing": 0.5}]),
    "noise": ([None, {"hid1:out": 0.5}], [0.5, {"hid1:out": -1}, {"hid1:out": "x"}, {"nothing": 0.5}]),
    "decoupled_decay": ([0.1, 0, dict(weight=0.1, pattern="*.b")], ["x", [1], float("nan")]),
    "latent_kl": ([0, dict(weight=0)], ["x", [1], float("nan"), 0.1]),
    "hidden_kl": ([0.1, dict(weight=0.1, level=0.2)], ["x", [1], dict(weight=1, level=1)]),
    "max_norm": ([0.1, dict(weight=0.1, pattern="*.b")], ["x", [1], 0, -1, float("nan")]),
    "unit_norm": ([True, False, "hid1.w", ["*.w"]], ["x", [1], 0.5]),
    "nonneg": ([True, False, "hid1.w", ["*.w"]], ["x", [1], 0.5]),
    "recurrent_norm": ([], [0.1, dict(weight=float("nan"), pattern="*"), dict(weight=0.1, pattern="nothing")]),
    "recurrent_state": ([], [0.1, dict(weight=float("inf"), pattern="*"), dict(weight=0.1, pattern="nothing")]),
    "devices": ([None], [0, -1, 1.5, "nothing", []]),
    # is accepted, and has no effect.
    "name": (["x", 3], []),
}


def run(**kwargs):
    """Begin a training as far as arguments are checked, and then train."""
    kwargs = {"algo": "sgd", "epochs": 0, "learning_rate": 0.01, **kwargs}
    theanets.Regressor([3, 4, 1]).itertrain(kwargs.pop("train", DATA), **kwargs).close()


def canonical(name):
    """The first of the names that a regularizer has, or that was given to an option."""
    name = {**arguments.OLD_TRAINING, **arguments.OLD_REGULARIZERS}.get(name, name)
    if not regularizers.Regularizer.is_registered(name):
        return name
    cls = regularizers.Regularizer.get_class(name)
    keys = vars(cls).get("__extra_registration_keys__") or [cls.__name__.lower()]
    return keys[0].lower()


def test_every_option_has_a_line():
    """Of this package and of downhill; other tests may have defined regularizers of their own."""
    homes = regularizers.__name__, constraints.__name__, latent.__name__
    ours = {key for key, cls in regularizers.Regularizer._registry.items() if cls.__module__ in homes}
    ours -= {"regularizer", "constraint"}
    given = set(inspect.signature(theanets.Network.itertrain).parameters) - {"self", "kwargs"}
    algorithms = {name for name, cls in options.algorithms().items() if options.is_known(cls)}
    known = set().union(given, *map(options.options_of, algorithms), options.COMMON_OPTIONS, options.LOOP_OPTIONS,
                        options.GRADIENT_OPTIONS, options.CALL_OPTIONS, options.DATA_KEYWORDS, ours,
                        regularizers.LEVELS, regularizers.TABLES, {"regularizers"})
    assert {canonical(name) for name in known} == {*NUMBERS, *OTHERS}
    numbers = {name for name in NUMBERS if canonical(name) in options.RANGES}
    assert numbers == set(options.RANGES)


CASES = [(name, algo, value) for name, (algo, right, _, _) in NUMBERS.items() for value in right]
CASES += [(name, "sgd", value) for name, (right, _) in OTHERS.items() for value in right]
WRONG = [(name, algo, value) for name, (algo, _, outside, others) in NUMBERS.items() for value in [*outside, *others]]
WRONG += [(name, "sgd", value) for name, (_, wrong) in OTHERS.items() for value in wrong]


@pytest.mark.parametrize("name, algo, value", CASES)
def test_values_in_the_range(name, algo, value):
    run(**{"algo": algo, name: value})


@pytest.mark.parametrize("name, algo, value", WRONG)
def test_values_that_are_refused(name, algo, value, tmp_path, monkeypatch):
    """At the call, before anything is trained; the message has the name of the option or of what was given."""
    monkeypatch.chdir(tmp_path)
    network = theanets.Regressor([3, 4, 1])
    before = [param.get_value() for param in network.params]
    kwargs = {"algo": algo, "train": DATA, "learning_rate": 0.01, "epochs": 1, name: value}
    with pytest.raises((util.ConfigurationError, TypeError, ValueError)) as caught:
        # what a callable makes, and a condition on monitors, are seen when training begins.
        network.train(kwargs.pop("train"), **kwargs)
    assert str(caught.value)
    for param, value in zip(network.params, before):
        np.testing.assert_array_equal(param.get_value(), value)


@pytest.mark.parametrize("settings", [
    dict(rprop_min_step=2, rprop_max_step=1), dict(rprop_min_step=101), dict(rprop_max_step=0.5, rprop_min_step=1),
])
def test_steps_between_others(settings):
    with pytest.raises(util.ConfigurationError, match="rprop_min_step"):
        run(algo="rprop", **settings)


@pytest.mark.parametrize("settings, words", [
    (dict(sparsity=-0.1), "sparsity"), (dict(sparsity=1.5), "sparsity"), (dict(sparsity_w="x"), "sparsity"),
    (dict(std=float("nan")), "std"), (dict(mean="x"), "mean"), (dict(diagonal=float("inf")), "diagonal"),
])
@pytest.mark.parametrize("form", ["ff", "rnn"])
def test_initial_values(settings, words, form):
    base = theanets.Regressor if form == "ff" else theanets.recurrent.Regressor
    name = "w" if form == "ff" else "xh"
    settings = {key.replace("_w", f"_{name}"): value for key, value in settings.items()}
    with pytest.raises(util.ConfigurationError, match=words):
        base([3, dict(size=4, form=form, **settings), 1])


@pytest.mark.parametrize("weight", ["x", None, float("nan"), float("inf"), [1]])
def test_weights_of_losses(weight):
    with pytest.raises(util.ConfigurationError, match="weight"):
        theanets.Regressor([3, 4, 1]).add_loss("mae", weight=weight)


@pytest.mark.parametrize("pattern, key", [
    ("hid9.w", "weight_l2"), ("hid1:out", "weight_l2"), ("*.b", "weight_l1"), ("hid1.w", "hidden_l1"),
    (["hid1:out", "hid9:out"], "hidden_l1"), ("hid9:out", "gaussiannoise"), ("hid9:out", "contractive"),
])
def test_patterns_that_stand_for_nothing(pattern, key):
    with pytest.raises(util.ConfigurationError, match="pattern"):
        run(**{key: dict(weight=0.1, pattern=pattern)})


@pytest.mark.parametrize("monitors", [{"hid1:pre": 0.5}, {"*": 0.5}, {"hid1:out-prenoise": 0.5}, [("out.*", 0.1)]])
def test_patterns_of_outputs_that_layers_tell_late(monitors):
    run(monitors=monitors, hidden_noise=0.1)


@pytest.mark.parametrize("kind, inside, outside", [
    (arguments.Range(0, 1), [0, 1, 0.5], [-0.1, 1.1, "x", None, True, float("nan")]),
    (arguments.Range(0, open_low=True), [1e-300, float("inf")], [0, -1, -float("inf")]),
    (arguments.Range(1, 3, "integer"), [1, 3, np.int8(2)], [0, 4, 1.0, True]),
    (arguments.Range(kind="flag"), [True, False, 0, 1, np.bool_(False)], [2, 0.5, "x", None]),
    (arguments.FINITE, [-1e300, 0, 1e300], [float("inf"), -float("inf"), float("nan"), "x", [1]]),
])
def test_ranges(kind, inside, outside):
    for value in inside:
        assert kind.check("x", value) is value
    for value in outside:
        with pytest.raises(util.ConfigurationError, match="x=.*expected"):
            kind.check("x", value)
