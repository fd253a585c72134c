"""Sparse matrices, against Theano's own evaluation."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import theanets
import theano
import theano.sparse as SS
import theano.tensor as TT
from hypothesis import given, settings
from hypothesis import strategies as st
from theanets.xla.host import FallbackWarning
from theano.sparse import basic
from theano.sparse.sandbox import sp2

from . import helpers

FLOAT = theano.config.floatX


def normal(*shape):
    return np.random.RandomState(4).randn(*shape).astype(FLOAT)


def draw(shape, format="csr", seed=3, dtype=FLOAT):
    rng = np.random.RandomState(seed)
    values = np.where(rng.rand(*shape) < 0.4, rng.randint(-5, 6, size=shape), 0)
    return getattr(scipy.sparse, f"{format}_matrix")(values.astype(dtype))


def dense(value):
    return value.toarray() if scipy.sparse.issparse(value) else value


def agree(inputs, outputs, arrays, **options):
    """Check values, types and formats; and that no zero has become an entry that was none."""
    ours = helpers.run(inputs, outputs, arrays)
    theirs = helpers.run(inputs, outputs, arrays, mode=helpers.REFERENCE)
    for variable, a, b in zip(outputs, ours, theirs):
        assert type(a) is type(b), variable
        assert (a.dtype, a.shape) == (variable.dtype, b.shape), variable
        assert getattr(a, "format", None) == getattr(b, "format", None), variable
        if scipy.sparse.issparse(a):
            assert a.nnz <= b.nnz, variable
        np.testing.assert_allclose(dense(a), dense(b), rtol=1e-5, atol=1e-6, err_msg=str(variable), **options)
    return ours


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_products(format):
    x, y = SS.matrix(format, "x", FLOAT), SS.matrix(format, "y", FLOAT)
    w, v, left = TT.matrix("w"), TT.vector("v"), TT.matrix("left")
    # with as many entries as are not filled up.
    arrays = [draw((5, 7), format), draw((7, 3), format, 4), normal(7, 4), normal(7), normal(2, 5)]
    outputs = [
        SS.structured_dot(x, w),
        SS.structured_dot(x, y),
        SS.dot(x, w),
        SS.dot(left, x),
        SS.dot(x, y),
        SS.true_dot(x, y),
        basic.usmm(TT.constant(np.full((1, 1), 2, FLOAT)), x, w, w[:5]),
        basic.sampling_dot(left.T, w[:, :2], x),
        basic.Dot()(x, v),
    ]
    dense_inputs = ((outputs[0], w), (outputs[2], w), (outputs[3], left))
    outputs += [TT.grad(TT.sqr(output).sum(), wrt) for output, wrt in dense_inputs]
    agree([x, y, w, v, left], outputs, arrays)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.data())
def test_shapes(data):
    shape = data.draw(st.tuples(st.integers(0, 5), st.integers(1, 5)))
    format = data.draw(st.sampled_from(["csr", "csc"]))
    array = draw(shape, format, data.draw(st.integers(0, 99)))
    x, w = SS.matrix(format, "x", FLOAT), TT.matrix("w")
    outputs = [SS.structured_dot(x, w), SS.dense_from_sparse(x), SS.transpose(x), basic.sp_sum(x), x.shape]
    outputs += [basic.sp_sum(x, 0), basic.sp_sum(x, 1), basic.csr_from_dense(w), basic.csc_from_dense(w)]
    agree([x, w], outputs, [array, np.where(normal(shape[1], 3) > 0, 1, 0).astype(FLOAT)])


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_elementwise(format):
    x, y = SS.matrix(format, "x", FLOAT), SS.matrix(format, "y", FLOAT)
    w, v, number = TT.matrix("w"), TT.vector("v"), TT.scalar("number")
    arrays = [draw((4, 6), format), draw((4, 6), format, 8), normal(4, 6), normal(6), np.asarray(2, FLOAT)]
    outputs = [
        basic.neg(x),
        basic.cast(x, "int32"),
        basic.remove0(x),
        basic.ensure_sorted_indices(x),
        x + w,
        x * w,
        basic.mul_s_d(x, number),
        basic.mul_s_s(x, y),
        basic.add_s_s(x, y),
        basic.mul_s_v(x, v),
        basic.structured_add_s_v(x, v),
        basic.hstack([x, y], format),
        basic.vstack([x, y], format),
        basic.eq(x, w),
        basic.lt(x, y),
        basic.gt(x, w),
        basic.square_diagonal(v),
        basic.col_scale(x, v) if format == "csc" else basic.neg(y),
        basic.row_scale(x, v[:4]) if format == "csc" else basic.neg(y),
        basic.diag(x[:, :4]),
        x[1:3, ::2],
        x[1, 2],
        basic.get_item_list(x, [2, 0, 2]),
        basic.get_item_2lists(x, [0, 1], [5, 0]),
    ]
    agree([x, y, w, v, number], outputs, arrays)


def test_numbers_that_are_none_stay_where_they_are():
    x, w = SS.csr_matrix("x", FLOAT), TT.matrix("w")
    array = scipy.sparse.csr_matrix(np.eye(3, dtype=FLOAT))
    infinite = normal(3, 3)
    infinite[2, 2] = np.inf
    infinite[0, 0] = np.nan
    outputs = [SS.structured_dot(x, w), basic.mul_s_d(x, w), basic.sp_sum(basic.mul_s_d(x, w), 1)]
    agree([x, w], outputs, [array, infinite])


def test_entries_in_one_place_add_up():
    x = SS.csr_matrix("x", FLOAT)
    array = scipy.sparse.csr_matrix(
        (np.array([1, 2, 4], FLOAT), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2)
    )
    ours = helpers.run([x], [SS.dense_from_sparse(x), basic.cast(x, "int32"), x], [array])
    for value in ours:
        np.testing.assert_array_equal(dense(value), [[0, 3], [4, 0]])


def test_parts():
    data, indices, pointers = TT.vector("data"), TT.ivector("indices"), TT.ivector("pointers")
    w = TT.matrix("w")
    array = draw((4, 5))
    arrays = [array.data, array.indices, array.indptr, normal(5, 3)]
    for make in (SS.CSR, SS.CSC):
        shape = np.array([4, 5] if make is SS.CSR else [5, 4], "int32")
        x = make(data, indices, pointers, shape)
        output = SS.structured_dot(x, w if make is SS.CSR else w[:4])
        agree([data, indices, pointers, w], [x, output, TT.grad(TT.sqr(output).sum(), data)], arrays)


def test_what_depends_on_the_number_of_entries_runs_on_the_host():
    x = SS.csr_matrix("x", FLOAT)
    function = theano.function([x], SS.csm_data(x), mode="XLA")
    with pytest.warns(FallbackWarning, match="number of entries"):
        np.testing.assert_array_equal(function(draw((3, 4))), draw((3, 4)).data)


def test_shared_matrices_and_constants():
    state = theano.shared(draw((4, 6)), "state")
    constant = basic.as_sparse_variable(draw((4, 6), seed=9))
    w = TT.matrix("w")
    step = theano.function([w], SS.structured_dot(constant, w), updates=[(state, basic.neg(state))], mode="XLA")
    np.testing.assert_allclose(step(normal(6, 2)), draw((4, 6), seed=9) @ normal(6, 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(state.get_value().toarray(), -draw((4, 6)).toarray())
    assert state.get_value().nnz == draw((4, 6)).nnz
    step(normal(6, 2))
    np.testing.assert_array_equal(state.get_value(borrow=True).toarray(), draw((4, 6)).toarray())


def test_lengths_that_do_not_fit():
    x, w = SS.csr_matrix("x", FLOAT), TT.matrix("w")
    with pytest.raises(ValueError, match="mismatch|align|dimension"):
        theano.function([x, w], SS.structured_dot(x, w), mode="XLA")(draw((3, 4)), normal(3, 4))


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_networks_with_sparse_inputs(format):
    results = {}
    data = draw((30, 8), format, dtype="float32")
    labels = np.random.RandomState(1).randint(3, size=30).astype("int32")
    for mode in ("XLA", "FAST_COMPILE"):
        theanets.set_mode(mode)
        try:
            net = theanets.Classifier([dict(size=8, sparse=format), (5, "tanh"), 3], rng=4)
            with warnings.catch_warnings():
                warnings.simplefilter("error", FallbackWarning)
                train, _ = next(net.itertrain([data, labels], algo="sgd", batch_size=10, rng=1))
            results[mode] = [train["loss"], *(param.get_value() for param in net.params), net.predict_proba(data)]
        finally:
            theanets.set_mode(None)
    for ours, theirs in zip(*results.values()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_sums_of_matrices_with_entries_in_the_same_places():
    x, y = SS.csr_matrix("x", FLOAT), SS.csr_matrix("y", FLOAT)
    matrix = draw((4, 5))
    results = helpers.run([x, y], [basic.add_s_s_data(x, y)], [matrix, 2 * matrix])
    np.testing.assert_array_equal(dense(results[0]), 3 * dense(matrix))


def test_random_matrices():
    """The numbers of NumPy's global generator, in Theano's order, at each call."""
    x, p, n, q = SS.csc_matrix("x", FLOAT), SS.csr_matrix("p", FLOAT), TT.lscalar("n"), TT.dscalar("q")
    rows = draw((4, 5))
    rows.data[:] = 1
    rows = scipy.sparse.csr_matrix(rows / np.maximum(rows.sum(axis=1), 1)).astype(FLOAT)
    arrays = [abs(draw((4, 6), "csc")), rows, 20, 0.3]
    shape = TT.stack([n % 7, TT.constant(5)])
    outputs = [sp2.poisson(x * 2.0), sp2.csr_dbinomial(n, q, shape), sp2.multinomial(n, p)]
    outputs.append(SS.dense_from_sparse(outputs[0]).sum())
    results = []
    for mode in ("XLA", helpers.REFERENCE):
        f = theano.function([x, p, n, q], outputs[:1] + outputs[3:], mode=mode, on_unused_input="ignore")
        others = [theano.function([x, p, n, q], output, mode=mode, on_unused_input="ignore") for output in outputs[1:3]]
        np.random.seed(4)
        with warnings.catch_warnings():
            warnings.simplefilter("error", FallbackWarning)
            results.append([dense(value) for _ in range(2) for value in (*f(*arrays), *(g(*arrays) for g in others))])
    for ours, theirs in zip(*results):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(results[0][0], results[0][4])
