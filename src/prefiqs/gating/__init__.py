"""How to choose a quality below which images are turned away, and a scale of 0 … 100 for it. Never loads torch."""

from prefiqs.gating.calibration import (
    KINDS,
    Calibration,
    apply_calibration,
    fit_calibration,
    fitting_half,
    read_calibration,
)
from prefiqs.gating.gates import gate_table

__all__ = [
    "KINDS", "Calibration", "apply_calibration", "fit_calibration", "fitting_half", "gate_table", "read_calibration",
]  # fmt: skip
