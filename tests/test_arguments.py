"""No silent arguments: unknown keywords are refused with a hint, old spellings work with a warning."""

import re
import warnings

import numpy as np
import pytest
import theanets
from theanets import arguments, util

from tests.helpers import epochs, values

X = np.random.RandomState(0).randn(6, 4).astype("f")
Y = np.random.RandomState(1).randn(6, 2).astype("f")
MODELS = [theanets.Network, theanets.Regressor, theanets.Autoencoder, theanets.Classifier]


@pytest.fixture
def network():
    return theanets.Regressor([4, 3, 2])


# Unknown keywords (defect 33).


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kwargs, hint", [
    (dict(lss="mse"), "loss"), (dict(wieghted=True), "weighted"), (dict(layer=[4, 2]), "layers"), (dict(xyz=1), "xyz"),
])
def test_constructors(model, kwargs, hint):
    with pytest.raises(util.ConfigurationError, match=hint):
        model([4, 3, 4], **kwargs)


@pytest.mark.parametrize("kwargs, hint", [
    (dict(activaton="tanh"), "activation"), (dict(sise=3), "size"), (dict(input="in"), "inputs"),
    (dict(sparsty=0.5), "sparsity"), (dict(std_v=0.5), "std_v"), (dict(parner="hid1"), "parner"), (dict(xyz=1), "xyz"),
    (dict(sparse=True), "sparse"), (dict(ndim=3), "ndim"), (dict(sparsity_b=0.5), "sparsity_b"),
    (dict(diagonal_b=0.5), "diagonal_b"), (dict(radius=1), "radius"), (dict(radius_w=1), "radius_w"),
])
def test_layers(kwargs, hint):
    spec = dict(size=3, **kwargs)
    with pytest.raises(util.ConfigurationError, match=hint):
        theanets.Regressor([4, spec, 2])
    with pytest.raises(util.ConfigurationError, match=hint):
        theanets.Regressor([4]).add_layer(**spec)


@pytest.mark.parametrize("form, kwargs", [
    ("ff", dict(mean=0, std=1, sparsity=0.1, diagonal=0)),
    ("ff", dict(mean_w=0, std_w=1, sparsity_w=0.1, diagonal_w=0)),
    ("ff", dict(mean_b=0, std_b=1)), ("ff", dict(nrng=3)), ("ff", dict(activation="tanh", rng=3, inputs="in")),
    ("classifier", dict(std_w=1)), ("tied", dict(partner="hid1", std_b=0)),
    ("ff", dict(inputs=("in", "hid1"), std_b=0)),
    ("ff", {"inputs": ("in", "hid1"), "std_w_in:out": 0}),
])
def test_keywords_that_layers_use(form, kwargs):
    size = {} if form == "tied" else dict(size=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theanets.Regressor([4, 4, dict(form=form, **size, **kwargs), 2])


@pytest.mark.parametrize("form, kwargs, hint", [
    ("flat", dict(sise=4), "size"), ("reshape", dict(shape=(2, 2), shap=3), "shape"),
    ("tied", dict(prtner="hid1"), "partner"), ("concat", dict(inputs=("in", "hid1"), axis=1), "axis"),
    ("input", dict(name="b", size=3, spars=True), "sparse"),
])
def test_keywords_of_other_layers(form, kwargs, hint):
    with pytest.raises(util.ConfigurationError, match=hint):
        theanets.Regressor([4, 4, dict(form=form, **kwargs), 2])


@pytest.mark.parametrize("kwargs, hint", [
    (dict(min_improvment=0.1), "did you mean 'min_improvement'"), (dict(learnin_rate=3), "learning_rate"),
    (dict(hiden_l1=3), "hidden_l1"), (dict(wieght_l2=3), "weight_l2"), (dict(lerning_rate=5), "learning_rate"),
    (dict(monitor=1), "monitors"), (dict(batchsize=3), "batch_size"), (dict(max_update=3), "max_updates"),
    (dict(momentm=0.5), "momentum"), (dict(epoch=3), "epochs"), (dict(xyz=3), ""), (dict(alg="sgd"), "algo"),
    (dict(input_nois=1), "input_noise"), (dict(rms_halflif=3), "rms_halflife"),
])
def test_training(kwargs, hint, network):
    """Before anything is computed; all of them are named at once."""
    before = values(network)
    message = "unknown argument '{}'.*{}".format(*kwargs, hint)
    with pytest.raises(util.ConfigurationError, match=message):
        network.train([X, Y], **kwargs)
    with pytest.raises(util.ConfigurationError, match=message):
        network.itertrain([X, Y], **kwargs)
    with pytest.raises(util.ConfigurationError, match=f"(?s){message}.*zzz|zzz.*{message}"):
        network.train([X, Y], zzz=1, **kwargs)
    for name, value in values(network).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("algo", ["layerwise", "pretrain", "sample"])
def test_training_with_other_trainers(algo, network):
    with pytest.raises(util.ConfigurationError, match="lerning_rate"):
        network.itertrain([X, Y], algo=algo, lerning_rate=3)


@pytest.mark.parametrize("kwargs", [
    dict(learning_rate=0.1, momentum=0.5, nesterov=True), dict(patience=2, validate_every=3, min_improvement=0.1),
    dict(max_gradient_norm=1), dict(max_gradient_elem=1), dict(epochs=1), dict(max_seconds=100), dict(max_updates=1),
    dict(algo="rprop", rprop_increase=1.1, rprop_decrease=0.9, rprop_min_step=0, rprop_max_step=1),
    dict(algo="rmsprop", rms_halflife=3, rms_regularizer=1e-6), dict(algo="adagrad", rms_regularizer=1e-6),
    dict(algo="adam", beta1_halflife=3, beta2_halflife=9, beta1_decay=0.9, rms_regularizer=1e-6),
    dict(weight_l1=0.1, weight_decay=0.1, hidden_sparsity=0.1), dict(dropout={"hid1:out": 0.1}, noise={"in:out": 0.1}),
    dict(regularizers=None, monitors={"*:out": 0.1}, monitor_gradients=True), dict(contractive=0.1),
    dict(bernoullidropout=0.1, gaussiannoise=0.1), dict(save_every=0, save_progress=None, axis=0, iteration_size=1),
    dict(train_batches=1, valid_batches=1, rng=3),
])
def test_arguments_that_training_uses(kwargs, network):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(epochs(network, [X, Y], **kwargs)).all()


@pytest.mark.parametrize("method", ["predict", "feed_forward", "loss", "updates", "monitors", "score"])
def test_evaluation(method, network):
    """The issue speaks of constructors, layers and training; elsewhere a misspelling must not be silent either."""
    arguments = dict(predict=[X], feed_forward=[X], score=[X, Y]).get(method, [])
    with pytest.raises((util.ConfigurationError, UserWarning), match="hidden_noise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(network, method)(*arguments, hiden_noise=0.1)


def test_losses(network):
    for use in (lambda: network.set_loss("mse", wieght=3), lambda: network.add_loss(dict(form="mse", wieght=3)),
                lambda: theanets.Regressor([4, 2], loss=dict(wieght=3))):
        with pytest.raises((util.ConfigurationError, TypeError), match="wieght"):
            use()


# Arguments of other libraries, and in the wrong place.

HINTS = {
    "validation_fraction": "validation_split", "validation_data": r"train\(\[x, y\], \[x_valid, y_valid\]\)",
    "optimizer": "algo=", "verbosity": "verbose=False", "metrics": "monitors=", "loss": r"set_loss\('mae'\)",
    "kernel_size": "filter_size=", "padding": "border_mode=", "y": r"train\(\[x, y\]\)", "max_iter": "epochs=",
    "n_epochs": "epochs=", "seed": "rng=", "units": "size=", "dropout_rate": "hidden_dropout=", "lr": "learning_rate=",
    "hidden_activation": r"\(20, 'tanh'\)", "output_activation": r"\(3, 'sigmoid'\)", "decode_from": "layer= to encode",
    "recurrent_form": r"\(20, 'lstm'\)", "sparse_input": "sparse='csr'", "recurrent_error_start": "weighted=True",
}


@pytest.mark.parametrize("name", HINTS)
@pytest.mark.parametrize("where", ["train", "constructor", "layer"])
def test_names_of_other_libraries_are_answered_with_what_to_write(name, where, network):
    if (where, name) == ("constructor", "loss"):
        return
    call = {
        "train": lambda **option: network.itertrain([X, Y], **option),
        "constructor": lambda **option: theanets.Regressor([4, 2], **option),
        "layer": lambda **option: theanets.Regressor([4, dict(size=3, **option), 2]),
    }[where]
    with pytest.raises(util.ArgumentError, match=f"unknown argument '{name}'; .*{HINTS[name]}") as caught:
        call(**{name: 1})
    assert isinstance(caught.value, TypeError) and isinstance(caught.value, util.ConfigurationError)


@pytest.mark.parametrize("name", ["validation_fraction", "optimizer", "metrics"])
def test_train_says_the_same_with_other_trainers(name, network):
    with pytest.raises(util.ArgumentError, match=f"'{name}'; "):
        network.itertrain([X, Y], algo="layerwise", **{name: 1})


def test_no_hint_is_for_an_argument_that_is_used():
    used = {*theanets.trainer.keywords(), *theanets.regularizers.keywords(), "train", "valid", "subalgo", "rng"}
    assert not used & set(arguments.HINTS_TRAINING)
    assert not used & set(arguments.HINTS_EVALUATION)


@pytest.mark.parametrize("name", sorted(arguments.TODAY))
def test_a_misspelt_old_name_is_answered_with_the_name_of_today(name, network):
    misspelt = name[0] + name[2:]
    with pytest.raises(util.ArgumentError) as caught:
        network.itertrain([X, Y], **{misspelt: 1})
    offered = re.findall("'([^']*)'", str(caught.value).partition("did you mean")[2])
    assert not set(offered) & set(arguments.TODAY)


@pytest.mark.parametrize("name", ["hidden_l2", "hiden_l2", "output_l2", "input_l1", "weight_l3", "hidden_decay",
                                  "weights_noise", "bias_l1", "weight_dropout"])
def test_a_penalty_is_no_misspelling_of_another(name, network):
    with pytest.raises(util.ArgumentError, match="no such regularizer: see theanets.regularizers") as caught:
        network.itertrain([X, Y], **{name: 1})
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("name, meant", [("hiden_l1", "'hidden_l1'"), ("wieght_l2", "'weight_l2'"),
                                         ("input_nois", "'input_noise'"), ("beta1_halflif", "'beta1_halflife'"),
                                         ("optimise", "'algo'"), ("gradient_clp", "'max_gradient_elem'")])
def test_one_name_is_offered_where_no_other_is_as_near(name, meant, network):
    with pytest.raises(util.ArgumentError, match=rf"did you mean {meant}\?$"):
        network.itertrain([X, Y], algo="adam", **{name: 1})


def test_many_complaints_stand_on_a_line_each(network):
    with pytest.raises(util.ArgumentError) as caught:
        network.itertrain([X, Y], verbosity=0, optimizer="adam", zzz=1)
    first, *lines = str(caught.value).splitlines()
    assert first == "train(): 3 arguments are unknown"
    assert [line.split(";")[0] for line in lines] == [
        "unknown argument 'verbosity'", "unknown argument 'optimizer'", "unknown argument 'zzz'"]


def test_prediction_has_hints_of_its_own(network):
    with pytest.raises(util.ArgumentError, match="'steps'; leave it out"):
        network.predict(X, steps=0)


@pytest.mark.parametrize("option", [dict(hid_l1=1), dict(hidden_dropouts=0.3)])
def test_old_names_in_the_wrong_place_are_answered_with_the_new_ones(option):
    with pytest.raises(util.ArgumentError, match=r"write hidden_\w+= in train\(\)"):
        theanets.Regressor([4, 2], **option)


def test_open_classes_are_warned_with_the_hint():
    with pytest.warns(UserWarning, match="'verbosity', which may be misspelt; progress=False"):
        first_losses(Scaled([4, 3, 4]), verbosity=0)


# Arguments that cannot be honoured any more.


@pytest.mark.parametrize("kwargs", [dict(learning_rate=0.1), dict(hidden_l1=0.1), dict(input_noise=0.1),
                                    dict(train_batches=3), dict(monitors={})])
def test_arguments_of_training_given_to_a_constructor(kwargs):
    with pytest.raises(util.ConfigurationError, match=r"train\(\)"):
        theanets.Autoencoder([4, 3, 4], **kwargs)


@pytest.mark.parametrize("model", MODELS)
def test_output_activation(model):
    """The message shows the spec to write instead."""
    with pytest.raises(util.ConfigurationError, match=r"(?s)output_activation.*layer.*\(.*\)"):
        model([4, 3, 4], output_activation="sigmoid")


# Old spellings.

NOISE = dict(input_noise=0.5, hidden_noise=0.3, input_dropout=0.3, hidden_dropout=0.2)


@pytest.mark.parametrize("old, new", [
    (dict(optimize="sgd"), dict(algo="sgd")), (dict(algorithm="sgd"), dict(algo="sgd")),
    (dict(gradient_clip=0.01), dict(max_gradient_elem=0.01)),
    (dict(max_gradient_clip=0.01), dict(max_gradient_elem=0.01)),
    (dict(hid_l1=0.7), dict(hidden_l1=0.7)), (dict(input_dropouts=0.3), dict(input_dropout=0.3)),
    (dict(hidden_dropouts=0.3), dict(hidden_dropout=0.3)), (dict(input_noises=0.3), dict(input_noise=0.3)),
    (dict(hidden_noises=0.3), dict(hidden_noise=0.3)), (dict(l2=0.3), dict(weight_l2=0.3)),
    (dict(l1=0.3), dict(weight_l1=0.3)), (dict(weights_l2=0.3), dict(weight_l2=0.3)),
])
def test_old_spellings(old, new):
    """They warn, name today's spelling, and do the same."""
    one, two, plain = (theanets.Regressor([4, 3, 2]) for _ in range(3))
    run = {} if "algo" in new else dict(algo="sgd")
    with pytest.warns(DeprecationWarning, match="'{}'".format(*new)):
        losses = epochs(one, [X, Y], 2, learning_rate=0.1, **old, **run)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert losses == epochs(two, [X, Y], 2, learning_rate=0.1, **new, **run)
    assert losses != epochs(plain, [X, Y], 2, learning_rate=0.1)


def test_old_names_of_the_data():
    one, two = (theanets.Regressor([4, 3, 2]) for _ in range(2))
    with pytest.warns(DeprecationWarning, match="'train'"), pytest.warns(DeprecationWarning, match="'valid'"):
        losses = epochs_by_keyword(one, train_set=[X, Y], valid_set=[X[:3], Y[:3]])
    assert losses == epochs(two, [X, Y], valid=[X[:3], Y[:3]], algo="sgd")
    with pytest.warns(DeprecationWarning, match="'train'"):
        one.train(train_set=[X, Y], algo="sgd", max_updates=1)


def epochs_by_keyword(network, **data):
    train, valid = next(network.itertrain(algo="sgd", **data))
    return [(float(train["loss"]), float(valid["loss"]))]


def test_the_warning_points_at_the_caller(network):
    with pytest.warns(DeprecationWarning) as caught:
        network.itertrain([X, Y], optimize="sgd")
    assert [warning.filename for warning in caught if "optimize" in str(warning.message)] == [__file__]


@pytest.mark.parametrize("kwargs", [dict(algo="sgd", optimize="sgd"), dict(hid_l1=1, hidden_l1=1),
                                    dict(optimize="sgd", algorithm="sgd")])
def test_both_spellings(kwargs, network):
    with pytest.raises(util.ConfigurationError):
        network.itertrain([X, Y], **kwargs)


def test_lists_of_algorithms(network):
    """Defect 65: only the first counts, and the warning says so."""
    with pytest.warns(DeprecationWarning, match="only"), pytest.warns(DeprecationWarning, match="'algo'"):
        losses = epochs(network, [X, Y], algorithm=["sgd", "rmsprop"], learning_rate=0.1)
    assert losses == epochs(theanets.Regressor([4, 3, 2]), [X, Y], algo="sgd", learning_rate=0.1)


@pytest.mark.parametrize("algo", ["SGD", "Sgd", "sgd"])
def test_algorithms_in_any_case(algo, network):
    assert epochs(network, [X, Y], algo=algo) == epochs(theanets.Regressor([4, 3, 2]), [X, Y], algo="sgd")


class Inverse(theanets.Autoencoder):
    """A model with a penalty of its own, as scripts write it."""

    def loss(self, weight_inverse=0, **kwargs):
        penalty = sum((1 / (p * p).sum(axis=0)).sum() for p in self.params if p.ndim == 2)
        return super().loss(**kwargs) + weight_inverse * penalty


class Scaled(theanets.Autoencoder):
    """A model that does not tell which arguments it uses."""

    def loss(self, **kwargs):
        return super().loss(**kwargs) * kwargs.get("scale", 1)


def first_losses(net, **kwargs):
    x = np.random.RandomState(0).randn(20, 4)
    train, _ = net.train([x], algo="sgd", epochs=1, batch_size=0, **kwargs)
    return train["loss"], train["err"]


def test_arguments_of_an_overridden_loss_are_known():
    loss, err = first_losses(Inverse([4, 3, 4]), weight_inverse=0.5, weight_l2=0.1)
    plain, _ = first_losses(Inverse([4, 3, 4]), weight_l2=0.1)
    assert loss > plain + 0.1
    with pytest.raises(theanets.util.ConfigurationError, match="'weight_invers'.*'weight_inverse'"):
        first_losses(Inverse([4, 3, 4]), weight_invers=0.5)


def test_arguments_that_an_overridden_loss_may_use_pass_with_a_warning():
    with pytest.warns(UserWarning, match="'scale'"):
        loss, err = first_losses(Scaled([4, 3, 4]), scale=2)
    assert loss == pytest.approx(2 * err, rel=1e-6)
    with pytest.raises(theanets.util.ConfigurationError, match="'learning_rate'"):
        first_losses(Scaled([4, 3, 4]), learnin_rate=2)


def test_noise_in_a_layer_spec_is_sent_to_train():
    with pytest.raises(theanets.util.ConfigurationError, match="'input_noise'; pass it to train"):
        theanets.Regressor([dict(size=2, input_noise=0.3), 2, 1])


def test_repr_tells_what_a_part_of_a_network_is():
    net = theanets.convolution.Classifier(
        [(8, 8, 1), dict(form="conv2", size=4, filter_size=3, name="filters"), "flat", (3, "tanh"), (3, "prelu"), 2],
        loss=dict(form="xe", weight=2),
    )
    assert [repr(layer) for layer in net.layers] == [
        "Input(name='in', shape=(8, 8, 1))",
        "Conv2(name='filters', shape=(6, 6, 4), activation='relu')",
        "Flatten(name='hid2', size=144)",
        "Feedforward(name='hid3', size=3, activation='tanh')",
        "Feedforward(name='hid4', size=3, activation='prelu')",
        "Feedforward(name='out', size=2, activation='softmax')",
    ]
    assert repr(net.layers[4].activate) == "Prelu('prelu')"
    assert repr(net.losses) == "[CrossEntropy(weight=2, output_name='out:out')]"
    regs = theanets.regularizers.from_kwargs(net, weight_l2=0.1, input_noise=0.2)
    assert [repr(reg) for reg in regs] == [
        "GaussianNoise(pattern=('in:out',), weight=0.2)",
        "WeightL2(pattern='*', weight=0.1)",
    ]
    # of sequences, and before a layer knows its input.
    assert repr(theanets.recurrent.Regressor([3, (4, "lstm"), 1]).layers[1]) == "LSTM(name='hid1', size=4)"
    assert repr(theanets.layers.Feedforward(size=3, name="a")) == "Feedforward(name='a', size=3, activation='relu')"


def test_repr_works_for_any_class_of_a_users():
    class Named(theanets.Layer):
        def __init__(self, **kwargs):
            assert repr(self).startswith("Named(")  # as in an error message of a constructor that has just begun
            super().__init__(**kwargs)

    class Scaled(theanets.Loss):
        def __init__(self, target, scale=1, **kwargs):
            super().__init__(target, **kwargs)
            self.scale = scale

        def elementwise(self, output, target):
            return self.scale * abs(output - target)

    assert "scale=3" in repr(Scaled(2, scale=3)) and "name='x'" in repr(Named(name="x"))
