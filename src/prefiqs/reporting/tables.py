"""One table, three files: CSV for machines, Markdown for GitHub, LaTeX for papers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from prefiqs.core.errors import InputError
from prefiqs.core.records import write_table, write_text
from prefiqs.reporting.latex import escape, latex_table

DEFAULT_DIGITS = 3
BEST, SECOND = 1, 2
_MARKDOWN = {BEST: "**{}**", SECOND: "*{}*"}
_LATEX = {BEST: r"\textbf{{{}}}", SECOND: r"\underline{{{}}}"}


def write_table_files(
    table: pd.DataFrame,
    name: str,
    folder: str | Path,
    caption: str,
    best: Mapping[str, str] | None = None,
    digits: int | Mapping[str, int] = DEFAULT_DIGITS,
    notes: str = "",
) -> pd.DataFrame:
    """Write NAME.csv, NAME.md and NAME.tex into `folder` and return the table rounded as printed, for showing.

    table: its columns in the order to print; the index is left out. caption stands above, notes below the table; both,
        like the column names, are plain text (ρ, ·, %, _ are escaped for LaTeX).
    best: column -> "min" or "max", the direction that is better. The best values of the column are set bold, the second
        best italic (Markdown) or underlined (LaTeX), all of them where several are equal; missing values do not count.
    digits: decimals in Markdown and LaTeX, one number or column -> number (3 for columns not named). Columns of set
        values such as 0.1 or 0.0001 (at most two significant digits each, and not in `best`) are printed as they
        stand, unless named. The CSV holds the unrounded numbers. A missing value is printed as a dash.

    Raises InputError when `best` or `digits` names a column that is not there or not numeric, or another direction.
    """
    folder, best = Path(folder), best or {}
    named, usual = (digits, DEFAULT_DIGITS) if isinstance(digits, Mapping) else ({}, digits)
    _check_columns(table, best, named)
    set_values = [column for column in table if column not in best and _are_set_values(table[column])]
    decimals = {c: usual for c in table if pd.api.types.is_float_dtype(table[c]) and c not in set_values} | dict(named)

    rounded = table.round(decimals)
    text = pd.DataFrame({column: _as_text(rounded[column], decimals.get(column)) for column in table}, dtype=object)
    # Ranked as printed: of two cells that show the same number, one set bold would look like a mistake.
    ranks = {column: rounded[column].rank(method="dense", ascending=best[column] == "min") for column in best}
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table]

    write_table(table, folder / f"{name}.csv")
    markdown = _marked(text.map(_markdown_cell), ranks, _MARKDOWN).to_markdown(
        index=False,
        headers=[_markdown_cell(str(column)) for column in table],
        disable_numparse=True,
        colalign=["right" if right else "left" for right in numeric],
    )
    write_text("\n\n".join(part for part in (caption, markdown, notes) if part) + "\n", folder / f"{name}.md")
    cells = _marked(text.map(escape), ranks, _LATEX)
    write_text(latex_table(cells, numeric, caption, f"tab:{name}", notes), folder / f"{name}.tex")
    return rounded


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV table as written above: only an empty cell is missing, a method called "None" or "NA" is not."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def _are_set_values(values: pd.Series) -> bool:
    return pd.api.types.is_float_dtype(values) and all(float(f"{v:.2g}") == v for v in values.dropna())


def _check_columns(table: pd.DataFrame, best: Mapping[str, str], digits: Mapping[str, int]) -> None:
    for column in [*best, *digits]:
        if column not in table or not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(
                f"best, digits: expected numeric columns of the table, got {column!r}; "
                f"it has {', '.join(str(name) for name in table)}."
            )
    for column, direction in best.items():
        if direction not in ("min", "max"):
            raise InputError(f'best: expected "min" or "max", got {direction!r} for column {column!r}.')


def _as_text(values: pd.Series, decimals: int | None) -> list[str]:
    if not pd.api.types.is_float_dtype(values):
        return ["–" if pd.isna(value) else str(value) for value in values]
    form = "g" if decimals is None else f".{decimals}f"
    # + 0.0 turns a negative zero into zero; the true minus sign is as wide as a digit
    return ["–" if pd.isna(value) else f"{value + 0.0:{form}}".replace("-", "−") for value in values]


def _markdown_cell(text: str) -> str:
    return text.replace("|", "\\|")


def _marked(text: pd.DataFrame, ranks: Mapping[str, pd.Series], styles: Mapping[int, str]) -> pd.DataFrame:
    """Put the cells of the columns in `ranks` into the style of their rank, if there is one."""
    marked = text.copy()
    for column, rank in ranks.items():
        marked[column] = [
            styles.get(place, "{}").format(cell) for cell, place in zip(text[column], rank.tolist(), strict=True)
        ]
    return marked
