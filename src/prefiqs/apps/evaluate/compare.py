"""From a user's embeddings, pairs and scores to curves, areas, tables and figures: what `prefiqs evaluate` does."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.apps.evaluate.inputs import EvaluationInputs
from prefiqs.apps.evaluate.operating_points import mapped_points, points_at_percentiles, write_mapping
from prefiqs.apps.evaluate.page import Part, write_page
from prefiqs.errors import InputError
from prefiqs.evaluation.comparison import Bootstraps, Comparison, Curves, RandomOrders
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.error_rates import is_resolvable
from prefiqs.evaluation.inputs import check_choice
from prefiqs.evaluation.score_mapping import KINDS
from prefiqs.evaluation.tables import areas_table, curves_table, differences_table, intervals_table, random_table
from prefiqs.io.tables import write_table
from prefiqs.reporting.figures.areas import pauc_intervals
from prefiqs.reporting.figures.curves import edc_figure
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.tables import Table

RANDOM_ORDERS = 10
RANDOM_LABEL = "random order"
AREAS = "Areas under the error-versus-discard curves of {} (smaller is better)"
DIFFERENCES = "Differences of pAUC·10³ from {} (below 0 is better)"
POINTS = "Operating points: images below a percentile of the scores are rejected"
MAPPED = "Operating points on a scale of 0 to 100 ({}), on people it was not fitted on"
_METHOD = {"key": "method"}


@dataclass(frozen=True)
class Settings(EdcProtocol):
    """How curves are drawn, areas taken, and intervals and mappings made.

    resamples: of the bootstrap; 0 = no intervals. resample_unit: "people" or "pairs". seed: of all draws.
    score_mapping: "sigmoid" or "percentile", see `evaluation.score_mapping`; None = no scale of 0 … 100.
    """

    resamples: int = 0
    resample_unit: str = "people"
    seed: int = 0
    score_mapping: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.resample_unit, "resample_unit", ("people", "pairs"))
        if self.score_mapping is not None:
            check_choice(self.score_mapping, "score_mapping", KINDS)
        if self.resamples < 0:
            raise InputError(f"The number of bootstrap resamples cannot be {self.resamples}; 0 means no intervals.")


def evaluate(inputs: EvaluationInputs, settings: Settings, folder: Path, title: str) -> Table:
    """Write all results into a folder, the page `report.html` last, and return the table of areas.

    Files: `areas` (CSV, Markdown), `curves.csv`, `random.csv`, `edc-FMR.png` for each FMR; with a bootstrap also
    `differences` to the first method, and `intervals-FMR.png`. `operating_points` (CSV, Markdown) helps to choose a
    rejection threshold; with a mapping also `mapped_operating_points`, and `mapping-METHOD.json`.

    Raises `InputError`, before anything is written, for scores that cannot be mapped.
    """
    subjects = inputs.subjects if settings.resample_unit == "people" else None
    verifier = {inputs.verifier: inputs.embeddings}
    comparison = Comparison(verifier, inputs.pairs, inputs.genuine, inputs.scores, subjects=subjects)
    curves = comparison.curves(settings)
    random = comparison.random_orders(settings, RANDOM_ORDERS)
    points = points_at_percentiles(comparison, inputs, settings)
    kind = settings.score_mapping
    mappings, mapped = mapped_points(inputs, kind, title, settings, settings.seed) if kind else ({}, None)
    bootstraps = comparison.bootstrap(settings, settings.resamples, settings.seed) if settings.resamples else {}

    write_table(curves_table(curves).rename(columns=_METHOD), folder / "curves.csv")
    write_table(random_table(random), folder / "random.csv")
    areas = _areas(curves, random, bootstraps, settings, title)
    areas.write(folder / "areas")
    parts: list[Part] = [(areas.caption, areas.text())]
    for fmr in settings.fmrs:
        drawn = {method: curves[inputs.verifier, method, fmr] for method in inputs.scores}
        figure = edc_figure(drawn, random[inputs.verifier, fmr], title=title, limit=settings.limit)
        parts.append(_saved(figure, f"Error-versus-discard curves at FMR {fmr:g}", folder / f"edc-{fmr:g}.png"))
    parts += _uncertainty(list(inputs.scores), bootstraps, random, settings, folder)
    parts.append(_saved_points(points, folder))
    for mapping in mappings.values():
        write_mapping(mapping, folder)
    if mapped is not None:
        parts.append(_saved_mapped(mapped, MAPPED.format(kind), folder))
    write_page(title, facts(inputs, settings), parts, folder / "report.html")
    return areas


def facts(inputs: EvaluationInputs, settings: Settings) -> dict[str, str]:
    """Return what a reader must know to compare numbers, by what it is about."""
    impostors = int((~inputs.genuine).sum())
    negated = f"; scores negated, as lower is better: {', '.join(inputs.lower_is_better)}"
    rows = {
        "embeddings": f"{inputs.verifier}, {inputs.embeddings.shape[1]}-d, cosine similarity",
        "images": f"{len(inputs.names):,} in pairs; {inputs.unused:,} embedded images occur in no pair",
        "people": f"{len(set(inputs.subjects)):,}, "
        + ("as listed" if inputs.named_people else "inferred from genuine pairs"),
        "pairs": f"{int(inputs.genuine.sum()):,} genuine, {impostors:,} impostor",
        "quality": "higher is better; a pair is as good as its worse image"
        + (negated if inputs.lower_is_better else ""),
        "discarding": "all pairs, lowest quality first",
        "threshold": f"{settings.threshold}; {settings.rule} to the target FMR",
        "area": f"trapezoids in steps of {settings.step:g} up to {settings.limit:g} (pAUC) and to the last step (AUC), "
        "not divided by their width, ·10³; smaller is better",
        "random order": f"mean of {RANDOM_ORDERS} orders",
    }
    if settings.resamples:
        rows["intervals"] = f"95 %, {settings.resamples:,} bootstrap resamples of {settings.resample_unit}"
    few = [f"{fmr:g}" for fmr in settings.fmrs if not is_resolvable(impostors, fmr)]
    if few:
        rows["caution"] = f"fewer than 1/FMR impostor pairs at FMR {', '.join(few)}: do not rely on these areas"
    return rows


def _areas(curves: Curves, random: RandomOrders, bootstraps: Bootstraps, settings: Settings, title: str) -> Table:
    """Return areas with the random order among them, and their intervals; by FMR, the best first."""
    areas = areas_table(curves, settings.limit)
    start = areas.drop_duplicates(["verifier", "fmr"]).drop(columns=["auc", "key"]).assign(key=RANDOM_LABEL)
    start["pauc"] = [1e3 * random[of].pauc_mean for of in zip(start["verifier"], start["fmr"], strict=True)]
    areas = pd.concat([areas, start], ignore_index=True)
    notes = (
        f"fnmr: with nothing discarded. pauc: ·10³, up to a discard fraction of {settings.limit:g}, threshold "
        f"{settings.threshold}; smaller is better. fmr_resolvable: at least 1/FMR impostor pairs are left up to there."
    )
    hidden, intervals = ["verifier"], list[str]()
    if bootstraps:
        ends = intervals_table(bootstraps, settings.limit)
        columns = ["verifier", "key", "fmr", "pauc_low", "pauc_high", "unit", "undefined"]
        areas = areas.merge(ends[columns], "left", columns[:3])
        notes += f" In brackets: 95 % bootstrap interval over {settings.resample_unit}."
        hidden, intervals = ["verifier", "unit", "undefined"], ["pauc"]
    order = areas["fmr"].map(settings.fmrs.index)
    areas = areas.iloc[np.lexsort([areas["pauc"], order])].rename(columns=_METHOD)
    best, digits = {"pauc": "min", "auc": "min"}, {"fnmr": 4, "pauc": 2, "auc": 2}
    within = {"pauc": ["fmr"], "auc": ["fmr"]}
    return Table(areas, AREAS.format(title), best, digits, notes, hidden=hidden, within=within, intervals=intervals)


def _uncertainty(
    methods: list[str], bootstraps: Bootstraps, random: RandomOrders, settings: Settings, folder: Path
) -> list[Part]:
    """Write intervals as a figure for each FMR, and the differences from the first method."""
    parts: list[Part] = []
    if not bootstraps:
        return parts
    intervals, chance = intervals_table(bootstraps, settings.limit), random_table(random)
    for fmr in settings.fmrs:
        of_fmr = intervals[intervals["fmr"] == fmr].assign(label=intervals["key"])
        figure = pauc_intervals(of_fmr, chance[chance["fmr"] == fmr], f"FMR {fmr:g}")
        parts.append(_saved(figure, f"pAUC with 95 % intervals at FMR {fmr:g}", folder / f"intervals-{fmr:g}.png"))
    if len(methods) > 1:
        differences = differences_table(bootstraps, methods[0], settings.limit).rename(columns=_METHOD)
        notes = "low, high: ends of the 95 % interval, paired by resample."
        table = Table(differences, DIFFERENCES.format(methods[0]), digits=2, notes=notes)
        parts.append(_written(table, folder / "differences"))
    return parts


def _saved_points(points: pd.DataFrame, folder: Path) -> Part:
    digits = {"images_rejected": 3, "pairs_rejected": 3, "fnmr": 4, "rejection_threshold": _decimals(points)}
    notes = (
        "rejection_threshold: on the method's own scale; images below it are rejected (above it, where lower is "
        "better), and pairs with one of them. The similarity threshold is fixed at the FMR with nothing rejected; "
        "fmr_resolvable: at least 1/FMR impostor pairs set it."
    )
    return _written(Table(points, POINTS, digits=digits, notes=notes), folder / "operating_points")


def _saved_mapped(points: pd.DataFrame, caption: str, folder: Path) -> Part:
    digits = {"images_rejected": 3, "pairs_rejected": 3, "fnmr": 4, "rejection_threshold": 0}
    digits |= {"score": _decimals(points, "score"), "images_below_fitted": 3}
    notes = (
        "rejection_threshold: of 100; score: the same on the method's own scale. images_below_fitted: share below it "
        "among the half of the people that the mapping was fitted on; everything else is of the other half."
    )
    return _written(Table(points, caption, digits=digits, notes=notes), folder / "mapped_operating_points")


def _decimals(points: pd.DataFrame, column: str = "rejection_threshold") -> int:
    """Return enough decimals to tell the values of each method apart: scores may be of any size."""
    spread = points.groupby("method")[column].agg(lambda values: values.max() - values.min()).min()
    return max(0, 3 - math.floor(math.log10(spread))) if spread > 0 else 3


def _saved(figure: Figure, caption: str, path: Path) -> Part:
    save_figure(figure, path)
    return caption, figure


def _written(table: Table, path: Path) -> Part:
    table.write(path)
    return table.caption, table.text()
