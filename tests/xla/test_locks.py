"""Locks of shared variables: who waits for whom, and that nobody waits for ever."""

import gc
import threading
import weakref

import numpy as np
import pytest
import theano
from theanets import xla
from theanets.xla import locks

FLOAT = theano.config.floatX


def variables(count):
    return [theano.shared(np.zeros(3, FLOAT), f"v{i}") for i in range(count)]


def cells(*shared):
    return [variable.container.storage for variable in shared]


class Holder:
    """A thread that holds the lock of some variables."""

    def __init__(self, *shared):
        self.held, self.done = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=locks.holding, args=(cells(*shared), self.hold))

    def hold(self):
        self.held.set()
        self.done.wait(60)

    def __enter__(self):
        self.thread.start()
        assert self.held.wait(60)

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()


def is_free(*shared):
    """Tell whether another thread can read some variables now."""
    thread = threading.Thread(target=xla.read, args=(list(shared),), daemon=True)
    thread.start()
    thread.join(0.3)
    return not thread.is_alive()


@pytest.mark.parametrize("mode", ["XLA", "FAST_COMPILE"])
def test_variables_of_one_function_are_locked_together_and_others_are_free(mode):
    a, b, c, d = variables(4)
    step = theano.function([], [a.sum() + b.sum()], updates=[(a, a + 1)], mode=mode)
    other = theano.function([], [c.sum() + d.sum()], updates=[(c, c + 1)], mode=mode)
    step()
    other()
    with Holder(b):
        assert is_free(c, d) and not is_free(a) and not is_free(theano.clone(a))
        assert other()[0] == 3
    assert is_free(a, b)
    # a function of variables of both makes one group of them.
    both = theano.function([], [b.sum() + d.sum()], mode=mode)
    both()
    with Holder(a):
        assert not is_free(c)
    assert step()[0] == 3 and other()[0] == 6


def test_groups_become_one_while_one_of_them_is_held():
    a, b, c = variables(3)
    ties = [locks.Tied(cells(variable)) for variable in (a, b, c)]
    joined = []
    with Holder(a):
        thread = threading.Thread(target=lambda: joined.append(locks.Tied(cells(c, b, a))))
        thread.start()
        assert not is_free(a)
    thread.join()
    with Holder(c):
        assert not is_free(a) and not is_free(b)
    assert len({id(tied.holding(getattr, tied, "group")) for tied in [*ties, *joined]}) == 1


def test_who_holds_a_lock_may_read_write_and_compute():
    a, b = variables(2)
    step = theano.function([], [a.sum()], updates=[(a, a + b + 1)], mode="XLA")

    def work():
        step()
        a.set_value(a.get_value() + 1)
        return locks.holding(cells(b), step)

    assert xla.together([a, b], work)[0] == 6


def test_a_value_under_a_lock_is_whole():
    """A thread that updates two variables, and one that reads them, or sets both."""
    a, b = variables(2)
    step = theano.function([], [], updates=[(a, a + 1), (b, b + 1)], mode="XLA")
    step()
    done = threading.Event()

    def run():
        while not done.is_set():
            step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for i in range(200):
            first, second = xla.read([a, b])
            np.testing.assert_array_equal(first, second)
            if i % 10 == 0:
                xla.assign([(a, first * 0), (b, second * 0)])
    finally:
        done.set()
        thread.join()


def test_an_error_opens_the_lock():
    (a,) = variables(1)
    with pytest.raises(KeyboardInterrupt):
        locks.holding(cells(a), lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert is_free(a)


def test_nothing_is_kept_of_variables_that_are_gone():
    before = len(locks._ties)
    a, b = variables(2)
    step = theano.function([], [], updates=[(a, a + b)], mode="XLA")
    step()
    assert len(locks._ties) == before + 2
    gone = weakref.ref(step.fn)
    del a, b, step
    gc.collect()
    assert gone() is None and len(locks._ties) <= before
