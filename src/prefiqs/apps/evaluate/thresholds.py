"""Which quality to ask for: gates at percentiles of each method's scores, or on a scale of 0 … 100."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.apps.evaluate.material import EvaluationInputs
from prefiqs.errors import InputError
from prefiqs.evaluation.operating_points import operating_points
from prefiqs.evaluation.pairs import cosine_similarity
from prefiqs.evaluation.score_mapping import Calibration, fit_mapping, fitting_half

PERCENTILES = (0, 1, 2, 5, 10, 20, 30, 50)
LEVELS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)


def gates_at_percentiles(
    material: EvaluationInputs, fmrs: tuple[float, ...], threshold: str, rule: str
) -> pd.DataFrame:
    """One row a method, percentile of its scores and FMR: columns of `operating_points` after method and percentile.

    The gate is on the method's own scale; where lower is better, images above it are turned away.
    """
    similarity = cosine_similarity(material.embeddings, material.pairs)
    parts = []
    for method, scores in material.scores.items():
        gates = np.quantile(scores, np.array(PERCENTILES) / 100)
        table = operating_points(scores, similarity, material.pairs, material.genuine, gates, fmrs, threshold, rule)
        table.insert(0, "percentile", np.repeat(PERCENTILES, len(fmrs)))
        table["gate"] *= _sign(material, method)
        parts.append(table.assign(method=method))
    return _method_first(parts)


def calibrated_gates(
    material: EvaluationInputs, kind: str, name: str, fmrs: tuple[float, ...], threshold: str, rule: str, seed: int
) -> tuple[dict[str, Calibration], pd.DataFrame]:
    """Fit a calibration of each method on one half of the people, and judge it on the other half.

    name: of the set, which a calibration carries. seed: of the draw of people.

    Returns the calibrations by method, and one row a method, gate on the scale of 0 … 100, and FMR: the columns of
    `operating_points` on the people held out, with `score` (the gate on its own scale) and `images_below_fitted`,
    the share below the gate in the half fitted on. Where both shares agree, the scale holds for people it has not seen.

    Raises:
        InputError: too few people, or no genuine or impostor pair among those held out.
    """
    fitting = fitting_half(material.subjects, seed)
    held = _without(material, fitting)
    similarity = cosine_similarity(held.embeddings, held.pairs)
    people = len(set(material.subjects[fitting]))
    calibrations, parts = {}, []
    for method, quality in material.scores.items():
        sign = _sign(material, method)
        own = sign * quality[fitting]
        calibration = fit_mapping(own, kind, method, name, people, lower_is_better=sign < 0)
        mapped = calibration.apply(sign * held.scores[method])
        table = operating_points(mapped, similarity, held.pairs, held.genuine, LEVELS, fmrs, threshold, rule)
        score = calibration.inverse(table["gate"])
        table.insert(1, "score", np.where(np.isfinite(score), score, np.nan))  # no score becomes 0 on a sigmoid
        below = [np.mean(calibration.apply(own) < gate) for gate in table["gate"]]
        table.insert(2, "images_below_fitted", below)
        calibrations[method] = calibration
        parts.append(table.assign(method=method))
    return calibrations, _method_first(parts)


def calibration_path(folder: Path, method: str) -> Path:
    """Where the calibration of a method lies in a folder of results."""
    return folder / ("calibration-" + re.sub(r"[^\w.+-]+", "_", method) + ".json")


def _sign(material: EvaluationInputs, method: str) -> int:
    """By which a quality becomes the method's own score."""
    return -1 if method in material.lower_is_better else 1


def _without(material: EvaluationInputs, gone: np.ndarray) -> EvaluationInputs:
    """The pairs of people of whom no image is gone; images keep their rows but those in no pair are dropped."""
    kept = ~gone[material.pairs].any(axis=1)
    rows, pairs = np.unique(material.pairs[kept], return_inverse=True)
    genuine = material.genuine[kept]
    if not 0 < genuine.sum() < len(genuine):
        raise InputError(
            f"Expected genuine and impostor pairs of the half of the people held out, got {int(genuine.sum())} and "
            f"{int((~genuine).sum())}; choose another --seed, or leave --calibrate out."
        )
    return replace(
        material,
        names=[material.names[row] for row in rows],
        embeddings=material.embeddings[rows],
        subjects=material.subjects[rows],
        pairs=pairs.reshape(-1, 2),
        genuine=genuine,
        scores={method: scores[rows] for method, scores in material.scores.items()},
    )


def _method_first(parts: list[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "method", table.pop("method"))
    return table
