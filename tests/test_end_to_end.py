"""The whole pipeline on a reduced params.yaml, in a copy of the compendium: interrupted, completed, checked, changed.

What it computes is compared with an independent computation from the faces, by the public functions and plain PyTorch.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from dvc.repo import Repo
from networkx import ancestors
from reduced import ELSEWHERE, ENVIRONMENT, change_params, dvc, make_compendium
from scipy.stats import spearmanr
from small_site import write_small_site

import prefiqs
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.params import stage_items
from prefiqs.pipeline.run import Run, open_run
from prefiqs.pipeline.site.build import build_site
from prefiqs.pruning.mask import prunable_weights
from prefiqs.pruning.spec import PruningSpec

pytestmark = pytest.mark.long
T = TypeVar("T")


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


def site_of(compendium: Path, tmp_path: Path) -> Path:
    for name in ("data", "reports", "params.yaml", ".prefiqs-root"):
        (tmp_path / name).symlink_to(compendium / name)
    (tmp_path / "notebooks").mkdir()  # without the tutorials, which lead to our documentation
    for notebook in compendium.glob("notebooks/[0-9]*.ipynb"):
        (tmp_path / "notebooks" / notebook.name).symlink_to(notebook)
    write_small_site(tmp_path)
    return build_site(tmp_path, tmp_path / "site")


def test_the_site_shows_the_run(compendium, tmp_path):
    site = site_of(compendium, tmp_path)
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


def fnmr_and_pauc(run, oracle, quality: np.ndarray, fmr: float, threshold: str) -> tuple[float, float]:
    """FNMR without discarding, and pAUC·10³, of quality scores; verified by the embeddings of the oracle."""
    benchmark, e = run.benchmark("orl-xq"), unit(oracle["plain"])
    similarity = (e[benchmark.pairs[:, 0]] * e[benchmark.pairs[:, 1]]).sum(1).astype(np.float32)
    curve = prefiqs.error_discard_curve(
        similarity, benchmark.genuine, quality[benchmark.pairs].min(1), fmr, np.arange(20) / 20, threshold, "cr-fiqa"
    )
    return curve.fnmr[0], 1e3 * np.trapezoid(curve.fnmr[:7], curve.discard[:7])


def test_areas_equal_a_computation_from_the_faces(run, oracle):
    quality = Scores.read(run.layout.scores("orl-xq", "sface"))[OURS]
    areas = pd.read_csv(run.layout.results("edc", "orl-xq", "sface") / "areas.csv")
    ours = areas[(areas["key"] == OURS.key) & (areas["verifier"] == "sface")].set_index(["fmr", "threshold"])
    for (fmr, threshold), row in ours.iterrows():
        fnmr, pauc = fnmr_and_pauc(run, oracle, quality, fmr, threshold)
        assert row["fnmr"] == pytest.approx(fnmr, abs=1e-9)
        assert row["pauc"] == pytest.approx(pauc, rel=1e-6, abs=1e-9)
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


def printed(folder: Path) -> str:
    """What the executed notebook in a folder of results has printed."""
    (path,) = folder.glob("[0-9][0-9]_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.text for cell in cells for o in cell.get("outputs", []) if o.output_type == "stream")


def extremes(values: dict[str, float], smallest: str, largest: str) -> set[str]:
    """What is to be printed of the smallest and the largest value, from templates with `value` and `name`."""
    return {
        template.format(value=values[name], name=name)
        for template, name in ((smallest, min(values, key=values.get)), (largest, max(values, key=values.get)))
    }


def test_findings_about_pruned_layers(run):
    whole = prunable_weights(prefiqs.prune(prefiqs.load_model("sface", device="cpu"), 0.6))
    removed = {name: (weight == 0).double().mean().item() for name, weight in whole.items()}
    said = re.findall(r"(\S+) loses (\d+%)", printed(run.layout.results("prune", "sface")))
    assert [share for _, share in said] == [f"{min(removed.values()):.0%}", f"{max(removed.values()):.0%}"]
    assert [removed[name] for name, _ in said] == [min(removed.values()), max(removed.values())]


def test_findings_about_lengths_and_drifts(run):
    tables = {"unpruned": run.raw_embeddings("orl-xq", "sface")}
    specs = run.params.prune.specs_of("sface")
    tables |= {spec.label: run.raw_embeddings("orl-xq", "sface", spec) for spec in specs}
    lengths = {name: np.median(np.sqrt((table.astype(float) ** 2).sum(1))) for name, table in tables.items()}
    expected = extremes(
        lengths, "Shortest median length: {value:.2f} ({name})", "Longest median length: {value:.2f} ({name})"
    )
    assert not {line for line in expected if line not in printed(run.layout.results("embed", "orl-xq", "sface"))}
    plain = unit(tables.pop("unpruned"))
    drifts = {name: np.median(np.linalg.norm(plain - unit(table), axis=1)) for name, table in tables.items()}
    expected = extremes(drifts, "is smallest with {name} ({value:.3f})", "largest with {name} ({value:.3f})")
    assert not {line for line in expected if line not in printed(run.layout.results("score", "orl-xq", "sface"))}


def test_findings_about_agreement(run):
    ours = Scores.read(run.layout.scores("orl-xq", "sface"))
    scores = {method.label: ours[method] for method in (OURS, MethodId.of("norm", "sface"))}
    for name, entry in run.params.methods.entries.items():
        scores[entry.id.label] = Scores.read(run.layout.method_scores("orl-xq", name))[entry.id]
    scores[MethodId.severity().label] = -run.benchmark("orl-xq").index["severity"].to_numpy()
    alike = {f"{a} and {b}": spearmanr(scores[a], scores[b]).statistic for a, b in combinations(scores, 2)}
    expected = extremes(alike, "Least alike: {name} ({value:.2f}).", "Most alike: {name} ({value:.2f}).")
    assert not {line for line in expected if line not in printed(run.layout.results("agreement", "orl-xq", "sface"))}


@pytest.fixture(scope="module")
def further(compendium, tmp_path_factory) -> dict[str, Path]:
    """Results of two notebooks that the default run leaves out, executed as `dvc repro` would."""
    changes = {
        "ablation": {"ratios": [0.6], "seeds": 2, "fmr": [0.01, 0.001], "passes": [2]},
        "precision": {"ratios": [0.1, 0.6]},
    }
    folders = {}
    for notebook in ("18_ablation", "19_precision"):
        folders[notebook] = tmp_path_factory.mktemp(notebook)
        command = ["prefiqs", "notebook", f"notebooks/{notebook}.ipynb", str(folders[notebook])]
        command += ["-p", "benchmark=orl-xq", "-p", "model=sface"]
        with_changes(compendium, changes, partial(subprocess.run, command, cwd=compendium, env=ENVIRONMENT, check=True))
    return folders


def test_the_ablation_starts_from_what_was_published(run, oracle, further):
    table = pd.read_csv(further["18_ablation"] / "ablation.csv")
    pauc = table[table["ratio"] == 0.6].set_index("variant")["pauc"]
    quality = Scores.read(run.layout.scores("orl-xq", "sface"))[OURS]
    fnmr, published = fnmr_and_pauc(run, oracle, quality, 0.001, "recomputed")
    assert pauc["as published"] == pytest.approx(published, rel=1e-6)
    genuine = run.benchmark("orl-xq").genuine.sum()
    said = printed(further["18_ablation"])
    assert f"{round(fnmr * genuine):,} of {genuine:,} genuine pairs are rejected" in said

    images, model = np.asarray(run.benchmark("orl-xq").images), prefiqs.load_model("sface", device="cpu")
    drawn = [unit(raw(prefiqs.prune(model, 0.6, criterion="random", seed=seed), images)) for seed in (0, 1)]
    drifts = [np.linalg.norm(unit(oracle["plain"]) - table, axis=1) for table in drawn]
    _, of_the_mean = fnmr_and_pauc(run, oracle, -np.mean(drifts, axis=0), 0.001, "recomputed")
    assert pauc["mean score of the seeds"] == pytest.approx(of_the_mean, rel=1e-3)


def test_reduced_precision_is_compared_with_what_was_published(run, oracle, further):
    table = pd.read_csv(further["19_precision"] / "precision.csv")
    exact, rounded = (table[table["precision"] == kind].set_index("ratio") for kind in ("fp32", "bf16"))
    areas = pd.read_csv(run.layout.results("edc", "orl-xq", "sface") / "areas.csv").set_index("key")
    published = areas.query("verifier == 'sface' and fmr == 0.001 and threshold == 'recomputed'")["pauc"]
    keys = {spec.ratio: MethodId.of_spec("sface", spec).key for spec in run.params.prune.main}
    assert exact["pauc"].to_dict() == pytest.approx({ratio: published[key] for ratio, key in keys.items()}, rel=1e-6)
    drift = np.median(np.linalg.norm(unit(oracle["plain"]) - unit(oracle["pruned"]), axis=1))
    assert exact.loc[0.6, "median drift"] == pytest.approx(drift, abs=1e-4)

    said = printed(further["19_precision"])
    assert f"The smallest median drift in float32 is {min(exact['median drift']):.2g}." in said
    alike, change = rounded["spearman with fp32"].to_dict(), (rounded["pauc"] - exact["pauc"]).abs().to_dict()
    assert f"lowest at ρ = {min(alike, key=alike.get):g}: {min(alike.values()):.4f}." in said
    assert f"differs by at most {max(change.values()):.2f} (ρ = {max(change, key=change.get):g})." in said


def test_run_all_shows_results_and_writes_none(compendium):
    """In JupyterLab, of a notebook that writes much as a stage."""

    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in compendium.rglob("*") if path.is_file()}

    before = files()
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--stdout", "05_embed.ipynb"]
    done = subprocess.run(
        command, cwd=compendium / "notebooks", env=ENVIRONMENT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert nbformat.reads(done.stdout, as_version=4).cells[-1].outputs[0].text
    assert files() == before and not ELSEWHERE.exists()


def test_a_second_run_does_nothing_and_the_status_is_quiet(compendium):
    assert "up to date" in dvc(compendium, "repro")
    assert dvc(compendium, "status").strip() == "Data and pipelines are up to date."


def test_metrics_fit_a_terminal_and_plots_need_no_network(compendium):
    metrics = dvc(compendium, "metrics", "show")
    assert "pauc" in metrics and max(map(len, metrics.splitlines())) <= 160
    dvc(compendium, "plots", "show", "-o", str(compendium / "plots"))
    assert list((compendium / "plots").rglob("*.png"))


def with_changes(compendium: Path, changes: dict, then: Callable[[], T]) -> T:
    before = (compendium / "params.yaml").read_text()
    change_params(compendium, changes)
    try:
        return then()
    finally:
        (compendium / "params.yaml").write_text(before)


def running(compendium: Path, changes: dict) -> set[str]:
    """The stages that a change of parameters would run again."""
    plan = with_changes(compendium, changes, lambda: dvc(compendium, "repro", "--dry"))
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


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # by DVC
def test_a_new_benchmark_leaves_the_results_of_the_others(compendium):
    """As CONTRIBUTING.md says: the code of a benchmark, and people of one's own."""
    file = compendium / "src" / "prefiqs" / "datasets" / "album.py"
    file.write_text('"""A benchmark."""\n')
    assert running(compendium, {}) == {"align"}
    file.unlink()

    folder = compendium / "data" / "sources" / "album"
    shutil.copytree(compendium / "data" / "assets" / "orl" / "s1", folder / "s1")
    added = {
        "benchmarks": {"all": ["orl", "orl-xq", "album"], "photos": ["orl", "album"], "paired": ["orl-xq", "album"]},
        "align": {"show_faces": {"album": False}},
    }
    changed = with_changes(compendium, added, lambda: json.loads(dvc(compendium, "status", "--json")))
    assert {"align@album", "score@album-sface", "method@album-froq", "edc@album-sface"} <= changed.keys()
    combined = {"paper", "report", "publish"}
    assert {name for name in changed if "album" not in name} == combined | {"fetch"}
    # What would read the new files is not known to be changed yet.
    graph = with_changes(compendium, added, lambda: Repo(compendium).index.graph)
    ours = [stage for stage in graph if "album" in stage.name]
    reading = {stage.name for each in ours for stage in ancestors(graph, each)}
    assert len(ours) > 10 and {name for name in reading if "album" not in name} == combined
    shutil.rmtree(folder)


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
    differences = dvc(compendium, "exp", "diff", "--all", "HEAD", "tried")
    assert "report.note" in differences and "pauc_norm" in differences
    metrics, *_ = differences.split("\n\n")
    assert max(map(len, metrics.splitlines())) <= 100, "it fits a terminal"
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


def test_what_is_removed_from_the_parameters_leaves_no_trace(compendium, tmp_path):
    """Run, remove, run. The last test, because it changes the run."""
    folder = compendium / "reports" / "default"
    texts = [folder / name for name in ("README.md", "numbers.json", "23_report.ipynb", "manifest.json", "claims.csv")]
    words = {"candidates", "contributions", "mobilefacenet-512", "froq"}

    def traces() -> set[str]:
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
        text = "\n".join([*names, *(path.read_text(encoding="utf-8") for path in texts)]).lower()
        return {word for word in words if word in text}

    assert traces() == words
    change_params(
        compendium,
        {
            "candidates": {"benchmarks": []},
            "models": {"quality": ["sface"]},
            "methods": {"compared": ["ex-fiqa"]},
        },
    )
    dvc(compendium, "repro")
    assert not traces(), "although DVC leaves the folders of the stages"
    assert (compendium / "data" / "results" / "candidates" / "orl-xq").is_dir()
    site = site_of(compendium, tmp_path)
    # Notebooks explain all methods, and the stage fetch lists all networks that can be had.
    pages = [site / "reports" / "default" / f"{name}.html" for name in ("index", "results", "tables")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages).lower()
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    text += "\n".join(entry["location"] for entry in index["docs"])
    assert "ex-fiqa" in text and not {word for word in ("mobilefacenet-512", "froq") if word in text}
    assert not {word for word in words for path in (site / "reports").rglob("*") if word in path.name}
