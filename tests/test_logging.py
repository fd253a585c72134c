"""What the library says: through the standard logging module, readable on a console, and quiet when asked.

What a script prints is tried in other processes, because pytest has handlers of its own.
"""

import logging
import re
import textwrap

import numpy as np
import pytest
import theanets
from theanets import util

from . import helpers

#: Date, time, the logger's name, the text.
LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* (?:\S+ )?(theanets|downhill)\b.*: ?.*"

TRAIN = """
import logging, sys, warnings
import numpy as np
import theanets
sys.stdout.write("IMPORTED\\n")
{setup}
net = theanets.Regressor([3, 4, 2])
net.train([np.ones((8, 3), "f"), np.ones((8, 2), "f")], algo="sgd", epochs=2, weight_l2=0.1)
theanets.log("the end")
"""


def script(tmp_path, setup=""):
    """Output of a small training script; its lines before and after the import."""
    path = tmp_path / "script.py"
    path.write_text(TRAIN.format(setup=textwrap.dedent(setup)))
    done = helpers.run_python(str(path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    before, after = text.split("IMPORTED\n")
    return before, after.splitlines()


def texts(records):
    return [record.getMessage() for record in records]


@pytest.fixture
def data(rng):
    return [helpers.floats(rng.randn(20, 3)), helpers.floats(rng.randn(20, 2))]


# ---- records


def test_log_is_there_under_both_names():
    assert theanets.log is util.log
    with helpers.log_records("theanets") as records:
        theanets.log("one {} and {name}", 1, name="two")
        theanets.log("braces {as} they {} are")
        theanets.log(["any", "object"])
    assert texts(records) == ["one 1 and two", "braces {as} they {} are", "['any', 'object']"]
    assert {(record.name, record.levelno) for record in records} == {("theanets", logging.INFO)}


def test_records_know_who_wrote_them():
    with helpers.log_records("theanets") as records:
        util.log("here")
    assert (records[0].module, records[0].funcName) == ("test_logging", "test_records_know_who_wrote_them")


@pytest.mark.parametrize("make, words", [
    (lambda: theanets.Loss.build("mse", target=2, weight=3.5), ["3.5", "MeanSquaredError", "out:out"]),
    (lambda: theanets.Regularizer.build("weight_l2", "hid*.w", 0.25), ["0.25", "WeightL2", "hid*.w"]),
    (lambda: theanets.regularizers.BernoulliDropout("in:out", 0.25), ["0.25", "Bernoulli", "in:out"]),
    (lambda: theanets.Regressor([3, (4, "tanh"), 2]).layers[1], ["hid1", "in:out", "tanh"]),
], ids=["loss", "penalty", "dropout", "layer"])
def test_parts_describe_themselves_in_one_line(make, words):
    part = make()
    with helpers.log_records("theanets") as records:
        part.log()
    (line,) = texts(records)
    assert "\n" not in line
    for word in words:
        assert word in line


def test_training_tells_its_progress(data):
    with helpers.log_records() as records:
        pairs = list(theanets.Regressor([3, 4, 2]).itertrain(data, algo="sgd", epochs=3, validate_every=2))
    told = [float(number) for line in texts(records) for number in re.findall(r"loss=([-+.\de]+)", line)]
    # one line for each epoch, one for each of two validations, and one for that on the way out.
    assert len(told) == 3 + 2 + 1
    for loss in [monitors["loss"] for pair in pairs for monitors in pair]:
        assert min(abs(np.array(told) - loss)) < 1e-4
    assert {record.name.split(".")[0] for record in records} <= {"theanets", "downhill"}


@pytest.mark.parametrize("options, words", [
    ({}, "rmsprop uses 0.0001, the default of downhill; usual for rmsprop is 0.001"),
    (dict(algo="SGD"), "sgd uses 0.0001.*usual for sgd is 0.01 to 0.1"),
    (dict(algo="layerwise", subalgo="adam"), "adam uses"), (dict(schedule="exponential"), "rmsprop uses 0.0001"),
    (dict(learning_rate=0.1), None), (dict(algo="adadelta"), None), (dict(schedule=lambda epoch: 0.1), None),
])
def test_a_learning_rate_that_is_not_given_is_named(options, words, data):
    with helpers.log_records("theanets") as records:
        theanets.Autoencoder([4, 3, 4]).train([np.ones((6, 4))], epochs=1, **options)
    lines = [record.getMessage() for record in records if "learning_rate is not given" in record.getMessage()]
    assert len(lines) == (words is not None)
    assert not lines or re.search(words, lines[0])


def test_lines_of_the_optimizer_carry_its_name(data):
    with helpers.log_records("downhill") as records:
        theanets.Regressor([3, 4, 2]).train(data, algo="adam", epochs=1)
    lines = texts(records)
    assert any(re.search("(?i)adam", line) for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert not any(line.startswith("downhill") for line in lines)


def test_nothing_bypasses_logging(data, capfd):
    # handlers of pytest take the records; whatever is left on the console was printed past them.
    net = theanets.Classifier([3, (4, "prelu"), 2])
    for algo in ["sgd", "layerwise", "pretrain", "sample"]:
        net.train([data[0], np.zeros(20, int)], algo=algo, epochs=1)
    net.predict(data[0])
    levels = {name: logging.getLogger(name).level for name in ("theanets", "downhill")}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.WARNING)
        capfd.readouterr()
        net.train([data[0], np.zeros(20, int)], algo="adam", epochs=2, hidden_l1=0.1)
        assert capfd.readouterr() == ("", "")
        with helpers.log_records("theanets") as records:
            logging.getLogger("theanets").setLevel(logging.WARNING)
            net.train([data[0], np.zeros(20, int)], algo="adam", epochs=1)
        assert records == []
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def test_one_line_says_what_begins_and_settings_are_details(data):
    with helpers.log_records() as records:
        options = dict(algo="adam", learning_rate=0.01, epochs=2)
        theanets.Regressor([3, 4, 2]).train(data, batch_size=8, weight_l2=0.1, **options)
    assert texts(records)[0] == (
        "training by adam, learning rate 0.01: 3 batches of 8 examples (20 in all); evaluation on the training data "
        "every 10 epochs")
    # and two epochs, two evaluations, and why training stopped.
    assert len(records) == 6
    assert "validation" not in "".join(texts(records))
    with helpers.log_records() as records:
        theanets.Regressor([3, 4, 2]).train(data, data, verbose=2, **options)
        net = theanets.Regressor([3, 4, 2])
        net.train(data, validation_split=0.25, **options)
    lines = texts(records)
    assert "setting: rms_halflife = 14" in lines and "best validation loss" in lines[-1]
    assert net.history.has_validation_data


def test_where_a_bar_is_shown_the_console_has_no_lines_of_epochs(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(TRAIN.format(setup="") + textwrap.dedent("""
        data = [np.ones((8, 3), "f"), np.ones((8, 2), "f")]
        for verbose in (1, 2):
            net.train(data, algo="sgd", epochs=2, progress=True, verbose=verbose)
            theanets.log("next")
    """))
    done = helpers.run_python(str(path), cwd=tmp_path)
    first, second, third, _ = re.split("the end|next", done.stdout)
    assert [text.count("loss=") for text in (first, second, third)] == [4, 0, 4]
    assert "2/2" in done.stderr and "training by sgd" in second and "training stopped" in second


def test_verbose_holds_for_one_training_and_not_for_its_caller(data):
    names = ("theanets", "downhill")
    before = [logging.getLogger(name).level for name in names]
    try:
        theanets.set_log("error")
        net = theanets.Regressor([3, 4, 2])
        epochs = net.itertrain(data, algo="sgd", learning_rate=0.1, epochs=2, verbose=True)
        seen = []
        net_levels = [logging.getLogger(name).level for _ in epochs for name in names]
        assert net_levels == [logging.ERROR] * 4
        net.train(data, algo="sgd", learning_rate=0.1, epochs=1, verbose=True,
                  callbacks=[lambda network, history: seen.append(logging.getLogger("theanets").level)])
        assert seen == [logging.INFO]
        assert [logging.getLogger(name).level for name in names] == [logging.ERROR] * 2
    finally:
        for name, level in zip(names, before):
            logging.getLogger(name).setLevel(level)
    for wrong in ("loud", 0, -3, 1.5, None, True):
        with pytest.raises(ValueError, match="level="):
            theanets.set_log(wrong)


# ---- console


def test_a_script_prints_readable_lines(tmp_path):
    before, lines = script(tmp_path)
    assert before == ""  # the import prints nothing
    assert all(re.fullmatch(LINE, line) for line in lines), lines
    assert {re.fullmatch(LINE, line)[1] for line in lines} == {"theanets", "downhill"}
    assert lines[-1].endswith("the end")
    assert len(lines) == len(set(lines)) or sum("the end" in line for line in lines) == 1


def test_a_script_can_be_quiet(tmp_path):
    before, lines = script(tmp_path, """
        for name in ("theanets", "downhill"):
            logging.getLogger(name).setLevel(logging.WARNING)
    """)
    assert (before, lines) == ("", [])


def test_handlers_of_the_script_take_over(tmp_path):
    _, lines = script(tmp_path, """
        logging.basicConfig(format="MINE %(name)s %(message)s", level=logging.INFO, stream=sys.stdout)
    """)
    assert lines and all(re.match("MINE (theanets|downhill)", line) for line in lines)
    assert lines.count("MINE theanets the end") == 1


def test_detailed_lines_say_where_they_come_from(tmp_path):
    _, lines = script(tmp_path, "theanets.util.enable_detailed_callsite_logging()")
    assert re.search(r"script\S*:\d+.*the end", lines[-1])
