"""From a user's embeddings, pairs and scores to curves, areas, tables and figures: what `prefiqs evaluate` does."""

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs import __version__
from prefiqs.apps.evaluate.inputs import EvaluationInputs
from prefiqs.apps.evaluate.operating_points import hidden_verifier, points_at_percentiles
from prefiqs.errors import InputError
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.error_rates import is_resolvable
from prefiqs.evaluation.inputs import check_choice
from prefiqs.evaluation.tables import areas_table, curves_table, differences_table, intervals_table, random_table
from prefiqs.io.atomic import read_text, write_text
from prefiqs.io.tables import write_table
from prefiqs.reporting.figures.areas import pauc_intervals
from prefiqs.reporting.figures.curves import edc_figure
from prefiqs.reporting.figures.style import as_png, save_figure
from prefiqs.reporting.html.pages import STATIC, render
from prefiqs.reporting.tables import Table

RANDOM_ORDERS = 10
_METHOD = {"key": "method"}
_DOTS = 110  # per inch, of figures on the page: sharp at its width


@dataclass(frozen=True)
class Settings(EdcProtocol):
    """How curves are drawn, areas taken, and intervals made.

    resamples: of the bootstrap; 0 = no intervals. resample_unit: "people" or "pairs". seed: of all draws.
    """

    resamples: int = 0
    resample_unit: str = "people"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.resample_unit, "resample_unit", ("people", "pairs"))
        if self.resamples < 0:
            raise InputError(f"The number of bootstrap resamples cannot be {self.resamples}; 0 means no intervals.")


def evaluate(inputs: EvaluationInputs, settings: Settings, folder: Path, title: str) -> Table:
    """Write all results into a folder, the page `report.html` last, and return the table of areas.

    Files: `areas` (CSV, Markdown), `curves.csv`, `random.csv`, `edc-FMR.png` for each FMR (`edc-VERIFIER-FMR.png` where
    there are several verifiers); with a bootstrap also `differences` to the first method, and `intervals-FMR.png`.
    `operating_points` (CSV, Markdown) helps to choose a rejection threshold.
    """
    methods, limit = list(inputs.scores), settings.limit
    subjects = inputs.subjects if settings.resamples and settings.resample_unit == "people" else None
    pairs = inputs.pairs, inputs.genuine
    comparison = Comparison(inputs.verifiers, *pairs, inputs.scores, inputs.templates, subjects)
    curves = comparison.curves(settings)
    random = comparison.random_orders(settings, RANDOM_ORDERS)
    bootstraps = comparison.bootstrap(settings, settings.resamples, settings.seed) if settings.resamples else {}
    chance, intervals = random_table(random), intervals_table(bootstraps, limit)
    hidden = hidden_verifier(inputs)
    areas = _areas(areas_table(curves, limit), chance, intervals, settings, title, hidden)
    shown: dict[str, Table | tuple[str, Figure]] = {"areas": areas}
    for verifier, fmr in random:
        drawn = {method: curves[verifier, method, fmr] for method in methods}
        by = "" if hidden else f"{verifier}-"
        figure = edc_figure(drawn, title if hidden else f"{title}, {verifier}", limit, random[verifier, fmr])
        caption = f"Error-versus-discard curves at FMR {fmr:g}" + ("" if hidden else f", verifier {verifier}")
        shown[f"edc-{by}{fmr:g}"] = caption, figure
    for fmr in settings.fmrs if bootstraps else ():
        of_fmr = intervals[intervals["fmr"] == fmr].assign(label=intervals["key"])
        figure = pauc_intervals(of_fmr, chance[chance["fmr"] == fmr], f"FMR {fmr:g}")
        shown[f"intervals-{fmr:g}"] = f"pAUC with 95 % intervals at FMR {fmr:g}", figure
    if bootstraps and len(methods) > 1:
        differences = differences_table(bootstraps, methods[0], limit).rename(columns=_METHOD)
        caption = f"Differences of pAUC·10³ from {methods[0]} (below 0 is better)"
        notes = "low, high: ends of the 95 % interval, paired by resample."
        shown["differences"] = Table(differences, caption, digits=2, notes=notes, hidden=hidden)
    shown["operating_points"] = points_at_percentiles(comparison, inputs, settings)

    write_table(curves_table(curves).rename(columns=_METHOD), folder / "curves.csv")
    write_table(chance, folder / "random.csv")
    for name, result in shown.items():
        if isinstance(result, Table):
            result.write(folder / name)
        else:
            save_figure(result[1], folder / f"{name}.png")
    parts = [_part(result) for result in shown.values()]
    page = {"title": title, "facts": facts(inputs, settings), "parts": parts, "style": read_text(STATIC / "style.css")}
    write_text(render("standalone", **page, version=__version__), folder / "report.html")
    return areas


def facts(inputs: EvaluationInputs, settings: Settings) -> dict[str, str]:
    """Return what a reader must know to compare the numbers, by topic."""
    impostors = int((~inputs.genuine).sum())
    people = "as listed" if inputs.named_people else "inferred from genuine pairs"
    negated = ", ".join(method for method, sign in inputs.sign.items() if sign < 0)
    rows = {
        "embeddings": "; ".join(f"{name}, {vectors.shape[1]}-d" for name, vectors in inputs.verifiers.items())
        + "; cosine similarity",
        "images": f"{len(inputs.names):,} in pairs; {inputs.unused:,} embedded images occur in no pair",
        "people": f"{len(set(inputs.subjects)):,}, {people}",
        "pairs": f"{int(inputs.genuine.sum()):,} genuine, {impostors:,} impostor",
        "quality": "higher is better; a pair is as good as its worse image"
        + (f"; scores negated, because lower is better: {negated}" if negated else ""),
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


def _areas(
    areas: pd.DataFrame,
    chance: pd.DataFrame,
    intervals: pd.DataFrame,
    settings: Settings,
    title: str,
    hidden: list[str],
) -> Table:
    """Return the areas, random order included, with their intervals; best first for each verifier and FMR."""
    of_all = areas.drop_duplicates(["verifier", "fmr"])[["verifier", "fmr", "fnmr", "fmr_resolvable"]]
    start = of_all.assign(key="random order", pauc=chance["pauc_mean"].to_numpy())
    areas = pd.concat([areas.assign(random=False), start.assign(random=True)], ignore_index=True)
    notes = (
        f"fnmr: with nothing discarded. pauc: ·10³, up to a discard fraction of {settings.limit:g}, threshold "
        f"{settings.threshold}; smaller is better. fmr_resolvable: at least 1/FMR impostor pairs are left up to there."
    )
    hidden = [*hidden, "random"]
    if settings.resamples:
        columns = ["verifier", "key", "fmr", "pauc_low", "pauc_high", "unit", "undefined"]
        areas = areas.merge(intervals[columns], "left", columns[:3])
        notes += f" In brackets: 95 % bootstrap interval over {settings.resample_unit}."
        hidden += ["unit", "undefined"]
    order = areas.groupby(["verifier", "fmr"], sort=False).ngroup()
    return Table(
        areas.iloc[np.lexsort([areas["pauc"], order])].rename(columns=_METHOD),
        f"Areas under the error-versus-discard curves of {title} (smaller is better)",
        best={"pauc": "min", "auc": "min"},
        digits={"fnmr": 4, "pauc": 2, "auc": 2},
        notes=notes,
        hidden=hidden,
        not_in_csv=["random"],
        within=dict.fromkeys(["pauc", "auc"], ["verifier", "fmr", "random"]),  # the random order does not compete
        intervals=["pauc"] if settings.resamples else (),
    )


def _part(result: Table | tuple[str, Figure]) -> tuple[str, str]:
    """Caption and HTML. The page is self-contained: no scripts, no other files, no requests to any host."""
    if isinstance(result, Table):
        table = result.text().to_html(index=False, border=0, na_rep="–", float_format="{:g}".format)
        return result.caption, f'<div class="scroll" tabindex="0">{table}</div>'
    caption, picture = result[0], b64encode(as_png(result[1], _DOTS)).decode()
    text = f"{escape(caption)}; the numbers are in the tables."
    return caption, f'<img alt="{text}" src="data:image/png;base64,{picture}">'
