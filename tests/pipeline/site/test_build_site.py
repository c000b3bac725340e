"""The site as files: what its data hold, that it is whole, the same every time, and never in the way of others."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image
from prefiqs.pipeline.site.artefacts import markdown
from prefiqs.pipeline.site.findings import claims, key_numbers, results

from prefiqs.cli import main
from prefiqs.errors import InputError
from prefiqs.io.scores import write_score_file
from prefiqs.pipeline.site import gallery
from prefiqs.pipeline.site.build import build_site

ROOT = Path(__file__).parents[2]
STYLE = ROOT / "src" / "prefiqs" / "site" / "static" / "style.css"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def gallery_data(site: Path, benchmark: str) -> dict:
    text = (site / "gallery" / f"{benchmark}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("const GALLERY = ").removesuffix(";\n"))


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_the_gallery_holds_every_face_and_the_exact_scores(project):
    site = build_site(project.folder / "site", *project.places)
    data = gallery_data(site, "toy-xq")
    for column in ("name", "subject", "degradation", "severity"):
        assert data["faces"][column] == project.index[column].tolist()
    expected = {
        "PreFIQs, unstructured L1, ρ\u00a0=\u00a00.4": "unstructured-l1-0.4", "embedding norm": "norm",
        "ser-fiq": "ser-fiq", "PreFIQs, structured L1, ρ\u00a0=\u00a00.4": "structured-l1-0.4",
    }  # fmt: skip
    assert [m["label"] for m in data["methods"]] != sorted(expected), "the order is chosen, not that of the alphabet"
    assert {m["label"] for m in data["methods"]} == expected.keys()
    for method in data["methods"]:
        scores = np.array(method["scores"], np.float32)
        np.testing.assert_array_equal(scores, project.scores[expected[method["label"]]])
    assert "ser-fiq" not in [m["label"] for m in gallery_data(site, "toy")["methods"]]  # toy is not in `paired`


def test_pictures_show_the_faces_and_are_shared(project):
    site = build_site(project.folder / "site", *project.places)
    keys = gallery_data(site, "toy-xq")["faces"]["picture"]
    for row in (0, 1, 299):
        shown = np.asarray(Image.open(site / "faces" / f"{keys[row]}.jpg"), int)
        assert np.abs(shown - project.images[row]).mean() < 12
        assert np.abs(shown - project.images[row - 1]).mean() > 30
    assert set(gallery_data(site, "toy")["faces"]["picture"]) < set(keys)
    assert len(list((site / "faces").iterdir())) == len(set(keys)) == 300


def test_faces_that_may_not_be_shown_are_not_there(project):
    project.change("align", show_faces=False)
    site = build_site(project.folder / "site", *project.places)
    assert not [p for p in contents(site) if p.endswith(".jpg")]
    data = gallery_data(site, "toy-xq")
    assert data["faces"]["picture"] is None
    assert data["faces"]["name"] == project.index["name"].tolist()
    assert "not shown" in soup(site / "gallery-toy-xq.html").get_text()


def test_of_a_large_benchmark_faces_are_spread_evenly(project, monkeypatch):
    monkeypatch.setattr(gallery, "MOST_FACES", 4)
    site = build_site(project.folder / "site", *project.places)
    data = gallery_data(site, "toy-xq")
    assert data["faces"]["name"] == project.index["name"].iloc[[0, 100, 199, 299]].tolist()
    scores = {m["label"]: m["scores"] for m in data["methods"]}
    np.testing.assert_array_equal(np.float32(scores["embedding norm"]), project.scores["norm"][[0, 100, 199, 299]])
    assert "4 faces, evenly spread over the 300" in soup(site / "gallery-toy-xq.html").get_text().replace("\n", " ")


def test_scores_of_other_tools_join(project):
    names, scores = project.index["name"], np.arange(300.0)
    (project.folder / "data" / "external").mkdir()
    write_score_file(names, scores, project.folder / "data" / "external" / "PFE_toy-xq.txt")
    site = build_site(project.folder / "site", *project.places)
    by_label = {m["label"]: m["scores"] for m in gallery_data(site, "toy-xq")["methods"]}
    assert by_label["PFE"] == (-scores).tolist()  # named in `external.lower_is_better`


def test_two_builds_give_the_same_bytes_and_the_second_replaces_the_first(project):
    out = project.folder / "deeper" / "site"
    first = contents(build_site(out, *project.places))
    (out / "stale.html").write_text("of another run")
    assert contents(build_site(out, *project.places)) == first
    assert [p.name for p in out.parent.iterdir()] == ["site"]


@pytest.mark.parametrize("kind", ["folder", "page", "file"])
def test_what_is_no_site_is_refused_and_kept(project, kind):
    out = project.folder / "mine"
    if kind != "file":
        out.mkdir()
    precious = {"folder": out / "thesis.txt", "page": out / "index.html", "file": out}[kind]
    precious.write_text("my page")
    with pytest.raises(InputError, match="Expected a new folder or a site made by `prefiqs site`, got .*mine"):
        build_site(out, *project.places)
    assert precious.read_text() == "my page"


@pytest.mark.parametrize(
    "missing",
    ["reports/numbers.json", "reports/README.md", "reports/tables/areas-toy-xq-sface.csv",
     "data/scores/toy-xq/sface/scores.parquet", "data/methods/toy-xq/ser-fiq/scores.parquet"],
)  # fmt: skip
def test_a_failed_build_says_what_is_missing_and_leaves_the_old_site(project, missing):
    site = build_site(project.folder / "site", *project.places)
    before = contents(site)
    (project.folder / missing).unlink()
    with pytest.raises(InputError, match=f"{missing}, got no such file"):
        build_site(site, *project.places)
    assert contents(site) == before
    assert not list(project.folder.glob(".site-*"))


def test_every_link_leads_to_a_file_of_the_site_and_every_image_has_a_text(project):
    site = build_site(project.folder / "site", *project.places)
    pages = sorted(site.glob("*.html"))
    assert len(pages) == 7
    seen = 0
    for page in pages:
        tree = soup(page)
        for tag in tree.find_all(True):
            for target in filter(None, (tag.get("href"), tag.get("src"))):
                if target != "data:,":
                    path, _, part = target.partition("#")
                    assert "//" not in target
                    assert (site / (path or page.name)).is_file(), f"{page.name}: {target}"
                    assert not part or soup(site / (path or page.name)).find(id=part), f"{page.name}: {target}"
                    seen += 1
        assert all(image["alt"] for image in tree.find_all("img"))
    assert seen > 60


def test_the_start_page_says_what_was_found(project):
    site = build_site(project.folder / "site", *project.places)
    text = " ".join(soup(site / "index.html").get_text(" ").split())
    assert "What holds on our data: 1 of 2" in text
    assert "yes Unstructured L1 beats structured L1" in text
    assert "no PreFIQs (unstructured-l1-0.4) beats the embedding norm" in text
    assert "smaller at 1 of 1 & <all>" in text
    assert "sface 6.77 12.00 −40 % 15.00 −25 % 20.00" in text
    assert "10 · Does discarding help?" in text


def test_numbers_against_the_random_order(project):
    params, _, reports = project.places
    (found,) = key_numbers(reports, params)
    assert [row["saved"] for row in found["rows"]] == [pytest.approx(100 * (20 - 12) / 20), None]
    assert [row["fnmr"] for row in found["rows"]] == [pytest.approx(6.77), 25]


def test_results_are_the_tables_of_the_stages(project):
    params, _, reports = project.places
    table, areas = results(reports, params), pd.read_csv(reports / "tables" / "areas-toy-xq-sface.csv")
    assert len(table) == len(areas) + 4
    row = table.query("verifier == 'other' and method == 'embedding norm' and fmr == 0.0001 and threshold == 'fixed'")
    own = areas.query("verifier == 'other' and method == 'norm' and fmr == 0.0001 and threshold == 'fixed'")
    assert row[["pauc", "low", "high"]].to_numpy() == pytest.approx(own[["pauc", "pauc_low", "pauc_high"]].to_numpy())
    chance = table[table["method"] == "random order"]
    assert chance["threshold"].unique() == ["recomputed"]
    values = chance[["pauc", "low", "high", "fnmr"]].drop_duplicates()
    assert len(values) == 1 and values.iloc[0].tolist() == pytest.approx([80.5, 78, 83, 5])


def test_the_claims_of_the_paper_are_told_from_the_others():
    table = pd.read_csv(ROOT / "reports" / "claims.csv")
    about_pruning = ~table["claim"].str.contains("PreFIQs|as good as", regex=True)
    assert [c["papers"] for c in claims(ROOT / "reports")] == about_pruning.tolist()
    assert about_pruning.sum() == 3


def test_tags_in_markdown_are_shown_and_not_obeyed():
    tree = BeautifulSoup(markdown("<script>alert(1)</script>\n\nx <img src=y> <br>\n"), "html.parser")
    assert not tree.find_all(["script", "img"])
    assert "<script>" in tree.get_text() and "<img src=y>" in tree.get_text()


def test_the_command(project, monkeypatch, capsys):
    monkeypatch.chdir(project.folder)
    (project.folder / "taken").mkdir()
    for arguments, code in (([], 0), (["taken"], 1)):
        monkeypatch.setattr(sys, "argv", ["prefiqs", "site", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == code
    printed = capsys.readouterr()
    assert printed.out == f"{project.folder / 'site' / 'index.html'}\n"
    assert printed.err.startswith("prefiqs: Expected a new folder") and printed.err.count("\n") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_the_contrast_of_wcag_aa(scheme):
    light, dark = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)
    text = light if scheme == "light" else dark
    colours = {name: value.strip() for name, value in re.findall(r"--([\w-]+):\s*(#\w+)", text)}
    pairs = [(c, paper) for c in ("ink", "soft", "accent") for paper in ("paper", "raised", "chosen")]
    for ink, paper in [*pairs, ("yes", "yes-paper"), ("no", "no-paper")]:
        bright, faint = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
        assert (bright + 0.05) / (faint + 0.05) >= 4.5, (ink, paper)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
    shares = np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
