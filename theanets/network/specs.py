"""Layer specs: the short forms in which the layers of a network are written down.

==============================  =====================================================================
spec                            meaning
==============================  =====================================================================
``20``                          a layer with 20 units
``(6, 7)``                      a layer of this shape
``(20, 'tanh')``                size and activation, in any order
``(20, 'tied')``                size and form of the layer
``'flat'``                      form of the layer
``dict(size=20, name='code')``  any options of the layer; ``form`` names its class
a :class:`theanets.Layer`       this very layer
==============================  =====================================================================
"""

from .. import activations, arguments, layers, util

__all__ = ["read"]


def _is_form(word):
    return layers.Layer.is_registered(word) and word.lower() != "layer"


def _read_sequence(spec, who):
    if not spec:
        raise util.ConfigurationError(f"{who}: an empty spec says nothing; expected a size or a shape")
    if all(map(util.is_int, spec)):
        return None, {"shape": tuple(map(int, spec))}
    form, options = None, {}
    for word in spec:
        # forms of other libraries are refused first: their name says more than an error about the numbers beside it.
        if isinstance(word, str) and word.lower() in arguments.HINTS_FORMS and not activations.is_known(word):
            if not _is_form(word):
                raise _unknown_form(word, who)
    for element in spec:
        if isinstance(element, str) and _is_form(element):
            form = element
        elif isinstance(element, str):
            options["activation"] = element
        elif isinstance(element, type) and issubclass(element, layers.Layer):
            form = element
        elif util.is_int(element):
            if "size" in options:
                raise util.ConfigurationError(f"{who}: spec {spec!r} holds more than one size")
            options["size"] = int(element)
        else:
            raise util.ConfigurationError(
                f"{who}: spec {spec!r} holds {element!r}, expected a size, the name of an activation, "
                "or the form of a layer; write a dict for other options"
            )
    return form, options


def read(spec, who):
    """Read a layer spec that is not a layer itself.

    Parameters
    ----------
    spec : int, str, tuple, list or dict
        The spec.
    who : str
        What the layer is called in messages.

    Returns
    -------
    form : str, type or None
        The form of the layer, if the spec tells.
    options : dict
        The options that the spec holds.

    Raises
    ------
    ConfigurationError
        If the spec cannot be understood.
    """
    if util.is_int(spec):
        return None, {"size": int(spec)}
    if isinstance(spec, str):
        if not _is_form(spec):
            raise _unknown_form(spec, who)
        return spec, {}
    if isinstance(spec, (tuple, list)):
        return _read_sequence(spec, who)
    if isinstance(spec, dict):
        options = dict(spec)
        return options.pop("form", None), options
    raise util.ConfigurationError(
        f"{who}: cannot understand the spec {spec!r}, expected an integer (its size), the form of a layer, "
        "a tuple or a dict of options, or a layer"
    )


def get_class(form, who):
    """Return the class of layers for a form, which may be the class itself."""
    if isinstance(form, type) and issubclass(form, layers.Layer):
        return form
    if not isinstance(form, str) or not layers.Layer.is_registered(form):
        raise _unknown_form(form, who)
    return layers.Layer.get_class(form)


def _unknown_form(form, who):
    known = [
        key
        for key, cls in layers.Layer._registry.items()
        if key not in ("layer", "recurrent", "convolution", "pooling", "overtime") and not cls.is_deprecated
    ]
    hint = arguments.HINTS_FORMS.get(form.lower()) if isinstance(form, str) else None
    if hint is None and isinstance(form, str) and all(map(activations.is_known, form.split("+"))):
        hint = f"an activation goes into the spec of its layer, together with a size: (20, {form!r})"
    error = util.unknown("layer form", form, known, hint)
    return util.UnknownNameError(f"{who}: {error}")


def find_partner(existing, who):
    """Return the layer whose weights a new tied layer shares.

    Going backwards over the layers, each tied layer is skipped together with the layer whose weights it shares.

    Parameters
    ----------
    existing : list of :class:`theanets.Layer`
        The layers before the new one.
    who : str
        What the new layer is called in messages.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    pending = 1
    for layer in reversed(existing):
        pending += 1 if isinstance(layer, layers.Tied) else -1
        if pending == 0:
            if isinstance(layer, layers.Input):
                break
            return layer
    raise util.ConfigurationError(
        f"{who}: there is no layer before it that it could be tied to (layers before it: "
        f"{', '.join(layer.name for layer in existing) or 'none'})"
    )
