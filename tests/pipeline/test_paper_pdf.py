"""The committed papers say what the committed tables and numbers say."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader

REPORTS = Path(__file__).parents[2] / "reports"
PAPERS = sorted(REPORTS.glob("*/paper.pdf"))


def words_of(path: Path) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(path).pages).split())


def numbers_of(path: Path) -> list[float]:
    """The numbers of a table but those that name a row, and the ends of intervals."""
    table = pd.read_csv(path).select_dtypes("float")
    shown = [name for name in table if name != "ratio" and not name.endswith(("_low", "_high"))]
    return table[shown].stack().dropna().tolist()


def test_the_default_run_has_one():
    assert REPORTS / "default" / "paper.pdf" in PAPERS


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.parent.name)
def test_every_number_of_the_tables_is_in_it(paper):
    words = set(re.findall(r"[−\d.]+", words_of(paper)))
    tables = sorted((paper.parent / "paper").glob("paper-table*.csv"))
    assert tables
    for table in tables:
        for number in numbers_of(table):
            printed = {f"{number:.{digits}f}".replace("-", "−") for digits in (2, 3)} | {f"{float(f'{number:.2g}'):g}"}
            assert printed & words, (table.name, number)
    assert paper.stat().st_size < 2e6


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.parent.name)
def test_it_has_the_claims_and_the_setting(paper):
    words = words_of(paper)
    claims = pd.read_csv(paper.parent / "claims.csv")
    for claim in claims.itertuples():
        for number in re.findall(r"−?\d+\.\d+", claim.evidence):
            assert number in words, (claim.claim, number)
    made = json.loads((paper.parent / "manifest.json").read_text(encoding="utf-8"))
    assert made["commit"] in words and all(number in words for number in made["versions"].values())
