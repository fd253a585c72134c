"""Repairs of wrong results of Theano 1.0.5 on any Python and NumPy, in all of its modes."""

import numpy as np

from .registry import after_importing
from .rewriting import rewrite


@after_importing("theano.scan_module.scan_op")
def second_derivatives_of_loops(module):
    """Second derivatives of loops with several steps in the loss, or with steps that read several earlier ones.

    In the gradient of a loop, a step reads a value that it then overwrites: the gradient that a state gets from outside
    of the loop. In the second derivative, Scan.L_op (theano/scan_module/scan_op.py:2150) adds the gradient for the
    overwritten value to that for the new one, which counts it twice: no later step reads the old value. Where a step
    writes several values to one buffer, L_op confuses the number of buffers with the number of values, and so takes one
    output for another (2062, 2098).
    """
    place = "dC_douts[{0} - self.n_mit_mot_outs + self.n_mit_mot]"
    skip = ".type, DisconnectedType):\n                continue\n"
    rewrite(
        module.Scan,
        "L_op",
        (
            "    else:\n            dC_dinps_t[dx + self.n_seqs] += dC_dXtm1\n",
            "    elif dx not in overwritten:\n            dC_dinps_t[dx + self.n_seqs] += dC_dXtm1\n",
        ),
        (
            "    for dx, dC_dXtm1 in enumerate(dC_dXtm1s):\n",
            "    read_and_written = [tap in written for taps, written in zip(self.tap_array, self.mit_mot_out_slices)"
            " for tap in taps]\n"
            "    overwritten = [place for place, is_both in enumerate(read_and_written) if is_both]\n"
            "    for dx, dC_dXtm1 in enumerate(dC_dXtm1s):\n",
        ),
        ("idx_nitsot_start = (self.info['n_mit_mot'] +", "idx_nitsot_start = (self.info['n_mit_mot_outs'] +"),
        ("dC_douts[idx]" + skip, place.format("idx") + skip),
        ("safe_new(dC_douts[idx][0])", f"safe_new({place.format('idx')}[0])"),
        ("dC_douts[i]" + skip, place.format("i") + skip),
    )


@after_importing("theano.tensor.extra_ops")
def order_of_unraveled_indices(module):
    """``unravel_index(..., order="F")``; UnravelIndex.perform (theano/tensor/extra_ops.py:1259) forgets the order."""
    rewrite(
        module.UnravelIndex,
        "perform",
        ("np.unravel_index(indices, dims)", "np.unravel_index(indices, dims, order=self.order)"),
    )


def _gradient_of_entries(x, rows, columns, values):
    """Return a sparse matrix like x with the sums of values at given entries; negative indices count from the end."""
    from scipy import sparse

    rows, columns = (np.where(places < 0, places + end, places) for places, end in zip((rows, columns), x.shape))
    return sparse.coo_matrix((values, (rows, columns)), x.shape, dtype=x.dtype).asformat(x.format)


@after_importing("theano.sparse.basic")
def gradients_of_sparse_items(module):
    """Gradients of rows and entries of a sparse matrix that are indexed more than once.

    GetItemListGrad.perform and GetItem2ListsGrad.perform (theano/sparse/basic.py:1069, 1162) set values instead of
    adding them up, and always return float64, whatever the dtype of the matrix is.
    """

    def rows_gradient(self, node, inputs, outputs):
        x, index, gradient = inputs
        entries = gradient.tocoo()
        outputs[0][0] = _gradient_of_entries(x, np.asarray(index)[entries.row], entries.col, entries.data)

    def entries_gradient(self, node, inputs, outputs):
        x, rows, columns, gradient = inputs
        outputs[0][0] = _gradient_of_entries(x, np.asarray(rows), np.asarray(columns), gradient)

    module.GetItemListGrad.perform = rows_gradient
    module.GetItem2ListsGrad.perform = entries_gradient
