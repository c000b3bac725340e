"""Jacobian and discrete drift side by side, compared with loops over the faces that the stage before wrote."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from small_run import small_run, write_derivatives, write_embeddings

from prefiqs import error_discard_curve
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality
from prefiqs.evaluation.tables import area_text
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.studies.jacobian import TITLES, jacobian_study
from prefiqs.pruning.spec import PruningSpec


def made(tmp_path, benchmark="orl-xq", **changes):
    run = small_run(tmp_path, changes)
    for model, specs in (("sface", None), ("mobilefacenet-512", [])):
        write_embeddings(run, benchmark, model, specs)
    write_derivatives(run, benchmark)
    return run, jacobian_study(run, benchmark, "sface")


def test_areas_are_those_of_the_drifts_as_scores(tmp_path):
    run, study = made(tmp_path)
    faces, scores = run.benchmark("orl-xq"), Scores.read(run.layout.derivatives("orl-xq", "sface"))
    keys = {
        "jacobian": MethodId.of("jacobian", "sface", ratio=0.4),
        "discrete": MethodId.of_spec("sface", PruningSpec(0.4)),
    }
    expected = {}
    for verifier in ("sface", "mobilefacenet-512"):
        similarity = cosine_similarity(run.raw_embeddings("orl-xq", verifier), faces.pairs)
        for name, key in keys.items():
            for fmr in (0.1, 0.01):
                quality = pair_quality(scores[key], faces.pairs)
                curve = error_discard_curve(similarity, faces.genuine, quality, fmr, rule="cr-fiqa")
                expected[verifier, name, fmr] = 1e3 * curve.pauc(0.3)
    found = study.drifts.set_index(["verifier", "drift", "fmr"])["pauc"].to_dict()
    assert found == pytest.approx(expected)
    for name in keys:
        assert study.numbers[f"pauc_{name}"] == pytest.approx(expected["sface", name, 0.1])
    shown = study.table.frame.set_index(["drift", "fmr"])
    assert shown.loc[("discrete drift (eq. 4)", 0.01), "mobilefacenet-512"] == pytest.approx(
        expected["mobilefacenet-512", "discrete", 0.01]
    )
    assert set(study.drifts["threshold"]) == {"recomputed"} and set(study.drifts["limit"]) == {0.3}


def test_numbers_and_files(tmp_path):
    run, study = made(tmp_path)
    study.write(tmp_path / "results")
    scores = Scores.read(run.layout.derivatives("orl-xq", "sface"))
    jacobian = -scores[MethodId.of("jacobian", "sface", ratio=0.4)].astype(float)
    discrete = -scores[MethodId.of_spec("sface", PruningSpec(0.4))].astype(float)
    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    assert numbers.keys() == {
        *("ratio", "spearman", "spearman_interval", "median_relative_difference"),
        *("pauc_jacobian", "pauc_discrete", "pauc_change"),
    }
    assert numbers["pauc_change"][0] == pytest.approx(numbers["pauc_jacobian"] / numbers["pauc_discrete"] - 1, abs=1e-6)
    assert numbers["spearman"] == pytest.approx(spearmanr(discrete, jacobian).statistic, rel=1e-5)
    relative = sorted(abs(j - d) / d for j, d in zip(jacobian, discrete, strict=True))
    middle = len(relative) // 2
    assert numbers["median_relative_difference"] == pytest.approx((relative[middle - 1] + relative[middle]) / 2, 1e-4)

    people, rng = pd.factorize(run.benchmark("orl-xq").subjects)[0], np.random.default_rng(run.params.edc.seed)
    drawn = []
    for _ in range(run.params.edc.resamples):
        times = rng.integers(0, people.max() + 1, people.max() + 1).tolist()
        rows = [face for face, person in enumerate(people) for _ in range(times.count(person))]
        drawn.append(pd.Series(discrete[rows]).rank().corr(pd.Series(jacobian[rows]).rank()))
    assert numbers["spearman_interval"] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=1e-5)

    low, high = numbers["spearman_interval"]
    said = f"a Spearman correlation of {numbers['spearman']:.4f} (95 % interval {low:.4f} to {high:.4f})"
    assert said in study.findings[0]
    sure = study.drifts.query("verifier == 'sface' and fmr == 0.1")["reliable"].all()
    assert f"{area_text(numbers['pauc_discrete'], sure)} for the discrete drift" in study.findings[1]

    few = pd.read_parquet(run.layout.derivatives("orl-xq", "sface") / "ablation.parquet")
    for row in study.ablation.frame.itertuples(index=False):
        part = few[few["ratio"] == row.ratio]
        assert row.spearman == pytest.approx(part["jacobian"].rank().corr(part["discrete"].rank()))
        assert row[2] == pytest.approx(np.median(part["discrete"]))
        assert row[3] == pytest.approx(np.median(part["jacobian"]))


def test_areas_that_are_not_reliable_have_two_digits(tmp_path):
    """At an FMR of 0.01, few false matches are expected among the 500 impostor pairs."""
    _, study = made(tmp_path)
    shown = study.table.text()
    for row in study.drifts.itertuples():
        place = (shown["drift"] == TITLES[row.drift]) & (shown["fmr"] == f"{row.fmr:g}")
        assert shown.loc[place, row.verifier].item() == area_text(row.pauc, row.reliable)
    assert not study.drifts.loc[study.drifts["fmr"] == 0.01, "reliable"].any()
    assert "FMR 0.01 (4 of 4)" in study.table.notes


def test_no_verifier_but_the_estimator(tmp_path):
    _, study = made(tmp_path, models={"quality": ["sface"], "cross": []})
    assert study.table.shown() == ["drift", "fmr", "sface"]


def test_a_benchmark_without_pairs_has_no_areas(tmp_path, monkeypatch):
    from dataclasses import replace

    from prefiqs.pipeline.run import Run

    run, _ = made(tmp_path)
    faces = run.benchmark("orl-xq")
    without = replace(faces, pairs=faces.pairs[:0], genuine=faces.genuine[:0], folds=None)
    monkeypatch.setattr(Run, "benchmark", lambda self, name: without)
    study = jacobian_study(run, "orl-xq", "sface")
    study.write(tmp_path / "results")
    assert study.drifts.empty
    assert "pauc_jacobian" not in json.loads((tmp_path / "results" / "numbers.json").read_text())


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_where_pruning_changes_nothing_there_is_no_figure(tmp_path):
    run, study = made(tmp_path)
    assert study.scatter is not None and "the same" not in study.table.notes
    folder = run.layout.derivatives("orl-xq", "sface")
    drifts = Scores.read(folder)
    replace(drifts, values={key: np.zeros_like(values) for key, values in drifts.values.items()}).write(folder)
    study = jacobian_study(run, "orl-xq", "sface")
    assert study.table.notes.endswith("Every drift is the same, so faces are discarded in random order.")
    assert study.scatter is None and np.isnan(study.numbers["spearman"])
    assert study.findings[0] == "At ρ = 0.4, there is nothing to rank: every drift is the same."
    assert "nan" not in " ".join(study.findings)
