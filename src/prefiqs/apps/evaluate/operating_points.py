"""Operating points of a user's methods: at percentiles of their scores, or on a mapped scale of 0 … 100."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.apps.evaluate.inputs import EvaluationInputs
from prefiqs.errors import InputError
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.operating_points import operating_points
from prefiqs.evaluation.score_mapping import ScoreMapping, fit_mapping, fitting_half
from prefiqs.io.atomic import write_text

PERCENTILES = (0, 1, 2, 5, 10, 20, 30, 50)
LEVELS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)


def points_at_percentiles(comparison: Comparison, inputs: EvaluationInputs, protocol: EdcProtocol) -> pd.DataFrame:
    """Return one row a method, percentile of its scores, and FMR: the columns of `operating_points`, and percentile.

    Rejection thresholds are on the method's own scale; where lower is better, images above them are rejected.
    """
    thresholds = {m: np.quantile(scores, np.array(PERCENTILES) / 100) for m, scores in comparison.scores.items()}
    table = operating_points(comparison, thresholds, protocol.fmrs, protocol.rule)
    table = table.drop(columns="verifier").rename(columns={"key": "method"})
    table.insert(1, "percentile", np.tile(np.repeat(PERCENTILES, len(protocol.fmrs)), len(thresholds)))
    table["rejection_threshold"] *= [_sign(inputs, method) for method in table["method"]]
    return table


def mapped_points(
    inputs: EvaluationInputs, kind: str, name: str, protocol: EdcProtocol, seed: int
) -> tuple[dict[str, ScoreMapping], pd.DataFrame]:
    """Fit a mapping of each method on one half of the people, and judge it on the other half.

    name: of the set, which a mapping carries. seed: of the draw of people.

    Returns the mappings by method, and one row a method, rejection threshold on the scale of 0 … 100, and FMR: the
    columns of `operating_points` on the people held out, with `score` (the threshold on the method's own scale) and
    `images_below_fitted`, the share below it in the half fitted on. Where both shares agree, the scale holds for
    people it has not seen.

    Raises InputError for too few people, or no genuine or impostor pair among those held out.
    """
    fitting = fitting_half(inputs.subjects, seed)
    people = len(set(inputs.subjects[fitting]))
    mappings, mapped, below = {}, {}, []
    for method, quality in inputs.scores.items():
        own = _sign(inputs, method) * quality
        mapping = fit_mapping(own[fitting], kind, method, name, people, lower_is_better=_sign(inputs, method) < 0)
        mappings[method], mapped[method] = mapping, mapping.apply(own)
        below += [np.mean(mapped[method][fitting] < level) for level in LEVELS]
    held_out = _without(inputs, fitting, mapped)
    table = operating_points(held_out, dict.fromkeys(mapped, LEVELS), protocol.fmrs, protocol.rule)
    table = table.drop(columns="verifier").rename(columns={"key": "method"})
    score = [
        float(mappings[m].inverse(level))
        for m, level in table[["method", "rejection_threshold"]].itertuples(index=False)
    ]
    table.insert(2, "score", np.where(np.isfinite(score), score, np.nan))  # no score becomes 0 on a sigmoid
    table.insert(3, "images_below_fitted", np.repeat(below, len(protocol.fmrs)))
    return mappings, table


def write_mapping(mapping: ScoreMapping, folder: Path) -> None:
    """Write `mapping-METHOD.json`: the fields of `ScoreMapping`, every number exact."""
    name = "mapping-" + re.sub(r"[^\w.+-]+", "_", mapping.method) + ".json"
    content = {"format": "prefiqs-score-mapping-1"} | asdict(mapping)
    write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", folder / name)


def _sign(inputs: EvaluationInputs, method: str) -> int:
    """Return the factor that turns a quality into the method's own score, and back."""
    return -1 if method in inputs.lower_is_better else 1


def _without(inputs: EvaluationInputs, gone: np.ndarray, scores: dict[str, np.ndarray]) -> Comparison:
    """Compare the pairs of people of whom no image is gone; images in no such pair are left out."""
    kept = ~gone[inputs.pairs].any(axis=1)
    rows, pairs = np.unique(inputs.pairs[kept], return_inverse=True)
    genuine = inputs.genuine[kept]
    if not 0 < genuine.sum() < len(genuine):
        raise InputError(
            f"The half of the people held out has {int(genuine.sum())} genuine and {int((~genuine).sum())} impostor "
            "pairs, but both kinds are needed. Choose another --seed, or leave --score-mapping out."
        )
    embeddings = {inputs.verifier: inputs.embeddings[rows]}
    held_out = {method: values[rows] for method, values in scores.items()}
    return Comparison(embeddings, pairs.reshape(-1, 2), genuine, held_out)
