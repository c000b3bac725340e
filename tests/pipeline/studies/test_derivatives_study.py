"""Derivatives: what is written, compared with the public functions, face by face."""

import numpy as np
import pandas as pd
import pytest
from small_run import small_run, use_small_networks, write_embeddings

from prefiqs import drift, jacobian_drift, load_model, prune
from prefiqs.embedding.embedder import embed
from prefiqs.embedding.engines import torch_engine
from prefiqs.embedding.vectors import normalise
from prefiqs.methods import _probes
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.studies.derivatives import derivatives_study
from prefiqs.pruning.spec import PruningSpec


def made(tmp_path, monkeypatch, ratio):
    run = small_run(tmp_path, {"jacobian": {"ratio": ratio}})
    use_small_networks(monkeypatch, run)
    # Tracing a derivative for the CPU engine takes longer than these few faces in PyTorch.
    monkeypatch.setattr(_probes, "derivative_engine", lambda function, *_: torch_engine(function))
    write_embeddings(run, "orl", "sface")
    study = derivatives_study(run, "orl", "sface")
    study.write(tmp_path / "results")
    return run, study


def test_all_faces_have_both_drifts_as_scores(tmp_path, monkeypatch):
    run, _ = made(tmp_path, monkeypatch, 0.4)
    scores = Scores.read(run.layout.derivatives("orl", "sface"))
    faces, model = run.benchmark("orl"), load_model("sface", device="cpu")
    expected = jacobian_drift(model, prune(model, 0.4), np.asarray(faces.images), device="cpu")
    assert scores[MethodId.of("jacobian", "sface", ratio=0.4)] == pytest.approx(-expected, rel=1e-4)
    assert list(scores.names) == list(faces.names)

    stored = [run.raw_embeddings("orl", "sface", spec) for spec in (None, PruningSpec(0.4))]
    expected = drift(*map(normalise, stored))
    assert scores[MethodId.of_spec("sface", PruningSpec(0.4))] == pytest.approx(-expected)


def test_a_ratio_off_the_grid_is_embedded(tmp_path, monkeypatch):
    run, study = made(tmp_path, monkeypatch, 0.3)
    faces, model = run.benchmark("orl"), load_model("sface", device="cpu")
    unpruned = normalise(run.raw_embeddings("orl", "sface"))
    expected = drift(unpruned, embed(prune(model, 0.3), np.asarray(faces.images), device="cpu"))
    assert study.scores[MethodId.of_spec("sface", PruningSpec(0.3))] == pytest.approx(-expected, rel=1e-4)


def test_the_ablation_has_a_few_faces_at_every_ratio(tmp_path, monkeypatch):
    run, study = made(tmp_path, monkeypatch, 0.4)
    few = pd.read_parquet(run.layout.derivatives("orl", "sface") / "ablation.parquet")
    rows = [0, 7, 15, 23]  # four of 24, evenly spread
    assert few["face"].tolist() == rows * 2 and few["ratio"].tolist() == [0.4] * 4 + [0.8] * 4
    whole = -study.scores[MethodId.of("jacobian", "sface", ratio=0.4)]
    assert few["jacobian"][:4].to_numpy() == pytest.approx(whole[rows], rel=1e-4)
    at_most = -study.scores[MethodId.of_spec("sface", PruningSpec(0.4))]
    assert few["discrete"][:4].to_numpy() == pytest.approx(at_most[rows])
    unpruned, pruned = (run.raw_embeddings("orl", "sface", spec)[rows] for spec in (None, PruningSpec(0.8)))
    assert few["discrete"][4:].to_numpy() == pytest.approx(drift(normalise(unpruned), normalise(pruned)))
