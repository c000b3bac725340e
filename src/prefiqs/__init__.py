"""PreFIQs: training-free face image quality assessment. Face image quality is what survives pruning.

The public names below are loaded when first used, so `import prefiqs` is fast, and computing curves does not load
PyTorch.
"""

from importlib import import_module

__version__ = "0.1.0"

_MODULE_OF = {
    "PrefiqsError": "errors",
    "NoFaceFound": "errors",
    "load_model": "models.loading",
    "prune": "pruning.prune",
    "align": "faces.align",
    "embed": "embedding.embedder",
    "drift": "embedding.vectors",
    "quality_from_drift": "embedding.vectors",
    "jacobian_drift": "methods.jacobian",
    "score": "methods.registry",
    "scorer": "methods.registry",
    "photo_scorer": "apps.score.scorer",
    "exfiqa_scores": "methods.ex_fiqa",
    "load_benchmark": "datasets.benchmark",
    "score_dataset": "apps.score.ray",
    "embed_dataset": "apps.score.ray",
    "verification_accuracy": "evaluation.verification",
    "error_discard_curve": "evaluation.edc",
}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str):
    if name in _MODULE_OF:
        return getattr(import_module(f"prefiqs.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'prefiqs' has no attribute {name!r}; it offers {', '.join(_MODULE_OF)}")


def __dir__() -> list[str]:
    return sorted(__all__)
