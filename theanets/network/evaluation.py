"""Computing outputs of a network: for arrays, for sequences of different lengths, and one step at a time."""

import functools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import theano

from .. import data, modes, util
from ..xla import selection
from . import padding
from .alignment import align_targets, join_sequences, map_sequences, unless
from .functions import Functions, compiled_once, in_batches

__all__ = ["Evaluation"]


class Evaluation(Functions):
    """Mixin class of networks that computes outputs, scores and steps."""

    # -- functions of outputs ------------------------------------------------------------------------------------------

    def _plain_function(self, names, slots):
        """Return the compiled function for some outputs, without regularizers, mask or states; its key is shorter."""
        key = self._layers_memo.fingerprint(self.layers), tuple(names), modes.key()
        return compiled_once(
            self._plain_functions, key, lambda: self._output_function(names, slots, (), self._context())
        )

    def _evaluate_directly(self, name, x, check):
        """Fast path for small predictions: compute one output for an array that needs no cast, by a cached function.

        Returns
        -------
        value : ndarray or None
            None if that is not possible; the caller then uses :meth:`_evaluate`, which also raises errors for bad data.
        """
        kept = self._direct_functions.get(name)
        if kept is None:
            return None
        key, slot, compute = kept
        if not slot.fits(x):
            return None

        def is_valid():
            return key == self._direct_key() and not (check and not data.is_finite(x))

        value = compute(x, is_valid)
        if check and value is not None and not data.is_finite(value):
            self._notice_nan((value,))
        return value

    def _direct_key(self):
        """Return what a function in :attr:`_direct_functions` depends on."""
        return self._layers_memo.fingerprint(self.layers), modes.key()

    def _keep_direct(self, name, slot, function):
        """Cache the function for :meth:`_evaluate_directly`, if it can compute an output directly from an array."""
        compute = getattr(getattr(function.function, "fn", None), "compute_directly", None)
        # a new dict, as other threads may be reading the old one; with two outputs at most.
        kept = dict([item for item in self._direct_functions.items() if item[0] != name][-1:])
        if compute is not None:
            kept[name] = self._direct_key(), slot, compute
        self._direct_functions = kept

    def _output_function(self, names, slots, regs, context, state=None):
        """Return the compiled function for some outputs and for the final states."""
        key, noise = self._graph_key(regs, context), self._noise(regs, context)

        def make_outputs():
            outputs, updates = (
                self.build_graph(regs, context) if noise is None else noise.build(self.build_graph, context)
            )
            wanted = [self._get_output(outputs, name) for name in names]
            return wanted + [outputs.context.final_states[name] for name in state or ()], updates

        inputs = [slot.variable for slot in slots]
        if context.mask is not None:
            inputs.append(context.mask)
        if state:
            inputs.extend(context.states[name] for name in state)
        shaping = ["outputs", self.layers, names, list(state or ()), context.single_step]
        return self._function((key, tuple(names), tuple(state or ())), inputs, make_outputs, shaping, noise)

    def _evaluate(self, names, x, regs, batch_size=None, state=None, check=True):
        """Compute outputs by name; return a list of arrays, or of lists of arrays for a list of sequences."""
        slots = self._input_slots(carried=state is not None)
        arrays, lengths = data.cast_sequences(x, slots, check)
        masked = lengths is not None and len(set(lengths)) > 1
        if masked:
            arrays = [*arrays, data.make_mask(lengths)]
        if masked or regs or state:
            function = self._output_function(names, slots, regs, self._context(masked, state), state)
        else:
            function = self._plain_function(names, slots)
            if len(slots) == len(names) == 1:
                self._keep_direct(names[0], slots[0], function)
        if function.by_xla and not regs and not state and self._is_known_by_row():
            function = functools.partial(self._compute_filled, function, names, slots, masked)
        results = in_batches(function, [*arrays, *(state or {}).values()], batch_size)
        count = len(names)
        if lengths is not None:
            # outputs with a time axis are cut to the lengths of the sequences.
            results = [
                [value[:length] for value, length in zip(result, lengths)] if i < count and result.ndim > 2 else result
                for i, result in enumerate(results)
            ]
        if check:
            self._notice_nan(results[:count])
        return results

    def _is_known_by_row(self):
        """Tell whether each row of the outputs depends on the same row of the inputs alone, so that padding is safe."""
        return self._graphs.get(("by row", self._layers_memo.fingerprint(self.layers)), lambda: padding.is_ours(self))

    def _ignores_rows_without_weight(self, regs):
        """Tell whether rows whose weights are zero influence neither the loss in training nor its gradients."""
        return (
            not (self.statistics or self._overridden()) and padding.are_weighted(self, regs) and padding.is_ours(self)
        )

    def _compute_filled(self, function, names, slots, masked, *arrays):
        """Compute outputs for arrays, which are padded to one of a few sizes so that XLA compiles for few shapes.

        Parameters
        ----------
        function : Guarded
            The function for the arrays as they are.
        names : list of str
            Full names of its outputs.
        slots : list of :class:`theanets.data.Slot`
            The slots of the arrays.
        masked : bool
            Whether a mask comes as the last array.
        *arrays : ndarray or scipy matrix
            The arrays.
        """
        rows = arrays[0].shape[0]
        steps = next((array.shape[1] for array, slot in zip(arrays, slots) if slot.is_sequence), None)
        if not (masked or padding.takes_masks(self, slots)):
            # the time axis cannot be padded.
            new_rows, new_steps = function.sizes.find((rows, None))[0], steps
        else:
            new_rows, new_steps = function.sizes.find((rows, steps))
        if (new_rows, new_steps) == (rows, steps):
            return function(*arrays)
        filled = padding.fill(arrays, slots, new_rows, new_steps)
        if masked or new_steps != steps:
            lengths = arrays[-1].sum(axis=1) if masked else [steps] * rows
            filled.append(padding.mask_of(lengths, new_rows, new_steps))
            function = self._output_function(names, slots, [], self._context(masked=True))
        return padding.cut(function(*filled), rows, steps if new_steps != steps else None)

    def _notice_nan(self, results):
        """Warn, once only, if outputs are NaN although the inputs are finite."""
        if self._nan_noticed:
            return
        for result in results:
            for piece in result if isinstance(result, list) else (result,):
                if not data.is_finite(piece) and np.isnan(data.numbers_of(piece)).any():
                    self._nan_noticed = True
                    util.warn(
                        f"this {type(self).__name__} puts out values that are not a number, for inputs that are finite"
                        f"{self._blame()}; this warning comes once",
                        RuntimeWarning,
                    )
                    return

    def _blame(self):
        values = [variable for variable in [*self.params, *self.statistics] if variable.dtype.startswith("float")]
        broken = [variable.name for variable in values if not data.is_finite(variable.get_value(borrow=True))]
        return f", as its parameters {', '.join(broken)} are not finite" if broken else ""

    @staticmethod
    def _get_output(outputs, name):
        if name not in outputs:
            raise util.UnknownNameError(f"there is no output {name!r} (outputs: {', '.join(outputs)})")
        return outputs[name]

    # -- outputs ------------------------------------------------------------------------------------------------------

    def feed_forward(self, x: Any, batch_size: int | None = None, check: bool = True, **kwargs: Any) -> dict[str, Any]:
        """Compute every output of every layer.

        Parameters
        ----------
        x : array-like (num-examples, num-variables)
            Data for the input; with several inputs, a list of arrays in their order, or a dict by their names.
        batch_size : int, optional
            Compute for so many examples at a time. Default: for all at once.
        check : bool, optional
            Refuse data that are infinite or not a number, and warn if the network puts out such values. With False
            they go through. Default True.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`. Without any, there is no noise and no dropout.

        Returns
        -------
        outputs : dict
            Arrays by full output name, such as ``hid1:out``.

        Raises
        ------
        DataError
            For data that do not fit, or are not finite.
        """
        self._require_layers()
        regs = self._regularizers(kwargs, "feed_forward()")
        names = self._output_names(regs)
        return OrderedDict(zip(names, self._evaluate(names, x, regs, batch_size, check=check)))

    def _output_names(self, regs):
        """Return the full names of all outputs."""
        return self._known(("names",), regs, lambda outputs, updates: list(outputs))

    def _is_random(self, name, regs):
        """Tell whether an output differs from one evaluation to the next."""

        def find(outputs, updates):
            sources = theano.gof.graph.inputs([self._get_output(outputs, name)])
            # the states of random streams are shared variables with a default update.
            return bool(updates) or any(hasattr(source, "default_update") for source in sources)

        return self._known(("random", name), regs, find)

    def _output(self, name, x, batch_size, kwargs, where, state=None, check=True):
        self._require_layers()
        if state is None and batch_size is None and not kwargs and selection.chosen() is None:
            value = self._evaluate_directly(name, x, check)
            if value is not None:
                return value
        regs = self._regularizers(kwargs, where)
        if state is not None:
            state = self._check_state(state, check)
        result, *final = self._evaluate([name], x, regs, batch_size, state, check)
        return result if state is None else (result, OrderedDict(zip(state, final)))

    def _sample_output(self, name, x, batch_size, kwargs, where, samples, check=True):
        """Compute an output many times with different noise; return the mean and the standard deviation."""
        if not util.is_int(samples) or samples < 1:
            raise util.ConfigurationError(f"samples={samples!r}, expected a positive integer")
        self._require_layers()
        regs = self._regularizers(kwargs, where)
        if not self._is_random(name, regs):
            raise util.ConfigurationError(
                f"samples={samples!r}: nothing is random here, so that all samples would be the same; ask for noise or "
                "dropout, such as hidden_dropout=0.3"
            )
        mean = squares = None
        for count in range(1, samples + 1):
            (value,) = self._evaluate([name], x, regs, batch_size, check=check)
            pieces = [np.asarray(piece, "float64") for piece in (value if isinstance(value, list) else [value])]
            if mean is None:
                mean, squares = pieces, [np.zeros_like(piece) for piece in pieces]
                continue
            for i, piece in enumerate(pieces):
                # Welford's formula, which loses no digits where the mean is large.
                change = piece - mean[i]
                mean[i] = mean[i] + change / count
                squares[i] += change * (piece - mean[i])
        results = (
            [piece.astype(util.FLOAT) for piece in mean],
            [np.sqrt(piece / samples).astype(util.FLOAT) for piece in squares],
        )
        return results if isinstance(value, list) else (results[0][0], results[1][0])

    def _read_output(self, output):
        """Convert the output of the last layer to a prediction; subclasses override this."""
        return output

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        state: dict[str, np.ndarray] | None = None,
        samples: int | None = None,
        check: bool = True,
        devices: str | int | Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Compute the output of the last layer.

        Parameters
        ----------
        x : array-like (num-examples, num-variables)
            Data for the input; with several inputs, a list of arrays in their order, or a dict by their names. Models
            of sequences take arrays (num-examples, num-steps, num-variables), or lists of sequences (num-steps,
            num-variables) of different lengths.
        batch_size : int, optional
            Compute for so many examples at a time. Default: for all at once.
        state : dict, optional
            What recurrent layers start from, as :meth:`initial_state`, :meth:`step` or this method return it.
        samples : int, optional
            Compute the output so many times with other noise and dropout, which tells how sure the network is.
            Default: once.
        check : bool, optional
            Refuse data that are infinite or not a number, after the cast to the type of the network. If the network
            puts out what is not a number for data that are finite, there is a warning, once for each network until it
            is trained again. With False all of this goes through. Default True.
        devices : str, int or list, optional
            The devices among which the examples are divided, see :func:`theanets.set_devices`. Default: what was set
            there. Those of other processes take no part.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`. Without any, there is no noise and no dropout.

        Returns
        -------
        y : ndarray (num-examples, num-outputs), or (num-examples, num-steps, num-outputs)
            For a list of sequences, a list of arrays (num-steps, num-outputs).
        state : dict
            The state that recurrent layers end with, only if one was given.
        mean, std : ndarray
            In the place of y, if ``samples`` is given: the mean of the samples, and their standard deviation, each of
            the shape of y. For a classifier, those of the probabilities of the classes.

        Raises
        ------
        DataError
            For data that do not fit, or are not finite.
        ConfigurationError
            For samples without anything random, or with a state.

        Notes
        -----
        Y Gal, Z Ghahramani, "Dropout as a Bayesian Approximation: Representing Model Uncertainty in Deep Learning",
        ICML 2016, https://arxiv.org/abs/1506.02142

        Examples
        --------
        >>> import theanets
        >>> net = theanets.Regressor([4, 30, 1])
        >>> mean, std = net.predict(np.ones((5, 4)), samples=50, hidden_dropout=0.3)
        >>> mean.shape, std.shape, bool((std > 0).all())
        ((5, 1), (5, 1), True)
        """
        if devices is not None:
            modes.plan(devices, "predict()")
            with selection.asked(devices, "predict()"):
                return Evaluation.predict(self, x, batch_size, state, samples, check, **kwargs)
        self._require_layers()
        if samples is not None:
            if state is not None:
                raise util.ConfigurationError("predict(): give either samples or a state")
            return self._sample_output(self.layers[-1].output_name, x, batch_size, kwargs, "predict()", samples, check)
        result = self._output(self.layers[-1].output_name, x, batch_size, kwargs, "predict()", state, check)
        if state is not None:
            return map_sequences(self._read_output, result[0]), result[1]
        return map_sequences(self._read_output, result)

    def score(
        self, x: Any, y: Any, w: Any = None, batch_size: int | None = None, check: bool = True, **kwargs: Any
    ) -> float:
        r"""Compute the coefficient of determination of the predictions.

        .. math:: R^2 = 1 - \frac{\sum_i w_i (y_i - \hat y_i)^2}{\sum_i w_i (y_i - \bar y)^2}

        The sums are over all elements, and :math:`\bar y` is the mean of all elements of y: one number.

        Parameters
        ----------
        x : array-like (num-examples, num-variables)
            Data for the input, see :meth:`predict`.
        y : array-like (num-examples, num-outputs)
            What should be predicted.
        w : array-like (num-examples, num-outputs) or (num-examples, ), optional
            Weights, none of them negative. Default: 1 for all.
        batch_size : int, optional
            Compute for so many examples at a time. Default: for all at once.
        check : bool, optional
            Refuse data that are infinite or not a number, see :meth:`predict`. Default True.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`.

        Returns
        -------
        score : float
            1 for perfect predictions, 0 for those no better than the mean. If all that counts of y is one number, be it
            repeated or single, there is nothing to explain: 1 for perfect predictions, 0 for others, as in
            scikit-learn.

        Raises
        ------
        DataError
            For data that do not fit, are not finite, or hold nothing; and for weights that are negative or all zero.
        """
        predicted = self.predict(x, batch_size=batch_size, **unless(check), **kwargs)
        if self.losses:
            predicted = map_sequences(self.losses[0].estimate, predicted)
        target, weights = align_targets(predicted, y, w, check)
        predicted = join_sequences(predicted)
        residual = (weights * (target - predicted) ** 2).sum()
        counted = target if w is None else target[weights > 0]
        total = (weights * (target - target.mean()) ** 2).sum()
        if counted.min() == counted.max() or total == 0:
            return residual if np.isnan(residual) else np.float64(residual == 0)
        return 1 - residual / total

    # -- states that are carried on in training -----------------------------------------------------------------------

    def _carried_variables(self):
        """Return the shared variables that hold states in training, by name."""
        if self._carried is None:
            self._carried = OrderedDict(
                (name, theano.shared(value[:0], name=name)) for name, value in self.initial_state(1).items()
            )
        return self._carried

    def _carried_length(self):
        """Return the number of sequences that are followed in training; None if there never were any."""
        if self._carried is None:
            return None
        return len(next(iter(self._carried.values())).get_value(borrow=True))

    def reset_state(self, n: int | None = None) -> None:
        """Let recurrent layers start afresh, in training that carries their states on from batch to batch.

        Parameters
        ----------
        n : int, optional
            Number of sequences that are going to be followed. Default: as many as there are in the next batch.
        """
        for name, value in self.initial_state(n or 1).items():
            self._carried_variables()[name].set_value(value if n else value[:0])

    # -- one step at a time -------------------------------------------------------------------------------------------

    def initial_state(self, n: int = 1) -> dict[str, np.ndarray]:
        """Return the state of the recurrent layers before the first step.

        Parameters
        ----------
        n : int, optional
            Number of sequences that are going to be followed at the same time. Default 1.

        Returns
        -------
        state : dict
            Arrays whose first axis has the length n, by name.

        Raises
        ------
        ConfigurationError
            If there is no recurrent layer, or if one of them runs backwards.

        See Also
        --------
        step : Advance by one step.
        """
        if not util.is_int(n) or n < 1:
            raise util.ConfigurationError(f"initial_state({n!r}): expected a positive number of sequences")
        state = OrderedDict()
        for layer in self.layers:
            if hasattr(layer, "carried_states"):
                state.update(layer.carried_states(int(n)))
        if not state:
            raise util.ConfigurationError(f"this {type(self).__name__} has no recurrent layer that could carry a state")
        return state

    def _check_state(self, state, check=True):
        expected = self.initial_state(1)
        if not hasattr(state, "keys") or sorted(state) != sorted(expected):
            found = sorted(state) if hasattr(state, "keys") else state
            raise util.DataError(f"state: expected a dict with {', '.join(expected)}, found {found!r}")
        checked, count = OrderedDict(), None
        for name, example in expected.items():
            value = np.require(np.asarray(state[name]), example.dtype, "A")
            count = len(value) if count is None and value.ndim else count
            if value.shape != (count, *example.shape[1:]):
                raise util.DataError(
                    f"state: array {name!r} has the shape {value.shape}, expected {(count, *example.shape[1:])}"
                )
            if check and not data.is_finite(value):
                raise util.DataError(
                    f"state: array {name!r} holds values that are infinite or not a number, expected finite numbers"
                )
            checked[name] = value
        return checked

    def step(self, x: Any, state: dict[str, np.ndarray], check: bool = True) -> tuple[Any, dict[str, np.ndarray]]:
        """Predict for the next step of some sequences.

        Parameters
        ----------
        x : array-like (num-sequences, num-variables)
            The step; with several inputs, a list of arrays.
        state : dict
            The state that the step before has left; see :meth:`initial_state`.
        check : bool, optional
            Refuse data and states that are infinite or not a number, see :meth:`predict`. Default True.

        Returns
        -------
        y : ndarray (num-sequences, num-outputs)
            What :meth:`predict` would give for this step of the whole sequences.
        state : dict
            The state after this step.

        Examples
        --------
        >>> import theanets
        >>> net = theanets.recurrent.Regressor([2, (3, "gru"), 1])
        >>> x = np.random.RandomState(0).randn(1, 5, 2)
        >>> state, outputs = net.initial_state(1), []
        >>> for t in range(5):
        ...     y, state = net.step(x[:, t], state)
        ...     outputs.append(y)
        >>> bool(np.allclose(np.stack(outputs, axis=1), net.predict(x), atol=1e-6))
        True
        """
        output, state = self._step(x, state, check)
        return self._read_output(output), state

    def _step(self, x, state, check=True):
        """Compute the output of the last layer for one step."""
        self._require_layers()
        for layer in self.layers:
            if layer.stepwise is False:
                raise util.ConfigurationError(
                    f"step(): layer {layer.name!r} ({type(layer).__name__.lower()}) needs more than one step at a time"
                )
        state = self._check_state(state, check)
        slots = self._input_slots(carried=True)
        arrays, _ = data.cast_sequences(x, [slot.of_step() for slot in slots], check)
        count = len(next(iter(state.values())))
        if len(arrays[0]) != count:
            raise util.DataError(f"step(): x holds {len(arrays[0])} sequences, but the state is of {count}")
        arrays = [array[:, None] if slot.is_sequence else array for array, slot in zip(arrays, slots)]
        context = self._context(state=state, single_step=True)
        function = self._output_function([self.layers[-1].output_name], slots, [], context, state)
        output, *final = function(*arrays, *state.values())
        if check:
            self._notice_nan([output])
        return output[:, 0], OrderedDict(zip(state, final))
