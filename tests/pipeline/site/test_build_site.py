"""The site as files: what its data hold, that it is whole, the same every time, and never in the way of others."""

import json
import re
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image, ImageColor

from prefiqs.cli import main
from prefiqs.errors import InputError
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.site import gallery
from prefiqs.pipeline.site.build import build_site
from prefiqs.pipeline.site.results import shown_first
from prefiqs.reporting.html.pages import STATIC

RUN = "reports/default"
ROOT = Path(__file__).parents[3]
NORM = MethodId.of("norm", "sface")


@pytest.fixture(scope="module")
def built(make, tmp_path_factory):
    """A project and its site, for tests that change neither."""
    project = make(tmp_path_factory.mktemp("project"))
    return project, build_site(project.folder, project.folder / "site")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def gallery_data(site: Path, benchmark: str) -> dict:
    text = (site / RUN / f"gallery-{benchmark}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("const GALLERY = ").removesuffix(";\n"))


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_the_gallery_holds_every_face_and_the_exact_scores(built):
    project, site = built
    data = gallery_data(site, "toy-xq")
    for column in ("name", "subject", "degradation", "severity"):
        assert data["faces"][column] == project.index[column].tolist()
    expected = {method.label: scores for method, scores in project.scores.items()}
    expected["true severity"] = -project.index["severity"].to_numpy(np.float32)
    labels = [m["label"] for m in data["methods"]]
    assert labels[0] == "PreFIQs, unstructured L1, ρ = 0.4" and sorted(labels) == sorted(expected)
    for method in data["methods"]:
        np.testing.assert_array_equal(np.array(method["scores"], np.float32), expected[method["label"]])
    assert "SER-FIQ" not in [m["label"] for m in gallery_data(site, "toy")["methods"]]  # toy is not in `paired`


def test_pictures_show_the_faces_and_are_shared(built):
    project, site = built
    keys = gallery_data(site, "toy-xq")["faces"]["picture"]
    for row in (0, 1, 299):
        shown = np.asarray(Image.open(site / "reports" / "faces" / f"{keys[row]}.jpg"), int)
        assert np.abs(shown - project.images[row]).mean() < 12
        assert np.abs(shown - project.images[row - 1]).mean() > 30
    assert set(gallery_data(site, "toy")["faces"]["picture"]) < set(keys)
    assert len(list((site / "reports" / "faces").iterdir())) == len(set(keys)) == 300


def test_faces_that_may_not_be_shown_are_not_there(project):
    project.change({"align": {"show_faces": {"toy-xq": False}}})
    site = build_site(project.folder, project.folder / "site")
    assert len([p for p in contents(site) if p.endswith(".jpg")]) == 60, "only faces of the other benchmark"
    data = gallery_data(site, "toy-xq")
    assert data["faces"]["picture"] is None
    assert data["faces"]["name"] == project.index["name"].tolist()
    assert "not shown" in soup(site / RUN / "gallery-toy-xq.html").get_text()


def test_of_a_large_benchmark_faces_are_spread_evenly(project, monkeypatch):
    monkeypatch.setattr(gallery, "MOST_FACES", 4)
    found = gallery.gallery_of(project.run, "toy-xq")
    data = json.loads(found.data.removeprefix("const GALLERY = ").removesuffix(";\n"))
    assert data["faces"]["name"] == project.index["name"].iloc[[0, 100, 199, 299]].tolist()
    scores = {m["label"]: m["scores"] for m in data["methods"]}
    np.testing.assert_array_equal(np.float32(scores["embedding norm"]), project.scores[NORM][[0, 100, 199, 299]])
    site = build_site(project.folder, project.folder / "site")
    text = soup(site / RUN / "gallery-toy-xq.html").get_text().replace("\n", " ")
    assert "4 faces, evenly spread over the 300" in text


def test_scores_of_other_tools_join(project):
    names, scores = project.index["name"], np.arange(300.0)
    (project.folder / "data" / "external").mkdir()
    lines = "".join(f"{name} {score}\n" for name, score in zip(names, scores, strict=True))
    (project.folder / "data" / "external" / "PFE_toy-xq.txt").write_text(lines)
    data = gallery.gallery_of(project.run, "toy-xq").data
    methods = json.loads(data.removeprefix("const GALLERY = ").removesuffix(";\n"))["methods"]
    by_label = {m["label"]: m["scores"] for m in methods}
    assert by_label["PFE"] == (-scores).tolist()  # named in `external.lower_is_better`


def test_without_faces_and_scores_there_is_no_gallery(project):
    """As in a fresh clone: everything else is there, and nothing leads to a gallery."""
    (project.folder / "data").rename(project.folder / "elsewhere")
    site = build_site(project.folder, project.folder / "site")
    assert not list(site.rglob("gallery-*"))
    assert (site / RUN / "results.html").is_file() and "Gallery" not in soup(site / "index.html").get_text()


def test_two_builds_give_the_same_bytes_and_the_second_replaces_the_first(project):
    out = project.folder / "deeper" / "site"
    first = contents(build_site(project.folder, out))
    (out / "stale.html").write_text("of another run")
    assert contents(build_site(project.folder, out)) == first
    assert [p.name for p in out.parent.iterdir()] == ["site"]


@pytest.mark.parametrize("kind", ["folder", "page", "file"])
def test_what_is_no_site_is_refused_and_kept(tmp_path, kind):
    out = tmp_path / "mine"
    if kind != "file":
        out.mkdir()
    precious = {"folder": out / "thesis.txt", "page": out / "index.html", "file": out}[kind]
    precious.write_text("my page")
    with pytest.raises(InputError, match="mine exists and was not made by `prefiqs site`"):
        build_site(tmp_path, out)
    assert precious.read_text() == "my page"


@pytest.mark.parametrize(
    "missing",
    ["reports/default/claims.csv", "reports/default/edc/toy-xq/sface/areas.csv",
     "data/methods/toy-xq/_sface/scores.parquet", "data/methods/toy-xq/ser-fiq/scores.parquet"],
)  # fmt: skip
def test_a_failed_build_says_what_is_missing_and_leaves_the_old_site(project, missing):
    site = project.folder / "site"
    site.mkdir()
    (site / ".prefiqs-site").touch()
    (project.folder / missing).unlink()
    with pytest.raises((InputError, FileNotFoundError), match=Path(missing).name):
        build_site(project.folder, site)
    assert list(contents(site)) == [".prefiqs-site"]
    assert not list(project.folder.glob(".site-*"))


def test_a_link_that_leads_nowhere_is_refused(project, caplog):
    with (project.folder / "README.md").open("a") as page:
        page.write("\n[gone](reports/default/gone.md)\n")
    with pytest.raises(InputError, match="The site has errors"):
        build_site(project.folder, project.folder / "site")
    assert "'reports/default/gone.md'" in caplog.text


def test_every_link_leads_to_a_file_of_the_site_and_every_image_has_a_text(built):
    _, site = built
    pages = [page for page in sorted(site.rglob("*.html")) if page.name != "404.html"]  # whose links begin with /
    assert len(pages) == 1 + 1 + 2 + 2 + 3  # home, report, its two lists, two galleries; a notebook, two tables
    seen = 0
    for page in pages:
        tree = soup(page)
        for tag in tree.find_all(True):
            for target in filter(None, (tag.get("href"), tag.get("src"))):
                if not target.startswith("data:"):
                    path, _, part = target.partition("#")
                    assert "//" not in target
                    linked = page.parent / path if path else page
                    linked = linked / "index.html" if linked.is_dir() else linked
                    assert linked.is_file(), f"{page}: {target}"
                    assert not part or part.startswith("__") or soup(linked).find(id=part), f"{page}: {target}"
                    seen += 1
        assert all(image["alt"] for image in tree.find_all("img"))
    assert seen > 60


def test_notebooks_become_pages_with_equations_that_need_no_network(built):
    _, site = built
    tree = soup(site / RUN / "edc" / "toy-xq" / "sface" / "13_edc.html")
    equation = tree.find("math", display="block")
    assert equation.find("mi").get_text() == "D" and "$$" not in tree.get_text()
    assert tree.find("h1").get_text().startswith("13 · Does discarding help?")
    assert "1 < 2" in tree.get_text() and tree.find("a", string="itself")["href"] == "13_edc.html"
    picture = tree.find("img", alt="output of the cell above")["src"]
    assert (site / RUN / "edc" / "toy-xq" / "sface" / picture).is_file()
    home = soup(site / "index.html")
    assert len(home.find_all("math")) == 1 and "costs $5" in home.get_text()


def test_tables_have_their_title_as_heading_and_their_files(built):
    _, site = built
    tree = soup(site / RUN / "edc" / "toy-xq" / "sface" / "table3.html")
    assert tree.find("h1").find(string=True) == "Areas of <everything>"
    assert [a["href"] for a in tree.find_all("a", string="table3.csv")] == ["table3.csv"]


def test_every_run_is_in_the_navigation(built):
    _, site = built
    links = {(a["href"], a.get_text(strip=True)) for a in soup(site / "index.html").select("nav a")}
    pages = {"index": "Report", "results": "Areas of every method", "tables": "All tables"}
    pages["gallery-toy"] = "Gallery of toy"
    assert links >= {(f"{RUN}/{name}.html", title) for name, title in pages.items()}


def test_every_table_is_listed(built):
    project, site = built
    listed = {(a["href"], a.get_text()) for a in soup(site / RUN / "tables.html").select("article li a")}
    item = "edc/toy-xq/sface"
    pages = {("claims.html", "claims"), (f"{item}/table3.html", "table3"), (f"{item}/areas.csv", "areas")}
    assert listed == pages and len(list(project.reports.rglob("*.csv"))) == len(pages)


def test_results_open_with_what_is_reliable_and_the_same_model():
    of = ["benchmark", "estimator", "verifier", "low"]
    names = product(["lfw", "lfw-all"], ["sface", "other"], ["third", "other", "sface"])
    areas = pd.DataFrame([(*row, 1.0) for row in names], columns=of)
    claims = pd.DataFrame(
        [("lfw", "sface", False), ("lfw-all", "other", True), ("lfw", "sface", True)],
        columns=["benchmark", "estimator", "reliable"],
    )
    assert shown_first(areas, claims)[of[:3]].tolist() == ["lfw-all", "other", "other"]
    assert shown_first(areas, claims[:1])[of[:3]].tolist() == ["lfw", "sface", "sface"]
    assert shown_first(areas, claims[:0])[of[:3]].tolist() == ["lfw", "sface", "sface"]


def test_areas_that_are_not_reliable_are_grey_and_have_two_digits(built):
    project, site = built
    areas = pd.read_csv(project.reports / "edc" / "toy-xq" / "sface" / "areas.csv")
    rows = soup(site / RUN / "results.html").select("#results tbody tr")
    few = [row for row in rows if "few" in row.get("class", [])]
    assert len(few) == (~areas["reliable"]).sum() + 2 and len(rows) - len(few) == areas["reliable"].sum() + 2
    for row in rows:
        pauc, reliable = row.find_all("td")[1], row.find_all("td")[11].get_text()
        assert reliable == ("no" if row in few else "yes")
        expected = f"{float(pauc['data-value']):.2g}" if row in few else f"{float(pauc['data-value']):.2f}"
        assert pauc.get_text() == expected


def test_results_are_the_tables_of_the_stages(built):
    project, site = built
    rows = soup(site / RUN / "results.html").select("#results tbody tr")
    areas = pd.read_csv(project.reports / "edc" / "toy-xq" / "sface" / "areas.csv")
    assert len(rows) == len(areas) + 4
    cells = [[cell.get("data-value", cell.get_text()) for cell in row.find_all("td")] for row in rows]
    chosen = [
        c for c in cells if c[0] == "embedding norm" and c[4] == "other" and c[9] == "0.0001" and c[10] == "fixed"
    ]
    own = areas.query("verifier == 'other' and method == 'norm' and fmr == 0.0001 and threshold == 'fixed'")
    assert [float(v) for v in chosen[0][1:4]] == pytest.approx(own[["pauc", "pauc_low", "pauc_high"]].iloc[0].tolist())
    assert any(c[0] == "SER-FIQ §" for c in cells), "its network was trained on these images"
    chance = [c for c in cells if c[0] == "random order"]
    assert {tuple(float(v) for v in (*c[1:4], c[8])) for c in chance} == {(80.5, 78, 83, 5)}


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
    assert "was not made by `prefiqs site`" in printed.err and printed.err.count("\n") == 1


INKS, THEME = ("md-accent-fg-color", "md-typeset-a-color", "soft"), "md-default-bg-color"
STYLES = {
    STATIC / "style.css": [*product(("ink", "soft", "accent"), ("paper", "raised")), ("no", "paper")],
    ROOT / "docs" / "assets" / "site.css": [
        *product(INKS, (THEME, "chosen")), ("md-primary-bg-color", "md-primary-fg-color"),
    ],
}  # fmt: skip
PAPERS = {"light": "#fff", "dark": "hsl(225, 15%, 14%)"}  # of the theme


@pytest.mark.parametrize("scheme", PAPERS)
@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.name)
def test_colours_have_the_contrast_of_wcag_aa(style, scheme):
    light, dark = re.findall(r"(?::root|slate\"\]).*? \{(.*?)\}", style.read_text(), re.DOTALL)[:2]
    text = light if scheme == "light" else light + dark  # of two colours of a name, the last counts
    colours = {THEME: PAPERS[scheme], **dict(re.findall(r"--([\w-]+):\s*(#\w+)", text))}
    for ink, paper in STYLES[style]:
        bright, faint = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
        assert (bright + 0.05) / (faint + 0.05) >= 4.5, (ink, paper)


def luminance(colour: str) -> float:
    shares = np.array(ImageColor.getrgb(colour)) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
