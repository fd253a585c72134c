"""Archives: what they say, that NumPy and people can read them, and that they come back as what they were."""

import io
import json
import zipfile

import numpy as np
import pytest
import theanets
from hypothesis import given
from hypothesis import strategies as st
from theanets import util
from theanets.storage import archive

from tests.helpers import assert_same_values, epochs, values

X = np.random.RandomState(0).randn(8, 4).astype("f")
Y = np.random.RandomState(1).randn(8, 2).astype("f")

NETWORKS = {
    "autoencoder": lambda: theanets.Autoencoder([4, (3, "prelu"), (3, "relu+norm:z"), (3, "tied"), (4, "tied")]),
    "classifier": lambda: theanets.Classifier([4, (3, "maxout:2"), "batchnorm", "layernorm", 2], weighted=True),
    "losses": lambda: two_losses(),
    "generator": lambda: theanets.Regressor([4, 3, 2], rng=np.random.RandomState(4)),
    "recurrent": lambda: theanets.recurrent.Regressor([4, dict(form="bidirectional", size=6, worker="gru"),
                                                       dict(form="lstm", size=3, h_0="learned"),
                                                       dict(form="rrnn", size=3, rate="vector"), 2]),
    "clockwork": lambda: theanets.recurrent.Regressor([4, dict(form="clockwork", size=4, periods=(1, 2)),
                                                       dict(form="rnn", size=3, direction="backward",
                                                            output_order="processing"), 2]),
    "images": lambda: theanets.convolution.Classifier([(5, 5, 1), dict(form="conv2", size=2, filter_size=(3, 3)),
                                                       dict(form="pool2", pool_size=2), "flat", 3]),
    "labels": lambda: theanets.recurrent.Classifier([dict(size=5, dtype="int32"), (3, "embed"), (3, "rnn"), 5]),
    "sparse": lambda: theanets.Autoencoder([dict(form="input", size=4, sparse="csc"), 3, 4]),
}


def two_losses():
    network = theanets.Regressor([4, dict(size=3, sparsity=0.5, mean=0.1), 2], loss=dict(form="mmd", kernel=2.0))
    network.add_loss("mae", weight=0.25)
    return network


def through(network, **kwargs):
    handle = io.BytesIO()
    archive.write(handle, network, **kwargs)
    handle.seek(0)
    return archive.read(handle)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_come_back(name, tmp_path):
    network = NETWORKS[name]()
    network.save(tmp_path / "m.npz")
    again = theanets.Network.load(tmp_path / "m.npz")
    assert type(again) is type(network)
    assert_same_values(values(again), values(network))
    assert [layer.to_spec() for layer in again.layers if "rng" not in layer.kwargs] == [
        layer.to_spec() for layer in network.layers if "rng" not in layer.kwargs]
    assert [(type(loss), loss.weight, loss.output_names) for loss in again.losses] == [
        (type(loss), loss.weight, loss.output_names) for loss in network.losses]
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()


@pytest.mark.parametrize("name", ["losses", "generator"])
def test_training_goes_on_alike(name, tmp_path):
    network = NETWORKS[name]()
    network.train([X, Y], algo="sgd", epochs=2)
    network.save(tmp_path / "m.npz")
    again = theanets.Network.load(tmp_path / "m.npz")
    assert again.history.state() == network.history.state() and len(again.history) == 2
    run = dict(algo="sgd", batch_size=3, hidden_dropout=0.1)
    assert epochs(again, [X, Y], 2, **run) == epochs(network, [X, Y], 2, **run)


def test_people_and_numpy_can_read_it(tmp_path):
    network = theanets.Regressor([4, (3, "tanh"), 2])
    network.save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        for param in network.params:
            np.testing.assert_array_equal(arrays[f"params/{param.name}"], param.get_value())
    with zipfile.ZipFile(tmp_path / "m.npz") as members:
        spec = json.loads(members.read("network.json"))
    assert (spec["format"], spec["version"], spec["model"]) == ("theanets network", 1, "theanets.feedforward.Regressor")
    assert [(layer["form"], layer["name"]) for layer in spec["layers"]] == [
        ("input", "in"), ("feedforward", "hid1"), ("feedforward", "out")]
    assert spec["layers"][1]["activation"] == "tanh" and spec["losses"][0]["form"] == "mse"


def test_backward_layers_keep_their_order_in_the_spec(tmp_path):
    NETWORKS["clockwork"]().save(tmp_path / "m.npz")
    with zipfile.ZipFile(tmp_path / "m.npz") as members:
        spec = json.loads(members.read("network.json"))
    assert spec["layers"][2]["output_order"] == "processing"


@pytest.mark.parametrize("name", ["m.npz", "m.NPZ", "m.pkl", "m"])
def test_content_counts_when_loading(name, tmp_path):
    network = theanets.Regressor([2, 1])
    network.save(tmp_path / name)
    (tmp_path / name).rename(tmp_path / "other.gz")
    assert_same_values(values(theanets.Network.load(tmp_path / "other.gz")), values(network))


SECTIONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner)
    | st.dictionaries(st.integers(), inner),
    max_leaves=10,
)


@given(SECTIONS)
def test_sections_come_back(value):
    _, sections = through(theanets.Network(), sections={"notes": value})
    assert sections == {"notes": value}


def test_arrays_and_generators_in_sections():
    rng = np.random.RandomState(3)
    rng.randn(3)
    things = {"a": np.arange(6).reshape(2, 3), "b": [np.float32(0.5), np.inf, np.zeros((0, 2))], "rng": rng}
    _, sections = through(theanets.Regressor([2, 1]), sections={"state": things})
    found = sections["state"]
    np.testing.assert_array_equal(found["a"], things["a"])
    assert found["b"][:2] == [np.float32(0.5), np.inf] and found["b"][2].shape == (0, 2)
    assert found["rng"].randn() == rng.randn()


def test_what_an_archive_cannot_hold_is_refused_before_a_file_is_touched(tmp_path):
    network = theanets.Regressor([2, 1], loss=lambda output, target: abs(output - target))
    with pytest.raises(util.ConfigurationError, match=r"\.pkl"):
        network.save(tmp_path / "m.npz")
    with pytest.raises(util.ConfigurationError, match="section"):
        archive.write(tmp_path / "m.npz", theanets.Regressor([2, 1]), sections={"../up": 1})
    assert list(tmp_path.iterdir()) == []


def changed(network, change):
    """An archive whose network.json has been changed."""
    handle = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(archive.pack(network)))
    with zipfile.ZipFile(handle, "w") as target:
        for info in source.infolist():
            content = source.read(info.filename)
            if info.filename == "network.json":
                spec = json.loads(content)
                content = json.dumps(change(spec) or spec)
            target.writestr(info.filename, content)
    handle.seek(0)
    return handle


def on_layer(**options):
    return lambda spec: spec["layers"][1].update(options)


@pytest.mark.parametrize("change, words", [
    (lambda spec: spec.update(version=2), "version 2"),
    (lambda spec: spec.update(format="x"), "something else"),
    (lambda spec: [1], "something else"),
    (lambda spec: spec.update(model="os.system"), r"os\.system"),
    (lambda spec: spec.update(model="theanets.layers.feedforward.Feedforward"), "Feedforward where a Network"),
    (lambda spec: spec.pop("layers") and None, "damaged"),
    (lambda spec: spec.update(layers=3), "damaged"),
    (lambda spec: spec["layers"].reverse(), "input|describes no network|damaged"),
    (on_layer(form="nothing"), "nothing"),
    (on_layer(**{"class": "builtins.eval"}), r"builtins\.eval"),
    (on_layer(size=10**9), "larger|shape"),
    (on_layer(size=-1), "size"),
    (on_layer(size={"@array": "params/../x"}), "damaged|no network"),
    (on_layer(unheard=1), "unheard"),
    (on_layer(name="other"), "other|no value"),
    (on_layer(activation="sigmod"), "sigmod"),
    (on_layer(arrays=["hid1.w"]), "no value for 'hid1.b'"),
    (on_layer(arrays=["hid1.w", "hid1.b", "out.b"]), "out.b|damaged"),
    (on_layer(attributes={"connect": 3}), "connect"),
    (lambda spec: spec["losses"][0].update(output_name="x:out"), "x:out"),
    (lambda spec: spec["losses"][0].update(weight={"@what": 1}), "what"),
    (lambda spec: spec.update(rng="x"), "rng"),
    (lambda spec: spec.update(layers=spec["layers"] * 700), "more than|same name"),
    (lambda spec: spec["sections"].append("history"), "damaged"),
])
def test_specs_that_describe_no_network(change, words):
    with pytest.raises(util.LoadError, match=words):
        theanets.Network.load(changed(theanets.Regressor([2, 3, 1]), change))


def test_histories_that_are_none(tmp_path):
    network = theanets.Regressor([2, 1])
    handle = io.BytesIO()
    archive.write(handle, network, sections={"history": {"rows": [{"epoch": [1]}], "validations": [], "stopped": None}})
    handle.seek(0)
    with pytest.raises(util.LoadError, match="history"):
        archive.read(handle)


def test_archives_of_other_things(tmp_path):
    np.savez(tmp_path / "m.npz", a=np.zeros(3))
    with pytest.raises(util.LoadError, match=r"network\.json"):
        theanets.Network.load(tmp_path / "m.npz")


def test_arrays_of_objects_in_an_archive(tmp_path):
    theanets.Regressor([2, 1]).save(tmp_path / "m.npz")
    handle = io.BytesIO()
    np.lib.format.write_array(handle, np.array([1, "a"], object), allow_pickle=True)
    source = zipfile.ZipFile(tmp_path / "m.npz")
    with zipfile.ZipFile(tmp_path / "n.npz", "w") as target:
        for info in source.infolist():
            target.writestr(info, handle.getvalue() if info.filename == "params/out.b.npy" else source.read(info))
    with pytest.raises(util.LoadError, match="expected numbers"):
        theanets.Network.load(tmp_path / "n.npz")


class Scaled(theanets.layers.Feedforward):
    """A user's layer with an attribute of its own."""

    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor


def test_classes_of_users_come_back(tmp_path):
    network = theanets.Regressor([4, Scaled(factor=5, size=3, inputs="in", name="s"), 2])
    network.save(tmp_path / "m.npz")
    again = theanets.Network.load(tmp_path / "m.npz")
    assert type(again.layers[1]) is Scaled and again.layers[1].factor == 5
    np.testing.assert_array_equal(again.predict(X), network.predict(X))


def test_a_handle_is_left_behind_the_archive():
    one, two = theanets.Regressor([2, 1]), theanets.Autoencoder([3, 2, 3])
    handle = io.BytesIO()
    archive.write(handle, one)
    archive.write(handle, two)
    handle.seek(0)
    assert [type(archive.read(handle)[0]) for _ in range(2)] == [theanets.Regressor, theanets.Autoencoder]
