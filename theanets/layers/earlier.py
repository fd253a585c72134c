"""Compatibility with layer classes of earlier releases: arguments by position, and inputs used as one expression."""

import inspect

from .. import util
from .context import Outputs, context_of

__all__ = ["LayerType", "OldInputs"]


class LayerType(util.Registrar):
    """Metaclass of layers. It also reads the arguments of constructors in the order that releases up to 0.7 had."""

    #: First arguments of constructors that are never integers, so that a leading integer is the size.
    NO_INTEGERS = ("name", "h_0", "c_0", "rate", "worker", "periods")

    def __call__(cls, *args, **kwargs):
        if args and util.is_int(args[0]) and cls._begins_with_size(kwargs):
            args, kwargs = (), cls._read_old(args, kwargs)
        return super().__call__(*args, **kwargs)

    def _begins_with_size(cls, kwargs):
        """Tell whether a leading integer is the size, rather than an option of the class."""
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        first = next((p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)), "name")
        # some forms can be given the number of their factors in first place, and then have a size as well.
        return first in cls.NO_INTEGERS or first == "factors" and not {"size", "shape"} & set(kwargs)

    def _read_old(cls, args, kwargs):
        """Return the keyword arguments that the positional ones of release 0.7 stand for."""
        names = cls.OLD_ARGUMENTS
        if len(args) > len(names):
            raise TypeError(f"{cls.__name__}() takes {', '.join(names)} by position, found {len(args)} arguments")
        old = dict(zip(names, args))
        twice = [name for name in old if name in kwargs]
        if twice:
            raise util.ConfigurationError(f"{cls.__name__}({args[0]}, ...): {twice[0]!r} is given twice")
        written = ", ".join(f"{name}={getattr(value, 'name', value)!r}" for name, value in old.items())
        util.warn(
            f"{cls.__name__}({', '.join(repr(getattr(value, 'name', value)) for value in args)}): arguments by "
            f"position are deprecated; write {cls.__name__}({written})",
            DeprecationWarning,
        )
        return {**old, **kwargs}


class OldInputs(Outputs):
    """Expressions of outputs by full name, which can also be used as layers of earlier releases use them.

    The only input of a layer is also called ``'out'``, and stands for the whole where an expression is expected. A
    name of a layer stands for its default output.

    Parameters
    ----------
    inputs : dict
        Expressions by full name.
    layer : Layer
        Who reads them.
    """

    def __init__(self, inputs, layer):
        super().__init__(context_of(inputs))
        self.update(inputs)
        self.layer = layer

    def _only(self):
        """Return the expression of the only input."""
        names = self.layer.input_names
        if len(names) != 1:
            raise util.ConfigurationError(
                f"layer {self.layer.name!r} has {len(names)} inputs: in transform(), write inputs[name] for one of "
                f"self.input_names, which are {', '.join(map(repr, names)) or 'none'}"
            )
        util.warn(
            f"layer {self.layer.name!r}: transform() is given a dict of expressions; write inputs[self.input_name]",
            DeprecationWarning,
        )
        return self[names[0]]

    def __getitem__(self, key):
        # other indices are those of an expression.
        return super().__getitem__(key) if isinstance(key, str) else self._only()[key]

    def __missing__(self, key):
        if util.output_name(key) in self:
            return self[util.output_name(key)]
        if key == "out":
            return self._only()
        raise util.UnknownNameError(
            f"layer {self.layer.name!r}: transform() asks for inputs[{key!r}], but there is no such output "
            f"(there are: {', '.join(self)}); its own inputs are self.input_names"
        )

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._only(), name)

    def _as_TensorVariable(self):
        return self._only()


def _forward(operation):
    """Let an operator work on the only input."""
    setattr(OldInputs, operation, lambda self, *others: getattr(self._only(), operation)(*others))


for _operation in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "neg", "abs"):
    _forward(f"__{_operation}__")
