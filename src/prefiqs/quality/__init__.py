"""Quality methods: aligned faces in, one number a face out, higher = better. One method a file.

`drift` needs no torch; the other names are loaded when first used.
"""

from importlib import import_module

# Not lazily: the module `drift` would take the place of the function as soon as anything imports it.
from prefiqs.quality.drift import drift, quality_from_drift

_MODULE_OF = {
    "CALIBRATE": "registry",
    "METHODS": "registry",
    "PASSES": "registry",
    "exfiqa_scores": "ex_fiqa",
    "exit_gflops": "exit_costs",
    "fuse_exits": "ex_fiqa",
    "jacobian_drift": "jacobian",
    "milliseconds_per_image": "timing",
    "score": "registry",
    "scorer": "registry",
    "shared_embeddings": "shared_prefix",
    "shared_passes": "shared_prefix",
    "token_attention": "attention_maps",
    "vitnt_depths": "vitnt_fiqa",
}

__all__ = ["drift", "quality_from_drift", *_MODULE_OF]


def __getattr__(name: str):
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
