"""What a method gives for faces."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Scored:
    """What a method says of n faces."""

    score: np.ndarray  # float32 n, higher = better; the range is the method's own
    drift: np.ndarray | None = None  # float32 n in [0, 2], larger = worse (PreFIQs, eq. 4), of methods that measure it


Scorer = Callable[[np.ndarray], Scored]
"""A method with its masks chosen and its networks compiled: from n ≥ 1 aligned faces, uint8 n×112×112×3, RGB."""
