"""Table 4, compared with the public protocol on embeddings put together by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from small_run import small_run, write_embeddings

from prefiqs import verification_accuracy
from prefiqs.errors import InputError
from prefiqs.io.arrays import write_array
from prefiqs.pipeline.studies.verification import verification_study


def test_accuracy_is_that_of_the_sum_of_both_views(tmp_path):
    run = small_run(tmp_path, {"verification": {"flip_test": ["orl"]}})
    for mirrored in (False, True):
        write_embeddings(run, "orl", "sface", mirrored=mirrored)
    study = verification_study(run, "orl", "sface")
    study.write(tmp_path / "results")
    faces, specs = run.benchmark("orl"), [s for s in run.params.prune.specs if s.ratio == 0.4]
    expected = []
    for spec in [None, *specs]:
        views = [run.raw_embeddings("orl", "sface", spec, mirrored) for mirrored in (False, True)]
        expected.append(100 * verification_accuracy(sum(views), faces.pairs, faces.genuine, faces.folds).mean)
    table = study.table.frame
    assert table["accuracy"].tolist() == pytest.approx(expected)
    assert table["ratio"].tolist() == [0.0] + [0.4] * len(specs) and table["criterion"].isna().tolist()[0]
    assert table["granularity"].tolist()[1:] == [spec.granularity for spec in specs]

    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    plain = verification_accuracy(run.raw_embeddings("orl", "sface"), faces.pairs, faces.genuine, faces.folds)
    assert numbers["unpruned"] == pytest.approx(expected[0], rel=1e-5) and numbers["flip_test"] is True
    assert numbers["unpruned_without_flip_test"] == pytest.approx(100 * plain.mean, rel=1e-5)
    assert numbers["pairs"] == int(np.sum(faces.folds >= 0))
    near = {f"{s.granularity} {s.criterion}" for s, a in zip(specs, expected[1:], strict=True) if a >= expected[0] - 1}
    assert set(numbers["largest_ratio_within_one_point"]) == near and study.figure is None
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        "table4.csv", "table4.md", "numbers.json"  # a figure of one ratio would be a point a strategy
    }  # fmt: skip


def test_networks_that_embed_all_faces_alike_are_named(tmp_path):
    run = small_run(tmp_path, {"verification": {"flip_test": []}})
    write_embeddings(run, "orl", "sface")
    spec = next(spec for spec in run.params.prune.specs if (spec.criterion, spec.ratio) == ("random", 0.4))
    assert verification_study(run, "orl", "sface").table.notes.endswith("over the folds.")
    same = np.ones_like(run.raw_embeddings("orl", "sface"))
    write_array(same, run.layout.embeddings("orl", "sface", spec))
    table = verification_study(run, "orl", "sface").table
    assert table.notes.endswith(f"the same embedding: {spec.granularity} random, ρ = 0.4.")
    assert table.frame.loc[table.frame["constant"], "granularity"].tolist() == [spec.granularity]


def test_how_far_a_network_can_be_pruned(tmp_path, monkeypatch):
    run = small_run(tmp_path, {"verification": {"ratios": [0.4, 0.8], "flip_test": []}})
    write_embeddings(run, "orl", "sface")
    means = iter([0.95, 0.945, 0.9401, 0.9399, 0.93, *[0.99, 0.90] * 2, 0.95])  # unpruned, four strategies, unpruned
    monkeypatch.setattr(
        "prefiqs.pipeline.studies.verification.verification_accuracy",
        lambda *_: SimpleNamespace(mean=next(means), std=0),
    )
    study = verification_study(run, "orl", "sface")
    within = study.numbers["largest_ratio_within_one_point"]
    assert within == {"unstructured l1": 0.8, "structured l1": 0.4, "structured random": 0.4}
    assert study.findings == [
        "Unpruned, sface has an accuracy of 95.00 %.",
        "With unstructured L1 pruning, ρ = 0.8 is the largest ratio that costs at most one percentage point.",
        "With unstructured random pruning, every ratio costs more than one percentage point.",
        "With structured L1 pruning, ρ = 0.4 is the largest ratio that costs at most one percentage point.",
        "With structured random pruning, ρ = 0.4 is the largest ratio that costs at most one percentage point.",
    ]


def test_a_benchmark_without_folds_is_named(tmp_path, monkeypatch):
    from dataclasses import replace

    from prefiqs.pipeline.run import Run

    run = small_run(tmp_path)
    without = replace(run.benchmark("orl"), folds=None)
    monkeypatch.setattr(Run, "benchmark", lambda self, name: without)
    with pytest.raises(InputError, match="orl has no folds; remove it from `verification.benchmarks`"):
        verification_study(run, "orl", "sface")
