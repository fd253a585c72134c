"""Training that was interrupted goes on as if it had not been."""

import contextlib
import copy
import itertools
import os
import random
import shutil
import warnings

import numpy as np
import pytest
import scipy.sparse
import theanets
from theanets import storage, util
from theanets.storage import archive
from theanets.trainer import run as run_module
from theanets.trainer import states

from tests.helpers import assert_same_values, names, python, values

RNG = np.random.RandomState(0)
X = RNG.randn(40, 6).astype("f")
Y = (X[:, :2] ** 2).astype("f")
LABELS = (X[:, 0] > 0).astype("i")
SEQUENCES = [RNG.randn(n, 3).astype("f") for n in (3, 5, 4, 3, 6, 4, 5, 3)]


def regressor(rng=13):
    return theanets.Regressor([6, (5, "tanh"), 2], rng=rng)


def abs_difference(output, target):
    return abs(output - target)


def without_seconds(network):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in network.history]


def assert_alike(one, two):
    for name, value in values(one).items():
        np.testing.assert_allclose(value, values(two)[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert len(one.history) == len(two.history)
    for row, other in zip(without_seconds(one), without_seconds(two)):
        assert list(row) == list(other)
        for key, value in row.items():
            assert value == (pytest.approx(other[key], rel=1e-5, abs=1e-6) if util.is_real(value) else other[key]), key


def in_one_and_in_two(make, data, path, *args, **kwargs):
    """Train for six epochs, and twice for three."""
    whole, first, second = make(), make(), make()
    whole.train(data, *args, epochs=6, **kwargs)
    first.train(data, *args, epochs=3, checkpoint=path, **kwargs)
    assert len(first.history) == 3
    second.train(data, *args, epochs=3, checkpoint=path, **kwargs)
    assert_alike(second, whole)
    assert second.history.stopped == whole.history.stopped == "6 epochs are done"
    return second


ALGORITHMS = {
    "sgd": dict(learning_rate=0.1, momentum=0.5, hidden_dropout=0.2, input_noise=0.1),
    "rprop": dict(learning_rate=0.01, batch_size=0),
    "rmsprop": dict(learning_rate=0.01, hidden_noise=0.1, validate_every=2),
    "adam": dict(learning_rate=0.01, schedule="exponential"),
}


@pytest.mark.parametrize("algo", ["sgd", "adam"])
def test_three_and_three_epochs_are_six(algo, each_mode, tmp_path):
    in_one_and_in_two(regressor, [X, Y], tmp_path / "c", algo=algo, **{"batch_size": 7, **ALGORITHMS[algo]})


@pytest.mark.parametrize("algo", ["rprop", "rmsprop", "adagrad", "adadelta"])
def test_the_other_algorithms(algo, tmp_path):
    in_one_and_in_two(regressor, [X, Y], tmp_path / "c", algo=algo, **{"batch_size": 7, **ALGORITHMS.get(algo, {})})


def test_a_generator_goes_on(tmp_path):
    in_one_and_in_two(lambda: regressor(np.random.RandomState(4)), [X, Y], tmp_path / "c", [X[:5], Y[:5]], algo="sgd",
                      learning_rate=0.1, batch_size=7, hidden_dropout=0.2)


def test_running_averages_and_class_weights_go_on(tmp_path):
    in_one_and_in_two(lambda: theanets.Classifier([6, 4, "batchnorm", 2]), [X, LABELS], tmp_path / "c", algo="adam",
                      batch_size=7, class_weight="balanced", schedule=dict(form="plateau", patience=0),
                      validate_every=1)


def test_sequences_of_different_lengths_go_on(tmp_path):
    in_one_and_in_two(lambda: theanets.recurrent.Regressor([3, (3, "rnn"), 1]),
                      [SEQUENCES, [x[:, :1] for x in SEQUENCES]], tmp_path / "c", algo="sgd", batch_size=3)


def test_states_that_are_carried_go_on(tmp_path):
    x = RNG.randn(4, 12, 3).astype("f")
    in_one_and_in_two(lambda: theanets.recurrent.Regressor([3, (3, "gru"), 1]), [x, x[:, :, :1]], tmp_path / "c",
                      algo="sgd", batch_size=4, axis=1, stateful="keep")


@pytest.mark.parametrize("shuffle, options", [
    ("rows", dict(batch_size=7)), ("rows", dict(batch_size=7, train_batches=4)), (False, dict(batch_size=7)),
], ids=str)
def test_mixed_rows_go_on(shuffle, options, each_mode, tmp_path):
    """To the bit, also within a permutation."""
    run = dict(algo="sgd", learning_rate=0.1, shuffle=shuffle, **options)
    again = in_one_and_in_two(lambda: regressor(np.random.RandomState(4)), [X, Y], tmp_path / "c", **run)
    whole = regressor(np.random.RandomState(4))
    whole.train([X, Y], epochs=6, **run)
    assert_same_values(values(again), values(whole))
    assert again.history["train_loss"] == whole.history["train_loss"]


def test_mixed_sequences_go_on(tmp_path):
    in_one_and_in_two(lambda: theanets.recurrent.Regressor([3, (3, "rnn"), 1]),
                      [SEQUENCES, [x[:, :1] for x in SEQUENCES]], tmp_path / "c", algo="sgd", batch_size=3,
                      shuffle="rows")


def test_the_order_belongs_to_the_training(tmp_path):
    """The default is the one of checkpoints that were made before there was a choice."""
    run = dict(algo="sgd", epochs=1, checkpoint=tmp_path / "c")
    regressor().train([X, Y], **run)
    regressor().train([X, Y], shuffle="batches", **run)
    for shuffle in ("rows", True, False):
        with pytest.raises(util.ConfigurationError, match="shuffle"):
            regressor().train([X, Y], shuffle=shuffle, **run)
    (tmp_path / "c").unlink()
    regressor().train([X, Y], shuffle="rows", **run)
    regressor().train([X, Y], shuffle=True, **run)


class Stream:
    """Makes batches, and says where its random numbers come from."""

    def __init__(self):
        self.rng = np.random.RandomState(5)

    def __call__(self):
        chosen = self.rng.randint(0, len(X), 8)
        return [X[chosen], Y[chosen]]


def test_callables_with_a_generator_go_on(tmp_path):
    whole, first, second = regressor(), regressor(), regressor()
    run = dict(valid=[X, Y], algo="sgd", train_batches=3, learning_rate=0.1)
    whole.train(Stream(), epochs=6, **run)
    first.train(Stream(), epochs=3, checkpoint=tmp_path / "c", **run)
    second.train(Stream(), epochs=3, checkpoint=tmp_path / "c", **run)
    assert_alike(second, whole)


def test_a_loss_that_is_a_lambda_goes_on_though_it_cannot_be_saved(tmp_path):
    in_one_and_in_two(lambda: theanets.Regressor([6, 2], loss=lambda output, target: abs(output - target)), [X, Y],
                      tmp_path / "c", algo="sgd")
    with pytest.raises(util.LoadError, match="without its network"):
        theanets.Network.load(tmp_path / "c")


@pytest.mark.parametrize("algo", ["layerwise", "pretrain"])
@pytest.mark.parametrize("done", [2, 5])
def test_stages_go_on_wherever_they_were_interrupted(algo, done, tmp_path):
    def make():
        return theanets.Regressor([6, 5, 4, 2])

    run = dict(algo=algo, subalgo="sgd", epochs=3, learning_rate=0.1, batch_size=7)
    whole, first, second = make(), make(), make()
    whole.train([X, Y], **run)
    with contextlib.closing(first.itertrain([X, Y], checkpoint=tmp_path / "c", **run)) as pairs:
        list(itertools.islice(pairs, done))
    second.train([X, Y], checkpoint=tmp_path / "c", **run)
    assert_alike(second, whole)


def test_the_number_of_epochs_counts_all_of_them(tmp_path):
    """More epochs than are done is the number of all; what was asked for and is done is asked for once more."""
    run = dict(algo="sgd", learning_rate=0.1, checkpoint=tmp_path / "c")
    counts = []
    for epochs in (2, 5, 5, 3, 14):
        network = regressor()
        network.train([X, Y], epochs=epochs, **run)
        counts.append(len(network.history))
    assert counts == [2, 5, 10, 13, 14]


def test_what_was_interrupted_goes_on_to_its_end(tmp_path):
    whole, first, second, third = (regressor() for _ in range(4))
    run = dict(algo="sgd", learning_rate=0.1, epochs=6, batch_size=7)
    whole.train([X, Y], **run)
    for count, network in ((2, first), (2, second)):
        for _ in itertools.islice(network.itertrain([X, Y], checkpoint=tmp_path / "c", **run), count):
            pass
    third.train([X, Y], checkpoint=tmp_path / "c", **run)
    assert_alike(third, whole)


def test_patience_that_has_run_out_stays_so(tmp_path):
    run = dict(algo="sgd", learning_rate=0.0, validate_every=1, patience=2, checkpoint=tmp_path / "c")
    one, two, three = regressor(), regressor(), regressor()
    last = one.train([X, Y], **run)
    assert "patience" in one.history.stopped
    assert two.train([X, Y], **run) == last and two.history.state() == one.history.state()
    assert_same_values(values(two), values(one))
    three.train([X, Y], **dict(run, patience=4))
    assert len(three.history) > len(one.history)


def test_a_learning_rate_that_was_changed_on_the_way_stays_changed(tmp_path):
    run = dict(algo="sgd", learning_rate=0.1, epochs=4, batch_size=7)

    def slow_down(network, count, **more):
        for i, _ in enumerate(network.itertrain([X, Y], **run, **more)):
            if i == 0 and len(network.history) == 1:
                network.learning_rate = 0.01
            if i + 1 == count:
                break

    whole, first, second = regressor(), regressor(), regressor()
    slow_down(whole, 9)
    slow_down(first, 2, checkpoint=tmp_path / "c")
    slow_down(second, 9, checkpoint=tmp_path / "c")
    assert whole.history["learning_rate"] == [0.1, 0.01, 0.01, 0.01]
    assert_alike(second, whole)


def test_a_checkpoint_is_a_model(tmp_path):
    network = regressor()
    network.train([X, Y], algo="adam", epochs=2, checkpoint=tmp_path / "c")
    again = theanets.Network.load(tmp_path / "c")
    assert names(again.layers) == names(network.layers) and len(again.history) == 2
    np.testing.assert_array_equal(again.predict(X), network.predict(X))


def test_how_often_it_is_written(tmp_path):
    path = tmp_path / "c"
    times = [path.stat().st_mtime_ns if path.exists() else None
             for _ in regressor().itertrain([X, Y], algo="sgd", epochs=5, checkpoint=path, checkpoint_every=2)]
    assert times[:2] == [None, None] and times[2] == times[3] is not None and times[4] > times[3]
    path.unlink()
    assert not any(path.exists() for _ in regressor().itertrain(
        [X, Y], algo="sgd", epochs=3, checkpoint=path, checkpoint_every=60.0))
    assert path.exists() and os.listdir(tmp_path) == ["c"]


@pytest.mark.parametrize("make, data, run, words", [
    (lambda: theanets.Regressor([6, (4, "tanh"), 2]), [X, Y], {}, "4"),
    (lambda: theanets.Regressor([6, (5, "relu"), 2]), [X, Y], {}, "activation"),
    (regressor, [X[:9], Y[:9]], {}, "data"),
    (regressor, [X, Y], dict(batch_size=4), "batch_size"),
    (regressor, [X, Y], dict(algo="adam"), "algo"),
    (regressor, [X, Y], dict(hidden_dropout=0.2), "regularizers"),
    (regressor, [X, Y], dict(weight_l2=0.1), "regularizers"),
    (regressor, [X, Y], dict(momentum=0.5), "momentum"),
    (regressor, [X, Y], dict(max_gradient_norm=1), "max_gradient_norm"),
    (regressor, [X, Y], dict(freeze=["hid1"]), "frozen"),
    (regressor, [X, Y], dict(rng=14), "rng"),
    (regressor, [X[::-1], Y], {}, "values of the train data and the values of the valid data"),
    (regressor, [X, Y + 1], {}, "values of the train"),
    (lambda: theanets.Regressor([6, (5, "tanh"), 2], loss=abs_difference), [X, Y], {}, "losses"),
])
def test_checkpoints_of_another_training_are_refused(make, data, run, words, tmp_path):
    regressor().train([X, Y], algo="sgd", epochs=1, checkpoint=tmp_path / "c")
    content, network = (tmp_path / "c").read_bytes(), make()
    before = values(network)
    with pytest.raises(util.ConfigurationError, match=words):
        network.train(data, epochs=3, checkpoint=tmp_path / "c", **{"algo": "sgd", **run})
    assert (tmp_path / "c").read_bytes() == content
    assert_same_values(values(network), before)


def test_a_fold_does_not_get_the_network_of_another_one(tmp_path):
    """Cross-validation with one path: the folds have the same shapes."""
    run = dict(algo="sgd", epochs=1, checkpoint=tmp_path / "c")
    folds = [np.delete(np.arange(40), range(i, i + 10)) for i in range(0, 40, 10)]
    regressor().train([X[folds[0]], Y[folds[0]]], **run)
    for fold in folds[1:]:
        network = regressor()
        before = values(network)
        with pytest.raises(util.ConfigurationError, match="values of the train"):
            network.train([X[fold], Y[fold]], **run)
        assert_same_values(values(network), before)
    with pytest.raises(util.ConfigurationError, match="values of the valid data"):
        regressor().train([X[folds[0]], Y[folds[0]]], [X[folds[1]], Y[folds[1]]], **run)


def sparse_rows(x):
    return scipy.sparse.csr_matrix(x)


@pytest.mark.parametrize("make, one, same, other", [
    (regressor, [X, Y], [X.astype("f8"), np.asfortranarray(Y)], [X + 1e-3, Y]),
    (lambda: theanets.Regressor([dict(size=6, sparse="csr"), 2]), [sparse_rows(X), Y],
     [scipy.sparse.csc_matrix(X), Y], [sparse_rows(X[::-1]), Y]),
    (lambda: theanets.recurrent.Regressor([3, (3, "rnn"), 1]), [SEQUENCES, [x[:, :1] for x in SEQUENCES]],
     [[x.tolist() for x in SEQUENCES], [x[:, :1] for x in SEQUENCES]],
     [SEQUENCES, [x[:, 1:2] for x in SEQUENCES]]),
])
def test_data_are_known_by_their_values(make, one, same, other, tmp_path):
    run = dict(algo="sgd", epochs=1, checkpoint=tmp_path / "c")
    make().train(one, **run)
    make().itertrain(same, **run).close()
    with pytest.raises(util.ConfigurationError, match="values of the train"):
        make().itertrain(other, **run)


def test_callables_are_known_by_their_code_and_their_data(tmp_path):
    run = dict(valid=[X, Y], algo="sgd", epochs=1, train_batches=2, checkpoint=tmp_path / "c")

    def batches_of(x, factor=1):
        state = {"count": 0}

        def make():
            state["count"] += 1
            return [x[:8], factor * Y[:8]]

        return make

    make = batches_of(X)
    regressor().train(make, **run)
    # one that has been used, and a new one.
    for same in (make, batches_of(X.copy())):
        regressor().itertrain(same, **run).close()
    for other in (batches_of(X + 1), batches_of(X, 2), lambda: [X[:8], Y[:8]]):
        with pytest.raises(util.ConfigurationError, match="what makes the train data"):
            regressor().itertrain(other, **run)


def test_a_loss_is_known_by_its_code(tmp_path):
    make = lambda power: theanets.Regressor([6, 2], loss=lambda output, target: abs(output - target) ** power)  # noqa: E731
    run = dict(algo="sgd", epochs=1, checkpoint=tmp_path / "c")
    make(2).train([X, Y], **run)
    make(2).itertrain([X, Y], **run).close()
    with pytest.raises(util.ConfigurationError, match="code of loss 0"):
        make(3).itertrain([X, Y], **run)


def test_what_may_change_changes(tmp_path, caplog):
    caplog.set_level("INFO", logger="theanets")
    run = dict(algo="sgd", epochs=1, batch_size=20, checkpoint=tmp_path / "c")
    regressor().train([X, Y], learning_rate=0.1, **run)
    network = regressor()
    network.train([X, Y], learning_rate=0.05, patience=3, validate_every=2, max_seconds=100, min_improvement=0.1,
                  callbacks=[lambda *_: None], schedule="exponential", **dict(run, epochs=2))
    assert network.history["learning_rate"] == [0.1, 0.05] or network.history["learning_rate"][0] == 0.1
    assert "0.05" in caplog.text and "learning rate" in caplog.text


def edited(path, change):
    """Change the section of the training in a checkpoint."""
    sections = storage.load_sections(path)
    change(sections["training"])
    storage.write_atomically(path, archive.pack(regressor(), sections))


def test_checkpoints_of_earlier_releases_go_on_with_a_warning(tmp_path):
    run = dict(algo="sgd", epochs=1, checkpoint=tmp_path / "c")
    regressor().train([X, Y], **run)

    def forget(training):
        for key in ("contents", "functions", "python", "options", "regularizers", "rng", "frozen", "loss options",
                    "class_weight"):
            del training["identity"][key]

    edited(tmp_path / "c", forget)
    with pytest.warns(UserWarning, match="earlier release.*contents"):
        regressor().train([X, Y], **run)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor().train([X, Y], **run)


def test_code_of_another_python_is_not_compared(tmp_path):
    run = dict(algo="sgd", epochs=1, checkpoint=tmp_path / "c")
    regressor().train(lambda: [X, Y], [X, Y], train_batches=1, **run)
    edited(tmp_path / "c", lambda training: training["identity"].update(python="2.7"))
    regressor().itertrain(lambda: [X, Y][:2], [X, Y], train_batches=1, **run).close()


def places_in(tree, path=()):
    """The paths of all entries of dicts, and of the first ones of lists."""
    if path:
        yield path
    items = tree.items() if isinstance(tree, dict) else list(enumerate(tree))[:2] if isinstance(tree, list) else ()
    for key, item in items:
        yield from places_in(item, (*path, key))


def test_checkpoints_that_were_edited_change_nothing(tmp_path):
    """Each entry in turn is removed, or is something else: an error of ours before anything changes, or a training."""
    path, network = tmp_path / "c", regressor()
    run = dict(algo="sgd", learning_rate=0.1, batch_size=20, validate_every=1, checkpoint=path)
    regressor().train([X, Y], epochs=2, **run)
    content, sections = path.read_bytes(), storage.load_sections(path)
    before, chance, refused = values(network), random.Random(3), 0
    places = [place for place in places_in(sections["training"]) if place[0] != "identity"]
    strange = [None, -1, 7, 0.5, "x", [], {}, [1, 2, 3], True, np.zeros(3), np.zeros((2, 2), "f")]
    for place in chance.choices(places, k=int(60 * float(os.environ.get("THEANETS_FUZZ", 1)))):
        training = storage.load_sections(path)["training"]
        inner = training
        for key in place[:-1]:
            inner = inner[key]
        if chance.random() < 0.3 and isinstance(inner, dict):
            del inner[place[-1]]
        else:
            inner[place[-1]] = chance.choice(strange)
        path.write_bytes(archive.pack(regressor(), {"training": training}))
        try:
            with contextlib.closing(network.itertrain([X, Y], epochs=3, **run)) as epochs:
                next(epochs, None)
        except util.ConfigurationError:
            refused += 1
            assert_same_values(values(network), before)
        else:
            for param in network.params:
                param.set_value(before[param.name])
        path.write_bytes(content)
    assert refused > 25


def test_every_edit_of_a_checkpoint_is_seen_or_fits(tmp_path):
    path = tmp_path / "c"
    regressor().train([X, Y], algo="sgd", learning_rate=0.1, epochs=1, checkpoint=path)
    training = storage.load_sections(path)["training"]
    strange = [None, -1, "x", [], {}, np.zeros(3), np.array(1), {"generator": 3}, [np.zeros(2)]]
    refused = 0
    for place in places_in(training):
        for value in strange:
            edited = inner = copy.deepcopy(training)
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            try:
                states.check(*(edited[key] for key in ("identity", "state", "result")))
            except util.LoadError:
                refused += 1
    assert refused > 500


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and so on"])
def test_files_that_are_no_checkpoints_are_refused_and_kept(content, tmp_path):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(util.LoadError, match="checkpoint"):
        regressor().train([X, Y], algo="sgd", epochs=1, checkpoint=tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == content


def test_a_model_is_no_checkpoint(tmp_path):
    regressor().save(tmp_path / "m.npz")
    with pytest.raises(util.LoadError, match="without the state of a training"):
        regressor().train([X, Y], algo="sgd", epochs=1, checkpoint=tmp_path / "m.npz")


def test_damaged_checkpoints_are_noticed(tmp_path):
    """A few bytes of a zip file, such as the dates of its members, mean nothing."""
    path, noticed = tmp_path / "c", 0
    regressor().train([X, Y], algo="sgd", epochs=1, checkpoint=path)
    content = path.read_bytes()
    places = range(0, len(content), len(content) // 40)
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with contextlib.suppress(util.LoadError):
            storage.load_sections(path)
            continue
        noticed += 1
        with pytest.raises(util.LoadError, match="checkpoint"):
            regressor().itertrain([X, Y], algo="sgd", epochs=2, checkpoint=path)
    assert noticed > 0.8 * len(places)


@pytest.mark.parametrize("arguments", [
    dict(checkpoint=3), dict(checkpoint="missing/folder/c"), dict(checkpoint="."), dict(checkpoint_every=2),
    dict(checkpoint="c", checkpoint_every=0), dict(checkpoint="c", checkpoint_every="often"),
    dict(checkpoint="c", algo="sample"),
])
def test_arguments_that_make_no_sense(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(util.ConfigurationError, match="checkpoint"):
        regressor().itertrain([X, Y], **{"algo": "sgd", **arguments})
    assert os.listdir(tmp_path) == []


# Trains in processes that are killed again and again, until one of them comes to the end.
KILL = """
import logging, os, random, signal, sys, time
import numpy as np
import theanets
logging.disable(logging.CRITICAL)
path, chance = sys.argv[1], random.Random(2)
x = np.random.RandomState(0).randn(40, 6).astype("f")
run = dict(algo="adam", learning_rate=0.01, epochs=12, batch_size=20, hidden_dropout=0.1)
make = lambda: theanets.Regressor([6, (5, "tanh"), 2])
whole, killed, done = make(), 0, 0
whole.train([x, x[:, :2]], **run)
written = lambda: os.stat(path).st_mtime_ns if os.path.exists(path) else 0
while done < 12:
    before = written()
    pid = os.fork()
    if not pid:
        # so long that it is not over before it is killed.
        make().train([x, x[:, :2]], checkpoint=path, callbacks=lambda *args: time.sleep(0.02), **run)
        os._exit(0)
    while written() == before:
        time.sleep(0.001)
    time.sleep(chance.random() * 0.1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    killed += 1
    # what is there can be opened at any time.
    assert len(theanets.Network.load(path).history) >= done
    done = len(theanets.Network.load(path).history)
again = theanets.Network.load(path)
if again.history.stopped is None:
    # the process was killed after the last epoch, but before it had validated once more.
    again = make()
    again.train([x, x[:, :2]], checkpoint=path, **run)
assert again.history["train_loss"] == whole.history["train_loss"]
for one, two in zip(again.params, whole.params):
    np.testing.assert_array_equal(one.get_value(), two.get_value())
print(killed)
"""


def test_killed_training_comes_to_the_same_end(tmp_path):
    out, _ = python(KILL, tmp_path / "c")
    assert int(out) > 1


# Validations after epochs.


@pytest.mark.parametrize("every", [1, 2])
def test_a_validation_that_has_been_made_is_not_made_again(every, tmp_path, monkeypatch):
    """Noise shows that: it would be another one. The file of a process that was killed is that of an epoch's end."""
    run = dict(algo="sgd", learning_rate=0.1, batch_size=7, hidden_noise=0.3, validate_every=every, epochs=4)
    whole, killed, again = regressor(), regressor(), regressor()
    pair = whole.train([X, Y], **run)
    for i, _ in enumerate(killed.itertrain([X, Y], checkpoint=tmp_path / "c", **run)):
        # what was written after two epochs; leaving the loop would write more.
        if i == 2:
            shutil.copy(tmp_path / "c", tmp_path / "d")
    validations = []
    evaluate = run_module.Run._evaluate
    monkeypatch.setattr(run_module.Run, "_evaluate", lambda self: validations.append(1) or evaluate(self))
    found = again.train([X, Y], checkpoint=tmp_path / "d", **run)
    assert_alike(again, whole)
    assert len(validations) == {1: 2, 2: 1}[every]
    for one, two in zip(pair, found):
        assert dict(one) == pytest.approx(dict(two), rel=1e-5)
    assert again.history.best == pytest.approx(whole.history.best, rel=1e-5)
    # the training is not done, but asking once more for what it has come to brings the same.
    assert again.train([X, Y], checkpoint=tmp_path / "d", **dict(run, epochs=1))[1]["loss"] <= found[1]["loss"]


def test_a_training_that_is_done_returns_what_it_has_left(tmp_path):
    run = dict(algo="sgd", learning_rate=0.1, validate_every=1, checkpoint=tmp_path / "c",
               stop_when=lambda history: len(history) == 3)
    net, again = regressor(), regressor()
    assert net.train([X, Y], **run) == again.train([X, Y], **run)
    assert again.history.best == net.history.best and len(again.history) == 3


def test_means_over_something_else_cannot_go_on(tmp_path):
    run = dict(algo="sgd", batch_size=7, epochs=1, checkpoint=tmp_path / "c")
    regressor().train([X, Y], average="batches", **run)
    with pytest.raises(util.ConfigurationError, match="average='batches'"):
        regressor().train([X, Y], **run)
    regressor().train([X, Y], average="batches", **run)


def test_a_checkpoint_and_the_best_network_are_two_files(tmp_path):
    net = theanets.Regressor([2, 1])
    with pytest.raises(util.ConfigurationError, match="expected two files"):
        net.train([np.eye(2), np.ones(2)], checkpoint=tmp_path / "net", save_best=str(tmp_path / "." / "net"), epochs=1)
    assert not list(tmp_path.iterdir())
