"""Networks of every kind by XLA, against Theano's Python implementations."""

import functools
import warnings

import numpy as np
import pytest
import theanets
import theano.tensor as TT
from theanets import activations, constraints, layers, losses, regularizers, util
from theanets.xla.host import FallbackWarning

from tests import helpers


def data_of(kinds, seed=7):
    """Arrays of random numbers: a pair of a kind and a shape for each."""
    draw = np.random.RandomState(seed)
    make = {
        "normal": lambda *shape: draw.randn(*shape).astype(util.FLOAT),
        "uniform": lambda *shape: draw.rand(*shape).astype(util.FLOAT),
        "labels": lambda *shape: draw.randint(3, size=shape).astype("int32"),
        "int4": lambda *shape: draw.randint(4, size=shape).astype("int32"),
    }
    return [make[kind](*shape) for kind, shape in kinds]


def recurrent(*stack):
    return theanets.recurrent.Regressor, [2, *stack, 2], [("normal", (4, 5, 2)), ("normal", (4, 5, 2))]


def classifier(*stack, inputs=5, kinds=(("normal", (8, 5)), ("labels", (8,))), model=theanets.Classifier):
    return model, [inputs, *stack, 3], kinds


WORDS = dict(form="input", size=6, dtype="int32")
IMAGES = [("normal", (6, 8, 7, 2)), ("labels", (6,))]

#: A few networks that have all layer forms between them, but for those of the golden trajectories, and all activations
#: that have parameters or need several numbers.
NETWORKS = {
    "autoencoder": (
        theanets.Autoencoder,
        [5, (4, "sigmoid"), (3, "maxout:2"), (4, "tied", "relu"), (5, "tied", "linear")],
        [("uniform", (8, 5))],
    ),
    "activations": classifier((4, "prelu"), (4, "lgrelu"), (4, "elu"), (4, "relu+norm:z"), (4, "softmax")),
    "normalization": classifier((6, "linear"), "layernorm", (6, "tanh"), "batchnorm"),
    "structure": classifier(
        dict(size=4, name="a", inputs="in"),
        dict(size=4, name="b", inputs="in"),
        dict(form="prod", name="c", inputs=("a", "b")),
        dict(form="concat", name="d", inputs=("c", "in")),
        dict(form="reshape", name="e", shape=(3, 3)),
        dict(form="flatten", name="f"),
    ),
    "plain": recurrent((3, "rrnn"), (3, "arrnn"), (3, "lrrnn")),
    "gated": recurrent((3, "gru"), (3, "mut1"), (3, "scrn")),
    "modular": recurrent(
        dict(form="mrnn", size=3, factors=2),
        dict(form="bcrnn", size=4, num_modules=2),
    ),
    "both-ways": recurrent(dict(form="bidirectional", worker="rnn", size=4)),
    "words": classifier(
        (4, "embed"),
        inputs=WORDS,
        kinds=[("int4", (4, 5)), ("labels", (4, 5))],
        model=theanets.recurrent.Classifier,
    ),
    "reading": classifier(
        dict(form="selfattention", size=4, heads=2),
        dict(form="last", name="a", inputs="hid1"),
        dict(form="mean", name="b", inputs="hid1"),
        dict(form="max", name="c", inputs="hid1"),
        dict(form="attention", name="d", inputs="hid1"),
        dict(form="concat", name="e", inputs=("a", "b", "c", "d")),
        inputs=2,
        kinds=[("normal", (4, 5, 2)), ("labels", (4,))],
        model=theanets.recurrent.Classifier,
    ),
    "codes": (theanets.Autoencoder, [5, (4, "tanh"), (2, "gaussian"), 5], [("uniform", (8, 5))]),
    "sounds": classifier(
        dict(form="conv1", size=4, filter_size=3, border_mode="same"),
        dict(form="pool1", pool_size=2),
        "flatten",
        inputs=(9, 2),
        kinds=[("normal", (6, 9, 2)), ("labels", (6,))],
        model=theanets.convolution.Classifier,
    ),
    "images": classifier(
        dict(form="conv2", size=4, filter_size=(3, 2), stride=(1, 2), border_mode="full"),
        dict(form="conv2", size=4, filter_size=3),
        dict(form="pool2", pool_size=2, mode="mean"),
        "flatten",
        inputs=(8, 7, 2),
        kinds=IMAGES,
        model=theanets.convolution.Classifier,
    ),
}


@pytest.fixture(autouse=True)
def mode_as_before():
    yield
    theanets.set_mode(None)


def run(mode, model, layers_, kinds, init=(), **train):
    """Return, of a new network, its first outputs, and the monitors and parameters after an epoch of training."""
    theanets.set_mode(mode)
    net = model(layers_, rng=11, **dict(init))
    arrays = data_of(kinds)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FallbackWarning)
        outputs = net.feed_forward(arrays[0])
        options = dict(algo="sgd", learning_rate=0.1, momentum=0, batch_size=len(arrays[0]) // 2, rng=5)
        train_, valid = next(net.itertrain(arrays, **{**options, **train}))
    monitors = [{key: value for key, value in part.items() if np.isscalar(value)} for part in (train_, valid)]
    return dict(outputs), monitors, helpers.values(net)


def assert_agree(model, layers_, kinds, init=(), rtol=2e-4, **train):
    """Check that both modes agree; a step of ``sgd`` is the gradient, so gradients agree if parameters do."""
    ours, theirs = (run(mode, model, layers_, kinds, init, **train) for mode in ("XLA", "FAST_COMPILE"))
    for a, b in zip((ours[0], *ours[1], ours[2]), (theirs[0], *theirs[1], theirs[2])):
        assert list(a) == list(b) and b
        for key, value in b.items():
            np.testing.assert_allclose(a[key], value, rtol=rtol, atol=2e-6, err_msg=key)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks_agree(name):
    assert_agree(*NETWORKS[name])


def test_no_layer_form_is_missing():
    classes = {type(layer) for model, stack, _ in NETWORKS.values() for layer in model(stack).layers}
    golden = {layers.Layer._registry[name] for name in ("rnn", "lstm", "clockwork")}
    abstract = {layers.Layer._registry[name] for name in ("layer", "convolution", "pooling", "recurrent", "overtime")}
    registered = {cls for cls in layers.Layer._registry.values() if cls.__module__.startswith("theanets.")}
    assert registered - abstract <= classes | golden


def test_activations_agree():
    names = [name for name in activations.COMMON if name != "linear"]
    # each one beside the others: one network, one compilation.
    hidden = [dict(size=3, name=f"h{i}", inputs="in", activation=name) for i, name in enumerate(names)]
    joined = dict(form="concat", name="all", inputs=tuple(item["name"] for item in hidden))
    assert_agree(*classifier(*hidden, joined))


def huber(output, target):
    error = abs(output - target)
    return TT.switch(error < 1, TT.sqr(error) / 2, error - 0.5)


LOSSES = {
    "regression": (
        theanets.Regressor,
        [4, (5, "tanh"), (3, "softmax")],
        [("normal", (8, 4)), ("uniform", (8, 3))],
        ["mae", "kl", "mmd", "logcosh", "quantile", huber],
    ),
    "classification": (*classifier((5, "tanh")), ["xe", "hinge", "focal"]),
    "independent labels": (
        theanets.Regressor,
        [4, (5, "tanh"), (3, "sigmoid")],
        [("normal", (8, 4)), ("uniform", (8, 3))],
        ["bce", "multilabel", "huber"],
    ),
    "counts": (
        theanets.Regressor,
        [4, (5, "tanh"), (3, "softplus")],
        [("normal", (8, 4)), ("int4", (8, 3))],
        ["poisson"],
    ),
}


@pytest.mark.parametrize("kind", sorted(LOSSES))
def test_losses_agree(kind):
    model, stack, kinds, (first, *others) = LOSSES[kind]

    def make(layers_, rng):
        """A network by all of them: the gradient is the sum of theirs, by weights that tell them apart."""
        net = model(layers_, rng=rng, loss=first)
        for i, name in enumerate(others, start=2):
            net.add_loss(name, weight=i)
        return net

    assert_agree(make, stack, kinds)


@pytest.mark.parametrize("kind", sorted(LOSSES))
def test_weighted_losses_agree(kind):
    model, stack, kinds, _ = LOSSES[kind]
    assert_agree(model, stack, [*kinds, ("uniform", kinds[-1][1])], init=dict(weighted=True))


def test_likelihood_agrees():
    stack = [4, 5, dict(size=2, name="covar", inputs="hid1", activation="softplus")]
    stack.append(dict(size=2, name="mean", inputs="hid1"))
    loss = dict(form="gll", target=2, mean_name="mean", covar_name="covar")
    model = functools.partial(theanets.Network, loss=loss)
    assert_agree(model, stack, [("normal", (8, 4)), ("normal", (8, 2))])


def test_mixture_agrees():
    model = functools.partial(theanets.Regressor, loss=dict(form="mixture", components=2))
    assert_agree(model, [4, (5, "tanh"), 10], [("normal", (8, 4)), ("normal", (8, 2))])


def test_no_loss_is_missing():
    # the networks above have the ones that are the default.
    names = ["mse", "xe", "gll", "mixture", *(name for *_, names in LOSSES.values() for name in names)]
    used = {losses.Formula if callable(name) else losses.Loss._registry[name] for name in names}
    registered = {cls for cls in losses.Loss._registry.values() if cls.__module__.startswith("theanets.")}
    assert registered - {losses.Loss} == used


REGULARIZERS = dict(weight_l1=0.01, weight_l2=0.02, hidden_l1=0.03, contractive=0.04, hidden_kl=0.05)

#: What is made of the weights after each step.
CONSTRAINTS = dict(decoupled_decay=0.5, max_norm=0.8, nonneg="hid1.w", unit_norm="out.w")


def test_regularizers_agree():
    model, stack, kinds = classifier((5, "tanh"))
    assert_agree(model, stack, kinds, **REGULARIZERS)
    assert_agree(model, stack, kinds, **CONSTRAINTS)
    assert_agree(*NETWORKS["codes"], latent_kl=0.5)
    model, stack, kinds = recurrent((3, "rnn"))
    norm, state = dict(pattern="*", weight=0.1), dict(pattern="*", weight=0.2)
    assert_agree(model, stack, kinds, recurrent_norm=norm, recurrent_state=state)


def test_no_regularizer_is_missing():
    names = [*REGULARIZERS, *CONSTRAINTS, "latent_kl"]
    used = {regularizers.Regularizer.get_class(name) for name in names}
    used |= {regularizers.Regularizer._registry[name] for name in ("recurrentnorm", "recurrentstate")}
    # those two are compared bit by bit below.
    used |= {regularizers.Regularizer._registry[name] for name in ("gaussiannoise", "bernoullidropout")}
    registered = {cls for cls in regularizers.Regularizer._registry.values() if cls.__module__.startswith("theanets.")}
    registered = {cls for cls in registered if not cls.__name__.startswith("_")}
    assert registered - {regularizers.Regularizer, constraints.Constraint} == used


def noisy_outputs(mode):
    theanets.set_mode(mode)
    # what comes out is what goes in, but for noise, and zeros where there was dropout.
    net = theanets.Regressor([6, dict(size=6, activation="linear"), 6], rng=3)
    x = data_of([("normal", (5, 6))])[0]
    return [
        dict(net.feed_forward(x, regularizers=regularizers.from_kwargs(net, rng=21, **{key: 0.5})))
        for key in ("input_noise", "input_dropout", "hidden_dropout")
    ]


def test_seeds_give_the_same_noise_and_dropout():
    for ours, theirs in zip(noisy_outputs("XLA"), noisy_outputs("FAST_COMPILE")):
        assert list(ours) == list(theirs)
        for name, value in theirs.items():
            # dropped by one is dropped by the other; and noise is computed from the same integers.
            np.testing.assert_array_equal(ours[name] == 0, value == 0)
            np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-6)


def test_noise_goes_on_from_batch_to_batch():
    model, stack, kinds = classifier((5, "tanh"))
    assert_agree(model, stack, kinds, input_noise=0.3, hidden_dropout=0.4, batch_size=2)


GOLDEN = helpers.load_golden("trajectories")


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_golden_trajectories(case):
    theanets.set_mode("XLA")
    model = functools.reduce(getattr, case["model"].split("."), theanets)
    draw = np.random.RandomState(case["data"]["seed"])
    make = dict(normal=draw.randn, uniform=draw.rand, int4=lambda *shape: draw.randint(4, size=shape))
    data = [make[kind](*shape) for kind, shape in case["data"]["arrays"]]
    net = model(helpers.tuples(case["layers"]), **case["init"])
    found = helpers.epochs(net, data, case["epochs"], average="batches", **case["train"])
    np.testing.assert_allclose(found, case["observed"]["losses"], rtol=2e-4)
