"""Files that the reference release has written open, predict what they did then, and go on training."""

import io
import os
import pathlib
import pickle

import numpy as np
import pytest
import theanets
from theanets import util
from theanets.storage import legacy, objects, pickles

FILES = sorted((pathlib.Path(__file__).parent.parent / "files" / "legacy").glob("*.pkl*"))


def recorded(path):
    """Return the input, the prediction and the parameters that were noted when a file was saved."""
    with np.load(path.with_name(path.name.partition(".")[0] + ".npz")) as arrays:
        return dict(arrays)


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def path(request):
    return request.param


def test_there_are_files():
    assert len(FILES) == 12


def test_predictions_are_those_of_the_time(path):
    arrays = recorded(path)
    net = theanets.Network.load(path)
    np.testing.assert_allclose(net.predict(arrays["x"]), arrays["y"], rtol=1e-5, atol=1e-6)


def test_parameters_have_their_names_and_values(path):
    arrays = recorded(path)
    params = {f"param:{param.name}": param.get_value() for param in theanets.Network.load(path).params}
    assert set(params) == {key for key in arrays if key.startswith("param:")}
    for key, value in params.items():
        np.testing.assert_array_equal(value, arrays[key])


def test_training_goes_on(path):
    net, x = theanets.Network.load(path), recorded(path)["x"]
    target = {"target": net.predict(x)} if len(net.variables) == 2 else {}
    train, _ = net.train({"in": x, **target}, algo="sgd", epochs=1)
    assert np.isfinite(train["loss"])


def test_saved_again_it_is_one_of_ours(path, tmp_path):
    net, x = theanets.Network.load(path), recorded(path)["x"]
    net.save(tmp_path / "net.pkl")
    again = theanets.Network.load(tmp_path / "net.pkl")
    assert type(again) is type(net)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))


def test_from_an_open_file_behind_another_network(path):
    mine = theanets.Regressor([2, 1])
    handle = io.BytesIO()
    mine.save(handle)
    handle.write(path.read_bytes())
    handle.seek(0)
    assert type(theanets.Network.load(handle)) is theanets.Regressor
    arrays = recorded(path)
    np.testing.assert_allclose(theanets.Network.load(handle).predict(arrays["x"]), arrays["y"], rtol=1e-5, atol=1e-6)


class Foreign:
    """Makes a legacy file that wants to run something."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def test_nothing_is_run(tmp_path):
    content = pickle.dumps(Foreign(os.mkdir, str(tmp_path / "made")))
    with pytest.raises(util.ConfigurationError, match="mkdir"):
        legacy.read(io.BytesIO(content))
    assert not (tmp_path / "made").exists()


def lstm():
    """Return the record of a layer of 0.8."""
    (source,) = [path for path in FILES if path.name == "ref080-py38-lstm-regressor.pkl"]
    record, _ = pickles.read(source.read_bytes())
    return record.state[0][1]


@pytest.mark.parametrize("word", ["back", "backward", "BACKWARDS"])
def test_backward_layers_keep_their_order_visibly(word):
    layer = lstm()
    layer.state["kwargs"] = {**layer.state["kwargs"], "direction": word}
    spec = legacy._layer_spec(layer, None, False, objects.Maker())
    assert (spec["direction"], spec["output_order"]) == ("backward", "processing")


def test_bidirectional_layers_keep_their_order_visibly():
    workers = lstm(), lstm()
    record = pickles.Record("theanets.layers.recurrent", "Bidirectional")
    record.state = (
        dict(name="hid1", worker="lstm", forward=workers[0], backward=workers[1], _input_shapes={}, h_0=None)
        | dict(kwargs=dict(size=6, inputs="in:out", activation="relu", rng=13, unheard=3))
    )
    spec = legacy._layer_spec(record, None, False, objects.Maker())
    net = theanets.recurrent.Regressor([2, spec, 1])
    assert net.layers[1].to_spec()["output_order"] == "processing"
    assert type(net.layers[1].backward) is theanets.layers.LSTM
    assert legacy._layer_spec(record, None, False, objects.Maker())["worker"] == "lstm"


@pytest.mark.parametrize("activation, names", [("prelu", ["leak"]), ("lgrelu", ["gain", "leak"])])
def test_slopes_of_07_become_logarithms(activation, names):
    layer = theanets.Regressor([2, (3, activation), 1]).layers[1]
    slopes = np.array([0.1, 1.0, 2.5])
    values = {f"hid1.{name}": slopes for name in names}
    legacy._translate_07(layer, values)
    for name in names:
        np.testing.assert_allclose(np.exp(values[f"hid1.{name}"]), slopes)
    with pytest.raises(util.ConfigurationError, match="not positive"):
        legacy._translate_07(layer, {f"hid1.{name}": -slopes for name in names})


def test_gates_of_07_are_joined():
    layer = theanets.recurrent.Regressor([2, (3, "gru"), 1]).layers[1]
    rng = np.random.RandomState(0)
    values = {f"hid1.x{gate}": rng.randn(2, 3) for gate in "hrz"}
    values.update({f"hid1.b{gate}": rng.randn(3) for gate in "hrz"})
    legacy._translate_07(layer, values)
    np.testing.assert_array_equal(values["hid1.w"][:, 3:6], values["hid1.xr"])
    np.testing.assert_array_equal(values["hid1.b"][6:], values["hid1.bz"])


# Other kinds of models, as the releases would have written them.


def record_of(thing, module, **state):
    record = pickles.Record(module, thing)
    record.state = state
    return record


def shared(variable, name=None, value=None):
    array, _ = pickles.read(pickle.dumps(variable.get_value() if value is None else value, protocol=2))
    container = record_of("Container", "theano.gof.link", storage=[array])
    return record_of("TensorSharedVariable", "theano.tensor.sharedvar", name=name or variable.name, container=container)


def layer_record(layer, is_07, source):
    """What a release would have written of one of today's layers."""
    module = type(layer).__module__
    kwargs = {key: value for key, value in layer.kwargs.items() if key in ("rng", "direction")}
    state = dict(name=layer.name, kwargs=kwargs, _params=[shared(param) for param in layer._params])
    if isinstance(layer, theanets.layers.Input):
        state["input"] = source
        kwargs.pop("rng", None)
    if isinstance(layer, theanets.layers.GRU) and is_07:
        w, b = (layer.find(name).get_value() for name in "wb")
        parts = zip("hrz", np.split(w, 3, axis=1), np.split(b, 3))
        state["_params"] = [shared(param) for param in layer._params if param.name.rpartition(".")[2] not in ("w", "b")]
        for gate, wx, bx in parts:
            state["_params"] += [shared(None, f"{layer.name}.x{gate}", wx), shared(None, f"{layer.name}.b{gate}", bx)]
    if layer.workers:
        workers = (layer_record(worker, is_07, None) for worker in (layer.forward, layer.backward))
        state.update(zip(("forward", "backward"), workers))
    names = dict(layer.inputs)
    if is_07:
        state.update(size=layer.output_size, inputs=names,
                     activation=layer.kwargs.get("activation", "linear"))
    else:
        shape = (None,) * (len(layer.output_shape) - 1) + layer.output_shape[-1:]
        kwargs.update(activation=layer.kwargs.get("activation", "linear"))
        kwargs.update(dict(shape=shape) if "input" in state else dict(size=layer.output_size, inputs=next(iter(names))))
        state.update(_input_shapes={key: (None, n) for key, n in names.items()}, _output_shapes={"out": shape})
    return record_of(type(layer).__name__, module, **state)


def network_record(network, is_07):
    kind = record_of("TensorType", "theano.tensor.type", broadcastable=(False,) * network.inputs[0].ndim)
    source = record_of("TensorVariable", "theano.tensor.var", name="in", type=kind)
    target = record_of("TensorVariable", "theano.tensor.var", name="target",
                       type=record_of("TensorType", "t", broadcastable=(False,) * network.losses[0].variables[0].ndim))
    loss = network.losses[0]
    losses = [record_of(type(loss).__name__, "theanets.losses", weight=1.0, _weights=None, output_name="out:out",
                        _target=target)]
    record = pickles.Record(type(network).__module__, type(network).__name__)
    record.state = [layer_record(layer, is_07, source) for layer in network.layers], losses
    return record


def backwards(**options):
    return dict(size=4, output_order="processing", **options)


OTHERS = {
    "classifier": lambda rng: theanets.Classifier([5, (4, "tanh"), (6, "relu"), (3, "sigmoid"), 4], rng=rng),
    "bidirectional-rnn": lambda rng: theanets.recurrent.Regressor(
        [5, backwards(form="bidirectional", activation="tanh"), 2], rng=rng),
    "bidirectional-lstm": lambda rng: theanets.recurrent.Classifier(
        [5, backwards(form="bidirectional", worker="lstm"), (3, "relu"), 2], rng=rng),
    "bidirectional-gru": lambda rng: theanets.recurrent.Regressor(
        [5, backwards(form="bidirectional", worker="gru"), backwards(form="bidirectional", worker="rnn"), 2], rng=rng),
    "backward": lambda rng: theanets.recurrent.Autoencoder(
        [5, backwards(form="lstm", direction="backward"), 5], rng=rng),
    "gru": lambda rng: theanets.recurrent.Classifier([5, (4, "gru"), (3, "mut1"), (3, "rnn"), 2], rng=rng),
}


@pytest.mark.parametrize("is_07", [True, False])
@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_of_models(name, is_07):
    """The record is laid out as the reference's files are; only the numbers come from a network of today."""
    network = OTHERS[name](np.random.RandomState(8))
    record = network_record(network, is_07)
    assert legacy.is_legacy(record)
    again = legacy.build(record)
    assert type(again) is type(network)
    assert [getattr(layer, "output_order", None) for layer in again.layers] == [
        getattr(layer, "output_order", None) for layer in network.layers]
    x = np.random.RandomState(1).randn(*(3, 6, 5)[3 - network.inputs[0].ndim :])
    name = network.layers[-1].output_name
    np.testing.assert_allclose(again.feed_forward(x)[name], network.feed_forward(x)[name], rtol=1e-5, atol=1e-6)
