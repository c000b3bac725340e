"""The report in words, and as one self-contained page: no scripts, no other files, no requests to any host."""

from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs import __version__
from prefiqs.apps.evaluate.inputs import RANDOM_ORDERS, EvaluationInputs, Settings
from prefiqs.evaluation.bootstrap import FEW_PEOPLE, FEWEST_PEOPLE, Difference
from prefiqs.evaluation.comparison import Bootstraps
from prefiqs.evaluation.verdict import Verdict, verdict
from prefiqs.io.atomic import read_text, write_text
from prefiqs.reporting.figures.style import as_png
from prefiqs.reporting.html.pages import STATIC, render
from prefiqs.reporting.tables import CellStyle, Table

_HTML = CellStyle(lambda text: escape(text).replace("@", "@<wbr>"), "<strong>{}</strong>", "{}", "{} [{}, {}]")
_NEXT = 3  # ties of the best whose difference is said
_DOTS = 110  # per inch, of figures: sharp at the width of the page


def write_page(
    path: Path,
    title: str,
    verdicts: dict[str, str],
    about: dict[str, str],
    tables: list[Table],
    figures: list[tuple[str, Figure]],
) -> None:
    """Write the page: verdicts and facts, the first table, figures with their captions, the other tables."""
    bodies = [(table.caption, _table(table)) for table in tables]
    parts = [bodies[0], *((caption, _figure(caption, figure)) for caption, figure in figures), *bodies[1:]]
    about_it = {"title": title, "version": __version__, "style": read_text(STATIC / "style.css")}
    write_text(render("standalone", verdicts=verdicts, facts=about, parts=parts, **about_it), path)


def rows_of_method(table: Table, method: str, *firsts: str) -> Table:
    """Return the rows of a method, of `firsts` those with the first value only: all of them would fill the page."""
    frame = table.frame[table.frame["method"] == method]
    only = {column: frame[column].iloc[0] for column in firsts if column in frame}
    frame = frame[(frame[[*only]] == pd.Series(only)).all(axis=1)]
    named = {
        "FMR" if column == "fmr" else column: value for column, value in only.items() if column not in table.hidden
    }
    said = ", ".join([method, *(f"{name} {value}" for name, value in named.items())])
    caption = f"{table.caption} ({said}; all others are in the CSV file)"
    return replace(table, frame=frame, caption=caption, hidden=[*table.hidden, "method", *only])


def facts(inputs: EvaluationInputs, settings: Settings, thresholds: pd.DataFrame) -> dict[str, str]:
    """Return what a reader must know to compare the numbers, by topic."""
    sizes = "; ".join(f"{name}, {vectors.shape[1]}-d" for name, vectors in inputs.verifiers.items())
    people = "as listed" if inputs.named_people else "inferred from genuine pairs"
    quality = "higher is better; a pair is as good as its worse image"
    if negated := ", ".join(method for method, sign in inputs.sign.items() if sign < 0):
        quality += f"; scores negated, because lower is better: {negated}"
    rows = {
        "embeddings": f"{sizes}; cosine similarity",
        "images": f"{len(inputs.names):,} in pairs; {inputs.unused:,} embedded images occur in no pair",
        "people": f"{len(set(inputs.subjects)):,}, {people}",
        "pairs": f"{int(inputs.genuine.sum()):,} genuine, {int((~inputs.genuine).sum()):,} impostor",
        "failures to acquire": _failures(inputs),
        "quality": quality,
        "discarding": "all pairs, lowest quality first",
        "threshold": f"{settings.threshold}; {settings.rule} to the target FMR",
        "area": f"trapezoids in steps of {settings.step:g} up to {settings.limit:g} (pAUC) and to the last step (AUC), "
        "not divided by the width, ·10³; smaller is better",
        "random order": f"mean of {RANDOM_ORDERS} orders; the verdict compares with the expected value",
    }
    if settings.resamples:
        rows["intervals"] = f"95 %, {settings.resamples:,} bootstrap resamples of {settings.resample_unit}"
    if few := ", ".join(f"{fmr:g}" for fmr in thresholds.loc[~thresholds["reliable"], "fmr"].unique()):
        rows["caution"] = (
            f"at FMR {few}, fewer than ten false matches are expected among the impostor pairs: do not rely on these "
            "numbers"
        )
    return rows


def _failures(inputs: EvaluationInputs) -> str:
    """Say how many images have no embedding or no score, and what that means."""
    said = []
    for name, vectors in inputs.verifiers.items():
        if inputs.templates is None and (missing := np.isnan(vectors[:, 0])).any():
            share = missing[inputs.pairs].any(axis=1).mean()
            said.append(f"{name} has no embedding for {_share(missing)}, in {share:.1%} of the pairs")
    unscored: dict[str, list[str]] = {}
    for method, scores in inputs.scores.items():
        if (missing := np.isnan(scores)).any():
            unscored.setdefault(_share(missing), []).append(method)
    said += [f"{_listed(of)} {'have' if of[1:] else 'has'} no score for {share}" for share, of in unscored.items()]
    if not said:
        return "none: every image has an embedding and a score from each method"
    return "; ".join(said) + ". These images are rejected first (ISO/IEC 19795-1)"


def _share(missing: np.ndarray) -> str:
    return f"{missing.sum():,} of {len(missing):,} images ({missing.mean():.1%})"


def _table(table: Table) -> str:
    cells = table.cells(_HTML).set_axis([escape(str(name)) for name in table.shown()], axis=1)
    rows = cells.to_html(index=False, border=0, escape=False)
    return f'<div class="scroll" tabindex="0">{rows}</div><p class="caption">{escape(table.notes)}</p>'


def _figure(caption: str, figure: Figure) -> str:
    picture = b64encode(as_png(figure, _DOTS)).decode()
    shown = f'<img alt="{escape(caption)}; the numbers are in the tables." src="data:image/png;base64,{picture}">'
    return f'<div class="scroll" tabindex="0">{shown}</div>'


def verdicts_in_words(
    bootstraps: Bootstraps,
    thresholds: pd.DataFrame,
    targets: pd.DataFrame,
    sign: Mapping[str, int],
    limit: float,
    people: int,
) -> dict[str, str]:
    """Return a paragraph for each verifier and FMR, by a heading.

    thresholds, targets: of `evaluation.operating_points`, with `printed_thresholds`. people: who have pairs of either
    kind.
    """
    several = thresholds["verifier"].nunique() > 1
    found = {}
    for row in thresholds.itertuples():
        text = [f"Set the recogniser's similarity threshold to {row.similarity_threshold:.4f}."]
        if drawn := bootstraps.get((row.verifier, row.fmr)):
            judged = verdict(drawn, limit)
            area = drawn.curves[judged.best].pauc(limit) if judged.best is not None else None
            text.insert(0, _in_words(judged, area))
            mine = (targets["verifier"] == row.verifier) & (targets["fmr"] == row.fmr)
            mine &= targets["key"] == judged.recommended
            text += [_target_in_words(point, sign[point.key]) for point in targets[mine].itertuples()]
        who = f"The genuine pairs, or the impostor pairs, show {people} people only"
        if people < FEWEST_PEOPLE:
            text.append(f"{who}: no intervals and no verdict on methods are given for fewer than {FEWEST_PEOPLE}.")
        elif people < FEW_PEOPLE and bootstraps:
            text.append(f"{who}, so take this with caution: for fewer than {FEW_PEOPLE}, intervals may be too narrow.")
        if not row.reliable:
            text.append(
                f"Do not rely on these numbers: at this FMR, {row.false_matches:.2g} false matches are expected among "
                "the impostor pairs, but at least ten are needed. Use a larger FMR or more impostor pairs."
            )
        found[f"{row.verifier}, FMR {row.fmr:g}" if several else f"FMR {row.fmr:g}"] = " ".join(text)
    return found


def _target_in_words(point: Any, sign: int) -> str:
    """Say below which score to reject for a wanted FNMR, and what that costs. point: a row of `target_table`."""
    wanted = f"an FNMR of at most {100 * point.target_fnmr:g} %"
    if point.rejection_threshold != point.rejection_threshold:
        return f"No rejection threshold of {point.key} reaches {wanted}."
    where = f"{'below' if sign > 0 else 'above'} {point.threshold}"
    cost = f"{point.images_rejected:.1%} of the images and {point.pairs_rejected:.1%} of the pairs".replace("%", " %")
    rough = "" if point.reliable else " This is only a rough estimate, because there are too few pairs."
    return f"For {wanted}, reject images whose {point.key} score is {where}. This rejects {cost}.{rough}"


def _in_words(judged: Verdict, area: float | None) -> str:
    """Say which method is best and by how much, whether methods beat random order, and which one to use."""
    if judged.best is None or area is None:
        return "No method has a pAUC at this FMR, because too few pairs are left."
    worse = [key for key in judged.behind if key not in judged.tied]
    nearest = {key: judged.behind[key] for key in [*judged.tied[:_NEXT], *worse[:1]]}
    text = [f"The best method is {judged.best} (pAUC·10³ {1e3 * area:.1f}; smaller is better)."]
    if judged.tied:
        ties = _listed([_with_interval(key, nearest.get(key)) for key in judged.tied])
        text.append(f"It cannot be told apart from {ties}: the 95 % interval of the difference in pAUC·10³ contains 0.")
    if worse:
        others = _listed([_with_interval(key, nearest.get(key)) for key in worse])
        text.append(f"It is better than {others}.")
    failing = [key for key in judged.gain if key not in judged.useful]
    if not failing:
        text.append("It beats random order." if len(judged.gain) == 1 else "All methods beat random order.")
    elif judged.useful:
        text.append(f"Not shown to beat random order: {_listed(failing)}.")
    else:
        text.append("No method was shown to beat random order, so none is recommended.")
    if judged.recommended is not None:
        text.append(f"Recommended: {judged.recommended}.")
        if judged.tied:
            text.append("Of the best methods that beat random order, it comes first in the order given.")
    elif judged.useful:
        text.append("None is recommended, because none of the best methods was shown to beat random order.")
    return " ".join(text)


def _with_interval(key: object, difference: Difference | None) -> str:
    if difference is None:
        return str(key)
    ends = (f"{1e3 * value:+.1f}".replace("-", "−") for value in difference)
    return "{} ({} [{}, {}])".format(key, *ends)


def _listed(words: Collection[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
