"""Ablation and precision: what other choices of PreFIQs are worth, compared with plain PyTorch."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr
from small_networks import TinyNet, embedded_by_hand
from small_run import small_run, use_small_networks, write_embeddings

import prefiqs
from prefiqs import error_discard_curve
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality
from prefiqs.pipeline.studies.ablation import ablation_study
from prefiqs.pipeline.studies.precision import precision_study

CHANGES = {
    "prune": {"ratios": [0.4]},
    "ablation": {"ratios": [0.4], "seeds": 2, "passes": [2, 3]},
    "precision": {"ratios": [0.4, 0.8]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = small_run(tmp_path_factory.mktemp("run"), CHANGES)
    write_embeddings(run, "orl-xq", "sface")
    write_embeddings(run, "orl-xq", "mobilefacenet-512", [])
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch, run)
        yield run


def area(run, scores, verifier="sface", fmr=0.1):
    faces = run.benchmark("orl-xq")
    similarity = cosine_similarity(run.raw_embeddings("orl-xq", verifier), faces.pairs)
    quality = pair_quality(scores, faces.pairs)
    return 1e3 * error_discard_curve(similarity, faces.genuine, quality, fmr, rule="cr-fiqa").pauc(0.3)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pruned(images, ratio, **options):
    return embedded_by_hand(prefiqs.prune(TinyNet(0), ratio, **options), images)


def test_one_choice_is_changed_at_a_time(run, tmp_path):
    study = ablation_study(run, "orl-xq", "sface")
    rows = study.table.frame.set_index(["question", "variant"])
    raw = run.raw_embeddings("orl-xq", "sface")
    moved = run.raw_embeddings("orl-xq", "sface", run.params.prune.main[0])
    published = -np.linalg.norm(unit(raw) - unit(moved), axis=1)
    of_length = -np.linalg.norm(raw - moved, axis=1)
    reference = rows.loc[("reference", "as published")]
    assert reference["pauc"] == pytest.approx(area(run, published)) and np.isnan(reference["difference"])
    length = rows.loc[("distance", "L2, not normalised")]
    assert length["pauc"] == pytest.approx(area(run, of_length))
    assert length["difference"] == pytest.approx(length["pauc"] - reference["pauc"])
    assert not reference["difference_low"] <= reference["difference_high"]
    assert length["difference_low"] <= length["difference"] <= length["difference_high"]
    assert length["spearman"] == pytest.approx(spearmanr(published, of_length).statistic)
    assert rows.loc[("distance", "cosine"), "spearman"] == pytest.approx(1, abs=1e-3)  # eq. 6
    assert set(rows.loc["random"].index) == {"seed 0", "seed 1", "mean score of the seeds"}
    assert study.stages.frame["of all weights"].sum() == pytest.approx(100)
    removed = (study.stages.frame["of all weights"] * study.stages.frame["removed at ρ = 0.4"]).sum() / 100
    assert removed == pytest.approx(40, abs=0.5)
    assert study.fusing_error < 1e-4 and study.genuine == run.benchmark("orl-xq").genuine.sum()
    assert study.answers("ranking").frame["variant"].tolist() == ["as published", "within each layer"]
    study.write(tmp_path)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["pauc"]["distance"]["L2, not normalised"]["0.4"] == pytest.approx(length["pauc"], rel=1e-5)
    seeds = rows.loc["random"].drop("mean score of the seeds")["pauc"]
    assert numbers["pauc_seeds"]["mean"]["0.4"] == pytest.approx(seeds.mean(), rel=1e-5)
    for answer in numbers["differences_without_0"]:
        assert answer["low"] > 0 or answer["high"] < 0


def test_reduced_precision_is_compared_with_float32(run, tmp_path):
    study = precision_study(run, "orl-xq", "sface")
    images = np.asarray(run.benchmark("orl-xq").images)
    plain = embedded_by_hand(TinyNet(0), images)
    for ratio, row in study.by_precision["fp32"].iterrows():
        drift = np.linalg.norm(plain - pruned(images, ratio), axis=1)
        assert row["median drift"] == pytest.approx(np.median(drift), rel=1e-3)
        assert row["median change of drift"] == 0 and row["spearman with fp32"] == pytest.approx(1)
    for ratio, row in study.by_precision["bf16"].iterrows():  # both passes are in bfloat16
        networks = [TinyNet(0), prefiqs.prune(TinyNet(0), ratio)]
        unpruned, moved = prefiqs.embed(networks, images, device="cpu", precision="bf16")
        drift = np.linalg.norm(unpruned - moved, axis=1)
        assert row["median drift"] == pytest.approx(np.median(drift), rel=1e-4)
    assert study.by_precision["bf16"]["median change of drift"].min() > 0
    assert 0 < study.numbers["rounding"]["bf16"] < 0.1
    study.write(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"precision.csv", "precision.md", "precision.png", "numbers.json"}
