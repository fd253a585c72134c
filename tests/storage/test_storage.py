"""Saving and loading: files, handles, pickles, copies; what comes back predicts the same and goes on training."""

import contextlib
import copy
import gzip
import io
import os
import pathlib
import pickle
import re
import warnings

import joblib
import numpy as np
import pytest
import theanets
from theanets import util
from theanets.storage import files

from tests.helpers import assert_same_values, epochs, names, python, values

X = np.random.RandomState(0).randn(8, 4).astype("f")
Y = np.random.RandomState(1).randn(8, 2).astype("f")
LAYERS = [4, (3, "prelu"), (3, "relu+norm:z"), (3, "tied"), (4, "tied")]


class Broken(theanets.Loss):
    """A loss that cannot be saved."""

    def __call__(self, outputs):
        return outputs[self.output_name].sum()

    def __reduce_ex__(self, protocol):
        raise RuntimeError("cannot be pickled")


@pytest.fixture(scope="module")
def network():
    network = theanets.Autoencoder(LAYERS, loss="mae", rng=5)
    network.train([X], algo="sgd", learning_rate=0.1, max_updates=2)
    return network


def through_pickle(network):
    return pickle.loads(pickle.dumps(network))


def through_handle(network):
    handle = io.BytesIO()
    network.save(handle)
    handle.seek(0)
    return theanets.Network.load(handle)


def through_joblib(network):
    handle = io.BytesIO()
    joblib.dump(network, handle)
    handle.seek(0)
    return joblib.load(handle)


WAYS = [through_pickle, through_handle, through_joblib, copy.deepcopy]


# What comes back.


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_the_same_network(way, network):
    """Defects 15, 64 among others."""
    again = way(network)
    assert type(again) is theanets.Autoencoder and again is not network
    assert names(again.layers) == names(network.layers)
    for one, two in zip(again.layers, network.layers):
        assert (type(one), one.output_shape, one.kwargs) == (type(two), two.output_shape, two.kwargs)
    assert [layer.activate.name for layer in again.layers[1:]] == [layer.activate.name for layer in network.layers[1:]]
    assert_same_values(values(again), values(network))
    assert again.layers[3].partner is again.layers[2] and again.layers[4].partner is again.layers[1]
    assert [(type(loss), loss.weight, loss.output_name) for loss in again.losses] == [
        (type(loss), loss.weight, loss.output_name) for loss in network.losses]
    assert names(again.variables) == ["in"]
    np.testing.assert_array_equal(again.predict(X), network.predict(X))
    np.testing.assert_array_equal(again.decode(again.encode(X)), network.decode(network.encode(X)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rng", [lambda: 7, lambda: np.random.RandomState(7), lambda: np.int64(7)])
def test_a_copy_goes_on_training(way, rng):
    """Defect 15: also with the state of a generator, so that both go on alike."""
    network = theanets.Regressor([4, 3, 2], rng=rng())
    again = way(network)
    run = dict(algo="sgd", learning_rate=0.1, batch_size=2, input_noise=0.1)
    assert epochs(again, [X, Y], 3, **run) == epochs(network, [X, Y], 3, **run)


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_can_grow(way):
    """Defect 15."""
    again = way(theanets.Regressor([4, 3], rng=7))
    again.add_layer(2, name="more")
    plain = theanets.Regressor([4, 3], rng=7)
    plain.add_layer(2, name="more")
    np.testing.assert_array_equal(again.predict(X), plain.predict(X))


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_shares_nothing(way):
    network = theanets.Regressor([4, 3, 2])
    network.predict(X)
    again = way(network)
    before = values(network)
    again.train([X, Y], algo="sgd", learning_rate=0.1, max_updates=2)
    assert_same_values(values(network), before)
    assert (again.find("out", "b").get_value() != before["out.b"]).any()
    np.testing.assert_array_equal(network.predict(X), theanets.Regressor([4, 3, 2]).predict(X))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rng", [lambda: 3, lambda: np.random.RandomState(3)])
def test_samples_of_a_copy(way, rng):
    network = theanets.Autoencoder([4, (9, "sigmoid"), 4], rng=rng())
    again = way(network)
    np.testing.assert_array_equal(again.encode(X, sample=True), network.encode(X, sample=True))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loss", ["mse", "mae", "gll", "mmd", "kl", "xe", "hinge"])
def test_every_loss_can_be_saved(way, loss):
    """Defect 59."""
    if loss in ("xe", "hinge"):
        network, data = theanets.Classifier([4, 3, 2], loss=loss), [X, [0, 1, 0, 1, 0, 1, 0, 1]]
    else:
        network = theanets.Regressor([4, dict(size=2, name="covar", inputs="in"), dict(size=2, name="mean", inputs="in",
                                                                                        activation="softplus")])
        network.set_loss(loss, target=2)
        data = [X, abs(Y)]
    again = way(network)
    run = dict(algo="sgd", learning_rate=0.01)
    assert epochs(again, data, **run) == epochs(network, data, **run)


def test_two_losses_share_their_target_after_loading():
    network = theanets.Regressor([4, 3, 2], weighted=True)
    network.add_loss("mae", weight=0.1, weighted=True)
    again = through_handle(network)
    assert names(again.variables) == ["in", "target", "weights"]
    data = [X, Y, abs(Y)]
    assert epochs(again, data, algo="sgd") == epochs(network, data, algo="sgd")


def test_sparse_networks_can_be_saved():
    network = theanets.Autoencoder([dict(form="input", size=4, sparse="csc"), 3, 4])
    again = through_handle(network)
    np.testing.assert_array_equal(again.predict(X), network.predict(X))
    assert again.inputs[0].format == "csc"


def test_values_not_caches_are_saved(network):
    """A used network is not larger than a fresh one."""
    # both have been loaded: a network that was built shares more of its strings.
    used, fresh = through_pickle(network), through_pickle(network)
    used.predict(X)
    used.feed_forward(X)
    assert len(pickle.dumps(used)) == pytest.approx(len(pickle.dumps(fresh)), rel=0.01)
    assert len(pickle.dumps(network)) < 40000


def test_a_loaded_network_in_a_new_process(network, tmp_path):
    path = tmp_path / "model.pkl.gz"
    network.save(path)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", network.predict(X))
    out, _ = python("""
import logging, sys
import numpy as np
import theanets
logging.getLogger("theanets").setLevel(logging.CRITICAL)
logging.getLogger("downhill").setLevel(logging.CRITICAL)
folder = sys.argv[1]
network = theanets.Network.load(folder + "/model.pkl.gz")
print(type(network).__name__, [layer.activate.name for layer in network.layers[1:]])
print((network.predict(np.load(folder + "/x.npy")) == np.load(folder + "/y.npy")).all())
network.train(np.load(folder + "/x.npy"), algo="sgd", max_updates=1)
""", tmp_path)
    assert out.splitlines() == ["Autoencoder ['prelu', 'norm:z(relu)', 'relu', 'linear']", "True"]


# Where it comes from.


@pytest.mark.parametrize("name", ["m.pkl", "m.pkl.gz", "m.GZ", "m", "m.gz.old", "wei{r}d {}.pkl"])
@pytest.mark.parametrize("kind", [str, pathlib.Path])
@pytest.mark.parametrize("cls", [theanets.Network, theanets.Autoencoder, theanets.Classifier])
def test_paths(name, kind, cls, network, tmp_path):
    """Defect 59: text and ``pathlib``; through gzip if the name ends in ``.gz``; from any class."""
    path = tmp_path / name
    network.save(kind(path))
    assert os.listdir(tmp_path) == [name]
    content = path.read_bytes()
    assert content.startswith(b"\x1f\x8b") == name.lower().endswith(".gz")
    again = cls.load(kind(path))
    assert type(again) is theanets.Autoencoder
    assert_same_values(values(again), values(network))


@pytest.mark.parametrize("keyword", ["filename", "filename_or_handle"])
def test_keywords(keyword, network, tmp_path):
    network.save(**{keyword: str(tmp_path / "m.pkl")})
    assert_same_values(values(theanets.Network.load(**{keyword: str(tmp_path / "m.pkl")})), values(network))
    with open(tmp_path / "h.pkl", "wb") as handle:
        network.save(**{keyword: handle})
    with open(tmp_path / "h.pkl", "rb") as handle:
        assert_same_values(values(theanets.Network.load(**{keyword: handle})), values(network))


@pytest.mark.parametrize("arguments", [{}, dict(filename="a", filename_or_handle="b")])
def test_a_file_is_named_once(arguments, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError):
        network.save(**arguments)
    with pytest.raises(TypeError):
        theanets.Network.load(**arguments)
    assert os.listdir(tmp_path) == []


def test_gzip_is_recognised_by_content(network, tmp_path):
    network.save(tmp_path / "m.pkl.gz")
    os.rename(tmp_path / "m.pkl.gz", tmp_path / "m.pkl")
    assert_same_values(values(theanets.Network.load(tmp_path / "m.pkl")), values(network))
    network.save(tmp_path / "n.pkl")
    os.rename(tmp_path / "n.pkl", tmp_path / "n.pkl.gz")
    assert_same_values(values(theanets.Network.load(tmp_path / "n.pkl.gz")), values(network))
    with open(tmp_path / "m.pkl", "rb") as handle:
        assert_same_values(values(theanets.Network.load(handle)), values(network))


def test_handles_stay_open_where_they_are(network):
    handle = io.BytesIO()
    handle.write(b"header")
    network.save(handle)
    network.save(handle)
    assert not handle.closed
    handle.seek(len(b"header"))
    for _ in range(2):
        assert_same_values(values(theanets.Network.load(handle)), values(network))
    assert handle.read() == b"" and not handle.closed


def test_a_gzip_handle(network, tmp_path):
    with gzip.open(tmp_path / "m.pkl.gz", "wb") as handle:
        network.save(handle)
    with gzip.open(tmp_path / "m.pkl.gz", "rb") as handle:
        assert_same_values(values(theanets.Network.load(handle)), values(network))


@pytest.mark.parametrize("model", [theanets.Autoencoder, theanets.Regressor, theanets.Classifier, theanets.Network])
def test_every_model_comes_back_as_itself(model, tmp_path):
    model([4, 3, 4]).save(tmp_path / "m.pkl")
    for cls in (theanets.Network, theanets.Autoencoder, model):
        assert type(cls.load(tmp_path / "m.pkl")) is model


def test_users_classes_come_back(tmp_path):
    MyNetwork([4, 3, 2]).save(tmp_path / "m.pkl")
    assert type(theanets.Network.load(tmp_path / "m.pkl")) is MyNetwork


class MyNetwork(theanets.Regressor):
    """A user's model."""


# What is refused.


def test_load_on_an_instance(network, tmp_path):
    """It would be mistaken for a method that fills the instance; the message says what to write."""
    network.save(tmp_path / "m.pkl")
    with pytest.raises(TypeError, match=r"(Network|Autoencoder)\.load\("):
        network.load(tmp_path / "m.pkl")
    with pytest.raises(TypeError, match="load"):
        theanets.Network().load(filename=str(tmp_path / "m.pkl"))


@pytest.mark.parametrize("thing", [[1, 2], {"layers": []}, None, theanets.Autoencoder])
def test_pickles_of_other_things(thing, tmp_path):
    """Defects 17, 59."""
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(thing))
    with pytest.raises(TypeError, match="(?i)network"):
        theanets.Network.load(tmp_path / "m.pkl")


def test_missing_files(network, tmp_path):
    with pytest.raises(FileNotFoundError):
        theanets.Network.load(tmp_path / "missing.pkl")
    with pytest.raises(FileNotFoundError):
        network.save(tmp_path / "missing" / "m.pkl")


@pytest.mark.parametrize("thing", [3, None, ["m.pkl"]])
def test_things_that_are_no_files(thing, network):
    with pytest.raises(TypeError):
        network.save(thing)
    with pytest.raises(TypeError):
        theanets.Network.load(thing)


@pytest.mark.parametrize("name", ["m.pkl", "m.pkl.gz"])
def test_a_failure_leaves_the_old_file(name, network, tmp_path):
    """Defect 59: no torn file, no leftovers."""
    broken = theanets.Autoencoder([4, 3, 4], loss=Broken(2, output_name="out"))
    with pytest.raises(RuntimeError):
        broken.save(tmp_path / name)
    assert os.listdir(tmp_path) == []
    network.save(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(RuntimeError):
        broken.save(tmp_path / name)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_bytes() == before


def test_saving_keeps_permissions_and_follows_links(network, tmp_path):
    """A file that is replaced by renaming is still the file that was named."""
    (tmp_path / "real.pkl").write_bytes(b"")
    (tmp_path / "link.pkl").symlink_to(tmp_path / "real.pkl")
    network.save(tmp_path / "link.pkl")
    assert (tmp_path / "link.pkl").is_symlink()
    assert_same_values(values(theanets.Network.load(tmp_path / "real.pkl")), values(network))
    network.save(tmp_path / "new.pkl")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "new.pkl").stat().st_mode == (tmp_path / "plain").stat().st_mode


# Saving on the way (8.7).


def run(save_progress, count=8, network=None, **kwargs):
    """Train, and note after each epoch what lies in the folder or the handle."""
    network = network or theanets.Autoencoder([4, 3, 4])
    with contextlib.closing(network.itertrain([X], algo="sgd", save_progress=save_progress, **kwargs)) as pairs:
        for _ in range(count):
            next(pairs)
            yield network


@pytest.mark.parametrize("kwargs", [{}, dict(save_every=0), dict(save_every=0.0)])
def test_zero_means_never(kwargs, tmp_path):
    """Defect 13."""
    assert len(list(run(str(tmp_path / "m.pkl"), **kwargs))) == 8
    assert os.listdir(tmp_path) == []


def test_saving_every_other_epoch(tmp_path):
    """A file appears while the consumer receives items 3, 5, 7, counted from 0."""
    saved, path = [], tmp_path / "m.pkl"
    for item, _ in enumerate(run(path, save_every=2)):
        if path.exists():
            saved.append(item)
            path.unlink()
    assert saved == [3, 5, 7]


def test_saving_by_the_clock(tmp_path):
    path = tmp_path / "m.pkl"
    assert [path.exists() for _ in run(path, save_every=1000.0)] == [False] * 8
    path.unlink(missing_ok=True)
    assert [path.exists() for _ in run(path, save_every=1e-9)] == [False] * 2 + [True] * 6


def test_names_of_progress_files(tmp_path):
    """Defect 14: only ``{}`` is substituted."""
    list(run(str(tmp_path / "n{foo}-{}-{0}.pkl.gz"), save_every=2))
    for name in os.listdir(tmp_path):
        assert re.fullmatch(r"n\{foo\}-\d{9,}-\{0\}\.pkl\.gz", name)
        assert type(theanets.Network.load(tmp_path / name)) is theanets.Autoencoder
    assert os.listdir(tmp_path)


def test_progress_in_a_handle(tmp_path):
    """Defect 14: one pickle, the latest one, not one after the other."""
    sizes = []
    with open(tmp_path / "m.pkl", "w+b") as handle:
        for _ in run(handle, save_every=1):
            handle.flush()
            sizes.append(os.path.getsize(tmp_path / "m.pkl"))
    assert sizes[:2] == [0, 0] and max(sizes) < 1.1 * sizes[2] != 0
    assert type(theanets.Network.load(tmp_path / "m.pkl")) is theanets.Autoencoder


def test_the_last_epoch_is_saved_as_well(tmp_path):
    """Defect 14: what lies on disk after training is what was learned."""
    network = theanets.Autoencoder([4, 3, 4])
    network.train([X], algo="sgd", learning_rate=0.1, max_updates=5, save_every=2, save_progress=tmp_path / "m.pkl")
    assert_same_values(values(theanets.Network.load(tmp_path / "m.pkl")), values(network))


def test_a_place_that_cannot_be_written_is_found_early(network):
    with pytest.raises((TypeError, util.ConfigurationError)):
        network.itertrain([X], algo="sgd", save_every=1, save_progress=3)


@pytest.mark.parametrize("target", ["missing/m.npz", "runs/{}/m.npz", ".", "read-only.npz", io.StringIO()])
@pytest.mark.parametrize("argument", ["save_progress", "checkpoint"])
def test_places_that_cannot_be_written_are_refused_before_training(target, argument, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "read-only.npz").write_bytes(b"1")
    (tmp_path / "read-only.npz").chmod(0o444)
    with pytest.raises(util.ConfigurationError, match=argument):
        network.itertrain([X], save_every=1, **{argument: target})


def fill_disk(monkeypatch, failing):
    """Let writing fail as long as there is something in a list."""
    write = files._fill

    def fill(handle, content):
        if failing:
            raise OSError(28, "No space left on device")
        write(handle, content)

    monkeypatch.setattr(files, "_fill", fill)


@pytest.mark.parametrize("argument", ["save_progress", "checkpoint"])
@pytest.mark.parametrize("is_full_at_the_end", [True, False])
def test_training_goes_on_when_the_disk_is_full(argument, is_full_at_the_end, network, tmp_path, monkeypatch):
    path, failing = tmp_path / "m.npz", []
    fill_disk(monkeypatch, failing)
    run = dict(algo="sgd", epochs=6, learning_rate=0.1, save_every=1, **{argument: path})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i, _ in enumerate(network.itertrain([X], **run)):
            if i in (1, 4) and not is_full_at_the_end:
                failing[:] = [1] if i == 1 else []
            elif i == 2 and is_full_at_the_end:
                failing.append(1)
    told = [str(item.message) for item in caught if issubclass(item.category, RuntimeWarning)]
    assert len(network.history) == 6 and "No space" in told[0] and "goes on" in told[0]
    assert ["does not hold" in words for words in told[1:]] == [True] * is_full_at_the_end
    saved = len(theanets.Network.load(path).history)
    assert saved < 6 if is_full_at_the_end else saved == 6


@pytest.mark.parametrize("argument", ["save_progress", "checkpoint"])
def test_training_may_stop_when_the_disk_is_full(argument, network, tmp_path, monkeypatch):
    failing = []
    fill_disk(monkeypatch, failing)
    run = dict(algo="sgd", epochs=6, learning_rate=0.1, save_every=1, save_errors="raise", **{argument: tmp_path / "m"})
    with pytest.raises(OSError, match="No space"):
        for i, _ in enumerate(network.itertrain([X], **run)):
            if i == 2:
                failing.append(1)
    assert len(network.history) <= 4
