"""Pruned networks and their embeddings, compared with eager PyTorch."""

import json

import numpy as np
import pytest
from small_networks import TinyNet, embedded_by_hand, unit_rows
from small_run import small_run, use_small_networks

from prefiqs import prune
from prefiqs.io.arrays import write_array
from prefiqs.pipeline.studies.embed import View, embed_study
from prefiqs.pipeline.studies.prune import prune_study
from prefiqs.pruning.mask import load_mask, prunable_weights
from prefiqs.pruning.spec import PruningSpec

GRID = {"prune": {"granularities": ["unstructured"], "criteria": ["l1"]}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    run = small_run(tmp_path, GRID | {"verification": {"flip_test": ["orl"]}})
    use_small_networks(monkeypatch, run)
    prune_study(run, "sface").write(tmp_path / "results")
    return run


def test_masks_are_written_and_counted(run, tmp_path):
    study = prune_study(run, "sface")
    weights = prunable_weights(TinyNet())
    total = sum(weight.numel() for weight in weights.values())
    for ratio, sparsity in zip(study.sparsity["ratio"], study.sparsity["sparsity"], strict=True):
        mask = load_mask(run.layout.mask("sface", PruningSpec(ratio)))
        removed = int(np.unpackbits(mask.arrays["mask"])[:total].sum())
        assert removed == int(ratio * total)
        assert sparsity == removed / total
    pruned = prunable_weights(prune(TinyNet(), 0.8))
    for layer, removed in zip(study.layers.frame["layer"], study.layers.frame["removed"], strict=True):
        assert removed == pytest.approx((pruned[layer] == 0).double().mean().item())
    assert study.layers.frame["removed"].is_monotonic_increasing
    assert study.dense_megabytes == 2 * 4 * total / 1e6
    assert (tmp_path / "results" / "sparsity.csv").read_text().startswith("granularity,criterion,ratio,sparsity\n")


def test_embeddings_are_those_of_each_network_and_view(run, tmp_path):
    study = embed_study(run, "orl", "sface", write=True)
    study.write(tmp_path / "results")
    images = np.asarray(run.benchmark("orl").images)
    specs = [None, PruningSpec(0.4), PruningSpec(0.8)]
    # Table 4 has ratio 0.4 alone, so only these networks see mirrored faces.
    assert set(study.views) == {View(s, False) for s in specs} | {View(s, True) for s in specs[:2]}
    for spec, mirrored in study.views:
        network = prune(TinyNet(), spec.ratio) if spec else TinyNet()
        expected = embedded_by_hand(network, np.ascontiguousarray(images[:, :, ::-1]) if mirrored else images)
        found = run.raw_embeddings("orl", "sface", spec, mirrored)
        np.testing.assert_allclose(unit_rows(found), expected, atol=1e-5)
    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    assert numbers["embedded"] == numbers["faces"] == len(images)
    lengths = np.linalg.norm(run.raw_embeddings("orl", "sface", PruningSpec(0.8)), axis=1)
    assert numbers["median_length"]["unstructured-l1-0.8"] == pytest.approx(np.median(lengths), rel=1e-5)


def test_tables_that_are_there_are_read_and_stay(run):
    embed_study(run, "orl", "sface", write=True)
    table = run.layout.embeddings("orl", "sface", PruningSpec(0.8))
    write_array(2 * np.load(table), table)
    before = {path: path.stat().st_mtime_ns for path in run.layout.data.rglob("*")}
    study = embed_study(run, "orl", "sface", write=False)
    lengths = np.linalg.norm(np.load(table), axis=1)
    assert study.medians[PruningSpec(0.8).label] == pytest.approx(np.median(lengths), rel=1e-5)
    assert {path: path.stat().st_mtime_ns for path in run.layout.data.rglob("*")} == before


def test_untouched_faces_take_the_rows_of_the_source(run):
    embed_study(run, "orl", "sface", write=True)
    study = embed_study(run, "orl-xq", "sface", write=True)
    faces, source = run.benchmark("orl-xq"), run.benchmark("orl")
    known = {face.tobytes() for face in source.images}
    assert study.numbers["embedded"] == sum(face.tobytes() not in known for face in faces.images)
    for spec in [None, *run.params.prune.specs]:
        found, known = (run.raw_embeddings(name, "sface", spec) for name in ("orl-xq", "orl"))
        assert np.array_equal(found[::3], known)  # copy 0 of every face
        network = prune(TinyNet(), spec.ratio) if spec else TinyNet()
        np.testing.assert_allclose(unit_rows(found), embedded_by_hand(network, np.asarray(faces.images)), atol=1e-5)
