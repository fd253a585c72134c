"""What train() and itertrain() declare: their keywords, with the defaults that hold."""

import inspect

import numpy as np
import pytest
import theanets
from theanets import util

from .. import helpers

X = np.random.RandomState(0).randn(40, 4)
Y = X[:, :2]


@pytest.mark.parametrize("method", ["train", "itertrain"])
def test_every_keyword_is_in_the_signature(method):
    declared = set(inspect.signature(getattr(theanets.Network, method)).parameters)
    # what an algorithm alone knows, old spellings, and a name that has no effect stay in kwargs.
    of_algorithms = set().union(*map(theanets.trainer.options.options_of, theanets.trainer.options.algorithms()))
    known = theanets.trainer.keywords() - of_algorithms - set(theanets.arguments.OLD_TRAINING) - {"name"}
    common = theanets.trainer.options.COMMON_OPTIONS
    assert (known | common) <= declared
    assert declared - known - common == {
        *("self", "train", "valid", "algo", "subalgo", "save_every", "save_progress", "devices", "kwargs"),
        *declared.intersection(
            ["rng", "progress", "verbose", "resume", "shuffle", "average", "checkpoint", "checkpoint_every"]),
    } - known


@pytest.mark.parametrize("algo", ["sgd", "rmsprop"])
def test_the_defaults_in_the_signature_are_true(algo):
    """Training with all of them given is training with none of them given."""
    parameters = inspect.signature(theanets.Network.itertrain).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    nets = [theanets.Regressor([4, 3, 2]) for _ in range(2)]
    one = list(nets[0].itertrain([X, Y], algo=algo, epochs=12))
    two = list(nets[1].itertrain([X, Y], algo=algo, **{**defaults, "epochs": 12, "rng": nets[1].rng}))
    assert one == two
    helpers.assert_same_values(helpers.values(nets[0]), helpers.values(nets[1]))


def test_too_many_arguments_by_position_name_the_method():
    net = theanets.Regressor([4, 2])
    with pytest.raises(TypeError, match=r"^train\(\): too many positional"):
        net.train([X, Y], None, "sgd", "sgd", 0, None, 5)


def test_only_what_is_given_reaches_a_trainer_of_a_users_own():
    seen = {}

    class Own:
        def itertrain(self, train, valid, **kwargs):
            seen.update(kwargs)
            yield {"loss": 1.0}, {"loss": 1.0}

    theanets.Regressor([4, 2]).train([X, Y], algo=Own(), batch_size=8, mine=1)
    assert seen == {"batch_size": 8, "mine": 1, "rng": 13}


def test_a_subclass_may_override_either_method():
    class Loud(theanets.Regressor):
        def itertrain(self, *args, **kwargs):
            yield from super().itertrain(*args, **{"algo": "sgd", **kwargs})

        def train(self, train, **kwargs):
            return super().train(train, **{"epochs": 2, **kwargs})

    net = Loud([4, 2])
    net.train([X, Y], learning_rate=0.01)
    assert len(net.history) == 2 and not issubclass(util.ConfigurationError, TypeError)
