"""The documentation as a site: whole, in the navigation, readable on a phone, with references made from the code."""

import json
import re
from pathlib import Path

import pytest
from browser import CHROMIUM
from bs4 import BeautifulSoup

import prefiqs
from prefiqs.cli import COMMANDS
from prefiqs.pipeline.site.build import build_site

ROOT = Path(__file__).parents[3]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
TUTORIALS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "reports" / "tutorials").iterdir())
RUNS = [path.parent.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("reports/*/manifest.json"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site of this repository. Its build is strict: it fails if a link of any page leads nowhere."""
    return build_site(ROOT, tmp_path_factory.mktemp("site") / "site")


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_every_page_is_in_the_navigation():
    listed = re.findall(r": (docs/\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == PAGES


@pytest.mark.long
def test_the_references_hold_every_command_and_every_public_name(site):
    headings = {}
    for page in ("command-line", "python"):
        found = soup(site / "docs" / "reference" / f"{page}.html").find_all(["h2", "h3"])
        headings[page] = {heading.get_text().replace("¶", "").strip() for heading in found}
    assert {f"prefiqs {name.replace('_', '-')}" for name in COMMANDS} < headings["command-line"]
    assert set(prefiqs._MODULE_OF) < headings["python"]
    text = soup(site / "docs" / "reference" / "python.html").get_text()
    assert "Prepare everything from photo to score once" in text and "photo_scorer(" in text


@pytest.mark.long
def test_search_finds_what_the_navigation_has_and_executed_tutorials(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert found >= {Path(page).with_suffix(".html").as_posix() for page in (*PAGES, *TUTORIALS)}
    assert found >= {f"{run}/{page}.html" for run in RUNS for page in ("results", "tables")}
    assert not found & {f"notebooks/{Path(name).stem}.html" for name in TUTORIALS}, "not executed"
    assert not any("/edc/" in page for page in found), "tables of one item"
    areas = [entry["text"] for entry in index["docs"] if entry["location"] == f"{RUNS[0]}/results.html"]
    assert "pruning margin" in areas[0] and len(areas[0]) < 5000, "each method once"


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium in /usr/bin (Debian's package chromium)")
def test_pages_fit_a_narrow_screen(page, site):
    page.set_viewport_size({"width": 400, "height": 800})
    results = [f"{run}/{page}" for run in RUNS for page in ("index.html", "results.html", "tables.html")]
    for name in [*PAGES, *TUTORIALS, *results, "index.html", "reports/index.html", "CONTRIBUTING.html"]:
        page.goto((site / name).with_suffix(".html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, name
        assert all(page.eval_on_selector_all("img", "images => images.map(i => i.alt)")), name
