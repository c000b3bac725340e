"""FR networks: what they share, how they are built, the registry, and where their weights come from."""

from prefiqs.models.face_model import FACE_SIZE, FaceModel, InputSpec, check_faces
from prefiqs.models.graph import GraphModel
from prefiqs.models.ir import IR
from prefiqs.models.iresnet import IResNet
from prefiqs.models.loading import as_model, load_model, resolve_device
from prefiqs.models.vit import ViT
from prefiqs.models.vit_fiqa import ViTFiqa
from prefiqs.models.weights import card_of, known_models, published_weights, weights_state
from prefiqs.models.zoo import MODELS, ModelCard

__all__ = [
    "FACE_SIZE", "IR", "MODELS", "FaceModel", "GraphModel", "IResNet", "InputSpec", "ModelCard", "ViT", "ViTFiqa",
    "as_model", "card_of", "check_faces", "known_models", "load_model", "published_weights", "resolve_device",
    "weights_state",
]  # fmt: skip
