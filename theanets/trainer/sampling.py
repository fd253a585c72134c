"""The sample trainer: weights that are samples of the data."""

from collections import OrderedDict

import numpy as np

from .. import util
from .base import Trainer

__all__ = ["SampleTrainer"]


class SampleTrainer(Trainer):
    """Fill weight matrices with samples of the data; biases are left alone.

    Rows of the output layer's matrices become targets, scaled to length 1. Going through the hidden layers in order,
    columns of their matrices become samples of what the layer reads, scaled to length 1.

    There is one epoch, and no loss is measured: the values of the monitors are ``{'loss': 0}``. :meth:`Network.train`
    measures those on the validation data when all is done.

    A Coates, A Ng, "The Importance of Encoding Versus Training with Sparse Coding and Vector Quantization", ICML 2011,
    show how far weights can go that are samples of the data.
    """

    measures = False

    @staticmethod
    def reservoir(xs, n, rng):
        """Choose some vectors of a sequence at random, in one pass over it.

        Parameters
        ----------
        xs : iterable of ndarray (num-variables, )
            The vectors. Those of length zero are skipped.
        n : int
            How many to choose. If there are fewer, noisy copies of them make up the number.
        rng : int, None or numpy.random.RandomState
            Where random numbers come from.

        Returns
        -------
        samples : ndarray (n, num-variables)
            Scaled to length 1, but for the noisy copies.

        Raises
        ------
        DataError
            If all vectors have length zero.

        Notes
        -----
        J S Vitter, "Random Sampling with a Reservoir", ACM Trans. Math. Softw. 11(1), 1985
        """
        rng = util.random_state(rng)
        chosen, dtype, count = [], None, 0
        for x in xs:
            length = np.linalg.norm(x)
            if not length > 0:
                continue
            dtype = dtype or np.asarray(x).dtype
            if count < n:
                chosen.append(x / length)
            else:
                j = rng.randint(count + 1)
                if j < n:
                    chosen[j] = x / length
            count += 1
        if not chosen:
            raise util.DataError("algo='sample': there is no vector in the data that is not zero")
        real = len(chosen)
        deviation = np.std(chosen, axis=0)
        while len(chosen) < n:
            x = chosen[rng.randint(real)]
            chosen.append(x + deviation * rng.randn(*x.shape))
        return np.array(chosen, dtype)

    def itertrain(self, train, valid=None, **kwargs):
        """Fill the weights, yielding one pair of dicts."""
        network, rng = self.network, util.random_state(kwargs.get("rng"))
        variables = network.variables
        target = network.losses[0].variables[0] if network.losses else None
        if target is not None and "int" not in str(target.dtype):
            position = next(i for i, variable in enumerate(variables) if variable is target)
            for param in network.layers[-1].params:
                if param.ndim == 2:
                    rows, cols = param.get_value(borrow=True).shape
                    vectors = (np.reshape(_to_dense(batch[position]), (-1, cols)) for batch in train)
                    if _width(network, position) == cols:
                        self._fill(param, vectors, rows, rng)
        for layer in network.layers[1:-1]:
            for name, size in layer.inputs.items():
                for param in self._matrices(layer, name, size):
                    self._fill(param, self._outputs(name, train), param.get_value(borrow=True).shape[1], rng, True)
        yield OrderedDict(loss=0), OrderedDict(loss=0)

    @staticmethod
    def _matrices(layer, name, size):
        """Return the matrices of a layer that multiply the input of this name."""
        matrices = [p for p in layer.params if p.ndim == 2 and p.get_value(borrow=True).shape[0] == size]
        own = [p for p in matrices if p.name == f"{layer.name}.w_{name}"]
        return own or matrices

    def _outputs(self, name, train):
        """Generate vectors of an output of the network for the training data, with the weights as they are."""
        network = self.network
        for batch in train:
            (values,) = network._evaluate([name], list(batch[: len(network.inputs)]), [])
            yield _to_dense(values).reshape((-1, values.shape[-1]))

    def _fill(self, param, batches, n, rng, as_columns=False):
        samples = self.reservoir((x for batch in batches for x in batch), n, rng)
        param.set_value(np.asarray(samples.T if as_columns else samples, util.FLOAT))


def _to_dense(value):
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


def _width(network, position):
    shape = network._slots()[position].shape
    return shape[-1] if shape else None
