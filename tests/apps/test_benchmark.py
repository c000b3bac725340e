"""From photos of people to a report: the numbers of the pipeline, nothing computed twice, failures counted."""

import re
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import prefiqs
from prefiqs.apps import benchmark as app
from prefiqs.apps.evaluate.inputs import Settings
from prefiqs.cli import app as cli
from prefiqs.datasets.people import build_people, people_in
from prefiqs.errors import InputError
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.tables import areas_table

pytestmark = pytest.mark.long  # two real networks
METHODS = ["norm", "pruning-margin"]
VERIFIERS = {"sface": "sface", "own": "mobilefacenet-512"}
SETTINGS = Settings((0.01,), resamples=20, target_fnmrs=(0.5,))


@pytest.fixture(scope="module")
def people(assets, tmp_path_factory):
    """Ten people with four photos each, some blurred; one photo of nothing, and a broken one."""
    folder = tmp_path_factory.mktemp("photos") / "people"
    for person in range(1, 11):
        (folder / f"s{person}").mkdir(parents=True)
        for photo in range(1, 5):
            image = cv2.imread(str(assets["orl"] / f"s{person}" / f"{photo}.pgm"))
            image = cv2.GaussianBlur(image, (0, 0), 2) if (person + photo) % 2 == 0 else image
            cv2.imwrite(str(folder / f"s{person}" / f"{photo}.png"), image)
    cv2.imwrite(str(folder / "s1" / "nothing.png"), np.full((112, 92, 3), 127, np.uint8))
    (folder / "s2" / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def report(people, out):
    return app.benchmark(people, out, METHODS, "sface", VERIFIERS, SETTINGS)


def test_the_areas_are_those_of_the_pipeline_for_the_same_faces(report, people):
    faces = build_people(people)
    embeddings = dict(zip(VERIFIERS, prefiqs.embed(list(VERIFIERS.values()), faces.images), strict=True))
    scores = {method: prefiqs.score(faces.images, method, "sface") for method in METHODS}
    comparison = Comparison(embeddings, faces.pairs, faces.genuine, scores)
    expected = areas_table(comparison.curves(SETTINGS), SETTINGS.limit)
    found = report.tables["areas"].frame.rename(columns={"method": "key"})
    both = expected.merge(found, on=["verifier", "key", "fmr"], suffixes=("", "_found"))
    assert len(both) == len(expected) == 4
    np.testing.assert_allclose(both["pauc_found"], both["pauc"], rtol=1e-9)
    np.testing.assert_allclose(both["fnmr_found"], both["fnmr"], rtol=1e-9)


def test_photos_without_a_face_count_as_rejected(report, out):
    table = pd.read_parquet(out / "scores.parquet")
    assert table.loc[table["score"].isna(), "path"].nunique() == 2
    lost = report.tables["operating_points"].frame.query("percentile == 0")
    np.testing.assert_allclose(lost["images_rejected"], 2 / 42)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "has no embedding for 2 of 42 images" in page
    assert "norm and pruning-margin have no score for 2 of 42 images" in page


def test_nothing_is_computed_again_unless_photos_or_networks_change(people, out, report, monkeypatch):
    embedded, scored = [], []
    original = app.write_embeddings

    def counted(jobs, *others, **options):
        embedded.extend(jobs := list(jobs))
        original(jobs, *others, **options)

    monkeypatch.setattr(app, "write_embeddings", counted)
    monkeypatch.setattr(app.PhotoScorer, "rows_of", lambda self, photos: scored.extend(photos) or [])
    again = app.benchmark(people, out, METHODS, "sface", VERIFIERS, SETTINGS)
    assert not scored and not embedded
    pd.testing.assert_frame_equal(again.tables["areas"].frame, report.tables["areas"].frame)
    more = VERIFIERS | {"small": "mobilefacenet-192"}
    app.benchmark(people, out, METHODS, "sface", more, SETTINGS)
    assert len(embedded) == 1 and not scored
    with pytest.raises(InputError, match="made with other options"):
        app.benchmark(people, out, ["norm"], "sface", VERIFIERS, SETTINGS)


def test_scores_of_another_tool_join_the_comparison(people, out, report, tmp_path):
    table = pd.read_parquet(out / "scores.parquet").dropna(subset="score").query("method == 'norm'")
    (tmp_path / "mine.txt").write_text("".join(f"{row.path} {-row.score}\n" for row in table.itertuples()))
    given = [str(tmp_path / "mine.txt")]
    areas = app.benchmark(people, out, METHODS, "sface", VERIFIERS, SETTINGS, given, ["mine"]).tables["areas"].frame
    paucs = areas.set_index(["method", "verifier"])["pauc"]
    assert paucs["mine", "own"] == paucs["norm", "own"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--verifier", "magic"], "Unknown model 'magic'"),
        (["--verifier", "qualityface"], "predicts quality and cannot compare faces"),
        (["--method", "norm,magic"], "Unknown method 'magic'"),
        (["--scores", "{folder}/no.txt"], "File not found: "),
        (["--scores", "{folder}/others.txt"], "every image is unknown or marked as failed. It names 'x.jpg'"),
        (["--scores", "norm={folder}/others.txt"], "The method 'norm' is also in"),
        (["--lower-is-better", "nrom"], "There are no scores of nrom, only of norm."),
        (["--groups", "{folder}/people.csv:sex"], "needs a column 'sex'"),
        (["--groups", "{folder}/people.csv:age"], r"2 to 20 values for these images, not 1. Combine ages"),
    ],
)
def test_wrong_options_are_noticed_before_photos_are_scored(people, tmp_path, options, message):
    (tmp_path / "others.txt").write_text("x.jpg 1\ny.jpg 2\n")
    pd.DataFrame({"subject": ["s1", "s2"], "age": [30, 30]}).to_csv(tmp_path / "people.csv", index=False)
    given = [option.format(folder=tmp_path) for option in options]
    arguments = ["benchmark", str(people), "--method", "norm", *given, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, arguments)
    assert isinstance(result.exception, InputError) and message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_report_among_the_people_is_no_person(people, tmp_path):
    copy, verifier = shutil.copytree(people, tmp_path / "people"), {"sface": "sface"}
    first, second = (
        app.benchmark(copy, copy / "report", ["norm"], "sface", verifier, SETTINGS).tables["areas"] for _ in range(2)
    )
    assert len(list((copy / "report").glob("*.png"))) > 1
    assert people_in(copy).person_of.keys() == {str(photo) for photo in copy.glob("s*/*.*")}
    assert people_in(copy).skipped == "Skipped: 1 with results."
    pd.testing.assert_frame_equal(first.frame, second.frame)


def test_the_page_says_how_each_verifier_takes_pixels(report, out):
    facts = re.search("<dt>pixels</dt><dd>(.+)</dd>", (out / "report.html").read_text(encoding="utf-8"))
    assert facts and facts[1] == "sface takes RGB, (x - 127.5)/128; own takes RGB, (x - 127.5)/128"


def test_the_pairs_that_failures_would_have_had():
    subjects = np.array([*np.repeat(np.arange(100), 4), 0, 0, 99], object)
    pairs, genuine = app._pairs_of_failures(subjects, 400, 400 * 396 // 4, 0)
    assert genuine.sum() == 4 + 5 + 4
    assert (subjects[pairs[:, 0]] == subjects[pairs[:, 1]]).tolist() == genuine.tolist()
    assert len({tuple(sorted(pair)) for pair in pairs.tolist()}) == len(pairs)
    assert (pairs.max(axis=1) >= 400).all()
    assert 0.4 < (~genuine).sum() / (3 * 400) < 0.6  # half of all impostor pairs were drawn


def test_the_command_with_groups(people, tmp_path):
    groups = pd.DataFrame({"subject": [f"s{i}" for i in range(1, 11)], "glasses": ["yes", "no"] * 5})
    groups.to_csv(tmp_path / "groups.csv", index=False)
    arguments = ["benchmark", str(people), "--method", "norm", "--verifier", "mobilefacenet-512", "--fmr", "0.1"]
    arguments += ["--bootstrap", "20", "--groups", f"{tmp_path / 'groups.csv'}:glasses", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "norm" in result.stdout
    assert {"report.html", "scores.parquet", "areas.csv", "groups.csv"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }


def test_people_without_two_photos_of_a_face(people, tmp_path):
    for person in ("s3", "s5"):
        (tmp_path / "few" / person).mkdir(parents=True)
        shutil.copy(people / person / "1.png", tmp_path / "few" / person)
    with pytest.raises(InputError, match="few, no person has two photos with a detected face"):
        app.benchmark(tmp_path / "few", tmp_path / "out", METHODS, "sface", VERIFIERS, SETTINGS)


def test_a_photo_that_changed_under_its_name_is_noticed(people, tmp_path):
    copy = tmp_path / "people"
    for person in ("s3", "s5"):
        shutil.copytree(people / person, copy / person)
    app.benchmark(copy, tmp_path / "out", ["norm"], "sface", {"sface": "sface"}, SETTINGS)
    shutil.copy(people / "s7" / "1.png", copy / "s3" / "1.png")
    with pytest.raises(InputError, match=r"s3/1.png has changed since it was scored \(1 such photos\)"):
        app.benchmark(copy, tmp_path / "out", ["norm"], "sface", {"sface": "sface"}, SETTINGS)


def test_two_verifiers_of_one_name_are_refused(people, tmp_path):
    for folder in ("v1", "v2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.onnx").write_bytes(b"")
    given = [f"--verifier={tmp_path / folder / 'm.onnx'}" for folder in ("v1", "v2")]
    result = CliRunner().invoke(cli, ["benchmark", str(people), *given, "--out", str(tmp_path / "out")])
    assert "Two verifiers are called m. Rename one: NAME=" in str(result.exception)
