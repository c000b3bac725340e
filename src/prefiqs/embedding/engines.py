"""Engines: the fastest exact way to push prepared faces through a network on the device at hand.

On a GPU that is PyTorch in full float32 (TF32 off); on the CPU it is OpenVINO in float32, several times faster than
eager PyTorch and equal to it to about 1e-6. Reduced precision is not offered: its rounding noise is of the size of the
drift that PreFIQs measures at small pruning ratios.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino as ov
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn

from prefiqs.models import FACE_SIZE, FaceModel, GraphModel

# Prepared faces, float32 b×3×112×112 with the engine's fixed b, to one or more float32 b×… arrays.
Engine = Callable[[torch.Tensor], tuple[np.ndarray, ...]]


def model_engine(model: FaceModel, batch_size: int) -> Engine:
    """The engine of a network on the device where it lies; it gives raw embeddings, (b×d,)."""
    if model.device.type == "cpu":
        example = torch.zeros(2, 3, FACE_SIZE, FACE_SIZE)
        graph = model.graph.clone() if isinstance(model, GraphModel) else openvino_graph(model, example)
        return compile_graph(graph, batch_size)
    return torch_engine(model)


def compile_graph(graph: ov.Model, batch_size: int) -> Engine:
    """Compile an OpenVINO graph for a fixed batch, so that each image meets the same kernels whatever its neighbours."""
    graph.reshape([batch_size, 3, FACE_SIZE, FACE_SIZE])
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(prepared: torch.Tensor) -> tuple[np.ndarray, ...]:
        result = compiled(prepared.numpy())
        return tuple(result[i].copy() for i in range(len(compiled.outputs)))

    return run


def torch_engine(function: Callable) -> Engine:
    """Run a function of prepared faces with PyTorch, without gradients and without TF32."""

    def run(prepared: torch.Tensor) -> tuple[np.ndarray, ...]:
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            result = function(prepared)
        outputs = result if isinstance(result, tuple) else (result,)
        return tuple(output.float().cpu().numpy() for output in outputs)

    return run


def openvino_graph(module: nn.Module, example: torch.Tensor) -> ov.Model:
    """Turn a PyTorch module into an OpenVINO graph by tracing it with an example input.

    This calls the frontend itself: `openvino.convert_model` would do the same, but reports its use over the network.
    Raises `openvino.frontend.OpConversionFailure` for an operation that OpenVINO lacks.
    """
    frontend = FrontEndManager().load_by_framework("pytorch")
    with torch.no_grad():
        traced = torch.jit.trace(module, example, check_trace=False)
    # The graph gets weights of its own: shared ones would dangle once the traced module is gone.
    decoder = TorchScriptPythonDecoder(traced, example_input=example, shared_memory=False)
    return frontend.convert(frontend.load(decoder))
