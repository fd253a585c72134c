"""Export of networks as ONNX models, which many other programs run: https://onnx.ai.

A network's Theano graph is translated Op by Op, as it is before Theano rewrites it: an Op becomes one or several
operators of ONNX. The translations are functions in the modules beside this one, each registered for a class of Ops by
:func:`theanets.storage.onnx_export.builder.translates`, or for a scalar Op in a table of
:mod:`theanets.storage.onnx_export.scalars`. User-defined layers can be exported if there is a translation for each Op
that they use.

This needs the package onnx: ``pip install theanets[onnx]``.
"""

from ... import util
from .builder import OPSET, Builder, Untranslated, owner_of, translates

__all__ = ["OPSET", "export", "translates"]

#: Version of the format of the file.
IR_VERSION = 10


def _load_translations():
    """Register all translations."""
    from . import arrays, loops, neural, scalars

    return arrays, loops, neural, scalars


def export(network, output_names):
    """Translate a network.

    Parameters
    ----------
    network : :class:`theanets.Network`
        The network.
    output_names : list of str
        Full names of the outputs that the model is to have.

    Returns
    -------
    model : onnx.ModelProto

    Raises
    ------
    ImportError
        If onnx is not installed.
    ConfigurationError
        If there is no such output, or if a layer uses something that cannot be translated.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx() needs onnx: pip install onnx") from error
    _load_translations()
    outputs, _ = network.build_graph()
    results = [network._get_output(outputs, name) for name in output_names]
    builder = Builder()
    used = builder.inputs_of(results)
    sources = []
    for layer in network.layers:
        variable = getattr(layer, "input", None)
        if variable is None or not any(variable is other for other in used):
            continue
        if getattr(layer, "sparse", False):
            raise util.ConfigurationError(f"to_onnx(): layer {layer.name!r} is sparse, and ONNX knows only arrays")
        shape = layer.output_shape[:-1] if layer.labels else layer.output_shape
        dims = ["batch", *(f"{layer.name}_axis_{i}" if n is None else n for i, n in enumerate(shape, start=1))]
        if len(dims) != variable.ndim:
            dims = [f"{layer.name}_axis_{i}" for i in range(variable.ndim)]
        sources.append(builder.add_input(variable, layer.name, dims))
    try:
        values = builder.translate(results)
    except Untranslated as error:
        layer = owner_of(error.node, network.layers, outputs)
        raise util.ConfigurationError(f"to_onnx(): layer {layer!r} cannot be exported: {error}") from error
    names = [name.removesuffix(":out").replace(":", "_") for name in output_names]
    taken = {source.name for source in sources}
    names = [f"{name}_out" if name in taken else name for name in names]
    targets = [builder.add_output(value, name, result) for value, name, result in zip(values, names, results)]
    graph = onnx.helper.make_graph(
        builder.nodes, type(network).__name__, sources, targets, initializer=list(builder.initializers.values())
    )
    model = onnx.helper.make_model(
        graph,
        producer_name="theanets",
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model
