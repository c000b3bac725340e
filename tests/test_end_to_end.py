"""The whole pipeline on a reduced params.yaml, in a copy of the compendium: interrupted, completed, checked, changed.

What it computes is compared with an independent computation from the faces, by the public functions and plain PyTorch.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from reduced import ELSEWHERE, ENVIRONMENT, change_params, dvc, make_compendium
from small_site import write_small_site

import prefiqs
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.params import stage_items
from prefiqs.pipeline.run import Run, open_run
from prefiqs.pipeline.site.build import build_site
from prefiqs.pruning.spec import PruningSpec

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def compendium(tmp_path_factory) -> Path:
    """A copy of the compendium at reduced size, interrupted once and then run to its end."""
    copy = tmp_path_factory.mktemp("clone")
    make_compendium(copy)
    interrupt_at(copy, copy / "data" / "pruned" / "sface")
    dvc(copy, "repro")
    return copy


@pytest.fixture(scope="module")
def run(compendium) -> Run:
    return open_run(compendium)


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


def raw(model, images: np.ndarray) -> np.ndarray:
    """Raw embeddings in plain PyTorch, eight faces at a time."""
    with torch.no_grad():
        parts = [model(model.prepare(np.ascontiguousarray(part))) for part in np.array_split(images, len(images) // 8)]
    return torch.cat(parts).numpy()


@pytest.fixture(scope="module")
def oracle(run) -> dict[str, np.ndarray]:
    """Raw embeddings of the benchmark's faces by the network and its copy pruned at ρ = 0.6, and of mirrored faces."""
    images = np.asarray(run.benchmark("orl-xq").images)
    model = prefiqs.load_model("sface", device="cpu")
    pruned = prefiqs.prune(model, 0.6)
    mirrored = images[:, :, ::-1]
    return {"plain": raw(model, images), "pruned": raw(pruned, images), "mirrored": raw(model, mirrored)}


def unit(table: np.ndarray) -> np.ndarray:
    table = table.astype(np.float64)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


OURS = MethodId.of_spec("sface", PruningSpec(0.6))


def test_every_stage_has_a_folder_and_it_is_published(compendium):
    for item in stage_items(compendium):
        if item.results:
            published = compendium / "reports" / "default" / item.results.removeprefix("data/results/")
            assert len(list(published.glob("[0-9][0-9]_*.ipynb"))) == 1, item.results
    figures = {p.stem for p in (compendium / "reports").rglob("*.png")}
    assert figures >= {"edc", "intervals", "gallery", "scatter", "density", "exits", "attention"}
    readme = (compendium / "reports" / "default" / "README.md").read_text(encoding="utf-8")
    assert "## Do the paper's claims hold here?" in readme and "## How these results were made" in readme
    assert json.loads((compendium / "reports" / "default" / "manifest.json").read_text())["seconds"] > 10
    assert not list(compendium.glob("reports/*.md")), "the pages of several runs are not written by one of them"
    assert not ELSEWHERE.exists(), "PREFIQS_DATA is for use outside the pipeline"


def test_the_site_shows_the_run(compendium, tmp_path):
    for name in ("data", "reports", "params.yaml", ".prefiqs-root"):
        (tmp_path / name).symlink_to(compendium / name)
    (tmp_path / "notebooks").mkdir()  # without the tutorials, which lead to our documentation
    for notebook in compendium.glob("notebooks/[0-9]*.ipynb"):
        (tmp_path / "notebooks" / notebook.name).symlink_to(notebook)
    write_small_site(tmp_path)
    site = build_site(tmp_path, tmp_path / "site")
    assert (site / "reports" / "default" / "gallery-orl-xq.html").is_file()
    notebooks = {path.relative_to(compendium) for path in compendium.glob("reports/**/*.ipynb")}
    assert len(notebooks) > 20 and all((site / name.with_suffix(".html")).is_file() for name in notebooks)


def test_scores_equal_a_computation_from_the_faces(run, oracle):
    scores = Scores.read(run.layout.scores("orl-xq", "sface"))
    quality = 1 - np.linalg.norm(unit(oracle["plain"]) - unit(oracle["pruned"]), axis=1) / 2
    np.testing.assert_allclose(scores[OURS], quality, atol=2e-5)
    norm = np.linalg.norm(oracle["plain"].astype(np.float64), axis=1)
    np.testing.assert_allclose(scores[MethodId.of("norm", "sface")], norm, rtol=1e-4)
    assert scores.methods["trained_on"].sum() == 0
    compared = Scores.read(run.layout.method_scores("orl-xq", "ex-fiqa"))
    faces = np.asarray(run.benchmark("orl-xq").images)[:12]
    expected = prefiqs.score(faces, "ex-fiqa", "vit-prefiqs", device="cpu")
    np.testing.assert_allclose(compared[MethodId.of("ex-fiqa", "vit-prefiqs")][:12], expected, atol=1e-5)


def test_areas_equal_a_computation_from_the_faces(run, oracle):
    benchmark = run.benchmark("orl-xq")
    e = unit(oracle["plain"])
    similarity = (e[benchmark.pairs[:, 0]] * e[benchmark.pairs[:, 1]]).sum(1).astype(np.float32)
    quality = Scores.read(run.layout.scores("orl-xq", "sface"))[OURS]
    pair_quality = quality[benchmark.pairs].min(axis=1)
    areas = pd.read_csv(run.layout.results("edc", "orl-xq", "sface") / "areas.csv")
    ours = areas[(areas["key"] == OURS.key) & (areas["verifier"] == "sface")].set_index(["fmr", "threshold"])
    for (fmr, threshold), row in ours.iterrows():
        curve = prefiqs.error_discard_curve(
            similarity, benchmark.genuine, pair_quality, fmr, np.arange(20) / 20, threshold, rule="cr-fiqa"
        )
        assert row["fnmr"] == pytest.approx(curve.fnmr[0], abs=1e-9)
        area = np.trapezoid(curve.fnmr[:7], curve.discard[:7])
        assert row["pauc"] == pytest.approx(1e3 * area, rel=1e-6, abs=1e-9)
    assert len(ours) == 4
    table3 = pd.read_csv(run.layout.results("edc", "orl-xq", "sface") / "table3.csv")
    cell = table3.query("granularity == 'unstructured' and ratio == 0.6")["sface"].item()
    assert cell == pytest.approx(ours.loc[(0.001, "recomputed"), "pauc"])


def test_accuracy_equals_a_computation_from_the_faces(run, oracle):
    benchmark = run.benchmark("orl-xq")
    table = pd.read_csv(run.layout.results("verification", "orl-xq", "sface") / "table4.csv")
    flipped = oracle["plain"] + oracle["mirrored"]
    expected = prefiqs.verification_accuracy(flipped, benchmark.pairs, benchmark.genuine, benchmark.folds, "grid")
    unpruned = table[table["ratio"] == 0].iloc[0]
    assert unpruned["accuracy"] == pytest.approx(100 * expected.mean, abs=1e-8)  # eight decimals in the table
    plain = prefiqs.verification_accuracy(oracle["plain"], benchmark.pairs, benchmark.genuine, benchmark.folds, "grid")
    numbers = json.loads((run.layout.report("default") / "numbers.json").read_text())["verification-orl-xq-sface"]
    assert numbers["unpruned_without_flip_test"] == pytest.approx(100 * plain.mean, rel=1e-5)


def test_the_numbers_are_those_of_the_tables(run):
    numbers = json.loads((run.layout.report("default") / "numbers.json").read_text())
    edc = numbers["edc-orl-xq-sface"]
    areas = pd.read_csv(run.layout.results("edc", "orl-xq", "sface") / "areas.csv")
    chosen = areas.query("verifier == 'sface' and fmr == 0.001 and threshold == 'recomputed'")
    l1 = chosen.query("method == 'prefiqs' and granularity == 'unstructured' and criterion == 'l1'")
    best = l1.loc[l1["pauc"].idxmin()]
    assert edc["best_variant"] == PruningSpec(best["ratio"]).label
    assert edc["pauc_best"]["sface"] == pytest.approx(best["pauc"], rel=1e-5)
    assert edc["pauc_norm"]["sface"] == pytest.approx(chosen.set_index("method").loc["norm", "pauc"], rel=1e-5)
    random = areas.query("fmr == 0.001 and threshold == 'recomputed'").groupby("verifier")["random_low"].first()
    assert edc["pauc_random_min"] == pytest.approx(random.to_dict(), rel=1e-5)
    drifts = Scores.read(run.layout.derivatives("orl-xq", "sface")).values.values()
    assert len(drifts) == 2 and numbers["jacobian-orl-xq-sface"]["spearman"] > 0.9


def test_a_second_run_does_nothing_and_the_status_is_quiet(compendium):
    assert "up to date" in dvc(compendium, "repro")
    assert dvc(compendium, "status").strip() == "Data and pipelines are up to date."


def test_metrics_fit_a_terminal_and_plots_need_no_network(compendium):
    metrics = dvc(compendium, "metrics", "show")
    assert "pauc" in metrics and max(map(len, metrics.splitlines())) <= 160
    dvc(compendium, "plots", "show", "-o", str(compendium / "plots"))
    assert list((compendium / "plots").rglob("*.png"))


def running(compendium: Path, changes: dict) -> set[str]:
    """The stages that a change of parameters would run again."""
    before = (compendium / "params.yaml").read_text()
    change_params(compendium, changes)
    plan = dvc(compendium, "repro", "--dry")
    (compendium / "params.yaml").write_text(before)
    return {line.split("'")[1].split("@")[0] for line in plan.splitlines() if line.startswith("Running stage")}


def test_a_change_runs_what_it_touches_and_nothing_else(compendium):
    again = running(compendium, {"prune": {"ratios": [0.2]}})
    # fetch checks parameters against networks
    assert again >= {"fetch", "prune", "embed", "derivatives", "contributions"}
    assert not again & {"align", "degrade", "verifier", "method"}
    again = running(compendium, {"edc": {"limit": 0.2}})
    assert {"edc", "jacobian", "transformer", "candidates"} <= again
    assert not again & {"derivatives", "exits", "contributions", "embed", "score", "method", "verification", "cost"}
    again = running(compendium, {"candidates": {"exponents": [0, 2]}})
    assert "candidates" in again and not again & {"contributions", "edc", "cost"}
    assert running(compendium, {"candidates": {"benchmarks": []}}) == {"cost", "report", "publish"}


def test_a_new_benchmark_leaves_the_results_of_the_others(compendium):
    file = compendium / "src" / "prefiqs" / "datasets" / "album.py"
    file.write_text('"""A benchmark."""\n')
    assert running(compendium, {}) == {"align"}
    file.unlink()


def test_an_experiment_runs_outside_the_working_tree(compendium):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")

    def git(*arguments: str) -> str:
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=compendium, capture_output=True, text=True, check=True).stdout

    git("add", "--all")
    git("commit", "--quiet", "--message", "the reduced run")
    dvc(compendium, "exp", "run", "--temp", "--name", "tried", "--set-param", "report.note=an experiment")
    (made,) = git("for-each-ref", "--format=%(refname)", "refs/exps/**/tried").split()
    assert "an experiment" in git("show", f"{made}:reports/default/README.md")
    assert not git("status", "--porcelain")
    dvc(compendium, "exp", "run", "--queue", "--name", "queued", "--set-param", "report.note=waiting")
    assert "queued" in dvc(compendium, "queue", "status")
    dvc(compendium, "queue", "remove", "queued")


def test_repeating_a_stage_gives_the_same_bytes(compendium):
    folder = compendium / "data" / "results" / "edc" / "orl-xq" / "sface"
    embeddings = compendium / "data" / "embeddings" / "orl-xq" / "sface" / "unstructured-l1-0.6.npy"
    before = {p.name: p.read_bytes() for p in folder.iterdir()} | {"raw": embeddings.read_bytes()}
    dvc(
        compendium,
        "repro",
        "--single-item",
        "--force",
        "--no-run-cache",
        "embed-degraded@benchmark0-sface",
        "edc@orl-xq-sface",
    )
    assert {p.name: p.read_bytes() for p in folder.iterdir()} | {"raw": embeddings.read_bytes()} == before


def test_what_is_removed_from_the_parameters_leaves_no_trace(compendium):
    """Run, remove, run. The last test, because it changes the run."""
    folder = compendium / "reports" / "default"
    texts = [folder / "README.md", folder / "numbers.json", folder / "23_report.ipynb"]
    words = ("candidates", "contributions")
    assert all(any(word in path.read_text(encoding="utf-8") for word in words) for path in texts)
    change_params(compendium, {"candidates": {"benchmarks": []}})
    dvc(compendium, "repro")
    assert not any(word in path.read_text(encoding="utf-8") for path in texts for word in words)
    assert not list(folder.glob("**/*candidates*")), "although DVC leaves the stage's own folder"
    assert (compendium / "data" / "results" / "candidates" / "orl-xq").is_dir()
