"""Numbers that the documents quote are those of the tables that stages wrote."""

import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (0\.\d) \| (.+) \|$", re.M)


def test_what_bfloat16_does():
    table = pd.read_csv(ROOT / "reports" / "study" / "tables" / "precision-orl-xq-sface.csv")
    exact, rounded = (table[table["precision"] == kind].set_index("ratio") for kind in ("fp32", "bf16"))
    quoted = ROW.findall((ROOT / "docs" / "determinism.md").read_text(encoding="utf-8"))
    assert len(quoted) == 4
    for ratio, cells in quoted:
        r = float(ratio)
        written = [exact.loc[r, "median drift"], rounded.loc[r, "median change of drift"]]
        written += [rounded.loc[r, "spearman with fp32"], exact.loc[r, "pauc"], rounded.loc[r, "pauc"]]
        for cell, number in zip(cells.split(" | "), written, strict=True):
            assert cell == f"{number:.{len(cell.partition('.')[2])}f}"
