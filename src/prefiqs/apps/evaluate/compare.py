"""From a user's material to curves, areas, tables and figures: what `prefiqs evaluate` does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.apps.evaluate.material import EvaluationInputs
from prefiqs.apps.evaluate.page import Part, write_page
from prefiqs.apps.evaluate.thresholds import calibrated_gates, calibration_path, gates_at_percentiles
from prefiqs.errors import InputError
from prefiqs.evaluation import intervals
from prefiqs.evaluation.comparison import (
    areas_table,
    compare_methods,
    curves_table,
    discard_grid,
    random_orders,
    random_table,
)
from prefiqs.evaluation.error_rates import RULES, check_fmr
from prefiqs.evaluation.inputs import check_choice
from prefiqs.evaluation.intervals import bootstrap_methods, differences_table, intervals_table
from prefiqs.evaluation.score_mapping import KINDS
from prefiqs.io.tables import write_table
from prefiqs.reporting.figures.areas import pauc_intervals
from prefiqs.reporting.figures.curves import edc_figure
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.tables import Table

RANDOM_ORDERS = 10
AREAS = "Areas under the error-versus-discard curves"
DIFFERENCES = "Differences of pAUC·10³ to {}"
GATES = "What a gate at a percentile of the scores discards and brings"
CALIBRATED = "Gates on a scale of 0 to 100 ({}), on people it was not fitted on"


@dataclass(frozen=True)
class Settings:
    """How curves are drawn and areas taken; the defaults are those of this literature.

    Attributes:
        fmrs: targets, each in (0, 1).
        threshold: "recomputed" at each discard fraction, or "fixed" where nothing is discarded.
        rule: "nearest" or "conservative", see `evaluation.threshold_at_fmr`.
        step: of the discard fraction, up to 0.95. limit: of pAUC.
        resamples: of the bootstrap; 0 for no intervals. resampled: "people" or "pairs". seed: of all draws.
        calibrate: "sigmoid" or "percentile", see `gating.calibration`; None for no scale of 0 … 100.
    """

    fmrs: tuple[float, ...] = (1e-3, 1e-4)
    threshold: str = "recomputed"
    rule: str = "nearest"
    step: float = 0.05
    limit: float = 0.3
    resamples: int = 0
    resampled: str = "people"
    seed: int = 0
    calibrate: str | None = None

    def __post_init__(self) -> None:
        for fmr in self.fmrs:
            check_fmr(fmr)
        check_choice(self.threshold, "threshold", ("recomputed", "fixed"))
        check_choice(self.rule, "rule", RULES)
        check_choice(self.resampled, "resampled", ("people", "pairs"))
        if self.calibrate is not None:
            check_choice(self.calibrate, "calibrate", KINDS)
        if not self.fmrs or len(set(self.fmrs)) < len(self.fmrs):
            raise InputError(f"Expected different FMRs, at least one, got {', '.join(map(str, self.fmrs)) or 'none'}.")
        if not 0 < self.step <= self.limit <= 0.95:
            raise InputError(f"Expected 0 < step ≤ limit ≤ 0.95, got step {self.step} and limit {self.limit}.")
        if self.resamples < 0:
            raise InputError(f"Expected 0 resamples of the bootstrap or more, got {self.resamples}.")

    def curve_options(self) -> dict:
        """What `compare_methods` takes of them."""
        return dict(discard=discard_grid(self.step), threshold=self.threshold, rule=self.rule)


def evaluate(material: EvaluationInputs, settings: Settings, folder: Path, title: str) -> pd.DataFrame:
    """Write all results into a folder, the page `report.html` last, and return the table of areas.

    Files: `areas` (CSV, Markdown), `curves.csv`, `random.csv`, `edc-FMR.png` for each FMR; with a
    bootstrap also `differences` to the first method, and `intervals-FMR.png`. `gates` (CSV, Markdown) helps to
    choose a threshold of quality; with a calibration also `calibrated-gates`, and `calibration-METHOD.json`.

    Raises `InputError` before anything is written: scores that cannot be calibrated.
    """
    compared = ({material.verifier: material.embeddings}, material.pairs, material.genuine, settings.fmrs)
    options = settings.curve_options()
    curves = compare_methods(material.scores, *compared, **options)
    chance = random_orders(*compared, len(material.names), RANDOM_ORDERS, settings.limit, **options)
    areas = areas_table(curves, settings.limit)
    how = (settings.fmrs, settings.threshold, settings.rule)
    gates = gates_at_percentiles(material, *how)
    kind = settings.calibrate
    calibrated = calibrated_gates(material, kind, title, *how, settings.seed) if kind else None
    parts: list[Part] = []
    if settings.resamples:
        bootstraps = _bootstraps(material, compared, settings, options)
        intervals = intervals_table(bootstraps, settings.limit)
        keys = ["verifier", "method", "fmr"]
        areas = areas.merge(intervals[[*keys, "pauc_low", "pauc_high", "unit", "undefined"]], "left", keys)
    write_table(curves_table(curves), folder / "curves.csv")
    write_table(random_table(chance), folder / "random.csv")
    caption = f"{AREAS} of {title}"
    parts.append((caption, _write_areas(areas, folder, caption, settings, chance, material.verifier)))
    for fmr in settings.fmrs:
        drawn = {method: curves[material.verifier, method, fmr] for method in material.scores}
        figure = edc_figure(drawn, chance[material.verifier, fmr], title=title, limit=settings.limit)
        parts.append((f"Error-versus-discard curves at FMR {fmr:g}", _saved(figure, f"edc-{fmr:g}", folder)))
    if settings.resamples:
        parts += _uncertainty(material, intervals, bootstraps, chance, settings, folder)
    parts += _write_gates(gates, calibrated, settings, folder)
    write_page(title, facts(material, settings), parts, folder / "report.html")
    return areas


def facts(material: EvaluationInputs, settings: Settings) -> dict[str, str]:
    """What a reader must know to compare numbers, by what it is."""
    impostors = int((~material.genuine).sum())
    negated = f"; negated, for lower was better: {', '.join(material.lower_is_better)}"
    rows = {
        "embeddings": f"{material.verifier}, {material.embeddings.shape[1]}-d, cosine similarity",
        "images": f"{len(material.names):,} in pairs; {material.unused:,} embedded images occur in no pair",
        "people": f"{len(set(material.subjects)):,}, "
        + ("as listed" if material.named_people else "inferred from genuine pairs"),
        "pairs": f"{int(material.genuine.sum()):,} genuine, {impostors:,} impostor",
        "quality": "higher is better; a pair is as good as its worse image"
        + (negated if material.lower_is_better else ""),
        "discarding": "all pairs, lowest quality first",
        "threshold": f"{settings.threshold}; {settings.rule} to the target FMR",
        "area": f"trapezoids in steps of {settings.step:g} up to {settings.limit:g} (pAUC) and to the end (AUC), "
        "not divided by the limit, ·10³; smaller is better",
        "random order": f"mean and range of {RANDOM_ORDERS} orders",
    }
    if settings.resamples:
        rows["intervals"] = f"95 %, {settings.resamples:,} bootstrap resamples of {settings.resampled}"
    doubtful = [f"{fmr:g}" for fmr in settings.fmrs if impostors * fmr < 1]
    if doubtful:
        rows["caution"] = f"fewer than 1/FMR impostor pairs at FMR {', '.join(doubtful)}: not to be relied on"
    return rows


# Embeddings by verifier, pairs, whether they are genuine, target FMRs.
_Compared = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, Sequence[float]]


def _bootstraps(
    material: EvaluationInputs, compared: _Compared, settings: Settings, options: dict
) -> intervals.Bootstraps:
    people = material.subjects if settings.resampled == "people" else None
    options = options | dict(resamples=settings.resamples, seed=settings.seed)
    return bootstrap_methods(material.scores, *compared, people, **options)


def _write_areas(
    areas: pd.DataFrame, folder: Path, caption: str, settings: Settings, chance: dict, verifier: str
) -> pd.DataFrame:
    random = ", ".join(f"{chance[verifier, fmr].pauc_mean * 1e3:.2f} at FMR {fmr:g}" for fmr in settings.fmrs)
    notes = (
        f"fnmr: with nothing discarded. pAUC·10³ up to {settings.limit:g}, threshold {settings.threshold}. "
        f"reliable: at least 1/FMR impostor pairs are left up to there. Random order: {random}."
    )
    within = {"pauc": ["fmr"], "auc": ["fmr"]}
    hidden, in_brackets = ["verifier"], list[str]()
    if settings.resamples:
        notes += f" In brackets: 95 % bootstrap interval over {settings.resampled}."
        hidden, in_brackets = ["verifier", "unit", "undefined"], ["pauc"]
    best, digits = {"pauc": "min", "auc": "min"}, {"fnmr": 4, "pauc": 2, "auc": 2}
    table = Table(areas, caption, best, digits, notes, hidden=hidden, within=within, intervals=in_brackets)
    table.write(folder / "areas")
    return table.text()


def _uncertainty(
    material: EvaluationInputs,
    intervals: pd.DataFrame,
    bootstraps: dict,
    chance: dict,
    settings: Settings,
    folder: Path,
) -> list[Part]:
    """Intervals as a figure for each FMR, and what differs from the first method."""
    parts: list[Part] = []
    random = random_table(chance)
    for fmr in settings.fmrs:
        figure = pauc_intervals(intervals[intervals["fmr"] == fmr], random[random["fmr"] == fmr])
        parts.append((f"pAUC with 95 % intervals at FMR {fmr:g}", _saved(figure, f"intervals-{fmr:g}", folder)))
    first = next(iter(material.scores))
    if len(material.scores) > 1:
        table = differences_table(bootstraps, first, settings.limit)
        caption = DIFFERENCES.format(first)
        notes = "Below 0: the method is better. low, high: ends of the 95 % interval, paired by resample."
        parts.append((caption, _written(Table(table, caption, digits=2, notes=notes), folder / "differences")))
    return parts


def _write_gates(gates: pd.DataFrame, calibrated: tuple | None, settings: Settings, folder: Path) -> list[Part]:
    """Gates at percentiles and, where there is one, on a calibrated scale."""
    digits = {"images_discarded": 3, "pairs_discarded": 3, "fnmr": 4, "gate": _decimals(gates)}
    notes = (
        "gate: on the method's own scale; images below it are turned away (above it, where lower is better), and pairs "
        f"with one of them. Threshold of the FMR {settings.threshold}. reliable: at least 1/FMR impostor pairs set it."
    )
    parts: list[Part] = [(GATES, _written(Table(gates, GATES, digits=digits, notes=notes), folder / "gates"))]
    if calibrated:
        calibrations, table = calibrated
        for method, calibration in calibrations.items():
            calibration.save(calibration_path(folder, method))
        notes = (
            "gate: of 100; score: the same on the method's own scale. images_below_fitted: share below it among the "
            "half of the people that the scale was fitted on; all else on the other half."
        )
        digits |= {"score": digits["gate"], "images_below_fitted": 3, "gate": 0}
        caption = CALIBRATED.format(settings.calibrate)
        written = _written(Table(table, caption, digits=digits, notes=notes), folder / "calibrated-gates")
        parts.append((caption, written))
    return parts


def _decimals(gates: pd.DataFrame) -> int:
    """How many show the gates of each method apart: scores may be of any size."""
    spread = gates.groupby("method")["gate"].agg(np.ptp).min()
    return max(0, 3 - math.floor(math.log10(spread))) if spread > 0 else 3


def _saved(figure: Figure, name: str, folder: Path) -> Figure:
    save_figure(figure, folder / f"{name}.png")
    return figure


def _written(table: Table, path: Path) -> pd.DataFrame:
    table.write(path)
    return table.text()
