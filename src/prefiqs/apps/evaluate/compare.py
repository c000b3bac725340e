"""From a user's embeddings, pairs and scores to curves, areas, tables and figures: what `prefiqs evaluate` does."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.apps.evaluate import tables as made
from prefiqs.apps.evaluate.inputs import RANDOM_ORDERS, EvaluationInputs, Settings
from prefiqs.apps.evaluate.page import facts, rows_of_method, verdicts_in_words, write_page
from prefiqs.evaluation import operating_points as points_of
from prefiqs.evaluation.bootstrap import FEWEST_PEOPLE, numbered_people, people_draws
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.groups import Grouping
from prefiqs.evaluation.tables import areas_table, curves_table, intervals_table, random_table
from prefiqs.evaluation.verdict import verdict
from prefiqs.faces.find import RUN_RECORD
from prefiqs.io.atomic import write_text
from prefiqs.io.tables import write_table
from prefiqs.reporting.figures.areas import forest
from prefiqs.reporting.figures.curves import edc_figure
from prefiqs.reporting.figures.groups import group_shares
from prefiqs.reporting.figures.style import PAUC_LABEL, save_figure
from prefiqs.reporting.tables import Table

PERCENTILES = (0, 1, 2, 5, 10, 20, 30, 50)


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
    inputs: EvaluationInputs,
    settings: Settings,
    folder: Path,
    title: str,
    grouping: Grouping | None = None,
    known: Mapping[str, str] | None = None,
) -> Report:
    """Write all results into a folder, the page `report.html` last, and return the verdict and the tables.

    known: more facts for the page, by topic.

    Files: `areas`, `similarity_thresholds`, `operating_points` and `target_fnmr` (CSV, Markdown), `curves.csv`,
    `random.csv`, `edc-FMR.png` for each FMR; with a bootstrap also `differences` to the best method, and
    `intervals-FMR.png`; with `grouping` the tables of `tables.group_tables`, and `groups.png`.
    """
    write_text("{}\n", folder / RUN_RECORD)  # so that figures among photos are not taken for photos
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
    thresholds = points_of.similarity_thresholds(comparison, settings.fmrs, settings.rule)
    tables = {"areas": made.area_table(areas_table(curves, limit), chance, intervals, settings, title, hidden)}
    if bootstraps and len(inputs.scores) > 1:
        tables["differences"] = made.difference_table(bootstraps, limit, hidden)
    tables["similarity_thresholds"] = made.threshold_table(thresholds, hidden)
    draws = people_draws(int(people.max()) + 1, resamples, settings.seed)
    at_percentiles = points_of.percentile_points(comparison, thresholds, PERCENTILES)
    at_targets = points_of.target_points(comparison, thresholds, settings.target_fnmrs)
    for points in (at_percentiles, at_targets):
        points["threshold"] = made.printed_thresholds(points, comparison.scores, inputs.sign)
    targets = points_of.operating_points(comparison, at_targets, people, draws, lost)
    verdicts = verdicts_in_words(bootstraps, thresholds, targets, inputs.sign, limit, n_people)
    if len(targets):
        tables["target_fnmr"] = made.point_table(targets, inputs.sign, hidden, by_target=True)
    found = points_of.operating_points(comparison, at_percentiles, people, draws, lost)
    tables["operating_points"] = made.point_table(found, inputs.sign, hidden)

    figures = {}
    for fmr in settings.fmrs:
        figure = edc_figure(curves, random, fmr, limit, f"{title}, FMR {fmr:g}")
        figures[f"edc-{fmr:g}"] = f"Error-versus-discard curves at FMR {fmr:g}", figure
    renamed = {"key": "method", "pauc": "estimate", "pauc_low": "low", "pauc_high": "high"}
    for fmr in settings.fmrs if bootstraps else ():
        of_fmr = intervals[intervals["fmr"] == fmr].assign(label=intervals["key"]).rename(columns=renamed)
        figure = forest(
            of_fmr.assign(key=of_fmr["method"]),
            f"{title}, FMR {fmr:g}",
            f"{PAUC_LABEL}, 95 % intervals (lower is better)",
            chance[chance["fmr"] == fmr],
        )
        figures[f"intervals-{fmr:g}"] = f"pAUC with 95 % intervals at FMR {fmr:g}", figure
    judged = [verdict(drawn, limit) for drawn in islice(bootstraps.values(), 1)]  # of the first verifier and FMR
    chosen = [key for of in judged for key in (of.recommended, of.best) if key is not None]
    method = next(iter([*chosen, *inputs.scores]))  # whose groups the page shows
    shown = tables | {"operating_points": rows_of_method(tables["operating_points"], method)}
    if grouping is not None:
        points = pd.concat([at_percentiles, at_targets], ignore_index=True)
        of_groups = made.group_tables(comparison, points, grouping, draws, settings.seed, inputs.sign, hidden)
        tables |= of_groups
        shown |= {name: rows_of_method(table, method, "verifier", "fmr") for name, table in of_groups.items()}
        at_percentiles = shown["groups"].frame.dropna(subset="percentile")
        figures["groups"] = shown["groups"].caption, group_shares(at_percentiles, f"{title}, {method}")

    write_table(curves_table(curves).rename(columns=made.METHOD), folder / "curves.csv")
    write_table(chance, folder / "random.csv")
    for name, table in tables.items():
        table.write(folder / name)
    for name, (_, figure) in figures.items():
        save_figure(figure, folder / f"{name}.png")
    about = facts(inputs, settings, thresholds) | dict(known or {})
    if grouping is not None:
        about["groups"] = _members(inputs, grouping)
        if (grouping.group < 0).any():
            logging.getLogger(__name__).warning("%s.", about["groups"])
    write_page(folder / "report.html", title, verdicts, about, list(shown.values()), list(figures.values()))
    return Report(verdicts, tables)


def _members(inputs: EvaluationInputs, grouping: Grouping) -> str:
    """How many images or templates are in a group, and one that is in none."""
    what, names = ("images", inputs.names) if inputs.templates is None else ("templates", inputs.templates.ids)
    without = np.flatnonzero(grouping.group < 0)
    rest = f"; {len(without):,} are in none, such as {names[without[0]]}" if len(without) else ""
    return f"{len(names) - len(without):,} of {len(names):,} {what} are in one of {len(grouping.names)} groups{rest}"


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
