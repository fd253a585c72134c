"""Shared variables that stay on the device, and what users get to see of them."""

import copy
import gc
import pickle

import jax
import numpy as np
import pytest
import theano
import theano.tensor as TT
from theanets import xla

FLOAT = theano.config.floatX

pytestmark = pytest.mark.usefixtures("only_new_garbage")


def counter(size=1 << 14):
    """A shared variable, and a function that adds one to it."""
    state = theano.shared(np.zeros(size, FLOAT), "state")
    return state, theano.function([], [], updates=[(state, state + 1)], mode="XLA")


def test_updates_stay_on_the_device():
    state, step = counter()
    step()
    first = state.container.storage[0]
    assert isinstance(first, jax.Array)
    step()
    assert first.is_deleted(), "the old value is given up for the new one"
    np.testing.assert_array_equal(state.get_value(), 2)
    assert isinstance(state.container.storage[0], jax.Array), "asking for a copy moves nothing"


@pytest.mark.parametrize("borrow", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1 << 14, 1 << 20])
def test_what_was_handed_out_is_never_written_to(borrow, size):
    state, step = counter(size)
    seen = []
    for count in range(4):
        seen.append((count, state.get_value(borrow=borrow), state.container.value))
        step()
        step.copy()
        seen.append((count + 1, state.get_value(borrow=borrow), state.container.value))
        gc.collect()
    for count, value, contained in seen:
        assert isinstance(value, np.ndarray) and value.flags.writeable
        np.testing.assert_array_equal(value, count)
        np.testing.assert_array_equal(contained, count)


def test_what_was_given_is_never_written_to_and_may_be_changed():
    given = np.zeros(1 << 16, FLOAT)
    state, step = counter()
    state.set_value(given)
    step()
    given[:] = 5
    step()
    np.testing.assert_array_equal(state.get_value(), 2)
    state.set_value(given, borrow=True)
    step()
    np.testing.assert_array_equal(given, 5)
    np.testing.assert_array_equal(state.get_value(), 6)


def test_a_borrowed_value_is_the_memory_that_the_next_call_reads():
    state, step = counter(4)
    step()
    state.get_value(borrow=True)[:] = 10
    step()
    np.testing.assert_array_equal(state.get_value(), 11)


def test_an_argument_may_be_changed_as_soon_as_the_call_returns():
    state = theano.shared(np.zeros(1 << 20, FLOAT))
    x = TT.vector()
    add = theano.function([x], [], updates=[(state, state + TT.exp(TT.tanh(x)) * 0 + x)], mode="XLA")
    array = np.ones(1 << 20, FLOAT)
    for _ in range(5):
        add(array)
        array[:] = -1e3
        array[:] = 1
    np.testing.assert_array_equal(state.get_value(), 5)


def test_outputs_belong_to_the_caller():
    state = theano.shared(np.arange(5, dtype=FLOAT))
    f = theano.function([], [state, state * 1, state.sum(), state], updates=[(state, state + 1)], mode="XLA")
    first, *_, last = f()
    first[:] = 100
    last[:] = 200
    np.testing.assert_array_equal(f()[0], np.arange(5) + 1)
    assert all(type(value) is np.ndarray and value.flags.writeable for value in f())


def test_two_variables_never_share_memory():
    a, b = theano.shared(np.zeros(8, FLOAT), "a"), theano.shared(np.ones(8, FLOAT), "b")
    swap = theano.function([], [], updates=[(a, b), (b, a)], mode="XLA")
    same = theano.function([], [], updates=[(a, b)], mode="XLA")
    grow = theano.function([], a.sum() + b.sum(), updates=[(a, a + 1), (b, b * 2)], mode="XLA")
    swap()
    assert (a.get_value()[0], b.get_value()[0]) == (1, 0)
    same()
    for expected in (0, 8, 16):
        assert grow() == expected
    both = theano.function([], [], updates=[(a, a + b), (b, a + b)], mode="XLA")
    both()
    assert grow() == 2 * 8 * 3
    np.testing.assert_array_equal(a.get_value(), 4)
    np.testing.assert_array_equal(b.get_value(), 6)


def test_functions_of_other_modes_share_the_state():
    state, step = counter(3)
    plain = theano.function([], state.sum(), updates=[(state, state * 2)], mode="FAST_COMPILE")
    step()
    assert plain() == 3
    step()
    assert plain() == 9
    np.testing.assert_array_equal(state.get_value(), 6)


def test_pickles_and_copies():
    state, step = counter(3)
    step()
    for other in (pickle.loads(pickle.dumps(state)), copy.deepcopy(state), copy.copy(state)):
        np.testing.assert_array_equal(other.get_value(), 1)
    step()
    assert isinstance(copy.deepcopy(state).container.storage[0], np.ndarray)
    function = pickle.loads(pickle.dumps(step))
    function()
    np.testing.assert_array_equal(state.get_value(), 2)
    assert str(state.container) == "<[2. 2. 2.]>"


def test_copies_of_functions():
    x = TT.scalar("x", FLOAT)
    state, other = theano.shared(np.asarray(0, FLOAT)), theano.shared(np.asarray(10, FLOAT))
    f = theano.function([x], state + x, updates=[(state, state + x)], mode="XLA")
    reference = theano.function([x], state + x, updates=[(state, state + x)], mode="FAST_COMPILE")
    swapped, silent = f.copy(swap={state: other}), f.copy(delete_updates=True)
    assert type(f.copy()(0)) is type(reference.copy()(0))
    assert f(1) == 1 and np.asarray(swapped(2)) == 12 and np.asarray(silent(5)) == 6 and f(1) == 2
    assert (state.get_value(), other.get_value()) == (2, 12)


def test_givens_defaults_and_strictness():
    x, y = TT.vector("x"), TT.vector("y")
    data = theano.shared(np.arange(6, dtype=FLOAT))
    f = theano.function([theano.In(y, value=np.ones(6, FLOAT))], (x * y).sum(), givens={x: data}, mode="XLA")
    assert f() == 15 and f(np.full(6, 2, FLOAT)) == 30 and f() == 15
    with pytest.raises((TypeError, ValueError)):
        theano.function([x], x.sum(), mode="XLA")("text")
    assert theano.function([x], x, mode="XLA").trust_input is False
    assert f.value[y].shape == (6,)
    f.value[y] = np.zeros(6, FLOAT)
    assert f.container[y].value.sum() == 0


def test_an_interrupt_leaves_the_state_whole(monkeypatch):
    state, step = counter(5)
    step()

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(step.fn.code.plain, "call", interrupt)
    with pytest.raises(KeyboardInterrupt):
        step()
    # one that arrives when the results are there, but have not been stored.
    monkeypatch.undo()
    raised = []

    def extended(function, arguments):
        yield from (function(*item) for item in arguments)
        raised.append(True)
        raise KeyboardInterrupt

    monkeypatch.setattr("theanets.xla.trials.itertools.starmap", extended)
    with pytest.raises(KeyboardInterrupt):
        step()
    monkeypatch.undo()
    assert raised
    np.testing.assert_array_equal(state.get_value(), 2)
    step()
    np.testing.assert_array_equal(state.get_value(), 3)


def test_errors_leave_the_state_as_it_was():
    labels = TT.ivector("labels")
    state = theano.shared(np.zeros(4, FLOAT))
    updates = [(state, TT.inc_subtensor(state[labels], 1))]
    f = theano.function([labels], state[labels].sum(), updates=updates, mode="XLA")
    f([0, 1, 1])
    with pytest.raises(IndexError):
        f([0, 4])
    np.testing.assert_array_equal(state.get_value(), [1, 2, 0, 0])
    assert f([3, 1]) == 2


def aliased(kind):
    """Return two shared variables of one value: in one cell, or one array in two cells."""
    w = theano.shared(np.arange(3, dtype=FLOAT), "w")
    if kind == "clone":
        return w, w.clone()
    if kind == "graph":
        inputs = theano.gof.graph.inputs([theano.clone(w * 2, share_inputs=False)])
        [copied] = [variable for variable in inputs if hasattr(variable, "get_value")]
        return w, copied
    v = theano.shared(np.zeros(3, FLOAT), "v")
    theano.function([], [], updates=[(w, w + 0)], mode="XLA")()
    v.container.storage[0] = w.container.storage[0]
    return w, v


@pytest.mark.parametrize("kind", ["clone", "graph", "array"])
def test_two_variables_of_one_value(kind):
    w, v = aliased(kind)
    x = TT.vector("x")
    f = theano.function([x], (w * v * x).sum(), updates=[(w, w + 1)], mode="XLA")
    assert f(np.ones(3, FLOAT)) == 5
    expected = 5 + 2 * 3 + 3 if kind != "array" else 5 + 3
    assert f(np.ones(3, FLOAT)) == expected
    np.testing.assert_array_equal(w.get_value(), [2, 3, 4])
    np.testing.assert_array_equal(v.get_value(), [0, 1, 2] if kind == "array" else [2, 3, 4])


@pytest.mark.parametrize("kind", ["clone", "array"])
def test_two_variables_of_one_value_that_are_both_updated(kind):
    w, v = aliased(kind)
    f = theano.function([], [w.sum(), v.sum()], updates=[(w, w + 1), (v, v + 2)], mode="XLA")
    for _ in range(2):
        f()
    expected = {"array": [[2, 3, 4], [4, 5, 6]], "clone": [[4, 5, 6], [4, 5, 6]]}[kind]
    np.testing.assert_array_equal([w.get_value(), v.get_value()], expected)


def test_one_container_for_two_inputs():
    a, b = TT.vectors("ab")
    cell = theano.gof.Container(a, [np.ones(3, FLOAT)])
    inputs = [theano.In(a, value=cell, update=a + b), theano.In(b, value=cell)]
    f = theano.function(inputs, (a * b).sum(), mode="XLA")
    assert [f(), f()] == [3, 12]


READS = {
    "get_value": lambda state: state.get_value(),
    "internal": lambda state: state.get_value(return_internal_type=True),
    "deepcopy": lambda state: copy.deepcopy(state).get_value(),
    "pickle": lambda state: pickle.loads(pickle.dumps(state)).get_value(),
    "container": lambda state: pickle.loads(pickle.dumps(state.container)).value,
    "text": lambda state: np.array(str(state.container).strip("<[. ]>").split(". "), FLOAT),
    "repr": lambda state: np.array(repr(state.container) != "" and [2] * 3, FLOAT),
    "read": lambda state: xla.read([state])[0],
    "shape": lambda state: np.full(xla.shape_of(state), 2, FLOAT),
}


@pytest.mark.parametrize("name", READS)
def test_reading_never_writes(name):
    state, step = counter(3)
    step()
    step()
    held = state.container.storage[0]
    np.testing.assert_array_equal(READS[name](state), 2)
    assert state.container.storage[0] is held
    with xla.snapshot([state]):
        np.testing.assert_array_equal(READS[name](state), 2)
    assert state.container.storage[0] is held and xla.shape_of(state) == (3,)
    step()
    np.testing.assert_array_equal(state.get_value(), 3)


def test_a_snapshot_is_of_one_moment():
    state, step = counter(3)
    other = theano.shared(np.zeros(3, FLOAT), "other")
    step()
    with xla.snapshot([state]):
        step()
        other.set_value(np.ones(3, FLOAT))
        first = state.get_value()
        first[:] = 7
        np.testing.assert_array_equal(state.get_value(), 1)
        np.testing.assert_array_equal(copy.deepcopy(state).container.storage[0], 1)
        np.testing.assert_array_equal(other.get_value(), 1)
        with xla.snapshot([state]):
            np.testing.assert_array_equal(state.get_value(), 2)
        np.testing.assert_array_equal(state.get_value(), 1)
    np.testing.assert_array_equal(state.get_value(), 2)


@pytest.mark.parametrize("mode", ["XLA", "FAST_COMPILE"])
@pytest.mark.parametrize("take", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["copy", "pickle"])
def test_a_function_shares_its_variables_in_a_copy_too(mode, take):
    state = theano.shared(np.full(3, np.nan, FLOAT), "state")
    step = theano.function([], state.sum(), updates=[(state, TT.ones_like(state) * 4)], mode=mode)
    step()
    for pair in ((state, step), (step, state)):
        copied = take(pair)
        variable, function = copied if pair[0] is state else copied[::-1]
        assert function() == 12
        variable.set_value(np.ones(3, FLOAT))
        assert function() == 3 and state.get_value()[0] == 4
        np.testing.assert_array_equal(variable.get_value(), 4)


def test_values_are_assigned_together(monkeypatch):
    first, second = (theano.shared(np.zeros(1 << 16, FLOAT)) for _ in range(2))
    for value in range(5):
        xla.assign([(first, np.full(4, value, FLOAT)), (second, np.full(4, -value, FLOAT))])
        assert first.get_value()[0] == value == -second.get_value()[0]
