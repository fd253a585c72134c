"""Fingerprints: equal for equal graphs in any process, and different for all that makes a difference."""

import os
import subprocess
import sys

import numpy as np
import pytest
import theano
import theano.ifelse
import theano.sparse
import theano.tensor as TT
from theanets import xla
from theanets.xla import registry
from theanets.xla.fingerprint import Undescribed, fingerprint
from theano.sandbox.rng_mrg import MRG_RandomStreams

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
import theanets
from tests.xla.test_fingerprint import GRAPHS, of
print(*[of(make) for make in GRAPHS])
"""


class Scaled(theano.Op):
    """An Op of a user's, with a property."""

    __props__ = ("factor",)

    def __init__(self, factor=2):
        self.factor = factor

    def make_node(self, x):
        return theano.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0] * self.factor


class Named(Scaled):
    """An Op with attributes in place of properties."""

    __props__ = None

    def __init__(self, factor=2):
        self.factor = factor
        self.table = {"a": np.arange(factor), "b": {1, 2}}


def loop(function, name=None, **kwargs):
    def make(x):
        return theano.scan(function, sequences=x, outputs_info=TT.zeros_like(x[0]), name=name, **kwargs)[0]

    return make


def sampled(x):
    return MRG_RandomStreams(3).uniform(x.shape) * x


#: Graphs of a matrix, no two of which are the same.
GRAPHS = [
    lambda x: x,
    lambda x: x.T,
    lambda x: x + 1,
    lambda x: x + np.float32(1.5),
    lambda x: x + 2,
    lambda x: x * 2,
    lambda x: x - x.T,
    lambda x: x.T - x,
    lambda x: x.sum(axis=0),
    lambda x: x.sum(axis=1),
    lambda x: x.sum(axis=0, keepdims=True),
    lambda x: x[:2],
    lambda x: x[:3],
    lambda x: x[[0, 1]],
    lambda x: x[[1, 0]],
    lambda x: TT.cast(x, "float64"),
    lambda x: TT.dot(x, np.ones((3, 2), "float32")),
    lambda x: TT.dot(x, np.zeros((3, 2), "float32")),
    lambda x: TT.nnet.softmax(x),
    lambda x: TT.clip(x, 0, 1),
    lambda x: TT.zeros(2) + 5,
    lambda x: theano.shared(np.ones((2, 2), "float32")) + x,
    lambda x: theano.sparse.csr_from_dense(x).toarray(),
    lambda x: theano.ifelse.ifelse(x.sum() > 0, x, x + 1),
    sampled,
    loop(lambda x, h: x + h),
    loop(lambda x, h: x * h),
    loop(lambda x, h: x + h, go_backwards=True),
    loop(lambda x, h: x + h, truncate_gradient=2),
    lambda x: theano.scan(lambda row: loop(lambda a, b: a + b)(row), sequences=x)[0],
    lambda x: TT.grad(TT.sqr(loop(lambda x, h: x + h)(x)).sum(), x),
    Scaled(2),
    Scaled(3),
    Named(2),
    Named(3),
]


def of(make):
    x = TT.fmatrix("x")
    output = make(x)
    inputs = [v for v in theano.gof.graph.inputs([output]) if not isinstance(v, theano.Constant)]
    return fingerprint([x, *(v for v in inputs if v is not x)], [output])


def test_equal_graphs_have_one_and_others_another():
    found = {of(make): make for make in GRAPHS}
    assert len(found) == len(GRAPHS)
    assert all(of(make) == text and len(text) == 64 for text, make in found.items())


def test_names_make_no_difference():
    x, y = TT.fmatrix("x"), TT.fmatrix()
    assert fingerprint([x], [x + 1]) == fingerprint([y], [y + 1])
    assert of(loop(lambda x, h: x + h, name="one")) == of(loop(lambda x, h: x + h, name="two"))
    assert of(lambda x: x + theano.shared(np.ones((2, 2), "float32"), "a")) == of(
        lambda x: x + theano.shared(np.zeros((5, 2), "float32"), "b")
    )


def test_the_order_of_inputs_and_outputs_makes_a_difference():
    x, y = TT.fmatrix(), TT.fmatrix()
    found = {fingerprint([x, y], [x - y, x]), fingerprint([y, x], [x - y, x]), fingerprint([x, y], [x, x - y])}
    assert len(found) == 3
    assert fingerprint([x], [x], "a") != fingerprint([x], [x], "b")


def test_processes_agree():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(root=root)], env=environment, cwd=root, text=True, stdout=subprocess.PIPE
    )
    assert done.stdout.split() == [of(make) for make in GRAPHS]


def test_settings_make_a_difference():
    before = of(GRAPHS[2])
    with theano.change_flags(cast_policy="numpy+floatX"):
        assert of(GRAPHS[2]) != before
    assert of(GRAPHS[2]) == before


def define(body):
    """Define a class of Ops by a text, as a user's file would do it."""
    space = {"Scaled": Scaled, "np": np, "__name__": "a_file_of_the_user", "factor": 2, "helper": lambda x: x}
    exec(f"class Op(Scaled):\n    {body}", space)
    return space


def test_the_code_of_a_users_op():
    bodies = [
        "__props__ = ()",
        "__props__ = ()\n    def perform(self, node, i, o): o[0][0] = i[0] * 2",
        "__props__ = ()\n    def perform(self, node, i, o): o[0][0] = i[0] * 3",
        "__props__ = ()\n    def perform(self, node, i, o): o[0][0] = helper(i[0]) * factor",
        "__props__ = ()\n    def perform(self, node, i, o, x=1): o[0][0] = np.sin(i[0])",
        "__props__ = ()\n    def perform(self, node, i, o, x=2): o[0][0] = np.sin(i[0])",
        "__props__ = ()\n    other = property(lambda self: [x for x in 'abc'])",
    ]
    found = [of(define(body)["Op"]()) for body in bodies]
    assert len(set(found)) == len(bodies)
    assert [of(define(body)["Op"]()) for body in bodies] == found
    # what it uses belongs to it.
    space = define(bodies[3])
    for change in (dict(factor=3), dict(helper=lambda x: x + 1)):
        space.update(change)
        assert of(space["Op"]()) not in found
        space.update(factor=2, helper=lambda x: x)


@pytest.mark.parametrize("body", [
    "perform = lambda self, node, i, o: thing(i)",
    "def perform(self, node, i, o):\n        import a_package_of_the_user",
    "table = [object()]",
    "table = np.array([None])",
])
def test_what_cannot_be_described_has_none(body):
    space = define(body)
    space["thing"] = object()
    with pytest.raises(Undescribed):
        of(space["Op"]())
    op = Named()
    op.anything = object()
    with pytest.raises(Undescribed):
        of(op)


def test_functions_that_use_each_other():
    space = define("def perform(self, node, i, o): o[0][0] = even(i[0])")
    exec("def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)", space)
    first = of(space["Op"]())
    exec("def odd(n): return n == 0 or even(n - 1)", space)
    assert of(space["Op"]()) != first


def test_a_translation_or_a_rewrite_of_the_users_makes_a_difference():
    before = of(GRAPHS[2])

    @xla.translates(Scaled)
    def scaled(op, node, x):
        return x * op.factor

    try:
        assert of(GRAPHS[2]) != before
    finally:
        # singledispatch has no way back but this one.
        registry.translate.register(Scaled, registry.translate.dispatch(object))
    assert of(GRAPHS[2]) == before

    @theano.gof.local_optimizer([TT.sqr])
    def local_of_the_users(node):
        return False

    theano.compile.optdb["canonicalize"].register("local_of_the_users", local_of_the_users, "of_the_users")
    database = theano.compile.optdb["canonicalize"].__db__
    try:
        assert of(GRAPHS[2]) != before
    finally:
        for key in [key for key, items in database.items() if local_of_the_users in items]:
            database[key].remove(local_of_the_users)
            if not database[key]:
                del database[key]
    assert of(GRAPHS[2]) == before
