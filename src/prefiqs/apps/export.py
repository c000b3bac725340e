"""PreFIQs on a network as one ONNX file, for runtimes that know nothing of this package."""

import copy
import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from prefiqs import __version__
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.atomic import write_bytes
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.registry import MODELS
from prefiqs.pruning.mask import prunable_weights
from prefiqs.pruning.prune import apply_mask, select_mask
from prefiqs.pruning.spec import PruningSpec

OPSET = 18
OUTPUTS = ("score", "drift", "embedding")
LARGEST = 2**31 - 2**20  # bytes of weights in one file: protobuf takes 2 GiB, and a little is not weights


class QualityGraph(nn.Module):
    """Aligned faces, uint8 RGB n×112×112×3, to quality and drift, float32 n, and normalised embeddings, n×d.

    Unstructured pruning is stored as a mask over the weights of the network: one byte per weight, not four.
    """

    def __init__(self, model: FaceModel, spec: PruningSpec):
        super().__init__()
        pruned = apply_mask(model, select_mask(model, spec))
        self.model, self.sparsity = model, pruned.sparsity
        self.pruned = pruned if spec.granularity == "structured" else None
        self.zero, self.removed = torch.zeros(()), {}
        if not self.pruned:
            self.removed = {name: weight == 0 for name, weight in prunable_weights(pruned).items()}

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score = 1 − drift/2 in [0, 1], higher = better; drift in [0, 2]; embedding."""
        spec, pixels = self.model.input_spec, images.permute(0, 3, 1, 2).float()
        prepared = ((pixels.flip(1) if spec.colour == "bgr" else pixels) - spec.mean) / spec.std
        if self.pruned:
            moved = self.pruned(prepared)
        else:
            kept = prunable_weights(self.model)
            weights = {name: torch.where(gone, self.zero, kept[name]) for name, gone in self.removed.items()}
            moved = functional_call(self.model, weights, (prepared,))
        embedding = F.normalize(self.model(prepared))
        drift = torch.linalg.vector_norm(embedding - F.normalize(moved), dim=1)
        return 1 - drift / 2, drift, embedding


def export_onnx(model: FaceModel | str, spec: PruningSpec, path: str | Path) -> dict[str, str]:
    """Write PreFIQs with a network to one .onnx file, preprocessing included; returns the metadata in that file.

    Input `images`: uint8 n×112×112×3, RGB, any n, aligned. Outputs: `score` float32 n in [0, 1], higher = better;
    `drift` float32 n in [0, 2]; `embedding` float32 n×d of the original network, L2-normalised.

    Raises `InputError` for another file extension, a network without weights, or one too large for a single file.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"The exported file must end in .onnx, not {path}.")
    graph = QualityGraph(copy.deepcopy(as_model(model, "cpu")).cpu(), spec).eval()
    size = sum(value.nbytes for value in [*graph.state_dict().values(), *graph.removed.values()])
    if size > LARGEST:
        raise InputError(f"{path} would have {size / 1e9:.1f} GB of weights, but an ONNX file contains at most "
                         f"{LARGEST / 1e9:.1f} GB. Export a smaller network.")  # fmt: skip
    card = MODELS.get(graph.model.name)
    properties = {
        "method": "prefiqs", "model": graph.model.name, "ratio": f"{spec.ratio:g}", "granularity": spec.granularity,
        "criterion": spec.criterion, "seed": str(spec.seed), "sparsity": f"{graph.sparsity:.6f}",
        "version": __version__, "weights_licence": card.licence if card else "unknown",
        "weights_source": card.source if card else "unknown",
        "direction": "higher score = better face; accept if score >= threshold",
        "input": f"images: uint8 n×{FACE_SIZE}×{FACE_SIZE}×3, RGB, aligned to the ArcFace template",
        "outputs": "score: [0, 1]; drift: [0, 2], score = 1 - drift/2; embedding: L2-normalised",
    }  # fmt: skip
    content = _exported(graph)
    onnx.helper.set_model_props(content, properties)
    content.producer_name, content.producer_version = "prefiqs", __version__
    onnx.checker.check_model(content)
    write_bytes(content.SerializeToString(), path)
    return properties


def _exported(graph: QualityGraph) -> onnx.ModelProto:
    """Export the graph with PyTorch's exporter, and suppress its messages."""
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError("Exporting needs onnxscript. Run: pip install 'prefiqs[export]'") from error
    faces = torch.zeros(2, FACE_SIZE, FACE_SIZE, 3, dtype=torch.uint8)
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"), torch.no_grad():
            program = torch.onnx.export(
                graph, (faces,), dynamo=True, opset_version=OPSET, verbose=False,
                input_names=["images"], output_names=OUTPUTS, dynamic_shapes=({0: "n"},),
            )  # fmt: skip
    finally:
        log.setLevel(level)
    assert program is not None  # as no file was named
    return program.model_proto
