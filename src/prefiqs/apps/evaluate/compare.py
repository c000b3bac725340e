"""From a user's embeddings, pairs and scores to curves, areas, tables and figures: what `prefiqs evaluate` does."""

from base64 import b64encode
from dataclasses import dataclass, replace
from html import escape
from itertools import starmap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs import __version__
from prefiqs.apps.evaluate.groups import group_tables
from prefiqs.apps.evaluate.inputs import EvaluationInputs
from prefiqs.apps.evaluate.operating_points import (
    PERCENTILES,
    percentile_table,
    printed_thresholds,
    target_table,
    threshold_table,
)
from prefiqs.apps.evaluate.verdict import verdicts_in_words
from prefiqs.errors import InputError
from prefiqs.evaluation.bootstrap import FEWEST_PEOPLE, numbered_people, people_draws
from prefiqs.evaluation.comparison import Bootstraps, Comparison
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.groups import Grouping
from prefiqs.evaluation.inputs import check_choice
from prefiqs.evaluation.operating_points import (
    operating_points,
    percentile_points,
    similarity_thresholds,
    target_points,
)
from prefiqs.evaluation.tables import areas_table, curves_table, differences_table, intervals_table, random_table
from prefiqs.evaluation.verdict import verdict
from prefiqs.io.atomic import read_text, write_text
from prefiqs.io.tables import write_table
from prefiqs.reporting.figures.areas import pauc_intervals
from prefiqs.reporting.figures.curves import edc_figure
from prefiqs.reporting.figures.groups import group_shares
from prefiqs.reporting.figures.style import as_png, save_figure
from prefiqs.reporting.html.pages import STATIC, render
from prefiqs.reporting.tables import CellStyle, Table

RANDOM_ORDERS = 10
_HTML = CellStyle(escape, "<strong>{}</strong>", "{}", "{} [{}, {}]")
_METHOD = {"key": "method"}
_DOTS = 110  # per inch, of figures on the page: sharp at its width


@dataclass(frozen=True)
class Settings(EdcProtocol):
    """How curves are drawn, areas taken, and intervals made.

    resamples: of the bootstrap; 0 = no intervals and no verdict on methods, as with fewer than ten people; None =
        1,000, but 100 above a million pairs. resample_unit: "people" or "pairs", for the areas.
    seed: of all draws. target_fnmrs: for which the lowest rejection threshold is sought, each in (0, 1).
    """

    resamples: int | None = None
    resample_unit: str = "people"
    seed: int = 0
    target_fnmrs: tuple[float, ...] = (0.05,)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.resample_unit, "resample_unit", ("people", "pairs"))
        if self.resamples is not None and self.resamples < 0:
            raise InputError(f"The number of bootstrap resamples cannot be {self.resamples}; 0 means no intervals.")
        for target in self.target_fnmrs:
            if not 0 < target < 1:
                raise InputError(f"The target FNMR must be above 0 and below 1, not {target}; 0.05 is usual.")


@dataclass(frozen=True)
class Report:
    """What was found. verdicts: a paragraph by heading. tables: by name; the files have the same names."""

    verdicts: dict[str, str]
    tables: dict[str, Table]

    def markdown(self) -> str:
        """The verdict and the tables that say which method and which threshold to take."""
        verdicts = [f"**{heading}**: {text}\n" for heading, text in self.verdicts.items()]
        shown = ("areas", "similarity_thresholds", "target_fnmr")
        return "\n".join([*verdicts, *(self.tables[name].markdown() for name in shown if name in self.tables)])


def evaluate(
    inputs: EvaluationInputs, settings: Settings, folder: Path, title: str, grouping: Grouping | None = None
) -> Report:
    """Write all results into a folder, the page `report.html` last, and return the verdict and the tables.

    Files: `areas`, `similarity_thresholds`, `operating_points` and `target_fnmr` (CSV, Markdown), `curves.csv`,
    `random.csv`, `edc-FMR.png` for each FMR (`edc-VERIFIER-FMR.png` where there are several verifiers); with a
    bootstrap also `differences` to the best method, and `intervals-FMR.png`; with `grouping` the tables of
    `groups.group_tables`, and `groups.png`.
    """
    if settings.resamples is None:
        settings = replace(settings, resamples=1000 if len(inputs.pairs) <= 1_000_000 else 100)
    limit, hidden = settings.limit, ["verifier"] if len(inputs.verifiers) == 1 else []
    comparison, lost = comparison_of(inputs, settings.resample_unit)
    people, ranks = numbered_people(inputs.subjects), next(iter(comparison.similarities.values()))
    of_kinds = (people[comparison.pairs[rows]] for rows in (ranks.genuine_pairs, ranks.impostor_pairs))
    n_people = min(int((np.bincount(of_kind.ravel()) > 0).sum()) for of_kind in of_kinds)
    if n_people < FEWEST_PEOPLE:
        settings = replace(settings, resamples=0)
    resamples = settings.resamples or 0
    curves = comparison.curves(settings)
    random = comparison.random_orders(settings, RANDOM_ORDERS)
    bootstraps = comparison.bootstrap(settings, resamples, settings.seed) if resamples else {}
    chance, intervals = random_table(random), intervals_table(bootstraps, limit)
    thresholds = similarity_thresholds(comparison, settings.fmrs, settings.rule)
    tables = {"areas": _areas(areas_table(curves, limit), chance, intervals, settings, title, hidden)}
    if bootstraps and len(inputs.scores) > 1:
        differences = differences_table(bootstraps, None, limit).rename(columns=_METHOD)
        differences = _ordered(differences, "difference")
        caption = "Differences of pAUC·10³ from the best method (above 0 is worse)"
        notes = (
            "low, high: 95 % interval of the paired difference. If it contains 0, the two cannot be told apart. The "
            "intervals are not corrected for the choice of the best method on the same pairs, nor for the number of "
            "methods: of many equally good ones, some look worse by chance."
        )
        hidden_here = [*hidden, "resamples", "unit"]
        tables["differences"] = Table(differences, caption, digits=2, notes=notes, hidden=hidden_here)
    tables["similarity_thresholds"] = threshold_table(thresholds, hidden)
    draws = people_draws(int(people.max()) + 1, resamples, settings.seed)
    at_percentiles = percentile_points(comparison, thresholds, PERCENTILES)
    at_targets = target_points(comparison, thresholds, settings.target_fnmrs)
    for points in (at_percentiles, at_targets):
        points["threshold"] = printed_thresholds(points, comparison.scores, inputs.sign)
    targets = operating_points(comparison, at_targets, people, draws, lost)
    verdicts = verdicts_in_words(bootstraps, thresholds, targets, inputs.sign, limit, n_people)
    if len(targets):
        tables["target_fnmr"] = target_table(targets, inputs.sign, hidden)
    found = operating_points(comparison, at_percentiles, people, draws, lost)
    tables["operating_points"] = percentile_table(found, inputs.sign, hidden)

    figures = {}
    for verifier, fmr in random:
        drawn = {method: curves[verifier, method, fmr] for method in inputs.scores}
        by = "" if hidden else f"{verifier}-"
        figure = edc_figure(drawn, title if hidden else f"{title}, {verifier}", limit, random[verifier, fmr])
        caption = f"Error-versus-discard curves at FMR {fmr:g}" + ("" if hidden else f", verifier {verifier}")
        figures[f"edc-{by}{fmr:g}"] = caption, figure
    for fmr in settings.fmrs if bootstraps else ():
        of_fmr = intervals[intervals["fmr"] == fmr].assign(label=intervals["key"])
        figure = pauc_intervals(of_fmr, chance[chance["fmr"] == fmr], f"FMR {fmr:g}")
        figures[f"intervals-{fmr:g}"] = f"pAUC with 95 % intervals at FMR {fmr:g}", figure
    method = _method_to_show(bootstraps, comparison, limit)
    shown = tables | {"operating_points": _part_of(tables["operating_points"], method)}
    if grouping is not None:
        points = pd.concat([at_percentiles, at_targets], ignore_index=True)
        of_groups = group_tables(comparison, points, grouping, draws, settings.seed, inputs.sign, hidden)
        tables |= of_groups
        shown |= {name: _part_of(table, method, "verifier", "fmr") for name, table in of_groups.items()}
        at_percentiles = shown["groups"].frame.dropna(subset="percentile")
        figures["groups"] = shown["groups"].caption, group_shares(at_percentiles, f"{title}, {method}")

    write_table(curves_table(curves).rename(columns=_METHOD), folder / "curves.csv")
    write_table(chance, folder / "random.csv")
    for name, table in tables.items():
        table.write(folder / name)
    for name, (_, figure) in figures.items():
        save_figure(figure, folder / f"{name}.png")
    first, *rest = shown.values()
    page = {
        "title": title,
        "verdicts": verdicts,
        "facts": facts(inputs, settings, thresholds),
        "parts": [_table_part(first), *starmap(_figure_part, figures.values()), *map(_table_part, rest)],
        "style": read_text(STATIC / "style.css"),
    }
    write_text(render("standalone", **page, version=__version__), folder / "report.html")
    return Report(verdicts, tables)


def comparison_of(inputs: EvaluationInputs, resample_unit: str = "people") -> tuple[Comparison, int]:
    """Return what is compared, and how many pairs cannot be, because an image has no embedding (a row of NaN).

    Failures to acquire (ISO/IEC 19795-1) are rejected first: an image without a score, or without an embedding, has the
    score −∞; a template has that only if none of its images has a score. Pairs without a similarity have no place in a
    curve; operating points count them as rejected.
    """
    pairs, genuine, verifiers = inputs.pairs, inputs.genuine, inputs.verifiers
    missing = np.zeros(len(inputs.names), bool)
    for vectors in verifiers.values() if inputs.templates is None else ():
        missing |= np.isnan(vectors[:, 0])
    if missing.any():
        kept = ~missing[pairs].any(axis=1)
        pairs, genuine = pairs[kept], genuine[kept]
        verifiers = {name: np.where(missing[:, None], v.dtype.type(1), v) for name, v in verifiers.items()}
    failed = -np.inf if inputs.templates is None else np.inf  # of a template, the smallest score counts
    scores = {method: np.where(missing | np.isnan(of), failed, of) for method, of in inputs.scores.items()}
    subjects = inputs.subjects if resample_unit == "people" else None
    comparison = Comparison(verifiers, pairs, genuine, scores, inputs.templates, subjects)
    return comparison, len(inputs.pairs) - len(pairs)


def facts(inputs: EvaluationInputs, settings: Settings, thresholds: pd.DataFrame) -> dict[str, str]:
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
        "failures to acquire": _failures(inputs),
        "quality": "higher is better; a pair is as good as its worse image"
        + (f"; scores negated, because lower is better: {negated}" if negated else ""),
        "discarding": "all pairs, lowest quality first",
        "threshold": f"{settings.threshold}; {settings.rule} to the target FMR",
        "area": f"trapezoids in steps of {settings.step:g} up to {settings.limit:g} (pAUC) and to the last step (AUC), "
        "not divided by the width, ·10³; smaller is better",
        "random order": f"mean of {RANDOM_ORDERS} orders; the verdict compares with the expected value",
    }
    if settings.resamples:
        rows["intervals"] = f"95 %, {settings.resamples:,} bootstrap resamples of {settings.resample_unit}"
    few = [f"{fmr:g}" for fmr in thresholds.loc[~thresholds["reliable"], "fmr"].unique()]
    if few:
        rows["caution"] = (
            f"at FMR {', '.join(few)}, fewer than ten false matches are expected among the impostor pairs: do not rely "
            "on these numbers"
        )
    return rows


def _failures(inputs: EvaluationInputs) -> str:
    """Say how many images have no embedding or no score, and what that means."""
    n, said = len(inputs.names), []
    for name, vectors in inputs.verifiers.items():
        if inputs.templates is None and (missing := np.isnan(vectors[:, 0])).any():
            pairs = missing[inputs.pairs].any(axis=1).mean()
            said.append(f"{name} has no embedding for {_of(missing.sum(), n)}, in {pairs:.1%} of the pairs")
    for method, scores in inputs.scores.items():
        if missing := np.isnan(scores).sum():
            said.append(f"{method} has no score for {_of(missing, n)}")
    if not said:
        return "none: every image has an embedding and a score from each method"
    return "; ".join(said) + ". These images are rejected first (ISO/IEC 19795-1)"


def _of(count: int, n: int) -> str:
    return f"{count:,} of {n:,} images ({count / n:.1%})"


def _method_to_show(bootstraps: Bootstraps, comparison: Comparison, limit: float) -> str:
    """Return the method whose groups the page shows: the recommended one of the first verifier and FMR, or the best."""
    for drawn in bootstraps.values():
        judged = verdict(drawn, limit)
        return judged.recommended or judged.best or next(iter(comparison.scores))
    return next(iter(comparison.scores))


def _part_of(table: Table, method: str, *firsts: str) -> Table:
    """Return the rows of a method, of `firsts` those with the first value only: all of them would fill the page."""
    frame = table.frame[table.frame["method"] == method]
    only = {column: frame[column].iloc[0] for column in firsts if column in frame}
    frame = frame[(frame[[*only]] == pd.Series(only)).all(axis=1)]
    said = ", ".join(
        [
            method,
            *(
                f"{column} {value}".replace("fmr", "FMR")
                for column, value in only.items()
                if column not in table.hidden
            ),
        ]
    )
    caption = f"{table.caption} ({said}; all others are in the CSV file)"
    return replace(table, frame=frame, caption=caption, hidden=[*table.hidden, "method", *only])


def _ordered(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sort by a column within each verifier and FMR."""
    return table.iloc[np.lexsort([table[column], table.groupby(["verifier", "fmr"], sort=False).ngroup()])]


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
        f"{settings.threshold}; smaller is better."
    )
    hidden = [*hidden, "random"]
    if areas["fmr_resolvable"].all():
        hidden += ["fmr_resolvable"]
    else:
        notes += " fmr_resolvable: at least 1/FMR impostor pairs are left at this discard fraction."
    if settings.resamples:
        columns = ["verifier", "key", "fmr", "pauc_low", "pauc_high", "unit", "undefined"]
        areas = areas.merge(intervals[columns], "left", columns[:3])
        notes += f" In brackets: 95 % bootstrap interval over {settings.resample_unit}."
        hidden += ["unit", "undefined"]
    return Table(
        _ordered(areas, "pauc").rename(columns=_METHOD),
        f"Areas under the error-versus-discard curves of {title} (smaller is better)",
        best={"pauc": "min", "auc": "min"},
        digits={"fnmr": 4, "pauc": 2, "auc": 2},
        notes=notes,
        hidden=hidden,
        not_in_csv=["random"],
        within=dict.fromkeys(["pauc", "auc"], ["verifier", "fmr", "random"]),  # the random order does not compete
        intervals=["pauc"] if settings.resamples else (),
    )


def _table_part(table: Table) -> tuple[str, str]:
    """Caption and HTML. The page is self-contained: no scripts, no other files, no requests to any host."""
    cells = table.cells(_HTML).set_axis([escape(str(name)) for name in table.shown()], axis=1)
    rows = cells.to_html(index=False, border=0, escape=False)
    return table.caption, f'<div class="scroll" tabindex="0">{rows}</div><p class="caption">{escape(table.notes)}</p>'


def _figure_part(caption: str, figure: Figure) -> tuple[str, str]:
    picture = b64encode(as_png(figure, _DOTS)).decode()
    return (
        caption,
        f'<img alt="{escape(caption)}; the numbers are in the tables." src="data:image/png;base64,{picture}">',
    )
