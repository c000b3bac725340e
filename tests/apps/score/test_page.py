"""The page of scored photos: what it holds, and how it behaves in a browser."""

import base64
import io
import json
import os
import re
import tarfile

import numpy as np
import pandas as pd
import pytest
from browser import needs_chromium
from markupsafe import escape
from PIL import Image
from small_networks import TinyNet

import prefiqs
from prefiqs.apps.score import page
from prefiqs.apps.score.page import write_page
from prefiqs.apps.score.rows import PERCENTILE, read_scores
from prefiqs.apps.score.run import write_scores
from prefiqs.apps.score.scorer import PhotoScorer
from prefiqs.faces.find import Shard, find_images


@pytest.fixture(scope="module")
def table(photos, tmp_path_factory):
    """Two methods on seven photos, two of which have no face."""
    out = tmp_path_factory.mktemp("table") / "scores.csv"
    write_scores(PhotoScorer(["prefiqs", "norm"], TinyNet(), device="cpu"), find_images(photos), out)
    return read_scores(out).to_pandas()


@pytest.fixture(scope="module")
def written(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(table, path, "My photos", worst=3, best=2)
    return path


def data_of(path) -> list[dict]:
    return json.loads(re.search(r"const METHODS = (.*);\n", path.read_text())[1])


def test_both_ends_in_order_with_the_faces_as_aligned(table, written):
    prefiqs_data, norm_data = data_of(written)
    for data, method in ((prefiqs_data, "prefiqs"), (norm_data, "norm")):
        scores = table[table["method"] == method].set_index("path")["score"].dropna().sort_values()
        assert data["scores"] == scores.tolist()
        assert [face["name"] for face in data["lowest"]] == scores.index[:3].tolist()
        assert [face["name"] for face in data["highest"]] == scores.index[::-1][:2].tolist()
    face = prefiqs_data["lowest"][0]
    shown = Image.open(io.BytesIO(base64.b64decode(face["picture"].partition(",")[2])))
    expected = prefiqs.align(face["name"]).image
    assert np.abs(np.asarray(shown, int) - expected).mean() < 2  # as JPEG


def test_links_lead_from_the_page_to_the_photos(written):
    for face in data_of(written)[0]["lowest"]:
        assert (written.parent / face["link"]).resolve().is_file()


def test_the_reference_of_percentiles_is_said_where_there_are_any(table, tmp_path):
    for value, said in ((50.0, True), (None, False)):
        write_page(table.assign(percentile=pd.Series(value, table.index, float)), tmp_path / "p.html", "x")
        assert (f"<dt>percentile</dt><dd>{escape(PERCENTILE)}</dd>" in (tmp_path / "p.html").read_text()) == said


def test_photos_without_a_score_stand_there_once_with_their_reason(written):
    text = written.read_text()
    assert text.count("No face was found in this photo") == 1
    assert "7, 5 with a score and 2 without" in text


def test_names_from_photos_cannot_become_code(table, tmp_path):
    evil = '</script><script>alert("x")</script>.png'
    write_page(table.assign(path=table["path"].replace(table["path"].iloc[0], evil)), tmp_path / "p.html", "x")
    assert "<script>alert" not in (tmp_path / "p.html").read_text()
    assert evil in {face["name"] for face in data_of(tmp_path / "p.html")[0]["lowest"]}


def test_photos_that_are_gone_have_no_picture(table, tmp_path):
    write_page(table.assign(path="gone/" + table["path"].str.rsplit("/").str[-1]), tmp_path / "p.html", "x")
    assert {face["picture"] for face in data_of(tmp_path / "p.html")[0]["lowest"]} == {None}


@pytest.mark.parametrize("packed", [False, True])
def test_photos_whose_names_are_not_utf_8_are_shown(photos, tmp_path, packed):
    """Their folder's name, too: what the table says of it is not what the system calls it."""
    folder = tmp_path / os.fsdecode(b"fa\xe7ade")
    folder.mkdir()
    if packed:
        with tarfile.open(folder / "set.tar", "w") as tar:
            tar.add(photos[0], "a.pgm")
    else:
        (folder / os.fsdecode(b"caf\xe9.pgm")).write_bytes(photos[0].read_bytes())
    out = tmp_path / "scores.csv"
    write_scores(PhotoScorer("norm", TinyNet(), device="cpu"), find_images([folder]), out)
    write_page(read_scores(out).to_pandas(), tmp_path / "p.html", "x")
    (face,) = data_of(tmp_path / "p.html")[0]["lowest"]
    assert face["picture"] and face["link"] == ("fa%E7ade/set.tar" if packed else "fa%E7ade/caf%E9.pgm")
    assert face["name"].endswith("fa\\xe7ade/set.tar/a.pgm" if packed else "fa\\xe7ade/caf\\xe9.pgm")


def test_names_that_would_be_shown_reversed_or_broken_are_escaped(table, tmp_path):
    """They are copied as they are."""
    odd = "a\u202egnp.exe\n.png"
    lost = table[table["score"].isna()].iloc[:1].assign(path=odd, status=f"{odd} is not an image.")
    write_page(pd.concat([table.dropna(subset="score").assign(path=odd), lost]), tmp_path / "p.html", "x")
    (face, *_) = data_of(tmp_path / "p.html")[0]["lowest"]
    assert (face["name"], face["shown"]) == (odd, r"a\u202egnp.exe\n.png")
    text = (tmp_path / "p.html").read_text()
    assert "\u202e" not in text
    assert r">a\u202egnp.exe\n.png</a></td><td>a\u202egnp.exe\n.png is not an image.<" in text


def test_photos_in_a_tar_file_are_shown(photos, tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for photo in photos[:2]:
            tar.add(photo, photo.name)
    out = tmp_path / "scores.csv"
    write_scores(PhotoScorer("norm", TinyNet(), device="cpu"), find_images([tmp_path / "set.tar"]), out)
    write_page(read_scores(out).to_pandas(), tmp_path / "p.html", "x")
    faces = data_of(tmp_path / "p.html")[0]["lowest"]
    assert len(faces) == 2 - pd.read_csv(out)["score"].isna().sum()
    assert all(face["picture"] for face in faces)
    assert {face["link"] for face in faces} == {"set.tar"}


def test_a_packed_set_is_read_as_far_as_its_faces_are_shown(photos, tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for photo in photos:
            tar.add(photo, photo.name)
    out, seen, images = tmp_path / "scores.csv", [], Shard.images
    write_scores(PhotoScorer("norm", TinyNet(), device="cpu"), find_images([tmp_path / "set.tar"]), out)
    monkeypatch.setattr(Shard, "images", lambda shard: (seen.append(image.name) or image for image in images(shard)))
    table = read_scores(out).to_pandas()
    write_page(table[table["path"].str.endswith("/2.pgm")], tmp_path / "p.html", "x")
    assert data_of(tmp_path / "p.html")[0]["lowest"][0]["picture"]
    assert [name.rsplit("/")[-1] for name in seen] == ["1.pgm", "2.pgm"]


def test_many_photos_without_a_score_are_counted(table, tmp_path):
    lost = table[table["score"].isna()].iloc[[0] * 1234].assign(path=[f"{i}.jpg" for i in range(1234)])
    write_page(pd.concat([table, lost]), tmp_path / "p.html", "x")
    text = (tmp_path / "p.html").read_text()
    assert "And 236 more, which the table lists." in text and text.count("<tr>") < 1100
    write_page(table, tmp_path / "p.html", "x")
    assert "more, which the table lists" not in (tmp_path / "p.html").read_text()


def test_photos_on_another_drive_of_windows_have_a_link(table, tmp_path, monkeypatch):
    def relpath(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(page.os.path, "relpath", relpath)
    write_page(table, tmp_path / "p.html", "x")
    face = data_of(tmp_path / "p.html")[0]["lowest"][0]
    assert face["link"] == f"file://{face['name']}"


def test_aligned_faces_are_shown_as_they_are(photos, tmp_path):
    face = prefiqs.align(photos[0]).image
    Image.fromarray(face).save(tmp_path / "face.png")
    out = tmp_path / "scores.csv"
    write_scores(PhotoScorer("norm", TinyNet(), aligned=True, device="cpu"), find_images([tmp_path / "face.png"]), out)
    write_page(read_scores(out).to_pandas(), tmp_path / "p.html", "x")
    (shown,) = data_of(tmp_path / "p.html")[0]["lowest"]
    picture = Image.open(io.BytesIO(base64.b64decode(shown["picture"].partition(",")[2])))
    assert np.abs(np.asarray(picture, int) - face).mean() < 2


class TestInABrowser:
    pytestmark = needs_chromium

    def test_the_threshold_says_what_is_rejected(self, page, written, table):
        page.goto(written.as_uri())
        scores = table[table["method"] == "prefiqs"].dropna(subset="score").sort_values("score")
        page.fill("#threshold", str(scores["score"].iloc[2]))
        assert page.inner_text("#share").startswith("2 of 5 faces (40.0 %) score below")
        assert page.locator("#lowest li.rejected").count() == 2
        assert page.input_value("#names").splitlines() == scores["path"].tolist()[:2]
        page.locator("#rejected").evaluate("e => { e.value = 5; e.dispatchEvent(new Event('input')); }")
        assert page.inner_text("#share").startswith("5 of 5 faces")
        page.locator("#rejected").evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input')); }")
        assert page.inner_text("#share").startswith("0 of 5 faces")
        assert page.input_value("#names") == ""

    def test_another_method_shows_its_own_scores(self, page, written, table):
        page.goto(written.as_uri())
        page.select_option("#method", label="norm")
        lowest = table[table["method"] == "norm"].dropna(subset="score").sort_values("score")["path"].head(3)
        assert page.locator("#lowest a").all_inner_texts() == lowest.tolist()

    def test_bars_below_the_threshold_stand_out(self, page, written, table):
        page.goto(written.as_uri())
        scores = table[table["method"] == "prefiqs"]["score"].dropna().sort_values().to_numpy()
        page.evaluate("document.querySelector('#histogram').firstChild.kept = true")
        page.fill("#threshold", str(scores[2]))
        expected = (np.linspace(scores[0], scores[-1], 61)[1:] <= scores[2]).sum()
        assert abs(page.locator("#histogram rect.rejected").count() - expected) <= 1
        assert page.evaluate("document.querySelector('#histogram').firstChild.kept"), "it is not drawn anew"

    @pytest.mark.parametrize("width", [400, 1200])
    def test_nothing_is_wider_than_the_window(self, page, written, width):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(written.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
