"""A tiny made-up project: what a run leaves behind, for two benchmarks and four methods."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from prefiqs.datasets.benchmark import Benchmark, save_benchmark
from prefiqs.io.atomic import write_text
from prefiqs.io.scores import write_scores
from prefiqs.io.tables import write_table
from prefiqs.pipeline.layout import method_path, scores_path
from prefiqs.pipeline.params import Params, load_params

ROOT = Path(__file__).parents[2]
KINDS = ("gaussian-blur", "jpeg", "occlusion")
PHOTOS, COPIES = 60, 5  # more faces than the gallery adds at a time
CHANGED = {
    "benchmarks": {
        "all": ["toy", "toy-xq"], "paired": ["toy-xq"], "photos": ["toy"],
        "cross_quality": [{"name": "toy-xq", "source": "toy"}],
    },
    "models": {"quality": ["sface"], "cross": ["other"]},
    "prune": {"granularities": ["unstructured", "structured"], "criteria": ["l1"], "ratios": [0.4]},
    "methods": {"compared": ["ser-fiq"], "calibrated_on": "toy"},
    "verification": {"benchmarks": [], "flip_test": []},
    "report": {"claims": ["toy-xq"], "labelled": ["toy-xq"]},
}  # fmt: skip


@dataclass
class Project:
    """A folder as a run leaves it; `index` and `scores` (by name in files) are those of toy-xq."""

    folder: Path
    index: pd.DataFrame
    images: np.ndarray
    scores: dict[str, np.ndarray]

    @property
    def params(self) -> Params:
        return load_params(self.folder / "params.yaml")

    @property
    def places(self) -> tuple[Params, Path, Path]:
        """What `build_site` takes after the folder of the site."""
        return self.params, self.folder / "data", self.folder / "reports"

    def change(self, block: str, **values) -> None:
        params = yaml.safe_load((self.folder / "params.yaml").read_text())
        params[block] |= values
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture
def project(tmp_path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="session")
def make() -> Callable[[Path], Project]:
    return make_project


def make_project(folder: Path) -> Project:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for block, values in CHANGED.items():
        params[block] |= values
    write_text(yaml.safe_dump(params, sort_keys=False), folder / "params.yaml")
    write_text("stages: {}\n", folder / "dvc.yaml")
    rng = np.random.default_rng(7)
    index, images = _faces(rng)
    data = folder / "data"
    methods = ("unstructured-l1-0.4", "structured-l1-0.4", "norm", "ser-fiq")
    scores = {m: rng.normal(size=len(index)).astype(np.float32) for m in methods}
    # differences in the seventh digit, and ties
    scores["unstructured-l1-0.4"] = (0.9 + 3e-7 * rng.integers(0, 250, len(index))).astype(np.float32)
    untouched = (index["degradation"] == "none").to_numpy()
    for name, rows in {"toy": untouched, "toy-xq": np.full(len(index), True)}.items():
        nothing = np.empty((0, 2), np.int32), np.empty(0, bool)
        save_benchmark(Benchmark(name, images[rows], index[rows].reset_index(drop=True), *nothing), data)
        names = index["name"][rows].to_numpy()
        own = {m: scores[m][rows] for m in scores if m != "ser-fiq"}
        write_scores(names, own, scores_path(data, name, "sface"))
    write_scores(index["name"].to_numpy(), {"ser-fiq": scores["ser-fiq"]}, method_path(data, "toy-xq", "ser-fiq"))
    _write_reports(folder / "reports")
    return Project(folder, index, images, scores)


def _faces(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    rows = [
        {
            "name": f's{photo // 6}/<b>"ü" {photo}.pgm#{copy}', "subject": f"s{photo // 6}",
            "source": f"{photo}.pgm", "degradation": KINDS[(photo + copy) % 3] if copy else "none",
            "severity": round(float(rng.uniform(0, 1)), 4) if copy else 0.0,
        }
        for photo in range(PHOTOS)
        for copy in range(COPIES)
    ]  # fmt: skip
    small = rng.integers(0, 256, (len(rows), 4, 4, 3), np.uint8)
    return pd.DataFrame(rows), np.kron(small, np.ones((1, 28, 28, 1), np.uint8))


def _write_reports(reports: Path) -> None:
    found = {
        "best_variant": "unstructured-l1-0.4",
        "fnmr_without_discard": {"sface": 0.0677, "other": 0.25},
        "pauc_best": {"sface": 12.0, "other": 50.0},
        "pauc_norm": {"sface": 15.0, "other": 40.0},
        "pauc_random_mean": {"sface": 20.0, "other": 0.0},
    }
    write_text(json.dumps({"edc-toy-xq-sface": found}), reports / "numbers.json")
    claims = [
        ("Unstructured L1 beats structured L1 at every ρ", "toy-xq-sface", "smaller at 1 of 1 & <all>", "yes"),
        ("PreFIQs (unstructured-l1-0.4) beats the embedding norm", "toy-xq-sface", "12 against 15", "no"),
    ]
    write_table(pd.DataFrame(claims, columns=["claim", "benchmark", "evidence", "holds"]), reports / "claims.csv")
    write_text(
        "# What survives\n\n![edc](figures/edc-toy-xq-sface.png)\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n\n"
        "Tables: [table3](tables/table3-toy-xq-sface.md). Pages: [10](notebooks/10-edc-toy-xq-sface.html)\n",
        reports / "README.md",
    )
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>x</title></head><body><h1 id="x">10 · Does '
    )
    write_text(page + "discarding help?<a>¶</a></h1></body></html>", reports / "notebooks" / "10-edc-toy-xq-sface.html")
    (reports / "figures").mkdir()
    for ending in ("png", "pdf"):
        Image.new("RGB", (1500, 40), "teal").save(reports / "figures" / f"edc-toy-xq-sface.{ending}")
    columns = "".join(f" a long name of column {i} |" for i in range(9))
    wide = f"Areas of <everything>\n\n|{columns}\n|{' --- |' * 9}\n|{' 1.234 |' * 9}\n"
    write_text(wide, reports / "tables" / "table3-toy-xq-sface.md")
    write_text("a,b\n1,2\n", reports / "tables" / "table3-toy-xq-sface.csv")
    write_text("| **x** |<br>\n", reports / "paper" / "paper-table1.md")
    methods = ["unstructured-l1-0.4", "norm", "ser-fiq", "structured-l1-0.4"]
    areas = pd.MultiIndex.from_product(
        [["sface", "other"], methods, [1e-3, 1e-4], ["recomputed", "fixed"]],
        names=["verifier", "method", "fmr", "threshold"],
    ).to_frame(index=False)
    # nine and eleven: in the order of texts they would change places
    areas = areas.assign(
        fnmr=0.05, pauc=[9.0 + 2.13 * ((7 * i) % 32) for i in range(32)], auc=30.0, fmr_resolvable=True
    )
    areas["pauc_low"] = areas["pauc"].where(areas["method"] != "structured-l1-0.4") - 1
    areas["pauc_high"] = areas["pauc"] + 1
    write_table(areas, reports / "tables" / "areas-toy-xq-sface.csv")
    chance = areas[["verifier", "fmr"]].drop_duplicates()
    chance = chance.assign(pauc_mean=80.5, pauc_std=1.0, pauc_min=78.0, pauc_max=83.0, orders=20)
    write_table(chance, reports / "tables" / "random-toy-xq-sface.csv")
