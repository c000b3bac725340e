"""`prefiqs evaluate`: numbers are those of the pipeline's functions called on the arrays, files are whole."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

import prefiqs
from prefiqs.apps.evaluate.compare import Settings
from prefiqs.cli import main
from prefiqs.errors import InputError


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["prefiqs", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def given(brought):
    files = [brought.folder / name for name in ("good.txt", "poor.csv", "vectors.npy", "index.csv", "pairs.txt")]
    return [*files[:2], "--lower-is-better", "poor", "--embeddings", files[2], "--names", files[3], "--pairs", files[4]]


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
            assert row["fmr_resolvable"] == curve.fmr_resolvable[:3].all()
            np.testing.assert_allclose(points.loc[(method, fmr), "fnmr"], curve.fnmr, atol=1e-9)
    assert areas.loc[("good", 0.01), "pauc"] < areas.loc[("poor", 0.01), "pauc"]  # directions are as said
    assert "| good " in out and "80 images, 3160 pairs" in err


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
    assert f"<td>{areas['pauc'].iloc[0]:.2f}".rstrip("0") in page
    assert "scores negated, because lower is better: poor" in page and "1/FMR" not in page


def test_a_page_says_where_there_are_too_few_impostors(run, brought, tmp_path):
    code, _, err = run("evaluate", *given(brought), "--out", tmp_path, "--fmr", 0.0001)
    assert code == 0, err
    assert "fewer than 1/FMR impostor pairs at FMR 0.0001" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fmr", 2], "The target FMR must be above 0 and below 1, not 2.0"),
        (["--threshold", "best"], "Unknown threshold 'best'; choose one of recomputed, fixed"),
        (["--threshold-rule", "best"], "Unknown rule 'best'; choose one of nearest, conservative"),
        (["--max-discard", 0.99], "must lie between one step (0.05) and the last one (0.95), not at 0.99"),
        (["--bootstrap", -1], "cannot be -1; 0 means no intervals"),
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
    assert "| half " in out and {"edc-half-0.05.png", "edc-vectors-0.01.png"} <= {
        path.name for path in (tmp_path / "both").iterdir()
    }
    alone = given(brought)
    alone[alone.index("--embeddings") + 1] = both[1]
    code, out, err = run("evaluate", *alone, "--out", tmp_path / "alone", *options)
    assert code == 0 and "half" not in out and (tmp_path / "alone" / "edc-0.05.png").exists(), err
    for table in ("areas", "curves", "differences", "operating_points"):
        together, single = (pd.read_csv(tmp_path / folder / f"{table}.csv") for folder in ("both", "alone"))
        part = together[together["verifier"] == "half"].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, single)
        assert len(together) == 2 * len(single)
