"""The committed papers say, row by row, what the committed tables and numbers say."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader

REPORTS = Path(__file__).parents[2] / "reports"
PAPERS = sorted(REPORTS.glob("*/paper.pdf"))
HIDDEN = {"block", "granularity", "criterion", "ratio", "drift", "verifier", "key", "supervision"}
DIGITS = {1: 2, 2: 3, 3: 3, 4: 2, 5: 3}  # decimals of each of the paper's tables
HEADER = "claim verdict benchmark estimator evidence"  # again on each page of the table

every_paper = pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.parent.name)


def text_of(path: Path) -> str:
    """The text of all pages without their numbers."""
    pages = (page.extract_text().splitlines()[:-1] for page in PdfReader(path).pages)
    return " ".join(" ".join(line for page in pages for line in page if line != HEADER).split())


def cell(value: object, digits: int) -> str:
    """A pattern of a printed cell: text, or a number with so many decimals or two significant digits."""
    if isinstance(value, str):
        return re.escape(value).replace(r"\ ", r"\s+").replace(r"\-", r"\-\s?")  # lines break there
    if np.isnan(value):
        return "–"
    forms = [f"{value:.{digits}f}", f"{float(f'{value:.2g}'):g}", *[f"{value:g}"] * float(value).is_integer()]
    return f"(?:{'|'.join(re.escape(form.replace('-', '−')) for form in forms)})"


def rows_of(table: pd.DataFrame, digits: int) -> Iterator[str]:
    """A pattern of each row: what is printed of it, in the order of the columns."""
    shown = [name for name in table.dropna(axis=1, how="all") if name not in HIDDEN]
    for row in table.to_dict("records"):
        cells = []
        for name in shown:
            if name.endswith(" high"):  # with its lower end, in brackets below the number
                low, high = (cell(row[f"{name.removesuffix(' high')} {end}"], digits - 1) for end in ("low", "high"))
                cells[-1] += rf"(?: \[{low}, {high}\])" if high != "–" else ""
            elif not name.endswith(" low"):
                cells.append(cell(row[name], digits))
        yield "(?<!\\S)" + "(?: §)? ".join(cells) + r"(?!\S)"


def first_missing(text: str, rows: Iterable[str]) -> str | None:
    """The first row that does not follow the ones before it; None if all do."""
    position = 0
    for row in rows:
        found = re.compile(row).search(text, position)
        if not found:
            return row
        position = found.end()
    return None


def tables_of(paper: Path) -> dict[str, pd.DataFrame]:
    paths = sorted((paper.parent / "paper").glob("paper-table*.csv"))
    return {path.stem: pd.read_csv(path) for path in paths}


def rows_of_all(tables: dict[str, pd.DataFrame]) -> list[str]:
    return [row for name, table in tables.items() for row in rows_of(table, DIGITS[int(name[11])])]


def test_the_default_run_has_one():
    assert REPORTS / "default" / "paper.pdf" in PAPERS


@every_paper
def test_every_row_of_the_tables_is_in_it(paper):
    tables = tables_of(paper)
    assert {int(name[11]) for name in tables} == {1, 2, 3, 4, 5}
    assert first_missing(text_of(paper), rows_of_all(tables)) is None
    assert paper.stat().st_size <= 2_000_000


@pytest.mark.parametrize(
    ("table", "first", "second"),
    [
        ("paper-table1", "Feed forward", "Backwards"),
        ("paper-table4-sface", "orl", "orl-xq"),
        ("paper-table5-sface", "orl-xq", "orl-xq low"),
        ("paper-table5-sface", "orl-xq low", "orl-xq high"),
    ],
)
def test_two_cells_that_are_swapped_are_noticed(table, first, second):
    paper = REPORTS / "default" / "paper.pdf"
    tables = tables_of(paper)
    frame = tables[table]
    row = frame.index[frame[first] != frame[second]][-1]
    frame.loc[row, [first, second]] = frame.loc[row, [second, first]].to_numpy()
    assert first_missing(text_of(paper), rows_of_all(tables)) is not None


def test_two_rows_that_are_swapped_are_noticed():
    paper = REPORTS / "default" / "paper.pdf"
    tables = tables_of(paper)
    numbers = tables["paper-table3-sface"].columns.drop([*HIDDEN, "Methods"], errors="ignore")
    tables["paper-table3-sface"].loc[[0, 1], numbers] = tables["paper-table3-sface"].loc[[1, 0], numbers].to_numpy()
    assert first_missing(text_of(paper), rows_of_all(tables)) is not None


@every_paper
def test_it_has_the_claims_with_their_evidence(paper):
    claims = pd.read_csv(paper.parent / "claims.csv")
    squeezed = re.sub(r"\s", "", text_of(paper))
    shown = claims[["text", "verdict", "benchmark", "estimator", "evidence"]].agg("".join, axis=1)
    assert first_missing(squeezed, (re.escape(re.sub(r"\s", "", row)) for row in shown)) is None


@every_paper
def test_it_has_the_setting(paper):
    text, numbers = text_of(paper), json.loads((paper.parent / "numbers.json").read_text(encoding="utf-8"))
    pairs = {key.split("-", 1)[1]: found["pairs"] for key, found in numbers.items() if key.startswith("edc-")}
    for name, counts in pairs.items():
        benchmark = name.removesuffix("-sface")
        if name != benchmark:
            assert re.search(rf"{benchmark} \d+ \d+ {counts['genuine']} {counts['impostor']} ", text)
    made = json.loads((paper.parent / "manifest.json").read_text(encoding="utf-8"))
    assert made["commit"] in text and all(number in text for number in made["versions"].values())


@every_paper
def test_it_says_which_areas_rest_on_few_errors(paper):
    text = text_of(paper)
    for folder in sorted((paper.parent / "edc").iterdir()):
        areas = pd.concat(pd.read_csv(path) for path in folder.glob("*/areas.csv"))
        for fmr, part in areas[areas["threshold"] == "recomputed"].groupby("fmr"):
            where, matches = f"On {folder.name} at FMR {fmr:g}, ", part["false_matches"].min()
            errors = part.groupby("verifier", sort=False)["fewest_errors"].min()
            few = ", ".join(f"{verifier} ({number})" for verifier, number in errors[errors < 10].items())
            named = re.search(rf"{where}some areas include .*?: (.*?)\. These", text)
            assert sorted(few.split(", ")) == sorted(named[1].split(", ") if named else [""])
            assert (f"{where}as few as {matches:.2g} false matches" in text) == (matches < 10)


@every_paper
def test_the_abstract_counts_every_test_once(paper):
    claims = pd.read_csv(paper.parent / "claims.csv").query("from_paper and reliable and verdict != '–'")
    counts = [(claims["verdict"] == verdict).sum() for verdict in ("yes", "no", "undecided")]
    said = re.search(r"Of (\d+) tests .*? holds in (\d+), fails in (\d+), and is undecided in (\d+)\.", text_of(paper))
    assert [int(number) for number in said.groups()] == [sum(counts), *counts]


@every_paper
def test_it_says_what_each_benchmark_is_and_what_the_label_is_shown_against(paper):
    text, numbers = text_of(paper), json.loads((paper.parent / "numbers.json").read_text(encoding="utf-8"))
    for key, found in numbers.items():
        stage, _, benchmark = key.partition("-")
        if stage in ("align", "degrade"):
            counts = " ".join(str(found[what]) for what in ("people", "images", "genuine", "impostor"))
            assert re.search(rf"{benchmark} {counts} [A-Za-z]{{2}}", text)
    drawn = [found["drawn"] for key, found in numbers.items() if key.startswith("density-")]
    assert all(f"(Fig. 2 of the paper): {'; '.join(names)}. Darker" in text for names in drawn)
    assert ("Fig. 2, drift and quality against a quality label, is not drawn in this run" in text) == (not drawn)


def candidates_of(paper: Path) -> pd.DataFrame:
    paths = sorted((paper.parent / "candidates").glob("*/*/areas.csv"))
    areas = pd.concat(pd.read_csv(path).assign(data=path.parts[-3], estimator=path.parts[-2]) for path in paths)
    areas = areas.dropna(subset="passes")  # methods on other networks have no price here
    by = ["data", "estimator", "verifier"]
    norm = areas[areas["key"] == "norm ‖e‖"].set_index(by)["pauc"].rename("norm")
    return areas.join(norm, on=by).eval("ratio = pauc / norm")


@every_paper
def test_it_compares_scores_by_their_price(paper):
    text, areas = text_of(paper), candidates_of(paper)
    sure = areas.groupby("data")["reliable"].all()
    sure = sure.index[sure]
    for key in ("norm ‖e‖", "pruning-margin ‖e‖·κ²", "PreFIQs, ρ = 0.4"):
        expected = []
        for _, rows in areas[areas["key"] == key].groupby("estimator"):
            by_data = rows.groupby("data")
            ratios, marks = by_data["ratio"].mean(), by_data["trained_on"].any().map({True: " §", False: ""})
            printed = [
                f"{ratio:.3f}" if data in sure else f"{float(f'{ratio:.2g}'):g}" for data, ratio in ratios.items()
            ]
            cells = sorted(map("".join, zip(printed, marks, strict=True)))
            if len(cells) > 1:
                cells.append(f"{ratios[sure].mean():.3f}{marks[sure].max()}")
            expected.append([f"{rows['passes'].iloc[0]:.2f}", *cells])
        found = re.findall(rf"{cell(key, 0)} (\d\.\d\d)((?: \d(?:\.\d+)?(?: §)?){{{len(expected[0]) - 1}}}) ", text)
        rows = [[passes, *re.findall(r"\d\S*(?: §)?", numbers)] for passes, numbers in found]
        few = len(areas["data"].unique())  # their order is the run's
        assert sorted([row[0], *sorted(row[1 : 1 + few]), *row[1 + few :]] for row in rows) == sorted(expected)


@every_paper
def test_it_counts_what_is_not_reliable_and_what_chose_the_margin_apart(paper):
    text, areas = text_of(paper), candidates_of(paper).query("key == 'pruning-margin ‖e‖·κ²'")
    for rival in ("the norm", "PreFIQs"):
        for (known, reliable), part in areas.groupby(["trained_on", "reliable"]):
            low, high = (part[f"from {rival}_{end}"] for end in ("low", "high"))
            counts = [len(part), (part[f"from {rival}"] < 0).sum(), (high < 0).sum(), (low > 0).sum()]
            names = r", ".join([r"\S+"] * part["data"].nunique()) + " §" * known
            cells = [names, "yes" if reliable else "no", *map(str, counts)]
            row = rf"{rival}(?:, ρ = \S+)? {' '.join(cells)} "
            assert re.search(row, text), row
