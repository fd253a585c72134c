"""Keyword arguments: which ones are known, what they used to be called, and what to say about the others.

No keyword is swallowed in silence. One that nobody uses is an error that names the nearest valid ones; a spelling of
an older release still works, with a ``DeprecationWarning`` that names today's; and one that cannot be honoured any
more is answered with what to write instead.
"""

import dataclasses
import functools
import inspect
import math
import re
import types
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np

from . import util

_Method = TypeVar("_Method", bound=Callable)

#: Spellings of older releases for arguments of ``train`` and ``itertrain``.
OLD_TRAINING = {
    "algorithm": "algo",
    "gradient_clip": "max_gradient_elem",
    "max_gradient_clip": "max_gradient_elem",
    "optimize": "algo",
    "train_set": "train",
    "valid_set": "valid",
}

#: Spellings of older releases for regularizers, wherever those are accepted.
OLD_REGULARIZERS = {
    "hid_l1": "hidden_l1",
    "hidden_dropouts": "hidden_dropout",
    "hidden_noises": "hidden_noise",
    "hiddens_l1": "hidden_l1",
    "input_dropouts": "input_dropout",
    "input_noises": "input_noise",
    "l1": "weight_l1",
    "l2": "weight_l2",
    "output_dropouts": "output_dropout",
    "output_noises": "output_noise",
    "weights_l1": "weight_l1",
    "weights_l2": "weight_l2",
}

#: Spellings of older releases for options of layers.
OLD_LAYERS = {"filter_shape": "filter_size"}

#: Today's names for all deprecated ones. A misspelt name is never answered with a deprecated one.
TODAY = {**OLD_TRAINING, **OLD_REGULARIZERS, **OLD_LAYERS}

_NO_MODE = "leave it out: noise and dropout are there only if a call asks for them, as in hidden_dropout=0.2"
_QUIET = "progress=False hides the bar, and verbose=False the log as well"
_TARGETS = "put all arrays into one list, as in train([x, y])"
_VALIDATION = "give them as the second argument: train([x, y], [x_valid, y_valid])"
_HIDDEN = "list the layers, e.g. layers=[10, 20, 20, 3]"
_DECAY = "write schedule='exponential'"
_WEIGHTS = "make the model with weighted=True, and give weights after the targets: train([x, y, weights])"

#: What to write for arguments of ``train`` that other libraries have.
HINTS_TRAINING = {
    "X": _TARGETS,
    "alpha": "write weight_l2= for a penalty, learning_rate= for the size of steps",
    "beta_1": "write beta1= with algo='adamw'; for algo='adam', see beta1_halflife=: 0.9 is a halflife of 7 steps",
    "beta_2": "write beta2= with algo='adamw'; for algo='adam', see beta2_halflife=: 0.99 is a halflife of 69 steps",
    "betas": "write beta1= and beta2= with algo='adamw'; for algo='adam', see beta1_halflife= and beta2_halflife=",
    "clip": "write max_gradient_norm= or max_gradient_elem=",
    "clip_grad": "write max_gradient_norm= or max_gradient_elem=",
    "clipnorm": "write max_gradient_norm=",
    "clipvalue": "write max_gradient_elem=",
    "global_clipnorm": "write max_gradient_total_norm=",
    "criterion": "write Regressor(layers, loss='mae'), or call set_loss('mae')",
    "data": "write train([x, y])",
    "decay": _DECAY,
    "dropout_rate": "write hidden_dropout=",
    "early_stopping": "see patience= and stop_when=",
    "epsilon": "write rms_regularizer=",
    "eta": "write learning_rate=",
    "frozen": "write freeze=",
    "gradient_accumulation_steps": "write accumulate=",
    "inputs": _TARGETS,
    "iterations": "write epochs=",
    "labels": _TARGETS,
    "learning_rate_decay": _DECAY,
    "learning_rate_schedule": "write schedule=",
    "lr": "write learning_rate=",
    "lr_schedule": "write schedule=",
    "max_epoch": "write epochs=",
    "max_epochs": "write epochs=",
    "max_iter": "write epochs=",
    "metrics": "see monitors=; a classifier reports 'acc' by itself, and net.score(x, y) gives R2 or the accuracy",
    "minibatch_size": "write batch_size=",
    "n_epochs": "write epochs=",
    "n_iter": "write epochs=",
    "n_iter_no_change": "write patience=",
    "nb_epoch": "write epochs=",
    "num_epochs": "write epochs=",
    "optimiser": "write algo=, e.g. algo='adam'",
    "optimizer": "write algo=, e.g. algo='adam'",
    "random_state": "write rng=",
    "rho": "see rms_halflife= of algo='rmsprop': 0.95 is a halflife of 14 steps",
    "sample_weight": _WEIGHTS,
    "sample_weights": _WEIGHTS,
    "scheduler": "write schedule=",
    "seed": "write rng=",
    "solver": "write algo=, e.g. algo='adam'",
    "steps_per_epoch": "write train_batches=",
    "targets": _TARGETS,
    "test": _VALIDATION,
    "tol": "write min_improvement=",
    "train_data": "write train=, or give it as the first argument",
    "training": _NO_MODE,
    "valid_data": _VALIDATION,
    "use_ema": "write average_weights=0.999",
    "validation": _VALIDATION,
    "validation_batch_size": "write batch_size=, which is for both, or valid_batches=",
    "validation_data": _VALIDATION,
    "validation_fraction": "write validation_split=",
    "validation_freq": "write validate_every=",
    "validation_set": _VALIDATION,
    "validation_steps": "write valid_batches=",
    "verbosity": _QUIET,
    "warm_start": "leave it out: train() goes on from the parameters that the network has",
    "weights": _WEIGHTS,
    "x": _TARGETS,
    "y": _TARGETS,
}

#: What to write for arguments of model constructors that older releases or other libraries have.
HINTS_NETWORK = {
    "activation": "give each layer its own, e.g. layers=[10, (20, 'tanh'), 10]",
    "bias": "give it in the spec of a layer, e.g. dict(size=20, std_b=0) for biases that start at zero",
    "decode_from": "pass layer= to encode() or decode()",
    "dropout": "write hidden_dropout=0.2 in train()",
    "dtype": "set Theano's floatX, e.g. by THEANO_FLAGS=floatX=float64",
    "hidden": _HIDDEN,
    "hidden_activation": "give each layer its own, e.g. layers=[10, (20, 'tanh'), 10]",
    "hidden_layer_sizes": _HIDDEN,
    "hidden_layers": _HIDDEN,
    "hidden_size": _HIDDEN,
    "hidden_sizes": _HIDDEN,
    "input_dim": _HIDDEN,
    "input_shape": "make it the first of the layers, e.g. layers=[(28, 28, 1), ...]",
    "input_size": _HIDDEN,
    "loss": "write Regressor(layers, loss='mae'), or call set_loss('mae')",
    "n_classes": "make it the size of the last layer, e.g. layers=[10, 20, 3]",
    "n_hidden": _HIDDEN,
    "noise": "write hidden_noise=0.2 in train()",
    "num_classes": "make it the size of the last layer, e.g. layers=[10, 20, 3]",
    "output_activation": "give it in the spec of the last layer, e.g. layers=[10, 20, (3, 'sigmoid')]",
    "output_size": _HIDDEN,
    "random_state": "write rng=",
    "recurrent_error_start": (
        "make the model with weighted=True, and give a weight of 0 to the steps whose errors do not count"
    ),
    "recurrent_form": "give each layer its form, e.g. layers=[10, (20, 'lstm'), 3] in a model of theanets.recurrent",
    "recurrent_layers": "give these layers their form, e.g. layers=[10, (20, 'rnn'), 3]",
    "seed": "write rng=",
    "shuffle": "pass it to train()",
    "sizes": _HIDDEN,
    "sparse_input": "say it in the spec of the first layer, e.g. layers=[dict(size=10, sparse='csr'), 20, 3]",
    "tied_weights": "make the decoding layers 'tied', e.g. layers=[10, 20, (10, 'tied')]",
    "weighted": "write Regressor(layers, weighted=True)",
}

#: What to write for options of layers that other libraries have.
HINTS_LAYERS = {
    "activity_regularizer": "write hidden_l1= in train()",
    "batch_first": "leave it out: data have the shape (examples, time, variables)",
    "bidirectional": "write dict(form='bidirectional', worker='lstm', size=20)",
    "bias": "write std_b=0 for biases that start at zero; there is no layer without them",
    "bias_initializer": "write mean_b= and std_b=",
    "dilation": "there are no dilated filters",
    "dilation_rate": "there are no dilated filters",
    "dropout": "write dropout={'hid1:out': 0.2} in train(), or hidden_dropout=0.2 for all hidden layers",
    "filters": "write size=",
    "hidden_size": "write size=",
    "in_channels": "leave it out: it follows from the layer before",
    "in_features": "leave it out: it follows from the layer before",
    "init": "write mean= and std=, which describe the initial weights",
    "input_dim": "make it the first of the layers, e.g. layers=[10, 20, 3]",
    "input_shape": "make it the first of the layers, e.g. layers=[(28, 28, 1), ...]",
    "kernel": "write filter_size=",
    "kernel_initializer": "write mean= and std=, which describe the initial weights",
    "kernel_regularizer": "write weight_l2= in train()",
    "kernel_shape": "write filter_size=",
    "kernel_size": "write filter_size=",
    "noise": "write noise={'hid1:out': 0.2} in train(), or hidden_noise=0.2 for all hidden layers",
    "nin": "leave it out: it follows from the layer before",
    "nonlinearity": "write activation=",
    "nout": "write size=",
    "num_filters": "write size=",
    "num_layers": "list the layers one by one",
    "num_units": "write size=",
    "out_channels": "write size=",
    "out_features": "write size=",
    "output_dim": "write size=",
    "output_size": "write size=",
    "padding": "write border_mode=, e.g. border_mode='same'",
    "recurrent_dropout": "write hidden_dropout= in train()",
    "return_sequences": "leave it out: recurrent layers put out all steps",
    "rng_seed": "write rng=",
    "seed": "write rng=",
    "strides": "write stride=",
    "subsample": "write stride=",
    "units": "write size=",
    "use_bias": "write std_b=0 for biases that start at zero; there is no layer without them",
    "weight_init": "write mean= and std=, which describe the initial weights",
}

_DROPOUT = (
    "dropout is no layer: write train(..., hidden_dropout=0.5) for all hidden layers, or dropout={'hid1:out': 0.5}"
)
_NOISE = "noise is no layer: write train(..., input_noise=0.1), or noise={'hid1:out': 0.1}"
_DENSE = "write the size alone, or with an activation: 20 or (20, 'relu')"
_CONV1 = "write dict(form='conv1', size=16, filter_size=3)"
_CONV2 = "write dict(form='conv2', size=16, filter_size=3)"
_POOL1 = "write dict(form='pool1', pool_size=2)"
_POOL2 = "write dict(form='pool2', pool_size=2)"
_MEAN = "write dict(form='pool2', pool_size=2, mode='mean')"
_BOTH = "write dict(form='bidirectional', worker='{}', size=20)"

#: What to write for forms of layers that other libraries have.
HINTS_FORMS = {
    "add": "dense layers add up what they read: dict(size=20, inputs=('hid1', 'hid2'))",
    "alphadropout": _DROPOUT,
    "averagepooling2d": _MEAN,
    "avgpool2d": _MEAN,
    "batch_norm": "write 'batchnorm'",
    "batchnorm1d": "write 'batchnorm'",
    "batchnorm2d": "write 'batchnorm'",
    "batchnormalization": "write 'batchnorm'",
    "bigru": _BOTH.format("gru"),
    "bilstm": _BOTH.format("lstm"),
    "birnn": _BOTH.format("rnn"),
    "blstm": _BOTH.format("lstm"),
    "conv": _CONV2,
    "conv1d": _CONV1,
    "conv2d": _CONV2,
    "convolution1d": _CONV1,
    "convolution2d": _CONV2,
    "dense": _DENSE,
    "dropout": _DROPOUT,
    "dropout1d": _DROPOUT,
    "dropout2d": _DROPOUT,
    "fc": _DENSE,
    "fully_connected": _DENSE,
    "gaussiandropout": _DROPOUT,
    "gaussiannoise": _NOISE,
    "layer_norm": "write 'layernorm'",
    "layernormalization": "write 'layernorm'",
    "maxpool": _POOL2,
    "maxpool1d": _POOL1,
    "maxpool2d": _POOL2,
    "maxpooling1d": _POOL1,
    "maxpooling2d": _POOL2,
    "multiply": "write dict(form='prod', inputs=('hid1', 'hid2'))",
    "noise": _NOISE,
    "output": "leave it out: the last layer is the output",
    "pool": _POOL2,
    "simplernn": "write (20, 'rnn')",
    "spatialdropout1d": _DROPOUT,
    "spatialdropout2d": _DROPOUT,
}

#: What to write for arguments of the estimators that those of scikit-learn, or of other libraries, have.
HINTS_ESTIMATORS = {
    "activation": "give each layer its own, e.g. hidden=((100, 'tanh'),)",
    "alpha": "write options={'weight_l2': 1e-4}",
    "class_weight": "write options={'class_weight': 'balanced'}",
    "dropout": "write options={'hidden_dropout': 0.5}",
    "early_stopping": "write validation_fraction=0.1, and patience=",
    "hidden_layer_sizes": "write hidden=",
    "layers": "write hidden=: the sizes of the first and the last layer follow from the data",
    "learning_rate_init": "write learning_rate=",
    "lr": "write learning_rate=",
    "max_iter": "write epochs=",
    "metrics": "write options={'monitors': ...}",
    "n_epochs": "write epochs=",
    "n_iter": "write epochs=",
    "n_iter_no_change": "write patience=",
    "optimizer": "write algo=",
    "rng": "write random_state=",
    "seed": "write random_state=",
    "solver": "write algo=",
    "tol": "write options={'min_improvement': 1e-4}",
    "validation_data": "write validation_fraction=0.1",
    "validation_split": "write validation_fraction=",
    "warm_start": "call partial_fit()",
}

#: What to write for arguments of ``predict`` and the like.
HINTS_EVALUATION = {
    "steps": "leave it out, or write batch_size=",
    "training": _NO_MODE,
}

#: What to write for attributes of networks that other libraries and older releases have.
HINTS_ATTRIBUTES = {
    "build": "leave it out: a network is built by its constructor",
    "compile": "leave it out: the loss is an argument of the constructor, the algorithm one of train()",
    "cost": "write net.loss(), which returns an expression, or net.score(x, y)",
    "cuda": "leave it out: see theanets.set_mode for where a network runs",
    "error": "write net.loss(), which returns an expression, or net.score(x, y)",
    "eval": "leave it out: noise and dropout are there only if a call asks for them",
    "fit": "write net.train([x, y])",
    "fit_generator": "write net.train(generator_function)",
    "fit_transform": "write net.train([x]), and then net.encode(x)",
    "forward": "write net.predict(x), or net.feed_forward(x) for the outputs of all layers",
    "get_biases": "write net.find('hid1', 'b').get_value()",
    "get_layer": "write net.layers[1], or net.find('hid1', 'w') for a parameter",
    "get_params": "write net.params",
    "get_weights": "write net.find('hid1', 'w').get_value(), or [p.get_value() for p in net.params]",
    "hiddens": "write net.layers[1:-1]",
    "inverse_transform": "write net.decode(code)",
    "load_state_dict": "write net = theanets.Network.load(path)",
    "load_weights": "write net = theanets.Network.load(path), or net.copy_params_from(other)",
    "named_parameters": "write [(p.name, p) for p in net.params]",
    "outputs": "write net.feed_forward(x) for the outputs of all layers",
    "parameters": "write net.params",
    "partial_fit": "write net.train([x, y], epochs=1)",
    "predict_classes": "write net.predict(x)",
    "predict_on_batch": "write net.predict(x)",
    "save_model": "write net.save(path)",
    "save_weights": "write net.save(path)",
    "set_weights": "write net.find('hid1', 'w').set_value(values)",
    "state_dict": "write {p.name: p.get_value() for p in net.params}, or net.save(path)",
    "test_on_batch": "write net.score(x, y)",
    "to": "leave it out: see theanets.set_mode for where a network runs",
    "train_on_batch": "write net.itertrain(batches), for batches from a callable or an iterator",
    "transform": "write net.encode(x)",
    "weights": "write net.params, or net.find('hid1', 'w')",
}

#: What to write for attributes of layers that older releases have.
HINTS_LAYER_ATTRIBUTES = {
    "add_param": "write self.add_weights(name, nin, nout) or self.add_bias(name, size)",
    "biases": "write layer.find('b')",
    "get_params": "write layer.params",
    "get_weights": "write layer.find('w').get_value()",
    "log_setup": "leave it out: parameters are counted and logged by themselves",
    "nin": "write self.input_size",
    "nout": "write self.output_size",
    "output": "write net.feed_forward(x)['hid1:out'] for its values",
    "set_weights": "write layer.find('w').set_value(values)",
    "weights": "write layer.find('w')",
}

#: Parts of a network and ways to regularize it. A name that joins one of each is no misspelling of another such name.
PARTS = frozenset(["input", "hidden", "output", "weight", "recurrent", "bias", "kernel", "activity", "layer"])
KINDS = re.compile(r"l\d+|noise|dropout|decay|sparsity|norm|state|penalty|reg|regularizer|regularization|contractive")


def hints_for(place, training=()):
    """Return what to write instead of arguments that are unknown in some place.

    Parameters
    ----------
    place : str
        ``'train'``, ``'network'`` (a constructor of a model) or ``'layer'`` (the spec of one).
    training : iterable of str, optional
        Arguments that ``train`` takes, for a place that is not ``'train'``.

    Returns
    -------
    hints : dict
        What belongs to this place by itself, and, for arguments that belong elsewhere, where that is.

    Examples
    --------
    >>> hints_for("layer")["optimizer"]
    "it belongs to train(): write algo=, e.g. algo='adam'"
    """
    tables = {
        "layer": (HINTS_LAYERS, "it is an option of a layer: "),
        "network": (HINTS_NETWORK, ""),
        "train": (HINTS_TRAINING, "it belongs to train(): "),
    }
    hints = {key: f"write {TODAY[key]}= in train()" if key in TODAY else "pass it to train()" for key in training}
    for other, (table, where) in tables.items():
        if other != place:
            hints.update((key, hint if hint.startswith("leave") else where + hint) for key, hint in table.items())
    return {**hints, **tables[place][0]}


#: Functions that return the names of keywords of ``train``; modules that define such keywords add theirs.
_TRAINING_KEYWORDS: list[Callable[[], set[str]]] = []


def declare_training_keywords(function):
    """Register a function that returns a set of keywords which ``train`` takes; return the function."""
    _TRAINING_KEYWORDS.append(function)
    return function


def training_keywords():
    """Return the set of all keywords that ``train`` takes, old spellings included."""
    return set().union(*(function() for function in _TRAINING_KEYWORDS))


def renamed(kwargs, table):
    """Return a copy of ``kwargs`` in which old spellings are replaced by today's.

    Parameters
    ----------
    kwargs : dict
        Keyword arguments as the user gave them.
    table : dict
        Today's spelling for each old one.

    Raises
    ------
    ConfigurationError
        If both spellings of one argument are given.
    """
    result = {key: value for key, value in kwargs.items() if key not in table}
    for old, new in table.items():
        if old not in kwargs:
            continue
        if new in result:
            raise util.ConfigurationError(f"{old!r} is an old spelling of {new!r}, and both are given")
        util.warn(f"argument {old!r} is deprecated; write {new!r}", DeprecationWarning)
        result[new] = kwargs[old]
    return result


#: How many unknown arguments are listed: looking for what may have been meant takes a millisecond for each.
MOST_UNKNOWN = 100


def refuse(names, known, where, hints=(), is_open=False):
    """Raise an error for arguments that nobody uses.

    Deprecated names are never suggested, nor are options whose numbers differ, such as ``hidden_l1`` for ``hidden_l2``.

    Parameters
    ----------
    names : iterable of str
        Arguments that were given.
    known : iterable of str
        Arguments that are used.
    where : str
        Who is complaining, e.g. ``"train()"``.
    hints : dict, optional
        What to write instead of some unknown arguments.
    is_open : bool, optional
        Whether code of the user's may use arguments without having told us their names. Then only those are an error
        that look like a misspelling of a known one; there is a warning about the others.

    Raises
    ------
    ArgumentError
        If any of the names is not known. All of them are listed at once, on a line each if there are several; of a
        great many, the first ones.

    Examples
    --------
    >>> refuse(["min_improvment"], ["min_improvement", "patience"], "train()")
    Traceback (most recent call last):
        ...
    theanets.util.ArgumentError: train(): unknown argument 'min_improvment'; did you mean 'min_improvement'?
    """
    known = set(known)
    complaints = []
    unknown = [name for name in names if name not in known]
    for place, name in enumerate(unknown):
        if place == MOST_UNKNOWN:
            complaints.append(f"and {len(unknown) - place} more")
            break
        advice = f"; {hints[name]}" if name in hints else _advice(str(name), known)
        if is_open and (name in hints or not advice):
            util.warn(f"{where}: nobody has declared an argument {name!r}, which may be misspelt{advice}")
            continue
        complaints.append(f"unknown argument {name!r}{advice}")
    if len(complaints) > 1:
        count = len(unknown) if len(complaints) > MOST_UNKNOWN else len(complaints)
        raise util.ArgumentError("\n".join([f"{where}: {count} arguments are unknown", *complaints]))
    if complaints:
        raise util.ArgumentError(f"{where}: {complaints[0]}")


def _advice(name, known):
    """Return what may be said about an unknown name, beginning with a semicolon, or an empty string."""
    part, _, kind = name.lower().partition("_")
    is_penalty = KINDS.fullmatch(kind)
    none_such = "; there is no such regularizer: see theanets.regularizers for those there are, and to write one"
    if is_penalty and {part, part.removesuffix("s")} & PARTS:
        return none_such
    # a regularizer goes by the name of its class, too, without an underscore.
    joined = {key.replace("_", "") for key in known if "_" in key}
    candidates = {key for key in known if key not in joined} | {old for old, new in TODAY.items() if new in known}
    found = util.suggestion(name, candidates, TODAY, lambda word, key: _digits(word) in ("", _digits(key)))
    return found or (none_such if is_penalty and util.suggestion(part, PARTS) else "")


def _digits(word):
    return "".join(filter(str.isdigit, word))


def missing_attribute(thing, name, hints):
    """Raise the ``AttributeError`` for an attribute that is not there, from within ``__getattr__``.

    Parameters
    ----------
    thing : object
        What was asked for the attribute.
    name : str
        Name of the attribute.
    hints : dict
        What to write instead of some attributes.
    """
    if name in hints:
        raise AttributeError(
            f"{type(thing).__name__!r} object has no attribute {name!r}; {hints[name]}", name=name, obj=thing
        )
    # once more, for the error itself; a property that fails on its way says why.
    return object.__getattribute__(thing, name)


@dataclasses.dataclass(frozen=True)
class Range:
    """The values that an option may have.

    Parameters
    ----------
    low, high : float, optional
        The limits. Default: every finite number.
    kind : str, optional
        ``'number'``, ``'integer'``, or ``'flag'`` for True and False. Default ``'number'``.
    open_low, open_high : bool, optional
        Whether a limit is itself outside of the range. Default: it is not, unless it is infinite.

    Examples
    --------
    >>> Range(0, 1, open_high=True).check("momentum", 0.9)
    0.9
    >>> Range(0, 1, open_high=True).check("momentum", 1)
    Traceback (most recent call last):
        ...
    theanets.util.ConfigurationError: momentum=1, expected a number of at least 0 and less than 1
    """

    low: float = -math.inf
    high: float = math.inf
    kind: str = "number"
    open_low: bool = False
    open_high: bool = False

    def holds(self, value):
        """Tell whether a value is in the range."""
        if self.kind == "flag":
            return isinstance(value, (bool, np.bool_)) or util.is_int(value) and value in (0, 1)
        if not (util.is_int(value) if self.kind == "integer" else util.is_real(value)):
            return False
        if math.isinf(value) and math.isinf(self.high) and self.open_high or value == -math.inf:
            return False
        above = self.low < value if self.open_low else self.low <= value
        return bool(above and (value < self.high if self.open_high else value <= self.high))

    def words(self):
        """Say what is expected."""
        if self.kind == "flag":
            return "True or False"
        limits = [] if math.isinf(self.low) else [f"{'more than' if self.open_low else 'at least'} {self.low:g}"]
        limits += [] if math.isinf(self.high) else [f"{'less than' if self.open_high else 'at most'} {self.high:g}"]
        noun = "an integer" if self.kind == "integer" else "a number" if limits else "a finite number"
        return noun + (f" of {' and '.join(limits)}" if limits else "")

    def check(self, name, value):
        """Return a value of an option; refuse one that is not in the range.

        Raises
        ------
        ConfigurationError
            The message has the name of the option.
        """
        if not self.holds(value):
            raise util.ConfigurationError(f"{name}={value!r}, expected {self.words()}")
        return value


#: Every finite number, as the weight of a penalty or of a loss, which may be negative.
FINITE = Range(open_high=True)


def implemented_by(name):
    """Decorate a method that only declares what another one does: its signature, with all defaults, and its docstring.

    The other method gets the arguments that were given, and no defaults, so that it can tell what a user has asked for.

    Parameters
    ----------
    name : str
        Name of the method that is called.
    """

    def decorate(method: _Method) -> _Method:
        signature = inspect.signature(method)

        @functools.wraps(method)
        def call(self, *args, **kwargs):
            try:
                signature.bind(self, *args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{method.__name__}(): {error}") from None
            return getattr(self, name)(*args, **kwargs)

        return cast(_Method, call)

    return decorate


def named_parameters(cls, method="__init__"):
    """Return the names of all parameters that a method has, in a class and in its bases."""
    names = set()
    for base in cls.__mro__:
        if method in vars(base) and base is not object:
            names.update(_names_of(vars(base)[method]))
    return names - {"self"}


def _names_of(function):
    """Return the names of parameters that can be given by name."""
    if type(function) is types.FunctionType and not vars(function):
        # what inspect finds too, in a hundredth of the time.
        code = function.__code__
        return code.co_varnames[code.co_posonlyargcount : code.co_argcount + code.co_kwonlyargcount]
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    return [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind in kinds]


def show_call(thing, **settings):
    """Return text like the call that makes an object: its class, and its settings.

    Parameters
    ----------
    thing : object
        What to describe.
    **settings
        What to show of it. Default: the arguments of its constructor that it keeps under their names, as far as they
        are plain values and differ from the defaults.

    Examples
    --------
    >>> import theanets
    >>> show_call(theanets.regularizers.WeightL2(weight=0.1))
    "WeightL2(pattern='*', weight=0.1)"
    """
    shown = settings or {
        parameter.name: vars(thing)[parameter.name]
        for base in type(thing).__mro__
        if "__init__" in vars(base) and base is not object
        for parameter in inspect.signature(vars(base)["__init__"]).parameters.values()
        if _is_telling(vars(thing).get(parameter.name), parameter.default)
    }
    return f"{type(thing).__name__}({', '.join(f'{key}={value!r}' for key, value in shown.items())})"


def _is_telling(value, default):
    return isinstance(value, (str, bool, int, float, list, tuple, dict)) and value != default


def takes_anything(cls, methods, package):
    """Tell whether a class from outside a package overrides methods with ``**kwargs``, which may hold anything."""
    return any(
        parameter.kind is parameter.VAR_KEYWORD
        for base in cls.__mro__
        if base.__module__.partition(".")[0] != package
        for method in methods
        if method in vars(base)
        for parameter in inspect.signature(vars(base)[method]).parameters.values()
    )
