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


def cells_of(path: Path) -> set[str]:
    """The numbers of a Markdown table, as they are printed."""
    rows = [
        line.strip().strip("|").split("|") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "|"
    ]
    cells = (re.sub(r"[*§\\]", "", cell).strip() for row in rows[2:] for cell in row)
    return {cell for cell in cells if re.fullmatch(r"−?[\d.]+", cell)}


def test_the_default_run_has_one():
    assert REPORTS / "default" / "paper.pdf" in PAPERS


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.parent.name)
def test_every_number_of_the_tables_is_in_it(paper):
    words = set(words_of(paper).split())
    tables = sorted((paper.parent / "paper").glob("paper-table*.md"))
    assert tables
    for table in tables:
        assert cells_of(table) <= words, (table.name, sorted(cells_of(table) - words)[:5])
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
