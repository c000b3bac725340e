"""A tiny made-up compendium: what a run leaves behind, for two benchmarks and four methods."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from small_site import write_small_site

from prefiqs.datasets.benchmark import Benchmark, save_benchmark
from prefiqs.io.atomic import write_text
from prefiqs.io.tables import write_table
from prefiqs.pipeline.identity import MethodId, Scores, identity_table
from prefiqs.pipeline.params import overlaid, read_yaml
from prefiqs.pipeline.run import Run, open_run
from prefiqs.pruning.spec import PruningSpec

ROOT = Path(__file__).parents[3]
KINDS = ("gaussian-blur", "jpeg", "occlusion")
PHOTOS, COPIES = 60, 5  # more faces than the gallery adds at a time
CHANGED = {
    "benchmarks": {
        "all": ["toy", "toy-xq"], "paired": ["toy-xq"], "photos": ["toy"],
        "cross_quality": [{"name": "toy-xq", "source": "toy"}],
    },
    "align": {"show_faces": {"toy": True, "toy-xq": True}},
    "models": {"quality": ["sface"], "cross": ["other"]},
    "prune": {"granularities": ["unstructured", "structured"], "criteria": ["l1"], "ratios": [0.4]},
    "methods": {"compared": ["ser-fiq"], "calibrated_on": "toy"},
    "transformer": {"benchmarks": []},
    "candidates": {"benchmarks": []},
    "jacobian": {"benchmarks": ["toy-xq"]},
    "verification": {"benchmarks": [], "flip_test": []},
    "report": {"claims": ["toy-xq"], "labelled": ["toy-xq"]},
}  # fmt: skip


UNSTRUCTURED = MethodId.of_spec("sface", PruningSpec(0.4))
STRUCTURED = MethodId.of_spec("sface", PruningSpec(0.4, "structured"))
NORM = MethodId.of("norm", "sface")
SER_FIQ = MethodId.of("ser-fiq", "sface")
METHODS = (UNSTRUCTURED, STRUCTURED, NORM, SER_FIQ)


@dataclass
class Project:
    """A folder as a run leaves it; `index` and `scores` are those of toy-xq."""

    folder: Path
    index: pd.DataFrame
    images: np.ndarray
    scores: dict[MethodId, np.ndarray]

    @property
    def run(self) -> Run:
        return open_run(self.folder)

    @property
    def reports(self) -> Path:
        return self.folder / "reports" / "default"

    def change(self, changes: dict) -> None:
        path = self.folder / "params.yaml"
        path.write_text(yaml.safe_dump(overlaid(read_yaml(path), changes), sort_keys=False))


@pytest.fixture
def project(tmp_path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="session")
def make() -> Callable[[Path], Project]:
    return make_project


def make_project(folder: Path) -> Project:
    content = overlaid(read_yaml(ROOT / "params.yaml"), CHANGED)
    write_text(yaml.safe_dump(content, sort_keys=False), folder / "params.yaml")
    write_text("", folder / ".prefiqs-root")
    rng = np.random.default_rng(7)
    index, images = _faces(rng)
    run = open_run(folder)
    scores = {m: rng.normal(size=len(index)).astype(np.float32) for m in METHODS}
    # differences in the seventh digit, and ties
    scores[UNSTRUCTURED] = (0.9 + 3e-7 * rng.integers(0, 250, len(index))).astype(np.float32)
    untouched = (index["degradation"] == "none").to_numpy()
    for name, rows in {"toy": untouched, "toy-xq": np.full(len(index), True)}.items():
        nothing = np.empty((0, 2), np.int32), np.empty(0, bool)
        save_benchmark(Benchmark(name, images[rows], index[rows].reset_index(drop=True), *nothing), run.layout.data)
        own = {m: scores[m][rows] for m in METHODS if m != SER_FIQ}
        Scores.of(index["name"][rows].to_numpy(), own, lambda _: False).write(run.layout.scores(name, "sface"))
    of_ser_fiq = Scores.of(index["name"].to_numpy(), {SER_FIQ: scores[SER_FIQ]}, lambda _: True)
    of_ser_fiq.write(run.layout.method_scores("toy-xq", "ser-fiq"))
    _write_reports(folder / "reports" / "default")
    write_small_site(folder)
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
    write_text(json.dumps({"run": "default"}), reports / "manifest.json")
    columns = ["claim", "from_paper", "text", "benchmark", "estimator", "evidence", "verdict"]
    claims = [
        ("granularity", True, "Unstructured beats structured", "toy-xq", "sface", "smaller at 1 of 1 & <all>", "yes"),
        ("norm", False, "PreFIQs beats the embedding norm", "toy-xq", "sface", "12 against 15", "no"),
    ]
    write_table(pd.DataFrame(claims, columns=columns).assign(reliable=True), reports / "claims.csv")
    write_text("Claims\n\n| a |\n| --- |\n| 1 |\n", reports / "claims.md")
    item = reports / "edc" / "toy-xq" / "sface"
    write_text(
        "# What survives\n\n![curves](edc/toy-xq/sface/edc.png)\n\n$Q = 1 - D/2$ costs $5\n\n"
        "| a | b |\n| --- | ---: |\n| x | 1 |\n\n"
        "Tables: [table3](edc/toy-xq/sface/table3.md). [13](edc/toy-xq/sface/13_edc.ipynb)\n",
        reports / "README.md",
    )
    item.mkdir(parents=True)
    picture = new_output("display_data", {"image/png": "iVBORw0KGgo="})
    equation, links = "$$ D = \\lVert e \\rVert_2 $$", "[itself](13_edc.ipynb)"
    cells = [
        new_markdown_cell(f"# 13 · Does discarding help?\n\n{equation}\n\n{links}"),
        new_code_cell("x = 1\nprint(x)", outputs=[new_output("stream", text="1 < 2\n"), picture]),
    ]
    nbformat.write(new_notebook(cells=cells), item / "13_edc.ipynb")
    Image.new("RGB", (1500, 40), "teal").save(item / "edc.png")
    names = "".join(f" a long name of column {i} |" for i in range(9))
    wide = f"Areas of <everything>\n\n|{names}\n|{' --- |' * 9}\n|{' 1.234 |' * 9}\n"
    write_text(wide, item / "table3.md")
    write_text("a,b\n1,2\n", item / "table3.csv")
    areas = pd.MultiIndex.from_product(
        [["sface", "other"], [m.key for m in METHODS], [1e-3, 1e-4], ["recomputed", "fixed"]],
        names=["verifier", "key", "fmr", "threshold"],
    ).to_frame(index=False)
    # nine and eleven: in the order of texts they would change places
    areas = areas.assign(
        fnmr=0.05, pauc=[9.0 + 2.13 * ((7 * i) % 32) for i in range(32)], auc=30.0, limit=0.3, fmr_resolvable=True
    )
    areas["pauc_low"] = areas["pauc"].where(areas["key"] != STRUCTURED.key) - 1
    areas["pauc_high"] = areas["pauc"] + 1
    areas["reliable"] = (areas["fmr"] == 1e-3) & (areas["key"] != SER_FIQ.key)
    recomputed = areas["threshold"] == "recomputed"
    for column, area in (("random", 80.5), ("random_low", 78.0), ("random_high", 83.0)):
        areas[column] = pd.Series(area, areas.index).where(recomputed)
    areas = areas.merge(identity_table({m: m == SER_FIQ for m in METHODS}), on="key")
    write_table(areas, item / "areas.csv")
