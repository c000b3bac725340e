"""From a method's own scores to 0 … 100, as ISO/IEC 29794-5 has them; the order of the images stays.

Two maps. `sigmoid`: 100 / (1 + exp((x₀ − x)/w)), the form in which OFIQ, the reference implementation of that standard,
maps its measures; here x₀ is the median of the set it is fitted on, and w such that quartiles at equal distances from
the median become 25 and 75. `percentile`: the share of the set that is worse, in percent. Both say how a face compares
with that set and nothing about any other: a value is no probability, and no threshold carries over from one method or
set to another. The standard's values are whole numbers; these are not rounded, for that would make ties.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from prefiqs.errors import InputError
from prefiqs.io.atomic import write_text

KINDS = ("sigmoid", "percentile")
FORMAT = "prefiqs-calibration-1"


@dataclass(frozen=True)
class Calibration:
    """A strictly or weakly increasing map of quality to [0, 100].

    Attributes:
        kind: "sigmoid" or "percentile".
        method: whose scores it maps. fitted_on: name of the set; images, people: how many of it were used.
        lower_is_better: whether scores fall with quality; they are negated first.
        scores: for "sigmoid" x₀ and w > 0; for "percentile" ascending scores (after the negation).
        levels: for "percentile" what each of `scores` becomes, ascending in [0, 100]; else empty.
    """

    kind: str
    method: str
    fitted_on: str
    images: int
    people: int
    lower_is_better: bool
    scores: tuple[float, ...]
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "sigmoid":
            sound = len(self.scores) == 2 and self.scores[1] > 0 and not self.levels
        else:
            ascending = all(np.all(np.diff(v) > 1e-300) for v in (self.scores, self.levels))  # else slopes overflow
            within = len(self.scores) == len(self.levels) >= 2 and self.levels[0] >= 0 and self.levels[-1] <= 100
            sound = self.kind == "percentile" and ascending and within
        if not sound or not np.isfinite((*self.scores, *self.levels)).all():
            raise InputError(f"Expected a calibration of kind {' or '.join(KINDS)} with ascending scores, got {self}.")

    def apply(self, scores: ArrayLike) -> np.ndarray:
        """Map scores as the method gives them, to float64 n in [0, 100], higher = better; NaN stays NaN."""
        x = self._signed(np.asarray(scores, np.float64))
        if self.kind == "sigmoid":
            centre, width = self.scores
            with np.errstate(over="ignore"):  # infinitely far is 0 or 100
                return 100 * expit((x - centre) / width)
        return np.interp(x, self.scores, self.levels)

    def inverse(self, levels: ArrayLike) -> np.ndarray:
        """The scores, on the method's own scale, that become `levels` (each inside the range that is reached)."""
        levels = np.asarray(levels, np.float64)
        if self.kind == "sigmoid":
            centre, width = self.scores
            return self._signed(centre + width * logit(levels / 100))
        return self._signed(np.interp(levels, self.levels, self.scores))

    def save(self, path: str | Path) -> None:
        """Write it as JSON, every number exact."""
        write_text(json.dumps({"format": FORMAT} | asdict(self), indent=1, ensure_ascii=False) + "\n", path)

    def _signed(self, values: np.ndarray) -> np.ndarray:
        return -values if self.lower_is_better else values


def fit_mapping(
    scores: ArrayLike, kind: str, method: str, fitted_on: str, people: int, lower_is_better: bool = False
) -> Calibration:
    """Fit a map on the scores of a set, n numbers as the method gives them.

    Raises:
        InputError: another kind, fewer than 10 scores, one that is not finite, or too little spread to map.
    """
    if kind not in KINDS:
        raise InputError(f"Expected a calibration of kind {' or '.join(KINDS)}, got {kind!r}.")
    x = np.asarray(scores, np.float64)
    if x.ndim != 1 or len(x) < 10 or not np.isfinite(x).all():
        raise InputError(f"Expected at least 10 finite scores of {method} to calibrate on, got {x.size} "
                         f"({int((~np.isfinite(x)).sum())} not finite).")  # fmt: skip
    x = -x if lower_is_better else x
    about: dict[str, Any] = dict(
        method=method, fitted_on=fitted_on, images=len(x), people=people, lower_is_better=lower_is_better
    )
    low, centre, high = np.quantile(x, [0.25, 0.5, 0.75])
    if not high > low:
        raise InputError(f"Expected scores of {method} that differ, got {centre:.9g} for half of them and more.")
    if kind == "sigmoid":
        return Calibration(kind, scores=(float(centre), float((high - low) / (2 * np.log(3)))), **about)
    levels = np.arange(101.0)
    points, place = np.unique(np.quantile(x, levels / 100), return_inverse=True)
    mean = np.bincount(place, levels) / np.bincount(place)  # equal scores become the middle of their ranks
    return Calibration(kind, scores=tuple(points.tolist()), levels=tuple(mean.tolist()), **about)


def read_mapping(path: str | Path) -> Calibration:
    """Read what `Calibration.save` wrote; `InputError` for any other file."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"Expected a calibration in {path}, got no such file; make one with `prefiqs evaluate "
                         "--calibrate`.")  # fmt: skip
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise InputError(f"Expected the format {FORMAT}")
        scores, levels = (tuple(map(float, content.pop(name))) for name in ("scores", "levels"))
        return Calibration(**content, scores=scores, levels=levels)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"Expected a calibration to 0 … 100 in {path}, got something else ({error}); make one with "
                         "`prefiqs evaluate --calibrate`.") from error  # fmt: skip


def apply_mapping(scores: ArrayLike, calibration: Calibration | str | Path) -> np.ndarray:
    """Map scores to float64 n in [0, 100], higher = better, by a calibration or its file; NaN stays NaN."""
    if not isinstance(calibration, Calibration):
        calibration = read_mapping(calibration)
    return calibration.apply(scores)


def fitting_half(subjects: np.ndarray, seed: int = 0) -> np.ndarray:
    """Bool n: the images of one half of the people, drawn by `seed`, to fit on; the others are to report on.

    Raises `InputError` for fewer than four people, as the half that is held out needs two to compare.
    """
    people = np.unique(subjects)
    if len(people) < 4:
        raise InputError(f"Expected at least 4 people to hold one half of them out, got {len(people)}.")
    drawn = np.random.default_rng(seed).permutation(people)[: len(people) // 2]
    return np.isin(subjects, drawn)
