r"""Models that map sequences to sequences, and helpers that make training data for them.

=====================  ===================  ==============================
model                  target               loss by default
=====================  ===================  ==============================
:class:`Autoencoder`   the input itself     squared error
:class:`Regressor`     an array of numbers  squared error
:class:`Classifier`    class labels         cross-entropy
=====================  ===================  ==============================

All data have the shape (examples, time, variables): examples come first and time second. The models differ from those
in :mod:`theanets.feedforward` in the number of dimensions of their arrays; layers for them are in
:mod:`theanets.layers.recurrent`.

:func:`batches` cuts random windows out of long recordings, and :class:`Text` does so with a text.
"""

import collections

import numpy as np

from . import feedforward, util

__all__ = ["batches", "Text", "Autoencoder", "Regressor", "Classifier"]


def _check_count(name, value):
    if not util.is_int(value) or value < 1:
        raise ValueError(f"{name}={value!r}, expected a positive integer")
    return int(value)


def _draw_starts(rng, length, steps, batch_size):
    """Draw where the windows of a batch start; one call for each, so that seeds give the documented windows."""
    return [int(rng.randint(length - steps + 1)) for _ in range(batch_size)]


def batches(arrays, steps=100, batch_size=64, rng=None):
    """Make a callable that cuts random windows out of long recordings.

    Parameters
    ----------
    arrays : list or tuple of array-like (num-steps, ...)
        The recordings, with time on the first axis, and of the same length: inputs; or inputs and targets; or inputs,
        targets and weights. Labels are vectors of integers.
    steps : int, optional
        Length of a window. Default 100.
    batch_size : int, optional
        Number of windows in a batch. Default 64.
    rng : int, None or numpy.random.RandomState, optional
        Where windows start is drawn from this. Default None, for windows that differ from run to run.

    Returns
    -------
    batch : callable
        It takes no arguments, and returns a list with an array (batch_size, steps, ...) for each of the given ones,
        of the same type. Windows start at the same places in all of them. It can be given to
        :meth:`theanets.Network.train`.

    Raises
    ------
    TypeError
        If ``arrays`` is not a list or tuple.
    ValueError
        If arrays differ in length or are shorter than a window, and for numbers that are not positive.

    Examples
    --------
    >>> recording = np.arange(20).reshape(10, 2)
    >>> make = batches([recording, recording[:, 0]], steps=4, batch_size=3, rng=13)
    >>> [array.shape for array in make()]
    [(3, 4, 2), (3, 4)]
    >>> make()[1].tolist()
    [[0, 2, 4, 6], [12, 14, 16, 18], [4, 6, 8, 10]]
    """
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"batches() takes a list or tuple of arrays, not a single {type(arrays).__name__}")
    if not arrays:
        raise ValueError("batches() takes at least one array, found an empty list")
    arrays = [np.asarray(array) for array in arrays]
    steps, batch_size = _check_count("steps", steps), _check_count("batch_size", batch_size)
    for i, array in enumerate(arrays):
        if not array.ndim:
            raise ValueError(f"array {i} is a single number, expected an array with time on its first axis")
        if len(array) != len(arrays[0]):
            raise util.DataError(f"array {i} has {len(array)} time steps, but array 0 has {len(arrays[0])}")
    length = len(arrays[0])
    if length < steps:
        raise util.DataError(f"the arrays have {length} time steps, too few for a window of steps={steps}")
    rng = util.random_state(rng)

    def batch():
        starts = _draw_starts(rng, length, steps, batch_size)
        return [np.stack([array[start : start + steps] for start in starts]) for array in arrays]

    return batch


def _read_alphabet(alpha, unknown):
    """Return the alphabet as a string, having checked it."""
    # sets have no order of their own, and classes should be the same ones in each run.
    characters = sorted(alpha) if isinstance(alpha, (set, frozenset)) else list(alpha)
    for character in characters:
        if not isinstance(character, str) or len(character) != 1:
            raise ValueError(f"alpha holds {character!r}, expected single characters")
    repeated = sorted(character for character, count in collections.Counter(characters).items() if count > 1)
    if repeated:
        raise ValueError(f"alpha holds {', '.join(map(repr, repeated))} more than once")
    if unknown in characters:
        raise ValueError(f"unknown={unknown!r} must not be in the alphabet")
    return "".join(characters)


class Text:
    r"""A text as a sequence of class labels, one for each character.

    Parameters
    ----------
    text : str
        The text.
    alpha : iterable of str, optional
        The characters that have a class of their own, in the order of their classes. Default: those that occur at
        least ``min_count`` times, sorted.
    min_count : int, optional
        See ``alpha``. Default 2.
    unknown : str, optional
        A character that stands for all others. Default ``'\0'``.

    Attributes
    ----------
    alpha : str
        The characters of the classes 1, 2, ...; class 0 is that of ``unknown``, so there are ``1 + len(alpha)``.
    text : str
        The text, with ``unknown`` in place of each character that is not in ``alpha``.
    unknown : str
        As given.

    Raises
    ------
    TypeError
        If the text is not a string.
    ValueError
        If ``unknown`` is not a single character or is in ``alpha``, or if characters are repeated there.

    Examples
    --------
    >>> text = Text("a rose is a rose is a rose.", unknown="_")
    >>> text.alpha, text.text
    (' aeiors', 'a rose is a rose is a rose_')
    >>> text.encode("roses?"), text.decode([7, 4, 6])
    ([6, 5, 7, 3, 7, 0], 'sir')
    """

    def __init__(self, text, alpha=None, min_count=2, unknown="\0"):
        if not isinstance(text, str):
            raise TypeError(f"text is of type {type(text).__name__}, expected a string")
        if not isinstance(unknown, str) or len(unknown) != 1:
            raise ValueError(f"unknown={unknown!r}, expected a single character")
        if alpha is None:
            counts = collections.Counter(text)
            alpha = sorted(char for char, count in counts.items() if count >= min_count and char != unknown)
        self.unknown = unknown
        self.alpha = _read_alphabet(alpha, unknown)
        self._classes = {character: i for i, character in enumerate(self.alpha, start=1)}
        self.text = "".join(character if character in self._classes else unknown for character in text)

    def encode(self, txt):
        """Turn a string into a list of classes.

        Parameters
        ----------
        txt : str
            Any string.

        Returns
        -------
        classes : list of int
            One for each character; 0 for those outside the alphabet.
        """
        return [self._classes.get(character, 0) for character in txt]

    def decode(self, enc):
        """Turn classes into a string.

        Parameters
        ----------
        enc : iterable of int
            Classes.

        Returns
        -------
        txt : str
            One character for each class; ``unknown`` for 0.

        Raises
        ------
        IndexError
            If a number is not that of a class.
        """
        characters = self.unknown + self.alpha
        enc = list(enc)
        for label in enc:
            if not util.is_int(label):
                raise TypeError(f"class {label!r}: expected an integer")
            if not 0 <= label < len(characters):
                raise IndexError(f"class {label}: there are classes from 0 to {len(self.alpha)}")
        return "".join(characters[label] for label in enc)

    def classifier_batches(self, steps, batch_size, rng=None, one_hot=True):
        """Make a callable that cuts random windows out of the text, to train a classifier that predicts characters.

        Parameters
        ----------
        steps : int
            Length of a window.
        batch_size : int
            Number of windows in a batch.
        rng : int, None or numpy.random.RandomState, optional
            Where windows start is drawn from this. Default None, for windows that differ from run to run.
        one_hot : bool, optional
            Whether inputs are vectors with a single 1 in the place of the class, or, if false, the classes
            themselves, as a layer of the form ``embed`` reads them. Default True.

        Returns
        -------
        batch : callable
            It takes no arguments, and returns a list of two arrays: inputs, of shape
            (batch_size, steps, number of classes), or (batch_size, steps) without ``one_hot``; and the class of the
            character that follows each, of shape (batch_size, steps) and type int32.

        Raises
        ------
        ValueError
            If the text is too short for a window and the character after it, and for numbers that are not positive.

        Examples
        --------
        >>> text = Text("a rose is a rose is a rose.", unknown="_")
        >>> inputs, labels = text.classifier_batches(4, 3, rng=13)()
        >>> inputs.shape, labels.shape
        ((3, 4, 8), (3, 4))
        """
        steps, batch_size = _check_count("steps", steps), _check_count("batch_size", batch_size)
        # a window is followed by one more character, the last one to be predicted.
        if len(self.text) < steps + 1:
            raise util.DataError(
                f"the text has {len(self.text)} characters, too few for a window of steps={steps} and the one after it"
            )
        rng = util.random_state(rng)
        classes = np.array(self.encode(self.text), "int32")
        vectors = np.eye(1 + len(self.alpha), dtype=util.FLOAT)

        def batch():
            starts = _draw_starts(rng, len(classes) - 1, steps, batch_size)
            inputs = np.stack([classes[start : start + steps] for start in starts])
            outputs = np.stack([classes[start + 1 : start + 1 + steps] for start in starts])
            return [vectors[inputs] if one_hot else inputs, outputs]

        return batch


class Autoencoder(feedforward.Autoencoder):
    """A model that learns to reproduce sequences.

    Parameters
    ----------
    layers, loss, weighted, rng
        See :class:`theanets.Autoencoder`. The last layer must have the size of the first.

    Notes
    -----
    The data for training are ``[x]`` or ``[x, weights]``, both of shape (num-examples, num-steps, num-variables). A
    code has the shape (num-examples, num-steps, num-units): there is one for each step.

    Examples
    --------
    >>> import theanets
    >>> net = theanets.recurrent.Autoencoder([4, (3, "rnn"), 4])
    >>> code = net.encode(np.zeros((5, 7, 4)))
    >>> code.shape, net.decode(code).shape
    ((5, 7, 3), (5, 7, 4))
    """

    INPUT_NDIM = 3
    OUTPUT_NDIM = 3


class Regressor(feedforward.Regressor):
    """A model that learns to predict numbers for each step of a sequence.

    Parameters
    ----------
    layers, loss, weighted, rng
        See :class:`theanets.Regressor`.

    Notes
    -----
    The data for training are ``[x, y]`` or ``[x, y, weights]``: x of shape (num-examples, num-steps, num-inputs), y
    and weights of shape (num-examples, num-steps, num-outputs).

    Examples
    --------
    >>> import theanets
    >>> net = theanets.recurrent.Regressor([4, (6, "lstm"), 2])
    >>> net.predict(np.zeros((5, 7, 4))).shape
    (5, 7, 2)
    """

    INPUT_NDIM = 3
    OUTPUT_NDIM = 3


class Classifier(feedforward.Classifier):
    """A model that learns to assign a class to each step of a sequence.

    Parameters
    ----------
    layers, loss, weighted, rng
        See :class:`theanets.Classifier`. The size of the last layer is the number of classes.

    Notes
    -----
    The data for training are ``[x, y]`` or ``[x, y, weights]``: x of shape (num-examples, num-steps, num-inputs); y,
    the labels from 0 to (number of classes - 1), and weights of shape (num-examples, num-steps).

    Examples
    --------
    >>> import theanets
    >>> net = theanets.recurrent.Classifier([4, (6, "gru"), 3])
    >>> net.predict(np.zeros((5, 7, 4))).shape, net.predict_proba(np.zeros((5, 7, 4))).shape
    ((5, 7), (5, 7, 3))
    """

    INPUT_NDIM = 3
    OUTPUT_NDIM = 2

    def predict_sequence(self, labels, steps, streams=1, rng=None, temperature=1):
        r"""Continue a sequence of class labels by sampling.

        The model reads the labels so far, one-hot, and a label is drawn from the distribution :math:`p` that it
        predicts after the last of them; then it is appended to the labels.

        Parameters
        ----------
        labels : sequence of int (num-labels, ), or (streams, num-labels)
            The beginning, with at least one label; or one for each stream.
        steps : int
            Number of labels to draw.
        streams : int, optional
            Number of independent continuations. Default 1.
        rng : int, None or numpy.random.RandomState, optional
            The generator that labels are drawn with. Default None, for other labels in each call.
        temperature : float, optional
            Divides the logits: labels are drawn from :math:`p_i^{1/T} / \sum_j p_j^{1/T}`. Below 1 the model plays
            safe, above it dares more. Default 1.

        Yields
        ------
        label : int, or list of int
            The next label; with several streams a list of one for each.

        Raises
        ------
        ValueError
            At the call, for an empty beginning, labels that the input has no unit for, and numbers of streams or
            steps or temperatures that make no sense. Later, if an output of the network is not a number.
        ConfigurationError
            At the call, if the network has several inputs, or more classes than its input has units.

        Notes
        -----
        At least two sequences are computed, so that the first one does not depend, by rounding, on whether there is a
        second one. Draws are by ``rng.multinomial``, for each sequence in turn.

        Examples
        --------
        >>> import theanets
        >>> net = theanets.recurrent.Classifier([4, dict(form="rnn", size=5, activation="tanh"), 4])
        >>> list(net.predict_sequence([0, 1, 2], 5, streams=2, rng=13))
        [[1, 3], [1, 1], [1, 1], [1, 1], [1, 2]]
        """
        num_labels = self._check_sequence_model()
        if not util.is_int(steps) or steps < 0:
            raise ValueError(f"steps={steps!r}, expected a number of labels to draw")
        if not util.is_real(temperature) or not 0 < temperature < np.inf:
            raise ValueError(f"temperature={temperature!r}, expected a positive number")
        history = _read_labels(labels, _check_count("streams", streams), num_labels)
        return self._draw(history, int(steps), int(streams), util.random_state(rng), float(temperature))

    def _check_sequence_model(self):
        """Return the number of labels of the input; refuse networks whose output cannot be their next input."""
        self._require_layers()
        if len(self.inputs) != 1:
            raise util.ConfigurationError(
                f"predict_sequence() needs a network with one input, found {len(self.inputs)} "
                f"({', '.join(variable.name for variable in self.inputs)})"
            )
        source, result = self.layers[0], self.layers[-1]
        if result.output_size > source.output_size:
            raise util.ConfigurationError(
                f"predict_sequence(): layer {result.name!r} has {result.output_size} classes, but the input "
                f"{source.name!r} can show only {source.output_size} of them"
            )
        return source.output_size

    def _draw(self, history, steps, streams, rng, temperature):
        """Generate labels; ``history`` has the shape (num-histories, num-labels)."""
        distributions = self._follow(history)
        drawn = None
        for _ in range(steps):
            rows = distributions.send(drawn)
            drawn = [int(rng.multinomial(1, _sharpen(p, temperature)).argmax()) for p in rows]
            yield drawn[0] if streams == 1 else drawn[:streams]

    def _follow(self, history):
        """Generate the distributions of the next labels; the labels that are drawn have to be sent back.

        The state of the network is carried on, if possible; else it reads the whole history again at each step.
        """
        if not self._can_step():
            while True:
                drawn = yield self.predict_proba(self._show(history))[:, -1]
                history = np.concatenate([history, np.array(drawn)[:, None]], axis=1)
        name, state = self.layers[-1].output_name, self.initial_state(len(history))
        values, state = self._output(name, self._show(history), None, {}, "predict_sequence()", state)
        drawn = yield values[:, -1]
        while True:
            values, state = self._step(self._show(np.array(drawn)), state)
            drawn = yield values

    def _can_step(self):
        """Tell whether one step from a carried state gives the same result as :meth:`predict_proba`."""
        if type(self).predict_proba is not Classifier.predict_proba:
            return False
        # other layers, such as convolutions, read more of the sequence than the present step.
        if not all(layer.stepwise for layer in self.layers):
            return False
        try:
            self.initial_state(1)
        except util.ConfigurationError:
            return False
        return True

    def _show(self, labels):
        """Return labels as the input takes them: one-hot, or as integers for an input of labels."""
        source = self.layers[0]
        return labels if source.labels else np.eye(source.output_size, dtype=util.FLOAT)[labels]


def _read_labels(labels, streams, num_labels):
    """Return the beginnings of at least two histories, an array of shape (num-histories, num-labels)."""
    values = np.asarray(labels)
    if values.ndim not in (1, 2) or not values.size:
        raise ValueError(f"labels={labels!r}, expected a sequence of at least one label, or one for each stream")
    if values.dtype.kind not in "iu":
        raise ValueError(f"labels are of type {values.dtype}, expected integers")
    if values.min() < 0 or values.max() >= num_labels:
        outside = values.min() if values.min() < 0 else values.max()
        raise ValueError(f"label {outside}: expected labels from 0 to {num_labels - 1}")
    if values.ndim == 2 and len(values) != streams:
        raise ValueError(f"labels have {len(values)} rows, expected one for each of streams={streams}")
    rows = values if values.ndim == 2 and len(values) > 1 else values.reshape(1, -1)
    return np.broadcast_to(rows, (max(2, streams), rows.shape[1])).astype("int64")


def _sharpen(distribution, temperature):
    """Return the distribution at another temperature, in double precision.

    The sum of a distribution in single precision may exceed 1 by more than ``multinomial`` tolerates.
    """
    p = np.asarray(distribution, "float64")
    if np.isnan(p).any():
        raise ValueError("the network puts out values that are not a number, so that no label can be drawn")
    if temperature != 1:
        with np.errstate(divide="ignore"):
            logits = np.log(p / p.max()) / temperature
        p = np.exp(logits)
    return p / p.sum()
