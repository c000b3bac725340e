"""A table of results: CSV for machines, Markdown for readers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tabulate import tabulate

from prefiqs.io.atomic import write_text
from prefiqs.io.tables import write_table

DEFAULT_DIGITS = 3
MISSING = "–"
TRAINED_ON = "§"  # printed behind a number of a method that knows the benchmark
ALIKE = "until all faces have (nearly) the same embedding"
UNMOVED = "so little that no embedding changes (random order)"
TRAINED_ON_NOTE = f"{TRAINED_ON} Trained or chosen on these images, or on images degraded like them."


class CellStyle(NamedTuple):
    """How a format writes text, the best and the second best number, and a number with its interval."""

    escape: Callable[[str], str]
    best: str
    second: str
    interval: str


MARKDOWN = CellStyle(lambda text: text.replace("|", r"\|"), "**{}**", "*{}*", "{} [{}, {}]")


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A table as it is printed; a notebook shows it as in its Markdown file.

    Attributes:
        frame: the columns in the order of printing, without the index. A column without any value is in the CSV only.
        caption, notes: plain text above and below the table.
        best: column -> "min" or "max". The best values, as printed, are bold and the second best italic, unless there
            is nothing to compare them with.
        digits: decimals, one number or column -> number (3 for other columns). Columns of set values such as 0.1 or
            0.0001 (at most two significant digits each, not in `best`) are printed as they are unless named. A number
            other than zero keeps at least one significant digit. The CSV is not rounded.
        blocks: column whose value stands above a block of rows, instead of beside each row.
        hidden: columns that are in the CSV only. not_in_csv: columns that the CSV lacks, such as measured times.
        within: column of `best` -> columns in which rows must agree to be ranked together.
        intervals: columns NAME to be printed as "NAME [NAME_low, NAME_high]", or column -> the columns of its ends.
        coarse: column -> column of truth values, neither printed nor in the CSV: whether the data bear no more than
            two significant digits; the same holds for the ends of its interval.
        trained_on: column -> one truth value a row: whether a § is printed behind the cell; `notes` say what it means.
    """

    frame: pd.DataFrame
    caption: str
    best: Mapping[str, str] = field(default_factory=dict)
    digits: int | Mapping[str, int] = DEFAULT_DIGITS
    notes: str = ""
    blocks: str | None = None
    hidden: Sequence[str] = ()
    not_in_csv: Sequence[str] = ()
    within: Mapping[str, Sequence[str]] = field(default_factory=dict)
    intervals: Sequence[str] | Mapping[str, tuple[str, str]] = ()
    coarse: Mapping[str, str] = field(default_factory=dict)
    trained_on: Mapping[str, Sequence[bool]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Table({self.caption!r}, {len(self.frame)} rows)"

    def text(self) -> pd.DataFrame:
        """The table as text, with the columns and digits that are printed, but without marks."""
        return self._text()[self.shown()]

    def markdown(self) -> str:
        """Caption, table and notes in Markdown."""
        cells, rows = self.cells(MARKDOWN), []
        for title, row in zip(self.block_titles(), cells.to_numpy().tolist(), strict=True):
            rows += [[f"**{MARKDOWN.escape(title)}**"], row] if title else [row]
        sides = ["right" if right else "left" for right in self.numeric()] if rows else None
        header = [MARKDOWN.escape(str(name)) for name in cells]
        table = tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=sides)
        return "\n\n".join(part for part in (self.caption, table, self.notes) if part) + "\n"

    _repr_markdown_ = markdown  # for notebooks

    def write(self, path: str | Path) -> None:
        """Write PATH.csv, not rounded, and PATH.md; `path` has no suffix."""
        write_table(self.frame.drop(columns=[*{*self.not_in_csv, *self.coarse.values()}]), f"{path}.csv")
        write_text(self.markdown(), f"{path}.md")

    def shown(self) -> list[str]:
        """The columns that are printed."""
        unseen = {self.blocks, *self.hidden, *self.coarse.values(), *chain(*self._ends().values())}
        empty = self.frame.isna().all() & (len(self.frame) > 0)
        return [name for name in self.frame if name not in unseen and not empty[name]]

    def numeric(self) -> list[bool]:
        """Which of the printed columns hold numbers."""
        return [pd.api.types.is_numeric_dtype(self.frame[name]) for name in self.shown()]

    def block_titles(self) -> list[str]:
        """One text a row: the title of the block that begins there, or ""."""
        if self.blocks is None:
            return [""] * len(self.frame)
        titles = self.frame[self.blocks].astype(str)
        return titles.where(titles != titles.shift(), "").tolist()

    def cells(self, style: CellStyle) -> pd.DataFrame:
        """The printed columns in the source of a format, with all marks."""
        text = self._text()
        cells = text.map(style.escape)
        for name, direction in self.best.items():
            rank = self._ranks(name, direction, text)
            for place, mark in enumerate((style.best, style.second), 1):
                cells[name] = cells[name].where(rank != place, cells[name].map(mark.format))
        for name, (low, high) in self._ends().items():
            parts = zip(cells[name], cells[low], cells[high], strict=True)
            joined = [style.interval.format(*of) for of in parts]
            cells[name] = cells[name].where(self.frame[low].isna(), joined)
        for name, marked in self.trained_on.items():
            cells[name] = [cell + f" {TRAINED_ON}" * bool(mark) for cell, mark in zip(cells[name], marked, strict=True)]
        return cells[self.shown()]

    def _ends(self) -> Mapping[str, tuple[str, str]]:
        if isinstance(self.intervals, Mapping):
            return self.intervals
        return {name: (f"{name}_low", f"{name}_high") for name in self.intervals}

    def _text(self) -> pd.DataFrame:
        named, usual = (self.digits, DEFAULT_DIGITS) if isinstance(self.digits, Mapping) else ({}, self.digits)
        value_of = {end: name for name, ends in self._ends().items() for end in ends}
        columns = {}
        for name, values in self.frame.items():
            is_set = pd.api.types.is_float_dtype(values) and all(float(f"{v:.2g}") == v for v in values.dropna())
            own = max(usual - 1, 0) if name in value_of else None if is_set and name not in self.best else usual
            decimals = named.get(name, own)
            mark = self.coarse.get(value_of.get(name, name))
            coarse = [False] * len(values) if mark is None else self.frame[mark].eq(True)
            columns[name] = [
                _as_text(float(f"{value:.2g}"), None) if few else _as_text(value, decimals)
                for value, few in zip(values, coarse, strict=True)
            ]
        return pd.DataFrame(columns, index=self.frame.index, dtype=object)

    def _ranks(self, name: str, direction: str, text: pd.DataFrame) -> pd.Series:
        """1 for the best, 2 for the second best, as printed: equal numbers share a place."""
        printed = pd.to_numeric(text[name].str.replace("−", "-"), errors="coerce")
        keys = [self.frame[key] for key in self.within.get(name, ())] or [pd.Series(0, index=text.index)]
        group = printed.groupby(keys, sort=False, dropna=False)
        rank = group.rank(method="dense", ascending={"min": True, "max": False}[direction])
        return rank.where(group.transform("count") > 1)


def broken(rows: pd.DataFrame, how: str = ALIKE) -> str:
    """A sentence for the notes that names the pruned networks in rows whose column `constant` is true; "" without any.

    rows: also granularity, criterion and ratio. how: what was pruned, and why the rows say nothing.
    """
    alike = rows[rows["constant"].astype(bool)].drop_duplicates(["granularity", "criterion", "ratio"])
    ratios = alike["ratio"].map("{:g}".format).groupby([alike["granularity"], alike["criterion"]], sort=False)
    named = "; ".join(f"{of[0]} {of[1]}, ρ = {some}" for of, some in ratios.agg(", ".join).items()).replace("l1", "L1")
    return f"Pruned {how}: {named}." if named else ""


def doubts_by_verifier(areas: pd.DataFrame) -> pd.Series:
    """By verifier, the line that the heading of its panel ends with if areas are not reliable; "" if all are."""
    few = (~areas["reliable"].astype(bool)).groupby(areas["verifier"]).sum()
    return few.map("\n{} areas not reliable".format).where(few > 0, "")


def marked(methods: pd.DataFrame) -> pd.Series:
    """The labels of methods (columns label and trained_on), as people see them: with § where `trained_on` is true."""
    return methods["label"] + methods["trained_on"].map({True: f" {TRAINED_ON}", False: ""})


def _as_text(value: object, decimals: int | None) -> str:
    """Print one value, a float with so many decimals (None: as it is); only zero is printed as zero."""
    if pd.isna(value):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    text = f"{value:g}" if decimals is None else f"{value:.{decimals}f}"
    if float(text) == 0:
        text = f"{value:.1g}" if value else text.lstrip("-")
    return text.replace("-", "−")  # as wide as a digit
