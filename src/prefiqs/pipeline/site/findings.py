"""What the start page and the table of results say, taken from the files of the stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from prefiqs.io.tables import read_table
from prefiqs.pipeline.params import Params
from prefiqs.pipeline.site.files import read_json, there
from prefiqs.pipeline.site.methods import method_labels

# How the claims about pruning begin; the others of the report are what any measure of quality must face.
CLAIMS_OF_THE_PAPER = ("Unstructured L1 beats", "L1 beats random", "Jacobian and discrete")
RESULT_COLUMNS = (
    "benchmark",
    "estimator",
    "verifier",
    "method",
    "fmr",
    "threshold",
    "fnmr",
    "pauc",
    "low",
    "high",
    "auc",
)


def claims(reports: Path) -> list[dict[str, Any]]:
    """The claims in the order of the report: claim, papers (whether it is the paper's), holds, of, evidence.

    A claim judged on several benchmarks `holds` on so many `of` them; evidence is one entry a benchmark.
    """
    table = read_table(there(reports / "claims.csv"))
    return [
        {
            "claim": claim,
            "papers": claim.startswith(CLAIMS_OF_THE_PAPER),
            "holds": int((rows["holds"] == "yes").sum()),
            "of": len(rows),
            "evidence": rows[["benchmark", "evidence", "holds"]].to_dict("records"),
        }
        for claim, rows in table.groupby("claim", sort=False)
    ]


def key_numbers(reports: Path, params: Params) -> list[dict[str, Any]]:
    """PreFIQs at its best ratio against the norm and the random order, one entry a judged benchmark and estimator.

    Judged are the benchmarks of `report.claims`; where there are none, all that have pairs.
    """
    numbers, labels = read_json(reports / "numbers.json"), method_labels(params)
    judged = params.report.claims or params.benchmarks.paired
    return [
        _key_numbers(benchmark, model, numbers[f"edc-{benchmark}-{model}"], labels)
        for benchmark, model in product(judged, params.models.quality)
    ]


def _key_numbers(benchmark: str, model: str, found: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    best, norm, chance = found["pauc_best"], found["pauc_norm"], found["pauc_random_mean"]
    return {
        "benchmark": benchmark,
        "model": model,
        "best": labels[found["best_variant"]],
        "rows": [
            {
                "verifier": v,
                "fnmr": 100 * found["fnmr_without_discard"][v],
                "prefiqs": best[v],
                "norm": norm[v],
                "random": chance[v],
                "saved": _saved(best[v], chance[v]),
                "norm_saved": _saved(norm[v], chance[v]),
            }
            for v in best
        ],
    }


def _saved(area: float, chance: float) -> float | None:
    """By how many percent an area is smaller than that of the random order; None where that is zero."""
    return 100 * (1 - area / chance) if chance else None


def results(reports: Path, params: Params) -> pd.DataFrame:
    """Areas of every method, verifier and benchmark: `RESULT_COLUMNS`; fnmr in percent, areas times 1000.

    The random order is a method here: its area is the mean over the orders, low and high are the least and the largest.
    """
    parts = [
        part
        for benchmark, model in product(params.benchmarks.paired, params.models.quality)
        for part in _results(reports, benchmark, model, params)
    ]
    return pd.concat(parts, ignore_index=True)[list(RESULT_COLUMNS)]


def _results(reports: Path, benchmark: str, model: str, params: Params) -> Iterator[pd.DataFrame]:
    keys = {"benchmark": benchmark, "estimator": model}
    areas = read_table(there(reports / "tables" / f"areas-{benchmark}-{model}.csv"))
    labels = method_labels(params)
    areas = areas.rename(columns={"pauc_low": "low", "pauc_high": "high"})
    yield areas.assign(**keys, fnmr=100 * areas["fnmr"], method=[labels.get(m, m) for m in areas["method"]])
    chance = read_table(there(reports / "tables" / f"random-{benchmark}-{model}.csv"))
    undiscarded = areas.groupby(["verifier", "fmr"])["fnmr"].first()
    yield chance.rename(columns={"pauc_mean": "pauc", "pauc_min": "low", "pauc_max": "high"}).assign(
        **keys,
        method="random order",
        threshold=params.edc.threshold,
        fnmr=100 * undiscarded.loc[list(zip(chance["verifier"], chance["fmr"], strict=True))].to_numpy(),
        auc=float("nan"),
    )
