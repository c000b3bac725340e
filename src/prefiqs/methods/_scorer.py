"""What every method is once it is made ready: its masks chosen, its networks compiled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Scorer = Callable[[np.ndarray], np.ndarray]
"""From any number n of aligned faces, uint8 n×112×112×3, RGB, to float32 n, higher = better; can be asked again."""
