"""The study of the pruning margin against sums over features in float64."""

import json

import numpy as np
import pytest
import torch
from small_networks import TinyNet, prepared_by_hand
from small_run import small_run, use_small_networks, write_embeddings, write_method_scores, write_scores

from prefiqs.evaluation.edc import error_discard_curve
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality
from prefiqs.pipeline.studies.margin import CLOSED_FORM, margin_study


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        run = small_run(tmp_path_factory.mktemp("run"), {"margin": {"exponents": [0, 3]}})
        use_small_networks(patch, run)
        write_embeddings(run, "orl-xq", "sface", [])
        write_embeddings(run, "orl-xq", "mobilefacenet-512", [])
        write_scores(run, "orl-xq")
        write_method_scores(run, "orl-xq")
        yield run


@pytest.fixture(scope="module")
def study(run):
    return margin_study(run, "orl-xq", "sface")


def by_hand(faces):
    """Length, consensus, and length over the standard deviation under dropout, feature by feature."""
    net = TinyNet(0)
    norm = net.embedding_bn
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().double().numpy()
    weight = scale[:, None] * net.embedding.weight.detach().double().numpy()
    found = []
    for face in torch.from_numpy(prepared_by_hand(faces)):
        with torch.no_grad():
            inner = net.depthwise_bn(net.depthwise(net.stem_prelu(net.stem_bn(net.stem(face[None])))))
            f = net.pointwise_prelu(net.pointwise_bn(net.pointwise(inner))).flatten().double().numpy()
            e = net(face[None])[0].double().numpy()
        length, e = np.sqrt(e @ e), e / np.sqrt(e @ e)
        support = [f[j] * (weight[:, j] @ e) for j in range(len(f))]
        across = sum(f[j] ** 2 * (weight[:, j] @ weight[:, j] - (weight[:, j] @ e) ** 2) for j in range(len(f)))
        found.append((length, abs(sum(support)) / sum(map(abs, support)), length / np.sqrt(across)))
    return np.array(found).T


def area(run, verifier, scores):
    faces = run.benchmark("orl-xq")
    similarity = cosine_similarity(run.raw_embeddings("orl-xq", verifier), faces.pairs)
    quality = pair_quality(scores, faces.pairs)
    return 1e3 * error_discard_curve(similarity, faces.genuine, quality, 0.1, rule=run.params.edc.rule).pauc(0.3)


def test_areas_are_those_of_the_formulas(run, study):
    length, consensus, closed = by_hand(np.asarray(run.benchmark("orl-xq").images))
    rows = study.table.frame.set_index("score")
    expected = {"‖e‖·κ^0": length, "‖e‖·κ^2": length * consensus**2, "‖e‖·κ^3": length * consensus**3}
    for name, scores in (expected | {CLOSED_FORM: closed}).items():
        for verifier in ("sface", "mobilefacenet-512"):
            assert rows.loc[name, verifier] == pytest.approx(area(run, verifier, scores), rel=1e-2)
    assert len(set(rows["sface"].round(6))) > 4


def test_what_is_said_follows_from_the_intervals(study, tmp_path):
    changes = study.changes.frame.set_index("verifier")
    assert len(study.findings) == 4
    for verifier, row in changes.iterrows():
        (text,) = (t for t in study.findings if t.startswith(f"Verifier {verifier}") and "the norm" in t)
        assert ("better than" in text) == (row["from the norm_high"] < 0)
        assert ("worse than" in text) == (row["from the norm_low"] > 0)
    study.write(tmp_path)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["changes"]["sface"]["pauc"] == pytest.approx(changes.loc["sface", "pauc"], rel=1e-5)
    assert {p.name for p in tmp_path.iterdir()} == {
        *("margin.csv", "margin.md", "changes.csv", "changes.md", "by-exponent.csv"),
        *("exponents.png", "contributions.png", "numbers.json"),
    }
