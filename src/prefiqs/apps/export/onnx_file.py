"""The ONNX file of a quality measure, for runtimes that know nothing of this package."""

import copy
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import torch

from prefiqs import __version__
from prefiqs.apps.export.graph import QualityGraph
from prefiqs.apps.export.sharing import share_weights
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.atomic import write_bytes
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import as_model
from prefiqs.models.zoo import MODELS
from prefiqs.pruning.prune import apply_mask, select_mask
from prefiqs.pruning.spec import PruningSpec

OPSET = 18
OUTPUTS = ("score", "drift", "embedding")
LARGEST = 2**31 - 2**20  # bytes of weights in one file: protobuf takes 2 GiB, and a little is not weights


def export_onnx(model: FaceModel | str, spec: PruningSpec, path: str | Path) -> dict[str, str]:
    """Write PreFIQs on a network as one ONNX graph, preprocessing included; returns the metadata that it carries.

    Input `images`: uint8 n×112×112×3, RGB, any n. Outputs: `score` float32 n in [0, 1], higher = better; `drift`
    float32 n in [0, 2]; `embedding` float32 n×d of the original network, L2-normalised. Faces are aligned before.

    Args:
        model: a FaceModel with weights of its own, or the name of one.
        spec: how its copy is pruned.
        path: of the file, which ends in .onnx and appears when it is complete.

    Raises:
        InputError: another ending, a network without weights, or one too large for a single file.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"The exported file must end in .onnx, not {path}.")
    model = copy.deepcopy(as_model(model, "cpu")).cpu()
    pruned = apply_mask(model, select_mask(model, spec))
    graph = QualityGraph(model, pruned).eval()
    size = sum(value.nbytes for value in graph.state_dict().values())
    if size > LARGEST:
        raise InputError(f"{path} would have {size / 1e9:.1f} GB of weights, but an ONNX file holds at most "
                         f"{LARGEST / 1e9:.1f} GB. Export a smaller network.")  # fmt: skip
    properties = _properties(model, pruned, spec)
    content = onnx.load_from_string(_traced(graph))
    share_weights(content)
    onnx.helper.set_model_props(content, properties)
    content.producer_name, content.producer_version = "prefiqs", __version__
    onnx.checker.check_model(content)
    write_bytes(content.SerializeToString(), path)
    return properties


def _traced(graph: QualityGraph) -> bytes:
    """The graph by the exporter that traces: the newer one takes five times as long and two packages more.

    Nothing is folded in advance, neither a batch norm nor a mask: then the weights would no longer be shared. Runtimes
    do it when they load the file.
    """
    faces = np.random.default_rng(0).integers(0, 256, (2, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    file = BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph, (torch.from_numpy(faces),), file, dynamo=False, opset_version=OPSET, input_names=["images"],  # type: ignore[arg-type]
            output_names=list(OUTPUTS), dynamic_axes={name: {0: "n"} for name in ("images", *OUTPUTS)},
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        )  # fmt: skip
    return file.getvalue()


def _properties(model: FaceModel, pruned: FaceModel, spec: PruningSpec) -> dict[str, str]:
    card = MODELS.get(model.name)
    return {
        "method": "prefiqs",
        "model": model.name,
        "ratio": f"{spec.ratio:g}",
        "granularity": spec.granularity,
        "criterion": spec.criterion,
        "seed": str(spec.seed),
        "sparsity": f"{pruned.sparsity:.6f}",
        "version": __version__,
        "weights_licence": card.licence if card else "unknown",
        "weights_source": card.source if card else "unknown",
        "direction": "higher score = better face; accept if score >= threshold",
        "input": f"images: uint8 n×{FACE_SIZE}×{FACE_SIZE}×3, RGB, aligned to the ArcFace template",
        "outputs": "score: [0, 1]; drift: [0, 2], score = 1 - drift/2; embedding: L2-normalised",
    }
