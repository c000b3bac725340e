"""FR networks: what they share, how they are built, and the registry that loads them."""

from prefiqs.models.face_model import FACE_SIZE, FaceModel, InputSpec, check_faces
from prefiqs.models.graph import GraphModel
from prefiqs.models.zoo import MODELS, as_model, load_model, published_weights, resolve_device

__all__ = [
    "FACE_SIZE", "MODELS", "FaceModel", "GraphModel", "InputSpec", "as_model", "check_faces", "load_model",
    "published_weights", "resolve_device",
]  # fmt: skip
