"""Export to ONNX: the public name of :mod:`theanets.storage.onnx_export`."""

from .storage.onnx_export import *
