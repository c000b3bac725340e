"""The study of training-free scores against their formulas in float64, face by face and feature by feature."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from small_networks import TinyNet, prepared_by_hand
from small_run import small_run, use_small_networks, write_embeddings, write_method_scores, write_scores

from prefiqs.evaluation.edc import error_discard_curve
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.studies.candidate_formulas import GRADIENT, MARGIN, NORM, ONE, TWO
from prefiqs.pipeline.studies.candidates import candidates_study, counted, on_front, ratio_text
from prefiqs.pipeline.studies.contributions import contributions_study

VERIFIERS = ["sface", "mobilefacenet-512"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    changes = {"candidates": {"ratios": [0.4], "exponents": [0, 3]}}
    with pytest.MonkeyPatch.context() as patch:
        run = small_run(tmp_path_factory.mktemp("run"), changes)
        use_small_networks(patch, run)
        write_embeddings(run, "orl-xq", "sface")
        write_embeddings(run, "orl-xq", "mobilefacenet-512", [])
        write_scores(run, "orl-xq")
        write_method_scores(run, "orl-xq")
        contributions_study(run, "orl-xq", "sface").write(run.layout.results("contributions"))
        yield run


@pytest.fixture(scope="module")
def study(run):
    """Networks would be loaded again in vain: what the first stage stored is all that this one reads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefiqs.models.loading.load_model", None)
        return candidates_study(run, "orl-xq", "sface")


def by_hand(faces):
    """Scores of each face, computed one feature after the other."""
    net = TinyNet(0).double()
    norm = net.embedding_bn
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().numpy()
    raw = net.embedding.weight.detach().numpy()
    weight, pruned = scale[:, None] * raw, scale[:, None] * np.where(rank(np.abs(raw)) < 0.6 * raw.size, 0, raw)
    found: dict[str, list[float]] = {}
    for face in torch.from_numpy(prepared_by_hand(faces)).double():
        inner = net.depthwise_bn(net.depthwise(net.stem_prelu(net.stem_bn(net.stem(face[None])))))
        inner = inner.detach().requires_grad_()
        features = net.pointwise_prelu(net.pointwise_bn(net.pointwise(inner))).flatten(1)
        embedding = norm(net.embedding(features))[0]
        (gradient,) = torch.autograd.grad(embedding.norm(), inner)
        halfway = (inner * gradient).detach().numpy().ravel()
        f, e = features[0].detach().numpy(), embedding.detach().numpy()
        length = np.sqrt(e @ e)
        e /= length
        c = np.array([f[j] * (weight[:, j] @ e) for j in range(len(f))])
        kappa, kappa_halfway = (abs(sum(x)) / sum(map(abs, x)) for x in (c, halfway))
        support, lost = 0.0, np.zeros_like(e)
        for j in sorted(range(len(f)), key=lambda j: -c[j]):
            support += max(c[j], 0)
            if support > sum(c.clip(0)) / 2:
                break
            lost += f[j] * weight[:, j]
        left = length * e - lost
        distance = np.linalg.norm(e - left / np.linalg.norm(left))
        across = sum(f[j] ** 2 * (weight[:, j] @ weight[:, j] - (weight[:, j] @ e) ** 2) for j in range(len(f)))
        of_weights = sum((weight[i, j] * f[j]) ** 2 * (1 - e[i] ** 2) for i in range(len(e)) for j in range(len(f)))
        mirrored = net(face[None].flip(3))[0].detach().numpy()
        both = np.linalg.norm(length * e + mirrored) / 2
        scores = {
            NORM: length,
            "½‖e + mirror‖": both,
            "consensus κ": kappa,
            MARGIN: length * kappa**2,
            "random features, closed form (SER-FIQ)": length / np.sqrt(across),
            "random weights, closed form": length / np.sqrt(of_weights),
            "random features, along ê": length / np.sqrt(c @ c),
            "worst features removed, ‖e‖·(1 − D/2)": length * (1 - distance / 2),
            "last layer pruned, e_ρ·ê, ρ = 0.6": (length * e - (weight - pruned) @ f) @ e,
            "‖e‖·κ² at ½ of the depth": length * kappa_halfway**2,
            "‖e‖·κ² at ¾ of the depth": length * kappa**2,  # of four layers, the embedding layer is at three quarters
            "random features at ½ of the depth": length / np.sqrt(halfway @ halfway),
            "‖e‖·κ², geometric mean of both depths": length * kappa * kappa_halfway,
        }
        for name, score in scores.items():
            found.setdefault(name, []).append(score)
    return {name: np.array(values) for name, values in found.items()}


def rank(values):
    """The rank of each value, from 0."""
    ranks = np.empty(values.size, int)
    ranks[np.argsort(values, axis=None, kind="stable")] = np.arange(values.size)
    return ranks.reshape(values.shape)


def area(run, verifier, scores):
    faces = run.benchmark("orl-xq")
    similarity = cosine_similarity(run.raw_embeddings("orl-xq", verifier), faces.pairs)
    quality = pair_quality(scores, faces.pairs)
    return 1e3 * error_discard_curve(similarity, faces.genuine, quality, 0.1, rule=run.params.edc.rule).pauc(0.3)


def stored_scores(run):
    return pd.read_parquet(run.layout.contributions("orl-xq", "sface") / "scores.parquet")


def test_scores_are_those_of_the_formulas(run):
    scores = stored_scores(run)
    for name, expected in by_hand(np.asarray(run.benchmark("orl-xq").images)).items():
        np.testing.assert_allclose(scores[name], expected, rtol=1e-4, err_msg=name)


def test_areas_are_those_of_the_scores(run, study):
    table = study.table.frame.set_index("score")
    for name, scores in stored_scores(run).items():
        for verifier in VERIFIERS:
            assert table.loc[name, verifier] == pytest.approx(area(run, verifier, scores.to_numpy())), name
    assert table["sface"].round(6).nunique() > 8


def test_prefiqs_takes_the_pruned_embeddings_of_the_pipeline(run):
    plain, moved = (run.raw_embeddings("orl-xq", "sface", spec) for spec in (None, run.params.usual))
    directions = [e / np.linalg.norm(e, axis=1, keepdims=True) for e in (plain, moved)]
    quality = 1 - np.linalg.norm(directions[0] - directions[1], axis=1) / 2
    scores = by_hand(np.asarray(run.benchmark("orl-xq").images))
    expected = {
        "PreFIQs": quality,
        "‖e‖·(1 − D/2)": scores[NORM] * quality,
        "‖e‖·κ²·(1 − D/2)": scores[MARGIN] * quality,
        "e_ρ·ê": (moved * directions[0]).sum(axis=1),
    }
    found = stored_scores(run)
    for name, values in expected.items():
        np.testing.assert_allclose(found[f"{name}, ρ = 0.4"], values, rtol=1e-4, err_msg=name)


def test_costs_and_ratios(study):
    table = study.table.frame.set_index("score")
    assert set(table["group"]) == {ONE, GRADIENT, TWO, "compared, supervised"}
    assert table.loc[NORM, "passes"] == 1 and 1 < table.loc[MARGIN, "passes"] < 1.1
    assert (table.loc[table["group"] == TWO, "passes"] == 2).all()
    assert table.loc[table["group"] == GRADIENT, "passes"].between(1, 3, inclusive="neither").all()
    relative = (table[VERIFIERS] / table.loc[NORM, VERIFIERS]).mean(axis=1)
    assert relative.to_dict() == pytest.approx(table["relative to the norm"].to_dict())
    assert table["relative to the norm"].is_monotonic_increasing


def test_what_is_said_follows_from_the_intervals(study, tmp_path):
    areas, table = study.areas.set_index(["key", "verifier"]), study.table.frame.set_index("score")
    of_margin, of_norm = areas.loc[(MARGIN, "sface")], areas.loc[(NORM, "sface")]
    assert of_margin["from the norm"] == pytest.approx(of_margin["pauc"] - of_norm["pauc"])
    assert areas.loc[(NORM, "sface"), "from PreFIQs"] == pytest.approx(
        of_norm["pauc"] - table.loc["PreFIQs, ρ = 0.4", "sface"]
    )
    for text, inside in zip(study.failures, (lambda row: row["from the norm_high"] >= 0 >= row["from the norm_low"],
                                             lambda row: row["from the norm_low"] > 0), strict=False):  # fmt: skip
        failing = [verifier for verifier in VERIFIERS if inside(areas.loc[(MARGIN, verifier)])]
        assert text.endswith(f"with verifier {', '.join(failing) or 'none'}.")
    relative = {v: areas.loc[(MARGIN, v), "pauc"] / areas.loc[(NORM, v), "pauc"] for v in VERIFIERS}
    told = [float(number) for number in re.findall(r"(\d\.\d+) where", study.failures[2])]
    assert told == pytest.approx([relative["sface"], relative["mobilefacenet-512"]], abs=0.00051)
    by_exponent = pd.DataFrame(study.numbers["by_exponent"]).set_index(["verifier", "exponent"])
    excess = by_exponent["excess"]
    assert excess[("sface", 0)] == 0
    assert excess[("sface", 2)] == pytest.approx(of_margin["pauc"] / of_norm["pauc"] - 1)
    study.write(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        *("candidates.csv", "candidates.md", "areas.csv", "price.png", "exponents.png", "numbers.json"),
    }
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert (numbers["findings"], numbers["failures"]) == (study.findings, study.failures)
    assert len(numbers["by_exponent"]) == len(by_exponent) and (by_exponent["low"] <= by_exponent["high"]).all()


@pytest.mark.parametrize("group", [ONE, GRADIENT, TWO])
def test_the_best_of_a_group_is_compared_with_the_norm_by_intervals_that_allow_for_its_choice(run, study, group):
    edc, table = run.params.edc, study.table.frame.set_index("score")
    names = table.index[table["group"] == group]
    stored = stored_scores(run)
    drawn = run.comparison("orl-xq", VERIFIERS, {NORM: stored[NORM], **{name: stored[name] for name in names}})
    below = above = 0
    for verifier in VERIFIERS:
        curves = drawn.bootstrap(edc.at_first_fmr, edc.resamples, edc.seed)[verifier, edc.fmr[0]]
        norm = curves.pauc(NORM, edc.limit)
        estimates = [curves.curves[name].pauc(edc.limit) - curves.curves[NORM].pauc(edc.limit) for name in names]
        moved = [curves.pauc(name, edc.limit) - norm - d for name, d in zip(names, estimates, strict=True)]
        spread = [max(its.std(), 1e-300) for its in moved]
        farthest = [[its[i] / s for its, s in zip(moved, spread, strict=True)] for i in range(edc.resamples)]
        low = estimates[0] + spread[0] * np.quantile([min(row) for row in farthest], 0.0125)
        high = estimates[0] + spread[0] * np.quantile([max(row) for row in farthest], 0.9875)
        below, above = below + (high < 0), above + (low > 0)
    (text,) = [text for text in study.findings if text.startswith(f"Best at {group}: ")]
    said = f"below 0 for {below} of 2 verifiers, and above 0 for {above} of 2;"
    assert text.endswith("the norm itself.") if names[0] == NORM else said in text


def test_areas_of_few_errors_have_two_digits_and_are_counted_apart(run, study, monkeypatch):
    assert study.areas["reliable"].all() and "eliable" not in study.table.notes + "".join(study.findings)
    monkeypatch.setattr("prefiqs.evaluation.tables.FEW_ERRORS", 10**9)
    study = candidates_study(run, "orl-xq", "sface")
    assert not study.areas["reliable"].any()
    for table in (study.table, study.rivals):
        printed = table.text().set_index("score")["sface"].drop(index=[MARGIN], errors="ignore")
        assert all(len(text.lstrip("−+0.").replace(".", "").rstrip("0")) <= 2 for text in printed)
        assert "Not reliable (fewer than ten" in table.notes
    assert all("(not reliable)" in text for text in study.findings if "norm itself" not in text)


def test_the_margin_faces_the_compared_methods(run, study):
    """EX-FIQA on its own network, which knows these faces: its area is that of its scores, and it has no price."""
    scores = Scores.read(run.layout.method_scores("orl-xq", "ex-fiqa"))[MethodId.of("ex-fiqa", "vit-prefiqs")]
    name = "EX-FIQA (vit-prefiqs)"
    areas, rivals = study.areas.set_index(["key", "verifier"]), study.rivals.frame.set_index("score")
    for verifier in VERIFIERS:
        row = areas.loc[(name, verifier)]
        assert row["pauc"] == pytest.approx(area(run, verifier, scores))
        difference = row["pauc"] - areas.loc[(MARGIN, verifier), "pauc"]
        assert row["from pruning-margin"] == pytest.approx(difference) == pytest.approx(rivals.loc[name, verifier])
        assert np.isnan(row["passes"]) and row["trained_on"]
    better = sum(areas.loc[(name, verifier), "from pruning-margin_high"] < 0 for verifier in VERIFIERS)
    assert any(text.startswith(f"{name}: better than ‖e‖·κ² with {better} of 2") for text in study.failures)
    assert f"| {name} § " in study.table.markdown() and "§ Trained or chosen" in study.table.notes
    chose = study.areas[study.areas["passes"].notna() & study.areas["trained_on"]]["key"].unique()
    assert set(chose) == {"last layer pruned, e_ρ·ê, ρ = 0.6", "e_ρ·ê, ρ = 0.4"}, "orl-xq chose no other"


def test_the_first_stage_stores_what_it_shows(run, tmp_path):
    study = contributions_study(run, "orl-xq", "sface")
    study.write(tmp_path)
    kappa = by_hand(np.asarray(run.benchmark("orl-xq").images))["consensus κ"]
    assert study.numbers["median_consensus"] == pytest.approx(np.median(kappa), rel=1e-4)
    assert {p.name for p in tmp_path.iterdir()} == {"contributions.png", "numbers.json"}
    assert study.about.set_index("method")["key"].drop("").to_dict() == {
        "norm": NORM, "pruning-margin": MARGIN, "prefiqs": "PreFIQs, ρ = 0.4",
    }  # fmt: skip


def test_the_front_has_what_no_score_of_equal_or_lower_cost_beats():
    rows = [("a", 1.0, 5.0), ("b", 2.0, 4.0), ("c", 2.0, 4.5), ("d", 3.0, 4.0), ("e", 3.0, 4.1), ("f", 1.0, 5.1)]
    areas = pd.DataFrame(rows, columns=["key", "passes", "pauc"])
    both = pd.concat([areas.assign(verifier="v"), areas.assign(verifier="w", pauc=-areas["pauc"])], ignore_index=True)
    rows = list(both.itertuples(index=False))
    expected = [
        not any(
            other.verifier == row.verifier and other.passes <= row.passes and other.pauc < row.pauc for other in rows
        )
        for row in rows
    ]
    assert on_front(both, "pauc", "verifier").tolist() == expected
    assert 2 < sum(expected) < len(both) - 2


def test_counts_tell_reliable_areas_from_others():
    hits, reliable = pd.Series([True, False, True, True]), pd.Series([True, True, True, False])
    assert counted(hits, reliable) == "2 of 3 and 1 of 1 (not reliable)"
    assert counted(hits, reliable | True) == "3 of 4" and counted(hits, reliable & False) == "3 of 4 (not reliable)"
    assert (ratio_text(0.98765, True), ratio_text(0.98765, False), ratio_text(1.01, False)) == ("0.988", "0.99", "1.0")
