"""What a transformer says behind each block, and what that is worth, compared with the public functions."""

import json

import numpy as np
import pandas as pd
import pytest
from small_networks import small_vit_fiqa
from small_run import HIDDEN, small_run, use_small_networks, write_embeddings

from prefiqs import error_discard_curve, score
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.studies.exits import exits_study
from prefiqs.pipeline.studies.transformer import transformer_study

OPTIONS = [
    ("ex-fiqa", {"exit": 1}),
    ("ex-fiqa", {"fusion": "mean"}),
    ("ex-fiqa", {"fusion": "depth"}),
    ("vitnt-fiqa", {"blocks": 3, "attention": "last"}),
    ("attn-fiqa", {"block": 2}),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run and its study of the exits, written: the figures and networks take a while."""
    run = small_run(tmp_path_factory.mktemp("run"), {"transformer": {"first_depth": 3}})
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch, run)
        study = exits_study(run, "orl-xq", "vit-prefiqs")
    study.write(run.layout.results("exits"))
    for model in ("sface", "mobilefacenet-512"):
        write_embeddings(run, "orl-xq", model, [])
    return run, study


def test_every_exit_and_depth_scores_as_the_public_call(made):
    run, study = made
    scores = Scores.read(run.layout.exits("orl-xq", "vit-prefiqs"))
    images, network = np.asarray(run.benchmark("orl-xq").images)[:8], small_vit_fiqa()
    for method, options in OPTIONS:
        found = scores[MethodId.of(method, "vit-prefiqs", **options)]
        np.testing.assert_allclose(found[:8], score(images, method, network, device="cpu", **options), atol=1e-5)
    curve = pd.read_parquet(run.layout.exits("orl-xq", "vit-prefiqs") / "curve.parquet").set_index("key")
    assert list(curve.index) == list(scores.values)
    assert curve["kind"].value_counts().to_dict() == {
        "depth": 6,
        "exit": 4,
        "attention": 4,
        "fusion": 2,
    }  # 3 and 4 blocks, 3 weightings
    assert curve["gflops"].groupby(curve["block"]).nunique().eq(1).all()

    shown = study.by_block.frame.set_index("block")
    last, first = (scores[MethodId.of("ex-fiqa", "vit-prefiqs", exit=block)] for block in (4, 1))
    ranks = [pd.Series(values).rank() for values in (first, last)]
    assert shown.loc[1, "Spearman, EX-FIQA"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert shown["Spearman, ViTNT-FIQA"].isna().tolist() == [True, True, False, False]
    assert shown.loc[4].tolist()[1:] == pytest.approx([100, 1, 1, 1])
    assert {path.name for path in run.layout.results("exits").iterdir()} == {
        "by_block.csv", "by_block.md", "attention.png", "received_attention.png"
    }  # fmt: skip


def test_faces_that_may_not_be_shown_are_not_drawn(tmp_path, monkeypatch):
    run = small_run(tmp_path, {"align": {"show_faces": HIDDEN}})
    use_small_networks(monkeypatch, run)
    study = exits_study(run, "orl-xq", "vit-prefiqs")
    assert study.figure is None and study.received is None and len(study.scores.values) > 10


def test_areas_and_operating_points(made, tmp_path):
    run, _ = made
    study = transformer_study(run, "orl-xq", "vit-prefiqs")
    study.write(tmp_path / "results")
    faces, scores = run.benchmark("orl-xq"), Scores.read(run.layout.exits("orl-xq", "vit-prefiqs"))
    pauc = {}
    for verifier in ("sface", "mobilefacenet-512"):
        similarity = cosine_similarity(run.raw_embeddings("orl-xq", verifier), faces.pairs)
        for key, values in scores.values.items():
            curve = error_discard_curve(
                similarity, faces.genuine, pair_quality(values, faces.pairs), 0.1, rule="cr-fiqa"
            )
            pauc[key, verifier] = 1e3 * curve.pauc(0.3)
    assert study.areas.set_index(["key", "verifier"])["pauc"].to_dict() == pytest.approx(pauc)
    table = study.exits.frame.set_index("method")
    last, fused = (MethodId.of("ex-fiqa", "vit-prefiqs", **o).key for o in ({"exit": 4}, {"fusion": "depth"}))
    assert table.loc["exit 4", "sface"] == pytest.approx(pauc[last, "sface"])
    assert table.loc["EX-FIQA-FW", "mean"] == pytest.approx(
        (pauc[fused, "sface"] + pauc[fused, "mobilefacenet-512"]) / 2
    )
    assert table.loc["exit 4", "share of a pass (%)"] == pytest.approx(100)

    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    assert numbers["pauc"]["ViT-FIQA"]["sface"] == pytest.approx(pauc[last, "sface"], rel=1e-5)
    assert numbers["pauc"]["EX-FIQA-FW"]["sface"] == pytest.approx(pauc[fused, "sface"], rel=1e-5)
    names = {f"exit {block}": MethodId.of("ex-fiqa", "vit-prefiqs", exit=block).key for block in range(1, 5)}
    point = numbers["points"]["EX-FIQA"]
    assert point["best"] == min(names, key=lambda name: pauc[names[name], "sface"])
    assert point["recommended"] == f"exit {point['block']}" and point["block"] <= int(point["best"].split()[1])
    assert numbers["gflops"]["all"] >= numbers["gflops"]["EX-FIQA"] > 0 and numbers["seen"] is False
    assert study.depths.frame["T"].tolist() == [3, 4] * 3
    by_attention = [pauc[MethodId.of("attn-fiqa", "vit-prefiqs", block=block).key, "sface"] for block in range(1, 5)]
    assert study.attention.frame["sface"].tolist() == pytest.approx(by_attention)
    assert numbers["pauc"]["ATTN-FIQA"]["sface"] == pytest.approx(by_attention[-1], rel=1e-5)
    assert numbers["points"]["ViTNT-FIQA"]["best"] in [f"{blocks} blocks with equal weights" for blocks in (3, 4)]
    assert numbers["points"]["ATTN-FIQA"]["best"] == f"block {1 + by_attention.index(min(by_attention))}"
