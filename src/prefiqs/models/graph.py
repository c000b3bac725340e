"""FR networks that come as a TFLite graph, and quality networks as any graph, run by OpenVINO on the CPU.

They have no PyTorch weights, so they cannot be pruned or differentiated.
"""

from pathlib import Path

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops
from openvino.preprocess import PrePostProcessor, ResizeAlgorithm
from torch import Tensor

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.models.face_model import FaceModel, InputSpec

GRAPHS = (".onnx", ".pb")  # what a quality network that is not built here may come as, and other networks are kept as


class GraphModel(FaceModel):
    """An FR network as an OpenVINO graph with a free batch axis; `graph` takes float32 n×3×112×112, gives n×d."""

    def __init__(self, name: str, input_spec: InputSpec, path: Path):
        try:
            graph = ov.Core().read_model(path)
        except RuntimeError as error:
            raise InputError(f"OpenVINO cannot read {path} ({_reason(error)}).") from error
        graph = self.adapted(graph, path)
        _free_batch(graph, path)
        shape = graph.output(0).get_partial_shape()
        if not _is_table(shape):
            raise InputError(f"The first output of {path} must be embeddings n×d, but has the shape {shape}.")
        super().__init__(name, input_spec, int(shape[1].get_length()))
        self.graph = graph
        self._compiled: ov.CompiledModel | None = None
        self.eval()

    def adapted(self, graph: ov.Model, path: Path) -> ov.Model:
        """The graph with an input n×3×112×112; `InputError` if it does not take colour faces of this size."""
        shape = [d.get_length() if d.is_static else -1 for d in graph.input(0).get_partial_shape()]
        faces: dict[tuple[int, ...], str] = {  # the latter is TFLite's order
            (3, FACE_SIZE, FACE_SIZE): "NCHW",
            (FACE_SIZE, FACE_SIZE, 3): "NHWC",
        }
        if len(graph.inputs) != 1 or tuple(shape[1:]) not in faces:
            raise InputError(
                f"{path} must take one input of {FACE_SIZE}×{FACE_SIZE} colour faces, but takes the shape {shape}."
            )
        steps = PrePostProcessor(graph)
        steps.input().tensor().set_layout(ov.Layout("NCHW"))
        steps.input().model().set_layout(ov.Layout(faces[tuple(shape[1:])]))
        return steps.build()

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to raw embeddings n×d."""
        if self._compiled is None:
            self._compiled = ov.Core().compile_model(self.graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        request = self._compiled.create_infer_request()  # one of its own, so that threads do not meet
        return torch.from_numpy(request.infer(np.ascontiguousarray(prepared.numpy()))[0])


class QualityGraph(GraphModel):
    """An ONNX network or a frozen TensorFlow graph that gives one number per face, run by OpenVINO on the CPU.

    Faces are resized (bilinearly) to the size that the file asks for. `InputError` for a file that is anything else.
    """

    def __init__(self, name: str, input_spec: InputSpec, path: Path):
        if path.suffix.lower() not in GRAPHS:
            raise InputError(f"A quality network must be a file {' or '.join(GRAPHS)}, not {path}.")
        self.sign = {"higher": 1.0, "lower": -1.0}[str(input_spec.better)]
        super().__init__(name, input_spec, path)
        faces = torch.rand(2, 1, 3, FACE_SIZE, FACE_SIZE, generator=torch.Generator().manual_seed(0))
        try:  # with two numbers of faces, one of which the file was not written for
            alone, together = torch.cat([self(face) for face in faces]), self(faces[:, 0])
        except RuntimeError as error:
            raise InputError(_fixed_batch(path, _reason(error))) from error
        if 2 not in (len(alone), len(together)):
            raise InputError(f"{path} must give one number per face: it is declared as a quality network.")
        if len(alone) != len(together) or not torch.allclose(alone, together, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise InputError(_fixed_batch(path, "the quality of a face depends on the other faces"))

    def adapted(self, graph: ov.Model, path: Path) -> ov.Model:
        """The graph with faces of 112×112 as its input, n×3×112×112, and qualities n×1 as its output."""
        shape = [d.get_length() if d.is_static else -1 for d in graph.input(0).get_partial_shape()]
        layout = next((name for name in ("NCHW", "NHWC") if len(shape) == 4 and shape[name.index("C")] == 3), None)
        if layout is None or len(graph.inputs) + len(graph.outputs) != 2:
            raise InputError(f"{path} must take colour faces alone and give one number per face, but it takes "
                             f"{graph.inputs} and gives {graph.outputs}.")  # fmt: skip
        free = [side == -1 and axis in "HW" for axis, side in zip(layout, shape, strict=True)]
        graph.reshape([FACE_SIZE if any_size else side for any_size, side in zip(free, shape, strict=True)])
        steps = PrePostProcessor(graph)
        steps.input().tensor().set_layout(ov.Layout("NCHW")).set_spatial_static_shape(FACE_SIZE, FACE_SIZE)
        steps.input().preprocess().resize(ResizeAlgorithm.RESIZE_LINEAR)
        steps.input().model().set_layout(ov.Layout(layout))
        column = np.array([-1, 1])
        steps.output().postprocess().custom(
            lambda output: ops.multiply(ops.reshape(output, column, False), np.float32(self.sign)).output(0)
        )
        return steps.build()


def _free_batch(graph: ov.Model, path: Path) -> None:
    """Let a graph that was exported for a fixed number of faces take any number.

    The exporters wrote the batch into the targets of reshapes (`[1, 8, 1, 1]`), or a multiple of it (`[2, 192]`).
    """
    batch = graph.input(0).get_partial_shape()[0]
    for node in graph.get_ops():
        if node.get_type_name() == "Reshape":
            shape = node.get_output_partial_shape(0)
            if _is_table(shape) or (shape.is_static and len(shape) and shape[0] == batch):
                target = ops.constant(np.array([-1, *(side.get_length() for side in list(shape)[1:])], np.int64))
                node.input(1).replace_source_output(target.output(0))
    try:
        graph.validate_nodes_and_infer_types()
        graph.reshape([-1, 3, FACE_SIZE, FACE_SIZE])
    except RuntimeError as error:
        raise InputError(_fixed_batch(path, _reason(error))) from error


def _fixed_batch(path: Path, reason: str) -> str:
    return f"Cannot change the batch size of {path} ({reason}). Export it for any number of faces (dynamic axes)."


def _reason(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]


def _is_table(shape: ov.PartialShape) -> bool:
    """Whether a shape is n×d with a known d."""
    return shape.rank.is_static and len(shape) == 2 and shape[1].is_static
