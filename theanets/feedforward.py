r"""Models that map one array to another: autoencoders, regressors and classifiers.

=====================  ===================  ==============================
model                  target               loss by default
=====================  ===================  ==============================
:class:`Autoencoder`   the input itself     squared error
:class:`Regressor`     an array of numbers  squared error
:class:`Classifier`    class labels         cross-entropy
=====================  ===================  ==============================

All of them are networks, and are trained and used like them; see :class:`theanets.Network`.
"""

from typing import Any

import numpy as np
import theano

from . import data, graph, layers, losses, util
from .network import alignment, functions
from .trainer import latent

__all__ = ["Autoencoder", "Regressor", "Classifier"]


class Autoencoder(graph.Network):
    r"""A model that learns to reproduce its input.

    It is a map :math:`F_\theta: S \to S` from a space onto itself, which can be split into an encoder
    :math:`f_\alpha: S \to Z` and a decoder :math:`g_\beta: Z \to S`, with :math:`Z = R^{n_z}` for a code of
    :math:`n_z` variables.

    Parameters
    ----------
    layers : iterable of layer specs, optional
        See :mod:`theanets.network.specs`. The last layer must have the size of the first.
    loss : str, dict, :class:`theanets.Loss` or None, optional
        Default ``'mse'``. The target is the input.
    weighted : bool, optional
        If true, the elements of the input have weights, given with the data. Default False.
    rng : int, None or numpy.random.RandomState, optional
        The seed of everything random. Default 13.

    Examples
    --------
    A model with one code layer, one whose decoder is the transpose of its encoder, and one that finds the principal
    components of its data:

    >>> import theanets
    >>> plain = theanets.Autoencoder([10, 20, 10])
    >>> tied = theanets.Autoencoder([10, 20, (10, "tied")])
    >>> pca = theanets.Autoencoder([10, (5, "linear"), (10, "tied")])
    >>> plain.num_params, tied.num_params, pca.num_params
    (430, 230, 65)

    With ``pca.train([inputs], hidden_l1=0.1)`` the last one finds independent components. Codes, and back:

    >>> import numpy as np
    >>> inputs = np.random.RandomState(0).randn(3, 10)
    >>> code = plain.encode(inputs)
    >>> code.shape, plain.decode(code).shape
    ((3, 20), (3, 10))
    """

    def _default_target(self):
        return self.inputs[0]

    def _find_output(self, layer):
        """Return the full name of the output that stands for a layer."""
        self._require_layers()
        if layer is None:
            drawn = latent.gaussian_layers(self.layers)
            layer = drawn[0] if len(drawn) == 1 else len(self.layers) // 2
        if util.is_int(layer):
            if not -len(self.layers) <= layer < len(self.layers):
                raise IndexError(f"layer {layer}: this network has {len(self.layers)} layers")
            layer = self.layers[layer]
        if isinstance(layer, layers.Layer):
            return layer.output_name
        if not isinstance(layer, str):
            raise TypeError(f"layer={layer!r}: expected the name of a layer, its index, or a layer")
        return layer if ":" in layer else f"{layer}:out"

    def encode(
        self,
        x: Any,
        layer: Any = None,
        sample: bool = False,
        batch_size: int | None = None,
        check: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Compute the code for some data.

        Parameters
        ----------
        x : array-like (num-examples, num-variables)
            Data for the input.
        layer : str, int or :class:`theanets.Layer`, optional
            The layer that makes the code, by name, by index or itself; a name such as ``'hid1:pre'`` stands for any
            output. Default: the layer of the form ``gaussian`` if there is one, otherwise the layer in the middle, of
            index ``len(layers) // 2``.
        sample : bool, optional
            If true, draw: from the normal distributions of a ``gaussian`` layer, whose means are the code otherwise;
            of another layer, take the values as probabilities, and draw once for each. Default False.
        batch_size : int, optional
            Compute for so many examples at a time. Default: for all at once.
        check : bool, optional
            Refuse data that are infinite or not a number, see :meth:`predict`. Default True.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`.

        Returns
        -------
        code : ndarray (num-examples, num-units)
            Of the float type; or, when sampling from probabilities, of zeros and ones of the type uint8.

        Raises
        ------
        KeyError, IndexError
            If there is no such layer.
        ValueError
            If values outside [0, 1] should be taken as probabilities.

        See Also
        --------
        decode : Go back from a code to data.
        """
        name = self._find_output(layer)
        drawn = [layer for layer in latent.gaussian_layers(self.layers) if layer.output_name == name]
        if sample and drawn:
            return self._draw_codes(drawn[0], x, batch_size, check, kwargs)
        code = self._output(name, x, batch_size, kwargs, "encode()", check=check)
        return alignment.map_sequences(lambda values: self._sample(values, name), code) if sample else code

    def _sample(self, code, name):
        """Draw from probabilities."""
        if code.size and not (code.min() >= 0 and code.max() <= 1):
            raise ValueError(
                f"sample=True: the values of {name!r} reach from {code.min()} to {code.max()}, "
                "expected probabilities from 0 to 1, as a layer with the activation 'sigmoid' makes them"
            )
        return self._generator().binomial(n=1, p=code.astype("float64")).astype("uint8")

    def _draw_codes(self, layer, x, batch_size, check, kwargs):
        """Draw codes from the distributions of a layer."""
        names = [layer.full_name("mean"), layer.full_name("logvar")]
        regs = self._regularizers(kwargs, "encode()")
        means, spreads = self._evaluate(names, x, regs, batch_size, check=check)

        def draw(mean, logvar):
            noise = self._generator().standard_normal(mean.shape)
            return (mean + np.exp(logvar / 2) * noise).astype(mean.dtype)

        return [draw(*pair) for pair in zip(means, spreads)] if isinstance(means, list) else draw(means, spreads)

    def sample(self, n: int = 1, rng: Any = None, steps: int | None = None, layer: Any = None) -> Any:
        """Generate data: decode codes that are drawn from a standard normal distribution.

        Parameters
        ----------
        n : int, optional
            Number of examples. Default 1.
        rng : int, None or numpy.random.RandomState, optional
            Seed or generator. Default None: the generator of the network, whose draws go on from call to call.
        steps : int, optional
            For models of sequences, their length.
        layer : str, int or :class:`theanets.Layer`, optional
            The layer of the code; see :meth:`encode`.

        Returns
        -------
        x : ndarray (n, num-variables)

        Raises
        ------
        ConfigurationError
            If the layer of the code is not of the form ``gaussian``, so that nothing makes its values normal.

        Examples
        --------
        >>> import theanets
        >>> net = theanets.Autoencoder([6, (2, "gaussian"), 6])
        >>> net.sample(3, rng=0).shape
        (3, 6)
        """
        name = self._find_output(layer)
        found = [each for each in latent.gaussian_layers(self.layers) if each.output_name == name]
        if not found:
            raise util.ConfigurationError(
                f"sample(): the code {name!r} is not of a layer of the form 'gaussian', as in (8, 'gaussian'), so that "
                "it is not known how its values are distributed"
            )
        for what, value in (("n", n), ("steps", steps)):
            if value is not None and (not util.is_int(value) or value < 1):
                raise util.ConfigurationError(f"sample(): {what}={value!r}, expected a positive integer")
        shape = found[0].output_shape
        if None in shape and steps is None:
            raise util.ConfigurationError("sample(): this is a model of sequences; give their length by steps=")
        rng = self._generator() if rng is None else util.random_state(rng)
        shape = (int(n), *(steps if entry is None else entry for entry in shape))
        return self.decode(rng.standard_normal(shape), layer=found[0])

    def _generator(self):
        """Return the generator for sampling; with an int seed, one that is used for nothing else."""
        if self._sampler is None:
            self._sampler = util.random_state(self.rng)
        return self._sampler

    def decode(
        self, z: Any, layer: Any = None, batch_size: int | None = None, check: bool = True, **kwargs: Any
    ) -> Any:
        """Compute the output for a code: the decoder.

        Parameters
        ----------
        z : array-like (num-examples, num-units)
            Values for the output of a layer.
        layer : str, int or :class:`theanets.Layer`, optional
            The layer whose output this is; see :meth:`encode`.
        batch_size : int, optional
            Compute for so many examples at a time. Default: for all at once.
        check : bool, optional
            Refuse codes that are infinite or not a number, see :meth:`predict`. Default True.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`.

        Returns
        -------
        x : ndarray (num-examples, num-variables)

        Raises
        ------
        KeyError, IndexError
            If there is no such layer.
        ConfigurationError
            If the output cannot be computed from the code alone, or does not depend on it.
        """
        name = self._find_output(layer)
        regs = self._regularizers(kwargs, "decode()")
        noise = self._noise(regs, self._context())
        outputs, updates = self._build(regs, self._context())
        source = self._get_output(outputs, name)
        code = self._functions.get(("code", self._graph_key(regs), name), source.type)
        function = self._function(
            ("decode", self._graph_key(regs), name),
            [code],
            lambda: self._substitute(outputs[self.layers[-1].output_name], updates, source, code, name),
            ["decode", self.layers, name],
            noise,
        )
        shape = next((layer.shapes.get(output) for layer, output in self._owners(name)), None)
        slot = data.Slot("z", code, shape)
        # no warning of NumPy's: values that become infinite in the cast are refused below.
        with np.errstate(over="ignore"):
            values = data.cast(z, slot)
        if check:
            data.check_finite(values, slot)
        results = functions.in_batches(function, [values], batch_size)
        if check:
            self._notice_nan(results)
        return results[0]

    def _owners(self, name):
        owner, _, output = name.partition(":")
        return [(layer, output) for layer in self.layers if layer.name == owner]

    def _substitute(self, output, updates, source, code, name):
        """Return the output and the updates, with the code in place of the expression that computes it."""
        result = theano.clone(output, replace={source: code})
        used = theano.gof.graph.inputs([result])
        missing = [variable.name for variable in self.inputs if any(variable is other for other in used)]
        if missing:
            raise util.ConfigurationError(
                f"decode(): the output cannot be computed from {name!r} alone; it also depends on {', '.join(missing)}"
            )
        if not any(code is other for other in used):
            raise util.ConfigurationError(f"decode(): the output does not depend on {name!r}")
        # random streams have default updates, which contain the shapes of the outputs that noise is added to.
        streams = [(variable, getattr(variable, "default_update", None)) for variable in used]
        updates = [*updates, *((variable, update) for variable, update in streams if update is not None)]
        updates = [(variable, theano.clone(update, replace={source: code})) for variable, update in updates]
        return [result], [
            (variable, update)
            for variable, update in updates
            if not any(other is missing for other in theano.gof.graph.inputs([update]) for missing in self.inputs)
        ]

    def score(  # type: ignore[override]  # the target is the input
        self, x: Any, w: Any = None, batch_size: int | None = None, check: bool = True, **kwargs: Any
    ) -> float:
        """Compute the coefficient of determination between output and input.

        Parameters
        ----------
        x : array-like (num-examples, num-variables)
            Data for the input.
        w : array-like (num-examples, num-variables) or (num-examples, ), optional
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
            See :meth:`theanets.Network.score`.
        """
        slots = self._input_slots()
        arrays, lengths = data.cast_sequences(x, slots, check)
        target = arrays[0]
        if lengths is not None:
            arrays = [
                [row[:length] for row, length in zip(array, lengths)] if slot.is_sequence else array
                for array, slot in zip(arrays, slots)
            ]
            target = arrays[0]
        return super().score(arrays, target, w=w, batch_size=batch_size, check=check, **kwargs)


class Regressor(graph.Network):
    r"""A model that learns to predict numbers.

    Parameters
    ----------
    layers : iterable of layer specs, optional
        See :mod:`theanets.network.specs`.
    loss : str, dict, :class:`theanets.Loss` or None, optional
        Default ``'mse'``.
    weighted : bool, optional
        If true, the elements of the target have weights, given with the data. Default False.
    rng : int, None or numpy.random.RandomState, optional
        The seed of everything random. Default 13.

    Notes
    -----
    The data for training are ``[x, y]`` or ``[x, y, weights]``: x of shape (num-examples, num-inputs), y and weights
    of shape (num-examples, num-outputs).

    Examples
    --------
    >>> import numpy as np
    >>> import theanets
    >>> theanets.Regressor([10, 20, 3]).predict(np.zeros((5, 10))).shape
    (5, 3)
    """


class Classifier(graph.Network):
    r"""A model that learns to tell classes apart.

    The outputs of the last layer are the probabilities of the classes.

    Parameters
    ----------
    layers : iterable of layer specs, optional
        See :mod:`theanets.network.specs`. The size of the last layer is the number of classes.
    loss : str, dict, :class:`theanets.Loss` or None, optional
        Default ``'xe'``. With ``'multilabel'`` an example may have several classes at once, or none: the target is an
        array of zeros and ones of shape (num-examples, num-classes), and so is what is predicted.
    weighted : bool, optional
        If true, examples have weights, given with the data. Default False.
    rng : int, None or numpy.random.RandomState, optional
        The seed of everything random. Default 13.

    Notes
    -----
    The data for training are ``[x, y]`` or ``[x, y, weights]``: x of shape (num-examples, num-inputs); y, the labels
    from 0 to (number of classes - 1), and weights of shape (num-examples, ).

    Examples
    --------
    >>> import numpy as np
    >>> import theanets
    >>> theanets.Classifier([10, 20, 3]).predict(np.zeros((5, 10))).shape
    (5,)
    """

    DEFAULT_OUTPUT_ACTIVATION = "softmax"
    DEFAULT_LOSS = "xe"
    OUTPUT_NDIM = 1

    def __init__(self, layers=(), loss="xe", weighted=False, rng=13, **unknown):
        super().__init__(layers, loss=loss, weighted=weighted, rng=rng, **unknown)

    def monitors(self, monitors=None, context=None, **kwargs):
        """Return expressions of the monitors, which are reported during training.

        Those of :meth:`theanets.Network.monitors`, and ``acc``, the fraction of examples whose most probable class is
        the right one, if the first loss tells.
        """
        result = super().monitors(monitors=monitors, context=context, **kwargs)
        if self.losses:
            outputs, _ = self.build_graph(self._training_regularizers(kwargs, "monitors()"), context)
            result.extend(self.losses[0].metrics(outputs))
        return result

    def _output_activation(self):
        return "sigmoid" if self._is_multilabel() else self.DEFAULT_OUTPUT_ACTIVATION

    def _is_multilabel(self):
        """Tell whether an example may have several labels at once."""
        if self.losses:
            return self.losses[0].is_multilabel
        form = (self._default_loss or {}).get("loss")
        form = form.get("form") if isinstance(form, dict) else form
        if isinstance(form, str) and losses.Loss.is_registered(form):
            form = losses.Loss.get_class(form)
        return getattr(form, "is_multilabel", False)

    def _read_output(self, output):
        if self._is_multilabel():
            return np.where(np.isnan(output), -1, output > 0.5).astype("int64")
        labels = output.argmax(axis=-1).astype("int64")
        if data.is_finite(output):
            return labels
        # argmax finds a class even in rows that are "not a number".
        return np.where(np.isnan(output).any(axis=-1), -1, labels)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        state: Any = None,
        samples: int | None = None,
        check: bool = True,
        devices: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Compute the most probable class.

        Parameters
        ----------
        x : array-like (num-examples, num-variables)
            Data for the input, see :meth:`theanets.Network.predict`.
        batch_size : int, optional
            Compute for so many examples at a time. Default: for all at once.
        state : dict, optional
            What recurrent layers start from. If it is given, the state that they end with is returned as well.
        samples : int, optional
            Return the mean and the standard deviation of the probabilities of the classes, each of the shape
            (num-examples, num-classes), under so many samples of noise and dropout; see
            :meth:`theanets.Network.predict`. Default: return labels.
        check : bool, optional
            Refuse data that are infinite or not a number, see :meth:`theanets.Network.predict`. Default True.
        devices : str, int or list, optional
            The devices among which the examples are divided, see :meth:`theanets.Network.predict`.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`.

        Returns
        -------
        labels : ndarray (num-examples, )
            Of the type int64. Where the output of the network is not a number, there is no class: the label is -1.
            With the loss ``multilabel``, an array (num-examples, num-classes) of zeros and ones, which says of each
            class whether its probability is more than one half.
        """
        return super().predict(
            x, batch_size=batch_size, state=state, samples=samples, check=check, devices=devices, **kwargs
        )

    def predict_proba(self, x: Any, batch_size: int | None = None, check: bool = True, **kwargs: Any) -> Any:
        """Compute the probabilities of the classes; for the arguments see :meth:`predict`.

        Returns
        -------
        probabilities : ndarray (num-examples, num-classes)
            The rows sum to 1.
        """
        self._require_layers()
        return self._output(self.layers[-1].output_name, x, batch_size, kwargs, "predict_proba()", check=check)

    def predict_logit(self, x: Any, batch_size: int | None = None, check: bool = True, **kwargs: Any) -> Any:
        """Compute the logits, of which softmax makes the probabilities; for the arguments see :meth:`predict`.

        Returns
        -------
        logits : ndarray (num-examples, num-classes)

        Raises
        ------
        KeyError
            If the last layer has no output ``pre``.
        """
        self._require_layers()
        return self._output(self.layers[-1].full_name("pre"), x, batch_size, kwargs, "predict_logit()", check=check)

    def classify(self, x: Any, **kwargs: Any) -> Any:
        """Compute the most probable class. Deprecated: call :meth:`predict`."""
        util.warn("classify() is deprecated; call predict()", DeprecationWarning)
        return self.predict(x, **kwargs)

    def score(
        self, x: Any, y: Any, w: Any = None, batch_size: int | None = None, check: bool = True, **kwargs: Any
    ) -> float:
        """Compute the fraction of examples whose most probable class is the right one.

        Parameters
        ----------
        x : array-like (num-examples, num-variables)
            Data for the input.
        y : array-like of int (num-examples, )
            The right classes.
        w : array-like (num-examples, ), optional
            Weights, none of them negative. Default: 1 for all. Where each step of a sequence, or each point of an
            image, has a class, weights are of the shape of y, or there is one for each example.
        batch_size : int, optional
            Compute for so many examples at a time. Default: for all at once.
        check : bool, optional
            Refuse data that are infinite or not a number, see :meth:`predict`. Default True.
        **kwargs
            Regularizers, see :func:`theanets.regularizers.from_kwargs`.

        Returns
        -------
        score : float
            An output that is not a number is never right.

        Raises
        ------
        DataError
            For data that do not fit, are not finite, or hold nothing; and for weights that are negative or all zero.
        """
        predicted = self.predict(x, batch_size=batch_size, **alignment.unless(check), **kwargs)
        target, weights = alignment.align_targets(predicted, y, w, check, dtype="int64")
        predicted = alignment.join_sequences(predicted)
        right = (target == predicted) & (predicted >= 0)
        if self._is_multilabel():
            # a label that is wrong makes the example wrong.
            right, weights = right.all(axis=-1), np.broadcast_to(weights, right.shape).mean(axis=-1)
        if w is None:
            return right.mean()
        return (weights * right).sum() / weights.sum()
