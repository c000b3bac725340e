"""A quality measure as one file for other runtimes."""

from prefiqs.export.onnx_file import export_onnx

__all__ = ["export_onnx"]
