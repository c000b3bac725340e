"""PreFIQs: training-free face image quality assessment. Face image quality is what survives pruning.

The names below are loaded when first used, so that evaluating curves never loads PyTorch.
"""

from importlib import import_module

__version__ = "0.1.0"

_ROOM_OF = {
    "PrefiqsError": "prefiqs.core.errors",
    "NoFaceFound": "prefiqs.core.errors",
    "load_model": "prefiqs.models",
    "prune": "prefiqs.api",
    "align": "prefiqs.api",
    "embed": "prefiqs.embedding",
    "drift": "prefiqs.quality.drift",
    "quality_from_drift": "prefiqs.quality.drift",
    "jacobian_drift": "prefiqs.quality",
    "score": "prefiqs.quality",
    "scorer": "prefiqs.quality",
    "exfiqa_scores": "prefiqs.quality",
    "load_benchmark": "prefiqs.datasets",
    "score_dataset": "prefiqs.distributed",
    "embed_dataset": "prefiqs.distributed",
    "verification_accuracy": "prefiqs.evaluation",
    "error_discard_curve": "prefiqs.evaluation",
}

__all__ = ["__version__", *_ROOM_OF]


def __getattr__(name: str):
    if name in _ROOM_OF:
        return getattr(import_module(_ROOM_OF[name]), name)
    raise AttributeError(f"module 'prefiqs' has no attribute {name!r}; it offers {', '.join(_ROOM_OF)}")


def __dir__() -> list[str]:
    return sorted(__all__)
