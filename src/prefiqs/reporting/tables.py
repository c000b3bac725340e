"""One table, three files: CSV for machines, Markdown for GitHub, LaTeX for papers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from prefiqs.errors import InputError
from prefiqs.io.atomic import write_text
from prefiqs.io.tables import write_table
from prefiqs.reporting import cells
from prefiqs.reporting.cells import Layout
from prefiqs.reporting.latex import escape, latex_table

DEFAULT_DIGITS = 3
PAGE = 50  # lines of a table that a page holds


def write_table_files(
    table: pd.DataFrame,
    name: str,
    folder: str | Path,
    caption: str,
    best: Mapping[str, str] | None = None,
    digits: int | Mapping[str, int] = DEFAULT_DIGITS,
    notes: str = "",
    layout: Layout | None = None,
    latex: bool = True,
) -> pd.DataFrame:
    """Write NAME.csv, NAME.md and NAME.tex into `folder` and return the table rounded as printed, for showing.

    table: its columns in the order to print; the index is left out. caption stands above, notes below the table; both,
        like the column names, are plain text (ρ, ·, %, _ are escaped for LaTeX).
    best: column -> "min" or "max", the direction that is better. The best values of the column are set bold, the second
        best italic (Markdown) or underlined (LaTeX), all of them where several are equal; missing values do not count,
        and a value with nothing to be compared with is not marked.
    digits: decimals in Markdown and LaTeX, one number or column -> number (3 for columns not named). Columns of set
        values such as 0.1 or 0.0001 (at most two significant digits each, and not in `best`) are printed as they
        stand, unless named; limits of intervals with one decimal less. The CSV holds the unrounded numbers. A missing
        value is printed as a dash.
    layout: blocks of rows, headers over several columns, intervals, signs, ranks within groups; none by default. In
        LaTeX, the blocks of a table too long for a page are tables of their own.
    latex: False for a table that no page could hold.

    Raises InputError when `best` or `digits` names a column that is not there or not numeric, or another direction, or
    `layout` a column that is not there.
    """
    folder, best, layout = Path(folder), best or {}, layout or Layout()
    named, usual = (digits, DEFAULT_DIGITS) if isinstance(digits, Mapping) else ({}, digits)
    _check_columns(table, best, named, layout)
    bounds = {bound: max(usual - 1, 0) for column in layout.intervals for bound in layout.bounds(column)}
    set_values = [column for column in table if column not in {*best, *bounds} and _are_set_values(table[column])]
    decimals = {c: usual for c in table if pd.api.types.is_float_dtype(table[c]) and c not in set_values}
    decimals |= bounds | dict(named)

    rounded = table.round(decimals)
    text = pd.DataFrame({c: cells.as_text(rounded[c], decimals.get(c)) for c in table}, dtype=object)
    # Ranked as printed: of two cells that show the same number, one set bold would look like a mistake.
    ranks = cells.ranks(rounded, best, layout.within)
    shown = layout.shown(list(table))
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in shown]
    blocks = text[layout.blocks] if layout.blocks else None

    write_table(table.drop(columns=[*layout.measured]), folder / f"{name}.csv")
    plain = cells.marked(text.map(cells.markdown_cell), ranks, cells.MARKDOWN_MARKS)
    plain = cells.with_signs(cells.with_intervals(plain, layout, cells.MARKDOWN_INTERVAL), layout)[shown]
    markdown = _markdown_table(plain, numeric, blocks, layout.spans)
    write_text("\n\n".join(part for part in (caption, markdown, notes) if part) + "\n", folder / f"{name}.md")
    if latex:
        source = cells.marked(text.map(escape), ranks, cells.LATEX_MARKS)
        source = cells.with_signs(cells.with_intervals(source, layout, cells.LATEX_INTERVAL), layout)[shown]
        parts = [(caption, source, blocks)]
        if layout.blocks and len(table) * (2 if layout.intervals else 1) > PAGE:
            parts = [(f"{caption}: {title}", part, None) for title, part in source.groupby(blocks, sort=False)]
        pages = [
            latex_table(
                part, numeric, words, f"tab:{name}{f'-{number}' if number else ''}", notes, titles, layout.spans
            )
            for number, (words, part, titles) in enumerate(parts)
        ]
        write_text("\n".join(pages), folder / f"{name}.tex")
    return rounded


def _markdown_table(text: pd.DataFrame, numeric: list[bool], blocks: pd.Series | None, spans: Mapping[str, str]) -> str:
    rows = []
    for position, row in enumerate(text.to_numpy().tolist()):
        if blocks is not None and (position == 0 or blocks.iloc[position] != blocks.iloc[position - 1]):
            rows.append([f"**{cells.markdown_cell(blocks.iloc[position])}**"] + [""] * (len(row) - 1))
        rows.append(row)
    headers = [f"{spans[c]}<br>{c}" if c in spans else str(c) for c in text]
    return tabulate(
        rows,
        headers=[cells.markdown_cell(header) for header in headers],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if right else "left" for right in numeric] if rows else None,
    )


def _are_set_values(values: pd.Series) -> bool:
    return pd.api.types.is_float_dtype(values) and all(float(f"{v:.2g}") == v for v in values.dropna())


def _check_columns(table: pd.DataFrame, best: Mapping[str, str], digits: Mapping[str, int], layout: Layout) -> None:
    there = ", ".join(str(name) for name in table)
    for column in [*best, *digits]:
        if column not in table or not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"best, digits: expected numeric columns of the table, got {column!r}; it has {there}.")
    for column, direction in best.items():
        if direction not in ("min", "max"):
            raise InputError(f'best: expected "min" or "max", got {direction!r} for column {column!r}.')
    if absent := sorted(layout.named() - set(table)):
        raise InputError(f"layout: expected columns of the table, got {', '.join(absent)}; it has {there}.")
