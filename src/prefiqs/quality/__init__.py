"""Quality methods: aligned faces in, one number a face out, higher = better. One method a file."""

from prefiqs.quality.drift import drift, quality_from_drift
from prefiqs.quality.jacobian import jacobian_drift
from prefiqs.quality.registry import METHODS, score

__all__ = ["METHODS", "drift", "jacobian_drift", "quality_from_drift", "score"]
