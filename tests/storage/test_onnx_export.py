"""Exported networks compute in onnxruntime what they compute here."""

import numpy as np
import onnx
import onnxruntime
import pytest
import theanets
import theano
import theano.tensor as TT
from theanets import util

#: Compiles at once, as it leaves graphs as they are.
UNCHANGED = theano.Mode("py", optimizer=None)


def run(model, arrays):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {source.name: array for source, array in zip(session.get_inputs(), arrays)}
    return session.run(None, feeds)


def randomize(net):
    """Give parameters and statistics values that are neither zeros nor ones."""
    rng = np.random.RandomState(0)
    for variable in [*net.params, *net.statistics]:
        value = variable.get_value()
        variable.set_value((abs(rng.randn(*value.shape)) * 0.5 + 0.1 if value.ndim == 1 else value).astype(value.dtype))


def draw(net, count, length=7):
    rng = np.random.RandomState(1)
    arrays = []
    for layer in net.layers:
        if isinstance(layer, theanets.layers.Input):
            shape = layer.output_shape[:-1] if layer.labels else layer.output_shape
            shape = (count, *(length if n is None else n for n in shape))
            value = rng.randint(layer.output_size, size=shape) if layer.labels else rng.randn(*shape)
            arrays.append(value.astype(layer.input.dtype))
    return arrays


def check(net, counts=((4, 7), (1, 5)), tolerance=2e-5, mode=UNCHANGED):
    """Compare all outputs of a network, for different numbers of examples and time steps."""
    randomize(net)
    outputs, _ = net.build_graph()
    names = list(outputs)
    model = net.to_onnx(outputs=names)
    inputs = net.inputs
    compute = theano.function(inputs, [outputs[name] for name in names], mode=mode, on_unused_input="ignore")
    for count, length in counts:
        arrays = draw(net, count, length)
        for name, ours, theirs in zip(names, compute(*arrays), run(model, arrays)):
            assert ours.shape == theirs.shape, name
            assert ours.dtype == theirs.dtype, name
            np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance, err_msg=name)


SEQUENCE = {
    "rnn": {},
    "rrnn": {},
    "rrnn-vector": dict(form="rrnn", rate="vector"),
    "mrnn": dict(factors=3),
    "lstm": {},
    "gru": {},
    "mut1": {},
    "scrn": {},
    "bcrnn": dict(num_modules=2),
    "clockwork": dict(periods=(1, 3)),
    "backward": dict(form="gru", direction="backward"),
    "learned": dict(form="lstm", h_0="learned", c_0="learned"),
    "bidirectional": dict(worker="lstm"),
    "layernorm": dict(),
}


@pytest.mark.parametrize("name", SEQUENCE)
def test_sequences(name):
    options = {"form": name, **SEQUENCE[name]}
    if name != "layernorm":
        options["size"] = 4
    check(theanets.recurrent.Regressor([3, options, 2]))


@pytest.mark.parametrize(
    "layer",
    [
        dict(form="conv1", size=4, filter_size=3, stride=2, border_mode="same"),
        dict(form="pool1", pool_size=2, mode="mean"),
    ],
    ids=["conv1", "pool1"],
)
def test_windows_along_time(layer):
    check(theanets.recurrent.Regressor([3, layer, 2]), mode="XLA")


IMAGES = {
    "valid": dict(form="conv2", size=3, filter_size=(3, 2)),
    "strides": dict(form="conv2", size=3, filter_size=3, stride=(2, 1), border_mode="same"),
    "full": dict(form="conv2", size=2, filter_size=(2, 3), border_mode="full"),
    "half": dict(form="conv2", size=2, filter_size=3, border_mode="half"),
    "pad": dict(form="conv2", size=2, filter_size=3, border_mode=(2, 1)),
    "batchnorm": dict(form="batchnorm"),
    "max": dict(form="pool2", pool_size=3, stride=2),
    "mean": dict(form="pool2", pool_size=2, mode="mean", padding=1),
    "sum": dict(form="pool2", pool_size=(2, 3), mode="sum", padding=1),
    "inc": dict(form="pool2", pool_size=2, mode="average_inc_pad", padding=1),
    "border": dict(form="pool2", pool_size=2, ignore_border=False),
    "border-mean": dict(form="pool2", pool_size=3, stride=2, mode="mean", ignore_border=False),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images(name):
    check(theanets.convolution.Classifier([(9, 8, 2), IMAGES[name], "flat", 3]), mode="XLA")


def test_images_of_any_size():
    layer = dict(form="conv2", size=2, filter_size=4, stride=2, border_mode="same")
    check(theanets.convolution.Regressor([2, layer, 3]), counts=((2, 9), (1, 6)), mode="XLA")


@pytest.mark.parametrize(
    "activation",
    ["linear", "relu", "rect:min", "rect:minmax", "sigmoid", "softplus", "tanh", "softmax", "norm:max", "norm:mean",
     "norm:std", "norm:z", "prelu", "lgrelu", "elu", "maxout:2", "tanh+norm:z"],
)
def test_activations(activation):
    check(theanets.Regressor([4, (6, activation), 2]))


def test_wiring():
    check(theanets.Autoencoder([6, 4, (2, "tanh"), (4, "tied"), (6, "tied")]))
    check(theanets.Classifier([
        dict(size=4, name="a"), dict(form="input", size=3, name="b"), dict(size=5, inputs=("a", "b"), name="c"),
        dict(size=5, inputs="b", name="d"), dict(form="prod", inputs=("c:pre", "d"), name="e"),
        dict(form="concat", inputs=("e", "a"), name="f"), dict(form="reshape", shape=(3, -1)), "flat", 3,
    ]))
    check(theanets.recurrent.Classifier([
        dict(form="input", size=9, dtype="int32"), (4, "embed"), dict(form="input", size=5, ndim=2, name="start"),
        dict(form="gru", size=5, h_0="start", inputs="hid1"), 3,
    ]))


def test_a_file_predicts_the_same(tmp_path):
    net = theanets.Classifier([4, (8, "tanh"), 3])
    net.to_onnx(tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model)
    x = np.random.RandomState(3).randn(5, 4).astype("float32")
    (probabilities,) = run(model, [x])
    np.testing.assert_allclose(probabilities, net.predict_proba(x), atol=1e-6)
    assert (probabilities.argmax(axis=1) == net.predict(x)).all()
    assert {tensor.name for tensor in model.graph.initializer} >= {param.name for param in net.params}
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["batch", 4]


class Cubed(theanets.Layer):
    """A layer of a user's own."""

    def setup(self):
        self.add_weights("w", self.input_size, self.output_size)

    def transform(self, inputs):
        return TT.dot(inputs[self.input_name], self.find("w")) ** 3, []


class Inverted(Cubed):
    """One that uses an Op without a translation."""

    def transform(self, inputs):
        return TT.dot(inputs[self.input_name], TT.nlinalg.matrix_inverse(self.find("w"))), []


def test_layers_of_ones_own():
    check(theanets.Regressor([3, (3, "cubed"), 2]))
    net = theanets.Regressor([3, 3, (3, "inverted"), 2])
    with pytest.raises(util.ConfigurationError, match="layer 'hid2' cannot be exported: .*MatrixInverse"):
        net.to_onnx()
    assert net.to_onnx(outputs="hid1").graph.output[0].name == "hid1"


def test_what_cannot_be_exported_is_named():
    with pytest.raises(util.ConfigurationError, match="layer 'in' is sparse"):
        theanets.Regressor([dict(size=4, sparse=True), 2]).to_onnx()
    with pytest.raises(util.ConfigurationError, match="no output 'nothing:out'"):
        theanets.Regressor([4, 2]).to_onnx(outputs="nothing")
    border = dict(form="pool2", pool_size=2, mode="sum", ignore_border=False)
    with pytest.raises(util.ConfigurationError, match="layer 'hid1' cannot be exported: ignore_border=False"):
        theanets.convolution.Regressor([(5, 5, 1), border, "flat", 2]).to_onnx()
