"""The whole pipeline on a reduced params.yaml, in a copy of the compendium: interrupted, ended, changed, repeated."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from reduced import ENVIRONMENT, change_params, dvc, make_compendium

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def compendium(tmp_path_factory):
    """A copy of the compendium at reduced size, interrupted once and then run to its end."""
    copy = tmp_path_factory.mktemp("clone")
    make_compendium(copy)
    interrupt_at(copy, copy / "data" / "pruned" / "sface")
    dvc(copy, "repro")
    return copy


def interrupt_at(copy: Path, sign: Path) -> None:
    """Start the pipeline and kill it, with all its processes, as soon as `sign` appears: a stage is half done then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=copy, env=ENVIRONMENT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not sign.exists():
        assert process.poll() is None, "the pipeline ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_all_results_are_there(compendium):
    reports = compendium / "reports"
    for name in ["edc", "pauc", "accuracy", "gallery", "jacobian", "density", "ranks", "side-by-side"]:
        for ending in ["png", "pdf"]:
            assert (reports / "figures" / f"{name}-orl-xq-sface.{ending}").stat().st_size > 5000
    for name in ["exits", "attention"]:
        assert (reports / "figures" / f"{name}-orl-xq-vit-prefiqs.png").stat().st_size > 5000
    for name in ["table2", "table3", "table4", "jacobian-ablation"]:
        for ending in ["csv", "md", "tex"]:
            assert (reports / "tables" / f"{name}-orl-xq-sface.{ending}").stat().st_size > 100
    for stage in [*range(1, 13), 14]:  # 13, the ablation, is not in the default run
        assert list((reports / "notebooks").glob(f"{stage:02d}-*.html"))
    assert (compendium / "site" / "gallery-orl-xq.html").is_file()
    assert "## The claims of the paper" in (reports / "README.md").read_text(encoding="utf-8")


def test_tables_hold_what_the_parameters_ask_for(compendium):
    table = pd.read_csv(compendium / "reports" / "tables" / "table3-orl-xq-sface.csv")
    assert sorted(table["ratio"].unique()) == [0.1, 0.6]
    assert table["strategy"].nunique() == 2
    index = pd.read_parquet(compendium / "data" / "benchmarks" / "orl-xq" / "index.parquet")
    assert len(index) == 6 * 10 * 2
    areas = pd.read_csv(compendium / "reports" / "tables" / "areas-orl-xq-sface.csv")
    assert set(areas["verifier"]) == {"sface", "mobilefacenet-192"}
    assert areas["pauc"].between(0, 300).all()
    assert {"froq", "ex-fiqa", "norm", "unstructured-l1-0.6"} <= set(areas["method"])


def test_a_second_run_does_nothing(compendium):
    assert "up to date" in dvc(compendium, "repro")


def test_metrics_and_plots_show(compendium):
    assert "best_variant" in dvc(compendium, "metrics", "show")
    assert "index.html" in dvc(compendium, "plots", "show", "-o", str(compendium / "plots"))


def test_repeating_a_stage_gives_the_same_bytes(compendium):
    tables = compendium / "reports" / "tables"
    before = {p.name: p.read_bytes() for p in tables.glob("*-orl-xq-sface.csv")}
    embeddings = compendium / "data" / "embeddings" / "orl-xq" / "sface" / "unstructured-l1-0.6.npy"
    raw = embeddings.read_bytes()
    dvc(compendium, "repro", "--single-item", "--force", "embed-degraded@benchmark0-sface", "edc@orl-xq-sface")
    assert embeddings.read_bytes() == raw
    assert {p.name: p.read_bytes() for p in tables.glob("*-orl-xq-sface.csv")} == before


def test_a_new_ratio_prunes_again_but_does_not_align_again(compendium):
    change_params(compendium, {"prune": {"ratios": [0.2]}})
    plan = dvc(compendium, "repro", "--dry")
    running = {line.split("'")[1].split("@")[0] for line in plan.splitlines() if line.startswith("Running stage")}
    change_params(compendium, {"prune": {"ratios": [0.1, 0.6]}})
    assert running >= {"prune", "embed"}
    assert not running & {"fetch", "align", "degrade", "verifier"}
