"""What people write who have not read this package: the loops that it is held against."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from prefiqs.models.face_model import FaceModel


def eager_loop(model: nn.Module, images: np.ndarray, spec, batch_size: int = 32) -> np.ndarray:
    """Embed in eager PyTorch, NCHW, each batch prepared inside the loop; rows normalised."""
    rows = []
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(images[start : start + batch_size]).permute(0, 3, 1, 2).float().contiguous()
            batch = batch.flip(1) if spec.colour == "bgr" else batch
            rows.append(nn.functional.normalize(model((batch - spec.mean) / spec.std)))
    return torch.cat(rows).numpy()


class OnnxInTorch(nn.Module):
    """MobileFaceNet's published graph, operation by operation in eager PyTorch."""

    def __init__(self, path, model: FaceModel):
        super().__init__()
        graph = onnx.load(path).graph
        self.nodes, self.input = list(graph.node), graph.input[0].name
        self.known = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in graph.initializer}
        self.input_spec = model.input_spec

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to raw embeddings."""
        values = self.known | {self.input: prepared}
        for node in self.nodes:
            given = [values[name] for name in node.input]
            values[node.output[0]] = getattr(self, node.op_type.lower())(given, node)
        return values[self.nodes[-1].output[0]]

    @staticmethod
    def conv(given, node):
        """Padding is the same on both sides in this graph."""
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        x, weight, bias = given
        return nn.functional.conv2d(
            x, weight, bias, options["strides"], options["pads"][:2], options["dilations"], options["group"]
        )

    @staticmethod
    def prelu(given, node):
        """One slope a channel."""
        return nn.functional.prelu(given[0], given[1].flatten())

    @staticmethod
    def add(given, node):
        """The shortcut of a block."""
        return given[0] + given[1]

    @staticmethod
    def reshape(given, node):
        """To one row a face; the graph was exported for a single one."""
        return given[0].flatten(1)


def edc_by_python_tuples(similarity, genuine, quality, fmrs, discard) -> list[list[float]]:
    """FNMR at each FMR and discard fraction as published with CR-FIQA: lists, sorted again at every fraction."""
    pairs = sorted(zip(quality, similarity, genuine, strict=True), key=lambda pair: pair[0])
    curves = [[] for _ in fmrs]
    for fraction in discard:
        left = pairs[int(fraction * len(pairs)) :]
        impostors = sorted((s for _, s, same in left if not same), reverse=True)
        mates = [s for _, s, same in left if same]
        for curve, fmr in zip(curves, fmrs, strict=True):
            threshold = impostors[int(fmr * len(impostors))]
            curve.append(sum(s <= threshold for s in mates) / len(mates))
    return curves


def edc_by_numpy(similarity, genuine, quality, fmrs, discard) -> list[list[float]]:
    """The same with arrays, still sorted again at every fraction."""
    order = np.argsort(quality, kind="stable")
    curves = [[] for _ in fmrs]
    for fraction in discard:
        left = order[int(fraction * len(order)) :]
        s, same = similarity[left], genuine[left]
        impostors, mates = np.sort(s[~same])[::-1], s[same]
        for curve, fmr in zip(curves, fmrs, strict=True):
            curve.append(np.mean(mates <= impostors[int(fmr * len(impostors))]))
    return curves
