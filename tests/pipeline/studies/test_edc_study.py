"""Curves of every score, and how alike the scores rank, compared with one curve and one correlation at a time."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_run import small_run, write_embeddings, write_method_scores, write_scores

from prefiqs import error_discard_curve
from prefiqs.errors import InputError
from prefiqs.evaluation.pairs import cosine_similarity, pair_quality
from prefiqs.io.arrays import write_array
from prefiqs.io.scores import write_score_file
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.params import Params, overlaid
from prefiqs.pipeline.studies.agreement import agreement_study, spread_over_people
from prefiqs.pipeline.studies.edc import edc_study


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = small_run(tmp_path_factory.mktemp("run"))
    for benchmark in ("orl", "orl-xq"):
        write_embeddings(run, benchmark, "sface")
        write_embeddings(run, benchmark, "mobilefacenet-512", [])
        write_scores(run, benchmark)
        write_method_scores(run, benchmark)
    return run


@pytest.fixture(scope="module")
def study(run):
    return edc_study(run, "orl-xq", "sface")


def area(run, verifier, scores, fmr, threshold="recomputed"):
    faces = run.benchmark("orl-xq")
    similarity = cosine_similarity(run.raw_embeddings("orl-xq", verifier), faces.pairs)
    quality = pair_quality(scores, faces.pairs)
    return 1e3 * error_discard_curve(similarity, faces.genuine, quality, fmr, None, threshold, "cr-fiqa").pauc(0.3)


def test_areas_are_those_of_single_curves(run, study):
    scores = run.all_scores("orl-xq", "sface").values
    expected = {
        (verifier, key, fmr, threshold): area(run, verifier, values, fmr, threshold)
        for verifier in ("sface", "mobilefacenet-512")
        for key, values in scores.items()
        for fmr in (0.1, 0.01)
        for threshold in ("recomputed", "fixed")
    }
    found = study.areas.set_index(["verifier", "key", "fmr", "threshold"])
    assert found["pauc"].to_dict() == pytest.approx(expected)
    assert set(study.areas.loc[study.areas["trained_on"], "method"]) == {"ex-fiqa"}


def test_table_3_and_the_numbers_are_about_the_first_fmr(run, study):
    scores = run.all_scores("orl-xq", "sface").values
    rows = study.table.frame.set_index(["granularity", "criterion", "ratio"])
    rows = rows[["sface", "mobilefacenet-512", "mean"]]
    assert len(rows) == len(run.params.prune.specs)
    for spec in run.params.prune.specs:
        both = [area(run, v, scores[MethodId.of_spec("sface", spec).key], 0.1) for v in ("sface", "mobilefacenet-512")]
        assert rows.loc[(spec.granularity, spec.criterion, spec.ratio)].tolist() == pytest.approx(
            [*both, np.mean(both)]
        )
    numbers = study.numbers
    best = min(run.params.prune.main, key=lambda spec: rows.loc[("unstructured", "l1", spec.ratio), "sface"])
    ours, norm = MethodId.of_spec("sface", best).key, MethodId.of("norm", "sface").key
    assert numbers["best_variant"] == best.label
    for verifier in ("sface", "mobilefacenet-512"):
        of_ours, of_norm = (area(run, verifier, scores[key], 0.1) for key in (ours, norm))
        assert numbers["pauc_best"][verifier] == pytest.approx(of_ours)
        assert numbers["pauc_norm"][verifier] == pytest.approx(of_norm)
        assert numbers["difference_to_norm"][verifier][0] == pytest.approx(of_ours - of_norm)
    severity = -run.benchmark("orl-xq").index["severity"].to_numpy()
    assert numbers["pauc_severity"]["sface"] == pytest.approx(area(run, "sface", severity, 0.1))
    assert numbers["usual_ratio"]["ratio"] == 0.4 and numbers["resampled"] == "people"


def test_the_best_ratio_is_one_of_prefiqs_as_published(tmp_path):
    run = small_run(tmp_path)
    write_embeddings(run, "orl-xq", "sface")
    write_embeddings(run, "orl-xq", "mobilefacenet-512", [])
    write_scores(run, "orl-xq")
    write_method_scores(run, "orl-xq")
    scores = Scores.read(run.layout.scores("orl-xq", "sface"))
    (other,) = [
        s for s in run.params.prune.specs if (s.granularity, s.criterion, s.ratio) == ("structured", "random", 0.8)
    ]
    faces, ideal = run.benchmark("orl-xq"), np.ones(len(scores.names))  # each face is as good as its worst genuine pair
    genuine = faces.pairs[faces.genuine]
    for column in genuine.T:
        np.minimum.at(ideal, column, cosine_similarity(run.raw_embeddings("orl-xq", "sface"), genuine))
    scores.values[MethodId.of_spec("sface", other).key] = ideal
    scores.write(run.layout.scores("orl-xq", "sface"))
    study = edc_study(run, "orl-xq", "sface")
    rows = study.table.frame.set_index(["granularity", "criterion", "ratio"])["sface"]
    assert rows.idxmin() == ("structured", "random", 0.8)
    assert study.numbers["best_variant"] in [spec.label for spec in run.params.prune.main]


def test_findings_say_what_the_numbers_say(run, study):
    assert len(study.findings) == 4  # the best, two verifiers, how far to rely on them
    faces, numbers = run.benchmark("orl-xq"), study.numbers
    assert numbers["pairs"] == {"genuine": faces.genuine.sum(), "impostor": (~faces.genuine).sum()}
    for verifier, text in zip(("sface", "mobilefacenet-512"), study.findings[1:3], strict=True):
        assert text.startswith(f"Verifier {verifier} (") and f"of {faces.genuine.sum():,} genuine pairs" in text
        failing = round(numbers["fnmr_without_discard"][verifier] * faces.genuine.sum())
        assert f"without discarding, {failing:,} of" in text
        chance = run.comparison("orl-xq", [verifier], {}).random_orders(run.params.edc.at_first_fmr, 3)[verifier, 0.1]
        beaten = sum(1e3 * order > numbers["pauc_best"][verifier] for order in chance.pauc)
        assert numbers["random_orders_beaten"][verifier] == beaten
        assert f"smaller than that of {beaten} of 3 random orders" in text
        for rival, name in (("a random order", "random"), ("the embedding norm", "norm")):
            _, low, high = numbers[f"difference_to_{name}"][verifier]
            assert (f"PreFIQs is better than {rival}" in text) == (high < 0)
            assert (f"PreFIQs is worse than {rival}" in text) == (low > 0)


def test_figures_mark_the_method_whose_network_knows_the_images(study):
    marked = {label.get_text() for label in study.intervals.axes[0].get_yticklabels() if "§" in label.get_text()}
    assert marked == {"EX-FIQA (vit-prefiqs) §"} and not study.areas["label"].str.contains("§").any()


def test_what_is_written(study, tmp_path):
    study.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("areas.csv", "edc.parquet", "random-edc.csv", "table3.csv", "table3.md"),
        *("pauc.png", "intervals.png", "edc.png", "numbers.json"),
    }
    assert json.loads((tmp_path / "numbers.json").read_text())["resamples"] == 5


def test_photos_without_a_severity_have_no_oracle(run):
    study = edc_study(run, "orl", "sface")
    assert "pauc_severity" not in study.numbers and "oracle" not in set(study.areas["supervision"])


MORE = {"name": "orl-all", "source": "orl-xq", "across": "degradation", "impostors": 300, "seed": 4}


def test_a_pair_set_takes_faces_and_scores_of_its_source_and_only_pairs_are_its_own(run):
    """The areas are those of single curves over pairs that are listed here by a plain loop."""
    more = replace(run, params=Params.checked(run.params.model_dump() | {
        "benchmarks": {**run.params.benchmarks.model_dump(), "pair_sets": [MORE]},
    }))  # fmt: skip
    source, faces = run.benchmark("orl-xq"), more.benchmark("orl-all")
    kinds, subjects = source.index["degradation"], source.subjects
    rows = range(len(subjects))
    genuine = {(a, b) for a in rows for b in rows if a < b and subjects[a] == subjects[b] and kinds[a] != kinds[b]}
    assert {tuple(pair) for pair in faces.pairs[faces.genuine].tolist()} == genuine
    impostors = faces.pairs[~faces.genuine]
    assert len({tuple(pair) for pair in impostors.tolist()}) == 300
    left, right = impostors.T
    assert (subjects[left] != subjects[right]).all() and (kinds.to_numpy()[left] != kinds.to_numpy()[right]).all()

    found = edc_study(more, "orl-all", "sface").areas.set_index(["verifier", "key", "fmr", "threshold"])["pauc"]
    similarity = cosine_similarity(run.raw_embeddings("orl-xq", "sface"), faces.pairs)
    for key, values in run.all_scores("orl-xq", "sface").values.items():
        curve = error_discard_curve(similarity, faces.genuine, pair_quality(values, faces.pairs), 0.1, rule="cr-fiqa")
        assert found["sface", key, 0.1, "recomputed"] == pytest.approx(1e3 * curve.pauc(0.3))


def test_each_estimator_is_compared_with_methods_on_itself_and_verified_by_all(run):
    known = {f"margin-{model}": {"method": "pruning-margin", "model": model, "options": {}} for model in ("a", "b")}
    content = run.params.model_dump()
    content["models"] = {"quality": ["sface", "b"], "cross": ["a"]}
    content["methods"] |= {
        "known": known | content["methods"]["known"],
        "compared": ["margin-a", "ex-fiqa", "margin-b"],
    }
    several = replace(run, params=Params.checked(content))
    assert several.verifiers("b") == ["b", "sface", "a"]
    write_method_scores(several, "orl")
    for model in ("sface", "b"):
        write_scores(several, "orl", model)
    chosen = {model: several.all_scores("orl", model).methods for model in ("sface", "b")}
    networks = {m: table.set_index("method").loc["pruning-margin", "network"] for m, table in chosen.items()}
    assert networks == {"sface": "a", "b": "b"}  # none runs on sface: the first
    labels = {m: table.set_index("method").loc[["pruning-margin", "ex-fiqa"], "label"] for m, table in chosen.items()}
    assert labels["sface"].tolist() == ["pruning margin (a)", "EX-FIQA (vit-prefiqs)"]
    assert labels["b"].tolist() == ["pruning margin", "EX-FIQA (vit-prefiqs)"]
    assert all((table["method"] == "ex-fiqa").sum() == 1 for table in chosen.values())


def test_networks_may_be_called_like_methods(run):
    """Methods are told apart by what they are, not by what people read."""
    entries = {"a": ("ser-fiq", "SER-FIQ"), "b": ("quality-network", "GraFIQs"), "c": ("grafiqs", "x"),
               "d": ("quality-network", "y")}  # fmt: skip
    known = {name: {"method": method, "model": model, "options": {}} for name, (method, model) in entries.items()}
    content = overlaid(run.params.model_dump(), {"methods": {"known": known, "compared": [*known]}})
    several = replace(run, params=Params.checked(content))
    write_method_scores(several, "orl")
    write_scores(several, "orl")
    methods = several.all_scores("orl", "sface").methods
    others = methods[~methods["method"].isin(["prefiqs", "norm", "severity"])]
    assert others["label"].tolist() == ["SER-FIQ (SER-FIQ)", "GraFIQs", "GraFIQs (x)", "y"]


def test_correlations_are_those_of_ranks(run, tmp_path):
    study = agreement_study(run, "orl-xq", "sface")
    scores = run.all_scores("orl-xq", "sface").values
    for row in study.correlations.itertuples():
        ranks = [pd.Series(scores[key]).rank() for key in (row.key, row.other_key)]
        assert row.spearman == pytest.approx(np.corrcoef(*ranks)[0, 1])
    shown = {*study.correlations["key"], *study.correlations["other_key"]}
    usual = MethodId.of_spec("sface", run.params.usual).key
    assert [key for key in shown if key.startswith("prefiqs@")] == [usual]
    assert len(study.correlations) == len(shown) * (len(shown) - 1) / 2
    study.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"ranks.csv", "ranks.png", "faces.png"}


def test_faces_are_spread_over_the_order_and_people():
    people = np.array(["a", "a", "b", "b", "c", "c"])
    assert spread_over_people(np.array([4, 0, 1, 2, 3, 5]), people, 2).tolist() == [4, 3]  # 5 shows c again
    assert spread_over_people(np.arange(6), people, 20).tolist() == [0, 2, 5]


def test_the_main_figure_shows_each_method_minus_the_norm(run, study):
    scores = run.all_scores("orl-xq", "sface")
    keys = {label: key for key, label in scores.labels.items()}
    keys |= {f"PreFIQs, ρ = {spec.ratio}": MethodId.of_spec("sface", spec).key for spec in run.params.prune.main}
    norm = MethodId.of("norm", "sface").key
    assert len(study.intervals.axes) == 2
    for axes, verifier in zip(study.intervals.axes, ("sface", "mobilefacenet-512"), strict=True):
        name = axes.yaxis.get_major_formatter()
        shown = {name(line.get_ydata()[0]): line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1}
        chance = shown.pop("random orders, mean")
        of_norm = area(run, verifier, scores.values[norm], 0.1)
        assert len([name for name in shown if name.startswith("PreFIQs, ρ")]) in (1, 2) and len(shown) > 3
        for label, difference in shown.items():
            values = scores.values[keys[label.removesuffix(" (best here)").removesuffix(" §")]]
            assert difference == pytest.approx(area(run, verifier, values, 0.1) - of_norm)
        random = study.random.set_index(["verifier", "fmr"]).loc[(verifier, 0.1)]
        assert chance == pytest.approx(random["pauc_mean"] - of_norm)
        rows = study.areas.query("verifier == @verifier and fmr == 0.1")
        drawn = rows[rows["threshold"] == run.params.edc.threshold]
        assert (drawn[["random", "random_low", "random_high"]] == random[["pauc_mean", "pauc_min", "pauc_max"]].values
                ).all(axis=None)  # fmt: skip
        np.testing.assert_allclose(drawn["from_norm"].fillna(0), drawn["pauc"] - of_norm, atol=1e-9)
        assert (drawn["from_norm_low"] <= drawn["from_norm_high"]).sum() == len(drawn) - 1  # all but the norm
        other = rows[rows["threshold"] != run.params.edc.threshold]
        assert len(other) == len(drawn) and other[["random", "from_norm", "pauc_low"]].isna().all(axis=None)
        assert (
            axes.get_title().startswith(f"verifier {verifier}\n")
            and f"norm: pAUC·10³ {of_norm:.2f}" in axes.get_title()
        )


def at_once(values, resampled, level):
    """Ends of intervals, by a loop: as far as the value that strays the farthest, in standard deviations."""
    spread = [np.std(drawn - value) for value, drawn in zip(values, resampled, strict=True)]
    strayed = [
        [(drawn[i] - value) / s if s else 0 for value, drawn, s in zip(values, resampled, spread, strict=True)]
        for i in range(len(resampled[0]))
    ]
    low = np.quantile([min(row) for row in strayed], (1 - level) / 2)
    high = np.quantile([max(row) for row in strayed], (1 + level) / 2)
    return [(value + low * s, value + high * s) for value, s in zip(values, spread, strict=True)]


def test_the_best_ratio_has_intervals_that_allow_for_its_choice(run, study):
    """In the main figure, too; there, the usual ratio, which is not chosen, keeps its own."""
    edc, norm = run.params.edc, MethodId.of("norm", "sface").key
    keys = [MethodId.of_spec("sface", spec).key for spec in run.params.prune.main]
    scores = run.all_scores("orl-xq", "sface")
    drawn = run.comparison("orl-xq", run.verifiers("sface"), scores.values).bootstrap(edc.protocol, edc.resamples, 0)
    best = int(np.argmin([drawn["sface", 0.1].curves[key].pauc() for key in keys]))
    for axes, verifier in zip(study.intervals.axes, run.verifiers("sface"), strict=True):
        curves = drawn[verifier, 0.1]
        area = {key: 1e3 * curves.curves[key].pauc() for key in [*keys, norm]}
        areas = {key: 1e3 * curves.pauc(key) for key in [*keys, norm]}
        changes = [area[key] - area[norm] for key in keys], [areas[key] - areas[norm] for key in keys]
        expected = at_once(*changes, 1 - 0.05 / 2)[best]  # two verifiers
        assert study.numbers["difference_to_norm"][verifier] == pytest.approx([changes[0][best], *expected])
        own = at_once([area[key] for key in keys], [areas[key] for key in keys], 1 - 0.05 / 2)[best]
        assert study.numbers["pauc_best_interval"][verifier] == pytest.approx([max(own[0], 0), own[1]])
        name = axes.yaxis.get_major_formatter()
        shown = {name(line[0][1]): line[:, 0] for line in axes.collections[0].get_segments() if len(line)}
        label = next(label for label in shown if label.endswith("(best here)"))
        np.testing.assert_allclose(shown[label], expected, rtol=1e-6)
        for place, spec in enumerate(run.params.prune.main):
            if place != best and (label := f"PreFIQs, ρ = {spec.ratio}") in shown:
                np.testing.assert_allclose(shown[label], np.quantile(changes[1][place], [0.025, 0.975]), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "granularity", "criterion"),
    [("to_structured", "structured", "l1"), ("to_random_pruning", "unstructured", "random")],
)
def test_strategies_are_compared_at_each_ratio_at_once(run, study, name, granularity, criterion):
    edc, specs = run.params.edc, {(s.granularity, s.criterion, s.ratio): s for s in run.params.prune.specs}
    scores, verifiers = run.all_scores("orl-xq", "sface").values, run.verifiers("sface")
    drawn = run.comparison("orl-xq", verifiers, scores).bootstrap(edc.protocol, edc.resamples, 0)
    means, resampled = [], []
    for ratio in (0.4, 0.8):
        ours, other = (
            MethodId.of_spec("sface", specs[(*strategy, ratio)]).key
            for strategy in (("unstructured", "l1"), (granularity, criterion))
        )
        curves = [drawn[verifier, 0.1] for verifier in verifiers]
        means.append(1e3 * np.mean([c.curves[ours].pauc() - c.curves[other].pauc() for c in curves]))
        resampled.append(1e3 * np.mean([c.pauc(ours) - c.pauc(other) for c in curves], axis=0))
    found = study.numbers[name]
    for ratio, mean, ends in zip(("0.4", "0.8"), means, at_once(means, resampled, 0.95), strict=True):
        assert found[ratio] == pytest.approx([mean, *ends])
    over_both = np.mean(resampled, axis=0)
    assert found["mean"] == pytest.approx([np.mean(means), *np.quantile(over_both, [0.025, 0.975])])


def test_how_much_larger_an_area_is_than_the_smallest_of_all(run, study):
    edc, scores = run.params.edc, run.all_scores("orl-xq", "sface").values
    drawn = run.comparison("orl-xq", ["sface"], scores).bootstrap(edc.protocol, edc.resamples, 0)["sface", 0.1]
    keys = [MethodId.of_spec("sface", spec).key for spec in run.params.prune.main]
    pairs = [(first, second) for first in keys for second in keys]
    logs = [np.log(drawn.pauc(first) / drawn.pauc(second)) for first, second in pairs]
    ends = at_once([np.log(drawn.curves[a].pauc() / drawn.curves[b].pauc()) for a, b in pairs], logs, 0.9)
    for key, found in zip(keys, study.numbers["excess"].values(), strict=True):
        over = [drawn.curves[key].pauc() / drawn.curves[other].pauc() - 1 for other in keys]
        low = max(np.expm1(low) for (first, _), (low, _) in zip(pairs, ends, strict=True) if first == key)
        high = max(
            np.expm1(np.quantile(its, 0.95)) for (first, _), its in zip(pairs, logs, strict=True) if first == key
        )
        assert found == pytest.approx([max(over), low, high])


def test_errors_and_false_matches_are_counted_where_they_are_fewest(run, study):
    faces = run.benchmark("orl-xq")
    similarity = cosine_similarity(run.raw_embeddings("orl-xq", "sface"), faces.pairs)
    areas = study.areas.query("verifier == 'sface' and threshold == 'recomputed'").set_index(["key", "fmr"])
    for (key, fmr), row in areas.iterrows():
        quality = pair_quality(run.all_scores("orl-xq", "sface").values[key], faces.pairs)
        curve = error_discard_curve(similarity, faces.genuine, quality, fmr, np.arange(7) / 20, rule="cr-fiqa")
        errors = [round(n * fnmr) for n, fnmr in zip(curve.n_genuine, curve.fnmr, strict=True)]
        assert (row["errors"], row["fewest_errors"]) == (errors[0], min(errors))
        assert row["false_matches"] == pytest.approx(fmr * min(curve.n_impostor))
        assert row["reliable"] == (min(errors) >= 10 and fmr * min(curve.n_impostor) >= 10)
    for fmr in (0.1, 0.01):
        of_fmr, said = areas.xs(fmr, level="fmr"), study.numbers["reliability"][f"{fmr:g}"]["sface"]
        assert said == {
            "areas": len(of_fmr), "reliable": of_fmr["reliable"].sum(), "errors": of_fmr["errors"].iloc[0],
            "fewest_errors": of_fmr["fewest_errors"].min(), "false_matches": of_fmr["false_matches"].min(),
        }  # fmt: skip
    assert 0 < areas["reliable"].sum() < len(areas)  # both kinds occur
    assert "FMR 0.01 (" in study.findings[-1] and "Not reliable (fewer than ten" in study.findings[-1]


def test_what_is_not_reliable_is_printed_with_two_digits(run):
    study = edc_study(run, "orl", "sface")  # hardly any errors
    assert study.numbers["unreliable"] == ["sface", "mobilefacenet-512"]
    assert "printed with two digits: sface (8 of 8), mobilefacenet-512 (8 of 8)." in study.table.notes
    printed = study.table.text()[["sface", "mobilefacenet-512", "mean"]]
    assert printed.map(lambda cell: len(cell.replace(".", "").lstrip("0")) <= 2).all(axis=None)
    for axes in study.intervals.axes:
        assert axes.get_title().endswith("areas not reliable")


def test_networks_that_embed_all_faces_alike_are_named(tmp_path):
    run = small_run(tmp_path)
    write_embeddings(run, "orl-xq", "sface")
    write_embeddings(run, "orl-xq", "mobilefacenet-512", [])
    write_scores(run, "orl-xq")
    write_method_scores(run, "orl-xq")
    assert "same embedding" not in edc_study(run, "orl-xq", "sface").table.notes
    spec = next(spec for spec in run.params.prune.specs if (spec.criterion, spec.ratio) == ("random", 0.8))
    nearly = np.ones((len(run.benchmark("orl-xq").images), 8), np.float32)
    nearly[0] = -1  # one face of many
    write_array(nearly, run.layout.embeddings("orl-xq", "sface", spec))
    unmoved, scores = run.params.prune.main[0], Scores.read(run.layout.scores("orl-xq", "sface"))
    key, still = (MethodId.of_spec("sface", s).key for s in (spec, unmoved))
    scores.values[still] = np.ones_like(scores.values[still])
    scores.write(run.layout.scores("orl-xq", "sface"))
    study = edc_study(run, "orl-xq", "sface")
    assert study.table.notes.endswith(
        f"(nearly) the same embedding: {spec.granularity} random, ρ = 0.8. Pruned so little that no embedding changes "
        "(random order): unstructured L1, ρ = 0.4."
    )
    assert set(study.areas.loc[study.areas["constant"], "key"]) == {key, still}
    assert study.numbers["constant"] == [unmoved.key, spec.key]
    assert study.numbers["ties"] == 1  # the usual ratio is 0.4


def test_ties_are_counted(run, study):
    faces, usual = run.benchmark("orl-xq"), MethodId.of_spec("sface", run.params.usual).key
    quality = pair_quality(run.all_scores("orl-xq", "sface").values[usual], faces.pairs).tolist()
    assert study.numbers["ties"] == np.mean([quality.count(value) > 1 for value in quality])
    assert 0 < study.numbers["ties"] <= 1


def test_scores_in_a_file_cannot_take_the_name_of_a_method(tmp_path):
    """They would be left out of the main figure, which shows differences from the norm."""
    run = small_run(tmp_path)
    names, folder = run.benchmark("orl").names, run.layout.data / "external"
    folder.mkdir()
    for name in ("Norm2", "norm"):
        write_score_file(names, np.arange(len(names)), folder / f"{name}_orl.txt")
    with pytest.raises(InputError, match="The scores of 'norm' on orl in .*external have the name of a method"):
        run.external_scores("orl")
    (folder / "norm_orl.txt").unlink()
    assert {method.method for method in run.external_scores("orl")} == {"Norm2"}


def test_too_few_errors_or_one_ratio_give_no_figure_of_ratios(run, study):
    without = edc_study(run, "orl", "sface")
    assert study.numbers["fnmr_without_discard"]["sface"] > 0 == without.numbers["fnmr_without_discard"]["sface"]
    assert study.by_ratio and without.by_ratio is None
    prune = run.params.prune.model_copy(update={"ratios": [0.4]})
    one = replace(run, params=run.params.model_copy(update={"prune": prune}))
    assert edc_study(one, "orl-xq", "sface").by_ratio is None
