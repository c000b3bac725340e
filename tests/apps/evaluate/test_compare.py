"""`prefiqs evaluate`: numbers are those of the pipeline's functions called on the arrays, files are whole."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import prefiqs
from prefiqs.apps.evaluate.compare import comparison_of, evaluate
from prefiqs.apps.evaluate.inputs import EvaluationInputs, Settings, read_groups, read_inputs
from prefiqs.apps.evaluate.tables import printed_thresholds
from prefiqs.datasets.benchmark import Templates
from prefiqs.errors import InputError
from prefiqs.evaluation.bootstrap import numbered_people
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.groups import Grouping
from prefiqs.evaluation.templates import pool_templates

CLEAR = ["--fmr", 0.1, "--max-discard", 0.8, "--bootstrap", 200, "--target-fnmr", 0.3]  # good beats random order


def given(brought):
    files = [brought.folder / name for name in ("good.txt", "poor.csv", "vectors.npy", "index.csv", "pairs.txt")]
    fast = ["--bootstrap", 20]  # typer takes the last value given
    return [
        *files[:2],
        *fast,
        "--lower-is-better",
        "poor",
        "--embeddings",
        files[2],
        "--names",
        files[3],
        "--pairs",
        files[4],
    ]


@pytest.mark.parametrize("threshold", ["recomputed", "fixed"])
def test_areas_are_those_of_curves_drawn_one_by_one(run, brought, tmp_path, threshold):
    options = ["--threshold", threshold, "--threshold-rule", "conservative", "--max-discard", 0.2, "--step", 0.1]
    targets = ["--fmr", 0.01, "--fmr", 0.001]
    code, out, err = run("evaluate", *given(brought), "--out", tmp_path / "r", *targets, *options)
    assert code == 0, err
    areas = pd.read_csv(tmp_path / "r" / "areas.csv").set_index(["method", "fmr"])
    points = pd.read_csv(tmp_path / "r" / "curves.csv").set_index(["method", "fmr"])
    for method, scores in {"good": brought.good, "poor": brought.poor}.items():
        for fmr in (0.01, 0.001):
            curve = prefiqs.error_discard_curve(
                brought.similarity(), brought.genuine, brought.quality(scores), fmr, np.arange(10) / 10, threshold,
                "conservative",
            )  # fmt: skip
            row = areas.loc[(method, fmr)]
            assert row["pauc"] == pytest.approx(1e3 * curve.pauc(0.2), abs=1e-6)
            assert row["auc"] == pytest.approx(1e3 * curve.auc(), abs=1e-6)
            rejected = brought.similarity()[brought.genuine] < curve.thresholds[0]
            assert row["errors"] == rejected.sum()
            assert row["fmr_resolvable"] == curve.fmr_resolvable[:3].all()
            fewest = min(round(n * fnmr) for n, fnmr in zip(curve.n_genuine[:3], curve.fnmr[:3], strict=True))
            assert row["fewest_errors"] == fewest
            assert row["reliable"] == (fewest >= 10 and min(curve.n_impostor[:3]) * fmr >= 10)
            np.testing.assert_allclose(points.loc[(method, fmr), "fnmr"], curve.fnmr, atol=1e-9)
    assert areas.loc[("good", 0.01), "pauc"] < areas.loc[("poor", 0.01), "pauc"]  # directions are as said
    assert "| good " in out and "80 images, 3160 pairs" in err


def test_a_method_that_is_called_random_order_leaves_the_baseline_alone(run, brought, tmp_path):
    (brought_file := tmp_path / "random order.txt").write_bytes((brought.folder / "good.txt").read_bytes())
    code, _, err = run("evaluate", brought_file, *given(brought)[1:], "--out", tmp_path / "r", "--fmr", 0.01)
    assert code == 0, err
    areas = pd.read_csv(tmp_path / "r" / "areas.csv").query("method == 'random order'")
    assert len(areas) == 2
    own = areas["pauc"] != pd.read_csv(tmp_path / "r" / "random.csv")["pauc_mean"][0]
    assert areas["pauc_low"].notna().tolist() == own.tolist()


def test_bootstrap_intervals_figures_and_the_page(run, brought, tmp_path):
    options = ["--fmr", 0.01, "--bootstrap", 30, "--title", "Mine & <yours>"]
    code, _, err = run("evaluate", *given(brought), "--out", tmp_path, *options)
    assert code == 0, err
    areas = pd.read_csv(tmp_path / "areas.csv").set_index("method")
    assert areas["pauc"].is_monotonic_increasing and set(areas.index) == {"good", "poor", "random order"}
    assert areas.loc["random order", "pauc"] == pd.read_csv(tmp_path / "random.csv")["pauc_mean"][0]
    areas = areas.drop("random order")
    assert ((areas["pauc_low"] <= areas["pauc"]) & (areas["pauc"] <= areas["pauc_high"])).all()
    assert (areas["unit"] == "people").all()
    difference = pd.read_csv(tmp_path / "differences.csv").iloc[0]
    assert (difference["method"], difference["reference"]) == ("poor", "good")
    assert difference["difference"] == pytest.approx(areas.loc["poor", "pauc"] - areas.loc["good", "pauc"])
    for name in ("edc-0.01.png", "intervals-0.01.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert not [*tmp_path.glob("*.tex"), *tmp_path.glob("*.pdf")]
    lines = (tmp_path / "areas.md").read_text().splitlines()
    assert f"**{areas['pauc'].min():.2f}**" in "".join(lines)
    assert "*" not in next(line for line in lines if "random order" in line)  # it does not compete
    assert not list(tmp_path.glob("*.partial"))

    page = (tmp_path / "report.html").read_text()
    assert "<h1>Mine &amp; &lt;yours&gt;</h1>" in page and "<script" not in page
    assert set(re.findall(r'(?:src|href)="([^"]{0,9})', page)) == {"data:imag", "data:,"}  # nothing from elsewhere
    assert len(re.findall(r'<img alt="[^"]+"', page)) == page.count("<img") == 2
    assert f"<td><strong>{areas['pauc'].iloc[0]:.2f}</strong> [" in page
    assert "scores negated, because lower is better: poor" in page and "do not rely" not in page


def test_a_page_says_where_there_are_too_few_impostors(run, brought, tmp_path):
    code, out, err = run("evaluate", *given(brought), "--out", tmp_path, "--fmr", 0.0001)
    assert code == 0, err
    page = (tmp_path / "report.html").read_text()
    assert "at FMR 0.0001, fewer than ten false matches are expected among the impostor pairs: do not rely" in page
    assert "Do not rely on these numbers: at this FMR, 0.3 false matches are expected" in page and "Do not rely" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fmr", 2], "The target FMR must be above 0 and below 1, not 2.0"),
        (["--threshold", "best"], "Unknown threshold 'best'; choose one of recomputed, fixed"),
        (["--threshold-rule", "best"], "Unknown rule 'best'; choose one of nearest, conservative"),
        (["--max-discard", 0.99], "must be from 0.05 to 0.95, not 0.99"),
        (["--target-fnmr", 5], "The target FNMR must be above 0 and below 1, not 5.0; 0.05 is usual"),
        (["--groups", "people.csv"], "--groups needs FILE:COLUMN, such as people.csv:sex, not 'people.csv'"),
        (["--groups", "nowhere.csv:sex"], "nowhere.csv"),
        (["--bootstrap", -1], "cannot be -1; 0 means no intervals"),
        (["--seed", -1], "The seed must be at least 0, not -1"),
        (["--resample-unit", "faces"], "Unknown resample unit 'faces'; choose one of people, pairs"),
    ],
)
def test_errors_are_one_sentence_and_nothing_is_written(run, brought, tmp_path, options, message):
    code, out, err = run("evaluate", *given(brought), "--out", tmp_path / "r", *options)
    assert (code, out) == (1, "")
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_titles_and_methods_in_any_alphabet(run, brought, tmp_path):
    scores = tmp_path / "оценка 品質 100%.txt"
    scores.write_bytes((brought.folder / "good.txt").read_bytes())
    files = [scores, *given(brought)[1:]]
    code, out, err = run("evaluate", *files, "--out", tmp_path / "r", "--fmr", 0.01, "--title", "顔")
    assert code == 0, err
    assert "| оценка 品質 100% " in out and set(pd.read_csv(tmp_path / "r" / "areas.csv")["method"]) > {scores.stem}
    assert "<h1>顔</h1>" in (tmp_path / "r" / "report.html").read_text()


@pytest.mark.parametrize(("step", "limit"), [(0.2, 0.8), (0.125, 0.3), (0.3, 0.9), (0.5, 0.5)])
def test_every_legal_step(run, brought, tmp_path, step, limit):
    options = ["--fmr", 0.01, "--step", step, "--max-discard", limit]
    code, _, err = run("evaluate", *given(brought), "--out", tmp_path, *options)
    assert code == 0, err
    assert pd.read_csv(tmp_path / "curves.csv")["discard"].max() == pytest.approx(np.ceil(1 / step - 1) * step)


def test_settings_name_every_target_once():
    with pytest.raises(InputError, match="one or more distinct target FMRs, not 0.01, 0.01"):
        Settings(fmrs=(0.01, 0.01))


def test_operating_points_at_percentiles_on_the_scale_of_the_file(run, brought, tmp_path):
    code, _, err = run("evaluate", *given(brought), "--out", tmp_path, "--fmr", 0.01)
    assert code == 0, err
    points = pd.read_csv(tmp_path / "operating_points.csv").set_index(["method", "percentile"])
    similarity = brought.similarity()
    # Fixed, although curves recompute it: the threshold of a recogniser in use.
    cutoff = np.sort(similarity[~brought.genuine])[::-1][round(0.01 * (~brought.genuine).sum())]
    for method, quality in {"good": brought.good, "poor": brought.poor}.items():
        threshold = np.quantile(quality, 0.2)
        row = points.loc[(method, 20)]
        assert row["rejection_threshold"] == pytest.approx(-threshold if method == "poor" else threshold)
        left = brought.quality(quality) >= threshold
        assert row["pairs_rejected"] == pytest.approx(1 - left.mean())
        assert row["fnmr"] == pytest.approx((similarity[left & brought.genuine] <= cutoff).mean())
    assert "Operating points: images below" in (tmp_path / "report.html").read_text()


def test_several_verifiers_are_each_judged_as_if_alone(run, brought, tmp_path):
    np.save(tmp_path / "halves.npy", brought.vectors[:, :6])
    options = ["--fmr", 0.01, "--fmr", 0.05, "--bootstrap", 10]
    both = ["--embeddings", f"half={tmp_path}/halves.npy"]
    code, out, err = run("evaluate", *given(brought), *both, "--out", tmp_path / "both", *options)
    assert code == 0, err
    assert "| half " in out
    assert {path.name for path in (tmp_path / "both").glob("edc*")} == {"edc-0.01.png", "edc-0.05.png"}
    alone = given(brought)
    alone[alone.index("--embeddings") + 1] = both[1]
    code, out, err = run("evaluate", *alone, "--out", tmp_path / "alone", *options)
    assert code == 0 and "half" not in out and (tmp_path / "alone" / "edc-0.05.png").exists(), err
    for table in ("areas", "curves", "differences", "operating_points"):
        together, single = (pd.read_csv(tmp_path / folder / f"{table}.csv") for folder in ("both", "alone"))
        part = together[together["verifier"] == "half"].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, single)
        assert len(together) == 2 * len(single)


def test_the_verdict_comes_first(run, brought, tmp_path):
    copy = tmp_path / "copy.txt"  # nearly as good: no sample tells them apart
    lines = (brought.folder / "good.txt").read_text().splitlines()
    copy.write_text("\n".join(f"{line}1" for line in lines) + "\n")
    options = [*CLEAR, "--target-fnmr", 0.0001]
    code, out, err = run("evaluate", copy, *given(brought), "--out", tmp_path / "r", *options)
    assert code == 0, err
    first, page = out.split("\n")[0], (tmp_path / "r" / "report.html").read_text()
    assert first.startswith("**FMR 0.1**: The best method is ")
    assert (
        "It cannot be told apart from" in first
        and "the 95 % interval of the difference in pAUC·10³ contains 0" in first
    )
    assert "Not shown to beat random order: poor." in first
    assert "Recommended: copy. Of the best methods that beat random order, it comes first in the order given." in first
    points = pd.read_csv(tmp_path / "r" / "target_fnmr.csv").set_index(["method", "target_fnmr"])
    row = points.loc[("copy", 0.3)]
    assert f"Set the recogniser's similarity threshold to {row['similarity_threshold']:.4f}." in first
    level = re.search(r"For an FNMR of at most 30 %, reject images whose copy score is below (\S+)\. ", first)[1]
    copied = np.array([float(f"{line.split()[1]}1") for line in lines])
    assert (copied < float(level.replace("−", "-"))).mean() == pytest.approx(row["images_rejected"])
    assert f"{row['images_rejected']:.1%}".replace("%", " %") + " of the images and" in first
    assert "No rejection threshold of copy reaches an FNMR of at most 0.01 %." in first
    assert page.index("The best method is") < page.index("<dl>") < page.index("<table")
    areas = out.index("Areas under the error-versus-discard curves")
    assert areas < out.index("Similarity threshold to set in the") < out.index("Operating points for a target FNMR")
    assert "(smaller is better)" in out and "| random order " in out


def test_without_a_bootstrap_there_is_no_verdict_on_methods(run, brought, tmp_path):
    code, out, err = run("evaluate", *given(brought), "--out", tmp_path, "--fmr", 0.01, "--bootstrap", 0)
    assert code == 0, err
    assert out.startswith("**FMR 0.01**: Set the recogniser's similarity threshold to 0.")
    assert "best" not in out.split("\n")[0] and not (tmp_path / "differences.csv").exists()


def test_thresholds_where_lower_is_better_are_on_the_scale_of_the_file(run, brought, tmp_path):
    scores = tmp_path / "flipped.txt"
    lines = (brought.folder / "good.txt").read_text().splitlines()
    scores.write_text("".join(f"{n} {-float(s):.17g}\n" for n, s in (line.split() for line in lines)))
    files = [scores, *given(brought)[2:4], "--lower-is-better", "flipped", *given(brought)[6:]]
    code, out, err = run("evaluate", *files, "--out", tmp_path / "r", *CLEAR)
    assert code == 0, err
    row = pd.read_csv(tmp_path / "r" / "target_fnmr.csv").iloc[0]
    level = re.search(r"reject images whose flipped score is above (\S+)\. ", out)[1]
    level = float(level.replace("−", "-"))
    assert row["images_rejected"] == pytest.approx((-brought.good > row["rejection_threshold"] + 1e-9).mean())
    assert row["images_rejected"] == (-brought.good > level).mean()


@pytest.fixture
def failing(brought):
    """Two images without a score of good, one without an embedding, read as NaN."""
    files = [str(file) for file in given(brought)[:2]]
    inputs = read_inputs(files, [str(brought.folder / "vectors.npy")], brought.folder / "pairs.txt",
                         brought.folder / "index.csv", ["poor"])  # fmt: skip
    order = [inputs.names.index(name) for name in brought.names]
    vectors, good = inputs.verifiers["vectors"].copy(), inputs.scores["good"].copy()
    vectors[order[40]], good[[order[3], order[77]]] = np.nan, np.nan
    return replace(inputs, verifiers={"vectors": vectors}, scores=inputs.scores | {"good": good}), order


def test_failures_to_acquire_are_rejected_first(failing, brought, tmp_path):
    inputs, order = failing
    evaluate(inputs, Settings((0.01,), resamples=5, target_fnmrs=(0.9,)), tmp_path, "t")
    kept = (brought.pairs != 40).all(axis=1)
    good = np.where(np.isin(np.arange(80), [3, 77]), -np.inf, brought.good)
    similarity, genuine = brought.similarity()[kept], brought.genuine[kept]
    by_name = sorted(range(len(inputs.pairs)), key=lambda i: tuple(inputs.pairs[i]))
    assert len(by_name) == len(brought.pairs)
    at = [tuple(np.array(order)[pair]) for pair in brought.pairs[kept]]
    assert sorted(at) == sorted(tuple(pair) for pair in inputs.pairs if order[40] not in pair)
    areas = pd.read_csv(tmp_path / "areas.csv").set_index("method")
    curve = prefiqs.error_discard_curve(similarity, genuine, brought.quality(good)[kept], 0.01)
    assert areas.loc["good", "pauc"] == pytest.approx(1e3 * curve.pauc(0.3))
    points = pd.read_csv(tmp_path / "operating_points.csv").set_index(["method", "percentile"])
    assert points.loc[("good", 0), "images_rejected"] == 3 / 80 and points.loc[("poor", 0), "images_rejected"] == 1 / 80
    lost = np.isin(brought.pairs, [3, 40, 77]).any(axis=1).mean()
    assert points.loc[("good", 0), "pairs_rejected"] == pytest.approx(lost)
    page = (tmp_path / "report.html").read_text()
    assert "vectors has no embedding for 1 of 80 images (1.2%), in 2.5% of the pairs" in page
    assert "good has no score for 2 of 80 images (2.5%). These images are rejected first (ISO/IEC 19795-1)" in page


@pytest.mark.long
def test_groups_of_people_and_of_images(run, brought, tmp_path, caplog):
    sex = {f"person{i}": "f" if i < 5 else "m" for i in range(20)}
    pd.DataFrame({"subject": [*sex, "nobody"], "sex": [*sex.values(), "x"]}).to_csv(tmp_path / "p.csv", index=False)
    glasses = pd.Series(["1", "0", "", "1"] * 20)
    pd.DataFrame({"path": [f"/data/{n}" for n in brought.names], "worn": glasses}).to_csv(
        tmp_path / "i.csv", index=False
    )
    tables = {}
    for given_groups in ("p.csv:sex", "i.csv:worn"):
        options = ["--fmr", 0.01, "--fmr", 0.05, "--groups", tmp_path / given_groups, "--target-fnmr", 0.3]
        code, _, err = run("evaluate", *given(brought), "--out", tmp_path / "r", *options)
        assert code == 0, err
        tables[given_groups] = pd.read_csv(tmp_path / "r" / "groups.csv")
        page = (tmp_path / "r" / "report.html").read_text()
        assert "Groups: images rejected and FNMR at each operating point (good, FMR 0.01; all others" in page
        assert (tmp_path / "r" / "groups.png").exists() and (tmp_path / "r" / "group_scores.csv").exists()
        apart = pd.read_csv(tmp_path / "r" / "group_differentials.csv")
        assert {"fta_dd", "fta_dd_low", "fta_dd_chance", "mdg_dd"} <= set(apart)
        words = "80 of 80 images are in one of 2 groups"
        if given_groups == "i.csv:worn":
            words = "60 of 80 images are in one of 2 groups; 20 are in none, such as person0"
        assert words in page and (words in caplog.text) == (given_groups == "i.csv:worn")
    people, images = tables["p.csv:sex"], tables["i.csv:worn"]
    assert set(people["group"]) == {"f", "m"} and set(images["group"].astype(str)) == {"0", "1"}
    assert set(images["images"]) == {20, 40}  # those without a value are in no group
    row = people[(people["method"] == "poor") & (people["percentile"] == 20) & (people["group"] == "f")].iloc[0]
    of_group = np.isin(brought.subjects, [p for p, s in sex.items() if s == "f"])
    # The file has negated scores: images above the threshold are rejected.
    assert row["rejected"] == pytest.approx((-brought.poor[of_group] > row["rejection_threshold"] + 1e-9).mean())
    assert (row["people"], row["images"], row["genuine"]) == (5, 20, 30)
    assert "few people" in (tmp_path / "r" / "groups.md").read_text()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": ["person0/person0_0000.jpg"] * 2, "g": ["a", "b"]}, "two values of g for 'person0"),
        (
            {"name": ["x.jpg", "y.jpg"], "g": ["a", "b"]},
            "names none of the compared images or people",
        ),
        ({"subject": ["person1", "person2"], "g": ["a", "a"]}, "must have 2 to 20 values for these images, not 1"),
        (
            {"subject": [f"person{i}" for i in range(20)], "age": range(20)},
            "needs a column 'g' and one that names images",
        ),
        ({"subject": [f"person{i % 20}" for i in range(40)], "g": [*"ab"] * 10 + [*"ba"] * 10}, "two values of g for"),
        (
            {"who": ["person1"], "g": ["a"]},
            "needs a column 'g' and one that names images \\(name\\) or people \\(subject\\)",
        ),
    ],
)
def test_errors_of_groups(run, brought, tmp_path, table, message):
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    code, _, err = run("evaluate", *given(brought), "--out", tmp_path / "r", "--groups", tmp_path / "t.csv:g")
    assert code == 1 and re.search(message, err) and err.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_templates_and_their_groups(brought, tmp_path):
    """Two templates a person, of two images each; one image failed, which its template survives."""
    pairs = np.column_stack(np.triu_indices(40, 1))
    sets = Templates.of(np.arange(80) // 2, np.zeros(80, int))
    scores = np.where(np.isin(np.arange(80), [0, 10, 11]), np.nan, brought.good)
    subjects = brought.subjects[::2]
    genuine = subjects[pairs[:, 0]] == subjects[pairs[:, 1]]
    inputs = EvaluationInputs(
        brought.names,
        {"v": pool_templates(brought.vectors, sets)},
        sets,
        subjects,
        True,
        pairs,
        genuine,
        {"m": scores},
        {"m": 1},
        0,
    )
    comparison, lost = comparison_of(inputs)
    expected = np.array([brought.good[1], *brought.good.reshape(40, 2)[1:].min(1)])
    expected[5] = -np.inf
    np.testing.assert_array_equal(comparison.scores["m"], expected)
    assert lost == 0
    groups = ["a"] * 40 + ["b"] * 40
    groups[3] = "b"
    pd.DataFrame({"name": brought.names, "g": groups}).to_csv(tmp_path / "g.csv", index=False)
    grouping = read_groups(f"{tmp_path}/g.csv:g", inputs)
    assert grouping.group.tolist() == [0, -1, *[0] * 18, *[1] * 20]  # the second template has images of both
    report = evaluate(inputs, Settings((0.05,), resamples=3), tmp_path / "r", "t", grouping)
    assert set(report.tables["groups"].frame["images"]) == {19, 20}
    assert "m has no score for 3 of 80 images (3.8%)" in (tmp_path / "r" / "report.html").read_text()


def test_the_usual_number_of_resamples_depends_on_the_pairs(failing, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(Comparison, "bootstrap", lambda self, protocol, n, seed: asked.append(n) or {})
    inputs, _ = failing
    evaluate(inputs, Settings((0.01,)), tmp_path / "few", "t")
    many = replace(inputs, pairs=np.tile(inputs.pairs, (317, 1)), genuine=np.tile(inputs.genuine, 317))
    evaluate(many, Settings((0.01,)), tmp_path / "many", "t")
    assert asked == [1000, 100]
    assert "95 %, 100 bootstrap resamples of people" in (tmp_path / "many" / "report.html").read_text()


def test_no_digit_too_many(failing, tmp_path):
    """Where intervals are wide, numbers are short; where a group has few people, the table says so."""
    inputs, _ = failing
    grouping = Grouping(
        ["many", "few"], (numbered_people(inputs.subjects) >= 16).astype(int), numbered_people(inputs.subjects)
    )
    evaluate(inputs, Settings((0.1,), resamples=50), tmp_path, "t", grouping)
    rows = [line.split("|")[1:-1] for line in (tmp_path / "groups.md").read_text().splitlines() if "| few " in line]
    raw = pd.read_csv(tmp_path / "groups.csv")
    assert "note" not in raw and (raw["group"] == "few").sum() == len(rows)
    assert all(row[-1].strip() == "few people" for row in rows)
    for row, (_, numbers) in zip(rows, raw[raw["group"] == "few"].iterrows(), strict=True):
        shown, width = row[-3].strip(), 100 * (numbers["rejected_high"] - numbers["rejected_low"])
        value, low, high = map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", shown).groups())
        assert value == pytest.approx(100 * numbers["rejected"], abs=0.05 * width)
        assert (low, high) == pytest.approx(
            (100 * numbers["rejected_low"], 100 * numbers["rejected_high"]), abs=0.05 * width
        )
        assert "." not in shown if width >= 10 else re.search(r"\.\d\b", shown)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "scores",
    [
        np.arange(1, 9) * 2.58123456789e-9,
        1 - np.arange(8) * 3e-8,
        np.arange(-4.0, 4) * 1234.56789,
        1e9 + np.arange(8),
        np.nextafter(0.1, 1) + np.arange(8) * np.spacing(0.1),
        np.float32([0.1, 0.3, 0.30000003, 0.7]).astype(float),
        np.array([-np.inf, -np.inf, 0, 1e-300, 7e250]),
    ],
)
def test_a_printed_threshold_rejects_the_same_images(scores, sign):
    levels = [*scores[np.isfinite(scores)], *(scores[-2:].sum() / 2,)]
    for level in levels:  # one alone, so that nothing tells how far thresholds are apart
        points = pd.DataFrame({"key": ["m"], "rejection_threshold": [level]})
        (text,) = printed_thresholds(points, {"m": scores}, {"m": sign})
        shown = float(text.replace("−", "-"))
        np.testing.assert_array_equal(sign * scores < shown if sign > 0 else sign * scores > shown, scores < level)
        assert text != "−0"
    points = pd.DataFrame({"key": ["m"] * 2, "rejection_threshold": [0.123456789, np.nan]})
    assert printed_thresholds(points, {"m": np.array([0.1, 0.5])}, {"m": 1}) == ["0.1234", None]


def test_thresholds_of_a_single_target_are_printed_with_their_digits(run, brought, tmp_path):
    lines = (f"{n} {2.5e-9 + 1e-10 * s:.17g}\n" for n, s in zip(brought.names, brought.good, strict=True))
    (tmp_path / "tiny.txt").write_text("".join(lines))
    code, out, err = run("evaluate", tmp_path / "tiny.txt", *given(brought)[2:4], *given(brought)[6:], *CLEAR,
                         "--groups", f"{brought.folder}/index.csv:subject", "--out", tmp_path / "r")  # fmt: skip
    assert code == 0, err
    for name in ("target_fnmr", "operating_points", "groups", "group_differentials"):
        assert re.search(r"[1-9]\.\d{3,}e−09", (tmp_path / "r" / f"{name}.md").read_text()), name
        assert "threshold" not in pd.read_csv(tmp_path / "r" / f"{name}.csv")
    assert re.search(r"score is below \d\.\d{3,}e−09\. ", out)


def of_people(n_people, photos=3):
    """As many people with photos, two methods, all pairs."""
    rng = np.random.default_rng(n_people)
    subjects = np.repeat([f"p{i}" for i in range(n_people)], photos)
    pairs = np.column_stack(np.triu_indices(len(subjects), 1))
    vectors = rng.normal(size=(n_people, 16)).repeat(photos, 0) + rng.normal(size=(len(subjects), 16))
    scores = {name: rng.normal(size=len(subjects)) for name in ("first", "second")}
    genuine = subjects[pairs[:, 0]] == subjects[pairs[:, 1]]
    return EvaluationInputs([f"{i}.jpg" for i in range(len(subjects))], {"v": vectors}, None, subjects, True, pairs,
                            genuine, scores, dict.fromkeys(scores, 1), 0)  # fmt: skip


@pytest.mark.parametrize("unit", ["people", "pairs"])
@pytest.mark.parametrize(("n_people", "singles"), [(2, 0), (9, 0), (9, 12)])
def test_fewer_than_ten_people_have_no_intervals_and_no_verdict(tmp_path, n_people, singles, unit):
    inputs = of_people(n_people + singles)
    if singles:  # people of one photo have impostor pairs only, so they do not count
        kept = ~inputs.genuine | (inputs.pairs < 3 * n_people).all(1)
        inputs = replace(inputs, pairs=inputs.pairs[kept], genuine=inputs.genuine[kept])
    report = evaluate(inputs, Settings((0.1,), resamples=20, resample_unit=unit), tmp_path, "t")
    (text,) = report.verdicts.values()
    assert f"show {n_people} people only: no intervals and no verdict on methods are given for fewer than 10" in text
    assert "best" not in text and "ecommended" not in text
    assert "differences" not in report.tables and not list(tmp_path.glob("intervals*"))
    points = report.tables["operating_points"].frame
    assert points["fnmr"].notna().all() and points[["fnmr_low", "fnmr_high"]].isna().all(axis=None)


@pytest.mark.parametrize(("n_people", "cautious"), [(10, True), (29, True), (30, False)])
def test_fewer_than_thirty_people_have_a_caution(tmp_path, n_people, cautious):
    inputs = of_people(n_people)
    report = evaluate(inputs, Settings((0.1,), resamples=20, seed=3), tmp_path, "t")
    (text,) = report.verdicts.values()
    assert ("people only, so take this with caution: for fewer than 30" in text) == cautious and "best method" in text
    drawn = comparison_of(inputs)[0].bootstrap(Settings((0.1,)), 20, 3)["v", 0.1]
    areas = report.tables["areas"].frame.set_index("method")
    assert areas.loc["first", ["pauc_low", "pauc_high"]].tolist() == pytest.approx(
        [1e3 * end for end in drawn.interval("first")]
    )
    assert "allows for the choice of the best method" in report.tables["differences"].notes


@pytest.mark.parametrize("dtype", [float, object])
def test_groups_of_numbers_keep_all_their_digits(brought, tmp_path, dtype):
    inputs = of_people(12)
    years = [123456781, 123456782, 0.12345678, 0.12345679] * 3
    table = pd.DataFrame({"subject": [f"p{i}" for i in range(12)], "n": np.array(years, dtype)})
    table.to_parquet(tmp_path / "n.parquet") if dtype is float else table.to_csv(tmp_path / "n.csv", index=False)
    grouping = read_groups(f"{tmp_path}/n.{'parquet' if dtype is float else 'csv'}:n", inputs)
    assert sorted(grouping.names) == ["0.12345678", "0.12345679", "123456781", "123456782"]


def test_a_group_of_which_no_template_is_left(tmp_path):
    """Every template with an image of c holds one of a as well."""
    inputs = of_people(40, 2)
    inputs = replace(inputs, templates=Templates.of(np.arange(160) // 2, np.zeros(160, int)),
                     names=[f"{i}.jpg" for i in range(160)],
                     scores={"m": inputs.scores["first"].repeat(2)}, sign={"m": 1})  # fmt: skip
    groups = ["a", "c", *["a"] * 79, *["b"] * 79]
    pd.DataFrame({"name": inputs.names, "g": groups}).to_csv(tmp_path / "g.csv", index=False)
    grouping = read_groups(f"{tmp_path}/g.csv:g", inputs)
    assert grouping.names == ["a", "b"] and set(grouping.group[[0, 40]]) == {-1} and set(grouping.group[41:]) == {1}
    report = evaluate(inputs, Settings((0.1,), resamples=3), tmp_path / "r", "t", grouping)
    assert set(report.tables["group_scores"].frame["group"]) == {"a", "b"}
    pd.DataFrame({"name": inputs.names, "g": ["a", "b"] * 80}).to_csv(tmp_path / "g.csv", index=False)
    with pytest.raises(InputError, match="must have 2 to 20 values for these images, not 0"):
        read_groups(f"{tmp_path}/g.csv:g", inputs)


def test_groups_without_a_score(tmp_path):
    inputs = of_people(12)
    person = numbered_people(inputs.subjects)
    scores = np.where(person < 6, np.nan, inputs.scores["first"])
    grouping = Grouping(["a", "b"], np.where(person < 6, person % 2, -1), person)
    report = evaluate(replace(inputs, scores={"m": scores}, sign={"m": 1}), Settings((0.1,), resamples=5),
                      tmp_path, "t", grouping)  # fmt: skip
    apart = report.tables["group_differentials"].frame
    assert apart.filter(like="mdg_dd").isna().all(axis=None) and (apart["fta_dd"] == 0).all()


@pytest.mark.parametrize("name", ["a$\\foo$", "$x_{", "5$ and 6$", "a\\$b"])
def test_names_that_look_like_mathematics(tmp_path, name):
    inputs = of_people(12)
    both = {name: inputs.scores["first"], "other": inputs.scores["second"]}
    verifiers = {name: inputs.verifiers["v"], "other": inputs.verifiers["v"][:, :8]}
    person = numbered_people(inputs.subjects)
    grouping = Grouping([name, "other"], person % 2, person)
    inputs = replace(inputs, scores=both, sign=dict.fromkeys(both, 1), verifiers=verifiers)
    evaluate(inputs, Settings((0.1,), resamples=2), tmp_path, name, grouping)
    assert (tmp_path / "groups.png").exists() and (tmp_path / "report.html").exists()
