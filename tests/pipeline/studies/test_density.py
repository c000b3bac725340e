"""Drift and quality over the quality label, compared with correlations of ranks."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_run import small_run, write_derivatives, write_scores

from prefiqs.io.tables import write_table
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.studies.density import density_study
from prefiqs.pipeline.studies.report import FIGURES
from prefiqs.pruning.spec import PruningSpec


def ranks_alike(a, b) -> float:
    return float(np.corrcoef(pd.Series(a).rank(), pd.Series(b).rank())[0, 1])


@pytest.mark.parametrize("labelled", [False, True])
def test_correlations_are_those_with_the_label(tmp_path, labelled):
    run = small_run(tmp_path)
    write_scores(run, "orl-xq")
    write_derivatives(run, "orl-xq")
    index = run.benchmark("orl-xq").index
    label = 1 - index["severity"]
    if labelled:
        label = pd.Series(np.random.default_rng(0).random(len(index)))
        write_table(index.assign(quality=label), run.layout.data / "benchmarks" / "orl-xq" / "index.parquet")
    study = density_study(run, "orl-xq", "sface")
    study.write(tmp_path / "results")
    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())

    drifts = Scores.read(run.layout.derivatives("orl-xq", "sface"))
    usual = run.params.usual
    quality = Scores.read(run.layout.scores("orl-xq", "sface"))[MethodId.of_spec("sface", usual)]
    assert numbers["spearman_with_label"] == pytest.approx(
        {
            "jacobian": ranks_alike(label, drifts[MethodId.of("jacobian", "sface", ratio=0.4)]),
            "discrete": ranks_alike(label, drifts[MethodId.of_spec("sface", PruningSpec(0.4))]),
            usual.key: ranks_alike(label, quality),
        },
        rel=1e-5,
    )
    for kind, rows in index.groupby("degradation").groups.items():
        expected = ranks_alike(label[rows], quality[rows]) if label[rows].nunique() > 1 else None
        assert numbers["within_kind"][kind] == (expected and pytest.approx(expected, rel=1e-4))
    shown = study.table.frame
    assert f"{numbers['spearman_with_label']['jacobian']:.3f} (Jacobian drift, ρ = 0.4)" in study.findings[0]
    assert study.findings[1].endswith(f"{shown['Spearman'].max():.3f} ({shown['degradation'].iloc[-1]}).")
    assert shown["Spearman"].is_monotonic_increasing and ("none" in set(shown["degradation"])) == labelled


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_a_drift_that_is_the_same_for_all_faces_is_not_drawn(tmp_path):
    run = small_run(tmp_path)
    write_scores(run, "orl-xq")
    write_derivatives(run, "orl-xq")
    study = density_study(run, "orl-xq", "sface")
    every, drawn = len(study.figure.axes), study.numbers["drawn"]
    folder = run.layout.derivatives("orl-xq", "sface")
    drifts = Scores.read(folder)
    replace(drifts, values={key: np.zeros_like(values) for key, values in drifts.values.items()}).write(folder)
    study = density_study(run, "orl-xq", "sface")
    assert len(study.figure.axes) == every - 2
    assert study.numbers["drawn"] == drawn[2:] and "PreFIQs" in drawn[2]
    (shown,) = (figure for figure in FIGURES if figure.name == "density")
    caption = shown.caption_of("orl-xq", "sface", {"density-orl-xq-sface": study.numbers})
    assert drawn[2] in caption and "drift" not in caption
