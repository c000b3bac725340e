"""FR networks that come as a finished graph: any ONNX or TFLite file, run by OpenVINO on the CPU.

They have no PyTorch weights, so they verify and embed but cannot be pruned or differentiated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops
from torch import Tensor

from prefiqs.core.errors import InputError
from prefiqs.models.face_model import FACE_SIZE, FaceModel, InputSpec


class GraphModel(FaceModel):
    """An FR network as an OpenVINO graph with a free batch axis; `graph` takes float32 n×3×112×112, gives n×d."""

    def __init__(self, name: str, input_spec: InputSpec, path: Path):
        try:
            graph = ov.Core().read_model(path)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(
                f"Expected an ONNX or TFLite network in {path}, got a file OpenVINO cannot read ({reason})."
            ) from error
        graph = _free_batch(_channels_first(graph, path))
        super().__init__(name, input_spec, int(graph.output(0).get_partial_shape()[1].get_length()))
        self.graph = graph
        self._compiled = None
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to raw embeddings n×d."""
        if self._compiled is None:
            self._compiled = ov.Core().compile_model(self.graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return torch.from_numpy(self._compiled(np.ascontiguousarray(prepared.numpy()))[0].copy())


def _channels_first(graph: ov.Model, path: Path) -> ov.Model:
    """Give an NHWC graph (TFLite's order) an NCHW input; refuse what does not take 112×112 colour faces."""
    shape = [d.get_length() if d.is_static else -1 for d in graph.input(0).get_partial_shape()]
    if len(graph.inputs) == 1 and shape[1:] == [3, FACE_SIZE, FACE_SIZE]:
        return graph
    if len(graph.inputs) == 1 and shape[1:] == [FACE_SIZE, FACE_SIZE, 3]:
        old = graph.get_parameters()[0]
        new = ops.parameter([shape[0], 3, FACE_SIZE, FACE_SIZE], np.float32, "faces")
        for target in old.output(0).get_target_inputs():
            target.replace_source_output(ops.transpose(new, [0, 2, 3, 1]).output(0))
        return ov.Model([r.input_value(0) for r in graph.get_results()], [new], graph.get_friendly_name())
    raise InputError(
        f"Expected a network with one input of {FACE_SIZE}×{FACE_SIZE} colour faces in {path}, got {shape}."
    )


def _free_batch(graph: ov.Model) -> ov.Model:
    """Let a graph that was exported for a fixed number of faces take any number.

    The exporters wrote the batch into the target of the last reshape (`[1, -1]`, `[2, 192]`); it becomes `[-1, d]`.
    """
    for node in graph.get_ops():
        if node.get_type_name() == "Reshape" and len(node.get_output_shape(0)) == 2:
            target = ops.constant(np.array([-1, node.get_output_shape(0)[1]], np.int64))
            node.input(1).replace_source_output(target.output(0))
    graph.validate_nodes_and_infer_types()
    graph.reshape([-1, 3, FACE_SIZE, FACE_SIZE])
    return graph
