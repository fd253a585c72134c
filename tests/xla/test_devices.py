"""What XLA is told about the device that it compiles for."""

import pytest
import theano
import theano.tensor as TT
from theanets.xla import devices
from theano.tensor.nnet import conv2d


@pytest.fixture
def chosen(monkeypatch):
    """The options of XLA for all that is compiled, as a list."""
    found = []
    compiled = devices.compiled

    def watched(function, choices=None, **options):
        found.append(choices)
        return compiled(function, choices, **options)

    monkeypatch.setattr(devices, "compiled", watched)
    return found


def test_options_that_a_release_of_xla_does_not_have_are_left_out():
    unknown = {"xla_no_such_option": ""}
    assert not devices.knows(**unknown)
    assert devices.compiled(lambda x: x + 1, unknown)(1) == 2


def test_options_that_it_has_are_used():
    assert devices.knows(**devices.EIGEN)
    assert devices.compiled(lambda x: x + 1, devices.EIGEN)(1) == 2


def test_only_convolutions_have_options_of_their_own(chosen):
    x, image, kernel = TT.matrix(), TT.tensor4(), TT.tensor4()
    theano.function([x], TT.dot(x, x), mode="XLA")
    theano.function([image, kernel], conv2d(image, kernel), mode="XLA")
    sums = theano.scan(lambda row, total: total + row.sum(), sequences=x, outputs_info=TT.zeros(()))[0]
    theano.function([x], sums, mode="XLA")
    assert chosen == [None, devices.EIGEN, None]
