"""Tables and pictures of networks say what is in them."""

import xml.etree.ElementTree

import pytest
import theanets
import theano.tensor as TT
from theanets import util
from theanets.show import layout

SVG = "{http://www.w3.org/2000/svg}"

NETWORKS = {
    "dense": lambda: theanets.Regressor([4, (3, "tanh"), 2]),
    "tied": lambda: theanets.Autoencoder([6, 4, (2, "linear"), (4, "tied"), (6, "tied")]),
    "several inputs": lambda: theanets.Classifier(
        [dict(size=4, name="a"), dict(form="input", size=3, name="b"), dict(size=5, inputs=("a", "b"), name="c"),
         dict(form="concat", inputs=("c:pre", "a"), name="d"), 3]
    ),
    "recurrent": lambda: theanets.recurrent.Classifier(
        [dict(form="input", size=9, dtype="int32"), (4, "embed"), dict(form="input", size=5, ndim=2, name="start"),
         dict(form="gru", size=5, h_0="start", inputs="hid1"), dict(form="bidirectional", worker="lstm", size=6), 3]
    ),
    "convolution": lambda: theanets.convolution.Classifier(
        [(9, 8, 1), dict(form="conv2", size=2, filter_size=3, stride=(2, 1)), "batchnorm",
         dict(form="pool2", pool_size=2), "flat", (4, "prelu"), 3]
    ),
}


@pytest.fixture(params=NETWORKS, name="net")
def make(request):
    return NETWORKS[request.param]()


def read(net, **kwargs):
    return xml.etree.ElementTree.fromstring(str(net.draw(**kwargs)))


def test_a_summary_has_a_row_for_each_layer(net):
    summary = net.summary()
    assert [row["layer"] for row in summary.rows] == [layer.name for layer in net.layers]
    assert [row["parameters"] for row in summary.rows] == [layer.num_params for layer in net.layers]
    text = str(summary)
    assert f"{net.num_params:,} parameters in {len(net.params)} arrays" in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert all(layer.name in text for layer in net.layers)


def test_columns_stand_below_each_other():
    lines = str(NETWORKS["dense"]().summary()).splitlines()
    header = next(line for line in lines if line.startswith("layer"))
    row = next(line for line in lines if line.startswith("hid1"))
    for name, word in {"form": "feedforward", "activation": "tanh", "inputs": "in", "arrays": "w 4x3, b 3"}.items():
        assert row[header.index(name) :].startswith(word)
    assert row[: header.index("arrays")].rstrip().endswith("15")
    assert header[: header.index("arrays")].rstrip().endswith("parameters")


def test_a_summary_says_what_matters_of_each_form():
    forms = {name: [row["form"] for row in make().summary().rows] for name, make in NETWORKS.items()}
    assert forms["tied"][3:] == ["tied to hid2", "tied to hid1"]
    assert forms["recurrent"] == ["input labels", "embed", "input", "gru", "bidirectional lstm", "feedforward"]
    assert forms["convolution"][1:4] == ["conv2 3x3 /2x1", "batchnorm", "pool2 2x2 max"]
    backward = theanets.recurrent.Regressor([2, dict(form="rnn", size=3, direction="backward"), 1])
    assert backward.summary().rows[1]["form"] == "rnn backward"


def test_a_summary_names_inputs_states_statistics_and_losses():
    assert NETWORKS["recurrent"]().summary().rows[3]["inputs"] == "hid1, start (state)"
    assert NETWORKS["several inputs"]().summary().rows[3]["inputs"] == "c:pre, a"
    assert "hid2.mean, hid2.var" in str(NETWORKS["convolution"]().summary())
    net = NETWORKS["dense"]()
    net.add_loss("mae", output_name="hid1", target=TT.matrix("middle"), weight=0.5)
    assert str(net.summary()).endswith("loss: mse of out + mae of hid1")


def test_shared_parameters_are_counted_once():
    net = theanets.Autoencoder([6, (4, "linear"), (6, "tied")])
    assert sum(row["parameters"] for row in net.summary().rows) == net.summary().num_params == 6 * 4 + 4 + 6


def test_notebooks_show_the_table_and_escape_names():
    net = theanets.Regressor([2, dict(size=3, name="<b>&"), 1])
    shown = net._repr_html_()
    assert shown == net.summary()._repr_html_()
    assert "&lt;b&gt;&amp;" in shown
    assert "<b>&" not in shown
    assert read(net).tag == SVG + "svg"


def test_an_empty_network_has_a_summary_and_no_picture():
    net = theanets.Network()
    assert "0 parameters in 0 arrays" in str(net.summary())
    with pytest.raises(util.ConfigurationError, match="no layers yet"):
        net.draw()


def test_a_picture_names_every_layer_and_loss(net):
    words = {element.text for element in read(net).iter(SVG + "text")}
    assert {layer.name for layer in net.layers} <= words
    assert "loss" in words
    assert "loss" not in {element.text for element in read(net, losses=False).iter(SVG + "text")}


def test_a_picture_has_a_line_for_each_connection(net):
    lines = [element.get("class") or "" for element in read(net).iter(SVG + "path")]
    reads = sum(len(layer.input_names) + len(layer.initial_sources()) for layer in net.layers)
    loops = sum(hasattr(layer, "direction") or "direction" in layer.known_keywords() for layer in net.layers)
    assert sum(line.startswith("line") for line in lines) == reads + loops + len(net.losses)
    assert lines.count("tie") == sum(hasattr(layer, "partner") for layer in net.layers)


def test_boxes_lie_within_the_picture_and_apart(net):
    picture = read(net)
    left, top, width, height = map(float, picture.get("viewBox").split())
    boxes = [
        [float(element.get(key)) for key in ("x", "y", "width", "height")]
        for element in picture.iter(SVG + "rect")
        if element.get("stroke")
    ]
    assert len(boxes) == len(net.layers) + len(net.losses)
    for x, y, w, h in boxes:
        assert left <= x and x + w <= left + width
        assert top <= y and y + h <= top + height
        apart = [x + w <= a or a + c <= x or y + h <= b or b + d <= y for a, b, c, d in boxes]
        assert apart.count(False) == 1  # the box itself


def test_a_picture_is_written_to_a_file(tmp_path):
    drawing = NETWORKS["tied"]().draw(tmp_path / "net.svg")
    assert (tmp_path / "net.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()
    assert repr(drawing) == "<Drawing: 5 layers, 1 loss>"


def test_a_chain_is_drawn_straight_and_edges_go_down():
    nodes = [layout.Node(width) for width in (10, 50, 30, 20)]
    layout.arrange(nodes, [layout.Edge(a, b) for a, b in zip(nodes, nodes[1:])])
    assert [node.row for node in nodes] == [0, 1, 2, 3]
    assert [node.x for node in nodes] == pytest.approx([25] * 4)


def test_rows_are_sorted_so_that_edges_do_not_cross():
    top, left, right, bottom = (layout.Node(10) for _ in range(4))
    a, b = layout.Node(10), layout.Node(10)
    edges = [(top, left), (top, right), (left, b), (right, a), (a, bottom), (b, bottom)]
    layout.arrange([top, left, right, a, b, bottom], [layout.Edge(*edge) for edge in edges])
    assert (left.x < right.x) == (b.x < a.x)
    assert top.x == pytest.approx((left.x + right.x) / 2) == bottom.x
