"""A sweep with a folder goes on where it was, with the same results."""

import pytest
import theanets

from ... import helpers
from .test_run import DATA, OPTIONS, X, alone, assert_same, build


def test_a_sweep_that_was_killed_goes_on_in_the_middle_of_a_member(tmp_path):
    trained = []

    def run(callback):
        grid = dict(learning_rate=[0.1, 0.01, 0.02])
        return theanets.sweep(
            build, *DATA, grid=grid, checkpoint=tmp_path / "new" / "sweep", checkpoint_every=1, callbacks=callback,
            **OPTIONS
        )

    def watch(network, history):
        trained.append(len(history))

    def fail(network, history):
        watch(network, history)
        if len(trained) == 10:
            # what no member catches.
            raise SystemExit

    with pytest.raises(SystemExit):
        run(fail)
    assert trained == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]
    trained.clear()
    result = run(watch)
    assert trained == [5, 6, 1, 2, 3, 4, 5, 6]
    for member in result:
        assert_same(member, alone(member.settings))
    assert not list(tmp_path.rglob("*.state.npz"))


def test_results_are_taken_from_the_folder(tmp_path):
    points = [dict(learning_rate=0.1), dict(learning_rate=0.01), dict(learning_rate=0.1)]

    def run(points, build=build, data=DATA):
        with helpers.log_records() as records:
            result = theanets.sweep(build, *data, grid=points, checkpoint=tmp_path, **OPTIONS)
        words = [record.getMessage() for record in records if "already" in record.getMessage()]
        return result, words[0].partition(" ")[0] if words else "0"

    first, known = run(points)
    assert known == "0" and len(list(tmp_path.iterdir())) == 3
    second, known = run([*points[:2], dict(learning_rate=0.02)])
    assert known == "2"
    for member, seconds in zip(second, [first[0].seconds, first[1].seconds]):
        assert_same(member, alone(member.settings))
        assert member.seconds == seconds
    assert_same(second[2], alone(second[2].settings))
    # other data, and another function, are other members.
    assert run(points, data=([X[:28] + 1], DATA[1]))[1] == "0"
    assert run(points, build=lambda: theanets.Autoencoder([4, 1, 4]))[1] == "0"
