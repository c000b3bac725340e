"""The report as one self-contained page: no scripts, no other files, no requests to any host."""

from base64 import b64encode
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs import __version__
from prefiqs.apps.evaluate.inputs import RANDOM_ORDERS, EvaluationInputs, Settings
from prefiqs.io.atomic import read_text, write_text
from prefiqs.reporting.figures.style import as_png
from prefiqs.reporting.html.pages import STATIC, render
from prefiqs.reporting.tables import CellStyle, Table

_HTML = CellStyle(escape, "<strong>{}</strong>", "{}", "{} [{}, {}]")
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
    page = {"title": title, "verdicts": verdicts, "facts": about, "parts": parts, "version": __version__}
    write_text(render("standalone", **page, style=read_text(STATIC / "style.css")), path)


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
    for method, scores in inputs.scores.items():
        if (missing := np.isnan(scores)).any():
            said.append(f"{method} has no score for {_share(missing)}")
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
    return f'<img alt="{escape(caption)}; the numbers are in the tables." src="data:image/png;base64,{picture}">'
