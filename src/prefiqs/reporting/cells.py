"""How numbers become the text of cells, and which of them are marked as best and second best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from prefiqs.io.scores import SEEN

BEST, SECOND = 1, 2
MARKDOWN_MARKS = {BEST: "**{}**", SECOND: "*{}*"}
LATEX_MARKS = {BEST: r"\textbf{{{}}}", SECOND: r"\underline{{{}}}"}
MARKDOWN_INTERVAL = "{} [{}, {}]"
# Below the value, in small type: beside it, eight benchmarks would not fit on a page.
LATEX_INTERVAL = r"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{}\\[-3pt]{{\tiny [{},\,{}]}}\end{{tabular}}"


@dataclass(frozen=True)
class Layout:
    """How a table is set where it is more than one header and its rows.

    blocks: the column whose value heads a block of rows and is not shown beside them.
    hidden: further columns that only the CSV holds.
    spans: column -> what stands above it and its neighbours with the same words.
    within: column -> the columns that a row must share with others to be ranked among them (default: no such limit).
    intervals: columns NAME whose NAME_low and NAME_high are shown in the same cell; the CSV keeps them apart.
    signs: column -> positions of the rows whose cell bears a §, which the notes explain.
    measured: columns that the CSV lacks, for they differ from run to run.
    """

    blocks: str | None = None
    hidden: tuple[str, ...] = ()
    spans: Mapping[str, str] = field(default_factory=dict)
    within: Mapping[str, list[str]] = field(default_factory=dict)
    intervals: tuple[str, ...] = ()
    signs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    measured: tuple[str, ...] = ()

    def bounds(self, column: str) -> list[str]:
        """The columns with the limits of the interval of `column`."""
        return [f"{column}_low", f"{column}_high"]

    def shown(self, columns: list[str]) -> list[str]:
        """Those of the columns that Markdown and LaTeX show."""
        unseen = {self.blocks, *self.hidden, *(bound for name in self.intervals for bound in self.bounds(name))}
        return [column for column in columns if column not in unseen]

    def named(self) -> set[str]:
        """Every column that this layout speaks of."""
        groups = {column for group in self.within.values() for column in group}
        bounds = {bound for name in self.intervals for bound in self.bounds(name)}
        return {
            *filter(None, [self.blocks]),
            *self.hidden,
            *self.spans,
            *self.within,
            *groups,
            *self.intervals,
            *bounds,
            *self.signs,
            *self.measured,
        }


def as_text(values: pd.Series, decimals: int | None) -> list[str]:
    """Return numbers with so many decimals (None: as they stand), and a dash for what is missing."""
    if not pd.api.types.is_float_dtype(values):
        return ["–" if pd.isna(value) else str(value) for value in values]
    form = "g" if decimals is None else f".{decimals}f"
    # + 0.0 turns a negative zero into zero; the true minus sign is as wide as a digit
    return ["–" if pd.isna(value) else f"{value + 0.0:{form}}".replace("-", "−") for value in values]


def markdown_cell(text: str) -> str:
    """Return text that does not end its cell in a Markdown table."""
    return text.replace("|", "\\|")


def ranks(table: pd.DataFrame, best: Mapping[str, str], within: Mapping[str, list[str]]) -> dict[str, pd.Series]:
    """Rank the columns of `best`, equal values alike, 1 = best; a value that is alone in its group has no rank."""
    found = {}
    for column, direction in best.items():
        everything = pd.Series(0, index=table.index)
        keys = [table[name] for name in within.get(column, [])] or [everything]
        group = table[column].groupby(keys, sort=False, dropna=False)
        found[column] = group.rank(method="dense", ascending=direction == "min").where(group.transform("count") > 1)
    return found


def marked(text: pd.DataFrame, places: Mapping[str, pd.Series], styles: Mapping[int, str]) -> pd.DataFrame:
    """Put the cells of the columns in `places` into the style of their rank, if there is one."""
    styled = text.copy()
    for column, rank in places.items():
        styled[column] = [
            styles.get(place, "{}").format(cell) for cell, place in zip(text[column], rank.tolist(), strict=True)
        ]
    return styled


def with_intervals(text: pd.DataFrame, layout: Layout, form: str) -> pd.DataFrame:
    """Put the limits of intervals into the cells of their value, where there are any."""
    joined = text.copy()
    for column in layout.intervals:
        parts = zip(text[column], *(text[bound] for bound in layout.bounds(column)), strict=True)
        joined[column] = [form.format(*part) if part[1] not in ("–", "--") else part[0] for part in parts]
    return joined


def with_signs(text: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Put a § behind the cells of `layout.signs`."""
    signed = text.copy()
    for column, rows in layout.signs.items():
        signed.iloc[list(rows), signed.columns.get_loc(column)] += SEEN
    return signed
