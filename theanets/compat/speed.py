"""Faster implementations of what is right in Theano, but needlessly slow."""

import numpy as np

from .registry import after_importing


def _product(matrix, states, modulus):
    """Multiply each row of ``states`` by a matrix, modulo a number below 2**31, so that 64 bits hold each product."""
    terms = (np.asarray(states, "int64")[:, None, :] * np.asarray(matrix, "int64")) % int(modulus)
    return terms.sum(axis=2) % int(modulus)


def _square(matrix, modulus):
    return _product(matrix, np.asarray(matrix).T, modulus).T


@after_importing("theano.sandbox.rng_mrg")
def substreams_all_at_once(module):
    """The states of all substreams of a random stream, computed by a few products of matrices.

    get_substream_rstates() (theano/sandbox/rng_mrg.py:764) computes the states of some 15,000 streams one after the
    other, each by a call of a Theano function, which has to be compiled as well: a quarter of a second for each
    expression of noise or dropout. The states are the powers of a matrix times the first of them: knowing n of them,
    n more follow by one product with the n-th power.
    """

    def mult_mat_vect(v, A, m1, B, m2):
        halves = _product(A, [v[:3]], m1)[0], _product(B, [v[3:]], m2)[0]
        return np.concatenate(halves).astype("int32")

    mult_mat_vect.dot_modulo = None
    module.multMatVect = mult_mat_vect

    def get_substream_rstates(self, n_streams, dtype, inc_rstate=True):
        states = np.zeros((n_streams, 6), "int32")
        states[0] = self.rstate
        first, second, known = module.A1p72, module.A2p72, 1
        while known < n_streams:
            count = min(known, n_streams - known)
            states[known : known + count, :3] = _product(first, states[:count, :3], module.M1)
            states[known : known + count, 3:] = _product(second, states[:count, 3:], module.M2)
            first, second, known = _square(first, module.M1), _square(second, module.M2), known + count
        if inc_rstate:
            self.inc_rstate()
        return states

    module.MRG_RandomStreams.get_substream_rstates = get_substream_rstates
