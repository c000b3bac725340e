"""Tables 1 and 5: PreFIQs among the methods of the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from prefiqs.io.scores import SEEN
from prefiqs.io.tables import read_table
from prefiqs.reporting.cells import Layout
from prefiqs.reporting.paper.layout import MEAN, METHODS, PaperTable, marks, mean_note, pivot_benchmarks
from prefiqs.reporting.paper.pruning import PAPER_FMR, file_name, setting_note
from prefiqs.reporting.paper.results import VERIFIERS, Results, slug

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


# Whose line of the printed Table 1 says what a method of ours needs.
_NEEDS_AS = {
    "ser-fiq": "SER-FIQ", "faceqan": "FaceQAN", "grafiqs": "GraFIQs", "froq": "FROQ", "vitnt-fiqa": "ViTNT-FIQA",
    "vit-fiqa": "ViT-FIQA(T)", "ex-fiqa": "ViT-FIQA(T)",
}  # fmt: skip


def supervision_of(name: str, known: Mapping[str, str]) -> str:
    """How a method is supervised: "unsupervised", "semi-supervised", "supervised" or "not stated".

    name: as in the tables of a run. known: name -> method, of those that the run made itself.
    """
    name = name.removesuffix(SEEN)
    return SUPERVISION.get(known.get(name, name), "not stated")


def overview(printed: str | Path) -> PaperTable:
    """Table 1 as printed: what the methods need, and their passes at inference."""
    table = read_table(Path(printed) / "table1_overview.csv")
    table = table.rename(columns=lambda name: name.replace("_", " ").capitalize())
    layout = Layout(spans=dict.fromkeys(list(table)[5:], "Inference"))
    caption = "Operation and concepts of the methods, as the paper states them"
    return PaperTable("paper-table1", caption, table, layout=layout)


def measured_overview(
    costs: Mapping[str, Mapping], passes: Mapping[str, tuple[int, int]], printed: str | Path
) -> PaperTable:
    """Table 1 of this run: what its methods need, and what an image costs beside a plain pass of the same network.

    costs: name -> method, model, milliseconds (of one image) and plain (of a forward pass), as notebook 07 measures
    them. passes: method -> forward and backward passes. What a method needs is what the paper states of it; those that
    it does not list are as PreFIQs. Times are not in the CSV.
    """
    needs = overview(printed).table.set_index("Method").iloc[:, :4]
    rows = []
    for name, cost in costs.items():
        own = needs.loc[_NEEDS_AS.get(cost["method"], "PreFIQs (Ours)")]
        forward, backward = passes[cost["method"]]
        times = {"ms an image": cost["milliseconds"], "plain passes": cost["milliseconds"] / cost["plain"]}
        rows.append({METHODS: name, "Network": cost["model"]} | dict(own)
                    | {"Feed forward": forward, "Backwards": backward} | times)  # fmt: skip
    table = pd.DataFrame(rows)
    measured = tuple(times) if rows else ()
    layout = Layout(spans=dict.fromkeys([*("Feed forward", "Backwards")[: 2 * len(rows)], *measured], "Inference"),
                    measured=measured)  # fmt: skip
    notes = (
        "SER-FIQ repeats the last layer alone: its hundred passes cost little more than one. Times are of the machine "
        "that made this run, in large batches, the start left out; plain passes: how many forward passes of the same "
        "network take as long."
    )
    caption = "What the methods of this run need, and what an image costs"
    return PaperTable("paper-table1-ours", caption, table, notes, digits=2, layout=layout)


def comparison_table(
    results: Results,
    printed: str | Path,
    quality: str,
    ratio: float = PAPER_RATIO,
    fmr: float = PAPER_FMR,
    threshold: str = "recomputed",
    area: str = "pauc",
    known: Mapping[str, str] | None = None,
) -> PaperTable:
    """Table 5 and its supplementary forms: one block an FR model, one row a method.

    printed: folder of the printed tables, for the order of the methods and how each is supervised. ratio: the one of
    PreFIQs (unstructured, L1). Methods with scores of their own stand here whatever the estimator; those that read an
    embedding are the estimator's. Marked best per FR model, in the mean also per kind of supervision; a § where a
    method's network was trained on images of the benchmark. known: name -> method, of those that the run made itself.
    """
    areas, order = results.areas, read_table(Path(printed) / "table5_sota_pauc.csv")
    supervision = dict(zip(order["method"], order["supervision"], strict=True))
    part = areas[(areas["fmr"] == fmr) & (areas["threshold"] == threshold)]
    part = with_rows(part, quality, ratio, set(order["method"])).dropna(subset="row")
    part = part.drop_duplicates(["benchmark", "verifier", "row"])
    table, layout = pivot_benchmarks(part, area, ["verifier", "row"], BENCHMARKS)
    table = _sorted(table, VERIFIERS, order["method"])
    table.insert(0, "block", table["verifier"].map(lambda name: VERIFIERS.get(name, name)))
    kinds = [supervision.get(name) or supervision_of(name, known or {}) for name in table["row"]]
    table.insert(3, "supervision", kinds)
    table.insert(4, METHODS, table["row"] + table["supervision"].map(lambda kind: _MARKS.get(kind, "")))
    best = marks(table, layout, BENCHMARKS[0], "min")
    within = dict.fromkeys(best, ["block"]) | {MEAN: ["block", "supervision"]}
    signs = _signs(table, part[part["seen"].astype(bool)])
    layout = replace(layout, blocks="block", hidden=("verifier", "row", "supervision"), within=within, signs=signs)
    words = {"pauc": "pAUC", "auc": "AUC"}[area]
    caption = f"Quality assessment methods by FR model: {words}·10³, {OURS} from {quality} at ρ = {ratio:g}"
    notes = (
        f"† supervised, ‡ semi-supervised. {setting_note(part, fmr, threshold, area)} {mean_note(table, BENCHMARKS)}"
        + (" § The method's network was trained on images of this benchmark." if signs else "")
    )
    return PaperTable(
        file_name("paper-table5", quality, fmr, threshold, area), caption, table, notes, best, layout=layout
    )


def with_rows(areas: pd.DataFrame, quality: str, ratio: float, published: set[str]) -> pd.DataFrame:
    """Name in a new column `row` under which method of Table 5 each result stands; missing where under none.

    published: the methods of the paper, whose score files may spell them otherwise (CRFIQAL).
    """

    printed = {slug(name): name for name in published}

    def row(method: str, estimator: str) -> str | None:
        if (method, estimator) in SAME:
            return SAME[method, estimator]
        if slug(method) in printed and method not in SUPERVISION:
            return printed[slug(method)]
        if estimator != quality or method == _ORACLE:
            return None
        if method == f"unstructured-l1-{ratio:g}":
            return OURS
        return None if _PRUNED.match(method) else NAMES.get(method, method)

    rows = [row(*pair) for pair in zip(areas["method"], areas["quality"], strict=True)]
    return areas.assign(row=pd.Series(rows, index=areas.index, dtype=object))


def _signs(table: pd.DataFrame, seen: pd.DataFrame) -> dict[str, tuple[int, ...]]:
    """Where the results `seen` stand in the table: column -> positions of rows."""
    rows = list(zip(table["verifier"], table["row"], strict=True))
    places: dict[str, tuple[int, ...]] = {}
    for benchmark, verifier, row in zip(seen["benchmark"], seen["verifier"], seen["row"], strict=True):
        places[benchmark] = (*places.get(benchmark, ()), rows.index((verifier, row)))
    return places


def _sorted(table: pd.DataFrame, verifiers: Iterable[str], rows: Iterable[str]) -> pd.DataFrame:
    """Sort blocks and rows as the paper does; what it does not have follows."""
    blocks = list(dict.fromkeys([*verifiers, *table["verifier"]]))
    names = list(dict.fromkeys([*rows, *table["row"]]))
    places = [(blocks.index(v), names.index(r)) for v, r in zip(table["verifier"], table["row"], strict=True)]
    return table.iloc[sorted(range(len(table)), key=places.__getitem__)].reset_index(drop=True)
