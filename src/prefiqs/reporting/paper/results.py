"""What the stages of a run have written, of all benchmarks and quality estimators, under the paper's names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from prefiqs.io.scores import SEEN
from prefiqs.io.tables import read_table

BENCHMARKS = ("Adience", "AgeDB-30", "CFP-FP", "CFP-FF", "LFW", "CALFW", "CPLFW", "XQLFW", "IJB-C")
# The FR models in the order of Table 5, and the estimator whose quality the paper evaluates with all of them.
VERIFIERS = {
    "iresnet100": "ArcFace",
    "curricularface": "CurricularFace",
    "elasticface": "ElasticFace",
    "magface": "MagFace",
}
ESTIMATOR = "iresnet100"
AREAS = ["benchmark", "quality", "verifier", "method", "fmr", "threshold", "limit", "pauc", "auc", "reliable", "seen"]
DRIFTS = ["benchmark", "quality", "verifier", "method", "ratio", "fmr", "threshold", "limit", "pauc"]
ACCURACY = ["benchmark", "quality", "strategy", "ratio", "flip_test", "accuracy"]


@dataclass(frozen=True)
class Results:
    """The tables of a run, one row a number: benchmark (the paper's name if it has one), quality (the estimator), …

    areas: verifier, method, fmr, threshold (recomputed or fixed), limit of pAUC, pauc and auc (·10³), reliable, seen
        (the method's network was trained on images of the benchmark), and pauc_low, pauc_high where intervals were
        computed.
    drifts: the same for the two drifts of Table 2, at one pruning ratio.
    accuracy: strategy, ratio, flip_test, accuracy (%) of Table 4.
    """

    areas: pd.DataFrame
    drifts: pd.DataFrame
    accuracy: pd.DataFrame


def collect(
    reports: str | Path,
    benchmarks: Iterable[str],
    models: Iterable[str],
    limit: float = 0.3,
    threshold: str = "recomputed",
) -> Results:
    """Read the tables of every benchmark and quality estimator that are there; what is not there is left out.

    limit, threshold: the discard fraction up to which the run computed pAUC and its convention (`edc` in params.yaml),
    for tables that do not say so in a column. A table without verifiers is verified by the estimator itself; a Table 4
    whose numbers (REPORTS/numbers) do not mention the flip test was made without it.
    """
    reports = Path(reports)
    found: dict[str, list[pd.DataFrame]] = {"areas": [], "table2": [], "table4": []}
    known = {"limit": limit, "threshold": threshold}
    for benchmark, model in product(benchmarks, models):
        for stem, parts in found.items():
            path = reports / "tables" / f"{stem}-{benchmark}-{model}.csv"
            if path.is_file():
                table = read_table(path).assign(benchmark=paper_name(benchmark), quality=model)
                parts.append(_completed(table, stem, reports / "numbers", f"{benchmark}-{model}", known))
    return Results(_joined(found["areas"], AREAS), _joined(found["table2"], DRIFTS), _joined(found["table4"], ACCURACY))


def paper_name(benchmark: str) -> str:
    """The paper's name of a benchmark, `cfp_fp` or `ijb-c` for instance, or the name itself if the paper has none."""
    return {slug(name): name for name in BENCHMARKS}.get(slug(benchmark), benchmark)


def slug(name: str) -> str:
    """What counts of a name in files: slug and digits, capitals or not."""
    return "".join(char for char in name.casefold() if char.isalnum())


def _completed(table: pd.DataFrame, stem: str, numbers: Path, name: str, known: dict) -> pd.DataFrame:
    if stem == "table4":
        return table.assign(flip_test=bool(_number(numbers / f"verification-{name}.json", "flip_test")))
    if stem == "areas":
        names = table["method"]
        table = table.assign(method=names.str.removesuffix(SEEN), seen=names.str.endswith(SEEN))
    if stem == "table2":
        known = known | {"verifier": table["quality"], "ratio": _number(numbers / f"jacobian-{name}.json", "ratio")}
    return table.assign(**{column: value for column, value in known.items() if column not in table})


def _number(path: Path, key: str) -> float | bool | None:
    return json.loads(path.read_text(encoding="utf-8")).get(key) if path.is_file() else None


def _joined(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
