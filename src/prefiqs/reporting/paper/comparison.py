"""Tables 1 and 5: PreFIQs among the methods of the field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from prefiqs.reporting.cells import Layout
from prefiqs.reporting.paper.layout import MEAN, METHODS, PaperTable, marks, mean_note, set_out
from prefiqs.reporting.paper.pruning import PAPER_FMR, file_name, setting_note
from prefiqs.reporting.paper.results import VERIFIERS, Results, letters
from prefiqs.reporting.tables import read_table

BENCHMARKS = ("Adience", "AgeDB-30", "CFP-FP", "LFW", "CALFW", "CPLFW", "XQLFW", "IJB-C")
OURS = "PreFIQs"
PAPER_RATIO = 0.4
# Scores of this package that are a method of the paper, by the network that makes them. What the paper ran SER-FIQ,
# GraFIQs and the other training-free methods on it does not say: ours stand under their own names.
SAME = {("norm", "magface"): "MagFace", ("vit-fiqa", "vit-fiqa-t"): "ViT-FIQA(T)"}
NAMES = {"norm": "embedding norm"}
_TRAINING_FREE = ("embedding norm", "jacobian", "prefiqs-fast", "vitnt-fiqa", "ser-fiq", "grafiqs", "faceqan")
SUPERVISION = dict.fromkeys(_TRAINING_FREE, "unsupervised") | {
    "froq": "semi-supervised",
    "vit-fiqa": "supervised",
    "ex-fiqa": "supervised",
}
_MARKS = {"supervised": " †", "semi-supervised": " ‡", "not stated": " (?)"}
_PRUNED = re.compile(r"(un)?structured-(l1|random)-[\d.]+")
_ORACLE = "true severity"  # what was done to the images: a bound, no method


def overview(printed: str | Path) -> PaperTable:
    """Table 1 as printed: what the methods need, and their passes at inference."""
    table = read_table(Path(printed) / "table1_overview.csv")
    table = table.rename(columns=lambda name: name.replace("_", " ").capitalize())
    layout = Layout(spans=dict.fromkeys(list(table)[5:], "Inference"))
    caption = "Operation and concepts of the methods, as the paper states them"
    return PaperTable("paper-table1", caption, table, layout=layout)


def comparison_table(
    results: Results,
    printed: str | Path,
    quality: str,
    ratio: float = PAPER_RATIO,
    fmr: float = PAPER_FMR,
    threshold: str = "recomputed",
    area: str = "pauc",
) -> PaperTable:
    """Table 5 and its supplementary forms: one block an FR model, one row a method.

    printed: folder of the printed tables, for the order of the methods and how each is supervised. ratio: the one of
    PreFIQs (unstructured, L1). Methods with scores of their own stand here whatever the estimator; those that read an
    embedding are the estimator's. Marked best per FR model, in the mean also per kind of supervision.
    """
    areas, order = results.areas, read_table(Path(printed) / "table5_sota_pauc.csv")
    supervision = SUPERVISION | dict(zip(order["method"], order["supervision"], strict=True))
    part = areas[(areas["fmr"] == fmr) & (areas["threshold"] == threshold)]
    part = with_rows(part, quality, ratio, set(order["method"])).dropna(subset="row")
    part = part.drop_duplicates(["benchmark", "verifier", "row"])
    table, layout = set_out(part, area, ["verifier", "row"], BENCHMARKS)
    table = _sorted(table, VERIFIERS, order["method"])
    table.insert(0, "block", table["verifier"].map(lambda name: VERIFIERS.get(name, name)))
    table.insert(3, "supervision", table["row"].map(lambda name: supervision.get(name, "not stated")))
    table.insert(4, METHODS, table["row"] + table["supervision"].map(lambda kind: _MARKS.get(kind, "")))
    best = marks(table, layout, BENCHMARKS[0], "min")
    within = dict.fromkeys(best, ["block"]) | {MEAN: ["block", "supervision"]}
    layout = replace(layout, blocks="block", hidden=("verifier", "row", "supervision"), within=within)
    words = {"pauc": "pAUC", "auc": "AUC"}[area]
    caption = f"Quality assessment methods by FR model: {words}·10³, {OURS} from {quality} at ρ = {ratio:g}"
    notes = (
        f"† supervised, ‡ semi-supervised. {setting_note(part, fmr, threshold, area)} {mean_note(table, BENCHMARKS)}"
    )
    return PaperTable(
        file_name("paper-table5", quality, fmr, threshold, area), caption, table, notes, best, layout=layout
    )


def with_rows(areas: pd.DataFrame, quality: str, ratio: float, published: set[str]) -> pd.DataFrame:
    """Name in a new column `row` under which method of Table 5 each result stands; missing where under none.

    published: the methods of the paper, whose score files may spell them otherwise (CRFIQAL).
    """

    printed = {letters(name): name for name in published}

    def row(method: str, estimator: str) -> str | None:
        if (method, estimator) in SAME:
            return SAME[method, estimator]
        if letters(method) in printed and method not in SUPERVISION:
            return printed[letters(method)]
        if estimator != quality or method == _ORACLE:
            return None
        if method == f"unstructured-l1-{ratio:g}":
            return OURS
        return None if _PRUNED.match(method) else NAMES.get(method, method)

    rows = [row(*pair) for pair in zip(areas["method"], areas["quality"], strict=True)]
    return areas.assign(row=pd.Series(rows, index=areas.index, dtype=object))


def _sorted(table: pd.DataFrame, verifiers: Iterable[str], rows: Iterable[str]) -> pd.DataFrame:
    """Sort blocks and rows as the paper does; what it does not have follows."""
    blocks = list(dict.fromkeys([*verifiers, *table["verifier"]]))
    names = list(dict.fromkeys([*rows, *table["row"]]))
    places = [(blocks.index(v), names.index(r)) for v, r in zip(table["verifier"], table["row"], strict=True)]
    return table.iloc[sorted(range(len(table)), key=places.__getitem__)].reset_index(drop=True)
